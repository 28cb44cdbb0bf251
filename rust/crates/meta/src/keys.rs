//! Builders and parsers of every row key of FORMAT.md, and the ranges that listings and deletions walk.
//!
//! Belongs here: bytes of keys, and nothing about values. Numbers are big-endian so that memcmp order is number order.
//! A key that embeds an object key and goes on after it escapes the object key ([`escape`]), which keeps byte order.

use std::ffi::CStr;
use std::ops::Range;

use panthera_base::{BucketId, Ordinal, TenantId, Timestamp, UserId};

use crate::contract::KEY_LIMIT;

/// The first byte of every key: what kind of row it is.
pub mod kind {
    #![allow(missing_docs)]
    pub const STORE: u8 = b'm';
    pub const TENANT: u8 = b'T';
    pub const TENANT_NAME: u8 = b'n';
    pub const USER: u8 = b'U';
    pub const USER_NAME: u8 = b'N';
    pub const CREDENTIAL: u8 = b'k';
    pub const IDENTITY: u8 = b'i';
    pub const MANAGED_POLICY: u8 = b'P';
    pub const ATTACHMENT: u8 = b'a';
    pub const CANONICAL_ID: u8 = b'C';
    pub const EMAIL: u8 = b'@';
    pub const BUCKET: u8 = b'b';
    pub const TENANT_BUCKET: u8 = b'B';
    pub const FENCE: u8 = b'f';
    pub const DOCUMENT: u8 = b'c';
    pub const TALLY: u8 = b't';
    pub const OBJECT: u8 = b'o';
    pub const VERSION: u8 = b'v';
    pub const NULL_VERSION: u8 = b'z';
    pub const UPLOAD: u8 = b'u';
    pub const UPLOAD_THROUGH: u8 = b'w';
    pub const PART: u8 = b'p';
    pub const AUDIT: u8 = b'j';
    pub const SHARE: u8 = b's';
    pub const SHARE_SECRET: u8 = b'h';
    pub const DOWNLOADS: u8 = b'd';
    pub const MOUNT: u8 = b'M';
}

/// Whose an identity row is. The numbers are those of grantees in relations.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
pub enum PrincipalOf {
    /// A user.
    User = 4,
    /// A group.
    Group = 6,
    /// A role.
    Role = 7,
}

/// What a managed policy is to the principal of an attachment row.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
pub enum AttachedAs {
    /// One of its policies.
    Policy = 0,
    /// Its boundary.
    Boundary = 1,
}

/// What a tally row of a bucket counts.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
pub enum TallyOf {
    /// `o` rows.
    Objects = 0,
    /// `v` rows: noncurrent versions and delete markers.
    Versions = 1,
    /// `p` rows: parts of open uploads.
    Parts = 2,
}

/// `m | name`: facts of the whole store (`format`, `epoch`, `next/bucket` …).
pub fn store(name: &str) -> Vec<u8> {
    join(kind::STORE, &[name.as_bytes()])
}

/// `m | audit/TENANT`: how large a tenant's audit log is.
pub fn audit_size(tenant: TenantId) -> Vec<u8> {
    store(&format!("{AUDIT_SIZES}{}", tenant.0))
}

/// All rows of [`audit_size`].
pub fn audit_sizes() -> Range<Vec<u8>> {
    prefix_range(store(AUDIT_SIZES))
}

/// The tenant of an [`audit_size`] row.
pub fn parse_audit_size(row: &[u8]) -> Option<TenantId> {
    let number = std::str::from_utf8(row).ok()?.strip_prefix(char::from(kind::STORE))?.strip_prefix(AUDIT_SIZES)?;
    number.parse().ok().map(TenantId)
}

const AUDIT_SIZES: &str = "audit/";

/// `T | tenant`.
pub fn tenant(id: TenantId) -> Vec<u8> {
    join(kind::TENANT, &[&id.0.to_be_bytes()])
}

/// `n | name`: the tenant of a name.
pub fn tenant_name(name: &[u8]) -> Vec<u8> {
    join(kind::TENANT_NAME, &[name])
}

/// `U | user`.
pub fn user(id: UserId) -> Vec<u8> {
    join(kind::USER, &[&id.0.to_be_bytes()])
}

