//! Jobs: stored, replaced, refused, deleted, toggled, paused; parents and children.

use super::{shell, with};
use crate::node::harness::Node;
use crate::rig::patience::eventually;
use serde_json::{Value, json};

#[test]
fn a_job_is_created_and_replaced_with_201_and_deleted_once() {
    let node = Node::start();
    let first = node.post("/v1/jobs", with(shell("job1", "date"), json!({"disabled": true})).to_string());
    assert_eq!((first.status, first.header("location")), (201, Some("/v1/jobs/job1")));
    let second = with(shell("job1", "test"), json!({"disabled": false, "parent_job": null}));
    let second =
        node.send("POST /v1/jobs", &[("content-type", "encoding/json")], second.to_string().as_bytes());
    let second = second.expect(201).json();
    assert_eq!((&second["name"], &second["disabled"]), (&json!("job1"), &json!(false)));
    assert_eq!(second["executor_config"]["command"], "test");
    assert_eq!(node.json("/v1/jobs/job1")["executor_config"]["command"], "test");
    assert_eq!(node.list("/v1/jobs").len(), 1);
    assert_eq!(node.delete("/v1/jobs/job1").expect(200).json()["name"], "job1");
    assert_eq!(node.get("/v1/jobs/job1").status, 404);
    assert_eq!(node.delete("/v1/jobs/job1").status, 404);
}

