//! Writing, reading and failing: durability order, revokes under threads, crashes at the commit, idempotency, watching
//! without a gap, tokens, and one named test for each known defect of the obvious designs.

mod audit;
mod crash;
mod defects;
mod faults;
mod identities;
mod listings;
mod schemas;
mod watching;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use panthera_authz::{
    Authorizer, AuthzError, Change, Engine, Facts, Grantee, Moment, Permission, Place, Precondition, Principal,
    Relation, Settings, Spot, Target, Tuple, TupleKey, WriteTuples,
};
use panthera_base::{BucketId, TenantId, Timestamp, UserId};
use panthera_meta::memory::Memory;

pub(crate) const HOME: TenantId = TenantId(1);
pub(crate) const AWAY: TenantId = TenantId(2);
pub(crate) const BUCKET: BucketId = BucketId(7);

pub(crate) fn engine() -> Engine {
    Engine::open(Arc::new(Memory::new()), Settings { merge_at: 16, ..Settings::default() }).unwrap()
}

pub(crate) fn user(n: u32) -> Grantee {
    Grantee::user(HOME, UserId(n)).unwrap()
}

pub(crate) fn who(grantee: Grantee) -> Principal {
    Principal { grantee, admin: false }
}

pub(crate) fn at(secs: u64) -> Moment {
    Moment { now: Timestamp::from_secs(secs), facts: Facts::default() }
}

pub(crate) fn prefix(path: &str, relation: Relation, grantee: Grantee) -> Tuple {
    Tuple::new(Target::new(HOME, Place::Prefix(BUCKET, path.into())), relation, grantee)
}

pub(crate) fn member(tenant: TenantId, group: u32, grantee: Grantee) -> Tuple {
    Tuple::new(Target::new(tenant, Place::Group(group)), Relation::Member, grantee)
}

pub(crate) fn group(n: u32) -> Grantee {
    Grantee::group(HOME, n).unwrap()
}

pub(crate) fn write(engine: &Engine, changes: Vec<Change>) -> Result<u64, AuthzError> {
    let tenant = match &changes[0] {
        Change::Create(t) | Change::Touch(t) => t.key.target.tenant,
        Change::Delete(k) => k.target.tenant,
    };
    engine.write(WriteTuples::new(tenant, changes, Timestamp(1)))
}

pub(crate) fn grant(engine: &Engine, tuple: Tuple) -> u64 {
    write(engine, vec![Change::Touch(tuple)]).unwrap()
}

pub(crate) fn revoke(engine: &Engine, key: TupleKey) -> u64 {
    write(engine, vec![Change::Delete(key)]).unwrap()
}

pub(crate) fn reads(engine: &Engine, grantee: Grantee, key: &str) -> bool {
    reads_at(engine, grantee, key, &at(10))
}

pub(crate) fn reads_at(engine: &Engine, grantee: Grantee, key: &str, moment: &Moment) -> bool {
    let spot = Spot::Object(BUCKET, key.as_bytes());
    engine.check(who(grantee), Permission::Read, HOME, spot, moment).unwrap().allowed
}

