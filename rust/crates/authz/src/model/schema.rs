//! A tenant's schema: which relations there are, on what they stand and to whom they are granted, and the clauses of
//! each permission. Compiled by Python (`authz/schema`), read here with suspicion: what these bytes may not say, no
//! compiler can make the engine do.

use std::sync::LazyLock;

use crate::error::AuthzError;
use crate::model::codec::{Reader, corrupt};
use crate::model::permission::{Clause, Permission, Rule};
use crate::model::{Kind, OWN_FIRST, OWN_RELATIONS, Relation, bits, types};

/// Permissions of a schema, the built-in ones included: they are asked by a byte, and nobody has use for more.
pub const PERMISSIONS: usize = 64;
/// Clauses of a permission: a check tries each, so they bound its time.
pub const CLAUSES: usize = 16;
/// Longest name of a relation or permission.
pub const NAME_BYTES: usize = 48;
/// Longest source text.
pub const SOURCE_BYTES: usize = 64 * 1024;
/// Longest compiled form. One with every number and clause there can be has 18 KiB; a part of a log row has 64.
pub const COMPILED_BYTES: usize = 32 * 1024;

const VERSION: u8 = 1;

/// What a relation does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Class {
    /// Gives rights, down to a prefix that is `isolated`.
    Allow = 0,
    /// Takes rights away, everywhere below.
    Deny = 1,
    /// Marks a place; nobody holds it.
    Flag = 2,
}

/// A relation as a schema declares it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Declared {
    /// Its number.
    pub relation: Relation,
    /// What it does.
    pub class: Class,
    /// The types it stands on: 1 tenant, 2 bucket, 4 prefix, 8 object, 16 group, 32 role, 64 share.
    pub targets: u8,
    /// Who it can be granted to: a bit per number of [`Kind`].
    pub subjects: u16,
    /// How the tenant calls it.
    pub name: String,
}

#[derive(Clone, PartialEq, Eq, Debug)]
struct Named {
    name: String,
    clauses: Vec<Clause>,
}

/// The schema in force for a tenant.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Schema {
    /// The revision that brought it; 0 for the built-in one.
    pub(crate) stamp: u64,
    /// Numbers of relations that were removed, and the revisions that removed them.
    pub(crate) retired: Vec<(u8, u64)>,
    /// Ascending.
    relations: Vec<Declared>,
    /// By number.
    permissions: Vec<Named>,
}

static BUILT_IN: LazyLock<Schema> = LazyLock::new(|| Schema {
    stamp: 0,
    retired: Vec::new(),
    relations: Relation::ALL.iter().map(|(relation, _)| most(*relation)).collect(),
    permissions: Permission::ALL
        .iter()
        .map(|(permission, name)| Named { name: (*name).into(), clauses: permission.built_in() })
        .collect(),
});

/// What a built-in relation may at most stand on and be granted to; the built-in schema allows all of it.
fn most(relation: Relation) -> Declared {
    use Relation as R;
    const PERSONS: u16 = Kind::User.bit() | Kind::Service.bit() | Kind::Group.bit();
    const NAMED: u16 = PERSONS | Kind::TenantMember.bit() | Kind::Role.bit() | Kind::Share.bit();
    const PUBLIC: u16 = NAMED | Kind::Anyone.bit() | Kind::Authenticated.bit();
    const CHIEFS: u8 = types::TENANT | types::BUCKET;
    let (targets, subjects) = match relation {
        R::Owner => (types::PLACES | types::SHARE, NAMED),
        R::Admin => (CHIEFS, NAMED),
        R::Lister => (CHIEFS | types::PREFIX, PUBLIC),
        R::Compliance => (types::BUCKET, NAMED),
        R::Isolated => (types::PREFIX, Kind::Itself.bit()),
        R::Member => (types::GROUP, PERSONS | Kind::TenantMember.bit()),
        R::Manager => (types::GROUP | types::ROLE | types::SHARE, NAMED),
        R::Assignee => (types::ROLE, PERSONS),
        R::Exported | R::Open => (types::GROUP, Kind::Itself.bit()),
        _ => (types::PLACES, PUBLIC),
    };
    let class = match relation {
        R::Isolated | R::Exported | R::Open => Class::Flag,
        r if r.denies() => Class::Deny,
        _ => Class::Allow,
    };
    Declared { relation, class, targets, subjects, name: relation.name().into() }
}

