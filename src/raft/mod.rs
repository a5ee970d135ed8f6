//! Consensus: what every server agrees on, in order, on a quorum's disks.
//!
//! - Does: put commands into the log, several to an entry; keep the log; fold it into the state; hand what
//!   each entry yields to the history; take snapshots and start from them; say who leads.
//! - Owns: `<data>/raft` and `<data>/snapshots`, the one thread that owns the state, the one that writes the
//!   log.
//! - Never: evaluates a command; answers before the disk has it; proposes a command twice; repairs a log.
//! - Fails: a directory of Dkron, of another cluster or server, or with damage, is refused by name at the
//!   start; a disk that fails later ends consensus here, and the other servers go on.
//!
//! Reading order: `type_config` (the names), `ground` and `start` (up), `proposer` and `batching` (in), `log`
//! (down), `network` (across), `state_machine` and `state_thread` (out), `snapshot` (again).

pub mod batching;
mod codec;
mod error;
mod founding;
mod ground;
mod knobs;
mod leadership;
mod ledger;
mod log;
pub mod machine;
mod network;
mod proposer;
mod snapshot;
mod start;
mod state_machine;
mod state_thread;
mod type_config;

#[cfg(test)]
mod tests;

pub use batching::Priority;
pub use error::Error;
pub use founding::Founder;
pub use ground::{Ground, Promises, open};
pub use leadership::{Leadership, Leading};
pub use log::identity::{Identity, refuse_dkron};
pub use machine::{Applied, Digest, Effects, Machine, Turn};
pub use network::{Addresses, Calls};
pub use proposer::{Clock, Committed};
pub use snapshot::SnapshotRule;
pub use start::{Blank, Options};
pub use state_thread::{Mark, View};
pub use type_config::{Peer, Replies, Server};

use crate::task::{self, CancellationToken};
use dkron_core::command::{Command, Reply};
use dkron_core::ids::Stamp;
use dkron_wire::consensus::service::ConsensusServer;
use log::disk::DiskEnd;
use proposer::Door;
use snapshot::{Incoming, Request};
use state_machine::{Fold, ThreadHandle};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::JoinHandle;
use tokio::sync::{mpsc, oneshot, watch};
use type_config::Types;

/// openraft's handle, with our types.
pub(crate) type Consensus<M> = openraft::Raft<Types, Fold<M>>;

/// The handle of the room. Cheap to clone.
pub struct Raft<M: Machine> {
    inner: Arc<Inner<M>>,
}

impl<M: Machine> Clone for Raft<M> {
    fn clone(&self) -> Raft<M> {
        Raft { inner: self.inner.clone() }
    }
}

struct Inner<M: Machine> {
    identity: Identity,
    stamp: Stamp,
    consensus: Consensus<M>,
    door: Arc<Door>,
    thread: ThreadHandle<M>,
    incoming: Arc<Incoming<M>>,
    snapshots: mpsc::Sender<Request>,
    leadership: watch::Receiver<Leadership>,
    /// Ends what peers have open here.
    hang_up: CancellationToken,
    running: Mutex<Option<Running>>,
}

/// What ends with the room.
struct Running {
    proposer: tokio::task::JoinHandle<()>,
    others: Vec<tokio::task::JoinHandle<()>>,
    state: JoinHandle<()>,
    disk: DiskEnd,
}

impl<M: Machine> Raft<M> {
    /// Puts a command into the log and waits until it is applied here; waits, too, for a place in its lane.
    /// A command whose caller went away while it waited is not proposed.
    pub async fn propose(&self, priority: Priority, command: Command) -> Result<Reply, Error> {
        self.inner.door.propose(priority, command).await.map(|committed| committed.reply)
    }

    /// The same, with the index of its entry: for a caller elsewhere, who reads with [`Raft::view_at`] there.
    pub async fn commit(&self, priority: Priority, command: Command) -> Result<Committed, Error> {
        self.inner.door.propose(priority, command).await
    }

    /// How many commands of this importance wait for an entry.
    pub fn waiting(&self, priority: Priority) -> usize {
        self.inner.door.waiting(priority)
    }

    /// The state as of the last entry applied here. Everybody who asks between two entries gets the same one;
    /// it is made only when asked for, because a living view makes later changes copy.
    pub async fn view(&self) -> Result<View<M>, Error> {
        self.inner.thread.view().await
    }

    /// The state as of this entry or a later one: who has a reply's index reads what was written.
    pub async fn view_at(&self, index: u64) -> Result<View<M>, Error> {
        let mut marks = self.advanced();
        let reached = |mark: &Mark| mark.index() >= Some(index);
        marks.wait_for(reached).await.map_err(|_| Error::Stopped)?;
        self.view().await
    }

    /// Runs `look` on the thread of the state, between two turns of entries; it must take a turn's time at
    /// most, about two milliseconds. It may change what is this server's own (the wheel, the planner's memory),
    /// never what is replicated.
    pub async fn look<T: Send + 'static>(
        &self,
        look: impl FnOnce(&mut M, &Mark) -> T + Send + 'static,
    ) -> Result<T, Error> {
        self.inner.thread.look(look).await
    }

    /// "Advanced to n", after every turn of entries.
    pub fn advanced(&self) -> watch::Receiver<Mark> {
        self.inner.thread.marks().clone()
    }

    /// Who leads.
    pub fn leader(&self) -> watch::Receiver<Leadership> {
        self.inner.leadership.clone()
    }

    /// Who this server is, and of which cluster.
    pub fn identity(&self) -> Identity {
        self.inner.identity
    }

    /// Takes a snapshot now, if anything was applied since the last one; its index.
    pub async fn snapshot(&self) -> Result<Option<u64>, Error> {
        let (sender, receiver) = oneshot::channel();
        self.inner.snapshots.send(sender).await.map_err(|_| Error::Stopped)?;
        receiver.await.unwrap_or(Err(Error::Stopped))
    }

    /// What the other servers call, for whoever serves calls. [`Calls::service`] is the one for a consensus that
    /// is not started yet.
    pub fn service(&self) -> ConsensusServer<Calls<M>> {
        Calls::service(Arc::new(OnceLock::from(self.clone())))
    }

    /// Ends the streams that peers have open here, so that a server of calls need not wait for them.
    pub fn hang_up(&self) {
        self.inner.hang_up.cancel();
    }

    /// Ends the room: nothing more is taken, what is in flight comes down, the disk is closed. Later calls
    /// return at once.
    pub async fn shutdown(&self) -> Result<(), Error> {
        let running = self.inner.running.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(running) = running else { return Ok(()) };
        self.inner.door.close();
        self.hang_up();
        // What is in flight may never come down without a quorum; then its callers are told "unknown".
        let last_answers = tokio::time::timeout(start::LAST_ANSWERS, running.proposer);
        if last_answers.await.is_err() {
            tracing::warn!("commands in flight are given up");
        }
        for task in running.others {
            task.abort();
        }
        let ended = self.inner.consensus.shutdown().await;
        self.inner.thread.stop().await;
        let joined = task::blocking("raft end", move || {
            if running.state.join().is_err() {
                tracing::error!("the thread of the state panicked");
            }
            running.disk.close();
        });
        joined.await.map_err(|_| Error::Stopped)?;
        ended.map_err(|error| Error::Consensus(error.to_string()))
    }
}
