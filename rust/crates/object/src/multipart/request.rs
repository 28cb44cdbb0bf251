//! What CompleteMultipartUpload says: the document and the headers about the whole object.

use http::HeaderMap;
use panthera_base::limits::PARTS;
use panthera_base::{ErrorCode, S3Error, S3Result};
use panthera_wire::checksum::{Algorithm, ChecksumType};
use panthera_wire::{hex, xml};

/// One part as the client lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Listed {
    /// Its number.
    pub number: u32,
    /// Its ETag, without quotes.
    pub etag: String,
    /// Its checksums, as sent.
    pub checksums: Vec<(Algorithm, String)>,
}

/// What the client says about the whole object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Whole {
    /// Its checksum, as sent.
    pub checksum: Option<(Algorithm, String)>,
    /// Its checksum's type.
    pub kind: Option<ChecksumType>,
    /// x-amz-mp-object-size.
    pub size: Option<u64>,
}

fn malformed(detail: &str) -> S3Error {
    S3Error::new(ErrorCode::MalformedXML).detail(detail)
}

/// Reads the document: at least one part, ascending numbers.
pub(super) fn parse(body: &[u8]) -> S3Result<Vec<Listed>> {
    let mut reader = xml::Reader::new(body)?;
    let mut parts: Vec<Listed> = Vec::new();
    reader.root("CompleteMultipartUpload")?;
    while let Some(name) = reader.child()? {
        match name {
            "Part" if parts.len() == PARTS as usize => return Err(malformed("more than 10000 parts")),
            "Part" => parts.push(parse_part(&mut reader)?),
            _ => reader.skip()?,
        }
    }
    reader.finish()?;
    if parts.is_empty() {
        return Err(malformed("no parts"));
    }
    if parts.windows(2).any(|pair| pair[0].number >= pair[1].number) {
        return Err(ErrorCode::InvalidPartOrder.into());
    }
    Ok(parts)
}

fn parse_part(reader: &mut xml::Reader<'_>) -> S3Result<Listed> {
    let (mut number, mut etag, mut checksums) = (None, None, Vec::new());
    while let Some(name) = reader.child()? {
        match name {
            "PartNumber" => {
                let text = reader.text()?;
                let text = text.trim();
                let digits = text.bytes().all(|b| b.is_ascii_digit());
                number = digits.then(|| text.parse().ok()).flatten();
                if number.is_none() {
                    return Err(malformed("a part number that is no number"));
                }
            }
            "ETag" => etag = Some(reader.text()?.trim().trim_matches('"').to_ascii_lowercase()),
            _ => match name.strip_prefix("Checksum") {
                Some(algorithm) => {
                    let value = reader.text()?.trim().to_owned();
                    // Some clients send every element and fill only one.
                    if !value.is_empty() {
                        checksums.push((Algorithm::from_name(algorithm)?, value));
                    }
                }
                None => reader.skip()?,
            },
        }
    }
    match (number, etag) {
        (Some(number), Some(etag)) => Ok(Listed { number, etag, checksums }),
        _ => Err(malformed("a part without a number or an ETag")),
    }
}

impl Listed {
    /// The MD5 the ETag is made of.
    pub(super) fn md5(&self) -> Option<[u8; 16]> {
        let digits = self.etag.as_bytes();
        let mut md5 = [0; 16];
        if digits.len() != 32 {
            return None;
        }
        for (byte, pair) in md5.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = hex::digit(pair[0])? << 4 | hex::digit(pair[1])?;
        }
        Some(md5)
    }
}

