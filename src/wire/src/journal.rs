//! The agent's journal as bytes: a header, then records.

use crate::error::WireError;
use crate::generated::journal::v1 as proto;
use crate::supervisor::{id_bytes, outcome_to_proto, process, read_id, required_outcome};
use bytes::Bytes;
use dkron_core::delivery::Launch;
use dkron_core::ids::{
    ClusterId, ExecutionRef, Incarnation, JobUid, JournalId, OccurrenceRef, Origin, Stamp,
};
use dkron_core::journal::Record;
use dkron_core::time::Time;
use prost::Message;
use std::sync::Arc;

/// The newest format that this version reads, and the one that it writes.
pub const FORMAT: u32 = 1;

/// The first frame of a journal.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Header {
    /// The cluster whose work it tells of, with the newest incarnation seen; none before the agent's first
    /// welcome.
    pub stamp: Option<Stamp>,
    /// The journal.
    pub journal: JournalId,
}

/// The header's bytes.
pub fn encode_header(header: &Header) -> Vec<u8> {
    let wide = |id: u128| Bytes::copy_from_slice(&id.to_be_bytes());
    let cluster = header.stamp.map(|stamp| wide(stamp.cluster.0));
    let incarnation = header.stamp.map_or(0, |stamp| stamp.incarnation.0);
    proto::Header { format: FORMAT, cluster, journal: wide(header.journal.0), incarnation }.encode_to_vec()
}

/// The header in these bytes.
pub fn decode_header(bytes: &[u8]) -> Result<Header, WireError> {
    let header = proto::Header::decode(bytes).map_err(malformed)?;
    if header.format == 0 || header.format > FORMAT {
        return Err(WireError::UnknownFormat { what: "agent journal", found: header.format, known: FORMAT });
    }
    let cluster = header.cluster.map(|bytes| read_id(&bytes)).transpose()?;
    let incarnation = Incarnation(header.incarnation);
    Ok(Header {
        stamp: cluster.map(|id| Stamp { cluster: ClusterId(id.0), incarnation }),
        journal: JournalId(read_id(&header.journal)?.0),
    })
}

/// The record's bytes.
pub fn encode_record(record: &Record) -> Vec<u8> {
    use proto::record::Record as Kind;
    let kind = match record {
        Record::Accepted(launch) => Kind::Accepted(launch_to_proto(launch)),
        Record::Starting { id } => Kind::Starting(id_bytes(*id)),
        Record::Started { id, at, process } => Kind::Started(proto::Started {
            id: id_bytes(*id),
            at: at.nanos(),
            pid: process.map_or(0, |process| process.pid),
            start_ticks: process.map_or(0, |process| process.start_ticks),
        }),
        Record::Finished { id, execution, start_before, outcome } => Kind::Finished(proto::Finished {
            id: id_bytes(*id),
            execution: Some(execution_to_proto(*execution)),
            start_before: start_before.nanos(),
            outcome: Some(outcome_to_proto(outcome)),
        }),
        Record::Settled { id, at } => Kind::Settled(proto::Settled { id: id_bytes(*id), at: at.nanos() }),
        Record::Forbidden { id, execution, at } => Kind::Forbidden(proto::Forbidden {
            id: id_bytes(*id),
            execution: Some(execution_to_proto(*execution)),
            at: at.nanos(),
        }),
    };
    proto::Record { record: Some(kind) }.encode_to_vec()
}

/// The record in these bytes.
pub fn decode_record(bytes: &[u8]) -> Result<Record, WireError> {
    use proto::record::Record as Kind;
    let record = proto::Record::decode(bytes).map_err(malformed)?;
    Ok(match record.record.ok_or(WireError::Missing { field: "record" })? {
        Kind::Accepted(launch) => Record::Accepted(Arc::new(launch_from_proto(&launch)?)),
        Kind::Starting(id) => Record::Starting { id: read_id(&id)? },
        Kind::Started(started) => Record::Started {
            id: read_id(&started.id)?,
            at: Time::from_nanos(started.at),
            process: process(started.pid, started.start_ticks),
        },
        Kind::Finished(finished) => Record::Finished {
            id: read_id(&finished.id)?,
            execution: required_execution(finished.execution)?,
            start_before: Time::from_nanos(finished.start_before),
            outcome: Arc::new(required_outcome(finished.outcome)?),
        },
        Kind::Settled(settled) => {
            Record::Settled { id: read_id(&settled.id)?, at: Time::from_nanos(settled.at) }
        }
        Kind::Forbidden(forbidden) => Record::Forbidden {
            id: read_id(&forbidden.id)?,
            execution: required_execution(forbidden.execution)?,
            at: Time::from_nanos(forbidden.at),
        },
    })
}