impl Schema {
    /// The schema every tenant begins with.
    pub fn built_in() -> &'static Self {
        &BUILT_IN
    }

    /// The revision that brought it; 0 for the built-in one.
    pub fn revision(&self) -> u64 {
        self.stamp
    }

    /// Its relations, by number.
    pub fn relations(&self) -> impl Iterator<Item = &Declared> {
        self.relations.iter()
    }

    /// A relation's declaration, if it has one.
    pub fn declared(&self, relation: Relation) -> Option<&Declared> {
        self.relations.binary_search_by_key(&relation, |d| d.relation).ok().map(|at| &self.relations[at])
    }

    /// The relation of a name; the message names those there are.
    pub fn relation(&self, name: &str) -> Result<Relation, AuthzError> {
        self.relations.iter().find(|d| d.name == name).map(|d| d.relation).ok_or_else(|| {
            let names: Vec<_> = self.relations.iter().map(|d| &*d.name).collect();
            AuthzError::Invalid(format!("no relation is called {name:?}; there are {}", names.join(", ")))
        })
    }

    /// The name of a relation; of one that is not declared, its built-in name.
    pub fn name_of(&self, relation: Relation) -> &str {
        self.declared(relation).map_or(relation.name(), |d| &d.name)
    }

    /// The permission of a name; the message names those there are.
    pub fn permission(&self, name: &str) -> Result<Permission, AuthzError> {
        let found = self.permissions.iter().position(|p| p.name == name);
        found.map(|place| Permission::from_place(place as u8)).ok_or_else(|| {
            let names: Vec<_> = self.permissions.iter().map(|p| &*p.name).collect();
            AuthzError::Invalid(format!("no permission is called {name:?}; there are {}", names.join(", ")))
        })
    }

    /// Its permissions with their names, by number.
    pub fn permissions(&self) -> impl Iterator<Item = (Permission, &str)> {
        self.permissions.iter().enumerate().map(|(place, p)| (Permission::from_place(place as u8), &*p.name))
    }

    /// What decides a permission. One that the schema does not have, nobody has.
    #[inline]
    pub(crate) fn rule(&self, permission: Permission) -> Rule<'_> {
        Rule(self.permissions.get(usize::from(permission.number())).map_or(&[], |p| &p.clauses))
    }

    /// Whether a tuple that conformed to `before` certainly conforms to this: nothing is gone, narrower or other.
    pub(crate) fn admits_all_of(&self, before: &Self) -> bool {
        before.relations.iter().all(|old| {
            self.declared(old.relation).is_some_and(|new| {
                (&new.name, new.class) == (&old.name, old.class)
                    && old.targets & !new.targets == 0
                    && old.subjects & !new.subjects == 0
            })
        })
    }

    /// The bytes of FORMAT.md.
    pub(crate) fn encode(&self) -> Vec<u8> {
        // Every count and length was checked to fit a byte when it was decoded; the built-in ones do.
        let mut out = vec![VERSION, self.relations.len() as u8];
        let name = |out: &mut Vec<u8>, name: &str| {
            out.push(name.len() as u8);
            out.extend_from_slice(name.as_bytes());
        };
        for declared in &self.relations {
            out.extend_from_slice(&[declared.relation.number(), declared.class as u8, declared.targets]);
            out.extend_from_slice(&declared.subjects.to_le_bytes());
            name(&mut out, &declared.name);
        }
        out.push(self.permissions.len() as u8);
        for permission in &self.permissions {
            name(&mut out, &permission.name);
            out.push(permission.clauses.len() as u8);
            for clause in &permission.clauses {
                for mask in [clause.some, clause.every, clause.none] {
                    out.extend_from_slice(&mask.to_le_bytes());
                }
            }
        }
        out
    }

    /// Reads those bytes and refuses what is not a schema this engine can execute safely.
    pub(crate) fn decode(stamp: u64, value: &[u8]) -> Result<Self, AuthzError> {
        if value.len() > COMPILED_BYTES {
            return Err(corrupt("a schema that is too long"));
        }
        let mut r = Reader(value);
        if r.u8()? != VERSION {
            return Err(corrupt("an unknown version of a schema"));
        }
        let mut schema = Self { stamp, retired: Vec::new(), relations: Vec::new(), permissions: Vec::new() };
        for _ in 0..r.u8()? {
            let declared = take_relation(&mut r)?;
            if schema.relations.iter().any(|d| d.relation >= declared.relation || d.name == declared.name) {
                return Err(corrupt("relations of a schema that are not in order, or twice"));
            }
            schema.relations.push(declared);
        }
        let (mut allows, mut denies) = (bits::TENANT_ADMIN, 0);
        for declared in schema.relations.iter().filter(|d| d.targets & types::PLACES != 0) {
            match declared.class {
                Class::Allow => allows |= declared.relation.bit(),
                Class::Deny => denies |= declared.relation.bit(),
                Class::Flag => {}
            }
        }
        for place in 0..r.u8()? {
            let named = take_permission(&mut r, allows, denies)?;
            let built_in = Permission::ALL.get(usize::from(place)).map(|(_, name)| *name);
            let known = schema.permissions.iter().any(|p| p.name == named.name);
            if known || built_in.is_some_and(|name| name != named.name) {
                return Err(corrupt("permissions of a schema that are twice, or not where they belong"));
            }
            schema.permissions.push(named);
        }
        r.end()?;
        if schema.permissions.len() < Permission::ALL.len() || schema.permissions.len() > PERMISSIONS {
            return Err(corrupt("a schema with too few or too many permissions"));
        }
        Ok(schema)
    }
}

