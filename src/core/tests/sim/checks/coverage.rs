//! Invariant 3: every due instant between two positions of a cursor is one occurrence, or lies in one stored
//! skip record, and nothing else is either. The due instants are found by walking the schedule, one by one.

use super::{Change, Checks, JobChange};
use crate::jobs::{OLDER_ZONE_DATA, newest_zone_data};
use crate::mutants::{self, Mutant};
use dkron_core::apply::Ledger;
use dkron_core::command::Batch;
use dkron_core::execution::{HistoryRow, SkipReason, Skipped};
use dkron_core::ids::Origin;
use dkron_core::schedule::{Zone, Zones};
use dkron_core::state::State;
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
        let skipped: u64 = skipped_in(change, before).map(|skip| skip.count).sum();
        self.counted.skipped += skipped;
        let all = candidates(change);
        let problems: Vec<String> =
            all.iter().filter_map(|zones| stretch_problem(change, before, after, *zones)).collect();
        self.check(3, problems.len() < all.len(), || problems.into_iter().next().unwrap_or_default());
    }

    /// The stored next due time is the first after the cursor, or known to be computed anew.
    fn check_next_due(&mut self, change: &Change<'_>, job: &JobRecord) {
        let fits = |zones: Zones| {
            let next = job.rules.timing.next(job.cursor, job.anchor, zones);
            next.unwrap_or(Time::NEVER) == job.next_due
        };
        let fits = job.needs_replan() || candidates(change).into_iter().any(fits);
        self.check(3, fits, || {
            format!(
                "entry {}: {} is next due at {}, which is not what its schedule says after {}: {:?}",
                change.index, job.name, job.next_due, job.cursor, job.rules.timing
            )
        });
    }

    /// Ticks are over, and a newest server leads: every job is filed by its zone data.
    pub(crate) fn check_filed(&mut self) {
        let state = self.witness.state.clone();
        let pending = state.cluster().is_some_and(|cluster| cluster.filing.pending);
        self.check(3, !pending, || "jobs are still to be filed by the newest zone data".to_owned());
        let zones = state.zones(newest_zone_data());
        for (_, job) in state.jobs_by_name(None).filter(|(_, job)| !job.needs_replan()) {
            let next = job.rules.timing.next(job.cursor, job.anchor, zones).unwrap_or(Time::NEVER);
            self.check(3, next == job.next_due, || {
                format!("{} is next due at {}, but by the newest zone data at {next}", job.name, job.next_due)
            });
        }
    }
}

/// What the leader may have computed by: while jobs are filed anew, also what was before.
fn candidates(change: &Change<'_>) -> Vec<Zones> {
    let filing = |state: &State| state.cluster().map(|cluster| cluster.filing.clone());
    let pending = |state: &State| filing(state).is_some_and(|filing| filing.pending);
    if !pending(change.before) && !pending(change.after) {
        let older = filing(change.after).is_some_and(|filing| *filing.by == *OLDER_ZONE_DATA.version());
        return vec![change.after.zones(if older { OLDER_ZONE_DATA } else { newest_zone_data() })];
    }
    let zones = ["Europe/Berlin", "Asia/Kolkata", "UTC"].map(|name| Zone::lookup(name).expect("a zone"));
    let data = [newest_zone_data(), OLDER_ZONE_DATA];
    data.into_iter().flat_map(|data| zones.map(|zone| Zones::new(zone, data))).collect()
}

/// What is wrong if these zones are what the leader computed by.
fn stretch_problem(
    change: &Change<'_>,
    before: &JobRecord,
    after: &JobRecord,
    zones: Zones,
) -> Option<String> {
    let due = instants(before, after.cursor, zones);
    let started = started_in(change, before);
    let skipped: Vec<&Skipped> = skipped_in(change, before).collect();
    for tick in &due {
        let starts = started.iter().filter(|start| *start == tick).count();
        let skips = skipped.iter().filter(|skip| skip.from <= *tick && *tick <= skip.to).count();
        if starts + skips != 1 {
            return Some(format!(
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
            ));
        }
    }
    if let Some(phantom) = started.iter().find(|start| !due.contains(start)) {
        return Some(format!("entry {}: {phantom} of {} was never due", change.index, before.name));
    }
    skipped.into_iter().find_map(|skip| count_problem(change, skip, &due))
}

/// A record's count is right, or no larger where an edit came between proposal and commit.
fn count_problem(change: &Change<'_>, skip: &Skipped, due: &[Time]) -> Option<String> {
    let ticks = due.iter().filter(|tick| skip.from <= **tick && **tick <= skip.to).count() as u64;
    let fits = match skip.reason {
        SkipReason::Edited | SkipReason::Disabled => skip.count <= ticks.max(1),
        _ => skip.count == ticks,
    };
    (!fits).then(|| {
        format!(
            "entry {}: a record of {} says {} ticks {} from {} to {}, there are {ticks}",
            change.index, skip.job_name, skip.count, skip.reason, skip.from, skip.to
        )
    })
}

/// The instants above a job's cursor, up to and with `until`: the stored next due time, whatever it was computed
/// by, then what the schedule says after it. A job that is filed anew has those that its schedule says.
fn instants(job: &JobRecord, until: Time, zones: Zones) -> Vec<Time> {
    let mut found = Vec::new();
    let mut last = job.cursor;
    if !job.needs_replan() && job.next_due <= until {
        found.push(job.next_due);
        last = job.next_due;
    }
    let timing = &job.rules.timing;
    while let Some(next) =
        timing.next_ignoring_disabled(last, job.anchor, zones).filter(|next| *next <= until)
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
