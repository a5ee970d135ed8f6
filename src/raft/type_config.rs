//! The types that consensus is made of, because openraft leaves all of them to us.

use dkron_core::command::{Batch, Reply};
use dkron_core::ids::NodeId;
use std::fmt;
use std::sync::Arc;

/// A server's id as consensus sees it: a type of this crate, which the id of the core cannot be.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) struct ServerId(pub(crate) NodeId);

impl fmt::Display for ServerId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// openraft's suite numbers its servers.
#[cfg(test)]
impl From<u64> for ServerId {
    fn from(number: u64) -> ServerId {
        ServerId(NodeId(u128::from(number)))
    }
}

/// What the membership says of a server. Its address is only a fallback: gossip knows the present one.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Peer {
    /// Its name, a label.
    pub name: Arc<str>,
    /// The last address it was known by, `host:port`.
    pub address: Arc<str>,
}

/// A server with its id.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Server {
    /// The id.
    pub id: NodeId,
    /// Its name and address.
    pub peer: Peer,
}

impl fmt::Display for Server {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.peer.name.is_empty(), self.peer.address.is_empty()) {
            (true, _) => write!(formatter, "server {}", self.id),
            (false, true) => write!(formatter, "server {}", self.peer.name),
            (false, false) => write!(formatter, "server {} at {}", self.peer.name, self.peer.address),
        }
    }
}

/// The payload of a log entry: the batch, and the very bytes that stand on the disk and go to peers, so that
/// it is encoded once and decoded once wherever it travels.
#[derive(Clone)]
pub(crate) struct Payload {
    /// The commands.
    pub(crate) batch: Arc<Batch>,
    /// Their envelope.
    pub(crate) bytes: bytes::Bytes,
}

impl fmt::Debug for Payload {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl fmt::Display for Payload {
    /// Never the commands themselves: they may hold secrets, and this ends up in logs.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} commands, {} bytes", self.batch.commands.len(), self.bytes.len())
    }
}

/// The answers to one entry's commands, in order; empty for entries that hold none.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Replies(pub Vec<Reply>);

openraft::declare_raft_types!(
    /// The types of this program's consensus.
    pub(crate) Types:
        D = Payload,
        R = Replies,
        NodeId = ServerId,
        Node = Peer,
);

/// A log id: the leader that made the entry, and its index.
pub(crate) type LogId = openraft::alias::LogIdOf<Types>;
/// Who leads in which term.
pub(crate) type LeaderId = openraft::alias::LeaderIdOf<Types>;
/// A vote.
pub(crate) type Vote = openraft::alias::VoteOf<Types>;
/// A log entry.
pub(crate) type Entry = openraft::alias::EntryOf<Types>;
/// A membership.
pub(crate) type Membership = openraft::Membership<ServerId, Peer>;
/// A membership and the entry it came with.
pub(crate) type StoredMembership = openraft::alias::StoredMembershipOf<Types>;
/// What a snapshot holds.
pub(crate) type SnapshotMeta = openraft::alias::SnapshotMetaOf<Types>;

/// The index of the entry after this one.
pub(crate) fn next_index(id: Option<LogId>) -> u64 {
    id.map_or(0, |id| id.index + 1)
}
