//! Tag sets: the x-amz-tagging header, the Tagging document, and AWS's rules for both.
//!
//! Belongs here: reading, validating and rendering tags. Does not belong here: where tags are stored.

use panthera_base::{ErrorCode, S3Error, S3Result, limits};

use crate::uri;
use crate::xml::Reader;

/// Tags in the order given.
pub type TagSet = Vec<(String, String)>;

/// What only AWS itself may set.
const SYSTEM_PREFIX: &str = "aws:";

/// Reads x-amz-tagging: `key=value&…`, URL-encoded as a query.
pub fn from_header(value: &[u8]) -> S3Result<TagSet> {
    let invalid = || {
        S3Error::with_message(
            ErrorCode::InvalidArgument,
            "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag \
             name duplicates.",
        )
        .field("ArgumentName", "x-amz-tagging")
        .field("ArgumentValue", String::from_utf8_lossy(value))
    };
    let mut tags = TagSet::new();
    for pair in value.split(|&b| b == b'&').filter(|pair| !pair.is_empty()) {
        let cut = pair.iter().position(|&b| b == b'=');
        let (key, value) = cut.map_or((pair, &b""[..]), |at| (&pair[..at], &pair[at + 1..]));
        let key = text(key).ok_or_else(invalid)?;
        if tags.iter().any(|(known, _)| *known == key) {
            return Err(invalid());
        }
        tags.push((key, text(value).ok_or_else(invalid)?));
    }
    validate(&tags, limits::OBJECT_TAGS)?;
    Ok(tags)
}

/// Reads a Tagging document: `<Tagging><TagSet><Tag><Key/><Value/></Tag>…`. `most`: of objects or of buckets.
pub fn from_xml(body: &[u8], most: usize) -> S3Result<TagSet> {
    let mut reader = Reader::new(body)?;
    let mut sets = Vec::new();
    reader.root("Tagging")?;
    while let Some(name) = reader.child()? {
        match name {
            "TagSet" => sets.push(tag_set(&mut reader)?),
            _ => return Err(ErrorCode::MalformedXML.into()),
        }
    }
    reader.finish()?;
    let tags = match sets.pop() {
        Some(tags) if sets.is_empty() => tags,
        _ => return Err(ErrorCode::MalformedXML.into()),
    };
    validate(&tags, most)?;
    Ok(tags)
}

fn tag_set(reader: &mut Reader<'_>) -> S3Result<TagSet> {
    let mut tags = TagSet::new();
    while let Some(name) = reader.child()? {
        if name != "Tag" {
            return Err(ErrorCode::MalformedXML.into());
        }
        let (mut key, mut value) = (None, None);
        while let Some(name) = reader.child()? {
            let slot = match name {
                "Key" => &mut key,
                "Value" => &mut value,
                _ => return Err(ErrorCode::MalformedXML.into()),
            };
            if slot.replace(reader.text()?.into_owned()).is_some() {
                return Err(ErrorCode::MalformedXML.into());
            }
        }
        match (key, value) {
            (Some(key), Some(value)) => tags.push((key, value)),
            _ => return Err(ErrorCode::MalformedXML.into()),
        }
    }
    Ok(tags)
}

fn text(coded: &[u8]) -> Option<String> {
    String::from_utf8(uri::decode(coded, true)?).ok()
}

/// AWS's rules for a tag set: count, lengths in characters, characters, no name twice, no `aws:`.
pub fn validate(tags: &[(String, String)], most: usize) -> S3Result<()> {
    if tags.len() > most {
        let what = if most == limits::OBJECT_TAGS { "Object tags" } else { "Bucket tag count" };
        return Err(S3Error::with_message(ErrorCode::InvalidTag, format!("{what} cannot be greater than {most}")));
    }
    for (i, (key, value)) in tags.iter().enumerate() {
        let refuse = |message: &str| {
            Err(S3Error::with_message(ErrorCode::InvalidTag, message)
                .field("TagKey", &**key)
                .field("TagValue", &**value))
        };
        let length = key.chars().count();
        if length == 0 || length > limits::TAG_KEY_CHARS || !key.chars().all(allowed) {
            return refuse("The TagKey you have provided is invalid");
        }
        if value.chars().count() > limits::TAG_VALUE_CHARS || !value.chars().all(allowed) {
            return refuse("The TagValue you have provided is invalid");
        }
        if key.get(..SYSTEM_PREFIX.len()).is_some_and(|start| start.eq_ignore_ascii_case(SYSTEM_PREFIX)) {
            return refuse("System tags cannot be added/updated by requester");
        }
        if tags[..i].iter().any(|(earlier, _)| earlier == key) {
            return refuse("Cannot provide multiple Tags with the same key");
        }
    }
    Ok(())
}