/// `N | tenant | name`: the user of a name.
pub fn user_name(tenant: TenantId, name: &[u8]) -> Vec<u8> {
    join(kind::USER_NAME, &[&tenant.0.to_be_bytes(), name])
}

/// `k | access key id`.
pub fn credential(access_key_id: &[u8]) -> Vec<u8> {
    join(kind::CREDENTIAL, &[access_key_id])
}

/// `i | tenant | whose | number`: what hangs on a user, group or role.
pub fn identity(tenant: TenantId, of: PrincipalOf, number: u32) -> Vec<u8> {
    join(kind::IDENTITY, &[&tenant.0.to_be_bytes(), &[of as u8], &number.to_be_bytes()])
}

/// `P | tenant | name`.
pub fn managed_policy(tenant: TenantId, name: &[u8]) -> Vec<u8> {
    join(kind::MANAGED_POLICY, &[&tenant.0.to_be_bytes(), name])
}

/// `a | tenant | esc(policy name) | as what | whose | number`: who has a managed policy.
pub fn attachment(tenant: TenantId, name: &[u8], as_what: AttachedAs, of: PrincipalOf, number: u32) -> Vec<u8> {
    let mut out = join(kind::ATTACHMENT, &[&tenant.0.to_be_bytes()]);
    escape(name, &mut out);
    out.extend_from_slice(&[as_what as u8, of as u8]);
    out.extend_from_slice(&number.to_be_bytes());
    out
}

/// `C | canonical id`: the user of a canonical id.
pub fn canonical_id(id: &[u8; 32]) -> Vec<u8> {
    join(kind::CANONICAL_ID, &[id])
}

/// `@ | esc(address in lower case) | user`: the users of an e-mail address.
pub fn email(address: &[u8], user: UserId) -> Vec<u8> {
    let mut out = emailed(address);
    out.extend_from_slice(&user.0.to_be_bytes());
    out
}

/// The users of an e-mail address.
pub fn email_range(address: &[u8]) -> Range<Vec<u8>> {
    prefix_range(emailed(address))
}

/// `b | name`.
pub fn bucket(name: &[u8]) -> Vec<u8> {
    join(kind::BUCKET, &[name])
}

/// `B | tenant | name`: the buckets of a tenant in name order.
pub fn tenant_bucket(tenant: TenantId, name: &[u8]) -> Vec<u8> {
    join(kind::TENANT_BUCKET, &[&tenant.0.to_be_bytes(), name])
}

/// `f | bucket`.
pub fn fence(bucket: BucketId) -> Vec<u8> {
    join(kind::FENCE, &[&bucket.0.to_be_bytes()])
}

/// `c | bucket | kind name`: a configuration document.
pub fn document(bucket: BucketId, name: &str) -> Vec<u8> {
    join(kind::DOCUMENT, &[&bucket.0.to_be_bytes(), name.as_bytes()])
}

/// `t | bucket | what`.
pub fn tally(bucket: BucketId, of: TallyOf) -> Vec<u8> {
    join(kind::TALLY, &[&bucket.0.to_be_bytes(), &[of as u8]])
}

/// `o | bucket | key`: the live current version.
pub fn object(bucket: BucketId, key: &[u8]) -> Vec<u8> {
    join(kind::OBJECT, &[&bucket.0.to_be_bytes(), key])
}

/// `v | bucket | esc(key) | !ordinal`: newest first.
pub fn version(bucket: BucketId, key: &[u8], ordinal: Ordinal) -> Vec<u8> {
    let mut out = escaped(kind::VERSION, bucket, key);
    out.extend_from_slice(&(!ordinal.0).to_be_bytes());
    out
}

/// `z | bucket | esc(key)`.
pub fn null_version(bucket: BucketId, key: &[u8]) -> Vec<u8> {
    escaped(kind::NULL_VERSION, bucket, key)
}

/// `u | bucket | esc(key) | ordinal`: oldest first, as ListMultipartUploads orders them.
pub fn upload(bucket: BucketId, key: &[u8], ordinal: Ordinal) -> Vec<u8> {
    let mut out = escaped(kind::UPLOAD, bucket, key);
    out.extend_from_slice(&ordinal.0.to_be_bytes());
    out
}

