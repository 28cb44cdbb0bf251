//! Golden answers.

use http_body_util::BodyExt;
use panthera_object::api::ByteStream;
use std::task::{Context, Poll};

use super::*;

fn facts(method: Method) -> Facts {
    let uri = Uri::from_static("/photos/a%20%26b?versionId=1");
    Facts::new(RequestId::from_number(0x1F), &HeaderValue::from_static("node-1"), &method, &uri)
}

async fn parts(facts: &Facts, outcome: OpResult) -> (u16, Vec<(String, String)>, String) {
    let response = render(facts, outcome).await.response;
    let status = response.status().as_u16();
    let mut headers: Vec<(String, String)> = response
        .headers()
        .iter()
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
        .filter(|(name, _)| !["server", "x-amz-id-2", "x-amz-request-id"].contains(&name.as_str()))
        .collect();
    headers.sort();
    assert_eq!(response.headers()["x-amz-request-id"], "000000000000001F");
    assert_eq!(response.headers()["x-amz-id-2"], "node-1");
    assert_eq!(response.headers()["server"], "Panthera");
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, headers, String::from_utf8(body.to_vec()).unwrap())
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()
}

fn missing() -> S3Error {
    S3Error::new(ErrorCode::NoSuchKey)
        .field("Key", "a &b")
        .header("x-amz-delete-marker", "true")
        .detail("nobody's business")
}

#[tokio::test]
async fn an_error_is_a_document() {
    let (status, headers, body) = parts(&facts(Method::GET), Err(missing())).await;
    let golden = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>NoSuchKey</Code><Message>The specified key \
                  does not exist.</Message><Key>a &amp;b</Key><Resource>/photos/a%20%26b</Resource>\
                  <RequestId>000000000000001F</RequestId><HostId>node-1</HostId></Error>";
    assert_eq!(body, golden);
    assert_eq!(status, 404);
    let len = golden.len().to_string();
    assert_eq!(
        headers,
        pairs(&[("content-length", &len), ("content-type", "application/xml"), ("x-amz-delete-marker", "true")])
    );
}

#[tokio::test]
async fn head_and_not_modified_have_no_body() {
    let (status, headers, body) = parts(&facts(Method::HEAD), Err(missing())).await;
    assert_eq!((status, body.as_str()), (404, ""));
    assert_eq!(headers, pairs(&[("content-type", "application/xml"), ("x-amz-delete-marker", "true")]));
    let error = S3Error::new(ErrorCode::NotModified).header("etag", "\"e\"");
    let (status, headers, body) = parts(&facts(Method::GET), Err(error)).await;
    assert_eq!((status, headers, body.as_str()), (304, pairs(&[("etag", "\"e\"")]), ""));
}

#[tokio::test]
async fn replies_say_their_length() {
    struct Never;
    impl ByteStream for Never {
        fn poll_next(&mut self, _: &mut Context<'_>) -> Poll<Option<panthera_base::S3Result<Bytes>>> {
            Poll::Ready(None)
        }
    }
    let facts = facts(Method::GET);
    let xml = parts(&facts, Ok(Reply::xml("<A/>"))).await;
    assert_eq!(xml, (200, pairs(&[("content-length", "4"), ("content-type", "application/xml")]), "<A/>".into()));
    let empty = parts(&facts, Ok(Reply::empty(StatusCode::OK))).await;
    assert_eq!(empty, (200, pairs(&[("content-length", "0")]), String::new()));
    let gone = parts(&facts, Ok(Reply::empty(StatusCode::NO_CONTENT))).await;
    assert_eq!(gone, (204, pairs(&[]), String::new()));
    let nothing = Reply { body: ReplyBody::Stream(0, Box::new(Never)), ..Reply::empty(StatusCode::OK) };
    assert_eq!(parts(&facts, Ok(nothing)).await, (200, pairs(&[("content-length", "0")]), String::new()));
}

#[tokio::test]
async fn head_keeps_the_length_the_operation_says() {
    let mut reply = Reply::empty(StatusCode::OK);
    reply.headers.insert(header::CONTENT_LENGTH, HeaderValue::from_static("12345"));
    let (_, headers, body) = parts(&facts(Method::HEAD), Ok(reply)).await;
    assert_eq!((headers, body.as_str()), (pairs(&[("content-length", "12345")]), ""));
}

fn slow(pauses: u32, outcome: Result<&'static str, ErrorCode>) -> Reply {
    let document = Box::pin(async move {
        tokio::time::sleep(SLOW_PAUSE * pauses + SLOW_PAUSE / 2).await;
        outcome.map(|text| (HeaderMap::new(), Bytes::from(text))).map_err(S3Error::from)
    });
    Reply { body: ReplyBody::Slow(document), ..Reply::empty(StatusCode::OK) }
}

#[tokio::test(start_paused = true)]
async fn a_slow_document_that_is_quick_is_an_ordinary_answer() {
    let facts = facts(Method::POST);
    let (status, headers, body) = parts(&facts, Ok(slow(0, Ok("<Done/>")))).await;
    assert_eq!((status, body.as_str()), (200, "<Done/>"));
    assert!(headers.contains(&("content-length".into(), "7".into())));
    let (status, ..) = parts(&facts, Ok(slow(0, Err(ErrorCode::InvalidPart)))).await;
    assert_eq!(status, 400);
}

#[tokio::test(start_paused = true)]
async fn a_slow_document_that_is_slow_keeps_the_connection_alive() {
    let facts = facts(Method::POST);
    let declaration = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";
    let (status, headers, body) = parts(&facts, Ok(slow(2, Ok("<?xml version=\"1.0\"?>\n<Done/>")))).await;
    assert_eq!((status, headers), (200, pairs(&[("content-type", "application/xml")])));
    assert_eq!(body, format!("{declaration} \n<Done/>"));
    let (status, _, body) = parts(&facts, Ok(slow(2, Err(ErrorCode::InternalError)))).await;
    assert_eq!(status, 200);
    assert!(body.starts_with(&format!("{declaration} \n<Error><Code>InternalError</Code>")), "{body}");
}

#[test]
fn what_hyper_cannot_parse_is_answered_like_everything_else() {
    for (sent, status, code) in
        [(400, 400, "BadRequest"), (431, 400, "RequestHeaderSectionTooLarge"), (414, 400, "InvalidURI")]
    {
        let answer = unparsed(sent, RequestId::from_number(1), &HeaderValue::from_static("node-1"));
        let text = String::from_utf8(answer).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with(&format!("HTTP/1.1 {status} Bad Request\r\nx-amz-request-id: 0000000000000001\r\n")));
        assert!(head.contains(&format!("content-length: {}\r\n", body.len())) && head.contains("connection: close"));
        assert!(body.contains(&format!("<Code>{code}</Code>")), "{body}");
    }
}
