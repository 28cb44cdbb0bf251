//! What verifying one signed GET costs: `cargo run --release -p panthera-wire --example verify`.
//!
//! The request is what boto3 sends for GetObject of a small object. Prints nanoseconds per claim and verification with
//! the signing key cached, and with it derived each time.

#![allow(clippy::print_stdout)]

use std::hint::black_box;
use std::time::Instant;

use http::{HeaderMap, HeaderValue};
use panthera_base::Timestamp;
use panthera_wire::auth::{self, AuthPolicy, Claim, Head, SigningKeys};

/// A request of the published vectors with the headers boto3 adds unsigned.
fn headers() -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in [
        ("host", "examplebucket.s3.amazonaws.com"),
        ("accept-encoding", "identity"),
        ("user-agent", "Boto3/1.43.11 md/Botocore#1.43.11 ua/2.1 os/linux md/arch#x86_64 lang/python#3.11.7"),
        ("range", "bytes=0-9"),
        ("x-amz-date", "20130524T000000Z"),
        ("x-amz-content-sha256", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        (
            "authorization",
            "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, \
             SignedHeaders=host;range;x-amz-content-sha256;x-amz-date, \
             Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
        ),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers
}

fn measure(what: &str, mut once: impl FnMut() -> bool) {
    const ROUNDS: u32 = 200_000;
    let good = (0..ROUNDS / 10).all(|_| once());
    let start = Instant::now();
    let all = (0..ROUNDS).all(|_| once());
    let each = start.elapsed() / ROUNDS;
    println!("{what:<32} {:>6} ns {}", each.as_nanos(), if good && all { "" } else { "DOES NOT VERIFY" });
}

fn main() {
    let headers = headers();
    let head = Head { method: "GET", path: "/test.txt", query: "", headers: &headers, vhost_bucket: None };
    let listing = Head { query: "list-type=2&prefix=a%2Fb&delimiter=%2F&encoding-type=url", ..head };
    let now = Timestamp::from_secs(1_369_353_600);
    let policy = AuthPolicy { sigv2: true, region: None };
    let secret = b"wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
    let (cached, derived) = (SigningKeys::default(), SigningKeys::with_capacity(0));
    let signed = |head: &Head<'_>| match auth::claim(black_box(head), now, &policy) {
        Ok(Claim::Signed(claim)) => claim,
        _ => unreachable!("the request is signed and in time"),
    };
    measure("claim", || !signed(&head).access_key().is_empty());
    measure("claim and verify, key cached", || signed(&head).verify(&head, secret, &cached).is_ok());
    measure("claim and verify, key derived", || signed(&head).verify(&head, secret, &derived).is_ok());
    measure("refused, query of four, 403 built", || signed(&listing).verify(&listing, secret, &cached).is_err());
}
