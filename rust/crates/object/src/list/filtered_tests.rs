//! Filtered listings against filter(check): every page must be what a check of each key there is, at that moment, would
//! leave of it. Random worlds with denies, isolation and expiry, over LMDB, with writes of keys and of relations
//! between the pages.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use panthera_authz::{
    Action, Authorizer, Change, Context, Engine, Grantee, Listing, NoRequest, Permission, Place, Principal, Question,
    Relation, Resource, Settings, Spot, Subject, Target, Tuple, Visible, WriteTuples,
};
use panthera_base::{Ordinal, Timestamp, UserId};
use panthera_meta::memory::Memory;
use panthera_meta::records::Grantee as Grantees;
use panthera_meta::records::{BucketRecord, Grant, Ownership, UploadRecord, Versioning, encode_acl, permission};
use panthera_meta::{Batch, CommitError, MetaError, Metastore, Revision, Snapshot, Step, keys};

use super::gate::{Gate, Look, SEEKS};
use super::tests::{Page, record, scene_over_lmdb};
use crate::api::{NativeOp, Query, ReplyBody};
use crate::scene::{BUCKET, Scene, TENANT};

const PAGE_SIZES: [usize; 6] = [1, 5, 16, 53, 100, 1000];
const READER: Subject = Subject::User { tenant: TENANT, user: UserId(1), admin: false };
const SUBJECTS: [Subject; 6] = [
    READER,
    READER,
    READER,
    Subject::User { tenant: TENANT, user: UserId(2), admin: false },
    Subject::User { tenant: TENANT, user: UserId(3), admin: true },
    Subject::Anonymous,
];
const LISTINGS: [NativeOp; 4] =
    [NativeOp::ListObjects, NativeOp::ListObjectsV2, NativeOp::ListObjectVersions, NativeOp::ListMultipartUploads];

/// A small generator (SplitMix64): the same numbers from the same seed everywhere.
struct Rng(u64);

impl Rng {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) % n as u64) as usize
    }

    fn pick<T: Clone>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())].clone()
    }

    fn key(&mut self) -> String {
        let folders: String = (0..self.below(4)).map(|_| self.pick(&["a/", "b/", "é/", "\0/", "/"])).collect();
        format!("{folders}{}", self.pick(&["x", "y", "z\0", "\u{10FFFF}", "a", "b"]))
    }
}

/// What stands on a page: the name, what orders the rows of one key, whether it is a common prefix.
type Item = (String, u64, bool);

struct World {
    seed: u64,
    rng: Rng,
    scene: Scene,
    engine: Engine,
    authorizer: Authorizer,
    tuples: Vec<Tuple>,
    /// Rows by key and rank, of what the operation lists.
    rows: BTreeSet<(String, u64)>,
    op: NativeOp,
    subject: Subject,
    /// The bucket's access control list lets everybody list.
    by_list: bool,
    now: u64,
    ordinal: u64,
}

impl World {
    fn new(seed: u64, scene: Scene, op: NativeOp) -> Self {
        let mut rng = Rng(seed);
        let engine = Engine::open(Arc::new(Memory::new()), Settings::default()).expect("an engine");
        let subject = rng.pick(&SUBJECTS);
        let by_list = rng.below(4) == 0;
        let authorizer = Authorizer::with(engine.clone());
        let (tuples, rows) = (Vec::new(), BTreeSet::new());
        Self { seed, rng, scene, engine, authorizer, tuples, rows, op, subject, by_list, now: 100, ordinal: 1 }
    }

    fn context(&self) -> Context {
        Context::at(Timestamp::from_secs(self.now), [10, 0, 0, 1].into(), false)
    }

