//! Records: golden bytes shared with Python, round trips, hostile bytes, the size of a common row.

use panthera_base::{BucketId, Ordinal, TenantId, Timestamp, UserId};
use panthera_meta::keys;
use panthera_meta::records::*;
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Value, json};

const KINDS: [&str; 15] = [
    "object",
    "upload",
    "part",
    "bucket",
    "fence",
    "tenant",
    "user",
    "credential",
    "identity",
    "managed_policy",
    "share",
    "share_pointer",
    "downloads",
    "mount",
    "audit",
];

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

fn hex(bytes: &[u8]) -> Value {
    Value::String(bytes.iter().map(|b| format!("{b:02x}")).collect())
}

fn some(bytes: &Option<Vec<u8>>) -> Value {
    bytes.as_deref().map_or(Value::Null, hex)
}

fn others(others: &OtherSections) -> Value {
    others.iter().map(|(tag, bytes)| json!([tag, hex(bytes)])).collect()
}

fn manifest(manifest: &Manifest) -> Value {
    let chunks: Vec<Value> = manifest.chunks.iter().map(|c| json!({"id": hex(&c.id), "len": c.len})).collect();
    json!({"chunks": chunks, "indirect": manifest.indirect})
}

fn object(o: &ObjectRecord) -> Value {
    let metadata: Vec<Value> = o.user_metadata.iter().map(|(n, v)| json!([hex(n), hex(v)])).collect();
    let checksums: Vec<Value> =
        o.checksums.iter().map(|c| json!({"algorithm": c.algorithm, "kind": c.kind, "value": hex(&c.value)})).collect();
    let parts: Vec<Value> = o
        .part_table
        .iter()
        .map(|p| json!({"number": p.number, "size": p.size, "checksum": hex(&p.checksum)}))
        .collect();
    json!({
        "size": o.size, "ordinal": o.ordinal.0, "owner": o.owner.0, "etag": hex(&o.etag), "parts": o.parts,
        "manifest": manifest(&o.manifest), "null_version": o.null_version, "delete_marker": o.delete_marker,
        "multipart_etag": o.multipart_etag, "storage_class": o.storage_class, "content_type": hex(&o.content_type),
        "cache_control": some(&o.cache_control), "content_disposition": some(&o.content_disposition),
        "content_encoding": some(&o.content_encoding), "content_language": some(&o.content_language),
        "expires": some(&o.expires), "website_redirect": some(&o.website_redirect), "user_metadata": metadata,
        "tags": o.tags.iter().map(|(k, v)| json!([k, v])).collect::<Value>(), "checksums": checksums,
        "part_table": parts, "acl": some(&o.acl), "others": others(&o.others),
    })
}

