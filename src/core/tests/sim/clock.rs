//! A machine's wall clock: off by something, drifting, and sometimes set to another time.

use crate::chance::Chance;
use dkron_core::time::{Span, Time};

/// When every simulation begins: 14 November 2023, 22:13:20 UTC.
pub(crate) const BEGINNING: Time = Time::from_seconds(1_700_000_000);

/// A wall clock.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Clock {
    offset: Span,
    drift_per_million: i64,
}

impl Clock {
    /// A clock off by at most this much, and drifting by up to 500 parts in a million.
    pub(crate) fn off_by(chance: &mut Chance, most_ms: i64) -> Clock {
        Clock {
            offset: Span::from_millis(chance.between(-most_ms, most_ms)),
            drift_per_million: chance.between(-500, 500),
        }
    }

    /// What it shows at a true instant.
    pub(crate) fn shows(&self, now: Time) -> Time {
        let passed = (now - BEGINNING).nanos();
        now + self.offset + Span::from_nanos(passed / 1_000_000 * self.drift_per_million)
    }

    /// The true instant at which it will show a time, rounded up.
    pub(crate) fn when(&self, shown: Time, now: Time) -> Time {
        now + (shown - self.shows(now))
    }

    /// Somebody sets it.
    pub(crate) fn jump(&mut self, by: Span) {
        self.offset = Span::from_nanos(self.offset.nanos() + by.nanos());
    }

    /// It is right again.
    pub(crate) fn heal(&mut self) {
        *self = Clock::default();
    }
}
