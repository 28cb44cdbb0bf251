//! What decisions ask of requests and of stored versions.
//!
//! Belongs here: the object operations' side of the authorizer's questions. Does not belong here: any decision.

use std::borrow::Cow;
use std::cell::Cell;
use std::net::IpAddr;

use http::{HeaderMap, HeaderValue};
use panthera_authz::{
    Action, Authorizer, Initiator, NotUnderstood, ObjectAccess, ObjectLookup, Question, RequestFacts, Resource,
    Subject, Trail, Unaudited,
};
use panthera_base::limits::OBJECT_TAGS;
use panthera_base::{BucketId, ErrorCode, Ordinal, S3Error, S3Result};
use panthera_meta::records::{BucketRecord, ObjectView, RecordError, ThroughShare, UploadRecord, UserRecord, tag};
use panthera_meta::{MetaError, Metastore, key_fits, keys};
use panthera_wire::tagging;
use panthera_wire::xml::Reader;

use crate::api::{Call, Entered, Query};
use crate::read::stored::pairs;
use crate::resolve::{Wanted, find};

/// The version of a key that a request is about, read when a decision asks for it.
pub struct StoredObject<'a> {
    meta: &'a dyn Metastore,
    bucket: &'a BucketRecord,
    key: &'a [u8],
    /// `versionId` as the request has it.
    version: Option<&'a str>,
    decided: Cell<Option<Ordinal>>,
}

/// Stands for no version, and for several that were met one after the other: no version is it.
const NO_VERSION: Ordinal = Ordinal(0);

impl<'a> StoredObject<'a> {
    /// The version of a key, or the current one.
    pub fn new(meta: &'a dyn Metastore, bucket: &'a BucketRecord, key: &'a [u8], version: Option<&'a str>) -> Self {
        Self { meta, bucket, key, version, decided: Cell::new(None) }
    }

    /// The version that decisions have looked at; `None` when none has looked.
    pub fn decided(&self) -> Option<Ordinal> {
        self.decided.get()
    }
}

/// A decision that hangs on what is stored is about the version it looked at, and nothing of another's may be shown,
/// compared, changed or removed by it. ServiceUnavailable, which clients try again, when another version has taken the
/// place.
pub(crate) fn unchanged(decided: Option<Ordinal>, found: Ordinal) -> S3Result<()> {
    match decided {
        Some(decided) if decided != found => {
            Err(S3Error::new(ErrorCode::ServiceUnavailable).detail("replaced while it was decided about"))
        }
        _ => Ok(()),
    }
}

impl ObjectLookup for StoredObject<'_> {
    fn access(&self) -> Result<Option<ObjectAccess>, MetaError> {
        // A version id we cannot have issued names nothing; the operation says so later.
        let Ok(wanted) = Wanted::parse(self.version) else { return Ok(None) };
        let snapshot = self.meta.snapshot()?;
        let corrupt = |error: S3Error| MetaError::Corrupt(error.to_string());
        let found = find(&*snapshot, self.bucket.id, self.bucket.versioning, self.key, wanted).map_err(corrupt)?;
        let met = found.as_ref().map_or(NO_VERSION, ObjectView::ordinal);
        let same = self.decided.get().is_none_or(|before| before == met);
        self.decided.set(Some(if same { met } else { NO_VERSION }));
        let Some(view) = found else { return Ok(None) };
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let section = |tag| view.section(tag).map_err(|error| MetaError::Corrupt(error.to_string()));
        Ok(Some(ObjectAccess {
            owner: view.owner(),
            acl: section(tag::ACL)?.map(<[u8]>::to_vec),
            tags: pairs(section(tag::TAGS)?.unwrap_or_default())
                .map(|(name, value)| (text(name), text(value)))
                .collect(),
        }))
    }
}

/// Whether a header names the bucket's owner: by account (the tenant's number in 12 digits) or by canonical id.
pub fn owns(meta: &dyn Metastore, expected: &HeaderValue, bucket: &BucketRecord) -> S3Result<bool> {
    if expected.as_bytes() == format!("{:012}", bucket.tenant.0).as_bytes() {
        return Ok(true);
    }
    let snapshot = meta.snapshot().map_err(S3Error::internal)?;
    let Some(row) = snapshot.get(&keys::user(bucket.owner)).map_err(S3Error::internal)? else { return Ok(false) };
    let owner = UserRecord::decode(row).map_err(S3Error::internal)?;
    Ok(expected.as_bytes() == panthera_wire::hex::encode_32(&owner.canonical_id))
}

/// The open upload that a request is about, read when a decision asks whose it is.
pub struct StoredUpload<'a> {
    /// Where it is looked for.
    pub meta: &'a dyn Metastore,
    /// Its bucket.
    pub bucket: BucketId,
    /// Its key.
    pub key: &'a [u8],
    /// `uploadId` as the request has it.
    pub id: &'a str,
    /// The way to it is a mount: only what came by it is there.
    pub through: Option<ThroughShare>,
    /// The question is asked where the mount is: there the upload is its bearer's, and nobody knows of a share.
    pub as_mounted: bool,
}

