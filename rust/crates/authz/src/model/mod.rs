//! The words of the relationship model: who (grantees), what about (targets), how (relations), tuples of them, and the
//! rules that make a tuple well-formed. No storage and no evaluation here.

pub(crate) mod codec;
pub(crate) mod condition;
pub(crate) mod permission;
pub(crate) mod schema;

use std::fmt;

use panthera_base::limits::KEY_BYTES;
use panthera_base::{BucketId, TenantId, Timestamp, UserId};

use crate::error::AuthzError;

pub use codec::{Event, LogEntry, tuple_row};
pub use condition::{Condition, Facts, NETWORKS, Network, Window};
pub use permission::Permission;
pub use schema::{CLAUSES, COMPILED_BYTES, Class, Declared, NAME_BYTES, PERMISSIONS, SOURCE_BYTES, Schema};

/// Greatest tenant number that fits a packed [`Grantee`]: 28 bits, 268 million tenants.
pub const TENANT_MAX: u32 = (1 << 28) - 1;

/// What kind of grantee or id-named thing a packed number is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
pub enum Kind {
    /// Nobody: the grantee of a flag (`isolated`, `exported`, `open`).
    Itself = 0,
    /// Everybody, signed or not.
    Anyone = 1,
    /// Everybody who signed, of any tenant.
    Authenticated = 2,
    /// Every user and service of one tenant.
    TenantMember = 3,
    /// A user.
    User = 4,
    /// A service.
    Service = 5,
    /// The members of a group; as a target, the group.
    Group = 6,
    /// The assignees of a role; as a target, the role.
    Role = 7,
    /// The bearer of a share; as a target, the share.
    Share = 8,
    /// A tenant, as a target only.
    Tenant = 9,
}

const KINDS: [Kind; 10] = [
    Kind::Itself,
    Kind::Anyone,
    Kind::Authenticated,
    Kind::TenantMember,
    Kind::User,
    Kind::Service,
    Kind::Group,
    Kind::Role,
    Kind::Share,
    Kind::Tenant,
];

impl Kind {
    /// Its bit in the kinds that a schema lets a relation be granted to.
    pub(crate) const fn bit(self) -> u16 {
        1 << self as u8
    }
}

/// A grantee in 64 bits: kind (4), tenant (28), number (32). Tenant is part of the identity, so equal numbers of two
/// tenants are never the same grantee. Ordered by kind, tenant, number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Grantee(u64);

impl Grantee {
    /// The grantee of a flag.
    pub const ITSELF: Grantee = Grantee(0);
    /// Everybody, signed or not.
    pub const ANYONE: Grantee = Grantee((Kind::Anyone as u64) << 60);
    /// Everybody who signed.
    pub const AUTHENTICATED: Grantee = Grantee((Kind::Authenticated as u64) << 60);

    fn pack(kind: Kind, tenant: TenantId, id: u32) -> Result<Self, AuthzError> {
        if tenant.0 > TENANT_MAX {
            return Err(AuthzError::Invalid(format!(
                "tenant {tenant} is above {TENANT_MAX}, the greatest that can be"
            )));
        }
        Ok(Self((kind as u64) << 60 | u64::from(tenant.0) << 32 | u64::from(id)))
    }

    /// A user of a tenant.
    pub fn user(tenant: TenantId, user: UserId) -> Result<Self, AuthzError> {
        Self::pack(Kind::User, tenant, user.0)
    }

    /// A service of a tenant.
    pub fn service(tenant: TenantId, service: UserId) -> Result<Self, AuthzError> {
        Self::pack(Kind::Service, tenant, service.0)
    }

    /// `group#member`.
    pub fn group(tenant: TenantId, group: u32) -> Result<Self, AuthzError> {
        Self::pack(Kind::Group, tenant, group)
    }

    /// `role#assignee`.
    pub fn role(tenant: TenantId, role: u32) -> Result<Self, AuthzError> {
        Self::pack(Kind::Role, tenant, role)
    }

    /// The bearer of a share.
    pub fn share(tenant: TenantId, share: u32) -> Result<Self, AuthzError> {
        Self::pack(Kind::Share, tenant, share)
    }

