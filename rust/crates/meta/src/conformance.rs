//! What every engine of the contract must do. An engine is what passes this suite.
//!
//! Belongs here: tests of the contract, written against the trait alone, called by each engine's tests (`tests/` of
//! this crate, and the crate of any engine that comes later). A failed check panics, with the case in its message;
//! nothing outside tests calls this module.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::contract::{
    Batch, CommitError, Guard, KEY_LIMIT, MetaError, Metastore, Op, Revision, Snapshot, Step, Tally, VALUE_LIMIT,
};

/// Makes an empty store.
pub type Make<'a> = &'a dyn Fn() -> Box<dyn Metastore>;

type Case = fn(&dyn Metastore);

/// Runs every case, each on a fresh store.
pub fn run(make: Make<'_>) {
    let cases: &[(&str, Case)] = &[
        ("an empty store has nothing", empty_store),
        ("puts are found, replaced and deleted", put_get_delete),
        ("absent and present guards", absent_and_present),
        ("equals guard", equals),
        ("empty range guard", empty_range_guard),
        ("guards see the state before the batch", guards_before_ops),
        ("operations apply in order", ops_in_order),
        ("a conflict changes nothing", conflict_changes_nothing),
        ("batches of a group see the ones before", group_order),
        ("a group without changes keeps the revision", group_without_change),
        ("keys are ordered bytewise", key_order),
        ("scans step, seek and stop", scan_steps),
        ("scans of odd ranges", scan_odd_ranges),
        ("ranges are deleted", delete_range),
        ("counters add and saturate", counters),
        ("tallies follow rows", tallies),
        ("tallies within one group", tallies_in_group),
        ("key and value limits", limits),
        ("long keys and large values", long_and_large),
        ("snapshots do not move", snapshot_isolation),
        ("many committers, one winner each", concurrent_committers),
        ("readers beside writers", concurrent_readers),
    ];
    for (name, case) in cases {
        let store = make();
        // The name of the case stands before whatever it says when it fails.
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| case(&*store)));
        if let Err(cause) = outcome {
            let text = cause.downcast_ref::<String>().cloned();
            let text = text.or_else(|| cause.downcast_ref::<&str>().map(|s| (*s).to_owned()));
            panic!("conformance: {name}: {}", text.unwrap_or_default());
        }
    }
}

/// The rows of a range, by a scan that only steps.
pub fn rows(snapshot: &dyn Snapshot, range: Range<&[u8]>) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut out = Vec::new();
    let scanned = snapshot.scan(range, &mut |key, value| {
        out.push((key.to_vec(), value.to_vec()));
        Step::Next
    });
    ok(scanned, "scan");
    out
}

/// Everything in the store.
pub fn all_rows(store: &dyn Metastore) -> Vec<(Vec<u8>, Vec<u8>)> {
    rows(&*snapshot(store), &[]..&[0xFF; KEY_LIMIT + 1])
}

fn ok<T, E: std::fmt::Display>(result: Result<T, E>, what: &str) -> T {
    match result {
        Ok(value) => value,
        Err(error) => panic!("{what}: {error}"),
    }
}

fn snapshot(store: &dyn Metastore) -> Box<dyn Snapshot + '_> {
    ok(store.snapshot(), "snapshot")
}

fn get(store: &dyn Metastore, key: &[u8]) -> Option<Vec<u8>> {
    ok(snapshot(store).get(key), "get").map(<[u8]>::to_vec)
}

fn commit(store: &dyn Metastore, batch: &Batch) -> Revision {
    ok(store.commit(batch), "commit")
}

fn batch(ops: Vec<Op>) -> Batch {
    Batch { guards: Vec::new(), ops }
}

