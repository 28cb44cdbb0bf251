//! What the pipeline (crate `front`) hands to an object operation, and what it gets back.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use panthera_authz::{Context, Question, Resource, Subject, Visible};
use panthera_base::{Ordinal, S3Error, S3Result, Timestamp, UserId};
use panthera_meta::records::{BucketRecord, ThroughShare};

/// The object operations: Amazon's names. They live here and nowhere else.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[allow(missing_docs)]
pub enum NativeOp {
    AbortMultipartUpload,
    CompleteMultipartUpload,
    CopyObject,
    CreateMultipartUpload,
    DeleteObject,
    DeleteObjects,
    GetObject,
    GetObjectAttributes,
    HeadObject,
    ListMultipartUploads,
    ListObjectVersions,
    ListObjects,
    ListObjectsV2,
    ListParts,
    ListSharedFolder,
    PostObject,
    PutObject,
    UploadPart,
    UploadPartCopy,
}

impl NativeOp {
    /// Whether it is about one open upload.
    pub fn is_on_an_upload(self) -> bool {
        matches!(self, Self::CompleteMultipartUpload | Self::UploadPart | Self::UploadPartCopy)
            || self.is_of_the_initiator()
    }

    /// Whether the initiator of an upload may do it without any other right.
    pub fn is_of_the_initiator(self) -> bool {
        matches!(self, Self::AbortMultipartUpload | Self::ListParts)
    }
}

/// The decoded body of a request.
///
/// The end (`Ready(None)`) is given only when the whole body has been seen *and* is what the client announced: byte
/// counts, chunk signatures, x-amz-content-sha256 and the framing of trailers. Anything else is an error, after which
/// nothing may be stored. Content-MD5 and x-amz-checksum-* are the operation's business.
pub trait Payload: Send {
    /// Decoded length, when the client announced one (Content-Length or x-amz-decoded-content-length).
    fn declared_len(&self) -> Option<u64>;

    /// The next bytes. Never an empty `Bytes`.
    fn poll_next(&mut self, cx: &mut TaskContext<'_>) -> Poll<Option<S3Result<Bytes>>>;

    /// Trailing headers (`x-amz-checksum-…`), lower-case names; complete after the end.
    fn trailers(&self) -> &[(String, String)];
}

/// Who calls: the subject for decisions and what operations write down about the caller.
#[derive(Clone, Debug)]
pub struct Caller {
    /// For step 5.
    pub subject: Subject,
    /// Owner of what the caller creates; 0 for anonymous.
    pub user: panthera_base::UserId,
    /// 64 hex digits, or empty for anonymous.
    pub canonical_id: String,
    /// Display name for owner elements.
    pub display_name: String,
}

/// Query parameters in the order sent, percent-decoded (`+` stays `+` in names and values only where it was `%2B`).
#[derive(Clone, Debug, Default)]
pub struct Query(pub Vec<(String, String)>);

impl Query {
    /// First value of the parameter.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }
}

/// The names under which a client knows a place that lies elsewhere: what is behind a share link, or behind a mount.
/// Answers have these names and never the owner's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Window {
    /// How the keys begin where they lie.
    pub stored: Vec<u8>,
    /// How they begin for the client.
    pub shown: Vec<u8>,
    /// The bucket's name for the client.
    pub bucket: String,
    /// Of a mount: the share it is of, and who bears it here.
    pub through: Option<ThroughShare>,
    /// Who is shown to own what lies there: the owner of the bucket it is mounted in.
    pub owner: UserId,
}

impl Window {
    /// The client's name of a key.
    pub fn shown(&self, stored: &[u8]) -> Vec<u8> {
        let rest = stored.strip_prefix(self.stored.as_slice()).unwrap_or_default();
        [&self.shown[..], rest].concat()
    }

    /// An error in the client's names, also one that comes when the answer has begun.
    pub fn disguise_late(&self, body: ReplyBody) -> ReplyBody {
        let ReplyBody::Slow(work) = body else { return body };
        let window = self.clone();
        ReplyBody::Slow(Box::pin(async move { work.await.map_err(|error| window.disguise(error)) }))
    }

