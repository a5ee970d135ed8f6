//! What a cron expression means once it is read: sets of values as bit masks.
//!
//! A million jobs hold a million of these, so a set costs 40 bytes and no pointer (but for `L`, `W`
//! and `#`, which are rare). Everything asked of a day (its first time, its last, how many) is
//! answered from the masks without trying values one by one.

use super::calendar::Month;

/// How day of month and day of week go together.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(super) enum DayRule {
    /// A day must be in both, the rule when either field holds a star.
    Both,
    /// A day in one of them is enough, the rule when both fields are restricted.
    Either,
}

/// The values that each field allows: bit `n` stands for value `n`.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(super) struct Sets {
    pub(super) seconds: u64,
    pub(super) minutes: u64,
    pub(super) special: Option<Box<Special>>,
    pub(super) hours: u32,
    /// Bits 1 to 31.
    pub(super) days: u32,
    /// Bits 1 to 12.
    pub(super) months: u16,
    /// Bits 0, Sunday, to 6.
    pub(super) weekdays: u8,
    pub(super) rule: DayRule,
}

/// The days that can be told only within a month: `L`, `W` and `#`.
#[derive(Clone, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(super) struct Special {
    /// Bit `n`: the day `n` days before the month's last.
    pub(super) from_end: u32,
    /// Bit `n`: the weekday nearest to day `n`; bit 0: to the last day.
    pub(super) nearest: u32,
    /// Item `n`: the weekdays whose occurrence number `n + 1` in the month counts.
    pub(super) nth: [u8; 5],
    /// The weekdays whose last occurrence in the month counts.
    pub(super) last: u8,
}

/// One bit for every hour of a day.
const EVERY_HOUR: u32 = (1 << 24) - 1;

/// One bit every seventh, so that a product repeats a week over a month.
const WEEKS: u64 = 1 | 1 << 7 | 1 << 14 | 1 << 21 | 1 << 28;

/// The lowest member at or above `from`.
fn lowest(set: u64, from: u32) -> Option<u32> {
    let rest = set & u64::MAX.checked_shl(from)?;
    (rest != 0).then(|| rest.trailing_zeros())
}

/// The highest member below `bound`.
fn highest(set: u64, bound: u32) -> Option<u32> {
    let rest = set & !u64::MAX.checked_shl(bound).unwrap_or(0);
    rest.checked_ilog2()
}

/// How many members are below `bound`.
fn below(set: u64, bound: u32) -> u64 {
    u64::from((set & !u64::MAX.checked_shl(bound).unwrap_or(0)).count_ones())
}

/// Hour, minute and second of a second of the day.
fn clock(second_of_day: u32) -> (u32, u32, u32) {
    (second_of_day / 3600, second_of_day / 60 % 60, second_of_day % 60)
}

impl Sets {
    /// Whether the hour field allows every hour, which makes the expression an interval: it follows
    /// elapsed time and not a time of day.
    pub(super) fn is_interval(&self) -> bool {
        self.hours == EVERY_HOUR
    }

    /// Whether some second of the calendar matches; it repeats itself after four centuries.
    pub(super) fn fires_ever(&self) -> bool {
        const CYCLE_MONTHS: usize = 4800;
        let months = std::iter::successors(Some(Month::of(0).0), |month| Some(month.next()));
        self.first_time(0).is_some() && months.take(CYCLE_MONTHS).any(|month| self.days_of(month) != 0)
    }

    /// The days of a month that match: bits 1 to 31.
    pub(super) fn days_of(&self, month: Month) -> u32 {
        if self.months & 1 << month.number == 0 {
            return 0;
        }
        let length = month.length();
        let first = month.first_weekday();
        let mut by_day = self.days;
        let mut by_weekday = spread(self.weekdays, first);
        if let Some(special) = &self.special {
            by_day |= special.days(length, first);
            by_weekday |= special.weekdays(length, first);
        }
        let both = match self.rule {
            DayRule::Both => by_day & by_weekday,
            DayRule::Either => by_day | by_weekday,
        };
        both & month_mask(length)
    }

    /// The first matching second of the day at or after one, both 0 to 86,399.
    pub(super) fn first_time(&self, from: u32) -> Option<u32> {
        let (hours, lead) = (u64::from(self.hours), self.first_of_hour()?);
        let (hour, minute, second) = clock(from);
        if lowest(hours, hour)? == hour {
            if self.minutes >> minute & 1 == 1
                && let Some(second) = lowest(self.seconds, second)
            {
                return Some(hour * 3600 + minute * 60 + second);
            }
            if let Some(minute) = lowest(self.minutes, minute + 1) {
                return Some(hour * 3600 + minute * 60 + lead % 60);
            }
        }
        Some(lowest(hours, hour + 1)? * 3600 + lead)
    }

