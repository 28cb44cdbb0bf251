//! The aws-chunked decoder: the same answer however the bytes are cut, never more data than declared, and of a signed
//! body nothing but what was signed.

use bytes::Bytes;
use panthera_base::{ErrorCode, Timestamp, limits};
use panthera_wire::auth::{self, AuthPolicy, BodyAuth, ChunkedAuth, Claim, SigningKeys};
use panthera_wire::chunked::{Chunked, ChunkedDecoder};

use crate::signer::{self, AMZ_DATE, NOW, Request, SCOPE, SECRET};
use crate::tape::Tape;

const TRAILER: &str = "x-amz-checksum-crc32";

/// What came out.
#[derive(PartialEq, Eq, Debug)]
struct Outcome {
    data: Vec<u8>,
    end: Result<Vec<(String, String)>, ErrorCode>,
}

/// Feeds the body in pieces of the sizes `cut` gives.
fn decode(mut decoder: ChunkedDecoder, body: &[u8], mut cut: impl FnMut() -> usize) -> Outcome {
    let mut data = Vec::new();
    let mut rest = body;
    let mut ended = false;
    while !rest.is_empty() {
        let (piece, after) = rest.split_at(cut().clamp(1, rest.len()));
        rest = after;
        let mut input = Bytes::copy_from_slice(piece);
        loop {
            match decoder.push(&mut input) {
                Ok(Chunked::Data(bytes)) => {
                    assert!(!bytes.is_empty() && !ended);
                    data.extend_from_slice(&bytes);
                }
                Ok(Chunked::NeedMore) => {
                    assert!(input.is_empty(), "more is asked for while there is some");
                    break;
                }
                Ok(Chunked::End) => {
                    ended = true;
                    break;
                }
                Err(error) => return Outcome { data, end: Err(error.code()) },
            }
        }
    }
    let end = decoder.finish().map(|()| decoder.trailers().to_vec()).map_err(|error| error.code());
    Outcome { data, end }
}

/// The chain as a verified request hands it over, and the signature it begins with.
fn chain(trailer: bool) -> (ChunkedAuth, String) {
    let payload =
        if trailer { "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER" } else { "STREAMING-AWS4-HMAC-SHA256-PAYLOAD" };
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let mut request = Request {
        method: "PUT".into(),
        path: "/b/k".into(),
        query: Vec::new(),
        spelling: 0,
        headers: vec![pair("host", "h"), pair("x-amz-content-sha256", payload), pair("x-amz-date", AMZ_DATE)],
        signed: vec!["host".into(), "x-amz-content-sha256".into(), "x-amz-date".into()],
    };
    signer::sign_v4(&mut request, "/b/k", payload);
    let seed = request.headers[3].1.rsplit('=').next().unwrap_or_default().to_owned();
    let verified = request.with_head(|head| {
        let policy = AuthPolicy { sigv2: false, region: None };
        match auth::claim(head, Timestamp::from_secs(NOW), &policy) {
            Ok(Claim::Signed(claim)) => claim.verify(head, SECRET.as_bytes(), &SigningKeys::default()),
            other => panic!("a signed request is refused: {other:?}"),
        }
    });
    match verified {
        Ok(BodyAuth::Chunked(auth)) => (auth, seed),
        other => panic!("no chunked body: {other:?}"),
    }
}

fn check(outcome: &Outcome, declared: Option<u64>) {
    if let Some(declared) = declared {
        assert!(outcome.data.len() as u64 <= declared, "more than declared");
        assert!(outcome.end.is_err() || outcome.data.len() as u64 == declared, "a good end with less than declared");
    }
    if let Ok(trailers) = &outcome.end {
        assert!(trailers.len() <= limits::TRAILERS);
    }
    assert_ne!(outcome.end.as_ref().err(), Some(&ErrorCode::InternalError));
}

