//! Where relations name a subject: the buckets in which it may have a right at all, in its own tenant and in others.
//!
//! Belongs here: finding such places in one root. Does not belong here: whether the subject may do anything there; that
//! is checked bucket by bucket (`buckets`).

use panthera_base::{BucketId, TenantId};

use crate::error::AuthzError;
use crate::model::{Grantee, Kind};
use crate::relations::bucket::bucket_key;
use crate::relations::engine::{Engine, Moment, Pinned};
use crate::relations::resolve::Principal;

/// Tenants and buckets that relations name a subject for. What is open to everybody counts in the subject's own tenant:
/// elsewhere it names nobody, and nobody's list of buckets would end.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Standing {
    /// Other tenants as a whole, ascending.
    pub tenants: Vec<TenantId>,
    /// Buckets, ascending.
    pub buckets: Vec<(TenantId, BucketId)>,
}

impl Standing {
    /// Whether the bucket is among them.
    pub fn has(&self, tenant: TenantId, bucket: BucketId) -> bool {
        self.buckets.binary_search(&(tenant, bucket)).is_ok()
    }

    /// Costs what is found, whatever else there is.
    pub(crate) fn of(pinned: &Pinned) -> Self {
        let (own, root) = (pinned.tenant, &pinned.root);
        let mut found = Self::default();
        for &(grantee, _) in pinned.resolved.grantees.iter().filter(|(g, _)| g.kind() != Kind::Itself) {
            if matches!(grantee.kind(), Kind::Anyone | Kind::Authenticated) {
                let here = root.stands_in(grantee, bucket_key(own, BucketId(0)));
                found.buckets.extend(here.take_while(|(tenant, _)| *tenant == own));
                continue;
            }
            found.buckets.extend(root.stands_in(grantee, 0));
            let targets = root.ids.of_grantee(grantee).map(|(target, _)| target);
            let others = targets.filter(|target| target.kind() == Kind::Tenant && target.tenant() != own);
            found.tenants.extend(others.map(Grantee::tenant));
        }
        found.tenants.sort_unstable();
        found.tenants.dedup();
        found.buckets.sort_unstable();
        found.buckets.dedup();
        found
    }
}

impl Engine {
    /// Where relations name the principal: itself, a group or role it is in, the members of its tenant; and in its own
    /// tenant everybody.
    pub fn standing(&self, principal: Principal, moment: &Moment) -> Result<Standing, AuthzError> {
        let own = principal.grantee.tenant();
        Ok(Standing::of(&self.pin(principal, own, None, moment)?))
    }
}
