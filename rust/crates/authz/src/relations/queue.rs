//! Writers that arrive while a commit is under way: one of them leads and commits what all wait for, the others sleep
//! until it is answered. Does not belong here: what a commit is (`write`).
//!
//! Whose turn it is next is told to one writer by name. A lock that is given to whoever comes next would not do: the
//! writer that has just been answered takes it again before the others are awake, and commits alone, a flush a request.
//! Nor would one bell for all: each commit would wake everybody, to find out that most have nothing to do yet.
//!
//! Whoever is woken takes a processor, and most are woken at once. So those of a commit are woken while the next one
//! waits for the disk, and not while it is being planned.

use std::cell::Cell;
use std::sync::Arc;

use panthera_meta::MetaError;

use crate::error::AuthzError;
use crate::relations::write::WriteTuples;
use crate::sync::{Condvar, Mutex};

/// Requests that share one commit.
const GROUP: usize = 256;
/// Most changes of a next commit for whose planning those of the last one are kept asleep: some five milliseconds.
const PLANNED_FIRST: usize = 1024;

pub(crate) type Outcome = Result<u64, AuthzError>;

type Seats = Vec<Arc<Seat>>;

/// Where one writer waits.
struct Seat {
    news: Mutex<News>,
    bell: Condvar,
}

/// What a writer that waits is told.
#[derive(Default)]
struct News {
    /// It is its turn to commit what waits, its own request first.
    lead: bool,
    outcome: Option<Outcome>,
    /// The writer has its outcome and goes its way: nobody will look here again.
    left: bool,
    /// Writers that it wakes before it goes.
    wakes: Seats,
}

enum Told {
    Lead,
    Done(Outcome),
}

impl Seat {
    fn wait(&self) -> Told {
        let mut news = self.news.lock();
        loop {
            if let Some(outcome) = news.outcome.take() {
                news.left = true;
                let wakes = std::mem::take(&mut news.wakes);
                drop(news);
                wakes.iter().for_each(|seat| seat.wake());
                return Told::Done(outcome);
            }
            if std::mem::take(&mut news.lead) {
                return Told::Lead;
            }
            self.bell.wait(&mut news);
        }
    }

    fn wake(&self) {
        self.bell.notify_one();
    }
}

/// Wakes writers that have been answered: one of them, which wakes the others. Those who have left need no waking.
fn wake_all(mut seats: Seats) {
    while let Some(seat) = seats.pop() {
        let mut news = seat.news.lock();
        if !news.left {
            news.wakes = seats;
            drop(news);
            seat.wake();
            return;
        }
    }
}

/// A request that waits for a commit, and who waits for its outcome.
pub(crate) struct Pending {
    pub(crate) request: WriteTuples,
    seat: Arc<Seat>,
    /// The leader's own note: the writer may have taken its outcome already, and done is done all the same.
    answered: Cell<bool>,
}

impl Pending {
    /// Lays the outcome down. Its writer is woken later.
    pub(crate) fn answer(&self, outcome: Outcome) {
        self.answered.set(true);
        self.seat.news.lock().outcome = Some(outcome);
    }

    pub(crate) fn is_answered(&self) -> bool {
        self.answered.get()
    }
}

/// Nobody waits for ever: a request that its leader dropped without a word, which only a panic does, ends as an error.
impl Drop for Pending {
    fn drop(&mut self) {
        if !self.is_answered() {
            let broken = MetaError::Disk("the commit was broken off; whether the change was made is open".into());
            self.answer(Err(AuthzError::Store(broken)));
        }
    }
}

#[derive(Default)]
struct Waiting {
    requests: Vec<Pending>,
    /// Somebody leads, or was told to. Nothing waits while nobody does.
    led: bool,
    /// Those of the last commit, while the next one is being planned.
    asleep: Seats,
}

/// The requests that wait, and whether somebody leads.
pub(crate) struct Queue {
    waiting: Mutex<Waiting>,
}

impl Queue {
    pub(crate) fn new() -> Self {
        Self { waiting: Mutex::new(Waiting::default()) }
    }

