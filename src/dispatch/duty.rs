//! The leader's duty to the nodes: who is silent for too long is marked as failed, in the log.
//!
//! The marks are commands, so that a new leader begins with the last agreed view. A mark and a hello may cross on
//! their way into the log; then the node is here and counts as failed, which is seen and put right.

use super::absence::{Change, Lookout, Presence, RETURN_GRACE, TAKEOVER_GRACE};
use super::streams::{Sighting, Streams};
use crate::clock;
use crate::raft::{Leadership, Priority, Raft};
use crate::task::CancellationToken;
use dkron_core::apply::Ledger;
use dkron_core::command::{Action, Command};
use dkron_core::ids::{NodeId, NodeSlot};
use dkron_core::node::Liveness;
use futures::stream::{self, StreamExt};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// All nodes are looked at this often, whether or not any went: what no event told of is found then.
const ROUND: Duration = Duration::from_secs(10);
/// How soon, if a mark did not get into the log.
const AGAIN: Duration = Duration::from_secs(1);
/// Marks on their way at a time; several go into one entry.
const MARKS: usize = 1_024;

/// Keeps the marks of nodes true.
pub(super) struct Duty {
    pub(super) raft: Raft<Ledger>,
    pub(super) streams: Streams,
}

impl Duty {
    /// Whenever this server leads, until it is told to stop.
    pub(super) async fn run(self, stop: CancellationToken) {
        let mut leadership = self.raft.leader();
        loop {
            let led = tokio::select! {
                () = stop.cancelled() => return,
                led = leadership.wait_for(|shown| shown.leading.is_some()) => led.map(|shown| shown.leading),
                () = tokio::time::sleep(ROUND) => {
                    // Nobody is judged here; what is old says nothing to a later leadership.
                    self.streams.forget_gone(clock::monotonic().checked_sub(ROUND));
                    continue;
                }
            };
            let Ok(Some(leading)) = led else { return };
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.lead(leading.term, &mut leadership) => {}
            }
        }
    }

    /// One leadership.
    async fn lead(&self, term: u64, leadership: &mut watch::Receiver<Leadership>) {
        let since = clock::monotonic();
        let (mut round_at, mut first_gone, mut not_before) = (since, None, since);
        loop {
            // Whoever goes later is given up later: of those who are gone only the first sets the hour.
            first_gone = first_gone.or_else(|| self.streams.first_gone());
            let lookout = Lookout { since, last_arrival: self.streams.last_arrival() };
            let first = first_gone.map_or(round_at, |at| lookout.given_up_at(at));
            let wake = first.min(round_at).max(not_before);
            tokio::select! {
                changed = leadership.changed() => {
                    let still = leadership.borrow().leading.is_some_and(|leading| leading.term == term);
                    if changed.is_err() || !still {
                        return;
                    }
                }
                () = self.streams.news() => {}
                () = tokio::time::sleep_until(wake.into()) => {
                    let done = self.look(since).await;
                    let now = clock::monotonic();
                    let muster = Some(lookout.muster_ends()).filter(|ends| *ends > now);
                    round_at = muster.map_or(now + ROUND, |ends| ends.min(now + ROUND));
                    (first_gone, not_before) = (None, if done { now } else { now + AGAIN });
                }
            }
        }
    }

    /// Looks at all nodes; false if something could not be put into the log.
    async fn look(&self, since: Instant) -> bool {
        let sighting = self.streams.sighting();
        let lookout = Lookout { since, last_arrival: sighting.last_arrival };
        let now = clock::monotonic();
        let judged = self.raft.look(move |ledger, _| judge(ledger, lookout, &sighting, now)).await;
        let Ok((silent, back)) = judged else { return false };
        for node in back {
            self.streams.register_again(node);
        }
        let marks = stream::iter(silent).map(|(place, node)| self.fail(place, node));
        let done = marks.buffer_unordered(MARKS).fold(true, |all, done| async move { all && done }).await;
        if done && now >= since + TAKEOVER_GRACE {
            self.streams.forget_gone(now.checked_sub(RETURN_GRACE));
        }
        done
    }

    async fn fail(&self, place: NodeSlot, node: NodeId) -> bool {
        let action = Action::Mark { node: place, liveness: Liveness::Failed };
        let answer = self.raft.propose(Priority::Report, Command { request: None, action }).await;
        match &answer {
            Ok(_) => tracing::warn!(%node, slot = place.0, "agent is silent: its node is marked as failed"),
            Err(error) => tracing::debug!(%node, %error, "a silent node is not marked yet"),
        }
        // It may have come back while the mark was on its way.
        self.streams.register_again(node);
        answer.is_ok()
    }
}

/// The nodes that fell silent, and those that are here and count as failed.
fn judge(
    ledger: &Ledger,
    lookout: Lookout,
    sighting: &Sighting,
    now: Instant,
) -> (Vec<(NodeSlot, NodeId)>, Vec<NodeId>) {
    let (mut silent, mut back) = (Vec::new(), Vec::new());
    for (place, record) in ledger.state.nodes() {
        let node = record.registration.node;
        let presence = match sighting.gone.get(&node) {
            _ if sighting.here.contains(&node) => Presence::Here,
            Some(at) => Presence::GoneSince(*at),
            None => Presence::Never,
        };
        // A place that the node left for a new one has its id and is left for good.
        match lookout.judge(record.liveness, presence, now) {
            Some(Change::Fail) => silent.push((place, node)),
            Some(Change::Return) => back.push(node),
            None => {}
        }
    }
    (silent, back)
}
