//! The crash explorer: after every sync, in every state a power cut may leave, all that was acknowledged is there,
//! nothing is wrong, nothing looks like corruption, and the store goes on without an operator.
mod harness;

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use harness::*;
use panthera_sim::{Fault, FaultyDisk, Grain, MemDisk, crash_states};
use panthera_volume::{ChunkId, Lane, VolumeError};

/// A history: the disk, and each acknowledged chunk with the moment it was acknowledged at.
struct History {
    disk: MemDisk,
    acked: Vec<(usize, Bytes)>,
    all: Vec<Bytes>,
}

/// Groups of one and of several, both lanes, rolls, a clean reopening in the middle.
fn history(rounds: u64) -> History {
    let disk = MemDisk::new();
    let mut history = History { disk: disk.clone(), acked: Vec::new(), all: Vec::new() };
    for life in 0..2 {
        let rig = open(&disk);
        for round in 0..rounds {
            let seed = life * 1000 + round * 10;
            let group: Vec<Bytes> = match round % 4 {
                0 => vec![bytes(seed, 700)],
                1 => (0..5).map(|i| bytes(seed + i, 4000 + 900 * i as usize)).collect(),
                2 => vec![bytes(seed, 70_000)],
                _ => (0..3).map(|i| bytes(seed + i, 10)).collect(),
            };
            let lane = if round % 4 == 2 { Lane::Bulk } else { Lane::Small };
            let moment = rig.put_all(lane, &group).unwrap();
            history.acked.extend(group.iter().map(|data| (moment, data.clone())));
            history.all.extend(group);
        }
        rig.store.close();
    }
    history
}

impl History {
    fn check(&self, left: &MemDisk, moment: usize, story: &str) {
        let rig = open(left);
        assert_eq!(rig.report.damage, [], "{story}: a crash is not corruption");
        for (at, data) in &self.acked {
            if *at <= moment {
                assert_eq!(rig.read(data).as_ref(), Ok(data), "{story}: {:?}", rig.report);
            } else {
                rig.assert_maybe(data, story);
            }
        }
        let new = bytes(99_999, 5000);
        rig.put(&new).unwrap_or_else(|error| panic!("{story}: takes no writes: {error}"));
        assert_eq!(rig.read(&new).unwrap(), new);
    }

    fn explore(&self, grain: Grain, most: usize) -> usize {
        let mut states = 0;
        for moment in self.disk.barriers() {
            for (i, left) in crash_states(&self.disk, moment, grain, most, moment as u64).iter().enumerate() {
                self.check(left, moment, &format!("crash at {moment}, state {i}, {grain:?}"));
                states += 1;
            }
        }
        states
    }
}

#[test]
fn whole_operations() {
    let states = history(12).explore(Grain::Whole, 12);
    assert!(states > 200, "{states}");
}

#[test]
fn torn_pages() {
    let states = history(8).explore(Grain::Page, 14);
    assert!(states > 200, "{states}");
}

/// Finer and slower: `cargo test -p panthera-volume --test crash -- --ignored`.
#[test]
#[ignore = "a minute: run by make crash"]
fn torn_sectors() {
    history(16).explore(Grain::Sector, 60);
}

#[test]
fn a_crash_during_recovery_and_one_after_that() {
    let history = history(7);
    for moment in history.disk.barriers().into_iter().rev().step_by(3) {
        for (i, once) in crash_states(&history.disk, moment, Grain::Page, 6, 5).iter().enumerate() {
            let expected: BTreeMap<ChunkId, Bytes> =
                history.acked.iter().filter(|(at, _)| *at <= moment).map(|(_, d)| (id_of(d), d.clone())).collect();
            let rig = open(once);
            let new = bytes(77_777, 9000);
            rig.put(&new).unwrap();
            rig.store.close();
            for barrier in once.barriers() {
                for twice in crash_states(once, barrier, Grain::Page, 4, 9) {
                    let story = format!("crash at {moment}, state {i}, then at {barrier}");
                    let rig = open(&twice);
                    assert_eq!(rig.report.damage, [], "{story}");
                    rig.assert_all(&expected, &story);
                    rig.assert_maybe(&new, &story);
                }
            }
        }
    }
}

/// The process dies after a failed sync whose bytes are still in the page cache: the next process reads them, and must
/// not take them for durable until it has written them itself.
#[test]
fn bytes_of_a_failed_sync_are_not_believed_by_the_next_process() {
    let inner = MemDisk::new();
    let disk = FaultyDisk::new(inner.clone(), Fault::Sync, 4, false);
    let rig = try_open(Arc::new(disk), options()).unwrap();
    let (first, second) = (bytes(1, 500), bytes(2, 500));
    rig.put(&first).unwrap();
    // kill -9 before the log could say anything: what the page cache holds is all the next process sees.
    assert!(matches!(rig.put(&second), Err(VolumeError::Disk(_))));
    use panthera_volume::Disk;
    rig.store.close();
    inner.remove("00000001.log").unwrap();
    inner.sync_dir().unwrap();
    let rig = open(&inner);
    assert!(rig.holds(&second), "read back, written again and synced: now it may be built on");
    let moment = rig.put(&second).unwrap();
    for left in crash_states(&inner, moment, Grain::Page, 40, 3) {
        let rig = open(&left);
        assert_eq!(rig.read(&second).unwrap(), second);
        assert_eq!(rig.read(&first).unwrap(), first);
    }
}
