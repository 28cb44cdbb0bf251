//! Multipart uploads from creation to completion or abort.

use panthera_base::{ErrorCode, Ordinal, TenantId, UserId};
use panthera_meta::keys;
use panthera_meta::records::{ObjectRecord, ThroughShare, Versioning};

use super::{Body, call, get, invariants, is_absent, noise, put, stage};
use crate::api::{NativeOp, Window};
use crate::scene::{Answer, BUCKET, Scene};

pub(crate) fn element<'a>(document: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = document.split_once(&format!("<{name}>"))?;
    Some(rest.split_once(&format!("</{name}>"))?.0)
}

pub(crate) async fn create(scene: &Scene, key: &str, headers: &[(&'static str, &str)]) -> String {
    let call = call(scene, NativeOp::CreateMultipartUpload, key, &[("uploads", "")], headers, Body::new(""));
    let answer = scene.send_call(call).await;
    assert_eq!(answer.status, 200);
    let text = answer.text();
    assert_eq!((element(&text, "Bucket"), element(&text, "Key")), (Some("bucket"), Some(key)));
    element(&text, "UploadId").unwrap().to_owned()
}

pub(crate) async fn upload(
    scene: &Scene,
    key: &str,
    id: &str,
    number: u32,
    headers: &[(&'static str, &str)],
    body: impl Into<bytes::Bytes>,
) -> Answer {
    let query = [("partNumber", &*number.to_string()), ("uploadId", id)];
    scene.send_call(call(scene, NativeOp::UploadPart, key, &query, headers, Body::new(body))).await
}

pub(crate) fn listing(parts: &[(u32, &str)]) -> String {
    let parts: String =
        parts.iter().map(|(n, etag)| format!("<Part><PartNumber>{n}</PartNumber><ETag>{etag}</ETag></Part>")).collect();
    format!("<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>")
}

pub(crate) async fn complete(
    scene: &Scene,
    key: &str,
    id: &str,
    headers: &[(&'static str, &str)],
    document: String,
) -> Answer {
    let call = call(scene, NativeOp::CompleteMultipartUpload, key, &[("uploadId", id)], headers, Body::new(document));
    scene.send_call(call).await
}

fn no_upload_rows(scene: &Scene) -> bool {
    let snapshot = scene.meta.snapshot().unwrap();
    [keys::kind::UPLOAD, keys::kind::UPLOAD_THROUGH, keys::kind::PART].into_iter().all(|kind| {
        let range = keys::kind_range(kind);
        let mut empty = true;
        let mut visit = |_: &[u8], _: &[u8]| {
            empty = false;
            panthera_meta::Step::Stop
        };
        snapshot.scan(&range.start..&range.end, &mut visit).unwrap();
        empty
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_become_an_object() {
    let scene = stage(Versioning::Enabled);
    let headers = [("content-type", "image/png"), ("x-amz-meta-a", "1"), ("x-amz-tagging", "t=1")];
    let id = create(&scene, "k", &headers).await;
    let (first, last) = (noise(5 << 20, 1), noise(100, 2));
    let a = upload(&scene, "k", &id, 1, &[], noise(5 << 20, 9)).await;
    assert!(is_absent(&scene, "k"));
    // The same number again replaces the part.
    let b = upload(&scene, "k", &id, 1, &[], first.clone()).await;
    assert_ne!(a.header("etag"), b.header("etag"));
    let c = upload(&scene, "k", &id, 7, &[], last.clone()).await;
    // Stored and not listed: it goes away.
    upload(&scene, "k", &id, 9, &[], "stray").await;
    invariants::check(&scene);
    let parts = listing(&[(1, b.header("etag").unwrap()), (7, c.header("etag").unwrap())]);
    let done = complete(&scene, "k", &id, &[], parts.clone()).await;
    assert_eq!(done.status, 200, "{:?}", done.error);
    let text = done.text();
    assert!(element(&text, "ETag").unwrap().ends_with("-2&quot;") || element(&text, "ETag").unwrap().ends_with("-2\""));
    assert_eq!(element(&text, "Location"), Some("http://localhost:9000/bucket/k"));
    assert_eq!(element(&text, "ChecksumType"), Some("FULL_OBJECT"));
    let whole = [first, last].concat();
    let back = get(&scene, "k").await;
    assert_eq!(back.header("content-type"), Some("image/png"));
    assert_eq!(back.header("x-amz-meta-a"), Some("1"));
    assert_eq!(back.header("x-amz-version-id"), done.header("x-amz-version-id"));
    assert!(back.body.unwrap() == whole);
    assert!(no_upload_rows(&scene));
    invariants::check(&scene);
    // The combined CRC is that of the bytes in one piece.
    let plain = put(&scene, "plain", &[], Body::new(whole)).await;
    assert_eq!(element(&text, "ChecksumCRC64NVME"), plain.header("x-amz-checksum-crc64nvme"));
    // Again: the answer may have been lost.
    let again = complete(&scene, "k", &id, &[], parts).await;
    assert_eq!((again.status, again.text()), (200, text));
    assert_eq!(again.header("x-amz-version-id"), done.header("x-amz-version-id"));
    let other = complete(&scene, "k", &id, &[], listing(&[(1, "0cc175b9c0f1b6a831c399e269772661")])).await;
    assert_eq!(other.code(), Some(ErrorCode::NoSuchUpload));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_completion_refuses_changes_nothing() {
    let scene = stage(Versioning::Never);
    let id = create(&scene, "k", &[]).await;
    let a = upload(&scene, "k", &id, 1, &[], "small").await.header("etag").unwrap().to_owned();
    let b = upload(&scene, "k", &id, 2, &[], "last").await.header("etag").unwrap().to_owned();
    for (headers, document, code) in [
        (vec![], listing(&[]), ErrorCode::MalformedXML),
        (vec![], listing(&[(2, &b), (1, &a)]), ErrorCode::InvalidPartOrder),
        (vec![], listing(&[(1, &b)]), ErrorCode::InvalidPart),
        (vec![], listing(&[(3, &b)]), ErrorCode::InvalidPart),
        (vec![], listing(&[(70_000, &b)]), ErrorCode::InvalidPart),
        (vec![], listing(&[(1, &a), (2, &b)]), ErrorCode::EntityTooSmall),
        (vec![("x-amz-mp-object-size", "5")], listing(&[(2, &b)]), ErrorCode::InvalidRequest),
        (vec![("x-amz-checksum-crc64nvme", "AAAAAAAAAAA=")], listing(&[(2, &b)]), ErrorCode::BadDigest),
        (vec![("x-amz-checksum-sha256", "AAAA")], listing(&[(2, &b)]), ErrorCode::InvalidRequest),
        (vec![("content-md5", "1B2M2Y8AsgTpgAmY7PhCfg==")], listing(&[(2, &b)]), ErrorCode::BadDigest),
        (vec![("if-match", "*")], listing(&[(2, &b)]), ErrorCode::NoSuchKey),
    ] {
        let answer = complete(&scene, "k", &id, &headers, document.clone()).await;
        assert_eq!(answer.code(), Some(code), "{headers:?} {document}");
        assert!(is_absent(&scene, "k"));
    }
    put(&scene, "k", &[], Body::new("there")).await;
    let refused = complete(&scene, "k", &id, &[("if-none-match", "*")], listing(&[(2, &b)])).await;
    assert_eq!(refused.code(), Some(ErrorCode::PreconditionFailed));
    let done = complete(&scene, "k", &id, &[("x-amz-mp-object-size", "4")], listing(&[(2, &b)])).await;
    assert_eq!(done.status, 200);
    assert_eq!(get(&scene, "k").await.text(), "last");
    assert!(no_upload_rows(&scene));
    invariants::check(&scene);
}

#[tokio::test(flavor = "multi_thread")]
async fn checksums_composite_and_full() {
    let scene = stage(Versioning::Never);
    let (first, last) = (noise(5 << 20, 1), noise(9, 2));
    for (algorithm, kind, header, composite) in [
        ("SHA256", None, "ChecksumSHA256", true),
        ("SHA1", Some("COMPOSITE"), "ChecksumSHA1", true),
        ("CRC32", None, "ChecksumCRC32", true),
        ("CRC32C", Some("FULL_OBJECT"), "ChecksumCRC32C", false),
        ("CRC64NVME", None, "ChecksumCRC64NVME", false),
    ] {
        let mut headers = vec![("x-amz-checksum-algorithm", algorithm)];
        headers.extend(kind.map(|kind| ("x-amz-checksum-type", kind)));
        let id = create(&scene, "k", &headers).await;
        let name = format!("x-amz-checksum-{}", algorithm.to_lowercase());
        let a = upload(&scene, "k", &id, 1, &[], first.clone()).await;
        assert!(a.header(&name).is_some(), "the upload's algorithm is computed, announced or not");
        let wrong = upload(&scene, "k", &id, 2, &[("x-amz-checksum-sha256", "x"), ("x-amz-acl", "private")], "x").await;
        let code = if algorithm == "SHA256" { ErrorCode::BadDigest } else { ErrorCode::InvalidRequest };
        assert_eq!(wrong.code(), Some(code));
        let b = upload(&scene, "k", &id, 2, &[], last.clone()).await;
        let parts = listing(&[(1, a.header("etag").unwrap()), (2, b.header("etag").unwrap())]);
        let text = complete(&scene, "k", &id, &[], parts).await.text();
        assert_eq!(element(&text, "ChecksumType"), Some(if composite { "COMPOSITE" } else { "FULL_OBJECT" }));
        assert_eq!(element(&text, header).unwrap().ends_with("-2"), composite, "{algorithm}");
        let row = scene.meta.snapshot().unwrap().get(&keys::object(BUCKET, b"k")).unwrap().unwrap().to_vec();
        let table = ObjectRecord::decode(&row).unwrap().part_table;
        assert!(table.len() == 2 && table.iter().all(|part| !part.checksum.is_empty()));
    }
    invariants::check(&scene);
}

#[tokio::test(flavor = "multi_thread")]
async fn aborting_leaves_nothing_and_later_parts_find_nothing() {
    let scene = stage(Versioning::Never);
    let id = create(&scene, "k", &[]).await;
    for number in [1, 2, 5, 10_000] {
        assert_eq!(upload(&scene, "k", &id, number, &[], noise(10, u64::from(number))).await.status, 200);
    }
    for number in [0, 10_001] {
        let answer = upload(&scene, "k", &id, number, &[], "x").await;
        assert_eq!(answer.code(), Some(ErrorCode::InvalidArgument));
    }
    let abort = |id: String| {
        let query = [("uploadId", id.as_str())].map(|(n, v)| (n, v.to_owned()));
        let query: Vec<(&str, &str)> = query.iter().map(|(n, v)| (*n, v.as_str())).collect();
        call(&scene, NativeOp::AbortMultipartUpload, "k", &query, &[], Body::new(""))
    };
    assert_eq!(scene.send_call(abort(id.clone())).await.status, 204);
    assert!(no_upload_rows(&scene));
    invariants::check(&scene);
    assert_eq!(scene.send_call(abort(id.clone())).await.code(), Some(ErrorCode::NoSuchUpload));
    assert_eq!(scene.send_call(abort("made-up".into())).await.code(), Some(ErrorCode::NoSuchUpload));
    for bytes in [noise(3, 3), noise(2 << 20, 3)] {
        assert_eq!(upload(&scene, "k", &id, 1, &[], bytes).await.code(), Some(ErrorCode::NoSuchUpload));
    }
    assert!(no_upload_rows(&scene));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_through_a_mount_is_found_behind_it_until_it_ends() {
    let scene = stage(Versioning::Never);
    let way = ThroughShare { share: 3, tenant: TenantId(77), user: UserId(5) };
    let through = |op, query: &[(&str, &str)], body: Body| {
        let mut call = call(&scene, op, "k", query, &[], body);
        call.window = Some(Window { through: Some(way), bucket: "theirs".into(), ..Window::default() });
        call
    };
    let found = || {
        let (snapshot, range) = (scene.meta.snapshot().unwrap(), keys::kind_range(keys::kind::UPLOAD_THROUGH));
        let mut rows = Vec::new();
        let mut visit = |row: &[u8], _: &[u8]| {
            rows.push(row.to_vec());
            panthera_meta::Step::Next
        };
        snapshot.scan(&range.start..&range.end, &mut visit).unwrap();
        rows
    };
    let mut ids = Vec::new();
    for _ in 0..2 {
        let answer = scene.send_call(through(NativeOp::CreateMultipartUpload, &[("uploads", "")], Body::new(""))).await;
        ids.push(element(&answer.text(), "UploadId").unwrap().to_owned());
    }
    create(&scene, "k", &[]).await;
    let row = |id: &String| keys::upload_through(BUCKET, 3, TenantId(77), b"k", Ordinal::from_wire(id).unwrap());
    assert_eq!(found(), ids.iter().map(row).collect::<Vec<_>>(), "theirs and not the owner's");
    invariants::check(&scene);

    let part = upload(&scene, "k", &ids[0], 1, &[], "x").await;
    let document = Body::new(listing(&[(1, part.header("etag").unwrap())]));
    let done =
        scene.send_call(through(NativeOp::CompleteMultipartUpload, &[("uploadId", ids[0].as_str())], document)).await;
    assert_eq!((done.status, found()), (200, vec![row(&ids[1])]));
    invariants::check(&scene);

    // Who owns the bucket may end it, too.
    let query = [("uploadId", ids[1].as_str())];
    let ended = scene.send_call(call(&scene, NativeOp::AbortMultipartUpload, "k", &query, &[], Body::new(""))).await;
    assert_eq!((ended.status, found()), (204, vec![]));
    invariants::check(&scene);
}
