//! Executions ended by hand: one that runs, one that waits, one that would be tried again.

use super::{shell, with};
use crate::node::harness::Node;
use crate::rig::patience::eventually;
use serde_json::{Value, json};

fn text<'a>(run: &'a Value, key: &str) -> &'a str {
    run[key].as_str().unwrap_or_default()
}

/// The one execution of a job with this status, as soon as there is one.
fn with_status(node: &Node, job: &str, status: &str) -> Value {
    eventually(&format!("{job} as {status}"), || {
        node.list(&format!("/v1/executions?job={job}&status={status}")).pop()
    })
}

fn cancel(node: &Node, job: &str, id: &str) -> (u16, Value) {
    let reply = node.post(&format!("/v1/jobs/{job}/executions/{id}/cancel"), "");
    let body = if reply.status < 300 { reply.json() } else { Value::String(reply.text()) };
    (reply.status, body)
}

#[test]
fn a_running_job_ends_with_all_its_processes_and_is_told_once() {
    let node = Node::start();
    let more = json!({"retries": 3, "backoff": "10ms"});
    node.store(&with(shell("long", "echo begun; sleep 611 & sleep 612"), more));
    node.run("long");
    let run = with_status(&node, "long", "running");
    let sleeping = || node.processes().iter().filter(|one| one.command.contains("sleep 61")).count();
    eventually("its processes", || (sleeping() >= 2).then_some(()));
    let (status, answer) = cancel(&node, "long", text(&run, "id"));
    assert_eq!((status, &answer["execution_id"]), (202, &run["execution_id"]), "{answer}");
    let (status, _) = cancel(&node, "long", text(&run, "execution_id"));
    assert!(matches!(status, 200 | 202), "asking again changes nothing: {status}");
    let ended = with_status(&node, "long", "cancelled");
    assert_eq!(ended["execution_id"], run["execution_id"]);
    eventually("the end of its processes", || (sleeping() == 0).then_some(()));
    let (status, answer) = cancel(&node, "long", text(&run, "id"));
    assert_eq!((status, text(&answer, "status")), (200, "cancelled"));
    assert_eq!(node.list("/v1/executions?job=long").len(), 1, "told once, and not tried again");
    let single = node.json(&format!("/v1/jobs/long/executions/{}", text(&run, "id")));
    assert_eq!((text(&single, "output"), &single["success"]), ("begun\n", &json!(false)));
    assert_eq!(node.list("/v1/busy").len(), 0);
}

#[test]
fn a_run_that_waits_for_its_turn_or_a_node_is_called_off() {
    let node = Node::start();
    node.store(&with(shell("queue", "sleep 613"), json!({"concurrency": "queue"})));
    node.run("queue");
    let first = with_status(&node, "queue", "running");
    node.run("queue");
    let waiting = with_status(&node, "queue", "waiting");
    let (status, answer) = cancel(&node, "queue", text(&waiting, "execution_id"));
    assert_eq!((status, text(&answer, "status")), (200, "cancelled"), "{answer}");
    let skips = node.list("/v1/jobs/queue/skips");
    assert_eq!((skips.len(), text(&skips[0], "reason")), (1, "cancelled"), "{skips:?}");
    assert_eq!(cancel(&node, "queue", text(&first, "id")).0, 202);
    with_status(&node, "queue", "cancelled");

    node.store(&with(shell("nowhere", "true"), json!({"tags": {"rack": "none"}})));
    node.run("nowhere");
    let waiting = with_status(&node, "nowhere", "waiting");
    assert_eq!(cancel(&node, "nowhere", text(&waiting, "execution_id")).0, 200);
    assert!(node.list("/v1/executions?job=nowhere").is_empty());
}

#[test]
fn a_failed_attempt_that_would_be_tried_again_is_not() {
    let node = Node::start();
    node.store(&with(shell("flaky", "exit 3"), json!({"retries": 5, "backoff": "1h"})));
    node.run("flaky");
    let retry = with_status(&node, "flaky", "retrying");
    let failed = with_status(&node, "flaky", "failed");
    assert_eq!((&retry["attempt"], &failed["attempt"]), (&json!(2), &json!(1)));
    assert_eq!(cancel(&node, "flaky", text(&failed, "id")).0, 200, "by the attempt that failed");
    eventually("nothing open", || {
        let open = node.list("/v1/executions?job=flaky&status=retrying,running,waiting,starting");
        open.is_empty().then_some(())
    });
    assert_eq!(node.json("/v1/jobs/flaky")["status"], "failed");
    let (status, why) = cancel(&node, "flaky", text(&failed, "id"));
    assert!(status == 409 && why.to_string().contains("has ended already"), "{status} {why}");
    node.run("flaky");
    let retry = with_status(&node, "flaky", "retrying");
    assert_eq!(cancel(&node, "flaky", text(&retry, "execution_id")).0, 200, "by the attempt to come");
    assert_eq!(node.list("/v1/executions?job=flaky").len(), 2);
}

#[test]
fn what_is_over_or_unknown_is_refused_with_the_reason() {
    let node = Node::start();
    node.store(&shell("quick", "true"));
    node.run("quick");
    let id = node.ended("quick", 1)[0]["id"].as_str().expect("an id").to_owned();
    let (status, why) = cancel(&node, "quick", &id);
    assert!(status == 409 && why.to_string().contains("success"), "{status} {why}");
    for (job, id) in [
        ("nobody", id.as_str()),
        ("quick", "1766197802000123456-node1"),
        ("quick", "nonsense"),
        ("quick", "00000000000000000000000000000000"),
    ] {
        let (status, why) = cancel(&node, job, id);
        assert!(status == 404 && why.to_string().contains("not found"), "{job} {id}: {status} {why}");
    }
    assert_eq!(node.get(&format!("/v1/jobs/quick/executions/{id}/cancel")).status, 404, "only POST");
}
