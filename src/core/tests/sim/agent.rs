//! An agent: the real journal rules over a virtual disk, a supervisor that outlives it, and processes.

use crate::chance::{Chance, mix};
use crate::clock::Clock;
use crate::event::{Event, Message, Peer};
use crate::mutants::Mutant;
use crate::world::{Phase, World};
use dkron_core::command::{Event as Happened, Report};
use dkron_core::execution::{Outcome, Verdict};
use dkron_core::ids::{BootId, ExecutionId, JournalId, NodeId, RunnerId};
use dkron_core::journal::{Action, Effects, Input, Journal, Place, Record};
use dkron_core::node::Registration;
use dkron_core::time::{Span, Time};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

/// A machine with an agent.
pub(crate) struct Agent {
    pub(crate) node: NodeId,
    pub(crate) clock: Clock,
    pub(crate) alive: bool,
    pub(crate) life: u64,
    pub(crate) journal: Option<Journal>,
    pub(crate) supervisor: Supervisor,
    index: usize,
    journal_id: JournalId,
    boot: BootId,
    /// What survives a crash.
    disk: Vec<Record>,
    /// Steps whose records are not durable yet.
    steps: VecDeque<Effects>,
    syncing: bool,
    welcomed: bool,
    home: usize,
    heard: Time,
    beats: u64,
    next_wake: Time,
    /// Where its operator says that it stands, and how much it may take: both may be others at each start.
    zone: &'static str,
    slots: u32,
    /// Launches that it has heard, for the fault that starts them twice.
    launched: BTreeSet<ExecutionId>,
}

/// The supervisor's process and what it keeps of its children.
#[derive(Default)]
pub(crate) struct Supervisor {
    pub(crate) life: u64,
    /// What an agent said to it and it has not read: this outlives the agent.
    unread: VecDeque<Order>,
    /// It reads nothing before this instant.
    stalled_until: Time,
    children: BTreeMap<ExecutionId, Child>,
}

enum Order {
    Start(ExecutionId),
    Stop(ExecutionId),
    Release(ExecutionId),
}

enum Child {
    Told,
    Runs,
    Ended(Outcome),
}

/// What dies, and what is lost, in an agent's crash.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Crash {
    pub(crate) supervisor: bool,
    pub(crate) boot: bool,
    pub(crate) journal: bool,
    pub(crate) identity: bool,
}

impl Agent {
    pub(crate) fn new(index: usize, chance: &mut Chance, clock_ms: i64) -> Agent {
        Agent {
            node: NodeId(chance.wide()),
            clock: Clock::off_by(chance, clock_ms),
            alive: false,
            life: 0,
            journal: None,
            supervisor: Supervisor::default(),
            index,
            journal_id: JournalId(chance.wide()),
            boot: BootId(chance.wide()),
            disk: Vec::new(),
            steps: VecDeque::new(),
            syncing: false,
            welcomed: false,
            home: 0,
            heard: Time::EPOCH,
            beats: 0,
            next_wake: Time::NEVER,
            zone: if index.is_multiple_of(2) { "even" } else { "odd" },
            slots: 4,
            launched: BTreeSet::new(),
        }
    }

    fn registration(&self) -> Registration {
        Registration {
            node: self.node,
            name: format!("node-{}", self.index).into(),
            life: self.life,
            journal: self.journal_id,
            boot: self.boot,
            tags: [("zone".to_owned(), self.zone.to_owned()), ("dc".to_owned(), "one".to_owned())].into(),
            slots: self.slots,
            server: false,
            address: format!("10.0.0.{}:8946", self.index).into(),
        }
    }
}

/// How long an execution takes and how it ends: a hash of its id.
fn fate(id: ExecutionId) -> (Span, Verdict, i32) {
    let number = mix(id.0 as u64 ^ (id.0 >> 64) as u64);
    let millis = match number % 100 {
        0..70 => 50 + (number >> 8) % 850,
        70..95 => 1_000 + (number >> 8) % 3_000,
        _ => 4_000 + (number >> 8) % 8_000,
    };
    let verdict = if (number >> 40).is_multiple_of(4) { Verdict::Failed } else { Verdict::Succeeded };
    (Span::from_millis(millis as i64), verdict, (number >> 33) as i32)
}

