//! From records back to a state: what a snapshot's reader calls.

use super::record::{JobRecord, Record, Staged};
use super::{Slot, State};
use crate::ids::JobSlot;
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
    /// A record claims a slot beyond those that there are records of: a state has no holes.
    #[error("{slot} is beyond what the records have room for")]
    Slot {
        /// The slot.
        slot: String,
    },
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
        let mut free = Vec::new();
        for record in records {
            match record {
                Record::Free(slot, generation) => free.push((slot, generation)),
                Record::Job(slot, job) => state.take_job(slot, job, free.len())?,
                other => state.take(other)?,
            }
        }
        let slots = state.job_count() + free.len();
        for (slot, generation) in free {
            state.take_free(slot, generation, slots)?;
        }
        for (reference, occurrence) in state.occurrences.clone() {
            if state.job(occurrence.job).is_none() {
                return Err(RebuildError::Dangling(format!("occurrence {reference:?}")));
            }
        }
        Ok(state)
    }

    /// Living jobs and free slots fill the table without a hole, and the free ones come first: so a damaged number
    /// never makes room for a billion slots.
    fn take_job(&mut self, slot: JobSlot, job: JobRecord, free: usize) -> Result<(), RebuildError> {
        if self.job(slot).is_some() || self.names.contains_key(&job.name) {
            return Err(RebuildError::Twice(format!("job '{}'", job.name)));
        }
        if slot.0 as usize > self.job_count() + free {
            return Err(RebuildError::Slot { slot: format!("{slot:?}") });
        }
        self.place_job(slot, job);
        Ok(())
    }

    fn take_free(&mut self, slot: JobSlot, generation: u32, slots: usize) -> Result<(), RebuildError> {
        let used = match self.jobs.get(slot.0 as usize) {
            Some(Slot::Living(_)) => true,
            Some(Slot::Free(taken)) => *taken != 0,
            None => false,
        };
        if used {
            return Err(RebuildError::Twice(format!("{slot:?}")));
        }
        if slot.0 as usize >= slots || generation == 0 {
            return Err(RebuildError::Slot { slot: format!("{slot:?}") });
        }
        self.place_free(slot, generation);
        Ok(())
    }

    fn take(&mut self, record: Record) -> Result<(), RebuildError> {
        match record {
            Record::Cluster(cluster) => {
                let zone = Zone::lookup(&cluster.founding.default_zone)?;
                self.set_cluster(cluster, zone);
            }
            // Not here: they are taken together.
            Record::Job(..) | Record::Free(..) => {}
            Record::Occurrence(reference, mut occurrence) => {
                if self.occurrences.contains_key(&reference) {
                    return Err(RebuildError::Twice(format!("occurrence {reference:?}")));
                }
                occurrence.forget_places();
                self.insert_occurrence(reference, occurrence);
            }
            Record::Requested(_, requested) if self.job(requested.job).is_none() => {
                return Err(RebuildError::Dangling(format!("{requested:?}")));
            }
            Record::Requested(_, requested) => {
                self.insert_requested(requested);
            }
            Record::Node(slot, _) if slot.0 as usize != self.nodes.len() => {
                return Err(RebuildError::Slot { slot: format!("{slot:?}") });
            }
            Record::Node(_, node) => {
                self.insert_node(node);
            }
            Record::Remembered(request, _) if self.remembered.contains_key(&request) => {
                return Err(RebuildError::Twice(format!("request {request}")));
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
            Record::Token(id, token) => {
                if self.token(id).is_some() {
                    return Err(RebuildError::Twice(format!("token {id}")));
                }
                self.set_token(id, Some(token));
            }
        }
        Ok(())
    }
}
