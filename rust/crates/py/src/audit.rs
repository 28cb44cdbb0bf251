//! The audit log to Python: settings when a core opens, who made a change, trimming, how large it is.
//!
//! Belongs here: conversions. Does not belong here: reading entries, which are rows like others (`storage/records/audit.py`).

use std::net::IpAddr;
use std::sync::Arc;

use panthera_authz::{Actor, AuditSettings, AuditWriter, Authorizer, Book, Entry, Event, Grantee, OnFailure, Settings};
use panthera_base::{SystemClock, TenantId, Timestamp};
use panthera_meta::Metastore;
use panthera_meta::records::{AuditChange, AuditRecord};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;

use crate::core::Core;
use crate::relation_values::{EventOut, event_out, invalid, raised};

/// Grantee (0: the server itself), request id, access key, source address.
pub type ActorIn = (u64, String, Option<String>, Option<String>);
/// Bytes at which the log of all is full and that of a tenant, microseconds after which entries go (0 each: never), whether
/// a loss refuses, whether unsigned requests are written down.
pub type AuditIn = (u64, u64, u64, bool, bool);

/// Who made a change.
pub fn actor((who, request_id, access_key, from): ActorIn) -> PyResult<Actor> {
    let from = from.map(|text| text.parse::<IpAddr>().map_err(|_| invalid(format!("{text:?} is no IP address"))));
    Ok(Actor { who: Grantee::from_bits(who).map_err(raised)?, request_id, access_key, from: from.transpose()? })
}

/// An entry for a tenant's log.
pub fn entry((tenant, value): &(u32, PyBackedBytes)) -> PyResult<Entry> {
    let record = AuditRecord::decode(value).map_err(|error| PyValueError::new_err(error.to_string()))?;
    Ok((TenantId(*tenant), record))
}

/// The authorizer of a store, with its audit log.
pub fn open(
    meta: Arc<dyn Metastore>,
    (max_bytes, tenant_bytes, keep_us, deny, anonymous): AuditIn,
    caches: bool,
) -> Result<Authorizer, String> {
    let on_failure = if deny { OnFailure::Deny } else { OnFailure::Continue };
    let settings = AuditSettings { max_bytes, tenant_bytes, keep_us, on_failure, anonymous };
    let book = Book::open(meta, settings).map_err(|error| error.to_string())?;
    let writer = AuditWriter::start(book, Arc::new(SystemClock)).map_err(|error| error.to_string())?;
    let settings = if caches { Settings::default() } else { Settings::without_caches() };
    Authorizer::audited(writer, settings).map_err(|error| error.to_string())
}

#[pymethods]
impl Core {
    /// Removes audit entries from before a moment, of one tenant or of all, and writes down who asked: how many, and
    /// whether there are more.
    fn trim_audit(&self, py: Python<'_>, before_us: u64, tenant: Option<u32>, by: ActorIn) -> PyResult<(u64, bool)> {
        let by = actor(by)?;
        let Some(writer) = self.authz.audit() else { return Ok((0, false)) };
        py.detach(|| writer.trim(tenant.map(TenantId), Timestamp(before_us), &by)).map_err(raised)
    }

    /// Bytes of the audit log, bytes at which it is full (0: never), entries written and entries lost by this process.
    fn audit_size(&self) -> (u64, u64, u64, u64) {
        self.authz.audit().map_or((0, 0, 0, 0), |writer| {
            let book = writer.book();
            (book.bytes(), book.settings().max_bytes, book.written(), book.lost())
        })
    }
}

impl Core {
    /// Prometheus text about the audit log.
    pub(crate) fn audit_metrics(&self) -> String {
        let (bytes, max, written, lost) = self.audit_size();
        let mut out = String::new();
        for (name, kind, help, value) in [
            ("panthera_audit_bytes", "gauge", "Bytes of the audit log.", bytes),
            ("panthera_audit_max_bytes", "gauge", "Bytes at which it is full; 0: never.", max),
            ("panthera_audit_written_total", "counter", "Audit entries written.", written),
            ("panthera_audit_lost_total", "counter", "Audit entries lost; see audit_on_failure.", lost),
        ] {
            out.push_str(&format!("# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}\n"));
        }
        out
    }
}

/// Reasons of decisions as audit entries number them.
#[pyfunction]
pub fn audit_reasons() -> Vec<(u8, &'static str)> {
    panthera_authz::audit_reasons().into_iter().map(|(number, reason)| (number, reason.name())).collect()
}

/// The changes of an audit entry: set (else removed), and the tuple.
#[pyfunction]
pub fn audit_changes<'py>(py: Python<'py>, changes: Vec<AuditChange>) -> PyResult<Vec<EventOut<'py>>> {
    let events: Vec<Event> =
        changes.iter().map(panthera_authz::read_audit_change).collect::<Result<_, _>>().map_err(raised)?;
    Ok(events.iter().filter_map(|event| event_out(py, event)).collect())
}