fn take_name(r: &mut Reader<'_>) -> Result<String, AuthzError> {
    let length = usize::from(r.u8()?);
    let name = r.take(length)?;
    let fits = (1..=NAME_BYTES).contains(&length)
        && name[0].is_ascii_lowercase()
        && name.iter().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'_');
    match std::str::from_utf8(name) {
        Ok(name) if fits => Ok(name.into()),
        _ => Err(corrupt("a name in a schema that is none")),
    }
}

fn take_relation(r: &mut Reader<'_>) -> Result<Declared, AuthzError> {
    let [number, class, targets] = r.array()?;
    let relation = Relation::from_number(number).map_err(|e| corrupt(&e.to_string()))?;
    let class = match class {
        0 => Class::Allow,
        1 => Class::Deny,
        2 => Class::Flag,
        _ => return Err(corrupt("an unknown class of a relation")),
    };
    let subjects = u16::from_le_bytes(r.array()?);
    let name = take_name(r)?;
    let limit = if relation.is_own() {
        // Whatever a right is given to or taken from; flags are the engine's own.
        let most = most(if class == Class::Deny { Relation::DenyAll } else { Relation::Reader });
        Declared { relation, name: name.clone(), ..most }
    } else {
        most(relation)
    };
    let own_name = !relation.is_own() || Relation::from_name(&name).is_err();
    if (class, &name) != (limit.class, &limit.name)
        || !own_name
        || targets & !limit.targets != 0
        || subjects & !limit.subjects != 0
    {
        return Err(corrupt(&format!("relation {name} of a schema is not what it can be")));
    }
    Ok(Declared { relation, class, targets, subjects, name })
}

fn take_permission(r: &mut Reader<'_>, allows: u32, denies: u32) -> Result<Named, AuthzError> {
    let name = take_name(r)?;
    let count = usize::from(r.u8()?);
    if count > CLAUSES {
        return Err(corrupt("a permission with too many clauses"));
    }
    let mut clauses = Vec::with_capacity(count);
    for _ in 0..count {
        let mut mask = || r.array().map(u32::from_le_bytes);
        let clause = Clause { some: mask()?, every: mask()?, none: mask()? };
        // Who holds nothing has nothing, and what may be unknown is never taken for absent.
        if clause.some == 0 || (clause.some | clause.every) & !allows != 0 || clause.none & !denies != 0 {
            return Err(corrupt(&format!("a clause of permission {name} is not what it can be")));
        }
        clauses.push(clause);
    }
    Ok(Named { name, clauses })
}

impl Schema {
    /// Numbers that new relations may get: neither in use, nor so lately given back that the log may still name them.
    pub(crate) fn free_numbers(&self, oldest: u64) -> Vec<u8> {
        let own = OWN_FIRST..OWN_FIRST + OWN_RELATIONS;
        own.filter(|number| {
            let used = self.relations.iter().any(|d| d.relation.number() == *number);
            let logged = self.retired.iter().any(|(n, at)| n == number && *at > oldest);
            !used && !logged
        })
        .collect()
    }

    /// Takes the place of `before` at a revision: remembers which numbers were given back. Refuses one that gives a
    /// number another meaning, for as long as the log, which begins at `oldest`, may use it.
    pub(crate) fn succeed(mut self, before: &Self, oldest: u64, revision: u64) -> Result<Self, AuthzError> {
        let free = before.free_numbers(oldest);
        for new in self.relations.iter().filter(|d| d.relation.is_own()) {
            let kept = before.declared(new.relation);
            if kept.is_some_and(|old| (&old.name, old.class) != (&new.name, new.class))
                || (kept.is_none() && !free.contains(&new.relation.number()))
            {
                return Err(AuthzError::Invalid(format!(
                    "relation {} has a number that meant something else: compile the schema again",
                    new.name
                )));
            }
        }
        self.retired = before.retired.iter().copied().filter(|(_, at)| *at > oldest).collect();
        let gone = before.relations.iter().map(|d| d.relation).filter(|r| r.is_own() && self.declared(*r).is_none());
        let gone: Vec<_> = gone.map(|relation| (relation.number(), revision)).collect();
        self.retired.extend(gone);
        self.stamp = revision;
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// These bytes are compiled from `authz/default.schema` (a test in Python says so), and are on disks.
    #[test]
    fn the_built_in_schema_is_the_default_schema_compiled() {
        let text = include_str!("../../../../../tests/vectors/schema/default.hex");
        let golden: String = text.split_whitespace().collect();
        let hex: String = Schema::built_in().encode().iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(hex, golden);
        assert_eq!(Schema::decode(0, &Schema::built_in().encode()).unwrap(), *Schema::built_in());
    }

    #[test]
    fn damaged_bytes_are_refused_or_another_schema_and_never_panic() {
        let bytes = Schema::built_in().encode();
        for i in 0..bytes.len() {
            for bit in 0..8 {
                let mut other = bytes.clone();
                other[i] ^= 1 << bit;
                if let Ok(schema) = Schema::decode(0, &other) {
                    assert_eq!(schema.encode(), other);
                    assert_ne!(schema, *Schema::built_in());
                }
            }
        }
    }
}
