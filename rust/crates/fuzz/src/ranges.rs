//! Range headers against the sentence of the RFC.

use panthera_wire::range::{self, Asked};

/// A number as large as it likes; larger than any length is as good as the largest.
fn number(text: &str) -> Option<u128> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.trim_start_matches('0')).map(|d| if d.len() > 30 { u128::MAX } else { d.parse().unwrap_or(0) })
}

fn naive(header: &str, len: u64) -> Asked {
    let len = u128::from(len);
    let header = header.trim_matches([' ', '\t']);
    let Some((unit, spec)) = header.split_once('=') else { return Asked::Whole };
    let Some((first, last)) = spec.split_once('-') else { return Asked::Whole };
    if !unit.eq_ignore_ascii_case("bytes") {
        return Asked::Whole;
    }
    let part = |from: u128, to: u128| Asked::Part(from as u64..to as u64);
    match (number(first), number(last)) {
        (Some(a), Some(b)) if a > b => Asked::Whole,
        (Some(a), Some(_)) | (Some(a), None) if a >= len && (number(last).is_some() || last.is_empty()) => {
            Asked::Unsatisfiable
        }
        (Some(a), Some(b)) => part(a, b.min(len - 1) + 1),
        (Some(a), None) if last.is_empty() => part(a, len),
        (None, Some(n)) if first.is_empty() && (n == 0 || len == 0) => Asked::Unsatisfiable,
        (None, Some(n)) if first.is_empty() => part(len.saturating_sub(n), len),
        _ => Asked::Whole,
    }
}

/// A length in eight bytes, then the header.
pub fn run(data: &[u8]) {
    let (head, text) = data.split_at(data.len().min(8));
    let mut len = [0; 8];
    len[..head.len()].copy_from_slice(head);
    let header = String::from_utf8_lossy(text);
    for len in [u64::from_le_bytes(len), u64::from(len[0]), 0] {
        let asked = range::parse(&header, len);
        if let Asked::Part(range) = &asked {
            assert!(range.start < range.end && range.end <= len, "{header} of {len}: {range:?}");
        }
        // Numbers beyond 64 bits may be taken for the largest, which no length reaches.
        let huge = header.split(|c: char| !c.is_ascii_digit()).any(|d| d.trim_start_matches('0').len() > 18);
        if !huge {
            assert_eq!(asked, naive(&header, len), "{header:?} of {len}");
        }
        if let Some((first, last)) = range::parse_copy_source(&header) {
            assert!(first <= last && last < u64::MAX);
            if last < len {
                assert_eq!(asked, Asked::Part(first..last + 1));
            }
        }
    }
}
