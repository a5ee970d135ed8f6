//! From an open data directory to a running room: the newest snapshot, the log after it, an election.

use super::clocks::PeerClocks;
use super::codec::Own;
use super::error::Error;
use super::founding::{self, Founder};
use super::ground::Ground;
use super::leadership::{self, Leadership};
use super::log::disk::Disk;
use super::log::store::LogStore;
use super::machine::{Machine, Turn};
use super::network::{Addresses, Network};
use super::proposer::{Clock, Door, Proposer};
use super::snapshot::{Incoming, Keeper, Shelf, SnapshotRule};
use super::state_machine::{Fold, ThreadHandle};
use super::state_thread::{self, Mark, StateThread};
use super::type_config::{Peer, ServerId, Types};
use super::unison::{Comparing, Quarantine};
use super::{Consensus, Inner, Raft, Running, knobs, members};
use crate::clock;
use crate::net::Dialer;
use crate::task::{CancellationToken, blocking, spawn};
use dkron_core::ids::NodeId;
use openraft::RaftState;
use openraft::async_runtime::WatchReceiver;
use openraft::error::{InitializeError, RaftError};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// How long the last answers may take at the end.
pub(crate) const LAST_ANSWERS: Duration = Duration::from_secs(5);
/// How long, at multiplier 1, a server of the first set, by its place in it, waits for the log of one before it:
/// else they only take the leadership from one another.
const FIRST_LOG_WAIT: Duration = Duration::from_secs(1);
/// Snapshots wanted by hand: one is taken at a time, a few may wait.
const REQUESTS: usize = 8;

/// What the room is started with.
pub struct Options<M: Machine> {
    /// What to do with an empty log.
    pub blank: Blank,
    /// What a cluster that is not founded yet is founded with, if this server comes to lead it.
    pub founder: Founder,
    /// Where each server takes calls at the moment.
    pub addresses: Addresses,
    /// How they are dialled.
    pub dialer: Dialer,
    /// Scales all times of consensus.
    pub multiplier: u32,
    /// When snapshots are taken.
    pub snapshots: SnapshotRule,
    /// Reads the wall clock for the stamps of entries.
    pub clock: Clock,
    /// Where the history's rows go; it must be emptied from the start on, since the log is replayed.
    pub history: mpsc::Sender<Turn<M::Row>>,
    /// Up to which index the history is on its disk.
    pub history_synced: watch::Receiver<u64>,
}

/// What a server does whose log is empty. One with a log goes on with it, whatever is said here.
#[derive(Clone, Debug)]
pub enum Blank {
    /// It forms the cluster of exactly these servers, itself among them. Some or all of them may be told so, if
    /// all are told the same.
    Found(BTreeMap<NodeId, Peer>),
    /// It is silent until a leader adds it.
    Wait,
}

