//! From a data directory to a running room: whose it is, the newest snapshot, the log after it, an election.

use super::error::Error;
use super::leadership::{self, Leadership};
use super::log::disk::Disk;
use super::log::identity::{Identity, refuse_dkron};
use super::log::store::LogStore;
use super::machine::{Machine, Turn};
use super::network::Network;
use super::proposer::{Clock, Door, Proposer};
use super::snapshot::{Keeper, Shelf, SnapshotRule};
use super::state_machine::{Fold, ThreadHandle};
use super::state_thread::{self, Mark, StateThread};
use super::type_config::{Peer, ServerId, Types};
use super::{Consensus, Inner, Priority, Raft, Running, knobs};
use crate::task::{blocking, spawn};
use dkron_core::command::{Action, Command, Founding};
use dkron_core::ids::Stamp;
use dkron_core::ids::{ClusterId, Incarnation, NodeId};
use openraft::RaftState;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// How long the last answers may take at the end.
pub(crate) const LAST_ANSWERS: Duration = Duration::from_secs(5);
/// Snapshots wanted by hand: one is taken at a time, a few may wait.
const REQUESTS: usize = 8;

/// What the room is started with.
pub struct Options<M: Machine> {
    /// The data directory of the server.
    pub data_dir: PathBuf,
    /// This server's name and address.
    pub peer: Peer,
    /// This server's id, if it is known from elsewhere: a directory of another one is refused.
    pub server: Option<NodeId>,
    /// The cluster, if it is known from elsewhere: a directory of another one is refused.
    pub stamp: Option<Stamp>,
    /// Set if this server alone shall found a cluster in an empty directory (`bootstrap-expect` 1).
    pub founder: Option<Founder>,
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

/// What a new cluster is founded with.
#[derive(Clone, Debug)]
pub struct Founder {
    /// IANA name of the zone of jobs that name none.
    pub default_zone: Arc<str>,
    /// Version of this server's zone data.
    pub zone_data: Arc<str>,
}

impl<M: Machine> Raft<M> {
    /// Starts the room. A lone server is back when it leads, a founder when its cluster is founded.
    pub async fn start(options: Options<M>) -> Result<Raft<M>, Error> {
        refuse_dkron(&options.data_dir)?;
        let path = options.data_dir.join("raft");
        let opening = blocking("raft open", move || Disk::open(&path));
        let (disk, disk_thread) = opening.await.map_err(|_| Error::Stopped)??;
        let disk_end = disk.end(disk_thread);
        let identity = identify(&disk, &options).await?;
        let stamp = identity.stamp.ok_or(Error::NoCluster)?;
        let (store, shelf, machine, mark) = recover::<M>(disk, &options, stamp).await?;
        let blank = store.is_blank();

        let (marks_sender, marks) = watch::channel(mark.clone());
        let (works_sender, works) = mpsc::channel(state_thread::QUEUE);
        let state = StateThread::new(machine, mark, marks_sender, options.history.clone());
        let runtime = tokio::runtime::Handle::current();
        let state = std::thread::Builder::new()
            .name("raft-state".to_owned())
            .spawn(move || runtime.block_on(state.run(works)))
            .map_err(Error::file(&options.data_dir, "starting the thread of the state"))?;
        let thread = ThreadHandle::new(works_sender, marks);

        let config = Arc::new(knobs::config(options.multiplier)?);
        let id = ServerId(identity.server);
        let fold = Fold::new(thread.clone(), shelf.clone());
        let consensus = Consensus::new(id, config, Network, store, fold).await;
        let consensus = consensus.map_err(|error| Error::Consensus(error.to_string()))?;

        let door = Arc::new(Door::new());
        let (requests_sender, requests) = mpsc::channel(REQUESTS);
        let (leadership_sender, leadership) = watch::channel(Leadership::default());
        let keeper = Keeper::new(thread.clone(), shelf, consensus.clone(), options.snapshots);
        let proposer = Proposer::new(door.clone(), consensus.clone(), stamp, options.clock.clone());
        let watcher = leadership::watch_leadership(consensus.clone(), thread.clone(), leadership_sender);
        let running = Running {
            proposer: spawn("raft proposer", proposer.run()),
            others: vec![spawn("raft keeper", keeper.run(requests)), spawn("raft leadership", watcher)],
            state,
            disk: disk_end,
        };
        let raft = Raft {
            inner: Arc::new(Inner {
                identity,
                consensus,
                door,
                thread,
                snapshots: requests_sender,
                leadership,
                running: Mutex::new(Some(running)),
            }),
        };
        raft.stand(blank, stamp, &options).await?;
        Ok(raft)
    }

