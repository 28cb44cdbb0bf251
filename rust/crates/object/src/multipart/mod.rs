//! Multipart uploads: create, upload and copy parts, complete, abort. Listing them is module `list`.
//!
//! Belongs here: what an upload and a part are. Does not belong here: receiving bytes (module `write::ingest`), the
//! changes of the completed object (module `write::plan`).

mod abort;
mod assemble;
mod complete;
mod create;
mod part;
mod part_copy;
mod request;
mod rows;

use panthera_base::limits::PARTS;
use panthera_base::{BucketId, ErrorCode, Ordinal, S3Error, S3Result};
use panthera_meta::records::UploadRecord;
use panthera_meta::{Snapshot, keys};
use panthera_wire::checksum::{Algorithm, ChecksumType};

use crate::access::{StoredUpload, came_by};
use crate::api::{Call, Query};
use crate::service::ObjectService;
use crate::write::key_rows::get;

/// An open upload.
pub(crate) struct Upload {
    /// Its id.
    pub ordinal: Ordinal,
    /// What CreateMultipartUpload said.
    pub record: UploadRecord,
}

impl Upload {
    /// Its checksum, when one was announced.
    pub(crate) fn checksum(&self) -> Option<(Algorithm, ChecksumType)> {
        let algorithm = Algorithm::from_code(self.record.checksum_algorithm)?;
        Some((algorithm, ChecksumType::from_code(self.record.checksum_kind)?))
    }

    /// Reads the upload of a key.
    pub(crate) fn read(snapshot: &dyn Snapshot, bucket: BucketId, key: &[u8], id: Ordinal) -> S3Result<Self> {
        let row = get(snapshot, &keys::upload(bucket, key, id))?.ok_or_else(|| no_such_upload(&id.to_wire()))?;
        let record = UploadRecord::decode(row).map_err(S3Error::internal)?;
        Ok(Self { ordinal: id, record })
    }
}

impl ObjectService {
    /// Through a mount there is nothing but what came by it. An upload that is gone is the operation's to tell.
    pub(crate) fn refuse_others_uploads(&self, call: &Call) -> S3Result<()> {
        let Some(way) = call.window.as_ref().and_then(|window| window.through) else { return Ok(()) };
        let id = call.query.get("uploadId").unwrap_or_default();
        let (meta, bucket, key) = (&*self.meta, call.bucket.id, &*call.key);
        let upload = StoredUpload { meta, bucket, key, id, through: None, as_mounted: false };
        match upload.read().map_err(S3Error::internal)? {
            Some(record) if !came_by(&record, way) => Err(no_such_upload(id)),
            _ => Ok(()),
        }
    }
}

fn no_such_upload(id: &str) -> S3Error {
    S3Error::new(ErrorCode::NoSuchUpload).field("UploadId", id)
}

/// The query parameter `uploadId`. What we cannot have issued names no upload.
fn upload_id(query: &Query) -> S3Result<Ordinal> {
    let text = query.get("uploadId").unwrap_or_default();
    Ordinal::from_wire(text).ok_or_else(|| no_such_upload(text))
}

/// The query parameter `partNumber`.
fn part_number(query: &Query) -> S3Result<u16> {
    let text = query.get("partNumber").unwrap_or_default();
    let number = text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse::<u32>().ok()).flatten();
    match number {
        Some(number) if (1..=PARTS).contains(&number) => Ok(number as u16),
        _ => Err(S3Error::with_message(
            ErrorCode::InvalidArgument,
            format!("Part number must be an integer between 1 and {PARTS}, inclusive"),
        )
        .field("ArgumentName", "partNumber")
        .field("ArgumentValue", text)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn part_numbers_from_1_to_10000() {
        let of = |text: &str| part_number(&Query(vec![("partNumber".into(), text.into())])).ok();
        assert_eq!((of("1"), of("10000")), (Some(1), Some(10_000)));
        for bad in ["0", "10001", "-1", "+1", "", "1.0", "99999999999999999999"] {
            assert_eq!(of(bad), None, "{bad}");
        }
        assert!(part_number(&Query::default()).is_err());
    }
}
