//! The body of a request as an operation reads it: decoded, counted, checked, and ended only when it is what the client
//! announced.
//!
//! Belongs here: byte counts, aws-chunked, x-amz-content-sha256, the pace of the sender, and what happens to the bytes
//! nobody wanted. Does not belong here: Content-MD5 and x-amz-checksum-*, which are the operation's business.
//!
//! Nothing is read before the operation asks: that is when hyper answers `Expect: 100-continue`.

use std::error::Error as StdError;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, header};
use http_body::Body;
use panthera_base::{ErrorCode, S3Error, S3Result};
use panthera_object::api::Payload;
use panthera_wire::auth::BodyAuth;
use panthera_wire::chunked::{Chunked, ChunkedDecoder};
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use tokio::time::Sleep;

use crate::settings::{DRAIN_BYTES, DRAIN_TIME};

/// SHA-256 of nothing: what every signed request without a body names.
const EMPTY_SHA256: [u8; 32] = [
    0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24, 0x27, 0xae, 0x41,
    0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55,
];

/// What the headers say about the body.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Lengths {
    /// Content-Length: bytes on the wire.
    pub wire: Option<u64>,
    /// x-amz-decoded-content-length.
    pub decoded: Option<u64>,
    /// x-amz-trailer: names of the trailing headers, lower case.
    pub trailers: Vec<String>,
}

impl Lengths {
    /// Reads them. A number that is none is an error.
    pub fn read(headers: &HeaderMap) -> S3Result<Self> {
        let mut lengths = Self {
            wire: number(headers, header::CONTENT_LENGTH.as_str())?,
            decoded: number(headers, "x-amz-decoded-content-length")?,
            trailers: Vec::new(),
        };
        for line in headers.get_all("x-amz-trailer") {
            let names = line.to_str().unwrap_or_default().split(',');
            lengths.trailers.extend(names.map(|n| n.trim().to_ascii_lowercase()).filter(|n| !n.is_empty()));
        }
        Ok(lengths)
    }
}

fn number(headers: &HeaderMap, name: &str) -> S3Result<Option<u64>> {
    let Some(value) = headers.get(name) else { return Ok(None) };
    let digits = value.to_str().ok().filter(|text| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()));
    match digits.and_then(|text| text.parse().ok()) {
        Some(number) => Ok(Some(number)),
        None => Err(S3Error::with_message(ErrorCode::InvalidArgument, format!("{name} must be a number of bytes."))
            .field("ArgumentName", name)
            .field("ArgumentValue", String::from_utf8_lossy(value.as_bytes()))),
    }
}

/// A request without a body.
pub struct NoPayload {
    declared: Option<u64>,
}

impl Payload for NoPayload {
    fn declared_len(&self) -> Option<u64> {
        self.declared
    }

    fn poll_next(&mut self, _: &mut Context<'_>) -> Poll<Option<S3Result<Bytes>>> {
        Poll::Ready(None)
    }

    fn trailers(&self) -> &[(String, String)] {
        &[]
    }
}

/// What is left of a body when its payload is dropped. The pipeline keeps one end, the payload the other.
pub struct Rest<B>(Mutex<Option<Unread<B>>>);

/// A body that was not read to its end.
struct Unread<B> {
    body: B,
    /// Content-Length, when there is one.
    total: Option<u64>,
    received: u64,
    /// The client waits for 100 Continue, which hyper sends when the body is asked for.
    expects: bool,
    polled: bool,
    failed: bool,
    finished: bool,
}

/// What became of the rest of a body.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Settled {
    /// Everything has been read: the connection can be used again.
    Whole,
    /// It has to close.
    Close,
}

impl<B> Rest<B> {
    /// Bytes received so far; 0 while the payload is alive.
    pub fn received(&self) -> u64 {
        self.0.lock().as_ref().map_or(0, |unread| unread.received)
    }
}

impl<B> Rest<B>
where
    B: Body<Data = Bytes> + Unpin + Send,
{
    /// Reads a small rest away; gives up on a large one, and on one the client has not begun to send.
    pub async fn settle(&self) -> Settled {
        let Some(mut unread) = self.0.lock().take() else { return Settled::Close };
        if unread.finished {
            return Settled::Whole;
        }
        if unread.failed || (unread.expects && !unread.polled) {
            return Settled::Close;
        }
        let left = unread.total.map(|total| total.saturating_sub(unread.received));
        if left.is_none_or(|left| left > DRAIN_BYTES) {
            return Settled::Close;
        }
        let drained = tokio::time::timeout(DRAIN_TIME, async {
            let mut left = DRAIN_BYTES;
            while let Some(frame) = std::future::poll_fn(|cx| Pin::new(&mut unread.body).poll_frame(cx)).await {
                let Ok(frame) = frame else { return Settled::Close };
                let len = frame.data_ref().map_or(0, |data| data.len() as u64);
                match left.checked_sub(len) {
                    Some(less) => left = less,
                    None => return Settled::Close,
                }
            }
            Settled::Whole
        });
        drained.await.unwrap_or(Settled::Close)
    }
}

