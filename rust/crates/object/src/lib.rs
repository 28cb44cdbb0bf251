//! The object operations: Amazon's 18 that touch object data, written once, over the metastore and the volumes.
//!
//! Belongs here: what each operation means (versioning, conditions, listings, multipart, copies) and how its effects
//! are planned and committed. Does not belong here: HTTP, signatures, routing (crate `front`), the syntax of headers
//! and bodies (crate `wire`), how bytes lie on disk (crates `volume` and `meta`).

mod access;
pub mod api;
pub mod commit;
mod copy;
mod delete;
mod list;
mod mounts;
mod multipart;
pub mod page;
mod post;
mod read;
mod resolve;
mod roots;
#[cfg(test)]
mod scene;
mod service;
mod shares;
mod write;

pub use access::{Document, Listed, Sent, StoredObject, StoredUpload, owns, settled};
pub use mounts::{Mounted, Mounts};
pub use post::{form_headers, form_key};
pub use service::ObjectService;
pub use shares::{Refusal, Standing, by_secret, standing};