fn outcome(verdict: Verdict, code: Option<i32>, started_at: Time, finished_at: Time) -> Outcome {
    Outcome {
        verdict,
        started_at,
        finished_at,
        code,
        error: Arc::default(),
        tail: Arc::default(),
        output_bytes: 0,
    }
}

impl World {
    pub(crate) fn agent_starts(&mut self, agent: usize) {
        let now = self.now;
        let at = &mut self.agents[agent];
        if at.alive {
            return;
        }
        at.life += 1;
        at.alive = true;
        at.heard = now;
        at.next_wake = Time::NEVER;
        at.journal = Some(Journal::replay(at.journal_id, at.slots, at.disk.clone()));
        let life = at.life;
        self.attach(agent);
        self.after(1_000, Event::AgentBeats { agent, life });
    }

    /// The supervisor reads all that was said to it before, then tells of everything that it runs or ran.
    fn attach(&mut self, agent: usize) {
        let hears = !self.has(Mutant::SupervisorListsBeforeHearing);
        while hears && self.read_order(agent) {}
        let at = &self.agents[agent];
        let shown = at.clock.shows(self.now);
        let known: Vec<Input> = at
            .supervisor
            .children
            .iter()
            .map(|(id, child)| match child {
                Child::Told => Input::Began { id: *id, at: Time::EPOCH, process: None },
                Child::Runs => Input::Began { id: *id, at: shown, process: None },
                Child::Ended(outcome) => Input::Ended { id: *id, outcome: outcome.clone() },
            })
            .collect();
        let life = if self.has(Mutant::SupervisorTakenForTheOneBefore) { 0 } else { at.supervisor.life };
        let runner = RunnerId(u128::from(life));
        for input in known {
            self.agent_step(agent, input);
        }
        self.agent_step(agent, Input::Attached(runner));
    }

    fn agent_step(&mut self, agent: usize, input: Input) {
        let now = self.now;
        let at = &mut self.agents[agent];
        let shown = at.clock.shows(now);
        let Some(journal) = &mut at.journal else { return };
        let mut effects = journal.step(shown, input);
        for action in &effects.actions {
            if let Action::Start { launch, .. } = action {
                self.checks.may_start(launch.id, shown, at.journal_id);
            }
        }
        let wake = journal.wake_at().map(|wake| at.clock.when(wake, now).max(now + Span::from_millis(1)));
        let life = at.life;
        if let Some(wake) = wake.filter(|wake| *wake < at.next_wake) {
            at.next_wake = wake;
            self.at(wake, Event::AgentWakes { agent, life });
        }
        if self.phase == Phase::Storm && self.chance.per_mille(2) {
            let micros = self.chance.between(0, 3_000);
            self.after(micros, Event::AgentDies { agent, life });
        }
        if self.has(Mutant::SpawnBeforeSync) {
            let actions = std::mem::take(&mut effects.actions);
            self.act(agent, actions);
        }
        self.agents[agent].steps.push_back(effects);
        if !self.agents[agent].syncing {
            self.agents[agent].syncing = true;
            let slow = self.phase == Phase::Storm && self.chance.per_mille(20);
            let micros = self.chance.between(100, if slow { 400_000 } else { 4_000 });
            self.after(micros, Event::Synced { agent, life });
        }
    }

    fn is_life(&self, agent: usize, life: u64) -> bool {
        self.agents[agent].alive && self.agents[agent].life == life
    }

    /// Everything written so far is durable; only now is it acted upon.
    pub(crate) fn synced(&mut self, agent: usize, life: u64) {
        if !self.is_life(agent, life) {
            return;
        }
        let at = &mut self.agents[agent];
        at.syncing = false;
        let mut actions = Vec::new();
        for effects in at.steps.drain(..) {
            at.disk.extend(effects.records);
            actions.extend(effects.actions);
        }
        if self.phase == Phase::Storm && self.chance.per_mille(2) {
            let some = self.chance.below(actions.len() as u64 + 1) as usize;
            actions.truncate(some);
            self.act(agent, actions);
            return self.agent_is_killed(agent, life);
        }
        self.act(agent, actions);
        let at = &mut self.agents[agent];
        if at.disk.len() > 200 && at.steps.is_empty() {
            at.disk = at.journal.as_ref().map(Journal::snapshot).unwrap_or_default();
        }
    }

