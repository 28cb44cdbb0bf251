//! The thread that makes entries of requests durable, and the trail that a request's answer waits for.
//!
//! Belongs here: the bounded queue, group commit, trimming, waiting. Does not belong here: what an entry says (`audit`).
//!
//! What is queued while a commit is under way shares the next one. A request whose entry cannot be queued or written is
//! refused before any byte of its answer is sent, unless the operator chose otherwise; then the loss is counted.

use std::collections::{HashSet, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use panthera_base::{Clock, TenantId, Timestamp};
use panthera_meta::records::{AuditKind, AuditOutcome, AuditRecord};
use panthera_meta::{Batch, MetaError, Op, Step, keys};
use parking_lot::{Condvar, Mutex};
use tokio::sync::oneshot;

use crate::audit::{self, Actor, Book, Booked, Entry, OnFailure, Weight, tally};
use crate::decision::entries::{acting, of_decision};
use crate::decision::{Decision, Question, Reason, Subject, Verdict};
use crate::error::AuthzError;

/// Notes that may wait for the disk; a request that would be one more is refused. A commit takes milliseconds, so this
/// is what hundreds of thousands of requests a second leave, and some 10 MiB.
pub const QUEUE_NOTES: usize = 16 << 10;
/// Notes of one commit: bounds a transaction, and how long the first of them waits.
const GROUP_NOTES: usize = 1024;
/// Rows that one commit of trimming removes.
pub const TRIM_ROWS: usize = 10_000;
/// How often the thread looks for what has been kept long enough.
const TRIM_PAUSE: Duration = Duration::from_secs(60);

/// Why a request cannot go on.
#[derive(Clone, Debug)]
pub enum Unaudited {
    /// Too many notes wait for the disk: try again.
    Busy,
    /// The log is full, the store failed, or the server is stopping; the text says which.
    Failed(String),
}

impl fmt::Display for Unaudited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Busy => write!(f, "{QUEUE_NOTES} notes wait for the audit log"),
            Self::Failed(why) => f.write_str(why),
        }
    }
}

type Written = Result<(), Unaudited>;

/// What one decision leaves, and who waits for it.
struct Note {
    at: Timestamp,
    entries: Vec<Entry>,
    done: oneshot::Sender<Written>,
}

#[derive(Default)]
struct Queue {
    notes: VecDeque<Note>,
    closed: bool,
}

struct Shared {
    book: Arc<Book>,
    clock: Arc<dyn Clock>,
    queue: Mutex<Queue>,
    news: Condvar,
}

/// Writes what requests leave. Closed when it is dropped: what was queued by then is written.
pub struct AuditWriter {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl AuditWriter {
    /// Starts the thread.
    pub fn start(book: Arc<Book>, clock: Arc<dyn Clock>) -> std::io::Result<Arc<Self>> {
        let shared = Arc::new(Shared { book, clock, queue: Mutex::default(), news: Condvar::new() });
        let own = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("audit".into()).spawn(move || own.run())?;
        Ok(Arc::new(Self { shared, thread: Mutex::new(Some(thread)) }))
    }

    /// The log.
    pub fn book(&self) -> &Arc<Book> {
        &self.shared.book
    }

    /// The trail of a request.
    pub fn trail(self: &Arc<Self>, asked: Asked) -> Arc<Trail> {
        Arc::new(Trail { writer: Arc::clone(self), asked, left: Mutex::default() })
    }

    /// Writes what is queued and ends the thread. Notes that come later are refused.
    pub fn close(&self) {
        self.shared.queue.lock().closed = true;
        self.shared.news.notify_all();
        if let Some(thread) = self.thread.lock().take() {
            // It does not panic; if it did, those who wait have been told by the end of their channels.
            drop(thread.join());
        }
    }

    /// Removes entries from before a moment, of one tenant or of all, and writes down who asked for it. A bounded
    /// number per call: how many, and whether there are more.
    pub fn trim(&self, tenant: Option<TenantId>, before: Timestamp, by: &Actor) -> Result<(u64, bool), AuthzError> {
        self.shared.trim(tenant, before, Some(by))
    }

    /// Notes that wait for the next commit.
    pub fn queued(&self) -> usize {
        self.shared.queue.lock().notes.len()
    }

