//! Runs outside the schedule that wait for their decision.
//!
//! Those of a backfill are decided one after the other: of a job's rows only the first is on the agenda, and only
//! while no run of a backfill of this job is on its way. That follows from the records alone, so that a state
//! read from a snapshot has the same row on its agenda.

use super::record::{Item, Requested};
use super::{State, digest};
use crate::ids::{JobSlot, Origin, RequestId};
use crate::time::Time;

/// The place of a row that is not on the agenda.
const WAITS: u64 = 0;

type Key = (JobSlot, Origin, Time);

const FIRST: Time = Time::from_nanos(i64::MIN);

impl State {
    /// A requested run whose turn it is to be decided, with its place on the agenda.
    pub fn requested(&self, key: Requested) -> Option<u64> {
        self.requested.get(&(key.job, key.origin, key.nominal)).copied().filter(|place| *place != WAITS)
    }

    /// The rows of a job's backfills, those that wait included.
    pub fn backfill_rows(&self, job: JobSlot) -> impl Iterator<Item = Requested> + '_ {
        let first = (job, Origin::Backfill(RequestId(0)), FIRST);
        let last = (job, Origin::Backfill(RequestId(u128::MAX)), Time::NEVER);
        self.requested.range(first..=last).map(|((job, origin, nominal), _)| Requested {
            job: *job,
            origin: *origin,
            nominal: *nominal,
        })
    }

    /// The rows that are not on the agenda.
    pub(super) fn waiting_requests(&self) -> impl Iterator<Item = Requested> + '_ {
        let waits = self.requested.iter().filter(|(_, place)| **place == WAITS);
        waits.map(|((job, origin, nominal), _)| Requested { job: *job, origin: *origin, nominal: *nominal })
    }

    /// Stores a requested run; false if the same one is stored already.
    pub(crate) fn insert_requested(&mut self, requested: Requested) -> bool {
        let Requested { job, origin, nominal } = requested;
        let backfill = matches!(origin, Origin::Backfill(_));
        let mut same = self.requested.range((job, origin, FIRST)..=(job, origin, Time::NEVER));
        if same.any(|((_, _, found), _)| !backfill || *found == nominal) {
            return false;
        }
        let displaced =
            self.backfill_rows(job).next().filter(|first| (origin, nominal) < (first.origin, first.nominal));
        let place = if backfill { WAITS } else { self.take_place(Item::Decide(requested)) };
        self.requested.insert((job, origin, nominal), place);
        self.swap_digest(0, digest::requested(&requested));
        if backfill {
            displaced.into_iter().for_each(|first| self.place_request(first, false));
            self.settle_backfill(job);
        }
        true
    }

    pub(crate) fn remove_requested(&mut self, requested: Requested) {
        if let Some(place) = self.requested.remove(&key(requested)) {
            self.agenda.remove(&place);
            self.swap_digest(digest::requested(&requested), 0);
        }
    }

    /// Removes all requested runs of a job.
    pub(crate) fn remove_requests_of(&mut self, job: JobSlot) {
        let next = JobSlot(job.0.saturating_add(1));
        let rows = self.requested.range((job, Origin::Schedule, FIRST)..(next, Origin::Schedule, FIRST));
        let rows: Vec<Requested> = rows
            .map(|((job, origin, nominal), _)| Requested { job: *job, origin: *origin, nominal: *nominal })
            .collect();
        rows.into_iter().for_each(|requested| self.remove_requested(requested));
    }

    /// Puts the first row of a job's backfills on the agenda, or takes it off while a run of one is on its way.
    pub(crate) fn settle_backfill(&mut self, job: JobSlot) {
        let Some(first) = self.backfill_rows(job).next() else { return };
        let busy = self.occurrences_of(job).any(|(_, found)| matches!(found.origin, Origin::Backfill(_)));
        self.place_request(first, !busy);
    }

    fn place_request(&mut self, requested: Requested, on_agenda: bool) {
        let place = self.requested.get(&key(requested)).copied().unwrap_or(WAITS);
        if (place != WAITS) == on_agenda {
            return;
        }
        self.agenda.remove(&place);
        let place = if on_agenda { self.take_place(Item::Decide(requested)) } else { WAITS };
        self.requested.insert(key(requested), place);
    }
}

fn key(requested: Requested) -> Key {
    (requested.job, requested.origin, requested.nominal)
}
