//! Reads of one object: GetObject, HeadObject, GetObjectAttributes.
//!
//! Belongs here: what is answered about a version and which of its bytes are sent. Does not belong here: finding the
//! version (`resolve`), several objects (`list`).

mod attributes;
#[cfg(test)]
mod cold_tests;
mod get;
mod headers;
pub(crate) mod stored;
pub(crate) mod stream;
#[cfg(test)]
mod tests;
