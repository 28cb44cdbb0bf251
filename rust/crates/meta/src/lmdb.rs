//! The embedded engine: one LMDB environment with one unnamed database, opened once, in sync mode.
//!
//! Belongs here: the contract in terms of LMDB transactions, and what makes an LMDB file safe to trust (size check
//! before the map is read, stale readers, directory sync). Does not belong here: what rows mean. NOSYNC, WRITEMAP and
//! NOMETASYNC lose or corrupt acknowledged commits (research/storage.md 2.3), so no setting of a server turns them on.

use std::borrow::Cow;
use std::fs::File;
use std::io;
use std::ops::{Bound, Range};
use std::path::Path;

use heed::types::Bytes;
use heed::{Database, Env, EnvOpenOptions, MdbError, RoTxn, RwTxn, WithoutTls};
use parking_lot::Mutex;

use crate::contract::{
    Batch, CommitError, Guard, MetaError, Metastore, Op, Revision, Snapshot, Step, Tally, VALUE_LIMIT, key_fits,
};
use crate::counter;

/// Address space asked for. Virtual: the file grows as rows come. 1 TiB is 4 billion rows of 250 bytes.
const MAP_BYTES: usize = 1 << 40;
/// Where asking stops when the address space refuses (ulimit -v, 32-bit machines).
const MAP_BYTES_MIN: usize = 1 << 30;
/// An EIO with less free space than this is a full disk's: more than a commit of one group writes.
const FULL_BELOW_BYTES: u64 = 4 << 20;
/// Read transactions at one time. A request holds one for microseconds and never across an await.
const MAX_READERS: u32 = 1024;

/// How to open the environment.
#[derive(Clone, Debug)]
pub struct Options {
    /// Commits reach the disk before they return. `false` is for benchmarks that measure everything else: a crash then
    /// loses or corrupts the store.
    pub sync: bool,
    /// Largest map to ask for, in bytes; rounded down to a power of two.
    pub map_bytes: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { sync: true, map_bytes: MAP_BYTES }
    }
}

/// Figures about the open environment.
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    /// Rows.
    pub rows: u64,
    /// Bytes of the file.
    pub file_bytes: u64,
    /// Bytes of address space.
    pub map_bytes: u64,
}

/// A store in one LMDB environment.
pub struct Lmdb {
    env: Env<WithoutTls>,
    rows: Database<Bytes, Bytes>,
    /// Why nothing is written any more. A failed sync leaves the page cache and the disk in unknown disagreement;
    /// writing on top of that could turn one lost commit into a corrupt tree. Reads of what was committed go on.
    poisoned: Mutex<Option<MetaError>>,
}

impl Lmdb {
    /// Opens the environment in the directory, which is created when it is not there.
    pub fn open(dir: &Path, options: &Options) -> Result<Self, MetaError> {
        make_directory(dir)?;
        let env = open_env(dir, options)?;
        check_file_size(&env)?;
        env.clear_stale_readers().map_err(meta_error)?;
        let txn = env.read_txn().map_err(meta_error)?;
        let rows = env.open_database::<Bytes, Bytes>(&txn, None).map_err(meta_error)?;
        let rows = rows.ok_or_else(|| MetaError::Corrupt("the environment has no main database".into()))?;
        // Keeps the handle open after this transaction.
        txn.commit().map_err(meta_error)?;
        sync_directory(dir)?;
        Ok(Self { env, rows, poisoned: Mutex::new(None) })
    }

    /// Figures for operators.
    pub fn usage(&self) -> Result<Usage, MetaError> {
        let file_bytes = self.env.real_disk_size().map_err(meta_error)?;
        Ok(Usage { rows: self.env.stat().entries as u64, file_bytes, map_bytes: self.env.info().map_size as u64 })
    }

    fn try_group(&self, batches: &[Batch]) -> Result<Vec<Result<Revision, CommitError>>, MetaError> {
        if let Some(cause) = &*self.poisoned.lock() {
            return Err(MetaError::Disk(format!("writing stopped after a failed commit ({cause}); reopen the store")));
        }
        let mut writer = Writer { txn: self.env.write_txn().map_err(meta_error)?, rows: self.rows, changed: false };
        let mut outcomes = Vec::with_capacity(batches.len());
        for batch in batches {
            outcomes.push(writer.commit(batch)?);
        }
        // A write transaction carries the number that its commit will have.
        let made = writer.txn.id() as u64;
        let revision = if writer.changed {
            writer.txn.commit().map_err(|error| self.commit_failed(error))?;
            Revision(made)
        } else {
            writer.txn.abort();
            Revision(made.saturating_sub(1))
        };
        Ok(outcomes.into_iter().map(|outcome| outcome.map(|()| revision)).collect())
    }

