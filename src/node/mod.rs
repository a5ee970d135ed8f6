//! A node from its start to its end: builds the rooms in order, joins them, stops them in reverse.
//!
//! - Does: opens the doors, gossips, waits for a cluster, becomes a member of it, runs until it is told to stop.
//! - Owns: the order. Every task is started here or below, and awaited here.
//! - Never: does the work of a room.
//! - Fails: at the start with the reason; later, when a room ends by itself, by stopping the others.
//!
//! Reading order: `base` (what every server has from its first moment on), `member` (what it has once it belongs
//! to a cluster), `work` (its agent), `feed`.

mod base;
mod feed;
mod join;
mod member;
mod room;
mod work;

use crate::agent::AgentError;
use crate::config::Config;
use crate::{clock, gossip, history, net, raft, telemetry};
use base::{Base, Forming};
use dkron_core::ids::ClusterId;
use dkron_core::roster::Roster;
use member::Member;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

/// The signal by which a node may leave for good.
const TERMINATE: &str = "SIGTERM";
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
    /// The log is of a cluster that never came to be.
    #[error(
        "the log is of cluster {0}, which too few of its first servers still serve: it can never be founded. Set \
         the data directory aside and start this server anew"
    )]
    DeadCluster(ClusterId),
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
    telemetry::start(config.log_level);
    if let Some(file) = &config.clock_offset_file {
        tracing::warn!(file = %file.display(), "this node's clock is made wrong on purpose, as for a test");
        clock::be_wrong_by(file.clone());
    }
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    let mut signals = Signals::new()?;
    let ended = match config.server {
        true => run_server(&config, &mut signals).await,
        false => work::run_alone(&config, &mut signals).await,
    };
    match ended {
        Err(error) => room::wait(&config.data_dir, error, &mut signals).await,
        Ok(()) => Ok(()),
    }
}

async fn run_server(config: &Config, signals: &mut Signals) -> Result<(), NodeError> {
    let (mut base, mut forming, ground) = Base::start(config).await?;
    let entering = async {
        let (ground, entry) = forming.entry(ground).await?;
        Member::start(config, &base.shared(), ground, entry).await
    };
    let roster = base.shared().roster;
    let given_up = join::given_up(&config.join, roster, |roster: &Arc<Roster>| roster.alive().count() > 1);
    let entered = tokio::select! {
        name = signals.next() => { tracing::info!(signal = name, "stopping"); Ok(None) }
        error = given_up => Err(error),
        member = entering => member.map(Some),
    };
    let ended = match entered {
        Ok(Some(mut member)) => {
            base.open(member.doors(config));
            base.tell_addresses(config);
            let ended = serve(config, signals, &mut base, &mut forming, &mut member).await;
            member.stop_work().await;
            base.close_doors().await;
            base.leave().await;
            drop(forming);
            member.stop().await;
            ended
        }
        Ok(None) => {
            base.close_doors().await;
            base.leave().await;
            Ok(())
        }
        Err(error) => {
            base.close_doors().await;
            Err(error)
        }
    };
    base.stop().await;
    ended
}

/// Runs until the member is asked to stop, has left, or cannot go on.
async fn serve(
    config: &Config,
    signals: &mut Signals,
    base: &mut Base,
    forming: &mut Forming,
    member: &mut Member,
) -> Result<(), NodeError> {
    let leave = member.leave();
    let signal = tokio::select! {
        name = signals.next() => name,
        () = leave.cancelled() => return Ok(()),
        error = base.broken(forming) => return Err(room::named(&config.data_dir, error)),
        error = member.broken() => return Err(room::named(&config.data_dir, error)),
    };
    tracing::info!(signal, "stopping");
    if signal == TERMINATE && config.membership.leave_on_terminate {
        member.resign().await;
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
            _ = self.terminate.recv() => TERMINATE,
        }
    }
}
