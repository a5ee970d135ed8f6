//! A node from outside: the real binary, started, asked over HTTP, stopped and killed.

mod evidence;
pub(crate) mod harness;
pub(crate) mod http;
mod kill;
mod ledger;
mod processes;
mod restart;
mod sink;
mod workload;
