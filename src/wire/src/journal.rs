//! The agent's journal as bytes: a header, then records.

use crate::error::WireError;
use crate::generated::journal::v1 as proto;
use crate::launch::{execution_from_proto, execution_to_proto, launch_from_proto, launch_to_proto};
use crate::supervisor::{id_bytes, outcome_to_proto, process, read_id, required_outcome};
use crate::wide;
use dkron_core::format::Formats;
use dkron_core::ids::{ClusterId, Incarnation, JournalId, RunnerId, Stamp};
use dkron_core::journal::{Place, Record};
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
    let cluster = header.stamp.map(|stamp| wide::bytes(stamp.cluster.0));
    let incarnation = header.stamp.map_or(0, |stamp| stamp.incarnation.0);
    let journal = wide::bytes(header.journal.0);
    proto::Header { format: FORMAT, cluster, journal, incarnation }.encode_to_vec()
}

/// The header in these bytes.
pub fn decode_header(bytes: &[u8]) -> Result<Header, WireError> {
    let header = proto::Header::decode(bytes).map_err(malformed)?;
    if header.format == 0 || header.format > FORMAT {
        let known = Formats { first: FORMAT as u8, last: FORMAT as u8 };
        return Err(WireError::UnknownFormat { what: "agent journal", found: header.format, known });
    }
    let cluster = header.cluster.map(|bytes| wide::read(&bytes, "cluster")).transpose()?;
    let incarnation = Incarnation(header.incarnation);
    Ok(Header {
        stamp: cluster.map(|id| Stamp { cluster: ClusterId(id), incarnation }),
        journal: JournalId(wide::read(&header.journal, "journal")?),
    })
}

/// The record's bytes.
pub fn encode_record(record: &Record) -> Vec<u8> {
    use proto::record::Record as Kind;
    let kind = match record {
        Record::Accepted(launch, place) => Kind::Accepted(proto::Accepted {
            launch: Some(launch_to_proto(launch)),
            inside: *place == Place::Agent,
        }),
        Record::Starting { id, runner } => {
            Kind::Starting(proto::Starting { id: id_bytes(*id), runner: wide::bytes(runner.0) })
        }
        Record::Unstarted { id } => Kind::Unstarted(id_bytes(*id)),
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
        Kind::Accepted(accepted) => {
            let launch = accepted.launch.ok_or(WireError::Missing { field: "launch" })?;
            let place = if accepted.inside { Place::Agent } else { Place::Runner };
            Record::Accepted(Arc::new(launch_from_proto(launch)?), place)
        }
        Kind::Starting(starting) => Record::Starting {
            id: read_id(&starting.id)?,
            runner: RunnerId(wide::read(&starting.runner, "runner")?),
        },
        Kind::Unstarted(id) => Record::Unstarted { id: read_id(&id)? },
        Kind::Started(started) => Record::Started {
            id: read_id(&started.id)?,
            at: Time::from_nanos(started.at),
            process: process(started.pid, started.start_ticks),
        },
        Kind::Finished(finished) => Record::Finished {
            id: read_id(&finished.id)?,
            execution: execution_from_proto(finished.execution)?,
            start_before: Time::from_nanos(finished.start_before),
            outcome: Arc::new(required_outcome(finished.outcome)?),
        },
        Kind::Settled(settled) => {
            Record::Settled { id: read_id(&settled.id)?, at: Time::from_nanos(settled.at) }
        }
        Kind::Forbidden(forbidden) => Record::Forbidden {
            id: read_id(&forbidden.id)?,
            execution: execution_from_proto(forbidden.execution)?,
            at: Time::from_nanos(forbidden.at),
        },
    })
}

fn malformed(error: prost::DecodeError) -> WireError {
    WireError::malformed("agent journal", &error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use dkron_core::delivery::Launch;
    use dkron_core::execution::{Outcome, Verdict};
    use dkron_core::ids::{ExecutionId, ExecutionRef, JobUid, OccurrenceRef, Origin, RequestId};
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
            Record::Accepted(Arc::new(launch.clone()), Place::Runner),
            Record::Accepted(Arc::new(launch), Place::Agent),
            Record::Starting { id, runner: RunnerId(9) },
            Record::Unstarted { id },
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
