//! The jobs of the kill loop: every way in which a tick comes to run.

use crate::rig::ledger::Ledger;
use serde_json::{Value, json};
use std::net::SocketAddr;

/// The job that the test starts by hand.
pub(super) const BY_HAND: &str = "by-hand";

/// The jobs that run by themselves, parents before their children. They write to `ledger`, http jobs through
/// the sink.
pub(super) fn scheduled(ledger: &Ledger, sink: SocketAddr) -> Vec<Value> {
    let shell = |name: &str, schedule: &str, work: &str, more: Value| {
        let mut job = json!({"name": name, "schedule": schedule, "executor": "shell",
            "executor_config": {"shell": "true", "command": ledger.noting(work)}});
        for (key, value) in more.as_object().expect("an object") {
            job[key] = value.clone();
        }
        job
    };
    let web = json!({"name": "web", "schedule": "*/3 * * * * *", "executor": "http", "concurrency": "allow",
        "executor_config": {"method": "POST", "url": format!("http://{sink}/"), "body": "x",
            "expectCode": "200", "timeout": "20"}});
    let forbid = json!({"concurrency": "forbid"});
    let child = |parent: &str| json!({"parent_job": parent});
    vec![
        shell("every-second", "@every 1s", "true", forbid.clone()),
        shell("each-second-second", "*/2 * * * * *", "true", json!({})),
        shell("each-third-second", "1/3 * * * * *", "sleep 0.2", forbid.clone()),
        shell(
            "flaky",
            "*/4 * * * * *",
            "[ \"$DKRON_ATTEMPT\" = 3 ]",
            json!({"retries": 3, "backoff": "200ms"}),
        ),
        shell("broken", "3/5 * * * * *", "exit 7", json!({"retries": 1, "backoff": "500ms"})),
        shell("long", "@every 3s", "sleep 2.5", json!({})),
        shell("long-forbid", "@every 2s", "sleep 2.5", forbid),
        shell("queued", "*/3 * * * * *", "sleep 1", json!({"concurrency": "queue"})),
        shell("jittered", "*/4 * * * * *", "true", json!({"jitter": "1s"})),
        web,
        shell("parent", "*/4 * * * * *", "sleep 0.1", json!({})),
        shell("child", "", "true", child("parent")),
        shell("grandchild", "", "sleep 0.3", child("child")),
    ]
}

/// The job that the test starts by hand, with a ledger of its own: it has no ticks.
pub(super) fn by_hand(ledger: &Ledger) -> Value {
    json!({"name": BY_HAND, "schedule": "@manually", "executor": "shell",
        "executor_config": {"shell": "true", "command": ledger.noting("true")}})
}
