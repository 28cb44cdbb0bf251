//! Listings against a naive model: random keys, prefixes, delimiters, markers and page sizes, through the real
//! documents; and Amazon's letter in examples.

use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use panthera_base::limits::PAGE_KEYS;
use panthera_base::{BucketId, ErrorCode, Ordinal, UserId};
use panthera_meta::lmdb::{Lmdb, Options};
use panthera_meta::records::{Checksum, ObjectRecord, Ownership, PartRecord, UploadRecord, Versioning, encode_ordinal};
use panthera_meta::{Batch, keys};
use panthera_wire::uri::percent_decode;
use panthera_wire::xml::Reader;
use proptest::prelude::*;

use super::{Params, page_limit, push_url_encoded};
use crate::api::{NativeOp, OpResult, Query, ReplyBody};
use crate::scene::{OWNER, Scene};

thread_local! {
    /// Over LMDB: the engine that has cursors to get wrong. The directory lives as long as the scene.
    static SCENE: OnceCell<(Scene, tempfile::TempDir)> = const { OnceCell::new() };
}

pub(super) fn scene_over_lmdb() -> (Scene, tempfile::TempDir) {
    let dir = tempfile::tempdir().expect("a directory");
    let options = Options { sync: false, map_bytes: 1 << 30 };
    let meta = Lmdb::open(dir.path(), &options).expect("a store");
    (Scene::over(Arc::new(meta), Versioning::Enabled), dir)
}

/// An empty bucket of a scene that all cases of one test share.
struct Fixture(BucketId);

impl Fixture {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(1_000);
        Self(BucketId(NEXT.fetch_add(1, Ordering::Relaxed)))
    }

    fn scene<T>(f: impl FnOnce(&Scene) -> T) -> T {
        SCENE.with(|scene| f(&scene.get_or_init(scene_over_lmdb).0))
    }

    fn commit(&self, fill: impl FnOnce(&mut Batch, BucketId)) {
        let mut batch = Batch::default();
        fill(&mut batch, self.0);
        Self::scene(|scene| scene.commit(&batch));
    }

    fn list(&self, op: NativeOp, key: &[u8], query: &[(&str, &str)]) -> OpResult {
        Self::scene(|scene| {
            let mut call = scene.call(op, key);
            let mut bucket = scene.bucket.clone();
            bucket.id = self.0;
            // Where the bucket's owner owns everything, nobody else would be shown.
            bucket.ownership = Ownership::ObjectWriter;
            call.bucket = Arc::new(bucket);
            call.query = Query(query.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect());
            call.op = op;
            scene.service.list_page(call)
        })
    }

    fn text(&self, op: NativeOp, key: &[u8], query: &[(&str, &str)]) -> String {
        match self.list(op, key, query).expect("a listing").body {
            ReplyBody::Bytes(bytes) => String::from_utf8(bytes.to_vec()).expect("UTF-8"),
            _ => panic!("a listing is whole"),
        }
    }

    fn code(&self, op: NativeOp, key: &[u8], query: &[(&str, &str)]) -> ErrorCode {
        self.list(op, key, query).err().expect("an error").code()
    }

    fn page(&self, op: NativeOp, query: &[(&str, &str)]) -> Page {
        Page::read(&self.text(op, b"", query))
    }
}

/// A page as a client sees it: (element, its leaves), in document order.
#[derive(Debug, Default)]
pub(super) struct Page {
    leaves: Vec<(String, String)>,
    pub groups: Vec<(String, Vec<(String, String)>)>,
}

