//! What the listener can be told, and the limits of the HTTP layer that are nobody's setting.
//!
//! Belongs here: values. Does not belong here: reading configuration (Python's `gateway/config.py`), acting on it.

use std::path::PathBuf;
use std::time::Duration;

/// Longest bucket name an address may carry: longer ones are refused before anything is looked up. Names that old
/// buckets may have (up to 255 bytes, as AWS once allowed in us-east-1) still find their "no such bucket".
pub const ADDRESS_BUCKET_BYTES: usize = 255;
/// Most parameters in a query. S3's busiest operation has about 20; presigning adds 8.
pub const QUERY_PARAMETERS: usize = 128;
/// Body bytes read and thrown away after an early answer, so that the connection can be used again. More than this
/// costs the client and us more than a new connection does.
pub const DRAIN_BYTES: u64 = 64 << 10;
/// How long draining a small rest may take before the connection is given up instead.
pub const DRAIN_TIME: Duration = Duration::from_secs(2);
/// After an answer that leaves a large body unread, bytes still read (and dropped) before the socket closes. Closing
/// with unread bytes makes the kernel send a reset, and a reset can destroy the answer before the client reads it.
pub const LINGER_BYTES: usize = 8 << 20;
/// How long that may take.
pub const LINGER_TIME: Duration = Duration::from_secs(5);
/// Time a slow document (CompleteMultipartUpload) gets before the answer starts with whitespace, and the pause
/// between further blanks. Clients give up on a silent connection after 60 s at the least.
pub const SLOW_PAUSE: Duration = Duration::from_secs(5);
/// Connections the kernel keeps for us while we are busy.
pub const BACKLOG: i32 = 4096;
/// Streams of one HTTP/2 connection at a time.
pub const H2_STREAMS: u32 = 256;
/// Flow control windows of HTTP/2, so that one upload is not limited to 64 KiB per round trip.
pub const H2_STREAM_WINDOW: u32 = 1 << 20;
/// See [`H2_STREAM_WINDOW`]; for all streams of the connection together.
pub const H2_CONNECTION_WINDOW: u32 = 4 << 20;
/// Lines of the access log that wait for the disk; further ones are counted and dropped.
pub const ACCESS_LOG_LINES: usize = 16 << 10;
/// How long a line may wait before it is written out: the ring holds what 300 000 requests a second leave in it.
pub const ACCESS_LOG_PAUSE: Duration = Duration::from_millis(50);
/// How often the log looks whether its file has been moved away.
pub const ACCESS_LOG_ROTATION: Duration = Duration::from_secs(1);

/// Certificate and key, PEM files. They are read again by [`crate::Front::reload_tls`].
#[derive(Clone, Debug)]
pub struct TlsFiles {
    /// The chain, leaf first.
    pub cert: PathBuf,
    /// The key: PKCS#8, PKCS#1 or SEC1.
    pub key: PathBuf,
}

/// Settings of the S3 port. Defaults are those of `storage/_core.pyi`.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Addresses to bind, `host:port`; port 0 picks a free one.
    pub listen: Vec<String>,
    /// Domains under which `bucket.domain` addresses a bucket.
    pub domains: Vec<String>,
    /// Where the server is, for `aws:RequestedRegion`.
    pub region: String,
    /// The region signatures must name; any, when there is none.
    pub pinned_region: Option<String>,
    /// The endpoint as clients behind trusted proxies see it (`https://s3.example.com`).
    pub external_url: Option<String>,
    /// TLS on every listener, or plain.
    pub tls: Option<TlsFiles>,
    /// Addresses or networks (`10.0.0.0/8`) whose X-Forwarded-* headers are believed.
    pub trusted_proxies: Vec<String>,
    /// Whether SigV2 signatures are accepted.
    pub sigv2: bool,
    /// File of the access log.
    pub access_log: Option<PathBuf>,
    /// Threads; 0: one per core.
    pub workers: usize,
    /// Requests that may be with the Python handlers at a time, waiting or running.
    pub control_queue: usize,
    /// How long a request waits for its Python handler.
    pub control_deadline: Duration,
    /// Open connections of one client address.
    pub connections_per_address: usize,
    /// From the first byte of a request's head (or the accept, or the TLS handshake) to its last.
    pub header_timeout: Duration,
    /// A connection without a request.
    pub idle_timeout: Duration,
    /// A body, in either direction, without a byte of progress.
    pub body_timeout: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: vec!["127.0.0.1:9000".into()],
            domains: Vec::new(),
            region: "us-east-1".into(),
            pinned_region: None,
            external_url: None,
            tls: None,
            trusted_proxies: Vec::new(),
            sigv2: true,
            access_log: None,
            workers: 0,
            control_queue: 256,
            control_deadline: Duration::from_secs(30),
            connections_per_address: 4096,
            header_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(75),
            body_timeout: Duration::from_secs(60),
        }
    }
}
