//! `Relations`: the relationship engine to Python, and `Watch`, a reader of its log.
//!
//! Belongs here: one method for each question of the engine, the GIL given back while it waits or works long. Keys are
//! borrowed from Python's objects, never copied. Does not belong here: names; here everything has numbers.

use std::sync::Arc;
use std::time::Duration;

use panthera_authz::{
    Change, Engine, Facts, Grantee, Moment, Permission, Precondition, Relation, Settings, Spot, Target, TupleFilter,
    TupleKey, Watch as Log, WriteTuples,
};
use panthera_base::{BucketId, TenantId};
use panthera_meta::Metastore;
use panthera_meta::memory::Memory;
use parking_lot::Mutex;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyString};

use crate::audit::{ActorIn, actor};
use crate::core::Core;
use crate::relation_values::{
    AnswerOut, ChangeIn, EntryOut, GrantedOut, MomentIn, PlaceIn, PreconditionIn, PrincipalIn, TupleOut, answer_out,
    entry_out, granted_out, invalid, moment, now, permission, place, principal, raised, spot, tuple, tuple_key,
    tuple_out, whole_out,
};

/// Keys of a bulk check up to which giving the GIL back costs more than it helps: some ten microseconds of work.
const FEW_KEYS: usize = 1024;

/// A page of tuples and its cursor.
type TuplePageOut<'py> = (Vec<TupleOut<'py>>, Option<Bound<'py, PyBytes>>);
/// First key, and the first that is not meant (None: the bucket's end).
type RangeOut<'py> = (Bound<'py, PyBytes>, Option<Bound<'py, PyBytes>>);
/// Ranges, cursor, revision.
type ResourcesOut<'py> = (Vec<RangeOut<'py>>, Option<Bound<'py, PyBytes>>, u64);
/// Subjects, classes, excluded classes, excluded, cursor, revision.
type SubjectsOut = (Vec<u64>, Vec<u64>, Vec<u64>, Vec<u64>, Option<u64>, u64);

/// The relationship engine of a store.
#[pyclass(frozen, module = "storage._core")]
pub struct Relations {
    pub(crate) engine: Engine,
    /// Keeps the data directory owned for as long as the engine may be asked.
    _core: Option<Py<Core>>,
}

#[pymethods]
impl Core {
    /// The relationship engine of these stores.
    fn relations(slf: Py<Self>) -> PyResult<Relations> {
        let engine = slf.get().authz.engine().cloned();
        let engine = engine.ok_or_else(|| invalid("these stores were opened without relations".into()))?;
        Ok(Relations { engine, _core: Some(slf) })
    }
}

/// A key as Python has it: bytes, or text in UTF-8. Types are looked at before casting, because a cast that fails makes
/// an error object, which costs more than the check.
fn key_bytes<'a>(key: &'a Bound<'_, PyAny>) -> PyResult<&'a [u8]> {
    if key.is_instance_of::<PyString>() {
        return Ok(key.cast::<PyString>()?.to_str()?.as_bytes());
    }
    match key.cast::<PyBytes>() {
        Ok(bytes) => Ok(bytes.as_bytes()),
        Err(_) => Err(PyTypeError::new_err("a key is bytes or text")),
    }
}

fn present() -> Moment {
    Moment { now: now(0), facts: Facts::default() }
}

#[pymethods]
impl Relations {
    /// An engine over memory, for tests: it vanishes with the object.
    #[staticmethod]
    fn in_memory() -> PyResult<Self> {
        let meta: Arc<dyn Metastore> = Arc::new(Memory::default());
        Ok(Self { engine: Engine::open(meta, Settings::default()).map_err(raised)?, _core: None })
    }

    /// Whether the grantee has the permission on the object. The shortest way from Python: no facts, the clock's now.
    #[pyo3(signature = (grantee, permission, tenant, bucket, key, admin = false, /))]
    fn check(
        &self,
        grantee: u64,
        permission: u8,
        tenant: u32,
        bucket: u32,
        key: &Bound<'_, PyAny>,
        admin: bool,
    ) -> PyResult<bool> {
        let who = principal((grantee, admin))?;
        let spot = Spot::Object(BucketId(bucket), key_bytes(key)?);
        let wanted = self::permission(permission)?;
        Ok(self.engine.check(who, wanted, TenantId(tenant), spot, &present()).map_err(raised)?.allowed)
    }

    /// A check on any place, with the facts of a request.
    fn answer(
        &self,
        who: PrincipalIn,
        wanted: u8,
        tenant: u32,
        at: PlaceIn,
        when: MomentIn<'_>,
    ) -> PyResult<AnswerOut> {
        let at = place(at)?;
        let (who, wanted, when) = (principal(who)?, permission(wanted)?, moment(when)?);
        let answer = self.engine.check(who, wanted, TenantId(tenant), spot(&at)?, &when);
        answer.map(|answer| answer_out(&answer)).map_err(raised)
    }

