//! The way to the Python handlers: bounded, with a deadline, and never waiting on Python.
//!
//! Belongs here: the queue, its bound, and the wait for an answer. Does not belong here: what a handler does, PyO3.
//!
//! The bound covers a call from the moment it is queued until it is answered or dropped, wherever it is: a Python loop
//! that takes calls and does not answer them fills it just the same. A call that has passed its deadline keeps its
//! place until Python lets go of it; that is what the place stands for.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use panthera_base::{ErrorCode, Ordinal, S3Error, S3Result, Timestamp};
use panthera_object::api::{Caller, Query};
use std::net::IpAddr;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use crate::account::Metrics;

/// One request for a Python handler: parsed, routed, authenticated, authorized, its body read.
pub struct ControlCall {
    /// The row's name.
    pub op: Arc<str>,
    /// x-amz-request-id.
    pub request_id: String,
    /// HTTP method.
    pub method: Method,
    /// Bucket's name; empty for the service.
    pub bucket: String,
    /// Key's bytes; empty for service and bucket.
    pub key: Vec<u8>,
    /// Query parameters, decoded, in the order sent.
    pub query: Query,
    /// Request headers, without Authorization.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
    /// Who calls.
    pub caller: Caller,
    /// The client's address.
    pub source_ip: IpAddr,
    /// Whether the client uses TLS.
    pub secure: bool,
    /// When the request arrived.
    pub now: Timestamp,
    /// The version that was decided about, where the decision looked at one: what is done must be done to it.
    pub decided: Option<Ordinal>,
    /// The bucket's record as stored, when the bucket exists.
    pub bucket_record: Option<Bytes>,
    /// Where the answer goes.
    pub answer: Answer,
}

/// What a Python handler answers.
#[derive(Debug)]
pub struct ControlReply {
    /// Status.
    pub status: StatusCode,
    /// Headers; the pipeline adds its own.
    pub headers: HeaderMap,
    /// Document.
    pub body: Bytes,
}

/// Takes one answer. Dropped without one, the client reads InternalError.
pub struct Answer {
    sender: oneshot::Sender<S3Result<ControlReply>>,
    _place: OwnedSemaphorePermit,
}

impl Answer {
    /// Answers. Nothing happens when nobody waits any more.
    pub fn send(self, outcome: S3Result<ControlReply>) {
        let _ = self.sender.send(outcome);
    }

    /// Nobody waits any more: the deadline passed or the client left. The call can be dropped unread.
    pub fn is_abandoned(&self) -> bool {
        self.sender.is_closed()
    }
}

/// The sending side, in the pipeline.
pub struct ControlQueue {
    calls: mpsc::UnboundedSender<ControlCall>,
    places: Arc<Semaphore>,
    deadline: Duration,
}

/// The receiving side, for the thread that hands calls to Python.
pub struct ControlCalls(mpsc::UnboundedReceiver<ControlCall>);

impl ControlCalls {
    /// Waits for the next call that somebody still waits for. `None` when the front is gone. Not for async threads.
    pub fn blocking_next(&mut self) -> Option<ControlCall> {
        loop {
            let call = self.0.blocking_recv()?;
            if !call.answer.is_abandoned() {
                return Some(call);
            }
        }
    }

    /// The same for async threads.
    pub async fn next(&mut self) -> Option<ControlCall> {
        loop {
            let call = self.0.recv().await?;
            if !call.answer.is_abandoned() {
                return Some(call);
            }
        }
    }
}

/// A queue in which `places` calls may be at a time, each answered within `deadline`.
pub fn queue(places: usize, deadline: Duration) -> (ControlQueue, ControlCalls) {
    // Unbounded, because the semaphore bounds it: every call in it holds a place.
    let (sender, receiver) = mpsc::unbounded_channel();
    let places = Arc::new(Semaphore::new(places.min(Semaphore::MAX_PERMITS)));
    (ControlQueue { calls: sender, places, deadline }, ControlCalls(receiver))
}

impl ControlQueue {
    /// A place for a call, before its body is read. 503 SlowDown when there is none.
    pub fn place(&self, metrics: &Metrics) -> S3Result<OwnedSemaphorePermit> {
        self.places.clone().try_acquire_owned().map_err(|_| {
            metrics.control_full.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            S3Error::new(ErrorCode::SlowDown)
        })
    }

    /// Queues the call that `build` makes around its answer, and waits for the answer.
    pub async fn run(
        &self,
        place: OwnedSemaphorePermit,
        metrics: &Metrics,
        build: impl FnOnce(Answer) -> ControlCall,
    ) -> S3Result<ControlReply> {
        let (sender, receiver) = oneshot::channel();
        if self.calls.send(build(Answer { sender, _place: place })).is_err() {
            return Err(S3Error::new(ErrorCode::ServiceUnavailable).detail("the control plane is not running"));
        }
        match tokio::time::timeout(self.deadline, receiver).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => Err(S3Error::internal("the control handler dropped the request")),
            Err(_) => {
                metrics.control_late.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                Err(S3Error::new(ErrorCode::ServiceUnavailable).detail("the control handler missed its deadline"))
            }
        }
    }
}
