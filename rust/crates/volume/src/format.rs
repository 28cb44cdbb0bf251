//! The bytes: FORMAT.md as code. Values in, bytes out, and back; no I/O, no state.
//!
//! A decoder answers `None` for anything that is not exactly what the encoder of this version writes at that place:
//! every header carries its volume, generation and own offset, so a misdirected or stale write is not a header.

use crate::api::{ChunkId, Lane};

/// The version every header of this code carries.
pub const FORMAT_VERSION: u8 = 1;
/// Batches start on these boundaries, so that a sector with acknowledged bytes is never written again.
pub const BATCH_ALIGN: u64 = 4096;
/// The first batch stands behind the block of the volume header.
pub const FIRST_BATCH: u64 = BATCH_ALIGN;
/// Length of the volume header proper; the rest of its block is zero.
pub const VOLUME_HEADER_BYTES: usize = 64;
/// Length of a batch header.
pub const BATCH_HEADER_BYTES: usize = 64;
/// Length of a needle header.
pub const NEEDLE_HEADER_BYTES: usize = 72;
/// Stored bytes covered by one checksum: a ranged read verifies only the blocks it touches.
pub const CHECK_BLOCK_BYTES: usize = 64 << 10;
/// Length of a row of the index log.
pub const LOG_ROW_BYTES: usize = 48;
/// A needle's place is kept as 30 bits of offset / 8: no volume is longer.
pub const VOLUME_BYTES_MAX: u64 = 8 << 30;
/// Longest body a batch header may announce; larger numbers are damage. The writer stays far below.
pub const BATCH_BODY_MAX: u64 = 64 << 20;

const VOLUME_MAGIC: [u8; 4] = *b"PNVL";
const BATCH_MAGIC: [u8; 4] = *b"PNBT";
const NEEDLE_MAGIC: [u8; 4] = *b"PNDL";
const LOG_MAGIC: [u8; 4] = *b"PNLG";
/// The only needle type so far: a chunk.
const NEEDLE_CHUNK: u8 = 1;

/// CRC32C (Castagnoli), the checksum of everything here.
pub fn crc32c(bytes: &[u8]) -> u32 {
    crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32Iscsi, bytes) as u32
}

/// Name of a volume's file.
pub fn volume_name(id: u32) -> String {
    format!("{id:08x}.vol")
}

/// Name of its index log.
pub fn log_name(id: u32) -> String {
    format!("{id:08x}.log")
}

/// The volume id in a file name with this extension; `None` when the name is not exactly one of ours.
pub fn parse_name(name: &str, extension: &str) -> Option<u32> {
    let digits = name.strip_suffix(extension)?.strip_suffix('.')?;
    let id = u32::from_str_radix(digits, 16).ok()?;
    (format!("{id:08x}") == digits).then_some(id)
}

/// Rounds up to the alignment of needles.
pub fn align_needle(len: usize) -> usize {
    len.next_multiple_of(8)
}

/// Rounds up to the alignment of batches.
pub fn align_batch(offset: u64) -> u64 {
    offset.next_multiple_of(BATCH_ALIGN)
}

/// Checksums a needle with so many stored bytes has.
pub fn check_count(stored: u32) -> usize {
    (stored as usize).div_ceil(CHECK_BLOCK_BYTES)
}

/// Where the payload starts, counted from the needle's start: behind the header and the checksums.
pub fn payload_start(stored: u32) -> usize {
    NEEDLE_HEADER_BYTES + 4 * check_count(stored)
}

/// Bytes of a needle on disk: header, checksums, payload, pad.
pub fn record_bytes(stored: u32) -> usize {
    align_needle(payload_start(stored) + stored as usize)
}

/// What makes a volume this volume: part of every header in it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct VolumeKey {
    /// The volume's number.
    pub id: u32,
    /// Drawn when it was created; nobody can forge a header without it.
    pub generation: u64,
}

/// The header of a volume.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct VolumeHeader {
    /// Who it is.
    pub key: VolumeKey,
    /// Which lane writes it.
    pub lane: Lane,
}

impl VolumeHeader {
    /// The whole first block of the file.
    pub fn encode(&self) -> Vec<u8> {
        let mut block = vec![0; BATCH_ALIGN as usize];
        block[0..4].copy_from_slice(&VOLUME_MAGIC);
        block[4] = FORMAT_VERSION;
        block[5] = self.lane as u8;
        block[8..12].copy_from_slice(&self.key.id.to_le_bytes());
        block[16..24].copy_from_slice(&self.key.generation.to_le_bytes());
        let crc = crc32c(&block[..60]);
        block[60..64].copy_from_slice(&crc.to_le_bytes());
        block
    }

