//! Raft, seen from above: one committed log, and at most one leader in each term that can add to it.
//!
//! What a leader has proposed stands in line until it gets its quorum. At a change of leaders a part of the
//! line is committed all the same, by the new leader that happened to have it, and the rest is lost; the old
//! leader learns of neither for a while, and goes on believing.

use crate::event::{Event, Peer};
use crate::mutants;
use crate::server::Lead;
use crate::world::{Phase, World};
use dkron_core::command::{Action, Batch, Command, Founding};
use dkron_core::ids::{ClusterId, Incarnation};
use dkron_core::state::record::Record;
use dkron_core::time::Time;
use std::collections::VecDeque;
use std::sync::Arc;

/// The log and who may add to it.
#[derive(Default)]
pub(crate) struct Log {
    /// Committed; entry `n` stands at `n - 1`. None for the first entry of a term.
    pub(crate) entries: Vec<Entry>,
    pub(crate) term: u64,
    pub(crate) leader: Option<usize>,
    pub(crate) snapshots: Vec<Snapshot>,
    /// Proposed under the present term, in order.
    pending: VecDeque<Entry>,
    tickets: u64,
    committing: bool,
    electing: bool,
}

/// A committed or proposed entry.
#[derive(Clone)]
pub(crate) struct Entry {
    pub(crate) batch: Option<Arc<Batch>>,
    /// Names the proposal for its proposer; 0 for none.
    pub(crate) ticket: u64,
}

/// What a server keeps to start again from.
#[derive(Clone)]
pub(crate) struct Snapshot {
    pub(crate) index: u64,
    pub(crate) time: Time,
    pub(crate) records: Vec<Record>,
}

impl Log {
    /// The index of the last committed entry.
    pub(crate) fn last(&self) -> u64 {
        self.entries.len() as u64
    }

    /// Whether nothing is in line.
    pub(crate) fn is_quiet(&self) -> bool {
        self.pending.is_empty()
    }
}

impl World {
    pub(crate) fn found(&mut self) {
        let founding = Founding {
            cluster: ClusterId(1),
            incarnation: Incarnation(1),
            default_zone: "Europe/Berlin".into(),
            zone_data: self.servers[0].data.version().into(),
        };
        let command = Command { request: None, action: Action::Found(founding) };
        self.commit(Entry {
            batch: Some(Arc::new(Batch { time: self.now, commands: vec![command] })),
            ticket: 0,
        });
    }

    fn has_quorum(&self) -> bool {
        let up = self.servers.iter().filter(|server| server.alive && !server.isolated).count();
        up * 2 > self.servers.len()
    }

    /// A leader's proposal; the ticket by which it will know the answer. It may be refused outright.
    pub(crate) fn propose(&mut self, server: usize, term: u64, batch: Batch) -> Option<u64> {
        if self.phase == Phase::Storm && self.chance.per_mille(20) {
            return None;
        }
        self.log.tickets += 1;
        let ticket = self.log.tickets;
        if term == self.log.term && self.log.leader == Some(server) {
            self.log.pending.push_back(Entry { batch: Some(Arc::new(batch)), ticket });
            self.go_on_committing();
        } else if self.has(mutants::Mutant::DeposedLeaderActs) {
            let index = self.servers[server].ledger.state.applied() + 1;
            self.servers[server].ledger.apply(index, &batch);
        }
        Some(ticket)
    }

    fn go_on_committing(&mut self) {
        if !self.log.committing && !self.log.pending.is_empty() {
            self.log.committing = true;
            let slow = self.phase == Phase::Storm && self.chance.per_mille(30);
            let micros = self.chance.between(200, if slow { 900_000 } else { 8_000 });
            self.after(micros, Event::Commit { term: self.log.term });
        }
    }

