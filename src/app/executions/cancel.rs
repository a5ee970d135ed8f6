//! An execution ended because somebody asks for it: one that runs, waits, or would be tried again.

use super::{App, Error, Kind, Run, Status, Wanted, blocking};
use crate::app::jobs::unknown;
use dkron_core::command::{Action, Refusal};
use dkron_core::execution::{Finished, Verdict};
use dkron_core::ids::{ExecutionId, JobSlot};
use dkron_core::open::{self, Open, Standing};
use dkron_core::state::State;

/// How often an execution that moves on meanwhile is looked at anew.
const TRIES: usize = 8;

/// What became of the wish.
#[derive(Debug)]
pub enum Cancelled {
    /// Its agent is told; it ends soon.
    Asked(Run),
    /// It is over, now or since an earlier wish.
    Done(Run),
}

impl App {
    /// Ends an execution of a job, named by its long id or by Dkron's `<started ns>-<node>`. Asking again changes
    /// nothing.
    ///
    /// # Errors
    /// [`Kind::NotFound`] for an unknown job or execution, [`Kind::Conflict`] for one that ended otherwise.
    pub async fn cancel_execution(&self, job: &str, name: &str) -> Result<Cancelled, Error> {
        let missing = || Error::new(Kind::NotFound, format!("execution '{name}' of job '{job}' not found"));
        let wanted = Wanted::parse(name).ok_or_else(missing)?;
        for _ in 0..TRIES {
            let view = self.view().await?;
            let (slot, record) = view.state.job_named(job).ok_or_else(|| unknown(job))?;
            let mut row = None;
            let mut open = self.find_open(&view.state, slot, &wanted);
            if open.is_none() {
                let (history, uid) = (self.history.clone(), record.uid);
                self.history_up_to(view.state.applied()).await;
                let wanted = wanted.clone();
                let found = blocking(move || history.get(uid, wanted.name())).await?.ok_or_else(missing)?;
                // Its next attempt is still to come.
                open = find_retry(&view.state, slot, &found);
                row = Some(found);
            }
            let Some(open) = open else {
                let row = row.ok_or_else(missing)?;
                return over(&view.state, slot, row);
            };
            let run = self.open_run(&view.state, &open).ok_or_else(missing)?;
            let (occurrence, ordinal) = (open.name.occurrence, Some(open.name.ordinal));
            match self.change(Action::Cancel { occurrence, ordinal }).await {
                Ok(()) => return self.cancelled(slot, run).await,
                // It ended meanwhile, or moved on to its next attempt.
                Err(error) if error.refusal() == Some(&Refusal::NotOpen) => {}
                Err(error) => return Err(error),
            }
        }
        Err(Error::new(Kind::Changed, format!("execution '{name}' of job '{job}' changes all the time")))
    }

    fn find_open(&self, state: &State, slot: JobSlot, wanted: &Wanted) -> Option<Open> {
        open::of_job(state, slot).find(|open| match wanted {
            Wanted::Id(id) => open.id == *id,
            Wanted::Started(..) => self.open_run(state, open).is_some_and(|run| wanted.is(&run)),
        })
    }

    async fn cancelled(&self, slot: JobSlot, run: Run) -> Result<Cancelled, Error> {
        let view = self.view().await?;
        let mut left = open::of_job(&view.state, slot);
        Ok(match left.any(|open| open.id == run.id) {
            true => Cancelled::Asked(run),
            false => Cancelled::Done(Run { status: Status::Ended(Verdict::Cancelled), ..run }),
        })
    }
}

/// The attempt that would follow one that failed.
fn find_retry(state: &State, slot: JobSlot, row: &Finished) -> Option<Open> {
    let name = row.execution;
    open::of_job(state, slot).find(|open| {
        let same = (open.name.occurrence, open.name.ordinal) == (name.occurrence, name.ordinal);
        let next = open.name.attempt == name.attempt.saturating_add(1);
        same && next && matches!(open.standing, Standing::Retrying(_))
    })
}

/// One that is over: cancelled by an earlier wish, or ended otherwise.
fn over(state: &State, slot: JobSlot, row: Finished) -> Result<Cancelled, Error> {
    if row.outcome.verdict == Verdict::Cancelled {
        return Ok(Cancelled::Done(Run::from(row)));
    }
    let name = row.execution;
    let later: Option<ExecutionId> = open::of_job(state, slot)
        .find(|open| (open.name.occurrence, open.name.ordinal) == (name.occurrence, name.ordinal))
        .map(|open| open.id);
    let later = later.map(|id| format!("; its next attempt {id} is open")).unwrap_or_default();
    let how = Status::Ended(row.outcome.verdict).word();
    let message = format!(
        "execution {} of job '{}' has ended already, at {}: {how}{later}",
        row.id, row.job_name, row.outcome.finished_at
    );
    Err(Error::new(Kind::Conflict, message))
}