#[test]
fn a_reply_to_a_submission_echoes_it_and_a_get_shows_what_is_stored_both_in_dkrons_key_order() {
    let node = Node::start();
    let body =
        r#"{"name":"j","schedule":"@every 1h","executor":"shell","executor_config":{"command":"date"}}"#;
    let echoed = r#"{"id":"","name":"j","displayname":"","timezone":"","schedule":"@every 1h","owner":"","owner_email":"","success_count":0,"error_count":0,"last_success":null,"last_error":null,"disabled":false,"tags":null,"metadata":null,"retries":0,"dependent_jobs":null,"parent_job":"","processors":null,"concurrency":"allow","executor":"shell","executor_config":{"command":"date"},"status":"","next":"0001-01-01T00:00:00Z","ephemeral":false,"starts_at":null,"expires_at":null}"#;
    assert_eq!(node.post("/v1/jobs", body).expect(201).text(), echoed);
    let got = node.get("/v1/jobs/j").expect(200);
    let next = got.json()["next"].as_str().expect("a time").to_owned();
    assert!(next.as_str() > "2020", "{next}");
    let stored = echoed
        .replace(r#""id":"""#, r#""id":"j""#)
        .replace(r#""processors":null"#, r#""processors":{}"#)
        .replace("0001-01-01T00:00:00Z", &next);
    assert_eq!(got.text(), stored);
    assert_eq!(got.header("x-whom"), Some("node1"));
    assert_eq!(got.header("content-type"), Some("application/json; charset=utf-8"));
    assert_eq!(node.post("/v1/jobs", &got.body).status, 201, "what was got may be sent back");
    assert_eq!(node.json("/v1/jobs/j"), got.json());
}

#[test]
fn put_and_patch_store_the_job_of_the_body() {
    let node = Node::start();
    node.send("PUT /v1/jobs/other", &[], shell("put", "date").to_string().as_bytes()).expect(201);
    node.send("PATCH /v1/jobs", &[], shell("put", "other").to_string().as_bytes()).expect(201);
    assert_eq!(node.json("/v1/jobs/put")["executor_config"]["command"], "other");
    assert_eq!(node.get("/v1/jobs/other").status, 404);
}

#[test]
fn a_safe_update_meets_only_its_revision() {
    let node = Node::start();
    let stored = node.post("/v1/jobs", shell("a", "one").to_string()).expect(201);
    let tag = stored.header("etag").expect("a revision").to_owned();
    let update = |tag: &str, command| {
        node.send("POST /v1/jobs", &[("if-match", tag)], shell("a", command).to_string().as_bytes()).status
    };
    assert_eq!(update(&tag, "two"), 201);
    assert_eq!(update(&tag, "three"), 412);
    assert_eq!(node.json("/v1/jobs/a")["executor_config"]["command"], "two");
    node.delete("/v1/jobs/a").expect(200);
    assert_eq!(update("0", "four"), 201, "0 stands for a job that is not there");
    assert_eq!(update(&tag, "five"), 412, "its revision is that of another job of this name");
}

#[test]
fn parents_must_be_there_and_keep_their_dependents() {
    let node = Node::start();
    let child = |name: &str, parent: &str| with(shell(name, "true"), json!({"parent_job": parent}));
    let refused = node.post("/v1/jobs", child("lone", "nobody").to_string());
    assert_eq!((refused.status, refused.text().as_str()), (404, "specified parent job not found"));
    assert_eq!(node.get("/v1/jobs/lone").status, 404);
    let own = node.post("/v1/jobs", child("own", "own").to_string()).expect(400).text();
    assert!(own.contains("the job can not have itself as parent"), "{own}");

    let dependents = |parent: &str| node.json(&format!("/v1/jobs/{parent}"))["dependent_jobs"].clone();
    node.store(&shell("parent1", "true"));
    node.store(&shell("parent2", "true"));
    node.store(&child("child1", "parent1"));
    node.store(&child("child2", "parent1"));
    assert_eq!(dependents("parent1"), json!(["child1", "child2"]));
    node.store(&shell("parent1", "false"));
    assert_eq!(dependents("parent1"), json!(["child1", "child2"]), "kept when the parent is posted again");
    node.store(&child("child1", "parent2"));
    assert_eq!((dependents("parent1"), dependents("parent2")), (json!(["child2"]), json!(["child1"])));
    let refused = node.delete("/v1/jobs/parent1");
    assert!(
        refused.status == 404 && refused.text().contains("dependent jobs"),
        "{} {}",
        refused.status,
        refused.text()
    );
    node.store(&shell("child2", "true"));
    assert_eq!(dependents("parent1"), Value::Null, "it became independent");
    node.delete("/v1/jobs/parent1").expect(200);
    node.delete("/v1/jobs/child1").expect(200);
    assert_eq!(dependents("parent2"), Value::Null);
    node.delete("/v1/jobs/parent2").expect(200);
    node.store(&child("parent1", "child2"));
    let circle = node.post("/v1/jobs", child("child2", "parent1").to_string());
    assert_eq!(circle.status, 400, "{}", circle.text());
}

#[test]
fn pausing_refuses_submissions_and_nothing_else() {
    let node = Node::start();
    node.store(&shell("there", "true"));
    assert_eq!(node.get("/v1/pause").text(), r#"{"paused":false}"#);
    assert_eq!(node.post("/v1/pause", "").expect(200).text(), r#"{"paused":true}"#);
    assert_eq!(node.get("/v1/pause").text(), r#"{"paused":true}"#);
    let refused = node.post("/v1/jobs", shell("new", "true").to_string());
    assert!(
        refused.status == 503 && refused.text().contains("paused"),
        "{} {}",
        refused.status,
        refused.text()
    );
    assert_eq!(node.get("/v1/jobs/new").status, 404);
    node.run("there");
    node.ended("there", 1);
    assert_eq!(node.post("/v1/unpause", "").expect(200).text(), r#"{"paused":false}"#);
    node.store(&shell("new", "true"));
}

#[test]
fn a_toggled_job_is_disabled_and_enabled_again_and_does_not_run_by_hand_meanwhile() {
    let node = Node::start();
    node.store(&with(shell("ticks", "true"), json!({"schedule": "@every 1s"})));
    let off = node.post("/v1/jobs/ticks/toggle", "").expect(200).json();
    assert_eq!((&off["disabled"], &off["next"]), (&json!(true), &json!("0001-01-01T00:00:00Z")));
    let refused = node.post("/v1/jobs/ticks/run", "");
    assert!(
        refused.status == 404 && refused.text().contains("disabled"),
        "{} {}",
        refused.status,
        refused.text()
    );
    let on = node.post("/v1/jobs/ticks/toggle", "").expect(200).json();
    assert_eq!(on["disabled"], false);
    assert_ne!(on["next"], "0001-01-01T00:00:00Z");
    let before = node.list("/v1/jobs/ticks/executions").len();
    node.ended("ticks", before + 1);
    assert_eq!(node.post("/v1/jobs/nobody/toggle", "").status, 404);
}

#[test]
fn the_leader_is_told_from_the_first_answer_on() {
    let mut node = Node::new(&[]);
    node.spawn();
    let mut asked = 0;
    eventually("a ready node", || {
        for (path, allowed) in [("isleader", [200, 404, 404]), ("leader", [200, 404, 500])] {
            if let Ok(reply) = node.try_send(&format!("GET /v1/{path}"), &[], b"") {
                assert!(allowed.contains(&reply.status), "{path}: {} {}", reply.status, reply.text());
                asked += 1;
            }
        }
        node.is_ready().then_some(())
    });
    node.wait_until_ready();
    assert_eq!(node.get("/v1/isleader").expect(200).text(), r#""I am a leader""#);
    let leader = eventually("the leader's node", || {
        let reply = node.get("/v1/leader");
        (reply.status == 200).then(|| reply.json())
    });
    assert_eq!((&leader["Name"], &leader["Status"]), (&json!("node1"), &json!(1)));
}
