//! How work runs: one executor a kind of work, found by the name in a job's `executor`.
//!
//! **Does**: checks an executor's settings, and turns an execution into [`Work`]: a process for the supervisor,
//! or a future for the daemon. **Owns** the HTTP clients. **Never** decides whether or when something runs,
//! starts a process, or knows of agents and servers. **Fails** with an [`ExecutorError`] that names the setting,
//! its value and what is allowed; the agent makes it the execution's outcome.
//!
//! # The contract of an executor
//! - `validate` looks at the settings alone: no file, no network, no clock. What it accepts, `prepare` may still
//!   refuse on a node (no such user); what it refuses, a server does not store.
//! - `prepare` is quick (under 500 us) and has no effect: it may be called and its work dropped.
//! - A [`Work::Process`] survives the daemon. A [`Work::Call`] does not: after a crash its execution is `lost`.
//! - A call ends by itself within its own timeout. To be dropped at any await is how it is cancelled.
//! - A call's output is bounded: [`output::Output`] keeps its end.
//!
//! To add one: implement [`Executor`], name it in [`Executors::new`], describe its settings at its top.

mod error;
pub mod http;
mod noop;
pub mod output;
pub mod shell;

pub use error::ExecutorError;

use dkron_core::execution::Verdict;
use dkron_core::ids::ExecutionId;
use dkron_core::job::Words;
use dkron_core::journal::Place;
use dkron_core::time::Time;
use dkron_wire::supervisor::Spawn;
use output::Output;
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

/// One kind of work. See the contract in the room's description.
pub trait Executor: Send + Sync {
    /// The name in a job's `executor`.
    fn name(&self) -> &'static str;

    /// Where its work runs, always: at the supervisor if it is a [`Work::Process`], in the daemon if a
    /// [`Work::Call`]. The agent's journal relies on it to know what may be started again after a crash.
    fn place(&self) -> Place;

    /// Whether these settings can be used.
    fn validate(&self, config: &Words) -> Result<(), ExecutorError>;

    /// What is to be run for an execution.
    fn prepare(&self, task: &Task) -> Result<Work, ExecutorError>;
}

/// An execution, as far as an executor sees it.
#[derive(Clone, Debug)]
pub struct Task {
    /// Its long id.
    pub id: ExecutionId,
    /// Which try, from 1.
    pub attempt: u16,
    /// The job's name.
    pub job_name: Arc<str>,
    /// The tick's nominal time.
    pub nominal: Time,
    /// The executor's settings.
    pub config: Words,
}

impl Task {
    /// The trace context of the execution: its own id, and the low half of it as the parent span.
    pub fn traceparent(&self) -> String {
        let low = (self.id.0 as u64).max(1);
        format!("00-{}-{low:016x}-01", self.id)
    }
}

/// What is to be run.
pub enum Work {
    /// A process, run by the supervisor.
    Process(Box<Spawn>),
    /// A future, run in the daemon.
    Call(Call),
}

/// A future that ends by itself.
pub type Call = Pin<Box<dyn Future<Output = Answer> + Send>>;

/// How a call ended.
#[derive(Debug)]
pub struct Answer {
    /// Why it ended.
    pub verdict: Verdict,
    /// The answer's status code, where there was one.
    pub code: Option<i32>,
    /// The error in one line, empty on success.
    pub error: String,
    /// What it wrote.
    pub output: Output,
}

/// The executors of this build, by name.
pub struct Executors(BTreeMap<&'static str, Arc<dyn Executor>>);

impl Executors {
    /// All; the one for benchmarks only if asked for.
    pub fn new(benchmarks: bool) -> Executors {
        let mut all: Vec<Arc<dyn Executor>> = vec![Arc::new(shell::Shell), Arc::new(http::Http::default())];
        if benchmarks {
            all.push(Arc::new(noop::Noop));
        }
        Executors(all.into_iter().map(|executor| (executor.name(), executor)).collect())
    }

    /// The executor of this name.
    pub fn get(&self, name: &str) -> Result<&dyn Executor, ExecutorError> {
        self.0.get(name).map(Arc::as_ref).ok_or_else(|| self.unknown(name))
    }

    fn unknown(&self, name: &str) -> ExecutorError {
        let known = self.0.keys().copied().collect::<Vec<_>>().join(", ");
        ExecutorError::Unknown { name: name.to_owned(), known }
    }
}

/// Whether a job may be stored with this executor and these settings: what a server asks at a write. As in
/// Dkron an executor that this build does not have, or a setting that is not there yet, is no reason to refuse
/// it: other nodes may have the one, an edit may bring the other, and a run says what is missing.
pub fn validate(executor: &str, config: &Words) -> Result<(), ExecutorError> {
    let validated = Executors::new(true).get(executor).and_then(|executor| executor.validate(config));
    match validated {
        Err(ExecutorError::Unknown { .. } | ExecutorError::Missing { .. }) => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_executor_is_stored_and_told_at_the_run() {
        assert_eq!(validate("shel", &Words::new()), Ok(()));
        let Err(error) = Executors::new(true).get("shel") else { panic!("there is no such executor") };
        assert_eq!(error.to_string(), "executor: unknown executor 'shel', this node has http, noop, shell");
    }

    #[test]
    fn the_benchmark_executor_is_only_there_when_asked_for() {
        assert!(Executors::new(false).get("noop").is_err());
        assert!(Executors::new(true).get("noop").is_ok());
    }

    #[test]
    fn the_trace_context_is_well_formed() {
        let task = Task {
            id: ExecutionId(0xabc << 64),
            attempt: 1,
            job_name: "tick".into(),
            nominal: Time::EPOCH,
            config: Words::new(),
        };
        assert_eq!(task.traceparent(), "00-0000000000000abc0000000000000000-0000000000000001-01");
    }
}
