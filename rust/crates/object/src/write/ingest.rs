//! From a payload to chunks and digests: what PutObject, UploadPart, PostObject and copies across domains share.
//!
//! Belongs here: receiving, cutting, naming, hashing and storing bytes, and refusing a body that is not what was
//! announced. Does not belong here: what the bytes belong to, metadata commits.

use std::collections::{HashSet, VecDeque};
use std::future::poll_fn;
use std::sync::Arc;

use bytes::Bytes;
use panthera_base::limits::{INLINE_MANIFEST_CHUNKS, SINGLE_PUT_BYTES, WHOLE_CHUNK_BYTES};
use panthera_base::{ErrorCode, S3Error, S3Result};
use panthera_meta::records::{CHUNK_REF_BYTES, ChunkRef, Manifest};
use panthera_volume::{ChunkId, NewChunk, VolumeError};
use panthera_wire::checksum::{Algorithm, Announced, Digest, Hasher, Md5};
use parking_lot::Mutex;
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, spawn_blocking};

use super::buffer::Buffer;
use super::cutter::Cutter;
use crate::api::Payload;
use crate::commit::{received, volume_error};
use crate::service::ObjectService;

/// Up to this size hashing and the dedup question run where they are asked: a hop to another thread costs more.
const INLINE_BYTES: usize = 64 << 10;
/// Chunks of one body that may be on their way to disk.
const IN_FLIGHT_CHUNKS: usize = 3;
/// Bytes of one body that may be on their way to disk.
const IN_FLIGHT_BYTES: usize = 8 << 20;
/// Largest piece of a manifest that is itself stored as chunks: whole entries, within one chunk.
const MANIFEST_PIECE_BYTES: usize = (WHOLE_CHUNK_BYTES / CHUNK_REF_BYTES) * CHUNK_REF_BYTES;

/// A body received in full and found to be what was announced. Durable, but for `unsaved`.
#[derive(Debug)]
pub(crate) struct Content {
    /// Length.
    pub size: u64,
    /// MD5 of the bytes.
    pub md5: [u8; 16],
    /// The checksum that was asked for.
    pub checksum: (Algorithm, Digest),
    /// The chunks.
    pub manifest: Manifest,
    /// The only chunk of a small body, to be stored in one go with the metadata.
    pub unsaved: Option<NewChunk>,
}

/// MD5 and the checksum, side by side.
struct Digests {
    md5: Md5,
    checksum: Hasher,
}

impl Digests {
    fn new(algorithm: Algorithm) -> Self {
        Self { md5: Md5::default(), checksum: Hasher::new(algorithm) }
    }

    fn update(&mut self, bytes: &[u8]) {
        self.md5.update(bytes);
        self.checksum.update(bytes);
    }

    fn finish(self) -> ([u8; 16], Digest) {
        (self.md5.finish(), self.checksum.finish())
    }
}

/// The next bytes of a payload.
pub(crate) async fn next(payload: &mut dyn Payload) -> Option<S3Result<Bytes>> {
    poll_fn(|cx| payload.poll_next(cx)).await
}

/// Reads a whole body that may have at most `limit` bytes: the XML of an operation.
pub(crate) async fn read_to_end(payload: &mut dyn Payload, limit: usize) -> S3Result<Bytes> {
    let too_long =
        || S3Error::new(ErrorCode::MaxMessageLengthExceeded).field("MaxMessageLengthBytes", limit.to_string());
    if payload.declared_len().is_some_and(|len| len > limit as u64) {
        return Err(too_long());
    }
    let mut whole = Bytes::new();
    let mut joined = Vec::new();
    while let Some(piece) = next(payload).await {
        let piece = piece?;
        if whole.is_empty() && joined.is_empty() {
            whole = piece;
            continue;
        }
        if joined.is_empty() {
            joined.extend_from_slice(&whole);
        }
        if joined.len() + piece.len() > limit {
            return Err(too_long());
        }
        joined.extend_from_slice(&piece);
    }
    let body = if joined.is_empty() { whole } else { joined.into() };
    if body.len() > limit { Err(too_long()) } else { Ok(body) }
}

