//! `Core`: the open stores of one data directory.

use std::path::Path;
use std::sync::Arc;

use panthera_authz::{AuditedError, Authorizer, Identities};
use panthera_base::{Clock, ErrorCode, OrdinalSource, SystemClock, TenantId};
use panthera_front::Passwords;
use panthera_meta::lmdb::{Lmdb, Options};
use panthera_meta::records::ShareRecord;
use panthera_meta::{CommitError, MetaError, Metastore, Step, keys};
use panthera_object::{ObjectService, commit};
use panthera_volume::{Lane, RealDisk, Store, StoreOptions, VolumeState};
use parking_lot::Mutex;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::PyBytes;

use crate::audit::{self, AuditIn};
use crate::batch::{Entry, batch};
use crate::datadir::DataDir;
use crate::relation_values::raised;
use crate::serve::Serving;
use crate::{Conflict, StoreError};

/// Subdirectories of a data directory.
const META_DIR: &str = "meta";
const VOLUME_DIR: &str = "volumes";

/// The open stores, and the listeners over them.
#[pyclass(frozen, module = "storage._core")]
pub struct Core {
    pub(crate) meta: Arc<dyn Metastore>,
    pub(crate) authz: Arc<Authorizer>,
    pub(crate) objects: Arc<ObjectService>,
    pub(crate) volumes: Arc<Store<commit::Ticket>>,
    pub(crate) passwords: Arc<Passwords>,
    pub(crate) serving: Mutex<Option<Serving>>,
    /// Last: the directory is given up after everything in it is closed.
    _dir: DataDir,
}

