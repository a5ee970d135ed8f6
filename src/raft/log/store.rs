//! openraft's log storage on the disk thread and the tail.
//!
//! What is true of the log (its ends, the vote) is kept in memory and changed at once; the disk follows in
//! order. Reading takes from the tail what is there and from the database what is older.

use super::disk::{Disk, Write};
use super::keys::Slot;
use super::record;
use super::tail::{self, Tail};
use crate::raft::codec::{self, Own};
use crate::raft::error::Error;
use crate::raft::type_config::{Entry, LogId, Types, Vote, next_index};
use crate::task;
use dkron_core::format::Formats;
use dkron_wire::WireError;
use openraft::storage::{IOFlushed, LogState, RaftLogStorage};
use openraft::{OptionalSend, RaftLogReader};
use std::fmt::Debug;
use std::io;
use std::ops::{Bound, RangeBounds};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// One message to a peer, weighed as in memory, which is about a third of it on the wire: large enough to be
/// worth a round trip, small enough not to delay the next one.
const MESSAGE_BYTES: usize = 3 * 1024 * 1024;

/// The log, for openraft and its readers.
#[derive(Clone)]
pub(crate) struct LogStore {
    disk: Disk,
    own: Own,
    shared: Arc<Mutex<Shared>>,
}

#[derive(Default)]
struct Shared {
    vote: Option<Vote>,
    committed: Option<LogId>,
    purged: Option<LogId>,
    last: Option<LogId>,
    /// Where the entries begin, if there are any: after the last purged one, but in openraft's suite.
    first: u64,
    tail: Tail,
}

impl LogStore {
    /// Reads and checks the whole log: every entry between its ends is there and as it was written.
    pub(crate) fn open(disk: Disk, own: impl Into<Own>) -> Result<LogStore, Error> {
        let own = own.into();
        let read = |slot: Slot| record::read(&disk, slot);
        let damaged =
            |slot: Slot| Error::DamagedRecord { path: disk.path().to_path_buf(), what: slot.name() };
        let id = |slot: Slot| -> Result<Option<LogId>, Error> {
            let Some(body) = read(slot)? else { return Ok(None) };
            codec::decode_log_id(&body).map(Some).map_err(|_| damaged(slot))
        };
        let vote = match read(Slot::Vote)? {
            Some(body) => Some(codec::decode_vote(&body).map_err(|_| damaged(Slot::Vote))?),
            None => None,
        };
        let purged = id(Slot::Purged)?;
        let last = check(&disk, purged, own.formats)?;
        // A mark above the log's end, left by a truncation, would ask for entries that are not there.
        let committed = id(Slot::Committed)?.filter(|mark| Some(mark.index) <= last.map(|last| last.index));
        let shared =
            Shared { vote, committed, purged, last, first: next_index(purged), tail: Tail::default() };
        Ok(LogStore { disk, own, shared: Arc::new(Mutex::new(shared)) })
    }

    /// Whether nothing was ever voted or logged here.
    pub(crate) fn is_blank(&self) -> bool {
        let shared = self.lock();
        shared.vote.is_none() && shared.last.is_none()
    }

    /// The last purged index and the one after the last entry.
    pub(crate) fn ends(&self) -> (Option<u64>, u64) {
        let shared = self.lock();
        (shared.purged.map(|id| id.index), next_index(shared.last))
    }

    /// The last vote, and the last entry that was noted to be committed.
    pub(crate) fn vote_and_commit(&self) -> (Option<Vote>, Option<u64>) {
        let shared = self.lock();
        (shared.vote, shared.committed.map(|id| id.index))
    }

    /// The lock is held for a few instructions and never across an await.
    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Splits a range into what the tail holds and the older part that is only on the disk.
    fn split_at_tail(&self, range: &impl RangeBounds<u64>) -> (Option<(u64, u64)>, Vec<Entry>) {
        let shared = self.lock();
        let end = end_of(range).min(next_index(shared.last));
        let start = start_of(range).max(shared.first).min(end);
        let cached = shared.tail.first().unwrap_or(end).clamp(start, end);
        let entries = (cached..end).map_while(|index| shared.tail.get(index).cloned()).collect();
        ((start < cached).then(|| (start, cached - 1)), entries)
    }

