//! Identities: which policies apply to whom, and that none applies any more once a change has returned.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use panthera_authz::{
    AuthzError, Change, Condition, Engine, Facts, Grantee, Held, Identities, Moment, Network, Place, Relation,
    Settings, Subject, Target, Tuple,
};
use panthera_base::{TenantId, Timestamp, UserId};
use panthera_meta::keys::{self, PrincipalOf};
use panthera_meta::memory::Memory;
use panthera_meta::records::{IdentityRecord, InlinePolicy, ManagedPolicyRecord, UserRecord};
use panthera_meta::{Batch, Metastore};

use crate::{AWAY, HOME, at, grant, group, member, revoke, user, write};

struct World {
    meta: Arc<Memory>,
    engine: Engine,
    identities: Identities,
}

fn alice() -> Subject {
    Subject::User { tenant: HOME, user: UserId(1), admin: false }
}

fn person(number: u32, tenant: TenantId, name: &str) -> UserRecord {
    UserRecord {
        id: UserId(number),
        tenant,
        canonical_id: [number as u8; 32],
        name: name.into(),
        ..UserRecord::default()
    }
}

fn inline(names: &[&str]) -> IdentityRecord {
    let policy =
        |name: &&str| InlinePolicy { name: (*name).into(), document: vec![], compiled: name.bytes().collect() };
    IdentityRecord { inline: names.iter().map(policy).collect(), ..IdentityRecord::default() }
}

fn managed(compiled: &str) -> Vec<u8> {
    let record = ManagedPolicyRecord {
        number: 1,
        document: b"{}".to_vec(),
        compiled: compiled.into(),
        ..ManagedPolicyRecord::default()
    };
    record.encode()
}

impl World {
    fn new() -> Self {
        Self::with(Settings::default())
    }

    fn with(settings: Settings) -> Self {
        let meta = Arc::new(Memory::new());
        let engine = Engine::open(meta.clone(), settings).unwrap();
        let world = Self { identities: Identities::new(meta.clone(), engine.clone()), meta, engine };
        world.put(keys::user(UserId(1)), person(1, HOME, "alice").encode());
        world
    }

    /// As the control plane does it: commit, tell, answer.
    fn commit(&self, batch: &Batch) {
        self.meta.commit(batch).unwrap();
        if Identities::concerns(batch) {
            self.identities.changed();
        }
    }

    fn put(&self, key: Vec<u8>, value: Vec<u8>) {
        let mut batch = Batch::default();
        batch.put(key, value);
        self.commit(&batch);
    }

    fn hang(&self, of: PrincipalOf, number: u32, record: &IdentityRecord) {
        self.put(keys::identity(HOME, of, number), record.encode());
    }

    fn alice_at(&self, moment: &Moment) -> Result<Held, AuthzError> {
        self.identities.for_subject(&alice(), moment)
    }

    /// Compiled bytes, the group each comes from, and whether what it allows counts.
    fn policies_at(&self, moment: &Moment) -> Vec<(String, Option<u32>, bool)> {
        let held = self.alice_at(moment).unwrap();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        held.policies().map(|policy| (text(policy.compiled), policy.group, policy.grants)).collect()
    }

    fn policies(&self) -> Vec<String> {
        self.policies_at(&at(10)).into_iter().map(|(compiled, _, _)| compiled).collect()
    }
}

