//! What a request says about its body's digests: Content-MD5, x-amz-checksum-*, trailers, and what to compute then.

use http::HeaderMap;
use panthera_base::{ErrorCode, S3Error, S3Result};

use super::{Algorithm, ChecksumType, Digest, base64};

/// The value a client declared: comparable, or so malformed that nothing can match it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeclaredValue {
    /// A digest of the right length.
    Digest(Digest),
    /// Not a digest of this algorithm: the body cannot match it.
    Malformed,
    /// It follows in a trailer.
    Trailer,
}

/// The checksums a request announces.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Announced {
    /// Content-MD5.
    pub md5: Option<[u8; 16]>,
    /// The one checksum, by header or trailer.
    pub checksum: Option<(Algorithm, DeclaredValue)>,
}

fn invalid_request(message: impl Into<String>) -> S3Error {
    S3Error::with_message(ErrorCode::InvalidRequest, message)
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> S3Result<Option<&'a str>> {
    match headers.get(name) {
        None => Ok(None),
        Some(value) => match value.to_str() {
            Ok(text) => Ok(Some(text.trim())),
            Err(_) => Err(invalid_request(format!("Value for {name} header is invalid."))),
        },
    }
}

/// Content-MD5, when there is one.
pub fn content_md5(headers: &HeaderMap) -> S3Result<Option<[u8; 16]>> {
    let Some(value) = headers.get("content-md5") else { return Ok(None) };
    let invalid = || {
        S3Error::with_message(ErrorCode::InvalidDigest, "The Content-MD5 you specified was invalid.")
            .field("Content-MD5", String::from_utf8_lossy(value.as_bytes()))
    };
    let decoded = value.to_str().ok().and_then(|text| base64::decode(text.trim())).ok_or_else(invalid)?;
    decoded.try_into().map(Some).map_err(|_| invalid())
}

impl Announced {
    /// Reads the headers of a request with a body.
    pub fn from_headers(headers: &HeaderMap) -> S3Result<Self> {
        let md5 = content_md5(headers)?;
        let mut checksum = None;
        for (name, value) in headers {
            let Some(algorithm) = Algorithm::from_header(name.as_str()) else { continue };
            let algorithm = algorithm?;
            if checksum.is_some() {
                return Err(invalid_request(
                    "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.",
                ));
            }
            let digest = value.to_str().ok().and_then(|text| Digest::from_base64(algorithm, text.trim()));
            checksum = Some((algorithm, digest.map_or(DeclaredValue::Malformed, DeclaredValue::Digest)));
        }
        if let Some(algorithm) = Self::trailer(headers)? {
            if checksum.is_some() {
                return Err(invalid_request(
                    "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.",
                ));
            }
            checksum = Some((algorithm, DeclaredValue::Trailer));
        }
        if let Some(name) = text(headers, "x-amz-sdk-checksum-algorithm")? {
            let announced = Algorithm::from_name(name)?;
            match &checksum {
                None => {
                    return Err(invalid_request(
                        "x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or \
                         x-amz-trailer headers were found.",
                    ));
                }
                Some((algorithm, _)) if *algorithm != announced => {
                    return Err(invalid_request("Value for x-amz-sdk-checksum-algorithm header is invalid."));
                }
                Some(_) => {}
            }
        }
        Ok(Self { md5, checksum })
    }

    fn trailer(headers: &HeaderMap) -> S3Result<Option<Algorithm>> {
        let unsupported = || invalid_request("The value specified in the x-amz-trailer header is not supported");
        let mut found = None;
        for value in headers.get_all("x-amz-trailer") {
            let value = value.to_str().map_err(|_| unsupported())?;
            for name in value.split(',').map(|n| n.trim().to_ascii_lowercase()).filter(|n| !n.is_empty()) {
                let algorithm = Algorithm::from_header(&name).ok_or_else(unsupported)??;
                if found.replace(algorithm).is_some() {
                    return Err(unsupported());
                }
            }
        }
        Ok(found)
    }

    /// Whether anything was announced: what operations with a required checksum ask.
    pub fn is_empty(&self) -> bool {
        self.md5.is_none() && self.checksum.is_none()
    }

    /// The algorithm to compute beside MD5: the one announced.
    pub fn algorithm(&self) -> Option<Algorithm> {
        self.checksum.as_ref().map(|(algorithm, _)| *algorithm)
    }