impl Page {
    pub fn read(text: &str) -> Self {
        let mut reader = Reader::new(text.as_bytes()).expect("UTF-8");
        let root = text.split_once("?>\n<").expect("a declaration").1.split(' ').next().expect("a root");
        reader.root(root).expect("the root");
        let mut page = Self::default();
        while let Some(name) = reader.child().expect("a child") {
            let name = name.to_owned();
            let group =
                ["Contents", "CommonPrefixes", "Version", "DeleteMarker", "Upload", "Part", "Owner", "Initiator"];
            if !group.contains(&&*name) {
                page.leaves.push((name, reader.text().expect("text").into_owned()));
                continue;
            }
            let mut leaves = Vec::new();
            while let Some(leaf) = reader.child().expect("a leaf").map(str::to_owned) {
                if leaf == "Owner" || leaf == "Initiator" {
                    reader.skip().expect("an owner");
                } else {
                    leaves.push((leaf, reader.text().expect("text").into_owned()));
                }
            }
            page.groups.push((name, leaves));
        }
        reader.finish().expect("the end");
        page
    }

    pub fn leaf(&self, name: &str) -> Option<&str> {
        self.leaves.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    pub fn truncated(&self) -> bool {
        self.leaf("IsTruncated") == Some("true")
    }

    /// Keys (first `Key`, else `Prefix`) of the groups of one element, percent-decoded.
    pub fn names(&self, element: &str) -> Vec<Vec<u8>> {
        let groups = self.groups.iter().filter(|(name, _)| name == element);
        groups.map(|(_, leaves)| percent_decode(&leaves[0].1).expect("encoded")).collect()
    }
}

pub(super) fn record(ordinal: u64) -> ObjectRecord {
    ObjectRecord { owner: OWNER, ordinal: Ordinal(ordinal), size: ordinal, ..ObjectRecord::default() }
}

/// Keys, rolled up, in order: what a listing with prefix and delimiter is about.
fn items(keys: &BTreeSet<String>, prefix: &str, delimiter: &str) -> BTreeSet<(String, bool)> {
    let rolled = |key: &String| {
        let rest = key.strip_prefix(prefix)?;
        match rest.find(delimiter).filter(|_| !delimiter.is_empty()) {
            Some(at) => Some((format!("{prefix}{}", &rest[..at + delimiter.len()]), true)),
            None => Some((key.clone(), false)),
        }
    };
    keys.iter().filter_map(rolled).collect()
}

/// Few characters, so that prefixes, delimiters and markers meet; 0x00 and 0x01 for the escaped tables.
fn name(max: usize) -> impl Strategy<Value = String> {
    let letter = prop::sample::select(vec!["a", "b", "/", "//", "\0", "\u{1}", "é", "\u{10FFFF}", " ", "+", "&"]);
    prop::collection::vec(letter, 0..=max).prop_map(|letters| letters.concat())
}

fn key() -> impl Strategy<Value = String> {
    name(5).prop_filter("no empty keys", |key| !key.is_empty())
}

fn delimiter() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["", "/", "/", "a", "//", "b/", "\0", "é", "\u{10FFFF}"]).prop_map(str::to_owned)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn objects_are_listed_as_the_model_says(
        keys in prop::collection::btree_set(key(), 0..30), prefix in name(2), delimiter in delimiter(),
        marker in name(4), limit in 0usize..12,
    ) {
        let fixture = Fixture::new();
        fixture.commit(|batch, bucket| for key in &keys {
            batch.put(keys::object(bucket, key.as_bytes()), record(7).encode());
        });
        let wanted: Vec<_> = items(&keys, &prefix, &delimiter).into_iter().filter(|(name, _)| *name > marker).collect();
        let count = limit.to_string();
        let base = [("prefix", &*prefix), ("delimiter", &*delimiter), ("encoding-type", "url"), ("max-keys", &*count)];
        for (op, parameter) in [(NativeOp::ListObjects, "marker"), (NativeOp::ListObjectsV2, "start-after")] {
            let page = fixture.page(op, &[&base[..], &[(parameter, &marker)]].concat());
            let shown: Vec<_> = wanted.iter().take(limit).collect();
            let of = |prefix: bool| -> Vec<_> {
                shown.iter().filter(|(_, p)| *p == prefix).map(|(name, _)| name.as_bytes().to_vec()).collect()
            };
            prop_assert_eq!(page.names("Contents"), of(false));
            prop_assert_eq!(page.names("CommonPrefixes"), of(true));
            prop_assert_eq!(page.truncated(), limit > 0 && wanted.len() > limit);
            if op == NativeOp::ListObjectsV2 {
                prop_assert_eq!(page.leaf("KeyCount"), Some(&*shown.len().to_string()));
                prop_assert_eq!(page.leaf("NextContinuationToken").is_some(), page.truncated());
            } else {
                prop_assert_eq!(page.leaf("NextMarker").is_some(), page.truncated() && !delimiter.is_empty());
            }
        }
    }

    #[test]
    fn pages_put_together_are_the_whole(
        keys in prop::collection::btree_set(key(), 0..30), prefix in name(1), delimiter in delimiter(), limit in 1usize..6,
    ) {
        let fixture = Fixture::new();
        fixture.commit(|batch, bucket| for key in &keys {
            batch.put(keys::object(bucket, key.as_bytes()), record(7).encode());
        });
        let wanted = items(&keys, &prefix, &delimiter);
        let count = limit.to_string();
        let base = [("prefix", &*prefix), ("delimiter", &*delimiter), ("encoding-type", "url"), ("max-keys", &*count)];
        for v2 in [false, true] {
            let op = if v2 { NativeOp::ListObjectsV2 } else { NativeOp::ListObjects };
            let mut seen = BTreeSet::new();
            let mut position: Option<String> = None;
            loop {
                let parameter = if v2 { "continuation-token" } else { "marker" };
                let marker: Vec<_> = position.as_deref().map(|p| (parameter, p)).into_iter().collect();
                let page = fixture.page(op, &[&base[..], &marker].concat());
                for (element, rolled) in [("Contents", false), ("CommonPrefixes", true)] {
                    for name in page.names(element) {
                        prop_assert!(seen.insert((String::from_utf8(name).expect("UTF-8"), rolled)), "twice");
                    }
                }
                if !page.truncated() {
                    break;
                }
                let last_key = || page.names("Contents").pop().expect("a key");
                let next = match (v2, page.leaf("NextMarker")) {
                    (true, _) => page.leaf("NextContinuationToken").expect("a token").to_owned(),
                    (false, Some(marker)) => String::from_utf8(percent_decode(marker).expect("encoded")).expect("UTF-8"),
                    (false, None) => String::from_utf8(last_key()).expect("UTF-8"),
                };
                position = Some(next);
            }
            prop_assert_eq!(&seen, &wanted);
        }
    }
}

