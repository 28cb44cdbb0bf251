//! A store on a disk of the test's choice, with puts that wait for their ticket.
#![allow(dead_code)]

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, mpsc};

use bytes::Bytes;
use panthera_sim::MemDisk;
use panthera_volume::{ChunkId, Disk, Lane, NewChunk, RecoveryReport, Store, StoreOptions, VolumeError};

/// The ticket: where the result goes, with the moment of the disk at which it was known.
pub struct Ack {
    to: mpsc::Sender<(Result<(), VolumeError>, usize)>,
    clock: Option<MemDisk>,
}

pub type Answer = mpsc::Receiver<(Result<(), VolumeError>, usize)>;

pub struct Rig {
    pub store: Arc<Store<Ack>>,
    pub report: RecoveryReport,
    pub clock: Option<MemDisk>,
}

/// Small volumes, so that rolling happens.
pub fn options() -> StoreOptions {
    StoreOptions { volume_bytes: 128 << 10, min_free_bytes: 0, max_batch_bytes: 64 << 10, ..StoreOptions::new("sim") }
}

pub fn try_open(disk: Arc<dyn Disk>, options: StoreOptions) -> Result<Rig, VolumeError> {
    let (store, report) = Store::open(disk, options, |_, outcome: Vec<(Ack, Result<(), VolumeError>)>| {
        for (ack, result) in outcome {
            let moment = ack.clock.as_ref().map_or(0, MemDisk::now);
            let _ = ack.to.send((result, moment));
        }
    })?;
    Ok(Rig { store, report, clock: None })
}

pub fn open(disk: &MemDisk) -> Rig {
    open_with(disk, options())
}

pub fn open_with(disk: &MemDisk, options: StoreOptions) -> Rig {
    let mut rig = try_open(Arc::new(disk.clone()), options).unwrap();
    rig.clock = Some(disk.clone());
    rig
}

pub fn id_of(data: &[u8]) -> ChunkId {
    ChunkId::of(&[7; 32], data)
}

/// `len` bytes that only this seed has.
pub fn bytes(seed: u64, len: usize) -> Bytes {
    let mut out = vec![0; len];
    let mut random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    for piece in out.chunks_mut(8) {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let word = (random ^ random >> 29).to_le_bytes();
        piece.copy_from_slice(&word[..piece.len()]);
    }
    out.into()
}

pub fn chunk(data: &Bytes) -> NewChunk {
    NewChunk { id: id_of(data), data: data.clone() }
}

impl Rig {
    pub fn submit(&self, lane: Lane, chunks: Vec<NewChunk>) -> Answer {
        let (to, answer) = mpsc::channel();
        self.store.submit(lane, chunks, Ack { to, clock: self.clock.clone() });
        answer
    }

    /// Stores the chunks; answers the moment of the acknowledgement.
    pub fn put_all(&self, lane: Lane, data: &[Bytes]) -> Result<usize, VolumeError> {
        let answer = self.submit(lane, data.iter().map(chunk).collect());
        let (result, moment) = answer.recv().expect("the ticket comes back");
        result.map(|()| moment)
    }

    pub fn put(&self, data: &Bytes) -> Result<usize, VolumeError> {
        self.put_all(Lane::of(data.len()), std::slice::from_ref(data))
    }

    pub fn read(&self, data: &Bytes) -> Result<Bytes, VolumeError> {
        self.store.read(&id_of(data), data.len() as u32, 0..data.len() as u32)
    }

    pub fn range(&self, data: &Bytes, range: Range<u32>) -> Result<Bytes, VolumeError> {
        self.store.read(&id_of(data), data.len() as u32, range)
    }

    pub fn holds(&self, data: &Bytes) -> bool {
        self.store.holds(&id_of(data), data.len() as u32)
    }

    /// Everything acknowledged reads back as it was.
    pub fn assert_all(&self, acked: &BTreeMap<ChunkId, Bytes>, story: &str) {
        for data in acked.values() {
            match self.read(data) {
                Ok(read) => assert!(read == data, "{story}: wrong bytes of {:?}", id_of(data)),
                Err(error) => panic!("{story}: acknowledged, then {error}; {:?}", self.report),
            }
        }
    }

    /// Not required to be there, but never wrong.
    pub fn assert_maybe(&self, data: &Bytes, story: &str) {
        match self.read(data) {
            Ok(read) => assert!(read == data, "{story}: wrong bytes"),
            Err(VolumeError::Missing(_)) => {}
            Err(error) => panic!("{story}: not acknowledged, then {error}; {:?}", self.report),
        }
    }
}

/// A copy without index logs.
pub fn without_logs(disk: &MemDisk) -> MemDisk {
    let copy = disk.copy();
    for name in copy.list().unwrap().iter().filter(|name| name.ends_with(".log")) {
        copy.remove(name).unwrap();
    }
    copy.copy()
}