    /// Compares Content-MD5 with the body's.
    pub fn verify_md5(&self, computed: &[u8; 16]) -> S3Result<()> {
        match &self.md5 {
            Some(expected) if expected != computed => Err(S3Error::with_message(
                ErrorCode::BadDigest,
                "The Content-MD5 you specified did not match what we received.",
            )
            .field("ExpectedDigest", base64::encode(expected))
            .field("CalculatedDigest", base64::encode(computed))),
            _ => Ok(()),
        }
    }

    /// Compares the announced checksum with the body's. `trailers` are those after the end of the body.
    pub fn verify_checksum(&self, computed: &Digest, trailers: &[(String, String)]) -> S3Result<()> {
        let Some((algorithm, declared)) = &self.checksum else { return Ok(()) };
        let mismatch = || {
            S3Error::with_message(
                ErrorCode::BadDigest,
                format!("The {} you specified did not match the calculated checksum.", algorithm.name()),
            )
        };
        let expected = match declared {
            DeclaredValue::Digest(digest) => *digest,
            DeclaredValue::Malformed => return Err(mismatch()),
            DeclaredValue::Trailer => {
                let mut values = trailers.iter().filter(|(name, _)| name == algorithm.header());
                match (values.next(), values.next()) {
                    (Some((_, value)), None) => Digest::from_base64(*algorithm, value.trim()).ok_or_else(|| {
                        invalid_request(format!("Value for {} trailing header is invalid.", algorithm.header()))
                    })?,
                    _ => return Err(ErrorCode::MalformedTrailerError.into()),
                }
            }
        };
        if expected == *computed { Ok(()) } else { Err(mismatch()) }
    }
}

/// The type of a multipart upload's checksum when the client names none: whole-object for CRC64NVME, else of parts.
pub fn default_type(algorithm: Algorithm) -> ChecksumType {
    match algorithm {
        Algorithm::Crc64Nvme => ChecksumType::FullObject,
        _ => ChecksumType::Composite,
    }
}

