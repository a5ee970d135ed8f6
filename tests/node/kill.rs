//! kill -9 at any moment, round after round, judged by what the jobs themselves wrote down.

use super::harness::{Answer, Node};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::time::Duration;

/// What each job writes before and after its work.
const NOTE: &str = r#"note() { printf '%s %s %s %s %s %s%s\n' "$1" "$DKRON_JOB_NAME" "$DKRON_SCHEDULED_AT" "$DKRON_EXECUTION_ID" "$DKRON_ATTEMPT" "$(date +%s%N)" "${2:+ $2}" >> "$LEDGER_FILE"; }; note start; trap 'note end $?' EXIT; "#;

/// The longest that a tick may wait for a daemon that was killed once or more.
const LATE_MS: &str = "20000";

fn job(name: &str, schedule: &str, command: &str) -> Value {
    json!({"name": name, "schedule": schedule, "executor": "shell",
        "executor_config": {"command": format!("{NOTE}{command}"), "shell": "true"}})
}

fn jobs() -> Vec<Value> {
    let with = |mut job: Value, key: &str, value: Value| {
        job[key] = value;
        job
    };
    vec![
        job("every-second", "@every 1s", "true"),
        job("every-two", "@every 2s", "sleep 0.3; echo two"),
        job("each-third", "*/3 * * * * *", "echo three"),
        with(job("alone", "@every 2s", "sleep 1"), "concurrency", "forbid".into()),
        with(job("across", "@every 5s", "sleep 3; echo across"), "concurrency", "forbid".into()),
        with(
            with(job("again", "@every 3s", "[ $DKRON_ATTEMPT -ge 2 ]"), "retries", 2.into()),
            "backoff",
            "50ms".into(),
        ),
    ]
}

/// A small generator, so that a seed tells the whole run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

#[tokio::test(flavor = "multi_thread")]
async fn no_tick_is_lost_or_run_twice_when_the_daemon_is_killed_at_any_moment() {
    let rounds = number("KILL_ROUNDS", 50);
    let seed = number("KILL_SEED", 20_261_124);
    eprintln!("kill -9: {rounds} rounds, KILL_SEED={seed}");
    let mut dice = Dice(seed);
    let mut node = Node::start().await;
    for job in jobs() {
        assert_eq!(node.post("/v1/jobs", job.to_string()).await.status, 201);
    }
    // From here on every job is there; its first tick may have been before.
    let from = second_from_now(1);
    for _ in 0..rounds {
        tokio::time::sleep(Duration::from_millis(dice.below(1_000))).await; // the moment of the kill
        node.kill();
        node.spawn();
        if dice.below(4) == 0 {
            tokio::time::sleep(Duration::from_millis(dice.below(120))).await; // killed while it starts
        } else {
            node.ready().await;
        }
    }
    node.ready().await;
    let until = second_from_now(0);
    node.post("/v1/hold", "").await;
    for name in names() {
        // Every start has its outcome, and every failure of the job that fails once has its retry.
        let settled = |answer: &Answer| {
            let count = |key: &str| answer.json()[key].as_u64().expect("a count");
            let (good, bad) = (count("success_count"), count("error_count"));
            good + bad >= starts(&node, &name).len() as u64 && (name != "again" || good == bad)
        };
        node.until(&format!("/v1/jobs/{name}"), settled).await;
    }
    check(&node, &from, &until).await;
}

fn names() -> Vec<String> {
    jobs().iter().map(|job| job["name"].as_str().expect("a name").to_owned()).collect()
}

fn second_from_now(seconds: i64) -> String {
    (dkron::clock::wall().floor_second() + dkron_core::time::Span::from_seconds(seconds)).to_string()
}

/// The ledger against the definitions, and against the history.
async fn check(node: &Node, from: &str, until: &str) {
    let (mut skips, mut told) = (Vec::new(), BTreeMap::new());
    for name in names() {
        skips.extend(
            node.get(&format!("/v1/jobs/{name}/skips")).await.json().as_array().cloned().expect("a list"),
        );
        for run in node.executions(&name, starts(node, &name).len()).await {
            let key = (name.clone(), run["attempt"].as_u64(), run["group"].as_i64());
            let again = told.insert(key, run["success"].clone());
            assert_eq!(again, None, "one execution is told twice: {run}");
        }
    }
    fs::write(node.path("skips.json"), Value::from(skips).to_string()).expect("a file");
    fs::write(node.path("jobs.json"), node.get("/v1/jobs").await.body).expect("a file");
    let path = |name: &str| node.path(name).to_string_lossy().into_owned();
    let ledger = node.ledger().to_string_lossy().into_owned();
    let checked = node.command(&[
        "check-ledger",
        "--ledger",
        &ledger,
        "--jobs",
        &path("jobs.json"),
        "--skips",
        &path("skips.json"),
        "--from",
        from,
        "--until",
        until,
        "--late-ms",
        LATE_MS,
        "--output",
        "json",
    ]);
    let verdict = String::from_utf8_lossy(&checked.stdout).into_owned();
    assert!(checked.status.success(), "{verdict} {}", String::from_utf8_lossy(&checked.stderr));
    let starts: Vec<String> = names().iter().flat_map(|name| starts(node, name)).collect();
    let ids: BTreeSet<&str> = starts.iter().filter_map(|line| line.split(' ').nth(3)).collect();
    assert_eq!(ids.len(), starts.len(), "one execution was started twice");
    assert_eq!(told.len(), starts.len(), "what the jobs wrote and what the history tells differ");
    eprintln!("{} executions, each told once", starts.len());
}

/// The lines in which a job wrote that it began.
fn starts(node: &Node, name: &str) -> Vec<String> {
    let ledger = fs::read_to_string(node.ledger()).unwrap_or_default();
    let start = format!("start {name} ");
    ledger.lines().filter(|line| line.starts_with(&start)).map(str::to_owned).collect()
}