impl Whole {
    /// Reads x-amz-checksum-*, x-amz-checksum-type and x-amz-mp-object-size.
    pub(super) fn from_headers(headers: &HeaderMap) -> S3Result<Self> {
        let mut whole = Self::default();
        for (name, value) in headers {
            let text = || String::from_utf8_lossy(value.as_bytes()).trim().to_owned();
            match name.as_str() {
                "x-amz-checksum-type" => whole.kind = Some(ChecksumType::from_name(&text())?),
                "x-amz-mp-object-size" => {
                    let digits = text();
                    let plain = digits.bytes().all(|b| b.is_ascii_digit());
                    whole.size = plain.then(|| digits.parse().ok()).flatten();
                    if whole.size.is_none() {
                        return Err(S3Error::with_message(
                            ErrorCode::InvalidRequest,
                            "Value for x-amz-mp-object-size header is invalid.",
                        ));
                    }
                }
                name => match Algorithm::from_header(name) {
                    Some(algorithm) if whole.checksum.is_none() => whole.checksum = Some((algorithm?, text())),
                    Some(_) => {
                        return Err(S3Error::with_message(
                            ErrorCode::InvalidRequest,
                            "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.",
                        ));
                    }
                    None => {}
                },
            }
        }
        Ok(whole)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(parts: &[(&str, &str)]) -> String {
        let parts: String = parts
            .iter()
            .map(|(number, etag)| format!("<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>"))
            .collect();
        format!("<CompleteMultipartUpload xmlns=\"urn:x\">{parts}</CompleteMultipartUpload>")
    }

    fn code(body: &str) -> ErrorCode {
        parse(body.as_bytes()).unwrap_err().code()
    }

    #[test]
    fn parts_with_quotes_and_checksums() {
        let body = "<CompleteMultipartUpload><Part><ChecksumCRC32> AAAAAA== </ChecksumCRC32>\
            <ETag>&quot;0CC175B9C0F1B6A831C399E269772661&quot;</ETag><PartNumber>1</PartNumber></Part>\
            <Part><PartNumber>3</PartNumber><ETag>x</ETag><ChecksumSHA512/></Part></CompleteMultipartUpload>";
        let parts = parse(body.as_bytes()).unwrap();
        assert_eq!(parts[0].checksums, [(Algorithm::Crc32, "AAAAAA==".to_owned())]);
        assert_eq!(parts[0].md5().map(|md5| md5[..2].to_vec()), Some(vec![0x0c, 0xc1]));
        assert_eq!((parts[1].number, parts[1].md5()), (3, None));
        assert!(parts[1].checksums.is_empty());
    }

    #[test]
    fn what_is_refused() {
        for bad in ["", "<CompleteMultipartUpload/>", &document(&[("one", "e")]), &document(&[("-1", "e")]), "<Part/>"]
        {
            assert_eq!(code(bad), ErrorCode::MalformedXML, "{bad}");
        }
        assert_eq!(
            code("<CompleteMultipartUpload><Part><ETag>e</ETag></Part></CompleteMultipartUpload>"),
            ErrorCode::MalformedXML
        );
        assert_eq!(code(&document(&[("2", "e"), ("1", "e")])), ErrorCode::InvalidPartOrder);
        assert_eq!(code(&document(&[("1", "e"), ("1", "e")])), ErrorCode::InvalidPartOrder);
    }

    #[test]
    fn ten_thousand_parts_and_no_more() {
        let of = |n: usize| {
            let numbers: Vec<String> = (1..=n).map(|i| i.to_string()).collect();
            document(&numbers.iter().map(|number| (&**number, "e")).collect::<Vec<_>>())
        };
        assert_eq!(parse(of(PARTS as usize).as_bytes()).unwrap().len(), PARTS as usize);
        assert_eq!(code(&of(PARTS as usize + 1)), ErrorCode::MalformedXML);
    }

    #[test]
    fn headers_about_the_whole() {
        let mut headers = HeaderMap::new();
        headers.insert("x-amz-checksum-sha256", "abc-2".parse().unwrap());
        headers.insert("x-amz-checksum-type", "COMPOSITE".parse().unwrap());
        headers.insert("x-amz-mp-object-size", "7".parse().unwrap());
        let whole = Whole::from_headers(&headers).unwrap();
        assert_eq!(whole.checksum, Some((Algorithm::Sha256, "abc-2".to_owned())));
        assert_eq!((whole.kind, whole.size), (Some(ChecksumType::Composite), Some(7)));
        headers.insert("x-amz-mp-object-size", "-7".parse().unwrap());
        assert!(Whole::from_headers(&headers).is_err());
    }
}
