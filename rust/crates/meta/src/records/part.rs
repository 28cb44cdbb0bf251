//! The part record (`p` rows): one uploaded part of an open upload.

use panthera_base::Ordinal;

use super::manifest::{CHUNK_REF_BYTES, Chunks};
use super::object::FLAG_INDIRECT;
use super::{Fields, Manifest, RecordError, VERSION};

/// Offset of the size in a part record: the field of the parts tally.
pub const PART_SIZE_FIELD: usize = 8;

const FIXED_BYTES: usize = 42;

/// An uploaded part.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct PartRecord {
    /// Its bytes.
    pub manifest: Manifest,
    /// Size in bytes.
    pub size: u64,
    /// Last-Modified.
    pub ordinal: Ordinal,
    /// Its MD5.
    pub md5: [u8; 16],
    /// Algorithm of its checksum; 0 none.
    pub checksum_algorithm: u8,
    /// The raw checksum.
    pub checksum: Vec<u8>,
}

impl PartRecord {
    /// Reads a part.
    pub fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        let view = PartView::new(bytes)?;
        Ok(Self {
            manifest: Manifest { indirect: view.indirect, chunks: view.chunks().collect() },
            size: view.size,
            ordinal: view.ordinal,
            md5: view.md5,
            checksum_algorithm: view.checksum_algorithm,
            checksum: view.checksum.to_vec(),
        })
    }

    /// Writes it.
    pub fn encode(&self) -> Vec<u8> {
        let checksum = &self.checksum[..self.checksum.len().min(u8::MAX as usize)];
        let chunks = &self.manifest.chunks;
        let mut out = Vec::with_capacity(FIXED_BYTES + checksum.len() + chunks.len() * CHUNK_REF_BYTES);
        out.extend_from_slice(&[VERSION, if self.manifest.indirect { FLAG_INDIRECT } else { 0 }, 0, 0]);
        out.extend_from_slice(&(chunks.len() as u32).to_le_bytes());
        out.extend_from_slice(&self.size.to_le_bytes());
        out.extend_from_slice(&self.ordinal.0.to_le_bytes());
        out.extend_from_slice(&self.md5);
        out.extend_from_slice(&[self.checksum_algorithm, checksum.len() as u8]);
        out.extend_from_slice(checksum);
        Manifest::encode_entries(chunks, &mut out);
        out
    }
}

/// A part record read in place.
#[derive(Clone, Copy, Debug)]
pub struct PartView<'a> {
    /// The manifest's chunks hold the real manifest.
    pub indirect: bool,
    /// Size in bytes.
    pub size: u64,
    /// Last-Modified.
    pub ordinal: Ordinal,
    /// Its MD5.
    pub md5: [u8; 16],
    /// Algorithm of its checksum; 0 none.
    pub checksum_algorithm: u8,
    /// The raw checksum.
    pub checksum: &'a [u8],
    entries: &'a [u8],
}

impl<'a> PartView<'a> {
    /// Checks the whole record.
    pub fn new(bytes: &'a [u8]) -> Result<Self, RecordError> {
        let fields = Fields::new("part", bytes, FIXED_BYTES)?;
        let indirect = fields.flags(1, FLAG_INDIRECT)? != 0;
        fields.zero(2, 2)?;
        let count = fields.u32(4)? as usize;
        let checksum_bytes = fields.u8(41)? as usize;
        let rest = &bytes[FIXED_BYTES..];
        let (checksum, entries) =
            rest.split_at_checked(checksum_bytes).ok_or_else(|| fields.wrong(41, "ends inside the checksum"))?;
        if count.checked_mul(CHUNK_REF_BYTES) != Some(entries.len()) {
            return Err(fields.wrong(4, "the manifest is not as long as it says"));
        }
        Ok(Self {
            indirect,
            size: fields.u64(PART_SIZE_FIELD)?,
            ordinal: Ordinal(fields.u64(16)?),
            md5: fields.array(24)?,
            checksum_algorithm: fields.u8(40)?,
            checksum,
            entries,
        })
    }

    /// The manifest's entries.
    pub fn chunks(&self) -> Chunks<'a> {
        Chunks::new(self.entries)
    }
}
