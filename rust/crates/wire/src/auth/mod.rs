//! Who signed this request, and does the signature hold? SigV4 and SigV2, by header and by query; form uploads in
//! [`post`].
//!
//! Two steps, so that the caller looks up the secret in between: [`claim`] reads and checks everything that needs no
//! secret, [`SignedClaim::verify`] does the rest and says how the body is protected. Does not belong here: credentials,
//! what the caller may do, the body itself (see `chunked`).

mod keys;
pub mod post;
mod presigned;
mod scope;
mod sigv2;
mod sigv4;

use http::HeaderMap;
use panthera_base::{ErrorCode, S3Error, S3Result, Timestamp, limits};
use subtle::ConstantTimeEq;

use crate::{hex, uri};
use sigv2::V2;
use sigv4::V4;

pub use crate::chunked::ChunkedAuth;
pub(crate) use keys::HmacSha256;
pub use keys::SigningKeys;
pub use scope::{AmzDate, parse_iso8601};
pub use sigv2::covers as sigv2_covers;

/// The header that says how the body is protected, and the words it may hold besides 64 hex digits.
pub(crate) const CONTENT_SHA256: &str = "x-amz-content-sha256";
const UNSIGNED_PAYLOAD: &str = "UNSIGNED-PAYLOAD";

/// The head of a request as it was sent. HTTP/2 callers put `:authority` into `headers` as `host`.
#[derive(Clone, Copy)]
pub struct Head<'a> {
    /// `GET`, `PUT` …
    pub method: &'a str,
    /// The path, raw, as sent.
    pub path: &'a str,
    /// The query, raw, without `?`.
    pub query: &'a str,
    /// All headers.
    pub headers: &'a HeaderMap,
    /// The bucket when it was named by the host: part of SigV2's canonical resource.
    pub vhost_bucket: Option<&'a str>,
}

/// What the operator accepts.
#[derive(Clone, Debug)]
pub struct AuthPolicy {
    /// SigV2 is accepted.
    pub sigv2: bool,
    /// The only region a scope may name; `None` accepts any.
    pub region: Option<String>,
}

/// What a request says about its sender.
#[derive(Clone, Debug)]
pub enum Claim {
    /// Nothing.
    Anonymous,
    /// Something that has to be verified.
    Signed(SignedClaim),
}

/// The two signature versions of S3.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SignatureVersion {
    /// HMAC-SHA1, 2006.
    V2,
    /// HMAC-SHA256, 2012.
    V4,
}

/// How the body of an authenticated request is protected.
#[derive(Clone, Debug)]
pub enum BodyAuth {
    /// Not at all, or by the transport.
    Unsigned,
    /// It must hash to this (else XAmzContentSHA256Mismatch).
    Sha256([u8; 32]),
    /// It comes as aws-chunked.
    Chunked(ChunkedAuth),
}

/// A signature whose form, date, expiry and scope are right. Whether it holds needs the secret.
#[derive(Clone, Debug)]
pub struct SignedClaim(Kind);

#[derive(Clone, Debug)]
enum Kind {
    V4(Box<V4>),
    V2(Box<V2>),
}

impl SignedClaim {
    /// The access key the client names.
    pub fn access_key(&self) -> &str {
        match &self.0 {
            Kind::V4(v4) => v4.access_key(),
            Kind::V2(v2) => v2.access_key(),
        }
    }

    /// The session token it sends, if any.
    pub fn session_token(&self) -> Option<&str> {
        match &self.0 {
            Kind::V4(v4) => v4.session_token(),
            Kind::V2(v2) => v2.session_token(),
        }
    }

    /// Whether the signature came in the query.
    pub fn presigned(&self) -> bool {
        match &self.0 {
            Kind::V4(v4) => v4.presigned(),
            Kind::V2(v2) => v2.presigned(),
        }
    }

    /// Which version.
    pub fn version(&self) -> SignatureVersion {
        match &self.0 {
            Kind::V4(_) => SignatureVersion::V4,
            Kind::V2(_) => SignatureVersion::V2,
        }
    }

    /// When it was signed, as SigV4 says; SigV2 signs a date that nobody has to send.
    pub fn signed_at(&self) -> Option<Timestamp> {
        match &self.0 {
            Kind::V4(v4) => Some(v4.date.time()),
            Kind::V2(_) => None,
        }
    }

