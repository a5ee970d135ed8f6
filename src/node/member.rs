//! What a server has once it belongs to a cluster: the log, the history, the leader's loop, dispatch, its agent,
//! the use cases.

use super::base::{Beginning, Doors, Shared};
use super::feed::Feed;
use super::stop::part;
use super::work::{keep_agent, start_agent};
use super::{DRAIN, NodeError, fence, open};
use crate::agent::AgentError;
use crate::agent::attend::Servers;
use crate::api::peers::Peers;
use crate::api::{grpc, rest};
use crate::app::{self, App};
use crate::clock;
use crate::config::Config;
use crate::copies::Copies;
use crate::dispatch::{self, Attendance, Dispatch, Keep, KeepError, Live};
use crate::formation::Formation;
use crate::gossip::Gossip;
use crate::history::{self, History};
use crate::leader::{Leader, Members, watch_clocks};
use crate::net::Channels;
use crate::raft::{self, Blank, Ground, Machine, Raft, SnapshotRule};
use crate::task::{self, CancellationToken};
use dkron_core::apply::Ledger;
use dkron_core::execution::HistoryRow;
use dkron_core::ids::Stamp;
use dkron_core::job::Words;
use dkron_core::time::Span;
use dkron_core::voters::{self, Health};
use dkron_wire::delivery::service::AgentsServer;
use dkron_wire::formation::service::FormationServer;
use dkron_wire::submit::service::LeaderServer;
use futures::future::select_all;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tonic::service::Routes;

/// Entries whose rows may wait for the history. At the bound apply waits.
const HISTORY_QUEUE: usize = 256;
/// How long a server that is stopped waits for the others to take its vote.
const RESIGN: Duration = Duration::from_secs(10);
/// Orders that may wait for dispatch, which never waits itself.
const ORDER_QUEUE: usize = 4_096;
/// New streams that may wait for the leader's next turn.
const CONTACT_QUEUE: usize = 256;
/// How long consensus may take to end: what is in flight without a quorum, and a disk that is slow.
const CONSENSUS_END: Duration = Duration::from_secs(10);

/// The rooms of a member, joined.
pub(super) struct Member {
    shared: Shared,
    raft: Raft<Ledger>,
    history: History,
    history_threads: history::Threads,
    app: App,
    copies: Copies,
    /// Held so that the feed can pull; ends when it is dropped.
    copies_sender: watch::Sender<Option<Copies>>,
    /// Cancelled once an operator has had this server leave.
    leave: CancellationToken,
    attendance: Attendance,
    agent: JoinHandle<Result<(), AgentError>>,
    tags: watch::Sender<Words>,
    workers: Vec<JoinHandle<()>>,
    founded: JoinHandle<()>,
    tokens: JoinHandle<()>,
    formats: [JoinHandle<()>; 2],
    stop_workers: CancellationToken,
    stop_agent: CancellationToken,
    stop_streams: CancellationToken,
}

impl Member {
    pub(super) async fn start(
        config: &Config,
        shared: &Shared,
        ground: Ground,
        beginning: Beginning,
    ) -> Result<Member, NodeError> {
        let opened = open_history(config).await?;
        let (rows_sender, rows) = mpsc::channel(HISTORY_QUEUE);
        let stop_workers = CancellationToken::new();
        let (copies_sender, copies) = watch::channel(None);
        let history = opened.history;
        let feed = Feed { appender: opened.appender, history: history.clone(), turns: rows, copies };
        let mut workers = vec![task::spawn("history-feed", feed.run())];

        let founds = matches!(beginning.blank, Blank::Found(_));
        let options = raft_options(config, shared, beginning, (rows_sender, history.synced()));
        let raft = Raft::start(ground, options).await?;
        announce(shared, &raft, founds).await?;
        let copies = Copies::new(raft.clone(), history.clone(), shared.roster.clone(), shared.dialer.clone());
        copies_sender.send_replace(Some(copies.clone()));
        let founded = task::spawn("founded", tell_founded(raft.clone(), shared.formation.clone()));
        let tokens = watch_tokens(config, shared, raft.clone());
        let formats = watch_formats(shared, raft.clone());

        let (live, stop_agent) = (Live::default(), CancellationToken::new());
        let stop_streams = CancellationToken::new();
        let ways = (live.clone(), keep(copies.clone()));
        let deciding = decide(config, shared, &raft, ways, (&stop_workers, &stop_streams));
        workers.extend(deciding.workers);
        let agent = start_agent(config, Some(raft.identity().server)).await?;
        let servers = Servers::Known(shared.servers.clone());
        let tags = agent.tags.clone();
        let keeping = keep_agent(agent, shared.dialer.clone(), servers, stop_agent.clone());
        let agent = task::spawn("agent-stream", keeping);
        let leave = CancellationToken::new();
        let app = App::new(app::Rooms {
            raft: raft.clone(),
            history: history.clone(),
            live,
            copies: copies.clone(),
            roster: shared.roster.clone(),
            channels: Channels::new(shared.dialer.clone()),
            keep: shared.tokens.clone(),
            health: deciding.health,
            leave: leave.clone(),
        });
        Ok(Member {
            shared: shared.clone(),
            raft,
            history,
            history_threads: opened.threads,
            app,
            copies,
            copies_sender,
            leave,
            attendance: deciding.attendance,
            agent,
            tags,
            workers,
            founded,
            tokens,
            formats,
            stop_workers,
            stop_agent,
            stop_streams,
        })
    }

