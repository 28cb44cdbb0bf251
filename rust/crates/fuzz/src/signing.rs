//! Who signed a request: any head at all, and heads that were signed and then changed.

use panthera_base::{ErrorCode, Timestamp};
use panthera_wire::auth::{self, AmzDate, AuthPolicy, Claim, Head, SigningKeys};
use panthera_wire::uri::percent_decode;

use crate::signer::{self, ACCESS_KEY, AMZ_DATE, NOW, Request, SCOPE, SECRET, V2_WORDS};
use crate::tape::Tape;

fn accept_all() -> AuthPolicy {
    AuthPolicy { sigv2: true, region: None }
}

/// A head as text: `GET /path?query`, then header lines. Whatever it claims, nobody has signed it with our secret.
pub fn claim(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut lines = text.split('\n');
    let (method, target) = lines.next().and_then(|line| line.split_once(' ')).unwrap_or(("GET", "/"));
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut request = Request {
        method: method.into(),
        path: path.into(),
        query: Vec::new(),
        spelling: 0,
        headers: Vec::new(),
        signed: Vec::new(),
    };
    let fields = lines.filter_map(|line| line.split_once(':'));
    request.headers = fields.map(|(name, value)| (name.to_ascii_lowercase(), value.trim().into())).collect();
    let headers = request.header_map();
    let head = Head { method, path, query, headers: &headers, vhost_bucket: None };
    // The moment is one the request names, so that dates do not end every attempt.
    let date = text.as_bytes().windows(16).find_map(|w| std::str::from_utf8(w).ok().and_then(AmzDate::parse));
    let now = date.map_or(Timestamp::from_secs(NOW), |date| date.time());
    let _ = auth::unsigned_body(&headers);
    match auth::claim(&head, now, &accept_all()) {
        Ok(Claim::Anonymous) => assert!(!headers.contains_key("authorization")),
        Ok(Claim::Signed(claim)) => {
            assert!(!claim.access_key().is_empty());
            let Err(error) = claim.verify(&head, b"nobody signs with this", &SigningKeys::default()) else {
                panic!("a signature nobody made holds")
            };
            assert_eq!(error.code(), ErrorCode::SignatureDoesNotMatch);
        }
        Err(error) => assert!((400..502).contains(&error.status()) && error.status() != 500, "{error:?}"),
    }
}

/// The four ways to sign.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Way {
    V4Header,
    V4Query,
    V2Header,
    V2Query,
}

const PAYLOADS: [&str; 4] = [
    "UNSIGNED-PAYLOAD",
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
    "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
];

/// A decoded parameter that is no part of a signature.
fn parameter(tape: &mut Tape<'_>) -> (String, String) {
    let name = match tape.below(8) {
        0 => format!("x-amz-meta-{}", tape.name()),
        1..4 => tape.pick(&V2_WORDS).to_owned(),
        _ => format!("p-{}", tape.text()),
    };
    (name, tape.text())
}

fn header(tape: &mut Tape<'_>) -> (String, String) {
    let name = match tape.below(4) {
        0 => "content-type".to_owned(),
        1 => "content-md5".to_owned(),
        2 => format!("x-amz-meta-{}", tape.name()),
        _ => format!("h-{}", tape.name()),
    };
    (name, tape.visible())
}

fn key_path(tape: &mut Tape<'_>) -> String {
    let key = tape.bytes();
    if tape.flag() {
        format!("/b/{}", signer::encode(key, b"/"))
    } else {
        format!("/b/{}", signer::encode(key, b"/!$&'()*+,=:@"))
    }
}

/// The path decoded and encoded again: how some clients spell it when they sign.
fn respelt(path: &str) -> String {
    percent_decode(path).map(|bytes| signer::encode(&bytes, b"/")).unwrap_or_default()
}

/// What the signature of this way covers, with the path in one spelling.
fn covered(way: Way, request: &Request, path: &str) -> String {
    let find =
        |pairs: &[(String, String)], name: &str| pairs.iter().find(|(n, _)| n == name).map(|(_, value)| value.clone());
    match way {
        Way::V4Header => {
            let payload = find(&request.headers, "x-amz-content-sha256").unwrap_or_default();
            let date = find(&request.headers, "x-amz-date").unwrap_or_default();
            format!("{date}\n{}", request.canonical_v4(path, payload.trim()))
        }
        Way::V4Query => {
            let date = find(&request.query, "X-Amz-Date").unwrap_or_default();
            format!("{date}\n{}", request.canonical_v4(path, "UNSIGNED-PAYLOAD"))
        }
        Way::V2Header => request.string_v2(path, None),
        Way::V2Query => request.string_v2(path, find(&request.query, "Expires").as_deref()),
    }
}

