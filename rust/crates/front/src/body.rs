//! The body of an answer, as hyper takes it.
//!
//! Belongs here: bytes going out, and the receipt that goes with them. Does not belong here: what the bytes say.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use panthera_base::{S3Error, S3Result};
use panthera_object::api::ByteStream;
use tokio::time::{Interval, MissedTickBehavior, interval_at};

use crate::account::Receipt;
use crate::settings::SLOW_PAUSE;

/// A document that takes long: what the operation returned in `ReplyBody::Slow`.
pub type SlowDocument = Pin<Box<dyn Future<Output = S3Result<(http::HeaderMap, Bytes)>> + Send>>;

/// Renders the error document of a slow answer, without the XML declaration that has been sent already.
pub type LateError = Box<dyn FnOnce(&S3Error) -> Bytes + Send>;

/// What every document begins with; a slow answer sends it first, so that blanks may follow.
pub const XML_DECLARATION: &[u8] = b"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";

/// The body of an answer.
pub struct Body {
    kind: Kind,
    receipt: Option<Receipt>,
}

enum Kind {
    Empty,
    Full(Bytes),
    Stream(u64, Box<dyn ByteStream>),
    Slow(Box<Slow>),
}

struct Slow {
    document: SlowDocument,
    late_error: Option<LateError>,
    pause: Interval,
    declared: bool,
}

/// Why a body broke off. hyper then closes the connection, so the client cannot take it for complete.
#[derive(Debug)]
pub struct BodyError(String);

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the answer broke off: {}", self.0)
    }
}

impl std::error::Error for BodyError {}

impl Body {
    /// No bytes.
    pub fn empty() -> Self {
        Self { kind: Kind::Empty, receipt: None }
    }

    /// These bytes.
    pub fn full(bytes: Bytes) -> Self {
        let kind = if bytes.is_empty() { Kind::Empty } else { Kind::Full(bytes) };
        Self { kind, receipt: None }
    }

    /// Exactly `len` bytes of the stream.
    pub fn stream(len: u64, stream: Box<dyn ByteStream>) -> Self {
        let kind = if len == 0 { Kind::Empty } else { Kind::Stream(len, stream) };
        Self { kind, receipt: None }
    }

    /// A document that has been waited for once already.
    pub fn slow(document: SlowDocument, late_error: LateError) -> Self {
        let mut pause = interval_at(tokio::time::Instant::now() + SLOW_PAUSE, SLOW_PAUSE);
        pause.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let slow = Slow { document, late_error: Some(late_error), pause, declared: false };
        Self { kind: Kind::Slow(Box::new(slow)), receipt: None }
    }

    /// Puts the request's account on its way with the body.
    pub fn with_receipt(mut self, mut receipt: Receipt) -> Self {
        receipt.complete = matches!(self.kind, Kind::Empty);
        self.receipt = Some(receipt);
        self
    }

    /// Length, when it is known.
    pub fn len(&self) -> Option<u64> {
        match &self.kind {
            Kind::Empty => Some(0),
            Kind::Full(bytes) => Some(bytes.len() as u64),
            Kind::Stream(left, _) => Some(*left),
            Kind::Slow(_) => None,
        }
    }

    fn poll_bytes(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        match &mut self.kind {
            Kind::Empty => Poll::Ready(None),
            Kind::Full(bytes) => {
                let bytes = std::mem::take(bytes);
                self.kind = Kind::Empty;
                Poll::Ready(Some(Ok(bytes)))
            }
            Kind::Stream(left, stream) => {
                let next = match ready!(stream.poll_next(cx)) {
                    Some(Ok(bytes)) if bytes.len() as u64 > *left => Err(BodyError("the stream is too long".into())),
                    Some(Ok(bytes)) => {
                        *left -= bytes.len() as u64;
                        Ok(bytes)
                    }
                    Some(Err(error)) => Err(BodyError(error.to_string())),
                    None => Err(BodyError(format!("the stream ended {left} bytes early"))),
                };
                if next.is_err() || *left == 0 {
                    self.kind = Kind::Empty;
                }
                Poll::Ready(Some(next))
            }
            Kind::Slow(slow) => {
                let bytes = ready!(slow.poll(cx));
                if slow.late_error.is_none() {
                    self.kind = Kind::Empty;
                }
                Poll::Ready(Some(Ok(bytes)))
            }
        }
    }
}

