//! The bytes of a version: which chunks a range touches, and reading them one at a time.
//!
//! What is in the page cache is read where it is asked for; what is not, on the blocking pool with one chunk of
//! read-ahead. At most two chunks of a body are in memory, whatever its size.

use std::ops::Range;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use panthera_base::{ErrorCode, S3Error, S3Result};
use panthera_meta::records::{CHUNK_REF_BYTES, ChunkRef, Chunks, ObjectView};
use panthera_volume::{ChunkId, Store, VolumeError};
use tokio::task::JoinHandle;

use crate::api::ByteStream;
use crate::commit::Ticket;

/// A stretch of one chunk.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Piece {
    id: ChunkId,
    /// Length of the whole chunk.
    len: u32,
    /// What is wanted of it; never empty.
    range: Range<u32>,
}

/// Cuts consecutive chunks to a range of the object's bytes.
#[derive(Clone, Debug)]
struct Cut {
    /// Offset in the object of the next chunk.
    at: u64,
    /// What is wanted of the object.
    wanted: Range<u64>,
}

impl Cut {
    /// Takes the next chunk; gives what is wanted of it.
    fn take(&mut self, chunk: ChunkRef) -> Option<Piece> {
        let (start, end) = (self.at, self.at.saturating_add(u64::from(chunk.len)));
        self.at = end;
        let (from, to) = (self.wanted.start.max(start), self.wanted.end.min(end));
        // Both are inside the chunk, so they fit its length's type.
        (from < to).then(|| Piece {
            id: ChunkId(chunk.id),
            len: chunk.len,
            range: (from - start) as u32..(to - start) as u32,
        })
    }

    /// Everything wanted has been given.
    fn done(&self) -> bool {
        self.at >= self.wanted.end
    }
}

/// Where pieces come from.
enum Pieces {
    /// All known.
    Listed(std::vec::IntoIter<Piece>),
    /// From a manifest that is itself stored as chunks: read as it is needed, never whole.
    Indirect {
        /// Chunks of the manifest not read yet.
        manifest: std::vec::IntoIter<ChunkRef>,
        /// Entries read and not used; may end inside an entry.
        entries: Bytes,
        cut: Cut,
    },
}

/// Reads a range of a version, piece by piece.
pub(crate) struct Source {
    store: Arc<Store<Ticket>>,
    pieces: Pieces,
    /// The piece to be read next, when it is known.
    next: Option<Piece>,
}

impl Source {
    /// A source of these bytes of the version. Fails when the manifest does not add up to the size.
    pub fn new(store: &Arc<Store<Ticket>>, view: &ObjectView<'_>, wanted: Range<u64>) -> S3Result<Self> {
        let cut = Cut { at: 0, wanted };
        let pieces = if view.indirect() {
            Pieces::Indirect { manifest: view.chunks().collect::<Vec<_>>().into_iter(), entries: Bytes::new(), cut }
        } else {
            Pieces::Listed(listed(view.chunks(), view.size(), cut)?.into_iter())
        };
        Ok(Self { store: Arc::clone(store), pieces, next: None })
    }

    /// The next bytes if they can be had without waiting for a disk; `None` when [`Source::read`] is needed. The end
    /// is `Some(Ok(None))`.
    pub fn read_cached(&mut self) -> Option<S3Result<Option<Bytes>>> {
        if self.next.is_none() {
            self.next = match &mut self.pieces {
                Pieces::Listed(pieces) => pieces.next(),
                Pieces::Indirect { entries, cut, .. } => next_listed(entries, cut),
            };
        }
        let Some(piece) = &self.next else {
            return self.ended().then_some(Ok(None));
        };
        let read = self.store.read_cached(&piece.id, piece.len, piece.range.clone())?;
        let read = checked(piece, read);
        self.next = None;
        Some(read.map(Some))
    }

    /// The next bytes; waits for the disk. `None` at the end.
    pub fn read(&mut self) -> S3Result<Option<Bytes>> {
        let piece = match self.next.take() {
            Some(piece) => piece,
            None => match self.next_piece()? {
                Some(piece) => piece,
                None => return Ok(None),
            },
        };
        checked(&piece, self.store.read(&piece.id, piece.len, piece.range.clone())).map(Some)
    }

