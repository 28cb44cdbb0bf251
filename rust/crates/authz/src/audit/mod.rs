//! The audit log: what is written down about decisions and changes, in whose log, and when there is no room for it.
//!
//! Belongs here: entries as values and their rows, the size of the log and its limit, what is lost. Does not belong
//! here: what an entry says about a decision and the thread that writes it (`decision`), how entries are read and shown
//! (Python).
//!
//! An entry stands in the log of the tenant that owns what it is about. When somebody of another tenant acted, that
//! tenant's log gets a copy that says what its side knows anyway: no reason, no revision, no number of a bucket. An entry
//! about a change is in the batch that makes the change, so that neither can be without the other.

mod changes;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use panthera_base::{TenantId, Timestamp};
use panthera_meta::records::{AUDIT_SIZE_FIELD, AuditKind, AuditOutcome, AuditRecord, BucketRecord};
use panthera_meta::{Batch, CommitError, Metastore, Op, Revision, Step, Tally, keys};
use parking_lot::Mutex;

use crate::error::AuthzError;
use crate::model::{Grantee, Kind};

pub(crate) use changes::of_changes;
pub use changes::read_change;

/// Who made a change, and by which request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Actor {
    /// A user, a service, or [`Grantee::ITSELF`] for the server.
    pub who: Grantee,
    /// The request's id; empty without one.
    pub request_id: String,
    /// The access key that was used.
    pub access_key: Option<String>,
    /// From where.
    pub from: Option<IpAddr>,
}

impl Actor {
    /// The server itself, asked by nobody.
    pub fn server() -> Self {
        Self { who: Grantee::ITSELF, request_id: String::new(), access_key: None, from: None }
    }

    pub(crate) fn entry(&self) -> AuditRecord {
        AuditRecord {
            who: self.who.bits(),
            request_id: Some(self.request_id.clone()).filter(|id| !id.is_empty()),
            access_key: self.access_key.clone(),
            source_ip: self.from.map(ip_bytes),
            ..AuditRecord::default()
        }
    }
}

/// What happens to a request or a change whose entry cannot be written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum OnFailure {
    /// It is refused.
    #[default]
    Deny,
    /// It goes on, and what was lost is counted.
    Continue,
}

/// What an operator can set.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct AuditSettings {
    /// Bytes of rows at which the log of all is full; 0 for never.
    pub max_bytes: u64,
    /// Bytes at which the log of one tenant is full, whatever the others have; 0 for never. One that fills its own, or has it
    /// filled, stops nobody else.
    pub tenant_bytes: u64,
    /// Microseconds after which entries are removed without being asked; 0 for never.
    pub keep_us: u64,
    /// When there is no room, or the store fails.
    pub on_failure: OnFailure,
    /// Requests that nobody signed are written down, too.
    pub anonymous: bool,
}

/// One part in so many of each limit is left to changes of rights: what strangers ask for must not fill the log so far that
/// its owner can no longer take their rights away.
pub const RESERVE_PART: u64 = 10;

/// What entries of requests, or of changes of rights, may fill of a limit; 0 stays 0.
fn part_of(limit: u64, rights: bool) -> u64 {
    if rights { limit } else { limit - limit / RESERVE_PART }
}

/// Says what was lost, one line each.
pub type Complain = Arc<dyn Fn(&str) + Send + Sync>;

/// The audit log of a store as its writers see it: how large it is, and how large it may be.
pub struct Book {
    pub(crate) meta: Arc<dyn Metastore>,
    pub(crate) settings: AuditSettings,
    /// Names this process in sequences: two that run at the same moment never write the same key.
    process: u32,
    next: AtomicU32,
    sizes: Mutex<Sizes>,
    written: AtomicU64,
    lost: AtomicU64,
    complain: OnceLock<Complain>,
}

/// Bytes of rows that are there, and of those that are on their way: what is counted here will not be more than the limits.
#[derive(Default)]
struct Sizes {
    total: i64,
    tenants: HashMap<TenantId, i64>,
}

impl Sizes {
    fn of(&self, tenant: TenantId) -> i64 {
        self.tenants.get(&tenant).copied().unwrap_or(0)
    }

    fn add(&mut self, tenant: TenantId, bytes: i64) {
        self.total = self.total.saturating_add(bytes);
        let of = self.tenants.entry(tenant).or_default();
        *of = of.saturating_add(bytes);
    }