    /// Its process dies, and seldom the supervisor's too.
    pub(crate) fn agent_is_killed(&mut self, agent: usize, life: u64) {
        if self.is_life(agent, life) {
            let supervisor = self.chance.per_mille(300);
            self.crash_agent(agent, Crash { supervisor, boot: false, journal: false, identity: false });
        }
    }

    fn act(&mut self, agent: usize, actions: Vec<Action>) {
        let mut reports = Vec::new();
        for action in actions {
            match action {
                Action::Report { id, report } => reports.push((id, report)),
                Action::Start { launch, turn, .. } => {
                    let journal = self.agents[agent].journal.as_ref();
                    if journal.is_some_and(|journal| journal.may_start(launch.id, turn)) {
                        self.order(agent, Order::Start(launch.id));
                    }
                }
                Action::Stop { id } => self.order(agent, Order::Stop(id)),
                Action::Release { id } => self.order(agent, Order::Release(id)),
                Action::Remark(_) => {}
            }
        }
        if !reports.is_empty() {
            self.report(agent, reports);
        }
    }

    fn report(&mut self, agent: usize, reports: Vec<(ExecutionId, Report)>) {
        let ended: Vec<ExecutionId> = reports
            .iter()
            .filter(|(_, report)| matches!(report.event, Happened::Finished(_)))
            .map(|(id, _)| *id)
            .collect();
        self.send_home(agent, Message::Reports { agent, reports });
        if self.has(Mutant::SpoolDropsAnEntry) && !ended.is_empty() && self.chance.per_mille(200) {
            self.agent_step(agent, Input::Settled(ended));
        }
    }

    fn send_home(&mut self, agent: usize, message: Message) {
        self.send(Peer::Agent(agent), Peer::Server(self.agents[agent].home), message);
    }

    /// Says something to the supervisor, which reads it soon, or not so soon.
    fn order(&mut self, agent: usize, order: Order) {
        let stalls = self.phase == Phase::Storm && self.chance.per_mille(30);
        let stalled_until = self.now + Span::from_millis(self.chance.between(0, 3_000));
        let supervisor = &mut self.agents[agent].supervisor;
        if stalls {
            supervisor.stalled_until = stalled_until;
        }
        supervisor.unread.push_back(order);
        let supervisor = supervisor.life;
        let micros = self.chance.between(10, 500);
        self.after(micros, Event::SupervisorReads { agent, supervisor });
    }

    pub(crate) fn supervisor_reads(&mut self, agent: usize, supervisor: u64) {
        let at = &self.agents[agent].supervisor;
        if at.life == supervisor && self.now < at.stalled_until {
            self.at(at.stalled_until, Event::SupervisorReads { agent, supervisor });
        } else if at.life == supervisor {
            self.read_order(agent);
        }
    }

    /// The supervisor does what was said first; false if it has read everything.
    fn read_order(&mut self, agent: usize) -> bool {
        let supervisor = &mut self.agents[agent].supervisor;
        let Some(order) = supervisor.unread.pop_front() else { return false };
        match order {
            Order::Start(id) => self.told_to_start(agent, id),
            Order::Stop(id) => self.stop(agent, id),
            Order::Release(id) => drop(supervisor.children.remove(&id)),
        }
        true
    }

    fn told_to_start(&mut self, agent: usize, id: ExecutionId) {
        let supervisor = &mut self.agents[agent].supervisor;
        // The real one answers a second order with what it knows; but nobody may give one.
        let known = supervisor.children.contains_key(&id);
        if known && !self.settings.mutant.is_some_and(Mutant::is_of_agent) {
            return self.checks.fail(6, format!("the supervisor is told twice to start {id}"));
        }
        supervisor.children.insert(id, Child::Told);
        let supervisor = supervisor.life;
        let slow = self.phase == Phase::Storm && self.chance.per_mille(20);
        let micros = self.chance.between(100, if slow { 900_000 } else { 10_000 });
        self.after(micros, Event::Spawn { agent, supervisor, id });
    }

