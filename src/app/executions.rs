//! Executions: what runs, what ran, what it wrote.

use super::jobs::unknown;
use super::{App, Error, Kind};
use crate::clock;
use crate::history::{Name, Output, Page};
use crate::task;
use dkron_core::execution::{Finished, Skipped, Verdict};
use dkron_core::ids::{ExecutionId, OccurrenceRef};
use dkron_core::schedule::Zone;
use dkron_core::state::State;
use dkron_core::state::record::{Execution, Occurrence, Progress};
use dkron_core::time::Time;
use futures::stream::{self, StreamExt, TryStreamExt};
use std::sync::Arc;
use std::time::Duration;

/// Finished executions of one job that a listing shows: more than is kept by default.
const LISTED_MAX: usize = 1_000;

/// How long a listing waits for outputs that only other servers have: then their tails are shown, marked as cut.
const OUTPUTS_WAIT: Duration = Duration::from_secs(2);
/// Outputs that are read or fetched at a time.
const OUTPUTS_AT_ONCE: usize = 8;

/// An execution as clients see it.
#[derive(Clone, Debug)]
pub struct Run {
    /// Its long id.
    pub id: ExecutionId,
    /// The job's name.
    pub job_name: Arc<str>,
    /// When it began; none if it never did.
    pub started_at: Option<Time>,
    /// When it ended; none while it runs.
    pub finished_at: Option<Time>,
    /// How it ended; none while it runs.
    pub verdict: Option<Verdict>,
    /// What it wrote, or the end of that.
    pub output: Vec<u8>,
    /// How many bytes it wrote before these; they are lost, or were never kept.
    pub cut: u64,
    /// The node's name.
    pub node: Arc<str>,
    /// When its occurrence was decided: Dkron's group.
    pub decided_at: Time,
    /// Which try, from 1.
    pub attempt: u16,
}

/// A job's executions and the zone in which Dkron shows their times.
#[derive(Debug)]
pub struct Runs {
    /// Newest first.
    pub runs: Vec<Run>,
    /// The job's zone, UTC if it names none.
    pub zone: Zone,
}

impl App {
    /// The executions of a job: those that run, then those that ended, newest first.
    pub async fn executions(&self, job: &str) -> Result<Runs, Error> {
        let view = self.view().await?;
        let (slot, record) = view.state.job_named(job).ok_or_else(|| unknown(job))?;
        let uid = record.uid;
        let zone = record.rules.timing.zone.unwrap_or(Zone::utc());
        let mut runs: Vec<Run> = Vec::new();
        for (reference, found) in view.state.occurrences_of(slot) {
            runs.extend(self.running(&view.state, reference, found));
        }
        runs.reverse();
        self.history_up_to(view.state.applied()).await;
        let history = self.history.clone();
        let rows = blocking(move || history.list(uid, &Page::newest(LISTED_MAX)).rows).await?;
        let ended = self.ended(rows).await?;
        // One that ended since the state was looked at is in both.
        runs.retain(|run| ended.iter().all(|ended| ended.id != run.id));
        runs.extend(ended);
        Ok(Runs { runs, zone })
    }

    /// One execution of a job, by its long id or by Dkron's `<started ns>-<node>`.
    pub async fn execution(&self, job: &str, name: &str) -> Result<Run, Error> {
        let missing = || Error::new(Kind::NotFound, format!("execution '{name}' of job '{job}' not found"));
        let view = self.view().await?;
        let (slot, record) = view.state.job_named(job).ok_or_else(|| unknown(job))?;
        let wanted = Wanted::parse(name).ok_or_else(missing)?;
        for (reference, found) in view.state.occurrences_of(slot) {
            if let Some(run) = self.running(&view.state, reference, found).find(|run| wanted.is(run)) {
                return Ok(run);
            }
        }
        let (history, uid) = (self.history.clone(), record.uid);
        self.history_up_to(view.state.applied()).await;
        let found = blocking(move || history.get(uid, wanted.name())).await?.ok_or_else(missing)?;
        self.ended(vec![found]).await?.pop().ok_or_else(missing)
    }

    /// What runs now, the oldest start first.
    pub async fn busy(&self) -> Result<Vec<Run>, Error> {
        let view = self.view().await?;
        let mut runs: Vec<Run> = Vec::new();
        for (reference, found) in view.state.occurrences() {
            runs.extend(self.running(&view.state, reference, found));
        }
        runs.sort_by_key(|run| run.started_at);
        Ok(runs)
    }

