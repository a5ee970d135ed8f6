//! Rows of unsigned numbers, the shape of what fills the log: decisions, reports, assignments.
//!
//! A message for each item would cost two bytes for every field before its value. A row after a row, most
//! numbers being differences from the row before, costs one for most. `log.proto` says what the rows hold.

use crate::error::WireError;
use dkron_core::ids::OccurrenceRef;
use dkron_core::time::Time;

const NANOS_PER_SECOND: i128 = 1_000_000_000;

/// Zigzag: small numbers of either sign become small ones.
pub(crate) fn fold(number: i64) -> u64 {
    ((number << 1) ^ (number >> 63)) as u64
}

/// The inverse of [`fold`].
pub(crate) fn unfold(number: u64) -> i64 {
    ((number >> 1) as i64) ^ -((number & 1) as i64)
}

/// The rows being written.
#[derive(Debug, Default)]
pub(crate) struct Numbers(Vec<u64>);

impl Numbers {
    pub(crate) fn finish(self) -> Vec<u64> {
        self.0
    }

    pub(crate) fn push(&mut self, number: impl Into<u64>) {
        self.0.push(number.into());
    }

    pub(crate) fn push_signed(&mut self, number: i64) {
        self.0.push(fold(number));
    }

    /// The difference of two small numbers.
    pub(crate) fn push_change(&mut self, from: u32, to: u32) {
        self.push_signed(i64::from(to) - i64::from(from));
    }

    /// The difference of two instants that are mostly whole seconds apart.
    pub(crate) fn push_gap(&mut self, from: Time, to: Time) {
        let nanos = i128::from(to.nanos()) - i128::from(from.nanos());
        let rest = nanos.rem_euclid(NANOS_PER_SECOND) as u64;
        let seconds = nanos.div_euclid(NANOS_PER_SECOND) as i64;
        self.push((fold(seconds) << 1) | u64::from(rest != 0));
        if rest != 0 {
            self.push(rest);
        }
    }

    /// The difference of two instants that are close, but not by whole seconds.
    pub(crate) fn push_nanos(&mut self, from: Time, to: Time) {
        self.push_signed(to.nanos().wrapping_sub(from.nanos()));
    }

    pub(crate) fn push_index(&mut self, from: OccurrenceRef, to: OccurrenceRef) {
        self.push_signed(to.index.wrapping_sub(from.index) as i64);
    }

    pub(crate) fn push_position(&mut self, from: OccurrenceRef, to: OccurrenceRef) {
        if from.index == to.index {
            self.push_change(from.position, to.position);
        } else {
            self.push(to.position);
        }
    }

    /// An occurrence, near to the previous one, which it becomes.
    pub(crate) fn push_place(&mut self, previous: &mut OccurrenceRef, place: OccurrenceRef) {
        self.push_index(*previous, place);
        self.push_position(*previous, place);
        *previous = place;
    }
}

/// The rows being read. Every number read is one that is there: nothing is allocated for a promised count.
#[derive(Debug)]
pub(crate) struct Rows<'a> {
    numbers: std::slice::Iter<'a, u64>,
    what: &'static str,
}

impl<'a> Rows<'a> {
    pub(crate) fn new(what: &'static str, numbers: &'a [u64]) -> Rows<'a> {
        Rows { numbers: numbers.iter(), what }
    }

    /// What is read, for errors.
    pub(crate) fn what(&self) -> &'static str {
        self.what
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.numbers.as_slice().is_empty()
    }

    pub(crate) fn number(&mut self) -> Result<u64, WireError> {
        self.numbers.next().copied().ok_or(WireError::Missing { field: self.what })
    }

    pub(crate) fn small<T: TryFrom<u64>>(&mut self) -> Result<T, WireError> {
        T::try_from(self.number()?).map_err(|_| WireError::Range { field: self.what })
    }

    pub(crate) fn signed(&mut self) -> Result<i64, WireError> {
        self.number().map(unfold)
    }

    pub(crate) fn change(&mut self, from: u32) -> Result<u32, WireError> {
        let to = i64::from(from).checked_add(self.signed()?);
        to.and_then(|to| u32::try_from(to).ok()).ok_or(WireError::Range { field: self.what })
    }

    pub(crate) fn gap(&mut self, from: Time) -> Result<Time, WireError> {
        let number = self.number()?;
        let rest = if number & 1 == 1 { self.number()? } else { 0 };
        if i128::from(rest) >= NANOS_PER_SECOND {
            return Err(WireError::Range { field: self.what });
        }
        let nanos = i128::from(unfold(number >> 1)) * NANOS_PER_SECOND + i128::from(rest);
        let to = i64::try_from(i128::from(from.nanos()) + nanos);
        to.map(Time::from_nanos).map_err(|_| WireError::Range { field: self.what })
    }

    pub(crate) fn nanos(&mut self, from: Time) -> Result<Time, WireError> {
        Ok(Time::from_nanos(from.nanos().wrapping_add(self.signed()?)))
    }

    pub(crate) fn index(&mut self, from: OccurrenceRef) -> Result<u64, WireError> {
        Ok(from.index.wrapping_add(self.signed()? as u64))
    }

    pub(crate) fn position(&mut self, from: OccurrenceRef, index: u64) -> Result<u32, WireError> {
        if from.index == index { self.change(from.position) } else { self.small() }
    }

    pub(crate) fn place(&mut self, previous: &mut OccurrenceRef) -> Result<OccurrenceRef, WireError> {
        let index = self.index(*previous)?;
        let position = self.position(*previous, index)?;
        *previous = OccurrenceRef { index, position };
        Ok(*previous)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_between_any_two_instants_are_exact() {
        let instants = [i64::MIN, -1_500_000_000, -1, 0, 1, 999_999_999, 60_000_000_000, i64::MAX];
        for from in instants.map(Time::from_nanos) {
            for to in instants.map(Time::from_nanos) {
                let mut numbers = Numbers::default();
                numbers.push_gap(from, to);
                numbers.push_nanos(from, to);
                let numbers = numbers.finish();
                let mut rows = Rows::new("test", &numbers);
                assert_eq!((rows.gap(from), rows.nanos(from)), (Ok(to), Ok(to)));
                assert!(rows.is_empty());
            }
        }
    }

    #[test]
    fn a_gap_beyond_the_end_of_time_is_refused() {
        for numbers in [&[u64::MAX - 1][..], &[1, 1_000_000_000], &[1]] {
            assert!(Rows::new("test", numbers).gap(Time::NEVER).is_err());
        }
    }
}
