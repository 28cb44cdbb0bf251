//! What crosses the border between Python and the relationship engine, as plain tuples; `storage/_core.pyi` names them.
//!
//! Belongs here: conversions and the engine's errors. Does not belong here: calling the engine (`relations.rs`).

use std::net::IpAddr;

use panthera_authz::{
    Answer, AuthzError, Condition, Event, Facts, Granted, Grantee, LogEntry, Moment, Network, Permission, Place,
    Principal, Relation, Spot, Target, Tuple, TupleKey, Window,
};
use panthera_base::{BucketId, Clock, SystemClock, TenantId, Timestamp};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

pyo3::import_exception!(storage.api, RelationError);
pyo3::import_exception!(storage.api, StoreError);

/// Kind, number and path; the kinds are those of [`place`].
pub type PlaceIn = (u8, u32, Vec<u8>);
/// The same as Python gets it.
type PlaceOut<'py> = (u8, u32, Bound<'py, PyBytes>);
/// Networks as address and bits; window as weekdays, first and end minute; TLS; MFA seconds.
pub type ConditionValue = (Vec<(String, u8)>, Option<(u8, u16, u16)>, bool, Option<u32>);
/// Word, place, relation, grantee, expiry in microseconds, condition.
pub type ChangeIn = (String, PlaceIn, u8, u64, Option<u64>, Option<ConditionValue>);
/// Word, place, relation, grantee.
pub type PreconditionIn = (String, PlaceIn, u8, u64);
/// Place, relation, grantee, expiry in microseconds, condition.
pub type TupleOut<'py> = (PlaceOut<'py>, u8, u64, Option<u64>, Option<ConditionValue>);
/// Place, relation, grantee.
pub type GrantedOut<'py> = (PlaceOut<'py>, u8, u64);
/// Set (else gone), and the tuple.
pub type EventOut<'py> = (bool, TupleOut<'py>);
/// Revision, microseconds, tenant, changes.
pub type EntryOut<'py> = (u64, u64, u32, Vec<EventOut<'py>>);
/// Allowed, denied, tenant admin, revision, valid until (0: for ever), conditional.
pub type AnswerOut = (bool, bool, bool, u64, u64, bool);
/// Grantee, and whether its key says that it administers its tenant.
pub type PrincipalIn = (u64, bool);
/// Now in microseconds (0: the clock's), source address, TLS, when MFA was proved (0: known to be without).
pub type MomentIn<'a> = (u64, Option<&'a str>, Option<bool>, Option<u64>);

/// The engine's error as Python's: kind, message, and the number the kind has.
pub fn raised(error: AuthzError) -> PyErr {
    let message = error.to_string();
    let (kind, number) = match error {
        AuthzError::Store(error) => return StoreError::new_err(error.to_string()),
        AuthzError::Invalid(_) => ("invalid", None),
        AuthzError::Precondition(index) => ("precondition", Some(index as u64)),
        AuthzError::Exists(index) => ("exists", Some(index as u64)),
        AuthzError::IdempotencyMismatch => ("idempotency", None),
        AuthzError::Limit(_) => ("limit", None),
        AuthzError::Audit(_) => ("audit", None),
        AuthzError::BadToken => ("bad_token", None),
        AuthzError::NotYet(revision) => ("not_yet", Some(revision)),
        AuthzError::Trimmed(oldest) => ("trimmed", Some(oldest)),
        AuthzError::Orphans(_) => ("orphans", None),
        AuthzError::SchemaChanged(revision) => ("schema_changed", Some(revision)),
    };
    RelationError::new_err((kind, message, number))
}

/// Something Python said that cannot be.
pub fn invalid(text: String) -> PyErr {
    raised(AuthzError::Invalid(text))
}

/// 0 tenant, 1 group, 2 role, 3 share, 4 bucket, 5 prefix, 6 object.
pub fn place((kind, number, path): PlaceIn) -> PyResult<Place> {
    Ok(match kind {
        0 => Place::Tenant,
        1 => Place::Group(number),
        2 => Place::Role(number),
        3 => Place::Share(number),
        4 => Place::Bucket(BucketId(number)),
        5 => Place::Prefix(BucketId(number), path),
        6 => Place::Object(BucketId(number), path),
        _ => return Err(invalid(format!("{kind} is no kind of place"))),
    })
}

fn place_out<'py>(py: Python<'py>, place: &Place) -> PlaceOut<'py> {
    let (kind, number, path): (u8, u32, &[u8]) = match place {
        Place::Tenant => (0, 0, &[]),
        Place::Group(number) => (1, *number, &[]),
        Place::Role(number) => (2, *number, &[]),
        Place::Share(number) => (3, *number, &[]),
        Place::Bucket(bucket) => (4, bucket.0, &[]),
        Place::Prefix(bucket, path) => (5, bucket.0, path),
        Place::Object(bucket, key) => (6, bucket.0, key),
    };
    (kind, number, PyBytes::new(py, path))
}

