//! The oracle: the rules of authz.md over a plain list of tuples, by sets and repetition. Shares no code with the
//! engine beyond the words of the model, has no index, no cache and no bytes of rows.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use panthera_authz::{
    Condition, Facts, Grantee, Kind, Moment, Permission, Place, Principal, Relation, Target, Tuple, TupleKey,
};
use panthera_base::{BucketId, TenantId};

use crate::schemas::Plain;

#[derive(Clone, Default)]
pub(crate) struct Naive {
    pub tuples: Vec<Tuple>,
    /// Of the tenants that have one of their own.
    pub schemas: BTreeMap<TenantId, Plain>,
}

/// Yes, no, cannot be known.
type Answer = Option<bool>;

fn both(a: Answer, b: Answer) -> Answer {
    match (a, b) {
        (Some(false), _) | (_, Some(false)) => Some(false),
        (Some(true), Some(true)) => Some(true),
        _ => None,
    }
}

fn bits_of(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(v4) => v4.octets().iter().map(|b| format!("{b:08b}")).collect(),
        IpAddr::V6(v6) => v6.octets().iter().map(|b| format!("{b:08b}")).collect(),
    }
}

fn condition_holds(condition: &Condition, moment: &Moment) -> Answer {
    let Facts { source_ip, tls, mfa_at } = moment.facts;
    let mut all = Some(true);
    if !condition.networks.is_empty() {
        all = both(
            all,
            source_ip.map(|ip| {
                condition.networks.iter().any(|n| {
                    let (net, ip) = (bits_of(n.address), bits_of(ip));
                    net.len() == ip.len() && net[..n.bits as usize] == ip[..n.bits as usize]
                })
            }),
        );
    }
    if condition.tls {
        all = both(all, tls);
    }
    if let Some(secs) = condition.mfa_secs {
        let age = |at: u64| moment.now.0.checked_sub(at);
        let fresh = mfa_at.map(|at| at.and_then(|at| age(at.0)).is_some_and(|age| age <= u64::from(secs) * 1_000_000));
        all = both(all, fresh);
    }
    if let Some(w) = condition.window {
        let minute = (moment.now.0 / 60_000_000) as u16 % 1440;
        assert_eq!(w.weekdays, 127, "the oracle's worlds have windows of every day");
        let inside = if w.from_minute < w.to_minute {
            minute >= w.from_minute && minute < w.to_minute
        } else {
            minute >= w.from_minute || minute < w.to_minute
        };
        all = both(all, Some(inside));
    }
    all
}

fn holds(tuple: &Tuple, moment: &Moment) -> Answer {
    let alive = tuple.expires_at.is_none_or(|at| moment.now < at);
    both(Some(alive), tuple.condition.as_ref().map_or(Some(true), |c| condition_holds(c, moment)))
}

impl Naive {
    /// Whether a relation takes away, to this tenant.
    pub(crate) fn denies(&self, tenant: TenantId, relation: Relation) -> bool {
        match self.schemas.get(&tenant) {
            Some(schema) => schema.relations.iter().any(|d| d.relation == relation && d.denies),
            None => relation.name().starts_with("deny"),
        }
    }

    /// The same world with one allow, or one deny, as the only one of its side.
    pub(crate) fn with_only(&self, key: &TupleKey) -> Naive {
        let side = self.denies(key.target.tenant, key.relation);
        let kept =
            |t: &&Tuple| t.key == *key || !on_path(&t.key) || self.denies(t.key.target.tenant, t.key.relation) != side;
        Naive { tuples: self.tuples.iter().filter(kept).cloned().collect(), schemas: self.schemas.clone() }
    }

    fn flag(&self, group: Grantee, flag: Relation) -> bool {
        self.tuples.iter().any(|t| container(&t.key.target) == Some(group) && t.key.relation == flag)
    }

    /// Everything the subject stands for: surely, and possibly.
    fn grantees(&self, principal: Principal, moment: &Moment) -> (BTreeSet<Grantee>, BTreeSet<Grantee>) {
        let who = principal.grantee;
        let mut sure = BTreeSet::from([Grantee::ANYONE]);
        if matches!(who.kind(), Kind::User | Kind::Service) {
            sure.extend([Grantee::AUTHENTICATED, Grantee::tenant_member(who.tenant()).unwrap(), who]);
        }
        if who.kind() == Kind::Share {
            sure.insert(who);
        }
        let mut possible = sure.clone();
        // What everybody may is not a share's; what nobody may is not either.
        if who.kind() == Kind::Share {
            sure.remove(&Grantee::ANYONE);
        }
        loop {
            let before = (sure.len(), possible.len());
            for tuple in &self.tuples {
                let member = tuple.key.grantee;
                let Some(group) = container(&tuple.key.target) else { continue };
                if !matches!(tuple.key.relation, Relation::Member | Relation::Assignee) {
                    continue;
                }
                // From another tenant it gives only between groups that are shown to one another, but takes away always.
                let shown = member.tenant() == group.tenant()
                    || ((member.kind() != Kind::Group || self.flag(member, Relation::Exported))
                        && self.flag(group, Relation::Open));
                let answer = holds(tuple, moment);
                if shown && answer == Some(true) && sure.contains(&member) {
                    sure.insert(group);
                }
                if answer != Some(false) && possible.contains(&member) {
                    possible.insert(group);
                }
            }
            if before == (sure.len(), possible.len()) {
                return (sure, possible);
            }
        }
    }

