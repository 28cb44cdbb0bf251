//! The algorithms by number, name and header; the digest as a value.

use panthera_base::{ErrorCode, S3Error, S3Result};

use super::base64;

/// A checksum algorithm we compute. The numbers are those of stored records (see FORMAT.md).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Algorithm {
    /// CRC-32 (ISO-HDLC).
    Crc32 = 1,
    /// CRC-32C (Castagnoli).
    Crc32c = 2,
    /// CRC-64/NVME.
    Crc64Nvme = 3,
    /// SHA-1.
    Sha1 = 4,
    /// SHA-256.
    Sha256 = 5,
}

/// What clients may name and we do not compute yet: refused by name, never taken for a mistake.
const NOT_YET: [&str; 5] = ["SHA512", "MD5", "XXHASH64", "XXHASH3", "XXHASH128"];

impl Algorithm {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Crc32, Self::Crc32c, Self::Crc64Nvme, Self::Sha1, Self::Sha256];

    /// The number in stored records.
    pub fn code(self) -> u8 {
        self as u8
    }

    /// The algorithm with this number.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|a| a.code() == code)
    }

    /// Amazon's name: the value of x-amz-sdk-checksum-algorithm and x-amz-checksum-algorithm.
    pub fn name(self) -> &'static str {
        match self {
            Self::Crc32 => "CRC32",
            Self::Crc32c => "CRC32C",
            Self::Crc64Nvme => "CRC64NVME",
            Self::Sha1 => "SHA1",
            Self::Sha256 => "SHA256",
        }
    }

    /// The header or trailer that carries it, lower-case.
    pub fn header(self) -> &'static str {
        match self {
            Self::Crc32 => "x-amz-checksum-crc32",
            Self::Crc32c => "x-amz-checksum-crc32c",
            Self::Crc64Nvme => "x-amz-checksum-crc64nvme",
            Self::Sha1 => "x-amz-checksum-sha1",
            Self::Sha256 => "x-amz-checksum-sha256",
        }
    }

    /// The element that carries it in XML documents.
    pub fn element(self) -> &'static str {
        match self {
            Self::Crc32 => "ChecksumCRC32",
            Self::Crc32c => "ChecksumCRC32C",
            Self::Crc64Nvme => "ChecksumCRC64NVME",
            Self::Sha1 => "ChecksumSHA1",
            Self::Sha256 => "ChecksumSHA256",
        }
    }

    /// Length of the raw digest.
    pub fn digest_len(self) -> usize {
        match self {
            Self::Crc32 | Self::Crc32c => 4,
            Self::Crc64Nvme => 8,
            Self::Sha1 => 20,
            Self::Sha256 => 32,
        }
    }

    /// A CRC: digests of consecutive pieces can be combined.
    pub fn is_crc(self) -> bool {
        self <= Self::Crc64Nvme
    }

    /// Reads a name in any case. Known but not supported: NotImplemented; unknown: InvalidRequest.
    pub fn from_name(name: &str) -> S3Result<Self> {
        if let Some(found) = Self::ALL.into_iter().find(|a| a.name().eq_ignore_ascii_case(name)) {
            return Ok(found);
        }
        if NOT_YET.iter().any(|n| n.eq_ignore_ascii_case(name)) {
            return Err(S3Error::with_message(
                ErrorCode::NotImplemented,
                format!("The checksum algorithm {name} is not implemented."),
            ));
        }
        Err(S3Error::with_message(
            ErrorCode::InvalidRequest,
            "Checksum algorithm provided is unsupported. Please try again with any of the valid types: \
             [CRC32, CRC32C, CRC64NVME, SHA1, SHA256]",
        ))
    }

    /// Reads the name of a header or trailer (`x-amz-checksum-…`, lower-case). `None` when it is no checksum's name.
    pub fn from_header(header: &str) -> Option<S3Result<Self>> {
        let name = header.strip_prefix("x-amz-checksum-")?;
        match name {
            "algorithm" | "type" | "mode" => None,
            _ => Some(Self::from_name(name)),
        }
    }
}

