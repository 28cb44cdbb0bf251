//! Step 8: what is counted about every request, and how the counts are shown.
//!
//! Belongs here: metrics of the data plane, and the receipt every request carries until its last byte is sent. Does not
//! belong here: the lines of the access log (see `access_log`), metrics of stores.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use panthera_authz::CacheRow;
use panthera_base::ErrorCode;

use crate::access_log::{AccessLog, Line};
use crate::connection::Connection;
use crate::table::Table;

/// Upper bounds of the latency histogram in microseconds; the last bucket is unbounded.
const BOUNDS_US: [u64; 17] = [
    50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000,
    10_000_000, 60_000_000,
];
/// Status classes 1xx to 5xx, and requests whose client left before the answer was complete.
const CLASSES: [&str; 6] = ["1xx", "2xx", "3xx", "4xx", "5xx", "canceled"];
const CANCELED: usize = 5;

/// Counters and histograms of one listener. Everything is a relaxed atomic: nothing waits to be counted.
pub struct Metrics {
    names: Vec<Arc<str>>,
    operations: Vec<OfOperation>,
    errors: Vec<AtomicU64>,
    in_flight: AtomicI64,
    /// Open connections.
    pub connections: AtomicI64,
    /// Connections refused because their address has too many.
    pub connections_refused: AtomicU64,
    /// Connections whose TLS handshake failed.
    pub tls_failures: AtomicU64,
    /// Connections closed because a head, a body or a reader made no progress.
    pub timeouts: AtomicU64,
    /// accept(2) failed: no file descriptors, usually.
    pub accept_failures: AtomicU64,
    /// Requests refused because the Python handlers have too many.
    pub control_full: AtomicU64,
    /// Requests whose Python handler did not answer in time.
    pub control_late: AtomicU64,
    received: AtomicU64,
    sent: AtomicU64,
}

#[derive(Default)]
struct OfOperation {
    classes: [AtomicU64; CLASSES.len()],
    buckets: [AtomicU64; BOUNDS_US.len() + 1],
    sum_us: AtomicU64,
    first_byte_us: AtomicU64,
}

impl Metrics {
    /// All zero. Requests that match no row are counted as operation `none`.
    pub fn new(table: &Table) -> Self {
        let mut names: Vec<Arc<str>> = table.operations().iter().map(|row| row.name.clone()).collect();
        names.push("none".into());
        Self {
            operations: names.iter().map(|_| OfOperation::default()).collect(),
            names,
            errors: ErrorCode::ALL.iter().map(|_| AtomicU64::new(0)).collect(),
            in_flight: AtomicI64::new(0),
            connections: AtomicI64::new(0),
            connections_refused: AtomicU64::new(0),
            tls_failures: AtomicU64::new(0),
            timeouts: AtomicU64::new(0),
            accept_failures: AtomicU64::new(0),
            control_full: AtomicU64::new(0),
            control_late: AtomicU64::new(0),
            received: AtomicU64::new(0),
            sent: AtomicU64::new(0),
        }
    }