/// Once a revoke has returned, no thread is allowed by it any more; and a grant is seen as soon as it returned.
#[test]
fn a_revoke_that_has_returned_is_in_force_on_every_thread() {
    let engine = engine();
    let tuple = prefix("a/", Relation::Reader, group(1));
    grant(&engine, member(HOME, 1, user(1)));
    // Even: revoked and returned. Odd: somewhere between.
    let (phase, stop, checks) = (AtomicU64::new(0), AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let before = phase.load(Ordering::SeqCst);
                    let allowed = reads(&engine, user(1), "a/k");
                    let after = phase.load(Ordering::SeqCst);
                    assert!(!(allowed && before == after && before % 2 == 0), "allowed after the revoke returned");
                    checks.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        for round in 0..1500 {
            phase.fetch_add(1, Ordering::SeqCst);
            grant(&engine, tuple.clone());
            assert!(reads(&engine, user(1), "a/k"));
            // By the grant itself, and by the membership.
            if round % 2 == 0 {
                revoke(&engine, tuple.key.clone());
            } else {
                revoke(&engine, member(HOME, 1, user(1)).key);
            }
            phase.fetch_add(1, Ordering::SeqCst);
            assert!(!reads(&engine, user(1), "a/k"));
            grant_when_silent(&engine, round, &tuple);
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert!(checks.load(Ordering::Relaxed) > 1000);
}

/// Brings back what the round took, without allowing: the grant goes before the membership comes.
fn grant_when_silent(engine: &Engine, round: u32, tuple: &Tuple) {
    if round % 2 == 1 {
        revoke(engine, tuple.key.clone());
        grant(engine, member(HOME, 1, user(1)));
    }
}

#[test]
fn concurrent_writers_share_commits_and_lose_nothing() {
    let meta = Arc::new(Memory::new());
    let engine = Engine::open(meta.clone(), Settings { merge_at: 32, ..Settings::default() }).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4u32 {
            let engine = &engine;
            scope.spawn(move || {
                for i in 0..100 {
                    grant(engine, prefix(&format!("{thread}/{i}/"), Relation::Reader, user(thread)));
                    assert!(reads(engine, user(thread), &format!("{thread}/{i}/k")));
                }
            });
        }
    });
    assert_eq!(engine.revision(), 400);
    let again = Engine::open(meta, Settings::default()).unwrap();
    for thread in 0..4u32 {
        for i in 0..100 {
            let key = format!("{thread}/{i}/k");
            assert!(reads(&engine, user(thread), &key) && reads(&again, user(thread), &key));
            assert!(!reads(&again, user(thread + 1), &key));
        }
    }
}

#[test]
fn preconditions_and_creates_hold_or_nothing_is_written() {
    let engine = engine();
    let (a, b) = (prefix("a/", Relation::Reader, user(1)), prefix("b/", Relation::Reader, user(1)));
    grant(&engine, a.clone());
    let before = engine.revision();
    let mut request = WriteTuples::new(HOME, vec![Change::Touch(b.clone())], Timestamp(1));
    request.preconditions = vec![Precondition::Present(a.key.clone()), Precondition::Present(b.key.clone())];
    assert!(matches!(engine.write(request.clone()), Err(AuthzError::Precondition(1))));
    request.preconditions = vec![Precondition::Absent(a.key.clone())];
    assert!(matches!(engine.write(request.clone()), Err(AuthzError::Precondition(0))));
    let both = vec![Change::Touch(b.clone()), Change::Create(a.clone())];
    assert!(matches!(write(&engine, both), Err(AuthzError::Exists(1))));
    assert_eq!(engine.revision(), before);
    assert!(!reads(&engine, user(1), "b/k"));
    request.preconditions = vec![Precondition::Present(a.key)];
    assert_eq!(engine.write(request).unwrap(), before + 1);
    assert!(reads(&engine, user(1), "b/k"));
}

#[test]
fn a_repeated_request_is_answered_and_not_done_again() {
    let engine = engine();
    let tuple = prefix("a/", Relation::Reader, user(1));
    let mut request = WriteTuples::new(HOME, vec![Change::Create(tuple.clone())], Timestamp(1));
    request.idempotency_key = Some(b"once".to_vec());
    let first = engine.write(request.clone()).unwrap();
    revoke(&engine, tuple.key.clone());
    assert_eq!(engine.write(request.clone()).unwrap(), first);
    assert!(!reads(&engine, user(1), "a/k"), "repeating a grant does not undo the revoke");
    request.changes = vec![Change::Delete(tuple.key)];
    assert!(matches!(engine.write(request.clone()), Err(AuthzError::IdempotencyMismatch)));
    // Another tenant's key is another key.
    let other = Tuple::new(Target::new(AWAY, Place::Bucket(BUCKET)), Relation::Reader, user(1));
    let mut request = WriteTuples::new(AWAY, vec![Change::Create(other)], Timestamp(1));
    request.idempotency_key = Some(b"once".to_vec());
    assert!(engine.write(request).unwrap() > first);
}