/// The record as the JSON of the vectors, and encoded again.
fn read(kind: &str, bytes: &[u8]) -> Result<(Value, Vec<u8>), RecordError> {
    Ok(match kind {
        "object" => {
            let r = ObjectRecord::decode(bytes)?;
            (object(&r), r.encode())
        }
        "upload" => {
            let r = UploadRecord::decode(bytes)?;
            let fields = json!({"object": object(&r.object), "checksum_algorithm": r.checksum_algorithm,
                "checksum_kind": r.checksum_kind, "initiator": r.initiator.map(|user| user.0),
                "through": r.through.map(|by| [by.share, by.tenant.0, by.user.0])});
            (fields, r.encode())
        }
        "part" => {
            let r = PartRecord::decode(bytes)?;
            let fields = json!({"size": r.size, "ordinal": r.ordinal.0, "md5": hex(&r.md5),
                "manifest": manifest(&r.manifest), "checksum_algorithm": r.checksum_algorithm,
                "checksum": hex(&r.checksum)});
            (fields, r.encode())
        }
        "bucket" => {
            let r = BucketRecord::decode(bytes)?;
            let fields = json!({"id": r.id.0, "tenant": r.tenant.0, "owner": r.owner.0, "created_us": r.created.0,
                "versioning": r.versioning as u8, "object_lock": r.object_lock, "generation": r.generation,
                "region": r.region, "policy": some(&r.policy),
                "public_access_block": r.public_access_block.map(PublicAccessBlock::bits),
                "ownership": r.ownership as u8, "acl": some(&r.acl), "listing": r.listing as u8, "mounts": r.mounts,
                "others": others(&r.others)});
            (fields, r.encode())
        }
        "fence" => {
            let r = FenceRecord::decode(bytes)?;
            let fields = json!({"versioning": r.versioning as u8, "object_lock": r.object_lock,
                "generation": r.generation});
            (fields, r.encode())
        }
        "tenant" => {
            let r = TenantRecord::decode(bytes)?;
            let fields = json!({"id": r.id.0, "created_us": r.created.0, "domain_key": hex(&r.domain_key),
                "name": r.name, "disabled": r.disabled, "others": others(&r.others)});
            (fields, r.encode())
        }
        "user" => {
            let r = UserRecord::decode(bytes)?;
            let fields = json!({"id": r.id.0, "tenant": r.tenant.0, "created_us": r.created.0,
                "canonical_id": hex(&r.canonical_id), "name": r.name, "display_name": r.display_name,
                "email": r.email, "disabled": r.disabled, "tenant_admin": r.tenant_admin, "root": r.root,
                "others": others(&r.others)});
            (fields, r.encode())
        }
        "credential" => {
            let r = CredentialRecord::decode(bytes)?;
            let fields = json!({"tenant": r.tenant.0, "user": r.user.0, "created_us": r.created.0,
                "canonical_id": hex(&r.canonical_id), "secret_key": hex(&r.secret_key),
                "expires_us": r.expires.unwrap_or_default().0, "display_name": r.display_name,
                "disabled": r.disabled, "tenant_admin": r.tenant_admin, "root": r.root,
                "session_token": some(&r.session_token), "session_policy": some(&r.session_policy),
                "others": others(&r.others)});
            (fields, r.encode())
        }
        other => return read_policies(other, bytes),
    })
}

/// The same for identities and managed policies.
fn read_policies(kind: &str, bytes: &[u8]) -> Result<(Value, Vec<u8>), RecordError> {
    Ok(match kind {
        "identity" => {
            let r = IdentityRecord::decode(bytes)?;
            let inline =
                |p: &InlinePolicy| json!({"name": p.name, "document": hex(&p.document), "compiled": hex(&p.compiled)});
            let fields = json!({"changed_us": r.changed.0, "attached": r.attached,
                "inline": r.inline.iter().map(inline).collect::<Value>(), "boundary": r.boundary,
                "tags": r.tags.iter().map(|(k, v)| json!([k, v])).collect::<Value>(),
                "trust_policy": some(&r.trust_policy), "others": others(&r.others)});
            (fields, r.encode())
        }
        "managed_policy" => {
            let r = ManagedPolicyRecord::decode(bytes)?;
            let fields = json!({"number": r.number, "created_us": r.created.0, "changed_us": r.changed.0,
                "document": hex(&r.document), "compiled": hex(&r.compiled), "description": r.description,
                "others": others(&r.others)});
            (fields, r.encode())
        }
        other => return read_sharing(other, bytes),
    })
}

