//! A rolling upgrade as the guide tells it: agents, then servers, the leader last, with jobs running; and builds that
//! are too far apart. The older build is this one, made to know no more than that one did.

use super::harness::Cluster;
use super::work::Work;
use crate::rig::patience::eventually;
use dkron::clock;
use serde_json::{Value, json};
use std::time::Duration;

/// What the build before this one is told to be.
const OLDER: &str = "--as-version=1";
/// A later build, which reads the older one's format no more.
const LATER: &str = "--as-version=2-2";
/// How late a tick may start: a planned handover, and the machine's own stalls.
const LATE: Duration = Duration::from_secs(20);

/// Three servers and an agent of the older build.
fn older_cluster() -> Cluster {
    let mut cluster = Cluster::new();
    (1..=3).for_each(|number| add_server(&mut cluster, number, &[OLDER]));
    (1..=3).for_each(|number| cluster.start(number));
    (1..=3).for_each(|number| cluster.wait_until_ready(number));
    cluster
}

fn add_server(cluster: &mut Cluster, number: u8, more: &[&str]) {
    let join = format!("--join={}", cluster.address(if number == 1 { 2 } else { 1 }));
    let arguments: Vec<&str> = ["--bootstrap-expect=3", &join].iter().chain(more).copied().collect();
    cluster.add_server(number, &arguments);
}

/// Stops a server in order and starts it as this build.
fn upgrade(cluster: &mut Cluster, number: u8) {
    cluster.terminate(number);
    add_server(cluster, number, &[]);
    cluster.start(number);
    cluster.wait_until_ready(number);
}

fn health(cluster: &Cluster, number: u8) -> Value {
    eventually("the leader's look at the servers", || {
        let reply = cluster.try_send(number, "GET /v1/operator/health", "").ok()?;
        Some(reply.json()).filter(|health| health["log_format"].is_u64())
    })
}

/// Waits until a server says that this format is in force and these servers hold it back.
#[track_caller]
fn wait_for_format(cluster: &Cluster, number: u8, format: u64, held_back_by: &[String]) {
    eventually(&format!("format {format}, held back by {held_back_by:?}"), || {
        let health = health(cluster, number);
        let mut names: Vec<String> =
            serde_json::from_value(health["log_format_held_back_by"].clone()).expect("names");
        names.sort();
        (health["log_format"] == format && names == held_back_by).then_some(())
    });
}

#[test]
fn agents_then_servers_then_the_leader_are_upgraded_and_no_tick_is_missed_or_doubled() {
    let mut cluster = older_cluster();
    cluster.add_agent(4, &["--tag", "role=web", OLDER]);
    cluster.start(4);
    cluster.wait_for_member(1, "agent4", "alive");
    let selections =
        [("on-the-agent", json!({"role": "web:1"})), ("on-a-server", json!({"server": "true:1"}))];
    let mut work = Work::begin(&cluster, &selections);
    wait_for_format(&cluster, 1, 1, &[]);

    cluster.terminate(4);
    cluster.add_agent(4, &["--tag", "role=web"]);
    cluster.start(4);
    cluster.wait_for_member(1, "agent4", "alive");
    work.wait_for_runs_after(clock::wall().floor_second());
    work.gather(&cluster);

    let leader = cluster.leader();
    let mut others: Vec<u8> = (1..=3).filter(|number| *number != leader).collect();
    let mut older: Vec<String> = (1..=3).map(|number| format!("node{number}")).collect();
    while let Some(number) = others.pop() {
        upgrade(&mut cluster, number);
        older.retain(|name| *name != format!("node{number}"));
        wait_for_format(&cluster, number, 1, &older);
        expect_tokens_refused(&cluster, number, &older);
        work.wait_for_runs_after(clock::wall().floor_second());
        work.gather(&cluster);
    }
    upgrade(&mut cluster, leader);
    (1..=3).for_each(|number| wait_for_format(&cluster, number, 2, &[]));
    work.wait_for_runs_after(clock::wall().floor_second());
    expect_one_state(&cluster);
    work.judge(&cluster, LATE);
    cluster.send(leader, "POST /v1/tokens/bootstrap", "").expect(201);
}

