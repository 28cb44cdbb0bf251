//! Each way a signature can be wrong before any secret is known, and the code AWS answers with.

use http::{HeaderMap, HeaderName, HeaderValue};
use panthera_base::{ErrorCode, S3Error, Timestamp, limits};
use panthera_wire::auth::{self, AuthPolicy, BodyAuth, Claim, Head, SigningKeys, post};
use proptest::prelude::*;

/// 20130524T000000Z
const NOW: u64 = 1_369_353_600;
const CREDENTIAL: &str = "AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request";
const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

fn v4(credential: &str, signed: &str) -> String {
    format!("AWS4-HMAC-SHA256 Credential={credential},SignedHeaders={signed},Signature={EMPTY}")
}

fn good_headers() -> Vec<(&'static str, String)> {
    vec![
        ("host", "s3.example.com".into()),
        ("x-amz-date", "20130524T000000Z".into()),
        ("x-amz-content-sha256", EMPTY.into()),
        ("authorization", v4(CREDENTIAL, "host;x-amz-content-sha256;x-amz-date")),
    ]
}

fn with(changes: &[(&'static str, &str)]) -> Vec<(&'static str, String)> {
    let mut headers = good_headers();
    for (name, value) in changes {
        headers.retain(|(n, _)| n != name);
        headers.push((name, (*value).to_owned()));
    }
    headers
}

fn without(name: &str) -> Vec<(&'static str, String)> {
    good_headers().into_iter().filter(|(n, _)| *n != name).collect()
}

fn claim_at(headers: &[(&str, String)], query: &str, now: Timestamp, policy: &AuthPolicy) -> Result<Claim, S3Error> {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(
            HeaderName::from_bytes(name.as_bytes()).unwrap(),
            HeaderValue::from_bytes(value.as_bytes()).unwrap(),
        );
    }
    let head = Head { method: "GET", path: "/b/k", query, headers: &map, vhost_bucket: None };
    auth::claim(&head, now, policy)
}

fn policy() -> AuthPolicy {
    AuthPolicy { sigv2: true, region: None }
}

fn claim(headers: &[(&str, String)], query: &str) -> Result<Claim, S3Error> {
    claim_at(headers, query, Timestamp::from_secs(NOW), &policy())
}

fn field<'a>(error: &'a S3Error, name: &str) -> &'a str {
    error.fields().iter().find(|(n, _)| *n == name).map_or("", |(_, v)| v)
}

#[track_caller]
fn refused(headers: &[(&str, String)], query: &str, code: ErrorCode, message: &str) -> S3Error {
    let error = claim(headers, query).expect_err("must be refused");
    assert_eq!(error.code(), code, "{error}");
    assert!(error.message().contains(message), "{error}");
    error
}

#[test]
fn no_word_about_a_sender_is_anonymous_and_half_a_word_is_not() {
    assert!(matches!(claim(&[("host", "h".into())], "acl&prefix=X-Amz-Signature"), Ok(Claim::Anonymous)));
    refused(&[("authorization", String::new())], "", ErrorCode::AccessDenied, "");
    refused(&[("authorization", "Bearer x".into())], "", ErrorCode::InvalidArgument, "Unsupported Authorization Type");
    refused(&[], "X-Amz-Signature=1", ErrorCode::AuthorizationQueryParametersError, "requires the X-Amz-Algorithm");
    refused(&[], "Signature=1", ErrorCode::AccessDenied, "Query-string authentication requires");
}

#[test]
fn only_one_mechanism() {
    for query in ["X-Amz-Algorithm=AWS4-HMAC-SHA256", "AWSAccessKeyId=x", "Signature=x&acl"] {
        let error = refused(&good_headers(), query, ErrorCode::InvalidArgument, "Only one auth mechanism allowed");
        assert_eq!(field(&error, "ArgumentName"), "Authorization");
    }
    refused(&[], "X-Amz-Signature=x&Signature=y", ErrorCode::InvalidArgument, "Only one auth mechanism");
    let twice = [good_headers(), vec![("authorization", "AWS a:b".into())]].concat();
    refused(&twice, "", ErrorCode::InvalidArgument, "Only one auth mechanism");
}

