//! What this machine can do at best: one core's hashing and copying, the disk's flushing and writing. Measured in the
//! same run as the gateway, because a shared machine is another machine every hour.

use crate::hist::Histogram;
use crate::seeded;
use md5::Md5;
use sha2::{Digest, Sha256};
use std::fs::{File, OpenOptions};
use std::hint::black_box;
use std::io::{Result, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

/// One pass of a hash: larger than the second-level cache, smaller than the third.
const BLOCK_BYTES: usize = 8 << 20;
/// memcpy is between blocks that no cache holds.
const COPY_BYTES: usize = 128 << 20;
/// Each rate is the best of the passes within this time: other processes only ever slow it down.
const PASS: Duration = Duration::from_millis(400);
/// One append of the flush test.
const APPEND_BYTES: usize = 4096;
/// Most appends of the flush test.
const APPENDS: u64 = 2000;
/// Most time of the flush test.
const APPEND_TIME: Duration = Duration::from_secs(2);
/// The sequential write: long enough that the page cache cannot swallow it unseen, because it is flushed at the end.
const WRITE_BYTES: u64 = 512 << 20;

/// Bytes per second of the best pass of `work` over `bytes` bytes.
fn rate<T>(bytes: usize, mut work: impl FnMut() -> T) -> f64 {
    let end = Instant::now() + PASS;
    let mut best = Duration::MAX;
    black_box(work());
    while Instant::now() < end {
        let start = Instant::now();
        black_box(work());
        best = best.min(start.elapsed());
    }
    bytes as f64 / best.as_secs_f64().max(1e-9)
}

fn cores() -> Vec<(&'static str, f64)> {
    let mut block = vec![0; BLOCK_BYTES];
    seeded::fill(1, 0, 0, &mut block);
    let source = vec![1u8; COPY_BYTES];
    let mut target = vec![0u8; COPY_BYTES];
    let mut small = [0u8; 4096];
    seeded::fill(1, 0, 0, &mut small);
    vec![
        ("md5_bytes_per_s", rate(BLOCK_BYTES, || Md5::digest(black_box(&block)))),
        ("sha256_bytes_per_s", rate(BLOCK_BYTES, || Sha256::digest(black_box(&block)))),
        ("blake3_bytes_per_s", rate(BLOCK_BYTES, || blake3::hash(black_box(&block)))),
        ("crc32c_bytes_per_s", rate(BLOCK_BYTES, || crc_fast::crc32_iscsi(black_box(&block)))),
        ("memcpy_bytes_per_s", rate(COPY_BYTES, || black_box(&mut target).copy_from_slice(black_box(&source)))),
        ("md5_4k_bytes_per_s", rate(4096, || Md5::digest(black_box(&small)))),
        ("sha256_4k_bytes_per_s", rate(4096, || Sha256::digest(black_box(&small)))),
        ("blake3_4k_bytes_per_s", rate(4096, || blake3::hash(black_box(&small)))),
    ]
}

/// Latencies of 4 KiB writes with an fdatasync each; `reserve` bytes are allocated before.
fn flushes(path: &Path, reserve: u64) -> Result<Histogram> {
    let file = OpenOptions::new().create(true).truncate(true).write(true).open(path)?;
    if reserve > 0 {
        rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, reserve)?;
        file.sync_all()?;
    }
    let mut block = [0u8; APPEND_BYTES];
    let mut histogram = Histogram::default();
    let end = Instant::now() + APPEND_TIME;
    while histogram.count() < APPENDS && Instant::now() < end {
        seeded::fill(1, histogram.count(), 0, &mut block);
        let start = Instant::now();
        file.write_all_at(&block, histogram.count() * APPEND_BYTES as u64)?;
        file.sync_data()?;
        histogram.record(start.elapsed().as_nanos() as u64);
    }
    std::fs::remove_file(path)?;
    Ok(histogram)
}

fn sequential(path: &Path) -> Result<f64> {
    let mut block = vec![0; BLOCK_BYTES];
    let mut file = File::create(path)?;
    let start = Instant::now();
    for number in 0..WRITE_BYTES / BLOCK_BYTES as u64 {
        block[..8].copy_from_slice(&number.to_le_bytes());
        file.write_all(&block)?;
    }
    file.sync_data()?;
    let seconds = start.elapsed().as_secs_f64();
    std::fs::remove_file(path)?;
    Ok(WRITE_BYTES as f64 / seconds)
}

fn disk(directory: &Path) -> Result<Vec<(&'static str, f64)>> {
    let path = directory.join("panthera-load.tmp");
    let append = flushes(&path, 0)?;
    let reserved = flushes(&path, APPENDS * APPEND_BYTES as u64)?;
    Ok(vec![
        ("fdatasync_append_p50_us", append.quantile(0.5) as f64 / 1e3),
        ("fdatasync_append_p99_us", append.quantile(0.99) as f64 / 1e3),
        ("fdatasync_append_per_s", 1e9 / append.mean().max(1.0)),
        ("fdatasync_reserved_p50_us", reserved.quantile(0.5) as f64 / 1e3),
        ("fdatasync_reserved_p99_us", reserved.quantile(0.99) as f64 / 1e3),
        ("sequential_write_bytes_per_s", sequential(&path)?),
    ])
}

/// All of them as one JSON object; files are written to (and removed from) `directory`.
pub fn measure(directory: &Path) -> Result<String> {
    let mut all = cores();
    all.extend(disk(directory)?);
    let fields: Vec<_> = all.iter().map(|(name, value)| format!("\"{name}\":{value:.3}")).collect();
    Ok(format!("{{{}}}", fields.join(",")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_disk_is_left_as_it_was() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("flush");
        let histogram = flushes(&path, 1 << 20).unwrap();
        assert!(histogram.count() > 0 && histogram.quantile(0.5) > 0);
        assert_eq!(directory.path().read_dir().unwrap().count(), 0);
        assert!(flushes(&directory.path().join("missing/file"), 0).is_err());
    }
}
