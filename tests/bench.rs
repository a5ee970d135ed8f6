//! `dkron bench`, from outside: it starts nodes, measures, prints, and leaves nothing behind.

use serde_json::Value;
use std::process::Command;

fn section<'a>(report: &'a Value, title: &str) -> &'a Value {
    let sections = report["sections"].as_array().expect("sections");
    let found =
        sections.iter().find(|section| section["title"].as_str().is_some_and(|is| is.starts_with(title)));
    found.unwrap_or_else(|| panic!("no section {title} in {report}"))
}

fn figure(section: &Value, name: &str) -> f64 {
    let figures = section["figures"].as_array().expect("figures");
    let found = figures.iter().find(|figure| figure["name"].as_str().is_some_and(|is| is.starts_with(name)));
    found
        .and_then(|figure| figure["value"].as_f64())
        .unwrap_or_else(|| panic!("no figure {name} in {section}"))
}

#[test]
fn a_small_run_measures_every_launch_and_leaves_nothing_behind() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut command = Command::new(env!("CARGO_BIN_EXE_dkron"));
    command.args(["bench", "launches", "http", "burst", "--rate", "10", "--jobs", "30", "--seconds", "2"]);
    command.args(["--output", "json", "--folder"]).arg(folder.path());
    let output = command.output().expect("the binary runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    for rate in ["syncs", "spawns", "calls"] {
        assert!(report["machine"][format!("{rate}_per_second")].as_f64() > Some(0.0), "{report}");
    }
    for title in ["launches", "http"] {
        let section = section(&report, title);
        let remarks = section["remarks"].as_array().expect("remarks");
        let wrong =
            remarks.iter().filter(|remark| !remark.as_str().is_some_and(|is| is.starts_with("processor")));
        assert_eq!(wrong.count(), 0, "{section}");
        assert!(figure(section, "launches") > 0.0 && figure(section, "log: syncs") > 0.0, "{section}");
    }
    let burst = section(&report, "burst");
    let (decided, started) = (figure(burst, "the last is decided"), figure(burst, "the last starts"));
    assert!(0.0 <= decided && decided <= started, "{burst}");
    let left = std::fs::read_dir(folder.path()).expect("the folder").count();
    assert_eq!(left, 0, "the folder is empty again");
}

#[test]
fn a_scenario_that_stops_nodes_is_refused_on_a_running_cluster() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dkron"));
    let output =
        command.args(["bench", "idle", "--url", "http://127.0.0.1:9"]).output().expect("the binary runs");
    assert_eq!(output.status.code(), Some(1));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(errors.contains("cannot be run with --url"), "{errors}");
}

#[test]
fn a_cluster_of_three_runs_each_tick_once_also_when_its_leader_is_killed() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut command = Command::new(env!("CARGO_BIN_EXE_dkron"));
    command.args(["bench", "burst", "failover", "--servers", "3", "--jobs", "30", "--kills", "1"]);
    command.args(["--output", "json", "--folder"]).arg(folder.path());
    let output = command.output().expect("the binary runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let remarks = section(&report, "burst")["remarks"].to_string();
    assert!(!remarks.contains("ticks were done"), "a job runs on one of the servers: {remarks}");
    let failover = section(&report, "failover: 1 kills of the leader of 3 servers");
    assert!(figure(failover, "ticks") > 0.0 && figure(failover, "the latest start") > 0.0, "{failover}");
    for wrong in ["ticks missed", "ticks doubled", "ticks early"] {
        assert_eq!(figure(failover, wrong), 0.0, "{failover}");
    }
}
