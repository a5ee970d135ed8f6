//! Launches of http jobs. The server that they call is in this process, so on the same machine.

use super::Bench;
use crate::cli::bench::load::Load;
use crate::cli::bench::report::{Figure, Goal, Section};
use crate::cli::bench::sink::Sink;
use dkron_core::time::Span;
use serde_json::json;

/// Jobs, each due every second.
const RATE: usize = 5_000;

pub(super) async fn run(bench: &Bench) -> anyhow::Result<Section> {
    let sink = Sink::start(bench.options.listen).await?;
    let mut target = bench.target().await?;
    let load = Load {
        prefix: "bench-http",
        jobs: bench.rate(RATE),
        seconds: bench.options.seconds,
        executor: "http",
        config: json!({ "method": "GET", "url": sink.url(), "timeout": "60" }),
        jitter: Span::ZERO,
    };
    let result = load.run(&mut target).await?;
    let (jobs, seconds) = (load.jobs, load.seconds);
    let mut section = Section::new(format!("http: {jobs} http jobs, each every second, for {seconds} s"));
    section.push(
        Figure::new("launches, outcomes committed and in the history", result.rate(), "/s")
            .goal(Goal::AtLeast(RATE as f64))
            .ratio(bench.rates.calls, "raw requests"),
    );
    result.describe(&mut section);
    if sink.calls() != result.succeeded + result.failed {
        section.remark(format!(
            "{} calls came for {} executions",
            sink.calls(),
            result.succeeded + result.failed
        ));
    }
    load.clean(&target).await?;
    Ok(section)
}