    pub(crate) fn spawn(&mut self, agent: usize, supervisor: u64, id: ExecutionId) {
        let now = self.now;
        let at = &mut self.agents[agent];
        let told = matches!(at.supervisor.children.get(&id), Some(Child::Told));
        if at.supervisor.life != supervisor || !told {
            return;
        }
        at.supervisor.children.insert(id, Child::Runs);
        let began = Input::Began { id, at: at.clock.shows(now), process: None };
        self.checks.started(id, now);
        let (takes, ..) = fate(id);
        self.at(now + takes, Event::Exit { agent, supervisor, id, killed: false });
        self.agent_step(agent, began);
    }

    pub(crate) fn exit(&mut self, agent: usize, supervisor: u64, id: ExecutionId, killed: bool) {
        let at = &mut self.agents[agent];
        let runs = matches!(at.supervisor.children.get(&id), Some(Child::Runs));
        if at.supervisor.life != supervisor || !runs {
            return;
        }
        let shown = at.clock.shows(self.now);
        let (_, verdict, code) = fate(id);
        let ended = if killed {
            outcome(Verdict::Cancelled, None, shown, shown)
        } else {
            outcome(verdict, Some(code), shown, shown)
        };
        at.supervisor.children.insert(id, Child::Ended(ended.clone()));
        self.checks.ended(id, self.now, ended.code);
        self.agent_step(agent, Input::Ended { id, outcome: ended });
    }

    fn stop(&mut self, agent: usize, id: ExecutionId) {
        let at = &mut self.agents[agent];
        let supervisor = at.supervisor.life;
        match at.supervisor.children.get(&id) {
            Some(Child::Told) => {
                let never = outcome(Verdict::Cancelled, None, Time::EPOCH, at.clock.shows(self.now));
                at.supervisor.children.insert(id, Child::Ended(never.clone()));
                self.agent_step(agent, Input::Ended { id, outcome: never });
            }
            Some(Child::Runs) => {
                let micros = self.chance.between(1_000, 500_000);
                self.after(micros, Event::Exit { agent, supervisor, id, killed: true });
            }
            _ => {}
        }
    }

    pub(crate) fn agent_wakes(&mut self, agent: usize, life: u64) {
        if self.is_life(agent, life) && self.agents[agent].next_wake == self.now {
            self.agents[agent].next_wake = Time::NEVER;
            self.agent_step(agent, Input::Tick);
        }
    }

    pub(crate) fn agent_beats(&mut self, agent: usize, life: u64) {
        if !self.is_life(agent, life) {
            return;
        }
        self.after(1_000_000, Event::AgentBeats { agent, life });
        let silent = self.now - self.agents[agent].heard > Span::from_seconds(4);
        if silent {
            self.agents[agent].home = self.chance.below(self.servers.len() as u64) as usize;
            self.agents[agent].welcomed = false;
            self.agents[agent].heard = self.now;
        }
        self.agents[agent].beats += 1;
        if self.agents[agent].welcomed {
            let journal = self.agents[agent].journal_id;
            self.send_home(agent, Message::Ping { agent, journal });
        } else {
            self.hello(agent);
        }
        if self.agents[agent].beats.is_multiple_of(3) {
            self.tell_standing(agent);
        }
    }

    fn hello(&mut self, agent: usize) {
        let registration = self.agents[agent].registration();
        let life = self.agents[agent].life;
        self.send_home(agent, Message::Hello { agent, life, registration });
    }

    /// Repeats what the servers have not acknowledged.
    fn tell_standing(&mut self, agent: usize) {
        let durable = self.agents[agent].steps.is_empty();
        let Some(journal) = self.agents[agent].journal.as_ref().filter(|_| durable) else { return };
        let standing = journal.standing(None, 100);
        if !standing.is_empty() {
            self.send_home(agent, Message::Reports { agent, reports: standing });
        }
    }

