//! Writers that arrive while a commit is under way: one of them leads and commits what all wait for, the others sleep
//! until it is answered. Does not belong here: what a commit is (`write`).
//!
//! A lock that is given to whoever comes next would not do: the writer that has just been answered takes it again
//! before the others are awake, and commits alone, a flush a request.

use std::sync::Arc;

use panthera_meta::MetaError;

use crate::error::AuthzError;
use crate::relations::write::WriteTuples;
use crate::sync::{Condvar, Mutex};

/// Requests that share one commit.
const GROUP: usize = 256;

pub(crate) type Outcome = Result<u64, AuthzError>;

/// A request that waits for a commit, and where its outcome will be.
pub(crate) struct Pending {
    pub(crate) request: WriteTuples,
    outcome: Arc<Mutex<Option<Outcome>>>,
}

impl Pending {
    pub(crate) fn answer(&self, outcome: Outcome) {
        *self.outcome.lock() = Some(outcome);
    }

    pub(crate) fn is_answered(&self) -> bool {
        self.outcome.lock().is_some()
    }
}

/// Nobody waits for ever: a request that its leader dropped without a word, which only a panic does, ends as an error.
impl Drop for Pending {
    fn drop(&mut self) {
        let broken = || MetaError::Disk("the commit was broken off; whether the change was made is open".into());
        self.outcome.lock().get_or_insert_with(|| Err(AuthzError::Store(broken())));
    }
}

#[derive(Default)]
struct Waiting {
    requests: Vec<Pending>,
    led: bool,
}

/// The requests that wait, and whether somebody leads.
pub(crate) struct Queue {
    waiting: Mutex<Waiting>,
    news: Condvar,
}

impl Queue {
    pub(crate) fn new() -> Self {
        Self { waiting: Mutex::new(Waiting::default()), news: Condvar::new() }
    }

    /// Returns the outcome of the request. `commit` is called, on this thread or on that of another writer, with
    /// requests in the order of their arrival, and answers each; never twice at the same time.
    pub(crate) fn submit(&self, request: WriteTuples, commit: impl Fn(Vec<Pending>)) -> Outcome {
        let outcome = Arc::new(Mutex::new(None));
        let mut waiting = self.waiting.lock();
        waiting.requests.push(Pending { request, outcome: Arc::clone(&outcome) });
        loop {
            if let Some(outcome) = outcome.lock().take() {
                return outcome;
            }
            if waiting.led {
                self.news.wait(&mut waiting);
                continue;
            }
            waiting.led = true;
            let n = waiting.requests.len().min(GROUP);
            let group = waiting.requests.drain(..n).collect();
            drop(waiting);
            let turn = Turn(self);
            commit(group);
            drop(turn);
            waiting = self.waiting.lock();
        }
    }
}

/// Ends with the commit, however that ends.
struct Turn<'a>(&'a Queue);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.waiting.lock().led = false;
        self.0.news.notify_all();
    }
}

#[cfg(all(test, not(feature = "model")))]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::Barrier;

    use panthera_base::{TenantId, Timestamp};

    use super::*;

    fn request() -> WriteTuples {
        WriteTuples::new(TenantId(1), Vec::new(), Timestamp(0))
    }

    /// How many requests each commit had while `n` writers came during the first, which is ended by `end`.
    fn groups(n: usize, end: impl Fn() + Sync) -> (Vec<usize>, Vec<Outcome>) {
        let (queue, sizes, first) = (Queue::new(), Mutex::new(Vec::new()), Barrier::new(2));
        let commit = |group: Vec<Pending>| {
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

    #[test]
    fn a_leader_that_panics_stops_nobody() {
        let (sizes, outcomes) = groups(3, || panic!("on purpose"));
        assert_eq!((sizes, outcomes[0].clone().unwrap()), (vec![1, 3], u64::MAX));
        assert!(outcomes[1..].iter().all(|outcome| outcome.clone().unwrap() == 1));
    }

    #[test]
    fn a_request_that_is_dropped_ends_as_an_error() {
        let queue = Queue::new();
        assert!(matches!(queue.submit(request(), drop), Err(AuthzError::Store(MetaError::Disk(_)))));
        assert_eq!(queue.submit(request(), |group| group[0].answer(Ok(7))).unwrap(), 7);
    }
}
