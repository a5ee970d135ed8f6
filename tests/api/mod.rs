//! The REST door of one node, over HTTP: Dkron's own tests re-created, bad input, runs.

mod beyond;
mod cancel;
mod explain;
mod history;
mod hostile;
mod jobs;
mod listing;
mod openapi;
mod published;
mod restore;
mod routes;
mod runs;
mod sheet;

use serde_json::{Value, json};

/// A job that a shell runs, by hand only.
fn shell(name: &str, command: &str) -> Value {
    json!({"name": name, "schedule": "@manually", "executor": "shell",
        "executor_config": {"shell": "true", "command": command}})
}

/// A job with more keys, or others in their place.
fn with(mut job: Value, more: Value) -> Value {
    for (key, value) in more.as_object().expect("an object") {
        job[key] = value.clone();
    }
    job
}

/// The names of jobs in their order.
fn names(jobs: &[Value]) -> Vec<&str> {
    jobs.iter().filter_map(|job| job["name"].as_str()).collect()
}
