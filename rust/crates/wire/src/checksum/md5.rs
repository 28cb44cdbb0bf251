//! MD5 (RFC 1321), written for the speed of one stream: it is what a large PUT costs.
//!
//! The same arithmetic as the `md-5` crate, which tests compare with, a quarter faster. MD5 is one long chain of
//! dependent operations; what can be added before the previous step's result is there must be. Compilers fold the round
//! constants into the far end of the sum, where they lengthen the chain; constants that come from memory they leave
//! alone. So the table hides behind [`black_box`].

use std::hint::black_box;

/// Bytes of a block.
const BLOCK: usize = 64;

/// floor(2^32 × |sin(i + 1)|).
static CONSTANTS: [u32; 64] = [
    0xd76a_a478,
    0xe8c7_b756,
    0x2420_70db,
    0xc1bd_ceee,
    0xf57c_0faf,
    0x4787_c62a,
    0xa830_4613,
    0xfd46_9501,
    0x6980_98d8,
    0x8b44_f7af,
    0xffff_5bb1,
    0x895c_d7be,
    0x6b90_1122,
    0xfd98_7193,
    0xa679_438e,
    0x49b4_0821,
    0xf61e_2562,
    0xc040_b340,
    0x265e_5a51,
    0xe9b6_c7aa,
    0xd62f_105d,
    0x0244_1453,
    0xd8a1_e681,
    0xe7d3_fbc8,
    0x21e1_cde6,
    0xc337_07d6,
    0xf4d5_0d87,
    0x455a_14ed,
    0xa9e3_e905,
    0xfcef_a3f8,
    0x676f_02d9,
    0x8d2a_4c8a,
    0xfffa_3942,
    0x8771_f681,
    0x6d9d_6122,
    0xfde5_380c,
    0xa4be_ea44,
    0x4bde_cfa9,
    0xf6bb_4b60,
    0xbebf_bc70,
    0x289b_7ec6,
    0xeaa1_27fa,
    0xd4ef_3085,
    0x0488_1d05,
    0xd9d4_d039,
    0xe6db_99e5,
    0x1fa2_7cf8,
    0xc4ac_5665,
    0xf429_2244,
    0x432a_ff97,
    0xab94_23a7,
    0xfc93_a039,
    0x655b_59c3,
    0x8f0c_cc92,
    0xffef_f47d,
    0x8584_5dd1,
    0x6fa8_7e4f,
    0xfe2c_e6e0,
    0xa301_4314,
    0x4e08_11a1,
    0xf753_7e82,
    0xbd3a_f235,
    0x2ad7_d2bb,
    0xeb86_d391,
];

/// Computes MD5 over a stream.
#[derive(Clone)]
pub struct Md5 {
    state: [u32; 4],
    /// Bytes seen.
    len: u64,
    /// The block that is not full yet; its first `len % 64` bytes count.
    partial: [u8; BLOCK],
}

impl Default for Md5 {
    fn default() -> Self {
        Self { state: [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476], len: 0, partial: [0; BLOCK] }
    }
}

impl Md5 {
    /// Takes the next bytes.
    pub fn update(&mut self, mut bytes: &[u8]) {
        let held = (self.len % BLOCK as u64) as usize;
        self.len = self.len.wrapping_add(bytes.len() as u64);
        if held > 0 {
            let (now, later) = bytes.split_at(bytes.len().min(BLOCK - held));
            self.partial[held..held + now.len()].copy_from_slice(now);
            if held + now.len() < BLOCK {
                return;
            }
            compress(&mut self.state, std::slice::from_ref(&self.partial));
            bytes = later;
        }
        let (blocks, rest) = bytes.as_chunks::<BLOCK>();
        compress(&mut self.state, blocks);
        self.partial[..rest.len()].copy_from_slice(rest);
    }

    /// Ends.
    pub fn finish(mut self) -> [u8; 16] {
        let bits = self.len.wrapping_mul(8);
        let held = (self.len % BLOCK as u64) as usize;
        self.partial[held] = 0x80;
        self.partial[held + 1..].fill(0);
        if held + 1 > BLOCK - 8 {
            compress(&mut self.state, std::slice::from_ref(&self.partial));
            self.partial.fill(0);
        }
        self.partial[BLOCK - 8..].copy_from_slice(&bits.to_le_bytes());
        compress(&mut self.state, std::slice::from_ref(&self.partial));
        let mut digest = [0; 16];
        for (out, word) in digest.chunks_exact_mut(4).zip(self.state) {
            out.copy_from_slice(&word.to_le_bytes());
        }
        digest
    }

    /// All at once.
    pub fn digest(bytes: impl AsRef<[u8]>) -> [u8; 16] {
        let mut md5 = Self::default();
        md5.update(bytes.as_ref());
        md5.finish()
    }
}

/// One step: `early` is known before the previous step's result `b`, `late` needs it.
macro_rules! step {
    ($a:ident, $b:ident, $early:expr, $late:expr, $turn:literal) => {
        $a = $early.wrapping_add($late).rotate_left($turn).wrapping_add($b)
    };
}

