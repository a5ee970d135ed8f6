//! Real servers in this process: consensus, the leader's loop and the door for agents of each.

use super::within;
use dkron::clock;
use dkron::dispatch::{Attendance, Dispatch, Keep, Live, Rooms};
use dkron::leader::Leader;
use dkron::raft::{self, Blank, Founder, Peer, Raft, SnapshotRule, Turn};
use dkron::task::{self, CancellationToken};
use dkron_core::apply::Ledger;
use dkron_core::delivery::ServerAddress;
use dkron_core::execution::HistoryRow;
use dkron_core::ids::{ClusterId, ExecutionId, Incarnation, NodeId, Stamp};
use dkron_core::state::record::NodeRecord;
use dkron_wire::delivery::service::AgentsServer;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_stream::wrappers::TcpListenerStream;

pub(super) const STAMP: Stamp = Stamp { cluster: ClusterId(0xc1), incarnation: Incarnation(2) };

type Addresses = BTreeMap<NodeId, Arc<str>>;
type List = Arc<[ServerAddress]>;
/// Outputs that were kept, by execution, with whether they were cut.
pub(super) type Kept = Arc<Mutex<BTreeMap<ExecutionId, (Vec<u8>, bool)>>>;

/// One of them.
pub(super) struct Server {
    pub(super) id: NodeId,
    pub(super) address: Arc<str>,
    pub(super) raft: Raft<Ledger>,
    pub(super) attendance: Attendance,
    pub(super) kept: Kept,
    stop: CancellationToken,
    tasks: Vec<JoinHandle<()>>,
    _data: TempDir,
}

/// All of them.
pub(super) struct Servers {
    pub(super) servers: Vec<Server>,
    pub(super) list: watch::Sender<List>,
}

impl Servers {
    pub(super) async fn start(count: u128) -> Servers {
        let mut listeners = Vec::new();
        let mut addresses = Addresses::new();
        for number in 1..=count {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
            let address = listener.local_addr().expect("an address").to_string();
            addresses.insert(NodeId(number), address.into());
            listeners.push((NodeId(number), listener));
        }
        let known = addresses.iter().map(|(id, address)| ServerAddress { id: *id, address: address.clone() });
        let (list, listed) = watch::channel::<List>(known.collect());
        let mut servers = Vec::new();
        for (id, listener) in listeners {
            servers.push(start(id, listener, &addresses, listed.clone()).await);
        }
        Servers { servers, list }
    }

    /// The one that leads, and its term.
    pub(super) async fn leader(&self) -> (&Server, u64) {
        let leads = self.servers.iter().map(|server| {
            Box::pin(async move {
                let mut leadership = server.raft.leader();
                let led = leadership.wait_for(|shown| shown.leading.is_some()).await;
                let term = led.ok().and_then(|led| led.leading).map(|leading| leading.term);
                match term {
                    Some(term) => (server, term),
                    None => std::future::pending().await,
                }
            })
        });
        within("a leader", futures::future::select_all(leads)).await.0
    }

    /// Those that do not lead.
    pub(super) fn others(&self, leader: NodeId) -> impl Iterator<Item = &Server> {
        self.servers.iter().filter(move |server| server.id != leader)
    }

    /// Ends one at once; the others go on.
    pub(super) async fn remove(&mut self, id: NodeId) {
        let place = self.servers.iter().position(|server| server.id == id).expect("it is there");
        self.servers.remove(place).stop().await;
    }

    pub(super) async fn stop(self) {
        futures::future::join_all(self.servers.into_iter().map(Server::stop)).await;
    }
}

impl Server {
    /// Waits until the state says so of a node.
    pub(super) async fn until(&self, what: &str, node: NodeId, holds: impl Fn(&NodeRecord) -> bool) {
        let mut advanced = self.raft.advanced();
        let looking = async {
            while !self.node(node).await.is_some_and(|record| holds(&record)) {
                advanced.changed().await.expect("consensus runs");
            }
        };
        within(what, looking).await;
    }