    /// Verifies the signature over `head`, which must be the one given to [`claim`]. SignatureDoesNotMatch otherwise.
    pub fn verify(&self, head: &Head<'_>, secret: &[u8], keys: &SigningKeys) -> S3Result<BodyAuth> {
        match &self.0 {
            Kind::V4(v4) => v4.verify(head, secret, keys),
            Kind::V2(v2) => v2.verify(head, secret),
        }
    }
}

/// Reads what the request says about its sender and checks everything that needs no secret: form, exactly one
/// mechanism, date and skew (or expiry), scope, that `host` and every `x-amz-*` header are signed, the words of
/// x-amz-content-sha256, and that the query can be decoded.
pub fn claim(head: &Head<'_>, now: Timestamp, policy: &AuthPolicy) -> S3Result<Claim> {
    if !uri::query_is_well_formed(head.query) {
        return Err(ErrorCode::InvalidURI.into());
    }
    let mut headers = head.headers.get_all(http::header::AUTHORIZATION).iter();
    let header = headers.next();
    let query = presigned::mechanisms(head.query);
    if usize::from(query.v4) + usize::from(query.v2) + usize::from(header.is_some()) > 1 || headers.next().is_some() {
        return Err(only_one_mechanism(header));
    }
    let Some(header) = header else {
        return match (query.v4, query.v2) {
            (true, _) => presigned::claim(head, now, policy).map(signed_v4),
            (_, true) => require_sigv2(policy).and_then(|()| sigv2::claim_query(head, now)).map(signed_v2),
            _ => Ok(Claim::Anonymous),
        };
    };
    let text = header.to_str().map_err(|_| unsupported_type(&String::from_utf8_lossy(header.as_bytes())))?.trim();
    let (scheme, rest) = text.split_once([' ', '\t']).unwrap_or((text, ""));
    match scheme {
        "AWS4-HMAC-SHA256" => sigv4::claim_header(head, rest, now, policy).map(signed_v4),
        "AWS" => require_sigv2(policy).and_then(|()| sigv2::claim_header(head, rest, now)).map(signed_v2),
        "AWS4-ECDSA-P256-SHA256" => Err(sigv4a(scheme)),
        // An Authorization header that says nothing is not a way to be anonymous.
        "" => Err(ErrorCode::AccessDenied.into()),
        _ => Err(unsupported_type(text)),
    }
}

/// How the body of a request without a signature is protected: anonymous clients send aws-chunked with a trailer, too.
pub fn unsigned_body(headers: &HeaderMap) -> S3Result<BodyAuth> {
    match payload_header(headers)? {
        None => Ok(BodyAuth::Unsigned),
        Some(text) => match Payload::parse(text)? {
            Payload::Unsigned => Ok(BodyAuth::Unsigned),
            Payload::Sha256(hash) => Ok(BodyAuth::Sha256(hash)),
            Payload::UnsignedTrailer => Ok(BodyAuth::Chunked(ChunkedAuth::unsigned_trailer())),
            Payload::Signed { .. } => Err(S3Error::with_message(
                ErrorCode::InvalidRequest,
                format!("{text} is only possible in a request that is signed with AWS4-HMAC-SHA256."),
            )),
        },
    }
}

fn signed_v4(v4: V4) -> Claim {
    Claim::Signed(SignedClaim(Kind::V4(Box::new(v4))))
}

fn signed_v2(v2: V2) -> Claim {
    Claim::Signed(SignedClaim(Kind::V2(Box::new(v2))))
}

fn require_sigv2(policy: &AuthPolicy) -> S3Result<()> {
    if policy.sigv2 {
        return Ok(());
    }
    let message = "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.";
    Err(S3Error::with_message(ErrorCode::InvalidRequest, message))
}

fn only_one_mechanism(header: Option<&http::HeaderValue>) -> S3Error {
    let message = "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string \
                   parameter or the Authorization header should be specified";
    let value = header.map(|h| String::from_utf8_lossy(h.as_bytes()).into_owned()).unwrap_or_default();
    invalid_argument(message, "Authorization", value)
}

fn unsupported_type(value: &str) -> S3Error {
    invalid_argument("Unsupported Authorization Type", "Authorization", value)
}

fn sigv4a(name: &str) -> S3Error {
    S3Error::with_message(
        ErrorCode::NotImplemented,
        format!("SigV4A ({name}) is not implemented here; sign with AWS4-HMAC-SHA256."),
    )
}

fn invalid_argument(message: impl Into<String>, name: &str, value: impl Into<String>) -> S3Error {
    S3Error::with_message(ErrorCode::InvalidArgument, message).field("ArgumentName", name).field("ArgumentValue", value)
}

fn denied(message: impl Into<String>) -> S3Error {
    S3Error::with_message(ErrorCode::AccessDenied, message)
}

