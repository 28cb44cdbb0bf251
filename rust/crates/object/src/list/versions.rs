//! ListObjectVersions: every version and delete marker, by key and then newest first.
//!
//! Two tables are merged: `o` holds each key's live current version, which is its newest; `v` holds everything older,
//! and delete markers. The scan over `o` leads; before each of its rows the rows of `v` with smaller keys are shown.

use std::cmp::Ordering;

use panthera_base::{BucketId, ErrorCode, Ordinal, S3Error, S3Result};
use panthera_meta::records::ObjectView;
use panthera_meta::{MetaError, Snapshot, Step, keys};
use panthera_wire::xml::Writer;

use super::gate::{Gate, Look};
use super::owners::Owners;
use super::skip::{Page, Place, Start, beyond, unescape};
use super::token::Position;
use super::uploads::ROW_HEAD_BYTES;
use super::{Body, Params, invalid, put_version, scan, seek, whole_second};
use crate::api::{Call, OpResult, Reply};
use crate::resolve::{self, Wanted, wire_version_id};
use crate::service::ObjectService;

const ROOT: &str = "ListVersionsResult";
/// Room for everything that is not an entry.
const HEAD_BYTES: usize = 4096;

/// Where a page begins.
struct Marker {
    position: Position,
    /// Of the key that has been shown: how far its versions have been. `None`: all of them.
    version: Option<Ordinal>,
}

impl Marker {
    /// The key of which some versions have been shown, and the last of them.
    fn within(&self) -> Option<(&[u8], Ordinal)> {
        match (&self.position, self.version) {
            (Position::After(key), Some(version)) => Some((key, version)),
            _ => None,
        }
    }
}

/// A page of versions, rendered.
struct Versions<'a, 's> {
    params: &'a Params<'a>,
    bucket: BucketId,
    snapshot: &'s dyn Snapshot,
    owners: Owners<'s>,
    marker: Marker,
    gate: Gate,
    page: Page<'a>,
    body: Body,
    /// The page is done, whether it is full or has worked enough.
    full: bool,
    /// Where the scan of `v` goes on, and the key of the row there when it is known. `None`: nothing is left.
    older: Option<(Vec<u8>, Option<Vec<u8>>)>,
    /// The key whose newest version has been met: others of it are not the latest.
    met: Option<Vec<u8>>,
    /// The last common prefix on the page; its other keys are passed over in both tables.
    rolled: Option<Vec<u8>>,
    last_key: Vec<u8>,
    /// `None` when the last thing on the page is a common prefix.
    last_version: Option<Ordinal>,
}

impl ObjectService {
    pub(super) fn list_object_versions(&self, call: &Call, mut gate: Gate) -> OpResult {
        let params = Params::read(&call.query, "max-keys")?;
        // No share offers to list what was: around a mount it is left out, below one it is denied.
        let prefix = params.prefix.as_bytes();
        if self.mounts_of(&call.bucket)?.covering(prefix).is_some() && gate.sees(prefix, prefix) {
            return Err(ErrorCode::AccessDenied.into());
        }
        let snapshot = self.meta.snapshot().map_err(S3Error::internal)?;
        let key_marker = call.query.get("key-marker").unwrap_or_default();
        let version = read_version_marker(call, key_marker, &*snapshot)?;
        let marker = Marker { position: self.marked(call, key_marker)?, version };
        let mut versions = Versions {
            params: &params,
            bucket: call.bucket.id,
            snapshot: &*snapshot,
            owners: self.owners(&*snapshot, &call.bucket),
            marker,
            gate,
            page: Page::new(params.filter(), params.limit),
            body: Body::new(params.limit),
            full: params.limit == 0,
            older: None,
            met: None,
            rolled: None,
            last_key: Vec::new(),
            last_version: None,
        };
        versions.fill().map_err(S3Error::internal)?;

        let mut head = Writer::document(ROOT, HEAD_BYTES);
        params.put_echo(&mut head, &call.bucket_name, "MaxKeys");
        params.put_key(&mut head, "KeyMarker", key_marker.as_bytes());
        head.text("VersionIdMarker", call.query.get("version-id-marker").unwrap_or_default());
        let stopped = versions.gate.stopped();
        let truncated = versions.page.truncated() || stopped.is_some();
        head.flag("IsTruncated", truncated);
        match stopped {
            Some(stopped) if versions.page.taken() == 0 => {
                head.text("NextKeyMarker", &self.mark(call, stopped)?);
            }
            _ if truncated => {
                params.put_key(&mut head, "NextKeyMarker", &versions.last_key);
                // The null version too is named by its ordinal here: the position stays good when it is deleted or
                // replaced between two pages, which is what clients that empty a bucket do.
                if let Some(version) = versions.last_version {
                    head.text("NextVersionIdMarker", &version.to_wire());
                }
            }
            _ => {}
        }
        Ok(Reply::xml(versions.body.finish(head, ROOT)))
    }
}

