//! A client may talk to any server.

use super::harness::Cluster;
use serde_json::json;

#[test]
fn what_is_written_by_way_of_any_server_is_read_there_at_once_and_soon_everywhere() {
    let cluster = Cluster::of_three();
    for round in 0..10 {
        for number in 1..=3 {
            let name = format!("job-{round}-{number}");
            let job = json!({"name": name, "schedule": "@manually", "executor": "shell",
                "metadata": {"round": "first"}, "executor_config": {"command": "true"}});
            cluster.store(number, &job);
            let read = cluster.json(number, &format!("/v1/jobs/{name}"));
            assert_eq!(
                read.map(|job| job["metadata"]["round"].clone()),
                Some(json!("first")),
                "node {number}"
            );
            cluster.send(number, &format!("DELETE /v1/jobs/{name}"), "").expect(200);
            assert_eq!(cluster.json(number, &format!("/v1/jobs/{name}")), None, "node {number}");
            cluster.store(number, &job);
        }
    }
    for number in 1..=3 {
        (0..10).for_each(|round| {
            (1..=3).for_each(|by| cluster.wait_for_job(number, &format!("job-{round}-{by}")))
        });
    }
}
