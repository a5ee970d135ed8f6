//! From processes that the library hears of to servers that live or not. A pure part.
//!
//! The library knows processes (an id, a start, an address); a server is known by its id alone, whatever its
//! address. A process counts as alive when the library's detector says so; one that was never seen alive is no
//! news of anything until the time in which it would have shown itself is over.

use super::entries::State;
use super::standing::{Rank, Twin};
use dkron_core::ids::NodeId;
use dkron_core::roster::{Announcement, Liveness, Roster, Sighting};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// More servers than this are not remembered: the one that is gone for longest is forgotten first.
const KNOWN_MAX: usize = 2_048;

/// The times that matter here.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    /// A process that is silent for this long is dead.
    pub(super) silence: Duration,
    /// News of a dead process come to their end after this long.
    pub(super) stale: Duration,
    /// After this long it is certain whether a process lives.
    pub(super) certain: Duration,
    /// A server that is gone for this long is forgotten.
    pub(super) reap: Duration,
}

/// A process that the library has heard of.
#[derive(Clone, Debug)]
pub(super) struct Heard {
    pub(super) id: NodeId,
    /// Its start.
    pub(super) generation: u64,
    pub(super) address: SocketAddr,
    pub(super) heartbeat: u64,
    /// The detector's word.
    pub(super) live: bool,
    pub(super) state: State,
    pub(super) about: Arc<Announcement>,
}

impl Heard {
    fn rank(&self) -> Rank {
        (self.state, self.generation, self.about.process)
    }

    fn lives(&self) -> bool {
        self.live && self.state != State::Left
    }
}

#[derive(Clone, Copy, Debug)]
struct Track {
    first: Instant,
    heartbeat: u64,
    advanced: Option<Instant>,
}

#[derive(Clone, Debug)]
struct Known {
    server: Arc<Announcement>,
    address: SocketAddr,
    liveness: Liveness,
    /// Since when it is that.
    since: Instant,
    /// When it was last seen alive.
    alive: Instant,
}

/// All that is known of the others.
#[derive(Debug)]
pub(super) struct Sightings {
    own: NodeId,
    times: Times,
    tracks: BTreeMap<(NodeId, u64), Track>,
    known: BTreeMap<NodeId, Known>,
}

impl Sightings {
    pub(super) fn new(own: NodeId, times: Times) -> Sightings {
        Sightings { own, times, tracks: BTreeMap::new(), known: BTreeMap::new() }
    }

    pub(super) fn times(&self) -> Times {
        self.times
    }

    /// Starts with nothing.
    pub(super) fn forget_all(&mut self) {
        self.tracks.clear();
        self.known.clear();
    }

    /// Takes in what the library knows now.
    pub(super) fn observe(&mut self, heard: &[Heard], now: Instant) {
        self.track(heard, now);
        let mut servers: BTreeMap<NodeId, Vec<&Heard>> = BTreeMap::new();
        for process in heard.iter().filter(|process| process.id != self.own) {
            servers.entry(process.id).or_default().push(process);
        }
        for (id, processes) in &servers {
            self.conclude(*id, processes, now);
        }
        self.expire(now);
    }

    fn track(&mut self, heard: &[Heard], now: Instant) {
        let before = std::mem::take(&mut self.tracks);
        for process in heard {
            let key = (process.id, process.generation);
            let fresh = Track { first: now, heartbeat: process.heartbeat, advanced: None };
            let mut track = before.get(&key).copied().unwrap_or(fresh);
            if process.heartbeat > track.heartbeat {
                track = Track { heartbeat: process.heartbeat, advanced: Some(now), ..track };
            }
            self.tracks.insert(key, track);
        }
    }

