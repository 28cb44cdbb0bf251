//! SigV4 by header, and the verification that headers and presigned URLs share.
//!
//! Does not belong here: scopes, key derivation, the chunks of a body.

use hmac::Mac;
use panthera_base::{ErrorCode, S3Error, S3Result, Timestamp, limits};
use sha2::{Digest, Sha256};

use super::keys::HmacSha256;
use super::scope::{Credential, Place};
use super::{AmzDate, AuthPolicy, BodyAuth, ChunkedAuth, Head, Payload, SigningKeys, UNSIGNED_PAYLOAD};
use crate::{date, hex, uri};

/// The first line of every string to sign.
const ALGORITHM: &str = "AWS4-HMAC-SHA256";
/// Room for a canonical request without growing: method, path, query and a dozen headers.
const CANONICAL_BYTES: usize = 1024;

/// A SigV4 signature that has been read but not verified.
#[derive(Clone, Debug)]
pub(super) struct V4 {
    pub(super) credential: Credential,
    pub(super) date: AmzDate,
    pub(super) signed_headers: String,
    pub(super) signature: String,
    pub(super) token: Option<String>,
    pub(super) presigned: bool,
    pub(super) payload: Payload,
    /// X-Amz-Content-Sha256 when it stood in the query.
    pub(super) payload_in_query: Option<String>,
}

/// Reads what follows `AWS4-HMAC-SHA256 ` in the Authorization header.
pub(super) fn claim_header(head: &Head<'_>, rest: &str, now: Timestamp, policy: &AuthPolicy) -> S3Result<V4> {
    let place = Place::Header;
    let (mut credential, mut signed_headers, mut signature) = (None, None, None);
    for part in rest.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let slot = match part.split_once('=') {
            Some(("Credential", value)) => Some((&mut credential, value)),
            Some(("SignedHeaders", value)) => Some((&mut signed_headers, value)),
            Some(("Signature", value)) => Some((&mut signature, value)),
            _ => None,
        };
        match slot {
            Some((slot @ None, value)) if !value.is_empty() => *slot = Some(value),
            _ => return Err(place.malformed(format!("the authorization component \"{part}\" is malformed."))),
        }
    }
    let (Some(credential), Some(signed_headers), Some(signature)) = (credential, signed_headers, signature) else {
        let why = "The authorization header requires three components: Credential, SignedHeaders, and Signature.";
        return Err(place.malformed(why));
    };
    let date = request_date(head)?;
    let credential = Credential::parse(credential, &date, policy.region.as_deref(), place)?;
    super::check_skew(date.as_bytes(), date.time(), now)?;
    let Some(payload) = super::payload_header(head.headers)? else {
        let message = "Missing required header for this request: x-amz-content-sha256";
        return Err(S3Error::with_message(ErrorCode::InvalidRequest, message));
    };
    let payload = Payload::parse(payload)?;
    check_signed_headers(head, signed_headers, place)?;
    Ok(V4 {
        credential,
        date,
        signed_headers: signed_headers.to_owned(),
        signature: signature.to_owned(),
        token: super::single(head.headers, "x-amz-security-token").map(str::to_owned),
        presigned: false,
        payload,
        payload_in_query: None,
    })
}

/// x-amz-date, or else Date, in basic format or (Date only) as an HTTP date.
fn request_date(head: &Head<'_>) -> S3Result<AmzDate> {
    let invalid = || super::denied("AWS authentication requires a valid Date or x-amz-date header");
    if head.headers.contains_key("x-amz-date") {
        return super::single(head.headers, "x-amz-date").and_then(AmzDate::parse).ok_or_else(invalid);
    }
    let text = super::single(head.headers, "date").ok_or_else(invalid)?;
    parse_date(text).ok_or_else(invalid)
}

/// A date in basic format or as an HTTP date; old signers write `+0000` for `GMT`.
pub(super) fn parse_date(text: &str) -> Option<AmzDate> {
    let text = text.trim();
    AmzDate::parse(text).or_else(|| {
        let gmt = text.strip_suffix("+0000").map(|rest| format!("{rest}GMT"));
        date::parse_http_date(gmt.as_deref().unwrap_or(text)).map(AmzDate::from_timestamp)
    })
}

