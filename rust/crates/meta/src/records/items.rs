//! Repeated items inside a section: numbers, and bytes behind their length.

use super::RecordError;
use super::sections::Section;

/// A name or digest behind its length. Callers bound them far below 255 bytes; what is longer is cut, and then a digest
/// fails to verify and a name names nothing.
pub(super) fn put_short(bytes: &[u8], out: &mut Vec<u8>) {
    let bytes = &bytes[..bytes.len().min(u8::MAX as usize)];
    out.push(bytes.len() as u8);
    out.extend_from_slice(bytes);
}

pub(super) fn encode_pairs<'a>(pairs: impl Iterator<Item = (&'a [u8], &'a [u8])>) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, value) in pairs {
        for item in [name, value] {
            let item = &item[..item.len().min(u16::MAX as usize)];
            out.extend_from_slice(&(item.len() as u16).to_le_bytes());
            out.extend_from_slice(item);
        }
    }
    out
}

pub(super) type Pair = (Vec<u8>, Vec<u8>);

/// Reads repeated items out of one section, front to back.
#[derive(Clone, Copy)]
pub(super) struct Items<'a> {
    record: &'static str,
    offset: usize,
    bytes: &'a [u8],
}

impl<'a> Items<'a> {
    /// The items of a record's section.
    pub(super) fn new(record: &'static str, section: &Section<'a>) -> Self {
        Self { record, offset: section.offset, bytes: section.bytes }
    }

    pub(super) fn wrong(&self, what: &'static str) -> RecordError {
        RecordError { record: self.record, offset: self.offset, what }
    }

    pub(super) fn bytes(&mut self, len: usize) -> Result<&'a [u8], RecordError> {
        let Some((bytes, rest)) = self.bytes.split_at_checked(len) else {
            return Err(self.wrong("ends inside an item of a section"));
        };
        self.bytes = rest;
        self.offset += len;
        Ok(bytes)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], RecordError> {
        let mut array = [0; N];
        array.copy_from_slice(self.bytes(N)?);
        Ok(array)
    }

    pub(super) fn more(&self) -> bool {
        !self.bytes.is_empty()
    }

    pub(super) fn long(&mut self) -> Result<&'a [u8], RecordError> {
        let len = u16::from_le_bytes(self.array()?) as usize;
        self.bytes(len)
    }

    pub(super) fn short(&mut self) -> Result<&'a [u8], RecordError> {
        let [len] = self.array()?;
        self.bytes(len as usize)
    }

    pub(super) fn pairs(mut self) -> Result<Vec<Pair>, RecordError> {
        let mut out = Vec::new();
        while self.more() {
            out.push((self.long()?.to_vec(), self.long()?.to_vec()));
        }
        Ok(out)
    }

    pub(super) fn text(&mut self) -> Result<String, RecordError> {
        let at = *self;
        at.utf8(self.long()?)
    }

    /// Text behind a u8 length.
    pub(super) fn name(&mut self) -> Result<String, RecordError> {
        let at = *self;
        at.utf8(self.short()?)
    }

    /// Bytes behind a u32 length.
    pub(super) fn wide(&mut self) -> Result<&'a [u8], RecordError> {
        let len = u32::from_le_bytes(self.array()?) as usize;
        self.bytes(len)
    }

    fn utf8(&self, bytes: &[u8]) -> Result<String, RecordError> {
        std::str::from_utf8(bytes).map(str::to_owned).map_err(|_| self.wrong("text is not UTF-8"))
    }

    pub(super) fn tags(mut self) -> Result<Vec<(String, String)>, RecordError> {
        let mut out = Vec::new();
        while self.more() {
            out.push((self.text()?, self.text()?));
        }
        Ok(out)
    }
}
