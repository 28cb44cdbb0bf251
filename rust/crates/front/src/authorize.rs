//! Step 5: what is asked of authorization for a request, and what a refusal or a missing key may tell.
//!
//! Belongs here: from a matched and authenticated request to questions, and from answers to errors. Does not belong
//! here: any decision (crate `authz`).

use std::borrow::Cow;
use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue};
use panthera_authz::{
    Action, Authentication, Context, Listing, ObjectLookup, Question, RequestFacts, Resource, Subject, Visible,
};
use panthera_base::{ErrorCode, Ordinal, S3Error, S3Result, TenantId};
use panthera_meta::records::BucketRecord;
use panthera_object::api::Entered;
use panthera_object::{Document, Listed, Sent, StoredObject, StoredUpload, form_headers, owns};
use panthera_wire::auth::SignatureVersion;
use panthera_wire::headers;

use crate::request::{Known, Matched, Peer};
use crate::shared::Shared;
use crate::table::{Asks, Auth, Reveal};

const TAGGING: HeaderName = HeaderName::from_static("x-amz-tagging");

/// What the server knows of the request, for step 5 and for what operations ask further.
pub(crate) fn context(shared: &Shared, matched: &Matched<'_>, known: &Known, peer: &Peer) -> Context {
    let authentication = match known.identity.how {
        None => Authentication::default(),
        Some((version, place)) => Authentication {
            kind: Some(match place {
                "AuthHeader" => "REST-HEADER",
                "QueryString" => "REST-QUERY-STRING",
                _ => "POST",
            }),
            version: Some(match version {
                SignatureVersion::V2 => "AWS",
                SignatureVersion::V4 => "AWS4-HMAC-SHA256",
            }),
            signed_at: known.identity.signed_at,
        },
    };
    Context {
        now: matched.now,
        source_ip: matched.client.ip,
        secure_transport: matched.client.secure,
        tls_version: peer.tls_version.map(|version| version.trim_start_matches("TLSv")),
        authentication,
        region: shared.region,
        trail: None,
    }
}

/// One side of a question: who asks, and for what.
#[derive(Clone, Copy)]
struct Side<'a> {
    subject: &'a Subject,
    bucket: Option<&'a Arc<BucketRecord>>,
    name: &'a str,
    key: Option<&'a [u8]>,
    /// Nothing is stored there: what is asked for lies behind a mount.
    mounted: bool,
}

/// What step 5 hands to the operation.
#[derive(Default)]
pub(crate) struct Granted {
    /// Of a listing that may not show every name: those it may.
    pub visible: Option<Box<Visible>>,
    /// The version that was decided about, where the decision looked at one.
    pub version: Option<Ordinal>,
}

/// Step 5. What it finds missing is told in the names of who asks.
pub(crate) fn authorize(
    shared: &Shared,
    matched: &Matched<'_>,
    known: &Known,
    head: &http::request::Parts,
    context: &Context,
) -> S3Result<Granted> {
    let granted = decided(shared, matched, known, head, context);
    granted.map_err(|error| match &known.elsewhere {
        Some(elsewhere) => elsewhere.disguise(error),
        None => error,
    })
}

fn decided(
    shared: &Shared,
    matched: &Matched<'_>,
    known: &Known,
    head: &http::request::Parts,
    context: &Context,
) -> S3Result<Granted> {
    let bucket =
        known.bucket.as_ref().map(|(record, _)| record).filter(|_| matched.row.action != Action::CREATE_BUCKET);
    let named = matched.address.scope.has_key() || matched.row.auth == Auth::Form;
    let key = named.then_some(matched.address.key.as_slice());
    let subject = &known.identity.caller.subject;
    // What a mount hides is not there, whatever its share is worth at this moment.
    let mounted = known.blocked.is_some();
    let mut side = Side { subject, bucket, name: &matched.address.bucket, key, mounted };
    let headers = &*meant_headers(matched, known, &head.headers)?;
    let entered = known.elsewhere.as_ref().and_then(|elsewhere| elsewhere.mount.as_ref());
    if let Some(entered) = entered {
        // Through a mount both must allow it: the caller's side as if the object lay there, and the share's.
        let Entered { bucket, name, key, .. } = entered;
        let here = Side { subject, bucket: Some(bucket), name, key: Some(key), mounted: true };
        permitted(shared, (matched, known), headers, context, here)?;
        side.subject = &entered.share;
    }
    let granted = permitted(shared, (matched, known), headers, context, side)?;
    let addressed = entered.map(|entered| &entered.bucket).or(bucket);
    let expected = [headers, &head.headers].into_iter().find_map(|all| all.get("x-amz-expected-bucket-owner"));
    match (expected, addressed) {
        (Some(expected), Some(bucket)) if !owns(&*shared.meta, expected, bucket)? => {
            Err(ErrorCode::AccessDenied.into())
        }
        _ => Ok(granted),
    }
}

