//! The border to the device: what the engine asks of a disk, and the real disk.
//!
//! Faults, crashes and memory disks are other implementations of the same traits (crate sim). Nothing here knows what
//! the bytes mean.

use std::fs::File;
use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::FallocateFlags;

/// Most slices Linux takes in one vectored call (UIO_MAXIOV).
const SLICES_PER_CALL: usize = 1024;

/// One directory of files.
pub trait Disk: Send + Sync {
    /// Makes a new, empty file for reading and writing; `AlreadyExists` when there is one. Durable after `sync_dir`.
    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>>;
    /// Opens an existing file for reading and writing.
    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>>;
    /// Unlinks a file. Open handles stay readable.
    fn remove(&self, name: &str) -> io::Result<()>;
    /// The names of all files, in any order.
    fn list(&self) -> io::Result<Vec<String>>;
    /// Makes creations and removals durable.
    fn sync_dir(&self) -> io::Result<()>;
    /// Bytes an unprivileged writer may still allocate.
    fn free_bytes(&self) -> io::Result<u64>;
    /// A number nobody can guess: the generation of a new volume.
    fn nonce(&self) -> io::Result<u64>;
}

/// One open file.
pub trait DiskFile: Send + Sync {
    /// Up to `len` bytes from `offset`; fewer only at the end of the file.
    fn read_at(&self, offset: u64, len: usize) -> io::Result<Vec<u8>>;
    /// As `read_at`, but only from memory: `WouldBlock` when the device would have to be asked.
    fn read_at_cached(&self, offset: u64, len: usize) -> io::Result<Vec<u8>>;
    /// Writes all parts one after the other, or fails having written any prefix.
    fn write_vectored_at(&self, offset: u64, parts: &[IoSlice<'_>]) -> io::Result<()>;
    /// Reserves space; the file is at least `offset + len` long afterwards and new bytes read as zero.
    fn fallocate(&self, offset: u64, len: u64) -> io::Result<()>;
    /// Cuts or extends (with zeros) the file.
    fn set_len(&self, len: u64) -> io::Result<()>;
    /// fdatasync. A failure means that nothing written since the last success may be believed.
    fn datasync(&self) -> io::Result<()>;
    /// Length in bytes.
    fn len(&self) -> io::Result<u64>;
    /// Whether the file has no bytes.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }
}

/// A directory of the operating system.
pub struct RealDisk {
    dir: PathBuf,
    handle: File,
}

impl RealDisk {
    /// Opens the directory, creating it when missing.
    pub fn open(dir: impl Into<PathBuf>) -> io::Result<Self> {
        let dir = dir.into();
        if !dir.is_dir() {
            std::fs::create_dir_all(&dir)?;
            if let Some(parent) = dir.parent().filter(|p| !p.as_os_str().is_empty()) {
                File::open(parent)?.sync_all()?;
            }
        }
        let handle = File::open(&dir)?;
        Ok(Self { dir, handle })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.dir
    }
}

impl Disk for RealDisk {
    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let file = File::options().read(true).write(true).create_new(true).open(self.dir.join(name))?;
        Ok(Arc::new(RealFile::new(file)))
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let file = File::options().read(true).write(true).open(self.dir.join(name))?;
        Ok(Arc::new(RealFile::new(file)))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        std::fs::remove_file(self.dir.join(name))
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&self.dir)? {
            // A name that is not UTF-8 is not one of ours.
            if let Ok(name) = entry?.file_name().into_string() {
                names.push(name);
            }
        }
        Ok(names)
    }

    fn sync_dir(&self) -> io::Result<()> {
        self.handle.sync_all()
    }

    fn free_bytes(&self) -> io::Result<u64> {
        let stat = rustix::fs::fstatvfs(&self.handle)?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }

    fn nonce(&self) -> io::Result<u64> {
        getrandom::u64().map_err(|error| io::Error::other(error.to_string()))
    }
}

struct RealFile {
    file: File,
    /// Some file systems have no fallocate: asked once, then never again.
    no_fallocate: AtomicBool,
    /// Some file systems have no RWF_NOWAIT: then every cached read would block.
    no_cached_read: AtomicBool,
}

impl RealFile {
    fn new(file: File) -> Self {
        Self { file, no_fallocate: AtomicBool::new(false), no_cached_read: AtomicBool::new(false) }
    }
}

