//! What every crate shares and nothing else: ids, time, limits, and the closed list of S3 error codes.
//!
//! Does not belong here: I/O, parsing, anything that only one crate needs.

pub mod caches;
pub mod clock;
pub mod error;
pub mod ids;
pub mod limits;

pub use caches::CacheCounts;
pub use clock::{Clock, SystemClock, Timestamp};
pub use error::{ErrorCode, S3Error, S3Result};
pub use ids::{BucketId, Ordinal, OrdinalSource, TenantId, UserId};
