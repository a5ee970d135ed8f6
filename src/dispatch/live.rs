//! What running executions have written so far, for whoever watches, and for the history when they end.

use dkron_core::ids::ExecutionId;
use dkron_core::limits::OUTPUT_BYTES_MAX;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

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
    }

    /// What an execution has written so far.
    pub fn get(&self, id: ExecutionId) -> Option<LiveOutput> {
        self.lock().outputs.get(&id).cloned()
    }

    /// Takes an output out: its execution is over.
    pub(super) fn take(&self, id: ExecutionId) -> Option<LiveOutput> {
        let mut outputs = self.lock();
        outputs.order.retain(|other| *other != id);
        outputs.remove(id)
    }

    fn lock(&self) -> MutexGuard<'_, Outputs> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Outputs {
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
