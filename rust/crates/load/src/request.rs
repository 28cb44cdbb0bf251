//! Requests as bytes: head, signature, body. Small bodies are one piece with the head; large ones are made while they
//! are sent, so that the memory of the generator does not grow with them.

use crate::config::{Config, Op, Payload};
use crate::seeded::{self, Names};
use crate::sign::{self, Canonical, Signer};
use crc_fast::{CrcAlgorithm, Digest as Crc};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::fmt::Write;
use std::time::{SystemTime, UNIX_EPOCH};

/// Bodies up to this size are sent with the head in one write.
const INLINE_BYTES: u64 = 256 << 10;
/// A large body is made and written in pieces of this size.
const PIECE_BYTES: u64 = 256 << 10;
/// Chunk of the aws-chunked form; botocore's `AwsChunkedWrapper` uses the same.
const CHUNK_BYTES: u64 = 1 << 20;
/// Entries asked for on a page.
pub const PAGE_KEYS: u64 = 1000;
/// Hash of the empty body.
const EMPTY_SHA256: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
const TRAILER_NAME: &str = "x-amz-checksum-crc32";

/// Where a page of a listing begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum From {
    /// At the first key.
    Top,
    /// Behind this key.
    After(String),
    /// At a continuation token, as the server sent it.
    Token(String),
}

/// The part of a body that was not written yet.
pub struct Upload {
    seed: u64,
    index: u64,
    offset: u64,
    size: u64,
    trailer: Option<Crc>,
    ended: bool,
}

impl Upload {
    /// Appends the next piece; false when there is none.
    pub fn next(&mut self, out: &mut Vec<u8>) -> bool {
        if self.ended {
            return false;
        }
        let piece = if self.trailer.is_some() { CHUNK_BYTES } else { PIECE_BYTES };
        let take = piece.min(self.size - self.offset) as usize;
        if self.trailer.is_some() && take > 0 {
            out.extend_from_slice(format!("{take:x}\r\n").as_bytes());
        }
        let start = out.len();
        out.resize(start + take, 0);
        seeded::fill(self.seed, self.index, self.offset, &mut out[start..]);
        self.offset += take as u64;
        self.ended = self.offset == self.size;
        if let Some(crc) = &mut self.trailer {
            crc.update(&out[start..]);
            if take > 0 {
                out.extend_from_slice(b"\r\n");
            }
            if self.ended {
                let value = base64_of_u32(crc.finalize() as u32);
                out.extend_from_slice(format!("0\r\n{TRAILER_NAME}:{value}\r\n\r\n").as_bytes());
            }
        }
        true
    }
}

/// How many bytes the aws-chunked form of a body has.
fn framed_length(size: u64) -> u64 {
    let line = |length: u64| format!("{length:x}\r\n").len() as u64 + length + 2;
    let rest = size % CHUNK_BYTES;
    let chunks = size / CHUNK_BYTES * line(CHUNK_BYTES) + if rest > 0 { line(rest) } else { 0 };
    // "0\r\n", the name, ":", eight characters of Base64, "\r\n\r\n".
    chunks + 3 + TRAILER_NAME.len() as u64 + 1 + 8 + 4
}

fn base64_of_u32(value: u32) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let bits = u64::from(value) << 4;
    let mut text: String = (0..6).rev().map(|at| char::from(LETTERS[(bits >> (6 * at) & 63) as usize])).collect();
    text.push_str("==");
    text
}

/// Percent-encodes a query value (unreserved characters stay).
fn escape(text: &str) -> String {
    text.bytes().fold(String::with_capacity(text.len() + 16), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
        out
    })
}

/// Writes requests of one run.
pub struct Requests {
    host: String,
    bucket: String,
    names: Names,
    size: u64,
    payload: Payload,
    signer: Option<Signer>,
    second: u64,
    date: String,
    hashes: HashMap<u64, (String, u32)>,
}

impl Requests {
    /// For the target, bucket and keys of `config`.
    pub fn new(config: &Config) -> Self {
        let signed = !config.access_key.is_empty();
        Self {
            host: config.target.clone(),
            bucket: config.bucket.clone(),
            names: config.names.clone(),
            size: config.size_bytes,
            payload: config.payload,
            signer: signed.then(|| Signer::new(&config.access_key, &config.secret_key, &config.region)),
            second: 0,
            date: String::new(),
            hashes: HashMap::new(),
        }
    }

    /// Hashes large bodies before the clock starts, as far as their signature needs it.
    pub fn prepare(&mut self, indexes: impl Iterator<Item = u64>) {
        if self.size > INLINE_BYTES && matches!(self.payload, Payload::Signed | Payload::Sdk) {
            for index in indexes {
                let hashes = self.hash(index);
                self.hashes.insert(index, hashes);
            }
        }
    }

