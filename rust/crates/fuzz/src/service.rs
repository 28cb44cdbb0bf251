//! The object operations: any query, headers and body. No call may panic or answer InternalError.

use std::sync::{Arc, LazyLock};
use std::task::{Context as TaskContext, Poll};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use panthera_authz::{Authorizer, Context, Subject};
use panthera_base::{
    BucketId, Clock, ErrorCode, OrdinalSource, S3Error, S3Result, TenantId, Timestamp, UserId, limits,
};
use panthera_meta::memory::Memory;
use panthera_meta::records::{BucketRecord, Ownership, TenantRecord, UserRecord, Versioning};
use panthera_meta::{Batch, Metastore, keys};
use panthera_object::api::{Call, Caller, NativeOp, Payload, Query, ReplyBody};
use panthera_object::commit::{Ticket, sink};
use panthera_object::{ObjectService, form_key};
use panthera_sim::MemDisk;
use panthera_volume::{Store, StoreOptions};
use panthera_wire::{uri, xml};
use tokio::runtime::Runtime;

use crate::signer::NOW;
use crate::tape::Tape;

const TENANT: TenantId = TenantId(1);
const OWNER: UserId = UserId(5);
const BUCKET: BucketId = BucketId(7);

static RUNTIME: LazyLock<Option<Runtime>> =
    LazyLock::new(|| tokio::runtime::Builder::new_current_thread().build().ok());

struct Fixed;

impl Clock for Fixed {
    fn now(&self) -> Timestamp {
        Timestamp::from_secs(NOW)
    }
}

/// A body that comes in pieces.
struct Body {
    pieces: Vec<Bytes>,
    len: u64,
}

impl Payload for Body {
    fn declared_len(&self) -> Option<u64> {
        Some(self.len)
    }

    fn poll_next(&mut self, _: &mut TaskContext<'_>) -> Poll<Option<S3Result<Bytes>>> {
        Poll::Ready(self.pieces.pop().map(Ok))
    }

    fn trailers(&self) -> &[(String, String)] {
        &[]
    }
}

/// What came back, read to its end.
pub(crate) struct Answer {
    pub body: Bytes,
    pub error: Option<S3Error>,
}

/// A service over memory with one bucket, made anew for each input.
pub(crate) struct Scene {
    service: Arc<ObjectService>,
    volumes: Arc<Store<Ticket>>,
    bucket: Arc<BucketRecord>,
}

impl Scene {
    pub fn new(versioning: Versioning) -> Self {
        let meta: Arc<dyn Metastore> = Arc::new(Memory::new());
        let options = StoreOptions { sync: false, min_free_bytes: 0, ..StoreOptions::new("fuzz") };
        let opened = Store::open(Arc::new(MemDisk::new()), options, sink(Arc::clone(&meta)));
        let Ok((volumes, _)) = opened else { panic!("an empty store does not open") };
        // Where access control lists count, so that headers with lists go all the way.
        let ownership = Ownership::ObjectWriter;
        let bucket =
            BucketRecord { versioning, ownership, id: BUCKET, tenant: TENANT, owner: OWNER, ..BucketRecord::default() };
        let tenant = TenantRecord { id: TENANT, domain_key: [3; 32], ..TenantRecord::default() };
        let user = UserRecord { id: OWNER, tenant: TENANT, name: "root".into(), ..UserRecord::default() };
        let mut batch = Batch::default();
        batch.put(keys::tenant(TENANT), tenant.encode()).put(keys::user(OWNER), user.encode());
        batch.put(keys::bucket(b"bucket"), bucket.encode()).put(keys::fence(BUCKET), bucket.fence(0).encode());
        assert!(meta.commit(&batch).is_ok());
        let authz = Arc::new(Authorizer::default());
        let opened = ObjectService::open(meta, Arc::clone(&volumes), authz, OrdinalSource::default(), Arc::new(Fixed));
        let Ok(service) = opened else { panic!("a service over memory does not open") };
        Self { service, volumes, bucket: Arc::new(bucket) }
    }