    /// Changes one key.
    fn write_key(&mut self) {
        let mut batch = Batch::default();
        self.ordinal += 1;
        let (key, ordinal) = (self.rng.key(), Ordinal(self.ordinal));
        let there: Vec<_> = self.rows.iter().filter(|(k, _)| *k == key).cloned().collect();
        let (k, row) = (key.as_bytes(), record(ordinal.0).encode());
        if !there.is_empty() && self.rng.below(3) == 0 {
            for (_, rank) in &there {
                batch.delete(keys::upload(BUCKET, k, Ordinal(*rank)));
                batch.delete(keys::version(BUCKET, k, Ordinal(!*rank)));
                self.rows.remove(&(key.clone(), *rank));
            }
            batch.delete(keys::object(BUCKET, k));
            return self.scene.commit(&batch);
        }
        let rank = match self.op {
            NativeOp::ListMultipartUploads => {
                let upload = UploadRecord { object: record(ordinal.0), ..UploadRecord::default() };
                batch.put(keys::upload(BUCKET, k, ordinal), upload.encode());
                ordinal.0
            }
            NativeOp::ListObjectVersions => {
                // What was the newest is one of the older.
                if let Some((_, newest)) = there.first() {
                    batch.put(keys::version(BUCKET, k, Ordinal(!newest)), record(!newest).encode());
                }
                batch.put(keys::object(BUCKET, k), row);
                !ordinal.0
            }
            _ => {
                batch.put(keys::object(BUCKET, k), row);
                0
            }
        };
        self.rows.insert((key, rank));
        self.scene.commit(&batch);
    }

    /// Changes one relation.
    fn write_relation(&mut self) {
        if !self.tuples.is_empty() && self.rng.below(3) == 0 {
            let gone = self.tuples.swap_remove(self.rng.below(self.tuples.len()));
            return self.change(Change::Delete(gone.key));
        }
        let key = self.rng.key().into_bytes();
        let folder = key.iter().rposition(|&b| b == b'/').map(|at| key[..=at].to_vec());
        let mut place = match (self.rng.below(6), folder) {
            (0, _) => Place::Bucket(BUCKET),
            (1..=3, Some(folder)) => Place::Prefix(BUCKET, folder),
            _ => Place::Object(BUCKET, key),
        };
        let relations = ["reader", "reader", "lister", "writer", "deny_read", "deny_list", "deny_all", "isolated"];
        let mut relation = Relation::from_name(self.rng.pick(&relations)).expect("a relation");
        if relation == Relation::Lister && matches!(place, Place::Object(..)) {
            relation = Relation::Reader;
        }
        let grantees = [Grantee::ANYONE, Grantee::AUTHENTICATED, user(1), user(1), user(2)];
        let mut grantee = self.rng.pick(&grantees);
        if relation == Relation::Isolated {
            grantee = Grantee::ITSELF;
            if !matches!(place, Place::Prefix(..)) {
                place = Place::Prefix(BUCKET, b"a/".to_vec());
            }
        }
        let mut tuple = Tuple::new(Target::new(TENANT, place), relation, grantee);
        if relation != Relation::Isolated && self.rng.below(5) == 0 {
            tuple = tuple.until(Timestamp::from_secs(self.now + self.rng.below(4) as u64));
        }
        self.tuples.retain(|old| old.key != tuple.key);
        self.tuples.push(tuple.clone());
        self.change(Change::Touch(tuple));
    }

    fn change(&self, change: Change) {
        self.engine.write(WriteTuples::new(TENANT, vec![change], Timestamp(1))).expect("a change of relations");
    }

    /// Whether a check shows the key.
    fn shows(&self, key: &str) -> bool {
        let moment = self.authorizer.moment(&self.context());
        let who = panthera_authz::principal(&self.subject).expect("a principal");
        let check = |permission| {
            let spot = Spot::Object(BUCKET, key.as_bytes());
            self.engine.check(who, permission, TENANT, spot, &moment).expect("an answer")
        };
        match self.by_list {
            // Something else lets it list the bucket: what no deny takes away is shown.
            true => !check(Permission::List).denied,
            _ => check(Permission::Discover).allowed,
        }
    }

