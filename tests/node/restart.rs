//! Stops and starts: what a node promises to whoever operates it.

use super::harness::Node;
use crate::rig::patience::{eventually, within};
use crate::rig::processes;
use serde_json::json;
use std::fs;
use std::process::Output;
use std::time::Duration;

/// How long a daemon may take to stop: "seconds", on a busy machine.
const STOP: Duration = Duration::from_secs(15);

fn refused(output: &Output) -> String {
    let said =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(1), "{said}");
    said
}

#[test]
fn a_terminated_node_stops_within_seconds_with_exit_code_0() {
    let mut node = Node::start();
    node.store(&json!({"name": "busy", "schedule": "@manually", "executor": "shell",
        "executor_config": {"command": "sleep 30"}}));
    node.run("busy");
    eventually("the run", || (node.list("/v1/busy").len() == 1).then_some(()));
    let start = dkron::clock::monotonic();
    let status = node.terminate();
    assert_eq!(status.code(), Some(0), "{}", node.log());
    assert!(start.elapsed() < STOP, "it took {:?}", start.elapsed());
    assert!(node.processes().iter().any(|one| one.command.contains("sleep 30")), "its job goes on");
}

#[test]
fn a_lone_server_waits_for_nobody_when_it_stops() {
    let mut node = Node::start();
    let start = dkron::clock::monotonic();
    assert_eq!(node.terminate().code(), Some(0), "{}", node.log());
    // Tens of milliseconds, and what a busy machine adds: less than any of the times that a stop may wait.
    assert!(start.elapsed() < Duration::from_secs(2), "it took {:?}\n{}", start.elapsed(), node.log());
    assert!(!node.log().contains("the stop waits"), "{}", node.log());
}

#[test]
fn a_running_job_survives_restarts_and_its_result_is_delivered_once() {
    for killed in [true, false] {
        let mut node = Node::start();
        node.store(&json!({"name": "slow", "schedule": "@manually", "executor": "shell", "executor_config": {
            "shell": "true", "command": "echo begun; until [ -e go ]; do sleep 0.05; done; echo done; exit 3"}}));
        node.run("slow");
        let running = eventually("the run", || node.list("/v1/busy").pop());
        for _ in 0..2 {
            if killed {
                node.kill();
            } else {
                node.terminate();
            }
            node.spawn();
            node.wait_until_ready();
        }
        let again = eventually("the run after a restart", || node.list("/v1/busy").pop());
        assert_eq!(again["id"], running["id"]);
        fs::write(node.folder().join("go"), "").expect("a file");
        let ended = node.ended("slow", 1);
        assert_eq!(ended.len(), 1, "{ended:?}");
        assert_eq!((&ended[0]["id"], &ended[0]["success"]), (&running["id"], &json!(false)));
        let output = ended[0]["output"].as_str().expect("an output");
        assert!(output.ends_with("begun\ndone\n"), "{output}");
        node.restart();
        assert_eq!(node.ended("slow", 1).len(), 1);
        let job = node.json("/v1/jobs/slow");
        assert_eq!((&job["success_count"], &job["error_count"]), (&json!(0), &json!(1)));
        assert!(node.list("/v1/busy").is_empty());
    }
}

#[test]
fn a_job_that_ends_while_the_daemon_is_down_is_reported_by_the_next_one() {
    let mut node = Node::start();
    node.store(&json!({"name": "slow", "schedule": "@manually", "executor": "shell", "executor_config": {
        "shell": "true", "command": "until [ -e go ]; do sleep 0.05; done; echo done; touch ended"}}));
    node.run("slow");
    eventually("the run", || node.list("/v1/busy").pop());
    node.kill();
    fs::write(node.folder().join("go"), "").expect("a file");
    eventually("the job's end", || node.folder().join("ended").exists().then_some(()));
    node.spawn();
    node.wait_until_ready();
    let ended = node.ended("slow", 1);
    assert_eq!(ended.len(), 1, "{ended:?}");
    assert_eq!((&ended[0]["success"], &ended[0]["output"]), (&json!(true), &json!("done\n")));
}

