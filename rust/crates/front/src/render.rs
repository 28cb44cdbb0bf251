//! Step 7: the only place where an error becomes a status and an XML document, and every answer gets its ids.
//!
//! Belongs here: heads and error documents. Does not belong here: deciding what the answer is. hyper adds Date,
//! Connection and the framing.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, Uri, header};
use panthera_base::{ErrorCode, S3Error};
use panthera_object::api::{OpResult, Reply, ReplyBody};
use panthera_object::page;
use panthera_wire::xml::Writer;

use crate::body::{Body, SlowDocument, undeclared};
use crate::settings::SLOW_PAUSE;
use crate::shared::RequestId;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-amz-request-id");
const ID_2: HeaderName = HeaderName::from_static("x-amz-id-2");
const SERVER: HeaderValue = HeaderValue::from_static("Panthera");
const XML: HeaderValue = HeaderValue::from_static("application/xml");

/// What an answer repeats about its request.
#[derive(Clone)]
pub struct Facts {
    request_id: RequestId,
    /// x-amz-id-2: which gateway answered.
    pub host_id: HeaderValue,
    /// HEAD never has a body.
    pub method: Method,
    /// A browser asks: errors are pages.
    pub page: bool,
    uri: Uri,
}

impl Facts {
    /// About this request. Nothing is copied: the target is shared with the request's head.
    pub fn new(request_id: RequestId, host_id: &HeaderValue, method: &Method, uri: &Uri) -> Self {
        Self { request_id, host_id: host_id.clone(), method: method.clone(), page: false, uri: uri.clone() }
    }

    /// x-amz-request-id.
    pub fn request_id(&self) -> &str {
        self.request_id.as_str()
    }

    /// Resource of error documents: the path as it was sent.
    pub fn resource(&self) -> &str {
        self.uri.path()
    }
}

/// A rendered answer, and the error it renders.
pub struct Rendered {
    /// What hyper sends.
    pub response: Response<Body>,
    /// For the account.
    pub error: Option<S3Error>,
}

/// Renders an outcome.
pub async fn render(facts: &Facts, outcome: OpResult) -> Rendered {
    let outcome = match outcome {
        Ok(Reply { status, headers, body: ReplyBody::Slow(document) }) => {
            wait_a_little(facts, status, headers, document).await
        }
        Ok(reply) => Ok(plain(reply)),
        Err(error) => Err(error),
    };
    let (mut response, error) = match outcome {
        Ok(response) => (response, None),
        Err(error) => (error_response(facts, &error), Some(error)),
    };
    let bodiless =
        facts.method == Method::HEAD || matches!(response.status(), StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    if bodiless {
        *response.body_mut() = Body::empty();
    } else if let Some(len) = response.body().len() {
        // Said by us so that it is there for every length, 0 included, in HTTP/1 and HTTP/2 alike.
        response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(len));
    }
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::from_str(facts.request_id()) {
        headers.insert(REQUEST_ID, id);
    }
    headers.insert(ID_2, facts.host_id.clone());
    headers.insert(header::SERVER, SERVER);
    Rendered { response, error }
}

fn plain(reply: Reply) -> Response<Body> {
    let body = match reply.body {
        ReplyBody::Bytes(bytes) => Body::full(bytes),
        ReplyBody::Stream(len, stream) => Body::stream(len, stream),
        ReplyBody::Empty | ReplyBody::Slow(_) => Body::empty(),
    };
    assemble(reply.status, reply.headers, body)
}

