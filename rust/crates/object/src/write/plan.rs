//! Plans: what every write changes, as guards and operations. Values in, values out.
//!
//! Belongs here: the invariants of FORMAT.md (where the current version lives, where the null version is, what the
//! tallies count) and the guards that keep them true under concurrency. Does not belong here: reading, clocks, headers.
//!
//! A new version's guards say: the current row is what it was, and no version is newer than the new one. So history
//! only grows at its newer end, whatever clocks and gateways do.

use panthera_base::{BucketId, Ordinal, UserId};
use panthera_meta::keys::{self, TallyOf};
use panthera_meta::records::{ObjectRecord, SIZE_FIELD, Versioning, encode_ordinal};
use panthera_meta::{Batch, Guard, Op, Tally};

use super::KeyRows;
use super::key_rows::{Fence, Row};

/// Stores a new object version, replacing or retiring the current one. Completes `record`: its ordinal, and whether it
/// is the null version. With `held`, the current row must still be what it was read as, which a plain overwrite in a
/// bucket without versions does not ask: its last writer wins.
pub(crate) fn put(rows: &KeyRows<'_>, record: &mut ObjectRecord, ordinal: Ordinal, held: bool) -> Batch {
    record.ordinal = ordinal;
    record.null_version = rows.fence.versioning != Versioning::Enabled;
    let mut batch = fenced(rows.bucket, &rows.fence);
    if held || rows.fence.versioning != Versioning::Never {
        guard_current(rows, &mut batch);
    }
    make_room(rows, ordinal, &mut batch);
    batch.ops.push(put_op(keys::object(rows.bucket, rows.key), record.encode(), tally(rows.bucket, TallyOf::Objects)));
    batch
}

/// What a delete without a version id comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Deleted {
    /// The object is gone, or there was none.
    Gone,
    /// A delete marker with this id is the current version (`None`: the null version).
    Marked(Option<Ordinal>),
}

/// Deletes the current version: removes it where there are no versions, puts a delete marker on top where there are.
/// `None` when there is nothing to change. `held` as for [`put`].
pub(crate) fn delete(rows: &KeyRows<'_>, ordinal: Ordinal, owner: UserId, held: bool) -> (Option<Batch>, Deleted) {
    let mut batch = fenced(rows.bucket, &rows.fence);
    let versioning = rows.fence.versioning;
    if held || versioning != Versioning::Never {
        guard_current(rows, &mut batch);
    }
    if versioning == Versioning::Never {
        if rows.current.is_none() {
            return (None, Deleted::Gone);
        }
        batch.ops.push(remove_current(rows));
        return (Some(batch), Deleted::Gone);
    }
    if held && rows.current.is_none() {
        // The condition was judged on the delete marker: it must still be there.
        guard_newest(rows, &mut batch);
    }
    make_room(rows, ordinal, &mut batch);
    if rows.current.is_some() {
        batch.ops.push(remove_current(rows));
    }
    let null = versioning == Versioning::Suspended;
    let marker = ObjectRecord::marker(ordinal, owner, null).encode();
    batch.ops.push(put_op(
        keys::version(rows.bucket, rows.key, ordinal),
        marker,
        tally(rows.bucket, TallyOf::Versions),
    ));
    if null {
        batch.put(keys::null_version(rows.bucket, rows.key), encode_ordinal(ordinal));
    }
    (Some(batch), Deleted::Marked((!null).then_some(ordinal)))
}

/// Removes the current version for good; the newest noncurrent version takes its place when it is an object.
pub(crate) fn delete_current_version(rows: &KeyRows<'_>) -> Batch {
    let mut batch = fenced(rows.bucket, &rows.fence);
    guard_current(rows, &mut batch);
    guard_newest(rows, &mut batch);
    batch.ops.push(remove_current(rows));
    if let Some(newest) = &rows.newest {
        promote(rows, newest, &mut batch);
    }
    batch
}

/// Removes a noncurrent version or a delete marker for good. `below` is the next older row, needed when the target is
/// the newest row of a key without a current version: what lies below it surfaces.
pub(crate) fn delete_noncurrent(rows: &KeyRows<'_>, target: &Row, below: Option<&Row>) -> Batch {
    let mut batch = fenced(rows.bucket, &rows.fence);
    let target_key = keys::version(rows.bucket, rows.key, target.ordinal);
    batch.guard(Guard::Equals(target_key.clone(), target.raw.clone()));
    let object_key = keys::object(rows.bucket, rows.key);
    let surfaces = rows.current.is_none() && rows.newest.as_ref().is_some_and(|row| row.ordinal == target.ordinal);
    batch.guard(match rows.current {
        Some(_) => Guard::Present(object_key),
        None => Guard::Absent(object_key),
    });
    batch.ops.push(remove_version(rows, target.ordinal));
    if target.null {
        batch.delete(keys::null_version(rows.bucket, rows.key));
    }
    if surfaces {
        let range = keys::versions_of(rows.bucket, rows.key);
        batch.guard(Guard::EmptyRange(range.start..target_key.clone()));
        let after = keys::next_key(&target_key);
        match below {
            Some(row) => {
                let key = keys::version(rows.bucket, rows.key, row.ordinal);
                batch.guard(Guard::EmptyRange(after..key.clone()));
                batch.guard(Guard::Equals(key, row.raw.clone()));
                promote(rows, row, &mut batch);
            }
            None => {
                batch.guard(Guard::EmptyRange(after..range.end));
            }
        }
    }
    batch
}

