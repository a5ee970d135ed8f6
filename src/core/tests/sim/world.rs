//! The world: servers, agents, clients and the network between them, moved by one queue of events.

use crate::agent::Agent;
use crate::chance::Chance;
use crate::checks::Checks;
use crate::client::Clients;
use crate::clock::{BEGINNING, Clock};
use crate::event::{Event, Message, Peer, Settings};
use crate::jobs::{OLDER_ZONE_DATA, newest_zone_data};
use crate::log::Log;
use crate::mutants::Mutant;
use crate::server::Server;
use crate::trace::Trace;
use crate::upgrade::OLDER;
use dkron_core::format::Formats;
use dkron_core::time::{Span, Time};
use std::collections::{BTreeMap, BTreeSet};

/// How long faults go on.
const STORM: Span = Span::from_seconds(60);
/// How long jobs tick without faults.
const CALM: Span = Span::from_seconds(15);
/// How long the rest may take until everything has settled.
const REST: Span = Span::from_seconds(300);

/// Everything, at one instant.
pub(crate) struct World {
    pub(crate) now: Time,
    pub(crate) chance: Chance,
    pub(crate) trace: Trace,
    pub(crate) settings: Settings,
    pub(crate) weather: Weather,
    pub(crate) log: Log,
    pub(crate) servers: Vec<Server>,
    pub(crate) agents: Vec<Agent>,
    pub(crate) clients: Clients,
    pub(crate) checks: Checks,
    pub(crate) phase: Phase,
    queue: BTreeMap<(Time, u64), Event>,
    scheduled: u64,
    /// Who cannot hear whom.
    pub(crate) cut: BTreeSet<(Peer, Peer)>,
}

/// How far the run is.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Phase {
    /// Faults happen.
    Storm,
    /// No faults: every tick is decided in time.
    Calm,
    /// No ticks either: everything comes to rest.
    Rest,
}

/// How bad things are in this run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Weather {
    pub(crate) lost_per_mille: u64,
    pub(crate) doubled_per_mille: u64,
    pub(crate) slow_per_mille: u64,
    pub(crate) fault_gap_ms: i64,
    pub(crate) wish_gap_ms: i64,
    pub(crate) clock_ms: i64,
    /// Whether servers hold the wall clock against the boot clock.
    pub(crate) guarded: bool,
}

impl World {
    /// The world of a seed, with everything about to start.
    pub(crate) fn new(settings: Settings) -> World {
        let mut chance = Chance::new(settings.seed);
        let weather = Weather {
            lost_per_mille: *chance.pick(&[0, 10, 50, 150]),
            doubled_per_mille: *chance.pick(&[0, 20, 200]),
            slow_per_mille: *chance.pick(&[0, 10, 50]),
            fault_gap_ms: *chance.pick(&[600, 1_500, 4_000, 20_000]),
            wish_gap_ms: *chance.pick(&[150, 400, 1_000]),
            clock_ms: *chance.pick(&[0, 20, 300, 1_500]),
            guarded: chance.per_mille(500),
        };
        let servers = *chance.pick(&[1, 2, 3, 3, 5]);
        let agents = chance.between(1, 4) as usize;
        let mut world = World {
            now: BEGINNING,
            trace: Trace::new(settings.print),
            log: Log::default(),
            servers: (0..servers)
                .map(|_| {
                    let older = chance.per_mille(300);
                    let data = if older { OLDER_ZONE_DATA } else { newest_zone_data() };
                    let formats = if chance.per_mille(500) { OLDER } else { Formats::OWN };
                    Server::new(Clock::off_by(&mut chance, weather.clock_ms), data, formats)
                })
                .collect(),
            agents: (0..agents).map(|index| Agent::new(index, &mut chance, weather.clock_ms)).collect(),
            clients: Clients::default(),
            checks: Checks::default(),
            phase: Phase::Storm,
            queue: BTreeMap::new(),
            scheduled: 0,
            cut: BTreeSet::new(),
            chance,
            settings,
            weather,
        };
        world.begin();
        world
    }

    fn begin(&mut self) {
        self.found();
        self.after(0, Event::Elect { term: 0 });
        for agent in 0..self.agents.len() {
            let delay = self.chance.between(0, 300);
            self.after(delay * 1_000, Event::AgentStarts { agent });
        }
        self.after(500_000, Event::Wish);
        self.after(3_000_000, Event::Fault);
        self.after(5_000_000, Event::TakeSnapshot);
        self.at(BEGINNING + STORM, Event::Calm);
        self.at(BEGINNING + STORM + CALM, Event::Rest);
    }