    /// For each key of one bucket 1 or 0, all at one revision.
    fn check_keys<'py>(
        &self,
        py: Python<'py>,
        who: PrincipalIn,
        wanted: u8,
        place: (u32, u32),
        keys: &Bound<'py, PyList>,
        when: MomentIn<'_>,
    ) -> PyResult<(u64, Bound<'py, PyBytes>)> {
        let (who, wanted, when) = (principal(who)?, permission(wanted)?, moment(when)?);
        // The list may change while the GIL is away; what stood in it stays.
        let held: Vec<Bound<'py, PyAny>> = keys.iter().collect();
        let borrowed: Vec<&[u8]> = held.iter().map(key_bytes).collect::<PyResult<_>>()?;
        let (tenant, bucket) = (TenantId(place.0), BucketId(place.1));
        let many = borrowed.len() > FEW_KEYS;
        let work = || {
            let mut out = Vec::with_capacity(borrowed.len());
            let revision = self.engine.check_keys(who, wanted, tenant, bucket, borrowed, &when, &mut out)?;
            Ok((revision, out))
        };
        let (revision, out) = if many { py.detach(work) } else { work() }.map_err(raised)?;
        let verdicts = PyBytes::new_with(py, out.len(), |bytes| {
            bytes.iter_mut().zip(&out).for_each(|(byte, allowed)| *byte = u8::from(*allowed));
            Ok(())
        })?;
        Ok((revision, verdicts))
    }

    /// Whether the grantee stands in the relation to a tenant, group, role or share.
    fn stands(&self, who: PrincipalIn, relation: u8, tenant: u32, at: PlaceIn, when: MomentIn<'_>) -> PyResult<bool> {
        let target = Target::new(TenantId(tenant), place(at)?);
        let relation = Relation::from_number(relation).map_err(raised)?;
        self.engine.stands(principal(who)?, relation, &target, &moment(when)?).map_err(raised)
    }

    /// A check that says why: the answer, and the tuple that decided.
    fn explain<'py>(
        &self,
        py: Python<'py>,
        who: PrincipalIn,
        wanted: u8,
        tenant: u32,
        at: PlaceIn,
        when: MomentIn<'_>,
    ) -> PyResult<(AnswerOut, Option<GrantedOut<'py>>)> {
        let at = place(at)?;
        let (who, wanted, when) = (principal(who)?, permission(wanted)?, moment(when)?);
        let explained = self.engine.explain(who, wanted, TenantId(tenant), spot(&at)?, &when).map_err(raised)?;
        let deciding = explained.deciding.as_ref().map(|granted| granted_out(py, granted));
        Ok((answer_out(&explained.answer), deciding))
    }

    /// Every tuple at a place and above it, from the tenant down.
    fn expand<'py>(&self, py: Python<'py>, tenant: u32, at: PlaceIn) -> PyResult<Vec<TupleOut<'py>>> {
        let at = place(at)?;
        let asked = spot(&at)?;
        let all = py.detach(|| self.engine.expand(TenantId(tenant), asked, &present())).map_err(raised)?;
        let out = |e: &panthera_authz::Expanded| {
            let granted = &e.granted;
            tuple_out(py, &granted.place, (granted.relation, granted.grantee), e.expires_at, e.condition.as_ref())
        };
        Ok(all.iter().map(out).collect())
    }

    /// Changes that happen together or not at all; durable and in force when this returns. The revision.
    #[pyo3(signature = (tenant, changes, preconditions = Vec::new(), idempotency_key = None, now_us = 0, by = None))]
    #[allow(clippy::too_many_arguments)]
    fn write(
        &self,
        py: Python<'_>,
        tenant: u32,
        changes: Vec<ChangeIn>,
        preconditions: Vec<PreconditionIn>,
        idempotency_key: Option<Vec<u8>>,
        now_us: u64,
        by: Option<ActorIn>,
    ) -> PyResult<u64> {
        let tenant = TenantId(tenant);
        let changes = changes.into_iter().map(|change| change_in(tenant, change)).collect::<PyResult<_>>()?;
        let mut request = WriteTuples::new(tenant, changes, now(now_us));
        request.preconditions =
            preconditions.into_iter().map(|one| precondition_in(tenant, one)).collect::<PyResult<_>>()?;
        request.idempotency_key = idempotency_key;
        request.by = by.map(actor).transpose()?;
        py.detach(|| self.engine.write(request)).map_err(raised)
    }

    /// Whether a tuple is there, expired or not.
    fn has(&self, tenant: u32, at: PlaceIn, relation: u8, grantee: u64) -> PyResult<bool> {
        let target = Target::new(TenantId(tenant), place(at)?);
        let (relation, grantee) = (Relation::from_number(relation), Grantee::from_bits(grantee));
        let key = TupleKey { target, relation: relation.map_err(raised)?, grantee: grantee.map_err(raised)? };
        self.engine.has_tuple(&key).map_err(raised)
    }

    /// A page of a tenant's tuples, of those that match every filter that is not None.
    #[pyo3(signature = (tenant, limit, at = None, bucket = None, relation = None, grantee = None, cursor = None))]
    #[allow(clippy::too_many_arguments)]
    fn read<'py>(
        &self,
        py: Python<'py>,
        tenant: u32,
        limit: usize,
        at: Option<PlaceIn>,
        bucket: Option<u32>,
        relation: Option<u8>,
        grantee: Option<u64>,
        cursor: Option<&[u8]>,
    ) -> PyResult<TuplePageOut<'py>> {
        let tenant = TenantId(tenant);
        let filter = TupleFilter {
            target: at.map(place).transpose()?.map(|place| Target::new(tenant, place)),
            bucket: bucket.map(BucketId),
            relation: relation.map(Relation::from_number).transpose().map_err(raised)?,
            grantee: grantee.map(Grantee::from_bits).transpose().map_err(raised)?,
        };
        let page = py.detach(|| self.engine.read_tuples(tenant, &filter, cursor, limit)).map_err(raised)?;
        let tuples = page.tuples.iter().map(|tuple| whole_out(py, tuple)).collect();
        Ok((tuples, page.cursor.map(|cursor| PyBytes::new(py, &cursor))))
    }

    /// The keys of a bucket on which the grantee has the permission, as ranges; with `undenied` those on which no deny
    /// takes it away, whatever allows it.
    #[pyo3(signature = (who, wanted, place, limit, when, cursor = None, undenied = false))]
    #[allow(clippy::too_many_arguments)]
    fn lookup_resources<'py>(
        &self,
        py: Python<'py>,
        who: PrincipalIn,
        wanted: u8,
        place: (u32, u32),
        limit: usize,
        when: MomentIn<'_>,
        cursor: Option<&[u8]>,
        undenied: bool,
    ) -> PyResult<ResourcesOut<'py>> {
        let (who, wanted, when) = (principal(who)?, permission(wanted)?, moment(when)?);
        let (tenant, bucket) = (TenantId(place.0), BucketId(place.1));
        let page = py
            .detach(|| match undenied {
                false => self.engine.lookup_resources(who, wanted, tenant, bucket, cursor, limit, &when),
                true => self.engine.lookup_undenied(who, wanted, tenant, bucket, cursor, limit, &when),
            })
            .map_err(raised)?;
        let bytes = |value: &[u8]| PyBytes::new(py, value);
        let ranges = page.ranges.iter().map(|range| (bytes(&range.start), range.end.as_deref().map(bytes))).collect();
        Ok((ranges, page.cursor.as_deref().map(bytes), page.revision))
    }

    /// Who has the permission on a place.
    #[pyo3(signature = (wanted, tenant, at, limit, when, cursor = None))]
    #[allow(clippy::too_many_arguments)]
    fn lookup_subjects(
        &self,
        py: Python<'_>,
        wanted: u8,
        tenant: u32,
        at: PlaceIn,
        limit: usize,
        when: MomentIn<'_>,
        cursor: Option<u64>,
    ) -> PyResult<SubjectsOut> {
        let (wanted, when, at) = (permission(wanted)?, moment(when)?, place(at)?);
        let cursor = cursor.map(Grantee::from_bits).transpose().map_err(raised)?;
        let asked = spot(&at)?;
        let page = py
            .detach(|| self.engine.lookup_subjects(wanted, TenantId(tenant), asked, cursor, limit, &when))
            .map_err(raised)?;
        let bits = |list: Vec<Grantee>| list.into_iter().map(Grantee::bits).collect();
        let cursor = page.cursor.map(Grantee::bits);
        let classes = (bits(page.classes), bits(page.excluded_classes));
        Ok((bits(page.subjects), classes.0, classes.1, bits(page.excluded), cursor, page.revision))
    }

    /// A reader of the log after a revision, of one tenant or of all.
    #[pyo3(signature = (after, tenant = None))]
    fn watch(&self, after: u64, tenant: Option<u32>) -> Watch {
        Watch { log: Mutex::new(self.engine.watch(after, tenant.map(TenantId))) }
    }

    /// A token that says "at least this revision", for one tenant.
    fn token<'py>(&self, py: Python<'py>, tenant: u32, revision: u64) -> PyResult<Bound<'py, PyBytes>> {
        Ok(PyBytes::new(py, &py.detach(|| self.engine.token(TenantId(tenant), revision)).map_err(raised)?))
    }

    /// The revision of a token; when this process has not reached it, the log is read once before that is an error.
    fn accept(&self, py: Python<'_>, tenant: u32, token: &[u8]) -> PyResult<u64> {
        let tenant = TenantId(tenant);
        py.detach(|| match self.engine.accept_token(tenant, token) {
            Err(panthera_authz::AuthzError::NotYet(_)) => {
                self.engine.catch_up()?;
                self.engine.accept_token(tenant, token)
            }
            other => other,
        })
        .map_err(raised)
    }

    /// The revision that checks see now.
    fn revision(&self) -> u64 {
        self.engine.revision()
    }

    /// Reads what other processes wrote to the same store. The revision then.
    fn catch_up(&self, py: Python<'_>) -> PyResult<u64> {
        py.detach(|| self.engine.catch_up()).map_err(raised)
    }

    /// Removes the schema of a tenant that is being removed; whether it had one of its own.
    #[pyo3(signature = (tenant, *, now_us, by=None))]
    fn remove_schema(&self, py: Python<'_>, tenant: u32, now_us: u64, by: Option<ActorIn>) -> PyResult<bool> {
        let by = by.map(actor).transpose()?;
        py.detach(|| self.engine.remove_schema(TenantId(tenant), now(now_us), by.as_ref())).map_err(raised)
    }

    /// Removes a bounded number of log entries that are too old or too many to keep; whether there are more.
    fn trim_old(&self, py: Python<'_>, now_us: u64) -> PyResult<bool> {
        py.detach(|| self.engine.trim_old(now(now_us))).map_err(raised)
    }

    /// Removes a bounded number of log entries below a revision; whether there are more.
    fn trim_log(&self, py: Python<'_>, keep_from: u64) -> PyResult<bool> {
        py.detach(|| self.engine.trim_log(keep_from)).map_err(raised)
    }
}

