//! GetObject and HeadObject: one path; HEAD sends no bytes and reads none.

use std::ops::Range;

use http::header::{CONTENT_LENGTH, CONTENT_RANGE};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use panthera_base::limits::PARTS;
use panthera_base::{ErrorCode, S3Error, S3Result};
use panthera_meta::records::ObjectView;
use panthera_wire::conditions::{self, Conditions, Outcome};
use panthera_wire::range::{self, Asked};

use super::headers;
use super::stored::{self, StoredPart};
use super::stream::{Body, Source};
use crate::api::{Call, NativeOp, OpResult, Reply, ReplyBody};
use crate::list::invalid;
use crate::resolve::{Wanted, live};
use crate::service::ObjectService;

const MP_PARTS_COUNT: HeaderName = HeaderName::from_static("x-amz-mp-parts-count");

/// Everything about the answer but its bytes.
struct Planned {
    status: StatusCode,
    headers: HeaderMap,
    /// Length, and where the bytes come from; `None` when none are sent (HEAD, 304, empty objects).
    bytes: Option<(u64, Source)>,
}

/// Which bytes of the version the request is about.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Selection<'a> {
    Whole,
    Range(Range<u64>),
    /// A part asked for by number. `None` stands for part 1 of what was not uploaded in parts.
    Part(Option<StoredPart<'a>>),
}

impl ObjectService {
    pub(crate) async fn get_object(&self, call: Call) -> OpResult {
        let planned = self.plan_get(&call);
        drop(call);
        let Planned { status, headers, bytes } = planned?;
        let Some((len, source)) = bytes else {
            return Ok(Reply { status, headers, body: ReplyBody::Empty });
        };
        let body = match Body::start(source).await? {
            Some((first, _)) if first.len() as u64 == len => ReplyBody::Bytes(first),
            Some((first, rest)) => ReplyBody::Stream(len, Box::new(rest.with_first(first))),
            None => return Err(S3Error::internal("a version has a size and no bytes")),
        };
        Ok(Reply { status, headers, body })
    }

    fn plan_get(&self, call: &Call) -> S3Result<Planned> {
        let wanted = Wanted::of(call)?;
        let part = part_number(call)?;
        let overrides = headers::overrides(call)?;
        let snapshot = self.meta.snapshot().map_err(S3Error::internal)?;
        let view = live(&*snapshot, call, wanted)?;
        let etag = headers::quoted_etag(&view);
        let mut answer = headers::identity(&view, call.bucket.versioning, &etag)?;
        let modified = view.ordinal().timestamp();
        let bare_etag = etag.trim_matches('"');
        let asked = Conditions::from_headers(&call.headers);
        match conditions::evaluate(&asked, bare_etag, modified) {
            Outcome::Proceed => {}
            Outcome::NotModified => {
                return Ok(Planned { status: StatusCode::NOT_MODIFIED, headers: answer, bytes: None });
            }
            Outcome::Failed => {
                let condition = if asked.if_match.is_some() { "If-Match" } else { "If-Unmodified-Since" };
                return Err(S3Error::new(ErrorCode::PreconditionFailed).field("Condition", condition));
            }
        }
        let range = call.headers.get("range").and_then(|value| value.to_str().ok());
        let range = range.filter(|_| conditions::if_range_holds(&call.headers, bare_etag, modified));
        let selection = select(&view, part, range)?;
        headers::describe(&mut answer, &view)?;
        for (name, value) in overrides {
            answer.insert(name, value);
        }
        if headers::wants_checksums(&call.headers) {
            checksums(&mut answer, &view, &selection)?;
        }
        self.planned(call, &view, selection, answer)
    }

