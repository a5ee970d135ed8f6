//! The rows of Dkron's API tests.

use super::{plain, posted};
use crate::api::{shell, with};
use crate::node::harness::Node;
use crate::rig::http;
use crate::rig::patience::within;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

/// Row 1.
#[test]
fn a_job_is_created_and_then_replaced_with_201_both_times() {
    let node = Node::start();
    posted(&node, &plain("test_job"), 201);
    let other = with(plain("test_job"), json!({"disabled": false, "executor_config": {"command": "test"}}));
    let reply: Value = serde_json::from_str(&posted(&node, &other, 201)).expect("JSON");
    assert_eq!((&reply["name"], &reply["disabled"]), (&json!("test_job"), &json!(false)));
    assert_eq!(reply["executor_config"]["command"], "test");
    assert_eq!(node.json("/v1/jobs/test_job")["executor_config"]["command"], "test");
}

/// Rows 2 to 4.
#[test]
fn a_parent_must_be_another_job_that_is_there_and_keeps_its_children() {
    let node = Node::start();
    let own = posted(&node, &with(plain("test_job"), json!({"parent_job": "test_job"})), 400);
    assert!(own.contains("the job can not have itself as parent"), "{own}");
    let lone = with(plain("test_job"), json!({"parent_job": "parent_test_job"}));
    assert_eq!(posted(&node, &lone, 404), "specified parent job not found");
    assert_eq!(node.get("/v1/jobs/test_job").status, 404);
    posted(&node, &plain("parent_test_job"), 201);
    posted(&node, &lone, 201);
    posted(&node, &plain("parent_test_job"), 201);
    assert_eq!(node.json("/v1/jobs/parent_test_job")["dependent_jobs"], json!(["test_job"]));
}

/// Rows 5 to 11.
#[test]
fn bad_values_are_400_and_every_lower_case_letter_makes_a_name() {
    let node = Node::start();
    posted(&node, &plain("parent_test_job"), 201);
    let bad = [
        json!({"name": "BAD JOB NAME!"}),
        json!({"name": "", "parent_job": "parent_test_job"}),
        json!({"schedule": "@at badtime"}),
        json!({"concurrency": "badvalue"}),
        json!({"timezone": "notatimezone"}),
        json!({"executor_config": {"command": "date", "timeout": "foreverandever"}}),
    ];
    for more in bad {
        posted(&node, &with(plain("test_job"), more), 400);
    }
    let name = "abcdefghijklmnopqrstuvwxyz0123456789-_ßñëäïüøüáéíóýćàèìòùâêîôûæšłç";
    posted(&node, &plain(name), 201);
    assert_eq!(node.list("/v1/jobs").len(), 2);
}

/// Row 12.
#[test]
fn an_unknown_job_is_404() {
    assert_eq!(Node::start().get("/v1/jobs/notexisting").status, 404);
}

/// Rows 13 and 23.
#[test]
fn a_backup_of_three_trees_is_restored_parents_first() {
    let node = Node::start();
    let parents =
        [("1", ""), ("2", ""), ("3", "2"), ("4", ""), ("5", "4"), ("6", "5"), ("7", "5"), ("8", "6")];
    // Children before their parents, as a list by name may have them.
    let jobs: Vec<Value> = parents
        .iter()
        .rev()
        .map(|(number, parent)| {
            let parent = if parent.is_empty() { String::new() } else { format!("task{parent}") };
            with(plain(&format!("task{number}")), json!({"parent_job": parent}))
        })
        .collect();
    let body = format!(
        "--edge\r\ncontent-disposition: form-data; name=\"file\"; filename=\"b\"\r\n\r\n{}\r\n--edge--\r\n",
        Value::from(jobs)
    );
    let headers = [("content-type", "multipart/form-data; boundary=edge")];
    let reply = node.send("POST /v1/restore", &headers, body.as_bytes()).expect(200);
    let lines: Vec<String> = serde_json::from_str(reply.json().as_str().expect("a string")).expect("a list");
    assert!(lines.iter().all(|line| line.starts_with("success create task")), "{lines:?}");
    let place = |number: &str| lines.iter().position(|line| line.ends_with(&format!("task{number}")));
    for (number, parent) in parents.iter().filter(|(_, parent)| !parent.is_empty()) {
        assert!(place(parent) < place(number), "task{parent} before task{number}: {lines:?}");
        let dependents = node.json(&format!("/v1/jobs/task{parent}"))["dependent_jobs"].to_string();
        assert!(dependents.contains(&format!("task{number}")), "{dependents}");
    }
    let roots = node.list("/v1/jobs").into_iter().filter(|job| job["parent_job"] == "");
    assert_eq!(roots.count(), 3);
}

/// Row 14.
#[test]
fn outputs_are_cut_in_a_list_only_and_only_if_asked() {
    let node = Node::start();
    node.store(&shell("printer", "head -c $(cat bytes) /dev/zero | tr '\\0' x"));
    assert_eq!(node.get("/v1/jobs/printer/executions").expect(200).text(), "[]");
    for (count, bytes) in ["4", "1705"].iter().enumerate() {
        fs::write(node.folder().join("bytes"), bytes).expect("a file");
        node.run("printer");
        node.ended("printer", count + 1);
    }
    let shown = |query: &str| -> Vec<(usize, bool)> {
        let list = node.list(&format!("/v1/jobs/printer/executions{query}"));
        let length = |run: &Value| run["output"].as_str().map_or(0, str::len);
        list.iter().map(|run| (length(run), run["output_truncated"] == true)).collect()
    };
    assert_eq!(shown(""), [(1_705, false), (4, false)]);
    assert_eq!(shown("?output_size_limit=200"), [(200, true), (4, false)]);
    let id = node.list("/v1/jobs/printer/executions")[0]["id"].as_str().expect("an id").to_owned();
    let single = node.json(&format!("/v1/jobs/printer/executions/{id}"));
    assert_eq!(
        (single["output"].as_str().map(str::len), single.get("output_truncated")),
        (Some(1_705), None)
    );
}

/// Rows 15 and 19: the leader's routes before there is a cluster.
#[test]
fn who_leads_is_asked_from_the_first_moment_on_without_harm() {
    let mut node = Node::new(&[]);
    node.spawn();
    let mut seen = BTreeSet::new();
    within(Duration::from_secs(60), || {
        for (path, allowed) in [("/v1/isleader", &[200, 404][..]), ("/v1/leader", &[200, 404, 500])] {
            if let Ok(reply) = http::send(node.api(), &format!("GET {path}"), &[], b"") {
                assert!(allowed.contains(&reply.status), "{path}: {} {}", reply.status, reply.text());
                seen.insert((path, reply.status));
            }
        }
        seen.contains(&("/v1/leader", 200)).then_some(())
    })
    .expect("a leader");
    assert_eq!(node.json("/v1/leader")["Name"], "node1");
    assert_eq!(node.get("/v1/isleader").text(), "\"I am a leader\"");
}

/// Row 16.
#[test]
fn pausing_refuses_a_job_with_503_until_it_is_over() {
    let node = Node::start();
    assert!(node.get("/v1/pause").text().contains("\"paused\":false"));
    assert!(node.post("/v1/pause", "").expect(200).text().contains("\"paused\":true"));
    assert!(node.get("/v1/pause").text().contains("\"paused\":true"));
    assert!(posted(&node, &plain("test_job"), 503).contains("paused"));
    assert!(node.post("/v1/unpause", "").expect(200).text().contains("\"paused\":false"));
    posted(&node, &plain("test_job"), 201);
}
