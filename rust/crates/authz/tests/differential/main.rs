//! The engine against the oracle on random worlds: check, explain, bulk, ranges and lookups must be one truth, before
//! and after merging, and after the store is opened again.

mod buckets;
mod naive;
mod schemas;
mod world;

use std::collections::BTreeSet;
use std::sync::Arc;

use naive::{Naive, TENANTS, on_path};
use panthera_authz::{
    ApplySchema, AuthzError, Change, Engine, Grantee, Kind, Moment, Next, Permission, Place, Principal, Relation,
    Settings, Spot, Target, Tuple, TupleKey, Visible, WriteTuples,
};
use panthera_base::{BucketId, TenantId, Timestamp};
use panthera_meta::memory::Memory;
use world::{BUCKETS, Rng};

/// Keys of a call that asks for each several times.
const MANY: usize = 600;

struct World {
    seed: u64,
    rng: Rng,
    meta: Arc<Memory>,
    engine: Engine,
    naive: Naive,
    compared: usize,
    /// Tenants change their schemas meanwhile.
    schemas: bool,
}

fn settings(seed: u64) -> Settings {
    Settings {
        merge_at: [2, 8, 10_000][seed as usize % 3],
        memo_places: [0, 7, 1024][seed as usize / 3 % 3],
        verdict_places: [1024, 0, 3][seed as usize / 9 % 3],
        ..Settings::default()
    }
}

impl World {
    fn new(seed: u64) -> Self {
        let meta = Arc::new(Memory::new());
        let engine = Engine::open(meta.clone(), settings(seed)).unwrap();
        Self { seed, rng: Rng(seed), meta, engine, naive: Naive::default(), compared: 0, schemas: false }
    }

    fn step(&mut self) {
        if self.schemas && self.rng.one_in(6) {
            return self.change_schema();
        }
        // Groups are hidden and closed often: what counted until then is the rest of the world.
        let shown = |t: &&Tuple| matches!(t.key.relation, Relation::Exported | Relation::Open);
        let some: Vec<Tuple> = match self.rng.below(8) {
            0 => self.naive.tuples.iter().filter(shown).cloned().collect(),
            1 | 2 => self.naive.tuples.clone(),
            _ => Vec::new(),
        };
        let gone = (!some.is_empty()).then(|| self.rng.pick(&some).clone());
        if let Some(tuple) = gone {
            self.naive.tuples.retain(|t| t.key != tuple.key);
            self.write(tuple.key.target.tenant, Change::Delete(tuple.key)).unwrap();
            return;
        }
        let tuple = world::tuple(&mut self.rng);
        let written = self.write(tuple.key.target.tenant, Change::Touch(tuple.clone())).is_ok();
        if written {
            let schema = self.naive.schemas.get(&tuple.key.target.tenant);
            let declared = schema.map_or(tuple.key.relation.number() < 19, |s| s.takes(&tuple.key));
            assert!(declared, "seed {}: written without a declaration: {tuple:?}", self.seed);
            self.naive.tuples.retain(|t| t.key != tuple.key);
            self.naive.tuples.push(tuple);
        }
    }

    fn change_schema(&mut self) {
        let tenant = *self.rng.pick(&TENANTS);
        let before = self.engine.schema_in_force(tenant).unwrap();
        let plain = schemas::plain(&mut self.rng, self.naive.schemas.get(&tenant), &before.free);
        let orphans = self.naive.tuples.iter().any(|t| t.key.target.tenant == tenant && !plain.takes(&t.key));
        let request = ApplySchema {
            tenant,
            source: format!("// {plain:?}"),
            compiled: plain.bytes(),
            against: before.schema.revision(),
            at: Timestamp(1),
            dry_run: self.rng.one_in(8),
            by: None,
        };
        let seed = self.seed;
        match self.engine.apply_schema(&request) {
            Ok(_) if request.dry_run => assert!(!orphans, "seed {seed}: {plain:#?}"),
            Ok(_) => {
                assert!(!orphans, "seed {seed}: applied over tuples it has no place for: {plain:#?}");
                self.naive.schemas.insert(tenant, plain);
            }
            Err(AuthzError::Orphans(listed)) => {
                assert!(orphans, "seed {seed}: {listed:?}");
                for tuple in listed {
                    assert!(self.naive.tuples.contains(&tuple) && !plain.takes(&tuple.key), "seed {seed}: {tuple:?}");
                }
                assert_eq!(
                    self.engine.schema_in_force(tenant).unwrap(),
                    before,
                    "seed {seed}: a refusal left something"
                );
            }
            Err(other) => panic!("seed {seed}: {other} for {plain:#?}"),
        }
    }

