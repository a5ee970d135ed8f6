//! The fixed-size description of a row: enough to follow a job's chain, to judge whether the row lives and to
//! filter a search, without reading the row.

use dkron_core::execution::HistoryRow;
use dkron_core::ids::{ExecutionId, JobUid};

/// Where a row stands: its entry's log index and its place in that entry. Equal on every server.
pub(in crate::history) type Position = u64;

/// Bits of a position that number the rows of one entry.
const PLACE_BITS: u32 = 20;
/// Most rows of one entry: an entry of 64 KiB makes a few thousand.
pub(in crate::history) const ROWS_PER_ENTRY_MAX: usize = 1 << PLACE_BITS;

/// The position of the row at `place` in the entry at `index`.
pub(in crate::history) fn position(index: u64, place: usize) -> Position {
    index << PLACE_BITS | place as u64
}

/// The log index of a position.
pub(in crate::history) fn index_of(position: Position) -> u64 {
    position >> PLACE_BITS
}

/// What a row is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::history) enum Kind {
    Run,
    Skip,
    Erased,
}

impl Kind {
    pub(in crate::history) fn of(row: &HistoryRow) -> Kind {
        match row {
            HistoryRow::Finished(_) => Kind::Run,
            HistoryRow::Skipped(_) => Kind::Skip,
            HistoryRow::Erased { .. } => Kind::Erased,
        }
    }

    pub(in crate::history) fn number(self) -> u8 {
        match self {
            Kind::Run => 1,
            Kind::Skip => 2,
            Kind::Erased => 3,
        }
    }

    pub(in crate::history) fn from_number(number: u8) -> Option<Kind> {
        match number {
            1 => Some(Kind::Run),
            2 => Some(Kind::Skip),
            3 => Some(Kind::Erased),
            _ => None,
        }
    }
}

/// A row's place in its job's chain, decided when it is written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::history) struct Link {
    /// This row.
    pub(in crate::history) position: Position,
    /// The job's row before it, 0 for none.
    pub(in crate::history) previous: Position,
    /// Its number in the chain, from 1.
    pub(in crate::history) ordinal: u32,
    /// Size of the chain up to and with this row in units of [`WEIGHT_UNIT`], wrapping.
    pub(in crate::history) weight: u32,
    /// Its age in seconds since the epoch, never less than that of the row before it.
    pub(in crate::history) stamp: u32,
}

/// Bytes of one unit of weight.
pub(in crate::history) const WEIGHT_UNIT: u64 = 64;

/// The description of one row.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::history) struct Entry {
    pub(in crate::history) link: Link,
    pub(in crate::history) job: JobUid,
    /// 0 but for executions.
    pub(in crate::history) id: ExecutionId,
    /// When it ended, or the last tick skipped: nanoseconds.
    pub(in crate::history) time: i64,
    /// Low bits of the start in nanoseconds, half of a Dkron id.
    pub(in crate::history) started: u32,
    /// Low bits of the hash of the node's name.
    pub(in crate::history) node: u16,
    pub(in crate::history) kind: Kind,
    pub(in crate::history) verdict: u8,
    /// Where its frame begins.
    pub(in crate::history) offset: u32,
    /// The frame's length.
    pub(in crate::history) length: u32,
}

/// Bytes of an encoded entry.
pub(in crate::history) const ENTRY_BYTES: usize = 84;

/// The low bits of a node name's hash.
pub(in crate::history) fn node_mark(name: &str) -> u16 {
    crc32fast::hash(name.as_bytes()) as u16
}

impl Entry {
    /// Describes a row; where its frame stands is filled in when that is known.
    pub(in crate::history) fn of(row: &HistoryRow, link: Link) -> Entry {
        let kind = Kind::of(row);
        let blank = |job| Entry {
            link,
            job,
            id: ExecutionId(0),
            time: 0,
            started: 0,
            node: 0,
            kind,
            verdict: 0,
            offset: 0,
            length: 0,
        };
        match row {
            HistoryRow::Finished(run) => Entry {
                id: run.id,
                time: run.outcome.finished_at.nanos(),
                started: run.outcome.started_at.nanos() as u32,
                node: node_mark(&run.node),
                verdict: run.outcome.verdict.number(),
                ..blank(run.job)
            },
            HistoryRow::Skipped(skip) => Entry { time: skip.to.nanos(), ..blank(skip.job) },
            HistoryRow::Erased { job } => blank(*job),
        }
    }

    pub(in crate::history) fn encode(&self, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&self.link.position.to_le_bytes());
        out.extend_from_slice(&self.link.previous.to_le_bytes());
        out.extend_from_slice(&self.job.0.to_le_bytes());
        out.extend_from_slice(&self.id.0.to_le_bytes());
        out.extend_from_slice(&self.time.to_le_bytes());
        for word in
            [self.link.ordinal, self.link.weight, self.link.stamp, self.started, self.offset, self.length]
        {
            out.extend_from_slice(&word.to_le_bytes());
        }
        out.extend_from_slice(&self.node.to_le_bytes());
        out.extend_from_slice(&[self.kind.number(), self.verdict]);
        debug_assert_eq!(out.len() - start, ENTRY_BYTES);
    }

    pub(in crate::history) fn decode(bytes: &[u8]) -> Option<Entry> {
        let mut input = Input(bytes);
        let position = input.u64()?;
        let previous = input.u64()?;
        let job = JobUid(input.u128()?);
        let id = ExecutionId(input.u128()?);
        let time = input.u64()? as i64;
        let link =
            Link { position, previous, ordinal: input.u32()?, weight: input.u32()?, stamp: input.u32()? };
        let (started, offset, length) = (input.u32()?, input.u32()?, input.u32()?);
        let node = u16::from_le_bytes(input.take()?);
        let [kind, verdict] = input.take()?;
        let kind = Kind::from_number(kind)?;
        Some(Entry { link, job, id, time, started, node, kind, verdict, offset, length })
    }
}

/// Reads fixed-size little-endian numbers off a slice.
pub(in crate::history) struct Input<'a>(pub(in crate::history) &'a [u8]);

impl Input<'_> {
    pub(in crate::history) fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*head)
    }

    pub(in crate::history) fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_le_bytes)
    }

    pub(in crate::history) fn u64(&mut self) -> Option<u64> {
        self.take().map(u64::from_le_bytes)
    }

    pub(in crate::history) fn u128(&mut self) -> Option<u128> {
        self.take().map(u128::from_le_bytes)
    }
}
