//! Access control lists that come with new objects: whose an object is, what its list says, and what a bucket takes.

use panthera_base::{ErrorCode, TenantId, UserId};
use panthera_meta::records::{
    Grantee, ObjectRecord, Ownership, PublicAccessBlock, UploadRecord, UserRecord, Versioning, decode_acl, encode_id,
    permission,
};
use panthera_meta::{Batch, keys};

use super::uploads::element;
use super::{Body, call, invariants, is_absent, stage};
use crate::api::{Call, NativeOp};
use crate::scene::{Answer, BUCKET, OWNER, Scene, TENANT};

const ANN: UserId = UserId(6);
const TWIN: UserId = UserId(7);
/// Of another tenant.
const FOREIGN: UserId = UserId(8);
const ANN_ID: [u8; 32] = [0xCD; 32];
const OPEN: [Ownership; 2] = [Ownership::BucketOwnerPreferred, Ownership::ObjectWriter];
const NOBODY: &str = "id=0000000000000000000000000000000000000000000000000000000000000000";

/// A bucket of OWNER's with this ownership, and Ann, who is somebody else.
fn scene(ownership: Ownership) -> Scene {
    let mut scene = stage(Versioning::Never);
    scene.bucket.ownership = ownership;
    let ann = UserRecord { id: ANN, tenant: TENANT, canonical_id: ANN_ID, name: "ann".into(), ..UserRecord::default() };
    let mut batch = Batch::default();
    batch.put(keys::bucket(b"bucket"), scene.bucket.encode()).put(keys::user(ANN), ann.encode());
    batch.put(keys::canonical_id(&ANN_ID), encode_id(ANN.0)).put(keys::canonical_id(&[0xAB; 32]), encode_id(OWNER.0));
    let elsewhere = UserRecord { id: FOREIGN, tenant: TenantId(TENANT.0 + 1), ..UserRecord::default() };
    let twin = UserRecord { id: TWIN, ..ann.clone() };
    batch.put(keys::user(FOREIGN), elsewhere.encode()).put(keys::user(TWIN), twin.encode());
    let addresses = [
        ("ann@example.com", ANN),
        ("ann@example.com", FOREIGN),
        ("both@example.com", ANN),
        ("both@example.com", TWIN),
        ("foreign@example.com", FOREIGN),
    ];
    for (address, user) in addresses {
        batch.put(keys::email(address.as_bytes(), user), encode_id(user.0));
    }
    scene.commit(&batch);
    scene
}

fn by(mut call: Call, user: UserId) -> Call {
    call.caller.user = user;
    call
}

