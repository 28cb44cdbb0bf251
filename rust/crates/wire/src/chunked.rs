//! The aws-chunked decoder: framing, chunk signatures, trailing headers (AWS, "Signature calculations for the
//! Authorization header: transferring payload in multiple chunks").
//!
//! Sans-I/O: bytes are pushed in, slices of them come out. Belongs here: what is inside the framing. Does not belong
//! here: Content-Length, HTTP's own chunked coding, the meaning of a trailing checksum.

use bytes::Bytes;
use hmac::Mac;
use panthera_base::{ErrorCode, S3Error, S3Result, limits};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::auth::HmacSha256;
use crate::hex;

/// SHA-256 of nothing, the fixed fifth line of a chunk's string to sign.
const EMPTY_SHA256: &[u8; 64] = b"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
/// The trailing header that signs the others.
const TRAILER_SIGNATURE: &str = "x-amz-trailer-signature";
/// The extension of a size line that signs the chunk.
const CHUNK_SIGNATURE: &str = "chunk-signature=";

/// How the chunks of a body are protected, with the chain of signatures where it begins.
#[derive(Clone, Debug)]
pub struct ChunkedAuth {
    trailer: bool,
    chain: Option<Box<Chain>>,
}

/// Each signature signs the one before it; the first is the request's.
#[derive(Clone, Debug)]
struct Chain {
    key: HmacSha256,
    date: [u8; 16],
    scope: String,
    previous: [u8; 64],
}

impl ChunkedAuth {
    /// STREAMING-UNSIGNED-PAYLOAD-TRAILER.
    pub fn unsigned_trailer() -> Self {
        Self { trailer: true, chain: None }
    }

    /// STREAMING-AWS4-HMAC-SHA256-PAYLOAD, with `trailer` …-TRAILER. `seed` is the verified signature of the request.
    pub(crate) fn signed(key: HmacSha256, date: [u8; 16], scope: String, seed: [u8; 64], trailer: bool) -> Self {
        Self { trailer, chain: Some(Box::new(Chain { key, date, scope, previous: seed })) }
    }

    /// Whether chunks carry signatures.
    pub fn is_signed(&self) -> bool {
        self.chain.is_some()
    }

    /// Whether trailing headers may follow the last chunk.
    pub fn has_trailer(&self) -> bool {
        self.trailer
    }
}

impl Chain {
    /// Checks `provided` over the last two lines of the string to sign and makes it the next link.
    fn check(&mut self, kind: &str, tail: &[&[u8]], provided: &[u8; 64]) -> S3Result<()> {
        let mut lines: Vec<&[u8]> = vec![kind.as_bytes(), &self.date, self.scope.as_bytes(), &self.previous];
        lines.extend_from_slice(tail);
        let string_to_sign = lines.join(&b'\n');
        let mut mac = self.key.clone();
        mac.update(&string_to_sign);
        let expected = hex::encode_32(&mac.finalize().into_bytes().into());
        if bool::from(expected.ct_eq(provided)) {
            self.previous = expected;
            return Ok(());
        }
        Err(S3Error::new(ErrorCode::SignatureDoesNotMatch)
            .field("StringToSign", String::from_utf8_lossy(&string_to_sign))
            .field("SignatureProvided", String::from_utf8_lossy(provided))
            .field("StringToSignBytes", hex::encode_spaced(&string_to_sign)))
    }
}

/// What a push gave.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Chunked {
    /// Decoded bytes: a slice of the input, never empty.
    Data(Bytes),
    /// The input is used up.
    NeedMore,
    /// The body is complete and everything in it holds.
    End,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// Before or inside a size line.
    Size,
    /// Inside a chunk with this many bytes to come.
    Data(u64),
    /// Before the CRLF that ends a chunk.
    DataEnd,
    /// After the last chunk: trailing headers until an empty line.
    Trailers,
    /// After everything.
    End,
}

/// The decoder. After an error it must not be used again.
#[derive(Debug)]
pub struct ChunkedDecoder {
    chain: Option<Box<Chain>>,
    trailer: bool,
    state: State,
    /// The beginning of a line that came in pieces.
    line: Vec<u8>,
    /// Of the chunk being read: its running hash and its signature, when chunks are signed.
    hash: Sha256,
    signature: [u8; 64],
    decoded: u64,
    decoded_len: Option<u64>,
    announced: Vec<String>,
    trailers: Vec<(String, String)>,
    trailer_signed: bool,
}

/// A whole line, or what is missing.
enum Line {
    Whole(Bytes),
    Partial,
}

fn framing(what: &str) -> S3Error {
    S3Error::with_message(ErrorCode::InvalidRequest, format!("The aws-chunked body is malformed: {what}."))
}

