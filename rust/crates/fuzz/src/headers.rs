//! Headers: objects, copies, checksums, conditions, tags.

use http::{HeaderMap, HeaderName, HeaderValue};
use panthera_base::{ErrorCode, S3Error, Timestamp, limits};
use panthera_wire::checksum::{self, Announced, DeclaredValue};
use panthera_wire::conditions::{self, Comparison, Conditions, Outcome};
use panthera_wire::{date, headers, tagging, uri};

use crate::tape::Tape;

/// Lines of `name: value`, values with any byte a header may hold.
fn header_map(text: &[u8]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for line in text.split(|b| *b == b'\n') {
        let Some(at) = line.iter().position(|b| *b == b':') else { continue };
        let name = HeaderName::from_bytes(line[..at].trim_ascii());
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(line[at + 1..].trim_ascii())) {
            map.append(name, value);
        }
    }
    map
}

fn not_internal<T>(result: Result<T, S3Error>) -> Option<T> {
    result.map_err(|error| assert_ne!(error.status(), 500, "{error:?}")).ok()
}

/// Every reader of request headers.
pub fn run(data: &[u8]) {
    let mut map = header_map(data);
    if let Some(object) = not_internal(headers::ObjectHeaders::from_headers(&map)) {
        let size: usize = object.metadata.iter().map(|(name, value)| name.len() + value.len()).sum();
        assert!(size <= limits::USER_METADATA_BYTES && object.metadata.is_sorted());
        assert!(
            object
                .content_encoding
                .is_none_or(|e| !e.to_ascii_lowercase().windows(11).any(|w| w == b"aws-chunked") || e.len() > 11)
        );
    }
    if let Some(source) = not_internal(headers::copy_source(&map)) {
        assert!(!source.bucket.is_empty() && !source.bucket.contains('/') && !source.key.is_empty());
        let version = source.version.as_ref().map(|v| format!("?versionId={}", uri::encode_query(v.as_bytes())));
        let again = format!(
            "/{}/{}{}",
            uri::encode_query(source.bucket.as_bytes()),
            uri::encode_path(&source.key),
            version.unwrap_or_default()
        );
        let mut copy = HeaderMap::new();
        copy.extend(HeaderValue::try_from(again).ok().map(|v| (HeaderName::from_static("x-amz-copy-source"), v)));
        assert_eq!(headers::copy_source(&copy).ok(), Some(source));
    }
    not_internal(headers::storage_class(&map));
    not_internal(headers::copy_source_range(&map));
    not_internal(headers::metadata_directive(&map));
    not_internal(headers::tagging_directive(&map));
    not_internal(headers::refuse_unsupported(&map));
    not_internal(panthera_wire::acl::wanted(&map));
    not_internal(panthera_wire::acl::refuse_on_part(&map));
    not_internal(checksum::multipart_type(&map));
    if let Some(announced) = not_internal(Announced::from_headers(&map)) {
        assert_eq!(announced.algorithm().is_some(), announced.checksum.is_some());
        if let Some((algorithm, DeclaredValue::Digest(digest))) = announced.checksum {
            assert_eq!(digest.as_bytes().len(), algorithm.digest_len());
            assert!(announced.verify_checksum(&digest, &[]).is_ok());
        }
    }
    let query: Vec<(String, String)> = uri::parse_query(&String::from_utf8_lossy(data));
    let before = map.clone();
    if not_internal(headers::adopt_hoisted(&mut map, &query)).is_some() {
        assert!(before.iter().all(|(name, _)| map.get(name) == before.get(name)), "a header was replaced");
        assert!(!map.contains_key("authorization") || before.contains_key("authorization"));
    }
}

/// RFC 9110 section 13.2.2, a second time.
fn naive_outcome(holds: [Option<bool>; 4]) -> Outcome {
    let [if_match, if_none_match, modified, unmodified] = holds;
    let first = if_match.or(unmodified).unwrap_or(true);
    let second = if_none_match.or(modified).unwrap_or(true);
    match (first, second) {
        (false, _) => Outcome::Failed,
        (true, false) => Outcome::NotModified,
        (true, true) => Outcome::Proceed,
    }
}