    fn hash(&self, index: u64) -> (String, u32) {
        let (mut sha, mut crc) = (Sha256::new(), Crc::new(CrcAlgorithm::Crc32IsoHdlc));
        let mut upload = self.upload(index, false);
        let mut piece = Vec::new();
        while upload.next(&mut piece) {
            sha.update(&piece);
            crc.update(&piece);
            piece.clear();
        }
        (sign::hex(&sha.finalize()), crc.finalize() as u32)
    }

    fn upload(&self, index: u64, trailer: bool) -> Upload {
        let trailer = trailer.then(|| Crc::new(CrcAlgorithm::Crc32IsoHdlc));
        Upload { seed: self.names.seed, index, offset: 0, size: self.size, trailer, ended: false }
    }

    /// Appends a request without a body.
    pub fn plain(&mut self, op: Op, index: u64, from: &From, out: &mut Vec<u8>) {
        let bucket = format!("/{}", self.bucket);
        let object = || format!("{bucket}/{}", self.names.name(index));
        let keys = PAGE_KEYS;
        let (method, path, query) = match op {
            Op::Get => ("GET", object(), String::new()),
            Op::Head => ("HEAD", object(), String::new()),
            Op::ListDelimiter => ("GET", bucket, format!("delimiter=%2F&list-type=2&max-keys={keys}")),
            Op::List => {
                let query = match from {
                    From::Top => format!("list-type=2&max-keys={keys}"),
                    From::After(key) => format!("list-type=2&max-keys={keys}&start-after={}", escape(key)),
                    From::Token(token) => {
                        format!("continuation-token={}&list-type=2&max-keys={keys}", escape(token))
                    }
                };
                ("GET", bucket, query)
            }
            Op::CreateBucket | Op::Put => ("PUT", bucket, String::new()),
        };
        let extra = if method == "PUT" { "content-length: 0\r\n" } else { "" };
        self.head(method, &path, &query, EMPTY_SHA256, &[], extra, out);
    }

    /// Appends a PutObject; what is left of its body is returned.
    pub fn put(&mut self, index: u64, out: &mut Vec<u8>) -> Option<Upload> {
        let path = format!("/{}/{}", self.bucket, self.names.name(index));
        let trailer = self.payload == Payload::Trailer;
        let mut upload = self.upload(index, trailer);
        let mut body = Vec::new();
        let inline = self.size <= INLINE_BYTES;
        if inline {
            body.reserve(framed_length(self.size) as usize);
            upload.next(&mut body);
        }
        let (hash, crc) = match self.payload {
            Payload::Unsigned => (sign::UNSIGNED.into(), 0),
            Payload::Trailer => (sign::UNSIGNED_TRAILER.into(), 0),
            Payload::Signed if inline => (sign::sha256_hex(&body), 0),
            Payload::Sdk if inline => (sign::sha256_hex(&body), crc_fast::crc32_iso_hdlc(&body)),
            Payload::Signed | Payload::Sdk => self.hashes.get(&index).cloned().unwrap_or_else(|| self.hash(index)),
        };
        let size = self.size.to_string();
        let crc = base64_of_u32(crc);
        let signed: &[(&str, &str)] = match self.payload {
            Payload::Unsigned | Payload::Signed => &[],
            Payload::Sdk => &[(TRAILER_NAME, &crc), ("x-amz-sdk-checksum-algorithm", "CRC32")],
            Payload::Trailer => &[
                ("x-amz-decoded-content-length", &size),
                ("x-amz-sdk-checksum-algorithm", "CRC32"),
                ("x-amz-trailer", TRAILER_NAME),
            ],
        };
        let length = if trailer { framed_length(self.size) } else { self.size };
        let encoding = if trailer { "content-encoding: aws-chunked\r\n" } else { "" };
        let extra = format!("content-length: {length}\r\n{encoding}");
        self.head("PUT", &path, "", &hash, signed, &extra, out);
        out.extend_from_slice(&body);
        (!upload.ended).then_some(upload)
    }

