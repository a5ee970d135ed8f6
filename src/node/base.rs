//! What a server has from its first moment on: its doors, its gossip, its way into a cluster.

use super::gate::gate;
use super::stop::part;
use super::{DRAIN, NodeError, fence};
use crate::api::{grpc, rest};
use crate::app::access::Keep;
use crate::app::keyring::Keyring;
use crate::app::waiting::Waiting;
use crate::config::{Config, HostPort, JoinEntry};
use crate::formation::{self, Entry, Formation};
use crate::gossip::{self, Gossip};
use crate::net::trust::{self, ApiTrust, Role, Trust};
use crate::net::{self, Channels, Dialer, Door, Incoming};
use crate::raft::{self, Blank, Founder, Ground, Peer};
use crate::task::{self, CancellationToken};
use axum::Router;
use dkron_core::bootstrap::{Own, Promise, Stage};
use dkron_core::command::Founding;
use dkron_core::delivery::ServerAddress;
use dkron_core::format::Formats;
use dkron_core::ids::{ClusterId, Incarnation, NodeId, Stamp};
use dkron_core::roster::{Announcement, Roster};
use dkron_core::schedule;
use dkron_core::voters::log_format;
use dkron_wire::formation::service::FormationServer;
use futures::future::select_all;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tonic::service::Routes;

/// Entries that wait for the node: there is never more than one to carry out.
const ENTRIES: usize = 4;

/// What is behind the doors of a server.
pub(super) struct Doors {
    /// What other nodes call.
    pub(super) calls: Router,
    /// What clients call.
    pub(super) api: Router,
}

/// What a member is built on.
#[derive(Clone)]
pub(super) struct Shared {
    /// The servers that are seen.
    pub(super) roster: watch::Receiver<Arc<Roster>>,
    /// Where they take calls.
    pub(super) addresses: raft::Addresses,
    /// Who answers the servers that want to form a cluster.
    pub(super) formation: Formation,
    /// What this server says of itself.
    pub(super) gossip: Gossip,
    /// How other nodes are dialled.
    pub(super) dialer: Dialer,
    /// The keys that encrypt it.
    pub(super) keyring: Keyring,
    /// What the disk says of tokens.
    pub(super) tokens: Keep,
    /// The servers that agents are to attend.
    pub(super) servers: watch::Receiver<Arc<[ServerAddress]>>,
}

/// A server that listens and gossips.
pub(super) struct Base {
    shared: Shared,
    calls_at: SocketAddr,
    http: SocketAddr,
    calls: watch::Sender<Router>,
    api: watch::Sender<Router>,
    secured: bool,
    seeds: watch::Sender<Arc<[String]>>,
    servers: Vec<JoinHandle<()>>,
    watchers: Vec<JoinHandle<()>>,
    stop: CancellationToken,
}

/// Its way into a cluster.
pub(super) struct Forming {
    acting: JoinHandle<Result<(), raft::Error>>,
    entries: mpsc::Receiver<Entry>,
    config_founder: Founder,
    roster: watch::Receiver<Arc<Roster>>,
}

/// How a log that is empty begins, and what its cluster is founded with.
pub(super) struct Beginning {
    pub(super) blank: Blank,
    pub(super) founder: Founder,
}