/// Asks everything a request asks for, of one side.
fn permitted(
    shared: &Shared,
    (matched, known): (&Matched<'_>, &Known),
    headers: &HeaderMap,
    context: &Context,
    side: Side<'_>,
) -> S3Result<Granted> {
    let Side { subject, bucket, name, key, mounted } = side;
    let own = match subject {
        Subject::User { tenant, .. } => *tenant,
        Subject::Share(by) => by.tenant,
        Subject::Anonymous => TenantId(0),
    };
    let version = matched.query.get("versionId");
    let upload = upload(shared, matched, known, mounted);
    let stored = bucket.zip(key).filter(|_| !mounted && upload.is_none());
    let stored = stored.map(|(bucket, key)| StoredObject::new(&*shared.meta, bucket, key, version));
    let (tenant, bucket) = (bucket.map_or(own, |b| b.tenant), bucket.map(|b| &**b));
    let request = &Sent { headers, query: &matched.query, document: document(matched, known) };
    // DeleteObjects asks for each key it names: nobody needs a right on the bucket to send it.
    let asked = matched.row.actions(headers, &matched.query).filter(|_| !matched.row.asks_each_key());
    let mut visible = None;
    for action in asked {
        // What is created is not what is stored under the key so far; its conditions are about that.
        let stored =
            stored.as_ref().filter(|_| matched.row.action != Action::PUT_OBJECT || action == Action::GET_OBJECT);
        let object = stored.map(|object| object as &dyn ObjectLookup);
        let object = object.or(upload.as_ref().map(|upload| upload as &dyn ObjectLookup));
        let resource = Resource { tenant, bucket, name, key, object };
        let listing = ask(shared, (matched, known), &Question { subject, action, resource, context, request });
        match listing {
            Listing::Denied(decision) if matched.row.auth != Auth::None => {
                let refused = S3Error::new(ErrorCode::AccessDenied).detail(format_args!("{:?}", decision.reason));
                let write = Question { subject, action: Action::PUT_OBJECT, resource, context, request };
                let missing = missing_all_the_same(shared, matched, known, context, stored);
                return Err(missing.or_else(|| no_upload(shared, upload.as_ref(), &write)).unwrap_or(refused));
            }
            Listing::Filtered(names) => visible = Some(names),
            Listing::Denied(_) | Listing::Everything => {}
        }
    }
    Ok(Granted { visible, version: stored.as_ref().and_then(StoredObject::decided) })
}

/// The upload of an operation that its initiator may do.
fn upload<'a>(
    shared: &'a Shared,
    matched: &'a Matched<'_>,
    known: &'a Known,
    as_mounted: bool,
) -> Option<StoredUpload<'a>> {
    // Behind a share that does not stand there is none.
    matched.row.native().filter(|op| op.is_of_the_initiator() && known.blocked.is_none())?;
    let (bucket, _) = known.bucket.as_ref()?;
    Some(StoredUpload {
        meta: &*shared.meta,
        bucket: bucket.id,
        key: &matched.address.key,
        id: matched.query.get("uploadId").unwrap_or_default(),
        through: known.elsewhere.as_ref().and_then(|elsewhere| elsewhere.window.through),
        as_mounted,
    })
}

/// Who may write a key is told that an upload to it is gone, as writing a part would tell him: it was his own, perhaps.
fn no_upload(shared: &Shared, upload: Option<&StoredUpload<'_>>, write: &Question<'_>) -> Option<S3Error> {
    let upload = upload.filter(|upload| matches!(upload.read(), Ok(None)))?;
    let missing = || S3Error::new(ErrorCode::NoSuchUpload).field("UploadId", upload.id);
    shared.authz.decide(write).allowed().then(missing)
}

/// The headers that operations will read: those sent and those a presigned URL carries in its query; of a form, only the
/// fields that stand for headers. What is decided here must be what is done later.
fn meant_headers<'a>(matched: &Matched<'_>, known: &Known, sent: &'a HeaderMap) -> S3Result<Cow<'a, HeaderMap>> {
    if matched.row.auth == Auth::Form {
        return meant_fields(known, sent).map(Cow::Owned);
    }
    let hoisted =
        |(name, _): &(String, String)| name.get(..6).is_some_and(|start| start.eq_ignore_ascii_case("x-amz-"));
    if !matched.query.0.iter().any(hoisted) {
        return Ok(Cow::Borrowed(sent));
    }
    let mut headers = sent.clone();
    headers::adopt_hoisted(&mut headers, &matched.query.0)?;
    Ok(Cow::Owned(headers))
}

