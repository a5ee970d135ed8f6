//! What a client wants, before the leader has added what only it may: the time, uids, next due times.
//!
//! A follower passes intents on as they are, so that schedules are evaluated with the leader's zone data and
//! the leader's clock, whichever server the client asked.

use crate::command::{Action, Counters, PutJob, Version};
use crate::ids::{JobUid, RequestId};
use crate::job::{Job, JobError};
use crate::plan::edit::{self, Submission};
use crate::schedule::ZoneData;
use crate::state::State;
use crate::time::Time;
use std::sync::Arc;

/// A job to store.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Wish {
    /// The definition, validated.
    pub job: Arc<Job>,
    /// The same, encoded.
    pub definition: Arc<[u8]>,
    /// A safe update: the edit that the job must stand at.
    pub expected: Option<Version>,
    /// Counters that come with a restored job.
    pub counters: Option<Counters>,
}

/// What a client wants.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Intent {
    /// A job stored.
    Put(Wish),
    /// A part of an import, not to be seen yet.
    Stage {
        /// The import.
        import: RequestId,
        /// Its next jobs.
        jobs: Vec<Wish>,
    },
    /// A run outside the schedule.
    Run {
        /// The job's name.
        name: Arc<str>,
    },
    /// A change that needs nothing added, see [`is_whole`].
    Change(Action),
}

/// Whether a client may ask for this action as it stands: it holds no decisions, and no times but those of a
/// backfill, which are the very ticks that the client was shown or asked for.
pub fn is_whole(action: &Action) -> bool {
    matches!(
        action,
        Action::Backfill(_)
            | Action::CallOff { .. }
            | Action::SetDefaultZone { .. }
            | Action::Commit { .. }
            | Action::Abandon { .. }
            | Action::Delete { .. }
            | Action::DeleteAt { .. }
            | Action::DeleteExecutions { .. }
            | Action::Cancel { .. }
            | Action::Pause(_)
            | Action::Hold(_)
            | Action::Release(_)
            | Action::CreateToken { .. }
            | Action::RevokeToken { .. }
            | Action::Cordon { .. }
    )
}

impl Intent {
    /// The action for this intent, as seen in `state` at `now` by these zone data. `uid` makes a fresh random uid for a job whose
    /// name may be new.
    ///
    /// # Errors
    /// [`JobError`] if a job's schedule or zone cannot be used here.
    pub fn complete(
        self,
        state: &State,
        data: ZoneData,
        now: Time,
        mut uid: impl FnMut() -> JobUid,
    ) -> Result<Action, JobError> {
        let mut put = |wish: Wish| -> Result<PutJob, JobError> {
            let Wish { job, definition, expected, counters } = wish;
            edit::put(state, data, Submission { job, definition, uid: uid(), expected, counters }, now)
        };
        Ok(match self {
            Intent::Put(wish) => Action::Put(put(wish)?),
            Intent::Stage { import, jobs } => {
                Action::Stage { import, jobs: jobs.into_iter().map(put).collect::<Result<_, _>>()? }
            }
            Intent::Run { name } => Action::Run { name, nominal: now },
            Intent::Change(action) => action,
        })
    }
}