    /// Every permission a tenant has, and one it has not.
    fn permission(&mut self, tenant: TenantId) -> Permission {
        let schema = self.engine.schema(tenant);
        let all: Vec<Permission> = schema.permissions().map(|(permission, _)| permission).collect();
        *self.rng.pick(&all)
    }

    fn write(&self, tenant: TenantId, change: Change) -> Result<u64, panthera_authz::AuthzError> {
        self.engine.write(WriteTuples::new(tenant, vec![change], Timestamp(1)))
    }

    fn keys(&mut self) -> Vec<Vec<u8>> {
        let mut keys: BTreeSet<Vec<u8>> = (0..12).map(|_| world::key(&mut self.rng)).collect();
        for tuple in &self.naive.tuples {
            if let Place::Object(_, key) | Place::Prefix(_, key) = &tuple.key.target.place {
                keys.insert(key.clone());
                keys.insert([key, &b"z"[..]].concat());
            }
        }
        keys.into_iter().collect()
    }

    fn compare(&mut self) {
        let keys = self.keys();
        let principals = world::principals();
        for _ in 0..3 {
            let moment = world::moment(&mut self.rng);
            for _ in 0..5 {
                let principal = *self.rng.pick(&principals);
                let tenant = *self.rng.pick(&TENANTS);
                let bucket = *self.rng.pick(&BUCKETS);
                let permission = self.permission(tenant);
                self.spots(principal, permission, tenant, bucket, &keys, &moment);
                self.listing(principal, permission, tenant, bucket, &keys, &moment);
                self.given(principal, tenant, bucket, &keys, &moment);
            }
            let target = Target::new(*self.rng.pick(&TENANTS), world::place(&mut self.rng));
            let permission = self.permission(target.tenant);
            self.subjects(permission, &target, &principals, &moment);
        }
    }

    /// check and explain on every kind of place.
    fn spots(
        &mut self,
        who: Principal,
        p: Permission,
        tenant: TenantId,
        bucket: BucketId,
        keys: &[Vec<u8>],
        m: &Moment,
    ) {
        let mut places = vec![Place::Tenant, Place::Bucket(bucket)];
        places.extend(keys.iter().map(|k| Place::Object(bucket, k.clone())));
        places.extend(keys.iter().filter(|k| k.ends_with(b"/")).map(|k| Place::Prefix(bucket, k.clone())));
        for place in places {
            let target = Target::new(tenant, place);
            let expect = self.naive.check(who, p, &target, m);
            let spot = spot(&target.place);
            let got = self.engine.check(who, p, tenant, spot, m).unwrap();
            let seed = self.seed;
            let again = self.engine.check(who, p, tenant, spot, m).unwrap();
            assert_eq!(again, got, "seed {seed}: a kept verdict");
            assert_eq!(got.allowed, expect, "seed {seed}: {who:?} {p:?} {target:?} {m:?}\n{:#?}", self.naive.tuples);
            let why = self.engine.explain(who, p, tenant, spot, m).unwrap();
            assert_eq!(why.answer.allowed, expect, "seed {seed}: explain");
            match why.deciding {
                Some(granted) => {
                    let key = TupleKey {
                        target: Target::new(tenant, granted.place),
                        relation: granted.relation,
                        grantee: granted.grantee,
                    };
                    self.named(who, p, &target, m, (&key, expect));
                }
                None => assert!(!expect || who.admin, "seed {seed}: allowed by nothing"),
            }
            self.compared += 2;
        }
    }

    /// The tuple that an explanation names is there and decides alone. In a schema that asks for several at once no
    /// tuple may: then any of them is named.
    fn named(&self, who: Principal, p: Permission, at: &Target, m: &Moment, (key, expect): (&TupleKey, bool)) {
        let seed = self.seed;
        assert!(self.naive.tuples.iter().any(|t| t.key == *key), "seed {seed}: {key:?} is no tuple");
        assert_eq!(self.naive.denies(at.tenant, key.relation), !expect, "seed {seed}: {key:?}");
        // What a key says about its owner is no tuple: it must not help an allow that is named.
        let alone = |key: &TupleKey| {
            let asked = Principal { admin: who.admin && !expect, ..who };
            self.naive.with_only(key).check(asked, p, at, m) == expect
        };
        if alone(key) {
            return;
        }
        let other = self.naive.tuples.iter().find(|t| {
            on_path(&t.key) && self.naive.denies(t.key.target.tenant, t.key.relation) != expect && alone(&t.key)
        });
        let own = self.naive.schemas.contains_key(&at.tenant);
        assert!(own && other.is_none(), "seed {seed}: {key:?} does not decide {p:?} on {at:?}, {other:?} does");
    }

