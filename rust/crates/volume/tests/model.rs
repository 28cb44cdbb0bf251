//! Random histories of puts, reads, questions, crashes and reopenings against a map.
mod harness;

use std::collections::BTreeMap;

use bytes::Bytes;
use harness::*;
use panthera_sim::{Grain, MemDisk, crash_states};
use panthera_volume::{ChunkId, Lane};
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Step {
    /// Chunks by seed; the same seed is the same chunk.
    Put(bool, Vec<u64>),
    Read(u64, u16, u16),
    Holds(u64),
    /// Which of the states, and how finely torn.
    Crash(u8, bool),
    Reopen,
    LoseLogs,
}

fn step() -> impl Strategy<Value = Step> {
    let seed = 0u64..60;
    prop_oneof![
        6 => (any::<bool>(), prop::collection::vec(seed.clone(), 0..6)).prop_map(|(bulk, seeds)| Step::Put(bulk, seeds)),
        4 => (seed.clone(), any::<u16>(), any::<u16>()).prop_map(|(seed, a, b)| Step::Read(seed, a, b)),
        2 => seed.prop_map(Step::Holds),
        1 => (any::<u8>(), any::<bool>()).prop_map(|(state, pages)| Step::Crash(state, pages)),
        1 => Just(Step::Reopen),
        1 => Just(Step::LoseLogs),
    ]
}

fn data(seed: u64) -> Bytes {
    bytes(seed, [0, 1, 100, 4096, 20_000, 70_000, 140_000][seed as usize % 7])
}

fn run(steps: Vec<Step>) {
    let mut disk = MemDisk::new();
    let mut rig = open(&disk);
    let mut acked: BTreeMap<ChunkId, Bytes> = BTreeMap::new();
    for (i, step) in steps.into_iter().enumerate() {
        let story = format!("step {i}: {step:?}");
        match step {
            Step::Put(bulk, seeds) => {
                let chunks: Vec<Bytes> = seeds.iter().map(|seed| data(*seed)).collect();
                rig.put_all(if bulk { Lane::Bulk } else { Lane::Small }, &chunks).unwrap();
                acked.extend(chunks.into_iter().map(|data| (id_of(&data), data)));
            }
            Step::Read(seed, a, b) => {
                let data = data(seed);
                let n = data.len() as u32;
                let (a, b) = (u32::from(a).min(n), u32::from(b).min(n));
                let range = a.min(b)..a.max(b);
                match acked.contains_key(&id_of(&data)) {
                    true => assert_eq!(
                        rig.range(&data, range.clone()).unwrap(),
                        data.slice(range.start as usize..range.end as usize)
                    ),
                    false => rig.assert_maybe(&data, &story),
                }
            }
            Step::Holds(seed) => {
                let data = data(seed);
                // Nothing here is ever bad, and nothing unacknowledged is ever left by these disks but by a crash.
                if acked.contains_key(&id_of(&data)) {
                    assert!(rig.holds(&data), "{story}");
                }
            }
            Step::Crash(state, pages) => {
                let grain = if pages { Grain::Page } else { Grain::Whole };
                let states = crash_states(&disk, disk.now(), grain, 8, u64::from(state));
                disk = states[state as usize % states.len()].copy();
                rig = open(&disk);
            }
            Step::Reopen => {
                rig.store.close();
                rig = open(&disk);
                assert_eq!(rig.report.walked, 0, "{story}: the logs cover everything");
            }
            Step::LoseLogs => {
                rig.store.close();
                disk = without_logs(&disk);
                rig = open(&disk);
            }
        }
        assert_eq!(rig.report.damage, [], "{story}");
        assert_eq!(rig.report.duplicates, 0, "{story}");
    }
    rig.assert_all(&acked, "at the end");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn histories(steps in prop::collection::vec(step(), 1..40)) {
        run(steps);
    }
}