    /// What a listing without pages shows now.
    fn expected(&self, prefix: &str, delimiter: &str) -> BTreeSet<Item> {
        let rolled = |(key, rank): &(String, u64)| {
            let rest = key.strip_prefix(prefix)?;
            Some(match rest.find(delimiter).filter(|_| !delimiter.is_empty()) {
                Some(at) => (format!("{prefix}{}", &rest[..at + delimiter.len()]), u64::MAX, true),
                None => (key.clone(), *rank, false),
            })
        };
        self.rows.iter().filter(|(key, _)| self.shows(key)).filter_map(rolled).collect()
    }

    fn listing(&self, prefix: &str) -> Listing {
        listing(&self.authorizer, &self.scene, &self.subject, &self.context(), prefix, self.by_list)
    }

    /// One page; `None` when the caller may not list at all.
    fn page(&self, query: &[(&str, &str)], prefix: &str) -> Option<Page> {
        let visible = match self.listing(prefix) {
            Listing::Denied(decision) => {
                assert!(!decision.allowed());
                return None;
            }
            Listing::Everything => None,
            Listing::Filtered(visible) => Some(visible),
        };
        Some(Page::read(&text(&self.scene, self.op, &self.subject, visible, query)))
    }

    /// All pages, with something written between them; each compared. How many of them showed a part.
    fn pages(&mut self, prefix: &str, delimiter: &str, limit: usize, writes: usize) -> usize {
        let count = limit.to_string();
        let counted = if self.op == NativeOp::ListMultipartUploads { "max-uploads" } else { "max-keys" };
        let base = [("prefix", prefix), ("delimiter", delimiter), ("encoding-type", "url"), (counted, &*count)];
        let (mut marker, mut position): (Vec<(&str, String)>, Option<Item>) = (Vec::new(), None);
        let mut telling = 0;
        for compared in 1.. {
            assert!(compared < 5000, "seed {}: endless", self.seed);
            let query: Vec<_> = base.iter().copied().chain(marker.iter().map(|(n, v)| (*n, v.as_str()))).collect();
            let Some(page) = self.page(&query, prefix) else {
                let seen: Vec<_> = self.rows.iter().filter(|(key, _)| self.shows(key)).collect();
                assert!(seen.is_empty(), "seed {}: refused though {seen:?} are seen", self.seed);
                return telling;
            };
            let rest: Vec<Item> =
                self.expected(prefix, delimiter).into_iter().filter(|item| Some(item) > position.as_ref()).collect();
            let shown = shown(self.op, &page);
            assert_eq!(
                shown,
                rest.iter().take(limit).cloned().collect::<Vec<_>>(),
                "seed {}: {:?} {prefix:?} {delimiter:?} {limit}",
                self.seed,
                self.op
            );
            assert_eq!(page.truncated(), rest.len() > limit, "seed {}: truncated", self.seed);
            if self.op == NativeOp::ListObjectsV2 {
                assert_eq!(page.leaf("KeyCount"), Some(&*shown.len().to_string()));
            }
            telling += usize::from(!shown.is_empty() && self.rows.iter().any(|(key, _)| !self.shows(key)));
            if !page.truncated() {
                break;
            }
            position = shown.last().cloned();
            marker = next(self.op, &page, &position.as_ref().expect("a full page").0);
            for _ in 0..writes {
                if self.rng.below(3) == 0 { self.write_relation() } else { self.write_key() }
            }
            self.now += u64::from(writes > 0) * self.rng.below(3) as u64;
        }
        telling
    }
}

fn user(number: u32) -> Grantee {
    Grantee::user(TENANT, UserId(number)).expect("a user")
}

fn listing(
    authorizer: &Authorizer,
    scene: &Scene,
    subject: &Subject,
    context: &Context,
    prefix: &str,
    by_list: bool,
) -> Listing {
    let everyone = encode_acl(&[Grant { grantee: Grantees::AllUsers, permissions: permission::READ }]);
    let public = BucketRecord { ownership: Ownership::ObjectWriter, acl: Some(everyone), ..scene.bucket.clone() };
    let bucket = if by_list { &public } else { &scene.bucket };
    let resource = Resource { tenant: TENANT, bucket: Some(bucket), name: "bucket", key: None, object: None };
    let action = Action::LIST_BUCKET;
    let question = Question { subject, action, resource, context, request: &NoRequest };
    authorizer.listing(&question, prefix.as_bytes())
}