#[test]
fn limits_are_kept_at_n_and_refused_at_n_plus_1() {
    let engine = engine();
    let changes =
        |n: usize| (0..n).map(|i| Change::Touch(prefix(&format!("{i}/"), Relation::Reader, user(1)))).collect();
    let request = |n| WriteTuples::new(HOME, changes(n), Timestamp(1));
    assert!(engine.write(request(panthera_authz::CHANGES)).is_ok());
    assert!(matches!(engine.write(request(panthera_authz::CHANGES + 1)), Err(AuthzError::Limit(_))));
    let mut keyed = request(1);
    keyed.idempotency_key = Some(vec![b'k'; panthera_authz::IDEMPOTENCY_KEY_BYTES]);
    assert!(engine.write(keyed.clone()).is_ok());
    keyed.idempotency_key = Some(vec![b'k'; panthera_authz::IDEMPOTENCY_KEY_BYTES + 1]);
    assert!(matches!(engine.write(keyed), Err(AuthzError::Invalid(_))));
    let long =
        |n: usize| Tuple::new(Target::new(HOME, Place::Object(BUCKET, vec![b'k'; n])), Relation::Reader, user(1));
    assert!(write(&engine, vec![Change::Touch(long(1024))]).is_ok());
    assert!(matches!(write(&engine, vec![Change::Touch(long(1025))]), Err(AuthzError::Invalid(_))));
    let spot = vec![b'k'; 1025];
    assert!(engine.check(who(user(1)), Permission::Read, HOME, Spot::Object(BUCKET, &spot), &at(1)).is_err());
}

#[test]
fn a_bad_tuple_is_told_what_would_be_right() {
    let engine = engine();
    let says = |tuple: Tuple, part: &str| match write(&engine, vec![Change::Touch(tuple)]) {
        Err(AuthzError::Invalid(text)) => assert!(text.contains(part), "{text}"),
        other => panic!("{other:?}"),
    };
    says(prefix("photos", Relation::Reader, user(1)), "ends in '/'");
    says(prefix("", Relation::Reader, user(1)), "grant on the bucket");
    says(prefix("a/", Relation::Admin, user(1)), "a prefix has no relation admin; it has owner, reader");
    says(prefix("a/", Relation::Owner, Grantee::ANYONE), "owner cannot be granted to anyone");
    says(prefix("a/", Relation::Isolated, user(1)), "isolated cannot be granted to user:1/1");
    says(member(HOME, 1, group(1)), "member cannot be granted to group:1/1#member");
    says(member(HOME, 1, Grantee::user(AWAY, UserId(1)).unwrap()), "open");
    says(prefix("a/", Relation::Reader, Grantee::group(AWAY, 1).unwrap()), "exports no such group");
    let deny = prefix("a/", Relation::DenyRead, user(1));
    says(deny.when(panthera_authz::Condition { tls: true, ..Default::default() }), "takes no condition");
    assert!(matches!(Grantee::user(TenantId(panthera_authz::TENANT_MAX + 1), UserId(1)), Err(AuthzError::Invalid(_))));
    assert!(Grantee::user(TenantId(panthera_authz::TENANT_MAX), UserId(1)).is_ok());
}

fn bucket() -> panthera_meta::records::BucketRecord {
    panthera_meta::records::BucketRecord { id: BUCKET, tenant: HOME, ..Default::default() }
}

fn question<'a>(
    subject: &'a panthera_authz::Subject,
    action: &'static str,
    bucket: &'a panthera_meta::records::BucketRecord,
    key: Option<&'a str>,
    context: &'a panthera_authz::Context,
) -> panthera_authz::Question<'a> {
    use panthera_authz::{Action, NoRequest, Question, Resource};
    let key = key.map(str::as_bytes);
    let resource = Resource { tenant: HOME, bucket: Some(bucket), name: "b", key, object: None };
    Question { subject, action: Action::named(action), resource, context, request: &NoRequest }
}

