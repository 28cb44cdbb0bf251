//! The state of one connection, and the socket as hyper sees it.
//!
//! Belongs here: progress timeouts, lingering, and the answers hyper gives by itself. Does not belong here: accepting,
//! TLS, anything that knows a request.
//!
//! hyper answers a bad request line or an oversized head by itself, with an empty body, and never calls the service.
//! [`Socket`] sees such an answer as a write that begins while no request is open and everything before it has been
//! flushed, and writes an S3 error document instead.

use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use hyper::rt::{Read, ReadBuf, ReadBufCursor, Write};

use crate::settings::{LINGER_BYTES, LINGER_TIME, Settings};

/// What a connection is doing, shared by its task, its socket and its requests. Times are microseconds since it
/// opened, plus one, so that 0 can say "not".
#[derive(Debug)]
pub struct Connection {
    opened: Instant,
    requests: AtomicU32,
    /// No request since; 0 while there is one.
    idle_since: AtomicU64,
    /// A head has begun to arrive; 0 when none has.
    head_since: AtomicU64,
    /// A write has not made progress since.
    blocked_since: AtomicU64,
    /// The socket is being read only to be closed, since.
    lingering_since: AtomicU64,
    /// Every answer so far is out, whole.
    clean: AtomicBool,
    linger: AtomicBool,
}

/// How long a connection may do what.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    head: Duration,
    idle: Duration,
    body: Duration,
}

/// Why a connection is closed by us.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Overdue {
    /// No request came: an ordinary end.
    Idle,
    /// A head, or a reader, made no progress.
    Stalled,
}

impl Patience {
    /// From settings.
    pub fn new(settings: &Settings) -> Self {
        Self { head: settings.header_timeout, idle: settings.idle_timeout, body: settings.body_timeout }
    }

    /// How often to look: an overdue connection is found at most a quarter of the shortest time late.
    pub fn tick(&self) -> Duration {
        let shortest = self.head.min(self.idle).min(self.body);
        (shortest / 4).clamp(Duration::from_millis(10), Duration::from_secs(5))
    }
}

impl Connection {
    /// A connection that opens now: its first head is awaited.
    pub fn open() -> Self {
        Self {
            opened: Instant::now(),
            requests: AtomicU32::new(0),
            idle_since: AtomicU64::new(1),
            head_since: AtomicU64::new(1),
            blocked_since: AtomicU64::new(0),
            lingering_since: AtomicU64::new(0),
            clean: AtomicBool::new(true),
            linger: AtomicBool::new(false),
        }
    }

    fn now(&self) -> u64 {
        self.opened.elapsed().as_micros() as u64 + 1
    }

    /// The service was called.
    pub fn request_begins(&self) {
        self.clean.store(false, Ordering::Relaxed);
        if self.requests.fetch_add(1, Ordering::Relaxed) == 0 {
            self.idle_since.store(0, Ordering::Relaxed);
            self.head_since.store(0, Ordering::Relaxed);
        }
    }

    /// An answer was handed over whole, or given up.
    pub fn request_ends(&self) {
        if self.requests.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.idle_since.store(self.now(), Ordering::Relaxed);
        }
    }

    /// The connection will close with unread bytes of a body: read on for a while, so that the answer arrives.
    pub fn linger(&self) {
        self.linger.store(true, Ordering::Relaxed);
    }

    /// Whether it has been waiting for too long.
    pub fn overdue(&self, patience: &Patience) -> Option<Overdue> {
        let now = self.now();
        let since = |moment: &AtomicU64, limit: Duration| {
            let moment = moment.load(Ordering::Relaxed);
            moment > 0 && now.saturating_sub(moment) >= limit.as_micros() as u64
        };
        if since(&self.blocked_since, patience.body) || since(&self.head_since, patience.head) {
            return Some(Overdue::Stalled);
        }
        let idle = since(&self.idle_since, patience.idle) || since(&self.lingering_since, LINGER_TIME);
        idle.then_some(Overdue::Idle)
    }

    fn read_some(&self) {
        // Only the first bytes after an idle time begin a head.
        if self.idle_since.load(Ordering::Relaxed) > 0 && self.head_since.load(Ordering::Relaxed) == 0 {
            self.head_since.store(self.now(), Ordering::Relaxed);
        }
    }

    fn write_blocked(&self, blocked: bool) {
        let since = self.blocked_since.load(Ordering::Relaxed);
        if blocked && since == 0 {
            self.blocked_since.store(self.now(), Ordering::Relaxed);
        } else if !blocked && since > 0 {
            self.blocked_since.store(0, Ordering::Relaxed);
        }
    }
}

/// Turns the status of an answer hyper gave by itself into one of ours: head and document.
pub type ErrorAnswer = Box<dyn Fn(u16) -> Vec<u8> + Send>;

/// A socket that keeps its connection's state.
pub struct Socket<S> {
    inner: S,
    state: std::sync::Arc<Connection>,
    /// Rewrites hyper's own answers; `None` for HTTP/2, which has none.
    rewrite: Option<ErrorAnswer>,
    /// An answer of ours that is not out yet.
    pending: Vec<u8>,
    written: usize,
    lingered: usize,
}

