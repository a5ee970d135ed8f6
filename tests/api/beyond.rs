//! What Dkron has no route for: backfills and the default zone.

use super::{shell, with};
use crate::node::harness::Node;
use crate::rig::patience::eventually;
use serde_json::{Value, json};
use std::fs;

const HOURS: &str = r#""from":"2025-11-02T00:00:00Z","to":"2025-11-02T03:00:00Z""#;

fn hourly(name: &str, command: &str) -> Value {
    with(shell(name, command), json!({"schedule": "0 0 * * * *", "timezone": "UTC"}))
}

#[test]
fn a_backfill_is_shown_first_then_runs_one_tick_after_the_other() {
    let node = Node::start();
    let folder = node.folder().display().to_string();
    let write =
        format!("echo $DKRON_SCHEDULED_AT >> {folder}/ran; until [ -e {folder}/go ]; do sleep 0.03; done");
    node.store(&with(hourly("hourly", &write), json!({"concurrency": "forbid"})));
    let next = node.json("/v1/jobs/hourly")["next"].clone();
    let shown = node.post("/v1/jobs/hourly/backfill", format!("{{{HOURS},\"dry_run\":true}}")).expect(200);
    let ticks = json!(["2025-11-02T00:00:00Z", "2025-11-02T01:00:00Z", "2025-11-02T02:00:00Z"]);
    let expected = json!({"job": "hourly", "count": 3, "ticks": ticks, "dry_run": true});
    assert_eq!(shown.json(), expected);
    assert!(node.list("/v1/busy").is_empty() && node.json("/v1/jobs/hourly/backfill")["count"] == 0);
    let body = format!("{{{HOURS},\"limit\":3}}");
    let key = [("idempotency-key", "once")];
    for _ in 0..2 {
        let taken = node.send("POST /v1/jobs/hourly/backfill", &key, body.as_bytes()).expect(200).json();
        assert_eq!((&taken["count"], &taken["dry_run"]), (&json!(3), &json!(false)));
    }
    eventually("the first run", || node.list("/v1/busy").pop());
    let waiting = node.json("/v1/jobs/hourly/backfill");
    assert_eq!((&waiting["count"], &waiting["ticks"][0]), (&json!(2), &ticks[1]));
    assert_eq!(node.list("/v1/busy").len(), 1, "one at a time");
    fs::write(node.folder().join("go"), "").expect("a file");
    assert_eq!(node.ended("hourly", 3).len(), 3);
    let ran = fs::read_to_string(node.folder().join("ran")).expect("what ran");
    let ran: Vec<&str> = ran.lines().collect();
    assert_eq!(json!(ran), ticks);
    assert_eq!(node.json("/v1/jobs/hourly")["next"], next, "the schedule goes on as before");
}

#[test]
fn backfilled_runs_that_wait_can_be_called_off() {
    let node = Node::start();
    let folder = node.folder().display().to_string();
    node.store(&hourly("long", &format!("until [ -e {folder}/go ]; do sleep 0.03; done")));
    node.post("/v1/jobs/long/backfill", format!("{{{HOURS}}}")).expect(200);
    eventually("the first run", || node.list("/v1/busy").pop());
    let off = node.delete("/v1/jobs/long/backfill").expect(200).json();
    assert_eq!((&off["count"], &off["ticks"][0]), (&json!(2), &json!("2025-11-02T01:00:00Z")));
    let skip = eventually("the skip record", || node.list("/v1/jobs/long/skips").pop());
    assert_eq!((&skip["reason"], &skip["origin"]), (&json!("cancelled"), &json!("backfill")));
    assert_eq!((&skip["from"], &skip["count"]), (&json!("2025-11-02T01:00:00Z"), &json!(2)));
    fs::write(node.folder().join("go"), "").expect("a file");
    assert_eq!(node.ended("long", 1).len(), 1);
    assert_eq!(node.json("/v1/jobs/long/backfill")["count"], 0);
    assert!(node.list("/v1/busy").is_empty());
}

