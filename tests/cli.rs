//! The command line, from outside: the real binary, its words, its exit codes.

use serde_json::Value;
use std::process::{Command, Output};

fn dkron(words: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dkron"));
    command.args(words).env_clear().output().expect("the binary runs")
}

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn the_next_times_of_a_schedule_are_printed_as_json() {
    let words = ["schedule", "next", "0 30 2 * * *", "--tz", "Europe/Berlin", "--dst", "once"];
    let more = ["--from", "2026-03-28T12:00:00Z", "--count", "3", "--output", "json"];
    let output = dkron(&[words.as_slice(), &more].concat());
    assert!(output.status.success(), "{}", err(&output));
    let times: Value = serde_json::from_str(&out(&output)).expect("JSON");
    let expected = ["2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z", "2026-03-31T00:30:00Z"];
    assert_eq!(times, Value::from_iter(expected));
}

#[test]
fn a_bad_schedule_exits_non_zero_and_says_which_field() {
    let output = dkron(&["schedule", "next", "0 0 25 * * *"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(err(&output).contains("hour \"25\""), "{}", err(&output));
    assert_eq!(out(&output), "");
}

#[test]
fn all_wrong_settings_of_an_agent_are_told_at_once() {
    let output = dkron(&["agent", "--sever", "--rpc-port=x", "--log-level=loud"]);
    assert_eq!(output.status.code(), Some(1));
    for part in ["did you mean --server?", "--rpc-port: 'x'", "--log-level: 'loud'"] {
        assert!(err(&output).contains(part), "{part} is missing in: {}", err(&output));
    }
}

#[test]
fn help_and_version_succeed_and_an_unknown_command_does_not() {
    let help = dkron(&[]);
    assert!(help.status.success() && out(&help).contains("check-ledger"), "{}", out(&help));
    assert!(!out(&help).contains("supervise"), "it is not for people");
    let help = dkron(&["agent", "--help"]);
    assert!(out(&help).contains("--bind-addr") && !out(&help).contains("bench"), "{}", out(&help));
    assert!(out(&dkron(&["version"])).starts_with("Name: Dkron\nVersion: "));
    assert_eq!(dkron(&["dance"]).status.code(), Some(2));
}

#[test]
fn the_doctor_says_what_is_open_why_and_how_to_close_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).to_str().expect("a path").to_owned();
    let data = format!("--data-dir={}", path("data"));
    let server = ["doctor", "--server", "--bind=10.255.0.1", "--http-addr=10.255.0.1:8080", &data];
    let output = dkron(&[&server[..], &["--output", "json"]].concat());
    assert_eq!(output.status.code(), Some(1), "{}", err(&output));
    let found: Value = serde_json::from_str(&out(&output)).expect("JSON");
    let open = |found: &Value| -> Vec<String> {
        let list = found.as_array().expect("a list").iter().filter(|one| one["level"] == "open");
        list.map(|one| one["id"].as_str().expect("a word").to_owned()).collect()
    };
    assert_eq!(open(&found), ["rpc-tls", "gossip-key", "api-tls", "api-tokens"]);
    assert!(out(&dkron(&server)).contains("mend: dkron token bootstrap"));

    let directory = ["--directory", &path("tls")];
    let signing = ["--ca-file", &path("tls/dkron-ca.pem"), "--ca-key-file", &path("tls/dkron-ca-key.pem")];
    assert!(dkron(&[&["tls", "ca", "create"], &directory[..]].concat()).status.success());
    for words in [["--server", "--dns=localhost"], ["--agent", "--days=10"]] {
        let made = dkron(&[&["tls", "cert", "create"], &words[..], &directory, &signing].concat());
        assert!(made.status.success(), "{}", err(&made));
    }
    std::fs::create_dir(path("data")).expect("a folder");
    std::fs::write(path("data/tokens-required"), "").expect("a file");
    let key = err(&dkron(&["keygen"])) + &out(&dkron(&["keygen"]));
    let closed = [
        format!("--tls-ca-file={}", path("tls/dkron-ca.pem")),
        format!("--tls-cert-file={}", path("tls/server.global.dkron.pem")),
        format!("--tls-key-file={}", path("tls/server.global.dkron-key.pem")),
        format!("--http-tls-cert-file={}", path("tls/server.global.dkron.pem")),
        format!("--http-tls-key-file={}", path("tls/server.global.dkron-key.pem")),
        format!("--encrypt={}", key.trim()),
    ];
    let closed: Vec<&str> = closed.iter().map(String::as_str).collect();
    let output = dkron(&[&server[..], &closed].concat());
    assert_eq!(output.status.code(), Some(0), "{}{}", out(&output), err(&output));

    use std::os::unix::fs::PermissionsExt;
    let readable = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(path("tls/server.global.dkron-key.pem"), readable).expect("a file");
    let output = dkron(&[&server[..], &closed, &["--output", "json"]].concat());
    let found: Value = serde_json::from_str(&out(&output)).expect("JSON");
    assert_eq!(
        (output.status.code(), open(&found)),
        (Some(1), vec!["readable-file".to_owned(); 2]),
        "{found}"
    );

    let agent = [
        format!("--tls-ca-file={}", path("tls/dkron-ca.pem")),
        format!("--tls-cert-file={}", path("tls/agent.global.dkron.pem")),
        format!("--tls-key-file={}", path("tls/agent.global.dkron-key.pem")),
    ];
    let agent: Vec<&str> = agent.iter().map(String::as_str).collect();
    let output = dkron(&[&["doctor", "--bind=10.255.0.2", &data][..], &agent].concat());
    assert_eq!(output.status.code(), Some(0), "{}", out(&output));
    assert!(out(&output).contains("for agent.global.dkron ends soon"), "{}", out(&output));
}

