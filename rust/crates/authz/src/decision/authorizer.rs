//! The decision the pipeline asks for: what denies first, then what allows, then no. Weighs relations and what everything
//! beside them says (`beside`), translates the pipeline's words into the engine's, and never answers with an error: what
//! fails is a deny.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use panthera_base::{TenantId, Timestamp, UserId};
use panthera_meta::records::{PublicAccessBlock, UserRecord};
use panthera_meta::{MetaError, Metastore, keys};

use crate::decision::delegation::ToOwner;
use crate::decision::identity::Identities;
use crate::decision::trail::AuditWriter;
use crate::decision::{Context, Decision, Question, Reason, Resource, Subject, Verdict};
use crate::error::AuthzError;
use crate::model::{Facts, Grantee, Kind, Permission, Relation};
use crate::relations::{CacheRow, Engine, Moment, Principal, Settings, Spot, Visible};

/// How far, in microseconds, the clock must have advanced before the advance is remembered: keeps the one line that
/// all threads share clean. A clock that is set back can revive what expired within this much, and nothing older.
const CLOCK_STEP: u64 = 100_000;

/// Decides. One instance serves the whole process. The default one knows no relations: it is for tests.
#[derive(Default)]
pub struct Authorizer {
    engine: Option<Engine>,
    identities: Option<Identities>,
    /// Where decisions about other tenants' resources are written down.
    audit: Option<Arc<AuditWriter>>,
    /// The latest moment seen: a clock that goes back must not bring back what has expired.
    latest: AtomicU64,
}

/// Who a subject is to the engine.
pub fn principal(subject: &Subject) -> Result<Principal, AuthzError> {
    Ok(match subject {
        Subject::Anonymous => Principal { grantee: Grantee::ANYONE, admin: false },
        Subject::User { tenant, user, admin } => Principal { grantee: Grantee::user(*tenant, *user)?, admin: *admin },
        Subject::Share(by) => Principal { grantee: Grantee::share(by.tenant, by.share)?, admin: false },
    })
}

impl Authorizer {
    /// Loads the relations of a store.
    pub fn open(meta: Arc<dyn Metastore>) -> Result<Self, AuthzError> {
        Self::open_with(meta, Settings::default())
    }

    /// The same with other settings.
    pub fn open_with(meta: Arc<dyn Metastore>, settings: Settings) -> Result<Self, AuthzError> {
        let engine = Engine::open(Arc::clone(&meta), settings)?;
        let identities = Some(Identities::new(meta, engine.clone()));
        Ok(Self { identities, ..Self::with(engine) })
    }

    /// Loads the relations of the store that the audit log is in, and writes decisions down where a trail asks for it.
    pub fn audited(writer: Arc<AuditWriter>, settings: Settings) -> Result<Self, AuthzError> {
        let book = Arc::clone(writer.book());
        let engine = Engine::with_book(settings, Arc::clone(&book))?;
        let identities = Some(Identities::new(Arc::clone(&book.meta), engine.clone()));
        Ok(Self { identities, audit: Some(writer), ..Self::with(engine) })
    }

    /// The audit log's writer, for those who begin a trail.
    pub fn audit(&self) -> Option<&Arc<AuditWriter>> {
        self.audit.as_ref()
    }

    /// Decides by an engine that is already there.
    pub fn with(engine: Engine) -> Self {
        Self { engine: Some(engine), ..Self::default() }
    }

    /// Whether anything is kept between requests.
    pub fn keeps(&self) -> bool {
        self.engine.as_ref().is_none_or(|engine| engine.inner.settings.identity_places > 0)
    }

    /// The caches by name, with their hits and misses.
    pub fn caches(&self) -> impl Iterator<Item = CacheRow> {
        let engine = self.engine.iter().flat_map(Engine::caches);
        engine.chain(self.identities.iter().flat_map(Identities::caches))
    }

