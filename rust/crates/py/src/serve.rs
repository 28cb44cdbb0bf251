//! `Core.serve` and its end: the listeners, and the thread that hands control requests to Python.

use std::thread::JoinHandle;
use std::time::Duration;

use panthera_base::SystemClock;

use panthera_front::{Complain, ControlCalls, Front, Parts, Row, Settings, StartError, TlsFiles};
use pyo3::exceptions::PyOSError;
use pyo3::prelude::*;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;

use crate::ConfigError;
use crate::control::ControlRequest;
use crate::core::Core;

/// Log lines that may wait for Python.
const COMPLAINTS: usize = 1024;

/// What runs while a `Core` serves.
pub struct Serving {
    front: Front,
    bridge: JoinHandle<()>,
}

/// A row as `storage/_core.pyi` spells it.
type RowTuple =
    (String, String, String, Vec<String>, Option<String>, Vec<String>, String, Also, String, String, String, usize);
/// What a request may carry, and the action that is asked for it.
type Also = Vec<(String, String)>;

fn row((name, method, scope, selectors, header, params, action, also, reveal, auth, kind, body_cap): RowTuple) -> Row {
    Row { name, method, scope, selectors, header, params, action, also, reveal, auth, kind, body_cap }
}

fn start_error(error: StartError) -> PyErr {
    match error {
        StartError::Io(error) => PyOSError::new_err(error.to_string()),
        error => ConfigError::new_err(error.to_string()),
    }
}

#[pymethods]
impl Core {
    /// Binds and accepts. Returns the bound addresses in the order given.
    #[pyo3(signature = (*, listen, rows, dispatch, complain, domains = Vec::new(), region = "us-east-1".into(), pinned_region = None, external_url = None, tls_cert = None,
        tls_key = None, trusted_proxies = Vec::new(), sigv2 = true, access_log = None, workers = 0, control_queue = 256,
        control_deadline_s = 30.0, connections_per_address = 4096, header_timeout_s = 30.0, idle_timeout_s = 75.0,
        body_timeout_s = 60.0))]
    #[allow(clippy::too_many_arguments)]
    fn serve(
        &self,
        py: Python<'_>,
        listen: Vec<String>,
        rows: Vec<RowTuple>,
        dispatch: Py<PyAny>,
        complain: Py<PyAny>,
        domains: Vec<String>,
        region: String,
        pinned_region: Option<String>,
        external_url: Option<String>,
        tls_cert: Option<String>,
        tls_key: Option<String>,
        trusted_proxies: Vec<String>,
        sigv2: bool,
        access_log: Option<String>,
        workers: usize,
        control_queue: usize,
        control_deadline_s: f64,
        connections_per_address: usize,
        header_timeout_s: f64,
        idle_timeout_s: f64,
        body_timeout_s: f64,
    ) -> PyResult<Vec<String>> {
        let mut serving = self.serving.lock();
        if serving.is_some() {
            return Err(ConfigError::new_err("this core serves already"));
        }
        let tls = match (tls_cert, tls_key) {
            (Some(cert), Some(key)) => Some(TlsFiles { cert: cert.into(), key: key.into() }),
            (None, None) => None,
            _ => return Err(ConfigError::new_err("tls_cert and tls_key go together")),
        };
        let settings = Settings {
            listen,
            domains,
            region,
            pinned_region,
            external_url,
            tls,
            trusted_proxies,
            sigv2,
            access_log: access_log.map(Into::into),
            workers,
            control_queue,
            control_deadline: seconds("control_deadline_s", control_deadline_s)?,
            connections_per_address,
            header_timeout: seconds("header_timeout_s", header_timeout_s)?,
            idle_timeout: seconds("idle_timeout_s", idle_timeout_s)?,
            body_timeout: seconds("body_timeout_s", body_timeout_s)?,
        };
        let rows: Vec<Row> = rows.into_iter().map(row).collect();
        let said: Arc<dyn Fn(&str) + Send + Sync> = complaints(complain)?.into();
        if let Some(writer) = self.authz.audit() {
            writer.book().on_loss(said.clone());
        }
        let parts = Parts {
            meta: self.meta.clone(),
            authz: self.authz.clone(),
            objects: Box::new(self.objects.clone()),
            clock: Arc::new(SystemClock),
            complain: Box::new(move |line| said(line)),
            passwords: self.passwords.clone(),
        };
        let (front, calls) = py.detach(|| Front::start(settings, &rows, parts)).map_err(start_error)?;
        let addresses = front.addresses().iter().map(ToString::to_string).collect();
        let bridge = std::thread::Builder::new().name("control".into()).spawn(move || hand_over(calls, &dispatch))?;
        *serving = Some(Serving { front, bridge });
        Ok(addresses)
    }

    /// Reads certificate and key again; the old ones stay when the new ones cannot be used.
    fn reload_tls(&self) -> PyResult<()> {
        match &*self.serving.lock() {
            Some(serving) => serving.front.reload_tls().map_err(|error| ConfigError::new_err(error.to_string())),
            None => Ok(()),
        }
    }

    /// Stops accepting, finishes what runs, closes the volumes. False when the time was not enough.
    fn drain(&self, py: Python<'_>, timeout_s: f64) -> PyResult<bool> {
        let timeout = seconds("timeout_s", timeout_s)?;
        let serving = self.serving.lock().take();
        Ok(py.detach(|| {
            let finished = match serving {
                Some(Serving { front, bridge }) => {
                    let finished = front.drain(timeout);
                    drop(front);
                    // The bridge ends when the last sender of calls is gone, with the front.
                    finished && bridge.join().is_ok()
                }
                None => true,
            };
            // After the last request: what they left is written.
            if let Some(writer) = self.authz.audit() {
                writer.close();
            }
            self.volumes.close();
            finished
        }))
    }

    /// Prometheus text of the data plane.
    fn metrics(&self) -> String {
        let front = self.serving.lock().as_ref().map(|serving| serving.front.metrics()).unwrap_or_default();
        front + &self.audit_metrics()
    }
}

fn seconds(name: &str, value: f64) -> PyResult<Duration> {
    Duration::try_from_secs_f64(value).map_err(|_| ConfigError::new_err(format!("{name} is no time span: {value}")))
}

/// Gives each call to Python. Runs on a thread of its own: only here does a request wait for the GIL.
fn hand_over(mut calls: ControlCalls, dispatch: &Py<PyAny>) {
    while let Some(call) = calls.blocking_next() {
        Python::attach(|py| {
            let handed = Py::new(py, ControlRequest::from(call)).and_then(|request| dispatch.call1(py, (request,)));
            if let Err(error) = handed {
                // The request was dropped with its answer: the client reads InternalError. Python's log gets the rest.
                error.write_unraisable(py, None);
            }
        });
    }
}

/// The way of a log line to Python, through a thread of its own: whoever complains must never wait for the GIL.
fn complaints(log: Py<PyAny>) -> std::io::Result<Complain> {
    let (sender, receiver) = sync_channel::<String>(COMPLAINTS);
    std::thread::Builder::new().name("log".into()).spawn(move || {
        while let Ok(line) = receiver.recv() {
            Python::attach(|py| {
                if let Err(error) = log.call1(py, (line,)) {
                    error.write_unraisable(py, None);
                }
            });
        }
    })?;
    // A full queue drops the line: the metrics count every error, and the log must not hold up the data plane.
    Ok(Box::new(move |line| drop(sender.try_send(line.to_owned()))))
}
