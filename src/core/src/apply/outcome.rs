//! What agents report: an execution moves forward, and its end brings the retry, the dependents, the next in
//! the queue. All of that happens here, in the step that commits the outcome, so that nothing can fall
//! between two of them.

use super::Step;
use crate::command::{Counters, Event, Refusal, Reply, Report, Status};
use crate::execution::{Finished, HistoryRow, Outcome, SkipReason, Verdict};
use crate::ids::{ExecutionRef, JobSlot, OccurrenceRef, Origin};
use crate::state::record::{Execution, Occurrence, Progress, Requested, Turn};
use crate::time::Time;
use std::sync::Arc;

impl Step<'_> {
    /// False for a report that changes nothing: a repeated, late or foreign one.
    pub(super) fn report(&mut self, report: &Report) -> bool {
        let Some(execution) = self.live(report.execution) else { return false };
        let Some(found) = self.state().occurrence(report.execution.occurrence) else { return false };
        let id = found.execution_id(report.execution.ordinal, report.execution.attempt);
        if id.check() != report.check {
            return false;
        }
        match &report.event {
            Event::Accepted => {
                let fresh = execution.progress == Progress::Assigned;
                if fresh {
                    self.edit_execution(report.execution, |execution| {
                        execution.progress = Progress::Accepted
                    });
                }
                fresh
            }
            Event::Started { at } => {
                let fresh = !matches!(execution.progress, Progress::Started(_));
                if fresh {
                    self.edit_execution(report.execution, |execution| {
                        execution.progress = Progress::Started(*at)
                    });
                }
                fresh
            }
            Event::Finished(outcome) => {
                self.finish(report.execution, outcome);
                true
            }
        }
    }

    /// The execution if this very attempt is open (invariant 5).
    fn live(&self, name: ExecutionRef) -> Option<Execution> {
        let found = self.state().occurrence(name.occurrence)?;
        let execution = found.executions.get(usize::from(name.ordinal))?;
        (execution.attempt == name.attempt && execution.is_live()).then_some(*execution)
    }

    fn edit_execution(&mut self, name: ExecutionRef, edit: impl FnOnce(&mut Execution)) {
        self.ledger.state.edit_occurrence(name.occurrence, |found| {
            if let Some(execution) = found.executions.get_mut(usize::from(name.ordinal)) {
                edit(execution);
            }
        });
    }

    fn finish(&mut self, name: ExecutionRef, outcome: &Outcome) {
        let Some(found) = self.state().occurrence(name.occurrence).cloned() else { return };
        let Some(execution) = self.live(name) else { return };
        self.keep_row(name, &found, &execution, outcome);
        let rules = self.state().job(found.job).map(|job| job.rules.clone());
        let policy = rules.as_ref().map(|rules| &rules.policy);
        let again = policy.filter(|policy| {
            outcome.verdict != Verdict::Succeeded
                && outcome.verdict != Verdict::Cancelled
                && !execution.cancel
                && execution.attempt <= policy.retries
        });
        let progress = match again {
            Some(policy) => Progress::Retrying(self.now + policy.backoff.wait(execution.attempt)),
            None => Progress::Ended(outcome.verdict),
        };
        self.count_outcome(found.job, outcome);
        let ended = |ordinal: usize| (ordinal == usize::from(name.ordinal)).then_some(progress);
        match verdicts(&found, ended) {
            // It goes as it is: nobody would read what would be written into it now.
            Some(verdicts) => self.close(name.occurrence, &found, &verdicts),
            None => self.edit_execution(name, |execution| {
                execution.progress = progress;
                execution.lost_at = None;
            }),
        }
    }

    fn keep_row(&mut self, name: ExecutionRef, found: &Occurrence, execution: &Execution, outcome: &Outcome) {
        let Some(job) = self.state().job(found.job) else { return };
        let node = self.state().node(execution.node).map(|node| node.registration.name.clone());
        let row = Finished {
            job: job.uid,
            job_name: job.name.clone(),
            id: found.execution_id(name.ordinal, name.attempt),
            execution: name,
            origin: found.origin,
            nominal: found.nominal,
            decided_at: found.decided_at,
            node: node.unwrap_or_default(),
            outcome: outcome.clone(),
        };
        self.rows.push(HistoryRow::Finished(row));
    }

    fn count_outcome(&mut self, slot: JobSlot, outcome: &Outcome) {
        let good = outcome.verdict == Verdict::Succeeded;
        self.ledger.state.advance_job(slot, |job| {
            let counters: &mut Counters = &mut job.counters;
            if good {
                counters.success_count += 1;
                counters.last_success = counters.last_success.max(outcome.finished_at);
            } else {
                counters.error_count += 1;
                counters.last_error = counters.last_error.max(outcome.finished_at);
            }
        });
    }

    /// Closes an open occurrence if its executions are all final.
    pub(super) fn close_if_over(&mut self, reference: OccurrenceRef) {
        let Some(found) = self.state().occurrence(reference).cloned() else { return };
        if let Some(verdicts) = verdicts(&found, |_| None) {
            self.close(reference, &found, &verdicts);
        }
    }

    /// Takes an occurrence away whose executions are all final, and starts what waited for that.
    fn close(&mut self, reference: OccurrenceRef, found: &Occurrence, verdicts: &[Verdict]) {
        let status = status_of(verdicts);
        self.ledger.state.remove_occurrence(reference);
        self.ledger.state.advance_job(found.job, |job| {
            job.open = job.open.saturating_sub(1);
            job.counters.status = status;
        });
        self.next_in_queue(found.job, self.now);
        if status == Status::Success {
            self.start_dependents(found);
            self.delete_if_ephemeral(found.job);
        }
    }

    /// The oldest in the queue takes its turn, unless one has it already. Nothing but a node has been wanting
    /// `since` then, or since its own decision: a queue without a node drains in one window, not in one for
    /// each.
    pub(super) fn next_in_queue(&mut self, slot: JobSlot, since: Time) {
        let Some(job) = self.state().job(slot).cloned().filter(|job| job.open == 0 && job.queued > 0) else {
            return;
        };
        if self.state().occurrences_of(slot).any(|(_, found)| matches!(found.turn, Turn::Unplaced(_))) {
            return;
        }
        let oldest = self
            .state()
            .occurrences_of(slot)
            .find(|(_, found)| found.turn == Turn::Queued)
            .map(|(reference, _)| reference);
        let Some(reference) = oldest else { return };
        self.ledger.state.edit_occurrence(reference, |found| {
            found.turn = Turn::Unplaced(0);
            found.startable_at = since.max(found.startable_at);
            found.gives_up_at = found.startable_at + job.rules.policy.catchup_window;
        });
        self.count(slot, Turn::Queued, -1);
    }

    fn start_dependents(&mut self, parent: &Occurrence) {
        let children: Vec<JobSlot> = self.state().children_of(parent.job).collect();
        for slot in children {
            let Some(child) = self.state().job(slot).cloned() else { continue };
            let timing = &child.rules.timing;
            let early = timing.starts_at.is_some_and(|starts_at| self.now < starts_at);
            let over = timing.expires_at.is_some_and(|expires_at| self.now > expires_at);
            let origin = Origin::Dependent(parent.id);
            if timing.disabled || early || over {
                self.skip_one(slot, origin, self.now, SkipReason::Disabled);
            } else {
                self.ledger.state.insert_requested(Requested { job: slot, origin, nominal: self.now });
            }
        }
    }

    fn delete_if_ephemeral(&mut self, slot: JobSlot) {
        let ephemeral = self.state().job(slot).is_some_and(|job| job.rules.policy.ephemeral);
        if ephemeral && self.state().children_of(slot).next().is_none() {
            self.remove_job(slot, false);
        }
    }

    /// An execution of a silent agent is given up.
    pub(super) fn lose(&mut self, name: ExecutionRef) -> bool {
        let Some(execution) = self.live(name) else { return false };
        let started_at = match execution.progress {
            Progress::Started(at) => at,
            _ => Time::EPOCH,
        };
        let outcome = Outcome {
            verdict: Verdict::Lost,
            started_at,
            finished_at: self.now,
            code: None,
            error: "the agent or its journal is gone: nobody knows how this execution ended".into(),
            tail: Arc::from([]),
            output_bytes: 0,
        };
        self.finish(name, &outcome);
        true
    }

    /// A retry that found no node for longer than the catch-up window is not tried: the attempt before it, which
    /// has its row, was the last. Else one that no node may run would block its job for ever.
    pub(super) fn give_up_retry(&mut self, name: ExecutionRef) -> bool {
        let Some(found) = self.state().occurrence(name.occurrence) else { return false };
        let Some(job) = self.state().job(found.job) else { return false };
        let Some(execution) = found.executions.get(usize::from(name.ordinal)) else { return false };
        let Progress::Retrying(due) = execution.progress else { return false };
        let waited = due + job.rules.policy.catchup_window <= self.now;
        if !waited || execution.attempt != name.attempt {
            return false;
        }
        self.edit_execution(name, |execution| execution.progress = Progress::Ended(Verdict::Failed));
        self.close_if_over(name.occurrence);
        true
    }

    /// An operator need not wait for agents that may never speak again.
    fn lose_silent(&mut self, reference: OccurrenceRef, ordinal: Option<u16>) {
        let Some(found) = self.state().occurrence(reference).cloned() else { return };
        let meant = |name: &ExecutionRef| ordinal.is_none_or(|ordinal| ordinal == name.ordinal);
        for (name, execution) in found.named_executions(reference) {
            if execution.lost_at.is_some() && meant(&name) {
                self.lose(name);
            }
        }
    }

    pub(super) fn cancel_occurrence(
        &mut self,
        reference: OccurrenceRef,
        ordinal: Option<u16>,
    ) -> Result<Reply, Refusal> {
        let found = self.state().occurrence(reference).ok_or(Refusal::NotOpen)?;
        let ended = |ordinal: u16| match found.executions.get(usize::from(ordinal)) {
            Some(execution) => matches!(execution.progress, Progress::Ended(_)),
            None => found.turn == Turn::Open,
        };
        if ordinal.is_some_and(ended) {
            return Err(Refusal::NotOpen);
        }
        if found.turn == Turn::Open {
            self.cancel_executions(reference, ordinal);
            self.lose_silent(reference, ordinal);
        } else {
            self.close_unstarted(reference, SkipReason::Cancelled);
        }
        Ok(Reply::Done)
    }
}

/// How the executions of an open occurrence ended, if all have; `instead` says how far one is now.
fn verdicts(found: &Occurrence, instead: impl Fn(usize) -> Option<Progress>) -> Option<Vec<Verdict>> {
    let executions = found.executions.iter().enumerate();
    let verdicts =
        executions.map(|(ordinal, execution)| match instead(ordinal).unwrap_or(execution.progress) {
            Progress::Ended(verdict) => Some(verdict),
            _ => None,
        });
    verdicts.collect::<Option<Vec<_>>>().filter(|_| found.turn == Turn::Open)
}

fn status_of(verdicts: &[Verdict]) -> Status {
    let good = verdicts.iter().filter(|verdict| **verdict == Verdict::Succeeded).count();
    match good {
        _ if good == verdicts.len() => Status::Success,
        0 => Status::Failed,
        _ => Status::PartiallyFailed,
    }
}
