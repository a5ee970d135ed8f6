//! A node from its start to its end: builds the rooms in order, joins them, stops them in reverse.
//!
//! - Does: opens the doors, gossips, waits for a cluster, becomes a member of it, runs until it is told to stop.
//! - Owns: the order. Every task is started here or below, and awaited here.
//! - Never: does the work of a room.
//! - Fails: at the start with the reason; later, when a room ends by itself, by stopping the others.
//!
//! Reading order: `base` (what every server has from its first moment on), `gate` (which node may call what), `member`
//! (what it has once it belongs to a cluster), `work` (its agent), `feed`, `fence` (what it must not outlive), `folder`
//! (its data directory), `open` (what is not closed), `reload` and `stop` (what people ask of it), `recover` (what they do without it).

mod base;
mod feed;
mod fence;
mod folder;
mod gate;
mod join;
mod member;
mod open;
pub mod recover;
mod reload;
mod room;
mod stop;
mod work;

use crate::agent::AgentError;
use crate::config::Config;
use crate::{clock, gossip, history, net, raft, telemetry};
use base::{Base, Forming};
use dkron_core::ids::{ClusterId, Incarnation, Stamp};
use dkron_core::roster::Roster;
use dkron_core::voters::Gap;
use member::Member;
use raft::Ground;
use reload::Settings;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use stop::{Asked, Signals};