#[test]
fn a_backfill_that_cannot_be_is_refused_by_field_and_starts_nothing() {
    let node = Node::start();
    node.store(&hourly("hourly", "true"));
    node.store(&shell("by-hand", "true"));
    node.store(&with(hourly("off", "true"), json!({"disabled": true})));
    node.store(&json!({"name": "child", "parent_job": "hourly", "executor": "shell",
        "executor_config": {"command": "true"}}));
    let year = r#"{"from":"2025-01-01T00:00:00Z","to":"2026-01-01T00:00:00Z"}"#;
    let hours = format!("{{{HOURS}}}");
    let cases = [
        ("hourly", "{}", 400, "from"),
        ("hourly", r#"{"from":"2025-01-01T00:00:00Z","to":"tomorrow"}"#, 400, "to: \"tomorrow\""),
        ("hourly", r#"{"from":"2025-01-01T00:00:00Z","to":"2025-01-01T00:00:00Z"}"#, 400, "not after from"),
        ("hourly", r#"{"from":"2025-01-01T00:00:00Z","to":"2225-01-01T00:00:00Z"}"#, 400, "only the past"),
        ("hourly", year, 400, "8760 ticks"),
        ("hourly", &hours.replace('}', r#","limit":2}"#), 400, "limit"),
        ("hourly", &hours.replace('}', r#","dryrun":true}"#), 400, "dryrun"),
        ("nobody", &hours, 404, "nobody"),
        ("by-hand", &hours, 200, r#""count":0"#),
        ("child", &hours, 400, "no schedule"),
        ("off", &hours, 409, "disabled"),
    ];
    for (job, body, status, said) in cases {
        let reply = node.post(&format!("/v1/jobs/{job}/backfill"), body);
        assert_eq!(reply.status, status, "{job} {body}: {}", reply.text());
        assert!(reply.text().contains(said), "{job} {body}: {}", reply.text());
    }
    assert!(node.list("/v1/busy").is_empty() && node.list("/v1/jobs/hourly/executions").is_empty());
    assert_eq!(node.get("/v1/jobs/nobody/backfill").status, 404);
    assert_eq!(node.delete("/v1/jobs/nobody/backfill").status, 404);
}

#[test]
fn another_default_zone_is_shown_first_then_moves_the_jobs_that_name_none() {
    let node = Node::start();
    node.store(&with(shell("daily", "true"), json!({"schedule": "0 0 3 * * *"})));
    node.store(&with(shell("fixed", "true"), json!({"schedule": "0 0 3 * * *", "timezone": "Asia/Tokyo"})));
    node.store(&with(shell("interval", "true"), json!({"schedule": "@every 1h"})));
    let before = node.json("/v1/default-zone");
    let put = |body: &str| node.send("PUT /v1/default-zone", &[], body.as_bytes());
    let shown = put(r#"{"zone":"Asia/Kathmandu","dry_run":true}"#).expect(200).json();
    assert_eq!((&shown["before"], &shown["zone"]), (&before["zone"], &json!("Asia/Kathmandu")));
    assert_eq!((&shown["jobs"], &shown["changed"]), (&json!(1), &json!(1)), "{shown}");
    let next = |job: &str| node.json(&format!("/v1/jobs/{job}"))["next"].clone();
    let (daily, fixed, interval) = (next("daily"), next("fixed"), next("interval"));
    assert_eq!(node.json("/v1/default-zone"), before, "a dry run changes nothing");
    put(r#"{"zone":"Asia/Kathmandu"}"#).expect(200);
    assert_eq!(node.json("/v1/default-zone")["zone"], "Asia/Kathmandu");
    let moved = eventually("the next time in Nepal", || Some(next("daily")).filter(|now| *now != daily));
    assert!(moved.as_str().is_some_and(|at| at.ends_with("T21:15:00Z")), "{moved}");
    assert_eq!((next("fixed"), next("interval")), (fixed, interval));
    eventually("all jobs filed", || (node.json("/v1/default-zone")["refiling"] == false).then_some(()));
    for (body, said) in [
        (r#"{"zone":"Mars/Olympus"}"#, "Mars/Olympus"),
        (r#"{"zone":""}"#, "zone"),
        (r#"{"zone":"UTC","dryrun":true}"#, "dryrun"),
    ] {
        let refused = put(body).expect(400);
        assert!(refused.text().contains(said), "{}", refused.text());
    }
    assert_eq!(node.json("/v1/default-zone")["zone"], "Asia/Kathmandu");
}
