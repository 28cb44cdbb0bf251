//! Conditional requests on what exists: If-Match, If-None-Match, If-Modified-Since, If-Unmodified-Since, If-Range.
//!
//! Belongs here: RFC 9110 section 13.2.2's order as a pure function of headers and the current version. Does not belong
//! here: conditions of writes on what may be absent (they are guards of a commit), and the answers.

use std::borrow::Cow;

use http::HeaderMap;
use panthera_base::Timestamp;

use crate::date::parse_http_date;

/// What the client asks of the version it means. Dates that cannot be read are as absent (RFC 9110).
#[derive(Clone, Debug, Default)]
pub struct Conditions<'a> {
    /// If-Match: a list of ETags or `*`.
    pub if_match: Option<Cow<'a, str>>,
    /// If-None-Match: a list of ETags or `*`.
    pub if_none_match: Option<Cow<'a, str>>,
    /// If-Modified-Since.
    pub if_modified_since: Option<Timestamp>,
    /// If-Unmodified-Since.
    pub if_unmodified_since: Option<Timestamp>,
}

/// The answer of the conditions.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// They hold.
    Proceed,
    /// 304 for GET and HEAD, 412 for everything else.
    NotModified,
    /// 412.
    Failed,
}

/// How two ETags are compared (RFC 9110 section 8.8.3.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Comparison {
    /// `W/"x"` is never equal to anything.
    Strong,
    /// `W/"x"` is equal to `"x"`.
    Weak,
}

impl<'a> Conditions<'a> {
    /// The four standard headers.
    pub fn from_headers(headers: &'a HeaderMap) -> Self {
        Self::named(headers, ["if-match", "if-none-match", "if-modified-since", "if-unmodified-since"])
    }

    /// The four headers CopyObject and UploadPartCopy put on their source.
    pub fn of_copy_source(headers: &'a HeaderMap) -> Self {
        Self::named(
            headers,
            [
                "x-amz-copy-source-if-match",
                "x-amz-copy-source-if-none-match",
                "x-amz-copy-source-if-modified-since",
                "x-amz-copy-source-if-unmodified-since",
            ],
        )
    }

    fn named(headers: &'a HeaderMap, [im, inm, ims, ius]: [&str; 4]) -> Self {
        let date = |name| headers.get(name).and_then(|v| v.to_str().ok()).and_then(parse_http_date);
        Self {
            if_match: list(headers, im),
            if_none_match: list(headers, inm),
            if_modified_since: date(ims),
            if_unmodified_since: date(ius),
        }
    }
}

/// A list header; several lines are one list. What is not ASCII matches no ETag of ours but is still a condition.
fn list<'a>(headers: &'a HeaderMap, name: &str) -> Option<Cow<'a, str>> {
    let mut lines = headers.get_all(name).iter().map(|v| String::from_utf8_lossy(v.as_bytes()));
    let first = lines.next()?;
    Some(lines.fold(first, |all, line| Cow::Owned(format!("{all},{line}"))))
}

/// Evaluates the conditions for a version that exists. `etag` is without quotes; times are compared in whole seconds,
/// which is all the client has ever seen.
pub fn evaluate(conditions: &Conditions<'_>, etag: &str, last_modified: Timestamp) -> Outcome {
    if let Some(wanted) = &conditions.if_match {
        if !etag_in(wanted, etag, Comparison::Strong) {
            return Outcome::Failed;
        }
    } else if conditions.if_unmodified_since.is_some_and(|since| last_modified.secs() > since.secs()) {
        return Outcome::Failed;
    }
    if let Some(known) = &conditions.if_none_match {
        if etag_in(known, etag, Comparison::Weak) {
            return Outcome::NotModified;
        }
    } else if conditions.if_modified_since.is_some_and(|since| last_modified.secs() <= since.secs()) {
        return Outcome::NotModified;
    }
    Outcome::Proceed
}