    pub(crate) fn agent_hears(&mut self, agent: usize, from: Peer, message: Message) {
        if !self.agents[agent].alive {
            return;
        }
        self.agents[agent].heard = self.now;
        match message {
            Message::Welcome { life } if self.is_life(agent, life) => {
                self.agents[agent].welcomed = true;
                if let Peer::Server(server) = from {
                    self.agents[agent].home = server;
                }
                self.tell_standing(agent);
            }
            Message::HelloAgain => {
                self.agents[agent].welcomed = false;
                self.hello(agent);
            }
            Message::Launch(launch) => self.launched(agent, *launch),
            Message::Cancel { life, execution, id } if self.is_life(agent, life) => {
                self.agent_step(agent, Input::Cancel { execution, id });
            }
            Message::Settled(ids) => {
                self.checks.acknowledged(&ids);
                self.agent_step(agent, Input::Settled(ids));
            }
            _ => {}
        }
    }

    fn launched(&mut self, agent: usize, mut launch: dkron_core::delivery::Launch) {
        let ours = launch.journal == self.agents[agent].journal_id;
        self.checks.launched(&launch, ours.then_some(self.agents[agent].node));
        let id = launch.id;
        if self.has(Mutant::AgentIgnoresTheNominalTime) {
            launch.nominal = Time::EPOCH;
        }
        if self.has(Mutant::AgentTakesForeignJournals) {
            launch.journal = self.agents[agent].journal_id;
        }
        let known = !self.agents[agent].launched.insert(id);
        self.agent_step(agent, Input::Launch(launch, Place::Runner));
        if known && self.has(Mutant::DoubledLaunchRunsTwice) {
            self.order(agent, Order::Start(id));
        }
    }

    /// An agent's process dies, perhaps with more.
    pub(crate) fn crash_agent(&mut self, agent: usize, crash: Crash) {
        self.trace.note(self.now, &(agent, crash));
        let durable = self.chance.below(self.agents[agent].steps.len() as u64 + 1) as usize;
        let unread = self.agents[agent].supervisor.unread.len();
        let sent = unread - self.chance.below(unread as u64 + 1) as usize;
        let at = &mut self.agents[agent];
        for effects in at.steps.drain(..).take(durable) {
            at.disk.extend(effects.records);
        }
        // What was not read was in the socket, or still in the agent's own memory.
        at.supervisor.unread.truncate(sent);
        at.alive = false;
        at.life += 1;
        at.journal = None;
        at.syncing = false;
        at.welcomed = false;
        if crash.boot {
            at.boot = BootId(self.chance.wide());
        }
        if crash.journal {
            at.disk.clear();
            at.journal_id = JournalId(self.chance.wide());
        }
        if crash.journal && crash.identity {
            at.node = NodeId(self.chance.wide());
        }
        if crash.supervisor || crash.boot {
            self.kill_supervisor(agent);
        }
        if self.chance.per_mille(150) {
            let at = &mut self.agents[agent];
            at.zone = *self.chance.pick(&["even", "odd", "elsewhere"]);
            at.slots = *self.chance.pick(&[2, 4]);
        }
        let micros = self.chance.between(50_000, 9_000_000);
        self.after(micros, Event::AgentStarts { agent });
    }

    /// The supervisor dies, and with it (by the kernel's parent-death signal) its children.
    pub(crate) fn kill_supervisor(&mut self, agent: usize) {
        let now = self.now;
        let supervisor = &mut self.agents[agent].supervisor;
        supervisor.life += 1;
        supervisor.unread.clear();
        supervisor.stalled_until = Time::EPOCH;
        for (id, child) in std::mem::take(&mut supervisor.children) {
            if matches!(child, Child::Runs) {
                self.checks.ended(id, now, None);
            }
        }
    }

    /// The connection breaks while both live, or because the supervisor dies: the agent starts another one, and
    /// attaches to what is there.
    pub(crate) fn supervisor_fails(&mut self, agent: usize) {
        if self.agents[agent].alive {
            if self.chance.per_mille(600) {
                self.kill_supervisor(agent);
            }
            self.agent_step(agent, Input::Detached);
            self.attach(agent);
        }
    }
}
