//! A tenant's schema is read and replaced. A change goes the way of tuples: planned against the newest state under the
//! writers' lock, committed with its log entry, published, answered. So no tuple is ever judged by one schema and
//! written under another.

use std::sync::Arc;

use panthera_base::{TenantId, Timestamp};
use panthera_meta::{CommitError, MetaError, Step};

use crate::audit::{self, Actor};
use crate::error::AuthzError;
use crate::model::codec::{self, State};
use crate::model::{COMPILED_BYTES, Event, LogEntry, SOURCE_BYTES, Schema, Tuple};
use crate::relations::engine::Engine;
use crate::relations::root::Root;
use crate::relations::write::{ATTEMPTS, Writer, batch, new_state};

/// Tuples that a refusal lists; who has more sees the first ones and tries again.
pub const OFFENDERS: usize = 100;

/// A new schema for a tenant.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ApplySchema {
    /// Whose.
    pub tenant: TenantId,
    /// The text it was compiled from.
    pub source: String,
    /// The compiled form, as FORMAT.md has it.
    pub compiled: Vec<u8>,
    /// The revision of the schema against which its numbers were given; see [`Schema::revision`].
    pub against: u64,
    /// When, for the log.
    pub at: Timestamp,
    /// Everything but the commit.
    pub dry_run: bool,
    /// Who wants it; the server itself when it is not said.
    pub by: Option<Actor>,
}

/// What a tenant's schema is and what a new one may use.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SchemaInForce {
    /// The schema.
    pub schema: Arc<Schema>,
    /// Its text; `None` for the built-in one.
    pub source: Option<String>,
    /// Numbers that new relations may get, ascending.
    pub free: Vec<u8>,
}

impl Engine {
    /// The schema of a tenant with its text.
    pub fn schema_in_force(&self, tenant: TenantId) -> Result<SchemaInForce, AuthzError> {
        // Under the writers' lock text and schema are of one revision.
        let mut writer = self.inner.writer.lock();
        if writer.unsure {
            self.inner.catch_up(&mut writer)?;
        }
        let snapshot = self.inner.meta.snapshot()?;
        let source = snapshot.get(&codec::schema_source_key(tenant))?.map(codec::decode_schema_source).transpose()?;
        let schema = self.schema(tenant);
        let free = schema.free_numbers(oldest(&writer));
        Ok(SchemaInForce { schema, source, free })
    }

    /// Replaces a tenant's schema. When this returns the revision, the schema is durable and every check that begins
    /// from now on is by it. Refused with [`AuthzError::Orphans`] while there are tuples it has no place for.
    pub fn apply_schema(&self, request: &ApplySchema) -> Result<u64, AuthzError> {
        let limit = |n: usize, max: usize, what: &str| {
            if n > max { Err(AuthzError::Limit(format!("a {what} of {n} bytes; {max} can be"))) } else { Ok(()) }
        };
        limit(request.source.len(), SOURCE_BYTES, "schema")?;
        limit(request.compiled.len(), COMPILED_BYTES, "compiled schema")?;
        let new = Schema::decode(0, &request.compiled)
            .map_err(|e| AuthzError::Invalid(format!("the compiled schema cannot be executed: {e}")))?;
        for _ in 0..ATTEMPTS {
            // The long look at all tuples holds up no writer; what was written meanwhile is in the log.
            let looked = self.offenders(request.tenant, &new)?;
            if let Some(revision) = self.attempt_schema(request, &new, looked)? {
                return Ok(revision);
            }
        }
        Err(AuthzError::Store(MetaError::Disk("another process keeps writing relations".into())))
    }

    /// Looks for tuples that a schema has no place for; refuses with those, or says at which revision there were none.
    fn offenders(&self, tenant: TenantId, new: &Schema) -> Result<u64, AuthzError> {
        let snapshot = self.inner.meta.snapshot()?;
        let stored = snapshot.get(&codec::state_key())?.map(State::decode).transpose()?;
        let revision = stored.map_or(0, |state| state.revision);
        if new.admits_all_of(self.inner.root.load().schema(tenant)) {
            return Ok(revision);
        }
        let first = codec::tenant_prefix(tenant);
        let end = crate::relations::ranges::successor(&first).unwrap_or_default();
        let (mut found, mut failed) = (Vec::new(), None);
        snapshot.scan(&*first..&*end, &mut |key, value| match codec::decode_tuple(key, value) {
            Ok(tuple) => {
                found.extend(offends(new, &tuple));
                if found.len() < OFFENDERS { Step::Next } else { Step::Stop }
            }
            Err(e) => {
                failed = Some(e);
                Step::Stop
            }
        })?;
        match (failed, found.is_empty()) {
            (Some(e), _) => Err(e),
            (None, true) => Ok(revision),
            (None, false) => Err(AuthzError::Orphans(found)),
        }
    }

