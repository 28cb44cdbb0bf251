//! Listings. Rows are rendered where the store shows them, straight into the document: no list of entries is built.
//!
//! Belongs here: what all listings share (parameters, encoding, owners). Does not belong here: where a page begins and
//! ends (`skip`), what of it the caller may see (`gate`), the rows of any one listing.

mod folder;
mod gate;
mod lens;
mod objects;
mod owners;
mod parts;
mod segments;
mod skip;
mod token;
mod uploads;
mod versions;

use std::sync::Arc;

use panthera_base::limits::PAGE_KEYS;
use panthera_base::{ErrorCode, S3Error, S3Result, Timestamp};
use panthera_meta::records::{BucketRecord, ObjectView, storage_class, tag};
use panthera_meta::{KEY_LIMIT, MetaError, Snapshot, Step, keys};
use panthera_wire::checksum::{Algorithm, ChecksumType};
use panthera_wire::xml::{Writer, push_number};

use crate::api::{Call, NativeOp, OpResult, Query};
use crate::service::ObjectService;
use gate::Gate;
use owners::Owners;
use skip::{Filter, Start};
use token::{Position, Sealer};

/// Room for an entry of a listing with an owner and a key of usual length: documents are built without growing.
const ENTRY_BYTES: usize = 512;
/// Largest number AWS accepts for max-keys and its like; above it is a mistake, not a wish for more.
const COUNT_MAX: u64 = i32::MAX as u64;

impl ObjectService {
    /// The five listings. A page is milliseconds of work over mapped pages that may have to be read from disk: it runs
    /// beside the workers that serve connections.
    pub(crate) async fn list(self: &Arc<Self>, call: Call) -> OpResult {
        let service = Arc::clone(self);
        let page = tokio::task::spawn_blocking(move || service.list_page(call));
        page.await.unwrap_or_else(|error| Err(S3Error::internal(error)))
    }

    fn list_page(&self, mut call: Call) -> OpResult {
        let gate = Gate::new(call.visible.take());
        match call.op {
            NativeOp::ListMultipartUploads => self.list_multipart_uploads(&call, gate),
            NativeOp::ListObjectVersions => self.list_object_versions(&call, gate),
            NativeOp::ListObjects => self.list_objects(&call, gate),
            NativeOp::ListObjectsV2 => self.list_objects_v2(&call, gate),
            NativeOp::ListSharedFolder => self.list_shared_folder(&call, gate),
            // Not filtered: it names one key, and whether the caller may ask for that was decided.
            NativeOp::ListParts => self.list_parts(&call),
            other => Err(S3Error::internal(format_args!("{other:?} is no listing"))),
        }
    }

    fn sealer(&self, call: &Call) -> S3Result<Sealer> {
        let (bucket, subject) = (&call.bucket, &call.caller.subject);
        Ok(Sealer::new(&self.domain_key(bucket.tenant)?, bucket.tenant, bucket.id, subject))
    }

    /// Where a marker says that a page begins.
    fn marked(&self, call: &Call, marker: &str) -> S3Result<Position> {
        token::read_marker(marker, || self.sealer(call))
    }

    /// The marker to go on with after a page that shows nothing and is not the last.
    fn mark(&self, call: &Call, stopped: &[u8]) -> S3Result<String> {
        Ok(self.sealer(call)?.marker(stopped))
    }

    fn owners<'s>(&self, snapshot: &'s dyn Snapshot, bucket: &BucketRecord) -> Owners<'s> {
        Owners::new(snapshot, bucket)
    }
}

/// The parameters all listings by key share.
struct Params<'c> {
    prefix: &'c str,
    delimiter: &'c str,
    /// Keys and what is made of them are percent-encoded.
    url: bool,
    /// Most entries on the page.
    limit: usize,
    /// It is a page for people.
    page: bool,
}