/// `w | bucket | share | bearer's tenant | esc(key) | ordinal`: finds an upload that came through a mount.
pub fn upload_through(bucket: BucketId, share: u32, tenant: TenantId, key: &[u8], ordinal: Ordinal) -> Vec<u8> {
    let mut out = through(bucket, share, tenant);
    escape(key, &mut out);
    out.extend_from_slice(&ordinal.0.to_be_bytes());
    out
}

/// `p | bucket | upload | part number`.
pub fn part(bucket: BucketId, upload: Ordinal, number: u16) -> Vec<u8> {
    join(kind::PART, &[&bucket.0.to_be_bytes(), &upload.0.to_be_bytes(), &number.to_be_bytes()])
}

/// `s | tenant | share`.
pub fn share(tenant: TenantId, number: u32) -> Vec<u8> {
    join(kind::SHARE, &[&tenant.0.to_be_bytes(), &number.to_be_bytes()])
}

/// `h | SHA-256 of the secret`: the share of a secret.
pub fn share_secret(sha256: &[u8; 32]) -> Vec<u8> {
    join(kind::SHARE_SECRET, &[sha256])
}

/// `d | tenant | share`: how often a share was downloaded.
pub fn downloads(tenant: TenantId, share: u32) -> Vec<u8> {
    join(kind::DOWNLOADS, &[&tenant.0.to_be_bytes(), &share.to_be_bytes()])
}

/// `M | bucket | prefix`: a share mounted under a prefix.
pub fn mount(bucket: BucketId, prefix: &[u8]) -> Vec<u8> {
    join(kind::MOUNT, &[&bucket.0.to_be_bytes(), prefix])
}

/// The mounts of a bucket, in the order of their prefixes.
pub fn mount_range(bucket: BucketId) -> Range<Vec<u8>> {
    bucket_rows(kind::MOUNT, bucket)
}

/// Bucket and prefix of an `M` row.
pub fn parse_mount(row: &[u8]) -> Option<(BucketId, &[u8])> {
    bucket_of(kind::MOUNT, row)
}

/// `j | tenant | moment | sequence`: a tenant's audit log in the order of time.
pub fn audit(tenant: TenantId, at: Timestamp, sequence: u64) -> Vec<u8> {
    join(kind::AUDIT, &[&tenant.0.to_be_bytes(), &at.0.to_be_bytes(), &sequence.to_be_bytes()])
}

/// Tenant, moment and sequence of a `j` row.
pub fn parse_audit(row: &[u8]) -> Option<(TenantId, Timestamp, u64)> {
    let (first, rest) = row.split_first()?;
    let (tenant, rest) = rest.split_first_chunk()?;
    let (at, sequence) = rest.split_first_chunk()?;
    let sequence = u64::from_be_bytes(sequence.try_into().ok()?);
    let parsed = (TenantId(u32::from_be_bytes(*tenant)), Timestamp(u64::from_be_bytes(*at)), sequence);
    (*first == kind::AUDIT).then_some(parsed)
}

/// Every row of a kind.
pub fn kind_range(kind: u8) -> Range<Vec<u8>> {
    prefix_range(vec![kind])
}

/// Every row of a kind that belongs to the bucket (kinds whose key begins with a bucket number).
pub fn bucket_rows(kind: u8, bucket: BucketId) -> Range<Vec<u8>> {
    prefix_range(join(kind, &[&bucket.0.to_be_bytes()]))
}

/// The buckets of a tenant.
pub fn tenant_bucket_range(tenant: TenantId) -> Range<Vec<u8>> {
    prefix_range(join(kind::TENANT_BUCKET, &[&tenant.0.to_be_bytes()]))
}

/// The user names of a tenant.
pub fn user_name_range(tenant: TenantId) -> Range<Vec<u8>> {
    prefix_range(join(kind::USER_NAME, &[&tenant.0.to_be_bytes()]))
}

/// The configuration documents of a bucket.
pub fn document_range(bucket: BucketId) -> Range<Vec<u8>> {
    bucket_rows(kind::DOCUMENT, bucket)
}