/// The algorithm and type of a new multipart upload from x-amz-checksum-algorithm and x-amz-checksum-type: AWS's
/// table. Without an algorithm there is none to report, and a type without an algorithm is refused.
pub fn multipart_type(headers: &HeaderMap) -> S3Result<Option<(Algorithm, ChecksumType)>> {
    let kind = text(headers, "x-amz-checksum-type")?.map(ChecksumType::from_name).transpose()?;
    let algorithm = text(headers, "x-amz-checksum-algorithm")?.map(Algorithm::from_name).transpose()?;
    let Some(algorithm) = algorithm else {
        return match kind {
            None => Ok(None),
            Some(_) => Err(invalid_request(
                "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.",
            )),
        };
    };
    let kind = kind.unwrap_or_else(|| default_type(algorithm));
    let allowed = match algorithm {
        Algorithm::Crc64Nvme => kind == ChecksumType::FullObject,
        Algorithm::Sha1 | Algorithm::Sha256 => kind == ChecksumType::Composite,
        Algorithm::Crc32 | Algorithm::Crc32c => true,
    };
    if !allowed {
        return Err(invalid_request(format!(
            "The {} checksum type cannot be used with the {} checksum algorithm.",
            kind.name(),
            algorithm.name().to_ascii_lowercase()
        )));
    }
    Ok(Some((algorithm, kind)))
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::super::Hasher;
    use super::*;

    fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in pairs {
            map.append(HeaderName::try_from(*name).unwrap(), HeaderValue::try_from(*value).unwrap());
        }
        map
    }

    fn error(pairs: &[(&str, &str)]) -> ErrorCode {
        Announced::from_headers(&headers(pairs)).unwrap_err().code()
    }

    #[test]
    fn a_header_is_compared() {
        let announced = Announced::from_headers(&headers(&[
            ("x-amz-checksum-crc32", "y/Q5Jg=="),
            ("x-amz-sdk-checksum-algorithm", "CRC32"),
            ("content-md5", "JfnnlDI7RTiF9RgfGyaVRw=="),
        ]))
        .unwrap();
        assert_eq!(announced.algorithm(), Some(Algorithm::Crc32));
        assert!(announced.verify_checksum(&Hasher::digest(Algorithm::Crc32, b"123456789"), &[]).is_ok());
        let bad = announced.verify_checksum(&Hasher::digest(Algorithm::Crc32, b"12345678"), &[]).unwrap_err();
        assert_eq!(bad.code(), ErrorCode::BadDigest);
        assert!(bad.message().contains("CRC32"));
        assert!(announced.verify_md5(&announced.md5.unwrap()).is_ok());
        assert_eq!(announced.verify_md5(&[0; 16]).unwrap_err().code(), ErrorCode::BadDigest);
    }

    #[test]
    fn a_trailer_is_awaited_and_compared() {
        let announced = Announced::from_headers(&headers(&[("x-amz-trailer", " X-Amz-Checksum-CRC64NVME")])).unwrap();
        let digest = Hasher::digest(Algorithm::Crc64Nvme, b"123456789");
        let trailer = |value: &str| vec![("x-amz-checksum-crc64nvme".to_owned(), value.to_owned())];
        assert!(announced.verify_checksum(&digest, &trailer("rosUhgp5mIg=")).is_ok());
        let code = |trailers: &[(String, String)]| announced.verify_checksum(&digest, trailers).unwrap_err().code();
        assert_eq!(code(&trailer("AAAAAAAAAAA=")), ErrorCode::BadDigest);
        assert_eq!(code(&trailer("AAA")), ErrorCode::InvalidRequest);
        assert_eq!(code(&[]), ErrorCode::MalformedTrailerError);
    }

    #[test]
    fn what_is_malformed_or_contradicts_itself_is_refused() {
        assert_eq!(error(&[("content-md5", "bad")]), ErrorCode::InvalidDigest);
        assert_eq!(error(&[("content-md5", "")]), ErrorCode::InvalidDigest);
        assert_eq!(error(&[("content-md5", "y/Q5Jg==")]), ErrorCode::InvalidDigest);
        let two = [("x-amz-checksum-crc32", "y/Q5Jg=="), ("x-amz-checksum-sha1", "x")];
        assert_eq!(error(&two), ErrorCode::InvalidRequest);
        assert_eq!(
            error(&[("x-amz-checksum-crc32", "y/Q5Jg=="), ("x-amz-checksum-crc32", "y/Q5Jg==")]),
            ErrorCode::InvalidRequest
        );
        assert_eq!(error(&[("x-amz-sdk-checksum-algorithm", "CRC32")]), ErrorCode::InvalidRequest);
        assert_eq!(
            error(&[("x-amz-sdk-checksum-algorithm", "SHA1"), ("x-amz-checksum-crc32", "y/Q5Jg==")]),
            ErrorCode::InvalidRequest
        );
        assert_eq!(error(&[("x-amz-checksum-xxhash3", "y/Q5Jg==")]), ErrorCode::NotImplemented);
        assert_eq!(error(&[("x-amz-trailer", "x-amz-checksum-md5")]), ErrorCode::NotImplemented);
        assert_eq!(error(&[("x-amz-trailer", "expires")]), ErrorCode::InvalidRequest);
        let malformed = Announced::from_headers(&headers(&[("x-amz-checksum-sha256", "bad")])).unwrap();
        let computed = Hasher::digest(Algorithm::Sha256, b"");
        assert_eq!(malformed.verify_checksum(&computed, &[]).unwrap_err().code(), ErrorCode::BadDigest);
    }

    #[test]
    fn the_table_of_multipart_types() {
        let of = |pairs: &[(&str, &str)]| multipart_type(&headers(pairs));
        assert_eq!(of(&[]).unwrap(), None);
        let named = |algorithm: &str, kind: Option<&str>| {
            let mut pairs = vec![("x-amz-checksum-algorithm", algorithm)];
            pairs.extend(kind.map(|k| ("x-amz-checksum-type", k)));
            of(&pairs).map(|found| found.map(|(_, kind)| kind)).map_err(|e| e.code())
        };
        use ChecksumType::{Composite, FullObject};
        for (algorithm, default, full, composite) in [
            ("CRC32", Composite, true, true),
            ("CRC32C", Composite, true, true),
            ("CRC64NVME", FullObject, true, false),
            ("SHA1", Composite, false, true),
            ("SHA256", Composite, false, true),
        ] {
            assert_eq!(named(algorithm, None), Ok(Some(default)));
            let expect = |kind, allowed| if allowed { Ok(Some(kind)) } else { Err(ErrorCode::InvalidRequest) };
            assert_eq!(named(algorithm, Some("FULL_OBJECT")), expect(FullObject, full));
            assert_eq!(named(algorithm, Some("COMPOSITE")), expect(Composite, composite));
        }
        assert_eq!(named("CRC32", Some("full")), Err(ErrorCode::InvalidRequest));
        assert_eq!(of(&[("x-amz-checksum-type", "COMPOSITE")]).unwrap_err().code(), ErrorCode::InvalidRequest);
    }
}
