//! Codecs of the record values, one module per kind; the layout tables are in FORMAT.md beside this crate.
//!
//! Belongs here: bytes to values and back, and what is wrong with bytes that are not a record. Does not belong here:
//! keys (`keys`), any rule about when a record may change. Every record starts with its version; an unknown version,
//! flag or short record is refused by name and offset, an unknown section is carried along unchanged.

mod acl;
mod audit;
mod bucket;
mod content_type_table;
mod credential;
mod fence;
mod identity;
mod items;
mod managed_policy;
mod manifest;
mod object;
mod object_view;
mod part;
mod pointer;
mod sections;
mod share;
mod tenant;
mod upload;
mod user;

pub mod content_type;
pub mod storage_class;

pub use acl::{Grant, Grantee, decode_acl, encode_acl, permission};
pub use audit::{AUDIT_SIZE_FIELD, AuditChange, AuditKind, AuditOutcome, AuditRecord};
pub use bucket::{BucketRecord, ListingMode, Ownership, PublicAccessBlock};
pub use credential::CredentialRecord;
pub use fence::{FenceRecord, Versioning};
pub use identity::{IdentityRecord, InlinePolicy};
pub use managed_policy::ManagedPolicyRecord;
pub use manifest::{CHUNK_REF_BYTES, ChunkRef, Chunks, Manifest};
pub use object::{Checksum, ObjectRecord, PartEntry, SIZE_FIELD, tag};
pub use object_view::ObjectView;
pub use part::{PART_SIZE_FIELD, PartRecord, PartView};
pub use pointer::{
    STORE_FORMAT, decode_document, decode_format, decode_id, decode_mark, decode_ordinal, encode_document,
    encode_format, encode_id, encode_mark, encode_ordinal,
};
pub use sections::{Section, Sections};
pub use share::{Cap, DownloadsRecord, MountRecord, PasswordHash, SharePointer, ShareRecord};
pub use tenant::TenantRecord;
pub use upload::{ThroughShare, UploadRecord};
pub use user::UserRecord;

use std::fmt;

use crate::contract::MetaError;

/// Bytes that are not the record they should be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RecordError {
    /// Which kind of record was expected.
    pub record: &'static str,
    /// Where in the bytes.
    pub offset: usize,
    /// What is wrong there.
    pub what: &'static str,
}

impl fmt::Display for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} record, offset {}: {}", self.record, self.offset, self.what)
    }
}

impl std::error::Error for RecordError {}

impl From<RecordError> for MetaError {
    fn from(error: RecordError) -> Self {
        Self::Corrupt(error.to_string())
    }
}

/// The version every record has today.
const VERSION: u8 = 1;

/// Reads fixed little-endian fields of one record; the caller has checked nothing.
#[derive(Clone, Copy)]
struct Fields<'a> {
    record: &'static str,
    bytes: &'a [u8],
}

impl<'a> Fields<'a> {
    /// Checks the version and that the fixed part is whole.
    fn new(record: &'static str, bytes: &'a [u8], fixed: usize) -> Result<Self, RecordError> {
        let fields = Self { record, bytes };
        match bytes.first() {
            None => Err(fields.wrong(0, "empty")),
            Some(&VERSION) if bytes.len() < fixed => Err(fields.wrong(bytes.len(), "shorter than its fixed part")),
            Some(&VERSION) => Ok(fields),
            Some(_) => Err(fields.wrong(0, "unknown version")),
        }
    }

    fn wrong(&self, offset: usize, what: &'static str) -> RecordError {
        RecordError { record: self.record, offset, what }
    }

    fn array<const N: usize>(&self, offset: usize) -> Result<[u8; N], RecordError> {
        self.bytes
            .get(offset..)
            .and_then(|rest| rest.first_chunk::<N>())
            .copied()
            .ok_or_else(|| self.wrong(offset, "ends inside a field"))
    }

    fn u8(&self, offset: usize) -> Result<u8, RecordError> {
        self.array::<1>(offset).map(|[b]| b)
    }

    fn u16(&self, offset: usize) -> Result<u16, RecordError> {
        self.array(offset).map(u16::from_le_bytes)
    }

    fn u32(&self, offset: usize) -> Result<u32, RecordError> {
        self.array(offset).map(u32::from_le_bytes)
    }

    fn u64(&self, offset: usize) -> Result<u64, RecordError> {
        self.array(offset).map(u64::from_le_bytes)
    }

    /// Flags of which only the known ones may be set.
    fn flags(&self, offset: usize, known: u8) -> Result<u8, RecordError> {
        let flags = self.u8(offset)?;
        if flags & !known == 0 { Ok(flags) } else { Err(self.wrong(offset, "unknown flag")) }
    }

    /// Bytes that a later version may use and that must be 0 now.
    fn zero(&self, offset: usize, len: usize) -> Result<(), RecordError> {
        let range = self.bytes.get(offset..offset + len).ok_or_else(|| self.wrong(offset, "ends inside a field"))?;
        if range.iter().all(|&b| b == 0) { Ok(()) } else { Err(self.wrong(offset, "reserved bytes are not 0")) }
    }

    fn sections(&self, offset: usize) -> Sections<'a> {
        Sections::new(self.record, self.bytes, offset)
    }

    fn text(&self, section: &Section<'a>) -> Result<String, RecordError> {
        match std::str::from_utf8(section.bytes) {
            Ok(text) => Ok(text.to_owned()),
            Err(_) => Err(self.wrong(section.offset, "text is not UTF-8")),
        }
    }
}

/// Unknown sections, carried along: (tag, bytes).
pub type OtherSections = Vec<(u8, Vec<u8>)>;
