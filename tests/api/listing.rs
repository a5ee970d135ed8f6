//! Lists: sorted, filtered, cut; headers, `?pretty`, and what is not there.

use super::{names, shell, with};
use crate::node::harness::Node;
use serde_json::json;

#[test]
fn jobs_are_sorted_filtered_and_cut() {
    let node = Node::start();
    let jobs = [
        ("bravo", json!({"metadata": {"t1": "v1"}, "displayname": "Zulu"})),
        ("alpha", json!({"metadata": {"t1": "v1", "t2": "v2"}, "displayname": "Yankee", "disabled": true})),
        ("charlie", json!({"displayname": "x-ray"})),
    ];
    for (name, more) in jobs {
        node.store(&with(shell(name, "true"), more));
    }
    let asked = [
        ("", vec!["alpha", "bravo", "charlie"]),
        ("_order=DESC", vec!["charlie", "bravo", "alpha"]),
        ("_sort=id&_order=ASC", vec!["alpha", "bravo", "charlie"]),
        ("_sort=displayname", vec!["charlie", "alpha", "bravo"]),
        ("metadata[t1]=v1", vec!["alpha", "bravo"]),
        ("metadata%5Bt1%5D=v1&metadata%5Bt2%5D=v2", vec!["alpha"]),
        ("metadata[t1]=other", vec![]),
        ("q=rav", vec!["bravo"]),
        ("q=Yank", vec!["alpha"]),
        ("disabled=true", vec!["alpha"]),
        ("disabled=false", vec!["bravo", "charlie"]),
        ("status=untriggered", vec!["alpha", "bravo", "charlie"]),
        ("status=success", vec![]),
        ("_start=1&_end=2", vec!["bravo"]),
        ("_start=1&_end=99", vec!["bravo", "charlie"]),
        ("_start=0&_end=1&_order=DESC", vec!["charlie"]),
        ("_start=1&_end=2&_sort=displayname", vec!["alpha"]),
        ("_start=7&_end=9", vec![]),
    ];
    for (query, expected) in asked {
        assert_eq!(names(&node.list(&format!("/v1/jobs?{query}"))), expected, "{query}");
    }
    assert_eq!(node.get("/v1/jobs?_start=1&_end=2").header("x-total-count"), Some("3"));
    let cut = node.get("/v1/jobs?_start=1&_end=2&metadata[t1]=v1");
    assert_eq!((cut.header("x-total-count"), cut.header("x-whom")), (Some("2"), Some("node1")));
}

#[test]
fn pretty_answers_are_indented_by_four() {
    let node = Node::start();
    node.store(&shell("a", "echo '<&>'"));
    for query in ["pretty", "pretty=false"] {
        let text = node.get(&format!("/v1/jobs/a?{query}")).text();
        assert!(text.starts_with("{\n    \"id\": \"a\",\n    \"name\": \"a\","), "{text}");
    }
    let plain = node.get("/v1/jobs/a").text();
    assert!(plain.starts_with(r#"{"id":"a","name":"#) && !plain.ends_with('\n'), "{plain}");
    assert!(plain.contains(r"echo '\u003c\u0026\u003e'"), "{plain}");
}

#[test]
fn the_index_answers_with_and_without_slash_and_members_are_counted() {
    let node = Node::start();
    for path in ["/v1", "/v1/"] {
        let reply = node.get(path).expect(200);
        assert_eq!(reply.header("x-whom"), Some("node1"), "{path}");
        assert_eq!(reply.json()["agent"]["name"], "node1");
        assert_eq!(reply.json()["tags"]["server"], "true");
    }
    let members = crate::rig::patience::eventually("the member", || {
        let reply = node.get("/v1/members").expect(200);
        (reply.header("x-total-count") == Some("1")).then(|| reply.json())
    });
    assert_eq!((&members[0]["Name"], &members[0]["statusText"]), (&json!("node1"), &json!("alive")));
    assert_eq!(node.get("/health").expect(200).text(), r#"{"status":"healthy"}"#);
    let busy = node.get("/v1/busy");
    assert_eq!((busy.text().as_str(), busy.header("x-total-count")), ("[]", Some("0")));
}

#[test]
fn what_is_not_there_is_told_as_in_dkron() {
    let node = Node::start();
    for line in ["GET /nope", "GET /v1/nope", "DELETE /v1/jobs", "PUT /v1/pause", "POST /health"] {
        let reply = node.send(line, &[], b"");
        assert_eq!((reply.status, reply.text().as_str()), (404, "404 page not found"), "{line}");
    }
    let moved = node.get("/v1/jobs/?pretty");
    assert_eq!((moved.status, moved.header("location")), (301, Some("/v1/jobs?pretty")));
    assert_eq!(node.post("/v1/jobs/", "").status, 307);
    for path in ["/v1/jobs/nobody", "/v1/jobs/nobody/executions", "/v1/jobs/nobody/skips"] {
        assert_eq!(node.get(path).status, 404, "{path}");
    }
    for line in ["POST /v1/jobs/nobody/run", "POST /v1/jobs/nobody", "DELETE /v1/jobs/nobody/executions"] {
        assert_eq!(node.send(line, &[], b"").status, 404, "{line}");
    }
    node.store(&shell("there", "true"));
    assert_eq!(node.get("/v1/jobs/there/executions").expect(200).text(), "[]");
    for id in ["1766197802000123456-node1", "nonsense", "-", "00000000000000000000000000000000"] {
        assert_eq!(node.get(&format!("/v1/jobs/there/executions/{id}")).status, 404, "{id}");
    }
}
