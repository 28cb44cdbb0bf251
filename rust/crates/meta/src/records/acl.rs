//! Access control lists as bucket records (section 67) and object records (section 20) hold them.
//!
//! Belongs here: the bytes of a list of grants. Does not belong here: who may do what by it (crate `authz`), how a list
//! looks on the wire. The owner is no grant unless the list says so; a record without a list is its owner's alone.

use panthera_base::UserId;

use super::{Fields, RecordError};

/// What a grant allows, as bits. On the wire a grant has one of these names.
pub mod permission {
    #![allow(missing_docs)]
    pub const READ: u8 = 1;
    pub const WRITE: u8 = 2;
    pub const READ_ACP: u8 = 4;
    pub const WRITE_ACP: u8 = 8;
    pub const FULL_CONTROL: u8 = READ | WRITE | READ_ACP | WRITE_ACP;
}

const HEAD_BYTES: usize = 3;
const GRANT_BYTES: usize = 6;

/// Whom a grant is for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Grantee {
    /// A user; 0 is whoever does not sign.
    User(UserId),
    /// Everybody.
    AllUsers,
    /// Everybody who signs, of whatever tenant.
    AuthenticatedUsers,
    /// The service that delivers access logs.
    LogDelivery,
}

/// A line of a list.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Grant {
    /// For whom.
    pub grantee: Grantee,
    /// What, as bits of [`permission`].
    pub permissions: u8,
}

impl Grant {
    /// Everything, for a user.
    pub fn full_control(user: UserId) -> Self {
        Self { grantee: Grantee::User(user), permissions: permission::FULL_CONTROL }
    }
}

/// Reads a list. It is whole and right, or an error: half a list must grant nothing.
pub fn decode_acl(bytes: &[u8]) -> Result<impl ExactSizeIterator<Item = Grant> + Clone + '_, RecordError> {
    let fields = Fields::new("acl", bytes, HEAD_BYTES)?;
    let count = fields.u16(1)? as usize;
    let body = &bytes[HEAD_BYTES..];
    if body.len() != count * GRANT_BYTES {
        return Err(fields.wrong(1, "not as long as its count says"));
    }
    for (i, grant) in body.chunks_exact(GRANT_BYTES).enumerate() {
        read(grant).map_err(|what| fields.wrong(HEAD_BYTES + i * GRANT_BYTES, what))?;
    }
    let unread = Grant { grantee: Grantee::LogDelivery, permissions: 0 };
    Ok(body.chunks_exact(GRANT_BYTES).map(move |grant| read(grant).unwrap_or(unread)))
}

/// Writes a list. At most 65535 grants fit; callers allow 100.
pub fn encode_acl(grants: &[Grant]) -> Vec<u8> {
    let grants = &grants[..grants.len().min(u16::MAX as usize)];
    let mut out = Vec::with_capacity(HEAD_BYTES + grants.len() * GRANT_BYTES);
    out.push(super::VERSION);
    out.extend_from_slice(&(grants.len() as u16).to_le_bytes());
    for grant in grants {
        let (kind, user) = match grant.grantee {
            Grantee::User(user) => (0, user.0),
            Grantee::AllUsers => (1, 0),
            Grantee::AuthenticatedUsers => (2, 0),
            Grantee::LogDelivery => (3, 0),
        };
        out.push(kind);
        out.extend_from_slice(&u32::to_le_bytes(user));
        out.push(grant.permissions);
    }
    out
}

fn read(bytes: &[u8]) -> Result<Grant, &'static str> {
    let &[kind, a, b, c, d, permissions] = bytes else { return Err("ends inside a grant") };
    let user = u32::from_le_bytes([a, b, c, d]);
    let grantee = match (kind, user) {
        (0, user) => Grantee::User(UserId(user)),
        (1, 0) => Grantee::AllUsers,
        (2, 0) => Grantee::AuthenticatedUsers,
        (3, 0) => Grantee::LogDelivery,
        _ => return Err("unknown grantee"),
    };
    if permissions == 0 || permissions > permission::FULL_CONTROL {
        return Err("unknown permission");
    }
    Ok(Grant { grantee, permissions })
}
