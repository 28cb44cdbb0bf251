//! Tests of module `assemble`.

use panthera_base::limits::PARTS;
use panthera_base::{Ordinal, UserId};
use panthera_meta::records::UploadRecord;
use panthera_wire::checksum::Hasher;
use panthera_wire::hex;

use super::*;

fn upload(checksum: Option<(Algorithm, ChecksumType)>) -> Upload {
    let record = UploadRecord {
        object: ObjectRecord { owner: UserId(5), ..ObjectRecord::default() },
        checksum_algorithm: checksum.map_or(0, |(algorithm, _)| algorithm.code()),
        checksum_kind: checksum.map_or(0, |(_, kind)| kind.code()),
        ..UploadRecord::default()
    };
    Upload { ordinal: Ordinal(9), record }
}

fn part(number: u32, size: u64, algorithm: Algorithm) -> (Listed, PartRecord) {
    let md5 = Md5::digest(number.to_le_bytes());
    let checksum = Hasher::digest(algorithm, &number.to_le_bytes()).as_bytes().to_vec();
    let record = PartRecord { size, md5, checksum_algorithm: algorithm.code(), checksum, ..PartRecord::default() };
    (Listed { number, etag: hex::encode(&md5), checksums: Vec::new() }, record)
}

fn made(upload: &Upload, parts: &[(Listed, PartRecord)], whole: &Whole) -> Result<ObjectRecord, ErrorCode> {
    let (listed, parts): (Vec<_>, Vec<_>) = parts.iter().cloned().unzip();
    assemble(upload, &listed, &parts, whole).map_err(|error| error.code())
}

#[test]
fn ten_thousand_parts_have_the_etag_of_their_etags() {
    let parts: Vec<_> = (1..=PARTS).map(|n| part(n, PART_MIN_BYTES, Algorithm::Crc64Nvme)).collect();
    let record = made(&upload(None), &parts, &Whole::default()).unwrap();
    assert_eq!((record.parts, record.size), (PARTS, u64::from(PARTS) * PART_MIN_BYTES));
    let all: Vec<u8> = parts.iter().flat_map(|(_, part)| part.md5).collect();
    assert_eq!(record.etag, Md5::digest(all));
    assert_eq!(record.part_table.len(), PARTS as usize);
    assert_eq!((record.multipart_etag, record.owner), (true, UserId(5)));
}

#[test]
fn only_the_last_part_may_be_small() {
    let of = |sizes: &[u64]| {
        let parts: Vec<_> = (1..).zip(sizes).map(|(n, &size)| part(n, size, Algorithm::Crc32)).collect();
        made(&upload(None), &parts, &Whole::default()).map(|record| record.size)
    };
    assert_eq!(of(&[0]), Ok(0));
    assert_eq!(of(&[PART_MIN_BYTES, 1]), Ok(PART_MIN_BYTES + 1));
    assert_eq!(of(&[PART_MIN_BYTES - 1, 1]), Err(ErrorCode::EntityTooSmall));
    assert_eq!(of(&[OBJECT_BYTES - 1, 1]), Ok(OBJECT_BYTES));
    assert_eq!(of(&[OBJECT_BYTES, 1]), Err(ErrorCode::EntityTooLarge));
}

#[test]
fn parts_must_be_what_the_client_says() {
    let upload = upload(Some((Algorithm::Crc32, ChecksumType::Composite)));
    let good = part(1, 3, Algorithm::Crc32);
    let with = |change: &dyn Fn(&mut Listed)| {
        let mut parts = [good.clone()];
        change(&mut parts[0].0);
        made(&upload, &parts, &Whole::default()).map(|_| ())
    };
    let told = Digest::new(&good.1.checksum).unwrap().to_base64();
    assert_eq!(with(&|_| {}), Ok(()));
    assert_eq!(with(&|listed| listed.checksums = vec![(Algorithm::Crc32, told.clone())]), Ok(()));
    for checksum in [(Algorithm::Crc32, "AAAAAA==".to_owned()), (Algorithm::Crc32c, told.clone())] {
        assert_eq!(with(&|listed| listed.checksums = vec![checksum.clone()]), Err(ErrorCode::InvalidPart));
    }
    assert_eq!(with(&|listed| listed.etag = "0".repeat(32)), Err(ErrorCode::InvalidPart));
    assert_eq!(with(&|listed| listed.etag.push_str("-1")), Err(ErrorCode::InvalidPart));
}

#[test]
fn the_whole_must_be_what_the_client_says() {
    let upload = upload(Some((Algorithm::Sha1, ChecksumType::Composite)));
    let parts = [part(1, PART_MIN_BYTES, Algorithm::Sha1), part(2, 1, Algorithm::Sha1)];
    let record = made(&upload, &parts, &Whole::default()).unwrap();
    let (_, kind, text) = request::wire_checksum(&record.checksums[0], 2).unwrap();
    assert_eq!((kind, text.ends_with("=-2")), (ChecksumType::Composite, true));
    let with = |checksum: Option<(Algorithm, &str)>, kind, size| {
        let checksum = checksum.map(|(algorithm, text)| (algorithm, text.to_owned()));
        made(&upload, &parts, &Whole { checksum, kind, size }).map(|_| ())
    };
    assert_eq!(with(Some((Algorithm::Sha1, &text)), Some(kind), Some(record.size)), Ok(()));
    assert_eq!(with(Some((Algorithm::Sha1, text.trim_end_matches("-2"))), None, None), Ok(()));
    assert_eq!(with(Some((Algorithm::Sha1, &text.replace("-2", "-3"))), None, None), Err(ErrorCode::BadDigest));
    assert_eq!(with(Some((Algorithm::Sha1, "bad")), None, None), Err(ErrorCode::BadDigest));
    assert_eq!(with(Some((Algorithm::Crc32, &text)), None, None), Err(ErrorCode::InvalidRequest));
    assert_eq!(with(None, Some(ChecksumType::FullObject), None), Err(ErrorCode::InvalidRequest));
    assert_eq!(with(None, None, Some(record.size + 1)), Err(ErrorCode::InvalidRequest));
}

#[test]
fn without_announcement_the_crc_all_parts_share_is_kept() {
    let crc = |parts: &[(Listed, PartRecord)]| made(&upload(None), parts, &Whole::default()).unwrap();
    let same = crc(&[part(1, PART_MIN_BYTES, Algorithm::Crc32c), part(2, 1, Algorithm::Crc32c)]);
    assert_eq!(same.checksums[0].algorithm, Algorithm::Crc32c.code());
    for mixed in [
        [part(1, PART_MIN_BYTES, Algorithm::Crc32c), part(2, 1, Algorithm::Crc32)],
        [part(1, PART_MIN_BYTES, Algorithm::Sha1), part(2, 1, Algorithm::Sha1)],
    ] {
        let record = crc(&mixed);
        assert!(record.checksums.is_empty() && record.part_table.iter().all(|part| part.checksum.is_empty()));
    }
}
