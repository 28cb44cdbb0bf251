//! Listings through a mount: what lies in the share's bucket and is not for the importer costs no more than a page may.

use std::sync::Arc;

use panthera_authz::{Authorizer, Change, Engine, Grantee, Place, Relation, Settings, Target, Tuple, WriteTuples};
use panthera_base::{BucketId, Ordinal, OrdinalSource, SystemClock, TenantId, Timestamp, UserId};
use panthera_meta::memory::Memory;
use panthera_meta::records::{
    BucketRecord, MountRecord, ShareRecord, TenantRecord, ThroughShare, UploadRecord, UserRecord, Versioning,
};
use panthera_meta::{Batch, keys};

use super::gate::SEEKS;
use super::tests::{Page, record};
use crate::ObjectService;
use crate::api::{NativeOp, Query, ReplyBody};
use crate::scene::{BUCKET, OWNER, Scene, TENANT};

const SHARER: TenantId = TenantId(2);
const SHARED: BucketId = BucketId(9);
const CREATOR: UserId = UserId(6);
const SHARE: u32 = 1;

/// The scene's bucket with `mount/` mounted on `pub/` of another tenant's, in which there are the uploads.
struct Mounted {
    scene: Scene,
    service: Arc<ObjectService>,
}

impl Mounted {
    fn new(uploads: impl Iterator<Item = (String, u64, bool)>) -> Self {
        let mut scene = Scene::over(Arc::new(Memory::new()), Versioning::Never);
        scene.bucket.mounts = 1;
        let mut batch = Batch::default();
        let mount = MountRecord { tenant: SHARER, share: SHARE, creator: OWNER, created: Timestamp(1) };
        batch.put(keys::mount(BUCKET, b"mount/"), mount.encode());
        let share = ShareRecord {
            bearer: true,
            tenant: SHARER,
            share: SHARE,
            bucket: SHARED,
            creator: CREATOR,
            bucket_name: "shared".into(),
            path: b"pub/".to_vec(),
            ..ShareRecord::default()
        };
        batch.put(keys::share(SHARER, SHARE), share.encode());
        let bucket = BucketRecord { id: SHARED, tenant: SHARER, owner: CREATOR, ..BucketRecord::default() };
        batch.put(keys::bucket(b"shared"), bucket.encode());
        batch.put(keys::tenant(SHARER), TenantRecord { id: SHARER, ..TenantRecord::default() }.encode());
        let creator = UserRecord { id: CREATOR, tenant: SHARER, tenant_admin: true, ..UserRecord::default() };
        batch.put(keys::user(CREATOR), creator.encode());
        for (key, id, own) in uploads {
            let way = ThroughShare { share: SHARE, tenant: TENANT, user: OWNER };
            let upload = UploadRecord { object: record(id), through: own.then_some(way), ..UploadRecord::default() };
            batch.put(keys::upload(SHARED, key.as_bytes(), Ordinal(id)), upload.encode());
        }
        scene.commit(&batch);
        let engine = Engine::open(Arc::new(Memory::new()), Settings::default()).expect("an engine");
        let target = Target::new(SHARER, Place::Prefix(SHARED, b"pub/".to_vec()));
        let lists = Tuple::new(target, Relation::Lister, Grantee::share(SHARER, SHARE).expect("a share"));
        engine.write(WriteTuples::new(SHARER, vec![Change::Touch(lists)], Timestamp(1))).expect("a tuple");
        let (meta, volumes) = (Arc::clone(&scene.meta), Arc::clone(&scene.volumes));
        let authz = Arc::new(Authorizer::with(engine));
        let service = ObjectService::open(meta, volumes, authz, OrdinalSource::default(), Arc::new(SystemClock));
        Self { scene, service: service.expect("a service") }
    }

    fn page(&self, query: &[(&str, &str)]) -> Page {
        let mut call = self.scene.call(NativeOp::ListMultipartUploads, b"");
        call.query = Query(query.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect());
        match self.service.list_page(call).expect("a listing").body {
            ReplyBody::Bytes(text) => Page::read(std::str::from_utf8(&text).expect("UTF-8")),
            _ => panic!("a listing is whole"),
        }
    }

    /// The page after one that shows nothing.
    fn next(&self, page: &Page, more: &[(&str, &str)]) -> Page {
        assert!(page.truncated() && page.names("Upload").is_empty() && page.names("CommonPrefixes").is_empty());
        let marker = page.leaf("NextKeyMarker").expect("a marker");
        assert!(marker.starts_with("panthera-position-"), "{marker} tells an upload of the owner's");
        assert_eq!(page.leaf("NextUploadIdMarker"), Some(""));
        self.page(&[&[("key-marker", marker), ("upload-id-marker", "")], more].concat())
    }
}

#[test]
fn a_page_looks_at_so_many_uploads_of_others_and_the_next_goes_on_behind_them() {
    let many = SEEKS as u64;
    let others = |count: u64| (0..count).map(|n| ("pub/theirs".to_owned(), 10 + n, false));
    let own = [("pub/theirs".to_owned(), 10 + 3 * many, true), ("pub/z".to_owned(), 9, true)];
    let shown = [b"mount/theirs".to_vec(), b"mount/z".to_vec()];

    let page = Mounted::new(others(many).chain(own.clone())).page(&[]);
    assert_eq!(page.names("Upload"), shown, "as many as a page may look at");
    assert!(!page.truncated());

    // All under one key: going on by keys alone would go on for ever.
    let mounted = Mounted::new(others(2 * many + 5).chain(own));
    let second = mounted.next(&mounted.page(&[]), &[]);
    let third = mounted.next(&second, &[]);
    assert_eq!(third.names("Upload"), shown);
    assert!(!third.truncated());
}

#[test]
fn a_prefix_of_which_nothing_was_shown_yet_is_shown_on_the_next_page() {
    let others = (0..=SEEKS as u64).map(|n| ("pub/in/theirs".to_owned(), 10 + n, false));
    let mounted = Mounted::new(others.chain([("pub/in/z".to_owned(), 9, true)]));
    let query = [("delimiter", "/"), ("prefix", "mount/")];
    let page = mounted.next(&mounted.page(&query), &query);
    assert_eq!(page.names("CommonPrefixes"), [b"mount/in/".to_vec()]);
}

#[test]
fn names_that_no_request_could_name_are_not_shown() {
    let (fits, long) = (format!("pub/{}", "k".repeat(1018)), format!("pub/{}", "l".repeat(1019)));
    let uploads = [(fits.clone(), 9, true), (long, 9, true), ("pub/z".to_owned(), 9, true)];
    // Both are fine names where they lie.
    let names = Mounted::new(uploads.into_iter()).page(&[]).names("Upload");
    assert_eq!(names, [fits.replace("pub/", "mount/").into_bytes(), b"mount/z".to_vec()]);

    let many = (0..=SEEKS).map(|n| (format!("pub/{}{n:07}", "l".repeat(1012)), 9, true));
    let mounted = Mounted::new(many.chain([("pub/z".to_owned(), 9, true)]));
    let page = mounted.next(&mounted.page(&[]), &[]);
    assert_eq!(page.names("Upload"), [b"mount/z".to_vec()]);
    assert!(!page.truncated());
}
