//! A second implementation of the signatures, from the documentation and without regard for speed: it signs what the
//! code under test must accept, and says what it must not.

use std::collections::BTreeMap;

use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderMap, HeaderName, HeaderValue};
use panthera_wire::auth::Head;
use sha1::Sha1;
use sha2::{Digest, Sha256};

pub(crate) const ACCESS_KEY: &str = "AKFUZZ";
pub(crate) const SECRET: &str = "fuzz/secret+key";
/// 2026-11-21T07:00:00Z, the moment at which everything happens.
pub(crate) const NOW: u64 = 1_795_244_400;
pub(crate) const AMZ_DATE: &str = "20261121T070000Z";
pub(crate) const SCOPE: &str = "20261121/us-east-1/s3/aws4_request";

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

pub(crate) fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Nothing here has a key HMAC refuses.
fn hmac(key: &[u8], data: &[u8]) -> Vec<u8> {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return Vec::new() };
    mac.update(data);
    mac.finalize().into_bytes().to_vec()
}

pub(crate) fn v4_signature(secret: &str, string_to_sign: &str) -> String {
    let mut key = format!("AWS4{secret}").into_bytes();
    for part in SCOPE.split('/') {
        key = hmac(&key, part.as_bytes());
    }
    hex(&hmac(&key, string_to_sign.as_bytes()))
}

pub(crate) fn v2_signature(secret: &str, string_to_sign: &[u8]) -> String {
    let Ok(mut mac) = Hmac::<Sha1>::new_from_slice(secret.as_bytes()) else { return String::new() };
    mac.update(string_to_sign);
    panthera_wire::checksum::base64::encode(&mac.finalize().into_bytes())
}

/// Percent-encodes everything but unreserved characters and those in `plain`.
pub(crate) fn encode(bytes: &[u8], plain: &[u8]) -> String {
    let mut out = String::new();
    for &b in bytes {
        if b.is_ascii_alphanumeric() || b"-._~".contains(&b) || plain.contains(&b) {
            out.push(char::from(b));
        } else {
            out.push_str(&format!("%{b:02X}"));
        }
    }
    out
}

/// A request as its sender thinks of it: the path encoded, parameters and headers not.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub method: String,
    pub path: String,
    /// Decoded parameters; the spelling of each on the wire is chosen by `spelling`.
    pub query: Vec<(String, String)>,
    pub spelling: u8,
    /// Lower-case names, values as sent.
    pub headers: Vec<(String, String)>,
    pub signed: Vec<String>,
}

impl Request {
    /// The query as it goes over the wire, in one of several spellings of the same thing.
    pub fn raw_query(&self) -> String {
        let spell = |i: usize, text: &str| match self.spelling.rotate_left(i as u32) & 3 {
            0 => encode(text.as_bytes(), b""),
            1 => encode(text.as_bytes(), b"/:,@").replace("%20", "+"),
            2 => text.bytes().map(|b| format!("%{b:02x}")).collect(),
            _ => encode(text.as_bytes(), b"!*'()"),
        };
        let pairs = self.query.iter().enumerate();
        let coded = pairs.map(|(i, (name, value))| {
            // What a reader must recognise before it decodes anything is spelt plainly.
            let name = if special(name) { name.clone() } else { spell(i, name) };
            format!("{name}={}", spell(i + 1, value))
        });
        coded.collect::<Vec<_>>().join("&")
    }

    pub fn header_map(&self) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in &self.headers {
            if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::from_str(value)) {
                map.append(name, value);
            }
        }
        map
    }

    /// The canonical request of SigV4. `path` is either the raw one or the decoded key encoded again.
    pub fn canonical_v4(&self, path: &str, payload: &str) -> String {
        let mut pairs: Vec<(String, String)> = self
            .query
            .iter()
            .filter(|(name, _)| name != "X-Amz-Signature")
            .map(|(name, value)| (encode(name.as_bytes(), b""), encode(value.as_bytes(), b"")))
            .collect();
        pairs.sort();
        let query = pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&");
        let mut lines = String::new();
        for name in &self.signed {
            let values = self.headers.iter().filter(|(n, _)| n == name);
            let values =
                values.map(|(_, v)| v.split([' ', '\t']).filter(|w| !w.is_empty()).collect::<Vec<_>>().join(" "));
            lines.push_str(&format!("{name}:{}\n", values.collect::<Vec<_>>().join(",")));
        }
        format!("{}\n{path}\n{query}\n{lines}\n{}\n{payload}", self.method, self.signed.join(";"))
    }

    /// The string to sign of SigV2; `expires` instead of the date for presigned URLs.
    pub fn string_v2(&self, path: &str, expires: Option<&str>) -> String {
        let get = |name: &str| self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.trim()).unwrap_or_default();
        let amz_date = self.headers.iter().any(|(name, _)| name == "x-amz-date");
        let date = expires.unwrap_or(if amz_date { "" } else { get("date") });
        let mut out = format!("{}\n{}\n{}\n{date}\n", self.method, get("content-md5"), get("content-type"));
        let mut amz: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (name, value) in self.headers.iter().filter(|(name, _)| name.starts_with("x-amz-")) {
            amz.entry(name).or_default().push(value.trim());
        }
        // Presigned URLs carry headers in the query; one that is sent as a header as well counts as that.
        let sent: Vec<String> = amz.keys().map(|name| (*name).to_owned()).collect();
        let moved = self.query.iter().rev().filter(|(name, _)| expires.is_some() && name.starts_with("x-amz-"));
        for (name, value) in moved.filter(|(name, _)| !sent.contains(name)) {
            amz.insert(name, vec![value.trim()]);
        }
        for (name, values) in amz {
            out.push_str(&format!("{name}:{}\n", values.join(",")));
        }
        out.push_str(path);
        let mut words: Vec<&(String, String)> =
            self.query.iter().filter(|(n, _)| V2_WORDS.contains(&n.as_str())).collect();
        words.sort_by_key(|(name, _)| name.clone());
        for (i, (name, value)) in words.iter().enumerate() {
            out.push_str(&format!("{}{name}={value}", if i == 0 { '?' } else { '&' }));
        }
        out
    }

    /// For the code under test.
    pub fn with_head<T>(&self, ask: impl FnOnce(&Head<'_>) -> T) -> T {
        let (query, headers) = (self.raw_query(), self.header_map());
        ask(&Head { method: &self.method, path: &self.path, query: &query, headers: &headers, vhost_bucket: None })
    }
}

/// Some of the parameters that SigV2 signs.
pub(crate) const V2_WORDS: [&str; 5] = ["acl", "partNumber", "response-content-type", "uploadId", "versionId"];

fn special(name: &str) -> bool {
    let named = ["AWSAccessKeyId", "Signature", "Expires"].contains(&name);
    named || name.starts_with("X-Amz-")
}

/// Signs with the Authorization header of SigV4. The headers must not have one yet.
pub(crate) fn sign_v4(request: &mut Request, path: &str, payload: &str) {
    let canonical = request.canonical_v4(path, payload);
    let string_to_sign = format!("AWS4-HMAC-SHA256\n{AMZ_DATE}\n{SCOPE}\n{}", sha256(canonical.as_bytes()));
    let signature = v4_signature(SECRET, &string_to_sign);
    let signed = request.signed.join(";");
    let value =
        format!("AWS4-HMAC-SHA256 Credential={ACCESS_KEY}/{SCOPE}, SignedHeaders={signed}, Signature={signature}");
    request.headers.push(("authorization".into(), value));
}
