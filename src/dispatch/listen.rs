//! One agent's stream, from its welcome to its end.
//!
//! While this server follows, the stream is only kept warm. When it begins to lead, the agent's registration is
//! compared with the state's: only one that differs goes into the log. Then the agent is told, and the leader.

use super::Rooms;
use super::processor::Processors;
use super::refusals::Refusals;
use super::reports::{REPORTS_MAX, commit};
use super::streams::{Answer, Open};
use crate::raft::{self, Leadership, Priority};
use dkron_core::command::{Action, Command, Reply};
use dkron_core::delivery::{FromAgent, ServerAddress, ToAgent, Told};
use dkron_core::ids::NodeSlot;
use dkron_core::node::{Liveness, Registration};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tonic::{Code, Status};

/// After a failure another try waits for news of the leadership, but not longer than this.
const PAUSE: Duration = Duration::from_secs(1);

/// One stream's listener.
pub(super) struct Listener {
    pub(super) rooms: Rooms,
    pub(super) processors: Processors,
    pub(super) open: Open,
    pub(super) registration: Registration,
    pub(super) answers: mpsc::Sender<Answer>,
    pub(super) leadership: watch::Receiver<Leadership>,
    pub(super) refusals: Refusals,
    pub(super) servers: watch::Receiver<Arc<[ServerAddress]>>,
    /// The term in which the agent was told that this server leads.
    pub(super) term: Option<u64>,
    pub(super) place: Option<NodeSlot>,
    /// Whether the agent said that it leaves.
    pub(super) left: bool,
}

impl Listener {
    /// Reads the agent's words until they, the stream or the server end. Reports are proposed one command at a
    /// time: while one is on its way, what the agent says next is gathered into the following one.
    pub(super) async fn run(mut self, mut said: mpsc::Receiver<FromAgent>) {
        if let Err(status) = self.attend(&mut said).await {
            let name = &self.registration.name;
            match status.code() {
                Code::AlreadyExists => self.refusals.note(Some(self.registration.node), name, &status),
                _ => tracing::info!(node = %name, reason = status.message(), "agent's stream ends"),
            }
            drop(self.answers.try_send(Err(status)));
        }
    }

    async fn attend(&mut self, said: &mut mpsc::Receiver<FromAgent>) -> Result<(), Status> {
        let mut words = Vec::new();
        self.tell_servers().await?;
        loop {
            let leading = self.leadership.borrow_and_update().leading.map(|leading| leading.term);
            if leading != self.term {
                self.turn(leading).await?;
                continue;
            }
            let again = self.open.again.clone();
            tokio::select! {
                biased;
                () = self.rooms.stop.cancelled() => return Err(Status::unavailable("the server stops")),
                () = self.open.replaced.cancelled() => {
                    return Err(Status::aborted("a newer stream of the same agent takes its place"));
                }
                changed = self.leadership.changed() => {
                    changed.map_err(|_| Status::unavailable("the server stops"))?;
                }
                () = again.notified() => self.term = None,
                Ok(()) = self.servers.changed() => self.tell_servers().await?,
                count = said.recv_many(&mut words, 256) => {
                    if count == 0 {
                        return Ok(());
                    }
                    self.hear(&mut words).await?;
                }
            }
        }
    }

    async fn say(&self, said: ToAgent) -> Result<(), Status> {
        self.answers.send(Ok(said)).await.map_err(|_| Status::cancelled("the agent is gone"))
    }

    async fn tell_servers(&mut self) -> Result<(), Status> {
        let servers = self.servers.borrow_and_update().clone();
        if servers.is_empty() {
            return Ok(());
        }
        self.say(ToAgent::Servers(servers)).await
    }

