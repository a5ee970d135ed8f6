//! The Gregorian calendar in plain integers: days since the epoch to months and back.
//!
//! The walk over a schedule asks for a date millions of times a second and needs nothing of a
//! date library but this; a day is an `i64`, day 0 being Thursday, 1 January 1970.

/// Seconds in a civil day.
pub(super) const DAY: i64 = 86_400;

/// Days from 1 January of year 1 to the epoch.
const EPOCH_DAY: i64 = 719_162;

/// Days before each month in a common year.
const DAYS_BEFORE: [i64; 13] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365];

/// A month of a year, with the day it starts on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Month {
    /// The astronomical year.
    pub(super) year: i64,
    /// 1 to 12.
    pub(super) number: u32,
    /// Days since the epoch of its first day.
    pub(super) first_day: i64,
}

/// The day of 1 January of a year.
pub(super) const fn new_year(year: i64) -> i64 {
    let past = year - 1;
    past * 365 + past.div_euclid(4) - past.div_euclid(100) + past.div_euclid(400) - EPOCH_DAY
}

/// The year a day lies in.
pub(super) const fn year_of(day: i64) -> i64 {
    let guess = (day * 400).div_euclid(146_097) + 1970;
    if day < new_year(guess) {
        guess - 1
    } else if day >= new_year(guess + 1) {
        guess + 1
    } else {
        guess
    }
}

const fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

/// Days before a month, 1 to 13, in a year.
const fn days_before(month: u32, leap: bool) -> i64 {
    DAYS_BEFORE[month as usize - 1] + (leap && month > 2) as i64
}

impl Month {
    /// The month that a day lies in, and its day of the month, 1 to 31.
    pub(super) const fn of(day: i64) -> (Month, u32) {
        let year = year_of(day);
        let leap = is_leap(year);
        let start = new_year(year);
        let passed = day - start;
        let guess = passed as u32 / 31 + 1;
        let number = if passed >= days_before(guess + 1, leap) { guess + 1 } else { guess };
        let first_day = start + days_before(number, leap);
        (Month { year, number, first_day }, (day - first_day) as u32 + 1)
    }

    /// How many days it has, 28 to 31.
    pub(super) const fn length(self) -> u32 {
        let leap = is_leap(self.year);
        (days_before(self.number + 1, leap) - days_before(self.number, leap)) as u32
    }

    /// The weekday of its first day, 0 for Sunday.
    pub(super) const fn first_weekday(self) -> u32 {
        (self.first_day + 4).rem_euclid(7) as u32
    }

    /// The month after it.
    pub(super) const fn next(self) -> Month {
        let first_day = self.first_day + self.length() as i64;
        match self.number {
            12 => Month { year: self.year + 1, number: 1, first_day },
            number => Month { year: self.year, number: number + 1, first_day },
        }
    }

    /// The month before it.
    pub(super) const fn previous(self) -> Month {
        Month::of(self.first_day - 1).0
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil;

    use super::*;

    #[test]
    fn every_day_of_five_centuries_agrees_with_the_date_library() {
        let mut date = civil::date(1799, 12, 31);
        let epoch = civil::date(1970, 1, 1);
        let mut day = i64::from(epoch.until(date).expect("in range").get_days());
        while date.year() < 2301 {
            let (month, of_month) = Month::of(day);
            assert_eq!((month.year, month.number), (i64::from(date.year()), date.month() as u32));
            assert_eq!(of_month, date.day() as u32);
            assert_eq!(month.length(), date.days_in_month() as u32);
            assert_eq!(month.first_weekday(), date.first_of_month().weekday().to_sunday_zero_offset() as u32);
            assert_eq!(month.next().previous(), month);
            assert_eq!(month.next(), Month::of(month.first_day + i64::from(month.length())).0);
            date = date.tomorrow().expect("in range");
            day += 1;
        }
    }
}
