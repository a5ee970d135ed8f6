//! The supervisor: a small process that outlives the daemon and holds what the daemon must not lose.
//!
//! **Does**: starts commands, each in a process group of its own; owns their pipes and keeps the end of their
//! output; enforces timeout and memory limit; kills whole groups; reaps; makes a result durable before it tells
//! anybody. **Owns** the running processes and the results that are not forgotten yet. **Never** decides that
//! something runs, speaks to a server, or uses the asynchronous runtime: it is one thread with epoll, a few that
//! only wait for `spawn`, and one that writes results. **Fails** by dying: its children may live on, and the
//! agent reports them as lost when they are gone.
//!
//! There is one a data directory (a lock sees to it). It ends when no daemon has been there, nothing has run and
//! nothing has been unforgotten for some minutes.

mod child;
mod memory;
mod peer;
mod results;
mod spawner;
mod status;
mod watch;

pub(super) use memory::start_ticks;

use super::folder::Folder;
use crate::lock;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// How a supervisor is started.
#[derive(Clone, Debug)]
pub struct Options {
    /// The daemon's data directory; the socket and the results are in its folder `agent`.
    pub data_dir: PathBuf,
    /// How long it stays with nothing to do and nobody to do it for.
    pub idle_max: Duration,
}

impl Options {
    /// The defaults for a data directory.
    pub fn new(data_dir: PathBuf) -> Options {
        Options { data_dir, idle_max: Duration::from_secs(300) }
    }
}

/// Why a supervisor ended before its time.
#[derive(Debug, thiserror::Error)]
pub enum SupervisorError {
    /// The folder, the socket or a thread could not be had.
    #[error("supervisor: {what}")]
    Setup {
        /// What could not be had.
        what: &'static str,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The event loop failed.
    #[error("supervisor: waiting for events")]
    Wait(#[source] io::Error),
}

/// What the waiting threads tell the watching one.
enum Note {
    Spawned { serial: u64, outcome: Result<Box<spawner::Spawned>, String> },
    Stored(Vec<(results::Finished, results::Place)>),
}

/// Supervises until there is nothing left to do. Returns at once if the directory has a supervisor.
pub fn run(options: &Options) -> Result<(), SupervisorError> {
    let setup = |what| move |source| SupervisorError::Setup { what, source };
    let folder = Folder::open(&options.data_dir).map_err(setup("opening the data directory"))?;
    // Without patience: who finds it taken has nothing to do, and whoever needs a supervisor asks again.
    let lock = folder.lock_file("supervisor.lock").map_err(setup("opening the lock"))?;
    if !lock::try_take(&lock).map_err(setup("locking the data directory"))? {
        return Ok(());
    }
    // Fails only where the process leads a session already, which is as good.
    let _ = rustix::process::setsid();
    let watch = watch::Watch::open(folder, options.idle_max).map_err(setup("starting"))?;
    watch.run().map_err(SupervisorError::Wait)
}
