//! A node from its start to its end: builds the rooms in order, joins them, stops them in reverse.
//!
//! - Owns: the order. Every task is started here or below, and awaited here.
//! - Never: does the work of a room.
//! - Fails: at the start with the reason; later, when a room ends by itself, by stopping the others.

use crate::agent::attend::{AttendError, Dial, attend};
use crate::agent::{self, Agent, AgentError, AgentHandle, Program};
use crate::api::rest;
use crate::app::App;
use crate::config::Config;
use crate::dispatch::{Attendance, Dispatch, Live};
use crate::history::{self, History};
use crate::leader::Leader;
use crate::raft::{self, Founder, Peer, Raft, SnapshotRule};
use crate::{clock, net, task, telemetry};
use dkron_core::apply::Ledger;
use dkron_core::execution::HistoryRow;
use dkron_core::schedule;
use dkron_wire::delivery::service::AgentsServer;
use futures::future::select_all;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_stream::wrappers::TcpListenerStream;
use tokio_util::sync::CancellationToken;

/// Entries whose rows may wait for the history. At the bound apply waits.
const HISTORY_QUEUE: usize = 256;
/// Orders that may wait for dispatch, which never waits itself.
const ORDER_QUEUE: usize = 4_096;
/// New streams that may wait for the leader's next turn.
const CONTACT_QUEUE: usize = 256;
/// How long open connections may take to end.
const DRAIN: Duration = Duration::from_secs(3);

