//! Grants and revokes are written down in the commit that makes them: by whom, for whose log, and what happens when
//! there is no room.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use panthera_authz::{
    Actor, AuditSettings, AuthzError, Book, Change, Engine, OnFailure, Relation, Settings, WriteTuples,
};
use panthera_base::{TenantId, Timestamp, UserId};
use panthera_meta::memory::Memory;
use panthera_meta::records::{AuditKind, AuditOutcome, AuditRecord};
use panthera_meta::{Metastore, Step, keys};
use parking_lot::Mutex;

use crate::crash::{Faulty, HALF, LOST, WORKS};
use crate::{AWAY, HOME, prefix, reads, user};
use panthera_authz::Grantee;

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