/// What happened to a key, oldest first: a version, the null version, a delete marker.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Event {
    Version,
    Null,
    Marker,
}

/// A row of the model: key, version id, latest, marker.
type Row = (String, String, bool, bool);

/// Writes the history of each key as rows, and tells how it must be listed.
fn write_history(fixture: &Fixture, history: &[(String, Vec<Event>)]) -> Vec<(Row, u64)> {
    let mut rows = Vec::new();
    let mut ordinal = 0x10;
    fixture.commit(|batch, bucket| {
        for (key, events) in history {
            let bytes = key.as_bytes();
            let mut shown = Vec::new();
            for (at, event) in events.iter().enumerate() {
                ordinal += 1;
                // A later null version replaces an earlier one.
                if *event == Event::Null && events[at + 1..].contains(&Event::Null) {
                    continue;
                }
                let newest = at + 1 == events.len();
                let mut row = record(ordinal);
                row.null_version = *event == Event::Null;
                row.delete_marker = *event == Event::Marker;
                if newest && !row.delete_marker {
                    batch.put(keys::object(bucket, bytes), row.encode());
                } else {
                    batch.put(keys::version(bucket, bytes, row.ordinal), row.encode());
                    if row.null_version {
                        batch.put(keys::null_version(bucket, bytes), encode_ordinal(row.ordinal));
                    }
                }
                let id = if row.null_version { "null".to_owned() } else { row.ordinal.to_wire() };
                shown.push(((key.clone(), id, newest, row.delete_marker), ordinal));
            }
            shown.reverse();
            rows.extend(shown);
        }
    });
    rows.sort_by(|a, b| a.0.0.cmp(&b.0.0));
    rows
}

