//! Share links: `/-/TOKEN/…`, for browsers and curl. Step 4 of the rows whose sender is known by a token in the path,
//! and what the answers to them have in common.
//!
//! Belongs here: the password of a link, the way from a link to the place it means. Does not belong here: how a token
//! reads (`token`), what makes a share stand (`shares`), what its bearer may do there (crate `authz`).
//!
//! A link that is unknown, expired, revoked, for somebody else, or means another object is refused with the same
//! AccessDenied: only who holds a share that stands is told more (that a password is needed, that a key is missing). The
//! owner finds the reason in the audit log.

use http::header::{AUTHORIZATION, CACHE_CONTROL, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderMap, HeaderValue, StatusCode};
use panthera_authz::{Reason, Subject};
use panthera_base::{ErrorCode, S3Error, TenantId, UserId, limits};
use panthera_meta::records::ShareRecord;
use panthera_object::api::{NativeOp, OpResult, Window};
use panthera_object::{Mounts, Refusal, Standing, by_secret, standing};
use panthera_wire::auth::{BodyAuth, unsigned_body};
use panthera_wire::checksum::base64;
use std::sync::Arc;

use crate::audit::About;
use crate::authenticate::Identity;
use crate::downloads;
use crate::request::{Elsewhere, Matched, signed_head};
use crate::shared::Shared;
use crate::table::Scope;
use crate::token::{LINKS, Token};

/// Whether a browser asks: it is answered in HTML.
pub(crate) fn wants_page(headers: &HeaderMap) -> bool {
    let accept = headers.get_all(http::header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    accept.flat_map(|line| line.split(',')).any(|kind| {
        let kind = kind.split(';').next().unwrap_or_default().trim();
        kind.eq_ignore_ascii_case("text/html")
    })
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
