//! When a watched job must and may run.

use super::{Run, Skip, Watched, Window};
use crate::job::{Concurrency, JobError};
use crate::rules::{Rules, Timing};
use crate::schedule::Zone;
use crate::time::{Span, Time};
use std::collections::BTreeSet;

/// A tick after which the next one is a nanosecond away: `next` is strict.
const NANOSECOND: Span = Span::from_nanos(1);

/// One definition in one window.
pub(super) struct Stretch {
    rules: Rules,
    window: Window,
    anchor: Time,
}

impl Stretch {
    /// One for each window of a watched job. `seen` are its nominal times that ran or were skipped.
    pub(super) fn all(
        watched: &Watched,
        seen: &BTreeSet<Time>,
        zone: &Zone,
    ) -> Result<Vec<Stretch>, JobError> {
        let rules = Rules::of(&watched.job)?;
        let is_interval = watched.job.schedule.trim_start().starts_with("@every");
        let stretch = |window: &Window| {
            let anchor = watched.anchor.unwrap_or_else(|| match is_interval {
                true => found_anchor(&rules.timing, window, seen, zone),
                false => window.may_from,
            });
            Stretch { rules: rules.clone(), window: *window, anchor }
        };
        Ok(watched.windows.iter().map(stretch).collect())
    }

    pub(super) fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Whether the schedule is followed at all: not by a child, which its parent starts.
    pub(super) fn is_scheduled(&self) -> bool {
        self.rules.timing.schedule.is_some()
    }

    /// Whether a run in this window would be of this definition.
    pub(super) fn covers(&self, at: Time) -> bool {
        self.window.may_from <= at && at < self.window.may_until
    }

    /// Whether an instant is a tick that may run.
    pub(super) fn may_run(&self, at: Time, zone: &Zone) -> bool {
        self.covers(at) && self.rules.timing.next(at - NANOSECOND, self.anchor, zone) == Some(at)
    }

    /// The ticks that must run, in order.
    pub(super) fn must_run<'a>(&'a self, zone: &'a Zone) -> impl Iterator<Item = Time> + 'a {
        let next = move |after: Time| self.rules.timing.next(after, self.anchor, zone);
        let first = next(self.window.must_from - NANOSECOND);
        std::iter::successors(first, move |tick| next(*tick))
            .take_while(|tick| *tick < self.window.must_until)
    }
}

/// Where an interval counts from, when nobody wrote it down: its ticks lie a whole number of delays from
/// the first one seen on a whole second (runs by hand seldom are).
fn found_anchor(timing: &Timing, window: &Window, seen: &BTreeSet<Time>, zone: &Zone) -> Time {
    let mut inside = seen.range(window.may_from..window.may_until.max(window.may_from));
    let Some(first) = inside.find(|at| **at == at.floor_second()) else { return window.must_from };
    let Some(second) = timing.next_ignoring_disabled(*first, *first, zone) else { return *first };
    let delay = (second - *first).nanos().max(1);
    let delays = (*first - window.may_from).nanos() / delay + 1;
    *first - Span::from_nanos(delays.saturating_mul(delay))
}

/// Whether a skip record explains that ticks of this job did not run: by a policy that the job has.
pub(super) fn explains(skip: &Skip, concurrency: Concurrency) -> bool {
    use crate::execution::SkipReason::{
        Cancelled, Disabled, Edited, Held, Missed, Overlap, QueueFull, Rezoned, Unplaced,
    };
    match skip.reason {
        Overlap => concurrency != Concurrency::Allow,
        QueueFull => matches!(concurrency, Concurrency::Queue | Concurrency::Replace),
        Disabled | Held | Edited | Rezoned | Cancelled => true,
        Missed | Unplaced => false,
    }
}

/// The nominal times of a job of which anything is known.
pub(super) fn seen(runs: &[&Run], skips: &[&Skip]) -> BTreeSet<Time> {
    let ran = runs.iter().map(|run| run.scheduled_at);
    ran.chain(skips.iter().flat_map(|skip| [skip.from, skip.to])).collect()
}
