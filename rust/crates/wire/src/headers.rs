//! Request headers that describe an object or a copy: system headers, user metadata, storage class, copy source,
//! directives, and the headers we refuse because we would otherwise ignore them.
//!
//! Belongs here: reading and validating those headers into values. Does not belong here: checksums (module
//! `checksum`), tags (module `tagging`), conditions (module `conditions`), what the operations do with them.

use http::{HeaderMap, HeaderName, HeaderValue};
use panthera_base::{ErrorCode, S3Error, S3Result, limits};

use crate::uri::decode;

/// Longest x-amz-website-redirect-location (AWS: 2 KB).
pub const REDIRECT_LOCATION_BYTES: usize = 2048;

/// What a client says about the object it writes. Values are the literal bytes sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ObjectHeaders {
    /// Content-Type.
    pub content_type: Option<Vec<u8>>,
    /// Cache-Control.
    pub cache_control: Option<Vec<u8>>,
    /// Content-Disposition.
    pub content_disposition: Option<Vec<u8>>,
    /// Content-Encoding without `aws-chunked`, which is framing and no property of the object.
    pub content_encoding: Option<Vec<u8>>,
    /// Content-Language.
    pub content_language: Option<Vec<u8>>,
    /// Expires.
    pub expires: Option<Vec<u8>>,
    /// x-amz-website-redirect-location.
    pub website_redirect_location: Option<Vec<u8>>,
    /// User metadata: names lower-case without `x-amz-meta-`, sorted by name.
    pub metadata: Vec<(String, Vec<u8>)>,
}

impl ObjectHeaders {
    /// Reads them and checks their limits.
    pub fn from_headers(headers: &HeaderMap) -> S3Result<Self> {
        let literal = |name: &str| headers.get(name).map(|v| v.as_bytes().to_vec()).filter(|v| !v.is_empty());
        Ok(Self {
            content_type: literal("content-type"),
            cache_control: literal("cache-control"),
            content_disposition: literal("content-disposition"),
            content_encoding: content_encoding(headers),
            content_language: literal("content-language"),
            expires: literal("expires"),
            website_redirect_location: redirect_location(headers)?,
            metadata: user_metadata(headers)?,
        })
    }
}

fn content_encoding(headers: &HeaderMap) -> Option<Vec<u8>> {
    let mut kept: Vec<u8> = Vec::new();
    for value in headers.get_all("content-encoding") {
        for token in value.as_bytes().split(|&b| b == b',').map(<[u8]>::trim_ascii) {
            if token.is_empty() || token.eq_ignore_ascii_case(b"aws-chunked") {
                continue;
            }
            if !kept.is_empty() {
                kept.push(b',');
            }
            kept.extend_from_slice(token);
        }
    }
    (!kept.is_empty()).then_some(kept)
}

fn redirect_location(headers: &HeaderMap) -> S3Result<Option<Vec<u8>>> {
    let Some(value) = headers.get("x-amz-website-redirect-location") else { return Ok(None) };
    let bytes = value.as_bytes();
    let refuse = |message| Err(S3Error::with_message(ErrorCode::InvalidRedirectLocation, message));
    if bytes.len() > REDIRECT_LOCATION_BYTES {
        return refuse("The length of website redirect location cannot exceed 2,048 characters.");
    }
    if ![&b"/"[..], b"http://", b"https://"].iter().any(|prefix| bytes.starts_with(prefix)) {
        return refuse("The website redirect location must have a prefix of 'http://' or 'https://' or '/'.");
    }
    Ok(Some(bytes.to_vec()))
}

/// User metadata; several lines of one name are one value, joined by commas as HTTP says.
fn user_metadata(headers: &HeaderMap) -> S3Result<Vec<(String, Vec<u8>)>> {
    let mut found: Vec<(String, Vec<u8>)> = Vec::new();
    let mut size = 0;
    for name in headers.keys() {
        let Some(short) = name.as_str().strip_prefix("x-amz-meta-").filter(|short| !short.is_empty()) else { continue };
        let mut joined = Vec::new();
        for (i, value) in headers.get_all(name).iter().enumerate() {
            if i > 0 {
                joined.push(b',');
            }
            joined.extend_from_slice(value.as_bytes());
        }
        size += short.len() + joined.len();
        found.push((short.to_owned(), joined));
    }
    if size > limits::USER_METADATA_BYTES {
        return Err(S3Error::new(ErrorCode::MetadataTooLarge)
            .field("Size", size.to_string())
            .field("MaxSizeAllowed", limits::USER_METADATA_BYTES.to_string()));
    }
    found.sort();
    Ok(found)
}

