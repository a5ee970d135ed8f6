//! Rows of Dkron's own tests that need several nodes; the others are in `tests/api/sheet`.

use super::harness::Cluster;
use crate::rig::patience::eventually;
use serde_json::{Value, json};
use std::collections::BTreeSet;

fn job(name: &str, tags: Value, command: &str) -> Value {
    json!({"name": name, "schedule": "@manually", "executor": "shell", "tags": tags,
        "executor_config": {"shell": "true", "command": command}})
}

/// Runs a job and waits until it is over, wherever it ran: its nodes, sorted.
#[track_caller]
fn nodes_of_a_run(cluster: &Cluster, name: &str) -> Vec<String> {
    let leader = cluster.leader();
    let all = || cluster.json(leader, &format!("/v1/executions?job={name}"))?.as_array().cloned();
    let before = eventually("the list", all).len();
    cluster.send(leader, &format!("POST /v1/jobs/{name}/run"), "").expect(200);
    let new = eventually("the end of a run", || {
        let runs = all()?;
        let new: Vec<Value> = runs[..runs.len() - before].to_vec();
        let over = !new.is_empty() && new.iter().all(|run| !run["finished_at"].is_null());
        over.then_some(new)
    });
    let mut nodes: Vec<String> =
        new.iter().map(|run| run["node_name"].as_str().unwrap_or_default().to_owned()).collect();
    nodes.sort();
    nodes
}

/// Rows 18, 25 and 31: which nodes tags and counts choose, and the status of a run on several of them.
#[test]
fn tags_and_counts_choose_among_three_nodes() {
    let mut cluster = Cluster::new();
    let tags: [&[&str]; 3] =
        [&["--tag=tag=test"], &["--tag=tag=test", "--tag=extra=tag"], &["--tag=tag=test_client"]];
    for (number, tags) in (1..=3).zip(tags) {
        let join = format!("--join={}", cluster.address(1));
        let mut arguments = vec!["--bootstrap-expect=3", join.as_str()];
        arguments.extend(tags);
        cluster.add_server(number, &arguments);
    }
    (1..=3).for_each(|number| cluster.start(number));
    (1..=3).for_each(|number| cluster.wait_until_ready(number));
    let leader = cluster.leader();
    (1..=3).for_each(|number| cluster.wait_for_member(leader, &format!("node{number}"), "alive"));
    let chosen = |name: &str, tags: Value| {
        cluster.store(leader, &job(name, tags, "true"));
        nodes_of_a_run(&cluster, name)
    };
    eventually("all three as nodes for work", || {
        let nodes = cluster.json(leader, "/v1/nodes")?;
        (nodes.as_array()?.iter().filter(|node| node["status"] == "alive").count() == 3).then_some(())
    });
    assert_eq!(chosen("two", json!({"tag": "test:2"})), ["node1", "node2"]);
    assert_eq!(chosen("one", json!({"tag": "test:1"})).len(), 1);
    assert_eq!(chosen("all", json!({})), ["node1", "node2", "node3"]);
    assert_eq!(chosen("client", json!({"tag": "test_client:1"})), ["node3"]);
    assert_eq!(chosen("both", json!({"tag": "test:2", "extra": "tag:2"})), ["node2"]);
    assert_eq!(chosen("smallest", json!({"tag": "test:2", "server": "true:1"})).len(), 1);
    for (name, tags) in [("none", json!({"no_tag": "x"})), ("half", json!({"foo": "bar:1", "tag": "test:2"}))]
    {
        cluster.store(leader, &job(name, tags, "true"));
        cluster.send(leader, &format!("POST /v1/jobs/{name}/run"), "").expect(200);
        eventually("one that waits", || {
            let waiting = cluster.json(leader, &format!("/v1/executions?job={name}&status=waiting"))?;
            (waiting.as_array()?.len() == 1).then_some(())
        });
    }
    let even: BTreeSet<String> = (0..12).flat_map(|_| nodes_of_a_run(&cluster, "one")).collect();
    assert_eq!(even.len(), 2, "one of two, now this and now that: {even:?}");

    // All share a folder: one makes it, the others fail.
    cluster.store(leader, &job("mixed", json!({}), "mkdir once"));
    assert_eq!(nodes_of_a_run(&cluster, "mixed").len(), 3);
    let mixed = cluster.json(leader, "/v1/jobs/mixed").expect("the job");
    assert_eq!(mixed["status"], "partially_failed", "{mixed}");
    assert_eq!((&mixed["success_count"], &mixed["error_count"]), (&json!(1), &json!(2)));
}

/// Row 17: another server leads once the leader stops, and is named by all.
#[test]
fn another_server_leads_when_the_leader_stops() {
    let mut cluster = Cluster::of_three();
    let first = cluster.leader();
    let named = |cluster: &Cluster, number: u8| {
        cluster.json(number, "/v1/leader").map(|leader| leader["Name"].clone())
    };
    eventually("its name", || (named(&cluster, first)? == format!("node{first}")).then_some(()));
    cluster.terminate(first);
    let second = cluster.leader();
    assert_ne!(second, first);
    for number in cluster.answering() {
        eventually("the new name", || (named(&cluster, number)? == format!("node{second}")).then_some(()));
    }
}
