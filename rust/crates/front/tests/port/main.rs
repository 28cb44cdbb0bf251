//! The port from outside: real sockets, signed requests, and everything a client can do wrong.

mod bodies;
mod connections;
mod control;
mod identity;
mod signer;
mod tls;
mod world;
