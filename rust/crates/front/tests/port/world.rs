//! A front over a store in memory and a handler that keeps objects in a map, and a client on a plain socket.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use panthera_authz::Authorizer;
use panthera_base::{BucketId, Clock, ErrorCode, S3Error, S3Result, TenantId, Timestamp, UserId};
use panthera_front::{ControlCalls, Front, ObjectHandler, Parts, Passwords, Row, Settings};
use panthera_meta::memory::Memory;
use panthera_meta::records::{BucketRecord, CredentialRecord, UserRecord};
use panthera_meta::{Batch, Metastore, keys};
use panthera_object::api::{ByteStream, Call, NativeOp, OpResult, Reply, ReplyBody};

use crate::signer;

pub const ALICE: (&str, &str) = ("AKALICE", "alice-secret");
pub const MALLORY: (&str, &str) = ("AKMALLORY", "mallory-secret");
pub const DISABLED: (&str, &str) = ("AKDISABLED", "disabled-secret");
pub const EXPIRED: (&str, &str) = ("AKEXPIRED", "expired-secret");
pub const EMPTY_SHA256: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
/// Bytes of the object `big`: more than any socket buffer holds.
pub const BIG: u64 = 64 << 20;

pub struct FixedClock;

impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_secs(signer::NOW)
    }
}

#[derive(Clone, Default)]
pub struct Objects(pub Arc<Mutex<HashMap<Vec<u8>, Bytes>>>);

struct Zeros {
    left: u64,
    /// Fails when this much is left.
    fail_at: u64,
}

impl ByteStream for Zeros {
    fn poll_next(&mut self, _: &mut Context<'_>) -> Poll<Option<S3Result<Bytes>>> {
        static PIECE: [u8; 64 << 10] = [0; 64 << 10];
        if self.left <= self.fail_at {
            return Poll::Ready(Some(Err(ErrorCode::InternalError.into())));
        }
        let piece = PIECE.len().min(self.left as usize);
        self.left -= piece as u64;
        Poll::Ready(Some(Ok(Bytes::from_static(&PIECE[..piece]))))
    }
}

impl Objects {
    async fn answer(&self, mut call: Call) -> OpResult {
        match call.op {
            NativeOp::GetObject | NativeOp::HeadObject => self.get(call.op, &call.key).await,
            NativeOp::PutObject | NativeOp::PostObject => {
                let key = match call.form.iter().find(|(name, _)| name == "key") {
                    Some((_, key)) => key.clone(),
                    None => call.key.clone(),
                };
                let mut whole = Vec::new();
                while let Some(piece) = std::future::poll_fn(|cx| call.payload.poll_next(cx)).await {
                    whole.extend_from_slice(&piece?);
                }
                self.0.lock().unwrap().insert(key, whole.into());
                Ok(Reply::empty(http::StatusCode::OK))
            }
            other => Err(S3Error::internal(format!("{other:?} is not faked"))),
        }
    }

    async fn get(&self, op: NativeOp, key: &[u8]) -> OpResult {
        let stream = |len, fail_at| Reply {
            body: ReplyBody::Stream(len, Box::new(Zeros { left: len, fail_at })),
            ..Reply::empty(http::StatusCode::OK)
        };
        match key {
            b"big" => return Ok(stream(BIG, 0)),
            b"broken" => return Ok(stream(1 << 20, 1 << 19)),
            b"later" => tokio::time::sleep(Duration::from_millis(300)).await,
            _ => {}
        }
        let found = self.0.lock().unwrap().get(key).cloned();
        let bytes = found.ok_or_else(|| S3Error::new(ErrorCode::NoSuchKey))?;
        let mut reply = Reply::empty(http::StatusCode::OK);
        if op == NativeOp::HeadObject {
            reply.headers.insert("content-length", bytes.len().into());
        } else {
            reply.body = ReplyBody::Bytes(bytes);
        }
        Ok(reply)
    }
}

impl ObjectHandler for Objects {
    fn handle(&self, call: Call) -> Pin<Box<dyn Future<Output = OpResult> + Send + '_>> {
        Box::pin(self.answer(call))
    }
}