impl StoredUpload<'_> {
    /// Reads it; `None` when there is none.
    pub fn read(&self) -> Result<Option<UploadRecord>, MetaError> {
        // An id that cannot have been issued names nothing.
        let Some(id) = Ordinal::from_wire(self.id) else { return Ok(None) };
        let snapshot = self.meta.snapshot()?;
        let row = keys::upload(self.bucket, self.key, id);
        let found = if key_fits(&row) { snapshot.get(&row)? } else { None };
        let corrupt = |error: RecordError| MetaError::Corrupt(error.to_string());
        let found = found.map(UploadRecord::decode).transpose().map_err(corrupt)?;
        Ok(found.filter(|record| self.through.is_none_or(|way| came_by(record, way))))
    }
}

/// Whether an upload came through a share, and from somebody of the same tenant: others who came by it have their own.
pub(crate) fn came_by(record: &UploadRecord, way: ThroughShare) -> bool {
    record.through.is_some_and(|through| (through.share, through.tenant) == (way.share, way.tenant))
}

impl ObjectLookup for StoredUpload<'_> {
    /// What is stored under the upload's key so far has no part in it.
    fn access(&self) -> Result<Option<ObjectAccess>, MetaError> {
        Ok(None)
    }

    fn initiator(&self) -> Result<Option<Initiator>, MetaError> {
        Ok(self.read()?.map(|record| match record.through.filter(|_| self.as_mounted) {
            Some(through) => Initiator { user: through.user, through: None },
            None => Initiator { user: record.initiator(), through: record.through },
        }))
    }
}

/// Waits until what was decided about other tenants' resources is written down. An error ends the request: nothing of
/// it may be done or shown.
pub async fn settled(trail: Option<&Trail>) -> S3Result<()> {
    match trail {
        None => Ok(()),
        Some(trail) => trail.settled().await.map_err(|why| match why {
            Unaudited::Busy => S3Error::new(ErrorCode::SlowDown).detail(why),
            Unaudited::Failed(_) => S3Error::new(ErrorCode::ServiceUnavailable).detail(why),
        }),
    }
}

/// What a request says.
#[derive(Clone, Copy)]
pub struct Sent<'a> {
    /// Its headers.
    pub headers: &'a HeaderMap,
    /// Its query.
    pub query: &'a Query,
    /// Its document, of an operation whose document bears on the decision.
    pub document: Document<'a>,
}

/// A document that policies can ask about.
#[derive(Clone, Copy, Default)]
pub enum Document<'a> {
    /// Of no such operation.
    #[default]
    None,
    /// PutObjectTagging's.
    Tagging(&'a [u8]),
    /// CreateBucket's.
    CreateBucket(&'a [u8]),
}

impl<'a> Sent<'a> {
    /// A request without a document.
    pub fn new(headers: &'a HeaderMap, query: &'a Query) -> Self {
        Self { headers, query, document: Document::None }
    }
}

fn tags_of_header(headers: &HeaderMap) -> Result<Vec<(String, String)>, NotUnderstood> {
    match headers.get("x-amz-tagging") {
        Some(value) => tagging::from_header(value.as_bytes()).map_err(|_| NotUnderstood),
        None => Ok(Vec::new()),
    }
}

fn copy_source(headers: &HeaderMap) -> Result<Option<Vec<u8>>, NotUnderstood> {
    if !headers.contains_key("x-amz-copy-source") {
        return Ok(None);
    }
    let source = panthera_wire::headers::copy_source(headers).map_err(|_| NotUnderstood)?;
    Ok(Some([source.bucket.as_bytes(), b"/", &source.key].concat()))
}

fn location_constraint(body: &[u8]) -> Result<Option<String>, S3Error> {
    if body.trim_ascii().is_empty() {
        return Ok(None);
    }
    let mut reader = Reader::new(body)?;
    let mut found = None;
    reader.root("CreateBucketConfiguration")?;
    while let Some(name) = reader.child()? {
        match name {
            "LocationConstraint" => found = Some(reader.text()?.trim().to_owned()),
            _ => reader.skip()?,
        }
    }
    reader.finish()?;
    Ok(found.filter(|region| !region.is_empty()))
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

impl RequestFacts for Sent<'_> {
    fn header(&self, name: &str) -> Option<&str> {
        text(self.headers, name)
    }

    fn query(&self, name: &str) -> Option<&str> {
        self.query.get(name)
    }

    fn tags(&self) -> Result<Vec<(String, String)>, NotUnderstood> {
        match self.document {
            Document::Tagging(body) => tagging::from_xml(body, OBJECT_TAGS).map_err(|_| NotUnderstood),
            _ => tags_of_header(self.headers),
        }
    }

    fn copy_source(&self) -> Result<Option<Vec<u8>>, NotUnderstood> {
        copy_source(self.headers)
    }

    fn location_constraint(&self) -> Result<Option<String>, NotUnderstood> {
        match self.document {
            Document::CreateBucket(body) => location_constraint(body).map_err(|_| NotUnderstood),
            _ => Ok(None),
        }
    }
}

impl RequestFacts for Call {
    fn header(&self, name: &str) -> Option<&str> {
        text(&self.headers, name)
    }

    fn query(&self, name: &str) -> Option<&str> {
        self.query.get(name)
    }

    fn tags(&self) -> Result<Vec<(String, String)>, NotUnderstood> {
        tags_of_header(&self.headers)
    }

    fn copy_source(&self) -> Result<Option<Vec<u8>>, NotUnderstood> {
        copy_source(&self.headers)
    }
}

/// A listing through a share, as its owner's policies ask about it: by the owner's names.
pub struct Listed<'a> {
    /// What was sent.
    pub request: &'a dyn RequestFacts,
    /// The prefix in the owner's bucket.
    pub prefix: Cow<'a, str>,
}