/// Of a form: what its fields stand for, and what the browser says of itself. Headers that would mean something to a
/// request without a form mean nothing here.
fn meant_fields(known: &Known, sent: &HeaderMap) -> S3Result<HeaderMap> {
    let mut headers = form_headers(&known.form.fields)?;
    let read = |name: &HeaderName| name.as_str().starts_with("x-amz-") || name.as_str().starts_with("if-");
    let own = sent.iter().filter(|(name, _)| !read(name));
    for (name, value) in own {
        headers.entry(name).or_insert_with(|| value.clone());
    }
    if known.form.fields.iter().any(|(name, _)| name == "tagging") {
        // What the tags are is asked of the document.
        headers.insert(TAGGING, HeaderValue::from_static("document"));
    }
    Ok(headers)
}

/// The document that policies may ask about.
fn document<'a>(matched: &Matched<'_>, known: &'a Known) -> Document<'a> {
    match (&*matched.row.name, &known.document) {
        ("PutObjectTagging", Some(body)) => Document::Tagging(body),
        ("CreateBucket", Some(body)) => Document::CreateBucket(body),
        _ => match known.form.fields.iter().find(|(name, _)| name == "tagging") {
            Some((_, tags)) => Document::Tagging(tags),
            None => Document::None,
        },
    }
}

/// The answer to one of a request's questions. Only operations that list are told to do it in part.
fn ask(shared: &Shared, (matched, known): (&Matched<'_>, &Known), question: &Question<'_>) -> Listing {
    let decision = match matched.row.asks(question.action) {
        Asks::Names => {
            let prefix = matched.query.get("prefix").unwrap_or_default();
            let Some(place) = &known.elsewhere else { return shared.authz.listing(question, prefix.as_bytes()) };
            let stored = [&place.window.stored[..], prefix.as_bytes()].concat();
            let request = &Listed::new(question.request, &stored);
            return shared.authz.listing(&Question { request, ..*question }, &stored);
        }
        Asks::Bucket => shared.authz.knows(question),
        Asks::Buckets => shared.authz.asks_for_buckets(question),
        Asks::Action => shared.authz.decide(question),
    };
    if decision.allowed() { Listing::Everything } else { Listing::Denied(decision) }
}

/// Who may list a key's name but not read it is told when there is no such key (AWS: 404 with `s3:ListBucket`).
fn missing_all_the_same(
    shared: &Shared,
    matched: &Matched<'_>,
    known: &Known,
    context: &Context,
    stored: Option<&StoredObject<'_>>,
) -> Option<S3Error> {
    if matched.query.get("versionId").is_some() {
        // The key may well be there; which versions it has is not a lister's of names to know.
        return None;
    }
    let asked = Concealed::of(matched, known, context)?;
    let missing = asked.reveals(shared) && matches!(stored?.access(), Ok(None));
    missing.then(|| S3Error::new(ErrorCode::NoSuchKey).field("Key", String::from_utf8_lossy(&asked.key)))
}

/// What a missing key is told by: who asked, and for which key of which bucket. Kept only for rows that reveal.
pub(crate) struct Concealed {
    subject: Subject,
    bucket: Arc<BucketRecord>,
    name: String,
    key: Vec<u8>,
    context: Context,
}

/// The prefix of a question about one key is the key: who may list no more than that may still know of it.
struct ListsKey<'a>(&'a str);

impl RequestFacts for ListsKey<'_> {
    fn header(&self, _: &str) -> Option<&str> {
        None
    }

    fn query(&self, name: &str) -> Option<&str> {
        (name == "prefix").then_some(self.0)
    }
}

impl Concealed {
    pub(crate) fn of(matched: &Matched<'_>, known: &Known, context: &Context) -> Option<Self> {
        let Matched { row, address, .. } = matched;
        let (bucket, _) = known.bucket.as_ref()?;
        (row.reveal == Reveal::ToListers && row.scope.has_key()).then(|| Self {
            subject: known.asks().clone(),
            bucket: Arc::clone(bucket),
            name: address.bucket.clone(),
            key: address.key.clone(),
            context: context.clone(),
        })
    }

    /// Who may not list a bucket does not learn which keys are missing in it.
    pub(crate) fn conceal(&self, shared: &Shared, error: S3Error) -> S3Error {
        let tells = matches!(error.code(), ErrorCode::NoSuchKey | ErrorCode::NoSuchVersion);
        if tells && !self.reveals(shared) { S3Error::new(ErrorCode::AccessDenied).detail(error) } else { error }
    }

    /// Whether the caller may know of the key's name.
    fn reveals(&self, shared: &Shared) -> bool {
        let Self { subject, bucket, name, key, context } = self;
        let resource = Resource { tenant: bucket.tenant, bucket: Some(bucket), name, key: Some(key), object: None };
        let request = ListsKey(std::str::from_utf8(key).unwrap_or_default());
        shared.authz.reveals(&Question { subject, action: Action::LIST_BUCKET, resource, context, request: &request })
    }
}
