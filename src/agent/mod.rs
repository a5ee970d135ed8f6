//! The agent: runs on this node what the servers decided, once, and tells how it went until they have it.
//!
//! **Does**: receives launches and cancels, writes its journal, starts work through the supervisor or in the
//! daemon, streams output, reports, and after any crash finds out what became of what it had started. **Owns**
//! the folder `agent` of the data directory: node id, journal, kept outputs, and the supervisor's socket and
//! results. **Never** decides what runs or where, retries anything by itself, or acts before its journal is
//! durable. **Fails** by stopping: when the journal cannot be synced it reports no more, and the servers see a
//! silent agent; on a full disk it waits, and accepts nothing.
//!
//! The rules are [`dkron_core::journal`]; this room is their hands.
//!
//! ```text
//! servers <-> attend <-> run --- journal rules --- journal file (thread)
//!                         |--- link <-> supervisor (process) --- jobs
//!                         '--- calls (http, ...)
//! ```

mod act;
pub mod attend;
mod calls;
mod daemon;
mod folder;
pub mod frames;
mod identity;
mod journal_file;
mod link;
mod offer;
mod orphans;
mod run;
pub mod supervisor;
#[cfg(test)]
mod tests;

pub use daemon::{Daemon, daemon};
pub use link::Program;

use crate::clock;
use crate::executor::Executors;
use crate::task::{self, CancellationToken};
use calls::Calls;
use dkron_core::delivery::{FromAgent, ToAgent};
use dkron_core::format::Formats;
use dkron_core::ids::{NodeId, Stamp};
use dkron_core::job::Words;
use dkron_core::journal::{Journal, Record};
use dkron_core::node::Registration;
use folder::Folder;
use journal_file::JournalFile;
use offer::Offer;
use run::Run;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

/// Messages from the servers that may wait: with more the stream's own flow control holds them.
const INBOX: usize = 256;
/// Messages to the servers that may wait.
const OUTBOX: usize = 64;

/// How an agent is started.
#[derive(Clone, Debug)]
pub struct Options {
    /// The daemon's data directory.
    pub data_dir: PathBuf,
    /// The node's id, where a server on the same node has one; else the agent makes its own.
    pub node: Option<NodeId>,
    /// The node's name.
    pub name: Arc<str>,
    /// Its tags.
    pub tags: Words,
    /// How many executions run at a time.
    pub slots: u32,
    /// Whether the node is a server too.
    pub server: bool,
    /// The address that it advertises.
    pub address: Arc<str>,
    /// Whether the executor for benchmarks is there.
    pub benchmarks: bool,
    /// How a supervisor is started.
    pub supervisor: Program,
}

/// Why an agent could not start, or stopped.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// Its folder cannot be used.
    #[error("agent: {what}")]
    Folder {
        /// What could not be done.
        what: &'static str,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Another daemon runs in this data directory.
    #[error("agent: another daemon uses this data directory")]
    InUse,
    /// What must be durable cannot be made so.
    #[error("agent: the journal cannot be written: {0}")]
    Journal(String),
    /// The thread that makes it durable is gone.
    #[error("agent: the journal's writer ended")]
    WriterEnded,
    /// A fault of ours.
    #[error("agent: the loop ended: {0}")]
    Loop(String),
}

/// A running agent.
pub struct AgentHandle {
    /// What servers say to it.
    pub inbox: mpsc::Sender<ToAgent>,
    /// What it says to the leader. Whoever reads it loses nothing by losing a message: each `Leading` that it is
    /// told brings all again.
    pub outbox: mpsc::Receiver<FromAgent>,
    /// What it says of itself in its hello.
    pub registration: Registration,
    /// Its tags, for whoever changes them while it runs.
    pub tags: watch::Sender<Words>,
    /// The cluster that it belongs to; none before its first welcome.
    pub stamp: watch::Receiver<Option<Stamp>>,
    /// This start of it, told apart from any other.
    pub process: u64,
    /// The protocols with servers that it speaks.
    pub protocols: Formats,
    stop: CancellationToken,
    task: JoinHandle<Result<(), AgentError>>,
}

/// The agent of a node.
pub struct Agent;

impl Agent {
    /// Reads the journal and begins; connects to the supervisor, starting one if there is none.
    pub async fn start(options: Options) -> Result<AgentHandle, AgentError> {
        let (data_dir, server) = (options.data_dir.clone(), options.node);
        let opened = task::blocking("open agent", move || open(&data_dir, server)).await;
        let opened = opened.map_err(|error| AgentError::Loop(error.to_string()))??;
        Ok(begin(options, opened))
    }
}

