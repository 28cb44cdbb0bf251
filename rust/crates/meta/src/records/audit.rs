//! The audit row: one decision or one change, as the tenant whose log it stands in may read it. Its moment is in its key.
//!
//! Belongs here: the layout. Does not belong here: what is written down and for whom (crate `authz`, `audit`).

use super::sections::SectionWriter;
use super::{Fields, OtherSections, RecordError, Section, VERSION};

const FIXED_BYTES: usize = 36;
/// Bytes of every audit row's key: kind, tenant, moment, sequence.
const KEY_BYTES: usize = 21;
const FLAG_ACTING: u8 = 1;
const TAG_REQUEST_ID: u8 = 1;
const TAG_ACCESS_KEY: u8 = 2;
const TAG_SOURCE_IP: u8 = 3;
const TAG_ACTION: u8 = 4;
const TAG_NAME: u8 = 5;
const TAG_KEY: u8 = 6;
const TAG_CHANGES: u8 = 7;
const TAG_DETAIL: u8 = 8;

/// Where the row's size stands in its value: the field its tally sums.
pub const AUDIT_SIZE_FIELD: usize = 8;

/// What an audit row is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(u8)]
pub enum AuditKind {
    /// A request was allowed or denied.
    #[default]
    Decision = 0,
    /// Tuples were written or removed.
    Relations = 1,
    /// A tenant's schema was replaced.
    Schema = 2,
    /// The audit log itself was trimmed.
    Trim = 3,
    /// Other configuration that gives or takes rights was changed: policies, lists, shares, identities.
    Configuration = 4,
}

/// How it ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(u8)]
pub enum AuditOutcome {
    /// The request was refused.
    #[default]
    Denied = 0,
    /// The request went on.
    Allowed = 1,
    /// The change was made, in the commit that wrote this row.
    Done = 2,
}

/// Key and value of a relation's row; the value is empty for what was removed.
pub type AuditChange = (Vec<u8>, Vec<u8>);

/// One entry of an audit log.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct AuditRecord {
    /// The copy for the tenant of who acted: it says what that side knows anyway, and nothing of the other tenant's.
    pub acting: bool,
    /// What it is about.
    pub kind: AuditKind,
    /// How it ended.
    pub outcome: AuditOutcome,
    /// Why, as FORMAT.md numbers reasons; 0 is not told.
    pub reason: u8,
    /// Who: a grantee as relations pack it; 0 the server itself.
    pub who: u64,
    /// The revision of the relations it was decided at, or that it made; 0 is not told.
    pub revision: u64,
    /// The bucket's number; 0 none, or not told.
    pub bucket: u32,
    /// x-amz-request-id.
    pub request_id: Option<String>,
    /// The access key that signed, on the side of its own tenant.
    pub access_key: Option<String>,
    /// From where: 4 or 16 bytes.
    pub source_ip: Option<Vec<u8>>,
    /// Amazon's or our own name of what was asked.
    pub action: String,
    /// The bucket's name.
    pub name: Option<String>,
    /// The object's key.
    pub key: Option<Vec<u8>>,
    /// What changed.
    pub changes: Vec<AuditChange>,
    /// What else there is to say.
    pub detail: Option<String>,
    /// Sections this version does not know.
    pub others: OtherSections,
}

