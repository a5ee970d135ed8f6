//! A server: its own ledger at its own pace, and while it leads the real planner.

use crate::clock::{BEGINNING, Clock};
use crate::event::{Event, Message, Peer};
use crate::jobs::newest_zone_data;
use crate::mutants::{self, Mutant};
use crate::world::{Phase, World};
use dkron_core::apply::Ledger;
use dkron_core::command::{Action, Batch, Command, Event as Happened, Reply, Report};
use dkron_core::format::Formats;
use dkron_core::ids::{ExecutionId, JournalId, NodeId, NodeSlot, RequestId};
use dkron_core::jump::{Guard, Reading, Verdict};
use dkron_core::node::Liveness;
use dkron_core::plan::{Order, Planner, Token};
use dkron_core::schedule::ZoneData;
use dkron_core::state::State;
use dkron_core::state::record::NodeRecord;
use dkron_core::time::{Span, Time};
use std::collections::BTreeMap;

/// A server's process and machine.
pub(crate) struct Server {
    pub(crate) alive: bool,
    pub(crate) life: u64,
    /// Whether it hears no other server, nor they it.
    pub(crate) isolated: bool,
    pub(crate) clock: Clock,
    guard: Guard,
    /// Of the version that it runs.
    pub(crate) data: ZoneData,
    /// The log formats that this version reads.
    pub(crate) formats: Formats,
    pub(crate) ledger: Ledger,
    pub(crate) lead: Option<Lead>,
    pub(crate) applying: bool,
}

/// What a server that believes that it leads keeps in memory.
pub(crate) struct Lead {
    pub(crate) term: u64,
    /// Everything up to here must be applied before it plans.
    ready_at: u64,
    planner: Planner,
    queue: Vec<(Command, Purpose)>,
    flushing: bool,
    waiting: BTreeMap<u64, Vec<Purpose>>,
    heard: BTreeMap<NodeId, Time>,
    /// The life and journal of each agent that said hello.
    streams: BTreeMap<NodeId, (u64, JournalId)>,
    since: Time,
    next_turn: Time,
}

/// Who waits for the answer to a command.
pub(crate) enum Purpose {
    Plan(Token),
    Client(RequestId),
    Reports { agent: usize, ended: Vec<ExecutionId> },
    Hello { agent: usize, life: u64 },
    Nobody,
}

const SILENCE: Span = Span::from_seconds(5);

impl Server {
    pub(crate) fn new(clock: Clock, data: ZoneData, formats: Formats) -> Server {
        Server {
            alive: true,
            life: 1,
            isolated: false,
            clock,
            guard: Guard::new(),
            data,
            formats,
            ledger: Ledger::default(),
            lead: None,
            applying: false,
        }
    }
}

impl Lead {
    pub(crate) fn new(term: u64, ready_at: u64, since: Time, data: ZoneData) -> Lead {
        Lead {
            term,
            ready_at,
            planner: Planner::with_zone_data(data),
            queue: Vec::new(),
            flushing: false,
            waiting: BTreeMap::new(),
            heard: BTreeMap::new(),
            streams: BTreeMap::new(),
            since,
            next_turn: Time::NEVER,
        }
    }

    /// Whether nothing of its own is under way.
    pub(crate) fn is_quiet(&self) -> bool {
        self.queue.is_empty() && self.waiting.is_empty()
    }
}

impl World {
    /// What a server goes by: its wall clock, held against the boot clock where this run has servers do so.
    pub(crate) fn clock_of(&mut self, server: usize) -> Reading {
        let at = &mut self.servers[server];
        let (wall, boot) = (at.clock.shows(self.now), self.now - BEGINNING);
        match self.weather.guarded {
            true => at.guard.read(wall, boot),
            false => Reading { time: wall, verdict: Verdict::Steady },
        }
    }

    fn leads(&self, server: usize, term: u64) -> bool {
        let server = &self.servers[server];
        server.alive && server.lead.as_ref().is_some_and(|lead| lead.term == term)
    }

    fn is_ready(&self, server: usize) -> bool {
        let server = &self.servers[server];
        server.lead.as_ref().is_some_and(|lead| lead.ready_at <= server.ledger.state.applied())
    }

    pub(crate) fn apply_some(&mut self, server: usize, life: u64) {
        if self.servers[server].life != life || !self.servers[server].alive {
            return;
        }
        self.servers[server].applying = false;
        let term = self.servers[server].lead.as_ref().map(|lead| lead.term);
        let stale = term.is_some_and(|term| term != self.log.term);
        if self.servers[server].isolated || stale {
            return; // it hears of no new entry
        }
        let behind = self.log.last() - self.servers[server].ledger.state.applied();
        let count = if behind > 1 && self.chance.per_mille(200) { 1 } else { behind };
        for _ in 0..count {
            self.apply_next(server);
        }
        if count < behind {
            self.will_apply(server);
        }
        if self.is_ready(server) {
            let soon = self.now + Span::from_nanos(self.chance.between(1_000, 400_000));
            self.turn_at(server, soon);
        }
    }

