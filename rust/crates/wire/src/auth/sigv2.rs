//! SigV2 by header and query (AWS, "Signing and authenticating REST requests"): old tools, and what boto3 presigns
//! with for a custom endpoint.
//!
//! Does not belong here: whether SigV2 is accepted at all (see `claim`).

use hmac::{Hmac, KeyInit, Mac};
use http::HeaderMap;
use panthera_base::{S3Result, Timestamp};
use sha1::{Digest, Sha1};

use super::scope::iso_seconds;
use super::{BodyAuth, Head};
use crate::checksum::base64;
use crate::uri;

/// Parameters that are part of the canonical resource: AWS's list with what botocore adds, sorted.
const SUBRESOURCES: [&str; 35] = [
    "accelerate",
    "acl",
    "analytics",
    "cors",
    "defaultObjectAcl",
    "delete",
    "inventory",
    "lifecycle",
    "location",
    "logging",
    "metrics",
    "notification",
    "object-lock",
    "partNumber",
    "policy",
    "replication",
    "requestPayment",
    "response-cache-control",
    "response-content-disposition",
    "response-content-encoding",
    "response-content-language",
    "response-content-type",
    "response-expires",
    "restore",
    "select",
    "select-type",
    "storageClass",
    "tagging",
    "torrent",
    "uploadId",
    "uploads",
    "versionId",
    "versioning",
    "versions",
    "website",
];

/// Whether SigV2 covers a query parameter that chooses a resource.
pub fn covers(word: &str) -> bool {
    SUBRESOURCES.binary_search(&word).is_ok()
}

/// A SigV2 signature that has been read but not verified.
#[derive(Clone, Debug)]
pub(super) struct V2 {
    access_key: String,
    signature: String,
    token: Option<String>,
    /// `Expires` of a presigned URL.
    expires: Option<String>,
}

/// base64(HMAC-SHA1(secret, parts))
pub(super) fn sign<'a>(secret: &[u8], parts: impl IntoIterator<Item = &'a [u8]>) -> String {
    let mut block = [0; 64];
    if secret.len() > block.len() {
        block[..20].copy_from_slice(&Sha1::digest(secret));
    } else {
        block[..secret.len()].copy_from_slice(secret);
    }
    let mut mac = <Hmac<Sha1> as KeyInit>::new(&block.into());
    for part in parts {
        mac.update(part);
    }
    base64::encode(&mac.finalize().into_bytes())
}

/// Reads what follows `AWS ` in the Authorization header.
pub(super) fn claim_header(head: &Head<'_>, rest: &str, now: Timestamp) -> S3Result<V2> {
    let (access_key, signature) = match rest.trim().rsplit_once(':') {
        Some((key, signature)) if !key.is_empty() && !signature.is_empty() => (key, signature),
        _ => {
            let message = "AWS authorization header is invalid.  Expected AwsAccessKeyId:signature";
            return Err(super::invalid_argument(message, "Authorization", format!("AWS {rest}")));
        }
    };
    // Operations read such parameters as headers, and this signature covers none of them.
    if let Some((name, _)) = uri::parse_query(head.query).into_iter().find(|(name, _)| is_amz(name)) {
        let message = "There were headers present in the request which were not signed";
        return Err(super::denied(message).field("HeadersNotSigned", name));
    }
    let name = if head.headers.contains_key("x-amz-date") { "x-amz-date" } else { "date" };
    let text = super::single(head.headers, name).unwrap_or_default();
    let time = super::sigv4::parse_date(text)
        .map(|date| date.time())
        .ok_or_else(|| super::denied("AWS authentication requires a valid Date or x-amz-date header"))?;
    super::check_skew(text.as_bytes(), time, now)?;
    Ok(V2 {
        access_key: access_key.to_owned(),
        signature: signature.to_owned(),
        token: super::single(head.headers, "x-amz-security-token").map(str::to_owned),
        expires: None,
    })
}

