//! The rows of Dkron's other tests that can be seen from outside.

use super::{plain, posted};
use crate::api::{names, shell, with};
use crate::node::harness::Node;
use crate::rig::patience::eventually;
use serde_json::{Value, json};
use std::fs;

fn dependents(node: &Node, job: &str) -> Value {
    node.json(&format!("/v1/jobs/{job}"))["dependent_jobs"].clone()
}

/// Row 19: what the node says of encryption and of where it is called.
#[test]
fn a_node_tells_whether_gossip_is_encrypted_and_where_it_takes_calls() {
    let keyed = Node::start_with(&["--encrypt", "kPpdjphiipNSsjd4QHWbkA=="]);
    let status = keyed.json("/v1");
    assert_eq!(status["serf"]["encrypted"], "true");
    assert!(status["tags"]["rpc_addr"].as_str().is_some_and(|address| address.contains(':')), "{status}");
    drop(keyed);
    assert_eq!(Node::start().json("/v1")["serf"]["encrypted"], "false");
}

/// Rows 20 and 24: the book of children, and the order and filters of a list.
#[test]
fn children_are_booked_at_their_parents_and_lists_are_sorted_by_name() {
    let node = Node::start();
    let child = |name: &str, parent: &str| with(plain(name), json!({"parent_job": parent}));
    for job in [plain("parent2"), plain("parent1"), child("child1", "parent1"), child("child2", "parent1")] {
        posted(&node, &job, 201);
    }
    assert_eq!(names(&node.list("/v1/jobs")), ["child1", "child2", "parent1", "parent2"]);
    assert_eq!(dependents(&node, "parent1"), json!(["child1", "child2"]));
    node.delete("/v1/jobs/child2").expect(200);
    assert_eq!(dependents(&node, "parent1"), json!(["child1"]));
    posted(&node, &child("child1", "parent2"), 201);
    assert_eq!(
        (dependents(&node, "parent1"), dependents(&node, "parent2")),
        (Value::Null, json!(["child1"]))
    );
    posted(&node, &plain("child1"), 201);
    assert_eq!(dependents(&node, "parent2"), Value::Null, "cleared by a child without parent_job");
    posted(&node, &child("parent1", "child1"), 201);
    assert_eq!(node.delete("/v1/jobs/child1").status, 404, "it has a child");
    node.delete("/v1/jobs/parent1").expect(200);
    node.delete("/v1/jobs/child1").expect(200);

    for (name, metadata) in
        [("a", json!({"t1": "v1"})), ("b", json!({"t1": "v1", "t2": "v2"})), ("c", json!(null))]
    {
        posted(&node, &with(plain(name), json!({"metadata": metadata})), 201);
    }
    for (query, expected) in [
        ("metadata[t1]=v1", &["a", "b"][..]),
        ("metadata[t1]=v1&metadata[t2]=v2", &["b"]),
        ("metadata[t1]=none", &[]),
    ] {
        assert_eq!(names(&node.list(&format!("/v1/jobs?{query}"))), expected);
    }
}

/// Rows 21 and 26: what a run that is open, a disabled and an expired job do.
#[test]
fn an_open_run_counts_until_it_ends_and_for_its_own_job_only() {
    let node = Node::start();
    let ticking =
        |name: &str, more: Value| with(with(shell(name, "true"), json!({"schedule": "* * * * * *"})), more);
    node.store(&with(
        shell("forbid", "until [ -e go ]; do sleep 0.03; done"),
        json!({"concurrency": "forbid"}),
    ));
    node.store(&with(shell("other", "true"), json!({"concurrency": "forbid"})));
    node.store(&ticking("off", json!({"disabled": true})));
    node.store(&ticking("over", json!({"expires_at": "2020-01-01T00:00:00Z"})));
    node.store(&ticking("plain", json!({})));
    node.run("forbid");
    eventually("one that runs", || {
        (node.list("/v1/executions?job=forbid&status=running").len() == 1).then_some(())
    });
    assert_eq!(node.post("/v1/jobs/forbid/run", "").status, 409);
    node.run("other");
    node.ended("other", 1);
    node.ended("plain", 2);
    assert!(
        node.list("/v1/jobs/off/executions").is_empty() && node.list("/v1/jobs/over/executions").is_empty()
    );
    fs::write(node.folder().join("go"), "").expect("a file");
    node.ended("forbid", 1);
    node.run("forbid");
    node.ended("forbid", 2);
}

