//! How much of each volume is still wanted: the caller marks what its manifests name, and gets a table.
//!
//! Statistics only. What decides deletion is the garbage collector's own mark (see design: mark and sweep by epoch).

use crate::api::{ChunkId, VolumeStats};
use crate::engine::Engine;
use crate::format::record_bytes;
use crate::index::Place;

/// Marks sorted and made unique when so many wait, so that a heavily shared store does not fill the memory.
const COMPACT_AT: usize = 1 << 20;

/// The set of needles that some manifest names.
#[derive(Default)]
pub struct LiveSet {
    /// Volume slot and offset, and bytes on disk. The first `unique` are sorted and different.
    marks: Vec<(u16, u64, u32)>,
    unique: usize,
}

impl LiveSet {
    /// An empty set.
    pub fn new() -> Self {
        Self::default()
    }

    pub(crate) fn mark(&mut self, engine: &Engine, id: &ChunkId, len: u32) -> bool {
        let candidates = engine.index.candidates(id.fingerprint());
        // Two chunks with one fingerprint are both marked: too much is safe.
        for place in candidates.iter() {
            self.add(place, len);
        }
        !candidates.is_empty()
    }

    fn add(&mut self, place: Place, len: u32) {
        let bytes = record_bytes(len.min(place.stored_at_most())) as u32;
        self.marks.push((place.volume_slot(), place.offset(), bytes));
        if self.marks.len() - self.unique >= COMPACT_AT.max(self.unique) {
            self.compact();
        }
    }

    fn compact(&mut self) {
        self.marks.sort_unstable();
        self.marks.dedup_by_key(|mark| (mark.0, mark.1));
        self.unique = self.marks.len();
    }

    pub(crate) fn volumes(&self, engine: &Engine) -> Vec<VolumeStats> {
        let mut live = std::collections::HashMap::<u16, u64>::new();
        let mut marks = self.marks.clone();
        marks.sort_unstable();
        marks.dedup_by_key(|mark| (mark.0, mark.1));
        for (slot, _, bytes) in marks {
            *live.entry(slot).or_default() += u64::from(bytes);
        }
        let mut table: Vec<VolumeStats> = engine
            .all_volumes()
            .iter()
            .map(|volume| {
                let live_bytes = live.get(&volume.slot).copied().unwrap_or(0);
                VolumeStats {
                    id: volume.key.id,
                    lane: volume.lane,
                    state: volume.state(),
                    needles: volume.needles(),
                    live_bytes,
                    dead_bytes: volume.needle_bytes().saturating_sub(live_bytes),
                    file_bytes: volume.file.len().unwrap_or(0),
                }
            })
            .collect();
        table.sort_unstable_by_key(|volume| volume.id);
        table
    }
}