    /// The ticks of a job that were passed over, newest first.
    pub async fn skips(&self, job: &str) -> Result<Vec<Skipped>, Error> {
        let view = self.view().await?;
        let (_, record) = view.state.job_named(job).ok_or_else(|| unknown(job))?;
        let (history, uid) = (self.history.clone(), record.uid);
        self.history_up_to(view.state.applied()).await;
        blocking(move || history.skips(uid, &Page::newest(LISTED_MAX)).rows).await
    }

    /// The executions of an open occurrence that have started.
    fn running<'a>(
        &'a self,
        state: &'a State,
        reference: OccurrenceRef,
        found: &'a Occurrence,
    ) -> impl Iterator<Item = Run> + 'a {
        found.named_executions(reference).filter_map(move |(name, execution)| {
            let Execution { progress: Progress::Started(at), attempt, node, .. } = *execution else {
                return None;
            };
            let id = found.execution_id(name.ordinal, attempt);
            let live = self.live.get(id).unwrap_or_default();
            Some(Run {
                id,
                job_name: state.job(found.job)?.name.clone(),
                started_at: Some(at),
                finished_at: None,
                verdict: None,
                output: live.bytes,
                cut: live.offset,
                node: state.node(node)?.registration.name.clone(),
                decided_at: found.decided_at,
                attempt,
            })
        })
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Error> {
    task::blocking("history", work)
        .await
        .map_err(|_| Error::new(Kind::Internal, "reading the history broke off"))
}

impl App {
    /// Finished executions with as much of their outputs as is kept anywhere.
    async fn ended(&self, rows: Vec<Finished>) -> Result<Vec<Run>, Error> {
        let limit = clock::runtime() + OUTPUTS_WAIT;
        let runs = stream::iter(rows).map(|row| async move {
            let outcome = &row.outcome;
            if outcome.output_bytes <= outcome.tail.len() as u64 {
                return Ok(ended(row, None));
            }
            let found = match self.history.has_output(row.id) {
                true => Some(self.copies.output(row.id).await),
                false => tokio::time::timeout_at(limit, self.copies.output(row.id)).await.ok(),
            };
            let kept = found.transpose()?.flatten();
            Ok(ended(row, kept))
        });
        runs.buffered(OUTPUTS_AT_ONCE).try_collect().await
    }
}

/// A finished execution with its output, or the tail of it.
fn ended(row: Finished, kept: Option<Output>) -> Run {
    let outcome = row.outcome;
    let mut output = kept.map_or_else(|| outcome.tail.to_vec(), |kept| kept.bytes);
    let cut = outcome.output_bytes.saturating_sub(output.len() as u64);
    if output.is_empty() && !outcome.error.is_empty() {
        output = outcome.error.as_bytes().to_vec();
    }
    Run {
        id: row.id,
        job_name: row.job_name,
        started_at: (outcome.started_at != Time::EPOCH).then_some(outcome.started_at),
        finished_at: Some(outcome.finished_at),
        verdict: Some(outcome.verdict),
        output,
        cut,
        node: row.node,
        decided_at: row.decided_at,
        attempt: row.execution.attempt,
    }
}

/// An execution's name as a client wrote it.
enum Wanted {
    Id(ExecutionId),
    Started(Time, String),
}

impl Wanted {
    fn parse(name: &str) -> Option<Wanted> {
        if name.len() == 32
            && let Ok(id) = u128::from_str_radix(name, 16)
        {
            return Some(Wanted::Id(ExecutionId(id)));
        }
        let split = name.get(1..)?.find('-')? + 1;
        let nanos = name[..split].parse().ok()?;
        Some(Wanted::Started(Time::from_nanos(nanos), name[split + 1..].to_owned()))
    }

    fn is(&self, run: &Run) -> bool {
        match self {
            Wanted::Id(id) => run.id == *id,
            Wanted::Started(at, node) => run.started_at == Some(*at) && *run.node == **node,
        }
    }

    fn name(&self) -> Name<'_> {
        match self {
            Wanted::Id(id) => Name::Id(*id),
            Wanted::Started(at, node) => Name::Started { at: *at, node },
        }
    }
}