fn is_amz(name: &str) -> bool {
    name.get(..6).is_some_and(|start| start.eq_ignore_ascii_case("x-amz-"))
}

/// Reads AWSAccessKeyId, Signature and Expires of a presigned URL.
pub(super) fn claim_query(head: &Head<'_>, now: Timestamp) -> S3Result<V2> {
    let (mut access_key, mut signature, mut expires, mut token) = (None, None, None, None);
    for (name, value) in uri::raw_pairs(head.query) {
        let slot = match name {
            "AWSAccessKeyId" => &mut access_key,
            "Signature" => &mut signature,
            "Expires" => &mut expires,
            "x-amz-security-token" => &mut token,
            _ => continue,
        };
        if slot.replace(uri::decode_query_part(value)).is_some() {
            return Err(super::denied(format!("{name} must be given once")));
        }
    }
    let (Some(access_key), Some(signature), Some(expires)) = (access_key, signature, expires) else {
        let message = "Query-string authentication requires the Signature, Expires and AWSAccessKeyId parameters";
        return Err(super::denied(message));
    };
    let until = Some(&expires).filter(|e| e.bytes().all(|b| b.is_ascii_digit())).and_then(|e| e.parse::<u64>().ok());
    let Some(until) = until else {
        return Err(super::denied(format!("Invalid date (should be seconds since epoch): {expires}")));
    };
    if now.secs() > until {
        return Err(super::denied("Request has expired")
            .field("Expires", iso_seconds(Timestamp::from_secs(until)))
            .field("ServerTime", iso_seconds(now)));
    }
    Ok(V2 { access_key, signature, token, expires: Some(expires) })
}

impl V2 {
    pub(super) fn access_key(&self) -> &str {
        &self.access_key
    }

    pub(super) fn session_token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    pub(super) fn presigned(&self) -> bool {
        self.expires.is_some()
    }

    pub(super) fn verify(&self, head: &Head<'_>, secret: &[u8]) -> S3Result<BodyAuth> {
        let path = if head.path.is_empty() { "/" } else { head.path };
        let string_to_sign = self.string_to_sign(head, path);
        if !self.holds(secret, &string_to_sign) {
            let mut others = super::sigv4::respelt(path).into_iter().chain(slashed(head, path));
            if !others.any(|path| self.holds(secret, &self.string_to_sign(head, &path))) {
                return Err(super::mismatch(&self.access_key, &string_to_sign, &self.signature, None));
            }
        }
        super::unsigned_body(head.headers)
    }

    fn holds(&self, secret: &[u8], string_to_sign: &[u8]) -> bool {
        super::same(sign(secret, [string_to_sign]).as_bytes(), self.signature.as_bytes())
    }

    /// Method, Content-MD5, Content-Type, Date, amz headers, resource. In a presigned URL the date is `Expires`, and
    /// headers may have been moved into the query.
    fn string_to_sign(&self, head: &Head<'_>, path: &str) -> Vec<u8> {
        let moved: Vec<(String, String)> = match self.expires {
            Some(_) => uri::parse_query(head.query).into_iter().map(|(n, v)| (n.to_ascii_lowercase(), v)).collect(),
            None => Vec::new(),
        };
        let header = |name: &str| {
            head.headers
                .get(name)
                .map(|v| v.as_bytes().trim_ascii())
                .or_else(|| from_query(&moved, name))
                .unwrap_or(b"")
        };
        let date = match &self.expires {
            Some(expires) => expires.as_bytes(),
            None if head.headers.contains_key("x-amz-date") => b"",
            None => header("date"),
        };
        let mut out = Vec::with_capacity(256);
        for line in [head.method.as_bytes(), header("content-md5"), header("content-type"), date] {
            out.extend_from_slice(line);
            out.push(b'\n');
        }
        push_amz_headers(&mut out, head.headers, &moved);
        if let Some(bucket) = head.vhost_bucket {
            out.push(b'/');
            out.extend_from_slice(bucket.as_bytes());
        }
        out.extend_from_slice(path.as_bytes());
        push_subresources(&mut out, head.query);
        out
    }
}

