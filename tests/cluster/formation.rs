//! How servers become a cluster: the guide's commands in every order, settings that are wrong, the manual route.

use super::harness::{Cluster, took};
use crate::rig::patience::{eventually, within};
use dkron::clock;
use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

/// Long enough that a server that would form a cluster wrongly had done so: a right one takes a second or two.
const WATCHED: Duration = Duration::from_secs(4);

/// Starts servers together and waits until each takes a write that all then have.
fn form_at_once() {
    let mut cluster = Cluster::new();
    (1..=3).for_each(|number| cluster.add_guides_server(number));
    let start = clock::monotonic();
    (1..=3).for_each(|number| cluster.start(number));
    (1..=3).for_each(|number| cluster.wait_until_ready(number));
    println!("three servers formed a cluster in {}", took(start));
    expect_one_cluster(&cluster);
}

fn expect_one_cluster(cluster: &Cluster) {
    let leader = cluster.leader();
    for number in 1..=3 {
        cluster.expect_writes(number, &format!("by-way-of-node{number}"));
    }
    for number in 1..=3 {
        (1..=3).for_each(|by| cluster.wait_for_job(number, &format!("by-way-of-node{by}")));
        (1..=3).for_each(|other| cluster.wait_for_member(number, &format!("node{other}"), "alive"));
        let named =
            eventually("the leader's name", || Some(cluster.json(number, "/v1/leader")?["Name"].clone()));
        let now = cluster.leaders();
        assert!(
            now != [leader] || named == format!("node{leader}"),
            "node {number} names {named}, not {leader}"
        );
    }
}

#[test]
fn three_servers_started_in_the_same_instant_form_one_cluster_that_takes_writes() {
    (0..3).for_each(|_| form_at_once());
}

#[test]
#[ignore = "fifty rounds take minutes: for figures and for a suspicion"]
fn three_servers_form_one_cluster_fifty_times() {
    (0..50).for_each(|_| form_at_once());
}

#[test]
fn servers_that_started_long_before_the_one_to_join_form_the_cluster_when_it_comes() {
    let mut cluster = Cluster::new();
    (1..=3).for_each(|number| cluster.add_guides_server(number));
    cluster.add(2, "node2".into(), &["--server", "--bootstrap-expect=3", &retry_join(&cluster, &[1])]);
    cluster.add(3, "node3".into(), &["--server", "--bootstrap-expect=3", &retry_join(&cluster, &[1])]);
    cluster.start(2);
    cluster.start(3);
    let formed = within(WATCHED, || (cluster.is_ready(2) || cluster.is_ready(3)).then_some(()));
    assert!(formed.is_none(), "two of three form no cluster");
    let start = clock::monotonic();
    cluster.start(1);
    (1..=3).for_each(|number| cluster.wait_until_ready(number));
    println!("the late one came, and there was a cluster in {}", took(start));
    expect_one_cluster(&cluster);
}

#[test]
fn numbers_of_servers_that_differ_are_named_and_form_nothing_until_they_are_mended() {
    let mut cluster = Cluster::new();
    cluster.add_guides_server(1);
    cluster.add_guides_server(3);
    let join = retry_join(&cluster, &[1]);
    cluster.add_server(2, &["--bootstrap-expect=2", &join]);
    (1..=3).for_each(|number| cluster.start(number));
    for number in [1, 3] {
        cluster.wait_for_log(number, "server \"node2\" has bootstrap-expect 2, this one 3");
    }
    cluster.wait_for_log(2, "has bootstrap-expect 3, this one 2");
    let formed = within(WATCHED, || (1..=3).any(|number| cluster.is_ready(number)).then_some(()));
    assert!(formed.is_none(), "nothing is formed while they differ");
    let reply = cluster.send(1, "GET /readyz", "");
    assert_eq!(reply.status, 503);
    assert!(reply.text().contains("bootstrap-expect"), "{}", reply.text());
    cluster.terminate(2);
    cluster.add_guides_server(2);
    cluster.start(2);
    (1..=3).for_each(|number| cluster.wait_until_ready(number));
    expect_one_cluster(&cluster);
}

