//! A lane: the queue of submissions and the thread that commits them in groups.
//!
//! Natural batching: the thread takes whatever queued while the previous group was flushed. No timer, so nothing
//! waits when there is nothing to wait for.

use std::collections::{HashSet, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;
use std::vec::IntoIter;

use parking_lot::{Condvar, Mutex};

use crate::api::{ChunkId, Lane, VolumeError};
use crate::engine::Engine;
use crate::format::{BATCH_BODY_MAX, BATCH_HEADER_BYTES};
use crate::writer::{Prepared, Writer};

/// After so much silence the waiting log rows go to the file system.
const IDLE: Duration = Duration::from_millis(200);

/// What became of each ticket of a group.
pub(crate) type Outcome<T> = Vec<(T, Result<(), VolumeError>)>;

/// Who is told.
pub(crate) type Sink<T> = Box<dyn Fn(Lane, Outcome<T>) + Send + Sync>;

/// A submission on its way.
pub(crate) struct Job<T> {
    ticket: T,
    rest: IntoIter<Prepared>,
    error: Option<VolumeError>,
    /// Some chunk of it is part of the group being committed.
    in_group: bool,
}

impl<T> Job<T> {
    pub(crate) fn new(ticket: T, chunks: Vec<Prepared>) -> Self {
        Self { ticket, rest: chunks.into_iter(), error: None, in_group: false }
    }

    fn finish(self) -> (T, Result<(), VolumeError>) {
        (self.ticket, self.error.map_or(Ok(()), Err))
    }
}

struct Queue<T> {
    jobs: Vec<Job<T>>,
    closed: bool,
}

/// The side of the lane that callers see.
pub(crate) struct LaneQueue<T> {
    queue: Mutex<Queue<T>>,
    filled: Condvar,
}

impl<T> LaneQueue<T> {
    pub(crate) fn new() -> Self {
        Self { queue: Mutex::new(Queue { jobs: Vec::new(), closed: false }), filled: Condvar::new() }
    }

    /// Queues the job, or gives its ticket back when the lane is closed.
    pub(crate) fn push(&self, job: Job<T>) -> Result<(), T> {
        let mut queue = self.queue.lock();
        if queue.closed {
            return Err(job.ticket);
        }
        queue.jobs.push(job);
        drop(queue);
        self.filled.notify_one();
        Ok(())
    }

    /// Takes no more jobs; what is queued is still committed.
    pub(crate) fn close(&self) {
        self.queue.lock().closed = true;
        self.filled.notify_all();
    }

    /// Appends what is queued to `jobs`. Waits for something when `jobs` is empty; `false` when there will be nothing.
    fn take(&self, jobs: &mut VecDeque<Job<T>>, mut idle: impl FnMut()) -> bool {
        let mut queue = self.queue.lock();
        while jobs.is_empty() && queue.jobs.is_empty() {
            if queue.closed {
                return false;
            }
            if self.filled.wait_for(&mut queue, IDLE).timed_out() && queue.jobs.is_empty() {
                parking_lot::MutexGuard::unlocked(&mut queue, &mut idle);
            }
        }
        jobs.extend(queue.jobs.drain(..));
        true
    }
}

/// The committing thread of a lane.
pub(crate) struct Committer<T> {
    pub(crate) engine: Arc<Engine>,
    pub(crate) lane: Lane,
    pub(crate) queue: Arc<LaneQueue<T>>,
    pub(crate) sink: Arc<Sink<T>>,
}

impl<T> Committer<T> {
    /// Runs until the lane is closed and empty.
    pub(crate) fn run(self, mut writer: Writer) {
        let mut jobs = VecDeque::new();
        let mut group = Vec::new();
        let mut names = HashSet::new();
        while self.queue.take(&mut jobs, || writer.idle()) {
            let finished = self.fill(&mut jobs, &mut group, &mut names);
            let result = if group.is_empty() { Ok(()) } else { writer.commit(&group) };
            group.clear();
            names.clear();
            if let Err(error) = result {
                fail_group(&mut jobs, &error);
            }
            jobs.iter_mut().take(finished + 1).for_each(|job| job.in_group = false);
            self.tell(jobs.drain(..finished).map(Job::finish).collect());
        }
        writer.close();
    }

    /// Moves chunks from the front of `jobs` into `group` until it is full; answers how many jobs have none left.
    fn fill(&self, jobs: &mut VecDeque<Job<T>>, group: &mut Vec<Prepared>, names: &mut HashSet<ChunkId>) -> usize {
        let limit = self.engine.options.max_batch_bytes.min(BATCH_BODY_MAX as usize - BATCH_HEADER_BYTES);
        let mut bytes = 0;
        for (at, job) in jobs.iter_mut().enumerate() {
            while let Some(next) = job.rest.as_slice().first() {
                let record = next.record_bytes();
                if bytes > 0 && bytes + record > limit {
                    return at;
                }
                let Some(chunk) = job.rest.next() else { break };
                if names.contains(&chunk.id) {
                    // Once is enough, but this job too depends on the group.
                    job.in_group = true;
                } else if !self.engine.holds_exactly(&chunk.id, &chunk.data) {
                    job.in_group = true;
                    bytes += record;
                    names.insert(chunk.id);
                    group.push(chunk);
                }
            }
        }
        jobs.len()
    }

    fn tell(&self, outcome: Outcome<T>) {
        if !outcome.is_empty() {
            // A sink that panics loses its tickets (their senders drop), not the lane.
            let _ = catch_unwind(AssertUnwindSafe(|| (self.sink)(self.lane, outcome)));
        }
    }
}

/// Every job with a chunk in the group fails, and with its remaining chunks.
fn fail_group<T>(jobs: &mut VecDeque<Job<T>>, error: &VolumeError) {
    for job in jobs.iter_mut().filter(|job| job.in_group) {
        job.error = Some(error.clone());
        job.rest = Vec::new().into_iter();
    }
}

/// However the thread ends, nobody waits for ever.
impl<T> Drop for Committer<T> {
    fn drop(&mut self) {
        self.queue.close();
        let left: Vec<Job<T>> = self.queue.queue.lock().jobs.drain(..).collect();
        self.tell(left.into_iter().map(|job| (job.ticket, Err(VolumeError::Closed))).collect());
    }
}