    /// An error in the client's names.
    pub fn disguise(&self, error: S3Error) -> S3Error {
        if error.is_in_clients_names() {
            return error;
        }
        error.map_fields(|name, value| match name {
            "Key" => Some(String::from_utf8_lossy(&self.shown(value.as_bytes())).into_owned()),
            "BucketName" => Some(self.bucket.clone()),
            _ => None,
        })
    }
}

/// Both sides of a mount: who enters, and the place that is entered from.
pub struct Entered {
    /// The share, as a subject.
    pub share: Subject,
    /// The bucket it is mounted in.
    pub bucket: Arc<BucketRecord>,
    /// Its name.
    pub name: String,
    /// The key there.
    pub key: Vec<u8>,
}

impl Entered {
    /// What is asked of the share, asked of the caller where it is mounted: as if the object lay there. Nothing is
    /// stored there.
    pub fn here<'a>(&'a self, subject: &'a Subject, there: &Question<'a>) -> Question<'a> {
        let (tenant, bucket, key) = (self.bucket.tenant, Some(&*self.bucket), Some(&*self.key));
        let resource = Resource { tenant, bucket, name: &self.name, key, object: None };
        Question { subject, resource, ..*there }
    }
}

/// One request, past step 5.
pub struct Call {
    /// Which operation.
    pub op: NativeOp,
    /// x-amz-request-id.
    pub request_id: String,
    /// When the request arrived.
    pub now: Timestamp,
    /// The bucket of the request.
    pub bucket: Arc<BucketRecord>,
    /// The bucket's name.
    pub bucket_name: String,
    /// The object's key, percent-decoded bytes, or as a form has it; empty for bucket operations.
    pub key: Vec<u8>,
    /// Query parameters.
    pub query: Query,
    /// Request headers.
    pub headers: HeaderMap,
    /// Who calls.
    pub caller: Caller,
    /// For further decisions inside the operation (copy source, each key of DeleteObjects).
    pub context: Context,
    /// Of a listing: the keys it may name. `None` is all of them.
    pub visible: Option<Box<Visible>>,
    /// The version that was decided about, where the decision looked at one: what is shown must be of it.
    pub decided: Option<Ordinal>,
    /// PostObject's form fields before the file, in order: (lower-case name, value). Empty for others.
    pub form: Vec<(String, Vec<u8>)>,
    /// The client's names, when they are not those of the place where this works.
    pub window: Option<Window>,
    /// The mount through which the key was named: bucket and key are those of the share, and both sides are asked.
    pub mount: Option<Entered>,
    /// Scheme and authority the client used (`http://localhost:9000`), for Location elements.
    pub base_url: String,
    /// The body.
    pub payload: Box<dyn Payload>,
}

/// Bytes of an answer, in order, verified. An error aborts the connection: a short body never ends cleanly.
pub trait ByteStream: Send {
    /// The next bytes.
    fn poll_next(&mut self, cx: &mut TaskContext<'_>) -> Poll<Option<S3Result<Bytes>>>;
}

/// The headers and the document of an answer that takes long.
pub type SlowReply = Pin<Box<dyn Future<Output = S3Result<(HeaderMap, Bytes)>> + Send>>;

/// The body of an answer.
pub enum ReplyBody {
    /// None.
    Empty,
    /// Whole.
    Bytes(Bytes),
    /// Exactly this many bytes.
    Stream(u64, Box<dyn ByteStream>),
    /// An XML document that may take long. The pipeline answers 200 and keeps the connection alive with whitespace
    /// when it takes more than a few seconds; an error then comes as an error document inside the 200.
    Slow(SlowReply),
}

/// An answer. The pipeline adds request ids, Date, Server and Content-Length.
///
/// HeadObject answers like GetObject: it sets `content-length` itself and sends `Empty`.
pub struct Reply {
    /// Status.
    pub status: StatusCode,
    /// Headers.
    pub headers: HeaderMap,
    /// Body.
    pub body: ReplyBody,
}

impl Reply {
    /// An answer without a body.
    pub fn empty(status: StatusCode) -> Self {
        Self { status, headers: HeaderMap::new(), body: ReplyBody::Empty }
    }

    /// 200 with an XML document.
    pub fn xml(body: impl Into<Bytes>) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static("application/xml"));
        Self { status: StatusCode::OK, headers, body: ReplyBody::Bytes(body.into()) }
    }
}

/// An error of an operation is an error document; see [`S3Error`].
pub type OpResult = Result<Reply, S3Error>;