    /// The identities of users, for those who change them.
    pub fn identities(&self) -> Option<&Identities> {
        self.identities.as_ref()
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

    /// The decision: explicit denies of every source first, then the first allow that counts, then no
    /// (docs/explanation/authorization.md).
    ///
    /// Listing a whole bucket is allowed only to those who may see every name in it, because an answer without a
    /// filter shows every name; a caller that filters asks [`Self::listing`] instead.
    pub fn decide(&self, question: &Question<'_>) -> Decision {
        noted(question, self.judge(question))
    }

    /// The same for a question that no client asked.
    pub(crate) fn judge(&self, question: &Question<'_>) -> Decision {
        let Some(engine) = &self.engine else { return without_relations(question.subject, &question.resource) };
        let (request, told);
        let question = match question.subject {
            Subject::Share(by) => {
                request = ToOwner::new(question.request, engine, by.tenant);
                told = Question { request: &request, ..*question };
                &told
            }
            _ => question,
        };
        let moment = self.moment(question.context);
        let unevaluated =
            |_| Decision { verdict: Verdict::Deny, reason: Reason::Unevaluated, revision: engine.revision() };
        let own = self.weigh(engine, question, &moment).unwrap_or_else(unevaluated);
        match question.subject {
            Subject::Share(by) if own.allowed() => self.delegated(question, by, own),
            _ => own,
        }
    }

    fn weigh(&self, engine: &Engine, question: &Question<'_>, moment: &Moment) -> Result<Decision, AuthzError> {
        let Question { subject, action, resource, .. } = question;
        // Taken once for memberships and relations: a look at what is published costs as much as hashing a short key.
        let root = engine.inner.root.load();
        let said = self.beside_at(&root, question, moment)?;
        let who = Principal { admin: said.admin, ..principal(subject)? };
        let permission = action.permission();
        let spot = Spot::of(resource.bucket.map(|bucket| bucket.id), resource.key);
        let answer = engine.check_at(&root, who, permission, resource.tenant, spot, moment)?;
        let decided = |verdict, reason| Ok(Decision { verdict, reason, revision: answer.revision });
        if let Some(reason) = said.denies {
            return decided(Verdict::Deny, reason);
        }
        if answer.denied {
            return decided(Verdict::Deny, Reason::Denied);
        }
        if let (Permission::List, Spot::Bucket(bucket)) = (permission, spot) {
            let given = said.allows.is_some();
            let all = Visible::open(engine, who, Permission::Discover, resource.tenant, bucket, b"", moment)?;
            let mut all = if given { all.given(Relation::Lister) } else { all };
            if (given || answer.allowed) && !all.is_blanket() {
                return decided(Verdict::Deny, Reason::Denied);
            }
        }
        // A relation of the owner's suffices, unless the object is not the owner's or the public is kept out.
        let related =
            answer.allowed && !said.withheld && !self.kept_out(engine, question, (who, permission, spot), moment)?;
        match said.allows {
            Some(_) if related && answer.tenant_admin => decided(Verdict::Allow, Reason::TenantAdmin),
            Some(reason) => decided(Verdict::Allow, reason),
            None if related && answer.tenant_admin => decided(Verdict::Allow, Reason::TenantAdmin),
            None if related => decided(Verdict::Allow, Reason::Granted),
            None => decided(Verdict::Deny, refusal(subject, resource, answer.allowed, said.withheld)),
        }
    }

    /// Whether what a relation allows is void because it is granted to the public and the public is kept out.
    fn kept_out(
        &self,
        engine: &Engine,
        question: &Question<'_>,
        (who, permission, spot): (Principal, Permission, Spot<'_>),
        moment: &Moment,
    ) -> Result<bool, AuthzError> {
        if !restricted(question) {
            return Ok(false);
        }
        let explained = engine.explain(who, permission, question.resource.tenant, spot, moment)?;
        let public = |kind| matches!(kind, Kind::Anyone | Kind::Authenticated);
        Ok(explained.deciding.is_none_or(|deciding| public(deciding.grantee.kind())))
    }

    /// The tenant of a user; `None` for nobody.
    pub(crate) fn tenant_of(&self, user: UserId) -> Result<Option<TenantId>, AuthzError> {
        let Some(engine) = self.engine.as_ref().filter(|_| user != UserId(0)) else { return Ok(None) };
        let snapshot = engine.inner.meta.snapshot()?;
        let Some(row) = snapshot.get(&keys::user(user))? else { return Ok(None) };
        let record = UserRecord::decode(row).map_err(|error| MetaError::Corrupt(error.to_string()))?;
        Ok(Some(record.tenant))
    }
}

/// Whether the bucket keeps everybody out who comes by a public grant from outside its tenant.
pub(crate) fn restricted(question: &Question<'_>) -> bool {
    let Resource { tenant, bucket, .. } = question.resource;
    let blocks = bucket.and_then(|bucket| bucket.public_access_block).unwrap_or_default();
    // Whoever has a share was named: nothing that is granted to the public gives to shares.
    let outside = question.subject.tenant() != Some(tenant) && !matches!(question.subject, Subject::Share(_));
    outside && blocks.has(PublicAccessBlock::RESTRICT_PUBLIC_BUCKETS)
}

/// Why nothing allowed it.
fn refusal(subject: &Subject, resource: &Resource<'_>, related: bool, withheld: bool) -> Reason {
    match subject {
        _ if withheld => Reason::ForeignObject,
        _ if related => Reason::PublicAccessBlocked,
        Subject::Anonymous => Reason::Anonymous,
        Subject::User { tenant, .. } if *tenant != resource.tenant => Reason::ForeignTenant,
        Subject::User { .. } | Subject::Share(_) => Reason::NotGranted,
    }
}

/// Leaves the decision in the request's trail, when it has one: a deny when it cannot be left there.
pub(crate) fn noted(question: &Question<'_>, decision: Decision) -> Decision {
    match &question.context.trail {
        None => decision,
        Some(trail) => trail.note(question, decision),
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
        Subject::User { .. } | Subject::Share(_) => deny(Reason::NotGranted),
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use panthera_base::{BucketId, TenantId, UserId};
    use panthera_meta::records::BucketRecord;

    use super::*;
    use crate::decision::{Action, NoRequest};

    fn decide(subject: &Subject, tenant: u32) -> Decision {
        let context = Context::at(Timestamp(0), IpAddr::from([127, 0, 0, 1]), false);
        let bucket = BucketRecord { id: BucketId(7), tenant: TenantId(tenant), ..BucketRecord::default() };
        let (tenant, key) = (bucket.tenant, Some(&b"k"[..]));
        let resource = Resource { tenant, bucket: Some(&bucket), name: "b", key, object: None };
        let action = Action::GET_OBJECT;
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
