//! Intents on their way to the leader, and what became of them.

use crate::commands;
use crate::definition;
use crate::entry::belongs_to;
use crate::error::WireError;
use crate::generated::server::v1 as proto;
use crate::generated::server::v1::submit_reply::Outcome as WireOutcome;
use crate::generated::server::v1::submit_request::Intent as WireIntent;
use crate::reply;
use crate::wide;
use bytes::Bytes;
use dkron_core::access::Principal;
use dkron_core::command::{Command, Reply, Version};
use dkron_core::ids::{ClusterId, Incarnation, JobUid, NodeId, RequestId, Stamp, TokenId};
use dkron_core::intent::{Intent, Wish, is_whole};
use dkron_core::time::Time;
use std::sync::Arc;

/// The service, made from `server.proto`.
pub mod service {
    pub use crate::generated::server::v1::leader_client::LeaderClient;
    pub use crate::generated::server::v1::leader_server::{Leader, LeaderServer};
    pub use crate::generated::server::v1::{OperateReply, OperateRequest, SubmitReply, SubmitRequest};
}

/// Whom a message between servers is meant for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Head {
    /// The cluster and its incarnation.
    pub stamp: Stamp,
    /// The server.
    pub target: NodeId,
}

impl Head {
    /// Whether a message with this head is meant for a server; the error names both.
    pub fn is_for(self, own: Head) -> Result<(), WireError> {
        belongs_to(self.stamp, own.stamp)?;
        match self.target == own.target {
            true => Ok(()),
            false => Err(WireError::ForeignTarget { found: self.target, own: own.target }),
        }
    }
}

/// An intent as it is passed on.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Submitted {
    /// Whom it is meant for.
    pub head: Head,
    /// The lane that it waits in, by its number.
    pub priority: u8,
    /// The client's request.
    pub request: RequestId,
    /// In whose name.
    pub by: Principal,
    /// The intent.
    pub intent: Intent,
}

/// What became of it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// It is in the log, at this index, and this is apply's answer.
    Committed(u64, Reply),
    /// It was refused, or its fate is unknown: the number of a kind, and words for people.
    Failed(u32, String),
}

/// The message for an intent.
pub fn to_wire(submitted: &Submitted) -> service::SubmitRequest {
    let intent = match &submitted.intent {
        Intent::Put(wish) => WireIntent::Put(wish_to_proto(wish)),
        Intent::Stage { import, jobs } => WireIntent::Stage(proto::Stage {
            import: wide::bytes(import.0),
            jobs: jobs.iter().map(wish_to_proto).collect(),
        }),
        Intent::Run { name } => WireIntent::Run(name.to_string()),
        Intent::Change(action) => {
            let command = Command { request: None, action: action.clone() };
            WireIntent::Change(commands::to_proto(&command, Time::EPOCH))
        }
    };
    service::SubmitRequest {
        head: Some(head_to_proto(submitted.head)),
        priority: submitted.priority.into(),
        request: wide::bytes(submitted.request.0),
        intent: Some(intent),
        token: match submitted.by {
            Principal::Token(id) => Some(wide::bytes(id.0)),
            Principal::Nobody | Principal::Operator => None,
        },
        operator: submitted.by == Principal::Operator,
    }
}

/// The intent in this message.
pub fn from_wire(message: service::SubmitRequest) -> Result<Submitted, WireError> {
    let intent = match message.intent.ok_or(WireError::Missing { field: "submit.intent" })? {
        WireIntent::Put(wish) => Intent::Put(wish_from_proto(wish)?),
        WireIntent::Stage(stage) => Intent::Stage {
            import: RequestId(wide::read(&stage.import, "submit.stage.import")?),
            jobs: stage.jobs.into_iter().map(wish_from_proto).collect::<Result<_, _>>()?,
        },
        WireIntent::Run(name) => Intent::Run { name: name.into() },
        WireIntent::Change(command) => {
            let action = commands::from_proto(command, Time::EPOCH)?.action;
            if !is_whole(&action) {
                return Err(WireError::NotAllowed { field: "submit.change" });
            }
            Intent::Change(action)
        }
    };
    Ok(Submitted {
        head: head_from_proto(message.head.ok_or(WireError::Missing { field: "submit.head" })?)?,
        priority: u8::try_from(message.priority).map_err(|_| WireError::UnknownNumber {
            field: "submit.priority",
            number: message.priority.into(),
        })?,
        request: RequestId(wide::read(&message.request, "submit.request")?),
        by: match (message.token, message.operator) {
            (Some(id), false) => Principal::Token(TokenId(wide::read(&id, "submit.token")?)),
            (None, true) => Principal::Operator,
            (None, false) => Principal::Nobody,
            (Some(_), true) => return Err(WireError::NotAllowed { field: "submit.operator" }),
        },
        intent,
    })
}

/// The message for an outcome.
pub fn outcome_to_wire(outcome: &Outcome) -> service::SubmitReply {
    let outcome = match outcome {
        Outcome::Committed(index, reply) => {
            WireOutcome::Committed(proto::Committed { index: *index, reply: Some(reply::to_proto(reply)) })
        }
        Outcome::Failed(kind, message) => {
            WireOutcome::Failed(proto::Failed { kind: *kind, message: message.clone() })
        }
    };
    service::SubmitReply { outcome: Some(outcome) }
}

/// The outcome in this message.
pub fn outcome_from_wire(message: service::SubmitReply) -> Result<Outcome, WireError> {
    Ok(match message.outcome.ok_or(WireError::Missing { field: "submit.outcome" })? {
        WireOutcome::Committed(committed) => {
            let reply = committed.reply.ok_or(WireError::Missing { field: "submit.reply" })?;
            Outcome::Committed(committed.index, reply::from_proto(reply)?)
        }
        WireOutcome::Failed(failed) => Outcome::Failed(failed.kind, failed.message),
    })
}

pub(crate) fn head_to_proto(head: Head) -> proto::Head {
    proto::Head {
        cluster: wide::bytes(head.stamp.cluster.0),
        incarnation: head.stamp.incarnation.0,
        target: wide::bytes(head.target.0),
    }
}

pub(crate) fn head_from_proto(head: proto::Head) -> Result<Head, WireError> {
    Ok(Head {
        stamp: Stamp {
            cluster: ClusterId(wide::read(&head.cluster, "head.cluster")?),
            incarnation: Incarnation(head.incarnation),
        },
        target: NodeId(wide::read(&head.target, "head.target")?),
    })
}

fn wish_to_proto(wish: &Wish) -> proto::Wish {
    proto::Wish {
        definition: Bytes::from_owner(Arc::clone(&wish.definition)),
        expected: wish
            .expected
            .map(|expected| proto::Version { job: wide::bytes(expected.job.0), revision: expected.revision }),
        counters: wish.counters.as_ref().map(commands::counters_to_proto),
    }
}

fn wish_from_proto(wish: proto::Wish) -> Result<Wish, WireError> {
    Ok(Wish {
        job: Arc::new(definition::decode(&wish.definition)?),
        definition: wish.definition[..].into(),
        expected: wish.expected.map(version_from_proto).transpose()?,
        counters: wish.counters.map(commands::counters_from_proto).transpose()?,
    })
}

fn version_from_proto(version: proto::Version) -> Result<Version, WireError> {
    Ok(Version { job: JobUid(wide::read(&version.job, "wish.expected")?), revision: version.revision })
}
