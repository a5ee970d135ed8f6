//! The comparison, job by job.

use super::ticks::{Stretch, explains, seen};
use super::{Finding, Kind, Promise, Report, Run, Skip};
use crate::job::{Concurrency, JobError};
use crate::schedule::Zone;
use crate::time::{Span, Time};
use std::collections::{BTreeMap, BTreeSet};

/// Holds the runs against the promise.
///
/// # Errors
/// [`JobError`] for a definition whose schedule or zone cannot be read.
pub fn check(promise: &Promise, runs: &[Run]) -> Result<Report, JobError> {
    let mut by_job: BTreeMap<&str, JobCheck<'_>> = BTreeMap::new();
    let nodes = promise.nodes.unwrap_or_else(|| ledgers(runs));
    for run in runs {
        by_job.entry(&run.job).or_insert_with(|| JobCheck::new(promise, &run.job, nodes)).runs.push(run);
    }
    for watched in &promise.jobs {
        let name = watched.job.name.as_str();
        by_job.entry(name).or_insert_with(|| JobCheck::new(promise, name, nodes));
    }
    for skip in promise.skips.iter().flatten() {
        if let Some(job) = by_job.get_mut(skip.job.as_str()) {
            job.skips.push(skip);
        }
    }
    let mut report = Report { runs: runs.len() as u64, ..Report::default() };
    report.unfinished = runs.iter().filter(|run| run.ended.is_none()).count() as u64;
    for mut job in by_job.into_values() {
        job.define()?;
        job.check(&mut report);
    }
    report.findings.sort_by(|one, other| {
        (&one.job, one.from, one.kind, &one.execution).cmp(&(
            &other.job,
            other.from,
            other.kind,
            &other.execution,
        ))
    });
    Ok(report)
}

/// How many ledgers there are: one for each node.
fn ledgers(runs: &[Run]) -> u32 {
    let nodes: BTreeSet<&str> = runs.iter().map(|run| run.node.as_str()).collect();
    u32::try_from(nodes.len()).unwrap_or(u32::MAX).max(1)
}

struct JobCheck<'a> {
    promise: &'a Promise,
    name: &'a str,
    nodes: u32,
    runs: Vec<&'a Run>,
    skips: Vec<&'a Skip>,
    stretches: Vec<Stretch>,
}