/// The path of a bucket as botocore signs it, however it sends it: with a slash at the end.
fn slashed(head: &Head<'_>, path: &str) -> Option<String> {
    let bucket = path.strip_prefix('/').filter(|name| !name.is_empty() && !name.contains('/'))?;
    head.vhost_bucket.is_none().then(|| format!("/{bucket}/"))
}

fn from_query<'a>(moved: &'a [(String, String)], name: &str) -> Option<&'a [u8]> {
    moved.iter().find(|(n, _)| n == name).map(|(_, v)| v.trim().as_bytes())
}

/// `name:value,value\n`, sorted, of every x-amz- header, and of those that stand in the query instead.
fn push_amz_headers(out: &mut Vec<u8>, headers: &HeaderMap, moved: &[(String, String)]) {
    let mut names: Vec<&str> = headers.keys().map(http::HeaderName::as_str).collect();
    names.extend(moved.iter().map(|(name, _)| name.as_str()));
    names.retain(|name| name.starts_with("x-amz-"));
    names.sort_unstable();
    names.dedup();
    for name in names {
        out.extend_from_slice(name.as_bytes());
        out.push(b':');
        if headers.contains_key(name) {
            for (i, value) in headers.get_all(name).iter().enumerate() {
                if i > 0 {
                    out.push(b',');
                }
                out.extend_from_slice(value.as_bytes().trim_ascii());
            }
        } else {
            out.extend_from_slice(from_query(moved, name).unwrap_or_default());
        }
        out.push(b'\n');
    }
}

/// `?acl&uploadId=x`: the parameters that choose a resource, sorted by name. Names and values are read as the operation
/// will read them, escapes and `+` decoded: else a parameter could be done and not signed.
fn push_subresources(out: &mut Vec<u8>, query: &str) {
    // `acl` and `acl=` are different strings to sign, so the parts are read here and not as pairs.
    let parts = query.split('&').map(|part| part.split_once('=').map_or((part, None), |(n, v)| (n, Some(v))));
    let decoded = parts.map(|(name, value)| (uri::decode_query_part(name), value.map(uri::decode_query_part)));
    let mut found: Vec<(String, Option<String>)> = decoded.filter(|(name, _)| covers(name)).collect();
    found.sort_by(|a, b| a.0.cmp(&b.0));
    for (i, (name, value)) in found.into_iter().enumerate() {
        out.push(if i == 0 { b'?' } else { b'&' });
        out.extend_from_slice(name.as_bytes());
        if let Some(value) = value {
            out.push(b'=');
            out.extend_from_slice(value.as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_sorted_because_it_is_searched() {
        assert!(SUBRESOURCES.is_sorted());
    }

    #[test]
    fn long_secrets_are_hashed_first() {
        for len in [1, 64, 65, 200] {
            let secret = vec![b'k'; len];
            let mut mac = Hmac::<Sha1>::new_from_slice(&secret).unwrap();
            mac.update(b"xy");
            assert_eq!(sign(&secret, [&b"x"[..], b"y"]), base64::encode(&mac.finalize().into_bytes()));
        }
    }

    #[test]
    fn subresources_are_signed_as_they_will_be_read() {
        let signed = |query: &str| {
            let mut out = Vec::new();
            push_subresources(&mut out, query);
            String::from_utf8(out).unwrap()
        };
        // An escaped name was done without being signed; the fuzz target `signature` tries such spellings.
        assert_eq!(signed("ver%73ionId=3&x=y&%61cl"), "?acl&versionId=3");
        assert_eq!(signed("response-content-type=a+b%2Bc"), "?response-content-type=a b+c");
        assert_eq!(signed("acl=&acl"), "?acl=&acl");
    }
}
