//! How effects become durable: tickets through the volume store's lanes, one metadata commit per group, retries.
//!
//! Belongs here: the ticket, the sink that the volume store calls, and the loop "plan, submit, plan again when a guard
//! did not hold". Does not belong here: what a batch contains (module `write::plan`), how chunks are cut.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use panthera_base::{BucketId, ErrorCode, S3Error, S3Result};
use panthera_meta::{Batch, CommitError, MetaError, Metastore, Snapshot};
use panthera_volume::{Lane, NewChunk, VolumeError};
use tokio::sync::{Mutex, oneshot};

use crate::service::ObjectService;

/// How often a write is planned again when its guards do not hold. The second and later attempts of one key wait for
/// each other, so more than a few conflicts mean a storm of writers that the client should hear about.
const ATTEMPTS: usize = 8;

/// Stripes of [`Contention`]: enough that two busy keys rarely share one.
const STRIPES: usize = 256;

/// What a submission to the volume store comes back as.
pub enum Ticket {
    /// Tell when the chunks are durable.
    Stored(oneshot::Sender<Result<(), VolumeError>>),
    /// When the chunks are durable, commit the batch and tell.
    Commit {
        /// Guards and changes.
        batch: Batch,
        /// Where the outcome goes.
        done: oneshot::Sender<Result<(), Refused>>,
    },
}

/// A group as a lane hands it over: each ticket, and what became of its chunks.
pub type Group = Vec<(Ticket, Result<(), VolumeError>)>;

/// Why a commit did not happen.
#[derive(Debug)]
pub enum Refused {
    /// Something changed meanwhile: plan again.
    Conflict,
    /// It failed; nothing is visible.
    Failed(S3Error),
}

/// The sink of the volume store: answers each ticket, with one metadata commit for all whose chunks are durable. It
/// runs on the committer's thread, so that a small write crosses no further thread.
pub fn sink(meta: Arc<dyn Metastore>) -> impl Fn(Lane, Group) + Send + Sync + 'static {
    move |_lane, group| {
        let mut batches = Vec::with_capacity(group.len());
        let mut waiting = Vec::with_capacity(group.len());
        for (ticket, outcome) in group {
            // A receiver that went away is a client that went away: its answer is nobody's.
            match (ticket, outcome) {
                (Ticket::Stored(done), outcome) => drop(done.send(outcome)),
                (Ticket::Commit { batch, done }, Ok(())) => {
                    batches.push(batch);
                    waiting.push(done);
                }
                (Ticket::Commit { done, .. }, Err(error)) => {
                    drop(done.send(Err(Refused::Failed(volume_error(&error)))));
                }
            }
        }
        if batches.is_empty() {
            return;
        }
        for (done, outcome) in waiting.into_iter().zip(meta.commit_group(&batches)) {
            drop(done.send(match outcome {
                Ok(_) => Ok(()),
                Err(CommitError::Conflict(_)) => Err(Refused::Conflict),
                Err(CommitError::Store(error)) => Err(Refused::Failed(meta_error(&error))),
            }));
        }
    }
}

/// What a client hears when the volumes failed.
pub(crate) fn volume_error(error: &VolumeError) -> S3Error {
    match error {
        VolumeError::Full(_) => S3Error::new(ErrorCode::StorageFull).detail(error),
        VolumeError::Closed => S3Error::new(ErrorCode::ServiceUnavailable).detail(error),
        _ => S3Error::internal(error),
    }
}

/// What a client hears when the metastore failed.
pub(crate) fn meta_error(error: &MetaError) -> S3Error {
    match error {
        MetaError::Full(_) => S3Error::new(ErrorCode::StorageFull).detail(error),
        _ => S3Error::internal(error),
    }
}

/// A write as planned from one snapshot.
pub(crate) enum Planned<R> {
    /// There is nothing to change.
    Nothing(R),
    /// This is to be committed; then the outcome is true.
    Commit(Batch, R),
}

