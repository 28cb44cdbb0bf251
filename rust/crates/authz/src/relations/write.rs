//! Writing: validate, plan against the newest state, commit durably, apply, publish, answer; in that order. Writers
//! that arrive while a commit is under way share the next one. Readers are never waited for.

use std::collections::HashMap;
use std::sync::Arc;

use panthera_base::{TenantId, Timestamp};
use panthera_meta::{Batch, CommitError, Guard, MetaError, Op, Step};

use crate::audit::{self, Actor, Booked};
use crate::error::AuthzError;
use crate::model::codec::{self, State};
use crate::model::{Event, Kind, LogEntry, Relation, Tuple, TupleKey, bits};
use crate::relations::base::Base;
use crate::relations::bucket::{Layer, bucket_key};
use crate::relations::engine::{Engine, Inner};
use crate::relations::queue::{Pending, Turn};
use crate::relations::root::Root;
use crate::sync::detach;

/// Most changes of one request: a batch stays far below the store's transaction and one log row below 4 MiB.
pub const CHANGES: usize = 1000;
/// Most preconditions of one request.
pub const PRECONDITIONS: usize = 100;
/// Longest idempotency key.
pub const IDEMPOTENCY_KEY_BYTES: usize = 128;
/// How often a group is planned anew when another process writes to the same store at the same moment.
pub(crate) const ATTEMPTS: usize = 8;

/// One change.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Change {
    /// Writes a tuple that must not be there.
    Create(Tuple),
    /// Writes a tuple, replacing expiry and condition if it is there.
    Touch(Tuple),
    /// Removes a tuple, if it is there.
    Delete(TupleKey),
}

impl Change {
    fn key(&self) -> &TupleKey {
        match self {
            Self::Create(tuple) | Self::Touch(tuple) => &tuple.key,
            Self::Delete(key) => key,
        }
    }
}

/// What must be true just before a request's changes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Precondition {
    /// The tuple is there, expired or not.
    Present(TupleKey),
    /// The tuple is not there.
    Absent(TupleKey),
}

/// Changes that happen together or not at all. All targets belong to one tenant.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WriteTuples {
    /// The tenant that owns every target.
    pub tenant: TenantId,
    /// Done in order; a later one sees the earlier ones.
    pub changes: Vec<Change>,
    /// All must hold.
    pub preconditions: Vec<Precondition>,
    /// With a key, a request that is repeated is answered and not done again.
    pub idempotency_key: Option<Vec<u8>>,
    /// When, for the log.
    pub at: Timestamp,
    /// Who asks for it, for the audit log; `None` is the server itself.
    pub by: Option<Actor>,
}

impl WriteTuples {
    /// Changes without preconditions.
    pub fn new(tenant: TenantId, changes: Vec<Change>, at: Timestamp) -> Self {
        Self { tenant, changes, preconditions: Vec::new(), idempotency_key: None, at, by: None }
    }

    fn validate(&self) -> Result<(), AuthzError> {
        let too_many = |n: usize, max: usize, what: &str| {
            if n > max { Err(AuthzError::Limit(format!("{n} {what} in a request; {max} can be"))) } else { Ok(()) }
        };
        too_many(self.changes.len(), CHANGES, "changes")?;
        too_many(self.preconditions.len(), PRECONDITIONS, "preconditions")?;
        let bounds = 1..=IDEMPOTENCY_KEY_BYTES;
        if self.idempotency_key.as_ref().is_some_and(|key| !bounds.contains(&key.len())) {
            return Err(AuthzError::Invalid(format!("an idempotency key has 1 to {IDEMPOTENCY_KEY_BYTES} bytes")));
        }
        for change in &self.changes {
            match change {
                Change::Create(tuple) | Change::Touch(tuple) => tuple.validate()?,
                Change::Delete(key) => key.validate()?,
            }
        }
        let keys = self.changes.iter().map(Change::key).chain(self.preconditions.iter().map(|p| match p {
            Precondition::Present(key) | Precondition::Absent(key) => key,
        }));
        for key in keys {
            if key.target.tenant != self.tenant {
                let other = key.target.tenant;
                return Err(AuthzError::Invalid(format!(
                    "a target of tenant {other} in a request of tenant {}",
                    self.tenant
                )));
            }
            if !panthera_meta::key_fits(&codec::tuple_key(key)) {
                return Err(AuthzError::Limit("a path with this many NUL bytes has no row".into()));
            }
        }
        Ok(())
    }