    fn apply_next(&mut self, server: usize) {
        let index = self.servers[server].ledger.state.applied() + 1;
        let entry = self.log.entries[index as usize - 1].clone();
        let clock = self.servers[server].clock.shows(self.now);
        let ledger = &mut self.servers[server].ledger;
        let mut replies = Vec::new();
        match &entry.batch {
            None => ledger.pass(index),
            Some(batch) if self.settings.mutant == Some(Mutant::ApplyReadsTheClock) => {
                let batch = Batch { time: clock, ..Batch::clone(batch) };
                replies = ledger.apply(index, &batch).replies;
            }
            Some(batch) => {
                replies = mutants::apply(self.settings.mutant, ledger, index, batch).replies;
            }
        }
        let digest = ledger.state.digest();
        self.check_reads(server, index, entry.batch.as_ref().map_or(0, |batch| batch.format()));
        self.checks.compare(index, digest, &format_args!("server {server}"));
        let waiting = self.servers[server].lead.as_mut().and_then(|lead| lead.waiting.remove(&entry.ticket));
        for (reply, purpose) in replies.into_iter().zip(waiting.into_iter().flatten()) {
            self.answer(server, purpose, Some(&reply));
        }
    }

    fn answer(&mut self, server: usize, purpose: Purpose, reply: Option<&Reply>) {
        let at = &mut self.servers[server];
        let Some(lead) = &mut at.lead else { return };
        match (purpose, reply) {
            (Purpose::Plan(token), reply) => lead.planner.answered(&mut at.ledger, token, reply),
            (Purpose::Client(request), Some(_)) => {
                self.send(Peer::Server(server), Peer::Client, Message::Answer(request));
            }
            (Purpose::Reports { agent, ended }, Some(_)) if !ended.is_empty() => {
                self.send(Peer::Server(server), Peer::Agent(agent), Message::Settled(ended));
            }
            (Purpose::Hello { agent, life }, Some(Reply::Registered(node))) => {
                lead.planner.contact(&at.ledger.state, *node);
                self.send(Peer::Server(server), Peer::Agent(agent), Message::Welcome { life });
            }
            _ => {}
        }
    }

    /// Plans at this instant at the latest.
    fn turn_at(&mut self, server: usize, at: Time) {
        let Some(lead) = &mut self.servers[server].lead else { return };
        if at < lead.next_turn {
            lead.next_turn = at;
            let term = lead.term;
            self.at(at, Event::Turn { server, term });
        }
    }

    pub(crate) fn turn(&mut self, server: usize, term: u64) {
        if !self.leads(server, term) || !self.is_ready(server) {
            return;
        }
        if self.servers[server].lead.as_ref().is_none_or(|lead| lead.next_turn != self.now) {
            return;
        }
        let Reading { time, verdict } = self.clock_of(server);
        let deciding = verdict == Verdict::Steady;
        let at = &mut self.servers[server];
        let Some(lead) = &mut at.lead else { return };
        lead.next_turn = Time::NEVER;
        let plan = lead.planner.plan(&mut at.ledger, time, deciding);
        let mut wake = plan.wake_at.map(|wake| self.now + (wake - time));
        if !deciding {
            // The clocks are looked at once a second.
            let second = self.now + Span::from_seconds(1);
            wake = Some(wake.map_or(second, |wake| wake.clamp(self.now + Span::from_millis(10), second)));
        }
        if plan.more {
            wake = Some(self.now);
        }
        for proposal in plan.proposals {
            if mutants::drops_proposal(self, &proposal.action) {
                continue;
            }
            mutants::before_commit(self, server, &proposal.action);
            let command = Command { request: None, action: proposal.action };
            self.enqueue(server, command, Purpose::Plan(proposal.token));
        }
        for (node, order) in plan.orders {
            self.dispatch(server, node, order);
        }
        if let Some(wake) = wake {
            self.turn_at(server, wake.max(self.now + Span::from_millis(1)));
        }
    }

