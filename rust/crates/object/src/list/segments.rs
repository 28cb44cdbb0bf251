//! The stretches of a listing: rows of the bucket itself, and between them those of mounted shares, each where its names
//! stand in the client's order. A mount covers its prefix whole, so stretches never mix.
//!
//! Belongs here: which rows stand for which names, and who must allow that they are shown. Does not belong here: pages
//! (`objects`, `uploads`, `skip`), what a mount is (`mounts`).

use std::borrow::Cow;
use std::ops::Range;

use panthera_authz::{Action, Listing, Question, Resource};
use panthera_base::limits::KEY_BYTES;
use panthera_base::{BucketId, ErrorCode, S3Result};
use panthera_meta::records::ThroughShare;
use panthera_meta::{Snapshot, keys};

use super::Params;
use super::gate::{Gate, Look};
use super::lens::Lens;
use super::skip::beyond;
use crate::access::Listed;
use crate::api::{Call, Window};
use crate::service::ObjectService;

/// The rows of a listing.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Rows {
    /// Current objects.
    Objects,
    /// Open uploads. Behind a mount the rows that find those which came by it: what others upload costs nothing there,
    /// and so tells nothing.
    Uploads,
}

impl Rows {
    /// Amazon's name of the right to list them.
    fn action(self) -> Action {
        match self {
            Self::Objects => Action::LIST_BUCKET,
            Self::Uploads => Action::LIST_BUCKET_MULTIPART_UPLOADS,
        }
    }

    /// Those of the keys that begin with a prefix, of a bucket or behind a mount.
    fn range(self, bucket: BucketId, mount: Option<ThroughShare>, prefix: &[u8]) -> Range<Vec<u8>> {
        match (self, mount) {
            (Self::Objects, _) => keys::object_prefix_range(bucket, prefix),
            (Self::Uploads, None) => keys::upload_prefix_range(bucket, prefix),
            (Self::Uploads, Some(way)) => keys::upload_through_prefix_range(bucket, way.share, way.tenant, prefix),
        }
    }
}

/// A stretch.
pub(super) struct Segment {
    /// Where its rows are.
    pub bucket: BucketId,
    /// The first row that is not meant.
    pub end: Vec<u8>,
    rows: Rows,
    /// The client's first name of it.
    pub from: Vec<u8>,
    /// From names to rows and back, when they differ.
    window: Option<Window>,
    /// Of a mount: what the share shows, in the names of its bucket.
    share: Option<Gate>,
}

impl Segment {
    /// The row of its first name that is not before `resume`; `None` when it has none.
    pub fn first(&self, resume: &[u8]) -> Option<Vec<u8>> {
        let row = self.row(&self.lens().stored(resume.max(&self.from))?);
        (row < self.end).then_some(row)
    }

    /// The first row at or behind a stored name.
    pub fn row(&self, stored: &[u8]) -> Vec<u8> {
        self.rows.range(self.bucket, self.mount(), stored).start
    }

    /// Its names.
    pub fn lens(&self) -> Lens<'_> {
        Lens::new(self.window.as_ref())
    }

    /// The share that lies here, when it is another tenant's.
    pub fn mount(&self) -> Option<ThroughShare> {
        self.window.as_ref().filter(|_| self.share.is_some()).and_then(|window| window.through)
    }

    /// Whether the key of a row is shown, or the key of the row where the scan goes on. Behind a mount both sides must
    /// show it: the caller's under the name it has here, the share's under its own.
    pub fn look(&mut self, own: &mut Gate, stored: &[u8]) -> Look {
        let Some(share) = &mut self.share else { return own.look(stored) };
        let lens = Lens::new(self.window.as_ref());
        let shown = lens.shown(stored);
        if let Some(start) = shown.get(..=KEY_BYTES) {
            // No request can name it here, nor any that begins so.
            let next = beyond(start).and_then(|next| lens.stored(&next).map(Cow::into_owned));
            return next.map_or(Look::End, |next| share.pass(next));
        }
        match share.look(stored) {
            Look::Shown => {}
            other => return other,
        }
        match own.look(&shown) {
            Look::Skip(to) => lens.stored(&to).map_or(Look::End, |to| Look::Skip(to.into_owned())),
            other => other,
        }
    }

    /// Where the listing goes on when either side worked enough, in the client's names. The caller's gate has those, but
    /// behind a link, where the gate is the share's.
    pub fn stopped(&self, own: &Gate) -> Option<Vec<u8>> {
        let shown = |key: &[u8]| self.lens().shown(key).into_owned();
        match (own.stopped(), &self.share) {
            (Some(key), None) => Some(shown(key)),
            (Some(key), Some(_)) => Some(key.to_vec()),
            (None, share) => share.as_ref()?.stopped().map(shown),
        }
    }
}

