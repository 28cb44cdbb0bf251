//! Both engines pass the conformance suite; LMDB agrees with the memory model on random histories and survives what
//! happens to files: reopening, truncation, a failing commit.

use std::ops::Range;

use panthera_meta::conformance;
use panthera_meta::lmdb::{Lmdb, Options};
use panthera_meta::memory::Memory;
use panthera_meta::{Batch, CommitError, Guard, MetaError, Metastore, Op, Revision, Snapshot, Step, Tally};
use proptest::collection::vec;
use proptest::prelude::*;

/// An engine that owns its directory.
struct Temporary {
    store: Lmdb,
    _dir: tempfile::TempDir,
}

impl Metastore for Temporary {
    fn snapshot(&self) -> Result<Box<dyn Snapshot + '_>, MetaError> {
        self.store.snapshot()
    }

    fn commit_group(&self, batches: &[Batch]) -> Vec<Result<Revision, CommitError>> {
        self.store.commit_group(batches)
    }
}

fn temporary() -> Temporary {
    let dir = tempfile::tempdir().unwrap();
    Temporary { store: Lmdb::open(dir.path(), &Options::default()).unwrap(), _dir: dir }
}

fn put(key: &[u8], value: &[u8]) -> Batch {
    let mut batch = Batch::default();
    batch.put(key.to_vec(), value.to_vec());
    batch
}

#[test]
fn memory_conforms() {
    conformance::run(&|| Box::new(Memory::new()));
}

#[test]
fn lmdb_conforms() {
    conformance::run(&|| Box::new(temporary()));
}

#[test]
fn a_broken_engine_does_not_conform() {
    /// Forgets guards.
    struct Careless(Memory);
    impl Metastore for Careless {
        fn snapshot(&self) -> Result<Box<dyn Snapshot + '_>, MetaError> {
            self.0.snapshot()
        }
        fn commit_group(&self, batches: &[Batch]) -> Vec<Result<Revision, CommitError>> {
            let careless: Vec<Batch> =
                batches.iter().map(|b| Batch { guards: Vec::new(), ops: b.ops.clone() }).collect();
            self.0.commit_group(&careless)
        }
    }
    let outcome = std::panic::catch_unwind(|| conformance::run(&|| Box::new(Careless(Memory::new()))));
    let text = *outcome.unwrap_err().downcast::<String>().unwrap();
    assert!(text.contains("absent and present guards"), "{text}");
}

#[test]
fn commits_survive_reopening_and_revisions_go_on() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("new").join("meta");
    let first = {
        let store = Lmdb::open(&path, &Options::default()).unwrap();
        store.commit(&put(b"a", b"1")).unwrap()
    };
    let store = Lmdb::open(&path, &Options::default()).unwrap();
    let view = store.snapshot().unwrap();
    assert_eq!(view.revision(), first);
    assert_eq!(view.get(b"a").unwrap(), Some(&b"1"[..]));
    drop(view);
    assert!(store.commit(&put(b"a", b"2")).unwrap() > first);
    let usage = store.usage().unwrap();
    assert_eq!(usage.rows, 1);
    assert!(usage.file_bytes >= 8192 && usage.map_bytes > usage.file_bytes);
}

#[test]
fn a_directory_is_opened_once() {
    let dir = tempfile::tempdir().unwrap();
    let _first = Lmdb::open(dir.path(), &Options::default()).unwrap();
    assert!(matches!(Lmdb::open(dir.path(), &Options::default()), Err(MetaError::Disk(_))));
}

#[test]
fn a_cut_file_is_refused_and_not_mapped() {
    for keep_bytes in [100, 4096 + 200, 8192, 40_000] {
        let dir = tempfile::tempdir().unwrap();
        {
            let store = Lmdb::open(dir.path(), &Options::default()).unwrap();
            for i in 0..100u32 {
                store.commit(&put(&i.to_be_bytes(), &[7; 3000])).unwrap();
            }
        }
        let file = std::fs::OpenOptions::new().write(true).open(dir.path().join("data.mdb")).unwrap();
        assert!(file.metadata().unwrap().len() > 100_000);
        file.set_len(keep_bytes).unwrap();
        match Lmdb::open(dir.path(), &Options::default()) {
            Err(MetaError::Corrupt(_)) => {}
            other => panic!("{keep_bytes}: {:?}", other.map(|_| "opened")),
        }
    }
}

#[test]
fn a_file_that_is_not_lmdb_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("data.mdb"), vec![0x5A; 64 << 10]).unwrap();
    assert!(matches!(Lmdb::open(dir.path(), &Options::default()), Err(MetaError::Corrupt(_))));
}