fn sign(way: Way, request: &mut Request, path: &str, payload: &str) {
    match way {
        Way::V4Header => signer::sign_v4(request, path, payload),
        Way::V4Query => {
            let canonical = request.canonical_v4(path, "UNSIGNED-PAYLOAD");
            let to_sign = format!("AWS4-HMAC-SHA256\n{AMZ_DATE}\n{SCOPE}\n{}", signer::sha256(canonical.as_bytes()));
            request.query.push(("X-Amz-Signature".into(), signer::v4_signature(SECRET, &to_sign)));
        }
        Way::V2Header => {
            let signature = signer::v2_signature(SECRET, request.string_v2(path, None).as_bytes());
            request.headers.push(("authorization".into(), format!("AWS {ACCESS_KEY}:{signature}")));
        }
        Way::V2Query => {
            let expires = (NOW + 60).to_string();
            let signature = signer::v2_signature(SECRET, request.string_v2(path, Some(&expires)).as_bytes());
            request.query.push(("Signature".into(), signature));
        }
    }
}

/// What stands in the request before it is signed.
fn prepare(tape: &mut Tape<'_>, way: Way, payload: &str) -> Request {
    let mut request = Request {
        method: tape.pick(&["GET", "PUT", "POST", "DELETE", "HEAD"]).into(),
        path: key_path(tape),
        query: (0..tape.below(4)).map(|_| parameter(tape)).collect(),
        spelling: tape.u8(),
        headers: vec![("host".into(), "localhost:9000".into())],
        signed: Vec::new(),
    };
    request.headers.extend((0..tape.below(4)).map(|_| header(tape)));
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    match way {
        Way::V4Header => {
            request.headers.push(pair("x-amz-date", AMZ_DATE));
            request.headers.push(pair("x-amz-content-sha256", payload));
        }
        Way::V2Header => request.headers.push(pair("x-amz-date", AMZ_DATE)),
        Way::V4Query | Way::V2Query => {}
    }
    request.signed = request.headers.iter().map(|(name, _)| name.clone()).collect();
    request.signed.sort();
    request.signed.dedup();
    match way {
        Way::V4Query => request.query.extend([
            pair("X-Amz-Algorithm", "AWS4-HMAC-SHA256"),
            pair("X-Amz-Credential", &format!("{ACCESS_KEY}/{SCOPE}")),
            pair("X-Amz-Date", AMZ_DATE),
            pair("X-Amz-Expires", "60"),
            pair("X-Amz-SignedHeaders", &request.signed.join(";")),
        ]),
        Way::V2Query => {
            request.query.extend([pair("AWSAccessKeyId", ACCESS_KEY), pair("Expires", &(NOW + 60).to_string())]);
        }
        _ => {}
    }
    request
}

/// One change to a signed request.
fn tamper(tape: &mut Tape<'_>, request: &mut Request) {
    match tape.below(8) {
        0 => request.method = tape.pick(&["GET", "PUT", "DELETE"]).into(),
        1 => request.path = key_path(tape),
        2 => request.query.push(parameter(tape)),
        3 if !request.query.is_empty() => {
            let at = tape.below(request.query.len());
            request.query.remove(at);
        }
        4 => request.headers.push(header(tape)),
        5 if !request.headers.is_empty() => {
            let at = tape.below(request.headers.len());
            request.headers[at].1 = tape.visible();
        }
        6 if !request.headers.is_empty() => {
            let at = tape.below(request.headers.len());
            request.headers.remove(at);
        }
        _ if !request.query.is_empty() => {
            let at = tape.below(request.query.len());
            request.query[at].1 = tape.text();
        }
        _ => request.spelling ^= tape.u8(),
    }
}

fn holds(request: &Request, secret: &str) -> bool {
    request.with_head(|head| match auth::claim(head, Timestamp::from_secs(NOW), &accept_all()) {
        Ok(Claim::Signed(claim)) => claim.verify(head, secret.as_bytes(), &SigningKeys::default()).is_ok(),
        Ok(Claim::Anonymous) => false,
        Err(error) => {
            assert_ne!(error.status(), 500, "{error:?}");
            false
        }
    })
}

/// A signed request holds; after a change it holds only if what is signed is still the same; another secret never does.
pub fn signature(data: &[u8]) {
    let mut tape = Tape::new(data);
    let way = tape.pick(&[Way::V4Header, Way::V4Query, Way::V2Header, Way::V2Query]);
    let payload = tape.pick(&PAYLOADS);
    let mut request = prepare(&mut tape, way, payload);
    let path = if tape.flag() { request.path.clone() } else { respelt(&request.path) };
    let signed = covered(way, &request, &path);
    sign(way, &mut request, &path, payload);
    // SigV2 in a header covers no such parameter, so that the request is refused.
    let uncovered = way == Way::V2Header && request.query.iter().any(|(name, _)| name.starts_with("x-amz-"));
    assert_eq!(holds(&request, SECRET), !uncovered, "{way:?}: a good signature is refused: {request:?}");
    assert!(!holds(&request, "another secret"), "{way:?}: another secret is accepted: {request:?}");
    for _ in 0..=tape.below(2) {
        tamper(&mut tape, &mut request);
    }
    if holds(&request, SECRET) {
        let same = [request.path.clone(), respelt(&request.path)].iter().any(|p| covered(way, &request, p) == signed);
        let uncovered = way == Way::V2Header && request.query.iter().any(|(name, _)| name.starts_with("x-amz-"));
        assert!(same && !uncovered, "{way:?}: a changed request is accepted: {request:?}\nsigned: {signed}");
    }
}
