//! Reports on their way into the log, each with what must be durable before it.

use super::Rooms;
use super::keep::KeepError;
use super::processor::{self, Processors, Subject};
use crate::raft::{self, Priority};
use dkron_core::apply::Ledger;
use dkron_core::command::{Action, Command, Event, Report};
use dkron_core::delivery::Told;
use dkron_core::execution::Outcome;
use dkron_core::ids::ExecutionId;
use dkron_core::limits::OUTPUT_TAIL_BYTES;
use futures::stream::{self, StreamExt, TryStreamExt};

/// Reports of one agent that are proposed as one command; an entry holds several.
pub(super) const REPORTS_MAX: usize = 500;

/// Outputs on their way to the histories at a time.
const KEEPS: usize = 16;

/// Why reports are not settled: they are to be told again.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unsettled {
    #[error(transparent)]
    Raft(#[from] raft::Error),
    #[error("an output is not kept: {0}")]
    Output(KeepError),
}

/// Commits reports; the ids of the executions whose outcomes are settled by that. An outcome that the state does
/// not take (a repeated or late one) is settled as well: the log has seen it.
pub(super) async fn commit(
    rooms: &Rooms,
    processors: &Processors,
    told: &[Told],
) -> Result<Vec<ExecutionId>, Unsettled> {
    let mut reports: Vec<Report> = told.iter().map(|told| told.report.clone()).collect();
    let subjects = subjects(rooms, &reports).await?;
    let mut outputs = Vec::new();
    for ((told, report), subject) in told.iter().zip(&mut reports).zip(subjects) {
        if let Event::Finished(outcome) = &mut report.event {
            outputs.extend(long_output(rooms, processors, (told.id, outcome), subject).await);
        }
    }
    let kept = stream::iter(outputs).map(|(id, bytes, cut)| (rooms.keep)(id, bytes, cut));
    kept.buffer_unordered(KEEPS).try_collect::<()>().await.map_err(Unsettled::Output)?;
    let command = Command { request: None, action: Action::Report(reports) };
    let answer = rooms.raft.propose(Priority::Report, command).await?;
    tracing::debug!(reports = told.len(), ?answer, "reports committed");
    let finished = told.iter().filter(|told| matches!(told.report.event, Event::Finished(_)));
    Ok(finished.map(|told| told.id).collect())
}

/// For each report the execution whose processors are to run, if it has any: one look for them all.
async fn subjects(rooms: &Rooms, reports: &[Report]) -> Result<Vec<Option<Subject>>, raft::Error> {
    let finished = |report: &&Report| matches!(report.event, Event::Finished(_));
    if reports.iter().filter(finished).count() == 0 {
        return Ok(vec![None; reports.len()]);
    }
    // The names are enough; the outcomes stay here.
    let named: Vec<_> = reports.iter().map(|report| finished(&report).then_some(report.execution)).collect();
    let look = move |ledger: &mut Ledger, _: &_| {
        named.into_iter().map(|name| name.and_then(|name| Subject::of(ledger, name))).collect()
    };
    rooms.raft.look(look).await
}

/// Output beyond the tail, which is to be durable before the outcome that speaks of it is in the log; where
/// processors put another in its place, the outcome speaks of that one, which it holds itself.
async fn long_output(
    rooms: &Rooms,
    processors: &Processors,
    (id, outcome): (ExecutionId, &mut Outcome),
    subject: Option<Subject>,
) -> Option<(ExecutionId, Vec<u8>, bool)> {
    let output = rooms.live.take(id);
    if let Some(subject) = subject {
        let long = outcome.output_bytes > OUTPUT_TAIL_BYTES as u64;
        let whole = output.as_ref().filter(|_| long).map(|output| output.bytes.clone());
        let whole = whole.unwrap_or_else(|| match outcome.tail.is_empty() {
            true => outcome.error.as_bytes().to_vec(),
            false => outcome.tail.to_vec(),
        });
        if let Some(text) = processors.run(subject, outcome.clone(), whole).await {
            processor::replace(outcome, &text);
            return None;
        }
    }
    let output = output.filter(|_| outcome.output_bytes > OUTPUT_TAIL_BYTES as u64)?;
    let cut = output.offset > 0 || output.end() < outcome.output_bytes;
    Some((id, output.bytes, cut))
}
