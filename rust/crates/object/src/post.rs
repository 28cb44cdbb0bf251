//! PostObject: an upload from an HTML form. The pipeline has checked the policy and its signature.
//!
//! Belongs here: form fields as the headers they stand for, the key, the answers a browser gets. Does not belong here:
//! parsing the form (crates `wire` and `front`), storing (module `write`).

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use panthera_base::limits::{OBJECT_TAGS, SINGLE_PUT_BYTES};
use panthera_base::{ErrorCode, S3Error, S3Result};
use panthera_wire::checksum::{Announced, ChecksumType};
use panthera_wire::headers::refuse_unsupported;
use panthera_wire::post_form::substitute_filename;
use panthera_wire::tagging;
use panthera_wire::uri::encode_query;
use panthera_wire::xml::Writer;

use crate::access::settled;
use crate::api::{Call, OpResult, Reply, ReplyBody};
use crate::service::ObjectService;
use crate::write::ingest::{Content, Expected};
use crate::write::put::{Target, location, put_reply};
use crate::write::request::{self, WriteConditions};

/// The pseudo-field in which the pipeline passes the policy's `content-length-range` as `min,max`. No form can have it.
const LENGTH_RANGE: &str = "\0content-length-range";

/// Form fields that stand for the header of the same name, beside `x-amz-*`.
const HEADER_FIELDS: [&str; 7] = [
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-md5",
    "content-type",
    "expires",
];

/// Fields of the form, signature and policy among them, whose names begin like headers and that are none.
const SIGNATURE_FIELDS: [&str; 6] = [
    "x-amz-algorithm",
    "x-amz-credential",
    "x-amz-date",
    "x-amz-security-token",
    "x-amz-signature",
    "x-amz-sdk-checksum-algorithm",
];

/// The headers that the fields of a form stand for. What is decided about a form is decided about these.
pub fn form_headers(fields: &[(String, Vec<u8>)]) -> S3Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    for (field, value) in fields {
        let name = match field.as_str() {
            "acl" => "x-amz-acl",
            name if SIGNATURE_FIELDS.contains(&name) => continue,
            name if name.starts_with("x-amz-") || HEADER_FIELDS.contains(&name) => name,
            _ => continue,
        };
        let refuse = || {
            S3Error::new(ErrorCode::InvalidArgument)
                .field("ArgumentName", name)
                .field("ArgumentValue", String::from_utf8_lossy(value))
        };
        let header = HeaderName::try_from(name).map_err(|_| refuse())?;
        headers.append(header, HeaderValue::from_bytes(value).map_err(|_| refuse())?);
    }
    Ok(headers)
}

/// The key of a form's file, with `${filename}` replaced by the name the browser gave it.
pub fn form_key(fields: &[(String, Vec<u8>)], filename: Option<&str>) -> S3Result<Vec<u8>> {
    match (Form { fields }).get("key").filter(|key| !key.is_empty()) {
        Some(template) => Ok(substitute_filename(template, filename.unwrap_or_default())),
        None => Err(S3Error::with_message(
            ErrorCode::InvalidArgument,
            "Bucket POST must contain a field named 'key'.  If it is specified, please check the order of the fields.",
        )
        .field("ArgumentName", "key")),
    }
}

struct Form<'c> {
    fields: &'c [(String, Vec<u8>)],
}

impl<'c> Form<'c> {
    fn get(&self, name: &str) -> Option<&'c [u8]> {
        self.fields.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_slice())
    }

    /// The policy's bounds on the file.
    fn length_range(&self) -> S3Result<(u64, u64)> {
        let Some(value) = self.get(LENGTH_RANGE) else { return Ok((0, SINGLE_PUT_BYTES)) };
        let text = std::str::from_utf8(value).ok();
        let bounds = text.and_then(|text| text.split_once(','));
        let parsed = bounds.and_then(|(min, max)| Some((min.parse().ok()?, max.parse::<u64>().ok()?)));
        let (min, max) = parsed.ok_or_else(|| S3Error::internal("the pipeline passed a length range that is none"))?;
        Ok((min, max.min(SINGLE_PUT_BYTES)))
    }
}

impl ObjectService {
    pub(crate) async fn post_object(&self, mut call: Call) -> OpResult {
        let form = Form { fields: &call.form };
        let headers = form_headers(&call.form)?;
        refuse_unsupported(&headers)?;
        request::check_key(&call.key)?;
        let owned = self.owned(&call, &headers)?;
        settled(call.context.trail.as_deref()).await?;
        let mut record = request::describe(&headers, owned)?;
        if let Some(document) = form.get("tagging") {
            record.tags = tagging::from_xml(document, OBJECT_TAGS)?;
        }
        let (min, max) = form.length_range()?;
        let mut expected = Expected::new(Announced::from_headers(&headers)?);
        expected.limit = max;
        let domain = self.domain_key(call.bucket.tenant)?;
        let received = self.ingest(&domain, &mut *call.payload, &expected).await;
        let content = received.map_err(|error| bounded(error, max)).and_then(|content| at_least(content, min))?;
        record.size = content.size;
        record.etag = content.md5;
        record.manifest = content.manifest;
        let (algorithm, digest) = &content.checksum;
        record.checksums = vec![request::checksum(*algorithm, ChecksumType::FullObject, digest)];
        let conditions = WriteConditions::default();
        let version = self.put_version(&Target::of(&call, &conditions), &mut record, content.unsaved).await?;
        Ok(answer(&call, put_reply(&record, version), &request::etag(&record.etag, None)))
    }
}