/// Row 22.
#[test]
fn a_tilde_stands_for_the_hash_of_the_name() {
    let node = Node::start();
    let next = |expression: &str| {
        node.json(&format!(
            "/v1/schedule/next?count=1&job=test_job&from=2026-01-01T00:00:00Z&expr={expression}"
        ))
    };
    assert_eq!(next("0+0+~+*+*+*"), json!(["2026-01-01T18:00:00Z"]));
    assert_eq!(next("TZ=Europe/Madrid+0+0+1+*+~+*"), json!(["2026-06-30T23:00:00Z"]), "in July");
    posted(&node, &with(plain("test_job"), json!({"schedule": "0 0 ~ * * *", "disabled": false})), 201);
    let stored = node.json("/v1/jobs/test_job");
    assert!(stored["next"].as_str().is_some_and(|next| next.ends_with("T18:00:00Z")), "{stored}");
}

/// Row 25, as far as one node goes; several are in `tests/cluster`.
#[test]
fn a_status_is_that_of_the_last_occurrence_that_closed() {
    let node = Node::start();
    node.store(&shell("job", "[ -e good ]"));
    node.run("job");
    node.ended("job", 1);
    assert_eq!(node.json("/v1/jobs/job")["status"], "failed");
    fs::write(node.folder().join("good"), "").expect("a file");
    node.run("job");
    node.ended("job", 2);
    assert_eq!(node.json("/v1/jobs/job")["status"], "success");
}

/// Row 27, and row 28 of what an end leaves: stored once, as it was told.
#[test]
fn deleting_executions_empties_the_list_and_the_counters() {
    let node = Node::start();
    node.store(&shell("job", "printf 'one\\ntwo\\n'"));
    node.run("job");
    assert_eq!(node.ended("job", 1)[0]["output"], "one\ntwo\n");
    assert_eq!(node.list("/v1/jobs/job/executions").len(), 1);
    let job = node.delete("/v1/jobs/job/executions").expect(200).json();
    for key in ["success_count", "error_count"] {
        assert_eq!(job[key], 0, "{key}");
    }
    assert_eq!((&job["last_success"], &job["last_error"]), (&Value::Null, &Value::Null));
    eventually("an empty list", || node.list("/v1/jobs/job/executions").is_empty().then_some(()));
    assert_eq!(node.delete("/v1/jobs/nobody/executions").status, 404);
}

/// Row 28: an end whose job was deleted meanwhile harms nobody.
#[test]
fn a_job_is_deleted_while_it_runs_and_its_end_is_told_to_nobody() {
    let node = Node::start();
    node.store(&shell("gone", "until [ -e go ]; do sleep 0.03; done"));
    node.run("gone");
    eventually("the run", || node.list("/v1/busy").pop());
    node.delete("/v1/jobs/gone").expect(200);
    fs::write(node.folder().join("go"), "").expect("a file");
    eventually("the end of its process", || {
        let left = node.processes().into_iter().any(|one| one.command.contains("-e go"));
        (!left).then_some(())
    });
    node.store(&shell("gone", "true"));
    node.run("gone");
    assert_eq!(node.ended("gone", 1).len(), 1, "only that of the new job");
}

/// Rows 29 and 30.
#[test]
fn intervals_fire_on_whole_seconds_and_dkrons_own_words_are_understood() {
    let node = Node::start();
    let from = "from=2026-01-01T00:00:00.7Z&count=2";
    let next = |expression: &str| node.json(&format!("/v1/schedule/next?{from}&expr={expression}"));
    assert_eq!(next("%40every+2s"), json!(["2026-01-01T00:00:02Z", "2026-01-01T00:00:04Z"]));
    assert_eq!(next("%40minutely"), json!(["2026-01-01T00:01:00Z", "2026-01-01T00:02:00Z"]));
    assert_eq!(next("%40manually"), json!([]));
    assert_eq!(next("%40at+2018-01-02T15:04:00Z"), json!([]), "it is over");
    assert_eq!(next("%40at+2027-02-04T09:20:00%2B06:00"), json!(["2027-02-04T03:20:00Z"]));
    posted(
        &node,
        &with(plain("past"), json!({"schedule": "@at 2018-01-02T15:04:00Z", "disabled": false})),
        201,
    );
    assert_eq!(node.json("/v1/jobs/past")["next"], "0001-01-01T00:00:00Z");
    posted(&node, &with(plain("zoned"), json!({"timezone": "America/New_York"})), 201);
}

/// Row 34.
#[test]
fn instants_are_read_in_both_forms_and_unset_ones_are_null() {
    let node = Node::start();
    for (sent, shown) in [
        (json!(null), json!(null)),
        (json!("2030-01-02T15:04:05+02:00"), json!("2030-01-02T13:04:05Z")),
        (json!("2030-01-02T15:04"), json!("2030-01-02T15:04:00Z")),
    ] {
        posted(&node, &with(plain("job"), json!({"starts_at": sent})), 201);
        assert_eq!(node.json("/v1/jobs/job")["starts_at"], shown, "{sent}");
    }
    posted(&node, &with(plain("job"), json!({"starts_at": "next week"})), 400);
}
