//! What servers say to one another about the log, and the service that carries it.
//!
//! Every message names the cluster, the incarnation, the sender and the receiver: an address may belong to
//! another server by now, and only the receiver can tell.

use crate::error::WireError;
use crate::generated::consensus::v1 as proto;
use crate::generated::consensus::v1::append_reply::Result as Answer;
use crate::generated::consensus::v1::transfer_reply::Refusal;
use crate::raft::{
    LogEntry, LogId, Vote, entry_from_proto, entry_to_proto, log_id_from_proto, log_id_to_proto,
    vote_from_proto, vote_to_proto,
};
use crate::wide;
use bytes::Bytes;
use dkron_core::ids::{ClusterId, Incarnation, NodeId, Stamp};

/// The service and its messages, made from `consensus.proto`.
pub mod service {
    pub use crate::generated::consensus::v1::consensus_client::ConsensusClient;
    pub use crate::generated::consensus::v1::consensus_server::{Consensus, ConsensusServer};
    pub use crate::generated::consensus::v1::{
        AppendReply, AppendRequest, DigestsReply, DigestsRequest, Head, QuarantineReply, QuarantineRequest,
        SnapshotName, SnapshotPart, SnapshotPlace, SnapshotReply, TransferReply, TransferRequest, VoteReply,
        VoteRequest,
    };
}

/// Whose a message is, from whom, for whom.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Head {
    /// The cluster and its incarnation.
    pub stamp: Stamp,
    /// The server that speaks.
    pub sender: NodeId,
    /// The server that is meant.
    pub target: NodeId,
}

/// Entries for a follower; without any, a heartbeat.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Append {
    /// The leader.
    pub vote: Vote,
    /// The entry before these.
    pub previous: Option<LogId>,
    /// How far the leader knows the log as committed.
    pub committed: Option<LogId>,
    /// The entries.
    pub entries: Vec<LogEntry>,
}

/// What the follower made of them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Appended {
    /// Its log is the leader's up to here.
    Matching(Option<LogId>),
    /// It does not have this entry, the one before the sent ones.
    Conflict(LogId),
    /// It gave its vote to a later leader.
    Higher(Vote),
}

/// A question for a vote.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Ballot {
    /// The vote that is asked for.
    pub vote: Vote,
    /// The end of the candidate's log.
    pub last: Option<LogId>,
    /// The leader asked for this election.
    pub transfer: bool,
}

/// The answer to it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Balloted {
    /// The voter's vote after it.
    pub vote: Vote,
    /// Whether it is, or would be, given.
    pub granted: bool,
    /// The end of the voter's log.
    pub last: Option<LogId>,
}

/// Which snapshot file: two of one entry may differ in their bytes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SnapshotName {
    /// The last entry in it.
    pub last: LogId,
    /// Its size in bytes.
    pub size: u64,
    /// A sum of its last bytes, which hold the sum over all of it.
    pub sum: u32,
}

/// A stretch of a snapshot file.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SnapshotPart {
    /// Of which file.
    pub name: SnapshotName,
    /// The leader that sends it.
    pub vote: Vote,
    /// Where in the file.
    pub offset: u64,
    /// The bytes.
    pub bytes: Bytes,
}

/// The leader hands over.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Transfer {
    /// The leader.
    pub from: Vote,
    /// To whom.
    pub to: NodeId,
    /// How much of the log the next leader must have.
    pub last: Option<LogId>,
}

/// Why a transfer was refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TransferRefusal {
    /// Another vote was seen meanwhile.
    Vote(Vote),
    /// The log on the receiver's disk ends before it should.
    Behind(Option<LogId>),
}

fn optional(id: Option<LogId>) -> Option<crate::generated::raft::v1::LogId> {
    id.map(log_id_to_proto)
}

fn read_optional(id: Option<crate::generated::raft::v1::LogId>) -> Result<Option<LogId>, WireError> {
    id.map(|id| log_id_from_proto(Some(id))).transpose()
}

/// The head as it goes with a message.
pub fn head_to_wire(head: &Head) -> service::Head {
    proto::Head {
        cluster: wide::bytes(head.stamp.cluster.0),
        incarnation: head.stamp.incarnation.0,
        sender: wide::bytes(head.sender.0),
        target: wide::bytes(head.target.0),
    }
}

/// The head of a message; one without is refused.
pub fn head(head: Option<service::Head>) -> Result<Head, WireError> {
    let head = head.ok_or(WireError::Missing { field: "head" })?;
    let cluster = ClusterId(wide::read(&head.cluster, "head.cluster")?);
    Ok(Head {
        stamp: Stamp { cluster, incarnation: Incarnation(head.incarnation) },
        sender: NodeId(wide::read(&head.sender, "head.sender")?),
        target: NodeId(wide::read(&head.target, "head.target")?),
    })
}

/// The message for these entries.
pub fn append_to_wire(from: &Head, append: &Append) -> service::AppendRequest {
    proto::AppendRequest {
        head: Some(head_to_wire(from)),
        vote: Some(vote_to_proto(&append.vote)),
        previous: optional(append.previous),
        committed: optional(append.committed),
        entries: append.entries.iter().map(entry_to_proto).collect(),
    }
}

/// The entries in this message.
pub fn append(message: service::AppendRequest) -> Result<Append, WireError> {
    Ok(Append {
        vote: vote_from_proto(message.vote)?,
        previous: read_optional(message.previous)?,
        committed: read_optional(message.committed)?,
        entries: message.entries.into_iter().map(entry_from_proto).collect::<Result<_, _>>()?,
    })
}

