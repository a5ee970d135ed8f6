//! Runs by hand, deletions, and the removal of a job with all that hangs on it.

use super::Step;
use crate::command::{Backfill, Counters, Refusal, Reply, Stretch, Version};
use crate::execution::{HistoryRow, SkipReason};
use crate::ids::{JobSlot, OccurrenceRef, Origin, RequestId};
use crate::job::Concurrency;
use crate::limits;
use crate::state::record::{JobRecord, Requested};
use crate::time::Time;
use std::collections::BTreeMap;
use std::sync::Arc;

impl Step<'_> {
    pub(super) fn run(
        &mut self,
        name: &Arc<str>,
        nominal: Time,
        request: Option<RequestId>,
    ) -> Result<Reply, Refusal> {
        let request = request.ok_or(Refusal::NoRequest)?;
        let (slot, job) = self.job_named(name)?;
        let origin = Origin::Manual(request);
        if job.rules.timing.disabled && job.parent.is_none() {
            return Err(Refusal::Disabled(name.clone()));
        }
        if let Some(refusal) = self.overlap(slot, &job) {
            let reason = match refusal {
                Refusal::QueueFull(_) => SkipReason::QueueFull,
                _ => SkipReason::Overlap,
            };
            self.skip_one(slot, origin, nominal, reason);
            return Err(refusal);
        }
        self.ledger.state.insert_requested(Requested { job: slot, origin, nominal });
        Ok(Reply::Stored { job: slot, version: job.version(), created: false })
    }

    /// All of the runs or none. Each is decided when the one before it is over.
    pub(super) fn backfill(
        &mut self,
        backfill: &Backfill,
        request: Option<RequestId>,
    ) -> Result<Reply, Refusal> {
        let request = request.ok_or(Refusal::NoRequest)?;
        let (slot, job) = self.job_named(&backfill.name)?;
        if job.uid != backfill.job {
            return Err(Refusal::Changed(job.revision));
        }
        if job.rules.timing.disabled {
            return Err(Refusal::Disabled(job.name.clone()));
        }
        let (waiting, wanted) = (self.state().backfill_rows(slot).count(), backfill.nominals.len());
        if waiting + wanted > limits::BACKFILL_MAX {
            let (waiting, wanted) = (waiting as u32, wanted as u32);
            return Err(Refusal::BackfillTooLarge { job: job.name.clone(), waiting, wanted });
        }
        if let Some(nominal) = backfill.nominals.iter().find(|nominal| **nominal > self.now) {
            let problem = format!("backfill: {nominal} is after {}: only the past is allowed", self.now);
            return Err(Refusal::Invalid(problem.into()));
        }
        let origin = Origin::Backfill(request);
        for nominal in &backfill.nominals {
            self.ledger.state.insert_requested(Requested { job: slot, origin, nominal: *nominal });
        }
        Ok(Reply::Stored { job: slot, version: job.version(), created: false })
    }

    /// Backfilled runs that wait for their turn are not made: one record for each request that asked for them.
    pub(super) fn call_off(&mut self, name: &Arc<str>) -> Result<Reply, Refusal> {
        let (slot, job) = self.job_named(name)?;
        let mut waiting: BTreeMap<Origin, Stretch> = BTreeMap::new();
        for row in self.state().backfill_rows(slot).collect::<Vec<_>>() {
            self.ledger.state.remove_requested(row);
            let first = Stretch { from: row.nominal, to: row.nominal, count: 0 };
            let stretch = waiting.entry(row.origin).or_insert(first);
            *stretch = Stretch { to: row.nominal, count: stretch.count + 1, ..*stretch };
        }
        for (origin, stretch) in waiting {
            self.skip(slot, origin, stretch, SkipReason::Cancelled);
        }
        Ok(Reply::Stored { job: slot, version: job.version(), created: false })
    }

    fn overlap(&self, slot: JobSlot, job: &JobRecord) -> Option<Refusal> {
        match job.rules.policy.concurrency {
            Concurrency::Forbid => {
                self.blocker(slot).map(|execution| Refusal::Overlap { job: job.name.clone(), execution })
            }
            Concurrency::Queue => {
                (job.queued >= u32::from(limits::QUEUE_MAX)).then(|| Refusal::QueueFull(job.name.clone()))
            }
            Concurrency::Allow | Concurrency::Replace => None,
        }
    }

    pub(super) fn delete(&mut self, name: &Arc<str>, expected: Option<Version>) -> Result<Reply, Refusal> {
        let (slot, job) = self.job_named(name)?;
        if expected.is_some_and(|expected| expected != job.version()) {
            return Err(Refusal::Changed(job.revision));
        }
        if self.state().children_of(slot).next().is_some() {
            return Err(Refusal::HasDependents(name.clone()));
        }
        self.remove_job(slot, true);
        Ok(Reply::Done)
    }

    /// Takes a job away with its open occurrences. What still runs goes on; its outcome will be late.
    pub(super) fn remove_job(&mut self, slot: JobSlot, erase: bool) {
        let open: Vec<OccurrenceRef> =
            self.state().occurrences_of(slot).map(|(reference, _)| reference).collect();
        for reference in open {
            self.ledger.state.remove_occurrence(reference);
        }
        self.ledger.state.remove_requests_of(slot);
        if let Some(job) = self.ledger.state.remove_job(slot)
            && erase
        {
            self.rows.push(HistoryRow::Erased { job: job.uid });
        }
        self.ledger.refile(slot);
    }

    /// Deletes a job's executions and sets its counters to zero. What its agents are silent about is given up
    /// in the same step: this is how an operator frees a job that waits for a lost one.
    pub(super) fn delete_executions(&mut self, name: &Arc<str>) -> Result<Reply, Refusal> {
        let (slot, job) = self.job_named(name)?;
        let silent: Vec<_> = self
            .state()
            .occurrences_of(slot)
            .flat_map(|(reference, found)| found.named_executions(reference).collect::<Vec<_>>())
            .filter(|(_, execution)| execution.lost_at.is_some())
            .map(|(name, _)| name)
            .collect();
        for execution in silent {
            self.lose(execution);
        }
        self.edit_job(slot, |job| {
            let status = job.counters.status;
            job.counters = Counters { status, ..Counters::default() };
        });
        self.rows.push(HistoryRow::Erased { job: job.uid });
        Ok(Reply::Done)
    }
}
