//! The state's records as bytes: what snapshots hold.
//!
//! A job's name and rules are not written a second time: the definition has them. Places on the agenda are not
//! written at all, so that servers with equal states write equal snapshots; they are read as 0.

use crate::commands::{
    counters_from_proto, counters_to_proto, errand_from_proto, errand_to_proto, founding_from_proto,
    founding_to_proto, numbered, put_from_proto, put_to_proto,
};
use crate::error::WireError;
use crate::generated::state::v1 as proto;
use crate::generated::state::v1::record::Record as Wire;
use crate::launch::{origin_from_parts, origin_to_parts};
use crate::{definition, formats, registration, reply, token, wide};
use bytes::Bytes;
use dkron_core::command::{Counters, Errand};
use dkron_core::execution::Verdict;
use dkron_core::format::Formats;
use dkron_core::ids::{JobSlot, JobUid, NodeSlot, OccurrenceId, OccurrenceRef, RequestId, TokenId};
use dkron_core::node::{Liveness, Work};
use dkron_core::rules::Rules;
use dkron_core::state::record::{
    Cluster, Execution, Filing, JobRecord, NodeRecord, Occurrence, Progress, Record, Remembered, Requested,
    Turn,
};
use dkron_core::time::Time;
use dkron_core::voters::Wished;
use prost::Message;
use std::sync::Arc;

/// The record's bytes.
pub fn encode_record(record: &Record) -> Vec<u8> {
    let record = match record {
        Record::Cluster(cluster) => Wire::Cluster(cluster_to_proto(cluster)),
        Record::Job(slot, job) => Wire::Job(job_to_proto(*slot, job)),
        Record::Free(slot, generation) => Wire::Free(proto::Free { slot: slot.0, generation: *generation }),
        Record::Occurrence(reference, found) => Wire::Occurrence(occurrence_to_proto(*reference, found)),
        Record::Requested(_, requested) => Wire::Requested(requested_to_proto(requested)),
        Record::Node(slot, node) => Wire::Node(proto::Node {
            slot: slot.0,
            registration: Some(registration::to_proto(&node.registration)),
            liveness: node.liveness.number().into(),
            marked_at: node.marked_at.nanos(),
            work: node.work.number().into(),
        }),
        Record::Wish(server, wished) => {
            let errand = Errand { server: *server, wish: wished.wish, process: wished.process };
            Wire::Wish(proto::Wish { errand: Some(errand_to_proto(errand)), at: wished.at.nanos() })
        }
        Record::Remembered(request, remembered) => Wire::Remembered(proto::Remembered {
            request: wide::bytes(request.0),
            at: remembered.at.nanos(),
            reply: Some(reply::to_proto(&remembered.reply)),
        }),
        Record::Staged(import, touched_at, put) => Wire::Staged(proto::Staged {
            import: wide::bytes(import.0),
            touched_at: touched_at.nanos(),
            job: Some(put_to_proto(put, Time::EPOCH)),
        }),
        Record::Token(id, token) => {
            Wire::Token(proto::Token { id: wide::bytes(id.0), token: Some(token::to_proto(token)) })
        }
    };
    proto::Record { record: Some(record) }.encode_to_vec()
}

/// The record in these bytes. Fails too if this build cannot follow a job's schedule or zone.
pub fn decode_record(bytes: impl bytes::Buf) -> Result<Record, WireError> {
    let record = proto::Record::decode(bytes).map_err(|error| WireError::malformed("record", &error))?;
    Ok(match record.record.ok_or(WireError::Missing { field: "record" })? {
        Wire::Cluster(cluster) => Record::Cluster(cluster_from_proto(cluster)?),
        Wire::Job(job) => Record::Job(JobSlot(job.slot), job_from_proto(job)?),
        Wire::Free(free) => Record::Free(JobSlot(free.slot), free.generation),
        Wire::Occurrence(occurrence) => {
            let reference = OccurrenceRef { index: occurrence.index, position: occurrence.position };
            Record::Occurrence(reference, occurrence_from_proto(occurrence)?)
        }
        Wire::Requested(requested) => Record::Requested(0, requested_from_proto(&requested)?),
        Wire::Node(node) => Record::Node(NodeSlot(node.slot), node_from_proto(node)?),
        Wire::Wish(wish) => {
            let errand = wish.errand.ok_or(WireError::Missing { field: "wish.errand" })?;
            let Errand { server, wish: wished, process } = errand_from_proto(&errand)?;
            Record::Wish(server, Wished { wish: wished, process, at: Time::from_nanos(wish.at) })
        }
        Wire::Remembered(remembered) => {
            let request = RequestId(wide::read(&remembered.request, "remembered.request")?);
            Record::Remembered(request, remembered_from_proto(remembered)?)
        }
        Wire::Staged(staged) => {
            let put = staged.job.ok_or(WireError::Missing { field: "staged.job" })?;
            let import = RequestId(wide::read(&staged.import, "staged.import")?);
            Record::Staged(import, Time::from_nanos(staged.touched_at), put_from_proto(put, Time::EPOCH)?)
        }
        Wire::Token(token) => {
            Record::Token(TokenId(wide::read(&token.id, "token.id")?), token::from_proto(token.token)?)
        }
    })
}