async fn put_by(scene: &Scene, user: UserId, headers: &[(&'static str, &str)]) -> Answer {
    scene.send_call(by(call(scene, NativeOp::PutObject, "k", &[], headers, Body::new("x")), user)).await
}

fn stored(scene: &Scene, key: &str) -> ObjectRecord {
    let snapshot = scene.meta.snapshot().unwrap();
    ObjectRecord::decode(snapshot.get(&keys::object(BUCKET, key.as_bytes())).unwrap().expect("an object")).unwrap()
}

fn list(record: &ObjectRecord) -> Option<Vec<(Grantee, u8)>> {
    let grants = decode_acl(record.acl.as_deref()?).unwrap();
    Some(grants.map(|grant| (grant.grantee, grant.permissions)).collect())
}

fn full(user: UserId) -> (Grantee, u8) {
    (Grantee::User(user), permission::FULL_CONTROL)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_writer_owns_and_canned_lists_say_what_amazon_says() {
    use permission::{FULL_CONTROL, READ, WRITE};
    let owner = Grantee::User(OWNER);
    for ownership in OPEN {
        let scene = scene(ownership);
        for (canned, more) in [
            ("private", vec![]),
            ("aws-exec-read", vec![]),
            ("public-read", vec![(Grantee::AllUsers, READ)]),
            ("public-read-write", vec![(Grantee::AllUsers, READ), (Grantee::AllUsers, WRITE)]),
            ("authenticated-read", vec![(Grantee::AuthenticatedUsers, READ)]),
            ("bucket-owner-read", vec![(owner, READ)]),
        ] {
            assert_eq!(put_by(&scene, ANN, &[("x-amz-acl", canned)]).await.status, 200, "{canned}");
            let record = stored(&scene, "k");
            assert_eq!(record.owner, ANN);
            let expected = (!more.is_empty()).then(|| [vec![full(ANN)], more].concat());
            assert_eq!(list(&record), expected, "{canned}");
        }
        assert_eq!(put_by(&scene, ANN, &[("x-amz-acl", "bucket-owner-full-control")]).await.status, 200);
        let record = stored(&scene, "k");
        let preferred = ownership == Ownership::BucketOwnerPreferred;
        assert_eq!(record.owner, if preferred { OWNER } else { ANN });
        assert_eq!(list(&record), (!preferred).then(|| vec![full(ANN), (owner, FULL_CONTROL)]));
        // To oneself there is nothing to share.
        for canned in ["bucket-owner-read", "bucket-owner-full-control"] {
            assert_eq!(put_by(&scene, OWNER, &[("x-amz-acl", canned)]).await.status, 200);
            assert_eq!((stored(&scene, "k").owner, list(&stored(&scene, "k"))), (OWNER, None));
        }
        assert_eq!(put_by(&scene, UserId(0), &[]).await.status, 200);
        assert_eq!((stored(&scene, "k").owner, stored(&scene, "k").acl), (UserId(0), None));
        invariants::check(&scene);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn grants_are_resolved_and_are_the_whole_list() {
    let scene = scene(Ownership::ObjectWriter);
    let id = format!("id=\"{}\"", "cd".repeat(32));
    let headers = [("x-amz-grant-read-acp", "emailAddress=Ann@Example.COM"), ("x-amz-grant-read", &*id)];
    assert_eq!(put_by(&scene, OWNER, &headers).await.status, 200);
    let ann = Grantee::User(ANN);
    let expected = vec![(ann, permission::READ), (ann, permission::READ_ACP)];
    assert_eq!(list(&stored(&scene, "k")), Some(expected));
    let own = format!("id={}", "ab".repeat(32));
    assert_eq!(put_by(&scene, OWNER, &[("x-amz-grant-full-control", &*own)]).await.status, 200);
    assert_eq!(stored(&scene, "k").acl, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_list_stores_nothing() {
    let scene = scene(Ownership::ObjectWriter);
    let long = format!("emailAddress={}", "a".repeat(4000));
    for (name, value, code) in [
        ("x-amz-acl", "mine", ErrorCode::InvalidArgument),
        ("x-amz-grant-read", "id=1", ErrorCode::InvalidArgument),
        ("x-amz-grant-read", NOBODY, ErrorCode::InvalidArgument),
        ("x-amz-grant-reed", "id=1", ErrorCode::InvalidArgument),
        ("x-amz-grant-read", "emailAddress=eve@example.com", ErrorCode::UnresolvableGrantByEmailAddress),
        ("x-amz-grant-read", "emailAddress=foreign@example.com", ErrorCode::UnresolvableGrantByEmailAddress),
        ("x-amz-grant-read", "emailAddress=", ErrorCode::UnresolvableGrantByEmailAddress),
        ("x-amz-grant-read", &long, ErrorCode::UnresolvableGrantByEmailAddress),
        ("x-amz-grant-read", "emailAddress=both@example.com", ErrorCode::AmbiguousGrantByEmailAddress),
    ] {
        for op in [NativeOp::PutObject, NativeOp::CreateMultipartUpload] {
            let answer = scene.send_call(call(&scene, op, "k", &[], &[(name, value)], Body::new("x"))).await;
            assert_eq!(answer.code(), Some(code), "{name}: {value}");
        }
    }
    assert!(is_absent(&scene, "k"));
}

#[tokio::test(flavor = "multi_thread")]
async fn where_lists_are_disabled_the_buckets_owner_owns_everything() {
    let scene = scene(Ownership::BucketOwnerEnforced);
    let own = format!("id={}", "ab".repeat(32));
    for headers in [vec![], vec![("x-amz-acl", "bucket-owner-full-control")], vec![("x-amz-grant-full-control", &*own)]]
    {
        for writer in [ANN, UserId(0)] {
            assert_eq!(put_by(&scene, writer, &headers).await.status, 200, "{headers:?}");
            assert_eq!((stored(&scene, "k").owner, stored(&scene, "k").acl), (OWNER, None));
        }
    }
    for (name, value) in [
        ("x-amz-acl", "private"),
        ("x-amz-acl", "public-read"),
        ("x-amz-grant-read", &*own),
        ("x-amz-grant-full-control", "emailAddress=ann@example.com"),
    ] {
        let refused = put_by(&scene, OWNER, &[(name, value)]).await;
        assert_eq!(refused.code(), Some(ErrorCode::AccessControlListNotSupported), "{name}: {value}");
        assert_eq!(refused.status, 400);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn public_lists_are_refused_where_they_are_blocked() {
    let mut scene = scene(Ownership::ObjectWriter);
    let others = PublicAccessBlock::from_bits(PublicAccessBlock::ALL.bits() - 1);
    for (block, code) in [(PublicAccessBlock::from_bits(1), Some(ErrorCode::AccessDenied)), (others, None)] {
        scene.bucket.public_access_block = block;
        for (name, value) in [
            ("x-amz-acl", "public-read"),
            ("x-amz-acl", "public-read-write"),
            ("x-amz-acl", "authenticated-read"),
            ("x-amz-grant-read-acp", "uri=http://acs.amazonaws.com/groups/global/AllUsers"),
        ] {
            assert_eq!(put_by(&scene, OWNER, &[(name, value)]).await.code(), code, "{value}");
        }
        let log = ("x-amz-grant-write", "uri=http://acs.amazonaws.com/groups/s3/LogDelivery");
        for headers in [&[][..], &[("x-amz-acl", "private")], &[("x-amz-acl", "bucket-owner-read")], &[log]] {
            assert_eq!(put_by(&scene, ANN, headers).await.code(), None, "{headers:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_takes_no_list_with_it() {
    let scene = scene(Ownership::ObjectWriter);
    assert_eq!(put_by(&scene, OWNER, &[("x-amz-acl", "public-read")]).await.status, 200);
    let copy = |headers: &[(&'static str, &str)]| {
        let headers = [&[("x-amz-copy-source", "bucket/k")], headers].concat();
        call(&scene, NativeOp::CopyObject, "c", &[], &headers, Body::new(""))
    };
    assert_eq!(scene.send_call(copy(&[])).await.status, 200);
    assert_eq!((stored(&scene, "c").owner, stored(&scene, "c").acl), (OWNER, None));
    assert_eq!(scene.send_call(copy(&[("x-amz-acl", "authenticated-read")])).await.status, 200);
    let expected = vec![full(OWNER), (Grantee::AuthenticatedUsers, permission::READ)];
    assert_eq!(list(&stored(&scene, "c")), Some(expected));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_keeps_owner_and_list_until_it_is_complete() {
    for ownership in [Ownership::ObjectWriter, Ownership::BucketOwnerPreferred] {
        let scene = scene(ownership);
        let preferred = ownership == Ownership::BucketOwnerPreferred;
        let headers = [("x-amz-acl", "bucket-owner-full-control")];
        let create = call(&scene, NativeOp::CreateMultipartUpload, "k", &[], &headers, Body::new(""));
        let text = scene.send_call(by(create, ANN)).await.text();
        let id = element(&text, "UploadId").unwrap().to_owned();
        let query = [("uploadId", &*id)];
        let owner = if preferred { "ab".repeat(32) } else { "cd".repeat(32) };
        for (op, key, query) in
            [(NativeOp::ListParts, "k", &query[..]), (NativeOp::ListMultipartUploads, "", &[("uploads", "")][..])]
        {
            let listed = scene.send(op, key.as_bytes(), query, &[]).await.text();
            let (initiator, owned) = listed.split_once("<Owner>").unwrap();
            assert!(initiator.contains(&format!("<Initiator><ID>{}</ID>", "cd".repeat(32))), "{listed}");
            assert!(owned.starts_with(&format!("<ID>{owner}</ID>")), "{listed}");
        }
        let part = call(&scene, NativeOp::UploadPart, "k", &[query[0], ("partNumber", "1")], &[], Body::new("x"));
        let etag = scene.send_call(part).await.header("etag").unwrap().to_owned();
        let body = format!(
            "<CompleteMultipartUpload><Part><ETag>{etag}</ETag><PartNumber>1</PartNumber></Part></CompleteMultipartUpload>"
        );
        let complete = call(&scene, NativeOp::CompleteMultipartUpload, "k", &query, &[], Body::new(body));
        assert_eq!(scene.send_call(complete).await.status, 200);
        let record = stored(&scene, "k");
        assert_eq!(record.owner, if preferred { OWNER } else { ANN });
        assert_eq!(list(&record), (!preferred).then(|| vec![full(ANN), full(OWNER)]));
        assert!(record.others.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_has_no_list() {
    let scene = scene(Ownership::ObjectWriter);
    let upload =
        UploadRecord { object: ObjectRecord { owner: OWNER, ..ObjectRecord::default() }, ..UploadRecord::default() };
    scene.commit(Batch::default().put(keys::upload(BUCKET, b"k", upload.object.ordinal), upload.encode()));
    let id = upload.object.ordinal.to_wire();
    let query = [("uploadId", &*id), ("partNumber", "1")];
    for (op, headers) in [
        (NativeOp::UploadPart, vec![("x-amz-acl", "public-read")]),
        (NativeOp::UploadPartCopy, vec![("x-amz-acl", "public-read"), ("x-amz-copy-source", "bucket/k")]),
    ] {
        let answer = scene.send_call(call(&scene, op, "k", &query, &headers, Body::new("x"))).await;
        assert_eq!(answer.code(), Some(ErrorCode::InvalidRequest));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn listings_show_the_buckets_owner_where_he_owns_everything() {
    let mut scene = scene(Ownership::ObjectWriter);
    assert_eq!(put_by(&scene, ANN, &[]).await.status, 200);
    let listings: [(NativeOp, &[(&str, &str)]); 3] = [
        (NativeOp::ListObjects, &[]),
        (NativeOp::ListObjectsV2, &[("list-type", "2"), ("fetch-owner", "true")]),
        (NativeOp::ListObjectVersions, &[("versions", "")]),
    ];
    for (ownership, id) in [(Ownership::ObjectWriter, "cd"), (Ownership::BucketOwnerEnforced, "ab")] {
        scene.bucket.ownership = ownership;
        for (op, query) in listings {
            let text = scene.send(op, b"", query, &[]).await.text();
            assert!(text.contains(&format!("<Owner><ID>{}</ID>", id.repeat(32))), "{text}");
        }
    }
}
