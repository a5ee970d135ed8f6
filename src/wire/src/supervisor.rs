//! What an agent and its supervisor say to each other.
//!
//! A message is complete in itself and may be said twice: the supervisor knows executions by their long ids,
//! and a spawn of a known one is answered with its state.

use crate::error::WireError;
use crate::generated::supervisor::v1 as proto;
use crate::wide;
use bytes::Bytes;
use dkron_core::execution::{Outcome, Verdict};
use dkron_core::ids::{ExecutionId, RunnerId};
use dkron_core::journal::Process;
use dkron_core::time::{Span, Time};
use prost::Message;

/// The version of this conversation.
pub const PROTOCOL: u32 = 1;
/// The largest message in bytes: a spawn with its input, an environment, a piece of output.
pub const MESSAGE_BYTES_MAX: usize = 8 * 1024 * 1024;

/// A name and a value of an environment; neither needs to be text.
pub type Variable = (Vec<u8>, Vec<u8>);

/// From the agent.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ToSupervisor {
    /// The first message of a connection.
    Hello {
        /// The daemon's environment, which jobs inherit.
        environment: Vec<Variable>,
        /// The daemon's working folder, which jobs inherit.
        directory: Vec<u8>,
    },
    /// Run this, unless it is known.
    Spawn(Spawn),
    /// End this: politely at first, then by force.
    Stop {
        /// The execution.
        id: ExecutionId,
    },
    /// Its result is not needed any more.
    Forget {
        /// The execution.
        id: ExecutionId,
    },
}

/// A process to be run.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Spawn {
    /// The execution.
    pub id: ExecutionId,
    /// The program, then its arguments.
    pub arguments: Vec<Vec<u8>>,
    /// Added to the daemon's environment.
    pub environment: Vec<Variable>,
    /// The working folder; the daemon's, if empty.
    pub directory: Vec<u8>,
    /// The user to run as.
    pub user: Option<u32>,
    /// The group to run as.
    pub group: Option<u32>,
    /// Its standard input.
    pub input: Vec<u8>,
    /// Killed when it runs longer.
    pub timeout: Option<Span>,
    /// Killed when its processes use more resident memory, in bytes.
    pub memory_bytes_max: Option<u64>,
    /// How the command is called in messages.
    pub label: String,
    /// A line appended to the output; empty for none.
    pub remark: String,
}

/// From the supervisor.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum FromSupervisor {
    /// The answer to hello; what is known follows, then `Listed`.
    Welcome {
        /// The supervisor's process.
        pid: u32,
        /// Its life: another number, however often a process number comes again.
        runner: RunnerId,
    },
    /// It runs.
    Began {
        /// The execution.
        id: ExecutionId,
        /// Since when; the epoch while that is not known.
        at: Time,
        /// Its process; none while it is not known.
        process: Option<Process>,
    },
    /// It ended, and the result is on the disk.
    Ended {
        /// The execution.
        id: ExecutionId,
        /// How.
        outcome: Outcome,
    },
    /// A piece of output, as it comes. Pieces may be left out: the kept output has them.
    Output {
        /// The execution.
        id: ExecutionId,
        /// How many bytes precede it.
        offset: u64,
        /// The piece.
        bytes: Bytes,
    },
    /// Everything known has been told.
    Listed,
}

/// The message's bytes, its length before them.
pub fn encode_to_supervisor(message: &ToSupervisor) -> Vec<u8> {
    use proto::to_supervisor::Message as Kind;
    let kind = match message {
        ToSupervisor::Hello { environment, directory } => Kind::Hello(proto::Hello {
            protocol: PROTOCOL,
            environment: variables(environment),
            directory: directory.clone().into(),
        }),
        ToSupervisor::Spawn(spawn) => Kind::Spawn(spawn_to_proto(spawn)),
        ToSupervisor::Stop { id } => Kind::Stop(proto::Stop { id: id_bytes(*id) }),
        ToSupervisor::Forget { id } => Kind::Forget(proto::Forget { id: id_bytes(*id) }),
    };
    with_length(&proto::ToSupervisor { message: Some(kind) })
}

/// The message in these bytes, without the length.
pub fn decode_to_supervisor(bytes: &[u8]) -> Result<ToSupervisor, WireError> {
    use proto::to_supervisor::Message as Kind;
    let message = proto::ToSupervisor::decode(bytes).map_err(malformed)?;
    Ok(match message.message.ok_or(WireError::Missing { field: "message" })? {
        Kind::Hello(hello) => {
            ToSupervisor::Hello { environment: pairs(hello.environment), directory: hello.directory.into() }
        }
        Kind::Spawn(spawn) => ToSupervisor::Spawn(spawn_from_proto(spawn)?),
        Kind::Stop(stop) => ToSupervisor::Stop { id: read_id(&stop.id)? },
        Kind::Forget(forget) => ToSupervisor::Forget { id: read_id(&forget.id)? },
    })
}

