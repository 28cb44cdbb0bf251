//! Tests of the writes through the service, on the memory metastore and real volumes.

mod big;
mod bodies;
mod concurrency;
mod copies;
mod decided;
mod deletes;
mod forms;
mod invariants;
mod lists;
mod model;
mod uploads;

use std::collections::VecDeque;
use std::task::{Context as TaskContext, Poll};

use bytes::Bytes;
use panthera_base::{ErrorCode, S3Result};
use panthera_meta::records::{FenceRecord, Versioning};
use panthera_meta::{Batch, keys};

use crate::api::{Call, NativeOp, Payload, Query};
use crate::scene::{Answer, BUCKET, Scene};

/// A body in given pieces.
pub(crate) struct Body {
    declared: Option<u64>,
    pieces: VecDeque<Bytes>,
    trailers: Vec<(String, String)>,
    /// How it ends, when not well.
    breaks: Option<ErrorCode>,
}

impl Body {
    pub fn new(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        Self { declared: Some(bytes.len() as u64), ..Self::unknown(bytes, 64 << 10) }
    }

    pub fn unknown(bytes: impl Into<Bytes>, step: usize) -> Self {
        let mut bytes = bytes.into();
        let mut pieces = VecDeque::new();
        while !bytes.is_empty() {
            pieces.push_back(bytes.split_to(step.min(bytes.len())));
        }
        Self { declared: None, pieces, trailers: Vec::new(), breaks: None }
    }

    pub fn declared(mut self, declared: Option<u64>) -> Self {
        self.declared = declared;
        self
    }

    pub fn trailer(mut self, name: &str, value: &str) -> Self {
        self.trailers.push((name.into(), value.into()));
        self
    }

    pub fn breaking(mut self, code: ErrorCode) -> Self {
        self.breaks = Some(code);
        self
    }
}

impl Payload for Body {
    fn declared_len(&self) -> Option<u64> {
        self.declared
    }

    fn poll_next(&mut self, _: &mut TaskContext<'_>) -> Poll<Option<S3Result<Bytes>>> {
        Poll::Ready(match self.pieces.pop_front() {
            Some(piece) => Some(Ok(piece)),
            None => self.breaks.map(|code| Err(code.into())),
        })
    }

    fn trailers(&self) -> &[(String, String)] {
        &self.trailers
    }
}

/// Pseudo-random bytes.
pub(crate) fn noise(len: usize, mut seed: u64) -> Vec<u8> {
    let mut out = Vec::with_capacity(len + 4);
    while out.len() < len {
        seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        out.extend_from_slice(&(seed >> 16).to_le_bytes()[..4]);
    }
    out.truncate(len);
    out
}

/// A scene whose bucket can be written to: it has its rows.
pub(crate) fn stage(versioning: Versioning) -> Scene {
    let mut scene = Scene::new(versioning);
    set_versioning(&mut scene, versioning);
    scene
}

/// What PutBucketVersioning does to the rows.
pub(crate) fn set_versioning(scene: &mut Scene, versioning: Versioning) {
    scene.bucket.versioning = versioning;
    scene.bucket.generation += 1;
    let fence = FenceRecord { versioning, object_lock: false, generation: scene.bucket.generation };
    let mut batch = Batch::default();
    batch.put(keys::bucket(b"bucket"), scene.bucket.encode()).put(keys::fence(BUCKET), fence.encode());
    scene.commit(&batch);
}

pub(crate) fn call(
    scene: &Scene,
    op: NativeOp,
    key: &str,
    query: &[(&str, &str)],
    headers: &[(&'static str, &str)],
    body: Body,
) -> Call {
    let mut call = scene.call(op, key.as_bytes());
    call.query = Query(query.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect());
    for (name, value) in headers {
        call.headers.append(*name, value.parse().expect("a header value"));
    }
    call.payload = Box::new(body);
    call
}

pub(crate) async fn put(scene: &Scene, key: &str, headers: &[(&'static str, &str)], body: Body) -> Answer {
    scene.send_call(call(scene, NativeOp::PutObject, key, &[], headers, body)).await
}

pub(crate) async fn get(scene: &Scene, key: &str) -> Answer {
    scene.send(NativeOp::GetObject, key.as_bytes(), &[], &[]).await
}

/// Nothing is stored under the key, not even a noncurrent version.
pub(crate) fn is_absent(scene: &Scene, key: &str) -> bool {
    let snapshot = scene.meta.snapshot().expect("a snapshot");
    let object = snapshot.get(&keys::object(BUCKET, key.as_bytes())).expect("a read").is_some();
    let range = keys::versions_of(BUCKET, key.as_bytes());
    let mut versions = false;
    let mut visit = |_: &[u8], _: &[u8]| {
        versions = true;
        panthera_meta::Step::Stop
    };
    snapshot.scan(&range.start..&range.end, &mut visit).expect("a scan");
    !object && !versions
}
