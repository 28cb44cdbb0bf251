//! CompleteMultipartUpload: the parts' manifests become one object. No byte of the parts is moved.

use std::sync::Arc;

use bytes::Bytes;
use http::HeaderMap;
use panthera_authz::{Action, Context, Question, Resource};
use panthera_base::limits::COMPLETE_BODY_BYTES;
use panthera_base::{ErrorCode, Ordinal, S3Error, S3Result};
use panthera_meta::records::{BucketRecord, ObjectRecord, ObjectView, PartRecord, Versioning};
use panthera_meta::{Batch, Snapshot, keys};
use panthera_wire::checksum::{Md5, content_md5};
use panthera_wire::headers::adopt_hoisted;
use panthera_wire::xml::Writer;

use super::assemble::{assemble, etag, invalid_part};
use super::request::{Listed, Whole, parse};
use super::{Upload, rows, upload_id};
use crate::access::{SentBy, StoredObject, unchanged};
use crate::api::{Call, OpResult, Reply, ReplyBody};
use crate::commit::meta_error;
use crate::copy::write_checksums;
use crate::service::ObjectService;
use crate::write::ingest::read_to_end;
use crate::write::key_rows::get;
use crate::write::put::{Target, location};
use crate::write::request::{self, WriteConditions};

/// From this many parts on the answer starts early and the connection is kept alive.
const SLOW_PARTS: usize = 1000;

struct CompleteJob {
    service: Arc<ObjectService>,
    bucket: Arc<BucketRecord>,
    bucket_name: String,
    key: Vec<u8>,
    /// Where the client finds the object: bucket and key in its own names.
    shown: (String, Vec<u8>),
    base_url: String,
    upload: Ordinal,
    listed: Vec<Listed>,
    whole: Whole,
    conditions: WriteConditions,
    by: SentBy,
    /// The caller may read what is stored: `Some`, with the version that was decided about where the decision looked at one.
    reads: Option<Option<Ordinal>>,
}

impl ObjectService {
    pub(crate) async fn complete_multipart_upload(self: &Arc<Self>, mut call: Call) -> OpResult {
        adopt_hoisted(&mut call.headers, &call.query.0)?;
        request::check_key(&call.key)?;
        let upload = upload_id(&call.query)?;
        let body = read_to_end(&mut *call.payload, COMPLETE_BODY_BYTES).await?;
        if content_md5(&call.headers)?.is_some_and(|md5| md5 != Md5::digest(&body)) {
            return Err(ErrorCode::BadDigest.into());
        }
        let reads = self.may_read(&call);
        let shown = (call.shown_bucket().to_owned(), call.shown_key().into_owned());
        let job = CompleteJob {
            shown,
            service: Arc::clone(self),
            reads,
            upload,
            listed: parse(&body)?,
            whole: Whole::from_headers(&call.headers)?,
            conditions: WriteConditions::of(&call),
            by: SentBy::new(call.caller.subject, call.request_id, call.context.source_ip),
            bucket: call.bucket,
            bucket_name: call.bucket_name,
            key: call.key,
            base_url: call.base_url,
        };
        if job.listed.len() > SLOW_PARTS {
            return Ok(Reply { body: ReplyBody::Slow(Box::pin(job.run())), ..Reply::empty(http::StatusCode::OK) });
        }
        let (headers, body) = job.run().await?;
        let mut reply = Reply::xml(body);
        reply.headers.extend(headers);
        Ok(reply)
    }
}

impl ObjectService {
    /// Whether the caller may read what is stored under the key, on both sides of a mount. Asked by nobody, so it is not
    /// written down.
    fn may_read(&self, call: &Call) -> Option<Option<Ordinal>> {
        let stored = StoredObject::new(&*self.meta, &call.bucket, &call.key, None);
        let question = call.question(Action::GET_OBJECT);
        let resource = Resource { key: Some(&call.key), object: Some(&stored), ..question.resource };
        let context = &Context { trail: None, ..call.context.clone() };
        let allowed = call.both_allow(&self.authz, call.mount.as_ref(), &Question { resource, context, ..question });
        allowed.then(|| stored.decided())
    }
}