    /// Commits and publishes; `None` when it is to be tried again from the look at the tuples.
    fn attempt_schema(&self, request: &ApplySchema, new: &Schema, looked: u64) -> Result<Option<u64>, AuthzError> {
        let inner = &*self.inner;
        let mut writer = inner.writer.lock();
        if writer.unsure {
            inner.catch_up(&mut writer)?;
        }
        let base = inner.root.load_full();
        let before = base.schema(request.tenant);
        if before.stamp != request.against {
            return Err(AuthzError::SchemaChanged(before.stamp));
        }
        if oldest(&writer) > looked + 1 {
            return Ok(None);
        }
        self.written_since(request.tenant, looked, new)?;
        let mut state = match &writer.state {
            Some(state) => state.clone(),
            None => new_state()?,
        };
        state.revision += 1;
        let schema = Arc::new(new.clone().succeed(before, state.oldest, state.revision)?);
        if request.dry_run {
            return Ok(Some(base.revision));
        }
        let event = Event::Schema(request.tenant, schema);
        let by = request.by.clone().unwrap_or_else(Actor::server);
        self.commit_schema(&mut writer, state, (request.tenant, event), (request.at, by, Some(&request.source)))
    }

    /// Removes the schema of a tenant that is being removed: the built-in one is in force. Whether it had one of its own.
    /// Refused with [`AuthzError::Orphans`] while there are tuples that only its own has.
    pub fn remove_schema(&self, tenant: TenantId, at: Timestamp, by: Option<&Actor>) -> Result<bool, AuthzError> {
        let inner = &*self.inner;
        for _ in 0..ATTEMPTS {
            let looked = self.offenders(tenant, Schema::built_in())?;
            let mut writer = inner.writer.lock();
            if writer.unsure {
                inner.catch_up(&mut writer)?;
            }
            if inner.root.load().schemas.get(&tenant.0).is_none() {
                return Ok(false);
            }
            // A tenant with a schema has a state.
            let Some(mut state) = writer.state.clone().filter(|_| oldest(&writer) <= looked + 1) else { continue };
            self.written_since(tenant, looked, Schema::built_in())?;
            state.revision += 1;
            let by = by.cloned().unwrap_or_else(Actor::server);
            if self.commit_schema(&mut writer, state, (tenant, Event::NoSchema(tenant)), (at, by, None))?.is_some() {
                return Ok(true);
            }
        }
        Err(AuthzError::Store(MetaError::Disk("another process keeps writing relations".into())))
    }

    /// Commits a change of a schema with its text, and publishes it; `None` when another process wrote meanwhile.
    fn commit_schema(
        &self,
        writer: &mut Writer,
        state: State,
        (tenant, event): (TenantId, Event),
        (at, by, source): (Timestamp, Actor, Option<&str>),
    ) -> Result<Option<u64>, AuthzError> {
        let inner = &*self.inner;
        let mut root = Root::clone(&inner.root.load_full());
        root.apply(inner.name, &event, state.revision)?;
        root.revision = state.revision;
        let events = vec![event];
        let entries = audit::of_changes(&by, tenant, &events, state.revision);
        let mut batch = batch(writer.state.as_ref(), &state, tenant, at, events);
        let audited = inner.book.append(&mut batch, at, &entries)?;
        if let Some(source) = source {
            batch.put(codec::schema_source_key(tenant), codec::schema_source_value(source));
        }
        match inner.meta.commit(&batch) {
            Ok(_) => {
                let revision = state.revision;
                writer.state = Some(state);
                audited.durable();
                inner.publish(root);
                Ok(Some(revision))
            }
            Err(CommitError::Conflict(_)) => {
                writer.unsure = true;
                Ok(None)
            }
            Err(CommitError::Store(e)) => {
                writer.unsure = true;
                Err(AuthzError::Store(e))
            }
        }
    }

    /// Refuses if the log since a revision has tuples of the tenant that a schema has no place for.
    fn written_since(&self, tenant: TenantId, looked: u64, new: &Schema) -> Result<(), AuthzError> {
        let snapshot = self.inner.meta.snapshot()?;
        let (from, to) = (codec::log_key(looked + 1), codec::log_key(u64::MAX));
        let (mut found, mut failed) = (Vec::new(), None);
        snapshot.scan(&*from..&*to, &mut |key, value| {
            match codec::log_revision(key).and_then(|revision| LogEntry::decode(revision, value)) {
                Ok(entry) if entry.tenant == tenant => {
                    for event in entry.events {
                        match event {
                            Event::Set(tuple) => found.extend(offends(new, &tuple)),
                            Event::Gone(key) => found.retain(|t: &Tuple| t.key != key),
                            Event::Schema(..) | Event::NoSchema(_) => {}
                        }
                    }
                }
                Ok(_) => {}
                Err(e) => {
                    failed = Some(e);
                    return Step::Stop;
                }
            }
            Step::Next
        })?;
        found.truncate(OFFENDERS);
        match (failed, found.is_empty()) {
            (Some(e), _) => Err(e),
            (None, true) => Ok(()),
            (None, false) => Err(AuthzError::Orphans(found)),
        }
    }
}

fn oldest(writer: &Writer) -> u64 {
    writer.state.as_ref().map_or(1, |state| state.oldest)
}

fn offends(schema: &Schema, tuple: &Tuple) -> Option<Tuple> {
    tuple.conforms(schema).is_err().then(|| tuple.clone())
}