    /// Names the request's meaning; the moment and who asks are not part of it.
    fn digest(&self) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new();
        let mut part = |tag: u8, key: &TupleKey, value: &[u8]| {
            let key = codec::tuple_key(key);
            hasher.update(&[tag]).update(&(key.len() as u32).to_le_bytes()).update(&key);
            hasher.update(&(value.len() as u32).to_le_bytes()).update(value);
        };
        let value = |tuple: &Tuple| codec::tuple_value(tuple.expires_at, tuple.condition.as_ref());
        for change in &self.changes {
            match change {
                Change::Create(tuple) => part(0, &tuple.key, &value(tuple)),
                Change::Touch(tuple) => part(1, &tuple.key, &value(tuple)),
                Change::Delete(key) => part(2, key, &[]),
            }
        }
        for precondition in &self.preconditions {
            match precondition {
                Precondition::Present(key) => part(3, key, &[]),
                Precondition::Absent(key) => part(4, key, &[]),
            }
        }
        *hasher.finalize().as_bytes()
    }
}

/// What only the committing thread knows.
pub(crate) struct Writer {
    /// The state row as it was last seen; `None` before the first write of a store.
    pub(crate) state: Option<State>,
    /// The last commit failed in a way that leaves its outcome open: read the log before the next one.
    pub(crate) unsure: bool,
}

impl Writer {
    pub(crate) fn new(state: Option<State>) -> Self {
        Self { state, unsure: false }
    }
}

/// One request planned: its rows and what they lead to.
struct Planned {
    state: State,
    rows: Vec<Op>,
    audited: Booked,
}

enum Plan {
    Commit(Box<Planned>),
    /// Nothing to do: it was done at this revision, or changes nothing at it.
    Known(u64),
}

/// What a commit leaves to be dropped. That takes as long as planning does, and the next commit need not wait for it.
#[derive(Default)]
struct Spent {
    answered: Vec<Pending>,
    roots: Vec<Arc<Root>>,
    batches: Vec<Batch>,
}

/// Idempotency keys of the group that is being planned.
type GroupKeys = HashMap<(TenantId, Vec<u8>), (u64, [u8; 32])>;

impl Engine {
    /// Does the changes. When this returns, they are durable and every check that begins from now on sees them.
    pub fn write(&self, request: WriteTuples) -> Result<u64, AuthzError> {
        request.validate()?;
        self.inner.queue.submit(request, |group, turn| self.commit(group, turn))
    }

    /// Reads what other processes wrote to the same store. Ours are always visible.
    pub fn catch_up(&self) -> Result<u64, AuthzError> {
        self.inner.catch_up(&mut self.inner.writer.lock())?;
        Ok(self.revision())
    }

    /// Merges every fresh layer into its base now. For tests, benchmarks and quiet hours.
    pub fn settle(&self) {
        let numbers: Vec<u64> = self.inner.root.load().buckets.iter().map(|(n, _)| *n).collect();
        for number in numbers {
            loop {
                let begun = self.inner.begin_merge(number, 0);
                let merging = self.inner.root.load().buckets.get(&number).is_some_and(|b| b.merging.is_some());
                if !merging && begun.is_none() {
                    break;
                }
                self.inner.finish_merge(number);
            }
        }
    }

    fn commit(&self, mut group: Vec<Pending>, turn: &Turn<'_>) -> Spent {
        let mut writer = match self.inner.writer.try_lock() {
            Some(writer) => writer,
            None => {
                turn.waits();
                self.inner.writer.lock()
            }
        };
        let (mut attempts, mut spent) = (0, Spent::default());
        while !group.is_empty() && attempts < ATTEMPTS {
            let before = group.len();
            if let Err(e) = self.attempt(&mut writer, &group, turn, &mut spent) {
                group.iter().for_each(|pending| pending.answer(Err(e.clone())));
            }
            let (answered, open): (Vec<_>, Vec<_>) = group.into_iter().partition(Pending::is_answered);
            spent.answered.extend(answered);
            group = open;
            attempts = if group.len() < before { 0 } else { attempts + 1 };
        }
        let busy = || AuthzError::Store(MetaError::Disk("another process keeps writing relations".into()));
        group.iter().for_each(|pending| pending.answer(Err(busy())));
        spent
    }

