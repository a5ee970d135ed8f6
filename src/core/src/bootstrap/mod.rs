//! How servers that expect one another come to be one cluster, and never two.
//!
//! Gossip only suggests; disks decide. Once the lowest of N waiting servers sees all N, it makes up a cluster (id
//! and exact set), promises it to itself, and asks each of the others for the same promise. All N promises are on
//! disk before it initialises, and whoever has promised one set serves no other: two sets that share a server
//! never both form. A promise ends in one of four ways: its cluster is formed; its initialiser, which then has
//! never initialised, gives it up; so many members have forsworn it, on disk and for ever, that no quorum of
//! it can come to be; an operator resets it. Names, addresses and clocks decide nothing.
//!
//! The caller carries out [`Step`]s in order and says what came of them. What it stores, it stores before it
//! answers. While a step is being carried out it asks for no other plan.

mod forming;
mod step;
#[cfg(test)]
mod tests;
mod view;
mod words;

pub use forming::{Forming, Service, Verdict};

use crate::command::Founding;
use crate::format::Formats;
use crate::ids::{ClusterId, NodeId, Stamp};
use std::collections::BTreeSet;
use std::sync::Arc;

/// A server's word, on its disk, that it serves this cluster and set and no other.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Promise {
    /// The cluster that is to be.
    pub cluster: ClusterId,
    /// Who asks for the promise, and alone may give it up.
    pub initialiser: NodeId,
    /// All of its first voters, exactly.
    pub set: BTreeSet<NodeId>,
    /// What the first leader founds the state with, whichever of the set it is.
    pub founder: Founding,
    /// The server has turned its promise round: it never serves this cluster before it is proven to be founded,
    /// and stays bound until the cluster is known to be dead.
    pub withdrawn: bool,
}

impl Promise {
    /// What messages of its cluster carry.
    pub fn stamp(&self) -> Stamp {
        Stamp { cluster: self.cluster, incarnation: self.founder.incarnation }
    }

    /// How many of its set, withdrawn, leave no quorum.
    pub fn deadly(&self) -> usize {
        self.set.len() - self.set.len() / 2
    }
}

/// What a server knows of itself when it starts.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Own {
    /// Its id.
    pub id: NodeId,
    /// How many servers are to form the first cluster; 0 if it only joins one.
    pub expect: u32,
    /// Its region: servers of others are left alone.
    pub region: Arc<str>,
    /// Whether it was given addresses to join: then it looks there before it forms a cluster of its own.
    pub has_seeds: bool,
    /// The log formats that it reads and writes.
    pub formats: Formats,
}

/// How far a server has come.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Stage {
    /// Its log is empty.
    #[default]
    Empty,
    /// Its log holds the first membership; nothing that it knows of was agreed upon yet.
    Initialised(Stamp),
    /// It belongs to a cluster that a quorum has founded.
    Founded(Stamp),
}

impl Stage {
    /// The cluster that it belongs to.
    pub fn stamp(self) -> Option<Stamp> {
        match self {
            Stage::Empty => None,
            Stage::Initialised(stamp) | Stage::Founded(stamp) => Some(stamp),
        }
    }
}

/// A question from server to server.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Hello {
    /// Who asks.
    pub from: NodeId,
    /// The promise that it holds.
    pub about: Option<Promise>,
    /// Whether its log is initialised with it: then every member had promised before it asked.
    pub initialised: bool,
}

/// The answer to a [`Hello`].
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Answer {
    /// The cluster that the answering server belongs to, founded or not.
    pub stamp: Option<Stamp>,
    /// Whether that cluster is founded.
    pub founded: bool,
    /// How many servers it expects.
    pub expect: u32,
    /// What it has to do with the cluster of the promise asked about.
    pub relation: Relation,
}

/// What a server has to do with a cluster, by what is on its disk.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Relation {
    /// Nothing. From the initialiser, to a holder of its promise: it gave the cluster up.
    #[default]
    None,
    /// It has promised.
    Holds,
    /// It has withdrawn or forsworn it, or belongs to another: it never serves this one before it is founded.
    Withdrawn,
    /// It knows that no quorum of it can ever come to be.
    Dead,
    /// Its log is of this cluster, which may not be founded yet.
    Initialised,
    /// It belongs to this founded cluster.
    Founded,
}

impl Relation {
    /// All relations in the order of their stable numbers.
    pub const ALL: [Relation; 6] = [
        Relation::None,
        Relation::Holds,
        Relation::Withdrawn,
        Relation::Dead,
        Relation::Initialised,
        Relation::Founded,
    ];

    /// The stable number of the wire.
    pub fn number(self) -> u8 {
        self as u8
    }

    /// The relation with this number.
    pub fn from_number(number: u8) -> Option<Relation> {
        Relation::ALL.get(usize::from(number)).copied()
    }
}

