//! The n-th operation of the disk fails, for every n: nothing acknowledged is lost, nothing is wrong, nobody hangs,
//! and the store works again when the disk does.
mod harness;

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use harness::*;
use panthera_sim::{Fault, FaultyDisk, Grain, MemDisk, crash_states};
use panthera_volume::{ChunkId, VolumeError};

/// Puts, reads and asks; errors are allowed, wrong answers are not. What was acknowledged is added to `acked`.
fn work(rig: &Rig, seed: u64, acked: &mut BTreeMap<ChunkId, Bytes>) {
    for i in 0..14 {
        let data = bytes(seed + i, if i % 5 == 4 { 100_000 } else { 8000 });
        match rig.put(&data) {
            Ok(_) => drop(acked.insert(id_of(&data), data.clone())),
            Err(VolumeError::Disk(_) | VolumeError::Full(_)) => {}
            Err(error) => panic!("put: {error}"),
        }
        match rig.read(&data) {
            Ok(read) => assert_eq!(read, data),
            Err(VolumeError::Missing(_)) => assert!(!acked.contains_key(&id_of(&data)), "acknowledged, then missing"),
            Err(VolumeError::Disk(_) | VolumeError::Corrupt(_)) => {}
            Err(error) => panic!("read: {error}"),
        }
        rig.holds(&data);
    }
}

/// One life without a fault, then one with it, then one on the disk as a power cut leaves it.
fn lives(fault: Fault, nth: u64, forever: bool) -> bool {
    let story = format!("{fault:?} {nth} {forever}");
    let inner = MemDisk::new();
    let mut acked = BTreeMap::new();
    let rig = open(&inner);
    work(&rig, 0, &mut acked);
    rig.store.close();
    let faulty = FaultyDisk::new(inner.clone(), fault, nth, forever);
    if let Ok(rig) = try_open(Arc::new(faulty.clone()), options()) {
        work(&rig, 1000, &mut acked);
        rig.store.close();
    }
    for left in crash_states(&inner, inner.now(), Grain::Page, 4, nth) {
        let rig = open(&left);
        rig.assert_all(&acked, &story);
        assert_eq!(rig.report.damage, [], "{story}");
        let mut more = BTreeMap::new();
        work(&rig, 2000, &mut more);
        assert_eq!(more.len(), 14, "{story}");
    }
    let fired = faulty.fired();
    let rig = open(&inner);
    rig.assert_all(&acked, &story);
    fired
}

fn every_n(fault: Fault, forever: bool) {
    let n = (1..).find(|n| !lives(fault, *n, forever)).unwrap();
    assert!(n > 8, "{fault:?} came only {n} times");
}

#[test]
fn eio_once() {
    every_n(Fault::Eio, false);
}

#[test]
fn eio_from_then_on() {
    every_n(Fault::Eio, true);
}

#[test]
fn reads_fail() {
    every_n(Fault::ReadEio, false);
    every_n(Fault::ReadEio, true);
}

#[test]
fn no_space() {
    every_n(Fault::NoSpace, false);
    every_n(Fault::NoSpace, true);
}

#[test]
fn short_writes() {
    every_n(Fault::ShortWrite, false);
    every_n(Fault::ShortWrite, true);
}

#[test]
fn syncs_fail() {
    every_n(Fault::Sync, false);
    every_n(Fault::Sync, true);
}
