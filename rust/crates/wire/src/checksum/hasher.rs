//! Computing digests: streams, the combination of CRCs, the checksum of checksums.

use crc_fast::CrcAlgorithm;
use sha1::Digest as _;

use super::{Algorithm, Digest, base64};

/// Computes one digest over a stream.
#[derive(Clone)]
pub struct Hasher(State);

#[derive(Clone)]
enum State {
    Crc(Algorithm, Box<crc_fast::Digest>),
    Sha1(sha1::Sha1),
    Sha256(sha2::Sha256),
}

fn crc(algorithm: Algorithm) -> Option<CrcAlgorithm> {
    match algorithm {
        Algorithm::Crc32 => Some(CrcAlgorithm::Crc32IsoHdlc),
        Algorithm::Crc32c => Some(CrcAlgorithm::Crc32Iscsi),
        Algorithm::Crc64Nvme => Some(CrcAlgorithm::Crc64Nvme),
        Algorithm::Sha1 | Algorithm::Sha256 => None,
    }
}

/// The digest of a CRC's value: its low bytes, big-endian.
fn crc_digest(algorithm: Algorithm, value: u64) -> Digest {
    let bytes = value.to_be_bytes();
    Digest::of(&bytes[8 - algorithm.digest_len().min(8)..])
}

fn crc_value(digest: &Digest) -> u64 {
    digest.as_bytes().iter().fold(0, |value, &byte| value << 8 | u64::from(byte))
}

impl Hasher {
    /// Starts.
    pub fn new(algorithm: Algorithm) -> Self {
        Self(match (algorithm, crc(algorithm)) {
            (_, Some(kind)) => State::Crc(algorithm, Box::new(crc_fast::Digest::new(kind))),
            (Algorithm::Sha1, None) => State::Sha1(sha1::Sha1::new()),
            (_, None) => State::Sha256(sha2::Sha256::new()),
        })
    }

    /// The algorithm.
    pub fn algorithm(&self) -> Algorithm {
        match &self.0 {
            State::Crc(algorithm, _) => *algorithm,
            State::Sha1(_) => Algorithm::Sha1,
            State::Sha256(_) => Algorithm::Sha256,
        }
    }

    /// Takes the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        match &mut self.0 {
            State::Crc(_, digest) => digest.update(bytes),
            State::Sha1(hasher) => hasher.update(bytes),
            State::Sha256(hasher) => hasher.update(bytes),
        }
    }

    /// Ends.
    pub fn finish(self) -> Digest {
        match self.0 {
            State::Crc(algorithm, digest) => crc_digest(algorithm, digest.finalize()),
            State::Sha1(hasher) => Digest::of(&hasher.finalize()),
            State::Sha256(hasher) => Digest::of(&hasher.finalize()),
        }
    }

    /// All at once, for bytes that are in one piece.
    pub fn digest(algorithm: Algorithm, bytes: &[u8]) -> Digest {
        match crc(algorithm) {
            Some(kind) => crc_digest(algorithm, crc_fast::checksum(kind, bytes)),
            None => {
                let mut hasher = Self::new(algorithm);
                hasher.update(bytes);
                hasher.finish()
            }
        }
    }
}

/// The digest of two consecutive pieces from theirs; `None` for algorithms that are no CRC.
pub fn combine(algorithm: Algorithm, first: &Digest, second: &Digest, second_len: u64) -> Option<Digest> {
    let kind = crc(algorithm)?;
    if second_len == 0 {
        return Some(*first);
    }
    let value = crc_fast::checksum_combine(kind, crc_value(first), crc_value(second), second_len);
    Some(crc_digest(algorithm, value))
}

/// The checksum of the parts' checksums: `base64(hash(digest 1 ‖ digest 2 …))-N`.
pub struct Composite {
    hasher: Hasher,
    parts: u32,
}

impl Composite {
    /// Starts.
    pub fn new(algorithm: Algorithm) -> Self {
        Self { hasher: Hasher::new(algorithm), parts: 0 }
    }

    /// Takes the next part's digest.
    pub fn part(&mut self, digest: &[u8]) {
        self.hasher.update(digest);
        self.parts += 1;
    }

    /// Ends: the digest and the number of parts.
    pub fn finish(self) -> (Digest, u32) {
        (self.hasher.finish(), self.parts)
    }

    /// The wire form of a composite checksum.
    pub fn to_wire(digest: &Digest, parts: u32) -> String {
        format!("{}-{parts}", base64::encode(digest.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_answers() {
        for (algorithm, expected) in [
            (Algorithm::Crc32, "y/Q5Jg=="),
            (Algorithm::Crc32c, "4waSgw=="),
            (Algorithm::Crc64Nvme, "rosUhgp5mIg="),
            (Algorithm::Sha1, "98O8HYCOBHMq32eZZczDTKeuNEE="),
            (Algorithm::Sha256, "FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU="),
        ] {
            assert_eq!(Hasher::digest(algorithm, b"123456789").to_base64(), expected, "{algorithm:?}");
            let mut hasher = Hasher::new(algorithm);
            assert_eq!(hasher.algorithm(), algorithm);
            hasher.update(b"1234");
            hasher.update(b"");
            hasher.update(b"56789");
            assert_eq!(hasher.finish().to_base64(), expected, "{algorithm:?}");
        }
        // From ceph/s3-tests: 1024 times "A".
        assert_eq!(Hasher::digest(Algorithm::Crc64Nvme, &[b'A'; 1024]).to_base64(), "Qeh8oXvGiSo=");
    }

    #[test]
    fn crcs_of_pieces_combine_at_every_cut() {
        let bytes: Vec<u8> = (0..1000u32).map(|i| (i * 31 % 251) as u8).collect();
        for algorithm in [Algorithm::Crc32, Algorithm::Crc32c, Algorithm::Crc64Nvme] {
            let whole = Hasher::digest(algorithm, &bytes);
            for cut in [0, 1, 7, 500, 999, 1000] {
                let (a, b) = bytes.split_at(cut);
                let (first, second) = (Hasher::digest(algorithm, a), Hasher::digest(algorithm, b));
                assert_eq!(combine(algorithm, &first, &second, b.len() as u64), Some(whole), "{algorithm:?} at {cut}");
            }
        }
        let sha = Hasher::digest(Algorithm::Sha1, b"a");
        assert_eq!(combine(Algorithm::Sha1, &sha, &sha, 1), None);
    }

    #[test]
    fn composite_of_one_part_as_s3_tests_expects_it() {
        let part = Hasher::digest(Algorithm::Sha256, &[b'A'; 1024]);
        let mut composite = Composite::new(Algorithm::Sha256);
        composite.part(part.as_bytes());
        let (digest, parts) = composite.finish();
        assert_eq!(Composite::to_wire(&digest, parts), "Ok6Cs5b96ux6+MWQkJO7UBT5sKPBeXBLwvj/hK89smg=-1");
    }
}