    /// Runs to the end; the first thing that must not be, if anything.
    pub(crate) fn run(&mut self) -> Result<(), String> {
        let end = BEGINNING + STORM + CALM + REST;
        while let Some(((at, _), event)) = self.queue.pop_first() {
            self.now = at.max(self.now);
            self.trace.note(self.now, &Brief(&event));
            self.happen(event);
            if let Some(wrong) = self.checks.wrong.take() {
                return Err(wrong);
            }
            let resting = self.phase == Phase::Rest && self.rests();
            if resting || self.now >= end {
                break;
            }
        }
        self.check_settled()
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Deliver { to, from, message } => self.deliver(to, from, message),
            Event::Turn { server, term } => self.turn(server, term),
            Event::Watch { server, term } => self.watch(server, term),
            Event::Flush { server, term } => self.flush(server, term),
            Event::GiveUpWaiting { server, term, ticket } => self.give_up_waiting(server, term, ticket),
            Event::Commit { term } => self.commit_next(term),
            Event::Apply { server, life } => self.apply_some(server, life),
            Event::Elect { term } => self.elect(term),
            Event::Depose { server, term } => self.depose(server, term),
            Event::ServerStarts { server } => self.server_starts(server),
            Event::TakeSnapshot => self.take_snapshot(),
            Event::Synced { agent, life } => self.synced(agent, life),
            Event::AgentWakes { agent, life } => self.agent_wakes(agent, life),
            Event::AgentBeats { agent, life } => self.agent_beats(agent, life),
            Event::AgentDies { agent, life } => self.agent_is_killed(agent, life),
            Event::AgentStarts { agent } => self.agent_starts(agent),
            Event::SupervisorReads { agent, supervisor } => self.supervisor_reads(agent, supervisor),
            Event::Spawn { agent, supervisor, id } => self.spawn(agent, supervisor, id),
            Event::Exit { agent, supervisor, id, killed } => self.exit(agent, supervisor, id, killed),
            Event::Wish => self.wish(),
            Event::AskAgain(request) => self.ask(request),
            Event::Fault => self.fault(),
            Event::Mend(mending) => self.mend(mending),
            Event::Calm => self.calm(),
            Event::Rest => self.rest(),
        }
    }

    /// Lets something happen after some microseconds.
    pub(crate) fn after(&mut self, micros: i64, event: Event) {
        self.at(self.now + Span::from_nanos(micros * 1_000), event);
    }

    /// Lets something happen at an instant.
    pub(crate) fn at(&mut self, at: Time, event: Event) {
        self.scheduled += 1;
        self.queue.insert((at.max(self.now), self.scheduled), event);
    }

    /// Sends a message as this weather lets it pass.
    pub(crate) fn send(&mut self, from: Peer, to: Peer, message: Message) {
        let storm = self.phase == Phase::Storm;
        if storm && self.chance.per_mille(self.weather.doubled_per_mille) {
            self.send_once(from, to, message.clone());
        }
        self.send_once(from, to, message);
    }

    fn send_once(&mut self, from: Peer, to: Peer, message: Message) {
        let storm = self.phase == Phase::Storm;
        if storm && self.chance.per_mille(self.weather.lost_per_mille) {
            return;
        }
        let slow = storm && self.chance.per_mille(self.weather.slow_per_mille);
        let micros = match (slow, storm) {
            (true, _) => self.chance.between(100_000, 8_000_000),
            (false, true) => self.chance.between(200, 60_000),
            (false, false) => self.chance.between(200, 3_000),
        };
        self.after(micros, Event::Deliver { to, from, message });
    }

    fn deliver(&mut self, to: Peer, from: Peer, message: Message) {
        if self.cut.contains(&(from, to)) {
            return;
        }
        match to {
            Peer::Server(server) => self.server_hears(server, message),
            Peer::Agent(agent) => self.agent_hears(agent, from, message),
            Peer::Client => self.client_hears(message),
        }
    }

    /// Whether this run has this fault at its seams.
    pub(crate) fn has(&self, mutant: Mutant) -> bool {
        self.settings.mutant == Some(mutant)
    }
}

/// An event in few words, for the trace.
struct Brief<'a>(&'a Event);

impl std::fmt::Debug for Brief<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Event::Deliver { to, from, message } => {
                write!(formatter, "{from:?} -> {to:?}: ")?;
                match message {
                    Message::Launch(launch) => {
                        write!(formatter, "launch {} {} at {}", launch.execution, launch.id, launch.nominal)
                    }
                    Message::Reports { reports, .. } => reports.iter().try_for_each(|(_, report)| {
                        write!(formatter, "{} {:?}; ", report.execution, crate::checks::word(&report.event))
                    }),
                    Message::Hello { registration, .. } => {
                        write!(formatter, "hello {}", registration.journal)
                    }
                    other => write!(formatter, "{other:?}"),
                }
            }
            other => write!(formatter, "{other:?}"),
        }
    }
}
