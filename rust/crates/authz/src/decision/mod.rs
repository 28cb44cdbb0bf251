//! The words of the pipeline's step 5: who asks for what on what, and what is answered. What decides is `authorizer`.

mod authorizer;
mod beside;
mod buckets;
mod delegation;
mod entries;
mod facts;
mod identity;
mod listing;
mod reasons;
mod trail;

use std::net::IpAddr;
use std::sync::Arc;

use panthera_base::{TenantId, Timestamp, UserId};
use panthera_meta::MetaError;
use panthera_meta::records::{BucketRecord, ThroughShare};

use crate::model::Permission;
use crate::policy;

pub use authorizer::{Authorizer, principal};
pub use buckets::{BucketPage, KnownBucket};
pub use delegation::Delegation;
pub use entries::audit_reasons;
pub use identity::{Held, Identities, Identity, IdentityPolicy};
pub use listing::Listing;
pub use reasons::{Reasons, Statement};
pub use trail::{Asked, AuditWriter, QUEUE_NOTES, TRIM_ROWS, Trail, Unaudited};

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// Nobody signed the request.
    Anonymous,
    /// The user an access key belongs to.
    User {
        /// The key's tenant.
        tenant: TenantId,
        /// The key's user.
        user: UserId,
        /// The user owns or administers its tenant.
        admin: bool,
    },
    /// The bearer of a share.
    Share(Delegation),
}

impl Subject {
    /// The account it belongs to.
    pub fn tenant(&self) -> Option<TenantId> {
        match self {
            Self::Anonymous => None,
            // A share is nobody's account: what policies and lists give to accounts it does not get.
            Self::Share(_) => None,
            Self::User { tenant, .. } => Some(*tenant),
        }
    }
}

/// What is asked for: Amazon's action name (`s3:GetObject`) and what follows from it. Looked up once, when the table of
/// operations is loaded or this is compiled: a decision compares no names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Action {
    name: &'static str,
    number: Option<u8>,
    permission: Permission,
}

impl Action {
    /// Create a bucket.
    pub const CREATE_BUCKET: Self = Self::named("s3:CreateBucket");
    /// Read a bucket's policy.
    pub const GET_BUCKET_POLICY: Self = Self::named("s3:GetBucketPolicy");
    /// Write a bucket's policy.
    pub const PUT_BUCKET_POLICY: Self = Self::named("s3:PutBucketPolicy");
    /// Remove a bucket's policy.
    pub const DELETE_BUCKET_POLICY: Self = Self::named("s3:DeleteBucketPolicy");
    /// See the names in a bucket.
    pub const LIST_BUCKET: Self = Self::named("s3:ListBucket");
    /// See which buckets there are.
    pub const LIST_ALL_MY_BUCKETS: Self = Self::named("s3:ListAllMyBuckets");
    /// Read an object.
    pub const GET_OBJECT: Self = Self::named("s3:GetObject");
    /// Read a named version of an object.
    pub const GET_OBJECT_VERSION: Self = Self::named("s3:GetObjectVersion");
    /// Drop an upload by parts.
    pub const ABORT_MULTIPART_UPLOAD: Self = Self::named("s3:AbortMultipartUpload");
    /// See the parts of an upload.
    pub const LIST_MULTIPART_UPLOAD_PARTS: Self = Self::named("s3:ListMultipartUploadParts");
    /// See which uploads there are in a bucket.
    pub const LIST_BUCKET_MULTIPART_UPLOADS: Self = Self::named("s3:ListBucketMultipartUploads");
    /// Read an object's tags.
    pub const GET_OBJECT_TAGGING: Self = Self::named("s3:GetObjectTagging");
    /// Read the tags of a named version of an object.
    pub const GET_OBJECT_VERSION_TAGGING: Self = Self::named("s3:GetObjectVersionTagging");
    /// Write an object's tags.
    pub const PUT_OBJECT_TAGGING: Self = Self::named("s3:PutObjectTagging");
    /// Write an object.
    pub const PUT_OBJECT: Self = Self::named("s3:PutObject");
    /// Delete an object.
    pub const DELETE_OBJECT: Self = Self::named("s3:DeleteObject");
    /// Delete a named version of an object for good.
    pub const DELETE_OBJECT_VERSION: Self = Self::named("s3:DeleteObjectVersion");

    /// The action of a name, which need not be one of S3's.
    pub const fn named(name: &'static str) -> Self {
        Self { name, number: policy::action_number(name), permission: Permission::of_action(name) }
    }

    /// Amazon's name of it.
    pub const fn name(self) -> &'static str {
        self.name
    }

    /// What policies call it; `None` for what is none of S3's.
    pub const fn number(self) -> Option<u8> {
        self.number
    }

    /// What relations must give for it.
    pub const fn permission(self) -> Permission {
        self.permission
    }
}