/// What the older build has no words for is refused, whoever is asked, and whoever holds it back is named.
#[track_caller]
fn expect_tokens_refused(cluster: &Cluster, number: u8, older: &[String]) {
    let reply = cluster.send(number, "POST /v1/tokens/bootstrap", "").expect(409);
    let text = reply.text();
    assert!(text.contains("this needs log format 2"), "{text}");
    for name in older {
        assert!(text.contains(name.as_str()) && text.contains("reads log formats 1 to 1"), "{text}");
    }
}

/// All servers, at one entry, have one digest; and nobody was ever found to have another one.
#[track_caller]
fn expect_one_state(cluster: &Cluster) {
    eventually("all servers at one entry", || {
        let seen: Option<Vec<Value>> = (1..=3).map(|number| cluster.json(number, "/livez")).collect();
        let seen = seen?;
        let same = |key: &str| seen.iter().all(|live| live[key] == seen[0][key]);
        (same("applied") && same("digest")).then_some(())
    });
    (1..=3).for_each(|number| {
        assert!(!cluster.log(number).contains("quarantine"), "{}", cluster.log(number));
    });
}

#[test]
fn a_server_that_is_too_old_is_refused_by_name_and_ends_and_its_data_are_not_called_damaged() {
    let mut cluster = Cluster::of_three();
    wait_for_format(&cluster, 1, 2, &[]);
    add_server(&mut cluster, 4, &[OLDER]);
    cluster.start(4);
    assert_eq!(cluster.wait_for_end(4), Some(1));
    let said = cluster.log(4);
    assert!(
        said.contains("the cluster writes log format 2") && said.contains("reads formats 1 to 1"),
        "{said}"
    );
    // A member that is started as the older build again finds its own data before it meets anybody.
    let follower = (1..=3).find(|number| *number != cluster.leader()).expect("a follower");
    cluster.terminate(follower);
    add_server(&mut cluster, follower, &[OLDER]);
    cluster.start(follower);
    assert_eq!(cluster.wait_for_end(follower), Some(1));
    let said = cluster.log(follower);
    assert!(said.contains("reads formats 1 to 1") && !said.contains("damaged"), "{said}");
    add_server(&mut cluster, follower, &[]);
    cluster.start(follower);
    cluster.wait_until_ready(follower);
}

#[test]
fn a_server_that_is_too_new_waits_and_says_why_until_the_cluster_has_caught_up() {
    let mut cluster = older_cluster();
    let join = format!("--join={}", cluster.address(1));
    cluster.add_server(4, &[&join, LATER]);
    cluster.start(4);
    let words = "the cluster writes log format 1";
    eventually("the reason", || {
        let reply = cluster.try_send(4, "GET /readyz", "").ok()?;
        (reply.status == 503 && reply.text().contains(words) && reply.text().contains("reads formats 2 to 2"))
            .then_some(())
    });
    cluster.wait_for_log(
        cluster.leader(),
        "server \"node4\" (version 0.1.0) reads log formats 2 to 2, the cluster writes 1: upgrade one release at a time",
    );
    cluster.add(5, "agent5".to_owned(), &[&join, LATER, "--tag=role=web"]);
    cluster.start(5);
    cluster.wait_for_log(5, "the agent speaks protocols 2 to 2, this server 1 to 1");
    cluster.wait_for_log(cluster.leader(), "the agent speaks protocols 2 to 2, this server 1 to 1");

    let leader = cluster.leader();
    let others: Vec<u8> = (1..=3).filter(|number| *number != leader).collect();
    others.into_iter().chain([leader]).for_each(|number| upgrade(&mut cluster, number));
    wait_for_format(&cluster, 1, 2, &[]);
    cluster.wait_until_ready(4);
    cluster.wait_for_vote("node4");
    cluster.wait_for_member(1, "agent5", "alive");
}
