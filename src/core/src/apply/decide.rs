//! Taking or rejecting the leader's decisions: where a tick is decided once and for all.

use super::Step;
use crate::command::{Assignment, Decision, DecisionKind, Stretch};
use crate::execution::{SkipReason, Verdict};
use crate::ids::{ExecutionRef, JobSlot, NodeSlot, OccurrenceId, OccurrenceRef, Origin};
use crate::job::Concurrency;
use crate::limits;
use crate::state::record::{Execution, Occurrence, Progress, Requested, Timer, Turn};
use crate::time::{Span, Time};

impl Step<'_> {
    /// Takes the decision if it fits the state exactly; otherwise nothing changes.
    pub(super) fn decide(&mut self, decision: &Decision) -> bool {
        self.decide_within(decision, true)
    }

    /// As [`Step::decide`]; if not `spread` a tick need not wait for its jitter: the edit that comes next would
    /// pass it over.
    pub(super) fn decide_within(&mut self, decision: &Decision, spread: bool) -> bool {
        let Some(job) = self.state().job(decision.job).filter(|job| job.generation == decision.generation)
        else {
            return false;
        };
        match &decision.kind {
            DecisionKind::Start { origin: Origin::Schedule, nominal, nodes } => {
                let due = if spread { *nominal + job.jitter(*nominal) } else { *nominal };
                let taken = self.schedule_allows(decision, *nominal, *nominal)
                    && due <= self.now
                    && *nominal > self.state().floor_of(job);
                if taken {
                    self.move_cursor(decision, *nominal);
                    self.admit(decision.job, Origin::Schedule, *nominal, nodes);
                }
                taken
            }
            DecisionKind::Start { origin, nominal, nodes } => {
                let requested = Requested { job: decision.job, origin: *origin, nominal: *nominal };
                let taken = self.state().requested(requested).is_some();
                if taken {
                    self.ledger.state.remove_requested(requested);
                    self.admit(decision.job, *origin, *nominal, nodes);
                }
                taken
            }
            DecisionKind::Skip { from, to, count, reason } => {
                let taken = self.schedule_allows(decision, *from, *to)
                    && *to <= self.now
                    && self.reason_holds(decision.job, *to, *reason);
                if taken {
                    self.move_cursor(decision, *to);
                    let stretch = Stretch { from: *from, to: *to, count: (*count).max(1) };
                    self.skip(decision.job, Origin::Schedule, stretch, *reason);
                }
                taken
            }
            DecisionKind::Refile { passed } => self.refile_job(decision, *passed),
        }
    }

    /// Invariants 1, 2 and 11: the decision begins at the stored next due time, ends above the cursor, and the
    /// new next due time is above both.
    fn schedule_allows(&self, decision: &Decision, from: Time, to: Time) -> bool {
        let Some(job) = self.state().job(decision.job) else { return false };
        job.revision == decision.revision
            && !job.held
            && self.state().held_since().is_none()
            && from == job.next_due
            && from <= to
            && to > job.cursor
            && decision.next_due.is_none_or(|next| next > to)
    }

    /// A start below the floor of a release would run what was held; a skip as held above it would lose a tick.
    fn reason_holds(&self, slot: JobSlot, to: Time, reason: SkipReason) -> bool {
        let floor = self.state().job(slot).map(|job| self.state().floor_of(job));
        reason != SkipReason::Held || floor.is_some_and(|floor| to <= floor)
    }

    fn move_cursor(&mut self, decision: &Decision, to: Time) {
        let next_due = decision.next_due.unwrap_or(Time::NEVER);
        self.advance_job(decision.job, |job| {
            job.cursor = to;
            job.next_due = next_due;
        });
    }

    /// The job's overlap rule, decided against the replicated open occurrences (invariant 4).
    pub(super) fn admit(&mut self, slot: JobSlot, origin: Origin, nominal: Time, nodes: &[NodeSlot]) {
        let executions = self.assigned(nodes);
        let concurrency = self.state().job(slot).map(|job| job.rules.policy.concurrency);
        let backfill = matches!(origin, Origin::Backfill(_));
        if backfill {
            // It takes no other's place: it waits.
        } else if concurrency == Some(Concurrency::Replace) {
            self.drop_waiting(slot);
            self.cancel_open(slot);
        } else if executions.is_empty() {
            self.yield_unplaced(slot);
        }
        let Some(job) = self.state().job(slot).cloned() else { return };
        let busy = job.open > 0;
        let turn = match job.rules.policy.concurrency {
            Concurrency::Forbid | Concurrency::Queue | Concurrency::Replace
                if backfill && (busy || self.somebody_waits(slot)) =>
            {
                Turn::Queued
            }
            Concurrency::Forbid if busy => return self.skip_one(slot, origin, nominal, SkipReason::Overlap),
            Concurrency::Queue if job.queued >= u32::from(limits::QUEUE_MAX) => {
                return self.skip_one(slot, origin, nominal, SkipReason::QueueFull);
            }
            Concurrency::Queue if busy || self.somebody_waits(slot) => Turn::Queued,
            Concurrency::Replace if busy => Turn::Queued,
            _ if executions.is_empty() => Turn::Unplaced(0),
            _ => Turn::Open,
        };
        let executions = if turn == Turn::Open { executions } else { Vec::new() };
        let reference = self.next_reference();
        let occurrence = Occurrence {
            job: slot,
            id: OccurrenceId::derive(job.uid, origin, nominal),
            origin,
            nominal,
            // Dkron's group: a nanosecond apart, so that two late ticks of one entry are not one group.
            decided_at: self.now + Span::from_nanos(i64::from(reference.position)),
            turn,
            startable_at: self.now,
            gives_up_at: self.now + job.rules.policy.catchup_window,
            executions,
        };
        // The job's record is edited next: whoever still holds it makes that a copy.
        drop(job);
        self.ledger.state.insert_occurrence(reference, occurrence);
        self.count(slot, turn, 1);
    }

    fn assigned(&self, nodes: &[NodeSlot]) -> Vec<Execution> {
        nodes
            .iter()
            .take(limits::FANOUT_MAX)
            .filter(|node| self.may_be_given_work(**node))
            .map(|node| Execution::assigned(*node, 1, self.now))
            .collect()
    }

    /// Not a node that was given up after the leader chose it: nothing would ever end what waits on it.
    fn may_be_given_work(&self, node: NodeSlot) -> bool {
        self.state().node(node).is_some_and(|node| !node.liveness.is_gone())
    }

    /// Keeps the job's counts of open and queued occurrences.
    pub(super) fn count(&mut self, slot: JobSlot, turn: Turn, change: i32) {
        // Neither count has anything to do with when the job is due.
        self.ledger.state.advance_job(slot, |job| match turn {
            Turn::Open => job.open = job.open.saturating_add_signed(change),
            Turn::Queued => job.queued = job.queued.saturating_add_signed(change),
            Turn::Unplaced(_) => {}
        });
    }

    /// Whether an occurrence of the job waits for its turn or, its turn come, for a node.
    fn somebody_waits(&self, slot: JobSlot) -> bool {
        self.state().occurrences_of(slot).any(|(_, found)| found.turn != Turn::Open)
    }

    /// `replace`: only the newest waits.
    fn drop_waiting(&mut self, slot: JobSlot) {
        let waiting: Vec<OccurrenceRef> = self
            .state()
            .occurrences_of(slot)
            .filter(|(_, found)| found.turn != Turn::Open)
            .map(|(reference, _)| reference)
            .collect();
        for reference in waiting {
            self.close_unstarted(reference, SkipReason::Overlap);
        }
    }

    fn cancel_open(&mut self, slot: JobSlot) {
        let open: Vec<OccurrenceRef> = self
            .state()
            .occurrences_of(slot)
            .filter(|(_, occurrence)| occurrence.turn == Turn::Open)
            .map(|(reference, _)| reference)
            .collect();
        for reference in open {
            self.cancel_executions(reference, None);
        }
    }

    /// A tick that has had no node for a minute gives way to the job's next one; so do those that waited behind
    /// it for as long.
    fn yield_unplaced(&mut self, slot: JobSlot) {
        let horizon = self.now - limits::UNPLACED_YIELD;
        while let Some(reference) = self.unplaced_since(slot, horizon) {
            self.close_unstarted(reference, SkipReason::Unplaced);
        }
    }

    fn unplaced_since(&self, slot: JobSlot, horizon: Time) -> Option<OccurrenceRef> {
        let mut found = self.state().occurrences_of(slot);
        let old = found
            .find(|(_, found)| matches!(found.turn, Turn::Unplaced(_)) && found.startable_at <= horizon)?;
        Some(old.0)
    }

    /// Ends an occurrence that never ran, with a skip record (invariant 3); what waited for it takes its turn.
    pub(super) fn close_unstarted(&mut self, reference: OccurrenceRef, reason: SkipReason) -> bool {
        let Some(found) =
            self.state().occurrence(reference).filter(|found| found.turn != Turn::Open).cloned()
        else {
            return false;
        };
        self.skip_one(found.job, found.origin, found.nominal, reason);
        self.ledger.state.remove_occurrence(reference);
        self.count(found.job, found.turn, -1);
        // Who waited behind it has waited for a node as long.
        let since = match found.turn {
            Turn::Unplaced(_) => found.startable_at,
            Turn::Queued | Turn::Open => self.now,
        };
        self.next_in_queue(found.job, since);
        true
    }

    pub(super) fn assign(&mut self, assignment: &Assignment) -> bool {
        match assignment {
            Assignment::Place { occurrence, nodes } => self.place(*occurrence, nodes),
            Assignment::Retry { execution, node } => self.retry(*execution, *node),
        }
    }

    fn place(&mut self, reference: OccurrenceRef, nodes: &[NodeSlot]) -> bool {
        let Some(found) = self.state().occurrence(reference).cloned() else { return false };
        let executions = self.assigned(nodes);
        if !matches!(found.turn, Turn::Unplaced(_)) || executions.is_empty() {
            return false;
        }
        let Some(job) = self.state().job(found.job).cloned() else { return false };
        let exclusive = job.rules.policy.concurrency != Concurrency::Allow;
        if exclusive && job.open > 0 {
            let waits = matches!(found.origin, Origin::Backfill(_));
            if job.rules.policy.concurrency == Concurrency::Forbid && !waits {
                return self.close_unstarted(reference, SkipReason::Overlap);
            }
            self.ledger.state.edit_occurrence(reference, |found| found.turn = Turn::Queued);
            self.count(found.job, Turn::Queued, 1);
            return true;
        }
        let now = self.now;
        self.ledger.state.edit_occurrence(reference, |found| {
            found.turn = Turn::Open;
            found.startable_at = now;
            found.executions = executions;
        });
        self.count(found.job, Turn::Open, 1);
        true
    }

    /// The next attempt, if the state says that it is due.
    fn retry(&mut self, name: ExecutionRef, node: NodeSlot) -> bool {
        let before = ExecutionRef { attempt: name.attempt.saturating_sub(1), ..name };
        if !self.timer_is_due(Timer::Retry(before)) || !self.may_be_given_work(node) {
            return false;
        }
        let now = self.now;
        self.ledger.state.edit_occurrence(name.occurrence, |found| {
            if let Some(execution) = found.executions.get_mut(usize::from(name.ordinal)) {
                *execution = Execution::assigned(node, name.attempt, now);
            }
        });
        true
    }

    /// Asks for the end of all that is open of an occurrence, or of one execution; what only waits for a retry ends
    /// here.
    pub(super) fn cancel_executions(&mut self, reference: OccurrenceRef, ordinal: Option<u16>) {
        let meant = |place: usize| ordinal.is_none_or(|ordinal| usize::from(ordinal) == place);
        self.ledger.state.edit_occurrence(reference, |found| {
            let executions = found.executions.iter_mut().enumerate();
            for (_, execution) in executions.filter(|(place, _)| meant(*place)) {
                execution.cancel = true;
                if matches!(execution.progress, Progress::Retrying(_)) {
                    execution.progress = Progress::Ended(Verdict::Cancelled);
                }
            }
        });
        self.close_if_over(reference);
    }
}