    /// A full disk leaves the last commit untouched (nothing but free pages was written), and deletes must go on
    /// afterwards; any other failure ends writing.
    fn commit_failed(&self, error: heed::Error) -> MetaError {
        let error = if is_io_error(&error) && self.disk_is_full() {
            MetaError::Full(format!("{error} on a full disk"))
        } else {
            meta_error(error)
        };
        if !matches!(error, MetaError::Full(_)) {
            *self.poisoned.lock() = Some(error.clone());
        }
        error
    }

    /// LMDB reports a write that the disk took in part only, which is how a disk becomes full, as EIO. Were it a true
    /// EIO, going on is still safe: until the meta page is written only free pages are, every later commit writes
    /// those it uses again, and LMDB itself refuses all writing after a failed meta page.
    fn disk_is_full(&self) -> bool {
        rustix::fs::statvfs(self.env.path())
            .is_ok_and(|disk| disk.f_bavail.saturating_mul(disk.f_frsize) < FULL_BELOW_BYTES)
    }
}

impl Metastore for Lmdb {
    fn snapshot(&self) -> Result<Box<dyn Snapshot + '_>, MetaError> {
        let txn = self.env.read_txn().map_err(meta_error)?;
        Ok(Box::new(LmdbSnapshot { txn, rows: self.rows }))
    }

    fn commit_group(&self, batches: &[Batch]) -> Vec<Result<Revision, CommitError>> {
        if batches.is_empty() {
            return Vec::new();
        }
        self.try_group(batches)
            .unwrap_or_else(|error| batches.iter().map(|_| Err(CommitError::Store(error.clone()))).collect())
    }
}

/// One write transaction.
struct Writer<'a> {
    txn: RwTxn<'a>,
    rows: Database<Bytes, Bytes>,
    changed: bool,
}

impl Writer<'_> {
    /// The outer error ends the transaction, the inner one only this batch.
    fn commit(&mut self, batch: &Batch) -> Result<Result<(), CommitError>, MetaError> {
        if let Err(error) = batch.check_limits() {
            return Ok(Err(CommitError::Store(error)));
        }
        for (i, guard) in batch.guards.iter().enumerate() {
            if !self.holds(guard)? {
                return Ok(Err(CommitError::Conflict(i)));
            }
        }
        for op in &batch.ops {
            self.apply(op)?;
        }
        Ok(Ok(()))
    }

    fn get(&self, key: &[u8]) -> Result<Option<&[u8]>, MetaError> {
        get(&self.rows, &self.txn, key)
    }

    fn holds(&self, guard: &Guard) -> Result<bool, MetaError> {
        Ok(match guard {
            Guard::Absent(key) => self.get(key)?.is_none(),
            Guard::Present(key) => self.get(key)?.is_some(),
            Guard::Equals(key, value) => self.get(key)? == Some(&value[..]),
            Guard::EmptyRange(range) if range.start >= range.end => true,
            Guard::EmptyRange(range) => {
                let bounds = bounds(&range.start, &range.end);
                self.rows
                    .range(&self.txn, &bounds)
                    .map_err(meta_error)?
                    .next()
                    .transpose()
                    .map_err(meta_error)?
                    .is_none()
            }
        })
    }

    fn apply(&mut self, op: &Op) -> Result<(), MetaError> {
        match op {
            Op::Put { key, value, tally } => {
                let old = self.tallied(tally.as_ref(), key)?;
                self.put(key, value)?;
                self.tally(tally.as_ref(), old, tally.as_ref().map(|t| counter::field(value, t.field)))
            }
            Op::Delete { key, tally } => {
                let old = self.tallied(tally.as_ref(), key)?;
                self.changed |= self.rows.delete(&mut self.txn, key).map_err(meta_error)?;
                self.tally(tally.as_ref(), old, None)
            }
            Op::DeleteRange(range) if range.start >= range.end => Ok(()),
            Op::DeleteRange(range) => {
                let bounds = bounds(&range.start, &range.end);
                self.changed |= self.rows.delete_range(&mut self.txn, &bounds).map_err(meta_error)? > 0;
                Ok(())
            }
            Op::Add { key, deltas } => self.add(key, deltas),
        }
    }

    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<(), MetaError> {
        self.changed = true;
        self.rows.put(&mut self.txn, key, value).map_err(meta_error)
    }

    fn add(&mut self, key: &[u8], deltas: &[i64]) -> Result<(), MetaError> {
        let row = counter::add(self.get(key)?, deltas);
        self.put(key, &row)
    }

    /// The number the tally sums in the row that is there now.
    fn tallied(&self, tally: Option<&Tally>, key: &[u8]) -> Result<Option<u64>, MetaError> {
        match tally {
            Some(tally) => Ok(self.get(key)?.map(|value| counter::field(value, tally.field))),
            None => Ok(None),
        }
    }

    fn tally(&mut self, tally: Option<&Tally>, old: Option<u64>, new: Option<u64>) -> Result<(), MetaError> {
        match tally {
            Some(tally) if old.is_some() || new.is_some() => self.add(&tally.counter, &counter::change(old, new)),
            _ => Ok(()),
        }
    }
}

