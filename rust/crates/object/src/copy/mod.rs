//! Copying: the source of a copy, which CopyObject and UploadPartCopy read the same way, and CopyObject.
//!
//! Belongs here: finding, authorizing and judging a source. Does not belong here: parts (module `multipart`).

mod object;

pub(crate) use object::{whole_second, write_checksums};

use std::sync::Arc;

use panthera_authz::{Action, ObjectLookup, Question, Resource};
use panthera_base::limits::SINGLE_PUT_BYTES;
use panthera_base::{ErrorCode, Ordinal, S3Error, S3Result};
use panthera_meta::records::{BucketRecord, ObjectRecord, Versioning};
use panthera_meta::{Snapshot, keys};
use panthera_wire::conditions::{Conditions, Outcome, evaluate};
use panthera_wire::headers::{self, CopySource};

use crate::access::{Copied, StoredObject, owns, unchanged};
use crate::api::{Call, Entered};
use crate::commit::meta_error;
use crate::mounts::Mounts;
use crate::resolve::{Wanted, find};
use crate::service::ObjectService;
use crate::write::key_rows::get;
use crate::write::request::{precondition_failed, view_etag};

/// Where a copy comes from.
struct Named {
    source: CopySource,
    wanted: Wanted,
    bucket: BucketRecord,
    /// It is named through a mount: what the share's bearer may do there counts, too.
    mount: Option<Entered>,
}

impl Named {
    /// What is asked of it.
    fn action(&self) -> Action {
        match self.wanted {
            Wanted::Current => Action::GET_OBJECT,
            Wanted::Null | Wanted::Version(_) => Action::GET_OBJECT_VERSION,
        }
    }
}

/// A source that may be copied, as it is now.
pub(crate) struct Source {
    /// Its bucket.
    pub bucket: BucketRecord,
    /// Its key.
    pub key: Vec<u8>,
    /// The copy names a version.
    pub by_version: bool,
    /// The version.
    pub record: ObjectRecord,
    /// Its bucket's name, its version as named, the mount it is named through.
    name: String,
    version: Option<String>,
    mount: Option<Entered>,
}

impl Source {
    /// The value of x-amz-copy-source-version-id, where the source has versions.
    pub(crate) fn version_id(&self) -> Option<String> {
        match (self.bucket.versioning, self.record.null_version) {
            (Versioning::Never, _) => None,
            (_, true) => Some("null".to_owned()),
            (_, false) => Some(self.record.ordinal.to_wire()),
        }
    }
}

impl ObjectService {
    /// Finds the source the headers name, checks that the caller may read it and that its conditions hold. Errors name it
    /// as the headers do, wherever the copy goes.
    pub(crate) fn copy_source(&self, call: &Call) -> S3Result<Source> {
        self.find_source(call).map_err(S3Error::in_clients_names)
    }

    fn find_source(&self, call: &Call) -> S3Result<Source> {
        let source = headers::copy_source(&call.headers)?;
        let wanted = Wanted::parse(source.version.as_deref())?;
        let snapshot = self.meta.snapshot().map_err(|error| meta_error(&error))?;
        let bucket = bucket_named(&*snapshot, &source.bucket)?;
        let named = Named { source, wanted, bucket, mount: None };
        let mut decided = self.authorize_source(&named, call)?;
        if let Some(expected) = call.headers.get("x-amz-source-expected-bucket-owner")
            && !owns(&*self.meta, expected, &named.bucket)?
        {
            return Err(ErrorCode::AccessDenied.into());
        }
        let named = self.through_mount(&*snapshot, named, call)?;
        if named.mount.is_some() {
            decided = self.authorize_source(&named, call)?;
        }
        let found = find(&*snapshot, named.bucket.id, named.bucket.versioning, &named.source.key, wanted)?;
        let Some(view) = found.filter(|view| !view.delete_marker() || wanted != Wanted::Current) else {
            return Err(self.no_source(&named, call));
        };
        if view.delete_marker() {
            return Err(S3Error::with_message(
                ErrorCode::InvalidRequest,
                "The source of a copy request may not specifically refer to a delete marker by version id.",
            ));
        }
        unchanged(decided, view.ordinal())?;
        let conditions = Conditions::of_copy_source(&call.headers);
        if evaluate(&conditions, &view_etag(&view), view.ordinal().timestamp()) != Outcome::Proceed {
            return Err(precondition_failed("x-amz-copy-source-If-*"));
        }
        let record = view.to_record().map_err(S3Error::internal)?;
        let CopySource { bucket: name, key, version } = named.source;
        let by_version = wanted != Wanted::Current;
        Ok(Source { bucket: named.bucket, key, by_version, record, name, version, mount: named.mount })
    }