    fn submit(&self, note: Note) -> Written {
        let mut queue = self.shared.queue.lock();
        if queue.closed {
            return Err(Unaudited::Failed("the audit log is closed: the server is stopping".into()));
        }
        if queue.notes.len() >= QUEUE_NOTES {
            return Err(Unaudited::Busy);
        }
        queue.notes.push_back(note);
        drop(queue);
        self.shared.news.notify_one();
        Ok(())
    }
}

impl Drop for AuditWriter {
    fn drop(&mut self) {
        self.close();
    }
}

impl Shared {
    fn run(&self) {
        // When nothing was left that has been kept long enough; at the start nobody knows.
        let mut forgotten: Option<Instant> = None;
        loop {
            if forgotten.is_none_or(|at| at.elapsed() >= TRIM_PAUSE) && !self.forget() {
                forgotten = Some(Instant::now());
            }
            let notes: Vec<Note> = {
                let mut queue = self.queue.lock();
                if queue.notes.is_empty() && !queue.closed && forgotten.is_some() {
                    self.news.wait_for(&mut queue, TRIM_PAUSE);
                }
                if queue.notes.is_empty() && queue.closed {
                    return;
                }
                let n = queue.notes.len().min(GROUP_NOTES);
                queue.notes.drain(..n).collect()
            };
            if !notes.is_empty() {
                self.write(notes);
            }
        }
    }

    /// One batch for all of them: they are durable together, or each of them is told that it is not.
    fn write(&self, notes: Vec<Note>) {
        let (mut batch, mut booked, mut waiting) = (Batch::default(), Vec::new(), Vec::new());
        for note in notes {
            match self.book.append(&mut batch, note.at, &note.entries) {
                Ok(room) => {
                    booked.push(room);
                    // Nobody listens any more when the client left; the entry is written all the same.
                    waiting.push(note.done);
                }
                Err(error) => drop(note.done.send(Err(Unaudited::Failed(error.to_string())))),
            }
        }
        let outcome = match self.book.meta.commit(&batch) {
            _ if batch.ops.is_empty() => Ok(()),
            Ok(_) => {
                booked.into_iter().for_each(Booked::durable);
                Ok(())
            }
            Err(error) => self
                .book
                .unwritten(
                    booked.iter().map(Booked::entries).sum(),
                    format!("the audit log cannot be written: {error}"),
                )
                .map_err(|error| Unaudited::Failed(error.to_string())),
        };
        waiting.into_iter().for_each(|done| drop(done.send(outcome.clone())));
    }

    /// Removes some of what has been kept as long as the settings say; whether there is more of it.
    fn forget(&self) -> bool {
        if self.book.settings.keep_us == 0 {
            return false;
        }
        let before = Timestamp(self.clock.now().0.saturating_sub(self.book.settings.keep_us));
        self.trim(None, before, None).map(|(_, more)| more).unwrap_or_else(|error| {
            self.book.complain(&format!("old audit entries were not removed: {error}"));
            false
        })
    }

    fn trim(&self, tenant: Option<TenantId>, before: Timestamp, by: Option<&Actor>) -> Result<(u64, bool), AuthzError> {
        let (rows, more) = self.older(tenant, before)?;
        if rows.is_empty() {
            return Ok((0, false));
        }
        let (mut batch, mut freed, mut tenants) = (Batch::default(), Weight::default(), Vec::new());
        for (owner, key, bytes) in rows.iter().cloned() {
            freed.add(owner, bytes);
            batch.ops.push(Op::Delete { key, tally: Some(tally(owner)) });
            if tenants.last() != Some(&owner) {
                tenants.push(owner);
            }
        }
        let (mut booked, mut room) = (Vec::new(), freed.bytes());
        if let Some(by) = by {
            // Each with a sequence of its own: the copies go to one log.
            for owner in tenants {
                let one = self.book.append_for(&mut batch, self.clock.now(), &of_trim(by, owner, before), room)?;
                room = room.saturating_sub(one.bytes());
                booked.push(one);
            }
        }
        match self.book.meta.commit(&batch) {
            Ok(_) => {
                self.book.shrank(&freed);
                booked.into_iter().for_each(Booked::durable);
                Ok((rows.len() as u64, more))
            }
            Err(panthera_meta::CommitError::Store(error)) => Err(error.into()),
            Err(panthera_meta::CommitError::Conflict(_)) => Ok((0, true)),
        }
    }

    /// Tenant, key and size of rows from before a moment, and whether there are more than a call removes.
    fn older(&self, tenant: Option<TenantId>, before: Timestamp) -> Result<(Vec<Old>, bool), MetaError> {
        let range = match tenant {
            Some(tenant) => keys::audit(tenant, Timestamp(0), 0)..keys::audit(tenant, before, 0),
            None => keys::kind_range(keys::kind::AUDIT),
        };
        let (mut rows, mut more) = (Vec::new(), false);
        let snapshot = self.book.meta.snapshot()?;
        snapshot.scan(&range.start..&range.end, &mut |key, value| {
            if rows.len() == TRIM_ROWS {
                more = true;
                return Step::Stop;
            }
            let Some((owner, at, _)) = keys::parse_audit(key) else { return Step::Next };
            if at >= before {
                // The rest of this tenant's log is younger: go on with the next tenant.
                return owner
                    .0
                    .checked_add(1)
                    .map_or(Step::Stop, |next| Step::Seek(keys::audit(TenantId(next), Timestamp(0), 0)));
            }
            rows.push((owner, key.to_vec(), (key.len() + value.len()) as u64));
            Step::Next
        })?;
        Ok((rows, more))
    }
}

type Old = (TenantId, Vec<u8>, u64);

fn of_trim(by: &Actor, owner: TenantId, before: Timestamp) -> Vec<Entry> {
    let (kind, outcome) = (AuditKind::Trim, AuditOutcome::Done);
    let detail = Some(format!("before {}", before.0));
    audit::on_both_sides(
        owner,
        AuditRecord { kind, outcome, action: "panthera:TrimAudit".into(), detail, ..by.entry() },
    )
}

/// What a request says of itself in its entries.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    /// x-amz-request-id.
    pub request_id: String,
    /// The access key that signed.
    pub access_key: Option<String>,
    /// The path as it was sent, where that is not the place itself; never one that holds a secret.
    pub path: Option<String>,
}

