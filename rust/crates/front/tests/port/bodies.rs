//! Bodies: when they are asked for, when they are whole, and what happens to those nobody wants.

use std::io::Write;
use std::time::Duration;

use crate::signer;
use crate::world::{ALICE, BIG, Client, MALLORY, ask, put_head, request, world};

#[test]
fn a_put_is_stored_when_it_is_whole() {
    let world = world();
    let mut client = Client::connect(world.at);
    client.send(put_head(ALICE, "/photos/new", 5, &[]));
    client.send("he");
    client.send("llo");
    assert_eq!(client.answer().unwrap().status, 200);
    assert_eq!(world.objects.0.lock().unwrap()[&b"new"[..]], "hello");
}

#[test]
fn a_put_that_breaks_off_is_not() {
    let world = world();
    let mut client = Client::connect(world.at);
    client.send(put_head(ALICE, "/photos/cut", 5, &[]));
    client.send("hell");
    client.socket.shutdown(std::net::Shutdown::Write).unwrap();
    let answer = client.answer().unwrap();
    assert_eq!((answer.status, answer.code().as_str()), (400, "IncompleteBody"));
    assert!(!world.objects.0.lock().unwrap().contains_key(&b"cut"[..]));
}

#[test]
fn a_put_whose_hash_is_another_is_not_stored() {
    let world = world();
    let lines = signer::sign(ALICE, "PUT", ("/photos/lie", ""), "localhost", &signer::sha256(b"hello"), &[]);
    let answer = ask(&world, format!("PUT /photos/lie HTTP/1.1\r\n{lines}content-length: 5\r\n\r\nhullo"));
    assert_eq!(answer.code(), "XAmzContentSHA256Mismatch");
    assert!(world.objects.0.lock().unwrap().is_empty() || !world.objects.0.lock().unwrap().contains_key(&b"lie"[..]));
    // Read to its end, so the connection could go on.
    assert_eq!(answer.header("connection"), None);
}

#[test]
fn continue_comes_after_authorization_and_only_then() {
    let world = world();
    let mut client = Client::connect(world.at);
    client.send(put_head(ALICE, "/photos/asked", 5, &[("expect", "100-continue")]));
    assert_eq!(client.head().unwrap(), "HTTP/1.1 100 Continue\r\n\r\n");
    client.send("hello");
    assert_eq!(client.answer().unwrap().status, 200);

    let mut client = Client::connect(world.at);
    client.send(put_head(MALLORY, "/photos/asked", 5, &[("expect", "100-continue")]));
    let answer = client.answer().unwrap();
    assert_eq!((answer.status, answer.header("connection")), (403, Some("close")));
    assert!(client.closed());
}

#[test]
fn a_stalled_body_is_given_up() {
    let world = world();
    let mut client = Client::connect(world.at);
    client.send(put_head(ALICE, "/photos/stalled", 5, &[]));
    client.send("he");
    assert_eq!(client.answer().unwrap().code(), "RequestTimeout");
    assert!(!world.objects.0.lock().unwrap().contains_key(&b"stalled"[..]));
}

#[test]
fn a_small_unread_body_does_not_cost_the_connection() {
    let world = world();
    let mut client = Client::connect(world.at);
    client.send(put_head(MALLORY, "/photos/x", 64 << 10, &[]));
    client.send(vec![0; 64 << 10]);
    let answer = client.answer().unwrap();
    assert_eq!((answer.status, answer.header("connection")), (403, None));
    client.send(request(ALICE, "GET", "/photos/hello"));
    assert_eq!(client.answer().unwrap().status, 200);
}

