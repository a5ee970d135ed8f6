//! What running executions have written so far, for whoever watches, and for the history when they end.

use dkron_core::ids::ExecutionId;
use dkron_core::limits::OUTPUT_BYTES_MAX;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// Bytes of live output that one server keeps in all; beyond it the outputs that began first lose theirs.
const BYTES_MAX: usize = 64 * 1024 * 1024;

/// The live outputs. Cheap to clone.
#[derive(Clone, Default)]
pub struct Live(Arc<Mutex<Outputs>>);

#[derive(Default)]
struct Outputs {
    outputs: BTreeMap<ExecutionId, LiveOutput>,
    /// In the order in which they began.
    order: VecDeque<ExecutionId>,
    bytes: usize,
    /// Those who wait for more of one.
    readers: BTreeMap<ExecutionId, Arc<Notify>>,
}

/// The end of an execution's output so far.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct LiveOutput {
    /// The last bytes, at most [`OUTPUT_BYTES_MAX`].
    pub bytes: Vec<u8>,
    /// How many bytes went before them.
    pub offset: u64,
}

impl Live {
    /// Takes a piece. What was heard already is passed over; a gap drops what lies before it.
    pub(super) fn add(&self, id: ExecutionId, offset: u64, piece: &[u8]) {
        let mut outputs = self.lock();
        if !outputs.outputs.contains_key(&id) {
            outputs.order.push_back(id);
        }
        let output = outputs.outputs.entry(id).or_default();
        let before = output.bytes.len();
        output.add(offset, piece);
        let after = output.bytes.len();
        outputs.bytes = outputs.bytes + after - before;
        while outputs.bytes > BYTES_MAX
            && let Some(oldest) = outputs.order.pop_front()
        {
            outputs.remove(oldest);
        }
        outputs.wake(id);
    }

    /// At most `limit` bytes from `offset` on, and where they stand: later than asked for if what lies between is
    /// gone. None if there is nothing there.
    pub fn piece(&self, id: ExecutionId, offset: u64, limit: usize) -> Option<(u64, Vec<u8>)> {
        let outputs = self.lock();
        let output = outputs.outputs.get(&id)?;
        let start = offset.max(output.offset);
        let known = usize::try_from(start - output.offset).ok()?;
        let fresh = output.bytes.get(known..).filter(|fresh| !fresh.is_empty())?;
        Some((start, fresh[..fresh.len().min(limit)].to_vec()))
    }

    /// Is told of every further piece of an output, and of its end. Nobody waits for who reads.
    pub fn news(&self, id: ExecutionId) -> Arc<Notify> {
        let mut outputs = self.lock();
        // Those whom nobody reads any more.
        outputs.readers.retain(|_, news| Arc::strong_count(news) > 1);
        outputs.readers.entry(id).or_default().clone()
    }

    /// What an execution has written so far.
    pub fn get(&self, id: ExecutionId) -> Option<LiveOutput> {
        self.lock().outputs.get(&id).cloned()
    }

    /// Takes an output out: its execution is over.
    pub(super) fn take(&self, id: ExecutionId) -> Option<LiveOutput> {
        let mut outputs = self.lock();
        outputs.order.retain(|other| *other != id);
        outputs.wake(id);
        outputs.remove(id)
    }

    fn lock(&self) -> MutexGuard<'_, Outputs> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Outputs {
    fn wake(&self, id: ExecutionId) {
        if let Some(news) = self.readers.get(&id) {
            news.notify_waiters();
        }
    }

    fn remove(&mut self, id: ExecutionId) -> Option<LiveOutput> {
        let output = self.outputs.remove(&id)?;
        self.bytes -= output.bytes.len();
        Some(output)
    }
}

impl LiveOutput {
    /// One past its last byte.
    pub fn end(&self) -> u64 {
        self.offset + self.bytes.len() as u64
    }

    /// A piece from before our first byte begins anew: whoever tells goes on from there to the end, and what we
    /// have may be the last piece of an earlier stream, come out of order.
    fn add(&mut self, offset: u64, piece: &[u8]) {
        if offset < self.offset {
            self.bytes.clear();
            self.offset = offset;
        }
        let known = self.end().saturating_sub(offset);
        let Some(fresh) = usize::try_from(known).ok().and_then(|known| piece.get(known..)) else { return };
        if offset > self.end() {
            self.bytes.clear();
            self.offset = offset;
        }
        self.bytes.extend_from_slice(fresh);
        let surplus = self.bytes.len().saturating_sub(OUTPUT_BYTES_MAX);
        self.bytes.drain(..surplus);
        self.offset += surplus as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_and_overlapping_pieces_are_heard_once() {
        let live = Live::default();
        live.add(ExecutionId(1), 0, b"hello ");
        live.add(ExecutionId(1), 0, b"hello ");
        live.add(ExecutionId(1), 4, b"o world");
        assert_eq!(live.get(ExecutionId(1)), Some(LiveOutput { bytes: b"hello world".to_vec(), offset: 0 }));
    }

    #[test]
    fn after_a_gap_only_what_is_certain_is_kept() {
        let live = Live::default();
        live.add(ExecutionId(1), 0, b"lost");
        live.add(ExecutionId(1), 9, b"kept");
        assert_eq!(live.take(ExecutionId(1)), Some(LiveOutput { bytes: b"kept".to_vec(), offset: 9 }));
        assert_eq!(live.get(ExecutionId(1)), None);
    }

    #[test]
    fn a_piece_left_over_from_an_earlier_stream_does_not_cost_what_lies_before_it() {
        let live = Live::default();
        live.add(ExecutionId(1), 6, b"world");
        live.add(ExecutionId(1), 0, b"hello ");
        live.add(ExecutionId(1), 6, b"world");
        assert_eq!(live.get(ExecutionId(1)), Some(LiveOutput { bytes: b"hello world".to_vec(), offset: 0 }));
    }

    #[test]
    fn a_reader_gets_pieces_of_a_bounded_size_and_sees_what_is_gone() {
        let live = Live::default();
        assert_eq!(live.piece(ExecutionId(1), 0, 4), None);
        live.add(ExecutionId(1), 9, b"hello");
        assert_eq!(live.piece(ExecutionId(1), 0, 4), Some((9, b"hell".to_vec())));
        assert_eq!(live.piece(ExecutionId(1), 13, 4), Some((13, b"o".to_vec())));
        assert_eq!(live.piece(ExecutionId(1), 14, 4), None);
        assert_eq!(live.piece(ExecutionId(1), 99, 4), None);
    }

    #[tokio::test]
    async fn a_reader_hears_of_more_and_of_the_end() {
        let live = Live::default();
        let news = live.news(ExecutionId(1));
        for end in [false, true] {
            let mut told = std::pin::pin!(news.notified());
            told.as_mut().enable();
            if end {
                drop(live.take(ExecutionId(1)))
            } else {
                live.add(ExecutionId(1), 0, b"x")
            }
            told.await;
        }
        drop(news);
        drop(live.news(ExecutionId(2)));
        assert_eq!(live.lock().readers.len(), 1, "who reads no more is forgotten");
    }

    #[test]
    fn the_end_of_a_large_output_is_kept() {
        let live = Live::default();
        for offset in 0..4 {
            live.add(ExecutionId(1), offset * 100_000, &vec![offset as u8; 100_000]);
        }
        let output = live.get(ExecutionId(1)).expect("it is there");
        assert_eq!(
            (output.bytes.len(), output.offset),
            (OUTPUT_BYTES_MAX, 400_000 - OUTPUT_BYTES_MAX as u64)
        );
    }
}
