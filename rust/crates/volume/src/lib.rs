//! The needle-volume engine: chunks in append-only files, group commit, a RAM index, recovery. FORMAT.md has the bytes.
//!
//! Does not belong here: what an object, a bucket or a manifest is; where the time comes from; who owns the directory.

mod api;
mod disk;
mod engine;
pub mod format;
mod index;
mod lane;
mod live;
mod log;
mod read;
mod recover;
mod store;
mod volume;
mod walk;
mod writer;

pub use api::{
    ChunkId, Damage, Lane, NewChunk, RecoveryReport, StoreOptions, Usage, VolumeError, VolumeState, VolumeStats,
};
pub use disk::{Disk, DiskFile, RealDisk};
pub use live::LiveSet;
pub use store::Store;
