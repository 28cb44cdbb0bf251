//! Checksums of objects: the algorithms, their names on the wire, how they are computed, combined and announced.
//!
//! Belongs here: pure computation and the headers and trailers that carry checksums. Does not belong here: reading
//! bodies, deciding when to compute what (crate `object`), signatures (module `auth`).

mod algorithm;
mod announced;
pub mod base64;
mod hasher;
mod md5;

pub use algorithm::{Algorithm, ChecksumType, Digest};
pub use announced::{Announced, DeclaredValue, content_md5, default_type, multipart_type};
pub use hasher::{Composite, Hasher, combine};
pub use md5::Md5;
