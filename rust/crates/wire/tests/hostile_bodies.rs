//! aws-chunked bodies and forms that lie, are cut off, or come in pieces.

use bytes::Bytes;
use panthera_base::{ErrorCode, S3Result, Timestamp, limits};
use panthera_wire::auth::ChunkedAuth;
use panthera_wire::chunked::{Chunked, ChunkedDecoder};
use panthera_wire::post_form::{self, FormEvent, FormParser, policy::Policy};
use proptest::prelude::*;

fn unsigned(wire: &[u8], len: Option<u64>, announced: &[&str], step: usize) -> S3Result<Vec<u8>> {
    let announced = announced.iter().map(|a| (*a).to_owned()).collect();
    let mut decoder = ChunkedDecoder::new(ChunkedAuth::unsigned_trailer(), len, announced);
    let mut out = Vec::new();
    for part in wire.chunks(step) {
        let mut input = Bytes::copy_from_slice(part);
        while let Chunked::Data(data) = decoder.push(&mut input)? {
            assert!(!data.is_empty());
            out.extend_from_slice(&data);
        }
    }
    decoder.finish().map(|()| out)
}

#[track_caller]
fn chunked_refused(wire: &[u8], len: Option<u64>, announced: &[&str], code: ErrorCode) {
    for step in [1, 3, usize::MAX] {
        let error = unsigned(wire, len, announced, step).expect_err("must be refused");
        assert_eq!(error.code(), code, "{error} in steps of {step} of {:?}", String::from_utf8_lossy(wire));
    }
}

#[test]
fn good_bodies_without_signatures() {
    let cases: [(&[u8], &[u8]); 5] = [
        (b"0\r\n\r\n", b""),
        (b"5\r\nhello\r\n0\r\n\r\n", b"hello"),
        (b"5\r\nhello\r\n000A\r\n, world\r\n!\r\n0000\r\n\r\n", b"hello, world\r\n!"),
        (b"1;any=thing\r\n\n\r\n0\r\n\r\n", b"\n"),
        (b"2\r\n\r\n\r\n0;x\r\n\r\n", b"\r\n"),
    ];
    for (wire, expected) in cases {
        for step in 1..=wire.len() {
            let out = unsigned(wire, Some(expected.len() as u64), &[], step);
            assert_eq!(out.unwrap(), expected, "{:?} by {step}", String::from_utf8_lossy(wire));
        }
    }
}

#[test]
fn sizes_that_lie() {
    for size in ["", "-1", "+1", "0x1", " 1", "1 ", "g", "10000000000000000", "ffffffffffffffffff", "140000001", "\n1"]
    {
        chunked_refused(format!("{size}\r\nx\r\n0\r\n\r\n").as_bytes(), None, &[], ErrorCode::InvalidRequest);
    }
    chunked_refused(b"1\r\nxy\r\n0\r\n\r\n", None, &[], ErrorCode::InvalidRequest);
    chunked_refused(b"1\nx\n0\n\n", None, &[], ErrorCode::InvalidRequest);
    chunked_refused(b"1\r\nx0\r\n\r\n", None, &[], ErrorCode::InvalidRequest);
    chunked_refused(b"0\r\n\r\nx", None, &[], ErrorCode::InvalidRequest);
    chunked_refused(b"2\r\nxy\r\n0\r\n\r\n", Some(1), &[], ErrorCode::IncompleteBody);
    chunked_refused(b"2\r\nxy\r\n0\r\n\r\n", Some(3), &[], ErrorCode::IncompleteBody);
    let largest = format!("{:x}\r\n", limits::CHUNK_BYTES);
    chunked_refused(largest.as_bytes(), None, &[], ErrorCode::IncompleteBody);
    chunked_refused(format!("{:x}\r\n", limits::CHUNK_BYTES + 1).as_bytes(), None, &[], ErrorCode::InvalidRequest);
}

#[test]
fn lines_have_a_limit() {
    let line = |bytes: usize| format!("1;{}\r\nx\r\n0\r\n\r\n", "e".repeat(bytes - 4));
    for step in [1, 1000, usize::MAX] {
        assert_eq!(unsigned(line(limits::CHUNK_LINE_BYTES).as_bytes(), None, &[], step).unwrap(), b"x");
    }
    chunked_refused(line(limits::CHUNK_LINE_BYTES + 1).as_bytes(), None, &[], ErrorCode::InvalidRequest);
}