/// The same for the rows of sharing.
fn read_sharing(kind: &str, bytes: &[u8]) -> Result<(Value, Vec<u8>), RecordError> {
    Ok(match kind {
        "share" => {
            let r = ShareRecord::decode(bytes)?;
            (share(&r), r.encode())
        }
        "share_pointer" => {
            let r = SharePointer::decode(bytes)?;
            (json!({"tenant": r.tenant.0, "share": r.share}), r.encode())
        }
        "downloads" => {
            let r = DownloadsRecord::decode(bytes)?;
            (json!({"count": r.count, "last_us": r.last.0}), r.encode())
        }
        "mount" => {
            let r = MountRecord::decode(bytes)?;
            let fields = json!({"tenant": r.tenant.0, "share": r.share, "creator": r.creator.0,
                "created_us": r.created.0});
            (fields, r.encode())
        }
        "audit" => {
            let r = AuditRecord::decode(bytes)?;
            let changes: Vec<Value> = r.changes.iter().map(|(key, value)| json!([hex(key), hex(value)])).collect();
            let fields = json!({"acting": r.acting, "kind": r.kind as u8, "outcome": r.outcome as u8, "reason": r.reason,
                "who": r.who, "revision": r.revision, "bucket": r.bucket, "request_id": r.request_id,
                "access_key": r.access_key, "source_ip": some(&r.source_ip), "action": r.action, "name": r.name,
                "key": some(&r.key), "changes": changes, "detail": r.detail, "others": others(&r.others)});
            (fields, r.encode())
        }
        other => panic!("{other}"),
    })
}

fn share(r: &ShareRecord) -> Value {
    let groups: Vec<Value> = r.groups.iter().map(|(tenant, group)| json!([tenant.0, group])).collect();
    let audience: Vec<&str> = r.audience.as_deref().unwrap_or_default().lines().collect();
    let password = r.password.as_ref();
    let password = password
        .map(|p| json!({"iterations": p.iterations, "salt": hex(&p.salt), "hash": hex(&p.hash)}))
        .unwrap_or_default();
    json!({"tenant": r.tenant.0, "share": r.share, "bucket": r.bucket.0, "creator": r.creator.0,
        "created_us": r.created.0, "secret_sha256": hex(&r.secret_sha256), "bucket_name": r.bucket_name,
        "path": hex(&r.path), "cap": r.cap.bits(), "revoked": r.revoked, "object": r.object, "bearer": r.bearer,
        "expires_us": r.expires.unwrap_or_default().0, "generation": r.generation,
        "downloads": r.downloads.unwrap_or_default(), "tenants": r.tenants.iter().map(|t| t.0).collect::<Vec<_>>(),
        "groups": groups, "password": password, "audience": audience, "others": others(&r.others)})
}

#[test]
fn golden_bytes_are_read_and_written() {
    for kind in KINDS {
        let cases = vectors(kind);
        assert!(!cases.is_empty());
        for case in cases {
            let bytes = unhex(&case["hex"]);
            let (fields, encoded) = read(kind, &bytes).unwrap();
            assert_eq!(fields, case["fields"], "{kind}: {}", case["name"]);
            assert_eq!(encoded, bytes, "{kind}: {}", case["name"]);
        }
    }
}

#[test]
fn golden_pointers() {
    for case in vectors("pointers") {
        let bytes = unhex(&case["hex"]);
        let argument = &case["arguments"][0];
        let number = || argument.as_u64().unwrap();
        match case["builder"].as_str().unwrap() {
            "encode_id" => {
                assert_eq!(encode_id(number() as u32), bytes);
                assert_eq!(decode_id(&bytes), Ok(number() as u32));
                assert!(decode_id(&bytes[..4]).is_err() && decode_id(&[&bytes[..], &[0]].concat()).is_err());
            }
            "encode_ordinal" => {
                assert_eq!(encode_ordinal(Ordinal(number())), bytes);
                assert_eq!(decode_ordinal(&bytes), Ok(Ordinal(number())));
                assert!(decode_ordinal(&bytes[..8]).is_err() && decode_ordinal(&[&bytes[..], &[0]].concat()).is_err());
            }
            "encode_document" => {
                assert_eq!(encode_document(&unhex(&argument["hex"])), bytes);
                assert_eq!(decode_document(&bytes), Ok(&unhex(&argument["hex"])[..]));
                assert!(decode_document(b"").is_err() && decode_document(b"\x02").is_err());
            }
            "encode_mark" => {
                assert_eq!(encode_mark(), bytes);
                assert_eq!(decode_mark(&bytes), Ok(()));
                assert!(decode_mark(b"").is_err() && decode_mark(b"\x01\x00").is_err());
            }
            "encode_format" => {
                assert_eq!(encode_format(number() as u32), bytes);
                assert_eq!(decode_format(&bytes), Ok(number() as u32));
                assert_eq!(number() as u32, STORE_FORMAT);
                assert!(decode_format(&bytes[..3]).is_err());
            }
            other => panic!("{other}"),
        }
    }
}

