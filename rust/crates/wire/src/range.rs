//! Byte ranges: the Range header of reads, and the stricter x-amz-copy-source-range.
//!
//! Belongs here: syntax and arithmetic over hostile numbers. Does not belong here: reading bytes.

use std::ops::Range;

/// What a Range header means for a representation of some length.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Asked {
    /// No range, or one that must be ignored: bad syntax, another unit, several ranges (as AWS).
    Whole,
    /// These bytes; never empty, never beyond the end.
    Part(Range<u64>),
    /// 416.
    Unsatisfiable,
}

/// Reads a Range header for a representation of `len` bytes.
pub fn parse(header: &str, len: u64) -> Asked {
    let Some((first, last)) = single(header) else { return Asked::Whole };
    match (first, last) {
        (None, None) => Asked::Whole,
        (None, Some(count)) if count == 0 || len == 0 => Asked::Unsatisfiable,
        (None, Some(count)) => Asked::Part(len.saturating_sub(count)..len),
        (Some(first), Some(last)) if first > last => Asked::Whole,
        (Some(first), _) if first >= len => Asked::Unsatisfiable,
        (Some(first), last) => Asked::Part(first..last.unwrap_or(u64::MAX).min(len - 1) + 1),
    }
}

/// Reads x-amz-copy-source-range: exactly `bytes=first-last`. `None` when it is anything else. The end is not clamped:
/// AWS refuses a range beyond the source.
pub fn parse_copy_source(header: &str) -> Option<(u64, u64)> {
    match single(header)? {
        (Some(first), Some(last)) if first <= last && last < u64::MAX => Some((first, last)),
        _ => None,
    }
}

/// The two numbers of `bytes=a-b`; missing ones are `None`.
fn single(header: &str) -> Option<(Option<u64>, Option<u64>)> {
    let (unit, spec) = header.trim_matches([' ', '\t']).split_once('=')?;
    if !unit.eq_ignore_ascii_case("bytes") {
        return None;
    }
    let (first, last) = spec.split_once('-')?;
    Some((number(first)?, number(last)?))
}

/// `Some(None)` for the empty string, `None` for what is no number. Numbers beyond 64 bits are as good as the largest.
fn number(text: &str) -> Option<Option<u64>> {
    if text.is_empty() {
        return Some(None);
    }
    if !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    Some(Some(text.parse().unwrap_or(u64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn satisfiable_ranges_are_cut_to_the_length() {
        let cases: &[(&str, u64, Range<u64>)] = &[
            ("bytes=0-0", 10, 0..1),
            ("bytes=0-9", 10, 0..10),
            ("bytes=4-7", 10, 4..8),
            ("bytes=9-", 10, 9..10),
            ("bytes=0-", 10, 0..10),
            ("bytes=5-99999", 10, 5..10),
            ("bytes=5-18446744073709551615", 10, 5..10),
            ("bytes=5-99999999999999999999999999", 10, 5..10),
            ("bytes=-1", 10, 9..10),
            ("bytes=-10", 10, 0..10),
            ("bytes=-11", 10, 0..10),
            ("bytes=-99999999999999999999999999", 10, 0..10),
            ("Bytes=0-1", 10, 0..2),
            (" bytes=0-1 ", 10, 0..2),
            ("bytes=000-0001", 10, 0..2),
            ("bytes=0-18446744073709551615", u64::MAX, 0..u64::MAX),
        ];
        for (header, len, want) in cases {
            assert_eq!(parse(header, *len), Asked::Part(want.clone()), "{header}");
        }
    }

    #[test]
    fn ranges_beyond_the_end_are_unsatisfiable() {
        for (header, len) in [
            ("bytes=10-", 10),
            ("bytes=10-20", 10),
            ("bytes=-0", 10),
            ("bytes=0-0", 0),
            ("bytes=0-", 0),
            ("bytes=-5", 0),
        ] {
            assert_eq!(parse(header, len), Asked::Unsatisfiable, "{header} of {len}");
        }
        assert_eq!(parse("bytes=18446744073709551615-", 10), Asked::Unsatisfiable);
        assert_eq!(parse("bytes=99999999999999999999999999-", 10), Asked::Unsatisfiable);
        assert_eq!(parse("bytes=99999999999999999999-99999999999999999999", u64::MAX), Asked::Unsatisfiable);
    }

    #[test]
    fn everything_else_is_ignored() {
        for header in [
            "",
            "bytes",
            "bytes=",
            "bytes=-",
            "bytes=--1",
            "bytes=1",
            "bytes=a-b",
            "bytes=0x1-2",
            "bytes=+1-2",
            "bytes=1-+2",
            "bytes=1-2,4-5",
            "bytes=0-0,-1",
            "bytes=5-4",
            "bytes= 1-2",
            "bytes =1-2",
            "bytes=1 -2",
            "bytes=1-2-3",
            "items=0-1",
            "bytes=１-2",
            "=0-1",
            "bytes==0-1",
            "bytes=1.0-2",
            "bytes=-1e3",
        ] {
            assert_eq!(parse(header, 10), Asked::Whole, "{header}");
        }
    }

    #[test]
    fn a_copy_source_range_has_both_ends() {
        assert_eq!(parse_copy_source("bytes=0-9"), Some((0, 9)));
        assert_eq!(parse_copy_source("bytes=7-7"), Some((7, 7)));
        for header in [
            "",
            "0-9",
            "bytes=0-",
            "bytes=-9",
            "bytes=9-0",
            "bytes=0-9,11-12",
            "bytes=a-9",
            "bytes=0-99999999999999999999",
        ] {
            assert_eq!(parse_copy_source(header), None, "{header}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_header_gives_bytes_that_exist(header in "(bytes=)?[0-9a-z,= -]{0,30}", len in proptest::prelude::any::<u64>()) {
            if let Asked::Part(range) = parse(&header, len) {
                proptest::prop_assert!(range.start < range.end && range.end <= len);
            }
        }
    }
}