#[test]
fn cut_off_anywhere_is_incomplete() {
    let wire = b"5\r\nhello\r\n0\r\nx-amz-checksum-crc32:a\r\n\r\n";
    assert_eq!(unsigned(wire, Some(5), &["x-amz-checksum-crc32"], 1).unwrap(), b"hello");
    for at in 0..wire.len() {
        chunked_refused(&wire[..at], Some(5), &["x-amz-checksum-crc32"], ErrorCode::IncompleteBody);
    }
}

#[test]
fn trailing_headers_must_be_the_announced_ones() {
    let code = ErrorCode::MalformedTrailerError;
    let body = |trailer: &str| format!("1\r\nx\r\n0\r\n{trailer}\r\n").into_bytes();
    assert!(unsigned(&body("X-Amz-Checksum-CRC32 : a\r\n"), None, &["x-amz-checksum-crc32"], 9).is_err());
    assert!(unsigned(&body("X-Amz-Checksum-CRC32:  a \r\n"), None, &[" X-amz-checksum-crc32 "], 9).is_ok());
    chunked_refused(&body(""), None, &["x-amz-checksum-crc32"], code);
    chunked_refused(&body("a:b\r\n"), None, &[], code);
    chunked_refused(&body("a:b\r\nc:d\r\n"), None, &["a"], code);
    chunked_refused(&body("a:b\r\na:b\r\n"), None, &["a"], code);
    chunked_refused(&body("a\r\n"), None, &["a"], code);
    chunked_refused(&body("a:\x01\r\n"), None, &["a"], code);
    let many: Vec<String> = (0..=limits::TRAILERS).map(|i| format!("a{i}")).collect();
    let names: Vec<&str> = many.iter().map(String::as_str).collect();
    let lines = |count: usize| body(&names[..count].iter().map(|n| format!("{n}:b\r\n")).collect::<String>());
    assert!(unsigned(&lines(limits::TRAILERS), None, &names[..limits::TRAILERS], 9).is_ok());
    chunked_refused(&lines(limits::TRAILERS + 1), None, &names, code);
    chunked_refused(b"0\r\na:\xff\r\n\r\n", None, &["a"], code);
    chunked_refused(&body("x-amz-trailer-signature:00\r\n"), None, &[], code);
}

proptest! {
    #[test]
    fn chunking_is_undone(content in proptest::collection::vec(any::<u8>(), 0..300), size in 1..64_usize, step in 1..50_usize) {
        let mut wire = Vec::new();
        for chunk in content.chunks(size) {
            wire.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
            wire.extend_from_slice(chunk);
            wire.extend_from_slice(b"\r\n");
        }
        wire.extend_from_slice(b"0\r\n\r\n");
        prop_assert_eq!(unsigned(&wire, Some(content.len() as u64), &[], step).unwrap(), content);
    }

    #[test]
    fn random_bytes_are_answered(wire in "[0-9a-f;=\r\nx:-]{0,80}", step in 1..20_usize) {
        let _ = unsigned(wire.as_bytes(), Some(10), &["x"], step);
        let _ = read_form(wire.as_bytes(), "x", step);
        let _ = read_form(format!("--x\r\n{wire}\r\n--x--").as_bytes(), "x", step);
    }
}

type Form = (Vec<(String, Vec<u8>)>, Option<String>, Vec<u8>);

fn read_form(wire: &[u8], boundary: &str, step: usize) -> S3Result<Form> {
    let mut parser = FormParser::new(boundary);
    let (mut fields, mut name, mut data, mut begun) = (Vec::new(), None, Vec::new(), false);
    for part in wire.chunks(step) {
        let mut input = Bytes::copy_from_slice(part);
        loop {
            match parser.push(&mut input)? {
                FormEvent::Field(name, value) => fields.push((name, value)),
                FormEvent::File { filename } => {
                    assert!(!begun);
                    (begun, name) = (true, filename);
                }
                FormEvent::Data(bytes) => {
                    assert!(begun && !bytes.is_empty());
                    data.extend_from_slice(&bytes);
                }
                FormEvent::NeedMore | FormEvent::End => break,
            }
        }
        assert!(input.is_empty());
    }
    parser.finish().map(|()| (fields, name, data))
}

