//! Rows `r` (tuples) and `l` (log) of meta/FORMAT.md, and the state row `m | authz`: bytes from values and back.
//! Numbers in keys are big-endian, in values little-endian; every value begins with its version.

use std::sync::Arc;

use panthera_base::{BucketId, TenantId, Timestamp};
use panthera_meta::keys;

use crate::error::AuthzError;
use crate::model::condition::{Condition, Network, Window};
use crate::model::schema::Schema;
use crate::model::{Grantee, Place, Relation, Target, Tuple, TupleKey};

const VERSION: u8 = 1;
const TUPLE: u8 = b'r';
const SCHEMA: u8 = b'S';
const SCHEMA_COMPILED: u8 = 0;
const SCHEMA_SOURCE: u8 = 1;
const LOG: u8 = b'l';
/// Classes of targets, in the order of rows: those named by number first, then what lies in buckets.
const CLASS_TENANT: u8 = 0;
const CLASS_GROUP: u8 = 1;
const CLASS_ROLE: u8 = 2;
const CLASS_SHARE: u8 = 3;
const CLASS_BUCKET: u8 = 4;
const LOG_ENTRY: u8 = 0;
const LOG_IDEMPOTENCY: u8 = 1;

pub(crate) fn corrupt(what: &str) -> AuthzError {
    AuthzError::Store(panthera_meta::MetaError::Corrupt(format!("relations: {what}")))
}

/// Takes bytes from the front.
pub(crate) struct Reader<'a>(pub(crate) &'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn take(&mut self, n: usize) -> Result<&'a [u8], AuthzError> {
        let (head, tail) = self.0.split_at_checked(n).ok_or_else(|| corrupt("a row ends early"))?;
        self.0 = tail;
        Ok(head)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], AuthzError> {
        self.take(N)?.try_into().map_err(|_| corrupt("a row ends early"))
    }

    pub(crate) fn u8(&mut self) -> Result<u8, AuthzError> {
        Ok(self.array::<1>()?[0])
    }

    pub(crate) fn end(&self) -> Result<(), AuthzError> {
        if self.0.is_empty() { Ok(()) } else { Err(corrupt("a row goes on after its end")) }
    }

    fn version(&mut self) -> Result<(), AuthzError> {
        match self.u8()? {
            VERSION => Ok(()),
            other => Err(corrupt(&format!("version {other}"))),
        }
    }
}

/// `r | tenant | class …`: the beginning of all rows of a target.
pub(crate) fn target_prefix(target: &Target) -> Vec<u8> {
    let mut key = vec![TUPLE];
    key.extend_from_slice(&target.tenant.0.to_be_bytes());
    let mut numbered = |class: u8, id: Option<u32>| {
        key.push(class);
        id.iter().for_each(|id| key.extend_from_slice(&id.to_be_bytes()));
    };
    match &target.place {
        Place::Tenant => numbered(CLASS_TENANT, None),
        Place::Group(id) => numbered(CLASS_GROUP, Some(*id)),
        Place::Role(id) => numbered(CLASS_ROLE, Some(*id)),
        Place::Share(id) => numbered(CLASS_SHARE, Some(*id)),
        Place::Bucket(bucket) => in_bucket(&mut key, *bucket, &[], false),
        Place::Prefix(bucket, path) => in_bucket(&mut key, *bucket, path, false),
        Place::Object(bucket, path) => in_bucket(&mut key, *bucket, path, true),
    }
    key
}

fn in_bucket(key: &mut Vec<u8>, bucket: BucketId, path: &[u8], object: bool) {
    key.push(CLASS_BUCKET);
    key.extend_from_slice(&bucket.0.to_be_bytes());
    keys::escape(path, key);
    key.push(u8::from(object));
}

/// `r | tenant | class | 4 | bucket`: the beginning of all rows of a bucket.
pub(crate) fn bucket_prefix(tenant: TenantId, bucket: BucketId) -> Vec<u8> {
    let mut key = tenant_prefix(tenant);
    key.push(CLASS_BUCKET);
    key.extend_from_slice(&bucket.0.to_be_bytes());
    key
}

/// `r | tenant`: the beginning of all rows of a tenant.
pub(crate) fn tenant_prefix(tenant: TenantId) -> Vec<u8> {
    let mut key = vec![TUPLE];
    key.extend_from_slice(&tenant.0.to_be_bytes());
    key
}

