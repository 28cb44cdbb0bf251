//! PutObject.

use panthera_authz::Booked;
use panthera_base::{ErrorCode, S3Error, S3Result};
use panthera_meta::records::{ObjectRecord, Versioning};
use panthera_meta::{Batch, Snapshot};
use panthera_volume::NewChunk;
use panthera_wire::checksum::{Announced, ChecksumType};

use super::ingest::Expected;
use super::request::{self, WriteConditions};
use super::{KeyRows, plan};
use crate::access::{Sender, settled};
use crate::api::{Call, OpResult, Reply};
use crate::commit::Planned;
use crate::mounts::Mounts;
use crate::service::ObjectService;

/// Above this size conditions are looked at before the body is received too: a refusal saves the transfer.
const EARLY_CHECK_BYTES: u64 = 1 << 20;

/// Where a version goes and under which conditions.
pub(crate) struct Target<'c> {
    /// The bucket.
    pub bucket: &'c panthera_meta::records::BucketRecord,
    /// The bucket's name.
    pub bucket_name: &'c str,
    /// The key.
    pub key: &'c [u8],
    /// If-Match and If-None-Match.
    pub conditions: &'c WriteConditions,
    /// Who sends it.
    pub sender: Sender<'c>,
}

impl<'c> Target<'c> {
    /// What the request is about.
    pub(crate) fn of(call: &'c Call, conditions: &'c WriteConditions) -> Self {
        let (bucket, bucket_name, key) = (&*call.bucket, &*call.bucket_name, &*call.key);
        Self { bucket, bucket_name, key, conditions, sender: call.sender() }
    }
}

impl ObjectService {
    pub(crate) async fn put_object(&self, mut call: Call) -> OpResult {
        request::prepare(&mut call)?;
        let expected = Expected::new(Announced::from_headers(&call.headers)?);
        let owned = self.owned(&call, &call.headers)?;
        settled(call.context.trail.as_deref()).await?;
        let mut record = request::describe(&call.headers, owned)?;
        let conditions = WriteConditions::of(&call);
        let declared = require_length(&call)?;
        if !conditions.is_empty() && declared.is_none_or(|len| len > EARLY_CHECK_BYTES) {
            self.check_early(&call, &conditions)?;
        }
        let domain = self.domain_key(call.bucket.tenant)?;
        let content = self.ingest(&domain, &mut *call.payload, &expected).await?;
        record.size = content.size;
        record.etag = content.md5;
        record.manifest = content.manifest;
        let (algorithm, digest) = &content.checksum;
        record.checksums = vec![request::checksum(*algorithm, ChecksumType::FullObject, digest)];
        let version = self.put_version(&Target::of(&call, &conditions), &mut record, content.unsaved).await?;
        Ok(put_reply(&record, version))
    }

    /// Commits a new version. The version id to tell, where versions have ids.
    pub(crate) async fn put_version(
        &self,
        target: &Target<'_>,
        record: &mut ObjectRecord,
        chunk: Option<NewChunk>,
    ) -> S3Result<Option<String>> {
        if chunk.is_none() {
            self.check_room()?;
        }
        self.put_version_and(target, record, chunk, |_, _| Ok(())).await
    }

    /// As [`Self::put_version`]; `also` adds to the same commit.
    pub(crate) async fn put_version_and(
        &self,
        target: &Target<'_>,
        record: &mut ObjectRecord,
        chunk: Option<NewChunk>,
        mut also: impl FnMut(&dyn Snapshot, &mut Batch) -> S3Result<()>,
    ) -> S3Result<Option<String>> {
        let (bucket, name, key) = (target.bucket.id, target.bucket_name, target.key);
        let conditional = !target.conditions.is_empty();
        let mut booked = None;
        let plan = |snapshot: &dyn Snapshot| {
            let mut rows = KeyRows::fence_only(snapshot, bucket, name, key)?;
            // Mounting writes the fence: a request that began before it must not store what the mount would hide.
            if rows.fence.generation > target.bucket.generation
                && Mounts::read(snapshot, bucket)?.covering(key).is_some()
            {
                return Err(ErrorCode::OperationAborted.into());
            }
            if conditional || rows.fence.versioning != Versioning::Never {
                rows = KeyRows::read(snapshot, bucket, name, key)?;
                target.conditions.check(key, rows.current.as_ref())?;
            }
            let ordinal = self.ordinal_after(&rows);
            let mut batch = plan::put(&rows, record, ordinal, conditional);
            also(snapshot, &mut batch)?;
            if record.acl.is_some() {
                // It grants something: that is written down with it. What an attempt before this one took is given back.
                booked = self.note_list(target.sender, (target.bucket, name, key), &mut batch)?;
            }
            let version = (rows.fence.versioning == Versioning::Enabled).then(|| ordinal.to_wire());
            Ok(Planned::Commit(batch, version))
        };
        let stored = self.commit(bucket, key, chunk, plan).await;
        let version = stored.map_err(|error| conflicted(error, conditional))?;
        booked.into_iter().for_each(Booked::durable);
        Ok(version)
    }

    /// Looks at the conditions as things are now; the commit decides.
    pub(crate) fn check_early(&self, call: &Call, conditions: &WriteConditions) -> S3Result<()> {
        let snapshot = self.meta.snapshot().map_err(|error| crate::commit::meta_error(&error))?;
        let rows = KeyRows::read(&*snapshot, call.bucket.id, &call.bucket_name, &call.key)?;
        conditions.check(&call.key, rows.current.as_ref())
    }
}

/// A conditional write that lost race after race has its own code.
fn conflicted(error: S3Error, conditional: bool) -> S3Error {
    match error.code() {
        ErrorCode::OperationAborted if conditional => ErrorCode::ConditionalRequestConflict.into(),
        _ => error,
    }
}

/// The length of the body, when it was announced; a body whose end nothing tells is refused.
pub(crate) fn require_length(call: &Call) -> S3Result<Option<u64>> {
    let declared = call.payload.declared_len();
    if declared.is_none() && !call.headers.contains_key("transfer-encoding") {
        return Err(ErrorCode::MissingContentLength.into());
    }
    Ok(declared)
}

/// The URL of an object: what Location elements and headers say.
pub(crate) fn location(base_url: &str, bucket: &str, key: &[u8]) -> String {
    format!("{base_url}/{bucket}/{}", panthera_wire::uri::encode_path(key))
}

/// The answer to a write of an object.
pub(crate) fn put_reply(record: &ObjectRecord, version: Option<String>) -> Reply {
    let mut reply = Reply::empty(http::StatusCode::OK);
    let etag = request::etag(&record.etag, record.multipart_etag.then_some(record.parts));
    request::set_etag(&mut reply.headers, &etag);
    request::set_checksums(&mut reply.headers, record);
    if let Some(version) = version {
        request::set(&mut reply.headers, "x-amz-version-id", version);
    }
    reply
}
