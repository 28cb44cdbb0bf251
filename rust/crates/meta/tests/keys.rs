//! Keys: golden bytes shared with Python, order, ranges, hostile rows.

use panthera_base::{BucketId, Ordinal, TenantId, Timestamp, UserId, limits};
use panthera_meta::{KEY_LIMIT, keys};
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::Value;

fn vectors(name: &str) -> Vec<Value> {
    let path = format!("{}/../../../tests/vectors/records/{name}.json", env!("CARGO_MANIFEST_DIR"));
    match serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap() {
        Value::Array(cases) => cases,
        other => panic!("{path}: {other}"),
    }
}

fn unhex(text: &Value) -> Vec<u8> {
    let text = text.as_str().unwrap();
    (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect()
}

fn principal(number: u64) -> keys::PrincipalOf {
    use keys::PrincipalOf::{Group, Role, User};
    *[User, Group, Role].iter().find(|of| **of as u64 == number).unwrap()
}

#[test]
fn golden_keys() {
    for case in vectors("keys") {
        let arguments = case["arguments"].as_array().unwrap();
        let bytes = |i: usize| unhex(&arguments[i]["hex"]);
        let number = |i: usize| arguments[i].as_u64().unwrap();
        let text = |i: usize| arguments[i].as_str().unwrap();
        let bucket = || BucketId(number(0) as u32);
        let tenant = || TenantId(number(0) as u32);
        let built = match case["builder"].as_str().unwrap() {
            "store" => keys::store(text(0)),
            "tenant" => keys::tenant(tenant()),
            "tenant_name" => keys::tenant_name(&bytes(0)),
            "user" => keys::user(UserId(number(0) as u32)),
            "user_name" => keys::user_name(tenant(), &bytes(1)),
            "credential" => keys::credential(&bytes(0)),
            "identity" => keys::identity(tenant(), principal(number(1)), number(2) as u32),
            "managed_policy" => keys::managed_policy(tenant(), &bytes(1)),
            "attachment" => {
                let as_what = [keys::AttachedAs::Policy, keys::AttachedAs::Boundary][number(2) as usize];
                keys::attachment(tenant(), &bytes(1), as_what, principal(number(3)), number(4) as u32)
            }
            "canonical_id" => keys::canonical_id(bytes(0).first_chunk().unwrap()),
            "email" => keys::email(&bytes(0), UserId(number(1) as u32)),
            "bucket" => keys::bucket(&bytes(0)),
            "tenant_bucket" => keys::tenant_bucket(tenant(), &bytes(1)),
            "fence" => keys::fence(bucket()),
            "document" => keys::document(bucket(), text(1)),
            "tally" => keys::tally(bucket(), keys::TallyOf::Parts),
            "object" => keys::object(bucket(), &bytes(1)),
            "version" => keys::version(bucket(), &bytes(1), Ordinal(number(2))),
            "null_version" => keys::null_version(bucket(), &bytes(1)),
            "upload" => keys::upload(bucket(), &bytes(1), Ordinal(number(2))),
            "upload_through" => keys::upload_through(
                bucket(),
                number(1) as u32,
                TenantId(number(2) as u32),
                &bytes(3),
                Ordinal(number(4)),
            ),
            "part" => keys::part(bucket(), Ordinal(number(1)), number(2) as u16),
            "share" => keys::share(tenant(), number(1) as u32),
            "share_secret" => keys::share_secret(&bytes(0).try_into().unwrap()),
            "downloads" => keys::downloads(tenant(), number(1) as u32),
            "mount" => keys::mount(bucket(), &bytes(1)),
            "audit" => keys::audit(tenant(), Timestamp(number(1)), number(2)),
            other => panic!("{other}: a builder Rust does not have"),
        };
        assert_eq!(built, unhex(&case["hex"]), "{}", case["name"]);
    }
}

/// Keys made of the bytes that escaping is about.
fn key() -> impl Strategy<Value = Vec<u8>> {
    vec(prop_oneof![Just(0u8), Just(1u8), Just(0xFE), Just(0xFF), Just(b'a'), Just(b'/')], 0..6)
}

proptest! {
    #[test]
    fn escaping_keeps_order_and_is_undone(a in key(), b in key(), rest in key()) {
        let escaped = |key: &[u8]| {
            let mut out = Vec::new();
            keys::escape(key, &mut out);
            out
        };
        prop_assert_eq!(escaped(&a).cmp(&escaped(&b)), a.cmp(&b));
        let followed = [escaped(&a), rest.clone()].concat();
        prop_assert_eq!(keys::unescape(&followed), Some((a, &rest[..])));
    }

    #[test]
    fn rows_are_ordered_by_key_and_then_by_time(a in key(), b in key(), x: u64, y: u64) {
        let bucket = BucketId(1);
        let version = |k: &[u8], n| keys::version(bucket, k, Ordinal(n));
        let upload = |k: &[u8], n| keys::upload(bucket, k, Ordinal(n));
        prop_assert_eq!(version(&a, x).cmp(&version(&b, y)), a.cmp(&b).then(y.cmp(&x)), "versions: newest first");
        prop_assert_eq!(upload(&a, x).cmp(&upload(&b, y)), a.cmp(&b).then(x.cmp(&y)), "uploads: oldest first");
        let through = |k: &[u8], n| keys::upload_through(bucket, 1, TenantId(2), k, Ordinal(n));
        prop_assert_eq!(through(&a, x).cmp(&through(&b, y)), upload(&a, x).cmp(&upload(&b, y)), "as the uploads");
        prop_assert_eq!(keys::object(bucket, &a).cmp(&keys::object(bucket, &b)), a.cmp(&b));
    }

    #[test]
    fn rows_parse_to_what_they_were_built_from(id: u32, key in key(), n: u64, number: u16) {
        let (bucket, ordinal) = (BucketId(id), Ordinal(n));
        let (object, name) = (keys::object(bucket, &key), keys::bucket(&key));
        prop_assert_eq!(keys::parse_object(&object), Some((bucket, &key[..])));
        prop_assert_eq!(keys::parse_version(&keys::version(bucket, &key, ordinal)), Some((bucket, key.clone(), ordinal)));
        prop_assert_eq!(keys::parse_null_version(&keys::null_version(bucket, &key)), Some((bucket, key.clone())));
        prop_assert_eq!(keys::parse_upload(&keys::upload(bucket, &key, ordinal)), Some((bucket, key.clone(), ordinal)));
        prop_assert_eq!(keys::parse_part(&keys::part(bucket, ordinal, number)), Some((bucket, ordinal, number)));
        prop_assert_eq!(keys::parse_bucket(&name), Some(&key[..]));
        let tenant = TenantId(id);
        let listed = keys::tenant_bucket(tenant, &key);
        prop_assert_eq!(keys::parse_tenant_bucket(&listed), Some((tenant, &key[..])));
    }

    #[test]
    fn ranges_hold_exactly_their_rows(prefix in key(), key in key(), n: u64, other in 1u32..3) {
        let (mine, theirs) = (BucketId(1), BucketId(other));
        let inside = key.starts_with(&prefix) && mine == theirs;
        let object = keys::object(theirs, &key);
        prop_assert_eq!(keys::object_prefix_range(mine, &prefix).contains(&object), inside);
        prop_assert_eq!(keys::object_range(mine).contains(&object), mine == theirs);
        let version = keys::version(theirs, &key, Ordinal(n));
        prop_assert_eq!(keys::version_prefix_range(mine, &prefix).contains(&version), inside);
        prop_assert_eq!(keys::versions_of(mine, &prefix).contains(&version), prefix == key && mine == theirs);
        prop_assert_eq!(keys::version_range(mine).contains(&version), mine == theirs);
        let upload = keys::upload(theirs, &key, Ordinal(n));
        prop_assert_eq!(keys::upload_prefix_range(mine, &prefix).contains(&upload), inside);
        prop_assert_eq!(keys::uploads_of(mine, &prefix).contains(&upload), prefix == key && mine == theirs);
        for (share, tenant) in [(1, 2), (2, 1), (1, 1)] {
            let row = keys::upload_through(theirs, share, TenantId(tenant), &key, Ordinal(n));
            let range = keys::upload_through_prefix_range(mine, 1, TenantId(2), &prefix);
            prop_assert_eq!(range.contains(&row), inside && (share, tenant) == (1, 2));
        }
        let part = keys::part(theirs, Ordinal(n), 5);
        prop_assert!(keys::part_range(theirs, Ordinal(n)).contains(&part));
        prop_assert!(!keys::part_range(theirs, Ordinal(n ^ 1)).contains(&part));
    }

    #[test]
    fn successors_are_tight(prefix in key(), key in key()) {
        let after = keys::successor(&prefix);
        prop_assert_eq!((prefix.clone()..after).contains(&key), key.starts_with(&prefix));
        prop_assert!(key < keys::next_key(&key));
        prop_assert!(prefix <= key || keys::next_key(&key) <= prefix, "nothing is between a key and the next");
    }

    #[test]
    fn any_bytes_are_a_row_or_none(bytes in vec(any::<u8>(), 0..40), kind in prop::sample::select(&b"ovzupbBx"[..])) {
        let row = [&[kind][..], &bytes].concat();
        if let Some((bucket, key, ordinal)) = keys::parse_version(&row) {
            prop_assert_eq!(keys::version(bucket, &key, ordinal), row.clone());
        }
        if let Some((bucket, key, ordinal)) = keys::parse_upload(&row) {
            prop_assert_eq!(keys::upload(bucket, &key, ordinal), row.clone());
        }
        if let Some((bucket, key)) = keys::parse_null_version(&row) {
            prop_assert_eq!(keys::null_version(bucket, &key), row.clone());
        }
        if let Some((bucket, upload, number)) = keys::parse_part(&row) {
            prop_assert_eq!(keys::part(bucket, upload, number), row.clone());
        }
        keys::parse_object(&row);
        keys::parse_bucket(&row);
        keys::parse_tenant_bucket(&row);
    }
}

#[test]
fn the_longest_s3_key_fits_every_row() {
    let key = vec![b'k'; limits::KEY_BYTES];
    for row in [
        keys::object(BucketId(1), &key),
        keys::version(BucketId(1), &key, Ordinal(1)),
        keys::null_version(BucketId(1), &key),
        keys::upload(BucketId(1), &key, Ordinal(1)),
        keys::upload_through(BucketId(1), 1, TenantId(1), &key, Ordinal(1)),
    ] {
        assert!(row.len() <= KEY_LIMIT);
    }
    let end = keys::successor(&[0xFF, 0xFF]);
    assert!(end > vec![0xFF; KEY_LIMIT], "nothing that can be stored is above it");
    assert_eq!(keys::successor(&[b'a', 0xFF, 0xFF]), b"b");
    assert_eq!(keys::kind_range(keys::kind::OBJECT), b"o".to_vec()..b"p".to_vec());
}
