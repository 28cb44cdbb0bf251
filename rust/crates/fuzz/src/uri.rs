//! Percent-encoding: round trips, and agreement with a naive decoder.

use panthera_wire::uri;

/// Decodes character by character; `None` for a bad escape.
fn naive(text: &str, plus: bool) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let mut bytes = text.bytes();
    while let Some(b) = bytes.next() {
        match b {
            b'%' => {
                let pair = [bytes.next()?, bytes.next()?];
                if !pair.iter().all(u8::is_ascii_hexdigit) {
                    return None;
                }
                out.push(u8::from_str_radix(std::str::from_utf8(&pair).ok()?, 16).ok()?);
            }
            b'+' if plus => out.push(b' '),
            other => out.push(other),
        }
    }
    Some(out)
}

/// The bytes as something to encode, and as something to decode.
pub fn run(data: &[u8]) {
    for coded in [uri::encode_path(data), uri::encode_query(data)] {
        assert_eq!(uri::percent_decode(&coded).as_deref(), Some(data));
        assert!(coded.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~%/".contains(&b)));
    }
    assert_eq!(naive(&uri::encode_listing(data), true).as_deref(), Some(data));
    let text = String::from_utf8_lossy(data);
    assert_eq!(uri::percent_decode(&text), naive(&text, false));
    let parts: Vec<(&str, &str)> = text
        .split('&')
        .filter(|part| !part.is_empty())
        .map(|part| part.split_once('=').unwrap_or((part, "")))
        .collect();
    let decoded: Option<Vec<(String, String)>> = parts
        .iter()
        .map(|(name, value)| {
            let text = |part| String::from_utf8(naive(part, true)?).ok();
            Some((text(name)?, text(value)?))
        })
        .collect();
    assert_eq!(uri::query_is_well_formed(&text), decoded.is_some(), "{text}");
    let parsed = uri::parse_query(&text);
    match decoded {
        Some(pairs) => assert_eq!(parsed, pairs),
        None => assert_eq!(parsed.len(), parts.len()),
    }
}