fn read_version_marker(call: &Call, key: &str, snapshot: &dyn Snapshot) -> S3Result<Option<Ordinal>> {
    let id = call.query.get("version-id-marker").filter(|id| !id.is_empty());
    let Some(id) = id else { return Ok(None) };
    if key.is_empty() {
        let message = "A version-id marker cannot be specified without a key marker.";
        return Err(invalid(message, "version-id-marker", id));
    }
    Ok(Some(match Wanted::parse(Some(id))? {
        Wanted::Version(ordinal) => ordinal,
        _ => {
            let (bucket, versioning) = (call.bucket.id, call.bucket.versioning);
            let null = resolve::find(snapshot, bucket, versioning, key.as_bytes(), Wanted::Null)?;
            // No null version any more: all versions of the key are still to be shown.
            null.map_or(Ordinal(u64::MAX), |view| view.ordinal())
        }
    }))
}

impl Versions<'_, '_> {
    fn fill(&mut self) -> Result<(), MetaError> {
        let start = match self.marker.within() {
            Some((key, _)) if !self.full => self.params.filter().from(key),
            _ => self.params.start(&self.marker.position),
        };
        let Start::At(key) = start else { return Ok(()) };
        let mut older = keys::version_prefix_range(self.bucket, &key).start;
        if let Some((_, version)) = self.marker.within().filter(|(marked, _)| *marked == key) {
            older = keys::next_key(&keys::version(self.bucket, &key, version));
            if self.newest_noncurrent(&key)?.is_some_and(|newest| newest >= version) {
                self.met = Some(key.clone());
            }
        }
        self.older = Some((older, None));
        let first = keys::object(self.bucket, &key);
        let end = keys::object_prefix_range(self.bucket, self.params.prefix.as_bytes()).end;
        scan(self.snapshot, first, end, &mut |row, value| self.visit_current(row, value))?;
        if self.full { Ok(()) } else { self.show_older(None) }
    }

    fn newest_noncurrent(&self, key: &[u8]) -> Result<Option<Ordinal>, MetaError> {
        let range = keys::versions_of(self.bucket, key);
        let mut newest = None;
        scan(self.snapshot, range.start, range.end, &mut |row, _| {
            newest = keys::parse_version(row).map(|(_, _, ordinal)| ordinal);
            Ok(Step::Stop)
        })?;
        Ok(newest)
    }

    /// A row of `o`.
    fn visit_current(&mut self, row: &[u8], value: &[u8]) -> Result<Step, MetaError> {
        let not_an_object = || MetaError::Corrupt("a row that is no object among objects".into());
        let (bucket, key) = keys::parse_object(row).ok_or_else(not_an_object)?;
        self.show_older(Some(key))?;
        if self.full {
            return Ok(Step::Stop);
        }
        let at = |key: &[u8]| keys::object(bucket, key);
        if let Some(beyond) = self.beyond_rolled(key) {
            return Ok(beyond.map_or(Step::Stop, |next| seek(at(&next))));
        }
        match self.look(key) {
            Look::Shown => {}
            Look::Skip(to) => return Ok(seek(at(&to))),
            Look::End => return Ok(Step::Stop),
        }
        let view = ObjectView::new(value)?;
        let shown_before = self.marker.within().is_some_and(|(shown, v)| key == shown && view.ordinal() >= v);
        if shown_before {
            self.met = Some(key.to_vec());
        } else {
            self.show(key, &view)?;
        }
        match (self.full, self.beyond_rolled(key)) {
            (true, _) | (_, Some(None)) => Ok(Step::Stop),
            (_, Some(Some(next))) => Ok(seek(at(&next))),
            (_, None) => Ok(Step::Next),
        }
    }

