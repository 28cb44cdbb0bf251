//! Grants and revokes are written down in the commit that makes them: by whom, for whose log, and what happens when
//! there is no room.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context as TaskContext, Poll, Wake, Waker};

use panthera_authz::{
    Action, Actor, Asked, AuditSettings, AuditWriter, AuditedError, Authorizer, AuthzError, Book, Change, Context,
    Decision, Delegation, Engine, Grantee, NoRequest, OnFailure, QUEUE_NOTES, Question, RESERVE_PART, Reason, Relation,
    Resource, Settings, Subject, TRIM_ROWS, Trail, Unaudited, WriteTuples,
};
use panthera_base::{Clock, TenantId, Timestamp, UserId};
use panthera_meta::memory::Memory;
use panthera_meta::records::{AuditKind, AuditOutcome, AuditRecord, BucketRecord, UserRecord};
use panthera_meta::{Batch, CommitError, MetaError, Metastore, Revision, Snapshot, Step, keys};
use parking_lot::{Condvar, Mutex};

use crate::crash::{Faulty, HALF, LOST, WORKS};
use crate::{AWAY, BUCKET, HOME, grant, prefix, reads, user};

/// Tenant and entry of every row, in the order of rows.
pub(crate) fn log(meta: &dyn Metastore) -> Vec<(TenantId, AuditRecord)> {
    let (range, mut rows) = (keys::kind_range(keys::kind::AUDIT), Vec::new());
    let snapshot = meta.snapshot().unwrap();
    let visited = snapshot.scan(&range.start..&range.end, &mut |key, value| {
        let tenant = TenantId(u32::from_be_bytes(key[1..5].try_into().unwrap()));
        rows.push((tenant, AuditRecord::decode(value).unwrap()));
        Step::Next
    });
    visited.unwrap();
    rows
}

fn engine(store: &Arc<Faulty>, settings: AuditSettings) -> Engine {
    Engine::with_book(Settings::default(), Book::open(store.clone(), settings).unwrap()).unwrap()
}

fn by(who: Grantee) -> Actor {
    Actor { who, request_id: "0001".into(), access_key: Some("KEY".into()), from: Some([192, 0, 2, 1].into()) }
}

fn asked(who: Grantee, changes: Vec<Change>) -> WriteTuples {
    WriteTuples { by: Some(by(who)), ..WriteTuples::new(HOME, changes, Timestamp(5)) }
}

fn reader(path: &str) -> Change {
    Change::Touch(prefix(path, Relation::Reader, user(1)))
}

#[test]
fn grants_and_revokes_say_who_made_them_and_what_changed() {
    let store = Arc::new(Faulty::default());
    let engine = engine(&store, AuditSettings::default());
    engine.write(asked(user(9), vec![reader("a/"), reader("b/")])).unwrap();
    let gone = Change::Delete(prefix("a/", Relation::Reader, user(1)).key);
    engine.write(asked(user(9), vec![gone.clone()])).unwrap();
    engine.write(asked(user(9), vec![gone])).unwrap();
    engine.write(WriteTuples::new(HOME, vec![reader("c/")], Timestamp(5))).unwrap();
    let log = log(&*store);
    let actions: Vec<_> = log.iter().map(|(tenant, e)| (tenant.0, &*e.action, e.revision, e.changes.len())).collect();
    assert_eq!(
        actions,
        [(1, "panthera:Grant", 1, 2), (1, "panthera:Revoke", 2, 1), (1, "panthera:Grant", 3, 1)],
        "a revoke of what is not there changes nothing"
    );
    let entry = &log[0].1;
    assert_eq!((entry.kind, entry.outcome), (AuditKind::Relations, AuditOutcome::Done));
    assert_eq!((entry.who, entry.request_id.as_deref()), (user(9).bits(), Some("0001")));
    assert_eq!((entry.access_key.as_deref(), entry.source_ip.as_deref()), (Some("KEY"), Some(&[192, 0, 2, 1][..])));
    let (row, value) = panthera_authz::tuple_row(&prefix("a/", Relation::Reader, user(1)));
    assert_eq!((&log[0].1.changes[0], &log[1].1.changes[0]), (&(row.clone(), value), &(row, Vec::new())));
    assert_eq!(log[2].1.who, 0, "nobody in particular: the server itself");
    assert_eq!((engine.book().written(), engine.book().lost()), (3, 0));
}