    /// Plans, commits, publishes and answers what can be; the others are to be planned again.
    fn attempt(
        &self,
        writer: &mut Writer,
        group: &[Pending],
        turn: &Turn<'_>,
        spent: &mut Spent,
    ) -> Result<(), AuthzError> {
        let inner = &*self.inner;
        if writer.unsure {
            turn.waits();
            inner.catch_up(writer)?;
        }
        let base = inner.root.load_full();
        let (mut root, mut state, mut keys) = (Root::clone(&base), writer.state.clone(), GroupKeys::new());
        // One batch for all: they are durable together, and only the newest state is written.
        let (mut batch, mut planned) = (Batch::default(), Vec::new());
        for pending in group {
            match inner.plan(&mut root, state.as_ref(), &pending.request, &mut keys) {
                Ok(Plan::Commit(plan)) => {
                    let Planned { state: after, mut rows, audited } = *plan;
                    batch.ops.append(&mut rows);
                    planned.push((pending, after.revision, audited));
                    state = Some(after);
                }
                Ok(Plan::Known(revision)) if revision <= base.revision => pending.answer(Ok(revision)),
                // It hangs on an earlier request of this group: it is planned again when that one is durable.
                Ok(Plan::Known(_)) => {}
                Err(_) if !planned.is_empty() => {}
                Err(e) => pending.answer(Err(e)),
            }
        }
        let Some(after) = state.filter(|_| !planned.is_empty()) else { return Ok(()) };
        guarded(&mut batch, writer.state.as_ref(), &after);
        turn.waits();
        let outcome = inner.meta.commit(&batch);
        spent.batches.push(batch);
        match outcome {
            Ok(_) => {}
            Err(CommitError::Conflict(_)) => {
                writer.unsure = true;
                return Ok(());
            }
            Err(CommitError::Store(e)) => {
                writer.unsure = true;
                planned.iter().for_each(|(pending, ..)| pending.answer(Err(AuthzError::Store(e.clone()))));
                return Ok(());
            }
        }
        writer.state = Some(after);
        inner.publish(root);
        spent.roots.push(base);
        let mut touched = Vec::new();
        for (pending, revision, audited) in planned {
            touched.extend(pending.request.buckets());
            audited.durable();
            pending.answer(Ok(revision));
        }
        self.merge_due(touched);
        Ok(())
    }

    /// Begins merges that are due, each on a thread of its own: they are long and nobody waits for them.
    fn merge_due(&self, mut touched: Vec<u64>) {
        touched.sort_unstable();
        touched.dedup();
        for number in touched {
            if self.inner.begin_merge_locked(number, self.inner.settings.merge_at).is_some() {
                // The thread does not keep the engine, and with it the store, open while it builds.
                let (inner, name) = (Arc::downgrade(&self.inner), self.inner.name);
                let Some(bucket) = self.inner.root.load().buckets.get(&number).cloned() else { continue };
                let job = move || {
                    let base = Arc::new(bucket.merged(name));
                    if let (Some(inner), Some(merging)) = (inner.upgrade(), &bucket.merging) {
                        inner.put_merged(number, merging, base);
                    }
                };
                // Without a thread the layer is merged by the next `settle`; until then it is read as it is.
                detach("authz-merge", job);
            }
        }
    }
}

impl WriteTuples {
    fn buckets(&self) -> impl Iterator<Item = u64> {
        let all = self.changes.iter().filter_map(|c| c.key().target.in_bucket().map(|(bucket, ..)| bucket));
        all.map(|bucket| bucket_key(self.tenant, bucket))
    }
}