/// The policy's maximum takes the place of AWS's in the error.
fn bounded(error: S3Error, max: u64) -> S3Error {
    if error.code() != ErrorCode::EntityTooLarge {
        return error;
    }
    let proposed = error.fields().iter().find(|(name, _)| *name == "ProposedSize").map(|(_, size)| size.clone());
    S3Error::new(ErrorCode::EntityTooLarge)
        .field("ProposedSize", proposed.unwrap_or_default())
        .field("MaxSizeAllowed", max.to_string())
}

fn at_least(content: Content, min: u64) -> S3Result<Content> {
    if content.size >= min {
        return Ok(content);
    }
    Err(S3Error::new(ErrorCode::EntityTooSmall)
        .field("ProposedSize", content.size.to_string())
        .field("MinSizeAllowed", min.to_string()))
}

/// What the browser gets: a redirect when one was asked for and can be followed, else the status asked for, else 204.
fn answer(call: &Call, mut reply: Reply, etag: &str) -> Reply {
    let form = Form { fields: &call.form };
    let (bucket, key) = (call.shown_bucket(), &*call.shown_key());
    let redirect = form.get("success_action_redirect").or_else(|| form.get("redirect"));
    if let Some(url) = redirect.and_then(|url| redirect_url(url, bucket, key, etag)) {
        reply.status = StatusCode::SEE_OTHER;
        request::set(&mut reply.headers, "location", url);
        return reply;
    }
    let location = location(&call.base_url, bucket, key);
    match form.get("success_action_status") {
        Some(b"200") => reply.status = StatusCode::OK,
        Some(b"201") => {
            // This one document has no namespace.
            let mut out = Writer::bare(512);
            out.open("PostResponse").text("Location", &location).text("Bucket", bucket);
            out.bytes("Key", key).text("ETag", &format!("\"{etag}\""));
            reply.status = StatusCode::CREATED;
            reply.body = ReplyBody::Bytes(out.finish("PostResponse"));
            request::set(&mut reply.headers, "content-type", "application/xml");
        }
        _ => reply.status = StatusCode::NO_CONTENT,
    }
    request::set(&mut reply.headers, "location", location);
    reply
}

/// The URL with bucket, key and ETag appended; `None` when it is no absolute URL.
fn redirect_url(url: &[u8], bucket: &str, key: &[u8], etag: &str) -> Option<String> {
    let url = std::str::from_utf8(url).ok()?;
    let parsed: http::Uri = url.parse().ok()?;
    if !matches!(parsed.scheme_str(), Some("http" | "https")) || parsed.host().is_none_or(str::is_empty) {
        return None;
    }
    let joint = if url.contains('?') { '&' } else { '?' };
    let (key, etag) = (encode_query(key), encode_query(format!("\"{etag}\"").as_bytes()));
    Some(format!("{url}{joint}bucket={}&key={key}&etag={etag}", encode_query(bucket.as_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(pairs: &[(&str, &str)]) -> Vec<(String, Vec<u8>)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())).collect()
    }

    #[test]
    fn fields_become_headers_and_secrets_do_not() {
        let fields = fields(&[
            ("key", "k"),
            ("acl", "private"),
            ("content-type", "text/plain"),
            ("x-amz-meta-a", "1"),
            ("x-amz-signature", "s"),
            ("policy", "p"),
            ("\0content-length-range", "1,2"),
        ]);
        let form = Form { fields: &fields };
        let headers = form_headers(&fields).unwrap();
        let mut names: Vec<&str> = headers.keys().map(|name| name.as_str()).collect();
        names.sort_unstable();
        assert_eq!(names, ["content-type", "x-amz-acl", "x-amz-meta-a"]);
        assert_eq!(form.length_range().unwrap(), (1, 2));
    }

    #[test]
    fn the_file_name_goes_into_the_key() {
        let key = |template: &str, filename: Option<&str>| {
            let fields = fields(&[("key", template)]);
            form_key(&fields, filename).map_err(|error| error.code())
        };
        assert_eq!(key("a/${filename}", Some("x.txt")), Ok(b"a/x.txt".to_vec()));
        assert_eq!(key("${filename}${filename}", Some("x")), Ok(b"xx".to_vec()));
        assert_eq!(key("$filename", Some("x")), Ok(b"$filename".to_vec()));
        assert_eq!(key("a${filename}", None), Ok(b"a".to_vec()));
        assert_eq!(key("", None), Err(ErrorCode::InvalidArgument));
    }

    #[test]
    fn redirects_are_absolute_or_ignored() {
        let of = |url: &str| redirect_url(url.as_bytes(), "b", b"k&/", "e");
        assert_eq!(of("http://h/p").unwrap(), "http://h/p?bucket=b&key=k%26%2F&etag=%22e%22");
        assert_eq!(of("https://h/p?x=1").unwrap(), "https://h/p?x=1&bucket=b&key=k%26%2F&etag=%22e%22");
        for bad in ["", "/p", "javascript:alert(1)", "ftp://h", "http://", "h h"] {
            assert_eq!(of(bad), None, "{bad}");
        }
    }
}
