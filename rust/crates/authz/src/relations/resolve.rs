//! Who a subject is, seen from the tenant that owns the resource: itself, the classes it belongs to, every group and
//! role it is in. Computed once per change of any membership and kept; a request then only looks grantees up.

use std::collections::HashMap;
use std::sync::Arc;

use panthera_base::{TenantId, Timestamp};

use crate::error::AuthzError;
use crate::hash::{BySpread, SPREAD};
use crate::kept::Kept;
use crate::model::condition::Tri;
use crate::model::{Facts, Grantee, Kind, bits};
use crate::relations::ids::{GROUPS_PER_SUBJECT, IdEdge, Ids};
use crate::relations::node::{QUALIFIED, Qualifier};

/// Counts for allows.
pub(crate) const ALLOW: u8 = 1;
/// Counts for denies. A membership that may or may not hold counts only here.
pub(crate) const DENY: u8 = 2;

/// Grantees of the tenant itself up to which all are looked at; beyond, each of the subject's is looked up.
const SCANNED: usize = 32;

/// Who asks: a user, service or bearer of a share, or [`Grantee::ANYONE`] for nobody.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Principal {
    /// As a grantee.
    pub grantee: Grantee,
    /// Its key says that it owns or administers its tenant.
    pub admin: bool,
}

/// A qualifier's outcome at a moment, with what it depended on.
#[derive(Clone, Copy, Default)]
pub(crate) struct Depends {
    /// The first moment at which an expiry changes the answer; 0 for never.
    pub(crate) valid_until: u64,
    /// A condition was evaluated.
    pub(crate) conditional: bool,
    /// An expiry had passed: the answer does not hold for an earlier moment.
    pub(crate) expired: bool,
}

impl Depends {
    /// Evaluates one qualifier.
    pub(crate) fn on(&mut self, qualifier: &Qualifier, now: Timestamp, facts: &Facts) -> Tri {
        if let Some(at) = qualifier.expires_at {
            if now >= at {
                self.expired = true;
                return Tri::False;
            }
            self.sooner(at.0);
        }
        match &qualifier.condition {
            None => Tri::True,
            Some(condition) => {
                self.conditional = true;
                condition.evaluate(now, facts)
            }
        }
    }

    fn sooner(&mut self, at: u64) {
        if at != 0 && (self.valid_until == 0 || at < self.valid_until) {
            self.valid_until = at;
        }
    }

    /// Whether an answer that was computed for one moment holds at another.
    pub(crate) fn fits(&self, at: Timestamp, now: Timestamp) -> bool {
        (self.valid_until == 0 || now.0 < self.valid_until) && (!self.expired || now >= at)
    }

    /// Takes over what another answer depended on.
    pub(crate) fn and(&mut self, other: Depends) {
        self.sooner(other.valid_until);
        self.conditional |= other.conditional;
        self.expired |= other.expired;
    }
}

/// Groups and roles, and whether every edge to them surely holds.
pub(crate) type Reached = HashMap<Grantee, bool, BySpread>;

/// A subject as one tenant's resources see it.
pub(crate) struct Resolved {
    principal: Principal,
    tenant: TenantId,
    /// Generation and revision of the memberships it was computed from.
    stamp: (u64, u64),
    /// The moment it was computed for.
    at: Timestamp,
    pub(crate) depends: Depends,
    /// Ascending.
    pub(crate) grantees: Vec<(Grantee, u8)>,
    /// The same as a table with open addressing; `u64::MAX` is an empty place.
    table: Box<[(u64, u8)]>,
    /// One bit for each grantee's hash: most of the others are told apart without the table.
    sieve: u64,
    /// Allows and denies on the tenant itself.
    pub(crate) allow: u32,
    pub(crate) deny: u32,
}

impl Resolved {
    /// Whether the subject's key says that it administers this tenant: an allow that no tuple gives.
    pub(crate) fn administers(&self) -> bool {
        self.principal.admin && self.principal.grantee.tenant() == self.tenant
    }

    /// For which strata a grantee stands for this subject; 0 for neither.
    #[inline]
    pub(crate) fn holds(&self, grantee: Grantee) -> u8 {
        let bits = grantee.bits();
        let spread = bits.wrapping_mul(SPREAD);
        if self.sieve & 1 << (spread >> 58) == 0 {
            return 0;
        }
        let mask = self.table.len() - 1;
        let mut at = (spread >> 32) as usize & mask;
        loop {
            let (found, strata) = self.table[at];
            if found == bits {
                return strata;
            }
            if found == u64::MAX {
                return 0;
            }
            at = (at + 1) & mask;
        }
    }