    /// All of a range, or of its front as many as the budget allows, but at least one.
    async fn read(&self, range: impl RangeBounds<u64>, budget: usize) -> io::Result<Vec<Entry>> {
        loop {
            let (older, mut newer) = self.split_at_tail(&range);
            let Some((from, to)) = older else {
                newer.truncate(within(&newer, budget));
                return Ok(newer);
            };
            let (disk, own) = (self.disk.clone(), self.own);
            let reading = task::blocking("raft read", move || read_disk(&disk, own, from, to, budget));
            match reading.await.map_err(io::Error::other)? {
                Ok(mut entries) => {
                    if budget == usize::MAX {
                        entries.extend(newer);
                    }
                    return Ok(entries);
                }
                // Purged while it was read: what is left of the range is shorter now.
                Err(Error::DamagedLog { index, .. }) if index < next_index(self.lock().purged) => {}
                Err(error) => return Err(error.into_io()),
            }
        }
    }
}

/// The entries of a range from the disk, at least one and then up to `budget` bytes.
pub(crate) fn read_disk(
    disk: &Disk,
    own: Own,
    from: u64,
    to: u64,
    budget: usize,
) -> Result<Vec<Entry>, Error> {
    let damaged = |index, what| Error::DamagedLog { path: disk.path().to_path_buf(), index, what };
    let mut entries = Vec::new();
    let mut bytes = 0;
    for (expected, item) in (from..=to).zip(disk.entries(from..=to)) {
        let (index, stored) = item?;
        if index != expected {
            return Err(damaged(expected, "the entry is missing".to_owned()));
        }
        let body = record::body(&stored).map_err(|flaw| damaged(index, flaw.to_string()))?;
        let entry = codec::decode_entry(own, bytes::Bytes::copy_from_slice(body))
            .map_err(|flaw| unread(disk, index, flaw))?;
        if entry.log_id.index != index {
            return Err(damaged(index, format!("it holds entry {}", entry.log_id.index)));
        }
        bytes += tail::weight(&entry);
        entries.push(entry);
        if bytes >= budget {
            return Ok(entries);
        }
    }
    let found = from + entries.len() as u64;
    if found <= to {
        return Err(damaged(found, "the entry is missing".to_owned()));
    }
    Ok(entries)
}

/// Walks over the whole log and gives its last id. What is below the purge mark waits for its deletion.
fn check(disk: &Disk, purged: Option<LogId>, formats: Formats) -> Result<Option<LogId>, Error> {
    let damaged = |index, what| Error::DamagedLog { path: disk.path().to_path_buf(), index, what };
    let first = next_index(purged);
    let mut last = purged;
    for (expected, item) in (first..).zip(disk.entries(first..=u64::MAX)) {
        let (index, stored) = item?;
        if index != expected {
            return Err(damaged(expected, format!("entries {expected} to {} are missing", index - 1)));
        }
        let body = record::body(&stored).map_err(|flaw| damaged(index, flaw.to_string()))?;
        let id = codec::decode_entry_id(bytes::Bytes::copy_from_slice(body), formats)
            .map_err(|flaw| unread(disk, index, flaw))?;
        if id.index != index {
            return Err(damaged(index, format!("it holds entry {}", id.index)));
        }
        if Some(id) < last {
            return Err(damaged(index, "its term is below the one before".to_owned()));
        }
        last = Some(id);
    }
    Ok(last)
}

/// An entry of another release is no damage: a program that knows its format reads it.
fn unread(disk: &Disk, index: u64, flaw: WireError) -> Error {
    let path = disk.path().to_path_buf();
    match flaw {
        WireError::UnknownFormat { found, known, .. } => Error::LogFormat { path, found, known },
        flaw => Error::DamagedLog { path, index, what: flaw.to_string() },
    }
}

