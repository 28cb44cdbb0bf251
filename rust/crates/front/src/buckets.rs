//! Bucket records that are large, kept decoded: a policy is tens of kilobytes, and every request of a bucket needs it.
//!
//! Belongs here: finding a record that was decoded before. Does not belong here: what a record means. The row is read
//! from the store for every request all the same, and what was kept counts only while the row says the same, so there
//! is nothing to invalidate.

use std::collections::HashMap;
use std::sync::Arc;

use panthera_base::CacheCounts;
use panthera_meta::records::{BucketRecord, RecordError};
use parking_lot::RwLock;

/// Rows up to this long are decoded each time: a bucket without configuration costs less than looking it up.
const SMALL_ROW_BYTES: usize = 96;
/// Records kept. Beyond it all are dropped: a server with more configured buckets than this in use at once decodes.
const KEPT: usize = 4096;
/// The part of a row that names its content: bucket number, and the generation that grows with every change.
const HEAD_BYTES: usize = 32;

/// A kept record and the beginning and length of the row it was decoded from.
struct Kept {
    head: [u8; HEAD_BYTES],
    row_bytes: usize,
    record: Arc<BucketRecord>,
}

/// Decoded records by bucket name.
pub(crate) struct Buckets {
    all: RwLock<HashMap<Box<str>, Kept>>,
    on: bool,
    counts: CacheCounts,
}

impl Buckets {
    /// Switched off, it decodes every time.
    pub fn new(on: bool) -> Self {
        Self { all: RwLock::default(), on, counts: CacheCounts::default() }
    }

    /// Hits and misses since the start; rows that are small are neither.
    pub fn counts(&self) -> (u64, u64) {
        self.counts.totals()
    }

    /// The record of a row.
    pub fn decode(&self, name: &str, row: &[u8]) -> Result<Arc<BucketRecord>, RecordError> {
        let head = match row.first_chunk::<HEAD_BYTES>() {
            Some(head) if self.on && row.len() > SMALL_ROW_BYTES => head,
            _ => return BucketRecord::decode(row).map(Arc::new),
        };
        let same = |kept: &&Kept| kept.head == *head && kept.row_bytes == row.len();
        if let Some(kept) = self.all.read().get(name).filter(same) {
            self.counts.hit();
            return Ok(Arc::clone(&kept.record));
        }
        self.counts.miss();
        let record = Arc::new(BucketRecord::decode(row)?);
        let mut all = self.all.write();
        if all.len() >= KEPT {
            all.clear();
        }
        all.insert(name.into(), Kept { head: *head, row_bytes: row.len(), record: Arc::clone(&record) });
        Ok(record)
    }
}

#[cfg(test)]
mod tests {
    use panthera_base::BucketId;

    use super::*;

    fn row(id: u32, generation: u64, size: usize) -> Vec<u8> {
        let others = vec![(200, vec![7; size])];
        BucketRecord { id: BucketId(id), generation, others, ..BucketRecord::default() }.encode()
    }

    #[test]
    fn a_large_record_is_decoded_once_until_its_row_changes() {
        let buckets = Buckets::new(true);
        let first = buckets.decode("b", &row(1, 1, 100)).unwrap();
        assert!(Arc::ptr_eq(&first, &buckets.decode("b", &row(1, 1, 100)).unwrap()));
        assert_eq!(buckets.counts(), (1, 1));
        for changed in [row(1, 2, 100), row(2, 1, 100), row(1, 1, 101)] {
            let now = buckets.decode("b", &changed).unwrap();
            assert!(!Arc::ptr_eq(&first, &now));
            assert_eq!(*now, BucketRecord::decode(&changed).unwrap());
        }
    }

    #[test]
    fn small_records_are_not_kept_and_bad_rows_are_errors() {
        let buckets = Buckets::new(true);
        let small = row(1, 1, 1);
        assert_eq!(*buckets.decode("b", &small).unwrap(), BucketRecord::decode(&small).unwrap());
        assert!(buckets.all.read().is_empty());
        let mut bad = row(1, 1, 100);
        bad[0] = 9;
        assert!(buckets.decode("b", &bad).is_err() && buckets.all.read().is_empty());
    }

    #[test]
    fn switched_off_it_keeps_nothing() {
        let buckets = Buckets::new(false);
        let [first, second] = [(); 2].map(|()| buckets.decode("b", &row(1, 1, 100)).unwrap());
        assert!(first == second && !Arc::ptr_eq(&first, &second));
        assert_eq!((buckets.all.read().len(), buckets.counts()), (0, (0, 0)));
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let buckets = Buckets::new(true);
        for n in 0..=KEPT {
            buckets.decode(&n.to_string(), &row(1, 1, 100)).unwrap();
        }
        assert_eq!(buckets.all.read().len(), 1);
    }
}
