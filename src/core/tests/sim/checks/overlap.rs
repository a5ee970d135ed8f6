//! Invariant 4: under `forbid`, `queue` and `replace` no two open occurrences of one job, and no two live
//! processes of it, unless it was impossible to know.

use super::{Change, Checks};
use dkron_core::ids::{ExecutionId, JobUid, OccurrenceRef};
use dkron_core::job::Concurrency;
use dkron_core::state::State;
use dkron_core::state::record::{Occurrence, Turn};
use dkron_core::time::Time;
use std::collections::BTreeMap;
use std::sync::Arc;

/// How often each job changed between `allow` and the others.
#[derive(Default)]
pub(super) struct Overlap {
    epochs: BTreeMap<JobUid, (bool, u32)>,
}

impl Overlap {
    /// The stretch of exclusive policy that a job is in, if it is in one.
    pub(super) fn epoch(&self, job: JobUid) -> Option<u32> {
        self.epochs.get(&job).filter(|(exclusive, _)| *exclusive).map(|(_, epoch)| *epoch)
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
        for job in change.jobs() {
            let Some(after) = job.after else { continue };
            let exclusive = after.rules.policy.concurrency != Concurrency::Allow;
            let entry = self.overlap.epochs.entry(after.uid).or_insert((exclusive, 0));
            if entry.0 != exclusive {
                *entry = (exclusive, entry.1 + 1);
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
            if exclusive(change.before) && exclusive(change.after) {
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
        let waiting = |(other, occurrence): &(OccurrenceRef, &Arc<Occurrence>)| {
            let waited = change.before.occurrence(*other).is_some_and(|before| !is_open(before));
            *other < reference && !is_open(occurrence) && waited
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
        self.check(4, other.is_none(), || {
            format!("{} starts at {now} while {other:?} of the same job is alive", known.execution)
        });
    }

    /// Given up by the servers, or of a deleted job: nobody can know whether it is alive.
    fn is_excused(&self, id: ExecutionId) -> bool {
        let Some(known) = self.dispatch.known.get(&id) else { return true };
        self.outcomes.is_given_up(id)
            || !self.witness.state.jobs_by_name(None).any(|(_, job)| job.uid == known.job)
    }
}
