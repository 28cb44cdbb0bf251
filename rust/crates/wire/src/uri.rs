//! Percent-encoding and queries: how S3 reads what was sent and how signatures spell it.
//!
//! Does not belong here: routing, host names, what a parameter means.

use crate::hex;

const UPPER: &[u8; 16] = b"0123456789ABCDEF";

/// RFC 3986 unreserved: what every S3 canonical form leaves as it is.
fn unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

fn push_escaped(out: &mut Vec<u8>, byte: u8) {
    out.extend_from_slice(&[b'%', UPPER[usize::from(byte >> 4)], UPPER[usize::from(byte & 15)]]);
}

/// The bytes behind percent-encoded text; `None` when a `%` is not followed by two hex digits (answer InvalidURI).
pub fn percent_decode(raw: &str) -> Option<Vec<u8>> {
    decode(raw.as_bytes(), false)
}

pub(crate) fn decode(raw: &[u8], plus_is_space: bool) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(raw.len());
    let mut rest = raw.iter();
    while let Some(&byte) = rest.next() {
        out.push(match byte {
            b'%' => hex::digit(*rest.next()?)? << 4 | hex::digit(*rest.next()?)?,
            b'+' if plus_is_space => b' ',
            other => other,
        });
    }
    Some(out)
}

fn encoded(bytes: &[u8], plain: impl Fn(u8) -> bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() + bytes.len() / 4);
    for &byte in bytes {
        if plain(byte) { out.push(byte) } else { push_escaped(&mut out, byte) }
    }
    out
}

/// Every output byte of the encoders is ASCII, so this never replaces anything.
fn ascii(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_default()
}

/// A path as SigV4 spells it: everything but unreserved characters and `/` escaped, upper-case hex.
pub fn encode_path(bytes: &[u8]) -> String {
    ascii(encoded(bytes, |b| unreserved(b) || b == b'/'))
}

/// A query name or value as SigV4 spells it: everything but unreserved characters escaped.
pub fn encode_query(bytes: &[u8]) -> String {
    ascii(encoded(bytes, unreserved))
}

/// Keys and prefixes of a listing with `encoding-type=url`: unreserved and `/` stay, a space becomes `+`.
pub fn encode_listing(bytes: &[u8]) -> String {
    let mut out = encoded(bytes, |b| unreserved(b) || matches!(b, b'/' | b' '));
    for byte in &mut out {
        if *byte == b' ' {
            *byte = b'+';
        }
    }
    ascii(out)
}

/// The parts of a raw query: `a=b&c` is `("a", "b")`, `("c", "")`. Empty parts are skipped, as AWS does.
pub(crate) fn raw_pairs(raw: &str) -> impl Iterator<Item = (&str, &str)> {
    raw.split('&').filter(|part| !part.is_empty()).map(|part| part.split_once('=').unwrap_or((part, "")))
}

/// Whether every escape of the query is two hex digits and every name and value decodes to UTF-8.
pub fn query_is_well_formed(raw: &str) -> bool {
    if !raw.as_bytes().contains(&b'%') {
        return true;
    }
    let good = |part: &str| decode(part.as_bytes(), true).is_some_and(|bytes| std::str::from_utf8(&bytes).is_ok());
    raw_pairs(raw).all(|(name, value)| good(name) && good(value))
}

/// A name or value of a query, decoded: `+` is a space. What [`query_is_well_formed`] refuses is taken as it stands,
/// with U+FFFD for bytes that are not UTF-8; `auth::claim` has refused such a request before anybody acts on it.
pub fn decode_query_part(part: &str) -> String {
    if !part.bytes().any(|b| matches!(b, b'%' | b'+')) {
        return part.to_owned();
    }
    match decode(part.as_bytes(), true) {
        Some(bytes) => String::from_utf8(bytes).unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned()),
        None => part.to_owned(),
    }
}

/// All parameters in the order sent, decoded; a parameter without `=` has the value `""`.
pub fn parse_query(raw: &str) -> Vec<(String, String)> {
    raw_pairs(raw).map(|(name, value)| (decode_query_part(name), decode_query_part(value))).collect()
}

