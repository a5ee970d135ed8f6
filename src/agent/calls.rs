//! Executions that run in the daemon itself: calls of executors that need no process.
//!
//! They die with the daemon; their executions are then lost, which the journal says.

use super::folder::Folder;
use crate::clock;
use crate::executor::{Answer, Call};
use crate::task;
use dkron_core::execution::{Outcome, Verdict};
use dkron_core::ids::ExecutionId;
use dkron_core::limits;
use dkron_core::time::Time;
use futures::FutureExt;
use std::collections::BTreeMap;
use std::fs;
use std::panic::AssertUnwindSafe;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Ends that may wait for the journal.
const ENDS: usize = 256;

/// The calls under way.
pub(super) struct Calls {
    folder: Folder,
    running: BTreeMap<ExecutionId, (Time, JoinHandle<()>)>,
    sender: mpsc::Sender<(ExecutionId, Outcome)>,
    /// How they ended.
    pub(super) ends: mpsc::Receiver<(ExecutionId, Outcome)>,
}

impl Calls {
    pub(super) fn new(folder: Folder) -> Calls {
        let (sender, ends) = mpsc::channel(ENDS);
        Calls { folder, running: BTreeMap::new(), sender, ends }
    }

    /// Starts a call; returns since when it runs.
    pub(super) fn start(&mut self, id: ExecutionId, call: Call) -> Time {
        let started_at = clock::wall();
        let (sender, folder) = (self.sender.clone(), self.folder.clone());
        let run = async move {
            // A call that panics must still end: nobody else would say so, and its slot would be gone.
            let answer = AssertUnwindSafe(call).catch_unwind().await.unwrap_or_else(|_| panicked());
            let finished_at = clock::wall();
            let outcome = keep(folder, id, answer, started_at, finished_at).await;
            // Fails only when the agent has ended.
            let _ = sender.send((id, outcome)).await;
        };
        self.running.insert(id, (started_at, task::spawn("call", run)));
        started_at
    }

    /// Drops a call; none if it is not one of ours.
    pub(super) fn stop(&mut self, id: ExecutionId) -> Option<Outcome> {
        let (started_at, handle) = self.running.remove(&id)?;
        handle.abort();
        Some(Outcome {
            verdict: Verdict::Cancelled,
            started_at,
            finished_at: clock::wall(),
            code: None,
            error: "cancelled".into(),
            tail: Default::default(),
            output_bytes: 0,
        })
    }

    /// A call's end was taken.
    pub(super) fn ended(&mut self, id: ExecutionId) {
        self.running.remove(&id);
    }

    /// All that are under way, since when.
    pub(super) fn running(&self) -> Vec<(ExecutionId, Time)> {
        self.running.iter().map(|(id, (at, _))| (*id, *at)).collect()
    }
}

impl Drop for Calls {
    fn drop(&mut self) {
        self.running.values().for_each(|(_, handle)| handle.abort());
    }
}

fn panicked() -> Answer {
    let error = "the executor broke off: a fault of this program, see its log".to_owned();
    Answer { verdict: Verdict::Failed, code: None, error, output: Default::default() }
}

/// Makes the outcome; output longer than the tail goes to a file, as the supervisor's does.
async fn keep(
    folder: Folder,
    id: ExecutionId,
    answer: Answer,
    started_at: Time,
    finished_at: Time,
) -> Outcome {
    let Answer { verdict, code, error, output } = answer;
    let outcome = Outcome {
        verdict,
        started_at,
        finished_at,
        code,
        error: error.into(),
        tail: output.tail().into(),
        output_bytes: output.total(),
    };
    if output.kept().len() > limits::OUTPUT_TAIL_BYTES {
        let write = move || fs::write(folder.output(id), output.kept());
        match task::blocking("keep output", write).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%id, %error, "an output is cut to its tail"),
            Err(error) => tracing::warn!(%id, %error, "an output is cut to its tail"),
        }
    }
    outcome
}