    /// Takes the room, or says what is full.
    fn take(&mut self, weight: &Weight, settings: &AuditSettings, rights: bool, freed: u64) -> Result<(), String> {
        let full = |what: &str, setting: &str| {
            let kept = if rights { "" } else { " (what is left is for changes of rights)" };
            Err(format!("{what} is full{kept}; trim it, or raise {setting}"))
        };
        let over = |used: i64, more: u64, limit: u64| {
            limit > 0 && used.saturating_add_unsigned(more).max(0) as u64 > part_of(limit, rights)
        };
        if weight.bytes() > freed {
            if over(self.total, weight.bytes(), settings.max_bytes) {
                return full("the audit log", "audit_max_bytes");
            }
            if weight.logs.iter().any(|(tenant, bytes)| over(self.of(*tenant), *bytes, settings.tenant_bytes)) {
                return full("the tenant's audit log", "audit_tenant_bytes");
            }
        }
        weight.logs.iter().for_each(|(tenant, bytes)| self.add(*tenant, *bytes as i64));
        Ok(())
    }
}

/// An entry and the log it goes to.
pub type Entry = (TenantId, AuditRecord);

impl Book {
    /// Reads how large the logs are.
    pub fn open(meta: Arc<dyn Metastore>, settings: AuditSettings) -> Result<Arc<Self>, AuthzError> {
        let mut process = [0; 4];
        getrandom::fill(&mut process).map_err(|e| AuthzError::Limit(format!("no randomness: {e}")))?;
        let sizes = Mutex::new(stored_sizes(&*meta)?);
        Ok(Arc::new(Self {
            meta,
            settings,
            process: u32::from_be_bytes(process),
            next: AtomicU32::new(0),
            sizes,
            written: AtomicU64::new(0),
            lost: AtomicU64::new(0),
            complain: OnceLock::new(),
        }))
    }

    /// Who hears of losses. The first one stays.
    pub fn on_loss(&self, complain: Complain) {
        drop(self.complain.set(complain));
    }

    /// The settings it was opened with.
    pub fn settings(&self) -> AuditSettings {
        self.settings
    }

    /// Bytes of all rows, those on their way to the disk included.
    pub fn bytes(&self) -> u64 {
        self.sizes.lock().total.max(0) as u64
    }

    /// Entries written by this process.
    pub fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    /// Entries that this process could not write, and went on.
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// Commits a change with the entries about it: each for the log of a tenant, with a copy for who acted.
    pub fn commit(
        self: &Arc<Self>,
        mut batch: Batch,
        at: Timestamp,
        entries: Vec<Entry>,
    ) -> Result<Revision, AuditedError> {
        let mut booked = Vec::with_capacity(entries.len());
        for (tenant, entry) in entries {
            booked.push(self.append(&mut batch, at, &on_both_sides(tenant, entry)).map_err(AuditedError::Audit)?);
        }
        let revision = self.meta.commit(&batch).map_err(AuditedError::Commit)?;
        booked.into_iter().for_each(Booked::durable);
        Ok(revision)
    }

    /// Adds to the batch that stores an object what the audit log says of its access control list: as PutObjectAcl's.
    /// [`AuthzError::Audit`] when it cannot be written: then the object must not be stored.
    pub fn append_list(
        self: &Arc<Self>,
        batch: &mut Batch,
        at: Timestamp,
        by: &Actor,
        (bucket, name, key): (&BucketRecord, &str, &[u8]),
    ) -> Result<Booked, AuthzError> {
        let entry = AuditRecord {
            kind: AuditKind::Configuration,
            outcome: AuditOutcome::Done,
            bucket: bucket.id.0,
            action: "s3:PutObjectAcl".into(),
            name: Some(name.to_owned()),
            key: Some(key.to_vec()),
            ..by.entry()
        };
        self.append(batch, at, &on_both_sides(bucket.tenant, entry))
    }

    /// Adds the entries of one event, at most one for each log, to the batch of what they are about.
    pub(crate) fn append(
        self: &Arc<Self>,
        batch: &mut Batch,
        at: Timestamp,
        entries: &[Entry],
    ) -> Result<Booked, AuthzError> {
        self.append_for(batch, at, entries, 0)
    }

    /// As [`Self::append`], to a batch that removes `freed` bytes: what takes no more than it frees always fits.
    pub(crate) fn append_for(
        self: &Arc<Self>,
        batch: &mut Batch,
        at: Timestamp,
        entries: &[Entry],
        freed: u64,
    ) -> Result<Booked, AuthzError> {
        let sequence = u64::from(self.process) << 32 | u64::from(self.next.fetch_add(1, Ordering::Relaxed));
        let (begin, mut weight) = (batch.ops.len(), Weight::default());
        for (tenant, entry) in entries {
            let (key, value) = (keys::audit(*tenant, at, sequence), entry.encode());
            weight.add(*tenant, (key.len() + value.len()) as u64);
            batch.ops.push(Op::Put { key, value, tally: Some(tally(*tenant)) });
        }
        let rights = entries.iter().all(|(_, entry)| is_change_of_rights(entry));
        let taken = self.sizes.lock().take(&weight, &self.settings, rights, freed);
        if let Err(full) = taken {
            batch.ops.truncate(begin);
            self.unwritten(weight.entries, full)?;
            weight = Weight::default();
        }
        Ok(Booked { book: Arc::clone(self), weight })
    }

