//! The real engine under a model checker that chooses which thread takes the next step: publishing a root, stamping and
//! filling what is kept, merging, sharing a commit, and waiting for news (`src/sync.rs` is where it stands).
//!
//! Every answer that a reader gets is held against three things. It is computed from a state that was durable before it
//! came. It is computed from a state at least as new as what had been acknowledged when it was asked. And it is what
//! holds in the state it names, by the log that the run leaves. Together: once a revoke has returned, nothing is allowed
//! by it, and nothing was allowed that never held.
//!
//! Schedules come from seeds that are printed; `MODEL_SEED` chooses others, `MODEL_RUNS` more of them. What each broken
//! order looks like here is in DESIGN.md.

mod identities;

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::Duration;

use panthera_authz::{
    AuthzError, Change, Engine, Event, Facts, Grantee, Moment, Permission, Place, Principal, Relation, Settings, Spot,
    Target, Tuple, TupleKey, WriteTuples,
};
use panthera_base::{BucketId, TenantId, Timestamp, UserId};
use panthera_meta::memory::Memory;
use panthera_meta::{Batch, CommitError, MetaError, Metastore, Op, Revision, Snapshot};
use shuttle::scheduler::{DfsScheduler, PctScheduler, RandomScheduler, Scheduler};
use shuttle::{Config, Runner};

pub(crate) const HOME: TenantId = TenantId(1);
const BUCKET: BucketId = BucketId(7);
const KEY: &[u8] = b"a/k";
const SEED: u64 = 1;
/// Schedules by chance for each scenario and setting of the caches; as many again by priorities that change at a few points.
const RUNS: usize = 600;
/// Points at which priorities change: a wrong order that needs more of them is left to the schedules by chance.
const PRIORITY_CHANGES: usize = 3;
/// Bytes of a modelled thread's stack: decoding and hashing without optimization take more than the checker's default.
const STACK_BYTES: usize = 1 << 20;

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().map_or(default, |value| value.parse().unwrap())
}

fn run<S: Scheduler + 'static>(scheduler: S, scenario: impl Fn() + Send + Sync + 'static) -> usize {
    let mut config = Config::new();
    config.stack_size = STACK_BYTES;
    Runner::new(scheduler, config).run(scenario)
}

/// By chance and by priorities.
pub(crate) fn explore(what: &str, scenario: impl Fn() + Clone + Send + Sync + 'static) {
    let (seed, runs) = (number("MODEL_SEED", SEED), number("MODEL_RUNS", RUNS as u64) as usize);
    eprintln!("{what}: seed {seed}, {runs} schedules by chance and by priorities");
    assert_eq!(run(RandomScheduler::new_from_seed(seed, runs), scenario.clone()), runs);
    assert_eq!(run(PctScheduler::new_from_seed(seed, PRIORITY_CHANGES, runs), scenario), runs);
}

/// One step of the checker: another thread may go on here.
pub(crate) fn step() {
    shuttle::sync::atomic::AtomicBool::new(false).load(Ordering::SeqCst);
}

const WORKS: u8 = 0;
/// The next commit fails and did not happen.
const LOST: u8 = 1;
/// The next commit happens and is reported as failed.
const HALF: u8 = 2;

/// A store that lets other threads go on before and after everything it does, and counts revisions that are durable.
#[derive(Default)]
pub(crate) struct Store {
    memory: Memory,
    durable: AtomicU64,
    next: AtomicU8,
}

impl Metastore for Store {
    fn snapshot(&self) -> Result<Box<dyn Snapshot + '_>, MetaError> {
        step();
        let snapshot = self.memory.snapshot();
        step();
        snapshot
    }

    fn commit_group(&self, batches: &[Batch]) -> Vec<Result<Revision, CommitError>> {
        step();
        let failed = || batches.iter().map(|_| Err(CommitError::Store(MetaError::Disk("injected".into())))).collect();
        let next = self.next.swap(WORKS, Ordering::SeqCst);
        if next == LOST {
            return failed();
        }
        let outcomes = self.memory.commit_group(batches);
        let done = batches.iter().zip(&outcomes).filter(|(_, outcome)| outcome.is_ok());
        self.durable.fetch_add(done.map(|(batch, _)| revisions(batch)).sum(), Ordering::SeqCst);
        step();
        if next == HALF { failed() } else { outcomes }
    }
}

/// Revisions that a batch writes: each has a row `l | 0 | revision` in the log.
fn revisions(batch: &Batch) -> u64 {
    let entry = |op: &&Op| matches!(op, Op::Put { key, .. } if key.starts_with(b"l\0"));
    batch.ops.iter().filter(entry).count() as u64
}

fn user(n: u32) -> Grantee {
    Grantee::user(HOME, UserId(n)).unwrap()
}

