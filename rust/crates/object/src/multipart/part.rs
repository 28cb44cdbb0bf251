//! UploadPart, and the commit that it shares with UploadPartCopy.

use http::StatusCode;
use panthera_base::{BucketId, ErrorCode, Ordinal, S3Error, S3Result};
use panthera_meta::keys::TallyOf;
use panthera_meta::records::PartRecord;
use panthera_meta::{Batch, Guard, Snapshot, keys};
use panthera_volume::NewChunk;
use panthera_wire::checksum::{Algorithm, Announced, Digest};

use super::{Upload, part_number, upload_id};
use crate::api::{Call, OpResult, Reply};
use crate::commit::{Planned, meta_error};
use crate::service::ObjectService;
use crate::write::ingest::{Content, Expected};
use crate::write::plan::{put_op, tally};
use crate::write::put::require_length;
use crate::write::request;

/// Which part of which upload.
#[derive(Clone, Copy)]
pub(super) struct PartPlace<'c> {
    pub bucket: BucketId,
    pub key: &'c [u8],
    pub upload: Ordinal,
    pub number: u16,
}

impl PartPlace<'_> {
    pub(super) fn of(call: &Call) -> S3Result<PartPlace<'_>> {
        let (number, upload) = (part_number(&call.query)?, upload_id(&call.query)?);
        Ok(PartPlace { bucket: call.bucket.id, key: &call.key, upload, number })
    }
}

impl ObjectService {
    pub(crate) async fn upload_part(&self, mut call: Call) -> OpResult {
        request::prepare_part(&mut call)?;
        let announced = Announced::from_headers(&call.headers)?;
        require_length(&call)?;
        let domain = self.domain_key(call.bucket.tenant)?;
        let upload = self.open_upload(&PartPlace::of(&call)?)?;
        let expected = expected(announced, &upload)?;
        let content = self.ingest(&domain, &mut *call.payload, &expected).await?;
        let (algorithm, digest) = content.checksum;
        let (number, upload) = (part_number(&call.query)?, upload.ordinal);
        let place = PartPlace { bucket: call.bucket.id, key: &call.key, upload, number };
        let md5 = content.md5;
        let (mut record, chunk) = part_record(content);
        self.put_part(place, &mut record, chunk).await?;
        let mut reply = Reply::empty(StatusCode::OK);
        request::set_etag(&mut reply.headers, &request::etag(&md5, None));
        request::set(&mut reply.headers, algorithm.header(), digest.to_base64());
        Ok(reply)
    }

    /// The upload a part is for.
    pub(super) fn open_upload(&self, place: &PartPlace<'_>) -> S3Result<Upload> {
        let snapshot = self.meta.snapshot().map_err(|error| meta_error(&error))?;
        Upload::read(&*snapshot, place.bucket, place.key, place.upload)
    }

    /// Stores a part, replacing one with the same number. Completes `record`: its time.
    pub(super) async fn put_part(
        &self,
        place: PartPlace<'_>,
        record: &mut PartRecord,
        chunk: Option<NewChunk>,
    ) -> S3Result<()> {
        let plan = |snapshot: &dyn Snapshot| {
            // An upload that is gone is a conflict first and NoSuchUpload on the second look.
            Upload::read(snapshot, place.bucket, place.key, place.upload)?;
            record.ordinal = self.ordinals.next(self.clock.now());
            Ok(Planned::Commit(plan_part(place, record), ()))
        };
        self.commit(place.bucket, place.key, chunk, plan).await
    }
}

/// The upload's row stands for the bucket's fence too: a bucket with open uploads cannot be deleted.
fn plan_part(place: PartPlace<'_>, record: &PartRecord) -> Batch {
    let mut batch = Batch::default();
    batch.guard(Guard::Present(keys::upload(place.bucket, place.key, place.upload)));
    let row = keys::part(place.bucket, place.upload, place.number);
    batch.ops.push(put_op(row, record.encode(), tally(place.bucket, TallyOf::Parts)));
    batch
}

/// What a part must be: announced in the upload's algorithm, or not at all; then it is computed all the same.
fn expected(announced: Announced, upload: &Upload) -> S3Result<Expected> {
    let mut expected = Expected::new(announced);
    if let Some((algorithm, _)) = upload.checksum() {
        if let Some(other) = expected.announced.algorithm().filter(|&other| other != algorithm) {
            return Err(mismatch(algorithm, other));
        }
        expected.algorithm = algorithm;
    }
    Ok(expected)
}

fn mismatch(expected: Algorithm, actual: Algorithm) -> S3Error {
    S3Error::with_message(
        ErrorCode::InvalidRequest,
        format!(
            "Checksum Type mismatch occurred, expected checksum Type: {}, actual checksum Type: {}",
            expected.name().to_ascii_lowercase(),
            actual.name().to_ascii_lowercase()
        ),
    )
}

/// The part row of some content, and the chunk still to be stored.
pub(super) fn part_record(content: Content) -> (PartRecord, Option<NewChunk>) {
    let (algorithm, digest): (Algorithm, Digest) = content.checksum;
    let record = PartRecord {
        manifest: content.manifest,
        size: content.size,
        ordinal: Ordinal(0),
        md5: content.md5,
        checksum_algorithm: algorithm.code(),
        checksum: digest.as_bytes().to_vec(),
    };
    (record, content.unsaved)
}
