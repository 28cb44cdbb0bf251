//! ListMultipartUploads: the open uploads of a bucket, by key and then by age.

use panthera_base::{Ordinal, S3Error, S3Result, UserId};
use panthera_meta::records::{UploadRecord, storage_class};
use panthera_meta::{MetaError, Snapshot, Step, keys};
use panthera_wire::checksum::{Algorithm, ChecksumType};
use panthera_wire::xml::Writer;

use super::gate::{Gate, Look};
use super::owners::Owners;
use super::segments::{Rows, Segment};
use super::skip::{Page, Place, Start, beyond, unescape};
use super::token::Position;
use super::{Body, Params, invalid, scan, seek, whole_second};
use crate::api::{Call, OpResult, Reply};
use crate::service::ObjectService;

const ROOT: &str = "ListMultipartUploadsResult";
/// Room for everything that is not an entry.
const HEAD_BYTES: usize = 4096;
/// Kind and bucket before the escaped key of a `u` or `v` row.
pub(super) const ROW_HEAD_BYTES: usize = 5;
/// Kind, bucket, share and tenant before that of a `w` row.
const THROUGH_HEAD_BYTES: usize = ROW_HEAD_BYTES + 8;

/// A page of uploads, rendered.
struct Uploads<'a, 's> {
    params: &'a Params<'a>,
    owners: Owners<'s>,
    /// Who is shown to own what lies behind a mount: the bucket's owner.
    owner: UserId,
    gate: Gate,
    page: Page<'a>,
    body: Body,
    /// The first name that may still be shown.
    resume: Vec<u8>,
    full: bool,
    last_key: Vec<u8>,
    /// `None` when the last thing on the page is a common prefix.
    last_upload: Option<Ordinal>,
    /// The key to go on at when the page ended because it had worked enough.
    stopped: Option<Vec<u8>>,
}

impl ObjectService {
    pub(super) fn list_multipart_uploads(&self, call: &Call, gate: Gate) -> OpResult {
        let params = Params::read(&call.query, "max-uploads")?;
        let key_marker = call.query.get("key-marker").unwrap_or_default();
        // Without a key marker an upload id marker says nothing (AWS).
        let id_marker = call.query.get("upload-id-marker").filter(|id| !id.is_empty() && !key_marker.is_empty());
        let after = id_marker.map(read_marker).transpose()?;
        let position = self.marked(call, key_marker)?;
        let snapshot = self.meta.snapshot().map_err(S3Error::internal)?;
        let mut uploads = Uploads {
            params: &params,
            owners: self.owners(&*snapshot, &call.bucket),
            owner: call.bucket.owner,
            gate,
            page: Page::new(params.filter(), params.limit),
            body: Body::new(0),
            resume: Vec::new(),
            full: false,
            last_key: Vec::new(),
            last_upload: None,
            stopped: None,
        };
        let start = match (&position, after) {
            (Position::After(marker), Some(_)) if params.limit > 0 => params.filter().from(marker),
            (position, _) => params.start(position),
        };
        if let Start::At(start) = start {
            let segments = self.segments(&*snapshot, call, &params, &mut uploads.gate, (Rows::Uploads, &start))?;
            uploads.resume = start;
            uploads.fill(&*snapshot, segments, &position, after).map_err(S3Error::internal)?;
        }

        let mut head = Writer::document(ROOT, HEAD_BYTES);
        params.put_echo(&mut head, &call.bucket_name, "MaxUploads");
        params.put_key(&mut head, "KeyMarker", key_marker.as_bytes());
        head.text("UploadIdMarker", call.query.get("upload-id-marker").unwrap_or_default());
        let truncated = uploads.page.truncated() || uploads.stopped.is_some();
        match &uploads.stopped {
            Some(stopped) if uploads.page.taken() == 0 => {
                head.text("NextKeyMarker", &self.mark(call, stopped)?).text("NextUploadIdMarker", "");
            }
            _ if truncated => {
                params.put_key(&mut head, "NextKeyMarker", &uploads.last_key);
                head.text("NextUploadIdMarker", &uploads.last_upload.map(Ordinal::to_wire).unwrap_or_default());
            }
            _ => {}
        }
        head.flag("IsTruncated", truncated);
        Ok(Reply::xml(uploads.body.finish(head, ROOT)))
    }
}

fn read_marker(id: &str) -> S3Result<Ordinal> {
    Ordinal::from_wire(id).ok_or_else(|| invalid("Invalid uploadId marker", "upload-id-marker", id))
}

