//! The stage for tests: a service over the memory metastore and real volumes in a temporary directory.

use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};

use bytes::Bytes;
use http::HeaderMap;
use panthera_authz::{Authorizer, Context, Subject};
use panthera_base::{BucketId, ErrorCode, Ordinal, OrdinalSource, S3Error, S3Result, SystemClock, TenantId, Timestamp};
use panthera_base::{UserId, limits};
use panthera_meta::memory::Memory;
use panthera_meta::records::{BucketRecord, ChunkRef, Manifest, ObjectRecord, TenantRecord, UserRecord, Versioning};
use panthera_meta::{Batch, Metastore, keys};
use panthera_volume::{ChunkId, Disk, Lane, NewChunk, RealDisk, Store, StoreOptions};

use crate::ObjectService;
use crate::api::{Call, Caller, NativeOp, Payload, Query, Reply, ReplyBody};
use crate::commit::{Ticket, sink};

pub(crate) const TENANT: TenantId = TenantId(1);
pub(crate) const OWNER: UserId = UserId(5);
pub(crate) const BUCKET: BucketId = BucketId(7);
pub(crate) const DOMAIN: [u8; 32] = [3; 32];

/// A service with one tenant, one user and one bucket.
pub(crate) struct Scene {
    pub service: Arc<ObjectService>,
    pub meta: Arc<dyn Metastore>,
    pub bucket: BucketRecord,
    pub volumes: Arc<Store<Ticket>>,
    pub dir: tempfile::TempDir,
}

struct NoBody;

impl Payload for NoBody {
    fn declared_len(&self) -> Option<u64> {
        Some(0)
    }

    fn poll_next(&mut self, _: &mut TaskContext<'_>) -> Poll<Option<S3Result<Bytes>>> {
        Poll::Ready(None)
    }

    fn trailers(&self) -> &[(String, String)] {
        &[]
    }
}

impl Scene {
    pub fn new(versioning: Versioning) -> Self {
        Self::over(Arc::new(Memory::new()), versioning)
    }

    pub fn over(meta: Arc<dyn Metastore>, versioning: Versioning) -> Self {
        Self::on(meta, versioning, |disk| Arc::new(disk))
    }

