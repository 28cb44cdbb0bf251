//! Pages of ListBuckets against the question it saves: whether the caller may know of a bucket, asked of each one.

use std::collections::HashSet;
use std::sync::Arc;

use panthera_authz::{
    Action, Authorizer, BucketPage, Change, Context, Grantee, Kind, NoRequest, Place, Principal, Question, Relation,
    Resource, Settings, Subject, Target, Tuple, WriteTuples,
};
use panthera_base::{BucketId, TenantId, Timestamp, UserId};
use panthera_meta::keys::{self, PrincipalOf};
use panthera_meta::memory::Memory;
use panthera_meta::records::{
    BucketRecord, Grant, Grantee as Named, IdentityRecord, InlinePolicy, ListingMode, Ownership, PublicAccessBlock,
    UserRecord, encode_acl, encode_id,
};
use panthera_meta::{Batch, Metastore};

use crate::naive::TENANTS;
use crate::world::{self, Rng};

/// Of each tenant.
const BUCKETS: u32 = 12;
/// Users 1 and 2 are the first tenant's, 3 and 4 the second's.
const USERS: u32 = 4;

fn home(user: u32) -> TenantId {
    TENANTS[usize::from(user > 2)]
}

/// One statement on every action, for everybody whom its principals name; compiled as `authz/policy/compiler.py` does.
fn policy(rng: &mut Rng, identity: bool) -> Vec<u8> {
    const EVERY_ACTION: u8 = 2;
    const PRINCIPALS: u8 = 4;
    let deny = u8::from(rng.one_in(5));
    let mut statement = vec![deny | EVERY_ACTION | if identity { 0 } else { PRINCIPALS }];
    statement.extend([0; 32]);
    if !identity {
        let tenant = rng.pick(&TENANTS).0;
        let user = 1 + rng.below(USERS as usize) as u32;
        let (kind, number) = *rng.pick(&[(0, 0), (1, 0), (2, user)]);
        statement.extend([1, 0, kind]);
        statement.extend(tenant.to_le_bytes());
        statement.extend(u32::to_le_bytes(number));
    }
    statement.extend([1, 0]);
    match rng.below(3) {
        0 => statement.push(0),
        1 => {
            let name = name(*rng.pick(&TENANTS), rng.below(BUCKETS as usize) as u32);
            statement.extend([1, name.len() as u8, 0]);
            statement.extend(name.bytes());
        }
        // A literal and a star.
        _ => statement.extend([3, 6, 0, 1, 2, 0, b'b', b'0' + rng.below(2) as u8, 2]),
    }
    statement.extend([0, 0, 0, 0]);
    let mut policy = vec![1, if identity { 2 } else { 0 }, 1, 0];
    policy.extend((statement.len() as u32).to_le_bytes());
    policy.extend(statement);
    policy
}

/// The tenants' names lie between one another.
fn name(tenant: TenantId, bucket: u32) -> String {
    format!("b{bucket:02}-{}", tenant.0)
}

fn number(tenant: TenantId, bucket: u32) -> BucketId {
    BucketId(tenant.0 * 100 + bucket)
}

fn record(rng: &mut Rng, tenant: TenantId, bucket: u32) -> BucketRecord {
    let owner = UserId(1 + rng.below(USERS as usize) as u32);
    let mut record = BucketRecord { id: number(tenant, bucket), tenant, owner, ..BucketRecord::default() };
    if rng.one_in(2) {
        return record;
    }
    record.policy = rng.one_in(3).then(|| policy(rng, false));
    record.ownership = if rng.one_in(3) { Ownership::ObjectWriter } else { Ownership::default() };
    let named = [Named::User(UserId(1 + rng.below(USERS as usize) as u32)), Named::AllUsers, Named::AuthenticatedUsers];
    let grant = Grant { grantee: *rng.pick(&named), permissions: 1 + rng.below(15) as u8 };
    record.acl = rng.one_in(2).then(|| encode_acl(&[grant]));
    record.listing = if rng.one_in(4) { ListingMode::Strict } else { ListingMode::Filtered };
    record.public_access_block = rng.one_in(4).then_some(PublicAccessBlock::ALL);
    record.region = rng.one_in(3).then(|| "eu-west-1".to_owned());
    record.mounts = u32::from(rng.one_in(4));
    record
}

/// Whether the tuple is on a bucket or on something in it.
fn is_in(tuple: &Tuple, tenant: TenantId, bucket: BucketId) -> bool {
    let at = match tuple.key.target.place {
        Place::Bucket(at) | Place::Prefix(at, _) | Place::Object(at, _) => at,
        _ => return false,
    };
    tuple.key.target.tenant == tenant && at == bucket
}

/// With small caches: nothing is asked often, and worlds are many.
fn opened(meta: &Arc<Memory>, merge_at: usize) -> Authorizer {
    let settings = Settings { merge_at, memo_places: 64, verdict_places: 64, identity_places: 64 };
    Authorizer::open_with(meta.clone(), settings).unwrap()
}

