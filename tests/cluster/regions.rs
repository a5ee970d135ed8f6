//! Regions: servers of several see one another and leave one another alone. Each region is a cluster of its own.

use super::harness::Cluster;
use crate::rig::patience::eventually;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Two regions of a server and an agent each; the second server and both agents join everybody's addresses.
fn two_regions() -> Cluster {
    let mut cluster = Cluster::new();
    cluster.add_server(1, &["--bootstrap-expect=1", "--region=eu"]);
    let (first, second) =
        (format!("--join={}", cluster.address(1)), format!("--join={}", cluster.address(2)));
    cluster.add_server(2, &["--bootstrap-expect=1", "--region=us", &first]);
    cluster.add(3, "agent3".to_owned(), &["--region=eu", &first, &second]);
    cluster.add(4, "agent4".to_owned(), &["--region=us", &first, &second]);
    (1..=4).for_each(|number| cluster.start(number));
    [1, 2].into_iter().for_each(|number| cluster.wait_until_ready(number));
    cluster
}

/// The regions of the members that a server shows, by name.
fn regions(cluster: &Cluster, number: u8) -> BTreeSet<(String, String)> {
    let list = cluster.json(number, "/v1/members").unwrap_or_default();
    let member = |member: &Value| {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        (text(&member["Name"]), text(&member["Tags"]["region"]))
    };
    list.as_array().into_iter().flatten().map(member).collect()
}

#[track_caller]
fn wait_for_members(cluster: &Cluster, number: u8, expected: &[(&str, &str)]) {
    let expected = expected.iter().map(|(name, region)| ((*name).to_owned(), (*region).to_owned())).collect();
    eventually(&format!("{expected:?} on node {number}"), || {
        (regions(cluster, number) == expected).then_some(())
    });
}

/// On which nodes a job ran.
fn ran_on(cluster: &Cluster, number: u8, job: &str) -> BTreeSet<String> {
    let list = cluster.json(number, &format!("/v1/jobs/{job}/executions")).unwrap_or_default();
    let node = |one: &Value| one["node_name"].as_str().unwrap_or_default().to_owned();
    list.as_array().into_iter().flatten().map(node).collect()
}

#[test]
fn servers_of_two_regions_see_one_another_and_nothing_else_passes_between_them() {
    let cluster = two_regions();
    // As in Dkron, members of other regions are shown and have their region as a tag. Agents belong to their servers.
    wait_for_members(&cluster, 1, &[("agent3", "eu"), ("node1", "eu"), ("node2", "us")]);
    wait_for_members(&cluster, 2, &[("agent4", "us"), ("node1", "eu"), ("node2", "us")]);
    for (number, leader) in [(1, "node1"), (2, "node2")] {
        let shown = cluster.json(number, "/v1/leader").expect("a leader");
        assert_eq!(shown["Name"], leader, "each region has its own leader");
        let peers = cluster.json(number, "/v1/cluster/peers").expect("peers");
        assert_eq!(peers.as_array().map(Vec::len), Some(1), "nobody of another region votes: {peers}");
    }
    // A job lives in the region that it was stored in, and runs on all nodes there, on no other.
    let job = |name: &str, tags: Value| {
        json!({"name": name, "schedule": "@every 1s", "executor": "shell",
            "executor_config": {"command": "true"}, "tags": tags})
    };
    cluster.store(1, &job("abroad", json!({"region": "us:1"})));
    cluster.store(1, &job("everywhere", json!({})));
    cluster.store(1, &job("at-home", json!({"region": "eu"})));
    let home: BTreeSet<String> = ["agent3", "node1"].map(str::to_owned).into();
    for name in ["everywhere", "at-home"] {
        eventually("runs on all nodes of the region", || (ran_on(&cluster, 1, name) == home).then_some(()));
    }
    assert_eq!(ran_on(&cluster, 1, "abroad"), BTreeSet::new(), "no node of another region is eligible");
    for name in ["abroad", "everywhere", "at-home"] {
        cluster.send(2, &format!("GET /v1/jobs/{name}"), "").expect(404);
    }
    // An agent that asks a server of another region is refused by name, and finds its own at the other address.
    cluster.wait_for_log(4, "region: 'us' is not that of this server, which is 'eu'");
}
