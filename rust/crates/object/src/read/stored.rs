//! Sections of an object record read in place: checksums, parts, pairs. The layout is FORMAT.md of crate `meta`.

use std::ops::Range;

use panthera_base::{S3Error, S3Result};
use panthera_meta::records::{ObjectView, tag};
use panthera_wire::checksum::{Algorithm, ChecksumType, base64};

/// One stored checksum of a whole version.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct StoredChecksum<'a> {
    pub algorithm: Algorithm,
    pub kind: ChecksumType,
    pub digest: &'a [u8],
}

impl StoredChecksum<'_> {
    /// The wire form: base64, and `-N` for a checksum of N checksums.
    pub fn to_wire(self, parts: u32) -> String {
        let mut text = base64::encode(self.digest);
        if self.kind == ChecksumType::Composite {
            text.push('-');
            text.push_str(&parts.to_string());
        }
        text
    }
}

/// One part of a multipart version: where its bytes are, and its checksum (empty when there is none).
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct StoredPart<'a> {
    pub number: u16,
    pub bytes: Range<u64>,
    pub digest: &'a [u8],
}

impl StoredPart<'_> {
    /// Its size.
    pub fn size(&self) -> u64 {
        self.bytes.end - self.bytes.start
    }
}

fn section<'a>(view: &ObjectView<'a>, tag: u8) -> S3Result<&'a [u8]> {
    Ok(view.section(tag).map_err(S3Error::internal)?.unwrap_or_default())
}

/// The checksums of a version. Algorithms this version of the software does not know are passed over.
pub(super) fn checksums<'a>(view: &ObjectView<'a>) -> S3Result<Vec<StoredChecksum<'a>>> {
    let mut rest = section(view, tag::CHECKSUMS)?;
    let mut found = Vec::new();
    while let [algorithm, kind, len, tail @ ..] = rest {
        let (digest, after) = tail.split_at_checked(usize::from(*len)).ok_or_else(|| cut("checksums"))?;
        if let (Some(algorithm), Some(kind)) = (Algorithm::from_code(*algorithm), ChecksumType::from_code(*kind)) {
            found.push(StoredChecksum { algorithm, kind, digest });
        }
        rest = after;
    }
    Ok(found)
}

/// The parts of a version in order; none when it was not uploaded in parts.
pub(super) fn parts<'a>(view: &ObjectView<'a>) -> S3Result<Parts<'a>> {
    Ok(Parts { rest: section(view, tag::PARTS)?, offset: 0 })
}

/// Iterates over the parts of a version.
#[derive(Clone, Debug)]
pub(super) struct Parts<'a> {
    rest: &'a [u8],
    offset: u64,
}

impl<'a> Iterator for Parts<'a> {
    type Item = S3Result<StoredPart<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let part = take_part(&mut self.rest, &mut self.offset);
        if part.is_none() {
            self.rest = &[];
        }
        Some(part.ok_or_else(|| cut("parts")))
    }
}

fn take_part<'a>(rest: &mut &'a [u8], offset: &mut u64) -> Option<StoredPart<'a>> {
    let (number, tail) = rest.split_first_chunk::<2>()?;
    let (size, tail) = tail.split_first_chunk::<8>()?;
    let (len, tail) = tail.split_first()?;
    let (digest, tail) = tail.split_at_checked(usize::from(*len))?;
    let start = *offset;
    *offset = start.checked_add(u64::from_le_bytes(*size))?;
    *rest = tail;
    Some(StoredPart { number: u16::from_le_bytes(*number), bytes: start..*offset, digest })
}

/// Pairs of a metadata or tag section; ends at the first thing that is no pair.
pub(crate) fn pairs(mut rest: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    std::iter::from_fn(move || Some((take_long(&mut rest)?, take_long(&mut rest)?)))
}

fn take_long<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (len, tail) = rest.split_first_chunk::<2>()?;
    let (bytes, tail) = tail.split_at_checked(usize::from(u16::from_le_bytes(*len)))?;
    *rest = tail;
    Some(bytes)
}

fn cut(what: &str) -> S3Error {
    S3Error::internal(format_args!("the {what} of an object record end inside an item"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use panthera_meta::records::{Checksum, ObjectRecord, PartEntry};

    fn record() -> ObjectRecord {
        ObjectRecord {
            parts: 2,
            multipart_etag: true,
            size: 12,
            checksums: vec![
                Checksum { algorithm: 1, kind: 0, value: vec![1, 2, 3, 4] },
                Checksum { algorithm: 77, kind: 0, value: vec![9] },
                Checksum { algorithm: 5, kind: 1, value: vec![7; 32] },
            ],
            part_table: vec![
                PartEntry { number: 1, size: 10, checksum: vec![5; 4] },
                PartEntry { number: 7, size: 2, checksum: Vec::new() },
            ],
            user_metadata: vec![(b"a".to_vec(), b"1".to_vec()), (b"b".to_vec(), Vec::new())],
            ..ObjectRecord::default()
        }
    }

    #[test]
    fn sections_are_read_as_they_were_written() {
        let bytes = record().encode();
        let view = ObjectView::new(&bytes).expect("a record");
        let found = checksums(&view).expect("checksums");
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].to_wire(2), "AQIDBA==");
        assert!(found[1].to_wire(2).ends_with("=-2"));
        let parts: Vec<_> = parts(&view).expect("parts").collect::<S3Result<_>>().expect("whole");
        assert_eq!((parts[0].number, parts[0].bytes.clone(), parts[0].digest), (1, 0..10, &[5; 4][..]));
        assert_eq!((parts[1].number, parts[1].bytes.clone(), parts[1].size()), (7, 10..12, 2));
        let section = view.section(tag::USER_METADATA).expect("fine").expect("metadata");
        assert_eq!(pairs(section).collect::<Vec<_>>(), [(&b"a"[..], &b"1"[..]), (b"b", b"")]);
    }

    #[test]
    fn cut_sections_are_errors_and_not_panics() {
        for cut in 0..24 {
            let mut rest = &[1, 0, 9, 0, 0, 0, 0, 0, 0, 0, 4, 1, 2, 3, 4, 2, 0, 1, 0, 0, 0, 0, 0, 0, 0][..cut];
            let mut offset = 0;
            while !rest.is_empty() {
                if take_part(&mut rest, &mut offset).is_none() {
                    break;
                }
            }
            let parts = Parts { rest: &[1, 0, 9][..cut.min(3)], offset: 0 };
            assert_eq!(parts.count(), usize::from(cut > 0));
        }
        let endless = Parts {
            rest: &[[1, 0].as_slice(), &u64::MAX.to_le_bytes(), &[0], &[2, 0], &u64::MAX.to_le_bytes(), &[0]].concat(),
            offset: 0,
        };
        assert!(endless.last().expect("two").is_err());
        assert_eq!(pairs(&[5, 0, b'x']).count(), 0);
    }
}
