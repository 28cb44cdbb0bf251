//! A disk on which the n-th operation of a kind fails: for the loop n = 1, 2, 3 … until nothing fails any more.

use std::io::{self, IoSlice};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use panthera_volume::{Disk, DiskFile};

use crate::disk::{MemDisk, MemFile};

/// What goes wrong, and which operations are counted for it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// Any operation: EIO, nothing done.
    Eio,
    /// A read: EIO.
    ReadEio,
    /// A write, an allocation or a creation: no space, nothing done.
    NoSpace,
    /// A write: the first half is written, then EIO.
    ShortWrite,
    /// A sync of a file or the directory: EIO, and what was to be synced may be lost whatever later syncs say.
    Sync,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Read,
    Write,
    Space,
    Sync,
    Other,
}

impl Fault {
    fn counts(self, kind: Kind) -> bool {
        match self {
            Fault::Eio => true,
            Fault::ReadEio => kind == Kind::Read,
            Fault::NoSpace => matches!(kind, Kind::Write | Kind::Space),
            Fault::ShortWrite => kind == Kind::Write,
            Fault::Sync => kind == Kind::Sync,
        }
    }

    fn error(self) -> io::Error {
        match self {
            Fault::NoSpace => io::ErrorKind::StorageFull.into(),
            _ => io::Error::other("injected EIO"),
        }
    }
}

struct Plan {
    fault: Fault,
    /// The operation that fails, counted from 1.
    nth: u64,
    /// It and all later ones fail.
    forever: bool,
    seen: AtomicU64,
    fired: AtomicBool,
}

impl Plan {
    fn fails(&self, kind: Kind) -> bool {
        if !self.fault.counts(kind) {
            return false;
        }
        let n = self.seen.fetch_add(1, Ordering::SeqCst) + 1;
        let fails = n == self.nth || self.forever && n > self.nth;
        self.fired.fetch_or(fails, Ordering::SeqCst);
        fails
    }

    fn check(&self, kind: Kind) -> io::Result<()> {
        if self.fails(kind) { Err(self.fault.error()) } else { Ok(()) }
    }
}

/// A memory disk with one fault in it. Clones are the same disk.
#[derive(Clone)]
pub struct FaultyDisk {
    inner: MemDisk,
    plan: Arc<Plan>,
}

impl FaultyDisk {
    /// The `nth` operation (from 1) that `fault` counts fails; with `forever` so do all after it.
    pub fn new(inner: MemDisk, fault: Fault, nth: u64, forever: bool) -> Self {
        let plan = Plan { fault, nth, forever, seen: AtomicU64::new(0), fired: AtomicBool::new(false) };
        Self { inner, plan: Arc::new(plan) }
    }

    /// Whether the fault has come.
    pub fn fired(&self) -> bool {
        self.plan.fired.load(Ordering::SeqCst)
    }

    fn wrap(&self, file: MemFile) -> Arc<dyn DiskFile> {
        Arc::new(FaultyFile { inner: file, plan: self.plan.clone() })
    }
}

impl Disk for FaultyDisk {
    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        self.plan.check(Kind::Space)?;
        Ok(self.wrap(self.inner.make(name)?))
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        self.plan.check(Kind::Other)?;
        Ok(self.wrap(self.inner.open_mem(name)?))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.plan.check(Kind::Other)?;
        self.inner.remove(name)
    }

    fn list(&self) -> io::Result<Vec<String>> {
        self.plan.check(Kind::Other)?;
        self.inner.list()
    }

    fn sync_dir(&self) -> io::Result<()> {
        self.plan.check(Kind::Sync)?;
        self.inner.sync_dir()
    }

    fn free_bytes(&self) -> io::Result<u64> {
        self.plan.check(Kind::Other)?;
        self.inner.free_bytes()
    }

    fn nonce(&self) -> io::Result<u64> {
        self.inner.nonce()
    }
}

struct FaultyFile {
    inner: MemFile,
    plan: Arc<Plan>,
}

impl DiskFile for FaultyFile {
    fn read_at(&self, offset: u64, len: usize) -> io::Result<Vec<u8>> {
        self.plan.check(Kind::Read)?;
        self.inner.read_at(offset, len)
    }

    fn read_at_cached(&self, offset: u64, len: usize) -> io::Result<Vec<u8>> {
        self.plan.check(Kind::Read)?;
        self.inner.read_at_cached(offset, len)
    }

    fn write_vectored_at(&self, offset: u64, parts: &[IoSlice<'_>]) -> io::Result<()> {
        if self.plan.fails(Kind::Write) {
            if self.plan.fault == Fault::ShortWrite {
                let data: Vec<u8> = parts.iter().flat_map(|part| part.iter().copied()).collect();
                self.inner.write_vectored_at(offset, &[IoSlice::new(&data[..data.len() / 2])])?;
            }
            return Err(self.plan.fault.error());
        }
        self.inner.write_vectored_at(offset, parts)
    }

    fn fallocate(&self, offset: u64, len: u64) -> io::Result<()> {
        self.plan.check(Kind::Space)?;
        self.inner.fallocate(offset, len)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.plan.check(Kind::Other)?;
        self.inner.set_len(len)
    }

    fn datasync(&self) -> io::Result<()> {
        if self.plan.fails(Kind::Sync) {
            self.inner.fail_sync();
            return Err(self.plan.fault.error());
        }
        self.inner.datasync()
    }

    fn len(&self) -> io::Result<u64> {
        self.plan.check(Kind::Other)?;
        self.inner.len()
    }
}