    /// bulk, ranges and lookup of resources are filter(check).
    fn listing(
        &mut self,
        who: Principal,
        p: Permission,
        tenant: TenantId,
        bucket: BucketId,
        keys: &[Vec<u8>],
        m: &Moment,
    ) {
        let seed = self.seed;
        let expect: Vec<bool> = keys
            .iter()
            .map(|k| self.engine.check(who, p, tenant, Spot::Object(bucket, k), m).unwrap().allowed)
            .collect();
        let mut bulk = Vec::new();
        self.engine.check_keys(who, p, tenant, bucket, keys.iter().map(|k| &**k), m, &mut bulk).unwrap();
        assert_eq!(bulk, expect, "seed {seed}: bulk");
        // So many that the subject's ranges are worth computing, in no order and then in order.
        let mut many: Vec<usize> = (0..MANY).map(|_| self.rng.below(keys.len())).collect();
        many[MANY / 2..].sort_unstable();
        self.engine.check_keys(who, p, tenant, bucket, many.iter().map(|&k| &*keys[k]), m, &mut bulk).unwrap();
        let wanted: Vec<bool> = many.iter().map(|&k| expect[k]).collect();
        assert_eq!(bulk, wanted, "seed {seed}: bulk of many");
        let prefix = if self.rng.one_in(2) {
            Vec::new()
        } else {
            let k = self.rng.pick(keys).clone();
            k[..self.rng.below(k.len() + 1)].to_vec()
        };
        let mut visible = Visible::open(&self.engine, who, p, tenant, bucket, &prefix, m).unwrap();
        let wanted: Vec<&Vec<u8>> =
            keys.iter().zip(&expect).filter(|(k, e)| **e && k.starts_with(&prefix)).map(|(k, _)| k).collect();
        assert_eq!(scan(&mut visible, keys, &prefix), wanted, "seed {seed}: ranges below {prefix:?}");
        if visible.is_blanket() {
            let below = keys.iter().filter(|k| k.starts_with(&prefix)).count();
            assert_eq!(below, wanted.len(), "seed {seed}: blanket");
        }
        for key in &wanted {
            let cut = self.rng.below(key.len() + 1).max(prefix.len());
            assert!(visible.may_contain(&key[..cut]), "seed {seed}: a common prefix hides {key:?}");
        }
        let (mut ranges, mut cursor, limit) = (Vec::new(), None, 1 + self.rng.below(4));
        loop {
            let page = self.engine.lookup_resources(who, p, tenant, bucket, cursor.as_deref(), limit, m).unwrap();
            assert!(page.ranges.len() <= limit);
            ranges.extend(page.ranges);
            cursor = page.cursor;
            if cursor.is_none() {
                break;
            }
        }
        for (key, expect) in keys.iter().zip(&expect) {
            let inside = ranges.iter().any(|r| r.start <= *key && r.end.as_ref().is_none_or(|end| key < end));
            assert_eq!(inside, *expect, "seed {seed}: lookup {key:?} in {ranges:?}");
        }
        self.compared += 3 * keys.len();
    }

    /// Ranges with an allow from elsewhere are the oracle's with that allow.
    fn given(&mut self, who: Principal, tenant: TenantId, bucket: BucketId, keys: &[Vec<u8>], m: &Moment) {
        let (lister, discover) = (Relation::Lister, Permission::Discover);
        let expect = |key: &&Vec<u8>| {
            let target = Target::new(tenant, Place::Object(bucket, (*key).clone()));
            self.naive.check_given(who, discover, &target, m, Some(lister))
        };
        let wanted: Vec<&Vec<u8>> = keys.iter().filter(expect).collect();
        let mut visible = Visible::open(&self.engine, who, discover, tenant, bucket, b"", m).unwrap().given(lister);
        assert_eq!(scan(&mut visible, keys, b""), wanted, "seed {}: given", self.seed);
        self.compared += keys.len();
    }