    /// Nothing comes after what has been read.
    fn ended(&self) -> bool {
        match &self.pieces {
            Pieces::Listed(pieces) => pieces.len() == 0,
            Pieces::Indirect { cut, .. } => cut.done(),
        }
    }

    fn next_piece(&mut self) -> S3Result<Option<Piece>> {
        match &mut self.pieces {
            Pieces::Listed(pieces) => Ok(pieces.next()),
            Pieces::Indirect { manifest, entries, cut } => loop {
                if let Some(piece) = next_listed(entries, cut) {
                    return Ok(Some(piece));
                }
                if cut.done() {
                    return Ok(None);
                }
                let Some(chunk) = manifest.next() else {
                    return Err(S3Error::internal("an indirect manifest is shorter than its object"));
                };
                let more = self.store.read(&ChunkId(chunk.id), chunk.len, 0..chunk.len).map_err(unreadable)?;
                *entries = joined(entries, more);
            },
        }
    }
}

/// The pieces of a manifest that stands in the record.
fn listed(chunks: Chunks<'_>, size: u64, mut cut: Cut) -> S3Result<Vec<Piece>> {
    let mut pieces = Vec::with_capacity(chunks.len());
    for chunk in chunks {
        pieces.extend(cut.take(chunk));
    }
    if cut.at == size { Ok(pieces) } else { Err(S3Error::internal("a manifest does not add up to its object's size")) }
}

/// The next piece among the entries at hand.
fn next_listed(entries: &mut Bytes, cut: &mut Cut) -> Option<Piece> {
    while !cut.done() && entries.len() >= CHUNK_REF_BYTES {
        let entry = entries.split_to(CHUNK_REF_BYTES);
        let (id, len) = entry.split_first_chunk::<32>()?;
        let chunk = ChunkRef { id: *id, len: u32::from_le_bytes(*len.first_chunk()?) };
        if let Some(piece) = cut.take(chunk) {
            return Some(piece);
        }
    }
    None
}

/// What was left of an entry, and what follows it.
fn joined(rest: &Bytes, more: Bytes) -> Bytes {
    if rest.is_empty() {
        return more;
    }
    let mut both = BytesMut::with_capacity(rest.len() + more.len());
    both.extend_from_slice(rest);
    both.extend_from_slice(&more);
    both.freeze()
}

fn checked(piece: &Piece, read: Result<Bytes, VolumeError>) -> S3Result<Bytes> {
    let bytes = read.map_err(unreadable)?;
    if bytes.len() == piece.range.len() { Ok(bytes) } else { Err(S3Error::internal("a chunk is not as long as asked")) }
}

/// Bytes that cannot be read are our fault, whatever the reason; only a store that is closing asks to come again.
fn unreadable(error: VolumeError) -> S3Error {
    match error {
        VolumeError::Closed => S3Error::new(ErrorCode::ServiceUnavailable),
        other => S3Error::internal(other),
    }
}

type Flight = JoinHandle<(Box<Source>, S3Result<Option<Bytes>>)>;

fn fly(mut source: Box<Source>) -> Flight {
    tokio::task::spawn_blocking(move || {
        let read = source.read();
        (source, read)
    })
}

/// The body of an answer: the bytes read before the status was sent, then the others.
pub(crate) struct Body {
    first: Option<Bytes>,
    state: State,
}

enum State {
    Idle(Box<Source>),
    Reading(Flight),
    Ended,
}

impl Body {
    /// Reads the first bytes: an object that cannot be read is an error answer, not a broken body. Gives `None`
    /// instead of a body when there are no bytes at all.
    pub async fn start(source: Source) -> S3Result<Option<(Bytes, Self)>> {
        let mut source = Box::new(source);
        let first = match source.read_cached() {
            Some(read) => read?,
            None => {
                let (back, read) = fly(source).await.map_err(S3Error::internal)?;
                source = back;
                read?
            }
        };
        Ok(first.map(|bytes| (bytes, Self { first: None, state: State::Idle(source) })))
    }

