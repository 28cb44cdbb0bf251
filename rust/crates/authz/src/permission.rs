//! Permissions as programs over relation masks, and which of Amazon's actions needs which permission.

use crate::model::{Relation as R, bits};

/// What may be done. Each is decided by relations on the target and everything above it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
pub enum Permission {
    /// Read an object's bytes, headers and tags.
    Read = 0,
    /// Create or replace an object, its parts and tags.
    Write = 1,
    /// Delete the current version.
    Delete = 2,
    /// See the names below a place.
    List = 3,
    /// Grant to others what one may do.
    Share = 4,
    /// Change configuration, policies and grants.
    Manage = 5,
    /// Retention, legal hold and bypass of governance; neither owner nor admin implies it.
    Compliance = 6,
    /// See that a key is there: who may list it or may read it.
    Discover = 7,
    /// Delete a version for good.
    DeleteVersion = 8,
    /// Know that the bucket is there.
    Know = 9,
}

/// One way to have a permission: some allow, and none of the denies.
type Clause = (u32, u32);

const FULL: u32 = bits::OWNER | bits::ADMIN;
const NEVER: Clause = (0, u32::MAX);
const DENY_ALL: u32 = R::DenyAll.bit();

impl Permission {
    /// Every permission with its name, in the order of its number.
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

    /// The permission of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, n)| *n == name).map(|(p, _)| *p)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        Self::ALL.get(self as usize).map_or("", |(_, n)| n)
    }

    const fn clauses(self) -> [Clause; 2] {
        const LIST_DENIES: u32 = R::DenyList.bit() | DENY_ALL;
        match self {
            Self::Read => [(FULL | R::Reader.bit(), R::DenyRead.bit() | DENY_ALL), NEVER],
            Self::Write => [(FULL | R::Writer.bit(), R::DenyWrite.bit() | DENY_ALL), NEVER],
            Self::Delete => [(FULL | R::Deleter.bit(), R::DenyDelete.bit() | DENY_ALL), NEVER],
            Self::List => [(FULL | R::Lister.bit(), LIST_DENIES), NEVER],
            Self::Share => [(FULL | R::Sharer.bit(), DENY_ALL), NEVER],
            // The tenant's own admins can always undo a deny, as an account's root can delete a bucket policy.
            Self::Manage => [(FULL, DENY_ALL), (bits::TENANT_ADMIN, 0)],
            Self::Compliance => [(R::Compliance.bit(), DENY_ALL), NEVER],
            Self::Discover => {
                [(FULL | R::Lister.bit(), LIST_DENIES), (R::Reader.bit(), LIST_DENIES | R::DenyRead.bit())]
            }
            Self::DeleteVersion => [(FULL, R::DenyDelete.bit() | DENY_ALL), NEVER],
            Self::Know => [(bits::ALLOWS, DENY_ALL), NEVER],
        }
    }

    /// Whether these allows and denies, gathered over all places above and the target, give the permission.
    #[inline]
    pub(crate) fn holds(self, allow: u32, deny: u32) -> bool {
        self.clauses().iter().any(|(some, none)| allow & some != 0 && deny & none == 0)
    }

    /// The denies that can take it away.
    pub(crate) fn denies(self) -> u32 {
        self.clauses().iter().filter(|c| c.0 != 0).fold(0, |all, c| all | c.1)
    }

    /// The allows that can give it.
    pub(crate) fn allows(self) -> u32 {
        self.clauses().iter().fold(0, |all, c| all | c.0)
    }

    /// What one of Amazon's actions needs. An action that is not named here configures something: it needs `Manage`,
    /// so that forgetting one closes and never opens.
    pub fn of_action(action: &str) -> Self {
        match action {
            "s3:GetObject"
            | "s3:GetObjectVersion"
            | "s3:GetObjectAttributes"
            | "s3:GetObjectVersionAttributes"
            | "s3:GetObjectTagging"
            | "s3:GetObjectVersionTagging"
            | "s3:GetObjectTorrent"
            | "s3:GetObjectVersionTorrent" => Self::Read,
            "s3:PutObject"
            | "s3:PutObjectTagging"
            | "s3:PutObjectVersionTagging"
            | "s3:DeleteObjectTagging"
            | "s3:DeleteObjectVersionTagging"
            | "s3:RestoreObject"
            | "s3:AbortMultipartUpload"
            | "s3:ListMultipartUploadParts" => Self::Write,
            "s3:DeleteObject" => Self::Delete,
            "s3:DeleteObjectVersion" => Self::DeleteVersion,
            "s3:ListBucket" | "s3:ListBucketVersions" | "s3:ListBucketMultipartUploads" => Self::List,
            "s3:GetObjectAcl" | "s3:GetObjectVersionAcl" | "s3:PutObjectAcl" | "s3:PutObjectVersionAcl" => Self::Share,
            "s3:GetObjectRetention"
            | "s3:PutObjectRetention"
            | "s3:GetObjectLegalHold"
            | "s3:PutObjectLegalHold"
            | "s3:BypassGovernanceRetention" => Self::Compliance,
            "s3:GetBucketLocation" => Self::Know,
            _ => Self::Manage,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names_agree() {
        for (i, (p, name)) in Permission::ALL.iter().enumerate() {
            assert_eq!((*p as usize, Permission::from_name(name)), (i, Some(*p)));
        }
    }

    #[test]
    fn a_deny_wins_over_every_allow_but_the_tenants_admin_undoes_denies() {
        for (p, _) in Permission::ALL {
            let held = p.holds(bits::ALLOWS, DENY_ALL);
            assert!(!held, "{p:?}");
        }
        assert!(Permission::Manage.holds(bits::TENANT_ADMIN | bits::ADMIN, DENY_ALL));
        assert!(!Permission::Read.holds(bits::TENANT_ADMIN | bits::ADMIN, DENY_ALL));
        assert!(!Permission::Compliance.holds(bits::TENANT_ADMIN | FULL, 0));
    }

    #[test]
    fn who_reads_discovers_unless_names_are_denied() {
        let reader = R::Reader.bit();
        assert!(Permission::Discover.holds(reader, 0) && !Permission::List.holds(reader, 0));
        assert!(!Permission::Discover.holds(reader, R::DenyList.bit()));
        assert!(!Permission::Discover.holds(reader, R::DenyRead.bit()));
        assert!(Permission::Discover.holds(reader | R::Lister.bit(), R::DenyRead.bit()));
    }

    #[test]
    fn an_action_nobody_thought_of_needs_management() {
        assert_eq!(Permission::of_action("s3:SomethingNew"), Permission::Manage);
        assert_eq!(Permission::of_action("s3:GetObject"), Permission::Read);
    }
}
