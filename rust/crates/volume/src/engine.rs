//! What both lanes and all readers share: the index, the table of volumes, and the questions asked of them.
//!
//! Does not belong here: queues and threads (lane.rs), appending (writer.rs), opening (recover.rs).

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};

use bytes::Bytes;
use panthera_base::limits;
use parking_lot::RwLock;

use crate::api::{ChunkId, StoreOptions, Usage, VolumeError, VolumeState};
use crate::disk::Disk;
use crate::index::{Index, Place};
use crate::read::{Fail, From, read_header, read_range};
use crate::volume::Volume;

/// A place has 16 bits for the volume.
const VOLUME_SLOTS: usize = 1 << 16;

/// A needle that has just become durable.
#[derive(Clone, Copy)]
pub(crate) struct Written {
    pub(crate) id: ChunkId,
    pub(crate) offset: u64,
    pub(crate) stored: u32,
}

/// The shared state.
pub(crate) struct Engine {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) options: StoreOptions,
    pub(crate) index: Index,
    /// By slot; `None` is free.
    volumes: RwLock<Vec<Option<Arc<Volume>>>>,
    next_id: AtomicU32,
    epoch: AtomicU8,
    /// Recovery could not read everything: a name that is not in the index may still be stored.
    uncertain: RwLock<Option<String>>,
}

impl Engine {
    pub(crate) fn new(disk: Arc<dyn Disk>, options: StoreOptions) -> Self {
        Self {
            disk,
            options,
            index: Index::new(),
            volumes: RwLock::default(),
            next_id: AtomicU32::new(1),
            epoch: AtomicU8::new(0),
            uncertain: RwLock::default(),
        }
    }

    /// Never the same twice: recovery starts it above every file.
    pub(crate) fn take_id(&self) -> u32 {
        self.next_id.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn ids_start_after(&self, id: u32) {
        self.next_id.fetch_max(id.saturating_add(1), Ordering::Relaxed);
    }

    pub(crate) fn set_uncertain(&self, why: String) {
        *self.uncertain.write() = Some(why);
    }

    /// Makes the volume known under a free slot, which `make` is told.
    pub(crate) fn add_volume(&self, make: impl FnOnce(u16) -> Volume) -> Result<Arc<Volume>, VolumeError> {
        let mut volumes = self.volumes.write();
        let free = volumes.iter().position(Option::is_none).unwrap_or(volumes.len());
        if free >= VOLUME_SLOTS {
            return Err(VolumeError::Full(format!("{VOLUME_SLOTS} volumes")));
        }
        if free == volumes.len() {
            volumes.push(None);
        }
        let volume = Arc::new(make(free as u16));
        volumes[free] = Some(volume.clone());
        Ok(volume)
    }

    /// Fills the table when the store is opened: slot = place in the list.
    pub(crate) fn set_volumes(&self, volumes: Vec<Option<Arc<Volume>>>) {
        *self.volumes.write() = volumes;
    }

    pub(crate) fn volume_at(&self, slot: u16) -> Option<Arc<Volume>> {
        self.volumes.read().get(slot as usize)?.clone()
    }

    pub(crate) fn all_volumes(&self) -> Vec<Arc<Volume>> {
        self.volumes.read().iter().flatten().cloned().collect()
    }

    fn missing(&self, id: &ChunkId) -> VolumeError {
        match &*self.uncertain.read() {
            None => VolumeError::Missing(*id),
            Some(why) => VolumeError::Corrupt(format!("not in the index, but not all volumes could be read: {why}")),
        }
    }

    /// The range of the chunk, from any needle that has its name and verifies.
    pub(crate) fn read(&self, id: &ChunkId, len: u32, range: Range<u32>, from: From) -> Result<Bytes, Fail> {
        if len as usize > limits::CDC_MAX_BYTES || range.start > range.end || range.end > len {
            return Err(VolumeError::Invalid(format!("bytes {range:?} of a chunk of {len}")).into());
        }
        let mut worst = None;
        for place in self.index.candidates(id.fingerprint()).iter() {
            let Some(volume) = self.volume_at(place.volume_slot()) else { continue };
            match read_range(&volume, place.offset(), id, len, range.clone(), from) {
                Ok(Some(bytes)) => return Ok(bytes),
                // Another chunk with the same fingerprint.
                Ok(None) => {}
                Err(Fail::WouldBlock) => return Err(Fail::WouldBlock),
                Err(Fail::Error(error)) => worst = Some(error),
            }
        }
        Err(worst.unwrap_or_else(|| self.missing(id)).into())
    }

    /// Whether a good, durable needle with this name can serve a new reference. Marks what it finds bad, so that the
    /// fresh bytes replace it, and stamps what it finds good.
    pub(crate) fn holds(&self, id: &ChunkId, len: u32) -> bool {
        self.find_whole(id, len, From::Device).is_some()
    }

    /// As `holds`, with the bytes in hand and without asking the device: for the committer, which must not wait.
    pub(crate) fn holds_exactly(&self, id: &ChunkId, data: &[u8]) -> bool {
        self.find_whole(id, data.len() as u32, From::Memory).is_some_and(|stored| stored == data)
    }

    fn find_whole(&self, id: &ChunkId, len: u32, from: From) -> Option<Bytes> {
        let fingerprint = id.fingerprint();
        let candidates = self.index.candidates(fingerprint);
        for place in candidates.iter().filter(|place| !place.is_suspect()) {
            let Some(volume) = self.volume_at(place.volume_slot()) else { continue };
            // What a device that failed a sync still holds is not to be built on.
            if volume.state() == VolumeState::Suspect {
                continue;
            }
            match read_range(&volume, place.offset(), id, len, 0..len, from) {
                // The stamp is the last word: a needle that has left the index meanwhile is no hit.
                Ok(Some(bytes)) if self.index.stamp(fingerprint, place, self.epoch.load(Ordering::Relaxed)) => {
                    return Some(bytes);
                }
                Ok(_) | Err(Fail::WouldBlock) => {}
                Err(Fail::Error(_)) => self.index.suspect(fingerprint, place),
            }
        }
        None
    }

    /// Enters durable needles. One that has the name of an older needle takes its place.
    pub(crate) fn publish(&self, volume: &Volume, needles: &[Written]) {
        for needle in needles {
            let place = Place::new(volume.slot, needle.offset, needle.stored);
            if !self.index.insert_if_new(needle.id.fingerprint(), place) {
                self.settle(&needle.id, place);
            }
        }
    }

    /// Some needle has the same fingerprint: replace it when it is the same chunk, else stand before it.
    fn settle(&self, id: &ChunkId, place: Place) {
        let fingerprint = id.fingerprint();
        for old in self.index.candidates(fingerprint).iter() {
            let Some(volume) = self.volume_at(old.volume_slot()) else { continue };
            let same = read_header(&volume, old.offset(), From::Device).is_ok_and(|header| header.id == *id);
            if same && self.index.replace(fingerprint, old, place) {
                return;
            }
        }
        self.index.insert(fingerprint, place);
    }

    pub(crate) fn usage(&self) -> Usage {
        let volumes = self.all_volumes();
        Usage {
            volumes: volumes.len(),
            needles: self.index.needles(),
            needle_bytes: volumes.iter().map(|volume| volume.needle_bytes()).sum(),
            file_bytes: volumes.iter().map(|volume| volume.file.len().unwrap_or(0)).sum(),
            free_bytes: self.disk.free_bytes().unwrap_or(0),
            index_bytes: self.index.memory_bytes(),
        }
    }
}
