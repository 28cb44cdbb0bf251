//! Permissions by number and name, the clauses that decide them, and which of Amazon's actions needs which.

use std::fmt;

use crate::error::AuthzError;
use crate::model::schema::PERMISSIONS;
use crate::model::{Relation as R, bits};

/// What may be done. Each is decided by relations on the target and everything above it, as the schema of the tenant
/// says. Those below every schema has; a tenant's own have the numbers after them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Permission(u8);

// Written as the variants they are to their readers.
#[allow(non_upper_case_globals)]
impl Permission {
    /// Read an object's bytes, headers and tags.
    pub const Read: Self = Self(0);
    /// Create or replace an object, its parts and tags.
    pub const Write: Self = Self(1);
    /// Delete the current version.
    pub const Delete: Self = Self(2);
    /// See the names below a place.
    pub const List: Self = Self(3);
    /// Grant to others what one may do.
    pub const Share: Self = Self(4);
    /// Change configuration, policies and grants.
    pub const Manage: Self = Self(5);
    /// Retention, legal hold and bypass of governance; neither owner nor admin implies it.
    pub const Compliance: Self = Self(6);
    /// See that a key is there: who may list it or may read it.
    pub const Discover: Self = Self(7);
    /// Delete a version for good.
    pub const DeleteVersion: Self = Self(8);
    /// Know that the bucket is there.
    pub const Know: Self = Self(9);
}

const FULL: u32 = bits::OWNER | bits::ADMIN;
const DENY_ALL: u32 = R::DenyAll.bit();

/// One way to have a permission: at least one of some allows, all of others, and none of the denies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Clause {
    pub(crate) some: u32,
    pub(crate) every: u32,
    pub(crate) none: u32,
}

/// A permission as one schema has it: any of its clauses. Without a clause nobody has it.
#[derive(Clone, Copy)]
pub(crate) struct Rule<'a>(pub(crate) &'a [Clause]);

impl Rule<'_> {
    /// Whether these allows and denies, gathered over all places above and the target, give the permission.
    #[inline]
    pub(crate) fn holds(self, allow: u32, deny: u32) -> bool {
        self.0.iter().any(|c| allow & c.some != 0 && deny & c.none == 0 && allow & c.every == c.every)
    }

    /// The denies that can take it away.
    pub(crate) fn denies(self) -> u32 {
        self.0.iter().fold(0, |all, c| all | c.none)
    }

    /// The allows that can give it.
    pub(crate) fn allows(self) -> u32 {
        self.0.iter().fold(0, |all, c| all | c.some | c.every)
    }
}

impl fmt::Debug for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Self::ALL.get(usize::from(self.0)) {
            Some((_, name)) => f.write_str(name),
            None => write!(f, "own{}", self.0),
        }
    }
}

impl Permission {
    /// Every permission that is built in with its name, in the order of its number.
    pub const ALL: [(Permission, &'static str); 10] = [
        (Permission::Read, "read"),
        (Permission::Write, "write"),
        (Permission::Delete, "delete"),
        (Permission::List, "list"),
        (Permission::Share, "share"),
        (Permission::Manage, "manage"),
        (Permission::Compliance, "compliance"),
        (Permission::Discover, "discover"),
        (Permission::DeleteVersion, "delete_version"),
        (Permission::Know, "know"),
    ];

    /// The built-in permission of a name; [`crate::Schema::permission`] knows a tenant's own too.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, n)| *n == name).map(|(p, _)| *p)
    }