    fn planned(
        &self,
        call: &Call,
        view: &ObjectView<'_>,
        selection: Selection<'_>,
        mut answer: HeaderMap,
    ) -> S3Result<Planned> {
        let size = view.size();
        if let (Selection::Part(Some(_)), 1..) = (&selection, view.parts()) {
            answer.insert(MP_PARTS_COUNT, HeaderValue::from(view.parts()));
        }
        let partial = selection != Selection::Whole;
        let bytes = match selection {
            Selection::Range(range) => range,
            Selection::Part(Some(part)) => part.bytes,
            Selection::Whole | Selection::Part(None) => 0..size,
        };
        let len = bytes.end - bytes.start;
        // An empty part of an empty object has no Content-Range, so it is no 206.
        let status = if partial && len > 0 { StatusCode::PARTIAL_CONTENT } else { StatusCode::OK };
        if status == StatusCode::PARTIAL_CONTENT {
            let range = format!("bytes {}-{}/{size}", bytes.start, bytes.end - 1);
            answer.insert(CONTENT_RANGE, headers::text(&range)?);
        }
        if call.op == NativeOp::HeadObject {
            answer.insert(CONTENT_LENGTH, HeaderValue::from(len));
            return Ok(Planned { status, headers: answer, bytes: None });
        }
        let source = if len > 0 { Some((len, Source::new(&self.volumes, view, bytes)?)) } else { None };
        Ok(Planned { status, headers: answer, bytes: source })
    }
}

/// Reads `partNumber`.
fn part_number(call: &Call) -> S3Result<Option<u16>> {
    let Some(text) = call.query.get("partNumber") else { return Ok(None) };
    let number = text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse::<u16>().ok()).flatten();
    let Some(number) = number.filter(|&n| (1..=PARTS).contains(&u32::from(n))) else {
        let message = format!("Part number must be an integer between 1 and {PARTS}, inclusive");
        return Err(invalid(message, "partNumber", text));
    };
    if call.headers.contains_key("range") {
        return Err(S3Error::with_message(
            ErrorCode::InvalidRequest,
            "Cannot specify both Range header and partNumber query parameter",
        ));
    }
    Ok(Some(number))
}

fn select<'a>(view: &ObjectView<'a>, part: Option<u16>, range: Option<&str>) -> S3Result<Selection<'a>> {
    if let Some(number) = part {
        return select_part(view, number);
    }
    let Some(header) = range else { return Ok(Selection::Whole) };
    match range::parse(header, view.size()) {
        Asked::Whole => Ok(Selection::Whole),
        Asked::Part(bytes) => Ok(Selection::Range(bytes)),
        Asked::Unsatisfiable => Err(S3Error::new(ErrorCode::InvalidRange)
            .field("RangeRequested", header)
            .field("ActualObjectSize", view.size().to_string())
            .header("content-range", format!("bytes */{}", view.size()))),
    }
}

fn select_part<'a>(view: &ObjectView<'a>, number: u16) -> S3Result<Selection<'a>> {
    let mut count = 0_u32;
    for part in stored::parts(view)? {
        let part = part?;
        count += 1;
        if part.number == number && part.bytes.end <= view.size() {
            return Ok(Selection::Part(Some(part)));
        }
    }
    if count == 0 && number == 1 {
        return Ok(Selection::Part(None));
    }
    Err(S3Error::new(ErrorCode::InvalidPartNumber)
        .field("PartNumberRequested", number.to_string())
        .field("ActualPartCount", count.max(1).to_string()))
}

/// Checksum headers: of the whole version when it is sent whole, of a part when exactly that part is sent.
fn checksums(answer: &mut HeaderMap, view: &ObjectView<'_>, selection: &Selection<'_>) -> S3Result<()> {
    let found = stored::checksums(view)?;
    if found.is_empty() {
        return Ok(());
    }
    match selection {
        Selection::Whole | Selection::Part(None) => headers::whole_checksums(answer, &found, view.parts()),
        Selection::Part(Some(part)) => headers::part_checksum(answer, &found, part),
        Selection::Range(range) => {
            for part in stored::parts(view)? {
                let part = part?;
                if part.bytes == *range {
                    return headers::part_checksum(answer, &found, &part);
                }
                if part.bytes.start > range.start {
                    break;
                }
            }
            Ok(())
        }
    }
}
