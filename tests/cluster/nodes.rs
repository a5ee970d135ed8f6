//! Nodes that are kept from work, and emptied.

use super::harness::Cluster;
use crate::rig::patience::eventually;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;

fn job(name: &str, tags: Value, command: &str) -> Value {
    json!({"name": name, "schedule": "@manually", "executor": "shell", "tags": tags,
        "executor_config": {"shell": "true", "command": command}})
}

/// Runs a job by way of a server; the nodes on which it has then ended, sorted, once it has on so many.
#[track_caller]
fn ran_on(cluster: &Cluster, server: u8, name: &str, count: usize) -> Vec<String> {
    let text = |one: &Value, key: &str| one[key].as_str().unwrap_or_default().to_owned();
    let ended = || -> Option<BTreeMap<String, String>> {
        let list = cluster.json(server, &format!("/v1/jobs/{name}/executions"))?;
        let ended = list.as_array()?.iter().filter(|one| !text(one, "finished_at").starts_with("000"));
        Some(ended.map(|one| (text(one, "id"), text(one, "node_name"))).collect())
    };
    let before = eventually("the list", ended);
    cluster.send(server, &format!("POST /v1/jobs/{name}/run"), "").expect(200);
    let after = eventually(&format!("{count} ends of {name}"), || {
        ended().filter(|after| after.len() >= before.len() + count)
    });
    let new = after.into_iter().filter(|(id, _)| !before.contains_key(id));
    let mut nodes: Vec<String> = new.map(|(_, node)| node).collect();
    nodes.sort();
    nodes
}

#[test]
fn a_node_is_drained_while_jobs_run_and_works_again_when_it_may() {
    let mut cluster = Cluster::of_three();
    for number in [4, 5] {
        cluster.add_agent(number, &["--tag", "role=web", "--tag", &format!("number={number}")]);
        cluster.start(number);
    }
    for server in 1..=3 {
        [4, 5].iter().for_each(|number| cluster.wait_for_member(server, &format!("agent{number}"), "alive"));
    }
    let go = cluster.folder().join("go");
    let command = format!("until [ -e {} ]; do sleep 0.05; done", go.display());
    cluster.store(1, &job("long", json!({"number": "4"}), &command));
    cluster.store(1, &job("short", json!({"role": "web"}), "true"));
    cluster.send(1, "POST /v1/jobs/long/run", "").expect(200);
    eventually("the run", || cluster.json(1, "/v1/busy")?.as_array()?.first().cloned());

    let unfinished = cluster.says(2, "node drain agent4 --timeout 500ms").expect(6);
    assert!(unfinished.errors.contains("1 execution is left"), "{unfinished:?}");
    assert_eq!(ran_on(&cluster, 3, "short", 1), ["agent5"]);
    let shown = cluster.says(3, "node list --output json").expect(0).json();
    let nodes = shown.as_array().expect("a list");
    let drained = nodes.iter().find(|node| node["node"] == "agent4").expect("it is there");
    assert_eq!((&drained["work"], &drained["executions"]), (&json!("draining"), &json!(1)));
    fs::write(&go, "").expect("a file");
    let said = cluster.says(1, "node drain agent4").expect(0);
    assert!(said.out.contains("agent4 is drained"), "{said:?}");
    cluster.says(1, "node list").expect(0);

    // A restart changes nothing: it is the operator who gives it back.
    cluster.terminate(4);
    cluster.start(4);
    cluster.wait_for_member(1, "agent4", "alive");
    assert_eq!(ran_on(&cluster, 1, "short", 1), ["agent5"]);
    cluster.says(2, "node uncordon agent4").expect(0);
    assert_eq!(ran_on(&cluster, 1, "short", 2), ["agent4", "agent5"]);
    cluster.says(2, "node cordon agent5").expect(0);
    assert_eq!(ran_on(&cluster, 1, "short", 1), ["agent4"]);
    let twin = cluster.send(1, "POST /v1/nodes/agent5/uncordon", "").expect(200).json();
    assert_eq!(twin["work"], "open");
    let unknown = cluster.says(1, "node drain agent6").expect(3);
    assert!(unknown.errors.contains("did you mean \"agent"), "{unknown:?}");
}