impl<'c> Params<'c> {
    /// Reads them; `count` is the name of the parameter that limits the page.
    fn read(query: &'c Query, count: &'static str) -> S3Result<Self> {
        let url = match query.get("encoding-type") {
            None | Some("") => false,
            Some(name) if name.eq_ignore_ascii_case("url") => true,
            Some(name) => {
                return Err(invalid("Invalid Encoding Method specified in Request", "encoding-type", name));
            }
        };
        Ok(Self {
            prefix: query.get("prefix").unwrap_or_default(),
            delimiter: query.get("delimiter").unwrap_or_default(),
            url,
            limit: page_limit(query, count)?,
            page: false,
        })
    }

    fn filter(&self) -> Filter<'c> {
        Filter { prefix: self.prefix.as_bytes(), delimiter: self.delimiter.as_bytes() }
    }

    /// The first key a page that begins there may show.
    fn start(&self, position: &Position) -> Start {
        match position {
            // A page of nothing is no reason to look for what it could show.
            _ if self.limit == 0 => Start::Nowhere,
            Position::After(name) if name.is_empty() => Start::At(self.prefix.into()),
            Position::After(name) => self.filter().after(name),
            Position::At(key) => self.filter().at(key),
        }
    }

    /// `<name>key</name>`, encoded as the client asked.
    fn put_key(&self, out: &mut Writer, name: &str, key: &[u8]) {
        out.open(name);
        self.push_key(out, key);
        out.close(name);
    }

    fn push_key(&self, out: &mut Writer, key: &[u8]) {
        if self.url {
            push_url_encoded(out.buffer(), key);
        } else {
            out.push_bytes(key);
        }
    }

    /// The elements every listing by key repeats from the request.
    fn put_echo(&self, out: &mut Writer, bucket: &str, count: &str) {
        out.text(bucket_element(count), bucket);
        self.put_key(out, "Prefix", self.prefix.as_bytes());
        if !self.delimiter.is_empty() {
            self.put_key(out, "Delimiter", self.delimiter.as_bytes());
        }
        out.number(count, self.limit as u64);
        if self.url {
            out.text("EncodingType", "url");
        }
    }
}

/// Listings of objects call the bucket Name, listings of uploads call it Bucket.
fn bucket_element(count: &str) -> &'static str {
    if count == "MaxKeys" { "Name" } else { "Bucket" }
}

/// How many entries a page may have: the parameter, at most [`PAGE_KEYS`].
fn page_limit(query: &Query, name: &'static str) -> S3Result<usize> {
    let limit = integer(query.get(name), name)?;
    Ok(limit.map_or(PAGE_KEYS, |n| usize::try_from(n).map_or(PAGE_KEYS, |n| n.min(PAGE_KEYS))))
}

/// A number from 0 to 2^31-1; absent or empty is `None`.
pub(crate) fn integer(value: Option<&str>, name: &'static str) -> S3Result<Option<u64>> {
    let Some(text) = value.filter(|text| !text.is_empty()) else { return Ok(None) };
    let number = text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse::<u64>().ok()).flatten();
    match number.filter(|&n| n <= COUNT_MAX) {
        Some(number) => Ok(Some(number)),
        None => Err(invalid(format!("Argument {name} must be an integer between 0 and {COUNT_MAX}"), name, text)),
    }
}

pub(crate) fn invalid(message: impl Into<String>, name: &'static str, value: &str) -> S3Error {
    S3Error::with_message(ErrorCode::InvalidArgument, message).field("ArgumentName", name).field("ArgumentValue", value)
}

/// Percent-encodes for `encoding-type=url`. A space is %20, which every way of decoding reads as a space.
fn push_url_encoded(out: &mut Vec<u8>, text: &[u8]) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for &byte in text {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~' | b'/' | b'*') {
            out.push(byte);
        } else {
            out.extend_from_slice(&[b'%', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
        }
    }
}

