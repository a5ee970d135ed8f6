//! How many fires lie in a time, by arithmetic.
//!
//! After an outage the number of missed ticks goes into one record; a job that runs each second may
//! have missed millions, so they are never listed. Whole days count as matching days times fires a
//! day, a month at a time; only the two days at the ends of a stretch need more than that.

use std::ops::Range;

use super::calendar::{DAY, Month};
use super::dst::Dst;
use super::next::first_reading;
use super::sets::Sets;
use super::zone::Zone;

/// How many fires lie at or after `first` and before `bound`, both in seconds since the epoch.
pub(super) fn count_fires(sets: &Sets, zone: &Zone, dst: Dst, first: i64, bound: i64) -> u64 {
    let mut fires = 0;
    for index in zone.stretch_at(first)..zone.stretches().len() {
        let segment = dst.segment(zone, index);
        if segment.start >= bound {
            break;
        }
        let mut from = segment.readings.start.max(first + segment.offset);
        if segment.start >= first && first_reading(sets, segment.gap).is_some() {
            fires += 1;
            from = from.max(segment.start + segment.offset + 1);
        }
        fires += count_readings(sets, from..segment.end.min(bound) + segment.offset);
    }
    fires
}

/// How many local seconds of a range match.
fn count_readings(sets: &Sets, range: Range<i64>) -> u64 {
    if range.is_empty() {
        return 0;
    }
    let (first_day, last_day) = (range.start.div_euclid(DAY), range.end.div_euclid(DAY));
    let before_end = part_of_day(sets, last_day, range.end);
    let before_start = part_of_day(sets, first_day, range.start);
    count_days(sets, first_day, last_day) * sets.times_before(DAY as u32) + before_end - before_start
}

/// How many seconds of a day match before a reading on it.
fn part_of_day(sets: &Sets, day: i64, reading: i64) -> u64 {
    let (month, of_month) = Month::of(day);
    if sets.days_of(month) >> of_month & 1 == 0 {
        return 0;
    }
    sets.times_before(reading.rem_euclid(DAY) as u32)
}

/// How many days match from `first` on and before `bound`, in days since the epoch.
fn count_days(sets: &Sets, first: i64, bound: i64) -> u64 {
    let (mut month, of_month) = Month::of(first);
    let mut days = sets.days_of(month) & u32::MAX << of_month;
    let mut matching = 0;
    loop {
        let next = month.next();
        if bound < next.first_day {
            let of_bound = (bound - month.first_day) as u32 + 1;
            return matching + u64::from((days & !(u32::MAX << of_bound)).count_ones());
        }
        matching += u64::from(days.count_ones());
        month = next;
        days = sets.days_of(month);
    }
}