    /// This server begins to lead, or leads no more.
    async fn turn(&mut self, leading: Option<u64>) -> Result<(), Status> {
        let Some(term) = leading else {
            self.term = None;
            return self.say(ToAgent::Following).await;
        };
        if !self.left {
            match self.register().await {
                Ok(Ok(place)) => self.place = Some(place),
                Ok(Err(refused)) => return Err(refused),
                Err(error) => return self.falter(&error).await,
            }
            self.open.set_place(self.place);
            self.refusals.forget(self.registration.node);
        }
        self.term = Some(term);
        self.say(ToAgent::Leading { term }).await?;
        let Some(place) = self.place.filter(|_| !self.left) else { return Ok(()) };
        // The leader takes contacts only while it leads.
        let mut leadership = self.leadership.clone();
        tokio::select! {
            sent = self.rooms.contacts.send(place) => sent.map_err(|_| Status::unavailable("the server stops")),
            _ = leadership.changed() => Ok(()),
        }
    }

    /// The agent's place in the state; its registration goes into the log only if the state has another. A
    /// refusal is an answer of the state, an error one of consensus.
    async fn register(&self) -> Result<Result<NodeSlot, Status>, raft::Error> {
        let registration = self.registration.clone();
        let known = self.rooms.raft.look(move |ledger, _| {
            let place = ledger.state.node_slot(registration.node)?;
            let record = ledger.state.node(place)?;
            let same = record.registration == registration && record.liveness == Liveness::Alive;
            same.then_some(place)
        });
        if let Some(place) = known.await? {
            return Ok(Ok(place));
        }
        let action = Action::Register(self.registration.clone());
        let reply = self.rooms.raft.propose(Priority::Report, Command { request: None, action }).await?;
        Ok(match reply {
            Reply::Registered(place) => {
                tracing::info!(node = %self.registration.name, slot = place.0, "agent registered");
                Ok(place)
            }
            Reply::Refused(refusal) => Err(Status::already_exists(refusal.to_string())),
            _ => Err(Status::internal("a registration was answered by something else")),
        })
    }

    /// What was asked of consensus did not happen. The agent is told to look for another leader, and told again
    /// when this one is sure of itself: then it repeats what was not settled.
    async fn falter(&mut self, reason: &(dyn std::fmt::Display + Sync)) -> Result<(), Status> {
        tracing::debug!(node = %self.registration.name, %reason, "an agent is to tell it again");
        self.term = None;
        self.say(ToAgent::Following).await?;
        // A consensus that has ended is seen by who calls.
        drop(tokio::time::timeout(PAUSE, self.leadership.clone().changed()).await);
        Ok(())
    }

    async fn hear(&mut self, words: &mut Vec<FromAgent>) -> Result<(), Status> {
        let mut reports = Vec::new();
        let mut leaves = false;
        for word in words.drain(..) {
            match word {
                FromAgent::Output { id, offset, bytes } if self.term.is_some() => {
                    self.rooms.live.add(id, offset, &bytes);
                }
                FromAgent::Output { .. } => {}
                FromAgent::Reports(more) => reports.extend(more),
                FromAgent::Leaving => leaves = true,
                FromAgent::Hello { .. } => return Err(Status::invalid_argument("hello came twice")),
            }
        }
        if self.term.is_none() {
            return match reports.is_empty() && !leaves {
                true => Ok(()),
                false => self.say(ToAgent::Following).await,
            };
        }
        if !self.settle(reports).await? {
            return Ok(());
        }
        if leaves { self.leave().await } else { Ok(()) }
    }

    /// Commits reports; false if they are to be told again.
    async fn settle(&mut self, reports: Vec<Told>) -> Result<bool, Status> {
        for part in reports.chunks(REPORTS_MAX) {
            match commit(&self.rooms, &self.processors, part).await {
                Ok(settled) if settled.is_empty() => {}
                Ok(settled) => self.say(ToAgent::Settled(settled)).await?,
                Err(error) => return self.falter(&error).await.map(|()| false),
            }
        }
        Ok(true)
    }

    /// The agent goes: in the log first, so that nothing new is meant for it.
    async fn leave(&mut self) -> Result<(), Status> {
        let Some(node) = self.place else { return Ok(()) };
        let action = Action::Mark { node, liveness: Liveness::Left };
        match self.rooms.raft.propose(Priority::Report, Command { request: None, action }).await {
            Ok(_) => {
                self.left = true;
                self.open.set_place(None);
                tracing::info!(node = %self.registration.name, slot = node.0, "agent leaves");
                self.say(ToAgent::Left).await
            }
            Err(error) => self.falter(&error).await,
        }
    }
}
