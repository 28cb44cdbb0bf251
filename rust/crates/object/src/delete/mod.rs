//! Deleting: one version of one key at a time, for DeleteObject and DeleteObjects alike.
//!
//! Belongs here: which version a delete means, its conditions, what the answer tells. Does not belong here: the changes
//! themselves (module `write::plan`).

mod batch;
mod one;

use std::borrow::Cow;

use http::HeaderMap;
use panthera_base::{ErrorCode, Ordinal, S3Error, S3Result, Timestamp, UserId};
use panthera_meta::Snapshot;
use panthera_meta::records::{BucketRecord, ObjectView};
use panthera_wire::conditions::{Comparison, etag_in};
use panthera_wire::date::parse_http_date;

use crate::access::unchanged;
use crate::commit::Planned;
use crate::resolve::Wanted;
use crate::service::ObjectService;
use crate::write::key_rows::{Row, newest_below, version};
use crate::write::request::{precondition_failed, view_etag};
use crate::write::{KeyRows, plan};

/// What a delete is allowed to delete.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Conditions {
    etag: Option<String>,
    last_modified: Option<Timestamp>,
    size: Option<u64>,
}

fn invalid(name: &'static str, value: &str) -> S3Error {
    S3Error::new(ErrorCode::InvalidArgument).field("ArgumentName", name).field("ArgumentValue", value)
}

fn parse_time(name: &'static str, value: &str) -> S3Result<Timestamp> {
    parse_http_date(value.trim()).ok_or_else(|| invalid(name, value))
}

fn parse_size(name: &'static str, value: &str) -> S3Result<u64> {
    let digits = value.trim();
    let number = digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse().ok()).flatten();
    number.ok_or_else(|| invalid(name, value))
}

impl Conditions {
    /// If-Match, x-amz-if-match-last-modified-time and x-amz-if-match-size.
    fn from_headers(headers: &HeaderMap) -> S3Result<Self> {
        let text = |name: &'static str| -> Option<(&'static str, Cow<'_, str>)> {
            headers.get(name).map(|value| (name, String::from_utf8_lossy(value.as_bytes())))
        };
        Ok(Self {
            etag: text("if-match").map(|(_, value)| value.into_owned()),
            last_modified: text("x-amz-if-match-last-modified-time").map(|(n, v)| parse_time(n, &v)).transpose()?,
            size: text("x-amz-if-match-size").map(|(n, v)| parse_size(n, &v)).transpose()?,
        })
    }

    fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether they compare with what is stored, beyond whether something is.
    fn compares(&self) -> bool {
        let etag = self.etag.as_ref().is_some_and(|etag| etag.trim() != "*");
        etag || self.last_modified.is_some() || self.size.is_some()
    }

    /// Whether they hold for the version. A delete marker has no ETag: only `*` names it.
    fn check(&self, row: &Row) -> S3Result<()> {
        let view = ObjectView::new(&row.raw).map_err(S3Error::internal)?;
        let etag = if row.marker { String::new() } else { view_etag(&view) };
        if self.etag.as_ref().is_some_and(|wanted| !etag_in(wanted, &etag, Comparison::Strong)) {
            return Err(precondition_failed("If-Match"));
        }
        // A marker has a size of zero in its record, but no size a client could mean.
        if self.size.is_some_and(|size| row.marker || size != view.size()) {
            return Err(precondition_failed("x-amz-if-match-size"));
        }
        if self.last_modified.is_some_and(|time| time.secs() != row.ordinal.timestamp().secs()) {
            return Err(precondition_failed("x-amz-if-match-last-modified-time"));
        }
        Ok(())
    }
}

/// What became of one delete.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Outcome {
    /// The id of the version that was deleted, or of the marker that was made; where there are versions.
    version: Option<String>,
    /// What was deleted or made is a delete marker.
    marker: bool,
}

/// One delete.
struct Deletion<'c> {
    bucket: &'c BucketRecord,
    bucket_name: &'c str,
    key: &'c [u8],
    wanted: Wanted,
    conditions: &'c Conditions,
    owner: UserId,
    /// The version that was decided about, where a decision looked at one.
    decided: Option<Ordinal>,
}

impl ObjectService {
    fn plan_delete(&self, deletion: &Deletion<'_>, snapshot: &dyn Snapshot) -> S3Result<Planned<Outcome>> {
        let rows = KeyRows::read(snapshot, deletion.bucket.id, deletion.bucket_name, deletion.key)?;
        match deletion.wanted {
            Wanted::Current => self.plan_delete_current(deletion, &rows),
            wanted => plan_delete_version(deletion, &rows, wanted, snapshot),
        }
    }

    fn plan_delete_current(&self, deletion: &Deletion<'_>, rows: &KeyRows<'_>) -> S3Result<Planned<Outcome>> {
        let held = !deletion.conditions.is_empty();
        if let Some(row) = rows.latest() {
            unchanged(deletion.decided, row.ordinal)?;
        }
        if held {
            match rows.latest() {
                Some(row) => deletion.conditions.check(row)?,
                // Deleting nothing succeeds, whatever it should have been.
                None => return Ok(Planned::Nothing(Outcome::default())),
            }
        }
        let (batch, deleted) = plan::delete(rows, self.ordinal_after(rows), deletion.owner, held);
        let outcome = match deleted {
            plan::Deleted::Gone => Outcome::default(),
            plan::Deleted::Marked(id) => {
                Outcome { version: Some(id.map_or_else(|| "null".to_owned(), |id| id.to_wire())), marker: true }
            }
        };
        Ok(match batch {
            Some(batch) => Planned::Commit(batch, outcome),
            None => Planned::Nothing(outcome),
        })
    }
}

fn plan_delete_version(
    deletion: &Deletion<'_>,
    rows: &KeyRows<'_>,
    wanted: Wanted,
    snapshot: &dyn Snapshot,
) -> S3Result<Planned<Outcome>> {
    let named = |row: &Row| match wanted {
        Wanted::Current => true,
        Wanted::Null => row.null,
        Wanted::Version(ordinal) => !row.null && row.ordinal == ordinal,
    };
    let outcome = |row: &Row| Outcome { version: Some(row.wire_id()), marker: row.marker };
    if let Some(row) = rows.current.as_ref().filter(|row| named(row)) {
        unchanged(deletion.decided, row.ordinal)?;
        deletion.conditions.check(row)?;
        return Ok(Planned::Commit(plan::delete_current_version(rows), outcome(row)));
    }
    let (ordinal, id) = match wanted {
        Wanted::Version(ordinal) => (Some(ordinal), ordinal.to_wire()),
        _ => (rows.null, "null".to_owned()),
    };
    let found = match ordinal {
        Some(ordinal) => version(snapshot, rows.bucket, rows.key, ordinal)?.filter(|row| named(row)),
        None => None,
    };
    let Some(row) = found else {
        // Deleting what is not there succeeds.
        return Ok(Planned::Nothing(Outcome { version: Some(id), marker: false }));
    };
    unchanged(deletion.decided, row.ordinal)?;
    deletion.conditions.check(&row)?;
    let below = match rows.current {
        Some(_) => None,
        None => newest_below(snapshot, rows.bucket, rows.key, Some(row.ordinal))?,
    };
    let batch = plan::delete_noncurrent(rows, &row, below.as_ref());
    Ok(Planned::Commit(batch, outcome(&row)))
}
