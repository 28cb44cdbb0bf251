//! Continuation tokens of ListObjectsV2: the last key or common prefix of the page before, in base64url.
//!
//! The position and nothing else: a token stays good whatever is written between two pages, and across restarts.

use panthera_base::S3Result;
use panthera_base::limits::KEY_BYTES;
use panthera_wire::checksum::base64;

use super::invalid;

/// First byte of what a token holds: the version of the form.
const FORM: u8 = 1;

/// The token for going on after `last`.
pub(super) fn encode(last: &[u8]) -> String {
    let mut plain = Vec::with_capacity(last.len() + 1);
    plain.push(FORM);
    plain.extend_from_slice(last);
    let coded = base64::encode(&plain);
    coded
        .trim_end_matches('=')
        .chars()
        .map(|c| {
            if c == '+' {
                '-'
            } else if c == '/' {
                '_'
            } else {
                c
            }
        })
        .collect()
}

/// The position a token holds.
pub(super) fn decode(token: &str) -> S3Result<Vec<u8>> {
    read(token).ok_or_else(|| invalid("The continuation token provided is incorrect", "continuation-token", token))
}

fn read(token: &str) -> Option<Vec<u8>> {
    if token.contains(['+', '/', '=']) {
        return None;
    }
    let mut coded: String = token
        .chars()
        .map(|c| {
            if c == '-' {
                '+'
            } else if c == '_' {
                '/'
            } else {
                c
            }
        })
        .collect();
    while !coded.len().is_multiple_of(4) {
        coded.push('=');
    }
    let mut plain = base64::decode(&coded)?;
    (plain.first() == Some(&FORM) && plain.len() <= KEY_BYTES + 1).then(|| plain.split_off(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use panthera_base::ErrorCode;

    #[test]
    fn any_key_survives() {
        let all: Vec<u8> = (0..=255).collect();
        for key in [&b""[..], b"a", b"ab", b"abc", "日本/🦁".as_bytes(), &all, &vec![0xFB; KEY_BYTES]] {
            let token = encode(key);
            assert!(token.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'), "{token}");
            assert_eq!(decode(&token).ok().as_deref(), Some(key));
        }
    }

    #[test]
    fn what_we_did_not_issue_is_refused() {
        for token in ["x", "blah", "AA", "AQ==", "Ag", "AQ\n", "%41", "é", &encode(&vec![b'k'; KEY_BYTES + 1])] {
            assert_eq!(decode(token).expect_err(token).code(), ErrorCode::InvalidArgument, "{token}");
        }
    }
}
