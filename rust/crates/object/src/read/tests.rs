//! GetObject, HeadObject and GetObjectAttributes against real chunks: every header, every error code.

use bytes::Bytes;
use panthera_authz::Subject;
use panthera_base::{BucketId, ErrorCode, Ordinal};
use panthera_meta::records::{Checksum, Manifest, ObjectRecord, PartEntry, Versioning, encode_ordinal};
use panthera_meta::{Batch, keys};

use crate::api::NativeOp::{self, GetObject, GetObjectAttributes, HeadObject};
use crate::scene::{Answer, BUCKET, Scene};

const ETAG: &str = "\"9a9a9a9a9a9a9a9a9a9a9a9a9a9a9a9a\"";
/// Not a whole second.
const BORN: u64 = 1_795_244_400_654_321;
const BORN_HTTP: &str = "Sat, 21 Nov 2026 07:00:00 GMT";
const BEFORE: &str = "Sat, 21 Nov 2026 06:59:59 GMT";

fn content(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i * 31 % 251) as u8).collect()
}

async fn with_object(len: usize, chunk: usize) -> (Scene, Vec<u8>) {
    let scene = Scene::new(Versioning::Never);
    let bytes = content(len);
    scene.put_object(b"k", &scene.object(&bytes, chunk, BORN).await);
    (scene, bytes)
}