fn retry_join(cluster: &Cluster, numbers: &[u8]) -> String {
    let addresses: Vec<String> = numbers.iter().map(|number| cluster.address(*number).to_string()).collect();
    format!("--retry-join={}", addresses.join(","))
}

#[test]
fn the_manual_route_takes_the_jobs_of_the_first_server_to_all() {
    let mut cluster = Cluster::new();
    let write = |cluster: &Cluster, more: &str| {
        let path = cluster.folder().join("dkron.yml");
        fs::write(&path, format!("server: true\n{more}")).expect("a file");
        format!("--config={}", path.display())
    };
    let config = write(&cluster, "bootstrap-expect: 1\n");
    cluster.add(1, "node1".into(), &[&config]);
    cluster.start(1);
    cluster.wait_until_ready(1);
    cluster.expect_writes(1, "of-the-first");
    cluster.terminate(1);
    let peers: String = (1..=3).map(|number| format!("- {}\n", cluster.address(number))).collect();
    write(&cluster, &format!("bootstrap-expect: 3\nretry-join:\n{peers}"));
    for number in 1..=3 {
        cluster.add(number, format!("node{number}"), &[&config]);
        cluster.start(number);
    }
    for number in 1..=3 {
        cluster.wait_until_ready(number);
        cluster.wait_for_job(number, "of-the-first");
    }
    // The two that came are worth the name of servers: the first can be missed.
    cluster.wait_for_vote("node2");
    cluster.wait_for_vote("node3");
    cluster.kill(1);
    cluster.expect_writes(2, "without-the-first");
    cluster.wait_for_job(3, "without-the-first");
}

#[test]
fn two_clusters_that_are_told_of_each_other_never_merge() {
    let mut cluster = Cluster::new();
    // Numbers 1 to 3 are one cluster, 4 to 6 another.
    let sides = [[1, 2, 3], [4, 5, 6]];
    for number in sides.into_iter().flatten() {
        let own = sides.iter().find(|side| side.contains(&number)).expect("a side");
        cluster.add_server(number, &["--bootstrap-expect=3", &retry_join(&cluster, own)]);
        cluster.start(number);
    }
    sides.into_iter().flatten().for_each(|number| cluster.wait_until_ready(number));
    cluster.expect_writes(1, "left");
    cluster.expect_writes(4, "right");
    for number in sides.into_iter().flatten() {
        cluster.kill(number);
        cluster.add_server(number, &["--bootstrap-expect=3", &retry_join(&cluster, &[1, 2, 3, 4, 5, 6])]);
        cluster.start(number);
    }
    sides.into_iter().flatten().for_each(|number| cluster.wait_until_ready(number));
    let own_only = |number: u8| {
        let own = sides.iter().find(|side| side.contains(&number)).expect("a side");
        let names: BTreeSet<String> = own.iter().map(|number| format!("node{number}")).collect();
        cluster.members(number).into_keys().collect::<BTreeSet<_>>().is_subset(&names)
    };
    let merged = within(2 * WATCHED, || {
        sides.into_iter().flatten().find(|number| cluster.is_ready(*number) && !own_only(*number))
    });
    assert_eq!(merged, None, "{:?}", merged.map(|number| cluster.members(number)));
    cluster.expect_writes(3, "left-again");
    cluster.expect_writes(6, "right-again");
    for (number, has, has_not) in [(1, "left-again", "right"), (4, "right-again", "left")] {
        cluster.wait_for_job(number, has);
        assert_eq!(cluster.json(number, &format!("/v1/jobs/{has_not}")), None);
    }
    assert_eq!(cluster.json(1, "/v1/jobs").map(|jobs| jobs.as_array().map(Vec::len)), Some(Some(2)));
}