    /// A lone server need not wait for the others' silence, and is up only when it has applied all that it had
    /// committed; a founder founds.
    async fn stand(&self, blank: bool, stamp: Stamp, options: &Options<M>) -> Result<(), Error> {
        let consensus = &self.inner.consensus;
        let founds = blank && options.founder.is_some();
        let id = ServerId(self.inner.identity.server);
        let failed = |error: String| Error::Consensus(error);
        if founds {
            let members = BTreeMap::from([(id, options.peer.clone())]);
            consensus.initialize(members).await.map_err(|error| failed(error.to_string()))?;
        }
        // The metrics show a membership only after the core's first round: the core itself is asked.
        let alone = move |state: &RaftState<Types>| state.membership_state.effective().voter_ids().eq([id]);
        let alone = consensus.with_raft_state(alone).await.map_err(|error| failed(error.to_string()))?;
        if !alone {
            return Ok(());
        }
        if !founds {
            consensus.trigger().elect(false).await.map_err(|error| failed(error.to_string()))?;
        }
        let mut leadership = self.leader();
        let leads = |shown: &Leadership| {
            shown.leading.is_some() || shown.leader.as_ref().is_some_and(|leader| leader.id != id.0)
        };
        let leads = leadership.wait_for(leads).await.map_err(|_| Error::Stopped)?.leading.is_some();
        if let Some(founder) = &options.founder
            && leads
            && !M::is_founded(&self.view().await?.state)
        {
            let action = Action::Found(Founding {
                cluster: stamp.cluster,
                incarnation: stamp.incarnation,
                default_zone: founder.default_zone.clone(),
                zone_data: founder.zone_data.clone(),
            });
            self.propose(Priority::Write, Command { request: None, action }).await?;
        }
        Ok(())
    }
}

/// Whose directory this is; an empty one becomes ours.
async fn identify<M: Machine>(disk: &Disk, options: &Options<M>) -> Result<Identity, Error> {
    let stored = Identity::read(disk)?;
    if let Some(stored) = &stored {
        stored.check(disk.path(), options.server, options.stamp)?;
    }
    let mut identity = match stored {
        Some(stored) => stored,
        None => Identity {
            server: options.server.map_or_else(|| random(disk.path()).map(NodeId), Ok)?,
            stamp: None,
        },
    };
    if identity.stamp.is_none() {
        identity.stamp = match (options.stamp, &options.founder) {
            (Some(stamp), _) => Some(stamp),
            (None, Some(_)) => {
                Some(Stamp { cluster: ClusterId(random(disk.path())?), incarnation: Incarnation(1) })
            }
            (None, None) => return Err(Error::NoCluster),
        };
    }
    if stored != Some(identity) {
        identity.write(disk).await?;
    }
    Ok(identity)
}

fn random(path: &Path) -> Result<u128, Error> {
    let mut bytes = [0; 16];
    let failed =
        |error: getrandom::Error| Error::file(path, "making an id")(std::io::Error::other(error.to_string()));
    getrandom::fill(&mut bytes).map_err(failed)?;
    Ok(u128::from_be_bytes(bytes))
}

type Recovered<M> = (LogStore, Shelf, M, Mark);

/// The checked log and the newest state that can be read, if the one reaches the other.
async fn recover<M: Machine>(disk: Disk, options: &Options<M>, stamp: Stamp) -> Result<Recovered<M>, Error> {
    let folder = options.data_dir.join("snapshots");
    let history = options.history_synced.clone();
    let recovering = blocking("raft recover", move || {
        let path = disk.path().to_path_buf();
        let store = LogStore::open(disk, stamp)?;
        let shelf = Shelf::open(folder, stamp, history)?;
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