fn text(
    scene: &Scene,
    op: NativeOp,
    subject: &Subject,
    visible: Option<Box<Visible>>,
    query: &[(&str, &str)],
) -> String {
    let mut call = scene.call(op, b"");
    call.query = Query(query.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect());
    call.caller.subject = subject.clone();
    call.visible = visible;
    match scene.service.list_page(call).expect("a page").body {
        ReplyBody::Bytes(bytes) => String::from_utf8(bytes.to_vec()).expect("UTF-8"),
        _ => panic!("a listing is whole"),
    }
}

/// What stands on the page, in the order of names.
fn shown(op: NativeOp, page: &Page) -> Vec<Item> {
    let text = |name: Vec<u8>| String::from_utf8(name).expect("UTF-8");
    let mut all: Vec<Item> = page.names("CommonPrefixes").into_iter().map(|n| (text(n), u64::MAX, true)).collect();
    for element in ["Contents", "Version", "Upload"] {
        let groups = page.groups.iter().filter(|(name, _)| name == element);
        for (name, (_, leaves)) in page.names(element).into_iter().zip(groups) {
            let ordinal = || Ordinal::from_wire(&leaves[1].1).expect("an id").0;
            let rank = match op {
                NativeOp::ListMultipartUploads => ordinal(),
                NativeOp::ListObjectVersions => !ordinal(),
                _ => 0,
            };
            all.push((text(name), rank, false));
        }
    }
    let given = all.len();
    let sorted: BTreeSet<Item> = all.into_iter().collect();
    assert_eq!(sorted.len(), given, "nothing stands on a page twice");
    sorted.into_iter().collect()
}

/// The parameters that ask for the next page, as clients make them.
fn next(op: NativeOp, page: &Page, last: &str) -> Vec<(&'static str, String)> {
    let leaf = |name: &str| {
        page.leaf(name)
            .map(|value| String::from_utf8(panthera_wire::uri::percent_decode(value).expect("encoded")).expect("UTF-8"))
    };
    let (marker, id, id_parameter) = match op {
        NativeOp::ListObjectsV2 => {
            return vec![("continuation-token", page.leaf("NextContinuationToken").expect("a token").to_owned())];
        }
        NativeOp::ListObjects => return vec![("marker", leaf("NextMarker").unwrap_or_else(|| last.to_owned()))],
        NativeOp::ListObjectVersions => (leaf("NextKeyMarker"), leaf("NextVersionIdMarker"), "version-id-marker"),
        _ => (leaf("NextKeyMarker"), leaf("NextUploadIdMarker"), "upload-id-marker"),
    };
    let marker = marker.expect("a marker");
    assert!(marker == last || marker.starts_with("panthera-position-"), "{marker:?} is not the last name shown");
    let id = id.filter(|id| !id.is_empty()).map(|id| (id_parameter, id));
    std::iter::once(("key-marker", marker)).chain(id).collect()
}

#[test]
fn a_listing_is_what_checking_each_key_leaves() {
    let mut compared = 0;
    for seed in 0..64 {
        let (scene, _dir) = scene_over_lmdb();
        let mut world = World::new(seed, scene, LISTINGS[seed as usize % 4]);
        (0..240).for_each(|_| world.write_key());
        (0..4 + world.rng.below(16)).for_each(|_| world.write_relation());
        for limit in PAGE_SIZES {
            for _ in 0..2 {
                let prefix = world.rng.pick(&["", "", "a", "a/", "b/a/", "é/", "zz"]);
                let delimiter = world.rng.pick(&["", "/", "/", "a/", "\0"]);
                compared += world.pages(prefix, delimiter, limit, 0);
            }
        }
    }
    assert!(compared > 500, "only {compared} pages showed a part");
}

