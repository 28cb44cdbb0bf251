//! Bodies that are what they say, and bodies that lie.

use std::collections::VecDeque;

use http_body::Frame;
use panthera_wire::auth::ChunkedAuth;

use super::*;

/// A body in pieces; `None` in the queue is a pause that never ends.
struct Pieces {
    pieces: VecDeque<Option<Result<&'static [u8], std::io::Error>>>,
    total: Option<u64>,
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        match self.pieces.pop_front() {
            None => Poll::Ready(None),
            Some(None) => {
                self.pieces.push_front(None);
                Poll::Pending
            }
            Some(Some(piece)) => Poll::Ready(Some(piece.map(|p| Frame::data(Bytes::from_static(p))))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.pieces.is_empty()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.total.map_or_else(http_body::SizeHint::default, http_body::SizeHint::with_exact)
    }
}

fn pieces(total: Option<u64>, pieces: &[&'static str]) -> Pieces {
    Pieces { pieces: pieces.iter().map(|p| Some(Ok(p.as_bytes()))).collect(), total }
}

fn sha256(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

type Read = (S3Result<Bytes>, Vec<(String, String)>, Option<Arc<Rest<Pieces>>>);

async fn read(body: Pieces, decoded: Option<u64>, auth: BodyAuth) -> Read {
    let mut headers = HeaderMap::new();
    if let Some(total) = body.total {
        headers.insert(header::CONTENT_LENGTH, total.into());
    }
    if let Some(decoded) = decoded {
        headers.insert("x-amz-decoded-content-length", decoded.into());
        headers.insert("x-amz-trailer", "x-amz-checksum-crc32".parse().unwrap());
    }
    let (held, rest) = hold(body, &headers, Duration::from_millis(50));
    let mut payload = held.protected(Lengths::read(&headers).unwrap(), auth);
    let outcome = collect(&mut *payload, 1 << 20).await;
    (outcome, payload.trailers().to_vec(), rest)
}

async fn code(body: Pieces, decoded: Option<u64>, auth: BodyAuth) -> ErrorCode {
    read(body, decoded, auth).await.0.unwrap_err().code()
}

#[tokio::test]
async fn a_body_that_is_what_it_says_ends() {
    let (whole, _, rest) = read(pieces(Some(5), &["he", "", "llo"]), None, BodyAuth::Unsigned).await;
    assert_eq!(whole.unwrap(), "hello");
    assert_eq!(rest.unwrap().received(), 5);
    let (whole, ..) = read(pieces(Some(5), &["hello"]), None, BodyAuth::Sha256(sha256("hello"))).await;
    assert_eq!(whole.unwrap(), "hello");
    let (whole, _, rest) = read(pieces(Some(0), &[]), None, BodyAuth::Sha256(EMPTY_SHA256)).await;
    assert!(whole.unwrap().is_empty() && rest.is_none());
}

#[tokio::test]
async fn a_body_that_is_too_short_or_too_long_does_not() {
    for lie in [4, 6] {
        let lying = pieces(Some(lie), &["he", "llo"]);
        assert_eq!(code(lying, None, BodyAuth::Unsigned).await, ErrorCode::IncompleteBody, "{lie}");
    }
    let mut broken = pieces(Some(5), &["he"]);
    broken.pieces.push_back(Some(Err(std::io::ErrorKind::ConnectionReset.into())));
    assert_eq!(code(broken, None, BodyAuth::Unsigned).await, ErrorCode::IncompleteBody);
}

#[tokio::test]
async fn a_body_must_have_the_hash_that_was_signed() {
    let wrong = BodyAuth::Sha256(sha256("hullo"));
    let error = read(pieces(Some(5), &["hello"]), None, wrong).await.0.unwrap_err();
    assert_eq!(error.code(), ErrorCode::XAmzContentSHA256Mismatch);
    assert_eq!(error.fields()[0].1, panthera_wire::hex::encode(&sha256("hullo")));
    assert_eq!(error.fields()[1].1, panthera_wire::hex::encode(&sha256("hello")));
    // Nothing was sent, and nothing is not what was signed.
    let wrong = BodyAuth::Sha256(sha256("hello"));
    assert_eq!(code(pieces(Some(0), &[]), None, wrong).await, ErrorCode::XAmzContentSHA256Mismatch);
}

const CHUNKED: &str = "5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n";

fn trailer() -> BodyAuth {
    BodyAuth::Chunked(ChunkedAuth::unsigned_trailer())
}

#[tokio::test]
async fn chunks_are_unwrapped_wherever_the_wire_cuts_them() {
    for cut in 0..CHUNKED.len() {
        let (a, b) = CHUNKED.split_at(cut);
        let (whole, trailers, _) = read(pieces(Some(CHUNKED.len() as u64), &[a, b]), Some(5), trailer()).await;
        assert_eq!(whole.unwrap(), "hello", "cut at {cut}");
        assert_eq!(trailers, [("x-amz-checksum-crc32".to_owned(), "NhCmhg==".to_owned())]);
    }
}

#[tokio::test]
async fn chunks_that_lie_are_refused() {
    let len = |text: &str| Some(text.len() as u64);
    for lie in [4, 6] {
        let error = code(pieces(len(CHUNKED), &[CHUNKED]), Some(lie), trailer()).await;
        assert_eq!(error, ErrorCode::IncompleteBody, "decoded length {lie}");
    }
    let cut = &CHUNKED[..CHUNKED.len() - 4];
    assert_eq!(code(pieces(len(cut), &[cut]), Some(5), trailer()).await, ErrorCode::IncompleteBody);
    assert_eq!(code(pieces(Some(0), &[]), Some(5), trailer()).await, ErrorCode::IncompleteBody);
    let more = "5\r\nhello\r\n0\r\n\r\nmore";
    let (outcome, ..) = read(pieces(len(more), &[more]), Some(5), trailer()).await;
    assert!(outcome.is_err());
    let (outcome, ..) = read(pieces(None, &[CHUNKED, "more"]), Some(5), trailer()).await;
    assert!(outcome.is_err());
}

#[tokio::test]
async fn an_error_is_the_last_word() {
    let (held, _) = hold(pieces(Some(9), &["hello"]), &HeaderMap::new(), Duration::from_secs(1));
    let mut payload = held.protected(Lengths { wire: Some(9), ..Lengths::default() }, BodyAuth::Unsigned);
    assert!(collect(&mut *payload, 100).await.is_err());
    for _ in 0..2 {
        assert!(matches!(std::future::poll_fn(|cx| payload.poll_next(cx)).await, Some(Err(_))));
    }
}

#[tokio::test(start_paused = true)]
async fn a_sender_that_stalls_is_given_up() {
    let mut stalled = pieces(Some(5), &["he"]);
    stalled.pieces.push_back(None);
    assert_eq!(code(stalled, None, BodyAuth::Unsigned).await, ErrorCode::RequestTimeout);
}

#[tokio::test]
async fn a_small_rest_is_read_away_and_a_large_one_is_not() {
    static ZEROS: [u8; DRAIN_BYTES as usize + 1] = [0; DRAIN_BYTES as usize + 1];
    for (len, settled) in [(DRAIN_BYTES, Settled::Whole), (DRAIN_BYTES + 1, Settled::Close)] {
        let body = Pieces { pieces: [Some(Ok(&ZEROS[..len as usize]))].into(), total: Some(len) };
        let (held, rest) = hold(body, &HeaderMap::new(), Duration::from_secs(1));
        drop(held);
        assert_eq!(rest.unwrap().settle().await, settled, "{len}");
    }
    // Of unknown length, or still to be asked for: the connection closes.
    let (held, rest) = hold(pieces(None, &["x"]), &HeaderMap::new(), Duration::from_secs(1));
    drop(held);
    assert_eq!(rest.unwrap().settle().await, Settled::Close);
    let mut headers = HeaderMap::new();
    headers.insert(header::EXPECT, "100-continue".parse().unwrap());
    let (held, rest) = hold(pieces(Some(1), &["x"]), &headers, Duration::from_secs(1));
    drop(held);
    assert_eq!(rest.unwrap().settle().await, Settled::Close);
    // Nor was an empty one asked for, whether it is read or not.
    let (mut held, rest) = hold(pieces(Some(0), &[]), &headers, Duration::from_secs(1));
    assert!(std::future::poll_fn(|cx| held.poll_next(cx)).await.is_none());
    drop(held);
    assert_eq!(rest.unwrap().settle().await, Settled::Close);
    assert!(hold(pieces(Some(0), &[]), &HeaderMap::new(), Duration::from_secs(1)).1.is_none());
}

#[tokio::test]
async fn a_collected_body_has_its_cap() {
    for (cap, fits) in [(5, true), (4, false)] {
        for total in [Some(5), None] {
            let (held, _) = hold(pieces(total, &["he", "llo"]), &HeaderMap::new(), Duration::from_secs(1));
            let mut payload = held.protected(Lengths { wire: total, ..Lengths::default() }, BodyAuth::Unsigned);
            let outcome = collect(&mut *payload, cap).await.map_err(|e| e.code());
            assert_eq!(outcome.is_ok(), fits, "{total:?}");
            if !fits {
                assert_eq!(outcome, Err(ErrorCode::MaxMessageLengthExceeded));
            }
        }
    }
}

#[test]
fn lengths_are_numbers_or_errors() {
    for bad in ["", "-1", "+1", "1.0", "0x10", "18446744073709551616", "1 2"] {
        let mut headers = HeaderMap::new();
        headers.insert("x-amz-decoded-content-length", bad.parse().unwrap());
        assert_eq!(Lengths::read(&headers).unwrap_err().code(), ErrorCode::InvalidArgument, "{bad}");
    }
    let mut headers = HeaderMap::new();
    headers.insert("x-amz-decoded-content-length", "18446744073709551615".parse().unwrap());
    headers.insert("x-amz-trailer", "X-Amz-Checksum-Crc32, x-b".parse().unwrap());
    let lengths = Lengths::read(&headers).unwrap();
    assert_eq!((lengths.decoded, lengths.wire), (Some(u64::MAX), None));
    assert_eq!(lengths.trailers, ["x-amz-checksum-crc32", "x-b"]);
}