fn part(name: &str, value: &str) -> String {
    format!("--B\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
}

const FILE: &str = "--B\r\ncontent-disposition: FORM-DATA; name=\"FiLe\"; filename=\"C:\\dir\\a \\\"b\\\".txt\"\r\n\
                    Content-Type: text/html\r\n\r\n";

#[test]
fn a_form_in_pieces_of_any_size() {
    let content = "\r\n--A\r\n\r--B\r\n-\r\r\n--\r\n";
    let wire = [
        "\r\n",
        &part("KeY", "user/${filename}"),
        &part("empty", ""),
        &part("two", "a\r\nb\r\n--C"),
        FILE,
        content,
        "\r\n",
        &part("after", "ignored"),
        "--B--\r\nepilogue",
    ]
    .concat();
    for wire in [&wire[..], &wire[2..]] {
        for step in 1..=wire.len() {
            let (fields, filename, data) = read_form(wire.as_bytes(), "B", step).unwrap();
            let expected = [("key", "user/${filename}"), ("empty", ""), ("two", "a\r\nb\r\n--C")];
            assert_eq!(fields, expected.map(|(n, v)| (n.to_owned(), v.as_bytes().to_vec())), "{step}");
            assert_eq!(filename.as_deref(), Some("a \"b\".txt"));
            assert_eq!(String::from_utf8(data).unwrap(), content, "{step}");
        }
    }
}

#[test]
fn an_empty_file_is_a_file() {
    let wire = format!("{FILE}\r\n--B--");
    for step in 1..=wire.len() {
        assert_eq!(read_form(wire.as_bytes(), "B", step).unwrap().2, b"");
    }
}

#[track_caller]
fn form_refused(wire: &str, code: ErrorCode) {
    for step in [1, 7, usize::MAX] {
        let error = read_form(wire.as_bytes(), "B", step).expect_err("must be refused");
        assert_eq!(error.code(), code, "{error} in steps of {step}: {wire:?}");
    }
}

#[test]
fn forms_that_are_wrong() {
    let malformed = ErrorCode::MalformedPOSTRequest;
    let whole = format!("{}{FILE}data\r\n--B--", part("key", "k"));
    for at in 0..whole.len() {
        form_refused(&whole[..at], malformed);
    }
    form_refused("preamble\r\n--B\r\n", malformed);
    form_refused("--BX\r\n", malformed);
    form_refused("--B\r\nContent-Type: text/plain\r\n\r\nx\r\n--B--", malformed);
    form_refused("--B\r\nContent-Disposition: attachment; name=x\r\n\r\nx\r\n--B--", malformed);
    form_refused("--B\r\nContent-Disposition: form-data; name=\"x\r\n\r\nx\r\n--B--", malformed);
    form_refused("--B\r\nContent-Disposition: form-data\r\n\r\nx\r\n--B--", malformed);
    form_refused(&format!("{FILE}data\r\n--Bx"), malformed);
    form_refused(&format!("{}--B--\r\n", part("key", "k")), ErrorCode::InvalidArgument);
    form_refused(&format!("{}{}", part("key", "k"), part("KEY", "l")), ErrorCode::InvalidArgument);
    let error = read_form(b"--B--", "B", 1).unwrap_err();
    assert_eq!(error.message(), "POST requires exactly one file upload per request.");
}

#[test]
fn fields_before_the_file_have_a_limit() {
    let rest = part("key", "").len() + FILE.len();
    let wire = |bytes: usize| format!("{}{FILE}data\r\n--B--", part("key", &"v".repeat(bytes - rest)));
    for step in [1, 4096, usize::MAX] {
        assert!(read_form(wire(limits::FORM_FIELDS_BYTES).as_bytes(), "B", step).is_ok());
    }
    form_refused(&wire(limits::FORM_FIELDS_BYTES + 1), ErrorCode::MaxPostPreDataLengthExceededError);
}

#[test]
fn boundaries() {
    let of = |b: &str| post_form::boundary(&format!("multipart/form-data; boundary={b}"));
    assert_eq!(of("abc").unwrap(), "abc");
    assert_eq!(of("\"a b\"; charset=utf-8").unwrap(), "a b");
    assert_eq!(post_form::boundary("Multipart/Form-Data; charset=x; BOUNDARY=q").unwrap(), "q");
    assert_eq!(of(&"b".repeat(limits::FORM_BOUNDARY_BYTES)).unwrap().len(), limits::FORM_BOUNDARY_BYTES);
    for bad in ["", "\"\"", "\"a", "a\"b", "\"a \"", "é", &"b".repeat(limits::FORM_BOUNDARY_BYTES + 1)] {
        assert_eq!(of(bad).unwrap_err().code(), ErrorCode::MalformedPOSTRequest, "{bad}");
    }
    for other in ["", "application/x-www-form-urlencoded", "multipart/mixed; boundary=a"] {
        assert_eq!(post_form::boundary(other).unwrap_err().code(), ErrorCode::PreconditionFailed);
    }
}

#[test]
fn file_names() {
    let name = |disposition: &str| {
        let wire = format!("--B\r\nContent-Disposition: form-data; name=file{disposition}\r\n\r\n\r\n--B--");
        read_form(wire.as_bytes(), "B", usize::MAX).unwrap().1
    };
    assert_eq!(name(""), None);
    assert_eq!(name("; filename=\"a/b\\c.txt\"").as_deref(), Some("c.txt"));
    assert_eq!(name("; filename=\"na\u{ef}ve; x=y\"").as_deref(), Some("na\u{ef}ve; x=y"));
    assert_eq!(name("; filename*=utf-8''na%C3%AFve.txt").as_deref(), Some("na\u{ef}ve.txt"));
    assert_eq!(post_form::substitute_filename(b"a/${filename}-${filename}", "x"), b"a/x-x");
    assert_eq!(post_form::substitute_filename(b"${filename", "x"), b"${filename");
}

proptest! {
    #[test]
    fn the_file_is_what_was_sent(content in "[\r\n\\-Bx]{0,200}", step in 1..40_usize) {
        prop_assume!(format!("{content}\r\n--B").find("\r\n--B") == Some(content.len()));
        let wire = format!("{}{FILE}{content}\r\n--B--", part("key", "k"));
        prop_assert_eq!(read_form(wire.as_bytes(), "B", step).unwrap().2, content.into_bytes());
    }
}

// The policies below follow ceph/s3-tests' test_post_object_*.

const EXPIRATION: u64 = 1_795_248_000;

fn document(json: &str) -> S3Result<Policy> {
    use base64::Engine;
    Policy::parse(&base64::engine::general_purpose::STANDARD.encode(json))
}

fn policy(conditions: &str) -> S3Result<Policy> {
    document(&format!("{{\"expiration\": \"2026-11-21T08:00:00.000Z\", \"conditions\": [{conditions}]}}"))
}

fn check(conditions: &str, fields: &[(&str, &str)]) -> Result<(), String> {
    let fields: Vec<(String, Vec<u8>)> = fields.iter().map(|(n, v)| ((*n).into(), v.as_bytes().to_vec())).collect();
    let now = Timestamp::from_secs(EXPIRATION - 1);
    policy(conditions).unwrap().check(&fields, "bkt", now).map_err(|e| {
        assert_eq!(e.code(), ErrorCode::AccessDenied);
        e.message().to_owned()
    })
}

const USUAL: &str = r#"{"bucket": "bkt"}, ["starts-with", "$key", "foo"], {"acl": "private"},
    ["starts-with", "$Content-Type", "text/plain"], ["content-length-range", 0, 1024]"#;
const FIELDS: [(&str, &str); 6] = [
    ("key", "foo.txt"),
    ("AWSAccessKeyId", "a"),
    ("acl", "private"),
    ("signature", "s"),
    ("policy", "p"),
    ("Content-Type", "text/plain"),
];

#[test]
fn policies_that_hold() {
    assert_eq!(check(USUAL, &FIELDS), Ok(()));
    let odd = r#"{"bUcKeT": "bkt"}, ["StArTs-WiTh", "$KeY", "foo"], {"AcL": "private"}, ["EQ", "$CoNtEnT-TyPe", "text/plain"]"#;
    assert_eq!(check(odd, &FIELDS), Ok(()));
    let more = [&FIELDS[..], &[("x-ignore-foo", "bar"), ("x-amz-checksum-sha256", "c")]].concat();
    assert_eq!(check(USUAL, &more), Ok(()));
    let escaped = r#"{"bucket": "bkt"}, ["starts-with", "$key", "\\$foo"]"#;
    assert_eq!(check(escaped, &[("key", "\\$foo.txt")]), Ok(()));
    let optional = r#"{"bucket": "bkt"}, ["starts-with", "$key", ""], ["starts-with", "$x-amz-meta-a", ""]"#;
    assert_eq!(check(optional, &[("key", "k")]), Ok(()));
    let list = r#"{"bucket": "bkt"}, ["starts-with", "$Content-Type", "image/"]"#;
    assert_eq!(check(list, &[("content-type", "image/png, image/jpeg")]), Ok(()));
    assert!(check(list, &[("content-type", "image/png, text/html")]).is_err());
}

#[test]
fn policies_that_fail_say_why() {
    let mut fields = FIELDS;
    fields[0].1 = "bar.txt";
    let message = "Invalid according to Policy: Policy Condition failed: [\"starts-with\", \"$key\", \"foo\"]";
    assert_eq!(check(USUAL, &fields), Err(message.into()));
    fields = FIELDS;
    fields[2].1 = "public-read";
    let message = "Invalid according to Policy: Policy Condition failed: [\"eq\", \"$acl\", \"private\"]";
    assert_eq!(check(USUAL, &fields), Err(message.into()));
    let more = [&FIELDS[..], &[("x-amz-meta-foo", "barclamp")]].concat();
    let message = "Invalid according to Policy: Extra input fields: x-amz-meta-foo";
    assert_eq!(check(USUAL, &more), Err(message.into()));
    let empty = format!("{USUAL}, [\"eq\", \"$x-amz-meta-foo\", \"\"]");
    assert!(check(&empty, &more).is_err());
    assert!(check(&format!("{USUAL}, [\"starts-with\", \"$x-amz-meta-foo\", \"bar\"]"), &FIELDS).is_err());
    let message = "Invalid according to Policy: Extra input fields: bucket";
    assert_eq!(check(r#"["starts-with", "$key", "foo"]"#, &FIELDS[..1]), Err(message.into()));
    assert!(check(&USUAL.replace("bkt", "other"), &[&FIELDS[..], &[("bucket", "other")]].concat()).is_err());
    let policy = policy(USUAL).unwrap();
    let error = policy.check(&[], "bkt", Timestamp::from_secs(EXPIRATION)).unwrap_err();
    assert_eq!(error.message(), "Invalid according to Policy: Policy expired.");
}

#[test]
fn documents_that_are_wrong() {
    let bad_conditions = [
        "{}",
        r#"{"a": "b", "c": "d"}"#,
        r#"{"a": 1}"#,
        "1",
        r#"["eq", "key", "x"]"#,
        r#"["eq", "$key"]"#,
        r#"["eq", "$key", 5]"#,
        r#"["ends-with", "$key", "x"]"#,
        r#"["content-length-range", 0]"#,
        r#"["content-length-range", -1, 0]"#,
        r#"["content-length-range", 0.5, 1]"#,
        "[]",
    ];
    for bad in bad_conditions {
        let error = policy(bad).expect_err(bad);
        assert_eq!(error.code(), ErrorCode::InvalidPolicyDocument, "{bad}");
    }
    for bad in [
        "",
        "[]",
        "{",
        r#"{"conditions": []}"#,
        r#"{"expiration": "2026-11-21T08:00:00Z"}"#,
        r#"{"expiration": "2026-11-21T08:00:00Z", "CONDITIONS": []}"#,
        r#"{"EXPIRATION": "2026-11-21T08:00:00Z", "conditions": []}"#,
        r#"{"expiration": "2026-11-21 08:00:00+00:00", "conditions": []}"#,
        r#"{"expiration": 5, "conditions": []}"#,
    ] {
        assert_eq!(document(bad).expect_err(bad).code(), ErrorCode::InvalidPolicyDocument, "{bad}");
    }
    assert_eq!(Policy::parse("!").unwrap_err().code(), ErrorCode::InvalidPolicyDocument);
    assert!(document(&"[".repeat(10_000)).is_err());
}

#[test]
fn lengths() {
    let policy = policy(r#"["content-length-range", 512, "1000"], ["Content-Length-Range", 0, 2000]"#).unwrap();
    assert_eq!(policy.content_length_range(), Some((512, 1000)));
    assert_eq!(policy.check_length(511).unwrap_err().code(), ErrorCode::EntityTooSmall);
    assert!(policy.check_length(512).is_ok() && policy.check_length(1000).is_ok());
    assert_eq!(policy.check_length(1001).unwrap_err().code(), ErrorCode::EntityTooLarge);
}
