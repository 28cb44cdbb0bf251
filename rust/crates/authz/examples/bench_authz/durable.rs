//! Row 28: writers that each wait until their one change is on the disk, and what a commit of theirs is made of.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use panthera_authz::{Engine, Settings, Tuple};
use panthera_meta::lmdb::{Lmdb, Options};
use panthera_meta::{Batch, CommitError, MetaError, Metastore, Op, Revision, Snapshot};

use crate::threads::{SPAN, turn};
use crate::world::World;
use crate::{Outcome, row, say};

/// As many as can share a flush, and fewer.
const WRITERS: [usize; 5] = [1, 2, 16, 64, 256];
/// Grants of each writer, given and taken by turns.
const GRANTS: usize = 1000;

/// Rows of the log: one for each request that changed something.
const LOG: u8 = b'l';

/// A store that counts what it commits.
struct Counted {
    store: Lmdb,
    commits: AtomicU64,
    requests: AtomicU64,
    nanos: AtomicU64,
}

impl Metastore for Counted {
    fn snapshot(&self) -> Result<Box<dyn Snapshot + '_>, MetaError> {
        self.store.snapshot()
    }

    fn commit_group(&self, batches: &[Batch]) -> Vec<Result<Revision, CommitError>> {
        let begin = Instant::now();
        let outcomes = self.store.commit_group(batches);
        self.nanos.fetch_add(begin.elapsed().as_nanos() as u64, Ordering::Relaxed);
        self.commits.fetch_add(1, Ordering::Relaxed);
        let rows = batches.iter().flat_map(|batch| &batch.ops);
        let entries = rows.filter(|op| matches!(op, Op::Put { key, .. } if key.first() == Some(&LOG))).count();
        self.requests.fetch_add(entries as u64, Ordering::Relaxed);
        outcomes
    }
}

/// Bytes that the process wrote, and by how many calls.
fn written() -> (u64, u64) {
    let io = std::fs::read_to_string("/proc/self/io").unwrap_or_default();
    let number = |name: &str| {
        let line = io.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
        line.trim().parse::<u64>().unwrap_or_default()
    };
    (number("wchar:"), number("syscw:"))
}

/// Processor time of all threads.
fn process_nanos() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

pub fn durable(world: &mut World) -> Outcome {
    for writers in WRITERS {
        measure(writers, world)?;
    }
    Ok(())
}

fn measure(writers: usize, world: &mut World) -> Outcome {
    let dir = tempfile::tempdir()?;
    let store = Lmdb::open(dir.path(), &Options::default()).map_err(|error| error.to_string())?;
    let none = || AtomicU64::new(0);
    let meta = Arc::new(Counted { store, commits: none(), requests: none(), nanos: none() });
    let engine = Engine::open(meta.clone(), Settings::default())?;
    let grants: Vec<Vec<Tuple>> = (0..writers).map(|_| (0..GRANTS).map(|_| world.grant()).collect()).collect();
    let busy = process_nanos();
    let (before, begin) = (written(), Instant::now());
    std::thread::scope(|scope| {
        for mine in &grants {
            scope.spawn(|| {
                for (i, tuple) in mine.iter().cycle().enumerate() {
                    if begin.elapsed() > SPAN || engine.write(turn(tuple, i / mine.len())).is_err() {
                        return;
                    }
                }
            });
        }
    });
    let busy = process_nanos() - busy;
    let (after, seconds) = (written(), begin.elapsed().as_secs_f64());
    let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed) as f64;
    let (commits, requests) = (of(&meta.commits), of(&meta.requests));
    let must = if writers == 256 { "50k/s" } else { "" };
    let rate = format!("{:.0}/s", requests / seconds);
    row(&format!("28 durable single writes, {writers} writers, LMDB"), must, &rate);
    say(&format!(
        "   {:.0} commits/s of {:.1} requests, {:.2} ms each in the store, {:.0} KiB in {:.0} calls; {:.0} us of processors a request",
        commits / seconds,
        requests / commits,
        of(&meta.nanos) / commits / 1e6,
        (after.0 - before.0) as f64 / commits / 1024.0,
        (after.1 - before.1) as f64 / commits,
        busy as f64 / requests / 1e3,
    ));
    Ok(())
}
