//! Apply: the only place where the state changes. One log entry in, answers and history rows out.
//!
//! Everything that a change needs stands in the entry. Apply reads no clock, evaluates no schedule, draws no
//! lot; so equal logs give equal states on every server and in every version (invariant 7). What does not fit
//! the state is rejected and changes nothing: stale, repeated and competing proposals are harmless.

mod decide;
mod jobs;
mod nodes;
mod outcome;
mod put;
mod tokens;
mod zones;

use crate::command::{Action, Batch, Command, Founding, GiveUp, Refusal, Reply, Scope, Stretch};
use crate::execution::{HistoryRow, SkipReason, Skipped};
use crate::format::Formats;
use crate::ids::{ExecutionId, JobSlot, OccurrenceRef, Origin};
use crate::limits;
use crate::schedule::Zone;
use crate::state::State;
use crate::state::record::{Cluster, Filing, JobRecord, Remembered, Timer, Turn};
use crate::time::Time;
use crate::wheel::Wheel;
use std::sync::Arc;

/// The state and its due-time index, which every server keeps as it applies.
#[derive(Default)]
pub struct Ledger {
    /// What the log has decided.
    pub state: State,
    /// Which jobs are due when.
    pub wheel: Wheel,
}

/// What one entry brought about.
#[derive(Debug, Default)]
pub struct Applied {
    /// One for each command, in order.
    pub replies: Vec<Reply>,
    /// What the history must keep.
    pub rows: Vec<HistoryRow>,
}

impl Ledger {
    /// A ledger over a rebuilt state.
    pub fn over(state: State) -> Ledger {
        let mut wheel = Wheel::default();
        for (slot, job) in state.jobs_by_name(None) {
            wheel.file(slot, job.wheel_key());
        }
        Ledger { state, wheel }
    }

    /// Applies one entry. Total: every batch has an effect and an answer, none panics.
    pub fn apply(&mut self, index: u64, batch: &Batch) -> Applied {
        let (before, now) = (self.state.time(), batch.time);
        self.state.advance(index, now);
        let mut step = Step { ledger: self, index, now, next_position: 0, rows: Vec::new() };
        let replies = batch.commands.iter().map(|command| step.command(command)).collect();
        let rows = step.rows;
        // By the earlier one: a single stamp far ahead makes nothing old.
        let horizon = before.min(now) - limits::REQUEST_MEMORY;
        self.state.forget_requests(horizon, limits::REQUESTS_MAX);
        self.state.forget_imports(horizon);
        Applied { replies, rows }
    }

    /// Takes note of an entry without commands (a leader's first one, a membership change).
    pub fn pass(&mut self, index: u64) {
        self.state.advance(index, self.state.time());
    }

    /// Puts jobs that were taken from the wheel, but not decided, back into it.
    pub fn refile(&mut self, job: JobSlot) {
        let key = self.state.job(job).map_or(Time::NEVER, |record| record.wheel_key());
        self.wheel.file(job, key);
    }
}

/// One entry being applied.
struct Step<'a> {
    ledger: &'a mut Ledger,
    index: u64,
    /// The entry's own stamp: nothing later is due. Not the latest stamp so far: one that was far ahead would
    /// stop everything until the clocks have caught up with it.
    now: Time,
    next_position: u32,
    rows: Vec<HistoryRow>,
}