/// How long open connections, and tasks, may take to end.
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
    /// Gossip does not start, or another process has this server's id.
    #[error("gossip does not start")]
    Gossip(#[from] gossip::Error),
    /// The agent does not start, or ended.
    #[error("the agent does not run")]
    Agent(#[from] AgentError),
    /// The data directory cannot be made.
    #[error("data-dir: {} cannot be made", path.display())]
    Folder {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// An address cannot be used.
    #[error(transparent)]
    Net(#[from] net::Error),
    /// `retry-join` was tried as often as `retry-max` allows.
    #[error(
        "retry-join: none of its addresses named another server in {tries} tries, {} s apart: allowed by retry-max \
         are {tries}, 0 for ever", interval.as_secs_f64()
    )]
    NobodyJoined {
        /// How often.
        tries: u32,
        /// How far apart.
        interval: Duration,
    },
    /// Calls between nodes are secured and gossip would not be.
    #[error(
        "encrypt: is not set, and tls-cert-file is: gossip would be in clear and anybody's. Give all servers a key \
         of `dkron keygen`, allowed are base64 keys of 16, 24 or 32 bytes"
    )]
    OpenGossip,
    /// The log is of a cluster that never came to be.
    #[error(
        "the log is of cluster {0}, which too few of its first servers still serve: it can never be founded. Set \
         the data directory aside and start this server anew"
    )]
    DeadCluster(ClusterId),
    /// The cluster was recovered from another server's disk.
    #[error(
        "the cluster was recovered from another server's disk: server {name} at {address} is of its incarnation {}, \
         the data here are of {own}, and nothing that is decided by them counts. Remove raft, snapshots and history \
         from the data directory and start this server again: it joins under a new id",
        incarnation.0
    )]
    LeftBehind {
        /// Whose the data here are.
        own: Stamp,
        /// What the cluster's incarnation is now.
        incarnation: Incarnation,
        /// Who says so.
        name: Arc<str>,
        /// Where it is.
        address: Arc<str>,
    },
    /// The cluster writes a newer log format than this build reads.
    #[error("{0}")]
    Outgrown(Gap),
    /// The system refuses something.
    #[error("{what}")]
    System {
        /// What.
        what: &'static str,
        /// Why.
        source: io::Error,
    },
    /// A part of the node broke off while the disk was full.
    #[error("the disk is full")]
    DiskFull(#[source] Box<NodeError>),
    /// The node stopped because its disk was full, and now there is room: it is to be started again.
    #[error("the disk was full and has room again")]
    RoomAgain,
    /// A part of the node broke off.
    #[error("{0} broke off")]
    Broken(&'static str),
}

/// Runs a node until it is asked to stop (SIGINT or SIGTERM) or cannot go on.
///
/// # Errors
/// [`NodeError`] with the reason for which it did not start or stopped.
pub async fn run(config: Config) -> Result<(), NodeError> {
    let logging = telemetry::start(config.log_level);
    if let Some(file) = &config.clock_offset_file {
        tracing::warn!(file = %file.display(), "this node's clock is made wrong on purpose, as for a test");
        clock::be_wrong_by(file.clone());
    }
    if let Some(formats) = config.as_version {
        tracing::warn!(%formats, "this node behaves as another build on purpose, as for a test");
    }
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    folder::prepare(&config.data_dir)?;
    let mut signals = Signals::new()?;
    let (is_server, data_dir) = (config.server, config.data_dir.clone());
    let settings = Settings::new(config, logging);
    let ended = match is_server {
        true => run_server(settings, &mut signals).await,
        false => work::run_alone(settings, &mut signals).await,
    };
    match ended {
        Err(error) => room::wait(&data_dir, error, &mut signals).await,
        Ok(()) => Ok(()),
    }
}

async fn run_server(mut settings: Settings, signals: &mut Signals) -> Result<(), NodeError> {
    let (mut base, mut forming, ground) = Base::start(&settings.now()).await?;
    let entered = enter(&base, &mut forming, ground, (&mut settings, signals)).await;
    let (member, ended) = match entered {
        Ok(Some(mut member)) => {
            let ended = work(&mut base, &mut forming, &mut member, (&mut settings, signals)).await;
            (Some(member), ended)
        }
        Ok(None) => (None, Ok(())),
        Err(error) => (None, Err(error)),
    };
    if ended.is_err() {
        tracing::info!("stopping, since this server cannot go on");
    }
    signals.outwait(wind_down(base, forming, member)).await;
    ended
}

/// Waits for a cluster and becomes a member of it; nothing if the node is asked to stop before that.
async fn enter(
    base: &Base,
    forming: &mut Forming,
    ground: Ground,
    (settings, signals): (&mut Settings, &mut Signals),
) -> Result<Option<Member>, NodeError> {
    let (started, shared) = (settings.now(), base.shared());
    let roster = shared.roster.clone();
    let own = ground.identity().stamp;
    let mut entering = Box::pin(async {
        let (ground, entry) = forming.entry(ground).await?;
        Member::start(&started, &shared, ground, entry).await
    });
    let mut given_up = Box::pin(join::given_up(&started.join, roster.clone(), |roster: &Arc<Roster>| {
        roster.alive().count() > 1
    }));
    let mut fenced = Box::pin(fence::left_behind(roster.clone(), own));
    let mut outgrown = Box::pin(fence::outgrown(roster));
    let mut is_changed = false;
    let member = loop {
        tokio::select! {
            asked = signals.next() => match asked {
                Asked::Stop(name) => {
                    tracing::info!(signal = name, "stopping");
                    return Ok(None);
                }
                Asked::Reload => if settings.reload().await {
                    is_changed = true;
                    base.take_over(&settings.now()).await;
                }
            },
            error = &mut given_up => return Err(error),
            error = &mut fenced => return Err(error),
            error = &mut outgrown => return Err(error),
            member = &mut entering => break member?,
        }
    };
    if is_changed {
        member.take_over(&settings.now());
    }
    Ok(Some(member))
}

/// A member at work, until it is asked to stop or cannot go on.
async fn work(
    base: &mut Base,
    forming: &mut Forming,
    member: &mut Member,
    (settings, signals): (&mut Settings, &mut Signals),
) -> Result<(), NodeError> {
    base.open(member.doors(&settings.now()));
    base.tell_addresses(&settings.now());
    let mut fenced = Box::pin(fence::left_behind(base.shared().roster, member.stamp()));
    let mut outgrown = Box::pin(fence::outgrown(base.shared().roster));
    let leave = member.leave();
    loop {
        let asked = tokio::select! {
            asked = signals.next() => asked,
            () = leave.cancelled() => return Ok(()),
            error = base.broken(forming) => return Err(room::named(&settings.now().data_dir, error)),
            error = member.broken() => return Err(room::named(&settings.now().data_dir, error)),
            error = &mut fenced => return Err(error),
            error = &mut outgrown => return Err(error),
        };
        match asked {
            Asked::Stop(name) => {
                tracing::info!(signal = name, "stopping");
                if name == stop::TERMINATE && settings.now().membership.leave_on_terminate {
                    signals.outwait(member.resign()).await;
                }
                return Ok(());
            }
            Asked::Reload => {
                if settings.reload().await {
                    let config = settings.now();
                    base.take_over(&config).await;
                    member.take_over(&config);
                    base.open(member.doors(&config));
                }
            }
        }
    }
}

/// Everything in reverse.
async fn wind_down(mut base: Base, forming: Forming, member: Option<Member>) {
    let member = match member {
        Some(mut member) => {
            member.stop_work().await;
            Some(member)
        }
        None => None,
    };
    base.close_doors().await;
    base.leave().await;
    drop(forming);
    if let Some(member) = member {
        member.stop().await;
    }
    base.stop().await;
}
