//! The tenant row. Its `Debug` form keeps the domain key to itself.

use std::fmt;

use panthera_base::{TenantId, Timestamp};

use super::sections::SectionWriter;
use super::{Fields, OtherSections, RecordError, VERSION};

const FIXED_BYTES: usize = 48;
const FLAG_DISABLED: u8 = 1;
const TAG_NAME: u8 = 1;

/// A tenant.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct TenantRecord {
    /// None of its users may do anything.
    pub disabled: bool,
    /// The tenant's number.
    pub id: TenantId,
    /// When it was made.
    pub created: Timestamp,
    /// Key of BLAKE3 for its chunk names. Destroying it is crypto-erase.
    pub domain_key: [u8; 32],
    /// Its name.
    pub name: String,
    /// Sections this version does not know.
    pub others: OtherSections,
}

impl TenantRecord {
    /// Reads a tenant.
    pub fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        let fields = Fields::new("tenant", bytes, FIXED_BYTES)?;
        let disabled = fields.flags(1, FLAG_DISABLED)? != 0;
        fields.zero(2, 2)?;
        let mut record = Self {
            disabled,
            id: TenantId(fields.u32(4)?),
            created: Timestamp(fields.u64(8)?),
            domain_key: fields.array(16)?,
            ..Self::default()
        };
        for section in fields.sections(FIXED_BYTES) {
            let section = section?;
            match section.tag {
                TAG_NAME => record.name = fields.text(&section)?,
                tag => record.others.push((tag, section.bytes.to_vec())),
            }
        }
        Ok(record)
    }

    /// Writes it.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(FIXED_BYTES);
        out.extend_from_slice(&[VERSION, u8::from(self.disabled), 0, 0]);
        out.extend_from_slice(&self.id.0.to_le_bytes());
        out.extend_from_slice(&self.created.0.to_le_bytes());
        out.extend_from_slice(&self.domain_key);
        let mut sections = SectionWriter::default();
        sections.put(TAG_NAME, self.name.as_bytes());
        sections.put_others(&self.others);
        sections.write(&mut out);
        out
    }
}

impl fmt::Debug for TenantRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TenantRecord")
            .field("id", &self.id)
            .field("name", &self.name)
            .field("disabled", &self.disabled)
            .field("created", &self.created)
            .finish_non_exhaustive()
    }
}