/// Whether a Range may be honoured: no If-Range, or one that names exactly this version.
pub fn if_range_holds(headers: &HeaderMap, etag: &str, last_modified: Timestamp) -> bool {
    let Some(value) = headers.get("if-range") else { return true };
    let Ok(value) = value.to_str() else { return false };
    match parse_http_date(value) {
        Some(date) => date.secs() == last_modified.secs(),
        None => value.trim() != "*" && etag_in(value, etag, Comparison::Strong),
    }
}

/// Whether a list of ETags (or `*`) names this one. Quotes may be missing, as AWS allows.
pub fn etag_in(list: &str, etag: &str, comparison: Comparison) -> bool {
    let mut rest = list.trim_matches(is_space);
    if rest == "*" {
        return true;
    }
    while !rest.is_empty() {
        let (weak, tail) = rest.strip_prefix("W/").map_or((false, rest), |tail| (true, tail));
        let (name, after) = match tail.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
            None => tail.split_at(tail.find(',').unwrap_or(tail.len())),
        };
        if name.trim_matches(is_space) == etag && !(weak && comparison == Comparison::Strong) {
            return true;
        }
        // Whatever stands between an ETag and the next comma is no ETag.
        rest = after.split_once(',').map_or("", |(_, next)| next.trim_start_matches(is_space));
    }
    false
}

fn is_space(c: char) -> bool {
    c == ' ' || c == '\t'
}

#[cfg(test)]
mod tests {
    use super::*;

    const ETAG: &str = "9b2cf535f27731c974343645a3985328-3";
    /// Not a whole second: the client has seen it rounded down.
    const MODIFIED: Timestamp = Timestamp(784_111_777_654_321);
    const SAME: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const PAST: &str = "Sun, 06 Nov 1994 08:49:36 GMT";

