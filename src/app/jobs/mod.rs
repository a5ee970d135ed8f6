//! Jobs: store, look up, list, delete, run, toggle, hold.

mod listing;

pub use listing::{Filter, Key, Listed, Part, Place, Sort, Wanted, list};

use super::{App, Error, Kind, fresh_request};
use crate::executor;
use crate::raft::Priority;
use dkron_core::command::{Action, Counters, Reply, Scope, Version};
use dkron_core::ids::{JobSlot, RequestId};
use dkron_core::intent::{Intent, Wish};
use dkron_core::job::Job;
use dkron_core::state::State;
use dkron_core::state::record::JobRecord;
use dkron_core::time::Time;
use dkron_wire::definition;
use std::sync::Arc;

/// A job as clients see it.
#[derive(Clone, Debug)]
pub struct Shown {
    /// The definition.
    pub job: Job,
    /// Which edit of it this is: a safe update names it.
    pub version: Version,
    /// Counters and last outcomes.
    pub counters: Counters,
    /// When it runs next, none if not by itself.
    pub next: Option<Time>,
    /// The names of the jobs that its success starts, sorted.
    pub dependents: Vec<Arc<str>>,
    /// Whether its ticks are held.
    pub held: bool,
}

/// A client's job and how it is to be stored.
#[derive(Clone, Debug)]
pub struct Submit {
    /// The definition.
    pub job: Job,
    /// Counters that come along: a restored job keeps its own.
    pub counters: Option<Counters>,
    /// The edit that the job must stand at: a safe update.
    pub expected: Option<Version>,
    /// The client's request id, if it gave one.
    pub request: Option<RequestId>,
}

/// How often a read-modify-write meets somebody else's before it gives up.
const TOGGLE_TRIES: usize = 16;

impl App {
    /// Stores a job, new or in place of the one of its name. Which edit of it that was.
    pub async fn put_job(&self, submit: Submit) -> Result<Version, Error> {
        submit.job.validate()?;
        executor::validate(&submit.job.executor, &submit.job.executor_config)
            .map_err(|error| Error::new(Kind::Invalid, error.to_string()))?;
        let request = submit.request.map_or_else(fresh_request, Ok)?;
        match self.act(Priority::Write, request, Intent::Put(wish(submit))).await? {
            Reply::Stored { version, .. } => Ok(version),
            _ => Err(Error::new(Kind::Internal, "a stored job was answered by something else")),
        }
    }

    /// A job by its name.
    pub async fn job(&self, name: &str) -> Result<Shown, Error> {
        let view = self.view().await?;
        let (slot, record) = view.state.job_named(name).ok_or_else(|| unknown(name))?;
        show(&view.state, slot, record)
    }

    /// Deletes a job, if need be only at one edit of it; as it was.
    pub async fn delete_job(&self, name: &str, expected: Option<Version>) -> Result<Shown, Error> {
        let shown = self.job(name).await?;
        let name = name.into();
        self.change(match expected {
            Some(version) => Action::DeleteAt { name, version },
            None => Action::Delete { name },
        })
        .await?;
        Ok(shown)
    }

    /// Asks for a run outside the schedule; answered when that is decided upon, not when it ends.
    pub async fn run_job(&self, name: &str, request: Option<RequestId>) -> Result<(Shown, RequestId), Error> {
        let request = request.map_or_else(fresh_request, Ok)?;
        self.act(Priority::Write, request, Intent::Run { name: name.into() }).await?;
        Ok((self.job(name).await?, request))
    }

    /// Enables a disabled job and disables an enabled one, if need be only at one edit of it. Done again from the
    /// start when somebody edits the job in between, so that no edit is ever undone.
    pub async fn toggle_job(&self, name: &str, expected: Option<Version>) -> Result<Shown, Error> {
        for _ in 0..TOGGLE_TRIES {
            let shown = self.job(name).await?;
            if expected.is_some_and(|expected| expected != shown.version) {
                let revision = shown.version.revision;
                return Err(dkron_core::command::Refusal::Changed(revision).into());
            }
            let job = Job { disabled: !shown.job.disabled, ..shown.job };
            let submit = Submit { job, counters: None, expected: Some(shown.version), request: None };
            match self.put_job(submit).await {
                Ok(_) => return self.job(name).await,
                Err(error) if error.kind() == Kind::Changed => {}
                Err(error) => return Err(error),
            }
        }
        Err(Error::new(Kind::Changed, format!("job '{name}' is being edited by others all the time")))
    }

    /// Deletes a job's executions and sets its counters to zero; the job after that.
    pub async fn delete_executions(&self, name: &str) -> Result<Shown, Error> {
        self.change(Action::DeleteExecutions { name: name.into() }).await?;
        self.job(name).await
    }

    /// Stops the ticks of these jobs, or of all.
    pub async fn hold(&self, scope: Scope) -> Result<(), Error> {
        self.change(Action::Hold(scope)).await
    }

    /// Lets the ticks go on.
    pub async fn release(&self, scope: Scope) -> Result<(), Error> {
        self.change(Action::Release(scope)).await
    }
}

impl App {
    /// A change that nobody repeats under the same id.
    pub(super) async fn change(&self, action: Action) -> Result<(), Error> {
        self.act(Priority::Write, fresh_request()?, Intent::Change(action)).await.map(drop)
    }
}

/// A job with its encoded definition.
pub(super) fn wish(submit: Submit) -> Wish {
    Wish {
        definition: definition::encode(&submit.job).into(),
        job: Arc::new(submit.job),
        expected: submit.expected,
        counters: submit.counters,
    }
}

pub(super) fn unknown(name: &str) -> Error {
    Error::new(Kind::NotFound, format!("job '{name}' not found"))
}

fn show(state: &State, slot: JobSlot, record: &JobRecord) -> Result<Shown, Error> {
    let job = definition::decode(&record.definition)
        .map_err(|error| Error::new(Kind::Internal, format!("job '{}': {error}", record.name)))?;
    let child = |child: JobSlot| state.job(child).map(|child| child.name.clone());
    let mut dependents: Vec<Arc<str>> = state.children_of(slot).filter_map(child).collect();
    dependents.sort_unstable();
    Ok(Shown {
        job,
        version: record.version(),
        counters: record.counters,
        next: (record.next_due != Time::NEVER).then_some(record.next_due),
        dependents,
        held: record.held,
    })
}
