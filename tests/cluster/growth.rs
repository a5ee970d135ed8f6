//! A cluster grows, beyond what its first servers expected.

use super::harness::Cluster;
use crate::rig::patience::{eventually, within};
use std::time::Duration;

/// How long the newcomer is stopped: longer than a change of the members is waited for.
const STOPPED: Duration = Duration::from_secs(12);

fn begin() -> Cluster {
    let mut cluster = Cluster::new();
    cluster.add_server(1, &["--bootstrap-expect=1"]);
    cluster.start(1);
    cluster.wait_until_ready(1);
    cluster.expect_writes(1, "of-the-first");
    cluster
}

fn add(cluster: &mut Cluster, number: u8) {
    let join = format!("--join={}", cluster.address(1));
    cluster.add_server(number, &[&join]);
    cluster.start(number);
}

fn wait_for_voters(cluster: &Cluster, count: u8) {
    let names: Vec<String> = (1..=count).map(|number| format!("node{number}")).collect();
    let expected: Vec<(&str, bool)> = names.iter().map(|name| (name.as_str(), true)).collect();
    (1..=count).for_each(|number| cluster.wait_for_votes(number, &expected));
}

#[test]
fn one_server_becomes_two_three_and_five_and_two_of_these_may_fail() {
    let mut cluster = begin();
    for (count, tolerance) in [(2, 0), (3, 1), (5, 2)] {
        let present = cluster.answering().len() as u8;
        (present + 1..=count).for_each(|number| add(&mut cluster, number));
        wait_for_voters(&cluster, count);
        let health = cluster.wait_for_tolerance(count, true, tolerance);
        println!("{count} servers: {health}");
        cluster.expect_writes(count, &format!("with-{count}"));
    }
    [1, 2].iter().for_each(|number| cluster.kill(*number));
    cluster.wait_for_tolerance(5, false, 0);
    cluster.expect_writes(5, "with-three-of-five");
}

/// Since when the newcomer is well, for the leader: it gets its vote five seconds later.
fn well_since(cluster: &Cluster) -> Option<String> {
    let health = cluster.health(1)?;
    let servers = health["servers"].as_array()?;
    let newcomer = servers.iter().find(|server| server["name"] == "node2")?;
    newcomer["since"].as_str().map(str::to_owned)
}

#[test]
fn a_newcomer_that_stops_as_it_gets_its_vote_holds_nothing_up_for_ever() {
    let mut cluster = begin();
    add(&mut cluster, 2);
    eventually("the newcomer to be well", || well_since(&cluster));
    eventually("the vote to be near", || {
        cluster.log(1).contains("done: take in server \"node2\"").then_some(())
    });
    // It gets its vote when it was well for five seconds: it stops as soon as the leader begins with that.
    let begun =
        within(Duration::from_secs(30), || cluster.log(1).contains(" vote: it was well").then_some(()));
    assert!(begun.is_some(), "it is never let vote");
    cluster.suspend(2);
    // The length of the stop is the matter of the test, not a wait for something.
    std::thread::sleep(STOPPED);
    cluster.resume(2);
    cluster.wait_until_ready(1);
    wait_for_voters(&cluster, 2);
    add(&mut cluster, 3);
    wait_for_voters(&cluster, 3);
    cluster.kill(1);
    cluster.expect_writes(3, "without-the-first");
}
