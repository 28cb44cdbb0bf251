//! Tests of module `plan`: each kind of write as a table of guards and operations. What they mean together is tested
//! against the model in `write::tests`.

use panthera_meta::Guard;

use super::*;

const BUCKET: BucketId = BucketId(7);

fn row(ordinal: u64, null: bool, marker: bool) -> Row {
    let record = if marker {
        ObjectRecord::marker(Ordinal(ordinal), UserId(1), null)
    } else {
        ObjectRecord { ordinal: Ordinal(ordinal), null_version: null, size: ordinal, ..ObjectRecord::default() }
    };
    Row::new(&record.encode()).unwrap()
}

fn rows(versioning: Versioning, current: Option<Row>, newest: Option<Row>, null: Option<u64>) -> KeyRows<'static> {
    let fence = Fence { raw: b"fence".to_vec(), versioning, generation: 0 };
    KeyRows { bucket: BUCKET, key: b"k", fence, current, newest, null: null.map(Ordinal) }
}

/// A batch in words: guards, then operations, each with its row's kind and (for versions) its ordinal.
fn words(batch: &Batch) -> (String, String) {
    let name = |key: &[u8]| match keys::parse_version(key) {
        Some((_, _, ordinal)) => format!("v{}", ordinal.0),
        None => char::from(key[0]).to_string(),
    };
    let guard = |guard: &Guard| match guard {
        Guard::Equals(key, _) => format!("{}=", name(key)),
        Guard::Absent(key) => format!("no {}", name(key)),
        Guard::Present(key) => format!("some {}", name(key)),
        Guard::EmptyRange(range) => format!("none above {}", name(&range.end)),
    };
    let op = |op: &Op| match op {
        Op::Put { key, .. } => format!("+{}", name(key)),
        Op::Delete { key, .. } => format!("-{}", name(key)),
        other => format!("{other:?}"),
    };
    let guards: Vec<String> = batch.guards.iter().map(guard).collect();
    let ops: Vec<String> = batch.ops.iter().map(op).collect();
    (guards.join(", "), ops.join(" "))
}

#[test]
fn puts() {
    use Versioning::{Enabled, Never, Suspended};
    let object = || Some(row(5, false, false));
    let null = || Some(row(5, true, false));
    for (state, held, guards, ops) in [
        (rows(Never, None, None, None), false, "f=", "+o"),
        (rows(Never, None, None, None), true, "f=, no o", "+o"),
        (rows(Never, null(), None, None), true, "f=, o=", "+o"),
        (rows(Enabled, None, None, None), false, "f=, no o, none above v9", "+o"),
        (rows(Enabled, object(), None, None), false, "f=, o=, none above v9", "+v5 +o"),
        (rows(Enabled, null(), None, None), false, "f=, o=, none above v9", "+v5 +z +o"),
        (rows(Enabled, None, Some(row(4, false, true)), None), false, "f=, no o, none above v9", "+o"),
        (rows(Suspended, object(), None, None), false, "f=, o=, none above v9, no z", "+v5 +o"),
        (rows(Suspended, null(), None, None), false, "f=, o=, none above v9, no z", "+o"),
        (rows(Suspended, object(), None, Some(3)), false, "f=, o=, none above v9, z=", "-v3 -z +v5 +o"),
    ] {
        let mut record = ObjectRecord::default();
        let batch = put(&state, &mut record, Ordinal(9), held);
        assert_eq!(words(&batch), (guards.to_owned(), ops.to_owned()), "{state:?}");
        assert_eq!((record.ordinal, record.null_version), (Ordinal(9), state.fence.versioning != Enabled));
    }
}