/// Four steps of a round, after which the words are in their places again. `$word` says which word of the block is
/// used in step `$i`; `$early` and `$late` are the two halves of the round's function of (b, c, d).
macro_rules! four {
    ($v:ident, $m:ident, $k:ident, $i:expr, $word:expr, $early:expr, $late:expr, $s0:literal, $s1:literal, $s2:literal, $s3:literal) => {{
        let [mut a, mut b, mut c, mut d] = $v;
        let base = |i: usize, a: u32| a.wrapping_add($m[$word(i) % 16]).wrapping_add($k[i]);
        step!(a, b, base($i, a).wrapping_add($early(c, d)), $late(b, c, d), $s0);
        step!(d, a, base($i + 1, d).wrapping_add($early(b, c)), $late(a, b, c), $s1);
        step!(c, d, base($i + 2, c).wrapping_add($early(a, b)), $late(d, a, b), $s2);
        step!(b, c, base($i + 3, b).wrapping_add($early(d, a)), $late(c, d, a), $s3);
        $v = [a, b, c, d];
    }};
}

macro_rules! sixteen {
    ($v:ident, $m:ident, $k:ident, $i:literal, $word:expr, $early:expr, $late:expr, $($s:literal),+) => {
        four!($v, $m, $k, $i, $word, $early, $late, $($s),+);
        four!($v, $m, $k, $i + 4, $word, $early, $late, $($s),+);
        four!($v, $m, $k, $i + 8, $word, $early, $late, $($s),+);
        four!($v, $m, $k, $i + 12, $word, $early, $late, $($s),+);
    };
}

fn compress(state: &mut [u32; 4], blocks: &[[u8; BLOCK]]) {
    let k: &[u32; 64] = black_box(&CONSTANTS);
    let none = |_: u32, _: u32| 0u32;
    for block in blocks {
        let m: [u32; 16] = std::array::from_fn(|i| {
            u32::from_le_bytes([block[4 * i], block[4 * i + 1], block[4 * i + 2], block[4 * i + 3]])
        });
        let mut v = *state;
        sixteen!(v, m, k, 0, |i: usize| i, none, |b: u32, c: u32, d: u32| ((c ^ d) & b) ^ d, 7, 12, 17, 22);
        // The two halves of this function share no bit: their sum is their union, and one half is early.
        let (early, late) = (|c: u32, d: u32| c & !d, |b: u32, _: u32, d: u32| b & d);
        sixteen!(v, m, k, 16, |i: usize| 5 * i + 1, early, late, 5, 9, 14, 20);
        sixteen!(v, m, k, 32, |i: usize| 3 * i + 5, none, |b: u32, c: u32, d: u32| (c ^ d) ^ b, 4, 11, 16, 23);
        sixteen!(v, m, k, 48, |i: usize| 7 * i, none, |b: u32, c: u32, d: u32| (b | !d) ^ c, 6, 10, 15, 21);
        for (sum, word) in state.iter_mut().zip(v) {
            *sum = sum.wrapping_add(word);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use md5::Digest as _;

    #[test]
    fn rfc_1321_vectors() {
        for (text, expected) in [
            ("", "d41d8cd98f00b204e9800998ecf8427e"),
            ("a", "0cc175b9c0f1b6a831c399e269772661"),
            ("abc", "900150983cd24fb0d6963f7d28e17f72"),
            ("message digest", "f96b697d7cb7938d525a2f31aaf161d0"),
            ("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", "d174ab98d277d9f5a5611c2c9f419d9f"),
        ] {
            assert_eq!(crate::hex::encode(&Md5::digest(text)), expected);
        }
    }

    #[test]
    fn every_length_and_every_cut_agrees_with_the_crate() {
        let bytes: Vec<u8> = (0..400u32).map(|i| (i * 137 % 251) as u8).collect();
        for len in 0..bytes.len() {
            let expected: [u8; 16] = md5::Md5::digest(&bytes[..len]).into();
            assert_eq!(Md5::digest(&bytes[..len]), expected, "{len}");
            for cut in [0, 1, len / 3, len / 2, len.saturating_sub(1)] {
                let mut md5 = Md5::default();
                for piece in [&bytes[..cut.min(len)], &bytes[cut.min(len)..len]] {
                    md5.update(piece);
                }
                assert_eq!(md5.finish(), expected, "{len} cut at {cut}");
            }
        }
    }

    #[test]
    fn a_long_stream_in_odd_pieces() {
        let bytes: Vec<u8> = (0..1_000_003u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        let (mut ours, mut rest, mut step) = (Md5::default(), &bytes[..], 1);
        while !rest.is_empty() {
            let (piece, later) = rest.split_at(step.min(rest.len()));
            ours.update(piece);
            (rest, step) = (later, step * 7 % 5_003 + 1);
        }
        assert_eq!(ours.finish(), <[u8; 16]>::from(md5::Md5::digest(&bytes)));
    }
}
