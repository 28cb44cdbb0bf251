//! The decision the pipeline asks for: deny relations first, then the tenant's owner and admins, then relations, then
//! no. Translates the pipeline's words into the engine's and never answers with an error: what fails is a deny.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use panthera_base::{BucketId, Timestamp};
use panthera_meta::Metastore;

use crate::condition::Facts;
use crate::decision::{Context, Decision, Question, Reason, Resource, Subject, Verdict};
use crate::engine::{Engine, Moment, Settings, Spot};
use crate::error::AuthzError;
use crate::model::Grantee;
use crate::permission::Permission;
use crate::ranges::Visible;
use crate::resolve::Principal;

/// How far, in microseconds, the clock must have advanced before the advance is remembered: keeps the one line that
/// all threads share clean. A clock that is set back can revive what expired within this much, and nothing older.
const CLOCK_STEP: u64 = 100_000;

/// Decides. One instance serves the whole process. The default one knows no relations: it is for tests.
#[derive(Default)]
pub struct Authorizer {
    engine: Option<Engine>,
    /// The latest moment seen: a clock that goes back must not bring back what has expired.
    latest: AtomicU64,
}

/// Who a subject is to the engine.
pub fn principal(subject: &Subject) -> Result<Principal, AuthzError> {
    Ok(match subject {
        Subject::Anonymous => Principal { grantee: Grantee::ANYONE, admin: false },
        Subject::User { tenant, user, admin } => Principal { grantee: Grantee::user(*tenant, *user)?, admin: *admin },
    })
}

impl Authorizer {
    /// Loads the relations of a store.
    pub fn open(meta: Arc<dyn Metastore>) -> Result<Self, AuthzError> {
        Engine::open(meta, Settings::default()).map(Self::with)
    }

    /// Decides by an engine that is already there.
    pub fn with(engine: Engine) -> Self {
        Self { engine: Some(engine), latest: AtomicU64::new(0) }
    }

    /// The engine, for those who write, list and explain relations.
    pub fn engine(&self) -> Option<&Engine> {
        self.engine.as_ref()
    }

    /// The moment of a request, for the engine. Never before one that was seen already.
    pub fn moment(&self, context: &Context) -> Moment {
        let latest = self.latest.load(Ordering::Relaxed);
        if context.now.0 > latest.saturating_add(CLOCK_STEP) {
            self.latest.fetch_max(context.now.0, Ordering::Relaxed);
        }
        let facts = Facts { source_ip: Some(context.source_ip), tls: Some(context.secure_transport), mfa_at: None };
        Moment { now: Timestamp(context.now.0.max(latest)), facts }
    }

    /// The decision for one (subject, action, resource).
    ///
    /// Listing a whole bucket is allowed only to those who may see every name in it, because an answer without a
    /// filter shows every name; a caller that filters asks [`Self::listing`] instead.
    pub fn decide(&self, question: &Question<'_>) -> Decision {
        let Question { subject, action, resource, context, .. } = question;
        let Some(engine) = &self.engine else { return without_relations(subject, resource) };
        let permission = Permission::of_action(action.0);
        let moment = self.moment(context);
        let unevaluated = Decision { verdict: Verdict::Deny, reason: Reason::Unevaluated, revision: engine.revision() };
        let Ok(principal) = principal(subject) else { return unevaluated };
        let spot = match (resource.bucket.map(|b| b.id), resource.key) {
            (None, _) => Spot::Tenant,
            (Some(bucket), None) => Spot::Bucket(bucket),
            (Some(bucket), Some(key)) => Spot::Object(bucket, key),
        };
        let Ok(answer) = engine.check(principal, permission, resource.tenant, spot, &moment) else {
            return unevaluated;
        };
        let decided = |verdict, reason| Decision { verdict, reason, revision: answer.revision };
        if !answer.allowed {
            let reason = match subject {
                _ if answer.denied => Reason::Denied,
                Subject::Anonymous => Reason::Anonymous,
                Subject::User { tenant, .. } if *tenant != resource.tenant => Reason::ForeignTenant,
                Subject::User { .. } => Reason::NotGranted,
            };
            return decided(Verdict::Deny, reason);
        }
        if let (Permission::List, Spot::Bucket(bucket)) = (permission, spot) {
            let listing = Visible::open(engine, principal, Permission::Discover, resource.tenant, bucket, b"", &moment);
            if !listing.is_ok_and(|mut all| all.is_blanket()) {
                return decided(Verdict::Deny, Reason::Denied);
            }
        }
        decided(Verdict::Allow, if answer.tenant_admin { Reason::TenantAdmin } else { Reason::Granted })
    }