#[test]
fn the_authorization_header_is_strict() {
    let malformed = ErrorCode::AuthorizationHeaderMalformed;
    for (value, message) in [
        ("AWS4-HMAC-SHA256".to_owned(), "requires three components"),
        (format!("AWS4-HMAC-SHA256 Credential={CREDENTIAL},SignedHeaders=host"), "requires three components"),
        ("AWS4-HMAC-SHA256 Credential=,SignedHeaders=a,Signature=b".to_owned(), "\"Credential=\" is malformed"),
        (format!("{},Signature=x", v4(CREDENTIAL, "host")), "\"Signature=x\" is malformed"),
        (format!("{},Other=x", v4(CREDENTIAL, "host")), "\"Other=x\" is malformed"),
        (v4("nonsense", "host"), "the Credential is mal-formed"),
        (v4("A/20130525/r/s3/aws4_request", "host"), "not the same as X-Amz-Date"),
        (v4("A/20130524/r/iam/aws4_request", "host"), "incorrect service"),
    ] {
        refused(&with(&[("authorization", &value)]), "", malformed, message);
    }
    let pinned = AuthPolicy { sigv2: true, region: Some("eu-west-1".into()) };
    let error = claim_at(&good_headers(), "", Timestamp::from_secs(NOW), &pinned).unwrap_err();
    assert_eq!((error.code(), field(&error, "Region")), (malformed, "eu-west-1"));
    let sigv4a = with(&[("authorization", "AWS4-ECDSA-P256-SHA256 Credential=a, SignedHeaders=b, Signature=c")]);
    refused(&sigv4a, "", ErrorCode::NotImplemented, "AWS4-ECDSA-P256-SHA256");
}

#[test]
fn dates() {
    refused(&without("x-amz-date"), "", ErrorCode::AccessDenied, "requires a valid Date or x-amz-date header");
    refused(&with(&[("x-amz-date", "yesterday")]), "", ErrorCode::AccessDenied, "requires a valid Date");
    let by_date = [without("x-amz-date"), vec![("date", "Fri, 24 May 2013 00:00:00 GMT".into())]].concat();
    let by_date: Vec<_> = by_date
        .into_iter()
        .map(|(n, v)| if n == "authorization" { (n, v4(CREDENTIAL, "date;host;x-amz-content-sha256")) } else { (n, v) })
        .collect();
    assert!(claim(&by_date, "").is_ok());
    for (now, good) in [
        (NOW + limits::SKEW_SECS, true),
        (NOW + limits::SKEW_SECS + 1, false),
        (NOW - limits::SKEW_SECS, true),
        (NOW - limits::SKEW_SECS - 1, false),
    ] {
        let result = claim_at(&good_headers(), "", Timestamp::from_secs(now), &policy());
        assert_eq!(result.is_ok(), good, "{now}");
        if let Err(error) = result {
            assert_eq!(error.code(), ErrorCode::RequestTimeTooSkewed);
            assert_eq!(field(&error, "RequestTime"), "20130524T000000Z");
            assert_eq!(field(&error, "MaxAllowedSkewMilliseconds"), "900000");
            assert!(field(&error, "ServerTime").ends_with('Z'));
        }
    }
}

#[test]
fn host_and_amz_headers_must_be_signed() {
    let error = refused(
        &with(&[("x-amz-acl", "private"), ("x-amz-meta-a", "b")]),
        "",
        ErrorCode::AccessDenied,
        "There were headers present in the request which were not signed",
    );
    assert_eq!(field(&error, "HeadersNotSigned"), "x-amz-acl, x-amz-meta-a");
    let error = refused(
        &with(&[("authorization", &v4(CREDENTIAL, "x-amz-content-sha256;x-amz-date"))]),
        "",
        ErrorCode::AccessDenied,
        "not signed",
    );
    assert_eq!(field(&error, "HeadersNotSigned"), "host");
}

