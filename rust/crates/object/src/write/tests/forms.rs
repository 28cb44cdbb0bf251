//! PostObject.

use panthera_base::ErrorCode;
use panthera_meta::records::Versioning;

use super::uploads::element;
use super::{Body, get, invariants, is_absent, noise, stage};
use crate::api::NativeOp;
use crate::scene::{Answer, Scene};

async fn post(scene: &Scene, fields: &[(&str, &str)], filename: Option<&str>, body: Body) -> Answer {
    let mut call = scene.call(NativeOp::PostObject, b"");
    call.form = fields.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())).collect();
    match crate::post::form_key(&call.form, filename) {
        Ok(key) => call.key = key,
        Err(error) => return Answer::refused(error),
    }
    call.payload = Box::new(body);
    scene.send_call(call).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_stores_its_file() {
    let scene = stage(Versioning::Never);
    let fields = [
        ("key", "up/${filename}"),
        ("acl", "bucket-owner-full-control"),
        ("content-type", "text/plain"),
        ("x-amz-meta-a", "1"),
        ("tagging", "<Tagging><TagSet><Tag><Key>a</Key><Value>1</Value></Tag></TagSet></Tagging>"),
        ("policy", "ignored"),
        ("x-amz-signature", "ignored"),
    ];
    let answer = post(&scene, &fields, Some("f.txt"), Body::unknown("hello", 2)).await;
    assert_eq!(answer.status, 204, "{:?}", answer.error);
    assert_eq!(answer.header("location"), Some("http://localhost:9000/bucket/up/f.txt"));
    assert_eq!(answer.header("etag"), Some("\"5d41402abc4b2a76b9719d911017c592\""));
    let back = get(&scene, "up/f.txt").await;
    assert_eq!((back.header("content-type"), back.header("x-amz-meta-a")), (Some("text/plain"), Some("1")));
    assert_eq!(back.header("x-amz-tagging-count"), Some("1"));
    assert_eq!(back.text(), "hello");
    let large = noise(3 << 20, 1);
    assert_eq!(post(&scene, &[("key", "l")], None, Body::unknown(large.clone(), 65_536)).await.status, 204);
    assert!(get(&scene, "l").await.body.unwrap() == large);
    invariants::check(&scene);
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_as_asked() {
    let scene = stage(Versioning::Never);
    for (status, expected) in [("200", 200), ("201", 201), ("204", 204), ("404", 204), ("", 204)] {
        let fields = [("key", "k"), ("success_action_status", status)];
        let answer = post(&scene, &fields, None, Body::unknown("x", 1)).await;
        assert_eq!(answer.status, expected);
        let text = answer.text();
        assert_eq!(element(&text, "Key"), (expected == 201).then_some("k"));
        assert!(expected != 201 || text.contains("<PostResponse>"));
    }
    let redirected = [("key", "k"), ("success_action_redirect", "http://h/p"), ("success_action_status", "200")];
    let answer = post(&scene, &redirected, None, Body::unknown("x", 1)).await;
    assert_eq!(answer.status, 303);
    let location = "http://h/p?bucket=bucket&key=k&etag=%229dd4e461268c8034f5c8564e155c67a6%22";
    assert_eq!(answer.header("location"), Some(location));
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_leave_nothing() {
    let scene = stage(Versioning::Never);
    let range = "\0content-length-range";
    for (fields, body, code) in [
        (vec![], Body::unknown("x", 1), ErrorCode::InvalidArgument),
        (vec![("key", "k"), (range, "2,3")], Body::unknown("x", 1), ErrorCode::EntityTooSmall),
        (vec![("key", "k"), (range, "2,3")], Body::unknown("xxxx", 1), ErrorCode::EntityTooLarge),
        (vec![("key", "k"), ("x-amz-checksum-sha256", "sailorjerry")], Body::unknown("x", 1), ErrorCode::BadDigest),
        (vec![("key", "k"), ("acl", "public-read")], Body::unknown("x", 1), ErrorCode::AccessControlListNotSupported),
        (vec![("key", "k"), ("tagging", "<Tagging/>")], Body::unknown("x", 1), ErrorCode::MalformedXML),
        (vec![("key", "k"), ("x-amz-meta-a", "a\nb")], Body::unknown("x", 1), ErrorCode::InvalidArgument),
        (vec![("key", "k")], Body::unknown("x", 1).breaking(ErrorCode::IncompleteBody), ErrorCode::IncompleteBody),
    ] {
        let answer = post(&scene, &fields, None, body).await;
        assert_eq!(answer.code(), Some(code), "{fields:?}");
        assert!(is_absent(&scene, "k"));
    }
    let exact = [("key", "k"), (range, "2,3")];
    for text in ["xx", "xxx"] {
        assert_eq!(post(&scene, &exact, None, Body::unknown(text, 1)).await.status, 204);
    }
    let checked = [("key", "k"), ("x-amz-checksum-sha256", "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=")];
    assert_eq!(post(&scene, &checked, None, Body::unknown("hello", 5)).await.status, 204);
}