fn change_in(tenant: TenantId, (word, at, relation, grantee, expires_us, when): ChangeIn) -> PyResult<Change> {
    let key = tuple_key(tenant, at, relation, grantee)?;
    match word.as_str() {
        "create" => Ok(Change::Create(tuple(key, expires_us, when)?)),
        "touch" => Ok(Change::Touch(tuple(key, expires_us, when)?)),
        "delete" => Ok(Change::Delete(key)),
        _ => Err(invalid(format!("no change is called {word:?}; there are create, touch, delete"))),
    }
}

fn precondition_in(tenant: TenantId, (word, at, relation, grantee): PreconditionIn) -> PyResult<Precondition> {
    let key = tuple_key(tenant, at, relation, grantee)?;
    match word.as_str() {
        "present" => Ok(Precondition::Present(key)),
        "absent" => Ok(Precondition::Absent(key)),
        _ => Err(invalid(format!("no precondition is called {word:?}; there are present, absent"))),
    }
}

/// A reader of the log. Keeps its place.
#[pyclass(frozen, module = "storage._core")]
pub struct Watch {
    log: Mutex<Log>,
}

#[pymethods]
impl Watch {
    /// The revision after which the next entry comes.
    #[getter]
    fn position(&self, py: Python<'_>) -> u64 {
        // Another thread may hold the lock while it waits.
        py.detach(|| self.log.lock().position())
    }

