//! The log to the outside: watching changes from any revision without a gap, reading tuples in pages, consistency
//! tokens, and letting go of old entries.

use std::time::{Duration, Instant};

use panthera_base::{BucketId, TenantId, Timestamp};
use panthera_meta::{Batch, CommitError, Guard, Op, Step};

use crate::error::AuthzError;
use crate::model::codec::{self, State};
use crate::model::{Grantee, LogEntry, Relation, Target, Tuple, TupleKey};
use crate::relations::engine::Engine;

/// Rows a page of tuples looks at before it ends early: bounds the time of one call whatever the filter leaves out.
const ROWS_PER_PAGE: usize = 100_000;
/// Log rows removed by one call of trimming: writers wait for its commit, which takes some tenths of a second.
const TRIMMED_PER_CALL: u64 = 100_000;
/// How long the log is kept: a watcher that was away over a long weekend finds its place again, and one that was away for
/// longer is quicker by reading all tuples anew. Idempotency keys are remembered as long; nobody repeats a request later.
pub const LOG_KEPT: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// Most revisions that are kept even when they are younger: a few hundred bytes each, so some hundred megabytes.
pub const LOG_REVISIONS: u64 = 1_000_000;
/// Bytes of a token: version, MAC, and tenant, revision and epoch enciphered.
const TOKEN_BYTES: usize = 1 + 16 + 28;
const TOKEN_VERSION: u8 = 1;

/// Which tuples are wanted; every part that is set must match.
#[derive(Clone, Default, Debug)]
pub struct TupleFilter {
    /// Of this place only.
    pub target: Option<Target>,
    /// In this bucket only.
    pub bucket: Option<BucketId>,
    /// Of this relation only.
    pub relation: Option<Relation>,
    /// Of this grantee only.
    pub grantee: Option<Grantee>,
}

impl TupleFilter {
    fn takes(&self, target: &Target) -> bool {
        let bucket = target.in_bucket().map(|(bucket, ..)| bucket);
        self.target.as_ref().is_none_or(|t| t == target) && (self.bucket.is_none() || self.bucket == bucket)
    }
}

/// A page of tuples.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TuplePage {
    /// In the order of their targets.
    pub tuples: Vec<Tuple>,
    /// Where the next page begins; `None` after the last. A page may be short and not the last.
    pub cursor: Option<Vec<u8>>,
}

/// A reader of the log. Keeps its place; entries come once, in order.
pub struct Watch {
    engine: Engine,
    tenant: Option<TenantId>,
    next: u64,
}

impl Engine {
    /// Watches changes after a revision, of one tenant or of all.
    pub fn watch(&self, after: u64, tenant: Option<TenantId>) -> Watch {
        Watch { engine: self.clone(), tenant, next: after.saturating_add(1) }
    }

    /// Whether the tuple with this key is there, expired or not.
    pub fn has_tuple(&self, key: &TupleKey) -> Result<bool, AuthzError> {
        Ok(self.inner.root.load().find(self.inner.name, key)?.is_some())
    }

    /// A tenant's tuples.
    pub fn read_tuples(
        &self,
        tenant: TenantId,
        filter: &TupleFilter,
        cursor: Option<&[u8]>,
        limit: usize,
    ) -> Result<TuplePage, AuthzError> {
        let first = match (&filter.target, filter.bucket) {
            (Some(target), _) if target.tenant != tenant => return Ok(TuplePage { tuples: Vec::new(), cursor: None }),
            (Some(target), _) => codec::target_prefix(target),
            (None, Some(bucket)) => codec::bucket_prefix(tenant, bucket),
            (None, None) => codec::tenant_prefix(tenant),
        };
        let end = crate::relations::ranges::successor(&first).unwrap_or_default();
        let from = cursor.filter(|c| *c >= &*first).unwrap_or(&first);
        let snapshot = self.inner.meta.snapshot()?;
        let (mut page, mut failed) = (TuplePage { tuples: Vec::new(), cursor: None }, None);
        let mut looked = 0;
        snapshot.scan(from..&end, &mut |key, value| {
            if page.tuples.len() == limit || looked == ROWS_PER_PAGE {
                page.cursor = Some(key.to_vec());
                return Step::Stop;
            }
            looked += 1;
            match codec::decode_tuple(key, value) {
                Ok(tuple) => {
                    let relation = filter.relation.is_none_or(|r| r == tuple.key.relation);
                    let grantee = filter.grantee.is_none_or(|g| g == tuple.key.grantee);
                    // Exact comparison keeps the filter independent of how rows are laid out.
                    if relation && grantee && filter.takes(&tuple.key.target) {
                        page.tuples.push(tuple);
                    }
                    Step::Next
                }
                Err(e) => {
                    failed = Some(e);
                    Step::Stop
                }
            }
        })?;
        failed.map_or(Ok(page), Err)
    }