#[test]
fn each_page_is_of_the_newest_keys_and_relations() {
    let mut compared = 0;
    for seed in 1000..1064 {
        let (scene, _dir) = scene_over_lmdb();
        let mut world = World::new(seed, scene, LISTINGS[seed as usize % 4]);
        (0..80).for_each(|_| world.write_key());
        (0..4 + world.rng.below(12)).for_each(|_| world.write_relation());
        for limit in [1, 1, 5, 5, 16, 53] {
            let prefix = world.rng.pick(&["", "", "a", "a/"]);
            let delimiter = world.rng.pick(&["", "/", "a/"]);
            compared += world.pages(prefix, delimiter, limit, 2);
        }
    }
    assert!(compared > 500, "only {compared} pages showed a part");
}

/// A metastore that counts the rows its scans show.
struct Counting {
    inner: Memory,
    rows: AtomicUsize,
}

struct CountingSnapshot<'a>(Box<dyn Snapshot + 'a>, &'a AtomicUsize);

impl Metastore for Counting {
    fn snapshot(&self) -> Result<Box<dyn Snapshot + '_>, MetaError> {
        Ok(Box::new(CountingSnapshot(self.inner.snapshot()?, &self.rows)))
    }

    fn commit_group(&self, batches: &[Batch]) -> Vec<Result<Revision, CommitError>> {
        self.inner.commit_group(batches)
    }
}

impl Snapshot for CountingSnapshot<'_> {
    fn revision(&self) -> Revision {
        self.0.revision()
    }

    fn get(&self, key: &[u8]) -> Result<Option<&[u8]>, MetaError> {
        self.0.get(key)
    }

    fn scan(&self, range: Range<&[u8]>, visit: &mut dyn FnMut(&[u8], &[u8]) -> Step) -> Result<(), MetaError> {
        self.0.scan(range, &mut |row, value| {
            self.1.fetch_add(1, Ordering::Relaxed);
            visit(row, value)
        })
    }
}

/// A bucket of which the reader sees what the tuples say.
struct Hiding {
    scene: Scene,
    store: Arc<Counting>,
    engine: Engine,
    authorizer: Authorizer,
}

impl Hiding {
    fn new(keys: impl Iterator<Item = String>, tuples: Vec<Tuple>) -> Self {
        let store = Arc::new(Counting { inner: Memory::new(), rows: AtomicUsize::new(0) });
        let scene = Scene::over(store.clone(), Versioning::Enabled);
        let mut batch = Batch::default();
        for key in keys {
            let key = key.as_bytes();
            let upload = UploadRecord { object: record(9), ..UploadRecord::default() };
            batch.put(keys::object(BUCKET, key), record(9).encode());
            batch.put(keys::version(BUCKET, key, Ordinal(8)), record(8).encode());
            batch.put(keys::upload(BUCKET, key, Ordinal(9)), upload.encode());
        }
        scene.commit(&batch);
        let engine = Engine::open(Arc::new(Memory::new()), Settings::default()).expect("an engine");
        for changes in tuples.chunks(panthera_authz::CHANGES) {
            let changes = changes.iter().cloned().map(Change::Touch).collect();
            engine.write(WriteTuples::new(TENANT, changes, Timestamp(1))).expect("tuples");
        }
        Self { scene, store, authorizer: Authorizer::with(engine.clone()), engine }
    }

    fn filter(&self) -> Box<Visible> {
        let context = Context::at(Timestamp(1), [10, 0, 0, 1].into(), false);
        match listing(&self.authorizer, &self.scene, &READER, &context, "", false) {
            Listing::Filtered(visible) => visible,
            _ => panic!("the reader sees a part"),
        }
    }

    /// A page, and how many rows were read for it.
    fn page(&self, op: NativeOp, query: &[(&str, &str)]) -> (Page, usize) {
        let before = self.store.rows.load(Ordering::Relaxed);
        let text = text(&self.scene, op, &READER, Some(self.filter()), query);
        (Page::read(&text), self.store.rows.load(Ordering::Relaxed) - before)
    }
}

fn granted(place: Place, relation: Relation) -> Tuple {
    Tuple::new(Target::new(TENANT, place), relation, user(1))
}

