//! Stops, restarts and refusals.

use super::harness::Node;
use reqwest::StatusCode;
use serde_json::json;
use std::fs;

#[tokio::test(flavor = "multi_thread")]
async fn a_running_job_outlives_the_daemon_and_its_result_is_told_once() {
    let mut node = Node::start().await;
    let job = json!({"name": "long", "schedule": "@manually", "executor": "shell", "executor_config":
        {"shell": "true", "command": "echo begun; while [ ! -e go ]; do sleep 0.05; done; echo ended"}});
    node.post("/v1/jobs", job.to_string()).await;
    node.post("/v1/jobs/long/run", "").await;
    node.until("/v1/busy", |answer| answer.body.contains("\"long\"")).await;
    node.kill();
    fs::write(node.path("go"), "").expect("a file");
    node.spawn();
    node.ready().await;
    let executions = node.executions("long", 1).await;
    assert_eq!(executions.len(), 1);
    assert_eq!(executions[0]["output"], "begun\nended\n");
    assert_eq!(executions[0]["success"], true);
    let status = node.terminate();
    assert!(status.success(), "{status}: {}", node.log());
    node.spawn();
    node.ready().await;
    assert_eq!(node.get("/v1/jobs/long").await.json()["success_count"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_data_directory_of_dkron_is_refused_and_untouched() {
    let mut node = Node::prepare();
    let raft = node.data().join("raft");
    fs::create_dir_all(&raft).expect("a folder");
    fs::write(raft.join("raft.db"), "bolt").expect("a file");
    node.spawn();
    assert!(!node.wait().success());
    assert!(node.log().contains("dkron migrate"), "{}", node.log());
    assert_eq!(fs::read(raft.join("raft.db")).expect("it is there"), b"bolt");
    let left: Vec<_> = fs::read_dir(&raft).expect("it is there").collect();
    assert_eq!(left.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_taken_port_is_told_by_its_address() {
    let node = Node::start().await;
    let taken =
        node.until("/v1/members", |answer| answer.status == StatusCode::OK && answer.body != "[]").await;
    let port = taken.json()[0]["Tags"]["port"].as_str().expect("a port").to_owned();
    let data = node.path("second");
    let refused =
        node.command(&["agent", "--dev", "--data-dir", &data.to_string_lossy(), "--rpc-port", &port]);
    assert!(!refused.status.success());
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(told.contains(&port) && told.contains("cannot listen"), "{told}");
}
