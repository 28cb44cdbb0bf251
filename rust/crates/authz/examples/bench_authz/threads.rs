//! Rows 8, 19, 20 and 29: several threads, another process's engine, a watch.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use panthera_authz::{
    Change, Engine, Grantee, Permission, Place, Principal, Relation, Spot, Target, Tuple, WriteTuples,
};
use panthera_base::Timestamp;

use crate::world::{BUCKET, HOME, World};
use crate::{Clock, NOW, Outcome, quantiles, read, row};

pub const SPAN: Duration = Duration::from_secs(2);
const ROUNDS: usize = 2000;

fn touch(tuple: &Tuple) -> WriteTuples {
    WriteTuples::new(HOME, vec![Change::Touch(tuple.clone())], Timestamp(1))
}

fn delete(tuple: &Tuple) -> WriteTuples {
    WriteTuples::new(HOME, vec![Change::Delete(tuple.key.clone())], Timestamp(1))
}

/// Gives and takes by turns: each is a change, which a tuple that is there already is not.
pub fn turn(tuple: &Tuple, round: usize) -> WriteTuples {
    if round.is_multiple_of(2) { touch(tuple) } else { delete(tuple) }
}

fn of_stranger(world: &mut World) -> Tuple {
    let place = Place::Object(BUCKET, world.key());
    Tuple::new(Target::new(HOME, place), Relation::Reader, world.stranger())
}

/// All of it. `other` stands for another process on the same store.
pub fn threads(engine: &Engine, other: &Engine, world: &mut World) -> Outcome {
    scaling(engine, world);
    stale(engine, world)?;
    elsewhere(engine, other, world)?;
    watched(engine, world)
}

fn scaling(engine: &Engine, world: &mut World) {
    let asked: Vec<(Grantee, Vec<u8>)> = (0..20_000).map(|_| (world.user(), world.key())).collect();
    let rate = |threads: usize| {
        let done = AtomicU64::new(0);
        let begin = Instant::now();
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    while begin.elapsed() < SPAN {
                        asked.iter().for_each(|(user, key)| read(engine, *user, key));
                        done.fetch_add(asked.len() as u64, Ordering::Relaxed);
                    }
                });
            }
        });
        done.into_inner() as f64 / begin.elapsed().as_secs_f64() / 1e6
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let (one, all) = (rate(1), rate(cores));
    let share = all / one / cores as f64 * 100.0;
    row(&format!("8 {cores} threads, 20k hot"), "8: 85 %", &format!("{all:.1}M/s, {one:.1}M/s with one: {share:.0} %"));
}

/// A reader asks all the time whether it may by a grant that a writer gives and takes. It may not by one whose revoke had
/// returned before the question began, unless the next grant had begun by its end.
fn stale(engine: &Engine, world: &mut World) -> Outcome {
    let tuple = of_stranger(world);
    let Place::Object(_, key) = &tuple.key.target.place else { return Ok(()) };
    let user = tuple.key.grantee;
    let (given, taken, stop) = (AtomicU64::new(0), AtomicU64::new(0), AtomicBool::new(false));
    let (asked, wrong) = std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let (mut asked, mut wrong) = (0u64, 0u64);
            while !stop.load(Ordering::Relaxed) {
                let before = taken.load(Ordering::Acquire);
                let who = Principal { grantee: user, admin: false };
                let spot = Spot::Object(BUCKET, key);
                let allowed = engine.check(who, Permission::Read, HOME, spot, &NOW).is_ok_and(|answer| answer.allowed);
                wrong += u64::from(allowed && given.load(Ordering::Acquire) == before);
                asked += 1;
            }
            (asked, wrong)
        });
        let begin = Instant::now();
        let mut outcome = Ok(0);
        for round in 1.. {
            if outcome.is_err() || begin.elapsed() > SPAN {
                break;
            }
            given.store(round, Ordering::Release);
            outcome = engine.write(touch(&tuple)).and_then(|_| engine.write(delete(&tuple)));
            taken.store(round, Ordering::Release);
        }
        stop.store(true, Ordering::Relaxed);
        outcome.map(|_| reader.join().unwrap_or_default())
    })?;
    let revokes = taken.into_inner();
    row("19 stale allow after a revoke", "0", &format!("{wrong} of {asked} checks beside {revokes} revokes"));
    Ok(())
}

fn elsewhere(engine: &Engine, other: &Engine, world: &mut World) -> Outcome {
    let clock = Clock::new();
    let (mut times, tuple) = (Vec::new(), of_stranger(world));
    for round in 0..ROUNDS {
        engine.write(turn(&tuple, round))?;
        let mut outcome = Ok(0);
        times.push(clock.timed(|| outcome = other.catch_up()));
        outcome?;
    }
    row("20 another process reads one write of the log", "1 ms p99", &quantiles(times));
    Ok(())
}

fn watched(engine: &Engine, world: &mut World) -> Outcome {
    let mut watch = engine.watch(engine.revision(), None);
    let mut times = Vec::new();
    let begin = Instant::now();
    let committed = AtomicU64::new(0);
    let tuple = of_stranger(world);
    std::thread::scope(|scope| -> Outcome {
        let reader = scope.spawn(|| {
            let mut seen = Vec::new();
            while seen.len() < ROUNDS && watch.wait(Duration::from_secs(10)) {
                for entry in watch.poll(1).unwrap_or_default() {
                    seen.push((entry.revision, begin.elapsed().as_nanos() as u64));
                    committed.store(seen.len() as u64, Ordering::Release);
                }
            }
            seen
        });
        let mut acknowledged = Vec::new();
        for round in 0..ROUNDS {
            let revision = engine.write(turn(&tuple, round))?;
            acknowledged.push((revision, begin.elapsed().as_nanos() as u64));
            while !reader.is_finished() && committed.load(Ordering::Acquire) <= round as u64 {
                std::thread::yield_now();
            }
        }
        let seen = reader.join().unwrap_or_default();
        for ((revision, at), (read, then)) in acknowledged.into_iter().zip(seen) {
            if revision != read {
                return Err(format!("the watch told {read} after {revision} was written").into());
            }
            times.push((then.saturating_sub(at), then.saturating_sub(at)));
        }
        Ok(())
    })?;
    row("29 a watch tells a write after its answer (wall)", "1 ms p99", &quantiles(times));
    Ok(())
}
