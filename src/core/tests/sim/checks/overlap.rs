//! Invariant 4: under `forbid`, `queue` and `replace` no two open occurrences of one job, and no two live
//! processes of it, unless it was impossible to know.

use super::{Change, Checks};
use dkron_core::ids::{ExecutionId, JobUid, OccurrenceId, OccurrenceRef};
use dkron_core::job::Concurrency;
use dkron_core::state::State;
use dkron_core::state::record::{Occurrence, Turn};
use dkron_core::time::Time;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// How often each job changed between `allow` and the others.
#[derive(Default)]
pub(super) struct Overlap {
    epochs: BTreeMap<JobUid, (bool, u32)>,
    /// The stretch in which each occurrence opened.
    opened: BTreeMap<OccurrenceId, Option<u32>>,
    /// Jobs whose policy changed in the present entry: what opened in it may have opened under either.
    unclear: BTreeSet<JobUid>,
    /// The entry that last changed each job's policy.
    changed: BTreeMap<JobUid, (Concurrency, u64)>,
}

impl Overlap {
    /// The stretch of exclusive policy in which an occurrence opened, if it was one.
    pub(super) fn epoch(&mut self, job: JobUid, occurrence: OccurrenceId) -> Option<u32> {
        let clear = !self.unclear.contains(&job);
        let now = self.epochs.get(&job).filter(|(exclusive, _)| *exclusive && clear).map(|(_, epoch)| *epoch);
        *self.opened.entry(occurrence).or_insert(now)
    }
}

fn is_open(found: &Occurrence) -> bool {
    found.turn == Turn::Open
}

fn opened(change: &Change<'_>, reference: OccurrenceRef, found: &Arc<Occurrence>) -> bool {
    is_open(found) && !change.before.occurrence(reference).is_some_and(|before| is_open(before))
}

impl Checks {
    pub(super) fn note_policies(&mut self, change: &Change<'_>) {
        self.overlap.unclear.clear();
        for job in change.jobs() {
            let Some(after) = job.after else { continue };
            let concurrency = after.rules.policy.concurrency;
            let changed = self.overlap.changed.entry(after.uid).or_insert((concurrency, change.index));
            if changed.0 != concurrency {
                *changed = (concurrency, change.index);
            }
            let exclusive = concurrency != Concurrency::Allow;
            let entry = self.overlap.epochs.entry(after.uid).or_insert((exclusive, 0));
            // Several edits in one entry may have been there and back again.
            let edits = job.before.map_or(1, |before| after.revision - before.revision);
            if entry.0 != exclusive || edits > 1 {
                *entry = (exclusive, entry.1 + 1);
                self.overlap.unclear.insert(after.uid);
            }
        }
    }

    pub(super) fn check_overlap(&mut self, change: &Change<'_>) {
        for (reference, found) in change.after.occurrences() {
            if !opened(change, reference, found) {
                continue;
            }
            let Some(job) = change.after.job(found.job) else { continue };
            let exclusive = |state: &State| {
                state.job(found.job).is_some_and(|job| job.rules.policy.concurrency != Concurrency::Allow)
            };
            let edited =
                change.before.job(found.job).is_some_and(|before| before.revision + 1 < job.revision);
            if exclusive(change.before) && exclusive(change.after) && !edited {
                let open = change.after.occurrences_of(found.job).filter(|(_, found)| is_open(found)).count();
                self.check(4, open == 1, || {
                    format!("entry {} makes {open} occurrences of {} open", change.index, job.name)
                });
                self.check_order(change, reference, found);
            }
        }
    }

    /// Under `queue` nobody overtakes: what was decided first runs first. Under `replace` the newest runs.
    fn check_order(&mut self, change: &Change<'_>, reference: OccurrenceRef, found: &Occurrence) {
        let Some(job) = change.after.job(found.job) else { return };
        let since = self.overlap.changed.get(&job.uid).map_or(0, |(_, index)| *index);
        let waiting = |(other, occurrence): &(OccurrenceRef, &Arc<Occurrence>)| {
            let waited = change.before.occurrence(*other).is_some_and(|before| !is_open(before));
            *other < reference && other.index > since && !is_open(occurrence) && waited
        };
        let overtaken = change.after.occurrences_of(found.job).find(waiting);
        let orderly = matches!(job.rules.policy.concurrency, Concurrency::Queue | Concurrency::Replace);
        self.check(4, !orderly || overtaken.is_none(), || {
            format!(
                "entry {}: occurrence {reference:?} of {} overtakes {:?}",
                change.index,
                job.name,
                overtaken.map(|(other, _)| other)
            )
        });
    }

    /// A process begins: is another one of the same job alive that should have ended first?
    pub(super) fn check_alone(&mut self, id: ExecutionId, now: Time) {
        let Some(known) = self.dispatch.known.get(&id).copied() else { return };
        if known.epoch.is_none() || self.is_excused(id) {
            return;
        }
        let other = self.truth.live.iter().copied().find(|other| {
            *other != id
                && self.dispatch.known.get(other).is_some_and(|other| {
                    other.job == known.job
                        && other.occurrence != known.occurrence
                        && other.epoch == known.epoch
                })
                && !self.is_excused(*other)
        });
        let other = other.and_then(|other| self.dispatch.known.get(&other).copied());
        self.check(4, other.is_none(), || format!("{known:?} starts at {now} while {other:?} is alive"));
    }

    /// Given up by the servers, or of a deleted job: nobody can know whether it is alive.
    fn is_excused(&self, id: ExecutionId) -> bool {
        let Some(known) = self.dispatch.known.get(&id) else { return true };
        self.outcomes.is_given_up(id)
            || !self.witness.state.jobs_by_name(None).any(|(_, job)| job.uid == known.job)
    }
}
