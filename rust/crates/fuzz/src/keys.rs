//! Row keys: escapes that keep order, parsers that accept only what the builders build.

use panthera_base::{BucketId, Ordinal};
use panthera_meta::keys;

use crate::tape::Tape;

fn escaped(key: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    keys::escape(key, &mut out);
    out
}

/// Two keys and numbers to build rows of; the whole input as a row.
pub fn run(data: &[u8]) {
    parse(data);
    let mut tape = Tape::new(data);
    let (bucket, other, ordinal) = (BucketId(tape.u32()), BucketId(tape.u32()), Ordinal(tape.u64()));
    let (a, b) = (tape.bytes(), tape.rest());
    assert_eq!(escaped(a).cmp(&escaped(b)), a.cmp(b), "escaping changes the order");
    let tail = [&escaped(a)[..], b].concat();
    assert_eq!(keys::unescape(&tail), Some((a.to_vec(), b)));
    let rows = [keys::version(bucket, a, ordinal), keys::upload(bucket, a, ordinal), keys::object(bucket, a)];
    assert_eq!(keys::parse_version(&rows[0]), Some((bucket, a.to_vec(), ordinal)));
    assert_eq!(keys::parse_upload(&rows[1]), Some((bucket, a.to_vec(), ordinal)));
    assert_eq!(keys::parse_object(&rows[2]), Some((bucket, a)));
    let inside = |range: std::ops::Range<Vec<u8>>, row: &Vec<u8>| range.contains(row);
    let prefixed = a.starts_with(b);
    assert_eq!(inside(keys::version_prefix_range(bucket, b), &rows[0]), prefixed, "versions by prefix");
    assert_eq!(inside(keys::upload_prefix_range(bucket, b), &rows[1]), prefixed, "uploads by prefix");
    assert_eq!(inside(keys::object_prefix_range(bucket, b), &rows[2]), prefixed, "objects by prefix");
    assert_eq!(inside(keys::versions_of(bucket, b), &rows[0]), a == b, "versions of a key");
    assert_eq!(inside(keys::uploads_of(bucket, b), &rows[1]), a == b, "uploads of a key");
    for (range, row) in [
        (keys::version_range(other), &rows[0]),
        (keys::upload_range(other), &rows[1]),
        (keys::object_range(other), &rows[2]),
    ] {
        assert_eq!(inside(range, row), bucket == other, "rows of another bucket");
    }
    assert!(keys::next_key(a)[..] > *a && keys::next_key(a)[..] <= [a, &[0]].concat()[..]);
    let text = String::from_utf8_lossy(b);
    if let Some(ordinal) = Ordinal::from_wire(&text) {
        assert_eq!(ordinal.to_wire(), text);
    }
    assert_eq!(Ordinal::from_wire(&ordinal.to_wire()), Some(ordinal));
}

/// What parses is what the builder builds.
fn parse(row: &[u8]) {
    if let Some((bucket, key)) = keys::parse_object(row) {
        assert_eq!(keys::object(bucket, key), row);
    }
    if let Some((bucket, key, ordinal)) = keys::parse_version(row) {
        assert_eq!(keys::version(bucket, &key, ordinal), row);
    }
    if let Some((bucket, key)) = keys::parse_null_version(row) {
        assert_eq!(keys::null_version(bucket, &key), row);
    }
    if let Some((bucket, key, ordinal)) = keys::parse_upload(row) {
        assert_eq!(keys::upload(bucket, &key, ordinal), row);
    }
    if let Some((bucket, upload, number)) = keys::parse_part(row) {
        assert_eq!(keys::part(bucket, upload, number), row);
    }
    if let Some(name) = keys::parse_bucket(row) {
        assert_eq!(keys::bucket(name), row);
    }
    if let Some((tenant, name)) = keys::parse_tenant_bucket(row) {
        assert_eq!(keys::tenant_bucket(tenant, name), row);
    }
    if let Some((key, rest)) = keys::unescape(row) {
        assert_eq!([&escaped(&key)[..], rest].concat(), row);
    }
}
