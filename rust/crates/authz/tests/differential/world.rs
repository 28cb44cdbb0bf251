//! Random worlds: tuples, keys, subjects and moments, small enough that everything meets everything.

use panthera_authz::{Condition, Facts, Grantee, Moment, Network, Place, Principal, Relation, Target, Tuple, Window};
use panthera_base::{BucketId, TenantId, Timestamp, UserId};

use crate::naive::TENANTS;

/// A small generator (SplitMix64): the same numbers from the same seed everywhere.
pub(crate) struct Rng(pub u64);

impl Rng {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    pub(crate) fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    pub(crate) fn pick<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }
}

const SEGMENTS: [&[u8]; 8] = [b"a", b"b", b"", b"..", b"a\0", b"\xFF", b"a:b#c@*", b"A"];
pub(crate) const BUCKETS: [BucketId; 2] = [BucketId(10), BucketId(11)];
const USERS: usize = 4;
const GROUPS: usize = 5;

pub(crate) fn key(rng: &mut Rng) -> Vec<u8> {
    let mut key = Vec::new();
    for _ in 0..rng.below(4) {
        let width = rng_width(rng);
        key.extend_from_slice(rng.pick::<&[u8]>(&SEGMENTS[..width]));
        key.push(b'/');
    }
    if rng.below(4) > 0 || key.is_empty() {
        key.extend_from_slice(rng.pick::<&[u8]>(&SEGMENTS));
    }
    if key.is_empty() { b"x".to_vec() } else { key }
}

fn rng_width(rng: &mut Rng) -> usize {
    if rng.one_in(4) { SEGMENTS.len() } else { 2 }
}

pub(crate) fn place(rng: &mut Rng) -> Place {
    let bucket = *rng.pick(&BUCKETS);
    match rng.below(8) {
        0 => Place::Bucket(bucket),
        1..=4 => {
            let mut path = key(rng);
            if !path.ends_with(b"/") {
                path.push(b'/');
            }
            Place::Prefix(bucket, path)
        }
        _ => Place::Object(bucket, key(rng)),
    }
}

pub(crate) fn principals() -> Vec<Principal> {
    let plain = |grantee| Principal { grantee, admin: false };
    let mut all = vec![plain(Grantee::ANYONE)];
    for tenant in TENANTS {
        all.extend((1..=USERS as u32).map(|u| plain(Grantee::user(tenant, UserId(u)).unwrap())));
        all.push(plain(Grantee::service(tenant, UserId(1)).unwrap()));
        all.push(plain(Grantee::share(tenant, 1).unwrap()));
        all.push(Principal { grantee: Grantee::user(tenant, UserId(9)).unwrap(), admin: true });
    }
    all
}

fn grantee(rng: &mut Rng, home: TenantId) -> Grantee {
    let tenant = if rng.one_in(4) { *rng.pick(&TENANTS) } else { home };
    match rng.below(14) {
        0 => Grantee::ANYONE,
        1 => Grantee::AUTHENTICATED,
        2 => Grantee::tenant_member(tenant).unwrap(),
        3 => Grantee::service(tenant, UserId(1)).unwrap(),
        4 => Grantee::role(tenant, 1).unwrap(),
        5 => Grantee::share(tenant, 1).unwrap(),
        6..=9 => Grantee::group(tenant, number(rng)).unwrap(),
        _ => Grantee::user(tenant, UserId(1 + rng.below(USERS) as u32)).unwrap(),
    }
}

/// Of a group; one is so frequent that much comes together in it.
fn number(rng: &mut Rng) -> u32 {
    if rng.one_in(2) { 1 } else { 1 + rng.below(GROUPS) as u32 }
}

/// A user or group of the other tenant.
fn foreigner(rng: &mut Rng, home: TenantId) -> Grantee {
    let tenant = if home == TENANTS[0] { TENANTS[1] } else { TENANTS[0] };
    if rng.one_in(2) {
        return Grantee::user(tenant, UserId(1 + rng.below(USERS) as u32)).unwrap();
    }
    Grantee::group(tenant, number(rng)).unwrap()
}

fn condition(rng: &mut Rng) -> Condition {
    let mut condition = Condition::default();
    match rng.below(4) {
        0 => condition.networks.push(Network { address: "10.0.0.0".parse().unwrap(), bits: 8 }),
        1 => condition.tls = true,
        2 => condition.mfa_secs = Some(rng.below(60) as u32),
        _ => {
            let (from, to) = (rng.below(4) as u16, rng.below(4) as u16);
            condition.window = Some(Window { weekdays: 127, from_minute: from, to_minute: to });
        }
    }
    condition
}

pub(crate) fn moment(rng: &mut Rng) -> Moment {
    let now = Timestamp::from_secs(rng.below(200) as u64);
    let facts = Facts {
        source_ip: [None, Some("10.1.1.1".parse().unwrap()), Some("11.1.1.1".parse().unwrap())][rng.below(3)],
        tls: [None, Some(true), Some(false)][rng.below(3)],
        mfa_at: [None, Some(None), Some(Some(Timestamp::from_secs(rng.below(200) as u64)))][rng.below(3)],
    };
    Moment { now, facts }
}

/// A tuple that often makes sense; the engine says whether it does.
pub(crate) fn tuple(rng: &mut Rng) -> Tuple {
    let tenant = *rng.pick(&TENANTS);
    let (place, relation, grantee) = match rng.below(26) {
        24..=25 => (Place::Group(1), *rng.pick(&[Relation::Exported, Relation::Open]), Grantee::ITSELF),
        // Who comes from another tenant, and denies to groups, so that the two meet.
        20..=21 => (Place::Group(number(rng)), Relation::Member, foreigner(rng, tenant)),
        22..=23 => (place(rng), Relation::ALL[8 + rng.below(5)].0, Grantee::group(tenant, number(rng)).unwrap()),
        0 => (Place::Group(number(rng)), Relation::Exported, Grantee::ITSELF),
        1 => (Place::Group(number(rng)), Relation::Open, Grantee::ITSELF),
        2..=6 => (Place::Group(number(rng)), Relation::Member, grantee(rng, tenant)),
        7 => (Place::Role(1), Relation::Assignee, grantee(rng, tenant)),
        8 => (Place::Tenant, Relation::from_number(rng.below(24) as u8).unwrap(), grantee(rng, tenant)),
        13..=14 => (place(rng), Relation::from_number(19 + rng.below(5) as u8).unwrap(), grantee(rng, tenant)),
        9 => (place(rng), Relation::Isolated, Grantee::ITSELF),
        10..=12 => (place(rng), Relation::ALL[8 + rng.below(5)].0, grantee(rng, tenant)),
        _ => (place(rng), Relation::ALL[rng.below(8)].0, grantee(rng, tenant)),
    };
    let mut tuple = Tuple::new(Target::new(tenant, place), relation, grantee);
    if rng.one_in(5) {
        tuple = tuple.until(Timestamp::from_secs(1 + rng.below(200) as u64));
    }
    if rng.one_in(5) {
        tuple = tuple.when(condition(rng));
    }
    tuple
}
