//! Base64 and checksums: canonical text only, sums that add up however the bytes are cut.

use panthera_wire::checksum::{Algorithm, Composite, Digest, Hasher, base64, combine};

use crate::tape::Tape;

const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Bit by bit.
fn naive_base64(bytes: &[u8]) -> String {
    let bits: Vec<u8> = bytes.iter().flat_map(|b| (0..8).rev().map(move |i| b >> i & 1)).collect();
    let mut out: String = bits
        .chunks(6)
        .map(|six| char::from(LETTERS[six.iter().enumerate().map(|(i, b)| usize::from(*b) << (5 - i)).sum::<usize>()]))
        .collect();
    while !out.len().is_multiple_of(4) {
        out.push('=');
    }
    out
}

/// A reflected CRC of `width` bits, bit by bit.
fn naive_crc(bytes: &[u8], polynomial: u64, width: u32) -> Vec<u8> {
    let ones = u64::MAX >> (64 - width);
    let mut crc = ones;
    for b in bytes {
        crc ^= u64::from(*b);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ polynomial } else { crc >> 1 };
        }
    }
    (crc ^ ones).to_be_bytes()[8 - width as usize / 8..].to_vec()
}

/// Where to cut, then the bytes.
pub fn run(data: &[u8]) {
    let mut tape = Tape::new(data);
    let cut = usize::from(tape.u8());
    let bytes = tape.rest();
    let text = String::from_utf8_lossy(bytes);
    assert_eq!(base64::encode(bytes), naive_base64(bytes));
    assert_eq!(base64::decode(&base64::encode(bytes)).as_deref(), Some(bytes));
    if let Some(decoded) = base64::decode(&text) {
        assert_eq!(base64::encode(&decoded), text, "two texts of the same bytes");
    }
    let (first, second) = bytes.split_at(cut.min(bytes.len()));
    for algorithm in Algorithm::ALL {
        let whole = Hasher::digest(algorithm, bytes);
        let mut hasher = Hasher::new(algorithm);
        hasher.update(first);
        hasher.update(second);
        assert_eq!(hasher.finish(), whole);
        let naive = match algorithm {
            Algorithm::Crc32 => Some(naive_crc(bytes, 0xEDB8_8320, 32)),
            Algorithm::Crc32c => Some(naive_crc(bytes, 0x82F6_3B78, 32)),
            Algorithm::Crc64Nvme => Some(naive_crc(bytes, 0x9A6C_9329_AC4B_C9B5, 64)),
            _ => None,
        };
        if let Some(naive) = naive {
            assert_eq!(whole.as_bytes(), naive, "{algorithm:?}");
        }
        let (a, b) = (Hasher::digest(algorithm, first), Hasher::digest(algorithm, second));
        assert_eq!(
            combine(algorithm, &a, &b, second.len() as u64),
            algorithm.is_crc().then_some(whole),
            "{algorithm:?}"
        );
        assert_eq!(Digest::from_base64(algorithm, &whole.to_base64()), Some(whole));
        if let Some(digest) = Digest::from_base64(algorithm, &text) {
            assert_eq!(digest.as_bytes().len(), algorithm.digest_len());
        }
        let mut composite = Composite::new(algorithm);
        composite.part(a.as_bytes());
        composite.part(b.as_bytes());
        let both = Hasher::digest(algorithm, &[a.as_bytes(), b.as_bytes()].concat());
        assert_eq!(composite.finish(), (both, 2));
    }
}