fn cluster_to_proto(cluster: &Cluster) -> proto::Cluster {
    proto::Cluster {
        founding: Some(founding_to_proto(&cluster.founding)),
        paused: cluster.paused,
        held_since: cluster.held_since.map(Time::nanos),
        floor: cluster.floor.nanos(),
        filed_by: cluster.filing.by.to_string(),
        epoch: cluster.filing.epoch,
        filing: cluster.filing.pending,
        closed: cluster.closed,
        format: formats::told(cluster.format),
    }
}

fn cluster_from_proto(cluster: proto::Cluster) -> Result<Cluster, WireError> {
    let founding = cluster.founding.ok_or(WireError::Missing { field: "cluster.founding" })?;
    Ok(Cluster {
        founding: founding_from_proto(founding)?,
        paused: cluster.paused,
        held_since: cluster.held_since.map(Time::from_nanos),
        floor: Time::from_nanos(cluster.floor),
        filing: Filing { by: cluster.filed_by.into(), epoch: cluster.epoch, pending: cluster.filing },
        closed: cluster.closed,
        format: formats::read(cluster.format, "cluster.format")?.max(Formats::FIRST),
    })
}

fn job_to_proto(slot: JobSlot, job: &JobRecord) -> proto::Job {
    proto::Job {
        slot: slot.0,
        uid: wide::bytes(job.uid.0),
        generation: job.generation,
        revision: job.revision,
        definition: Bytes::from_owner(Arc::clone(&job.definition)),
        cursor: job.cursor.nanos(),
        next_due: (job.next_due != Time::NEVER).then(|| job.next_due.nanos()),
        anchor: job.anchor.nanos(),
        floor: job.floor.nanos(),
        held: job.held,
        parent: job.parent.map(|parent| parent.0),
        counters: (job.counters != Counters::default()).then(|| counters_to_proto(&job.counters)),
        open: job.open,
        queued: job.queued,
    }
}

fn job_from_proto(job: proto::Job) -> Result<JobRecord, WireError> {
    let defined = definition::decode(&job.definition)?;
    let rules = Rules::of(&defined)
        .map_err(|error| WireError::Rules { job: defined.name.clone(), problem: error.to_string() })?;
    Ok(JobRecord {
        uid: JobUid(wide::read(&job.uid, "job.uid")?),
        name: defined.name.into(),
        generation: job.generation,
        revision: job.revision,
        definition: job.definition[..].into(),
        rules: Arc::new(rules),
        cursor: Time::from_nanos(job.cursor),
        next_due: job.next_due.map_or(Time::NEVER, Time::from_nanos),
        anchor: Time::from_nanos(job.anchor),
        floor: Time::from_nanos(job.floor),
        held: job.held,
        parent: job.parent.map(JobSlot),
        counters: job.counters.map(counters_from_proto).transpose()?.unwrap_or_default(),
        open: job.open,
        queued: job.queued,
    })
}

fn occurrence_to_proto(reference: OccurrenceRef, occurrence: &Occurrence) -> proto::Occurrence {
    let (origin, cause) = origin_to_parts(occurrence.origin);
    proto::Occurrence {
        index: reference.index,
        position: reference.position,
        job: occurrence.job.0,
        id: wide::bytes(occurrence.id.0),
        origin,
        cause,
        nominal: occurrence.nominal.nanos(),
        decided_at: occurrence.decided_at.nanos(),
        turn: match occurrence.turn {
            Turn::Queued => 0,
            Turn::Unplaced(_) => 1,
            Turn::Open => 2,
        },
        startable_at: occurrence.startable_at.nanos(),
        gives_up_at: occurrence.gives_up_at.nanos(),
        executions: occurrence.executions.iter().map(execution_to_proto).collect(),
    }
}

