//! Writing a volume's index log. It only makes opening fast: every failure here is answered by walking the volume.

use std::io::IoSlice;
use std::sync::Arc;

use crate::api::Lane;
use crate::disk::{Disk, DiskFile};
use crate::format::{LOG_ROW_BYTES, LogRow, VolumeKey, log_name};

/// Rows are written when so many bytes wait: what a crash leaves to be walked is at most as many needles.
const FLUSH_BYTES: usize = 16 << 10;

/// The log of a volume that is being appended to.
pub(crate) struct LogWriter {
    /// `None` after a failure: the log ends there.
    file: Option<Arc<dyn DiskFile>>,
    key: VolumeKey,
    /// Number of the next row.
    next: u32,
    waiting: Vec<u8>,
}

impl LogWriter {
    /// A new log; a file that cannot be made is a log that stays empty.
    pub(crate) fn create(disk: &dyn Disk, key: VolumeKey, lane: Lane) -> Self {
        let mut log = Self { file: disk.create(&log_name(key.id)).ok(), key, next: 0, waiting: Vec::new() };
        log.push(LogRow::Start(lane));
        log
    }

    /// Goes on after the first `rows` rows of an existing log; what follows them is cut.
    pub(crate) fn resume(file: Arc<dyn DiskFile>, key: VolumeKey, lane: Lane, rows: u32) -> Self {
        let cut = file.set_len(u64::from(rows) * LOG_ROW_BYTES as u64);
        let mut log = Self { file: cut.is_ok().then_some(file), key, next: rows, waiting: Vec::new() };
        if rows == 0 {
            log.push(LogRow::Start(lane));
        }
        log
    }

    pub(crate) fn push(&mut self, row: LogRow) {
        if self.file.is_none() || self.next == u32::MAX {
            return;
        }
        self.waiting.extend_from_slice(&row.encode(self.key, self.next));
        self.next += 1;
        if self.waiting.len() >= FLUSH_BYTES {
            self.flush();
        }
    }

    /// Hands what waits to the file system.
    pub(crate) fn flush(&mut self) {
        if self.waiting.is_empty() {
            return;
        }
        let at = u64::from(self.next) * LOG_ROW_BYTES as u64 - self.waiting.len() as u64;
        if let Some(file) = &self.file
            && file.write_vectored_at(at, &[IoSlice::new(&self.waiting)]).is_err()
        {
            self.file = None;
        }
        self.waiting.clear();
    }

    /// Writes a last row and makes the log durable.
    pub(crate) fn finish(mut self, row: Option<LogRow>, sync: bool) {
        if let Some(row) = row {
            self.push(row);
        }
        self.flush();
        if sync && let Some(file) = &self.file {
            // A log that could not be synced may be lost: then the volume is walked.
            let _ = file.datasync();
        }
    }

    /// Empties the log, so that the next opening sees the volume itself again.
    pub(crate) fn abandon(self) {
        if let Some(file) = &self.file {
            let _ = file.set_len(0);
        }
    }
}
