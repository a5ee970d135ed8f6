//! Commands as messages of the log, one for each action; the frequent ones are rows of numbers.

use crate::decisions::{
    decode_assignments, decode_backfill, decode_decisions, decode_give_ups, encode_assignments,
    encode_backfill, encode_decisions, encode_give_ups,
};
use crate::definition;
use crate::error::WireError;
use crate::formats;
use crate::generated::log::v1 as proto;
use crate::generated::log::v1::command::Action as Wire;
use crate::registration;
use crate::reports::{decode_reports, encode_reports};
use crate::token;
use crate::wide;
use bytes::Bytes;
use dkron_core::command::{
    Action, Command, Counters, Errand, Founding, PutJob, Scope, Status, Stretch, Version,
};
use dkron_core::ids::{ClusterId, Incarnation, JobUid, NodeId, NodeSlot, OccurrenceRef, RequestId, TokenId};
use dkron_core::node::{Liveness, Work};
use dkron_core::time::Time;
use dkron_core::voters::Wish;
use std::sync::Arc;

/// The message for a command in an entry of this time.
pub(crate) fn to_proto(command: &Command, time: Time) -> proto::Command {
    proto::Command {
        request: command.request.map(|request| wide::bytes(request.0)),
        action: Some(action_to_proto(&command.action, time)),
    }
}

/// The command in a message of an entry of this time.
pub(crate) fn from_proto(command: proto::Command, time: Time) -> Result<Command, WireError> {
    let request = command.request.map(|request| wide::read(&request, "command.request")).transpose()?;
    let action = command.action.ok_or(WireError::Missing { field: "command.action" })?;
    Ok(Command { request: request.map(RequestId), action: action_from_proto(action, time)? })
}

fn action_to_proto(action: &Action, time: Time) -> Wire {
    match action {
        Action::Found(founding) => Wire::Found(founding_to_proto(founding)),
        Action::Decide(decisions) => Wire::Decide(encode_decisions(decisions, time)),
        Action::Assign(assignments) => Wire::Assign(encode_assignments(assignments)),
        Action::Report(reports) => Wire::Report(encode_reports(reports, time)),
        Action::GiveUp(give_ups) => Wire::GiveUp(encode_give_ups(give_ups)),
        Action::Put(put) => Wire::Put(put_to_proto(put, time)),
        Action::Stage { import, jobs } => Wire::Stage(proto::Stage {
            import: wide::bytes(import.0),
            jobs: jobs.iter().map(|put| put_to_proto(put, time)).collect(),
        }),
        Action::Commit { import } => Wire::Commit(wide::bytes(import.0)),
        Action::Abandon { import } => Wire::Abandon(wide::bytes(import.0)),
        Action::Delete { name } => Wire::Delete(name.to_string()),
        Action::DeleteAt { name, version } => Wire::DeleteAt(proto::DeleteAt {
            name: name.to_string(),
            job: version_to_proto(*version),
            revision: version.revision,
        }),
        Action::DeleteExecutions { name } => Wire::DeleteExecutions(name.to_string()),
        Action::Run { name, nominal } => {
            Wire::Run(proto::Run { name: name.to_string(), nominal: nominal.nanos() })
        }
        Action::CallOff { name } => Wire::CallOff(name.to_string()),
        Action::Cancel { occurrence, ordinal } => Wire::Cancel(proto::Occurrence {
            index: occurrence.index,
            position: occurrence.position,
            ordinal: ordinal.map(u32::from),
        }),
        Action::Pause(paused) => Wire::Pause(*paused),
        Action::Hold(scope) => Wire::Hold(scope_to_proto(scope)),
        Action::Release(scope) => Wire::Release(scope_to_proto(scope)),
        Action::Register(node) => Wire::Register(registration::to_proto(node)),
        Action::Mark { node, liveness } => {
            Wire::Mark(proto::Mark { node: node.0, liveness: liveness.number().into() })
        }
        Action::Cordon { node, work } => {
            Wire::Cordon(proto::Cordon { node: node.0, work: work.number().into() })
        }
        Action::Wish(errand) => Wire::Wish(errand_to_proto(*errand)),
        Action::Forget(errand) => Wire::Forget(errand_to_proto(*errand)),
        Action::AdoptZoneData { version } => Wire::AdoptZoneData(version.to_string()),
        Action::SetDefaultZone { zone } => Wire::SetDefaultZone(zone.to_string()),
        Action::ZonesFiled { epoch } => Wire::ZonesFiled(*epoch),
        Action::Backfill(backfill) => Wire::Backfill(encode_backfill(backfill, time)),
        Action::CreateToken { id, token, first } => Wire::CreateToken(proto::CreateToken {
            id: wide::bytes(id.0),
            token: Some(token::to_proto(token)),
            first: *first,
        }),
        Action::RevokeToken { id } => Wire::RevokeToken(wide::bytes(id.0)),
        Action::RaiseFormat { format } => Wire::RaiseFormat((*format).into()),
    }
}

