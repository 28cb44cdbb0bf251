//! An object record read in place: what GET, HEAD and listings need, without an allocation.

use panthera_base::{Ordinal, UserId};

use super::manifest::{CHUNK_REF_BYTES, Chunks};
use super::object::{FLAG_DELETE_MARKER, FLAG_INDIRECT, FLAG_MULTIPART_ETAG, FLAG_NULL_VERSION, FLAGS, tag};
use super::{ObjectRecord, RecordError, Sections, content_type, storage_class};

/// Bytes of the fixed header.
pub(super) const HEADER_BYTES: usize = 48;

/// The record's bytes, with header and manifest checked and the sections not yet.
#[derive(Clone, Copy, Debug)]
pub struct ObjectView<'a> {
    bytes: &'a [u8],
    header: &'a [u8; HEADER_BYTES],
    sections: usize,
}

impl<'a> ObjectView<'a> {
    /// Checks version, flags, storage class, content type number and that the manifest is whole.
    pub fn new(bytes: &'a [u8]) -> Result<Self, RecordError> {
        let wrong = |offset, what| RecordError { record: "object", offset, what };
        match bytes.first() {
            Some(&super::VERSION) => {}
            Some(_) => return Err(wrong(0, "unknown version")),
            None => return Err(wrong(0, "empty")),
        }
        let Some(header) = bytes.first_chunk::<HEADER_BYTES>() else {
            return Err(wrong(bytes.len(), "shorter than its fixed part"));
        };
        if header[1] & !FLAGS != 0 {
            return Err(wrong(1, "unknown flag"));
        }
        if storage_class::name(header[2]).is_none() {
            return Err(wrong(2, "unknown storage class"));
        }
        if header[3] != content_type::LITERAL && content_type::name(header[3]).is_none() {
            return Err(wrong(3, "unknown content type"));
        }
        let view = Self { bytes, header, sections: HEADER_BYTES };
        let manifest = (view.u32(44) as usize).checked_mul(CHUNK_REF_BYTES).and_then(|n| n.checked_add(HEADER_BYTES));
        match manifest {
            Some(sections) if sections <= bytes.len() => Ok(Self { sections, ..view }),
            _ => Err(wrong(44, "ends inside the manifest")),
        }
    }

    /// It is the null version.
    pub fn null_version(&self) -> bool {
        self.header[1] & FLAG_NULL_VERSION != 0
    }

    /// It is a delete marker.
    pub fn delete_marker(&self) -> bool {
        self.header[1] & FLAG_DELETE_MARKER != 0
    }

    /// The ETag ends in `-N` with N = [`Self::parts`].
    pub fn multipart_etag(&self) -> bool {
        self.header[1] & FLAG_MULTIPART_ETAG != 0
    }

    /// The manifest's chunks hold the real manifest.
    pub fn indirect(&self) -> bool {
        self.header[1] & FLAG_INDIRECT != 0
    }

    /// Number of the storage class, see [`storage_class`].
    pub fn storage_class(&self) -> u8 {
        self.header[2]
    }

    /// Who owns it.
    pub fn owner(&self) -> UserId {
        UserId(self.u32(4))
    }

    /// Size in bytes.
    pub fn size(&self) -> u64 {
        self.u64(8)
    }

    /// Version id and Last-Modified.
    pub fn ordinal(&self) -> Ordinal {
        Ordinal(self.u64(16))
    }

    /// MD5, or MD5 of the parts' MD5s.
    pub fn etag(&self) -> &'a [u8; 16] {
        // The header is 48 bytes, so 16 of them follow offset 24; the fallback is never taken.
        self.header[24..].first_chunk::<16>().unwrap_or(&[0; 16])
    }

    /// Number of parts; 0 when not multipart.
    pub fn parts(&self) -> u32 {
        self.u32(40)
    }

    /// The manifest's entries.
    pub fn chunks(&self) -> Chunks<'a> {
        Chunks::new(&self.bytes[HEADER_BYTES..self.sections])
    }

    /// The sections after the manifest.
    pub fn sections(&self) -> Sections<'a> {
        Sections::new("object", self.bytes, self.sections)
    }

    /// The bytes of the section with this tag.
    pub fn section(&self, tag: u8) -> Result<Option<&'a [u8]>, RecordError> {
        Ok(self.sections().find_tag(tag)?.map(|section| section.bytes))
    }

    /// Content-Type, from the table or the literal.
    pub fn content_type(&self) -> Result<&'a [u8], RecordError> {
        if let Some(name) = content_type::name(self.header[3]) {
            return Ok(name.as_bytes());
        }
        let missing = RecordError { record: "object", offset: 3, what: "no literal content type" };
        self.section(tag::CONTENT_TYPE)?.ok_or(missing)
    }

    /// Everything, owned.
    pub fn to_record(&self) -> Result<ObjectRecord, RecordError> {
        ObjectRecord::from_view(self)
    }

    fn u32(&self, offset: usize) -> u32 {
        self.header[offset..].first_chunk().map_or(0, |b| u32::from_le_bytes(*b))
    }

    fn u64(&self, offset: usize) -> u64 {
        self.header[offset..].first_chunk().map_or(0, |b| u64::from_le_bytes(*b))
    }
}