    pub fn call(&self, op: NativeOp, key: &[u8]) -> Call {
        let now = Timestamp::from_secs(NOW);
        Call {
            op,
            request_id: "0123456789ABCDEF".into(),
            now,
            bucket: Arc::clone(&self.bucket),
            bucket_name: "bucket".into(),
            key: key.to_vec(),
            query: Query::default(),
            headers: HeaderMap::new(),
            caller: Caller {
                subject: Subject::User { tenant: TENANT, user: OWNER, admin: true },
                user: OWNER,
                canonical_id: "ab".repeat(32),
                display_name: "root".into(),
            },
            context: Context::at(now, [127, 0, 0, 1].into(), false),
            visible: None,
            decided: None,
            form: Vec::new(),
            window: None,
            mount: None,
            base_url: "http://localhost:9000".into(),
            payload: Box::new(Body { pieces: Vec::new(), len: 0 }),
        }
    }

    /// Sends it and reads the answer; an answer must be well-formed whatever it says.
    pub fn send(&self, call: Call) -> Answer {
        let op = call.op;
        let Some(runtime) = RUNTIME.as_ref() else { panic!("no runtime") };
        match runtime.block_on(self.answer(call)) {
            Ok(body) => Answer { body, error: None },
            Err(error) => {
                assert_ne!(error.status(), 500, "{op:?}: {error:?}");
                Answer { body: Bytes::new(), error: Some(error) }
            }
        }
    }

    async fn answer(&self, call: Call) -> S3Result<Bytes> {
        let reply = self.service.handle(call).await?;
        assert!(reply.status.is_success() || reply.status.as_u16() == 304, "{}", reply.status);
        match reply.body {
            ReplyBody::Empty => Ok(Bytes::new()),
            ReplyBody::Bytes(bytes) => Ok(bytes),
            ReplyBody::Slow(work) => work.await.map(|(_, bytes)| bytes),
            ReplyBody::Stream(len, mut stream) => {
                let mut all = Vec::new();
                while let Some(piece) = std::future::poll_fn(|cx| stream.poll_next(cx)).await {
                    all.extend_from_slice(&piece?);
                }
                assert_eq!(all.len() as u64, len, "the body has another length than announced");
                Ok(all.into())
            }
        }
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        self.volumes.close();
    }
}

const OPERATIONS: [NativeOp; 18] = [
    NativeOp::PutObject,
    NativeOp::GetObject,
    NativeOp::CreateMultipartUpload,
    NativeOp::UploadPart,
    NativeOp::CompleteMultipartUpload,
    NativeOp::DeleteObjects,
    NativeOp::CopyObject,
    NativeOp::ListObjectsV2,
    NativeOp::ListObjects,
    NativeOp::ListObjectVersions,
    NativeOp::ListMultipartUploads,
    NativeOp::ListParts,
    NativeOp::UploadPartCopy,
    NativeOp::AbortMultipartUpload,
    NativeOp::DeleteObject,
    NativeOp::GetObjectAttributes,
    NativeOp::HeadObject,
    NativeOp::PostObject,
];

/// Those the pipeline calls without a key, and no others.
const OF_BUCKETS: [NativeOp; 6] = [
    NativeOp::DeleteObjects,
    NativeOp::ListObjectsV2,
    NativeOp::ListObjects,
    NativeOp::ListObjectVersions,
    NativeOp::ListMultipartUploads,
    NativeOp::PostObject,
];