    /// `tenant#member`.
    pub fn tenant_member(tenant: TenantId) -> Result<Self, AuthzError> {
        Self::pack(Kind::TenantMember, tenant, 0)
    }

    pub(crate) fn tenant_target(tenant: TenantId) -> Result<Self, AuthzError> {
        Self::pack(Kind::Tenant, tenant, 0)
    }

    /// From the packed form, as rows and the language border hold it.
    pub fn from_bits(bits: u64) -> Result<Self, AuthzError> {
        let known = KINDS.get((bits >> 60) as usize);
        let plain = match known {
            Some(Kind::Itself | Kind::Anyone | Kind::Authenticated) => bits << 4 == 0,
            Some(Kind::TenantMember | Kind::Tenant) => bits as u32 == 0,
            Some(_) => true,
            None => false,
        };
        if plain { Ok(Self(bits)) } else { Err(AuthzError::Invalid(format!("{bits:#018x} is no grantee"))) }
    }

    /// The packed form.
    pub fn bits(self) -> u64 {
        self.0
    }

    pub(crate) const fn from_raw(bits: u64) -> Self {
        Self(bits)
    }

    /// What kind it is.
    pub fn kind(self) -> Kind {
        KINDS.get((self.0 >> 60) as usize).copied().unwrap_or(Kind::Itself)
    }

    /// Its tenant; 0 for those that have none.
    pub fn tenant(self) -> TenantId {
        TenantId((self.0 >> 32) as u32 & TENANT_MAX)
    }

    /// Its number within the kind.
    pub fn id(self) -> u32 {
        self.0 as u32
    }

    /// Whether others can be in it: a group or a role.
    pub fn is_container(self) -> bool {
        matches!(self.kind(), Kind::Group | Kind::Role)
    }
}

impl fmt::Display for Grantee {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (tenant, id) = (self.tenant(), self.id());
        match self.kind() {
            Kind::Itself => f.write_str("itself"),
            Kind::Anyone => f.write_str("anyone"),
            Kind::Authenticated => f.write_str("authenticated"),
            Kind::TenantMember => write!(f, "tenant:{tenant}#member"),
            Kind::User => write!(f, "user:{tenant}/{id}"),
            Kind::Service => write!(f, "service:{tenant}/{id}"),
            Kind::Group => write!(f, "group:{tenant}/{id}#member"),
            Kind::Role => write!(f, "role:{tenant}/{id}#assignee"),
            Kind::Share => write!(f, "share:{tenant}/{id}"),
            Kind::Tenant => write!(f, "tenant:{tenant}"),
        }
    }
}

