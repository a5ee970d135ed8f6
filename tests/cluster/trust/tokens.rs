//! Tokens: the first closes every server, each allows what it says, the lost are replaced by who has a disk.

use super::kit::{bootstrap, dkron, err, told, told_json};
use crate::cluster::harness::Cluster;
use crate::rig::http::{self, Reply};
use crate::rig::patience::eventually;
use serde_json::{Value, json};
use std::fs;

fn job(name: &str) -> String {
    json!({"name": name, "schedule": "@manually", "executor": "shell", "executor_config": {"command": "true"}})
        .to_string()
}

fn single() -> (Cluster, String) {
    let mut cluster = Cluster::new();
    cluster.add_server(1, &["--bootstrap-expect=1"]);
    cluster.start(1);
    cluster.wait_until_ready(1);
    let token = bootstrap(&cluster, 1);
    (cluster, token)
}

/// A token made by the command line.
#[track_caller]
fn create(cluster: &Cluster, by: &str, words: &[&str]) -> Value {
    let url = format!("http://{}", cluster.api(1));
    told_json(&[&["token", "create", "--url", &url, "--token", by], words].concat())
}

#[track_caller]
fn send(cluster: &Cluster, token: Option<&str>, line: &str, body: &str) -> Reply {
    let bearer = token.map(|token| format!("Bearer {token}"));
    let header = bearer.as_deref().map(|bearer| ("authorization", bearer));
    http::send(cluster.api(1), line, header.as_slice(), body.as_bytes()).expect("an answer")
}

fn secret(made: &Value) -> &str {
    made["token"].as_str().expect("a token")
}

#[test]
fn without_a_token_only_that_the_process_lives_is_told_and_each_token_allows_what_it_says() {
    let (cluster, root) = single();
    for line in
        ["GET /v1/jobs", "GET /v1/members", "GET /metrics", "GET /v1/", "GET /v1/tokens", "GET /v1/busy"]
    {
        let reply = send(&cluster, None, line, "").expect(401);
        assert_eq!(reply.header("www-authenticate"), Some("Bearer"), "{line}");
        assert!(reply.text().starts_with("no token: send"), "{line}: {}", reply.text());
    }
    for line in ["GET /health", "GET /livez", "GET /readyz"] {
        send(&cluster, None, line, "").expect(200);
    }
    for line in ["POST /v1/jobs", "POST /v1/pause", "POST /v1/hold", "DELETE /v1/jobs/x", "POST /v1/restore"]
    {
        send(&cluster, None, line, &job("x")).expect(401);
        send(&cluster, Some("dkron_00000000000000000000000000000000_0"), line, &job("x")).expect(401);
    }
    let reader = create(&cluster, &root, &["--name", "reader", "--allow", "read-jobs,read-cluster"]);
    send(&cluster, Some(secret(&reader)), "GET /v1/jobs", "").expect(200);
    send(&cluster, Some(secret(&reader)), "GET /v1/members", "").expect(200);
    let refused = send(&cluster, Some(secret(&reader)), "POST /v1/jobs", &job("x")).expect(403);
    assert!(refused.text().ends_with("lacks the capability write-jobs"), "{}", refused.text());
    send(&cluster, Some(secret(&reader)), "POST /v1/pause", "").expect(403);
    send(&cluster, Some(secret(&reader)), "POST /v1/tokens", "{}").expect(403);
    send(&cluster, Some(&root), "POST /v1/jobs", &job("x")).expect(201);
    send(&cluster, Some(secret(&reader)), "POST /v1/jobs/x/run", "").expect(403);
    let runner = create(&cluster, &root, &["--name", "runner", "--allow", "run-jobs"]);
    send(&cluster, Some(secret(&runner)), "POST /v1/jobs/x/run", "").expect(200);
    send(&cluster, Some(secret(&runner)), "GET /v1/jobs/x", "").expect(403);
    let log = cluster.log(1);
    for token in [&root, secret(&reader), secret(&runner)] {
        assert!(!log.contains(token) && !log.contains(&token[40..]), "a secret is in the log");
    }
}

#[test]
fn a_token_for_some_jobs_sees_and_touches_no_other() {
    let (cluster, root) = single();
    for name in ["team-a-one", "team-b-one"] {
        send(&cluster, Some(&root), "POST /v1/jobs", &job(name)).expect(201);
    }
    let words =
        ["--name", "a", "--allow", "read-jobs,write-jobs,read-executions,manage-tokens", "--jobs", "team-a-"];
    let made = create(&cluster, &root, &words);
    let team = Some(secret(&made));
    let list = send(&cluster, team, "GET /v1/jobs", "").expect(200);
    assert_eq!(list.header("x-total-count"), Some("1"));
    assert_eq!(list.json()[0]["name"], "team-a-one");
    send(&cluster, team, "GET /v1/jobs/team-a-one", "").expect(200);
    send(&cluster, team, "GET /v1/jobs/team-b-one", "").expect(403);
    send(&cluster, team, "GET /v1/jobs/team%2Db-one", "").expect(403);
    send(&cluster, team, "GET /v1/jobs/team-b-one/executions", "").expect(403);
    send(&cluster, team, "POST /v1/jobs", &job("team-b-two")).expect(403);
    // The body's name counts, whatever the path says.
    send(&cluster, team, "PUT /v1/jobs/team-a-one", &job("team-b-one")).expect(403);
    send(&cluster, team, "DELETE /v1/jobs/team-b-one", "").expect(403);
    send(&cluster, team, "POST /v1/jobs?runoncreate=true", &job("team-a-two")).expect(403);
    send(&cluster, team, "POST /v1/jobs", &job("team-a-two")).expect(201);
    send(&cluster, team, "POST /v1/pause", "").expect(403);
    send(&cluster, team, "GET /v1/tokens", "").expect(403);
    let more = json!({"name": "more", "allow": ["all"]}).to_string();
    let refused = send(&cluster, team, "POST /v1/tokens", &more).expect(403);
    assert!(refused.text().contains("who may do all that it allows"), "{}", refused.text());
    let less = json!({"name": "less", "allow": ["read-jobs"], "jobs": ["team-a-o"]}).to_string();
    send(&cluster, team, "POST /v1/tokens", &less).expect(201);
    let own = send(&cluster, team, "GET /v1/tokens/self", "").expect(200).json();
    assert_eq!((&own["name"], &own["jobs"]), (&json!("a"), &json!(["team-a-"])));
    assert!(own["token"].is_null(), "{own}");
}

