//! Forms of PostObject and the policies they carry.

use bytes::Bytes;
use panthera_base::{ErrorCode, Timestamp, limits};
use panthera_wire::auth::post::{self, PostClaim};
use panthera_wire::auth::{AuthPolicy, SigningKeys};
use panthera_wire::checksum::base64;
use panthera_wire::post_form::policy::Policy;
use panthera_wire::post_form::{self, FormEvent, FormParser};
use serde_json::Value;

use crate::signer::NOW;
use crate::tape::Tape;

type Fields = Vec<(String, Vec<u8>)>;

#[derive(PartialEq, Eq, Debug)]
struct Read {
    fields: Fields,
    file: Option<(Option<String>, Vec<u8>)>,
    end: Result<(), ErrorCode>,
}

fn read(boundary: &str, body: &[u8], mut cut: impl FnMut() -> usize) -> Read {
    let mut parser = FormParser::new(boundary);
    let mut out = Read { fields: Vec::new(), file: None, end: Ok(()) };
    let mut rest = body;
    while !rest.is_empty() {
        let (piece, after) = rest.split_at(cut().clamp(1, rest.len()));
        rest = after;
        let mut input = Bytes::copy_from_slice(piece);
        loop {
            match parser.push(&mut input) {
                Ok(FormEvent::Field(name, value)) => {
                    assert!(out.file.is_none(), "a field after the file");
                    out.fields.push((name, value));
                }
                Ok(FormEvent::File { filename }) => {
                    assert!(out.file.is_none(), "two files");
                    out.file = Some((filename, Vec::new()));
                }
                Ok(FormEvent::Data(data)) => {
                    assert!(!data.is_empty());
                    match &mut out.file {
                        Some((_, file)) => file.extend_from_slice(&data),
                        None => panic!("data before the file"),
                    }
                }
                Ok(FormEvent::NeedMore | FormEvent::End) => break,
                Err(error) => {
                    out.end = Err(error.code());
                    return out;
                }
            }
        }
    }
    out.end = parser.finish().map_err(|error| error.code());
    out
}

/// Any body behind any Content-Type: `type LF cut body`.
pub fn raw(data: &[u8]) {
    let at = data.iter().position(|b| *b == b'\n').unwrap_or(data.len());
    let kind = String::from_utf8_lossy(&data[..at]);
    let mut tape = Tape::new(data.get(at + 1..).unwrap_or_default());
    let boundary = match post_form::boundary(&kind) {
        Ok(boundary) => boundary,
        Err(error) => {
            assert!([ErrorCode::PreconditionFailed, ErrorCode::MalformedPOSTRequest].contains(&error.code()));
            return;
        }
    };
    assert!((1..=limits::FORM_BOUNDARY_BYTES).contains(&boundary.len()));
    let mut step = usize::from(tape.u8());
    let body = tape.rest();
    let whole = read(&boundary, body, || body.len());
    let held: usize = whole.fields.iter().map(|(name, value)| name.len() + value.len()).sum();
    assert!(held <= limits::FORM_FIELDS_BYTES, "more fields than the limit");
    let cut = read(&boundary, body, || {
        step = step.wrapping_mul(31).wrapping_add(7) % 61;
        step
    });
    let single = read(&boundary, body, || 1);
    assert_eq!(whole.end, cut.end, "the cuts change the end");
    assert_eq!(whole.end, single.end, "single bytes change the end");
    if whole.end.is_ok() {
        assert_eq!(whole, cut, "the cuts change the form");
        assert_eq!(whole, single, "single bytes change the form");
    }
}

/// A form written as browsers do is read as it was meant, unless it breaks a limit.
pub fn made(data: &[u8]) {
    let mut tape = Tape::new(data);
    let boundary = format!("b-{}", tape.name());
    let mut fields: Fields = Vec::new();
    for i in 0..tape.below(5) {
        fields.push((format!("f{i}-{}", tape.name()), tape.bytes().to_vec()));
    }
    let (filename, step) = (tape.name(), usize::from(tape.u8()));
    let file = tape.rest();
    let delimiter = format!("\r\n--{boundary}");
    let contains = |bytes: &[u8]| bytes.windows(delimiter.len()).any(|w| w == delimiter.as_bytes());
    let mut body = Vec::new();
    for (name, value) in &fields {
        let head = format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n");
        body.extend_from_slice(&[head.as_bytes(), value, b"\r\n"].concat());
    }
    let head = "Content-Disposition: form-data; name=\"file\"; filename=";
    let head = format!("--{boundary}\r\n{head}\"dir/{filename}\"\r\nContent-Type: text/plain\r\n\r\n");
    body.extend_from_slice(&[head.as_bytes(), file, delimiter.as_bytes(), b"--\r\n"].concat());
    if fields.iter().any(|(_, value)| contains(value)) || contains(file) {
        return;
    }
    let got = read(&boundary, &body, || step);
    assert_eq!(got, Read { fields, file: Some((Some(filename), file.to_vec())), end: Ok(()) });
}

