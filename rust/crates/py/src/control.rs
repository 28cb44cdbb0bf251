//! `ControlRequest`: one request for a Python handler, and its answer.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use panthera_authz::Subject;
use panthera_base::{ErrorCode, S3Error, S3Result};
use panthera_front::{Answer, ControlCall, ControlReply};
use parking_lot::Mutex;
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

/// Parsed, routed, authenticated, authorized. Answered once; dropped without an answer, the client reads InternalError.
#[pyclass(frozen, module = "storage._core")]
pub struct ControlRequest {
    call: Facts,
    answer: Mutex<Option<Answer>>,
}

/// Everything of a call but its answer.
struct Facts {
    op: String,
    request_id: String,
    method: String,
    bucket: String,
    key: Vec<u8>,
    query: Vec<(String, String)>,
    headers: Vec<(String, String)>,
    body: Bytes,
    tenant: u32,
    user: u32,
    admin: bool,
    canonical_id: String,
    display_name: String,
    source_ip: String,
    secure: bool,
    now_us: u64,
    decided: Option<u64>,
    bucket_record: Option<Bytes>,
}

impl From<ControlCall> for ControlRequest {
    fn from(call: ControlCall) -> Self {
        let (tenant, admin) = match call.caller.subject {
            Subject::User { tenant, admin, .. } => (tenant.0, admin),
            // No Python row takes shares; one that did would have nobody's rights.
            Subject::Anonymous | Subject::Share(_) => (0, false),
        };
        // Header values are bytes; Latin-1 keeps every one of them, as Python's own servers do.
        let text = |value: &HeaderValue| value.as_bytes().iter().map(|&byte| char::from(byte)).collect();
        let facts = Facts {
            op: call.op.to_string(),
            request_id: call.request_id,
            method: call.method.to_string(),
            bucket: call.bucket,
            key: call.key,
            query: call.query.0,
            headers: call.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect(),
            body: call.body,
            tenant,
            user: call.caller.user.0,
            admin,
            canonical_id: call.caller.canonical_id,
            display_name: call.caller.display_name,
            source_ip: call.source_ip.to_string(),
            secure: call.secure,
            now_us: call.now.0,
            decided: call.decided.map(|ordinal| ordinal.0),
            bucket_record: call.bucket_record,
        };
        Self { call: facts, answer: Mutex::new(Some(call.answer)) }
    }
}

/// Getters that give a copy of a field.
macro_rules! getters {
    ($($name:ident: $kind:ty),* $(,)?) => {
        #[pymethods]
        impl ControlRequest {
            $(#[getter] fn $name(&self) -> $kind { self.call.$name.clone() })*
        }
    };
}

getters! {
    op: String, request_id: String, method: String, bucket: String, query: Vec<(String, String)>,
    headers: Vec<(String, String)>, tenant: u32, user: u32, admin: bool, canonical_id: String, display_name: String,
    source_ip: String, secure: bool, now_us: u64, decided: Option<u64>,
}

#[pymethods]
impl ControlRequest {
    #[getter]
    fn key<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.call.key)
    }

    #[getter]
    fn body<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.call.body)
    }

    #[getter]
    fn bucket_record<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyBytes>> {
        self.call.bucket_record.as_ref().map(|record| PyBytes::new(py, record))
    }

    /// Answers. Raises ValueError for a status or header that cannot be sent, RuntimeError for a second answer.
    fn respond(&self, status: u16, headers: Vec<(String, String)>, body: &[u8]) -> PyResult<()> {
        let status = StatusCode::from_u16(status).map_err(|_| PyValueError::new_err(format!("no status: {status}")))?;
        let mut map = HeaderMap::with_capacity(headers.len());
        for (name, value) in &headers {
            let bad = || PyValueError::new_err(format!("cannot be sent as a header: {name}"));
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| bad())?;
            map.append(name, HeaderValue::from_bytes(value.as_bytes()).map_err(|_| bad())?);
        }
        self.send(Ok(ControlReply { status, headers: map, body: Bytes::copy_from_slice(body) }))
    }

    /// Answers with an error of the closed list. An unknown code is an InternalError and a log line.
    #[pyo3(signature = (code, message = None, fields = Vec::new()))]
    fn fail(&self, code: &str, message: Option<String>, fields: Vec<(String, String)>) -> PyResult<()> {
        let Some(known) = ErrorCode::from_name(code) else {
            return self.send(Err(S3Error::internal(format_args!("a handler failed with an unknown code: {code}"))));
        };
        let error = match message {
            Some(message) => S3Error::with_message(known, message),
            None => S3Error::new(known),
        };
        self.send(Err(fields.into_iter().fold(error, |error, (name, value)| error.field(intern(name), value))))
    }
}

impl ControlRequest {
    fn send(&self, outcome: S3Result<ControlReply>) -> PyResult<()> {
        match self.answer.lock().take() {
            Some(answer) => {
                answer.send(outcome);
                Ok(())
            }
            None => Err(PyRuntimeError::new_err("the request has its answer already")),
        }
    }
}

/// Element names of error documents are a small closed set in the handlers' code; each is kept once for ever.
fn intern(name: String) -> &'static str {
    static NAMES: Mutex<Vec<&'static str>> = Mutex::new(Vec::new());
    let mut names = NAMES.lock();
    match names.iter().find(|known| **known == name) {
        Some(known) => known,
        None => {
            let kept: &'static str = Box::leak(name.into_boxed_str());
            names.push(kept);
            kept
        }
    }
}
