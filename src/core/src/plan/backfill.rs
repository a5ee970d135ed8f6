//! Runs for ticks of the past: which instants they are, and the command that asks for them.
//!
//! Apply evaluates no schedule, so the proposer lists the nominal times. They run one after the other, beside the
//! job's own ticks; under `forbid`, `queue` and `replace` each waits until the job is free, and takes no other's
//! place. While one runs, a tick under `forbid` is skipped and one under `replace` ends it, as always.

use crate::command::{Action, Backfill};
use crate::limits;
use crate::schedule::ZoneData;
use crate::state::State;
use crate::state::record::JobRecord;
use crate::time::{Span, Time};
use std::ops::Range;
use std::sync::Arc;

/// A stretch of a job's past.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Past {
    /// The job's name.
    pub name: Arc<str>,
    /// From, and up to but without.
    pub range: Range<Time>,
}

/// Why a stretch cannot be backfilled.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum BackfillError {
    /// No job of this name.
    #[error("job '{0}' not found")]
    UnknownJob(Arc<str>),
    /// Its ticks are passed over, so those of the past are not made up for.
    #[error("job '{0}' is disabled")]
    Disabled(Arc<str>),
    /// Nothing is due by itself.
    #[error("job '{0}' has no schedule of its own: there are no ticks to backfill")]
    NoSchedule(Arc<str>),
    /// The end is not after the beginning.
    #[error("to: {to} is not after from, {from}")]
    Empty {
        /// The beginning.
        from: Time,
        /// The end.
        to: Time,
    },
    /// The stretch is not over yet.
    #[error("to: {to} is after now, {now}: only the past is allowed")]
    Future {
        /// The end.
        to: Time,
        /// The time.
        now: Time,
    },
    /// More ticks than may be asked for at once.
    #[error(
        "job '{job}' has {count} ticks from {from} to {to}: at most {} are allowed in one request",
        limits::BACKFILL_MAX
    )]
    TooMany {
        /// The job.
        job: Arc<str>,
        /// How many ticks.
        count: u64,
        /// The beginning.
        from: Time,
        /// The end.
        to: Time,
    },
}

/// The ticks that the job's present schedule has in a stretch of the past, whether they ran or not: what a dry
/// run shows.
pub fn instants(state: &State, data: ZoneData, past: &Past, now: Time) -> Result<Vec<Time>, BackfillError> {
    let job = job(state, past)?;
    let Range { start: from, end: to } = past.range;
    if to <= from {
        return Err(BackfillError::Empty { from, to });
    }
    if to > now {
        return Err(BackfillError::Future { to, now });
    }
    let (zones, instant) = (state.zones(data), Span::from_nanos(1));
    let timing = &job.rules.timing;
    let (count, _) = timing.stretch(from - instant, to - instant, job.anchor, zones);
    if count > limits::BACKFILL_MAX as u64 {
        return Err(BackfillError::TooMany { job: job.name.clone(), count, from, to });
    }
    let next = |after: Time| timing.next(after, job.anchor, zones);
    let first = next(from - instant);
    Ok(std::iter::successors(first, |tick| next(*tick)).take_while(|tick| *tick < to).collect())
}

/// The command that asks for runs of these ticks; its request id is their cause.
pub fn command(state: &State, data: ZoneData, past: &Past, now: Time) -> Result<Action, BackfillError> {
    let nominals = instants(state, data, past, now)?;
    let job = job(state, past)?;
    Ok(Action::Backfill(Backfill { name: job.name.clone(), job: job.uid, nominals }))
}

fn job<'a>(state: &'a State, past: &Past) -> Result<&'a JobRecord, BackfillError> {
    let found = state.job_named(&past.name);
    let (_, job) = found.ok_or_else(|| BackfillError::UnknownJob(past.name.clone()))?;
    let timing = &job.rules.timing;
    match timing.schedule {
        _ if timing.disabled => Err(BackfillError::Disabled(past.name.clone())),
        Some(_) => Ok(job),
        None => Err(BackfillError::NoSchedule(past.name.clone())),
    }
}
