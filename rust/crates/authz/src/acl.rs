//! Access control lists: what the grants of a bucket or of an object allow. Pure: compiled bytes in, an answer out.
//!
//! Belongs here: which permission an action needs of which list, whom a grant is for, and what owners may in any case.
//! Does not belong here: policies and relations, or how they combine with lists (`authorizer`).
//!
//! How owners stand (AWS, "Access control list overview", "Controlling ownership of objects"):
//! - Where the bucket's owner owns every object ([`Ownership::BucketOwnerEnforced`]) lists decide nothing: [`allows`]
//!   answers no to everything, and whatever else grants access does.
//! - Elsewhere a list that was never written gives its owner everything and nobody else anything. A list that was written
//!   is all there is, but its owner may read and write *it* always: nobody can lock himself out for good.
//! - An object belongs to who wrote it. Where that is another account than the bucket's, what the bucket's account may by
//!   its own relations and policies does not reach the object's content and list: see [`withheld`]. The bucket's owner
//!   may still refuse it to others and delete it.
//! - Whoever does not sign is user 0: the owner of what came unsigned, and nobody else's.
//!
//! Bytes that are no list grant nothing, not even to the owner, who has the right to write a new one.

use panthera_base::UserId;
use panthera_meta::records::{Grantee, Ownership, decode_acl, permission};

/// Who asks, as grants know people.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Who {
    /// Nobody signed.
    Anonymous,
    /// A user of whatever tenant.
    User(UserId),
}

impl Who {
    fn number(self) -> UserId {
        match self {
            Self::Anonymous => UserId(0),
            Self::User(user) => user,
        }
    }

    /// Whether this is the owner with that number. A signed request of no user owns nothing.
    fn is(self, owner: UserId) -> bool {
        self.number() == owner && (owner != UserId(0) || self == Self::Anonymous)
    }
}

/// What the list grants, as bits of [`permission`]. Bytes that are no list grant nothing.
pub fn grants(acl: &[u8], who: Who) -> u8 {
    granted(acl, who, true)
}

/// The same without the grants to groups, which `IgnorePublicAcls` takes for void.
pub fn grants_to_users(acl: &[u8], who: Who) -> u8 {
    granted(acl, who, false)
}

fn granted(acl: &[u8], who: Who, groups: bool) -> u8 {
    let Ok(list) = decode_acl(acl) else { return 0 };
    list.filter(|grant| match grant.grantee {
        Grantee::User(user) => who.is(user),
        Grantee::AllUsers => groups,
        Grantee::AuthenticatedUsers => groups && who != Who::Anonymous,
        // No request comes from there.
        Grantee::LogDelivery => false,
    })
    .fold(0, |bits, grant| bits | grant.permissions)
}

/// Whether the list has a public grant: one to everybody, or to everybody who signs, which anybody can be (AWS, "The
/// meaning of public"). What is no list is none.
pub fn is_public(acl: &[u8]) -> bool {
    decode_acl(acl).is_ok_and(|mut list| {
        list.any(|grant| matches!(grant.grantee, Grantee::AllUsers | Grantee::AuthenticatedUsers))
    })
}

/// The list that decides about an action.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum List {
    /// The bucket's.
    Bucket,
    /// The object's.
    Object,
}

/// What an action needs of a list.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Need {
    /// Which list.
    pub list: List,
    /// One bit of [`permission`].
    pub permission: u8,
    /// It serves the bucket's owner only.
    pub owner_only: bool,
}

/// AWS's table "Mapping of ACL permissions and access policy permissions". `None`: no list grants this action.
pub fn needed(action: &str) -> Option<Need> {
    use permission::{READ, READ_ACP, WRITE, WRITE_ACP};
    let (list, permission, owner_only) = match action {
        "s3:ListBucket" | "s3:ListBucketVersions" | "s3:ListBucketMultipartUploads" => (List::Bucket, READ, false),
        "s3:PutObject" | "s3:DeleteObject" => (List::Bucket, WRITE, false),
        "s3:DeleteObjectVersion" => (List::Bucket, WRITE, true),
        "s3:GetBucketAcl" => (List::Bucket, READ_ACP, false),
        "s3:PutBucketAcl" => (List::Bucket, WRITE_ACP, false),
        "s3:GetObject"
        | "s3:GetObjectVersion"
        | "s3:GetObjectAttributes"
        | "s3:GetObjectVersionAttributes"
        | "s3:GetObjectTorrent"
        | "s3:GetObjectVersionTorrent" => (List::Object, READ, false),
        "s3:GetObjectAcl" | "s3:GetObjectVersionAcl" => (List::Object, READ_ACP, false),
        "s3:PutObjectAcl" | "s3:PutObjectVersionAcl" => (List::Object, WRITE_ACP, false),
        _ => return None,
    };
    Some(Need { list, permission, owner_only })
}

/// The object an action is on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Object<'a> {
    /// None, or none that is stored.
    None,
    /// The one this request makes: it is its maker's, who may say what its list is.
    New,
    /// A stored version: its owner and its list.
    Stored(UserId, Option<&'a [u8]>),
}

/// The lists that bear on an action.
#[derive(Clone, Copy, Debug)]
pub struct Lists<'a> {
    /// Who owns the bucket's objects.
    pub ownership: Ownership,
    /// The bucket's owner.
    pub bucket_owner: UserId,
    /// The bucket's list.
    pub bucket_acl: Option<&'a [u8]>,
    /// The object.
    pub object: Object<'a>,
    /// The bucket's public access block says `IgnorePublicAcls`.
    pub ignore_public: bool,
}

/// Whether the lists allow an action. No is no deny: something else may allow it.
pub fn allows(action: &str, who: Who, lists: &Lists<'_>) -> bool {
    if lists.ownership == Ownership::BucketOwnerEnforced {
        return false;
    }
    let Some(need) = needed(action) else { return false };
    let (owner, acl, permission) = match (need.list, lists.object) {
        (List::Bucket, _) => (lists.bucket_owner, lists.bucket_acl, need.permission),
        (List::Object, Object::Stored(owner, acl)) => (owner, acl, need.permission),
        (List::Object, Object::New) if need.permission == permission::WRITE_ACP => {
            (lists.bucket_owner, lists.bucket_acl, permission::WRITE)
        }
        (List::Object, Object::New | Object::None) => return false,
    };
    let owns = who.is(owner);
    if need.owner_only && !owns {
        return false;
    }
    let bits = match acl {
        None if owns => permission::FULL_CONTROL,
        None => 0,
        Some(acl) if lists.ignore_public => grants_to_users(acl, who),
        Some(acl) => grants(acl, who),
    };
    let always = if owns { permission::READ_ACP | permission::WRITE_ACP } else { 0 };
    (bits | always) & permission != 0
}

/// Whether the bucket's own account needs the object's list for this action, because the object is another account's
/// (`foreign`: its owner belongs to another tenant than the bucket, or is nobody): relations and policies of the bucket's
/// account then do not allow it. Deleting is not withheld.
pub fn withheld(action: &str, ownership: Ownership, foreign: bool) -> bool {
    foreign
        && ownership != Ownership::BucketOwnerEnforced
        && needed(action).is_some_and(|need| need.list == List::Object)
}

#[cfg(test)]
#[path = "acl_tests.rs"]
mod tests;
