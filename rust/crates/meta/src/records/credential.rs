//! The credential row: all that authentication needs, in one read. Its `Debug` form keeps the secrets to itself.

use std::fmt;

use panthera_base::{TenantId, Timestamp, UserId};

use super::sections::SectionWriter;
use super::user::{FLAG_DISABLED, FLAG_ROOT, FLAG_TENANT_ADMIN, flags};
use super::{Fields, OtherSections, RecordError, VERSION};

const FIXED_BYTES: usize = 64;
const TAG_SECRET_KEY: u8 = 1;
const TAG_SESSION_TOKEN: u8 = 2;
const TAG_SESSION_POLICY: u8 = 3;
const TAG_DISPLAY_NAME: u8 = 4;

/// An access key.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct CredentialRecord {
    /// Does not authenticate.
    pub disabled: bool,
    /// Its user administers the tenant.
    pub tenant_admin: bool,
    /// Its user administers the server.
    pub root: bool,
    /// Tenant of the user.
    pub tenant: TenantId,
    /// The user.
    pub user: UserId,
    /// When it was made.
    pub created: Timestamp,
    /// When it ends; `None` never.
    pub expires: Option<Timestamp>,
    /// Canonical id of the user, 64 hex digits on the wire.
    pub canonical_id: [u8; 32],
    /// The secret access key.
    pub secret_key: Vec<u8>,
    /// The session token that must come with it.
    pub session_token: Option<Vec<u8>>,
    /// The compiled session policy.
    pub session_policy: Option<Vec<u8>>,
    /// What owner elements show.
    pub display_name: Option<String>,
    /// Sections this version does not know.
    pub others: OtherSections,
}

impl CredentialRecord {
    /// Reads a credential.
    pub fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        let fields = Fields::new("credential", bytes, FIXED_BYTES)?;
        let flags = fields.flags(1, FLAG_DISABLED | FLAG_TENANT_ADMIN | FLAG_ROOT)?;
        fields.zero(2, 2)?;
        fields.zero(12, 4)?;
        let expires = fields.u64(24)?;
        let mut record = Self {
            disabled: flags & FLAG_DISABLED != 0,
            tenant_admin: flags & FLAG_TENANT_ADMIN != 0,
            root: flags & FLAG_ROOT != 0,
            tenant: TenantId(fields.u32(4)?),
            user: UserId(fields.u32(8)?),
            created: Timestamp(fields.u64(16)?),
            expires: (expires != 0).then_some(Timestamp(expires)),
            canonical_id: fields.array(32)?,
            ..Self::default()
        };
        let mut secret = false;
        for section in fields.sections(FIXED_BYTES) {
            let section = section?;
            match section.tag {
                TAG_SECRET_KEY => {
                    secret = true;
                    record.secret_key = section.bytes.to_vec();
                }
                TAG_SESSION_TOKEN => record.session_token = Some(section.bytes.to_vec()),
                TAG_SESSION_POLICY => record.session_policy = Some(section.bytes.to_vec()),
                TAG_DISPLAY_NAME => record.display_name = Some(fields.text(&section)?),
                tag => record.others.push((tag, section.bytes.to_vec())),
            }
        }
        // A key without a secret would verify signatures made with the empty secret.
        if secret && !record.secret_key.is_empty() {
            Ok(record)
        } else {
            Err(fields.wrong(FIXED_BYTES, "no secret key"))
        }
    }

    /// Writes it.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(FIXED_BYTES);
        out.extend_from_slice(&[VERSION, flags(self.disabled, self.tenant_admin, self.root), 0, 0]);
        out.extend_from_slice(&self.tenant.0.to_le_bytes());
        out.extend_from_slice(&self.user.0.to_le_bytes());
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&self.created.0.to_le_bytes());
        out.extend_from_slice(&self.expires.unwrap_or_default().0.to_le_bytes());
        out.extend_from_slice(&self.canonical_id);
        let mut sections = SectionWriter::default();
        sections.put(TAG_SECRET_KEY, &self.secret_key);
        sections.put_some(TAG_SESSION_TOKEN, self.session_token.as_deref());
        sections.put_some(TAG_SESSION_POLICY, self.session_policy.as_deref());
        sections.put_some(TAG_DISPLAY_NAME, self.display_name.as_deref().map(str::as_bytes));
        sections.put_others(&self.others);
        sections.write(&mut out);
        out
    }
}

impl fmt::Debug for CredentialRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CredentialRecord")
            .field("tenant", &self.tenant)
            .field("user", &self.user)
            .field("disabled", &self.disabled)
            .field("created", &self.created)
            .field("expires", &self.expires)
            .finish_non_exhaustive()
    }
}
