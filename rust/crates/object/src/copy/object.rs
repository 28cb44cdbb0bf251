//! CopyObject: a new manifest for the same chunks. Bytes are read only when a checksum is asked for that the source does
//! not have, or when the source belongs to another tenant, whose chunk names mean nothing in ours.
//!
//! A difference from AWS: the copy of a multipart object keeps its ETag, its parts and its checksums. AWS makes a
//! single-part object of it, which would mean to read it.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use panthera_base::{ErrorCode, S3Error, S3Result};
use panthera_meta::records::{Checksum, ObjectRecord, storage_class};
use panthera_wire::checksum::{Algorithm, ChecksumType};
use panthera_wire::headers::{self, Directive, ObjectHeaders};
use panthera_wire::tagging;
use panthera_wire::xml::Writer;

use super::{Source, check_size};
use crate::access::{SentBy, settled};
use crate::api::{Call, OpResult, Reply, ReplyBody};
use crate::service::ObjectService;
use crate::write::acl::Owned;
use crate::write::ingest::Intake;
use crate::write::put::Target;
use crate::write::request::{self, WriteConditions};

/// Copies that must read more than this answer early and keep the connection alive.
const SLOW_BYTES: u64 = 64 << 20;

/// What the request asks of a copy.
struct Wishes {
    metadata: Directive,
    tagging: Directive,
    storage_class: Option<u8>,
    algorithm: Option<Algorithm>,
}

impl Wishes {
    fn from_headers(headers: &HeaderMap) -> S3Result<Self> {
        let algorithm = match headers.get("x-amz-checksum-algorithm") {
            Some(name) => Some(Algorithm::from_name(&String::from_utf8_lossy(name.as_bytes()))?),
            None => None,
        };
        Ok(Self {
            metadata: headers::metadata_directive(headers)?,
            tagging: headers::tagging_directive(headers)?,
            storage_class: headers::storage_class(headers)?,
            algorithm,
        })
    }
}

impl ObjectService {
    pub(crate) async fn copy_object(self: &Arc<Self>, mut call: Call) -> OpResult {
        request::prepare(&mut call)?;
        let wishes = Wishes::from_headers(&call.headers)?;
        let conditions = WriteConditions::of(&call);
        let source = self.copy_source(&call)?;
        check_size(source.record.size)?;
        refuse_no_change(&call, &source, &wishes)?;
        if wishes.tagging == Directive::Copy {
            self.authorize_tags(&source, &call)?;
        }
        let owned = self.owned(&call, &call.headers)?;
        settled(call.context.trail.as_deref()).await?;
        let record = destination(&call, &source, &wishes, owned)?;
        let job = CopyJob { service: Arc::clone(self), call: Parts::of(call), source, record, wishes, conditions };
        if job.reads() && job.source.record.size > SLOW_BYTES {
            return Ok(Reply { body: ReplyBody::Slow(Box::pin(job.run())), ..Reply::empty(http::StatusCode::OK) });
        }
        let (headers, body) = job.run().await?;
        let mut reply = Reply::xml(body);
        reply.headers.extend(headers);
        Ok(reply)
    }
}

/// What of the call is still needed once its headers have been read.
struct Parts {
    bucket: Arc<panthera_meta::records::BucketRecord>,
    bucket_name: String,
    key: Vec<u8>,
    by: SentBy,
}

impl Parts {
    fn of(call: Call) -> Self {
        let by = SentBy::new(call.caller.subject, call.request_id, call.context.source_ip);
        Self { bucket: call.bucket, bucket_name: call.bucket_name, key: call.key, by }
    }
}

struct CopyJob {
    service: Arc<ObjectService>,
    call: Parts,
    source: Source,
    record: ObjectRecord,
    wishes: Wishes,
    conditions: WriteConditions,
}

impl CopyJob {
    /// Whether the bytes must be read.
    fn reads(&self) -> bool {
        self.foreign() || self.missing_checksum().is_some()
    }

    fn foreign(&self) -> bool {
        self.source.bucket.tenant != self.call.bucket.tenant
    }

    /// The checksum that was asked for and that the source does not have over its whole bytes.
    fn missing_checksum(&self) -> Option<Algorithm> {
        let has = |algorithm: Algorithm| {
            let whole = ChecksumType::FullObject.code();
            self.record.checksums.iter().any(|c| c.algorithm == algorithm.code() && c.kind == whole)
        };
        self.wishes.algorithm.filter(|&algorithm| !has(algorithm))
    }

