//! The description of the API, held against real answers by a tool that others wrote.

use super::{shell, with};
use crate::node::harness::Node;
use crate::rig::python;
use serde_json::{Value, json};
use std::fs;
use std::path::PathBuf;
use std::process::Command;

/// Questions for each operation: some hundreds in all.
const EXAMPLES: &str = "12";
/// What must be true of every answer.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
    response_headers_conformance,response_schema_conformance";
/// Not asked with: an index that is never reached is a 503 in its own right.
const LEFT_OUT: &str = "#/components/parameters/min_index";

/// The description without that parameter, as a file.
fn description(node: &Node) -> PathBuf {
    let mut document: Value = node.get("/v1/openapi.json").expect(200).json();
    let paths = document["paths"].as_object_mut().expect("paths").values_mut();
    let mut left_out = 0;
    for operation in paths.filter_map(Value::as_object_mut).flat_map(|methods| methods.values_mut()) {
        let Some(Value::Array(parameters)) = operation.get_mut("parameters") else { continue };
        let before = parameters.len();
        parameters.retain(|parameter| parameter["$ref"] != LEFT_OUT);
        left_out += before - parameters.len();
    }
    assert!(left_out > 0, "{LEFT_OUT} is no parameter any more");
    let path = node.folder().join("openapi.json");
    fs::write(&path, document.to_string()).expect("a file");
    path
}

#[test]
fn the_document_is_served_and_describes_the_routes_that_answer() {
    let node = Node::start();
    let reply = node.get("/v1/openapi.json").expect(200);
    assert_eq!(reply.header("content-type"), Some("application/json; charset=utf-8"));
    let document: Value = reply.json();
    assert_eq!(document["openapi"], "3.1.0");
    for (path, methods) in document["paths"].as_object().expect("paths") {
        // What no other parameter than these is needed for can be asked as it stands.
        let bare = !path.contains('{') && methods.get("get").is_some() && path != "/v1/schedule/next";
        if bare && path != "/v1/tokens/self" {
            assert!(matches!(node.get(path).status, 200 | 301 | 303), "{path}");
        }
    }
}

#[test]
fn real_answers_are_as_described_whatever_is_asked() {
    let Some(environment) = python::environment("schemathesis", &["schemathesis==4.32.5"]) else { return };
    let node = Node::start();
    node.store(&with(shell("job", "echo out"), json!({"metadata": {"team": "x"}})));
    node.run("job");
    node.ended("job", 1);
    let output = Command::new(environment.join("bin/schemathesis"))
        .arg("run")
        .arg(description(&node))
        .args(["--url", &format!("http://{}", node.api())])
        .args(["--checks", CHECKS, "--max-examples", EXAMPLES, "--seed", "7", "--phases", "examples,fuzzing"])
        .args(["--generation-deterministic", "--no-color"])
        .args(["--request-timeout", "20", "--warnings", "off"])
        // These end the node, close the API to whoever asks next, or go on for as long as they are read.
        .args(["--exclude-path-regex", "^/v1/(leave|tokens|cluster)|/output$"])
        .current_dir(node.folder())
        .output()
        .expect("the tool runs");
    let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    assert!(output.status.success(), "{}", said.concat());
    assert!(node.is_ready(), "it still works");
}
