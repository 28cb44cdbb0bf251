//! Random schemas: relations of a tenant's own beside the built-in ones, and permissions of random clauses. Decided here
//! by sets, encoded here by hand from FORMAT.md; the engine's own code for either is not used.

use std::collections::BTreeSet;

use panthera_authz::{Permission, Place, Relation, TupleKey};

use crate::world::Rng;

#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Line {
    pub relation: Relation,
    pub name: String,
    pub denies: bool,
    flag: bool,
    /// Bits as FORMAT.md has them.
    targets: u8,
    subjects: u16,
}

/// One way to have a permission.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Way {
    some: BTreeSet<Relation>,
    every: BTreeSet<Relation>,
    none: BTreeSet<Relation>,
    /// Being the tenant's owner or admin is as good as one of `some`.
    chief: bool,
}

/// A schema as lists and sets.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Plain {
    pub relations: Vec<Line>,
    permissions: Vec<(String, Vec<Way>)>,
}

const PLACES: u8 = 15;

fn built_in(relation: Relation) -> Line {
    let name = relation.name();
    let flag = matches!(name, "isolated" | "exported" | "open");
    let targets = match name {
        "owner" => 1 | 2 | 4 | 8 | 64,
        "admin" => 1 | 2,
        "lister" => 1 | 2 | 4,
        "compliance" => 2,
        "isolated" => 4,
        "member" | "exported" | "open" => 16,
        "manager" => 16 | 32 | 64,
        "assignee" => 32,
        _ => PLACES,
    };
    let subjects = match name {
        _ if flag => 1,
        "owner" | "admin" | "compliance" | "manager" => 0b1_1111_1000,
        "member" => 0b0_0111_1000,
        "assignee" => 0b0_0111_0000,
        _ => 0b1_1111_1110,
    };
    Line { relation, name: name.into(), denies: name.starts_with("deny"), flag, targets, subjects }
}

/// A schema that may follow another.
pub(crate) fn plain(rng: &mut Rng, before: Option<&Plain>, free: &[u8]) -> Plain {
    let mut relations: Vec<Line> = Relation::ALL.iter().map(|(r, _)| built_in(*r)).collect();
    for line in relations.iter_mut().filter(|l| l.targets & PLACES != 0 && !l.flag) {
        if rng.one_in(24) {
            line.subjects &= !(1 << (1 + rng.below(8)));
        }
        if rng.one_in(24) {
            line.targets &= !(1 << rng.below(4));
        }
    }
    for old in before.iter().flat_map(|b| b.relations.iter().filter(|l| l.relation.is_own())) {
        if !rng.one_in(8) {
            relations.push(Line { targets: if rng.one_in(6) { 4 } else { PLACES }, ..old.clone() });
        }
    }
    // Few numbers, so that tuples meet them.
    for number in free.iter().filter(|n| **n < 24) {
        if rng.one_in(2) {
            let relation = Relation::from_number(*number).unwrap();
            let denies = rng.one_in(3);
            let name = format!("{}{number}_{}", if denies { "no" } else { "yes" }, rng.below(1000));
            relations.push(Line { relation, name, denies, flag: false, targets: PLACES, subjects: 0b1_1111_1110 });
        }
    }
    relations.sort_by_key(|l| l.relation);
    let names = Permission::ALL.iter().map(|(_, name)| (*name).to_string());
    let more = (0..rng.below(3)).map(|i| format!("more{i}"));
    let permissions = names.chain(more).collect::<Vec<_>>();
    let permissions = permissions.into_iter().map(|name| (name, ways(rng, &relations))).collect();
    Plain { relations, permissions }
}

fn ways(rng: &mut Rng, relations: &[Line]) -> Vec<Way> {
    let on_places = |denies| {
        let fitting = relations.iter().filter(move |l| l.denies == denies && !l.flag && l.targets & PLACES != 0);
        fitting.map(|l| l.relation).collect::<Vec<_>>()
    };
    let (allows, denies) = (on_places(false), on_places(true));
    let pick = |rng: &mut Rng, from: &[Relation], most: usize| -> BTreeSet<Relation> {
        if from.is_empty() {
            return BTreeSet::new();
        }
        (0..rng.below(most + 1)).map(|_| *rng.pick(from)).collect()
    };
    let ways = (0..rng.below(5)).map(|_| {
        let chief = rng.one_in(6);
        let mut way = Way { some: pick(rng, &allows, 5), every: BTreeSet::new(), none: pick(rng, &denies, 3), chief };
        if rng.one_in(3) {
            way.every = pick(rng, &allows, 2);
        }
        way
    });
    ways.filter(|w| w.chief || !w.some.is_empty()).collect()
}

impl Plain {
    /// Whether such tuples have a place.
    pub(crate) fn takes(&self, key: &TupleKey) -> bool {
        let target = match key.target.place {
            Place::Tenant => 1,
            Place::Bucket(_) => 2,
            Place::Prefix(..) => 4,
            Place::Object(..) => 8,
            Place::Group(_) => 16,
            Place::Role(_) => 32,
            Place::Share(_) => 64,
        };
        let subject = 1u16 << (key.grantee.bits() >> 60);
        self.relations
            .iter()
            .any(|l| l.relation == key.relation && l.targets & target != 0 && l.subjects & subject != 0)
    }

    pub(crate) fn decide(
        &self,
        permission: Permission,
        allows: &BTreeSet<Relation>,
        denies: &BTreeSet<Relation>,
        chief: bool,
    ) -> bool {
        let Some((_, ways)) = self.permissions.get(permission.number() as usize) else { return false };
        ways.iter().any(|way| {
            (!way.some.is_disjoint(allows) || (way.chief && chief))
                && way.every.is_subset(allows)
                && way.none.is_disjoint(denies)
        })
    }

    /// The compiled form.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut out = vec![1, self.relations.len() as u8];
        for line in &self.relations {
            let class = if line.flag { 2 } else { u8::from(line.denies) };
            out.extend([line.relation.number(), class, line.targets]);
            out.extend(line.subjects.to_le_bytes());
            out.push(line.name.len() as u8);
            out.extend(line.name.as_bytes());
        }
        out.push(self.permissions.len() as u8);
        let mask = |set: &BTreeSet<Relation>| set.iter().fold(0u32, |all, r| all | 1 << r.number());
        for (name, ways) in &self.permissions {
            out.push(name.len() as u8);
            out.extend(name.as_bytes());
            out.push(ways.len() as u8);
            for way in ways {
                let some = mask(&way.some) | if way.chief { 1 << 30 } else { 0 };
                for part in [some, mask(&way.every), mask(&way.none)] {
                    out.extend(part.to_le_bytes());
                }
            }
        }
        out
    }
}
