//! What is granted at one place of a bucket: edges (grantee and a mask of relations that simply hold) and qualifiers
//! (relations that expire or hang on a condition). The form both the compact base and the fresh layer answer with.

use std::sync::Arc;

use panthera_base::Timestamp;

use crate::model::{Condition, Grantee, Relation};

/// Bit of an edge's mask: there are qualifiers of this grantee too.
pub(crate) const QUALIFIED: u32 = 1 << 31;

/// A grantee and how it stands to the place. Twelve bytes: two of three bytes of the index are edges.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Edge {
    high: u32,
    low: u32,
    /// Relations that hold without expiry and condition, and [`QUALIFIED`].
    pub(crate) mask: u32,
}

impl Edge {
    pub(crate) fn new(grantee: Grantee, mask: u32) -> Self {
        let bits = grantee.bits();
        Self { high: (bits >> 32) as u32, low: bits as u32, mask }
    }

    pub(crate) fn grantee(self) -> Grantee {
        Grantee::from_raw(u64::from(self.high) << 32 | u64::from(self.low))
    }
}

/// A relation that holds only until a moment, or only while a condition does.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Qualifier {
    pub(crate) relation: Relation,
    pub(crate) expires_at: Option<Timestamp>,
    pub(crate) condition: Option<Arc<Condition>>,
}

/// Everything at one place, owned.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Record {
    /// Sorted by grantee.
    pub(crate) edges: Vec<Edge>,
    /// Sorted by grantee, then relation.
    pub(crate) qualifiers: Vec<(Grantee, Qualifier)>,
}

impl Record {
    /// Makes a relation hold as the qualifier says, or simply when it says nothing. Replaces what was there, and says
    /// whether there was something.
    pub(crate) fn set(&mut self, grantee: Grantee, qualifier: Qualifier) -> bool {
        // Loading adds in order: what is above all else needs no search.
        let above = self.edges.last().is_none_or(|last| last.grantee() < grantee);
        let had = !above && self.remove(grantee, qualifier.relation);
        let found =
            if above { Err(self.edges.len()) } else { self.edges.binary_search_by_key(&grantee, |e| e.grantee()) };
        let at = match found {
            Ok(at) => at,
            Err(at) => {
                self.edges.insert(at, Edge::new(grantee, 0));
                at
            }
        };
        if qualifier.expires_at.is_none() && qualifier.condition.is_none() {
            self.edges[at].mask |= qualifier.relation.bit();
        } else {
            self.edges[at].mask |= QUALIFIED;
            let to = self.qualifiers.partition_point(|(g, q)| (*g, q.relation) < (grantee, qualifier.relation));
            self.qualifiers.insert(to, (grantee, qualifier));
        }
        had
    }

    /// Whether the relation was there.
    pub(crate) fn remove(&mut self, grantee: Grantee, relation: Relation) -> bool {
        let Ok(at) = self.edges.binary_search_by_key(&grantee, |e| e.grantee()) else { return false };
        let had = self.edges[at].mask & relation.bit() != 0;
        self.edges[at].mask &= !relation.bit();
        let before = self.qualifiers.len();
        self.qualifiers.retain(|(g, q)| (*g, q.relation) != (grantee, relation));
        if !self.qualifiers.iter().any(|(g, _)| *g == grantee) {
            self.edges[at].mask &= !QUALIFIED;
        }
        if self.edges[at].mask == 0 {
            self.edges.remove(at);
        }
        had || before != self.qualifiers.len()
    }
}

/// Everything at one place, where it lies.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    pub(crate) edges: &'a [Edge],
    pub(crate) qualifiers: Qualifiers<'a>,
}

/// Where a view's qualifiers lie.
#[derive(Clone, Copy)]
pub(crate) enum Qualifiers<'a> {
    /// Of a record.
    Own(&'a [(Grantee, Qualifier)]),
    /// Of node `.1` in the table of a base, sorted by node, then grantee.
    Shared(&'a [(u32, Grantee, Qualifier)], u32),
}

impl<'a> View<'a> {
    pub(crate) fn of(record: &'a Record) -> Self {
        Self { edges: &record.edges, qualifiers: Qualifiers::Own(&record.qualifiers) }
    }

    /// Whether the grantee stands here in any relation.
    pub(crate) fn has(self, grantee: Grantee) -> bool {
        self.edges.binary_search_by_key(&grantee, |e| e.grantee()).is_ok()
    }

    /// The qualifiers of one grantee.
    pub(crate) fn qualifiers_of(self, grantee: Grantee) -> impl Iterator<Item = &'a Qualifier> {
        let (own, shared): (&[_], &[_]) = match self.qualifiers {
            Qualifiers::Own(all) => {
                let from = all.partition_point(|(g, _)| *g < grantee);
                let to = all.partition_point(|(g, _)| *g <= grantee);
                (&all[from..to], &[])
            }
            Qualifiers::Shared(all, node) => {
                let from = all.partition_point(|(n, g, _)| (*n, *g) < (node, grantee));
                let to = all.partition_point(|(n, g, _)| (*n, *g) <= (node, grantee));
                (&[], &all[from..to])
            }
        };
        own.iter().map(|(_, q)| q).chain(shared.iter().map(|(_, _, q)| q))
    }

    /// An owned copy.
    pub(crate) fn to_record(self) -> Record {
        let qualifiers = match self.qualifiers {
            Qualifiers::Own(all) => all.to_vec(),
            Qualifiers::Shared(all, node) => {
                let from = all.partition_point(|(n, _, _)| *n < node);
                let own = all[from..].iter().take_while(|(n, _, _)| *n == node);
                own.map(|(_, g, q)| (*g, q.clone())).collect()
            }
        };
        Record { edges: self.edges.to_vec(), qualifiers }
    }

    /// Every tuple at the place: grantee, relation, expiry and condition.
    pub(crate) fn tuples(self) -> Vec<(Grantee, Qualifier)> {
        let mut all = Vec::new();
        for edge in self.edges {
            for relation in Relation::of_mask(edge.mask) {
                all.push((edge.grantee(), Qualifier { relation, expires_at: None, condition: None }));
            }
            if edge.mask & QUALIFIED != 0 {
                all.extend(self.qualifiers_of(edge.grantee()).map(|q| (edge.grantee(), q.clone())));
            }
        }
        all
    }
}
