//! What the bearer of a share may do: what the share was granted, while the share's creator could do the same and may
//! still share it. Nothing is handed over for good: the creator's rights are asked at every access.
//!
//! Belongs here: the two sides of a delegated decision. Does not belong here: tokens, expiry, audiences, passwords
//! (crate `front` finds the share); how one subject's rights are decided (`authorizer`).

use panthera_base::{TenantId, Timestamp, UserId};
use panthera_meta::records::BucketRecord;
use panthera_meta::{MetaError, Metastore, keys};

use crate::decision::authorizer::Authorizer;
use crate::decision::listing::{Listing, SEARCHED_WINDOWS};
use crate::decision::{Decision, NotUnderstood, Question, Reason, RequestFacts, Resource, Subject, Verdict};
use crate::error::AuthzError;
use crate::model::{Facts, Grantee, Permission, Place, Relation, Target};
use crate::relations::{Engine, Moment, Principal, Spot, Visible};

/// The share through which a request comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delegation {
    /// The share's tenant, which owns what is shared.
    pub tenant: TenantId,
    /// The share's number.
    pub share: u32,
    /// Who made it.
    pub creator: UserId,
    /// The creator owns or administers the tenant.
    pub creator_admin: bool,
    /// Who uses it, when that is known: tenant and user.
    pub bearer: Option<(TenantId, UserId)>,
}

/// A request through a share, as the owner's policies may ask about it: where a copy comes from is told only when that
/// is a bucket of the owner's. How the bearer calls its own is no business of the owner's.
pub(crate) struct ToOwner<'a> {
    request: &'a dyn RequestFacts,
    meta: &'a dyn Metastore,
    owner: TenantId,
}

impl<'a> ToOwner<'a> {
    pub(crate) fn new(request: &'a dyn RequestFacts, engine: &'a Engine, owner: TenantId) -> Self {
        Self { request, meta: &*engine.inner.meta, owner }
    }

    fn owns(&self, bucket: &[u8]) -> Result<bool, AuthzError> {
        let snapshot = self.meta.snapshot()?;
        let record = snapshot.get(&keys::bucket(bucket))?.map(BucketRecord::decode).transpose();
        Ok(record.map_err(MetaError::from)?.is_some_and(|record| record.tenant == self.owner))
    }
}

impl RequestFacts for ToOwner<'_> {
    fn header(&self, name: &str) -> Option<&str> {
        self.request.header(name)
    }

    fn query(&self, name: &str) -> Option<&str> {
        self.request.query(name)
    }

    fn tags(&self) -> Result<Vec<(String, String)>, NotUnderstood> {
        self.request.tags()
    }

    fn copy_source(&self) -> Result<Option<Vec<u8>>, NotUnderstood> {
        let Some(source) = self.request.copy_source()? else { return Ok(None) };
        let bucket = source.split(|&byte| byte == b'/').next().unwrap_or_default();
        let own = self.owns(bucket).map_err(|_| NotUnderstood)?;
        Ok(own.then_some(source))
    }

    fn location_constraint(&self) -> Result<Option<String>, NotUnderstood> {
        self.request.location_constraint()
    }
}

impl Delegation {
    /// The creator as a subject.
    pub fn creator(&self) -> Subject {
        Subject::User { tenant: self.tenant, user: self.creator, admin: self.creator_admin }
    }
}

impl Authorizer {
    /// The decision for the bearer of a share, once its own relations allow it: the creator must be allowed the same,
    /// and to share it.
    pub(crate) fn delegated(&self, question: &Question<'_>, by: &Delegation, own: Decision) -> Decision {
        let creator = by.creator();
        let same = self.judge(&Question { subject: &creator, ..*question });
        match same.allowed() && self.creator_may_share(question, by) {
            true => own,
            false => Decision { verdict: Verdict::Deny, reason: Reason::CreatorMayNot, revision: own.revision },
        }
    }

    /// Whether the creator of a share may share what is asked about.
    fn creator_may_share(&self, question: &Question<'_>, by: &Delegation) -> bool {
        let Resource { tenant, bucket, key, .. } = question.resource;
        let (Some(engine), Ok(grantee)) = (self.engine(), Grantee::user(by.tenant, by.creator)) else { return false };
        let Some(bucket) = bucket.filter(|_| tenant == by.tenant).map(|bucket| bucket.id) else { return false };
        let who = Principal { grantee, admin: by.creator_admin };
        let spot = key.map_or(Spot::Bucket(bucket), |key| Spot::Object(bucket, key));
        let answer = engine.check(who, Permission::Share, by.tenant, spot, &self.moment(question.context));
        answer.is_ok_and(|answer| answer.allowed)
    }

    /// Whether the bearer of a share may learn that a key is missing, once its own relations say so: who shares it would.
    pub(crate) fn delegated_reveals(&self, question: &Question<'_>, by: &Delegation) -> bool {
        let creator = by.creator();
        self.reveals_alone(&Question { subject: &creator, ..*question }) && self.creator_may_share(question, by)
    }

    /// What a share's listing may show, once its own relations say so: what its creator sees, too, and may share.
    pub(crate) fn delegated_listing(
        &self,
        question: &Question<'_>,
        by: &Delegation,
        own: Listing,
        prefix: &[u8],
    ) -> Listing {
        let revision = self.engine().map_or(0, Engine::revision);
        let refused = Listing::Denied(Decision { verdict: Verdict::Deny, reason: Reason::CreatorMayNot, revision });
        let creator = by.creator();
        let same = self.listing_alone(&Question { subject: &creator, ..*question }, prefix);
        let (Some(engine), Ok(grantee)) = (self.engine(), Grantee::user(by.tenant, by.creator)) else {
            return refused;
        };
        let Some(bucket) = question.resource.bucket.filter(|bucket| bucket.tenant == by.tenant) else {
            return refused;
        };
        let who = Principal { grantee, admin: by.creator_admin };
        let moment = self.moment(question.context);
        let shared = Visible::open(engine, who, Permission::Share, by.tenant, bucket.id, prefix, &moment);
        let (Ok(mut shared), Some(own), Some(same)) = (shared, own.names(), same.names()) else { return refused };
        // Who may share nothing there any more has no share there: an empty page would read as an empty folder.
        if shared.is_empty_within(SEARCHED_WINDOWS) == Some(true) {
            return refused;
        }
        let all = [own, same].into_iter().flatten().fold(shared, Visible::also);
        Listing::Filtered(Box::new(all))
    }

    /// Whether a user is a member of a group whose tenant lets others name it.
    pub fn is_member(&self, user: (TenantId, UserId), group: (TenantId, u32), now: Timestamp) -> bool {
        let (Some(engine), Ok(grantee)) = (self.engine(), Grantee::user(user.0, user.1)) else { return false };
        let who = Principal { grantee, admin: false };
        let target = Target::new(group.0, Place::Group(group.1));
        let moment = Moment { now, facts: Facts::default() };
        let stands = |relation| engine.stands(who, relation, &target, &moment).unwrap_or(false);
        stands(Relation::Member) && stands(Relation::Exported)
    }
}