/// Storage classes in the order of their numbers in stored records (FORMAT.md).
pub const STORAGE_CLASSES: [&str; 11] = [
    "STANDARD",
    "STANDARD_IA",
    "ONEZONE_IA",
    "INTELLIGENT_TIERING",
    "GLACIER",
    "DEEP_ARCHIVE",
    "GLACIER_IR",
    "REDUCED_REDUNDANCY",
    "OUTPOSTS",
    "SNOW",
    "EXPRESS_ONEZONE",
];

/// How many of [`STORAGE_CLASSES`] a client may ask for: the last three name other products.
const STORAGE_CLASSES_TO_CHOOSE: usize = 8;

/// The number of x-amz-storage-class.
pub fn storage_class(headers: &HeaderMap) -> S3Result<Option<u8>> {
    let Some(value) = headers.get("x-amz-storage-class") else { return Ok(None) };
    let known = STORAGE_CLASSES[..STORAGE_CLASSES_TO_CHOOSE].iter();
    match known.clone().position(|class| class.as_bytes() == value.as_bytes()) {
        Some(number) => Ok(Some(number as u8)),
        None => Err(S3Error::new(ErrorCode::InvalidStorageClass)
            .field("StorageClassRequested", String::from_utf8_lossy(value.as_bytes()))),
    }
}

/// Where a copy comes from: x-amz-copy-source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopySource {
    /// The bucket.
    pub bucket: String,
    /// The key, decoded.
    pub key: Vec<u8>,
    /// The `versionId`, as sent.
    pub version: Option<String>,
}

/// Reads x-amz-copy-source: `/bucket/key?versionId=…`, percent-encoded, the leading slash optional.
pub fn copy_source(headers: &HeaderMap) -> S3Result<CopySource> {
    let invalid = |message: &str| {
        S3Error::with_message(ErrorCode::InvalidArgument, message).field("ArgumentName", "x-amz-copy-source")
    };
    const FORM: &str = "Copy Source must mention the source bucket and key: sourcebucket/sourcekey";
    let value = headers.get("x-amz-copy-source").ok_or_else(|| invalid(FORM))?.as_bytes();
    let marker = b"?versionId=";
    let cut = value.windows(marker.len()).rposition(|window| window == marker);
    let (path, version) = match cut {
        Some(at) => (&value[..at], Some(&value[at + marker.len()..])),
        None => (value, None),
    };
    const CODED: &str = "Invalid copy source encoding.";
    let path = decode(path, false).ok_or_else(|| invalid(CODED))?;
    let path = path.strip_prefix(b"/").unwrap_or(&path);
    if path.starts_with(b"arn:") {
        return Err(S3Error::with_message(
            ErrorCode::NotImplemented,
            "x-amz-copy-source names an access point or an Outposts object, which are not implemented.",
        ));
    }
    let slash = path.iter().position(|&b| b == b'/').ok_or_else(|| invalid(FORM))?;
    let (bucket, key) = (&path[..slash], &path[slash + 1..]);
    if bucket.is_empty() || key.is_empty() {
        return Err(invalid(FORM));
    }
    let version = match version.map(|id| decode(id, false)) {
        None => None,
        Some(decoded) => Some(decoded.and_then(|v| String::from_utf8(v).ok()).ok_or_else(|| invalid(CODED))?),
    };
    let bucket = String::from_utf8(bucket.to_vec()).map_err(|_| invalid(CODED))?;
    Ok(CopySource { bucket, key: key.to_vec(), version: version.filter(|v| !v.is_empty()) })
}

/// x-amz-copy-source-range: `bytes=first-last`, both given. The first and the last offset.
pub fn copy_source_range(headers: &HeaderMap) -> S3Result<Option<(u64, u64)>> {
    let Some(value) = headers.get("x-amz-copy-source-range") else { return Ok(None) };
    value.to_str().ok().and_then(crate::range::parse_copy_source).map(Some).ok_or_else(|| {
        S3Error::with_message(
            ErrorCode::InvalidArgument,
            "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the \
             zero-based offsets of the first and last bytes to copy",
        )
        .field("ArgumentName", "x-amz-copy-source-range")
        .field("ArgumentValue", String::from_utf8_lossy(value.as_bytes()))
    })
}

/// Whether a copy takes something from its source or from the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Directive {
    /// From the source.
    Copy,
    /// From the request.
    Replace,
}