/// The current objects of a bucket.
pub fn object_range(bucket: BucketId) -> Range<Vec<u8>> {
    bucket_rows(kind::OBJECT, bucket)
}

/// The current objects whose key begins with the prefix.
pub fn object_prefix_range(bucket: BucketId, prefix: &[u8]) -> Range<Vec<u8>> {
    prefix_range(object(bucket, prefix))
}

/// The `v` rows of a bucket.
pub fn version_range(bucket: BucketId) -> Range<Vec<u8>> {
    bucket_rows(kind::VERSION, bucket)
}

/// The `v` rows of the keys that begin with the prefix.
pub fn version_prefix_range(bucket: BucketId, prefix: &[u8]) -> Range<Vec<u8>> {
    prefix_range(escaped_prefix(kind::VERSION, bucket, prefix))
}

/// The `v` rows of one key, newest first. Its end is where the next key's rows begin.
pub fn versions_of(bucket: BucketId, key: &[u8]) -> Range<Vec<u8>> {
    prefix_range(escaped(kind::VERSION, bucket, key))
}

/// The open uploads of a bucket.
pub fn upload_range(bucket: BucketId) -> Range<Vec<u8>> {
    bucket_rows(kind::UPLOAD, bucket)
}

/// The open uploads of the keys that begin with the prefix.
pub fn upload_prefix_range(bucket: BucketId, prefix: &[u8]) -> Range<Vec<u8>> {
    prefix_range(escaped_prefix(kind::UPLOAD, bucket, prefix))
}

/// The `w` rows of a share and one tenant's bearers, of the keys that begin with the prefix.
pub fn upload_through_prefix_range(bucket: BucketId, share: u32, tenant: TenantId, prefix: &[u8]) -> Range<Vec<u8>> {
    let mut out = through(bucket, share, tenant);
    escape_open(prefix, &mut out);
    prefix_range(out)
}

/// The open uploads of one key, oldest first. Its end is where the next key's rows begin.
pub fn uploads_of(bucket: BucketId, key: &[u8]) -> Range<Vec<u8>> {
    prefix_range(escaped(kind::UPLOAD, bucket, key))
}

/// The parts of one upload, in part order.
pub fn part_range(bucket: BucketId, upload: Ordinal) -> Range<Vec<u8>> {
    prefix_range(join(kind::PART, &[&bucket.0.to_be_bytes(), &upload.0.to_be_bytes()]))
}

/// All keys that begin with the prefix.
pub fn prefix_range(prefix: Vec<u8>) -> Range<Vec<u8>> {
    let end = successor(&prefix);
    prefix..end
}

/// The least byte string above every key that begins with the prefix. A prefix of 0xFF bytes alone has none; then it
/// is a string longer than any key can be.
pub fn successor(prefix: &[u8]) -> Vec<u8> {
    match prefix.iter().rposition(|&b| b != 0xFF) {
        Some(last) => {
            let mut out = prefix[..=last].to_vec();
            out[last] += 1;
            out
        }
        None => vec![0xFF; prefix.len().max(KEY_LIMIT) + 1],
    }
}

/// The least key strictly above this one.
pub fn next_key(key: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(key.len() + 1);
    out.extend_from_slice(key);
    out.push(0);
    out
}

/// Appends `esc(key)`: every 0x00 as 0x00 0xFF, then 0x00 0x01.
pub fn escape(key: &[u8], out: &mut Vec<u8>) {
    escape_open(key, out);
    out.extend_from_slice(&[0x00, 0x01]);
}

/// Reads `esc(key)` from the front: the key and what follows it. `None` when it is not one.
pub fn unescape(bytes: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut key = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    loop {
        // The standard library's way to look for a NUL by words.
        let zero = CStr::from_bytes_until_nul(rest).ok()?.count_bytes();
        key.extend_from_slice(&rest[..zero]);
        match rest.get(zero + 1)? {
            0xFF => key.push(0),
            0x01 => return Some((key, &rest[zero + 2..])),
            _ => return None,
        }
        rest = &rest[zero + 2..];
    }
}

/// Bucket and key of an `o` row.
pub fn parse_object(row: &[u8]) -> Option<(BucketId, &[u8])> {
    bucket_of(kind::OBJECT, row)
}