/// What it is asked on. `bucket` is `None` for actions of the service (ListBuckets, CreateBucket).
#[derive(Clone, Copy)]
pub struct Resource<'a> {
    /// The tenant that owns the resource.
    pub tenant: TenantId,
    /// The bucket with its compiled configuration, when there is one.
    pub bucket: Option<&'a BucketRecord>,
    /// The bucket's name; empty without a bucket.
    pub name: &'a str,
    /// The object's key, when the action is on an object.
    pub key: Option<&'a [u8]>,
    /// The stored version the action is on, for what asks about it; `None` when the action is on no stored object.
    pub object: Option<&'a dyn ObjectLookup>,
}

/// The stored version that an action is on. Asked only when the answer can matter: most decisions read no object.
pub trait ObjectLookup {
    /// Its access facts; `None` when there is no such version. An error makes the decision a deny.
    fn access(&self) -> Result<Option<ObjectAccess>, MetaError>;

    /// Who initiated the upload the action is on; `None` when it is on none that is open. An error makes the decision a
    /// deny.
    fn initiator(&self) -> Result<Option<Initiator>, MetaError> {
        Ok(None)
    }
}

/// Who initiated an upload: it may abort it and list its parts without any other right.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Initiator {
    /// The user; of what came through a share, its creator.
    pub user: UserId,
    /// The share it came through.
    pub through: Option<ThroughShare>,
}

/// What of a stored version bears on who may do what with it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ObjectAccess {
    /// Who owns it; 0 for a writer nobody knows.
    pub owner: UserId,
    /// Its access control list, compiled (FORMAT.md); `None` is the owner alone.
    pub acl: Option<Vec<u8>>,
    /// Its tags.
    pub tags: Vec<(String, String)>,
}

/// What a client sent beside subject, action and resource. Nothing is copied unless a condition asks for it.
pub trait RequestFacts {
    /// The first value of a header, by its lower-case name, when it is text.
    fn header(&self, name: &str) -> Option<&str>;
    /// The first value of a query parameter, decoded.
    fn query(&self, name: &str) -> Option<&str>;
    /// The tags the request gives an object, by header or document. An error: it says something that is none.
    fn tags(&self) -> Result<Vec<(String, String)>, NotUnderstood> {
        Ok(Vec::new())
    }
    /// Where a copy comes from, `bucket/key` with nothing encoded: whatever way it is written, it is one place to policies.
    fn copy_source(&self) -> Result<Option<Vec<u8>>, NotUnderstood> {
        Ok(None)
    }
    /// The region a new bucket is asked to be in.
    fn location_constraint(&self) -> Result<Option<String>, NotUnderstood> {
        Ok(None)
    }
}

/// What a request says cannot be read. The operation will refuse it; a decision that hangs on it is a deny.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NotUnderstood;

/// A request that sent nothing: for questions that no request asks.
pub struct NoRequest;

impl RequestFacts for NoRequest {
    fn header(&self, _: &str) -> Option<&str> {
        None
    }

    fn query(&self, _: &str) -> Option<&str> {
        None
    }
}

/// How a request proved who sent it, as policies can ask for it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Authentication {
    /// Amazon's word for where the signature stood (`s3:authType`): REST-HEADER, REST-QUERY-STRING or POST.
    pub kind: Option<&'static str>,
    /// Amazon's word for the signature's version (`s3:signatureversion`): AWS or AWS4-HMAC-SHA256.
    pub version: Option<&'static str>,
    /// When it was signed, as the signature says.
    pub signed_at: Option<Timestamp>,
}

/// What the server knows of the request beside what the client sent.
#[derive(Clone, Debug)]
pub struct Context {
    /// When.
    pub now: Timestamp,
    /// From where, after trusted proxies.
    pub source_ip: IpAddr,
    /// Over TLS.
    pub secure_transport: bool,
    /// The version of TLS as a number (`1.3`), when this server ended it.
    pub tls_version: Option<&'static str>,
    /// How the sender was authenticated.
    pub authentication: Authentication,
    /// Where the server is.
    pub region: &'static str,
    /// Where decisions about another tenant's resources are written down; `None` for requests that cannot be about one.
    pub trail: Option<Arc<Trail>>,
}

/// The region of a server that names none.
const DEFAULT_REGION: &str = "us-east-1";

impl Context {
    /// The context of a question that comes over no connection.
    pub fn at(now: Timestamp, source_ip: IpAddr, secure_transport: bool) -> Self {
        Self {
            now,
            source_ip,
            secure_transport,
            tls_version: None,
            authentication: Authentication::default(),
            region: DEFAULT_REGION,
            trail: None,
        }
    }
}

/// Everything a decision is made from.
#[derive(Clone, Copy)]
pub struct Question<'a> {
    /// Who.
    pub subject: &'a Subject,
    /// What.
    pub action: Action,
    /// On what.
    pub resource: Resource<'a>,
    /// When and from where.
    pub context: &'a Context,
    /// What else the request says.
    pub request: &'a dyn RequestFacts,
}