impl Inner {
    /// Plans a request on a root that nobody else sees. The root has its changes when it is to be committed, and is as it
    /// was otherwise.
    fn plan(
        &self,
        root: &mut Root,
        state: Option<&State>,
        request: &WriteTuples,
        keys: &mut GroupKeys,
    ) -> Result<Plan, AuthzError> {
        let digest = request.idempotency_key.as_ref().map(|_| request.digest());
        if let Some(revision) = self.done_before(request, digest, keys)? {
            return Ok(Plan::Known(revision));
        }
        for (i, precondition) in request.preconditions.iter().enumerate() {
            let (key, wanted) = match precondition {
                Precondition::Present(key) => (key, true),
                Precondition::Absent(key) => (key, false),
            };
            if root.find(self.name, key)?.is_some() != wanted {
                return Err(AuthzError::Precondition(i));
            }
        }
        let mut next_state = match state {
            Some(state) => state.clone(),
            None => new_state()?,
        };
        next_state.revision += 1;
        let (events, next) = self.events(root, request, next_state.revision)?;
        if events.is_empty() && digest.is_none() {
            return Ok(Plan::Known(root.revision));
        }
        if let (Some(key), Some(digest)) = (&request.idempotency_key, digest) {
            keys.insert((request.tenant, key.clone()), (next_state.revision, digest));
        }
        let server = Actor::server();
        let by = request.by.as_ref().unwrap_or(&server);
        let entries = match events.is_empty() {
            // Only the idempotency key is new: nothing was given or taken.
            true => Vec::new(),
            false => audit::of_changes(by, request.tenant, &events, next_state.revision),
        };
        let mut batch = rows(next_state.revision, request.tenant, request.at, &events);
        if let (Some(key), Some(digest)) = (&request.idempotency_key, digest) {
            batch.put(
                codec::idempotency_key(request.tenant, key),
                codec::idempotency_value(next_state.revision, &digest),
            );
        }
        let audited = self.book.append(&mut batch, request.at, &entries)?;
        // What breaks a limit is refused alone, not with all that share the commit.
        batch.check_limits()?;
        match next {
            Some(next) => *root = next,
            None => self.advance(root, &events, next_state.revision)?,
        }
        Ok(Plan::Commit(Box::new(Planned { state: next_state, rows: batch.ops, audited })))
    }

    /// What a request does, and the root that has it; `None` when it is one event that cannot fail to be applied. Then
    /// the root of the group takes it as it is, and what others of the group copied of it is not copied again.
    fn events(
        &self,
        root: &Root,
        request: &WriteTuples,
        revision: u64,
    ) -> Result<(Vec<Event>, Option<Root>), AuthzError> {
        if let [change] = &request.changes[..]
            && change.key().target.in_bucket().is_some()
        {
            return Ok((self.event(root, 0, change, request.at)?.into_iter().collect(), None));
        }
        let (mut next, mut events) = (root.clone(), Vec::new());
        for (i, change) in request.changes.iter().enumerate() {
            if let Some(event) = self.event(&next, i, change, request.at)? {
                next.apply(self.name, &event, revision)?;
                events.push(event);
            }
        }
        next.revision = revision;
        Ok((events, Some(next)))
    }

    fn advance(&self, root: &mut Root, events: &[Event], revision: u64) -> Result<(), AuthzError> {
        for event in events {
            root.apply(self.name, event, revision)?;
        }
        root.revision = revision;
        Ok(())
    }

    /// The revision a request led to that has this idempotency key and did the same.
    fn done_before(
        &self,
        request: &WriteTuples,
        digest: Option<[u8; 32]>,
        keys: &GroupKeys,
    ) -> Result<Option<u64>, AuthzError> {
        let (Some(key), Some(digest)) = (&request.idempotency_key, digest) else { return Ok(None) };
        let found = match keys.get(&(request.tenant, key.clone())) {
            Some(found) => Some(*found),
            None => {
                let snapshot = self.meta.snapshot()?;
                let row = snapshot.get(&codec::idempotency_key(request.tenant, key))?;
                row.map(codec::decode_idempotency).transpose()?
            }
        };
        match found {
            Some((revision, same)) if same == digest => Ok(Some(revision)),
            Some(_) => Err(AuthzError::IdempotencyMismatch),
            None => Ok(None),
        }
    }