    /// Appends request line, headers and the empty line. `signed` are further headers, sorted, that are signed;
    /// `extra` are lines that are not.
    #[allow(clippy::too_many_arguments)] // the parts of a request are as many as they are
    fn head(
        &mut self,
        method: &str,
        path: &str,
        query: &str,
        hash: &str,
        signed: &[(&str, &str)],
        extra: &str,
        out: &mut Vec<u8>,
    ) {
        self.tick();
        let mut headers: Vec<(&str, &str)> = Vec::with_capacity(8);
        headers.extend([("host", &*self.host), ("x-amz-content-sha256", hash), ("x-amz-date", &*self.date)]);
        headers.extend_from_slice(signed);
        headers.sort_unstable_by_key(|header| header.0);
        let mut text = String::with_capacity(768);
        let mark = if query.is_empty() { "" } else { "?" };
        let _ = write!(text, "{method} {path}{mark}{query} HTTP/1.1\r\n");
        if let Some(signer) = &mut self.signer {
            let canonical = Canonical { method, path, query, headers: &headers, payload: hash };
            let _ = write!(text, "authorization: {}\r\n", signer.authorization(&canonical, &self.date));
        }
        for (name, value) in &headers {
            let _ = write!(text, "{name}: {value}\r\n");
        }
        // What every SDK adds; the server has to read it.
        let _ = write!(text, "accept-encoding: identity\r\nuser-agent: panthera-load\r\n{extra}\r\n");
        out.extend_from_slice(text.as_bytes());
    }

    fn tick(&mut self) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |age| age.as_secs());
        if now != self.second {
            self.second = now;
            self.date = sign::amz_date(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn requests(payload: Payload, size_bytes: u64) -> Requests {
        let keys = || "key".to_owned();
        let config = Config { payload, size_bytes, access_key: keys(), secret_key: keys(), ..Config::default() };
        Requests::new(&config)
    }

    /// The whole request as text with its body apart.
    fn put(payload: Payload, size: u64) -> (String, Vec<u8>) {
        let mut requests = requests(payload, size);
        let mut out = Vec::new();
        if let Some(mut upload) = requests.put(3, &mut out) {
            while upload.next(&mut out) {}
        }
        let end = out.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
        (String::from_utf8(out[..end].to_vec()).unwrap(), out[end..].to_vec())
    }

    #[test]
    fn every_form_sends_the_length_it_says() {
        for size in [0, 1, 4096, INLINE_BYTES, INLINE_BYTES + 1, CHUNK_BYTES, 2 * CHUNK_BYTES + 5] {
            let mut plain = vec![0; size as usize];
            seeded::fill(1, 3, 0, &mut plain);
            for payload in [Payload::Unsigned, Payload::Signed, Payload::Sdk, Payload::Trailer] {
                let (head, body) = put(payload, size);
                assert!(head.contains(&format!("content-length: {}\r\n", body.len())), "{payload:?} {size}: {head}");
                match payload {
                    Payload::Trailer => assert_eq!(unframe(&body), (plain.clone(), crc_line(&plain))),
                    _ => assert!(body == plain),
                }
                if matches!(payload, Payload::Signed | Payload::Sdk) {
                    assert!(head.contains(&sign::sha256_hex(&plain)));
                }
            }
        }
    }

    fn crc_line(plain: &[u8]) -> String {
        format!("{TRAILER_NAME}:{}", base64_of_u32(crc_fast::crc32_iso_hdlc(plain)))
    }

    /// A decoder of its own, from the "Transferring payload in multiple chunks" page.
    fn unframe(mut body: &[u8]) -> (Vec<u8>, String) {
        let mut plain = Vec::new();
        loop {
            let end = body.windows(2).position(|window| window == b"\r\n").unwrap();
            let size = usize::from_str_radix(std::str::from_utf8(&body[..end]).unwrap(), 16).unwrap();
            body = &body[end + 2..];
            if size == 0 {
                return (plain, std::str::from_utf8(body).unwrap().strip_suffix("\r\n\r\n").unwrap().into());
            }
            plain.extend_from_slice(&body[..size]);
            body = body[size..].strip_prefix(b"\r\n").unwrap();
        }
    }

    #[test]
    fn base64_of_the_check_value_of_crc32() {
        // The check value of CRC-32/ISO-HDLC is cbf43926; botocore sends it as y/Q5Jg==.
        assert_eq!(base64_of_u32(crc_fast::crc32_iso_hdlc(b"123456789")), "y/Q5Jg==");
    }

    #[test]
    fn queries_are_canonical() {
        let mut out = Vec::new();
        let mut requests = requests(Payload::Unsigned, 1);
        requests.plain(Op::List, 0, &From::Token("a/+=".into()), &mut out);
        let text = String::from_utf8(out).unwrap();
        assert!(text.starts_with("GET /bench?continuation-token=a%2F%2B%3D&list-type=2&max-keys=1000 HTTP/1.1\r\n"));
        assert!(text.ends_with("\r\n\r\n"));
    }
}