    /// Whether the permission holds at a place.
    pub(crate) fn check(&self, principal: Principal, permission: Permission, target: &Target, moment: &Moment) -> bool {
        self.check_given(principal, permission, target, moment, None)
    }

    /// The same when something other than relations gives an allow on the whole bucket.
    pub(crate) fn check_given(
        &self,
        principal: Principal,
        permission: Permission,
        target: &Target,
        moment: &Moment,
        given: Option<Relation>,
    ) -> bool {
        let (sure, possible) = self.grantees(principal, moment);
        let usable = |g: &Grantee| {
            let container = matches!(g.kind(), Kind::Group | Kind::Role);
            sure.contains(g) && (!container || g.tenant() == target.tenant || self.flag(*g, Relation::Exported))
        };
        let path = ancestors(target);
        let at = |place: &Place| {
            let here =
                self.tuples.iter().filter(|t| t.key.target.tenant == target.tenant && t.key.target.place == *place);
            here.collect::<Vec<_>>()
        };
        let cut =
            path.iter().rposition(|place| at(place).iter().any(|t| t.key.relation == Relation::Isolated)).unwrap_or(0);
        let (mut allows, mut denies) = (BTreeSet::new(), BTreeSet::new());
        let mut tenant_admin = principal.admin && principal.grantee.tenant() == target.tenant;
        if tenant_admin {
            allows.insert(Relation::Admin);
        }
        for (depth, place) in path.iter().enumerate() {
            for tuple in at(place) {
                let (relation, answer) = (tuple.key.relation, holds(tuple, moment));
                if self.denies(target.tenant, relation) {
                    if answer != Some(false) && possible.contains(&tuple.key.grantee) {
                        denies.insert(relation);
                    }
                    continue;
                }
                if answer != Some(true) || !usable(&tuple.key.grantee) {
                    continue;
                }
                let chief = match place {
                    Place::Tenant => matches!(relation, Relation::Owner | Relation::Admin),
                    Place::Bucket(_) => relation == Relation::Owner,
                    _ => false,
                };
                tenant_admin |= chief && *place == Place::Tenant;
                if depth >= cut || chief {
                    allows.insert(relation);
                }
            }
        }
        allows.extend(given);
        match self.schemas.get(&target.tenant) {
            Some(schema) => schema.decide(permission, &allows, &denies, tenant_admin),
            None => decide(permission, &allows, &denies, tenant_admin),
        }
    }
}

fn decide(p: Permission, allows: &BTreeSet<Relation>, denies: &BTreeSet<Relation>, tenant_admin: bool) -> bool {
    use Relation as R;
    let any = |some: &[R]| some.iter().any(|r| allows.contains(r));
    let none = |some: &[R]| !some.iter().any(|r| denies.contains(r)) && !denies.contains(&R::DenyAll);
    let full = any(&[R::Owner, R::Admin]);
    match p {
        Permission::Read => (full || any(&[R::Reader])) && none(&[R::DenyRead]),
        Permission::Write => (full || any(&[R::Writer])) && none(&[R::DenyWrite]),
        Permission::Delete => (full || any(&[R::Deleter])) && none(&[R::DenyDelete]),
        Permission::List => (full || any(&[R::Lister])) && none(&[R::DenyList]),
        Permission::Share => (full || any(&[R::Sharer])) && none(&[]),
        Permission::Manage => tenant_admin || (full && none(&[])),
        Permission::Compliance => any(&[R::Compliance]) && none(&[]),
        Permission::Discover => {
            none(&[R::DenyList]) && (full || any(&[R::Lister]) || (any(&[R::Reader]) && none(&[R::DenyRead])))
        }
        Permission::DeleteVersion => full && none(&[R::DenyDelete]),
        Permission::Know => !allows.is_empty() && none(&[]),
        _ => false,
    }
}

/// Whether a tuple allows or denies something at a place, rather than say who is in what or mark it.
pub(crate) fn on_path(key: &TupleKey) -> bool {
    let on_path = matches!(key.target.place, Place::Tenant | Place::Bucket(_) | Place::Prefix(..) | Place::Object(..));
    on_path && key.relation != Relation::Isolated
}

fn container(target: &Target) -> Option<Grantee> {
    match target.place {
        Place::Group(id) => Grantee::group(target.tenant, id).ok(),
        Place::Role(id) => Grantee::role(target.tenant, id).ok(),
        _ => None,
    }
}

/// From the tenant down to the place itself.
pub(crate) fn ancestors(target: &Target) -> Vec<Place> {
    let prefixes = |bucket: BucketId, key: &[u8]| {
        let ends: Vec<usize> = (0..key.len()).filter(|&i| key[i] == b'/').collect();
        ends.into_iter().map(|end| Place::Prefix(bucket, key[..=end].to_vec())).collect::<Vec<_>>()
    };
    let mut path = vec![Place::Tenant];
    match &target.place {
        Place::Bucket(bucket) => path.push(Place::Bucket(*bucket)),
        Place::Prefix(bucket, key) => {
            path.push(Place::Bucket(*bucket));
            path.extend(prefixes(*bucket, key));
        }
        Place::Object(bucket, key) => {
            path.push(Place::Bucket(*bucket));
            path.extend(prefixes(*bucket, key));
            path.push(target.place.clone());
        }
        _ => {}
    }
    path
}

/// The tenants of the worlds.
pub(crate) const TENANTS: [TenantId; 2] = [TenantId(1), TenantId(2)];