impl fmt::Debug for Grantee {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// How a grantee stands to a target. The number is the bit in a relation mask and the byte in a row. Those built in are
/// never reused; a tenant's schema gives the others their names and takes them back (`schema`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Relation(u8);

// Written as the variants they are to their readers.
#[allow(missing_docs, non_upper_case_globals)]
impl Relation {
    pub const Owner: Self = Self(0);
    pub const Admin: Self = Self(1);
    pub const Reader: Self = Self(2);
    pub const Writer: Self = Self(3);
    pub const Deleter: Self = Self(4);
    pub const Lister: Self = Self(5);
    pub const Sharer: Self = Self(6);
    pub const Compliance: Self = Self(7);
    pub const DenyRead: Self = Self(8);
    pub const DenyWrite: Self = Self(9);
    pub const DenyDelete: Self = Self(10);
    pub const DenyList: Self = Self(11);
    pub const DenyAll: Self = Self(12);
    /// Flag of a prefix: allows from above stop here.
    pub const Isolated: Self = Self(13);
    pub const Member: Self = Self(14);
    pub const Manager: Self = Self(15);
    pub const Assignee: Self = Self(16);
    /// Flag of a group: other tenants may name it in their tuples.
    pub const Exported: Self = Self(17);
    /// Flag of a group: it may have members of other tenants.
    pub const Open: Self = Self(18);
}

/// The first number of a tenant's own relations.
pub(crate) const OWN_FIRST: u8 = 19;
/// How many relations of its own a tenant can have: a mask has 32 bits, two of which are the engine's.
pub const OWN_RELATIONS: u8 = 11;

impl Relation {
    /// Every relation that is built in with its name, in the order of its number.
    pub const ALL: [(Relation, &'static str); 19] = [
        (Relation::Owner, "owner"),
        (Relation::Admin, "admin"),
        (Relation::Reader, "reader"),
        (Relation::Writer, "writer"),
        (Relation::Deleter, "deleter"),
        (Relation::Lister, "lister"),
        (Relation::Sharer, "sharer"),
        (Relation::Compliance, "compliance"),
        (Relation::DenyRead, "deny_read"),
        (Relation::DenyWrite, "deny_write"),
        (Relation::DenyDelete, "deny_delete"),
        (Relation::DenyList, "deny_list"),
        (Relation::DenyAll, "deny_all"),
        (Relation::Isolated, "isolated"),
        (Relation::Member, "member"),
        (Relation::Manager, "manager"),
        (Relation::Assignee, "assignee"),
        (Relation::Exported, "exported"),
        (Relation::Open, "open"),
    ];

    /// Its number.
    pub const fn number(self) -> u8 {
        self.0
    }

    /// Its bit in a mask.
    pub const fn bit(self) -> u32 {
        1 << self.0
    }

    /// The relations of a mask, ascending. Bits that are no relation's are left out.
    pub fn of_mask(mask: u32) -> impl Iterator<Item = Self> {
        (0..OWN_FIRST + OWN_RELATIONS).map(Self).filter(move |r| mask & r.bit() != 0)
    }

    /// Whether it is one of a tenant's own, which its schema names.
    pub fn is_own(self) -> bool {
        self.0 >= OWN_FIRST
    }

    /// The name of one that is built in; those of a tenant's own are named by [`crate::Schema::name_of`].
    pub fn name(self) -> &'static str {
        Self::ALL.get(usize::from(self.0)).map_or("a relation of the tenant's schema", |(_, name)| name)
    }

    /// The relation of a name that is built in.
    pub fn from_name(name: &str) -> Result<Self, AuthzError> {
        Self::ALL.iter().find(|(_, n)| *n == name).map(|(r, _)| *r).ok_or_else(|| {
            let names: Vec<_> = Self::ALL.iter().map(|(_, n)| *n).collect();
            AuthzError::Invalid(format!("no relation is called {name:?}; there are {}", names.join(", ")))
        })
    }

    /// The relation of a number.
    pub fn from_number(number: u8) -> Result<Self, AuthzError> {
        if number < OWN_FIRST + OWN_RELATIONS {
            return Ok(Self(number));
        }
        Err(AuthzError::Invalid(format!("{number} is no relation's number")))
    }

    /// Whether it is a built-in one that takes rights away. Of a tenant's own its schema knows.
    pub fn denies(self) -> bool {
        self.bit() & bits::DENIES != 0
    }
}

impl fmt::Debug for Relation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_own() { write!(f, "own{}", self.0) } else { f.write_str(self.name()) }
    }
}

/// Masks of relation bits.
pub(crate) mod bits {
    use super::Relation as R;

    pub(crate) const OWNER: u32 = R::Owner.bit();
    pub(crate) const ADMIN: u32 = R::Admin.bit();
    pub(crate) const ISOLATED: u32 = R::Isolated.bit();
    pub(crate) const CONTAINS: u32 = R::Member.bit() | R::Assignee.bit();
    pub(crate) const EXPORTED: u32 = R::Exported.bit();
    pub(crate) const OPEN: u32 = R::Open.bit();
    pub(crate) const ALLOWS: u32 = OWNER
        | ADMIN
        | R::Reader.bit()
        | R::Writer.bit()
        | R::Deleter.bit()
        | R::Lister.bit()
        | R::Sharer.bit()
        | R::Compliance.bit()
        | R::Manager.bit();
    pub(crate) const DENIES: u32 =
        R::DenyRead.bit() | R::DenyWrite.bit() | R::DenyDelete.bit() | R::DenyList.bit() | R::DenyAll.bit();
    /// Not a relation: `owner` or `admin` held on the tenant itself; what escapes `isolated` and, for management, denies.
    pub(crate) const TENANT_ADMIN: u32 = 1 << 30;
}

/// Names for several relations at once; expanded when they are written, so only relations are stored.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Bundle {
    /// Reads and lists.
    Viewer,
    /// Reads, lists and writes.
    Contributor,
    /// Reads, lists, writes and deletes.
    Editor,
}

