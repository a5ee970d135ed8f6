//! Invariant 3: every due instant between two positions of a cursor is one occurrence, or lies in one stored
//! skip record, and nothing else is either. The due instants are found by walking the schedule, one by one.

use super::{Change, Checks, JobChange};
use crate::mutants::{self, Mutant};
use dkron_core::apply::Ledger;
use dkron_core::command::Batch;
use dkron_core::execution::{HistoryRow, SkipReason, Skipped};
use dkron_core::ids::Origin;
use dkron_core::rules::Timing;
use dkron_core::schedule::Zone;
use dkron_core::state::record::JobRecord;
use dkron_core::time::Time;
use std::collections::BTreeSet;

impl Checks {
    /// One command after the other, on a copy: an entry may edit a job twice, with a tick between the edits.
    pub(super) fn check_coverage_step_by_step(&mut self, change: &Change<'_>, mutant: Option<Mutant>) {
        let mut copy = Ledger::over(change.before.clone());
        for (position, command) in (0..).zip(&change.batch.commands) {
            let before = copy.state.clone();
            let batch = Batch { time: change.batch.time, commands: vec![command.clone()] };
            // An index of its own for each, and none that the log will ever have.
            let index = (change.index << 32) + position;
            let rows = mutants::apply(mutant, &mut copy, index, &batch).rows;
            let after = copy.state.clone();
            let step = Change { index, batch: &batch, before: &before, after: &after, rows: &rows };
            self.check_coverage(&step);
        }
    }

    pub(super) fn check_coverage(&mut self, change: &Change<'_>) {
        for job in change.jobs() {
            if let JobChange { before: Some(before), after: Some(after) } = job {
                self.check_stretch(change, before, after);
            }
            if let Some(after) = job.after {
                self.check_next_due(change, after);
            }
        }
    }

    /// All that the schedule of before asked for in what the cursor passed.
    fn check_stretch(&mut self, change: &Change<'_>, before: &JobRecord, after: &JobRecord) {
        let zone = change.before.default_zone();
        let due = instants(&before.rules.timing, before, after.cursor, zone);
        let started = started_in(change, before);
        let skipped: Vec<&Skipped> = skipped_in(change, before).collect();
        self.counted.skipped += skipped.iter().map(|skip| skip.count).sum::<u64>();
        for tick in &due {
            let starts = started.iter().filter(|start| *start == tick).count();
            let skips = skipped.iter().filter(|skip| skip.from <= *tick && *tick <= skip.to).count();
            self.check(3, starts + skips == 1, || {
                format!(
                    "entry {}: the tick {tick} of {} is {starts} occurrences and in {skips} skip records, \
                     before: {} {} {:?}, after: {} {} {:?}",
                    change.index,
                    before.name,
                    before.cursor,
                    before.next_due,
                    before.rules.timing,
                    after.cursor,
                    after.next_due,
                    after.rules.timing
                )
            });
        }
        let phantom = started.iter().find(|start| !due.contains(start));
        self.check(3, phantom.is_none(), || {
            format!("entry {}: {phantom:?} of {} was never due", change.index, before.name)
        });
        for skip in skipped {
            self.check_count(change, skip, &due);
        }
    }

    /// A record's count is right, or no larger where an edit came between proposal and commit.
    fn check_count(&mut self, change: &Change<'_>, skip: &Skipped, due: &[Time]) {
        let ticks = due.iter().filter(|tick| skip.from <= **tick && **tick <= skip.to).count() as u64;
        let fits = match skip.reason {
            SkipReason::Edited | SkipReason::Disabled => skip.count <= ticks.max(1),
            _ => skip.count == ticks,
        };
        self.check(3, fits, || {
            format!(
                "entry {}: a record of {} says {} ticks {} from {} to {}, there are {ticks}",
                change.index, skip.job_name, skip.count, skip.reason, skip.from, skip.to
            )
        });
    }

    /// The stored next due time is the first after the cursor, or known to be computed anew.
    fn check_next_due(&mut self, change: &Change<'_>, job: &JobRecord) {
        if job.needs_replan() {
            return;
        }
        let next = job.rules.timing.next(job.cursor, job.anchor, change.after.default_zone());
        self.check(3, next.unwrap_or(Time::NEVER) == job.next_due, || {
            format!(
                "entry {}: {} is next due at {}, but its schedule says {next:?} after {}",
                change.index, job.name, job.next_due, job.cursor
            )
        });
    }
}

/// The schedule's instants above a job's cursor, up to and with `until`.
fn instants(timing: &Timing, job: &JobRecord, until: Time, zone: &Zone) -> Vec<Time> {
    let mut found = Vec::new();
    let mut last = job.cursor;
    while let Some(next) = timing.next_ignoring_disabled(last, job.anchor, zone).filter(|next| *next <= until)
    {
        found.push(next);
        last = next;
    }
    found
}

/// The nominal times of the entry's new occurrences, those included that it ended again (a lost journal).
fn started_in(change: &Change<'_>, job: &JobRecord) -> Vec<Time> {
    let ended = change.rows.iter().filter_map(|row| match row {
        HistoryRow::Finished(row) if row.job == job.uid && row.origin == Origin::Schedule => Some(row),
        _ => None,
    });
    let ended = ended.filter(|row| row.execution.occurrence.index == change.index);
    let ended: BTreeSet<Time> = ended.map(|row| row.nominal).collect();
    let open: BTreeSet<Time> = change
        .after
        .occurrences()
        .filter(|(reference, found)| reference.index == change.index && found.origin == Origin::Schedule)
        .filter(|(_, found)| change.after.job(found.job).is_some_and(|owner| owner.uid == job.uid))
        .map(|(_, found)| found.nominal)
        .collect();
    open.union(&ended).copied().collect()
}

/// The entry's records on ticks that were not decided before: not those that end an occurrence.
fn skipped_in<'a>(change: &'a Change<'_>, job: &'a JobRecord) -> impl Iterator<Item = &'a Skipped> + 'a {
    change.rows.iter().filter_map(move |row| match row {
        HistoryRow::Skipped(skip)
            if skip.job == job.uid && skip.origin == Origin::Schedule && skip.from > job.cursor =>
        {
            Some(skip)
        }
        _ => None,
    })
}
