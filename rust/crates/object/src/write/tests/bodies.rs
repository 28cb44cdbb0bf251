//! PutObject: bodies, digests, limits, what the answer says, what a refusal leaves.

use panthera_base::ErrorCode;
use panthera_base::limits::{CDC_MAX_BYTES, SINGLE_PUT_BYTES, WHOLE_CHUNK_BYTES};
use panthera_meta::records::{ObjectRecord, Versioning};
use panthera_meta::{Batch, keys};

use super::{Body, get, invariants, is_absent, noise, put, set_versioning, stage};
use crate::scene::{BUCKET, Scene};

fn record(scene: &Scene, key: &str) -> ObjectRecord {
    let snapshot = scene.meta.snapshot().unwrap();
    ObjectRecord::decode(snapshot.get(&keys::object(BUCKET, key.as_bytes())).unwrap().unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_small_object_is_stored_described_and_read_back() {
    let scene = stage(Versioning::Never);
    let headers = [
        ("content-type", "text/css"),
        ("content-encoding", "aws-chunked,gzip"),
        ("cache-control", "no-store"),
        ("x-amz-meta-color", "blue"),
        ("x-amz-tagging", "a=1"),
        ("x-amz-storage-class", "STANDARD_IA"),
        ("x-amz-acl", "bucket-owner-full-control"),
    ];
    let answer = put(&scene, "k", &headers, Body::new("hello")).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("etag"), Some("\"5d41402abc4b2a76b9719d911017c592\""));
    assert_eq!(answer.header("x-amz-checksum-crc64nvme"), Some("M3eFcAZSQlc="));
    assert_eq!(answer.header("x-amz-checksum-type"), Some("FULL_OBJECT"));
    assert_eq!(answer.header("x-amz-version-id"), None);
    let back = get(&scene, "k").await;
    assert_eq!(back.text(), "hello");
    assert_eq!(back.header("content-type"), Some("text/css"));
    assert_eq!(back.header("content-encoding"), Some("gzip"));
    assert_eq!(back.header("x-amz-meta-color"), Some("blue"));
    assert_eq!(back.header("x-amz-storage-class"), Some("STANDARD_IA"));
    assert_eq!(record(&scene, "k").tags, [("a".to_owned(), "1".to_owned())]);
    assert!(record(&scene, "k").null_version);
    invariants::check(&scene);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_size_around_the_borders_comes_back() {
    let scene = stage(Versioning::Never);
    for (i, size) in
        [0, 1, 65_536, 65_537, WHOLE_CHUNK_BYTES, WHOLE_CHUNK_BYTES + 1, 3 * CDC_MAX_BYTES + 5].into_iter().enumerate()
    {
        let bytes = noise(size, i as u64);
        for (body, key) in [
            (Body::new(bytes.clone()), "known"),
            (Body::unknown(bytes.clone(), 77_777), "unknown"),
            (Body::unknown(bytes.clone(), 9_000_000), "big pieces"),
        ] {
            let chunked = [("transfer-encoding", "chunked")];
            assert_eq!(put(&scene, key, &chunked, body).await.status, 200, "{key} {size}");
            assert!(get(&scene, key).await.body.unwrap() == bytes, "{key} {size}");
        }
        let chunks = record(&scene, "known").manifest.chunks.len();
        assert!(chunks <= 1 || size > WHOLE_CHUNK_BYTES, "{size}: {chunks} chunks");
        assert_eq!(record(&scene, "known").etag, record(&scene, "unknown").etag);
    }
    invariants::check(&scene);
}

#[tokio::test(flavor = "multi_thread")]
async fn equal_bytes_are_stored_once() {
    let scene = stage(Versioning::Never);
    let bytes = noise(6 << 20, 1);
    put(&scene, "a", &[], Body::new(bytes.clone())).await;
    let before = scene.volumes.usage().needle_bytes;
    put(&scene, "b", &[], Body::new(bytes)).await;
    assert_eq!(scene.volumes.usage().needle_bytes, before);
    // A body of zeros repeats itself.
    put(&scene, "zeros", &[], Body::new(vec![0; 32 << 20])).await;
    assert!(scene.volumes.usage().needle_bytes < before + (5 << 20));
    assert!(get(&scene, "zeros").await.body.unwrap() == vec![0; 32 << 20]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_not_what_was_announced_leaves_nothing() {
    let scene = stage(Versioning::Enabled);
    let big = noise(3 << 20, 5);
    let small = b"hello".to_vec();
    for bytes in [small, big] {
        let length = bytes.len() as u64;
        let body = || Body::new(bytes.clone());
        let wrong = |name: &'static str, value: &'static str| [(name, value)];
        for (headers, body, code) in [
            (vec![], body().breaking(ErrorCode::IncompleteBody), ErrorCode::IncompleteBody),
            (vec![], body().declared(Some(length + 1)), ErrorCode::IncompleteBody),
            (vec![], body().declared(Some(length - 1)), ErrorCode::IncompleteBody),
            (wrong("content-md5", "1B2M2Y8AsgTpgAmY7PhCfg==").to_vec(), body(), ErrorCode::BadDigest),
            (wrong("content-md5", "x").to_vec(), body(), ErrorCode::InvalidDigest),
            (wrong("x-amz-checksum-crc32", "AAAAAA==").to_vec(), body(), ErrorCode::BadDigest),
            (wrong("x-amz-checksum-sha256", "bad").to_vec(), body(), ErrorCode::BadDigest),
            (wrong("x-amz-checksum-sha512", "bad").to_vec(), body(), ErrorCode::NotImplemented),
            (wrong("x-amz-sdk-checksum-algorithm", "CRC32").to_vec(), body(), ErrorCode::InvalidRequest),
            (wrong("x-amz-trailer", "x-amz-checksum-crc32").to_vec(), body(), ErrorCode::MalformedTrailerError),
            (
                wrong("x-amz-trailer", "x-amz-checksum-crc32").to_vec(),
                body().trailer("x-amz-checksum-crc32", "AAAAAA=="),
                ErrorCode::BadDigest,
            ),
        ] {
            let answer = put(&scene, "k", &headers, body).await;
            assert_eq!(answer.code(), Some(code), "{headers:?}");
            assert!(is_absent(&scene, "k"), "{headers:?}");
        }
    }
    invariants::check(&scene);
}

#[tokio::test(flavor = "multi_thread")]
async fn checksums_by_header_and_trailer_are_stored_and_told() {
    let scene = stage(Versioning::Never);
    for (name, value) in [
        ("x-amz-checksum-crc32", "NhCmhg=="),
        ("x-amz-checksum-crc32c", "mnG7TA=="),
        ("x-amz-checksum-crc64nvme", "M3eFcAZSQlc="),
        ("x-amz-checksum-sha1", "qvTGHdzF6KLavt4PO0gs2a6pQ00="),
        ("x-amz-checksum-sha256", "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ="),
    ] {
        for headers in [[(name, value)], [("x-amz-trailer", name)]] {
            let answer = put(&scene, "k", &headers, Body::new("hello").trailer(name, value)).await;
            assert_eq!((answer.status, answer.header(name)), (200, Some(value)), "{headers:?}");
            assert_eq!(record(&scene, "k").checksums.len(), 1);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lengths_are_required_and_bounded() {
    let scene = stage(Versioning::Never);
    let none = put(&scene, "k", &[], Body::unknown("x", 1)).await;
    assert_eq!((none.status, none.code()), (411, Some(ErrorCode::MissingContentLength)));
    let large = put(&scene, "k", &[], Body::new("").declared(Some(SINGLE_PUT_BYTES + 1))).await;
    assert_eq!(large.code(), Some(ErrorCode::EntityTooLarge));
    assert_eq!(large.field("MaxSizeAllowed"), Some("5368709120"));
    let cut = put(&scene, "k", &[], Body::new("").declared(Some(SINGLE_PUT_BYTES))).await;
    assert_eq!(cut.code(), Some(ErrorCode::IncompleteBody));
    let key = "k".repeat(1025);
    assert_eq!(put(&scene, &key, &[], Body::new("x")).await.code(), Some(ErrorCode::KeyTooLongError));
    assert_eq!(put(&scene, &key[1..], &[], Body::new("x")).await.status, 200);
    let metadata = "v".repeat(2048);
    let refused = put(&scene, "k", &[("x-amz-meta-k", &*metadata)], Body::new("x")).await;
    assert_eq!(refused.code(), Some(ErrorCode::MetadataTooLarge));
    assert!(is_absent(&scene, "k"));
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_have_ids_where_they_should() {
    let mut scene = stage(Versioning::Enabled);
    let first = put(&scene, "k", &[], Body::new("1")).await;
    let second = put(&scene, "k", &[], Body::new("2")).await;
    assert!(first.header("x-amz-version-id") < second.header("x-amz-version-id"));
    set_versioning(&mut scene, Versioning::Suspended);
    assert_eq!(put(&scene, "k", &[], Body::new("3")).await.header("x-amz-version-id"), None);
    invariants::check(&scene);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_that_is_gone_takes_nothing() {
    let scene = stage(Versioning::Never);
    let mut batch = Batch::default();
    batch.delete(keys::fence(BUCKET));
    scene.commit(&batch);
    for bytes in [noise(10, 1), noise(2 << 20, 1)] {
        assert_eq!(put(&scene, "k", &[], Body::new(bytes)).await.code(), Some(ErrorCode::NoSuchBucket));
    }
    assert!(is_absent(&scene, "k"));
}

#[tokio::test(flavor = "multi_thread")]
async fn conditions_of_writes() {
    let scene = stage(Versioning::Never);
    let first = put(&scene, "k", &[("if-none-match", "*")], Body::new("1")).await;
    let etag = first.header("etag").unwrap().to_owned();
    let code = |answer: crate::scene::Answer| (answer.status, answer.code());
    let failed = (412, Some(ErrorCode::PreconditionFailed));
    assert_eq!(code(put(&scene, "k", &[("if-none-match", "*")], Body::new("2")).await), failed);
    assert_eq!(code(put(&scene, "k", &[("if-none-match", &*etag)], Body::new("2")).await), failed);
    assert_eq!(code(put(&scene, "k", &[("if-match", "\"other\"")], Body::new("2")).await), failed);
    assert_eq!(get(&scene, "k").await.text(), "1");
    assert_eq!(code(put(&scene, "k", &[("if-match", &*etag)], Body::new("2")).await), (200, None));
    assert_eq!(code(put(&scene, "k", &[("if-match", "*")], Body::new("3")).await), (200, None));
    let missing = (404, Some(ErrorCode::NoSuchKey));
    assert_eq!(code(put(&scene, "other", &[("if-match", "*")], Body::new("3")).await), missing);
    // A large body is refused before it is received.
    let large = Body::new(noise(2 << 20, 1)).breaking(ErrorCode::InternalError);
    assert_eq!(code(put(&scene, "k", &[("if-none-match", "*")], large).await), failed);
    invariants::check(&scene);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_would_be_ignored_is_refused() {
    let scene = stage(Versioning::Never);
    for (name, value) in [
        ("x-amz-server-side-encryption", "AES256"),
        ("x-amz-object-lock-legal-hold", "ON"),
        ("x-amz-write-offset-bytes", "0"),
    ] {
        let answer = put(&scene, "k", &[(name, value)], Body::new("x")).await;
        assert_eq!((answer.status, answer.code()), (501, Some(ErrorCode::NotImplemented)), "{name}");
        assert!(answer.error.unwrap().message().contains(name));
    }
    assert!(is_absent(&scene, "k"));
}