impl Base {
    pub(super) async fn start(config: &Config) -> Result<(Base, Forming, Ground), NodeError> {
        let calls_at = SocketAddr::new(config.bind.ip(), config.rpc_port);
        let calls_listener = net::listen(calls_at, "calls between nodes").await?;
        let hello_listener = net::listen(config.bind, "nodes that join").await?;
        let http_listener = net::listen(config.http, "the API").await?;
        let (calls_at, http) = (local(&calls_listener, calls_at), local(&http_listener, config.http));

        let between = trust_between(config, Role::Server)?;
        let api_trust = config.http_tls.as_ref().map(ApiTrust::load).transpose().map_err(net::Error::from)?;
        let dialer = Dialer::new(between.clone());
        let mut ground = raft::open(&config.data_dir, None).await?;
        ground.know_only(config.formats());
        let stop = CancellationToken::new();
        let (seeds, known_seeds) = watch::channel(seeds(config)?);
        let gossip = gossip::start(gossip_options(config, &ground, known_seeds)?).await?;
        gossip.settled().await?;
        if between.is_some() && gossip.key_ids().is_empty() {
            return Err(NodeError::OpenGossip);
        }
        let roster = gossip.roster();
        let (formation, acting, entries) = start_formation(config, &ground, roster.clone(), &dialer);

        let keyring = Keyring::new(gossip.clone(), dialer.clone());
        let tokens = Keep::new(config.data_dir.clone());
        let guarded = between.is_some() || tokens.is_closed();
        let secured = between.is_some();
        let waiting_routes =
            Routes::from(formation_routes(&formation)).add_service(grpc::keyring(keyring.clone()));
        let (calls, calls_now) =
            watch::channel(gate(waiting_routes.into_axum_router(), secured, tokens.clone()));
        let waiting = Waiting::new(formation.status(), roster.clone());
        let (api, api_now) = watch::channel(rest::waiting_router(waiting, guarded));
        let hello = Routes::from(gate(formation_routes(&formation), secured, tokens.clone()));
        let nodes = || Door::nodes(between.clone());
        let servers = vec![
            task::spawn(
                "calls",
                serve(
                    Incoming::new(calls_listener, nodes()),
                    Routes::from(net::switch(calls_now)),
                    stop.clone(),
                ),
            ),
            task::spawn("hello", serve(Incoming::new(hello_listener, nodes()), hello, stop.clone())),
            task::spawn(
                "api",
                serve_api(
                    Incoming::new(http_listener, Door::api(api_trust.clone())),
                    net::switch(api_now),
                    stop.clone(),
                ),
            ),
        ];
        let (addresses_sender, addresses) = watch::channel(Arc::default());
        let (servers_sender, known) = watch::channel(Arc::from([]));
        let listing = List {
            region: config.region.as_str().into(),
            addresses: addresses_sender,
            servers: servers_sender,
        };
        let mut watchers = vec![task::spawn("addresses", listing.keep(roster.clone()))];
        watchers
            .push(task::spawn("certificates", trust::follow(between, api_trust, CancellationToken::new())));
        let shared = Shared { roster, addresses, formation, gossip, dialer, keyring, tokens, servers: known };
        let roster = shared.roster.clone();
        let forming = Forming { acting, entries, config_founder: founder(config), roster };
        let base = Base { shared, calls_at, http, calls, api, secured, seeds, servers, watchers, stop };
        Ok((base, forming, ground))
    }

    pub(super) fn shared(&self) -> Shared {
        self.shared.clone()
    }

    /// Opens what a member offers.
    pub(super) fn open(&self, doors: Doors) {
        drop(self.calls.send_replace(gate(doors.calls, self.secured, self.shared.tokens.clone())));
        drop(self.api.send_replace(doors.api));
    }

    /// Takes over settings that have changed.
    pub(super) async fn take_over(&self, config: &Config) {
        match seeds(config) {
            Ok(seeds) => publish(&self.seeds, seeds),
            Err(error) => tracing::error!(%error, "the addresses to join stay as they were"),
        }
        let tags = config.node_tags();
        if let Err(error) = self.shared.gossip.announce(move |own| own.tags = tags).await {
            tracing::error!(%error, "the tags in gossip stay as they were");
        }
    }

    pub(super) fn tell_addresses(&self, config: &Config) {
        tracing::info!(
            node = config.node_name,
            api = %self.http,
            calls = %self.calls_at,
            gossip = %config.bind,
            data = %config.data_dir.display(),
            "ready"
        );
    }

    /// Completes when something that must run has ended by itself.
    pub(super) async fn broken(&mut self, forming: &mut Forming) -> NodeError {
        tokio::select! {
            _ = select_all(self.servers.iter_mut()) => NodeError::Broken("a server of calls or of the API"),
            _ = select_all(self.watchers.iter_mut()) => NodeError::Broken("gossip"),
            error = forming.ended() => error,
            error = fence::doubled(&self.shared.gossip) => error,
        }
    }

    /// Takes no new calls; those that run have a while.
    pub(super) async fn close_doors(&mut self) {
        self.stop.cancel();
        for server in self.servers.drain(..).filter(|server| !server.is_finished()) {
            drop(part("calls that are still open", DRAIN, server).await);
        }
        // What is behind the doors holds rooms, which are to end.
        drop(self.calls.send_replace(Router::new()));
        drop(self.api.send_replace(Router::new()));
    }

    /// Says farewell to the other servers.
    pub(super) async fn leave(&self) {
        let left = part("the farewell to the other servers", DRAIN, self.shared.gossip.leave()).await;
        if let Some(Err(error)) = left {
            tracing::warn!(%error, "the other servers could not be told that this one goes");
        }
    }

    pub(super) async fn stop(self) {
        self.watchers.iter().for_each(JoinHandle::abort);
        part("the end of gossip", DRAIN, self.shared.gossip.stop()).await;
    }
}

