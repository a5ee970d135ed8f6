//! When a job is due: schedule expressions, time zones and what happens when clocks jump.
//!
//! This room reads an expression into a compact [`Schedule`] and answers three questions about it: the
//! next fire after an instant, the latest one in a time, and how many lie in a time. It owns the
//! grammar, the zone data in the binary and the policies for daylight saving. It never reads a clock
//! or the system's zone files, and no question takes longer than its answer is worth: each one ends,
//! whatever the expression. It fails only in [`parse`], with an error that names the field.

mod calendar;
mod count;
mod dst;
mod error;
mod grammar;
mod name_hash;
mod next;
mod sets;
mod zone;
mod zones;

#[cfg(test)]
mod tests;

pub use dst::{Dst, UnknownDst};
pub use error::{Field, FieldProblem, ScheduleError};
pub use grammar::parse;
pub use zone::{UnknownZone, Zone, zone_data_version, zone_names};
pub use zones::{ZoneData, Zones};

use crate::time::{Span, Time};
use sets::Sets;

/// When something is due, without zone and phase: 40 bytes. Two expressions with the same meaning
/// give equal schedules.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Schedule(Kind);

#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
enum Kind {
    /// The readings of the local clock that match.
    Cron(Sets),
    /// A whole number of seconds, 1 or more.
    Every(i64),
    /// Once, at a whole second.
    At(Time),
    /// Not by itself.
    Never,
}

/// What an expression says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Parsed {
    /// When it is due.
    pub schedule: Schedule,
    /// The zone from a `TZ=` or `CRON_TZ=` in front, which goes before the job's own.
    pub zone: Option<Zone>,
}

impl Schedule {
    /// Not due by itself, as `@manually` says.
    pub const NEVER: Schedule = Schedule(Kind::Never);

    /// The anchor under which an interval's first fire is `first`; none for what has no anchor.
    pub fn anchor_before(&self, first: Time) -> Option<Time> {
        match &self.0 {
            Kind::Every(delay) => Some(first - Span::from_seconds(*delay)),
            Kind::Cron(_) | Kind::At(_) | Kind::Never => None,
        }
    }

    /// Whether its instants depend on a zone.
    pub fn follows_zone(&self) -> bool {
        matches!(self.0, Kind::Cron(_))
    }

    /// Whether it can be due at all: false for `@manually`, for an empty field (`,`) and for dates
    /// that do not exist (30 February). True says nothing about when.
    pub fn fires_ever(&self) -> bool {
        match &self.0 {
            Kind::Cron(sets) => sets.fires_ever(),
            Kind::Every(_) | Kind::At(_) => true,
            Kind::Never => false,
        }
    }
}

/// A schedule with all that its answers depend on. Every fire is a whole second.
#[derive(Clone, Copy, Debug)]
pub struct Timing<'a> {
    /// When it is due.
    pub schedule: &'a Schedule,
    /// Whose clock the fields are about.
    pub zone: Zone,
    /// What a jump of that clock means for fixed times of day.
    pub dst: Dst,
    /// Where `@every` counts from, cut to its second: the first fire is one delay later.
    pub anchor: Time,
}

impl Timing<'_> {
    /// The first fire strictly after an instant. `None` when there is none until the end of the fifth
    /// calendar year after it, as in Dkron, or beyond what a [`Time`] holds.
    pub fn next(&self, after: Time) -> Option<Time> {
        let first = after.seconds() + 1;
        match &self.schedule.0 {
            Kind::Cron(sets) => next::first_fire(sets, &self.zone, self.policy(sets), first).and_then(fits),
            Kind::Every(delay) => fits(self.every(*delay, self.every_index(*delay, first - 1) + 1)),
            Kind::At(at) => (*at > after).then_some(*at),
            Kind::Never => None,
        }
    }

    /// The last fire after `after` and at or before `until`.
    pub fn latest(&self, after: Time, until: Time) -> Option<Time> {
        let (first, last) = (after.seconds() + 1, until.seconds());
        if last < first {
            return None;
        }
        match &self.schedule.0 {
            Kind::Cron(sets) => {
                next::last_fire(sets, &self.zone, self.policy(sets), first, last + 1).and_then(fits)
            }
            Kind::Every(delay) => {
                let index = self.every_index(*delay, last);
                let fire = self.every(*delay, index);
                if index > 0 && fire >= first { fits(fire) } else { None }
            }
            Kind::At(at) => (after < *at && *at <= until).then_some(*at),
            Kind::Never => None,
        }
    }

    /// How many fires lie after `after` and at or before `until`, without listing them: some 2 us
    /// for five years.
    pub fn count(&self, after: Time, until: Time) -> u64 {
        let (first, last) = (after.seconds() + 1, until.seconds());
        if last < first {
            return 0;
        }
        match &self.schedule.0 {
            Kind::Cron(sets) => count::count_fires(sets, &self.zone, self.policy(sets), first, last + 1),
            Kind::Every(delay) => {
                self.every_index(*delay, last).abs_diff(self.every_index(*delay, first - 1))
            }
            Kind::At(_) => u64::from(self.latest(after, until).is_some()),
            Kind::Never => 0,
        }
    }

    /// An interval follows elapsed time, whatever the policy says about times of day.
    fn policy(&self, sets: &Sets) -> Dst {
        if sets.is_interval() { Dst::Dkron } else { self.dst }
    }

    /// How many delays have passed from the anchor to a second; none before it.
    fn every_index(&self, delay: i64, second: i64) -> i64 {
        ((second - self.anchor.seconds()) / delay).max(0)
    }

    /// The second at which a number of delays has passed.
    fn every(&self, delay: i64, index: i64) -> i64 {
        self.anchor.seconds().saturating_add(delay.saturating_mul(index))
    }
}

/// A second as an instant, if one can hold it.
fn fits(second: i64) -> Option<Time> {
    (second < zone::END).then(|| Time::from_seconds(second))
}
