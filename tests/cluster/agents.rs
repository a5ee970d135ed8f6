//! Nodes that only work: found by their tags, watched, outliving all servers.

use super::harness::{Cluster, took};
use crate::rig::patience::eventually;
use dkron::clock;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

/// How soon a stopped agent is shown as left ...
const LEFT: Duration = Duration::from_secs(3);
/// ... and a killed one as failed: five seconds, and what a busy machine adds.
const FAILED: Duration = Duration::from_secs(10);

fn job(name: &str, tags: Value, command: &str) -> Value {
    json!({"name": name, "schedule": "@manually", "executor": "shell", "tags": tags,
        "executor_config": {"shell": "true", "command": command}})
}

/// The ended executions of a job, as soon as there are so many.
#[track_caller]
fn ended(cluster: &Cluster, server: u8, job: &str, count: usize) -> Vec<Value> {
    eventually(&format!("{count} ended executions of {job}"), || {
        let list = cluster.json(server, &format!("/v1/jobs/{job}/executions"))?;
        let mut list = list.as_array()?.clone();
        list.retain(|one| one["finished_at"].as_str().is_some_and(|at| !at.starts_with("000")));
        (list.len() >= count).then_some(list)
    })
}

fn nodes(executions: &[Value]) -> BTreeSet<&str> {
    executions.iter().filter_map(|one| one["node_name"].as_str()).collect()
}

#[test]
fn agents_work_for_the_jobs_that_name_their_tags() {
    let mut cluster = Cluster::of_three();
    for number in 4..=6 {
        cluster.add_agent(number, &["--tag", "role=web"]);
        cluster.start(number);
    }
    cluster.add_agent(7, &["--tag", "role=batch"]);
    cluster.start(7);
    (4..=7).for_each(|number| cluster.wait_for_member(1, &format!("agent{number}"), "alive"));
    cluster.store(2, &job("all", json!({"role": "web"}), "echo done"));
    cluster.store(2, &job("two", json!({"role": "web:2"}), "echo done"));
    cluster.store(3, &job("batch", json!({"role": "batch"}), "echo done"));
    for name in ["all", "two", "batch"] {
        cluster.send(2, &format!("POST /v1/jobs/{name}/run"), "").expect(200);
    }
    let all = ended(&cluster, 2, "all", 3);
    assert_eq!(nodes(&all), ["agent4", "agent5", "agent6"].into());
    let two = ended(&cluster, 2, "two", 2);
    assert_eq!((two.len(), nodes(&two).len()), (2, 2), "{two:?}");
    assert!(nodes(&two).is_subset(&nodes(&all)), "{two:?}");
    assert_eq!(nodes(&ended(&cluster, 2, "batch", 1)), ["agent7"].into());
    let failed: Vec<_> = all.iter().chain(&two).filter(|one| one["success"] != true).collect();
    assert!(failed.is_empty(), "{failed:?}");
}

#[test]
fn an_agent_that_stops_has_left_at_once_and_one_that_is_killed_has_failed_within_seconds() {
    let mut cluster = Cluster::of_three();
    for number in [4, 5] {
        cluster.add_agent(number, &["--tag", "role=web"]);
        cluster.start(number);
    }
    for server in 1..=3 {
        [4, 5].iter().for_each(|number| cluster.wait_for_member(server, &format!("agent{number}"), "alive"));
    }
    cluster.terminate(4);
    let start = clock::monotonic();
    (1..=3).for_each(|server| cluster.wait_for_member(server, "agent4", "left"));
    println!("left after {}", took(start));
    assert!(start.elapsed() < LEFT, "left only after {:?}", start.elapsed());
    cluster.kill(5);
    let start = clock::monotonic();
    (1..=3).for_each(|server| cluster.wait_for_member(server, "agent5", "failed"));
    println!("failed after {}", took(start));
    assert!(start.elapsed() < FAILED, "failed only after {:?}", start.elapsed());
    for number in [4, 5] {
        cluster.start(number);
        (1..=3).for_each(|server| cluster.wait_for_member(server, &format!("agent{number}"), "alive"));
    }
    cluster.store(1, &job("again", json!({"role": "web"}), "echo done"));
    cluster.send(1, "POST /v1/jobs/again/run", "").expect(200);
    assert_eq!(nodes(&ended(&cluster, 1, "again", 2)), ["agent4", "agent5"].into());
}

#[test]
fn a_job_on_an_agent_outlives_all_servers_and_its_result_is_told_when_they_are_back() {
    let mut cluster = Cluster::of_three();
    cluster.add_agent(4, &["--tag", "role=web"]);
    cluster.start(4);
    cluster.wait_for_member(1, "agent4", "alive");
    let (go, done) = (cluster.folder().join("go"), cluster.folder().join("done"));
    let command = format!(
        "echo begun; until [ -e {} ]; do sleep 0.05; done; echo over; touch {}",
        go.display(),
        done.display()
    );
    cluster.store(1, &job("long", json!({"role": "web"}), &command));
    cluster.send(1, "POST /v1/jobs/long/run", "").expect(200);
    let running = eventually("the run", || cluster.json(1, "/v1/busy")?.as_array()?.first().cloned());
    (1..=3).for_each(|number| cluster.kill(number));
    fs::write(go, "").expect("a file");
    eventually("the job's end", || done.exists().then_some(()));
    (1..=3).for_each(|number| cluster.start(number));
    for number in 1..=3 {
        cluster.wait_until_ready(number);
        let told = ended(&cluster, number, "long", 1);
        assert_eq!(told.len(), 1, "{told:?}");
        assert_eq!((&told[0]["id"], &told[0]["success"]), (&running["id"], &json!(true)));
        assert_eq!(told[0]["output"], json!("begun\nover\n"));
    }
}
