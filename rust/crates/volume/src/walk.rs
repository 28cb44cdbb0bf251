//! Reading a volume without its index log: batch header by batch header, needle header by needle header.
//!
//! The rule that tells a torn tail from corruption: batch N+1 was written only after batch N was durable. So a valid
//! later header proves all before it, and damage there is reported and kept; only the very last batch may be torn.

use std::io;

use crate::api::Damage;
use crate::disk::DiskFile;
use crate::format::{
    BATCH_ALIGN, BATCH_HEADER_BYTES, BatchHeader, FIRST_BATCH, NEEDLE_HEADER_BYTES, NeedleHeader, VolumeKey,
    record_bytes,
};
use crate::read::record_is_intact;

/// Read at once while walking: headers of small needles stand close together.
const WINDOW_BYTES: u64 = 128 << 10;
/// What a device refuses is asked for in such pieces, and skipped.
const PIECE_BYTES: u64 = BATCH_ALIGN;

/// What a walk tells, in the order of the file.
pub(crate) enum Step<'a> {
    /// A needle of a durable batch.
    Needle(&'a NeedleHeader),
    /// The batch that held the needles before this: where the next starts, and its number.
    Batch { end: u64, lsn: u64 },
}

/// How a walk ended.
#[derive(Default)]
pub(crate) struct Walked {
    /// Behind the last good batch.
    pub(crate) end: u64,
    /// Of the last good batch.
    pub(crate) lsn: u64,
    /// The last good batch, when the walk saw one: nothing later proves that it ever was synced.
    pub(crate) last: Option<BatchHeader>,
    /// Bytes behind `end` that are not zero: a torn batch, to be cut.
    pub(crate) torn: bool,
    /// What could not be read as what it was.
    pub(crate) damage: Vec<Damage>,
}

/// Reads through a window, and goes on behind what the device refuses.
pub(crate) struct Window<'a> {
    file: &'a dyn DiskFile,
    volume: u32,
    start: u64,
    bytes: Vec<u8>,
    refused: Vec<Damage>,
}

impl<'a> Window<'a> {
    pub(crate) fn new(file: &'a dyn DiskFile, volume: u32) -> Self {
        Self { file, volume, start: 0, bytes: Vec::new(), refused: Vec::new() }
    }

    /// `len` bytes at `offset`, fewer at the end of the file.
    pub(crate) fn get(&mut self, offset: u64, len: usize) -> &[u8] {
        let inside = offset >= self.start && offset + len as u64 <= self.start + self.bytes.len() as u64;
        if !inside {
            let wanted = (len as u64).max(WINDOW_BYTES);
            self.start = offset;
            self.bytes = match self.file.read_at(offset, wanted as usize) {
                Ok(bytes) => bytes,
                Err(_) => self.piecewise(offset, offset + wanted),
            };
        }
        let from = ((offset - self.start) as usize).min(self.bytes.len());
        &self.bytes[from..self.bytes.len().min(from + len)]
    }

    fn piecewise(&mut self, from: u64, to: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut at = from;
        while at < to {
            let len = (PIECE_BYTES - at % PIECE_BYTES).min(to - at);
            match self.file.read_at(at, len as usize) {
                Ok(piece) if piece.is_empty() => break,
                Ok(piece) => bytes.extend_from_slice(&piece),
                Err(error) => {
                    self.refuse(at, len, &error);
                    bytes.resize(bytes.len() + len as usize, 0);
                }
            }
            at = from + bytes.len() as u64;
        }
        bytes
    }

    fn refuse(&mut self, offset: u64, bytes: u64, error: &io::Error) {
        if self.refused.iter().all(|seen| seen.offset != offset) {
            self.refused.push(Damage { volume: self.volume, offset, bytes, what: format!("not readable: {error}") });
        }
    }
}

/// A batch whose durability is not proven yet.
struct Pending {
    header: BatchHeader,
    needles: Vec<NeedleHeader>,
    damage: Vec<Damage>,
}

struct Walker<'a, 'b> {
    window: Window<'a>,
    key: VolumeKey,
    len: u64,
    out: Walked,
    tell: &'b mut dyn FnMut(Step<'_>),
}