#[test]
fn who_acts_for_another_tenant_has_a_copy_in_the_log_of_its_own() {
    let store = Arc::new(Faulty::default());
    let engine = engine(&store, AuditSettings::default());
    let stranger = Grantee::user(AWAY, UserId(3)).unwrap();
    engine.write(asked(stranger, vec![reader("a/")])).unwrap();
    let log = log(&*store);
    let [(owner, entry), (acting, copy)] = &log[..] else { panic!("{log:?}") };
    assert_eq!((*owner, *acting, entry.acting, copy.acting), (HOME, AWAY, false, true));
    assert_eq!((entry.revision, copy.revision, entry.changes == copy.changes), (1, 0, true));
    assert_eq!((entry.access_key.as_deref(), copy.access_key.as_deref()), (None, Some("KEY")));
}

#[test]
fn a_change_and_its_entry_are_both_there_or_neither_is() {
    for (mode, there) in [(LOST, false), (HALF, true)] {
        let store = Arc::new(Faulty::default());
        let before = engine(&store, AuditSettings::default());
        before.write(asked(user(9), vec![reader("a/")])).unwrap();
        store.mode.store(mode, Ordering::SeqCst);
        assert!(before.write(asked(user(9), vec![reader("b/")])).is_err());
        drop(before);
        store.mode.store(WORKS, Ordering::SeqCst);
        let after = engine(&store, AuditSettings::default());
        assert_eq!((reads(&after, user(1), "b/k"), log(&*store).len() == 2), (there, there));
        assert_eq!(after.book().bytes(), stored(&*store), "the size is what the commit left");
    }
}

/// Bytes of all rows, counted.
fn stored(meta: &dyn Metastore) -> u64 {
    log(meta).iter().map(|(_, entry)| 21 + entry.encode().len() as u64).sum()
}

#[test]
fn a_full_log_refuses_the_change_and_takes_what_just_fits() {
    let size = {
        let store = Arc::new(Faulty::default());
        engine(&store, AuditSettings::default()).write(asked(user(9), vec![reader("a/")])).unwrap();
        stored(&*store)
    };
    for (max_bytes, fits) in [(2 * size, true), (2 * size - 1, false)] {
        let store = Arc::new(Faulty::default());
        let engine = engine(&store, AuditSettings { max_bytes, ..AuditSettings::default() });
        engine.write(asked(user(9), vec![reader("a/")])).unwrap();
        let second = engine.write(asked(user(9), vec![reader("b/")]));
        assert_eq!(second.is_ok(), fits);
        assert!(fits || matches!(&second, Err(AuthzError::Audit(why)) if why.contains("full")), "{second:?}");
        assert_eq!((reads(&engine, user(1), "b/k"), log(&*store).len()), (fits, if fits { 2 } else { 1 }));
    }
}

#[test]
fn the_operator_may_choose_to_go_on_and_is_told_what_was_lost() {
    let store = Arc::new(Faulty::default());
    let settings = AuditSettings { max_bytes: 1, on_failure: OnFailure::Continue, ..AuditSettings::default() };
    let engine = engine(&store, settings);
    let said = Arc::new(Mutex::new(Vec::new()));
    let ear = said.clone();
    engine.book().on_loss(Arc::new(move |line: &str| ear.lock().push(line.to_owned())));
    engine.write(asked(user(9), vec![reader("a/")])).unwrap();
    assert!(reads(&engine, user(1), "a/k"));
    assert_eq!((engine.book().lost(), engine.book().written(), log(&*store).len()), (1, 0, 0));
    assert!(said.lock()[0].starts_with("audit entries lost: 1: the audit log is full"), "{:?}", said.lock());
}

#[test]
fn writers_that_share_a_commit_leave_each_its_own_entry() {
    let store = Arc::new(Memory::new());
    let engine = Engine::open(store.clone(), Settings::default()).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let engine = &engine;
            scope.spawn(move || {
                for i in 0..50 {
                    engine.write(asked(user(thread), vec![reader(&format!("{thread}/{i}/"))])).unwrap();
                }
            });
        }
    });
    let mut revisions: Vec<u64> = log(&*store).iter().map(|(_, entry)| entry.revision).collect();
    revisions.sort_unstable();
    assert_eq!(revisions, (1..=400).collect::<Vec<_>>());
    assert_eq!(engine.book().bytes(), stored(&*store));
}

/// A block on a future that another thread completes: the tests' runtime.
fn wait<F: Future>(future: F) -> F::Output {
    struct Thread(std::thread::Thread);
    impl Wake for Thread {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Thread(std::thread::current())));
    let (mut future, mut context) = (std::pin::pin!(future), TaskContext::from_waker(&waker));
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(output) => return output,
            Poll::Pending => std::thread::park(),
        }
    }
}

struct At(AtomicU64);

impl Clock for At {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::SeqCst))
    }
}

