//! What goes into the next entry: the order of importance, the bound of an entry, and a turn for the patient.
//!
//! Pure, so that it can be tested without a log. Four lanes, each first in, first out; an entry is filled from
//! the most important one down. A lane passed over several times in a row puts its first item in front, so
//! that an import goes on, slowly, under a storm of decisions.

use std::collections::VecDeque;

/// How important a command is, the most important first.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Priority {
    /// What the leader decided: a tick waits for it.
    Decision,
    /// What agents told: they repeat it until it is committed.
    Report,
    /// What clients write, and what operators say.
    Write,
    /// Imports, which nobody waits for by the second.
    Bulk,
}

impl Priority {
    /// All, the most important first.
    pub const ALL: [Priority; 4] = [Priority::Decision, Priority::Report, Priority::Write, Priority::Bulk];
}

/// How often a lane is passed over before its turn comes first.
const PATIENCE: u32 = 8;

/// What waits for its entry.
pub(crate) struct Queue<T> {
    lanes: [Lane<T>; 4],
    limit: usize,
}

struct Lane<T> {
    items: VecDeque<(usize, T)>,
    passed_over: u32,
}

impl<T> Queue<T> {
    /// An empty queue for entries of at most `limit` bytes.
    pub(crate) fn new(limit: usize) -> Queue<T> {
        Queue { lanes: std::array::from_fn(|_| Lane { items: VecDeque::new(), passed_over: 0 }), limit }
    }

    /// Takes in an item of this size; gives it back if no entry could hold it.
    pub(crate) fn push(&mut self, priority: Priority, bytes: usize, item: T) -> Result<(), T> {
        if bytes > self.limit {
            return Err(item);
        }
        self.lanes[priority as usize].items.push_back((bytes, item));
        Ok(())
    }

    /// How many wait in a lane.
    pub(crate) fn len(&self, priority: Priority) -> usize {
        self.lanes[priority as usize].items.len()
    }

    /// Whether nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.lanes.iter().all(|lane| lane.items.is_empty())
    }

    /// The items of the next entry, none only if nothing waits.
    pub(crate) fn take(&mut self) -> Vec<T> {
        let mut taken = Vec::new();
        let mut room = self.limit;
        let mut served = [false; 4];
        for (lane, served) in self.lanes.iter_mut().zip(&mut served) {
            if lane.passed_over >= PATIENCE {
                *served |= lane.pop(&mut room, &mut taken);
            }
        }
        for (lane, served) in self.lanes.iter_mut().zip(&mut served) {
            while lane.pop(&mut room, &mut taken) {
                *served = true;
            }
        }
        for (lane, served) in self.lanes.iter_mut().zip(served) {
            lane.passed_over = if served || lane.items.is_empty() { 0 } else { lane.passed_over + 1 };
        }
        taken
    }

    /// Everything that waits, for an answer to all of it.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = T> + '_ {
        self.lanes.iter_mut().flat_map(|lane| lane.items.drain(..).map(|(_, item)| item))
    }
}

impl<T> Lane<T> {
    fn pop(&mut self, room: &mut usize, taken: &mut Vec<T>) -> bool {
        let Some(left) = self.items.front().and_then(|(bytes, _)| room.checked_sub(*bytes)) else {
            return false;
        };
        let Some((_, item)) = self.items.pop_front() else { return false };
        *room = left;
        taken.push(item);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn decisions_go_first_and_a_lane_keeps_its_order() {
        let mut queue = Queue::new(100);
        for (priority, item) in
            [(Priority::Bulk, 1), (Priority::Write, 2), (Priority::Decision, 3), (Priority::Write, 4)]
        {
            assert!(queue.push(priority, 10, item).is_ok());
        }
        assert_eq!(queue.take(), [3, 2, 4, 1]);
        assert!(queue.is_empty());
    }

    #[test]
    fn an_item_larger_than_an_entry_is_given_back() {
        let mut queue = Queue::new(100);
        assert_eq!(queue.push(Priority::Write, 101, "large"), Err("large"));
        assert_eq!(queue.push(Priority::Write, 100, "full"), Ok(()));
        assert_eq!(queue.take(), ["full"]);
    }

    #[test]
    fn an_import_goes_on_under_a_storm_of_decisions() {
        let mut queue = Queue::new(10);
        assert!(queue.push(Priority::Bulk, 10, "import").is_ok());
        let mut entries = 0;
        loop {
            assert!(queue.push(Priority::Decision, 10, "decision").is_ok());
            entries += 1;
            if queue.take() == ["import"] {
                break;
            }
        }
        assert_eq!(entries, PATIENCE + 1);
    }

    proptest! {
        #[test]
        fn no_entry_is_too_large_and_nothing_is_lost(items in prop::collection::vec((0usize..4, 0usize..50), 1..200)) {
            let mut queue = Queue::new(100);
            for (number, (lane, bytes)) in items.iter().enumerate() {
                prop_assert!(queue.push(Priority::ALL[*lane], *bytes, (number, *lane, *bytes)).is_ok());
            }
            let mut lanes = [const { Vec::new() }; 4];
            while !queue.is_empty() {
                let entry = queue.take();
                prop_assert!(!entry.is_empty());
                prop_assert!(entry.iter().map(|(_, _, bytes)| bytes).sum::<usize>() <= 100);
                for (number, lane, _) in entry {
                    lanes[lane].push(number);
                }
            }
            prop_assert!(lanes.iter().all(|lane| lane.is_sorted()));
            prop_assert_eq!(lanes.iter().map(Vec::len).sum::<usize>(), items.len());
        }
    }
}