/// Walks from `from`, where a batch with a number above `lsn` may start, to the end of the file.
pub(crate) fn walk(
    file: &dyn DiskFile,
    key: VolumeKey,
    (from, lsn, len): (u64, u64, u64),
    tell: &mut dyn FnMut(Step<'_>),
) -> Walked {
    let out = Walked { end: from, lsn, ..Walked::default() };
    let mut walker = Walker { window: Window::new(file, key.id), key, len, out, tell };
    walker.run();
    let mut out = walker.out;
    out.damage.append(&mut walker.window.refused);
    out
}

impl Walker<'_, '_> {
    fn run(&mut self) {
        let mut at = self.out.end;
        let mut pending: Option<Pending> = None;
        loop {
            let lsn = pending.as_ref().map_or(self.out.lsn, |batch| batch.header.lsn);
            match self.header(at, lsn) {
                Some(header) => {
                    if let Some(batch) = pending.take() {
                        self.accept(batch);
                    }
                    at = header.end();
                    pending = Some(self.parse(header));
                }
                None => {
                    let Some(next) = self.probe(at, lsn) else { break };
                    if let Some(batch) = pending.take() {
                        self.accept(batch);
                    }
                    self.lost(at, next);
                    at = next;
                }
            }
        }
        if let Some(batch) = pending {
            self.last(batch);
        }
        if !self.out.torn {
            self.out.torn = self.is_written(self.out.end);
        }
    }

    fn header(&mut self, at: u64, lsn: u64) -> Option<BatchHeader> {
        let bytes = self.window.get(at, BATCH_HEADER_BYTES);
        BatchHeader::decode(bytes, self.key, at).filter(|header| header.lsn > lsn)
    }

    /// The next boundary with a batch header.
    fn probe(&mut self, at: u64, lsn: u64) -> Option<u64> {
        let mut next = at + BATCH_ALIGN;
        while next < self.len {
            if self.header(next, lsn).is_some() {
                return Some(next);
            }
            next += BATCH_ALIGN;
        }
        None
    }

    /// Whether any byte from `at` on is not zero.
    fn is_written(&mut self, mut at: u64) -> bool {
        while at < self.len {
            let bytes = self.window.get(at, WINDOW_BYTES as usize);
            if bytes.is_empty() {
                break;
            }
            if bytes.iter().any(|byte| *byte != 0) {
                return true;
            }
            at += bytes.len() as u64;
        }
        false
    }

    /// The needles between two places; a stretch without a header is damage, searched in steps of 8.
    fn needles(&mut self, mut at: u64, end: u64, needles: &mut Vec<NeedleHeader>, damage: &mut Vec<Damage>) {
        let mut bad_from = None;
        while at + NEEDLE_HEADER_BYTES as u64 <= end {
            let bytes = self.window.get(at, NEEDLE_HEADER_BYTES);
            let header = NeedleHeader::decode(bytes, self.key, at).filter(|needle| at + needle.record_bytes() <= end);
            match header {
                Some(needle) => {
                    self.report(bad_from.take(), at, damage);
                    at += needle.record_bytes();
                    needles.push(needle);
                }
                None => {
                    bad_from.get_or_insert(at);
                    at += 8;
                }
            }
        }
        if at < end {
            bad_from.get_or_insert(at);
        }
        self.report(bad_from, end, damage);
    }

    fn report(&self, from: Option<u64>, to: u64, damage: &mut Vec<Damage>) {
        if let Some(offset) = from {
            let what = "no needle header where one must be".to_owned();
            damage.push(Damage { volume: self.key.id, offset, bytes: to - offset, what });
        }
    }

    fn parse(&mut self, header: BatchHeader) -> Pending {
        let start = header.offset + BATCH_HEADER_BYTES as u64;
        let mut batch = Pending { header, needles: Vec::new(), damage: Vec::new() };
        let end = (start + u64::from(header.body)).min(self.len);
        self.needles(start, end, &mut batch.needles, &mut batch.damage);
        if batch.damage.is_empty() && batch.needles.len() != header.count as usize {
            let what = format!("{} needles where the batch says {}", batch.needles.len(), header.count);
            batch.damage.push(Damage { volume: self.key.id, offset: header.offset, bytes: 0, what });
        }
        batch
    }

    /// A durable batch: all of it is told, its damage too.
    fn accept(&mut self, batch: Pending) {
        for needle in &batch.needles {
            (self.tell)(Step::Needle(needle));
        }
        (self.out.end, self.out.lsn) = (batch.header.end(), batch.header.lsn);
        (self.tell)(Step::Batch { end: self.out.end, lsn: self.out.lsn });
        self.out.damage.extend(batch.damage);
        self.out.last = Some(batch.header);
    }

    /// A stretch before a valid batch header that is no batch: its header is gone, its needles may be there.
    fn lost(&mut self, from: u64, to: u64) {
        let what = "batch header is not readable".to_owned();
        self.out.damage.push(Damage { volume: self.key.id, offset: from, bytes: to - from, what });
        let mut needles = Vec::new();
        self.needles(from, to, &mut needles, &mut Vec::new());
        for needle in &needles {
            (self.tell)(Step::Needle(needle));
        }
        self.out.end = to;
    }

    /// The last batch: believed only when every byte of it verifies.
    fn last(&mut self, batch: Pending) {
        if batch.damage.is_empty() && batch.needles.iter().all(|needle| self.is_intact(needle)) {
            self.accept(batch);
        } else {
            self.out.torn = true;
        }
    }

    fn is_intact(&mut self, needle: &NeedleHeader) -> bool {
        let bytes = self.window.get(needle.offset, record_bytes(needle.stored));
        record_is_intact(self.key, needle, bytes)
    }
}

/// What any batch header of the file says about a volume whose own header is lost. `None`: the file has no batch.
pub(crate) fn find_generation(file: &dyn DiskFile, id: u32, len: u64) -> (Option<u64>, bool) {
    let mut window = Window::new(file, id);
    let mut at = FIRST_BATCH;
    while at < len {
        let head = window.get(at, BATCH_HEADER_BYTES);
        if let Some((_, generation)) = BatchHeader::decode_any_generation(head, id, at) {
            return (Some(generation), false);
        }
        at += BATCH_ALIGN;
    }
    // Without a batch: is there anything at all?
    let mut at = 0;
    while at < len {
        let bytes = window.get(at, WINDOW_BYTES as usize);
        if bytes.iter().any(|byte| *byte != 0) {
            return (None, true);
        }
        at += WINDOW_BYTES;
    }
    (None, !window.refused.is_empty())
}
