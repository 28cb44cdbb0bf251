//! Tests of module `headers`.

use super::*;

fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in pairs {
        let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
        map.append(HeaderName::try_from(*name).unwrap(), value);
    }
    map
}

#[test]
fn values_are_kept_as_sent_and_framing_is_not_stored() {
    let read = ObjectHeaders::from_headers(&headers(&[
        ("content-type", "text/plain; charset=UTF-8"),
        ("content-encoding", "aws-chunked, gzip"),
        ("content-encoding", "AWS-CHUNKED"),
        ("expires", "whenever"),
        ("cache-control", ""),
        ("x-amz-meta-b", "ü"),
        ("x-amz-meta-a", "1"),
        ("x-amz-meta-a", "2"),
        ("x-amz-meta-empty", ""),
    ]))
    .unwrap();
    assert_eq!(read.content_type.as_deref(), Some(&b"text/plain; charset=UTF-8"[..]));
    assert_eq!(read.content_encoding.as_deref(), Some(&b"gzip"[..]));
    assert_eq!(read.expires.as_deref(), Some(&b"whenever"[..]));
    assert_eq!(read.cache_control, None);
    let pair = |name: &str, value: &str| (name.to_owned(), value.as_bytes().to_vec());
    assert_eq!(read.metadata, [pair("a", "1,2"), pair("b", "ü"), pair("empty", "")]);
    let chunked = ObjectHeaders::from_headers(&headers(&[("content-encoding", "aws-chunked")])).unwrap();
    assert_eq!(chunked.content_encoding, None);
}

#[test]
fn metadata_has_a_limit() {
    let of = |len: usize| ObjectHeaders::from_headers(&headers(&[("x-amz-meta-k", &"v".repeat(len))]));
    assert!(of(limits::USER_METADATA_BYTES - 1).is_ok());
    assert_eq!(of(limits::USER_METADATA_BYTES).unwrap_err().code(), ErrorCode::MetadataTooLarge);
}

#[test]
fn redirect_locations() {
    let of = |value: &str| ObjectHeaders::from_headers(&headers(&[("x-amz-website-redirect-location", value)]));
    for good in ["/a", "http://x", "https://x", &format!("/{}", "a".repeat(REDIRECT_LOCATION_BYTES - 1))] {
        assert!(of(good).is_ok());
    }
    for bad in ["", "ftp://x", "x", &format!("/{}", "a".repeat(REDIRECT_LOCATION_BYTES))] {
        assert_eq!(of(bad).unwrap_err().code(), ErrorCode::InvalidRedirectLocation);
    }
}

#[test]
fn storage_classes_have_the_numbers_of_the_format() {
    let of = |value: &str| storage_class(&headers(&[("x-amz-storage-class", value)]));
    assert_eq!(storage_class(&headers(&[])).unwrap(), None);
    assert_eq!(of("STANDARD").unwrap(), Some(0));
    assert_eq!(of("GLACIER_IR").unwrap(), Some(6));
    assert_eq!(of("REDUCED_REDUNDANCY").unwrap(), Some(7));
    for bad in ["OUTPOSTS", "standard", "", "COLD"] {
        assert_eq!(of(bad).unwrap_err().code(), ErrorCode::InvalidStorageClass);
    }
}

#[test]
fn copy_sources() {
    let of = |value: &str| copy_source(&headers(&[("x-amz-copy-source", value)]));
    let source = |bucket: &str, key: &str, version: Option<&str>| CopySource {
        bucket: bucket.into(),
        key: key.as_bytes().to_vec(),
        version: version.map(Into::into),
    };
    assert_eq!(of("b/k").unwrap(), source("b", "k", None));
    assert_eq!(of("/b/k/l?versionId=null").unwrap(), source("b", "k/l", Some("null")));
    assert_eq!(of("b%2Fk%20+%2B%3FversionId=no").unwrap(), source("b", "k ++?versionId=no", None));
    assert_eq!(of("/b//k").unwrap(), source("b", "/k", None));
    assert_eq!(of("b/k?versionId=").unwrap(), source("b", "k", None));
    assert_eq!(of("b/k?x?versionId=7").unwrap(), source("b", "k?x", Some("7")));
    for bad in ["", "/", "b", "/b", "b/", "//k", "b/%zz", "b/%2", "b/k?versionId=%ff"] {
        assert_eq!(of(bad).unwrap_err().code(), ErrorCode::InvalidArgument, "{bad}");
    }
    let arn = of("arn:aws:s3:us-east-1:1:accesspoint/x/object/k").unwrap_err();
    assert_eq!(arn.code(), ErrorCode::NotImplemented);
}

#[test]
fn copy_ranges_are_strict() {
    let of = |value: &str| copy_source_range(&headers(&[("x-amz-copy-source-range", value)]));
    assert_eq!(of("bytes=0-0").unwrap(), Some((0, 0)));
    assert_eq!(of("bytes=5-18446744073709551614").unwrap(), Some((5, u64::MAX - 1)));
    for bad in [
        "",
        "0-1",
        "bytes=-1",
        "bytes=1-",
        "bytes=2-1",
        "bytes=0-1,3-4",
        "bytes=+1-2",
        "bytes 0-1",
        "bytes=0-18446744073709551616",
        "bytes=hello-world",
    ] {
        assert_eq!(of(bad).unwrap_err().code(), ErrorCode::InvalidArgument, "{bad}");
    }
}