fn launch_to_proto(launch: &Launch) -> proto::Launch {
    let wide = |id: u128| Bytes::copy_from_slice(&id.to_be_bytes());
    let (origin, cause) = launch.origin.parts();
    proto::Launch {
        execution: Some(execution_to_proto(launch.execution)),
        id: id_bytes(launch.id),
        job: wide(launch.job.0),
        job_name: launch.job_name.to_string(),
        origin: u32::from(origin),
        cause: wide(cause),
        nominal: launch.nominal.nanos(),
        decided_at: launch.decided_at.nanos(),
        journal: wide(launch.journal.0),
        start_before: launch.start_before.nanos(),
        definition: Bytes::copy_from_slice(&launch.definition),
    }
}

fn launch_from_proto(launch: &proto::Launch) -> Result<Launch, WireError> {
    let cause = read_id(&launch.cause)?.0;
    let origin = u8::try_from(launch.origin).ok().and_then(|kind| Origin::from_parts(kind, cause));
    let number = u64::from(launch.origin);
    Ok(Launch {
        execution: required_execution(launch.execution)?,
        id: read_id(&launch.id)?,
        job: JobUid(read_id(&launch.job)?.0),
        job_name: launch.job_name.as_str().into(),
        origin: origin.ok_or(WireError::UnknownNumber { field: "origin", number })?,
        nominal: Time::from_nanos(launch.nominal),
        decided_at: Time::from_nanos(launch.decided_at),
        journal: JournalId(read_id(&launch.journal)?.0),
        start_before: Time::from_nanos(launch.start_before),
        definition: launch.definition.as_ref().into(),
    })
}

fn execution_to_proto(execution: ExecutionRef) -> proto::Execution {
    let ExecutionRef { occurrence: OccurrenceRef { index, position }, ordinal, attempt } = execution;
    proto::Execution { index, position, ordinal: u32::from(ordinal), attempt: u32::from(attempt) }
}

fn required_execution(execution: Option<proto::Execution>) -> Result<ExecutionRef, WireError> {
    let execution = execution.ok_or(WireError::Missing { field: "execution" })?;
    let small = |number: u32, field| u16::try_from(number).map_err(|_| WireError::Range { field });
    Ok(ExecutionRef {
        occurrence: OccurrenceRef { index: execution.index, position: execution.position },
        ordinal: small(execution.ordinal, "ordinal")?,
        attempt: small(execution.attempt, "attempt")?,
    })
}

fn malformed(error: prost::DecodeError) -> WireError {
    WireError::malformed("agent journal", &error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use dkron_core::execution::{Outcome, Verdict};
    use dkron_core::ids::ExecutionId;
    use dkron_core::ids::RequestId;
    use dkron_core::journal::Process;

    #[test]
    fn a_header_survives_its_bytes() {
        let stamp = Stamp { cluster: ClusterId(3), incarnation: Incarnation(2) };
        for stamp in [None, Some(stamp)] {
            let header = Header { stamp, journal: JournalId(4) };
            assert_eq!(decode_header(&encode_header(&header)), Ok(header));
        }
    }

    #[test]
    fn a_header_of_a_later_format_is_refused() {
        let header = proto::Header { format: 2, journal: vec![0; 16].into(), ..Default::default() };
        let bytes = header.encode_to_vec();
        assert!(matches!(decode_header(&bytes), Err(WireError::UnknownFormat { found: 2, .. })));
    }

    #[test]
    fn records_survive_their_bytes() {
        let id = ExecutionId(8);
        let occurrence = OccurrenceRef { index: 1, position: 2 };
        let execution = ExecutionRef { occurrence, ordinal: 3, attempt: 4 };
        let launch = Launch {
            execution,
            id,
            job: JobUid(5),
            job_name: "tick".into(),
            origin: Origin::Manual(RequestId(6)),
            nominal: Time::from_seconds(1),
            decided_at: Time::from_seconds(2),
            journal: JournalId(7),
            start_before: Time::from_seconds(3),
            definition: Arc::from(*b"definition"),
        };
        let outcome = Arc::new(Outcome {
            verdict: Verdict::Lost,
            started_at: Time::EPOCH,
            finished_at: Time::from_seconds(4),
            code: None,
            error: "unknown".into(),
            tail: Arc::default(),
            output_bytes: 0,
        });
        let at = Time::from_seconds(5);
        for record in [
            Record::Accepted(Arc::new(launch)),
            Record::Starting { id },
            Record::Started { id, at, process: Some(Process { pid: 1, start_ticks: 2 }) },
            Record::Started { id, at, process: None },
            Record::Finished { id, execution, start_before: at, outcome },
            Record::Settled { id, at },
            Record::Forbidden { id, execution, at },
        ] {
            assert_eq!(decode_record(&encode_record(&record)), Ok(record));
        }
    }
}