#[test]
fn content_types_keep_their_numbers() {
    let table: Vec<String> = vectors("content_types").iter().map(|c| c["name"].as_str().unwrap().to_owned()).collect();
    assert_eq!(table, content_type::names());
    for (number, name) in table.iter().enumerate() {
        assert_eq!(content_type::number(name.as_bytes()), Some(number as u8));
        assert_eq!(content_type::name(number as u8), Some(name.as_str()));
    }
    assert_eq!(content_type::name(content_type::LITERAL), None);
    assert_eq!(content_type::number(b"TEXT/PLAIN"), None, "what a client sent is kept as it was");
    assert_eq!(&*content_type::intern(b"x/y"), b"x/y");
}

#[test]
fn storage_classes_have_amazons_names() {
    for (number, name) in storage_class::NAMES.iter().enumerate() {
        assert_eq!(storage_class::number(name.as_bytes()), Some(number as u8));
        assert_eq!(storage_class::name(number as u8), Some(*name));
    }
    assert_eq!(storage_class::name(11), None);
    assert_eq!(storage_class::number(b"standard"), None);
}

#[test]
fn a_view_reads_what_a_record_holds() {
    for case in vectors("object") {
        let bytes = unhex(&case["hex"]);
        let record = ObjectRecord::decode(&bytes).unwrap();
        let view = ObjectView::new(&bytes).unwrap();
        assert_eq!(view.to_record().unwrap(), record);
        assert_eq!(view.chunks().len(), record.manifest.chunks.len());
        assert_eq!(view.content_type().unwrap(), &*record.content_type);
        assert_eq!(view.section(2).unwrap(), record.cache_control.as_deref());
        assert_eq!(view.section(99).unwrap(), None);
        assert_eq!(view.size(), u64::from_le_bytes(bytes[SIZE_FIELD..SIZE_FIELD + 8].try_into().unwrap()));
    }
}

#[test]
fn what_a_record_can_not_be_is_named() {
    let good =
        ObjectRecord { manifest: Manifest::direct(vec![ChunkRef { id: [1; 32], len: 1 }]), ..Default::default() };
    let good = good.encode();
    let changed = |offset: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[offset] = byte;
        ObjectRecord::decode(&bytes).unwrap_err()
    };
    assert_eq!(changed(0, 2).to_string(), "object record, offset 0: unknown version");
    assert_eq!(changed(1, 16).what, "unknown flag");
    assert_eq!(changed(2, 11).what, "unknown storage class");
    assert_eq!(changed(3, 254).what, "unknown content type");
    assert_eq!(changed(3, 255).what, "no literal content type");
    assert_eq!(changed(44, 2).what, "ends inside the manifest");
    assert_eq!(changed(47, 255).what, "ends inside the manifest");
    let with = |tail: &[u8]| ObjectRecord::decode(&[&good[..], tail].concat()).unwrap_err().what;
    assert_eq!(with(&[2]), "ends inside a section's head");
    assert_eq!(with(&[2, 9, 0, 0, 0, 1]), "ends inside a section");
    assert_eq!(with(&[2, 255, 255, 255, 255]), "ends inside a section");
    assert_eq!(with(&[3, 0, 0, 0, 0, 2, 0, 0, 0, 0]), "sections are not in ascending order");
    assert_eq!(with(&[3, 0, 0, 0, 0, 3, 0, 0, 0, 0]), "sections are not in ascending order");
    assert_eq!(with(&[16, 3, 0, 0, 0, 5, 0, b'a']), "ends inside an item of a section");
    assert_eq!(with(&[17, 5, 0, 0, 0, 1, 0, 0xFF, 0, 0]), "text is not UTF-8");
    let two_parts = [&[19, 22, 0, 0, 0][..], &[2; 2], &[0; 9], &[2; 2], &[0; 9]].concat();
    assert_eq!(with(&two_parts), "parts are not in ascending order");
    assert_eq!(UploadRecord::decode(&good).unwrap_err().what, "no checksum section");
    assert_eq!(ObjectView::new(&good[..47]).unwrap_err().what, "shorter than its fixed part");
    assert_eq!(Manifest::decode_entries(&[0; 37]).unwrap_err().what, "ends inside an entry");
    assert_eq!(Manifest::decode_entries(&[0; 72]).unwrap().len(), 2);
}