#[test]
fn what_is_hidden_costs_no_rows() {
    let keys = (0..100_000).map(|i| format!("hidden/{:03}/{i:06}", i % 1000));
    let keys = keys.chain(["seen/by/the/reader".to_owned()]);
    let tuples = vec![
        granted(Place::Prefix(BUCKET, b"seen/by/".to_vec()), Relation::Reader),
        granted(Place::Object(BUCKET, b"hidden/500/050500".to_vec()), Relation::Reader),
    ];
    let hiding = Hiding::new(keys, tuples);
    for op in LISTINGS {
        for delimiter in ["", "/"] {
            let (page, rows) = hiding.page(op, &[("delimiter", delimiter)]);
            let names: BTreeSet<_> = shown(op, &page).into_iter().map(|(name, ..)| name).collect();
            let wanted =
                if delimiter.is_empty() { ["hidden/500/050500", "seen/by/the/reader"] } else { ["hidden/", "seen/"] };
            assert_eq!(names, wanted.map(str::to_owned).into(), "{op:?}");
            assert!(!page.truncated());
            // Three runs of hidden keys and the two that are seen, in each of at most two tables.
            assert!(rows <= 12, "{op:?} with {delimiter:?} read {rows} rows");
        }
    }
}

/// As many runs of hidden keys as wanted, each between two granted objects that are not there; then one that is seen.
fn runs(count: usize) -> Hiding {
    let keys = (0..count).map(|i| format!("k/{i:06}/hidden")).chain(["seen".to_owned()]);
    let tuples =
        (0..count).map(|i| granted(Place::Object(BUCKET, format!("k/{i:06}/z").into_bytes()), Relation::Reader));
    let seen = granted(Place::Object(BUCKET, b"seen".to_vec()), Relation::Reader);
    Hiding::new(keys, tuples.chain([seen]).collect())
}

/// Seeks a page makes in such a bucket before it has worked enough.
fn seeks_of_a_page(hiding: &Hiding) -> usize {
    let mut gate = Gate::new(Some(hiding.filter()));
    let mut key = b"k/".to_vec();
    for seeks in 0.. {
        match gate.look(&key) {
            Look::Skip(to) => key = [&to[..to.len() - 1], b"~"].concat(),
            Look::Shown => panic!("{key:?} is hidden"),
            Look::End => return seeks,
        }
    }
    0
}

#[test]
fn a_page_that_has_worked_enough_ends_short_and_goes_on() {
    let most = seeks_of_a_page(&runs(SEEKS + 100));
    assert!((SEEKS / 3..=SEEKS).contains(&most), "{most} seeks");
    // The last seek leads from the last hidden key to the one that is seen.
    let (page, _) = runs(most).page(NativeOp::ListObjectsV2, &[]);
    assert!(!page.truncated() && page.names("Contents") == [b"seen"]);
    let hiding = runs(most + 1);
    for op in LISTINGS {
        let (page, rows) = hiding.page(op, &[]);
        assert!(page.truncated() && shown(op, &page).is_empty(), "{op:?}");
        assert!(rows <= 2 * (SEEKS + 2), "{op:?}: {rows} rows");
        let marker = next(op, &page, "");
        let query: Vec<_> = marker.iter().map(|(n, v)| (*n, v.as_str())).collect();
        let (page, _) = hiding.page(op, &query);
        assert_eq!(shown(op, &page).first().map(|item| &*item.0), Some("seen"), "{op:?}");
        assert!(!page.truncated());
    }
}