impl<'a> Question<'a> {
    /// The same of another action.
    pub fn of(self, action: Action) -> Self {
        Self { action, ..self }
    }

    /// The same on the bucket itself.
    pub fn on_bucket(self) -> Self {
        Self { resource: Resource { key: None, object: None, ..self.resource }, ..self }
    }
}

/// Allow or deny. There is no third answer outside this crate: what cannot be evaluated is a deny.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Go on.
    Allow,
    /// Refuse.
    Deny,
}

/// Why: for explain, audit and the log. Never shown to the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The subject owns or administers the resource's tenant.
    TenantAdmin,
    /// The subject belongs to another tenant.
    ForeignTenant,
    /// The subject belongs to the tenant and nothing grants it this.
    NotGranted,
    /// Nobody signed, and nothing is granted to everyone.
    Anonymous,
    /// A relation grants it.
    Granted,
    /// A deny relation applies.
    Denied,
    /// The bucket's policy allows it.
    PolicyAllowed,
    /// The bucket's policy denies it, or cannot be read.
    PolicyDenied,
    /// A policy of the subject or of one of its groups allows it.
    IdentityAllowed,
    /// A policy of the subject, of one of its groups or its boundary denies it, or cannot be read.
    IdentityDenied,
    /// An access control list allows it.
    AclAllowed,
    /// The upload is the subject's own, or its account's.
    Initiator,
    /// The bucket's public access block keeps the public out.
    PublicAccessBlocked,
    /// The object is another account's, and that account grants nothing.
    ForeignObject,
    /// It comes through a share whose creator may not do it, or may not share it.
    CreatorMayNot,
    /// It comes through a share that was revoked.
    ShareRevoked,
    /// It comes through a share that has expired.
    ShareExpired,
    /// It comes through a share whose audience does not have the caller in it.
    ShareNotForCaller,
    /// It comes through a share whose creator, tenant or bucket is gone or disabled.
    ShareOrphaned,
    /// It comes through a share link with a password, without it.
    SharePassword,
    /// It comes through a share that was downloaded as often as may be.
    ShareUsedUp,
    /// It asks a share for what is no place of the share's.
    ShareElsewhere,
    /// It could not be evaluated: a limit, or an address that cannot be.
    Unevaluated,
    /// It must be written down and cannot be.
    Unaudited,
}

impl Reason {
    /// All of them.
    pub const ALL: &'static [Self] = &[
        Self::TenantAdmin,
        Self::ForeignTenant,
        Self::NotGranted,
        Self::Anonymous,
        Self::Granted,
        Self::Denied,
        Self::PolicyAllowed,
        Self::PolicyDenied,
        Self::IdentityAllowed,
        Self::IdentityDenied,
        Self::AclAllowed,
        Self::Initiator,
        Self::PublicAccessBlocked,
        Self::ForeignObject,
        Self::CreatorMayNot,
        Self::ShareRevoked,
        Self::ShareExpired,
        Self::ShareNotForCaller,
        Self::ShareOrphaned,
        Self::SharePassword,
        Self::ShareUsedUp,
        Self::ShareElsewhere,
        Self::Unevaluated,
        Self::Unaudited,
    ];
}

impl Reason {
    /// Its name in explanations and logs.
    pub fn name(self) -> &'static str {
        match self {
            Self::TenantAdmin => "tenant_admin",
            Self::ForeignTenant => "foreign_tenant",
            Self::NotGranted => "not_granted",
            Self::Anonymous => "anonymous",
            Self::Granted => "granted",
            Self::Denied => "denied",
            Self::PolicyAllowed => "policy_allowed",
            Self::PolicyDenied => "policy_denied",
            Self::IdentityAllowed => "identity_allowed",
            Self::IdentityDenied => "identity_denied",
            Self::AclAllowed => "acl_allowed",
            Self::Initiator => "initiator",
            Self::PublicAccessBlocked => "public_access_blocked",
            Self::ForeignObject => "foreign_object",
            Self::CreatorMayNot => "creator_may_not",
            Self::ShareRevoked => "share_revoked",
            Self::ShareExpired => "share_expired",
            Self::ShareNotForCaller => "share_not_for_caller",
            Self::ShareOrphaned => "share_orphaned",
            Self::SharePassword => "share_password",
            Self::ShareUsedUp => "share_used_up",
            Self::ShareElsewhere => "share_elsewhere",
            Self::Unevaluated => "unevaluated",
            Self::Unaudited => "unaudited",
        }
    }
}

/// A verdict and its reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Allow or deny.
    pub verdict: Verdict,
    /// Why.
    pub reason: Reason,
    /// The revision of the relations it was computed from; 0 without an engine.
    pub revision: u64,
}

impl Decision {
    /// Whether to go on.
    pub fn allowed(self) -> bool {
        self.verdict == Verdict::Allow
    }
}