    /// Entries cannot be written: an error, or, as the operator chose, a count.
    pub(crate) fn unwritten(&self, entries: u64, why: String) -> Result<(), AuthzError> {
        if self.settings.on_failure == OnFailure::Deny {
            return Err(AuthzError::Audit(why));
        }
        self.lost.fetch_add(entries, Ordering::Relaxed);
        self.complain(&format!("audit entries lost: {entries}: {why}"));
        Ok(())
    }

    pub(crate) fn complain(&self, line: &str) {
        if let Some(complain) = self.complain.get() {
            complain(line);
        }
    }

    /// Rows of this many bytes are gone from the logs.
    pub(crate) fn shrank(&self, weight: &Weight) {
        let mut sizes = self.sizes.lock();
        weight.logs.iter().for_each(|(tenant, bytes)| sizes.add(*tenant, -(*bytes as i64)));
    }
}

/// Room that entries of a batch take in the log; given back when it is dropped before they are durable.
#[must_use = "entries that are durable must be counted"]
pub struct Booked {
    book: Arc<Book>,
    weight: Weight,
}

impl Booked {
    /// The batch is durable.
    pub fn durable(mut self) {
        let weight = std::mem::take(&mut self.weight);
        self.book.written.fetch_add(weight.entries, Ordering::Relaxed);
    }

    /// Bytes of their rows.
    pub(crate) fn bytes(&self) -> u64 {
        self.weight.bytes()
    }

    /// How many entries.
    pub(crate) fn entries(&self) -> u64 {
        self.weight.entries
    }
}

impl Drop for Booked {
    fn drop(&mut self) {
        self.book.shrank(&self.weight);
    }
}

/// Why a change was not made.
#[derive(Debug)]
pub enum AuditedError {
    /// It cannot be written down.
    Audit(AuthzError),
    /// It cannot be committed.
    Commit(CommitError),
}

/// What entries weigh, in each log.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Weight {
    logs: Vec<(TenantId, u64)>,
    entries: u64,
}

impl Weight {
    /// One more entry. Those of a log come one after the other, or are few.
    pub(crate) fn add(&mut self, tenant: TenantId, bytes: u64) {
        self.entries += 1;
        match self.logs.last_mut().filter(|(last, _)| *last == tenant) {
            Some((_, sum)) => *sum += bytes,
            None => self.logs.push((tenant, bytes)),
        }
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.logs.iter().map(|(_, bytes)| bytes).sum()
    }
}

/// Whether the entry may take the room that is kept for changes of rights. Those that nobody signed may not: they are
/// strangers', and with `audit_anonymous` off no decision goes before them that would find the log full.
fn is_change_of_rights(entry: &AuditRecord) -> bool {
    entry.kind != AuditKind::Decision && entry.who != Grantee::ANYONE.bits()
}

/// The counter row of a tenant's log.
pub(crate) fn tally(tenant: TenantId) -> Tally {
    Tally { counter: keys::audit_size(tenant), field: AUDIT_SIZE_FIELD }
}

fn stored_sizes(meta: &dyn Metastore) -> Result<Sizes, AuthzError> {
    let (mut sizes, range) = (Sizes::default(), keys::audit_sizes());
    meta.snapshot()?.scan(&range.start..&range.end, &mut |key, row| {
        let bytes = row.get(8..16).and_then(|b| b.try_into().ok()).map_or(0, i64::from_le_bytes);
        if let Some(tenant) = keys::parse_audit_size(key) {
            sizes.add(tenant, bytes);
        }
        Step::Next
    })?;
    Ok(sizes)
}

/// The entry for the tenant it is about, and the copy for the tenant of who acted when that is another one.
pub(crate) fn on_both_sides(tenant: TenantId, entry: AuditRecord) -> Vec<Entry> {
    let acting = Grantee::from_bits(entry.who).ok().filter(|who| matches!(who.kind(), Kind::User | Kind::Service));
    let Some(acting) = acting.map(Grantee::tenant).filter(|acting| *acting != tenant) else {
        return vec![(tenant, entry)];
    };
    // The other side's access keys are no business of the owner's, the owner's reasons none of the other side's.
    let mut copy = AuditRecord { acting: true, reason: 0, revision: 0, bucket: 0, ..entry.clone() };
    // Who comes through a share, which is the detail then, is not told where it leads.
    if entry.kind == AuditKind::Decision && entry.detail.is_some() {
        (copy.name, copy.key, copy.detail) = (None, None, None);
    }
    vec![(tenant, AuditRecord { access_key: None, ..entry }), (acting, copy)]
}

/// IPv6 addresses that are IPv4 ones are written as these.
pub(crate) fn ip_bytes(ip: IpAddr) -> Vec<u8> {
    match ip.to_canonical() {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    }
}
