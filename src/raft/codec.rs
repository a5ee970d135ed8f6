//! Between openraft's types and the bytes of the disk, which must outlive openraft's versions.

use super::type_config::{
    Entry, LeaderId, LogId, Membership, Payload, Peer, ServerId, StoredMembership, Vote,
};
use dkron_core::format::Formats;
use dkron_core::ids::{NodeId, Stamp};
use dkron_wire::WireError;
use dkron_wire::entry;
use dkron_wire::raft as wire;
use openraft::EntryPayload;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Whose log this is, and what is read of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Own {
    /// The cluster.
    pub(crate) stamp: Stamp,
    /// The log formats.
    pub(crate) formats: Formats,
}

impl From<Stamp> for Own {
    fn from(stamp: Stamp) -> Own {
        Own { stamp, formats: Formats::OWN }
    }
}

pub(crate) fn encode_vote(vote: &Vote) -> Vec<u8> {
    wire::encode_vote(&vote_to_wire(vote))
}

pub(crate) fn decode_vote(bytes: &[u8]) -> Result<Vote, WireError> {
    wire::decode_vote(bytes).map(vote_from_wire)
}

pub(crate) fn vote_to_wire(vote: &Vote) -> wire::Vote {
    wire::Vote { leader: leader_to_wire(vote.leader_id), committed: vote.committed }
}

pub(crate) fn vote_from_wire(vote: wire::Vote) -> Vote {
    Vote { leader_id: leader_from_wire(vote.leader), committed: vote.committed }
}

pub(crate) fn encode_log_id(id: &LogId) -> Vec<u8> {
    wire::encode_log_id(log_id_to_wire(*id))
}

pub(crate) fn decode_log_id(bytes: &[u8]) -> Result<LogId, WireError> {
    wire::decode_log_id(bytes).map(log_id_from_wire)
}

pub(crate) fn encode_entry(entry: &Entry) -> Vec<u8> {
    wire::encode_log_entry(&entry_to_wire(entry))
}

/// The bytes of its commands are shared, not copied.
pub(crate) fn entry_to_wire(entry: &Entry) -> wire::LogEntry {
    let payload = match &entry.payload {
        EntryPayload::Blank => wire::Payload::Blank,
        EntryPayload::Normal(payload) => wire::Payload::Normal(payload.bytes.clone()),
        EntryPayload::Membership(membership) => wire::Payload::Membership(membership_to_wire(membership)),
    };
    wire::LogEntry { id: log_id_to_wire(entry.log_id), payload }
}

/// The entry in these bytes, if it is of this cluster, in this incarnation or an earlier one.
pub(crate) fn decode_entry(own: impl Into<Own>, bytes: bytes::Bytes) -> Result<Entry, WireError> {
    entry_from_wire(own, wire::decode_log_entry(bytes)?)
}

/// The entry, if it is of this cluster, in this incarnation or an earlier one.
pub(crate) fn entry_from_wire(own: impl Into<Own>, entry: wire::LogEntry) -> Result<Entry, WireError> {
    let own: Own = own.into();
    let payload = match entry.payload {
        wire::Payload::Blank => EntryPayload::Blank,
        wire::Payload::Normal(bytes) => {
            entry::check_format(&bytes, own.formats)?;
            let batch = Arc::new(entry::decode_own_batch(own.stamp, &bytes)?);
            EntryPayload::Normal(Payload { batch, bytes })
        }
        wire::Payload::Membership(membership) => EntryPayload::Membership(membership_from_wire(&membership)?),
    };
    Ok(Entry { log_id: log_id_from_wire(entry.id), payload })
}

/// Only the entry's id, its commands left alone; one whose commands are in another format than these is refused.
pub(crate) fn decode_entry_id(bytes: bytes::Bytes, formats: Formats) -> Result<LogId, WireError> {
    let entry = wire::decode_log_entry(bytes)?;
    if let wire::Payload::Normal(bytes) = &entry.payload {
        entry::check_format(bytes, formats)?;
    }
    Ok(log_id_from_wire(entry.id))
}

pub(crate) fn leader_to_wire(leader: LeaderId) -> wire::LeaderId {
    wire::LeaderId { term: leader.term, node: leader.node_id.0 }
}

pub(crate) fn leader_from_wire(leader: wire::LeaderId) -> LeaderId {
    LeaderId { term: leader.term, node_id: ServerId(leader.node) }
}

pub(crate) fn log_id_to_wire(id: LogId) -> wire::LogId {
    wire::LogId { leader: leader_to_wire(id.leader_id), index: id.index }
}