/// The log's writer, over a store that knows the stranger.
fn writer(store: &Arc<Faulty>, settings: AuditSettings) -> Arc<AuditWriter> {
    let stranger = UserRecord { id: UserId(3), tenant: AWAY, ..UserRecord::default() };
    let mut batch = Batch::default();
    batch.put(keys::user(stranger.id), stranger.encode());
    store.store.commit(&batch).unwrap();
    let book = Book::open(store.clone(), settings).unwrap();
    AuditWriter::start(book, Arc::new(At(AtomicU64::new(1_000)))).unwrap()
}

/// One request for a key of HOME's bucket: what was decided, and whether its answer may be sent.
fn request(authz: &Authorizer, subject: &Subject, id: &str, key: &str) -> (Decision, Result<(), Unaudited>) {
    let writer = authz.audit().unwrap();
    let trail = Trail::wanted(writer, subject, HOME).then(|| {
        writer.trail(Asked { request_id: id.into(), access_key: Some("KEY".into()), path: Some("/mine/x".into()) })
    });
    let context = Context { trail, ..Context::at(Timestamp(7), [192, 0, 2, 1].into(), false) };
    let bucket = BucketRecord { id: BUCKET, tenant: HOME, ..BucketRecord::default() };
    let (key, name) = (Some(key.as_bytes()), "photos");
    let resource = Resource { tenant: HOME, bucket: Some(&bucket), name, key, object: None };
    let question = Question { subject, action: Action::GET_OBJECT, resource, context: &context, request: &NoRequest };
    let decision = authz.decide(&question);
    assert_eq!(authz.decide(&question).allowed(), decision.allowed(), "asked twice, written once");
    (decision, context.trail.map_or(Ok(()), |trail| wait(trail.settled())))
}

fn stranger() -> Subject {
    Subject::User { tenant: AWAY, user: UserId(3), admin: false }
}

#[test]
fn decisions_on_another_tenants_resources_are_durable_before_the_answer() {
    let store = Arc::new(Faulty::default());
    let authz = Authorizer::audited(writer(&store, AuditSettings::default()), Settings::default()).unwrap();
    let theirs = Grantee::user(AWAY, UserId(3)).unwrap();
    grant(authz.engine().unwrap(), prefix("a/", Relation::Reader, theirs));
    let before = log(&*store).len();
    let (allowed, settled) = request(&authz, &stranger(), "one", "a/k");
    assert!(allowed.allowed() && settled.is_ok(), "{allowed:?} {settled:?}");
    let (denied, settled) = request(&authz, &stranger(), "two", "b/k");
    assert!(!denied.allowed() && settled.is_ok());
    let (_, settled) = request(&authz, &Subject::User { tenant: HOME, user: UserId(1), admin: true }, "own", "a/k");
    assert!(settled.is_ok());
    assert!(request(&authz, &Subject::Anonymous, "nobody", "a/k").1.is_ok());
    let log = log(&*store);
    let of =
        |tenant: TenantId| log.iter().skip(before * usize::from(tenant == HOME)).filter(move |(t, _)| *t == tenant);
    let said: Vec<_> = of(HOME)
        .map(|(_, e)| (e.request_id.as_deref().unwrap(), e.outcome, e.reason, e.bucket, e.key.as_deref().unwrap()))
        .collect();
    assert_eq!(
        said,
        [("one", AuditOutcome::Allowed, 2, 7, &b"a/k"[..]), ("two", AuditOutcome::Denied, 3, 7, &b"b/k"[..])]
    );
    let copies: Vec<_> = of(AWAY).map(|(_, e)| (e.acting, e.outcome, e.reason, e.revision, e.bucket)).collect();
    assert_eq!(copies, [(true, AuditOutcome::Allowed, 0, 0, 0), (true, AuditOutcome::Denied, 0, 0, 0)]);
    let keys: Vec<_> = log[before..].iter().map(|(t, e)| (*t, e.access_key.is_some())).collect();
    assert!(keys.iter().all(|(tenant, told)| *told == (*tenant == AWAY)), "keys are told to their own side: {keys:?}");
}

#[test]
fn nobody_is_written_down_when_the_operator_asks_for_it() {
    let store = Arc::new(Faulty::default());
    let settings = AuditSettings { anonymous: true, ..AuditSettings::default() };
    let authz = Authorizer::audited(writer(&store, settings), Settings::default()).unwrap();
    assert!(request(&authz, &Subject::Anonymous, "one", "a/k").1.is_ok());
    let log = log(&*store);
    assert_eq!((log.len(), log[0].0, log[0].1.who), (1, HOME, Grantee::ANYONE.bits()));
}

