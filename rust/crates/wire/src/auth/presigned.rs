//! SigV4 in the query: presigned URLs.
//!
//! Does not belong here: the verification, which is the same as for headers (see `sigv4`).

use panthera_base::{ErrorCode, S3Error, S3Result, Timestamp, limits};

use super::scope::{Credential, Place, iso_seconds};
use super::sigv4::{V4, check_signed_headers};
use super::{AmzDate, AuthPolicy, Head, Payload};
use crate::uri;

/// Which mechanisms the query names, complete or not.
#[derive(Clone, Copy, Default)]
pub(super) struct Mechanisms {
    pub(super) v4: bool,
    pub(super) v2: bool,
}

/// Looks for the parameters that no request without a signature carries.
pub(super) fn mechanisms(query: &str) -> Mechanisms {
    let mut found = Mechanisms::default();
    for (name, _) in uri::raw_pairs(query) {
        match name {
            "X-Amz-Algorithm" | "X-Amz-Credential" | "X-Amz-Signature" => found.v4 = true,
            "AWSAccessKeyId" | "Signature" => found.v2 = true,
            _ => {}
        }
    }
    found
}

/// The parameters of a presigned URL, decoded: a proxy may spell any character of any of them as an escape.
#[derive(Default)]
struct Parameters {
    algorithm: Option<String>,
    credential: Option<String>,
    date: Option<String>,
    expires: Option<String>,
    signed_headers: Option<String>,
    signature: Option<String>,
    token: Option<String>,
    payload: Option<String>,
}

impl Parameters {
    fn read(query: &str) -> S3Result<Self> {
        let mut found = Self::default();
        for (name, value) in uri::raw_pairs(query) {
            let slot = match name {
                "X-Amz-Algorithm" => &mut found.algorithm,
                "X-Amz-Credential" => &mut found.credential,
                "X-Amz-Date" => &mut found.date,
                "X-Amz-Expires" => &mut found.expires,
                "X-Amz-SignedHeaders" => &mut found.signed_headers,
                "X-Amz-Signature" => &mut found.signature,
                "X-Amz-Security-Token" => &mut found.token,
                "X-Amz-Content-Sha256" => &mut found.payload,
                _ => continue,
            };
            if slot.replace(uri::decode_query_part(value)).is_some() {
                return Err(wrong(format!("{name} must be given once.")));
            }
        }
        Ok(found)
    }
}

fn wrong(message: impl Into<String>) -> S3Error {
    S3Error::with_message(ErrorCode::AuthorizationQueryParametersError, message)
}

/// Reads a presigned URL and checks everything that needs no secret.
pub(super) fn claim(head: &Head<'_>, now: Timestamp, policy: &AuthPolicy) -> S3Result<V4> {
    let p = Parameters::read(head.query)?;
    let (Some(algorithm), Some(credential), Some(date), Some(expires), Some(signed_headers), Some(signature)) =
        (p.algorithm, p.credential, p.date, p.expires, p.signed_headers, p.signature)
    else {
        return Err(wrong(
            "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, \
             X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters.",
        ));
    };
    match algorithm.as_str() {
        "AWS4-HMAC-SHA256" => {}
        "AWS4-ECDSA-P256-SHA256" => return Err(super::sigv4a(&algorithm)),
        _ => return Err(wrong("X-Amz-Algorithm only supports \"AWS4-HMAC-SHA256 and AWS4-ECDSA-P256-SHA256\"")),
    }
    let date = AmzDate::parse(&date)
        .ok_or_else(|| wrong("X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\""))?;
    let credential = Credential::parse(&credential, &date, policy.region.as_deref(), Place::Query)?;
    check_expiry(&expires, date.time(), now)?;
    check_signed_headers(head, &signed_headers, Place::Query)?;
    let payload_in_query = p.payload;
    let payload = match payload_in_query.as_deref() {
        Some(text) => Some(text),
        None => super::payload_header(head.headers)?,
    };
    Ok(V4 {
        credential,
        date,
        signed_headers,
        signature,
        token: p.token,
        presigned: true,
        payload: payload.map_or(Ok(Payload::Unsigned), Payload::parse)?,
        payload_in_query,
    })
}

/// The URL holds from its date (less the allowed skew) until its date plus X-Amz-Expires, both inclusive.
fn check_expiry(expires: &str, date: Timestamp, now: Timestamp) -> S3Result<()> {
    let negative = expires.strip_prefix('-').is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_digit()));
    if negative {
        return Err(wrong("X-Amz-Expires must be non-negative"));
    }
    if expires.is_empty() || !expires.bytes().all(|b| b.is_ascii_digit()) {
        return Err(wrong("X-Amz-Expires should be a number"));
    }
    // Digits that overflow are too many seconds as well.
    let seconds = expires.parse::<u64>().unwrap_or(u64::MAX);
    if seconds > limits::PRESIGN_SECS {
        return Err(wrong(format!(
            "X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than \
             {} seconds",
            limits::PRESIGN_SECS
        )));
    }
    if date.secs() > now.secs() + limits::SKEW_SECS {
        return Err(super::denied("Request is not valid yet").field("ServerTime", iso_seconds(now)));
    }
    let until = date.secs() + seconds;
    // A URL of zero seconds was never valid: AWS documents 1 as the smallest value and answers as for an expired one.
    if seconds == 0 || now.secs() > until {
        return Err(super::denied("Request has expired")
            .field("X-Amz-Expires", expires)
            .field("Expires", iso_seconds(Timestamp::from_secs(until)))
            .field("ServerTime", iso_seconds(now)));
    }
    Ok(())
}