/// The message's bytes, its length before them.
pub fn encode_from_supervisor(message: &FromSupervisor) -> Vec<u8> {
    use proto::from_supervisor::Message as Kind;
    let kind = match message {
        FromSupervisor::Welcome { pid, runner } => {
            Kind::Welcome(proto::Welcome { protocol: PROTOCOL, pid: *pid, runner: wide::bytes(runner.0) })
        }
        FromSupervisor::Began { id, at, process } => Kind::Began(proto::Began {
            id: id_bytes(*id),
            at: at.nanos(),
            pid: process.map_or(0, |process| process.pid),
            start_ticks: process.map_or(0, |process| process.start_ticks),
        }),
        FromSupervisor::Ended { id, outcome } => {
            Kind::Ended(proto::Ended { id: id_bytes(*id), outcome: Some(outcome_to_proto(outcome)) })
        }
        FromSupervisor::Output { id, offset, bytes } => {
            Kind::Output(proto::Output { id: id_bytes(*id), offset: *offset, bytes: bytes.clone() })
        }
        FromSupervisor::Listed => Kind::Listed(proto::Listed {}),
    };
    with_length(&proto::FromSupervisor { message: Some(kind) })
}

/// The message in these bytes, without the length.
pub fn decode_from_supervisor(bytes: &[u8]) -> Result<FromSupervisor, WireError> {
    use proto::from_supervisor::Message as Kind;
    let message = proto::FromSupervisor::decode(bytes).map_err(malformed)?;
    Ok(match message.message.ok_or(WireError::Missing { field: "message" })? {
        Kind::Welcome(welcome) => {
            let runner = RunnerId(wide::read(&welcome.runner, "welcome.runner")?);
            FromSupervisor::Welcome { pid: welcome.pid, runner }
        }
        Kind::Began(began) => FromSupervisor::Began {
            id: read_id(&began.id)?,
            at: Time::from_nanos(began.at),
            process: process(began.pid, began.start_ticks),
        },
        Kind::Ended(ended) => {
            FromSupervisor::Ended { id: read_id(&ended.id)?, outcome: required_outcome(ended.outcome)? }
        }
        Kind::Output(output) => {
            FromSupervisor::Output { id: read_id(&output.id)?, offset: output.offset, bytes: output.bytes }
        }
        Kind::Listed(_) => FromSupervisor::Listed,
    })
}

/// A result as it stands on the supervisor's disk.
pub fn encode_result(id: ExecutionId, outcome: &Outcome) -> Vec<u8> {
    proto::Ended { id: id_bytes(id), outcome: Some(outcome_to_proto(outcome)) }.encode_to_vec()
}

/// The result in these bytes.
pub fn decode_result(bytes: &[u8]) -> Result<(ExecutionId, Outcome), WireError> {
    let ended = proto::Ended::decode(bytes).map_err(malformed)?;
    Ok((read_id(&ended.id)?, required_outcome(ended.outcome)?))
}

pub(crate) fn outcome_to_proto(outcome: &Outcome) -> proto::Outcome {
    proto::Outcome {
        verdict: u32::from(outcome.verdict.number()),
        started_at: outcome.started_at.nanos(),
        finished_at: outcome.finished_at.nanos(),
        code: outcome.code,
        error: outcome.error.to_string(),
        tail: Bytes::copy_from_slice(&outcome.tail),
        output_bytes: outcome.output_bytes,
    }
}

pub(crate) fn required_outcome(outcome: Option<proto::Outcome>) -> Result<Outcome, WireError> {
    let outcome = outcome.ok_or(WireError::Missing { field: "outcome" })?;
    let verdict = u8::try_from(outcome.verdict).ok().and_then(Verdict::from_number);
    let number = u64::from(outcome.verdict);
    Ok(Outcome {
        verdict: verdict.ok_or(WireError::UnknownNumber { field: "verdict", number })?,
        started_at: Time::from_nanos(outcome.started_at),
        finished_at: Time::from_nanos(outcome.finished_at),
        code: outcome.code,
        error: outcome.error.into(),
        tail: outcome.tail.as_ref().into(),
        output_bytes: outcome.output_bytes,
    })
}

pub(crate) fn process(pid: u32, start_ticks: u64) -> Option<Process> {
    (pid != 0).then_some(Process { pid, start_ticks })
}