fn listed_versions(page: &Page) -> Vec<Row> {
    let mut rows = Vec::new();
    for (element, leaves) in &page.groups {
        if element == "CommonPrefixes" {
            continue;
        }
        let leaf = |name: &str| leaves.iter().find(|(n, _)| n == name).map(|(_, v)| v.clone()).expect(name);
        let key = String::from_utf8(percent_decode(&leaf("Key")).expect("encoded")).expect("UTF-8");
        rows.push((key, leaf("VersionId"), leaf("IsLatest") == "true", element == "DeleteMarker"));
    }
    rows
}

fn event() -> impl Strategy<Value = Event> {
    prop::sample::select(vec![Event::Version, Event::Version, Event::Null, Event::Marker])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn versions_are_listed_as_the_model_says(
        history in prop::collection::btree_map(key(), prop::collection::vec(event(), 1..5), 0..10),
        prefix in name(1), delimiter in delimiter(), limit in 1usize..6,
    ) {
        // A history that ends in a live version after a marker without one below is fine; one with a marker newest is
        // a deleted key.
        let history: Vec<_> = history.into_iter().collect();
        let fixture = Fixture::new();
        let rows = write_history(&fixture, &history);
        let all: BTreeSet<String> = history.iter().map(|(key, _)| key.clone()).collect();
        let rolled: BTreeSet<_> = items(&all, &prefix, &delimiter);
        let wanted: Vec<_> = rows.iter().map(|(row, _)| row.clone()).filter(|row| rolled.contains(&(row.0.clone(), false))).collect();
        let prefixes: Vec<_> = rolled.iter().filter(|(_, p)| *p).map(|(name, _)| name.as_bytes().to_vec()).collect();

        let count = limit.to_string();
        let base = [("prefix", &*prefix), ("delimiter", &*delimiter), ("encoding-type", "url"), ("max-keys", &*count)];
        let (mut seen, mut seen_prefixes) = (Vec::new(), Vec::new());
        let mut marker: Vec<(&str, String)> = Vec::new();
        for pages in 0.. {
            prop_assert!(pages < 200, "endless");
            let query: Vec<_> = base.iter().copied().chain(marker.iter().map(|(n, v)| (*n, v.as_str()))).collect();
            let page = fixture.page(NativeOp::ListObjectVersions, &query);
            let entries = listed_versions(&page);
            prop_assert!(entries.len() + page.names("CommonPrefixes").len() <= limit);
            seen.extend(entries);
            seen_prefixes.extend(page.names("CommonPrefixes"));
            if !page.truncated() {
                break;
            }
            let next = percent_decode(page.leaf("NextKeyMarker").expect("a marker")).expect("encoded");
            marker = vec![("key-marker", String::from_utf8(next).expect("UTF-8"))];
            marker.extend(page.leaf("NextVersionIdMarker").map(|id| ("version-id-marker", id.to_owned())));
        }
        prop_assert_eq!(seen, wanted);
        prop_assert_eq!(seen_prefixes, prefixes);
    }

    #[test]
    fn versions_after_any_marker_are_the_rest(
        history in prop::collection::btree_map(key(), prop::collection::vec(event(), 1..5), 1..8), pick in any::<prop::sample::Index>(),
    ) {
        let history: Vec<_> = history.into_iter().collect();
        let fixture = Fixture::new();
        let rows = write_history(&fixture, &history);
        let at = pick.index(rows.len());
        let ((key, id, _, _), _) = &rows[at];
        let rest: Vec<_> = rows[at + 1..].iter().map(|(row, _)| row.clone()).collect();
        let query = [("encoding-type", "url"), ("key-marker", key), ("version-id-marker", id)];
        prop_assert_eq!(listed_versions(&fixture.page(NativeOp::ListObjectVersions, &query)), rest);
        let next_key: Vec<_> = rows.iter().map(|(row, _)| row.clone()).filter(|row| row.0 > *key).collect();
        prop_assert_eq!(listed_versions(&fixture.page(NativeOp::ListObjectVersions, &query[..2])), next_key);
    }

    #[test]
    fn uploads_are_listed_as_the_model_says(
        uploads in prop::collection::btree_set((key(), 1u64..50), 0..20), prefix in name(1), delimiter in delimiter(), limit in 1usize..6,
    ) {
        let fixture = Fixture::new();
        fixture.commit(|batch, bucket| for (key, ordinal) in &uploads {
            let upload = UploadRecord { object: record(*ordinal), ..UploadRecord::default() };
            batch.put(keys::upload(bucket, key.as_bytes(), Ordinal(*ordinal)), upload.encode());
        });
        let all: BTreeSet<String> = uploads.iter().map(|(key, _)| key.clone()).collect();
        let rolled = items(&all, &prefix, &delimiter);
        let wanted: Vec<_> = uploads.iter().filter(|(key, _)| rolled.contains(&(key.clone(), false)))
            .map(|(key, ordinal)| (key.as_bytes().to_vec(), Ordinal(*ordinal).to_wire())).collect();
        let prefixes: Vec<_> = rolled.iter().filter(|(_, p)| *p).map(|(name, _)| name.as_bytes().to_vec()).collect();
        let count = limit.to_string();
        let base = [("prefix", &*prefix), ("delimiter", &*delimiter), ("encoding-type", "url"), ("max-uploads", &*count)];
        let (mut seen, mut seen_prefixes) = (Vec::new(), Vec::new());
        let mut marker: Vec<(&str, String)> = Vec::new();
        for pages in 0.. {
            prop_assert!(pages < 100, "endless");
            let query: Vec<_> = base.iter().copied().chain(marker.iter().map(|(n, v)| (*n, v.as_str()))).collect();
            let page = fixture.page(NativeOp::ListMultipartUploads, &query);
            for ((_, leaves), key) in page.groups.iter().filter(|(e, _)| e == "Upload").zip(page.names("Upload")) {
                seen.push((key, leaves[1].1.clone()));
            }
            seen_prefixes.extend(page.names("CommonPrefixes"));
            if !page.truncated() {
                break;
            }
            let next = percent_decode(page.leaf("NextKeyMarker").expect("a marker")).expect("encoded");
            marker = vec![("key-marker", String::from_utf8(next).expect("UTF-8"))];
            marker.extend(page.leaf("NextUploadIdMarker").filter(|id| !id.is_empty()).map(|id| ("upload-id-marker", id.to_owned())));
        }
        prop_assert_eq!(seen, wanted);
        prop_assert_eq!(seen_prefixes, prefixes);
    }
}

