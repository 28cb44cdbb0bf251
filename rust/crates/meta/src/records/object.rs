//! The object record (`o` and `v` rows), owned: encode and decode.

use std::borrow::Cow;

use panthera_base::{Ordinal, UserId};

use super::items::{Items, encode_pairs, put_short};
use super::object_view::HEADER_BYTES;
use super::sections::SectionWriter;
use super::{
    CHUNK_REF_BYTES, Manifest, ObjectView, OtherSections, RecordError, Section, VERSION, content_type, storage_class,
};

/// Offset of the size in an object record: the field of the bucket's tallies.
pub const SIZE_FIELD: usize = 8;

pub(super) const FLAG_NULL_VERSION: u8 = 1;
pub(super) const FLAG_DELETE_MARKER: u8 = 2;
pub(super) const FLAG_MULTIPART_ETAG: u8 = 4;
pub(super) const FLAG_INDIRECT: u8 = 8;
pub(super) const FLAGS: u8 = FLAG_NULL_VERSION | FLAG_DELETE_MARKER | FLAG_MULTIPART_ETAG | FLAG_INDIRECT;

/// Section tags of object records.
pub mod tag {
    #![allow(missing_docs)]
    pub const CONTENT_TYPE: u8 = 1;
    pub const CACHE_CONTROL: u8 = 2;
    pub const CONTENT_DISPOSITION: u8 = 3;
    pub const CONTENT_ENCODING: u8 = 4;
    pub const CONTENT_LANGUAGE: u8 = 5;
    pub const EXPIRES: u8 = 6;
    pub const WEBSITE_REDIRECT: u8 = 7;
    pub const USER_METADATA: u8 = 16;
    pub const TAGS: u8 = 17;
    pub const CHECKSUMS: u8 = 18;
    pub const PARTS: u8 = 19;
    pub const ACL: u8 = 20;
    pub const UPLOAD_CHECKSUM: u8 = 32;
    pub const UPLOAD_INITIATOR: u8 = 33;
    pub const UPLOAD_THROUGH: u8 = 34;
}

/// A checksum of an object. Numbers of algorithm and kind as in FORMAT.md.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Checksum {
    /// 1 CRC32, 2 CRC32C, 3 CRC64NVME, 4 SHA1, 5 SHA256 …
    pub algorithm: u8,
    /// [`Checksum::FULL_OBJECT`] or [`Checksum::COMPOSITE`].
    pub kind: u8,
    /// The raw digest.
    pub value: Vec<u8>,
}

impl Checksum {
    /// Over the object's bytes.
    pub const FULL_OBJECT: u8 = 0;
    /// Over the parts' checksums.
    pub const COMPOSITE: u8 = 1;
}

/// A part of a completed multipart object.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PartEntry {
    /// Its part number.
    pub number: u16,
    /// Its size in bytes.
    pub size: u64,
    /// Its raw checksum, of the object's algorithm; empty when there is none.
    pub checksum: Vec<u8>,
}

/// A version of an object, or a delete marker.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ObjectRecord {
    /// It is the null version.
    pub null_version: bool,
    /// It is a delete marker.
    pub delete_marker: bool,
    /// The ETag ends in `-N` with N = `parts`.
    pub multipart_etag: bool,
    /// Number of the storage class, see [`storage_class`].
    pub storage_class: u8,
    /// Content-Type as sent; [`content_type::intern`] makes one without an allocation when it is a common one.
    pub content_type: Cow<'static, [u8]>,
    /// Who owns it.
    pub owner: UserId,
    /// Size in bytes.
    pub size: u64,
    /// Version id and Last-Modified.
    pub ordinal: Ordinal,
    /// MD5, or MD5 of the parts' MD5s.
    pub etag: [u8; 16],
    /// Number of parts; 0 when not multipart.
    pub parts: u32,
    /// Its bytes.
    pub manifest: Manifest,
    /// Cache-Control.
    pub cache_control: Option<Vec<u8>>,
    /// Content-Disposition.
    pub content_disposition: Option<Vec<u8>>,
    /// Content-Encoding.
    pub content_encoding: Option<Vec<u8>>,
    /// Content-Language.
    pub content_language: Option<Vec<u8>>,
    /// Expires.
    pub expires: Option<Vec<u8>>,
    /// x-amz-website-redirect-location.
    pub website_redirect: Option<Vec<u8>>,
    /// User metadata: lower-case names without `x-amz-meta-`.
    pub user_metadata: Vec<(Vec<u8>, Vec<u8>)>,
    /// Tags in the order given.
    pub tags: Vec<(String, String)>,
    /// Checksums.
    pub checksums: Vec<Checksum>,
    /// Parts, ascending.
    pub part_table: Vec<PartEntry>,
    /// Access control list, compiled ([`super::decode_acl`]); `None` is the owner alone.
    pub acl: Option<Vec<u8>>,
    /// Sections this version does not know.
    pub others: OtherSections,
}

