//! What was asked for and what was decided ends in a way that is told: no run by hand, of a backfill or of a dependent,
//! and no occurrence is there in one entry and gone without a trace in the next (invariant 3, for what is no tick).

use super::{Change, Checks};
use dkron_core::execution::HistoryRow;
use dkron_core::ids::{JobSlot, JobUid, OccurrenceId, OccurrenceRef, Origin};
use dkron_core::state::State;
use dkron_core::state::record::{Item, Occurrence, Requested, Turn};
use dkron_core::time::Time;

/// A job, a cause and a nominal time: what an occurrence is called.
#[derive(Clone, Copy)]
struct Named {
    job: JobUid,
    origin: Origin,
    nominal: Time,
}

impl Named {
    /// Of a job that lived before the entry and does after it.
    fn of(change: &Change<'_>, slot: JobSlot, origin: Origin, nominal: Time) -> Option<Named> {
        let uid = |state: &State| state.job(slot).map(|job| job.uid);
        let job = uid(change.before).filter(|job| uid(change.after) == Some(*job))?;
        Some(Named { job, origin, nominal })
    }

    /// Whether a record of the entry says that it was passed over.
    fn is_skipped(self, change: &Change<'_>) -> bool {
        change.rows.iter().any(|row| match row {
            HistoryRow::Skipped(skip) => {
                let within = skip.from <= self.nominal && self.nominal <= skip.to;
                skip.job == self.job && skip.origin == self.origin && within
            }
            _ => false,
        })
    }

    /// Whether an execution of it ended in the entry.
    fn has_ended(self, change: &Change<'_>) -> bool {
        change.rows.iter().any(|row| match row {
            HistoryRow::Finished(row) => {
                row.job == self.job && row.origin == self.origin && row.nominal == self.nominal
            }
            _ => false,
        })
    }
}

fn requests(state: &State) -> impl Iterator<Item = Requested> + '_ {
    let placed = state.agenda_after(0).filter_map(|(_, item)| match item {
        Item::Decide(requested) => Some(requested),
        _ => None,
    });
    let backfills = state.jobs_by_name(None).flat_map(|(slot, _)| state.backfill_rows(slot));
    placed.chain(backfills)
}

fn is_requested(state: &State, wanted: Requested) -> bool {
    state.requested(wanted).is_some() || state.backfill_rows(wanted.job).any(|row| row == wanted)
}

impl Checks {
    pub(super) fn check_nothing_vanishes(&mut self, change: &Change<'_>) {
        for row in requests(change.before).filter(|row| !is_requested(change.after, *row)) {
            let Some(named) = Named::of(change, row.job, row.origin, row.nominal) else { continue };
            let id = OccurrenceId::derive(named.job, row.origin, row.nominal);
            let decided = change.after.occurrences_of(row.job).any(|(_, found)| found.id == id);
            let told = decided || named.is_skipped(change) || named.has_ended(change);
            self.check(3, told, || format!("entry {}: {row:?} is gone without a trace", change.index));
        }
        for (reference, found) in change.before.occurrences() {
            if change.after.occurrence(reference).is_none() {
                self.check_end(change, reference, found);
            }
        }
    }

    /// An occurrence that is over: each of its executions has a row, or it never ran and has a skip record.
    fn check_end(&mut self, change: &Change<'_>, reference: OccurrenceRef, found: &Occurrence) {
        let Some(named) = Named::of(change, found.job, found.origin, found.nominal) else { return };
        let rows = found
            .named_executions(reference)
            .all(|(name, _)| self.outcomes.row(found.execution_id(name.ordinal, name.attempt)).is_some());
        let ran = found.turn == Turn::Open && rows;
        let told = ran || named.is_skipped(change) || named.has_ended(change);
        self.check(3, told, || format!("entry {}: {found:?} is gone without a trace", change.index));
    }
}
