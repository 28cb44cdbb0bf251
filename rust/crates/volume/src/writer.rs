//! Appending: one lane's active volume, one group commit at a time. Rolls to a new volume when one is full or broken.
//!
//! Order is everything here: write, fdatasync, then log and index. A failure before the fdatasync returned good ends
//! the volume for ever.

use std::io::{self, IoSlice};
use std::sync::Arc;

use bytes::Bytes;

use crate::api::{ChunkId, Lane, NewChunk, StoreOptions, VolumeError, VolumeState};
use crate::engine::{Engine, Written};
use crate::format::{
    BATCH_ALIGN, BATCH_HEADER_BYTES, BatchHeader, CHECK_BLOCK_BYTES, FIRST_BATCH, LogRow, NeedleHeader,
    VOLUME_BYTES_MAX, VolumeHeader, VolumeKey, align_batch, crc32c, log_name, payload_start, record_bytes, volume_name,
};
use crate::log::LogWriter;
use crate::volume::Volume;

/// Space is reserved in such steps, so that a full disk shows here and not in the middle of a batch.
const ALLOCATE_BYTES: u64 = 64 << 20;
/// The pad to the next batch.
static ZEROS: [u8; BATCH_ALIGN as usize] = [0; BATCH_ALIGN as usize];

/// A chunk with the checksums of its blocks, computed on the caller's thread.
pub(crate) struct Prepared {
    pub(crate) id: ChunkId,
    pub(crate) data: Bytes,
    checks: Checks,
}

enum Checks {
    /// At most one block.
    One(u32),
    Many(Box<[u32]>),
}

impl Prepared {
    pub(crate) fn new(chunk: NewChunk) -> Self {
        let checks = if chunk.data.len() <= CHECK_BLOCK_BYTES {
            Checks::One(crc32c(&chunk.data))
        } else {
            Checks::Many(chunk.data.chunks(CHECK_BLOCK_BYTES).map(crc32c).collect())
        };
        Self { id: chunk.id, data: chunk.data, checks }
    }

    pub(crate) fn record_bytes(&self) -> usize {
        record_bytes(self.data.len() as u32)
    }

    fn checks(&self) -> &[u32] {
        match &self.checks {
            Checks::One(_) if self.data.is_empty() => &[],
            Checks::One(crc) => std::slice::from_ref(crc),
            Checks::Many(all) => all,
        }
    }
}

/// The volume a lane appends to.
pub(crate) struct Active {
    pub(crate) volume: Arc<Volume>,
    pub(crate) log: LogWriter,
    /// Everything below is durable; the next batch starts here.
    pub(crate) end: u64,
    /// Of the last batch.
    pub(crate) lsn: u64,
    /// Length of the file.
    pub(crate) allocated: u64,
}

impl Active {
    /// Nothing more will be appended: gives back what was reserved too much and makes the log durable.
    pub(crate) fn seal(self, sync: bool) {
        self.volume.set_state(VolumeState::Sealed);
        // A longer file is no harm: recovery believes the log row.
        let _ = self.volume.file.set_len(self.end);
        self.log.finish(Some(LogRow::Seal { end: self.end, lsn: self.lsn }), sync);
    }

    /// A write or a sync failed. What the file holds above `end` is unknown and stays unknown.
    fn poison(self, sync: bool) {
        self.volume.set_state(VolumeState::Suspect);
        self.log.finish(Some(LogRow::Poison { end: self.end, lsn: self.lsn }), sync);
    }
}

/// The bytes of a group that are not payload, and what the index will be told.
struct Layout {
    /// Batch header, then for each needle its pad-before, header and checksums.
    heads: Vec<u8>,
    /// Where each needle's part of `heads` ends.
    cuts: Vec<usize>,
    written: Vec<Written>,
    /// Bytes behind the last payload up to the next boundary.
    tail: usize,
    end: u64,
}

fn lay_out(key: VolumeKey, offset: u64, lsn: u64, chunks: &[Prepared]) -> Layout {
    let body: usize = chunks.iter().map(Prepared::record_bytes).sum();
    let header = BatchHeader { offset, lsn, count: chunks.len() as u32, body: body as u32 };
    let heads_bytes: usize = chunks.iter().map(|chunk| payload_start(chunk.data.len() as u32) + 8).sum();
    let mut heads = Vec::with_capacity(BATCH_HEADER_BYTES + heads_bytes);
    heads.extend_from_slice(&header.encode(key));
    let (mut cuts, mut written) = (Vec::with_capacity(chunks.len()), Vec::with_capacity(chunks.len()));
    let mut at = offset + BATCH_HEADER_BYTES as u64;
    let mut pad = 0;
    for chunk in chunks {
        let len = chunk.data.len() as u32;
        heads.resize(heads.len() + pad, 0);
        heads.extend_from_slice(&NeedleHeader::plain(chunk.id, at, len).encode(key));
        for check in chunk.checks() {
            heads.extend_from_slice(&check.to_le_bytes());
        }
        cuts.push(heads.len());
        written.push(Written { id: chunk.id, offset: at, stored: len });
        pad = record_bytes(len) - payload_start(len) - len as usize;
        at += record_bytes(len) as u64;
    }
    let end = header.end();
    Layout { heads, cuts, written, tail: (end - at) as usize + pad, end }
}

/// One lane's writer.
pub(crate) struct Writer {
    engine: Arc<Engine>,
    lane: Lane,
    active: Option<Active>,
}

impl Writer {
    pub(crate) fn new(engine: Arc<Engine>, lane: Lane, active: Option<Active>) -> Self {
        Self { engine, lane, active }
    }

