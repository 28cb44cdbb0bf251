//! The event loop: one thread, epoll, connections that each carry one request at a time. Closed loop (the next request
//! leaves when the answer is there) and open loop (requests have a time to leave, and their latency counts from it:
//! no coordinated omission). What a request looks like and what an answer must be stand elsewhere.

use crate::config::{Config, Op, Until, Wait};
use crate::connection::{Connection, Expected, Job, Outcome, Step};
use crate::report::Report;
use crate::request::{From, Requests};
use crate::watch;
use crate::workload::{RUN_LIMIT_S, Workload};
use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use std::io::{Error, ErrorKind, Result};
use std::net::{SocketAddr, ToSocketAddrs};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

/// One read takes at most this much; large enough that a stream of 64 MiB is not a stream of system calls.
const SCRATCH_BYTES: usize = 256 << 10;
/// No answer for this long: the server hangs, and so would we.
const STALL: Duration = Duration::from_secs(60);
/// How long the answers on their way may take after the window.
const DRAIN: Duration = Duration::from_secs(20);
/// epoll counts in milliseconds; closer appointments are kept by polling.
const COARSE: Duration = Duration::from_millis(2);
/// Requests hashed ahead (large signed bodies).
const PREPARED: u64 = 1024;

struct Run<'a> {
    config: &'a Config,
    target: SocketAddr,
    epoll: OwnedFd,
    connections: Vec<Connection>,
    idle: Vec<usize>,
    requests: Requests,
    workload: Workload,
    expected: Expected,
    report: Report,
    scratch: Vec<u8>,
    /// Begin of the measured window.
    since: Option<Instant>,
    issued: u64,
    done: u64,
    /// Nothing is sent any more.
    over: bool,
    last_answer: Instant,
}

/// Runs `config` and reports its measured window.
pub fn run(config: &Config) -> Result<Report> {
    if matches!(config.until, Until::Elapsed(duration) if (duration + config.warmup).as_secs() > RUN_LIMIT_S) {
        return Err(Error::new(ErrorKind::InvalidInput, format!("a run is at most {RUN_LIMIT_S} s long")));
    }
    let mut run = Run::new(config)?;
    run.measure()?;
    Ok(run.report)
}

impl<'a> Run<'a> {
    fn new(config: &'a Config) -> Result<Self> {
        let target = config.target.to_socket_addrs()?.next();
        let target = target.ok_or_else(|| Error::new(ErrorKind::InvalidInput, "the target has no address"))?;
        let mut requests = Requests::new(config);
        if let Until::Count(count) = config.until {
            requests.prepare(config.first..config.first + count.min(PREPARED));
        }
        let workload = Workload::new(config, &mut requests);
        let mut run = Self {
            config,
            target,
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            connections: Vec::with_capacity(config.connections),
            idle: (0..config.connections).rev().collect(),
            requests,
            workload,
            expected: Expected {
                seed: config.names.seed,
                size_bytes: config.size_bytes,
                dirs: config.names.dirs,
                check: config.check,
            },
            report: Report::default(),
            scratch: vec![0; SCRATCH_BYTES],
            since: None,
            issued: 0,
            done: 0,
            over: false,
            last_answer: Instant::now(),
        };
        for slot in 0..config.connections {
            let connection = run.connect(slot)?;
            run.connections.push(connection);
        }
        Ok(run)
    }

    fn connect(&self, slot: usize) -> Result<Connection> {
        let connection = Connection::open(&self.target)?;
        epoll::add(&self.epoll, &connection.stream, epoll::EventData::new_u64(slot as u64), epoll::EventFlags::IN)?;
        Ok(connection)
    }

    fn measure(&mut self) -> Result<()> {
        let warm = Instant::now() + self.config.warmup;
        let mut events = Vec::with_capacity(self.config.connections.max(1));
        loop {
            let now = Instant::now();
            if self.since.is_none() && now >= warm {
                self.begin(now);
            }
            if self.finished(now) {
                break;
            }
            if now - self.last_answer > STALL {
                return Err(Error::new(ErrorKind::TimedOut, format!("no answer for {} s", STALL.as_secs())));
            }
            self.issue(now)?;
            let timeout = self.timeout(now, warm);
            self.poll(&mut events, timeout)?;
        }
        self.end();
        self.drain(&mut events)
    }