/// The key of a tuple's row.
pub(crate) fn tuple_key(key: &TupleKey) -> Vec<u8> {
    let mut row = target_prefix(&key.target);
    row.push(key.relation.number());
    row.extend_from_slice(&key.grantee.bits().to_be_bytes());
    row
}

/// The row of a tuple, for those who fill a store directly: importers and benchmarks. The tuple is not validated.
pub fn tuple_row(tuple: &Tuple) -> (Vec<u8>, Vec<u8>) {
    (tuple_key(&tuple.key), tuple_value(tuple.expires_at, tuple.condition.as_ref()))
}

/// The whole range of `r` rows.
pub(crate) const ALL_TUPLES: (&[u8], &[u8]) = (&[TUPLE], &[TUPLE + 1]);

/// Reads a row's key.
pub(crate) fn decode_key(row: &[u8]) -> Result<TupleKey, AuthzError> {
    let mut r = Reader(row);
    if r.u8()? != TUPLE {
        return Err(corrupt("not a tuple's row"));
    }
    let tenant = TenantId(u32::from_be_bytes(r.array()?));
    let class = r.u8()?;
    let place = match class {
        CLASS_TENANT => Place::Tenant,
        CLASS_GROUP => Place::Group(u32::from_be_bytes(r.array()?)),
        CLASS_ROLE => Place::Role(u32::from_be_bytes(r.array()?)),
        CLASS_SHARE => Place::Share(u32::from_be_bytes(r.array()?)),
        CLASS_BUCKET => {
            let bucket = BucketId(u32::from_be_bytes(r.array()?));
            let (path, rest) = keys::unescape(r.0).ok_or_else(|| corrupt("a path without end"))?;
            r.0 = rest;
            match (r.u8()?, path.is_empty()) {
                (0, true) => Place::Bucket(bucket),
                (0, false) => Place::Prefix(bucket, path),
                (1, false) => Place::Object(bucket, path),
                _ => return Err(corrupt("a place that is neither prefix nor object")),
            }
        }
        _ => return Err(corrupt(&format!("class {class}"))),
    };
    let (relation, grantee) = decode_tail(r.0)?;
    Ok(TupleKey { target: Target { tenant, place }, relation, grantee })
}

/// The value of a tuple's row.
pub(crate) fn tuple_value(expires_at: Option<Timestamp>, condition: Option<&Condition>) -> Vec<u8> {
    let mut value = vec![VERSION, u8::from(expires_at.is_some()) | u8::from(condition.is_some()) << 1];
    if let Some(at) = expires_at {
        value.extend_from_slice(&at.0.to_le_bytes());
    }
    if let Some(condition) = condition {
        put_condition(&mut value, condition);
    }
    value
}

fn put_condition(value: &mut Vec<u8>, condition: &Condition) {
    let flags = u8::from(!condition.networks.is_empty())
        | u8::from(condition.window.is_some()) << 1
        | u8::from(condition.tls) << 2
        | u8::from(condition.mfa_secs.is_some()) << 3;
    value.push(flags);
    if !condition.networks.is_empty() {
        // At most condition::NETWORKS, which fits a byte.
        value.push(condition.networks.len() as u8);
        for network in &condition.networks {
            match network.address {
                std::net::IpAddr::V4(v4) => {
                    value.extend_from_slice(&[4, network.bits]);
                    value.extend_from_slice(&v4.octets());
                }
                std::net::IpAddr::V6(v6) => {
                    value.extend_from_slice(&[6, network.bits]);
                    value.extend_from_slice(&v6.octets());
                }
            }
        }
    }
    if let Some(window) = condition.window {
        value.push(window.weekdays);
        value.extend_from_slice(&window.from_minute.to_le_bytes());
        value.extend_from_slice(&window.to_minute.to_le_bytes());
    }
    if let Some(secs) = condition.mfa_secs {
        value.extend_from_slice(&secs.to_le_bytes());
    }
}

/// Reads a row.
pub(crate) fn decode_tuple(key: &[u8], value: &[u8]) -> Result<Tuple, AuthzError> {
    let key = decode_key(key)?;
    let (expires_at, condition) = decode_value(value)?;
    Ok(Tuple { key, expires_at, condition })
}

/// What ends a tuple's row key after its target: relation and grantee.
pub(crate) const TAIL: usize = 9;