#[test]
fn policies_of_a_user_come_from_itself_and_its_groups() {
    let world = World::new();
    assert!(world.policies().is_empty());
    world.put(keys::managed_policy(HOME, b"read"), managed("managed read"));
    let own = IdentityRecord { attached: vec!["read".into()], ..inline(&["own"]) };
    world.hang(PrincipalOf::User, 1, &own);
    world.hang(PrincipalOf::User, 2, &inline(&["somebody else's"]));
    world.hang(PrincipalOf::Group, 1, &inline(&["group 1"]));
    world.hang(PrincipalOf::Group, 2, &inline(&["group 2"]));
    world.hang(PrincipalOf::Role, 1, &inline(&["role 1"]));
    assert_eq!(world.policies(), ["own", "managed read"]);
    let inner = member(HOME, 1, user(1));
    grant(&world.engine, inner.clone());
    assert_eq!(world.policies(), ["own", "managed read", "group 1"]);
    grant(&world.engine, member(HOME, 2, group(1)));
    assert_eq!(world.policies(), ["own", "managed read", "group 1", "group 2"]);
    assert_eq!(world.policies_at(&at(10))[3], ("group 2".into(), Some(2), true));
    world.put(keys::managed_policy(HOME, b"read"), managed("changed"));
    assert_eq!(world.policies()[1], "changed");
    revoke(&world.engine, inner.key);
    assert_eq!(world.policies(), ["own", "changed"]);
    let held = world.alice_at(&at(10)).unwrap();
    assert_eq!(held.policies().map(|policy| policy.name.to_owned()).collect::<Vec<_>>(), ["own", "read"]);
}

#[test]
fn the_names_conditions_ask_for_are_amazons() {
    let world = World::new();
    let tags = vec![("Team".into(), "red".into()), ("empty".into(), String::new())];
    world.hang(PrincipalOf::User, 1, &IdentityRecord { tags, ..IdentityRecord::default() });
    let held = world.alice_at(&at(1)).unwrap();
    assert_eq!((held.username(), held.arn()), (Some("alice"), "arn:aws:iam::000000000001:user/alice"));
    assert_eq!((held.user_id().len(), &held.user_id()[..4]), (21, "AIDA"));
    assert_eq!((held.tag("team"), held.tag("Empty"), held.tag("other")), (Some("red"), Some(""), None));
    assert!(held.boundary().is_none());
    world.put(keys::user(UserId(1)), UserRecord { root: true, ..person(1, HOME, "root") }.encode());
    let root = world.alice_at(&at(1)).unwrap();
    assert_eq!((root.username(), root.user_id()), (None, "000000000001"));
    assert_eq!(root.arn(), "arn:aws:iam::000000000001:root");
    world.hang(PrincipalOf::User, 1, &inline(&["own"]));
    world.hang(PrincipalOf::Group, 1, &inline(&["of a group"]));
    grant(&world.engine, member(HOME, 1, user(1)));
    assert!(world.alice_at(&at(1)).unwrap().is_plain(), "no policy is about the root user");
    let nobody = world.identities.for_subject(&Subject::Anonymous, &at(1)).unwrap();
    assert_eq!((nobody.username(), nobody.arn(), nobody.policies().count()), (None, "", 0));
}

#[test]
fn a_boundary_is_found_and_taken_away() {
    let world = World::new();
    world.put(keys::managed_policy(HOME, b"fence"), managed("fence"));
    let bound = IdentityRecord { boundary: Some("fence".into()), ..IdentityRecord::default() };
    world.hang(PrincipalOf::User, 1, &bound);
    assert_eq!(world.alice_at(&at(1)).unwrap().boundary(), Some(&b"fence"[..]));
    world.hang(PrincipalOf::User, 1, &IdentityRecord::default());
    assert_eq!(world.alice_at(&at(1)).unwrap().boundary(), None);
}

#[test]
fn who_is_disabled_missing_or_of_another_tenant_has_no_identity() {
    let world = World::new();
    let asked = |tenant, number| {
        let subject = Subject::User { tenant, user: UserId(number), admin: true };
        world.identities.for_subject(&subject, &at(1)).is_ok()
    };
    assert!(asked(HOME, 1));
    assert!(!asked(HOME, 2));
    assert!(!asked(AWAY, 1));
    world.put(keys::user(UserId(1)), UserRecord { disabled: true, ..person(1, HOME, "alice") }.encode());
    assert!(!asked(HOME, 1));
    world.put(keys::user(UserId(1)), person(1, HOME, "alice").encode());
    assert!(asked(HOME, 1));
}

