//! An execution ended by way of a server that does not lead, on a node that is none of the two.

use super::harness::Cluster;
use crate::rig::patience::eventually;
use crate::rig::processes;
use serde_json::{Value, json};

#[test]
fn a_job_on_another_node_is_cancelled_by_way_of_any_server() {
    let mut cluster = Cluster::of_three();
    cluster.add_agent(4, &["--tag", "role=worker"]);
    cluster.start(4);
    let leader = cluster.leader();
    let asked = [1, 2, 3].into_iter().find(|number| *number != leader).expect("another server");
    (1..=3).for_each(|server| cluster.wait_for_member(server, "agent4", "alive"));
    let job = json!({"name": "long", "schedule": "@manually", "executor": "shell",
        "tags": {"role": "worker"}, "retries": 2,
        "executor_config": {"shell": "true", "command": "sleep 621 & sleep 622"}});
    cluster.store(asked, &job);
    cluster.send(asked, "POST /v1/jobs/long/run", "").expect(200);
    let list = |server: u8, status: &str| -> Option<Vec<Value>> {
        let path = format!("/v1/executions?job=long&status={status}");
        cluster.json(server, &path)?.as_array().cloned()
    };
    let run = eventually("the run", || list(asked, "running")?.pop());
    assert_eq!(run["node_name"], "agent4");
    let id = run["execution_id"].as_str().expect("an id");
    let sleeping = || {
        let all = processes::marked(&cluster.folder().display().to_string());
        all.into_iter().filter(|one| one.command.contains("sleep 62")).count()
    };
    eventually("its processes", || (sleeping() >= 2).then_some(()));
    let line = format!("POST /v1/jobs/long/executions/{id}/cancel");
    assert!(matches!(cluster.send(asked, &line, "").status, 200 | 202));
    for server in 1..=3 {
        let ended = eventually("the end on every server", || list(server, "cancelled")?.pop());
        assert_eq!(ended["execution_id"], run["execution_id"], "on server {server}");
    }
    eventually("the end of its processes", || (sleeping() == 0).then_some(()));
    assert_eq!(cluster.send(leader, &line, "").expect(200).json()["status"], "cancelled");
    assert_eq!(list(leader, "").expect("a list").len(), 1, "told once, not tried again");
}
