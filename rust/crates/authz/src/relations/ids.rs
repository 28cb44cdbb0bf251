//! Tuples about what is named by number (tenants, groups, roles, shares) and the closure over groups in groups.
//!
//! Users are stored by direct membership only; the closure holds, for each group, every group and role it is in, so
//! that a change of a user touches no group and a change of a group touches no user. Only plain edges inside one
//! tenant are in the closure: edges that expire, hang on a condition or cross tenants are looked at per request.

use std::collections::HashSet;
use std::sync::Arc;

use panthera_base::TenantId;

use crate::error::AuthzError;
use crate::model::{Grantee, Kind, Relation, bits};
use crate::relations::node::{QUALIFIED, Qualifier};
use crate::relations::ptree::PTree;

/// Most groups and roles one group, user or service may be in, directly and through groups: a check looks each of
/// them up, so the limit bounds its cost; beyond it the write that would exceed it is refused and a check denies.
pub const GROUPS_PER_SUBJECT: usize = 4096;

/// How a grantee stands to a target that is named by number.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
pub(crate) struct IdEdge<'a> {
    /// Relations that simply hold, and [`QUALIFIED`].
    pub(crate) mask: u32,
    pub(crate) qualifiers: &'a [Qualifier],
}

impl IdEdge<'_> {
    /// Whether the relation was there, the new mask, and the new qualifiers.
    fn change(&self, change: &Result<Qualifier, Relation>) -> (bool, u32, Vec<Qualifier>) {
        let relation = match change {
            Ok(qualifier) => qualifier.relation,
            Err(relation) => *relation,
        };
        let mut others: Vec<Qualifier> = self.qualifiers.iter().filter(|q| q.relation != relation).cloned().collect();
        let had = self.mask & relation.bit() != 0 || others.len() != self.qualifiers.len();
        let mut mask = self.mask & !relation.bit() & !QUALIFIED;
        match change {
            Ok(q) if q.expires_at.is_none() && q.condition.is_none() => mask |= relation.bit(),
            Ok(q) => others.push(q.clone()),
            Err(_) => {}
        }
        if !others.is_empty() {
            mask |= QUALIFIED;
        }
        (had, mask, others)
    }
}

/// Everything named by number. The two trees hold masks only: 24 bytes an edge each way.
#[derive(Clone, Default)]
pub(crate) struct Ids {
    /// (target, grantee).
    forward: PTree<(Grantee, Grantee), u32>,
    /// (grantee, target).
    backward: PTree<(Grantee, Grantee), u32>,
    /// (target, grantee), where the mask says so.
    qualified: PTree<(Grantee, Grantee), Arc<[Qualifier]>>,
    /// Every group and role a group is in, itself included, ascending. No entry: only itself.
    closure: PTree<Grantee, Arc<[Grantee]>>,
    /// Groups that are in a container by an edge which the closure leaves out.
    special: PTree<Grantee, ()>,
}

fn is_plain(member: Grantee, container: Grantee, mask: u32) -> bool {
    mask & bits::CONTAINS != 0 && member.tenant() == container.tenant()
}

impl Ids {
    /// Makes a relation hold, or no longer. Returns whether it was there.
    pub(crate) fn write(
        &mut self,
        target: Grantee,
        grantee: Grantee,
        change: &Result<Qualifier, Relation>,
    ) -> Result<bool, AuthzError> {
        let old = self.get(target, grantee);
        let (was, (had, mask, qualifiers)) = (is_plain(grantee, target, old.mask), old.change(change));
        let is = is_plain(grantee, target, mask);
        if mask == 0 {
            self.forward.remove(&(target, grantee));
            self.backward.remove(&(grantee, target));
        } else {
            self.forward.insert((target, grantee), mask);
            self.backward.insert((grantee, target), mask);
        }
        if qualifiers.is_empty() {
            self.qualified.remove(&(target, grantee));
        } else {
            self.qualified.insert((target, grantee), qualifiers.into());
        }
        if grantee.kind() == Kind::Group && target.is_container() {
            match (was, is) {
                (false, true) => self.link(grantee, target)?,
                (true, false) => self.unlink(grantee),
                _ => {}
            }
            let special = |(container, mask): (Grantee, u32)| {
                container.is_container() && mask != 0 && !is_plain(grantee, container, mask)
            };
            if self.masks_of_grantee(grantee).any(special) {
                self.special.insert(grantee, ());
            } else {
                self.special.remove(&grantee);
            }
        }
        Ok(had)
    }

