//! Ownership of a data directory: one process at a time, and the others are told which one.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The lock file's name inside the data directory.
const LOCK_FILE: &str = "LOCK";

/// A data directory that this process owns until it drops the value (or dies: the kernel releases the lock).
pub struct DataDir {
    path: PathBuf,
    _lock: File,
}

impl DataDir {
    /// Creates the directory when it is missing (mode 0700: it holds secrets) and takes the exclusive lock.
    ///
    /// The error names the directory, and the owner's pid when somebody else owns it.
    pub fn own(path: &Path) -> Result<Self, String> {
        let shown = path.display();
        let mut builder = std::fs::DirBuilder::new();
        builder.recursive(true).mode(0o700);
        builder.create(path).map_err(|e| format!("cannot create the data directory {shown}: {e}"))?;
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let mut file =
            options.open(path.join(LOCK_FILE)).map_err(|e| format!("cannot open {shown}/{LOCK_FILE}: {e}"))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut owner = String::new();
                file.read_to_string(&mut owner).map_err(|e| format!("cannot read {shown}/{LOCK_FILE}: {e}"))?;
                return Err(format!("the data directory {shown} is in use by {}", owner.trim()));
            }
            Err(TryLockError::Error(e)) => return Err(format!("cannot lock {shown}/{LOCK_FILE}: {e}")),
        }
        let written = file.set_len(0).and_then(|()| file.seek(SeekFrom::Start(0)));
        written
            .and_then(|_| writeln!(file, "pid {}", std::process::id()))
            .map_err(|e| format!("cannot write {shown}/{LOCK_FILE}: {e}"))?;
        Ok(Self { path: path.to_owned(), _lock: file })
    }

    /// A path inside the directory.
    pub fn join(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }
}
