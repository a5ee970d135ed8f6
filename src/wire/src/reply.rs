//! Replies of apply as bytes: the state remembers them, and a forwarded command is answered with one.

use crate::error::WireError;
use crate::generated::reply::v1 as proto;
use crate::generated::reply::v1::reply::Reply as Wire;
use crate::wide;
use dkron_core::command::{Refusal, Reply, Version};
use dkron_core::ids::{ExecutionId, JobSlot, JobUid, NodeSlot, RequestId, TokenId};
use prost::Message;

/// The reply's bytes.
pub fn encode_reply(reply: &Reply) -> Vec<u8> {
    to_proto(reply).encode_to_vec()
}

/// The reply in these bytes.
pub fn decode_reply(bytes: &[u8]) -> Result<Reply, WireError> {
    from_proto(proto::Reply::decode(bytes).map_err(|error| WireError::malformed("reply", &error))?)
}

pub(crate) fn to_proto(reply: &Reply) -> proto::Reply {
    let reply = match reply {
        Reply::Done => Wire::Done(proto::Done {}),
        Reply::Stored { job, version, created } => Wire::Stored(proto::Stored {
            job: job.0,
            revision: version.revision,
            created: *created,
            uid: wide::bytes(version.job.0),
        }),
        Reply::Rejected(positions) => Wire::Rejected(proto::Rejected { positions: positions.clone() }),
        Reply::Registered(node) => Wire::Registered(node.0),
        Reply::Refused(refusal) => Wire::Refused(refusal_to_proto(refusal)),
    };
    proto::Reply { reply: Some(reply) }
}

pub(crate) fn from_proto(reply: proto::Reply) -> Result<Reply, WireError> {
    Ok(match reply.reply.ok_or(WireError::Missing { field: "reply" })? {
        Wire::Done(_) => Reply::Done,
        Wire::Stored(stored) => {
            let job = JobUid(wide::read(&stored.uid, "stored.uid")?);
            let version = Version { job, revision: stored.revision };
            Reply::Stored { job: JobSlot(stored.job), version, created: stored.created }
        }
        Wire::Rejected(rejected) => Reply::Rejected(rejected.positions),
        Wire::Registered(node) => Reply::Registered(NodeSlot(node)),
        Wire::Refused(refused) => Reply::Refused(refusal_from_proto(refused)?),
    })
}

fn refusal_to_proto(refusal: &Refusal) -> proto::Refused {
    let plain = |kind| proto::Refused { kind, ..proto::Refused::default() };
    let named = |kind, text: &str| proto::Refused { text: text.to_owned(), ..plain(kind) };
    match refusal {
        Refusal::Founded => plain(1),
        Refusal::UnknownJob(job) => named(2, job),
        Refusal::UnknownParent(job) => named(3, job),
        Refusal::ParentCycle(job) => named(4, job),
        Refusal::HasDependents(job) => named(5, job),
        Refusal::Changed(revision) => proto::Refused { revision: *revision, ..plain(6) },
        Refusal::Paused => plain(7),
        Refusal::Overlap { job, execution } => {
            proto::Refused { id: Some(wide::bytes(execution.0)), ..named(8, job) }
        }
        Refusal::QueueFull(job) => named(9, job),
        Refusal::Disabled(job) => named(10, job),
        Refusal::UnknownImport(import) => proto::Refused { id: Some(wide::bytes(import.0)), ..plain(11) },
        Refusal::NotOpen => plain(12),
        Refusal::UnknownNode => plain(13),
        Refusal::NameTaken(name) => named(14, name),
        Refusal::Invalid(problem) => named(15, problem),
        Refusal::NoRequest => plain(16),
        Refusal::OlderLife { name, life, known } => {
            proto::Refused { numbers: vec![*life, *known], ..named(17, name) }
        }
        Refusal::TokensExist => plain(30),
        Refusal::UnknownToken(id) => proto::Refused { id: Some(wide::bytes(id.0)), ..plain(31) },
        Refusal::BackfillTooLarge { job, waiting, wanted } => {
            proto::Refused { numbers: vec![(*waiting).into(), (*wanted).into()], ..named(18, job) }
        }
    }
}

fn refusal_from_proto(refused: proto::Refused) -> Result<Refusal, WireError> {
    let id = || {
        let id = refused.id.as_deref().ok_or(WireError::Missing { field: "refused.id" })?;
        wide::read(id, "refused.id")
    };
    let text = refused.text.as_str();
    Ok(match refused.kind {
        1 => Refusal::Founded,
        2 => Refusal::UnknownJob(text.into()),
        3 => Refusal::UnknownParent(text.into()),
        4 => Refusal::ParentCycle(text.into()),
        5 => Refusal::HasDependents(text.into()),
        6 => Refusal::Changed(refused.revision),
        7 => Refusal::Paused,
        8 => Refusal::Overlap { job: text.into(), execution: ExecutionId(id()?) },
        9 => Refusal::QueueFull(text.into()),
        10 => Refusal::Disabled(text.into()),
        11 => Refusal::UnknownImport(RequestId(id()?)),
        12 => Refusal::NotOpen,
        13 => Refusal::UnknownNode,
        14 => Refusal::NameTaken(text.into()),
        15 => Refusal::Invalid(text.into()),
        16 => Refusal::NoRequest,
        17 => {
            let [life, known] = two(&refused.numbers)?;
            Refusal::OlderLife { name: text.into(), life, known }
        }
        18 => {
            let small = |number: u64| {
                u32::try_from(number).map_err(|_| WireError::Range { field: "refused.numbers" })
            };
            let [waiting, wanted] = two(&refused.numbers)?;
            Refusal::BackfillTooLarge { job: text.into(), waiting: small(waiting)?, wanted: small(wanted)? }
        }
        30 => Refusal::TokensExist,
        31 => Refusal::UnknownToken(TokenId(id()?)),
        kind => return Err(WireError::UnknownNumber { field: "refused.kind", number: kind.into() }),
    })
}

fn two(numbers: &[u64]) -> Result<[u64; 2], WireError> {
    let found = numbers.len() as u64;
    numbers.try_into().map_err(|_| WireError::Length { field: "refused.numbers", found })
}
