//! Headers of answers about a version.
//!
//! Belongs here: stored values to response headers. Does not belong here: which bytes follow.

use http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_TYPE, ETAG, EXPIRES,
    LAST_MODIFIED,
};
use http::{HeaderMap, HeaderName, HeaderValue};
use panthera_authz::Subject;
use panthera_base::{ErrorCode, S3Error, S3Result};
use panthera_meta::records::{ObjectView, Versioning, content_type, storage_class, tag};
use panthera_wire::date::http_date_bytes;
use panthera_wire::{checksum, hex};

use super::stored::{StoredChecksum, StoredPart, pairs};
use crate::api::Call;
use crate::list::invalid;
use crate::resolve::wire_version_id;

const META_PREFIX: &str = "x-amz-meta-";
/// Room for the headers of an ordinary answer.
const USUAL_HEADERS: usize = 16;

const VERSION_ID: HeaderName = HeaderName::from_static("x-amz-version-id");
const STORAGE_CLASS: HeaderName = HeaderName::from_static("x-amz-storage-class");
const TAGGING_COUNT: HeaderName = HeaderName::from_static("x-amz-tagging-count");
const WEBSITE_REDIRECT: HeaderName = HeaderName::from_static("x-amz-website-redirect-location");
const MISSING_META: HeaderName = HeaderName::from_static("x-amz-missing-meta");
const CHECKSUM_TYPE: HeaderName = HeaderName::from_static("x-amz-checksum-type");

/// The query parameters that override stored headers.
const OVERRIDES: [(&str, HeaderName); 6] = [
    ("response-cache-control", CACHE_CONTROL),
    ("response-content-disposition", CONTENT_DISPOSITION),
    ("response-content-encoding", CONTENT_ENCODING),
    ("response-content-language", CONTENT_LANGUAGE),
    ("response-content-type", CONTENT_TYPE),
    ("response-expires", EXPIRES),
];

/// The ETag in quotes, as headers carry it.
pub(super) fn quoted_etag(view: &ObjectView<'_>) -> String {
    let mut text = String::with_capacity(40);
    text.push('"');
    text.push_str(&hex::encode(view.etag()));
    if view.multipart_etag() {
        text.push('-');
        text.push_str(&view.parts().to_string());
    }
    text.push('"');
    text
}

/// The response-* parameters of a request. Only who signed may use them: they let a link say what a file is.
pub(super) fn overrides(call: &Call) -> S3Result<Vec<(HeaderName, HeaderValue)>> {
    let mut found = Vec::new();
    for (name, value) in &call.query.0 {
        let Some((parameter, header)) = OVERRIDES.iter().find(|(parameter, _)| parameter == name) else { continue };
        if call.caller.subject == Subject::Anonymous {
            return Err(S3Error::with_message(
                ErrorCode::InvalidRequest,
                "Request specific response headers cannot be used for anonymous GET requests.",
            ));
        }
        let value = HeaderValue::from_bytes(value.as_bytes())
            .map_err(|_| invalid("The value is not one a header can have.", parameter, value))?;
        found.push((header.clone(), value));
    }
    Ok(found)
}

/// ETag, Last-Modified and the version id: what 200, 206 and 304 have in common.
pub(super) fn identity(view: &ObjectView<'_>, versioning: Versioning, etag: &str) -> S3Result<HeaderMap> {
    let mut headers = HeaderMap::with_capacity(USUAL_HEADERS);
    headers.insert(ETAG, text(etag)?);
    let modified = http_date_bytes(view.ordinal().timestamp());
    headers.insert(LAST_MODIFIED, HeaderValue::from_bytes(&modified).map_err(S3Error::internal)?);
    if versioning != Versioning::Never {
        headers.insert(VERSION_ID, text(&wire_version_id(view))?);
    }
    Ok(headers)
}

