//! The reference engine: a sorted map behind a lock, cloned when a snapshot holds it. Simple, so that it is obviously
//! right; the other engines are compared with it, and tests use it as the only fake. Nothing here is durable.

use std::collections::BTreeMap;
use std::ops::{Bound, Range};
use std::sync::Arc;

use parking_lot::RwLock;

use crate::contract::{Batch, CommitError, Guard, MetaError, Metastore, Op, Revision, Snapshot, Step, Tally};
use crate::counter;

type Bytes = Arc<[u8]>;

#[derive(Clone, Default)]
struct State {
    rows: BTreeMap<Bytes, Bytes>,
    revision: u64,
}

/// A store in memory.
#[derive(Default)]
pub struct Memory(RwLock<Arc<State>>);

impl Memory {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }
}

impl Metastore for Memory {
    fn snapshot(&self) -> Result<Box<dyn Snapshot + '_>, MetaError> {
        Ok(Box::new(MemorySnapshot(Arc::clone(&self.0.read()))))
    }

    fn commit_group(&self, batches: &[Batch]) -> Vec<Result<Revision, CommitError>> {
        let mut shared = self.0.write();
        let state = Arc::make_mut(&mut shared);
        let mut changed = false;
        let outcomes: Vec<_> = batches.iter().map(|batch| state.commit(batch).map(|c| changed |= c)).collect();
        state.revision += u64::from(changed);
        let revision = Revision(state.revision);
        outcomes.into_iter().map(|outcome| outcome.map(|()| revision)).collect()
    }
}

impl State {
    /// Whether the batch changed anything.
    fn commit(&mut self, batch: &Batch) -> Result<bool, CommitError> {
        batch.check_limits().map_err(CommitError::Store)?;
        if let Some(failed) = batch.guards.iter().position(|guard| !self.holds(guard)) {
            return Err(CommitError::Conflict(failed));
        }
        let mut changed = false;
        for op in &batch.ops {
            changed |= self.apply(op);
        }
        Ok(changed)
    }

    fn holds(&self, guard: &Guard) -> bool {
        match guard {
            Guard::Absent(key) => !self.rows.contains_key(&**key),
            Guard::Present(key) => self.rows.contains_key(&**key),
            Guard::Equals(key, value) => self.rows.get(&**key).is_some_and(|found| **found == **value),
            Guard::EmptyRange(range) => range_of(&self.rows, &range.start, &range.end).next().is_none(),
        }
    }

    fn apply(&mut self, op: &Op) -> bool {
        match op {
            Op::Put { key, value, tally } => {
                let old = self.rows.insert(key.as_slice().into(), value.as_slice().into());
                self.tally(tally.as_ref(), old.as_deref(), Some(value));
                true
            }
            Op::Delete { key, tally } => {
                let old = self.rows.remove(&**key);
                self.tally(tally.as_ref(), old.as_deref(), None);
                old.is_some()
            }
            Op::DeleteRange(range) => {
                let doomed: Vec<Bytes> =
                    range_of(&self.rows, &range.start, &range.end).map(|(k, _)| k.clone()).collect();
                doomed.iter().for_each(|key| drop(self.rows.remove(key)));
                !doomed.is_empty()
            }
            Op::Add { key, deltas } => {
                self.add(key, deltas);
                true
            }
        }
    }

    fn tally(&mut self, tally: Option<&Tally>, old: Option<&[u8]>, new: Option<&[u8]>) {
        let Some(tally) = tally else { return };
        let number = |value: &[u8]| counter::field(value, tally.field);
        let deltas = counter::change(old.map(number), new.map(number));
        if old.is_some() || new.is_some() {
            self.add(&tally.counter, &deltas);
        }
    }

    fn add(&mut self, key: &[u8], deltas: &[i64]) {
        let row = counter::add(self.rows.get(key).map(|v| &**v), deltas);
        self.rows.insert(key.into(), row.into());
    }
}

/// The rows of a half-open range; none when it is empty or upside down (which the map itself would panic at).
fn range_of<'a>(
    rows: &'a BTreeMap<Bytes, Bytes>,
    start: &[u8],
    end: &[u8],
) -> impl Iterator<Item = (&'a Bytes, &'a Bytes)> + use<'a> {
    (start < end).then(|| rows.range::<[u8], _>((Bound::Included(start), Bound::Excluded(end)))).into_iter().flatten()
}

struct MemorySnapshot(Arc<State>);

impl Snapshot for MemorySnapshot {
    fn revision(&self) -> Revision {
        Revision(self.0.revision)
    }

    fn get(&self, key: &[u8]) -> Result<Option<&[u8]>, MetaError> {
        Ok(self.0.rows.get(key).map(|value| &**value))
    }

    fn scan(&self, range: Range<&[u8]>, visit: &mut dyn FnMut(&[u8], &[u8]) -> Step) -> Result<(), MetaError> {
        let mut floor: Vec<u8> = range.start.to_vec();
        'seek: loop {
            for (key, value) in range_of(&self.0.rows, &floor, range.end) {
                match visit(key, value) {
                    Step::Next => {}
                    Step::Stop => return Ok(()),
                    Step::Seek(to) if *to <= **key => {}
                    Step::Seek(to) => {
                        floor = to;
                        continue 'seek;
                    }
                }
            }
            return Ok(());
        }
    }
}
