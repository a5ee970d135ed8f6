//! A load: many jobs that are due together for some seconds, and what became of them.
//!
//! The jobs name their own first and last instant, so that how many ticks there are is known beforehand and
//! nothing has to be stopped. A node that cannot keep up works on afterwards until all is done: then the time
//! until that is its rate.

use super::report::{Figure, Section};
use super::target::{Spent, Target};
use crate::clock;
use anyhow::ensure;
use dkron_core::time::{Span, Time};
use serde_json::{Value, json};
use std::time::Duration;

/// Between two looks whether all is done.
const LOOK: Duration = Duration::from_millis(100);
/// How much longer than planned all may take.
const PATIENCE: f64 = 240.0;
/// Jobs whose history is compared with their counters.
const SAMPLE: usize = 50;
/// Jobs that are stored in a second, at the very least: how long before the first tick to begin.
const STORED_A_SECOND: usize = 5_000;

/// Jobs that are all due on every whole second.
pub(super) struct Load {
    /// What their names begin with.
    pub(super) prefix: &'static str,
    /// How many jobs.
    pub(super) jobs: usize,
    /// How many ticks each has.
    pub(super) seconds: u32,
    /// Their executor.
    pub(super) executor: &'static str,
    /// Its settings.
    pub(super) config: Value,
    /// Each tick is spread over this time.
    pub(super) jitter: Span,
}

/// What became of a load.
pub(super) struct Result {
    /// The first tick.
    pub(super) first: Time,
    /// Ticks there were.
    pub(super) asked: u64,
    /// Executions that ended well.
    pub(super) succeeded: u64,
    /// Executions that did not.
    pub(super) failed: u64,
    /// What one of these said.
    pub(super) complaint: Option<String>,
    /// From the first tick until all was done, but never less than the ticks themselves took.
    pub(super) seconds: f64,
    /// What the nodes used meanwhile.
    pub(super) spent: Spent,
    /// Whether the history holds what the counters say, of the jobs looked at.
    pub(super) in_history: bool,
}

impl Load {
    /// The name of one of its jobs.
    pub(super) fn name(&self, number: usize) -> String {
        format!("{}-{number:06}", self.prefix)
    }

    /// One of several servers runs it: a job without tags runs on all nodes.
    fn job(&self, number: usize, first: Time, last: Time) -> Value {
        json!({
            "tags": { "server": "true:1" },
            "name": self.name(number),
            "schedule": "@every 1s",
            "executor": self.executor,
            "executor_config": self.config,
            "starts_at": first.to_string(),
            // A job must not expire at the instant at which it starts.
            "expires_at": (last + Span::from_millis(500)).to_string(),
            "jitter": format!("{}ms", self.jitter.millis()),
            "start_deadline": "10m",
        })
    }

    /// Stores the jobs, waits for their ticks, waits until all are done.
    pub(super) async fn run(&self, target: &mut Target) -> anyhow::Result<Result> {
        let storing = Span::from_seconds((3 + self.jobs / STORED_A_SECOND) as i64);
        let first = clock::wall().floor_second() + storing;
        let last = first + Span::from_seconds(i64::from(self.seconds) - 1);
        let jobs: Vec<Value> = (0..self.jobs).map(|number| self.job(number, first, last)).collect();
        target.store(&jobs).await?;
        drop(jobs);
        ensure!(
            clock::wall() < first,
            "storing {} jobs took too long to be ready for their first tick",
            self.jobs
        );

        wait_until(first - Span::from_millis(100)).await;
        let before = target.spent().await?;
        wait_until(last + self.jitter).await;
        let asked = self.jobs as u64 * u64::from(self.seconds);
        let (succeeded, failed, over) = self.wait_for_all(target, asked, last).await?;
        let spent = target.spent().await?.since(&before);
        let in_history = self.is_in_history(target, succeeded + failed == asked).await?;
        let complaint = if failed > 0 { target.api.complaint(self.prefix).await? } else { None };
        let seconds = ((over - first).nanos() as f64 / 1e9).max(f64::from(self.seconds));
        Ok(Result { first, asked, succeeded, failed, complaint, seconds, spent, in_history })
    }

