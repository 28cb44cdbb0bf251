//! The face of the engine: ids, what can go wrong, what is asked of it. See FORMAT.md for the bytes.

use bytes::Bytes;

/// Name of a chunk: BLAKE3 of its plaintext, keyed per dedup domain. Equal bytes in one domain have one name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ChunkId(pub [u8; 32]);

impl ChunkId {
    /// Names the bytes in the domain of `key`.
    pub fn of(key: &[u8; 32], plaintext: &[u8]) -> Self {
        Self(*blake3::keyed_hash(key, plaintext).as_bytes())
    }
}

/// A chunk to be stored.
#[derive(Clone, Debug)]
pub struct NewChunk {
    /// Its name.
    pub id: ChunkId,
    /// Its bytes, at most `limits::CDC_MAX_BYTES`.
    pub data: Bytes,
}

/// What went wrong, and whose fault it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VolumeError {
    /// No needle has this name. Certain: the whole index has been asked.
    Missing(ChunkId),
    /// Stored bytes are not what was written. Never served.
    Corrupt(String),
    /// The device answered an error; what it holds is unknown.
    Disk(String),
    /// No space: above the high-water mark, or the file system is full.
    Full(String),
    /// The store is shutting down.
    Closed,
}

impl std::fmt::Display for VolumeError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Missing(id) => write!(f, "chunk {} is in no volume", blake3::Hash::from_bytes(id.0).to_hex()),
            Self::Corrupt(text) => write!(f, "corrupt needle: {text}"),
            Self::Disk(text) => write!(f, "disk: {text}"),
            Self::Full(text) => write!(f, "full: {text}"),
            Self::Closed => f.write_str("closed"),
        }
    }
}

impl std::error::Error for VolumeError {}