    /// A scene whose volumes are on another disk, made from the real one.
    pub fn on(meta: Arc<dyn Metastore>, versioning: Versioning, disk: impl FnOnce(RealDisk) -> Arc<dyn Disk>) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let disk = disk(RealDisk::open(dir.path()).expect("a disk"));
        let options = StoreOptions { sync: false, min_free_bytes: 0, ..StoreOptions::new(dir.path()) };
        let (volumes, _) = Store::open(disk, options, sink(Arc::clone(&meta))).expect("a store");
        let authz = Arc::new(Authorizer::default());
        let service = ObjectService::open(
            Arc::clone(&meta),
            Arc::clone(&volumes),
            authz,
            OrdinalSource::default(),
            Arc::new(SystemClock),
        );
        let bucket = BucketRecord { versioning, id: BUCKET, tenant: TENANT, owner: OWNER, ..BucketRecord::default() };
        let scene = Self { service: service.expect("a service"), meta, bucket, volumes, dir };
        let tenant = TenantRecord { id: TENANT, domain_key: DOMAIN, ..TenantRecord::default() };
        let user = UserRecord {
            id: OWNER,
            tenant: TENANT,
            canonical_id: [0xAB; 32],
            name: "root".into(),
            display_name: Some("M. Tester".into()),
            ..UserRecord::default()
        };
        let mut batch = Batch::default();
        batch.put(keys::tenant(TENANT), tenant.encode()).put(keys::user(OWNER), user.encode());
        scene.commit(&batch);
        scene
    }

    pub fn commit(&self, batch: &Batch) {
        self.meta.commit(batch).expect("a commit");
    }

    /// The bucket's `o` row of a key.
    pub fn put_object(&self, key: &[u8], record: &ObjectRecord) {
        self.commit(Batch::default().put(keys::object(BUCKET, key), record.encode()));
    }

    /// A `v` row of a key.
    pub fn put_version(&self, key: &[u8], record: &ObjectRecord) {
        self.commit(Batch::default().put(keys::version(BUCKET, key, record.ordinal), record.encode()));
    }

    /// Stores bytes as chunks of at most `size`.
    pub async fn store(&self, bytes: &[u8], size: usize) -> Vec<ChunkRef> {
        let mut refs = Vec::new();
        let mut chunks = Vec::new();
        for piece in bytes.chunks(size) {
            let id = ChunkId::of(&DOMAIN, piece);
            refs.push(ChunkRef { id: id.0, len: piece.len() as u32 });
            chunks.push(NewChunk { id, data: Bytes::copy_from_slice(piece) });
        }
        let (done, stored) = tokio::sync::oneshot::channel();
        self.volumes.submit(Lane::ALL[0], chunks, Ticket::Stored(done));
        stored.await.expect("an answer").expect("durable");
        refs
    }

    /// A record of these bytes, with their chunks stored.
    pub async fn object(&self, bytes: &[u8], chunk: usize, ordinal: u64) -> ObjectRecord {
        let chunks = self.store(bytes, chunk).await;
        ObjectRecord {
            owner: OWNER,
            size: bytes.len() as u64,
            ordinal: Ordinal(ordinal),
            etag: [0x9A; 16],
            manifest: Manifest::direct(chunks),
            ..ObjectRecord::default()
        }
    }

    pub fn call(&self, op: NativeOp, key: &[u8]) -> Call {
        let now = Timestamp::from_secs(1_795_244_400);
        Call {
            op,
            request_id: "0123456789ABCDEF".into(),
            now,
            bucket: Arc::new(self.bucket.clone()),
            bucket_name: "bucket".into(),
            key: key.to_vec(),
            query: Query::default(),
            headers: HeaderMap::new(),
            caller: Caller {
                subject: Subject::User { tenant: TENANT, user: OWNER, admin: true },
                user: OWNER,
                canonical_id: "ab".repeat(32),
                display_name: "M. Tester".into(),
            },
            context: Context::at(now, [127, 0, 0, 1].into(), false),
            visible: None,
            decided: None,
            form: Vec::new(),
            window: None,
            mount: None,
            base_url: "http://localhost:9000".into(),
            payload: Box::new(NoBody),
        }
    }

    /// Sends a call with query parameters and headers.
    pub async fn send(
        &self,
        op: NativeOp,
        key: &[u8],
        query: &[(&str, &str)],
        headers: &[(&'static str, &str)],
    ) -> Answer {
        let mut call = self.call(op, key);
        call.query = Query(query.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect());
        for (name, value) in headers {
            call.headers.append(*name, value.parse().expect("a header value"));
        }
        self.send_call(call).await
    }

    pub async fn send_call(&self, call: Call) -> Answer {
        match self.service.handle(call).await {
            Ok(reply) => Answer::of(reply).await,
            Err(error) => Answer::refused(error),
        }
    }
}

/// What came back, read to its end.
pub(crate) struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    /// The body, or the error it broke off with.
    pub body: S3Result<Bytes>,
    pub error: Option<S3Error>,
}

impl Answer {
    pub fn refused(error: S3Error) -> Self {
        Self { status: error.status(), headers: HeaderMap::new(), body: Ok(Bytes::new()), error: Some(error) }
    }

    pub async fn of(reply: Reply) -> Self {
        let (status, mut headers) = (reply.status.as_u16(), reply.headers);
        let body = match reply.body {
            ReplyBody::Empty => Ok(Bytes::new()),
            ReplyBody::Bytes(bytes) => Ok(bytes),
            ReplyBody::Slow(work) => match work.await {
                Ok((more, bytes)) => {
                    headers.extend(more);
                    Ok(bytes)
                }
                Err(error) => return Self { status, headers, body: Ok(Bytes::new()), error: Some(error) },
            },
            ReplyBody::Stream(len, mut stream) => {
                let mut all = Vec::new();
                let end = loop {
                    match std::future::poll_fn(|cx| stream.poll_next(cx)).await {
                        Some(Ok(bytes)) => {
                            assert!(!bytes.is_empty() && bytes.len() <= limits::CDC_MAX_BYTES);
                            all.extend_from_slice(&bytes);
                        }
                        Some(Err(error)) => break Err(error),
                        None => break Ok(()),
                    }
                };
                assert!(end.is_err() || all.len() as u64 == len, "the body has the length announced");
                end.map(|()| Bytes::from(all))
            }
        };
        Self { status, headers, body, error: None }
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().expect("ASCII"))
    }

    pub fn text(&self) -> String {
        let body = self.body.as_ref().expect("a whole body");
        String::from_utf8(body.to_vec()).expect("UTF-8")
    }

    pub fn code(&self) -> Option<ErrorCode> {
        self.error.as_ref().map(S3Error::code)
    }

    /// A field of the error document.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.error.as_ref()?.fields().iter().find(|(n, _)| *n == name).map(|(_, v)| v.as_str())
    }

    /// A header of the error.
    pub fn error_header(&self, name: &str) -> Option<&str> {
        self.error.as_ref()?.headers().iter().find(|(n, _)| *n == name).map(|(_, v)| v.as_str())
    }
}
