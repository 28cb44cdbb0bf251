//! Why a decision is as it is, and who stands where: explain and expand. The same walk as a check, with names.

use panthera_base::{BucketId, TenantId, Timestamp};

use crate::error::AuthzError;
use crate::model::condition::Tri;
use crate::model::permission::Rule;
use crate::model::{Condition, Grantee, Permission, Place, Relation, bits};
use crate::relations::engine::{Answer, Engine, Moment, Pinned, Spot, answer};
use crate::relations::eval::State;
use crate::relations::node::Qualifier;
use crate::relations::resolve::{ALLOW, DENY, Depends, Principal};

/// A relation at a place.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Granted {
    /// Where.
    pub place: Place,
    /// How.
    pub relation: Relation,
    /// Who.
    pub grantee: Grantee,
}

/// An answer with its reason.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Explanation {
    /// The answer.
    pub answer: Answer,
    /// The tuple that decided: the topmost deny that alone takes the permission away, or the nearest allow that alone
    /// gives it. Where only several together do, one of them. `None` when nothing applies, or when what decides is the
    /// subject's key, which says that it administers the tenant.
    pub deciding: Option<Granted>,
}

/// A tuple at a place or above it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Expanded {
    /// The tuple's place, relation and grantee.
    pub granted: Granted,
    /// When it expires.
    pub expires_at: Option<Timestamp>,
    /// What else must be true.
    pub condition: Option<Condition>,
}

/// A place on the way down and its tuples.
type Level = (Place, Vec<(Grantee, Qualifier)>);

impl Engine {
    /// A check that says why.
    pub fn explain(
        &self,
        principal: Principal,
        permission: Permission,
        tenant: TenantId,
        spot: Spot<'_>,
        moment: &Moment,
    ) -> Result<Explanation, AuthzError> {
        spot.validate()?;
        let pinned = self.pin(principal, tenant, spot.bucket(), moment)?;
        let eval = pinned.eval();
        let state = match spot {
            Spot::Tenant => eval.tenant(),
            Spot::Bucket(_) => eval.bucket(),
            Spot::Prefix(_, path) => eval.folder(path, |_, _| {}).0,
            Spot::Object(_, key) => eval.key(key),
        };
        let rule = pinned.rule(permission);
        let answer = answer(rule, &state, pinned.root.revision);
        let deciding = decides(&pinned, rule, spot, (answer.allowed, &state))?;
        Ok(Explanation { answer, deciding })
    }

    /// Every tuple at a place and above it that can bear on a permission there, from the tenant down.
    pub fn expand(&self, tenant: TenantId, spot: Spot<'_>, moment: &Moment) -> Result<Vec<Expanded>, AuthzError> {
        spot.validate()?;
        let nobody = Principal { grantee: Grantee::ANYONE, admin: false };
        let pinned = self.pin(nobody, tenant, spot.bucket(), moment)?;
        let mut all = Vec::new();
        for (place, tuples) in levels(&pinned, spot)? {
            all.extend(tuples.into_iter().map(|(grantee, q)| Expanded {
                granted: Granted { place: place.clone(), relation: q.relation, grantee },
                expires_at: q.expires_at,
                condition: q.condition.map(|c| (*c).clone()),
            }));
        }
        Ok(all)
    }
}