impl Bundle {
    /// What it stands for.
    pub fn relations(self) -> &'static [Relation] {
        const ALL: [Relation; 4] = [Relation::Reader, Relation::Lister, Relation::Writer, Relation::Deleter];
        match self {
            Self::Viewer => &ALL[..2],
            Self::Contributor => &ALL[..3],
            Self::Editor => &ALL,
        }
    }

    /// The bundle of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "viewer" => Some(Self::Viewer),
            "contributor" => Some(Self::Contributor),
            "editor" => Some(Self::Editor),
            _ => None,
        }
    }
}

/// What a tuple is about, within its tenant. Paths are the exact bytes storage uses: nothing is normalised.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Place {
    /// The tenant itself.
    Tenant,
    /// A group.
    Group(u32),
    /// A role.
    Role(u32),
    /// A share.
    Share(u32),
    /// A bucket.
    Bucket(BucketId),
    /// Everything whose key begins with these bytes, which end in `/`.
    Prefix(BucketId, Vec<u8>),
    /// The object with exactly this key. Its key may end in `/`; it is still not the prefix.
    Object(BucketId, Vec<u8>),
}

/// A place and the tenant that owns it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Target {
    /// The owner.
    pub tenant: TenantId,
    /// What.
    pub place: Place,
}

impl Target {
    /// A place of a tenant.
    pub fn new(tenant: TenantId, place: Place) -> Self {
        Self { tenant, place }
    }

    /// The number of a target that is named by number, packed like a grantee; `None` inside a bucket.
    pub(crate) fn packed(&self) -> Result<Option<Grantee>, AuthzError> {
        match self.place {
            Place::Tenant => Grantee::tenant_target(self.tenant).map(Some),
            Place::Group(id) => Grantee::group(self.tenant, id).map(Some),
            Place::Role(id) => Grantee::role(self.tenant, id).map(Some),
            Place::Share(id) => Grantee::share(self.tenant, id).map(Some),
            Place::Bucket(_) | Place::Prefix(..) | Place::Object(..) => Ok(None),
        }
    }

    /// Bucket, path and whether it is an object; the bucket itself is the prefix without bytes.
    pub(crate) fn in_bucket(&self) -> Option<(BucketId, &[u8], bool)> {
        match &self.place {
            Place::Bucket(bucket) => Some((*bucket, &[], false)),
            Place::Prefix(bucket, path) => Some((*bucket, path, false)),
            Place::Object(bucket, key) => Some((*bucket, key, true)),
            _ => None,
        }
    }

    fn validate(&self) -> Result<(), AuthzError> {
        let invalid = |text: String| Err(AuthzError::Invalid(text));
        Grantee::tenant_target(self.tenant)?;
        match &self.place {
            Place::Prefix(_, path) if path.is_empty() => {
                invalid("a prefix has bytes; grant on the bucket instead".into())
            }
            Place::Prefix(_, path) if !path.ends_with(b"/") => {
                invalid(format!("a grant on a prefix ends in '/': {:?} does not", String::from_utf8_lossy(path)))
            }
            Place::Object(_, key) if key.is_empty() => invalid("an object's key has at least one byte".into()),
            Place::Prefix(_, path) | Place::Object(_, path) if path.len() > KEY_BYTES => {
                invalid(format!("a path of {} bytes; {KEY_BYTES} can be", path.len()))
            }
            _ => Ok(()),
        }
    }

    /// Its type, as a bit of the types that a schema lets a relation stand on.
    pub(crate) fn type_bit(&self) -> u8 {
        match self.place {
            Place::Tenant => types::TENANT,
            Place::Bucket(_) => types::BUCKET,
            Place::Prefix(..) => types::PREFIX,
            Place::Object(..) => types::OBJECT,
            Place::Group(_) => types::GROUP,
            Place::Role(_) => types::ROLE,
            Place::Share(_) => types::SHARE,
        }
    }

    fn type_name(&self) -> &'static str {
        match self.place {
            Place::Tenant => "a tenant",
            Place::Group(_) => "a group",
            Place::Role(_) => "a role",
            Place::Share(_) => "a share",
            Place::Bucket(_) => "a bucket",
            Place::Prefix(..) => "a prefix",
            Place::Object(..) => "an object",
        }
    }
}