impl Slow {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Bytes> {
        if !self.declared {
            self.declared = true;
            return Poll::Ready(Bytes::from_static(XML_DECLARATION));
        }
        if let Poll::Ready(outcome) = self.document.as_mut().poll(cx) {
            let late_error = self.late_error.take();
            return Poll::Ready(match (outcome, late_error) {
                (Ok((_, document)), _) => undeclared(document),
                (Err(error), Some(render)) => render(&error),
                (Err(_), None) => Bytes::new(),
            });
        }
        ready!(self.pause.poll_tick(cx));
        Poll::Ready(Bytes::from_static(b" "))
    }
}

/// A document without its declaration, which has been sent already.
pub fn undeclared(document: Bytes) -> Bytes {
    if !document.starts_with(b"<?xml") {
        return document;
    }
    match document.windows(2).position(|pair| pair == b"?>") {
        Some(end) => document.slice(end + 2..),
        None => document,
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        let next = ready!(this.poll_bytes(cx));
        if let Some(receipt) = &mut this.receipt {
            if let Some(Ok(bytes)) = &next {
                receipt.sent += bytes.len() as u64;
            }
            receipt.complete = matches!(this.kind, Kind::Empty) && !matches!(next, Some(Err(_)));
        }
        Poll::Ready(next.map(|result| result.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.kind, Kind::Empty)
    }

    fn size_hint(&self) -> SizeHint {
        self.len().map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use http_body_util::BodyExt;
    use panthera_base::ErrorCode;

    use super::*;

    struct Pieces(VecDeque<S3Result<Bytes>>);

    impl ByteStream for Pieces {
        fn poll_next(&mut self, _: &mut Context<'_>) -> Poll<Option<S3Result<Bytes>>> {
            Poll::Ready(self.0.pop_front())
        }
    }

    fn stream(len: u64, pieces: &[&'static str]) -> Body {
        Body::stream(len, Box::new(Pieces(pieces.iter().map(|p| Ok(Bytes::from_static(p.as_bytes()))).collect())))
    }

    #[tokio::test]
    async fn a_stream_is_exactly_as_long_as_announced_or_an_error() {
        assert_eq!(stream(5, &["he", "llo"]).collect().await.unwrap().to_bytes(), "hello");
        assert!(stream(6, &["he", "llo"]).collect().await.is_err());
        assert!(stream(4, &["he", "llo"]).collect().await.is_err());
        let broken = Pieces(VecDeque::from([Ok(Bytes::from_static(b"h")), Err(ErrorCode::InternalError.into())]));
        assert!(Body::stream(5, Box::new(broken)).collect().await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_document_is_preceded_by_blanks() {
        let document = Box::pin(async {
            tokio::time::sleep(SLOW_PAUSE * 5 / 2).await;
            Ok((http::HeaderMap::new(), Bytes::from_static(b"<?xml version=\"1.0\"?>\n<Done/>")))
        });
        let body = Body::slow(document, Box::new(|_| Bytes::new()));
        let text = body.collect().await.unwrap().to_bytes();
        assert_eq!(text, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n  \n<Done/>");
    }

    #[tokio::test(start_paused = true)]
    async fn a_late_error_is_a_document_in_the_answer() {
        let document = Box::pin(async {
            tokio::time::sleep(SLOW_PAUSE * 2).await;
            Err(ErrorCode::InternalError.into())
        });
        let body = Body::slow(document, Box::new(|error| Bytes::from(error.code().as_str())));
        let text = body.collect().await.unwrap().to_bytes();
        assert!(text.ends_with(b" InternalError"), "{text:?}");
    }
}
