//! A backup put back is what was saved; a bad one changes nothing.

use super::{names, shell, with};
use crate::node::harness::Node;
use crate::rig::http::Reply;
use serde_json::{Value, json};

const BACKUP: &[u8] = include_bytes!("../data/backup.json");

/// Sends a file as a form does.
fn upload(node: &Node, field: &str, file: &[u8]) -> Reply {
    let mut body = format!(
        "--edge\r\ncontent-disposition: form-data; name=\"{field}\"; filename=\"backup.json\"\r\n\
         content-type: application/json\r\n\r\n"
    )
    .into_bytes();
    body.extend_from_slice(file);
    body.extend_from_slice(b"\r\n--edge--\r\n");
    node.send("POST /v1/restore", &[("content-type", "multipart/form-data; boundary=edge")], &body)
}

/// The lines that a restore answers with: JSON in a JSON string.
fn lines(reply: Reply) -> Vec<String> {
    let text = reply.expect(200).json();
    serde_json::from_str(text.as_str().expect("a string")).expect("a list in it")
}

/// A job without what runs on by itself.
fn at_rest(mut job: Value) -> Value {
    for key in ["next", "success_count", "error_count", "last_success", "last_error", "status"] {
        job[key] = Value::Null;
    }
    job
}

#[test]
fn what_one_node_saves_another_restores() {
    let first = Node::start();
    first.post("/v1/hold", "").expect(200);
    let told = lines(upload(&first, "file", BACKUP));
    assert_eq!(told.len(), 25);
    assert!(told.iter().all(|line| line.starts_with("success create ")), "{told:?}");
    let saved = first.get("/v1/jobs").expect(200);
    let original: Vec<Value> = serde_json::from_slice(BACKUP).expect("a backup");
    for job in &original {
        let got = first.json(&format!("/v1/jobs/{}", job["name"].as_str().expect("a name")));
        let kept =
            ["success_count", "error_count", "last_success", "last_error", "status", "executor_config"];
        for key in kept.iter().chain(&["schedule", "timezone", "tags", "metadata", "processors", "retries"]) {
            assert_eq!(got[key], job[key], "{key} of {}", job["name"]);
        }
    }
    let second = Node::start();
    assert_eq!(lines(upload(&second, "file", &saved.body)).len(), 25);
    let restored = second.list("/v1/jobs").into_iter().map(at_rest).collect::<Vec<_>>();
    let expected: Vec<Value> = serde_json::from_slice(&saved.body).expect("jobs");
    assert_eq!(restored, expected.into_iter().map(at_rest).collect::<Vec<_>>());
}

#[test]
fn a_restored_tree_answers_parents_first() {
    let node = Node::start();
    let child = |name: &str, parent: &str| with(shell(name, "true"), json!({"parent_job": parent}));
    let tree = json!([
        child("task8", "task6"),
        shell("task1", "true"),
        child("task3", "task2"),
        child("task6", "task5"),
        shell("task2", "true"),
        child("task5", "task4"),
        child("task7", "task5"),
        shell("task4", "true")
    ]);
    let told = lines(upload(&node, "file", tree.to_string().as_bytes()));
    assert_eq!(told.len(), 8);
    let place = |name: &str| told.iter().position(|line| line == &format!("success create {name}"));
    for (parent, child) in [("task2", "task3"), ("task4", "task5"), ("task5", "task6"), ("task6", "task8")] {
        assert!(place(parent) < place(child), "{told:?}");
    }
    assert_eq!(node.json("/v1/jobs/task5")["dependent_jobs"], json!(["task6", "task7"]));
}

#[test]
fn a_backup_that_cannot_be_stored_whole_is_not_stored_at_all() {
    let node = Node::start();
    node.store(&shell("there", "true"));
    let good = shell("good", "true");
    let orphan = with(shell("orphan", "true"), json!({"parent_job": "there"}));
    let bad = [
        (json!([good, with(shell("bad", "true"), json!({"schedule": "nonsense"}))]), "bad"),
        (json!([good, orphan]), "orphan"),
        (json!([good, good]), "twice"),
        (json!([good, {"name": 7}]), "jobs[1]"),
        (
            json!([
                with(shell("x", "true"), json!({"parent_job": "y"})),
                with(shell("y", "true"), json!({"parent_job": "x"}))
            ]),
            "circle",
        ),
        (json!({"name": "no list"}), "file"),
    ];
    for (backup, said) in bad {
        let refused = upload(&node, "file", backup.to_string().as_bytes());
        assert!(refused.status == 400 && refused.text().contains(said), "{backup}: {}", refused.text());
    }
    assert_eq!(upload(&node, "other", b"[]").status, 404);
    assert_eq!(node.post("/v1/restore", "[]").status, 400);
    assert_eq!(names(&node.list("/v1/jobs")), ["there"]);
}
