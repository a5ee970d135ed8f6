//! The walk: the first fire from an instant on, and the last one before another.
//!
//! It goes from stretch to stretch of the zone, and within one from month to month of local time, so
//! that its cost does not depend on how far apart the fires are in seconds. It always ends: forward
//! at the end of the fifth year after the one it starts in, backward at the other bound.

use super::calendar::{DAY, Month, new_year, year_of};
use super::dst::Dst;
use super::sets::Sets;
use super::zone::Zone;

/// How many calendar years after the one it starts in the search covers, as in Dkron.
const YEARS: i64 = 5;

/// The first fire at or after `first`, in seconds since the epoch.
pub(super) fn first_fire(sets: &Sets, zone: &Zone, dst: Dst, first: i64) -> Option<i64> {
    let mut index = zone.stretch_at(first);
    let year = year_of((first + zone.stretches()[index].offset).div_euclid(DAY));
    let limit = new_year(year + YEARS + 1) * DAY;
    while index < zone.stretches().len() {
        let segment = dst.segment(zone, index);
        if segment.start + segment.offset >= limit {
            return None;
        }
        if segment.start >= first && first_reading(sets, segment.gap).is_some() {
            return Some(segment.start);
        }
        let from = segment.readings.start.max(first + segment.offset);
        if let Some(reading) = first_reading(sets, from..segment.readings.end.min(limit)) {
            return Some(reading - segment.offset);
        }
        index += 1;
    }
    None
}

/// The last fire from `first` on and before `bound`, in seconds since the epoch.
pub(super) fn last_fire(sets: &Sets, zone: &Zone, dst: Dst, first: i64, bound: i64) -> Option<i64> {
    let mut index = zone.stretch_at(bound - 1);
    loop {
        let segment = dst.segment(zone, index);
        let from = segment.readings.start.max(first + segment.offset);
        let until = segment.readings.end.min(bound + segment.offset);
        if let Some(reading) = last_reading(sets, from..until) {
            return Some(reading - segment.offset);
        }
        if segment.start < first {
            return None;
        }
        if first_reading(sets, segment.gap).is_some() {
            return Some(segment.start);
        }
        index = index.checked_sub(1)?;
    }
}

/// The first matching local second of a range.
pub(super) fn first_reading(sets: &Sets, range: std::ops::Range<i64>) -> Option<i64> {
    if range.is_empty() {
        return None;
    }
    let within = |reading: i64| (reading < range.end).then_some(reading);
    let day = range.start.div_euclid(DAY);
    let (mut month, of_month) = Month::of(day);
    let mut days = sets.days_of(month);
    if days >> of_month & 1 == 1
        && let Some(time) = sets.first_time(range.start.rem_euclid(DAY) as u32)
    {
        return within(day * DAY + i64::from(time));
    }
    let time = sets.first_time(0)?;
    days &= (u32::MAX << of_month) << 1;
    while days == 0 {
        month = month.next();
        if month.first_day * DAY >= range.end {
            return None;
        }
        days = sets.days_of(month);
    }
    within((month.first_day + i64::from(days.trailing_zeros()) - 1) * DAY + i64::from(time))
}

/// The last matching local second of a range.
fn last_reading(sets: &Sets, range: std::ops::Range<i64>) -> Option<i64> {
    if range.is_empty() {
        return None;
    }
    let within = |reading: i64| (reading >= range.start).then_some(reading);
    let day = range.end.div_euclid(DAY);
    let (mut month, of_month) = Month::of(day);
    let mut days = sets.days_of(month);
    if days >> of_month & 1 == 1
        && let Some(time) = sets.last_time(range.end.rem_euclid(DAY) as u32)
    {
        return within(day * DAY + i64::from(time));
    }
    let time = sets.last_time(DAY as u32)?;
    days &= !(u32::MAX << of_month);
    while days == 0 {
        if month.first_day * DAY <= range.start {
            return None;
        }
        month = month.previous();
        days = sets.days_of(month);
    }
    within((month.first_day + i64::from(days.ilog2()) - 1) * DAY + i64::from(time))
}