    /// A token that says "at least this revision", for one tenant.
    pub fn token(&self, tenant: TenantId, revision: u64) -> Result<Vec<u8>, AuthzError> {
        let state = self.state()?;
        let mut plain = [0; 28];
        plain[..4].copy_from_slice(&tenant.0.to_le_bytes());
        plain[4..12].copy_from_slice(&revision.to_le_bytes());
        plain[12..].copy_from_slice(&state.epoch);
        let mac = mac(&state, &plain);
        let mut token = Vec::with_capacity(TOKEN_BYTES);
        token.push(TOKEN_VERSION);
        token.extend_from_slice(&mac);
        token.extend(plain.iter().zip(stream(&state, &mac)).map(|(p, s)| p ^ s));
        Ok(token)
    }

    /// The revision of a token, if it was issued here to this tenant and checks have reached it.
    pub fn accept_token(&self, tenant: TenantId, token: &[u8]) -> Result<u64, AuthzError> {
        let state = self.state()?;
        let (Some((&TOKEN_VERSION, rest)), TOKEN_BYTES) = (token.split_first(), token.len()) else {
            return Err(AuthzError::BadToken);
        };
        let (mac_bytes, cipher) = rest.split_at(16);
        let mut tag = [0; 16];
        tag.copy_from_slice(mac_bytes);
        let mut plain = [0; 28];
        let deciphered = cipher.iter().zip(stream(&state, &tag)).map(|(c, s)| c ^ s);
        plain.iter_mut().zip(deciphered).for_each(|(to, from)| *to = from);
        // blake3::Hash compares in constant time; sixteen bytes are widened for it.
        let widen = |tag: [u8; 16]| {
            let mut wide = [0; 32];
            wide[..16].copy_from_slice(&tag);
            blake3::Hash::from(wide)
        };
        if widen(mac(&state, &plain)) != widen(tag)
            || plain[..4] != tenant.0.to_le_bytes()
            || plain[12..] != state.epoch
        {
            return Err(AuthzError::BadToken);
        }
        let mut revision = [0; 8];
        revision.copy_from_slice(&plain[4..12]);
        let revision = u64::from_le_bytes(revision);
        if revision > self.revision() {
            return Err(AuthzError::NotYet(revision));
        }
        Ok(revision)
    }

    fn state(&self) -> Result<State, AuthzError> {
        // Before the first write there is no epoch and so nothing a token could be bound to.
        self.inner.writer.lock().state.clone().ok_or(AuthzError::BadToken)
    }

    /// Removes log entries that are older than [`LOG_KEPT`] or have [`LOG_REVISIONS`] or more behind them, as
    /// [`Self::trim_log`] does it. The state as it is remains: what is forgotten is only how it came to be.
    pub fn trim_old(&self, now: Timestamp) -> Result<bool, AuthzError> {
        self.trim_beyond(Timestamp(now.0.saturating_sub(LOG_KEPT.as_micros() as u64)), LOG_REVISIONS)
    }

    /// The same for entries from before a moment, or that have so many or more behind them.
    pub fn trim_beyond(&self, since: Timestamp, most: u64) -> Result<bool, AuthzError> {
        let Some(state) = self.inner.writer.lock().state.clone() else { return Ok(false) };
        let many = (state.revision + 1).saturating_sub(most);
        self.trim_log(self.first_since(since, &state)?.max(many))
    }

    /// The first revision that was written at a moment or later; the one after the last when there is none.
    fn first_since(&self, since: Timestamp, state: &State) -> Result<u64, AuthzError> {
        let snapshot = self.inner.meta.snapshot()?;
        let (mut low, mut high) = (state.oldest, state.revision + 1);
        while low < high {
            let middle = low + (high - low) / 2;
            let row = snapshot.get(&codec::log_key(middle))?;
            // A revision has a row; one that another process trimmed meanwhile was old.
            let old = row.map_or(Ok(true), |row| LogEntry::decode(middle, row).map(|entry| entry.at < since))?;
            if old { low = middle + 1 } else { high = middle }
        }
        Ok(low)
    }