    /// Shows rows of `v` with keys below `until` (all that are left for `None`).
    fn show_older(&mut self, until: Option<&[u8]>) -> Result<(), MetaError> {
        if let (Some((_, Some(next))), Some(until)) = (&self.older, until)
            && next.as_slice().cmp(until) != Ordering::Less
        {
            return Ok(());
        }
        let Some((first, _)) = self.older.take() else { return Ok(()) };
        let end = keys::version_prefix_range(self.bucket, self.params.prefix.as_bytes()).end;
        scan(self.snapshot, first, end, &mut |row, value| self.visit_older(row, value, until))
    }

    /// A row of `v`.
    fn visit_older(&mut self, row: &[u8], value: &[u8], until: Option<&[u8]>) -> Result<Step, MetaError> {
        let not_a_version = || MetaError::Corrupt("a row that is no version among versions".into());
        let (key, _) = row.get(ROW_HEAD_BYTES..).and_then(unescape).ok_or_else(not_a_version)?;
        if until.is_some_and(|until| key.as_ref() >= until) {
            self.older = Some((row.to_vec(), Some(key.into_owned())));
            return Ok(Step::Stop);
        }
        let bucket = self.bucket;
        let at = |key: &[u8]| keys::version_prefix_range(bucket, key).start;
        if self.beyond_rolled(&key).is_none() {
            match self.look(&key) {
                Look::Shown => self.show(&key, &ObjectView::new(value)?)?,
                Look::Skip(to) => return Ok(seek(at(&to))),
                Look::End => return Ok(Step::Stop),
            }
        }
        match (self.full, self.beyond_rolled(&key)) {
            (true, _) | (_, Some(None)) => Ok(Step::Stop),
            (_, Some(Some(next))) => Ok(seek(at(&next))),
            (_, None) => Ok(Step::Next),
        }
    }

    /// Whether the key is shown. A page that has worked enough is done in both tables.
    fn look(&mut self, key: &[u8]) -> Look {
        let look = self.gate.look(key);
        self.full |= self.gate.stopped().is_some();
        look
    }

    /// When the key is part of the common prefix shown last: the first key that is not, if there can be one.
    fn beyond_rolled(&self, key: &[u8]) -> Option<Option<Vec<u8>>> {
        let rolled = self.rolled.as_deref().filter(|rolled| key.starts_with(rolled))?;
        Some(beyond(rolled))
    }

    fn show(&mut self, key: &[u8], view: &ObjectView<'_>) -> Result<(), MetaError> {
        match self.page.place(key) {
            Place::Full => {
                self.full = true;
                return Ok(());
            }
            Place::Prefix(len) => {
                let prefix = key[..len].to_vec();
                self.body.put_prefix(self.params, &prefix);
                self.last_key.clone_from(&prefix);
                self.last_version = None;
                self.rolled = Some(prefix);
                return Ok(());
            }
            Place::Entry => {}
        }
        let latest = self.met.as_deref() != Some(key);
        if latest {
            let met = self.met.get_or_insert_default();
            met.clear();
            met.extend_from_slice(key);
        }
        let owner = self.owners.element(view.owner())?;
        let element = if view.delete_marker() { "DeleteMarker" } else { "Version" };
        let out = &mut self.body.entries;
        out.open(element);
        self.params.put_key(out, "Key", key);
        out.text("VersionId", &wire_version_id(view)).flag("IsLatest", latest);
        if view.delete_marker() {
            out.time("LastModified", whole_second(view.ordinal().timestamp())).raw(owner);
        } else {
            put_version(out, view, Some(owner))?;
        }
        out.close(element);
        self.last_key.clear();
        self.last_key.extend_from_slice(key);
        self.last_version = Some(view.ordinal());
        Ok(())
    }
}