/// What a policy's conditions mean, read a second time: `None` when a condition is not of a known form.
fn allowed(document: &Value, fields: &Fields, bucket: &str) -> Option<bool> {
    let mut covered = Vec::new();
    let mut all = true;
    for condition in document.get("conditions")?.as_array()? {
        let (operation, name, value) = match condition {
            Value::Object(pair) => {
                let (name, value) = pair.iter().next()?;
                ("eq".to_owned(), name.to_ascii_lowercase(), value.as_str()?)
            }
            Value::Array(parts) => {
                let operation = parts.first()?.as_str()?.to_ascii_lowercase();
                if operation == "content-length-range" {
                    continue;
                }
                (operation, parts.get(1)?.as_str()?.strip_prefix('$')?.to_ascii_lowercase(), parts.get(2)?.as_str()?)
            }
            _ => return None,
        };
        let given = match name.as_str() {
            "bucket" => bucket.as_bytes().to_vec(),
            name => {
                fields.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.clone()).unwrap_or_default()
            }
        };
        all &= match (operation.as_str(), name.as_str()) {
            ("eq", _) => given == value.as_bytes(),
            ("starts-with", "content-type") => {
                given.split(|b| *b == b',').all(|item| item.trim_ascii_start().starts_with(value.as_bytes()))
            }
            _ => given.starts_with(value.as_bytes()),
        };
        covered.push(name);
    }
    let exempt = ["file", "policy", "signature", "awsaccesskeyid", "x-amz-signature"];
    // A policy that does not name the bucket would be good for any.
    all &= covered.contains(&"bucket".to_owned());
    all &= fields.iter().map(|(name, _)| name.to_ascii_lowercase()).filter(|name| name != "bucket").all(|name| {
        exempt.contains(&name.as_str())
            || name.starts_with("x-ignore-")
            || name.starts_with("x-amz-checksum-")
            || covered.contains(&name)
    });
    Some(all)
}

/// A policy in JSON, an empty line, then `name=value` lines of the form.
pub fn policy(data: &[u8]) {
    let at = data.windows(2).position(|w| w == b"\n\n").unwrap_or(data.len());
    let (json, rest) = (&data[..at], data.get(at + 2..).unwrap_or_default());
    let lines = rest.split(|b| *b == b'\n').filter_map(|line| {
        let at = line.iter().position(|b| *b == b'=')?;
        Some((String::from_utf8_lossy(&line[..at]).into_owned(), line[at + 1..].to_vec()))
    });
    let mut fields: Fields = lines.collect();
    let encoded = base64::encode(json);
    sign_claims(&fields, &encoded);
    let _ = Policy::parse(&String::from_utf8_lossy(json));
    let policy = match Policy::parse(&encoded) {
        Ok(policy) => policy,
        Err(error) => return assert_eq!(error.code(), ErrorCode::InvalidPolicyDocument),
    };
    let document: Value = serde_json::from_slice(json).unwrap_or_default();
    let checked = policy.check(&fields, "bucket", Timestamp(0));
    let naive = allowed(&document, &fields, "bucket");
    assert_eq!(Some(checked.is_ok()), naive, "{checked:?}");
    assert!(policy.check(&fields, "bucket", Timestamp(u64::MAX)).is_err(), "a policy without end");
    let (low, high) = policy.content_length_range().unwrap_or((0, u64::MAX));
    for size in [0, 1, low.saturating_sub(1), low, high, high.saturating_add(1)] {
        assert_eq!(policy.check_length(size).is_ok(), (low..=high).contains(&size), "{size} of {low}..={high}");
    }
    let name = "not-in-any-policy";
    if !document.to_string().to_ascii_lowercase().contains(name) {
        fields.push((name.into(), Vec::new()));
        assert!(policy.check(&fields, "bucket", Timestamp(0)).is_err(), "a field no condition names");
    }
}

/// The fields' own claim about who signed: nobody did.
fn sign_claims(fields: &Fields, policy: &str) {
    let mut fields = fields.clone();
    fields.push(("policy".into(), policy.into()));
    let accepted = AuthPolicy { sigv2: true, region: None };
    match post::claim(&fields, &accepted) {
        Ok(PostClaim::Anonymous) => panic!("a policy makes a form signed, at {NOW}"),
        Ok(PostClaim::Signed(claim)) => {
            assert!(claim.verify(b"nobody signs with this", &SigningKeys::default()).is_err());
        }
        Err(error) => assert_ne!(error.status(), 500),
    }
}