fn action_from_proto(action: Wire, time: Time) -> Result<Action, WireError> {
    Ok(match action {
        Wire::Found(founding) => Action::Found(founding_from_proto(founding)?),
        Wire::Decide(decide) => Action::Decide(decode_decisions(&decide, time)?),
        Wire::Assign(assign) => Action::Assign(decode_assignments(&assign)?),
        Wire::Report(report) => Action::Report(decode_reports(&report, time)?),
        Wire::GiveUp(give_up) => Action::GiveUp(decode_give_ups(&give_up)?),
        Wire::Put(put) => Action::Put(put_from_proto(put, time)?),
        Wire::Stage(stage) => Action::Stage {
            import: RequestId(wide::read(&stage.import, "stage.import")?),
            jobs: stage.jobs.into_iter().map(|put| put_from_proto(put, time)).collect::<Result<_, _>>()?,
        },
        Wire::Commit(import) => Action::Commit { import: RequestId(wide::read(&import, "commit.import")?) },
        Wire::Abandon(import) => {
            Action::Abandon { import: RequestId(wide::read(&import, "abandon.import")?) }
        }
        Wire::Delete(name) => Action::Delete { name: name.into() },
        Wire::DeleteAt(at) => {
            Action::DeleteAt { version: version_from_proto(&at.job, at.revision)?, name: at.name.into() }
        }
        Wire::DeleteExecutions(name) => Action::DeleteExecutions { name: name.into() },
        Wire::Run(run) => Action::Run { name: run.name.into(), nominal: Time::from_nanos(run.nominal) },
        Wire::Cancel(occurrence) => Action::Cancel {
            occurrence: OccurrenceRef { index: occurrence.index, position: occurrence.position },
            ordinal: occurrence.ordinal.map(ordinal_from_proto).transpose()?,
        },
        Wire::Pause(paused) => Action::Pause(paused),
        Wire::Hold(scope) => Action::Hold(scope_from_proto(scope)?),
        Wire::Release(scope) => Action::Release(scope_from_proto(scope)?),
        Wire::Register(node) => Action::Register(registration::from_proto(node)?),
        Wire::Mark(mark) => {
            let liveness = numbered(mark.liveness, Liveness::from_number, "mark.liveness")?;
            Action::Mark { node: NodeSlot(mark.node), liveness }
        }
        Wire::Cordon(cordon) => {
            let work = numbered(cordon.work, Work::from_number, "cordon.work")?;
            Action::Cordon { node: NodeSlot(cordon.node), work }
        }
        Wire::Wish(errand) => Action::Wish(errand_from_proto(&errand)?),
        Wire::Forget(errand) => Action::Forget(errand_from_proto(&errand)?),
        Wire::AdoptZoneData(version) => Action::AdoptZoneData { version: version.into() },
        Wire::SetDefaultZone(zone) => Action::SetDefaultZone { zone: zone.into() },
        Wire::ZonesFiled(epoch) => Action::ZonesFiled { epoch },
        Wire::CallOff(name) => Action::CallOff { name: name.into() },
        Wire::Backfill(backfill) => Action::Backfill(decode_backfill(backfill, time)?),
        Wire::CreateToken(made) => Action::CreateToken {
            id: TokenId(wide::read(&made.id, "create_token.id")?),
            token: token::from_proto(made.token)?,
            first: made.first,
        },
        Wire::RevokeToken(id) => Action::RevokeToken { id: TokenId(wide::read(&id, "revoke_token")?) },
        Wire::RaiseFormat(format) => Action::RaiseFormat { format: formats::read(format, "raise_format")? },
    })
}

pub(crate) fn errand_to_proto(errand: Errand) -> proto::Errand {
    proto::Errand {
        server: wide::bytes(errand.server.0),
        wish: errand.wish.number().into(),
        process: errand.process,
    }
}

pub(crate) fn errand_from_proto(errand: &proto::Errand) -> Result<Errand, WireError> {
    Ok(Errand {
        server: NodeId(wide::read(&errand.server, "errand.server")?),
        wish: numbered(errand.wish, Wish::from_number, "errand.wish")?,
        process: errand.process,
    })
}

fn ordinal_from_proto(ordinal: u32) -> Result<u16, WireError> {
    let field = "cancel.ordinal";
    u16::try_from(ordinal).map_err(|_| WireError::UnknownNumber { field, number: ordinal.into() })
}

