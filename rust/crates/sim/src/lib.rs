//! Disks for tests: one in memory that remembers, the states a power cut leaves of it, and one that fails on demand.
//!
//! Does not belong here: anything a running server needs.

mod crash;
mod disk;
mod faulty;

pub use crash::{Grain, crash_states};
pub use disk::{Content, MemDisk, MemFile, Op};
pub use faulty::{Fault, FaultyDisk};
