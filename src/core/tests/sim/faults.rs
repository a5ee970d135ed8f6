//! What goes wrong, when, and when it ends; and the two phases in which nothing goes wrong any more.

use crate::agent::Crash;
use crate::client::Wish;
use crate::event::{Event, Mending, Peer};
use crate::jobs::newest_zone_data;
use crate::world::{Phase, World};
use dkron_core::command::Scope;
use dkron_core::format::Formats;
use dkron_core::time::Span;

impl World {
    pub(crate) fn fault(&mut self) {
        if self.phase != Phase::Storm {
            return;
        }
        let gap = self.weather.fault_gap_ms;
        let micros = self.chance.between(gap * 300, gap * 2_000);
        self.after(micros, Event::Fault);
        let server = self.chance.below(self.servers.len() as u64) as usize;
        let agent = self.chance.below(self.agents.len() as u64) as usize;
        match self.chance.below(100) {
            0..18 => self.server_dies(server),
            18..30 => self.cut_server_off(server),
            30..38 => self.call_election(),
            38..60 => self.agent_dies(agent),
            60..66 => self.supervisor_fails(agent),
            66..82 => self.cut_agent_off(agent),
            82..92 => self.clock_jumps(server, agent),
            _ => self.everybody_restarts(),
        }
    }

    fn server_dies(&mut self, server: usize) {
        if self.servers[server].alive {
            self.trace.note(self.now, &("server dies", server));
            self.crash_server(server);
            let micros = self.chance.between(200_000, 9_000_000);
            self.after(micros, Event::ServerStarts { server });
        }
    }

    fn cut_server_off(&mut self, server: usize) {
        if !self.servers[server].isolated {
            self.trace.note(self.now, &("server is cut off", server));
            self.isolate(server, true);
            let micros = self.chance.between(300_000, 12_000_000);
            self.after(micros, Event::Mend(Mending::Reconnect(Peer::Server(server))));
        }
    }

    fn agent_dies(&mut self, agent: usize) {
        if !self.agents[agent].alive {
            return;
        }
        let boot = self.chance.per_mille(200);
        let crash = Crash {
            supervisor: self.chance.per_mille(250),
            boot,
            journal: self.chance.per_mille(250),
            identity: self.chance.per_mille(400),
        };
        self.crash_agent(agent, crash);
    }

    /// An agent hears no server, or no server hears it, or both.
    fn cut_agent_off(&mut self, agent: usize) {
        let way = self.chance.below(4);
        let only = self.chance.below(self.servers.len() as u64 * 2) as usize;
        for server in 0..self.servers.len() {
            if only < self.servers.len() && only != server {
                continue;
            }
            if way != 0 {
                self.cut.insert((Peer::Agent(agent), Peer::Server(server)));
            }
            if way != 1 {
                self.cut.insert((Peer::Server(server), Peer::Agent(agent)));
            }
        }
        self.trace.note(self.now, &("agent is cut off", agent, way, only));
        let micros = self.chance.between(300_000, 15_000_000);
        self.after(micros, Event::Mend(Mending::Reconnect(Peer::Agent(agent))));
    }

    fn clock_jumps(&mut self, server: usize, agent: usize) {
        let peer = if self.chance.per_mille(500) { Peer::Server(server) } else { Peer::Agent(agent) };
        let most = if self.weather.clock_ms == 0 { 0 } else { 20_000 };
        let by_ms = self.chance.between(-most, most);
        self.trace.note(self.now, &("clock jumps", peer, by_ms));
        self.jump(peer, by_ms);
        let micros = self.chance.between(500_000, 8_000_000);
        self.after(micros, Event::Mend(Mending::ClockBack(peer, by_ms)));
    }

    fn jump(&mut self, peer: Peer, by_ms: i64) {
        match peer {
            Peer::Server(server) => self.servers[server].clock.jump(Span::from_millis(by_ms)),
            Peer::Agent(agent) => self.agents[agent].clock.jump(Span::from_millis(by_ms)),
            Peer::Client => {}
        }
    }

    fn everybody_restarts(&mut self) {
        for server in 0..self.servers.len() {
            self.server_dies(server);
        }
    }

    pub(crate) fn mend(&mut self, mending: Mending) {
        match mending {
            Mending::Reconnect(Peer::Server(server)) => self.isolate(server, false),
            Mending::Reconnect(peer) => self.cut.retain(|(one, other)| *one != peer && *other != peer),
            Mending::ClockBack(peer, by_ms) if self.phase == Phase::Storm => self.jump(peer, -by_ms),
            Mending::ClockBack(..) => {}
        }
    }

    /// Faults are over: everybody is up, connected and on time, and nothing keeps ticks back.
    pub(crate) fn calm(&mut self) {
        self.phase = Phase::Calm;
        self.cut.clear();
        for server in 0..self.servers.len() {
            self.servers[server].clock.heal();
            self.isolate(server, false);
            let at = &mut self.servers[server];
            if (at.data, at.formats) != (newest_zone_data(), Formats::OWN) {
                (at.data, at.formats) = (newest_zone_data(), Formats::OWN);
                self.crash_server(server); // to the newest version
            }
            self.server_starts(server);
        }
        for agent in 0..self.agents.len() {
            self.agents[agent].clock.heal();
            self.agent_starts(agent);
        }
        let led = self.log.leader.is_some_and(|leader| {
            self.servers[leader].lead.as_ref().is_some_and(|lead| lead.term == self.log.term)
        });
        if !led {
            self.call_election();
        }
        self.want(Wish::Pause(false));
        self.want(Wish::Release(Scope::Cluster));
        let names: Vec<_> =
            self.checks.witness.state.jobs_by_name(None).map(|(_, job)| job.name.clone()).collect();
        for name in names {
            self.want(Wish::Release(Scope::Jobs(vec![name])));
        }
        self.want_nodes_alive();
    }

    /// Ticks end; what is under way goes on to its end.
    pub(crate) fn rest(&mut self) {
        self.check_punctual();
        self.phase = Phase::Rest;
        self.want(Wish::Hold(Scope::Cluster));
    }
}