fn directive(headers: &HeaderMap, name: &'static str, message: &str) -> S3Result<Directive> {
    match headers.get(name).map(HeaderValue::as_bytes) {
        None | Some(b"COPY") => Ok(Directive::Copy),
        Some(b"REPLACE") => Ok(Directive::Replace),
        Some(other) => Err(S3Error::with_message(ErrorCode::InvalidArgument, message)
            .field("ArgumentName", name)
            .field("ArgumentValue", String::from_utf8_lossy(other))),
    }
}

/// x-amz-metadata-directive; COPY when absent.
pub fn metadata_directive(headers: &HeaderMap) -> S3Result<Directive> {
    directive(headers, "x-amz-metadata-directive", "Unknown metadata directive.")
}

/// x-amz-tagging-directive; COPY when absent.
pub fn tagging_directive(headers: &HeaderMap) -> S3Result<Directive> {
    directive(headers, "x-amz-tagging-directive", "Unknown tagging directive.")
}

/// Beginnings of headers that ask for what we do not do yet. Accepting them silently would store an object that is
/// not what the client asked for: not encrypted, not locked.
const REFUSED: [&str; 4] = [
    "x-amz-server-side-encryption",
    "x-amz-copy-source-server-side-encryption",
    "x-amz-object-lock-",
    "x-amz-write-offset-bytes",
];

/// Answers NotImplemented, naming the header, when a write asks for something we would have to ignore.
pub fn refuse_unsupported(headers: &HeaderMap) -> S3Result<()> {
    for name in headers.keys() {
        let name = name.as_str();
        // One comparison for the many headers that are none of ours.
        if name.starts_with("x-amz-") && REFUSED.iter().any(|prefix| name.starts_with(prefix)) {
            return Err(not_implemented(name));
        }
    }
    Ok(())
}

fn not_implemented(name: &str) -> S3Error {
    S3Error::with_message(
        ErrorCode::NotImplemented,
        format!("A header you provided implies functionality that is not implemented: {name}"),
    )
    .field("Header", name)
}

/// Query parameters of presigned requests that are the signature, not headers.
const SIGNATURE_PARAMETERS: [&str; 8] = [
    "x-amz-algorithm",
    "x-amz-content-sha256",
    "x-amz-credential",
    "x-amz-date",
    "x-amz-expires",
    "x-amz-security-token",
    "x-amz-signature",
    "x-amz-signedheaders",
];

/// Presigners (Go SDKs, JavaScript SDK v3) move `x-amz-*` headers into the query; S3 takes them for headers there.
/// Adds those parameters to the headers. A header that was sent as well must say the same.
pub fn adopt_hoisted(headers: &mut HeaderMap, query: &[(String, String)]) -> S3Result<()> {
    for (name, value) in query {
        if name.len() < 6 || !name.as_bytes()[..6].eq_ignore_ascii_case(b"x-amz-") {
            continue;
        }
        let name = name.to_ascii_lowercase();
        if SIGNATURE_PARAMETERS.contains(&name.as_str()) {
            continue;
        }
        let invalid =
            || S3Error::new(ErrorCode::InvalidArgument).field("ArgumentName", &*name).field("ArgumentValue", &**value);
        let header = HeaderName::try_from(name.as_str()).map_err(|_| invalid())?;
        let value = HeaderValue::from_bytes(value.as_bytes()).map_err(|_| invalid())?;
        match headers.get(&header) {
            Some(sent) if *sent != value => return Err(invalid()),
            Some(_) => {}
            None => {
                headers.insert(header, value);
            }
        }
    }
    Ok(())
}

/// Makes one line of each of our headers that was sent in several, joined by commas as HTTP says. Who decides and who
/// stores then read the same: one that looked at the first line, and one that looked at all, were told two things.
pub fn join_repeated(headers: &mut HeaderMap) {
    if headers.len() == headers.keys_len() {
        return;
    }
    let repeated = |name: &&HeaderName| is_joined(name.as_str()) && headers.get_all(*name).iter().nth(1).is_some();
    let names: Vec<HeaderName> = headers.keys().filter(repeated).cloned().collect();
    for name in names {
        let lines: Vec<&[u8]> = headers.get_all(&name).iter().map(HeaderValue::as_bytes).collect();
        if let Ok(line) = HeaderValue::from_bytes(&lines.join(&b","[..])) {
            headers.insert(name, line);
        }
    }
}

/// What conditions of policies ask for. Lengths, codings and credentials have rules of their own for being repeated.
fn is_joined(name: &str) -> bool {
    name.starts_with("x-amz-") || matches!(name, "if-match" | "if-none-match" | "referer" | "user-agent")
}

#[cfg(test)]
#[path = "headers_tests.rs"]
mod tests;
