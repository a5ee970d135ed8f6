//! The servers as seen from one of them: what each says of itself, and whether it lives. Gossip fills it;
//! bootstrap, membership and every dial read it. A plain value: who reads it sees one moment.

use crate::format::Formats;
use crate::ids::{NodeId, Stamp};
use crate::job::Words;
pub use crate::node::Liveness;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a server says of itself.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Announcement {
    /// Its id, kept in its data directory.
    pub id: NodeId,
    /// Its label, unique among the living.
    pub name: Arc<str>,
    /// The start of its process: random, so that two processes with one id (a copied disk) are told apart.
    pub process: u64,
    /// The cluster that it belongs to, once it does.
    pub stamp: Option<Stamp>,
    /// How many servers it expects to form the first cluster; 0 if it waits for one.
    pub expect: u32,
    /// Servers of another region are seen and left alone.
    pub region: Arc<str>,
    /// Its datacenter.
    pub datacenter: Arc<str>,
    /// The version of its program, for people.
    pub version: Arc<str>,
    /// The log formats that it reads and writes.
    pub formats: Formats,
    /// The format in force, as its state has it; 0 until it has one, and from a server that does not tell.
    pub format: u8,
    /// Where its gossip is reached, `host:port`.
    pub gossip: Arc<str>,
    /// Where it takes calls from other nodes, `host:port`.
    pub calls: Arc<str>,
    /// Where its API is reached, `host:port`.
    pub api: Arc<str>,
    /// The user's tags.
    pub tags: Words,
}

/// A server and whether it lives.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Sighting {
    /// What it last said of itself.
    pub server: Arc<Announcement>,
    /// Whether it lives.
    pub liveness: Liveness,
}

/// All servers that were seen, the own one included.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Roster {
    /// Who looks.
    pub own: NodeId,
    /// By id.
    pub servers: BTreeMap<NodeId, Sighting>,
}

impl Roster {
    /// The servers that live, the own one included.
    pub fn alive(&self) -> impl Iterator<Item = &Announcement> {
        let alive = |sighting: &&Sighting| sighting.liveness == Liveness::Alive;
        self.servers.values().filter(alive).map(|sighting| &*sighting.server)
    }

    /// What a server last said of itself.
    pub fn server(&self, id: NodeId) -> Option<&Announcement> {
        self.servers.get(&id).map(|sighting| &*sighting.server)
    }
}