#[test]
fn lists_are_read_whole_or_not_at_all() {
    let grants = [
        Grant::full_control(UserId(66051)),
        Grant { grantee: Grantee::AllUsers, permissions: permission::READ },
        Grant { grantee: Grantee::AuthenticatedUsers, permissions: permission::READ_ACP | permission::WRITE_ACP },
        Grant { grantee: Grantee::LogDelivery, permissions: permission::WRITE },
    ];
    let bytes = encode_acl(&grants);
    assert_eq!(bytes[..9], [1, 4, 0, 0, 3, 2, 1, 0, 15]);
    assert_eq!(decode_acl(&bytes).unwrap().collect::<Vec<_>>(), grants);
    assert_eq!(decode_acl(&encode_acl(&[])).unwrap().len(), 0);
    let what = |bytes: &[u8]| decode_acl(bytes).err().map(|error| (error.offset, error.what));
    for end in 0..bytes.len() {
        assert!(what(&bytes[..end]).is_some(), "{end}");
    }
    assert_eq!(what(&[&bytes[..], &[0]].concat()), Some((1, "not as long as its count says")));
    let changed = |offset: usize, byte: u8| {
        let mut bytes = bytes.clone();
        bytes[offset] = byte;
        what(&bytes)
    };
    assert_eq!(changed(0, 2), Some((0, "unknown version")));
    assert_eq!(changed(3, 4), Some((3, "unknown grantee")));
    assert_eq!(changed(10, 1), Some((9, "unknown grantee")));
    assert_eq!(changed(8, 0), Some((3, "unknown permission")));
    assert_eq!(changed(8, 16), Some((3, "unknown permission")));
}

#[test]
fn ownership_is_one_of_two_numbers_or_not_there() {
    let with = |section: &[u8]| BucketRecord::decode(&[&BucketRecord::default().encode()[..], section].concat());
    assert_eq!(with(&[66, 1, 0, 0, 0, 1]).unwrap().ownership, Ownership::BucketOwnerPreferred);
    for bad in [&[66, 1, 0, 0, 0, 0][..], &[66, 1, 0, 0, 0, 3], &[66, 0, 0, 0, 0], &[66, 2, 0, 0, 0, 1, 1]] {
        assert_eq!(with(bad).unwrap_err().what, "unknown ownership");
    }
    let mut upload = UploadRecord { initiator: Some(UserId(9)), ..UploadRecord::default() };
    assert_eq!(UploadRecord::decode(&upload.encode()).unwrap().initiator(), UserId(9));
    upload.object.others.push((33, vec![1]));
    upload.initiator = None;
    assert_eq!(UploadRecord::decode(&upload.encode()).unwrap().initiator(), UserId(0));
    let object = ObjectRecord { others: vec![(32, vec![0, 0]), (33, vec![1])], ..ObjectRecord::default() };
    assert_eq!(UploadRecord::decode(&object.encode()).unwrap_err().what, "initiator section is not 4 bytes");
    for len in [0, 4, 11, 13, 16] {
        let object = ObjectRecord { others: vec![(32, vec![0, 0]), (34, vec![1; len])], ..ObjectRecord::default() };
        assert_eq!(UploadRecord::decode(&object.encode()).unwrap_err().what, "share section is not 12 bytes");
    }
}

