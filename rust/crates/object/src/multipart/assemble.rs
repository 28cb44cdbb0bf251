//! From parts to an object: the checks of CompleteMultipartUpload and the record it makes. Values in, values out.

use panthera_base::limits::{OBJECT_BYTES, PART_MIN_BYTES};
use panthera_base::{ErrorCode, S3Error, S3Result};
use panthera_meta::records::{Checksum, ObjectRecord, PartEntry, PartRecord};
use panthera_wire::checksum::{Algorithm, ChecksumType, Composite, Digest, Md5, combine};

use super::Upload;
use super::request::{Listed, Whole};
use crate::write::request;

/// The object these parts make, without its manifest. `parts` are the stored parts the client lists, in order.
pub(super) fn assemble(
    upload: &Upload,
    listed: &[Listed],
    parts: &[PartRecord],
    whole: &Whole,
) -> S3Result<ObjectRecord> {
    for (position, (listed, part)) in listed.iter().zip(parts).enumerate() {
        check_part(upload, listed, part)?;
        if position + 1 < parts.len() && part.size < PART_MIN_BYTES {
            return Err(S3Error::new(ErrorCode::EntityTooSmall)
                .field("ProposedSize", part.size.to_string())
                .field("MinSizeAllowed", PART_MIN_BYTES.to_string())
                .field("PartNumber", listed.number.to_string())
                .field("ETag", &*listed.etag));
        }
    }
    let mut record = upload.record.object.clone();
    record.size = parts.iter().map(|part| part.size).sum();
    if record.size > OBJECT_BYTES {
        return Err(S3Error::new(ErrorCode::EntityTooLarge)
            .field("ProposedSize", record.size.to_string())
            .field("MaxSizeAllowed", OBJECT_BYTES.to_string()));
    }
    record.etag = etag(parts.iter().map(|part| &part.md5));
    record.multipart_etag = true;
    record.parts = parts.len() as u32;
    record.checksums = checksum_of(upload, parts).into_iter().collect();
    record.part_table = listed.iter().zip(parts).map(|(listed, part)| entry(listed, part, &record.checksums)).collect();
    check_whole(upload, whole, &record)?;
    Ok(record)
}

/// The digest of a multipart ETag.
pub(super) fn etag<'a>(md5s: impl Iterator<Item = &'a [u8; 16]>) -> [u8; 16] {
    let mut hasher = Md5::default();
    md5s.for_each(|md5| hasher.update(md5));
    hasher.finish()
}

fn entry(listed: &Listed, part: &PartRecord, checksums: &[Checksum]) -> PartEntry {
    let same = checksums.iter().any(|whole| whole.algorithm == part.checksum_algorithm);
    let checksum = if same { part.checksum.clone() } else { Vec::new() };
    PartEntry { number: listed.number as u16, size: part.size, checksum }
}

/// InvalidPart, naming the part.
pub(super) fn invalid_part(upload: &Upload, listed: &Listed) -> S3Error {
    S3Error::new(ErrorCode::InvalidPart)
        .field("UploadId", upload.ordinal.to_wire())
        .field("PartNumber", listed.number.to_string())
        .field("ETag", &*listed.etag)
}

fn check_part(upload: &Upload, listed: &Listed, part: &PartRecord) -> S3Result<()> {
    if listed.md5() != Some(part.md5) {
        return Err(invalid_part(upload, listed));
    }
    for (algorithm, text) in &listed.checksums {
        let same = algorithm.code() == part.checksum_algorithm
            && Digest::from_base64(*algorithm, text).is_some_and(|digest| digest.as_bytes() == part.checksum);
        if !same {
            return Err(invalid_part(upload, listed));
        }
    }
    Ok(())
}

/// The object's checksum: what the upload announced; without announcement, whatever CRC all parts share.
fn checksum_of(upload: &Upload, parts: &[PartRecord]) -> Option<Checksum> {
    let shared = parts.first().and_then(|part| Algorithm::from_code(part.checksum_algorithm));
    let (algorithm, kind) =
        upload.checksum().or_else(|| shared.map(|algorithm| (algorithm, ChecksumType::FullObject)))?;
    if parts.iter().any(|part| part.checksum_algorithm != algorithm.code()) {
        return None;
    }
    match kind {
        ChecksumType::Composite => {
            let mut composite = Composite::new(algorithm);
            parts.iter().for_each(|part| composite.part(&part.checksum));
            Some(request::checksum(algorithm, kind, &composite.finish().0))
        }
        ChecksumType::FullObject => {
            let (first, rest) = parts.split_first()?;
            let mut digest = Digest::new(&first.checksum)?;
            for part in rest {
                digest = combine(algorithm, &digest, &Digest::new(&part.checksum)?, part.size)?;
            }
            // A hash of one part is a hash of the whole, but hashes of parts do not combine.
            algorithm.is_crc().then(|| request::checksum(algorithm, kind, &digest))
        }
    }
}

fn check_whole(upload: &Upload, whole: &Whole, record: &ObjectRecord) -> S3Result<()> {
    let refuse = |message: String| Err(S3Error::with_message(ErrorCode::InvalidRequest, message));
    if let Some(size) = whole.size.filter(|&size| size != record.size) {
        return refuse(format!(
            "The provided 'x-amz-mp-object-size' header value {size} does not match what was computed: {}",
            record.size
        ));
    }
    let computed = record.checksums.first().and_then(|stored| request::wire_checksum(stored, record.parts));
    if let (Some(kind), Some((_, created))) = (whole.kind, upload.checksum())
        && kind != created
    {
        return refuse(format!(
            "The upload was created using the {} checksum mode. The complete request must use the same checksum mode.",
            created.name()
        ));
    }
    let Some((algorithm, text)) = &whole.checksum else { return Ok(()) };
    match computed {
        Some((found, _, _)) if found != *algorithm => refuse(mismatch(found.name(), algorithm.name())),
        None => refuse(mismatch("null", algorithm.name())),
        Some((_, _, value)) if *text == value || value.strip_suffix(&format!("-{}", record.parts)) == Some(text) => {
            Ok(())
        }
        Some(_) => Err(S3Error::with_message(
            ErrorCode::BadDigest,
            format!(
                "The {} you specified did not match the calculated checksum.",
                algorithm.name().to_ascii_lowercase()
            ),
        )),
    }
}

fn mismatch(expected: &str, actual: &str) -> String {
    let (expected, actual) = (expected.to_ascii_lowercase(), actual.to_ascii_lowercase());
    format!("Checksum Type mismatch occurred, expected checksum Type: {expected}, actual checksum Type: {actual}")
}

#[cfg(test)]
#[path = "assemble_tests.rs"]
mod tests;
