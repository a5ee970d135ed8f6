//! Executions across jobs: filters, pages, and what bad questions get.

use super::{shell, with};
use crate::node::harness::Node;
use crate::rig::patience::eventually;
use dkron_core::time::{Span, Time};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;

/// Runs as long as there is no file of this name in the node's folder.
fn until(file: &str) -> String {
    format!("until [ -e {file} ]; do sleep 0.03; done")
}

fn text<'a>(run: &'a Value, key: &str) -> &'a str {
    run[key].as_str().unwrap_or_default()
}

fn job_names(runs: &[Value]) -> Vec<&str> {
    runs.iter().map(|run| text(run, "job_name")).collect()
}

/// All rows of a list, a page at a time, with how many pages they took.
fn pages(node: &Node, path: &str, mut between: impl FnMut(usize)) -> (Vec<Value>, usize) {
    let (mut rows, mut count, mut path) = (Vec::new(), 0, path.to_owned());
    loop {
        let reply = node.get(&path).expect(200);
        rows.extend(reply.json().as_array().expect("a list").iter().cloned());
        count += 1;
        let Some(cursor) = reply.header("x-next-cursor") else {
            assert_eq!(reply.header("link"), None);
            return (rows, count);
        };
        let link = reply.header("link").expect("a link beside the cursor");
        let (link, kind) = link.split_once(">; ").expect("a target and its kind");
        assert!(link.ends_with(&format!("cursor={cursor}")) && kind == "rel=\"next\"", "{link} {kind}");
        path = link.trim_start_matches('<').to_owned();
        between(count);
    }
}

#[test]
fn executions_of_all_jobs_are_filtered_by_name_status_node_and_time() {
    let node = Node::start();
    node.store(&shell("team-good", "echo out"));
    node.store(&shell("team-bad", "exit 7"));
    node.store(&shell("other", "true"));
    let slow = json!({"shell": "true", "command": "sleep 60", "timeout": "100ms"});
    node.store(&with(shell("slow", ""), json!({"executor_config": slow})));
    for name in ["team-good", "team-bad", "other", "slow"] {
        node.run(name);
        node.ended(name, 1);
    }
    let middle = text(&node.list("/v1/executions?job=team-bad")[0], "finished_at").to_owned();
    let after_middle = middle.parse::<Time>().expect("an instant") + Span::from_nanos(1);
    let asked = [
        (String::new(), vec!["slow", "other", "team-bad", "team-good"]),
        ("job=team-good".into(), vec!["team-good"]),
        ("job=team".into(), vec![]),
        ("job_prefix=team-".into(), vec!["team-bad", "team-good"]),
        ("status=success".into(), vec!["other", "team-good"]),
        ("status=failed".into(), vec!["slow", "team-bad"]),
        ("status=timed_out".into(), vec!["slow"]),
        ("status=success,timed_out".into(), vec!["slow", "other", "team-good"]),
        ("status=success&status=timed_out&job_prefix=s".into(), vec!["slow"]),
        ("status=running".into(), vec![]),
        ("status=cancelled,lost,not_started".into(), vec![]),
        ("node=node1&limit=2".into(), vec!["slow", "other"]),
        ("node=node2".into(), vec![]),
        (format!("from={middle}"), vec!["slow", "other", "team-bad"]),
        (format!("from={after_middle}"), vec!["slow", "other"]),
        (format!("to={middle}"), vec!["team-good"]),
        (format!("from={middle}&to={after_middle}"), vec!["team-bad"]),
    ];
    for (query, expected) in asked {
        assert_eq!(job_names(&node.list(&format!("/v1/executions?{query}"))), expected, "{query}");
    }
    let bad = node.list("/v1/executions?job=team-bad&output_size_limit=100").remove(0);
    assert_eq!(
        (text(&bad, "status"), text(&bad, "origin"), &bad["exit_code"]),
        ("failed", "manual", &json!(7))
    );
    let good = node.list("/v1/executions?job=team-good&output_size_limit=2").remove(0);
    assert_eq!((text(&good, "output"), &good["output_truncated"]), ("t\n", &json!(true)));
    assert_eq!(node.list("/v1/executions?job=team-good")[0].get("output"), None);
    let same = node.list("/v1/jobs/team-good/executions").remove(0);
    assert_eq!((&good["id"], &good["group"]), (&same["id"], &same["group"]));
    assert_eq!(text(&good, "execution_id").len(), 32);
    let by_long_id = format!("/v1/jobs/team-good/executions/{}", text(&good, "execution_id"));
    assert_eq!(node.json(&by_long_id)["id"], good["id"]);
}

#[test]
fn what_runs_or_waits_comes_first_in_the_order_of_decisions() {
    let node = Node::start();
    node.store(&with(shell("queue", &until("go")), json!({"concurrency": "queue"})));
    node.store(&shell("done", "true"));
    node.run("done");
    node.ended("done", 1);
    node.run("queue");
    eventually("the first run", || node.list("/v1/busy").pop());
    node.run("queue");
    let all = eventually("both runs", || Some(node.list("/v1/executions")).filter(|all| all.len() == 3));
    let statuses: Vec<&str> = all.iter().map(|run| text(run, "status")).collect();
    assert_eq!(statuses, ["waiting", "running", "success"], "{all:?}");
    assert_eq!((&all[0]["started_at"], &all[1]["finished_at"]), (&Value::Null, &Value::Null));
    assert_eq!(node.list("/v1/executions?status=waiting,running").len(), 2);
    assert_eq!(node.list("/v1/executions?status=running").len(), 1);
    assert_eq!(node.list("/v1/executions?status=success").len(), 1);
    fs::write(node.folder().join("go"), "").expect("a file");
    node.ended("queue", 2);
    assert_eq!(node.list("/v1/executions?status=success").len(), 3);
}

