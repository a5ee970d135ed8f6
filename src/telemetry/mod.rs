//! What the daemon tells of itself: logs for people on standard error, and counts.
//!
//! - Does: installs the subscriber once, at the start of a daemon; names every counter and shows them.
//! - Owns: the counters.
//! - Never: logs by itself.
//! - Fails: never; a second set-up in one process (tests) is passed over.

pub mod counters;

use crate::config::LogLevel;
use std::io::{IsTerminal, stderr};
use tracing_subscriber::{EnvFilter, reload};

/// How much is logged, for whoever changes it while the daemon runs.
pub struct Logging {
    change: Box<dyn Fn(EnvFilter) -> Result<(), reload::Error> + Send + Sync>,
}

impl Logging {
    /// Logs at this level from now on.
    pub fn set_level(&self, level: LogLevel) {
        if let Err(error) = (self.change)(filter(level)) {
            tracing::error!(%error, "the level of the log cannot be changed");
        }
    }
}

/// Starts logging at this level.
pub fn start(level: LogLevel) -> Logging {
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter(level))
        .with_writer(stderr)
        .with_ansi(stderr().is_terminal())
        .with_target(false)
        .with_filter_reloading();
    let handle = subscriber.reload_handle();
    drop(tracing::subscriber::set_global_default(subscriber.finish()));
    Logging { change: Box::new(move |filter| handle.reload(filter)) }
}

/// Libraries speak only when something is wrong, except at the lowest level.
fn filter(level: LogLevel) -> EnvFilter {
    EnvFilter::new(match level {
        LogLevel::Trace => level.word().to_owned(),
        _ => format!("warn,dkron={},openraft=error", level.word()),
    })
}
