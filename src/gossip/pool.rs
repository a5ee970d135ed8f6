//! The task that owns the gossip library: tells it what this server says, reads from it what others say, and
//! starts it anew when it ends or has to forget.

use super::Announce;
use super::entries::{self, ABOUT, STATE, State};
use super::error::Error;
use super::profile::Profile;
use super::sealed::{Door, Link, Shared};
use super::seeds::Addresses;
use super::sightings::{Heard, Sightings, Times};
use super::standing::{self, Standing};
use crate::clock;
use crate::task::CancellationToken;
use chitchat::{ChitchatConfig, ChitchatHandle, ChitchatId, NodeState, spawn_chitchat};
use dkron_core::ids::NodeId;
use dkron_core::roster::{Announcement, Liveness, Roster};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, Interval, MissedTickBehavior};

/// The library's own name for a pool; clusters are told apart below it.
const POOL: &str = "dkron";
/// Seeds that are called in one round while nobody is known.
const CALLS_MAX: usize = 8;
/// Between two calls to a server that is not known to live, while others are.
const CALL_EVERY: Duration = Duration::from_secs(1);
/// Rounds in which a leaving server says so.
const FAREWELLS: usize = 3;
/// Own starts that are remembered, so that news of them are not taken for a double's.
const STARTS_MAX: usize = 64;
/// How long tombstones stay; no key is ever deleted, so that nothing depends on it.
const TOMBSTONES: Duration = Duration::from_secs(3_600);

/// What the handle asks for.
pub(super) enum Command {
    Announce(Announce, oneshot::Sender<Result<(), Error>>),
    Leave(oneshot::Sender<()>),
}

/// What the task is started with.
pub(super) struct Setup {
    pub(super) own: Announcement,
    pub(super) address: SocketAddr,
    pub(super) profile: Profile,
    pub(super) reap: Duration,
    pub(super) shared: Arc<Shared>,
    pub(super) link: Arc<Link>,
    pub(super) addresses: watch::Receiver<Addresses>,
}

type Read = (u64, Option<(State, Arc<Announcement>)>);

pub(super) struct Pool {
    own: Arc<Announcement>,
    state: State,
    address: SocketAddr,
    profile: Profile,
    door: Door,
    chitchat: ChitchatHandle,
    /// The number of this start, and of earlier ones of this process.
    generation: u64,
    starts: BTreeSet<u64>,
    sightings: Sightings,
    /// What was read of each process, by the version of its values.
    read: BTreeMap<ChitchatId, Read>,
    addresses: watch::Receiver<Addresses>,
    next_call: usize,
    called: Option<Instant>,
    started: Instant,
    /// Whether a datagram had come by the last round, and what that means.
    has_taken: bool,
    met: bool,
    roster: watch::Sender<Arc<Roster>>,
    standing: watch::Sender<Standing>,
}

impl Pool {
    pub(super) async fn start(setup: Setup) -> Result<Pool, Error> {
        let about = entries::about(&setup.own)?;
        let Setup { own, address, profile, reap, shared, link, addresses } = setup;
        let silence = profile.silence();
        let times = Times { silence, stale: profile.stale(), certain: profile.certain(), reap };
        let generation = first_generation();
        let door = Door { shared, link };
        let id = ChitchatId::new(entries::node_text(own.id), generation, address);
        let now = clock::runtime();
        // Before the first datagram comes in: who stands for no cluster yet would listen to any.
        door.shared.allegiance().refresh(&own, [].into_iter(), now);
        let chitchat = open(&door, profile, id, about, State::Starting).await?;
        let (sightings, own) = (Sightings::new(own.id, times), Arc::new(own));
        let roster = sightings.roster(&own, State::Starting);
        Ok(Pool {
            state: State::Starting,
            starts: [generation].into(),
            read: BTreeMap::new(),
            next_call: 0,
            called: None,
            started: now,
            has_taken: false,
            met: false,
            roster: watch::channel(Arc::new(roster)).0,
            standing: watch::channel(Standing::Unknown).0,
            own,
            address,
            profile,
            door,
            chitchat,
            generation,
            sightings,
            addresses,
        })
    }

    pub(super) fn roster(&self) -> watch::Receiver<Arc<Roster>> {
        self.roster.subscribe()
    }

    pub(super) fn standing(&self) -> watch::Receiver<Standing> {
        self.standing.subscribe()
    }