    /// Waits until nothing runs and the jobs' counters say that every tick is done, or time is up; what they
    /// say, and when the last thing was seen to run.
    async fn wait_for_all(
        &self,
        target: &Target,
        asked: u64,
        last: Time,
    ) -> anyhow::Result<(u64, u64, Time)> {
        loop {
            while target.api.busy().await? > 0 && seconds_since(last) < PATIENCE {
                tokio::time::sleep(LOOK).await;
            }
            let over = clock::wall();
            let done = target.api.done(self.prefix).await?;
            if done.succeeded + done.failed >= asked || seconds_since(last) > PATIENCE {
                return Ok((done.succeeded, done.failed, over));
            }
        }
    }

    /// Compares the history of some jobs with the number of their ticks. It keeps a hundred of each.
    async fn is_in_history(&self, target: &Target, all_done: bool) -> anyhow::Result<bool> {
        let wanted = (self.seconds as usize).min(100);
        for number in (0..self.jobs).step_by((self.jobs / SAMPLE).max(1)) {
            let kept = target.api.executions(&self.name(number)).await?.len();
            if all_done && kept < wanted {
                return Ok(false);
            }
        }
        Ok(all_done)
    }

    /// Takes the jobs away again.
    pub(super) async fn clean(&self, target: &Target) -> anyhow::Result<()> {
        target.clean((0..self.jobs).map(|number| self.name(number))).await
    }
}

impl Result {
    /// Executions a second, from the first tick until the last was done.
    pub(super) fn rate(&self) -> f64 {
        (self.succeeded + self.failed) as f64 / self.seconds
    }

    /// What each launch cost, and whatever was not as it should be.
    pub(super) fn describe(&self, section: &mut Section) {
        let launches = (self.succeeded + self.failed).max(1) as f64;
        let cpu = self.spent.usage.total().as_secs_f64();
        if cpu > 0.0 {
            section.push(Figure::new("cores in use", cpu / self.seconds, ""));
            section.push(Figure::new("processor time for each launch", cpu * 1e6 / launches, "us"));
            section.push(Figure::new(
                "written to disk for each launch",
                self.spent.usage.written as f64 / launches,
                "bytes",
            ));
            section.remark(format!("processor time by thread: {}", self.spent.usage.shares()));
        }
        for (what, name) in [("log", "log"), ("agent's journal", "journal"), ("history", "history")] {
            let bytes = self.spent.counter(&format!("dkron_{name}_bytes_total"));
            let syncs = self.spent.counter(&format!("dkron_{name}_syncs_total"));
            section.push(Figure::new(format!("{what}: bytes for each launch"), bytes / launches, "bytes"));
            section.push(Figure::new(
                format!("{what}: syncs for a thousand launches"),
                syncs * 1e3 / launches,
                "",
            ));
        }
        section.push(Figure::new(
            "log: launches for each entry",
            launches / (self.spent.entries.max(1) as f64),
            "",
        ));
        if self.failed > 0 {
            let complaint = self.complaint.as_deref().unwrap_or("the history has none of them");
            section.remark(format!("{} executions failed, as one of {complaint}", self.failed));
        }
        if self.succeeded + self.failed != self.asked {
            section.remark(format!("{} of {} ticks were done", self.succeeded + self.failed, self.asked));
        }
        if !self.in_history {
            section.remark("the history lacks executions that the counters have");
        }
    }
}

/// Sleeps until an instant of the wall clock.
pub(super) async fn wait_until(instant: Time) {
    let wait = (instant - clock::wall()).nanos();
    tokio::time::sleep(Duration::from_nanos(u64::try_from(wait).unwrap_or(0))).await;
}

fn seconds_since(instant: Time) -> f64 {
    (clock::wall() - instant).nanos() as f64 / 1e9
}
