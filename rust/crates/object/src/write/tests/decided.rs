//! A right that hangs on a version is a right to that version: what took its place meanwhile is not compared, changed or
//! removed by it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use panthera_authz::{
    Authorizer, Change, Engine, Grantee, Place, Relation, Settings, Subject, Target, Tuple, WriteTuples,
};
use panthera_base::{Ordinal, OrdinalSource, SystemClock, Timestamp, UserId};
use panthera_meta::memory::Memory;
use panthera_meta::records::{self, FenceRecord, Grant, ObjectRecord, Ownership, Versioning, encode_acl, permission};
use panthera_meta::{Batch, CommitError, MetaError, Metastore, Revision, Snapshot, keys};
use panthera_wire::checksum::{Md5, base64};
use parking_lot::Mutex;

use super::uploads::element;
use super::{Body, call, stage};
use crate::ObjectService;
use crate::api::NativeOp;
use crate::scene::{BUCKET, OWNER, Scene, TENANT};

const FIRST: Ordinal = Ordinal(1_795_244_400_000_000);
const ANN: UserId = UserId(9);

fn object(ordinal: Ordinal, etag: u8) -> ObjectRecord {
    ObjectRecord { owner: OWNER, ordinal, etag: [etag; 16], ..ObjectRecord::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_version_that_was_decided_about_is_deleted() {
    let (next, noncurrent) = (Ordinal(FIRST.0 + 1), Ordinal(FIRST.0 - 1));
    for (versioning, id) in [
        (Versioning::Never, None),
        (Versioning::Enabled, None),
        (Versioning::Enabled, Some(FIRST)),
        (Versioning::Enabled, Some(noncurrent)),
    ] {
        let found = id.unwrap_or(FIRST);
        for (decided, status) in [(None, 204), (Some(found), 204), (Some(next), 503), (Some(Ordinal(0)), 503)] {
            let scene = stage(versioning);
            scene.put_object(b"k", &object(FIRST, 1));
            if id == Some(noncurrent) {
                scene.put_version(b"k", &object(noncurrent, 2));
            }
            let id = id.map(Ordinal::to_wire);
            let query: Vec<_> = id.iter().map(|id| ("versionId", &**id)).collect();
            let mut delete = call(&scene, NativeOp::DeleteObject, "k", &query, &[], Body::new(""));
            delete.decided = decided;
            let before = scene.meta.snapshot().unwrap().revision();
            let answer = scene.send_call(delete).await;
            assert_eq!(answer.status, status, "{versioning:?} {id:?} {decided:?}");
            assert_eq!(scene.meta.snapshot().unwrap().revision() == before, status == 503);
        }
    }
    // What is gone by now is nobody's any more.
    let mut delete = call(&stage(Versioning::Never), NativeOp::DeleteObject, "k", &[], &[], Body::new(""));
    delete.decided = Some(FIRST);
    assert_eq!(stage(Versioning::Never).send_call(delete).await.status, 204);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_version_that_was_decided_about_is_compared() {
    for (decided, right, wrong) in [
        (None, 200, 412),
        (Some(FIRST), 200, 412),
        // Neither learns what the ETag is.
        (Some(Ordinal(FIRST.0 + 1)), 503, 503),
        (Some(Ordinal(0)), 503, 503),
    ] {
        for (etag, status) in [("01".repeat(16), right), ("02".repeat(16), wrong)] {
            let scene = stage(Versioning::Never);
            scene.put_object(b"k", &object(FIRST, 1));
            let mut put = call(&scene, NativeOp::PutObject, "k", &[], &[("if-match", &etag)], Body::new("x"));
            put.decided = decided;
            assert_eq!(scene.send_call(put).await.status, status, "{decided:?} {etag}");
        }
    }
}

/// A store in which something is committed right before so manieth a snapshot.
#[derive(Default)]
struct Changing {
    store: Memory,
    left: AtomicUsize,
    change: Mutex<Option<Batch>>,
}

impl Metastore for Changing {
    fn snapshot(&self) -> Result<Box<dyn Snapshot + '_>, MetaError> {
        if self.left.fetch_sub(1, Ordering::SeqCst) == 1
            && let Some(change) = self.change.lock().take()
        {
            self.store.commit(&change).expect("a change");
        }
        self.store.snapshot()
    }

    fn commit_group(&self, batches: &[Batch]) -> Vec<Result<Revision, CommitError>> {
        self.store.commit_group(batches)
    }
}

/// A bucket in which Ann may delete and write, and read what a list says.
fn shared_bucket(meta: &Arc<Changing>) -> (Scene, Arc<ObjectService>) {
    let mut scene = Scene::over(meta.clone(), Versioning::Never);
    scene.bucket.ownership = Ownership::ObjectWriter;
    let fence = FenceRecord { versioning: Versioning::Never, object_lock: false, generation: 0 };
    let mut batch = Batch::default();
    batch.put(keys::bucket(b"bucket"), scene.bucket.encode()).put(keys::fence(BUCKET), fence.encode());
    scene.commit(&batch);
    let engine = Engine::open(Arc::new(Memory::new()), Settings::default()).expect("an engine");
    let may = |relation| {
        let target = Target::new(TENANT, Place::Bucket(BUCKET));
        Change::Touch(Tuple::new(target, relation, Grantee::user(TENANT, ANN).expect("a user")))
    };
    let changes = [Relation::Deleter, Relation::Writer].map(may).to_vec();
    engine.write(WriteTuples::new(TENANT, changes, Timestamp(1))).expect("tuples");
    let (store, volumes) = (Arc::clone(&scene.meta), Arc::clone(&scene.volumes));
    let authz = Arc::new(Authorizer::with(engine));
    let service = ObjectService::open(store, volumes, authz, OrdinalSource::default(), Arc::new(SystemClock));
    (scene, service.expect("a service"))
}

/// The outcome of Ann's call on an object that she may read, when one that she may not read takes its place before the
/// `n`th look at the store. Whatever the moment: that one is still there.
async fn replaced(n: usize, prepare: impl AsyncFn(&Scene) -> crate::api::Call) -> (u16, String) {
    let meta = Arc::new(Changing::default());
    let (scene, service) = shared_bucket(&meta);
    let reads = Grant { grantee: records::Grantee::User(ANN), permissions: permission::READ };
    let mut call = prepare(&scene).await;
    scene.put_object(b"k", &ObjectRecord { acl: Some(encode_acl(&[reads])), ..object(FIRST, 1) });
    let secret = object(Ordinal(FIRST.0 + 1), 2).encode();
    *meta.change.lock() = Some(Batch::default().put(keys::object(BUCKET, b"k"), secret.clone()).clone());
    call.caller.subject = Subject::User { tenant: TENANT, user: ANN, admin: false };
    call.caller.user = ANN;
    meta.left.store(n, Ordering::SeqCst);
    let answer = match service.handle(call).await {
        Ok(reply) => crate::scene::Answer::of(reply).await,
        Err(error) => crate::scene::Answer::refused(error),
    };
    let happened = meta.change.lock().is_none();
    let kept = scene.meta.snapshot().unwrap().get(&keys::object(BUCKET, b"k")).unwrap() == Some(&*secret);
    assert!(!happened || kept, "{n}: a right to one version removed another: {}", answer.text());
    (answer.status, answer.text())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_deletes_no_version_that_it_did_not_ask_about() {
    let document = |etag: u8| {
        let etag = format!("{etag:02x}").repeat(16);
        format!("<Delete><Object><Key>k</Key><ETag>{etag}</ETag></Object></Delete>")
    };
    let mut codes = Vec::new();
    for n in 1..8 {
        let (_, text) = replaced(n, async |scene| {
            let md5 = base64::encode(&Md5::digest(document(2)));
            let headers = [("content-md5", &*md5)];
            call(scene, NativeOp::DeleteObjects, "", &[("delete", "")], &headers, Body::new(document(2)))
        })
        .await;
        codes.push(element(&text, "Code").map(str::to_owned));
    }
    // Before the question, between it and the deed, and never or too late: the ETag is not that of the first version.
    for code in ["AccessDenied", "ServiceUnavailable", "PreconditionFailed"] {
        assert!(codes.contains(&Some(code.to_owned())), "{code}: {codes:?}");
    }
    assert!(codes.iter().all(Option::is_some), "{codes:?}");
}
