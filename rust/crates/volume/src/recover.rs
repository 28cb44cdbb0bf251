//! Opening a directory of volumes: logs first, then the tails behind them, then what the lanes may append to.
//!
//! Never needs an operator: whatever is found, the store opens, says what it found, and takes writes. Nothing that
//! may once have been acknowledged is cut; what cannot be read is kept, reported, and makes a miss uncertain.

use std::collections::BTreeMap;
use std::io::{self, IoSlice};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;

use crate::api::{ChunkId, Damage, Lane, RecoveryReport, VolumeError, VolumeState};
use crate::disk::DiskFile;
use crate::engine::{Engine, Written};
use crate::format::{
    BATCH_ALIGN, BatchHeader, FIRST_BATCH, LOG_ROW_BYTES, LogRow, VolumeHeader, VolumeKey, log_name, parse_name,
    record_bytes, volume_name,
};
use crate::index::Place;
use crate::log::LogWriter;
use crate::read::{From, read_header, read_range};
use crate::volume::Volume;
use crate::walk::{Step, Walked, find_generation, walk};
use crate::writer::Active;

/// Rows of the log read at once.
const LOG_READ_ROWS: usize = 16 << 10;
/// Most threads that read volumes at the same time: beyond that the device is the limit.
const THREADS: usize = 8;

/// What one volume gave.
#[derive(Default)]
struct Opened {
    volume: Option<Arc<Volume>>,
    active: Option<Active>,
    report: RecoveryReport,
    /// Needles whose fingerprint was already known: same chunk or collision.
    doubles: Vec<(ChunkId, Place)>,
}

/// Reads everything into the engine; answers what was found and the volume each lane goes on with.
pub(crate) fn recover(engine: &Engine) -> Result<(RecoveryReport, [Option<Active>; 2]), VolumeError> {
    let names = engine.disk.list().map_err(|error| VolumeError::disk("listing the volumes", &error))?;
    let mut ids: Vec<u32> = names.iter().filter_map(|name| parse_name(name, "vol")).collect();
    ids.sort_unstable();
    // A volume and a log number both count: an id is never used twice.
    for id in names.iter().filter_map(|name| parse_name(name, "vol").or_else(|| parse_name(name, "log"))) {
        engine.ids_start_after(id);
    }
    if ids.len() > usize::from(u16::MAX) {
        return Err(VolumeError::Full(format!("{} volumes", ids.len())));
    }
    let mut opened = open_all(engine, &ids);
    let mut report = RecoveryReport::default();
    let mut doubles = Vec::new();
    for one in &mut opened {
        report.volumes += usize::from(one.volume.is_some());
        report.from_logs += one.report.from_logs;
        report.walked += one.report.walked;
        report.cut_bytes += one.report.cut_bytes;
        report.removed.append(&mut one.report.removed);
        report.damage.append(&mut one.report.damage);
        doubles.append(&mut one.doubles);
    }
    engine.set_volumes(opened.iter().map(|one| one.volume.clone()).collect());
    for (id, place) in doubles {
        report.duplicates += u64::from(settle(engine, &id, place));
    }
    report.needles = engine.index.needles();
    if let Some(first) = report.damage.first() {
        let (count, Damage { volume, offset, what, .. }) = (report.damage.len(), first);
        engine.set_uncertain(format!("{count} damaged regions, the first in volume {volume:08x} at {offset}: {what}"));
    }
    Ok((report, choose(engine, opened)))
}

fn open_all(engine: &Engine, ids: &[u32]) -> Vec<Opened> {
    let next = AtomicUsize::new(0);
    let done = Mutex::new(BTreeMap::new());
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(THREADS).min(ids.len());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let slot = next.fetch_add(1, Ordering::Relaxed)
                    && let Some(id) = ids.get(slot)
                {
                    let opened = Opening::new(engine, *id, slot as u16).open();
                    done.lock().insert(slot, opened);
                }
            });
        }
    });
    done.into_inner().into_values().collect()
}

/// The newest volume of each lane that may be appended to goes on; all others are sealed.
fn choose(engine: &Engine, opened: Vec<Opened>) -> [Option<Active>; 2] {
    let mut chosen = [None, None];
    for active in opened.into_iter().rev().filter_map(|one| one.active) {
        let place = &mut chosen[active.volume.lane as usize];
        match place {
            None => *place = Some(active),
            Some(_) => active.seal(engine.options.sync),
        }
    }
    chosen
}