/// Reads that end.
pub(crate) fn decode_tail(tail: &[u8]) -> Result<(Relation, Grantee), AuthzError> {
    let mut r = Reader(tail);
    let relation = Relation::from_number(r.u8()?).map_err(|e| corrupt(&e.to_string()))?;
    let grantee = Grantee::from_bits(u64::from_be_bytes(r.array()?)).map_err(|e| corrupt(&e.to_string()))?;
    r.end()?;
    Ok((relation, grantee))
}

/// Reads a row's value: expiry and condition.
pub(crate) fn decode_value(value: &[u8]) -> Result<(Option<Timestamp>, Option<Condition>), AuthzError> {
    let mut r = Reader(value);
    r.version()?;
    let flags = r.u8()?;
    if flags > 3 {
        return Err(corrupt("an unknown flag of a tuple"));
    }
    let expires = if flags & 1 != 0 { Some(Timestamp(u64::from_le_bytes(r.array()?))) } else { None };
    let condition = if flags & 2 != 0 { Some(take_condition(&mut r)?) } else { None };
    r.end()?;
    Ok((expires, condition))
}

fn take_condition(r: &mut Reader<'_>) -> Result<Condition, AuthzError> {
    let flags = r.u8()?;
    if flags == 0 || flags > 15 {
        return Err(corrupt("an unknown part of a condition"));
    }
    let mut condition = Condition { tls: flags & 4 != 0, ..Condition::default() };
    if flags & 1 != 0 {
        for _ in 0..r.u8()? {
            let [family, bits] = r.array()?;
            let address = match family {
                4 => std::net::IpAddr::from(r.array::<4>()?),
                6 => std::net::IpAddr::from(r.array::<16>()?),
                _ => return Err(corrupt("an address that is neither IPv4 nor IPv6")),
            };
            condition.networks.push(Network { address, bits });
        }
    }
    if flags & 2 != 0 {
        let weekdays = r.u8()?;
        let (from, to) = (u16::from_le_bytes(r.array()?), u16::from_le_bytes(r.array()?));
        condition.window = Some(Window { weekdays, from_minute: from, to_minute: to });
    }
    if flags & 8 != 0 {
        condition.mfa_secs = Some(u32::from_le_bytes(r.array()?));
    }
    condition.validate().map_err(|e| corrupt(&e.to_string()))?;
    Ok(condition)
}

/// The state row: where the log is and what authenticates tokens. `m | authz`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct State {
    /// The newest revision.
    pub(crate) revision: u64,
    /// The oldest revision whose log row is kept; revision + 1 when none is.
    pub(crate) oldest: u64,
    /// Names this log. A store that is restored from a backup gets a new one.
    pub(crate) epoch: [u8; 16],
    /// Key of the tokens' MAC.
    pub(crate) token_key: [u8; 32],
}

/// The key of the state row.
pub(crate) fn state_key() -> Vec<u8> {
    keys::store("authz")
}

impl State {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut value = vec![VERSION];
        value.extend_from_slice(&self.revision.to_le_bytes());
        value.extend_from_slice(&self.oldest.to_le_bytes());
        value.extend_from_slice(&self.epoch);
        value.extend_from_slice(&self.token_key);
        value
    }

    pub(crate) fn decode(value: &[u8]) -> Result<Self, AuthzError> {
        let mut r = Reader(value);
        r.version()?;
        let (revision, oldest) = (u64::from_le_bytes(r.array()?), u64::from_le_bytes(r.array()?));
        let state = Self { revision, oldest, epoch: r.array()?, token_key: r.array()? };
        r.end()?;
        Ok(state)
    }
}

/// `l | 0 | revision`.
pub(crate) fn log_key(revision: u64) -> Vec<u8> {
    let mut key = vec![LOG, LOG_ENTRY];
    key.extend_from_slice(&revision.to_be_bytes());
    key
}

/// The revision of a log row's key.
pub(crate) fn log_revision(key: &[u8]) -> Result<u64, AuthzError> {
    key.get(2..).and_then(|b| b.try_into().ok()).map(u64::from_be_bytes).ok_or_else(|| corrupt("a log row's key"))
}

/// `l | 1 | tenant | key`.
pub(crate) fn idempotency_key(tenant: TenantId, key: &[u8]) -> Vec<u8> {
    let mut row = vec![LOG, LOG_IDEMPOTENCY];
    row.extend_from_slice(&tenant.0.to_be_bytes());
    row.extend_from_slice(key);
    row
}

/// The whole range of idempotency rows.
pub(crate) const ALL_IDEMPOTENCY: (&[u8], &[u8]) = (&[LOG, LOG_IDEMPOTENCY], &[LOG, LOG_IDEMPOTENCY + 1]);

