//! Instants and spans, because every decision names a time and none may read a clock.
//!
//! Both are whole nanoseconds in an `i64`: the years 1677 to 2262, more than any schedule may ask
//! for, and exact enough for Dkron's execution ids (`<started ns>-<node>`).

use std::fmt;
use std::ops::{Add, Sub};
use std::str::FromStr;

/// An instant: nanoseconds since the Unix epoch, UTC, leap seconds ignored.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Time(i64);

/// A signed length of time in nanoseconds.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Span(i64);

const NANOS_PER_SECOND: i64 = 1_000_000_000;
const NANOS_PER_MILLISECOND: i64 = 1_000_000;

impl Time {
    /// The Unix epoch, which also stands for "before anything that a cluster can decide".
    pub const EPOCH: Time = Time(0);
    /// Later than anything that can be due.
    pub const NEVER: Time = Time(i64::MAX);

    /// An instant from nanoseconds since the epoch.
    pub const fn from_nanos(nanos: i64) -> Time {
        Time(nanos)
    }

    /// An instant from seconds since the epoch; the far future where it does not fit.
    pub const fn from_seconds(seconds: i64) -> Time {
        Time(seconds.saturating_mul(NANOS_PER_SECOND))
    }

    /// Nanoseconds since the epoch.
    pub const fn nanos(self) -> i64 {
        self.0
    }

    /// Whole milliseconds since the epoch, rounded up: a timer set for it never rings early.
    pub const fn millis_ceil(self) -> i64 {
        let floor = self.0.div_euclid(NANOS_PER_MILLISECOND);
        floor + (self.0.rem_euclid(NANOS_PER_MILLISECOND) != 0) as i64
    }

    /// Whole seconds since the epoch, rounded down.
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(NANOS_PER_SECOND)
    }

    /// This instant cut to its second.
    pub const fn floor_second(self) -> Time {
        Time::from_seconds(self.seconds())
    }
}

impl Span {
    /// No time at all.
    pub const ZERO: Span = Span(0);
    /// Longer than anything that may be waited for.
    pub const MAX: Span = Span(i64::MAX);

    /// A span of nanoseconds.
    pub const fn from_nanos(nanos: i64) -> Span {
        Span(nanos)
    }

    /// A span of milliseconds; the longest one where it does not fit.
    pub const fn from_millis(millis: i64) -> Span {
        Span(millis.saturating_mul(NANOS_PER_MILLISECOND))
    }

    /// A span of seconds; the longest one where it does not fit.
    pub const fn from_seconds(seconds: i64) -> Span {
        Span(seconds.saturating_mul(NANOS_PER_SECOND))
    }

    /// Nanoseconds.
    pub const fn nanos(self) -> i64 {
        self.0
    }

    /// Whole milliseconds, rounded down.
    pub const fn millis(self) -> i64 {
        self.0.div_euclid(NANOS_PER_MILLISECOND)
    }

    /// Whole seconds, rounded down.
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(NANOS_PER_SECOND)
    }
}

impl Add<Span> for Time {
    type Output = Time;

    fn add(self, span: Span) -> Time {
        Time(self.0.saturating_add(span.0))
    }
}

impl Sub<Span> for Time {
    type Output = Time;

    fn sub(self, span: Span) -> Time {
        Time(self.0.saturating_sub(span.0))
    }
}

impl Sub for Time {
    type Output = Span;

    fn sub(self, earlier: Time) -> Span {
        Span(self.0.saturating_sub(earlier.0))
    }
}

impl fmt::Display for Time {
    /// RFC 3339 in UTC, with as many fractional digits as needed.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_nanosecond(i128::from(self.0)) {
            Ok(timestamp) => timestamp.fmt(formatter),
            Err(_) => write!(formatter, "{}ns", self.0),
        }
    }
}

/// The text is no instant that a [`Time`] can hold.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "{value:?} is not an instant, allowed is RFC 3339, as in 2026-03-29T01:00:00Z or 2026-03-29T03:00:00+02:00"
)]
pub struct NotAnInstant {
    /// The text.
    pub value: String,
}

impl FromStr for Time {
    type Err = NotAnInstant;

    /// Reads RFC 3339.
    fn from_str(text: &str) -> Result<Time, NotAnInstant> {
        let timestamp = text.parse::<jiff::Timestamp>().ok();
        let nanos = timestamp.and_then(|timestamp| i64::try_from(timestamp.as_nanosecond()).ok());
        nanos.map(Time::from_nanos).ok_or_else(|| NotAnInstant { value: text.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timer_in_milliseconds_never_rings_before_the_instant() {
        assert_eq!(Time::from_nanos(1_000_001).millis_ceil(), 2);
        assert_eq!(Time::from_nanos(1_000_000).millis_ceil(), 1);
        assert_eq!(Time::from_nanos(-1).millis_ceil(), 0);
    }

    #[test]
    fn an_instant_prints_as_rfc_3339() {
        assert_eq!(Time::from_nanos(1_734_690_000_123_000_000).to_string(), "2024-12-20T10:20:00.123Z");
    }

    #[test]
    fn an_instant_reads_back_from_rfc_3339_whatever_its_offset() {
        assert_eq!("2024-12-20T11:20:00.123+01:00".parse(), Ok(Time::from_nanos(1_734_690_000_123_000_000)));
        for text in ["", "2024-12-20", "2024-12-20T10:20:00", "0001-01-01T00:00:00Z"] {
            assert!(text.parse::<Time>().is_err(), "{text}");
        }
    }
}