/// Two needles with one fingerprint: the newer one that is good stays when they are the same chunk, else both do.
/// Answers whether they were the same.
fn settle(engine: &Engine, id: &ChunkId, place: Place) -> bool {
    let fingerprint = id.fingerprint();
    let whole = |place: Place| {
        let volume = engine.volume_at(place.volume_slot())?;
        let header = read_header(&volume, place.offset(), From::Device).ok()?;
        (header.id == *id).then_some(())?;
        let bytes = read_range(&volume, place.offset(), id, header.logical, 0..header.logical, From::Device);
        Some((bytes.is_ok(), volume.key.id, place.offset()))
    };
    for old in engine.index.candidates(fingerprint).iter() {
        if let Some(before) = whole(old) {
            // (good, volume, offset): good before new before old.
            if whole(place).is_some_and(|after| after > before) {
                engine.index.replace(fingerprint, old, place);
            }
            return true;
        }
    }
    engine.index.insert(fingerprint, place);
    false
}

/// What a log says.
#[derive(Default)]
struct Logged {
    file: Option<Arc<dyn DiskFile>>,
    /// Rows that are believed: up to the last batch they cover.
    rows: u32,
    end: u64,
    lsn: u64,
    sealed: bool,
    poisoned: bool,
}

/// Where a volume can be appended to.
struct Tail {
    log: LogWriter,
    end: u64,
    lsn: u64,
    allocated: u64,
}

impl Tail {
    fn activate(self, volume: Arc<Volume>) -> Active {
        Active { volume, log: self.log, end: self.end, lsn: self.lsn, allocated: self.allocated }
    }
}

/// One volume being opened.
struct Opening<'a> {
    engine: &'a Engine,
    id: u32,
    slot: u16,
    out: Opened,
    needles: u64,
    bytes: u64,
}

impl<'a> Opening<'a> {
    fn new(engine: &'a Engine, id: u32, slot: u16) -> Self {
        Self { engine, id, slot, out: Opened::default(), needles: 0, bytes: 0 }
    }

    fn damage(&mut self, offset: u64, bytes: u64, what: impl Into<String>) {
        self.out.report.damage.push(Damage { volume: self.id, offset, bytes, what: what.into() });
    }

    fn open(mut self) -> Opened {
        if let Err(error) = self.try_open() {
            // Unknown is not absent: the volume may be whole, only not now.
            self.damage(0, 0, format!("cannot be opened: {error}"));
        }
        self.out
    }

    fn try_open(&mut self) -> io::Result<()> {
        let file = self.engine.disk.open(&volume_name(self.id))?;
        let len = file.len()?;
        let Some((header, known)) = self.header(&*file, len)? else { return Ok(()) };
        // From here on places point to this volume: no failure may lose it.
        let mut logged = self.read_log(header.key, len);
        let log_file = logged.file.take();
        let (state, active) = match logged.sealed || logged.poisoned {
            true if logged.sealed && known => (VolumeState::Sealed, None),
            true => (VolumeState::Suspect, None),
            false => self.open_tail(&file, len, (header, known), &logged, log_file),
        };
        let volume = Arc::new(Volume::new(header.key, header.lane, self.slot, file, state));
        volume.add(self.needles, self.bytes);
        self.out.active = active.map(|tail| tail.activate(volume.clone()));
        self.out.volume = Some(volume);
        Ok(())
    }

    /// Walks what the log does not cover. With the volume's state, and the tail if it can be appended to.
    fn open_tail(
        &mut self,
        file: &Arc<dyn DiskFile>,
        len: u64,
        (header, known): (VolumeHeader, bool),
        logged: &Logged,
        log_file: Option<Arc<dyn DiskFile>>,
    ) -> (VolumeState, Option<Tail>) {
        let mut log = match log_file {
            Some(file) => LogWriter::resume(file, header.key, header.lane, logged.rows),
            None => LogWriter::create(&*self.engine.disk, header.key, header.lane),
        };
        let walked = self.walk(&**file, header.key, (logged.end, logged.lsn, len), &mut log);
        self.out.report.damage.extend(walked.damage.iter().cloned());
        let clean = known && self.out.report.damage.is_empty();
        if clean && self.settle_tail(&**file, len, &walked) {
            let allocated = if walked.torn { walked.end } else { len };
            return (VolumeState::Active, Some(Tail { log, end: walked.end, lsn: walked.lsn, allocated }));
        }
        // So that the next opening walks again, sees the damage too, and knows that a miss is uncertain.
        log.abandon();
        (VolumeState::Suspect, None)
    }

    /// The volume header, and whether it could be read. `None`: nothing was ever stored here, the file is removed.
    fn header(&mut self, file: &dyn DiskFile, len: u64) -> io::Result<Option<(VolumeHeader, bool)>> {
        let block = file.read_at(0, BATCH_ALIGN as usize)?;
        if let Some(header) = VolumeHeader::decode(&block, self.id) {
            return Ok(Some((header, true)));
        }
        match find_generation(file, self.id, len) {
            (Some(generation), _) => {
                self.damage(0, BATCH_ALIGN, "volume header is not readable");
                let key = VolumeKey { id: self.id, generation };
                Ok(Some((VolumeHeader { key, lane: Lane::Small }, false)))
            }
            (None, true) => {
                self.damage(0, len, "not a volume");
                Ok(None)
            }
            (None, false) => {
                // The crash came before the header was durable, hence before the first batch.
                self.engine.disk.remove(&volume_name(self.id))?;
                let _ = self.engine.disk.remove(&log_name(self.id));
                self.out.report.removed.push(self.id);
                Ok(None)
            }
        }
    }