#[test]
fn a_position_among_denied_names_does_not_tell_them() {
    let denied = |i: usize| format!("merger-{i:06}/");
    let keys = (0..SEEKS).map(|i| denied(i) + "k").chain(["aaa", "zzz"].map(str::to_owned));
    let mut tuples = vec![granted(Place::Bucket(BUCKET), Relation::Reader)];
    tuples.extend((0..SEEKS).map(|i| granted(Place::Prefix(BUCKET, denied(i).into_bytes()), Relation::DenyRead)));
    let hiding = Hiding::new(keys, tuples);
    for op in LISTINGS {
        let (mut seen, mut marker) = (Vec::new(), Vec::new());
        for pages in 0.. {
            assert!(pages < 8, "{op:?} does not end");
            let query: Vec<_> = marker.iter().map(|(n, v): &(_, String)| (*n, v.as_str())).collect();
            let (page, _) = hiding.page(op, &query);
            let names: Vec<_> = shown(op, &page).into_iter().map(|(name, ..)| name).collect();
            seen.extend(names.iter().cloned());
            if !page.truncated() {
                assert!(pages > 0, "{op:?} was done in one page");
                break;
            }
            marker = next(op, &page, names.last().map_or("", String::as_str));
            let token = &marker[0].1;
            assert!(!token.contains("merger"), "{op:?}: {token}");
            let plain = panthera_wire::checksum::base64::decode(&token.replace('-', "+").replace('_', "/"));
            assert!(!plain.is_some_and(|plain| plain.windows(6).any(|w| w == b"merger")), "{op:?}: {token}");
        }
        seen.dedup();
        assert_eq!(seen, ["aaa", "zzz"], "{op:?}");
    }
}

#[test]
fn a_strict_bucket_lists_all_or_nothing() {
    let mut hiding = Hiding::new(
        ["a/1", "a/2", "b/1"].into_iter().map(str::to_owned),
        vec![granted(Place::Prefix(BUCKET, b"a/".to_vec()), Relation::Lister)],
    );
    hiding.scene.bucket.listing = panthera_meta::records::ListingMode::Strict;
    let asked = |hiding: &Hiding, prefix: &str| {
        let context = Context::at(Timestamp(1), [10, 0, 0, 1].into(), false);
        match listing(&hiding.authorizer, &hiding.scene, &READER, &context, prefix, false) {
            Listing::Denied(_) => "denied",
            Listing::Everything => "everything",
            Listing::Filtered(_) => "filtered",
        }
    };
    for (prefix, want) in
        [("", "denied"), ("a", "denied"), ("a/", "everything"), ("a/x", "everything"), ("b/", "denied")]
    {
        assert_eq!(asked(&hiding, prefix), want, "{prefix}");
    }
    // To read is not to list there.
    let reader = granted(Place::Prefix(BUCKET, b"b/".to_vec()), Relation::Reader);
    hiding.engine.write(WriteTuples::new(TENANT, vec![Change::Touch(reader)], Timestamp(1))).expect("a tuple");
    assert_eq!(asked(&hiding, "b/"), "denied");
    let deny = granted(Place::Prefix(BUCKET, b"a/x/".to_vec()), Relation::DenyList);
    hiding.engine.write(WriteTuples::new(TENANT, vec![Change::Touch(deny)], Timestamp(1))).expect("a tuple");
    assert_eq!(asked(&hiding, "a/"), "denied");
}

#[test]
fn a_listing_elsewhere_is_empty_and_not_refused() {
    let hiding = Hiding::new(
        ["a/1", "b/1"].into_iter().map(str::to_owned),
        vec![granted(Place::Prefix(BUCKET, b"a/".to_vec()), Relation::Reader)],
    );
    let context = Context::at(Timestamp(1), [10, 0, 0, 1].into(), false);
    let ask = |subject, prefix| listing(&hiding.authorizer, &hiding.scene, subject, &context, prefix, false);
    let Listing::Filtered(visible) = ask(&READER, "b/") else { panic!("it may discover something elsewhere") };
    let page = Page::read(&text(&hiding.scene, NativeOp::ListObjectsV2, &READER, Some(visible), &[("prefix", "b/")]));
    assert!(!page.truncated() && page.groups.is_empty() && page.leaf("KeyCount") == Some("0"));
    assert!(matches!(ask(&READER, "a/"), Listing::Everything));
    assert!(matches!(ask(&Subject::Anonymous, "a/"), Listing::Denied(_)));
    let who = Principal { grantee: user(1), admin: false };
    let moment = hiding.authorizer.moment(&context);
    assert!(
        !hiding.engine.check(who, Permission::Discover, TENANT, Spot::Bucket(BUCKET), &moment).expect("ok").allowed
    );
}
