//! Every class of byte of every file, turned over: detected or harmless, never wrong bytes, and only what stood there
//! is lost.
mod harness;

use std::sync::Arc;

use bytes::Bytes;
use harness::*;
use panthera_sim::MemDisk;
use panthera_volume::{Disk, VolumeError, format};

const VOLUME: &str = "00000001.vol";

/// One volume of four batches; the last has two needles.
fn build() -> (MemDisk, Vec<Bytes>) {
    let disk = MemDisk::new();
    let rig = open(&disk);
    let all: Vec<Bytes> = [300, 9000, 70_000, 5, 800].iter().enumerate().map(|(i, n)| bytes(i as u64, *n)).collect();
    for group in [&all[..1], &all[1..2], &all[2..3], &all[3..]] {
        rig.put_all(panthera_volume::Lane::Small, group).unwrap();
    }
    rig.store.close();
    (disk.copy(), all)
}

/// Every byte of headers, every 97th of payloads: all classes, all alignments.
fn places(bytes: &[u8]) -> Vec<u64> {
    let near_header = |at: usize| {
        let from = at.saturating_sub(96) / 8 * 8;
        (from..=at).any(|i| matches!(bytes.get(i..i + 4), Some(b"PNVL" | b"PNBT" | b"PNDL")) && at - i < 96)
    };
    (0..bytes.len()).filter(|at| at % 97 == 0 || near_header(*at)).map(|at| at as u64).collect()
}

fn check(disk: &MemDisk, all: &[Bytes], flipped: u64, last_batch: u64, logs: bool) {
    let story = format!("byte {flipped}, logs {logs}");
    let rig = open(disk);
    let mut lost = 0;
    for data in all {
        match rig.read(data) {
            Ok(read) => assert!(read == data, "{story}: wrong bytes"),
            // Missing is a lie unless the byte is in the last batch, which nothing but a log proves.
            Err(VolumeError::Missing(_)) => {
                assert!(!logs && flipped >= last_batch, "{story}: missing");
                lost += 1;
            }
            Err(VolumeError::Corrupt(_)) => {
                lost += 1;
                assert!(!rig.holds(data));
            }
            Err(error) => panic!("{story}: {error}"),
        }
    }
    let most = if !logs && flipped >= last_batch { 2 } else { 1 };
    assert!(lost <= most, "{story}: {lost} lost; {:?}", rig.report);
    // Healed by writing again, and the store takes new chunks.
    for data in all {
        if !rig.holds(data) {
            rig.put(data).unwrap();
        }
        assert_eq!(rig.read(data).unwrap(), data, "{story}");
    }
    drop(rig);
    let rig = open(disk);
    all.iter().for_each(|data| assert_eq!(rig.read(data).unwrap(), data, "{story}, again"));
}

#[test]
fn every_class_of_byte_of_a_volume() {
    let (disk, all) = build();
    let file = disk.files()[VOLUME].clone();
    let header = |at: &u64| file[*at as usize..].starts_with(b"PNBT");
    let last_batch = (1..file.len() as u64 / 4096).map(|page| page * 4096).rfind(header).unwrap();
    for at in places(&file) {
        for logs in [true, false] {
            let copy = if logs { disk.copy() } else { without_logs(&disk) };
            copy.flip(VOLUME, at, 1 << (at % 8));
            check(&copy, &all, at, last_batch, logs);
        }
    }
}

#[test]
fn damage_before_the_last_batch_is_reported_and_never_cut() {
    let (disk, all) = build();
    let copy = without_logs(&disk);
    let before = copy.files()[VOLUME].clone();
    // The header of the second batch, and the header of the needle of the third.
    let second = format::FIRST_BATCH + 4096;
    copy.flip(VOLUME, second + 9, 1);
    copy.flip(VOLUME, second + 12288 + 64 + 30, 1);
    for _ in 0..2 {
        let rig = open(&copy);
        assert!(rig.report.damage.len() >= 2, "{:?}", rig.report);
        assert_eq!(rig.report.cut_bytes, 0);
        assert_eq!(rig.read(&all[1]).unwrap(), all[1], "its own header is good");
        assert!(matches!(rig.read(&all[2]), Err(VolumeError::Corrupt(_))), "not certain, so not missing");
        assert_eq!(rig.read(&all[4]).unwrap(), all[4]);
        rig.put(&bytes(50, 100)).unwrap();
        let mut after = copy.files()[VOLUME].clone();
        after.truncate(before.len());
        assert!(
            after == {
                let mut b = before.clone();
                b[second as usize + 9] ^= 1;
                b[second as usize + 12288 + 94] ^= 1;
                b
            }
        );
    }
}