    /// Removes log entries below a revision and what was remembered of idempotency keys up to there. A bounded number
    /// per call: returns whether there is more. Watching from before it is refused from then on.
    pub fn trim_log(&self, keep_from: u64) -> Result<bool, AuthzError> {
        let mut writer = self.inner.writer.lock();
        let Some(before) = writer.state.clone() else { return Ok(false) };
        let wanted = keep_from.min(before.revision + 1);
        let upto = wanted.min(before.oldest.saturating_add(TRIMMED_PER_CALL));
        if upto <= before.oldest {
            return Ok(false);
        }
        let mut batch = Batch::default();
        batch.guard(Guard::Equals(codec::state_key(), before.encode()));
        batch.ops.push(Op::DeleteRange(codec::log_key(0)..codec::log_key(upto)));
        let snapshot = self.inner.meta.snapshot()?;
        let (from, to) = codec::ALL_IDEMPOTENCY;
        let mut failed = None;
        snapshot.scan(from..to, &mut |key, value| match codec::decode_idempotency(value) {
            Ok((revision, _)) => {
                if revision < upto {
                    batch.delete(key.to_vec());
                }
                Step::Next
            }
            Err(e) => {
                failed = Some(e);
                Step::Stop
            }
        })?;
        drop(snapshot);
        if let Some(e) = failed {
            return Err(e);
        }
        let after = State { oldest: upto, ..before };
        batch.put(codec::state_key(), after.encode());
        match self.inner.meta.commit(&batch) {
            Ok(_) => {
                writer.state = Some(after);
                Ok(upto < wanted)
            }
            Err(CommitError::Store(e)) => Err(AuthzError::Store(e)),
            // Another process wrote: the next write reads its log, the next call tries again.
            Err(CommitError::Conflict(_)) => Ok(true),
        }
    }
}

fn mac(state: &State, plain: &[u8; 28]) -> [u8; 16] {
    let hash = blake3::keyed_hash(&blake3::derive_key("panthera authz token mac", &state.token_key), plain);
    let mut mac = [0; 16];
    mac.copy_from_slice(&hash.as_bytes()[..16]);
    mac
}

/// Hides the revision: it would tell one tenant how busy the others are. The MAC is unique to what it hides.
fn stream(state: &State, mac: &[u8; 16]) -> [u8; 32] {
    *blake3::keyed_hash(&blake3::derive_key("panthera authz token stream", &state.token_key), mac).as_bytes()
}

impl Watch {
    /// The revision after which the next entry comes.
    pub fn position(&self) -> u64 {
        self.next - 1
    }

    /// Up to `limit` revisions that are there now. Entries that are not for this watch move it on all the same.
    pub fn poll(&mut self, limit: usize) -> Result<Vec<LogEntry>, AuthzError> {
        let published = self.engine.revision();
        if self.next > published {
            return Ok(Vec::new());
        }
        let snapshot = self.engine.inner.meta.snapshot()?;
        let stored = snapshot.get(&codec::state_key())?.map(State::decode).transpose()?;
        let oldest = stored.map_or(1, |s| s.oldest);
        if self.next < oldest {
            return Err(AuthzError::Trimmed(oldest));
        }
        let (mut entries, mut failed, mut next) = (Vec::new(), None, self.next);
        let (from, to) = (codec::log_key(self.next), codec::log_key(published + 1));
        snapshot.scan(&from..&to, &mut |key, value| {
            if entries.len() == limit {
                return Step::Stop;
            }
            match codec::log_revision(key).and_then(|revision| LogEntry::decode(revision, value)) {
                Ok(entry) => {
                    next = entry.revision + 1;
                    if self.tenant.is_none_or(|t| t == entry.tenant) {
                        entries.push(entry);
                    }
                    Step::Next
                }
                Err(e) => {
                    failed = Some(e);
                    Step::Stop
                }
            }
        })?;
        if let Some(e) = failed {
            return Err(e);
        }
        self.next = next;
        Ok(entries)
    }

    /// Waits until there is something to poll; `false` when the time is over first, which is the moment to send a
    /// heartbeat.
    pub fn wait(&self, timeout: Duration) -> bool {
        let deadline = Instant::now() + timeout;
        let mut published = self.engine.inner.published.lock();
        while *published < self.next {
            if self.engine.inner.news.wait_until(&mut published, deadline).timed_out() {
                return *published >= self.next;
            }
        }
        true
    }
}
