//! Figures of the relationship engine on a world like T10 of rebac.md section 7: `bench_authz [tuples] [seed] [part]`.
//! A part is one of open, checks, bulk, lists, writes, beside, decisions, threads, durable; without one all are measured.
//!
//! Prints must, aim and measured for the rows of sections 7.2 to 7.4. Rows 6 and 7, and 10 from Python, are
//! `bench/authz_python.py`'s; row 30 over the wire is `bench/run.py`'s.

#[path = "bench_authz/decisions.rs"]
mod decisions;
#[path = "bench_authz/durable.rs"]
mod durable;
#[path = "bench_authz/open.rs"]
mod open;
#[path = "bench_authz/threads.rs"]
mod threads;
#[path = "bench_authz/world.rs"]
mod world;

use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use panthera_authz::{Change, Engine, Grantee, Moment, Next, Permission, Settings, Spot, Tuple, Visible, WriteTuples};
use panthera_base::Timestamp;
use panthera_meta::memory::Memory;
use world::{BUCKET, HOME, World};

type Outcome = Result<(), Box<dyn std::error::Error>>;

fn say(line: &str) {
    // A closed pipe is the reader's wish, not an error of the measurement.
    drop(writeln!(std::io::stdout(), "{line}"));
}

/// What the arithmetic of rebac.md allows, by row.
const AIMS: [(&str, &str); 20] = [
    ("1", "12 ns"),
    ("2", "40 ns"),
    ("3", "200 ns"),
    ("4", "p50 1.2 us"),
    ("5", "row 4"),
    ("9", "20 us"),
    ("10", "15 us"),
    ("11", "100 us"),
    ("12", "8 ms; 1 ms"),
    ("14", "300 us"),
    ("15", "20 us"),
    ("16", "80 ms"),
    ("17", "3 ms"),
    ("18", "5 us"),
    ("21", "0.5 ms"),
    ("22", "2 us"),
    ("23", "20"),
    ("24", "32"),
    ("25", "75"),
    ("27", "5 s"),
];

fn row(name: &str, must: &str, measured: &str) {
    let number = name.split(' ').next().unwrap_or_default();
    let aim = AIMS.iter().find(|(row, _)| *row == number && !must.is_empty()).map_or("", |(_, aim)| aim);
    say(&format!("{name:<58} {must:>16} {aim:>12}  {measured}"));
}

/// Quantiles of single calls, in nanoseconds, with the cost of reading the clock taken off: by the wall, and by the
/// thread's processor time, which leaves out what other processes took.
fn quantiles(times: Vec<(u64, u64)>) -> String {
    let (mut wall, mut cpu): (Vec<u64>, Vec<u64>) = times.into_iter().unzip();
    let line = |times: &mut Vec<u64>| {
        times.sort_unstable();
        let at = |q: f64| times.get((times.len() as f64 * q) as usize).copied().unwrap_or_default();
        format!("p50 {} p99 {} p99.9 {} ns", at(0.5), at(0.99), at(0.999))
    };
    format!("{}; on the processor {}", line(&mut wall), line(&mut cpu))
}

fn cpu_nanos() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// What reading both clocks adds to a measured call.
#[derive(Clone, Copy)]
struct Clock {
    wall: u64,
    cpu: u64,
}

impl Clock {
    fn new() -> Self {
        let none = Self { wall: 0, cpu: 0 };
        let (mut wall, mut cpu): (Vec<_>, Vec<_>) = (0..10_000).map(|_| none.timed(|| ())).unzip();
        wall.sort_unstable();
        cpu.sort_unstable();
        Self { wall: wall[wall.len() / 2], cpu: cpu[cpu.len() / 2] }
    }

    /// Nanoseconds by the wall and of the thread. The wall is read inside, so that it does not see the other clock.
    fn timed(self, mut run: impl FnMut()) -> (u64, u64) {
        let busy = cpu_nanos();
        let begin = Instant::now();
        run();
        let wall = begin.elapsed().as_nanos() as u64;
        (wall.saturating_sub(self.wall), (cpu_nanos() - busy).saturating_sub(self.cpu))
    }
}

