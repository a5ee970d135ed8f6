//! What must hold, checked against the log by a witness that applies each entry as it is committed, and
//! against what the processes themselves wrote down. One file for each family of invariants.

mod coverage;
mod digests;
mod dispatch;
mod once;
mod outcomes;
mod overlap;
mod settled;
mod truth;
mod vanish;

use crate::indexes;
use crate::mutants::{self, Mutant};
use dkron_core::apply::{Applied, Ledger};
use dkron_core::command::{Action, Batch, Event};
use dkron_core::execution::HistoryRow;
use dkron_core::ids::{JobSlot, JobUid, RequestId};
use dkron_core::state::State;
use dkron_core::state::record::JobRecord;
use std::collections::BTreeSet;
use std::sync::Arc;

/// All checks and what they remember.
#[derive(Default)]
pub(crate) struct Checks {
    /// The first thing that must not be.
    pub(crate) wrong: Option<String>,
    /// Applies every entry in the moment of its commit, and never fails.
    pub(crate) witness: Ledger,
    once: once::Once,
    overlap: overlap::Overlap,
    outcomes: outcomes::Outcomes,
    dispatch: dispatch::Dispatch,
    digests: digests::Digests,
    truth: truth::Truth,
    requests: BTreeSet<RequestId>,
    /// Ticks decided, executions ended and entries applied, to be sure that something happens.
    pub(crate) counted: Counted,
}

/// How much has happened.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counted {
    pub(crate) entries: u64,
    pub(crate) ticks: u64,
    pub(crate) skipped: u64,
    pub(crate) ended: u64,
    pub(crate) started: u64,
}

/// One entry's effect.
pub(crate) struct Change<'a> {
    pub(crate) index: u64,
    pub(crate) batch: &'a Batch,
    pub(crate) before: &'a State,
    pub(crate) after: &'a State,
    pub(crate) rows: &'a [HistoryRow],
}

/// A job before and after an entry; none where it did not live.
pub(crate) struct JobChange<'a> {
    pub(crate) before: Option<&'a Arc<JobRecord>>,
    pub(crate) after: Option<&'a Arc<JobRecord>>,
}

impl Change<'_> {
    /// The jobs that this entry touched, by uid.
    pub(crate) fn jobs(&self) -> Vec<JobChange<'_>> {
        let mut changes = Vec::new();
        for (slot, after) in self.after.jobs_by_name(None) {
            let before = same_job(self.before, slot, after.uid);
            if before.is_none_or(|before| !Arc::ptr_eq(before, after)) {
                changes.push(JobChange { before, after: Some(after) });
            }
        }
        for (slot, before) in self.before.jobs_by_name(None) {
            if same_job(self.after, slot, before.uid).is_none() {
                changes.push(JobChange { before: Some(before), after: None });
            }
        }
        changes
    }
}

fn same_job(state: &State, slot: JobSlot, uid: JobUid) -> Option<&Arc<JobRecord>> {
    state.job(slot).filter(|job| job.uid == uid)
}

impl Checks {
    /// Notes that an invariant does not hold; the first one counts.
    pub(crate) fn fail(&mut self, invariant: u32, what: String) {
        self.wrong.get_or_insert_with(|| format!("invariant {invariant}: {what}"));
    }

    fn check(&mut self, invariant: u32, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            self.fail(invariant, what());
        }
    }

    /// An entry is committed.
    pub(crate) fn committed(&mut self, index: u64, batch: Option<&Batch>, mutant: Option<Mutant>) {
        self.counted.entries += 1;
        let Some(batch) = batch else {
            self.witness.pass(index);
            return self.note_digest();
        };
        let before = self.witness.state.clone();
        let applied = mutants::apply(mutant, &mut self.witness, index, batch);
        self.note_digest();
        let after = self.witness.state.clone();
        let Applied { rows, .. } = applied;
        let change = Change { index, batch, before: &before, after: &after, rows: &rows };
        self.requests.extend(batch.commands.iter().filter_map(|command| command.request));
        self.check_once(&change);
        if edits_and_more(&change) {
            self.check_coverage_step_by_step(&change, mutant);
        } else {
            self.check_coverage(&change);
        }
        self.note_executions(&change);
        self.check_overlap(&change);
        self.check_rows(&change);
        self.check_nothing_vanishes(&change);
        self.check_work(&change);
        if index.is_multiple_of(16) {
            let found = indexes::check(&self.witness);
            self.check(7, found.is_ok(), || found.err().unwrap_or_default());
        }
    }

    /// A client may be answered only by what is in the log (invariant 8).
    pub(crate) fn answered(&mut self, request: RequestId) {
        let known = self.requests.contains(&request);
        self.check(8, known, || format!("request {request} is answered, but not in the log"));
    }

    /// No entry costs more than what it is about: nothing looks at all jobs.
    fn check_work(&mut self, change: &Change<'_>) {
        let touched = change.after.touched().saturating_sub(change.before.touched());
        let items: usize = change.batch.commands.iter().map(|command| items(change, &command.action)).sum();
        let most = 16 * items as u64 + 80;
        self.check(7, touched <= most, || {
            format!("entry {} touched {touched} records for {items} items", change.index)
        });
    }
}