/// Why a node did not start or had to stop.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// A node of this kind is not there yet.
    #[error("{0}")]
    Unsupported(&'static str),
    /// The history cannot be opened.
    #[error("the history does not open")]
    History(#[from] history::Error),
    /// Consensus does not start.
    #[error("consensus does not start")]
    Raft(#[from] raft::Error),
    /// The agent does not start, or ended.
    #[error("the agent does not run")]
    Agent(#[from] AgentError),
    /// An address cannot be used.
    #[error(transparent)]
    Net(#[from] net::Error),
    /// The system refuses something.
    #[error("{what}")]
    System {
        /// What.
        what: &'static str,
        /// Why.
        source: io::Error,
    },
    /// A part of the node broke off.
    #[error("{0} broke off")]
    Broken(&'static str),
}

/// Runs a node until it is asked to stop (SIGINT or SIGTERM) or cannot go on.
///
/// # Errors
/// [`NodeError`] with the reason for which it did not start or stopped.
pub async fn run(config: Config) -> Result<(), NodeError> {
    telemetry::start(config.log_level);
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    supported(&config)?;
    let mut signals = Signals::new()?;
    let mut node = Node::start(&config).await?;
    tracing::info!(
        node = config.node_name,
        api = %config.http,
        calls = %node.rpc,
        data = %config.data_dir.display(),
        "ready"
    );
    let ended = tokio::select! {
        name = signals.next() => { tracing::info!(signal = name, "stopping"); Ok(()) }
        error = node.broken() => Err(error),
    };
    node.stop().await;
    ended
}

fn supported(config: &Config) -> Result<(), NodeError> {
    if !config.server {
        return Err(NodeError::Unsupported(
            "a node without --server needs servers to join, which this version cannot: start with --server or --dev",
        ));
    }
    if config.bootstrap_expect > 1 {
        return Err(NodeError::Unsupported(
            "--bootstrap-expect: this version forms clusters of one server: allowed is 1, or 0 for existing data",
        ));
    }
    Ok(())
}

struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

impl Signals {
    fn new() -> Result<Signals, NodeError> {
        let handle =
            |kind| signal(kind).map_err(|source| NodeError::System { what: "cannot hear signals", source });
        Ok(Signals {
            interrupt: handle(SignalKind::interrupt())?,
            terminate: handle(SignalKind::terminate())?,
        })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.terminate.recv() => "SIGTERM",
        }
    }
}

/// The rooms, joined.
struct Node {
    raft: Raft<Ledger>,
    history_threads: history::Threads,
    agent: JoinHandle<Result<(), AgentError>>,
    servers: Vec<JoinHandle<()>>,
    workers: Vec<JoinHandle<()>>,
    rpc: SocketAddr,
    stop_servers: CancellationToken,
    stop_workers: CancellationToken,
    stop_agent: CancellationToken,
}

impl Node {
    async fn start(config: &Config) -> Result<Node, NodeError> {
        raft::refuse_dkron(&config.data_dir)?;
        let rpc_address = SocketAddr::new(config.bind.ip(), config.rpc_port);
        let rpc_listener = net::listen(rpc_address, "calls between nodes").await?;
        let http_listener = net::listen(config.http, "the API").await?;
        let rpc = local(&rpc_listener, rpc_address);

        let settings = history::Settings::new(config.data_dir.join("history"));
        let opened = task::blocking("open history", move || history::open(settings)).await;
        let opened = opened.map_err(|_| NodeError::Broken("opening the history"))??;
        let (history, appender) = (opened.history, opened.appender);
        let (rows_sender, rows) = mpsc::channel(HISTORY_QUEUE);
        let stop_workers = CancellationToken::new();
        let feeding = task::spawn("history-feed", feed(appender, rows));

        let raft = Raft::start(raft_options(config, rows_sender, history.synced())).await?;
        let (live, stop_servers, stop_agent) =
            (Live::default(), CancellationToken::new(), CancellationToken::new());
        let (orders_sender, orders) = mpsc::channel(ORDER_QUEUE);
        let (contacts_sender, contacts) = mpsc::channel(CONTACT_QUEUE);
        let dispatch = Dispatch::new(orders);
        let attendance =
            Attendance::new(raft.clone(), history.clone(), live.clone(), &dispatch, contacts_sender);
        let leader = Leader { raft: raft.clone(), orders: orders_sender, contacts };
        let workers = vec![
            feeding,
            task::spawn("leader", leader.run(stop_workers.clone())),
            task::spawn("dispatch", dispatch.run(stop_workers.clone())),
        ];
        let agent = start_agent(config, &raft).await?;
        let door = door(config, raft.clone(), history, live);
        let servers = vec![
            task::spawn("calls", serve_calls(rpc_listener, attendance, stop_servers.clone())),
            task::spawn("api", serve_api(http_listener, door, stop_servers.clone())),
        ];
        let agent = task::spawn("agent-stream", keep_agent(agent, dial_to(rpc), stop_agent.clone()));
        let history_threads = opened.threads;
        Ok(Node {
            raft,
            history_threads,
            agent,
            servers,
            workers,
            rpc,
            stop_servers,
            stop_workers,
            stop_agent,
        })
    }

    /// Completes when a part of the node has ended by itself.
    async fn broken(&mut self) -> NodeError {
        let mut leadership = self.raft.leader();
        tokio::select! {
            ended = &mut self.agent => match ended {
                Ok(Err(error)) => error.into(),
                _ => NodeError::Broken("the agent"),
            },
            _ = leadership.wait_for(|_| false) => NodeError::Broken("consensus"),
            _ = select_all(self.servers.iter_mut()) => NodeError::Broken("a server of calls or of the API"),
            _ = select_all(self.workers.iter_mut()) => NodeError::Broken("the leader, dispatch or the history's feed"),
        }
    }

    /// In reverse: the doors, the agent, the leader, consensus, the history.
    async fn stop(self) {
        self.stop_servers.cancel();
        self.stop_agent.cancel();
        for server in self.servers.into_iter().filter(|server| !server.is_finished()) {
            if tokio::time::timeout(DRAIN, server).await.is_err() {
                tracing::warn!("connections were still open and are cut");
            }
        }
        if !self.agent.is_finished() && tokio::time::timeout(DRAIN, self.agent).await.is_err() {
            tracing::warn!("the agent took too long and is cut");
        }
        self.stop_workers.cancel();
        if let Err(error) = self.raft.shutdown().await {
            tracing::warn!(error = &error as &dyn std::error::Error, "consensus did not stop cleanly");
        }
        drop(self.raft);
        for worker in self.workers.into_iter().filter(|worker| !worker.is_finished()) {
            if tokio::time::timeout(DRAIN, worker).await.is_err() {
                tracing::warn!("a task took too long and is cut");
            }
        }
        let threads = self.history_threads;
        let joined = task::blocking("close history", move || threads.join());
        if tokio::time::timeout(DRAIN, joined).await.is_err() {
            tracing::warn!("the history took too long to close");
        }
    }
}

fn local(listener: &TcpListener, asked: SocketAddr) -> SocketAddr {
    listener.local_addr().unwrap_or(asked)
}

fn raft_options(
    config: &Config,
    history: mpsc::Sender<raft::Turn<HistoryRow>>,
    history_synced: watch::Receiver<u64>,
) -> raft::Options<Ledger> {
    let advertised = format!("{}:{}", config.advertise.host, config.advertise_rpc_port);
    let founder = (config.bootstrap_expect == 1).then(|| Founder {
        default_zone: config.default_zone.as_str().into(),
        zone_data: schedule::zone_data_version().into(),
    });
    raft::Options {
        data_dir: config.data_dir.clone(),
        peer: Peer { name: config.node_name.as_str().into(), address: advertised.into() },
        server: None,
        stamp: None,
        founder,
        multiplier: 1,
        snapshots: SnapshotRule::default(),
        clock: Arc::new(|| clock::guarded().time),
        history,
        history_synced,
    }
}

async fn start_agent(config: &Config, raft: &Raft<Ledger>) -> Result<AgentHandle, NodeError> {
    let program = std::env::current_exe()
        .map_err(|source| NodeError::System { what: "cannot find this program's own file", source })?;
    let data_dir = config.data_dir.to_string_lossy().into_owned();
    let options = agent::Options {
        data_dir: config.data_dir.clone(),
        node: Some(raft.identity().server),
        name: config.node_name.as_str().into(),
        tags: config.node_tags(),
        slots: config.slots,
        server: config.server,
        address: config.advertise.to_string().into(),
        benchmarks: config.bench_executor,
        supervisor: Program {
            path: program,
            arguments: vec!["supervise".into(), "--data-dir".into(), data_dir],
        },
    };
    Ok(Agent::start(options).await?)
}

/// Keeps the agent's stream until the agent ends or is told to.
async fn keep_agent(mut agent: AgentHandle, dial: Dial, stop: CancellationToken) -> Result<(), AgentError> {
    tokio::select! {
        () = stop.cancelled() => agent.stop().await,
        error = attend(&mut agent, dial) => {
            tracing::error!(error = &error as &dyn std::error::Error, "the agent has ended");
            agent.ended().await
        }
    }
}

fn dial_to(address: SocketAddr) -> Dial {
    Arc::new(move || {
        Box::pin(async move {
            net::dial(&address.to_string()).await.map_err(|error| AttendError::Dial(Box::new(error)))
        })
    })
}

fn door(config: &Config, raft: Raft<Ledger>, history: History, live: Live) -> rest::Door {
    rest::Door {
        app: App::new(raft, history, live),
        node: config.node_name.as_str().into(),
        tags: Arc::new(config.node_tags()),
    }
}

/// Brings what apply yields to the history, and tells it the time, until consensus has ended.
async fn feed(appender: history::Appender, mut turns: mpsc::Receiver<raft::Turn<HistoryRow>>) {
    let mut second = tokio::time::interval(Duration::from_secs(1));
    loop {
        let sent = tokio::select! {
            turn = turns.recv() => match turn {
                Some(turn) => append(&appender, turn).await,
                None => return,
            },
            _ = second.tick() => appender.tick(clock::wall()).await,
        };
        if let Err(error) = sent {
            tracing::error!(error = &error as &dyn std::error::Error, "the history takes no more rows");
            return;
        }
    }
}

async fn append(appender: &history::Appender, turn: raft::Turn<HistoryRow>) -> history::Result<()> {
    for raft::Applied { index, rows } in turn {
        appender.append(history::Applied { index, rows }).await?;
    }
    Ok(())
}

async fn serve_calls(listener: TcpListener, attendance: Attendance, stop: CancellationToken) {
    let served = tonic::transport::Server::builder()
        .tcp_nodelay(true)
        .http2_keepalive_interval(Some(Duration::from_secs(2)))
        .http2_keepalive_timeout(Some(Duration::from_secs(2)))
        .add_service(AgentsServer::new(attendance))
        .serve_with_incoming_shutdown(TcpListenerStream::new(listener), stop.cancelled());
    if let Err(error) = served.await {
        tracing::error!(error = &error as &dyn std::error::Error, "calls between nodes are served no more");
    }
}

async fn serve_api(listener: TcpListener, door: rest::Door, stop: CancellationToken) {
    let served = axum::serve(listener, rest::router(door)).with_graceful_shutdown(stop.cancelled_owned());
    if let Err(error) = served.await {
        tracing::error!(%error, "the API is served no more");
    }
}