#[test]
fn a_first_page_to_the_letter() {
    let fixture = Fixture::new();
    let entry = ObjectRecord {
        multipart_etag: true,
        parts: 2,
        etag: [0xAB; 16],
        storage_class: 1,
        checksums: vec![Checksum { algorithm: 3, kind: 0, value: vec![0; 8] }],
        ..record(1_795_244_400_987_654)
    };
    fixture.commit(|batch, bucket| {
        batch.put(keys::object(bucket, b"a/1"), entry.encode());
        batch.put(keys::object(bucket, b"b<\x01>"), entry.encode());
        batch.put(keys::object(bucket, b"c"), entry.encode());
    });
    let contents = "<LastModified>2026-11-21T07:00:00.000Z</LastModified>\
                    <ETag>&quot;abababababababababababababababab-2&quot;</ETag>\
                    <ChecksumAlgorithm>CRC64NVME</ChecksumAlgorithm><ChecksumType>FULL_OBJECT</ChecksumType>\
                    <Size>1795244400987654</Size>";
    let owner = format!("<Owner><ID>{}</ID><DisplayName>M. Tester</DisplayName></Owner>", "ab".repeat(32));
    let v1 = fixture.text(NativeOp::ListObjects, b"", &[("delimiter", "/"), ("max-keys", "2")]);
    assert_eq!(
        v1,
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
             <Name>bucket</Name><Prefix></Prefix><Delimiter>/</Delimiter><MaxKeys>2</MaxKeys><Marker></Marker>\
             <IsTruncated>true</IsTruncated><NextMarker>b&lt;&#x1;&gt;</NextMarker>\
             <Contents><Key>b&lt;&#x1;&gt;</Key>{contents}{owner}<StorageClass>STANDARD_IA</StorageClass></Contents>\
             <CommonPrefixes><Prefix>a/</Prefix></CommonPrefixes></ListBucketResult>"
        )
    );
    let query = [("start-after", "a/1"), ("encoding-type", "url"), ("max-keys", "1")];
    let v2 = fixture.text(NativeOp::ListObjectsV2, b"", &query);
    assert!(v2.contains("<MaxKeys>1</MaxKeys><EncodingType>url</EncodingType><KeyCount>1</KeyCount><IsTruncated>true</IsTruncated><StartAfter>a/1</StartAfter><NextContinuationToken>"));
    assert!(
        v2.contains(&format!("<Contents><Key>b%3C%01%3E</Key>{contents}<StorageClass>")),
        "no owner unless asked: {v2}"
    );
    assert!(fixture.text(NativeOp::ListObjectsV2, b"", &[("fetch-owner", "true")]).contains(&owner));
    assert!(!v2.contains("Delimiter"));
}

