//! A node from outside: the real binary, started, asked over HTTP, stopped and killed.

pub(crate) mod harness;
mod kill;
mod restart;
mod workload;