fn put(key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Op {
    Op::Put { key: key.as_ref().to_vec(), value: value.as_ref().to_vec(), tally: None }
}

fn delete(key: impl AsRef<[u8]>) -> Op {
    Op::Delete { key: key.as_ref().to_vec(), tally: None }
}

fn range(start: &[u8], end: &[u8]) -> Range<Vec<u8>> {
    start.to_vec()..end.to_vec()
}

fn numbers(row: Option<Vec<u8>>) -> Vec<i64> {
    let row = row.unwrap_or_default();
    assert_eq!(row.len() % 8, 0, "a counter row is whole numbers");
    row.chunks_exact(8).map(|b| b.try_into().map_or(0, i64::from_le_bytes)).collect()
}

fn conflict(outcome: Result<Revision, CommitError>, guard: usize) {
    match outcome {
        Err(CommitError::Conflict(i)) if i == guard => {}
        other => panic!("expected a conflict on guard {guard}, got {other:?}"),
    }
}

fn guarded(guards: Vec<Guard>) -> Batch {
    Batch { guards, ops: vec![put("written", "yes")] }
}

fn empty_store(store: &dyn Metastore) {
    assert_eq!(get(store, b"x"), None);
    assert_eq!(get(store, b""), None, "no row has the empty key");
    assert!(all_rows(store).is_empty());
}

fn put_get_delete(store: &dyn Metastore) {
    let first = commit(store, &batch(vec![put("a", "1"), put("b", "")]));
    assert_eq!(get(store, b"a").as_deref(), Some(&b"1"[..]));
    assert_eq!(get(store, b"b").as_deref(), Some(&b""[..]), "an empty value is a value");
    let second = commit(store, &batch(vec![put("a", "longer than before"), delete("b")]));
    assert!(second > first);
    assert_eq!(snapshot(store).revision(), second);
    assert_eq!(get(store, b"a").as_deref(), Some(&b"longer than before"[..]));
    assert_eq!(get(store, b"b"), None);
}

fn absent_and_present(store: &dyn Metastore) {
    commit(store, &batch(vec![put("there", "")]));
    commit(store, &guarded(vec![Guard::Absent(b"not".to_vec()), Guard::Present(b"there".to_vec())]));
    conflict(store.commit(&guarded(vec![Guard::Absent(b"there".to_vec())])), 0);
    conflict(store.commit(&guarded(vec![Guard::Present(b"there".to_vec()), Guard::Present(b"not".to_vec())])), 1);
    conflict(store.commit(&guarded(vec![Guard::Present(vec![])])), 0);
    conflict(store.commit(&guarded(vec![Guard::Present(vec![b'x'; KEY_LIMIT + 1])])), 0);
}

fn equals(store: &dyn Metastore) {
    commit(store, &batch(vec![put("k", "v")]));
    commit(store, &guarded(vec![Guard::Equals(b"k".to_vec(), b"v".to_vec())]));
    for other in [&b""[..], b"V", b"v\0", b"vv"] {
        conflict(store.commit(&guarded(vec![Guard::Equals(b"k".to_vec(), other.to_vec())])), 0);
    }
    conflict(store.commit(&guarded(vec![Guard::Equals(b"none".to_vec(), vec![])])), 0);
}

fn empty_range_guard(store: &dyn Metastore) {
    commit(store, &batch(vec![put("b", ""), put("d", "")]));
    for (start, end, empty) in [
        (&b"b"[..], &b"b\0"[..], false),
        (b"a", b"b", true),
        (b"a", b"c", false),
        (b"b\0", b"d", true),
        (b"", b"b", true),
        (b"", b"z", false),
        (b"e", b"f", true),
        (b"d", b"b", true),
        (b"b", b"b", true),
    ] {
        let outcome = store.commit(&guarded(vec![Guard::EmptyRange(range(start, end))]));
        assert_eq!(outcome.is_ok(), empty, "{start:?}..{end:?}");
    }
}

fn guards_before_ops(store: &dyn Metastore) {
    commit(store, &batch(vec![put("old", "")]));
    let swap = Batch {
        guards: vec![Guard::Present(b"old".to_vec()), Guard::Absent(b"new".to_vec())],
        ops: vec![delete("old"), put("new", "")],
    };
    commit(store, &swap);
    conflict(store.commit(&swap), 0);
}

fn ops_in_order(store: &dyn Metastore) {
    commit(store, &batch(vec![put("a", "1"), put("a", "2"), delete("b"), put("b", "3"), put("c", "4"), delete("c")]));
    assert_eq!(all_rows(store), [(b"a".to_vec(), b"2".to_vec()), (b"b".to_vec(), b"3".to_vec())]);
}

fn conflict_changes_nothing(store: &dyn Metastore) {
    commit(store, &batch(vec![put("a", "1"), put("n", 5i64.to_le_bytes())]));
    let before = (all_rows(store), snapshot(store).revision());
    let doomed = Batch {
        guards: vec![Guard::Present(b"a".to_vec()), Guard::Absent(b"a".to_vec())],
        ops: vec![
            put("a", "2"),
            put("b", "2"),
            delete("n"),
            Op::DeleteRange(range(b"", b"z")),
            Op::Add { key: b"n".to_vec(), deltas: vec![1] },
        ],
    };
    conflict(store.commit(&doomed), 1);
    assert_eq!((all_rows(store), snapshot(store).revision()), before);
}

fn group_order(store: &dyn Metastore) {
    let claim = |name: &str| Batch { guards: vec![Guard::Absent(b"lock".to_vec())], ops: vec![put("lock", name)] };
    let release = Batch { guards: vec![Guard::Present(b"lock".to_vec())], ops: vec![delete("lock")] };
    let long = batch(vec![put(vec![b'x'; KEY_LIMIT + 1], "")]);
    let outcomes = store.commit_group(&[claim("first"), claim("second"), release, long, claim("third")]);
    let [Ok(a), Err(CommitError::Conflict(0)), Ok(b), Err(CommitError::Store(MetaError::Limit(_))), Ok(c)] =
        &outcomes[..]
    else {
        panic!("{outcomes:?}");
    };
    assert!(a == b && b == c, "one group, one revision");
    assert_eq!(get(store, b"lock").as_deref(), Some(&b"third"[..]));
    assert_eq!(snapshot(store).revision(), *c);
}

fn group_without_change(store: &dyn Metastore) {
    assert!(store.commit_group(&[]).is_empty());
    let before = commit(store, &batch(vec![put("a", "")]));
    let only_guards = Batch { guards: vec![Guard::Present(b"a".to_vec())], ops: vec![] };
    assert_eq!(commit(store, &only_guards), before);
    assert_eq!(commit(store, &batch(vec![delete("none"), Op::DeleteRange(range(b"x", b"y"))])), before);
    let conflicting = guarded(vec![Guard::Absent(b"a".to_vec())]);
    assert!(store.commit_group(&[conflicting.clone(), conflicting]).iter().all(Result::is_err));
    assert_eq!(snapshot(store).revision(), before);
    assert!(commit(store, &batch(vec![put("a", "")])) > before, "writing the same again is a change");
}

fn key_order(store: &dyn Metastore) {
    let mut keys: Vec<Vec<u8>> = vec![
        b"a".to_vec(),
        b"a\0".to_vec(),
        b"a\0\xFF".to_vec(),
        b"a\x01".to_vec(),
        b"aa".to_vec(),
        b"b".to_vec(),
        vec![0],
        vec![0, 0],
        vec![0x7F],
        vec![0x80],
        vec![0xFF],
        vec![0xFF; 9],
        "é".as_bytes().to_vec(),
        "日本".as_bytes().to_vec(),
    ];
    commit(store, &batch(keys.iter().rev().map(|k| put(k, k)).collect()));
    keys.sort();
    let found: Vec<Vec<u8>> = all_rows(store).into_iter().map(|(key, _)| key).collect();
    assert_eq!(found, keys);
}

fn visited(store: &dyn Metastore, range: Range<&[u8]>, mut step: impl FnMut(&[u8]) -> Step) -> Vec<String> {
    let mut seen = Vec::new();
    let scanned = snapshot(store).scan(range, &mut |key, _| {
        seen.push(String::from_utf8_lossy(key).into_owned());
        step(key)
    });
    ok(scanned, "scan");
    seen
}

fn scan_steps(store: &dyn Metastore) {
    let names = ["a", "b1", "b2", "b3", "c", "d", "e", "f"];
    commit(store, &batch(names.iter().map(|n| put(n, n)).collect()));
    let seek = |at: &'static [u8], to: &'static [u8]| {
        move |key: &[u8]| if key == at { Step::Seek(to.to_vec()) } else { Step::Next }
    };
    let all = || &b"a"[..]..&b"f"[..];
    assert_eq!(visited(store, all(), |_| Step::Next), names[..7]);
    assert_eq!(visited(store, all(), |k| if k == b"b2" { Step::Stop } else { Step::Next }), ["a", "b1", "b2"]);
    assert_eq!(visited(store, all(), seek(b"b1", b"c")), ["a", "b1", "c", "d", "e"], "to a key that is there");
    assert_eq!(visited(store, all(), seek(b"b1", b"b9")), ["a", "b1", "c", "d", "e"], "to a key that is not there");
    assert_eq!(visited(store, all(), seek(b"c", b"d")), ["a", "b1", "b2", "b3", "c", "d", "e"], "to the next key");
    assert_eq!(visited(store, all(), seek(b"c", b"f")), ["a", "b1", "b2", "b3", "c"], "to the end");
    assert_eq!(visited(store, all(), seek(b"c", b"z")), ["a", "b1", "b2", "b3", "c"], "beyond the end");
    assert_eq!(visited(store, all(), seek(b"c", b"a")), names[..7], "backwards goes on");
    assert_eq!(visited(store, all(), seek(b"c", b"c")), names[..7], "to itself goes on");
    assert_eq!(visited(store, all(), seek(b"c", b"")), names[..7], "to nothing goes on");
    let hop = |key: &[u8]| match key {
        b"a" => Step::Seek(b"b3".to_vec()),
        b"b3" => Step::Seek(b"d5".to_vec()),
        _ => Step::Next,
    };
    assert_eq!(visited(store, b"".as_slice()..b"z".as_slice(), hop), ["a", "b3", "e", "f"], "one after the other");
}

fn scan_odd_ranges(store: &dyn Metastore) {
    commit(store, &batch(["a", "b", "c"].iter().map(|n| put(n, n)).collect()));
    let found = |start: &[u8], end: &[u8]| visited(store, start..end, |_| Step::Next).concat();
    assert_eq!(found(b"b", b"b"), "", "empty");
    assert_eq!(found(b"c", b"a"), "", "upside down");
    assert_eq!(found(b"", b"b"), "a", "from the beginning");
    assert_eq!(found(b"", b""), "");
    assert_eq!(found(b"b", b"b\0"), "b", "one key");
    assert_eq!(found(b"bb", b"zz"), "c");
    assert_eq!(found(b"d", b"z"), "", "behind everything");
    assert_eq!(found(b"a", &[0xFF; KEY_LIMIT + 1]), "abc", "to the end of all keys");
    assert_eq!(found(&[b'b'; KEY_LIMIT + 50], b"z"), "c", "from a key longer than any");
}

fn delete_range(store: &dyn Metastore) {
    commit(store, &batch(["a", "b1", "b2", "b3", "c"].iter().map(|n| put(n, n)).collect()));
    let keys =
        || all_rows(store).into_iter().map(|(k, _)| String::from_utf8_lossy(&k).into_owned()).collect::<Vec<_>>();
    commit(store, &batch(vec![Op::DeleteRange(range(b"b", b"b")), Op::DeleteRange(range(b"z", b"a"))]));
    assert_eq!(keys().len(), 5, "empty and upside down ranges delete nothing");
    commit(store, &batch(vec![put("b25", ""), Op::DeleteRange(range(b"b2", b"b3")), put("b2", "again")]));
    assert_eq!(keys(), ["a", "b1", "b2", "b3", "c"]);
    commit(store, &batch(vec![Op::DeleteRange(range(b"", b"c"))]));
    assert_eq!(keys(), ["c"]);
    let many: Vec<Op> = (0..5_000u32).map(|i| put(format!("p{i:05}"), vec![7; 100])).collect();
    commit(store, &batch(many));
    commit(store, &batch(vec![Op::DeleteRange(range(b"p00001", b"p04999"))]));
    assert_eq!(keys(), ["c", "p00000", "p04999"], "many pages");
}

fn counters(store: &dyn Metastore) {
    let add = |deltas: &[i64]| batch(vec![Op::Add { key: b"n".to_vec(), deltas: deltas.to_vec() }]);
    commit(store, &add(&[5]));
    commit(store, &add(&[-7, 3]));
    assert_eq!(numbers(get(store, b"n")), [-2, 3]);
    commit(store, &add(&[i64::MAX, i64::MIN]));
    commit(store, &add(&[i64::MAX, i64::MIN]));
    assert_eq!(numbers(get(store, b"n")), [i64::MAX, i64::MIN]);
    commit(store, &add(&[-1]));
    assert_eq!(numbers(get(store, b"n")), [i64::MAX - 1, i64::MIN], "numbers without a delta stay");
    let twice = Op::Add { key: b"m".to_vec(), deltas: vec![2] };
    commit(store, &batch(vec![twice.clone(), twice]));
    assert_eq!(numbers(get(store, b"m")), [4], "within one batch");
}

/// A value whose number at offset 2 is `n`.
fn sized(n: u64) -> Vec<u8> {
    [&[9, 9][..], &n.to_le_bytes(), b"tail"].concat()
}

fn tally() -> Option<Tally> {
    Some(Tally { counter: b"t".to_vec(), field: 2 })
}

fn put_sized(key: &str, n: u64) -> Op {
    Op::Put { key: key.into(), value: sized(n), tally: tally() }
}

fn drop_sized(key: &str) -> Op {
    Op::Delete { key: key.into(), tally: tally() }
}

fn tallies(store: &dyn Metastore) {
    let after = |ops: Vec<Op>| {
        commit(store, &batch(ops));
        numbers(get(store, b"t"))
    };
    assert_eq!(after(vec![drop_sized("none")]), [0i64; 0], "nothing there, nothing counted, no row");
    assert_eq!(after(vec![put_sized("a", 10)]), [1, 10]);
    assert_eq!(after(vec![put_sized("b", 5), put_sized("a", 4)]), [2, 9], "a replaced row counts once");
    assert_eq!(after(vec![drop_sized("none"), drop_sized("a"), drop_sized("a")]), [1, 5], "deleted once");
    let short = Op::Put { key: b"b".to_vec(), value: vec![0; 9], tally: tally() };
    assert_eq!(after(vec![short]), [1, 0], "a value that is too short counts 0");
    assert_eq!(
        after(vec![put_sized("b", 7), put("b", sized(100)), drop_sized("b")]),
        [0, -93],
        "untallied puts do not count"
    );
    assert_eq!(after(vec![put_sized("huge", u64::MAX), put_sized("more", u64::MAX)]), [2, i64::MAX], "saturates");
}

fn tallies_in_group(store: &dyn Metastore) {
    let absent = |key: &str, n| Batch { guards: vec![Guard::Absent(key.into())], ops: vec![put_sized(key, n)] };
    let outcomes =
        store.commit_group(&[absent("a", 1), absent("a", 2), absent("b", 4), batch(vec![put_sized("a", 8)])]);
    assert_eq!(outcomes.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false, true, true]);
    assert_eq!(numbers(get(store, b"t")), [2, 12]);
}