impl<M: Machine> Raft<M> {
    /// Starts the room on a directory that has adopted a cluster. A lone server is back when it leads and its
    /// cluster is founded; one of several at once.
    ///
    /// # Errors
    /// [`Error`]: the directory has no cluster, is damaged, or consensus does not start.
    pub async fn start(ground: Ground, options: Options<M>) -> Result<Raft<M>, Error> {
        let (identity, stamp) = (ground.identity(), ground.identity().stamp.ok_or(Error::NoCluster)?);
        let Ground { data_dir, disk, end: disk_end, formats, .. } = ground;
        let (history, own) = (options.history_synced.clone(), Own { stamp, formats });
        let (store, shelf, machine, mark) = recover::<M>(disk, data_dir.clone(), own, history).await?;
        let blank = store.is_blank();

        let (thread, state) = spawn_state(machine, mark, options.history.clone(), &data_dir)?;
        let quarantine = Quarantine::open(&data_dir)?;
        let mut config = knobs::config(options.multiplier)?;
        config.enable_elect = !quarantine.is_set();
        let config = Arc::new(config);
        let id = ServerId(identity.server);
        let incoming = Arc::new(Incoming::new(shelf.clone()));
        let fold = Fold::new(thread.clone(), shelf.clone(), incoming.clone());
        let clocks = PeerClocks::default();
        let ways = (options.addresses.clone(), options.dialer.clone());
        let network = Network::new(identity.server, stamp, ways, clocks.clone());
        let consensus = Consensus::new(id, config, network.clone(), store, fold).await;
        let consensus = consensus.map_err(|error| Error::Consensus(error.to_string()))?;

        let door = Arc::new(Door::new());
        let (requests_sender, requests) = mpsc::channel(REQUESTS);
        let (leadership_sender, leadership) = watch::channel(Leadership::default());
        let keeper = Keeper::new(thread.clone(), shelf, consensus.clone(), options.snapshots);
        let based = (stamp, thread.marks().clone());
        let proposer = Proposer::new(door.clone(), consensus.clone(), based, options.clock.clone());
        let (members_sender, members) = watch::channel(Arc::default());
        let group = members::watch_members(consensus.clone(), Arc::new(clock::steady), members_sender);
        let watcher = leadership::watch_leadership(consensus.clone(), thread.clone(), leadership_sender);
        let founding = founding::Founding {
            stamp,
            founder: options.founder.clone(),
            door: door.clone(),
            thread: thread.clone(),
            leadership: leadership.clone(),
        };
        let (differing_sender, differing) = watch::channel(BTreeSet::new());
        let others = vec![
            spawn("raft keeper", keeper.run(requests)),
            spawn("raft leadership", watcher),
            spawn("raft members", group),
            spawn("raft founding", founding.run()),
        ];
        let proposer = spawn("raft proposer", proposer.run());
        let running = Running { proposer, others, state, disk: disk_end };
        let raft = Raft {
            inner: Arc::new(Inner {
                identity,
                stamp,
                formats,
                consensus,
                door,
                thread,
                incoming,
                snapshots: requests_sender,
                leadership,
                members,
                clocks,
                contact: Mutex::default(),
                quarantine,
                differing,
                hang_up: CancellationToken::new(),
                running: Mutex::new(Some(running)),
            }),
        };
        raft.compare(network, differing_sender);
        raft.stand(blank, options.blank, options.multiplier).await?;
        Ok(raft)
    }

    /// Has the states of all members compared whenever this server leads.
    fn compare(&self, network: Network, differing: watch::Sender<BTreeSet<NodeId>>) {
        let inner = &self.inner;
        let comparing = Comparing {
            own: inner.identity.server,
            consensus: inner.consensus.clone(),
            thread: inner.thread.clone(),
            network,
            leadership: inner.leadership.clone(),
            members: inner.members.clone(),
            quarantine: inner.quarantine.clone(),
            differing,
        };
        if let Some(running) = &mut *inner.running() {
            running.others.push(spawn("raft unison", comparing.run()));
        }
    }

    /// A lone server need not wait for the others' silence, and is up only when it has applied all that it had
    /// committed and its cluster is founded.
    async fn stand(&self, blank: bool, told: Blank, multiplier: u32) -> Result<(), Error> {
        let consensus = &self.inner.consensus;
        let id = ServerId(self.inner.identity.server);
        let failed = |error: String| Error::Consensus(error);
        let founds = blank && matches!(told, Blank::Found(_));
        if let (true, Blank::Found(members)) = (blank, told) {
            let place = members.range(..id.0).count();
            let members: BTreeMap<ServerId, Peer> =
                members.into_iter().map(|(id, peer)| (ServerId(id), peer)).collect();
            if place > 0 {
                let wait = FIRST_LOG_WAIT.saturating_mul(multiplier).saturating_mul(place as u32);
                let begins = begin_late(consensus.clone(), members, wait);
                if let Some(running) = self.inner.running().as_mut() {
                    running.others.push(spawn("raft beginning", begins));
                }
                return Ok(());
            }
            begin(consensus, members).await?;
        }
        // The metrics show a membership only after the core's first round: the core itself is asked.
        let alone = move |state: &RaftState<Types>| state.membership_state.effective().voter_ids().eq([id]);
        let alone = consensus.with_raft_state(alone).await.map_err(|error| failed(error.to_string()))?;
        if !alone || self.inner.quarantine.is_set() {
            return Ok(());
        }
        if !founds {
            consensus.trigger().elect(false).await.map_err(|error| failed(error.to_string()))?;
        }
        let mut leadership = self.leader();
        let settled = |shown: &Leadership| {
            shown.leading.is_some() || shown.leader.as_ref().is_some_and(|leader| leader.id != id.0)
        };
        let leads = leadership.wait_for(settled).await.map_err(|_| Error::Stopped)?.leading.is_some();
        let mut marks = self.advanced();
        while leads && !M::is_founded(&self.view().await?.state) {
            marks.changed().await.map_err(|_| Error::Stopped)?;
        }
        Ok(())
    }
}