#[test]
fn a_full_map_refuses_the_group_whole_and_deleting_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let store = Lmdb::open(dir.path(), &Options { map_bytes: 1 << 20, ..Options::default() }).unwrap();
    let mut written = 0u32;
    let outcomes = loop {
        let rows = [put(&written.to_be_bytes(), &[1; 60_000]), put(&(written + 1).to_be_bytes(), &[1; 60_000])];
        let outcomes = store.commit_group(&rows);
        if outcomes.iter().any(Result::is_err) {
            break outcomes;
        }
        written += 2;
        assert!(written < 100);
    };
    assert!(outcomes.iter().all(|o| matches!(o, Err(CommitError::Store(MetaError::Full(_))))), "{outcomes:?}");
    let rows = |store: &Lmdb| conformance::all_rows(store).len();
    assert_eq!(rows(&store), written as usize, "nothing of the failed group is there");
    let mut free = Batch::default();
    free.delete(0u32.to_be_bytes().to_vec()).delete(1u32.to_be_bytes().to_vec());
    store.commit(&free).unwrap();
    assert_eq!(rows(&store), written as usize - 2);
    // Freed pages are for the commit after the next.
    store.commit(&put(b"small", b"")).unwrap();
    store.commit(&put(&[0, 0, 0, 0], &[1; 60_000])).unwrap();
}

#[test]
fn more_readers_than_slots_get_an_error_and_not_a_panic() {
    let store = temporary();
    let views: Vec<_> = (0..1024).map(|_| store.snapshot().unwrap()).collect();
    assert!(matches!(store.snapshot(), Err(MetaError::Disk(_))));
    drop(views);
    assert!(store.snapshot().is_ok());
}

/// Few keys, so that histories collide.
fn key() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![vec(prop_oneof![Just(0u8), Just(b'a'), Just(b'b'), Just(0xFF)], 1..4), vec(Just(b'k'), 1100..1103)]
}

fn range() -> impl Strategy<Value = Range<Vec<u8>>> {
    let bound = || prop_oneof![key(), Just(Vec::new())];
    (bound(), bound()).prop_map(|(a, b)| a..b)
}

fn tally() -> impl Strategy<Value = Option<Tally>> {
    let tally = (key(), 0usize..4).prop_map(|(counter, field)| Tally { counter, field });
    prop::option::of(tally)
}

fn value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![vec(any::<u8>(), 0..24), vec(Just(9u8), 5000..5001)]
}

fn guard() -> impl Strategy<Value = Guard> {
    prop_oneof![
        key().prop_map(Guard::Absent),
        key().prop_map(Guard::Present),
        (key(), value()).prop_map(|(k, v)| Guard::Equals(k, v)),
        range().prop_map(Guard::EmptyRange),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => (key(), value(), tally()).prop_map(|(key, value, tally)| Op::Put { key, value, tally }),
        3 => (key(), tally()).prop_map(|(key, tally)| Op::Delete { key, tally }),
        1 => range().prop_map(Op::DeleteRange),
        2 => (key(), vec(any::<i64>(), 0..4)).prop_map(|(key, deltas)| Op::Add { key, deltas }),
    ]
}

fn group() -> impl Strategy<Value = Vec<Batch>> {
    vec((vec(guard(), 0..2), vec(op(), 0..6)).prop_map(|(guards, ops)| Batch { guards, ops }), 0..4)
}

/// A walk over a range that seeks and stops as told; what it visited.
fn walk(store: &dyn Metastore, range: &Range<Vec<u8>>, steps: &[Option<Vec<u8>>]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut visited = Vec::new();
    let mut steps = steps.iter();
    let scanned = store.snapshot().unwrap().scan(&range.start..&range.end, &mut |key, value| {
        visited.push((key.to_vec(), value.to_vec()));
        match steps.next() {
            Some(Some(to)) => Step::Seek(to.clone()),
            Some(None) => Step::Next,
            None => Step::Stop,
        }
    });
    scanned.unwrap();
    visited
}

fn conflicts(outcomes: &[Result<Revision, CommitError>]) -> Vec<Option<usize>> {
    let conflict = |outcome: &Result<Revision, CommitError>| match outcome {
        Ok(_) => None,
        Err(CommitError::Conflict(i)) => Some(*i),
        Err(CommitError::Store(error)) => panic!("{error}"),
    };
    outcomes.iter().map(conflict).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn lmdb_agrees_with_the_model(
        history in vec(group(), 1..12),
        walks in vec((range(), vec(prop::option::of(key()), 0..6)), 4),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let fast = Options { sync: false, ..Options::default() };
        let lmdb = Lmdb::open(dir.path(), &fast).unwrap();
        let model = Memory::new();
        for group in &history {
            let before = (lmdb.snapshot().unwrap().revision(), model.snapshot().unwrap().revision());
            prop_assert_eq!(conflicts(&lmdb.commit_group(group)), conflicts(&model.commit_group(group)));
            prop_assert_eq!(conformance::all_rows(&lmdb), conformance::all_rows(&model));
            let after = (lmdb.snapshot().unwrap().revision(), model.snapshot().unwrap().revision());
            prop_assert_eq!(after.0.0 - before.0.0, after.1.0 - before.1.0, "revisions move together");
        }
        for (range, steps) in &walks {
            prop_assert_eq!(walk(&lmdb, range, steps), walk(&model, range, steps));
        }
    }
}
