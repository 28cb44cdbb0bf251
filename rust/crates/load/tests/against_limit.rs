//! The generator against the bare server and against servers that misbehave on purpose: what it counts must be what
//! happened. No threshold of speed.

use panthera_load::config::{Check, Config, Op, Payload, Until, Wait};
use panthera_load::limit::{self, Answers};
use panthera_load::report::Report;
use panthera_load::{client, seeded};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

const SIZE: u64 = 4096;

fn limit_server() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let target = listener.local_addr().unwrap().to_string();
    thread::spawn(move || limit::run(listener, Answers::new(1, SIZE as usize)));
    target
}

fn config(target: &str, op: Op, count: u64) -> Config {
    let keys = || "key".to_owned();
    let (mix, until) = (vec![(op, 1)], Until::Count(count));
    Config { target: target.into(), access_key: keys(), secret_key: keys(), mix, until, ..Config::default() }
}

fn run(config: &Config) -> Report {
    client::run(config).unwrap()
}

fn clean(config: &Config, count: u64) -> Report {
    let report = run(config);
    assert_eq!((report.count(), &report.errors), (count, &Default::default()));
    report
}

#[test]
fn every_operation_is_answered_and_counted() {
    let target = limit_server();
    let mut get = config(&target, Op::Get, 500);
    (get.connections, get.check) = (16, Check::Content);
    let report = clean(&get, 500);
    assert_eq!(report.received, 500 * SIZE);
    clean(&Config { wait: Wait::Spin, ..get.clone() }, 500);
    clean(&Config { connections: 3, ..config(&target, Op::Head, 50) }, 50);
    clean(&config(&target, Op::CreateBucket, 1), 1);
    let report = clean(&config(&target, Op::List, 7), 7);
    assert_eq!(report.items, 7000);
    let mut delimiter = config(&target, Op::ListDelimiter, 3);
    delimiter.names.dirs = 1000;
    assert_eq!(clean(&delimiter, 3).items, 3000);
    let mix = vec![(Op::Get, 5), (Op::Put, 3), (Op::Head, 1), (Op::List, 1)];
    let mixed = Config { mix, connections: 8, ..config(&target, Op::Get, 300) };
    let report = clean(&mixed, 300);
    assert_eq!(report.latency.len(), 4);
}

#[test]
fn bodies_of_every_form_arrive_and_indexes_go_on() {
    let target = limit_server();
    for payload in [Payload::Unsigned, Payload::Signed, Payload::Sdk, Payload::Trailer] {
        for size_bytes in [0, 4096, (3 << 20) + 1] {
            let put = Config { payload, size_bytes, first: 5, connections: 2, ..config(&target, Op::Put, 6) };
            assert_eq!(clean(&put, 6).next_index, 11);
        }
    }
}

#[test]
fn wrong_answers_are_errors() {
    let target = limit_server();
    // The bare server knows one body: that of object 0.
    let two = Config { objects: 2, check: Check::Content, ..config(&target, Op::Get, 100) };
    let report = run(&two);
    assert!(report.errors["get: other bytes than were written"] > 0 && report.count() > 0);
    let longer = Config { size_bytes: SIZE + 1, ..config(&target, Op::Get, 10) };
    assert_eq!((run(&longer).count(), run(&longer).errors.values().sum::<u64>()), (0, 10));
    let mut fewer = config(&target, Op::ListDelimiter, 1);
    fewer.names.dirs = 10;
    assert_eq!(run(&fewer).errors.len(), 1);
}

#[test]
fn a_window_has_its_length_and_leaves_the_warmup_out() {
    let target = limit_server();
    let until = Until::Elapsed(Duration::from_millis(300));
    let warmup = Duration::from_millis(100);
    let mut timed = Config { until, warmup, connections: 4, ..config(&target, Op::Get, 1) };
    timed.watch_pid = Some(std::process::id());
    let report = run(&timed);
    assert!((0.3..3.0).contains(&report.seconds), "{}", report.seconds);
    assert!(report.count() > 0 && report.errors.is_empty() && report.rss_anon.1 > Some(0));
    assert!(report.client_cpu_s > 0.0 && report.server_cpu_s >= Some(0.0));
}

/// Reads one request without a body; false at the end.
fn request(reader: &mut BufReader<TcpStream>) -> bool {
    let mut line = String::new();
    while reader.read_line(&mut line).unwrap_or(0) > 0 {
        if line.ends_with("\r\n\r\n") {
            return true;
        }
    }
    false
}

/// A server of one connection at a time that answers GETs of `SIZE` bytes as `answer` likes.
fn scripted(answer: impl Fn(usize, &mut TcpStream) -> bool + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let target = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        let mut number = 0;
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            while request(&mut reader) {
                number += 1;
                if !answer(number, &mut stream) {
                    break;
                }
            }
        }
    });
    target
}

fn object(headers: &str) -> Vec<u8> {
    let mut bytes = format!("HTTP/1.1 200 OK\r\ncontent-length: {SIZE}\r\n{headers}\r\n").into_bytes();
    let start = bytes.len();
    bytes.resize(start + SIZE as usize, 0);
    seeded::fill(1, 0, 0, &mut bytes[start..]);
    bytes
}

#[test]
fn a_stall_is_seen_by_every_request_that_was_due_in_it() {
    let stall = Duration::from_millis(400);
    let target = scripted(move |number, stream| {
        if number == 10 {
            thread::sleep(stall);
        }
        stream.write_all(&object("")).is_ok()
    });
    let open = Config { rate: Some(200.0), ..config(&target, Op::Get, 100) };
    let report = clean(&open, 100);
    // 100 requests in half a second: eighty of them were due while the server slept, a quarter of these early enough
    // to wait 300 ms. A generator that waits for the answer before it looks at the clock would see one slow request.
    let histogram = &report.latency[0].1;
    assert!(histogram.quantile(0.85) > 250_000_000, "{}", histogram.quantile(0.85));
    let closed = clean(&config(&target, Op::Get, 100), 100);
    assert!(closed.latency[0].1.count() == 100);
}

#[test]
fn closed_connections_are_opened_again_and_broken_ones_counted() {
    let closing = scripted(|_, stream| {
        let _ = stream.write_all(&object("connection: close\r\n"));
        false
    });
    clean(&config(&closing, Op::Get, 20), 20);
    let breaking = scripted(|number, stream| {
        let whole = object("");
        let half = if number % 2 == 0 { &whole[..100] } else { &whole[..] };
        stream.write_all(half).is_ok() && number % 2 == 1
    });
    let report = run(&config(&breaking, Op::Get, 20));
    assert_eq!((report.count(), report.errors["the server closed the connection"]), (10, 10));
}

#[test]
fn a_refusal_before_the_body_was_sent_does_not_hang() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let target = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut head = [0; 2048];
            let _ = stream.read(&mut head);
            let body = "<Error><Code>SlowDown</Code></Error>";
            let head = format!("HTTP/1.1 503 X\r\ncontent-length: {}\r\n\r\n{body}", body.len());
            let _ = stream.write_all(head.as_bytes());
            thread::sleep(Duration::from_millis(50));
        }
    });
    let report = run(&Config { size_bytes: 64 << 20, ..config(&target, Op::Put, 3) });
    assert_eq!(report.errors.values().sum::<u64>(), 3, "{:?}", report.errors);
}

#[test]
fn no_server_is_an_error() {
    let target = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    assert!(client::run(&config(&target, Op::Get, 1)).is_err());
}