#[test]
fn deletes_without_a_version() {
    use Versioning::{Enabled, Never, Suspended};
    let object = || Some(row(5, false, false));
    let null = || Some(row(5, true, false));
    let marker = || Some(row(5, false, true));
    for (state, held, expected) in [
        (rows(Never, None, None, None), false, None),
        (rows(Never, null(), None, None), false, Some(("f=", "-o"))),
        (rows(Never, null(), None, None), true, Some(("f=, o=", "-o"))),
        (rows(Enabled, None, None, None), false, Some(("f=, no o, none above v9", "+v9"))),
        (rows(Enabled, object(), None, None), false, Some(("f=, o=, none above v9", "+v5 -o +v9"))),
        (rows(Enabled, null(), None, None), false, Some(("f=, o=, none above v9", "+v5 +z -o +v9"))),
        (rows(Enabled, None, marker(), None), true, Some(("f=, no o, none above v5, v5=, none above v9", "+v9"))),
        (rows(Suspended, object(), None, None), false, Some(("f=, o=, none above v9, no z", "+v5 -o +v9 +z"))),
        (rows(Suspended, null(), None, None), false, Some(("f=, o=, none above v9, no z", "-o +v9 +z"))),
        (rows(Suspended, None, marker(), Some(5)), false, Some(("f=, no o, none above v9, z=", "-v5 -z +v9 +z"))),
    ] {
        let (batch, deleted) = delete(&state, Ordinal(9), UserId(1), held);
        let found = batch.as_ref().map(words);
        assert_eq!(found, expected.map(|(guards, ops)| (guards.to_owned(), ops.to_owned())), "{state:?}");
        let told = match state.fence.versioning {
            Never => Deleted::Gone,
            Enabled => Deleted::Marked(Some(Ordinal(9))),
            Suspended => Deleted::Marked(None),
        };
        assert_eq!(deleted, told);
    }
}

#[test]
fn deletes_of_the_current_version() {
    let object = || Some(row(5, false, false));
    for (newest, guards, ops) in [
        (None, "f=, o=, none above w", "-o"),
        (Some(row(4, false, false)), "f=, o=, none above v4, v4=", "-o -v4 +o"),
        (Some(row(4, true, false)), "f=, o=, none above v4, v4=", "-o -v4 +o -z"),
        (Some(row(4, false, true)), "f=, o=, none above v4, v4=", "-o"),
    ] {
        let state = rows(Versioning::Enabled, object(), newest, None);
        let (found, done) = words(&delete_current_version(&state));
        // Without a newest row the range is the whole history, whose end is the next key's.
        let guards = guards.replace("w", found.rsplit(' ').next().unwrap());
        assert_eq!((found, done), (guards, ops.to_owned()), "{state:?}");
    }
}

#[test]
fn deletes_of_noncurrent_versions() {
    let marker = |null| row(5, null, true);
    for (current, newest, target, below, guards, ops) in [
        (Some(row(8, false, false)), row(5, false, false), row(5, false, false), None, "f=, v5=, some o", "-v5"),
        (Some(row(8, false, false)), row(6, false, false), row(5, true, false), None, "f=, v5=, some o", "-v5 -z"),
        (None, row(6, false, true), marker(false), None, "f=, v5=, no o", "-v5"),
        (
            None,
            marker(false),
            marker(false),
            Some(row(4, false, false)),
            "f=, v5=, no o, none above v5, none above v4, v4=",
            "-v5 -v4 +o",
        ),
        (
            None,
            marker(true),
            marker(true),
            Some(row(4, false, false)),
            "f=, v5=, no o, none above v5, none above v4, v4=",
            "-v5 -z -v4 +o",
        ),
        (
            None,
            marker(false),
            marker(false),
            Some(row(4, true, false)),
            "f=, v5=, no o, none above v5, none above v4, v4=",
            "-v5 -v4 +o -z",
        ),
        (
            None,
            marker(false),
            marker(false),
            Some(row(4, false, true)),
            "f=, v5=, no o, none above v5, none above v4, v4=",
            "-v5",
        ),
    ] {
        let state = rows(Versioning::Enabled, current, Some(newest), None);
        let found = words(&delete_noncurrent(&state, &target, below.as_ref()));
        assert_eq!(found, (guards.to_owned(), ops.to_owned()), "{state:?} {target:?}");
    }
    let last = rows(Versioning::Enabled, None, Some(marker(false)), None);
    let (guards, ops) = words(&delete_noncurrent(&last, &marker(false), None));
    assert!(guards.starts_with("f=, v5=, no o, none above v5, none above ") && ops == "-v5", "{guards}");
}

#[test]
fn every_counted_row_is_tallied() {
    let state = rows(Versioning::Suspended, Some(row(5, false, false)), None, Some(3));
    let batch = put(&state, &mut ObjectRecord::default(), Ordinal(9), false);
    for op in &batch.ops {
        let (key, tally) = match op {
            Op::Put { key, tally, .. } | Op::Delete { key, tally } => (key, tally),
            other => panic!("{other:?}"),
        };
        let counter = match key[0] {
            b'o' => Some(keys::tally(BUCKET, TallyOf::Objects)),
            b'v' => Some(keys::tally(BUCKET, TallyOf::Versions)),
            _ => None,
        };
        assert_eq!(tally.as_ref().map(|tally| tally.counter.clone()), counter);
        assert!(tally.as_ref().is_none_or(|tally| tally.field == SIZE_FIELD));
    }
}