#[test]
fn a_failing_log_refuses_the_request_whatever_was_decided() {
    let store = Arc::new(Faulty::default());
    let authz = Authorizer::audited(writer(&store, AuditSettings::default()), Settings::default()).unwrap();
    grant(authz.engine().unwrap(), prefix("a/", Relation::Reader, Grantee::user(AWAY, UserId(3)).unwrap()));
    store.mode.store(LOST, Ordering::SeqCst);
    for key in ["a/k", "b/k"] {
        let (_, settled) = request(&authz, &stranger(), "one", key);
        assert!(matches!(&settled, Err(Unaudited::Failed(why)) if why.contains("injected")), "{settled:?}");
    }
    store.mode.store(WORKS, Ordering::SeqCst);
    assert!(request(&authz, &stranger(), "two", "a/k").1.is_ok(), "the next one goes on");
    authz.audit().unwrap().close();
    let (decision, settled) = request(&authz, &stranger(), "three", "a/k");
    assert!(!decision.allowed() && decision.reason == Reason::Unaudited && settled.is_err(), "closed");
}

#[test]
fn a_full_log_refuses_requests_and_going_on_is_counted() {
    for (on_failure, refused) in [(OnFailure::Deny, true), (OnFailure::Continue, false)] {
        let store = Arc::new(Faulty::default());
        let settings = AuditSettings { max_bytes: 1, on_failure, ..AuditSettings::default() };
        let authz = Authorizer::audited(writer(&store, settings), Settings::default()).unwrap();
        let (_, settled) = request(&authz, &stranger(), "one", "a/k");
        assert_eq!((settled.is_err(), authz.audit().unwrap().book().lost()), (refused, if refused { 0 } else { 2 }));
        // A store that fails is the same.
        let store = Arc::new(Faulty::default());
        let settings = AuditSettings { on_failure, ..AuditSettings::default() };
        let authz = Authorizer::audited(writer(&store, settings), Settings::default()).unwrap();
        store.mode.store(LOST, Ordering::SeqCst);
        assert_eq!(request(&authz, &stranger(), "one", "a/k").1.is_err(), refused);
        assert_eq!(authz.audit().unwrap().book().lost(), if refused { 0 } else { 2 });
    }
}

#[test]
fn requests_that_wait_together_share_commits_and_none_is_lost_or_written_twice() {
    let store = Arc::new(Faulty::default());
    let authz = Authorizer::audited(writer(&store, AuditSettings::default()), Settings::default()).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let authz = &authz;
            scope.spawn(move || {
                for i in 0..100 {
                    assert!(request(authz, &stranger(), &format!("{thread}-{i}"), "a/k").1.is_ok());
                }
            });
        }
    });
    let log = log(&*store);
    for side in [HOME, AWAY] {
        let ids: std::collections::HashSet<_> =
            log.iter().filter(|(t, _)| *t == side).map(|(_, e)| e.request_id.clone().unwrap()).collect();
        assert_eq!((ids.len(), log.len()), (800, 1600));
    }
    let book = authz.audit().unwrap().book();
    assert_eq!((book.written(), book.bytes()), (1600, stored(&*store)));
}

#[test]
fn trimming_removes_what_is_older_says_who_asked_and_makes_room() {
    let store = Arc::new(Faulty::default());
    let authz = Authorizer::audited(writer(&store, AuditSettings::default()), Settings::default()).unwrap();
    for i in 0..5 {
        assert!(request(&authz, &stranger(), &format!("{i}"), "a/k").1.is_ok());
    }
    let full = AuditSettings { max_bytes: stored(&*store), ..AuditSettings::default() };
    drop(authz);
    let authz = Authorizer::audited(writer(&store, full), Settings::default()).unwrap();
    assert!(request(&authz, &stranger(), "six", "a/k").1.is_err(), "full");
    let trimmer = authz.audit().unwrap();
    let who = by(user(9));
    assert_eq!(trimmer.trim(Some(HOME), Timestamp(1_000), &who).unwrap(), (0, false), "nothing is older than it");
    assert_eq!(trimmer.trim(Some(HOME), Timestamp(1_001), &who).unwrap(), (5, false));
    assert!(request(&authz, &stranger(), "seven", "a/k").1.is_ok());
    let found = log(&*store);
    let home: Vec<_> = found.iter().filter(|(t, _)| *t == HOME).map(|(_, e)| (e.kind, e.detail.as_deref())).collect();
    assert_eq!(home, [(AuditKind::Trim, Some("before 1001")), (AuditKind::Decision, None)]);
    assert_eq!(trimmer.trim(None, Timestamp(u64::MAX), &who).unwrap().0, found.len() as u64);
    let left = log(&*store);
    assert!(left.iter().all(|(_, e)| e.kind == AuditKind::Trim), "{left:?}");
    assert_eq!(trimmer.book().bytes(), stored(&*store));
}