impl Default for ObjectRecord {
    fn default() -> Self {
        Self {
            null_version: false,
            delete_marker: false,
            multipart_etag: false,
            storage_class: storage_class::STANDARD,
            content_type: content_type::intern(content_type::DEFAULT.as_bytes()),
            owner: UserId(0),
            size: 0,
            ordinal: Ordinal(0),
            etag: [0; 16],
            parts: 0,
            manifest: Manifest::default(),
            cache_control: None,
            content_disposition: None,
            content_encoding: None,
            content_language: None,
            expires: None,
            website_redirect: None,
            user_metadata: Vec::new(),
            tags: Vec::new(),
            checksums: Vec::new(),
            part_table: Vec::new(),
            acl: None,
            others: Vec::new(),
        }
    }
}

impl ObjectRecord {
    /// A delete marker.
    pub fn marker(ordinal: Ordinal, owner: UserId, null_version: bool) -> Self {
        Self { delete_marker: true, null_version, ordinal, owner, ..Self::default() }
    }

    /// Reads an object record.
    pub fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        Self::from_view(&ObjectView::new(bytes)?)
    }

    pub(super) fn from_view(view: &ObjectView<'_>) -> Result<Self, RecordError> {
        let mut record = Self {
            null_version: view.null_version(),
            delete_marker: view.delete_marker(),
            multipart_etag: view.multipart_etag(),
            storage_class: view.storage_class(),
            content_type: content_type::intern(view.content_type()?),
            owner: view.owner(),
            size: view.size(),
            ordinal: view.ordinal(),
            etag: *view.etag(),
            parts: view.parts(),
            manifest: Manifest { indirect: view.indirect(), chunks: view.chunks().collect() },
            ..Self::default()
        };
        for section in view.sections() {
            record.take_section(section?)?;
        }
        Ok(record)
    }

    fn take_section(&mut self, section: Section<'_>) -> Result<(), RecordError> {
        let literal = || Some(section.bytes.to_vec());
        let items = || Items::new("object", &section);
        match section.tag {
            tag::CONTENT_TYPE => {}
            tag::CACHE_CONTROL => self.cache_control = literal(),
            tag::CONTENT_DISPOSITION => self.content_disposition = literal(),
            tag::CONTENT_ENCODING => self.content_encoding = literal(),
            tag::CONTENT_LANGUAGE => self.content_language = literal(),
            tag::EXPIRES => self.expires = literal(),
            tag::WEBSITE_REDIRECT => self.website_redirect = literal(),
            tag::USER_METADATA => self.user_metadata = items().pairs()?,
            tag::TAGS => self.tags = items().tags()?,
            tag::CHECKSUMS => self.checksums = checksums(items())?,
            tag::PARTS => self.part_table = part_entries(items())?,
            tag::ACL => self.acl = literal(),
            other => self.others.push((other, section.bytes.to_vec())),
        }
        Ok(())
    }

    /// Writes it. Lengths are the caller's to bound: user metadata and tags have AWS's limits, far below u16.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEADER_BYTES + self.manifest.chunks.len() * CHUNK_REF_BYTES);
        let number = content_type::number(&self.content_type);
        self.encode_header(number.unwrap_or(content_type::LITERAL), &mut out);
        Manifest::encode_entries(&self.manifest.chunks, &mut out);
        let mut sections = SectionWriter::default();
        sections.put_some(tag::CONTENT_TYPE, number.is_none().then_some(&*self.content_type));
        sections.put_some(tag::CACHE_CONTROL, self.cache_control.as_deref());
        sections.put_some(tag::CONTENT_DISPOSITION, self.content_disposition.as_deref());
        sections.put_some(tag::CONTENT_ENCODING, self.content_encoding.as_deref());
        sections.put_some(tag::CONTENT_LANGUAGE, self.content_language.as_deref());
        sections.put_some(tag::EXPIRES, self.expires.as_deref());
        sections.put_some(tag::WEBSITE_REDIRECT, self.website_redirect.as_deref());
        self.encode_lists(&mut sections);
        sections.put_some(tag::ACL, self.acl.as_deref());
        sections.put_others(&self.others);
        sections.write(&mut out);
        out
    }

    fn encode_header(&self, content_type: u8, out: &mut Vec<u8>) {
        let flag = |set: bool, bit: u8| if set { bit } else { 0 };
        let flags = flag(self.null_version, FLAG_NULL_VERSION)
            | flag(self.delete_marker, FLAG_DELETE_MARKER)
            | flag(self.multipart_etag, FLAG_MULTIPART_ETAG)
            | flag(self.manifest.indirect, FLAG_INDIRECT);
        out.extend_from_slice(&[VERSION, flags, self.storage_class, content_type]);
        out.extend_from_slice(&self.owner.0.to_le_bytes());
        out.extend_from_slice(&self.size.to_le_bytes());
        out.extend_from_slice(&self.ordinal.0.to_le_bytes());
        out.extend_from_slice(&self.etag);
        out.extend_from_slice(&self.parts.to_le_bytes());
        out.extend_from_slice(&(self.manifest.chunks.len() as u32).to_le_bytes());
    }

    fn encode_lists(&self, sections: &mut SectionWriter<'_>) {
        if !self.user_metadata.is_empty() {
            let pairs = self.user_metadata.iter().map(|(name, value)| (&name[..], &value[..]));
            sections.put_owned(tag::USER_METADATA, encode_pairs(pairs));
        }
        if !self.tags.is_empty() {
            let pairs = self.tags.iter().map(|(key, value)| (key.as_bytes(), value.as_bytes()));
            sections.put_owned(tag::TAGS, encode_pairs(pairs));
        }
        if !self.checksums.is_empty() {
            let mut out = Vec::new();
            for checksum in &self.checksums {
                out.extend_from_slice(&[checksum.algorithm, checksum.kind]);
                put_short(&checksum.value, &mut out);
            }
            sections.put_owned(tag::CHECKSUMS, out);
        }
        if !self.part_table.is_empty() {
            let mut out = Vec::with_capacity(self.part_table.len() * 16);
            for part in &self.part_table {
                out.extend_from_slice(&part.number.to_le_bytes());
                out.extend_from_slice(&part.size.to_le_bytes());
                put_short(&part.checksum, &mut out);
            }
            sections.put_owned(tag::PARTS, out);
        }
    }
}

fn checksums(mut items: Items<'_>) -> Result<Vec<Checksum>, RecordError> {
    let mut out = Vec::new();
    while items.more() {
        let [algorithm, kind] = items.array()?;
        out.push(Checksum { algorithm, kind, value: items.short()?.to_vec() });
    }
    Ok(out)
}

fn part_entries(mut items: Items<'_>) -> Result<Vec<PartEntry>, RecordError> {
    let mut out: Vec<PartEntry> = Vec::new();
    while items.more() {
        let number = u16::from_le_bytes(items.array()?);
        if out.last().is_some_and(|before| before.number >= number) {
            return Err(items.wrong("parts are not in ascending order"));
        }
        let size = u64::from_le_bytes(items.array()?);
        out.push(PartEntry { number, size, checksum: items.short()?.to_vec() });
    }
    Ok(out)
}
