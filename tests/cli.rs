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