#[test]
fn a_token_that_is_revoked_or_over_counts_no_more_and_a_restart_opens_nothing() {
    let (mut cluster, root) = single();
    let short = create(&cluster, &root, &["--name", "short", "--allow", "read-jobs", "--ttl", "1s"]);
    eventually("its end", || {
        let reply = send(&cluster, Some(secret(&short)), "GET /v1/jobs", "");
        (reply.status == 401 && reply.text().contains("'short' expired")).then_some(())
    });
    let made = create(&cluster, &root, &["--name", "gone", "--allow", "all"]);
    send(&cluster, Some(secret(&made)), "GET /v1/jobs", "").expect(200);
    let url = format!("http://{}", cluster.api(1));
    let id = made["id"].as_str().expect("an id");
    let said = told(&["token", "revoke", id, "--url", &url, "--token", &root]);
    assert!(said.starts_with("revoked: gone"), "{said}");
    send(&cluster, Some(secret(&made)), "GET /v1/jobs", "").expect(401);
    let table = told(&["token", "list", "--url", &url, "--token", &root]);
    assert!(table.contains("bootstrap") && table.contains("short") && !table.contains("gone"), "{table}");
    assert!(!table.contains("dkron_"), "{table}");
    let again = dkron(&["token", "bootstrap", "--url", &url]);
    assert!(
        err(&again).contains("409") && err(&again).contains("the first token was made already"),
        "{}",
        err(&again)
    );
    cluster.kill(1);
    cluster.start(1);
    eventually("an answer", || {
        let reply = http::send(cluster.api(1), "GET /v1/jobs", &[], b"").ok()?;
        assert_ne!(reply.status, 200, "open after a restart");
        (reply.status == 401).then_some(())
    });
    eventually("the known token", || {
        (send(&cluster, Some(&root), "GET /v1/jobs", "").status == 200).then_some(())
    });
}

#[test]
fn who_has_a_servers_disk_makes_a_new_token_and_nobody_else() {
    let (cluster, _lost) = single();
    let url = format!("http://{}", cluster.api(1));
    let guessed = "0".repeat(64);
    let header = [("x-dkron-recovery", guessed.as_str())];
    http::send(cluster.api(1), "POST /v1/tokens/recover", &header, b"").expect("an answer").expect(403);
    let elsewhere = tempfile::tempdir().expect("a folder");
    let other =
        dkron(&["token", "recover", "--data-dir", elsewhere.path().to_str().expect("a path"), "--url", &url]);
    assert!(err(&other).contains("403"), "{}", err(&other));
    let data = cluster.data_dir(1);
    let data = data.to_str().expect("a path");
    let made = told_json(&["token", "recover", "--data-dir", data, "--url", &url]);
    send(&cluster, Some(secret(&made)), "GET /v1/tokens", "").expect(200);
    assert!(!cluster.data_dir(1).join("token-recovery").exists(), "it counts once");
}

#[test]
fn a_cluster_is_closed_on_every_server_also_on_one_that_comes_later() {
    let mut cluster = Cluster::of_three();
    let root = bootstrap(&cluster, 3);
    for number in 1..=3 {
        eventually("a closed API", || (cluster.send(number, "GET /v1/jobs", "").status == 401).then_some(()));
        cluster.send(number, "POST /v1/jobs", &job("x")).expect(401);
    }
    let join = format!("--join={}", cluster.address(1));
    cluster.add_server(5, &[&join]);
    cluster.start(5);
    eventually("a server that answers", || {
        let write = cluster.try_send(5, "POST /v1/jobs", &job("y")).ok()?;
        assert_ne!(write.status, 201, "a write without a token");
        (write.status == 401).then_some(())
    });
    cluster.send_with(Some(&root));
    cluster.store(
        5,
        &json!({"name": "z", "schedule": "@manually", "executor": "shell",
        "executor_config": {"command": "true"}}),
    );
    cluster.wait_for_job(2, "z");
    assert!(cluster.json(2, "/v1/jobs/x").is_none() && cluster.json(2, "/v1/jobs/y").is_none());
    for number in [1, 2, 3, 5] {
        let marker = cluster.data_dir(number).join("tokens-required");
        eventually("the note on the disk", || fs::exists(&marker).unwrap_or(false).then_some(()));
    }
}
