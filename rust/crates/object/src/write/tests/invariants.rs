//! The invariants of FORMAT.md, checked over every row of a metastore.

use std::collections::BTreeMap;

use panthera_base::{BucketId, Ordinal};
use panthera_meta::keys::{self, TallyOf, kind};
use panthera_meta::records::{ObjectView, PartView, UploadRecord, decode_ordinal};
use panthera_meta::{Metastore, Step};
use panthera_volume::ChunkId;

use crate::scene::{BUCKET, Scene};

/// Rows of one kind: key and value.
type Rows = Vec<(Vec<u8>, Vec<u8>)>;

fn rows(meta: &dyn Metastore, kind: u8) -> Rows {
    let range = keys::kind_range(kind);
    let mut found = Rows::new();
    let mut visit = |key: &[u8], value: &[u8]| {
        found.push((key.to_vec(), value.to_vec()));
        Step::Next
    };
    meta.snapshot().expect("a snapshot").scan(&range.start..&range.end, &mut visit).expect("a scan");
    found
}

fn tally(meta: &dyn Metastore, of: TallyOf) -> (i64, i64) {
    let snapshot = meta.snapshot().expect("a snapshot");
    match snapshot.get(&keys::tally(BUCKET, of)).expect("a read") {
        Some(row) => {
            let number = |at: usize| row[at..].first_chunk().map_or(0, |bytes| i64::from_le_bytes(*bytes));
            (number(0), number(8))
        }
        None => (0, 0),
    }
}

fn sum(sizes: impl Iterator<Item = u64>) -> (i64, i64) {
    sizes.fold((0, 0), |(count, sum), size| (count + 1, sum + size as i64))
}

/// Panics when an invariant does not hold.
pub(crate) fn check(scene: &Scene) {
    let meta = &*scene.meta;
    let view_size = |value: &[u8]| ObjectView::new(value).expect("an object record").size();
    let objects = rows(meta, kind::OBJECT);
    let versions = rows(meta, kind::VERSION);
    let parts = rows(meta, kind::PART);
    assert_eq!(tally(meta, TallyOf::Objects), sum(objects.iter().map(|(_, v)| view_size(v))), "objects");
    assert_eq!(tally(meta, TallyOf::Versions), sum(versions.iter().map(|(_, v)| view_size(v))), "versions");
    let part_size = |value: &[u8]| PartView::new(value).expect("a part record").size;
    assert_eq!(tally(meta, TallyOf::Parts), sum(parts.iter().map(|(_, v)| part_size(v))), "parts");
    check_histories(meta, &objects, &versions);
    let (mut uploads, mut through) = (Vec::<Ordinal>::new(), Vec::new());
    for (key, value) in rows(meta, kind::UPLOAD) {
        let record = UploadRecord::decode(&value).expect("an upload record");
        let (bucket, key, ordinal) = keys::parse_upload(&key).expect("an upload key");
        through.extend(record.through.map(|way| keys::upload_through(bucket, way.share, way.tenant, &key, ordinal)));
        uploads.push(ordinal);
    }
    through.sort();
    let finders: Vec<_> = rows(meta, kind::UPLOAD_THROUGH).into_iter().map(|(key, _)| key).collect();
    assert_eq!(finders, through, "what came through a mount is found behind it");
    for (key, _) in &parts {
        let (_, upload, _) = keys::parse_part(key).expect("a part key");
        assert!(uploads.contains(&upload), "a part has its upload");
    }
    for (_, value) in objects.iter().chain(&versions) {
        for chunk in ObjectView::new(value).expect("an object record").chunks() {
            let id = ChunkId(chunk.id);
            assert!(scene.volumes.read(&id, chunk.len, 0..chunk.len).is_ok(), "every named chunk can be read");
        }
    }
}

fn check_histories(meta: &dyn Metastore, objects: &Rows, versions: &Rows) {
    let mut newest: BTreeMap<(BucketId, Vec<u8>), (Ordinal, bool)> = BTreeMap::new();
    let mut nulls: BTreeMap<(BucketId, Vec<u8>), Vec<Ordinal>> = BTreeMap::new();
    for (key, value) in versions {
        let (bucket, name, ordinal) = keys::parse_version(key).expect("a version key");
        let view = ObjectView::new(value).expect("an object record");
        assert_eq!(view.ordinal(), ordinal, "key and record agree");
        newest.entry((bucket, name.clone())).or_insert((ordinal, view.delete_marker()));
        if view.null_version() {
            nulls.entry((bucket, name)).or_default().push(ordinal);
        }
    }
    let mut current = BTreeMap::new();
    for (key, value) in objects {
        let (bucket, name) = keys::parse_object(key).expect("an object key");
        let view = ObjectView::new(value).expect("an object record");
        assert!(!view.delete_marker(), "no marker among the objects");
        let place = (bucket, name.to_vec());
        if let Some((ordinal, _)) = newest.get(&place) {
            assert!(*ordinal < view.ordinal(), "the current version is the newest");
        }
        assert!(!view.null_version() || !nulls.contains_key(&place), "one null version");
        current.insert(place, view.ordinal());
    }
    for (place, (_, marker)) in &newest {
        assert!(current.contains_key(place) || *marker, "without an object the newest is a marker");
    }
    let mut pointers = BTreeMap::new();
    for (key, value) in rows(meta, kind::NULL_VERSION) {
        let place = keys::parse_null_version(&key).expect("a null version key");
        pointers.insert(place, vec![decode_ordinal(&value).expect("a null version")]);
    }
    assert_eq!(pointers, nulls, "z rows point to the null versions among the v rows");
}