    /// The header of volume `id`.
    pub fn decode(bytes: &[u8], id: u32) -> Option<Self> {
        let head = bytes.get(..VOLUME_HEADER_BYTES)?;
        let ok = head[0..4] == VOLUME_MAGIC && head[4] == FORMAT_VERSION && u32_at(head, 8) == id;
        if !ok || u32_at(head, 60) != crc32c(&head[..60]) {
            return None;
        }
        Some(Self { key: VolumeKey { id, generation: u64_at(head, 16) }, lane: Lane::from_byte(head[5])? })
    }
}

/// The header of a group commit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BatchHeader {
    /// Place in the volume.
    pub offset: u64,
    /// Counts the batches of the volume from 1.
    pub lsn: u64,
    /// Needles in it.
    pub count: u32,
    /// Bytes of needles behind the header, without the pad to the next boundary.
    pub body: u32,
}

impl BatchHeader {
    /// Its bytes in the volume of `key`.
    pub fn encode(&self, key: VolumeKey) -> [u8; BATCH_HEADER_BYTES] {
        let mut out = [0; BATCH_HEADER_BYTES];
        out[0..4].copy_from_slice(&BATCH_MAGIC);
        out[4] = FORMAT_VERSION;
        out[8..12].copy_from_slice(&key.id.to_le_bytes());
        out[12..16].copy_from_slice(&self.count.to_le_bytes());
        out[16..24].copy_from_slice(&key.generation.to_le_bytes());
        out[24..32].copy_from_slice(&self.lsn.to_le_bytes());
        out[32..40].copy_from_slice(&self.offset.to_le_bytes());
        out[40..44].copy_from_slice(&self.body.to_le_bytes());
        let crc = crc32c(&out[..60]);
        out[60..64].copy_from_slice(&crc.to_le_bytes());
        out
    }

    /// The header that stands at `offset` of the volume of `key`.
    pub fn decode(bytes: &[u8], key: VolumeKey, offset: u64) -> Option<Self> {
        let (header, generation) = Self::decode_any_generation(bytes, key.id, offset)?;
        (generation == key.generation).then_some(header)
    }

    /// As `decode` when the generation is lost with the volume header: answers it too.
    pub fn decode_any_generation(bytes: &[u8], id: u32, offset: u64) -> Option<(Self, u64)> {
        let head = bytes.get(..BATCH_HEADER_BYTES)?;
        if head[0..4] != BATCH_MAGIC || head[4] != FORMAT_VERSION || u32_at(head, 60) != crc32c(&head[..60]) {
            return None;
        }
        let header =
            Self { offset: u64_at(head, 32), lsn: u64_at(head, 24), count: u32_at(head, 12), body: u32_at(head, 40) };
        let ok = u32_at(head, 8) == id && header.offset == offset && u64::from(header.body) <= BATCH_BODY_MAX;
        ok.then(|| (header, u64_at(head, 16)))
    }

    /// Where the next batch starts.
    pub fn end(&self) -> u64 {
        align_batch(self.offset + BATCH_HEADER_BYTES as u64 + u64::from(self.body))
    }
}

/// The header of a needle.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NeedleHeader {
    /// Place in the volume, a multiple of 8.
    pub offset: u64,
    /// Bytes of payload on disk.
    pub stored: u32,
    /// Bytes of the plaintext.
    pub logical: u32,
    /// Codec (bits 0-3), encryption (bits 4-7), kind of dedup domain (bits 8-15). 0: plain bytes, tenant's domain.
    pub flags: u16,
    /// Number of the dedup domain; 0 when not recorded.
    pub domain: u32,
    /// Name of the chunk.
    pub id: ChunkId,
}

impl NeedleHeader {
    /// A plain chunk at `offset`.
    pub fn plain(id: ChunkId, offset: u64, len: u32) -> Self {
        Self { offset, stored: len, logical: len, flags: 0, domain: 0, id }
    }

    /// Its bytes in the volume of `key`.
    pub fn encode(&self, key: VolumeKey) -> [u8; NEEDLE_HEADER_BYTES] {
        let mut out = [0; NEEDLE_HEADER_BYTES];
        out[0..4].copy_from_slice(&NEEDLE_MAGIC);
        out[4] = FORMAT_VERSION;
        out[5] = NEEDLE_CHUNK;
        out[6..8].copy_from_slice(&self.flags.to_le_bytes());
        out[8..12].copy_from_slice(&key.id.to_le_bytes());
        out[12..16].copy_from_slice(&((self.offset / 8) as u32).to_le_bytes());
        out[16..24].copy_from_slice(&key.generation.to_le_bytes());
        out[24..28].copy_from_slice(&self.stored.to_le_bytes());
        out[28..32].copy_from_slice(&self.logical.to_le_bytes());
        out[32..64].copy_from_slice(&self.id.0);
        out[64..68].copy_from_slice(&self.domain.to_le_bytes());
        let crc = crc32c(&out[..68]);
        out[68..72].copy_from_slice(&crc.to_le_bytes());
        out
    }