/// Types of targets, as bits.
pub(crate) mod types {
    pub(crate) const TENANT: u8 = 1;
    pub(crate) const BUCKET: u8 = 2;
    pub(crate) const PREFIX: u8 = 4;
    pub(crate) const OBJECT: u8 = 8;
    pub(crate) const GROUP: u8 = 16;
    pub(crate) const ROLE: u8 = 32;
    pub(crate) const SHARE: u8 = 64;
    /// What a path leads through.
    pub(crate) const PLACES: u8 = TENANT | BUCKET | PREFIX | OBJECT;
}

/// What identifies a tuple: there is at most one with the same target, relation and grantee.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct TupleKey {
    /// On what.
    pub target: Target,
    /// How.
    pub relation: Relation,
    /// Who.
    pub grantee: Grantee,
}

/// A relation that holds, until it expires and while its condition does.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Tuple {
    /// Target, relation and grantee.
    pub key: TupleKey,
    /// The first moment at which it no longer holds.
    pub expires_at: Option<Timestamp>,
    /// What else must be true.
    pub condition: Option<Condition>,
}

impl TupleKey {
    /// Whether such a tuple can be at all, whatever the schema.
    pub(crate) fn validate(&self) -> Result<(), AuthzError> {
        self.target.validate()?;
        if self.relation == Relation::Member && self.target.packed()? == Some(self.grantee) {
            return Err(self.not_grantable("member"));
        }
        Ok(())
    }

    /// Whether the schema of the target's tenant has such tuples; the message says which it has.
    pub(crate) fn conforms(&self, schema: &Schema) -> Result<(), AuthzError> {
        let target = self.target.type_bit();
        let Some(declared) = schema.declared(self.relation).filter(|d| d.targets & target != 0) else {
            let takes: Vec<_> = schema.relations().filter(|d| d.targets & target != 0).map(|d| &*d.name).collect();
            return Err(AuthzError::Invalid(format!(
                "{} has no relation {}; it has {}",
                self.target.type_name(),
                schema.name_of(self.relation),
                takes.join(", ")
            )));
        };
        if declared.subjects & self.grantee.kind().bit() == 0 {
            return Err(self.not_grantable(&declared.name));
        }
        Ok(())
    }

    fn not_grantable(&self, relation: &str) -> AuthzError {
        AuthzError::Invalid(format!("{relation} cannot be granted to {}", self.grantee))
    }
}

impl Tuple {
    /// A tuple that holds always.
    pub fn new(target: Target, relation: Relation, grantee: Grantee) -> Self {
        Self { key: TupleKey { target, relation, grantee }, expires_at: None, condition: None }
    }

    /// The same with an expiry.
    pub fn until(mut self, expires_at: Timestamp) -> Self {
        self.expires_at = Some(expires_at);
        self
    }

    /// The same with a condition.
    pub fn when(mut self, condition: Condition) -> Self {
        self.condition = Some(condition);
        self
    }

    /// Whether such a tuple can be at all, whatever the schema.
    pub(crate) fn validate(&self) -> Result<(), AuthzError> {
        self.key.validate()?;
        if self.expires_at == Some(Timestamp(0)) {
            return Err(AuthzError::Invalid("a tuple cannot expire at 0, which means never in a row".into()));
        }
        self.condition.as_ref().map_or(Ok(()), Condition::validate)
    }

    /// Whether the schema of the target's tenant has such tuples; the message says what would be right.
    pub(crate) fn conforms(&self, schema: &Schema) -> Result<(), AuthzError> {
        self.key.conforms(schema)?;
        let class = schema.declared(self.key.relation).map_or(Class::Flag, |declared| declared.class);
        let invalid = |text: &str| Err(AuthzError::Invalid(format!("{} {text}", schema.name_of(self.key.relation))));
        if class == Class::Flag && self.expires_at.is_some() {
            return invalid("is a flag and does not expire");
        }
        if class != Class::Allow && self.condition.is_some() {
            return invalid(
                "takes no condition: what takes rights away or marks a place must never hang on the request",
            );
        }
        Ok(())
    }
}
