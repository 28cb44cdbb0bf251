//! One connection: what it is sending, what it is reading, and whether the answer is the right one.

use crate::config::{Check, Op};
use crate::request::{From, PAGE_KEYS, Upload};
use crate::response::{Fed, Reader};
use crate::seeded;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// A server that does not accept within this time is down.
const CONNECT: Duration = Duration::from_secs(5);
/// Bytes of an error document kept for the report.
const ERROR_BYTES: usize = 2048;

/// A request on its way.
#[derive(Debug, Clone, Copy)]
pub struct Job {
    /// What it asks.
    pub op: Op,
    /// The object.
    pub index: u64,
    /// When it should have been sent; latency counts from here.
    pub intended: Instant,
    /// Sent within the measured window.
    pub measured: bool,
}

/// What must hold for the answers of a run.
#[derive(Debug, Clone, Copy)]
pub struct Expected {
    /// Seed of the bodies.
    pub seed: u64,
    /// Size of each object.
    pub size_bytes: u64,
    /// Directories of the names, that is common prefixes.
    pub dirs: u64,
    /// How closely to look.
    pub check: Check,
}

/// What came of a job.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// What was wrong.
    pub error: Option<String>,
    /// Body bytes received.
    pub received: u64,
    /// Keys and common prefixes of a page.
    pub items: u64,
}

/// What a call of [`Connection::receive`] came to.
#[derive(Debug)]
pub enum Step {
    /// Nothing more to read now.
    Pending,
    /// The answer is complete.
    Complete(Job, Outcome),
    /// The connection is of no use any more.
    Broken(Option<Job>, String),
}

/// A keep-alive connection with at most one request on it.
pub struct Connection {
    /// The socket, non-blocking.
    pub stream: TcpStream,
    /// The request under way.
    pub job: Option<Job>,
    /// Where the listing of this connection goes on.
    pub list: Option<From>,
    /// epoll reports when it can be written to.
    pub watched: bool,
    out: Vec<u8>,
    sent: usize,
    upload: Option<Upload>,
    reader: Reader,
    body: Vec<u8>,
    received: u64,
    same: bool,
}

impl Connection {
    /// Connects.
    pub fn open(target: &std::net::SocketAddr) -> std::io::Result<Self> {
        let stream = TcpStream::connect_timeout(target, CONNECT)?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        Ok(Self {
            stream,
            job: None,
            list: None,
            watched: false,
            out: Vec::new(),
            sent: 0,
            upload: None,
            reader: Reader::default(),
            body: Vec::new(),
            received: 0,
            same: true,
        })
    }

    /// Begins a request; `write` appends its bytes and returns the rest of the body.
    pub fn begin(&mut self, job: Job, write: impl FnOnce(&mut Vec<u8>) -> Option<Upload>) {
        self.out.clear();
        self.body.clear();
        (self.sent, self.received, self.same) = (0, 0, true);
        self.upload = write(&mut self.out);
        self.reader.expect(job.op == Op::Head);
        self.job = Some(job);
    }

    /// Writes as much as the socket takes; true when all was written.
    pub fn send(&mut self) -> std::io::Result<bool> {
        loop {
            while self.sent < self.out.len() {
                match self.stream.write(&self.out[self.sent..]) {
                    Ok(0) => return Err(ErrorKind::WriteZero.into()),
                    Ok(count) => self.sent += count,
                    Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    Err(error) => return Err(error),
                }
            }
            let Some(upload) = &mut self.upload else { return Ok(true) };
            self.out.clear();
            self.sent = 0;
            if !upload.next(&mut self.out) {
                self.upload = None;
            }
        }
    }

    /// Reads until the answer is complete or the socket has no more.
    pub fn receive(&mut self, scratch: &mut [u8], expected: &Expected) -> Step {
        loop {
            let count = match self.stream.read(scratch) {
                Ok(0) => return Step::Broken(self.job.take(), "the server closed the connection".into()),
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Step::Pending,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Step::Broken(self.job.take(), error.kind().to_string()),
            };
            let Some(job) = self.job else {
                return Step::Broken(None, "bytes without a request".into());
            };
            match self.take(&scratch[..count], &job, expected) {
                Err(error) => return Step::Broken(self.job.take(), error),
                // A short read has emptied the socket: saves the read that would block.
                Ok(Fed::More) if count < scratch.len() => return Step::Pending,
                Ok(Fed::More) => {}
                Ok(Fed::Done(used)) if used < count => {
                    return Step::Broken(self.job.take(), "bytes after the answer".into());
                }
                Ok(Fed::Done(_)) => {
                    self.job = None;
                    let outcome = self.judge(&job, expected);
                    return Step::Complete(job, outcome);
                }
            }
        }
    }

    fn take(&mut self, bytes: &[u8], job: &Job, expected: &Expected) -> Result<Fed, String> {
        let (body, received, same) = (&mut self.body, &mut self.received, &mut self.same);
        self.reader.feed(bytes, |status, piece| {
            let object = job.op == Op::Get && status == 200;
            if object && expected.check == Check::Content {
                *same = *same && seeded::matches(expected.seed, job.index, *received, piece);
            }
            if !object && (status == 200 || body.len() < ERROR_BYTES) {
                body.extend_from_slice(piece);
            }
            *received += piece.len() as u64;
        })
    }

    /// The server wants the connection closed, or the request was answered before it was sent.
    pub fn spent(&self) -> bool {
        self.reader.head().close || self.upload.is_some() || self.sent < self.out.len()
    }

    fn judge(&mut self, job: &Job, expected: &Expected) -> Outcome {
        let head = self.reader.head();
        let mut outcome = Outcome { received: self.received, ..Outcome::default() };
        let exists = job.op == Op::CreateBucket && head.status == 409;
        let length = if job.op == Op::Head { head.length } else { Some(self.received) };
        outcome.error = match job.op {
            _ if head.status != 200 && !exists => {
                Some(format!("{} {}: {}", job.op.name(), head.status, code(&self.body)))
            }
            Op::Get | Op::Head if length != Some(expected.size_bytes) => {
                Some(format!("{} of {} bytes: length {length:?}", job.op.name(), expected.size_bytes))
            }
            Op::Get if !self.same => Some("get: other bytes than were written".into()),
            Op::List | Op::ListDelimiter => self.page(job.op, expected, &mut outcome.items).err(),
            _ => None,
        };
        outcome
    }

    /// Counts the entries of a page and remembers where the next begins.
    fn page(&mut self, op: Op, expected: &Expected, items: &mut u64) -> Result<(), String> {
        let text = std::str::from_utf8(&self.body).map_err(|_| "list: not text")?;
        let prefixes = op == Op::ListDelimiter;
        let mark = if prefixes { "<CommonPrefixes>" } else { "<Key>" };
        *items = text.matches(mark).count() as u64;
        let token = element(text, "NextContinuationToken");
        let wanted = if prefixes { expected.dirs.min(PAGE_KEYS) } else { PAGE_KEYS };
        let whole = *items == wanted || (!prefixes && token.is_none() && *items < wanted);
        self.list = Some(token.map_or(From::Top, |token| From::Token(token.into())));
        if whole { Ok(()) } else { Err(format!("{}: {items} entries on a page", op.name())) }
    }
}

fn element<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let rest = &text[text.find(&format!("<{name}>"))? + name.len() + 2..];
    Some(&rest[..rest.find('<')?])
}

fn code(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    element(&text, "Code").map_or_else(|| text.chars().take(80).collect(), str::to_owned)
}