    /// What it offers to other nodes and to clients.
    pub(super) fn doors(&self, config: &Config) -> Doors {
        let app = self.app.clone();
        let calls = Routes::new(FormationServer::new(self.shared.formation.clone()))
            .add_service(grpc::keyring(self.shared.keyring.clone()))
            .add_service(self.raft.service())
            .add_service(AgentsServer::new(self.attendance.clone()))
            .add_service(self.copies.service())
            .add_service(LeaderServer::new(Peers { app: app.clone() }))
            .add_service(grpc::operator(app.clone()));
        let door = rest::Door {
            app,
            node: config.node_name.as_str().into(),
            tags: Arc::new(config.node_tags()),
            ui: config.ui,
            sealed: !self.shared.gossip.key_ids().is_empty(),
        };
        Doors { calls: calls.into_axum_router(), api: rest::router(door) }
    }

    /// Its cluster.
    pub(super) fn stamp(&self) -> Option<Stamp> {
        self.raft.identity().stamp
    }

    /// Takes over settings that have changed: the agent registers anew if its tags have.
    pub(super) fn take_over(&self, config: &Config) {
        let tags = config.node_tags();
        self.tags.send_if_modified(|shown| {
            let changed = *shown != tags;
            *shown = tags;
            changed
        });
    }

    /// Completes when a part of the member has ended by itself.
    pub(super) async fn broken(&mut self) -> NodeError {
        let mut leadership = self.raft.leader();
        tokio::select! {
            ended = &mut self.agent => match ended {
                Ok(Err(error)) => error.into(),
                _ => NodeError::Broken("the agent"),
            },
            _ = leadership.wait_for(|_| false) => NodeError::Broken("consensus"),
            _ = select_all(self.workers.iter_mut()) => NodeError::Broken("the leader, dispatch or the history's feed"),
        }
    }

    /// Cancelled when an operator has had this server leave its cluster.
    pub(super) fn leave(&self) -> CancellationToken {
        self.leave.clone()
    }

    /// Gives up the vote and the membership. What the others do not allow, or not in time, is not waited for:
    /// whoever stops this process does not wait either.
    pub(super) async fn resign(&self) {
        match tokio::time::timeout(RESIGN, self.app.resign()).await {
            Ok(Ok(())) => tracing::info!("this server is no member of its cluster any more"),
            Ok(Err(error)) => tracing::warn!(%error, "this server stops and keeps its vote"),
            Err(_) => tracing::warn!("this server stops before its vote is taken: the others take it"),
        }
    }

    /// The agent and the leader's loop: nothing more is decided or begun here.
    pub(super) async fn stop_work(&mut self) {
        self.stop_agent.cancel();
        if !self.agent.is_finished() {
            drop(part("the agent's farewell", DRAIN, &mut self.agent).await);
        }
        self.hand_over().await;
        self.stop_streams.cancel();
        self.raft.hang_up();
        self.stop_workers.cancel();
        self.founded.abort();
        self.tokens.abort();
        self.formats.iter().for_each(JoinHandle::abort);
    }

    /// A leader that goes hands over first, so that no tick waits for an election.
    async fn hand_over(&self) {
        if self.raft.leader().borrow().leading.is_none() {
            return;
        }
        let Some(heir) = self.raft.heir(&BTreeMap::new()) else { return };
        match part("the leadership to be taken over", DRAIN, self.raft.transfer_leader(heir)).await {
            Some(Ok(())) => tracing::info!(to = %heir, "the leadership is handed over"),
            Some(Err(error)) => tracing::warn!(%error, "the leadership could not be handed over"),
            None => {}
        }
    }

    /// Consensus, and what hangs on it.
    pub(super) async fn stop(self) {
        drop(self.shared);
        let ended =
            part("consensus to end and the log to be closed", CONSENSUS_END, self.raft.shutdown()).await;
        if let Some(Err(error)) = ended {
            tracing::warn!(error = &error as &dyn std::error::Error, "consensus did not stop cleanly");
        }
        // The history ends when nobody holds it any more.
        self.copies_sender.send_replace(None);
        drop((self.app, self.raft, self.attendance, self.history, self.copies, self.copies_sender));
        for worker in self.workers.into_iter().filter(|worker| !worker.is_finished()) {
            drop(part("the leader, dispatch or the history's feed", DRAIN, worker).await);
        }
        let threads = self.history_threads;
        let joined = task::blocking("close history", move || threads.join());
        drop(part("the history to be closed", DRAIN, joined).await);
    }
}

/// Tells what is open, and notes on the disk when tokens are asked for.
fn watch_tokens(config: &Config, shared: &Shared, raft: Raft<Ledger>) -> JoinHandle<()> {
    let exposure = open::Exposure::new(config, !shared.gossip.key_ids().is_empty());
    task::spawn("tokens", exposure.watch(raft, shared.tokens.clone()))
}

