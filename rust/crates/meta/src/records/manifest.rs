//! Manifests: the chunks that are the bytes of an object or a part, in order. 36 bytes an entry.

use super::RecordError;

/// Bytes of one manifest entry: chunk id and length.
pub const CHUNK_REF_BYTES: usize = 36;

/// One chunk of a manifest.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ChunkRef {
    /// Keyed BLAKE3 of its plaintext.
    pub id: [u8; 32],
    /// Length of its plaintext in bytes.
    pub len: u32,
}

/// What an object or a part is made of.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Manifest {
    /// The chunks hold the real manifest's entries and not the data.
    pub indirect: bool,
    /// The chunks, in order.
    pub chunks: Vec<ChunkRef>,
}

impl Manifest {
    /// A manifest whose chunks are the data.
    pub fn direct(chunks: Vec<ChunkRef>) -> Self {
        Self { indirect: false, chunks }
    }

    /// Appends entries as they stand in a record and in the chunks of an indirect manifest.
    pub fn encode_entries(chunks: &[ChunkRef], out: &mut Vec<u8>) {
        out.reserve(chunks.len() * CHUNK_REF_BYTES);
        for chunk in chunks {
            out.extend_from_slice(&chunk.id);
            out.extend_from_slice(&chunk.len.to_le_bytes());
        }
    }

    /// Reads the entries that the chunks of an indirect manifest hold, concatenated.
    pub fn decode_entries(bytes: &[u8]) -> Result<Vec<ChunkRef>, RecordError> {
        if bytes.len().is_multiple_of(CHUNK_REF_BYTES) {
            return Ok(Chunks::new(bytes).collect());
        }
        Err(RecordError { record: "manifest", offset: bytes.len(), what: "ends inside an entry" })
    }
}

/// Iterates over manifest entries in place.
#[derive(Clone, Debug)]
pub struct Chunks<'a>(&'a [u8]);

impl<'a> Chunks<'a> {
    /// Over whole entries; what is left at the end is ignored, so callers check the length first.
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }
}

impl Iterator for Chunks<'_> {
    type Item = ChunkRef;

    fn next(&mut self) -> Option<ChunkRef> {
        let (id, rest) = self.0.split_first_chunk::<32>()?;
        let (len, rest) = rest.split_first_chunk::<4>()?;
        self.0 = rest;
        Some(ChunkRef { id: *id, len: u32::from_le_bytes(*len) })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let n = self.0.len() / CHUNK_REF_BYTES;
        (n, Some(n))
    }
}

impl ExactSizeIterator for Chunks<'_> {}
