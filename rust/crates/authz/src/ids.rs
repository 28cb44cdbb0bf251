//! Tuples about what is named by number (tenants, groups, roles, shares) and the closure over groups in groups.
//!
//! Users are stored by direct membership only; the closure holds, for each group, every group and role it is in, so
//! that a change of a user touches no group and a change of a group touches no user. Only plain edges inside one
//! tenant are in the closure: edges that expire, hang on a condition or cross tenants are looked at per request.

use std::collections::HashSet;
use std::sync::Arc;

use crate::error::AuthzError;
use crate::model::{Grantee, Kind, Relation, bits};
use crate::node::{QUALIFIED, Qualifier};
use crate::ptree::PTree;

/// Most groups and roles one group, user or service may be in, directly and through groups: a check looks each of
/// them up, so the limit bounds its cost; beyond it the write that would exceed it is refused and a check denies.
pub const GROUPS_PER_SUBJECT: usize = 4096;

/// How a grantee stands to a target that is named by number.
#[derive(Clone, Default, Debug, PartialEq, Eq)]
pub(crate) struct IdEdge {
    /// Relations that simply hold, and [`QUALIFIED`].
    pub(crate) mask: u32,
    pub(crate) qualifiers: Option<Arc<[Qualifier]>>,
}

impl IdEdge {
    pub(crate) fn qualifiers(&self) -> &[Qualifier] {
        self.qualifiers.as_deref().unwrap_or_default()
    }

    fn change(&self, change: &Result<Qualifier, Relation>) -> (bool, IdEdge) {
        let relation = match change {
            Ok(qualifier) => qualifier.relation,
            Err(relation) => *relation,
        };
        let mut others: Vec<Qualifier> = self.qualifiers().iter().filter(|q| q.relation != relation).cloned().collect();
        let had = self.mask & relation.bit() != 0 || others.len() != self.qualifiers().len();
        let mut mask = self.mask & !relation.bit() & !QUALIFIED;
        match change {
            Ok(q) if q.expires_at.is_none() && q.condition.is_none() => mask |= relation.bit(),
            Ok(q) => others.push(q.clone()),
            Err(_) => {}
        }
        if others.is_empty() {
            return (had, IdEdge { mask, qualifiers: None });
        }
        (had, IdEdge { mask: mask | QUALIFIED, qualifiers: Some(others.into()) })
    }
}

/// Everything named by number.
#[derive(Clone, Default)]
pub(crate) struct Ids {
    /// (target, grantee).
    forward: PTree<(Grantee, Grantee), IdEdge>,
    /// (grantee, target).
    backward: PTree<(Grantee, Grantee), IdEdge>,
    /// Every group and role a group is in, itself included, ascending. No entry: only itself.
    closure: PTree<Grantee, Arc<[Grantee]>>,
    /// Groups that are in a container by an edge which the closure leaves out.
    special: PTree<Grantee, ()>,
}

fn is_plain(member: Grantee, container: Grantee, edge: &IdEdge) -> bool {
    edge.mask & bits::CONTAINS != 0 && member.tenant() == container.tenant()
}

impl Ids {
    /// Makes a relation hold, or no longer. Returns whether it was there.
    pub(crate) fn write(
        &mut self,
        target: Grantee,
        grantee: Grantee,
        change: &Result<Qualifier, Relation>,
    ) -> Result<bool, AuthzError> {
        let old = self.forward.get(&(target, grantee)).cloned().unwrap_or_default();
        let (had, new) = old.change(change);
        let (was, is) = (is_plain(grantee, target, &old), is_plain(grantee, target, &new));
        if new.mask == 0 {
            self.forward.remove(&(target, grantee));
            self.backward.remove(&(grantee, target));
        } else {
            self.forward.insert((target, grantee), new.clone());
            self.backward.insert((grantee, target), new);
        }
        if grantee.kind() == Kind::Group && target.is_container() {
            match (was, is) {
                (false, true) => self.link(grantee, target)?,
                (true, false) => self.unlink(grantee),
                _ => {}
            }
            let special = |(container, edge): (Grantee, &IdEdge)| {
                container.is_container() && edge.mask != 0 && !is_plain(grantee, container, edge)
            };
            if self.of_grantee(grantee).any(special) {
                self.special.insert(grantee, ());
            } else {
                self.special.remove(&grantee);
            }
        }
        Ok(had)
    }

    /// The tuples between a target and a grantee.
    pub(crate) fn get(&self, target: Grantee, grantee: Grantee) -> Option<&IdEdge> {
        self.forward.get(&(target, grantee))
    }

    /// The grantees of a target, ascending, from one on.
    pub(crate) fn of_target(&self, target: Grantee, from: Grantee) -> impl Iterator<Item = (Grantee, &IdEdge)> {
        let all = self.forward.iter_from(move |k| *k < (target, from));
        all.take_while(move |((t, _), _)| *t == target).map(|((_, g), e)| (*g, e))
    }

    /// The targets of a grantee, ascending.
    pub(crate) fn of_grantee(&self, grantee: Grantee) -> impl Iterator<Item = (Grantee, &IdEdge)> {
        let all = self.backward.iter_from(move |k| *k < (grantee, Grantee::ITSELF));
        all.take_while(move |((g, _), _)| *g == grantee).map(|((_, t), e)| (*t, e))
    }

    /// Whether a flag of a group is set.
    pub(crate) fn flag(&self, group: Grantee, flag: u32) -> bool {
        self.get(group, Grantee::ITSELF).is_some_and(|edge| edge.mask & flag != 0)
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
        groups.filter(|(g, e)| is_plain(*g, group, e)).map(|(g, _)| g).collect()
    }

    fn plain_above(&self, group: Grantee) -> Vec<Grantee> {
        let all = self.of_grantee(group).filter(|(t, e)| t.is_container() && is_plain(group, *t, e));
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