    /// Puts the first bytes back in front.
    pub fn with_first(mut self, first: Bytes) -> Self {
        self.first = Some(first);
        self
    }
}

impl ByteStream for Body {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<S3Result<Bytes>>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(Ok(first)));
        }
        match std::mem::replace(&mut self.state, State::Ended) {
            State::Idle(mut source) => match source.read_cached() {
                Some(Ok(Some(bytes))) => {
                    self.state = State::Idle(source);
                    return Poll::Ready(Some(Ok(bytes)));
                }
                Some(Ok(None)) => return Poll::Ready(None),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => self.state = State::Reading(fly(source)),
            },
            other => self.state = other,
        }
        self.poll_flight(cx)
    }
}

impl Body {
    fn poll_flight(&mut self, cx: &mut Context<'_>) -> Poll<Option<S3Result<Bytes>>> {
        let State::Reading(flight) = &mut self.state else { return Poll::Ready(None) };
        let landed = ready!(std::pin::Pin::new(flight).poll(cx));
        self.state = State::Ended;
        match landed {
            Ok((source, Ok(Some(bytes)))) => {
                // The disk is slower than the client or as slow: the next chunk is fetched while this one is sent.
                self.state = if source.ended() { State::Idle(source) } else { State::Reading(fly(source)) };
                Poll::Ready(Some(Ok(bytes)))
            }
            Ok((_, Ok(None))) => Poll::Ready(None),
            Ok((_, Err(error))) => Poll::Ready(Some(Err(error))),
            Err(lost) => Poll::Ready(Some(Err(S3Error::internal(lost)))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(n: u8, len: u32) -> ChunkRef {
        ChunkRef { id: [n; 32], len }
    }

    fn cut_all(wanted: Range<u64>, chunks: &[ChunkRef]) -> Vec<(u8, Range<u32>)> {
        let mut cut = Cut { at: 0, wanted };
        chunks.iter().filter_map(|&c| cut.take(c)).map(|p| (p.id.0[0], p.range)).collect()
    }

    #[test]
    fn ranges_touch_only_the_chunks_they_need() {
        let chunks = [chunk(1, 10), chunk(2, 5), chunk(3, 20)];
        assert_eq!(cut_all(0..35, &chunks), [(1, 0..10), (2, 0..5), (3, 0..20)]);
        assert_eq!(cut_all(0..1, &chunks), [(1, 0..1)]);
        assert_eq!(cut_all(9..11, &chunks), [(1, 9..10), (2, 0..1)]);
        assert_eq!(cut_all(10..15, &chunks), [(2, 0..5)]);
        assert_eq!(cut_all(34..35, &chunks), [(3, 19..20)]);
        assert_eq!(cut_all(0..0, &chunks), []);
        assert_eq!(cut_all(0..10, &[chunk(1, 0), chunk(2, 10)]), [(2, 0..10)]);
    }

    #[test]
    fn entries_are_read_across_the_borders_of_manifest_chunks() {
        let mut bytes = Vec::new();
        panthera_meta::records::Manifest::encode_entries(&[chunk(1, 10), chunk(2, 5), chunk(3, 20)], &mut bytes);
        for border in 0..=bytes.len() {
            let mut cut = Cut { at: 0, wanted: 12..20 };
            let mut entries = Bytes::copy_from_slice(&bytes[..border]);
            let mut pieces = Vec::new();
            pieces.extend(std::iter::from_fn(|| next_listed(&mut entries, &mut cut)));
            entries = joined(&entries, Bytes::copy_from_slice(&bytes[border..]));
            pieces.extend(std::iter::from_fn(|| next_listed(&mut entries, &mut cut)));
            let got: Vec<_> = pieces.into_iter().map(|p| (p.id.0[0], p.range)).collect();
            assert_eq!(got, [(2, 2..5), (3, 0..5)], "{border}");
            assert!(cut.done());
        }
    }
}
