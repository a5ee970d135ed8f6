//! What consensus keeps on disk: votes and log entries, as plain values that the raft room converts.
//!
//! The consensus library's own types change with its versions; the bytes on the disk must not.

use crate::error::WireError;
use crate::generated::raft::v1 as proto;
use crate::wide;
use bytes::Bytes;
use dkron_core::ids::NodeId;
use prost::Message;
use std::collections::{BTreeMap, BTreeSet};

/// A leader: the term and who was elected in it.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct LeaderId {
    /// The term.
    pub term: u64,
    /// The server.
    pub node: NodeId,
}

/// An entry's name: who proposed it and where it stands.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct LogId {
    /// Who proposed it.
    pub leader: LeaderId,
    /// Where it stands.
    pub index: u64,
}

/// A server's vote, and whether a quorum agreed.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct Vote {
    /// For whom.
    pub leader: LeaderId,
    /// Whether a quorum gave the same.
    pub committed: bool,
}

/// An entry of the consensus log.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LogEntry {
    /// Its name.
    pub id: LogId,
    /// What it holds.
    pub payload: Payload,
}

/// What an entry holds.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Payload {
    /// Nothing: a new leader's first entry.
    Blank,
    /// The bytes of [`crate::entry::encode_batch`].
    Normal(Bytes),
    /// A change of the voters or nodes.
    Membership(Membership),
}

/// Who votes, and where everybody is.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Membership {
    /// One set of voters, or two while the cluster moves from one to the other.
    pub configs: Vec<BTreeSet<NodeId>>,
    /// Voters and learners.
    pub nodes: BTreeMap<NodeId, Node>,
}

/// What the membership knows of a server.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Node {
    /// Its label.
    pub name: String,
    /// Its last known address, `host:port`: a fallback for gossip.
    pub address: String,
}

/// The vote's bytes.
pub fn encode_vote(vote: &Vote) -> Vec<u8> {
    vote_to_proto(vote).encode_to_vec()
}

/// The vote in these bytes.
pub fn decode_vote(bytes: &[u8]) -> Result<Vote, WireError> {
    let vote = proto::Vote::decode(bytes).map_err(|error| WireError::malformed("vote", &error))?;
    vote_from_proto(Some(vote))
}

/// The log id's bytes, for records of how far the log was purged or committed.
pub fn encode_log_id(id: LogId) -> Vec<u8> {
    log_id_to_proto(id).encode_to_vec()
}

/// The log id in these bytes.
pub fn decode_log_id(bytes: &[u8]) -> Result<LogId, WireError> {
    let id = proto::LogId::decode(bytes).map_err(|error| WireError::malformed("log id", &error))?;
    log_id_from_proto(Some(id))
}

/// The membership's bytes.
pub fn encode_membership(membership: &Membership) -> Vec<u8> {
    membership_to_proto(membership).encode_to_vec()
}

/// The membership in these bytes.
pub fn decode_membership(bytes: &[u8]) -> Result<Membership, WireError> {
    let membership = proto::Membership::decode(bytes);
    membership_from_proto(membership.map_err(|error| WireError::malformed("membership", &error))?)
}

/// The entry's bytes.
pub fn encode_log_entry(entry: &LogEntry) -> Vec<u8> {
    entry_to_proto(entry).encode_to_vec()
}

/// The entry in these bytes. From a `Bytes` the payload is a view, not a copy.
pub fn decode_log_entry(bytes: impl bytes::Buf) -> Result<LogEntry, WireError> {
    let entry = proto::Entry::decode(bytes).map_err(|error| WireError::malformed("log entry", &error))?;
    entry_from_proto(entry)
}

pub(crate) fn entry_to_proto(entry: &LogEntry) -> proto::Entry {
    let payload = match &entry.payload {
        Payload::Blank => proto::entry::Payload::Blank(proto::Blank {}),
        Payload::Normal(bytes) => proto::entry::Payload::Normal(bytes.clone()),
        Payload::Membership(membership) => proto::entry::Payload::Membership(membership_to_proto(membership)),
    };
    proto::Entry { id: Some(log_id_to_proto(entry.id)), payload: Some(payload) }
}

pub(crate) fn entry_from_proto(entry: proto::Entry) -> Result<LogEntry, WireError> {
    let payload = match entry.payload.ok_or(WireError::Missing { field: "log_entry.payload" })? {
        proto::entry::Payload::Blank(_) => Payload::Blank,
        proto::entry::Payload::Normal(bytes) => Payload::Normal(bytes),
        proto::entry::Payload::Membership(membership) => {
            Payload::Membership(membership_from_proto(membership)?)
        }
    };
    Ok(LogEntry { id: log_id_from_proto(entry.id)?, payload })
}

pub(crate) fn vote_to_proto(vote: &Vote) -> proto::Vote {
    proto::Vote { leader: Some(leader_to_proto(vote.leader)), committed: vote.committed }
}

pub(crate) fn vote_from_proto(vote: Option<proto::Vote>) -> Result<Vote, WireError> {
    let vote = vote.ok_or(WireError::Missing { field: "vote" })?;
    Ok(Vote { leader: leader_from_proto(vote.leader)?, committed: vote.committed })
}

fn leader_to_proto(leader: LeaderId) -> proto::LeaderId {
    proto::LeaderId { term: leader.term, node: wide::bytes(leader.node.0) }
}

fn leader_from_proto(leader: Option<proto::LeaderId>) -> Result<LeaderId, WireError> {
    let leader = leader.ok_or(WireError::Missing { field: "leader" })?;
    Ok(LeaderId { term: leader.term, node: NodeId(wide::read(&leader.node, "leader.node")?) })
}

pub(crate) fn log_id_to_proto(id: LogId) -> proto::LogId {
    proto::LogId { leader: Some(leader_to_proto(id.leader)), index: id.index }
}

pub(crate) fn log_id_from_proto(id: Option<proto::LogId>) -> Result<LogId, WireError> {
    let id = id.ok_or(WireError::Missing { field: "log_id" })?;
    Ok(LogId { leader: leader_from_proto(id.leader)?, index: id.index })
}

pub(crate) fn membership_to_proto(membership: &Membership) -> proto::Membership {
    let voters = |config: &BTreeSet<NodeId>| wide::concat(config.iter().map(|node| node.0));
    let configs = membership.configs.iter();
    let nodes = membership.nodes.iter();
    proto::Membership {
        configs: configs.map(|config| proto::Voters { ids: voters(config) }).collect(),
        nodes: nodes
            .map(|(id, node)| proto::Node {
                id: wide::bytes(id.0),
                name: node.name.clone(),
                address: node.address.clone(),
            })
            .collect(),
    }
}

pub(crate) fn membership_from_proto(membership: proto::Membership) -> Result<Membership, WireError> {
    let voters = |voters: proto::Voters| -> Result<BTreeSet<NodeId>, WireError> {
        Ok(wide::read_all(&voters.ids, "membership.voters")?.into_iter().map(NodeId).collect())
    };
    let node = |node: proto::Node| -> Result<(NodeId, Node), WireError> {
        let id = NodeId(wide::read(&node.id, "membership.node")?);
        Ok((id, Node { name: node.name, address: node.address }))
    };
    Ok(Membership {
        configs: membership.configs.into_iter().map(voters).collect::<Result<_, _>>()?,
        nodes: membership.nodes.into_iter().map(node).collect::<Result<_, _>>()?,
    })
}