/// What an idempotency row says: the revision it led to and the digest of the request.
pub(crate) fn idempotency_value(revision: u64, digest: &[u8; 32]) -> Vec<u8> {
    let mut value = vec![VERSION];
    value.extend_from_slice(&revision.to_le_bytes());
    value.extend_from_slice(digest);
    value
}

/// Reads an idempotency row.
pub(crate) fn decode_idempotency(value: &[u8]) -> Result<(u64, [u8; 32]), AuthzError> {
    let mut r = Reader(value);
    r.version()?;
    let found = (u64::from_le_bytes(r.array()?), r.array()?);
    r.end()?;
    Ok(found)
}

/// `S | tenant | 0`: the compiled schema of a tenant.
pub(crate) fn schema_key(tenant: TenantId) -> Vec<u8> {
    let mut key = vec![SCHEMA];
    key.extend_from_slice(&tenant.0.to_be_bytes());
    key.push(SCHEMA_COMPILED);
    key
}

/// `S | tenant | 1`: the text it was compiled from.
pub(crate) fn schema_source_key(tenant: TenantId) -> Vec<u8> {
    let mut key = schema_key(tenant);
    key.pop();
    key.push(SCHEMA_SOURCE);
    key
}

/// The whole range of `S` rows.
pub(crate) const ALL_SCHEMAS: (&[u8], &[u8]) = (&[SCHEMA], &[SCHEMA + 1]);

/// The tenant of a compiled schema's row, or `None` for the row of its text.
pub(crate) fn schema_tenant(key: &[u8]) -> Result<Option<TenantId>, AuthzError> {
    let (tenant, part) = take_schema_key(key)?;
    Ok((part == SCHEMA_COMPILED).then_some(tenant))
}

fn take_schema_key(key: &[u8]) -> Result<(TenantId, u8), AuthzError> {
    let mut r = Reader(key);
    let kind = r.u8()?;
    let (tenant, part) = (TenantId(u32::from_be_bytes(r.array()?)), r.u8()?);
    r.end()?;
    if kind != SCHEMA || part > SCHEMA_SOURCE {
        return Err(corrupt("not a schema's row"));
    }
    Ok((tenant, part))
}

fn decode_schema_key(key: &[u8]) -> Result<TenantId, AuthzError> {
    schema_tenant(key)?.ok_or_else(|| corrupt("a schema's text in the log"))
}

/// The value of a compiled schema's row.
pub(crate) fn schema_value(schema: &Schema) -> Vec<u8> {
    let mut value = vec![VERSION];
    value.extend_from_slice(&schema.stamp.to_le_bytes());
    // At most 255: a number is a byte and retires once at a time.
    value.push(schema.retired.len() as u8);
    for (number, revision) in &schema.retired {
        value.push(*number);
        value.extend_from_slice(&revision.to_le_bytes());
    }
    value.extend_from_slice(&schema.encode());
    value
}

/// Reads it.
pub(crate) fn decode_schema(value: &[u8]) -> Result<Schema, AuthzError> {
    let mut r = Reader(value);
    r.version()?;
    let stamp = u64::from_le_bytes(r.array()?);
    let mut retired = Vec::new();
    for _ in 0..r.u8()? {
        let number = r.u8()?;
        if !Relation::from_number(number).is_ok_and(Relation::is_own) {
            return Err(corrupt("a removed relation that was none of the tenant's"));
        }
        retired.push((number, u64::from_le_bytes(r.array()?)));
    }
    let mut schema = Schema::decode(stamp, r.0)?;
    schema.retired = retired;
    Ok(schema)
}

/// The value of the row of its text.
pub(crate) fn schema_source_value(source: &str) -> Vec<u8> {
    [&[VERSION], source.as_bytes()].concat()
}

/// Reads it.
pub(crate) fn decode_schema_source(value: &[u8]) -> Result<String, AuthzError> {
    let mut r = Reader(value);
    r.version()?;
    String::from_utf8(r.0.to_vec()).map_err(|_| corrupt("a schema's text that is not UTF-8"))
}

/// One change: of a tuple, or of the tenant's schema.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// It is there now, with this expiry and condition.
    Set(Tuple),
    /// It is gone.
    Gone(TupleKey),
    /// The tenant has this schema now.
    Schema(TenantId, Arc<Schema>),
    /// The tenant has the built-in schema again.
    NoSchema(TenantId),
}

