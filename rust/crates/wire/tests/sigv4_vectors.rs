//! Requests signed by botocore and AWS's published examples (tests/vectors/sigv4, made by tests/vectors/make_sigv4.py)
//! must verify; with anything changed they must not.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use panthera_base::{ErrorCode, S3Result, Timestamp};
use panthera_wire::auth::{self, AuthPolicy, BodyAuth, Claim, Head, SignatureVersion, SigningKeys, post};
use panthera_wire::chunked::{Chunked, ChunkedDecoder};
use panthera_wire::hex;
use panthera_wire::post_form::policy::Policy;
use serde_json::Value;

fn load(family: &str) -> Vec<Value> {
    let path = format!("{}/../../../tests/vectors/sigv4/{family}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// A vector as owned parts, so that a test can change one of them.
#[derive(Clone)]
struct Request {
    method: String,
    path: String,
    query: String,
    headers: HeaderMap,
    vhost_bucket: Option<String>,
    now: Timestamp,
    secret: Vec<u8>,
    policy: AuthPolicy,
}

fn text<'a>(v: &'a Value, name: &str) -> &'a str {
    v[name].as_str().unwrap_or_else(|| panic!("{name} of {v}"))
}

impl Request {
    fn new(v: &Value) -> Self {
        let mut headers = HeaderMap::new();
        for pair in v["headers"].as_array().unwrap() {
            let name = HeaderName::from_bytes(pair[0].as_str().unwrap().as_bytes()).unwrap();
            headers.append(name, HeaderValue::from_str(pair[1].as_str().unwrap()).unwrap());
        }
        Self {
            method: text(v, "method").to_owned(),
            path: text(v, "path").to_owned(),
            query: text(v, "query").to_owned(),
            headers,
            vhost_bucket: v["vhost_bucket"].as_str().map(str::to_owned),
            now: Timestamp::from_secs(v["now_secs"].as_u64().unwrap()),
            secret: text(v, "secret_key").as_bytes().to_vec(),
            policy: AuthPolicy { sigv2: true, region: Some(text(v, "region").to_owned()) },
        }
    }

    fn head(&self) -> Head<'_> {
        Head {
            method: &self.method,
            path: &self.path,
            query: &self.query,
            headers: &self.headers,
            vhost_bucket: self.vhost_bucket.as_deref(),
        }
    }

    fn verify(&self) -> S3Result<BodyAuth> {
        let head = self.head();
        match auth::claim(&head, self.now, &self.policy)? {
            Claim::Signed(claim) => claim.verify(&head, &self.secret, &SigningKeys::default()),
            Claim::Anonymous => panic!("not anonymous"),
        }
    }
}

fn requests() -> Vec<Value> {
    ["header", "presigned", "sigv2", "chunked", "published"].into_iter().flat_map(load).collect()
}

#[test]
fn every_vector_verifies_and_says_who_and_how() {
    for v in requests() {
        let request = Request::new(&v);
        let head = request.head();
        let Claim::Signed(claim) = auth::claim(&head, request.now, &request.policy).unwrap() else { panic!("{v}") };
        assert_eq!(claim.access_key(), text(&v, "access_key"));
        assert_eq!(claim.session_token(), v["token"].as_str(), "{v}");
        assert_eq!(claim.presigned(), v["presigned"].as_bool().unwrap(), "{v}");
        assert_eq!(claim.version() == SignatureVersion::V4, v["version"] == 4, "{v}");
        let body = request.verify().unwrap_or_else(|e| panic!("{}: {e} {:?}", v["name"], e.fields()));
        match (body, text(&v, "body")) {
            (BodyAuth::Unsigned, "unsigned") => {}
            (BodyAuth::Chunked(_), "chunked") => {}
            (BodyAuth::Sha256(hash), digits) => assert_eq!(hex::encode(&hash), digits),
            (other, expected) => panic!("{}: {other:?} is not {expected}", v["name"]),
        }
    }
}

#[test]
fn nothing_that_is_signed_can_be_changed() {
    for v in requests() {
        let good = Request::new(&v);
        let mut changed = vec![("secret", Request { secret: b"other".to_vec(), ..good.clone() })];
        changed.push(("method", Request { method: "DELETE".into(), ..good.clone() }));
        changed.push(("path", Request { path: format!("{}x", good.path), ..good.clone() }));
        let query = if good.query.is_empty() { "acl".into() } else { format!("{}&acl", good.query) };
        changed.push(("query", Request { query, ..good.clone() }));
        if v["version"] == 4 {
            let mut headers = good.headers.clone();
            headers.insert("host", HeaderValue::from_static("evil.example.com"));
            changed.push(("host", Request { headers, ..good.clone() }));
        }
        for (what, request) in changed {
            let error = request.verify().expect_err(what);
            assert_eq!(error.code(), ErrorCode::SignatureDoesNotMatch, "{what} of {}", v["name"]);
            let names: Vec<&str> = error.fields().iter().map(|(name, _)| *name).collect();
            assert_eq!(&names[..4], ["AWSAccessKeyId", "StringToSign", "SignatureProvided", "StringToSignBytes"]);
            assert_eq!(names.contains(&"CanonicalRequest"), v["version"] == 4);
        }
        let mut headers = good.headers.clone();
        headers.insert("x-amz-acl", HeaderValue::from_static("public-read"));
        let error = Request { headers, ..good.clone() }.verify().expect_err("a header that is not signed");
        let expected = if v["version"] == 4 { ErrorCode::AccessDenied } else { ErrorCode::SignatureDoesNotMatch };
        assert_eq!(error.code(), expected, "{}", v["name"]);
    }
}