fn decides(
    pinned: &Pinned,
    rule: Rule<'_>,
    spot: Spot<'_>,
    (allowed, state): (bool, &State),
) -> Result<Option<Granted>, AuthzError> {
    // Denies from the top down; of the allows all that are not cut, the nearest last.
    let mut found: Vec<Granted> = Vec::new();
    for (place, tuples) in levels(pinned, spot)? {
        let isolated = tuples.iter().any(|(_, q)| q.relation == Relation::Isolated);
        if isolated && allowed {
            found.retain(|g| match g.place {
                Place::Tenant => chief(g),
                Place::Bucket(_) => g.relation == Relation::Owner,
                _ => false,
            });
        }
        // Who owns or administers the tenant is what its tuple there says.
        let chief = place == Place::Tenant && rule.allows() & bits::TENANT_ADMIN != 0;
        let gives = rule.allows() | if chief { bits::OWNER | bits::ADMIN } else { 0 };
        for (grantee, qualifier) in tuples {
            let strata = pinned.resolved.holds(grantee);
            let holds = Depends::default().on(&qualifier, pinned.moment.now, &pinned.moment.facts);
            let relevant = if allowed {
                strata & ALLOW != 0 && holds == Tri::True && qualifier.relation.bit() & gives != 0
            } else {
                strata & DENY != 0 && holds != Tri::False && qualifier.relation.bit() & rule.denies() != 0
            };
            if relevant {
                found.push(Granted { place: place.clone(), relation: qualifier.relation, grantee });
            }
        }
    }
    // A permission may be had in several ways, and each be closed by another deny: what is named should decide alone.
    let alone = |g: &Granted| match (allowed, chief(g)) {
        (true, true) => rule.holds(g.relation.bit() | bits::TENANT_ADMIN, state.deny),
        (true, false) => rule.holds(g.relation.bit(), state.deny),
        (false, _) => !rule.holds(state.allow, g.relation.bit()),
    };
    let at = if allowed { found.iter().rposition(alone) } else { found.iter().position(alone) };
    let by_key = allowed && pinned.resolved.administers() && rule.holds(bits::ADMIN | bits::TENANT_ADMIN, state.deny);
    let otherwise = if allowed { found.len().checked_sub(1).filter(|_| !by_key) } else { Some(0) };
    Ok(at.or(otherwise).filter(|&at| at < found.len()).map(|at| found.swap_remove(at)))
}

/// Whether it makes its subject the tenant's owner or an administrator of it.
fn chief(granted: &Granted) -> bool {
    granted.place == Place::Tenant && granted.relation.bit() & (bits::OWNER | bits::ADMIN) != 0
}

/// The tuples of the tenant, the bucket, each prefix and the object, from the top down.
pub(crate) fn levels(pinned: &Pinned, spot: Spot<'_>) -> Result<Vec<Level>, AuthzError> {
    let mut all = vec![(Place::Tenant, on_tenant(pinned)?)];
    let Some(number) = spot.bucket() else { return Ok(all) };
    let Some(bucket) = pinned.root.bucket(pinned.tenant, number) else { return Ok(all) };
    let mut add = |place: fn(BucketId, &[u8]) -> Place, path: &[u8], hash: u128| {
        if let Some(view) = bucket.find(hash) {
            all.push((place(number, path), view.tuples()));
        }
    };
    add(|bucket, _| Place::Bucket(bucket), &[], pinned.name.bucket());
    if let Spot::Prefix(_, path) | Spot::Object(_, path) = spot {
        let mut walk = pinned.name.walk(path);
        while let Some((prefix, hash)) = walk.next_prefix() {
            add(|bucket, path| Place::Prefix(bucket, path.to_vec()), prefix, hash);
        }
        if matches!(spot, Spot::Object(..)) {
            add(|bucket, path| Place::Object(bucket, path.to_vec()), path, walk.object());
        }
    }
    Ok(all)
}

fn on_tenant(pinned: &Pinned) -> Result<Vec<(Grantee, Qualifier)>, AuthzError> {
    let target = Grantee::tenant_target(pinned.tenant)?;
    let mut tuples = Vec::new();
    for (grantee, edge) in pinned.root.ids.of_target(target, Grantee::ITSELF) {
        for relation in Relation::of_mask(edge.mask) {
            tuples.push((grantee, Qualifier { relation, expires_at: None, condition: None }));
        }
        tuples.extend(edge.qualifiers.iter().map(|q| (grantee, q.clone())));
    }
    Ok(tuples)
}
