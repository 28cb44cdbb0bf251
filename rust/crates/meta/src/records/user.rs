//! The user row.

use panthera_base::{TenantId, Timestamp, UserId};

use super::sections::SectionWriter;
use super::{Fields, OtherSections, RecordError, VERSION};

const FIXED_BYTES: usize = 56;
pub(super) const FLAG_DISABLED: u8 = 1;
pub(super) const FLAG_TENANT_ADMIN: u8 = 2;
pub(super) const FLAG_ROOT: u8 = 4;
const TAG_NAME: u8 = 1;
const TAG_DISPLAY_NAME: u8 = 2;
const TAG_EMAIL: u8 = 3;

/// A user of one tenant.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct UserRecord {
    /// May do nothing.
    pub disabled: bool,
    /// Administers its tenant.
    pub tenant_admin: bool,
    /// Administers the server.
    pub root: bool,
    /// The user's number.
    pub id: UserId,
    /// Its tenant.
    pub tenant: TenantId,
    /// When it was made.
    pub created: Timestamp,
    /// Canonical id, 64 hex digits on the wire.
    pub canonical_id: [u8; 32],
    /// Unique in its tenant.
    pub name: String,
    /// What owner elements show.
    pub display_name: Option<String>,
    /// E-mail address.
    pub email: Option<String>,
    /// Sections this version does not know.
    pub others: OtherSections,
}

impl UserRecord {
    /// Reads a user.
    pub fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        let fields = Fields::new("user", bytes, FIXED_BYTES)?;
        let flags = fields.flags(1, FLAG_DISABLED | FLAG_TENANT_ADMIN | FLAG_ROOT)?;
        fields.zero(2, 2)?;
        fields.zero(12, 4)?;
        let mut record = Self {
            disabled: flags & FLAG_DISABLED != 0,
            tenant_admin: flags & FLAG_TENANT_ADMIN != 0,
            root: flags & FLAG_ROOT != 0,
            id: UserId(fields.u32(4)?),
            tenant: TenantId(fields.u32(8)?),
            created: Timestamp(fields.u64(16)?),
            canonical_id: fields.array(24)?,
            ..Self::default()
        };
        for section in fields.sections(FIXED_BYTES) {
            let section = section?;
            match section.tag {
                TAG_NAME => record.name = fields.text(&section)?,
                TAG_DISPLAY_NAME => record.display_name = Some(fields.text(&section)?),
                TAG_EMAIL => record.email = Some(fields.text(&section)?),
                tag => record.others.push((tag, section.bytes.to_vec())),
            }
        }
        Ok(record)
    }

    /// Writes it.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(FIXED_BYTES);
        out.extend_from_slice(&[VERSION, flags(self.disabled, self.tenant_admin, self.root), 0, 0]);
        out.extend_from_slice(&self.id.0.to_le_bytes());
        out.extend_from_slice(&self.tenant.0.to_le_bytes());
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&self.created.0.to_le_bytes());
        out.extend_from_slice(&self.canonical_id);
        let mut sections = SectionWriter::default();
        sections.put(TAG_NAME, self.name.as_bytes());
        sections.put_some(TAG_DISPLAY_NAME, self.display_name.as_deref().map(str::as_bytes));
        sections.put_some(TAG_EMAIL, self.email.as_deref().map(str::as_bytes));
        sections.put_others(&self.others);
        sections.write(&mut out);
        out
    }
}

/// The flags byte that users and credentials share.
pub(super) fn flags(disabled: bool, tenant_admin: bool, root: bool) -> u8 {
    let flag = |set: bool, bit: u8| if set { bit } else { 0 };
    flag(disabled, FLAG_DISABLED) | flag(tenant_admin, FLAG_TENANT_ADMIN) | flag(root, FLAG_ROOT)
}
