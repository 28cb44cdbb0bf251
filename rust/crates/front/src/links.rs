//! Share links: `/-/TOKEN/…`, for browsers and curl. Step 4 of the rows whose sender is known by a token in the path,
//! and what the answers to them have in common.
//!
//! Belongs here: tokens, the password of a link, the way from a link to the place it means. Does not belong here: what
//! makes a share stand (`shares`), what its bearer may do there (crate `authz`).
//!
//! A link that is unknown, expired, revoked, for somebody else, or means another object is refused with the same
//! AccessDenied: only who holds a share that stands is told more (that a password is needed, that a key is missing). The
//! owner finds the reason in the audit log.

use http::header::{AUTHORIZATION, CACHE_CONTROL, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderMap, HeaderValue, StatusCode};
use panthera_authz::{Reason, Subject};
use panthera_base::{ErrorCode, S3Error, TenantId, UserId, limits};
use panthera_meta::records::ShareRecord;
use panthera_object::api::{Entered, NativeOp, OpResult, Window};
use panthera_object::{Mounts, Refusal, Standing, by_secret, standing};
use panthera_wire::auth::{BodyAuth, unsigned_body};
use panthera_wire::checksum::base64;
use sha2::{Digest, Sha256};
use std::sync::Arc;

use crate::audit::About;
use crate::authenticate::Identity;
use crate::downloads::{self, Limit};
use crate::pipeline::{Matched, signed_head};
use crate::server::Shared;
use crate::table::Scope;

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