impl CompleteJob {
    async fn run(self) -> S3Result<(HeaderMap, Bytes)> {
        let (record, version) = match self.complete().await {
            // The answer of an earlier, identical request may have been lost on its way.
            Err(error) if error.code() == ErrorCode::NoSuchUpload => self.completed_before()?.ok_or(error)?,
            other => other?,
        };
        let mut headers = HeaderMap::new();
        if let Some(version) = version {
            request::set(&mut headers, "x-amz-version-id", version);
        }
        Ok((headers, self.document(&record)))
    }

    async fn complete(&self) -> S3Result<(ObjectRecord, Option<String>)> {
        let (upload, parts) = self.read_parts()?;
        let mut record = assemble(&upload, &self.listed, &parts, &self.whole)?;
        let domain = self.service.domain_key(self.bucket.tenant)?;
        let mut chunks = Vec::new();
        for part in &parts {
            match part.manifest.indirect {
                false => chunks.extend_from_slice(&part.manifest.chunks),
                true => chunks.extend(self.service.data_chunks(&part.manifest).await?),
            }
        }
        record.manifest = self.service.settle(&domain, chunks).await?;
        let target = Target {
            bucket: &self.bucket,
            bucket_name: &self.bucket_name,
            key: &self.key,
            conditions: &self.conditions,
            sender: self.by.sender(),
        };
        // A part replaced since it was read is gone all the same: this object is made of what the client listed.
        let also = |snapshot: &dyn Snapshot, batch: &mut Batch| {
            let upload = Upload::read(snapshot, self.bucket.id, &self.key, self.upload)?;
            let numbers = rows::part_numbers(snapshot, self.bucket.id, self.upload)?;
            rows::remove(self.bucket.id, &self.key, &upload, &numbers, batch);
            Ok(())
        };
        let version = self.service.put_version_and(&target, &mut record, None, also).await?;
        Ok((record, version))
    }

    /// The upload and the listed parts, as they are now.
    fn read_parts(&self) -> S3Result<(Upload, Vec<PartRecord>)> {
        let snapshot = self.service.meta.snapshot().map_err(|error| meta_error(&error))?;
        let upload = Upload::read(&*snapshot, self.bucket.id, &self.key, self.upload)?;
        let mut parts = Vec::with_capacity(self.listed.len());
        for listed in &self.listed {
            let number = u16::try_from(listed.number).map_err(|_| invalid_part(&upload, listed))?;
            let row = get(&*snapshot, &keys::part(self.bucket.id, self.upload, number))?;
            let row = row.ok_or_else(|| invalid_part(&upload, listed))?;
            parts.push(PartRecord::decode(row).map_err(S3Error::internal)?);
        }
        Ok((upload, parts))
    }

    /// The current object, when it is what this upload would have made and is younger than the upload. Who may not read it
    /// would learn by guessing what it is made of.
    fn completed_before(&self) -> S3Result<Option<(ObjectRecord, Option<String>)>> {
        let Some(decided) = self.reads else { return Ok(None) };
        let snapshot = self.service.meta.snapshot().map_err(|error| meta_error(&error))?;
        let Some(row) = get(&*snapshot, &keys::object(self.bucket.id, &self.key))? else { return Ok(None) };
        let view = ObjectView::new(row).map_err(S3Error::internal)?;
        let md5s: Option<Vec<[u8; 16]>> = self.listed.iter().map(Listed::md5).collect();
        let same = unchanged(decided, view.ordinal()).is_ok()
            && view.multipart_etag()
            && view.parts() as usize == self.listed.len()
            && view.ordinal() > self.upload
            && md5s.is_some_and(|md5s| etag(md5s.iter()) == *view.etag());
        if !same {
            return Ok(None);
        }
        let version =
            (self.bucket.versioning == Versioning::Enabled && !view.null_version()).then(|| view.ordinal().to_wire());
        Ok(Some((view.to_record().map_err(S3Error::internal)?, version)))
    }

    fn document(&self, record: &ObjectRecord) -> Bytes {
        const ROOT: &str = "CompleteMultipartUploadResult";
        let mut out = Writer::document(ROOT, 1024);
        let (bucket, key) = &self.shown;
        out.text("Location", &location(&self.base_url, bucket, key));
        out.text("Bucket", bucket).bytes("Key", key);
        out.text("ETag", &format!("\"{}\"", request::etag(&record.etag, Some(record.parts))));
        write_checksums(&mut out, &record.checksums, record.parts);
        out.finish(ROOT)
    }
}
