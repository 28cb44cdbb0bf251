//! A share as it stands at this moment: found, not revoked, not expired, for this bearer, with a creator and a bucket
//! that are still there.
//!
//! Belongs here: everything that must hold before a share's relations are asked. Does not belong here: how a request
//! names a share (crate `front`, `mounts`), what its relations allow (crate `authz`).
//!
//! Whatever does not hold, the answer is the same AccessDenied: who has no share learns nothing of why. The owner of a
//! share that is known does, from the audit log.

use std::sync::Arc;

use panthera_authz::{Action, Authorizer, Context, Delegation, NoRequest, Question, Reason, Resource, Subject};
use panthera_base::{ErrorCode, S3Error, S3Result, TenantId, Timestamp, UserId};
use panthera_meta::records::{BucketRecord, SharePointer, ShareRecord, TenantRecord, UserRecord};
use panthera_meta::{Snapshot, keys};

use crate::api::Caller;

/// A share that gives something to its bearer.
pub struct Standing {
    /// The share.
    pub record: ShareRecord,
    /// The bucket.
    pub bucket: Arc<BucketRecord>,
    /// Its bearer, acting in the creator's right.
    pub caller: Caller,
}

/// Why a request for a share goes no further.
#[derive(Debug)]
pub struct Refusal {
    /// The answer.
    pub error: S3Error,
    /// What its owner reads in the audit log; `None` where no share is known.
    pub known: Option<Box<Refused>>,
}

/// A share that is known and was not given.
#[derive(Debug)]
pub struct Refused {
    record: ShareRecord,
    bearer: Option<(TenantId, UserId)>,
    reason: Reason,
    /// The key in the share's bucket, where one was asked for.
    key: Option<Vec<u8>>,
}

impl From<S3Error> for Refusal {
    fn from(error: S3Error) -> Self {
        Self { error, known: None }
    }
}

impl Refusal {
    /// AccessDenied, for a reason that the owner is told.
    pub fn of(record: ShareRecord, bearer: Option<(TenantId, UserId)>, reason: Reason) -> Self {
        let error = S3Error::new(ErrorCode::AccessDenied).detail(format_args!("{reason:?}"));
        Self { error, known: Some(Box::new(Refused { record, bearer, reason, key: None })) }
    }

    /// Another answer for the same.
    pub fn answered(self, error: S3Error) -> Self {
        Self { error, ..self }
    }

    /// What was asked for: `below` the share's place, or the place itself when that is one object.
    pub fn asking(mut self, below: &[u8]) -> Self {
        if let Some(known) = &mut self.known {
            let path = known.record.path.as_slice();
            known.key = Some(if known.record.object { path.to_vec() } else { [path, below].concat() });
        }
        self
    }

    /// The error, once it stands in the trail of the context why.
    pub fn told(self, context: &Context, action: Action) -> S3Error {
        if let (Some(known), Some(trail)) = (&self.known, &context.trail) {
            let Refused { record, bearer, reason, key } = &**known;
            let (tenant, share, creator) = (record.tenant, record.share, record.creator);
            let by = Delegation { tenant, share, creator, creator_admin: false, bearer: *bearer };
            let (name, key) = (&*record.bucket_name, key.as_deref());
            let resource = Resource { tenant, bucket: None, name, key, object: None };
            let (subject, request) = (&Subject::Share(by), &NoRequest);
            trail.refuse(&Question { subject, action, resource, context, request }, *reason);
        }
        self.error
    }
}

/// The share of a secret.
pub fn by_secret(snapshot: &dyn Snapshot, sha256: &[u8; 32]) -> S3Result<Option<SharePointer>> {
    let row = snapshot.get(&keys::share_secret(sha256)).map_err(S3Error::internal)?;
    row.map(SharePointer::decode).transpose().map_err(S3Error::internal)
}

/// The share as it stands now for a bearer: nobody known, or a user.
pub fn standing(
    authz: &Authorizer,
    snapshot: &dyn Snapshot,
    share: SharePointer,
    bearer: Option<(TenantId, UserId)>,
    now: Timestamp,
) -> Result<Standing, Refusal> {
    let row = snapshot.get(&keys::share(share.tenant, share.share)).map_err(S3Error::internal)?;
    let row = row.ok_or_else(|| S3Error::from(ErrorCode::AccessDenied))?;
    let record = ShareRecord::decode(row).map_err(S3Error::internal)?;
    if let Some(reason) = ended(authz, &record, bearer, now) {
        return Err(Refusal::of(record, bearer, reason));
    }
    let Some((creator, bucket)) = behind(snapshot, &record)? else {
        return Err(Refusal::of(record, bearer, Reason::ShareOrphaned));
    };
    let by = Delegation {
        tenant: record.tenant,
        share: record.share,
        creator: record.creator,
        creator_admin: creator.tenant_admin || creator.root,
        bearer,
    };
    let caller = Caller {
        subject: Subject::Share(by),
        user: record.creator,
        canonical_id: panthera_wire::hex::encode(&creator.canonical_id),
        display_name: creator.display_name.unwrap_or(creator.name),
    };
    Ok(Standing { record, bucket, caller })
}

/// What of the share itself is against it.
fn ended(
    authz: &Authorizer,
    record: &ShareRecord,
    bearer: Option<(TenantId, UserId)>,
    now: Timestamp,
) -> Option<Reason> {
    if record.revoked {
        return Some(Reason::ShareRevoked);
    }
    if record.expires.is_some_and(|at| at <= now) {
        return Some(Reason::ShareExpired);
    }
    (!is_for(authz, record, bearer, now)).then_some(Reason::ShareNotForCaller)
}

/// Who made it and the bucket, if they and the tenant are still there.
fn behind(snapshot: &dyn Snapshot, record: &ShareRecord) -> S3Result<Option<(UserRecord, Arc<BucketRecord>)>> {
    let read = |key: &[u8]| snapshot.get(key).map_err(S3Error::internal);
    let Some(row) = read(&keys::tenant(record.tenant))? else { return Ok(None) };
    if TenantRecord::decode(row).map_err(S3Error::internal)?.disabled {
        return Ok(None);
    }
    let Some(row) = read(&keys::user(record.creator))? else { return Ok(None) };
    let creator = UserRecord::decode(row).map_err(S3Error::internal)?;
    if creator.disabled || creator.tenant != record.tenant {
        return Ok(None);
    }
    let Some(row) = read(&keys::bucket(record.bucket_name.as_bytes()))? else { return Ok(None) };
    let bucket = BucketRecord::decode(row).map(Arc::new).map_err(S3Error::internal)?;
    // A bucket that was made anew under the old name is another one.
    let same = bucket.id == record.bucket && bucket.tenant == record.tenant;
    Ok(same.then_some((creator, bucket)))
}

/// Whether the share's audience has the bearer in it.
fn is_for(authz: &Authorizer, record: &ShareRecord, bearer: Option<(TenantId, UserId)>, now: Timestamp) -> bool {
    if record.bearer {
        return true;
    }
    let Some(bearer) = bearer else { return false };
    record.tenants.contains(&bearer.0) || record.groups.iter().any(|group| authz.is_member(bearer, *group, now))
}
