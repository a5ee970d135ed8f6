//! What a client reads, on any server, is true or says that it is not.

use super::harness::Cluster;
use crate::rig::http::Reply;
use crate::rig::patience::eventually;
use serde_json::{Value, json};

fn number(reply: &Reply, header: &str) -> u64 {
    let value = reply.header(header).unwrap_or_else(|| panic!("{header} is not there: {}", reply.text()));
    value.parse().unwrap_or_else(|error| panic!("{header}: {value}: {error}"))
}

fn job(name: &str, command: &str) -> Value {
    json!({"name": name, "schedule": "@manually", "executor": "shell",
        "executor_config": {"shell": "true", "command": command}})
}

#[test]
fn what_one_server_acknowledged_is_read_on_the_others_by_its_index_or_by_a_confirmation() {
    let cluster = Cluster::of_three();
    for round in 0..20 {
        for (writer, reader) in [(1, 2), (2, 3), (3, 1)] {
            let name = format!("job-{round}-{writer}");
            let stored = cluster.send(writer, "POST /v1/jobs", &job(&name, "true").to_string()).expect(201);
            let index = number(&stored, "x-dkron-index");
            let path = format!("GET /v1/jobs/{name}?min_index={index}");
            let read = cluster.send(reader, &path, "").expect(200);
            assert!(number(&read, "x-dkron-index") >= index);
            assert_eq!(read.header("x-dkron-stale"), Some("false"));
            let gone = cluster.send(writer, &format!("DELETE /v1/jobs/{name}"), "").expect(200);
            assert!(number(&gone, "x-dkron-index") > index);
            let read = cluster.send(reader, &format!("GET /v1/jobs/{name}?consistent"), "").expect(404);
            assert_eq!(read.header("x-dkron-consistency"), Some("consistent"));
        }
    }
    let ahead = cluster.send(1, "GET /v1/jobs?min_index=99999999", "").expect(503);
    assert!(ahead.text().contains("99999999"), "{}", ahead.text());
}

#[test]
fn without_a_quorum_reads_are_marked_as_stale_and_the_refusals_name_who_is_silent() {
    let mut cluster = Cluster::of_three();
    cluster.store(1, &job("kept", "true"));
    let left = cluster.leader();
    cluster.wait_for_job(left, "kept");
    let others: Vec<u8> = (1..=3).filter(|number| *number != left).collect();
    others.iter().for_each(|number| cluster.suspend(*number));
    eventually("the reads to be marked", || {
        let read = cluster.send(left, "GET /v1/jobs/kept", "").expect(200);
        (read.header("x-dkron-stale") == Some("true")).then_some(())
    });
    let read = cluster.send(left, "GET /v1/jobs/kept?stale", "").expect(200);
    assert_eq!(read.header("x-dkron-known-leader"), Some("false"));
    assert!(number(&read, "x-dkron-age") > 3_000);
    let silent = format!("node{} and node{} are silent", others[0], others[1]);
    let refused = cluster.send(left, "GET /v1/jobs/kept?consistent", "").expect(503);
    assert!(refused.text().contains(&silent), "{}", refused.text());
    let refused = cluster.send(left, "POST /v1/jobs", &job("x", "true").to_string()).expect(503);
    assert!(refused.text().contains("a quorum is 2 of 3 voters"), "{}", refused.text());
    assert!(refused.text().contains(&silent), "{}", refused.text());
    assert!(cluster.send(left, "GET /readyz", "").expect(503).text().contains(&silent));
    others.iter().for_each(|number| cluster.resume(*number));
    eventually("the present", || {
        let read = cluster.try_send(left, "GET /v1/jobs/kept", "").ok()?;
        (read.header("x-dkron-stale") == Some("false")).then_some(())
    });
    cluster.send(left, "GET /v1/jobs/kept?consistent", "").expect(200);
}

/// The one finished execution of a job, as a server shows it.
fn finished(cluster: &Cluster, number: u8, job: &str) -> Option<Value> {
    let list = cluster.json(number, &format!("/v1/jobs/{job}/executions"))?;
    let is_over = |run: &Value| run["finished_at"].as_str().is_some_and(|at| !at.starts_with("0001"));
    list.as_array()?.iter().find(|run| is_over(run)).cloned()
}

#[test]
fn a_long_output_is_whole_on_every_server_and_outlives_the_leader_that_took_it() {
    let mut cluster = Cluster::of_three();
    cluster.add_agent(4, &["--tag", "role=web"]);
    cluster.start(4);
    cluster.wait_for_member(1, "agent4", "alive");
    let mut long = job("long", "seq 1 30000");
    long["tags"] = json!({"role": "web:1"});
    cluster.store(1, &long);
    cluster.send(1, "POST /v1/jobs/long", "").expect(200);
    let leader = cluster.leader();
    let run = eventually("the end of the run", || finished(&cluster, leader, "long"));
    assert_eq!(run["success"], true, "{run}");
    cluster.kill(leader);
    let expected: String = (1..=30_000).map(|line| format!("{line}\n")).collect();
    for number in (1..=3).filter(|number| *number != leader) {
        let run = eventually("the run on another server", || finished(&cluster, number, "long"));
        assert_eq!(run["output"].as_str().map(str::len), Some(expected.len()), "node {number}");
        assert_eq!((&run["output"], &run["output_truncated"]), (&json!(expected), &json!(false)));
    }
}

#[test]
fn a_follower_shows_what_a_job_writes_while_it_writes_it() {
    let cluster = Cluster::of_three();
    let end = cluster.folder().join("end");
    let command = format!("echo first; while [ ! -e {} ]; do sleep 0.1; done; echo last", end.display());
    cluster.store(1, &job("talker", &command));
    cluster.send(1, "POST /v1/jobs/talker", "").expect(200);
    let leader = cluster.leader();
    let follower = (1..=3).find(|number| *number != leader).expect("a follower");
    let id = eventually("its start", || {
        let list = cluster.json(follower, "/v1/busy")?;
        list.as_array()?.first()?["id"].as_str().map(str::to_owned)
    });
    let path = format!("GET /v1/jobs/talker/executions/{id}/output?follow");
    let output = std::thread::scope(|scope| {
        let reading = scope.spawn(|| cluster.send(follower, &path, "").expect(200));
        eventually("the first line on the leader", || {
            let now = format!("GET /v1/jobs/talker/executions/{id}/output");
            (cluster.send(leader, &now, "").text() == "first\n").then_some(())
        });
        assert!(!reading.is_finished(), "the job goes on");
        std::fs::write(&end, "").expect("written");
        reading.join().expect("read")
    });
    assert_eq!(output.text(), "first\nlast\n");
}