fn assemble(status: StatusCode, headers: HeaderMap, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

/// Most slow documents are not: only one that really takes long becomes a 200 that may still turn into an error.
async fn wait_a_little(
    facts: &Facts,
    status: StatusCode,
    mut headers: HeaderMap,
    mut document: SlowDocument,
) -> Result<Response<Body>, S3Error> {
    match tokio::time::timeout(SLOW_PAUSE, &mut document).await {
        Ok(outcome) => {
            let (more, document) = outcome?;
            headers.extend(more);
            headers.entry(header::CONTENT_TYPE).or_insert(XML);
            Ok(assemble(status, headers, Body::full(document)))
        }
        Err(_) => {
            let facts = facts.clone();
            headers.insert(header::CONTENT_TYPE, XML);
            let late_error = Box::new(move |error: &S3Error| undeclared(error_document(&facts, error)));
            Ok(assemble(status, headers, Body::slow(document, late_error)))
        }
    }
}

fn error_response(facts: &Facts, error: &S3Error) -> Response<Body> {
    let status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut headers = HeaderMap::with_capacity(8);
    for (name, value) in error.headers() {
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value)) {
            headers.insert(name, value);
        }
    }
    if status == StatusCode::NOT_MODIFIED {
        return assemble(status, headers, Body::empty());
    }
    if facts.page {
        return error_page(status, headers, facts, error);
    }
    headers.insert(header::CONTENT_TYPE, XML);
    let body = if facts.method == Method::HEAD { Body::empty() } else { Body::full(error_document(facts, error)) };
    assemble(status, headers, body)
}

/// An error as a page. Nothing of the request is in it, and nothing in it can load or run anything. Why a link does not
/// work is not told to who holds none that stands.
fn error_page(status: StatusCode, mut headers: HeaderMap, facts: &Facts, error: &S3Error) -> Response<Body> {
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(page::POLICY));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let (title, advice) = match error.code() {
        ErrorCode::AccessDenied => (
            "This link does not work",
            "It may have expired, have been withdrawn or used up, or be for somebody else. Ask who gave it to you for a \
             new one.",
        ),
        ErrorCode::Unauthorized => {
            ("This link needs a password", "Load the page again and enter the password. Any user name will do.")
        }
        ErrorCode::NoSuchKey => ("There is no such file", "It may have been moved or deleted."),
        _ => ("This did not work", "Try again later, or tell who gave you the link."),
    };
    let mut out = Writer::default();
    page::open(&mut out, title.as_bytes());
    out.raw(b"<h1>").raw(title.as_bytes()).raw(b"</h1>\n<p>").raw(advice.as_bytes()).raw(b"</p>\n<p><small>");
    out.raw(error.code().as_str().as_bytes()).raw(" \u{b7} request ".as_bytes());
    out.raw(facts.request_id().as_bytes()).raw(b"</small></p>\n");
    page::close(&mut out);
    assemble(status, headers, Body::full(std::mem::take(out.buffer()).into()))
}

/// The error document. It has no namespace, as AWS's has none.
pub fn error_document(facts: &Facts, error: &S3Error) -> Bytes {
    let mut xml = Writer::bare(512);
    xml.open("Error");
    xml.text("Code", error.code().as_str());
    xml.text("Message", error.message());
    for (name, value) in error.fields() {
        xml.text(name, value);
    }
    if !error.fields().iter().any(|(name, _)| *name == "Resource") {
        xml.text("Resource", facts.resource());
    }
    xml.text("RequestId", facts.request_id());
    xml.text("HostId", facts.host_id.to_str().unwrap_or_default());
    xml.finish("Error")
}

/// The answer to what hyper could not parse: there is no request, so no resource and no method.
pub fn unparsed(status: u16, request_id: RequestId, host_id: &HeaderValue) -> Vec<u8> {
    let error = match status {
        431 => S3Error::new(ErrorCode::RequestHeaderSectionTooLarge),
        414 => S3Error::with_message(ErrorCode::InvalidURI, "The request line is too long."),
        _ => S3Error::with_message(ErrorCode::BadRequest, "An error occurred when parsing the HTTP request."),
    };
    let facts = Facts::new(request_id, host_id, &Method::GET, &Uri::default());
    let (request_id, host_id) = (facts.request_id(), host_id.to_str().unwrap_or_default());
    let document = error_document(&facts, &error);
    let mut answer = format!(
        "HTTP/1.1 {} {}\r\nx-amz-request-id: {request_id}\r\nx-amz-id-2: {host_id}\r\ncontent-type: application/xml\r\n\
         content-length: {}\r\nconnection: close\r\nserver: Panthera\r\n\r\n",
        error.status(),
        StatusCode::from_u16(error.status()).ok().and_then(|s| s.canonical_reason()).unwrap_or("Error"),
        document.len(),
    )
    .into_bytes();
    answer.extend_from_slice(&document);
    answer
}

#[cfg(test)]
#[path = "render_tests.rs"]
mod tests;
