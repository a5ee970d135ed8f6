//! Several servers in one process, each on its own disk, over real connections.

mod failover;
mod forming;
mod gate;
mod membership;
mod refusals;
mod snapshots;

use super::{Tally, command, options};
use crate::raft::ground::open_with;
use crate::raft::machine::Machine;
use crate::raft::{Blank, Calls, Error, Options, Peer, Priority, Raft, SnapshotRule, View, open};
use crate::task::{CancellationToken, spawn};
use dkron_core::command::Reply;
use dkron_core::ids::{ClusterId, Incarnation, NodeId, Stamp};
use gate::Gate;
use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, OnceLock};
use std::time::Duration;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, SemaphorePermit, watch};
use tokio::task::JoinHandle;
use tokio_stream::wrappers::TcpListenerStream;

/// Slower than by default: other tests run beside these, and a lost heartbeat is not what they are about.
const MULTIPLIER: u32 = 3;
/// For tests that fail if there is an election too many.
pub(super) const CALM: u32 = 10;
/// No test waits longer for anything: the box may be busy.
pub(super) const LIMIT: Duration = Duration::from_secs(30);
pub(super) const STAMP: Stamp = Stamp { cluster: ClusterId(0xc1), incarnation: Incarnation(1) };

/// Several clusters at once on two cores take the time from one another that heartbeats need.
static ROOM: Semaphore = Semaphore::const_new(1);

/// Waits, but not for ever.
pub(super) async fn within<T>(what: &str, work: impl Future<Output = T>) -> T {
    tokio::time::timeout(LIMIT, work).await.unwrap_or_else(|_| panic!("{what} took too long"))
}

/// Looks until something is so that nobody announces.
pub(super) async fn until(what: &str, so: impl Fn() -> bool) {
    let mut looks = tokio::time::interval(Duration::from_millis(10));
    within(what, async {
        while !so() {
            looks.tick().await;
        }
    })
    .await;
}

/// One server, running or not.
pub(super) struct Site {
    folder: TempDir,
    pub(super) id: NodeId,
    /// What it knows of where the others are.
    addresses: watch::Sender<Arc<BTreeMap<NodeId, Arc<str>>>>,
    /// Holds what its disk forces, while it is set.
    brake: Arc<Brake>,
    running: Option<Running>,
}

/// A disk that does not answer.
#[derive(Default)]
struct Brake {
    held: Mutex<bool>,
    changed: Condvar,
}

impl Brake {
    fn set(&self, held: bool) {
        *self.held.lock().expect("no panic") = held;
        self.changed.notify_all();
    }

    fn pass(&self) {
        let held = self.held.lock().expect("no panic");
        drop(self.changed.wait_while(held, |held| *held).expect("no panic"));
    }
}

struct Running {
    raft: Raft<Tally>,
    address: std::net::SocketAddr,
    serving: JoinHandle<()>,
    stop: CancellationToken,
}

/// All of them. Everything that one says to another goes through a gate of its own.
pub(super) struct Cluster {
    pub(super) sites: Vec<Site>,
    /// From whom, to whom.
    gates: BTreeMap<(usize, usize), Gate>,
    snapshots: SnapshotRule,
    multiplier: u32,
    members: BTreeMap<NodeId, Peer>,
    _room: SemaphorePermit<'static>,
}

impl Cluster {
    /// Directories and gates for so many servers, of which the first few form the cluster.
    pub(super) async fn new(size: usize, members: usize) -> Cluster {
        let room = ROOM.acquire().await.expect("never closed");
        let mut sites = Vec::new();
        for _ in 0..size {
            let folder = tempfile::tempdir().expect("a folder");
            let mut ground = open(folder.path(), None).await.expect("opened");
            ground.adopt(STAMP).await.expect("adopted");
            let id = ground.identity().server;
            ground.close().await.expect("closed");
            let addresses = watch::channel(Arc::default()).0;
            sites.push(Site { folder, id, addresses, brake: Arc::default(), running: None });
        }
        let nowhere = |(number, site): (usize, &Site)| {
            (
                site.id,
                Peer { name: format!("server-{number}").as_str().into(), address: "127.0.0.1:1".into() },
            )
        };
        let members = sites.iter().enumerate().take(members).map(nowhere).collect();
        let snapshots =
            SnapshotRule { bytes: u64::MAX, entries: u64::MAX, every: Duration::from_secs(3_600) };
        let mut cluster = Cluster {
            sites,
            gates: BTreeMap::new(),
            snapshots,
            multiplier: MULTIPLIER,
            members,
            _room: room,
        };
        cluster.build_gates().await;
        cluster
    }

    /// New gates: every server has another address than before.
    pub(super) async fn build_gates(&mut self) {
        for from in 0..self.sites.len() {
            for to in 0..self.sites.len() {
                self.gates.insert((from, to), Gate::new().await);
            }
            let known =
                self.sites.iter().enumerate().map(|(to, site)| {
                    (site.id, Arc::from(self.gates[&(from, to)].address.to_string().as_str()))
                });
            self.sites[from].addresses.send_replace(Arc::new(known.collect()));
        }
    }

    /// All of the first set, started together.
    pub(super) async fn formed(size: usize) -> Cluster {
        Cluster::formed_at(size, MULTIPLIER).await
    }

    /// The same at another pace.
    pub(super) async fn formed_at(size: usize, multiplier: u32) -> Cluster {
        let mut cluster = Cluster::new(size, size).await;
        cluster.multiplier = multiplier;
        for number in 0..size {
            cluster.start(number).await;
        }
        cluster
    }

