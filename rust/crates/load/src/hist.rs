//! A latency histogram in the manner of HdrHistogram: fixed memory, any value, quantiles within one part in 128.

/// Values below this are counted exactly; above, each power of two has this many buckets.
const SUB: u64 = 128;
const SUB_BITS: u32 = SUB.trailing_zeros();
/// 64-bit values have 64 - SUB_BITS further powers of two after the exact range.
const BUCKETS: usize = (SUB as usize) * (64 - SUB_BITS as usize + 1);

/// Counts of values (nanoseconds).
#[derive(Clone)]
pub struct Histogram {
    counts: Vec<u64>,
    total: u64,
    sum: u128,
    max: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: vec![0; BUCKETS], total: 0, sum: 0, max: 0 }
    }
}

fn bucket(value: u64) -> usize {
    if value < SUB {
        return value as usize;
    }
    let shift = value.ilog2() - SUB_BITS;
    (u64::from(shift + 1) * SUB + ((value >> shift) - SUB)) as usize
}

/// The largest value that falls into the bucket: a quantile never flatters.
fn ceiling(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    if bucket < SUB {
        return bucket;
    }
    let shift = (bucket / SUB - 1) as u32;
    let low = (bucket % SUB + SUB) << shift;
    low + ((1u64 << shift) - 1)
}

impl Histogram {
    /// Counts one value.
    pub fn record(&mut self, value: u64) {
        self.counts[bucket(value)] += 1;
        self.total += 1;
        self.sum += u128::from(value);
        self.max = self.max.max(value);
    }

    /// How many values were counted.
    pub fn count(&self) -> u64 {
        self.total
    }

    /// The largest value.
    pub fn max(&self) -> u64 {
        self.max
    }

    /// The mean; 0 of nothing.
    pub fn mean(&self) -> f64 {
        if self.total == 0 { 0.0 } else { self.sum as f64 / self.total as f64 }
    }

    /// The value below or at which `share` (0..=1) of the values lie; 0 of nothing.
    pub fn quantile(&self, share: f64) -> u64 {
        let wanted = ((self.total as f64 * share).ceil() as u64).max(1);
        let mut seen = 0;
        for (index, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                return ceiling(index).min(self.max);
            }
        }
        self.max
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_bucket_holds_its_value_within_one_part_in_128(value: u64) {
            let top = ceiling(bucket(value));
            prop_assert!(top >= value);
            prop_assert!(top - value <= value / SUB);
        }

        #[test]
        fn quantiles_are_those_of_the_sorted_values(mut values in proptest::collection::vec(0u64..1 << 40, 1..300)) {
            let mut histogram = Histogram::default();
            values.iter().for_each(|&value| histogram.record(value));
            values.sort_unstable();
            for share in [0.5, 0.99, 0.999, 1.0] {
                let rank = ((values.len() as f64 * share).ceil() as usize).max(1) - 1;
                let (exact, told) = (values[rank], histogram.quantile(share));
                prop_assert!(told >= exact && told - exact <= exact / SUB, "{exact} {told}");
            }
            prop_assert_eq!(histogram.max(), values[values.len() - 1]);
        }
    }

    #[test]
    fn the_ends_of_the_range() {
        let mut histogram = Histogram::default();
        assert_eq!((histogram.quantile(0.5), histogram.count()), (0, 0));
        histogram.record(u64::MAX);
        assert_eq!(histogram.quantile(0.5), u64::MAX);
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
    }
}
