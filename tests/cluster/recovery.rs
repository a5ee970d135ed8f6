//! The worst day: a quorum is gone for good, and one disk becomes the cluster.

use super::harness::Cluster;
use super::work::Work;
use crate::rig::patience::eventually;
use dkron::clock;
use dkron_core::bootstrap::Promise;
use dkron_core::command::Founding;
use dkron_core::ids::{ClusterId, Incarnation, NodeId};
use serde_json::{Value, json};
use std::fs;
use std::process::Stdio;
use std::time::Duration;

/// How many recoveries are killed.
const KILLS: u32 = 12;

fn recover(cluster: &Cluster, number: u8, more: &[&str]) -> (i32, String) {
    let data_dir = cluster.data_dir(number).display().to_string();
    let words = ["recover", "--from-this-node", "--data-dir", &data_dir];
    cluster.run(&[&words[..], more].concat())
}

fn survey(cluster: &Cluster, number: u8) -> Value {
    let (code, said) = recover(cluster, number, &["--output=json"]);
    assert_eq!(code, 0, "{said}");
    serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {said}"))
}

fn incarnation_of(survey: &Value) -> u64 {
    survey["incarnation"]["before"].as_u64().expect("a number")
}

/// Servers 1 and 3 come with empty disks and get votes.
fn rejoin_with_new_disks(cluster: &mut Cluster) {
    for number in [1, 3] {
        cluster.add_server(number, &[&format!("--join={}", cluster.address(2))]);
        cluster.start(number);
    }
    for number in [1, 3] {
        cluster.wait_until_ready(number);
        cluster.wait_for_job(number, "long");
        cluster.wait_for_vote(&format!("node{number}"));
    }
}

#[test]
fn one_disk_becomes_the_cluster_and_nothing_runs_twice() {
    let mut cluster = Cluster::of_three();
    cluster.add_agent(4, &["--tag", "role=web", &format!("--join={}", cluster.address(2))]);
    cluster.start(4);
    cluster.wait_for_member(1, "agent4", "alive");
    let work = Work::begin(&cluster, &[("each-second", json!({"role": "web:1"}))]);
    let go = cluster.folder().join("go");
    let command = format!("until [ -e {} ]; do sleep 0.05; done; echo over", go.display());
    cluster.store(
        1,
        &json!({"name": "long", "schedule": "@manually", "executor": "shell",
        "tags": {"role": "web:1"}, "executor_config": {"shell": "true", "command": command}}),
    );
    cluster.send(1, "POST /v1/jobs/long/run", "").expect(200);
    cluster.wait_for_job(2, "long");
    let running = eventually("the long run", || {
        cluster.json(2, "/v1/busy")?.as_array()?.iter().find(|run| run["job_name"] == "long").cloned()
    });

    let (code, said) = recover(&cluster, 2, &["--yes"]);
    assert_eq!(code, 1, "it runs: {said}");
    assert!(said.contains("is in use by process ") && said.contains(" agent --server"), "{said}");

    let lost_at = clock::monotonic();
    (1..=3).for_each(|number| cluster.kill(number));
    [1, 3].into_iter().for_each(|number| cluster.lose_disk(number));
    let before = survey(&cluster, 2);
    assert_eq!(
        before["voters"],
        json!({"before": ["node1", "node2", "node3"], "after": ["node2"]}),
        "{before}"
    );
    assert_eq!((&before["incarnation"]["before"], &before["jobs"]), (&json!(1), &json!(2)), "{before}");
    let runs = before["running"].as_array().expect("a list");
    assert!(
        runs.iter().any(|run| run
            .as_str()
            .is_some_and(|run| run.starts_with("long of ") && run.ends_with(" on agent4"))),
        "{before}"
    );
    assert_eq!(survey(&cluster, 2), before, "a dry run changes nothing");

    let (code, said) = recover(&cluster, 2, &["--yes"]);
    println!("{said}");
    assert_eq!(code, 0, "{said}");
    assert_eq!(survey(&cluster, 2)["incarnation"]["before"], 2);
    cluster.start(2);
    cluster.wait_until_ready(2);
    assert_eq!(cluster.leader(), 2);
    cluster.wait_for_member(2, "agent4", "alive");
    fs::write(&go, "").expect("a file");
    let ended = eventually("the long run's result", || {
        let list = cluster.json(2, "/v1/jobs/long/executions")?;
        let list = list.as_array()?.clone();
        (list.len() == 1 && list[0]["success"] == true).then_some(list)
    });
    assert_eq!(ended[0]["id"], running["id"]);

    rejoin_with_new_disks(&mut cluster);
    // Two of three are a quorum again.
    cluster.kill(2);
    cluster.expect_writes(1, "after-the-worst-day");
    let outage = lost_at.elapsed() + Duration::from_secs(10);
    work.judge(&cluster, outage);
}

