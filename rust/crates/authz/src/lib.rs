//! May this subject do this action on this resource? The decision interface of the pipeline's step 5.
//!
//! Today the rules are small: a tenant's owner and admins may do everything in their tenant, everybody else is
//! denied. The relationship engine replaces the inside of [`Authorizer::decide`], not the call.

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
}

/// A verdict and its reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Allow or deny.
    pub verdict: Verdict,
    /// Why.
    pub reason: Reason,
}

impl Decision {
    /// Whether to go on.
    pub fn allowed(self) -> bool {
        self.verdict == Verdict::Allow
    }
}

/// Decides. One instance serves the whole process.
#[derive(Default)]
pub struct Authorizer {}

impl Authorizer {
    /// The decision for one (subject, action, resource).
    pub fn decide(&self, subject: &Subject, _action: Action, resource: &Resource<'_>, _context: &Context) -> Decision {
        let deny = |reason| Decision { verdict: Verdict::Deny, reason };
        match subject {
            Subject::Anonymous => deny(Reason::Anonymous),
            Subject::User { tenant, .. } if *tenant != resource.tenant => deny(Reason::ForeignTenant),
            Subject::User { admin: true, .. } => Decision { verdict: Verdict::Allow, reason: Reason::TenantAdmin },
            Subject::User { .. } => deny(Reason::NotGranted),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decide(subject: &Subject, tenant: u32) -> Decision {
        let context = Context { now: Timestamp(0), source_ip: IpAddr::from([127, 0, 0, 1]), secure_transport: false };
        let resource = Resource { tenant: TenantId(tenant), bucket: Some(BucketId(7)), key: Some(b"k") };
        Authorizer::default().decide(subject, Action("s3:GetObject"), &resource, &context)
    }

    #[test]
    fn only_an_admin_of_the_same_tenant_is_allowed() {
        let user = |tenant, admin| Subject::User { tenant: TenantId(tenant), user: UserId(1), admin };
        assert!(decide(&user(1, true), 1).allowed());
        assert_eq!(decide(&user(1, false), 1).reason, Reason::NotGranted);
        assert_eq!(decide(&user(2, true), 1).reason, Reason::ForeignTenant);
        assert_eq!(decide(&Subject::Anonymous, 1).reason, Reason::Anonymous);
        assert!(!decide(&Subject::Anonymous, 0).allowed());
    }
}