#[test]
fn signed_names_have_a_limit_and_stand_once() {
    let names = |count: usize| {
        let more: String = (0..count - 3).map(|i| format!(";x{i}")).collect();
        v4(CREDENTIAL, &format!("host;x-amz-content-sha256;x-amz-date{more}"))
    };
    assert!(claim(&with(&[("authorization", &names(limits::HEADERS))]), "").is_ok());
    for bad in [names(limits::HEADERS + 1), v4(CREDENTIAL, "host;host;x-amz-content-sha256;x-amz-date")] {
        let code = ErrorCode::AuthorizationHeaderMalformed;
        refused(&with(&[("authorization", &bad)]), "", code, "the SignedHeaders are malformed");
    }
}

#[test]
fn the_payload_word() {
    refused(
        &without("x-amz-content-sha256"),
        "",
        ErrorCode::InvalidRequest,
        "Missing required header for this request",
    );
    for bad in ["", "x", &EMPTY[1..], "STREAMING-AWS4-HMAC-SHA256-EVENTS", "unsigned-payload"] {
        let error = refused(
            &with(&[("x-amz-content-sha256", bad)]),
            "",
            ErrorCode::InvalidArgument,
            "x-amz-content-sha256 must be UNSIGNED-PAYLOAD",
        );
        assert_eq!(field(&error, "ArgumentValue"), bad);
    }
    for name in ["STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD", "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER"] {
        refused(&with(&[("x-amz-content-sha256", name)]), "", ErrorCode::NotImplemented, name);
    }
    let mut headers = HeaderMap::new();
    assert!(matches!(auth::unsigned_body(&headers), Ok(BodyAuth::Unsigned)));
    headers.insert("x-amz-content-sha256", HeaderValue::from_static("STREAMING-UNSIGNED-PAYLOAD-TRAILER"));
    assert!(matches!(auth::unsigned_body(&headers), Ok(BodyAuth::Chunked(_))));
    headers.insert("x-amz-content-sha256", HeaderValue::from_static("STREAMING-AWS4-HMAC-SHA256-PAYLOAD"));
    assert_eq!(auth::unsigned_body(&headers).unwrap_err().code(), ErrorCode::InvalidRequest);
}

#[test]
fn queries_that_cannot_be_decoded() {
    for query in ["prefix=%", "prefix=%zz", "%fe=1"] {
        refused(&[], query, ErrorCode::InvalidURI, "");
    }
}

const PRESIGNED: [(&str, &str); 6] = [
    ("X-Amz-Algorithm", "AWS4-HMAC-SHA256"),
    ("X-Amz-Credential", "AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request"),
    ("X-Amz-Date", "20130524T000000Z"),
    ("X-Amz-Expires", "86400"),
    ("X-Amz-SignedHeaders", "host"),
    ("X-Amz-Signature", EMPTY),
];

fn presigned(name: &str, value: Option<&str>) -> String {
    let pairs = PRESIGNED.iter().filter_map(|(n, v)| {
        let value = if *n == name { value? } else { v };
        Some(format!("{n}={value}"))
    });
    pairs.collect::<Vec<_>>().join("&")
}

#[test]
fn presigned_parameters_are_strict() {
    let host = [("host", "h".to_owned())];
    let code = ErrorCode::AuthorizationQueryParametersError;
    assert!(claim(&host, &presigned("", None)).is_ok());
    for (name, _) in PRESIGNED {
        refused(&host, &presigned(name, None), code, "Query-string authentication version 4 requires");
        refused(&host, &format!("{}&{name}=x", presigned("", None)), code, "must be given once");
    }
    for (name, value, message) in [
        ("X-Amz-Algorithm", "AWS4", "X-Amz-Algorithm only supports"),
        ("X-Amz-Credential", "x", "the Credential is mal-formed"),
        ("X-Amz-Credential", "A/20130524/r/s3/aws4", "incorrect terminal \"aws4\""),
        ("X-Amz-Date", "20130524", "ISO8601 Long Format"),
        ("X-Amz-Date", "20130525T000000Z", "This date is not the same as X-Amz-Date"),
        ("X-Amz-Expires", "", "should be a number"),
        ("X-Amz-Expires", "1e3", "should be a number"),
        ("X-Amz-Expires", "+5", "should be a number"),
        ("X-Amz-Expires", "-7", "must be non-negative"),
        ("X-Amz-Expires", "604801", "must be less than a week"),
        ("X-Amz-Expires", "99999999999999999999999", "must be less than a week"),
    ] {
        refused(&host, &presigned(name, Some(value)), code, message);
    }
    refused(&host, &presigned("X-Amz-Algorithm", Some("AWS4-ECDSA-P256-SHA256")), ErrorCode::NotImplemented, "SigV4A");
    let error = refused(&host, &presigned("X-Amz-SignedHeaders", Some("date")), ErrorCode::AccessDenied, "not signed");
    assert_eq!(field(&error, "HeadersNotSigned"), "host");
}