fn group(n: u32) -> Grantee {
    Grantee::group(HOME, n).unwrap()
}

fn prefix(relation: Relation, grantee: Grantee) -> Tuple {
    Tuple::new(Target::new(HOME, Place::Prefix(BUCKET, "a/".into())), relation, grantee)
}

fn member(n: u32, grantee: Grantee) -> Tuple {
    Tuple::new(Target::new(HOME, Place::Group(n)), Relation::Member, grantee)
}

pub(crate) fn moment() -> Moment {
    Moment { now: Timestamp::from_secs(10), facts: Facts::default() }
}

pub(crate) fn write(engine: &Engine, changes: Vec<Change>) -> Result<u64, AuthzError> {
    engine.write(WriteTuples::new(HOME, changes, Timestamp(1)))
}

/// What is kept, and at how many places a layer is merged.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kept {
    memo: usize,
    verdicts: usize,
    merge_at: usize,
}

/// Nothing kept, subjects kept, verdicts kept, both; with merges under way in the last.
const KEPT: [Kept; 4] = [
    Kept { memo: 0, verdicts: 0, merge_at: 4096 },
    Kept { memo: 1, verdicts: 0, merge_at: 4096 },
    Kept { memo: 0, verdicts: 2, merge_at: 4096 },
    Kept { memo: 1, verdicts: 2, merge_at: 1 },
];

impl Kept {
    pub(crate) fn open(self, store: &Arc<Store>) -> Engine {
        let Self { memo, verdicts, merge_at } = self;
        let settings = Settings { merge_at, memo_places: memo, verdict_places: verdicts, ..Settings::default() };
        Engine::open(store.clone(), settings).unwrap()
    }
}

/// An engine in service: its store, and the newest revision that any writer was told of.
#[derive(Clone)]
struct World {
    store: Arc<Store>,
    engine: Engine,
    acked: Arc<AtomicU64>,
}

/// What a reader was told: the revision and whether it was allowed.
type Answers = Vec<(u64, bool)>;

impl World {
    fn new(kept: Kept, before: Vec<Tuple>) -> Self {
        let store = Arc::new(Store::default());
        let engine = kept.open(&store);
        let world = Self { store, engine, acked: Arc::default() };
        world.write(before.into_iter().map(Change::Touch).collect());
        world
    }

    fn write(&self, changes: Vec<Change>) {
        let revision = write(&self.engine, changes).unwrap();
        self.acked.fetch_max(revision, Ordering::SeqCst);
        assert!(self.engine.revision() >= revision, "acknowledged and not visible");
    }

    /// One check, held against what was acknowledged before it and durable after it.
    fn check(&self, principal: Principal) -> (u64, bool) {
        let acked = self.acked.load(Ordering::SeqCst);
        let spot = Spot::Object(BUCKET, KEY);
        let answer = self.engine.check(principal, Permission::Read, HOME, spot, &moment()).unwrap();
        let durable = self.store.durable.load(Ordering::SeqCst);
        assert!(answer.revision >= acked, "computed from {}, {acked} was acknowledged", answer.revision);
        assert!(answer.revision <= durable, "computed from {}, only {durable} is durable", answer.revision);
        (answer.revision, answer.allowed)
    }

    fn reader(&self, subject: Grantee, checks: usize) -> shuttle::thread::JoinHandle<Answers> {
        let world = self.clone();
        let principal = Principal { grantee: subject, admin: false };
        shuttle::thread::spawn(move || {
            let answers: Answers = (0..checks).map(|_| world.check(principal)).collect();
            assert!(answers.is_sorted_by_key(|(revision, _)| *revision), "time went back: {answers:?}");
            answers
        })
    }

    fn writer(&self, requests: Vec<Vec<Change>>) -> shuttle::thread::JoinHandle<()> {
        let world = self.clone();
        shuttle::thread::spawn(move || requests.into_iter().for_each(|changes| world.write(changes)))
    }

    /// Whether each answer is what held at its revision: all of these tuples there and none of those.
    fn verify(&self, answers: &Answers, all: &[Tuple], none: &[Tuple]) {
        let log = self.engine.watch(0, None).poll(1000).unwrap();
        let mut there: Vec<TupleKey> = Vec::new();
        let mut truth = vec![false];
        for entry in log {
            for event in entry.events {
                match event {
                    Event::Set(tuple) => there.push(tuple.key),
                    Event::Gone(key) => there.retain(|other| *other != key),
                    Event::Schema(..) | Event::NoSchema(_) => {}
                }
            }
            let has = |tuple: &Tuple| there.contains(&tuple.key);
            truth.push(all.iter().all(has) && !none.iter().any(has));
            assert_eq!(truth.len() as u64, entry.revision + 1);
        }
        for (revision, allowed) in answers {
            assert_eq!(*allowed, truth[*revision as usize], "at revision {revision}");
        }
    }
}