struct LmdbSnapshot<'a> {
    txn: RoTxn<'a, WithoutTls>,
    rows: Database<Bytes, Bytes>,
}

impl Snapshot for LmdbSnapshot<'_> {
    fn revision(&self) -> Revision {
        Revision(self.txn.id() as u64)
    }

    fn get(&self, key: &[u8]) -> Result<Option<&[u8]>, MetaError> {
        get(&self.rows, &self.txn, key)
    }

    fn scan(&self, range: Range<&[u8]>, visit: &mut dyn FnMut(&[u8], &[u8]) -> Step) -> Result<(), MetaError> {
        let mut floor = Cow::Borrowed(range.start);
        'position: while *floor < *range.end {
            let mut wanted: Option<Vec<u8>> = None;
            for row in self.rows.range(&self.txn, &bounds(&floor, range.end)).map_err(meta_error)? {
                let (key, value) = row.map_err(meta_error)?;
                // One step forward is tried before the tree is searched again: it often is the row that is sought.
                if let Some(to) = wanted.take_if(|to| key < to.as_slice()) {
                    floor = Cow::Owned(to);
                    continue 'position;
                }
                wanted = match visit(key, value) {
                    Step::Next => None,
                    Step::Stop => return Ok(()),
                    Step::Seek(to) => (to.as_slice() > key).then_some(to),
                };
            }
            return Ok(());
        }
        Ok(())
    }
}

fn get<'a>(rows: &Database<Bytes, Bytes>, txn: &'a RoTxn<'_>, key: &[u8]) -> Result<Option<&'a [u8]>, MetaError> {
    if key_fits(key) { rows.get(txn, key).map_err(meta_error) } else { Ok(None) }
}

/// LMDB has no empty key, not even as a bound.
fn bounds<'a>(start: &'a [u8], end: &'a [u8]) -> (Bound<&'a [u8]>, Bound<&'a [u8]>) {
    (if start.is_empty() { Bound::Unbounded } else { Bound::Included(start) }, Bound::Excluded(end))
}

fn make_directory(dir: &Path) -> Result<(), MetaError> {
    if dir.is_dir() {
        return Ok(());
    }
    std::fs::create_dir_all(dir).map_err(|e| disk(dir, "create", &e))?;
    match dir.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => sync_directory(parent),
        _ => sync_directory(Path::new(".")),
    }
}

fn sync_directory(dir: &Path) -> Result<(), MetaError> {
    File::open(dir).and_then(|d| d.sync_all()).map_err(|e| disk(dir, "sync", &e))
}

fn disk(path: &Path, action: &str, error: &io::Error) -> MetaError {
    MetaError::Disk(format!("cannot {action} {}: {error}", path.display()))
}

/// Asks for less address space as long as it is refused.
fn open_env(dir: &Path, options: &Options) -> Result<Env<WithoutTls>, MetaError> {
    let mut map_bytes = 1usize << options.map_bytes.max(1).ilog2();
    loop {
        match open_env_with(dir, options.sync, map_bytes) {
            Err(heed::Error::Io(e)) if e.kind() == io::ErrorKind::OutOfMemory && map_bytes > MAP_BYTES_MIN => {
                map_bytes /= 2;
            }
            other => return other.map_err(|e| in_directory(dir, e)),
        }
    }
}

#[allow(unsafe_code)]
fn open_env_with(dir: &Path, sync: bool, map_bytes: usize) -> Result<Env<WithoutTls>, heed::Error> {
    let mut options = EnvOpenOptions::new().read_txn_without_tls();
    options.map_size(map_bytes).max_readers(MAX_READERS);
    if !sync {
        // SAFETY: NO_SYNC gives up durability, not memory safety; only benchmarks ask for it.
        unsafe { options.flags(heed::EnvFlags::NO_SYNC) };
    }
    // SAFETY: the map is sound as long as nothing but LMDB changes the file. One process owns the data directory
    // (its lock file says which), heed refuses a second environment on the same path in this process, and the file is
    // on a local disk (documented). A file that is too short is found by `check_file_size` before any page of the
    // tree is read.
    unsafe { options.open(dir) }
}

fn in_directory(dir: &Path, error: heed::Error) -> MetaError {
    match meta_error(error) {
        MetaError::Disk(text) => MetaError::Disk(format!("{}: {text}", dir.display())),
        MetaError::Corrupt(text) => MetaError::Corrupt(format!("{}: {text}", dir.display())),
        other => other,
    }
}