impl Step<'_> {
    fn command(&mut self, command: &Command) -> Reply {
        if let Some(request) = command.request
            && let Some(known) = self.state().remembered(request)
        {
            return known.reply.clone();
        }
        let reply = self.action(command).unwrap_or_else(Reply::Refused);
        if let Some(request) = command.request {
            self.ledger.state.remember(request, Remembered { at: self.now, reply: reply.clone() });
        }
        reply
    }

    fn action(&mut self, command: &Command) -> Result<Reply, Refusal> {
        match &command.action {
            Action::Found(founding) => self.found(founding),
            Action::Decide(decisions) => Ok(rejected(decisions, |decision| self.decide(decision))),
            Action::Assign(assignments) => Ok(rejected(assignments, |assignment| self.assign(assignment))),
            Action::Report(reports) => Ok(rejected(reports, |report| self.report(report))),
            Action::GiveUp(items) => Ok(rejected(items, |item| self.give_up(*item))),
            Action::Put(put) => self.put(put),
            Action::Stage { import, jobs } => self.stage(*import, jobs),
            Action::Commit { import } => self.commit(*import),
            Action::Abandon { import } => {
                self.ledger.state.set_staged(*import, None);
                Ok(Reply::Done)
            }
            Action::Delete { name } => self.delete(name, None),
            Action::DeleteAt { name, version } => self.delete(name, Some(*version)),
            Action::DeleteExecutions { name } => self.delete_executions(name),
            Action::Run { name, nominal } => self.run(name, *nominal, command.request),
            Action::Backfill(backfill) => self.backfill(backfill, command.request),
            Action::CallOff { name } => self.call_off(name),
            Action::Cancel { occurrence, ordinal } => self.cancel_occurrence(*occurrence, *ordinal),
            Action::Pause(paused) => {
                self.ledger.state.edit_cluster(|cluster| cluster.paused = *paused);
                Ok(Reply::Done)
            }
            Action::Hold(scope) => self.hold(scope),
            Action::Release(scope) => self.release(scope),
            Action::Register(registration) => self.register(registration),
            Action::Mark { node, liveness } => self.mark(*node, *liveness),
            Action::Cordon { node, work } => self.cordon(*node, *work),
            Action::Wish(errand) => Ok(self.wish(*errand)),
            Action::Forget(errand) => Ok(self.forget(*errand)),
            Action::AdoptZoneData { version } => Ok(self.adopt_zone_data(version)),
            Action::SetDefaultZone { zone } => self.set_default_zone(zone),
            Action::ZonesFiled { epoch } => Ok(self.zones_filed(*epoch)),
            Action::CreateToken { id, token, first } => self.create_token(*id, token, *first),
            Action::RevokeToken { id } => self.revoke_token(*id),
            Action::RaiseFormat { format } => Ok(self.raise_format(*format)),
        }
    }

    fn state(&self) -> &State {
        &self.ledger.state
    }

    fn found(&mut self, founding: &Founding) -> Result<Reply, Refusal> {
        if self.state().cluster().is_some() {
            return Err(Refusal::Founded);
        }
        let zone = Zone::lookup(&founding.default_zone)
            .map_err(|error| Refusal::Invalid(format!("default_zone: {error}").into()))?;
        let cluster = Cluster {
            founding: founding.clone(),
            paused: false,
            held_since: None,
            floor: Time::EPOCH,
            filing: Filing { by: founding.zone_data.clone(), epoch: 0, pending: false },
            closed: false,
            format: Formats::FIRST,
        };
        self.ledger.state.set_cluster(cluster, zone);
        Ok(Reply::Done)
    }

    /// It never goes back: what is written already is to be read.
    fn raise_format(&mut self, format: u8) -> Reply {
        self.ledger.state.edit_cluster(|cluster| cluster.format = cluster.format.max(format));
        Reply::Done
    }

    fn hold(&mut self, scope: &Scope) -> Result<Reply, Refusal> {
        match scope {
            Scope::Cluster => {
                let now = self.now;
                self.ledger
                    .state
                    .edit_cluster(|cluster| cluster.held_since = cluster.held_since.or(Some(now)));
            }
            Scope::Jobs(names) => {
                for slot in self.slots_of(names)? {
                    self.edit_job(slot, |job| job.held = true);
                }
            }
        }
        Ok(Reply::Done)
    }

    fn release(&mut self, scope: &Scope) -> Result<Reply, Refusal> {
        let now = self.now;
        match scope {
            Scope::Cluster => self.ledger.state.edit_cluster(|cluster| {
                if cluster.held_since.take().is_some() {
                    cluster.floor = cluster.floor.max(now);
                }
            }),
            Scope::Jobs(names) => {
                for slot in self.slots_of(names)? {
                    self.edit_job(slot, |job| {
                        if std::mem::take(&mut job.held) {
                            job.floor = job.floor.max(now);
                        }
                    });
                }
            }
        }
        Ok(Reply::Done)
    }

    /// All slots or none: a set with an unknown name changes nothing.
    fn slots_of(&self, names: &[Arc<str>]) -> Result<Vec<JobSlot>, Refusal> {
        names
            .iter()
            .map(|name| self.state().slot_of(name).ok_or_else(|| Refusal::UnknownJob(name.clone())))
            .collect()
    }

    fn job_named(&self, name: &Arc<str>) -> Result<(JobSlot, Arc<JobRecord>), Refusal> {
        let found = self.state().job_named(name).ok_or_else(|| Refusal::UnknownJob(name.clone()))?;
        Ok((found.0, found.1.clone()))
    }

    /// Changes a job and files it under its present due time.
    fn edit_job(&mut self, slot: JobSlot, edit: impl FnOnce(&mut JobRecord)) {
        self.ledger.state.edit_job(slot, edit);
        self.ledger.refile(slot);
    }

    /// Changes what ticks and outcomes change of a job, and files it under its present due time.
    fn advance_job(&mut self, slot: JobSlot, advance: impl FnOnce(&mut JobRecord)) {
        self.ledger.state.advance_job(slot, advance);
        self.ledger.refile(slot);
    }

    fn next_reference(&mut self) -> OccurrenceRef {
        let position = self.next_position;
        self.next_position += 1;
        OccurrenceRef { index: self.index, position }
    }

    /// The long id of the oldest execution of a job that is open.
    fn blocker(&self, slot: JobSlot) -> Option<ExecutionId> {
        self.state().occurrences_of(slot).find_map(|(_, occurrence)| {
            let first = occurrence.executions.first()?;
            Some(occurrence.execution_id(0, first.attempt))
        })
    }

    fn skip_one(&mut self, slot: JobSlot, origin: Origin, nominal: Time, reason: SkipReason) {
        self.skip(slot, origin, Stretch { from: nominal, to: nominal, count: 1 }, reason);
    }

    /// One record for ticks that are passed over, with the execution that stands in their way, if one does.
    fn skip(&mut self, slot: JobSlot, origin: Origin, stretch: Stretch, reason: SkipReason) {
        let blocked = matches!(reason, SkipReason::Overlap | SkipReason::QueueFull);
        let blocked_by = if blocked { self.blocker(slot) } else { None };
        let Some(job) = self.ledger.state.job(slot) else { return };
        self.rows.push(HistoryRow::Skipped(Skipped {
            job: job.uid,
            job_name: job.name.clone(),
            origin,
            from: stretch.from,
            to: stretch.to,
            count: stretch.count,
            reason,
            blocked_by,
            decided_at: self.now,
        }));
    }

    fn give_up(&mut self, item: GiveUp) -> bool {
        match item {
            GiveUp::Unplaced(reference) => {
                let due = self.timer_is_due(Timer::Unplaced(reference));
                due && self.close_unstarted(reference, SkipReason::Unplaced)
            }
            GiveUp::Lost(execution) => {
                (self.timer_is_due(Timer::Lost(execution)) && self.lose(execution))
                    || self.give_up_retry(execution)
            }
        }
    }

    /// Whether the state itself says that this is due at the entry's time.
    fn timer_is_due(&self, timer: Timer) -> bool {
        let due = match timer {
            Timer::Unplaced(reference) => self
                .state()
                .occurrence(reference)
                .filter(|found| matches!(found.turn, Turn::Unplaced(_)))
                .map(|found| found.gives_up_at),
            Timer::Lost(name) | Timer::Retry(name) => self
                .state()
                .occurrence(name.occurrence)
                .and_then(|found| found.executions.get(usize::from(name.ordinal)))
                .and_then(|execution| execution.timer(name))
                .filter(|(_, found)| *found == timer)
                .map(|(due, _)| due),
        };
        due.is_some_and(|due| due <= self.now)
    }
}

/// Runs each item and names those that were rejected.
fn rejected<T>(items: &[T], mut take: impl FnMut(&T) -> bool) -> Reply {
    let mut rejected = Vec::new();
    for (position, item) in items.iter().enumerate() {
        if !take(item) {
            rejected.push(position as u32);
        }
    }
    if rejected.is_empty() { Reply::Done } else { Reply::Rejected(rejected) }
}