    /// Up to `limit` entries that are there now.
    fn poll<'py>(&self, py: Python<'py>, limit: usize) -> PyResult<Vec<EntryOut<'py>>> {
        let entries = py.detach(|| self.log.lock().poll(limit)).map_err(raised)?;
        Ok(entries.iter().map(|entry| entry_out(py, entry)).collect())
    }

    /// Waits until there is something to poll; False when the time is over first.
    fn wait(&self, py: Python<'_>, timeout_s: f64) -> PyResult<bool> {
        let timeout = Duration::try_from_secs_f64(timeout_s);
        let timeout = timeout.map_err(|_| invalid(format!("{timeout_s} is no time span")))?;
        Ok(py.detach(|| self.log.lock().wait(timeout)))
    }
}

/// Names of relations, in the order of their numbers.
#[pyfunction]
pub fn relation_names() -> Vec<&'static str> {
    Relation::ALL.iter().map(|(_, name)| *name).collect()
}

/// Names of permissions, in the order of their numbers.
#[pyfunction]
pub fn permission_names() -> Vec<&'static str> {
    Permission::ALL.iter().map(|(_, name)| *name).collect()
}

/// The number of the permission one of Amazon's actions needs.
#[pyfunction]
pub fn permission_of_action(action: &str) -> u8 {
    Permission::of_action(action).number()
}
