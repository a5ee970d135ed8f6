//! Servers in one process, each with a runtime of its own: to drop it is to kill the server.

use dkron::net::{Door, Incoming};
use dkron::raft::{self, Blank, Calls, Error, Founder, Options, Peer, Priority, Raft, SnapshotRule, Turn};
use dkron_core::apply::Ledger;
use dkron_core::command::{Action, Command};
use dkron_core::execution::HistoryRow;
use dkron_core::ids::{ClusterId, Incarnation, NodeId, RequestId, Stamp};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, watch};

const STAMP: Stamp = Stamp { cluster: ClusterId(1), incarnation: Incarnation(1) };

struct Site {
    folder: TempDir,
    id: NodeId,
    address: SocketAddr,
    running: Option<(Runtime, Raft<Ledger>)>,
}

/// Some servers on their own disks, over the loopback.
pub(crate) struct Cluster {
    sites: Vec<Site>,
    members: BTreeMap<NodeId, Peer>,
    /// For what the bench itself waits for.
    waiting: Runtime,
}

impl Cluster {
    /// A cluster that has a leader and is founded.
    pub(crate) fn formed(size: usize) -> Cluster {
        let waiting = Runtime::new().expect("a runtime");
        let mut sites = Vec::new();
        for _ in 0..size {
            let folder = tempfile::tempdir().expect("a folder");
            let id = waiting.block_on(async {
                let mut ground = raft::open(folder.path(), None).await.expect("opened");
                ground.adopt(STAMP).await.expect("adopted");
                let id = ground.identity().server;
                ground.close().await.expect("closed");
                id
            });
            let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
            let address = free.local_addr().expect("an address");
            sites.push(Site { folder, id, address, running: None });
        }
        let peer =
            |site: &Site| Peer { name: "server".into(), address: site.address.to_string().as_str().into() };
        let members = sites.iter().map(|site| (site.id, peer(site))).collect();
        let mut cluster = Cluster { sites, members, waiting };
        (0..size).for_each(|number| cluster.start(number));
        cluster.commit(u128::MAX);
        cluster
    }

    /// Starts one on what its disk has.
    pub(crate) fn start(&mut self, number: usize) {
        let site = &mut self.sites[number];
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("a runtime");
        let raft = runtime.block_on(start(site, self.members.clone()));
        site.running = Some((runtime, raft));
    }

    /// Drops everything that one does, as it is.
    pub(crate) fn kill(&mut self, number: usize) {
        let (runtime, raft) = self.sites[number].running.take().expect("it runs");
        runtime.shutdown_background();
        drop(raft);
    }

    fn running(&self) -> impl Iterator<Item = (usize, &Raft<Ledger>)> {
        self.sites
            .iter()
            .enumerate()
            .filter_map(|(number, site)| site.running.as_ref().map(|(_, raft)| (number, raft)))
    }

    /// Which one leads, once one does.
    pub(crate) fn leading(&self) -> usize {
        let leads = self.running().map(|(number, raft)| {
            let mut leadership = raft.leader();
            Box::pin(async move {
                leadership.wait_for(|shown| shown.leading.is_some()).await.expect("it runs");
                number
            })
        });
        self.waiting.block_on(futures::future::select_all(leads)).0
    }

    /// The handle of the one that leads.
    pub(crate) fn leader(&self) -> Raft<Ledger> {
        let (_, raft) = self.sites[self.leading()].running.as_ref().expect("it runs");
        raft.clone()
    }

    /// One command through whoever leads; the index of its entry.
    pub(crate) fn commit(&self, request: u128) -> u64 {
        loop {
            let raft = self.leader();
            let command = Command { request: Some(RequestId(request)), action: Action::Pause(true) };
            match self.waiting.block_on(raft.commit(Priority::Write, command)) {
                Ok(committed) => return committed.index,
                Err(Error::NotLeader { .. } | Error::Unknown) => {}
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// Waits until all that run have what is committed.
    pub(crate) fn settle(&self) {
        let index = self.commit(u128::MAX);
        for (_, raft) in self.running() {
            self.waiting.block_on(raft.view_at(index)).expect("it runs");
        }
    }
}

async fn start(site: &Site, members: BTreeMap<NodeId, Peer>) -> Raft<Ledger> {
    let (history, mut rows) = mpsc::channel::<Turn<HistoryRow>>(64);
    let (synced, history_synced) = watch::channel(0);
    tokio::spawn(async move {
        while let Some(turn) = rows.recv().await {
            synced.send_replace(turn.last().map_or(0, |applied| applied.index));
        }
    });
    let ground = loop {
        match raft::open(site.folder.path(), None).await {
            Ok(ground) => break ground,
            // The one that was killed before is still letting go.
            Err(Error::Database { .. }) => tokio::time::sleep(Duration::from_millis(1)).await,
            Err(error) => panic!("{error}"),
        }
    };
    let cell = Arc::new(OnceLock::new());
    let listener = TcpListener::bind(site.address).await.expect("the port");
    let serving = tonic::transport::Server::builder()
        .add_service(Calls::service(cell.clone()))
        .serve_with_incoming(Incoming::new(listener, Door::Open).into_stream());
    tokio::spawn(serving);
    let addresses = members.iter().map(|(id, peer)| (*id, peer.address.clone())).collect();
    let options = Options {
        blank: Blank::Found(members),
        founder: Founder { default_zone: "UTC".into(), zone_data: "2026a".into(), format: 1 },
        addresses: watch::channel(Arc::new(addresses)).1,
        dialer: dkron::net::Dialer::default(),
        multiplier: 1,
        snapshots: SnapshotRule::default(),
        clock: Arc::new(dkron::clock::wall),
        history,
        history_synced,
    };
    let raft = Raft::start(ground, options).await.expect("started");
    assert!(cell.set(raft.clone()).is_ok(), "started once");
    raft
}
