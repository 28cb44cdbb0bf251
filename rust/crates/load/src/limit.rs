//! The bare server: hyper on one thread, answering the same bytes with as many headers as the gateway does, and
//! nothing else: no signature, no lookup, no disk. What it does per CPU-second is the ceiling of every figure above it.

use crate::seeded;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::HeaderValue;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::fmt::Write;
use std::io::Result;
use std::net::TcpListener;
use std::sync::Arc;

/// What the server answers.
pub struct Answers {
    object: Bytes,
    pages: [Bytes; 2],
    prefixes: Bytes,
}

/// Entries of a page.
const PAGE_KEYS: usize = 1000;

fn page(first: usize, token: Option<&str>) -> Bytes {
    let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ListBucketResult>");
    if let Some(token) = token {
        let _ = write!(text, "<NextContinuationToken>{token}</NextContinuationToken>");
    }
    for number in first..first + PAGE_KEYS {
        let _ = write!(
            text,
            "<Contents><Key>dir-0001/{number:016x}-{number:08}.bin</Key><LastModified>2026-01-01T00:00:00.000Z\
             </LastModified><ETag>&quot;d41d8cd98f00b204e9800998ecf8427e&quot;</ETag><Size>4096</Size>\
             <StorageClass>STANDARD</StorageClass></Contents>"
        );
    }
    text.push_str("</ListBucketResult>");
    text.into()
}

fn prefixes(count: usize) -> Bytes {
    let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ListBucketResult>");
    for number in 0..count {
        let _ = write!(text, "<CommonPrefixes><Prefix>dir-{number:04}/</Prefix></CommonPrefixes>");
    }
    text.push_str("</ListBucketResult>");
    text.into()
}

impl Answers {
    /// The body of object 0 under `seed` for each GET; two pages for each walk.
    pub fn new(seed: u64, size_bytes: usize) -> Self {
        let mut object = vec![0; size_bytes];
        seeded::fill(seed, 0, 0, &mut object);
        Self {
            object: object.into(),
            pages: [page(0, Some("second page")), page(PAGE_KEYS, None)],
            prefixes: prefixes(PAGE_KEYS),
        }
    }

    fn answer(&self, method: &Method, query: &str) -> (Bytes, &'static str) {
        match query {
            _ if method == Method::PUT => (Bytes::new(), ""),
            "" => (self.object.clone(), "application/octet-stream"),
            query if query.contains("delimiter=") => (self.prefixes.clone(), "application/xml"),
            query if query.contains("continuation-token=") => (self.pages[1].clone(), "application/xml"),
            _ => (self.pages[0].clone(), "application/xml"),
        }
    }
}

async fn serve(
    answers: Arc<Answers>,
    request: Request<Incoming>,
) -> std::result::Result<Response<Full<Bytes>>, Infallible> {
    let (body, kind) = answers.answer(request.method(), request.uri().query().unwrap_or_default());
    let mut incoming = request.into_body();
    while let Some(Ok(frame)) = incoming.frame().await {
        drop(frame);
    }
    let mut response = Response::new(Full::new(body));
    let headers = response.headers_mut();
    headers.insert("x-amz-request-id", HeaderValue::from_static("0123456789ABCDEF"));
    headers.insert("x-amz-id-2", HeaderValue::from_static("0123456789abcdef0123456789abcdef"));
    headers.insert("server", HeaderValue::from_static("limit"));
    headers.insert("etag", HeaderValue::from_static("\"d41d8cd98f00b204e9800998ecf8427e\""));
    if !kind.is_empty() {
        headers.insert("content-type", HeaderValue::from_static(kind));
        headers.insert("accept-ranges", HeaderValue::from_static("bytes"));
        headers.insert("last-modified", HeaderValue::from_static("Thu, 01 Jan 2026 00:00:00 GMT"));
    }
    Ok(response)
}

/// Serves on `listener` until the process ends. hyper adds `date` and `content-length`.
pub fn run(listener: TcpListener, answers: Answers) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    listener.set_nonblocking(true)?;
    let answers = Arc::new(answers);
    runtime.block_on(async move {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let answers = answers.clone();
            tokio::spawn(async move {
                let service = service_fn(|request| serve(answers.clone(), request));
                // A client that goes away in the middle is none of our business.
                let _ =
                    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
            });
        }
    })
}