    /// Starts one on what its disk has.
    pub(super) async fn start(&mut self, number: usize) {
        let site = &self.sites[number];
        let opening = || {
            let brake = site.brake.clone();
            open_with(site.folder.path(), Some(site.id), |mut force| {
                Box::new(move || {
                    brake.pass();
                    force()
                })
            })
        };
        let ground = super::until_free(opening).await.expect("opened");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (cell, stop) = (Arc::new(OnceLock::new()), CancellationToken::new());
        let serving = tonic::transport::Server::builder()
            .tcp_nodelay(true)
            .add_service(Calls::service(cell.clone()))
            .serve_with_incoming_shutdown(TcpListenerStream::new(listener), stop.clone().cancelled_owned());
        let serving = spawn("serving", async move { serving.await.expect("served") });
        for (_, gate) in self.gates.iter().filter(|((_, to), _)| *to == number) {
            gate.lead_to(Some(address));
        }
        let (options, history) = options::<Tally>();
        history.keep_up();
        let blank = match self.members.contains_key(&site.id) {
            true => Blank::Found(self.members.clone()),
            false => Blank::Wait,
        };
        let addresses = site.addresses.subscribe();
        let (snapshots, multiplier) = (self.snapshots, self.multiplier);
        let options = Options { blank, addresses, snapshots, multiplier, ..options };
        let raft = within("a start", Raft::start(ground, options)).await.expect("started");
        assert!(cell.set(raft.clone()).is_ok(), "started once");
        self.sites[number].running = Some(Running { raft, address, serving, stop });
    }

    /// Stops one without a word to the others.
    pub(super) async fn stop(&mut self, number: usize) {
        let running = self.sites[number].running.take().expect("it runs");
        for (_, gate) in self.gates.iter().filter(|((_, to), _)| *to == number) {
            gate.lead_to(None);
        }
        running.raft.shutdown().await.expect("stopped");
        running.stop.cancel();
        within("the end of the calls", running.serving).await.expect("served");
    }

    pub(super) fn raft(&self, number: usize) -> &Raft<Tally> {
        &self.sites[number].running.as_ref().expect("it runs").raft
    }

    fn gate(&self, from: usize, to: usize) -> &Gate {
        &self.gates[&(from, to)]
    }

    /// Cuts one off from all others, or joins it again.
    pub(super) fn cut(&self, number: usize, off: bool) {
        for ((from, to), gate) in &self.gates {
            if (*from == number) != (*to == number) {
                let address = self.sites[*to].running.as_ref().map(|running| running.address);
                gate.lead_to(address.filter(|_| !off));
            }
        }
    }

    pub(super) fn running(&self) -> impl Iterator<Item = usize> {
        (0..self.sites.len()).filter(|number| self.sites[*number].running.is_some())
    }

    /// Who leads, once somebody does and may act on it.
    pub(super) async fn leader(&self) -> usize {
        let leads = self.running().map(|number| {
            let mut leadership = self.raft(number).leader();
            Box::pin(async move {
                leadership.wait_for(|shown| shown.leading.is_some()).await.expect("it runs");
                number
            })
        });
        within("an election", futures::future::select_all(leads)).await.0
    }

    /// Any server but this one.
    pub(super) fn other(&self, than: usize) -> usize {
        self.running().find(|number| *number != than).expect("another one runs")
    }

    /// Writes through whoever leads, until each is acknowledged; what failed is proposed again.
    pub(super) async fn write(&self, requests: std::ops::Range<u128>) -> u64 {
        let mut last = 0;
        for request in requests {
            last = last.max(within("a write", self.write_one(request)).await);
        }
        last
    }

    /// Writes many at once, as above; the index of the last entry.
    pub(super) async fn write_many(&self, requests: std::ops::Range<u128>) -> u64 {
        let writes = requests.map(|request| self.write_one(request));
        let indexes = within("many writes", futures::future::join_all(writes)).await;
        indexes.into_iter().max().unwrap_or(0)
    }

    async fn write_one(&self, request: u128) -> u64 {
        loop {
            let leader = self.leader().await;
            match self.raft(leader).commit(Priority::Write, command(request)).await {
                Ok(committed) => {
                    assert_eq!(committed.reply, Reply::Done);
                    return committed.index;
                }
                Err(Error::NotLeader { .. } | Error::Unknown) => tokio::task::yield_now().await,
                Err(error) => panic!("{error}"),
            }
        }
    }

    pub(super) async fn view_at(&self, number: usize, index: u64) -> View<Tally> {
        within("applying", self.raft(number).view_at(index)).await.expect("a view")
    }

    /// All that run have applied this, and hold the same state as of one entry.
    pub(super) async fn agree(&self, index: u64) {
        let mut index = index;
        within("agreement", async {
            loop {
                let mut seen = Vec::new();
                for number in self.running() {
                    let view = self.view_at(number, index).await;
                    seen.push((view.mark.index().expect("an index"), Tally::digest(&view.state)));
                }
                let (first, last) =
                    (seen.iter().min_by_key(|(at, _)| *at), seen.iter().max_by_key(|(at, _)| *at));
                // An election adds an entry: then all are looked at again, there.
                if first.map(|(at, _)| at) == last.map(|(at, _)| at) {
                    assert!(seen.windows(2).all(|pair| pair[0] == pair[1]), "{seen:?}");
                    return;
                }
                index = last.map_or(index, |(at, _)| *at);
            }
        })
        .await;
    }
}
