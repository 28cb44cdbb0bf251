//! What one run does. Values only; their text form is read in args.rs.

use crate::seeded::Names;
use std::time::Duration;

/// The kinds of request the generator sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op {
    /// CreateBucket; an existing bucket is fine.
    CreateBucket,
    /// PutObject of new bodies, index after index.
    Put,
    /// GetObject of objects chosen at random.
    Get,
    /// HeadObject of objects chosen at random.
    Head,
    /// ListObjectsV2, pages of 1000, each connection walking the bucket from a random key on.
    List,
    /// ListObjectsV2 with delimiter `/` from the top.
    ListDelimiter,
}

impl Op {
    /// The name on the command line and in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::CreateBucket => "create-bucket",
            Self::Put => "put",
            Self::Get => "get",
            Self::Head => "head",
            Self::List => "list",
            Self::ListDelimiter => "list-delimiter",
        }
    }

    /// All of them.
    pub const ALL: [Self; 6] = [Self::CreateBucket, Self::Put, Self::Get, Self::Head, Self::List, Self::ListDelimiter];
}

/// How a body is sent and what vouches for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Payload {
    /// `UNSIGNED-PAYLOAD`.
    Unsigned,
    /// The SHA-256 of the body is signed.
    Signed,
    /// As botocore over plain HTTP: signed SHA-256 and an `x-amz-checksum-crc32` header.
    Sdk,
    /// As botocore over TLS: aws-chunked, unsigned, CRC32 in the trailer.
    Trailer,
}

/// How far an answer is looked at. The status is always checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Check {
    /// The length of a GET, and the number of entries of a listing.
    Length,
    /// Each byte of a GET as well.
    Content,
}

/// What the one thread does while no answer is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// Sleeps in epoll; its own wake-up is part of the latency.
    Sleep,
    /// Polls without sleeping; its processor share is 100 % and says nothing.
    Spin,
}

/// When the run is over.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Until {
    /// After this long; the requests on their way then are not counted (in the open loop they are).
    Elapsed(Duration),
    /// After this many requests.
    Count(u64),
}

/// One run.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// `host:port`, also the `Host` header.
    pub target: String,
    /// Access key; empty sends unsigned requests.
    pub access_key: String,
    /// Its secret.
    pub secret_key: String,
    /// Region of the credential scope.
    pub region: String,
    /// The bucket, path-style.
    pub bucket: String,
    /// What to send, with weights; one entry for everything but `mixed`.
    pub mix: Vec<(Op, u32)>,
    /// Number of connections, each with one request at a time.
    pub connections: usize,
    /// When it ends.
    pub until: Until,
    /// Sent but not counted before the measured window begins.
    pub warmup: Duration,
    /// Requests per second on a fixed schedule (open loop); `None` sends as answers come (closed loop).
    pub rate: Option<f64>,
    /// Names of the objects; the seed also makes their bodies.
    pub names: Names,
    /// Index of the first object written, and of the first that may be read.
    pub first: u64,
    /// How many objects, from `first` on, may be read.
    pub objects: u64,
    /// How many different objects are read (their requests are signed before the clock starts).
    pub distinct: u64,
    /// Size of each object in bytes.
    pub size_bytes: u64,
    /// How bodies are sent.
    pub payload: Payload,
    /// How answers are looked at.
    pub check: Check,
    /// What to do while waiting.
    pub wait: Wait,
    /// Process whose CPU time and memory are read at both ends of the window.
    pub watch_pid: Option<u32>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            target: "127.0.0.1:9000".into(),
            access_key: String::new(),
            secret_key: String::new(),
            region: "us-east-1".into(),
            bucket: "bench".into(),
            mix: vec![(Op::Get, 1)],
            connections: 1,
            until: Until::Count(1),
            warmup: Duration::ZERO,
            rate: None,
            names: Names { seed: 1, prefix: String::new(), dirs: 0 },
            first: 0,
            objects: 1,
            distinct: 50_000,
            size_bytes: 4096,
            payload: Payload::Unsigned,
            check: Check::Length,
            wait: Wait::Sleep,
            watch_pid: None,
        }
    }
}