/// Found by the fuzz target `signature`: escapes of plain characters mean the same (RFC 3986 section 2.3).
#[test]
fn presigned_parameters_may_be_escaped() {
    let host = [("host", "h".to_owned())];
    let escape = |text: &str| text.bytes().map(|b| format!("%{b:02x}")).collect::<String>();
    for (name, value) in PRESIGNED.iter().filter(|(name, _)| *name != "X-Amz-Credential") {
        assert!(claim(&host, &presigned(name, Some(&escape(value)))).is_ok(), "{name}");
    }
    let code = ErrorCode::AuthorizationQueryParametersError;
    refused(&host, &presigned("X-Amz-Expires", Some(&escape("604801"))), code, "must be less than a week");
}

#[test]
fn presigned_urls_hold_until_the_second_they_name() {
    let host = [("host", "h".to_owned())];
    let at = |query: &str, now: u64| claim_at(&host, query, Timestamp::from_secs(now), &policy());
    for seconds in [1, limits::PRESIGN_SECS] {
        let query = presigned("X-Amz-Expires", Some(&seconds.to_string()));
        assert!(at(&query, NOW + seconds).is_ok());
        let error = at(&query, NOW + seconds + 1).unwrap_err();
        assert_eq!((error.code(), error.message()), (ErrorCode::AccessDenied, "Request has expired"));
        assert_eq!(field(&error, "X-Amz-Expires"), seconds.to_string());
        assert!(!field(&error, "Expires").is_empty() && !field(&error, "ServerTime").is_empty());
        assert!(at(&query, NOW - limits::SKEW_SECS).is_ok());
        assert_eq!(at(&query, NOW - limits::SKEW_SECS - 1).unwrap_err().message(), "Request is not valid yet");
    }
    assert_eq!(at(&presigned("X-Amz-Expires", Some("0")), NOW).unwrap_err().message(), "Request has expired");
}

#[test]
fn sigv2() {
    let date = ("date", "Fri, 24 May 2013 00:00:00 GMT".to_owned());
    let signed = |value: &str| vec![("authorization", value.to_owned()), date.clone()];
    assert!(claim(&signed("AWS key:c2ln"), "").is_ok());
    for bad in ["AWS HAHAHA", "AWS :x", "AWS x:", "AWS"] {
        refused(&signed(bad), "", ErrorCode::InvalidArgument, "Expected AwsAccessKeyId:signature");
    }
    refused(&[("authorization", "AWS a:b".into())], "", ErrorCode::AccessDenied, "requires a valid Date");
    let old = [("authorization", "AWS a:b".to_owned()), ("date", "Thu, 23 May 2013 00:00:00 GMT".to_owned())];
    refused(&old, "", ErrorCode::RequestTimeTooSkewed, "");
    let query = |expires: &str| format!("AWSAccessKeyId=a&Signature=b&Expires={expires}");
    assert!(claim(&[], &query(&NOW.to_string())).is_ok());
    let error = refused(&[], &query(&(NOW - 1).to_string()), ErrorCode::AccessDenied, "Request has expired");
    assert_eq!(field(&error, "Expires"), "2013-05-23T23:59:59Z");
    for bad in ["", "x", "-1", "99999999999999999999999"] {
        refused(&[], &query(bad), ErrorCode::AccessDenied, "Invalid date (should be seconds since epoch)");
    }
    // Operations read these as headers, and nothing signs them; the fuzz target `signature` tries them too.
    for query in ["x-amz-acl=private", "a=b&X-Amz-Storage-Class=GLACIER", "%78-amz-tagging=a"] {
        let error = refused(&signed("AWS key:c2ln"), query, ErrorCode::AccessDenied, "which were not signed");
        assert!(field(&error, "HeadersNotSigned").to_ascii_lowercase().starts_with("x-amz-"));
    }
    let off = AuthPolicy { sigv2: false, region: None };
    for (headers, query) in [(signed("AWS key:c2ln"), String::new()), (Vec::new(), query(&NOW.to_string()))] {
        let error = claim_at(&headers, &query, Timestamp::from_secs(NOW), &off).unwrap_err();
        assert_eq!(error.code(), ErrorCode::InvalidRequest);
        assert!(error.message().ends_with("Please use AWS4-HMAC-SHA256."));
    }
}