impl DiskFile for RealFile {
    fn read_at(&self, offset: u64, len: usize) -> io::Result<Vec<u8>> {
        if len == 0 {
            return Ok(Vec::new());
        }
        // The kernel writes into the spare capacity: no byte is zeroed first.
        let mut buffer = Vec::with_capacity(len);
        while buffer.len() < len {
            let at = offset + buffer.len() as u64;
            match rustix::io::pread(&self.file, rustix::buffer::spare_capacity(&mut buffer), at) {
                Ok(0) => break,
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        buffer.truncate(len);
        Ok(buffer)
    }

    #[cfg(target_os = "linux")]
    fn read_at_cached(&self, offset: u64, len: usize) -> io::Result<Vec<u8>> {
        use rustix::io::{Errno, ReadWriteFlags, preadv2};
        if self.no_cached_read.load(Ordering::Relaxed) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let mut buffer = vec![0; len];
        match preadv2(&self.file, &mut [io::IoSliceMut::new(&mut buffer)], offset, ReadWriteFlags::NOWAIT) {
            Ok(n) if n == len => Ok(buffer),
            // Part of it is not in memory (or the file ends): the blocking path decides.
            Ok(_) => Err(io::ErrorKind::WouldBlock.into()),
            Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => {
                self.no_cached_read.store(true, Ordering::Relaxed);
                Err(io::ErrorKind::WouldBlock.into())
            }
            Err(error) => Err(error.into()),
        }
    }

    #[cfg(not(target_os = "linux"))]
    fn read_at_cached(&self, _offset: u64, _len: usize) -> io::Result<Vec<u8>> {
        Err(io::ErrorKind::WouldBlock.into())
    }

    fn write_vectored_at(&self, mut offset: u64, parts: &[IoSlice<'_>]) -> io::Result<()> {
        for group in parts.chunks(SLICES_PER_CALL) {
            let mut rest = group;
            // Bytes of the first slice of `rest` that are already written.
            let mut skip = 0;
            while !rest.is_empty() {
                let written = match skip {
                    0 => rustix::io::pwritev(&self.file, rest, offset),
                    _ => rustix::io::pwrite(&self.file, &rest[0][skip..], offset),
                };
                let mut n = match written {
                    Ok(0) if rest.iter().any(|part| !part.is_empty()) => return Err(io::ErrorKind::WriteZero.into()),
                    Ok(n) => n,
                    Err(rustix::io::Errno::INTR) => continue,
                    Err(error) => return Err(error.into()),
                };
                offset += n as u64;
                while let Some(first) = rest.first() {
                    let left = first.len() - skip;
                    if n < left {
                        break;
                    }
                    n -= left;
                    skip = 0;
                    rest = &rest[1..];
                }
                skip += n;
            }
        }
        Ok(())
    }

    fn fallocate(&self, offset: u64, len: u64) -> io::Result<()> {
        if !self.no_fallocate.load(Ordering::Relaxed) {
            match rustix::fs::fallocate(&self.file, FallocateFlags::empty(), offset, len) {
                Ok(()) => return Ok(()),
                Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => {
                    self.no_fallocate.store(true, Ordering::Relaxed);
                }
                Err(error) => return Err(error.into()),
            }
        }
        let end = offset + len;
        if self.file.metadata()?.len() < end { self.file.set_len(end) } else { Ok(()) }
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn datasync(&self) -> io::Result<()> {
        Ok(rustix::fs::fdatasync(&self.file)?)
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_real_file_reads_what_was_written_in_many_slices() {
        let dir = tempfile::tempdir().unwrap();
        let disk = RealDisk::open(dir.path().join("new")).unwrap();
        let file = disk.create("f").unwrap();
        assert_eq!(disk.create("f").err().unwrap().kind(), io::ErrorKind::AlreadyExists);
        let bytes: Vec<u8> = (0..5000u32).map(|i| i as u8).collect();
        // 5000 one-byte slices and some empty ones: more than one call takes.
        let mut slices: Vec<IoSlice> = bytes.chunks(1).map(IoSlice::new).collect();
        slices.insert(0, IoSlice::new(&[]));
        slices.push(IoSlice::new(&[]));
        file.write_vectored_at(7, &slices).unwrap();
        assert_eq!(file.read_at(7, 5000).unwrap(), bytes);
        assert_eq!(file.read_at(4007, 9000).unwrap(), bytes[4000..]);
        match file.read_at_cached(7, 5000) {
            Ok(read) => assert_eq!(read, bytes),
            Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
        }
        file.fallocate(0, 1 << 20).unwrap();
        assert_eq!(file.len().unwrap(), 1 << 20);
        file.datasync().unwrap();
        disk.sync_dir().unwrap();
        assert_eq!(disk.list().unwrap(), ["f"]);
        assert!(disk.free_bytes().unwrap() > 0);
        assert_ne!(disk.nonce().unwrap(), disk.nonce().unwrap());
        disk.remove("f").unwrap();
        assert_eq!(file.read_at(7, 10).unwrap(), bytes[..10]);
    }
}
