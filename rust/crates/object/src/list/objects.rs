//! ListObjects and ListObjectsV2: the current objects of a bucket.

use panthera_base::{S3Error, S3Result, UserId};
use panthera_meta::records::ObjectView;
use panthera_meta::{MetaError, Snapshot, Step, keys};
use panthera_wire::xml::Writer;

use super::folder;
use super::gate::{Gate, Look};
use super::owners::Owners;
use super::segments::{Rows, Segment};
use super::skip::{Page, Place, Start, beyond};
use super::token::{self, Position};
use super::{Body, Params, put_version, scan, seek};
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
    /// Where to go on when the page ended because it had worked enough.
    stopped: Option<Vec<u8>>,
}

impl ObjectService {
    pub(super) fn list_objects(&self, call: &Call, gate: Gate) -> OpResult {
        let params = Params::read(&call.query, "max-keys")?;
        let marker = call.query.get("marker").unwrap_or_default();
        let page = self.page(call, gate, &params, &self.marked(call, marker)?, true)?;
        let mut head = Writer::document(ROOT, HEAD_BYTES);
        params.put_echo(&mut head, &call.bucket_name, "MaxKeys");
        params.put_key(&mut head, "Marker", marker.as_bytes());
        head.flag("IsTruncated", page.truncated);
        match &page.stopped {
            // Without a last name on the page to go on from, clients need the marker whether or not they have a
            // delimiter.
            Some(stopped) if page.taken == 0 => {
                head.text("NextMarker", &self.mark(call, stopped)?);
            }
            _ if page.truncated && !params.delimiter.is_empty() => params.put_key(&mut head, "NextMarker", &page.last),
            _ => {}
        }
        Ok(Reply::xml(page.body.finish(head, ROOT)))
    }

    pub(super) fn list_objects_v2(&self, call: &Call, gate: Gate) -> OpResult {
        let params = Params::read(&call.query, "max-keys")?;
        let start_after = call.query.get("start-after").unwrap_or_default();
        let token = call.query.get("continuation-token");
        let position = match token {
            None | Some("") => Position::After(start_after.as_bytes().to_vec()),
            Some(token) => token::decode(token, || self.sealer(call))?,
        };
        let owner = call.query.get("fetch-owner").is_some_and(|value| value.eq_ignore_ascii_case("true"));
        let page = self.page(call, gate, &params, &position, owner)?;
        let mut head = Writer::document(ROOT, HEAD_BYTES);
        params.put_echo(&mut head, call.shown_bucket(), "MaxKeys");
        head.number("KeyCount", page.taken as u64).flag("IsTruncated", page.truncated);
        if call.query.get("start-after").is_some() {
            params.put_key(&mut head, "StartAfter", start_after.as_bytes());
        }
        if let Some(token) = token {
            head.text("ContinuationToken", token);
        }
        if page.truncated {
            let next = match &page.stopped {
                Some(stopped) => self.sealer(call)?.token(stopped),
                None => token::encode(&page.last),
            };
            head.text("NextContinuationToken", &next);
        }
        Ok(Reply::xml(page.body.finish(head, ROOT)))
    }

    /// A folder behind a share link: a page for browsers, else ListObjectsV2's document.
    pub(super) fn list_shared_folder(&self, call: &Call, gate: Gate) -> OpResult {
        if !accepts_html(call) {
            return self.list_objects_v2(call, gate);
        }
        let mut params = Params::read(&call.query, "max-keys")?;
        (params.delimiter, params.page) = ("/", true);
        let position = match call.query.get("continuation-token") {
            None | Some("") => Position::After(Vec::new()),
            Some(token) => token::decode(token, || self.sealer(call))?,
        };
        let mut page = self.page(call, gate, &params, &position, false)?;
        let next = match (&page.stopped, page.truncated) {
            (_, false) => None,
            (Some(stopped), true) => Some(self.sealer(call)?.token(stopped)),
            (None, true) => Some(token::encode(&page.last)),
        };
        let (folders, files) = (page.body.prefixes.buffer().as_slice(), page.body.entries.buffer().as_slice());
        let path = call.window.as_ref().map_or(&[][..], |window| &window.stored);
        Ok(folder::page(path, params.prefix.as_bytes(), &[folders, files], next.as_deref()))
    }