/// The row that stands for an upload in a stretch.
fn row_of(segment: &Segment, stored: &[u8], upload: Ordinal) -> Vec<u8> {
    match segment.mount() {
        None => keys::upload(segment.bucket, stored, upload),
        Some(way) => keys::upload_through(segment.bucket, way.share, way.tenant, stored, upload),
    }
}

impl Uploads<'_, '_> {
    fn fill(
        &mut self,
        snapshot: &dyn Snapshot,
        segments: Vec<Segment>,
        position: &Position,
        after: Option<Ordinal>,
    ) -> Result<(), MetaError> {
        for mut segment in segments {
            // Uploads of the marker's own key that are newer than the marker's.
            let marked = match (position, after) {
                (Position::After(key), Some(upload)) => Some((key, upload)),
                _ => None,
            };
            let first = match marked {
                Some((key, upload)) if self.resume == *key && segment.from <= *key => {
                    let stored = segment.lens().stored(key);
                    let row = stored.map(|key| keys::next_key(&row_of(&segment, &key, upload)));
                    row.filter(|row| *row < segment.end)
                }
                _ => segment.first(&self.resume),
            };
            if let Some(first) = first {
                let end = segment.end.clone();
                scan(snapshot, first, end, &mut |row, value| self.visit(snapshot, &mut segment, (row, value)))?;
            }
            self.stopped = segment.stopped(&self.gate);
            if self.full || self.stopped.is_some() {
                break;
            }
        }
        Ok(())
    }

    fn visit(
        &mut self,
        snapshot: &dyn Snapshot,
        segment: &mut Segment,
        (row, value): (&[u8], &[u8]),
    ) -> Result<Step, MetaError> {
        let not_an_upload = || MetaError::Corrupt("a row that is no upload among uploads".into());
        let head = if segment.mount().is_some() { THROUGH_HEAD_BYTES } else { ROW_HEAD_BYTES };
        let (stored, rest) = row.get(head..).and_then(unescape).ok_or_else(not_an_upload)?;
        let ordinal = Ordinal(u64::from_be_bytes(rest.try_into().map_err(|_| not_an_upload())?));
        match segment.look(&mut self.gate, &stored) {
            Look::Shown => {}
            Look::Skip(to) => return Ok(seek(segment.row(&to))),
            Look::End => return Ok(Step::Stop),
        }
        let lens = segment.lens();
        let key = &*lens.shown(&stored);
        match self.page.place(key) {
            Place::Full => {
                self.full = true;
                return Ok(Step::Stop);
            }
            Place::Prefix(len) => {
                self.last_key = key[..len].to_vec();
                self.last_upload = None;
                self.body.put_prefix(self.params, &self.last_key);
                let Some(next) = beyond(&self.last_key) else {
                    self.full = true;
                    return Ok(Step::Stop);
                };
                let row = lens.stored(&next).map(|next| segment.row(&next));
                self.resume = next;
                return Ok(row.map_or(Step::Stop, seek));
            }
            Place::Entry => {}
        }
        match segment.mount() {
            None => self.put(key, ordinal, &UploadRecord::decode(value)?, None)?,
            Some(_) => {
                let found = snapshot.get(&keys::upload(segment.bucket, &stored, ordinal))?.ok_or_else(not_an_upload)?;
                self.put(key, ordinal, &UploadRecord::decode(found)?, Some(self.owner))?;
            }
        }
        self.last_key.clear();
        self.last_key.extend_from_slice(key);
        self.last_upload = Some(ordinal);
        Ok(Step::Next)
    }

    fn put(
        &mut self,
        key: &[u8],
        ordinal: Ordinal,
        upload: &UploadRecord,
        mounted: Option<UserId>,
    ) -> Result<(), MetaError> {
        let out = &mut self.body.entries;
        out.raw(b"<Upload>");
        self.params.put_key(out, "Key", key);
        out.text("UploadId", &ordinal.to_wire());
        self.owners.put_both(out, upload, mounted)?;
        out.text("StorageClass", storage_class::name(upload.object.storage_class).unwrap_or_default());
        out.time("Initiated", whole_second(ordinal.timestamp()));
        if let Some(algorithm) = Algorithm::from_code(upload.checksum_algorithm) {
            out.text("ChecksumAlgorithm", algorithm.name());
            out.text("ChecksumType", ChecksumType::from_code(upload.checksum_kind).map_or("", ChecksumType::name));
        }
        out.raw(b"</Upload>");
        Ok(())
    }
}