/// Old entries of two tenants: so many that a trim of all takes several commits, one of them on both tenants' logs.
fn long_log() -> Arc<Faulty> {
    let store = Arc::new(Faulty::default());
    let book = Book::open(store.clone(), AuditSettings::default()).unwrap();
    let entry = |tenant: TenantId| {
        let (kind, outcome) = (AuditKind::Configuration, AuditOutcome::Done);
        let (who, action) = (Grantee::ITSELF.bits(), "panthera:X".into());
        (tenant, AuditRecord { kind, outcome, who, action, ..AuditRecord::default() })
    };
    for (tenant, count) in [(HOME, TRIM_ROWS + TRIM_ROWS / 2), (AWAY, TRIM_ROWS / 2 + 1)] {
        book.commit(Batch::default(), Timestamp(1), vec![entry(tenant); count]).unwrap();
    }
    store
}

#[test]
fn a_trim_that_is_stopped_removed_what_it_says_and_its_size_is_right() {
    let commits = 3;
    for (mode, nth) in [LOST, HALF].into_iter().flat_map(|mode| (1..=commits).map(move |nth| (mode, nth))) {
        let (store, who) = (long_log(), by(user(9)));
        let before = log(&*store).len();
        let trimmer = writer(&store, AuditSettings::default());
        let trim = |trimmer: &AuditWriter| trimmer.trim(None, Timestamp(1_000), &who);
        for _ in 1..nth {
            assert_eq!(trim(&trimmer).unwrap(), (TRIM_ROWS as u64, true));
        }
        store.mode.store(mode, Ordering::SeqCst);
        assert!(matches!(trim(&trimmer), Err(AuthzError::Store(_))), "nobody is told that it happened");
        store.mode.store(WORKS, Ordering::SeqCst);
        let done = if mode == HALF { nth } else { nth - 1 };
        let check = |done: usize, book: &Book| {
            let found = log(&*store);
            let trims =
                |tenant: TenantId| found.iter().filter(|(t, e)| *t == tenant && e.kind == AuditKind::Trim).count();
            let old = found.iter().filter(|(_, e)| e.kind != AuditKind::Trim).count();
            assert_eq!(old, before.saturating_sub(done * TRIM_ROWS), "{mode} {nth}: whole commits");
            // The second commit takes of both logs, the first and the third of one. Who asked is of HOME: its log has a copy.
            let each = [(0, 0), (1, 0), (3, 1), (4, 2)];
            assert_eq!((trims(HOME), trims(AWAY)), each[done], "{mode} {nth}: each says so");
            assert_eq!(book.bytes(), stored(&*store), "{mode} {nth}");
        };
        check(done, &Book::open(store.clone(), AuditSettings::default()).unwrap());
        // The process that goes on knows the size, too, unless it cannot know what happened.
        assert!(mode == HALF || trimmer.book().bytes() == stored(&*store), "{nth}");
        drop(trimmer);
        let again = writer(&store, AuditSettings::default());
        while trim(&again).unwrap().1 {}
        check(commits, again.book());
    }
}

#[test]
fn what_has_been_kept_long_enough_goes_by_itself() {
    let store = Arc::new(Faulty::default());
    let authz = Authorizer::audited(writer(&store, AuditSettings::default()), Settings::default()).unwrap();
    for i in 0..3 {
        assert!(request(&authz, &stranger(), &format!("{i}"), "a/k").1.is_ok());
    }
    drop(authz);
    // Entries are of moment 1000: kept for 1, they are too old from 1002 on.
    for (keep_us, now, left) in [(1, 1_000, 6), (1, 1_001, 6), (1, 1_002, 0)] {
        let book = Book::open(store.clone(), AuditSettings { keep_us, ..AuditSettings::default() }).unwrap();
        let writer = AuditWriter::start(book, Arc::new(At(AtomicU64::new(now)))).unwrap();
        writer.close();
        assert_eq!((log(&*store).len(), writer.book().bytes()), (left, stored(&*store)), "at {now}");
    }
}

/// Bytes that one request of the stranger takes: its entry and the copy.
fn bytes_of_a_request() -> u64 {
    let store = Arc::new(Faulty::default());
    let authz = Authorizer::audited(writer(&store, AuditSettings::default()), Settings::default()).unwrap();
    assert!(request(&authz, &stranger(), "0", "a/k").1.is_ok());
    stored(&*store)
}