    /// The last matching second of the day before `bound`, which is 0 to 86,400.
    pub(super) fn last_time(&self, bound: u32) -> Option<u32> {
        let (hours, tail) = (u64::from(self.hours), self.last_of_hour()?);
        let (hour, minute, second) = clock(bound);
        if hours >> hour & 1 == 1 {
            if self.minutes >> minute & 1 == 1
                && let Some(second) = highest(self.seconds, second)
            {
                return Some(hour * 3600 + minute * 60 + second);
            }
            if let Some(minute) = highest(self.minutes, minute) {
                return Some(hour * 3600 + minute * 60 + tail % 60);
            }
        }
        Some(highest(hours, hour)? * 3600 + tail)
    }

    /// How many seconds of a matching day match before `bound`, which is 0 to 86,400.
    pub(super) fn times_before(&self, bound: u32) -> u64 {
        let (hour, minute, second) = clock(bound);
        let a_minute = u64::from(self.seconds.count_ones());
        let an_hour = u64::from(self.minutes.count_ones()) * a_minute;
        let mut times = below(u64::from(self.hours), hour) * an_hour;
        if self.hours >> hour & 1 == 1 {
            times += below(self.minutes, minute) * a_minute;
            if self.minutes >> minute & 1 == 1 {
                times += below(self.seconds, second);
            }
        }
        times
    }

    fn first_of_hour(&self) -> Option<u32> {
        Some(lowest(self.minutes, 0)? * 60 + lowest(self.seconds, 0)?)
    }

    fn last_of_hour(&self) -> Option<u32> {
        Some(highest(self.minutes, 60)? * 60 + highest(self.seconds, 60)?)
    }
}

impl Special {
    /// The days that `L` and `W` name in a month: its length, the weekday of its first day.
    fn days(&self, length: u32, first: u32) -> u32 {
        let mut days = 0;
        for before in (0..length).filter(|before| self.from_end >> before & 1 == 1) {
            days |= 1 << (length - before);
        }
        for named in (0..=length).filter(|named| self.nearest >> named & 1 == 1) {
            days |= 1 << nearest_weekday(if named == 0 { length } else { named }, length, first);
        }
        days
    }

    /// The days that `#` and a weekday's `L` name in a month.
    fn weekdays(&self, length: u32, first: u32) -> u32 {
        let mut days = 0;
        for (week, weekdays) in (0..).zip(self.nth) {
            days |= spread(weekdays, first) & (0xfe << (7 * week));
        }
        days | spread(self.last, first) & (0xfe << (length - 7))
    }
}

/// Bits 1 to `length`.
fn month_mask(length: u32) -> u32 {
    u32::MAX >> (31 - length) & !1
}

/// A set of weekdays as days of a month whose first day is weekday `first`: bits 1 to 31.
fn spread(weekdays: u8, first: u32) -> u32 {
    let twice = u64::from(weekdays) | u64::from(weekdays) << 7;
    let from_first = twice >> first & 0x7f;
    (from_first.wrapping_mul(WEEKS) << 1) as u32
}

/// The day from Monday to Friday nearest to a day, without leaving the month.
fn nearest_weekday(day: u32, length: u32, first: u32) -> u32 {
    match (first + day - 1) % 7 {
        6 if day == 1 => 3,
        6 => day - 1,
        0 if day == length => day - 2,
        0 => day + 1,
        _ => day,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cron_schedule_fits_in_forty_bytes() {
        assert!(size_of::<Sets>() <= 40, "{}", size_of::<Sets>());
    }

    #[test]
    fn a_month_mask_holds_exactly_its_days() {
        for length in 28..=31 {
            let expected: u32 = (1..=length).map(|day| 1 << day).sum();
            assert_eq!(month_mask(length), expected);
        }
    }

    #[test]
    fn the_times_of_a_day_agree_however_they_are_asked_for() {
        let sets = Sets {
            seconds: 1 | 1 << 30 | 1 << 59,
            minutes: 1 << 5 | 1 << 59,
            special: None,
            hours: 1 | 1 << 7 | 1 << 23,
            days: 0,
            months: 0,
            weekdays: 0,
            rule: DayRule::Both,
        };
        let matches = |at: u32| {
            let (hour, minute, second) = clock(at);
            sets.hours >> hour & 1 == 1 && sets.minutes >> minute & 1 == 1 && sets.seconds >> second & 1 == 1
        };
        let times: Vec<u32> = (0..86_400).filter(|at| matches(*at)).collect();
        assert_eq!(times.len(), 18);
        for at in 0..=86_400 {
            let split = times.partition_point(|time| *time < at);
            assert_eq!(sets.times_before(at), split as u64);
            assert_eq!(sets.last_time(at), split.checked_sub(1).map(|index| times[index]));
            if at < 86_400 {
                assert_eq!(sets.first_time(at), times.get(split).copied());
            }
        }
    }
}
