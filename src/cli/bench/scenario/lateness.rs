//! How late jobs start: with their phases spread over the second, and all on the whole second.
//!
//! An execution says when it started on its agent's clock, not what it was due at. But a job's ticks follow
//! one another second by second and none is decided before it is due: so its decisions, in order, are its
//! ticks, in order, and the last second that suits all of them suits exactly. The delay by jitter is computed
//! as the node computes it, from the job's uid.

use super::Bench;
use crate::cli::bench::api::Execution;
use crate::cli::bench::load::Load;
use crate::cli::bench::report::{Figure, Section, percentile, sorted};
use crate::cli::bench::target::Target;
use dkron_core::ids::JobUid;
use dkron_core::rules::jitter_of;
use dkron_core::time::{Span, Time};
use serde_json::json;
use std::collections::BTreeMap;

/// Jobs, each due every second.
const RATE: usize = 1_000;

/// Milliseconds from when it was due to when it started, by the second in which it was due.
type Lateness = BTreeMap<i64, Vec<f64>>;

pub(super) async fn run(bench: &Bench) -> anyhow::Result<Section> {
    let (jobs, seconds) = (bench.rate(RATE), bench.options.seconds);
    let mut section =
        Section::new(format!("lateness: {jobs} jobs that do nothing, each every second, for {seconds} s"));
    let spread = measure(bench, "bench-spread", Span::from_seconds(1), &mut section).await?;
    let all = sorted(spread.into_values().flatten());
    section.push(
        Figure::new("spread over the second: p50", percentile(&all, 0.5), "ms").goal(bench.goal(2.0, 3.0)),
    );
    section.push(
        Figure::new("spread over the second: p99", percentile(&all, 0.99), "ms").goal(bench.goal(15.0, 20.0)),
    );
    section.push(Figure::new("spread over the second: the last", percentile(&all, 1.0), "ms"));

    let whole = measure(bench, "bench-whole", Span::ZERO, &mut section).await?;
    let lasts = sorted(whole.values().map(|second| second.iter().copied().fold(0.0, f64::max)));
    let all = sorted(whole.into_values().flatten());
    section.push(Figure::new("all on the whole second: p50", percentile(&all, 0.5), "ms"));
    let last =
        Figure::new("all on the whole second: the last, in most seconds", percentile(&lasts, 0.5), "ms");
    section.push(last.goal(bench.goal(100.0, 150.0)));
    section.push(Figure::new("all on the whole second: the last of all", percentile(&lasts, 1.0), "ms"));
    Ok(section)
}

async fn measure(
    bench: &Bench,
    prefix: &'static str,
    jitter: Span,
    section: &mut Section,
) -> anyhow::Result<Lateness> {
    let mut target = bench.target().await?;
    let (jobs, seconds) = (bench.rate(RATE), bench.options.seconds);
    let load = Load { prefix, jobs, seconds, executor: "noop", config: json!({}), jitter };
    let result = load.run(&mut target).await?;
    if result.succeeded != result.asked {
        section.remark(format!("{prefix}: {} of {} ticks were done well", result.succeeded, result.asked));
    }
    let lateness = lateness(&target, &load, jitter).await?;
    load.clean(&target).await?;
    Ok(lateness)
}

async fn lateness(target: &Target, load: &Load, jitter: Span) -> anyhow::Result<Lateness> {
    let mut lateness = Lateness::new();
    for number in 0..load.jobs {
        let name = load.name(number);
        let mut executions = target.api.executions(&name).await?;
        executions.sort_by_key(|execution| execution.decided_at);
        let uid = target.api.uid(&name).await?;
        let due = |nominal: Time| nominal + jitter_of(uid, nominal, jitter);
        let Some(first) = first_tick(uid, &executions, jitter) else { continue };
        for (place, execution) in executions.iter().enumerate() {
            let nominal = first + Span::from_seconds(place as i64);
            let Some(started_at) = execution.started_at else { continue };
            let late = (started_at - due(nominal)).nanos() as f64 / 1e6;
            lateness.entry(nominal.seconds()).or_default().push(late);
        }
    }
    Ok(lateness)
}

/// The last second that can have been the first tick, so that no tick was decided before it was due.
fn first_tick(uid: JobUid, executions: &[Execution], jitter: Span) -> Option<Time> {
    let latest = executions.first()?.decided_at.floor_second();
    let suits = |first: &Time| {
        executions.iter().enumerate().all(|(place, execution)| {
            let nominal = *first + Span::from_seconds(place as i64);
            nominal + jitter_of(uid, nominal, jitter) <= execution.decided_at
        })
    };
    (0..60).map(|back| latest - Span::from_seconds(back)).find(suits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_tick_is_found_under_jitter() {
        let (uid, jitter, first) = (JobUid(7), Span::from_seconds(1), Time::from_seconds(1_800_000_000));
        let execution = |second: i64| {
            let nominal = first + Span::from_seconds(second);
            let decided_at = nominal + jitter_of(uid, nominal, jitter) + Span::from_millis(3);
            Execution { decided_at, started_at: Some(decided_at), finished_at: decided_at }
        };
        let executions: Vec<Execution> = (0..20).map(execution).collect();
        assert_eq!(first_tick(uid, &executions, jitter), Some(first));
        assert_eq!(first_tick(uid, &[], jitter), None);
    }
}
