//! Two clusters on one network, two processes of one id.

use super::kit::{NEVER, Seeds, options, pool, sees, sees_all_alive, server, stamp, stop, until};
use crate::gossip::{Error, Gossip, Refusal, Standing, start};
use dkron_core::ids::NodeId;
use dkron_core::roster::Liveness;
use tokio::time::timeout;

async fn formed(id: u128, seeds: &Seeds, cluster: u128) -> Gossip {
    let mut options = options(id, seeds, &[]);
    options.own.stamp = Some(stamp(cluster));
    start(options).await.expect("gossip starts")
}

async fn drops_foreign(gossip: &Gossip, count: u64) {
    let counts = gossip.counts();
    let dropped = timeout(NEVER, counts.until_refused(Refusal::ForeignCluster, count)).await;
    dropped.expect("foreign datagrams are dropped");
}

async fn settles(gossip: &Gossip) -> Result<(), Error> {
    timeout(NEVER, gossip.settled()).await.expect("in time")
}

#[tokio::test]
async fn two_clusters_never_merge_not_even_through_a_server_that_has_none() {
    let seeds = Seeds::none();
    let (a, b) = (formed(1, &seeds, 0xa).await, formed(2, &seeds, 0xb).await);
    seeds.are(&[&a, &b]);
    drops_foreign(&a, 1).await;
    drops_foreign(&b, 1).await;
    let bridge_seeds = Seeds::of(&[&a]);
    let bridge = server(3, &bridge_seeds, &[]).await;
    sees(&bridge, 1, Liveness::Alive).await;
    sees(&a, 3, Liveness::Alive).await;
    bridge_seeds.are(&[&a, &b]);
    let dropped = b.counts().refused(Refusal::ForeignCluster);
    drops_foreign(&b, dropped + 3).await;
    assert_eq!(b.roster().borrow().servers.len(), 1);
    assert_eq!(a.roster().borrow().servers.len(), 2);
    assert!(bridge.roster().borrow().server(NodeId(2)).is_none());
    stop(&[a, b, bridge]).await;
}

#[tokio::test]
async fn servers_without_a_cluster_meet_and_part_when_they_form_two() {
    let (servers, _seeds) = pool(3, &[]).await;
    servers[0].announce(|own| own.stamp = Some(stamp(0xa))).await.expect("announced");
    let seen = |roster: &std::sync::Arc<dkron_core::roster::Roster>| {
        roster.server(NodeId(1)).is_some_and(|server| server.stamp == Some(stamp(0xa)))
    };
    until(&servers[1], "the stamp", seen).await;
    until(&servers[2], "the stamp", seen).await;
    servers[1].announce(|own| own.stamp = Some(stamp(0xa))).await.expect("announced");
    servers[2].announce(|own| own.stamp = Some(stamp(0xb))).await.expect("announced");
    for server in &servers[..2] {
        let roster = sees(server, 3, Liveness::Failed).await;
        assert_eq!(roster.server(NodeId(3)).and_then(|server| server.stamp), None);
        assert_eq!(roster.alive().count(), 2);
    }
    until(&servers[2], "nobody", |roster| roster.servers.len() == 1).await;
    stop(&servers).await;
}

#[tokio::test]
async fn regions_with_clusters_of_their_own_see_one_another() {
    let seeds = Seeds::none();
    let one = formed(1, &seeds, 0xa).await;
    let seeds = Seeds::of(&[&one]);
    let mut elsewhere = options(2, &seeds, &[]);
    elsewhere.own.stamp = Some(stamp(0xb));
    elsewhere.own.region = "elsewhere".into();
    let two = start(elsewhere).await.expect("gossip starts");
    sees_all_alive(&one, 2).await;
    sees_all_alive(&two, 2).await;
    stop(&[one, two]).await;
}

#[tokio::test]
async fn the_second_living_process_of_an_id_is_told_and_the_first_stays() {
    let (servers, seeds) = pool(3, &[]).await;
    for server in &servers {
        settles(server).await.expect("alone");
    }
    let copy = server(1, &seeds, &[]).await;
    let refusal = settles(&copy).await.expect_err("the second");
    assert!(matches!(&refusal, Error::SecondOfOneId { id: NodeId(1), .. }), "{refusal}");
    assert!(refusal.to_string().contains(&servers[0].address().to_string()), "{refusal}");
    assert_eq!(*servers[0].standing().borrow(), Standing::Sole);
    let first = servers[0].roster().borrow().server(NodeId(1)).map(|server| server.process);
    let seen = servers[1].roster().borrow().server(NodeId(1)).map(|server| server.process);
    assert_eq!(seen, first);
    copy.stop().await;
    stop(&servers).await;
}

#[tokio::test]
async fn a_server_that_restarts_at_once_is_no_second_one() {
    let (mut servers, seeds) = pool(3, &[]).await;
    for server in &servers {
        settles(server).await.expect("alone");
    }
    servers.pop().expect("a server").stop().await;
    let again = server(3, &seeds, &[]).await;
    settles(&again).await.expect("alone");
    assert_eq!(*again.standing().borrow(), Standing::Sole);
    stop(&servers).await;
    again.stop().await;
}

#[tokio::test]
async fn a_server_that_knows_no_other_settles_at_once() {
    let alone = server(1, &Seeds::none(), &[]).await;
    settles(&alone).await.expect("alone");
    alone.stop().await;
}