    /// Returns the outcome of the request. `commit` is called, on this thread or on that of another writer, with
    /// requests in the order of their arrival, and answers each; never twice at the same time. It says by its turn when
    /// it begins to wait for something; what it returns is dropped when the next one has begun.
    pub(crate) fn submit<T>(&self, request: WriteTuples, commit: impl Fn(Vec<Pending>, &Turn<'_>) -> T) -> Outcome {
        let seat = Arc::new(Seat { news: Mutex::new(News::default()), bell: Condvar::new() });
        let mut waiting = self.waiting.lock();
        waiting.requests.push(Pending { request, seat: Arc::clone(&seat), answered: Cell::new(false) });
        let leads = !std::mem::replace(&mut waiting.led, true);
        drop(waiting);
        if leads {
            self.lead(&commit);
        }
        loop {
            match seat.wait() {
                Told::Done(outcome) => return outcome,
                Told::Lead => self.lead(&commit),
            }
        }
    }

    /// Commits what waits. The request of the caller is the first of it, and so is answered.
    fn lead<T>(&self, commit: impl Fn(Vec<Pending>, &Turn<'_>) -> T) {
        let group: Vec<Pending> = {
            let mut waiting = self.waiting.lock();
            let n = waiting.requests.len().min(GROUP);
            waiting.requests.drain(..n).collect()
        };
        // The first is the caller, who is awake.
        let seats = group.iter().skip(1).map(|pending| Arc::clone(&pending.seat)).collect();
        let turn = Turn { queue: self, seats };
        let spent = commit(group, &turn);
        drop(turn);
        drop(spent);
    }
}

/// A commit under way. Ends with it, however that ends.
pub(crate) struct Turn<'a> {
    queue: &'a Queue,
    /// Whom it answers.
    seats: Seats,
}

impl Turn<'_> {
    /// Wakes those of the commit before: from here on this one waits, and they take no processor from it.
    pub(crate) fn waits(&self) {
        let asleep = std::mem::take(&mut self.queue.waiting.lock().asleep);
        wake_all(asleep);
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.waits();
        let mut waiting = self.queue.waiting.lock();
        let group = waiting.requests.iter().take(GROUP);
        let short = group.map(|pending| pending.request.changes.len()).sum::<usize>() <= PLANNED_FIRST;
        let next = waiting.requests.first().map(|pending| Arc::clone(&pending.seat));
        waiting.led = next.is_some();
        let mut seats = std::mem::take(&mut self.seats);
        if next.is_some() && short {
            waiting.asleep = std::mem::take(&mut seats);
        }
        drop(waiting);
        // The next commit begins while those of this one are being woken.
        if let Some(next) = next {
            next.news.lock().lead = true;
            next.wake();
        }
        wake_all(seats);
    }
}

#[cfg(all(test, not(feature = "model")))]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::Barrier;

    use panthera_base::{TenantId, Timestamp};

    use super::*;
    use crate::model::{Grantee, Place, Relation, Target, Tuple};
    use crate::relations::write::Change;

    fn request() -> WriteTuples {
        WriteTuples::new(TenantId(1), Vec::new(), Timestamp(0))
    }

    /// How many requests each commit had while `n` writers came during the first, which is ended by `end`.
    fn groups(n: usize, end: impl Fn() + Sync) -> (Vec<usize>, Vec<Outcome>) {
        let (queue, sizes, first) = (Queue::new(), Mutex::new(Vec::new()), Barrier::new(2));
        let commit = |group: Vec<Pending>, _: &Turn<'_>| {
            let before = sizes.lock().len();
            sizes.lock().push(group.len());
            if before == 0 {
                first.wait();
                while queue.waiting.lock().requests.len() < n {
                    std::thread::yield_now();
                }
                end();
            }
            group.iter().for_each(|pending| pending.answer(Ok(before as u64)));
        };
        let outcomes = std::thread::scope(|scope| {
            let lead = scope.spawn(|| catch_unwind(AssertUnwindSafe(|| queue.submit(request(), commit))));
            first.wait();
            let others: Vec<_> = (0..n).map(|_| scope.spawn(|| queue.submit(request(), commit))).collect();
            let lead = lead.join().unwrap().unwrap_or(Ok(u64::MAX));
            std::iter::once(lead).chain(others.into_iter().map(|other| other.join().unwrap())).collect()
        });
        (sizes.lock().clone(), outcomes)
    }

    #[test]
    fn who_arrives_during_a_commit_shares_the_next() {
        let (sizes, outcomes) = groups(GROUP, || ());
        assert_eq!(sizes, [1, GROUP]);
        assert_eq!(outcomes[0].clone().unwrap(), 0);
        assert!(outcomes[1..].iter().all(|outcome| outcome.clone().unwrap() == 1));
    }

    #[test]
    fn one_more_than_a_group_waits_for_another_commit() {
        let (sizes, outcomes) = groups(GROUP + 1, || ());
        assert_eq!(sizes, [1, GROUP, 1]);
        assert_eq!(outcomes.iter().filter(|outcome| matches!(outcome, Ok(2))).count(), 1);
    }

    /// How many answered writers are asleep while a commit of so many changes begins to be planned, and once it waits.
    fn asleep(changes: usize) -> (usize, usize) {
        let (queue, commits, seen) = (Queue::new(), Mutex::new(0), Mutex::new((0, 0)));
        let waiting = |n: usize| {
            while queue.waiting.lock().requests.len() < n {
                std::thread::yield_now();
            }
        };
        let commit = |group: Vec<Pending>, turn: &Turn<'_>| {
            let number = {
                let mut commits = commits.lock();
                *commits += 1;
                *commits
            };
            match number {
                // Two wait for the second commit, one for the third.
                1 => waiting(2),
                2 => waiting(1),
                _ => {
                    let before = queue.waiting.lock().asleep.len();
                    turn.waits();
                    *seen.lock() = (before, queue.waiting.lock().asleep.len());
                }
            }
            group.iter().for_each(|pending| pending.answer(Ok(number)));
        };
        let key = Tuple::new(Target::new(TenantId(1), Place::Tenant), Relation::Reader, Grantee::ANYONE).key;
        let last = WriteTuples::new(TenantId(1), vec![Change::Delete(key); changes], Timestamp(0));
        std::thread::scope(|scope| {
            let begun = |n: u64| {
                while *commits.lock() < n {
                    std::thread::yield_now();
                }
            };
            let first = scope.spawn(|| queue.submit(request(), commit));
            begun(1);
            let writers = [
                first,
                scope.spawn(|| queue.submit(request(), commit)),
                scope.spawn(|| queue.submit(request(), commit)),
            ];
            begun(2);
            assert_eq!(queue.submit(last, commit).unwrap(), 3);
            writers.into_iter().for_each(|writer| assert!(writer.join().unwrap().unwrap() < 3));
        });
        *seen.lock()
    }

    #[test]
    fn who_is_answered_sleeps_while_a_short_commit_is_planned() {
        assert_eq!(asleep(PLANNED_FIRST), (1, 0), "the other one of two led the commit");
        assert_eq!(asleep(PLANNED_FIRST + 1), (0, 0));
    }

    #[test]
    fn a_leader_that_panics_stops_nobody() {
        let (sizes, outcomes) = groups(3, || panic!("on purpose"));
        assert_eq!((sizes, outcomes[0].clone().unwrap()), (vec![1, 3], u64::MAX));
        assert!(outcomes[1..].iter().all(|outcome| outcome.clone().unwrap() == 1));
    }

    #[test]
    fn a_request_that_is_dropped_ends_as_an_error() {
        let queue = Queue::new();
        assert!(matches!(queue.submit(request(), |group, _| drop(group)), Err(AuthzError::Store(MetaError::Disk(_)))));
        assert_eq!(queue.submit(request(), |group, _| group[0].answer(Ok(7))).unwrap(), 7);
    }
}

