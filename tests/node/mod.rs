//! A node from outside: the real binary, started, asked over HTTP, stopped and killed.

pub(crate) mod harness;
pub(crate) mod http;
mod processes;
mod restart;