#[test]
fn owners_that_are_gone_or_nobody_have_elements_too() {
    let fixture = Fixture::new();
    fixture.commit(|batch, bucket| {
        batch.put(keys::object(bucket, b"a"), ObjectRecord { owner: UserId(0), ..record(1) }.encode());
        batch.put(keys::object(bucket, b"b"), ObjectRecord { owner: UserId(999), ..record(2) }.encode());
    });
    let text = fixture.text(NativeOp::ListObjects, b"", &[]);
    assert!(text.contains("<ID>65a011a29cdf8ec533ec3d1ccaae921c</ID>"));
    assert!(text.contains("<Owner><ID></ID><DisplayName></DisplayName></Owner>"));
}

#[test]
fn a_deleted_version_marker_keeps_the_position() {
    let fixture = Fixture::new();
    let history = [("k".to_owned(), vec![Event::Version, Event::Null, Event::Version])];
    let rows = write_history(&fixture, &history);
    let page = fixture.page(NativeOp::ListObjectVersions, &[("max-keys", "2")]);
    assert_eq!(listed_versions(&page).last().map(|row| row.1.as_str()), Some("null"));
    let id = page.leaf("NextVersionIdMarker").expect("truncated").to_owned();
    // A client that empties the bucket deletes the page before it asks for the next; the oldest version moves up.
    fixture.commit(|batch, bucket| {
        batch.delete(keys::version(bucket, b"k", Ordinal(rows[1].1))).delete(keys::null_version(bucket, b"k"));
        batch.delete(keys::version(bucket, b"k", Ordinal(rows[2].1)));
        batch.put(keys::object(bucket, b"k"), record(rows[2].1).encode());
    });
    let rest = fixture.page(NativeOp::ListObjectVersions, &[("key-marker", "k"), ("version-id-marker", &id)]);
    assert_eq!(listed_versions(&rest), [("k".to_owned(), Ordinal(rows[2].1).to_wire(), true, false)]);
    let gone = fixture.page(NativeOp::ListObjectVersions, &[("key-marker", "k"), ("version-id-marker", "null")]);
    assert_eq!(listed_versions(&gone).len(), 1);
}

