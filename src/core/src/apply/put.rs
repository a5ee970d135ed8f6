//! Creating and replacing jobs, one by one or as an import that appears at once.

use super::Step;
use crate::command::{Counters, PutJob, Refusal, Reply, Status, Stretch};
use crate::execution::SkipReason;
use crate::ids::{JobSlot, Origin, RequestId};
use crate::rules::Rules;
use crate::schedule::Schedule;
use crate::state::record::{JobRecord, Staged};
use crate::time::{Span, Time};
use std::sync::Arc;

impl Step<'_> {
    pub(super) fn put(&mut self, put: &PutJob) -> Result<Reply, Refusal> {
        if self.state().is_paused() {
            return Err(Refusal::Paused);
        }
        self.put_job(put)
    }

    fn put_job(&mut self, put: &PutJob) -> Result<Reply, Refusal> {
        let rules = Rules::of(&put.job).map_err(|error| Refusal::Invalid(error.to_string().into()))?;
        let name: Arc<str> = put.job.name.as_str().into();
        let existing = self.state().slot_of(&name);
        let parent = self.parent_of(put, existing)?;
        match existing {
            None if put.strict && put.seen != 0 => Err(Refusal::Changed(0)),
            None => Ok(self.create(name, put, rules, parent)),
            Some(slot) => self.replace(slot, put, rules, parent),
        }
    }

    /// The parent's slot; refuses an unknown one and a chain that comes back to the job.
    fn parent_of(&self, put: &PutJob, existing: Option<JobSlot>) -> Result<Option<JobSlot>, Refusal> {
        if put.job.parent_job.is_empty() {
            return Ok(None);
        }
        let name: Arc<str> = put.job.parent_job.as_str().into();
        let parent = self.state().slot_of(&name).ok_or_else(|| Refusal::UnknownParent(name.clone()))?;
        let mut ancestor = Some(parent);
        while let Some(slot) = ancestor {
            if Some(slot) == existing {
                return Err(Refusal::ParentCycle(name));
            }
            ancestor = self.state().job(slot).and_then(|job| job.parent);
        }
        Ok(Some(parent))
    }

    /// A new job starts at the entry's time: nothing before it was ever due.
    fn create(&mut self, name: Arc<str>, put: &PutJob, rules: Rules, parent: Option<JobSlot>) -> Reply {
        let slot = self.ledger.state.insert_job(JobRecord {
            uid: put.uid,
            name,
            generation: 0,
            revision: 1,
            definition: put.definition.clone(),
            anchor: rules.timing.anchor_of(put.next_due, self.entry_time),
            rules: Arc::new(rules),
            cursor: self.now,
            next_due: put.next_due.unwrap_or(Time::NEVER),
            floor: Time::EPOCH,
            held: false,
            parent,
            counters: put.counters.unwrap_or_default(),
            open: 0,
            queued: 0,
        });
        self.ledger.refile(slot);
        Reply::Stored { job: slot, revision: 1, created: true }
    }

    fn replace(
        &mut self,
        slot: JobSlot,
        put: &PutJob,
        rules: Rules,
        parent: Option<JobSlot>,
    ) -> Result<Reply, Refusal> {
        let Some(revision) = self.state().job(slot).map(|job| job.revision) else {
            return Err(Refusal::NotOpen);
        };
        if put.strict && put.seen != revision {
            return Err(Refusal::Changed(revision));
        }
        if self.is_same(slot, put) {
            return Ok(Reply::Stored { job: slot, revision, created: false });
        }
        if put.seen == revision {
            for decision in put.due.iter().filter(|decision| decision.job == slot) {
                self.decide(decision);
            }
        }
        let Some(old) = self.state().job(slot).cloned() else { return Err(Refusal::NotOpen) };
        let retimed = old.rules.timing != rules.timing;
        if retimed {
            self.pass_over(slot, &old, put);
        }
        let seen = put.seen == revision;
        let first = put.next_due.filter(|_| seen);
        let (now, anchor) = (self.now, rules.timing.anchor_of(first, self.entry_time));
        let counters = put.counters.map_or(old.counters, |sent| newest(old.counters, sent));
        self.edit_job(slot, |job| {
            job.revision += 1;
            job.definition = put.definition.clone();
            job.rules = Arc::new(rules);
            job.parent = parent;
            job.counters = counters;
            if retimed {
                job.cursor = job.cursor.max(now);
                job.anchor = anchor;
                // What the proposer computed is for the definition that it saw; else the leader computes anew.
                job.next_due = if seen { put.next_due.unwrap_or(Time::NEVER) } else { job.cursor };
            }
        });
        Ok(Reply::Stored { job: slot, revision: revision + 1, created: false })
    }

    /// Whether the job is just posted again: no edit, so that decisions in flight still fit at any rate of it.
    fn is_same(&self, slot: JobSlot, put: &PutJob) -> bool {
        put.counters.is_none() && self.state().job(slot).is_some_and(|job| job.definition == put.definition)
    }

    /// The ticks between the old cursor and now that nobody decided become one record (invariant 3). It begins
    /// at the first of them and ends with the edit itself: a hold, another leader's decision or the wait for
    /// the entry's stamp may have come between what the proposer saw and this, and no tick may be lost for
    /// that. The count is then what is known.
    fn pass_over(&mut self, slot: JobSlot, old: &JobRecord, put: &PutJob) {
        let disabled = old.rules.timing.disabled;
        let reason = if disabled { SkipReason::Disabled } else { SkipReason::Edited };
        let passable = |tick: &Time| old.cursor < *tick && *tick <= self.now;
        // What the proposer counted is for the schedule that it saw, and by its clock.
        let seen = put.passed.filter(|_| put.seen == old.revision);
        let counted = seen.filter(|stretch| passable(&stretch.from) && stretch.to <= self.now);
        let first = match disabled {
            true => seen.map(|stretch| stretch.from),
            false => Some(old.next_due),
        };
        let schedule = old.rules.timing.schedule.as_ref();
        let blind = old.needs_replan() || (disabled && schedule.is_some_and(Schedule::fires_ever));
        let (from, count) = match first.filter(passable) {
            Some(first) => {
                (first, counted.filter(|known| known.from == first).map_or(1, |known| known.count))
            }
            None if blind && old.cursor < self.now => (old.cursor + Span::from_nanos(1), 0),
            None => return,
        };
        self.skip(slot, Origin::Schedule, Stretch { from, to: self.now, count }, reason);
    }

    pub(super) fn stage(&mut self, import: RequestId, jobs: &[PutJob]) -> Result<Reply, Refusal> {
        let mut staged = self.state().staged(import).map(|staged| staged.jobs.clone()).unwrap_or_default();
        if jobs.is_empty() && staged.is_empty() {
            return Ok(Reply::Done); // a snapshot keeps an import by its jobs
        }
        staged.extend(jobs.iter().cloned().map(Arc::new));
        self.ledger.state.set_staged(import, Some(Staged { touched_at: self.now, jobs: staged }));
        Ok(Reply::Done)
    }

    /// All staged jobs or none: at the first refusal the state is again what it was, which costs nothing,
    /// since a clone of it is a view.
    pub(super) fn commit(&mut self, import: RequestId) -> Result<Reply, Refusal> {
        let staged = self.state().staged(import).cloned().ok_or(Refusal::UnknownImport(import))?;
        self.ledger.state.set_staged(import, None);
        let (before, rows) = (self.ledger.state.clone(), self.rows.len());
        let mut touched = Vec::with_capacity(staged.jobs.len());
        for put in &staged.jobs {
            match self.put_job(put) {
                Ok(Reply::Stored { job, .. }) => touched.push(job),
                Ok(_) => {}
                Err(refusal) => {
                    self.ledger.state = before;
                    self.rows.truncate(rows);
                    touched.into_iter().for_each(|job| self.ledger.refile(job));
                    return Err(Refusal::Invalid(format!("job '{}': {refusal}", put.job.name).into()));
                }
            }
        }
        Ok(Reply::Done)
    }
}

/// The larger counts and the later times: what is restored over a living job never takes away what it did.
fn newest(stored: Counters, sent: Counters) -> Counters {
    Counters {
        success_count: stored.success_count.max(sent.success_count),
        error_count: stored.error_count.max(sent.error_count),
        last_success: stored.last_success.max(sent.last_success),
        last_error: stored.last_error.max(sent.last_error),
        status: if stored.status == Status::Untriggered { sent.status } else { stored.status },
    }
}