pub(crate) fn log_id_from_wire(id: wire::LogId) -> LogId {
    LogId::new(leader_from_wire(id.leader), id.index)
}

pub(crate) fn membership_to_wire(membership: &Membership) -> wire::Membership {
    let config = |voters: &std::collections::BTreeSet<ServerId>| voters.iter().map(|id| id.0).collect();
    let node = |(id, peer): (&ServerId, &Peer)| {
        (id.0, wire::Node { name: peer.name.to_string(), address: peer.address.to_string() })
    };
    wire::Membership {
        configs: membership.get_joint_config().iter().map(config).collect(),
        nodes: membership.nodes().map(node).collect(),
    }
}

/// A voter without a node, which no leader writes, makes it unreadable.
pub(crate) fn membership_from_wire(membership: &wire::Membership) -> Result<Membership, WireError> {
    if membership.configs.is_empty() {
        return Ok(Membership::default());
    }
    let config = |voters: &std::collections::BTreeSet<NodeId>| voters.iter().copied().map(ServerId).collect();
    let node = |(id, node): (&NodeId, &wire::Node)| {
        (ServerId(*id), Peer { name: node.name.as_str().into(), address: node.address.as_str().into() })
    };
    let nodes: BTreeMap<ServerId, Peer> = membership.nodes.iter().map(node).collect();
    Membership::new(membership.configs.iter().map(config).collect(), nodes)
        .map_err(|error| WireError::Malformed { what: "membership", problem: error.to_string() })
}

pub(crate) fn stored_membership(
    at: Option<wire::LogId>,
    membership: &wire::Membership,
) -> Result<StoredMembership, WireError> {
    Ok(StoredMembership::new(at.map(log_id_from_wire), membership_from_wire(membership)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use dkron_core::command::{Action, Batch, Command};
    use dkron_core::ids::{ClusterId, Incarnation};
    use dkron_core::time::Time;

    fn stamp(incarnation: u32) -> Stamp {
        Stamp { cluster: ClusterId(9), incarnation: Incarnation(incarnation) }
    }

    fn entry(payload: EntryPayload<Payload, ServerId, Peer>) -> Entry {
        Entry { log_id: LogId::new(LeaderId { term: 3, node_id: 4.into() }, 17), payload }
    }

    #[test]
    fn entries_of_every_kind_are_read_as_they_were_written() {
        let batch = Batch {
            time: Time::from_seconds(5),
            commands: vec![Command { request: None, action: Action::Pause(true) }],
        };
        let bytes = entry::encode_batch(stamp(1), &batch).into();
        let peer = |name: &str| Peer { name: name.into(), address: "10.0.0.1:8946".into() };
        let nodes: BTreeMap<ServerId, Peer> = [(1.into(), peer("a")), (2.into(), peer("b"))].into();
        let joint = vec![[1.into()].into(), [1.into(), 2.into()].into()];
        let membership = Membership::new(joint, nodes).expect("a sound membership");
        for payload in [
            EntryPayload::Blank,
            EntryPayload::Normal(Payload { batch: Arc::new(batch), bytes }),
            EntryPayload::Membership(membership),
        ] {
            let entry = entry(payload);
            let stored = bytes::Bytes::from(encode_entry(&entry));
            assert_eq!(decode_entry_id(stored.clone(), Formats::OWN), Ok(entry.log_id));
            let read = decode_entry(stamp(1), stored).expect("readable");
            assert_eq!(read.log_id, entry.log_id);
            match (&read.payload, &entry.payload) {
                (EntryPayload::Normal(read), EntryPayload::Normal(written)) => {
                    assert_eq!((&read.batch, &read.bytes), (&written.batch, &written.bytes));
                }
                (read, written) => assert_eq!(read.to_string(), written.to_string()),
            }
        }
    }

    #[test]
    fn an_entry_of_a_later_incarnation_is_refused_and_one_of_an_earlier_is_not() {
        let batch = Batch { time: Time::EPOCH, commands: Vec::new() };
        let bytes = entry::encode_batch(stamp(2), &batch).into();
        let entry = entry(EntryPayload::Normal(Payload { batch: Arc::new(batch), bytes }));
        let read =
            |own| decode_entry(stamp(own), encode_entry(&entry).into()).map(|entry| entry.log_id.index);
        assert!(matches!(read(1), Err(WireError::ForeignIncarnation { .. })), "{:?}", read(1));
        assert_eq!((read(2), read(3)), (Ok(17), Ok(17)));
    }
}