/// Appends one query component in canonical spelling: what was sent, decoded and encoded again, without allocating.
/// A `%` that begins no escape is itself escaped.
fn push_canonical_part(out: &mut Vec<u8>, raw: &[u8]) {
    let mut at = 0;
    while let Some(&byte) = raw.get(at) {
        at += 1;
        let value = match byte {
            b'+' => b' ',
            b'%' => match (raw.get(at).and_then(|d| hex::digit(*d)), raw.get(at + 1).and_then(|d| hex::digit(*d))) {
                (Some(high), Some(low)) => {
                    at += 2;
                    high << 4 | low
                }
                _ => byte,
            },
            other => other,
        };
        if unreserved(value) { out.push(value) } else { push_escaped(out, value) }
    }
}

/// Appends the canonical query of SigV4: each component re-encoded, `=` always present, sorted by name, then value,
/// without the parameters named in `skip`.
pub(crate) fn push_canonical_query(out: &mut Vec<u8>, raw: &str, skip: &str) {
    let mut scratch = Vec::with_capacity(raw.len() + raw.len() / 4);
    let mut parts: Vec<(usize, usize, usize)> = Vec::with_capacity(8);
    for (name, value) in raw_pairs(raw).filter(|(name, _)| *name != skip) {
        let start = scratch.len();
        push_canonical_part(&mut scratch, name.as_bytes());
        let middle = scratch.len();
        push_canonical_part(&mut scratch, value.as_bytes());
        parts.push((start, middle, scratch.len()));
    }
    parts.sort_unstable_by(|a, b| {
        (&scratch[a.0..a.1], &scratch[a.1..a.2]).cmp(&(&scratch[b.0..b.1], &scratch[b.1..b.2]))
    });
    for (i, &(start, middle, end)) in parts.iter().enumerate() {
        if i > 0 {
            out.push(b'&');
        }
        out.extend_from_slice(&scratch[start..middle]);
        out.push(b'=');
        out.extend_from_slice(&scratch[middle..end]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn canonical(raw: &str) -> String {
        let mut out = Vec::new();
        push_canonical_query(&mut out, raw, "X-Amz-Signature");
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn invalid_escapes_are_refused() {
        for bad in ["%", "%2", "a%zz", "%2g", "%%41", "100%"] {
            assert_eq!(percent_decode(bad), None, "{bad}");
            assert!(!query_is_well_formed(bad), "{bad}");
        }
        assert!(!query_is_well_formed("prefix=%ff"), "not UTF-8");
        assert!(query_is_well_formed("prefix=%C3%A9&a"));
        assert_eq!(percent_decode("/a+%2Fb%00%ff"), Some(b"/a+/b\0\xff".to_vec()));
    }

    #[test]
    fn encoders_spell_as_aws_does() {
        assert_eq!(encode_path("/a b/é+~*".as_bytes()), "/a%20b/%C3%A9%2B~%2A");
        assert_eq!(encode_query(b"a/b c"), "a%2Fb%20c");
        assert_eq!(encode_listing(b"a/b c+d%"), "a/b+c%2Bd%25");
    }

    #[test]
    fn queries_are_read_in_order_and_plus_is_a_space() {
        let parsed = parse_query("b=1+2&acl&a=%2B%20&&b=");
        let expected = [("b", "1 2"), ("acl", ""), ("a", "+ "), ("b", "")];
        assert_eq!(parsed, expected.map(|(n, v)| (n.to_owned(), v.to_owned())));
        assert!(parse_query("").is_empty());
    }

    #[test]
    fn canonical_queries() {
        assert_eq!(canonical("prefix=&delimiter=/&acl"), "acl=&delimiter=%2F&prefix=");
        assert_eq!(canonical("b=2&b=1&a=%7e&a-b=x&X-Amz-Signature=ff"), "a=~&a-b=x&b=1&b=2");
        assert_eq!(canonical("a=b=c&x=1+2"), "a=b%3Dc&x=1%202");
        assert_eq!(canonical("a=%2f&a=%zz"), "a=%25zz&a=%2F");
        assert_eq!(canonical(""), "");
    }

    proptest! {
        #[test]
        fn decoding_undoes_encoding(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            prop_assert_eq!(percent_decode(&encode_path(&bytes)), Some(bytes.clone()));
            prop_assert_eq!(percent_decode(&encode_query(&bytes)), Some(bytes.clone()));
            prop_assert_eq!(decode(encode_listing(&bytes).as_bytes(), true), Some(bytes));
        }

        #[test]
        fn canonical_form_is_stable(raw in "[ -~]{0,60}") {
            let once = canonical(&raw);
            prop_assert_eq!(canonical(&once), once);
        }
    }
}
