//! Listings through a mount: what lies in the share's bucket and is not for the importer changes nothing of a page.

use std::sync::Arc;

use panthera_authz::{Authorizer, Change, Engine, Grantee, Place, Relation, Settings, Target, Tuple, WriteTuples};
use panthera_base::{BucketId, Ordinal, OrdinalSource, SystemClock, TenantId, Timestamp, UserId};
use panthera_meta::memory::Memory;
use panthera_meta::records::{
    BucketRecord, MountRecord, ShareRecord, TenantRecord, ThroughShare, UploadRecord, UserRecord, Versioning,
    encode_mark,
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
/// How the importer's own uploads came.
const OWN: ThroughShare = ThroughShare { share: SHARE, tenant: TENANT, user: OWNER };

/// The scene's bucket with `mount/` mounted on `pub/` of another tenant's, in which there are the uploads.
struct Mounted {
    scene: Scene,
    service: Arc<ObjectService>,
}

impl Mounted {
    fn new(uploads: impl IntoIterator<Item = (String, u64, Option<ThroughShare>)>) -> Self {
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
        for (key, id, through) in uploads {
            let upload = UploadRecord { object: record(id), through, ..UploadRecord::default() };
            batch.put(keys::upload(SHARED, key.as_bytes(), Ordinal(id)), upload.encode());
            if let Some(way) = through {
                let row = keys::upload_through(SHARED, way.share, way.tenant, key.as_bytes(), Ordinal(id));
                batch.put(row, encode_mark());
            }
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

    fn document(&self, query: &[(&str, &str)]) -> String {
        let mut call = self.scene.call(NativeOp::ListMultipartUploads, b"");
        call.query = Query(query.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect());
        match self.service.list_page(call).expect("a listing").body {
            ReplyBody::Bytes(text) => String::from_utf8(text.to_vec()).expect("UTF-8"),
            _ => panic!("a listing is whole"),
        }
    }

    fn page(&self, query: &[(&str, &str)]) -> Page {
        Page::read(&self.document(query))
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
fn what_others_upload_there_changes_not_a_byte() {
    let own = [("pub/in/z", 9), ("pub/theirs", 7), ("pub/theirs", u64::MAX), ("pub/z", 9)];
    let own = || own.map(|(key, id)| (key.to_owned(), id, Some(OWN)));
    // The owner's, those of other bearers of the share, and what the importer did through another share: more than any
    // page looks at, before, under and behind the importer's keys.
    let ways = [
        None,
        Some(ThroughShare { tenant: TenantId(77), ..OWN }),
        Some(ThroughShare { share: SHARE + 1, ..OWN }),
        Some(ThroughShare { share: SHARE + 1, tenant: TenantId(77), ..OWN }),
    ];
    let others = (0..=4 * SEEKS as u64).map(|n| {
        let key = ["pub/a", "pub/in/theirs", "pub/theirs", "pub/zz"][n as usize / 4 % 4];
        (key.to_owned(), 10 + n, ways[n as usize % 4])
    });
    let (alone, beside) = (Mounted::new(own()), Mounted::new(others.chain(own())));
    let none = Mounted::new([]);
    for query in [
        &[][..],
        &[("max-uploads", "1")],
        &[("delimiter", "/")],
        &[("delimiter", "/"), ("prefix", "mount/")],
        &[("prefix", "mount/theirs")],
        &[("prefix", "mount/none")],
        &[("key-marker", "mount/theirs"), ("upload-id-marker", &Ordinal(8).to_wire())],
        &[("key-marker", "mount/in/z")],
    ] {
        assert_eq!(alone.document(query), beside.document(query), "{query:?}");
        assert!(none.page(query).names("Upload").is_empty());
    }
    let names = ["in/z", "theirs", "theirs", "z"].map(|name| format!("mount/{name}").into_bytes());
    let page = beside.page(&[]);
    assert!(page.names("Upload") == names && !page.truncated());
    let after = beside.page(&[("key-marker", "mount/theirs"), ("upload-id-marker", &Ordinal(8).to_wire())]);
    assert_eq!(after.names("Upload"), names[2..]);
    let folders = beside.page(&[("delimiter", "/"), ("prefix", "mount/")]);
    assert_eq!(folders.names("CommonPrefixes"), [b"mount/in/".to_vec()]);
}

#[test]
fn another_tenants_mount_of_the_share_shows_that_tenants_uploads() {
    let other = ThroughShare { tenant: TenantId(TENANT.0 + 256), ..OWN };
    let uploads = [("pub/a", Some(other)), ("pub/b", Some(OWN)), ("pub/c", None), ("put/d", Some(OWN))];
    let mounted = Mounted::new(uploads.map(|(key, way)| (key.to_owned(), 9, way)));
    assert_eq!(mounted.page(&[]).names("Upload"), [b"mount/b".to_vec()]);
}

#[test]
fn a_row_that_finds_nothing_is_no_empty_page() {
    let mounted = Mounted::new([("pub/a".to_owned(), 9, Some(OWN))]);
    let mut batch = Batch::default();
    batch.delete(keys::upload(SHARED, b"pub/a", Ordinal(9)));
    mounted.scene.commit(&batch);
    let call = mounted.scene.call(NativeOp::ListMultipartUploads, b"");
    assert!(mounted.service.list_page(call).is_err());
}

#[test]
fn names_that_no_request_could_name_are_not_shown() {
    let (fits, long) = (format!("pub/{}", "k".repeat(1018)), format!("pub/{}", "l".repeat(1019)));
    let uploads = [(fits.clone(), 9, Some(OWN)), (long, 9, Some(OWN)), ("pub/z".to_owned(), 9, Some(OWN))];
    // Both are fine names where they lie.
    let names = Mounted::new(uploads).page(&[]).names("Upload");
    assert_eq!(names, [fits.replace("pub/", "mount/").into_bytes(), b"mount/z".to_vec()]);

    let many = (0..=SEEKS).map(|n| (format!("pub/{}{n:07}", "l".repeat(1012)), 9, Some(OWN)));
    let mounted = Mounted::new(many.chain([("pub/z".to_owned(), 9, Some(OWN))]));
    let page = mounted.next(&mounted.page(&[]), &[]);
    assert_eq!(page.names("Upload"), [b"mount/z".to_vec()]);
    assert!(!page.truncated());
}