    /// Lookup of subjects agrees with the check of each.
    fn subjects(&mut self, p: Permission, target: &Target, principals: &[Principal], m: &Moment) {
        let (mut subjects, mut excluded, mut cursor) = (Vec::new(), Vec::new(), None);
        let classes = loop {
            let page = self.engine.lookup_subjects(p, target.tenant, spot(&target.place), cursor, 2, m).unwrap();
            subjects.extend(page.subjects);
            excluded.extend(page.excluded);
            cursor = page.cursor;
            if cursor.is_none() {
                break (page.classes, page.excluded_classes);
            }
        };
        let foreign_groups = self
            .naive
            .tuples
            .iter()
            .any(|t| t.key.grantee.kind() == Kind::Group && t.key.grantee.tenant() != t.key.target.tenant);
        if foreign_groups {
            return;
        }
        for who in principals.iter().filter(|w| !w.admin) {
            let g = who.grantee;
            let signed = matches!(g.kind(), Kind::User | Kind::Service);
            let mut around = if g.kind() == Kind::Share { Vec::new() } else { vec![Grantee::ANYONE] };
            if signed {
                around.extend([Grantee::AUTHENTICATED, Grantee::tenant_member(g.tenant()).unwrap()]);
            }
            let nearest = around.iter().rev().find(|c| classes.0.contains(c) || classes.1.contains(c));
            let in_class = nearest.is_some_and(|c| classes.0.contains(c));
            let found = subjects.contains(&g) || (in_class && !excluded.contains(&g));
            let expect = self.naive.check(*who, p, target, m);
            let seed = self.seed;
            assert_eq!(found, expect, "seed {seed}: who {p:?} {target:?}: {g}\n{:#?}", self.naive.tuples);
            self.compared += 1;
        }
    }
}

fn spot(place: &Place) -> Spot<'_> {
    match place {
        Place::Bucket(bucket) => Spot::Bucket(*bucket),
        Place::Prefix(bucket, path) => Spot::Prefix(*bucket, path),
        Place::Object(bucket, key) => Spot::Object(*bucket, key),
        _ => Spot::Tenant,
    }
}

/// Reads keys as a listing does: from where it may, to where it must seek.
fn scan<'k>(visible: &mut Visible, keys: &'k [Vec<u8>], prefix: &[u8]) -> Vec<&'k Vec<u8>> {
    let mut shown = Vec::new();
    let mut at = keys.partition_point(|k| &**k < prefix);
    while let Some(key) = keys.get(at).filter(|k| k.starts_with(prefix)) {
        match visible.visible(key) {
            Next::Allowed { until } => {
                let until = until.map(<[u8]>::to_vec);
                while let Some(key) =
                    keys.get(at).filter(|k| k.starts_with(prefix) && until.as_ref().is_none_or(|u| *k < u))
                {
                    shown.push(key);
                    at += 1;
                }
            }
            Next::Skip { to } => {
                assert!(&**key < to, "a seek goes forward");
                at = keys.partition_point(|k| &**k < to);
            }
            Next::End => break,
        }
    }
    shown
}

fn run(seeds: std::ops::Range<u64>) -> usize {
    let mut compared = 0;
    for seed in seeds {
        let mut world = World::new(seed);
        world.schemas = seed % 2 == 1;
        for round in 0..4 {
            for _ in 0..6 + world.rng.below(20) {
                world.step();
            }
            if round == 2 {
                world.engine.settle();
            }
            if round == 3 && world.rng.one_in(2) {
                world.engine = Engine::open(world.meta.clone(), settings(seed)).unwrap();
            }
            world.compare();
        }
        compared += world.compared;
    }
    compared
}

impl World {
    /// The verdicts of a fixed set of questions about one tenant's keys.
    fn verdicts(&self, tenant: TenantId, keys: &[Vec<u8>], moment: &Moment, only: Option<TenantId>) -> Vec<bool> {
        let principals = world::principals();
        let asked = principals.iter().filter(|p| only.is_none_or(|t| p.grantee.tenant() == t));
        let mut all = Vec::new();
        for who in asked {
            for (p, _) in self.engine.schema(tenant).permissions() {
                for (bucket, key) in BUCKETS.iter().flat_map(|b| keys.iter().map(move |k| (*b, k))) {
                    let answer = self.engine.check(*who, p, tenant, Spot::Object(bucket, key), moment);
                    all.push(answer.unwrap().allowed);
                }
            }
        }
        all
    }
}

