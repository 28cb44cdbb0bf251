//! SigV4, written a second time and from the documentation only: what signs the requests of these tests.

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

pub const REGION: &str = "us-east-1";
/// The moment at which every test happens: 2026-11-21T07:00:00Z.
pub const NOW: u64 = 1_795_244_400;
pub const AMZ_DATE: &str = "20261121T070000Z";
const DAY: &str = "20261121";

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

pub fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn hmac(key: &[u8], data: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(data.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

fn signing_key(secret: &str) -> Vec<u8> {
    [REGION, "s3", "aws4_request"]
        .iter()
        .fold(hmac(format!("AWS4{secret}").as_bytes(), DAY), |key, part| hmac(&key, part))
}

pub fn credential(access_key: &str) -> String {
    format!("{access_key}/{DAY}/{REGION}/s3/aws4_request")
}

/// The signature of a form's policy.
pub fn sign_policy(secret: &str, policy: &str) -> String {
    hex(&hmac(&signing_key(secret), policy))
}

/// The lines that sign a request: `query` must already be canonical; `extra` are further headers that are sent.
pub fn sign(
    (access_key, secret): (&str, &str),
    method: &str,
    (path, query): (&str, &str),
    host: &str,
    content_sha256: &str,
    extra: &[(&str, &str)],
) -> String {
    let mut headers: Vec<(String, String)> = vec![
        ("host".into(), host.into()),
        ("x-amz-content-sha256".into(), content_sha256.into()),
        ("x-amz-date".into(), AMZ_DATE.into()),
    ];
    let more = extra.iter().filter(|(name, _)| name.starts_with("x-amz-"));
    headers.extend(more.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    headers.sort();
    let canonical: String = headers.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
    let names = headers.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(";");
    let request = format!("{method}\n{path}\n{query}\n{canonical}\n{names}\n{content_sha256}");
    let scope = format!("{DAY}/{REGION}/s3/aws4_request");
    let to_sign = format!("AWS4-HMAC-SHA256\n{AMZ_DATE}\n{scope}\n{}", sha256(request.as_bytes()));
    let signature = hex(&hmac(&signing_key(secret), &to_sign));
    let mut lines = format!(
        "host: {host}\r\nx-amz-date: {AMZ_DATE}\r\nx-amz-content-sha256: {content_sha256}\r\nauthorization: \
         AWS4-HMAC-SHA256 Credential={access_key}/{scope}, SignedHeaders={names}, Signature={signature}\r\n"
    );
    for (name, value) in extra {
        lines.push_str(&format!("{name}: {value}\r\n"));
    }
    lines
}