/// A body on its way in.
pub struct BodyPayload<B> {
    /// Gone only while it is dropped.
    unread: Option<Unread<B>>,
    rest: Option<Arc<Rest<B>>>,
    check: Check,
    decoded: u64,
    declared: Option<u64>,
    pace: Pace,
    trailers: Vec<(String, String)>,
}

enum Check {
    None,
    Sha256(Box<Sha256>, [u8; 32]),
    Chunked(Box<ChunkedDecoder>, Bytes),
}

/// Time without a byte that the sender is allowed.
struct Pace {
    limit: Duration,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Pace {
    fn check(&mut self, cx: &mut Context<'_>) -> Poll<S3Error> {
        let limit = self.limit;
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
        ready!(timer.as_mut().poll(cx));
        Poll::Ready(ErrorCode::RequestTimeout.into())
    }

    fn progress(&mut self) {
        self.timer = None;
    }
}

/// Takes charge of a request's body before anything can fail, so that every answer knows what is left of it.
pub fn hold<B>(body: B, headers: &HeaderMap, limit: Duration) -> (BodyPayload<B>, Option<Arc<Rest<B>>>)
where
    B: Body<Data = Bytes>,
{
    let rest = (!body.is_end_stream()).then(|| Arc::new(Rest(Mutex::new(None))));
    let expects = headers.get(header::EXPECT).is_some_and(|v| v.as_bytes().eq_ignore_ascii_case(b"100-continue"));
    // For an empty body hyper sends no 100 Continue. Botocore before 1.44 then reads the next answer on the connection with
    // the status of this one, and waits for its end: the connection closes, as it does for a body that nobody asked for.
    let unasked = (expects && rest.is_none()).then(|| Arc::new(Rest(Mutex::new(None))));
    let total = body.size_hint().exact();
    let payload = BodyPayload {
        unread: Some(Unread { body, total, received: 0, expects, polled: false, failed: false, finished: false }),
        rest: rest.clone(),
        check: Check::None,
        decoded: 0,
        declared: None,
        pace: Pace { limit, timer: None },
        trailers: Vec::new(),
    };
    (payload, rest.or(unasked))
}

impl<B> BodyPayload<B>
where
    B: Body<Data = Bytes> + Unpin + Send + 'static,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    /// The payload, held to what the request says about its body.
    pub fn protected(mut self, lengths: Lengths, auth: BodyAuth) -> Box<dyn Payload> {
        self.declared = lengths.wire;
        self.check = match auth {
            BodyAuth::Unsigned if self.rest.is_none() => return Box::new(NoPayload { declared: lengths.wire }),
            // What every signed request without a body says; nothing to hash.
            BodyAuth::Sha256(EMPTY_SHA256) if self.rest.is_none() => {
                return Box::new(NoPayload { declared: lengths.wire });
            }
            BodyAuth::Unsigned => Check::None,
            BodyAuth::Sha256(expected) => Check::Sha256(Box::default(), expected),
            BodyAuth::Chunked(auth) => {
                self.declared = lengths.decoded;
                let decoder = ChunkedDecoder::new(auth, lengths.decoded, lengths.trailers);
                Check::Chunked(Box::new(decoder), Bytes::new())
            }
        };
        Box::new(self)
    }
}

