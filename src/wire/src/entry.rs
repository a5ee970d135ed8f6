//! The envelope of log entries: format, cluster, incarnation, then a batch of commands.
//!
//! Every entry says whose it is, so that a log, an archive or a message of another cluster, or of a later life of
//! this one, is refused by name and never applied.

use crate::commands;
use crate::error::WireError;
use crate::generated::log::v1 as proto;
use crate::wide;
use dkron_core::command::{Action, Batch, Command, DecisionKind};
use dkron_core::format::Formats;
use dkron_core::ids::{ClusterId, Incarnation, Stamp};
use dkron_core::time::Time;
use prost::Message;

/// What an entry needs beside its commands, at most, in bytes.
pub const ENTRY_OVERHEAD_BYTES: usize = 40;
/// How much longer a row's first times may become under another entry's time, in bytes.
const TIME_SLACK_BYTES: usize = 16;

/// Whether something with this stamp is meant for `own`; the error names both.
pub fn belongs_to(found: Stamp, own: Stamp) -> Result<(), WireError> {
    if found.cluster != own.cluster {
        return Err(WireError::ForeignCluster { found: found.cluster, own: own.cluster });
    }
    if found.incarnation != own.incarnation {
        return Err(WireError::ForeignIncarnation { found: found.incarnation, own: own.incarnation });
    }
    Ok(())
}

/// Whether something that is kept, an entry or a snapshot, is of the cluster's own past: a recovered cluster goes on
/// with what it had. Messages are another matter: they are meant for one incarnation, see [`belongs_to`].
pub fn is_of_past(found: Stamp, own: Stamp) -> Result<(), WireError> {
    match found.cluster == own.cluster && found.incarnation < own.incarnation {
        true => Ok(()),
        false => belongs_to(found, own),
    }
}

/// The part of an entry, and of a snapshot's header, that every format shares.
#[derive(Clone, PartialEq, Message)]
struct Head {
    #[prost(uint32, tag = "1")]
    format: u32,
    #[prost(bytes = "bytes", tag = "2")]
    cluster: bytes::Bytes,
    #[prost(uint32, tag = "3")]
    incarnation: u32,
}

/// The stamp of an entry or a snapshot's header, read before anything that a newer format may have changed.
pub(crate) fn read_head(bytes: &[u8], what: &'static str) -> Result<(u8, Stamp), WireError> {
    let head = Head::decode(bytes).map_err(|error| WireError::malformed(what, &error))?;
    let format = known(&head, what, Formats::OWN)?;
    let cluster = ClusterId(wide::read(&head.cluster, "head.cluster")?);
    Ok((format, Stamp { cluster, incarnation: Incarnation(head.incarnation) }))
}

fn known(head: &Head, what: &'static str, formats: Formats) -> Result<u8, WireError> {
    let unknown = WireError::UnknownFormat { what, found: head.format, known: formats };
    u8::try_from(head.format).ok().filter(|format| formats.understand(*format)).ok_or(unknown)
}

/// Whether who knows these formats understands this entry: one that is older than all of them as well, because it may
/// stand in the log for long.
pub fn check_format(bytes: &[u8], formats: Formats) -> Result<(), WireError> {
    let head = Head::decode(bytes).map_err(|error| WireError::malformed("entry", &error))?;
    known(&head, "entry", formats).map(drop)
}

/// The entry's bytes, in the oldest format that has words for it; the same batch gives the same bytes.
pub fn encode_batch(stamp: Stamp, batch: &Batch) -> Vec<u8> {
    encode_batch_in(batch.format(), stamp, batch)
}

/// The entry's bytes in a format that has words for it.
pub fn encode_batch_in(format: u8, stamp: Stamp, batch: &Batch) -> Vec<u8> {
    let entry = proto::Entry {
        format: format.max(batch.format()).into(),
        cluster: wide::bytes(stamp.cluster.0),
        incarnation: stamp.incarnation.0,
        time: batch.time.nanos(),
        commands: batch.commands.iter().map(|command| commands::to_proto(command, batch.time)).collect(),
    };
    entry.encode_to_vec()
}

/// The entry in these bytes, whoever wrote it: the caller asks [`belongs_to`], or uses
/// [`decode_own_batch`].
pub fn decode_batch(bytes: &[u8]) -> Result<(Stamp, Batch), WireError> {
    let (_, stamp) = read_head(bytes, "entry")?;
    Ok((stamp, decode_body(bytes)?))
}

/// The entry in these bytes if it is of this cluster, in this incarnation or an earlier one.
pub fn decode_own_batch(own: Stamp, bytes: &[u8]) -> Result<Batch, WireError> {
    is_of_past(read_head(bytes, "entry")?.1, own)?;
    decode_body(bytes)
}

fn decode_body(bytes: &[u8]) -> Result<Batch, WireError> {
    let entry = proto::Entry::decode(bytes).map_err(|error| WireError::malformed("entry", &error))?;
    let time = Time::from_nanos(entry.time);
    let commands = entry.commands.into_iter().map(|command| commands::from_proto(command, time));
    Ok(Batch { time, commands: commands.collect::<Result<_, _>>()? })
}

/// What a command adds to an entry, at most, in bytes: whatever the entry's time will be. An entry fits if
/// [`ENTRY_OVERHEAD_BYTES`] and the sum of these do. Costs one encoding.
pub fn entry_bytes(command: &Command) -> usize {
    let length = commands::to_proto(command, Time::EPOCH).encoded_len();
    let timed = match &command.action {
        Action::Stage { jobs, .. } => 1 + jobs.len(),
        // What was passed over at a re-filing is told apart from the entry's time, in each row anew.
        Action::Decide(decisions) => {
            1 + decisions
                .iter()
                .filter(|decision| matches!(decision.kind, DecisionKind::Refile { .. }))
                .count()
        }
        _ => 1,
    };
    // The tag and the length before the command, and before each message within that holds times.
    let framed = 1 + prost::length_delimiter_len(length + timed * TIME_SLACK_BYTES);
    framed + length + timed * TIME_SLACK_BYTES
}
