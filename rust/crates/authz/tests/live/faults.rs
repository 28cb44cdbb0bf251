//! The store fails, or gives what nobody wrote, while a decision is made: that never allows anything.
//!
//! Each refusal here hangs on one row. With every row damaged in turn it stays one, and so does every answer during which
//! a read of the store failed, whichever it was.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use panthera_authz::{
    Action, Authorizer, Context, Delegation, Engine, Grantee, Listing, NoRequest, ObjectAccess, ObjectLookup, Question,
    Reason, Relation, Resource, Settings, Subject, Tuple,
};
use panthera_base::{TenantId, Timestamp, UserId};
use panthera_meta::keys::{self, PrincipalOf};
use panthera_meta::memory::Memory;
use panthera_meta::records::{
    BucketRecord, Grant, Grantee as ListGrantee, IdentityRecord, InlinePolicy, ManagedPolicyRecord, Ownership,
    UserRecord, encode_acl, permission,
};
use panthera_meta::{Batch, CommitError, MetaError, Metastore, Revision, Snapshot, Step};

use crate::{AWAY, BUCKET, HOME, grant, member, prefix};

const ALICE: UserId = UserId(11);
const BOB: UserId = UserId(12);
const CARL: UserId = UserId(21);

fn failure() -> MetaError {
    MetaError::Disk("injected".into())
}

/// A store of which one read fails: opening a view, getting a row, scanning.
#[derive(Default)]
struct Failing {
    store: Memory,
    /// Reads until the one that fails; below 0 none does.
    left: AtomicI64,
    /// All after that one fail, too.
    stays: AtomicBool,
}

impl Failing {
    fn read(&self) -> Result<(), MetaError> {
        match self.left.fetch_sub(1, Ordering::SeqCst) {
            1 => Err(failure()),
            ..1 if self.stays.load(Ordering::SeqCst) => Err(failure()),
            _ => Ok(()),
        }
    }
}

impl Metastore for Failing {
    fn snapshot(&self) -> Result<Box<dyn Snapshot + '_>, MetaError> {
        self.read()?;
        Ok(Box::new(View { of: self, view: self.store.snapshot()? }))
    }

    fn commit_group(&self, batches: &[Batch]) -> Vec<Result<Revision, CommitError>> {
        self.store.commit_group(batches)
    }
}

struct View<'a> {
    of: &'a Failing,
    view: Box<dyn Snapshot + 'a>,
}

impl Snapshot for View<'_> {
    fn revision(&self) -> Revision {
        self.view.revision()
    }

    fn get(&self, key: &[u8]) -> Result<Option<&[u8]>, MetaError> {
        self.of.read()?;
        self.view.get(key)
    }

    fn scan(&self, range: Range<&[u8]>, visit: &mut dyn FnMut(&[u8], &[u8]) -> Step) -> Result<(), MetaError> {
        self.of.read()?;
        self.view.scan(range, visit)
    }
}

/// What was read before is not served again: the next question reads.
fn forget(authorizer: &Authorizer) {
    authorizer.identities().unwrap().changed();
}

/// A compiled policy of one statement about everything, without a condition.
fn compiled(deny: bool, identity: bool) -> Vec<u8> {
    const EVERY_ACTION: u8 = 2;
    const PRINCIPALS: u8 = 4;
    let mut statement = vec![u8::from(deny) | EVERY_ACTION | if identity { 0 } else { PRINCIPALS }];
    statement.extend([0; 32]);
    if !identity {
        statement.extend([1, 0, 0]);
        statement.extend([0; 8]);
    }
    statement.extend([1, 0, 0]);
    statement.extend([0, 0]);
    statement.extend([0, 0]);
    let mut policy = vec![1, if identity { 2 } else { 0 }, 1, 0];
    policy.extend((statement.len() as u32).to_le_bytes());
    policy.extend(statement);
    policy
}

