//! Rows of the history as bytes.
//!
//! A row is complete by itself, because the job may be gone when it is read; times are written as differences
//! from the nominal time, because a fleet keeps hundreds of millions of rows.

use crate::commands::numbered;
use crate::error::WireError;
use crate::generated::history::v1 as proto;
use crate::generated::history::v1::row::Row;
use crate::launch::{execution_of, origin_from_parts, origin_to_parts};
use crate::wide;
use bytes::Bytes;
use dkron_core::execution::{Finished, HistoryRow, Outcome, SkipReason, Skipped, Verdict};
use dkron_core::ids::{ExecutionId, JobUid};
use dkron_core::time::Time;
use prost::Message;
use std::sync::Arc;

/// The row's bytes.
pub fn encode_row(row: &HistoryRow) -> Vec<u8> {
    let row = match row {
        HistoryRow::Finished(finished) => Row::Finished(finished_to_proto(finished)),
        HistoryRow::Skipped(skipped) => Row::Skipped(skipped_to_proto(skipped)),
        HistoryRow::Erased { job } => Row::Erased(wide::bytes(job.0)),
    };
    proto::Row { row: Some(row) }.encode_to_vec()
}

/// The row in these bytes.
pub fn decode_row(bytes: &[u8]) -> Result<HistoryRow, WireError> {
    let row = proto::Row::decode(bytes).map_err(|error| WireError::malformed("history row", &error))?;
    match row.row.ok_or(WireError::Missing { field: "history.row" })? {
        Row::Finished(finished) => finished_from_proto(finished).map(HistoryRow::Finished),
        Row::Skipped(skipped) => skipped_from_proto(skipped).map(HistoryRow::Skipped),
        Row::Erased(job) => Ok(HistoryRow::Erased { job: JobUid(wide::read(&job, "erased.job")?) }),
    }
}

/// The difference of any two instants; [`at`] finds the second again.
fn after(from: Time, to: Time) -> i64 {
    to.nanos().wrapping_sub(from.nanos())
}

fn at(from: Time, nanos: i64) -> Time {
    Time::from_nanos(from.nanos().wrapping_add(nanos))
}

fn finished_to_proto(finished: &Finished) -> proto::Finished {
    let (origin, cause) = origin_to_parts(finished.origin);
    let outcome = &finished.outcome;
    let nominal = finished.nominal;
    proto::Finished {
        job: wide::bytes(finished.job.0),
        job_name: finished.job_name.to_string(),
        id: wide::bytes(finished.id.0),
        index: finished.execution.occurrence.index,
        position: finished.execution.occurrence.position,
        ordinal: finished.execution.ordinal.into(),
        attempt: finished.execution.attempt.into(),
        origin,
        cause,
        nominal: nominal.nanos(),
        decided_after: after(nominal, finished.decided_at),
        node: finished.node.to_string(),
        verdict: outcome.verdict.number().into(),
        started_after: (outcome.started_at != Time::EPOCH).then(|| after(nominal, outcome.started_at)),
        finished_after: after(nominal, outcome.finished_at),
        code: outcome.code,
        error: outcome.error.to_string(),
        tail: Bytes::from_owner(Arc::clone(&outcome.tail)),
        output_bytes: outcome.output_bytes,
    }
}

fn finished_from_proto(finished: proto::Finished) -> Result<Finished, WireError> {
    let nominal = Time::from_nanos(finished.nominal);
    Ok(Finished {
        job: JobUid(wide::read(&finished.job, "finished.job")?),
        job_name: finished.job_name.into(),
        id: ExecutionId(wide::read(&finished.id, "finished.id")?),
        execution: execution_of(finished.index, finished.position, finished.ordinal, finished.attempt)?,
        origin: origin_from_parts(finished.origin, finished.cause.as_deref(), "finished.origin")?,
        nominal,
        decided_at: at(nominal, finished.decided_after),
        node: finished.node.into(),
        outcome: Outcome {
            verdict: numbered(finished.verdict, Verdict::from_number, "finished.verdict")?,
            started_at: finished.started_after.map_or(Time::EPOCH, |nanos| at(nominal, nanos)),
            finished_at: at(nominal, finished.finished_after),
            code: finished.code,
            error: finished.error.into(),
            tail: finished.tail[..].into(),
            output_bytes: finished.output_bytes,
        },
    })
}

fn skipped_to_proto(skipped: &Skipped) -> proto::Skipped {
    let (origin, cause) = origin_to_parts(skipped.origin);
    proto::Skipped {
        job: wide::bytes(skipped.job.0),
        job_name: skipped.job_name.to_string(),
        origin,
        cause,
        from: skipped.from.nanos(),
        to_after: after(skipped.from, skipped.to),
        count: skipped.count,
        reason: skipped.reason.number().into(),
        blocked_by: skipped.blocked_by.map(|id| wide::bytes(id.0)),
        decided_at: skipped.decided_at.nanos(),
    }
}

fn skipped_from_proto(skipped: proto::Skipped) -> Result<Skipped, WireError> {
    let from = Time::from_nanos(skipped.from);
    let blocked_by = skipped.blocked_by.map(|id| wide::read(&id, "skipped.blocked_by")).transpose()?;
    Ok(Skipped {
        job: JobUid(wide::read(&skipped.job, "skipped.job")?),
        job_name: skipped.job_name.into(),
        origin: origin_from_parts(skipped.origin, skipped.cause.as_deref(), "skipped.origin")?,
        from,
        to: at(from, skipped.to_after),
        count: skipped.count,
        reason: numbered(skipped.reason, SkipReason::from_number, "skipped.reason")?,
        blocked_by: blocked_by.map(ExecutionId),
        decided_at: Time::from_nanos(skipped.decided_at),
    })
}
