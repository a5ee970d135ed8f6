//! Which datagrams came before: one that was recorded and is sent again says nothing. A pure part.

use super::frame::Sender;
use std::collections::BTreeMap;

/// Senders that are remembered. A pool has tens of servers; each start of one is a new sender.
const SENDERS_MAX: usize = 1_024;
/// How far behind the highest number a datagram may come: the network may turn their order.
const BEHIND_MAX: u64 = 127;

#[derive(Debug, Default)]
struct Window {
    highest: u64,
    /// Bit n: the number `highest - n` came.
    came: u128,
    used: u64,
}

/// The numbers that came lately, by sender.
#[derive(Debug, Default)]
pub(super) struct Replay {
    senders: BTreeMap<Sender, Window>,
    clock: u64,
}

impl Replay {
    /// Notes a datagram that was opened; false if it came before, or is too old to tell.
    pub(super) fn is_new(&mut self, salt: Sender, number: u64) -> bool {
        self.clock += 1;
        if !self.senders.contains_key(&salt) && self.senders.len() >= SENDERS_MAX {
            let oldest = self.senders.iter().min_by_key(|(_, window)| window.used).map(|(salt, _)| *salt);
            oldest.and_then(|salt| self.senders.remove(&salt));
        }
        let window = self.senders.entry(salt).or_default();
        window.used = self.clock;
        window.note(number)
    }
}

impl Window {
    fn note(&mut self, number: u64) -> bool {
        if number > self.highest || self.came == 0 {
            let ahead = u32::try_from(number - self.highest).unwrap_or(u32::MAX);
            self.came = self.came.checked_shl(ahead).unwrap_or(0) | 1;
            self.highest = number;
            return true;
        }
        let behind = self.highest - number;
        if behind > BEHIND_MAX {
            return false;
        }
        let bit = 1_u128 << behind;
        let is_new = self.came & bit == 0;
        self.came |= bit;
        is_new
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    #[test]
    fn a_number_counts_once_and_an_old_one_not_at_all() {
        let mut replay = Replay::default();
        let first = |replay: &mut Replay, number| replay.is_new([1; 16], number);
        assert!(first(&mut replay, 0) && !first(&mut replay, 0));
        assert!(first(&mut replay, 500) && first(&mut replay, 499) && !first(&mut replay, 499));
        assert!(first(&mut replay, 373) && !first(&mut replay, 372));
        assert!(replay.is_new([2; 16], 499));
        assert!(first(&mut replay, u64::MAX) && !first(&mut replay, 501));
    }

    #[test]
    fn the_memory_is_bounded() {
        let mut replay = Replay::default();
        for sender in 0..3_000_u128 {
            assert!(replay.is_new(sender.to_be_bytes(), 0));
        }
        assert_eq!(replay.senders.len(), SENDERS_MAX);
    }

    proptest! {
        #[test]
        fn whatever_the_order_no_number_counts_twice(numbers in proptest::collection::vec(0..300_u64, 0..400)) {
            let (mut replay, mut came) = (Replay::default(), BTreeSet::new());
            for number in numbers {
                let highest = came.last().copied().unwrap_or(0);
                let expected = !came.contains(&number) && highest.saturating_sub(number) <= BEHIND_MAX;
                prop_assert_eq!(replay.is_new([1; 16], number), expected);
                came.insert(number);
            }
        }
    }
}
