//! DeleteObject and DeleteObjects.

use panthera_authz::Subject;
use panthera_base::ErrorCode;
use panthera_meta::records::Versioning;
use panthera_wire::checksum::{Md5, base64};

use super::uploads::element;
use super::{Body, call, get, invariants, is_absent, put, set_versioning, stage};
use crate::api::NativeOp;
use crate::scene::{Answer, Scene, TENANT};

async fn delete(scene: &Scene, key: &str, query: &[(&str, &str)], headers: &[(&'static str, &str)]) -> Answer {
    scene.send(NativeOp::DeleteObject, key.as_bytes(), query, headers).await
}

async fn delete_many(scene: &Scene, document: &str) -> Answer {
    let md5 = base64::encode(&Md5::digest(document));
    let headers = [("content-md5", &*md5)];
    let call = call(scene, NativeOp::DeleteObjects, "", &[("delete", "")], &headers, Body::new(document.to_owned()));
    scene.send_call(call).await
}

#[tokio::test(flavor = "multi_thread")]
async fn without_versions_an_object_is_just_gone() {
    let scene = stage(Versioning::Never);
    put(&scene, "k", &[], Body::new("x")).await;
    for _ in 0..2 {
        let answer = delete(&scene, "k", &[], &[]).await;
        assert_eq!((answer.status, answer.headers.len()), (204, 0));
        assert!(is_absent(&scene, "k"));
    }
    put(&scene, "k", &[], Body::new("x")).await;
    let unknown = delete(&scene, "k", &[("versionId", "0000000000000001")], &[]).await;
    assert_eq!((unknown.status, get(&scene, "k").await.text().as_str()), (204, "x"));
    let null = delete(&scene, "k", &[("versionId", "null")], &[]).await;
    assert_eq!((null.status, null.header("x-amz-version-id")), (204, Some("null")));
    assert!(is_absent(&scene, "k"));
    let nonsense = delete(&scene, "k", &[("versionId", "x")], &[]).await;
    assert_eq!(nonsense.code(), Some(ErrorCode::InvalidArgument));
    invariants::check(&scene);
}

#[tokio::test(flavor = "multi_thread")]
async fn markers_come_and_go() {
    let scene = stage(Versioning::Enabled);
    let version = put(&scene, "k", &[], Body::new("x")).await.header("x-amz-version-id").unwrap().to_owned();
    let made = delete(&scene, "k", &[], &[]).await;
    assert_eq!(made.header("x-amz-delete-marker"), Some("true"));
    let marker = made.header("x-amz-version-id").unwrap().to_owned();
    assert_eq!(get(&scene, "k").await.status, 404);
    // Deleting the marker brings the object back.
    let undone = delete(&scene, "k", &[("versionId", &*marker)], &[]).await;
    assert_eq!(undone.header("x-amz-delete-marker"), Some("true"));
    assert_eq!(undone.header("x-amz-version-id"), Some(&*marker));
    assert_eq!(get(&scene, "k").await.header("x-amz-version-id"), Some(&*version));
    let gone = delete(&scene, "k", &[("versionId", &*version)], &[]).await;
    assert_eq!((gone.header("x-amz-delete-marker"), gone.header("x-amz-version-id")), (None, Some(&*version)));
    assert!(is_absent(&scene, "k"));
    invariants::check(&scene);
}

#[tokio::test(flavor = "multi_thread")]
async fn suspended_buckets_replace_the_null_version_wherever_it_is() {
    let mut scene = stage(Versioning::Never);
    put(&scene, "k", &[], Body::new("null 1")).await;
    set_versioning(&mut scene, Versioning::Enabled);
    put(&scene, "k", &[], Body::new("one")).await;
    invariants::check(&scene);
    set_versioning(&mut scene, Versioning::Suspended);
    put(&scene, "k", &[], Body::new("null 2")).await;
    invariants::check(&scene);
    let marked = delete(&scene, "k", &[], &[]).await;
    assert_eq!(marked.header("x-amz-version-id"), Some("null"));
    invariants::check(&scene);
    // The null marker replaced the null version; the other version is still there, below it.
    let undone = delete(&scene, "k", &[("versionId", "null")], &[]).await;
    assert_eq!(undone.header("x-amz-delete-marker"), Some("true"));
    assert_eq!(get(&scene, "k").await.text(), "one");
    invariants::check(&scene);
}

#[tokio::test(flavor = "multi_thread")]
async fn conditions_of_deletes() {
    let scene = stage(Versioning::Never);
    let made = put(&scene, "k", &[], Body::new("x")).await;
    let etag = made.header("etag").unwrap();
    let modified = get(&scene, "k").await.header("last-modified").unwrap().to_owned();
    for headers in [
        ("if-match", "\"no\""),
        ("x-amz-if-match-size", "2"),
        ("x-amz-if-match-last-modified-time", "Wed, 21 Oct 2015 07:28:00 GMT"),
    ] {
        let answer = delete(&scene, "k", &[], &[headers]).await;
        assert_eq!(answer.code(), Some(ErrorCode::PreconditionFailed), "{headers:?}");
        // There is nothing to protect where there is nothing.
        assert_eq!(delete(&scene, "missing", &[], &[headers]).await.status, 204);
    }
    for headers in [("x-amz-if-match-size", "-2"), ("x-amz-if-match-last-modified-time", "yesterday")] {
        assert_eq!(delete(&scene, "k", &[], &[headers]).await.code(), Some(ErrorCode::InvalidArgument));
    }
    let all = [("if-match", etag), ("x-amz-if-match-size", "1"), ("x-amz-if-match-last-modified-time", &*modified)];
    assert_eq!(delete(&scene, "k", &[], &all).await.status, 204);
    assert!(is_absent(&scene, "k"));
    let scene = stage(Versioning::Enabled);
    let id = put(&scene, "k", &[], Body::new("x")).await.header("x-amz-version-id").unwrap().to_owned();
    let wrong = delete(&scene, "k", &[("versionId", &*id)], &[("if-match", "no")]).await;
    assert_eq!(wrong.code(), Some(ErrorCode::PreconditionFailed));
    delete(&scene, "k", &[], &[("if-match", "*")]).await;
    // On top of a marker.
    assert_eq!(delete(&scene, "k", &[], &[("if-match", "no")]).await.code(), Some(ErrorCode::PreconditionFailed));
    assert_eq!(delete(&scene, "k", &[], &[("if-match", "*")]).await.status, 204);
    invariants::check(&scene);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_at_once_each_with_its_own_outcome() {
    let scene = stage(Versioning::Enabled);
    let id = put(&scene, "versioned", &[], Body::new("x")).await.header("x-amz-version-id").unwrap().to_owned();
    for key in ["a&b", "protected", "twice"] {
        put(&scene, key, &[], Body::new("x")).await;
    }
    let document = format!(
        "<Delete><Object><Key>a&amp;b</Key></Object><Object><Key>versioned</Key><VersionId>{id}</VersionId></Object>\
         <Object><Key>protected</Key><ETag>no</ETag></Object><Object><Key>bad</Key><VersionId>x</VersionId></Object>\
         <Object><Key>twice</Key></Object><Object><Key>twice</Key></Object>\
         <Object><Key>{}</Key></Object></Delete>",
        "k".repeat(1025)
    );
    let answer = delete_many(&scene, &document).await;
    assert_eq!(answer.status, 200, "{:?}", answer.error);
    let text = answer.text();
    assert_eq!(text.matches("<Deleted>").count(), 4);
    assert_eq!(text.matches("<DeleteMarkerVersionId>").count(), 3);
    assert!(text.contains(&format!("<Deleted><Key>versioned</Key><VersionId>{id}</VersionId></Deleted>")));
    for (key, code) in [("protected", "PreconditionFailed"), ("bad", "InvalidArgument")] {
        let after = text.split_once(&format!("<Error><Key>{key}</Key>")).unwrap().1;
        assert_eq!(element(after, "Code"), Some(code));
    }
    assert!(text.contains("<Code>KeyTooLongError</Code>"));
    assert_eq!(get(&scene, "protected").await.status, 200);
    for key in ["a&b", "twice"] {
        assert_eq!(get(&scene, key).await.status, 404);
    }
    assert!(is_absent(&scene, "versioned"));
    invariants::check(&scene);
    let quiet = "<Delete><Quiet>true</Quiet><Object><Key>protected</Key></Object></Delete>";
    assert!(!delete_many(&scene, quiet).await.text().contains("<Deleted>"));
    assert_eq!(get(&scene, "protected").await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_keys_share_commits() {
    let scene = stage(Versioning::Never);
    let keys: String = (0..1000).map(|i| format!("<Object><Key>k{i}</Key></Object>")).collect();
    for i in 0..1000 {
        put(&scene, &format!("k{i}"), &[], Body::new("x")).await;
    }
    let answer = delete_many(&scene, &format!("<Delete>{keys}</Delete>")).await;
    assert_eq!(answer.text().matches("<Deleted>").count(), 1000);
    assert!((0..1000).all(|i| is_absent(&scene, &format!("k{i}"))));
    invariants::check(&scene);
}

#[tokio::test(flavor = "multi_thread")]
async fn digests_are_required_and_permission_is_asked_per_key() {
    let scene = stage(Versioning::Never);
    put(&scene, "k", &[], Body::new("x")).await;
    let document = "<Delete><Object><Key>k</Key></Object></Delete>";
    let with = |headers: &[(&'static str, &str)]| {
        call(&scene, NativeOp::DeleteObjects, "", &[("delete", "")], headers, Body::new(document))
    };
    let missing = scene.send_call(with(&[])).await;
    assert_eq!(missing.code(), Some(ErrorCode::InvalidRequest));
    assert!(missing.error.unwrap().message().contains("Content-MD5 OR x-amz-checksum-*"));
    for headers in [("content-md5", "1B2M2Y8AsgTpgAmY7PhCfg=="), ("x-amz-checksum-crc32", "AAAAAA==")] {
        assert_eq!(scene.send_call(with(&[headers])).await.code(), Some(ErrorCode::BadDigest));
    }
    let digest =
        panthera_wire::checksum::Hasher::digest(panthera_wire::checksum::Algorithm::Crc32, document.as_bytes());
    let digest = digest.to_base64();
    let mut denied = with(&[("x-amz-checksum-crc32", &digest)]);
    denied.caller.subject = Subject::User { tenant: TENANT, user: panthera_base::UserId(6), admin: false };
    assert!(scene.send_call(denied).await.text().contains("<Code>AccessDenied</Code>"));
    assert_eq!(get(&scene, "k").await.status, 200);
    assert_eq!(scene.send_call(with(&[("x-amz-checksum-crc32", &digest)])).await.status, 200);
    assert_eq!(get(&scene, "k").await.status, 404);
}
