//! How late jobs start when their leader is killed: measured at the server that they call.
//!
//! Jobs whose phases are spread over the second run on an agent that nothing happens to, so that some tick is
//! due at every moment of the outage. What is killed is the leader's daemon, with SIGKILL, at moments all over
//! the second; it is started again, and the next kill waits until the cluster says that every server is well.

use super::Bench;
use crate::cli::bench::api::Api;
use crate::cli::bench::load::wait_until;
use crate::cli::bench::node::Node;
use crate::cli::bench::report::{Figure, Goal, Section, percentile, sorted};
use crate::cli::bench::sink::{Call, Sink};
use crate::cli::bench::target::{Own, Target};
use crate::clock;
use anyhow::{Context, ensure};
use dkron_core::ids::JobUid;
use dkron_core::rules::jitter_of;
use dkron_core::time::{Span, Time};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Servers, if it is not said.
const SERVERS: usize = 3;
/// Jobs, each due every second.
const JOBS: usize = 100;
/// A tick is due at any moment of a second.
const JITTER: Span = Span::from_seconds(1);
/// Between two looks whether all servers are well.
const LOOK: Duration = Duration::from_millis(50);
/// How long they may take for that.
const WELL: Duration = Duration::from_secs(60);
/// How long after a kill its ticks are counted: several elections.
const AFTERMATH: Span = Span::from_seconds(3);
/// Between one kill and the next the moment within the second moves by this: all over it in fifty kills.
const STEP: Span = Span::from_millis(370);

pub(super) async fn run(bench: &Bench) -> anyhow::Result<Section> {
    let sink = Sink::noting(bench.options.listen).await?;
    let servers = bench.options.servers.map_or(SERVERS, usize::from);
    ensure!(servers >= 3, "--servers {servers}: failover needs three servers or more");
    let mut target = Target::start(&bench.folder, servers).await?;
    let own = target.own()?;
    let _agent = Node::start(own.place.agent("bench=agent", &own.setups[0])?)?;
    let begin = clock::wall().floor_second() + Span::from_seconds(5);
    let jobs: Vec<Value> = (0..JOBS).map(|number| job(number, begin, &sink)).collect();
    target.store(&jobs).await?;
    let mut uids = BTreeMap::new();
    for number in 0..JOBS {
        uids.insert(name(number), target.api.uid(&name(number)).await?);
    }
    wait_until(begin + Span::from_seconds(2)).await;
    let mut kills = Vec::new();
    for number in 0..bench.options.kills {
        let api = target.api.clone();
        kills.push(kill(&api, target.own()?, number).await.with_context(|| format!("kill {}", number + 1))?);
    }
    let end = clock::wall().floor_second();
    wait_until(end + AFTERMATH).await;
    let mut section =
        Section::new(format!("failover: {} kills of the leader of {servers} servers", kills.len()));
    describe(&starts(&sink.noted(), &uids), &kills, (begin, end), &mut section);
    Ok(section)
}

fn name(number: usize) -> String {
    format!("bench-failover-{number:03}")
}

fn job(number: usize, begin: Time, sink: &Sink) -> Value {
    json!({
        "name": name(number),
        "schedule": "@every 1s",
        "starts_at": begin.to_string(),
        "jitter": format!("{}ms", JITTER.millis()),
        "tags": { "bench": "agent:1" },
        "executor": "http",
        "executor_config": { "method": "GET", "url": sink.url(), "timeout": "60" },
    })
}

/// Kills the leader once all are well, and starts it again; when it was killed.
async fn kill(api: &Api, own: &mut Own, number: u32) -> anyhow::Result<Time> {
    wait_until_well(api).await?;
    let moment = Span::from_nanos(STEP.nanos() * i64::from(number) % JITTER.nanos());
    wait_until(clock::wall().floor_second() + Span::from_seconds(1) + moment).await;
    let leader = api.leader().await?;
    let server = own.servers.iter_mut().find(|server| server.name() == leader);
    let server = server.with_context(|| format!("the leader {leader} is none of ours"))?;
    let killed_at = clock::wall();
    server.end(Signal::KILL).await?;
    wait_until(killed_at + AFTERMATH).await;
    server.restart().await?;
    Ok(killed_at)
}

