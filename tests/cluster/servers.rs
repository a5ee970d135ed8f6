//! Servers come, lose their disks, move and go.

use super::harness::Cluster;
use crate::rig::patience::eventually;

/// All servers join at the addresses of all.
fn add_servers(cluster: &mut Cluster) {
    let join: Vec<String> =
        (1..=3).map(|number| format!("--retry-join={}", cluster.address(number))).collect();
    let mut arguments = vec!["--bootstrap-expect=3"];
    arguments.extend(join.iter().map(String::as_str));
    (1..=3).for_each(|number| cluster.add_server(number, &arguments));
}

fn formed() -> Cluster {
    let mut cluster = Cluster::new();
    add_servers(&mut cluster);
    start_all(&mut cluster);
    cluster
}

fn start_all(cluster: &mut Cluster) {
    (1..=3).for_each(|number| cluster.start(number));
    (1..=3).for_each(|number| cluster.wait_until_ready(number));
}

#[test]
fn servers_that_are_added_vote_so_that_the_first_can_be_missed() {
    let mut cluster = Cluster::new();
    cluster.add_server(1, &["--bootstrap-expect=1"]);
    cluster.start(1);
    cluster.wait_until_ready(1);
    cluster.expect_writes(1, "of-the-first");
    let join = format!("--join={}", cluster.address(1));
    for number in [2, 3] {
        cluster.add_server(number, &[&join]);
        cluster.start(number);
    }
    for number in [2, 3] {
        cluster.wait_until_ready(number);
        cluster.wait_for_job(number, "of-the-first");
        cluster.wait_for_vote(&format!("node{number}"));
    }
    cluster.kill(1);
    cluster.expect_writes(2, "without-the-first");
    cluster.wait_for_job(3, "without-the-first");
}

#[test]
fn a_server_that_lost_its_disk_comes_back_under_its_name_and_votes_in_its_own_place() {
    let mut cluster = formed();
    cluster.expect_writes(1, "kept");
    let lost = (1..=3).find(|number| *number != cluster.leader()).expect("a follower");
    let name = format!("node{lost}");
    let before = eventually("its id", || cluster.id_of(lost, &name));
    cluster.kill(lost);
    cluster.lose_disk(lost);
    cluster.start(lost);
    cluster.wait_until_ready(lost);
    cluster.wait_for_job(lost, "kept");
    eventually("its new id", || cluster.id_of(lost, &name).filter(|id| *id != before));
    cluster.wait_for_vote(&name);
    // With the old id still among the voters, two of four would be left: no quorum.
    let other = cluster.leader();
    cluster.kill(other);
    cluster.expect_writes(lost, "with-the-new-one");
}

#[test]
fn all_addresses_may_change_and_the_cluster_is_the_same() {
    let mut cluster = formed();
    cluster.expect_writes(1, "kept");
    let ids: Vec<_> = (1..=3).map(|number| cluster.id_of(number, &format!("node{number}"))).collect();
    (1..=3).for_each(|number| cluster.kill(number));
    cluster.move_away();
    add_servers(&mut cluster);
    start_all(&mut cluster);
    (1..=3).for_each(|number| cluster.wait_for_job(number, "kept"));
    cluster.expect_writes(2, "elsewhere");
    (1..=3).for_each(|number| cluster.wait_for_job(number, "elsewhere"));
    let now: Vec<_> = (1..=3).map(|number| cluster.id_of(number, &format!("node{number}"))).collect();
    assert_eq!(now, ids);
}

#[test]
fn a_server_that_is_restarted_as_an_agent_votes_no_more() {
    let mut cluster = formed();
    let demoted = (1..=3).find(|number| *number != cluster.leader()).expect("a follower");
    let name = format!("node{demoted}");
    let id = eventually("its id", || cluster.id_of(demoted, &name));
    cluster.terminate(demoted);
    let others: Vec<u8> = (1..=3).filter(|number| *number != demoted).collect();
    let join: Vec<String> =
        others.iter().map(|other| format!("--join={}", cluster.address(*other))).collect();
    cluster.add(demoted, name.clone(), &join.iter().map(String::as_str).collect::<Vec<_>>());
    cluster.start(demoted);
    eventually("its vote to be taken", || {
        let words = ["done: ", id.as_str(), ": it runs as an agent now"];
        let done = |log: &str| log.lines().any(|line| words.iter().all(|word| line.contains(word)));
        others.iter().any(|other| done(&cluster.log(*other))).then_some(())
    });
    others.iter().for_each(|other| cluster.wait_for_member(*other, &name, "alive"));
    others.iter().for_each(|other| cluster.expect_writes(*other, &format!("by-way-of-node{other}")));
}
