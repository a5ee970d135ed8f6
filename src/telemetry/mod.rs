//! What the daemon tells of itself: logs for people on standard error, and counts.
//!
//! - Does: installs the subscriber once, at the start of a daemon; names every counter and shows them.
//! - Owns: the counters.
//! - Never: logs by itself.
//! - Fails: never; a second set-up in one process (tests) is passed over.

pub mod counters;

use crate::config::LogLevel;
use std::io::{IsTerminal, stderr};
use tracing_subscriber::EnvFilter;

/// Starts logging at this level. Libraries speak only when something is wrong, except at the lowest level.
pub fn start(level: LogLevel) {
    let filter = match level {
        LogLevel::Trace => level.word().to_owned(),
        _ => format!("warn,dkron={},openraft=error", level.word()),
    };
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(filter))
        .with_writer(stderr)
        .with_ansi(stderr().is_terminal())
        .with_target(false)
        .finish();
    drop(tracing::subscriber::set_global_default(subscriber));
}
