//! The trail of a request: which requests have one, and that their answer waits for it.
//!
//! Belongs here: comparing tenants before anything is paid for. Does not belong here: what is written down (crate
//! `authz`).

use std::sync::Arc;

use http::Method;
use panthera_authz::{Asked, Subject, Trail};
use panthera_base::S3Result;
use panthera_object::api::{NativeOp, OpResult};
use panthera_object::settled;

use crate::pipeline::{Known, Matched, signed_head};
use crate::render::Facts;
use crate::server::Shared;
use crate::table::Kind;

/// A trail for requests that may be about another tenant's resources: by their bucket, a copy's source, or a mount.
pub(crate) fn trail(
    shared: &Shared,
    facts: &Facts,
    matched: &Matched<'_>,
    known: &Known,
    head: &http::request::Parts,
) -> Option<Arc<Trail>> {
    let (bucket, _) = known.bucket.as_ref()?;
    let subject = &known.identity.caller.subject;
    let own = matches!(subject, Subject::User { tenant, .. } if *tenant == bucket.tenant);
    // Copies have a source, listings may show what is mounted.
    let copies = matches!(matched.row.kind, Kind::Native(NativeOp::CopyObject | NativeOp::UploadPartCopy));
    let reaches = copies || bucket.mounts != 0;
    if own && !reaches {
        return None;
    }
    let writer = shared.authz.audit().filter(|writer| reaches || Trail::wanted(writer, subject, bucket.tenant))?;
    let access_key = shared.verifier.access_key(&signed_head(head, matched), matched.now);
    // A share is found under a name of the bearer's own; that of a link is its secret.
    let told = known.elsewhere.as_ref().is_none_or(|place| !place.link);
    let path = told.then(|| facts.resource().to_owned());
    Some(writer.trail(Asked { request_id: facts.request_id().to_owned(), access_key, path }))
}

/// What changes something waits for its trail before it begins: a change that cannot be written down is not made.
/// Reading goes on meanwhile; its answer waits.
pub(crate) async fn settled_before(method: &Method, trail: Option<&Trail>) -> S3Result<()> {
    if matches!(*method, Method::GET | Method::HEAD) { Ok(()) } else { settled(trail).await }
}

/// The answer, when everything that was decided for it is written down; else an error that tells nothing of it.
pub(crate) async fn settled_answer(trail: Option<&Trail>, outcome: OpResult) -> OpResult {
    settled(trail).await.and(outcome)
}