/// A bucket policy that denies everybody `s3:GetObject` of objects with tag `k` like `v*`: made in Python.
fn denies_by_tag() -> Vec<u8> {
    let path = format!("{}/../../../tests/vectors/policy/evaluation.json", env!("CARGO_MANIFEST_DIR"));
    let cases: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let wanted = serde_json::json!({"StringLike": {"s3:ExistingObjectTag/k": "v*"}});
    let fits = |case: &&serde_json::Value| {
        let statement = &case["document"]["Statement"][0];
        statement["Effect"] == "Deny" && statement["Condition"] == wanted
    };
    let hex = cases.as_array().unwrap().iter().find(fits).unwrap()["compiled"].as_str().unwrap();
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

struct Object(Result<ObjectAccess, MetaError>);

impl ObjectLookup for Object {
    fn access(&self) -> Result<Option<ObjectAccess>, MetaError> {
        self.0.clone().map(Some)
    }
}

/// A store, a bucket and an object in it, and who asks to read the object.
struct Case {
    rows: Vec<(Vec<u8>, Vec<u8>)>,
    bucket: BucketRecord,
    object: Object,
    subject: Subject,
    tuples: Vec<Tuple>,
}

fn alice() -> Grantee {
    Grantee::user(HOME, ALICE).unwrap()
}

fn person(tenant: TenantId, user: UserId) -> (Vec<u8>, Vec<u8>) {
    let name = format!("user{user}");
    (keys::user(user), UserRecord { id: user, tenant, name, ..UserRecord::default() }.encode())
}

fn inline(deny: bool) -> Vec<u8> {
    let policy = InlinePolicy { name: "own".into(), document: b"{}".to_vec(), compiled: compiled(deny, true) };
    IdentityRecord { inline: vec![policy], ..IdentityRecord::default() }.encode()
}

fn managed(name: &str, compiled: Vec<u8>) -> (Vec<u8>, Vec<u8>) {
    let record =
        ManagedPolicyRecord { number: 1, document: b"{}".to_vec(), compiled, ..ManagedPolicyRecord::default() };
    (keys::managed_policy(HOME, name.as_bytes()), record.encode())
}

impl Case {
    /// Alice may read by a relation, and nothing is in the way.
    fn new() -> Self {
        let tags = vec![("k".into(), "value".into())];
        Self {
            rows: vec![person(HOME, ALICE), person(HOME, BOB), person(AWAY, CARL)],
            bucket: BucketRecord { id: BUCKET, tenant: HOME, owner: BOB, ..BucketRecord::default() },
            object: Object(Ok(ObjectAccess { owner: BOB, acl: None, tags })),
            subject: Subject::User { tenant: HOME, user: ALICE, admin: false },
            tuples: vec![prefix("a/", Relation::Reader, alice())],
        }
    }

    fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    fn world(&self) -> (Arc<Failing>, Authorizer) {
        let store = Arc::new(Failing::default());
        let mut batch = Batch::default();
        for (key, value) in self.rows.clone() {
            batch.put(key, value);
        }
        store.commit(&batch).unwrap();
        let engine = Engine::open(store.clone(), Settings::default()).unwrap();
        for tuple in self.tuples.clone() {
            grant(&engine, tuple);
        }
        // Opened after the tuples are there, and asked nothing yet: nothing is kept.
        (store.clone(), Authorizer::open(store).unwrap())
    }

    fn ask<T>(&self, action: &'static str, ask: impl FnOnce(&Question<'_>) -> T) -> T {
        let context = Context::at(Timestamp::from_secs(10), [10, 0, 0, 1].into(), true);
        let resource = Resource {
            tenant: HOME,
            bucket: Some(&self.bucket),
            name: "b",
            key: (action == "s3:GetObject").then_some(b"a/k"),
            object: Some(&self.object),
        };
        let request = &NoRequest;
        ask(&Question { subject: &self.subject, action: Action::named(action), resource, context: &context, request })
    }

    fn reads(&self, authorizer: &Authorizer) -> Reason {
        let decision = self.ask("s3:GetObject", |question| authorizer.decide(question));
        // Written so that an allow is told from every refusal.
        assert_eq!(decision.allowed(), ALLOWS.contains(&decision.reason));
        decision.reason
    }
}

const ALLOWS: [Reason; 5] =
    [Reason::Granted, Reason::TenantAdmin, Reason::IdentityAllowed, Reason::PolicyAllowed, Reason::AclAllowed];

