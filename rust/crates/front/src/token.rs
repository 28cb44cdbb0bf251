//! Tokens of share links: how one reads, and targets as logs may have them.
//!
//! Belongs here: text. Does not belong here: what a token opens (`links`).

use panthera_wire::checksum::base64;
use sha2::{Digest, Sha256};

/// What stands in the place of a bucket's name; no bucket can be called so.
pub(crate) const LINKS: &str = "-";

const SECRET_BYTES: usize = 32;
const KIND_PREFIX: u8 = 1;
const KIND_OBJECT: u8 = 2;

/// What a token says. The secret itself is kept nowhere.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Token {
    /// It is of one object.
    pub object: bool,
    /// The name its share is found by.
    pub secret_sha256: [u8; 32],
}

impl Token {
    /// Reads a token. `None` for what we cannot have issued.
    pub fn read(text: &str) -> Option<Self> {
        if text.contains(['+', '/', '=']) {
            return None;
        }
        let plain = base64::decode(&text.replace('-', "+").replace('_', "/"))?;
        let (kind, secret) = plain.split_first().filter(|(_, secret)| secret.len() == SECRET_BYTES)?;
        let object = match *kind {
            KIND_PREFIX => false,
            KIND_OBJECT => true,
            _ => return None,
        };
        Some(Self { object, secret_sha256: Sha256::digest(secret).into() })
    }
}

/// A target as logs may have it: without the token of a share link, also of one that is written oddly and leads nowhere.
pub(crate) fn without_token<'t>(target: &'t str) -> String {
    let strip = |text: &'t str, starts: [&str; 3]| starts.iter().find_map(|start| text.strip_prefix(start));
    let named = strip(target.trim_start_matches('/'), [LINKS, "%2d", "%2D"]);
    let Some(rest) = named.and_then(|rest| strip(rest, ["/", "%2f", "%2F"])) else { return target.to_owned() };
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    format!("/-/...{}", &rest[end..])
}

/// The same of a whole URL: tools that follow the links of a page name it as their referer.
pub(crate) fn url_without_token(url: &str) -> String {
    let authority = url.find("://").map_or(0, |at| at + 3);
    let path = url[authority..].find('/').map_or(url.len(), |at| authority + at);
    format!("{}{}", &url[..path], without_token(&url[path..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn coded(bytes: &[u8]) -> String {
        base64::encode(bytes).replace('+', "-").replace('/', "_").trim_end_matches('=').to_owned()
    }

    #[test]
    fn a_token_is_a_kind_and_a_secret_and_nothing_else() {
        for (kind, object) in [(KIND_PREFIX, false), (KIND_OBJECT, true)] {
            let token = Token::read(&coded(&[&[kind][..], &[0xFB; 32]].concat())).unwrap();
            assert_eq!(token, Token { object, secret_sha256: Sha256::digest([0xFB; 32]).into() });
        }
        let whole = coded(&[&[1][..], &[0xFB; 32]].concat());
        let standard = whole.replace('-', "+").replace('_', "/");
        for text in [
            "",
            "-",
            "x",
            &whole[1..],
            &format!("{whole}A"),
            &format!("{whole}="),
            &standard,
            &coded(&[&[0][..], &[7; 32]].concat()),
            &coded(&[&[3][..], &[7; 32]].concat()),
            &coded(&[&[1][..], &[7; 31]].concat()),
            &coded(&[&[1][..], &[7; 33]].concat()),
        ] {
            assert_eq!(Token::read(text), None, "{text}");
        }
    }

    #[test]
    fn logs_have_no_token() {
        assert_eq!(without_token("/-/secret/a/b?x=1"), "/-/.../a/b?x=1");
        assert_eq!(without_token("/-/secret?x"), "/-/...?x");
        assert_eq!(without_token("/-/secret"), "/-/...");
        assert_eq!(without_token("/%2D/secret/a"), "/-/.../a");
        assert_eq!(without_token("/%2d/secret"), "/-/...");
        assert_eq!(without_token("//-/secret/a"), "/-/.../a");
        assert_eq!(without_token("/-%2Fsecret/a"), "/-/.../a");
        assert_eq!(without_token("/-x/a"), "/-x/a");
        assert_eq!(without_token("/bucket/-/secret"), "/bucket/-/secret");
        assert_eq!(url_without_token("https://host:9000/-/secret/a?x"), "https://host:9000/-/.../a?x");
        for other in ["https://host/b/-/k", "https://host", "host", "", "/", "://"] {
            assert_eq!(url_without_token(other), other);
        }
    }
}