/// A choice by its stable number.
pub(crate) fn numbered<T>(
    number: u32,
    choice: impl Fn(u8) -> Option<T>,
    field: &'static str,
) -> Result<T, WireError> {
    let found = u8::try_from(number).ok().and_then(choice);
    found.ok_or(WireError::UnknownNumber { field, number: number.into() })
}

pub(crate) fn founding_to_proto(founding: &Founding) -> proto::Founding {
    proto::Founding {
        cluster: wide::bytes(founding.cluster.0),
        incarnation: founding.incarnation.0,
        default_zone: founding.default_zone.to_string(),
        zone_data: founding.zone_data.to_string(),
    }
}

pub(crate) fn founding_from_proto(founding: proto::Founding) -> Result<Founding, WireError> {
    Ok(Founding {
        cluster: ClusterId(wide::read(&founding.cluster, "founding.cluster")?),
        incarnation: Incarnation(founding.incarnation),
        default_zone: founding.default_zone.into(),
        zone_data: founding.zone_data.into(),
    })
}

pub(crate) fn put_to_proto(put: &PutJob, time: Time) -> proto::PutJob {
    proto::PutJob {
        definition: Bytes::from_owner(Arc::clone(&put.definition)),
        uid: wide::bytes(put.uid.0),
        seen: put.seen.revision,
        strict: put.strict,
        next_due: put.next_due.map(Time::nanos),
        due: (!put.due.is_empty()).then(|| encode_decisions(&put.due, time)),
        passed: put.passed.map(|stretch| proto::Stretch {
            from: stretch.from.nanos(),
            to: stretch.to.nanos(),
            count: stretch.count,
        }),
        counters: put.counters.as_ref().map(counters_to_proto),
        at: put.at.nanos(),
        seen_job: version_to_proto(put.seen),
        epoch: put.epoch,
    }
}

pub(crate) fn put_from_proto(put: proto::PutJob, time: Time) -> Result<PutJob, WireError> {
    Ok(PutJob {
        job: Arc::new(definition::decode(&put.definition)?),
        definition: put.definition[..].into(),
        uid: JobUid(wide::read(&put.uid, "put.uid")?),
        at: Time::from_nanos(put.at),
        epoch: put.epoch,
        seen: version_from_proto(&put.seen_job, put.seen)?,
        strict: put.strict,
        next_due: put.next_due.map(Time::from_nanos),
        due: put.due.map(|due| decode_decisions(&due, time)).transpose()?.unwrap_or_default(),
        passed: put.passed.map(|stretch| Stretch {
            from: Time::from_nanos(stretch.from),
            to: Time::from_nanos(stretch.to),
            count: stretch.count,
        }),
        counters: put.counters.map(counters_from_proto).transpose()?,
    })
}

fn version_to_proto(version: Version) -> Bytes {
    if version.job == JobUid::default() { Bytes::new() } else { wide::bytes(version.job.0) }
}

fn version_from_proto(job: &[u8], revision: u32) -> Result<Version, WireError> {
    let job = if job.is_empty() { JobUid::default() } else { JobUid(wide::read(job, "put.seen_job")?) };
    Ok(Version { job, revision })
}

pub(crate) fn counters_to_proto(counters: &Counters) -> proto::Counters {
    proto::Counters {
        success_count: counters.success_count,
        error_count: counters.error_count,
        last_success: counters.last_success.nanos(),
        last_error: counters.last_error.nanos(),
        status: counters.status.number().into(),
    }
}

pub(crate) fn counters_from_proto(counters: proto::Counters) -> Result<Counters, WireError> {
    Ok(Counters {
        success_count: counters.success_count,
        error_count: counters.error_count,
        last_success: Time::from_nanos(counters.last_success),
        last_error: Time::from_nanos(counters.last_error),
        status: numbered(counters.status, Status::from_number, "counters.status")?,
    })
}

fn scope_to_proto(scope: &Scope) -> proto::Scope {
    match scope {
        Scope::Cluster => proto::Scope { cluster: true, jobs: Vec::new() },
        Scope::Jobs(names) => {
            proto::Scope { cluster: false, jobs: names.iter().map(|name| name.to_string()).collect() }
        }
    }
}

fn scope_from_proto(scope: proto::Scope) -> Result<Scope, WireError> {
    match (scope.cluster, scope.jobs) {
        (true, jobs) if jobs.is_empty() => Ok(Scope::Cluster),
        (true, jobs) => Err(WireError::Length { field: "scope.jobs", found: jobs.len() as u64 }),
        (false, jobs) => Ok(Scope::Jobs(jobs.into_iter().map(Arc::from).collect())),
    }
}
