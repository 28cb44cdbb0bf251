//! What can go wrong in the relationship engine. How it reads on a wire is the business of the callers.

use std::fmt;

use panthera_meta::MetaError;

use crate::model::Tuple;

/// Why a call of the engine gave no answer. A check that ends in one of these is a deny.
#[derive(Clone, Debug)]
pub enum AuthzError {
    /// The caller asked for something that cannot be; the text says what would be right.
    Invalid(String),
    /// The precondition with this index did not hold. Nothing was written.
    Precondition(usize),
    /// The change with this index creates a tuple that is there. Nothing was written.
    Exists(usize),
    /// The idempotency key was used before for another request.
    IdempotencyMismatch,
    /// A limit was met; the text names it.
    Limit(String),
    /// The token was not issued here: forged, of another tenant, or of a store restored from a backup.
    BadToken,
    /// The token names a revision that this store has not reached.
    NotYet(u64),
    /// The log no longer holds what was asked; begin again from the tuples at this revision or later.
    Trimmed(u64),
    /// What was asked must be written down and cannot be: the audit log is full, or too many wait for it.
    Audit(String),
    /// The schema would leave these tuples without a meaning; there may be more than are listed. Nothing was written.
    Orphans(Vec<Tuple>),
    /// The tenant has another schema than the one the new one was compiled against: compile it again.
    SchemaChanged(u64),
    /// The store failed.
    Store(MetaError),
}

impl fmt::Display for AuthzError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid(text) => f.write_str(text),
            Self::Precondition(index) => write!(f, "precondition {index} did not hold"),
            Self::Exists(index) => write!(f, "change {index} creates a tuple that is there"),
            Self::IdempotencyMismatch => f.write_str("the idempotency key belongs to another request"),
            Self::Limit(text) => write!(f, "limit: {text}"),
            Self::BadToken => f.write_str("the consistency token is not one of this store and tenant"),
            Self::NotYet(revision) => write!(f, "revision {revision} is not reached"),
            Self::Trimmed(oldest) => write!(f, "the log begins at revision {oldest}"),
            Self::Audit(text) => f.write_str(text),
            Self::Orphans(tuples) => {
                write!(f, "the schema has no place for tuples that are there, {} of them at least", tuples.len())
            }
            Self::SchemaChanged(revision) => write!(f, "the schema was changed at revision {revision}"),
            Self::Store(e) => e.fmt(f),
        }
    }
}

impl std::error::Error for AuthzError {}

impl From<MetaError> for AuthzError {
    fn from(e: MetaError) -> Self {
        Self::Store(e)
    }
}