/// Keeps writers of one key, once they have met, from meeting again: whoever lost a race takes the key's stripe before
/// planning again, and whoever comes while it is taken waits for it.
pub(crate) struct Contention {
    stripes: Vec<Mutex<()>>,
    hasher: RandomState,
}

impl Default for Contention {
    fn default() -> Self {
        Self { stripes: (0..STRIPES).map(|_| Mutex::new(())).collect(), hasher: RandomState::new() }
    }
}

impl Contention {
    fn stripe(&self, bucket: BucketId, key: &[u8]) -> &Mutex<()> {
        &self.stripes[self.hasher.hash_one((bucket, key)) as usize % STRIPES]
    }
}

impl ObjectService {
    /// Plans a write of a key and commits it; plans again when something changed in between. `chunk` becomes durable
    /// before the batch does.
    pub(crate) async fn commit<R>(
        &self,
        bucket: BucketId,
        key: &[u8],
        mut chunk: Option<NewChunk>,
        mut plan: impl FnMut(&dyn Snapshot) -> S3Result<Planned<R>>,
    ) -> S3Result<R> {
        let stripe = self.contention.stripe(bucket, key);
        // Where writers already take turns, so does a new one; else nobody waits.
        let mut turn = match stripe.try_lock() {
            Ok(_free) => None,
            Err(_) => Some(stripe.lock().await),
        };
        for _ in 0..ATTEMPTS {
            let (batch, outcome) = match self.plan_once(&mut plan)? {
                Planned::Nothing(outcome) => return Ok(outcome),
                Planned::Commit(batch, outcome) => (batch, outcome),
            };
            match received(self.submit(batch, chunk.take()).await)? {
                Ok(()) => return Ok(outcome),
                // The chunk, if there was one, is durable: a conflict is only found after the flush.
                Err(Refused::Conflict) => {}
                Err(Refused::Failed(error)) => return Err(error),
            }
            if turn.is_none() {
                turn = Some(stripe.lock().await);
            }
        }
        Err(S3Error::new(ErrorCode::OperationAborted).detail("gave up after repeated conflicts"))
    }

    /// StorageFull below the high-water mark. Writes with a chunk are held back by the volumes; this is for those that
    /// bring rows only (copies, empty objects, new uploads), so that DELETE finds room for its own.
    pub(crate) fn check_room(&self) -> S3Result<()> {
        self.volumes.check_room().map_err(|error| volume_error(&error))
    }

    fn plan_once<R>(&self, plan: &mut impl FnMut(&dyn Snapshot) -> S3Result<Planned<R>>) -> S3Result<Planned<R>> {
        let snapshot = self.meta.snapshot().map_err(|error| meta_error(&error))?;
        plan(&*snapshot)
    }

    /// Queues a batch behind its chunk. Batches without a chunk take the small lane too, so that they share its groups.
    pub(crate) fn submit(&self, batch: Batch, chunk: Option<NewChunk>) -> oneshot::Receiver<Result<(), Refused>> {
        let (done, outcome) = oneshot::channel();
        let lane = Lane::of(chunk.as_ref().map_or(0, |chunk| chunk.data.len()));
        self.volumes.submit(lane, chunk.into_iter().collect(), Ticket::Commit { batch, done });
        outcome
    }

    /// Queues a chunk of a large object.
    pub(crate) fn store(&self, chunk: NewChunk) -> oneshot::Receiver<Result<(), VolumeError>> {
        let (done, outcome) = oneshot::channel();
        self.volumes.submit(Lane::Bulk, vec![chunk], Ticket::Stored(done));
        outcome
    }
}

/// An answer that never came: the committer died with the ticket. The outcome is unknown, which is our fault.
pub(crate) fn received<T>(answer: Result<T, oneshot::error::RecvError>) -> S3Result<T> {
    answer.map_err(|_| S3Error::internal("the committer dropped a ticket"))
}