    /// Stores the chunks: when this answers `Ok` they are durable and in the index.
    pub(crate) fn commit(&mut self, chunks: &[Prepared]) -> Result<(), VolumeError> {
        let body: usize = chunks.iter().map(Prepared::record_bytes).sum();
        let needed = align_batch((BATCH_HEADER_BYTES + body) as u64);
        let sync = self.engine.options.sync;
        let mut active = self.room(needed)?;
        let layout = lay_out(active.volume.key, active.end, active.lsn + 1, chunks);
        if let Err(error) = append(&active, &layout, chunks, sync) {
            let id = active.volume.key.id;
            active.poison(sync);
            return Err(VolumeError::disk(format!("appending to volume {id:08x}"), &error));
        }
        active.end = layout.end;
        active.lsn += 1;
        for needle in &layout.written {
            active.log.push(LogRow::Needle { id: needle.id, offset: needle.offset, stored: needle.stored });
        }
        active.log.push(LogRow::Batch { end: active.end, lsn: active.lsn });
        active.volume.add(chunks.len() as u64, body as u64);
        self.engine.publish(&active.volume, &layout.written);
        self.active = Some(active);
        Ok(())
    }

    /// Takes the active volume out, with `needed` bytes reserved behind its end. On failure nothing has been written;
    /// on success the caller puts it back unless it broke.
    fn room(&mut self, needed: u64) -> Result<Active, VolumeError> {
        let options = &self.engine.options;
        check_free(&self.engine, options, needed)?;
        let limit = options.volume_bytes.min(VOLUME_BYTES_MAX);
        let full = self.active.as_ref().is_some_and(|active| active.end + needed > limit);
        if full && let Some(active) = self.active.take() {
            active.seal(options.sync);
        }
        let mut active = match self.active.take() {
            Some(active) => active,
            None => create(&self.engine, self.lane, needed)?,
        };
        let wanted = active.end + needed;
        if wanted > active.allocated {
            let step = wanted.next_multiple_of(ALLOCATE_BYTES).min(limit).max(wanted);
            if let Err(error) = active.volume.file.fallocate(active.allocated, step - active.allocated) {
                let id = active.volume.key.id;
                self.active = Some(active);
                return Err(VolumeError::disk(format!("extending volume {id:08x}"), &error));
            }
            active.allocated = step;
        }
        Ok(active)
    }

    /// Nothing is waiting: a good moment to let the log go to the file system.
    pub(crate) fn idle(&mut self) {
        if let Some(active) = &mut self.active {
            active.log.flush();
        }
    }

    /// The end: the volume stays open for appending by the next process.
    pub(crate) fn close(self) {
        if let Some(active) = self.active {
            active.log.finish(None, self.engine.options.sync);
        }
    }
}

fn append(active: &Active, layout: &Layout, chunks: &[Prepared], sync: bool) -> io::Result<()> {
    let mut parts = Vec::with_capacity(2 * chunks.len() + 1);
    let mut from = 0;
    for (cut, chunk) in layout.cuts.iter().zip(chunks) {
        parts.push(IoSlice::new(&layout.heads[from..*cut]));
        parts.push(IoSlice::new(&chunk.data));
        from = *cut;
    }
    parts.push(IoSlice::new(&ZEROS[..layout.tail]));
    active.volume.file.write_vectored_at(active.end, &parts)?;
    if sync { active.volume.file.datasync() } else { Ok(()) }
}

/// Full when less is free than is kept for deletes, beside `needed` bytes.
pub(crate) fn check_free(engine: &Engine, options: &StoreOptions, needed: u64) -> Result<(), VolumeError> {
    let free = engine.disk.free_bytes().map_err(|error| VolumeError::disk("asking for free space", &error))?;
    if free < options.min_free_bytes.saturating_add(needed) {
        let dir = options.dir.display();
        return Err(VolumeError::Full(format!("{dir} has {free} bytes free, {} are kept", options.min_free_bytes)));
    }
    Ok(())
}

/// A new volume, durable with its name, before its first batch.
fn create(engine: &Engine, lane: Lane, needed: u64) -> Result<Active, VolumeError> {
    let id = engine.take_id();
    let built = build(engine, id, lane, needed);
    if built.is_err() {
        // Nothing was stored in it; if this fails too, recovery removes it.
        let _ = engine.disk.remove(&volume_name(id));
        let _ = engine.disk.remove(&log_name(id));
    }
    let (key, file, log, allocated) =
        built.map_err(|error| VolumeError::disk(format!("creating volume {id:08x}"), &error))?;
    let volume = engine.add_volume(|slot| Volume::new(key, lane, slot, file, VolumeState::Active))?;
    Ok(Active { volume, log, end: FIRST_BATCH, lsn: 0, allocated })
}

type Built = (VolumeKey, Arc<dyn crate::disk::DiskFile>, LogWriter, u64);

fn build(engine: &Engine, id: u32, lane: Lane, needed: u64) -> io::Result<Built> {
    let key = VolumeKey { id, generation: engine.disk.nonce()? };
    let file = engine.disk.create(&volume_name(id))?;
    let limit = engine.options.volume_bytes.min(VOLUME_BYTES_MAX);
    let allocated = (FIRST_BATCH + needed).next_multiple_of(ALLOCATE_BYTES).min(limit).max(FIRST_BATCH + needed);
    file.fallocate(0, allocated)?;
    file.write_vectored_at(0, &[IoSlice::new(&VolumeHeader { key, lane }.encode())])?;
    let log = LogWriter::create(&*engine.disk, key, lane);
    if engine.options.sync {
        file.datasync()?;
        engine.disk.sync_dir()?;
    }
    Ok((key, file, log, allocated))
}