/// Refusals, each by one thing beside a relation that allows.
fn refusals() -> Vec<(Reason, Case)> {
    let identity = |of, number| keys::identity(HOME, of, number);
    vec![
        (
            Reason::IdentityDenied,
            Case::new().with(|c| c.rows.push((identity(PrincipalOf::User, ALICE.0), inline(true)))),
        ),
        (
            Reason::IdentityDenied,
            Case::new().with(|c| {
                c.rows.push((identity(PrincipalOf::Group, 1), inline(true)));
                c.tuples.push(member(HOME, 1, alice()));
            }),
        ),
        (
            Reason::IdentityDenied,
            Case::new().with(|c| {
                let record = IdentityRecord { attached: vec!["no".into()], ..IdentityRecord::default() };
                c.rows.push((identity(PrincipalOf::User, ALICE.0), record.encode()));
                c.rows.push(managed("no", compiled(true, true)));
            }),
        ),
        (
            Reason::NotGranted,
            Case::new().with(|c| {
                let record = IdentityRecord { boundary: Some("none".into()), ..IdentityRecord::default() };
                c.rows.push((identity(PrincipalOf::User, ALICE.0), record.encode()));
                c.rows.push(managed("none", vec![1, 2, 0, 0]));
                c.subject = Subject::User { tenant: HOME, user: ALICE, admin: true };
                c.tuples.clear();
            }),
        ),
        (
            Reason::ForeignObject,
            Case::new().with(|c| {
                c.bucket.ownership = Ownership::ObjectWriter;
                c.object = Object(Ok(ObjectAccess { owner: CARL, ..ObjectAccess::default() }));
            }),
        ),
        (Reason::PolicyDenied, Case::new().with(|c| c.bucket.policy = Some(denies_by_tag()))),
        (Reason::PolicyDenied, Case::new().with(|c| c.bucket.policy = Some(compiled(true, false)))),
        (
            Reason::Unevaluated,
            Case::new().with(|c| {
                let (tenant, name) = (HOME, "alice".into());
                let record = UserRecord { id: ALICE, tenant, name, disabled: true, ..UserRecord::default() };
                c.rows[0].1 = record.encode();
            }),
        ),
        (
            Reason::CreatorMayNot,
            Case::new().with(|c| {
                let (tenant, share, bearer) = (HOME, 1, None);
                c.subject = Subject::Share(Delegation { tenant, share, creator: ALICE, creator_admin: false, bearer });
                c.rows.push((identity(PrincipalOf::User, ALICE.0), inline(true)));
                c.tuples.push(prefix("a/", Relation::Sharer, alice()));
                c.tuples.push(prefix("a/", Relation::Reader, Grantee::share(HOME, 1).unwrap()));
            }),
        ),
    ]
}

/// The same, allowed, by every source there is.
fn permissions() -> Vec<(Reason, Case)> {
    let nothing = |c: &mut Case| c.tuples.clear();
    vec![
        (Reason::Granted, Case::new()),
        (
            Reason::IdentityAllowed,
            Case::new().with(nothing).with(|c| {
                c.rows.push((keys::identity(HOME, PrincipalOf::User, ALICE.0), inline(false)));
            }),
        ),
        (Reason::PolicyAllowed, Case::new().with(nothing).with(|c| c.bucket.policy = Some(compiled(false, false)))),
        (
            Reason::AclAllowed,
            Case::new().with(nothing).with(|c| {
                c.bucket.ownership = Ownership::ObjectWriter;
                let all = [Grant { grantee: ListGrantee::AllUsers, permissions: permission::READ }];
                let acl = Some(encode_acl(&all));
                c.object = Object(Ok(ObjectAccess { owner: BOB, acl, tags: Vec::new() }));
            }),
        ),
    ]
}

fn everything() -> Vec<(Reason, Case)> {
    refusals().into_iter().chain(permissions()).collect()
}

#[test]
fn intact_rows_decide_as_they_say() {
    for (i, (reason, case)) in everything().iter().enumerate() {
        assert_eq!(case.reads(&case.world().1), *reason, "case {i}");
    }
}

#[test]
fn no_decision_during_which_a_read_failed_allows() {
    let mut failed = 0;
    for (i, (_, case)) in everything().iter().enumerate() {
        let (store, authorizer) = case.world();
        for n in 1.. {
            forget(&authorizer);
            store.left.store(n, Ordering::SeqCst);
            let reason = case.reads(&authorizer);
            if store.left.load(Ordering::SeqCst) > 0 {
                assert!(n > 1, "case {i} reads nothing");
                break;
            }
            assert!(!ALLOWS.contains(&reason), "case {i}, read {n}: {reason:?}");
            failed += 1;
        }
    }
    assert!(failed >= 3 * everything().len(), "{failed}");
}

#[test]
fn no_listing_during_which_a_read_failed_shows_anything() {
    for (i, (_, case)) in everything().iter().enumerate() {
        let (store, authorizer) = case.world();
        for n in 1.. {
            forget(&authorizer);
            store.left.store(n, Ordering::SeqCst);
            let shows =
                case.ask("s3:ListBucket", |question| !matches!(authorizer.listing(question, b""), Listing::Denied(_)));
            if store.left.load(Ordering::SeqCst) > 0 {
                break;
            }
            assert!(!shows, "case {i}, read {n}");
        }
    }
}