#[test]
fn an_allow_never_takes_and_a_deny_never_gives() {
    for seed in 0..12 {
        let mut world = World::new(seed);
        world.schemas = seed % 2 == 1;
        (0..30).for_each(|_| world.step());
        let (keys, moment) = (world.keys(), world::moment(&mut world.rng));
        let keys = &keys[..keys.len().min(8)];
        let mut before = world.verdicts(TENANTS[0], keys, &moment, None);
        for _ in 0..20 {
            let tuple = world::tuple(&mut world.rng);
            let relation = tuple.key.relation;
            let new = world.naive.tuples.iter().all(|t| t.key != tuple.key);
            let grants = !matches!(relation.name(), "isolated" | "member" | "assignee" | "exported" | "open");
            if !(new && grants) || world.write(tuple.key.target.tenant, Change::Create(tuple.clone())).is_err() {
                continue;
            }
            let after = world.verdicts(TENANTS[0], keys, &moment, None);
            let denies = world.naive.denies(tuple.key.target.tenant, relation);
            let wrong = before.iter().zip(&after).any(|(b, a)| if denies { !b & a } else { b & !a });
            assert!(!wrong, "seed {seed}: {tuple:?}");
            world.naive.tuples.push(tuple);
            before = after;
        }
    }
}

#[test]
fn nothing_one_tenant_writes_changes_another_that_does_not_name_it() {
    for seed in 100..112 {
        let mut world = World::new(seed);
        let (mine, other) = (TENANTS[0], TENANTS[1]);
        for _ in 0..60 {
            let tuple = world::tuple(&mut world.rng);
            if tuple.key.target.tenant == mine && tuple.key.grantee.tenant() != other {
                let _ = world.write(mine, Change::Touch(tuple));
            }
        }
        let (keys, moment) = (world.keys(), world::moment(&mut world.rng));
        let before = world.verdicts(mine, &keys, &moment, Some(mine));
        for _ in 0..100 {
            let tuple = world::tuple(&mut world.rng);
            if tuple.key.target.tenant == other {
                let _ = world.write(other, Change::Touch(tuple));
            }
        }
        assert_eq!(world.verdicts(mine, &keys, &moment, Some(mine)), before, "seed {seed}");
    }
}

#[test]
fn the_order_of_writes_does_not_matter() {
    for seed in 200..206 {
        let mut world = World::new(seed);
        (0..40).for_each(|_| world.step());
        let (keys, moment) = (world.keys(), world::moment(&mut world.rng));
        let other = World::new(seed);
        // What may be named across tenants must be there first; the rest comes backwards.
        let (first, rest): (Vec<_>, Vec<_>) = world
            .naive
            .tuples
            .iter()
            .rev()
            .cloned()
            .partition(|t| matches!(t.key.relation.name(), "exported" | "open"));
        for tuple in first.into_iter().chain(rest) {
            if other.write(tuple.key.target.tenant, Change::Create(tuple.clone())).is_err() {
                // Its group was exported when it was written and is not any more: not the same world.
                world.naive.tuples.retain(|t| t.key != tuple.key);
                world.write(tuple.key.target.tenant, Change::Delete(tuple.key)).unwrap();
            }
        }
        for tenant in TENANTS {
            let (one, two) =
                (world.verdicts(tenant, &keys, &moment, None), other.verdicts(tenant, &keys, &moment, None));
            assert_eq!(one, two, "seed {seed}");
        }
    }
}

#[test]
fn the_engine_agrees_with_the_oracle() {
    // PANTHERA_SEEDS=1000..2000 runs other worlds.
    let seeds = std::env::var("PANTHERA_SEEDS").ok().and_then(|text| {
        let (from, to) = text.split_once("..")?;
        Some(from.parse().ok()?..to.parse().ok()?)
    });
    let compared = run(seeds.unwrap_or(0..40));
    assert!(compared >= 100_000, "{compared} comparisons");
}

/// A number from the environment.
fn given(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |text| text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")))
}

/// `make fuzz-authz`: seeds from FUZZ_AUTHZ_SEED on, until the comparisons or the seconds are reached, whichever is first.
#[test]
#[allow(clippy::print_stdout)]
#[ignore = "runs for as long as one lets it: make fuzz-authz"]
fn the_engine_agrees_with_the_oracle_for_long() {
    let (first, wanted) = (given("FUZZ_AUTHZ_SEED", 1_000_000), given("FUZZ_AUTHZ_COMPARISONS", 100_000_000));
    let (seconds, began) = (given("FUZZ_AUTHZ_SECONDS", u64::MAX), std::time::Instant::now());
    let (mut seed, mut compared) = (first, 0);
    while compared < wanted && began.elapsed().as_secs() < seconds {
        compared += run(seed..seed + 64) as u64;
        seed += 64;
    }
    println!("rust: {compared} comparisons, seeds {first} to {}, {} s", seed - 1, began.elapsed().as_secs());
    assert!(compared > 0);
}