fn bad_trailer(why: &str) -> S3Error {
    S3Error::new(ErrorCode::MalformedTrailerError).detail(why)
}

impl ChunkedDecoder {
    /// `decoded_len` is x-amz-decoded-content-length; `announced_trailers` the names in x-amz-trailer.
    pub fn new(auth: ChunkedAuth, decoded_len: Option<u64>, announced_trailers: Vec<String>) -> Self {
        let announced = announced_trailers.iter().map(|name| name.trim().to_ascii_lowercase());
        Self {
            chain: auth.chain,
            trailer: auth.trailer,
            state: State::Size,
            line: Vec::new(),
            hash: Sha256::new(),
            signature: [0; 64],
            decoded: 0,
            decoded_len,
            announced: announced.filter(|name| !name.is_empty()).collect(),
            trailers: Vec::new(),
            trailer_signed: false,
        }
    }

    /// Trailing headers so far: lower-case names, trimmed values; complete after [`Chunked::End`].
    pub fn trailers(&self) -> &[(String, String)] {
        &self.trailers
    }

    /// Takes from `input` what it can. Data of a signed chunk is handed out before its signature is known to hold: act
    /// on it only after [`Chunked::End`].
    pub fn push(&mut self, input: &mut Bytes) -> S3Result<Chunked> {
        loop {
            match self.state {
                State::Data(left) if !input.is_empty() => return Ok(Chunked::Data(self.data(input, left))),
                State::Data(_) => return Ok(Chunked::NeedMore),
                State::End if input.is_empty() => return Ok(Chunked::End),
                State::End => return Err(framing("bytes after the end")),
                State::Size | State::DataEnd | State::Trailers => {}
            }
            let Line::Whole(line) = self.line(input)? else { return Ok(Chunked::NeedMore) };
            match self.state {
                State::Size => self.size_line(&line)?,
                // The line is empty: nothing but CRLF fits into its limit.
                State::DataEnd => {
                    self.check_chunk()?;
                    self.state = State::Size;
                }
                _ => self.trailer_line(&line)?,
            }
        }
    }

    /// Call when the transport has ended: IncompleteBody unless the body had ended before.
    pub fn finish(&mut self) -> S3Result<()> {
        match self.state {
            State::End => Ok(()),
            _ => {
                Err(S3Error::new(ErrorCode::IncompleteBody)
                    .detail("the transport ended inside the aws-chunked framing"))
            }
        }
    }

    fn data(&mut self, input: &mut Bytes, left: u64) -> Bytes {
        let take = usize::try_from(left).map_or(input.len(), |left| left.min(input.len()));
        let data = input.split_to(take);
        if self.chain.is_some() {
            self.hash.update(&data);
        }
        self.state = State::Data(left - take as u64);
        if left == take as u64 {
            self.state = State::DataEnd;
        }
        data
    }

    /// The next line without its CRLF. A lone LF or CR is never accepted as an end of line.
    fn line(&mut self, input: &mut Bytes) -> S3Result<Line> {
        // The CRLF after data needs no look-ahead of a kilobyte to be found wanting.
        let limit = if self.state == State::DataEnd { 2 } else { limits::CHUNK_LINE_BYTES };
        let room = limit - self.line.len();
        let seen = &input[..input.len().min(room)];
        let mut end = None;
        for at in memchr::memchr_iter(b'\n', seen) {
            let before = if at == 0 { self.line.last() } else { seen.get(at - 1) };
            if before == Some(&b'\r') {
                end = Some(at);
                break;
            }
            if self.state == State::Size {
                return Err(framing("a line does not end with CRLF"));
            }
        }
        let Some(at) = end else {
            if seen.len() == room {
                return Err(framing(if limit == 2 {
                    "a chunk does not end with CRLF after the bytes of its size"
                } else {
                    "a line is too long"
                }));
            }
            self.line.extend_from_slice(input);
            input.clear();
            return Ok(Line::Partial);
        };
        let tail = input.split_to(at + 1);
        if self.line.is_empty() {
            return Ok(Line::Whole(tail.slice(..at - 1)));
        }
        let mut line = std::mem::take(&mut self.line);
        line.extend_from_slice(&tail);
        line.truncate(line.len() - 2);
        Ok(Line::Whole(line.into()))
    }

    /// After a chunk's data: its signature, if signed.
    fn check_chunk(&mut self) -> S3Result<()> {
        if let Some(chain) = &mut self.chain {
            let hash = hex::encode_32(&self.hash.finalize_reset().into());
            chain.check("AWS4-HMAC-SHA256-PAYLOAD", &[EMPTY_SHA256, &hash], &self.signature)?;
        }
        Ok(())
    }