impl<B> BodyPayload<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    /// The next bytes from the wire, as they are.
    fn poll_wire(&mut self, cx: &mut Context<'_>) -> Poll<Option<S3Result<Bytes>>> {
        let Some(unread) = &mut self.unread else { return Poll::Ready(None) };
        loop {
            unread.polled = true;
            let frame = match Pin::new(&mut unread.body).poll_frame(cx) {
                Poll::Ready(frame) => frame,
                Poll::Pending => return self.pace.check(cx).map(|error| Some(Err(error))),
            };
            self.pace.progress();
            match frame {
                None => {
                    unread.finished = true;
                    let short = unread.total.is_some_and(|total| total != unread.received);
                    return Poll::Ready(short.then(|| Err(ErrorCode::IncompleteBody.into())));
                }
                Some(Err(error)) => {
                    let error: Box<dyn StdError + Send + Sync> = error.into();
                    return Poll::Ready(Some(Err(S3Error::new(ErrorCode::IncompleteBody).detail(error))));
                }
                Some(Ok(frame)) => {
                    // HTTP trailers (not those of aws-chunked) mean nothing to S3.
                    let Ok(data) = frame.into_data() else { continue };
                    if data.is_empty() {
                        continue;
                    }
                    unread.received += data.len() as u64;
                    return Poll::Ready(Some(Ok(data)));
                }
            }
        }
    }

    fn poll_decoded(&mut self, cx: &mut Context<'_>) -> Poll<Option<S3Result<Bytes>>> {
        loop {
            if let Check::Chunked(decoder, buffer) = &mut self.check {
                match decoder.push(buffer) {
                    Err(error) => return Poll::Ready(Some(Err(error))),
                    Ok(Chunked::Data(data)) => return Poll::Ready(Some(Ok(data))),
                    // The buffer is used up. After the end, too, the wire must be heard out: it must end there.
                    Ok(Chunked::NeedMore | Chunked::End) => {}
                }
            }
            match ready!(self.poll_wire(cx)) {
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                Some(Ok(data)) => match &mut self.check {
                    Check::Chunked(_, buffer) => *buffer = data,
                    Check::Sha256(hasher, _) => {
                        hasher.update(&data);
                        return Poll::Ready(Some(Ok(data)));
                    }
                    Check::None => return Poll::Ready(Some(Ok(data))),
                },
                None => return Poll::Ready(self.finish().err().map(Err)),
            }
        }
    }

    /// The wire has ended; is that the end the client announced?
    fn finish(&mut self) -> S3Result<()> {
        match &mut self.check {
            Check::None => {}
            Check::Sha256(hasher, expected) => {
                let computed: [u8; 32] = std::mem::take(hasher.as_mut()).finalize().into();
                if computed != *expected {
                    return Err(sha256_mismatch(expected, &computed));
                }
            }
            Check::Chunked(decoder, _) => {
                decoder.finish()?;
                self.trailers = decoder.trailers().to_vec();
            }
        }
        match self.declared {
            Some(declared) if declared != self.decoded => Err(ErrorCode::IncompleteBody.into()),
            _ => Ok(()),
        }
    }
}

impl<B> Payload for BodyPayload<B>
where
    B: Body<Data = Bytes> + Unpin + Send,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    fn declared_len(&self) -> Option<u64> {
        self.declared
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<S3Result<Bytes>>> {
        // After an error or the end there is nothing more, however often one asks.
        match &self.unread {
            Some(unread) if unread.failed => return Poll::Ready(Some(Err(ErrorCode::IncompleteBody.into()))),
            Some(unread) if unread.finished => return Poll::Ready(None),
            _ => {}
        }
        let mut next = ready!(self.poll_decoded(cx));
        if let Some(Ok(data)) = &next {
            self.decoded += data.len() as u64;
            if self.declared.is_some_and(|declared| self.decoded > declared) {
                next = Some(Err(ErrorCode::IncompleteBody.into()));
            }
        }
        if let (Some(Err(_)), Some(unread)) = (&next, &mut self.unread) {
            unread.failed = true;
        }
        Poll::Ready(next)
    }

    fn trailers(&self) -> &[(String, String)] {
        &self.trailers
    }
}

impl<B> Drop for BodyPayload<B> {
    fn drop(&mut self) {
        if let Some(rest) = &self.rest {
            *rest.0.lock() = self.unread.take();
        }
    }
}

fn sha256_mismatch(expected: &[u8; 32], computed: &[u8; 32]) -> S3Error {
    S3Error::new(ErrorCode::XAmzContentSHA256Mismatch)
        .field("ClientComputedContentSHA256", panthera_wire::hex::encode(expected))
        .field("S3ComputedContentSHA256", panthera_wire::hex::encode(computed))
}

/// The whole of a payload, for handlers that need it at once: at most `cap` bytes.
pub async fn collect(payload: &mut dyn Payload, cap: usize) -> S3Result<Bytes> {
    let too_large =
        || S3Error::new(ErrorCode::MaxMessageLengthExceeded).field("MaxMessageLengthBytes", cap.to_string());
    if payload.declared_len().is_some_and(|len| len > cap as u64) {
        return Err(too_large());
    }
    let mut whole = bytes::BytesMut::new();
    while let Some(piece) = std::future::poll_fn(|cx| payload.poll_next(cx)).await {
        let piece = piece?;
        if whole.len() + piece.len() > cap {
            return Err(too_large());
        }
        whole.extend_from_slice(&piece);
    }
    Ok(whole.freeze())
}

#[cfg(test)]
#[path = "payload_tests.rs"]
mod tests;