/// What a request leaves in the audit log while it is decided. Only requests that may concern another tenant have one.
pub struct Trail {
    writer: Arc<AuditWriter>,
    asked: Asked,
    left: Mutex<Left>,
}

#[derive(Default)]
struct Left {
    /// What was decided so far: the same question asked twice by one request is one entry.
    said: HashSet<[u8; 32]>,
    waiting: Vec<oneshot::Receiver<Written>>,
    /// One of them could not be queued: the request ends with that.
    refused: bool,
}

impl fmt::Debug for Trail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trail").field("asked", &self.asked).finish_non_exhaustive()
    }
}

impl Trail {
    /// Whether decisions about this subject and a tenant's resources are written down.
    pub fn wanted(writer: &AuditWriter, subject: &Subject, owner: TenantId) -> bool {
        match subject {
            Subject::User { tenant, .. } => *tenant != owner,
            Subject::Share(_) => true,
            Subject::Anonymous => writer.shared.book.settings.anonymous,
        }
    }

    /// Queues the entries of a decision. What cannot be queued is a deny.
    pub(crate) fn note(&self, question: &Question<'_>, decision: Decision) -> Decision {
        if !Self::wanted(&self.writer, question.subject, question.resource.tenant) {
            return decision;
        }
        let unaudited = Decision { verdict: Verdict::Deny, reason: Reason::Unaudited, ..decision };
        {
            let mut left = self.left.lock();
            if left.refused {
                return unaudited;
            }
            if !left.said.insert(name(question, &decision)) {
                return decision;
            }
        }
        let Ok(who) = acting(question.subject) else { return unaudited };
        let entries = of_decision(question, who, &decision, &self.asked);
        let (count, (done, written)) = (entries.len() as u64, oneshot::channel());
        // Now, not when the request came: a body may have taken long since, and who follows the log has gone on.
        let at = self.writer.shared.clock.now();
        let queued = self.writer.submit(Note { at, entries, done });
        match queued {
            Ok(()) => self.left.lock().waiting.push(written),
            Err(why) if self.writer.shared.book.settings.on_failure == OnFailure::Continue => {
                // In this mode it counts and does not fail.
                drop(self.writer.shared.book.unwritten(count, why.to_string()));
            }
            Err(why) => {
                // The request ends with this error, whatever the decision was: the answer tells nothing of it.
                let (done, written) = oneshot::channel();
                drop(done.send(Err(why)));
                let mut left = self.left.lock();
                left.waiting.push(written);
                left.refused = true;
                return unaudited;
            }
        }
        decision
    }

    /// Queues the entries of a refusal that comes from no decision: before one could be asked for, or after.
    pub fn refuse(&self, question: &Question<'_>, reason: Reason) {
        let refused = Decision { verdict: Verdict::Deny, reason, revision: 0 };
        // What cannot be queued ends the request as well, when it waits for its trail.
        let _: Decision = self.note(question, refused);
    }

    /// Waits until everything that was noted so far is durable.
    pub async fn settled(&self) -> Result<(), Unaudited> {
        let waiting = std::mem::take(&mut self.left.lock().waiting);
        let mut outcome = Ok(());
        for written in waiting {
            let one = written.await.unwrap_or_else(|_| Err(Unaudited::Failed("the audit log's thread ended".into())));
            outcome = outcome.and(one);
        }
        outcome
    }
}

/// Names what was asked and decided within one request.
fn name(question: &Question<'_>, decision: &Decision) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    let Question { action, resource, .. } = question;
    for part in [action.name().as_bytes(), resource.name.as_bytes(), resource.key.unwrap_or_default()] {
        hasher.update(&(part.len() as u64).to_le_bytes()).update(part);
    }
    let share = if let Subject::Share(by) = question.subject { by.share } else { 0 };
    hasher.update(&share.to_le_bytes());
    hasher.update(&[u8::from(resource.key.is_some()), u8::from(decision.allowed())]);
    *hasher.finalize().as_bytes()
}
