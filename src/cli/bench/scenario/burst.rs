//! Many jobs due at one instant: when all are decided, when all have started.

use super::Bench;
use crate::cli::bench::load::Load;
use crate::cli::bench::report::{Figure, Section, percentile, sorted};
use dkron_core::time::{Span, Time};
use serde_json::json;

/// Jobs, due once.
const JOBS: usize = 10_000;

pub(super) async fn run(bench: &Bench) -> anyhow::Result<Section> {
    let mut target = bench.target().await?;
    let jobs = bench.options.jobs.map_or(JOBS, |jobs| jobs as usize);
    let load = Load {
        prefix: "bench-burst",
        jobs,
        seconds: 1,
        executor: "noop",
        config: json!({}),
        jitter: Span::ZERO,
    };
    let result = load.run(&mut target).await?;
    let (mut decided, mut started, mut ended) = (Vec::new(), Vec::new(), Vec::new());
    for number in 0..jobs {
        for execution in target.api.executions(&load.name(number)).await? {
            decided.push(execution.decided_at);
            started.extend(execution.started_at);
            ended.push(execution.finished_at);
        }
    }
    let mut section = Section::new(format!("burst: {jobs} jobs that do nothing, due at one instant"));
    section.push(figure("the last is decided", &decided, result.first, 1.0).goal(bench.goal(100.0, 150.0)));
    section.push(figure("the first starts", &started, result.first, 0.0));
    section.push(figure("half of them have started", &started, result.first, 0.5));
    section.push(figure("the last starts", &started, result.first, 1.0).goal(bench.goal(500.0, 1_000.0)));
    section.push(figure("the last has ended", &ended, result.first, 1.0));
    result.describe(&mut section);
    load.clean(&target).await?;
    Ok(section)
}

/// How long after the instant this part of them was so far.
fn figure(what: &str, times: &[Time], first: Time, part: f64) -> Figure {
    let millis = sorted(times.iter().map(|time| (*time - first).nanos() as f64 / 1e6));
    Figure::new(what, percentile(&millis, part), "ms")
}
