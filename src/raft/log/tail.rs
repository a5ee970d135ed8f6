//! The newest entries in memory, so that apply and replication never wait for the database.
//!
//! Whatever is not on the disk yet is here; what is there too stays until its bytes are needed.

use crate::raft::type_config::Entry;
use openraft::EntryPayload;
use std::collections::VecDeque;

/// What the cache holds beyond what must be in it: some hundred entries of the largest kind.
const BYTES_MAX: usize = 16 * 1024 * 1024;
/// An entry's cost apart from its payload.
const ENTRY_BYTES: usize = 256;

/// A contiguous end of the log.
#[derive(Debug, Default)]
pub(crate) struct Tail {
    entries: VecDeque<Entry>,
    bytes: usize,
    /// Entries below this index are on the disk.
    durable: u64,
}

impl Tail {
    /// The index of the first entry held; none if none is.
    pub(crate) fn first(&self) -> Option<u64> {
        self.entries.front().map(|entry| entry.log_id.index)
    }

    /// Takes the next entry. A gap before it empties the cache, which must stay contiguous.
    pub(crate) fn push(&mut self, entry: Entry) {
        let index = entry.log_id.index;
        if self.entries.back().is_some_and(|last| last.log_id.index + 1 != index) {
            debug_assert!(self.durable >= index, "an entry that is not on the disk yet would be lost");
            self.clear();
        }
        self.durable = self.durable.min(index);
        self.bytes += weight(&entry);
        self.entries.push_back(entry);
    }

    /// Everything below this index is on the disk: the oldest may go.
    pub(crate) fn flushed(&mut self, next: u64) {
        self.durable = self.durable.max(next);
        while self.bytes > BYTES_MAX && self.first().is_some_and(|first| first < self.durable) {
            self.pop_front();
        }
    }

    /// Forgets the entries from this index on.
    pub(crate) fn truncate(&mut self, from: u64) {
        while self.entries.back().is_some_and(|last| last.log_id.index >= from) {
            if let Some(entry) = self.entries.pop_back() {
                self.bytes -= weight(&entry);
            }
        }
        self.durable = self.durable.min(from);
    }

    /// Forgets the entries up to this index.
    pub(crate) fn purge(&mut self, through: u64) {
        while self.first().is_some_and(|first| first <= through) {
            self.pop_front();
        }
        self.durable = self.durable.max(through + 1);
    }

    /// The entry at this index, if it is here.
    pub(crate) fn get(&self, index: u64) -> Option<&Entry> {
        let place = index.checked_sub(self.first()?)?;
        self.entries.get(usize::try_from(place).ok()?)
    }

    fn pop_front(&mut self) {
        if let Some(entry) = self.entries.pop_front() {
            self.bytes -= weight(&entry);
        }
    }

    fn clear(&mut self) {
        self.entries.clear();
        self.bytes = 0;
    }
}

/// About how many bytes an entry takes in memory: its own, and the commands made from them.
pub(crate) fn weight(entry: &Entry) -> usize {
    ENTRY_BYTES
        + match &entry.payload {
            EntryPayload::Normal(payload) => 3 * payload.bytes.len(),
            EntryPayload::Blank | EntryPayload::Membership(_) => 0,
        }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::raft::type_config::{LeaderId, LogId, Payload};
    use dkron_core::command::Batch;
    use dkron_core::time::Time;
    use std::sync::Arc;

    fn entry(index: u64, bytes: usize) -> Entry {
        let log_id = LogId::new(LeaderId { term: 1, node_id: 1.into() }, index);
        let batch = Arc::new(Batch { time: Time::EPOCH, commands: Vec::new() });
        Entry { log_id, payload: EntryPayload::Normal(Payload { batch, bytes: vec![0; bytes].into() }) }
    }

    #[test]
    fn what_is_not_on_the_disk_is_never_dropped() {
        let mut tail = Tail::default();
        for index in 0..200 {
            tail.push(entry(index, 64 * 1024));
        }
        assert_eq!(tail.first(), Some(0));
        tail.flushed(150);
        assert!(tail.bytes <= BYTES_MAX);
        assert!(tail.first().is_some_and(|first| first > 0 && first <= 150));
        assert!(tail.get(199).is_some());
    }

    #[test]
    fn truncating_and_appending_replaces_the_end() {
        let mut tail = Tail::default();
        for index in 5..10 {
            tail.push(entry(index, 1));
        }
        tail.flushed(10);
        tail.truncate(7);
        assert!(tail.get(7).is_none());
        tail.push(entry(7, 2));
        assert_eq!((tail.first(), tail.get(7).map(weight)), (Some(5), Some(ENTRY_BYTES + 6)));
        tail.purge(20);
        assert_eq!((tail.first(), tail.bytes), (None, 0));
    }
}
