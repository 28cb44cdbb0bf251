//! The face of the engine: ids, what can go wrong, what is asked of it. See FORMAT.md for the bytes.

use std::path::PathBuf;

use bytes::Bytes;

/// Name of a chunk: BLAKE3 of its plaintext, keyed per dedup domain. Equal bytes in one domain have one name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ChunkId(pub [u8; 32]);

impl ChunkId {
    /// Names the bytes in the domain of `key`.
    pub fn of(key: &[u8; 32], plaintext: &[u8]) -> Self {
        Self(*blake3::keyed_hash(key, plaintext).as_bytes())
    }

    /// The first eight bytes: what the index keeps of the name.
    pub(crate) fn fingerprint(&self) -> u64 {
        let mut head = [0; 8];
        head.copy_from_slice(&self.0[..8]);
        u64::from_be_bytes(head)
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
    /// The caller asked for something that cannot be: a chunk that is too long, a range outside the chunk.
    Invalid(String),
}

impl std::fmt::Display for VolumeError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Missing(id) => write!(f, "chunk {} is in no volume", blake3::Hash::from_bytes(id.0).to_hex()),
            Self::Corrupt(text) => write!(f, "corrupt needle: {text}"),
            Self::Disk(text) => write!(f, "disk: {text}"),
            Self::Full(text) => write!(f, "full: {text}"),
            Self::Closed => f.write_str("closed"),
            Self::Invalid(text) => write!(f, "invalid: {text}"),
        }
    }
}

impl std::error::Error for VolumeError {}

impl VolumeError {
    /// A device error, with what was being done.
    pub(crate) fn disk(doing: impl std::fmt::Display, error: &std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
                Self::Full(format!("{doing}: {error}"))
            }
            _ => Self::Disk(format!("{doing}: {error}")),
        }
    }
}

/// Who commits a chunk: each lane has its own thread and its own active volume.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Lane {
    /// Needles up to [`Lane::SMALL_BYTES`].
    Small = 0,
    /// Larger ones, so that they do not delay the small commits.
    Bulk = 1,
}

impl Lane {
    /// Both.
    pub const ALL: [Lane; 2] = [Lane::Small, Lane::Bulk];
    /// Largest chunk that should take the small lane: a group of them still flushes in a few milliseconds.
    pub const SMALL_BYTES: usize = 256 << 10;

    /// The lane for a submission whose largest chunk has `bytes` bytes.
    pub fn of(bytes: usize) -> Self {
        if bytes <= Self::SMALL_BYTES { Self::Small } else { Self::Bulk }
    }

    pub(crate) fn from_byte(byte: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|lane| *lane as u8 == byte)
    }
}

/// How to run a store.
#[derive(Clone, Debug)]
pub struct StoreOptions {
    /// Where the volumes are; only for messages, the disk given to `Store::open` decides.
    pub dir: PathBuf,
    /// A volume takes no batch that would make it longer; at most 8 GiB.
    pub volume_bytes: u64,
    /// High-water mark: with less free space than this, puts answer `Full`; reads go on.
    pub min_free_bytes: u64,
    /// `false` skips every sync: for benchmarks and tests only, an acknowledged chunk can be lost.
    pub sync: bool,
    /// A group commit closes when it holds this many bytes.
    pub max_batch_bytes: usize,
}

impl StoreOptions {
    /// The defaults: strict, 8 GiB volumes, 64 MiB kept free, groups of 8 MiB.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            volume_bytes: crate::format::VOLUME_BYTES_MAX,
            min_free_bytes: 64 << 20,
            sync: true,
            max_batch_bytes: 8 << 20,
        }
    }
}

/// A region of a volume that cannot be read as what it was. Kept and reported, never cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The volume.
    pub volume: u32,
    /// Where the region starts.
    pub offset: u64,
    /// Its length in bytes (0: unknown).
    pub bytes: u64,
    /// What was found.
    pub what: String,
}

/// What opening a store found. Nothing in it asks for an operator; `damage` deserves an alarm.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecoveryReport {
    /// Volumes found.
    pub volumes: usize,
    /// Needles in the index.
    pub needles: u64,
    /// Of these, read from index logs.
    pub from_logs: u64,
    /// Of these, found by walking volumes behind their logs.
    pub walked: u64,
    /// Bytes of torn tails that were cut (never acknowledged).
    pub cut_bytes: u64,
    /// Needles stored twice; the index keeps one.
    pub duplicates: u64,
    /// Files of volumes whose creation never finished, removed.
    pub removed: Vec<u32>,
    /// Regions that are damaged.
    pub damage: Vec<Damage>,
}

/// What a volume is doing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum VolumeState {
    /// Its lane appends to it.
    Active,
    /// Read only.
    Sealed,
    /// A write or sync failed, or recovery found damage: read only, and no dedup hit is taken from it.
    Suspect,
}

/// One volume in numbers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct VolumeStats {
    /// Its number.
    pub id: u32,
    /// Who writes it.
    pub lane: Lane,
    /// What it is doing.
    pub state: VolumeState,
    /// Needles in it, dead ones too.
    pub needles: u64,
    /// Bytes of needles that the live set marked.
    pub live_bytes: u64,
    /// Bytes of needles that it did not.
    pub dead_bytes: u64,
    /// Length of the file, preallocation included.
    pub file_bytes: u64,
}

/// The store in numbers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Usage {
    /// Volumes.
    pub volumes: usize,
    /// Needles in the index.
    pub needles: u64,
    /// Bytes of all needles on disk, dead ones too.
    pub needle_bytes: u64,
    /// Length of all volume files.
    pub file_bytes: u64,
    /// Free bytes of the file system.
    pub free_bytes: u64,
    /// RAM of the index.
    pub index_bytes: u64,
}
