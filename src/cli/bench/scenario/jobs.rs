//! Many jobs, hardly any of them due: what they cost in memory, in a restart, for everybody else.

use super::Bench;
use crate::cli::bench::api::Api;
use crate::cli::bench::report::{Figure, Goal, Section, percentile, sorted};
use crate::cli::bench::target::{Own, Target};
use crate::{clock, task};
use anyhow::Context;
use rustix::process::Signal;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How many, if it is not said.
const JOBS: usize = 1_000_000;
/// Jobs in one restore.
const PART: usize = 20_000;
/// Between two small writes beside the load.
const PAUSE: Duration = Duration::from_millis(20);
/// For how long servers are watched that have nothing to do.
const QUIET: Duration = Duration::from_secs(20);
/// Pages that are asked for.
const PAGES: usize = 20;
const MEBIBYTE: f64 = (1 << 20) as f64;

pub(super) async fn run(bench: &Bench) -> anyhow::Result<Section> {
    let jobs = bench.options.jobs.map_or(JOBS, |jobs| jobs as usize);
    let servers = bench.servers();
    let mut section = Section::new(format!("jobs: {jobs} jobs, {servers} servers"));
    let mut target = Target::start(&bench.folder, servers).await?;
    store(&target.api, jobs, &mut section).await?;
    let own = target.own()?;
    section.push(memory("memory, the largest daemon, all stored", own));
    section.push(Figure::new("on disk", own.servers[0].disk_bytes() as f64 / MEBIBYTE, "MiB"));
    section.push(idle(own).await);
    for (signal, what) in [(Signal::TERM, "SIGTERM"), (Signal::KILL, "SIGKILL")] {
        let stopped = own.servers[0].end(signal).await?;
        let ready = own.servers[0].restart().await?;
        section.push(Figure::new(format!("{what}: gone"), stopped.as_secs_f64(), "s"));
        let restart =
            Figure::new(format!("restart after {what}: ready for writes"), ready.as_secs_f64(), "s");
        section.push(restart.goal(Goal::AtMost(10.0)));
    }
    section.push(memory("memory, the largest daemon, one restarted", own));
    list(&target.api, jobs, &mut section).await?;
    Ok(section)
}

fn memory(what: &str, own: &mut Own) -> Figure {
    Figure::new(what, own.memory() as f64 / MEBIBYTE, "MiB").goal(Goal::AtMost(1_024.0))
}

/// The processor that servers need which have many jobs and nothing to do.
async fn idle(own: &mut Own) -> Figure {
    let (_, part) = own.rest(QUIET).await;
    Figure::new("idle: processor of each server", part * 100.0, "%").goal(Goal::AtMost(1.0))
}

/// Stores them, and meanwhile, again and again, one small job more.
async fn store(api: &Api, jobs: usize, section: &mut Section) -> anyhow::Result<()> {
    let over = Arc::new(AtomicBool::new(false));
    let beside = task::spawn("bench-writes", write_beside(api.clone(), over.clone()));
    let start = clock::monotonic();
    for from in (0..jobs).step_by(PART) {
        let part: Vec<Value> = (from..jobs.min(from + PART)).map(job).collect();
        api.restore(&part).await?;
    }
    let took = start.elapsed();
    over.store(true, Ordering::Relaxed);
    let answers = sorted(beside.await.context("the writes beside the load")??);
    section.push(Figure::new("jobs stored by restores", jobs as f64 / took.as_secs_f64(), "/s"));
    section.push(Figure::new("one small write beside them: p50", percentile(&answers, 0.5), "ms"));
    section.push(Figure::new("one small write beside them: p99", percentile(&answers, 0.99), "ms"));
    section.push(Figure::new("one small write beside them: the slowest", percentile(&answers, 1.0), "ms"));
    Ok(())
}

async fn write_beside(api: Api, over: Arc<AtomicBool>) -> anyhow::Result<Vec<f64>> {
    let mut answers = Vec::new();
    while !over.load(Ordering::Relaxed) {
        let owner = answers.len().to_string();
        let start = clock::monotonic();
        api.store(&json!({ "name": "beside", "schedule": "@manually", "executor": "noop", "owner": owner }))
            .await?;
        answers.push(start.elapsed().as_secs_f64() * 1e3);
        tokio::time::sleep(PAUSE).await;
    }
    Ok(answers)
}

/// Asks for pages of a hundred from all over the list.
async fn list(api: &Api, jobs: usize, section: &mut Section) -> anyhow::Result<()> {
    let mut answers = Vec::new();
    for page in 0..PAGES {
        let from = jobs / PAGES * page;
        let start = clock::monotonic();
        api.page(from, from + 100).await?;
        answers.push(start.elapsed().as_secs_f64() * 1e3);
    }
    let answers = sorted(answers);
    section.push(Figure::new("a page of 100 jobs: p50", percentile(&answers, 0.5), "ms"));
    Ok(())
}

/// A job as a company has many, due some night.
fn job(number: usize) -> Value {
    let schedule = format!("0 {} {} {} * *", number % 60, number / 60 % 24, number / 1_440 % 28 + 1);
    let zone = ["", "UTC", "Europe/Berlin", "America/New_York"][number % 4];
    json!({
        "name": format!("tenant-{:04}-report-{number:07}", number % 5_000),
        "schedule": schedule,
        "timezone": zone,
        "owner": format!("team-{}", number % 40),
        "executor": "shell",
        "executor_config": {
            "command": format!("/opt/reports/run --tenant {} --id {number}", number % 5_000),
            "timeout": "10m",
        },
    })
}
