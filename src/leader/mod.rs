//! The leader's loop: wake, plan, propose, hand over. Nothing else.
//!
//! - Does: while this server leads, runs the core's plan whenever a tick is due, the state advanced, an answer
//!   came or an agent called; proposes what the plan says and hands its orders to dispatch.
//! - Owns: the planner's memory, for one leadership.
//! - Never: decides (the core does), sends (dispatch does), waits for anything but the next reason to plan.
//! - Fails: an error of consensus ends the leadership, not the loop; the next one begins with an empty memory
//!   and finds everything undone in the state.

mod clocks;
mod members;

pub use clocks::watch_clocks;
pub use members::Members;

use crate::clock;
use crate::raft::{Error, Leadership, Mark, Priority, Raft};
use dkron_core::apply::Ledger;
use dkron_core::command::{Command, Reply};
use dkron_core::ids::NodeSlot;
use dkron_core::jump::Verdict;
use dkron_core::plan::{Order, Plan, Planner, Proposal, Token};
use dkron_core::time::{Span, Time};
use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

/// Proposals that wait for their answers; beyond it no new tick is decided, so that memory stays bounded.
const PROPOSALS_MAX: usize = 64;

/// What the loop works with.
pub struct Leader {
    /// Where to propose and what to plan from.
    pub raft: Raft<Ledger>,
    /// Where orders for agents go.
    pub orders: mpsc::Sender<(NodeSlot, Order)>,
    /// Nodes whose streams are new.
    pub contacts: mpsc::Receiver<NodeSlot>,
}

type Answers = FuturesUnordered<BoxFuture<'static, (Token, Option<Reply>)>>;

/// What happened since the last turn.
#[derive(Default)]
struct News {
    answers: Vec<(Token, Option<Reply>)>,
    contacts: Vec<NodeSlot>,
}

impl Leader {
    /// Leads whenever this server is the leader, until it is told to stop.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut leadership = self.raft.leader();
        loop {
            let term = tokio::select! {
                biased;
                () = stop.cancelled() => return,
                led = leadership.wait_for(|shown| shown.leading.is_some()) => match led {
                    Ok(led) => led.leading.map(|leading| leading.term),
                    Err(_) => return,
                },
            };
            tracing::info!(term, "leading");
            let ended = self.lead(term, &mut leadership, &stop).await;
            clock::correct(None);
            tracing::info!(term, reason = %ended, "leading no more");
        }
    }

    /// One leadership; says why it ended.
    async fn lead(
        &mut self,
        term: Option<u64>,
        leadership: &mut watch::Receiver<Leadership>,
        stop: &CancellationToken,
    ) -> Ended {
        let mut planner = Planner::default();
        let mut answers = Answers::new();
        let mut advanced = self.raft.advanced();
        let mut news = News::default();
        loop {
            let reading = self.raft.time();
            let now = reading.time;
            let deciding = reading.verdict == Verdict::Steady && answers.len() < PROPOSALS_MAX;
            let planned = self.turn(planner, std::mem::take(&mut news), now, deciding).await;
            let (back, plan) = match planned {
                Ok(planned) => planned,
                Err(error) => return Ended::Failed(error),
            };
            planner = back;
            let Plan { proposals, orders, wake_at, more } = plan;
            answers.extend(proposals.into_iter().map(|proposal| self.propose(proposal)));
            for order in orders {
                if self.orders.send(order).await.is_err() {
                    return Ended::Stopped;
                }
            }
            let pause = if more && deciding { Duration::ZERO } else { until(wake_at, now, deciding) };
            let still = |shown: &Leadership| shown.leading.map(|leading| leading.term) == term;
            let over = tokio::select! {
                biased;
                () = stop.cancelled() => Some(Ended::Stopped),
                changed = leadership.changed() => match changed {
                    Ok(()) if still(&leadership.borrow()) => None,
                    Ok(()) => Some(Ended::Deposed),
                    Err(_) => Some(Ended::Stopped),
                },
                Some(answer) = answers.next() => { news.answers.push(answer); None }
                Some(node) = self.contacts.recv() => { news.contacts.push(node); None }
                changed = advanced.changed() => changed.err().map(|_| Ended::Stopped),
                () = tokio::time::sleep(pause) => None,
            };
            if let Some(ended) = over {
                self.resign(planner, answers).await;
                return ended;
            }
            self.gather(&mut news, &mut answers, &mut advanced);
        }
    }

    /// One plan on the thread of the state.
    async fn turn(
        &self,
        mut planner: Planner,
        news: News,
        now: Time,
        deciding: bool,
    ) -> Result<(Planner, Plan), Error> {
        self.raft
            .look(move |ledger, _| {
                for (token, reply) in news.answers {
                    planner.answered(ledger, token, reply.as_ref());
                }
                for node in news.contacts {
                    planner.contact(&ledger.state, node);
                }
                let plan = planner.plan(ledger, now, deciding);
                (planner, plan)
            })
            .await
    }

    fn propose(&self, proposal: Proposal) -> BoxFuture<'static, (Token, Option<Reply>)> {
        let raft = self.raft.clone();
        Box::pin(async move {
            let command = Command { request: None, action: proposal.action };
            let answer = raft.propose(Priority::Decision, command).await;
            (proposal.token, answer.ok())
        })
    }

    /// All that is there already, so that one turn serves it.
    fn gather(&mut self, news: &mut News, answers: &mut Answers, advanced: &mut watch::Receiver<Mark>) {
        advanced.borrow_and_update();
        while let Some(Some(answer)) = futures::FutureExt::now_or_never(answers.next()) {
            news.answers.push(answer);
        }
        while let Ok(node) = self.contacts.try_recv() {
            news.contacts.push(node);
        }
    }

    /// Puts back what was taken from the due-time index, so that a later leadership here finds it.
    async fn resign(&self, planner: Planner, answers: Answers) {
        drop(answers);
        let resigned = self.raft.look(move |ledger, _| planner.resign(ledger)).await;
        if let Err(error) = resigned {
            tracing::debug!(%error, "nothing to hand back to");
        }
    }
}

/// Why a leadership ended.
#[derive(Debug, thiserror::Error)]
enum Ended {
    #[error("the node stops")]
    Stopped,
    #[error("another server leads, or this one lost its quorum")]
    Deposed,
    #[error("consensus failed: {0}")]
    Failed(Error),
}

/// How long until the next plan. The wall clock is looked at once a second at least, to see it jump, and more often
/// while nothing may be decided, to see the end of that.
fn until(wake_at: Option<Time>, now: Time, deciding: bool) -> Duration {
    let second = Span::from_seconds(1);
    let pause = wake_at.map_or(second, |at| (at - now).min(second));
    // While nothing may be decided, what is due already must not keep the loop spinning.
    let pause = match deciding {
        true => pause,
        false => pause.max(Span::from_millis(10)).min(Span::from_millis(50)),
    };
    Duration::from_nanos(pause.nanos().max(0).unsigned_abs())
}