/// All of it under the model checker, which chooses who takes the next step: a wakening that is lost is a deadlock.
#[cfg(all(test, feature = "model"))]
mod modelled {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use panthera_base::{TenantId, Timestamp};
    use shuttle::scheduler::{PctScheduler, RandomScheduler};
    use shuttle::{Config, Runner};

    use super::*;

    const SEED: u64 = 1;
    /// One schedule is some hundred steps.
    const RUNS: usize = 20_000;

    /// How a commit ends.
    #[derive(Clone, Copy)]
    enum End {
        Answers,
        /// All wait and are answered with an error before anything is waited for.
        Fails,
    }

    /// Writers with two requests each. Each request is committed once and its own writer is told so, also when a commit
    /// fails.
    fn writers(n: usize, ends: &'static [End]) {
        let scenario = move || {
            let (queue, commits) = (Arc::new(Queue::new()), Arc::new(AtomicUsize::new(0)));
            let under_way = Arc::new(Mutex::new(false));
            let handles: Vec<_> = (0..n as u64)
                .map(|writer| {
                    let (queue, commits, under_way) =
                        (Arc::clone(&queue), Arc::clone(&commits), Arc::clone(&under_way));
                    shuttle::thread::spawn(move || {
                        let commit = |group: Vec<Pending>, turn: &Turn<'_>| {
                            assert!(!std::mem::replace(&mut *under_way.lock(), true), "two commits at once");
                            let end = ends.get(commits.fetch_add(1, Ordering::SeqCst)).copied().unwrap_or(End::Answers);
                            if let End::Answers = end {
                                turn.waits();
                            }
                            assert!(std::mem::replace(&mut *under_way.lock(), false), "two commits at once");
                            for pending in &group {
                                match end {
                                    End::Answers => pending.answer(Ok(pending.request.at.0)),
                                    End::Fails => pending.answer(Err(AuthzError::NotYet(pending.request.at.0))),
                                }
                            }
                            assert!(
                                group.iter().all(Pending::is_answered),
                                "an answer that was taken is none any more"
                            );
                        };
                        for round in 0..2 {
                            let own = writer * 2 + round;
                            let request = WriteTuples::new(TenantId(1), Vec::new(), Timestamp(own));
                            match queue.submit(request, commit) {
                                Ok(told) | Err(AuthzError::NotYet(told)) => assert_eq!(told, own),
                                other => panic!("{other:?}"),
                            }
                        }
                    })
                })
                .collect();
            handles.into_iter().for_each(|handle| handle.join().unwrap());
            let waiting = queue.waiting.lock();
            assert!(waiting.requests.is_empty() && waiting.asleep.is_empty() && !waiting.led);
        };
        Runner::new(RandomScheduler::new_from_seed(SEED, RUNS), Config::new()).run(scenario);
        Runner::new(PctScheduler::new_from_seed(SEED, 3, RUNS), Config::new()).run(scenario);
    }

    #[test]
    fn nobody_is_forgotten() {
        writers(4, &[]);
    }

    #[test]
    fn nobody_is_forgotten_when_commits_fail_before_they_wait() {
        writers(4, &[End::Answers, End::Fails, End::Fails]);
    }
}