/// A key and its value.
type Row<'py> = (Bound<'py, PyBytes>, Bound<'py, PyBytes>);
/// Id, state, needles, live bytes, dead bytes, file bytes.
type VolumeRow = (u32, &'static str, u64, u64, u64, u64);

fn store_error(error: impl std::fmt::Display) -> PyErr {
    StoreError::new_err(error.to_string())
}

#[pymethods]
impl Core {
    #[new]
    #[pyo3(signature = (data_dir, *, min_free_bytes = None, volume_bytes = None, sync = true, audit = (0, 0, 0, true, false), caches = true))]
    fn new(
        py: Python<'_>,
        data_dir: &str,
        min_free_bytes: Option<u64>,
        volume_bytes: Option<u64>,
        sync: bool,
        audit: AuditIn,
        caches: bool,
    ) -> PyResult<Self> {
        let sizes = (min_free_bytes, volume_bytes);
        py.detach(|| Self::open(Path::new(data_dir), sizes, sync, (audit, caches))).map_err(StoreError::new_err)
    }

    /// The value of a key, or None.
    fn get<'py>(&self, py: Python<'py>, key: &[u8]) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let snapshot = self.meta.snapshot().map_err(store_error)?;
        let value = snapshot.get(key).map_err(store_error)?;
        Ok(value.map(|value| PyBytes::new(py, value)))
    }

    /// Rows of the half-open range in ascending order, at most `limit`.
    fn scan<'py>(&self, py: Python<'py>, start: &[u8], end: &[u8], limit: usize) -> PyResult<Vec<Row<'py>>> {
        let mut rows = Vec::new();
        let snapshot = self.meta.snapshot().map_err(store_error)?;
        let visited = snapshot.scan(start..end, &mut |key, value| {
            if rows.len() == limit {
                return Step::Stop;
            }
            rows.push((PyBytes::new(py, key), PyBytes::new(py, value)));
            Step::Next
        });
        visited.map_err(store_error)?;
        Ok(rows)
    }

    /// All or nothing; durable when it returns. Raises Conflict with the index of the guard that did not hold.
    /// Each of `audit` is a tenant and an entry for its audit log, written in the same commit.
    #[pyo3(signature = (guards, ops, audit = Vec::new()))]
    fn commit(
        &self,
        py: Python<'_>,
        guards: Vec<Entry>,
        ops: Vec<Entry>,
        audit: Vec<(u32, PyBackedBytes)>,
    ) -> PyResult<u64> {
        let batch = batch(&guards, &ops)?;
        let entries = audit.iter().map(audit::entry).collect::<PyResult<Vec<_>>>()?;
        let concerned = self.authz.identities().filter(|_| Identities::concerns(&batch));
        let outcome = py.detach(|| match self.authz.audit() {
            Some(writer) if !entries.is_empty() => writer.book().commit(batch, SystemClock.now(), entries),
            _ => self.meta.commit(&batch).map_err(AuditedError::Commit),
        });
        // Before anybody is told: who was, must not see an identity from before it. A failed commit may have happened.
        if let (Some(identities), Ok(_) | Err(AuditedError::Commit(CommitError::Store(_)))) = (concerned, &outcome) {
            identities.changed();
        }
        match outcome {
            Ok(revision) => Ok(revision.0),
            Err(AuditedError::Audit(error)) => Err(raised(error)),
            Err(AuditedError::Commit(CommitError::Conflict(guard))) => Err(Conflict::new_err(guard)),
            Err(AuditedError::Commit(CommitError::Store(error))) => Err(store_error(error)),
        }
    }

    /// Whether this is the share's password. None when too many were wrong lately, or too many are being checked.
    fn share_password(&self, py: Python<'_>, tenant: u32, share: u32, given: &[u8]) -> PyResult<Option<bool>> {
        py.detach(|| {
            let snapshot = self.meta.snapshot().map_err(store_error)?;
            let Some(row) = snapshot.get(&keys::share(TenantId(tenant), share)).map_err(store_error)? else {
                return Ok(Some(false));
            };
            let record = ShareRecord::decode(row).map_err(store_error)?;
            let Some(hash) = &record.password else { return Ok(Some(true)) };
            match self.passwords.holds_blocking(&record, hash, given.to_vec()) {
                Ok(holds) => Ok(Some(holds)),
                Err(error) if error.code() == ErrorCode::SlowDown => Ok(None),
                Err(error) => Err(store_error(error)),
            }
        })
    }

    /// Per volume: id, state, needles, live bytes, dead bytes, file bytes.
    fn volumes(&self, py: Python<'_>) -> PyResult<Vec<VolumeRow>> {
        let stats = py.detach(|| self.objects.volume_stats()).map_err(store_error)?;
        let row = |volume: panthera_volume::VolumeStats| {
            let state = match (volume.state, volume.lane) {
                (VolumeState::Active, Lane::Small) => "active",
                (VolumeState::Active, Lane::Bulk) => "active (bulk)",
                (VolumeState::Sealed, _) => "sealed",
                (VolumeState::Suspect, _) => "suspect",
            };
            (volume.id, state, volume.needles, volume.live_bytes, volume.dead_bytes, volume.file_bytes)
        };
        Ok(stats.into_iter().map(row).collect())
    }
}

impl Core {
    fn open(
        path: &Path,
        (min_free_bytes, volume_bytes): (Option<u64>, Option<u64>),
        sync: bool,
        (audit, caches): (AuditIn, bool),
    ) -> Result<Self, String> {
        let dir = DataDir::own(path)?;
        let options = Options { sync, ..Options::default() };
        let meta = Lmdb::open(&dir.join(META_DIR), &options).map_err(|error: MetaError| error.to_string())?;
        let meta: Arc<dyn Metastore> = Arc::new(meta);
        let mut options = StoreOptions::new(dir.join(VOLUME_DIR));
        options.sync = sync;
        options.min_free_bytes = min_free_bytes.unwrap_or(options.min_free_bytes);
        options.volume_bytes = volume_bytes.unwrap_or(options.volume_bytes);
        let disk = RealDisk::open(dir.join(VOLUME_DIR)).map_err(|error| format!("{}: {error}", path.display()))?;
        let (volumes, _report) =
            Store::open(Arc::new(disk), options, commit::sink(meta.clone())).map_err(|error| error.to_string())?;
        let authz = Arc::new(audit::open(meta.clone(), audit, caches)?);
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let objects =
            ObjectService::open(meta.clone(), volumes.clone(), authz.clone(), OrdinalSource::default(), clock)
                .map_err(|error| error.to_string())?;
        let passwords = Arc::new(Passwords::new().map_err(|error| error.to_string())?);
        Ok(Self { meta, authz, objects, volumes, passwords, serving: Mutex::new(None), _dir: dir })
    }
}
