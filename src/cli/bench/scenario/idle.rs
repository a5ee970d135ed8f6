//! A node with nothing to do.

use super::Bench;
use crate::cli::bench::processes;
use crate::cli::bench::report::{Figure, Goal, Section};
use crate::cli::bench::target::Target;
use rustix::process::Signal;
use std::time::Duration;

/// For how long it is watched.
const QUIET: Duration = Duration::from_secs(10);
const MEBIBYTE: f64 = (1 << 20) as f64;

pub(super) async fn run(bench: &Bench) -> anyhow::Result<Section> {
    let servers = bench.servers();
    let mut target = Target::start(&bench.folder, servers).await?;
    let own = target.own()?;
    let (used, cpu) = own.rest(QUIET).await;
    let (resident, proportional) = processes::memory(&own.pids());
    let (daemon, first) = (own.memory(), own.ready);
    let stopped = own.servers[0].end(Signal::TERM).await?;
    let again = own.servers[0].restart().await?;

    let mut section = Section::new(format!("idle: {servers} servers without jobs"));
    let millis = |time: Duration| time.as_secs_f64() * 1e3;
    section.push(Figure::new("first start: ready for writes", millis(first), "ms").goal(Goal::AtMost(300.0)));
    section.push(Figure::new("restart: ready for writes", millis(again), "ms").goal(Goal::AtMost(300.0)));
    section.push(Figure::new("SIGTERM: gone", millis(stopped), "ms"));
    section.push(
        Figure::new("memory, the largest daemon", daemon as f64 / MEBIBYTE, "MiB").goal(Goal::AtMost(25.0)),
    );
    section.push(Figure::new("memory, all daemons and supervisors", resident as f64 / MEBIBYTE, "MiB"));
    section.push(Figure::new("the same, shared pages counted once", proportional as f64 / MEBIBYTE, "MiB"));
    section.push(Figure::new("processor, of each server", cpu * 100.0, "%"));
    section.push(Figure::new(
        "written to disk in a second",
        used.written as f64 / QUIET.as_secs_f64(),
        "bytes",
    ));
    Ok(section)
}
