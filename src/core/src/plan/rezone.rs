//! Filing jobs anew after a change of the zone data or the default zone, a bounded number in each turn.
//!
//! The leader walks over all slots once. A job that is due by its stored next due time is left until that is
//! decided. How far the walk is, only the leader knows: another one begins again, and what is filed already
//! costs it an evaluation and no entry.

use crate::command::{Decision, DecisionKind, Stretch};
use crate::ids::JobSlot;
use crate::limits;
use crate::schedule::Zones;
use crate::state::State;
use crate::time::{Span, Time};
use std::collections::BTreeSet;

/// When jobs that were due are looked at again. No divisor of a second: one that is due each second would be due
/// whenever it is looked at.
const AGAIN: Span = Span::from_millis(130);

/// One walk over all jobs.
#[derive(Debug)]
pub(super) struct Walk {
    pub(super) epoch: u32,
    next: u32,
    end: u32,
    /// Jobs passed by that must be looked at again.
    left: BTreeSet<JobSlot>,
    left_at: Time,
}

/// What one look at a job says.
#[derive(Debug)]
pub(super) enum Look {
    /// Its next due time stands.
    Stands,
    /// It is due, or something about it is under way: not now.
    Waits,
    /// Another next due time.
    Anew(Decision),
}

impl Walk {
    pub(super) fn new(epoch: u32, slots: u32) -> Walk {
        Walk { epoch, next: 0, end: slots, left: BTreeSet::new(), left_at: Time::EPOCH }
    }

    /// The jobs to look at in this turn.
    pub(super) fn take(&mut self, now: Time) -> Vec<JobSlot> {
        let mut slots = Vec::new();
        if now >= self.left_at {
            slots.extend(std::mem::take(&mut self.left));
        }
        let room = limits::DECISIONS_MAX.saturating_sub(slots.len() + self.left.len()) as u32;
        let until = self.end.min(self.next.saturating_add(room));
        slots.extend((self.next..until).map(JobSlot));
        self.next = until;
        slots
    }

    /// This job must be looked at again, in a while.
    pub(super) fn leave(&mut self, slot: JobSlot, now: Time) {
        if self.left.is_empty() {
            self.left_at = now + AGAIN;
        }
        self.left.insert(slot);
    }

    /// Its proposal was rejected or lost.
    pub(super) fn leave_rejected(&mut self, slot: JobSlot) {
        self.left.insert(slot);
    }

    pub(super) fn has_more(&self) -> bool {
        self.next < self.end && self.left.len() < limits::DECISIONS_MAX
    }

    pub(super) fn is_over(&self) -> bool {
        self.next >= self.end && self.left.is_empty()
    }

    /// When to go on if nothing else happens.
    pub(super) fn wake_at(&self) -> Option<Time> {
        (!self.left.is_empty()).then_some(self.left_at)
    }
}

/// Whether a job's next due time is still right, strictly after its cursor and now. Ticks of a held job that
/// nobody has decided stay above its cursor: the release passes over them.
pub(super) fn look(state: &State, slot: JobSlot, zones: Zones, now: Time) -> Look {
    let Some(job) = state.job(slot).filter(|job| !job.needs_replan()) else { return Look::Stands };
    let timing = &job.rules.timing;
    if timing.disabled || !timing.schedule.as_ref().is_some_and(|schedule| schedule.follows_zone()) {
        return Look::Stands;
    }
    let held = job.held || state.held_since().is_some();
    if !held && job.next_due <= now {
        return Look::Waits;
    }
    let mut next = timing.next(job.cursor, job.anchor, zones);
    let mut passed = None;
    if let Some(from) = next.filter(|next| !held && *next <= now) {
        let (count, to) = timing.stretch(from - Span::from_nanos(1), now, job.anchor, zones);
        let to = to.unwrap_or(from);
        passed = Some(Stretch { from, to, count: count.max(1) });
        next = timing.next(to, job.anchor, zones);
    }
    if passed.is_none() && next.unwrap_or(Time::NEVER) == job.next_due {
        return Look::Stands;
    }
    Look::Anew(Decision {
        job: slot,
        generation: job.generation,
        revision: job.revision,
        kind: DecisionKind::Refile { passed },
        next_due: next,
    })
}