/// One revision of the log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LogEntry {
    /// The revision.
    pub revision: u64,
    /// When it was written.
    pub at: Timestamp,
    /// Whose tuples it changed.
    pub tenant: TenantId,
    /// What changed, in the order of the request.
    pub events: Vec<Event>,
}

impl LogEntry {
    /// The value of the row of an entry.
    pub(crate) fn encoded(at: Timestamp, tenant: TenantId, events: &[Event]) -> Vec<u8> {
        let mut value = vec![VERSION];
        value.extend_from_slice(&at.0.to_le_bytes());
        value.extend_from_slice(&tenant.0.to_le_bytes());
        value.extend_from_slice(&(events.len() as u32).to_le_bytes());
        // A row's key is below contract::KEY_LIMIT and its value below 2 KiB, or schema::COMPILED_BYTES and a little:
        // both lengths fit 16 bits.
        let mut part = |bytes: &[u8]| {
            value.extend_from_slice(&(bytes.len() as u16).to_le_bytes());
            value.extend_from_slice(bytes);
        };
        for event in events {
            match event {
                Event::Set(tuple) => {
                    part(&tuple_key(&tuple.key));
                    part(&tuple_value(tuple.expires_at, tuple.condition.as_ref()));
                }
                Event::Gone(key) => {
                    part(&tuple_key(key));
                    part(&[]);
                }
                Event::Schema(tenant, schema) => {
                    part(&schema_key(*tenant));
                    part(&schema_value(schema));
                }
                Event::NoSchema(tenant) => {
                    part(&schema_key(*tenant));
                    part(&[]);
                }
            }
        }
        value
    }