    fn enter(&mut self, needle: Written) {
        let place = Place::new(self.slot, needle.offset, needle.stored);
        self.needles += 1;
        self.bytes += record_bytes(needle.stored) as u64;
        if !self.engine.index.insert_if_new(needle.id.fingerprint(), place) {
            self.out.doubles.push((needle.id, place));
        }
    }

    /// Enters the needles of the log, up to the last batch it covers.
    fn read_log(&mut self, key: VolumeKey, len: u64) -> Logged {
        let mut logged = Logged { end: FIRST_BATCH, ..Logged::default() };
        let file = match self.engine.disk.open(&log_name(self.id)) {
            Ok(file) => file,
            // No log, or none that can be opened: the volume is walked.
            Err(_) => return logged,
        };
        self.engine.index.reserve(file.len().unwrap_or(0) / LOG_ROW_BYTES as u64);
        let mut number = 0;
        let mut group = Vec::new();
        'rows: loop {
            let at = u64::from(number) * LOG_ROW_BYTES as u64;
            // A log that cannot be read is a log that ends here.
            let bytes = file.read_at(at, LOG_READ_ROWS * LOG_ROW_BYTES).unwrap_or_default();
            let mut rows = bytes.chunks_exact(LOG_ROW_BYTES).peekable();
            if rows.peek().is_none() {
                break;
            }
            for row in rows {
                let Some(row) = LogRow::decode(row, key, number) else { break 'rows };
                number += 1;
                if !self.log_row(row, number, len, &mut group, &mut logged) {
                    break 'rows;
                }
            }
        }
        logged.file = Some(file);
        logged
    }

    /// Takes one row; false when the log is not to be followed further.
    fn log_row(&mut self, row: LogRow, rows: u32, len: u64, group: &mut Vec<Written>, logged: &mut Logged) -> bool {
        match row {
            LogRow::Start(_) => return rows == 1,
            LogRow::Needle { id, offset, stored } => group.push(Written { id, offset, stored }),
            LogRow::Batch { end, lsn } => {
                // A batch beyond the end of the file: what the log says is not what the file has.
                if end > len {
                    self.damage(len, end - len, "file is shorter than its log says");
                    return false;
                }
                self.out.report.from_logs += group.len() as u64;
                group.drain(..).for_each(|needle| self.enter(needle));
                (logged.end, logged.lsn, logged.rows) = (end, lsn, rows);
            }
            LogRow::Seal { .. } | LogRow::Poison { .. } => {
                logged.sealed |= matches!(row, LogRow::Seal { .. });
                logged.poisoned |= matches!(row, LogRow::Poison { .. });
                logged.rows = rows;
                return false;
            }
        }
        true
    }

    fn walk(&mut self, file: &dyn DiskFile, key: VolumeKey, from: (u64, u64, u64), log: &mut LogWriter) -> Walked {
        walk(file, key, from, &mut |step| match step {
            Step::Needle(needle) => {
                self.out.report.walked += 1;
                self.enter(Written { id: needle.id, offset: needle.offset, stored: needle.stored });
                log.push(LogRow::Needle { id: needle.id, offset: needle.offset, stored: needle.stored });
            }
            Step::Batch { end, lsn } => log.push(LogRow::Batch { end, lsn }),
        })
    }

    /// Cuts a torn tail and makes sure of the last batch. The page cache may hold bytes that a failed sync of an
    /// earlier process left clean but unwritten: writing them again makes this sync mean something. False: no luck.
    fn settle_tail(&mut self, file: &dyn DiskFile, len: u64, walked: &Walked) -> bool {
        let sync = self.engine.options.sync;
        let settle = || -> io::Result<()> {
            if walked.torn {
                file.set_len(walked.end)?;
            }
            if let Some(last) = walked.last {
                rewrite(file, &last)?;
            }
            if sync && (walked.torn || walked.last.is_some()) { file.datasync() } else { Ok(()) }
        };
        if let Err(error) = settle() {
            self.damage(walked.end, 0, format!("the tail cannot be settled: {error}"));
            return false;
        }
        if walked.torn {
            self.out.report.cut_bytes += len - walked.end;
        }
        true
    }
}

fn rewrite(file: &dyn DiskFile, batch: &BatchHeader) -> io::Result<()> {
    let bytes = file.read_at(batch.offset, (batch.end() - batch.offset) as usize)?;
    file.write_vectored_at(batch.offset, &[IoSlice::new(&bytes)])
}
