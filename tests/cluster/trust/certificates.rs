//! Certificates that are replaced under way, and those of the API.

use super::kit::{self, dkron, err, told, told_json};
use crate::cluster::harness::Cluster;
use crate::rig::http;
use crate::rig::patience::eventually;
use rustix::process::Signal;
use serde_json::json;
use std::fs;
use std::os::unix::fs::PermissionsExt;

#[test]
fn certificates_change_and_no_stream_is_lost() {
    let mut cluster = Cluster::new();
    let authority = kit::authority(&cluster);
    kit::add_nodes(&mut cluster, &authority, 1, &[]);
    kit::start(&mut cluster, 1);
    cluster.wait_for_member(1, "agent4", "alive");
    let (go, begun) = (cluster.folder().join("go"), cluster.folder().join("begun"));
    let command =
        format!("touch {}; until [ -e {} ]; do sleep 0.05; done; echo over", begun.display(), go.display());
    let job = json!({"name": "long", "schedule": "@manually", "executor": "shell", "tags": {"role": "web:1"},
        "executor_config": {"shell": "true", "command": command}});
    cluster.store(1, &job);
    cluster.send(1, "POST /v1/jobs/long/run", "").expect(200);
    eventually("its start", || begun.exists().then_some(()));
    let before = cluster.log(4).len();
    authority.sign("server-new", &["--server", "--days", "20"]);
    authority.sign("agent-new", &["--agent", "--days", "20"]);
    for name in ["server", "agent"] {
        for end in [".pem", "-key.pem"] {
            let path = |name: &str| authority.path(&format!("{name}{end}"));
            fs::rename(path(&format!("{name}-new")), path(name)).expect("a file replaced");
        }
    }
    cluster.signal(1, Signal::HUP);
    for number in [1, 4] {
        cluster.wait_for_log(number, "the certificates between nodes were read again: it ends soon");
    }
    fs::write(&go, "").expect("a file");
    eventually("the job's end", || {
        let list = cluster.json(1, "/v1/jobs/long/executions")?;
        list.as_array()?.iter().any(|one| one["output"] == "over\n").then_some(())
    });
    let since = cluster.log(4).split_off(before);
    assert!(!since.contains("no stream to a server"), "{since}");
    assert_eq!(cluster.members(1).get("agent4").map(String::as_str), Some("alive"));
    // The next start uses them from the beginning.
    cluster.kill(4);
    cluster.wait_for_member(1, "agent4", "failed");
    cluster.start(4);
    cluster.wait_for_member(1, "agent4", "alive");
}

#[test]
fn the_api_speaks_tls_and_asks_for_certificates_if_it_is_told_to() {
    let mut cluster = Cluster::new();
    let authority = kit::authority(&cluster);
    let address = cluster.address(1).to_string();
    authority.sign("api", &["--api", "--ip", &address]);
    authority.sign("client", &["--client"]);
    let flags = [
        format!("--http-tls-cert-file={}", authority.file("api.pem")),
        format!("--http-tls-key-file={}", authority.file("api-key.pem")),
        format!("--http-tls-client-ca-file={}", authority.file("dkron-ca.pem")),
    ];
    let words: Vec<&str> =
        ["--bootstrap-expect=1"].into_iter().chain(flags.iter().map(String::as_str)).collect();
    cluster.add_server(1, &words);
    cluster.start(1);
    cluster.wait_for_log(1, "ready");
    let url = format!("https://{}", cluster.api(1));
    let (ca, cert, key) =
        (authority.file("dkron-ca.pem"), authority.file("client.pem"), authority.file("client-key.pem"));
    let trusting = ["--url", url.as_str(), "--ca-file", &ca];
    let known = [&trusting[..], &["--cert-file", &cert, "--key-file", &key]].concat();
    let token = eventually("a leader", || {
        let output = dkron(&[&["token", "bootstrap", "--output", "json"], &known[..]].concat());
        output.status.success().then(|| String::from_utf8(output.stdout).expect("a text"))
    });
    let token: serde_json::Value = serde_json::from_str(&token).expect("JSON");
    let with = [&known[..], &["--token", token["token"].as_str().expect("a token")]].concat();
    let list = told_json(&[&["token", "list"], &with[..]].concat());
    assert_eq!(list[0]["name"], "bootstrap");
    let stranger = dkron(&[&["token", "list"], &trusting[..]].concat());
    assert_eq!(stranger.status.code(), Some(1), "without a certificate");
    cluster.wait_for_log(1, "it shows no certificate");
    let other = dkron(&["token", "list", "--url", &url, "--cert-file", &cert, "--key-file", &key]);
    assert_eq!(other.status.code(), Some(1), "{} who does not know the authority", err(&other));
    let clear = http::send(cluster.api(1), "GET /v1/jobs", &[], b"");
    assert!(clear.is_err(), "no HTTP in clear: {clear:?}");
    cluster.wait_for_log(1, "it does not speak TLS");
}

#[test]
fn files_of_tls_are_for_their_owner_and_never_overwritten() {
    let folder = tempfile::tempdir().expect("a folder");
    let authority = kit::Authority::create(folder.path());
    authority.sign("server", &["--server", "--node-name", "node1"]);
    for (name, mode) in [("dkron-ca-key.pem", 0o600), ("server-key.pem", 0o600), ("server.pem", 0o644)] {
        let found = fs::metadata(authority.path(name)).expect("a file").permissions().mode() & 0o777;
        assert_eq!(found & !mode, 0, "{name} is {found:o}");
    }
    let before = fs::read(authority.path("dkron-ca-key.pem")).expect("a key");
    let again = dkron(&["tls", "ca", "create", "--directory", &folder.path().display().to_string()]);
    assert_eq!(again.status.code(), Some(1));
    assert!(err(&again).contains("is there already and is not overwritten"), "{}", err(&again));
    assert_eq!(fs::read(authority.path("dkron-ca-key.pem")).expect("a key"), before);
    let shown = told(&["tls", "cert", "show", &authority.file("server.pem")]);
    assert!(shown.contains("names    server.global.dkron") && shown.contains("nodes    node1"), "{shown}");
}
