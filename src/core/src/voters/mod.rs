//! Who votes: what the leader proposes as the servers come, go, fail and change, one change at a time.
//!
//! A function of what gossip says (who lives), of what the log says (who is a member, how far behind, when last
//! heard) and of what operators wished. No change leaves fewer live voters than a quorum of those that remain,
//! and no clean-up leaves fewer voters than `min_quorum`. Nothing flaps: a server earns its vote by having been well for
//! a while, and loses it to a person's wish, to its successor under the same name, or to a silence in which
//! gossip and log agree. A new leader starts to count from its first look, so it is slow to take away.

mod eligible;
mod format;
mod health;
mod plan;
#[cfg(test)]
mod tests;
mod watch;
mod wished;
mod words;

pub use format::{Gap, Holder, TooFarApart, admits, gap, holders, log_format, raise, strangers};
pub use health::{Complaint, Health, Peer, ServerHealth, heir, peers};
pub use plan::plan;
pub use watch::Watch;
pub use wished::{Unfit, WISH_MEMORY, Wished, admit, is_done};

use crate::ids::{NodeId, Stamp};
use crate::limits;
use crate::roster::Roster;
use crate::time::{Span, Time};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A member of the log's group, as its leader knows it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Member {
    /// Its name when it was taken in.
    pub name: Arc<str>,
    /// Its address for calls in the membership: only a fallback for dials, kept true all the same.
    pub address: Arc<str>,
    /// Whether it votes.
    pub voter: bool,
    /// Entries that it lags behind the leader; none if it was never heard.
    pub lag: Option<u64>,
    /// When it last answered the leader; none if never.
    pub heard: Option<Time>,
}

/// The log's group.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Membership {
    /// The leader, which plans.
    pub leader: NodeId,
    /// Whether a change is under way.
    pub changing: bool,
    /// Whether a change was begun, is in the log and was never finished: whoever made it died in between.
    pub unfinished: bool,
    /// All members.
    pub members: BTreeMap<NodeId, Member>,
}

impl Membership {
    /// The ids of those that vote.
    pub fn voters(&self) -> BTreeSet<NodeId> {
        self.members.iter().filter(|(_, member)| member.voter).map(|(id, _)| *id).collect()
    }
}

/// What a person asked for, kept until it is done or taken back.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Wish {
    /// Vote as soon as it is well, whatever the settings say.
    Promote,
    /// Be a member that does not vote.
    Demote,
    /// Be no member: `remove-peer`, or a server that leaves for good.
    Remove,
}

/// How the membership is controlled.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Settings {
    /// Promote, replace and clean up without being asked.
    pub autopilot: bool,
    /// Take away voters that are dead.
    pub clean_up: bool,
    /// No clean-up leaves fewer voters.
    pub min_quorum: usize,
    /// How long a server is silent until it is dead.
    pub dead_after: Span,
    /// How long a server is well until it may vote.
    pub stable_for: Span,
    /// How many entries a server may lag behind and be well.
    pub lag_max: u64,
    /// How long a server may be unheard by the leader and be well.
    pub silence_max: Span,
    /// Servers beyond do not vote.
    pub voters_max: usize,
    /// The tag that names a server's zone: if set, one server of each zone votes.
    pub zone_tag: Option<String>,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            autopilot: true,
            clean_up: true,
            min_quorum: 3,
            dead_after: limits::DEAD_AFTER,
            stable_for: limits::STABLE_FOR,
            lag_max: limits::LAG_MAX,
            silence_max: limits::SILENCE_MAX,
            voters_max: limits::VOTERS_MAX,
            zone_tag: None,
        }
    }
}

/// All that a plan is made from.
#[derive(Clone, Copy, Debug)]
pub struct Situation<'a> {
    /// The cluster.
    pub stamp: Stamp,
    /// The leader's region.
    pub region: &'a str,
    /// The log format in use.
    pub format: u8,
    /// What gossip says.
    pub roster: &'a Roster,
    /// What the log says.
    pub membership: &'a Membership,
    /// What persons asked for.
    pub wishes: &'a BTreeMap<NodeId, Wish>,
    /// The living nodes that registered and are no servers.
    pub agents: &'a BTreeSet<NodeId>,
    /// The servers whose machine is gone for good, as their cloud says.
    pub gone: &'a BTreeSet<NodeId>,
    /// How to.
    pub settings: &'a Settings,
}

/// One change of the membership.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Change {
    /// Take in a server that does not vote.
    AddLearner {
        /// Who.
        id: NodeId,
        /// Its name.
        name: Arc<str>,
        /// Its address for calls.
        address: Arc<str>,
    },
    /// Let a member vote.
    Promote(NodeId),
    /// Let a member vote no more, and keep it.
    Demote(NodeId),
    /// Let a member be none.
    Remove(NodeId),
    /// Let one vote in the other's place and remove the other, in one change.
    Replace {
        /// The voter that goes.
        old: NodeId,
        /// The member that votes instead.
        new: NodeId,
    },
    /// Note a member's new address.
    UpdateAddress {
        /// Whose.
        id: NodeId,
        /// The new one.
        address: Arc<str>,
    },
    /// Finish a change that was begun: the old voters are needed no more.
    Finish,
    /// Hand the leadership over: what is wished of the leader itself is done by the next one.
    HandOver {
        /// To whom.
        to: NodeId,
    },
}

/// Why.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Reason {
    /// A server came that was no member.
    Came,
    /// It was well for long enough.
    Stable,
    /// A person asked for it.
    Wished,
    /// It runs as an agent now.
    AgentNow,
    /// Another server came under its name.
    NewId,
    /// It is dead.
    Dead,
    /// Its machine is gone.
    Gone,
    /// There are more voters than allowed.
    Surplus,
    /// It has another address.
    Moved,
    /// Who began it did not finish it.
    Begun,
}

/// A change and why.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Proposal {
    /// What.
    pub change: Change,
    /// Why.
    pub reason: Reason,
}

/// The smallest number of servers that decides for so many.
pub fn quorum(voters: usize) -> usize {
    voters / 2 + 1
}
