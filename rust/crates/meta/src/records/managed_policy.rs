//! The row of a managed policy: a named document of a tenant that is attached to users, groups and roles.

use panthera_base::Timestamp;

use super::sections::SectionWriter;
use super::{Fields, OtherSections, RecordError, VERSION};

const FIXED_BYTES: usize = 24;
const TAG_DESCRIPTION: u8 = 1;
const TAG_DOCUMENT: u8 = 2;
const TAG_COMPILED: u8 = 3;

/// A managed policy.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ManagedPolicyRecord {
    /// How often it was given a document: 1 for a new one.
    pub number: u32,
    /// When it was made.
    pub created: Timestamp,
    /// When its document was given.
    pub changed: Timestamp,
    /// The document as it was given.
    pub document: Vec<u8>,
    /// What is evaluated.
    pub compiled: Vec<u8>,
    /// What it is for.
    pub description: Option<String>,
    /// Sections this version does not know.
    pub others: OtherSections,
}

impl ManagedPolicyRecord {
    /// Reads a managed policy.
    pub fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        let fields = Fields::new("managed policy", bytes, FIXED_BYTES)?;
        fields.flags(1, 0)?;
        fields.zero(2, 2)?;
        let mut record = Self {
            number: fields.u32(4)?,
            created: Timestamp(fields.u64(8)?),
            changed: Timestamp(fields.u64(16)?),
            ..Self::default()
        };
        for section in fields.sections(FIXED_BYTES) {
            let section = section?;
            match section.tag {
                TAG_DESCRIPTION => record.description = Some(fields.text(&section)?),
                TAG_DOCUMENT => record.document = section.bytes.to_vec(),
                TAG_COMPILED => record.compiled = section.bytes.to_vec(),
                tag => record.others.push((tag, section.bytes.to_vec())),
            }
        }
        if record.document.is_empty() || record.compiled.is_empty() {
            return Err(fields.wrong(FIXED_BYTES, "no document or no compiled form"));
        }
        Ok(record)
    }

    /// Writes it.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![VERSION, 0, 0, 0];
        out.extend_from_slice(&self.number.to_le_bytes());
        out.extend_from_slice(&self.created.0.to_le_bytes());
        out.extend_from_slice(&self.changed.0.to_le_bytes());
        let mut sections = SectionWriter::default();
        sections.put_some(TAG_DESCRIPTION, self.description.as_deref().map(str::as_bytes));
        sections.put(TAG_DOCUMENT, &self.document);
        sections.put(TAG_COMPILED, &self.compiled);
        sections.put_others(&self.others);
        sections.write(&mut out);
        out
    }
}
