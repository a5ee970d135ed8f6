//! Reads a segment's frames from the start: what is in force, what a crash tore off, what is damaged.

use super::entry::Entry;
use super::frame::{self, HEADER};
use super::record::{self, Record};
use crate::history::error::Result;
use std::ops::Range;

/// Bytes in the middle of a segment that are not what was written.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(in crate::history) struct Hole {
    /// Where.
    pub(in crate::history) bytes: Range<u64>,
    /// Rows of log entries above this index,
    pub(in crate::history) above: u64,
    /// and up to this one may have stood there.
    pub(in crate::history) up_to: u64,
}

/// The outcome of reading a segment's frames.
#[derive(Debug, Default)]
pub(in crate::history) struct Scan {
    /// The rows in force.
    pub(in crate::history) entries: Vec<Entry>,
    /// The index of the last commit; none if there is no commit at all.
    pub(in crate::history) applied: Option<u64>,
    /// Where the frames in force end: all behind is torn.
    pub(in crate::history) end: u64,
    /// What is damaged before that.
    pub(in crate::history) holes: Vec<Hole>,
}

/// Where a commit left things, to step back to.
#[derive(Clone, Copy, Default)]
struct Mark {
    rows: usize,
    applied: Option<u64>,
    end: u64,
    holes: usize,
}

impl Scan {
    /// Reads all frames. Rows behind the last commit do not count. A last batch that is damaged does not
    /// count either: it may never have been acknowledged, and the log still has it.
    pub(in crate::history) fn of(bytes: &[u8]) -> Result<Scan> {
        let mut scan = Scan::default();
        let (mut staged, mut bad) = (Vec::new(), Vec::new());
        let mut before = Mark::default();
        let mut at = 0;
        while at < bytes.len() {
            let Some(payload) = frame::read(&bytes[at..]) else {
                let Some(next) = frame::resume(bytes, at + 1, &record::KINDS, record::PAYLOAD_MAX) else {
                    break;
                };
                bad.push(at as u64..next as u64);
                at = next;
                continue;
            };
            let length = HEADER + payload.len();
            match record::parse(payload) {
                Some(Record::Commit { applied }) => {
                    before = scan.mark();
                    scan.commit(applied, (at + length) as u64, &mut staged, &mut bad);
                }
                Some(Record::Row { link, body, .. }) => match record::describe(link, body, at, length) {
                    Some(entry) => staged.push(entry),
                    None => bad.push(at as u64..(at + length) as u64),
                },
                None => bad.push(at as u64..(at + length) as u64),
            }
            at += length;
        }
        if scan.holes.len() > before.holes {
            scan.step_back(before);
        }
        Ok(scan)
    }

    fn mark(&self) -> Mark {
        Mark { rows: self.entries.len(), applied: self.applied, end: self.end, holes: self.holes.len() }
    }

    fn step_back(&mut self, mark: Mark) {
        self.entries.truncate(mark.rows);
        self.holes.truncate(mark.holes);
        self.applied = mark.applied;
        self.end = mark.end;
    }

    fn commit(&mut self, applied: u64, end: u64, staged: &mut Vec<Entry>, bad: &mut Vec<Range<u64>>) {
        let above = self.applied.unwrap_or(0);
        self.holes.extend(bad.drain(..).map(|bytes| Hole { bytes, above, up_to: applied }));
        self.entries.append(staged);
        self.applied = Some(applied);
        self.end = end;
    }
}
