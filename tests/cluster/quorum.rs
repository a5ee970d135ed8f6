//! Without a quorum nothing is decided, and whoever asks is told so.

use super::harness::Cluster;
use super::work::Work;
use crate::rig::patience::{eventually, within};
use dkron::clock;
use dkron_core::time::Span;
use rustix::process::Signal;
use serde_json::json;
use std::time::Duration;

/// How long a cluster without a quorum is watched.
const WATCHED: Duration = Duration::from_secs(4);

#[test]
fn without_a_quorum_writes_are_refused_and_no_tick_starts_until_it_is_back() {
    let mut cluster = Cluster::of_three();
    cluster.add_agent(4, &["--tag", "role=web"]);
    cluster.start(4);
    cluster.wait_for_member(1, "agent4", "alive");
    let work = Work::begin(&cluster, &[("each-second", json!({"role": "web:1"}))]);
    let (leader, lost_at) = (cluster.leader(), clock::monotonic());
    let others: Vec<u8> = (1..=3).filter(|number| *number != leader).collect();
    // The leader is left alone: it has to notice by itself that it may decide nothing.
    others.iter().for_each(|number| cluster.kill(*number));
    // The first write may go into the leader's log before that: then nobody knows whether it will be done.
    let body = r#"{"name":"x","schedule":"@manually","executor":"shell"}"#;
    let first = cluster.send(leader, "POST /v1/jobs", body);
    assert!([503, 504].contains(&first.status), "{} {}", first.status, first.text());
    eventually("it to be not ready", || (!cluster.is_ready(leader)).then_some(()));
    let reasons = cluster.send(leader, "GET /readyz", "").text();
    assert!(reasons.contains("quorum"), "{reasons}");
    let refused = cluster.send(leader, "POST /v1/jobs", body);
    assert_eq!(refused.status, 503, "{}", refused.text());
    assert!(refused.text().contains("no server leads"), "{}", refused.text());
    // What was decided before may still have been on its way to the agent.
    let since = clock::wall() + Span::from_seconds(1);
    let started = within(WATCHED, || {
        (work.started_between(since, clock::wall() + Span::from_seconds(1)) > 0).then_some(())
    });
    assert!(started.is_none(), "a tick started without a quorum");
    assert_eq!(cluster.leaders(), Vec::<u8>::new());
    cluster.start(others[0]);
    cluster.wait_until_ready(others[0]);
    cluster.wait_until_ready(leader);
    let outage = lost_at.elapsed() + Duration::from_secs(10);
    cluster.expect_writes(leader, "with-two-again");
    work.wait_for_runs_after(clock::wall().floor_second());
    work.judge(&cluster, outage);
}

#[test]
fn a_server_that_votes_alone_goes_on_when_one_without_a_vote_is_gone() {
    let mut cluster = Cluster::new();
    cluster.add_server(1, &["--bootstrap-expect=1"]);
    cluster.start(1);
    cluster.wait_until_ready(1);
    let join = format!("--join={}", cluster.address(1));
    cluster.add_server(2, &[&join]);
    cluster.start(2);
    cluster.wait_for_log(1, "done: take in server \"node2\"");
    cluster.kill(2);
    let refused = within(WATCHED, || (!cluster.is_ready(1)).then_some(()));
    assert!(refused.is_none(), "{}", cluster.send(1, "GET /readyz", "").text());
    cluster.expect_writes(1, "alone");
}

#[test]
fn a_stop_says_what_it_waits_for_and_a_second_signal_ends_it_at_once() {
    let mut cluster = Cluster::of_three();
    [2, 3].into_iter().for_each(|number| cluster.kill(number));
    eventually("it to be not ready", || (!cluster.is_ready(1)).then_some(()));
    // Nobody leads, so nobody answers that its agent leaves.
    cluster.signal(1, Signal::TERM);
    cluster.wait_for_log(1, "the stop waits for the agent's farewell");
    cluster.signal(1, Signal::TERM);
    assert_eq!(cluster.wait_for_end(1), Some(1));
    assert!(cluster.log(1).contains("the stop is cut short, since SIGTERM came again"), "{}", cluster.log(1));
}
