//! Figures of the engine on this machine: `cargo run --release -p panthera-volume --example volume_bench [directory]`.
//!
//! Prints the physical limit (append + fdatasync of one 4 KiB page) beside what the engine reaches.
#![allow(clippy::print_stdout)]

use std::io::IoSlice;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use bytes::Bytes;
use panthera_volume::{ChunkId, Disk, Lane, NewChunk, RealDisk, Store, StoreOptions, VolumeError};

type Ticket = mpsc::SyncSender<Result<(), VolumeError>>;
type Error = Box<dyn std::error::Error>;

const SECONDS: f64 = 2.0;
const NEEDLES: u64 = 1_000_000;
const KEY: [u8; 32] = [7; 32];

/// 4 KiB that no other number has; only the head differs, so that making them costs nothing.
fn chunk(i: u64, page: &Bytes) -> NewChunk {
    let mut data = page.to_vec();
    data[..8].copy_from_slice(&i.to_le_bytes());
    NewChunk { id: ChunkId::of(&KEY, &i.to_le_bytes()), data: data.into() }
}

fn open(dir: &Path, sync: bool) -> Result<(Arc<Store<Ticket>>, Duration), Error> {
    let disk = Arc::new(RealDisk::open(dir)?);
    let options = StoreOptions { sync, ..StoreOptions::new(dir) };
    let start = Instant::now();
    let (store, report) = Store::open(disk, options, |_, outcome: Vec<(Ticket, _)>| {
        outcome.into_iter().for_each(|(ticket, result)| drop(ticket.send(result)));
    })?;
    assert!(report.damage.is_empty(), "{report:?}");
    Ok((store, start.elapsed()))
}

fn fdatasync_rate(dir: &Path) -> Result<f64, Error> {
    let disk = RealDisk::open(dir)?;
    let file = disk.create("rate")?;
    file.fallocate(0, 64 << 20)?;
    file.datasync()?;
    let page = vec![1; 4096];
    let start = Instant::now();
    let mut n = 0;
    while start.elapsed().as_secs_f64() < SECONDS {
        file.write_vectored_at(n % 16384 * 4096, &[IoSlice::new(&page)])?;
        file.datasync()?;
        n += 1;
    }
    let rate = n as f64 / start.elapsed().as_secs_f64();
    disk.remove("rate")?;
    Ok(rate)
}

fn puts(store: &Store<Ticket>, threads: u64, next: &AtomicU64, page: &Bytes) -> (f64, Duration) {
    let start = Instant::now();
    let mut times: Vec<Duration> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|_| {
                scope.spawn(|| {
                    let mut times = Vec::new();
                    let (ticket, answer) = mpsc::sync_channel(1);
                    while start.elapsed().as_secs_f64() < SECONDS {
                        let chunk = chunk(next.fetch_add(1, Ordering::Relaxed), page);
                        let before = Instant::now();
                        store.submit(Lane::Small, vec![chunk], ticket.clone());
                        assert!(matches!(answer.recv(), Ok(Ok(()))));
                        times.push(before.elapsed());
                    }
                    times
                })
            })
            .collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap_or_default()).collect()
    });
    times.sort_unstable();
    (times.len() as f64 / start.elapsed().as_secs_f64(), times[times.len() * 99 / 100])
}

fn reads(store: &Store<Ticket>, threads: u64, cached: bool) -> f64 {
    let start = Instant::now();
    let total: u64 = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|thread| {
                scope.spawn(move || {
                    let mut random = thread * 77 + 1;
                    let mut n = 0;
                    while start.elapsed().as_secs_f64() < SECONDS {
                        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                        let id = ChunkId::of(&KEY, &((random >> 33) % NEEDLES).to_le_bytes());
                        let ok = match cached {
                            true => store.read_cached(&id, 4096, 0..4096).is_none_or(|read| read.is_ok()),
                            false => store.read(&id, 4096, 0..4096).is_ok(),
                        };
                        assert!(ok);
                        n += 1;
                    }
                    n
                })
            })
            .collect();
        workers.into_iter().map(|worker| worker.join().unwrap_or(0)).sum()
    });
    total as f64 / start.elapsed().as_secs_f64()
}

fn bulk(store: &Store<Ticket>) -> f64 {
    let megabyte = Bytes::from(vec![5; 1 << 20]);
    let (ticket, answer) = mpsc::sync_channel(1000);
    let start = Instant::now();
    let (mut sent, mut done) = (0u64, 0u64);
    while start.elapsed().as_secs_f64() < SECONDS {
        let id = ChunkId::of(&KEY, &(1 << 40 | sent).to_le_bytes());
        store.submit(Lane::Bulk, vec![NewChunk { id, data: megabyte.clone() }], ticket.clone());
        sent += 1;
        while sent - done > 16 {
            assert!(matches!(answer.recv(), Ok(Ok(()))));
            done += 1;
        }
    }
    done as f64 / start.elapsed().as_secs_f64()
}

/// A million needles without syncs, then the opening: from the logs, and without them.
fn million(dir: &Path, page: &Bytes) -> Result<(), Error> {
    let (store, _) = open(dir, false)?;
    let (ticket, answer) = mpsc::sync_channel(1000);
    for group in 0..NEEDLES / 1000 {
        let chunks = (0..1000).map(|i| chunk(group * 1000 + i, page)).collect();
        store.submit(Lane::Small, chunks, ticket.clone());
        answer.recv()??;
    }
    let usage = store.usage();
    println!("index                     {:>10.2} bytes a needle", usage.index_bytes as f64 / usage.needles as f64);
    println!(
        "disk                      {:>10.2} bytes a 4 KiB needle",
        usage.needle_bytes as f64 / usage.needles as f64
    );
    for (name, cached) in [("read", false), ("read_cached", true)] {
        for threads in [1, 4] {
            println!("{name:<12} {threads:>2} threads   {:>10.0} /s", reads(&store, threads, cached));
        }
    }
    drop(store);
    let (store, time) = open(dir, true)?;
    assert_eq!(store.usage().needles, NEEDLES);
    println!("open, {NEEDLES} needles, logs    {:>7.3} s", time.as_secs_f64());
    drop(store);
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "log") {
            std::fs::remove_file(path)?;
        }
    }
    let (store, time) = open(dir, true)?;
    assert_eq!(store.usage().needles, NEEDLES);
    println!("open, {NEEDLES} needles, no logs {:>7.3} s (page cache warm)", time.as_secs_f64());
    Ok(())
}

fn main() -> Result<(), Error> {
    let root = std::env::args().nth(1).map_or_else(std::env::temp_dir, PathBuf::from);
    let dir = root.join(format!("panthera-volume-bench-{}", std::process::id()));
    let page = Bytes::from(vec![3; 4096]);
    let result = (|| -> Result<(), Error> {
        println!("append + fdatasync, 1 thread {:>7.0} /s", fdatasync_rate(&dir.join("rate"))?);
        let (store, _) = open(&dir.join("puts"), true)?;
        let next = AtomicU64::new(0);
        for threads in [1, 16, 64] {
            let (rate, p99) = puts(&store, threads, &next, &page);
            println!("put 4 KiB strict {threads:>3} threads {rate:>8.0} /s   p99 {:>6.2} ms", p99.as_secs_f64() * 1e3);
        }
        println!("put 1 MiB strict, 16 in flight {:>5.0} MiB/s", bulk(&store));
        drop(store);
        million(&dir.join("million"), &page)
    })();
    std::fs::remove_dir_all(&dir)?;
    result
}
