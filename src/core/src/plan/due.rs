//! Which of a job's due ticks start and which are passed over: the catch-up policy.

use crate::command::{Decision, DecisionKind};
use crate::execution::SkipReason;
use crate::ids::{JobSlot, Origin};
use crate::job::Catchup;
use crate::limits;
use crate::placement::{self, Pending};
use crate::schedule::{ZoneData, Zones};
use crate::state::State;
use crate::state::record::JobRecord;
use crate::time::{Span, Time};
use xxhash_rust::xxh3::xxh3_64;

/// How far a round of decisions on one job goes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reach {
    /// The zone data to compute by.
    pub(super) data: ZoneData,
    /// The time.
    pub(super) now: Time,
    /// Late ticks that may start.
    pub(super) budget: usize,
    /// Whether ticks wait for their jitter.
    pub(super) spread: bool,
}

/// The decisions on what is due of a job now, in order, each beginning where the one before ends; empty if
/// nothing may be decided yet.
pub(super) fn decide(state: &State, slot: JobSlot, reach: Reach, pending: &mut Pending) -> Vec<Decision> {
    let Reach { now, spread, .. } = reach;
    let due = |job: &JobRecord| if spread { job.wheel_key() } else { job.startable() };
    let Some(job) = state.job(slot).filter(|job| due(job) <= now) else { return Vec::new() };
    let mut round = Round {
        state,
        slot,
        job,
        zones: state.zones(reach.data),
        now,
        spread,
        due: Some(job.next_due),
        decisions: Vec::new(),
    };
    round.pass_held();
    round.pass_missed(reach.budget, pending);
    round.start_until(now, reach.budget, pending);
    round.decisions
}

/// The next due time of a job whose stored one cannot be followed: strictly after its cursor and what was held.
pub(super) fn refile(state: &State, slot: JobSlot, data: ZoneData) -> Option<Decision> {
    let job = state.job(slot)?;
    let next = job.rules.timing.next(job.cursor, job.anchor, state.zones(data));
    Some(Decision {
        job: slot,
        generation: job.generation,
        revision: job.revision,
        kind: DecisionKind::Refile { passed: None },
        next_due: next,
    })
}

struct Round<'a> {
    state: &'a State,
    slot: JobSlot,
    job: &'a JobRecord,
    zones: Zones,
    now: Time,
    spread: bool,
    /// The first tick that is not decided yet.
    due: Option<Time>,
    decisions: Vec<Decision>,
}

const INSTANT: Span = Span::from_nanos(1);

impl Round<'_> {
    /// What lies below the floor of a release is one skip.
    fn pass_held(&mut self) {
        let floor = self.state.floor_of(self.job).min(self.now);
        if let Some(due) = self.due.filter(|due| *due <= floor) {
            self.skip(due, floor, SkipReason::Held);
        }
    }

    /// What is older than the start deadline goes by the catch-up policy.
    fn pass_missed(&mut self, budget: usize, pending: &mut Pending) {
        let policy = &self.job.rules.policy;
        let oldest_recent = self.now - policy.start_deadline - self.job.rules.timing.jitter;
        let Some(due) = self.due.filter(|due| *due < oldest_recent) else { return };
        let until = oldest_recent - INSTANT;
        let window = self.now - policy.catchup_window;
        match policy.catchup {
            Catchup::None => self.skip(due, until, SkipReason::Missed),
            Catchup::Latest => self.catch_up_latest(due, until, window, pending),
            Catchup::All => {
                if due < window {
                    self.skip(due, window.min(until + INSTANT) - INSTANT, SkipReason::Missed);
                }
                self.start_until(until, budget, pending);
            }
        }
    }

    /// Only the latest missed tick starts, and only if no recent one will.
    fn catch_up_latest(&mut self, due: Time, until: Time, window: Time, pending: &mut Pending) {
        let Some(last) = self.last(due, until) else { return };
        let recent = self.next(last).is_some_and(|next| next <= self.now);
        if recent || last < window {
            return self.skip(due, last, SkipReason::Missed);
        }
        if last > due {
            self.skip(due, last - INSTANT, SkipReason::Missed);
        }
        self.start(last, pending);
    }

    /// Starts one tick after the other while they are due. The newest one is on time and free of the budget.
    fn start_until(&mut self, until: Time, budget: usize, pending: &mut Pending) {
        let mut late = self.decisions.iter().filter(|decision| decision.is_start()).count();
        while let Some(due) = self.due.filter(|due| *due <= until) {
            let key = if self.spread { due + self.job.jitter(due) } else { due };
            let is_late = self.now - key >= Span::from_seconds(1);
            if key > self.now || (is_late && late >= budget) || late >= limits::CATCHUP_STARTS_MAX {
                return;
            }
            self.start(due, pending);
            late += 1;
        }
    }

    fn start(&mut self, nominal: Time, pending: &mut Pending) {
        let lot =
            xxh3_64(&[self.job.uid.0.to_le_bytes().as_slice(), &nominal.nanos().to_le_bytes()].concat());
        let nodes = placement::choose(self.state, &self.job.rules.selector, lot, pending);
        let next = self.next(nominal);
        self.push(DecisionKind::Start { origin: Origin::Schedule, nominal, nodes }, next);
    }

    /// Passes over the ticks in `[due, until]`, of which `due` is one.
    fn skip(&mut self, due: Time, until: Time, reason: SkipReason) {
        let timing = &self.job.rules.timing;
        let (count, last) = timing.stretch(due - INSTANT, until, self.job.anchor, self.zones);
        let last = last.unwrap_or(due).max(due);
        let next = self.next(last);
        self.push(DecisionKind::Skip { from: due, to: last, count: count.max(1), reason }, next);
    }

    fn push(&mut self, kind: DecisionKind, next: Option<Time>) {
        self.decisions.push(Decision {
            job: self.slot,
            generation: self.job.generation,
            revision: self.job.revision,
            kind,
            next_due: next,
        });
        self.due = next;
    }

    fn next(&self, after: Time) -> Option<Time> {
        self.job.rules.timing.next(after, self.job.anchor, self.zones)
    }

    /// The last tick in `[due, until]`.
    fn last(&self, due: Time, until: Time) -> Option<Time> {
        let (_, last) = self.job.rules.timing.stretch(due - INSTANT, until, self.job.anchor, self.zones);
        Some(last.unwrap_or(due).max(due))
    }
}
