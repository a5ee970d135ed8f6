//! Dkron's own tests from outside, and what its clients rely on: one test a row of the list of facts on Dkron, which
//! each comment names. `api` are the rows of its API tests, `behaviour` those of its other tests, `clients` the checks
//! of what clients see. Rows on servers that elect and on several nodes are in `tests/cluster`.

mod api;
mod behaviour;
mod clients;

use crate::node::harness::Node;
use serde_json::{Value, json};

/// The job that most of Dkron's tests store.
fn plain(name: &str) -> Value {
    json!({"name": name, "schedule": "@every 1m", "executor": "shell", "executor_config": {"command": "date"},
        "disabled": true})
}

/// What a body as it stands gets.
#[track_caller]
fn posted(node: &Node, body: &Value, status: u16) -> String {
    node.post("/v1/jobs", body.to_string()).expect(status).text()
}