fn main() -> Outcome {
    let mut args = std::env::args().skip(1);
    let tuples: usize = args.next().map_or(Ok(1_000_000), |a| a.parse())?;
    let seed: u64 = args.next().map_or(Ok(1), |a| a.parse())?;
    let begin = Instant::now();
    let (mut world, meta) = World::build(tuples, seed)?;
    say(&format!("{tuples} tuples, seed {seed}, generated in {:.1?}; 4 KiB pages, memory metastore", begin.elapsed()));
    let before = rss_kib();
    let begin = Instant::now();
    let meta: Arc<Memory> = Arc::new(meta);
    let engine = Engine::open(meta.clone(), Settings::default())?;
    let load = begin.elapsed();
    let bare = Engine::open(meta.clone(), Settings { verdict_places: 0, ..Settings::default() })?;
    let rss = rss_kib();
    let cold = Engine::open(meta.clone(), Settings { verdict_places: 0, memo_places: 0, ..Settings::default() })?;
    row("27 load (from rows)", "10M <= 15 s", &format!("{load:.2?}"));
    memory(&engine, tuples, rss - before);
    let part = args.next();
    let asked = |name: &str| part.as_deref().is_none_or(|part| part == name);
    if asked("open") {
        open::open(&*meta)?;
    }
    if asked("checks") {
        checks(&engine, &bare, &cold, &mut world)?;
    }
    if asked("bulk") {
        bulk(&engine, &mut world)?;
    }
    if asked("lists") {
        lists(&engine, &mut world)?;
    }
    if asked("writes") {
        writes(&engine, &mut world)?;
    }
    if asked("beside") {
        beside(&engine, &mut world)?;
    }
    // Before the threads: what is kept costs more to fill when the process has had hundreds of them.
    if asked("decisions") {
        decisions::decisions(&meta, &mut world)?;
    }
    if asked("threads") {
        threads::threads(&engine, &bare, &mut world)?;
    }
    if asked("durable") {
        durable::durable(&mut world)?;
    }
    Ok(())
}

fn memory(engine: &Engine, tuples: usize, rss: usize) {
    let sizes = engine.sizes();
    // A grantee of a tenant, group or role stands in two trees with 24 bytes each, and nodes are three quarters full.
    let ids = sizes.id_edges * 2 * 24 * 4 / 3;
    let per = |bytes: usize, n: usize| bytes as f64 / n.max(1) as f64;
    row("23 index, both directions, bytes a tuple", "<= 24", &format!("{:.1}", per(sizes.index_bytes + ids, tuples)));
    row("24 with expiry and conditions, bytes a tuple", "<= 40", "the same: they are in the index");
    row("25 dictionary, bytes a place", "-", &format!("{:.1}", per(sizes.dictionary_bytes, sizes.places)));
    row("26 a row kept for each subject", "1 KiB", "none: rows are part of the index");
    row("25 all-in RSS of two engines, bytes a tuple and engine", "<= 107", &format!("{:.1}", per(rss * 512, tuples)));
    say(&format!("   {sizes:?}"));
}

fn rss_kib() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|l| l.starts_with("VmRSS:")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|n| n.parse().ok()).unwrap_or_default()
}

const NOW: Moment = Moment {
    now: Timestamp(1_000_000),
    facts: panthera_authz::Facts { source_ip: None, tls: Some(true), mfa_at: None },
};

fn checks(engine: &Engine, bare: &Engine, cold: &Engine, world: &mut World) -> Outcome {
    let clock = Clock::new();
    let asked: Vec<_> = (0..200_000).map(|_| (world.user(), world.key())).collect();
    let allowed = asked.iter().filter(|(u, k)| reads(engine, *u, k)).count();
    say(&format!("   {:.1} % of the asked are allowed", allowed as f64 / asked.len() as f64 * 100.0));
    let hot: Vec<_> = asked.iter().take(20_000).collect();
    // By the thread's processor time: other work on the machine does not count.
    let rate = |engine: &Engine, some: &[&(Grantee, Vec<u8>)], rounds: usize| {
        let begin = cpu_nanos();
        for _ in 0..rounds {
            some.iter().for_each(|(u, k)| read(engine, *u, k));
        }
        (cpu_nanos() - begin) as f64 / (some.len() * rounds) as f64
    };
    let _ = rate(engine, &hot, 1);
    row("1 warm check, 20k hot", "33 ns", &format!("{:.0} ns", rate(engine, &hot, 10)));
    row("1   without the verdict cache", "33 ns", &format!("{:.0} ns", rate(bare, &hot, 5)));
    let one: Vec<_> = hot.iter().take(1).copied().collect();
    row("2 warm check, one subject, one key", "100 ns", &format!("{:.0} ns", rate(engine, &one, 200_000)));
    row("2   without the verdict cache", "100 ns", &format!("{:.0} ns", rate(bare, &one, 200_000)));
    let all: Vec<_> = asked.iter().collect();
    row("3 warm check, random subjects and keys", "330 ns", &format!("{:.0} ns", rate(engine, &all, 1)));
    row("3   without the verdict cache", "330 ns", &format!("{:.0} ns", rate(bare, &all, 1)));
    let single = |engine: &Engine| quantiles(asked.iter().map(|(u, k)| clock.timed(|| read(engine, *u, k))).collect());
    row("4 check, group set kept", "2.5 us / 10 us", &single(bare));
    row("4 cold check, group set not kept (memo off)", "2.5 us / 10 us", &single(cold));
    let denied: Vec<_> = (0..50_000).map(|_| (world.user(), world.denied_key())).collect();
    let times = denied.iter().map(|(u, k)| clock.timed(|| read(cold, *u, k))).collect();
    row("5 denied by relation, memo off", "1.25 x row 4", &quantiles(times));
    Ok(())
}