#[test]
fn what_is_left_for_changes_of_rights_no_request_takes() {
    let size = bytes_of_a_request();
    // The least bound at which requests may have just so much, and the one below it.
    let least = (size..).find(|max| max - max / RESERVE_PART == size).unwrap();
    for (max_bytes, fits) in [(least, true), (least - 1, false)] {
        let store = Arc::new(Faulty::default());
        let authz =
            Authorizer::audited(writer(&store, AuditSettings { max_bytes, ..Default::default() }), Settings::default())
                .unwrap();
        let (_, settled) = request(&authz, &stranger(), "0", "a/k");
        assert_eq!(settled.is_ok(), fits, "{max_bytes} of {size}");
        assert!(fits || matches!(&settled, Err(Unaudited::Failed(why)) if why.contains("for changes of rights")));
    }
    let store = Arc::new(Faulty::default());
    let settings = AuditSettings { max_bytes: 20 * size, ..AuditSettings::default() };
    let authz = Authorizer::audited(writer(&store, settings), Settings::default()).unwrap();
    let through = (0..).take_while(|i| request(&authz, &stranger(), &format!("{}", i % 10), "a/k").1.is_ok()).count();
    assert_eq!(through, 18, "nine tenths of twenty");
    let engine = authz.engine().unwrap();
    engine.write(asked(user(9), vec![reader("a/")])).unwrap();
    assert!(request(&authz, &stranger(), "0", "a/k").1.is_err());
    let mut last = Ok(0);
    for i in 0.. {
        last = engine.write(asked(user(9), vec![reader(&format!("{i}/"))]));
        if last.is_err() {
            break;
        }
    }
    assert!(matches!(&last, Err(AuthzError::Audit(why)) if !why.contains("for changes of rights")), "{last:?}");
    assert!(stored(&*store) <= settings.max_bytes);
}

/// Of a tenant's own limit nine tenths are for requests, and who fills it stops nobody else.
#[test]
fn a_tenant_fills_its_own_log_and_no_other() {
    let store = Arc::new(Faulty::default());
    let settings = AuditSettings { tenant_bytes: 2000, ..AuditSettings::default() };
    let own = |tenant: u32, book: &Arc<Book>| {
        let (kind, outcome) = (AuditKind::Configuration, AuditOutcome::Done);
        let who = Grantee::ITSELF.bits();
        let entry = AuditRecord { kind, outcome, who, action: "panthera:X".into(), ..AuditRecord::default() };
        book.commit(Batch::default(), Timestamp(1), vec![(TenantId(tenant), entry)])
    };
    let of = |tenant: u32| {
        log(&*store)
            .iter()
            .filter(|(owner, _)| owner.0 == tenant)
            .map(|(_, e)| 21 + e.encode().len() as u64)
            .sum::<u64>()
    };
    let authz = Authorizer::audited(writer(&store, settings), Settings::default()).unwrap();
    while request(&authz, &stranger(), "0", "a/k").1.is_ok() {}
    // What is asked of a tenant stands in its log and in that of who asks: the copy is the smaller one.
    let (most, size) = (2000 - 2000 / RESERVE_PART, bytes_of_a_request());
    assert!(of(HOME.0) <= most && of(HOME.0) + size > most, "{} of {most}", of(HOME.0));
    let (_, settled) = request(&authz, &stranger(), "0", "a/k");
    assert!(
        matches!(&settled, Err(Unaudited::Failed(why)) if why.contains("the tenant's audit log is full (what is left"))
    );
    drop(authz);
    for round in 0..2 {
        // The second time by a book that has read the sizes.
        let book = Book::open(store.clone(), settings).unwrap();
        while own(HOME.0, &book).is_ok() {}
        assert!(of(HOME.0) <= 2000 && of(HOME.0) + 100 > 2000, "{}", of(HOME.0));
        let full = "the tenant's audit log is full; trim it, or raise audit_tenant_bytes";
        let refused = own(HOME.0, &book);
        assert!(matches!(refused, Err(AuditedError::Audit(AuthzError::Audit(why))) if why == full));
        assert!(own(77 + round, &book).is_ok());
        assert_eq!(book.bytes(), stored(&*store));
    }
    let trimmer = writer(&store, settings);
    while trimmer.trim(Some(HOME), Timestamp(u64::MAX), &Actor::server()).unwrap().1 {}
    assert!(own(HOME.0, trimmer.book()).is_ok(), "what was trimmed is room again");
}

#[test]
fn what_nobody_signed_does_not_take_what_is_left_for_changes() {
    let entry = |who: Grantee| AuditRecord {
        kind: AuditKind::Configuration,
        outcome: AuditOutcome::Done,
        who: who.bits(),
        action: "s3:PutObjectAcl".into(),
        ..AuditRecord::default()
    };
    let size = 21 + entry(Grantee::ANYONE).encode().len() as u64;
    for (who, fits) in [(Grantee::ANYONE, false), (Grantee::ITSELF, true), (user(1), true)] {
        let store = Arc::new(Faulty::default());
        let settings = AuditSettings { max_bytes: size, ..AuditSettings::default() };
        let book = Book::open(store.clone(), settings).unwrap();
        let outcome = book.commit(Batch::default(), Timestamp(1), vec![(HOME, entry(who))]);
        assert_eq!((outcome.is_ok(), log(&*store).len()), (fits, usize::from(fits)), "{who:?}");
        assert_eq!(book.bytes(), stored(&*store), "what was not written takes no room");
    }
}