    /// The name of one that is built in; those of a tenant's own are in its schema.
    pub fn name(self) -> &'static str {
        Self::ALL.get(usize::from(self.0)).map_or("a permission of the tenant's schema", |(_, n)| n)
    }

    /// Its number: its place in the schema.
    pub fn number(self) -> u8 {
        self.0
    }

    /// The permission of a number. Whether a schema has it is another question.
    pub fn from_number(number: u8) -> Result<Self, AuthzError> {
        if usize::from(number) < PERMISSIONS {
            return Ok(Self(number));
        }
        Err(AuthzError::Invalid(format!("{number} is no permission's number")))
    }

    pub(crate) const fn from_place(place: u8) -> Self {
        Self(place)
    }

    /// The clauses of those that are built in, as `authz/default.schema` says them.
    pub(crate) fn built_in(self) -> Vec<Clause> {
        const LIST_DENIES: u32 = R::DenyList.bit() | DENY_ALL;
        let any = |some: u32, none: u32| Clause { some, every: 0, none };
        match self {
            Self::Read => vec![any(FULL | R::Reader.bit(), R::DenyRead.bit() | DENY_ALL)],
            Self::Write => vec![any(FULL | R::Writer.bit(), R::DenyWrite.bit() | DENY_ALL)],
            Self::Delete => vec![any(FULL | R::Deleter.bit(), R::DenyDelete.bit() | DENY_ALL)],
            Self::List => vec![any(FULL | R::Lister.bit(), LIST_DENIES)],
            Self::Share => vec![any(FULL | R::Sharer.bit(), DENY_ALL)],
            // The tenant's own admins can always undo a deny, as an account's root can delete a bucket policy.
            Self::Manage => vec![any(FULL, DENY_ALL), any(bits::TENANT_ADMIN, 0)],
            Self::Compliance => vec![any(R::Compliance.bit(), DENY_ALL)],
            Self::Discover => {
                vec![any(FULL | R::Lister.bit(), LIST_DENIES), any(R::Reader.bit(), LIST_DENIES | R::DenyRead.bit())]
            }
            Self::DeleteVersion => vec![any(FULL, R::DenyDelete.bit() | DENY_ALL)],
            Self::Know => vec![any(bits::ALLOWS & !R::Manager.bit(), DENY_ALL)],
            _ => Vec::new(),
        }
    }

    /// What one of Amazon's actions needs. An action that is not named here configures something: it needs `Manage`,
    /// so that forgetting one closes and never opens.
    pub const fn of_action(action: &str) -> Self {
        match action.as_bytes() {
            b"s3:GetObject"
            | b"s3:GetObjectVersion"
            | b"s3:GetObjectAttributes"
            | b"s3:GetObjectVersionAttributes"
            | b"s3:GetObjectTagging"
            | b"s3:GetObjectVersionTagging"
            | b"s3:GetObjectTorrent"
            | b"s3:GetObjectVersionTorrent" => Self::Read,
            b"s3:PutObject"
            | b"s3:PutObjectTagging"
            | b"s3:PutObjectVersionTagging"
            | b"s3:DeleteObjectTagging"
            | b"s3:DeleteObjectVersionTagging"
            | b"s3:RestoreObject" => Self::Write,
            // What others upload is theirs (`beside` has the initiator's own right): to write is not enough.
            b"s3:DeleteObject" | b"s3:AbortMultipartUpload" => Self::Delete,
            b"s3:DeleteObjectVersion" => Self::DeleteVersion,
            b"s3:ListBucket"
            | b"s3:ListBucketVersions"
            | b"s3:ListBucketMultipartUploads"
            | b"s3:ListMultipartUploadParts" => Self::List,
            b"s3:GetObjectAcl" | b"s3:GetObjectVersionAcl" | b"s3:PutObjectAcl" | b"s3:PutObjectVersionAcl" => {
                Self::Share
            }
            b"s3:GetObjectRetention"
            | b"s3:PutObjectRetention"
            | b"s3:GetObjectLegalHold"
            | b"s3:PutObjectLegalHold"
            | b"s3:BypassGovernanceRetention" => Self::Compliance,
            b"s3:GetBucketLocation" => Self::Know,
            _ => Self::Manage,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::schema::Schema;

    fn rule(permission: Permission) -> Rule<'static> {
        Schema::built_in().rule(permission)
    }

    #[test]
    fn numbers_and_names_agree() {
        for (i, (p, name)) in Permission::ALL.iter().enumerate() {
            assert_eq!((usize::from(p.number()), Permission::from_name(name)), (i, Some(*p)));
        }
    }

    #[test]
    fn a_deny_wins_over_every_allow_but_the_tenants_admin_undoes_denies() {
        for (p, _) in Permission::ALL {
            let held = rule(p).holds(bits::ALLOWS, DENY_ALL);
            assert!(!held, "{p:?}");
        }
        assert!(rule(Permission::Manage).holds(bits::TENANT_ADMIN | bits::ADMIN, DENY_ALL));
        assert!(!rule(Permission::Read).holds(bits::TENANT_ADMIN | bits::ADMIN, DENY_ALL));
        assert!(!rule(Permission::Compliance).holds(bits::TENANT_ADMIN | FULL, 0));
    }

    #[test]
    fn who_reads_discovers_unless_names_are_denied() {
        let reader = R::Reader.bit();
        assert!(rule(Permission::Discover).holds(reader, 0) && !rule(Permission::List).holds(reader, 0));
        assert!(!rule(Permission::Discover).holds(reader, R::DenyList.bit()));
        assert!(!rule(Permission::Discover).holds(reader, R::DenyRead.bit()));
        assert!(rule(Permission::Discover).holds(reader | R::Lister.bit(), R::DenyRead.bit()));
    }

    #[test]
    fn an_action_nobody_thought_of_needs_management() {
        assert_eq!(Permission::of_action("s3:SomethingNew"), Permission::Manage);
        assert_eq!(Permission::of_action("s3:GetObject"), Permission::Read);
    }
}
