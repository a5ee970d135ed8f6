//! From records back to a state: what a snapshot's reader calls.

use super::State;
use super::record::{Record, Staged};
use crate::schedule::{UnknownZone, Zone};
use crate::time::Time;
use std::sync::Arc;

/// Why records are not a state.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum RebuildError {
    /// The default zone is not in this build's zone data.
    #[error("default zone: {0}")]
    Zone(#[from] UnknownZone),
    /// Two records claim one place.
    #[error("two records claim {0}")]
    Twice(String),
    /// A record names a job that is not there.
    #[error("{0} names a job that is not there")]
    Dangling(String),
    /// The digest is not the one that was stored.
    #[error("the digest is {found:032x}, but {stored:032x} was stored")]
    Digest {
        /// Of the records.
        found: u128,
        /// Of the snapshot.
        stored: u128,
    },
}

impl State {
    /// The state of these records, as it was after entry `applied`. Agenda places are numbered anew.
    pub fn rebuild(
        applied: u64,
        time: Time,
        records: impl IntoIterator<Item = Record>,
    ) -> Result<State, RebuildError> {
        let mut state = State::default();
        state.advance(applied, time);
        for record in records {
            state.take(record)?;
        }
        for (reference, occurrence) in state.occurrences.clone() {
            if state.job(occurrence.job).is_none() {
                return Err(RebuildError::Dangling(format!("occurrence {reference:?}")));
            }
        }
        Ok(state)
    }

    fn take(&mut self, record: Record) -> Result<(), RebuildError> {
        match record {
            Record::Cluster(cluster) => {
                let zone = Zone::lookup(&cluster.founding.default_zone)?;
                self.set_cluster(cluster, zone);
            }
            Record::Job(slot, job) => {
                if self.job(slot).is_some() || self.names.contains_key(&job.name) {
                    return Err(RebuildError::Twice(format!("job '{}'", job.name)));
                }
                self.place_job(slot, job);
            }
            Record::Free(slot, generation) => self.place_free(slot, generation),
            Record::Occurrence(reference, mut occurrence) => {
                if self.occurrences.contains_key(&reference) {
                    return Err(RebuildError::Twice(format!("occurrence {reference:?}")));
                }
                occurrence.forget_places();
                self.insert_occurrence(reference, occurrence);
            }
            Record::Requested(_, requested) => {
                self.insert_requested(requested);
            }
            Record::Node(_, node) => {
                self.insert_node(node);
            }
            Record::Wish(server, wished) => {
                if self.wish(server).is_some() {
                    return Err(RebuildError::Twice(format!("the wish about server {server}")));
                }
                self.set_wish(server, Some(wished));
            }
            Record::Remembered(request, remembered) => self.remember(request, remembered),
            Record::Staged(import, touched_at, job) => {
                let mut jobs = self.staged(import).map(|staged| staged.jobs.clone()).unwrap_or_default();
                jobs.push_back(Arc::new(job));
                self.set_staged(import, Some(Staged { touched_at, jobs }));
            }
        }
        Ok(())
    }
}
