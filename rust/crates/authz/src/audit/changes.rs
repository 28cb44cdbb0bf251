//! Entries about changes of relations, and what they say read back.

use panthera_base::TenantId;
use panthera_meta::records::{AuditChange, AuditKind, AuditOutcome, AuditRecord};

use super::{Actor, Entry, on_both_sides};
use crate::error::AuthzError;
use crate::model::Event;
use crate::model::codec::{self};

/// Entries about tuples that were written or removed, of one request.
pub(crate) fn of_changes(by: &Actor, tenant: TenantId, events: &[Event], revision: u64) -> Vec<Entry> {
    let changes = events.iter().filter_map(|event| match event {
        Event::Set(tuple) => {
            Some((codec::tuple_key(&tuple.key), codec::tuple_value(tuple.expires_at, tuple.condition.as_ref())))
        }
        Event::Gone(key) => Some((codec::tuple_key(key), Vec::new())),
        // Its text is in its own row; the log of relations keeps every version of its compiled form.
        Event::Schema(..) | Event::NoSchema(_) => None,
    });
    let changes: Vec<_> = changes.collect();
    let gone = events.iter().filter(|event| matches!(event, Event::Gone(_))).count();
    let action = match gone {
        _ if events.iter().any(|event| matches!(event, Event::Schema(..) | Event::NoSchema(_))) => {
            "panthera:ApplySchema"
        }
        0 => "panthera:Grant",
        _ if gone == events.len() => "panthera:Revoke",
        _ => "panthera:WriteRelations",
    };
    let (kind, outcome) = (AuditKind::Relations, AuditOutcome::Done);
    let entry = AuditRecord { kind, outcome, action: action.into(), revision, changes, ..by.entry() };
    on_both_sides(tenant, entry)
}

/// What a change of an entry says happened to a tuple.
pub fn read_change((key, value): &AuditChange) -> Result<Event, AuthzError> {
    match &value[..] {
        [] => codec::decode_key(key).map(Event::Gone),
        value => codec::decode_tuple(key, value).map(Event::Set),
    }
}