    /// Goes on until it is cancelled.
    pub(super) async fn run(mut self, mut commands: mpsc::Receiver<Command>, cancel: CancellationToken) {
        let mut ticks = tokio::time::interval(self.profile.interval());
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut live, mut ended) = (self.live().await, Box::pin(self.chitchat.termination_watcher()));
        let shared = self.door.shared.clone();
        loop {
            tokio::select! {
                () = cancel.cancelled() => break,
                command = commands.recv() => match command {
                    None => break,
                    Some(Command::Announce(change, answer)) => {
                        let _ = answer.send(self.announce(change).await);
                    }
                    Some(Command::Leave(answer)) => {
                        self.leave(&mut ticks, &cancel).await;
                        let _ = answer.send(());
                    }
                },
                result = &mut ended => {
                    tracing::error!(?result, "the gossip library ended; it is started anew");
                    ticks.tick().await;
                    self.restart().await;
                    (live, ended) = (self.live().await, Box::pin(self.chitchat.termination_watcher()));
                }
                () = shared.afresh.notified() => {
                    self.start_afresh().await;
                    (live, ended) = (self.live().await, Box::pin(self.chitchat.termination_watcher()));
                }
                _ = live.changed() => self.observe(clock::runtime()).await,
                changed = self.addresses.changed(), if self.addresses.has_changed().is_ok() => {
                    if changed.is_ok() {
                        self.call(clock::runtime());
                    }
                }
                now = ticks.tick() => self.round(now).await,
            }
        }
        if let Err(error) = self.chitchat.shutdown().await {
            tracing::debug!(%error, "the gossip library did not end well");
        }
    }

    async fn live(&self) -> watch::Receiver<BTreeMap<ChitchatId, NodeState>> {
        self.chitchat.with_chitchat(|chitchat| chitchat.live_nodes_watcher()).await
    }

    async fn round(&mut self, now: Instant) {
        self.observe(now).await;
        self.call(now);
        let is_alone =
            self.addresses.borrow().as_ref().is_some_and(|all| all.iter().all(|at| *at == self.address));
        let has_waited = now.saturating_duration_since(self.started) >= self.profile.certain();
        // A round after the first datagram, the library has taken it in.
        self.met = self.met || is_alone || has_waited || self.has_taken;
        self.has_taken = self.door.shared.counts.taken() > 0;
    }

    /// Reads what the library knows, and publishes what has changed.
    async fn observe(&mut self, now: Instant) {
        let heard = self.hear().await;
        self.sightings.observe(&heard, now);
        let living = self.sightings.living();
        if self.door.shared.allegiance().refresh(&self.own, living, now) {
            self.door.shared.afresh.notify_one();
        }
        self.judge(&heard, now).await;
        self.publish();
    }

    fn publish(&self) {
        let roster = self.sightings.roster(&self.own, self.state);
        self.roster.send_if_modified(|known| {
            let changed = **known != roster;
            if changed {
                *known = Arc::new(roster);
            }
            changed
        });
    }

    async fn hear(&mut self) -> Vec<Heard> {
        let chitchat = self.chitchat.chitchat();
        let chitchat = chitchat.lock().await;
        let live: BTreeSet<&ChitchatId> = chitchat.live_nodes().collect();
        self.read.retain(|id, _| chitchat.node_state(id).is_some());
        let mut heard = Vec::new();
        for (id, state) in chitchat.node_states() {
            let Some(node) = entries::read_node(&id.node_id) else { continue };
            if id.gossip_advertise_addr == self.address && self.starts.contains(&id.generation_id) {
                continue;
            }
            let Some((said, about)) = read(&mut self.read, node, state) else { continue };
            heard.push(Heard {
                id: node,
                generation: id.generation_id,
                address: id.gossip_advertise_addr,
                heartbeat: state.heartbeat().into(),
                live: live.contains(id),
                state: said,
                about,
            });
        }
        heard
    }

    /// Whether this process may be the one of its id.
    async fn judge(&mut self, heard: &[Heard], now: Instant) {
        let mine = (self.state, self.generation, self.own.process);
        let twins = self.sightings.twins(heard, self.own.process);
        let before = self.standing.borrow().clone();
        let times = self.sightings.times();
        let judged = standing::judge(mine, &twins, (&before, self.met), times, now);
        if judged == before {
            return;
        }
        if let Standing::Second(other) = &judged {
            let (name, address) = (&*other.name, &*other.gossip);
            tracing::error!(id = %self.own.id, name, address, "another living server has the id of this one");
        }
        if judged == Standing::Sole && self.state == State::Starting {
            self.state = State::Settled;
            self.say(STATE, self.state.text()).await;
        }
        self.standing.send_replace(judged);
    }

    async fn say(&self, key: &str, value: &str) {
        self.chitchat.with_chitchat(|chitchat| chitchat.self_node_state().set(key, value)).await;
    }

    async fn announce(&mut self, change: Announce) -> Result<(), Error> {
        let mut changed = Announcement::clone(&self.own);
        change(&mut changed);
        let own = &self.own;
        (changed.id, changed.process) = (own.id, own.process);
        (changed.region, changed.gossip) = (own.region.clone(), own.gossip.clone());
        let about = entries::about(&changed)?;
        self.own = Arc::new(changed);
        let now = clock::runtime();
        if self.door.shared.allegiance().refresh(&self.own, self.sightings.living(), now) {
            self.door.shared.afresh.notify_one();
        }
        self.say(ABOUT, &about).await;
        self.publish();
        Ok(())
    }

    /// Tells the others that this server goes, until it is likely that they all have heard.
    async fn leave(&mut self, ticks: &mut Interval, cancel: &CancellationToken) {
        self.state = State::Left;
        self.say(STATE, self.state.text()).await;
        self.publish();
        for _ in 0..FAREWELLS {
            let others: Vec<SocketAddr> = self.sightings.addresses(Liveness::Alive).collect();
            if others.is_empty() {
                return;
            }
            others.into_iter().for_each(|address| self.gossip_with(address));
            tokio::select! {
                () = cancel.cancelled() => return,
                _ = ticks.tick() => {}
            }
        }
    }

    /// Calls seeds and lost servers that are not known to live. The library itself calls the living.
    fn call(&mut self, now: Instant) {
        let living: BTreeSet<SocketAddr> = self.sightings.addresses(Liveness::Alive).collect();
        let is_early = self.called.is_some_and(|at| now.saturating_duration_since(at) < CALL_EVERY);
        if !living.is_empty() && is_early {
            return;
        }
        let seeds = self.addresses.borrow().clone().unwrap_or_default();
        let lost = self.sightings.addresses(Liveness::Failed);
        let targets: BTreeSet<SocketAddr> = seeds.iter().copied().chain(lost).collect();
        let is_target = |at: &&SocketAddr| **at != self.address && !living.contains(*at);
        let targets: Vec<SocketAddr> = targets.iter().filter(is_target).copied().collect();
        let calls = if living.is_empty() { targets.len().min(CALLS_MAX) } else { targets.len().min(1) };
        for _ in 0..calls {
            self.next_call = (self.next_call + 1) % targets.len();
            self.gossip_with(targets[self.next_call]);
        }
        self.called = Some(now);
    }

    fn gossip_with(&self, address: SocketAddr) {
        if let Err(error) = self.chitchat.gossip(address) {
            tracing::debug!(%error, "the gossip library has ended");
        }
    }

    /// Forgets everything: what is known is of another cluster.
    async fn start_afresh(&mut self) {
        tracing::warn!("gossip meets another cluster than before and starts afresh");
        self.sightings.forget_all();
        self.restart().await;
        self.publish();
    }

    /// A new start of the library, which to the others is a new start of this server.
    async fn restart(&mut self) {
        self.generation = first_generation().max(self.generation + 1);
        self.starts.insert(self.generation);
        while self.starts.len() > STARTS_MAX {
            self.starts.pop_first();
        }
        self.read.clear();
        let id = ChitchatId::new(entries::node_text(self.own.id), self.generation, self.address);
        // It was checked when it was announced.
        let about = entries::about(&self.own).unwrap_or_default();
        match open(&self.door, self.profile, id, about, self.state).await {
            Err(error) => tracing::error!(%error, "gossip cannot be started anew"),
            Ok(chitchat) => {
                let old = std::mem::replace(&mut self.chitchat, chitchat);
                if let Err(error) = old.shutdown().await {
                    tracing::debug!(%error, "the gossip library did not end well");
                }
            }
        }
    }
}

