//! Nodes leave for good: servers give up their votes, agents say farewell.

use super::harness::{Cluster, took};
use crate::rig::patience::eventually;
use dkron::clock;
use std::process::Command;
use std::time::Duration;

/// How soon the others show a server that has left as such.
const LEFT: Duration = Duration::from_secs(3);

#[test]
fn servers_leave_one_after_the_other_until_the_last_one_may_not() {
    let mut cluster = Cluster::of_three();
    cluster.wait_for_tolerance(1, true, 1);
    let (leader, first) = (cluster.leader(), cluster.follower());
    let last = (1..=3).find(|number| ![leader, first].contains(number)).expect("a third");
    cluster.says(first, "leave").expect(0);
    cluster.wait_for_good_end(first);
    let start = clock::monotonic();
    [leader, last]
        .iter()
        .for_each(|number| cluster.wait_for_member(*number, &format!("node{first}"), "left"));
    println!("left after {}", took(start));
    assert!(start.elapsed() < LEFT, "left only after {:?}", start.elapsed());
    let names = [format!("node{leader}"), format!("node{last}")];
    cluster.wait_for_votes(last, &[(&names[0], true), (&names[1], true)]);
    cluster.expect_writes(last, "with-two");

    // The leader goes, and hands over first.
    let reply = cluster.send(leader, "POST /v1/leave", "").expect(200).json();
    assert_eq!(reply["global"][0]["Name"], names[1], "{reply}");
    cluster.wait_for_good_end(leader);
    cluster.wait_for_votes(last, &[(&names[1], true)]);
    cluster.expect_writes(last, "alone");

    // Without the last one there is no cluster.
    let refused = cluster.says(last, "leave").expect(4);
    assert!(refused.errors.contains("it is the only voter"), "{refused:?}");
    assert!(cluster.is_ready(last));

    // Who left may come back.
    cluster.start(first);
    cluster.wait_until_ready(first);
    cluster.wait_for_job(first, "alone");
    cluster.wait_for_votes(last, &[(&names[1], true), (&format!("node{first}"), true)]);
}

#[test]
fn a_server_with_leave_on_terminate_leaves_when_it_is_stopped_and_another_one_does_not() {
    let mut cluster = Cluster::new();
    for number in 1..=3 {
        cluster.add_guides_server(number);
    }
    let join = format!("--join={}", cluster.address(1));
    cluster.add_server(3, &["--bootstrap-expect=3", &join, "--leave-on-terminate"]);
    (1..=3).for_each(|number| cluster.start(number));
    (1..=3).for_each(|number| cluster.wait_until_ready(number));
    cluster.wait_for_tolerance(1, true, 1);
    cluster.terminate(2);
    cluster.wait_for_member(1, "node2", "left");
    assert_eq!(cluster.votes(1).map(|votes| votes.len()), Some(3), "it is only stopped");
    cluster.start(2);
    cluster.wait_for_tolerance(1, true, 1);
    cluster.terminate(3);
    cluster.wait_for_votes(1, &[("node1", true), ("node2", true)]);
    cluster.wait_for_member(1, "node3", "left");
    cluster.expect_writes(2, "with-two");
}

#[test]
fn an_agent_leaves_by_its_data_directory_and_is_shown_so_at_once() {
    let mut cluster = Cluster::new();
    cluster.add_server(1, &["--bootstrap-expect=1"]);
    cluster.add_agent(4, &[]);
    cluster.start(1);
    cluster.wait_until_ready(1);
    cluster.start(4);
    cluster.wait_for_member(1, "agent4", "alive");
    let unreached = cluster.says(4, "leave").expect(5);
    assert!(unreached.errors.contains("--data-dir"), "{unreached:?}");
    let leave = |number: u8| {
        let data = cluster.data_dir(number);
        let output =
            Command::new(env!("CARGO_BIN_EXE_dkron")).arg("leave").arg("--data-dir").arg(data).output();
        let output = output.expect("the binary runs");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    assert_eq!(leave(4), (Some(0), String::new()));
    let start = clock::monotonic();
    cluster.wait_for_member(1, "agent4", "left");
    assert!(start.elapsed() < LEFT, "left only after {:?}", start.elapsed());
    let (code, errors) = leave(4);
    assert!(code == Some(3) && errors.contains("no agent runs in"), "{errors}");
    let (code, errors) = leave(1);
    assert!(code == Some(2) && errors.contains("is a server's"), "{errors}");
    cluster.wait_for_good_end(4);
    eventually("the server to go on", || cluster.is_ready(1).then_some(()));
}