fn row(name: &str, target: &str, kind: &str, params: &[&str]) -> Row {
    let words: Vec<&str> = target.split(' ').collect();
    Row {
        name: name.into(),
        method: words[0].into(),
        scope: words[1].into(),
        selectors: words[2..].iter().map(|w| (*w).to_owned()).collect(),
        header: None,
        params: params.iter().map(|p| (*p).to_owned()).collect(),
        action: format!("s3:{name}"),
        also: Vec::new(),
        reveal: "404".into(),
        auth: match name {
            "PostObject" => "form",
            "OptionsObject" => "none",
            _ => "signed",
        }
        .into(),
        kind: kind.into(),
        body_cap: if kind == "python" { 64 } else { 0 },
    }
}

pub fn rows() -> Vec<Row> {
    vec![
        row("ListBuckets", "GET service", "python", &["prefix"]),
        row("CreateBucket", "PUT bucket", "python", &[]),
        row("GetBucketAcl", "GET bucket acl", "python", &[]),
        row("PutBucketAcl", "PUT bucket acl", "python", &[]),
        row("PutBucketPolicy", "PUT bucket policy", "absent", &[]),
        row("PostObject", "POST bucket", "native", &[]),
        row("GetObject", "GET object", "native", &["versionId"]),
        row("HeadObject", "HEAD object", "native", &["versionId"]),
        row("PutObject", "PUT object", "native", &[]),
        row("OptionsObject", "OPTIONS object", "python", &[]),
    ]
}

fn store() -> Memory {
    let store = Memory::new();
    let mut batch = Batch::default();
    for (user, (access_key, secret), tenant) in [(1, ALICE, 1), (2, MALLORY, 2), (3, DISABLED, 1), (4, EXPIRED, 1)] {
        let record = CredentialRecord {
            disabled: access_key == DISABLED.0,
            tenant_admin: true,
            tenant: TenantId(tenant),
            user: UserId(user),
            expires: (access_key == EXPIRED.0).then_some(Timestamp::from_secs(signer::NOW)),
            canonical_id: [user as u8; 32],
            secret_key: secret.into(),
            display_name: Some(access_key.into()),
            ..CredentialRecord::default()
        };
        batch.put(keys::credential(access_key.as_bytes()), record.encode());
        let user_record = UserRecord {
            id: UserId(user),
            tenant: TenantId(tenant),
            canonical_id: [user as u8; 32],
            name: access_key.into(),
            ..UserRecord::default()
        };
        batch.put(keys::user(UserId(user)), user_record.encode());
    }
    for (id, name, tenant) in [(1, "photos", 1), (2, "foreign", 2)] {
        let record = BucketRecord {
            id: BucketId(id),
            tenant: TenantId(tenant),
            owner: UserId(tenant),
            ..BucketRecord::default()
        };
        batch.put(keys::bucket(name.as_bytes()), record.encode());
    }
    store.commit(&batch).unwrap();
    store
}

pub struct World {
    pub front: Arc<Front>,
    pub objects: Objects,
    pub complaints: Arc<Mutex<Vec<String>>>,
    pub at: SocketAddr,
}

pub fn settings() -> Settings {
    Settings {
        listen: vec!["127.0.0.1:0".into()],
        domains: vec!["localhost".into()],
        workers: 2,
        control_queue: 4,
        control_deadline: Duration::from_millis(400),
        header_timeout: Duration::from_millis(500),
        idle_timeout: Duration::from_millis(1500),
        body_timeout: Duration::from_millis(700),
        ..Settings::default()
    }
}

/// A world whose Python is `python`, on a thread of its own.
pub fn world_with(settings: Settings, python: impl FnOnce(ControlCalls) + Send + 'static) -> World {
    let objects = Objects::default();
    objects.0.lock().unwrap().insert(b"hello".to_vec(), Bytes::from_static(b"hello, world"));
    objects.0.lock().unwrap().insert(b"later".to_vec(), Bytes::from_static(b"at last"));
    let complaints: Arc<Mutex<Vec<String>>> = Arc::default();
    let book = complaints.clone();
    let parts = Parts {
        meta: Arc::new(store()),
        authz: Arc::new(Authorizer::default()),
        objects: Box::new(objects.clone()),
        clock: Arc::new(FixedClock),
        complain: Box::new(move |line| book.lock().unwrap().push(line.to_owned())),
        passwords: Arc::new(Passwords::new().unwrap()),
    };
    let (front, calls) = Front::start(settings, &rows(), parts).unwrap();
    std::thread::spawn(move || python(calls));
    let at = front.addresses()[0];
    World { front: Arc::new(front), objects, complaints, at }
}