/// A batch that holds only while the bucket exists and is configured as it was. The fence is always guard 0.
pub(crate) fn fenced(bucket: BucketId, fence: &Fence) -> Batch {
    let mut batch = Batch::default();
    batch.guard(Guard::Equals(keys::fence(bucket), fence.raw.clone()));
    batch
}

fn guard_current(rows: &KeyRows<'_>, batch: &mut Batch) {
    let key = keys::object(rows.bucket, rows.key);
    batch.guard(match &rows.current {
        Some(row) => Guard::Equals(key, row.raw.clone()),
        None => Guard::Absent(key),
    });
}

/// The newest noncurrent row is what it was, and still the newest.
fn guard_newest(rows: &KeyRows<'_>, batch: &mut Batch) {
    let range = keys::versions_of(rows.bucket, rows.key);
    match &rows.newest {
        Some(row) => {
            let key = keys::version(rows.bucket, rows.key, row.ordinal);
            batch.guard(Guard::EmptyRange(range.start..key.clone()));
            batch.guard(Guard::Equals(key, row.raw.clone()));
        }
        None => {
            batch.guard(Guard::EmptyRange(range));
        }
    }
}

/// Prepares the place of a new version: a current version that stays goes to the noncurrent ones; where versioning is
/// suspended, the null version goes away wherever it is.
fn make_room(rows: &KeyRows<'_>, ordinal: Ordinal, batch: &mut Batch) {
    let versioning = rows.fence.versioning;
    if versioning == Versioning::Never {
        return;
    }
    let range = keys::versions_of(rows.bucket, rows.key);
    batch.guard(Guard::EmptyRange(range.start..keys::version(rows.bucket, rows.key, ordinal)));
    let suspended = versioning == Versioning::Suspended;
    if suspended {
        let key = keys::null_version(rows.bucket, rows.key);
        batch.guard(match rows.null {
            Some(null) => Guard::Equals(key, encode_ordinal(null)),
            None => Guard::Absent(key),
        });
        if let Some(null) = rows.null {
            batch.ops.push(remove_version(rows, null));
            batch.delete(keys::null_version(rows.bucket, rows.key));
        }
    }
    match &rows.current {
        Some(row) if !(suspended && row.null) => retire(rows, row, batch),
        _ => {}
    }
}

/// Moves the current version to the noncurrent ones. The caller removes or replaces the `o` row.
fn retire(rows: &KeyRows<'_>, row: &Row, batch: &mut Batch) {
    batch.ops.push(put_op(
        keys::version(rows.bucket, rows.key, row.ordinal),
        row.raw.clone(),
        tally(rows.bucket, TallyOf::Versions),
    ));
    if row.null {
        batch.put(keys::null_version(rows.bucket, rows.key), encode_ordinal(row.ordinal));
    }
}

/// Moves a noncurrent version to the current place, unless it is a delete marker, which stays where it is.
fn promote(rows: &KeyRows<'_>, row: &Row, batch: &mut Batch) {
    if row.marker {
        return;
    }
    batch.ops.push(remove_version(rows, row.ordinal));
    batch.ops.push(put_op(keys::object(rows.bucket, rows.key), row.raw.clone(), tally(rows.bucket, TallyOf::Objects)));
    if row.null {
        batch.delete(keys::null_version(rows.bucket, rows.key));
    }
}

fn remove_current(rows: &KeyRows<'_>) -> Op {
    Op::Delete { key: keys::object(rows.bucket, rows.key), tally: Some(tally(rows.bucket, TallyOf::Objects)) }
}

fn remove_version(rows: &KeyRows<'_>, ordinal: Ordinal) -> Op {
    let key = keys::version(rows.bucket, rows.key, ordinal);
    Op::Delete { key, tally: Some(tally(rows.bucket, TallyOf::Versions)) }
}

/// A put that a tally counts.
pub(crate) fn put_op(key: Vec<u8>, value: Vec<u8>, tally: Tally) -> Op {
    Op::Put { key, value, tally: Some(tally) }
}

/// The bucket's counter. Sizes stand at the same offset in object and part records.
pub(crate) fn tally(bucket: BucketId, of: TallyOf) -> Tally {
    Tally { counter: keys::tally(bucket, of), field: SIZE_FIELD }
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