    /// Whether who was allowed to ask for a key may learn that it is missing: who may list the bucket, or discover that
    /// key by a relation. The question's action is `s3:ListBucket`, its key the one asked for.
    pub fn reveals(&self, question: &Question<'_>) -> bool {
        if self.decide(&question.on_bucket()).allowed() {
            return true;
        }
        let Question { subject, resource, context, .. } = question;
        let (Some(engine), Some(bucket), Some(key)) = (&self.engine, resource.bucket, resource.key) else {
            return false;
        };
        let moment = self.moment(context);
        let known = principal(subject).and_then(|who| {
            engine.check(who, Permission::Discover, resource.tenant, Spot::Object(bucket.id, key), &moment)
        });
        known.is_ok_and(|answer| answer.allowed)
    }

    /// What a listing of the keys below `prefix` may show this subject. `None` without an engine: then
    /// [`Self::decide`] is the whole answer.
    pub fn listing(
        &self,
        subject: &Subject,
        resource: (panthera_base::TenantId, BucketId),
        prefix: &[u8],
        context: &Context,
    ) -> Option<Result<Visible, AuthzError>> {
        let engine = self.engine.as_ref()?;
        let moment = self.moment(context);
        let (tenant, bucket) = resource;
        Some(
            principal(subject)
                .and_then(|who| Visible::open(engine, who, Permission::Discover, tenant, bucket, prefix, &moment)),
        )
    }
}

fn without_relations(subject: &Subject, resource: &Resource<'_>) -> Decision {
    let deny = |reason| Decision { verdict: Verdict::Deny, reason, revision: 0 };
    match subject {
        Subject::Anonymous => deny(Reason::Anonymous),
        Subject::User { tenant, .. } if *tenant != resource.tenant => deny(Reason::ForeignTenant),
        Subject::User { admin: true, .. } => {
            Decision { verdict: Verdict::Allow, reason: Reason::TenantAdmin, revision: 0 }
        }
        Subject::User { .. } => deny(Reason::NotGranted),
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use panthera_base::{TenantId, UserId};
    use panthera_meta::records::BucketRecord;

    use super::*;
    use crate::decision::{Action, NoRequest};

    fn decide(subject: &Subject, tenant: u32) -> Decision {
        let context = Context::at(Timestamp(0), IpAddr::from([127, 0, 0, 1]), false);
        let bucket = BucketRecord { id: BucketId(7), tenant: TenantId(tenant), ..BucketRecord::default() };
        let (tenant, key) = (bucket.tenant, Some(&b"k"[..]));
        let resource = Resource { tenant, bucket: Some(&bucket), name: "b", key, object: None };
        let action = Action("s3:GetObject");
        Authorizer::default().decide(&Question { subject, action, resource, context: &context, request: &NoRequest })
    }

    #[test]
    fn only_an_admin_of_the_same_tenant_is_allowed() {
        let user = |tenant, admin| Subject::User { tenant: TenantId(tenant), user: UserId(1), admin };
        assert!(decide(&user(1, true), 1).allowed());
        assert_eq!(decide(&user(1, false), 1).reason, Reason::NotGranted);
        assert_eq!(decide(&user(2, true), 1).reason, Reason::ForeignTenant);
        assert_eq!(decide(&Subject::Anonymous, 1).reason, Reason::Anonymous);
        assert!(!decide(&Subject::Anonymous, 0).allowed());
    }
}
