//! Operators look at the servers, and change who votes and leads.

use super::commands::Said;
use super::harness::{Cluster, took};
use super::work::Work;
use crate::rig::patience::{eventually, within};
use dkron::clock;
use serde_json::{Value, json};
use std::time::Duration;

/// Long enough that a server that would be taken in again had been, and had its vote.
const WATCHED: Duration = Duration::from_secs(8);
/// The gap that a planned transfer may make at the jobs: the goal is 100 ms, the rest is a busy machine's.
const GAP_MS: i64 = 1_000;
/// How late a tick may start while all goes well.
const LATE: Duration = Duration::from_secs(5);

fn peers(said: &Said) -> Vec<(String, String, bool)> {
    let list = said.json();
    let peer = |peer: &Value| {
        let text = |key: &str| peer[key].as_str().unwrap_or_default().to_owned();
        (text("node"), text("state"), peer["voter"] == true)
    };
    list.as_array().expect("a list").iter().map(peer).collect()
}

#[test]
fn operators_see_who_votes_and_how_many_servers_may_fail() {
    let mut cluster = Cluster::of_three();
    cluster.wait_for_tolerance(1, true, 1);
    for number in 1..=3 {
        // On a busy machine another server may lead by now: one of them does, and all vote.
        let leads = eventually("the list to name one leader", || {
            let mut shown = peers(&cluster.says(number, "raft list-peers --output json").expect(0));
            shown.sort();
            let names: Vec<&str> = shown.iter().map(|(name, ..)| name.as_str()).collect();
            assert_eq!(names, ["node1", "node2", "node3"], "node {number}");
            assert!(shown.iter().all(|(.., votes)| *votes), "{shown:?}");
            shown.iter().find(|(_, state, _)| state == "leader").map(|(name, ..)| name.clone())
        });
        assert!(leads.starts_with("node"), "{leads}");
    }
    let table = cluster.says(1, "raft list-peers").expect(0).out;
    let head: Vec<&str> = table.lines().next().unwrap_or_default().split_whitespace().collect();
    assert_eq!(head, ["Node", "ID", "Address", "State", "Voter"]);
    assert!(table.contains(&format!("{}:6868", cluster.address(1))), "{table}");
    cluster.says(2, "members").expect(0);
    let lost = cluster.follower();
    cluster.says(lost, "raft health").expect(0);
    cluster.send(lost, "GET /v1/operator/health", "").expect(200);
    cluster.kill(lost);
    let asked = cluster.follower();
    let health = cluster.wait_for_tolerance(asked, false, 0);
    let servers = health["servers"].as_array().expect("a list").clone();
    let ill = servers.iter().find(|server| server["healthy"] == false).expect("one is not well");
    assert_eq!(ill["name"], format!("node{lost}"));
    assert!(!ill["complaints"].as_array().expect("a list").is_empty(), "{ill}");
    cluster.send(asked, "GET /v1/operator/health", "").expect(503);
    cluster.says(asked, "raft health").expect(1);
    cluster.start(lost);
    cluster.wait_for_tolerance(lost, true, 1);
}

#[test]
fn a_planned_transfer_makes_no_gap_that_jobs_feel() {
    let mut cluster = Cluster::of_three();
    cluster.add_agent(4, &["--tag", "role=web"]);
    cluster.start(4);
    (1..=3).for_each(|number| cluster.wait_for_member(number, "agent4", "alive"));
    let work = Work::begin(&cluster, &[("each-second", json!({"role": "web:1"}))]);
    cluster.wait_for_tolerance(1, true, 1);
    let mut worst = 0;
    for moment in [950, 990, 900, 970] {
        let (old, to) = (cluster.leader(), cluster.follower());
        let into_second = || (clock::wall() - clock::wall().floor_second()).millis();
        eventually("the moment", || (moment..moment + 15).contains(&into_second()).then_some(()));
        let (at, start) = (clock::wall().floor_second(), clock::monotonic());
        cluster.says(old, &format!("raft transfer-leader --to node{to}")).expect(0);
        let led = took(start);
        assert_eq!(cluster.leader(), to);
        work.wait_for_runs_after(at + dkron_core::time::Span::from_seconds(2));
        let gap = work.worst_lateness_ms("each-second", at);
        println!("transfer from {old} to {to}: {led}; latest start {gap} ms late");
        worst = worst.max(gap);
    }
    assert!(worst < GAP_MS, "{worst} ms");
    let to = cluster.says(1, "raft transfer-leader --output json").expect(0).json();
    assert_eq!(to["node"], format!("node{}", cluster.leader()));
    work.judge(&cluster, LATE);
}

