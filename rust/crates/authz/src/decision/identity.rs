//! Identities: the policies that hang on a user and on the groups it is in, its boundary, its tags and its names.
//!
//! Belongs here: reading rows `U`, `i` and `P` and keeping what was read. Does not belong here: what a policy says
//! (`policy`), and how it weighs against the rest (`authorizer`).
//!
//! Kept entries are stamped, not timed: with the generation of the rows, read *before* the snapshot they come from, and
//! with the memberships they were computed from. Who changes such rows calls [`Identities::changed`] after the commit and
//! before it answers, so that once a change has returned no entry from before it fits.

use std::ops::Deref;
use std::sync::{Arc, LazyLock};

use panthera_base::{TenantId, Timestamp, UserId};
use panthera_meta::keys::{self, PrincipalOf, kind};
use panthera_meta::records::{IdentityRecord, ManagedPolicyRecord, UserRecord};
use panthera_meta::{Batch, Metastore, Op, Snapshot};

use crate::decision::Subject;
use crate::error::AuthzError;
use crate::hash::SPREAD;
use crate::kept::Kept;
use crate::model::{Grantee, Kind};
use crate::relations::{CacheRow, Depends, Engine, Moment, Reached, Root, memberships};
use crate::sync::{AtomicU64, Guard, Ordering};

/// Kinds of rows that identities are read from.
const READ: [u8; 3] = [kind::USER, kind::IDENTITY, kind::MANAGED_POLICY];

/// Places for users and groups whose own policies are kept, what a change of memberships alone does not read again: a
/// quarter of those of users.
const fn holder_places(places: usize) -> usize {
    if cfg!(feature = "model") && places > 0 { 64 } else { places / 4 }
}

/// A policy that applies to a user.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct IdentityPolicy<'a> {
    /// Its name, for explanations: unique only together with whose it is.
    pub name: &'a str,
    /// The group it comes from; `None` when it hangs on the user itself.
    pub group: Option<u32>,
    /// What `policy::Policy` reads. What it refuses must deny.
    pub compiled: &'a [u8],
    /// Whether what it allows counts. It does not when the membership it comes by may hold or not: then only what it
    /// denies does.
    pub grants: bool,
}

/// What a user is and has as an identity.
#[derive(Debug, Default)]
pub struct Identity {
    username: Option<String>,
    user_id: String,
    arn: String,
    own: Arc<Holding>,
    groups: Vec<(u32, bool, Arc<Holding>)>,
}

impl Identity {
    /// The policies of the user and of its groups.
    pub fn policies(&self) -> impl Iterator<Item = IdentityPolicy<'_>> {
        let own = self.own.policies.iter().map(|(name, compiled)| (name, compiled, None, true));
        let groups = self.groups.iter().flat_map(|(group, grants, holding)| {
            holding.policies.iter().map(|(name, compiled)| (name, compiled, Some(*group), *grants))
        });
        own.chain(groups).map(|(name, compiled, group, grants)| IdentityPolicy { name, group, compiled, grants })
    }

    /// Whether no policy bears on it: most identities.
    pub fn is_plain(&self) -> bool {
        self.own.policies.is_empty() && self.own.boundary.is_none() && self.groups.is_empty()
    }

    /// The compiled policy without whose Allow nothing is allowed; `None` when nothing bounds the user.
    pub fn boundary(&self) -> Option<&[u8]> {
        self.own.boundary.as_deref()
    }

    /// `aws:username`. The root user has none, as in AWS.
    pub fn username(&self) -> Option<&str> {
        self.username.as_deref()
    }

    /// `aws:userid`: Amazon's unique id of the user; of the root user the account's id.
    pub fn user_id(&self) -> &str {
        &self.user_id
    }

    /// `aws:PrincipalArn`.
    pub fn arn(&self) -> &str {
        &self.arn
    }

    /// `aws:PrincipalTag/key`. The case of ASCII letters in keys does not matter (IAM: tag keys are not case-sensitive).
    pub fn tag(&self, key: &str) -> Option<&str> {
        self.own.tags.iter().find(|(name, _)| name.eq_ignore_ascii_case(key)).map(|(_, value)| &**value)
    }
}

/// What hangs on one user or group.
#[derive(Debug, Default)]
struct Holding {
    policies: Vec<(String, Vec<u8>)>,
    boundary: Option<Vec<u8>>,
    tags: Vec<(String, String)>,
}

struct KeptHolding {
    holder: (TenantId, PrincipalOf, u32),
    generation: u64,
    holding: Arc<Holding>,
}

struct KeptIdentity {
    user: (TenantId, UserId),
    generation: u64,
    memberships: (u64, u64),
    at: Timestamp,
    depends: Depends,
    identity: Identity,
}

/// An identity for as long as one decision takes.
pub struct Held(Inner);

enum Inner {
    Nobody,
    Kept(Guard<Option<Arc<KeptIdentity>>>),
    Fresh(Arc<KeptIdentity>),
}