/// The error for a body above 5 GiB.
pub(crate) fn too_large(size: u64) -> S3Error {
    S3Error::new(ErrorCode::EntityTooLarge)
        .field("ProposedSize", size.to_string())
        .field("MaxSizeAllowed", SINGLE_PUT_BYTES.to_string())
}

/// What a body must be.
pub(crate) struct Expected {
    /// Content-MD5 and checksum.
    pub announced: Announced,
    /// The checksum to compute: the announced one, or the operation's choice.
    pub algorithm: Algorithm,
    /// Largest size; a longer body is refused while it is received.
    pub limit: u64,
}

impl Expected {
    /// What the headers announce; CRC64NVME when they announce no checksum.
    pub(crate) fn new(announced: Announced) -> Self {
        let algorithm = announced.algorithm().unwrap_or(Algorithm::Crc64Nvme);
        Self { announced, algorithm, limit: SINGLE_PUT_BYTES }
    }
}

impl ObjectService {
    /// Receives a body. On any error nothing refers to what may already be on disk.
    pub(crate) async fn ingest(
        &self,
        domain: &[u8; 32],
        payload: &mut dyn Payload,
        expected: &Expected,
    ) -> S3Result<Content> {
        let declared = payload.declared_len();
        if let Some(len) = declared.filter(|&len| len > expected.limit) {
            return Err(too_large(len));
        }
        let content = match declared {
            Some(len) if len <= WHOLE_CHUNK_BYTES as u64 => {
                let body = collect(payload, len as usize).await?;
                self.whole(domain, body, expected.algorithm).await?
            }
            _ => self.cut(domain, payload, expected).await?,
        };
        if declared.is_some_and(|len| len != content.size) {
            return Err(ErrorCode::IncompleteBody.into());
        }
        expected.announced.verify_md5(&content.md5)?;
        expected.announced.verify_checksum(&content.checksum.1, payload.trailers())?;
        Ok(content)
    }

    /// A small body: one chunk, stored together with the metadata.
    async fn whole(&self, domain: &[u8; 32], body: Bytes, algorithm: Algorithm) -> S3Result<Content> {
        if body.len() <= INLINE_BYTES {
            return Ok(describe(domain, body, algorithm, |id, len| self.volumes.holds(id, len)));
        }
        let (volumes, domain) = (self.volumes.clone(), *domain);
        let job = spawn_blocking(move || describe(&domain, body, algorithm, |id, len| volumes.holds(id, len)));
        job.await.map_err(S3Error::internal)
    }

    /// A body that is large or of unknown length: chunks go to disk while more arrives.
    async fn cut(&self, domain: &[u8; 32], payload: &mut dyn Payload, expected: &Expected) -> S3Result<Content> {
        let mut intake = Intake::new(self, *domain, expected.algorithm);
        let mut received = 0;
        while let Some(piece) = next(payload).await {
            let piece = piece?;
            received += piece.len() as u64;
            if received > expected.limit {
                return Err(too_large(received));
            }
            intake.push(&piece).await?;
        }
        intake.finish().await
    }

    /// The manifest of these chunks: in the row, or as chunks of its own when it is too long for one.
    pub(crate) async fn settle(&self, domain: &[u8; 32], chunks: Vec<ChunkRef>) -> S3Result<Manifest> {
        if chunks.len() <= INLINE_MANIFEST_CHUNKS {
            return Ok(Manifest::direct(chunks));
        }
        let mut entries = Vec::new();
        Manifest::encode_entries(&chunks, &mut entries);
        let entries = Bytes::from(entries);
        let mut line = Line::new(self, *domain);
        for start in (0..entries.len()).step_by(MANIFEST_PIECE_BYTES) {
            line.store(entries.slice(start..entries.len().min(start + MANIFEST_PIECE_BYTES))).await?;
        }
        Ok(Manifest { indirect: true, chunks: line.finish().await? })
    }
}

