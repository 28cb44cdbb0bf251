//! Bucket records that are large, kept decoded: a policy is tens of kilobytes, and every request of a bucket needs it.
//!
//! Belongs here: finding a record that was decoded before. Does not belong here: what a record means. The row is read
//! from the store for every request all the same, and what was kept counts only while the row says the same, so there
//! is nothing to invalidate.

use std::collections::HashMap;
use std::sync::Arc;

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
#[derive(Default)]
pub(crate) struct Buckets(RwLock<HashMap<Box<str>, Kept>>);

impl Buckets {
    /// The record of a row.
    pub fn decode(&self, name: &str, row: &[u8]) -> Result<Arc<BucketRecord>, RecordError> {
        let head = match row.first_chunk::<HEAD_BYTES>() {
            Some(head) if row.len() > SMALL_ROW_BYTES => head,
            _ => return BucketRecord::decode(row).map(Arc::new),
        };
        if let Some(kept) = self.0.read().get(name).filter(|kept| kept.head == *head && kept.row_bytes == row.len()) {
            return Ok(Arc::clone(&kept.record));
        }
        let record = Arc::new(BucketRecord::decode(row)?);
        let mut all = self.0.write();
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
        let buckets = Buckets::default();
        let first = buckets.decode("b", &row(1, 1, 100)).unwrap();
        assert!(Arc::ptr_eq(&first, &buckets.decode("b", &row(1, 1, 100)).unwrap()));
        for changed in [row(1, 2, 100), row(2, 1, 100), row(1, 1, 101)] {
            let now = buckets.decode("b", &changed).unwrap();
            assert!(!Arc::ptr_eq(&first, &now));
            assert_eq!(*now, BucketRecord::decode(&changed).unwrap());
        }
    }

    #[test]
    fn small_records_are_not_kept_and_bad_rows_are_errors() {
        let buckets = Buckets::default();
        let small = row(1, 1, 1);
        assert_eq!(*buckets.decode("b", &small).unwrap(), BucketRecord::decode(&small).unwrap());
        assert!(buckets.0.read().is_empty());
        let mut bad = row(1, 1, 100);
        bad[0] = 9;
        assert!(buckets.decode("b", &bad).is_err() && buckets.0.read().is_empty());
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let buckets = Buckets::default();
        for n in 0..=KEPT {
            buckets.decode(&n.to_string(), &row(1, 1, 100)).unwrap();
        }
        assert_eq!(buckets.0.read().len(), 1);
    }
}
