//! `noop`: succeeds at once, without output. For benchmarks only, so that they measure us and not processes;
//! an agent has it only when started for that.

use super::output::Output;
use super::{Answer, Executor, ExecutorError, Task, Work};
use dkron_core::execution::Verdict;
use dkron_core::job::Words;
use dkron_core::journal::Place;

pub(super) struct Noop;

impl Executor for Noop {
    fn name(&self) -> &'static str {
        "noop"
    }

    fn place(&self) -> Place {
        Place::Agent
    }

    fn validate(&self, _config: &Words) -> Result<(), ExecutorError> {
        Ok(())
    }

    fn prepare(&self, _task: &Task) -> Result<Work, ExecutorError> {
        let output = Output::default();
        let answer = Answer { verdict: Verdict::Succeeded, code: None, error: String::new(), output };
        Ok(Work::Call(Box::pin(std::future::ready(answer))))
    }
}
