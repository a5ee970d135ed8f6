//! Leaders come and go, ticks go on.

use super::harness::{Cluster, took};
use super::work::Work;
use crate::rig::patience::eventually;
use dkron::clock;
use serde_json::json;
use std::time::Duration;

/// How late a tick may start: failure, election and the machine's own stalls.
const LATE: Duration = Duration::from_secs(20);
/// How long a leader is stopped: several elections.
const STOPPED: Duration = Duration::from_secs(3);
/// When in a second a leader is killed, in milliseconds: the next tick finds no leader, or a new one.
const MOMENTS_MS: [i64; 5] = [950, 700, 850, 100, 500];

fn begin() -> (Cluster, Work) {
    let mut cluster = Cluster::of_three();
    cluster.add_agent(4, &["--tag", "role=web"]);
    cluster.start(4);
    (1..=3).for_each(|number| cluster.wait_for_member(number, "agent4", "alive"));
    // The one's node is never touched, so that its lateness is the failover's; the other's are those that fail.
    let selections =
        [("on-the-agent", json!({"role": "web:1"})), ("on-a-server", json!({"server": "true:1"}))];
    let work = Work::begin(&cluster, &selections);
    (cluster, work)
}

/// Waits until a server other than this leads, and ticks go on.
fn wait_for_successor(cluster: &Cluster, work: &Work, old: u8, what: &str) {
    let (start, at) = (clock::monotonic(), clock::wall().floor_second());
    eventually("a successor", || cluster.leaders().into_iter().find(|leader| *leader != old));
    let led = took(start);
    eventually("the next tick", || {
        (work.started_between(clock::wall().floor_second(), clock::wall()) > 0).then_some(())
    });
    println!(
        "{what}: a successor after {led}; latest start {} ms late",
        work.worst_lateness_ms("on-the-agent", at)
    );
}

#[test]
fn no_tick_is_lost_doubled_or_early_while_leaders_are_killed_one_after_another() {
    let (mut cluster, mut work) = begin();
    for moment in MOMENTS_MS {
        let old = cluster.leader();
        let into_second = || (clock::wall() - clock::wall().floor_second()).millis();
        eventually("the moment", || (moment..moment + 50).contains(&into_second()).then_some(()));
        let killed_at = clock::wall().floor_second();
        cluster.kill(old);
        wait_for_successor(&cluster, &work, old, "kill -9");
        cluster.start(old);
        cluster.wait_until_ready(old);
        work.wait_for_runs_after(clock::wall().floor_second());
        println!("  latest start of all: {} ms late", work.worst_lateness_ms("on-the-agent", killed_at));
        work.gather(&cluster);
    }
    work.judge(&cluster, LATE);
}

#[test]
fn a_leader_that_was_stopped_for_a_while_does_nothing_wrong_when_it_goes_on() {
    let (mut cluster, mut work) = begin();
    for _ in 0..2 {
        let (old, at) = (cluster.leader(), clock::wall().floor_second());
        cluster.suspend(old);
        let stopped = clock::monotonic();
        wait_for_successor(&cluster, &work, old, "SIGSTOP");
        // The length of the stop is the matter of the test, not a wait for something.
        std::thread::sleep(STOPPED.saturating_sub(stopped.elapsed()));
        cluster.resume(old);
        work.wait_for_runs_after(clock::wall().floor_second());
        println!("  latest start of all: {} ms late", work.worst_lateness_ms("on-the-agent", at));
        work.gather(&cluster);
    }
    work.judge(&cluster, LATE);
}