    async fn run(mut self) -> S3Result<(HeaderMap, Bytes)> {
        if self.reads() {
            self.read_source().await?;
        }
        let target = Target {
            bucket: &self.call.bucket,
            bucket_name: &self.call.bucket_name,
            key: &self.call.key,
            conditions: &self.conditions,
            sender: self.call.by.sender(),
        };
        let version = self.service.put_version(&target, &mut self.record, None).await?;
        let mut headers = HeaderMap::new();
        if let Some(version) = version {
            request::set(&mut headers, "x-amz-version-id", version);
        }
        if let Some(version) = self.source.version_id() {
            request::set(&mut headers, "x-amz-copy-source-version-id", version);
        }
        Ok((headers, document("CopyObjectResult", &self.record)))
    }

    /// Reads the source through the ordinary intake: chunks of our own domain (those we have are found), and a checksum.
    async fn read_source(&mut self) -> S3Result<()> {
        let domain = self.service.domain_key(self.call.bucket.tenant)?;
        let algorithm = self.missing_checksum();
        let mut intake = Intake::new(&self.service, domain, algorithm.unwrap_or(Algorithm::Crc64Nvme));
        for chunk in self.service.data_chunks(&self.source.record.manifest).await? {
            let bytes = self.service.chunk_bytes(chunk, 0..chunk.len).await?;
            intake.push(&bytes).await?;
        }
        let content = intake.finish().await?;
        if content.size != self.source.record.size {
            return Err(S3Error::internal("the source's manifest does not add up to its size"));
        }
        if let Some(chunk) = content.unsaved {
            let stored = crate::commit::received(self.service.store(chunk).await)?;
            stored.map_err(|error| crate::commit::volume_error(&error))?;
        }
        self.record.manifest = content.manifest;
        if algorithm.is_some() {
            let (algorithm, digest) = content.checksum;
            self.record.checksums = vec![request::checksum(algorithm, ChecksumType::FullObject, &digest)];
            // Checksums of parts are of the source's algorithm.
            self.record.part_table.iter_mut().for_each(|part| part.checksum.clear());
        }
        Ok(())
    }
}

/// Copying an object onto itself must change something.
fn refuse_no_change(call: &Call, source: &Source, wishes: &Wishes) -> S3Result<()> {
    let itself = source.bucket.id == call.bucket.id && source.key == call.key && !source.by_version;
    let changes = wishes.metadata == Directive::Replace
        || wishes.tagging == Directive::Replace
        || wishes.storage_class.is_some_and(|class| class != source.record.storage_class)
        || wishes.algorithm.is_some()
        || call.headers.contains_key("x-amz-website-redirect-location");
    if !itself || changes {
        return Ok(());
    }
    Err(S3Error::with_message(
        ErrorCode::InvalidRequest,
        "This copy request is illegal because it is trying to copy an object to itself without changing the object's \
         metadata, storage class, website redirect location or encryption attributes.",
    ))
}

/// The record of the copy: the source's content; metadata, tags and class as the directives say. Storage class,
/// redirect location and access control list are never taken from the source.
fn destination(call: &Call, source: &Source, wishes: &Wishes, owned: Owned) -> S3Result<ObjectRecord> {
    let mut record = source.record.clone();
    (record.owner, record.acl) = (owned.owner, owned.acl);
    record.storage_class = wishes.storage_class.unwrap_or(storage_class::STANDARD);
    let asked = ObjectHeaders::from_headers(&call.headers)?;
    match wishes.metadata {
        Directive::Copy => record.website_redirect = asked.website_redirect_location,
        Directive::Replace => request::set_headers(&mut record, asked),
    }
    if wishes.tagging == Directive::Replace {
        record.tags = tagging::from_header(call.headers.get("x-amz-tagging").map_or(b"", HeaderValue::as_bytes))?;
    }
    Ok(record)
}

/// CopyObjectResult: ETag, time and checksums.
fn document(root: &str, record: &ObjectRecord) -> Bytes {
    let mut out = Writer::document(root, 512);
    let etag = request::etag(&record.etag, record.multipart_etag.then_some(record.parts));
    out.time("LastModified", whole_second(record.ordinal.timestamp()));
    out.text("ETag", &format!("\"{etag}\""));
    write_checksums(&mut out, &record.checksums, record.parts);
    out.finish(root)
}

/// Clients compare with Last-Modified, which has whole seconds.
pub(crate) fn whole_second(time: panthera_base::Timestamp) -> panthera_base::Timestamp {
    panthera_base::Timestamp::from_secs(time.secs())
}

/// ChecksumType and Checksum… elements.
pub(crate) fn write_checksums(out: &mut Writer, checksums: &[Checksum], parts: u32) {
    for stored in checksums {
        if let Some((algorithm, kind, text)) = request::wire_checksum(stored, parts) {
            out.text("ChecksumType", kind.name());
            out.text(algorithm.element(), &text);
        }
    }
}
