//! The commit fails or the process dies there: what was acknowledged holds, what was not is whole or absent, and
//! nothing is visible before it is durable.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use panthera_authz::{AuthzError, Change, Engine, Relation, Settings};
use panthera_meta::memory::Memory;
use panthera_meta::{Batch, CommitError, MetaError, Metastore, Revision, Snapshot};

use crate::{grant, prefix, reads, revoke, user, write};

pub(crate) const WORKS: u8 = 0;
/// The commit fails and did not happen.
pub(crate) const LOST: u8 = 1;
/// The commit happened, and is reported as failed.
pub(crate) const HALF: u8 = 2;

#[derive(Default)]
pub(crate) struct Faulty {
    pub(crate) store: Memory,
    pub(crate) mode: AtomicU8,
}

impl Metastore for Faulty {
    fn snapshot(&self) -> Result<Box<dyn Snapshot + '_>, MetaError> {
        self.store.snapshot()
    }

    fn commit_group(&self, batches: &[Batch]) -> Vec<Result<Revision, CommitError>> {
        let failed = || batches.iter().map(|_| Err(CommitError::Store(MetaError::Disk("injected".into())))).collect();
        match self.mode.load(Ordering::SeqCst) {
            WORKS => self.store.commit_group(batches),
            LOST => failed(),
            _ => {
                self.store.commit_group(batches);
                failed()
            }
        }
    }
}

pub(crate) fn open(store: &Arc<Faulty>) -> Engine {
    Engine::open(store.clone(), Settings { merge_at: 4, ..Settings::default() }).unwrap()
}

#[test]
fn a_failed_commit_is_not_visible_and_the_next_write_goes_on() {
    let store = Arc::new(Faulty::default());
    let engine = open(&store);
    grant(&engine, prefix("a/", Relation::Reader, user(1)));
    let revision = engine.revision();
    store.mode.store(LOST, Ordering::SeqCst);
    let failed = write(&engine, vec![Change::Touch(prefix("b/", Relation::Reader, user(1)))]);
    assert!(matches!(failed, Err(AuthzError::Store(_))));
    assert!(!reads(&engine, user(1), "b/k") && engine.revision() == revision);
    store.mode.store(WORKS, Ordering::SeqCst);
    assert_eq!(grant(&engine, prefix("c/", Relation::Reader, user(1))), revision + 1);
    assert!(reads(&engine, user(1), "c/k") && !reads(&engine, user(1), "b/k"));
    let again = open(&store);
    assert!(reads(&again, user(1), "a/k") && reads(&again, user(1), "c/k") && !reads(&again, user(1), "b/k"));
}

#[test]
fn a_commit_of_unknown_outcome_is_read_back_before_the_next_one() {
    let store = Arc::new(Faulty::default());
    let engine = open(&store);
    let tuple = prefix("a/", Relation::Reader, user(1));
    grant(&engine, tuple.clone());
    store.mode.store(HALF, Ordering::SeqCst);
    assert!(write(&engine, vec![Change::Delete(tuple.key.clone())]).is_err());
    store.mode.store(WORKS, Ordering::SeqCst);
    // The revoke did reach the disk: the next write finds it, builds on it and takes the revision after it.
    assert_eq!(grant(&engine, prefix("b/", Relation::Reader, user(1))), 3);
    assert!(!reads(&engine, user(1), "a/k") && reads(&engine, user(1), "b/k"));
}

#[test]
fn two_engines_on_one_store_never_lose_a_write() {
    let store = Arc::new(Faulty::default());
    let (one, two) = (open(&store), open(&store));
    for i in 0..20 {
        grant(&one, prefix(&format!("one/{i}/"), Relation::Reader, user(1)));
        grant(&two, prefix(&format!("two/{i}/"), Relation::Reader, user(1)));
    }
    one.catch_up().unwrap();
    assert_eq!((one.revision(), two.revision()), (40, 40));
    for i in 0..20 {
        for name in ["one", "two"] {
            let key = format!("{name}/{i}/k");
            assert!(reads(&one, user(1), &key) && reads(&two, user(1), &key), "{key}");
        }
    }
}

#[test]
fn acknowledged_revokes_hold_after_a_restart_whatever_was_being_written() {
    for mode in [LOST, HALF] {
        let store = Arc::new(Faulty::default());
        let engine = open(&store);
        let tuple = prefix("a/", Relation::Reader, user(1));
        grant(&engine, tuple.clone());
        let revoked = revoke(&engine, tuple.key.clone());
        store.mode.store(mode, Ordering::SeqCst);
        let both = vec![
            Change::Touch(prefix("b/", Relation::Reader, user(1))),
            Change::Touch(prefix("c/", Relation::Reader, user(1))),
        ];
        assert!(write(&engine, both).is_err());
        drop(engine);
        store.mode.store(WORKS, Ordering::SeqCst);
        let engine = open(&store);
        assert!(!reads(&engine, user(1), "a/k") && engine.revision() >= revoked);
        assert_eq!(reads(&engine, user(1), "b/k"), reads(&engine, user(1), "c/k"), "all or nothing");
    }
}

#[test]
fn relations_are_on_disk_when_the_write_returns() {
    use panthera_meta::lmdb::{Lmdb, Options};
    let dir = tempfile::tempdir().unwrap();
    let open = || {
        // A merge that just ended may hold the store for another moment.
        let again = |_| std::thread::sleep(std::time::Duration::from_millis(10));
        let mut tries = (0..500).map(|_| Lmdb::open(dir.path(), &Options::default()).map_err(again));
        let store = Arc::new(tries.find_map(Result::ok).unwrap());
        Engine::open(store, Settings { merge_at: 4, ..Settings::default() }).unwrap()
    };
    let engine = open();
    let revoked = prefix("gone/", Relation::Reader, user(1));
    grant(&engine, revoked.clone());
    for i in 0..20 {
        grant(&engine, prefix(&format!("{i}/"), Relation::Reader, user(1)));
    }
    let revision = revoke(&engine, revoked.key);
    let token = engine.token(crate::HOME, revision).unwrap();
    drop(engine);
    let engine = open();
    assert_eq!(engine.revision(), revision);
    assert_eq!(engine.accept_token(crate::HOME, &token).unwrap(), revision, "tokens outlive a restart");
    assert!((0..20).all(|i| reads(&engine, user(1), &format!("{i}/k"))) && !reads(&engine, user(1), "gone/k"));
    assert_eq!(engine.watch(0, None).poll(1000).unwrap().len() as u64, revision);
}