/// One request as text: `op key?query`, header lines, an empty line, the body. `UPLOAD` and `VERSION` in the query stand
/// for what the answers before said.
fn request(scene: &Scene, text: &[u8], seen: &[(String, String)]) -> Call {
    let end = text.windows(2).position(|w| w == b"\n\n").unwrap_or(text.len());
    let (head, body) = (String::from_utf8_lossy(&text[..end]), text.get(end + 2..).unwrap_or_default());
    let mut lines = head.split('\n');
    let (op, target) = lines.next().and_then(|line| line.split_once(' ')).unwrap_or_default();
    let named = OPERATIONS.into_iter().find(|known| format!("{known:?}") == op);
    let op = named.unwrap_or(OPERATIONS[op.len() % OPERATIONS.len()]);
    let (key, query) = target.split_once('?').unwrap_or((target, ""));
    let key: Vec<u8> = uri::percent_decode(key).unwrap_or_default();
    let mut key = String::from_utf8_lossy(&key).into_owned();
    // The pipeline has refused what is longer.
    while key.len() > limits::KEY_BYTES {
        key.pop();
    }
    if key.is_empty() && !OF_BUCKETS.contains(&op) {
        key.push('k');
    }
    let mut call = scene.call(op, key.as_bytes());
    call.query = Query(uri::parse_query(query));
    for (_, value) in &mut call.query.0 {
        if let Some((_, said)) = seen.iter().rev().find(|(name, _)| *name == *value) {
            value.clone_from(said);
        }
    }
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        if op == NativeOp::PostObject && call.form.len() < 16 {
            call.form.push((name.to_ascii_lowercase(), value.trim().as_bytes().to_vec()));
        }
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::from_str(value.trim())) {
            call.headers.append(name, value);
        }
    }
    if op == NativeOp::PostObject {
        call.key = form_key(&call.form, Some("file.txt")).unwrap_or_else(|_| b"form".to_vec());
    }
    let pieces = body.chunks(1000).rev().map(Bytes::copy_from_slice).collect();
    call.payload = Box::new(Body { pieces, len: body.len() as u64 });
    call
}

/// The versioning, then requests in a row, a line of `===` between them.
pub fn operations(data: &[u8]) {
    play(data);
}

/// What each request was answered.
fn play(data: &[u8]) -> Vec<Option<ErrorCode>> {
    let mut codes = Vec::new();
    let Some((first, rest)) = data.split_first() else { return codes };
    let versioning = Tape::new(&[*first]).pick(&[Versioning::Never, Versioning::Enabled, Versioning::Suspended]);
    let scene = Scene::new(versioning);
    let mut seen: Vec<(String, String)> = Vec::new();
    let mut start = 0;
    for _ in 0..12 {
        let Some(rest) = rest.get(start..).filter(|rest| !rest.is_empty()) else { break };
        let len = rest.windows(5).position(|w| w == b"\n===\n").unwrap_or(rest.len());
        let call = request(&scene, &rest[..len], &seen);
        let documents = !matches!(call.op, NativeOp::GetObject | NativeOp::HeadObject);
        let op = call.op;
        let answer = scene.send(call);
        if documents && answer.error.is_none() && !answer.body.is_empty() {
            assert!(xml::Reader::new(&answer.body).is_ok(), "{op:?} answers no document");
            let text = String::from_utf8_lossy(&answer.body);
            for (word, element) in
                [("UPLOAD", "UploadId"), ("VERSION", "VersionId"), ("TOKEN", "NextContinuationToken")]
            {
                let said = text.split_once(&format!("<{element}>")).and_then(|(_, rest)| rest.split_once('<'));
                seen.extend(said.map(|(said, _)| (word.to_owned(), said.to_owned())));
            }
        }
        codes.push(answer.error.map(|error| error.code()));
        start += len + 5;
    }
    codes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seed(name: &str) -> Vec<Option<ErrorCode>> {
        let path = format!("{}/../../fuzz/corpus/operations/{name}", env!("CARGO_MANIFEST_DIR"));
        play(&std::fs::read(path).unwrap())
    }

    #[test]
    fn the_seeds_reach_what_they_are_for() {
        assert_eq!(seed("story-1"), [None; 8]);
        // The source of the copied part is not there, and after completion the upload is not, either.
        let (source, upload) = (Some(ErrorCode::NoSuchKey), Some(ErrorCode::NoSuchUpload));
        assert_eq!(seed("upload-0"), [None, None, source, None, None, None, None, upload]);
        assert_eq!(seed("batch-0"), [None; 5]);
    }
}
