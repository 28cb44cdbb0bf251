//! GetObjectAttributes: what is known about a version, as a document.

use panthera_base::limits::{PAGE_KEYS, PARTS};
use panthera_base::{ErrorCode, S3Error, S3Result};
use panthera_meta::records::{ObjectView, storage_class};
use panthera_wire::checksum::base64;
use panthera_wire::conditions::{self, Conditions, Outcome};
use panthera_wire::xml::Writer;

use super::headers;
use super::stored::{self, StoredChecksum};
use crate::api::{Call, OpResult, Reply};
use crate::list::{integer, invalid};
use crate::resolve::{Wanted, live};
use crate::service::ObjectService;

const ROOT: &str = "GetObjectAttributesResponse";
const ATTRIBUTES: &str = "x-amz-object-attributes";
const MAX_PARTS: &str = "x-amz-max-parts";
const PART_MARKER: &str = "x-amz-part-number-marker";

/// What the client asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Asked {
    etag: bool,
    checksum: bool,
    object_parts: bool,
    storage_class: bool,
    object_size: bool,
}

/// Which parts the client asked for.
struct PartPage {
    after: u64,
    limit: usize,
}

impl ObjectService {
    pub(crate) fn get_object_attributes(&self, call: &Call) -> OpResult {
        let wanted = Wanted::of(call)?;
        let asked = asked(call)?;
        let page = PartPage {
            after: number(call, PART_MARKER)?.unwrap_or(0),
            limit: number(call, MAX_PARTS)?.map_or(PAGE_KEYS, |n| n.min(PAGE_KEYS as u64) as usize),
        };
        let snapshot = self.meta.snapshot().map_err(S3Error::internal)?;
        let view = live(&*snapshot, call, wanted)?;
        let etag = headers::quoted_etag(&view);
        let conditions = Conditions::from_headers(&call.headers);
        if conditions::evaluate(&conditions, etag.trim_matches('"'), view.ordinal().timestamp()) != Outcome::Proceed {
            return Err(ErrorCode::PreconditionFailed.into());
        }
        let mut reply = Reply::xml(document(&view, asked, &page, etag.trim_matches('"'))?);
        let mut identity = headers::identity(&view, call.bucket.versioning, &etag)?;
        identity.remove(http::header::ETAG);
        reply.headers.extend(identity);
        Ok(reply)
    }
}

fn asked(call: &Call) -> S3Result<Asked> {
    let mut asked = Asked::default();
    let mut any = false;
    for line in call.headers.get_all(ATTRIBUTES) {
        let line = line.to_str().map_err(|_| invalid("Invalid attribute name specified.", ATTRIBUTES, ""))?;
        for name in line.split(',').map(str::trim).filter(|name| !name.is_empty()) {
            any = true;
            match name {
                "ETag" => asked.etag = true,
                "Checksum" => asked.checksum = true,
                "ObjectParts" => asked.object_parts = true,
                "StorageClass" => asked.storage_class = true,
                "ObjectSize" => asked.object_size = true,
                other => return Err(invalid("Invalid attribute name specified.", ATTRIBUTES, other)),
            }
        }
    }
    if any {
        return Ok(asked);
    }
    let message =
        "The x-amz-object-attributes header specifying the attributes to be retrieved is either missing or empty";
    Err(S3Error::with_message(ErrorCode::InvalidRequest, message))
}

fn number(call: &Call, name: &'static str) -> S3Result<Option<u64>> {
    let value = call.headers.get(name);
    let text = value.map(|v| v.to_str().map_err(|_| invalid("The value is not a number.", name, ""))).transpose()?;
    integer(text, name)
}

fn document(view: &ObjectView<'_>, asked: Asked, page: &PartPage, etag: &str) -> S3Result<bytes::Bytes> {
    let mut out = Writer::document(ROOT, 1024);
    if asked.etag {
        out.text("ETag", etag);
    }
    let found = stored::checksums(view)?;
    if asked.checksum && !found.is_empty() {
        out.open("Checksum");
        for stored in &found {
            out.text(stored.algorithm.element(), &stored.to_wire(view.parts()));
        }
        out.text("ChecksumType", found[0].kind.name());
        out.close("Checksum");
    }
    if asked.object_parts && view.parts() > 0 {
        put_parts(&mut out, view, page, found.first())?;
    }
    if asked.storage_class {
        out.text("StorageClass", storage_class::name(view.storage_class()).unwrap_or_default());
    }
    if asked.object_size {
        out.number("ObjectSize", view.size());
    }
    Ok(out.finish(ROOT))
}

fn put_parts(
    out: &mut Writer,
    view: &ObjectView<'_>,
    page: &PartPage,
    checksum: Option<&StoredChecksum<'_>>,
) -> S3Result<()> {
    let mut parts = stored::parts(view)?
        .skip_while(|part| part.as_ref().is_ok_and(|part| u64::from(part.number) <= page.after.min(u64::from(PARTS))));
    let mut list = Writer::default();
    let mut last = page.after;
    for part in parts.by_ref().take(page.limit) {
        let part = part?;
        last = u64::from(part.number);
        list.open("Part").number("PartNumber", last).number("Size", part.size());
        if let Some(checksum) = checksum.filter(|_| !part.digest.is_empty()) {
            list.text(checksum.algorithm.element(), &base64::encode(part.digest));
        }
        list.close("Part");
    }
    let truncated = page.limit > 0 && parts.next().is_some();
    out.open("ObjectParts").number("PartsCount", u64::from(view.parts()));
    out.number("PartNumberMarker", page.after).number("NextPartNumberMarker", last);
    out.number("MaxParts", page.limit as u64).flag("IsTruncated", truncated);
    out.raw(list.buffer());
    out.close("ObjectParts");
    Ok(())
}
