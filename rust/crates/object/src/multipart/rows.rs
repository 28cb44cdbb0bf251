//! The rows of an upload beside its own: the one that finds it behind a mount, and all of them going away when it is
//! completed or aborted.

use panthera_base::{BucketId, Ordinal, S3Error, S3Result};
use panthera_meta::keys::{self, TallyOf};
use panthera_meta::records::{ThroughShare, encode_mark};
use panthera_meta::{Batch, Guard, Op, Snapshot, Step};

use super::Upload;
use crate::commit::meta_error;
use crate::write::plan::tally;

/// The numbers of the parts that are stored, ascending.
pub(super) fn part_numbers(snapshot: &dyn Snapshot, bucket: BucketId, upload: Ordinal) -> S3Result<Vec<u16>> {
    let range = keys::part_range(bucket, upload);
    let (mut numbers, mut odd) = (Vec::new(), None);
    let mut visit = |row: &[u8], _: &[u8]| match keys::parse_part(row) {
        Some((_, _, number)) => {
            numbers.push(number);
            Step::Next
        }
        None => {
            odd = Some(S3Error::internal("a part row whose key is not one"));
            Step::Stop
        }
    };
    snapshot.scan(&range.start..&range.end, &mut visit).map_err(|error| meta_error(&error))?;
    odd.map_or(Ok(numbers), Err)
}

/// Adds the row that finds the upload behind a mount, if it comes through one: listings there see no others.
pub(super) fn find_through(
    bucket: BucketId,
    key: &[u8],
    upload: Ordinal,
    through: Option<ThroughShare>,
    batch: &mut Batch,
) {
    if let Some(way) = through {
        batch.put(keys::upload_through(bucket, way.share, way.tenant, key, upload), encode_mark());
    }
}

/// Removes the upload and its parts. The guards make sure that no other part appears meanwhile: it would be left behind.
pub(super) fn remove(bucket: BucketId, key: &[u8], of: &Upload, numbers: &[u16], batch: &mut Batch) {
    let upload = of.ordinal;
    if let Some(way) = of.record.through {
        batch.delete(keys::upload_through(bucket, way.share, way.tenant, key, upload));
    }
    let row = keys::upload(bucket, key, upload);
    batch.guard(Guard::Present(row.clone()));
    batch.delete(row);
    let range = keys::part_range(bucket, upload);
    let (mut start, mut expected) = (range.start, 1);
    for &number in numbers {
        let row = keys::part(bucket, upload, number);
        let after = keys::next_key(&row);
        // Between consecutive numbers there is no room for a part.
        if number != expected {
            batch.guard(Guard::EmptyRange(start..row.clone()));
        }
        (start, expected) = (after, number.saturating_add(1));
        batch.ops.push(Op::Delete { key: row, tally: Some(tally(bucket, TallyOf::Parts)) });
    }
    batch.guard(Guard::EmptyRange(start..range.end));
}

#[cfg(test)]
mod tests {
    use panthera_meta::key_fits;
    use panthera_meta::records::UploadRecord;

    use super::*;

    #[test]
    fn only_gaps_are_guarded() {
        let guards = |numbers: &[u16]| {
            let mut batch = Batch::default();
            let upload = Upload { ordinal: Ordinal(9), record: UploadRecord::default() };
            remove(BucketId(1), b"k", &upload, numbers, &mut batch);
            assert_eq!(batch.ops.len(), 1 + numbers.len());
            batch.guards.into_iter().filter_map(|guard| match guard {
                Guard::EmptyRange(range) => Some(range),
                _ => None,
            })
        };
        assert_eq!(guards(&[]).count(), 1);
        assert_eq!(guards(&[1, 2, 3]).count(), 1);
        assert_eq!(guards(&[2, 3]).count(), 2);
        let part = |number| keys::part(BucketId(1), Ordinal(9), number);
        let ranges: Vec<_> = guards(&[1, 4, 10_000]).collect();
        let free = |number| ranges.iter().any(|range| range.contains(&part(number)));
        for (number, covered) in
            [(1, false), (2, true), (3, true), (4, false), (5, true), (9999, true), (10_000, false)]
        {
            assert_eq!(free(number), covered, "{number}");
        }
        assert!(ranges.iter().all(|range| key_fits(&range.start) && range.start < range.end));
    }
}
