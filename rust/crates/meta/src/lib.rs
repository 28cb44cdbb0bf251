//! The one ordered key-value contract (Metastore and RecordStore are two faces of it) and its engines.
//!
//! `contract` is the trait and the batch; `memory` and `lmdb` are engines; `conformance` is the suite that every
//! engine passes; `keys` and `records` say what stands under which key (the layout is FORMAT.md beside this crate).
//! Engines know bytes: no S3 word in them.

pub mod conformance;
pub mod contract;
mod counter;
pub mod keys;
pub mod lmdb;
pub mod memory;
pub mod records;

pub use contract::{
    Batch, CommitError, Guard, KEY_LIMIT, MetaError, Metastore, Op, Revision, Snapshot, Step, Tally, VALUE_LIMIT,
    key_fits,
};
