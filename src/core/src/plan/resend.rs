//! When each thing that was said is to be said again. One instant for each place: a repetition never multiplies.

use crate::time::Time;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Debug, Default)]
pub(super) struct Resend {
    by_time: BTreeSet<(Time, u64)>,
    by_place: BTreeMap<u64, Time>,
}

impl Resend {
    pub(super) fn set(&mut self, place: u64, at: Time) {
        if let Some(before) = self.by_place.insert(place, at) {
            self.by_time.remove(&(before, place));
        }
        self.by_time.insert((at, place));
    }

    pub(super) fn take_due(&mut self, now: Time, max: usize) -> Vec<u64> {
        let due: Vec<(Time, u64)> =
            self.by_time.iter().take_while(|(at, _)| *at <= now).take(max).copied().collect();
        for (at, place) in &due {
            self.by_time.remove(&(*at, *place));
            self.by_place.remove(place);
        }
        due.into_iter().map(|(_, place)| place).collect()
    }

    pub(super) fn places(&self) -> impl Iterator<Item = u64> + '_ {
        self.by_place.keys().copied()
    }

    pub(super) fn next_due(&self) -> Option<Time> {
        self.by_time.first().map(|(at, _)| *at)
    }
}