/// Collects a body of known small length; without a copy when it comes in one piece.
async fn collect(payload: &mut dyn Payload, len: usize) -> S3Result<Bytes> {
    let mut first = Bytes::new();
    let mut joined: Vec<u8> = Vec::new();
    let mut received = 0;
    while let Some(piece) = next(payload).await {
        let piece = piece?;
        received += piece.len();
        if received > len {
            return Err(S3Error::new(ErrorCode::IncompleteBody).detail("more bytes than announced"));
        }
        if received == piece.len() {
            first = piece;
            continue;
        }
        if joined.is_empty() {
            joined.reserve_exact(len);
            joined.extend_from_slice(&first);
        }
        joined.extend_from_slice(&piece);
    }
    if received != len {
        return Err(ErrorCode::IncompleteBody.into());
    }
    Ok(if joined.is_empty() { first } else { joined.into() })
}

/// Digests and name of a small body, and whether it must be stored.
fn describe(
    domain: &[u8; 32],
    body: Bytes,
    algorithm: Algorithm,
    holds: impl FnOnce(&ChunkId, u32) -> bool,
) -> Content {
    let (size, len) = (body.len() as u64, body.len() as u32);
    let md5 = Md5::digest(&body);
    let checksum = (algorithm, Hasher::digest(algorithm, &body));
    if body.is_empty() {
        return Content { size, md5, checksum, manifest: Manifest::default(), unsaved: None };
    }
    let id = ChunkId::of(domain, &body);
    let manifest = Manifest::direct(vec![ChunkRef { id: id.0, len }]);
    let unsaved = (!holds(&id, len)).then_some(NewChunk { id, data: body });
    Content { size, md5, checksum, manifest, unsaved }
}

/// Digests of a stream, computed beside it: MD5 is sequential, so each piece waits for the one before, while more is
/// received.
struct DigestLine {
    running: Option<JoinHandle<Digests>>,
    algorithm: Algorithm,
}

impl DigestLine {
    fn new(algorithm: Algorithm) -> Self {
        Self { running: None, algorithm }
    }

    async fn settled(&mut self) -> S3Result<Digests> {
        match self.running.take() {
            Some(running) => running.await.map_err(S3Error::internal),
            None => Ok(Digests::new(self.algorithm)),
        }
    }

    async fn push(&mut self, bytes: Bytes) -> S3Result<()> {
        let mut digests = self.settled().await?;
        self.running = Some(spawn_blocking(move || {
            digests.update(&bytes);
            digests
        }));
        Ok(())
    }

    async fn finish(mut self) -> S3Result<([u8; 16], Digest)> {
        Ok(self.settled().await?.finish())
    }
}

/// A stream being received.
pub(crate) struct Intake<'s> {
    gather: Gather<'s>,
    cutter: Cutter,
    current: Option<Buffer>,
}

impl<'s> Intake<'s> {
    /// Begins.
    pub(crate) fn new(service: &'s ObjectService, domain: [u8; 32], algorithm: Algorithm) -> Self {
        Self { gather: Gather::new(service, domain, algorithm), cutter: Cutter::new(), current: None }
    }

    /// Takes the next bytes; waits when too many are on their way to disk.
    pub(crate) async fn push(&mut self, mut piece: &[u8]) -> S3Result<()> {
        while !piece.is_empty() {
            let (taken, ends) = self.cutter.scan(piece);
            let buffer = self.current.get_or_insert_with(|| self.gather.service.buffers.take());
            buffer.extend(&piece[..taken]);
            piece = &piece[taken..];
            if ends {
                self.end_chunk().await?;
            }
        }
        Ok(())
    }

    async fn end_chunk(&mut self) -> S3Result<()> {
        match self.current.take() {
            Some(buffer) => self.gather.store(buffer.freeze()).await,
            None => Ok(()),
        }
    }

    /// Ends: everything is durable when this returns, but for `unsaved`.
    pub(crate) async fn finish(mut self) -> S3Result<Content> {
        let held = self.current.as_ref().map_or(0, Buffer::len);
        if self.gather.size == 0 && held <= WHOLE_CHUNK_BYTES {
            // One chunk: as good as a body of known small length.
            let body = self.current.take().map(Buffer::freeze).unwrap_or_default();
            return self.gather.service.whole(&self.gather.domain, body, self.gather.digests.algorithm).await;
        }
        self.end_chunk().await?;
        self.gather.finish().await
    }
}

/// Content put together from chunks, in order.
pub(crate) struct Gather<'s> {
    service: &'s ObjectService,
    domain: [u8; 32],
    line: Line<'s>,
    digests: DigestLine,
    size: u64,
}