    /// Sends an order over the node's stream, if it has one.
    fn dispatch(&mut self, server: usize, slot: NodeSlot, order: Order) {
        let state = &self.servers[server].ledger.state;
        let Some(registration) = state.node(slot).map(|node| &node.registration) else { return };
        let node = registration.node;
        let Some(agent) = self.agents.iter().position(|agent| agent.node == node) else { return };
        let lead = self.servers[server].lead.as_ref();
        let stream = lead.and_then(|lead| lead.streams.get(&node)).copied();
        let Some((life, _)) = stream.filter(|(_, journal)| *journal == registration.journal) else { return };
        let message = match order {
            Order::Launch(launch) => Message::Launch(Box::new(launch)),
            Order::Cancel(execution, id) => Message::Cancel { life, execution, id },
        };
        self.send(Peer::Server(server), Peer::Agent(agent), message);
    }

    pub(crate) fn enqueue(&mut self, server: usize, command: Command, purpose: Purpose) {
        let Some(lead) = &mut self.servers[server].lead else { return };
        lead.queue.push((command, purpose));
        if !lead.flushing {
            lead.flushing = true;
            let term = lead.term;
            let slow = self.phase == Phase::Storm && self.chance.per_mille(30);
            let micros = self.chance.between(100, if slow { 2_500_000 } else { 5_000 });
            self.after(micros, Event::Flush { server, term });
        }
    }

    pub(crate) fn flush(&mut self, server: usize, term: u64) {
        if !self.leads(server, term) {
            return;
        }
        let shown = self.clock_of(server).time;
        let Some(lead) = &mut self.servers[server].lead else { return };
        lead.flushing = false;
        let (commands, purposes): (Vec<_>, Vec<_>) = std::mem::take(&mut lead.queue).into_iter().unzip();
        match self.propose(server, term, Batch::stamped(shown, commands)) {
            Some(ticket) => {
                if let Some(lead) = &mut self.servers[server].lead {
                    lead.waiting.insert(ticket, purposes);
                }
                let hasty = self.phase == Phase::Storm && self.chance.per_mille(30);
                let micros = if hasty { self.chance.between(500, 20_000) } else { 8_000_000 };
                self.after(micros, Event::GiveUpWaiting { server, term, ticket });
            }
            None => self.forget(server, purposes),
        }
    }

    pub(crate) fn give_up_waiting(&mut self, server: usize, term: u64, ticket: u64) {
        if !self.leads(server, term) {
            return;
        }
        let waiting = self.servers[server].lead.as_mut().and_then(|lead| lead.waiting.remove(&ticket));
        if let Some(purposes) = waiting {
            self.forget(server, purposes);
        }
    }

    /// Nobody will say what became of these.
    fn forget(&mut self, server: usize, purposes: Vec<Purpose>) {
        let lie = Reply::Done;
        let reply = self.has(Mutant::LostProposalIsDone).then_some(&lie);
        for purpose in purposes.into_iter().filter(|purpose| matches!(purpose, Purpose::Plan(_))) {
            self.answer(server, purpose, reply);
        }
        self.turn_at(server, self.now + Span::from_millis(5));
    }

    pub(crate) fn depose(&mut self, server: usize, term: u64) {
        if !self.leads(server, term) {
            return;
        }
        let at = &mut self.servers[server];
        if let Some(lead) = at.lead.take() {
            lead.planner.resign(&mut at.ledger);
        }
        self.will_apply(server);
    }

    /// The failure detector: who has not been heard for a while is given up, in the log.
    pub(crate) fn watch(&mut self, server: usize, term: u64) {
        if !self.leads(server, term) {
            return;
        }
        self.after(1_000_000, Event::Watch { server, term });
        if !self.is_ready(server) {
            return;
        }
        let at = &self.servers[server];
        let Some(lead) = &at.lead else { return };
        let silent: Vec<NodeSlot> = at
            .ledger
            .state
            .nodes()
            .filter(|(_, node)| !node.liveness.is_gone())
            .filter(|(_, node)| {
                let heard = lead.heard.get(&node.registration.node).copied().unwrap_or(lead.since);
                self.now - heard > SILENCE
            })
            .map(|(slot, _)| slot)
            .collect();
        self.raise_format(server);
        for node in silent {
            let action = Action::Mark { node, liveness: Liveness::Failed };
            self.enqueue(server, Command { request: None, action }, Purpose::Nobody);
        }
    }