fn push_hex(out: &mut Vec<u8>, bytes: &[u8]) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    for &byte in bytes {
        out.extend_from_slice(&[HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
    }
}

/// `<LastModified>` … `<StorageClass>`: what an entry of a listing says about a version.
fn put_version(out: &mut Writer, view: &ObjectView<'_>, owner: Option<&[u8]>) -> Result<(), MetaError> {
    out.time("LastModified", whole_second(view.ordinal().timestamp()));
    out.raw(b"<ETag>&quot;");
    push_hex(out.buffer(), view.etag());
    if view.multipart_etag() {
        out.raw(b"-");
        push_number(out.buffer(), u64::from(view.parts()));
    }
    out.raw(b"&quot;</ETag>");
    put_checksum_names(out, view)?;
    out.number("Size", view.size());
    if let Some(owner) = owner {
        out.raw(owner);
    }
    out.text("StorageClass", storage_class::name(view.storage_class()).unwrap_or_default());
    Ok(())
}

/// What a scan calls for each row: key, value.
type Visit<'v> = dyn FnMut(&[u8], &[u8]) -> Result<Step, MetaError> + 'v;

/// Scans the rows from `first` to `end`; the first error ends it. Bounds longer than any row can be (a marker of
/// megabytes is a legal marker) are cut to equivalent ones: no store has to see them.
fn scan(snapshot: &dyn Snapshot, first: Vec<u8>, end: Vec<u8>, visit: &mut Visit<'_>) -> Result<(), MetaError> {
    let mut failed = None;
    let (first, end) = (cut_bound(first), cut_bound(end));
    snapshot.scan(&first[..]..&end[..], &mut |row, value| {
        visit(row, value).unwrap_or_else(|error| {
            failed = Some(error);
            Step::Stop
        })
    })?;
    failed.map_or(Ok(()), Err)
}

/// Goes on at the first row not below this one.
fn seek(row: Vec<u8>) -> Step {
    Step::Seek(cut_bound(row))
}

/// The shortest bound that has the same rows on either side: no row is longer than [`KEY_LIMIT`].
fn cut_bound(bound: Vec<u8>) -> Vec<u8> {
    if bound.len() > KEY_LIMIT { keys::successor(&bound[..KEY_LIMIT]) } else { bound }
}

/// Which checksums the version has, by name: FORMAT.md, section 18.
fn put_checksum_names(out: &mut Writer, view: &ObjectView<'_>) -> Result<(), MetaError> {
    let Some(mut rest) = view.section(tag::CHECKSUMS)? else { return Ok(()) };
    let mut kind = None;
    while let [algorithm, checksum_kind, len, tail @ ..] = rest {
        if let Some(algorithm) = Algorithm::from_code(*algorithm) {
            out.text("ChecksumAlgorithm", algorithm.name());
            kind = ChecksumType::from_code(*checksum_kind);
        }
        rest = tail.get(usize::from(*len)..).unwrap_or_default();
    }
    if let Some(kind) = kind {
        out.text("ChecksumType", kind.name());
    }
    Ok(())
}

/// Last-Modified as AWS writes it into documents: the form has milliseconds, the value has none. It is the same moment
/// that headers say and conditions compare.
fn whole_second(time: Timestamp) -> Timestamp {
    Timestamp::from_secs(time.secs())
}

/// A document in two halves: entries go first, common prefixes after them, and both after a head that needs to know
/// how the page ended.
struct Body {
    entries: Writer,
    prefixes: Writer,
}

impl Body {
    fn new(limit: usize) -> Self {
        let mut entries = Writer::default();
        entries.buffer().reserve(limit.min(PAGE_KEYS) * ENTRY_BYTES / 2);
        Self { entries, prefixes: Writer::default() }
    }

    fn put_prefix(&mut self, params: &Params<'_>, prefix: &[u8]) {
        if params.page {
            return folder::put_folder(&mut self.prefixes, params.prefix.as_bytes(), prefix);
        }
        self.prefixes.raw(b"<CommonPrefixes><Prefix>");
        params.push_key(&mut self.prefixes, prefix);
        self.prefixes.raw(b"</Prefix></CommonPrefixes>");
    }

    /// Head, entries, prefixes, end.
    fn finish(mut self, mut head: Writer, root: &str) -> bytes::Bytes {
        head.buffer().reserve(self.entries.buffer().len() + self.prefixes.buffer().len() + root.len() + 3);
        head.raw(self.entries.buffer());
        head.raw(self.prefixes.buffer());
        head.finish(root)
    }
}

#[cfg(test)]
mod filtered_tests;
#[cfg(test)]
mod mounted_tests;
#[cfg(test)]
mod tests;