    /// The tuples between a target and a grantee.
    pub(crate) fn get(&self, target: Grantee, grantee: Grantee) -> IdEdge<'_> {
        let mask = self.forward.get(&(target, grantee)).copied().unwrap_or_default();
        self.edge(target, grantee, mask)
    }

    fn edge(&self, target: Grantee, grantee: Grantee, mask: u32) -> IdEdge<'_> {
        let aside = (mask & QUALIFIED != 0).then(|| self.qualified.get(&(target, grantee))).flatten();
        IdEdge { mask, qualifiers: aside.map_or(&[], |all| all) }
    }

    /// The grantees of a target, ascending, from one on.
    pub(crate) fn of_target(&self, target: Grantee, from: Grantee) -> impl Iterator<Item = (Grantee, IdEdge<'_>)> {
        let all = self.forward.iter_from(move |k| *k < (target, from));
        let all = all.take_while(move |((t, _), _)| *t == target);
        all.map(move |((_, g), mask)| (*g, self.edge(target, *g, *mask)))
    }

    /// The targets of a grantee, ascending.
    pub(crate) fn of_grantee(&self, grantee: Grantee) -> impl Iterator<Item = (Grantee, IdEdge<'_>)> {
        self.masks_of_grantee(grantee).map(move |(target, mask)| (target, self.edge(target, grantee, mask)))
    }

    fn masks_of_grantee(&self, grantee: Grantee) -> impl Iterator<Item = (Grantee, u32)> {
        let all = self.backward.iter_from(move |k| *k < (grantee, Grantee::ITSELF));
        all.take_while(move |((g, _), _)| *g == grantee).map(|((_, t), mask)| (*t, *mask))
    }

    /// Whether a flag of a group is set.
    pub(crate) fn flag(&self, group: Grantee, flag: u32) -> bool {
        self.forward.get(&(group, Grantee::ITSELF)).is_some_and(|mask| mask & flag != 0)
    }

    /// Whether a grantee may be given something in a tenant: another tenant's group only while its owner exports it.
    pub(crate) fn usable(&self, grantee: Grantee, tenant: TenantId) -> bool {
        !grantee.is_container() || grantee.tenant() == tenant || self.flag(grantee, bits::EXPORTED)
    }

    /// Whether a membership may give something: one that comes from another tenant only while its group is open and,
    /// when a group comes, that one is exported. What such a membership takes away it takes away all the same.
    pub(crate) fn crosses(&self, member: Grantee, container: Grantee) -> bool {
        let home = container.tenant();
        member.tenant() == home || (self.usable(member, home) && self.flag(container, bits::OPEN))
    }

    /// Every group and role a group is in by plain edges, itself included.
    pub(crate) fn above(&self, group: &Grantee) -> Vec<Grantee> {
        self.closure.get(group).map_or_else(|| vec![*group], |all| all.to_vec())
    }

    /// The same without a copy; `None` means only itself.
    pub(crate) fn above_ref(&self, group: &Grantee) -> Option<&[Grantee]> {
        self.closure.get(group).map(|all| &**all)
    }

    /// Whether a group has edges upwards that the closure leaves out.
    pub(crate) fn is_special(&self, group: Grantee) -> bool {
        !self.special.is_empty() && self.special.get(&group).is_some()
    }

    /// How many tuples' edges there are, and how many closure entries.
    pub(crate) fn sizes(&self) -> (usize, usize) {
        (self.forward.len(), self.closure.len())
    }

    fn plain_groups_in(&self, group: Grantee) -> Vec<Grantee> {
        let first = Grantee::from_raw((Kind::Group as u64) << 60);
        let groups = self.of_target(group, first).take_while(|(g, _)| g.kind() == Kind::Group);
        groups.filter(|(g, e)| is_plain(*g, group, e.mask)).map(|(g, _)| g).collect()
    }

    fn plain_above(&self, group: Grantee) -> Vec<Grantee> {
        let all = self.masks_of_grantee(group).filter(|(t, mask)| t.is_container() && is_plain(group, *t, *mask));
        all.map(|(t, _)| t).collect()
    }

    fn link(&mut self, child: Grantee, parent: Grantee) -> Result<(), AuthzError> {
        let gained = self.above(&parent);
        let mut todo = vec![child];
        while let Some(group) = todo.pop() {
            let mut all = self.above(&group);
            let before = all.len();
            all.extend_from_slice(&gained);
            all.sort_unstable();
            all.dedup();
            // What already has everything has passed it on before; this also ends cycles.
            if all.len() == before {
                continue;
            }
            if all.len() > GROUPS_PER_SUBJECT {
                return Err(AuthzError::Limit(format!("{group} would be in more than {GROUPS_PER_SUBJECT} groups")));
            }
            self.closure.insert(group, all.into());
            todo.extend(self.plain_groups_in(group));
        }
        Ok(())
    }

    /// After an edge above `child` went away: computes anew what is below it, from the edges that are left.
    fn unlink(&mut self, child: Grantee) {
        let mut affected = HashSet::from([child]);
        let old = self.above(&child);
        if self.rebuilt(child, &affected) == old {
            return;
        }
        let mut todo = vec![child];
        while let Some(group) = todo.pop() {
            todo.extend(self.plain_groups_in(group).into_iter().filter(|g| affected.insert(*g)));
        }
        let anew: Vec<(Grantee, Vec<Grantee>)> = affected.iter().map(|&g| (g, self.rebuilt(g, &affected))).collect();
        for (group, all) in anew {
            if all.len() <= 1 {
                self.closure.remove(&group);
            } else {
                self.closure.insert(group, all.into());
            }
        }
    }

    /// Walks up from a group by raw edges through the affected ones; what is not affected has a true closure.
    fn rebuilt(&self, group: Grantee, affected: &HashSet<Grantee>) -> Vec<Grantee> {
        let (mut seen, mut todo) = (HashSet::from([group]), vec![group]);
        while let Some(at) = todo.pop() {
            for above in self.plain_above(at) {
                if !seen.insert(above) {
                    continue;
                }
                match self.closure.get(&above) {
                    Some(all) if !affected.contains(&above) && above.kind() == Kind::Group => seen.extend(all.iter()),
                    _ => todo.push(above),
                }
            }
        }
        let mut all: Vec<Grantee> = seen.into_iter().collect();
        all.sort_unstable();
        all
    }
}
