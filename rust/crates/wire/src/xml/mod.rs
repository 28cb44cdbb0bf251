//! XML as S3 speaks it: a writer for answers, a strict pull reader for bodies.
//!
//! Belongs here: syntax. Does not belong here: the shape of any particular document.

mod reader;
mod writer;

pub use reader::Reader;
pub use writer::{Writer, push_number};
