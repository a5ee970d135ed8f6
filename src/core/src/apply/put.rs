//! Creating and replacing jobs, one by one or as an import that appears at once.

use super::Step;
use crate::command::{Counters, PutJob, Refusal, Reply, Status, Stretch, Version};
use crate::execution::SkipReason;
use crate::ids::{JobSlot, Origin, RequestId};
use crate::limits;
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
        self.put_job(put, put.at.min(self.now))
    }

    /// Stores a job. What it says of due times holds from `from` on.
    fn put_job(&mut self, put: &PutJob, from: Time) -> Result<Reply, Refusal> {
        let rules = Rules::of(&put.job).map_err(|error| Refusal::Invalid(error.to_string().into()))?;
        let name: Arc<str> = put.job.name.as_str().into();
        let existing = self.state().slot_of(&name);
        let parent = self.parent_of(put, existing)?;
        match existing {
            None if put.strict && put.seen != Version::default() => Err(Refusal::Changed(0)),
            None => Ok(self.create(name, Edit { put, rules, parent, from })),
            Some(slot) => self.replace(slot, Edit { put, rules, parent, from }),
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
        // No chain is longer than there are jobs, whatever a damaged snapshot says.
        for _ in 0..=self.state().job_count() {
            match ancestor {
                Some(slot) if Some(slot) == existing => break,
                Some(slot) => ancestor = self.state().job(slot).and_then(|job| job.parent),
                None => return Ok(Some(parent)),
            }
        }
        Err(Refusal::ParentCycle(name))
    }

    /// A new job starts with its edit: nothing before it was ever due.
    fn create(&mut self, name: Arc<str>, edit: Edit<'_>) -> Reply {
        let Edit { put, from, .. } = edit;
        let slot = self.ledger.state.insert_job(JobRecord {
            uid: put.uid,
            name,
            generation: 0,
            revision: 1,
            definition: put.definition.clone(),
            anchor: edit.rules.timing.anchor_of(self.computed(put), from),
            cursor: from,
            next_due: self.next_due(put, from),
            rules: Arc::new(edit.rules),
            floor: Time::EPOCH,
            held: false,
            parent: edit.parent,
            counters: put.counters.unwrap_or_default(),
            open: 0,
            queued: 0,
        });
        self.ledger.refile(slot);
        Reply::Stored { job: slot, version: Version { job: put.uid, revision: 1 }, created: true }
    }

    /// Whether the due times that come with a job can be used: not those computed by a clock that is ahead of
    /// the entry's (ticks between the two would be lost), nor those for other zone data.
    fn holds(&self, put: &PutJob) -> bool {
        put.at <= self.now && put.epoch == Some(self.state().epoch())
    }

    /// The first tick as the proposer computed it, if that can be used.
    fn computed(&self, put: &PutJob) -> Option<Time> {
        put.next_due.filter(|_| self.holds(put))
    }

    /// The next due time under a definition; the cursor itself, so that the leader computes it anew, if what the
    /// proposer computed cannot be used.
    fn next_due(&self, put: &PutJob, cursor: Time) -> Time {
        match self.holds(put) {
            true => put.next_due.unwrap_or(Time::NEVER),
            false => cursor,
        }
    }

    fn replace(&mut self, slot: JobSlot, edit: Edit<'_>) -> Result<Reply, Refusal> {
        let put = edit.put;
        let Some(old) = self.state().job(slot).cloned() else { return Err(Refusal::NotOpen) };
        let seen = put.seen == old.version();
        if put.strict && !seen {
            return Err(Refusal::Changed(old.revision));
        }
        if put.counters.is_none() && old.definition == put.definition {
            // Just posted again: no edit, so that decisions in flight still fit at any rate of it.
            return Ok(Reply::Stored { job: slot, version: old.version(), created: false });
        }
        let retimed = old.rules.timing != edit.rules.timing;
        if retimed {
            // What was computed for other zones, as of an import that was staged before a change of them, is not
            // what the job's ticks are now.
            let known = seen && put.epoch == Some(self.state().epoch());
            self.decide_before(slot, &edit, known);
            self.pass_over(slot, &edit, known);
        }
        let counters = put.counters.map_or(old.counters, |sent| newest(old.counters, sent));
        let computed = self.computed(put);
        let cursor = self.state().job(slot).map_or(old.cursor, |job| job.cursor).max(edit.from);
        let next_due = self.next_due(put, cursor);
        self.edit_job(slot, |job| {
            job.revision += 1;
            job.definition = put.definition.clone();
            job.parent = edit.parent;
            job.counters = counters;
            if retimed {
                job.cursor = cursor;
                job.next_due = next_due;
                // The first tick tells the phase, also where the proposer let an interval keep it.
                if computed.is_some() || !edit.rules.timing.keeps_phase_of(&job.rules.timing) {
                    job.anchor = edit.rules.timing.anchor_of(computed, edit.from);
                }
            }
            job.rules = Arc::new(edit.rules);
        });
        let version = Version { revision: old.revision + 1, ..old.version() };
        Ok(Reply::Stored { job: slot, version, created: false })
    }

    /// Decides what was due under the old definition, so that edits at whatever rate take no tick away.
    fn decide_before(&mut self, slot: JobSlot, edit: &Edit<'_>, known: bool) {
        let spread = edit.rules.timing.disabled;
        if !known {
            return self.start_unseen(slot, edit.from, spread);
        }
        for decision in edit.put.due.iter().filter(|decision| decision.job == slot) {
            self.decide_within(decision, spread);
        }
    }

    /// A tick that fell due under a definition that the proposer has not seen (another edit came just before):
    /// it waits for the leader to find it a node.
    fn start_unseen(&mut self, slot: JobSlot, until: Time, spread: bool) {
        let Some(job) = self.state().job(slot).cloned() else { return };
        let (nominal, timing) = (job.next_due, &job.rules.timing);
        let key = if spread { nominal + job.jitter(nominal) } else { nominal };
        let recent = until <= nominal + timing.jitter + job.rules.policy.start_deadline;
        let free = !job.held && self.state().held_since().is_none() && nominal > self.state().floor_of(&job);
        if free && recent && key <= until && !job.needs_replan() {
            // What comes after it under that definition is not known here.
            self.edit_job(slot, |job| job.cursor = nominal);
            self.admit(slot, Origin::Schedule, nominal, &[]);
        }
    }

    /// The ticks between the old cursor and the edit that nobody decided become one record (invariant 3). It
    /// begins at the first of them and ends with the edit itself: a hold or another leader's decision may have
    /// come between what the proposer saw and this, and no tick may be lost for that. The count is then what is
    /// known.
    fn pass_over(&mut self, slot: JobSlot, edit: &Edit<'_>, known: bool) {
        let (Some(old), until) = (self.state().job(slot).cloned(), edit.from) else { return };
        let disabled = old.rules.timing.disabled;
        let reason = if disabled { SkipReason::Disabled } else { SkipReason::Edited };
        let passable = |tick: &Time| old.cursor < *tick && *tick <= until;
        // What the proposer counted is for the schedule that it saw, and by its clock.
        let seen = edit.put.passed.filter(|_| known);
        let counted = seen.filter(|stretch| passable(&stretch.from) && stretch.to <= until);
        let first = match disabled {
            true => seen.map(|stretch| stretch.from),
            false => Some(old.next_due),
        };
        let schedule = old.rules.timing.schedule.as_ref();
        let blind = old.needs_replan() || (disabled && schedule.is_some_and(Schedule::fires_ever));
        // Ticks are whole seconds: within the cursor's own there is no other one.
        let second = old.cursor.floor_second() + Span::from_seconds(1);
        let (from, count) = match first.filter(passable) {
            Some(first) => {
                (first, counted.filter(|known| known.from == first).map_or(1, |known| known.count))
            }
            None if blind && second <= until => (second, 0),
            None => return,
        };
        self.skip(slot, Origin::Schedule, Stretch { from, to: until, count }, reason);
    }

    pub(super) fn stage(&mut self, import: RequestId, jobs: &[PutJob]) -> Result<Reply, Refusal> {
        let mut staged = self.state().staged(import).map(|staged| staged.jobs.clone()).unwrap_or_default();
        if jobs.is_empty() && staged.is_empty() {
            return Ok(Reply::Done); // a snapshot keeps an import by its jobs
        }
        let count = staged.len() + jobs.len();
        if count > limits::IMPORT_JOBS_MAX {
            let most = limits::IMPORT_JOBS_MAX;
            let problem = format!("import: {count} jobs are too many, at most {most} are allowed in one");
            return Err(Refusal::Invalid(problem.into()));
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
            match self.put_job(put, self.now) {
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

/// A job on its way into the state.
struct Edit<'a> {
    put: &'a PutJob,
    rules: Rules,
    parent: Option<JobSlot>,
    /// When it takes effect.
    from: Time,
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