/// Any body: flags, declared length, cuts, then the bytes of the transport.
pub fn raw(data: &[u8]) {
    let mut tape = Tape::new(data);
    let flags = tape.u8();
    let declared = (flags & 2 != 0).then_some(u64::from(tape.u16()));
    let seed = tape.u8();
    let body = tape.rest();
    let auth = match flags & 5 {
        0 | 1 => ChunkedAuth::unsigned_trailer(),
        other => chain(other & 1 != 0).0,
    };
    let announced = if flags & 8 != 0 { vec![TRAILER.to_owned()] } else { Vec::new() };
    let decoder = || ChunkedDecoder::new(auth.clone(), declared, announced.clone());
    let whole = decode(decoder(), body, || body.len());
    check(&whole, declared);
    let mut step = usize::from(seed);
    let cut = decode(decoder(), body, || {
        step = step.wrapping_mul(31).wrapping_add(7) % 61;
        step
    });
    assert_eq!(whole.end, cut.end, "the cuts change the end");
    assert_eq!(decode(decoder(), body, || 1).end, whole.end, "single bytes change the end");
    if whole.end.is_ok() {
        assert_eq!(whole.data, cut.data, "the cuts change the data");
    }
    if auth.is_signed() && whole.end.is_ok() {
        assert!(contains(body, b"chunk-signature="), "a signed body without a signature");
    }
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

/// Writes a body as a client does: each chunk signed over the one before.
fn encode(chunks: &[&[u8]], trailer: Option<&str>, seed: &str) -> Vec<u8> {
    let mut previous = seed.to_owned();
    let mut out = Vec::new();
    for chunk in chunks.iter().copied().chain([&b""[..]]) {
        let hashes = format!("{}\n{}", signer::sha256(b""), signer::sha256(chunk));
        let text = format!("AWS4-HMAC-SHA256-PAYLOAD\n{AMZ_DATE}\n{SCOPE}\n{previous}\n{hashes}");
        previous = signer::v4_signature(SECRET, &text);
        out.extend_from_slice(format!("{:x};chunk-signature={previous}\r\n", chunk.len()).as_bytes());
        out.extend_from_slice(chunk);
        if !chunk.is_empty() {
            out.extend_from_slice(b"\r\n");
        }
    }
    if let Some(value) = trailer {
        let hash = signer::sha256(format!("{TRAILER}:{value}\n").as_bytes());
        let text = format!("AWS4-HMAC-SHA256-TRAILER\n{AMZ_DATE}\n{SCOPE}\n{previous}\n{hash}");
        let signature = signer::v4_signature(SECRET, &text);
        out.extend_from_slice(format!("{TRAILER}:{value}\r\nx-amz-trailer-signature:{signature}\r\n").as_bytes());
    }
    out.extend_from_slice(b"\r\n");
    out
}

/// A body signed as it should be is decoded; with a change it is refused, or means the same.
pub fn signed(data: &[u8]) {
    let mut tape = Tape::new(data);
    let trailer = tape.flag().then(|| tape.name());
    let (auth, seed) = chain(trailer.is_some());
    let chunks: Vec<&[u8]> = (0..tape.below(5)).map(|_| tape.bytes()).filter(|chunk| !chunk.is_empty()).collect();
    let plain = chunks.concat();
    let mut body = encode(&chunks, trailer.as_deref(), &seed);
    let announced = if trailer.is_some() { vec![TRAILER.to_owned()] } else { Vec::new() };
    let declared = tape.flag().then_some(plain.len() as u64);
    let decoder = || ChunkedDecoder::new(auth.clone(), declared, announced.clone());
    let step = usize::from(tape.u8());
    let good = decode(decoder(), &body, || step);
    let trailers: Vec<_> = trailer.iter().map(|value| (TRAILER.to_owned(), value.clone())).collect();
    assert_eq!(good, Outcome { data: plain.clone(), end: Ok(trailers.clone()) }, "a good body is refused");
    for _ in 0..=tape.below(3) {
        let at = usize::from(tape.u16()) % body.len();
        match tape.below(4) {
            0 => body[at] ^= tape.u8(),
            1 => body.truncate(at.max(1)),
            2 => body.insert(at, tape.u8()),
            _ => {
                body.remove(at);
                if body.is_empty() {
                    return;
                }
            }
        }
    }
    let changed = decode(decoder(), &body, || step);
    check(&changed, declared);
    if changed.end.is_ok() {
        assert_eq!(changed, Outcome { data: plain, end: Ok(trailers) }, "a changed body is accepted");
    }
}
