//! A share as it stands at this moment: found, not revoked, not expired, for this bearer, with a creator and a bucket
//! that are still there.
//!
//! Belongs here: everything that must hold before a share's relations are asked. Does not belong here: how a request
//! names a share (crate `front`, `mounts`), what its relations allow (crate `authz`).
//!
//! Whatever does not hold, the answer is the same `None`: who has no share learns nothing of why.

use std::sync::Arc;

use panthera_authz::{Authorizer, Delegation, Subject};
use panthera_base::{S3Error, S3Result, TenantId, Timestamp, UserId};
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
) -> S3Result<Option<Standing>> {
    let read = |key: &[u8]| snapshot.get(key).map_err(S3Error::internal);
    let Some(row) = read(&keys::share(share.tenant, share.share))? else { return Ok(None) };
    let record = ShareRecord::decode(row).map_err(S3Error::internal)?;
    if record.revoked || record.expires.is_some_and(|at| at <= now) || !is_for(authz, &record, bearer, now) {
        return Ok(None);
    }
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
    if bucket.id != record.bucket || bucket.tenant != record.tenant {
        return Ok(None);
    }
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
    Ok(Some(Standing { record, bucket, caller }))
}

/// Whether the share's audience has the bearer in it.
fn is_for(authz: &Authorizer, record: &ShareRecord, bearer: Option<(TenantId, UserId)>, now: Timestamp) -> bool {
    if record.bearer {
        return true;
    }
    let Some(bearer) = bearer else { return false };
    record.tenants.contains(&bearer.0) || record.groups.iter().any(|group| authz.is_member(bearer, *group, now))
}
