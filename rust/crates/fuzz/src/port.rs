//! The S3 port itself, over a socket of this machine: any bytes, and signed requests for any address.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::pin::Pin;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use panthera_authz::Authorizer;
use panthera_base::{BucketId, Clock, TenantId, Timestamp, UserId, limits};
use panthera_front::{ControlReply, Front, ObjectHandler, Parts, Passwords, Row, Settings};
use panthera_meta::memory::Memory;
use panthera_meta::records::{BucketRecord, CredentialRecord, UserRecord};
use panthera_meta::{Batch, Metastore, keys};
use panthera_object::api::{Call, OpResult, Reply};
use panthera_wire::uri::percent_decode;

use crate::signer::{self, ACCESS_KEY, AMZ_DATE, NOW, Request, SECRET};
use crate::tape::Tape;

const UNSIGNED: &str = "UNSIGNED-PAYLOAD";

struct Fixed;

impl Clock for Fixed {
    fn now(&self) -> Timestamp {
        Timestamp::from_secs(NOW)
    }
}

/// What the handler was asked to do.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Asked {
    op: String,
    bucket: String,
    key: Vec<u8>,
}

type Book<T> = Arc<Mutex<Vec<T>>>;

fn lock<T>(book: &Mutex<T>) -> MutexGuard<'_, T> {
    book.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Recorder(Book<Asked>);

impl ObjectHandler for Recorder {
    fn handle(&self, mut call: Call) -> Pin<Box<dyn Future<Output = OpResult> + Send + '_>> {
        Box::pin(async move {
            while let Some(piece) = std::future::poll_fn(|cx| call.payload.poll_next(cx)).await {
                piece?;
            }
            let asked = Asked { op: format!("{:?}", call.op), bucket: call.bucket_name, key: call.key };
            lock(&self.0).push(asked);
            Ok(Reply::empty(http::StatusCode::OK))
        })
    }
}

/// Name, method and scope and selectors, kind, parameters.
const ROWS: [(&str, &str, &str, &[&str]); 21] = [
    ("ListBuckets", "GET service", "python", &["prefix"]),
    ("CreateBucket", "PUT bucket", "python", &[]),
    ("DeleteBucket", "DELETE bucket", "python", &[]),
    ("GetBucketAcl", "GET bucket acl", "python", &[]),
    ("GetBucketPolicy", "GET bucket policy", "python", &[]),
    ("PutBucketPolicy", "PUT bucket policy", "absent", &[]),
    ("ListObjects", "GET bucket", "native", &["prefix", "delimiter", "marker", "max-keys", "encoding-type"]),
    ("ListObjectsV2", "GET bucket list-type=2", "native", &["prefix", "continuation-token", "start-after"]),
    ("DeleteObjects", "POST bucket delete", "native", &[]),
    ("PostObject", "POST bucket", "native", &[]),
    ("GetObject", "GET object", "native", &["versionId", "partNumber", "response-content-type"]),
    ("HeadObject", "HEAD object", "native", &["versionId", "partNumber"]),
    ("PutObject", "PUT object", "native", &[]),
    ("DeleteObject", "DELETE object", "native", &["versionId"]),
    ("GetObjectTagging", "GET object tagging", "python", &["versionId"]),
    ("PutObjectTagging", "PUT object tagging", "python", &["versionId"]),
    ("GetObjectTorrent", "GET object torrent", "absent", &[]),
    ("CreateMultipartUpload", "POST object uploads", "native", &[]),
    ("UploadPart", "PUT object partNumber uploadId", "native", &[]),
    ("ListParts", "GET object uploadId", "native", &["max-parts", "part-number-marker"]),
    ("AbortMultipartUpload", "DELETE object uploadId", "native", &[]),
];

fn rows() -> Vec<Row> {
    let row = |(name, target, kind, params): &(&str, &str, &str, &[&str])| {
        let words: Vec<String> = target.split(' ').map(str::to_owned).collect();
        Row {
            name: (*name).into(),
            method: words[0].clone(),
            scope: words[1].clone(),
            selectors: words[2..].to_vec(),
            header: None,
            params: params.iter().map(|p| (*p).to_owned()).collect(),
            also: Vec::new(),
            action: format!("s3:{name}"),
            reveal: "404".into(),
            auth: if *name == "PostObject" { "form" } else { "signed" }.into(),
            kind: (*kind).into(),
            body_cap: if *kind == "python" { 4096 } else { 0 },
        }
    };
    ROWS.iter().map(row).collect()
}

fn store() -> Memory {
    let store = Memory::new();
    let credential = CredentialRecord {
        tenant_admin: true,
        tenant: TenantId(1),
        user: UserId(1),
        secret_key: SECRET.into(),
        ..CredentialRecord::default()
    };
    let user = UserRecord { id: UserId(1), tenant: TenantId(1), name: "fuzz".into(), ..UserRecord::default() };
    let bucket = BucketRecord { id: BucketId(1), tenant: TenantId(1), owner: UserId(1), ..BucketRecord::default() };
    let mut batch = Batch::default();
    batch.put(keys::credential(ACCESS_KEY.as_bytes()), credential.encode());
    batch.put(keys::user(UserId(1)), user.encode()).put(keys::bucket(b"bucket"), bucket.encode());
    assert!(store.commit(&batch).is_ok());
    store
}