    /// What a change does, or `None` when it does nothing.
    fn event(&self, root: &Root, i: usize, change: &Change, now: Timestamp) -> Result<Option<Event>, AuthzError> {
        // A schema only ever gets wider while tuples are there, so what it does not have is not there to be removed.
        if let Change::Create(tuple) | Change::Touch(tuple) = change {
            tuple.conforms(root.schema(tuple.key.target.tenant))?;
        }
        let found = root.find(self.name, change.key())?;
        let tuple = match change {
            Change::Delete(key) => return Ok(found.map(|_| Event::Gone(key.clone()))),
            Change::Create(_) if found.as_ref().is_some_and(|q| q.expires_at.is_none_or(|at| now < at)) => {
                return Err(AuthzError::Exists(i));
            }
            Change::Create(tuple) | Change::Touch(tuple) => tuple,
        };
        borders(root, &tuple.key)?;
        let same = found
            .is_some_and(|q| q.expires_at == tuple.expires_at && q.condition.as_deref() == tuple.condition.as_ref());
        Ok((!same).then(|| Event::Set(tuple.clone())))
    }

    pub(crate) fn publish(&self, root: Root) {
        let revision = root.revision;
        self.root.store(Arc::new(root));
        *self.published.lock() = revision;
        self.news.notify_all();
    }

    /// Reads the log from where we are.
    pub(crate) fn catch_up(&self, writer: &mut Writer) -> Result<(), AuthzError> {
        let snapshot = self.meta.snapshot()?;
        let stored = snapshot.get(&codec::state_key())?.map(State::decode).transpose()?;
        let ours = self.root.load_full();
        let epoch = |state: &Option<State>| state.as_ref().map(|s| s.epoch);
        let (have, want) = (ours.revision, stored.as_ref().map_or(0, |s| s.revision));
        let anew = have > want || (have > 0 && epoch(&stored) != epoch(&writer.state));
        if anew || stored.as_ref().is_some_and(|s| s.oldest > have + 1) {
            drop(snapshot);
            let (mut root, fresh) = crate::relations::load::load(&*self.meta, self.name)?;
            root.generation = ours.generation + 1;
            *writer = fresh;
            self.publish(root);
            return Ok(());
        }
        let mut entries = Vec::new();
        let (from, to) = (codec::log_key(have + 1), codec::log_key(u64::MAX));
        snapshot.scan(&from..&to, &mut |key, value| {
            entries.push(codec::log_revision(key).and_then(|revision| LogEntry::decode(revision, value)));
            Step::Next
        })?;
        let mut root = Root::clone(&ours);
        for entry in entries {
            let entry = entry?;
            for event in &entry.events {
                root.apply(self.name, event, entry.revision)?;
            }
            root.revision = entry.revision;
        }
        if root.revision != want {
            return Err(AuthzError::Store(MetaError::Corrupt(format!(
                "relations: the log ends at {}, not {want}",
                root.revision
            ))));
        }
        (writer.state, writer.unsure) = (stored, false);
        if root.revision != have {
            self.publish(root);
        }
        Ok(())
    }

    fn begin_merge(&self, number: u64, merge_at: usize) -> Option<()> {
        let _writer = self.writer.lock();
        self.begin_merge_locked(number, merge_at)
    }

    /// Sets a bucket's fresh layer aside if it is large enough. The caller holds the writer's lock.
    fn begin_merge_locked(&self, number: u64, merge_at: usize) -> Option<()> {
        let mut root = Root::clone(&self.root.load());
        let mut bucket = Arc::clone(root.buckets.get(&number)?);
        let due =
            if merge_at == 0 { !bucket.fresh.is_empty() && bucket.merging.is_none() } else { bucket.is_due(merge_at) };
        if !due {
            return None;
        }
        Arc::make_mut(&mut bucket).begin_merge();
        root.buckets.insert(number, bucket);
        self.root.store(Arc::new(root));
        Some(())
    }

    /// Builds the new base without a lock, then puts it in place of the old one and the layer that is in it.
    fn finish_merge(&self, number: u64) {
        let Some(bucket) = self.root.load().buckets.get(&number).cloned() else { return };
        let Some(merging) = bucket.merging.clone() else { return };
        self.put_merged(number, &merging, Arc::new(bucket.merged(self.name)));
    }