fn limits(store: &dyn Metastore) {
    let key = vec![b'k'; KEY_LIMIT];
    commit(store, &batch(vec![put(&key, "at the limit")]));
    assert_eq!(get(store, &key).as_deref(), Some(&b"at the limit"[..]));
    commit(store, &batch(vec![delete(&key)]));
    let long = vec![b'k'; KEY_LIMIT + 1];
    let tallied = |counter: &[u8]| Op::Put {
        key: b"x".to_vec(),
        value: vec![],
        tally: Some(Tally { counter: counter.to_vec(), field: 0 }),
    };
    for op in [
        put(&long, ""),
        put("", ""),
        delete(&long),
        delete(""),
        Op::Add { key: long.clone(), deltas: vec![1] },
        Op::Add { key: vec![], deltas: vec![1] },
        tallied(&long),
        tallied(b""),
        put("v", vec![0; VALUE_LIMIT + 1]),
    ] {
        match store.commit(&batch(vec![put("first", ""), op])) {
            Err(CommitError::Store(MetaError::Limit(_))) => {}
            other => panic!("expected a limit, got {other:?}"),
        }
    }
    assert!(all_rows(store).is_empty(), "a batch beyond a limit changes nothing");
    assert_eq!(ok(snapshot(store).get(&long), "get"), None);
    commit(store, &batch(vec![put("v", vec![3; VALUE_LIMIT])]));
    assert_eq!(get(store, b"v").map(|v| v.len()), Some(VALUE_LIMIT));
}