#[test]
fn many_at_once_fill_the_log_to_its_bound_and_not_beyond() {
    let size = bytes_of_a_request();
    let store = Arc::new(Faulty::default());
    // Names of one length: entries of one size.
    let settings = AuditSettings { max_bytes: 100 * size * 10 / 9 + 1, ..AuditSettings::default() };
    assert_eq!((settings.max_bytes - settings.max_bytes / RESERVE_PART) / size, 100);
    let authz = Authorizer::audited(writer(&store, settings), Settings::default()).unwrap();
    let through = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                for i in 0..20 {
                    let (_, settled) = request(&authz, &stranger(), &format!("{}", i % 10), "a/k");
                    through.fetch_add(u64::from(settled.is_ok()), Ordering::Relaxed);
                }
            });
        }
    });
    assert_eq!((through.into_inner(), stored(&*store)), (100, 100 * size));
    let book = authz.audit().unwrap().book();
    assert_eq!((book.bytes(), book.written()), (stored(&*store), 200));
}

#[test]
fn a_commit_that_fails_gives_its_room_back() {
    let store = Arc::new(Faulty::default());
    let authz = Authorizer::audited(writer(&store, AuditSettings::default()), Settings::default()).unwrap();
    let engine = authz.engine().unwrap();
    engine.write(asked(user(9), vec![reader("a/")])).unwrap();
    let before = stored(&*store);
    store.mode.store(LOST, Ordering::SeqCst);
    assert!(engine.write(asked(user(9), vec![reader("b/")])).is_err());
    assert!(request(&authz, &stranger(), "0", "a/k").1.is_err());
    assert_eq!((engine.book().bytes(), engine.book().written()), (before, 1));
}

#[test]
fn trimming_takes_no_more_than_it_frees_when_there_is_no_room() {
    let store = Arc::new(Faulty::default());
    let authz = Authorizer::audited(writer(&store, AuditSettings::default()), Settings::default()).unwrap();
    for id in ["0", "1", "2"] {
        assert!(request(&authz, &stranger(), id, "a/k").1.is_ok());
    }
    let full = stored(&*store);
    drop(authz);
    let settings = AuditSettings { max_bytes: full, ..AuditSettings::default() };
    let authz = Authorizer::audited(writer(&store, settings), Settings::default()).unwrap();
    let stranger = by(Grantee::user(AWAY, UserId(3)).unwrap());
    let trimmer = authz.audit().unwrap();
    let mut trims = 0;
    while trims < 10 && trimmer.trim(Some(HOME), Timestamp(u64::MAX), &stranger).is_ok() {
        trims += 1;
        assert!(stored(&*store) <= full, "after {trims}");
    }
    // Each trim removes its predecessor's entry and leaves a copy of its own: some time that is no gain.
    assert!((1..10).contains(&trims), "{trims}");
    assert!(!trimmer.trim(None, Timestamp(u64::MAX), &stranger).unwrap().1, "all of it is one");
    assert_eq!(trimmer.book().bytes(), stored(&*store));
}

/// A store whose commits wait until they may go on.
struct Gated {
    store: Memory,
    open: (Mutex<bool>, Condvar),
}

impl Metastore for Gated {
    fn snapshot(&self) -> Result<Box<dyn Snapshot + '_>, MetaError> {
        self.store.snapshot()
    }

    fn commit_group(&self, batches: &[Batch]) -> Vec<Result<Revision, CommitError>> {
        let (open, news) = &self.open;
        let mut open = open.lock();
        while !*open {
            news.wait(&mut open);
        }
        self.store.commit_group(batches)
    }
}