impl Deref for Held {
    type Target = Identity;

    fn deref(&self) -> &Identity {
        static NOBODY: LazyLock<Identity> = LazyLock::new(Identity::default);
        match &self.0 {
            Inner::Kept(kept) => kept.as_ref().map_or(&NOBODY, |kept| &kept.identity),
            Inner::Fresh(kept) => &kept.identity,
            Inner::Nobody => &NOBODY,
        }
    }
}

/// The identities of a store.
pub struct Identities {
    meta: Arc<dyn Metastore>,
    engine: Engine,
    /// Counts changes of the rows that identities are read from.
    generation: AtomicU64,
    users: Kept<KeptIdentity>,
    holders: Kept<KeptHolding>,
}

impl Identities {
    /// Over a store and the engine that knows who is in which group.
    pub fn new(meta: Arc<dyn Metastore>, engine: Engine) -> Self {
        let places = engine.inner.settings.identity_places;
        let (users, holders) = (Kept::new(places), Kept::new(holder_places(places)));
        Self { meta, engine, generation: AtomicU64::new(0), users, holders }
    }

    /// The caches by name, with their hits and misses.
    pub fn caches(&self) -> [CacheRow; 2] {
        [("identities", self.users.counts.totals()), ("policies", self.holders.counts.totals())]
    }

    /// Whether a batch changes rows that identities are read from.
    pub fn concerns(batch: &Batch) -> bool {
        batch.ops.iter().any(|op| match op {
            Op::Put { key, .. } | Op::Delete { key, .. } | Op::Add { key, .. } => {
                key.first().is_some_and(|kind| READ.contains(kind))
            }
            Op::DeleteRange(range) => READ.iter().any(|&kind| range.start < vec![kind + 1] && range.end > vec![kind]),
        })
    }

    /// To be called after a commit that [`Self::concerns`] this, and before anybody is told of it; also after one of
    /// which is not known whether it happened.
    pub fn changed(&self) {
        self.generation.fetch_add(1, Ordering::AcqRel);
    }

    /// Who a subject is and which policies apply to it. An error, of a store, of damaged rows, of a user that is disabled
    /// or missing, must deny.
    pub fn for_subject(&self, subject: &Subject, moment: &Moment) -> Result<Held, AuthzError> {
        self.at(&self.engine.inner.root.load(), subject, moment)
    }

    /// The same with the memberships of a root that was published a moment ago.
    pub(crate) fn at(&self, root: &Root, subject: &Subject, moment: &Moment) -> Result<Held, AuthzError> {
        let Subject::User { tenant, user, .. } = *subject else { return Ok(Held(Inner::Nobody)) };
        // Before the snapshot: an entry may be older than its stamp says, never newer.
        let generation = self.generation.load(Ordering::Acquire);
        let hash = spread(tenant.0, user.0);
        let (_, memberships) = root.membership();
        let fits = |kept: &KeptIdentity| {
            kept.user == (tenant, user)
                && kept.generation == generation
                && kept.memberships == memberships
                && kept.depends.fits(kept.at, moment.now)
        };
        if let Some(kept) = self.users.find(hash, fits) {
            return Ok(Held(Inner::Kept(kept)));
        }
        let fresh = Arc::new(self.read((tenant, user), generation, moment)?);
        // What hung on a condition is another answer for the next request.
        if !fresh.depends.conditional {
            self.users.put(hash, Arc::clone(&fresh), |kept| kept.user == (tenant, user));
        }
        Ok(Held(Inner::Fresh(fresh)))
    }

    fn read(
        &self,
        (tenant, user): (TenantId, UserId),
        generation: u64,
        moment: &Moment,
    ) -> Result<KeptIdentity, AuthzError> {
        let (groups, depends, memberships) = self.engine.groups_of(Grantee::user(tenant, user)?, moment)?;
        let snapshot = self.meta.snapshot()?;
        let mut identity = names(&*snapshot, tenant, user)?;
        if identity.username.is_none() {
            // The root user is subject to no policy: nobody locks the last door from inside.
            return Ok(KeptIdentity {
                user: (tenant, user),
                generation,
                memberships,
                at: moment.now,
                depends,
                identity,
            });
        }
        identity.own = self.holding(&*snapshot, (tenant, PrincipalOf::User, user.0), generation)?;
        for (group, grants) in groups {
            let holding = self.holding(&*snapshot, (tenant, PrincipalOf::Group, group), generation)?;
            if !holding.policies.is_empty() {
                identity.groups.push((group, grants, holding));
            }
        }
        Ok(KeptIdentity { user: (tenant, user), generation, memberships, at: moment.now, depends, identity })
    }

