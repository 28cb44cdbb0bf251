//! The S3 port: listener, the pipeline of eight steps, the table of operations, the queue to Python.
//!
//! Belongs here: HTTP, and the order in which a request is parsed, matched, authenticated, authorized, run, rendered
//! and accounted. Does not belong here: what an operation means (crate `object`, or Python), signatures and documents
//! (crate `wire`), decisions (crate `authz`).

mod access_log;
mod account;
mod address;
mod audit;
mod authenticate;
mod authorize;
mod body;
mod buckets;
mod connection;
mod control;
mod downloads;
mod form;
mod links;
mod listener;
mod passwords;
mod payload;
mod pipeline;
mod render;
mod request;
mod seats;
mod server;
mod settings;
mod shared;
mod table;
mod tls;
mod token;

pub use control::{Answer, ControlCall, ControlCalls, ControlReply};
pub use passwords::Passwords;
pub use server::{Front, Parts, StartError};
pub use settings::{Settings, TlsFiles};
pub use shared::{Complain, ObjectHandler};
pub use table::{Row, TableError};
