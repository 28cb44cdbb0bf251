//! Writing objects: payload to chunks, what a request says about the object, pure plans of every change, PutObject.

pub(crate) mod acl;
pub(crate) mod buffer;
mod cutter;
pub(crate) mod ingest;
pub(crate) mod key_rows;
pub(crate) mod plan;
pub(crate) mod put;
pub(crate) mod request;
mod stored;

#[cfg(test)]
mod tests;

pub(crate) use key_rows::KeyRows;