/// The text of a header that may stand only once; `None` when absent.
fn single<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// Whether two texts are equal, in time that depends on their lengths only; eight bytes at a step.
fn same(a: &[u8], b: &[u8]) -> bool {
    let (a_words, a_rest) = a.as_chunks::<8>();
    let (b_words, b_rest) = b.as_chunks::<8>();
    if a.len() != b.len() {
        return false;
    }
    let words = a_words.iter().zip(b_words).map(|(a, b)| u64::from_le_bytes(*a).ct_eq(&u64::from_le_bytes(*b)));
    words.fold(a_rest.ct_eq(b_rest), |all, one| all & one).into()
}

/// The clock of the client may differ by [`limits::SKEW_SECS`] from ours.
fn check_skew(sent: &[u8], time: Timestamp, now: Timestamp) -> S3Result<()> {
    if time.secs().abs_diff(now.secs()) <= limits::SKEW_SECS {
        return Ok(());
    }
    let message = "The difference between the request time and the current time is too large.";
    Err(S3Error::with_message(ErrorCode::RequestTimeTooSkewed, message)
        .field("RequestTime", String::from_utf8_lossy(sent))
        .field("ServerTime", scope::iso_seconds(now))
        .field("MaxAllowedSkewMilliseconds", (limits::SKEW_SECS * 1000).to_string()))
}

/// Texts longer than this are shown as text only: their bytes in hex would be a large answer to a small request.
const SHOWN_BYTES: usize = 8 << 10;

/// The error for a signature that does not hold, with what AWS shows so that clients can be repaired.
fn mismatch(access_key: &str, string_to_sign: &[u8], provided: &str, canonical: Option<&[u8]>) -> S3Error {
    let mut error = S3Error::new(ErrorCode::SignatureDoesNotMatch)
        .field("AWSAccessKeyId", access_key)
        .field("StringToSign", String::from_utf8_lossy(string_to_sign))
        .field("SignatureProvided", provided);
    if string_to_sign.len() <= SHOWN_BYTES {
        error = error.field("StringToSignBytes", hex::encode_spaced(string_to_sign));
    }
    if let Some(canonical) = canonical {
        error = error.field("CanonicalRequest", String::from_utf8_lossy(canonical));
        if canonical.len() <= SHOWN_BYTES {
            error = error.field("CanonicalRequestBytes", hex::encode_spaced(canonical));
        }
    }
    error
}

/// What x-amz-content-sha256 says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Payload {
    Unsigned,
    Sha256([u8; 32]),
    Signed { trailer: bool },
    UnsignedTrailer,
}

impl Payload {
    fn parse(text: &str) -> S3Result<Self> {
        match text {
            UNSIGNED_PAYLOAD => Ok(Self::Unsigned),
            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD" => Ok(Self::Signed { trailer: false }),
            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER" => Ok(Self::Signed { trailer: true }),
            "STREAMING-UNSIGNED-PAYLOAD-TRAILER" => Ok(Self::UnsignedTrailer),
            "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD" | "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER" => {
                Err(sigv4a(text))
            }
            _ => hex::decode_32(text.as_bytes()).map(Self::Sha256).ok_or_else(|| Self::invalid(text)),
        }
    }

    fn invalid(text: &str) -> S3Error {
        let message = "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, \
                               STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER, \
                               STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD, \
                               STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER or a valid sha256 value.";
        invalid_argument(message, CONTENT_SHA256, text)
    }
}

/// The value of x-amz-content-sha256; an error when it is there more than once or is not text.
fn payload_header(headers: &HeaderMap) -> S3Result<Option<&str>> {
    let mut values = headers.get_all(CONTENT_SHA256).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => match value.to_str() {
            Ok(text) => Ok(Some(text.trim())),
            Err(_) => Err(Payload::invalid(&String::from_utf8_lossy(value.as_bytes()))),
        },
        (Some(_), Some(_)) => Err(invalid_argument("x-amz-content-sha256 must be sent once.", CONTENT_SHA256, "")),
    }
}

#[cfg(test)]
mod tests {
    use super::same;

    #[test]
    fn comparison_sees_every_byte() {
        for len in 0..70 {
            let a = vec![b'a'; len];
            assert!(same(&a, &a));
            assert!(!same(&a, &[&a[..], b"a"].concat()));
            for at in 0..len {
                let mut b = a.clone();
                b[at] ^= 1;
                assert!(!same(&a, &b), "{at} of {len}");
            }
        }
    }
}