/// Why a promise is not given.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Refusal {
    /// It expects another number of servers.
    Expect(u32),
    /// The set is not what its initialiser may ask this server for.
    Malformed,
    /// It belongs to, or sees, a formed cluster.
    Formed(Stamp),
    /// It has withdrawn from this very cluster, or forsworn it.
    Withdrawn,
    /// It has promised another one.
    Promised {
        /// Which.
        cluster: ClusterId,
        /// Whose.
        initialiser: NodeId,
    },
    /// Its disk is busy with another promise: ask again.
    Storing,
}

impl Refusal {
    /// Whether asking again for the same promise is of no use.
    pub fn is_final(self) -> bool {
        !matches!(self, Refusal::Promised { .. } | Refusal::Storing)
    }
}

/// What to do, in order.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Step {
    /// Put this promise on disk, or none in its place; then say [`Forming::on_stored`].
    Store(Option<Promise>),
    /// Note on disk, for as long as the server belongs to no founded cluster, that it never serves this one; then
    /// say [`Forming::on_forsworn`].
    Forswear(ClusterId),
    /// Ask this server; its answer goes to [`Forming::on_answer`] together with the question.
    Hello(NodeId, Hello),
    /// Ask this server for its promise; its verdict goes to [`Forming::on_verdict`].
    Ask(NodeId, Promise),
    /// Tell this server that the own promise is given up; it needs not arrive.
    Abort(NodeId, ClusterId),
    /// Initialise the log with exactly this set as voters; then say [`Forming::on_initialised`]. The leader of an
    /// unfounded cluster proposes the promise's founding.
    Found(Promise),
    /// Take the log of this cluster from its leader; then say [`Forming::on_formed`].
    Join {
        /// The cluster.
        stamp: Stamp,
        /// Who confirmed it.
        via: NodeId,
    },
    /// The own log belongs to a cluster that can never be founded: set the data aside, say so, start anew under a
    /// new id.
    SetAside(ClusterId),
}

/// What is waited for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Wait {
    /// Nothing: it belongs to a cluster.
    Formed(Stamp),
    /// The own disk.
    Storing,
    /// The addresses to join, before a cluster of one is formed.
    Looking,
    /// More servers that expect the same number.
    Servers {
        /// How many are seen, the own one included.
        seen: u32,
        /// How many are expected.
        expect: u32,
    },
    /// A formed cluster, since the own server expects none.
    Cluster,
    /// The word of a server that seems to belong to a formed cluster.
    Confirmation,
    /// The leader of the cluster to take the server in.
    Admission(Stamp),
    /// The lowest of the waiting servers to begin.
    Begin(NodeId),
    /// A while, since the last attempt failed.
    Pause,
    /// The promises of these servers.
    Promises(BTreeSet<NodeId>),
    /// The initialiser of the promised cluster to form it or to give it up.
    Initialiser(NodeId),
    /// Other members to withdraw too, since the initialiser is silent.
    Withdrawals(BTreeSet<NodeId>),
    /// The own log to be initialised.
    Founding,
    /// A quorum of the first voters.
    Quorum(Stamp),
    /// A person, as the warnings say.
    Person,
}

/// What a person should know.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Warning {
    /// A server expects another number.
    Expect {
        /// Its name.
        name: Arc<str>,
        /// What it expects.
        theirs: u32,
        /// What the own one expects.
        own: u32,
    },
    /// More servers wait than are expected: the lowest ids form the cluster, the others join it.
    TooMany {
        /// How many wait.
        seen: u32,
        /// How many are expected.
        expect: u32,
    },
    /// Several living servers have one name.
    Name(Arc<str>),
    /// A server that waits too has no log format in common with the own one.
    Formats {
        /// Its name.
        name: Arc<str>,
        /// What it reads.
        theirs: Formats,
        /// What the own one reads.
        own: Formats,
    },
    /// Servers of one region belong to several clusters.
    Clusters(BTreeSet<ClusterId>),
    /// The initialiser of the promised cluster is silent.
    Silent {
        /// Who.
        initialiser: NodeId,
        /// Of which cluster.
        cluster: ClusterId,
    },
    /// The own log is initialised, and no quorum of the set founds its cluster: if too many disks of it are lost,
    /// a person must set the data of those that are left aside.
    NoQuorum {
        /// Of which cluster.
        cluster: ClusterId,
        /// Who does not answer or has withdrawn.
        missing: BTreeSet<NodeId>,
    },
    /// The cluster of the own promise lives, and the own log of it is gone.
    LostLog(ClusterId),
}

/// What to do now, what is waited for, and what is wrong.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Plan {
    /// To be carried out in this order.
    pub steps: Vec<Step>,
    /// For people.
    pub wait: Wait,
    /// For people, sorted.
    pub warnings: Vec<Warning>,
}