fn pieces(v: &Value) -> Vec<u8> {
    let piece = |p: &Value| {
        STANDARD.decode(p[0].as_str().unwrap()).unwrap().repeat(usize::try_from(p[1].as_u64().unwrap()).unwrap())
    };
    v.as_array().unwrap().iter().flat_map(piece).collect()
}

/// Content and trailers.
type Decoded = (Vec<u8>, Vec<(String, String)>);

fn decode(request: &Request, wire: &[u8], step: usize) -> S3Result<Decoded> {
    let BodyAuth::Chunked(auth) = request.verify().unwrap() else { panic!("not chunked") };
    let length = request.headers["x-amz-decoded-content-length"].to_str().unwrap().parse().unwrap();
    let announced = request.headers.get("x-amz-trailer").map(|t| t.to_str().unwrap().to_owned());
    let mut decoder = ChunkedDecoder::new(auth, Some(length), announced.into_iter().collect());
    let mut out = Vec::new();
    for part in wire.chunks(step) {
        let mut input = Bytes::copy_from_slice(part);
        while let Chunked::Data(data) = decoder.push(&mut input)? {
            out.extend_from_slice(&data);
        }
    }
    decoder.finish()?;
    Ok((out, decoder.trailers().to_vec()))
}

#[test]
fn chunked_bodies_decode_in_pieces_of_any_size() {
    for v in requests().iter().filter(|v| v["body"] == "chunked") {
        let request = Request::new(v);
        let (wire, content) = (pieces(&v["wire"]), pieces(&v["content"]));
        let trailers: Vec<(String, String)> = serde_json::from_value(v["trailers"].clone()).unwrap();
        for step in [1, 2, 7, 100, 65_000, usize::MAX] {
            let (out, got) = decode(&request, &wire, step).unwrap_or_else(|e| panic!("{} {step}: {e}", v["name"]));
            assert!(out == content, "{} in steps of {step}", v["name"]);
            assert_eq!(got, trailers);
        }
    }
}

/// AWS's grammar of the signed trailer ends the checksum with LF and then CRLF; what clients send has CRLF only.
#[test]
fn a_signed_trailer_may_end_with_lf_before_crlf() {
    let vectors = load("chunked");
    let v = vectors.iter().find(|v| text(v, "name") == "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER-0").unwrap();
    let wire = String::from_utf8(pieces(&v["wire"])).unwrap().replace("AAAAAA==\r\n", "AAAAAA==\n\r\n");
    for step in [1, usize::MAX] {
        assert_eq!(decode(&Request::new(v), wire.as_bytes(), step).unwrap().1[0].1, "AAAAAA==");
    }
}

#[test]
fn no_byte_of_a_signed_chunked_body_can_be_flipped_or_cut_off() {
    for v in load("chunked").iter().filter(|v| text(v, "name").starts_with("STREAMING-AWS4")) {
        let request = Request::new(v);
        let wire = pieces(&v["wire"]);
        for at in 0..wire.len() {
            let mut bad = wire.clone();
            bad[at] ^= 1;
            assert!(decode(&request, &bad, 64).is_err(), "{} flipped at {at}", v["name"]);
            let error = decode(&request, &wire[..at], 64).expect_err("cut off");
            assert_eq!(error.code(), ErrorCode::IncompleteBody, "{} cut at {at}", v["name"]);
        }
        assert!(decode(&request, &[&wire[..], b"x"].concat(), usize::MAX).is_err(), "bytes after the end");
    }
}

#[test]
fn forms_verify_and_their_policies_hold() {
    for v in load("post") {
        let fields: Vec<(String, String)> = serde_json::from_value(v["fields"].clone()).unwrap();
        let mut fields: Vec<(String, Vec<u8>)> = fields.into_iter().map(|(n, v)| (n, v.into_bytes())).collect();
        let policy = AuthPolicy { sigv2: true, region: Some(text(&v, "region").to_owned()) };
        let now = Timestamp::from_secs(v["now_secs"].as_u64().unwrap());
        let keys = SigningKeys::default();
        let post::PostClaim::Signed(claim) = post::claim(&fields, &policy).unwrap() else { panic!("{v}") };
        assert_eq!(claim.access_key(), text(&v, "access_key"));
        assert_eq!(claim.session_token(), v["token"].as_str());
        assert_eq!(claim.version() == SignatureVersion::V4, v["version"] == 4);
        claim.verify(text(&v, "secret_key").as_bytes(), &keys).unwrap();
        let error = claim.verify(b"other", &keys).expect_err("another secret");
        assert_eq!(error.code(), ErrorCode::SignatureDoesNotMatch);
        let document = Policy::parse(claim.policy()).unwrap();
        document.check(&fields, "bucket", now).unwrap();
        assert!(document.check(&fields, "other", now).is_err());
        fields.push(("tagging".into(), b"<x/>".to_vec()));
        let error = document.check(&fields, "bucket", now).expect_err("a field without a condition");
        assert_eq!(error.message(), "Invalid according to Policy: Extra input fields: tagging");
    }
}