    pub(super) async fn node(&self, node: NodeId) -> Option<NodeRecord> {
        let look = move |ledger: &mut Ledger, _: &_| {
            let place = ledger.state.node_slot(node)?;
            ledger.state.node(place).map(|record| NodeRecord::clone(record))
        };
        self.raft.look(look).await.expect("the state answers")
    }

    async fn stop(self) {
        self.stop.cancel();
        self.raft.hang_up();
        self.raft.shutdown().await.expect("consensus ends");
        drop((self.raft, self.attendance));
        for ended in futures::future::join_all(self.tasks).await {
            ended.expect("no task panics");
        }
    }
}

async fn start(
    id: NodeId,
    listener: TcpListener,
    addresses: &Addresses,
    listed: watch::Receiver<List>,
) -> Server {
    let data = tempfile::tempdir().expect("temporary folder");
    let (rows_sender, rows) = mpsc::channel(64);
    let (synced_sender, synced) = watch::channel(0);
    let drained = task::spawn("test history", drain(rows, synced_sender));
    let raft = consensus(id, &data, addresses, (rows_sender, synced)).await;
    let (contacts_sender, contacts) = mpsc::channel(256);
    let (orders_sender, orders) = mpsc::channel(256);
    let (stop, kept) = (CancellationToken::new(), Kept::default());
    let attendance = Attendance::new(Rooms {
        raft: raft.clone(),
        live: Live::default(),
        keep: keep(kept.clone()),
        contacts: contacts_sender,
        servers: listed,
        stop: stop.clone(),
    });
    let dispatch = Dispatch::new(&attendance, orders);
    let leader = Leader { raft: raft.clone(), orders: orders_sender, contacts };
    let served = dkron::net::server()
        .add_service(AgentsServer::new(attendance.clone()))
        .add_service(raft.service())
        .serve_with_incoming_shutdown(TcpListenerStream::new(listener), stop.clone().cancelled_owned());
    let tasks = vec![
        drained,
        task::spawn("test leader", leader.run(stop.clone())),
        task::spawn("test dispatch", dispatch.run(stop.clone())),
        task::spawn("test calls", async move { served.await.expect("calls are served") }),
    ];
    let address = addresses[&id].clone();
    Server { id, address, raft, attendance, kept, stop, tasks, _data: data }
}

async fn consensus(
    id: NodeId,
    data: &TempDir,
    addresses: &Addresses,
    (history, history_synced): (mpsc::Sender<Turn<HistoryRow>>, watch::Receiver<u64>),
) -> Raft<Ledger> {
    let mut ground = raft::open(data.path(), Some(id)).await.expect("the directory opens");
    ground.adopt(STAMP).await.expect("the cluster is adopted");
    let peer = |(id, address): (&NodeId, &Arc<str>)| {
        (*id, Peer { name: format!("server-{}", id.0).into(), address: address.clone() })
    };
    let options = raft::Options {
        dialer: dkron::net::Dialer::default(),
        blank: Blank::Found(addresses.iter().map(peer).collect()),
        founder: Founder { default_zone: "UTC".into(), zone_data: "2026a".into(), format: 1 },
        addresses: watch::channel(Arc::new(addresses.clone())).1,
        // Other tests take their share of the machine: no leader shall lose its place by that.
        multiplier: 5,
        snapshots: SnapshotRule::default(),
        clock: Arc::new(clock::wall),
        history,
        history_synced,
    };
    Raft::start(ground, options).await.expect("consensus starts")
}

fn keep(kept: Kept) -> Keep {
    Arc::new(move |id, bytes, cut| {
        kept.lock().expect("no test has failed").insert(id, (bytes, cut));
        Box::pin(async { Ok(()) })
    })
}

async fn drain(mut turns: mpsc::Receiver<Turn<HistoryRow>>, synced: watch::Sender<u64>) {
    while let Some(turn) = turns.recv().await {
        if let Some(last) = turn.last() {
            synced.send_replace(last.index);
        }
    }
}