#[test]
fn jobs_counters_and_executions_are_there_after_a_kill() {
    let mut node = Node::start();
    node.store(&json!({"name": "kept", "schedule": "@manually", "executor": "shell",
        "metadata": {"team": "x"}, "executor_config": {"command": "echo hello"}}));
    node.run("kept");
    node.ended("kept", 1);
    node.post("/v1/pause", "").expect(200);
    let counted = || {
        let job = node.json("/v1/jobs/kept");
        (job["success_count"] == 1).then_some(job)
    };
    let job = eventually("the counter", counted);
    let executions = node.json("/v1/jobs/kept/executions");
    node.restart();
    assert_eq!(node.json("/v1/jobs/kept"), job);
    assert_eq!(node.json("/v1/jobs/kept/executions"), executions);
    assert_eq!(node.json("/v1/pause"), json!({"paused": true}));
}

#[test]
fn a_data_directory_of_dkron_is_refused_untouched() {
    let node = Node::new(&[]);
    let raft = node.data_dir().join("raft");
    fs::create_dir_all(&raft).expect("a folder");
    fs::write(raft.join("raft.db"), "theirs").expect("a file");
    let said = refused(&node.command().output().expect("the binary runs"));
    assert!(said.contains("raft.db"), "{said}");
    let names = |path| -> Vec<_> {
        fs::read_dir(path).expect("a folder").flatten().map(|entry| entry.file_name()).collect()
    };
    assert_eq!(names(raft.clone()), ["raft.db"]);
    assert_eq!(fs::read_to_string(raft.join("raft.db")).expect("a file"), "theirs");
    assert_eq!(names(node.data_dir()), ["raft"], "nothing else was made there");
    assert!(node.processes().is_empty(), "{:?}", node.processes());
}

#[test]
fn a_second_daemon_on_a_data_directory_is_refused_with_a_clear_message() {
    let node = Node::start();
    let other = Node::new(&[]);
    let mut command = other.command();
    command.arg("--data-dir").arg(node.data_dir());
    let said = refused(&command.output().expect("the binary runs"));
    let data_dir = node.data_dir().display().to_string();
    assert!(said.contains(&data_dir) && said.contains("another"), "{said}");
    node.store(&json!({"name": "works", "schedule": "@manually", "executor": "shell",
        "executor_config": {"command": "true"}}));
    node.run("works");
    node.ended("works", 1);
}

#[test]
fn a_port_in_use_is_named_with_its_setting_and_the_exit_code_is_not_0() {
    let node = Node::start();
    let other = Node::new(&[]);
    let http = node.api().to_string();
    let mut command = other.command();
    let said = refused(&command.args(["--http-addr", &http]).output().expect("the binary runs"));
    assert!(said.contains(&http) && said.contains("in use"), "{said}");
    let mut command = other.command();
    let calls = format!("{}:21946", node.api().ip());
    let said = refused(&command.args(["--bind-addr", &calls]).output().expect("the binary runs"));
    assert!(said.contains(&format!("{}:21868", node.api().ip())) && said.contains("in use"), "{said}");
    assert!(other.processes().is_empty(), "{:?}", other.processes());
}

#[test]
fn a_killed_supervisor_is_replaced_and_its_run_ends_as_lost() {
    let mut node = Node::start();
    node.store(
        &json!({"name": "slow", "schedule": "@manually", "executor": "shell", "concurrency": "forbid",
        "executor_config": {"shell": "true", "command": "until [ -e go ]; do sleep 0.05; done"}}),
    );
    node.run("slow");
    eventually("the run", || node.list("/v1/busy").pop());
    node.kill();
    node.kill_supervisor();
    node.spawn();
    node.wait_until_ready();
    // The command lives on: as long as it does, the job must not start a second time.
    assert_eq!(node.post("/v1/jobs/slow/run", "").status, 409);
    fs::write(node.folder().join("go"), "").expect("a file");
    let ended = node.ended("slow", 1);
    assert_eq!((ended.len(), &ended[0]["success"]), (1, &json!(false)), "{ended:?}");
    node.run("slow");
    assert_eq!(node.ended("slow", 2)[0]["success"], json!(true));
}

#[test]
fn nothing_of_a_dropped_node_lives_on() {
    let node = Node::start();
    node.store(&json!({"name": "slow", "schedule": "@manually", "executor": "shell",
        "executor_config": {"command": "sleep 60"}}));
    node.run("slow");
    eventually("daemon, supervisor and job", || (node.processes().len() == 3).then_some(()));
    let pids: Vec<i32> = node.processes().iter().map(|process| process.pid).collect();
    drop(node);
    let gone = || pids.iter().all(|pid| processes::is_gone(*pid)).then_some(());
    assert!(within(Duration::from_secs(5), gone).is_some());
}
