//! What Dkron's clients rely on, checks a to z.

use super::{plain, posted};
use crate::api::{names, shell, with};
use crate::node::harness::Node;
use crate::rig::patience::eventually;
use serde_json::{Value, json};

/// Checks a, b, c and d.
#[test]
fn a_job_goes_there_and_back_unchanged() {
    let node = Node::start();
    let sent = with(
        plain("job"),
        json!({"parent_job": null, "metadata": {"team": "x"}, "tags": {"server": "true:1"}}),
    );
    let reply: Value = serde_json::from_str(&posted(&node, &sent, 201)).expect("JSON");
    assert_eq!((&reply["id"], &reply["next"]), (&json!(""), &json!("0001-01-01T00:00:00Z")), "{reply}");
    assert_eq!((&reply["processors"], &reply["last_success"]), (&Value::Null, &Value::Null));
    let got = node.get("/v1/jobs/job").expect(200);
    assert_eq!((&got.json()["id"], &got.json()["processors"]), (&json!("job"), &json!({})));
    let again = node.post("/v1/jobs", &got.body).expect(201);
    assert_eq!(again.header("location"), Some("/v1/jobs/job"));
    assert_eq!(node.get("/v1/jobs/job").text(), got.text(), "posted back whole");
    let put = node.send("PUT /v1/jobs/other", &[], sent.to_string().as_bytes()).expect(201);
    assert_eq!(
        put.header("location"),
        Some("/v1/jobs/other/job"),
        "as Dkron makes it: the name of the body counts"
    );
    assert_eq!(node.get("/v1/jobs/other").status, 404);
    node.send("PATCH /v1/jobs", &[], sent.to_string().as_bytes()).expect(201);
}

/// Check e.
#[test]
fn any_content_type_is_read_as_json_and_what_follows_is_passed_over() {
    let node = Node::start();
    for kind in ["encoding/json", "application/x-www-form-urlencoded", "text/plain", ""] {
        node.send("POST /v1/jobs", &[("content-type", kind)], plain("job").to_string().as_bytes())
            .expect(201);
    }
    let trailing = format!("{} and more", plain("job"));
    node.post("/v1/jobs", trailing).expect(201);
    let folded = r#"{"NAME":"folded","Schedule":"@daily","eXecutor":"shell","nobody knows":[1],"tags":null}"#;
    node.post("/v1/jobs", folded).expect(201);
    assert_eq!(node.json("/v1/jobs/folded")["executor"], "shell");
}

/// Checks f, g and h.
#[test]
fn a_run_answers_200_with_the_job_and_what_cannot_be_is_404() {
    let node = Node::start();
    node.store(&shell("job", "true"));
    let run = node.post("/v1/jobs/job", "").expect(200);
    assert_eq!((run.header("location"), &run.json()["name"]), (Some("/v1/jobs/job"), &json!("job")));
    posted(&node, &plain("off"), 201);
    assert_eq!(node.post("/v1/jobs/off/run", "").status, 404);
    posted(&node, &with(plain("child"), json!({"parent_job": "job"})), 201);
    assert_eq!(node.delete("/v1/jobs/job").status, 404);
    let toggled = node.post("/v1/jobs/off/toggle", "").expect(200);
    assert_eq!(
        (&toggled.json()["disabled"], toggled.header("location")),
        (&json!(false), Some("/v1/jobs/off/toggle"))
    );
    assert_eq!(node.post("/v1/jobs/nobody/toggle", "").status, 404);
}

/// Checks i, j, w and x.
#[test]
fn headers_indentation_and_refusals_are_dkrons() {
    let node = Node::start();
    posted(&node, &plain("job"), 201);
    for path in ["/v1/jobs", "/v1/members", "/v1/busy", "/v1/jobs/job/executions"] {
        let reply = node.get(path).expect(200);
        assert!(reply.header("x-total-count").is_some_and(|count| count.parse::<u32>().is_ok()), "{path}");
        assert_eq!(
            (reply.header("x-whom"), reply.header("content-type")),
            (Some("node1"), Some("application/json; charset=utf-8")),
            "{path}"
        );
    }
    assert!(node.get("/v1/jobs/job?pretty").text().contains("\n    \"name\": \"job\""));
    assert_eq!(node.get("/health").header("x-whom"), None);
    let unknown = node.get("/v1/nothing").expect(404);
    assert_eq!((unknown.text().as_str(), unknown.header("x-whom")), ("404 page not found", None));
    assert!(unknown.header("content-type").is_some_and(|kind| kind.starts_with("text/plain")));
    assert_eq!(
        node.send("GET /", &[("accept", "text/html")], b"").expect(303).header("location"),
        Some("/ui/")
    );
    assert_eq!(node.send("GET /", &[("accept", "application/json")], b"").status, 404);
    assert_eq!(node.get("/ui").expect(301).header("location"), Some("/ui/"));
}