#[test]
fn a_listing_mode_is_strict_or_not_there() {
    let with = |section: &[u8]| BucketRecord::decode(&[&BucketRecord::default().encode()[..], section].concat());
    assert_eq!(with(&[68, 1, 0, 0, 0, 1]).unwrap().listing, ListingMode::Strict);
    for bad in [&[68, 0, 0, 0, 0][..], &[68, 1, 0, 0, 0, 0], &[68, 1, 0, 0, 0, 2], &[68, 2, 0, 0, 0, 1, 1]] {
        assert_eq!(with(bad).unwrap_err().what, "unknown listing mode");
    }
}

#[test]
fn a_common_row_is_small() {
    let key = keys::object(BucketId(1), &[b'k'; 50]);
    let mut record = ObjectRecord {
        size: 4096,
        ordinal: Ordinal(1_795_000_000_000_000),
        owner: UserId(1),
        manifest: Manifest::direct(vec![ChunkRef { id: [7; 32], len: 4096 }]),
        content_type: content_type::intern(b"image/jpeg"),
        ..Default::default()
    };
    let row_bytes = |record: &ObjectRecord| key.len() + record.encode().len();
    assert_eq!(row_bytes(&record), 55 + 48 + 36);
    // What today's SDKs add without being asked: a CRC64NVME or CRC32, and often an mtime in the metadata.
    record.checksums = vec![Checksum { algorithm: 3, kind: Checksum::FULL_OBJECT, value: vec![1; 8] }];
    record.user_metadata = vec![(b"mtime".to_vec(), b"1795000000.123456789".to_vec())];
    assert!(row_bytes(&record) <= 250, "{}", row_bytes(&record));
}

#[test]
fn secrets_are_not_shown() {
    let credential = CredentialRecord {
        secret_key: b"hush".to_vec(),
        session_token: Some(b"hush".to_vec()),
        tenant: TenantId(7),
        created: Timestamp(1),
        ..Default::default()
    };
    let hush = format!("{:?}", b"hush".to_vec());
    assert!(!format!("{credential:?}").contains(&hush));
    let tenant = TenantRecord { domain_key: [0xA5; 32], ..Default::default() };
    assert!(!format!("{tenant:?}").contains("165"));
    let password = Some(PasswordHash { iterations: 1, salt: [0xA5; 16], hash: [0xA5; 32] });
    let share = ShareRecord { secret_sha256: [0xA5; 32], password, ..Default::default() };
    assert!(!format!("{share:?} {:?}", share.password).contains("165"));
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 0..30)
}

fn chunk_refs() -> impl Strategy<Value = Manifest> {
    let chunk = (any::<[u8; 32]>(), any::<u32>()).prop_map(|(id, len)| ChunkRef { id, len });
    (any::<bool>(), vec(chunk, 0..4)).prop_map(|(indirect, chunks)| Manifest { indirect, chunks })
}

fn headers() -> impl Strategy<Value = [Option<Vec<u8>>; 6]> {
    let header = || prop::option::of(bytes());
    [header(), header(), header(), header(), header(), header()]
}

type Lists = (Vec<(Vec<u8>, Vec<u8>)>, Vec<(String, String)>, Vec<Checksum>, Vec<PartEntry>);

fn lists() -> impl Strategy<Value = Lists> {
    let checksum = (any::<u8>(), any::<u8>(), bytes());
    let checksum = checksum.prop_map(|(algorithm, kind, value)| Checksum { algorithm, kind, value });
    let parts = prop::collection::btree_map(any::<u16>(), (any::<u64>(), bytes()), 0..4).prop_map(|parts| {
        parts.into_iter().map(|(number, (size, checksum))| PartEntry { number, size, checksum }).collect()
    });
    (vec((bytes(), bytes()), 0..4), vec((".{0,9}", ".{0,9}"), 0..4), vec(checksum, 0..3), parts)
}