/// Whether a multipart object's checksum covers its bytes or its parts' checksums.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ChecksumType {
    /// Over the bytes of the whole object.
    FullObject = 0,
    /// Over the digests of the parts; written `digest-N`.
    Composite = 1,
}

impl ChecksumType {
    /// The number in stored records.
    pub fn code(self) -> u8 {
        self as u8
    }

    /// The type with this number.
    pub fn from_code(code: u8) -> Option<Self> {
        match code {
            0 => Some(Self::FullObject),
            1 => Some(Self::Composite),
            _ => None,
        }
    }

    /// Amazon's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::FullObject => "FULL_OBJECT",
            Self::Composite => "COMPOSITE",
        }
    }

    /// Reads Amazon's name.
    pub fn from_name(name: &str) -> S3Result<Self> {
        match name {
            "FULL_OBJECT" => Ok(Self::FullObject),
            "COMPOSITE" => Ok(Self::Composite),
            _ => Err(S3Error::with_message(
                ErrorCode::InvalidRequest,
                "Value for x-amz-checksum-type header is invalid.",
            )),
        }
    }
}

/// A digest: up to 32 bytes, without an allocation.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Digest {
    bytes: [u8; 32],
    len: u8,
}

impl Digest {
    /// From raw bytes; `None` above 32 of them.
    pub fn new(raw: &[u8]) -> Option<Self> {
        let mut bytes = [0; 32];
        bytes.get_mut(..raw.len())?.copy_from_slice(raw);
        Some(Self { bytes, len: raw.len() as u8 })
    }

    /// From the output of a hash of this module, none of which is longer than 32 bytes.
    pub(super) fn of(raw: &[u8]) -> Self {
        let len = raw.len().min(32);
        let mut bytes = [0; 32];
        bytes[..len].copy_from_slice(&raw[..len]);
        Self { bytes, len: len as u8 }
    }

    /// The raw bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }

    /// The wire form of a whole-object digest.
    pub fn to_base64(self) -> String {
        base64::encode(self.as_bytes())
    }

    /// Reads the wire form; `None` when it is not one of this algorithm.
    pub fn from_base64(algorithm: Algorithm, text: &str) -> Option<Self> {
        let raw = base64::decode(text)?;
        if raw.len() != algorithm.digest_len() {
            return None;
        }
        Self::new(&raw)
    }
}

impl std::fmt::Debug for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.to_base64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names_go_both_ways() {
        for algorithm in Algorithm::ALL {
            assert_eq!(Algorithm::from_code(algorithm.code()), Some(algorithm));
            assert_eq!(Algorithm::from_name(&algorithm.name().to_lowercase()).ok(), Some(algorithm));
            assert_eq!(Algorithm::from_header(algorithm.header()).and_then(Result::ok), Some(algorithm));
            assert_eq!(algorithm.element(), format!("Checksum{}", algorithm.name()));
        }
        assert_eq!(Algorithm::from_code(0), None);
        assert_eq!(Algorithm::from_code(6), None);
    }

    #[test]
    fn what_is_not_supported_is_refused_by_name() {
        for name in NOT_YET {
            let error = Algorithm::from_name(name).unwrap_err();
            assert_eq!(error.code(), ErrorCode::NotImplemented);
            assert!(error.message().contains(name));
        }
        assert_eq!(Algorithm::from_name("CRC16").unwrap_err().code(), ErrorCode::InvalidRequest);
        assert!(Algorithm::from_header("x-amz-checksum-algorithm").is_none());
        assert!(Algorithm::from_header("x-amz-checksum").is_none());
    }

    #[test]
    fn a_digest_has_the_length_of_its_algorithm() {
        for algorithm in Algorithm::ALL {
            let digest = Digest::new(&vec![7; algorithm.digest_len()]).unwrap();
            assert_eq!(Digest::from_base64(algorithm, &digest.to_base64()), Some(digest));
            let longer = base64::encode(&vec![7; algorithm.digest_len() + 1]);
            assert_eq!(Digest::from_base64(algorithm, &longer), None);
        }
        assert!(Digest::new(&[0; 33]).is_none());
    }
}