fn occurrence_from_proto(occurrence: proto::Occurrence) -> Result<Occurrence, WireError> {
    Ok(Occurrence {
        job: JobSlot(occurrence.job),
        id: OccurrenceId(wide::read(&occurrence.id, "occurrence.id")?),
        origin: origin_from_parts(occurrence.origin, occurrence.cause.as_deref(), "occurrence.origin")?,
        nominal: Time::from_nanos(occurrence.nominal),
        decided_at: Time::from_nanos(occurrence.decided_at),
        turn: match occurrence.turn {
            0 => Turn::Queued,
            1 => Turn::Unplaced(0),
            2 => Turn::Open,
            turn => return Err(WireError::UnknownNumber { field: "occurrence.turn", number: turn.into() }),
        },
        startable_at: Time::from_nanos(occurrence.startable_at),
        gives_up_at: Time::from_nanos(occurrence.gives_up_at),
        executions: occurrence.executions.iter().map(execution_from_proto).collect::<Result<_, _>>()?,
    })
}

fn execution_to_proto(execution: &Execution) -> proto::Execution {
    let (progress, at, verdict) = match execution.progress {
        Progress::Assigned => (0, Time::EPOCH, 0),
        Progress::Accepted => (1, Time::EPOCH, 0),
        Progress::Started(at) => (2, at, 0),
        Progress::Retrying(due) => (3, due, 0),
        Progress::Ended(verdict) => (4, Time::EPOCH, verdict.number()),
    };
    proto::Execution {
        attempt: execution.attempt.into(),
        node: execution.node.0,
        progress,
        at: at.nanos(),
        verdict: verdict.into(),
        startable_at: execution.startable_at.nanos(),
        cancel: execution.cancel,
        lost_at: execution.lost_at.map(Time::nanos),
    }
}

fn execution_from_proto(execution: &proto::Execution) -> Result<Execution, WireError> {
    let attempt = u16::try_from(execution.attempt);
    let at = Time::from_nanos(execution.at);
    Ok(Execution {
        attempt: attempt.map_err(|_| WireError::Range { field: "execution.attempt" })?,
        node: NodeSlot(execution.node),
        progress: match execution.progress {
            0 => Progress::Assigned,
            1 => Progress::Accepted,
            2 => Progress::Started(at),
            3 => Progress::Retrying(at),
            4 => Progress::Ended(numbered(execution.verdict, Verdict::from_number, "execution.verdict")?),
            number => {
                return Err(WireError::UnknownNumber { field: "execution.progress", number: number.into() });
            }
        },
        startable_at: Time::from_nanos(execution.startable_at),
        cancel: execution.cancel,
        lost_at: execution.lost_at.map(Time::from_nanos),
        agenda: 0,
    })
}

fn requested_to_proto(requested: &Requested) -> proto::Requested {
    let (origin, cause) = origin_to_parts(requested.origin);
    proto::Requested { job: requested.job.0, origin, cause, nominal: requested.nominal.nanos() }
}

fn requested_from_proto(requested: &proto::Requested) -> Result<Requested, WireError> {
    Ok(Requested {
        job: JobSlot(requested.job),
        origin: origin_from_parts(requested.origin, requested.cause.as_deref(), "requested.origin")?,
        nominal: Time::from_nanos(requested.nominal),
    })
}

fn node_from_proto(node: proto::Node) -> Result<NodeRecord, WireError> {
    let registration = node.registration.ok_or(WireError::Missing { field: "node.registration" })?;
    Ok(NodeRecord {
        registration: registration::from_proto(registration)?,
        liveness: numbered(node.liveness, Liveness::from_number, "node.liveness")?,
        marked_at: Time::from_nanos(node.marked_at),
        work: numbered(node.work, Work::from_number, "node.work")?,
    })
}

fn remembered_from_proto(remembered: proto::Remembered) -> Result<Remembered, WireError> {
    let reply = remembered.reply.ok_or(WireError::Missing { field: "remembered.reply" })?;
    Ok(Remembered { at: Time::from_nanos(remembered.at), reply: reply::from_proto(reply)? })
}
