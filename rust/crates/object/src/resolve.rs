//! Which version a request means: the current one, the null version, or one by its id; and what to say when there is
//! none.
//!
//! Belongs here: looking a version up in the rows of one key. Does not belong here: what an operation does with it.

use panthera_base::limits::KEY_BYTES;
use panthera_base::{BucketId, ErrorCode, Ordinal, S3Error, S3Result};
use panthera_meta::records::{ObjectView, Versioning, decode_ordinal};
use panthera_meta::{Snapshot, Step, key_fits, keys};

use crate::access::unchanged;
use crate::api::Call;

/// A version as a request names it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Wanted {
    /// The newest, whatever it is.
    Current,
    /// The one whose id is `null`.
    Null,
    /// The one with this id.
    Version(Ordinal),
}

impl Wanted {
    /// Reads a `versionId`. Anything we cannot have issued is an error.
    pub fn parse(version_id: Option<&str>) -> S3Result<Self> {
        match version_id {
            None => Ok(Self::Current),
            Some("null") => Ok(Self::Null),
            Some("") => Err(bad_version_id("", "Version id cannot be the empty string")),
            Some(text) => match Ordinal::from_wire(text) {
                Some(ordinal) => Ok(Self::Version(ordinal)),
                None => Err(bad_version_id(text, "Invalid version id specified")),
            },
        }
    }

    /// Reads the query parameter `versionId`.
    pub fn of(call: &Call) -> S3Result<Self> {
        Self::parse(call.query.get("versionId"))
    }
}

fn bad_version_id(value: &str, message: &str) -> S3Error {
    S3Error::with_message(ErrorCode::InvalidArgument, message)
        .field("ArgumentName", "versionId")
        .field("ArgumentValue", value)
}

/// The version id as clients see it.
pub(crate) fn wire_version_id(view: &ObjectView<'_>) -> String {
    if view.null_version() { "null".to_owned() } else { view.ordinal().to_wire() }
}

/// Finds the version in the rows of a key. A delete marker is found like any version.
pub(crate) fn find<'s>(
    snapshot: &'s dyn Snapshot,
    bucket: BucketId,
    versioning: Versioning,
    key: &[u8],
    wanted: Wanted,
) -> S3Result<Option<ObjectView<'s>>> {
    let current = get(snapshot, &keys::object(bucket, key))?;
    match (wanted, current) {
        (Wanted::Current, Some(view)) => Ok(Some(view)),
        // A bucket that never was versioned has no `v` rows: what most requests for missing keys need not look for.
        (Wanted::Current, None) if versioning == Versioning::Never => Ok(None),
        (Wanted::Current, None) => newest_noncurrent(snapshot, bucket, key),
        (Wanted::Null, Some(view)) if view.null_version() => Ok(Some(view)),
        (Wanted::Null, _) => noncurrent_null(snapshot, bucket, key),
        (Wanted::Version(ordinal), Some(view)) if view.ordinal() == ordinal => Ok(by_id(view)),
        (Wanted::Version(ordinal), _) => Ok(get(snapshot, &keys::version(bucket, key, ordinal))?.and_then(by_id)),
    }
}

/// The null version has no id but `null`: its ordinal is not one a client was ever told.
fn by_id(view: ObjectView<'_>) -> Option<ObjectView<'_>> {
    (!view.null_version()).then_some(view)
}

fn get<'s>(snapshot: &'s dyn Snapshot, key: &[u8]) -> S3Result<Option<ObjectView<'s>>> {
    match snapshot.get(key).map_err(S3Error::internal)? {
        Some(row) => ObjectView::new(row).map(Some).map_err(S3Error::internal),
        None => Ok(None),
    }
}

/// The newest `v` row of a key without a current version: its delete marker.
fn newest_noncurrent<'s>(snapshot: &'s dyn Snapshot, bucket: BucketId, key: &[u8]) -> S3Result<Option<ObjectView<'s>>> {
    let range = keys::versions_of(bucket, key);
    if !key_fits(&range.end) {
        return Ok(None);
    }
    let mut newest = None;
    let scan = snapshot.scan(range.start.as_slice()..range.end.as_slice(), &mut |row, _| {
        newest = Some(row.to_vec());
        Step::Stop
    });
    scan.map_err(S3Error::internal)?;
    newest.map_or(Ok(None), |row| get(snapshot, &row))
}

fn noncurrent_null<'s>(snapshot: &'s dyn Snapshot, bucket: BucketId, key: &[u8]) -> S3Result<Option<ObjectView<'s>>> {
    let Some(row) = snapshot.get(&keys::null_version(bucket, key)).map_err(S3Error::internal)? else {
        return Ok(None);
    };
    let ordinal = decode_ordinal(row).map_err(S3Error::internal)?;
    let found = get(snapshot, &keys::version(bucket, key, ordinal))?;
    found.map(Some).ok_or_else(|| S3Error::internal(format_args!("null version {ordinal:?} has no row")))
}

/// Why a read found nothing. The pipeline conceals it from those who must not learn what exists.
fn not_found(call: &Call, wanted: Wanted) -> S3Error {
    let key = String::from_utf8_lossy(&call.key);
    match wanted {
        Wanted::Current => S3Error::new(ErrorCode::NoSuchKey).field("Key", key),
        Wanted::Null => S3Error::new(ErrorCode::NoSuchVersion).field("Key", key).field("VersionId", "null"),
        Wanted::Version(ordinal) => {
            S3Error::new(ErrorCode::NoSuchVersion).field("Key", key).field("VersionId", ordinal.to_wire())
        }
    }
}

/// The version a read means. Delete markers are errors here: 404 when they are just the newest, 405 when asked for.
pub(crate) fn live<'s>(snapshot: &'s dyn Snapshot, call: &Call, wanted: Wanted) -> S3Result<ObjectView<'s>> {
    if call.key.len() > KEY_BYTES {
        let (size, most) = (call.key.len().to_string(), KEY_BYTES.to_string());
        return Err(S3Error::new(ErrorCode::KeyTooLongError).field("Size", size).field("MaxSizeAllowed", most));
    }
    let bucket = &call.bucket;
    let Some(view) = find(snapshot, bucket.id, bucket.versioning, &call.key, wanted)? else {
        return Err(not_found(call, wanted));
    };
    unchanged(call.decided, view.ordinal())?;
    if !view.delete_marker() {
        return Ok(view);
    }
    let error = match wanted {
        Wanted::Current => not_found(call, wanted),
        _ => S3Error::new(ErrorCode::MethodNotAllowed)
            .field("Method", if call.op == crate::api::NativeOp::HeadObject { "HEAD" } else { "GET" })
            .field("ResourceType", "DeleteMarker")
            .header("allow", "DELETE")
            .header("last-modified", panthera_wire::date::http_date(view.ordinal().timestamp())),
    };
    Err(error.header("x-amz-delete-marker", "true").header("x-amz-version-id", wire_version_id(&view)))
}