#[test]
fn a_torn_tail_is_cut_once_and_leaves_nothing() {
    let (disk, all) = build();
    let copy = without_logs(&disk);
    let end = copy.files()[VOLUME].len() as u64;
    // The next batch, torn: some of its pages came, its header did not.
    let file = copy.open(VOLUME).unwrap();
    file.write_vectored_at(end + 4096, &[std::io::IoSlice::new(&bytes(5, 9000))]).unwrap();
    let len = file.len().unwrap();
    let rig = open(&copy);
    assert_eq!(rig.report.damage, []);
    assert_eq!(rig.report.cut_bytes, len - end);
    assert_eq!(file.len().unwrap(), end);
    drop(rig);
    let rig = open(&copy);
    assert_eq!(rig.report.cut_bytes, 0);
    all.iter().for_each(|data| assert_eq!(rig.read(data).unwrap(), data));
}

#[test]
fn every_byte_of_a_log_may_be_wrong() {
    let (disk, all) = build();
    let log = "00000001.log";
    for at in 0..disk.files()[log].len() as u64 {
        let copy = disk.copy();
        copy.flip(log, at, 1 << (at % 8));
        let rig = open(&copy);
        assert_eq!(rig.report.damage, [], "byte {at}");
        assert_eq!(rig.report.needles, 5, "byte {at}");
        all.iter().for_each(|data| assert_eq!(rig.read(data).unwrap(), data));
    }
}

#[test]
fn a_volume_that_is_shorter_than_its_log_says_is_reported() {
    let (disk, all) = build();
    for pages in 0..6 {
        let copy = disk.copy();
        copy.open(VOLUME).unwrap().set_len(pages * 4096 + 100).unwrap();
        let rig = open(&copy.copy());
        assert!(!rig.report.damage.is_empty(), "{pages}");
        for data in &all {
            match rig.read(data) {
                Ok(read) => assert_eq!(read, data),
                Err(error) => assert!(matches!(error, VolumeError::Corrupt(_)), "{pages}: {error}"),
            }
        }
        rig.put(&bytes(77, 10)).unwrap();
    }
}

#[test]
fn foreign_files_are_left_alone() {
    let (disk, all) = build();
    for name in ["README", "00000009.vol.bak", "0000000A.vol", "9.vol", "00000007.log"] {
        disk.create(name).unwrap().write_vectored_at(0, &[std::io::IoSlice::new(b"mine")]).unwrap();
    }
    // Not a volume, but not empty either: kept and reported.
    disk.create("00000005.vol").unwrap().write_vectored_at(9000, &[std::io::IoSlice::new(b"mine")]).unwrap();
    // The first step of a creation that a crash ended.
    disk.create("00000006.vol").unwrap().fallocate(0, 9999).unwrap();
    let rig = try_open(Arc::new(disk.clone()), options()).unwrap();
    assert_eq!(rig.report.removed, [6]);
    assert_eq!(rig.report.damage.len(), 1);
    assert_eq!(rig.report.damage[0].volume, 5);
    all.iter().for_each(|data| assert_eq!(rig.read(data).unwrap(), data));
    (0..20).for_each(|i| assert!(rig.put(&bytes(100 + i, 20_000)).is_ok()));
    assert!(disk.files().contains_key("00000008.vol") && !disk.files().contains_key("00000007.vol"));
    assert_eq!(disk.files()["README"], b"mine");
}
