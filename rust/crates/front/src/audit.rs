//! The trail of a request: which requests have one, and that their answer waits for it.
//!
//! Belongs here: comparing tenants before anything is paid for. Does not belong here: what is written down (crate
//! `authz`).

use std::sync::Arc;

use http::Method;
use panthera_authz::{Action, Asked, Context, NoRequest, Question, Reason, Resource, Subject, Trail};
use panthera_base::{ErrorCode, S3Error, S3Result};
use panthera_meta::records::BucketRecord;
use panthera_object::api::{NativeOp, OpResult};
use panthera_object::{Refusal, settled};

use crate::render::Facts;
use crate::request::{Known, Matched, signed_head};
use crate::shared::Shared;
use crate::table::{Kind, Scope};

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
    Some(writer.trail(asked(shared, facts, matched, head)))
}

/// What the request says of itself.
fn asked(shared: &Shared, facts: &Facts, matched: &Matched<'_>, head: &http::request::Parts) -> Asked {
    let access_key = shared.verifier.access_key(&signed_head(head, matched), matched.now);
    // A share is found under a name of the bearer's own; that of a link is its secret.
    let told = !matches!(matched.address.scope, Scope::Link | Scope::LinkFolder);
    let path = told.then(|| facts.resource().to_owned());
    Asked { request_id: facts.request_id().to_owned(), access_key, path }
}

/// The error of a share link that is refused before step 5, and the trail in which stands why: the answer waits for it.
/// A token that means no share is nobody's business.
pub(crate) fn refused(
    shared: &Shared,
    facts: &Facts,
    matched: &Matched<'_>,
    head: &http::request::Parts,
    refusal: Refusal,
) -> (S3Error, Option<Arc<Trail>>) {
    let Some(writer) = shared.authz.audit().filter(|_| refusal.known.is_some()) else { return (refusal.error, None) };
    let trail = writer.trail(asked(shared, facts, matched, head));
    let context = Context::at(matched.now, matched.client.ip, matched.client.secure);
    let context = Context { trail: Some(Arc::clone(&trail)), ..context };
    (refusal.told(&context, matched.row.action), Some(trail))
}

/// What a request through a share is about, for what is found out when its answer is there.
pub(crate) struct About(Option<Asks>);

struct Asks {
    subject: Subject,
    action: Action,
    bucket: Arc<BucketRecord>,
    name: String,
    key: Vec<u8>,
    context: Context,
}

impl About {
    /// Kept only for shares that can be used up.
    pub fn of(matched: &Matched<'_>, known: &Known, context: &Context) -> Self {
        let limited = known.elsewhere.as_ref().is_some_and(|place| place.limit.is_some());
        Self(known.bucket.as_ref().filter(|_| limited).map(|(bucket, _)| Asks {
            subject: known.asks().clone(),
            action: matched.row.action,
            bucket: Arc::clone(bucket),
            name: matched.address.bucket.clone(),
            key: matched.address.key.clone(),
            context: context.clone(),
        }))
    }

    /// The downloads of the share are used up.
    pub fn used_up(&self, error: &S3Error) {
        let Some(Asks { subject, action, bucket, name, key, context }) = &self.0 else { return };
        if let (ErrorCode::AccessDenied, Some(trail)) = (error.code(), &context.trail) {
            let resource = Resource { tenant: bucket.tenant, bucket: Some(bucket), name, key: Some(key), object: None };
            let question = Question { subject, action: *action, resource, context, request: &NoRequest };
            trail.refuse(&question, Reason::ShareUsedUp);
        }
    }
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