/// Whether an entry may decide ticks of two editions of a job, or by two versions of the zone data.
fn edits_and_more(change: &Change<'_>) -> bool {
    let pending = |state: &State| state.cluster().is_some_and(|cluster| cluster.filing.pending);
    if pending(change.before) || pending(change.after) {
        return true;
    }
    let decides =
        |action: &Action| matches!(action, Action::Put(_) | Action::Commit { .. } | Action::Decide(_));
    let several = change.batch.commands.iter().filter(|command| decides(&command.action)).count() > 1;
    let edited = |job: &JobChange<'_>| {
        job.after.is_some_and(|after| job.before.is_none_or(|before| before.revision != after.revision))
    };
    several && change.jobs().iter().any(edited)
}

fn items(change: &Change<'_>, action: &Action) -> usize {
    match action {
        // What waits for a node may have to give way.
        Action::Decide(items) => {
            let waiting = |slot| change.before.occurrences_of(slot).count();
            items.iter().map(|decision| 1 + waiting(decision.job)).sum()
        }
        Action::Assign(items) => items.len(),
        Action::Report(items) => items.len(),
        Action::GiveUp(items) => items.len(),
        Action::Put(put) => 1 + put.due.len(),
        Action::Backfill(backfill) => backfill.nominals.len(),
        Action::Stage { jobs, .. } => jobs.len(),
        Action::Commit { import } => {
            let staged = change.before.staged(*import);
            staged.map_or(0, |staged| staged.jobs.iter().map(|put| 2 + put.due.len()).sum())
        }
        Action::Register(registration) => {
            let node = change.before.node_slot(registration.node);
            1 + node.map_or(0, |node| change.before.executions_on(node).count())
        }
        Action::Mark { node, .. } => 1 + change.before.executions_on(*node).count(),
        Action::Delete { name } | Action::DeleteExecutions { name } | Action::CallOff { name } => {
            let slot = change.before.slot_of(name);
            let open =
                |slot| change.before.occurrences_of(slot).count() + change.before.backfill_rows(slot).count();
            1 + slot.map_or(0, open)
        }
        _ => 1,
    }
}

/// A report in one word, for the trace.
pub(crate) fn word(event: &Event) -> String {
    match event {
        Event::Accepted => "accepted".to_owned(),
        Event::Started { .. } => "started".to_owned(),
        Event::Finished(outcome) => outcome.verdict.to_string(),
    }
}

/// An entry in few words, for the trace.
pub(crate) struct BatchBrief<'a>(pub(crate) u64, pub(crate) &'a Batch);

impl std::fmt::Debug for BatchBrief<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "entry {} at {}:", self.0, self.1.time)?;
        self.1.commands.iter().try_for_each(|command| match &command.action {
            Action::Decide(decisions) => decisions.iter().try_for_each(|decision| {
                write!(
                    formatter,
                    " decide {}.{} r{} ",
                    decision.job.0, decision.generation, decision.revision
                )?;
                write!(
                    formatter,
                    "{:?} then {:?};",
                    decision.kind,
                    decision.next_due.map(|due| due.seconds())
                )
            }),
            Action::Report(reports) => reports.iter().try_for_each(|report| {
                write!(formatter, " report {} {};", report.execution, word(&report.event))
            }),
            Action::Put(put) => {
                write!(
                    formatter,
                    " put {} '{}' at {} seen {} strict {} ",
                    put.job.name, put.job.schedule, put.at, put.seen.revision, put.strict
                )?;
                write!(formatter, "next {:?} due {} passed {:?};", put.next_due, put.due.len(), put.passed)
            }
            Action::Stage { import, jobs } => write!(formatter, " stage {} {};", import.0 as u32, jobs.len()),
            Action::Register(registration) => write!(formatter, " register {};", registration.journal),
            other => write!(formatter, " {other:?};"),
        })
    }
}
