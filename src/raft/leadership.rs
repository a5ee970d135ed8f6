//! Who leads, and since when this server may act on it.
//!
//! A server that was elected has not yet applied all that its predecessors committed: it leads for the rest
//! of the program only once the first entry of its own term is applied.

use super::Consensus;
use super::machine::Machine;
use super::state_machine::ThreadHandle;
use super::state_thread::Mark;
use super::type_config::{Server, ServerId, Types};
use crate::clock;
use openraft::async_runtime::WatchReceiver;
use openraft::metrics::RaftServerMetrics;
use openraft::{Instant as _, ServerState};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// Who leads.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Leadership {
    /// The leader, as far as this server knows.
    pub leader: Option<Server>,
    /// Set while this server leads and has applied all that was committed before it did.
    pub leading: Option<Leading>,
}

/// This server's leadership.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Leading {
    /// The term: another one is another leadership, even of the same server.
    pub term: u64,
}

/// Publishes the leadership until nobody looks any more.
pub(crate) async fn watch_leadership<M: Machine>(
    consensus: Consensus<M>,
    thread: ThreadHandle<M>,
    leadership: watch::Sender<Leadership>,
) {
    let mut metrics = consensus.server_metrics();
    let mut marks = thread.marks().clone();
    loop {
        let (now, waits) = {
            let metrics = metrics.borrow_watched();
            let elected = metrics.current_leader == Some(metrics.id);
            let now = read(&metrics, &marks.borrow_and_update());
            let waits = elected && now.leading.is_none();
            (now, waits)
        };
        leadership.send_if_modified(|shown| {
            let changed = *shown != now;
            *shown = now;
            changed
        });
        tokio::select! {
            changed = metrics.changed() => if changed.is_err() { break },
            changed = marks.changed(), if waits => if changed.is_err() { break },
        }
    }
    leadership.send_replace(Leadership::default());
}

/// Whether this server is the elected leader, whether or not it may act on it yet.
pub(crate) fn leads<M: Machine>(consensus: &Consensus<M>) -> bool {
    consensus.server_metrics().borrow_watched().state == ServerState::Leader
}

/// How long ago a leader last had an answer of a quorum; of another server, how long ago it heard a leader.
pub(crate) fn silence<M: Machine>(consensus: &Consensus<M>, heard: Option<Instant>) -> Option<Duration> {
    let (leads, alone) = {
        let metrics = consensus.server_metrics();
        let metrics = metrics.borrow_watched();
        // One that is a quorum alone needs no answer, whoever else follows without a vote.
        let voters = metrics.membership_config.membership().voter_ids().take(2).count();
        (metrics.state == ServerState::Leader, voters <= 1)
    };
    let data = consensus.data_metrics();
    let data = data.borrow_watched();
    match (leads, alone) {
        (true, true) => Some(Duration::ZERO),
        (true, false) => data.last_quorum_acked.map(|at| at.elapsed()),
        (false, _) => heard.map(|at| clock::monotonic().saturating_duration_since(at)),
    }
}

fn read(metrics: &RaftServerMetrics<Types>, mark: &Mark) -> Leadership {
    let term = metrics.vote.leader_id.term;
    let server = |id: ServerId| {
        let peer = metrics.membership_config.membership().get_node(&id).cloned();
        Server { id: id.0, peer: peer.unwrap_or_default() }
    };
    let elected = metrics.current_leader == Some(metrics.id) && metrics.vote.committed;
    let caught_up = mark.applied.is_some_and(|id| id.leader_id == metrics.vote.leader_id);
    Leadership {
        leader: metrics.current_leader.map(server),
        leading: (elected && caught_up).then_some(Leading { term }),
    }
}