    fn record(&self, receipt: &Receipt, class: usize, total: Duration) {
        let Some(of) = self.operations.get(receipt.operation).or(self.operations.last()) else { return };
        let micros = total.as_micros() as u64;
        of.classes[class].fetch_add(1, Ordering::Relaxed);
        of.buckets[BOUNDS_US.partition_point(|&bound| bound < micros)].fetch_add(1, Ordering::Relaxed);
        of.sum_us.fetch_add(micros, Ordering::Relaxed);
        of.first_byte_us.fetch_add(receipt.first_byte.as_micros() as u64, Ordering::Relaxed);
        self.received.fetch_add(receipt.received, Ordering::Relaxed);
        self.sent.fetch_add(receipt.sent, Ordering::Relaxed);
        if let Some(code) = receipt.error {
            self.errors[code as usize].fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Prometheus text. Operations nobody asked for yet are left out.
    pub fn render(&self, access_log: Option<&AccessLog>) -> String {
        let mut out = String::with_capacity(16 << 10);
        self.render_operations(&mut out);
        head(&mut out, "panthera_s3_errors_total", "counter", "Error answers by S3 error code.");
        for (code, count) in ErrorCode::ALL.iter().zip(&self.errors) {
            let count = count.load(Ordering::Relaxed);
            if count > 0 {
                let _ = writeln!(out, "panthera_s3_errors_total{{code=\"{}\"}} {count}", code.as_str());
            }
        }
        let gauge = |out: &mut String, name: &str, help: &str, value: i64| {
            head(out, name, "gauge", help);
            let _ = writeln!(out, "{name} {value}");
        };
        let inflight = self.in_flight.load(Ordering::Relaxed);
        gauge(&mut out, "panthera_s3_requests_inflight", "Requests being answered.", inflight);
        let open = self.connections.load(Ordering::Relaxed);
        gauge(&mut out, "panthera_s3_connections", "Open connections.", open);
        let dropped = access_log.map_or(0, AccessLog::dropped);
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        for (name, help, value) in [
            ("panthera_s3_traffic_received_bytes", "Body bytes received.", load(&self.received)),
            ("panthera_s3_traffic_sent_bytes", "Body bytes sent.", load(&self.sent)),
            ("panthera_s3_connections_refused_total", "Over the limit of an address.", load(&self.connections_refused)),
            ("panthera_s3_tls_failures_total", "Failed TLS handshakes.", load(&self.tls_failures)),
            ("panthera_s3_timeouts_total", "Connections closed for lack of progress.", load(&self.timeouts)),
            ("panthera_s3_accept_failures_total", "Failed accepts.", load(&self.accept_failures)),
            ("panthera_s3_control_full_total", "Refused: too many control requests.", load(&self.control_full)),
            ("panthera_s3_control_late_total", "Control requests past their deadline.", load(&self.control_late)),
            ("panthera_s3_access_log_dropped_total", "Access log lines dropped.", dropped),
        ] {
            head(&mut out, name, "counter", help);
            let _ = writeln!(out, "{name} {value}");
        }
        out
    }

    fn render_operations(&self, out: &mut String) {
        let asked = || self.names.iter().zip(&self.operations).filter(|(_, of)| of.count() > 0);
        head(out, "panthera_s3_requests_total", "counter", "Requests by operation and status class.");
        for (name, of) in asked() {
            for (class, count) in CLASSES.iter().zip(&of.classes) {
                let count = count.load(Ordering::Relaxed);
                if count > 0 {
                    let _ = writeln!(out, "panthera_s3_requests_total{{api=\"{name}\",code=\"{class}\"}} {count}");
                }
            }
        }
        head(out, "panthera_s3_request_seconds", "histogram", "From the request's head to the answer's last byte.");
        for (name, of) in asked() {
            let mut below = 0;
            for (i, bucket) in of.buckets.iter().enumerate() {
                below += bucket.load(Ordering::Relaxed);
                let bound = BOUNDS_US.get(i).map_or("+Inf".to_owned(), |&us| seconds(us));
                let _ = writeln!(out, "panthera_s3_request_seconds_bucket{{api=\"{name}\",le=\"{bound}\"}} {below}");
            }
            let sum = seconds(of.sum_us.load(Ordering::Relaxed));
            let _ = writeln!(out, "panthera_s3_request_seconds_sum{{api=\"{name}\"}} {sum}");
            let _ = writeln!(out, "panthera_s3_request_seconds_count{{api=\"{name}\"}} {below}");
        }
        head(out, "panthera_s3_first_byte_seconds_sum", "counter", "Time until the answer was ready to be sent.");
        for (name, of) in asked() {
            let sum = seconds(of.first_byte_us.load(Ordering::Relaxed));
            let _ = writeln!(out, "panthera_s3_first_byte_seconds_sum{{api=\"{name}\"}} {sum}");
        }
    }
}

impl OfOperation {
    fn count(&self) -> u64 {
        self.classes.iter().map(|c| c.load(Ordering::Relaxed)).sum()
    }
}

fn head(out: &mut String, name: &str, kind: &str, help: &str) {
    let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

fn seconds(micros: u64) -> String {
    format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000)
}

/// Prometheus text about the caches of authorization.
pub fn render_caches(caches: impl Iterator<Item = CacheRow>) -> String {
    let caches: Vec<CacheRow> = caches.collect();
    let mut out = String::new();
    head(&mut out, "panthera_cache_hits_total", "counter", "Questions that a cache answered.");
    for (name, (hits, _)) in &caches {
        let _ = writeln!(out, "panthera_cache_hits_total{{cache=\"{name}\"}} {hits}");
    }
    head(&mut out, "panthera_cache_misses_total", "counter", "Questions that a cache did not answer.");
    for (name, (_, misses)) in &caches {
        let _ = writeln!(out, "panthera_cache_misses_total{{cache=\"{name}\"}} {misses}");
    }
    out
}

/// Where receipts are handed in.
pub struct Books {
    /// Counters.
    pub metrics: Metrics,
    /// The access log, when there is one.
    pub access_log: Option<AccessLog>,
}

/// One request's account. It travels with the answer's body and is handed in when that is dropped: after its last
/// byte, or when the client left. So a request is counted once, whatever happens to it.
pub struct Receipt {
    books: Arc<Books>,
    connection: Arc<Connection>,
    started: Instant,
    first_byte: Duration,
    /// Row of the table; beyond it when none matched.
    pub operation: usize,
    /// Status of the answer; 0 before there is one.
    pub status: u16,
    /// The error answered.
    pub error: Option<ErrorCode>,
    /// Body bytes received, as they were on the wire.
    pub received: u64,
    /// Body bytes given to the connection.
    pub sent: u64,
    /// Whether the body was given whole.
    pub complete: bool,
    /// What the access log wants to know beside.
    pub line: Option<Box<Line>>,
}

impl Receipt {
    /// Opens the account of a request that arrived now.
    pub fn open(books: Arc<Books>, connection: Arc<Connection>) -> Self {
        books.metrics.in_flight.fetch_add(1, Ordering::Relaxed);
        connection.request_begins();
        let line = books.access_log.is_some().then(Box::default);
        Self {
            books,
            connection,
            started: Instant::now(),
            first_byte: Duration::ZERO,
            operation: usize::MAX,
            status: 0,
            error: None,
            received: 0,
            sent: 0,
            complete: false,
            line,
        }
    }

    /// The answer's head is ready.
    pub fn answered(&mut self, status: u16) {
        self.status = status;
        self.first_byte = self.started.elapsed();
    }
}

impl Drop for Receipt {
    fn drop(&mut self) {
        let total = self.started.elapsed();
        let class = match usize::from(self.status / 100) {
            class @ 1..=5 if self.complete => class - 1,
            _ => CANCELED,
        };
        let metrics = &self.books.metrics;
        metrics.in_flight.fetch_sub(1, Ordering::Relaxed);
        metrics.record(self, class, total);
        self.connection.request_ends();
        if let (Some(log), Some(mut line)) = (&self.books.access_log, self.line.take()) {
            line.status = self.status;
            line.error = self.error;
            line.sent = self.sent;
            line.total = total;
            line.turnaround = self.first_byte;
            log.push(line);
        }
    }
}