/// Whether a browser asks: it is answered in HTML.
pub(crate) fn wants_page(headers: &HeaderMap) -> bool {
    let accept = headers.get_all(http::header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    accept.flat_map(|line| line.split(',')).any(|kind| {
        let kind = kind.split(';').next().unwrap_or_default().trim();
        kind.eq_ignore_ascii_case("text/html")
    })
}

/// What an operation on a shared place needs beside its call.
pub(crate) struct Elsewhere {
    /// The client's names.
    pub window: Window,
    /// How often the share may be downloaded.
    pub limit: Option<Limit>,
    /// The way was a link: its answers must not travel.
    pub link: bool,
    /// The way was a mount.
    pub mount: Option<Entered>,
}

/// A link that stands, and where it leads.
pub(crate) struct Opened {
    pub standing: Standing,
    /// Who uses it, when that is known.
    pub bearer: Option<(TenantId, UserId)>,
    pub protection: BodyAuth,
    /// The key, or the prefix of a folder.
    pub key: Vec<u8>,
    pub window: Window,
}

fn refused() -> S3Error {
    ErrorCode::AccessDenied.into()
}

/// Step 4 of links.
pub(crate) async fn open(
    shared: &Shared,
    matched: &Matched<'_>,
    head: &http::request::Parts,
) -> Result<Opened, Refusal> {
    let opened = find(shared, matched, head)?;
    let record = &opened.standing.record;
    let Some(hash) = &record.password else { return Ok(opened) };
    let holds = match basic_password(&head.headers) {
        Some(given) => shared.passwords.holds(record, hash, given).await?,
        None => false,
    };
    if holds {
        return Ok(opened);
    }
    let needed =
        S3Error::new(ErrorCode::Unauthorized).header("www-authenticate", "Basic realm=\"share\", charset=\"UTF-8\"");
    let below = opened.key.get(record.path.len()..).unwrap_or_default().to_vec();
    let refusal = Refusal::of(opened.standing.record, opened.bearer, Reason::SharePassword);
    Err(asking(refusal, matched, &below).answered(needed))
}

/// A refusal with the key that was asked for; listings ask for none.
fn asking(refusal: Refusal, matched: &Matched<'_>, below: &[u8]) -> Refusal {
    if matched.address.scope == Scope::LinkFolder { refusal } else { refusal.asking(below) }
}

fn find(shared: &Shared, matched: &Matched<'_>, head: &http::request::Parts) -> Result<Opened, Refusal> {
    let snapshot = shared.meta.snapshot().map_err(S3Error::internal)?;
    // A signature that is wrong is the sender's own: it says nothing about the link.
    let (bearer, protection) = if is_signed(&head.headers) {
        let (identity, protection) = shared.verifier.request(&*snapshot, &signed_head(head, matched), matched.now)?;
        (identity, protection)
    } else {
        (Identity::anonymous(), unsigned_body(&head.headers)?)
    };
    let bearer = match bearer.caller.subject {
        Subject::User { tenant, user, .. } => Some((tenant, user)),
        _ => None,
    };
    let token = matched.address.token.as_ref().ok_or_else(refused)?;
    let pointer = by_secret(&*snapshot, &token.secret_sha256)?.ok_or_else(refused)?;
    let below = &matched.address.key;
    let standing = standing(&shared.authz, &*snapshot, pointer, bearer, matched.now);
    let standing = standing.map_err(|refusal| asking(refusal, matched, below))?;
    // A mount is a share of somebody else's: what was shared with its mounter is not the mounter's to share.
    let mounts = Mounts::of(&*snapshot, &standing.bucket)?;
    let place = place(&standing.record, token, matched, head).filter(|(_, key)| mounts.covering(key).is_none());
    let Some((stored, key)) = place else {
        return Err(asking(Refusal::of(standing.record, bearer, Reason::ShareElsewhere), matched, below));
    };
    // Pages have relative addresses: a folder's own must end in a slash.
    if !standing.record.object && below.is_empty() && !head.uri.path().ends_with('/') {
        let location = format!("{}/", head.uri.path());
        return Err(S3Error::new(ErrorCode::PermanentRedirect).header("location", location).into());
    }
    let window = Window { stored, bucket: LINKS.to_owned(), ..Window::default() };
    Ok(Opened { standing, bearer, protection, key, window })
}

/// Where a link leads, and the part of it that its bearer is not shown. `None` for what is no place of the share's.
fn place(
    record: &ShareRecord,
    token: &Token,
    matched: &Matched<'_>,
    head: &http::request::Parts,
) -> Option<(Vec<u8>, Vec<u8>)> {
    // Who could ask whether the owner has a certain number would learn it by trying. And a script that a browser keeps as
    // a service worker of `/-/` would see every other share that is opened there, whoever shared it.
    let unfit = ["x-amz-expected-bucket-owner", "service-worker"];
    if record.object != token.object || unfit.iter().any(|name| head.headers.contains_key(*name)) {
        return None;
    }
    let below = &matched.address.key;
    let (stored, key) = if record.object {
        let start = record.path.iter().rposition(|&b| b == b'/').map_or(0, |at| at + 1);
        if !below.is_empty() && *below != record.path[start..] {
            return None;
        }
        (record.path[..start].to_vec(), record.path.clone())
    } else {
        (record.path.clone(), [record.path.as_slice(), below].concat())
    };
    let fits = key.len() <= limits::KEY_BYTES && !(matched.address.scope == Scope::Link && key.is_empty());
    fits.then_some((stored, key))
}

fn is_signed(headers: &HeaderMap) -> bool {
    headers.get(AUTHORIZATION).is_some_and(|value| value.as_bytes().starts_with(b"AWS"))
}

/// The password of `Authorization: Basic`, whatever the user is called.
fn basic_password(headers: &HeaderMap) -> Option<Vec<u8>> {
    let (scheme, coded) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let plain = base64::decode(coded.trim())?;
    let colon = plain.iter().position(|&b| b == b':')?;
    Some(plain[colon + 1..].to_vec())
}

impl Elsewhere {
    /// What becomes of an operation's outcome: downloads are counted, names are the client's, and what a link answers
    /// is told neither to other sites nor to caches, which would not hear of a revoke.
    pub async fn finish(self, shared: &Arc<Shared>, op: Option<NativeOp>, about: About, outcome: OpResult) -> OpResult {
        let mut reply = outcome.map_err(|error| self.disguise(error))?;
        reply.body = self.window.disguise_late(reply.body);
        let bytes =
            op == Some(NativeOp::GetObject) && matches!(reply.status, StatusCode::OK | StatusCode::PARTIAL_CONTENT);
        if let Some(limit) = self.limit.filter(|_| bytes) {
            let begins = limit.begins(reply.status, &reply.headers);
            let now = shared.clock.now();
            // In turns: the guard of the commit is for other processes.
            let _turn = shared.downloads.lock().await;
            let meta = Arc::clone(&shared.meta);
            let counted = tokio::task::spawn_blocking(move || downloads::admit(&*meta, limit, begins, now));
            let counted = counted.await.map_err(S3Error::internal)?;
            counted.inspect_err(|error| about.used_up(error))?;
        }
        if self.link {
            let headers = &mut reply.headers;
            headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
            headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
            headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("private, no-cache"));
        }
        Ok(reply)
    }

    /// An error as the bearer of a share may read it: a bucket that went away under the request is a share that ended.
    pub fn disguise(&self, error: S3Error) -> S3Error {
        match error.code() {
            ErrorCode::NoSuchBucket if !error.is_in_clients_names() => refused().detail(error),
            _ => self.window.disguise(error),
        }
    }
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

    #[test]
    fn browsers_are_told_by_what_they_accept() {
        let accept = |text: &'static str| {
            wants_page(&HeaderMap::from_iter([(http::header::ACCEPT, HeaderValue::from_static(text))]))
        };
        assert!(accept("text/html,application/xhtml+xml,*/*;q=0.8") && accept("image/png, Text/HTML;q=0.9"));
        assert!(!accept("*/*") && !accept("application/xml") && !wants_page(&HeaderMap::new()));
    }

    #[test]
    fn a_password_is_what_follows_the_first_colon() {
        let given = |text: &str| {
            let value = HeaderValue::from_str(text).unwrap();
            basic_password(&HeaderMap::from_iter([(AUTHORIZATION, value)]))
        };
        assert_eq!(given(&format!("Basic {}", base64::encode(b"any:pass:word"))), Some(b"pass:word".to_vec()));
        assert_eq!(given(&format!("basic {}", base64::encode(b":"))), Some(Vec::new()));
        for bad in ["Basic", "Basic ???", "Bearer OnB3", &format!("Basic {}", base64::encode(b"no colon"))] {
            assert_eq!(given(bad), None, "{bad}");
        }
    }
}