    fn seal(&mut self) {
        let size = (self.grantees.len() * 2 + 1).next_power_of_two();
        let mut table = vec![(u64::MAX, 0); size].into_boxed_slice();
        for (grantee, strata) in &self.grantees {
            let spread = grantee.bits().wrapping_mul(SPREAD);
            self.sieve |= 1 << (spread >> 58);
            let mut at = (spread >> 32) as usize & (size - 1);
            while table[at].0 != u64::MAX {
                at = (at + 1) & (size - 1);
            }
            table[at] = (grantee.bits(), *strata);
        }
        self.table = table;
    }
}

/// Computes a subject's grantees.
pub(crate) fn resolve(
    ids: &Ids,
    stamp: (u64, u64),
    principal: Principal,
    tenant: TenantId,
    now: Timestamp,
    facts: &Facts,
) -> Result<Resolved, AuthzError> {
    let mut own = vec![Grantee::ITSELF, Grantee::ANYONE];
    let (subject, mut reached, mut depends) = (principal.grantee, Reached::default(), Depends::default());
    match subject.kind() {
        Kind::User | Kind::Service => {
            own.extend([Grantee::AUTHENTICATED, Grantee::tenant_member(subject.tenant())?, subject]);
            depends = memberships(ids, subject, now, facts, &mut reached)?;
        }
        Kind::Share => own.push(subject),
        _ => {}
    }
    // A share gives what it was granted: what everybody may is not the share's, what nobody may is not either.
    let public = |g| subject.kind() == Kind::Share && g == Grantee::ANYONE;
    let strata = |g| if public(g) { DENY } else { ALLOW | DENY };
    let mut grantees: Vec<(Grantee, u8)> = own.into_iter().map(|g| (g, strata(g))).collect();
    for (&group, &sure) in &reached {
        // Another tenant's group gives rights here only while its owner exports it; what it takes away, it takes away.
        let usable = ids.usable(group, tenant);
        grantees.push((group, if sure && usable { ALLOW | DENY } else { DENY }));
    }
    grantees.sort_unstable();
    let mut resolved = Resolved {
        principal,
        tenant,
        stamp,
        at: now,
        depends,
        grantees,
        table: Box::default(),
        sieve: 0,
        allow: 0,
        deny: 0,
    };
    resolved.seal();
    on_tenant(ids, &mut resolved, now, facts)?;
    Ok(resolved)
}

/// Every group and role that a user or service is in, and whether every edge to it surely holds.
pub(crate) fn memberships(
    ids: &Ids,
    subject: Grantee,
    now: Timestamp,
    facts: &Facts,
    reached: &mut Reached,
) -> Result<Depends, AuthzError> {
    let todo = vec![(Grantee::tenant_member(subject.tenant())?, true), (subject, true)];
    let mut climb = Climb { ids, now, facts, depends: Depends::default(), reached, todo };
    climb.run()?;
    Ok(climb.depends)
}

/// Adds what is granted and denied on the tenant itself.
fn on_tenant(ids: &Ids, resolved: &mut Resolved, now: Timestamp, facts: &Facts) -> Result<(), AuthzError> {
    let target = Grantee::tenant_target(resolved.tenant)?;
    let (mut allow, mut deny, mut depends) = (0, 0, Depends::default());
    let mut add = |strata: u8, edge: IdEdge<'_>| {
        let (mut sure, mut possible) = (edge.mask, edge.mask);
        for qualifier in edge.qualifiers {
            match depends.on(qualifier, now, facts) {
                Tri::True => {
                    sure |= qualifier.relation.bit();
                    possible |= qualifier.relation.bit();
                }
                Tri::Unknown => possible |= qualifier.relation.bit(),
                Tri::False => {}
            }
        }
        allow |= if strata & ALLOW != 0 { sure } else { 0 };
        deny |= if strata & DENY != 0 { possible } else { 0 };
    };
    if ids.of_target(target, Grantee::ITSELF).take(SCANNED + 1).count() <= SCANNED {
        ids.of_target(target, Grantee::ITSELF).for_each(|(g, edge)| add(resolved.holds(g), edge));
    } else {
        for (grantee, strata) in &resolved.grantees {
            add(*strata, ids.get(target, *grantee));
        }
    }
    if resolved.administers() {
        allow |= bits::ADMIN;
    }
    if allow & (bits::OWNER | bits::ADMIN) != 0 {
        allow |= bits::TENANT_ADMIN;
    }
    (resolved.allow, resolved.deny) = (allow, deny);
    resolved.depends.and(depends);
    Ok(())
}

/// The walk up from a subject.
struct Climb<'a> {
    ids: &'a Ids,
    now: Timestamp,
    facts: &'a Facts,
    depends: Depends,
    reached: &'a mut Reached,
    todo: Vec<(Grantee, bool)>,
}

