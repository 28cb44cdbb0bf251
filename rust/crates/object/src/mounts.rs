//! Mounts: shares of other tenants that are seen under prefixes of a bucket. A key below such a prefix is a key of the
//! share's bucket, found anew at each access; nothing of it is kept on this side.
//!
//! Belongs here: which mount a key lies under, and where that leads. Does not belong here: what the caller may do on either
//! side (crate `authz`), how listings are put together (`list`).
//!
//! A mount leads to keys that lie in the share's own bucket. Behind another mount there is nothing: who was let in
//! cannot let others in.

use panthera_authz::{Authorizer, Reason, Subject};
use panthera_base::{BucketId, ErrorCode, S3Error, S3Result, Timestamp, UserId};
use panthera_meta::records::{BucketRecord, MountRecord, SharePointer, ThroughShare};
use panthera_meta::{Snapshot, Step, keys};

use crate::api::Window;
use crate::shares::{Refusal, Standing, standing};

/// The mounts of one bucket, in the order of their prefixes; none lies in another.
#[derive(Clone, Debug, Default)]
pub struct Mounts(Vec<Mount>);

/// A mount.
#[derive(Clone, Debug)]
pub struct Mount {
    /// Where: ends in `/`.
    pub prefix: Vec<u8>,
    share: SharePointer,
}

/// Where a mounted key lies.
pub struct Mounted {
    /// The share, as it stands for the caller.
    pub standing: Standing,
    /// The key in the share's bucket.
    pub key: Vec<u8>,
    /// From one name to the other.
    pub window: Window,
}

impl Mounts {
    /// Reads them. A bucket without mounts says so in its record and costs nothing.
    pub fn of(snapshot: &dyn Snapshot, bucket: &BucketRecord) -> S3Result<Self> {
        if bucket.mounts == 0 { Ok(Self::default()) } else { Self::read(snapshot, bucket.id) }
    }

    /// Reads them from their rows.
    pub(crate) fn read(snapshot: &dyn Snapshot, bucket: BucketId) -> S3Result<Self> {
        let range = keys::mount_range(bucket);
        let (mut found, mut bad) = (Vec::new(), None);
        let scan = snapshot.scan(&range.start..&range.end, &mut |row, value| match (
            keys::parse_mount(row),
            MountRecord::decode(value),
        ) {
            (Some((_, prefix)), Ok(MountRecord { tenant, share, .. })) => {
                found.push(Mount { prefix: prefix.to_vec(), share: SharePointer { tenant, share } });
                Step::Next
            }
            (_, read) => {
                bad = Some(read.err().map_or("a row that is no mount".to_owned(), |error| error.to_string()));
                Step::Stop
            }
        });
        scan.map_err(S3Error::internal)?;
        bad.map_or(Ok(Self(found)), |error| Err(S3Error::internal(error)))
    }

    /// The mount that the key lies under.
    pub fn covering(&self, key: &[u8]) -> Option<&Mount> {
        let at = self.0.partition_point(|mount| mount.prefix.as_slice() <= key);
        self.0[..at].last().filter(|mount| key.starts_with(&mount.prefix))
    }

    /// All of them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Mount> {
        self.0.iter()
    }
}

impl Mount {
    /// The share as it stands for the subject, seen from a bucket of this name. AccessDenied whatever is missing.
    pub(crate) fn enter(
        &self,
        authz: &Authorizer,
        snapshot: &dyn Snapshot,
        subject: &Subject,
        bucket: &str,
        now: Timestamp,
    ) -> Result<(Standing, Window), Refusal> {
        let bearer = match subject {
            Subject::User { tenant, user, .. } => Some((*tenant, *user)),
            _ => None,
        };
        let standing = standing(authz, snapshot, self.share, bearer, now)?;
        if standing.record.object {
            return Err(Refusal::of(standing.record, bearer, Reason::ShareElsewhere));
        }
        let stored = standing.record.path.clone();
        let (tenant, user) = bearer.unwrap_or_default();
        let through = Some(ThroughShare { share: self.share.share, tenant, user });
        let (shown, bucket) = (self.prefix.clone(), bucket.to_owned());
        let window = Window { stored, shown, bucket, through, owner: UserId(0) };
        Ok((standing, window))
    }

    /// Where a key below it lies. AccessDenied when the share gives the caller nothing, whatever the reason is; NoSuchKey
    /// for what is no key where the share leads.
    pub fn resolve(
        &self,
        authz: &Authorizer,
        snapshot: &dyn Snapshot,
        subject: &Subject,
        (bucket, key): (&str, &[u8]),
        now: Timestamp,
    ) -> Result<Mounted, Refusal> {
        let rest = key.strip_prefix(self.prefix.as_slice()).unwrap_or_default();
        let entered = self.enter(authz, snapshot, subject, bucket, now).map_err(|refusal| refusal.asking(rest))?;
        let (standing, window) = entered;
        let key = [window.stored.as_slice(), rest].concat();
        let fits = !key.is_empty() && key.len() <= panthera_base::limits::KEY_BYTES;
        if !fits || Mounts::of(snapshot, &standing.bucket)?.covering(&key).is_some() {
            let nothing = key.is_empty();
            let bearer = match standing.caller.subject {
                Subject::Share(by) => by.bearer,
                Subject::User { .. } | Subject::Anonymous => None,
            };
            let refusal = Refusal::of(standing.record, bearer, Reason::ShareElsewhere).asking(rest);
            // The mount's own name, over a whole bucket: tools that show folders look for an object of it.
            let missing = || S3Error::new(ErrorCode::NoSuchKey).field("Key", String::from_utf8_lossy(&self.prefix));
            return Err(if nothing { refusal.answered(missing()) } else { refusal });
        }
        Ok(Mounted { standing, key, window })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_lies_under_the_mount_whose_prefix_it_begins_with() {
        let mount = |prefix: &str| Mount { prefix: prefix.into(), share: SharePointer::default() };
        let mounts = Mounts(vec![mount("a/"), mount("b/c/"), mount("b/c0/")]);
        let under =
            |key: &str| mounts.covering(key.as_bytes()).map(|found| String::from_utf8_lossy(&found.prefix).into());
        for (key, prefix) in [
            ("a/", Some("a/")),
            ("a/x", Some("a/")),
            ("a", None),
            ("a0", None),
            ("b/", None),
            ("b/c/d/e", Some("b/c/")),
            ("b/c0/d", Some("b/c0/")),
            ("b/c1", None),
            ("", None),
            ("z", None),
        ] {
            assert_eq!(under(key), prefix.map(str::to_owned), "{key}");
        }
    }
}