fn long_and_large(store: &dyn Metastore) {
    let key = |i: u8| [vec![b'k'; 1099], vec![i]].concat();
    for i in 0..40 {
        commit(store, &batch(vec![put(key(i), vec![i; 1 << 20])]));
    }
    for i in 0..40 {
        assert_eq!(get(store, &key(i)), Some(vec![i; 1 << 20]), "{i}");
    }
    let found: Vec<_> = all_rows(store).into_iter().map(|(k, _)| k).collect();
    assert_eq!(found, (0..40).map(key).collect::<Vec<_>>());
    commit(store, &batch((0..40).map(|i| put(key(i), "small")).collect()));
    assert_eq!(get(store, &key(39)).as_deref(), Some(&b"small"[..]));
}

fn snapshot_isolation(store: &dyn Metastore) {
    commit(store, &batch((0..100u8).map(|i| put([b'k', i], [i])).collect()));
    let old = snapshot(store);
    let before = rows(&*old, b"k".as_slice()..b"l".as_slice());
    let held = ok(old.get(b"k\x05"), "get");
    let mut seen = 0;
    let scanned = old.scan(b"k".as_slice()..b"l".as_slice(), &mut |key, value| {
        // Commits go on while the scan runs; the scan does not see them.
        let change = batch(vec![put(key, "changed"), put([b"k", key].concat(), "new")]);
        commit(store, &change);
        assert_eq!((key, value), (&[b'k', seen][..], &[seen][..]));
        seen += 1;
        Step::Next
    });
    ok(scanned, "scan");
    assert_eq!(seen, 100);
    assert_eq!(held, Some(&[5u8][..]), "bytes live as long as the snapshot");
    assert_eq!(rows(&*old, b"k".as_slice()..b"l".as_slice()), before);
    let new = snapshot(store);
    assert!(new.revision() > old.revision());
    assert_eq!(ok(new.get(b"k\x05"), "get"), Some(&b"changed"[..]));
}