#[test]
fn a_large_unread_body_does_and_the_answer_still_arrives() {
    let world = world();
    for target in ["/photos/x", "/photos/x?torrent"] {
        let mut client = Client::connect(world.at);
        client.send(put_head(MALLORY, target, 4 << 20, &[]));
        // Goes on sending after the answer, as clients do that do not look.
        for _ in 0..64 {
            if client.socket.write_all(&[0; 64 << 10]).is_err() {
                break;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        let answer = client.answer().expect("not destroyed by a reset");
        assert!(answer.status >= 400 && answer.header("connection") == Some("close"), "{target} {answer:?}");
    }
}

#[test]
fn a_stream_that_fails_does_not_end_cleanly() {
    let world = world();
    let mut client = Client::connect(world.at);
    client.send(request(ALICE, "GET", "/photos/broken"));
    // Head and first pieces may or may not have left the buffers when the stream fails.
    let mut seen = 0;
    let mut piece = [0; 64 << 10];
    while let Ok(n @ 1..) = std::io::Read::read(&mut client.socket, &mut piece) {
        seen += n;
    }
    assert!(seen < 1 << 20, "{seen}");
    assert!(world.front.metrics().contains("{api=\"GetObject\",code=\"canceled\"} 1"));
}

#[test]
fn a_reader_that_does_not_read_is_given_up_and_others_go_on() {
    let world = world();
    let mut stalled = Client::connect(world.at);
    stalled.send(request(ALICE, "GET", "/photos/big"));
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(ask(&world, request(ALICE, "GET", "/photos/hello")).status, 200);
    std::thread::sleep(Duration::from_millis(1200));
    let mut seen = 0;
    let mut piece = vec![0; 1 << 20];
    while let Ok(n @ 1..) = std::io::Read::read(&mut stalled.socket, &mut piece) {
        seen += n as u64;
    }
    assert!(seen < BIG, "cut off after {seen}");
    assert!(world.front.metrics().contains("panthera_s3_timeouts_total 1"));
}

fn form(fields: &[(&str, &str)], file: &str) -> (String, String) {
    let mut body = String::new();
    for (name, value) in fields {
        body.push_str(&format!("--B\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"));
    }
    body.push_str("--B\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\n");
    body.push_str(&format!("Content-Type: text/plain\r\n\r\n{file}\r\n--B--\r\n"));
    let head = format!(
        "POST /photos HTTP/1.1\r\nhost: localhost\r\ncontent-type: multipart/form-data; boundary=B\r\ncontent-length: \
         {}\r\n\r\n",
        body.len()
    );
    (head, body)
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for group in bytes.chunks(3) {
        let n = group.iter().fold(0, |n, b| n << 8 | u32::from(*b)) << (8 * (3 - group.len()));
        for i in 0..4 {
            let digit = if i <= group.len() { DIGITS[(n >> (18 - 6 * i)) as usize & 63] as char } else { '=' };
            out.push(digit);
        }
    }
    out
}

fn signed_form(secret: &str, key: &str, most: u64, file: &str) -> (String, String) {
    let credential = signer::credential(ALICE.0);
    let policy = base64(
        format!(
            "{{\"expiration\":\"2026-11-21T08:00:00Z\",\"conditions\":[{{\"bucket\":\"photos\"}},[\"starts-with\",\
             \"$key\",\"user/\"],{{\"x-amz-algorithm\":\"AWS4-HMAC-SHA256\"}},{{\"x-amz-credential\":\"{credential}\"}},\
             {{\"x-amz-date\":\"{}\"}},[\"content-length-range\",1,{most}]]}}",
            signer::AMZ_DATE
        )
        .as_bytes(),
    );
    let signature = signer::sign_policy(secret, &policy);
    form(
        &[
            ("key", key),
            ("x-amz-algorithm", "AWS4-HMAC-SHA256"),
            ("x-amz-credential", &credential),
            ("x-amz-date", signer::AMZ_DATE),
            ("policy", &policy),
            ("x-amz-signature", &signature),
        ],
        file,
    )
}

#[test]
fn a_form_is_authenticated_by_its_policy() {
    let world = world();
    let post = |(head, body): (String, String)| {
        let answer = ask(&world, head + &body);
        (answer.status, answer.code())
    };
    assert_eq!(post(signed_form(ALICE.1, "user/k", 5, "hello")), (200, String::new()));
    assert_eq!(world.objects.0.lock().unwrap()[&b"user/k"[..]], "hello");
    assert_eq!(post(signed_form("wrong", "user/w", 5, "hello")), (403, "SignatureDoesNotMatch".into()));
    assert_eq!(post(signed_form(ALICE.1, "other/k", 5, "hello")), (403, "AccessDenied".into()));
    assert_eq!(post(signed_form(ALICE.1, "user/large", 5, "hello!")), (400, "EntityTooLarge".into()));
    assert_eq!(post(signed_form(ALICE.1, "user/empty", 5, "")), (400, "EntityTooSmall".into()));
    assert_eq!(post(form(&[("key", "anonymous")], "hello")), (403, "AccessDenied".into()));
    let (head, body) = signed_form(ALICE.1, "user/cut", 5, "hello");
    let cut = &body[..body.len() - 8];
    let head = head.replace(&body.len().to_string(), &cut.len().to_string());
    assert_eq!(post((head, cut.to_owned())), (400, "MalformedPOSTRequest".into()));
    let no_form = "POST /photos HTTP/1.1\r\nhost: localhost\r\ncontent-length: 0\r\n\r\n".to_owned();
    assert_eq!(post((no_form, String::new())), (412, "PreconditionFailed".into()));
    let stored = world.objects.0.lock().unwrap();
    assert_eq!(stored.keys().filter(|key| key.starts_with(b"user/")).count(), 1, "{:?}", stored.keys());
}
