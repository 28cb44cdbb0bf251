//! Connections: hostile bytes, limits, pipelining, patience, and the end.

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use panthera_base::limits;
use panthera_front::Settings;
use proptest::prelude::*;

use crate::world::{ALICE, Client, ask, request, settings, world, world_with};

/// What the server answers to bytes after which the client sends no more; empty when it just closes.
fn reply_to(at: std::net::SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut client = Client::connect(at);
    // The server may have closed before everything was sent.
    let _ = client.socket.write_all(bytes);
    let _ = client.socket.shutdown(std::net::Shutdown::Write);
    let mut reply = Vec::new();
    let _ = client.socket.read_to_end(&mut reply);
    reply
}

#[test]
fn bytes_that_are_no_request_get_an_s3_error() {
    let world = world();
    for (bytes, code) in [
        (&b"\x00\x01\x02\x03\r\n\r\n"[..], "BadRequest"),
        (b"GET /photos/<x> HTTP/1.1\r\nhost: localhost\r\n\r\n", "BadRequest"),
        (b"GET / HTTP/1.1\r\nbad header\r\n\r\n", "BadRequest"),
        (b"GET / HTTP/9.9\r\n\r\n", "BadRequest"),
        (b"GET / HTTP/1.1\r\nhost: localhost\r\ncontent-length: x\r\n\r\n", "BadRequest"),
        (b"GET / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n", "BadRequest"),
    ] {
        let reply = String::from_utf8_lossy(&reply_to(world.at, bytes)).into_owned();
        assert!(reply.starts_with("HTTP/1.1 400 Bad Request\r\nx-amz-request-id: "), "{reply}");
        assert!(reply.contains("connection: close"), "{reply}");
        assert!(reply.ends_with("</Error>") && reply.contains(&format!("<Code>{code}</Code>")), "{reply}");
    }
    assert_eq!(ask(&world, request(ALICE, "GET", "/photos/hello")).status, 200);
}

#[test]
fn a_head_has_its_limits() {
    let world = world();
    let with_headers = |n: usize| {
        // Signing adds four lines.
        let more: String = (4..n).map(|i| format!("x-more-{i}: 1\r\n")).collect();
        request(ALICE, "GET", "/photos/hello").replace("\r\n\r\n", &format!("\r\n{more}\r\n"))
    };
    assert_eq!(ask(&world, with_headers(limits::HEADERS)).status, 200);
    let over = ask(&world, with_headers(limits::HEADERS + 1));
    assert_eq!((over.status, over.code().as_str()), (400, "RequestHeaderSectionTooLarge"));

    let of_bytes = |n: usize| {
        let plain = request(ALICE, "GET", "/photos/hello");
        let filler = "f".repeat(n - plain.len() - "x-more: \r\n".len());
        plain.replace("\r\n\r\n", &format!("\r\nx-more: {filler}\r\n\r\n"))
    };
    assert_eq!(ask(&world, of_bytes(limits::HEAD_BYTES)).status, 200);
    let over = ask(&world, of_bytes(limits::HEAD_BYTES + 1));
    assert_eq!(over.code(), "RequestHeaderSectionTooLarge");
    let huge = reply_to(world.at, format!("GET /{} HTTP/1.1\r\n\r\n", "k".repeat(1 << 20)).as_bytes());
    assert!(huge.ends_with(b"</Error>"), "{}", String::from_utf8_lossy(&huge));
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let world = world();
    let mut client = Client::connect(world.at);
    let targets = ["/photos/hello", "/photos/later", "/photos/missing", "/photos/hello", "/foreign/x"];
    let all: String = targets.iter().map(|target| request(ALICE, "GET", target)).collect();
    client.send(all);
    let statuses: Vec<u16> = targets.iter().map(|_| client.answer().unwrap().status).collect();
    assert_eq!(statuses, [200, 200, 404, 200, 403]);
    // Nonsense behind good requests does not take their answers with it.
    client.send(request(ALICE, "GET", "/photos/hello") + "nonsense\r\n\r\n");
    assert_eq!(client.answer().unwrap().body, b"hello, world");
    let last = client.answer().unwrap();
    assert_eq!((last.status, last.header("connection")), (400, Some("close")));
    assert!(client.closed());
}

#[test]
fn nonsense_after_a_flushed_answer_is_an_s3_error_too() {
    let world = world();
    let mut client = Client::connect(world.at);
    client.send(request(ALICE, "GET", "/photos/hello"));
    assert_eq!(client.answer().unwrap().status, 200);
    client.send("nonsense\r\n\r\n");
    assert_eq!(client.answer().unwrap().code(), "BadRequest");
}