impl<'a> Listed<'a> {
    /// Of a prefix as it is stored.
    pub fn new(request: &'a dyn RequestFacts, stored: &'a [u8]) -> Self {
        Self { request, prefix: String::from_utf8_lossy(stored) }
    }
}

impl RequestFacts for Listed<'_> {
    fn header(&self, name: &str) -> Option<&str> {
        self.request.header(name)
    }

    fn query(&self, name: &str) -> Option<&str> {
        if name == "prefix" { Some(&self.prefix) } else { self.request.query(name) }
    }
}

/// A request that gives a new object the tags of another one.
pub(crate) struct Copied<'a> {
    /// The request.
    pub call: &'a Call,
    /// The tags.
    pub tags: &'a [(String, String)],
}

impl RequestFacts for Copied<'_> {
    fn header(&self, name: &str) -> Option<&str> {
        self.call.header(name)
    }

    fn query(&self, name: &str) -> Option<&str> {
        self.call.query(name)
    }

    fn tags(&self) -> Result<Vec<(String, String)>, NotUnderstood> {
        Ok(self.tags.to_vec())
    }

    fn copy_source(&self) -> Result<Option<Vec<u8>>, NotUnderstood> {
        self.call.copy_source()
    }
}

/// Who sent a write: whom the audit log names for the list that it gives an object.
#[derive(Clone, Copy)]
pub(crate) struct Sender<'c> {
    /// Who.
    pub subject: &'c Subject,
    /// By which request.
    pub request_id: &'c str,
    /// From where.
    pub from: IpAddr,
}

/// The same, for what outlives its call.
pub(crate) struct SentBy {
    subject: Subject,
    request_id: String,
    from: IpAddr,
}

impl SentBy {
    pub(crate) fn new(subject: Subject, request_id: String, from: IpAddr) -> Self {
        Self { subject, request_id, from }
    }

    pub(crate) fn sender(&self) -> Sender<'_> {
        Sender { subject: &self.subject, request_id: &self.request_id, from: self.from }
    }
}

impl Call {
    /// Who sent it.
    pub(crate) fn sender(&self) -> Sender<'_> {
        Sender { subject: &self.caller.subject, request_id: &self.request_id, from: self.context.source_ip }
    }

    /// The bucket's name as the client knows it.
    pub(crate) fn shown_bucket(&self) -> &str {
        self.window.as_ref().map_or(&self.bucket_name, |window| &window.bucket)
    }

    /// The key as the client knows it.
    pub(crate) fn shown_key(&self) -> Cow<'_, [u8]> {
        self.window.as_ref().map_or(Cow::Borrowed(&*self.key), |window| Cow::Owned(window.shown(&self.key)))
    }

    /// The question whether the caller may do something in the bucket of this call. Through a mount the share is asked
    /// for; [`Self::both_allow`] asks for the caller, too.
    pub(crate) fn question(&self, action: Action) -> Question<'_> {
        let (tenant, name) = (self.bucket.tenant, &*self.bucket_name);
        let resource = Resource { tenant, bucket: Some(&self.bucket), name, key: None, object: None };
        let subject = self.mount.as_ref().map_or(&self.caller.subject, |mount| &mount.share);
        Question { subject, action, resource, context: &self.context, request: self }
    }

    /// Whether it is allowed on both sides of a mount, where the way is one.
    pub(crate) fn both_allow<'a>(
        &'a self,
        authz: &Authorizer,
        mount: Option<&'a Entered>,
        there: &Question<'a>,
    ) -> bool {
        let here = mount.map(|mount| mount.here(&self.caller.subject, there));
        here.is_none_or(|here| authz.decide(&here).allowed()) && authz.decide(there).allowed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_has_one_source_however_it_is_written() {
        let source = |text: &str| {
            let headers = HeaderMap::from_iter([("x-amz-copy-source".parse().unwrap(), text.parse().unwrap())]);
            copy_source(&headers)
        };
        for written in ["b/private/a", "/b/private/a", "b/private%2Fa", "/b%2fprivate/%61", "b/private/a?versionId=7"] {
            assert_eq!(source(written), Ok(Some(b"b/private/a".to_vec())), "{written}");
        }
        assert_eq!(source("b"), Err(NotUnderstood));
        assert_eq!(copy_source(&HeaderMap::new()), Ok(None));
    }
}
