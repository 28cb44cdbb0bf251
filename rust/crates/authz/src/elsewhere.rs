//! Where other tenants name a subject: the buckets it may look for outside of its own tenant.
//!
//! Belongs here: finding such places in one root. Does not belong here: whether the subject may do anything there; that
//! is checked bucket by bucket.

use panthera_base::{BucketId, TenantId};

use crate::engine::{Engine, Moment};
use crate::error::AuthzError;
use crate::model::{Grantee, Kind};
use crate::resolve::Principal;

/// Places in other tenants at which a subject is named, or was until lately: rows forget when they are merged.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Elsewhere {
    /// Tenants as a whole, ascending.
    pub tenants: Vec<TenantId>,
    /// Buckets, ascending.
    pub buckets: Vec<(TenantId, BucketId)>,
}

impl Engine {
    /// Where other tenants name the principal: itself, a group or role it is in, or the members of its tenant. What is
    /// open to everybody names nobody. Looks at every bucket that has tuples, at one row for each grantee.
    pub fn named_elsewhere(&self, principal: Principal, moment: &Moment) -> Result<Elsewhere, AuthzError> {
        let own = principal.grantee.tenant();
        let pinned = self.pin(principal, own, None, moment)?;
        let named = |grantee: &Grantee| !matches!(grantee.kind(), Kind::Anyone | Kind::Authenticated | Kind::Itself);
        let all: Vec<Grantee> = pinned.resolved.grantees.iter().map(|(grantee, _)| *grantee).filter(named).collect();
        let mut found = Elsewhere::default();
        for grantee in &all {
            let targets = pinned.root.ids.of_grantee(*grantee).map(|(target, _)| target);
            let others = targets.filter(|target| target.kind() == Kind::Tenant && target.tenant() != own);
            found.tenants.extend(others.map(Grantee::tenant));
        }
        found.tenants.sort_unstable();
        found.tenants.dedup();
        for (number, bucket) in pinned.root.buckets.iter() {
            let (tenant, id) = (TenantId((number >> 32) as u32), BucketId(*number as u32));
            let stands = |grantee: &Grantee| {
                !bucket.base.row(*grantee).is_empty() || bucket.layers().any(|l| l.row(*grantee, b"").next().is_some())
            };
            if tenant != own && all.iter().any(stands) {
                found.buckets.push((tenant, id));
            }
        }
        Ok(found)
    }
}