    fn begin(&mut self, now: Instant) {
        self.since = Some(now);
        let pid = self.config.watch_pid;
        self.report = Report {
            client_cpu_s: watch::own_cpu_s(),
            server_cpu_s: pid.and_then(watch::cpu_s),
            rss_anon: (pid.and_then(watch::anonymous_bytes), None),
            ..Report::default()
        };
    }

    fn end(&mut self) {
        let pid = self.config.watch_pid;
        let since = self.since.unwrap_or_else(Instant::now);
        self.report.seconds = since.elapsed().as_secs_f64();
        self.report.client_cpu_s = watch::own_cpu_s() - self.report.client_cpu_s;
        let after = pid.and_then(watch::cpu_s);
        self.report.server_cpu_s = after.zip(self.report.server_cpu_s).map(|(after, before)| after - before);
        self.report.rss_anon.1 = pid.and_then(watch::anonymous_bytes);
        self.report.next_index = self.workload.next_index();
    }

    /// How many requests the window has, when that is fixed.
    fn total(&self) -> Option<u64> {
        match (self.config.until, self.config.rate) {
            (Until::Count(count), _) => Some(count),
            (Until::Elapsed(duration), Some(rate)) => Some((duration.as_secs_f64() * rate).ceil() as u64),
            (Until::Elapsed(_), None) => None,
        }
    }

    fn finished(&self, now: Instant) -> bool {
        match (self.since, self.total(), self.config.until) {
            (None, ..) => false,
            (Some(_), Some(total), _) => self.done >= total,
            (Some(since), None, Until::Elapsed(duration)) => now - since >= duration,
            (Some(_), None, Until::Count(_)) => true,
        }
    }

    /// When the next request should leave; `None` when there is none.
    fn due(&self, now: Instant) -> Option<Instant> {
        if self.over {
            return None;
        }
        match (self.since, self.config.rate, self.total()) {
            (Some(_), _, Some(total)) if self.issued >= total => None,
            (Some(since), Some(rate), _) => Some(since + Duration::from_secs_f64(self.issued as f64 / rate)),
            _ => Some(now),
        }
    }

    fn issue(&mut self, now: Instant) -> Result<()> {
        while let Some(&slot) = self.idle.last() {
            let Some(intended) = self.due(now).filter(|&due| due <= now) else { break };
            self.idle.pop();
            // In the closed loop a request is meant to leave when it does, after those before it were written.
            let intended = if self.config.rate.is_some() && self.since.is_some() { intended } else { Instant::now() };
            self.start(slot, intended)?;
        }
        Ok(())
    }

    fn timeout(&self, now: Instant, warm: Instant) -> Duration {
        if self.config.wait == Wait::Spin {
            return Duration::ZERO;
        }
        let end = match (self.since, self.config.until) {
            (Some(since), Until::Elapsed(duration)) if self.config.rate.is_none() => since + duration,
            (None, _) => warm,
            _ => now + STALL,
        };
        let due = self.due(now).filter(|_| !self.idle.is_empty()).unwrap_or(end);
        let left = due.min(end).saturating_duration_since(now);
        if left < COARSE { Duration::ZERO } else { left - COARSE / 2 }
    }