impl Climb<'_> {
    fn run(&mut self) -> Result<(), AuthzError> {
        while let Some((member, sure)) = self.todo.pop() {
            let ids = self.ids;
            for (container, edge) in ids.of_grantee(member).filter(|(t, _)| t.is_container()) {
                match self.edge(member, container, &edge) {
                    Tri::True => self.reach(container, sure)?,
                    Tri::Unknown => self.reach(container, false)?,
                    Tri::False => {}
                }
            }
        }
        Ok(())
    }

    fn edge(&mut self, member: Grantee, container: Grantee, edge: &IdEdge<'_>) -> Tri {
        let outcome = if edge.mask & bits::CONTAINS != 0 {
            Tri::True
        } else if edge.mask & QUALIFIED == 0 {
            Tri::False
        } else {
            let found = edge.qualifiers.iter().find(|q| q.relation.bit() & bits::CONTAINS != 0);
            found.map_or(Tri::False, |q| self.depends.on(q, self.now, self.facts))
        };
        match outcome {
            // What may not give any more may still take away: to hide or close a group must open nothing.
            Tri::True if !self.ids.crosses(member, container) => Tri::Unknown,
            outcome => outcome,
        }
    }

    /// Everything the closure says about a container, and on to its edges that the closure leaves out.
    fn reach(&mut self, container: Grantee, sure: bool) -> Result<(), AuthzError> {
        let ids = self.ids;
        let own = [container];
        for &group in ids.above_ref(&container).unwrap_or(&own) {
            match self.reached.get_mut(&group) {
                Some(known) if *known || !sure => continue,
                Some(known) => *known = true,
                None => drop(self.reached.insert(group, sure)),
            }
            if self.reached.len() > GROUPS_PER_SUBJECT {
                return Err(AuthzError::Limit(format!("a subject is in more than {GROUPS_PER_SUBJECT} groups")));
            }
            if ids.is_special(group) {
                self.todo.push((group, sure));
            }
        }
        Ok(())
    }
}

/// Resolved subjects. An entry is used only when it is the asked one and its stamp is the present one.
pub(crate) struct Memo(Kept<Resolved>);

/// Places of the memo: a busy gateway's subjects of some minutes, at most about 16 MiB at a dozen groups each.
pub(crate) const MEMO_PLACES: usize = 1 << 14;

impl Memo {
    /// An empty one; with no places it never remembers.
    pub(crate) fn new(places: usize) -> Self {
        Self(Kept::new(places))
    }

    /// Hits and misses.
    pub(crate) fn totals(&self) -> (u64, u64) {
        self.0.counts.totals()
    }

    /// Runs with the subject resolved, from memory or anew.
    pub(crate) fn with<R>(
        &self,
        ids: (&Ids, (u64, u64)),
        principal: Principal,
        tenant: TenantId,
        at: (Timestamp, &Facts),
        run: impl FnOnce(&Resolved) -> R,
    ) -> Result<R, AuthzError> {
        let hash = hash_of(principal, tenant);
        let known = self.0.find(hash, |r| fits(r, ids.1, principal, tenant, at.0));
        if let Some(known) = known.as_ref().and_then(|known| known.as_ref()) {
            return Ok(run(known));
        }
        let resolved = Arc::new(resolve(ids.0, ids.1, principal, tenant, at.0, at.1)?);
        // What hung on a condition is another answer for the next request.
        if !resolved.depends.conditional {
            self.0.put(hash, Arc::clone(&resolved), |r| r.principal == principal && r.tenant == tenant);
        }
        Ok(run(&resolved))
    }

    /// The subject resolved, to keep for a while.
    pub(crate) fn get(
        &self,
        ids: (&Ids, (u64, u64)),
        principal: Principal,
        tenant: TenantId,
        at: (Timestamp, &Facts),
    ) -> Result<Arc<Resolved>, AuthzError> {
        let known = self.0.find(hash_of(principal, tenant), |r| fits(r, ids.1, principal, tenant, at.0));
        if let Some(known) = known.as_ref().and_then(|known| known.as_ref()) {
            return Ok(Arc::clone(known));
        }
        resolve(ids.0, ids.1, principal, tenant, at.0, at.1).map(Arc::new)
    }
}

fn hash_of(principal: Principal, tenant: TenantId) -> u64 {
    (principal.grantee.bits() ^ u64::from(tenant.0) << 17).wrapping_mul(SPREAD) >> 33
}

fn fits(known: &Resolved, stamp: (u64, u64), principal: Principal, tenant: TenantId, now: Timestamp) -> bool {
    known.stamp == stamp && known.principal == principal && known.tenant == tenant && known.depends.fits(known.at, now)
}