fn reads(engine: &Engine, user: Grantee, key: &[u8]) -> bool {
    let who = panthera_authz::Principal { grantee: user, admin: false };
    engine.check(who, Permission::Read, HOME, Spot::Object(BUCKET, key), &NOW).is_ok_and(|a| a.allowed)
}

fn read(engine: &Engine, user: Grantee, key: &[u8]) {
    std::hint::black_box(reads(engine, user, key));
}

fn bulk(engine: &Engine, world: &mut World) -> Outcome {
    let who = |grantee| panthera_authz::Principal { grantee, admin: false };
    let mut out = Vec::new();
    let mut run = |user, keys: &[Vec<u8>]| {
        let begin = cpu_nanos();
        let asked = keys.iter().map(|k| &**k);
        let done = engine.check_keys(who(user), Permission::Read, HOME, BUCKET, asked, &NOW, &mut out);
        done.map(|_| Duration::from_nanos(cpu_nanos() - begin))
    };
    let folder = world.folder_of_keys(1000);
    let user = world.user();
    let first = run(user, &folder)?;
    let again =
        (0..20).map(|_| run(user, &folder)).collect::<Result<Vec<_>, _>>()?.into_iter().min().unwrap_or_default();
    row("10 filter 1000 keys of a folder, warm", "25 us", &format!("{again:.1?}"));
    row("11 the same, first time", "300 us", &format!("{first:.1?}"));
    // The least of several: what else runs on the machine takes the caches, too.
    let (mut scattered, mut sorted, mut again) = (Duration::MAX, Duration::MAX, Duration::MAX);
    for _ in 0..5 {
        let mut keys: Vec<_> = (0..100_000).map(|_| world.key()).collect();
        scattered = scattered.min(run(user, &keys)?);
        keys.sort();
        sorted = sorted.min(run(user, &keys)?);
        again = again.min(run(user, &keys)?);
    }
    row("12 filter 100k random keys", "25 ms", &format!("{scattered:.1?}"));
    row("12 filter 100k sorted keys", "2 ms (warm)", &format!("{sorted:.1?}"));
    row("12   the same again", "2 ms (warm)", &format!("{again:.1?}"));
    row("13 the same with ids", "300 us", "objects have no ids: row 12 stands for it");
    Ok(())
}

