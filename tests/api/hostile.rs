//! Bad input: refused with the field and what is allowed, and nothing is stored.

use super::{names, shell, with};
use crate::node::harness::Node;
use serde_json::{Map, Value, json};

/// The largest body that is read.
const BODY_BYTES_MAX: usize = 1024 * 1024;

#[test]
fn bad_fields_are_refused_by_name_and_nothing_is_stored() {
    let node = Node::start();
    node.store(&shell("fine", "true"));
    let tags: Map<String, Value> = (0..10_000).map(|tag| (format!("t{tag}"), json!("v"))).collect();
    let cases = [
        (json!({"name": "BAD JOB NAME!"}), "name contains illegal character 'B'"),
        (json!({"name": ""}), "name cannot be empty"),
        (json!({"name": "", "parent_job": "fine"}), "name cannot be empty"),
        (json!({"name": "n".repeat(300)}), "name"),
        (json!({"name": "nul\0"}), "name"),
        (json!({"name": "../up"}), "name"),
        (json!({"name": 7}), "name"),
        (json!({"schedule": "@at badtime"}), "schedule"),
        (json!({"schedule": "* * 99 * * *"}), "schedule"),
        (json!({"schedule": "@every soon"}), "schedule"),
        (json!({"schedule": ""}), "schedule"),
        (json!({"concurrency": "sometimes"}), "concurrency"),
        (json!({"timezone": "notatimezone"}), "timezone"),
        (json!({"executor_config": {"command": "a", "timeout": "foreverandever"}}), "timeout"),
        (json!({"executor_config": {"command": "a", "mem_limit": "100PB"}}), "mem_limit"),
        (json!({"executor_config": {"command": "a\0b"}}), "executor_config"),
        (json!({"executor_config": {"command": 7}}), "executor_config"),
        (json!({"tags": tags}), "tags"),
        (json!({"tags": ["a"]}), "tags"),
        (json!({"retries": -1}), "retries"),
        (json!({"retries": 1e30}), "retries"),
        (json!({"retries": 1_000_000}), "retries"),
        (json!({"jitter": "long"}), "jitter"),
        (json!({"backoff": "5s..1s"}), "backoff"),
        (json!({"catchup": "some"}), "catchup"),
        (json!({"dst": "maybe"}), "dst"),
        (json!({"starts_at": "soon"}), "starts_at"),
        (json!({"disabled": "yes"}), "disabled"),
    ];
    for (more, said) in cases {
        let mut shown = more.to_string();
        shown.truncate(80);
        let refused = node.post("/v1/jobs", with(shell("bad", "true"), more).to_string());
        let text = refused.text();
        assert_eq!(refused.status, 400, "{shown}: {text}");
        assert!(text.contains(said) && text.len() < 1_000, "{shown}: {text}");
    }
    assert_eq!(names(&node.list("/v1/jobs")), ["fine"]);
}

#[test]
fn names_may_be_of_any_small_letters() {
    let node = Node::start();
    let name = "abcdefghijklmnopqrstuvwxyz0123456789-_ßñëäïüøüáéíóýćàèìòùâêîôûæšłç";
    node.store(&shell(name, "true"));
    assert_eq!(names(&node.list("/v1/jobs")), [name]);
    let encoded: String = name.bytes().map(|byte| format!("%{byte:02x}")).collect();
    node.post(&format!("/v1/jobs/{encoded}/run"), "").expect(200);
    node.ended(&encoded, 1);
    node.delete(&format!("/v1/jobs/{encoded}")).expect(200);
}

#[test]
fn bodies_that_are_too_large_too_deep_or_no_json_are_refused() {
    let node = Node::start();
    let large = with(shell("large", "true"), json!({"displayname": "y".repeat(BODY_BYTES_MAX)})).to_string();
    let refused = node.post("/v1/jobs", large);
    assert_eq!(refused.status, 413, "{}", refused.text());
    assert!(refused.text().contains("1048576"), "it says what is allowed: {}", refused.text());
    let deep = |open: &str, close: &str| {
        format!(
            r#"{{"name":"deep","schedule":"@manually","z":{}1{}}}"#,
            open.repeat(10_000),
            close.repeat(10_000)
        )
    };
    let bodies: [&[u8]; 9] = [
        deep("[", "]").as_bytes(),
        deep(r#"{"a":"#, "}").as_bytes(),
        b"",
        b"[]",
        b"null",
        b"{",
        b"\xff\xfe\x00",
        br#""name""#,
        br#"{"name":"a\ud800","schedule":"@manually"}"#,
    ]
    .map(|body| &*body.to_vec().leak());
    for body in bodies {
        let refused = node.post("/v1/jobs", body);
        let shown = String::from_utf8_lossy(&body[..body.len().min(40)]).into_owned();
        assert_eq!(refused.status, 400, "{shown}: {}", refused.text());
    }
    assert!(node.list("/v1/jobs").is_empty());
    assert_eq!(node.get("/health").status, 200);
}

#[test]
fn hostile_parameters_are_refused_by_name() {
    let node = Node::start();
    node.store(&shell("a", "true"));
    let bad = [
        ("jobs", "_start", "-1"),
        ("jobs", "_end", "x"),
        ("jobs", "_end", "-9223372036854775808"),
        ("jobs", "_start", "99999999999999999999999"),
        ("jobs", "_start", "1e3"),
        ("jobs", "_sort", "owner"),
        ("jobs", "disabled", "maybe"),
        ("jobs/a/executions", "output_size_limit", "-1"),
        ("jobs/a/executions", "_sort", "nothing"),
    ];
    for (path, name, value) in bad {
        let refused = node.get(&format!("/v1/{path}?{name}={value}"));
        let text = refused.text();
        assert_eq!(refused.status, 400, "{name}={value}: {text}");
        assert!(text.contains(name) && text.contains("allowed"), "{name}={value}: {text}");
    }
    assert_eq!(node.get("/v1/jobs?_start=9&_end=3").status, 400);
    for tag in ["abc", "\"-1\"", "99999999999", ""] {
        let refused =
            node.send("POST /v1/jobs", &[("if-match", tag)], shell("a", "no").to_string().as_bytes());
        assert!(refused.status == 400 && refused.text().contains("If-Match"), "{tag}: {}", refused.text());
    }
    assert_eq!(node.json("/v1/jobs/a")["executor_config"]["command"], "true");
}

#[test]
fn a_page_from_elsewhere_may_not_change_anything() {
    let node = Node::start();
    node.store(&shell("a", "true"));
    let elsewhere = [("origin", "http://evil.example")];
    for line in [
        "POST /v1/jobs",
        "PUT /v1/jobs/b",
        "PATCH /v1/jobs",
        "DELETE /v1/jobs/a",
        "POST /v1/jobs/a/run",
        "POST /v1/jobs/a",
        "POST /v1/jobs/a/toggle",
        "POST /v1/pause",
        "POST /v1/hold",
        "POST /v1/restore",
        "DELETE /v1/jobs/a/executions",
    ] {
        let refused = node.send(line, &elsewhere, shell("b", "true").to_string().as_bytes());
        assert_eq!(refused.status, 403, "{line}: {}", refused.text());
    }
    assert_eq!(node.send("POST /v1/jobs/a/run", &[("origin", "null")], b"").status, 403);
    assert_eq!(names(&node.list("/v1/jobs")), ["a"]);
    assert_eq!(node.json("/v1/pause"), json!({"paused": false}));
    let own = format!("http://{}", node.api());
    node.send("POST /v1/jobs/a/run", &[("origin", &own)], b"").expect(200);
    assert_eq!(node.ended("a", 1).len(), 1);
}
