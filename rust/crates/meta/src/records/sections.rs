//! The tail of most records: tagged sections in ascending order. Belongs here: their framing. Not here: what a tag means.

use super::{OtherSections, RecordError};

/// Tag and length before the bytes of a section.
pub(super) const SECTION_HEAD_BYTES: usize = 5;

/// One section.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Section<'a> {
    /// Its tag.
    pub tag: u8,
    /// Where its bytes start in the record.
    pub offset: usize,
    /// Its bytes.
    pub bytes: &'a [u8],
}

/// Walks the sections of a record. After an error it ends.
#[derive(Clone, Debug)]
pub struct Sections<'a> {
    record: &'static str,
    bytes: &'a [u8],
    offset: usize,
    before: Option<u8>,
}

impl<'a> Sections<'a> {
    /// The sections from `offset` to the end of the record.
    pub(super) fn new(record: &'static str, bytes: &'a [u8], offset: usize) -> Self {
        Self { record, bytes, offset, before: None }
    }

    /// The section with this tag, if there is one. Stops looking as soon as it can.
    pub fn find_tag(self, tag: u8) -> Result<Option<Section<'a>>, RecordError> {
        for section in self {
            let section = section?;
            if section.tag >= tag {
                return Ok((section.tag == tag).then_some(section));
            }
        }
        Ok(None)
    }

    fn read(&self) -> Result<Section<'a>, RecordError> {
        let wrong = |what| RecordError { record: self.record, offset: self.offset, what };
        let rest = self.bytes.get(self.offset..).unwrap_or_default();
        let (&[tag, a, b, c, d], rest) =
            rest.split_first_chunk::<SECTION_HEAD_BYTES>().ok_or_else(|| wrong("ends inside a section's head"))?;
        if self.before.is_some_and(|before| before >= tag) {
            return Err(wrong("sections are not in ascending order"));
        }
        let len = u32::from_le_bytes([a, b, c, d]) as usize;
        let bytes = rest.get(..len).ok_or_else(|| wrong("ends inside a section"))?;
        Ok(Section { tag, offset: self.offset + SECTION_HEAD_BYTES, bytes })
    }
}

impl<'a> Iterator for Sections<'a> {
    type Item = Result<Section<'a>, RecordError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.offset >= self.bytes.len() {
            return None;
        }
        let section = self.read();
        match &section {
            Ok(found) => {
                self.before = Some(found.tag);
                self.offset = found.offset + found.bytes.len();
            }
            Err(_) => self.offset = self.bytes.len(),
        }
        Some(section)
    }
}

/// Collects sections in any order and writes them in tag order.
#[derive(Default)]
pub(super) struct SectionWriter<'a>(Vec<(u8, std::borrow::Cow<'a, [u8]>)>);

impl<'a> SectionWriter<'a> {
    pub(super) fn put(&mut self, tag: u8, bytes: &'a [u8]) {
        self.0.push((tag, bytes.into()));
    }

    pub(super) fn put_some(&mut self, tag: u8, bytes: Option<&'a [u8]>) {
        if let Some(bytes) = bytes {
            self.put(tag, bytes);
        }
    }

    pub(super) fn put_owned(&mut self, tag: u8, bytes: Vec<u8>) {
        self.0.push((tag, bytes.into()));
    }

    pub(super) fn put_others(&mut self, others: &'a OtherSections) {
        for (tag, bytes) in others {
            self.put(*tag, bytes);
        }
    }

    /// Appends the sections. A tag given twice keeps its first bytes.
    pub(super) fn write(mut self, out: &mut Vec<u8>) {
        self.0.sort_by_key(|(tag, _)| *tag);
        self.0.dedup_by_key(|(tag, _)| *tag);
        out.reserve(self.0.iter().map(|(_, bytes)| SECTION_HEAD_BYTES + bytes.len()).sum());
        for (tag, bytes) in &self.0 {
            out.push(*tag);
            out.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
            out.extend_from_slice(bytes);
        }
    }
}
