//! Why a job did or did not run, and when an expression fires.

use super::{shell, with};
use crate::node::harness::Node;
use crate::rig::patience::eventually;
use serde_json::{Value, json};
use std::process::Command;

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

fn codes(explained: &Value) -> Vec<&str> {
    let reasons = explained["reasons"].as_array().expect("reasons");
    reasons.iter().map(|reason| text(reason, "code")).collect()
}

fn explain(node: &Node, job: &str) -> Value {
    node.json(&format!("/v1/jobs/{job}/explain"))
}

fn explain_at(node: &Node, job: &str, at: &str) -> Value {
    node.json(&format!("/v1/jobs/{job}/explain?at={at}"))
}

#[test]
fn the_present_is_told_with_what_stands_in_the_way_and_what_comes_next() {
    let node = Node::start();
    node.store(&with(shell("daily", "true"), json!({"schedule": "@daily"})));
    // Until the node has registered for work, that is a reason too.
    let plain = eventually("a node for the job", || {
        let plain = explain(&node, "daily");
        (!codes(&plain).contains(&"no_node")).then_some(plain)
    });
    assert_eq!((text(&plain, "answer"), codes(&plain)), ("planned", vec!["next"]), "{plain}");
    assert_eq!(plain["next"]["scheduled_at"], node.json("/v1/jobs/daily")["next"]);
    assert_eq!(plain["history_complete"], true);

    node.post("/v1/jobs/daily/hold", "").expect(200);
    assert_eq!(
        (text(&explain(&node, "daily"), "answer"), codes(&explain(&node, "daily"))[0]),
        ("not_planned", "held")
    );
    node.post("/v1/jobs/daily/release", "").expect(200);
    node.post("/v1/hold", "").expect(200);
    assert_eq!(codes(&explain(&node, "daily"))[0], "cluster_held");
    node.post("/v1/release", "").expect(200);

    node.store(&with(shell("off", "true"), json!({"schedule": "@daily", "disabled": true})));
    node.store(&shell("manual", "true"));
    node.store(&with(
        shell("over", "true"),
        json!({"schedule": "@daily", "expires_at": "2020-01-01T00:00:00Z"}),
    ));
    node.store(&with(
        shell("later", "true"),
        json!({"schedule": "@daily", "starts_at": "2100-01-01T00:00:00Z"}),
    ));
    node.store(&with(shell("child", "true"), json!({"parent_job": "daily", "schedule": ""})));
    node.store(&with(shell("nowhere", "true"), json!({"schedule": "@daily", "tags": {"rack": "none"}})));
    for (job, answer, code) in [
        ("off", "not_planned", "disabled"),
        ("manual", "not_planned", "no_schedule"),
        ("over", "not_planned", "expired"),
        ("later", "planned", "not_yet"),
        ("child", "not_planned", "parent"),
        ("nowhere", "planned", "no_node"),
    ] {
        let told = explain(&node, job);
        assert_eq!((text(&told, "answer"), codes(&told)[0]), (answer, code), "{told}");
    }
    assert_eq!(node.get("/v1/jobs/nobody/explain").status, 404);
}

#[test]
fn a_run_in_the_way_a_retry_and_a_skip_are_told_with_their_executions() {
    let node = Node::start();
    node.store(&with(shell("once", "sleep 614"), json!({"concurrency": "forbid"})));
    node.run("once");
    let busy = eventually("the run", || node.list("/v1/executions?job=once&status=running").pop());
    let told = explain(&node, "once");
    assert_eq!((text(&told, "answer"), codes(&told)[0]), ("running", "running"), "{told}");
    let forbid = told["reasons"].as_array().expect("reasons").iter().find(|one| one["code"] == "forbid");
    assert_eq!(forbid.expect("the overlap rule")["execution_id"], busy["execution_id"]);
    assert_eq!(node.post("/v1/jobs/once/run", "").status, 409);
    let skip = eventually("the skip", || node.list("/v1/jobs/once/skips").pop());
    let told = explain_at(&node, "once", text(&skip, "from"));
    assert!(codes(&told).contains(&"overlap"), "{told}");
    assert_eq!(told["skipped"][0]["blocked_by"], busy["execution_id"]);

    node.store(&with(shell("flaky", "exit 3"), json!({"retries": 5, "backoff": "1h"})));
    node.run("flaky");
    let told = eventually("the retry", || {
        Some(explain(&node, "flaky")).filter(|told| codes(told).contains(&"retrying"))
    });
    assert_eq!((text(&told, "answer"), &told["open"][0]["attempt"]), ("waiting", &json!(2)), "{told}");
}

