//! Who may do what, and what everybody else reads.

use crate::signer;
use crate::world::{
    ALICE, Client, DISABLED, EMPTY_SHA256, EXPIRED, MALLORY, ask, request, settings, world, world_with,
};

#[test]
fn a_signed_get_is_answered() {
    let world = world();
    let answer = ask(&world, request(ALICE, "GET", "/photos/hello"));
    assert_eq!((answer.status, answer.body.as_slice()), (200, &b"hello, world"[..]), "{answer:?}");
    assert_eq!(answer.header("x-amz-request-id").unwrap().len(), 16);
    assert!(answer.header("x-amz-id-2").is_some() && answer.header("date").is_some());
    assert_eq!(answer.header("server"), Some("Panthera"));
    assert_eq!(answer.header("connection"), None);
    let by_host = signer::sign(ALICE, "GET", ("/hello", ""), "photos.localhost:9000", EMPTY_SHA256, &[]);
    assert_eq!(ask(&world, format!("GET /hello HTTP/1.1\r\n{by_host}\r\n")).body, b"hello, world");
}

#[test]
fn who_may_not_is_told_the_right_thing() {
    let world = world();
    for (who, target, status, code) in [
        (MALLORY, "/photos/hello", 403, "AccessDenied"),
        (MALLORY, "/photos/missing", 403, "AccessDenied"),
        (ALICE, "/foreign/hello", 403, "AccessDenied"),
        (ALICE, "/photos/missing", 404, "NoSuchKey"),
        (ALICE, "/nowhere/hello", 404, "NoSuchBucket"),
        (("AKNOBODY", "x"), "/nowhere/hello", 403, "InvalidAccessKeyId"),
        ((ALICE.0, "wrong"), "/nowhere/hello", 403, "SignatureDoesNotMatch"),
        (DISABLED, "/photos/hello", 403, "InvalidAccessKeyId"),
        (EXPIRED, "/photos/hello", 400, "ExpiredToken"),
        ((EXPIRED.0, "wrong"), "/photos/hello", 403, "SignatureDoesNotMatch"),
    ] {
        let answer = ask(&world, request(who, "GET", target));
        assert_eq!((answer.status, answer.code().as_str()), (status, code), "{who:?} {target}");
        let id = answer.header("x-amz-request-id").unwrap().to_owned();
        assert!(String::from_utf8_lossy(&answer.body).contains(&format!("<RequestId>{id}</RequestId>")));
    }
    for target in ["/photos/hello", "/photos/missing", "/foreign/x", "/photos?acl", "/"] {
        let answer = ask(&world, format!("GET {target} HTTP/1.1\r\nhost: localhost\r\n\r\n"));
        assert_eq!((answer.status, answer.code().as_str()), (403, "AccessDenied"), "anonymous {target}");
    }
}

#[test]
fn head_errors_have_no_body() {
    let world = world();
    let mut client = Client::connect(world.at);
    for (target, status) in [("/photos/missing", 404), ("/foreign/x", 403), ("/photos/hello", 200)] {
        client.send(request(ALICE, "HEAD", target));
        let answer = client.answer_to(true).unwrap();
        assert_eq!(answer.status, status, "{target}");
        if status == 200 {
            assert_eq!(answer.header("content-length"), Some("12"));
        }
    }
    // The connection is in step: nothing of a body was sent.
    client.send(request(ALICE, "GET", "/photos/hello"));
    assert_eq!(client.answer().unwrap().body, b"hello, world");
}