impl<'a> JobCheck<'a> {
    fn new(promise: &'a Promise, name: &'a str, nodes: u32) -> JobCheck<'a> {
        JobCheck { promise, name, nodes, runs: Vec::new(), skips: Vec::new(), stretches: Vec::new() }
    }

    fn zone(&self) -> &'a Zone {
        &self.promise.default_zone
    }

    /// Reads the job's definitions; needs its runs and skips, which may tell where `@every` counts from.
    fn define(&mut self) -> Result<(), JobError> {
        let seen = seen(&self.runs, &self.skips);
        for watched in self.promise.jobs.iter().filter(|watched| watched.job.name == self.name) {
            self.stretches.extend(Stretch::all(watched, &seen, self.zone())?);
        }
        Ok(())
    }

    fn check(&mut self, report: &mut Report) {
        self.runs.sort_by_key(|run| (run.started_at, run.scheduled_at));
        self.check_ticks(report);
        self.check_doubled(report);
        self.check_times(report);
        self.check_overlap(report);
        self.check_explained(report);
    }

    /// Every tick that must run did, or a skip record says by which policy not.
    fn check_ticks(&self, report: &mut Report) {
        let ran: BTreeSet<Time> = self.runs.iter().map(|run| run.scheduled_at).collect();
        for stretch in &self.stretches {
            let mut gap: Option<Finding> = None;
            for tick in stretch.must_run(self.zone()) {
                report.ticks += 1;
                let missing = match ran.contains(&tick) {
                    true => None,
                    false => self.missing(tick, stretch, report),
                };
                match (&mut gap, missing) {
                    (Some(gap), Some(more)) if gap.kind == more.kind && gap.detail == more.detail => {
                        gap.to = tick;
                        gap.count += 1;
                    }
                    (_, missing) => report.findings.extend(std::mem::replace(&mut gap, missing)),
                }
            }
            report.findings.extend(gap);
        }
    }

    fn missing(&self, tick: Time, stretch: &Stretch, report: &mut Report) -> Option<Finding> {
        let concurrency = stretch.rules().policy.concurrency;
        let skip = self.skips.iter().find(|skip| skip.from <= tick && tick <= skip.to);
        let (kind, detail) = match (skip, &self.promise.skips) {
            (Some(skip), _) if explains(skip, concurrency) => {
                report.skipped += 1;
                return None;
            }
            (Some(skip), _) => (Kind::Missed, format!("the scheduler says: {}", skip.reason)),
            (None, Some(_)) => (Kind::Silent, "no run and no skip record".to_owned()),
            (None, None) => (Kind::Missed, "no run; skip records were not looked at".to_owned()),
        };
        Some(self.finding(kind, tick, None, detail))
    }

    /// No execution starts twice, and no tick has more executions than it may have nodes.
    fn check_doubled(&self, report: &mut Report) {
        let mut starts: BTreeMap<(&str, u16), Vec<&Run>> = BTreeMap::new();
        let mut executions: BTreeMap<(Time, u16), BTreeSet<&str>> = BTreeMap::new();
        for run in &self.runs {
            starts.entry((&run.execution, run.attempt)).or_default().push(run);
            executions.entry((run.scheduled_at, run.attempt)).or_default().insert(&run.execution);
        }
        for runs in starts.values().filter(|runs| runs.len() > 1) {
            let nodes: Vec<&str> = runs.iter().map(|run| run.node.as_str()).collect();
            let detail = format!("started {} times, on {}", runs.len(), nodes.join(", "));
            report.findings.push(self.finding(Kind::Doubled, runs[0].scheduled_at, Some(runs[0]), detail));
        }
        for ((tick, attempt), executions) in executions {
            let allowed = self.executions_allowed(tick);
            if executions.len() as u64 > u64::from(allowed) {
                let names: Vec<&str> = executions.into_iter().collect();
                let detail = format!(
                    "{} executions of attempt {attempt} where {allowed} may be: {}",
                    names.len(),
                    names.join(", ")
                );
                report.findings.push(self.finding(Kind::Doubled, tick, None, detail));
            }
        }
    }

    /// How many executions a tick may have: the job's count, at most the nodes there are. What no schedule starts has
    /// the time of the entry that started it, and one entry may end two runs of a parent.
    fn executions_allowed(&self, tick: Time) -> u32 {
        let counts = self.stretches.iter().filter(|stretch| stretch.covers(tick));
        if counts.clone().any(|stretch| !stretch.is_scheduled()) {
            return u32::MAX;
        }
        let counts = counts.map(|stretch| stretch.rules().selector.count.unwrap_or(self.nodes));
        counts.max().unwrap_or(self.nodes).min(self.nodes).max(1)
    }

    /// No start before its nominal time, no first attempt of a tick long after it.
    fn check_times(&self, report: &mut Report) {
        for run in &self.runs {
            let delay = run.started_at - run.scheduled_at;
            if delay < Span::from_nanos(-self.promise.skew.nanos()) {
                let detail = format!("started {} ms before its time", -delay.millis());
                report.findings.push(self.finding(Kind::Early, run.scheduled_at, Some(run), detail));
            }
            let Some(stretch) = self.stretches.iter().find(|one| one.may_run(run.scheduled_at, self.zone()))
            else {
                continue;
            };
            let waits =
                matches!(stretch.rules().policy.concurrency, Concurrency::Queue | Concurrency::Replace);
            let allowed = Span::from_nanos(
                self.promise.late.nanos().saturating_add(stretch.rules().timing.jitter.nanos()),
            );
            if run.attempt == 1 && !waits && delay > allowed {
                let detail =
                    format!("started {} ms late, {} ms are allowed", delay.millis(), allowed.millis());
                report.findings.push(self.finding(Kind::Late, run.scheduled_at, Some(run), detail));
            }
        }
    }

    /// No two runs at a time of a job that must not overlap itself. A run without an end counts as ended
    /// at its start: nobody knows.
    fn check_overlap(&self, report: &mut Report) {
        let allows = |run: &Run| {
            let mut known = self.stretches.iter().filter(|stretch| stretch.covers(run.scheduled_at));
            known.all(|stretch| stretch.rules().policy.concurrency == Concurrency::Allow)
        };
        let mut last: Option<(Time, &Run)> = None;
        for run in self.runs.iter().filter(|run| !allows(run)) {
            if let Some((end, earlier)) = last {
                let siblings = earlier.scheduled_at == run.scheduled_at
                    && (earlier.attempt == run.attempt || self.executions_allowed(run.scheduled_at) > 1);
                if end - run.started_at > self.promise.skew && !siblings {
                    let detail = format!(
                        "started while {} of {} was running, for {} ms more",
                        earlier.execution,
                        earlier.scheduled_at,
                        (end - run.started_at).millis()
                    );
                    report.findings.push(self.finding(Kind::Overlap, run.scheduled_at, Some(run), detail));
                }
            }
            let end = run.ended.map_or(run.started_at, |(end, _)| end);
            if last.is_none_or(|(latest, _)| end > latest) {
                last = Some((end, run));
            }
        }
    }

    /// Every run is of a tick that may run, and of none that the scheduler says it passed over.
    fn check_explained(&self, report: &mut Report) {
        for run in &self.runs {
            let tick = run.scheduled_at;
            let followed = self.stretches.iter().any(Stretch::is_scheduled);
            let ticks = self.stretches.iter().any(|stretch| stretch.may_run(tick, self.zone()));
            let detail = if self.stretches.is_empty() {
                "the definitions have no such job".to_owned()
            } else if followed && !ticks && !self.promise.unscheduled {
                "its schedule has no such tick at the time".to_owned()
            } else if let Some(skip) =
                self.skips.iter().find(|skip| ticks && skip.from <= tick && tick <= skip.to)
            {
                format!("ran, though the scheduler says: {}", skip.reason)
            } else {
                continue;
            };
            report.findings.push(self.finding(Kind::Unexpected, tick, Some(run), detail));
        }
    }

    fn finding(&self, kind: Kind, tick: Time, run: Option<&Run>, detail: String) -> Finding {
        let execution = run.map(|run| run.execution.clone());
        Finding { kind, job: self.name.to_owned(), from: tick, to: tick, count: 1, execution, detail }
    }
}