    pub(crate) fn decode(revision: u64, value: &[u8]) -> Result<Self, AuthzError> {
        let mut r = Reader(value);
        r.version()?;
        let at = Timestamp(u64::from_le_bytes(r.array()?));
        let tenant = TenantId(u32::from_le_bytes(r.array()?));
        let count = u32::from_le_bytes(r.array()?);
        let mut events = Vec::new();
        for _ in 0..count {
            let length = u16::from_le_bytes(r.array()?);
            let key = r.take(usize::from(length))?;
            let length = u16::from_le_bytes(r.array()?);
            let value = r.take(usize::from(length))?;
            events.push(match value {
                [] if key.first() == Some(&SCHEMA) => Event::NoSchema(decode_schema_key(key)?),
                _ if key.first() == Some(&SCHEMA) => {
                    Event::Schema(decode_schema_key(key)?, Arc::new(decode_schema(value)?))
                }
                [] => Event::Gone(decode_key(key)?),
                _ => Event::Set(decode_tuple(key, value)?),
            });
        }
        r.end()?;
        Ok(Self { revision, at, tenant, events })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use panthera_base::UserId;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|b| format!("{b:02x}")).collect()
    }

    fn target(place: Place) -> Target {
        Target::new(TenantId(3), place)
    }

    fn condition() -> Condition {
        Condition {
            networks: vec![
                Network { address: [10, 0, 0, 0].into(), bits: 8 },
                Network { address: [0x2001u16, 0xdb8, 0, 0, 0, 0, 0, 0].into(), bits: 32 },
            ],
            window: Some(Window { weekdays: 0x1f, from_minute: 480, to_minute: 1080 }),
            tls: true,
            mfa_secs: Some(900),
        }
    }

    fn tuples() -> Vec<Tuple> {
        let user = Grantee::user(TenantId(3), UserId(5)).unwrap();
        let group = Grantee::group(TenantId(4), 9).unwrap();
        let bucket = BucketId(7);
        vec![
            Tuple::new(target(Place::Tenant), Relation::Admin, user),
            Tuple::new(target(Place::Group(9)), Relation::Open, Grantee::ITSELF),
            Tuple::new(target(Place::Role(1)), Relation::Assignee, user),
            Tuple::new(target(Place::Share(2)), Relation::Owner, user),
            Tuple::new(target(Place::Bucket(bucket)), Relation::Reader, Grantee::ANYONE),
            Tuple::new(target(Place::Prefix(bucket, b"a\0/".to_vec())), Relation::DenyAll, group).until(Timestamp(1)),
            Tuple::new(target(Place::Object(bucket, b"a/".to_vec())), Relation::Writer, user).when(condition()),
        ]
    }

    /// These bytes are on disks: they never change, and what once was written is read for ever.
    const GOLDEN: [(&str, &str); 7] = [
        ("720000000300014000000300000005", "0100"),
        ("72000000030100000009120000000000000000", "0100"),
        ("72000000030200000001104000000300000005", "0100"),
        ("72000000030300000002004000000300000005", "0100"),
        ("72000000030400000007000100021000000000000000", "0100"),
        ("720000000304000000076100ff2f0001000c6000000400000009", "01010100000000000000"),
        (
            "72000000030400000007612f000101034000000300000005",
            "01020f0204080a000000062020010db80000000000000000000000001fe001380484030000",
        ),
    ];

    #[test]
    fn golden_bytes_of_every_kind_of_tuple() {
        for (tuple, (key, value)) in tuples().iter().zip(GOLDEN) {
            let (row_key, row_value) = tuple_row(tuple);
            assert_eq!((&*hex(&row_key), &*hex(&row_value)), (key, value), "{tuple:?}");
            assert_eq!(decode_tuple(&row_key, &row_value).unwrap(), *tuple);
        }
    }

    #[test]
    fn golden_bytes_of_state_and_log() {
        let state = State { revision: 2, oldest: 1, epoch: [0xE0; 16], token_key: [0x70; 32] };
        let expect = format!("0102000000000000000100000000000000{}{}", "e0".repeat(16), "70".repeat(32));
        assert_eq!(hex(&state.encode()), expect);
        assert_eq!(State::decode(&state.encode()).unwrap(), state);
        let tuple = tuples().remove(0);
        let events = vec![Event::Set(tuple.clone()), Event::Gone(tuple.key)];
        let entry = LogEntry { revision: 2, at: Timestamp(0x0102), tenant: TenantId(3), events };
        let encoded = LogEntry::encoded(entry.at, entry.tenant, &entry.events);
        let row = "720000000300014000000300000005";
        let expect = format!("01020100000000000003000000020000000f00{row}020001000f00{row}0000");
        assert_eq!(hex(&encoded), expect);
        assert_eq!(LogEntry::decode(2, &encoded).unwrap(), entry);
        assert_eq!(hex(&log_key(258)), "6c000000000000000102");
        assert_eq!(log_revision(&log_key(258)).unwrap(), 258);
        assert_eq!(hex(&idempotency_key(TenantId(3), b"k")), "6c01000000036b");
        let value = idempotency_value(7, &[9; 32]);
        assert_eq!(decode_idempotency(&value).unwrap(), (7, [9; 32]));
    }

    #[test]
    fn damaged_rows_are_refused_and_never_panic() {
        for tuple in tuples() {
            let (key, value) = tuple_row(&tuple);
            for n in 0..key.len() {
                assert!(decode_key(&key[..n]).is_err(), "a key of {n} bytes");
            }
            for n in 0..value.len() {
                assert!(decode_tuple(&key, &value[..n]).is_err(), "a value of {n} bytes");
            }
            assert!(decode_tuple(&key, &[&value[..], &[0]].concat()).is_err(), "longer");
            for i in 0..key.len() {
                for bit in 0..8 {
                    let mut other = key.clone();
                    other[i] ^= 1 << bit;
                    // Another row or none, but never the same.
                    assert!(decode_key(&other).is_ok_and(|k| k != tuple.key) || decode_key(&other).is_err());
                }
            }
            for i in 0..value.len() {
                for bit in 0..8 {
                    let mut other = value.clone();
                    other[i] ^= 1 << bit;
                    drop(decode_tuple(&key, &other));
                }
            }
        }
        assert!(State::decode(&[2; 65]).is_err() && LogEntry::decode(1, &[1, 0]).is_err());
    }

    #[test]
    fn rows_of_a_bucket_stand_in_the_order_of_places() {
        let bucket = BucketId(7);
        let places = [
            Place::Bucket(bucket),
            Place::Object(bucket, b"a".to_vec()),
            Place::Object(bucket, b"a\0".to_vec()),
            Place::Prefix(bucket, b"a/".to_vec()),
            Place::Object(bucket, b"a/".to_vec()),
            Place::Object(bucket, b"a/b".to_vec()),
            Place::Object(bucket, b"a0".to_vec()),
        ];
        let rows: Vec<_> = places.into_iter().map(|p| target_prefix(&target(p))).collect();
        assert!(rows.is_sorted());
        assert!(rows.iter().all(|row| row.starts_with(&bucket_prefix(TenantId(3), bucket))));
    }
}