/// How many entries, at least one, come to the budget.
fn within(entries: &[Entry], budget: usize) -> usize {
    let mut bytes = 0;
    let before = |entry: &&Entry| {
        let before = bytes < budget;
        bytes += tail::weight(entry);
        before
    };
    entries.iter().take_while(before).count()
}

fn start_of(range: &impl RangeBounds<u64>) -> u64 {
    match range.start_bound() {
        Bound::Included(&start) => start,
        Bound::Excluded(&start) => start.saturating_add(1),
        Bound::Unbounded => 0,
    }
}

fn end_of(range: &impl RangeBounds<u64>) -> u64 {
    match range.end_bound() {
        Bound::Included(&end) => end.saturating_add(1),
        Bound::Excluded(&end) => end,
        Bound::Unbounded => u64::MAX,
    }
}

impl RaftLogReader<Types> for LogStore {
    async fn try_get_log_entries<B: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: B,
    ) -> io::Result<Vec<Entry>> {
        self.read(range, usize::MAX).await
    }

    async fn read_vote(&mut self) -> io::Result<Option<Vote>> {
        Ok(self.lock().vote)
    }

    async fn limited_get_log_entries(&mut self, start: u64, end: u64) -> io::Result<Vec<Entry>> {
        self.read(start..end, MESSAGE_BYTES).await
    }
}

impl RaftLogStorage<Types> for LogStore {
    type LogReader = LogStore;

    async fn get_log_state(&mut self) -> io::Result<LogState<Types>> {
        let shared = self.lock();
        Ok(LogState { last_purged_log_id: shared.purged, last_log_id: shared.last })
    }

    async fn get_log_reader(&mut self) -> LogStore {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> io::Result<()> {
        let record = record::frame(&codec::encode_vote(vote));
        self.disk.pen().write_records(vec![(Slot::Vote, record)]).await?;
        self.lock().vote = Some(*vote);
        Ok(())
    }

    /// Only a hint for the next start, so it rides along with the next write and never costs a flush.
    async fn save_committed(&mut self, committed: Option<LogId>) -> io::Result<()> {
        let Some(id) = committed else { return Ok(()) };
        self.lock().committed = committed;
        let bytes = record::frame(&codec::encode_log_id(&id));
        self.disk.write(Write::Note { slot: Slot::Committed, bytes }).await
    }

    async fn read_committed(&mut self) -> io::Result<Option<LogId>> {
        Ok(self.lock().committed)
    }

    async fn append<I>(&mut self, entries: I, callback: IOFlushed<Types>) -> io::Result<()>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let mut records = Vec::new();
        let mut next = 0;
        {
            let mut shared = self.lock();
            for entry in entries {
                records.push((entry.log_id.index, record::frame(&codec::encode_entry(&entry))));
                next = entry.log_id.index + 1;
                if shared.last == shared.purged {
                    shared.first = entry.log_id.index;
                }
                shared.last = Some(entry.log_id);
                shared.tail.push(entry);
            }
        }
        let shared = self.shared.clone();
        let done = Box::new(move |result: io::Result<()>| {
            if result.is_ok() {
                shared.lock().unwrap_or_else(PoisonError::into_inner).tail.flushed(next);
            }
            callback.io_completed(result);
        });
        self.disk.write(Write::Entries { records, done }).await
    }

    async fn truncate_after(&mut self, last: Option<LogId>) -> io::Result<()> {
        let from = next_index(last);
        {
            let mut shared = self.lock();
            shared.tail.truncate(from);
            if next_index(shared.last) > from {
                shared.last = last.max(shared.purged);
            }
        }
        self.disk.write_through(|done| Write::Truncate { from, done }).await
    }

    async fn purge(&mut self, through: LogId) -> io::Result<()> {
        {
            let mut shared = self.lock();
            shared.tail.purge(through.index);
            shared.purged = Some(through).max(shared.purged);
            shared.first = shared.first.max(through.index + 1);
            if shared.last.is_none_or(|last| last.index <= through.index) {
                shared.last = Some(through);
            }
        }
        let marker = record::frame(&codec::encode_log_id(&through));
        self.disk.write_through(|done| Write::Purge { through: through.index, marker, done }).await
    }
}