async fn get(scene: &Scene, query: &[(&str, &str)], headers: &[(&'static str, &str)]) -> Answer {
    scene.send(GetObject, b"k", query, headers).await
}

#[tokio::test]
async fn a_small_object_comes_back_whole_with_its_headers() {
    let scene = Scene::new(Versioning::Never);
    let record = ObjectRecord {
        content_type: b"text/x-own"[..].to_vec().into(),
        cache_control: Some(b"no-store".to_vec()),
        content_disposition: Some(b"inline".to_vec()),
        content_encoding: Some(b"gzip".to_vec()),
        content_language: Some(b"de".to_vec()),
        expires: Some(b"never".to_vec()),
        website_redirect: Some(b"/there".to_vec()),
        storage_class: 1,
        user_metadata: vec![(b"colour".to_vec(), "gr\u{fc}n".as_bytes().to_vec()), (b"bad".to_vec(), b"a\nb".to_vec())],
        tags: vec![("a".into(), "1".into()), ("b".into(), "2".into())],
        ..scene.object(b"hello", 10, BORN).await
    };
    scene.put_object(b"k", &record);
    let answer = get(&scene, &[], &[]).await;
    assert_eq!((answer.status, answer.text().as_str()), (200, "hello"));
    for (name, value) in [
        ("etag", ETAG),
        ("last-modified", BORN_HTTP),
        ("accept-ranges", "bytes"),
        ("content-type", "text/x-own"),
        ("cache-control", "no-store"),
        ("content-disposition", "inline"),
        ("content-encoding", "gzip"),
        ("content-language", "de"),
        ("expires", "never"),
        ("x-amz-website-redirect-location", "/there"),
        ("x-amz-storage-class", "STANDARD_IA"),
        ("x-amz-tagging-count", "2"),
        ("x-amz-missing-meta", "1"),
    ] {
        assert_eq!(answer.header(name), Some(value), "{name}");
    }
    assert_eq!(answer.headers["x-amz-meta-colour"].as_bytes(), "gr\u{fc}n".as_bytes());
    for absent in ["x-amz-version-id", "content-range", "x-amz-checksum-type", "x-amz-mp-parts-count", "content-length"]
    {
        assert_eq!(answer.header(absent), None, "{absent}");
    }
    let head = scene.send(HeadObject, b"k", &[], &[]).await;
    assert_eq!((head.status, head.header("content-length")), (200, Some("5")));
    assert!(head.body.expect("none").is_empty());
}

#[tokio::test]
async fn an_ordinary_object_has_ordinary_headers() {
    let (scene, _) = with_object(3, 10).await;
    let answer = get(&scene, &[], &[]).await;
    assert_eq!(answer.header("content-type"), Some("binary/octet-stream"));
    assert_eq!(answer.headers.len(), 4, "etag, last-modified, accept-ranges, content-type: {:?}", answer.headers);
}

#[tokio::test]
async fn an_empty_object_has_no_bytes_and_no_range() {
    let (scene, _) = with_object(0, 10).await;
    assert_eq!(get(&scene, &[], &[]).await.text(), "");
    assert_eq!(get(&scene, &[("partNumber", "1")], &[]).await.status, 200);
    let answer = get(&scene, &[], &[("range", "bytes=0-")]).await;
    assert_eq!((answer.status, answer.code()), (416, Some(ErrorCode::InvalidRange)));
    assert_eq!(answer.error_header("content-range"), Some("bytes */0"));
}

#[tokio::test(flavor = "multi_thread")]
async fn any_range_of_many_chunks_is_exact() {
    let (scene, bytes) = with_object(10_000, 777).await;
    assert_eq!(get(&scene, &[], &[]).await.body.expect("whole"), bytes);
    let mut step = 1;
    for from in (0..10_000).step_by(331) {
        step = step * 7 % 4_001;
        let to = (from + step).min(9_999);
        let answer = get(&scene, &[], &[("range", &format!("bytes={from}-{to}"))]).await;
        assert_eq!(answer.status, 206);
        assert_eq!(answer.header("content-range"), Some(&*format!("bytes {from}-{to}/10000")));
        assert_eq!(answer.body.expect("a part"), bytes[from..=to]);
    }
    let head = scene.send(HeadObject, b"k", &[], &[("range", "bytes=-10")]).await;
    assert_eq!((head.status, head.header("content-length")), (206, Some("10")));
    assert_eq!(head.header("content-range"), Some("bytes 9990-9999/10000"));
}

#[tokio::test]
async fn ranges_that_are_none_are_ignored_and_those_beyond_refused() {
    let (scene, bytes) = with_object(100, 1000).await;
    for range in ["bytes=5-4", "bytes=0-1,3-4", "items=0-1", "bytes=x-", "0-1"] {
        let answer = get(&scene, &[], &[("range", range)]).await;
        assert_eq!((answer.status, answer.body.expect("whole").len()), (200, bytes.len()), "{range}");
    }
    for range in ["bytes=100-", "bytes=200-300", "bytes=-0"] {
        let answer = get(&scene, &[], &[("range", range)]).await;
        assert_eq!(answer.code(), Some(ErrorCode::InvalidRange), "{range}");
        assert_eq!(answer.field("RangeRequested"), Some(range));
        assert_eq!(answer.field("ActualObjectSize"), Some("100"));
        assert_eq!(answer.error_header("content-range"), Some("bytes */100"));
    }
    let other = get(&scene, &[], &[("range", "bytes=0-1"), ("if-range", "\"other\"")]).await;
    assert_eq!(other.status, 200);
    let same = get(&scene, &[], &[("range", "bytes=0-1"), ("if-range", ETAG)]).await;
    assert_eq!(same.status, 206);
}

#[tokio::test]
async fn conditions_decide_before_ranges() {
    let (scene, _) = with_object(10, 100).await;
    for headers in [[("if-none-match", ETAG)], [("if-none-match", "*")], [("if-modified-since", BORN_HTTP)]] {
        for op in [GetObject, HeadObject] {
            let answer = scene.send(op, b"k", &[], &headers).await;
            assert_eq!((answer.status, answer.text().as_str()), (304, ""));
            assert_eq!((answer.header("etag"), answer.header("last-modified")), (Some(ETAG), Some(BORN_HTTP)));
            assert_eq!(answer.header("content-length"), None);
        }
    }
    for (name, value, condition) in
        [("if-match", "\"x\"", "If-Match"), ("if-unmodified-since", BEFORE, "If-Unmodified-Since")]
    {
        let answer = get(&scene, &[], &[(name, value), ("range", "bytes=99-")]).await;
        assert_eq!((answer.status, answer.code()), (412, Some(ErrorCode::PreconditionFailed)));
        assert_eq!(answer.field("Condition"), Some(condition));
    }
    for headers in [[("if-match", ETAG)], [("if-unmodified-since", BORN_HTTP)], [("if-modified-since", BEFORE)]] {
        assert_eq!(get(&scene, &[], &headers).await.status, 200);
    }
}

#[tokio::test]
async fn response_overrides_are_for_who_signed() {
    let (scene, _) = with_object(1, 100).await;
    let all = [
        ("response-cache-control", "no-cache"),
        ("response-content-disposition", "bla"),
        ("response-content-encoding", "aaa"),
        ("response-content-language", "esperanto"),
        ("response-content-type", "foo/bar"),
        ("response-expires", "123"),
    ];
    let answer = get(&scene, &all, &[]).await;
    for (parameter, value) in all {
        assert_eq!(answer.header(&parameter["response-".len()..]), Some(value));
    }
    let bad = get(&scene, &[("response-content-type", "a\r\nx-evil: 1")], &[]).await;
    assert_eq!(bad.code(), Some(ErrorCode::InvalidArgument));
    let mut call = scene.call(GetObject, b"k");
    call.query.0.push(("response-expires".into(), "x".into()));
    call.caller.subject = Subject::Anonymous;
    assert_eq!(scene.send_call(call).await.code(), Some(ErrorCode::InvalidRequest));
}

/// Three versions of `k`: the null version, a marker on top, and one between; and a live `j`.
async fn versions(scene: &Scene) {
    let old = ObjectRecord { null_version: true, ..scene.object(b"null", 9, 100).await };
    let mut batch = Batch::default();
    batch.put(keys::null_version(BUCKET, b"k"), encode_ordinal(Ordinal(100)));
    scene.commit(&batch);
    scene.put_version(b"k", &old);
    scene.put_version(b"k", &scene.object(b"second", 9, 200).await);
    scene.put_version(b"k", &ObjectRecord::marker(Ordinal(300), old.owner, false));
    scene.put_object(b"j", &scene.object(b"live", 9, 400).await);
    scene.put_version(b"j", &scene.object(b"older", 9, 350).await);
    scene.put_object(b"n", &ObjectRecord { null_version: true, ..scene.object(b"plain", 9, 500).await });
}

#[tokio::test]
async fn each_version_is_found_by_its_id() {
    let scene = Scene::new(Versioning::Enabled);
    versions(&scene).await;
    for (key, id, want) in [
        ("k", Some("null"), "null"),
        ("k", Some("00000000000000c8"), "second"),
        ("j", None, "live"),
        ("j", Some("0000000000000190"), "live"),
        ("j", Some("000000000000015e"), "older"),
        ("n", None, "plain"),
        ("n", Some("null"), "plain"),
    ] {
        let query: Vec<_> = id.map(|id| ("versionId", id)).into_iter().collect();
        let answer = scene.send(GetObject, key.as_bytes(), &query, &[]).await;
        assert_eq!((answer.status, answer.text().as_str()), (200, want), "{key} {id:?}");
        let shown = id.unwrap_or(if key == "n" { "null" } else { "0000000000000190" });
        assert_eq!(answer.header("x-amz-version-id"), Some(shown));
    }
}

#[tokio::test]
async fn what_is_not_there_is_not_there_in_amazons_words() {
    let scene = Scene::new(Versioning::Enabled);
    versions(&scene).await;
    let codes = [
        ("k", None, ErrorCode::NoSuchKey),
        ("none", None, ErrorCode::NoSuchKey),
        ("none", Some("null"), ErrorCode::NoSuchVersion),
        ("j", Some("null"), ErrorCode::NoSuchVersion),
        ("j", Some("0000000000000191"), ErrorCode::NoSuchVersion),
        // The null version has no other name.
        ("k", Some("0000000000000064"), ErrorCode::NoSuchVersion),
        ("n", Some("00000000000001f4"), ErrorCode::NoSuchVersion),
        ("k", Some("000000000000012c"), ErrorCode::MethodNotAllowed),
        ("k", Some("nonsense"), ErrorCode::InvalidArgument),
        ("k", Some(""), ErrorCode::InvalidArgument),
        ("k", Some("NULL"), ErrorCode::InvalidArgument),
    ];
    for op in [GetObject, HeadObject] {
        for (key, id, code) in codes {
            let query: Vec<_> = id.map(|id| ("versionId", id)).into_iter().collect();
            let answer = scene.send(op, key.as_bytes(), &query, &[]).await;
            assert_eq!(answer.code(), Some(code), "{op:?} {key} {id:?}");
            let marker = (key == "k" && (id.is_none() || id == Some("000000000000012c"))).then_some("true");
            assert_eq!(answer.error_header("x-amz-delete-marker"), marker);
            assert_eq!(answer.error_header("x-amz-version-id"), marker.map(|_| "000000000000012c"));
        }
    }
    let marker = scene.send(GetObject, b"k", &[("versionId", "000000000000012c")], &[]).await;
    assert_eq!((marker.error_header("allow"), marker.status), (Some("DELETE"), 405));
    assert_eq!(marker.error_header("last-modified"), Some("Thu, 01 Jan 1970 00:00:00 GMT"));
    assert_eq!(scene.send(GetObject, &[b'k'; 1024], &[], &[]).await.code(), Some(ErrorCode::NoSuchKey));
    assert_eq!(scene.send(GetObject, &[0; 1024], &[], &[]).await.code(), Some(ErrorCode::NoSuchKey));
    assert_eq!(scene.send(GetObject, &[b'k'; 1025], &[], &[]).await.code(), Some(ErrorCode::KeyTooLongError));
}

async fn multipart(scene: &Scene, kind: u8) -> Vec<u8> {
    let bytes = content(2_500);
    let record = ObjectRecord {
        multipart_etag: true,
        parts: 3,
        checksums: vec![Checksum { algorithm: 1, kind, value: vec![1, 2, 3, 4] }],
        part_table: vec![
            PartEntry { number: 1, size: 1_000, checksum: vec![1; 4] },
            PartEntry { number: 2, size: 1_000, checksum: vec![2; 4] },
            PartEntry { number: 5, size: 500, checksum: vec![5; 4] },
        ],
        ..scene.object(&bytes, 700, BORN).await
    };
    scene.put_object(b"k", &record);
    bytes
}

#[tokio::test]
async fn parts_are_read_by_number() {
    let scene = Scene::new(Versioning::Never);
    let bytes = multipart(&scene, Checksum::COMPOSITE).await;
    for (number, range) in [("1", 0..1_000), ("2", 1_000..2_000), ("5", 2_000..2_500)] {
        let answer = get(&scene, &[("partNumber", number)], &[("x-amz-checksum-mode", "enabled")]).await;
        assert_eq!(answer.status, 206);
        assert_eq!(answer.header("x-amz-mp-parts-count"), Some("3"));
        assert_eq!(answer.header("etag"), Some("\"9a9a9a9a9a9a9a9a9a9a9a9a9a9a9a9a-3\""));
        let shown = format!("bytes {}-{}/2500", range.start, range.end - 1);
        assert_eq!(answer.header("content-range"), Some(&*shown));
        let digest = panthera_wire::checksum::base64::encode(&[number.parse().expect("a digit"); 4]);
        assert_eq!(answer.header("x-amz-checksum-crc32"), Some(&*digest));
        assert_eq!(answer.body.expect("a part"), bytes[range]);
    }
    for number in ["3", "4", "6", "10000"] {
        let answer = get(&scene, &[("partNumber", number)], &[]).await;
        assert_eq!((answer.code(), answer.status), (Some(ErrorCode::InvalidPartNumber), 416), "{number}");
        assert_eq!((answer.field("ActualPartCount"), answer.field("PartNumberRequested")), (Some("3"), Some(number)));
    }
    for number in ["0", "10001", "65537", "-1", "x", "", "+1"] {
        assert_eq!(
            get(&scene, &[("partNumber", number)], &[]).await.code(),
            Some(ErrorCode::InvalidArgument),
            "{number}"
        );
    }
    let both = get(&scene, &[("partNumber", "1")], &[("range", "bytes=0-1")]).await;
    assert_eq!(both.code(), Some(ErrorCode::InvalidRequest));
}

#[tokio::test]
async fn part_one_of_what_has_no_parts_is_everything() {
    let (scene, bytes) = with_object(100, 30).await;
    let answer = get(&scene, &[("partNumber", "1")], &[]).await;
    assert_eq!((answer.status, answer.header("content-range")), (206, Some("bytes 0-99/100")));
    assert_eq!(answer.header("x-amz-mp-parts-count"), None);
    assert_eq!(answer.body.expect("whole"), bytes);
    assert_eq!(get(&scene, &[("partNumber", "2")], &[]).await.code(), Some(ErrorCode::InvalidPartNumber));
}

#[tokio::test]
async fn checksums_are_told_when_asked_and_never_for_other_bytes() {
    let scene = Scene::new(Versioning::Never);
    multipart(&scene, Checksum::COMPOSITE).await;
    let mode = ("x-amz-checksum-mode", "ENABLED");
    let whole = get(&scene, &[], &[mode]).await;
    assert_eq!(whole.header("x-amz-checksum-crc32"), Some("AQIDBA==-3"));
    assert_eq!(whole.header("x-amz-checksum-type"), Some("COMPOSITE"));
    let silent = get(&scene, &[], &[]).await;
    assert_eq!((silent.header("x-amz-checksum-crc32"), silent.header("x-amz-checksum-type")), (None, None));
    for (range, want) in [("bytes=0-9", None), ("bytes=1000-1999", Some("AgICAg==")), ("bytes=1000-1998", None)] {
        assert_eq!(get(&scene, &[], &[mode, ("range", range)]).await.header("x-amz-checksum-crc32"), want, "{range}");
    }
    multipart(&scene, Checksum::FULL_OBJECT).await;
    let whole = scene.send(HeadObject, b"k", &[], &[mode]).await;
    assert_eq!(whole.header("x-amz-checksum-crc32"), Some("AQIDBA=="));
    assert_eq!(whole.header("x-amz-checksum-type"), Some("FULL_OBJECT"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manifest_stored_as_chunks_is_read_as_it_is_needed() {
    let scene = Scene::new(Versioning::Never);
    let bytes = content(9_000);
    let mut entries = Vec::new();
    Manifest::encode_entries(&scene.store(&bytes, 100).await, &mut entries);
    // Not a multiple of an entry: borders fall inside entries.
    let chunks = scene.store(&entries, 500).await;
    let record = ObjectRecord {
        manifest: Manifest { indirect: true, chunks },
        size: bytes.len() as u64,
        ..scene.object(b"", 1, BORN).await
    };
    scene.put_object(b"k", &record);
    assert_eq!(get(&scene, &[], &[]).await.body.expect("whole"), bytes);
    for (range, want) in [("bytes=0-0", 0..1), ("bytes=1399-4200", 1399..4201), ("bytes=-1", 8_999..9_000)] {
        assert_eq!(get(&scene, &[], &[("range", range)]).await.body.expect("a part"), bytes[want], "{range}");
    }
    scene.put_object(b"k", &ObjectRecord { size: 9_001, ..record });
    let short = get(&scene, &[], &[]).await;
    assert_eq!(short.body.expect_err("one byte is missing").code(), ErrorCode::InternalError);
}

#[tokio::test]
async fn a_manifest_that_does_not_add_up_is_our_fault() {
    let scene = Scene::new(Versioning::Never);
    for size in [9, 11] {
        let record = ObjectRecord { size, ..scene.object(b"0123456789", 4, BORN).await };
        scene.put_object(b"k", &record);
        assert_eq!(get(&scene, &[], &[]).await.code(), Some(ErrorCode::InternalError));
        assert_eq!(scene.send(HeadObject, b"k", &[], &[]).await.status, 200);
    }
}

/// Flips a bit of every byte pattern `needle` in the volumes.
fn corrupt(scene: &Scene, needle: &[u8]) {
    let mut found = 0;
    for entry in std::fs::read_dir(scene.dir.path()).expect("a directory") {
        let path = entry.expect("an entry").path();
        let mut bytes = std::fs::read(&path).expect("a file");
        for at in 0..bytes.len().saturating_sub(needle.len()) {
            if bytes[at..].starts_with(needle) {
                bytes[at + needle.len() / 2] ^= 1;
                found += 1;
            }
        }
        let file = std::fs::OpenOptions::new().write(true).open(&path).expect("writable");
        std::os::unix::fs::FileExt::write_all_at(&file, &bytes, 0).expect("written");
    }
    assert!(found > 0, "the chunk is in a volume");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_corrupt_chunk_is_an_error_and_never_bytes() {
    let (scene, bytes) = with_object(5_000, 1_000).await;
    corrupt(&scene, &bytes[3_000..4_000]);
    let whole = get(&scene, &[], &[]).await;
    assert_eq!(whole.status, 200, "the first chunk is good");
    assert_eq!(whole.body.expect_err("cut").code(), ErrorCode::InternalError);
    let inside = get(&scene, &[], &[("range", "bytes=3999-3999")]).await;
    assert_eq!((inside.status, inside.code()), (500, Some(ErrorCode::InternalError)));
    assert_eq!(get(&scene, &[], &[("range", "bytes=0-2999")]).await.body.expect("good"), bytes[..3_000]);
    assert_eq!(get(&scene, &[], &[("range", "bytes=4000-")]).await.body.expect("good"), bytes[4_000..]);
}

#[tokio::test]
async fn a_missing_chunk_is_an_error_before_the_status() {
    let scene = Scene::new(Versioning::Never);
    let mut record = scene.object(b"abc", 10, BORN).await;
    record.manifest.chunks[0].id[0] ^= 1;
    scene.put_object(b"k", &record);
    let answer = get(&scene, &[], &[]).await;
    assert_eq!((answer.status, answer.code()), (500, Some(ErrorCode::InternalError)));
    assert!(!answer.error.expect("an error").message().contains("chunk"), "causes are for the log");
}

#[tokio::test]
async fn a_row_that_is_no_record_is_our_fault() {
    let scene = Scene::new(Versioning::Never);
    scene.commit(Batch::default().put(keys::object(BucketId(BUCKET.0), b"k"), b"\x02nonsense".to_vec()));
    for op in [GetObject, HeadObject, GetObjectAttributes] {
        let headers = [("x-amz-object-attributes", "ETag")];
        assert_eq!(scene.send(op, b"k", &[], &headers).await.code(), Some(ErrorCode::InternalError));
    }
}

async fn attributes(scene: &Scene, headers: &[(&'static str, &str)]) -> String {
    scene.send(GetObjectAttributes, b"k", &[], headers).await.text()
}

#[tokio::test]
async fn attributes_of_a_multipart_object() {
    let scene = Scene::new(Versioning::Never);
    multipart(&scene, Checksum::COMPOSITE).await;
    let all = ("x-amz-object-attributes", "ETag,Checksum, ObjectParts,StorageClass,ObjectSize");
    let document = attributes(&scene, &[all]).await;
    let start = document.find("<ETag>").expect("an ETag");
    assert_eq!(
        &document[start..],
        "<ETag>9a9a9a9a9a9a9a9a9a9a9a9a9a9a9a9a-3</ETag><Checksum><ChecksumCRC32>AQIDBA==-3</ChecksumCRC32>\
         <ChecksumType>COMPOSITE</ChecksumType></Checksum><ObjectParts><PartsCount>3</PartsCount>\
         <PartNumberMarker>0</PartNumberMarker><NextPartNumberMarker>5</NextPartNumberMarker><MaxParts>1000</MaxParts>\
         <IsTruncated>false</IsTruncated>\
         <Part><PartNumber>1</PartNumber><Size>1000</Size><ChecksumCRC32>AQEBAQ==</ChecksumCRC32></Part>\
         <Part><PartNumber>2</PartNumber><Size>1000</Size><ChecksumCRC32>AgICAg==</ChecksumCRC32></Part>\
         <Part><PartNumber>5</PartNumber><Size>500</Size><ChecksumCRC32>BQUFBQ==</ChecksumCRC32></Part>\
         </ObjectParts><StorageClass>STANDARD</StorageClass><ObjectSize>2500</ObjectSize></GetObjectAttributesResponse>"
    );
    let page =
        [("x-amz-object-attributes", "ObjectParts"), ("x-amz-max-parts", "1"), ("x-amz-part-number-marker", "1")];
    let document = attributes(&scene, &page).await;
    assert!(document.contains("<PartNumberMarker>1</PartNumberMarker><NextPartNumberMarker>2</NextPartNumberMarker>"));
    assert!(document.contains("<IsTruncated>true</IsTruncated><Part><PartNumber>2<"), "{document}");
    assert!(!document.contains("ETag"));
}

#[tokio::test]
async fn attributes_of_a_simple_object_and_their_errors() {
    let (scene, _) = with_object(3, 10).await;
    let answer = scene
        .send(GetObjectAttributes, b"k", &[], &[("x-amz-object-attributes", "Checksum,ObjectParts,ObjectSize")])
        .await;
    assert_eq!(answer.header("last-modified"), Some(BORN_HTTP));
    assert!(answer.text().ends_with("2006-03-01/\"><ObjectSize>3</ObjectSize></GetObjectAttributesResponse>"));
    let code = async |op: NativeOp, key: &[u8], headers: &[(&'static str, &str)]| {
        scene.send(op, key, &[], headers).await.code()
    };
    let ask = ("x-amz-object-attributes", "ETag");
    assert_eq!(code(GetObjectAttributes, b"k", &[]).await, Some(ErrorCode::InvalidRequest));
    assert_eq!(
        code(GetObjectAttributes, b"k", &[("x-amz-object-attributes", "etag")]).await,
        Some(ErrorCode::InvalidArgument)
    );
    assert_eq!(
        code(GetObjectAttributes, b"k", &[ask, ("x-amz-max-parts", "x")]).await,
        Some(ErrorCode::InvalidArgument)
    );
    assert_eq!(code(GetObjectAttributes, b"k", &[ask, ("if-match", "x")]).await, Some(ErrorCode::PreconditionFailed));
    assert_eq!(code(GetObjectAttributes, b"none", &[ask]).await, Some(ErrorCode::NoSuchKey));
}

#[tokio::test]
async fn bytes_are_the_same_however_often_they_are_asked_for() {
    let (scene, bytes) = with_object(64, 64).await;
    let first: Bytes = get(&scene, &[], &[]).await.body.expect("whole");
    let second = get(&scene, &[], &[]).await.body.expect("whole");
    assert_eq!((&first[..], &second[..]), (&bytes[..], &bytes[..]));
}

#[tokio::test]
async fn only_the_version_that_was_decided_about_is_shown() {
    let (scene, _) = with_object(10, 10).await;
    for op in [GetObject, HeadObject, GetObjectAttributes] {
        for (decided, status) in [(None, 200), (Some(BORN), 200), (Some(BORN + 1), 503), (Some(0), 503)] {
            let mut call = scene.call(op, b"k");
            call.headers.insert("x-amz-object-attributes", "ETag".parse().unwrap());
            call.decided = decided.map(Ordinal);
            assert_eq!(scene.send_call(call).await.status, status, "{op:?} {decided:?}");
        }
    }
}