/// Conditions over ETags and dates that are near the object's.
pub fn conditions(data: &[u8]) {
    const ETAG: &str = "d41d8cd98f00b204e9800998ecf8427e";
    let mut tape = Tape::new(data);
    let modified = Timestamp(u64::from(tape.u32()) * 1_000_000 + 500_000);
    let flags = tape.u8();
    let date = |offset: u8| {
        let secs = modified.secs().saturating_add_signed(i64::from(offset as i8));
        (Timestamp::from_secs(secs), date::http_date(Timestamp::from_secs(secs)))
    };
    let (since, since_text) = date(tape.u8());
    let (until, until_text) = date(tape.u8());
    let list = |tape: &mut Tape<'_>| {
        let mut hit = false;
        let items: Vec<String> = (0..=tape.below(3))
            .map(|_| match tape.below(4) {
                0 => {
                    hit = true;
                    format!("\"{ETAG}\"")
                }
                1 => format!("\"{}\"", tape.name()),
                2 => format!("\"{ETAG}-{}\"", tape.below(9)),
                _ => tape.name(),
            })
            .collect();
        (hit, items.join(tape.pick(&[",", ", ", " , "])))
    };
    let (wanted, known) = (list(&mut tape), list(&mut tape));
    let mut map = HeaderMap::new();
    let mut set = |bit: u8, name: &'static str, value: &str| {
        let value = (flags & bit != 0).then(|| HeaderValue::from_str(value).ok()).flatten();
        value.inspect(|v| drop(map.insert(name, v.clone()))).is_some()
    };
    let holds = [
        set(1, "if-match", &wanted.1).then_some(wanted.0),
        set(2, "if-none-match", &known.1).then_some(!known.0),
        set(4, "if-modified-since", &since_text).then_some(modified.secs() > since.secs()),
        set(8, "if-unmodified-since", &until_text).then_some(modified.secs() <= until.secs()),
    ];
    let outcome = conditions::evaluate(&Conditions::from_headers(&map), ETAG, modified);
    assert_eq!(outcome, naive_outcome(holds), "{map:?} at {modified:?}");
    let text = String::from_utf8_lossy(tape.rest()).into_owned();
    let strong = conditions::etag_in(&text, ETAG, Comparison::Strong);
    assert!(!strong || text.trim() == "*" || text.contains(ETAG));
    assert!(!strong || conditions::etag_in(&text, ETAG, Comparison::Weak), "strong without weak");
    let mut map = HeaderMap::new();
    map.extend(HeaderValue::from_str(&text).ok().map(|v| (http::header::IF_RANGE, v)));
    let range = conditions::if_range_holds(&map, ETAG, modified);
    assert!(!range || map.is_empty() || strong || date::parse_http_date(&text).is_some());
}

/// Tags by header and by document. What is accepted obeys the rules and is read again from what we would write.
pub fn tagging(data: &[u8]) {
    let check = |tags: &[(String, String)], most: usize| {
        assert!(tags.len() <= most && tagging::validate(tags, most).is_ok());
        let chars = |text: &str| text.chars().count();
        for (key, value) in tags {
            assert!((1..=limits::TAG_KEY_CHARS).contains(&chars(key)) && chars(value) <= limits::TAG_VALUE_CHARS);
        }
    };
    if let Some(tags) = not_internal(tagging::from_header(data)) {
        check(&tags, limits::OBJECT_TAGS);
        let pairs = tags.iter().map(|(key, value)| {
            format!("{}={}", uri::encode_query(key.as_bytes()), uri::encode_query(value.as_bytes()))
        });
        let again = pairs.collect::<Vec<_>>().join("&");
        assert_eq!(tagging::from_header(again.as_bytes()).ok(), Some(tags));
    }
    for most in [limits::OBJECT_TAGS, limits::BUCKET_TAGS] {
        match tagging::from_xml(data, most) {
            Ok(tags) => check(&tags, most),
            Err(error) => {
                assert!([ErrorCode::MalformedXML, ErrorCode::InvalidTag].contains(&error.code()), "{error:?}")
            }
        }
    }
}