impl ObjectService {
    /// The stretches of a listing from a name on, in order. AccessDenied for names below a mount whose share gives the
    /// caller nothing: an empty page would say that nothing is there, and who mirrors it would delete its copy. Who may
    /// see nothing there on this side is not told that there is a mount.
    pub(super) fn segments(
        &self,
        snapshot: &dyn Snapshot,
        call: &Call,
        params: &Params<'_>,
        gate: &mut Gate,
        (rows, start): (Rows, &[u8]),
    ) -> S3Result<Vec<Segment>> {
        let prefix = params.prefix.as_bytes();
        let mut segments = Vec::new();
        let mut from = start.to_vec();
        // Behind a link there are no mounts: a window is of one share.
        let mounts = if call.window.is_none() { self.mounts_of(&call.bucket)? } else { Default::default() };
        for mount in mounts.iter() {
            let inside = prefix.starts_with(&mount.prefix);
            let behind = beyond(&mount.prefix).unwrap_or_default();
            if !(inside || mount.prefix.starts_with(prefix)) || behind <= from {
                continue;
            }
            if from < mount.prefix {
                let end = rows.range(call.bucket.id, None, &mount.prefix).start;
                segments.push(Segment { bucket: call.bucket.id, end, rows, from, window: None, share: None });
            }
            let below = if inside { prefix } else { &*mount.prefix };
            match self.mounted(snapshot, call, mount, (rows, below))? {
                Some(segment) => segments.push(segment),
                None if inside && gate.sees(prefix, start) => return Err(ErrorCode::AccessDenied.into()),
                // Around it there are other names to show.
                None => {}
            }
            from = behind;
        }
        let lens = Lens::new(call.window.as_ref());
        if let Some(stored) = lens.stored(prefix) {
            let end = rows.range(call.bucket.id, None, &stored).end;
            let window = call.window.clone();
            segments.push(Segment { bucket: call.bucket.id, end, rows, from, window, share: None });
        }
        Ok(segments)
    }

    /// What a mount shows below a name; nothing when the share gives the caller nothing.
    fn mounted(
        &self,
        snapshot: &dyn Snapshot,
        call: &Call,
        mount: &crate::mounts::Mount,
        (rows, below): (Rows, &[u8]),
    ) -> S3Result<Option<Segment>> {
        let subject = &call.caller.subject;
        let action = rows.action();
        let (standing, window) = match mount.enter(&self.authz, snapshot, subject, &call.bucket_name, call.now) {
            Ok(entered) => entered,
            Err(refusal) => {
                let error = refusal.told(&call.context, action);
                return if error.code() == ErrorCode::AccessDenied { Ok(None) } else { Err(error) };
            }
        };
        let Some(stored) = Lens::new(Some(&window)).stored(below).map(Cow::into_owned) else {
            return Ok(None);
        };
        let (bucket, name) = (&*standing.bucket, &*standing.record.bucket_name);
        let resource = Resource { tenant: bucket.tenant, bucket: Some(bucket), name, key: None, object: None };
        let question = call.question(action);
        let request = &Listed::new(question.request, &stored);
        let question = Question { subject: &standing.caller.subject, resource, request, ..question };
        let share = match self.authz.listing(&question, &stored) {
            Listing::Denied(_) => return Ok(None),
            Listing::Everything => Gate::new(None),
            Listing::Filtered(names) => Gate::new(Some(names)),
        };
        let end = rows.range(bucket.id, window.through, &stored).end;
        let (bucket, from) = (bucket.id, below.to_vec());
        Ok(Some(Segment { bucket, end, rows, from, window: Some(window), share: Some(share) }))
    }
}
