//! Runs for ticks of a job's past: shown, asked for, looked at, called off.

use super::jobs::unknown;
use super::{App, Error, Kind, fresh_request};
use crate::raft::Priority;
use crate::task;
use dkron_core::command::Action;
use dkron_core::ids::RequestId;
use dkron_core::intent::Intent;
use dkron_core::plan::backfill::{self, BackfillError, Past};
use dkron_core::schedule::ZoneData;
use dkron_core::time::Time;
use std::ops::Range;

/// A stretch of a job's past that is to be run.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// The job's name.
    pub job: String,
    /// From, and up to but without.
    pub range: Range<Time>,
    /// The most ticks that the client expects.
    pub limit: Option<usize>,
    /// Whether the ticks are only to be shown.
    pub dry_run: bool,
    /// The client's request id, if it gave one.
    pub request: Option<RequestId>,
}

impl App {
    /// The ticks of the stretch, in order. Unless that is all that is wanted, each is run when the one before it is
    /// over: never more than one at a time.
    pub async fn backfill(&self, wanted: Wanted) -> Result<Vec<Time>, Error> {
        let (view, now) = (self.view().await?, self.now());
        let past = Past { name: wanted.job.as_str().into(), range: wanted.range.clone() };
        let listing = task::blocking("list ticks of the past", move || {
            backfill::command(&view.state, ZoneData::bundled(), &past, now)
        });
        let command =
            listing.await.map_err(|_| Error::new(Kind::Internal, "listing the ticks broke off"))??;
        let ticks = match &command {
            Action::Backfill(backfill) => backfill.nominals.clone(),
            _ => Vec::new(),
        };
        check_limit(&wanted, ticks.len())?;
        if !wanted.dry_run && !ticks.is_empty() {
            let request = wanted.request.map_or_else(fresh_request, Ok)?;
            // The very ticks that are told here: zone data of the leader, if they differ, change nothing of it.
            self.act(Priority::Write, request, Intent::Change(command)).await?;
        }
        Ok(ticks)
    }

    /// The backfilled runs of a job that wait for their turn, by nominal time.
    pub async fn waiting_backfill(&self, job: &str) -> Result<Vec<Time>, Error> {
        let view = self.view().await?;
        let slot = view.state.slot_of(job).ok_or_else(|| unknown(job))?;
        let mut waiting: Vec<Time> = view.state.backfill_rows(slot).map(|row| row.nominal).collect();
        waiting.sort_unstable();
        Ok(waiting)
    }

    /// Forgets the backfilled runs of a job that wait; those that waited.
    pub async fn call_off_backfill(&self, job: &str) -> Result<Vec<Time>, Error> {
        let waiting = self.waiting_backfill(job).await?;
        self.change(Action::CallOff { name: job.into() }).await?;
        Ok(waiting)
    }
}

fn check_limit(wanted: &Wanted, count: usize) -> Result<(), Error> {
    let Some(limit) = wanted.limit.filter(|limit| *limit < count) else { return Ok(()) };
    let Range { start, end } = &wanted.range;
    let message = format!(
        "limit: job '{}' has {count} ticks from {start} to {end}: at most {limit} were asked for",
        wanted.job
    );
    Err(Error::new(Kind::Invalid, message))
}

impl From<BackfillError> for Error {
    fn from(error: BackfillError) -> Error {
        let kind = match &error {
            BackfillError::UnknownJob(_) => Kind::NotFound,
            BackfillError::Disabled(_) => Kind::Conflict,
            _ => Kind::Invalid,
        };
        Error::caused(kind, error)
    }
}
