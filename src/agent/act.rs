//! Doing what the journal's rules ask for, once their records are durable.

use super::AgentError;
use super::orphans;
use super::run::Run;
use crate::clock;
use crate::executor::{Task, Work};
use dkron_core::delivery::Launch;
use dkron_core::execution::{Outcome, Verdict};
use dkron_core::ids::ExecutionId;
use dkron_core::journal::{Action, Input, Place};
use dkron_core::time::Time;
use dkron_wire::definition;
use dkron_wire::supervisor::ToSupervisor;

impl Run {
    /// Takes all actions whose records are durable, in order, as long as the journal has room for what follows
    /// from them: a call that starts makes a step of its own, and one step may have started ten thousand.
    pub(super) async fn act(&mut self) -> Result<(), AgentError> {
        let progress = self.file.progress().borrow_and_update().clone();
        if let Some(problem) = progress.failed {
            return Err(AgentError::Journal(problem));
        }
        while self.pending.front().is_some_and(|(step, _)| *step <= progress.durable) {
            let Some((step, actions)) = self.pending.pop_front() else { return Ok(()) };
            let mut actions = actions.into_iter();
            while !self.file.is_crowded()
                && let Some(action) = actions.next()
            {
                self.take(action).await;
            }
            if actions.len() > 0 {
                // The writer is behind: it will tell of progress, which brings us back.
                self.pending.push_front((step, actions.collect()));
                return Ok(());
            }
        }
        Ok(())
    }

    async fn take(&mut self, action: Action) {
        match action {
            Action::Report { id, report } => self.offer.push(id, report),
            Action::Start { launch, place, turn } => self.start(&launch, place, turn).await,
            Action::Stop { id } => self.end(id).await,
            Action::Release { id } => self.release(id).await,
            Action::Remark(remark) => tracing::warn!("{remark}"),
        }
    }

    async fn start(&mut self, launch: &Launch, place: Place, turn: u64) {
        if !self.journal.may_start(launch.id, turn) {
            return;
        }
        let refused = match (self.prepare(launch), place) {
            (Ok(Work::Process(spawn)), Place::Runner) => {
                return self.order(ToSupervisor::Spawn(*spawn)).await;
            }
            (Ok(Work::Call(call)), Place::Agent) => {
                let at = self.calls.start(launch.id, call);
                return self.step(Input::Began { id: launch.id, at, process: None });
            }
            // After a crash the journal would think wrongly of it.
            (Ok(_), _) => "it was accepted by a version that runs its executor elsewhere".to_owned(),
            (Err(error), _) => error,
        };
        self.step(Input::Ended { id: launch.id, outcome: failed(&refused) });
    }

    /// Where this will run. What cannot be prepared runs nowhere.
    pub(super) fn place(&self, launch: &Launch) -> Place {
        let job = definition::decode(&launch.definition).ok();
        let executor = job.and_then(|job| self.executors.get(&job.executor).ok());
        executor.map_or(Place::Runner, |executor| executor.place())
    }

    fn prepare(&self, launch: &Launch) -> Result<Work, String> {
        let job = definition::decode(&launch.definition).map_err(|error| error.to_string())?;
        let executor = self.executors.get(&job.executor).map_err(|error| error.to_string())?;
        let task = Task {
            id: launch.id,
            attempt: launch.execution.attempt,
            job_name: launch.job_name.clone(),
            nominal: launch.nominal,
            config: job.executor_config,
        };
        executor.prepare(&task).map_err(|error| error.to_string())
    }

    async fn end(&mut self, id: ExecutionId) {
        if let Some(outcome) = self.calls.stop(id) {
            self.step(Input::Ended { id, outcome });
        } else if let Some(pids) = self.orphans.get(&id) {
            orphans::kill(pids);
        } else {
            self.order(ToSupervisor::Stop { id }).await;
        }
    }

    async fn release(&mut self, id: ExecutionId) {
        self.offer.forget(id);
        self.order(ToSupervisor::Forget { id }).await;
        // Mostly there is none, which costs two microseconds.
        match std::fs::remove_file(self.folder.output(id)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                tracing::warn!(%id, %error, "an output cannot be removed");
            }
            _ => {}
        }
    }

    /// An order that no supervisor hears is not lost: after it is back, it tells what it knows, and the journal's
    /// rules decide anew.
    async fn order(&mut self, order: ToSupervisor) {
        if let Some(supervisor) = &self.supervisor {
            let _ = supervisor.send(order).await;
        }
    }
}

fn failed(error: &str) -> Outcome {
    Outcome {
        verdict: Verdict::Failed,
        started_at: Time::EPOCH,
        finished_at: clock::wall(),
        code: None,
        error: error.into(),
        tail: Default::default(),
        output_bytes: 0,
    }
}