impl AgentHandle {
    /// Stops the agent; what the supervisor runs runs on.
    pub async fn stop(self) -> Result<(), AgentError> {
        self.stop.cancel();
        self.task.await.map_err(|error| AgentError::Loop(error.to_string()))?
    }

    /// Completes when the agent has ended by itself, with the reason.
    pub async fn ended(&mut self) -> Result<(), AgentError> {
        (&mut self.task).await.map_err(|error| AgentError::Loop(error.to_string()))?
    }
}

struct Opened {
    folder: Folder,
    lock: Arc<File>,
    node: NodeId,
    life: u64,
    boot: dkron_core::ids::BootId,
    process: u64,
    journal: journal_file::Opened,
}

fn open(data_dir: &std::path::Path, server: Option<NodeId>) -> Result<Opened, AgentError> {
    let failed = |what| move |source| AgentError::Folder { what, source };
    let folder = Folder::open(data_dir).map_err(failed("opening the data directory"))?;
    let lock = folder.lock_file(daemon::LOCK).map_err(failed("opening the lock"))?;
    if !crate::lock::take(&lock).map_err(failed("locking the data directory"))? {
        return Err(AgentError::InUse);
    }
    daemon::sign(&lock, server.is_some()).map_err(failed("signing the lock"))?;
    let lock = Arc::new(lock);
    let node = identity::node(&folder, server).map_err(failed("reading the node's id"))?;
    let life = identity::next_life(&folder, clock::wall()).map_err(failed("counting the agent's starts"))?;
    let boot = identity::boot().map_err(failed("reading the boot id"))?;
    let process = identity::random().map_err(failed("asking for random numbers"))? as u64;
    let journal = JournalFile::open(&folder, lock.clone()).map_err(failed("reading the journal"))?;
    if let Some(problem) = &journal.set_aside {
        tracing::error!(%problem, journal = %journal.header.journal, "the journal was damaged: set aside, a new one begun");
    }
    remove_stray_outputs(&folder, &journal.records).map_err(failed("tidying the outputs"))?;
    Ok(Opened { folder, lock, node, life, boot, process, journal })
}

/// Removes kept outputs that nobody will ask for: those of executions that the journal does not owe.
fn remove_stray_outputs(folder: &Folder, records: &[Record]) -> io::Result<()> {
    let settled: BTreeSet<String> = records
        .iter()
        .filter_map(|record| match record {
            Record::Settled { id, .. } => Some(id.to_string()),
            _ => None,
        })
        .collect();
    for entry in std::fs::read_dir(folder.path("outputs"))? {
        let entry = entry?;
        if entry.file_name().to_str().is_some_and(|name| settled.contains(name)) {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

fn begin(options: Options, opened: Opened) -> AgentHandle {
    let Opened { folder, lock, node, life, boot, process, journal } = opened;
    let journal_file::Opened { header, records, file, .. } = journal;
    let (inbox, inbox_receiver) = mpsc::channel(INBOX);
    let (outbox_sender, outbox) = mpsc::channel(OUTBOX);
    let (stamp_sender, stamp) = watch::channel(header.stamp);
    let tags = watch::Sender::new(options.tags.clone());
    let stop = CancellationToken::new();
    let registration = Registration {
        node,
        name: options.name,
        life,
        journal: header.journal,
        boot,
        tags: options.tags,
        slots: options.slots,
        server: options.server,
        address: options.address,
    };
    let mut written = file.written();
    let run = Run {
        header,
        journal: Journal::replay(header.journal, options.slots, records),
        file,
        executors: Executors::new(options.benchmarks),
        calls: Calls::new(folder.clone()),
        offer: Offer::new(folder.clone()),
        link: link::start(folder.clone(), options.supervisor, stop.clone()),
        inbox: inbox_receiver,
        outbox: outbox_sender,
        stamp: stamp_sender,
        stop: stop.clone(),
        pending: VecDeque::new(),
        supervisor: None,
        runner: None,
        orphans: BTreeMap::new(),
        orphans_at: clock::monotonic(),
        folder,
    };
    let task = task::spawn("agent", async move {
        let _lock = lock;
        let ended = run.run().await;
        // The writer still has what was handed to it: who starts an agent here next must find all of it.
        while written.changed().await.is_ok() {}
        ended
    });
    let protocols = Formats::OWN;
    AgentHandle { inbox, outbox, registration, tags, stamp, process, protocols, stop, task }
}
