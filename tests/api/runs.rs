//! Runs: by hand, by schedule, refused, retried, held; what they wrote.

use super::{shell, with};
use crate::node::harness::Node;
use crate::rig::patience::eventually;
use serde_json::{Value, json};
use std::fs;

/// Runs as long as there is no file of this name in the node's folder.
fn until(file: &str) -> String {
    format!("until [ -e {file} ]; do sleep 0.03; done")
}

fn attempts(executions: &[Value]) -> Vec<u64> {
    let mut attempts: Vec<u64> = executions.iter().filter_map(|one| one["attempt"].as_u64()).collect();
    attempts.sort_unstable();
    attempts
}

#[test]
fn a_run_by_hand_answers_the_job_and_leaves_an_execution_with_what_it_wrote() {
    let node = Node::start();
    node.store(&with(shell("hello", "echo hello"), json!({"timezone": "Europe/Berlin"})));
    let reply = node.post("/v1/jobs/hello/run", "").expect(200);
    assert_eq!(
        (reply.header("location"), &reply.json()["name"]),
        (Some("/v1/jobs/hello/run"), &json!("hello"))
    );
    let listed = node.ended("hello", 1).remove(0);
    assert_eq!((&listed["output"], &listed["success"]), (&json!("hello\n"), &json!(true)));
    assert_eq!((&listed["node_name"], &listed["attempt"]), (&json!("node1"), &json!(1)));
    let id = listed["id"].as_str().expect("an id");
    assert!(id.ends_with("-node1") && id.len() == 19 + "-node1".len(), "{id}");
    let started = listed["started_at"].as_str().expect("a time");
    assert!(started.ends_with("+01:00") || started.ends_with("+02:00"), "in the job's zone: {started}");
    let single = node.json(&format!("/v1/jobs/hello/executions/{id}"));
    assert!(single["started_at"].as_str().expect("a time").ends_with('Z'), "{single}");
    assert_eq!((&single["id"], single.get("output_truncated")), (&listed["id"], None));
    let job = node.json("/v1/jobs/hello");
    assert_eq!((&job["success_count"], &job["status"]), (&json!(1), &json!("success")));
    node.post("/v1/jobs/hello", "").expect(200);
    assert_eq!(node.ended("hello", 2).len(), 2);
}

#[test]
fn forbid_refuses_a_second_run_with_409_and_a_skip_record() {
    let node = Node::start();
    node.store(&with(shell("once", &until("go")), json!({"concurrency": "forbid"})));
    node.run("once");
    eventually("the run", || node.list("/v1/busy").pop());
    let refused = node.post("/v1/jobs/once/run", "");
    assert!(refused.status == 409 && refused.text().contains("once"), "{}", refused.text());
    let skip = eventually("the skip record", || node.list("/v1/jobs/once/skips").pop());
    assert_eq!((&skip["reason"], &skip["count"]), (&json!("overlap"), &json!(1)));
    fs::write(node.folder().join("go"), "").expect("a file");
    assert_eq!(node.ended("once", 1).len(), 1);
    node.run("once");
    assert_eq!(node.ended("once", 2).len(), 2);
}

#[test]
fn queue_runs_one_after_the_other_and_replace_stops_the_older_one() {
    let node = Node::start();
    node.store(&with(shell("queue", &until("go")), json!({"concurrency": "queue"})));
    (0..3).for_each(|_| node.run("queue"));
    eventually("the first run", || node.list("/v1/busy").pop());
    assert_eq!(node.list("/v1/busy").len(), 1);
    fs::write(node.folder().join("go"), "").expect("a file");
    let ended = node.ended("queue", 3);
    for (later, earlier) in ended.iter().zip(&ended[1..]) {
        assert!(later["started_at"].as_str() >= earlier["finished_at"].as_str(), "{ended:?}");
    }
    node.store(&with(shell("replace", &until("never")), json!({"concurrency": "replace"})));
    node.run("replace");
    let first = eventually("the first run", || node.list("/v1/busy").pop());
    node.run("replace");
    let stopped = node.ended("replace", 1).remove(0);
    assert_eq!((&stopped["id"], &stopped["success"]), (&first["id"], &json!(false)));
    eventually("the newer run", || node.list("/v1/busy").pop());
}