/// What decides and dispatches while this server leads, and watches while another does.
struct Deciding {
    attendance: Attendance,
    health: watch::Receiver<Option<Arc<Health>>>,
    workers: Vec<JoinHandle<()>>,
}

fn decide(
    config: &Config,
    shared: &Shared,
    raft: &Raft<Ledger>,
    (live, keep): (Live, Keep),
    (stop, stop_streams): (&CancellationToken, &CancellationToken),
) -> Deciding {
    let (orders_sender, orders) = mpsc::channel(ORDER_QUEUE);
    let (contacts_sender, contacts) = mpsc::channel(CONTACT_QUEUE);
    let attendance = Attendance::new(dispatch::Rooms {
        raft: raft.clone(),
        live,
        keep,
        contacts: contacts_sender,
        servers: shared.servers.clone(),
        stop: stop_streams.clone(),
    });
    let dispatch = Dispatch::new(&attendance, orders);
    let leader = Leader { raft: raft.clone(), orders: orders_sender, contacts };
    let (health_sender, health) = watch::channel(None);
    let members = Members {
        raft: raft.clone(),
        roster: shared.roster.clone(),
        region: config.region.as_str().into(),
        settings: membership(config),
        health: health_sender,
    };
    let workers = vec![
        task::spawn("members", members.run(stop.clone())),
        task::spawn("leader", leader.run(stop.clone())),
        task::spawn("clocks", watch_clocks(raft.clone(), stop.clone())),
        task::spawn("dispatch", dispatch.run(stop.clone())),
    ];
    Deciding { attendance, health, workers }
}

async fn open_history(config: &Config) -> Result<history::Opened, NodeError> {
    let settings = history::Settings::new(config.data_dir.join("history"));
    let opened = task::blocking("open history", move || history::open(settings)).await;
    Ok(opened.map_err(|_| NodeError::Broken("opening the history"))??)
}

/// Long outputs go to the histories of a quorum.
fn keep(copies: Copies) -> Keep {
    Arc::new(move |id, bytes, cut| {
        let copies = copies.clone();
        Box::pin(async move { copies.keep(id, bytes, cut).await.map_err(KeepError::from) })
    })
}

/// Consensus, and where its rows go.
fn raft_options(
    config: &Config,
    shared: &Shared,
    beginning: Beginning,
    (history, history_synced): (mpsc::Sender<raft::Turn<HistoryRow>>, watch::Receiver<u64>),
) -> raft::Options<Ledger> {
    raft::Options {
        blank: beginning.blank,
        founder: beginning.founder,
        addresses: shared.addresses.clone(),
        dialer: shared.dialer.clone(),
        multiplier: config.raft_multiplier,
        snapshots: SnapshotRule { entries: config.raft_snapshot_entries.into(), ..SnapshotRule::default() },
        clock: Arc::new(|| clock::guarded().time),
        history,
        history_synced,
    }
}

fn membership(config: &Config) -> voters::Settings {
    let defaults = voters::Settings::default();
    let threshold = config.membership.dead_server_threshold;
    voters::Settings {
        clean_up: threshold.is_some(),
        min_quorum: config.membership.min_quorum as usize,
        dead_after: threshold.map_or(defaults.dead_after, |threshold| {
            Span::from_nanos(i64::try_from(threshold.as_nanos()).unwrap_or(i64::MAX))
        }),
        ..defaults
    }
}

/// From now on other servers see whose this one is.
async fn announce(shared: &Shared, raft: &Raft<Ledger>, founds: bool) -> Result<(), NodeError> {
    if founds {
        shared.formation.initialised();
    }
    let stamp = raft.identity().stamp;
    Ok(shared.gossip.announce(move |own| own.stamp = stamp).await?)
}

/// Tells which log format is in force, and if it is one that this server does not read.
fn watch_formats(shared: &Shared, raft: Raft<Ledger>) -> [JoinHandle<()>; 2] {
    let told = task::spawn("format", tell_format(raft, shared.gossip.clone()));
    [told, task::spawn("format-gap", fence::tell_gap(shared.roster.clone()))]
}

/// Tells the other servers which log format is in force.
async fn tell_format(raft: Raft<Ledger>, gossip: Gossip) {
    let mut marks = raft.advanced();
    let mut told = 0;
    loop {
        let format = marks.borrow_and_update().format();
        if format != told && gossip.announce(move |own| own.format = format).await.is_ok() {
            told = format;
        }
        if marks.changed().await.is_err() {
            return;
        }
    }
}

/// Tells formation once the state is that of a founded cluster.
async fn tell_founded(raft: Raft<Ledger>, formation: Formation) {
    let Some(stamp) = raft.identity().stamp else { return };
    let mut marks = raft.advanced();
    loop {
        match raft.look(|ledger, _| Ledger::is_founded(&ledger.state)).await {
            Ok(true) => return formation.founded(stamp),
            Ok(false) => {}
            Err(_) => return,
        }
        if marks.changed().await.is_err() {
            return;
        }
    }
}
