//! What a write request says: about the object, about what must be true before, and what the answer tells back.
//!
//! Belongs here: turning headers into values that plans and records take. Does not belong here: the syntax of headers
//! (crate `wire`), bodies, plans.

use http::{HeaderMap, HeaderName, HeaderValue};
use panthera_base::{ErrorCode, Ordinal, S3Error, S3Result, Timestamp, limits};
use panthera_meta::records::{Checksum, ObjectRecord, ObjectView, content_type};
use panthera_meta::{key_fits, keys};
use panthera_wire::checksum::{Algorithm, ChecksumType, Composite, Digest};
use panthera_wire::conditions::{Comparison, etag_in};
use panthera_wire::headers::{self, ObjectHeaders};
use panthera_wire::{acl, hex, tagging};

use super::KeyRows;
use super::acl::Owned;
use super::key_rows::Row;
use crate::access::unchanged;
use crate::api::Call;
use crate::service::ObjectService;

/// Makes a request ready for a write: headers a presigner moved into the query come back, and what we would have to
/// ignore is refused.
pub(crate) fn prepare(call: &mut Call) -> S3Result<()> {
    headers::adopt_hoisted(&mut call.headers, &call.query.0)?;
    headers::refuse_unsupported(&call.headers)?;
    check_key(&call.key)
}

/// The same for a part, which has no access control list of its own.
pub(crate) fn prepare_part(call: &mut Call) -> S3Result<()> {
    prepare(call)?;
    acl::refuse_on_part(&call.headers)
}

/// A key that can be stored.
pub(crate) fn check_key(key: &[u8]) -> S3Result<()> {
    // Zero bytes are stored as two, so a key of nothing else can outgrow its row long before AWS's limit.
    let longest_row = keys::version(panthera_base::BucketId(0), key, Ordinal(0));
    if key.len() > limits::KEY_BYTES || !key_fits(&longest_row) {
        return Err(S3Error::new(ErrorCode::KeyTooLongError)
            .field("Size", key.len().to_string())
            .field("MaxSizeAllowed", limits::KEY_BYTES.to_string()));
    }
    Ok(())
}

/// The record a request describes: everything but its bytes.
pub(crate) fn describe(headers: &HeaderMap, owned: Owned) -> S3Result<ObjectRecord> {
    let storage_class = headers::storage_class(headers)?.unwrap_or_default();
    let tags = match headers.get("x-amz-tagging") {
        Some(value) => tagging::from_header(value.as_bytes())?,
        None => Vec::new(),
    };
    let Owned { owner, acl } = owned;
    let mut record = ObjectRecord { owner, acl, storage_class, tags, ..ObjectRecord::default() };
    set_headers(&mut record, ObjectHeaders::from_headers(headers)?);
    Ok(record)
}

/// Takes over the system headers and the user metadata.
pub(crate) fn set_headers(record: &mut ObjectRecord, read: ObjectHeaders) {
    record.content_type =
        content_type::intern(read.content_type.as_deref().unwrap_or(content_type::DEFAULT.as_bytes()));
    record.cache_control = read.cache_control;
    record.content_disposition = read.content_disposition;
    record.content_encoding = read.content_encoding;
    record.content_language = read.content_language;
    record.expires = read.expires;
    record.website_redirect = read.website_redirect_location;
    record.user_metadata = read.metadata.into_iter().map(|(name, value)| (name.into_bytes(), value)).collect();
}

/// The checksum of a record, from its digest.
pub(crate) fn checksum(algorithm: Algorithm, kind: ChecksumType, digest: &Digest) -> Checksum {
    Checksum { algorithm: algorithm.code(), kind: kind.code(), value: digest.as_bytes().to_vec() }
}

/// If-Match and If-None-Match of a write: about the current version, where a delete marker counts as absence.
#[derive(Clone, Debug, Default)]
pub(crate) struct WriteConditions {
    if_match: Option<String>,
    if_none_match: Option<String>,
    /// The version that the right to compare was decided about, where that decision looked at one.
    decided: Option<Ordinal>,
}

impl WriteConditions {
    /// Reads the two headers.
    pub(crate) fn of(call: &Call) -> Self {
        Self { decided: call.decided, ..Self::from_headers(&call.headers) }
    }

    fn from_headers(headers: &HeaderMap) -> Self {
        let read = panthera_wire::conditions::Conditions::from_headers(headers);
        Self {
            if_match: read.if_match.map(|list| list.into_owned()),
            if_none_match: read.if_none_match.map(|list| list.into_owned()),
            decided: None,
        }
    }

    /// Nothing is asked.
    pub(crate) fn is_empty(&self) -> bool {
        self.if_match.is_none() && self.if_none_match.is_none()
    }

    /// Whether they hold for what is stored now.
    pub(crate) fn check(&self, key: &[u8], current: Option<&Row>) -> S3Result<()> {
        if self.is_empty() {
            return Ok(());
        }
        let Some(row) = current else {
            return match self.if_match {
                Some(_) => Err(S3Error::new(ErrorCode::NoSuchKey).field("Key", String::from_utf8_lossy(key))),
                None => Ok(()),
            };
        };
        unchanged(self.decided, row.ordinal)?;
        let etag = row_etag(row)?;
        if self.if_match.as_ref().is_some_and(|list| !etag_in(list, &etag, Comparison::Strong)) {
            return Err(precondition_failed("If-Match"));
        }
        if self.if_none_match.as_ref().is_some_and(|list| etag_in(list, &etag, Comparison::Weak)) {
            return Err(precondition_failed("If-None-Match"));
        }
        Ok(())
    }
}