#[test]
fn a_held_job_has_no_ticks_and_one_skip_record_when_it_is_released() {
    let node = Node::start();
    let ticks = |name| with(shell(name, "true"), json!({"schedule": "* * * * * *"}));
    node.store(&ticks("held"));
    node.store(&ticks("witness"));
    node.ended("held", 1);
    node.post("/v1/jobs/held/hold", "").expect(200);
    // What was decided before the hold may still end; the witness says when time has passed.
    eventually("no running tick", || node.list("/v1/busy").is_empty().then_some(()));
    let seen = node.list("/v1/jobs/held/executions").len();
    let passed = node.list("/v1/jobs/witness/executions").len();
    node.ended("witness", passed + 3);
    assert_eq!(node.list("/v1/jobs/held/executions").len(), seen, "no tick while it is held");
    node.post("/v1/jobs/held/release", "").expect(200);
    node.ended("held", seen + 1);
    let skips = node.list("/v1/jobs/held/skips");
    assert_eq!(skips.len(), 1, "{skips:?}");
    assert!(skips[0]["reason"] == "held" && skips[0]["count"].as_u64() >= Some(2), "{skips:?}");
    assert!(node.list("/v1/jobs/witness/skips").is_empty());
}

#[test]
fn holding_the_cluster_stops_all_ticks_but_no_run_by_hand() {
    let node = Node::start();
    node.post("/v1/hold", "").expect(200);
    node.store(&with(shell("ticks", "true"), json!({"schedule": "@every 1s"})));
    node.store(&shell("by-hand", "sleep 1.2"));
    node.run("by-hand");
    node.ended("by-hand", 1);
    assert!(node.list("/v1/jobs/ticks/executions").is_empty());
    assert_eq!(node.get("/readyz").status, 200);
    node.post("/v1/release", "").expect(200);
    node.ended("ticks", 1);
}

#[test]
fn failures_are_tried_again_after_their_wait_until_one_succeeds() {
    let node = Node::start();
    let more = json!({"retries": 4, "backoff": "100ms"});
    node.store(&with(shell("flaky", "echo $DKRON_ATTEMPT; [ $DKRON_ATTEMPT = 3 ]"), more.clone()));
    node.store(&with(shell("broken", "exit 7"), with(more, json!({"retries": 1}))));
    node.run("flaky");
    node.run("broken");
    let flaky = node.ended("flaky", 3);
    assert_eq!(attempts(&flaky), [1, 2, 3]);
    assert_eq!(flaky.iter().filter(|one| one["success"] == true).count(), 1);
    assert!(flaky.iter().all(|one| one["group"] == flaky[0]["group"]), "{flaky:?}");
    for (later, earlier) in flaky.iter().zip(&flaky[1..]) {
        assert!(later["started_at"].as_str() > earlier["finished_at"].as_str(), "{flaky:?}");
    }
    assert_eq!(attempts(&node.ended("broken", 2)), [1, 2]);
    let (flaky, broken) = (node.json("/v1/jobs/flaky"), node.json("/v1/jobs/broken"));
    assert_eq!((&flaky["success_count"], &flaky["error_count"]), (&json!(1), &json!(2)));
    assert_eq!((&flaky["status"], &broken["status"]), (&json!("success"), &json!("failed")));
    assert_eq!(broken["error_count"], 2);
}

#[test]
fn a_childs_run_follows_its_parents_success_only() {
    let node = Node::start();
    let child =
        |name: &str, parent: &str| with(shell(name, "true"), json!({"parent_job": parent, "schedule": ""}));
    node.store(&shell("good", "true"));
    node.store(&shell("bad", "false"));
    node.store(&child("child-of-good", "good"));
    node.store(&child("grandchild", "child-of-good"));
    node.store(&child("child-of-bad", "bad"));
    node.run("bad");
    node.ended("bad", 1);
    node.run("good");
    node.ended("grandchild", 1);
    assert_eq!(node.ended("child-of-good", 1).len(), 1);
    assert!(node.list("/v1/jobs/child-of-bad/executions").is_empty());
}

#[test]
fn an_ephemeral_job_is_gone_after_its_success() {
    let node = Node::start();
    let ephemeral = json!({"ephemeral": true});
    node.store(&with(shell("good", "true"), ephemeral.clone()));
    node.store(&with(shell("bad", "false"), ephemeral));
    node.run("good");
    node.run("bad");
    eventually("its end", || (node.get("/v1/jobs/good").status == 404).then_some(()));
    node.ended("bad", 1);
    assert_eq!(node.get("/v1/jobs/bad").status, 200);
}