    fn poll(&mut self, events: &mut Vec<epoll::Event>, timeout: Duration) -> Result<()> {
        let timeout = Timespec { tv_sec: timeout.as_secs() as i64, tv_nsec: i64::from(timeout.subsec_nanos()) };
        match epoll::wait(&self.epoll, spare_capacity(events), Some(&timeout)) {
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
        for event in events.drain(..) {
            let (flags, slot) = (event.flags, event.data.u64() as usize);
            if flags.contains(epoll::EventFlags::OUT) {
                self.flush(slot)?;
            }
            if flags.intersects(epoll::EventFlags::IN | epoll::EventFlags::HUP | epoll::EventFlags::ERR) {
                self.receive(slot)?;
            }
        }
        Ok(())
    }

    fn start(&mut self, slot: usize, intended: Instant) -> Result<()> {
        let measured = self.since.is_some();
        self.issued += u64::from(measured);
        let op = self.workload.next_op();
        let (requests, workload) = (&mut self.requests, &mut self.workload);
        let connection = &mut self.connections[slot];
        let job = |index| Job { op, index, intended, measured };
        match op {
            Op::Put => {
                let index = workload.next_put();
                connection.begin(job(index), |out| requests.put(index, out));
            }
            Op::Get | Op::Head => {
                if let Some((index, bytes)) = workload.ready(op) {
                    connection.begin(job(index), |out| {
                        out.extend_from_slice(bytes);
                        None
                    });
                }
            }
            Op::List | Op::ListDelimiter | Op::CreateBucket => {
                let from = connection.list.take();
                let from = from.unwrap_or_else(|| From::After(self.config.names.name(workload.any())));
                connection.begin(job(0), |out| {
                    requests.plain(op, 0, &from, out);
                    None
                });
            }
        }
        self.flush(slot)
    }

    /// Writes what the socket takes and asks epoll to tell when it takes more.
    fn flush(&mut self, slot: usize) -> Result<()> {
        let connection = &mut self.connections[slot];
        // A failed write is seen by the read that follows, with the answer the server may have sent before closing.
        let written = connection.send().unwrap_or(true);
        if connection.watched == written {
            connection.watched = !written;
            let flags = epoll::EventFlags::IN;
            let flags = if written { flags } else { flags | epoll::EventFlags::OUT };
            epoll::modify(&self.epoll, &connection.stream, epoll::EventData::new_u64(slot as u64), flags)?;
        }
        Ok(())
    }

    fn receive(&mut self, slot: usize) -> Result<()> {
        match self.connections[slot].receive(&mut self.scratch, &self.expected) {
            Step::Pending => return Ok(()),
            Step::Complete(job, outcome) => {
                self.settle(&job, outcome);
                if self.connections[slot].spent() {
                    self.connections[slot] = self.connect(slot)?;
                }
            }
            Step::Broken(job, message) => {
                if let Some(job) = job {
                    self.settle(&job, Outcome { error: Some(message), ..Outcome::default() });
                } else {
                    self.idle.retain(|&idle| idle != slot);
                }
                self.connections[slot] = self.connect(slot)?;
            }
        }
        self.idle.push(slot);
        // The next request leaves now and not after the other events of this round.
        if self.config.rate.is_none() && !self.finished(self.last_answer) {
            self.issue(self.last_answer)
        } else {
            Ok(())
        }
    }

    fn settle(&mut self, job: &Job, outcome: Outcome) {
        let now = Instant::now();
        self.last_answer = now;
        self.done += u64::from(job.measured);
        // A window of fixed length counts what is answered in it; one of fixed number, what was sent in it.
        if self.total().is_some() && !job.measured {
            return;
        }
        self.report.received += outcome.received;
        self.report.items += outcome.items;
        match outcome.error {
            Some(message) => self.report.error(&message),
            None => self.report.latency(job.op, (now - job.intended).as_nanos() as u64),
        }
    }

    /// Lets the requests on their way end: a server is not left with half of them.
    fn drain(&mut self, events: &mut Vec<epoll::Event>) -> Result<()> {
        let report = std::mem::take(&mut self.report);
        let end = Instant::now() + DRAIN;
        self.over = true;
        while self.idle.len() < self.connections.len() && Instant::now() < end {
            self.poll(events, Duration::from_millis(100))?;
        }
        let unfinished = self.connections.len() - self.idle.len();
        self.report = report;
        (0..unfinished).for_each(|_| self.report.error("no answer after the end of the window"));
        Ok(())
    }
}
