//! The load generator of `make bench`, and the physical limits measured beside it. What belongs here: an HTTP/1.1
//! client cheap enough not to be the bottleneck, seeded names and bodies, latencies without coordinated omission, the
//! bare hyper server, and the rates of this machine's disk and core. What does not: verdicts and tables (bench/), and
//! any code of the server, so that a mistake there cannot hide behind the same mistake here.

pub mod args;
pub mod ceilings;
pub mod client;
pub mod config;
pub mod connection;
pub mod hist;
pub mod limit;
pub mod report;
pub mod request;
pub mod response;
pub mod seeded;
pub mod sign;
pub mod watch;
pub mod workload;