/// Checks k, l and t.
#[test]
fn lists_are_filtered_sorted_and_sliced_as_the_pages_ask_for_it() {
    let node = Node::start();
    for name in ["alpha", "bravo", "charlie"] {
        posted(&node, &with(plain(name), json!({"metadata": {"cron": "auto"}})), 201);
    }
    let asked =
        "/v1/jobs?_sort=id&_order=DESC&_start=0&_end=2&status=untriggered&metadata[cron]=auto&disabled=true";
    let reply = node.get(asked).expect(200);
    assert_eq!(names(reply.json().as_array().expect("a list")), ["charlie", "bravo"]);
    assert_eq!(reply.header("x-total-count"), Some("3"));
}

/// Check m.
#[test]
fn a_restore_answers_with_a_list_in_a_string() {
    let node = Node::start();
    let body = format!(
        "--e\r\ncontent-disposition: form-data; name=\"file\"; filename=\"b\"\r\n\r\n[{}]\r\n--e--\r\n",
        plain("a")
    );
    let headers = [("content-type", "multipart/form-data; boundary=e")];
    let reply = node.send("POST /v1/restore", &headers, body.as_bytes()).expect(200);
    assert_eq!(reply.text(), r#""[\"success create a\"]""#);
    assert_eq!(node.send("POST /v1/restore", &headers, b"--e--\r\n").status, 404, "the field is missing");
}

/// Checks n and o.
#[test]
fn ids_are_starts_and_nodes_and_lists_are_in_the_jobs_zone() {
    let node = Node::start();
    node.store(&with(shell("job", "true"), json!({"timezone": "Asia/Kathmandu"})));
    node.run("job");
    let listed = node.ended("job", 1).remove(0);
    let id = listed["id"].as_str().expect("an id");
    let (nanos, name) = id.split_once('-').expect("two parts");
    assert_eq!((nanos.len(), name), (19, "node1"));
    assert!(listed["started_at"].as_str().is_some_and(|at| at.ends_with("+05:45")), "{listed}");
    assert!(listed["group"].as_i64().is_some_and(|group| group > 1 << 60), "{listed}");
    let single = node.json(&format!("/v1/jobs/job/executions/{id}"));
    assert!(single["started_at"].as_str().is_some_and(|at| at.ends_with('Z')), "{single}");
}

/// Checks p, q and r.
#[test]
fn an_ephemeral_child_follows_its_parents_success_after_the_retries_it_was_given() {
    let node = Node::start();
    node.store(&shell("parent", "true"));
    node.store(&with(
        shell("child", "true"),
        json!({"parent_job": "parent", "schedule": "", "ephemeral": true}),
    ));
    node.store(&with(shell("flaky", "[ $DKRON_ATTEMPT = 3 ]"), json!({"retries": 2, "backoff": "50ms"})));
    node.run("flaky");
    let attempts: Vec<u64> =
        node.ended("flaky", 3).iter().rev().filter_map(|run| run["attempt"].as_u64()).collect();
    assert_eq!(attempts, [1, 2, 3]);
    node.run("parent");
    eventually("the end of the child", || (node.get("/v1/jobs/child").status == 404).then_some(()));
    assert_eq!(node.json("/v1/jobs/parent")["dependent_jobs"], Value::Null);
    let runs = node.list("/v1/executions?job=child");
    assert_eq!((runs.len(), &runs[0]["origin"]), (1, &json!("dependent")), "its run is still told of");
}

/// Check s.
#[test]
fn a_hundred_executions_of_a_job_are_kept() {
    let node = Node::start();
    node.store(&shell("job", "true"));
    for count in 0..105 {
        node.run("job");
        if count % 15 == 14 {
            node.ended("job", (count + 1).min(100));
        }
    }
    eventually("all runs", || (node.json("/v1/jobs/job")["success_count"] == 105).then_some(()));
    assert_eq!(node.list("/v1/jobs/job/executions").len(), 100);
}

/// Checks u, y and z; v, a follower that takes writes, is in `tests/cluster/writes.rs`.
#[test]
fn letters_of_many_tongues_five_fields_and_runs_on_creation_are_taken() {
    let node = Node::start();
    for name in ["größe", "señor", "łódź"] {
        posted(&node, &plain(name), 201);
    }
    let encoded = "/v1/jobs/gr%C3%B6%C3%9Fe";
    assert_eq!(node.json(encoded)["name"], "größe");
    posted(&node, &with(plain("five"), json!({"schedule": "30 2 * * *"})), 201);
    node.post("/v1/jobs?runoncreate", shell("now", "true").to_string()).expect(201);
    assert_eq!(node.ended("now", 1).len(), 1);
}