/// What a process says; read anew only if it has changed.
fn read(
    known: &mut BTreeMap<ChitchatId, Read>,
    id: NodeId,
    state: &NodeState,
) -> Option<(State, Arc<Announcement>)> {
    let version = state.max_version();
    if let Some((_, said)) = known.get(state.chitchat_id()).filter(|(known, _)| *known == version) {
        return said.clone();
    }
    let about = state.get(ABOUT).and_then(|text| entries::read_about(id, text));
    let said = about.map(|about| (State::read(state.get(STATE)), about));
    known.insert(state.chitchat_id().clone(), (version, said.clone()));
    said
}

/// Grows from start to start, unless the clock was set back; nothing but tie-breaks depends on that.
fn first_generation() -> u64 {
    u64::try_from(clock::wall().nanos() / 1_000_000).unwrap_or(0)
}

async fn open(
    door: &Door,
    profile: Profile,
    id: ChitchatId,
    about: String,
    state: State,
) -> Result<ChitchatHandle, Error> {
    let config = ChitchatConfig {
        listen_addr: id.gossip_advertise_addr,
        chitchat_id: id,
        cluster_id: POOL.to_owned(),
        gossip_interval: profile.interval(),
        seed_nodes: Vec::new(),
        failure_detector_config: profile.detector(),
        marked_for_deletion_grace_period: TOMBSTONES,
        catchup_callback: None,
        extra_liveness_predicate: None,
    };
    let entries = vec![(STATE.to_owned(), state.text().to_owned()), (ABOUT.to_owned(), about)];
    let opened = spawn_chitchat(config, entries, door).await;
    opened.map_err(|error| Error::Library(format!("{error:#}")))
}