pub(crate) fn id_bytes(id: ExecutionId) -> Bytes {
    wide::bytes(id.0)
}

pub(crate) fn read_id(bytes: &[u8]) -> Result<ExecutionId, WireError> {
    wide::read(bytes, "id").map(ExecutionId)
}

fn spawn_to_proto(spawn: &Spawn) -> proto::Spawn {
    proto::Spawn {
        id: id_bytes(spawn.id),
        arguments: spawn.arguments.iter().map(|argument| argument.clone().into()).collect(),
        environment: variables(&spawn.environment),
        directory: spawn.directory.clone().into(),
        user: spawn.user,
        group: spawn.group,
        input: spawn.input.clone().into(),
        timeout: spawn.timeout.map(Span::nanos),
        memory_bytes_max: spawn.memory_bytes_max,
        label: spawn.label.clone(),
        remark: spawn.remark.clone(),
    }
}

fn spawn_from_proto(spawn: proto::Spawn) -> Result<Spawn, WireError> {
    Ok(Spawn {
        id: read_id(&spawn.id)?,
        arguments: spawn.arguments.into_iter().map(Vec::from).collect(),
        environment: pairs(spawn.environment),
        directory: spawn.directory.into(),
        user: spawn.user,
        group: spawn.group,
        input: spawn.input.into(),
        timeout: spawn.timeout.map(Span::from_nanos),
        memory_bytes_max: spawn.memory_bytes_max,
        label: spawn.label,
        remark: spawn.remark,
    })
}

fn variables(pairs: &[Variable]) -> Vec<proto::Variable> {
    let variable =
        |(name, value): &Variable| proto::Variable { name: name.clone().into(), value: value.clone().into() };
    pairs.iter().map(variable).collect()
}

fn pairs(variables: Vec<proto::Variable>) -> Vec<Variable> {
    variables.into_iter().map(|variable| (variable.name.into(), variable.value.into())).collect()
}

fn malformed(error: prost::DecodeError) -> WireError {
    WireError::malformed("supervisor message", &error)
}

fn with_length(message: &impl Message) -> Vec<u8> {
    let length = message.encoded_len();
    let mut bytes = Vec::with_capacity(4 + length);
    bytes.extend_from_slice(&(length as u32).to_be_bytes());
    message.encode_raw(&mut bytes);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_to_the_supervisor_survive_their_bytes() {
        let spawn = Spawn {
            id: ExecutionId(5),
            arguments: vec![b"/bin/sh".to_vec(), b"-c".to_vec(), vec![0xff]],
            environment: vec![(b"A".to_vec(), b"1,2".to_vec())],
            directory: b"/tmp".to_vec(),
            user: Some(0),
            group: None,
            input: b"in".to_vec(),
            timeout: Some(Span::from_seconds(1)),
            memory_bytes_max: Some(1),
            label: "x".to_owned(),
            remark: "y".to_owned(),
        };
        let id = ExecutionId(9);
        let hello = ToSupervisor::Hello { environment: vec![], directory: b"/".to_vec() };
        for message in
            [hello, ToSupervisor::Spawn(spawn), ToSupervisor::Stop { id }, ToSupervisor::Forget { id }]
        {
            assert_eq!(decode_to_supervisor(&encode_to_supervisor(&message)[4..]), Ok(message));
        }
    }

    #[test]
    fn messages_from_the_supervisor_survive_their_bytes() {
        let id = ExecutionId(9);
        let outcome = Outcome {
            verdict: Verdict::Failed,
            started_at: Time::from_seconds(1),
            finished_at: Time::from_seconds(2),
            code: Some(-1),
            error: "exit status 1".into(),
            tail: Arc::from(*b"tail"),
            output_bytes: 4,
        };
        let process = Some(Process { pid: 1, start_ticks: 2 });
        for message in [
            FromSupervisor::Welcome { pid: 3, runner: RunnerId(4) },
            FromSupervisor::Began { id, at: Time::from_seconds(1), process },
            FromSupervisor::Began { id, at: Time::EPOCH, process: None },
            FromSupervisor::Ended { id, outcome: outcome.clone() },
            FromSupervisor::Output { id, offset: 7, bytes: Bytes::from_static(b"out") },
            FromSupervisor::Listed,
        ] {
            assert_eq!(decode_from_supervisor(&encode_from_supervisor(&message)[4..]), Ok(message));
        }
        assert_eq!(decode_result(&encode_result(id, &outcome)), Ok((id, outcome)));
    }

    use std::sync::Arc;
}
