//! What the wire looks like: signatures, aws-chunked bodies, POST forms, checksums, XML, conditions, ranges, dates.
//!
//! Belongs here: pure parsing, rendering and verification of what a client sends and reads. Does not belong here: I/O,
//! clocks, randomness, storage, decisions about who may do what.

pub mod acl;
pub mod auth;
pub mod checksum;
pub mod chunked;
pub mod conditions;
pub mod date;
pub mod headers;
pub mod hex;
pub mod post_form;
pub mod range;
pub mod tagging;
pub mod uri;
pub mod xml;
