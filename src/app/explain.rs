//! Why a job did or did not run: the core's reasons over the state and what the history has on the instant.

use super::executions::Run;
use super::jobs::unknown;
use super::{App, Error};
use dkron_core::execution::Skipped;
use dkron_core::explain::{self, Evidence, Explanation, Question};
use dkron_core::schedule::ZoneData;
use dkron_core::time::Time;
use std::sync::Arc;

/// Rows of one job's history that are looked at: more than are kept by default.
const ROWS_MAX: usize = 10_000;

/// What is told.
#[derive(Debug)]
pub struct Explained {
    /// The job's name.
    pub job: Arc<str>,
    /// The time by which it was looked at.
    pub now: Time,
    /// The instant that was asked about.
    pub at: Option<Time>,
    /// The core's answer.
    pub explanation: Explanation,
    /// The executions that are open, as clients see them.
    pub open: Vec<Run>,
    /// Those that ended, with an instant: of its occurrence.
    pub ran: Vec<Run>,
    /// The skip records in which the instant lies.
    pub skipped: Vec<Skipped>,
    /// Whether rows may be lost that would say more.
    pub gaps: bool,
}

impl App {
    /// Why a job ran or did not run at an instant, or how it stands now and what comes next.
    pub async fn explain(&self, job: &str, at: Option<Time>) -> Result<Explained, Error> {
        let view = self.view().await?;
        let (slot, record) = view.state.job_named(job).ok_or_else(|| unknown(job))?;
        let evidence = match at {
            Some(at) => {
                self.history_up_to(view.state.applied()).await;
                self.evidence(record.uid, at).await?
            }
            None => Evidence::default(),
        };
        let now = self.now();
        let question = Question { state: &view.state, job: slot, data: ZoneData::bundled(), now, at };
        let explanation = explain::explain(question, &evidence).ok_or_else(|| unknown(job))?;
        let open = explanation.open.iter().filter_map(|open| self.open_run(&view.state, open)).collect();
        let Evidence { ran, skipped, gaps } = evidence;
        let ran = ran.into_iter().map(Run::from).collect();
        Ok(Explained { job: record.name.clone(), now, at, explanation, open, ran, skipped, gaps })
    }

    async fn evidence(&self, job: dkron_core::ids::JobUid, at: Time) -> Result<Evidence, Error> {
        let (mut ran, mut skipped) = self.history_of(job, ROWS_MAX).await?;
        let second = at.floor_second();
        ran.retain(|run| run.nominal.floor_second() == second);
        skipped.retain(|skip| skip.from.floor_second() <= second && second <= skip.to);
        Ok(Evidence { ran, skipped, gaps: self.lost().is_some() })
    }
}