#[test]
fn damaged_rows_and_missing_policies_are_errors() {
    let world = World::new();
    let good = inline(&["own"]);
    let broken = [
        (keys::identity(HOME, PrincipalOf::User, 1), vec![9]),
        (
            keys::identity(HOME, PrincipalOf::User, 1),
            IdentityRecord { attached: vec!["nowhere".into()], ..Default::default() }.encode(),
        ),
        (
            keys::identity(HOME, PrincipalOf::User, 1),
            IdentityRecord { boundary: Some("nowhere".into()), ..Default::default() }.encode(),
        ),
        (keys::user(UserId(1)), vec![1, 2, 3]),
    ];
    for (key, value) in broken {
        world.put(key, value);
        assert!(world.alice_at(&at(1)).is_err());
        world.put(keys::user(UserId(1)), person(1, HOME, "alice").encode());
        world.hang(PrincipalOf::User, 1, &good);
        assert_eq!(world.policies(), ["own"]);
    }
    grant(&world.engine, member(HOME, 1, user(1)));
    world.put(keys::identity(HOME, PrincipalOf::Group, 1), vec![9]);
    assert!(world.alice_at(&at(1)).is_err(), "what a group denies is not known");
}

#[test]
fn another_tenants_group_gives_its_members_no_policies() {
    let world = World::new();
    let theirs = Target::new(AWAY, Place::Group(1));
    let open = Tuple::new(theirs, Relation::Open, Grantee::ITSELF);
    write(&world.engine, vec![Change::Touch(open), Change::Touch(member(AWAY, 1, user(1)))]).unwrap();
    let identity = keys::identity(AWAY, PrincipalOf::Group, 1);
    world.put(identity, inline(&["theirs"]).encode());
    world.hang(PrincipalOf::Group, 1, &inline(&["ours, of the same number"]));
    assert!(world.policies().is_empty());
}

#[test]
fn a_membership_ends_when_it_expires() {
    let world = World::new();
    world.hang(PrincipalOf::Group, 1, &inline(&["group 1"]));
    grant(&world.engine, member(HOME, 1, user(1)).until(Timestamp::from_secs(20)));
    assert_eq!(world.policies_at(&at(19)).len(), 1);
    assert_eq!(world.policies_at(&at(20)).len(), 0);
    assert_eq!(world.policies_at(&at(21)).len(), 0);
}

#[test]
fn a_membership_that_may_or_may_not_hold_only_denies() {
    let world = World::new();
    world.hang(PrincipalOf::Group, 1, &inline(&["group 1"]));
    let inside =
        Condition { networks: vec![Network { address: IpAddr::from([10, 0, 0, 0]), bits: 8 }], ..Condition::default() };
    grant(&world.engine, member(HOME, 1, user(1)).when(inside));
    let from = |ip: Option<[u8; 4]>| {
        let facts = Facts { source_ip: ip.map(IpAddr::from), ..Facts::default() };
        world.policies_at(&Moment { now: Timestamp::from_secs(1), facts })
    };
    assert_eq!(from(Some([10, 1, 2, 3])), [("group 1".into(), Some(1), true)]);
    assert_eq!(from(Some([11, 1, 2, 3])), []);
    assert_eq!(from(None), [("group 1".into(), Some(1), false)]);
    assert_eq!(from(Some([10, 1, 2, 3])), [("group 1".into(), Some(1), true)]);
}

#[test]
fn a_batch_says_whether_identities_read_what_it_changes() {
    let concerns = |build: &dyn Fn(&mut Batch)| {
        let mut batch = Batch::default();
        build(&mut batch);
        Identities::concerns(&batch)
    };
    assert!(concerns(&|b| {
        b.put(keys::user(UserId(1)), vec![]);
    }));
    assert!(concerns(&|b| {
        b.delete(keys::managed_policy(HOME, b"read"));
    }));
    assert!(concerns(&|b| {
        b.put(vec![b'b'], vec![]).delete(keys::identity(HOME, PrincipalOf::Role, 1));
    }));
    assert!(!concerns(&|b| {
        b.put(vec![b'b'], vec![]).delete(keys::credential(b"key"));
    }));
    let range = |from: &'static [u8], to: &'static [u8]| {
        concerns(&|b| b.ops.push(panthera_meta::Op::DeleteRange(from.to_vec()..to.to_vec())))
    };
    assert!(range(b"", b"\xff"));
    assert!(range(b"i\0\0\0\x01", b"i\0\0\0\x02"));
    assert!(range(b"h", b"i\0"));
    assert!(!range(b"h", b"i"));
    assert!(!range(b"j", b"k"));
}

