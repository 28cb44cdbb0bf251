//! The ordered key-value contract: snapshots that get and scan, and guarded batches that are data.
//!
//! Keys and values are bytes, ordered by memcmp. A batch crosses the language border once, can be retried, logged
//! and replayed, and means the same on every engine.

use std::fmt;
use std::ops::Range;

/// Longest key in bytes, on every engine; the shortest is 1. LMDB with 4 KiB pages takes 1982 (two keys must fit a
/// page) and PostgreSQL's index 2704. An S3 key of 1024 bytes fits with bucket and ordinal; one that holds more than
/// about 940 NUL bytes, which are written double in `v`, `z` and `u` rows, does not.
pub const KEY_LIMIT: usize = 1980;

/// Longest value in bytes, on every engine: room for 10 000 manifest entries and 10 000 parts many times over, small
/// enough that one batch cannot exhaust memory.
pub const VALUE_LIMIT: usize = 16 << 20;

/// A moment in the store's history. Increases with every commit that changed something.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Revision(pub u64);

/// A condition on the state just before the batch is applied.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Guard {
    /// The key has no value.
    Absent(Vec<u8>),
    /// The key has some value.
    Present(Vec<u8>),
    /// The key has exactly this value.
    Equals(Vec<u8>, Vec<u8>),
    /// No key lies in the half-open range.
    EmptyRange(Range<Vec<u8>>),
}

/// Keeps a counter row true while rows change: count of rows and sum of one number inside them.
///
/// The counter's value is 16 bytes, two little-endian i64: rows, sum. `field` is the offset of a little-endian u64
/// in the *value being replaced or removed* and in the new one; a value shorter than `field + 8` counts 0.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Tally {
    /// Key of the counter row.
    pub counter: Vec<u8>,
    /// Offset of the number that is summed.
    pub field: usize,
}

/// One change.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Op {
    /// Stores the value, replacing another.
    Put {
        /// Where.
        key: Vec<u8>,
        /// What.
        value: Vec<u8>,
        /// The counter to keep true, if any.
        tally: Option<Tally>,
    },
    /// Removes the key; nothing happens when it has no value.
    Delete {
        /// Where.
        key: Vec<u8>,
        /// The counter to keep true, if any.
        tally: Option<Tally>,
    },
    /// Removes every key of the half-open range. For bounded ranges: the parts of one upload, the rows of one bucket.
    DeleteRange(Range<Vec<u8>>),
    /// Adds to a counter row (value: consecutive little-endian i64, missing ones are 0; wraps never: saturates).
    Add {
        /// Where.
        key: Vec<u8>,
        /// What is added to each i64 in turn.
        deltas: Vec<i64>,
    },
}

/// Whether a row can have this key.
pub fn key_fits(key: &[u8]) -> bool {
    (1..=KEY_LIMIT).contains(&key.len())
}

/// Guards and changes: all or nothing.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Batch {
    /// All must hold, checked in order, before anything changes.
    pub guards: Vec<Guard>,
    /// Applied in order.
    pub ops: Vec<Op>,
}

impl Batch {
    /// Adds a guard.
    pub fn guard(&mut self, guard: Guard) -> &mut Self {
        self.guards.push(guard);
        self
    }

    /// Adds a put without a counter.
    pub fn put(&mut self, key: Vec<u8>, value: Vec<u8>) -> &mut Self {
        self.ops.push(Op::Put { key, value, tally: None });
        self
    }

    /// Adds a delete without a counter.
    pub fn delete(&mut self, key: Vec<u8>) -> &mut Self {
        self.ops.push(Op::Delete { key, tally: None });
        self
    }