    pub(crate) fn commit_next(&mut self, term: u64) {
        if term != self.log.term {
            return;
        }
        self.log.committing = false;
        let Some(leader) = self.log.leader else { return };
        if !self.servers[leader].alive || self.servers[leader].isolated || !self.has_quorum() {
            return;
        }
        if let Some(entry) = self.log.pending.pop_front() {
            self.commit(entry);
        }
        self.go_on_committing();
    }

    fn commit(&mut self, entry: Entry) {
        let entry = mutants::at_commit(self, entry);
        self.log.entries.push(entry.clone());
        let index = self.log.last();
        self.checks.committed(index, entry.batch.as_deref(), self.settings.mutant);
        if let Some(batch) = &entry.batch {
            self.trace.note(self.now, &crate::checks::BatchBrief(index, batch));
        }
        for server in 0..self.servers.len() {
            self.will_apply(server);
        }
    }

    /// Lets a server apply what it has not.
    pub(crate) fn will_apply(&mut self, server: usize) {
        let storm = self.phase == Phase::Storm;
        let (alive, life) = (self.servers[server].alive, self.servers[server].life);
        if alive && !self.servers[server].applying {
            self.servers[server].applying = true;
            let leads = self.log.leader == Some(server);
            let slow = storm && !leads && self.chance.per_mille(50);
            let micros = self.chance.between(50, if slow { 2_000_000 } else { 2_000 });
            self.after(micros, Event::Apply { server, life });
        }
    }

    /// The leader is gone, or cannot be heard: somebody else shall lead.
    pub(crate) fn call_election(&mut self) {
        if !self.log.electing {
            self.log.electing = true;
            let micros = self.chance.between(150_000, 1_500_000);
            self.after(micros, Event::Elect { term: self.log.term });
        }
    }

    pub(crate) fn elect(&mut self, term: u64) {
        self.log.electing = false;
        if term != self.log.term {
            return;
        }
        let candidates: Vec<usize> = (0..self.servers.len())
            .filter(|server| self.servers[*server].alive && !self.servers[*server].isolated)
            .collect();
        if !self.has_quorum() {
            self.log.electing = true;
            return self.after(500_000, Event::Elect { term });
        }
        let leader = *self.chance.pick(&candidates);
        if let Some(old) = self.log.leader.replace(leader) {
            self.end_term(old, leader, term);
        }
        self.log.term += 1;
        self.log.committing = false;
        self.commit(Entry { batch: None, ticket: 0 });
        let lead = Lead::new(self.log.term, self.log.last(), self.now, self.servers[leader].data);
        self.servers[leader].lead = Some(lead);
        self.trace.note(self.now, &("leader", leader, "term", self.log.term));
        self.after(1_000_000, Event::Watch { server: leader, term: self.log.term });
    }

    /// What the old leader had in line is committed up to some point and lost after it.
    fn end_term(&mut self, old: usize, new: usize, term: u64) {
        let line = std::mem::take(&mut self.log.pending);
        let kept = self.chance.below(line.len() as u64 + 1) as usize;
        for entry in line.into_iter().take(kept) {
            self.commit(entry);
        }
        if old == new || self.phase != Phase::Storm {
            return self.depose(old, term);
        }
        let micros = self.chance.between(1_000, 6_000_000);
        self.after(micros, Event::Depose { server: old, term });
    }

    /// Cuts a server off from the others, or back.
    pub(crate) fn isolate(&mut self, server: usize, isolated: bool) {
        self.servers[server].isolated = isolated;
        if isolated && self.log.leader == Some(server) {
            self.call_election();
        }
        if !isolated {
            if self.log.leader == Some(server) {
                self.go_on_committing();
            }
            self.will_apply(server);
        }
    }

    /// Whether two may speak, as far as servers are cut off from one another.
    pub(crate) fn servers_connected(&self, one: usize, other: usize) -> bool {
        let cut = self.servers[one].isolated || self.servers[other].isolated;
        !cut && !self.cut.contains(&(Peer::Server(one), Peer::Server(other)))
    }
}
