//! What stands in a segment's frames: rows, each with its link, and commits, each with the applied index.
//!
//! A row counts only if a commit follows it: that makes a batch and its index one step.

use super::entry::{Entry, Input, Kind, Link};
use super::frame;
use dkron_core::execution::HistoryRow;

const COMMIT: u8 = 4;
/// The first bytes of all payloads.
pub(in crate::history) const KINDS: [u8; 4] = [1, 2, 3, COMMIT];
/// The longest payload: a row is a tail of 4 KiB, a few names and an error.
pub(in crate::history) const PAYLOAD_MAX: usize = 128 * 1024;
/// The version of this format, in every commit.
const VERSION: u8 = 1;

/// A frame's payload, taken apart.
pub(in crate::history) enum Record<'a> {
    /// Everything up to here is in force, and the log is applied up to this index.
    Commit { applied: u64 },
    /// A row: its link and its encoding.
    Row { link: Link, body: &'a [u8] },
}

/// Appends a commit.
pub(in crate::history) fn append_commit(buffer: &mut Vec<u8>, applied: u64) {
    frame::append(buffer, |out| {
        out.extend_from_slice(&[COMMIT, VERSION]);
        out.extend_from_slice(&applied.to_le_bytes());
    });
}

/// Appends a row whose encoding is `body` and returns its frame's length.
pub(in crate::history) fn append_row(buffer: &mut Vec<u8>, kind: Kind, link: &Link, body: &[u8]) -> u32 {
    frame::append(buffer, |out| {
        out.push(kind.number());
        out.extend_from_slice(&link.position.to_le_bytes());
        out.extend_from_slice(&link.previous.to_le_bytes());
        for word in [link.ordinal, link.weight, link.stamp] {
            out.extend_from_slice(&word.to_le_bytes());
        }
        out.extend_from_slice(body);
    }) as u32
}

/// Takes a payload apart; none if it is of no known shape.
pub(in crate::history) fn parse(payload: &[u8]) -> Option<Record<'_>> {
    let mut input = Input(payload);
    let [tag] = input.take()?;
    if tag == COMMIT {
        let [version] = input.take()?;
        return (version == VERSION).then_some(Record::Commit { applied: input.u64()? });
    }
    Kind::from_number(tag)?;
    let (position, previous) = (input.u64()?, input.u64()?);
    let link = Link { position, previous, ordinal: input.u32()?, weight: input.u32()?, stamp: input.u32()? };
    Some(Record::Row { link, body: input.0 })
}

/// The entry of a parsed row that stands at `offset`.
pub(in crate::history) fn describe(link: Link, body: &[u8], offset: usize, length: usize) -> Option<Entry> {
    let row = decode(body)?;
    Some(Entry { offset: offset as u32, length: length as u32, ..Entry::of(&row, link) })
}

/// Encodes a row.
pub(in crate::history) fn encode(row: &HistoryRow) -> Vec<u8> {
    dkron_wire::history::encode_row(row)
}

/// Decodes a row; none if the bytes are not one.
pub(in crate::history) fn decode(body: &[u8]) -> Option<HistoryRow> {
    dkron_wire::history::decode_row(body).ok()
}