#[test]
fn parameters_that_are_wrong_are_named() {
    let fixture = Fixture::new();
    let keyed = [NativeOp::ListObjects, NativeOp::ListObjectsV2, NativeOp::ListObjectVersions];
    for op in keyed {
        for bad in ["-1", "blah", "2147483648"] {
            assert_eq!(fixture.code(op, b"", &[("max-keys", bad)]), ErrorCode::InvalidArgument);
        }
        assert_eq!(fixture.code(op, b"", &[("encoding-type", "xml")]), ErrorCode::InvalidArgument);
        assert_eq!(fixture.page(op, &[("max-keys", "0")]).leaf("MaxKeys"), Some("0"));
        assert_eq!(fixture.page(op, &[("max-keys", "1001")]).leaf("MaxKeys"), Some("1000"));
    }
    let token = |value| fixture.code(NativeOp::ListObjectsV2, b"", &[("continuation-token", value)]);
    assert_eq!(token("nonsense!"), ErrorCode::InvalidArgument);
    let empty = fixture.page(NativeOp::ListObjectsV2, &[("continuation-token", "")]);
    assert_eq!(empty.leaf("ContinuationToken"), Some(""));
    let versions = |query: &[(&str, &str)]| fixture.code(NativeOp::ListObjectVersions, b"", query);
    assert_eq!(versions(&[("version-id-marker", "null")]), ErrorCode::InvalidArgument);
    assert_eq!(versions(&[("key-marker", "k"), ("version-id-marker", "x")]), ErrorCode::InvalidArgument);
    let uploads = |query: &[(&str, &str)]| fixture.code(NativeOp::ListMultipartUploads, b"", query);
    assert_eq!(uploads(&[("max-uploads", "x")]), ErrorCode::InvalidArgument);
    assert_eq!(uploads(&[("key-marker", "k"), ("upload-id-marker", "x")]), ErrorCode::InvalidArgument);
}

#[test]
fn markers_and_prefixes_may_be_longer_than_any_key() {
    let fixture = Fixture::new();
    let zeros = "\0".repeat(900);
    fixture.commit(|batch, bucket| {
        batch.put(keys::object(bucket, b"a"), record(1).encode()).put(keys::object(bucket, b"c"), record(2).encode());
        batch.put(keys::version(bucket, zeros.as_bytes(), Ordinal(3)), record(3).encode());
    });
    let long = "b".repeat(100_000);
    let longer_zeros = "\0".repeat(5_000);
    for op in [NativeOp::ListObjects, NativeOp::ListObjectVersions, NativeOp::ListMultipartUploads] {
        let marker = if op == NativeOp::ListObjects { "marker" } else { "key-marker" };
        let shown =
            |query: &[(&str, &str)]| fixture.page(op, &[query, &[("encoding-type", "url")]].concat()).groups.len();
        assert_eq!(shown(&[(marker, &long)]), usize::from(op != NativeOp::ListMultipartUploads));
        assert_eq!(shown(&[("prefix", &long)]), 0);
        assert_eq!(shown(&[(marker, &longer_zeros)]), if op == NativeOp::ListMultipartUploads { 0 } else { 2 });
        assert_eq!(shown(&[("prefix", &longer_zeros)]), 0);
    }
}

#[test]
fn corrupt_rows_are_errors_and_not_gaps() {
    let fixture = Fixture::new();
    fixture.commit(|batch, bucket| {
        batch.put(keys::object(bucket, b"a"), b"\x09".to_vec());
        batch.put(keys::version(bucket, b"a", Ordinal(1)), Vec::new());
        batch.put(keys::upload(bucket, b"a", Ordinal(1)), b"\x01".to_vec());
    });
    for op in
        [NativeOp::ListObjects, NativeOp::ListObjectsV2, NativeOp::ListObjectVersions, NativeOp::ListMultipartUploads]
    {
        assert_eq!(fixture.code(op, b"", &[]), ErrorCode::InternalError);
    }
}