    fn put_merged(&self, number: u64, merging: &Arc<Layer>, base: Arc<Base>) {
        let _writer = self.writer.lock();
        let mut root = Root::clone(&self.root.load());
        let Some(mut bucket) = root.buckets.get(&number).cloned() else { return };
        // A store that was loaded anew meanwhile has other layers.
        if !bucket.merging.as_ref().is_some_and(|layer| Arc::ptr_eq(layer, merging)) {
            return;
        }
        let own = Arc::make_mut(&mut bucket);
        (own.base, own.merging) = (base, None);
        root.buckets.insert(number, bucket);
        self.root.store(Arc::new(root));
    }
}

/// A store's first state: a new epoch and a new key for tokens.
pub(crate) fn new_state() -> Result<State, AuthzError> {
    let mut state = State { revision: 0, oldest: 1, epoch: [0; 16], token_key: [0; 32] };
    let random = getrandom::fill(&mut state.epoch).and_then(|()| getrandom::fill(&mut state.token_key));
    random.map_err(|e| AuthzError::Limit(format!("no randomness: {e}")))?;
    Ok(state)
}

/// The batch of one revision: what changes, the log's entry and the new state.
pub(crate) fn batch(
    before: Option<&State>,
    after: &State,
    tenant: TenantId,
    at: Timestamp,
    events: Vec<Event>,
) -> Batch {
    let mut batch = rows(after.revision, tenant, at, &events);
    guarded(&mut batch, before, after);
    batch
}

/// Puts the new state in, in place of the one before and of no other: the revision is assigned under one lock and
/// guarded by its predecessor, so two writers can never interleave.
fn guarded(batch: &mut Batch, before: Option<&State>, after: &State) {
    batch.guard(match before {
        Some(state) => Guard::Equals(codec::state_key(), state.encode()),
        None => Guard::Absent(codec::state_key()),
    });
    batch.put(codec::state_key(), after.encode());
}

/// The rows of one revision: what changes and the log's entry.
fn rows(revision: u64, tenant: TenantId, at: Timestamp, events: &[Event]) -> Batch {
    let mut batch = Batch::default();
    for event in events {
        match event {
            Event::Set(tuple) => {
                let value = codec::tuple_value(tuple.expires_at, tuple.condition.as_ref());
                batch.put(codec::tuple_key(&tuple.key), value);
            }
            Event::Gone(key) => drop(batch.delete(codec::tuple_key(key))),
            Event::Schema(tenant, schema) => drop(batch.put(codec::schema_key(*tenant), codec::schema_value(schema))),
            Event::NoSchema(tenant) => {
                batch.delete(codec::schema_key(*tenant));
                batch.delete(codec::schema_source_key(*tenant));
            }
        }
    }
    batch.put(codec::log_key(revision), LogEntry::encoded(at, tenant, events));
    batch
}

/// What a tuple may name across tenants: groups that are exported, members of groups that are open. The message is
/// the same whether the other tenant has such a group or not.
fn borders(root: &Root, key: &TupleKey) -> Result<(), AuthzError> {
    let (grantee, tenant) = (key.grantee, key.target.tenant);
    let foreign =
        !matches!(grantee.kind(), Kind::Itself | Kind::Anyone | Kind::Authenticated) && grantee.tenant() != tenant;
    if !foreign {
        return Ok(());
    }
    let hidden = match grantee.kind() {
        Kind::Group => !root.ids.flag(grantee, bits::EXPORTED),
        Kind::Role => true,
        _ => false,
    };
    if hidden {
        return Err(AuthzError::Invalid(format!("{grantee} is of another tenant, which exports no such group")));
    }
    let closed = match (key.relation, key.target.packed()?) {
        (Relation::Member, Some(group)) => !root.ids.flag(group, bits::OPEN),
        (Relation::Assignee, _) => true,
        _ => false,
    };
    if closed {
        return Err(AuthzError::Invalid(format!(
            "{grantee} is of another tenant; only a group that is `open` has such members"
        )));
    }
    Ok(())
}
