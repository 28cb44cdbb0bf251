//! Arithmetic of counter rows, shared by every engine: consecutive little-endian i64 that saturate.

/// The row after the deltas are added. Missing numbers are 0, numbers without a delta stay, an incomplete number at
/// the end of the old row counts as missing.
pub(crate) fn add(old: Option<&[u8]>, deltas: &[i64]) -> Vec<u8> {
    let old = old.unwrap_or_default();
    let numbers = old.chunks_exact(8).map(|b| b.try_into().map_or(0, i64::from_le_bytes));
    let count = deltas.len().max(old.len() / 8);
    let mut out = Vec::with_capacity(count * 8);
    let padded = |i: usize| deltas.get(i).copied().unwrap_or(0);
    for (i, number) in numbers.chain(std::iter::repeat(0)).take(count).enumerate() {
        out.extend_from_slice(&number.saturating_add(padded(i)).to_le_bytes());
    }
    out
}

/// The number a tally sums in a value: u64 at `field`, 0 when the value is shorter.
pub(crate) fn field(value: &[u8], field: usize) -> u64 {
    value.get(field..).and_then(|rest| rest.first_chunk()).map_or(0, |b| u64::from_le_bytes(*b))
}

/// What a tally's rows and sum change by when a row's number goes from `old` to `new` (`None`: no row).
pub(crate) fn change(old: Option<u64>, new: Option<u64>) -> [i64; 2] {
    let rows = i64::from(new.is_some()) - i64::from(old.is_some());
    let sum = i128::from(new.unwrap_or(0)) - i128::from(old.unwrap_or(0));
    [rows, i64::try_from(sum).unwrap_or(if sum < 0 { i64::MIN } else { i64::MAX })]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(numbers: &[i64]) -> Vec<u8> {
        numbers.iter().flat_map(|n| n.to_le_bytes()).collect()
    }

    #[test]
    fn adds_to_what_there_is_and_keeps_the_rest() {
        assert_eq!(add(None, &[3, -4]), row(&[3, -4]));
        assert_eq!(add(Some(&row(&[1, 2, 3])), &[10]), row(&[11, 2, 3]));
        assert_eq!(add(Some(&row(&[1])), &[10, 20]), row(&[11, 20]));
        assert_eq!(add(Some(&row(&[1])[..7]), &[10]), row(&[10]));
        assert_eq!(add(Some(&[]), &[]), row(&[]));
    }

    #[test]
    fn saturates_at_both_ends() {
        assert_eq!(add(Some(&row(&[i64::MAX, i64::MIN])), &[1, -1]), row(&[i64::MAX, i64::MIN]));
        assert_eq!(change(None, Some(u64::MAX)), [1, i64::MAX]);
        assert_eq!(change(Some(u64::MAX), None), [-1, i64::MIN]);
        assert_eq!(change(Some(u64::MAX), Some(u64::MAX - 5)), [0, -5]);
    }

    #[test]
    fn a_short_value_counts_nothing() {
        assert_eq!(field(&7u64.to_le_bytes(), 0), 7);
        assert_eq!(field(&7u64.to_le_bytes(), 1), 0);
        assert_eq!(field(&[1; 8], usize::MAX), 0);
    }
}
