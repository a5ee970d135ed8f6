//! Typed clients of our own services, for the command line and for tests.
//!
//! - Does: dials, calls with a time limit, reads the answers.
//! - Owns: the one place where the command line speaks HTTP to a server, [`Api`].
//! - Never: retries; prints; shows a token.
//! - Fails: naming the address, or with the status and the words of whoever refused.

mod api;

pub use api::{Access, Api, Reply};