/// A page beyond the end of the file cannot be read through a map: the process would die of SIGBUS. The meta pages are
/// within the file (opening reads them with pread), so what they say can be compared with its size.
fn check_file_size(env: &Env<WithoutTls>) -> Result<(), MetaError> {
    let file_bytes = env.real_disk_size().map_err(meta_error)?;
    let pages = env.info().last_page_number as u64 + 1;
    let needed_bytes = pages.saturating_mul(u64::from(env.stat().page_size));
    if file_bytes >= needed_bytes {
        return Ok(());
    }
    Err(MetaError::Corrupt(format!(
        "{}: data.mdb has {file_bytes} bytes and its last commit needs {needed_bytes}; the file was cut",
        env.path().display()
    )))
}

fn is_io_error(error: &heed::Error) -> bool {
    matches!(error, heed::Error::Io(e) if e.raw_os_error() == Some(rustix::io::Errno::IO.raw_os_error()))
}

fn meta_error(error: heed::Error) -> MetaError {
    let text = error.to_string();
    match error {
        heed::Error::Mdb(MdbError::MapFull | MdbError::TxnFull) => MetaError::Full(text),
        heed::Error::Io(e) if matches!(e.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) => {
            MetaError::Full(text)
        }
        heed::Error::Mdb(
            MdbError::PageNotFound | MdbError::Corrupted | MdbError::Invalid | MdbError::VersionMismatch,
        ) => MetaError::Corrupt(text),
        heed::Error::Mdb(MdbError::BadValSize) => MetaError::Limit(text),
        _ => MetaError::Disk(text),
    }
}

// LMDB stores lengths of values in 32 bits.
const _: () = assert!(VALUE_LIMIT <= u32::MAX as usize);

#[cfg(test)]
mod tests {
    use super::*;

    fn put(key: &str) -> Batch {
        let mut batch = Batch::default();
        batch.put(key.into(), b"v".to_vec());
        batch
    }

    fn failure(kind: io::ErrorKind) -> heed::Error {
        heed::Error::Io(io::Error::from(kind))
    }

    #[test]
    fn after_a_failed_commit_nothing_is_written_and_everything_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let store = Lmdb::open(dir.path(), &Options::default()).unwrap();
        let before = store.commit(&put("a")).unwrap();
        // What a commit answers when its fdatasync fails with EIO.
        assert!(matches!(store.commit_failed(failure(io::ErrorKind::Other)), MetaError::Disk(_)));
        for _ in 0..2 {
            match store.commit(&put("b")) {
                Err(CommitError::Store(MetaError::Disk(text))) => assert!(text.contains("writing stopped"), "{text}"),
                other => panic!("{other:?}"),
            }
        }
        let view = store.snapshot().unwrap();
        assert_eq!((view.get(b"a").unwrap(), view.get(b"b").unwrap()), (Some(&b"v"[..]), None));
        assert_eq!(view.revision(), before);
        drop(view);
        drop(store);
        let store = Lmdb::open(dir.path(), &Options::default()).unwrap();
        assert!(store.commit(&put("b")).unwrap() > before, "reopening is the way out");
    }

    #[test]
    fn a_full_disk_does_not_end_writing() {
        let dir = tempfile::tempdir().unwrap();
        let store = Lmdb::open(dir.path(), &Options::default()).unwrap();
        for kind in [io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded] {
            assert!(matches!(store.commit_failed(failure(kind)), MetaError::Full(_)));
        }
        assert!(matches!(store.commit_failed(heed::Error::Mdb(MdbError::MapFull)), MetaError::Full(_)));
        store.commit(&put("a")).unwrap();
    }

    #[test]
    fn an_input_output_error_ends_writing_where_the_disk_has_room() {
        let dir = tempfile::tempdir().unwrap();
        let store = Lmdb::open(dir.path(), &Options::default()).unwrap();
        assert!(!store.disk_is_full(), "this test needs a few MiB of free space");
        let eio = io::Error::from_raw_os_error(rustix::io::Errno::IO.raw_os_error());
        assert!(is_io_error(&heed::Error::Io(io::Error::from_raw_os_error(5))));
        assert!(!is_io_error(&failure(io::ErrorKind::Other)));
        assert!(matches!(store.commit_failed(heed::Error::Io(eio)), MetaError::Disk(_)));
        assert!(store.commit(&put("a")).is_err());
    }

    #[test]
    fn the_contract_fits_what_lmdb_can_store() {
        let dir = tempfile::tempdir().unwrap();
        let store = Lmdb::open(dir.path(), &Options::default()).unwrap();
        assert!(store.env.max_key_size() >= crate::KEY_LIMIT, "{}", store.env.max_key_size());
        assert_eq!(store.env.max_readers(), MAX_READERS);
        assert_eq!(store.env.info().map_size, MAP_BYTES);
    }
}