/// 412, naming the condition.
pub(crate) fn precondition_failed(condition: &str) -> S3Error {
    S3Error::new(ErrorCode::PreconditionFailed).field("Condition", condition)
}

/// The ETag without quotes.
pub(crate) fn etag(md5: &[u8; 16], parts: Option<u32>) -> String {
    let mut text = hex::encode(md5);
    if let Some(parts) = parts {
        text.push_str(&format!("-{parts}"));
    }
    text
}

/// The ETag of a stored version, without quotes.
pub(crate) fn view_etag(view: &ObjectView<'_>) -> String {
    etag(view.etag(), view.multipart_etag().then(|| view.parts()))
}

/// The ETag of a row, without quotes.
pub(crate) fn row_etag(row: &Row) -> S3Result<String> {
    Ok(view_etag(&ObjectView::new(&row.raw).map_err(S3Error::internal)?))
}

/// Puts a header whose value we made ourselves.
pub(crate) fn set(headers: &mut HeaderMap, name: &'static str, value: impl AsRef<[u8]>) {
    if let Ok(value) = HeaderValue::from_bytes(value.as_ref()) {
        headers.insert(HeaderName::from_static(name), value);
    }
}

/// The answer's ETag, in quotes.
pub(crate) fn set_etag(headers: &mut HeaderMap, etag: &str) {
    set(headers, "etag", format!("\"{etag}\""));
}

/// The answer's checksum and its type.
pub(crate) fn set_checksums(headers: &mut HeaderMap, record: &ObjectRecord) {
    for stored in &record.checksums {
        if let Some((algorithm, kind, text)) = wire_checksum(stored, record.parts) {
            set(headers, algorithm.header(), text);
            set(headers, "x-amz-checksum-type", kind.name());
        }
    }
}

/// A stored checksum as the wire writes it; `None` for an algorithm this version does not know.
pub(crate) fn wire_checksum(stored: &Checksum, parts: u32) -> Option<(Algorithm, ChecksumType, String)> {
    let algorithm = Algorithm::from_code(stored.algorithm)?;
    let kind = ChecksumType::from_code(stored.kind)?;
    let digest = Digest::new(&stored.value)?;
    let text = match kind {
        ChecksumType::FullObject => digest.to_base64(),
        ChecksumType::Composite => Composite::to_wire(&digest, parts),
    };
    Some((algorithm, kind, text))
}

impl ObjectService {
    /// An ordinal newer than everything the plan saw of the key, so that history keeps its order even when another
    /// gateway's clock is ahead.
    pub(crate) fn ordinal_after(&self, rows: &KeyRows<'_>) -> Ordinal {
        let seen = rows.latest().map_or(0, |row| row.ordinal.0.saturating_add(1));
        self.ordinals.next(Timestamp(self.clock.now().0.max(seen)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_at_and_beyond_the_limit() {
        assert!(check_key(&[b'k'; limits::KEY_BYTES]).is_ok());
        assert_eq!(check_key(&[b'k'; limits::KEY_BYTES + 1]).unwrap_err().code(), ErrorCode::KeyTooLongError);
        assert!(check_key(&[0; 500]).is_ok());
        assert_eq!(check_key(&[0; limits::KEY_BYTES]).unwrap_err().code(), ErrorCode::KeyTooLongError);
    }

    #[test]
    fn the_storage_classes_of_the_wire_are_those_of_the_format() {
        assert_eq!(headers::STORAGE_CLASSES, panthera_meta::records::storage_class::NAMES);
    }

    #[test]
    fn conditions_on_what_is_and_what_is_not() {
        let record = ObjectRecord { etag: [0xab; 16], ..ObjectRecord::default() };
        let row = Row::new(&record.encode()).unwrap();
        let etag = "ab".repeat(16);
        let check = |name: &'static str, value: &str, current: Option<&Row>| {
            let mut headers = HeaderMap::new();
            set(&mut headers, name, value);
            WriteConditions::from_headers(&headers).check(b"k", current).map_err(|e| e.code())
        };
        let failed = Err(ErrorCode::PreconditionFailed);
        let missing = Err(ErrorCode::NoSuchKey);
        for (name, value, on_object, on_nothing) in [
            ("if-match", "*", Ok(()), missing),
            ("if-match", &*etag, Ok(()), missing),
            ("if-match", "\"cd\"", failed, missing),
            ("if-none-match", "*", failed, Ok(())),
            ("if-none-match", &*format!("\"{etag}\""), failed, Ok(())),
            ("if-none-match", "cd", Ok(()), Ok(())),
        ] {
            assert_eq!(check(name, value, Some(&row)), on_object, "{name}: {value}");
            assert_eq!(check(name, value, None), on_nothing, "{name}: {value}");
        }
    }
}
