//! CopyObject and UploadPartCopy.

use panthera_base::{BucketId, ErrorCode, TenantId};
use panthera_meta::records::{BucketRecord, FenceRecord, ObjectRecord, TenantRecord, Versioning};
use panthera_meta::{Batch, keys};

use super::uploads::{complete, create, element, listing};
use super::{Body, call, get, invariants, noise, put, set_versioning, stage};
use crate::api::NativeOp;
use crate::scene::{Answer, BUCKET, Scene};

async fn copy(scene: &Scene, to: &str, headers: &[(&'static str, &str)]) -> Answer {
    scene.send_call(call(scene, NativeOp::CopyObject, to, &[], headers, Body::new(""))).await
}

fn record(scene: &Scene, key: &str) -> ObjectRecord {
    let snapshot = scene.meta.snapshot().unwrap();
    ObjectRecord::decode(snapshot.get(&keys::object(BUCKET, key.as_bytes())).unwrap().unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_writes_a_manifest_and_no_bytes() {
    let scene = stage(Versioning::Never);
    let bytes = noise(5 << 20, 1);
    let headers = [
        ("content-type", "image/png"),
        ("x-amz-meta-a", "1"),
        ("x-amz-tagging", "t=1"),
        ("x-amz-storage-class", "GLACIER_IR"),
    ];
    let original = put(&scene, "a b+c", &headers, Body::new(bytes.clone())).await;
    let before = scene.volumes.usage().needle_bytes;
    let answer = copy(&scene, "copy", &[("x-amz-copy-source", "/bucket/a%20b+c")]).await;
    assert_eq!(answer.status, 200, "{:?}", answer.error);
    assert_eq!(scene.volumes.usage().needle_bytes, before);
    let text = answer.text();
    assert_eq!(element(&text, "ChecksumCRC64NVME"), original.header("x-amz-checksum-crc64nvme"));
    let back = get(&scene, "copy").await;
    assert_eq!(back.header("etag"), original.header("etag"));
    assert_eq!(back.header("content-type"), Some("image/png"));
    assert_eq!(back.header("x-amz-meta-a"), Some("1"));
    assert_eq!(back.header("x-amz-storage-class"), None, "the class is the request's, not the source's");
    assert!(back.body.unwrap() == bytes);
    assert_eq!(record(&scene, "copy").tags.len(), 1);
    invariants::check(&scene);
}

#[tokio::test(flavor = "multi_thread")]
async fn directives_and_copies_onto_itself() {
    let scene = stage(Versioning::Never);
    put(&scene, "k", &[("x-amz-meta-a", "1"), ("x-amz-tagging", "t=1")], Body::new("x")).await;
    let source = ("x-amz-copy-source", "bucket/k");
    let plain = copy(&scene, "k", &[source]).await;
    assert_eq!(plain.code(), Some(ErrorCode::InvalidRequest));
    assert!(plain.error.unwrap().message().contains("copy an object to itself without changing"));
    let replaced =
        [source, ("x-amz-metadata-directive", "REPLACE"), ("x-amz-meta-b", "2"), ("content-type", "text/css")];
    assert_eq!(copy(&scene, "k", &replaced).await.status, 200);
    let now = record(&scene, "k");
    assert_eq!(now.user_metadata, [(b"b".to_vec(), b"2".to_vec())]);
    assert_eq!((&*now.content_type, now.tags.len()), (&b"text/css"[..], 1));
    let tagged = [source, ("x-amz-tagging-directive", "REPLACE"), ("x-amz-tagging", "u=2&v=3")];
    assert_eq!(copy(&scene, "k", &tagged).await.status, 200);
    assert_eq!(record(&scene, "k").tags.len(), 2);
    assert_eq!(copy(&scene, "k", &[source, ("x-amz-storage-class", "STANDARD_IA")]).await.status, 200);
    assert_eq!(copy(&scene, "k", &[source, ("x-amz-storage-class", "STANDARD_IA")]).await.status, 400);
    for bad in [("x-amz-metadata-directive", "MERGE"), ("x-amz-tagging-directive", "copy")] {
        assert_eq!(copy(&scene, "k2", &[source, bad]).await.code(), Some(ErrorCode::InvalidArgument));
    }
    assert_eq!(get(&scene, "k").await.text(), "x");
}

#[tokio::test(flavor = "multi_thread")]
async fn sources_that_are_not_there_or_do_not_match() {
    let scene = stage(Versioning::Never);
    let etag = put(&scene, "k", &[], Body::new("x")).await.header("etag").unwrap().to_owned();
    let code = |answer: Answer| answer.code();
    for (source, expected) in [
        ("bucket/missing", ErrorCode::NoSuchKey),
        ("nobody/k", ErrorCode::NoSuchBucket),
        ("bucket/k?versionId=0000000000000001", ErrorCode::NoSuchVersion),
        ("bucket/k?versionId=nonsense", ErrorCode::InvalidArgument),
        ("k", ErrorCode::InvalidArgument),
    ] {
        assert_eq!(code(copy(&scene, "to", &[("x-amz-copy-source", source)]).await), Some(expected), "{source}");
    }
    let source = ("x-amz-copy-source", "bucket/k");
    let past = "Wed, 21 Oct 2015 07:28:00 GMT";
    for (name, value, ok) in [
        ("x-amz-copy-source-if-match", &*etag, true),
        ("x-amz-copy-source-if-match", "\"no\"", false),
        ("x-amz-copy-source-if-none-match", &*etag, false),
        ("x-amz-copy-source-if-none-match", "\"no\"", true),
        ("x-amz-copy-source-if-modified-since", past, true),
        ("x-amz-copy-source-if-unmodified-since", past, false),
        ("if-none-match", "*", false),
        ("if-match", "*", true),
    ] {
        put(&scene, "to", &[], Body::new("old")).await;
        let expected = (!ok).then_some(ErrorCode::PreconditionFailed);
        assert_eq!(code(copy(&scene, "to", &[source, (name, value)]).await), expected, "{name}: {value}");
        assert_eq!(get(&scene, "to").await.text(), if ok { "x" } else { "old" });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_can_be_copied_and_markers_cannot() {
    let mut scene = stage(Versioning::Never);
    put(&scene, "k", &[], Body::new("null")).await;
    set_versioning(&mut scene, Versioning::Enabled);
    let one = put(&scene, "k", &[], Body::new("one")).await.header("x-amz-version-id").unwrap().to_owned();
    put(&scene, "k", &[], Body::new("two")).await;
    let by = |id: &str| format!("bucket/k?versionId={id}");
    let answer = copy(&scene, "to", &[("x-amz-copy-source", &by(&one))]).await;
    assert_eq!(answer.header("x-amz-copy-source-version-id"), Some(&*one));
    assert!(answer.header("x-amz-version-id").is_some());
    assert_eq!(get(&scene, "to").await.text(), "one");
    assert_eq!(copy(&scene, "to", &[("x-amz-copy-source", &by("null"))]).await.status, 200);
    assert_eq!(get(&scene, "to").await.text(), "null");
    // An old version copied onto its own key becomes the current one.
    assert_eq!(copy(&scene, "k", &[("x-amz-copy-source", &by(&one))]).await.status, 200);
    assert_eq!(get(&scene, "k").await.text(), "one");
    let marker = scene.send(NativeOp::DeleteObject, b"k", &[], &[]).await;
    let marker = by(marker.header("x-amz-version-id").unwrap());
    assert_eq!(copy(&scene, "to", &[("x-amz-copy-source", "bucket/k")]).await.code(), Some(ErrorCode::NoSuchKey));
    let refused = copy(&scene, "to", &[("x-amz-copy-source", &marker)]).await;
    assert_eq!(refused.code(), Some(ErrorCode::InvalidRequest));
    invariants::check(&scene);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_checksum_is_computed_by_reading() {
    let scene = stage(Versioning::Never);
    for (bytes, key) in [(noise(100, 1), "small"), (noise(4 << 20, 2), "large")] {
        put(&scene, key, &[], Body::new(bytes.clone())).await;
        let source = format!("bucket/{key}");
        let headers = [("x-amz-copy-source", &*source), ("x-amz-checksum-algorithm", "SHA1")];
        let text = copy(&scene, "to", &headers).await.text();
        let sha = put(&scene, "plain", &[("x-amz-trailer", "x-amz-checksum-sha1")], {
            let digest = panthera_wire::checksum::Hasher::digest(panthera_wire::checksum::Algorithm::Sha1, &bytes);
            Body::new(bytes.clone()).trailer("x-amz-checksum-sha1", &digest.to_base64())
        });
        assert_eq!(element(&text, "ChecksumSHA1"), sha.await.header("x-amz-checksum-sha1"));
        assert_eq!(element(&text, "ChecksumCRC64NVME"), None);
        assert!(get(&scene, "to").await.body.unwrap() == bytes);
    }
    invariants::check(&scene);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_tenants_object_is_forbidden_and_its_chunks_are_not_shared() {
    let scene = stage(Versioning::Never);
    let bytes = noise(4 << 20, 2);
    put(&scene, "k", &[], Body::new(bytes.clone())).await;
    let foreign = BucketRecord { id: BucketId(8), tenant: TenantId(2), ..BucketRecord::default() };
    let tenant = TenantRecord { id: TenantId(2), domain_key: [9; 32], ..TenantRecord::default() };
    let mut batch = Batch::default();
    batch.put(keys::bucket(b"foreign"), foreign.encode());
    batch.put(keys::fence(foreign.id), FenceRecord::default().encode());
    batch.put(keys::tenant(TenantId(2)), tenant.encode());
    batch.put(keys::object(foreign.id, b"k"), record(&scene, "k").encode());
    scene.commit(&batch);
    let denied = copy(&scene, "to", &[("x-amz-copy-source", "foreign/k")]).await;
    assert_eq!(denied.code(), Some(ErrorCode::AccessDenied));
    // The other way round, as a caller who may read the source: the destination is in the other tenant.
    let mut call = call(&scene, NativeOp::CopyObject, "to", &[], &[("x-amz-copy-source", "bucket/k")], Body::new(""));
    call.bucket = std::sync::Arc::new(foreign.clone());
    call.bucket_name = "foreign".into();
    assert_eq!(scene.send_call(call).await.status, 200);
    let snapshot = scene.meta.snapshot().unwrap();
    let copied = ObjectRecord::decode(snapshot.get(&keys::object(foreign.id, b"to")).unwrap().unwrap()).unwrap();
    let original = record(&scene, "k");
    assert_eq!((copied.etag, copied.size), (original.etag, original.size));
    assert_eq!(copied.manifest.chunks.len(), original.manifest.chunks.len());
    assert!(copied.manifest.chunks.iter().all(|chunk| !original.manifest.chunks.contains(chunk)));
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_are_copied_whole_and_in_ranges() {
    let scene = stage(Versioning::Never);
    let bytes = noise(12 << 20, 1);
    put(&scene, "source", &[], Body::new(bytes.clone())).await;
    let id = create(&scene, "k", &[("x-amz-checksum-algorithm", "CRC32C")]).await;
    let before = scene.volumes.usage().needle_bytes;
    let mut etags = Vec::new();
    let ranges = [(0, (6 << 20) - 1), (6 << 20, (12 << 20) - 8), ((12 << 20) - 7, (12 << 20) - 1)];
    for (i, (first, last)) in ranges.into_iter().enumerate() {
        let range = format!("bytes={first}-{last}");
        let query = [("partNumber", &*(i + 1).to_string()), ("uploadId", &*id)];
        let headers = [("x-amz-copy-source", "bucket/source"), ("x-amz-copy-source-range", &*range)];
        let answer =
            scene.send_call(call(&scene, NativeOp::UploadPartCopy, "k", &query, &headers, Body::new(""))).await;
        assert_eq!(answer.status, 200, "{:?}", answer.error);
        let text = answer.text();
        assert!(element(&text, "ChecksumCRC32C").is_some());
        etags.push(element(&text, "ETag").unwrap().replace("&quot;", "").replace('"', ""));
    }
    let plain = put(&scene, "plain", &[], Body::new(bytes[..6 << 20].to_vec())).await;
    assert_eq!(plain.header("etag"), Some(&*format!("\"{}\"", etags[0])), "a part's ETag is the MD5 of its bytes");
    assert!(scene.volumes.usage().needle_bytes < before + (12 << 20), "chunks inside the ranges are shared");
    let parts: Vec<(u32, &str)> = etags.iter().enumerate().map(|(i, etag)| (i as u32 + 1, etag.as_str())).collect();
    assert_eq!(complete(&scene, "k", &id, &[], listing(&parts)).await.status, 200);
    assert!(get(&scene, "k").await.body.unwrap() == bytes);
    invariants::check(&scene);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_object_as_a_part_reads_no_byte() {
    let scene = stage(Versioning::Never);
    put(&scene, "source", &[], Body::new("hello")).await;
    let id = create(&scene, "k", &[]).await;
    let part = |headers: &[(&'static str, &str)]| {
        let query = [("partNumber", "1"), ("uploadId", &*id)];
        call(&scene, NativeOp::UploadPartCopy, "k", &query, headers, Body::new(""))
    };
    let source = ("x-amz-copy-source", "bucket/source");
    for (headers, code) in [
        (vec![source, ("x-amz-copy-source-range", "bytes=0-5")], ErrorCode::InvalidRange),
        (vec![source, ("x-amz-copy-source-range", "bytes=0-")], ErrorCode::InvalidArgument),
        (vec![source, ("x-amz-copy-source-if-match", "x")], ErrorCode::PreconditionFailed),
        (vec![("x-amz-copy-source", "bucket/none")], ErrorCode::NoSuchKey),
    ] {
        assert_eq!(scene.send_call(part(&headers)).await.code(), Some(code), "{headers:?}");
    }
    let text = scene.send_call(part(&[source])).await.text();
    let etag = element(&text, "ETag").unwrap().replace("&quot;", "").replace('"', "");
    assert_eq!(etag, "5d41402abc4b2a76b9719d911017c592");
    assert_eq!(complete(&scene, "k", &id, &[], listing(&[(1, &etag)])).await.status, 200);
    assert_eq!(get(&scene, "k").await.text(), "hello");
    invariants::check(&scene);
}