#[test]
fn an_object_that_looks_like_an_answer_is_still_an_object() {
    let world = world();
    let trap = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n";
    world.objects.0.lock().unwrap().insert(b"trap".to_vec(), bytes::Bytes::from_static(trap));
    let mut client = Client::connect(world.at);
    for _ in 0..3 {
        client.send(request(ALICE, "GET", "/photos/trap"));
        assert_eq!(client.answer().unwrap().body, trap);
    }
}

#[test]
fn a_slow_head_and_an_idle_connection_are_closed() {
    let world = world();
    let start = Instant::now();
    let mut silent = Client::connect(world.at);
    let mut dripping = Client::connect(world.at);
    let mut idle = Client::connect(world.at);
    idle.send(request(ALICE, "GET", "/photos/hello"));
    idle.answer().unwrap();
    dripping.send("GET / HT");
    assert!(dripping.closed() && silent.closed());
    let head = start.elapsed();
    assert!(head >= Duration::from_millis(450) && head < Duration::from_millis(1400), "{head:?}");
    // Idle connections live longer, and a request resets the time.
    idle.send(request(ALICE, "GET", "/photos/hello"));
    assert_eq!(idle.answer().unwrap().status, 200);
    assert!(idle.closed());
    assert!(start.elapsed() >= Duration::from_millis(1900), "{:?}", start.elapsed());
    assert_eq!(ask(&world, request(ALICE, "GET", "/photos/hello")).status, 200);
}

#[test]
fn an_address_may_have_so_many_connections() {
    let world = world_with(Settings { connections_per_address: 2, ..settings() }, |_| {});
    let mut first = Client::connect(world.at);
    let mut second = Client::connect(world.at);
    for client in [&mut first, &mut second] {
        client.send(request(ALICE, "GET", "/photos/hello"));
        assert_eq!(client.answer().unwrap().status, 200);
    }
    assert!(Client::connect(world.at).closed());
    drop(first);
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(ask(&world, request(ALICE, "GET", "/photos/hello")).status, 200);
    assert!(world.front.metrics().contains("panthera_s3_connections_refused_total 1"));
}

#[test]
fn draining_finishes_what_runs() {
    let world = world();
    let mut busy = Client::connect(world.at);
    busy.send(request(ALICE, "GET", "/photos/later"));
    let mut idle = Client::connect(world.at);
    idle.send(request(ALICE, "GET", "/photos/hello"));
    idle.answer().unwrap();
    std::thread::sleep(Duration::from_millis(50));
    let front = world.front.clone();
    let drain = std::thread::spawn(move || front.drain(Duration::from_secs(5)));
    assert_eq!(busy.answer().unwrap().body, b"at last");
    assert!(busy.closed() && idle.closed());
    assert!(drain.join().unwrap());
    assert!(std::net::TcpStream::connect(world.at).is_err());
    assert!(world.front.drain(Duration::ZERO), "a second drain has nothing to do");
}

#[test]
fn draining_does_not_wait_for_ever() {
    let world = world_with(Settings { body_timeout: Duration::from_secs(60), ..settings() }, |_| {});
    let mut stuck = Client::connect(world.at);
    stuck.send(request(ALICE, "GET", "/photos/big"));
    stuck.head().unwrap();
    let start = Instant::now();
    assert!(!world.front.drain(Duration::from_millis(300)));
    assert!(start.elapsed() < Duration::from_secs(3));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Whatever arrives, the answer is an S3 error or nothing, and the next client is served.
    #[test]
    fn random_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..2000), line in "[ -~]{0,80}") {
        thread_local!(static WORLD: crate::world::World = world());
        WORLD.with(|world| {
            let head = format!("{line}\r\nhost: localhost\r\n\r\n");
            for bytes in [bytes.as_slice(), &[b"PUT /photos/k HTTP/1.1\r\n", bytes.as_slice()].concat(), head.as_bytes()] {
                let reply = reply_to(world.at, bytes);
                let text = String::from_utf8_lossy(&reply);
                prop_assert!(reply.is_empty() || text.starts_with("HTTP/1.1 4") || text.starts_with("HTTP/1.1 5")
                    || text.starts_with("HTTP/1.0 4"), "{text}");
            }
            prop_assert_eq!(ask(world, request(ALICE, "GET", "/photos/hello")).status, 200);
            prop_assert!(!world.objects.0.lock().unwrap().contains_key(&b"k"[..]));
            Ok(())
        })?;
    }
}
