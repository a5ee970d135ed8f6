//! Which paths answer, and with what status: `HEAD`, the front door, what is not there.

use super::{shell, with};
use crate::node::harness::Node;
use serde_json::json;

#[test]
fn head_answers_as_get_without_a_body_wherever_get_does() {
    let node = Node::start();
    node.store(&shell("a", "true"));
    for path in [
        "/v1",
        "/v1/",
        "/v1/jobs",
        "/v1/jobs/a",
        "/v1/jobs/a/executions",
        "/v1/jobs/a/skips",
        "/v1/jobs/a/backfill",
        "/v1/default-zone",
        "/v1/members",
        "/v1/leader",
        "/v1/isleader",
        "/v1/busy",
        "/v1/pause",
        "/health",
        "/livez",
        "/readyz",
        "/metrics",
    ] {
        let (get, head) = (node.get(path), node.send(&format!("HEAD {path}"), &[], b""));
        assert_eq!((head.status, head.body.len()), (get.status, 0), "{path}");
        assert_eq!(head.header("content-type"), get.header("content-type"), "{path}");
    }
    assert_eq!(node.send("HEAD /v1/jobs/nobody", &[], b"").status, 404);
    assert_eq!(node.send("HEAD /v1/jobs/a/run", &[], b"").status, 404);
}

#[test]
fn the_front_door_sends_browsers_to_the_pages_and_has_nothing_for_others() {
    let node = Node::start();
    let front = |accept: &[(&str, &str)]| node.send("GET /", accept, b"");
    for accept in ["text/html,application/xhtml+xml;q=0.9", "application/json, text/*;q=0.5", "*/*"] {
        let reply = front(&[("accept", accept)]).expect(303);
        assert_eq!((reply.header("location"), reply.header("x-whom")), (Some("/ui/"), Some("node1")));
    }
    assert_eq!(front(&[]).status, 303);
    let json = front(&[("accept", "application/json")]).expect(404);
    assert_eq!(json.text(), "");
    drop(node);
    let plain = Node::start_with(&["--ui=false"]);
    assert_eq!(plain.send("GET /", &[], b"").expect(404).text(), "404 page not found");
}

#[test]
fn what_is_not_there_is_told_as_dkron_tells_it() {
    let node = Node::start();
    for line in ["GET /v2", "GET /v1/nothing", "POST /v1/members", "DELETE /v1/jobs", "GET /v1/jobs/a/b/c/d"]
    {
        let reply = node.send(line, &[], b"").expect(404);
        assert_eq!(reply.text(), "404 page not found", "{line}");
        assert_eq!(reply.header("x-whom"), None, "{line}");
    }
    let moved = node.get("/v1/jobs/?pretty").expect(301);
    assert_eq!(moved.header("location"), Some("/v1/jobs?pretty"));
    let moved = node.post("/v1/jobs/", "{}").expect(307);
    assert_eq!(moved.header("location"), Some("/v1/jobs"));
}

#[test]
fn a_disabled_job_is_not_run_and_a_parent_not_deleted_and_both_say_why() {
    let node = Node::start();
    node.store(&with(shell("off", "true"), json!({"disabled": true})));
    node.store(&shell("parent", "true"));
    node.store(&json!({"name": "child", "parent_job": "parent", "executor": "shell",
        "executor_config": {"command": "true"}}));
    for (line, said) in [
        ("POST /v1/jobs/off/run", "job 'off' is disabled"),
        ("POST /v1/jobs/off", "job 'off' is disabled"),
        ("DELETE /v1/jobs/parent", "job 'parent' has dependent jobs"),
    ] {
        let refused = node.send(line, &[], b"").expect(404);
        assert!(refused.text().contains(said), "{line}: {}", refused.text());
    }
}
