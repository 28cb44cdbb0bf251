//! Names and bodies as functions of (seed, index): what was written can be checked without having been kept, and two
//! runs with one seed send the same bytes. No randomness, no clock.

const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// The finalizer of SplitMix64: a bijection on 64 bits that passes for random.
pub fn mix(value: u64) -> u64 {
    let mut word = value.wrapping_add(GOLDEN);
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

/// A stream of numbers for choosing objects; SplitMix64.
#[derive(Debug, Clone)]
pub struct Choice(u64);

impl Choice {
    /// A stream of its own for each seed.
    pub fn new(seed: u64) -> Self {
        Self(mix(seed))
    }

    /// A number below `bound` (0 for a bound of 0); the bias of the multiplication is below 2^-32 for our bounds.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(GOLDEN);
        ((u128::from(mix(self.0)) * u128::from(bound)) >> 64) as u64
    }
}

/// The names of a run: `<prefix>dir-0042/<16 hex digits>-<index>`; with no directories the first part is missing.
/// Hexadecimal digits come from the seed, so consecutive indexes are far apart in key order, as names usually are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    /// Seed of the run.
    pub seed: u64,
    /// Put before every name.
    pub prefix: String,
    /// How many common prefixes a listing with delimiter `/` shows; 0 for none.
    pub dirs: u64,
}

impl Names {
    /// The name of object `index`; needs no escaping in a path.
    pub fn name(&self, index: u64) -> String {
        let hash = mix(self.seed ^ mix(index));
        let dir = if self.dirs == 0 { String::new() } else { format!("dir-{:04}/", index % self.dirs) };
        format!("{}{dir}{hash:016x}-{index:08}.bin", self.prefix)
    }
}

/// Writes the bytes of object `index` from `offset` on into `into`.
pub fn fill(seed: u64, index: u64, offset: u64, into: &mut [u8]) {
    let base = mix(seed.rotate_left(32) ^ mix(index));
    let word = |position: u64| mix(base.wrapping_add(position.wrapping_mul(GOLDEN))).to_le_bytes();
    let mut position = offset / 8;
    let skip = (offset % 8) as usize;
    let mut rest = into;
    if skip != 0 && !rest.is_empty() {
        let take = (8 - skip).min(rest.len());
        let (first, after) = rest.split_at_mut(take);
        first.copy_from_slice(&word(position)[skip..skip + take]);
        rest = after;
        position += 1;
    }
    let mut words = rest.chunks_exact_mut(8);
    for slot in &mut words {
        slot.copy_from_slice(&word(position));
        position += 1;
    }
    let tail = words.into_remainder();
    let length = tail.len();
    tail.copy_from_slice(&word(position)[..length]);
}

/// Whether `bytes` are those of object `index` from `offset` on.
pub fn matches(seed: u64, index: u64, offset: u64, bytes: &[u8]) -> bool {
    let mut expected = [0u8; 4096];
    let mut at = offset;
    bytes.chunks(expected.len()).all(|piece| {
        let want = &mut expected[..piece.len()];
        fill(seed, index, at, want);
        at += piece.len() as u64;
        want == piece
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_body_is_the_same_however_it_is_cut(seed: u64, index: u64, length in 0usize..9000, cut in 0usize..9000) {
            let cut = cut.min(length);
            let mut whole = vec![0u8; length];
            fill(seed, index, 0, &mut whole);
            let (mut head, mut tail) = (vec![0u8; cut], vec![0u8; length - cut]);
            fill(seed, index, 0, &mut head);
            fill(seed, index, cut as u64, &mut tail);
            head.extend_from_slice(&tail);
            prop_assert_eq!(&whole, &head);
            prop_assert!(matches(seed, index, cut as u64, &whole[cut..]));
            if length > 8 {
                prop_assert!(!matches(seed, index.wrapping_add(1), 0, &whole));
                whole[length - 1] ^= 1;
                prop_assert!(!matches(seed, index, 0, &whole));
            }
        }

        #[test]
        fn choices_stay_below_their_bound(seed: u64, bound in 1u64..1_000_000) {
            let mut choice = Choice::new(seed);
            prop_assert!((0..100).all(|_| choice.below(bound) < bound));
        }
    }

    #[test]
    fn names_are_told_apart_and_fall_into_their_directories() {
        let names = Names { seed: 1, prefix: "p-".into(), dirs: 3 };
        assert_eq!(names.name(4)[..11], *"p-dir-0001/");
        let all: std::collections::HashSet<_> = (0..1000).map(|index| names.name(index)).collect();
        assert_eq!(all.len(), 1000);
        assert!(!Names { dirs: 0, ..names }.name(4).contains('/'));
    }
}