fn delete(tuple: &Tuple) -> Vec<Change> {
    vec![Change::Delete(tuple.key.clone())]
}

fn touch(tuple: &Tuple) -> Vec<Change> {
    vec![Change::Touch(tuple.clone())]
}

/// One writer and two readers of the same question.
fn one_writer(kept: Kept, before: &[Tuple], requests: &[Vec<Change>], all: &[Tuple], none: &[Tuple]) {
    let world = World::new(kept, before.to_vec());
    let readers = [world.reader(user(1), 3), world.reader(user(1), 2)];
    world.writer(requests.to_vec()).join().unwrap();
    let mut answers: Answers = readers.into_iter().flat_map(|reader| reader.join().unwrap()).collect();
    answers.push(world.check(Principal { grantee: user(1), admin: false }));
    world.verify(&answers, all, none);
}

#[test]
fn a_relation_is_revoked_and_granted_again() {
    let tuple = prefix(Relation::Reader, user(1));
    for kept in KEPT {
        let tuple = tuple.clone();
        explore(&format!("relation, {kept:?}"), move || {
            let (before, requests) = ([tuple.clone()], [delete(&tuple), touch(&tuple), delete(&tuple)]);
            one_writer(kept, &before, &requests, &before, &[]);
        });
    }
}

#[test]
fn a_member_leaves_its_group_and_the_group_its_parent() {
    let path = [prefix(Relation::Reader, group(2)), member(2, group(1)), member(1, user(1))];
    for kept in KEPT {
        let path = path.clone();
        explore(&format!("membership, {kept:?}"), move || {
            let requests = [delete(&path[2]), touch(&path[2]), delete(&path[1])];
            one_writer(kept, &path, &requests, &path, &[]);
        });
    }
}

#[test]
fn a_deny_is_put_beside_an_allow() {
    let (allow, deny) = (prefix(Relation::Reader, user(1)), prefix(Relation::DenyRead, group(1)));
    for kept in KEPT {
        let (all, none) = ([allow.clone()], [deny.clone()]);
        let joined = member(1, user(1));
        explore(&format!("deny, {kept:?}"), move || {
            let before = [all[0].clone(), joined.clone()];
            one_writer(kept, &before, &[touch(&none[0]), delete(&none[0])], &all, &none);
        });
    }
}

/// Two writers share a commit or follow each other; each is told only of what is in force.
#[test]
fn two_writers_take_two_rights_at_once() {
    let tuples = [prefix(Relation::Reader, group(1)), member(1, user(1)), prefix(Relation::Writer, user(2))];
    for kept in KEPT {
        let tuples = tuples.clone();
        explore(&format!("two writers, {kept:?}"), move || {
            let [granted, joined, other] = &tuples;
            let world = World::new(kept, vec![granted.clone(), joined.clone()]);
            let reader = world.reader(user(1), 3);
            let writers =
                [world.writer(vec![delete(granted), touch(granted)]), world.writer(vec![touch(other), delete(joined)])];
            writers.into_iter().for_each(|writer| writer.join().unwrap());
            let answers = reader.join().unwrap();
            world.verify(&answers, &[granted.clone(), joined.clone()], &[]);
            assert!(!world.check(Principal { grantee: user(1), admin: false }).1);
        });
    }
}

/// The outcome of a commit is open: whoever repeats the request is told of it when it is in force, and not before.
#[test]
fn a_revoke_whose_commit_failed_is_repeated() {
    let tuple = prefix(Relation::Reader, user(1));
    for (kept, fault) in KEPT.iter().flat_map(|kept| [(*kept, LOST), (*kept, HALF)]) {
        let tuple = tuple.clone();
        explore(&format!("fault {fault}, {kept:?}"), move || {
            let world = World::new(kept, vec![tuple.clone()]);
            let reader = world.reader(user(1), 3);
            world.store.next.store(fault, Ordering::SeqCst);
            assert!(write(&world.engine, delete(&tuple)).is_err());
            world.write(delete(&tuple));
            let mut answers = reader.join().unwrap();
            answers.push(world.check(Principal { grantee: user(1), admin: false }));
            assert_eq!(answers.last(), Some(&(2, false)));
            world.verify(&answers, std::slice::from_ref(&tuple), &[]);
        });
    }
}