async fn wait_until_well(api: &Api) -> anyhow::Result<()> {
    let start = clock::monotonic();
    while !api.is_healthy().await {
        ensure!(start.elapsed() < WELL, "the servers are not all well after {WELL:?}");
        tokio::time::sleep(LOOK).await;
    }
    Ok(())
}

/// A start of a job, as the called one saw it.
#[derive(Clone, Debug)]
struct Start {
    job: String,
    nominal: Time,
    /// When it was due, jitter included.
    due: Time,
    at: Time,
}

fn starts(calls: &[Call], uids: &BTreeMap<String, JobUid>) -> Vec<Start> {
    let start = |call: &Call| {
        let due = call.nominal + jitter_of(*uids.get(&call.job)?, call.nominal, JITTER);
        Some(Start { job: call.job.clone(), nominal: call.nominal, due, at: call.at })
    };
    calls.iter().filter_map(start).collect()
}

fn describe(starts: &[Start], kills: &[Time], (begin, end): (Time, Time), section: &mut Section) {
    let latest = sorted(kills.iter().map(|kill| latest_after(starts, *kill)));
    section.push(
        Figure::new("the latest start after a kill: p50", percentile(&latest, 0.5), "ms")
            .goal(Goal::AtMost(700.0)),
    );
    section.push(
        Figure::new("the latest start after a kill: p99", percentile(&latest, 0.99), "ms")
            .goal(Goal::AtMost(1_000.0)),
    );
    let wanted = JOBS * usize::try_from((end - begin).seconds()).unwrap_or(0);
    let within = |start: &&Start| start.nominal >= begin && start.nominal < end;
    let ticks: BTreeSet<(&str, Time)> =
        starts.iter().filter(within).map(|start| (start.job.as_str(), start.nominal)).collect();
    let started = starts.iter().filter(within).count();
    let early = starts.iter().filter(|start| start.at < start.due).count();
    section.push(Figure::new("ticks", wanted as f64, ""));
    for (what, count) in
        [("missed", wanted.saturating_sub(ticks.len())), ("doubled", started - ticks.len()), ("early", early)]
    {
        section.push(Figure::new(format!("ticks {what}"), count as f64, "").goal(Goal::AtMost(0.0)));
    }
}

/// By how much the latest start was late that was due just before a kill or in its aftermath, in milliseconds.
fn latest_after(starts: &[Start], kill: Time) -> f64 {
    let concerned = starts
        .iter()
        .filter(|start| start.due > kill - Span::from_seconds(1) && start.due < kill + AFTERMATH);
    concerned.map(|start| (start.at - start.due).nanos() as f64 / 1e6).fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start(second: i64, late_ms: i64) -> Start {
        let due = Time::from_seconds(1_800_000_000 + second);
        Start { job: "a".to_owned(), nominal: due, due, at: due + Span::from_millis(late_ms) }
    }

    #[test]
    fn the_latest_start_is_that_of_its_own_kill() {
        let starts = [start(1, 5), start(10, 600), start(11, 40), start(30, 900)];
        let kill = Time::from_seconds(1_800_000_010) - Span::from_millis(10);
        assert_eq!(latest_after(&starts, kill), 600.0);
    }

    #[test]
    fn missed_doubled_and_early_ticks_are_counted() {
        let (begin, end) = (Time::from_seconds(1_800_000_000), Time::from_seconds(1_800_000_003));
        let mut section = Section::new("failover");
        describe(&[start(0, 5), start(0, 9), start(2, -4)], &[], (begin, end), &mut section);
        let text = format!("{:?}", section.figures);
        for (what, count) in [("missed", 3 * JOBS - 2), ("doubled", 1), ("early", 1)] {
            assert!(text.contains(&format!("name: \"ticks {what}\", value: {count}.0")), "{what}: {text}");
        }
    }
}