#[test]
fn large_outputs_are_whole_by_themselves_and_cut_in_lists_if_asked_for() {
    let node = Node::start();
    node.store(&shell("printer", "head -c $(cat bytes) /dev/zero | tr '\\0' x"));
    for (count, bytes) in [4, 1_705, 200_000].into_iter().enumerate() {
        fs::write(node.folder().join("bytes"), format!("{bytes}")).expect("a file");
        node.run("printer");
        node.ended("printer", count + 1);
    }
    let lengths = |query: &str| -> Vec<(usize, bool)> {
        let list = node.list(&format!("/v1/jobs/printer/executions{query}"));
        let length = |one: &Value| one["output"].as_str().map_or(0, str::len);
        list.iter().map(|one| (length(one), one["output_truncated"] == true)).collect()
    };
    assert_eq!(lengths("?output_size_limit=200"), [(200, true), (200, true), (4, false)]);
    assert_eq!(lengths("?output_size_limit=2000")[1..], [(1_705, false), (4, false)]);
    assert_eq!(lengths("")[1..], [(1_705, false), (4, false)]);
    let large = node.list("/v1/jobs/printer/executions?_order=DESC").remove(0);
    let id = large["id"].as_str().expect("an id");
    let whole = node.json(&format!("/v1/jobs/printer/executions/{id}"));
    assert_eq!(whole["output"].as_str().map(str::len), Some(200_000));
}

#[test]
fn a_job_that_takes_too_long_is_killed_and_keeps_what_it_wrote() {
    let node = Node::start();
    let config = json!({"shell": "true", "command": "echo begun; sleep 60; echo never", "timeout": "300ms"});
    node.store(&with(shell("slow", ""), json!({"executor_config": config})));
    node.run("slow");
    let ended = node.ended("slow", 1).remove(0);
    assert_eq!(ended["success"], false);
    let output = ended["output"].as_str().expect("an output");
    assert!(output.contains("begun\n") && !output.contains("\nnever"), "{output}");
    eventually("the end of its processes", || {
        let left = node.processes().into_iter().any(|one| one.command.contains("sleep 60"));
        (!left).then_some(())
    });
}

#[test]
fn a_request_with_a_key_acts_once() {
    let node = Node::start();
    node.store(&shell("paid", "true"));
    let ask = |key: &str| {
        let reply = node.send("POST /v1/jobs/paid/run", &[("idempotency-key", key)], b"");
        reply.expect(200);
    };
    (0..3).for_each(|_| ask("first"));
    node.ended("paid", 1);
    ask("first");
    ask("second");
    // The third run by hand is asked for last: when it has ended nothing older is on its way.
    node.ended("paid", 2);
    node.run("paid");
    assert_eq!(node.ended("paid", 3).len(), 3);
}

#[test]
fn deleting_the_executions_of_foo_keeps_those_of_foobar() {
    let node = Node::start();
    for name in ["foo", "foobar"] {
        node.store(&shell(name, "true"));
        node.run(name);
        node.ended(name, 1);
    }
    let job = node.delete("/v1/jobs/foo/executions").expect(200).json();
    assert_eq!((&job["success_count"], &job["last_success"]), (&json!(0), &Value::Null));
    assert_eq!((&job["error_count"], &job["last_error"]), (&json!(0), &Value::Null));
    eventually("no executions", || node.list("/v1/jobs/foo/executions").is_empty().then_some(()));
    assert_eq!(node.ended("foobar", 1).len(), 1);
    assert_eq!(node.json("/v1/jobs/foobar")["success_count"], 1);
}

#[test]
fn tags_choose_the_node_and_its_number() {
    let node = Node::start_with(&["--tag", "tag=test", "--tag", "extra=tag"]);
    let runs = [
        ("none", json!(null)),
        ("one", json!({"tag": "test:1"})),
        ("more-than-there-are", json!({"tag": "test:5"})),
        ("both", json!({"tag": "test:5", "extra": "tag:2"})),
        ("server", json!({"server": "true:1"})),
    ];
    let none = [
        ("other", json!({"no_tag": "x"})),
        ("one-of-two", json!({"foo": "bar:1", "tag": "test:2"})),
        ("no-number", json!({"tag": "test:invalid"})),
    ];
    for (name, tags) in runs.iter().chain(&none) {
        let stored = node.post("/v1/jobs", with(shell(name, "true"), json!({"tags": tags})).to_string());
        if stored.status == 201 {
            node.post(&format!("/v1/jobs/{name}/run"), "");
        } else {
            assert!(stored.status == 400 && *name == "no-number", "{name}: {}", stored.text());
        }
    }
    for (name, _) in &runs {
        assert_eq!(node.ended(name, 1).len(), 1, "{name}");
    }
    node.run("server");
    node.ended("server", 2);
    for (name, _) in &none[..2] {
        assert!(node.list(&format!("/v1/jobs/{name}/executions")).is_empty(), "{name}");
    }
}

#[test]
fn runoncreate_runs_a_job_as_soon_as_it_is_stored() {
    let node = Node::start();
    node.post("/v1/jobs?runoncreate=false", shell("now", "true").to_string()).expect(201);
    assert_eq!(node.ended("now", 1).len(), 1);
    let off = with(shell("off", "true"), json!({"disabled": true}));
    node.post("/v1/jobs?runoncreate", off.to_string()).expect(201);
    assert_eq!(node.json("/v1/jobs/off")["disabled"], true);
}