impl<'s> Gather<'s> {
    /// Begins.
    pub(crate) fn new(service: &'s ObjectService, domain: [u8; 32], algorithm: Algorithm) -> Self {
        let (line, digests) = (Line::new(service, domain), DigestLine::new(algorithm));
        Self { service, domain, line, digests, size: 0 }
    }

    /// Appends a chunk that is stored in this domain; its bytes are for the digests.
    pub(crate) async fn share(&mut self, chunk: ChunkRef, bytes: Bytes) -> S3Result<()> {
        self.size += u64::from(chunk.len);
        self.digests.push(bytes).await?;
        self.line.share(chunk).await
    }

    /// Appends bytes as a chunk of their own.
    pub(crate) async fn store(&mut self, bytes: Bytes) -> S3Result<()> {
        self.size += bytes.len() as u64;
        self.digests.push(bytes.clone()).await?;
        self.line.store(bytes).await
    }

    /// Ends: everything is durable when this returns.
    pub(crate) async fn finish(self) -> S3Result<Content> {
        let algorithm = self.digests.algorithm;
        let (md5, checksum) = self.digests.finish().await?;
        let manifest = self.service.settle(&self.domain, self.line.finish().await?).await?;
        Ok(Content { size: self.size, md5, checksum: (algorithm, checksum), manifest, unsaved: None })
    }
}

/// Chunks of one body on their way to disk, in order.
struct Line<'s> {
    service: &'s ObjectService,
    domain: [u8; 32],
    /// Chunks this body has already sent or found: a body of zeros is stored once.
    known: Arc<Mutex<HashSet<[u8; 32]>>>,
    pending: VecDeque<Pending>,
    pending_bytes: usize,
    done: Vec<ChunkRef>,
}

struct Pending {
    naming: JoinHandle<ChunkId>,
    stored: oneshot::Receiver<Result<(), VolumeError>>,
    len: usize,
}

impl<'s> Line<'s> {
    fn new(service: &'s ObjectService, domain: [u8; 32]) -> Self {
        let known = Arc::default();
        Self { service, domain, known, pending: VecDeque::new(), pending_bytes: 0, done: Vec::new() }
    }

    /// Appends a chunk that is already stored.
    async fn share(&mut self, chunk: ChunkRef) -> S3Result<()> {
        while !self.pending.is_empty() {
            self.settle_one().await?;
        }
        self.done.push(chunk);
        Ok(())
    }

    /// Appends a chunk, naming and storing it in the background.
    async fn store(&mut self, data: Bytes) -> S3Result<()> {
        let len = data.len();
        while !self.pending.is_empty()
            && (self.pending.len() >= IN_FLIGHT_CHUNKS || self.pending_bytes + len > IN_FLIGHT_BYTES)
        {
            self.settle_one().await?;
        }
        let (volumes, domain, known) = (self.service.volumes.clone(), self.domain, self.known.clone());
        let (done, stored) = oneshot::channel();
        let naming = spawn_blocking(move || {
            let id = ChunkId::of(&domain, &data);
            if !known.lock().insert(id.0) || volumes.holds(&id, data.len() as u32) {
                drop(done.send(Ok(())));
            } else {
                let ticket = crate::commit::Ticket::Stored(done);
                volumes.submit(panthera_volume::Lane::Bulk, vec![NewChunk { id, data }], ticket);
            }
            id
        });
        self.pending.push_back(Pending { naming, stored, len });
        self.pending_bytes += len;
        Ok(())
    }

    async fn settle_one(&mut self) -> S3Result<()> {
        let Some(pending) = self.pending.pop_front() else { return Ok(()) };
        self.pending_bytes -= pending.len;
        let id = pending.naming.await.map_err(S3Error::internal)?;
        received(pending.stored.await)?.map_err(|error| volume_error(&error))?;
        self.done.push(ChunkRef { id: id.0, len: pending.len as u32 });
        Ok(())
    }

    /// Ends: all chunks are durable when this returns.
    async fn finish(mut self) -> S3Result<Vec<ChunkRef>> {
        while !self.pending.is_empty() {
            self.settle_one().await?;
        }
        Ok(self.done)
    }
}