/// The port, which lives as long as the process.
struct World {
    _front: Front,
    at: SocketAddr,
    asked: Book<Asked>,
    complaints: Book<String>,
}

static WORLD: LazyLock<World> = LazyLock::new(|| {
    let (asked, complaints): (Book<Asked>, Book<String>) = Default::default();
    let Ok(passwords) = Passwords::new().map(Arc::new) else { panic!("no randomness") };
    let book = complaints.clone();
    let parts = Parts {
        meta: Arc::new(store()),
        authz: Arc::new(Authorizer::default()),
        objects: Box::new(Recorder(asked.clone())),
        clock: Arc::new(Fixed),
        complain: Box::new(move |line| lock(&book).push(line.to_owned())),
        passwords,
    };
    let settings = Settings {
        listen: vec!["127.0.0.1:0".into()],
        domains: vec!["s3.test".into()],
        sigv2: true,
        workers: 1,
        ..Settings::default()
    };
    let Ok((front, mut calls)) = Front::start(settings, &rows(), parts) else { panic!("the port does not start") };
    let control = asked.clone();
    std::thread::spawn(move || {
        while let Some(call) = calls.blocking_next() {
            lock(&control).push(Asked { op: call.op.to_string(), bucket: call.bucket.to_string(), key: Vec::new() });
            let reply =
                ControlReply { status: http::StatusCode::OK, headers: http::HeaderMap::new(), body: Bytes::new() };
            call.answer.send(Ok(reply));
        }
    });
    let at = front.addresses()[0];
    World { _front: front, at, asked, complaints }
});

/// How long an answer may take before the end of the request is announced: with it the server drops what it is doing.
const PATIENCE: Duration = Duration::from_millis(3);

/// Sends the bytes and reads until the server closes. `open`: the request asks the server to close; else we say that no
/// more follows, once there is an answer or there can be none.
fn exchange(bytes: &[u8], open: bool) -> Vec<u8> {
    let attempt = || -> std::io::Result<Vec<u8>> {
        let socket = TcpStream::connect(WORLD.at)?;
        // A reset instead of a wait: thousands of these connections a second would use up the ports.
        socket2::SockRef::from(&socket).set_linger(Some(Duration::ZERO))?;
        let mut answer = Vec::new();
        // The server may have answered and closed before all was written; what it said is there to be read.
        let sent = (&socket).write_all(bytes);
        if !open && contains(bytes, b"\r\n\r\n") {
            socket.set_read_timeout(Some(PATIENCE))?;
            let mut piece = [0; 16 << 10];
            let read = (&socket).read(&mut piece).unwrap_or_default();
            answer.extend_from_slice(&piece[..read]);
        }
        socket.set_read_timeout(Some(Duration::from_secs(20)))?;
        let closed = if open { Ok(()) } else { socket.shutdown(Shutdown::Write) };
        match (&socket).read_to_end(&mut answer) {
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => panic!("no answer and no end"),
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => {}
            Err(error) if sent.is_ok() && closed.is_ok() => return Err(error),
            _ => {}
        }
        Ok(answer)
    };
    match attempt() {
        Ok(answer) => answer,
        Err(error) => panic!("the port does not answer: {error}"),
    }
}

fn contains(bytes: &[u8], what: &[u8]) -> bool {
    bytes.windows(what.len()).any(|window| window == what)
}

/// The statuses of answers that stand one behind the other.
fn statuses(mut bytes: &[u8]) -> Vec<u16> {
    let mut out = Vec::new();
    while let Some(end) = bytes.windows(4).position(|w| w == b"\r\n\r\n") {
        let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
        let status = head.get(9..12).and_then(|s| s.parse().ok()).filter(|_| head.starts_with("http/1."));
        let Some(status) = status else { break };
        out.push(status);
        let len =
            head.lines().find_map(|l| l.strip_prefix("content-length: ")).and_then(|len| len.parse().ok()).unwrap_or(0);
        bytes = bytes.get(end + 4..).unwrap_or_default();
        // The answer to HEAD has the length without the bytes.
        let bodiless = status < 200 || status == 304 || bytes.starts_with(b"HTTP/1.");
        bytes = if bodiless { bytes } else { bytes.get(len..).unwrap_or_default() };
    }
    out
}

fn no_complaints(sent: &[u8]) {
    let complaints = std::mem::take(&mut *lock(&WORLD.complaints));
    assert!(complaints.is_empty(), "{complaints:?} after {:?}", String::from_utf8_lossy(sent));
}

/// Any bytes on the socket: an answer or an end, nothing is done for them.
pub fn raw(data: &[u8]) {
    if data.starts_with(b"PRI * HTTP/2.0") {
        // HTTP/2 by prior knowledge keeps the connection until a timeout.
        return;
    }
    let answer = exchange(data, false);
    for status in statuses(&answer) {
        assert!((100..600).contains(&status) && status != 500, "{status}");
    }
    if !answer.is_empty() {
        assert!(answer.starts_with(b"HTTP/1."), "{:?}", String::from_utf8_lossy(&answer));
    }
    let asked = std::mem::take(&mut *lock(&WORLD.asked));
    assert!(asked.is_empty(), "done without a signature: {asked:?}");
    no_complaints(data);
}

