//! Invariants 1, 2 and 11: no occurrence is decided twice, no cursor moves back, nothing is decided early.

use super::{Change, Checks};
use dkron_core::ids::{JobUid, OccurrenceId, Origin};
use dkron_core::time::Time;
use std::collections::{BTreeMap, BTreeSet};

/// What was decided so far.
#[derive(Default)]
pub(super) struct Once {
    occurrences: BTreeSet<OccurrenceId>,
    cursors: BTreeMap<JobUid, Time>,
}

impl Checks {
    pub(super) fn check_once(&mut self, change: &Change<'_>) {
        for (reference, occurrence) in change.after.occurrences() {
            if reference.index != change.index {
                continue;
            }
            let new = self.once.occurrences.insert(occurrence.id);
            self.check(1, new, || format!("entry {} decides {} again", change.index, occurrence.id));
            let Some(job) = change.after.job(occurrence.job) else { continue };
            if occurrence.origin == Origin::Schedule {
                self.counted.ticks += 1;
                let early = occurrence.nominal > change.batch.time;
                self.check(11, !early, || {
                    format!("entry {} starts {} of {} early", change.index, occurrence.nominal, job.name)
                });
            }
        }
        for job in change.jobs() {
            let Some(after) = job.after else { continue };
            let reach = job.before.map_or(change.batch.time, |before| before.cursor.max(change.batch.time));
            self.check(2, after.cursor <= reach, || {
                format!(
                    "entry {} of {} moves the cursor of {} to {}",
                    change.index, change.batch.time, after.name, after.cursor
                )
            });
            let cursor = self.once.cursors.insert(after.uid, after.cursor).unwrap_or(after.cursor);
            self.check(2, after.cursor >= cursor, || {
                format!("entry {} moves the cursor of {} back to {}", change.index, after.name, after.cursor)
            });
        }
        self.check_held(change);
    }

    /// While ticks are held, none is decided.
    fn check_held(&mut self, change: &Change<'_>) {
        let (before, after) = (change.before.held_since(), change.after.held_since());
        let held = before.is_some() && before == after;
        let ticked = change.after.occurrences().any(|(reference, occurrence)| {
            reference.index == change.index && occurrence.origin == Origin::Schedule
        });
        self.check(3, !(held && ticked), || format!("entry {} decides a tick that is held", change.index));
    }
}