/// Knowing of a bucket asks twice: what fails for good is not made up for by the second time.
#[test]
fn no_bucket_is_known_of_while_reads_fail() {
    for (i, (_, case)) in everything().iter().enumerate() {
        let (store, authorizer) = case.world();
        store.stays.store(true, Ordering::SeqCst);
        for n in 1.. {
            forget(&authorizer);
            store.left.store(n, Ordering::SeqCst);
            let known = case.ask("s3:ListBucket", |question| authorizer.knows(question).allowed());
            if store.left.load(Ordering::SeqCst) > 0 {
                break;
            }
            assert!(!known, "case {i}, read {n}");
        }
    }
}

/// Whether a row can be read at all. One that ends between two of its sections can: it is another record.
fn is_readable(key: &[u8], value: &[u8]) -> bool {
    match key[0] {
        keys::kind::USER => UserRecord::decode(value).is_ok(),
        keys::kind::IDENTITY => IdentityRecord::decode(value).is_ok(),
        _ => ManagedPolicyRecord::decode(value).is_ok(),
    }
}

#[test]
fn no_refusal_hangs_on_a_row_being_whole() {
    let mut tried = 0;
    for (i, (reason, case)) in refusals().iter().enumerate() {
        let (store, authorizer) = case.world();
        let put = |key: &Vec<u8>, value: Vec<u8>| {
            let mut batch = Batch::default();
            store.commit(batch.put(key.clone(), value)).unwrap();
            forget(&authorizer);
        };
        for (key, whole) in &case.rows {
            let cut = (0..whole.len()).map(|end| whole[..end].to_vec());
            let changed = (0..whole.len()).map(|at| {
                let mut other = whole.clone();
                other[at] ^= 0x80;
                other
            });
            for bytes in cut.chain(changed).filter(|bytes| !is_readable(key, bytes)) {
                put(key, bytes.clone());
                let found = case.reads(&authorizer);
                assert!(!ALLOWS.contains(&found), "case {i}, {key:?} is {bytes:?}: {found:?}");
                tried += 1;
            }
            put(key, whole.clone());
            assert_eq!(case.reads(&authorizer), *reason);
        }
    }
    assert!(tried > 1000, "{tried}");
}

fn copy(case: &Case) -> Case {
    Case {
        rows: case.rows.clone(),
        bucket: case.bucket.clone(),
        object: Object(case.object.0.clone()),
        subject: case.subject.clone(),
        tuples: case.tuples.clone(),
    }
}

#[test]
fn compiled_sections_that_end_early_deny_or_grant_nothing() {
    for (i, (_, case)) in everything().iter().enumerate() {
        let (_, authorizer) = case.world();
        let policy = case.bucket.policy.clone().unwrap_or_default();
        for end in 0..policy.len() {
            let mut cut = copy(case);
            cut.bucket.policy = Some(policy[..end].to_vec());
            let reason = cut.reads(&authorizer);
            assert_eq!(reason, Reason::PolicyDenied, "case {i}, {end} bytes of its policy");
        }
        let list = case.object.0.as_ref().unwrap().acl.clone().unwrap_or_default();
        for end in 0..list.len() {
            let mut cut = copy(case);
            let acl = Some(list[..end].to_vec());
            cut.object = Object(Ok(ObjectAccess { acl, ..case.object.0.clone().unwrap() }));
            assert_eq!(cut.reads(&authorizer), Reason::NotGranted, "case {i}, {end} bytes of its list");
        }
    }
}

#[test]
fn an_object_that_cannot_be_read_is_refused_wherever_it_matters() {
    for (i, (_, case)) in everything().iter().enumerate() {
        let matters = case.bucket.ownership != Ownership::BucketOwnerEnforced
            || case.bucket.policy.as_ref() == Some(&denies_by_tag());
        if matters {
            let mut broken = copy(case);
            broken.object = Object(Err(failure()));
            let reason = broken.reads(&broken.world().1);
            assert!(!ALLOWS.contains(&reason), "case {i}: {reason:?}");
        }
    }
}

/// A store whose relations cannot be read is not served from: nobody decides by half of them.
#[test]
fn an_engine_does_not_open_on_rows_it_cannot_read() {
    let case = Case::new();
    for n in 1.. {
        let (store, _) = case.world();
        store.left.store(n, Ordering::SeqCst);
        let opened = Engine::open(store.clone(), Settings::default());
        if store.left.load(Ordering::SeqCst) > 0 {
            assert!(opened.is_ok() && n > 2);
            return;
        }
        assert!(opened.is_err(), "read {n}");
    }
}
