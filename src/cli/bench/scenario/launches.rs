//! Launches of jobs that do nothing: what we cost, without what jobs cost.

use super::Bench;
use crate::cli::bench::load::Load;
use crate::cli::bench::report::{Figure, Goal, Section};
use dkron_core::time::Span;
use serde_json::json;

/// Jobs, each due every second.
const RATE: usize = 20_000;

pub(super) async fn run(bench: &Bench) -> anyhow::Result<Section> {
    let mut target = bench.target().await?;
    let load = Load {
        prefix: "bench-launches",
        jobs: bench.rate(RATE),
        seconds: bench.options.seconds,
        executor: "noop",
        config: json!({}),
        jitter: Span::ZERO,
    };
    let result = load.run(&mut target).await?;
    let (jobs, seconds) = (load.jobs, load.seconds);
    let mut section =
        Section::new(format!("launches: {jobs} jobs that do nothing, each every second, for {seconds} s"));
    section.push(
        Figure::new("launches, outcomes committed and in the history", result.rate(), "/s")
            .goal(Goal::AtLeast(RATE as f64))
            .ratio(bench.rates.syncs, "raw syncs"),
    );
    result.describe(&mut section);
    load.clean(&target).await?;
    Ok(section)
}
