//! The words of the pipeline's step 5: who asks for what on what, and what is answered. What decides is `authorizer`.

use std::net::IpAddr;

use panthera_base::{BucketId, TenantId, Timestamp, UserId};

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
}

/// What is asked for: Amazon's action name (`s3:GetObject`), interned when the table of operations is loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Action(pub &'static str);

/// What it is asked on. `bucket` is `None` for actions of the service (ListBuckets, CreateBucket).
#[derive(Clone, Debug)]
pub struct Resource<'a> {
    /// The tenant that owns the resource.
    pub tenant: TenantId,
    /// The bucket, when there is one.
    pub bucket: Option<BucketId>,
    /// The object's key, when the action is on an object.
    pub key: Option<&'a [u8]>,
}

/// What the request says beside subject, action and resource.
#[derive(Clone, Debug)]
pub struct Context {
    /// When.
    pub now: Timestamp,
    /// From where, after trusted proxies.
    pub source_ip: IpAddr,
    /// Over TLS.
    pub secure_transport: bool,
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
    /// It could not be evaluated: a limit, or an address that cannot be.
    Unevaluated,
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