    /// A source below a mount is where the share leads.
    fn through_mount(&self, snapshot: &dyn Snapshot, mut named: Named, call: &Call) -> S3Result<Named> {
        let mounts = Mounts::of(snapshot, &named.bucket)?;
        let Some(mount) = mounts.covering(&named.source.key) else { return Ok(named) };
        let place = (&*named.source.bucket, &*named.source.key);
        let found = mount.resolve(&self.authz, snapshot, &call.caller.subject, place, call.now);
        let found = found.map_err(|refusal| refusal.told(&call.context, named.action()))?;
        let there = BucketRecord::clone(&found.standing.bucket);
        named.mount = Some(Entered {
            share: found.standing.caller.subject,
            bucket: Arc::new(std::mem::replace(&mut named.bucket, there)),
            name: std::mem::replace(&mut named.source.bucket, found.standing.record.bucket_name),
            key: std::mem::replace(&mut named.source.key, found.key),
        });
        Ok(named)
    }

    /// The version that was decided about, where the decision looked at one.
    fn authorize_source(&self, named: &Named, call: &Call) -> S3Result<Option<Ordinal>> {
        self.may(named, named.action(), Some(&named.source.key), call).ok_or_else(|| ErrorCode::AccessDenied.into())
    }

    /// AccessDenied unless the caller may read the source's tags and give them to the copy: a copy is no way around
    /// what is said of tags. Source and copy may each lie behind a mount: there both of its sides are asked.
    pub(crate) fn authorize_tags(&self, source: &Source, call: &Call) -> S3Result<()> {
        let Source { bucket, key, version, record, .. } = source;
        if record.tags.is_empty() {
            return Ok(());
        }
        let stored = StoredObject::new(&*self.meta, bucket, key, version.as_deref());
        let read = match source.by_version {
            false => Action::GET_OBJECT_TAGGING,
            true => Action::GET_OBJECT_VERSION_TAGGING,
        };
        let (tenant, name, key) = (bucket.tenant, &*source.name, Some(&**key));
        let resource = Resource { tenant, bucket: Some(bucket), name, key, object: Some(&stored) };
        let subject = source.mount.as_ref().map_or(&call.caller.subject, |mount| &mount.share);
        let from = Question { subject, resource, ..call.question(read) };
        let question = call.question(Action::PUT_OBJECT_TAGGING);
        let request = &Copied { call, tags: &record.tags };
        let to = Question { resource: Resource { key: Some(&call.key), ..question.resource }, request, ..question };
        let allowed = call.both_allow(&self.authz, source.mount.as_ref(), &from)
            && call.both_allow(&self.authz, call.mount.as_ref(), &to);
        if allowed { Ok(()) } else { Err(ErrorCode::AccessDenied.into()) }
    }

    /// A missing source: 404 for who may list its bucket, 403 for who must not learn what exists.
    fn no_source(&self, named: &Named, call: &Call) -> S3Error {
        // What the owner calls it is not told.
        if named.mount.is_some() {
            return ErrorCode::NoSuchKey.into();
        }
        if self.may(named, Action::LIST_BUCKET, None, call).is_none() {
            return ErrorCode::AccessDenied.into();
        }
        let key = String::from_utf8_lossy(&named.source.key);
        match &named.source.version {
            None => S3Error::new(ErrorCode::NoSuchKey).field("Key", key),
            Some(id) => S3Error::new(ErrorCode::NoSuchVersion).field("Key", key).field("VersionId", &**id),
        }
    }

    /// `None`: no. Else the version that was decided about, where the decision looked at one.
    fn may(&self, named: &Named, action: Action, key: Option<&[u8]>, call: &Call) -> Option<Option<Ordinal>> {
        let Named { source, bucket, .. } = named;
        let stored = StoredObject::new(&*self.meta, bucket, &source.key, source.version.as_deref());
        let object = key.is_some().then_some(&stored as &dyn ObjectLookup);
        let resource = Resource { tenant: bucket.tenant, bucket: Some(bucket), name: &source.bucket, key, object };
        let subject = named.mount.as_ref().map_or(&call.caller.subject, |mount| &mount.share);
        let allowed = self.authz.decide(&Question { subject, resource, ..call.question(action) }).allowed();
        allowed.then(|| stored.decided())
    }
}

fn bucket_named(snapshot: &dyn Snapshot, name: &str) -> S3Result<BucketRecord> {
    match get(snapshot, &keys::bucket(name.as_bytes()))? {
        Some(row) => BucketRecord::decode(row).map_err(S3Error::internal),
        None => Err(S3Error::new(ErrorCode::NoSuchBucket).field("BucketName", name)),
    }
}

/// AWS copies at most 5 GiB at once. So do we, though a manifest has no size: programs that work here work there.
pub(crate) fn check_size(size: u64) -> S3Result<()> {
    if size <= SINGLE_PUT_BYTES {
        return Ok(());
    }
    Err(S3Error::with_message(
        ErrorCode::InvalidRequest,
        format!(
            "The specified copy source is larger than the maximum allowable size for a copy source: {SINGLE_PUT_BYTES}"
        ),
    ))
}