/// A place that is asked about; groups, roles and shares are asked with `stands`.
pub fn spot(place: &Place) -> PyResult<Spot<'_>> {
    Ok(match place {
        Place::Tenant => Spot::Tenant,
        Place::Bucket(bucket) => Spot::Bucket(*bucket),
        Place::Prefix(bucket, path) => Spot::Prefix(*bucket, path),
        Place::Object(bucket, key) => Spot::Object(*bucket, key),
        Place::Group(_) | Place::Role(_) | Place::Share(_) => {
            return Err(invalid("permissions are on a tenant, bucket, prefix or object".into()));
        }
    })
}

/// The permission of a number. One that the tenant's schema does not have, nobody has.
pub fn permission(number: u8) -> PyResult<Permission> {
    Permission::from_number(number).map_err(raised)
}

/// Who asks.
pub fn principal((grantee, admin): PrincipalIn) -> PyResult<Principal> {
    Ok(Principal { grantee: Grantee::from_bits(grantee).map_err(raised)?, admin })
}

/// When, and what is known of the request.
pub fn moment((now_us, source_ip, tls, mfa_us): MomentIn<'_>) -> PyResult<Moment> {
    let source_ip = source_ip.map(address).transpose()?;
    let mfa_at = mfa_us.map(|at| (at != 0).then_some(Timestamp(at)));
    Ok(Moment { now: now(now_us), facts: Facts { source_ip, tls, mfa_at } })
}

/// The moment that is meant: 0 is the present one.
pub fn now(now_us: u64) -> Timestamp {
    if now_us == 0 { SystemClock.now() } else { Timestamp(now_us) }
}

fn address(text: &str) -> PyResult<IpAddr> {
    text.parse().map_err(|_| invalid(format!("{text:?} is no IP address")))
}

fn condition((networks, window, tls, mfa_secs): ConditionValue) -> PyResult<Condition> {
    let network = |(text, bits): (String, u8)| Ok(Network { address: address(&text)?, bits });
    let networks = networks.into_iter().map(network).collect::<PyResult<_>>()?;
    let window = window.map(|(weekdays, from_minute, to_minute)| Window { weekdays, from_minute, to_minute });
    Ok(Condition { networks, window, tls, mfa_secs })
}

fn condition_out(condition: &Condition) -> ConditionValue {
    let networks = condition.networks.iter().map(|n| (n.address.to_string(), n.bits)).collect();
    let window = condition.window.map(|w| (w.weekdays, w.from_minute, w.to_minute));
    (networks, window, condition.tls, condition.mfa_secs)
}

/// What identifies a tuple.
pub fn tuple_key(tenant: TenantId, at: PlaceIn, relation: u8, grantee: u64) -> PyResult<TupleKey> {
    let relation = Relation::from_number(relation).map_err(raised)?;
    let grantee = Grantee::from_bits(grantee).map_err(raised)?;
    Ok(TupleKey { target: Target::new(tenant, place(at)?), relation, grantee })
}

/// A tuple with its expiry and condition.
pub fn tuple(key: TupleKey, expires_us: Option<u64>, when: Option<ConditionValue>) -> PyResult<Tuple> {
    Ok(Tuple { key, expires_at: expires_us.map(Timestamp), condition: when.map(condition).transpose()? })
}

/// A tuple's parts.
pub fn tuple_out<'py>(
    py: Python<'py>,
    at: &Place,
    (relation, grantee): (Relation, Grantee),
    expires_at: Option<Timestamp>,
    when: Option<&Condition>,
) -> TupleOut<'py> {
    let place = place_out(py, at);
    (place, relation.number(), grantee.bits(), expires_at.map(|at| at.0), when.map(condition_out))
}

/// A whole tuple.
pub fn whole_out<'py>(py: Python<'py>, tuple: &Tuple) -> TupleOut<'py> {
    let key = &tuple.key;
    tuple_out(py, &key.target.place, (key.relation, key.grantee), tuple.expires_at, tuple.condition.as_ref())
}

/// A relation at a place.
pub fn granted_out<'py>(py: Python<'py>, granted: &Granted) -> GrantedOut<'py> {
    (place_out(py, &granted.place), granted.relation.number(), granted.grantee.bits())
}

/// What happened to a tuple.
pub fn event_out<'py>(py: Python<'py>, event: &Event) -> Option<EventOut<'py>> {
    match event {
        Event::Set(tuple) => Some((true, whole_out(py, tuple))),
        Event::Gone(key) => Some((false, tuple_out(py, &key.target.place, (key.relation, key.grantee), None, None))),
        // A revision without tuples is a change of the schema, which is read where schemas are.
        Event::Schema(..) | Event::NoSchema(_) => None,
    }
}

/// A revision of the log.
pub fn entry_out<'py>(py: Python<'py>, entry: &LogEntry) -> EntryOut<'py> {
    let events = entry.events.iter().filter_map(|event| event_out(py, event)).collect();
    (entry.revision, entry.at.0, entry.tenant.0, events)
}

/// An answer's parts.
pub fn answer_out(answer: &Answer) -> AnswerOut {
    let Answer { allowed, denied, tenant_admin, revision, valid_until, conditional } = *answer;
    (allowed, denied, tenant_admin, revision, valid_until, conditional)
}