fn concurrent_committers(store: &dyn Metastore) {
    const THREADS: usize = 4;
    const ROUNDS: usize = 50;
    let wins: usize = std::thread::scope(|scope| {
        let claim = |thread: usize| {
            (0..ROUNDS)
                .filter(|round| {
                    let key = format!("round{round}");
                    let claim = Batch {
                        guards: vec![Guard::Absent(key.clone().into())],
                        ops: vec![put(key, [thread as u8]), Op::Add { key: b"wins".to_vec(), deltas: vec![1] }],
                    };
                    store.commit(&claim).is_ok()
                })
                .count()
        };
        let threads: Vec<_> = (0..THREADS).map(|thread| scope.spawn(move || claim(thread))).collect();
        threads.into_iter().map(|t| t.join().unwrap_or(0)).sum()
    });
    assert_eq!(wins, ROUNDS, "each round has one winner");
    assert_eq!(numbers(get(store, b"wins")), [ROUNDS as i64]);
}

fn concurrent_readers(store: &dyn Metastore) {
    const COMMITS: u64 = 100;
    let pair = |n: u64| batch(vec![put("left", n.to_le_bytes()), put("right", n.to_le_bytes())]);
    commit(store, &pair(0));
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let read = || {
            let mut last = Revision(0);
            while !done.load(Ordering::Relaxed) {
                let view = snapshot(store);
                assert!(view.revision() >= last, "revisions go forward");
                last = view.revision();
                assert_eq!(ok(view.get(b"left"), "get"), ok(view.get(b"right"), "get"), "a commit is seen whole");
            }
        };
        let readers: Vec<_> = (0..2).map(|_| scope.spawn(read)).collect();
        (1..=COMMITS).for_each(|n| drop(store.commit(&pair(n))));
        done.store(true, Ordering::Relaxed);
        assert!(readers.into_iter().all(|reader| reader.join().is_ok()), "a reader failed");
    });
    assert_eq!(get(store, b"left"), Some(COMMITS.to_le_bytes().to_vec()));
}
