//! One open volume: its file, what it is, how far it is durable. Appending is writer.rs, reading is read.rs.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use crate::api::{Lane, VolumeState};
use crate::disk::DiskFile;
use crate::format::VolumeKey;

/// Shared by the index's readers and the lane that writes it; the file lives as long as the last reader.
pub(crate) struct Volume {
    pub(crate) key: VolumeKey,
    pub(crate) lane: Lane,
    /// Its number in the index's places.
    pub(crate) slot: u16,
    pub(crate) file: Arc<dyn DiskFile>,
    state: AtomicU8,
    needles: AtomicU64,
    needle_bytes: AtomicU64,
}

impl Volume {
    pub(crate) fn new(key: VolumeKey, lane: Lane, slot: u16, file: Arc<dyn DiskFile>, state: VolumeState) -> Self {
        Self {
            key,
            lane,
            slot,
            file,
            state: AtomicU8::new(state as u8),
            needles: AtomicU64::new(0),
            needle_bytes: AtomicU64::new(0),
        }
    }

    pub(crate) fn state(&self) -> VolumeState {
        match self.state.load(Ordering::Acquire) {
            0 => VolumeState::Active,
            1 => VolumeState::Sealed,
            _ => VolumeState::Suspect,
        }
    }

    pub(crate) fn set_state(&self, state: VolumeState) {
        self.state.store(state as u8, Ordering::Release);
    }

    /// Accounts needles that have become durable.
    pub(crate) fn add(&self, needles: u64, bytes: u64) {
        self.needles.fetch_add(needles, Ordering::Relaxed);
        self.needle_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(crate) fn needles(&self) -> u64 {
        self.needles.load(Ordering::Relaxed)
    }

    pub(crate) fn needle_bytes(&self) -> u64 {
        self.needle_bytes.load(Ordering::Relaxed)
    }
}