    /// The header that stands at `offset` of the volume of `key`.
    pub fn decode(bytes: &[u8], key: VolumeKey, offset: u64) -> Option<Self> {
        let head = bytes.get(..NEEDLE_HEADER_BYTES)?;
        let known = head[0..4] == NEEDLE_MAGIC && head[4] == FORMAT_VERSION && head[5] == NEEDLE_CHUNK;
        let mine = known && u32_at(head, 8) == key.id && u64_at(head, 16) == key.generation;
        if !mine || u64::from(u32_at(head, 12)) * 8 != offset || u32_at(head, 68) != crc32c(&head[..68]) {
            return None;
        }
        let mut id = [0; 32];
        id.copy_from_slice(&head[32..64]);
        Some(Self {
            offset,
            stored: u32_at(head, 24),
            logical: u32_at(head, 28),
            flags: u16::from_le_bytes([head[6], head[7]]),
            domain: u32_at(head, 64),
            id: ChunkId(id),
        })
    }

    /// Bytes on disk.
    pub fn record_bytes(&self) -> u64 {
        record_bytes(self.stored) as u64
    }
}

/// A row of the index log. Row 0 is `Start`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LogRow {
    /// Whose log it is.
    Start(Lane),
    /// A durable needle.
    Needle {
        /// Name of the chunk.
        id: ChunkId,
        /// Place in the volume.
        offset: u64,
        /// Bytes of payload on disk.
        stored: u32,
    },
    /// All needles of the volume below `end` stand above this row.
    Batch {
        /// Where the next batch starts.
        end: u64,
        /// Of the last batch.
        lsn: u64,
    },
    /// Nothing is appended any more; the volume ends at `end`.
    Seal {
        /// Where the last batch ends.
        end: u64,
        /// Of the last batch.
        lsn: u64,
    },
    /// A write or sync failed: nothing may be appended, and what is above `end` may not be believed unseen.
    Poison {
        /// Where the last good batch ends.
        end: u64,
        /// Of the last good batch.
        lsn: u64,
    },
}

impl LogRow {
    /// Its bytes as row `number` of the log of `key`.
    pub fn encode(&self, key: VolumeKey, number: u32) -> [u8; LOG_ROW_BYTES] {
        let mut out = [0; LOG_ROW_BYTES];
        let mut mark = |kind: u8, end: u64, lsn: u64| {
            out[40] = kind;
            out[0..8].copy_from_slice(&end.to_le_bytes());
            out[8..16].copy_from_slice(&lsn.to_le_bytes());
        };
        match *self {
            Self::Start(lane) => {
                out[0..4].copy_from_slice(&LOG_MAGIC);
                out[4] = FORMAT_VERSION;
                out[5] = lane as u8;
                out[8..12].copy_from_slice(&key.id.to_le_bytes());
                out[16..24].copy_from_slice(&key.generation.to_le_bytes());
            }
            Self::Needle { id, offset, stored } => {
                out[40] = 1;
                out[0..32].copy_from_slice(&id.0);
                out[32..36].copy_from_slice(&((offset / 8) as u32).to_le_bytes());
                out[36..40].copy_from_slice(&stored.to_le_bytes());
            }
            Self::Batch { end, lsn } => mark(2, end, lsn),
            Self::Seal { end, lsn } => mark(3, end, lsn),
            Self::Poison { end, lsn } => mark(4, end, lsn),
        }
        let check = crc32c(&out[..44]) ^ key.generation as u32 ^ number;
        out[44..48].copy_from_slice(&check.to_le_bytes());
        out
    }

    /// Row `number` of the log of `key`.
    pub fn decode(row: &[u8], key: VolumeKey, number: u32) -> Option<Self> {
        let row = row.get(..LOG_ROW_BYTES)?;
        if u32_at(row, 44) != crc32c(&row[..44]) ^ key.generation as u32 ^ number {
            return None;
        }
        let (end, lsn) = (u64_at(row, 0), u64_at(row, 8));
        match row[40] {
            0 => {
                let mine = u32_at(row, 8) == key.id && u64_at(row, 16) == key.generation;
                let ok = number == 0 && row[0..4] == LOG_MAGIC && row[4] == FORMAT_VERSION && mine;
                ok.then(|| Lane::from_byte(row[5]).map(Self::Start)).flatten()
            }
            1 => {
                let mut id = [0; 32];
                id.copy_from_slice(&row[0..32]);
                Some(Self::Needle { id: ChunkId(id), offset: u64::from(u32_at(row, 32)) * 8, stored: u32_at(row, 36) })
            }
            2 => Some(Self::Batch { end, lsn }),
            3 => Some(Self::Seal { end, lsn }),
            4 => Some(Self::Poison { end, lsn }),
            _ => None,
        }
    }
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << 32
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: VolumeKey = VolumeKey { id: 7, generation: 0x0123_4567_89ab_cdef };