const WORDS: [&str; 14] = [
    "acl",
    "policy",
    "delete",
    "tagging",
    "torrent",
    "uploads",
    "uploadId",
    "partNumber",
    "list-type",
    "versionId",
    "prefix",
    "unknown",
    "max-keys",
    "restore",
];

/// What selects a row and no other may ignore.
const SELECTORS: [&str; 9] =
    ["acl", "policy", "delete", "tagging", "torrent", "uploads", "uploadId", "partNumber", "list-type"];

/// A signed request for any address: what is done has the method, bucket, key and words that were asked for.
pub fn routing(data: &[u8]) {
    let mut tape = Tape::new(data);
    let method = tape.pick(&["GET", "PUT", "POST", "DELETE", "HEAD"]);
    let hosted = tape.flag();
    let host = if hosted { "bucket.s3.test" } else { tape.pick(&["s3.test", "127.0.0.1", "other.example"]) };
    let mut query: Vec<(String, String)> = Vec::new();
    for _ in 0..tape.below(4) {
        let value = if tape.flag() { tape.pick(&["2", "1", "x", ""]).to_owned() } else { String::new() };
        query.push((tape.pick(&WORDS).to_owned(), value));
    }
    let scope = tape.below(3);
    let key = if scope == 2 { tape.rest() } else { b"" };
    let coded = signer::encode(key, if data.len().is_multiple_of(2) { b"/" } else { b"/!$'()*+,;:@&=" });
    let path = match (hosted, scope) {
        (true, _) => format!("/{coded}"),
        (false, 0) => "/".into(),
        (false, _) => format!("/bucket/{coded}"),
    };
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let mut request = Request {
        method: method.into(),
        path: path.clone(),
        query,
        spelling: 0,
        headers: vec![pair("host", host), pair("x-amz-content-sha256", UNSIGNED), pair("x-amz-date", AMZ_DATE)],
        signed: vec!["host".into(), "x-amz-content-sha256".into(), "x-amz-date".into()],
    };
    signer::sign_v4(&mut request, &path, UNSIGNED);
    let lines: String = request.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let (sent_query, mut wire) = (request.raw_query(), format!("{method} {path}"));
    if !sent_query.is_empty() {
        wire.push_str(&format!("?{sent_query}"));
    }
    wire.push_str(&format!(" HTTP/1.1\r\n{lines}content-length: 0\r\nconnection: close\r\n\r\n"));
    let answer = exchange(wire.as_bytes(), true);
    let status = statuses(&answer);
    assert_eq!(status.len(), 1, "{wire:?}: {:?}", String::from_utf8_lossy(&answer));
    assert!(status[0] != 500 && status[0] != 403, "{wire:?}: {:?}", String::from_utf8_lossy(&answer));
    no_complaints(wire.as_bytes());
    judge(&request, &path, hosted, status[0], std::mem::take(&mut *lock(&WORLD.asked)));
}

fn judge(request: &Request, path: &str, hosted: bool, status: u16, asked: Vec<Asked>) {
    let (method, story) = (&request.method, format!("{request:?} gives {status} and {asked:?}"));
    let key = if hosted { path.strip_prefix('/') } else { path.strip_prefix("/bucket/") };
    let key = key.and_then(percent_decode).unwrap_or_default();
    let Some(asked) = asked.first() else {
        return assert!(status >= 400, "nothing was done: {story}");
    };
    assert!(status < 300, "done and refused: {story}");
    assert!(key.len() <= limits::KEY_BYTES && std::str::from_utf8(&key).is_ok(), "{story}");
    let Some(row) = ROWS.iter().find(|row| row.0 == asked.op) else { panic!("no row: {story}") };
    let words: Vec<&str> = row.1.split(' ').collect();
    assert_eq!(words[0], method, "{story}");
    let scope = if path == "/" && !hosted {
        "service"
    } else if key.is_empty() {
        "bucket"
    } else {
        "object"
    };
    assert_eq!(words[1], scope, "{story}");
    assert_eq!(asked.bucket, if scope == "service" { "" } else { "bucket" }, "{story}");
    assert!(row.2 == "python" || asked.key == key, "another key: {story}");
    let selects = |word: &str| words[2..].iter().any(|s| s.split('=').next() == Some(word));
    for (word, value) in &request.query {
        let known = selects(word) || row.3.contains(&word.as_str());
        let strict = SELECTORS.contains(&word.as_str()) || word == "versionId" || value.is_empty();
        assert!(known || !strict, "{word} is overlooked: {story}");
    }
    for selector in &words[2..] {
        let (name, value) = selector.split_once('=').map_or((*selector, None), |(n, v)| (n, Some(v)));
        let sent = request.query.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str());
        assert!(sent.is_some() && value.is_none_or(|v| sent == Some(v)), "{selector} was not asked: {story}");
    }
}