/// `host` and every `x-amz-*` header must be signed, or a proxy in between could change what the request means.
pub(super) fn check_signed_headers(head: &Head<'_>, signed: &str, place: Place) -> S3Result<()> {
    // A name said twice, or more names than headers can be, only makes the canonical request large.
    let repeated = |(i, name): (usize, &str)| signed.split(';').take(i).any(|earlier| earlier == name);
    if signed.split(';').count() > limits::HEADERS || signed.split(';').enumerate().any(repeated) {
        return Err(place.malformed("the SignedHeaders are malformed; expecting each name once."));
    }
    let is_signed = |name: &str| signed.split(';').any(|s| s.eq_ignore_ascii_case(name));
    let mut missing = String::new();
    let needed = head.headers.keys().map(http::HeaderName::as_str).filter(|name| name.starts_with("x-amz-"));
    for name in std::iter::once("host").chain(needed) {
        if !is_signed(name) {
            if !missing.is_empty() {
                missing.push_str(", ");
            }
            missing.push_str(name);
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    let message = "There were headers present in the request which were not signed";
    Err(super::denied(message).field("HeadersNotSigned", missing))
}

impl V4 {
    pub(super) fn access_key(&self) -> &str {
        self.credential.access_key()
    }

    pub(super) fn session_token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    pub(super) fn presigned(&self) -> bool {
        self.presigned
    }

    pub(super) fn verify(&self, head: &Head<'_>, secret: &[u8], keys: &SigningKeys) -> S3Result<BodyAuth> {
        let key = keys.get(self.access_key(), secret, self.credential.day(), self.credential.region());
        let path = if head.path.is_empty() { "/" } else { head.path };
        let mut canonical = Vec::with_capacity(CANONICAL_BYTES);
        self.push_canonical(&mut canonical, head, path);
        let provided = self.signature.as_bytes();
        let mut expected = self.signature_over(&key, &canonical);
        if !super::same(&expected, provided)
            && let Some(path) = respelt(path)
        {
            let mut other = Vec::with_capacity(CANONICAL_BYTES);
            self.push_canonical(&mut other, head, &path);
            expected = self.signature_over(&key, &other);
        }
        if !super::same(&expected, provided) {
            let string_to_sign = self.string_to_sign(&canonical);
            return Err(super::mismatch(self.access_key(), &string_to_sign, &self.signature, Some(&canonical)));
        }
        Ok(self.body(key, expected))
    }

    fn body(&self, key: HmacSha256, seed: [u8; 64]) -> BodyAuth {
        match self.payload {
            Payload::Unsigned => BodyAuth::Unsigned,
            Payload::Sha256(hash) => BodyAuth::Sha256(hash),
            Payload::UnsignedTrailer => BodyAuth::Chunked(ChunkedAuth::unsigned_trailer()),
            Payload::Signed { trailer } => {
                let scope = self.credential.scope().to_owned();
                BodyAuth::Chunked(ChunkedAuth::signed(key, *self.date.as_bytes(), scope, seed, trailer))
            }
        }
    }

    /// The signature over this canonical request, in hex.
    fn signature_over(&self, key: &HmacSha256, canonical: &[u8]) -> [u8; 64] {
        let mut mac = key.clone();
        self.each_line(canonical, |bytes| mac.update(bytes));
        hex::encode_32(&mac.finalize().into_bytes().into())
    }

    fn string_to_sign(&self, canonical: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        self.each_line(canonical, |bytes| out.extend_from_slice(bytes));
        out
    }

    fn each_line(&self, canonical: &[u8], mut take: impl FnMut(&[u8])) {
        take(ALGORITHM.as_bytes());
        take(b"\n");
        take(self.date.as_bytes());
        take(b"\n");
        take(self.credential.scope().as_bytes());
        take(b"\n");
        take(&hex::encode_32(&Sha256::digest(canonical).into()));
    }

    /// The canonical request: method, path, query, signed headers, their names, payload.
    fn push_canonical(&self, out: &mut Vec<u8>, head: &Head<'_>, path: &str) {
        out.extend_from_slice(head.method.as_bytes());
        out.push(b'\n');
        out.extend_from_slice(path.as_bytes());
        out.push(b'\n');
        let skip = if self.presigned { "X-Amz-Signature" } else { "" };
        uri::push_canonical_query(out, head.query, skip);
        out.push(b'\n');
        for name in self.signed_headers.split(';') {
            out.extend_from_slice(name.as_bytes());
            out.push(b':');
            for (i, value) in head.headers.get_all(name).iter().enumerate() {
                if i > 0 {
                    out.push(b',');
                }
                push_header_value(out, value.as_bytes());
            }
            out.push(b'\n');
        }
        out.push(b'\n');
        out.extend_from_slice(self.signed_headers.as_bytes());
        out.push(b'\n');
        out.extend_from_slice(self.payload_text(head).as_bytes());
    }

    fn payload_text<'a>(&'a self, head: &Head<'a>) -> &'a str {
        if let Some(text) = &self.payload_in_query {
            return text;
        }
        super::single(head.headers, super::CONTENT_SHA256).map_or(UNSIGNED_PAYLOAD, str::trim)
    }
}

/// Trimmed, with inner runs of blanks collapsed to one space.
fn push_header_value(out: &mut Vec<u8>, value: &[u8]) {
    let blank = |b: &u8| matches!(b, b' ' | b'\t');
    let mut first = true;
    for word in value.split(blank).filter(|word| !word.is_empty()) {
        if !first {
            out.push(b' ');
        }
        first = false;
        out.extend_from_slice(word);
    }
}

/// The path as a client that encodes the decoded key would have signed it, when that differs from what was sent.
pub(super) fn respelt(path: &str) -> Option<String> {
    let other = uri::encode_path(&uri::percent_decode(path)?);
    (other != path).then_some(other)
}