#[test]
fn what_is_missing_from_the_table_is_refused_by_name() {
    let world = world();
    let put = ask(&world, request(ALICE, "PUT", "/photos?policy"));
    assert_eq!((put.status, put.code().as_str()), (501, "NotImplemented"));
    assert!(String::from_utf8_lossy(&put.body).contains("PutBucketPolicy"), "{put:?}");
    // Even what does not exist is nobody's business without a signature.
    let anonymous = ask(&world, "PUT /photos?policy HTTP/1.1\r\nhost: localhost\r\ncontent-length: 0\r\n\r\n");
    assert_eq!(anonymous.code(), "AccessDenied");
    for (method, target, status, code) in [
        ("PUT", "/photos/hello?torrent", 501, "NotImplemented"),
        ("PUT", "/photos/hello?acl", 405, "MethodNotAllowed"),
        ("DELETE", "/photos/hello", 405, "MethodNotAllowed"),
        ("BREW", "/photos/hello", 405, "MethodNotAllowed"),
    ] {
        let answer = ask(&world, request(ALICE, method, target));
        assert_eq!((answer.status, answer.code().as_str()), (status, code), "{method} {target}");
    }
    assert_eq!(world.objects.0.lock().unwrap()[&b"hello"[..]], "hello, world");
}

#[test]
fn a_row_for_everyone_is_answered_by_its_handler() {
    let world = world();
    for (bucket, authorization) in
        [("photos", ""), ("foreign", ""), ("nowhere", ""), ("photos", "authorization: x\r\n")]
    {
        let preflight = format!("OPTIONS /{bucket}/k HTTP/1.1\r\nhost: localhost\r\n{authorization}\r\n");
        let answer = ask(&world, preflight);
        assert_eq!((answer.status, answer.body), (200, format!("OptionsObject {bucket} 0").into_bytes()));
    }
}

#[test]
fn the_expected_owner_must_own_the_bucket() {
    let world = world();
    let alice = "01".repeat(32);
    let mallory = "02".repeat(32);
    for (owner, status) in
        [(alice.as_str(), 200), ("000000000001", 200), (mallory.as_str(), 403), ("000000000002", 403), ("", 403)]
    {
        let extra = [("x-amz-expected-bucket-owner", owner)];
        let lines = signer::sign(ALICE, "GET", ("/photos/hello", ""), "localhost", EMPTY_SHA256, &extra);
        let answer = ask(&world, format!("GET /photos/hello HTTP/1.1\r\n{lines}\r\n"));
        assert_eq!(answer.status, status, "{owner:?}");
    }
}

#[test]
fn every_request_is_logged_and_counted_once() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("access.log");
    let world = world_with(panthera_front::Settings { access_log: Some(path.clone()), ..settings() }, |_| {});
    let got = ask(&world, request(ALICE, "GET", "/photos/hello"));
    ask(&world, request(ALICE, "GET", "/photos/missing"));
    ask(&world, "GET /%zz HTTP/1.1\r\nhost: localhost\r\nuser-agent: a\"b\r\n\r\n");
    assert!(world.front.drain(std::time::Duration::from_secs(5)));
    let log = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = log.lines().collect();
    assert_eq!(lines.len(), 3, "{log}");
    let id = got.header("x-amz-request-id").unwrap();
    let alice = "01".repeat(32);
    let start = format!("1 photos [21/Nov/2026:07:00:00 +0000] 127.0.0.1 {alice} {id} REST.GET.OBJECT hello ");
    assert!(lines[0].starts_with(&start), "{}", lines[0]);
    assert!(lines[0].contains("\"GET /photos/hello HTTP/1.1\" 200 - 12 - "), "{}", lines[0]);
    assert!(lines[0].contains(" SigV4 - AuthHeader localhost - - -"), "{}", lines[0]);
    assert!(lines[1].contains(" 404 NoSuchKey "), "{}", lines[1]);
    assert!(lines[2].contains(" 400 InvalidURI ") && lines[2].contains("\"a%22b\""), "{}", lines[2]);
    let metrics = world.front.metrics();
    for line in [
        "panthera_s3_requests_total{api=\"GetObject\",code=\"2xx\"} 1",
        "panthera_s3_requests_total{api=\"GetObject\",code=\"4xx\"} 1",
        "panthera_s3_requests_total{api=\"none\",code=\"4xx\"} 1",
        "panthera_s3_errors_total{code=\"NoSuchKey\"} 1",
        "panthera_s3_request_seconds_count{api=\"GetObject\"} 2",
        "panthera_s3_requests_inflight 0",
        "panthera_s3_connections 0",
    ] {
        assert!(metrics.lines().any(|l| l == line), "{line}\n{metrics}");
    }
}
