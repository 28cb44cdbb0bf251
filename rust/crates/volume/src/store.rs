//! The store: what callers hold. Ties the engine, the two lanes and recovery together; decides nothing itself.

use std::ops::Range;
use std::sync::Arc;
use std::thread::JoinHandle;

use bytes::Bytes;
use panthera_base::limits;
use parking_lot::Mutex;

use crate::api::{ChunkId, Lane, NewChunk, RecoveryReport, StoreOptions, Usage, VolumeError, VolumeStats};
use crate::disk::Disk;
use crate::engine::Engine;
use crate::lane::{Committer, Job, LaneQueue, Sink};
use crate::live::LiveSet;
use crate::read::{Fail, From};
use crate::recover::recover;
use crate::writer::{Prepared, Writer, check_free};

/// Needle volumes in one directory. `T` is the ticket a submission comes back with.
pub struct Store<T: Send + 'static> {
    engine: Arc<Engine>,
    lanes: [Arc<LaneQueue<T>>; 2],
    sink: Arc<Sink<T>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl<T: Send + 'static> Store<T> {
    /// Opens the volumes of `disk`, recovers, and starts one committing thread per lane.
    ///
    /// `sink` runs on those threads (both may call it at once), with tickets in the order of submission per lane: the
    /// place for the metadata commit of the whole group. What it takes delays the next group of its lane.
    pub fn open(
        disk: Arc<dyn Disk>,
        options: StoreOptions,
        sink: impl Fn(Lane, Vec<(T, Result<(), VolumeError>)>) + Send + Sync + 'static,
    ) -> Result<(Arc<Self>, RecoveryReport), VolumeError> {
        let engine = Arc::new(Engine::new(disk, options));
        let (report, active) = recover(&engine)?;
        let lanes = [Arc::new(LaneQueue::new()), Arc::new(LaneQueue::new())];
        let sink: Arc<Sink<T>> = Arc::new(Box::new(sink));
        let store = Self { engine, lanes, sink, threads: Mutex::default() };
        for (lane, active) in Lane::ALL.into_iter().zip(active) {
            let writer = Writer::new(store.engine.clone(), lane, active);
            let committer = Committer {
                engine: store.engine.clone(),
                lane,
                queue: store.lanes[lane as usize].clone(),
                sink: store.sink.clone(),
            };
            let name = format!("commit-{lane:?}").to_lowercase();
            let thread = std::thread::Builder::new().name(name).spawn(move || committer.run(writer));
            store.threads.lock().push(thread.map_err(|error| VolumeError::disk("starting a thread", &error))?);
        }
        Ok((Arc::new(store), report))
    }

    /// Queues chunks and a ticket. The sink gets the ticket once all its chunks are durable, or with the error when
    /// one is not. Without chunks the ticket goes through the same queue without a flush. Never blocks; the checksums
    /// are computed on this thread. A chunk longer than `limits::CDC_MAX_BYTES` fails the whole submission at once.
    pub fn submit(&self, lane: Lane, chunks: Vec<NewChunk>, ticket: T) {
        if let Some(chunk) = chunks.iter().find(|chunk| chunk.data.len() > limits::CDC_MAX_BYTES) {
            let error = VolumeError::Invalid(format!("a chunk of {} bytes", chunk.data.len()));
            return (self.sink)(lane, vec![(ticket, Err(error))]);
        }
        let chunks = chunks.into_iter().map(Prepared::new).collect();
        if let Err(ticket) = self.lanes[lane as usize].push(Job::new(ticket, chunks)) {
            (self.sink)(lane, vec![(ticket, Err(VolumeError::Closed))]);
        }
    }

    /// Whether the chunk is stored, durable and good. Blocks: reads the needle back and verifies it in full. A bad one
    /// answers false, and the bytes the caller then submits replace it.
    pub fn holds(&self, id: &ChunkId, len: u32) -> bool {
        self.engine.holds(id, len)
    }

    /// `range` of a chunk of `len` bytes. Blocks. `Missing` only when certain.
    pub fn read(&self, id: &ChunkId, len: u32, range: Range<u32>) -> Result<Bytes, VolumeError> {
        match self.engine.read(id, len, range, From::Device) {
            Ok(bytes) => Ok(bytes),
            Err(Fail::Error(error)) => Err(error),
            // No device answers this to a blocking read.
            Err(Fail::WouldBlock) => Err(VolumeError::Disk("a blocking read would block".into())),
        }
    }

    /// As `read`, but only when it need not wait for the device: `None` otherwise.
    pub fn read_cached(&self, id: &ChunkId, len: u32, range: Range<u32>) -> Option<Result<Bytes, VolumeError>> {
        match self.engine.read(id, len, range, From::Memory) {
            Ok(bytes) => Some(Ok(bytes)),
            Err(Fail::Error(error)) => Some(Err(error)),
            Err(Fail::WouldBlock) => None,
        }
    }

    /// Adds a chunk that some manifest names to the set; false when it is not in the index.
    pub fn mark(&self, live: &mut LiveSet, id: &ChunkId, len: u32) -> bool {
        live.mark(&self.engine, id, len)
    }

    /// Every volume, with what of it the set marks as live, by id.
    pub fn volumes(&self, live: &LiveSet) -> Vec<VolumeStats> {
        live.volumes(&self.engine)
    }

    /// Full below the high-water mark, for writes that bring no chunk: their rows must not eat what deletes need.
    pub fn check_room(&self) -> Result<(), VolumeError> {
        check_free(&self.engine, &self.engine.options, 0)
    }

    /// The store in numbers.
    pub fn usage(&self) -> Usage {
        self.engine.usage()
    }

    /// Commits what is queued, stops the lanes and makes the index logs durable. Later submissions get `Closed`.
    pub fn close(&self) {
        self.lanes.iter().for_each(|lane| lane.close());
        let threads: Vec<_> = self.threads.lock().drain(..).collect();
        for thread in threads {
            // The last handle may be dropped by the sink itself, on one of these threads.
            if thread.thread().id() != std::thread::current().id() {
                let _ = thread.join();
            }
        }
    }
}

impl<T: Send + 'static> Drop for Store<T> {
    fn drop(&mut self) {
        self.close();
    }
}
