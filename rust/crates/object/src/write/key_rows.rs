//! The rows of one key as a plan needs them, copied out of a snapshot.
//!
//! Belongs here: reading rows, and nothing about what should become of them.

use panthera_base::{BucketId, ErrorCode, Ordinal, S3Error, S3Result};
use panthera_meta::records::{FenceRecord, ObjectView, Versioning, decode_ordinal};
use panthera_meta::{Snapshot, Step, keys};

use crate::commit::meta_error;

/// An `o` or `v` row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    /// Its value.
    pub raw: Vec<u8>,
    /// Its ordinal.
    pub ordinal: Ordinal,
    /// It is the null version.
    pub null: bool,
    /// It is a delete marker.
    pub marker: bool,
}

impl Row {
    /// Reads a value.
    pub(crate) fn new(raw: &[u8]) -> S3Result<Self> {
        let view = ObjectView::new(raw).map_err(S3Error::internal)?;
        Ok(Self { ordinal: view.ordinal(), null: view.null_version(), marker: view.delete_marker(), raw: raw.to_vec() })
    }

    /// The version id as clients see it.
    pub(crate) fn wire_id(&self) -> String {
        if self.null { "null".to_owned() } else { self.ordinal.to_wire() }
    }
}

/// The bucket's fence: its value for the guard, and what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fence {
    /// The row's value.
    pub raw: Vec<u8>,
    /// Whether writes make versions.
    pub versioning: Versioning,
    /// The bucket's generation when the row was written last.
    pub generation: u64,
}

impl Fence {
    /// The fence of the bucket, which is gone when the bucket is.
    pub(crate) fn read(snapshot: &dyn Snapshot, bucket: BucketId, name: &str) -> S3Result<Self> {
        match get(snapshot, &keys::fence(bucket))? {
            Some(raw) => {
                let FenceRecord { versioning, generation, .. } = FenceRecord::decode(raw).map_err(S3Error::internal)?;
                Ok(Self { raw: raw.to_vec(), versioning, generation })
            }
            None => Err(S3Error::new(ErrorCode::NoSuchBucket).field("BucketName", name)),
        }
    }
}

/// What is stored under one key of one bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeyRows<'k> {
    /// The bucket.
    pub bucket: BucketId,
    /// The key.
    pub key: &'k [u8],
    /// The bucket's fence.
    pub fence: Fence,
    /// The `o` row. Not read for a plain overwrite in a bucket without versions.
    pub current: Option<Row>,
    /// The newest `v` row, when `current` was asked for and the bucket has versions.
    pub newest: Option<Row>,
    /// The ordinal in the `z` row.
    pub null: Option<Ordinal>,
}

impl<'k> KeyRows<'k> {
    /// Reads the fence alone: enough for a write that replaces whatever is there.
    pub(crate) fn fence_only(
        snapshot: &dyn Snapshot,
        bucket: BucketId,
        name: &str,
        key: &'k [u8],
    ) -> S3Result<KeyRows<'k>> {
        let fence = Fence::read(snapshot, bucket, name)?;
        Ok(KeyRows { bucket, key, fence, current: None, newest: None, null: None })
    }

    /// Reads what a write must know: everything, where there are versions.
    pub(crate) fn read(snapshot: &dyn Snapshot, bucket: BucketId, name: &str, key: &'k [u8]) -> S3Result<KeyRows<'k>> {
        let mut rows = Self::fence_only(snapshot, bucket, name, key)?;
        rows.current = get(snapshot, &keys::object(bucket, key))?.map(Row::new).transpose()?;
        if rows.fence.versioning != Versioning::Never {
            let null = get(snapshot, &keys::null_version(bucket, key))?;
            rows.null = null.map(decode_ordinal).transpose().map_err(S3Error::internal)?;
            rows.newest = newest_below(snapshot, bucket, key, None)?;
        }
        Ok(rows)
    }

    /// What a client would call the current version: the object, or the delete marker in its place.
    pub(crate) fn latest(&self) -> Option<&Row> {
        self.current.as_ref().or(self.newest.as_ref())
    }
}

/// The value of a row.
pub(crate) fn get<'s>(snapshot: &'s dyn Snapshot, key: &[u8]) -> S3Result<Option<&'s [u8]>> {
    snapshot.get(key).map_err(|error| meta_error(&error))
}

/// One `v` row.
pub(crate) fn version(
    snapshot: &dyn Snapshot,
    bucket: BucketId,
    key: &[u8],
    ordinal: Ordinal,
) -> S3Result<Option<Row>> {
    get(snapshot, &keys::version(bucket, key, ordinal))?.map(Row::new).transpose()
}

/// The newest `v` row, or the newest that is older than `below`.
pub(crate) fn newest_below(
    snapshot: &dyn Snapshot,
    bucket: BucketId,
    key: &[u8],
    below: Option<Ordinal>,
) -> S3Result<Option<Row>> {
    let range = keys::versions_of(bucket, key);
    let start = below.map_or(range.start, |ordinal| keys::next_key(&keys::version(bucket, key, ordinal)));
    let mut found = None;
    let mut visit = |_: &[u8], value: &[u8]| {
        found = Some(Row::new(value));
        Step::Stop
    };
    snapshot.scan(&start..&range.end, &mut visit).map_err(|error| meta_error(&error))?;
    found.transpose()
}