impl Forming {
    /// Waits until this server belongs to a cluster, by its disk; how its log begins.
    pub(super) async fn entry(&mut self, mut ground: Ground) -> Result<(Ground, Beginning), NodeError> {
        let founder = self.config_founder.clone();
        if let Some(stamp) = ground.identity().stamp {
            let promised = ground.promise().filter(|promise| promise.stamp() == stamp && !promise.withdrawn);
            let beginning =
                promised.map_or(Beginning { blank: Blank::Wait, founder }, |promise| self.found(promise));
            return Ok((ground, beginning));
        }
        let entry = tokio::select! {
            entry = self.entries.recv() => entry.ok_or(NodeError::Broken("formation"))?,
            error = ended(&mut self.acting) => return Err(error),
        };
        match entry {
            Entry::Found(promise) => {
                ground.adopt(promise.stamp()).await?;
                Ok((ground, self.found(&promise)))
            }
            Entry::Join(stamp) => {
                ground.adopt(stamp).await?;
                Ok((ground, Beginning { blank: Blank::Wait, founder }))
            }
            Entry::SetAside(cluster) => Err(NodeError::DeadCluster(cluster)),
        }
    }

    /// The first membership names no one: names and addresses are gossip's, and every server of the set writes the
    /// same first entry. The log begins in the format that all of the set read, as far as they are seen.
    fn found(&self, promise: &Promise) -> Beginning {
        let members: BTreeMap<NodeId, Peer> = promise.set.iter().map(|id| (*id, Peer::default())).collect();
        let roster = self.roster.borrow();
        let format = log_format(Formats::FIRST, promise.set.iter().map(|id| roster.server(*id)));
        let founder = Founder {
            default_zone: promise.founder.default_zone.clone(),
            zone_data: promise.founder.zone_data.clone(),
            format,
        };
        Beginning { blank: Blank::Found(members), founder }
    }

    /// Completes when formation has ended by itself, or says that it cannot go on.
    async fn ended(&mut self) -> NodeError {
        loop {
            tokio::select! {
                error = ended(&mut self.acting) => return error,
                entry = self.entries.recv() => match entry {
                    Some(Entry::SetAside(cluster)) => return NodeError::DeadCluster(cluster),
                    // It is done already: the log was there before the word came.
                    Some(_) => {}
                    None => return NodeError::Broken("formation"),
                },
            }
        }
    }
}

impl Drop for Forming {
    fn drop(&mut self) {
        self.acting.abort();
    }
}

async fn ended(acting: &mut JoinHandle<Result<(), raft::Error>>) -> NodeError {
    match acting.await {
        Ok(Err(error)) => error.into(),
        _ => NodeError::Broken("formation"),
    }
}

fn founder(config: &Config) -> Founder {
    Founder {
        default_zone: config.default_zone.as_str().into(),
        zone_data: schedule::zone_data_version().into(),
        format: Formats::FIRST,
    }
}

/// Whom this node trusts, if the settings say so.
pub(super) fn trust_between(config: &Config, role: Role) -> Result<Option<Trust>, NodeError> {
    let load = |files| Trust::load(files, &config.region, role);
    Ok(config.tls.as_ref().map(load).transpose().map_err(net::Error::from)?)
}

fn local(listener: &TcpListener, asked: SocketAddr) -> SocketAddr {
    listener.local_addr().unwrap_or(asked)
}

fn formation_routes(formation: &Formation) -> Router {
    Routes::new(FormationServer::new(formation.clone())).into_axum_router()
}

fn start_formation(
    config: &Config,
    ground: &Ground,
    roster: watch::Receiver<Arc<Roster>>,
    dialer: &Dialer,
) -> (Formation, JoinHandle<Result<(), raft::Error>>, mpsc::Receiver<Entry>) {
    let identity = ground.identity();
    let formation = Formation::new(formation::Options {
        own: Own {
            id: identity.server,
            expect: config.bootstrap_expect,
            region: config.region.as_str().into(),
            has_seeds: !config.join.once.is_empty() || !config.join.retry.is_empty(),
            formats: config.formats(),
        },
        stage: identity.stamp.map_or(Stage::Empty, Stage::Initialised),
        promise: ground.promise().cloned(),
        forsworn: ground.forsworn().clone(),
        promises: ground.promises(),
        roster,
        channels: Channels::new(dialer.clone()),
    });
    let (entries_sender, entries) = mpsc::channel(ENTRIES);
    let founder = founder(config);
    let draft = move || Founding {
        cluster: ClusterId(fresh()),
        incarnation: Incarnation(1),
        default_zone: founder.default_zone.clone(),
        zone_data: founder.zone_data.clone(),
    };
    let acting = task::spawn("formation", formation.clone().run(draft, entries_sender));
    (formation, acting, entries)
}