struct World {
    seed: u64,
    meta: Arc<Memory>,
    authorizer: Authorizer,
    tuples: Vec<Tuple>,
    buckets: Vec<(String, BucketRecord)>,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut rng = Rng(seed);
        let meta = Arc::new(Memory::new());
        let mut buckets = Vec::new();
        let mut batch = Batch::default();
        for (tenant, bucket) in TENANTS.into_iter().flat_map(|tenant| (0..BUCKETS).map(move |n| (tenant, n))) {
            let (name, record) = (name(tenant, bucket), record(&mut rng, tenant, bucket));
            batch.put(keys::bucket(name.as_bytes()), record.encode());
            batch.put(keys::tenant_bucket(tenant, name.as_bytes()), encode_id(record.id.0));
            buckets.push((name, record));
        }
        buckets.sort_by(|a, b| a.0.cmp(&b.0));
        for user in 1..=USERS {
            let (tenant, name) = (home(user), format!("user{user}"));
            let person = UserRecord { id: UserId(user), tenant, name, ..UserRecord::default() };
            batch.put(keys::user(UserId(user)), person.encode());
            let holders = [(PrincipalOf::User, user), (PrincipalOf::Group, user)];
            for (of, holder) in holders {
                if !rng.one_in(6) {
                    continue;
                }
                let compiled = policy(&mut rng, true);
                let inline = vec![InlinePolicy { name: "p".into(), document: vec![], compiled }];
                let identity = IdentityRecord { inline, ..IdentityRecord::default() };
                batch.put(keys::identity(tenant, of, holder), identity.encode());
            }
        }
        meta.commit(&batch).unwrap();
        let authorizer = opened(&meta, [2, 10_000][seed as usize % 2]);
        let mut world = Self { seed, meta, authorizer, tuples: Vec::new(), buckets };
        for _ in 0..rng.below(40) {
            world.step(&mut rng);
        }
        world
    }

    fn step(&mut self, rng: &mut Rng) {
        if !self.tuples.is_empty() && rng.one_in(4) {
            let gone = self.tuples.swap_remove(rng.below(self.tuples.len()));
            self.write(gone.key.target.tenant, Change::Delete(gone.key)).unwrap();
            return;
        }
        let mut tuple = world::tuple(rng);
        let tenant = tuple.key.target.tenant;
        // What is granted on a tenant as a whole is known of all its buckets: seldom, so that the rest is tried.
        if tuple.key.target.place == Place::Tenant && !rng.one_in(4) {
            return;
        }
        let bucket = number(tenant, rng.below(BUCKETS as usize) as u32);
        match &mut tuple.key.target.place {
            Place::Bucket(at) | Place::Prefix(at, _) | Place::Object(at, _) => *at = bucket,
            _ => {}
        }
        if self.write(tenant, Change::Touch(tuple.clone())).is_ok() {
            self.tuples.retain(|t| t.key != tuple.key);
            self.tuples.push(tuple);
        }
    }

    fn write(&self, tenant: TenantId, change: Change) -> Result<u64, panthera_authz::AuthzError> {
        self.authorizer.engine().unwrap().write(WriteTuples::new(tenant, vec![change], Timestamp(1)))
    }

    /// The user, its tenant's members, and every group and role that tuples lead to from them, conditions aside.
    fn reached(&self, user: Grantee, now: Timestamp) -> HashSet<Grantee> {
        let mut all = HashSet::from([user, Grantee::tenant_member(user.tenant()).unwrap()]);
        loop {
            let before = all.len();
            for Tuple { key, expires_at, .. } in &self.tuples {
                let container = match key.target.place {
                    Place::Group(group) => Grantee::group(key.target.tenant, group).unwrap(),
                    Place::Role(role) => Grantee::role(key.target.tenant, role).unwrap(),
                    _ => continue,
                };
                let joins = matches!(key.relation, Relation::Member | Relation::Assignee);
                if joins && expires_at.is_none_or(|at| now < at) && all.contains(&key.grantee) {
                    all.insert(container);
                }
            }
            if all.len() == before {
                return all;
            }
        }
    }

    /// Every bucket of its own tenant that the user knows of, or may list all of; and others that it knows of and in
    /// which something names it.
    fn expected(&self, subject: &Subject, reached: &HashSet<Grantee>, context: &Context) -> Vec<String> {
        let own = subject.tenant().unwrap();
        let none = Resource { tenant: own, bucket: None, name: "", key: None, object: None };
        let asked = |action, resource| Question { subject, action, resource, context, request: &NoRequest };
        let all = self.authorizer.decide(&asked(Action::LIST_ALL_MY_BUCKETS, none)).allowed();
        let known = self.buckets.iter().filter(|(name, record)| {
            let place = Resource { tenant: record.tenant, bucket: Some(record), name, key: None, object: None };
            let named = self.tuples.iter().any(|t| {
                let whole = t.key.target == Target::new(record.tenant, Place::Tenant);
                (whole || is_in(t, record.tenant, record.id)) && reached.contains(&t.key.grantee)
            });
            (all && record.tenant == own)
                || ((record.tenant == own || named)
                    && self.authorizer.knows(&asked(Action::LIST_BUCKET, place)).allowed())
        });
        known.map(|(name, _)| name.clone()).collect()
    }

    /// All pages of one size, one after the other.
    fn listed(&self, subject: &Subject, context: &Context, page: &BucketPage<'_>) -> Vec<String> {
        let (mut all, mut after) = (Vec::new(), String::new());
        loop {
            let found =
                self.authorizer.known_buckets(subject, context, &BucketPage { after: &after, ..*page }).unwrap();
            assert!(found.len() <= page.limit);
            for (name, record) in &found {
                let stored = self.buckets.iter().find(|(other, _)| other == name).unwrap();
                assert_eq!(BucketRecord::decode(record).unwrap(), stored.1);
            }
            all.extend(found.iter().map(|(name, _)| name.clone()));
            match found.last() {
                // A page that is not full is the last one.
                Some((last, _)) if found.len() == page.limit => after = last.clone(),
                _ => return all,
            }
        }
    }

    fn compare(&self, rng: &mut Rng) -> [usize; 2] {
        let mut compared = [0, 0];
        for user in 1..=USERS {
            let (tenant, admin) = (home(user), rng.one_in(8));
            let subject = Subject::User { tenant, user: UserId(user), admin };
            let now = Timestamp::from_secs(rng.below(200) as u64);
            let address = *rng.pick(&["10.1.1.1", "11.1.1.1"]);
            let context = Context::at(now, address.parse().unwrap(), rng.one_in(2));
            let grantee = Grantee::user(tenant, UserId(user)).unwrap();
            // Time does not go back for an authorizer: what had expired once has.
            let now = self.authorizer.moment(&context).now;
            let context = Context { now, ..context };
            let expected = self.expected(&subject, &self.reached(grantee, now), &context);
            let region = *rng.pick(&[None, Some(("eu-west-1", "here")), Some(("here", "here"))]);
            let prefix = *rng.pick(&["", "", "b0", "b1", "b03-1", "c"]);
            let meant = |name: &&String| {
                let (_, record) = self.buckets.iter().find(|(other, _)| other == *name).unwrap();
                name.starts_with(prefix)
                    && region.is_none_or(|(wanted, ours)| record.region.as_deref().unwrap_or(ours) == wanted)
            };
            let expected: Vec<&String> = expected.iter().filter(meant).collect();
            for limit in [1, 2, 5, 100] {
                let page = BucketPage { prefix, after: "", limit, region };
                let listed = self.listed(&subject, &context, &page);
                assert_eq!(listed.iter().collect::<Vec<_>>(), expected, "seed {} {subject:?} {page:?}", self.seed);
            }
            let all = self.buckets.iter().map(|(name, _)| name).filter(meant).count();
            compared[0] += expected.len();
            compared[1] += all - expected.len();
            self.standing_is_what_a_new_engine_reads(grantee, &context);
        }
        compared
    }

    fn standing_is_what_a_new_engine_reads(&self, grantee: Grantee, context: &Context) {
        let moment = self.authorizer.moment(context);
        let who = Principal { grantee, admin: false };
        let anew = opened(&self.meta, 10_000);
        let [kept, read] = [&self.authorizer, &anew].map(|a| a.engine().unwrap().standing(who, &moment).unwrap());
        assert_eq!(kept, read, "seed {}", self.seed);
        let reached = self.reached(grantee, moment.now);
        for (tenant, bucket) in kept.buckets {
            let stands = |t: &&Tuple| is_in(t, tenant, bucket);
            let by = |t: &Tuple| {
                let open = matches!(t.key.grantee.kind(), Kind::Anyone | Kind::Authenticated);
                reached.contains(&t.key.grantee) || (open && tenant == grantee.tenant())
            };
            assert!(self.tuples.iter().filter(stands).any(by), "seed {}: {tenant} {bucket}", self.seed);
        }
    }
}

#[test]
fn pages_of_buckets_are_what_each_bucket_alone_says() {
    let (mut shown, mut hidden) = (0, 0);
    for seed in 0..300 {
        let mut rng = Rng(seed ^ 0xB0C4E7);
        let mut world = World::new(seed);
        for round in 0..3 {
            let [more, less] = world.compare(&mut rng);
            (shown, hidden) = (shown + more, hidden + less);
            (0..4).for_each(|_| world.step(&mut rng));
            if round == 1 {
                world.authorizer.engine().unwrap().settle();
            }
        }
    }
    // Neither everything nor nothing is shown, or nothing would have been compared.
    assert!(shown > 2_000 && hidden > 2_000, "{shown} shown, {hidden} hidden");
}