impl AuditRecord {
    /// Reads an entry.
    pub fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        let fields = Fields::new("audit", bytes, FIXED_BYTES)?;
        fields.zero(5, 3)?;
        if fields.u64(AUDIT_SIZE_FIELD)? != (KEY_BYTES + bytes.len()) as u64 {
            return Err(fields.wrong(AUDIT_SIZE_FIELD, "not the size of its row"));
        }
        let mut record = Self {
            acting: fields.flags(1, FLAG_ACTING)? != 0,
            kind: kind(fields.u8(2)?).ok_or_else(|| fields.wrong(2, "unknown kind"))?,
            outcome: outcome(fields.u8(3)?).ok_or_else(|| fields.wrong(3, "unknown outcome"))?,
            reason: fields.u8(4)?,
            who: fields.u64(16)?,
            revision: fields.u64(24)?,
            bucket: fields.u32(32)?,
            ..Self::default()
        };
        let mut action = None;
        for section in fields.sections(FIXED_BYTES) {
            let section = section?;
            match section.tag {
                TAG_REQUEST_ID => record.request_id = Some(fields.text(&section)?),
                TAG_ACCESS_KEY => record.access_key = Some(fields.text(&section)?),
                TAG_SOURCE_IP if matches!(section.bytes.len(), 4 | 16) => {
                    record.source_ip = Some(section.bytes.to_vec());
                }
                TAG_SOURCE_IP => return Err(fields.wrong(section.offset, "no address")),
                TAG_ACTION => action = Some(fields.text(&section)?),
                TAG_NAME => record.name = Some(fields.text(&section)?),
                TAG_KEY => record.key = Some(section.bytes.to_vec()),
                TAG_CHANGES => record.changes = changes(&fields, &section)?,
                TAG_DETAIL => record.detail = Some(fields.text(&section)?),
                tag => record.others.push((tag, section.bytes.to_vec())),
            }
        }
        record.action = action.ok_or_else(|| fields.wrong(FIXED_BYTES, "no action"))?;
        Ok(record)
    }

    /// Writes it.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(256);
        out.extend_from_slice(&[VERSION, u8::from(self.acting) * FLAG_ACTING]);
        out.extend_from_slice(&[self.kind as u8, self.outcome as u8, self.reason, 0, 0, 0]);
        out.extend_from_slice(&[0; 8]);
        out.extend_from_slice(&self.who.to_le_bytes());
        out.extend_from_slice(&self.revision.to_le_bytes());
        out.extend_from_slice(&self.bucket.to_le_bytes());
        let mut sections = SectionWriter::default();
        sections.put_some(TAG_REQUEST_ID, self.request_id.as_deref().map(str::as_bytes));
        sections.put_some(TAG_ACCESS_KEY, self.access_key.as_deref().map(str::as_bytes));
        sections.put_some(TAG_SOURCE_IP, self.source_ip.as_deref());
        sections.put(TAG_ACTION, self.action.as_bytes());
        sections.put_some(TAG_NAME, self.name.as_deref().map(str::as_bytes));
        sections.put_some(TAG_KEY, self.key.as_deref());
        if !self.changes.is_empty() {
            sections.put_owned(TAG_CHANGES, encode_changes(&self.changes));
        }
        sections.put_some(TAG_DETAIL, self.detail.as_deref().map(str::as_bytes));
        sections.put_others(&self.others);
        sections.write(&mut out);
        let size = (KEY_BYTES + out.len()) as u64;
        out[AUDIT_SIZE_FIELD..AUDIT_SIZE_FIELD + 8].copy_from_slice(&size.to_le_bytes());
        out
    }
}

fn kind(number: u8) -> Option<AuditKind> {
    use AuditKind::{Configuration, Decision, Relations, Schema, Trim};
    [Decision, Relations, Schema, Trim, Configuration].into_iter().find(|kind| *kind as u8 == number)
}

fn outcome(number: u8) -> Option<AuditOutcome> {
    use AuditOutcome::{Allowed, Denied, Done};
    [Denied, Allowed, Done].into_iter().find(|outcome| *outcome as u8 == number)
}

/// Keys of rows are below KEY_LIMIT and values of relations' rows below 64 KiB, so that both lengths fit 16 bits.
fn encode_changes(changes: &[AuditChange]) -> Vec<u8> {
    let mut out = Vec::new();
    for part in changes.iter().flat_map(|(key, value)| [key, value]) {
        out.extend_from_slice(&(part.len() as u16).to_le_bytes());
        out.extend_from_slice(part);
    }
    out
}

fn changes(fields: &Fields<'_>, section: &Section<'_>) -> Result<Vec<AuditChange>, RecordError> {
    let ends = || fields.wrong(section.offset, "ends inside a change");
    let (mut rest, mut changes) = (section.bytes, Vec::new());
    let mut part = || {
        let (head, tail) = rest.split_first_chunk::<2>().ok_or_else(ends)?;
        let (part, tail) = tail.split_at_checked(usize::from(u16::from_le_bytes(*head))).ok_or_else(ends)?;
        rest = tail;
        Ok((part.to_vec(), tail.is_empty()))
    };
    loop {
        let (key, _) = part()?;
        let (value, last) = part()?;
        changes.push((key, value));
        if last {
            return Ok(changes);
        }
    }
}