/// A random number; the boot clock, which no two servers share to the nanosecond, where the system has none.
fn fresh() -> u128 {
    let mut bytes = [0; 16];
    match getrandom::fill(&mut bytes) {
        Ok(()) => u128::from_be_bytes(bytes),
        Err(_) => crate::clock::boot().nanos() as u128,
    }
}

fn gossip_options(
    config: &Config,
    ground: &Ground,
    seeds: watch::Receiver<Arc<[String]>>,
) -> Result<gossip::Options, NodeError> {
    let keys =
        config.gossip.keys.iter().map(|key| gossip::Key::new(key.bytes())).collect::<Result<_, _>>()?;
    Ok(gossip::Options {
        own: announcement(config, ground.identity().server, ground.identity().stamp),
        bind: config.bind,
        advertise: config.advertise.to_string(),
        keys,
        keyring: Some(config.data_dir.join("keyring")),
        profile: match config.gossip.profile {
            crate::config::Profile::Lan => gossip::Profile::Lan,
            crate::config::Profile::Wan => gossip::Profile::Wan,
            crate::config::Profile::Local => gossip::Profile::Local,
        },
        reap: config.gossip.reconnect_timeout,
        seeds,
        cancel: CancellationToken::new(),
    })
}

pub(super) fn seeds(config: &Config) -> Result<Arc<[String]>, NodeError> {
    let seed = |entry: &JoinEntry| match entry {
        JoinEntry::Address(address) => Ok(address.to_string()),
        JoinEntry::Provider(_) => Err(NodeError::Unsupported(
            "join: this version has no discovery providers, allowed are addresses",
        )),
    };
    config.join.once.iter().chain(&config.join.retry).map(seed).collect()
}

fn announcement(config: &Config, id: NodeId, stamp: Option<Stamp>) -> Announcement {
    let at = |port: u16| HostPort { host: config.advertise.host.clone(), port }.to_string().into();
    Announcement {
        id,
        name: config.node_name.as_str().into(),
        process: fresh() as u64,
        stamp,
        expect: config.bootstrap_expect,
        region: config.region.as_str().into(),
        datacenter: config.datacenter.as_str().into(),
        version: env!("CARGO_PKG_VERSION").into(),
        formats: config.formats(),
        format: 0,
        gossip: Arc::default(),
        calls: at(config.advertise_rpc_port),
        api: at(config.http.port()),
        tags: config.node_tags(),
    }
}

/// What others need of the roster.
struct List {
    region: Arc<str>,
    addresses: watch::Sender<Arc<BTreeMap<NodeId, Arc<str>>>>,
    servers: watch::Sender<Arc<[ServerAddress]>>,
}

impl List {
    async fn keep(self, mut roster: watch::Receiver<Arc<Roster>>) {
        loop {
            let now = roster.borrow_and_update().clone();
            publish(&self.addresses, addresses(&now));
            publish(&self.servers, self.servers(&now));
            if roster.changed().await.is_err() {
                return;
            }
        }
    }

    /// The servers of this region that live.
    fn servers(&self, roster: &Roster) -> Arc<[ServerAddress]> {
        let near = roster.alive().filter(|server| server.region == self.region);
        near.map(|server| ServerAddress { id: server.id, address: server.calls.clone() }).collect()
    }
}

/// Where each server takes calls, whether it lives or not: a dial is what finds out.
fn addresses(roster: &Roster) -> Arc<BTreeMap<NodeId, Arc<str>>> {
    let all = roster.servers.iter().map(|(id, sighting)| (*id, sighting.server.calls.clone()));
    Arc::new(all.collect())
}

fn publish<T: PartialEq>(shown: &watch::Sender<T>, now: T) {
    shown.send_if_modified(|shown| {
        let changed = *shown != now;
        *shown = now;
        changed
    });
}

async fn serve(incoming: Incoming, routes: Routes, stop: CancellationToken) {
    let served = net::server()
        .add_routes(routes)
        .serve_with_incoming_shutdown(incoming.into_stream(), stop.cancelled());
    if let Err(error) = served.await {
        tracing::error!(error = &error as &dyn std::error::Error, "calls between nodes are served no more");
    }
}

async fn serve_api(incoming: Incoming, router: Router, stop: CancellationToken) {
    let served = axum::serve(incoming, router).with_graceful_shutdown(stop.cancelled_owned());
    if let Err(error) = served.await {
        tracing::error!(%error, "the API is served no more");
    }
}