pub fn world() -> World {
    world_with(settings(), |mut calls| {
        while let Some(call) = calls.blocking_next() {
            let body = Bytes::from(format!("{} {} {}", call.op, call.bucket, call.body.len()));
            let headers = http::HeaderMap::new();
            call.answer.send(Ok(panthera_front::ControlReply { status: http::StatusCode::OK, headers, body }));
        }
    })
}

/// An answer as it was on the wire.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn code(&self) -> String {
        let body = String::from_utf8_lossy(&self.body);
        let code = body.split_once("<Code>").and_then(|(_, rest)| rest.split_once("</Code>"));
        code.map(|(code, _)| code.to_owned()).unwrap_or_default()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().skip(1).filter_map(|line| line.split_once(": "));
        lines.filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value).next()
    }
}

pub struct Client {
    pub socket: TcpStream,
    read: Vec<u8>,
}

impl Client {
    pub fn connect(at: SocketAddr) -> Self {
        let socket = TcpStream::connect(at).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        socket.set_write_timeout(Some(Duration::from_secs(10))).unwrap();
        Self { socket, read: Vec::new() }
    }

    pub fn send(&mut self, text: impl AsRef<[u8]>) {
        self.socket.write_all(text.as_ref()).unwrap();
    }

    fn more(&mut self) -> bool {
        let mut piece = [0; 64 << 10];
        let n = self.socket.read(&mut piece).unwrap_or(0);
        self.read.extend_from_slice(&piece[..n]);
        n > 0
    }

    /// Everything up to the next empty line; `None` when the connection ends before it.
    pub fn head(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.read.windows(4).position(|w| w == b"\r\n\r\n") {
                let head: Vec<u8> = self.read.drain(..end + 4).collect();
                return Some(String::from_utf8(head).unwrap());
            }
            if !self.more() {
                return None;
            }
        }
    }

    pub fn answer(&mut self) -> Option<Answer> {
        self.answer_to(false)
    }

    /// The next answer; to HEAD it has no body whatever its length says.
    pub fn answer_to(&mut self, head_request: bool) -> Option<Answer> {
        let head = self.head()?;
        let mut answer = Answer { status: head[9..12].parse().unwrap(), head, body: Vec::new() };
        let len = answer.header("content-length").map_or(0, |len| len.parse().unwrap());
        if !head_request && answer.status >= 200 {
            while self.read.len() < len {
                if !self.more() {
                    return None;
                }
            }
            answer.body = self.read.drain(..len).collect();
        }
        Some(answer)
    }

    /// Whether the server has closed, with nothing left to read.
    pub fn closed(&mut self) -> bool {
        self.read.is_empty() && !self.more()
    }
}

/// A signed request without a body.
pub fn request(who: (&str, &str), method: &str, target: &str) -> String {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let canonical = match query {
        "" => String::new(),
        key if !key.contains('=') => format!("{key}="),
        pairs => pairs.to_owned(),
    };
    let lines = signer::sign(who, method, (path, &canonical), "localhost", EMPTY_SHA256, &[]);
    format!("{method} {target} HTTP/1.1\r\n{lines}\r\n")
}

/// The head of a signed PUT of `len` bytes that are not covered by the signature.
pub fn put_head(who: (&str, &str), target: &str, len: u64, extra: &[(&str, &str)]) -> String {
    let lines = signer::sign(who, "PUT", (target, ""), "localhost", "UNSIGNED-PAYLOAD", extra);
    format!("PUT {target} HTTP/1.1\r\n{lines}content-length: {len}\r\n\r\n")
}

/// One request on a connection of its own.
pub fn ask(world: &World, text: impl AsRef<[u8]>) -> Answer {
    let mut client = Client::connect(world.at);
    client.send(text);
    client.answer().expect("an answer")
}