fn form(fields: &[(&str, &str)]) -> Result<post::PostClaim, S3Error> {
    let fields: Vec<(String, Vec<u8>)> = fields.iter().map(|(n, v)| ((*n).into(), v.as_bytes().to_vec())).collect();
    post::claim(&fields, &policy())
}

#[test]
fn forms() {
    assert!(matches!(form(&[("key", "k"), ("acl", "private")]), Ok(post::PostClaim::Anonymous)));
    let v2 = [("policy", "p"), ("AWSAccessKeyId", "a"), ("signature", "s")];
    assert!(form(&v2).is_ok());
    for missing in ["policy", "AWSAccessKeyId", "signature"] {
        let rest: Vec<_> = v2.iter().copied().filter(|(n, _)| *n != missing).collect();
        let error = form(&rest).unwrap_err();
        assert_eq!(error.code(), ErrorCode::InvalidArgument);
        assert!(error.message().to_lowercase().contains(&format!("'{}'", missing.to_lowercase())), "{error}");
    }
    let v4 = [
        ("policy", "p"),
        ("x-amz-algorithm", "AWS4-HMAC-SHA256"),
        ("x-amz-credential", CREDENTIAL),
        ("x-amz-date", "20130524T000000Z"),
        ("x-amz-signature", "s"),
    ];
    assert!(form(&v4).is_ok());
    for (missing, _) in v4 {
        let rest: Vec<_> = v4.iter().copied().filter(|(n, _)| *n != missing).collect();
        assert_eq!(form(&rest).unwrap_err().code(), ErrorCode::InvalidArgument, "{missing}");
    }
    assert_eq!(form(&[&v4[..], &v2[2..]].concat()).unwrap_err().code(), ErrorCode::InvalidArgument);
}

proptest! {
    /// Whatever is sent: an answer, never a panic, and never a signature that holds.
    #[test]
    fn random_heads_are_answered(
        authorization in "(AWS4-HMAC-SHA256|AWS|)[ -~]{0,80}",
        date in "[0-9TZ]{0,17}",
        query in "(X-Amz-[A-Z][a-z]{0,9}=[ -~]{0,20}&){0,3}[ -~]{0,40}",
        path in "[ -~]{0,20}",
    ) {
        let mut headers = HeaderMap::new();
        headers.insert("authorization", HeaderValue::from_str(&authorization).unwrap());
        headers.insert("x-amz-date", HeaderValue::from_str(&date).unwrap());
        headers.insert("x-amz-content-sha256", HeaderValue::from_static(EMPTY));
        let head = Head { method: "GET", path: &path, query: &query, headers: &headers, vhost_bucket: Some("b") };
        if let Ok(Claim::Signed(claim)) = auth::claim(&head, Timestamp::from_secs(NOW), &policy()) {
            prop_assert!(claim.verify(&head, b"secret", &SigningKeys::default()).is_err());
        }
    }
}
