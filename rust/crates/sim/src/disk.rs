//! A disk in memory that remembers every operation, so that a crash at any of them can be replayed (crash.rs).
//!
//! Does not belong here: deciding what fails (faulty.rs) or what a crash leaves (crash.rs).

use std::collections::BTreeMap;
use std::io::{self, IoSlice};
use std::sync::Arc;

use panthera_volume::{Disk, DiskFile};
use parking_lot::Mutex;

/// What free space a memory disk reports when it has no limit.
const PLENTY_BYTES: u64 = 1 << 40;

/// Something that changed the disk. Files are numbered, because a name can come and go.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub enum Op {
    Create {
        name: String,
        file: usize,
    },
    Remove {
        name: String,
    },
    SyncDir,
    Write {
        file: usize,
        offset: u64,
        data: Vec<u8>,
    },
    SetLen {
        file: usize,
        len: u64,
    },
    Allocate {
        file: usize,
        end: u64,
    },
    Datasync {
        file: usize,
    },
    /// The device failed a sync: what was written before it may be lost, whatever later syncs say.
    SyncFailed {
        file: usize,
    },
}

/// The bytes of a file; beyond `data` and below `len` they are zero.
#[derive(Clone, Default, Debug, PartialEq, Eq)]
pub struct Content {
    data: Vec<u8>,
    len: u64,
}

impl Content {
    /// Does what the operation says to this file.
    pub(crate) fn apply(&mut self, op: &Op) {
        match op {
            Op::Write { offset, data, .. } => self.write(*offset, data),
            Op::SetLen { len, .. } => {
                self.data.truncate(*len as usize);
                self.len = *len;
            }
            Op::Allocate { end, .. } => self.len = self.len.max(*end),
            _ => {}
        }
    }

    fn write(&mut self, offset: u64, data: &[u8]) {
        let (from, to) = (offset as usize, offset as usize + data.len());
        if self.data.len() < to {
            self.data.resize(to, 0);
        }
        self.data[from..to].copy_from_slice(data);
        self.len = self.len.max(to as u64);
    }

    fn read(&self, offset: u64, len: usize) -> Vec<u8> {
        let end = (offset + len as u64).min(self.len);
        let mut out = vec![0; end.saturating_sub(offset) as usize];
        let from = (offset as usize).min(self.data.len());
        let have = &self.data[from..self.data.len().min(from + out.len())];
        out[..have.len()].copy_from_slice(have);
        out
    }

    /// The bytes that are not behind the last one written.
    pub fn written(&self) -> &[u8] {
        &self.data
    }
}

#[derive(Default)]
pub(crate) struct State {
    pub(crate) names: BTreeMap<String, usize>,
    pub(crate) files: Vec<Content>,
    /// What was there before the first operation: durable.
    pub(crate) base: (BTreeMap<String, usize>, Vec<Content>),
    pub(crate) ops: Vec<Op>,
    capacity: Option<u64>,
    nonces: u64,
}

impl State {
    fn run(&mut self, op: Op) {
        match &op {
            Op::Create { name, file } => {
                self.names.insert(name.clone(), *file);
                self.files.push(Content::default());
            }
            Op::Remove { name } => {
                self.names.remove(name);
            }
            Op::Write { file, .. } | Op::SetLen { file, .. } | Op::Allocate { file, .. } => {
                self.files[*file].apply(&op);
            }
            Op::SyncDir | Op::Datasync { .. } | Op::SyncFailed { .. } => {}
        }
        self.ops.push(op);
    }

    fn free(&self) -> u64 {
        match self.capacity {
            None => PLENTY_BYTES,
            Some(all) => all.saturating_sub(self.names.values().map(|file| self.files[*file].len).sum()),
        }
    }

    fn need(&self, file: usize, end: u64) -> io::Result<()> {
        let more = end.saturating_sub(self.files[file].len);
        if more > self.free() { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }
}

/// A disk in memory. Clones are the same disk.
#[derive(Clone, Default)]
pub struct MemDisk(pub(crate) Arc<Mutex<State>>);

impl MemDisk {
    /// An empty disk without limit.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets how many bytes the files may have together.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.0.lock().capacity = bytes;
    }

    /// A disk on which these files have always been.
    pub fn with_files(files: impl IntoIterator<Item = (String, Content)>, nonces: u64) -> Self {
        let disk = Self::default();
        let mut state = disk.0.lock();
        for (name, content) in files {
            let file = state.files.len();
            state.names.insert(name, file);
            state.files.push(content);
        }
        state.base = (state.names.clone(), state.files.clone());
        state.nonces = nonces;
        drop(state);
        disk
    }