fn lists(engine: &Engine, world: &mut World) -> Outcome {
    let who = |grantee| panthera_authz::Principal { grantee, admin: false };
    let (mut pages, mut nothing, mut whole) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..200 {
        let user = world.user();
        let begin = Instant::now();
        let mut all = Visible::open(engine, who(user), Permission::Discover, HOME, BUCKET, b"", &NOW)?;
        let (mut at, mut ranges) = (Vec::new(), 0);
        while ranges < 1000 {
            match all.visible(&at) {
                Next::Allowed { until: Some(until) } => at = until.to_vec(),
                Next::Skip { to } => at = to.to_vec(),
                Next::Allowed { until: None } | Next::End => break,
            }
            ranges += 1;
        }
        pages.push(begin.elapsed());
        let prefix = world.folder();
        let begin = Instant::now();
        let mut all = Visible::open(engine, who(user), Permission::Discover, HOME, BUCKET, &prefix, &NOW)?;
        std::hint::black_box(all.is_empty());
        nothing.push(begin.elapsed());
    }
    let (user, mut at, mut ranges) = (who(world.user()), Vec::new(), 0u64);
    let begin = cpu_nanos();
    let mut all = Visible::open(engine, user, Permission::Discover, HOME, BUCKET, b"", &NOW)?;
    loop {
        match all.visible(&at) {
            Next::Allowed { until: Some(until) } => at = until.to_vec(),
            Next::Skip { to } => at = to.to_vec(),
            Next::Allowed { until: None } | Next::End => break,
        }
        ranges += 1;
    }
    let swept = Duration::from_nanos(cpu_nanos() - begin);
    row(&format!("16 sweep of the bucket, {ranges} ranges"), "10M: 150 ms", &format!("{swept:.1?}"));
    let stranger = who(world.stranger());
    for _ in 0..200 {
        let begin = Instant::now();
        let mut all = Visible::open(engine, stranger, Permission::Discover, HOME, BUCKET, b"", &NOW)?;
        std::hint::black_box(all.is_empty());
        whole.push(begin.elapsed());
    }
    let median = |mut all: Vec<Duration>| {
        all.sort_unstable();
        format!("p50 {:.1?}, max {:.1?}", all[all.len() / 2], all[all.len() - 1])
    };
    row("14 page: up to 1000 ranges, bounds and seeks", "1 ms", &median(pages));
    row("15 a folder's ranges", "100 us", &median(nothing));
    row("15 who sees nothing", "100 us", &median(whole));
    let (crowd, spot) = world.crowd(100_000);
    for some in crowd.chunks(panthera_authz::CHANGES) {
        let changes = some.iter().cloned().map(Change::Touch).collect();
        engine.write(WriteTuples::new(HOME, changes, Timestamp(1)))?;
    }
    let begin = cpu_nanos();
    let page = engine.lookup_subjects(Permission::Read, HOME, spot, None, 1_000_000, &NOW)?;
    row(
        &format!("17 who can read ({} subjects)", page.subjects.len()),
        "100k: 10 ms",
        &format!("{:.1?}", Duration::from_nanos(cpu_nanos() - begin)),
    );
    Ok(())
}

fn writes(engine: &Engine, world: &mut World) -> Outcome {
    let write = |change| engine.write(WriteTuples::new(HOME, vec![change], Timestamp(1))).map(|_| ());
    let clock = Clock::new();
    let measure = |name: &str, must: &str, tuples: Vec<Tuple>| -> Outcome {
        let (mut add, mut remove) = (Vec::new(), Vec::new());
        for tuple in tuples {
            let mut outcome = Ok(());
            let touch = Change::Touch(tuple.clone());
            add.push(clock.timed(|| outcome = write(touch.clone())));
            outcome?;
            let mut outcome = Ok(());
            remove.push(clock.timed(|| outcome = write(Change::Delete(tuple.key.clone()))));
            outcome?;
        }
        row(&format!("{name}: add"), must, &quantiles(add));
        row(&format!("{name}: remove"), must, &quantiles(remove));
        Ok(())
    };
    let grants = (0..2000).map(|_| world.grant()).collect();
    measure("18 direct grant, plan to publish (memory commit)", "20 us p99", grants)?;
    let members = (0..2000).map(|_| world.member_of_crowd()).collect();
    measure("22 member of the largest group", "20 us", members)?;
    let edges = (0..1000).map(|_| world.group_edge()).collect();
    measure("21 group in group", "2 ms p99", edges)
}

/// Checks while another thread writes 10k tuples a second.
fn beside(engine: &Engine, world: &mut World) -> Outcome {
    let clock = Clock::new();
    let asked: Vec<_> = (0..100_000).map(|_| (world.user(), world.key())).collect();
    let grants: Vec<_> = (0..200_000).map(|_| world.grant()).collect();
    let stop = AtomicBool::new(false);
    let (times, written) = std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let begin = Instant::now();
            let mut written = 0u32;
            for tuple in grants {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                let due = Duration::from_micros(100) * written;
                std::thread::sleep(due.saturating_sub(begin.elapsed()));
                let request = WriteTuples::new(HOME, vec![Change::Touch(tuple)], Timestamp(1));
                written += u32::from(engine.write(request).is_ok());
            }
            (written, begin.elapsed())
        });
        let times: Vec<_> = asked.iter().map(|(u, k)| clock.timed(|| read(engine, *u, k))).collect();
        stop.store(true, Ordering::Relaxed);
        (times, writer.join())
    });
    let rate = written.map(|(n, t)| f64::from(n) / t.as_secs_f64()).unwrap_or_default();
    row(&format!("9 check beside {rate:.0} writes/s"), "p99.9 50 us", &quantiles(times));
    Ok(())
}