#[test]
fn a_removed_server_stays_away_while_it_runs_and_comes_back_when_it_is_started_anew() {
    let mut cluster = Cluster::of_three();
    cluster.wait_for_tolerance(1, true, 1);
    let (leader, removed) = (cluster.leader(), cluster.follower());
    let other = (1..=3).find(|number| ![leader, removed].contains(number)).expect("a third");
    let name = format!("node{removed}");
    let names = [format!("node{leader}"), format!("node{other}")];
    let both: Vec<(&str, bool)> = names.iter().map(|name| (name.as_str(), true)).collect();
    let all = [both[0], both[1], (name.as_str(), true)];
    let said = cluster.says(other, &format!("raft remove-peer --peer-id {name}")).expect(0);
    assert!(said.out.starts_with("Peer removed"), "{said:?}");
    cluster.wait_for_votes(leader, &both);
    let back = within(WATCHED, || (cluster.votes(leader)?.len() != 2).then_some(()));
    assert!(back.is_none(), "it was taken in again: {:?}", cluster.votes(leader));
    cluster.expect_writes(leader, "with-two");
    cluster.kill(removed);
    cluster.start(removed);
    cluster.wait_for_votes(leader, &all);
    cluster.wait_for_job(removed, "with-two");

    // One that is dead is removed by its id, and comes back all the same.
    let id = eventually("its id", || cluster.id_of(leader, &name));
    cluster.kill(removed);
    cluster.wait_for_tolerance(leader, false, 0);
    cluster.says(leader, &format!("raft remove-peer --peer-id {id}")).expect(0);
    cluster.wait_for_votes(leader, &both);
    let unknown = cluster.says(leader, "raft remove-peer --peer-id node99").expect(3);
    assert!(unknown.errors.contains("id \"node99\" was not found in the Raft configuration"), "{unknown:?}");
    cluster.start(removed);
    cluster.wait_for_votes(leader, &all);

    // And one that runs is taken back without a start.
    let removal = format!("DELETE /v1/cluster/peers/{name}");
    cluster.send(other, &removal, "").expect(200);
    cluster.wait_for_votes(leader, &both);
    cluster.says(other, &format!("raft promote --peer-id {name}")).expect(0);
    cluster.wait_for_votes(leader, &all);
}

#[test]
fn a_vote_is_taken_and_given_and_never_below_a_quorum_of_living_servers() {
    let mut cluster = Cluster::of_three();
    cluster.wait_for_tolerance(1, true, 1);
    let (leader, demoted) = (cluster.leader(), cluster.follower());
    let other = (1..=3).find(|number| ![leader, demoted].contains(number)).expect("a third");
    let target = format!("--peer-id node{demoted}");
    cluster.says(other, &format!("raft demote {target}")).expect(0);
    let votes = |number: u8| {
        let votes = cluster.votes(number)?;
        votes.get(&format!("node{demoted}")).copied()
    };
    let again = within(WATCHED, || votes(leader)?.then_some(()));
    assert!(again.is_none(), "nobody asked for it");
    cluster.says(leader, &format!("raft promote {target}")).expect(0);
    eventually("the vote", || votes(other)?.then_some(()));
    cluster.kill(demoted);
    cluster.wait_for_tolerance(leader, false, 0);
    for command in ["demote", "remove-peer"] {
        let refused = cluster.says(leader, &format!("raft {command} --peer-id node{other}")).expect(4);
        assert!(refused.errors.contains("2 voters of which 1 live, and 2 must live"), "{refused:?}");
    }
    cluster.expect_writes(leader, "still-here");

    // What is wished of the leader is done by the next one.
    cluster.start(demoted);
    cluster.wait_for_tolerance(leader, true, 1);
    cluster.says(leader, &format!("raft demote --peer-id node{leader}")).expect(0);
    assert_ne!(cluster.leader(), leader);
    cluster.expect_writes(leader, "by-way-of-one-without-a-vote");
}