    /// How many operations have changed the disk: a moment a crash can be set to.
    pub fn now(&self) -> usize {
        self.0.lock().ops.len()
    }

    /// The moments at which something was made durable, and the present one.
    pub fn barriers(&self) -> Vec<usize> {
        let state = self.0.lock();
        let is_sync = |op: &Op| matches!(op, Op::SyncDir | Op::Datasync { .. } | Op::SyncFailed { .. });
        let mut all: Vec<usize> = (0..state.ops.len()).filter(|at| is_sync(&state.ops[*at])).collect();
        all.push(state.ops.len());
        all
    }

    /// The files, with their bytes.
    pub fn files(&self) -> BTreeMap<String, Vec<u8>> {
        let state = self.0.lock();
        state.names.iter().map(|(name, file)| (name.clone(), state.files[*file].written().to_vec())).collect()
    }

    /// A copy that shares nothing: all of it durable.
    pub fn copy(&self) -> Self {
        let state = self.0.lock();
        let files = state.names.iter().map(|(name, file)| (name.clone(), state.files[*file].clone()));
        Self::with_files(files.collect::<Vec<_>>(), state.nonces)
    }

    /// Turns bits over, behind everybody's back.
    pub fn flip(&self, name: &str, offset: u64, mask: u8) {
        let mut state = self.0.lock();
        let Some(file) = state.names.get(name).copied() else { return };
        if let Some(byte) = state.files[file].data.get_mut(offset as usize) {
            *byte ^= mask;
        }
    }

    fn file(&self, name: &str) -> io::Result<MemFile> {
        let file = self.0.lock().names.get(name).copied().ok_or(io::ErrorKind::NotFound)?;
        Ok(MemFile { disk: self.clone(), file })
    }

    pub(crate) fn make(&self, name: &str) -> io::Result<MemFile> {
        let mut state = self.0.lock();
        if state.names.contains_key(name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let file = state.files.len();
        state.run(Op::Create { name: name.to_owned(), file });
        Ok(MemFile { disk: self.clone(), file })
    }

    pub(crate) fn open_mem(&self, name: &str) -> io::Result<MemFile> {
        self.file(name)
    }
}

impl Disk for MemDisk {
    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        Ok(Arc::new(self.make(name)?))
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        Ok(Arc::new(self.file(name)?))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.file(name)?;
        self.0.lock().run(Op::Remove { name: name.to_owned() });
        Ok(())
    }

    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.0.lock().names.keys().cloned().collect())
    }

    fn sync_dir(&self) -> io::Result<()> {
        self.0.lock().run(Op::SyncDir);
        Ok(())
    }

    fn free_bytes(&self) -> io::Result<u64> {
        Ok(self.0.lock().free())
    }

    fn nonce(&self) -> io::Result<u64> {
        let mut state = self.0.lock();
        state.nonces += 1;
        // Spread over all 64 bits, as real generations are.
        Ok(state.nonces.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }
}

/// A file of a memory disk.
pub struct MemFile {
    disk: MemDisk,
    file: usize,
}

impl MemFile {
    /// The device fails a sync: see [`Op::SyncFailed`].
    pub(crate) fn fail_sync(&self) {
        self.disk.0.lock().run(Op::SyncFailed { file: self.file });
    }
}

impl DiskFile for MemFile {
    fn read_at(&self, offset: u64, len: usize) -> io::Result<Vec<u8>> {
        Ok(self.disk.0.lock().files[self.file].read(offset, len))
    }

    fn read_at_cached(&self, offset: u64, len: usize) -> io::Result<Vec<u8>> {
        self.read_at(offset, len)
    }

    fn write_vectored_at(&self, offset: u64, parts: &[IoSlice<'_>]) -> io::Result<()> {
        let data: Vec<u8> = parts.iter().flat_map(|part| part.iter().copied()).collect();
        let mut state = self.disk.0.lock();
        state.need(self.file, offset + data.len() as u64)?;
        state.run(Op::Write { file: self.file, offset, data });
        Ok(())
    }

    fn fallocate(&self, offset: u64, len: u64) -> io::Result<()> {
        let mut state = self.disk.0.lock();
        state.need(self.file, offset + len)?;
        state.run(Op::Allocate { file: self.file, end: offset + len });
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.disk.0.lock().run(Op::SetLen { file: self.file, len });
        Ok(())
    }

    fn datasync(&self) -> io::Result<()> {
        self.disk.0.lock().run(Op::Datasync { file: self.file });
        Ok(())
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.disk.0.lock().files[self.file].len)
    }
}