/// Everything stored about the version, system headers and user metadata.
pub(super) fn describe(headers: &mut HeaderMap, view: &ObjectView<'_>) -> S3Result<()> {
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    let kind = view.content_type().map_err(S3Error::internal)?;
    // A type that has become unsendable is better sent as the default than not at all.
    let kind = HeaderValue::from_bytes(kind).unwrap_or(HeaderValue::from_static(content_type::DEFAULT));
    headers.insert(CONTENT_TYPE, kind);
    if view.storage_class() != storage_class::STANDARD {
        let class = storage_class::name(view.storage_class()).unwrap_or_default();
        headers.insert(STORAGE_CLASS, HeaderValue::from_static(class));
    }
    let mut missing = 0_u32;
    for section in view.sections() {
        let section = section.map_err(S3Error::internal)?;
        let name = match section.tag {
            tag::CACHE_CONTROL => CACHE_CONTROL,
            tag::CONTENT_DISPOSITION => CONTENT_DISPOSITION,
            tag::CONTENT_ENCODING => CONTENT_ENCODING,
            tag::CONTENT_LANGUAGE => CONTENT_LANGUAGE,
            tag::EXPIRES => EXPIRES,
            tag::WEBSITE_REDIRECT => WEBSITE_REDIRECT,
            tag::USER_METADATA => {
                missing += user_metadata(headers, section.bytes);
                continue;
            }
            tag::TAGS => {
                headers.insert(TAGGING_COUNT, HeaderValue::from(pairs(section.bytes).count()));
                continue;
            }
            _ => continue,
        };
        match HeaderValue::from_bytes(section.bytes) {
            Ok(value) => drop(headers.insert(name, value)),
            Err(_) => missing += 1,
        }
    }
    if missing > 0 {
        headers.insert(MISSING_META, HeaderValue::from(missing));
    }
    Ok(())
}

/// Adds the user metadata; gives the number of pairs that cannot be headers.
fn user_metadata(headers: &mut HeaderMap, section: &[u8]) -> u32 {
    let mut missing = 0;
    let mut full_name = Vec::with_capacity(64);
    for (name, value) in pairs(section) {
        full_name.clear();
        full_name.extend_from_slice(META_PREFIX.as_bytes());
        full_name.extend_from_slice(name);
        match (HeaderName::from_bytes(&full_name), HeaderValue::from_bytes(value)) {
            (Ok(name), Ok(value)) => drop(headers.append(name, value)),
            _ => missing += 1,
        }
    }
    missing
}

/// The client wants to hear checksums.
pub(super) fn wants_checksums(headers: &HeaderMap) -> bool {
    headers.get("x-amz-checksum-mode").is_some_and(|mode| mode.as_bytes().eq_ignore_ascii_case(b"ENABLED"))
}

/// Checksums of the whole version.
pub(super) fn whole_checksums(headers: &mut HeaderMap, found: &[StoredChecksum<'_>], parts: u32) -> S3Result<()> {
    for stored in found {
        headers.insert(HeaderName::from_static(stored.algorithm.header()), text(&stored.to_wire(parts))?);
        headers.insert(CHECKSUM_TYPE, HeaderValue::from_static(stored.kind.name()));
    }
    Ok(())
}

/// The checksum of one part, which is of the object's algorithm.
pub(super) fn part_checksum(
    headers: &mut HeaderMap,
    found: &[StoredChecksum<'_>],
    part: &StoredPart<'_>,
) -> S3Result<()> {
    let Some(stored) = found.first().filter(|_| !part.digest.is_empty()) else { return Ok(()) };
    let value = text(&checksum::base64::encode(part.digest))?;
    headers.insert(HeaderName::from_static(stored.algorithm.header()), value);
    headers.insert(CHECKSUM_TYPE, HeaderValue::from_static(stored.kind.name()));
    Ok(())
}

/// A header value of our own making.
pub(super) fn text(value: &str) -> S3Result<HeaderValue> {
    HeaderValue::from_str(value).map_err(S3Error::internal)
}
