//! The fence row: what every commit that changes objects of a bucket compares, 11 bytes.

use super::{Fields, RecordError, VERSION};

const FENCE_BYTES: usize = 11;
const FLAG_OBJECT_LOCK: u8 = 1;

/// The versioning state of a bucket.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[repr(u8)]
pub enum Versioning {
    /// Never enabled: one version, the null version, without an id on the wire.
    #[default]
    Never = 0,
    /// Every write makes a version.
    Enabled = 1,
    /// Writes replace the null version; older versions stay.
    Suspended = 2,
}

impl Versioning {
    /// The state with this number.
    pub fn from_u8(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::Never),
            1 => Some(Self::Enabled),
            2 => Some(Self::Suspended),
            _ => None,
        }
    }
}

/// The part of a bucket's configuration that a commit of objects depends on.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct FenceRecord {
    /// Versioning state.
    pub versioning: Versioning,
    /// Object lock is enabled.
    pub object_lock: bool,
    /// Grows with every change of the two above.
    pub generation: u64,
}

impl FenceRecord {
    /// Reads a fence.
    pub fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        let fields = Fields::new("fence", bytes, FENCE_BYTES)?;
        if bytes.len() != FENCE_BYTES {
            return Err(fields.wrong(FENCE_BYTES, "longer than a fence"));
        }
        let versioning = Versioning::from_u8(fields.u8(1)?).ok_or_else(|| fields.wrong(1, "unknown versioning"))?;
        let object_lock = fields.flags(2, FLAG_OBJECT_LOCK)? != 0;
        Ok(Self { versioning, object_lock, generation: fields.u64(3)? })
    }

    /// Writes it.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(FENCE_BYTES);
        out.extend_from_slice(&[VERSION, self.versioning as u8, u8::from(self.object_lock)]);
        out.extend_from_slice(&self.generation.to_le_bytes());
        out
    }
}