/// Once a change has returned, no thread sees an identity from before it.
#[test]
fn a_change_that_has_returned_is_in_force_on_every_thread() {
    let world = World::new();
    let (returned, reads, over) = (AtomicU64::new(0), AtomicU64::new(0), AtomicBool::new(false));
    let versioned = |n: u64| IdentityRecord { tags: vec![("version".into(), n.to_string())], ..Default::default() };
    world.hang(PrincipalOf::User, 1, &versioned(0));
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while !over.load(Ordering::Acquire) {
                    let floor = returned.load(Ordering::Acquire);
                    let held = world.alice_at(&at(1)).unwrap();
                    let seen: u64 = held.tag("version").unwrap().parse().unwrap();
                    if seen < floor {
                        // Not by a panic: the writer waits for reads.
                        over.store(true, Ordering::Release);
                    }
                    assert!(seen >= floor, "version {seen} was seen after {floor} had returned");
                    reads.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let mut n = 0;
        while !over.load(Ordering::Acquire) && (n < 2000 || reads.load(Ordering::Relaxed) < 2000) {
            n += 1;
            world.hang(PrincipalOf::User, 1, &versioned(n));
            returned.store(n, Ordering::Release);
        }
        over.store(true, Ordering::Release);
    });
}

/// The same for the policies of a group and for who is in it.
#[test]
fn a_user_that_has_left_a_group_has_left_its_policies_on_every_thread() {
    let world = World::new();
    world.hang(PrincipalOf::Group, 1, &inline(&["group 1"]));
    // Odd: in the group, and that has returned; even: out of it. Raised before a change begins and when it returned.
    let (begun, returned, over) = (AtomicU64::new(0), AtomicU64::new(0), AtomicBool::new(false));
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while !over.load(Ordering::Acquire) {
                    let before = returned.load(Ordering::Acquire);
                    let count = world.alice_at(&at(1)).unwrap().policies().count();
                    if begun.load(Ordering::Acquire) == before {
                        assert_eq!(count as u64, before % 2, "after change {before} had returned and before the next");
                    }
                }
            });
        }
        let tuple = member(HOME, 1, user(1));
        for n in 1..=500_u64 {
            begun.store(n, Ordering::Release);
            match n % 2 {
                1 => drop(grant(&world.engine, tuple.clone())),
                _ => drop(revoke(&world.engine, tuple.key.clone())),
            }
            returned.store(n, Ordering::Release);
        }
        over.store(true, Ordering::Release);
    });
}

#[test]
fn what_is_kept_is_counted_and_can_be_switched_off() {
    for (settings, users, holders) in
        [(Settings::default(), (2, 2), (1, 2)), (Settings::without_caches(), (0, 4), (0, 6))]
    {
        let world = World::with(settings);
        world.hang(PrincipalOf::User, 1, &inline(&["own"]));
        world.hang(PrincipalOf::Group, 5, &inline(&["of-group"]));
        assert_eq!(world.policies(), ["own"]);
        assert_eq!(world.policies(), ["own"]);
        // A change of memberships alone reads only what is new.
        grant(&world.engine, member(HOME, 5, user(1)));
        assert_eq!(world.policies(), ["own", "of-group"]);
        assert_eq!(world.policies(), ["own", "of-group"]);
        assert_eq!(world.identities.caches(), [("identities", users), ("policies", holders)]);
    }
}
