//! A launch and an execution's small name as bytes: what is sent to agents is what they write down.

use crate::error::WireError;
use crate::generated::launch::v1 as proto;
use crate::wide;
use bytes::Bytes;
use dkron_core::delivery::Launch;
use dkron_core::ids::{ExecutionId, ExecutionRef, JobUid, JournalId, OccurrenceRef, Origin};
use dkron_core::time::Time;
use std::sync::Arc;

/// A launch as it is sent and written down.
pub(crate) fn launch_to_proto(launch: &Launch) -> proto::Launch {
    let (origin, cause) = origin_to_parts(launch.origin);
    proto::Launch {
        execution: Some(execution_to_proto(launch.execution)),
        id: wide::bytes(launch.id.0),
        job: wide::bytes(launch.job.0),
        job_name: launch.job_name.to_string(),
        origin,
        cause,
        nominal: launch.nominal.nanos(),
        decided_at: launch.decided_at.nanos(),
        journal: wide::bytes(launch.journal.0),
        start_before: launch.start_before.nanos(),
        definition: Bytes::from_owner(Arc::clone(&launch.definition)),
    }
}

/// The inverse of [`launch_to_proto`].
pub(crate) fn launch_from_proto(launch: proto::Launch) -> Result<Launch, WireError> {
    Ok(Launch {
        execution: execution_from_proto(launch.execution)?,
        id: ExecutionId(wide::read(&launch.id, "launch.id")?),
        job: JobUid(wide::read(&launch.job, "launch.job")?),
        job_name: launch.job_name.into(),
        origin: origin_from_parts(launch.origin, launch.cause.as_deref(), "launch.origin")?,
        nominal: Time::from_nanos(launch.nominal),
        decided_at: Time::from_nanos(launch.decided_at),
        journal: JournalId(wide::read(&launch.journal, "launch.journal")?),
        start_before: Time::from_nanos(launch.start_before),
        definition: launch.definition[..].into(),
    })
}

/// An origin's number, and its cause where it has one.
pub(crate) fn origin_to_parts(origin: Origin) -> (u32, Option<Bytes>) {
    let (kind, cause) = origin.parts();
    (kind.into(), (origin != Origin::Schedule).then(|| wide::bytes(cause)))
}

/// The inverse of [`origin_to_parts`].
pub(crate) fn origin_from_parts(
    kind: u32,
    cause: Option<&[u8]>,
    field: &'static str,
) -> Result<Origin, WireError> {
    let cause = match (kind, cause) {
        (0, _) => 0,
        (_, Some(cause)) => wide::read(cause, field)?,
        (_, None) => return Err(WireError::Missing { field }),
    };
    let origin = u8::try_from(kind).ok().and_then(|kind| Origin::from_parts(kind, cause));
    origin.ok_or(WireError::UnknownNumber { field, number: kind.into() })
}

/// An execution's small name.
pub(crate) fn execution_to_proto(execution: ExecutionRef) -> proto::Execution {
    proto::Execution {
        index: execution.occurrence.index,
        position: execution.occurrence.position,
        ordinal: execution.ordinal.into(),
        attempt: execution.attempt.into(),
    }
}

/// The inverse of [`execution_to_proto`]; it must be there.
pub(crate) fn execution_from_proto(execution: Option<proto::Execution>) -> Result<ExecutionRef, WireError> {
    let execution = execution.ok_or(WireError::Missing { field: "execution" })?;
    execution_of(execution.index, execution.position, execution.ordinal, execution.attempt)
}

/// An execution's small name from four fields.
pub(crate) fn execution_of(
    index: u64,
    position: u32,
    ordinal: u32,
    attempt: u32,
) -> Result<ExecutionRef, WireError> {
    let small = |number: u32, field| u16::try_from(number).map_err(|_| WireError::Range { field });
    Ok(ExecutionRef {
        occurrence: OccurrenceRef { index, position },
        ordinal: small(ordinal, "execution.ordinal")?,
        attempt: small(attempt, "execution.attempt")?,
    })
}
