//! Launches of shell jobs, beside what the machine starts and reaps without us.

use super::Bench;
use crate::cli::bench::load::Load;
use crate::cli::bench::report::{Figure, Goal, Section};
use dkron_core::time::Span;
use serde_json::json;

/// What part of the raw rate is wanted.
const PART: f64 = 0.75;

/// As many are asked for as the machine could do at best, so that what is done is all that can be done.
pub(super) async fn run(bench: &Bench) -> anyhow::Result<Section> {
    let mut target = bench.target().await?;
    let load = Load {
        prefix: "bench-shell",
        jobs: bench.rate(bench.rates.spawns.ceil() as usize),
        seconds: bench.options.seconds,
        executor: "shell",
        config: json!({ "shell": "true", "command": "true" }),
        jitter: Span::ZERO,
    };
    let result = load.run(&mut target).await?;
    let (jobs, seconds) = (load.jobs, load.seconds);
    let mut section = Section::new(format!("shell: {jobs} shell jobs, each every second, for {seconds} s"));
    section.push(
        Figure::new("launches of sh -c true, outcomes committed", result.rate(), "/s")
            .goal(Goal::AtLeast(bench.rates.spawns * PART))
            .ratio(bench.rates.spawns, "raw spawns"),
    );
    result.describe(&mut section);
    load.clean(&target).await?;
    Ok(section)
}