    /// A header read anywhere but in its place, or with any bit changed, is not a header.
    fn only_exact<T: PartialEq + std::fmt::Debug>(bytes: &[u8], value: T, decode: impl Fn(&[u8]) -> Option<T>) {
        assert_eq!(decode(bytes), Some(value));
        assert_eq!(decode(&bytes[..bytes.len() - 1]), None);
        for bit in 0..bytes.len() * 8 {
            let mut bad = bytes.to_vec();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(decode(&bad), None, "bit {bit}");
        }
    }

    #[test]
    fn every_bit_of_every_header_counts() {
        let volume = VolumeHeader { key: KEY, lane: Lane::Bulk };
        only_exact(&volume.encode()[..VOLUME_HEADER_BYTES], volume, |b| VolumeHeader::decode(b, 7));
        let batch = BatchHeader { offset: 8192, lsn: 3, count: 2, body: 777 };
        only_exact(&batch.encode(KEY), batch, |b| BatchHeader::decode(b, KEY, 8192));
        let needle = NeedleHeader::plain(ChunkId([9; 32]), 8256, 4096);
        only_exact(&needle.encode(KEY), needle, |b| NeedleHeader::decode(b, KEY, 8256));
        for row in [
            LogRow::Needle { id: ChunkId([3; 32]), offset: 8256, stored: 4096 },
            LogRow::Batch { end: 8192, lsn: 9 },
            LogRow::Seal { end: 1, lsn: 2 },
            LogRow::Poison { end: 1, lsn: 2 },
        ] {
            only_exact(&row.encode(KEY, 5), row, |b| LogRow::decode(b, KEY, 5));
            assert_eq!(LogRow::decode(&row.encode(KEY, 5), KEY, 6), None);
        }
        only_exact(&LogRow::Start(Lane::Small).encode(KEY, 0), LogRow::Start(Lane::Small), |b| {
            LogRow::decode(b, KEY, 0)
        });
    }

    #[test]
    fn a_header_is_nothing_in_another_volume_generation_or_place() {
        let other_id = VolumeKey { id: 8, ..KEY };
        let other_generation = VolumeKey { generation: 1, ..KEY };
        let needle = NeedleHeader::plain(ChunkId([9; 32]), 8256, 4096).encode(KEY);
        let batch = BatchHeader { offset: 8192, lsn: 3, count: 2, body: 777 }.encode(KEY);
        for key in [other_id, other_generation] {
            assert_eq!(NeedleHeader::decode(&needle, key, 8256), None);
            assert_eq!(BatchHeader::decode(&batch, key, 8192), None);
        }
        assert_eq!(NeedleHeader::decode(&needle, KEY, 8264), None);
        assert_eq!(BatchHeader::decode(&batch, KEY, 12288), None);
    }

    #[test]
    fn zeros_are_nothing() {
        let zeros = [0; 4096];
        assert_eq!(VolumeHeader::decode(&zeros, 0), None);
        assert_eq!(BatchHeader::decode(&zeros, VolumeKey { id: 0, generation: 0 }, 0), None);
        assert_eq!(NeedleHeader::decode(&zeros, VolumeKey { id: 0, generation: 0 }, 0), None);
        assert_eq!(LogRow::decode(&zeros, VolumeKey { id: 0, generation: 0 }, 0), None);
    }

    #[test]
    fn a_small_needle_costs_at_most_96_bytes() {
        for len in 0..=CHECK_BLOCK_BYTES as u32 {
            assert!(record_bytes(len) - len as usize <= 84, "{len}");
        }
        assert_eq!(record_bytes(4096), 4176);
        assert_eq!(check_count(CHECK_BLOCK_BYTES as u32), 1);
        assert_eq!(check_count(CHECK_BLOCK_BYTES as u32 + 1), 2);
    }

    #[test]
    fn names_round_trip_and_nothing_else_is_a_name() {
        assert_eq!(parse_name(&volume_name(0xabc), "vol"), Some(0xabc));
        assert_eq!(parse_name(&log_name(u32::MAX), "log"), Some(u32::MAX));
        for bad in ["abc.vol", "00000ABC.vol", "00000abc.log", "+0000abc.vol", "000000abc.vol", ".vol", "vol"] {
            assert_eq!(parse_name(bad, "vol"), None, "{bad}");
        }
    }
}