#[test]
fn directives() {
    let of = |value: &str| metadata_directive(&headers(&[("x-amz-metadata-directive", value)]));
    assert_eq!(metadata_directive(&headers(&[])).unwrap(), Directive::Copy);
    assert_eq!(of("REPLACE").unwrap(), Directive::Replace);
    assert_eq!(of("replace").unwrap_err().message(), "Unknown metadata directive.");
    let tagging = tagging_directive(&headers(&[("x-amz-tagging-directive", "MERGE")]));
    assert_eq!(tagging.unwrap_err().message(), "Unknown tagging directive.");
}

#[test]
fn what_we_would_ignore_is_refused_by_name() {
    for (name, value) in [
        ("x-amz-server-side-encryption", "AES256"),
        ("x-amz-server-side-encryption-customer-key", "x"),
        ("x-amz-object-lock-mode", "COMPLIANCE"),
        ("x-amz-write-offset-bytes", "3"),
    ] {
        let error = refuse_unsupported(&headers(&[(name, value)])).unwrap_err();
        assert_eq!(error.code(), ErrorCode::NotImplemented, "{name}");
        assert!(error.message().contains(name));
    }
    assert!(refuse_unsupported(&headers(&[("x-amz-acl", "public-read"), ("x-amz-tagging", "")])).is_ok());
}

#[test]
fn hoisted_headers_come_back() {
    let mut map = headers(&[("x-amz-acl", "private")]);
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    adopt_hoisted(
        &mut map,
        &[
            pair("X-Amz-Meta-A", "1"),
            pair("X-Amz-Signature", "s"),
            pair("x-id", "PutObject"),
            pair("é-amz-", "1"),
            pair("x-amz-acl", "private"),
        ],
    )
    .unwrap();
    assert_eq!(map.get("x-amz-meta-a").unwrap(), "1");
    assert_eq!(map.len(), 2);
    assert!(adopt_hoisted(&mut map, &[pair("x-amz-acl", "public-read")]).is_err());
    assert!(adopt_hoisted(&mut map, &[pair("x-amz-meta-b", "a\nb")]).is_err());
    assert!(adopt_hoisted(&mut map, &[pair("x-amz-meta b", "a")]).is_err());
}

proptest::proptest! {
    #[test]
    fn nothing_a_client_sends_breaks_the_readers(value in proptest::collection::vec(0x20u8..=0xff, 0..80)) {
        let Ok(value) = HeaderValue::from_bytes(&value) else { return Ok(()) };
        for name in [
            "x-amz-copy-source",
            "x-amz-copy-source-range",
            "x-amz-storage-class",
            "x-amz-metadata-directive",
            "x-amz-website-redirect-location",
            "x-amz-acl",
            "x-amz-grant-read",
            "content-encoding",
            "content-md5",
            "x-amz-checksum-crc32",
            "x-amz-sdk-checksum-algorithm",
            "x-amz-trailer",
            "x-amz-checksum-type",
        ] {
            let mut map = HeaderMap::new();
            map.insert(name, value.clone());
            let _ = copy_source(&map);
            let _ = copy_source_range(&map);
            let _ = storage_class(&map);
            let _ = metadata_directive(&map);
            let _ = ObjectHeaders::from_headers(&map);
            let _ = refuse_unsupported(&map);
            let _ = crate::acl::wanted(&map);
            let _ = crate::checksum::Announced::from_headers(&map);
            let _ = crate::checksum::multipart_type(&map);
            let _ = crate::tagging::from_header(value.as_bytes());
        }
    }

    #[test]
    fn a_copy_source_survives_encoding(bucket in "[a-z0-9.-]{3,20}", key in "\\PC{1,40}") {
        let coded = format!("/{bucket}/{}", crate::uri::encode_query(key.as_bytes()));
        let read = copy_source(&headers(&[("x-amz-copy-source", &coded)])).unwrap();
        proptest::prop_assert_eq!((read.bucket, read.key, read.version), (bucket, key.into_bytes(), None));
    }
}

#[test]
fn lines_of_one_header_are_one_line() {
    let mut read = headers(&[
        ("x-amz-acl", "private"),
        ("if-none-match", "*"),
        ("x-amz-acl", "public-read"),
        ("if-none-match", "\"x\""),
        ("x-amz-acl", ""),
        ("accept", "a"),
        ("accept", "b"),
        ("x-amz-meta-one", "1"),
    ]);
    join_repeated(&mut read);
    let lines = |name| read.get_all(name).iter().map(|v| v.to_str().unwrap()).collect::<Vec<_>>();
    assert_eq!(lines("x-amz-acl"), ["private,public-read,"]);
    assert_eq!(lines("if-none-match"), ["*,\"x\""]);
    assert_eq!(lines("accept"), ["a", "b"], "it decides nothing");
    assert_eq!(lines("x-amz-meta-one"), ["1"]);
}