/// Letters, digits and spaces of any script, and `+ - = . _ : / @`.
fn allowed(c: char) -> bool {
    c.is_alphanumeric() || c == ' ' || "+-=._:/@".contains(c) || (!c.is_ascii() && c.is_whitespace())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(value: &str) -> ErrorCode {
        from_header(value.as_bytes()).unwrap_err().code()
    }

    fn pair(key: &str, value: &str) -> (String, String) {
        (key.to_owned(), value.to_owned())
    }

    #[test]
    fn headers_are_decoded_in_order() {
        assert_eq!(
            from_header(b"b=1&a=x%20y+z&empty=&flag&%C3%BC=%2B").unwrap(),
            [pair("b", "1"), pair("a", "x y z"), pair("empty", ""), pair("flag", ""), pair("ü", "+")]
        );
        assert_eq!(from_header(b"").unwrap(), []);
    }

    #[test]
    fn malformed_headers_are_refused() {
        assert_eq!(code("a=1&a=2"), ErrorCode::InvalidArgument);
        assert_eq!(code("a=%zz"), ErrorCode::InvalidArgument);
        assert_eq!(code("a=%ff"), ErrorCode::InvalidArgument);
        assert_eq!(code("=1"), ErrorCode::InvalidTag);
        assert_eq!(code("aws:x=1"), ErrorCode::InvalidTag);
        assert_eq!(code("AWS:x=1"), ErrorCode::InvalidTag);
        assert_eq!(code("a=%00"), ErrorCode::InvalidTag);
        assert_eq!(code("a%3C=1"), ErrorCode::InvalidTag);
    }

    #[test]
    fn documents() {
        let read = |body: &str| from_xml(body.as_bytes(), limits::OBJECT_TAGS).map_err(|e| e.code());
        let tag = |key: &str, value: &str| format!("<Tag><Key>{key}</Key><Value>{value}</Value></Tag>");
        let set = |tags: &str| format!("<Tagging xmlns=\"urn:x\"><TagSet>{tags}</TagSet></Tagging>");
        assert_eq!(read(&set(&(tag("b", "1") + &tag("a", "x y")))), Ok(vec![pair("b", "1"), pair("a", "x y")]));
        assert_eq!(read(&set("")), Ok(vec![]));
        assert_eq!(read("<Tagging><TagSet/></Tagging>"), Ok(vec![]));
        for bad in [
            "",
            "<Tagging/>",
            "<Tags/>",
            "<Tagging><TagSet/><TagSet/></Tagging>",
            "<Tagging><TagSet><Tag><Key>a</Key></Tag></TagSet></Tagging>",
            "<Tagging><TagSet><Tag><Key>a</Key><Key>b</Key><Value/></Tag></TagSet></Tagging>",
            "<Tagging><TagSet><Flag/></TagSet></Tagging>",
            "<!DOCTYPE x><Tagging><TagSet/></Tagging>",
        ] {
            assert_eq!(read(bad), Err(ErrorCode::MalformedXML), "{bad}");
        }
        assert_eq!(read(&set(&(tag("a", "1") + &tag("a", "2")))), Err(ErrorCode::InvalidTag));
        assert_eq!(read(&set(&tag("", "1"))), Err(ErrorCode::InvalidTag));
    }

    #[test]
    fn limits_hold_at_n_and_break_at_n_plus_one() {
        let many = |n: usize| (0..n).map(|i| format!("k{i}=v")).collect::<Vec<_>>().join("&");
        assert_eq!(from_header(many(limits::OBJECT_TAGS).as_bytes()).unwrap().len(), limits::OBJECT_TAGS);
        assert_eq!(code(&many(limits::OBJECT_TAGS + 1)), ErrorCode::InvalidTag);
        let key = |n: usize| validate(&[pair(&"ü".repeat(n), "")], 10);
        assert!(key(limits::TAG_KEY_CHARS).is_ok());
        assert!(key(limits::TAG_KEY_CHARS + 1).is_err());
        let value = |n: usize| validate(&[pair("k", &"ü".repeat(n))], 10);
        assert!(value(limits::TAG_VALUE_CHARS).is_ok());
        assert!(value(limits::TAG_VALUE_CHARS + 1).is_err());
        assert!(validate(&[pair("k", ""), pair("k", "")], 10).is_err());
    }
}