/// The message for this answer.
pub fn appended_to_wire(answer: &Appended) -> service::AppendReply {
    let result = match answer {
        Appended::Matching(last) => Answer::Matching(proto::Matching { last: optional(*last) }),
        Appended::Conflict(id) => Answer::Conflict(log_id_to_proto(*id)),
        Appended::Higher(vote) => Answer::Higher(vote_to_proto(vote)),
    };
    proto::AppendReply { result: Some(result), ..Default::default() }
}

/// The answer in this message.
pub fn appended(message: service::AppendReply) -> Result<Appended, WireError> {
    Ok(match message.result.ok_or(WireError::Missing { field: "append_reply.result" })? {
        Answer::Matching(matching) => Appended::Matching(read_optional(matching.last)?),
        Answer::Conflict(id) => Appended::Conflict(log_id_from_proto(Some(id))?),
        Answer::Higher(vote) => Appended::Higher(vote_from_proto(Some(vote))?),
    })
}

/// The message for this question.
pub fn ballot_to_wire(from: &Head, ballot: &Ballot) -> service::VoteRequest {
    proto::VoteRequest {
        head: Some(head_to_wire(from)),
        vote: Some(vote_to_proto(&ballot.vote)),
        last: optional(ballot.last),
        transfer: ballot.transfer,
    }
}

/// The question in this message.
pub fn ballot(message: service::VoteRequest) -> Result<Ballot, WireError> {
    Ok(Ballot {
        vote: vote_from_proto(message.vote)?,
        last: read_optional(message.last)?,
        transfer: message.transfer,
    })
}

/// The message for this answer.
pub fn balloted_to_wire(answer: &Balloted) -> service::VoteReply {
    proto::VoteReply {
        vote: Some(vote_to_proto(&answer.vote)),
        granted: answer.granted,
        last: optional(answer.last),
    }
}

/// The answer in this message.
pub fn balloted(message: service::VoteReply) -> Result<Balloted, WireError> {
    Ok(Balloted {
        vote: vote_from_proto(message.vote)?,
        granted: message.granted,
        last: read_optional(message.last)?,
    })
}

/// The message that names a snapshot file.
pub fn snapshot_name_to_wire(from: &Head, name: &SnapshotName) -> service::SnapshotName {
    proto::SnapshotName {
        head: Some(head_to_wire(from)),
        last: Some(log_id_to_proto(name.last)),
        size: name.size,
        sum: name.sum,
    }
}

/// The snapshot file that this message names.
pub fn snapshot_name(message: service::SnapshotName) -> Result<SnapshotName, WireError> {
    Ok(SnapshotName { last: log_id_from_proto(message.last)?, size: message.size, sum: message.sum })
}

/// The message for this part, with a sum over its bytes.
pub fn snapshot_part_to_wire(from: &Head, part: &SnapshotPart) -> service::SnapshotPart {
    proto::SnapshotPart {
        name: Some(snapshot_name_to_wire(from, &part.name)),
        vote: Some(vote_to_proto(&part.vote)),
        offset: part.offset,
        bytes: part.bytes.clone(),
        crc: crc32fast::hash(&part.bytes),
    }
}

/// The part in this message, if its bytes are those that were sent, and its head.
pub fn snapshot_part(message: service::SnapshotPart) -> Result<(Head, SnapshotPart), WireError> {
    let mut name = message.name.ok_or(WireError::Missing { field: "snapshot_part.name" })?;
    if crc32fast::hash(&message.bytes) != message.crc {
        let problem = format!("the bytes at {} do not have the sum that was sent", message.offset);
        return Err(WireError::Malformed { what: "snapshot part", problem });
    }
    let head = head(name.head.take())?;
    let vote = vote_from_proto(message.vote)?;
    Ok((
        head,
        SnapshotPart { name: snapshot_name(name)?, vote, offset: message.offset, bytes: message.bytes },
    ))
}

/// The message that says that a snapshot is in place.
pub fn installed_to_wire(vote: &Vote) -> service::SnapshotReply {
    proto::SnapshotReply { vote: Some(vote_to_proto(vote)) }
}

/// The receiver's vote after it.
pub fn installed(message: service::SnapshotReply) -> Result<Vote, WireError> {
    vote_from_proto(message.vote)
}

/// The message for this transfer.
pub fn transfer_to_wire(from: &Head, transfer: &Transfer) -> service::TransferRequest {
    proto::TransferRequest {
        head: Some(head_to_wire(from)),
        from: Some(vote_to_proto(&transfer.from)),
        to: wide::bytes(transfer.to.0),
        last: optional(transfer.last),
    }
}

/// The transfer in this message.
pub fn transfer(message: service::TransferRequest) -> Result<Transfer, WireError> {
    Ok(Transfer {
        from: vote_from_proto(message.from)?,
        to: NodeId(wide::read(&message.to, "transfer.to")?),
        last: read_optional(message.last)?,
    })
}

/// The message for this answer.
pub fn transferred_to_wire(refusal: Option<&TransferRefusal>) -> service::TransferReply {
    let refusal = refusal.map(|refusal| match refusal {
        TransferRefusal::Vote(vote) => Refusal::Vote(vote_to_proto(vote)),
        TransferRefusal::Behind(last) => Refusal::Behind(proto::Matching { last: optional(*last) }),
    });
    proto::TransferReply { refusal }
}

/// Why it was refused, if it was.
pub fn transferred(message: service::TransferReply) -> Result<Option<TransferRefusal>, WireError> {
    Ok(match message.refusal {
        None => None,
        Some(Refusal::Vote(vote)) => Some(TransferRefusal::Vote(vote_from_proto(Some(vote))?)),
        Some(Refusal::Behind(matching)) => Some(TransferRefusal::Behind(read_optional(matching.last)?)),
    })
}