    /// What breaks a limit of the contract, if anything does: keys that are empty or longer than [`KEY_LIMIT`], values
    /// longer than [`VALUE_LIMIT`]. Engines ask before they apply.
    pub fn check_limits(&self) -> Result<(), MetaError> {
        for op in &self.ops {
            let (key, value_bytes, tally) = match op {
                Op::Put { key, value, tally } => (key, value.len(), tally.as_ref()),
                Op::Delete { key, tally } => (key, 0, tally.as_ref()),
                Op::Add { key, deltas } => (key, deltas.len().saturating_mul(8), None),
                Op::DeleteRange(_) => continue,
            };
            for key in std::iter::once(key).chain(tally.map(|t| &t.counter)) {
                if !key_fits(key) {
                    return Err(MetaError::Limit(format!("a key of {} bytes; 1 to {KEY_LIMIT} can be", key.len())));
                }
            }
            if value_bytes > VALUE_LIMIT {
                return Err(MetaError::Limit(format!("a value of {value_bytes} bytes; {VALUE_LIMIT} can be")));
            }
        }
        Ok(())
    }
}

/// What the store itself can say went wrong.
#[derive(Clone, Debug)]
pub enum MetaError {
    /// The disk or the database failed; the operation did not happen or its outcome is not known to be durable.
    Disk(String),
    /// Stored bytes are not what they must be.
    Corrupt(String),
    /// No space for the change.
    Full(String),
    /// A limit of the contract was exceeded (key or value too long).
    Limit(String),
}

/// Why a batch was not applied.
#[derive(Clone, Debug)]
pub enum CommitError {
    /// The guard with this index did not hold. Nothing changed.
    Conflict(usize),
    /// The store failed. Nothing of the whole group is visible.
    Store(MetaError),
}

/// What a scan does after a row.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Step {
    /// Goes on with the next key.
    Next,
    /// Goes on with the first key not below this one (and still in the range). Never moves backwards.
    Seek(Vec<u8>),
    /// Ends the scan.
    Stop,
}

/// A store. Engines are synchronous: a caller on an async thread knows that `snapshot` and reads are short, and hands
/// `commit_group` to the committer's thread.
pub trait Metastore: Send + Sync {
    /// A consistent view. Keep it short: one page of a listing, never across an await.
    fn snapshot(&self) -> Result<Box<dyn Snapshot + '_>, MetaError>;

    /// Applies each batch in order, in one durable transaction. A batch sees the ones before it; one whose guard fails
    /// changes nothing and the others go on; the same holds for one that breaks a limit, which gets
    /// `CommitError::Store(MetaError::Limit)`. When this returns `Ok` for a batch, it is on disk. When the transaction
    /// itself fails, every batch gets `CommitError::Store`. A group that changes nothing commits nothing and answers
    /// with the revision there was.
    fn commit_group(&self, batches: &[Batch]) -> Vec<Result<Revision, CommitError>>;

    /// One batch.
    fn commit(&self, batch: &Batch) -> Result<Revision, CommitError> {
        self.commit_group(std::slice::from_ref(batch)).pop().unwrap_or(Err(CommitError::Conflict(usize::MAX)))
    }
}

/// A consistent view of a store.
pub trait Snapshot {
    /// The moment it shows.
    fn revision(&self) -> Revision;

    /// The value of a key; `None` for a key that no row can have. The bytes live as long as the snapshot.
    fn get(&self, key: &[u8]) -> Result<Option<&[u8]>, MetaError>;

    /// Visits the rows of the half-open range in ascending order until the visitor stops.
    fn scan(&self, range: Range<&[u8]>, visit: &mut dyn FnMut(&[u8], &[u8]) -> Step) -> Result<(), MetaError>;
}

impl fmt::Display for MetaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, text) = match self {
            Self::Disk(t) => ("disk", t),
            Self::Corrupt(t) => ("corrupt", t),
            Self::Full(t) => ("full", t),
            Self::Limit(t) => ("limit", t),
        };
        write!(f, "metastore: {kind}: {text}")
    }
}

impl std::error::Error for MetaError {}

impl fmt::Display for CommitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Conflict(i) => write!(f, "guard {i} did not hold"),
            Self::Store(e) => e.fmt(f),
        }
    }
}

impl std::error::Error for CommitError {}