fn objects() -> impl Strategy<Value = ObjectRecord> {
    let known = prop::sample::select(content_type::names()).prop_map(|n| n.as_bytes().to_vec());
    let content_type = prop_oneof![known, bytes()];
    let unknown = (prop::option::of(bytes()), prop::collection::btree_map(64u8.., bytes(), 0..3));
    let header = (any::<[bool; 3]>(), 0u8..11, any::<(u32, u64, u64, [u8; 16], u32)>());
    (header, content_type, chunk_refs(), headers(), lists(), unknown).prop_map(
        |((flags, storage_class, numbers), content_type, manifest, headers, lists, (acl, unknown))| {
            let [cache_control, content_disposition, content_encoding, content_language, expires, website_redirect] =
                headers;
            let (user_metadata, tags, checksums, part_table) = lists;
            let (owner, size, ordinal, etag, parts) = numbers;
            ObjectRecord {
                null_version: flags[0],
                delete_marker: flags[1],
                multipart_etag: flags[2],
                storage_class,
                content_type: content_type.into(),
                owner: UserId(owner),
                size,
                ordinal: Ordinal(ordinal),
                etag,
                parts,
                manifest,
                cache_control,
                content_disposition,
                content_encoding,
                content_language,
                expires,
                website_redirect,
                user_metadata,
                tags,
                checksums,
                part_table,
                acl,
                others: unknown.into_iter().collect(),
            }
        },
    )
}

proptest! {
    #[test]
    fn object_records_round_trip(record in objects()) {
        let bytes = record.encode();
        prop_assert_eq!(ObjectRecord::decode(&bytes), Ok(record));
    }

    #[test]
    fn upload_records_round_trip(
        mut object in objects(),
        checksum: (u8, u8),
        by: Option<u32>,
        through: Option<(u32, u32, u32)>,
    ) {
        object.manifest.chunks.clear();
        let (checksum_algorithm, checksum_kind) = checksum;
        let through =
            through.map(|(share, tenant, user)| ThroughShare { share, tenant: TenantId(tenant), user: UserId(user) });
        let record = UploadRecord { object, initiator: by.map(UserId), through, checksum_algorithm, checksum_kind };
        prop_assert_eq!(UploadRecord::decode(&record.encode()), Ok(record));
    }

    #[test]
    fn part_records_round_trip(
        manifest in chunk_refs(),
        numbers: (u64, u64, [u8; 16], u8),
        checksum in bytes(),
    ) {
        let (size, ordinal, md5, checksum_algorithm) = numbers;
        let record = PartRecord { manifest, size, ordinal: Ordinal(ordinal), md5, checksum_algorithm, checksum };
        let bytes = record.encode();
        prop_assert_eq!(PartView::new(&bytes).map(|v| v.chunks().collect::<Vec<_>>()), Ok(record.manifest.chunks.clone()));
        prop_assert_eq!(PartRecord::decode(&bytes), Ok(record));
    }

    #[test]
    fn random_bytes_are_a_record_or_an_error(kind in prop::sample::select(&KINDS[..]), tail in vec(any::<u8>(), 0..300)) {
        let bytes = [&[1][..], &tail].concat();
        if let Ok((fields, encoded)) = read(kind, &bytes) {
            prop_assert_eq!(read(kind, &encoded).map(|(fields, _)| fields), Ok(fields));
        }
    }

    #[test]
    fn damaged_golden_bytes_are_a_record_or_an_error(
        kind in prop::sample::select(&KINDS[..]),
        which: prop::sample::Index,
        damage in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let cases = vectors(kind);
        let mut bytes = unhex(&cases[which.index(cases.len())]["hex"]);
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        if let Ok((fields, encoded)) = read(kind, &bytes) {
            prop_assert_eq!(read(kind, &encoded).map(|(fields, _)| fields), Ok(fields));
        }
    }
}