impl<S: Read + Write + Unpin> Socket<S> {
    /// Wraps a socket.
    pub fn new(inner: S, state: std::sync::Arc<Connection>, rewrite: Option<ErrorAnswer>) -> Self {
        Self { inner, state, rewrite, pending: Vec::new(), written: 0, lingered: 0 }
    }

    /// The answer to write instead, when `first` is the head of one that hyper gives by itself.
    fn own_answer(&self, first: &[u8]) -> Option<Vec<u8>> {
        let rewrite = self.rewrite.as_ref()?;
        let untouched = self.state.requests.load(Ordering::Relaxed) == 0 && self.state.clean.load(Ordering::Relaxed);
        let status = first.strip_prefix(b"HTTP/1.").filter(|_| untouched)?.get(2..5)?;
        std::str::from_utf8(status).ok()?.parse().ok().map(rewrite)
    }

    fn poll_pending(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.written < self.pending.len() {
            let polled = Pin::new(&mut self.inner).poll_write(cx, &self.pending[self.written..]);
            let written = ready!(self.tracked(polled))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.written += written;
        }
        Poll::Ready(Ok(()))
    }

    fn tracked<T>(&self, polled: Poll<T>) -> Poll<T> {
        self.state.write_blocked(polled.is_pending());
        polled
    }

    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut scratch = [MaybeUninit::uninit(); 8 << 10];
        while self.lingered < LINGER_BYTES {
            let mut buffer = ReadBuf::uninit(&mut scratch);
            match ready!(Pin::new(&mut self.inner).poll_read(cx, buffer.unfilled())) {
                Ok(()) if !buffer.filled().is_empty() => self.lingered += buffer.filled().len(),
                _ => break,
            }
        }
        Poll::Ready(())
    }
}

impl<S: Read + Write + Unpin> Read for Socket<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.inner).poll_read(cx, buf);
        if polled.is_ready() {
            this.state.read_some();
        }
        polled
    }
}

impl<S: Read + Write + Unpin> Write for Socket<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if let Some(answer) = bufs.first().and_then(|first| this.own_answer(first)) {
            this.state.clean.store(false, Ordering::Relaxed);
            this.state.linger();
            this.pending = answer;
            return Poll::Ready(Ok(bufs.iter().map(|buf| buf.len()).sum()));
        }
        ready!(this.poll_pending(cx))?;
        let polled = match bufs {
            [one] => Pin::new(&mut this.inner).poll_write(cx, one),
            many => Pin::new(&mut this.inner).poll_write_vectored(cx, many),
        };
        this.tracked(polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_pending(cx))?;
        ready!(Pin::new(&mut this.inner).poll_flush(cx))?;
        if this.pending.is_empty() && this.state.requests.load(Ordering::Relaxed) == 0 {
            this.state.clean.store(true, Ordering::Relaxed);
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_pending(cx))?;
        if this.state.lingering_since.load(Ordering::Relaxed) == 0 {
            ready!(Pin::new(&mut this.inner).poll_shutdown(cx))?;
            this.state.lingering_since.store(this.state.now(), Ordering::Relaxed);
        }
        if this.state.linger.load(Ordering::Relaxed) {
            ready!(this.poll_linger(cx));
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Patience =
        Patience { head: Duration::from_millis(20), idle: Duration::from_millis(40), body: Duration::from_millis(20) };

    #[test]
    fn a_head_is_awaited_from_the_start_and_from_the_first_byte_after_idling() {
        let connection = Connection::open();
        assert_eq!(connection.overdue(&PATIENCE), None);
        std::thread::sleep(Duration::from_millis(25));
        assert_eq!(connection.overdue(&PATIENCE), Some(Overdue::Stalled));
        connection.request_begins();
        assert_eq!(connection.overdue(&PATIENCE), None);
        connection.read_some();
        connection.request_ends();
        std::thread::sleep(Duration::from_millis(25));
        assert_eq!(connection.overdue(&PATIENCE), None, "idle, and not for too long");
        connection.read_some();
        std::thread::sleep(Duration::from_millis(25));
        assert_eq!(connection.overdue(&PATIENCE), Some(Overdue::Stalled));
    }

    #[test]
    fn an_idle_connection_ends_and_a_busy_one_does_not() {
        let connection = Connection::open();
        connection.request_begins();
        connection.request_begins();
        connection.request_ends();
        std::thread::sleep(Duration::from_millis(45));
        assert_eq!(connection.overdue(&PATIENCE), None, "one request is still open");
        connection.request_ends();
        std::thread::sleep(Duration::from_millis(45));
        assert_eq!(connection.overdue(&PATIENCE), Some(Overdue::Idle));
    }

    #[test]
    fn a_reader_that_does_not_read_is_given_up() {
        let connection = Connection::open();
        connection.request_begins();
        connection.write_blocked(true);
        std::thread::sleep(Duration::from_millis(25));
        assert_eq!(connection.overdue(&PATIENCE), Some(Overdue::Stalled));
        connection.write_blocked(false);
        assert_eq!(connection.overdue(&PATIENCE), None);
    }
}