    /// What hangs on one user or group, from memory or the store.
    fn holding(
        &self,
        snapshot: &dyn Snapshot,
        holder: (TenantId, PrincipalOf, u32),
        generation: u64,
    ) -> Result<Arc<Holding>, AuthzError> {
        let hash = holder_spread(holder);
        let kept = self.holders.find(hash, |kept| kept.holder == holder && kept.generation == generation);
        if let Some(kept) = kept.as_ref().and_then(|kept| kept.as_ref()) {
            return Ok(Arc::clone(&kept.holding));
        }
        let holding = Arc::new(read_holding(snapshot, holder)?);
        let fresh = Arc::new(KeptHolding { holder, generation, holding: Arc::clone(&holding) });
        self.holders.put(hash, fresh, |kept| kept.holder == holder);
        Ok(holding)
    }
}

/// Spreads a number within a tenant over the places.
fn spread(tenant: u32, number: u32) -> u64 {
    (u64::from(tenant) << 32 | u64::from(number)).wrapping_mul(SPREAD) >> 40
}

/// The same for who holds policies: a user, a group and a role of one number are at three places.
fn holder_spread((tenant, of, number): (TenantId, PrincipalOf, u32)) -> u64 {
    spread(tenant.0 << 3 | of as u32, number)
}

fn names(snapshot: &dyn Snapshot, tenant: TenantId, user: UserId) -> Result<Identity, AuthzError> {
    let Some(row) = snapshot.get(&keys::user(user))? else {
        return Err(AuthzError::Invalid(format!("there is no user {user}")));
    };
    let record = UserRecord::decode(row).map_err(panthera_meta::MetaError::from)?;
    if record.tenant != tenant || record.disabled {
        return Err(AuthzError::Invalid(format!("user {user} is disabled, or not of tenant {tenant}")));
    }
    let account = format!("{:012}", tenant.0);
    let mut identity = Identity::default();
    if record.root {
        identity.arn = format!("arn:aws:iam::{account}:root");
        identity.user_id = account;
    } else {
        identity.arn = format!("arn:aws:iam::{account}:user/{}", record.name);
        identity.user_id = unique_id(&record.canonical_id);
        identity.username = Some(record.name);
    }
    Ok(identity)
}

/// A user's id in Amazon's form: `AIDA` and 17 letters and digits, 85 bits of the canonical id, which is never reused.
fn unique_id(canonical_id: &[u8; 32]) -> String {
    const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let letters = canonical_id.iter().take(17).map(|byte| char::from(ALPHABET[usize::from(byte % 32)]));
    "AIDA".chars().chain(letters).collect()
}

fn read_holding(
    snapshot: &dyn Snapshot,
    (tenant, of, number): (TenantId, PrincipalOf, u32),
) -> Result<Holding, AuthzError> {
    let Some(row) = snapshot.get(&keys::identity(tenant, of, number))? else { return Ok(Holding::default()) };
    let record = IdentityRecord::decode(row).map_err(panthera_meta::MetaError::from)?;
    let managed = |name: &str| -> Result<Vec<u8>, AuthzError> {
        let Some(row) = snapshot.get(&keys::managed_policy(tenant, name.as_bytes()))? else {
            return Err(AuthzError::Invalid(format!("policy {name} of tenant {tenant} is attached and missing")));
        };
        Ok(ManagedPolicyRecord::decode(row).map_err(panthera_meta::MetaError::from)?.compiled)
    };
    let mut holding = Holding { tags: record.tags, ..Holding::default() };
    for policy in record.inline {
        holding.policies.push((policy.name, policy.compiled));
    }
    for name in record.attached {
        let compiled = managed(&name)?;
        holding.policies.push((name, compiled));
    }
    holding.boundary = record.boundary.as_deref().map(managed).transpose()?;
    Ok(holding)
}

impl Engine {
    /// The groups of its own tenant that a user is in, ascending, and whether surely; what that depends on; and the stamp
    /// of the memberships. Another tenant's group gives its members nothing here: its owner could take away, too.
    #[allow(clippy::type_complexity)]
    fn groups_of(&self, user: Grantee, moment: &Moment) -> Result<(Vec<(u32, bool)>, Depends, (u64, u64)), AuthzError> {
        let root = self.inner.root.load();
        let (ids, stamp) = root.membership();
        let mut reached = Reached::default();
        let depends = memberships(ids, user, moment.now, &moment.facts, &mut reached)?;
        let own = reached.iter().filter(|(g, _)| g.kind() == Kind::Group && g.tenant() == user.tenant());
        let mut groups: Vec<(u32, bool)> = own.map(|(group, sure)| (group.id(), *sure)).collect();
        groups.sort_unstable();
        Ok((groups, depends, stamp))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::relations::engine::IDENTITY_PLACES;

    /// With another user in it, each takes the other's place at every request otherwise, and is read from the store every time.
    #[test]
    fn a_user_and_a_group_of_one_number_do_not_share_a_pair() {
        let meets = |number: &u32| {
            let place = |of| (holder_spread((TenantId(1), of, *number)) % holder_places(IDENTITY_PLACES) as u64) & !1;
            place(PrincipalOf::User) == place(PrincipalOf::Group)
        };
        assert!((1..1000).filter(meets).count() < 10);
    }
}