/// Bucket, key and ordinal of a `v` row.
pub fn parse_version(row: &[u8]) -> Option<(BucketId, Vec<u8>, Ordinal)> {
    let (bucket, key, rest) = parse_escaped(kind::VERSION, row)?;
    Some((bucket, key, Ordinal(!u64::from_be_bytes(rest.try_into().ok()?))))
}

/// Bucket and key of a `z` row.
pub fn parse_null_version(row: &[u8]) -> Option<(BucketId, Vec<u8>)> {
    let (bucket, key, rest) = parse_escaped(kind::NULL_VERSION, row)?;
    rest.is_empty().then_some((bucket, key))
}

/// Bucket, key and ordinal of a `u` row.
pub fn parse_upload(row: &[u8]) -> Option<(BucketId, Vec<u8>, Ordinal)> {
    let (bucket, key, rest) = parse_escaped(kind::UPLOAD, row)?;
    Some((bucket, key, Ordinal(u64::from_be_bytes(rest.try_into().ok()?))))
}

/// Bucket, upload and number of a `p` row.
pub fn parse_part(row: &[u8]) -> Option<(BucketId, Ordinal, u16)> {
    let (bucket, rest) = bucket_of(kind::PART, row)?;
    let (upload, number) = rest.split_first_chunk::<8>()?;
    Some((bucket, Ordinal(u64::from_be_bytes(*upload)), u16::from_be_bytes(number.try_into().ok()?)))
}

/// Name in a `b` row.
pub fn parse_bucket(row: &[u8]) -> Option<&[u8]> {
    row.strip_prefix(&[kind::BUCKET])
}

/// Tenant and name of a `B` row.
pub fn parse_tenant_bucket(row: &[u8]) -> Option<(TenantId, &[u8])> {
    bucket_of(kind::TENANT_BUCKET, row).map(|(id, name)| (TenantId(id.0), name))
}

fn join(kind: u8, pieces: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::with_capacity(1 + pieces.iter().map(|p| p.len()).sum::<usize>());
    out.push(kind);
    for piece in pieces {
        out.extend_from_slice(piece);
    }
    out
}

fn through(bucket: BucketId, share: u32, tenant: TenantId) -> Vec<u8> {
    let numbers = [bucket.0, share, tenant.0].map(u32::to_be_bytes);
    join(kind::UPLOAD_THROUGH, &[numbers.as_flattened()])
}

/// ASCII only is folded: what a letter's lower case is elsewhere is for no two languages the same.
fn emailed(address: &[u8]) -> Vec<u8> {
    let mut out = vec![kind::EMAIL];
    escape(&address.to_ascii_lowercase(), &mut out);
    out
}

fn escape_open(key: &[u8], out: &mut Vec<u8>) {
    for (i, piece) in key.split(|&b| b == 0).enumerate() {
        if i > 0 {
            out.extend_from_slice(&[0x00, 0xFF]);
        }
        out.extend_from_slice(piece);
    }
}

fn escaped_prefix(kind: u8, bucket: BucketId, prefix: &[u8]) -> Vec<u8> {
    // Room for the terminator and an ordinal: the usual key is built without growing.
    let mut out = Vec::with_capacity(1 + 4 + prefix.len() + 2 + 8);
    out.push(kind);
    out.extend_from_slice(&bucket.0.to_be_bytes());
    escape_open(prefix, &mut out);
    out
}

fn escaped(kind: u8, bucket: BucketId, key: &[u8]) -> Vec<u8> {
    let mut out = escaped_prefix(kind, bucket, key);
    out.extend_from_slice(&[0x00, 0x01]);
    out
}

fn bucket_of(kind: u8, row: &[u8]) -> Option<(BucketId, &[u8])> {
    let (id, rest) = row.strip_prefix(&[kind])?.split_first_chunk::<4>()?;
    Some((BucketId(u32::from_be_bytes(*id)), rest))
}

fn parse_escaped(kind: u8, row: &[u8]) -> Option<(BucketId, Vec<u8>, &[u8])> {
    let (bucket, rest) = bucket_of(kind, row)?;
    let (key, rest) = unescape(rest)?;
    Some((bucket, key, rest))
}
