//! The Python side: slow, stuck, absent, or wrong, and what the rest of the port notices of it.

use std::time::{Duration, Instant};

use bytes::Bytes;
use panthera_base::{ErrorCode, S3Error};
use panthera_front::{ControlReply, Settings};

use crate::signer;
use crate::world::{ALICE, Client, ask, request, settings, world, world_with};

#[test]
fn a_handler_reads_the_request_and_answers_it() {
    let world = world_with(settings(), |mut calls| {
        while let Some(call) = calls.blocking_next() {
            assert!(call.headers.get("authorization").is_none());
            assert_eq!(call.bucket_record.is_some(), call.bucket == "photos");
            let body = format!("{} {:?} {:?}", call.op, call.query.0, call.caller.canonical_id);
            let mut headers = http::HeaderMap::new();
            headers.insert("content-type", http::HeaderValue::from_static("text/plain"));
            call.answer.send(Ok(ControlReply { status: http::StatusCode::ACCEPTED, headers, body: Bytes::from(body) }));
        }
    });
    let answer = ask(&world, request(ALICE, "GET", "/?prefix=a"));
    let expected = format!("ListBuckets [(\"prefix\", \"a\")] \"{}\"", "01".repeat(32));
    assert_eq!((answer.status, String::from_utf8_lossy(&answer.body).as_ref()), (202, expected.as_str()));
    assert_eq!(answer.header("content-type"), Some("text/plain"));
    assert!(answer.header("x-amz-request-id").is_some());
    // CreateBucket finds a bucket that is not there, and one that is another's.
    assert_eq!(ask(&world, request(ALICE, "PUT", "/new-bucket")).status, 202);
}

#[test]
fn a_body_has_its_cap() {
    let world = world();
    for (len, status) in [(64, 200), (65, 400)] {
        let body = "x".repeat(len);
        let lines = signer::sign(ALICE, "PUT", ("/photos", "acl="), "localhost", &signer::sha256(body.as_bytes()), &[]);
        let head = format!("PUT /photos?acl HTTP/1.1\r\n{lines}content-length: {len}\r\n\r\n");
        let answer = ask(&world, head + &body);
        assert_eq!(answer.status, status, "{len}");
        if status == 400 {
            assert_eq!(answer.code(), "MaxMessageLengthExceeded");
        }
    }
}

#[test]
fn errors_are_rendered_and_silence_is_one() {
    let world = world_with(settings(), |mut calls| {
        while let Some(call) = calls.blocking_next() {
            match call.bucket.as_str() {
                "" => call.answer.send(Err(S3Error::new(ErrorCode::TooManyBuckets))),
                _ => drop(call),
            }
        }
    });
    assert_eq!(ask(&world, request(ALICE, "GET", "/")).code(), "TooManyBuckets");
    let dropped = ask(&world, request(ALICE, "GET", "/photos?acl"));
    assert_eq!((dropped.status, dropped.code().as_str()), (500, "InternalError"));
    let id = dropped.header("x-amz-request-id").unwrap();
    let complaints = world.complaints.lock().unwrap();
    assert_eq!(complaints.len(), 1, "{complaints:?}");
    assert!(complaints[0].contains(id) && complaints[0].contains("dropped the request"), "{complaints:?}");
}

#[test]
fn a_blocked_python_slows_nothing_but_itself() {
    // A Python that takes every call and answers none.
    let world = world_with(Settings { control_deadline: Duration::from_secs(2), ..settings() }, |mut calls| {
        let mut taken = Vec::new();
        while let Some(call) = calls.blocking_next() {
            taken.push(call);
        }
    });
    let mut waiting: Vec<Client> = (0..4).map(|_| Client::connect(world.at)).collect();
    for client in &mut waiting {
        client.send(request(ALICE, "GET", "/photos?acl"));
    }
    std::thread::sleep(Duration::from_millis(200));
    // All four places are taken: the fifth is told at once.
    let refused = ask(&world, request(ALICE, "GET", "/photos?acl"));
    assert_eq!((refused.status, refused.code().as_str()), (503, "SlowDown"));
    let mut client = Client::connect(world.at);
    let mut slowest = Duration::ZERO;
    for _ in 0..200 {
        let start = Instant::now();
        client.send(request(ALICE, "GET", "/photos/hello"));
        assert_eq!(client.answer().unwrap().status, 200);
        slowest = slowest.max(start.elapsed());
    }
    assert!(slowest < Duration::from_millis(500), "{slowest:?}");
    for client in &mut waiting {
        let late = client.answer().unwrap();
        assert_eq!((late.status, late.code().as_str()), (503, "ServiceUnavailable"));
    }
    // Python still holds the four: its places are not given to others.
    assert_eq!(ask(&world, request(ALICE, "GET", "/photos?acl")).code(), "SlowDown");
    let metrics = world.front.metrics();
    assert!(metrics.contains("panthera_s3_control_full_total 2") && metrics.contains("control_late_total 4"));
}

#[test]
fn without_python_there_is_an_answer_all_the_same() {
    let world = world_with(settings(), drop);
    std::thread::sleep(Duration::from_millis(50));
    assert_eq!(ask(&world, request(ALICE, "GET", "/photos?acl")).code(), "ServiceUnavailable");
    assert_eq!(ask(&world, request(ALICE, "GET", "/photos/hello")).status, 200);
}