#[test]
fn a_tick_of_the_past_ran_or_says_why_not() {
    let node = Node::start();
    node.store(&with(shell("ticks", "true"), json!({"schedule": "* * * * * *"})));
    node.ended("ticks", 2);
    let run = node.list("/v1/executions?job=ticks&status=success").remove(0);
    let told = explain_at(&node, "ticks", text(&run, "scheduled_at"));
    assert_eq!((text(&told, "answer"), codes(&told)), ("ran", vec!["ran"]), "{told}");
    assert_eq!(told["ran"][0]["execution_id"], run["execution_id"]);
    assert_eq!(told["ticks"]["is_tick"], true);

    let told = explain_at(&node, "ticks", "2020-01-01T00:00:00Z");
    assert_eq!((text(&told, "answer"), codes(&told)), ("no_record", vec!["no_record"]), "{told}");
    let told = explain_at(&node, "ticks", "2020-01-01T00:00:00.5Z");
    assert_eq!(text(&told, "answer"), "no_tick", "{told}");
    assert_eq!(told["ticks"]["after"], "2020-01-01T00:00:01Z");
    let told = explain_at(&node, "ticks", "2100-01-01T00:00:00Z");
    assert_eq!((text(&told, "answer"), codes(&told)), ("planned", vec!["to_come"]), "{told}");

    node.post("/v1/jobs/ticks/hold", "").expect(200);
    let held = explain(&node, "ticks");
    let due = eventually("a tick while it is held", || {
        let told = explain_at(&node, "ticks", text(&held["next"], "scheduled_at"));
        (text(&told, "answer") == "undecided").then_some(told)
    });
    assert_eq!(codes(&due)[0], "held", "{due}");
    node.post("/v1/jobs/ticks/release", "").expect(200);
    let told = eventually("the skip record", || {
        let told = explain_at(&node, "ticks", text(&held["next"], "scheduled_at"));
        (text(&told, "answer") == "skipped").then_some(told)
    });
    assert_eq!(codes(&told), ["held"], "{told}");
    for bad in ["now", "2026", "1"] {
        assert!(node.get(&format!("/v1/jobs/ticks/explain?at={bad}")).expect(400).text().contains("at:"));
    }
}

#[test]
fn an_expression_fires_here_when_the_command_says_so() {
    let node = Node::start();
    let asked: [(&str, &str, &[&str]); 4] = [
        ("0%2030%202%20*%20*%20*", "0 30 2 * * *", &["--tz", "Europe/Berlin", "--dst", "once"]),
        ("0+30+2+*+*+*", "0 30 2 * * *", &["--tz", "Europe/Berlin", "--dst", "dkron"]),
        ("%40every%2010s", "@every 10s", &[]),
        ("%40manually", "@manually", &[]),
    ];
    for (encoded, expression, more) in asked {
        let mut query = format!("expr={encoded}&from=2026-03-28T12:00:00Z&count=3");
        more.chunks(2).for_each(|pair| query.push_str(&format!("&{}={}", &pair[0][2..], pair[1])));
        let command = Command::new(env!("CARGO_BIN_EXE_dkron"))
            .args(["schedule", "next", expression, "--from", "2026-03-28T12:00:00Z", "--count", "3"])
            .args(["--output", "json"])
            .args(more)
            .output()
            .expect("the binary runs");
        let printed = String::from_utf8_lossy(&command.stdout).trim().to_owned();
        assert_eq!(
            node.get(&format!("/v1/schedule/next?{query}")).expect(200).text(),
            printed,
            "{expression}"
        );
    }
    for (query, named) in [
        ("", "expr"),
        ("expr=", "schedule"),
        ("expr=0%2099%202%20*%20*%20*", "minute"),
        ("expr=%40daily&tz=Europe/Berlino", "timezone"),
        ("expr=%40daily&dst=never", "dst"),
        ("expr=%40daily&count=0", "count"),
        ("expr=%40daily&count=1001", "count"),
        ("expr=%40daily&from=soon", "from"),
    ] {
        let refused = node.get(&format!("/v1/schedule/next?{query}")).expect(400).text();
        assert!(refused.contains(named), "{query}: {refused}");
    }
}