#[test]
fn pages_show_each_execution_once_while_others_begin_and_end() {
    let node = Node::start();
    node.store(&shell("quick", "true"));
    node.store(&shell("slow", &until("go")));
    for count in 1..=5 {
        node.run("quick");
        node.ended("quick", count);
    }
    (0..5).for_each(|_| node.run("slow"));
    eventually("five that run", || (node.list("/v1/busy").len() == 5).then_some(()));
    let wanted: BTreeSet<String> =
        node.list("/v1/executions").iter().map(|run| text(run, "execution_id").to_owned()).collect();
    assert_eq!(wanted.len(), 10);
    let (rows, count) = pages(&node, "/v1/executions?limit=2", |page| {
        if page == 1 {
            // Those that run end between the pages, and new ones come.
            fs::write(node.folder().join("go"), "").expect("a file");
            node.ended("slow", 5);
            node.run("quick");
            node.ended("quick", 6);
        }
    });
    let seen: Vec<String> = rows.iter().map(|run| text(run, "execution_id").to_owned()).collect();
    assert_eq!(seen.len(), 10, "{rows:?}");
    assert_eq!(seen.iter().cloned().collect::<BTreeSet<_>>(), wanted);
    assert!(count >= 5, "{count} pages");

    let (rows, _) = pages(&node, "/v1/jobs/quick/executions?limit=4", |_| {
        node.run("quick");
        node.ended("quick", 7);
    });
    assert_eq!(rows.len(), 6, "those of the beginning");
    let all = node.get("/v1/jobs/quick/executions").expect(200);
    assert_eq!((all.header("x-next-cursor"), all.header("x-total-count")), (None, Some("7")));
    assert_eq!(rows[..], all.json().as_array().expect("a list")[1..], "as Dkron's list has them");
}

#[test]
fn pages_of_jobs_are_stable_while_jobs_come_and_go() {
    let node = Node::start();
    for number in 0..7 {
        let more =
            json!({"displayname": format!("Z{}", 9 - number), "metadata": {"odd": (number % 2).to_string()}});
        node.store(&with(shell(&format!("job-{number}"), "true"), more));
    }
    let names = |rows: &[Value]| rows.iter().map(|job| text(job, "name").to_owned()).collect::<Vec<_>>();
    let first = node.get("/v1/jobs?limit=3").expect(200);
    assert_eq!(
        (first.header("x-total-count"), names(first.json().as_array().expect("a list")).len()),
        (Some("7"), 3)
    );
    let (rows, count) = pages(&node, "/v1/jobs?limit=3", |page| {
        if page == 1 {
            node.store(&shell("job-00", "true"));
            node.delete("/v1/jobs/job-2").expect(200);
            node.delete("/v1/jobs/job-4").expect(200);
        }
    });
    assert_eq!(names(&rows), ["job-0", "job-1", "job-2", "job-3", "job-5", "job-6"]);
    assert_eq!(count, 2);
    let (rows, _) = pages(&node, "/v1/jobs?limit=2&_order=DESC", |_| ());
    assert_eq!(names(&rows), ["job-6", "job-5", "job-3", "job-1", "job-00", "job-0"]);
    let (rows, _) = pages(&node, "/v1/jobs?limit=1&_sort=displayname&metadata%5Bodd%5D=1", |_| ());
    assert_eq!(names(&rows), ["job-5", "job-3", "job-1"]);
    let (rows, _) = pages(&node, "/v1/jobs?limit=1&_sort=displayname&_order=DESC&job_prefix=job-1", |_| ());
    assert_eq!(names(&rows), ["job-1"]);
}

#[test]
fn bad_pages_and_filters_are_refused_by_name() {
    let node = Node::start();
    node.store(&shell("a", "true"));
    node.store(&shell("b", "true"));
    let cursor =
        node.get("/v1/jobs?limit=1").expect(200).header("x-next-cursor").expect("a cursor").to_owned();
    let bad = [
        ("/v1/jobs?limit=0", "limit"),
        ("/v1/jobs?limit=1001", "limit"),
        ("/v1/jobs?limit=-1", "limit"),
        ("/v1/jobs?limit=99999999999999999999", "limit"),
        ("/v1/jobs?limit=", "limit"),
        ("/v1/jobs?limit=1&_start=1", "limit"),
        ("/v1/jobs?cursor=", "cursor"),
        ("/v1/jobs?cursor=%00%ff", "cursor"),
        ("/v1/jobs?cursor=AAAA", "cursor"),
        ("/v1/executions?limit=1e9", "limit"),
        ("/v1/executions?status=Running", "status"),
        ("/v1/executions?from=yesterday", "from"),
        ("/v1/executions?to=1", "to"),
        ("/v1/executions?output_size_limit=-1", "output_size_limit"),
        ("/v1/jobs/a/executions?limit=1&_sort=attempt", "_sort"),
        ("/v1/jobs/a/executions?limit=x", "limit"),
    ];
    for (path, named) in bad {
        let refused = node.get(path).expect(400);
        assert!(refused.text().contains(named), "{path}: {}", refused.text());
    }
    let of_another = [
        format!("/v1/jobs?cursor={cursor}&_order=DESC"),
        format!("/v1/jobs?cursor={cursor}&q=a"),
        format!("/v1/executions?cursor={cursor}"),
        format!("/v1/jobs/a/executions?cursor={cursor}"),
    ];
    for path in of_another {
        assert!(node.get(&path).expect(400).text().starts_with("cursor:"), "{path}");
    }
    assert_eq!(node.list(&format!("/v1/jobs?cursor={cursor}&pretty")).len(), 1, "the rest of its own list");
    assert_eq!(node.get("/v1/jobs/nobody/executions?limit=1").status, 404);
}