#[test]
fn settings_are_checked_without_a_start() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("dkron.yml");
    std::fs::write(&file, "server: true\nencrypt: AAAAAAAAAAAAAAAAAAAAAA==\nquux: 1\n").expect("a file");
    let path = file.to_str().expect("a path");
    let words = ["config", "check", "--config", path, "--bind", "127.0.0.7", "--output", "json"];
    let output = dkron(&words);
    assert!(output.status.success(), "{}", err(&output));
    let shown: Value = serde_json::from_str(&out(&output)).expect("JSON");
    assert_eq!(shown["bind-addr"], serde_json::json!({"value": "127.0.0.7:8946", "origin": "--bind-addr"}));
    assert_eq!(shown["encrypt"]["value"], "(secret)");
    assert_eq!(shown["server"]["origin"], format!("{path}:1: server"));
    assert!(
        err(&output).contains("Warning: ") && err(&output).contains("quux has no effect, an unknown key")
    );
    assert_eq!(dkron(&[words.as_slice(), &["--strict"]].concat()).status.code(), Some(1));
}

#[test]
fn a_settings_file_that_is_missing_or_broken_stops_the_start_with_its_place() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("dkron.json");
    std::fs::write(&file, "{\n  \"server\": true,\n}").expect("a file");
    let path = file.to_str().expect("a path");
    for command in [vec!["agent"], vec!["config", "check"]] {
        let output = dkron(&[command.as_slice(), &["--config", path, "--sever"]].concat());
        assert_eq!(output.status.code(), Some(1));
        assert!(err(&output).contains(&format!("{path}:3:1: is not JSON: ")), "{}", err(&output));
        assert!(err(&output).contains("did you mean --server?"), "{}", err(&output));
        let output = dkron(&[command.as_slice(), &["--config", "none.yml"]].concat());
        assert!(
            err(&output).contains("--config: 'none.yml': cannot be read: No such file"),
            "{}",
            err(&output)
        );
    }
}

#[test]
fn a_new_key_stands_alone_on_its_line_and_is_one_that_gossip_takes() {
    let output = dkron(&["keygen"]);
    let text = out(&output);
    let key = text.strip_suffix('\n').expect("a line");
    assert_eq!((key.len(), key.contains(char::is_whitespace)), (44, false), "{key}");
    assert_ne!(out(&dkron(&["keygen"])), text);
    let check = dkron(&["config", "check", "--encrypt", key]);
    assert!(check.status.success() && !out(&check).contains(key), "{}", err(&check));
}

#[test]
fn shells_can_complete_flags() {
    for shell in ["bash", "zsh", "fish"] {
        let output = dkron(&["completion", shell]);
        assert!(output.status.success() && out(&output).contains("retry-join"), "{shell}");
    }
    assert_eq!(dkron(&["completion", "tortoise"]).status.code(), Some(2));
}