    fn page(
        &self,
        call: &Call,
        mut gate: Gate,
        params: &Params<'_>,
        position: &Position,
        owner: bool,
    ) -> S3Result<Listed> {
        let snapshot = self.meta.snapshot().map_err(S3Error::internal)?;
        // Who owns what behind a window is nobody's business in front of it.
        let owners = (owner && call.window.is_none()).then(|| self.owners(&*snapshot, &call.bucket));
        let Start::At(start) = params.start(position) else {
            return Ok(Listed::nothing(params.limit));
        };
        let segments = self.segments(&*snapshot, call, params, &mut gate, (Rows::Objects, &start))?;
        let filler = Filler {
            params,
            owner: call.bucket.owner,
            owners,
            gate,
            page: Page::new(params.filter(), params.limit),
            body: Body::new(params.limit),
            last: Vec::new(),
            resume: start,
            full: false,
        };
        filler.fill(&*snapshot, segments).map_err(S3Error::internal)
    }
}

impl Listed {
    fn nothing(limit: usize) -> Self {
        Self { body: Body::new(limit), taken: 0, truncated: false, last: Vec::new(), stopped: None }
    }
}

/// A page that is being filled, segment by segment, in the order of the client's names.
struct Filler<'a> {
    params: &'a Params<'a>,
    /// Who is shown to own what lies behind a mount: the bucket's owner.
    owner: UserId,
    owners: Option<Owners<'a>>,
    /// In the client's names, or, behind a link, in those of the only segment.
    gate: Gate,
    page: Page<'a>,
    body: Body,
    last: Vec<u8>,
    /// The first name that may still be shown.
    resume: Vec<u8>,
    full: bool,
}

impl Filler<'_> {
    fn fill(mut self, snapshot: &dyn Snapshot, segments: Vec<Segment>) -> Result<Listed, MetaError> {
        let mut stopped = None;
        for mut segment in segments {
            if let Some(first) = segment.first(&self.resume) {
                scan(snapshot, first, segment.end.clone(), &mut |row, value| self.row(&mut segment, row, value))?;
            }
            stopped = segment.stopped(&self.gate);
            if self.full || stopped.is_some() {
                break;
            }
        }
        let Self { body, page, last, .. } = self;
        Ok(Listed { body, taken: page.taken(), truncated: page.truncated() || stopped.is_some(), last, stopped })
    }

    fn row(&mut self, segment: &mut Segment, row: &[u8], value: &[u8]) -> Result<Step, MetaError> {
        let (_, stored) = keys::parse_object(row).ok_or_else(not_an_object)?;
        match segment.look(&mut self.gate, stored) {
            Look::Shown => {}
            Look::Skip(to) => return Ok(seek(keys::object(segment.bucket, &to))),
            Look::End => return Ok(Step::Stop),
        }
        let lens = segment.lens();
        let key = &*lens.shown(stored);
        match self.page.place(key) {
            Place::Full => {
                self.full = true;
                return Ok(Step::Stop);
            }
            Place::Prefix(len) => {
                self.last.clear();
                self.last.extend_from_slice(&key[..len]);
                self.body.put_prefix(self.params, &self.last);
                let Some(next) = beyond(&self.last) else {
                    self.full = true;
                    return Ok(Step::Stop);
                };
                let row = lens.stored(&next).map(|next| keys::object(segment.bucket, &next));
                self.resume = next;
                return Ok(row.map_or(Step::Stop, seek));
            }
            Place::Entry => {}
        }
        self.last.clear();
        self.last.extend_from_slice(key);
        let view = ObjectView::new(value)?;
        let owner = if segment.mount().is_some() { self.owner } else { view.owner() };
        put_entry(&mut self.body.entries, self.params, key, &view, (owner, &mut self.owners))?;
        Ok(Step::Next)
    }
}

fn accepts_html(call: &Call) -> bool {
    let accept = call.headers.get_all(http::header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    accept.flat_map(|line| line.split([',', ';'])).any(|kind| kind.trim().eq_ignore_ascii_case("text/html"))
}

fn not_an_object() -> MetaError {
    MetaError::Corrupt("a row that is no object among objects".into())
}

fn put_entry(
    out: &mut Writer,
    params: &Params<'_>,
    key: &[u8],
    view: &ObjectView<'_>,
    (owner, owners): (UserId, &mut Option<Owners<'_>>),
) -> Result<(), MetaError> {
    if params.page {
        return folder::put_file(out, params.prefix.as_bytes(), key, view);
    }
    let owner = owners.as_mut().map(|owners| owners.element(owner)).transpose()?;
    out.raw(b"<Contents><Key>");
    params.push_key(out, key);
    out.raw(b"</Key>");
    put_version(out, view, owner)?;
    out.raw(b"</Contents>");
    Ok(())
}