    /// What the processes of one server say of it.
    fn conclude(&mut self, id: NodeId, processes: &[&Heard], now: Instant) {
        let track = |process: &Heard| self.tracks.get(&(process.id, process.generation));
        let moves = |process: &&&Heard| {
            let advanced = track(process).and_then(|track| track.advanced);
            advanced.is_some_and(|at| now.saturating_duration_since(at) < self.times.stale)
        };
        let living: Vec<&Heard> = processes.iter().copied().filter(|process| process.lives()).collect();
        let moving = living.iter().filter(moves).min_by_key(|process| process.rank());
        if let Some(process) = moving.or_else(|| living.iter().min_by_key(|process| process.rank())) {
            return self.note(process, Liveness::Alive, now);
        }
        let first = |process: &Heard| track(process).map_or(now, |track| track.first);
        let latest = processes.iter().max_by_key(|process| (first(process), process.generation));
        let Some(latest) = latest else { return };
        let is_open = now.saturating_duration_since(first(latest)) < self.times.silence;
        let was_alive = self.known.get(&id).map(|known| known.alive);
        let since_alive = was_alive.map(|alive| now.saturating_duration_since(alive));
        if latest.state == State::Left {
            self.note(latest, Liveness::Left, now);
        } else if !is_open || since_alive.is_some_and(|since| since >= self.times.stale) {
            self.note(latest, Liveness::Failed, now);
        }
    }

    fn note(&mut self, process: &Heard, liveness: Liveness, now: Instant) {
        let before = self.known.get(&process.id);
        let changed = before.is_none_or(|before| before.liveness != liveness);
        let since = before.filter(|_| !changed).map_or(now, |before| before.since);
        let alive = match (liveness, before) {
            (Liveness::Alive, _) | (_, None) => now,
            (_, Some(before)) => before.alive,
        };
        let (server, address) = (process.about.clone(), process.address);
        self.known.insert(process.id, Known { server, address, liveness, since, alive });
    }

    /// Servers that nobody speaks of any more: dead after a while, forgotten in the end.
    fn expire(&mut self, now: Instant) {
        for known in self.known.values_mut() {
            let is_unheard = now.saturating_duration_since(known.alive) >= 2 * self.times.silence;
            if known.liveness == Liveness::Alive && is_unheard {
                (known.liveness, known.since) = (Liveness::Failed, now);
            }
        }
        let reap = self.times.reap;
        self.known.retain(|_, known| {
            known.liveness == Liveness::Alive || now.saturating_duration_since(known.since) < reap
        });
        while self.known.len() > KNOWN_MAX {
            let oldest =
                self.known.iter().min_by_key(|(_, known)| (known.liveness == Liveness::Alive, known.since));
            let Some(id) = oldest.map(|(id, _)| *id) else { break };
            self.known.remove(&id);
        }
    }

    /// The other processes with the own id.
    pub(super) fn twins(&self, heard: &[Heard], process: u64) -> Vec<Twin> {
        let twins = heard.iter().filter(|other| {
            other.id == self.own && other.state != State::Left && other.about.process != process
        });
        let twins = twins.filter_map(|other| {
            let track = self.tracks.get(&(other.id, other.generation))?;
            let about = other.about.clone();
            Some(Twin { rank: other.rank(), first: track.first, advanced: track.advanced, about })
        });
        twins.collect()
    }

    /// The servers with the own one.
    pub(super) fn roster(&self, own: &Arc<Announcement>, state: State) -> Roster {
        let liveness = if state == State::Left { Liveness::Left } else { Liveness::Alive };
        let mut servers: BTreeMap<NodeId, Sighting> = self
            .known
            .iter()
            .map(|(id, known)| (*id, Sighting { server: known.server.clone(), liveness: known.liveness }))
            .collect();
        servers.insert(self.own, Sighting { server: own.clone(), liveness });
        Roster { own: self.own, servers }
    }

    /// Where the servers of this liveness were last reached.
    pub(super) fn addresses(&self, liveness: Liveness) -> impl Iterator<Item = SocketAddr> {
        self.known.values().filter(move |known| known.liveness == liveness).map(|known| known.address)
    }

    /// What the others that live say of themselves.
    pub(super) fn living(&self) -> impl Iterator<Item = &Announcement> {
        self.known.values().filter(|known| known.liveness == Liveness::Alive).map(|known| &*known.server)
    }
}

#[cfg(test)]
mod tests;