#[test]
fn as_many_wait_as_the_queue_holds_and_one_more_is_told_to_slow_down() {
    let gated = Arc::new(Gated { store: Memory::new(), open: (Mutex::new(false), Condvar::new()) });
    let book = Book::open(gated.clone(), AuditSettings::default()).unwrap();
    let writer = AuditWriter::start(book, Arc::new(At(AtomicU64::new(1_000)))).unwrap();
    let authz = Authorizer::audited(writer.clone(), Settings::default()).unwrap();
    let trails = |n: usize| -> Vec<Arc<Trail>> {
        (0..n).map(|i| writer.trail(Asked { request_id: format!("{i}"), ..Asked::default() })).collect()
    };
    let ask = |trail: &Arc<Trail>| {
        let context = Context { trail: Some(trail.clone()), ..Context::at(Timestamp(7), [192, 0, 2, 1].into(), false) };
        let bucket = BucketRecord { id: BUCKET, tenant: HOME, ..BucketRecord::default() };
        let resource = Resource { tenant: HOME, bucket: Some(&bucket), name: "b", key: Some(b"k"), object: None };
        let (subject, action) = (&stranger(), Action::GET_OBJECT);
        authz.decide(&Question { subject, action, resource, context: &context, request: &NoRequest }).reason
    };
    // The first is taken off the queue by the thread, which then waits for the store.
    let first = trails(1);
    ask(&first[0]);
    while writer.queued() != 0 {
        std::thread::yield_now();
    }
    let waiting = trails(QUEUE_NOTES);
    assert!(waiting.iter().all(|trail| ask(trail) != Reason::Unaudited), "{QUEUE_NOTES} wait");
    let more = trails(1);
    assert_eq!(ask(&more[0]), Reason::Unaudited);
    assert!(matches!(wait(more[0].settled()), Err(Unaudited::Busy)));
    *gated.open.0.lock() = true;
    gated.open.1.notify_all();
    assert!(first.iter().chain(&waiting).all(|trail| wait(trail.settled()).is_ok()));
    assert_eq!(log(&*gated).len(), 2 * (QUEUE_NOTES + 1), "two sides each, none lost");
}

#[test]
fn who_comes_through_a_share_is_always_written_down_and_not_told_where_it_leads() {
    let store = Arc::new(Faulty::default());
    let authz = Authorizer::audited(writer(&store, AuditSettings::default()), Settings::default()).unwrap();
    let through = |bearer| {
        let (tenant, creator) = (HOME, UserId(3));
        Subject::Share(Delegation { tenant, share: 5, creator, creator_admin: false, bearer })
    };
    for (i, bearer) in [None, Some((AWAY, UserId(3))), Some((HOME, UserId(1)))].into_iter().enumerate() {
        assert!(request(&authz, &through(bearer), &format!("{i}"), "a/k").1.is_ok());
    }
    let log = log(&*store);
    let said: Vec<_> =
        log.iter().map(|(t, e)| (t.0, e.who, e.detail.as_deref(), e.key.as_deref(), e.name.as_deref())).collect();
    let theirs = Grantee::user(AWAY, UserId(3)).unwrap().bits();
    let (share, key, name) = (Some("share:#5"), Some(&b"a/k"[..]), Some("photos"));
    assert_eq!(
        said,
        [
            (1, Grantee::share(HOME, 5).unwrap().bits(), share, key, name),
            (1, theirs, share, key, name),
            (1, user(1).bits(), share, key, name),
            (2, theirs, Some("/mine/x"), None, None),
        ]
    );
}

#[test]
fn what_was_refused_without_a_decision_is_written_down_each_share_once() {
    let store = Arc::new(Faulty::default());
    let writer = writer(&store, AuditSettings::default());
    let trail = writer.trail(Asked { request_id: "one".into(), ..Asked::default() });
    let context = Context { trail: Some(trail.clone()), ..Context::at(Timestamp(7), [192, 0, 2, 1].into(), false) };
    for (share, bearer) in [(5, None), (6, Some((AWAY, UserId(3)))), (5, None)] {
        let by = Delegation { tenant: HOME, share, creator: UserId(3), creator_admin: false, bearer };
        let resource = Resource { tenant: HOME, bucket: None, name: "photos", key: None, object: None };
        let (subject, action) = (&Subject::Share(by), Action::LIST_BUCKET);
        let question = Question { subject, action, resource, context: &context, request: &NoRequest };
        trail.refuse(&question, Reason::ShareRevoked);
    }
    wait(trail.settled()).unwrap();
    let log = log(&*store);
    let said: Vec<_> = log.iter().map(|(t, e)| (t.0, e.outcome, e.reason, e.detail.as_deref())).collect();
    let denied = AuditOutcome::Denied;
    assert_eq!(said, [(1, denied, 17, Some("share:#5")), (1, denied, 17, Some("share:#6")), (2, denied, 0, None)]);
    writer.close();
    trail.refuse(
        &Question {
            subject: &Subject::Anonymous,
            action: Action::GET_OBJECT,
            resource: Resource { tenant: HOME, bucket: None, name: "photos", key: None, object: None },
            context: &context,
            request: &NoRequest,
        },
        Reason::ShareRevoked,
    );
    assert!(wait(trail.settled()).is_ok(), "unsigned requests are written down when the operator asks for it");
}

#[test]
fn every_reason_has_a_number_of_its_own() {
    let mut numbers: Vec<u8> = panthera_authz::audit_reasons().into_iter().map(|(number, _)| number).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=numbers.len() as u8).collect::<Vec<_>>());
}
