//! SIGHUP: tags change while a node runs, and placement follows; a broken file changes nothing.

use super::harness::Cluster;
use crate::rig::patience::eventually;
use rustix::process::Signal;
use serde_json::{Value, json};
use std::fs;

fn tags_of(cluster: &Cluster, name: &str) -> Option<Value> {
    let members = cluster.json(1, "/v1/members")?;
    let member = members.as_array()?.iter().find(|member| member["Name"] == name)?;
    Some(member["Tags"].clone())
}

#[test]
fn tags_change_while_a_node_runs_and_jobs_follow_them() {
    let mut cluster = Cluster::new();
    cluster.add_server(1, &["--bootstrap-expect=1"]);
    cluster.start(1);
    cluster.wait_until_ready(1);
    let file = cluster.folder().join("dkron.yml");
    let join = cluster.address(1).to_string();
    let write = |text: &str| fs::write(&file, format!("join: [{join}]\n{text}")).expect("a file");
    write("tags: {role: web}\nlog-level: info\n");
    cluster.add(4, "agent4".to_owned(), &[&format!("--config={}", file.display())]);
    cluster.start(4);
    cluster.wait_for_member(1, "agent4", "alive");
    cluster.store(
        1,
        &json!({"name": "batch", "schedule": "@manually", "executor": "shell",
        "tags": {"role": "batch"}, "executor_config": {"command": "echo done"}}),
    );

    write("tags: {role: batch, dc: elsewhere}\nlog-level: debug\nrpc-port: 7001\n");
    cluster.signal(4, Signal::HUP);
    let tags =
        eventually("the new tags", || tags_of(&cluster, "agent4").filter(|tags| tags["role"] == "batch"));
    assert_eq!(
        (&tags["dc"], &tags["region"]),
        (&json!("dc1"), &json!("global")),
        "the node's own stay: {tags}"
    );
    cluster.wait_for_log(4, "SIGHUP: changed, and needs a restart: rpc-port, advertise-rpc-port");
    cluster.wait_for_log(4, "SIGHUP: changed at once: log-level, tag");
    cluster.send(1, "POST /v1/jobs/batch/run", "").expect(200);
    eventually("a run by the new tags", || {
        let list = cluster.json(1, "/v1/jobs/batch/executions")?;
        list.as_array()?.iter().find(|one| one["node_name"] == "agent4" && one["success"] == true).map(drop)
    });

    write("tags: {role: [\n");
    cluster.signal(4, Signal::HUP);
    cluster.wait_for_log(4, "SIGHUP: nothing is changed, because");
    assert_eq!(tags_of(&cluster, "agent4"), Some(tags));
    assert_eq!(cluster.members(1).get("agent4").map(String::as_str), Some("alive"));
}

#[test]
fn a_server_takes_other_tags_and_addresses_to_join_over() {
    let mut cluster = Cluster::new();
    let file = cluster.folder().join("dkron.yml");
    let write = |text: &str| fs::write(&file, text).expect("a file");
    write("server: true\nbootstrap-expect: 1\ntags: {rack: a}\n");
    cluster.add(1, "node1".to_owned(), &[&format!("--config={}", file.display())]);
    cluster.start(1);
    cluster.wait_until_ready(1);
    cluster.add_server(2, &[]);
    cluster.start(2);
    cluster.wait_for_log(2, "this server waits");
    write(&format!(
        "server: true\nbootstrap-expect: 1\ntags: {{rack: b}}\nretry-join: [{}]\n",
        cluster.address(2)
    ));
    cluster.signal(1, Signal::HUP);
    eventually("the new tag in gossip", || {
        tags_of(&cluster, "node1").filter(|tags| tags["rack"] == "b" && tags["server"] == "true")
    });
    // Only the first knows an address, and only since now.
    cluster.wait_until_ready(2);
    cluster.expect_writes(2, "joined");
}
