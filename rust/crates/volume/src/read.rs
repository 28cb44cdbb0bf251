//! Reading a needle of a known place: one device read where possible, everything verified before a byte is given out.
//!
//! Does not belong here: which place a name has (engine.rs).

use std::io;
use std::ops::Range;

use bytes::Bytes;

use crate::api::{ChunkId, VolumeError};
use crate::format::{
    CHECK_BLOCK_BYTES, NEEDLE_HEADER_BYTES, NeedleHeader, VolumeKey, crc32c, payload_start, record_bytes,
};
use crate::volume::Volume;

/// Reading so many bytes too many is cheaper than a second read.
const SKIP_BYTES: usize = CHECK_BLOCK_BYTES;

/// Where bytes may come from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum From {
    /// The device if need be: blocks.
    Device,
    /// The page cache only.
    Memory,
}

/// Why there are no bytes.
#[derive(Debug)]
pub(crate) enum Fail {
    /// Not in the page cache.
    WouldBlock,
    /// For good.
    Error(VolumeError),
}

impl std::convert::From<VolumeError> for Fail {
    fn from(error: VolumeError) -> Self {
        Self::Error(error)
    }
}

fn fetch(volume: &Volume, offset: u64, len: usize, from: From) -> Result<Vec<u8>, Fail> {
    let read = match from {
        From::Device => volume.file.read_at(offset, len),
        From::Memory => volume.file.read_at_cached(offset, len),
    };
    read.map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock => Fail::WouldBlock,
        _ => VolumeError::Disk(format!("reading volume {:08x} at {offset}: {error}", volume.key.id)).into(),
    })
}

fn corrupt(key: VolumeKey, offset: u64, what: &str) -> VolumeError {
    VolumeError::Corrupt(format!("volume {:08x} at {offset}: {what}", key.id))
}

/// The header at `offset`, or that there is none.
pub(crate) fn read_header(volume: &Volume, offset: u64, from: From) -> Result<NeedleHeader, Fail> {
    let bytes = fetch(volume, offset, NEEDLE_HEADER_BYTES, from)?;
    let header = NeedleHeader::decode(&bytes, volume.key, offset);
    Ok(header.ok_or_else(|| corrupt(volume.key, offset, "not a needle header"))?)
}

/// `range` of chunk `id` (`len` bytes) from the needle at `offset`; `None` when a different chunk stands there.
pub(crate) fn read_range(
    volume: &Volume,
    offset: u64,
    id: &ChunkId,
    len: u32,
    range: Range<u32>,
    from: From,
) -> Result<Option<Bytes>, Fail> {
    let (start, end) = (range.start as usize, range.end as usize);
    let head = payload_start(len);
    // Whole blocks around the range, in bytes of payload.
    let blocks = start / CHECK_BLOCK_BYTES..end.div_ceil(CHECK_BLOCK_BYTES);
    let first = blocks.start * CHECK_BLOCK_BYTES;
    let last = (blocks.end * CHECK_BLOCK_BYTES).min(len as usize);
    if start >= end {
        let bytes = fetch(volume, offset, head, from)?;
        return Ok(check_header(volume.key, &bytes, offset, id, len)?.then(Bytes::new));
    }
    if first <= SKIP_BYTES {
        let bytes = fetch(volume, offset, head + last, from)?;
        if !check_header(volume.key, &bytes, offset, id, len)? {
            return Ok(None);
        }
        check_blocks(volume.key, &bytes[..head], bytes.get(head + first..head + last), blocks, offset)?;
        return Ok(Some(Bytes::from(bytes).slice(head + start..head + end)));
    }
    let header = fetch(volume, offset, head, from)?;
    if !check_header(volume.key, &header, offset, id, len)? {
        return Ok(None);
    }
    let bytes = fetch(volume, offset + (head + first) as u64, last - first, from)?;
    check_blocks(volume.key, &header, bytes.get(..last - first), blocks, offset)?;
    Ok(Some(Bytes::from(bytes).slice(start - first..end - first)))
}

/// Whether this is the chunk asked for; a header that is not readable, or that contradicts itself, is an error.
fn check_header(key: VolumeKey, bytes: &[u8], offset: u64, id: &ChunkId, len: u32) -> Result<bool, VolumeError> {
    let Some(header) = NeedleHeader::decode(bytes, key, offset) else {
        return Err(corrupt(key, offset, "not a needle header"));
    };
    if header.id != *id {
        return Ok(false);
    }
    if header.logical != len || header.stored != len || header.flags & 0xff != 0 {
        return Err(corrupt(key, offset, "length or coding is not what the manifest says"));
    }
    if bytes.len() < payload_start(len) {
        return Err(corrupt(key, offset, "ends before its payload"));
    }
    Ok(true)
}

/// Verifies `payload`, the blocks `blocks`, against the checksums that follow the header.
fn check_blocks(
    key: VolumeKey,
    head: &[u8],
    payload: Option<&[u8]>,
    blocks: Range<usize>,
    offset: u64,
) -> Result<(), VolumeError> {
    let Some(payload) = payload else {
        return Err(corrupt(key, offset, "ends before its payload does"));
    };
    for (block, bytes) in blocks.zip(payload.chunks(CHECK_BLOCK_BYTES)) {
        let at = NEEDLE_HEADER_BYTES + 4 * block;
        if head.get(at..at + 4) != Some(&crc32c(bytes).to_le_bytes()[..]) {
            return Err(corrupt(key, offset, "checksum of the payload"));
        }
    }
    Ok(())
}

/// Whether the whole record `bytes` is what `header` announces. For recovery, which knows no names.
pub(crate) fn record_is_intact(key: VolumeKey, header: &NeedleHeader, bytes: &[u8]) -> bool {
    let head = payload_start(header.stored);
    let end = head + header.stored as usize;
    let blocks = 0..(header.stored as usize).div_ceil(CHECK_BLOCK_BYTES);
    bytes.len() >= record_bytes(header.stored)
        && check_blocks(key, &bytes[..head], bytes.get(head..end), blocks, header.offset).is_ok()
}