#[test]
fn parts_are_listed_in_pages() {
    let fixture = Fixture::new();
    let id = Ordinal(0x77);
    fixture.commit(|batch, bucket| {
        let upload =
            UploadRecord { object: record(id.0), checksum_algorithm: 5, checksum_kind: 1, ..UploadRecord::default() };
        batch.put(keys::upload(bucket, b"k", id), upload.encode());
        for number in [1, 2, 5, 10_000] {
            let part = PartRecord {
                size: u64::from(number),
                ordinal: Ordinal(1_795_244_400_987_654),
                md5: [number as u8; 16],
                checksum_algorithm: 5,
                checksum: vec![1; 32],
                ..PartRecord::default()
            };
            batch.put(keys::part(bucket, id, number), part.encode());
        }
        batch.put(keys::part(bucket, Ordinal(0x78), 1), PartRecord::default().encode());
    });
    let wire = id.to_wire();
    let numbers = |query: &[(&str, &str)]| {
        let page = Page::read(&fixture.text(NativeOp::ListParts, b"k", &[&[("uploadId", &*wire)], query].concat()));
        let numbers: Vec<_> = page.groups.iter().filter(|(e, _)| e == "Part").map(|(_, l)| l[0].1.clone()).collect();
        (numbers.join(" "), page.truncated(), page.leaf("NextPartNumberMarker").map(str::to_owned).expect("always"))
    };
    assert_eq!(numbers(&[]), ("1 2 5 10000".into(), false, "10000".into()));
    assert_eq!(numbers(&[("max-parts", "2")]), ("1 2".into(), true, "2".into()));
    assert_eq!(numbers(&[("max-parts", "2"), ("part-number-marker", "2")]), ("5 10000".into(), false, "10000".into()));
    assert_eq!(numbers(&[("part-number-marker", "10000")]), (String::new(), false, "0".into()));
    assert_eq!(numbers(&[("part-number-marker", "2147483647")]), (String::new(), false, "0".into()));
    assert_eq!(numbers(&[("max-parts", "0")]), (String::new(), false, "0".into()));
    let text = fixture.text(NativeOp::ListParts, b"k", &[("uploadId", &wire), ("max-parts", "1")]);
    assert!(text.contains("<Key>k</Key><UploadId>0000000000000077</UploadId><Initiator><ID>abab"), "{text}");
    assert!(text.contains("<ChecksumAlgorithm>SHA256</ChecksumAlgorithm><ChecksumType>COMPOSITE</ChecksumType>"));
    assert!(text.contains("<Part><PartNumber>1</PartNumber><LastModified>2026-11-21T07:00:00.000Z</LastModified><ETag>&quot;01010101010101010101010101010101&quot;</ETag><Size>1</Size><ChecksumSHA256>AQEB"));
    for (key, id) in [("other", &*wire), ("k", "0000000000000078"), ("k", "nonsense"), ("k", "")] {
        assert_eq!(fixture.code(NativeOp::ListParts, key.as_bytes(), &[("uploadId", id)]), ErrorCode::NoSuchUpload);
    }
}

fn parameters(pairs: &[(&str, &str)]) -> Query {
    Query(pairs.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect())
}

#[test]
fn counts_are_read_clamped_or_refused() {
    let limit = |text: &str| page_limit(&parameters(&[("max-keys", text)]), "max-keys").map_err(|e| e.code());
    assert_eq!(page_limit(&Query::default(), "max-keys").ok(), Some(PAGE_KEYS));
    for (text, want) in
        [("", 1000), ("0", 0), ("1", 1), ("999", 999), ("1000", 1000), ("1001", 1000), ("2147483647", 1000)]
    {
        assert_eq!(limit(text), Ok(want), "{text}");
    }
    for text in ["-1", "blah", "1.5", "+1", " 1", "2147483648", "99999999999999999999999", "１"] {
        assert_eq!(limit(text), Err(ErrorCode::InvalidArgument), "{text}");
    }
}

#[test]
fn only_url_is_an_encoding() {
    let read =
        |value| Params::read(&parameters(&[("encoding-type", value)]), "max-keys").map(|p| p.url).map_err(|e| e.code());
    assert_eq!(read("url"), Ok(true));
    assert_eq!(read("base64"), Err(ErrorCode::InvalidArgument));
}

#[test]
fn url_encoding_leaves_only_what_is_safe() {
    let mut out = Vec::new();
    push_url_encoded(&mut out, "foo+1/quux ab-_.~*(3)<&\"é\u{1}%".as_bytes());
    assert_eq!(String::from_utf8_lossy(&out), "foo%2B1/quux%20ab-_.~*%283%29%3C%26%22%C3%A9%01%25");
}