/// Writes the first membership, which stands for election at once.
async fn begin<M: Machine>(consensus: &Consensus<M>, members: BTreeMap<ServerId, Peer>) -> Result<(), Error> {
    match consensus.initialize(members).await {
        // Another member of the set was quicker, and has sent its log.
        Ok(()) | Err(RaftError::APIError(InitializeError::NotAllowed(_))) => Ok(()),
        Err(error) => Err(Error::Consensus(error.to_string())),
    }
}

/// The same, unless the log of another one of the set comes in the meantime.
async fn begin_late<M: Machine>(consensus: Consensus<M>, members: BTreeMap<ServerId, Peer>, wait: Duration) {
    let mut data = consensus.data_metrics();
    let log = async { while data.borrow_watched().last_log.is_none() && data.changed().await.is_ok() {} };
    if tokio::time::timeout(wait, log).await.is_err()
        && let Err(error) = begin(&consensus, members).await
    {
        tracing::warn!(%error, "the first membership could not be written");
    }
}

/// The thread that owns the state.
fn spawn_state<M: Machine>(
    machine: M,
    mark: Mark,
    history: mpsc::Sender<Turn<M::Row>>,
    data_dir: &Path,
) -> Result<(ThreadHandle<M>, JoinHandle<()>), Error> {
    let (marks_sender, marks) = watch::channel(mark.clone());
    let (works_sender, works) = mpsc::channel(state_thread::QUEUE);
    let state = StateThread::new(machine, mark, marks_sender, history);
    let runtime = tokio::runtime::Handle::current();
    let thread = std::thread::Builder::new()
        .name("raft-state".to_owned())
        .spawn(move || runtime.block_on(state.run(works)))
        .map_err(Error::file(data_dir, "starting the thread of the state"))?;
    Ok((ThreadHandle::new(works_sender, marks), thread))
}

type Recovered<M> = (LogStore, Shelf, M, Mark);

/// The checked log and the newest state that can be read, if the one reaches the other.
async fn recover<M: Machine>(
    disk: Disk,
    data_dir: PathBuf,
    own: Own,
    history: watch::Receiver<u64>,
) -> Result<Recovered<M>, Error> {
    let folder = data_dir.join("snapshots");
    let recovering = blocking("raft recover", move || {
        let path = disk.path().to_path_buf();
        let store = LogStore::open(disk, own)?;
        let shelf = Shelf::open(folder, own, history)?;
        let (machine, mark) = match shelf.load::<M>()? {
            Some((machine, file)) => (machine, file.mark()),
            None => (M::empty(), Mark::default()),
        };
        let (purged, _) = store.ends();
        match (purged, mark.applied.map(|id| id.index)) {
            (Some(purged), applied) if applied < Some(purged) => {
                Err(Error::NoSnapshot { path, first: purged + 1 })
            }
            _ => Ok((store, shelf, machine, mark)),
        }
    });
    recovering.await.map_err(|_| Error::Stopped)?
}
