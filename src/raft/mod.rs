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
//! Reading order: `type_config` (the names), `ground` and `start` (up), `recovery` (from one disk), `proposer` and
//! `batching` (in), `log` (down), `network` (across), `state_machine` and `state_thread` (out), `snapshot` (again),
//! `unison` (whether all have the same).

pub mod batching;
mod clocks;
mod codec;
mod contact;
mod error;
mod founding;
mod ground;
mod knobs;
mod leadership;
mod ledger;
mod log;
pub mod machine;
mod members;
mod network;
mod proposer;
mod recovery;
mod snapshot;
mod start;
mod state_machine;
mod state_thread;
mod type_config;
mod unison;

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
pub use recovery::Survey;
pub use snapshot::SnapshotRule;
pub use start::{Blank, Options};
pub use state_thread::{DIGEST_EVERY, DIGESTS, Mark, View};
pub use type_config::{Peer, Replies, Server};

use crate::clock;
use crate::task::{self, CancellationToken};
use contact::Contact;
use dkron_core::command::{Command, Reply};
use dkron_core::format::Formats;
use dkron_core::ids::{NodeId, Stamp};
use dkron_core::voters::{self, Change, Membership, Wish};
use dkron_wire::consensus::service::ConsensusServer;
use log::disk::DiskEnd;
use proposer::Door;
use snapshot::{Incoming, Request};
use state_machine::{Fold, ThreadHandle};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};
use type_config::Types;
use unison::Quarantine;

/// How long a quorum may take to confirm: longer than an election, so that only a lost quorum is felt.
const CONFIRM_WAIT: Duration = Duration::from_secs(2);

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
    /// The log formats that are read and written here.
    formats: Formats,
    consensus: Consensus<M>,
    door: Arc<Door>,
    thread: ThreadHandle<M>,
    incoming: Arc<Incoming<M>>,
    snapshots: mpsc::Sender<Request>,
    leadership: watch::Receiver<Leadership>,
    members: watch::Receiver<Arc<Membership>>,
    /// What the peers' clocks show.
    clocks: clocks::PeerClocks,
    /// What is known of the leader.
    contact: Mutex<Contact>,
    /// Whether this server's state is wrong.
    quarantine: Quarantine,
    /// Whose state is wrong, as far as this server knows it as leader.
    differing: watch::Receiver<BTreeSet<NodeId>>,
    /// Ends what peers have open here.
    hang_up: CancellationToken,
    running: Mutex<Option<Running>>,
}

impl<M: Machine> Inner<M> {
    fn contact(&self) -> MutexGuard<'_, Contact> {
        self.contact.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn running(&self) -> MutexGuard<'_, Option<Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
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
        self.commit(priority, command).await.map(|committed| committed.reply)
    }

    /// The same, with the index of its entry: for a caller elsewhere, who reads with [`Raft::view_at`] there.
    pub async fn commit(&self, priority: Priority, command: Command) -> Result<Committed, Error> {
        let format = self.format();
        if !command.action.fits(format) {
            return Err(Error::NotInForce { needed: command.action.format(), format });
        }
        self.inner.door.propose(priority, command).await
    }

    /// The log format in force, as far as the log is applied here.
    pub fn format(&self) -> u8 {
        self.inner.thread.marks().borrow().format()
    }

    /// The log formats that are read and written here.
    pub fn formats(&self) -> Formats {
        self.inner.formats
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

    /// Who belongs to the log's group; on the leader also how far each lags and when it was last heard, told anew
    /// twice a second.
    pub fn members(&self) -> watch::Receiver<Arc<Membership>> {
        self.inner.members.clone()
    }

    /// Carries out a change of the members, or a transfer, and waits until it is done.
    pub async fn change(&self, change: Change) -> Result<(), Error> {
        match change {
            Change::HandOver { to } => self.transfer_leader(to).await,
            change => members::change(&self.inner.consensus, change).await,
        }
    }

    /// Takes a server in that does not vote.
    pub async fn add_learner(&self, server: Server) -> Result<(), Error> {
        let Server { id, peer: Peer { name, address } } = server;
        self.change(Change::AddLearner { id, name, address }).await
    }

    /// Makes exactly these members the voters; who voted before stays a member.
    pub async fn change_voters(&self, voters: BTreeSet<NodeId>) -> Result<(), Error> {
        members::change_voters(&self.inner.consensus, voters).await
    }

    /// Lets a server be no member any more.
    pub async fn remove(&self, id: NodeId) -> Result<(), Error> {
        self.change(Change::Remove(id)).await
    }

    /// Whom this leader would hand over to: nobody who, as is wished, shall not vote, and nobody whose state is wrong.
    pub fn heir(&self, wishes: &BTreeMap<NodeId, Wish>) -> Option<NodeId> {
        let differing = self.inner.differing.borrow().clone();
        let mut membership = Membership::clone(&self.inner.members.borrow());
        membership.members.retain(|id, _| !differing.contains(id));
        voters::heir(&membership, wishes)
    }

    /// Hands the leadership to this server and waits until it has it.
    pub async fn transfer_leader(&self, to: NodeId) -> Result<(), Error> {
        let members = self.inner.members.borrow().clone();
        let now = clock::steady();
        members::transfer(self.inner.consensus.clone(), members, self.leader(), now, to).await
    }

    /// The index up to which everything counts that was committed before the call: after it began, a quorum
    /// confirmed that this server leads.
    pub async fn confirm(&self) -> Result<u64, Error> {
        members::confirm(&self.inner.consensus, CONFIRM_WAIT).await
    }

    /// A state that holds everything that was committed before the call, wherever it was asked for.
    pub async fn view_confirmed(&self) -> Result<View<M>, Error> {
        let index = self.confirm().await?;
        self.view_at(index).await
    }

    /// How long ago this server was last in touch with the cluster: as leader with a quorum, else with the
    /// leader. What it shows may be older by that. None if it never was.
    pub fn silence(&self) -> Option<Duration> {
        leadership::silence(&self.inner.consensus, self.inner.contact().heard())
    }

    /// How long ago everything was here that had been acknowledged by then: as leader when a quorum last followed,
    /// else when the leader last said no more than is applied here. None if that never was. A follower that hears
    /// its leader but lags behind it is silent for a moment and old.
    pub fn age(&self) -> Option<Duration> {
        let inner = &self.inner;
        if leadership::leads(&inner.consensus) {
            return inner.leadership.borrow().leading.and(self.silence());
        }
        let applied = inner.thread.marks().borrow().index();
        let whole = inner.contact().whole(applied);
        whole.map(|at| clock::monotonic().saturating_duration_since(at))
    }

    /// Why this server's state must not be shown, if it is not that of most.
    pub fn quarantine(&self) -> watch::Receiver<Option<Arc<str>>> {
        self.inner.quarantine.watch()
    }

    /// The members whose state is wrong or that are in quarantine, while this server leads.
    pub fn differing(&self) -> watch::Receiver<BTreeSet<NodeId>> {
        self.inner.differing.clone()
    }

    /// Ends when [`Raft::hang_up`] was called: what streams to clients for long ends with it.
    pub fn hung_up(&self) -> CancellationToken {
        self.inner.hang_up.clone()
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
        let running = self.inner.running().take();
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