#[test]
fn the_authorizer_decides_by_relations_denies_first() {
    use panthera_authz::{Context, Reason, Subject};
    let engine = engine();
    let authorizer = Authorizer::with(engine.clone());
    let context = |now| Context::at(Timestamp::from_secs(now), [10, 0, 0, 1].into(), true);
    let subject = |n, admin| Subject::User { tenant: HOME, user: UserId(n), admin };
    let decide = |subject: &Subject, action, key: Option<&str>| {
        authorizer.decide(&question(subject, action, &bucket(), key, &context(10))).reason
    };
    assert_eq!(decide(&subject(1, true), "s3:GetObject", Some("a/k")), Reason::TenantAdmin);
    assert_eq!(decide(&subject(1, false), "s3:GetObject", Some("a/k")), Reason::NotGranted);
    assert_eq!(decide(&Subject::Anonymous, "s3:GetObject", Some("a/k")), Reason::Anonymous);
    grant(&engine, prefix("a/", Relation::Reader, user(1)));
    assert_eq!(decide(&subject(1, false), "s3:GetObject", Some("a/k")), Reason::Granted);
    assert_eq!(decide(&subject(1, false), "s3:PutObject", Some("a/k")), Reason::NotGranted);
    grant(&engine, prefix("a/", Relation::DenyRead, Grantee::ANYONE));
    assert_eq!(decide(&subject(1, false), "s3:GetObject", Some("a/k")), Reason::Denied);
    assert_eq!(decide(&subject(1, true), "s3:GetObject", Some("a/k")), Reason::Denied);
    assert_eq!(decide(&subject(1, true), "s3:PutBucketPolicy", None), Reason::TenantAdmin);
    let long = "k".repeat(1025);
    assert_eq!(decide(&subject(1, true), "s3:GetObject", Some(&long)), Reason::Unevaluated);
}

#[test]
fn listing_a_bucket_unfiltered_needs_every_name_in_it() {
    use panthera_authz::{Context, Listing, Subject};
    let engine = engine();
    let authorizer = Authorizer::with(engine.clone());
    let context = Context::at(Timestamp(1), [10, 0, 0, 1].into(), true);
    let subject = Subject::User { tenant: HOME, user: UserId(1), admin: false };
    let lists = || authorizer.decide(&question(&subject, "s3:ListBucket", &bucket(), None, &context)).allowed();
    let shows = || {
        let bucket = bucket();
        let question = question(&subject, "s3:ListBucket", &bucket, None, &context);
        match authorizer.listing(&question, b"") {
            Listing::Denied(decision) => (!decision.allowed(), false, false),
            Listing::Everything => (false, true, true),
            Listing::Filtered(mut names) => (names.is_empty(), names.contains(b"a/k"), names.contains(b"b/k")),
        }
    };
    assert!(!lists() && shows() == (true, false, false));
    grant(&engine, prefix("a/", Relation::Lister, user(1)));
    assert!(!lists() && shows() == (false, true, false));
    grant(&engine, Tuple::new(Target::new(HOME, Place::Bucket(BUCKET)), Relation::Lister, user(1)));
    assert!(lists() && shows() == (false, true, true));
    grant(&engine, prefix("a/", Relation::DenyList, user(1)));
    assert!(!lists() && shows() == (false, false, true));
}

#[test]
fn a_clock_that_goes_back_does_not_revive_what_expired() {
    use panthera_authz::{Context, Subject};
    let engine = engine();
    grant(&engine, prefix("a/", Relation::Reader, user(1)).until(Timestamp::from_secs(100)));
    let authorizer = Authorizer::with(engine);
    let subject = Subject::User { tenant: HOME, user: UserId(1), admin: false };
    let allowed = |now| {
        let context = Context::at(Timestamp::from_secs(now), [10, 0, 0, 1].into(), true);
        authorizer.decide(&question(&subject, "s3:GetObject", &bucket(), Some("a/k"), &context)).allowed()
    };
    assert!(allowed(99) && !allowed(100) && !allowed(50));
}
