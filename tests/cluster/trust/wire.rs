//! What goes over the wire between nodes: with TLS not a byte of what jobs are, and the cluster does its work under
//! kills all the same.

use super::kit;
use super::relay::Relay;
use crate::cluster::harness::Cluster;
use crate::cluster::work::Work;
use crate::rig::patience::eventually;
use dkron::clock;
use serde_json::{Value, json};
use std::time::Duration;

/// Where the relay stands before a server's port for calls.
const RELAYED: u16 = 7868;
/// How late a tick may start: failure, election and the machine's own stalls.
const LATE: Duration = Duration::from_secs(20);

const NAME: &str = "the-name-of-the-job";
const COMMAND: &str = "what the command is";
const OUTPUT: &str = "WHAT THE OUTPUT IS";

fn telling_job() -> Value {
    json!({"name": NAME, "schedule": "@manually", "executor": "shell", "tags": {"role": "web:1"},
        "executor_config": {"shell": "true", "command": format!("echo {COMMAND} | tr a-z A-Z | sed s/COMMAND/OUTPUT/")}})
}

/// Runs the job on the agent and waits for what it wrote.
fn run_telling_job(cluster: &Cluster, server: u8, times: usize) {
    cluster.send(server, &format!("POST /v1/jobs/{NAME}/run"), "").expect(200);
    eventually("its output", || {
        let list = cluster.json(server, &format!("/v1/jobs/{NAME}/executions"))?;
        let list = list.as_array()?.clone();
        let done = list.iter().filter(|one| one["output"].as_str().is_some_and(|text| text.contains(OUTPUT)));
        let done: Vec<_> = done.collect();
        assert!(done.iter().all(|one| one["node_name"] == "agent4"), "{done:?}");
        (done.len() >= times).then_some(())
    });
}

fn stand(relay: &Relay, cluster: &Cluster, servers: u8) {
    (1..=servers).for_each(|number| relay.stand(cluster.address(number), RELAYED, 6868));
}

#[test]
fn no_byte_of_a_job_is_seen_between_nodes_while_leaders_are_killed() {
    let mut cluster = Cluster::new();
    let (authority, relay) = (kit::authority(&cluster), Relay::default());
    stand(&relay, &cluster, 3);
    kit::add_nodes(&mut cluster, &authority, 3, &[&format!("--advertise-rpc-port={RELAYED}")]);
    kit::start(&mut cluster, 3);
    let token = kit::bootstrap(&cluster, 2);
    for number in 1..=3 {
        eventually("a closed API", || (cluster.send(number, "GET /v1/jobs", "").status == 401).then_some(()));
    }
    cluster.send_with(Some(&token));
    cluster.wait_for_member(1, "agent4", "alive");
    let mut work = Work::begin(&cluster, &[("on-the-agent", json!({"role": "web:1"}))]);
    cluster.store(3, &telling_job());
    run_telling_job(&cluster, 1, 1);
    let old = cluster.leader();
    cluster.kill(old);
    let new = eventually("a successor", || cluster.leaders().into_iter().find(|leader| *leader != old));
    run_telling_job(&cluster, new, 2);
    cluster.start(old);
    cluster.wait_until_ready(old);
    work.wait_for_runs_after(clock::wall().floor_second());
    work.gather(&cluster);
    work.judge(&cluster, LATE);
    assert!(relay.bytes() > 50_000, "only {} bytes went by", relay.bytes());
    for words in [NAME, COMMAND, OUTPUT, "on-the-agent", "PRI * HTTP/2.0"] {
        assert!(!relay.has_seen(words), "{words:?} was seen among {} bytes", relay.bytes());
    }
    println!("{} bytes between nodes, none of them in clear", relay.bytes());
}

#[test]
fn without_tls_somebody_on_the_way_sees_it_all() {
    let mut cluster = Cluster::new();
    let relay = Relay::default();
    stand(&relay, &cluster, 1);
    cluster.add_server(1, &["--bootstrap-expect=1", &format!("--advertise-rpc-port={RELAYED}")]);
    cluster.add_agent(4, &["--tag", "role=web"]);
    cluster.start(1);
    cluster.wait_until_ready(1);
    cluster.start(4);
    cluster.wait_for_member(1, "agent4", "alive");
    cluster.store(1, &telling_job());
    run_telling_job(&cluster, 1, 1);
    for words in [NAME, COMMAND, OUTPUT, "PRI * HTTP/2.0"] {
        assert!(relay.has_seen(words), "{words:?} was not seen: the relay sees nothing");
    }
}
