//! Shares that may be downloaded a number of times: each answer that begins at byte 0 of the one object, or that comes
//! from a share of many, is counted, in a commit with a guard, before its bytes go out.
//!
//! Belongs here: the count. Does not belong here: which share it is, what is downloaded.

use http::{HeaderMap, StatusCode, header};
use panthera_base::{ErrorCode, S3Error, S3Result, TenantId, Timestamp};
use panthera_meta::records::{DownloadsRecord, RecordError, ShareRecord};
use panthera_meta::{Batch, CommitError, Guard, Metastore, keys};

/// How long, in microseconds, the rest of a download that was counted may still be asked for by ranges. Without it a
/// download that broke off would be lost, and without an end the whole but its first byte would be free for ever.
const CONTINUES_US: u64 = 3_600_000_000;
/// How often a count is tried again when somebody else counted at the same moment. Within one process they take turns.
const ATTEMPTS: usize = 16;

/// How often a share may be downloaded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Limit {
    /// The share's tenant.
    pub tenant: TenantId,
    /// The share.
    pub share: u32,
    /// So often.
    pub most: u64,
    /// It is of one object. Of many, nobody could tell which one's rest is asked for: every answer begins.
    pub object: bool,
}

impl Limit {
    /// Of a share; `None` without a limit.
    pub fn of(share: &ShareRecord) -> Option<Self> {
        share.downloads.map(|most| Self { tenant: share.tenant, share: share.share, most, object: share.object })
    }

    /// Whether an answer with these headers is a download and not the rest of one: it begins at the object's first byte.
    pub fn begins(self, status: StatusCode, headers: &HeaderMap) -> bool {
        let range = headers.get(header::CONTENT_RANGE).and_then(|value| value.to_str().ok());
        let first = range.is_none_or(|range| range.starts_with("bytes 0-"));
        !self.object || first || status != StatusCode::PARTIAL_CONTENT
    }
}

/// Counts an answer that begins, or finds the count that one which goes on belongs to. AccessDenied when there is none
/// left. Blocks for a commit.
pub(crate) fn admit(meta: &dyn Metastore, limit: Limit, begins: bool, now: Timestamp) -> S3Result<()> {
    let refused = || Err(S3Error::new(ErrorCode::AccessDenied).detail("the share's downloads are used up"));
    let key = keys::downloads(limit.tenant, limit.share);
    for _ in 0..ATTEMPTS {
        let row = meta.snapshot().and_then(|s| s.get(&key).map(|row| row.map(<[u8]>::to_vec)));
        let row = row.map_err(S3Error::internal)?;
        let so_far = row.as_deref().map(DownloadsRecord::decode).transpose();
        let so_far = so_far.map_err(|error: RecordError| S3Error::internal(error))?.unwrap_or_default();
        if !begins {
            let open = so_far.count > 0 && now.0 <= so_far.last.0.saturating_add(CONTINUES_US);
            return if open { Ok(()) } else { refused() };
        }
        if so_far.count >= limit.most {
            return refused();
        }
        let mut batch = Batch::default();
        batch.guard(row.map_or_else(|| Guard::Absent(key.clone()), |row| Guard::Equals(key.clone(), row)));
        batch.put(key.clone(), DownloadsRecord { count: so_far.count + 1, last: now }.encode());
        match meta.commit(&batch) {
            Ok(_) => return Ok(()),
            Err(CommitError::Conflict(_)) => {}
            Err(CommitError::Store(error)) => return Err(S3Error::internal(error)),
        }
    }
    Err(S3Error::new(ErrorCode::SlowDown).detail("the count of downloads keeps changing"))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use panthera_meta::memory::Memory;

    use super::*;

    const LIMIT: Limit = Limit { tenant: TenantId(1), share: 2, most: 3, object: true };

    #[test]
    fn the_last_download_is_counted_and_the_next_refused() {
        let meta = Memory::new();
        let at = Timestamp(7);
        assert!(admit(&meta, LIMIT, false, at).is_err(), "nothing began that could go on");
        for _ in 0..LIMIT.most {
            admit(&meta, LIMIT, true, at).unwrap();
        }
        assert_eq!(admit(&meta, LIMIT, true, at).unwrap_err().code(), ErrorCode::AccessDenied);
        admit(&meta, LIMIT, false, Timestamp(7 + CONTINUES_US)).unwrap();
        assert!(admit(&meta, LIMIT, false, Timestamp(8 + CONTINUES_US)).is_err());
        admit(&meta, Limit { share: 3, ..LIMIT }, true, at).unwrap();
    }

    #[test]
    fn of_many_at_once_exactly_so_many_are_admitted() {
        let meta = Arc::new(Memory::new());
        let (admitted, refused) = (AtomicU64::new(0), AtomicU64::new(0));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    match admit(&*meta, LIMIT, true, Timestamp(7)).map_err(|error| error.code()) {
                        Ok(()) => &admitted,
                        Err(ErrorCode::AccessDenied) => &refused,
                        Err(other) => panic!("{other:?}"),
                    }
                    .fetch_add(1, Ordering::Relaxed);
                });
            }
        });
        assert_eq!((admitted.into_inner(), refused.into_inner()), (3, 5));
    }

    #[test]
    fn what_begins_at_the_first_byte_begins() {
        let with = |range: &'static str| {
            let headers = HeaderMap::from_iter([(header::CONTENT_RANGE, http::HeaderValue::from_static(range))]);
            let limit = |object| Limit { object, ..LIMIT }.begins(StatusCode::PARTIAL_CONTENT, &headers);
            assert!(limit(false), "every answer of a share of many");
            limit(true)
        };
        assert!(LIMIT.begins(StatusCode::OK, &HeaderMap::new()) && with("bytes 0-0/10") && with("bytes 0-9/10"));
        assert!(!with("bytes 1-9/10") && !with("bytes 9-9/10"));
    }
}
