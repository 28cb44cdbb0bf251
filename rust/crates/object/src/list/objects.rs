//! ListObjects and ListObjectsV2: the current objects of a bucket.

use panthera_base::{BucketId, S3Error, S3Result};
use panthera_meta::records::ObjectView;
use panthera_meta::{MetaError, Snapshot, Step, keys};
use panthera_wire::xml::Writer;

use super::owners::Owners;
use super::skip::{Page, Place, Start, beyond};
use super::{Body, Params, put_version, scan, token};
use crate::api::{Call, OpResult, Reply};
use crate::service::ObjectService;

const ROOT: &str = "ListBucketResult";
/// Room for everything that is not an entry.
const HEAD_BYTES: usize = 4096;

/// A page of current objects, rendered.
struct Listed {
    body: Body,
    taken: usize,
    truncated: bool,
    /// The last key or common prefix on the page.
    last: Vec<u8>,
}

impl ObjectService {
    pub(super) fn list_objects(&self, call: &Call) -> OpResult {
        let params = Params::read(&call.query, "max-keys")?;
        let marker = call.query.get("marker").unwrap_or_default();
        let page = self.page(call, &params, marker.as_bytes(), true)?;
        let mut head = Writer::document(ROOT, HEAD_BYTES);
        params.put_echo(&mut head, &call.bucket_name, "MaxKeys");
        params.put_key(&mut head, "Marker", marker.as_bytes());
        head.flag("IsTruncated", page.truncated);
        if page.truncated && !params.delimiter.is_empty() {
            params.put_key(&mut head, "NextMarker", &page.last);
        }
        Ok(Reply::xml(page.body.finish(head, ROOT)))
    }

    pub(super) fn list_objects_v2(&self, call: &Call) -> OpResult {
        let params = Params::read(&call.query, "max-keys")?;
        let start_after = call.query.get("start-after").unwrap_or_default();
        let token = call.query.get("continuation-token");
        let position = match token {
            None | Some("") => start_after.as_bytes().to_vec(),
            Some(token) => token::decode(token)?,
        };
        let owner = call.query.get("fetch-owner").is_some_and(|value| value.eq_ignore_ascii_case("true"));
        let page = self.page(call, &params, &position, owner)?;
        let mut head = Writer::document(ROOT, HEAD_BYTES);
        params.put_echo(&mut head, &call.bucket_name, "MaxKeys");
        head.number("KeyCount", page.taken as u64).flag("IsTruncated", page.truncated);
        if call.query.get("start-after").is_some() {
            params.put_key(&mut head, "StartAfter", start_after.as_bytes());
        }
        if let Some(token) = token {
            head.text("ContinuationToken", token);
        }
        if page.truncated {
            head.text("NextContinuationToken", &token::encode(&page.last));
        }
        Ok(Reply::xml(page.body.finish(head, ROOT)))
    }

    fn page(&self, call: &Call, params: &Params<'_>, position: &[u8], owner: bool) -> S3Result<Listed> {
        let snapshot = self.meta.snapshot().map_err(S3Error::internal)?;
        let owners = owner.then(|| self.owners(&*snapshot, &call.bucket));
        list(&*snapshot, call.bucket.id, params, position, owners).map_err(S3Error::internal)
    }
}

/// Renders the page that follows `position` (exclusive; empty for the first).
fn list(
    snapshot: &dyn Snapshot,
    bucket: BucketId,
    params: &Params<'_>,
    position: &[u8],
    mut owners: Option<Owners<'_>>,
) -> Result<Listed, MetaError> {
    let filter = params.filter();
    let start = if position.is_empty() { Start::At(params.prefix.into()) } else { filter.after(position) };
    let mut page = Page::new(filter, params.limit);
    let mut body = Body::new(params.limit);
    let mut last = Vec::new();
    if let Start::At(key) = start {
        let first = keys::object(bucket, &key);
        let end = keys::object_prefix_range(bucket, params.prefix.as_bytes()).end;
        scan(snapshot, first, end, &mut |row, value| {
            let (_, key) = keys::parse_object(row).ok_or_else(not_an_object)?;
            match page.place(key) {
                Place::Full => return Ok(Step::Stop),
                Place::Prefix(len) => {
                    last.clear();
                    last.extend_from_slice(&key[..len]);
                    body.put_prefix(params, &last);
                    return Ok(beyond(&last).map_or(Step::Stop, |next| Step::Seek(keys::object(bucket, &next))));
                }
                Place::Entry => {}
            }
            last.clear();
            last.extend_from_slice(key);
            put_entry(&mut body.entries, params, key, value, &mut owners)?;
            Ok(Step::Next)
        })?;
    }
    Ok(Listed { body, taken: page.taken(), truncated: page.truncated(), last })
}

fn not_an_object() -> MetaError {
    MetaError::Corrupt("a row that is no object among objects".into())
}

fn put_entry(
    out: &mut Writer,
    params: &Params<'_>,
    key: &[u8],
    value: &[u8],
    owners: &mut Option<Owners<'_>>,
) -> Result<(), MetaError> {
    let view = ObjectView::new(value)?;
    let owner = owners.as_mut().map(|owners| owners.element(view.owner())).transpose()?;
    out.raw(b"<Contents><Key>");
    params.push_key(out, key);
    out.raw(b"</Key>");
    put_version(out, &view, owner)?;
    out.raw(b"</Contents>");
    Ok(())
}