#[test]
fn a_server_of_before_the_recovery_is_refused_by_name_and_joins_anew() {
    let mut cluster = Cluster::of_three();
    cluster.expect_writes(1, "kept");
    (1..=3).for_each(|number| cluster.wait_for_job(number, "kept"));
    (1..=3).for_each(|number| cluster.terminate(number));
    assert_eq!(recover(&cluster, 1, &["--yes"]).0, 0);
    cluster.start(1);
    cluster.wait_until_ready(1);
    cluster.expect_writes(1, "after");
    let old = {
        cluster.start(2);
        assert_eq!(cluster.wait_for_end(2), Some(1), "it must not go on");
        cluster.log(2)
    };
    assert!(old.contains("the cluster was recovered from another server's disk: server node1 at "), "{old}");
    cluster.expect_writes(1, "not-disturbed");
    cluster.forget_cluster(2);
    cluster.start(2);
    cluster.wait_until_ready(2);
    cluster.wait_for_job(2, "after");
    cluster.wait_for_vote("node2");
}

#[test]
fn a_recovery_that_is_killed_at_any_moment_leaves_the_old_cluster_or_the_new_one() {
    let mut cluster = Cluster::new();
    cluster.add_server(1, &["--bootstrap-expect=1"]);
    cluster.start(1);
    cluster.wait_until_ready(1);
    cluster.expect_writes(1, "kept");
    cluster.terminate(1);
    let data_dir = cluster.data_dir(1).display().to_string();
    let words = ["recover", "--from-this-node", "--yes", "--data-dir", &data_dir];
    let mut incarnation = 1;
    let mut outcomes = [0, 0];
    // Up to three times as long as it takes: some are killed before it is done, some after.
    let start = clock::monotonic();
    assert_eq!(cluster.run(&words).0, 0);
    let step = start.elapsed() * 3 / KILLS;
    for kill in 0..KILLS {
        let before = incarnation_of(&survey(&cluster, 1));
        assert!(before >= incarnation);
        let mut child = cluster.command(&words).stdout(Stdio::null()).spawn().expect("it runs");
        std::thread::sleep(step * kill);
        let _ = child.kill();
        child.wait().expect("it ends");
        let after = survey(&cluster, 1);
        incarnation = incarnation_of(&after);
        assert!([before, before + 1].contains(&incarnation), "{before} became {incarnation}");
        assert_eq!((&after["jobs"], &after["voters"]["before"]), (&json!(1), &json!(["node1"])), "{after}");
        outcomes[usize::from(incarnation > before)] += 1;
    }
    println!("{} before, {} after it was done", outcomes[0], outcomes[1]);
    cluster.start(1);
    cluster.wait_until_ready(1);
    cluster.wait_for_job(1, "kept");
    cluster.expect_writes(1, "goes-on");
}

#[test]
fn a_promise_that_nobody_can_free_is_taken_back() {
    let mut cluster = Cluster::new();
    let data_dir = cluster.data_dir(1);
    let gone = NodeId(1);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let ground = dkron::raft::open(&data_dir, None).await.expect("a data directory");
        let founder = Founding {
            cluster: ClusterId(7),
            incarnation: Incarnation(1),
            default_zone: "UTC".into(),
            zone_data: "2026a".into(),
        };
        let set = [gone, NodeId(2), ground.identity().server].into();
        let promise = Promise { cluster: ClusterId(7), initialiser: gone, set, founder, withdrawn: true };
        ground.promises().set(Some(promise)).await.expect("a promise");
        ground.close().await.expect("closed");
    });
    let data_dir = data_dir.display().to_string();
    let words = ["recover", "--reset-promise", "--data-dir", &data_dir];
    cluster.add_server(1, &["--bootstrap-expect=1"]);
    cluster.start(1);
    cluster.wait_for_log(1, "is silent: start it again with its data directory");
    let (code, said) = cluster.run(&words);
    assert!(code == 1 && said.contains("is in use by process "), "{said}");
    cluster.terminate(1);
    let (code, said) = recover(&cluster, 1, &[]);
    assert!(code == 1 && said.contains("--reset-promise sets it free"), "{said}");
    let (code, said) = cluster.run(&words);
    assert!(code == 0 && said.contains("Nothing was changed") && said.contains(&gone.to_string()), "{said}");
    let (code, said) = cluster.run(&[&words[..], &["--yes"]].concat());
    assert!(code == 0 && said.contains("is taken back"), "{said}");
    cluster.start(1);
    cluster.wait_until_ready(1);
    cluster.expect_writes(1, "free");
}

#[test]
fn what_is_no_servers_data_directory_is_refused_and_left_alone() {
    let cluster = Cluster::new();
    let (code, said) = recover(&cluster, 1, &["--yes"]);
    assert!(code == 1 && said.contains("holds no data of a server"), "{said}");
    assert!(!cluster.data_dir(1).exists());
    let (code, said) = cluster.run(&["recover", "--yes"]);
    assert!(code == 2 && said.contains("--from-this-node"), "{said}");
}