    /// If-Match, If-Unmodified-Since, If-None-Match, If-Modified-Since, outcome: every combination.
    #[rustfmt::skip]
    const TABLE: [&str; 81] = [
            "- - - - proceed", "- - - past proceed", "- - - same not-modified", "- - hit - not-modified",
            "- - hit past not-modified", "- - hit same not-modified", "- - miss - proceed", "- - miss past proceed",
            "- - miss same proceed", "- same - - proceed", "- same - past proceed", "- same - same not-modified",
            "- same hit - not-modified", "- same hit past not-modified", "- same hit same not-modified",
            "- same miss - proceed", "- same miss past proceed", "- same miss same proceed", "- past - - failed",
            "- past - past failed", "- past - same failed", "- past hit - failed", "- past hit past failed",
            "- past hit same failed", "- past miss - failed", "- past miss past failed", "- past miss same failed",
            "hit - - - proceed", "hit - - past proceed", "hit - - same not-modified", "hit - hit - not-modified",
            "hit - hit past not-modified", "hit - hit same not-modified", "hit - miss - proceed",
            "hit - miss past proceed", "hit - miss same proceed", "hit same - - proceed", "hit same - past proceed",
            "hit same - same not-modified", "hit same hit - not-modified", "hit same hit past not-modified",
            "hit same hit same not-modified", "hit same miss - proceed", "hit same miss past proceed",
            "hit same miss same proceed", "hit past - - proceed", "hit past - past proceed",
            "hit past - same not-modified", "hit past hit - not-modified", "hit past hit past not-modified",
            "hit past hit same not-modified", "hit past miss - proceed", "hit past miss past proceed",
            "hit past miss same proceed", "miss - - - failed", "miss - - past failed", "miss - - same failed",
            "miss - hit - failed", "miss - hit past failed", "miss - hit same failed", "miss - miss - failed",
            "miss - miss past failed", "miss - miss same failed", "miss same - - failed", "miss same - past failed",
            "miss same - same failed", "miss same hit - failed", "miss same hit past failed",
            "miss same hit same failed", "miss same miss - failed", "miss same miss past failed",
            "miss same miss same failed", "miss past - - failed", "miss past - past failed",
            "miss past - same failed", "miss past hit - failed", "miss past hit past failed",
            "miss past hit same failed", "miss past miss - failed", "miss past miss past failed",
            "miss past miss same failed",
    ];

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in pairs {
            map.append(*name, value.parse().expect("a header value"));
        }
        map
    }

    fn evaluated(pairs: &[(&'static str, &str)]) -> Outcome {
        evaluate(&Conditions::from_headers(&headers(pairs)), ETAG, MODIFIED)
    }

    #[test]
    fn every_combination_has_the_outcome_of_the_rfc() {
        let quoted = format!("\"{ETAG}\"");
        for row in TABLE {
            let words: Vec<&str> = row.split(' ').collect();
            let mut pairs = Vec::new();
            for (name, word) in
                ["if-match", "if-unmodified-since", "if-none-match", "if-modified-since"].into_iter().zip(&words)
            {
                match *word {
                    "hit" => pairs.push((name, quoted.as_str())),
                    "miss" => pairs.push((name, "\"00000000000000000000000000000000\"")),
                    "same" => pairs.push((name, SAME)),
                    "past" => pairs.push((name, PAST)),
                    _ => {}
                }
            }
            let want = match words[4] {
                "proceed" => Outcome::Proceed,
                "failed" => Outcome::Failed,
                _ => Outcome::NotModified,
            };
            assert_eq!(evaluated(&pairs), want, "{row}");
        }
    }

    #[test]
    fn copy_source_conditions_are_the_same_under_other_names() {
        let map = headers(&[("x-amz-copy-source-if-match", "nope"), ("if-match", "*")]);
        assert_eq!(evaluate(&Conditions::of_copy_source(&map), ETAG, MODIFIED), Outcome::Failed);
        assert_eq!(evaluate(&Conditions::from_headers(&map), ETAG, MODIFIED), Outcome::Proceed);
        let map = headers(&[("x-amz-copy-source-if-unmodified-since", PAST)]);
        assert_eq!(evaluate(&Conditions::of_copy_source(&map), ETAG, MODIFIED), Outcome::Failed);
    }

    #[test]
    fn unreadable_dates_are_no_conditions() {
        for date in ["yesterday", "1994-11-06", "", "Sun, 06 Nov 1994 08:49:37 PST"] {
            assert_eq!(evaluated(&[("if-modified-since", date)]), Outcome::Proceed, "{date}");
            assert_eq!(evaluated(&[("if-unmodified-since", date)]), Outcome::Proceed, "{date}");
        }
    }

    #[test]
    fn lists_of_etags_are_read_as_lists() {
        let hits = [
            "*",
            " * ",
            "abc",
            "\"abc\"",
            " \"abc\" ",
            "\"x\", \"abc\"",
            "x,abc",
            "\"x,y\" , \"abc\"",
            "\"abc",
            ",, \"abc\",",
            "abc , x",
        ];
        for list in hits {
            assert!(etag_in(list, "abc", Comparison::Strong), "{list}");
        }
        let misses =
            ["", ",", "\"\"", "\"x,abc,y\"", "ABC", "*, x", "\"*\"", "ab", "abcd", "\"x\"abc", "W/", "W/\"x\""];
        for list in misses {
            assert!(!etag_in(list, "abc", Comparison::Weak), "{list}");
        }
        assert!(etag_in("W/\"abc\"", "abc", Comparison::Weak));
        assert!(!etag_in("W/\"abc\"", "abc", Comparison::Strong));
        assert!(etag_in("W/\"abc\", \"abc\"", "abc", Comparison::Strong));
    }

    #[test]
    fn several_lines_are_one_list() {
        let hit = format!("\"{ETAG}\"");
        assert_eq!(evaluated(&[("if-none-match", "\"x\""), ("if-none-match", &hit)]), Outcome::NotModified);
        assert_eq!(evaluated(&[("if-match", "\"x\""), ("if-match", &hit)]), Outcome::Proceed);
    }

    #[test]
    fn if_range_honours_exactly_this_version() {
        let holds = |value: &str| if_range_holds(&headers(&[("if-range", value)]), ETAG, MODIFIED);
        assert!(if_range_holds(&HeaderMap::new(), ETAG, MODIFIED));
        assert!(holds(&format!("\"{ETAG}\"")));
        assert!(holds(SAME));
        for other in ["*", "\"x\"", PAST, "", &format!("W/\"{ETAG}\"")] {
            assert!(!holds(other), "{other}");
        }
    }
}
