//! FastCDC 2020 that can stop anywhere: cuts a stream by content while it arrives, looking at each byte once.
//!
//! Belongs here: where a chunk ends. The cut points are those of the `fastcdc` crate (its tables, its masks, level 1),
//! which wants the whole chunk in memory first; a test compares the two.

use std::borrow::Cow;

use fastcdc::v2020::{Normalization, get_gear_with_seed, select_masks};
use panthera_base::limits::{CDC_AVG_BYTES, CDC_MAX_BYTES, CDC_MIN_BYTES};

/// Finds the ends of chunks in a stream.
pub(crate) struct Cutter {
    gear: Cow<'static, [u64]>,
    /// Tested before the average length: cuts are rare.
    strict: u64,
    /// Tested after it: cuts are likely.
    relaxed: u64,
    /// Bytes of the current chunk seen so far.
    seen: usize,
    hash: u64,
}

impl Cutter {
    /// At the beginning of a stream.
    pub(crate) fn new() -> Self {
        let (strict, relaxed) = select_masks(CDC_AVG_BYTES, Normalization::Level1);
        let (gear, _) = get_gear_with_seed(0);
        Self { gear, strict, relaxed, seen: 0, hash: 0 }
    }

    /// How many of these bytes belong to the current chunk, and whether it ends there. When it ends, the next call
    /// begins the next chunk with the bytes that are left.
    pub(crate) fn scan(&mut self, bytes: &[u8]) -> (usize, bool) {
        let mut at = CDC_MIN_BYTES.saturating_sub(self.seen).min(bytes.len());
        for (end, mask) in [(CDC_AVG_BYTES, self.strict), (CDC_MAX_BYTES, self.relaxed)] {
            let stop = end.saturating_sub(self.seen).min(bytes.len());
            if at < stop {
                let (hash, found) = roll(&self.gear, self.hash, mask, &bytes[at..stop]);
                self.hash = hash;
                if let Some(offset) = found {
                    return self.cut(at + offset);
                }
                at = stop;
            }
        }
        if self.seen + at == CDC_MAX_BYTES {
            return self.cut(at);
        }
        self.seen += at;
        (at, false)
    }

    fn cut(&mut self, at: usize) -> (usize, bool) {
        self.seen = 0;
        self.hash = 0;
        (at, true)
    }
}

/// Rolls the hash over the bytes until it meets the mask: the hash, and where it did. The byte there is not part of the
/// chunk.
///
/// Four bytes at a time: what they add to the hash does not depend on it, so the chain of dependent operations is a
/// quarter as long.
fn roll(gear: &[u64], mut hash: u64, mask: u64, bytes: &[u8]) -> (u64, Option<usize>) {
    // A table of known length: no bounds check per byte.
    let Some(gear) = gear.first_chunk::<256>() else { return (hash, None) };
    let of = |byte: u8| gear[usize::from(byte)];
    let (quads, rest) = bytes.as_chunks::<4>();
    for (i, &[a, b, c, d]) in quads.iter().enumerate() {
        let one = of(a);
        let two = (one << 1).wrapping_add(of(b));
        let three = (two << 1).wrapping_add(of(c));
        let four = (three << 1).wrapping_add(of(d));
        let after = [
            (hash << 1).wrapping_add(one),
            (hash << 2).wrapping_add(two),
            (hash << 3).wrapping_add(three),
            (hash << 4).wrapping_add(four),
        ];
        for (j, met) in after.into_iter().enumerate() {
            if met & mask == 0 {
                return (met, Some(4 * i + j));
            }
        }
        hash = after[3];
    }
    for (i, &byte) in rest.iter().enumerate() {
        hash = (hash << 1).wrapping_add(of(byte));
        if hash & mask == 0 {
            return (hash, Some(bytes.len() - rest.len() + i));
        }
    }
    (hash, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(len: usize, mut seed: u64) -> Vec<u8> {
        let mut out = Vec::with_capacity(len);
        while out.len() < len {
            seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            out.extend_from_slice(&(seed >> 16).to_le_bytes()[..4]);
        }
        out.truncate(len);
        out
    }

    fn cuts(data: &[u8], mut step: impl FnMut() -> usize) -> Vec<usize> {
        let (mut cutter, mut lengths, mut current, mut at) = (Cutter::new(), Vec::new(), 0, 0);
        while at < data.len() {
            let end = (at + step()).min(data.len());
            while at < end {
                let (taken, ends) = cutter.scan(&data[at..end]);
                at += taken;
                current += taken;
                if ends {
                    lengths.push(std::mem::take(&mut current));
                }
            }
        }
        lengths.extend((current > 0).then_some(current));
        lengths
    }

    #[test]
    fn cuts_where_the_crate_cuts_whatever_the_pieces() {
        for (data, label) in [(noise(24 << 20, 7), "noise"), (vec![0; 9 << 20], "zeros")] {
            let crate_cuts: Vec<usize> =
                fastcdc::v2020::FastCDC::new(&data, CDC_MIN_BYTES, CDC_AVG_BYTES, CDC_MAX_BYTES)
                    .map(|chunk| chunk.length)
                    .collect();
            assert!(crate_cuts.len() > 2);
            let mut odd = 1;
            assert_eq!(cuts(&data, || data.len()), crate_cuts, "{label} whole");
            assert_eq!(cuts(&data, || 65_536), crate_cuts, "{label} even pieces");
            let pieces = || {
                odd = (odd * 31 + 7) % 99_991;
                odd + 1
            };
            assert_eq!(cuts(&data, pieces), crate_cuts, "{label} odd pieces");
        }
    }

    #[test]
    fn an_insertion_moves_only_the_chunks_around_it() {
        let data = noise(24 << 20, 9);
        let mut shifted = noise(1000, 3);
        shifted.extend_from_slice(&data);
        let (a, b) = (cuts(&data, || 1 << 20), cuts(&shifted, || 1 << 20));
        let same = a.iter().rev().zip(b.iter().rev()).take_while(|(x, y)| x == y).count();
        assert!(same + 4 >= a.len(), "{same} of {} chunks stay", a.len());
    }
}