/// More writers than one leads: they share commits, hand the lead on and wake each other. A request is done once, even
/// when its writer is away with the answer before the commit that gave it is over; this one changes something each time.
#[test]
fn four_writers_hand_the_lead_on_and_wake_each_other() {
    for (kept, fault) in KEPT.iter().flat_map(|kept| [(*kept, WORKS), (*kept, LOST)]) {
        explore(&format!("four writers, fault {fault}, {kept:?}"), move || {
            let tuples = [1, 2, 3, 4].map(|n| prefix(Relation::Reader, user(n)));
            let world = World::new(kept, tuples.to_vec());
            world.store.next.store(fault, Ordering::SeqCst);
            let writers = tuples.map(|tuple| {
                let engine = world.engine.clone();
                shuttle::thread::spawn(move || {
                    let again = [delete(&tuple), touch(&tuple)].concat();
                    (0..2).filter_map(|_| write(&engine, again.clone()).ok()).collect::<Vec<u64>>()
                })
            });
            let mut told: Vec<u64> = writers.into_iter().flat_map(|writer| writer.join().unwrap()).collect();
            told.sort_unstable();
            let done = world.engine.watch(1, None).poll(1000).unwrap();
            // One revision each, and each of its own. A commit that is lost takes all with it that share it, and no other.
            assert!(told.iter().copied().eq(2..2 + told.len() as u64), "{told:?}");
            assert_eq!(done.len(), told.len());
            assert!(if fault == WORKS { told.len() == 8 } else { (4..8).contains(&told.len()) }, "{told:?}");
        });
    }
}

/// Another process writes to the same store: its commits and ours conflict, and both sides lose nothing.
#[test]
fn another_engine_on_the_same_store_takes_the_same_revision() {
    let (granted, joined) = (prefix(Relation::Reader, group(1)), member(1, user(1)));
    for kept in KEPT {
        let all = [granted.clone(), joined.clone()];
        explore(&format!("two engines, {kept:?}"), move || {
            let world = World::new(kept, all.to_vec());
            let other = kept.open(&world.store);
            let gone = delete(&all[1]);
            let reader = world.reader(user(1), 2);
            let elsewhere = shuttle::thread::spawn(move || write(&other, gone).unwrap());
            world.write(delete(&all[0]));
            elsewhere.join().unwrap();
            world.engine.catch_up().unwrap();
            let mut answers = reader.join().unwrap();
            answers.push(world.check(Principal { grantee: user(1), admin: false }));
            assert_eq!(answers.last(), Some(&(3, false)));
            world.verify(&answers, &all, &[]);
        });
    }
}

/// Who waits for news gets it: here nobody's waiting ends by time.
#[test]
fn news_of_a_revoke_reaches_whoever_waits() {
    let tuple = prefix(Relation::Reader, user(1));
    explore("news", move || {
        let world = World::new(KEPT[3], vec![tuple.clone()]);
        let engine = world.engine.clone();
        let waiter = shuttle::thread::spawn(move || {
            let mut watch = engine.watch(1, Some(HOME));
            let mut seen = Vec::new();
            while seen.len() < 2 {
                assert!(watch.wait(Duration::from_secs(3600)));
                seen.extend(watch.poll(1).unwrap());
            }
            seen.iter().map(|entry| entry.revision).collect::<Vec<_>>()
        });
        world.write(delete(&tuple));
        world.write(touch(&tuple));
        assert_eq!(waiter.join().unwrap(), [2, 3]);
    });
}

/// A listing that begins after a revoke has returned shows nothing, whatever layers are being merged meanwhile.
#[test]
fn a_listing_shows_what_held_when_it_began() {
    use panthera_authz::Visible;
    let tuple = prefix(Relation::Reader, user(1));
    explore("listing", move || {
        let world = World::new(KEPT[3], vec![tuple.clone()]);
        let (lister, settler) = (world.clone(), world.engine.clone());
        let listing = shuttle::thread::spawn(move || {
            let principal = Principal { grantee: user(1), admin: false };
            for _ in 0..2 {
                let acked = lister.acked.load(Ordering::SeqCst);
                let mut visible =
                    Visible::open(&lister.engine, principal, Permission::Read, HOME, BUCKET, b"", &moment()).unwrap();
                assert!(acked < 2 || visible.is_empty(), "something is listed after the revoke returned");
            }
        });
        let merging = shuttle::thread::spawn(move || settler.settle());
        world.write(delete(&tuple));
        listing.join().unwrap();
        merging.join().unwrap();
        assert!(!world.check(Principal { grantee: user(1), admin: false }).1);
    });
}

/// All schedules there are of one revoke beside one check, with nothing kept.
#[test]
fn every_schedule_of_one_revoke_and_one_check() {
    let tuple = prefix(Relation::Reader, user(1));
    let schedules = run(DfsScheduler::new(None, false), move || {
        let world = World::new(KEPT[0], vec![tuple.clone()]);
        let reader = world.reader(user(1), 1);
        world.write(delete(&tuple));
        let answers = reader.join().unwrap();
        world.verify(&answers, std::slice::from_ref(&tuple), &[]);
    });
    eprintln!("every schedule: {schedules}");
    assert!(schedules > 10);
}
