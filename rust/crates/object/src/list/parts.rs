//! ListParts: what has been uploaded of an open upload.

use panthera_base::limits::PARTS;
use panthera_base::{ErrorCode, Ordinal, S3Error};
use panthera_meta::records::{PartView, UploadRecord, storage_class};
use panthera_meta::{MetaError, Step, keys};
use panthera_wire::checksum::{Algorithm, ChecksumType, base64};
use panthera_wire::xml::Writer;

use super::{ENTRY_BYTES, integer, page_limit, push_hex, scan, whole_second};
use crate::api::{Call, OpResult, Reply};
use crate::service::ObjectService;

const ROOT: &str = "ListPartsResult";

impl ObjectService {
    pub(super) fn list_parts(&self, call: &Call) -> OpResult {
        let limit = page_limit(&call.query, "max-parts")?;
        let marker = integer(call.query.get("part-number-marker"), "part-number-marker")?.unwrap_or(0);
        let id = call.query.get("uploadId").unwrap_or_default();
        let no_such_upload = || S3Error::new(ErrorCode::NoSuchUpload).field("UploadId", id);
        let ordinal = Ordinal::from_wire(id).ok_or_else(no_such_upload)?;
        let snapshot = self.meta.snapshot().map_err(S3Error::internal)?;
        let row = snapshot.get(&keys::upload(call.bucket.id, &call.key, ordinal)).map_err(S3Error::internal)?;
        let upload = UploadRecord::decode(row.ok_or_else(no_such_upload)?).map_err(S3Error::internal)?;
        let range = keys::part_range(call.bucket.id, ordinal);
        let after = u16::try_from(marker.min(u64::from(PARTS))).unwrap_or(u16::MAX);
        let first = keys::part(call.bucket.id, ordinal, after.saturating_add(1));
        let mut parts = Parts { limit, ..Parts::default() };
        parts.out.buffer().reserve(limit * ENTRY_BYTES / 2);
        scan(&*snapshot, first, range.end, &mut |row, value| parts.visit(row, value)).map_err(S3Error::internal)?;

        let mut head = Writer::document(ROOT, parts.out.buffer().len() + 4096);
        head.text("Bucket", call.shown_bucket()).bytes("Key", &call.shown_key()).text("UploadId", id);
        let mut owners = self.owners(&*snapshot, &call.bucket);
        owners
            .put_both(&mut head, &upload, call.window.as_ref().map(|window| window.owner))
            .map_err(S3Error::internal)?;
        head.text("StorageClass", storage_class::name(upload.object.storage_class).unwrap_or_default());
        if let Some(algorithm) = Algorithm::from_code(upload.checksum_algorithm) {
            head.text("ChecksumAlgorithm", algorithm.name());
            head.text("ChecksumType", ChecksumType::from_code(upload.checksum_kind).map_or("", ChecksumType::name));
        }
        head.number("PartNumberMarker", marker);
        head.number("NextPartNumberMarker", u64::from(parts.last));
        head.number("MaxParts", limit as u64).flag("IsTruncated", parts.truncated);
        head.raw(parts.out.buffer());
        Ok(Reply::xml(head.finish(ROOT)))
    }
}

/// A page of parts, rendered.
#[derive(Default)]
struct Parts {
    out: Writer,
    limit: usize,
    taken: usize,
    truncated: bool,
    /// Number of the last part on the page; 0 when there is none.
    last: u16,
}

impl Parts {
    fn visit(&mut self, row: &[u8], value: &[u8]) -> Result<Step, MetaError> {
        if self.taken == self.limit {
            self.truncated = self.limit > 0;
            return Ok(Step::Stop);
        }
        self.taken += 1;
        self.put(row, value)?;
        Ok(Step::Next)
    }

    fn put(&mut self, row: &[u8], value: &[u8]) -> Result<(), MetaError> {
        let not_a_part = || MetaError::Corrupt("a row that is no part among parts".into());
        let (_, _, number) = keys::parse_part(row).ok_or_else(not_a_part)?;
        let part = PartView::new(value)?;
        let out = &mut self.out;
        out.open("Part").number("PartNumber", u64::from(number));
        out.time("LastModified", whole_second(part.ordinal.timestamp()));
        out.raw(b"<ETag>&quot;");
        push_hex(out.buffer(), &part.md5);
        out.raw(b"&quot;</ETag>").number("Size", part.size);
        if let Some(algorithm) = Algorithm::from_code(part.checksum_algorithm) {
            out.text(algorithm.element(), &base64::encode(part.checksum));
        }
        out.close("Part");
        self.last = number;
        Ok(())
    }
}
