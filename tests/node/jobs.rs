//! Jobs over HTTP: Dkron's own tests re-created, bad input, runs, holds.

use super::harness::{Answer, Node};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

const BACKUP: &[u8] = include_bytes!("../data/backup.json");

fn shell(name: &str, schedule: &str, command: &str) -> Value {
    json!({"name": name, "schedule": schedule, "executor": "shell",
        "executor_config": {"command": command, "shell": "true"}})
}

async fn post_job(node: &Node, job: &Value) -> Answer {
    node.post("/v1/jobs", job.to_string()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_created_replaced_listed_and_deleted_as_in_dkron() {
    let node = Node::start().await;
    let mut job = shell("job1", "@every 1h", "date");
    job["disabled"] = true.into();
    let created = post_job(&node, &job).await;
    assert_eq!(created.status, StatusCode::CREATED);
    assert_eq!(created.headers["location"], "/v1/jobs/job1");
    job["disabled"] = false.into();
    job["executor_config"]["command"] = "test".into();
    let replaced = post_job(&node, &job).await;
    assert_eq!(replaced.status, StatusCode::CREATED);
    assert_eq!(replaced.json()["executor_config"]["command"], "test");
    let listed = node.get("/v1/jobs").await;
    assert_eq!(listed.headers["x-total-count"], "1");
    assert_eq!(listed.headers["x-whom"], "node1");
    assert_eq!(listed.json()[0]["id"], "job1");
    assert_eq!(node.get("/v1/jobs/job1/executions").await.body, "[]");
    assert_eq!(node.delete("/v1/jobs/job1").await.status, StatusCode::OK);
    assert_eq!(node.get("/v1/jobs/job1").await.status, StatusCode::NOT_FOUND);
    assert_eq!(node.delete("/v1/jobs/job1").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_input_is_refused_by_field_and_stores_nothing() {
    let node = Node::start().await;
    let with = |key: &str, value: Value| {
        let mut job = shell("bad", "@every 1h", "date");
        job[key] = value;
        job.to_string()
    };
    let many: serde_json::Map<String, Value> = (0..10_000).map(|n| (format!("t{n}"), "x".into())).collect();
    let cases: Vec<(String, StatusCode, &str)> = vec![
        (
            with("name", "BAD JOB NAME!".into()),
            StatusCode::BAD_REQUEST,
            "name contains illegal character 'B'",
        ),
        (with("name", "".into()), StatusCode::BAD_REQUEST, "name cannot be empty"),
        (with("name", "a\0b".into()), StatusCode::BAD_REQUEST, "name"),
        (with("name", "x".repeat(300).into()), StatusCode::BAD_REQUEST, "name"),
        (with("schedule", "@at badtime".into()), StatusCode::BAD_REQUEST, "schedule"),
        (with("schedule", "61 * * * * *".into()), StatusCode::BAD_REQUEST, "second"),
        (with("schedule", "".into()), StatusCode::BAD_REQUEST, "schedule"),
        (with("concurrency", "sometimes".into()), StatusCode::BAD_REQUEST, "concurrency"),
        (with("timezone", "notatimezone".into()), StatusCode::BAD_REQUEST, "timezone"),
        (with("parent_job", "bad".into()), StatusCode::BAD_REQUEST, "the job can not have itself as parent"),
        (with("parent_job", "gone".into()), StatusCode::NOT_FOUND, "specified parent job not found"),
        (with("retries", (-1).into()), StatusCode::BAD_REQUEST, "retries"),
        (with("tags", many.into()), StatusCode::BAD_REQUEST, "tags"),
        (
            with("executor_config", json!({"command": "x", "timeout": "forever"})),
            StatusCode::BAD_REQUEST,
            "timeout",
        ),
        ("[".repeat(100_000), StatusCode::BAD_REQUEST, ""),
        (with("owner", "x".repeat(1_100_000).into()), StatusCode::PAYLOAD_TOO_LARGE, ""),
    ];
    for (body, status, word) in cases {
        let answer = node.post("/v1/jobs", body.clone()).await;
        let start: String = body.chars().take(80).collect();
        assert_eq!(answer.status, status, "{start}: {}", answer.body);
        assert!(answer.body.contains(word), "{start}: {}", answer.body);
    }
    for query in ["_start=-1", "_end=x", "_start=5&_end=4", "_sort=owner", "disabled=perhaps"] {
        let answer = node.get(&format!("/v1/jobs?{query}")).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{query}: {}", answer.body);
    }
    assert_eq!(node.get("/v1/jobs").await.body, "[]");
}

/// Lists of names are sets: ours come sorted.
fn sorted(value: &Value) -> Value {
    let mut value = value.clone();
    if let Some(names) = value.as_array_mut() {
        names.sort_by_key(|name| name.to_string());
    }
    value
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_restored_is_equal_to_what_was_saved() {
    let node = Node::start().await;
    assert_eq!(node.post("/v1/hold", "").await.status, StatusCode::OK); // nothing runs meanwhile
    let restored = node.restore(BACKUP).await;
    assert_eq!(restored.status, StatusCode::OK, "{}", restored.body);
    assert!(restored.body.contains("success create heartbeat") && !restored.body.contains("fail create"));
    let saved: Vec<Value> = serde_json::from_slice(BACKUP).expect("a backup");
    let listed = node.get("/v1/jobs").await.json();
    for job in &saved {
        let found = listed.as_array().expect("a list").iter().find(|one| one["name"] == job["name"]);
        let found = found.unwrap_or_else(|| panic!("{} is not there", job["name"]));
        for (key, value) in job.as_object().expect("a job").iter().filter(|(key, _)| *key != "next") {
            assert_eq!(sorted(&found[key]), sorted(value), "{key} of {}", job["name"]);
        }
    }
    let before = node.get("/v1/jobs").await.json().as_array().map(Vec::len);
    let broken = json!([shell("fine", "@every 1h", "date"), shell("broken", "never", "date")]).to_string();
    let refused = node.restore(broken.as_bytes()).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{}", refused.body);
    assert!(refused.body.contains("broken"), "{}", refused.body);
    assert_eq!(node.get("/v1/jobs/fine").await.status, StatusCode::NOT_FOUND, "all or none");
    assert_eq!(node.get("/v1/jobs").await.json().as_array().map(Vec::len), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_by_hand_leaves_its_output_and_acts_once_for_one_key() {
    let node = Node::start().await;
    post_job(&node, &shell("hand", "@manually", "printf '%s ' $DKRON_JOB_NAME $DKRON_ATTEMPT; echo done"))
        .await;
    let key = [("idempotency-key", "monday")];
    for _ in 0..3 {
        let answer = node.send(Method::POST, "/v1/jobs/hand/run", &key, Vec::new()).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    }
    let executions = node.executions("hand", 1).await;
    assert_eq!(executions.len(), 1);
    assert_eq!(executions[0]["output"], "hand 1 done\n");
    assert_eq!(executions[0]["success"], true);
    let id = executions[0]["id"].as_str().expect("an id");
    assert_eq!(node.get(&format!("/v1/jobs/hand/executions/{id}")).await.json()["output"], "hand 1 done\n");
    node.until("/v1/jobs/hand", |answer| answer.json()["success_count"] == 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn forbid_refuses_a_second_run_and_says_which_stands_in_the_way() {
    let node = Node::start().await;
    let mut job = shell("lone", "@manually", "while [ ! -e go ]; do sleep 0.05; done");
    job["concurrency"] = "forbid".into();
    post_job(&node, &job).await;
    assert_eq!(node.post("/v1/jobs/lone/run", "").await.status, StatusCode::OK);
    node.until("/v1/busy", |answer| answer.json().as_array().is_some_and(|busy| busy.len() == 1)).await;
    let refused = node.post("/v1/jobs/lone/run", "").await;
    assert_eq!(refused.status, StatusCode::CONFLICT);
    assert!(refused.body.contains("still running"), "{}", refused.body);
    let skips = node.until("/v1/jobs/lone/skips", |answer| answer.body != "[]").await;
    assert_eq!(skips.json()[0]["reason"], "overlap");
    std::fs::write(node.path("go"), "").expect("a file");
    assert_eq!(node.executions("lone", 1).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn retries_children_and_ephemeral_jobs_run_as_decided() {
    let node = Node::start().await;
    let mut job = shell("flaky", "@manually", "[ $DKRON_ATTEMPT -ge 3 ]");
    job["retries"] = 4.into();
    job["backoff"] = "10ms..20ms".into();
    assert_eq!(post_job(&node, &job).await.status, StatusCode::CREATED);
    let mut child = shell("child", "", "echo child of $DKRON_JOB_NAME");
    child["parent_job"] = "flaky".into();
    child["ephemeral"] = true.into();
    assert_eq!(post_job(&node, &child).await.status, StatusCode::CREATED);
    assert_eq!(node.get("/v1/jobs/flaky").await.json()["dependent_jobs"], json!(["child"]));
    node.post("/v1/jobs/flaky/run", "").await;
    let attempts: Vec<Value> =
        node.executions("flaky", 3).await.iter().map(|run| run["attempt"].clone()).collect();
    assert_eq!(attempts, [3, 2, 1]);
    let shown = node.until("/v1/jobs/flaky", |answer| answer.json()["status"] == "success").await;
    assert_eq!(shown.json()["error_count"], 2);
    node.until("/v1/jobs/child", |answer| answer.status == StatusCode::NOT_FOUND).await;
    assert_eq!(node.get("/v1/jobs/flaky").await.json()["dependent_jobs"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn pause_refuses_submissions_hold_stops_ticks_and_release_tells_what_was_passed_over() {
    let node = Node::start().await;
    assert_eq!(post_job(&node, &shell("tick", "@every 1s", "true")).await.status, StatusCode::CREATED);
    assert_eq!(node.post("/v1/pause", "").await.body, r#"{"paused":true}"#);
    let refused = post_job(&node, &shell("other", "@every 1s", "true")).await;
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(refused.body.contains("paused"), "{}", refused.body);
    node.executions("tick", 1).await;
    assert_eq!(node.post("/v1/unpause", "").await.body, r#"{"paused":false}"#);

    assert_eq!(node.post("/v1/hold", "").await.status, StatusCode::OK);
    node.until("/v1/busy", |answer| answer.body == "[]").await;
    let next = node.get("/v1/jobs/tick").await.json()["next"].clone();
    let held = node.get("/v1/jobs/tick/executions").await.json().as_array().map(Vec::len);
    tokio::time::sleep(std::time::Duration::from_millis(2_100)).await; // two ticks must pass over
    assert_eq!(node.get("/v1/jobs/tick").await.json()["next"], next, "nothing is decided while held");
    assert_eq!(node.get("/v1/jobs/tick/executions").await.json().as_array().map(Vec::len), held);
    assert_eq!(node.post("/v1/release", "").await.status, StatusCode::OK);
    let skips = node.until("/v1/jobs/tick/skips", |answer| answer.body != "[]").await.json();
    assert_eq!(skips[0]["reason"], "held");
    assert!(skips[0]["count"].as_u64() >= Some(2), "{skips}");
}

#[tokio::test(flavor = "multi_thread")]
async fn deleting_the_executions_of_foo_keeps_those_of_foobar() {
    let node = Node::start().await;
    for name in ["foo", "foobar"] {
        post_job(&node, &shell(name, "@manually", "echo x")).await;
        node.post(&format!("/v1/jobs/{name}/run"), "").await;
        node.executions(name, 1).await;
    }
    assert_eq!(node.delete("/v1/jobs/foo/executions").await.json()["success_count"], 0);
    node.until("/v1/jobs/foo/executions", |answer| answer.body == "[]").await;
    assert_eq!(node.executions("foobar", 1).await.len(), 1);
    assert_eq!(node.delete("/v1/jobs/nope/executions").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_output_is_kept_whole_and_cut_only_when_asked_for() {
    let node = Node::start().await;
    post_job(&node, &shell("big", "@manually", "head -c 200000 /dev/zero | tr '\\0' x")).await;
    node.post("/v1/jobs/big/run", "").await;
    let executions = node.executions("big", 1).await;
    assert_eq!(executions[0]["output"].as_str().map(str::len), Some(200_000));
    assert_eq!(executions[0]["output_truncated"], false);
    let cut = node.get("/v1/jobs/big/executions?output_size_limit=200").await.json();
    assert_eq!(cut[0]["output"].as_str().map(str::len), Some(200));
    assert_eq!(cut[0]["output_truncated"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_another_site_changes_nothing_and_safe_updates_meet_only_their_revision() {
    let node = Node::start().await;
    let job = shell("safe", "@every 1h", "date").to_string();
    let foreign = [("origin", "http://evil.example")];
    let refused = node.send(Method::POST, "/v1/jobs", &foreign, job.clone().into()).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert_eq!(node.get("/v1/jobs").await.body, "[]");
    let first = node.post("/v1/jobs", job.clone()).await;
    let tag = first.headers["etag"].to_str().expect("a tag").to_owned();
    let guarded = [("if-match", tag.as_str())];
    assert_eq!(
        node.send(Method::POST, "/v1/jobs", &guarded, job.clone().into()).await.status,
        StatusCode::CREATED
    );
    let stale = node.send(Method::POST, "/v1/jobs", &guarded, job.into()).await;
    assert_eq!(stale.status, StatusCode::PRECONDITION_FAILED, "{}", stale.body);
}