    fn size_line(&mut self, line: &[u8]) -> S3Result<()> {
        let (size, extensions) = match memchr::memchr(b';', line) {
            Some(at) => (&line[..at], &line[at + 1..]),
            None => (line, &line[line.len()..]),
        };
        let size = parse_size(size)?;
        if self.chain.is_some() {
            let signature = extensions
                .strip_prefix(CHUNK_SIGNATURE.as_bytes())
                .ok_or_else(|| framing("a chunk has no chunk-signature"))?;
            self.signature = signature.try_into().map_err(|_| framing("a chunk-signature is not 64 hex digits"))?;
        }
        self.decoded = self.decoded.saturating_add(size);
        if self.decoded_len.is_some_and(|len| self.decoded > len) {
            let detail = "chunks hold more than x-amz-decoded-content-length";
            return Err(S3Error::new(ErrorCode::IncompleteBody).detail(detail));
        }
        if size > 0 {
            self.state = State::Data(size);
            return Ok(());
        }
        self.check_chunk()?;
        if self.decoded_len.is_some_and(|len| self.decoded != len) {
            let detail = "chunks hold less than x-amz-decoded-content-length";
            return Err(S3Error::new(ErrorCode::IncompleteBody).detail(detail));
        }
        self.state = State::Trailers;
        Ok(())
    }

    fn trailer_line(&mut self, line: &[u8]) -> S3Result<()> {
        if line.is_empty() {
            return self.end();
        }
        if !self.trailer {
            return Err(bad_trailer("trailing headers in a body announced without"));
        }
        // AWS's own examples end the header that is signed with LF before the CRLF.
        let line = line.strip_suffix(b"\n").filter(|_| self.chain.is_some()).unwrap_or(line);
        let text = std::str::from_utf8(line).map_err(|_| bad_trailer("not UTF-8"))?;
        if text.bytes().any(|b| b.is_ascii_control() && b != b'\t') {
            return Err(bad_trailer("control characters"));
        }
        let (name, value) = text.split_once(':').ok_or_else(|| bad_trailer("a line without a colon"))?;
        let (name, value) = (name.to_ascii_lowercase(), value.trim());
        if self.trailer_signed {
            return Err(bad_trailer("a header after x-amz-trailer-signature"));
        }
        if name == TRAILER_SIGNATURE && self.chain.is_some() {
            return self.check_trailers(value);
        }
        if !self.announced.contains(&name) {
            return Err(bad_trailer("a header that x-amz-trailer does not announce"));
        }
        if self.trailers.iter().any(|(n, _)| *n == name) {
            return Err(bad_trailer("a header twice"));
        }
        if self.trailers.len() == limits::TRAILERS {
            return Err(bad_trailer("too many headers"));
        }
        self.trailers.push((name, value.to_owned()));
        Ok(())
    }

    fn check_trailers(&mut self, provided: &str) -> S3Result<()> {
        let provided =
            provided.as_bytes().try_into().map_err(|_| bad_trailer("a signature that is not 64 hex digits"))?;
        let mut hash = Sha256::new();
        for (name, value) in &self.trailers {
            for part in [name.as_str(), ":", value, "\n"] {
                hash.update(part);
            }
        }
        let hash = hex::encode_32(&hash.finalize().into());
        if let Some(chain) = &mut self.chain {
            chain.check("AWS4-HMAC-SHA256-TRAILER", &[&hash], provided)?;
        }
        self.trailer_signed = true;
        Ok(())
    }

    fn end(&mut self) -> S3Result<()> {
        if self.trailer {
            if self.chain.is_some() && !self.trailer_signed && !self.trailers.is_empty() {
                return Err(bad_trailer("trailing headers without x-amz-trailer-signature"));
            }
            if self.announced.iter().any(|name| !self.trailers.iter().any(|(n, _)| n == name)) {
                return Err(bad_trailer("an announced header is missing"));
            }
        }
        self.state = State::End;
        Ok(())
    }
}

/// Hex digits only: no sign, no blanks, no `0x`, nothing that overflows, nothing above [`limits::CHUNK_BYTES`].
fn parse_size(digits: &[u8]) -> S3Result<u64> {
    if digits.is_empty() {
        return Err(framing("a chunk has no size"));
    }
    let mut size: u64 = 0;
    for byte in digits {
        let digit = hex::digit(*byte).ok_or_else(|| framing("a chunk size is not a hexadecimal number"))?;
        size = size
            .checked_mul(16)
            .map(|size| size | u64::from(digit))
            .filter(|size| *size <= limits::CHUNK_BYTES)
            .ok_or_else(|| framing("a chunk size is too large"))?;
    }
    Ok(size)
}
