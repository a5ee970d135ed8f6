//! Executions: what runs, what ran, what it wrote.

mod across;
mod cancel;
mod status;

pub use across::{Found, Place, Sought};
pub use cancel::Cancelled;
pub use status::{Status, WORDS};

use super::jobs::unknown;
use super::{App, Error, Kind};
use crate::clock;
use crate::history::{Name, Output, Page};
use crate::task;
use dkron_core::execution::{Finished, Skipped};
use dkron_core::ids::{ExecutionId, ExecutionRef, Origin};
use dkron_core::open::{self, Open, Standing};
use dkron_core::schedule::Zone;
use dkron_core::state::State;
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
    /// Its small name.
    pub name: ExecutionRef,
    /// The job's name.
    pub job_name: Arc<str>,
    /// When it began; none if it never did.
    pub started_at: Option<Time>,
    /// When it ended; none while it runs.
    pub finished_at: Option<Time>,
    /// How it stands or ended.
    pub status: Status,
    /// Why it ran.
    pub origin: Origin,
    /// Its nominal time.
    pub nominal: Time,
    /// The process's exit status or the response's status code, where there was one.
    pub code: Option<i32>,
    /// What went wrong, in one line; empty if nothing did.
    pub error: Arc<str>,
    /// What it wrote, or the end of that.
    pub output: Vec<u8>,
    /// How many bytes it wrote in all.
    pub output_bytes: u64,
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
    /// Where a listing by pages goes on, if there is more.
    pub next: Option<Place>,
    /// Rows of the entries up to this one may be lost, if any are.
    pub lost_up_to: Option<u64>,
}

impl App {
    /// The executions of a job: those that run, then those that ended, newest first.
    pub async fn executions(&self, job: &str) -> Result<Runs, Error> {
        let view = self.view().await?;
        let (slot, record) = view.state.job_named(job).ok_or_else(|| unknown(job))?;
        let uid = record.uid;
        let zone = record.rules.timing.zone.unwrap_or(Zone::utc());
        let mut runs: Vec<Run> = self.running(&view.state, open::of_job(&view.state, slot)).collect();
        runs.reverse();
        self.history_up_to(view.state.applied()).await;
        let history = self.history.clone();
        let rows = blocking(move || history.list(uid, &Page::newest(LISTED_MAX)).rows).await?;
        let ended = self.ended(rows).await?;
        // One that ended since the state was looked at is in both.
        runs.retain(|run| ended.iter().all(|ended| ended.id != run.id));
        runs.extend(ended);
        Ok(Runs { runs, zone, next: None, lost_up_to: self.lost() })
    }

    /// One execution of a job, by its long id or by Dkron's `<started ns>-<node>`.
    pub async fn execution(&self, job: &str, name: &str) -> Result<Run, Error> {
        let missing = || Error::new(Kind::NotFound, format!("execution '{name}' of job '{job}' not found"));
        let view = self.view().await?;
        let (slot, record) = view.state.job_named(job).ok_or_else(|| unknown(job))?;
        let wanted = Wanted::parse(name).ok_or_else(missing)?;
        let running = self.running(&view.state, open::of_job(&view.state, slot)).find(|run| wanted.is(run));
        if let Some(run) = running {
            return Ok(run);
        }
        let (history, uid) = (self.history.clone(), record.uid);
        self.history_up_to(view.state.applied()).await;
        let found = blocking(move || history.get(uid, wanted.name())).await?.ok_or_else(missing)?;
        self.ended(vec![found]).await?.pop().ok_or_else(missing)
    }

    /// What runs now, the oldest start first.
    pub async fn busy(&self) -> Result<Vec<Run>, Error> {
        let view = self.view().await?;
        let mut runs: Vec<Run> = self.running(&view.state, open::all(&view.state)).collect();
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

    /// Those of them that have started.
    fn running<'a>(
        &'a self,
        state: &'a State,
        open: impl Iterator<Item = Open> + 'a,
    ) -> impl Iterator<Item = Run> + 'a {
        let started = open.filter(|open| matches!(open.standing, Standing::Running(_)));
        started.filter_map(|open| self.open_run(state, &open))
    }

    /// An execution that is not over.
    pub(super) fn open_run(&self, state: &State, open: &Open) -> Option<Run> {
        let started_at = match open.standing {
            Standing::Running(at) => Some(at),
            _ => None,
        };
        let live = started_at.and_then(|_| self.live.get(open.id)).unwrap_or_default();
        let node = open.node.and_then(|node| state.node(node));
        Some(Run {
            id: open.id,
            name: open.name,
            job_name: state.job(open.job)?.name.clone(),
            started_at,
            finished_at: None,
            status: Status::of(open.standing),
            origin: open.origin,
            nominal: open.nominal,
            code: None,
            error: "".into(),
            output_bytes: live.offset + live.bytes.len() as u64,
            output: live.bytes,
            cut: live.offset,
            node: node.map(|node| node.registration.name.clone()).unwrap_or_default(),
            decided_at: open.decided_at,
            attempt: open.name.attempt,
        })
    }

    /// Up to which entry rows of this server's history may be lost, if any are.
    pub(super) fn lost(&self) -> Option<u64> {
        Some(self.history.certain_after()).filter(|index| *index > 0)
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
        self.whole(rows.into_iter().map(Run::from).collect()).await
    }

    /// The same executions, those that ended with as much of their outputs as is kept anywhere.
    async fn whole(&self, runs: Vec<Run>) -> Result<Vec<Run>, Error> {
        let limit = clock::runtime() + OUTPUTS_WAIT;
        let runs = stream::iter(runs).map(|run| async move {
            if run.finished_at.is_none() || run.cut == 0 {
                return Ok(run);
            }
            let found = match self.history.has_output(run.id) {
                true => Some(self.copies.output(run.id).await),
                false => tokio::time::timeout_at(limit, self.copies.output(run.id)).await.ok(),
            };
            let kept = found.transpose()?.flatten();
            Ok(match kept {
                Some(kept) => run.with_output(kept),
                None => run,
            })
        });
        runs.buffered(OUTPUTS_AT_ONCE).try_collect().await
    }
}

impl Run {
    fn with_output(mut self, kept: Output) -> Run {
        if !kept.bytes.is_empty() {
            self.cut = self.output_bytes.saturating_sub(kept.bytes.len() as u64);
            self.output = kept.bytes;
        }
        self
    }
}

/// With the tail of its output.
impl From<Finished> for Run {
    fn from(row: Finished) -> Run {
        let outcome = row.outcome;
        let cut = outcome.output_bytes.saturating_sub(outcome.tail.len() as u64);
        let output = match outcome.tail.is_empty() {
            true => outcome.error.as_bytes().to_vec(),
            false => outcome.tail.to_vec(),
        };
        Run {
            id: row.id,
            name: row.execution,
            job_name: row.job_name,
            started_at: (outcome.started_at != Time::EPOCH).then_some(outcome.started_at),
            finished_at: Some(outcome.finished_at),
            status: Status::Ended(outcome.verdict),
            origin: row.origin,
            nominal: row.nominal,
            code: outcome.code,
            error: outcome.error,
            output,
            output_bytes: outcome.output_bytes,
            cut,
            node: row.node,
            decided_at: row.decided_at,
            attempt: row.execution.attempt,
        }
    }
}

/// An execution's name as a client wrote it.
#[derive(Clone)]
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