    pub(crate) fn server_hears(&mut self, server: usize, message: Message) {
        if !self.servers[server].alive {
            return;
        }
        if self.servers[server].lead.is_none() {
            let leader = self.log.leader.filter(|leader| *leader != server);
            if let Some(leader) = leader.filter(|leader| self.servers_connected(server, *leader)) {
                self.send(Peer::Server(server), Peer::Server(leader), message);
            }
            return;
        }
        if !self.is_ready(server) {
            return;
        }
        match message {
            Message::Hello { agent, life, registration } => {
                self.note_heard(server, agent);
                if let Some(lead) = &mut self.servers[server].lead {
                    let stream = lead.streams.entry(registration.node).or_default();
                    if stream.0 <= life {
                        *stream = (life, registration.journal); // not a hello of before, come late
                    }
                }
                let action = Action::Register(registration);
                self.enqueue(server, Command { request: None, action }, Purpose::Hello { agent, life });
            }
            Message::Ping { agent, journal } => self.ping(server, agent, journal),
            Message::Reports { agent, reports } => self.reported(server, agent, reports),
            Message::Ask(request) => {
                if let Some(command) = self.command_of(server, request) {
                    self.enqueue(server, command, Purpose::Client(request));
                }
            }
            _ => {}
        }
    }

    fn note_heard(&mut self, server: usize, agent: usize) {
        let (now, node) = (self.now, self.agents[agent].node);
        if let Some(lead) = &mut self.servers[server].lead {
            lead.heard.insert(node, now);
        }
    }

    fn ping(&mut self, server: usize, agent: usize, journal: JournalId) {
        self.note_heard(server, agent);
        let state = &self.servers[server].ledger.state;
        let node = state.node_slot(self.agents[agent].node).and_then(|slot| state.node(slot));
        let lead = self.servers[server].lead.as_ref();
        let strange = lead.is_none_or(|lead| !lead.streams.contains_key(&self.agents[agent].node));
        let expected = |node: &NodeRecord| !node.liveness.is_gone() && node.registration.journal == journal;
        if strange || !node.is_some_and(|node| expected(node)) {
            self.send(Peer::Server(server), Peer::Agent(agent), Message::HelloAgain);
        } else {
            self.send(Peer::Server(server), Peer::Agent(agent), Message::Pong);
        }
    }

    fn reported(&mut self, server: usize, agent: usize, reports: Vec<(ExecutionId, Report)>) {
        self.note_heard(server, agent);
        let ended: Vec<ExecutionId> = reports
            .iter()
            .filter(|(_, report)| matches!(report.event, Happened::Finished(_)))
            .map(|(id, _)| *id)
            .collect();
        if self.has(Mutant::AcknowledgeBeforeCommit) && !ended.is_empty() {
            self.send(Peer::Server(server), Peer::Agent(agent), Message::Settled(ended.clone()));
        }
        let action = Action::Report(reports.into_iter().map(|(_, report)| report).collect());
        self.enqueue(server, Command { request: None, action }, Purpose::Reports { agent, ended });
    }

    /// A server's process dies with everything in memory.
    pub(crate) fn crash_server(&mut self, server: usize) {
        let at = &mut self.servers[server];
        if !at.alive {
            return;
        }
        *at = Server {
            alive: false,
            life: at.life + 1,
            isolated: at.isolated,
            ..Server::new(at.clock, at.data, at.formats)
        };
        if self.log.leader == Some(server) {
            self.call_election();
        }
    }

    /// It starts again, from a snapshot or from the log's beginning.
    pub(crate) fn server_starts(&mut self, server: usize) {
        if self.servers[server].alive {
            return;
        }
        if self.chance.per_mille(300) {
            self.servers[server].data = newest_zone_data();
        }
        self.maybe_upgrade(server);
        let from = self.chance.below(self.log.snapshots.len() as u64 + 1) as usize;
        let snapshot = self.log.snapshots.get(from).cloned();
        let mut ledger = Ledger::default();
        if let Some(snapshot) = snapshot {
            let snapshot = mutants::at_install(self, snapshot);
            match State::rebuild(snapshot.index, snapshot.time, snapshot.records) {
                Ok(state) => ledger = Ledger::over(state),
                Err(error) => self.checks.fail(7, format!("a snapshot cannot be read: {error}")),
            }
        }
        let at = &mut self.servers[server];
        at.ledger = ledger;
        at.alive = true;
        self.will_apply(server);
    }

    /// Some server writes a snapshot of what it has applied.
    pub(crate) fn take_snapshot(&mut self) {
        let server = self.chance.below(self.servers.len() as u64) as usize;
        if self.servers[server].alive {
            let state = self.servers[server].ledger.state.clone();
            self.checks.rebuild(&state);
            self.log.snapshots.push(crate::log::Snapshot {
                index: state.applied(),
                time: state.time(),
                records: state.records().collect(),
            });
        }
        let micros = self.chance.between(2_000_000, 12_000_000);
        if self.phase != Phase::Rest {
            self.after(micros, Event::TakeSnapshot);
        }
    }
}
