//! Servers come, die, leave and return: over UDP on the loopback.

use super::kit::{NEVER, Seeds, liveness, options, pool, sees, sees_all_alive, server, stop, until};
use crate::clock;
use crate::gossip::start;
use dkron_core::roster::Liveness;
use std::time::Duration;
use tokio::time::timeout;

#[tokio::test]
async fn a_server_that_dies_is_failed_at_all_others_within_five_seconds_and_returns_elsewhere() {
    for size in [3, 5, 7] {
        let (mut servers, seeds) = pool(size, &[1]).await;
        servers.pop().expect("a server").stop().await;
        let died = clock::monotonic();
        for server in &servers {
            sees(server, size, Liveness::Failed).await;
        }
        let took = died.elapsed();
        println!("{size} servers: death seen by all after {took:?}");
        assert!(took < Duration::from_secs(5), "{size} servers: {took:?}");

        let back = server(size, &seeds, &[1]).await;
        let address = back.address().to_string();
        for server in &servers {
            let roster = sees(server, size, Liveness::Alive).await;
            let seen = roster.server(dkron_core::ids::NodeId(size)).expect("it is seen");
            assert_eq!(*seen.gossip, *address);
        }
        sees_all_alive(&back, size as usize).await;
        servers.push(back);
        stop(&servers).await;
    }
}

#[tokio::test]
async fn a_server_that_leaves_is_left_at_once_and_stays_so() {
    let (mut servers, _seeds) = pool(3, &[]).await;
    let gone = servers.pop().expect("a server");
    timeout(NEVER, gone.leave()).await.expect("in time").expect("it leaves");
    for server in &servers {
        sees(server, 3, Liveness::Left).await;
    }
    assert_eq!(liveness(&gone.roster().borrow(), 3), Some(Liveness::Left));
    gone.stop().await;
    // Another death is noticed later than that silence; nothing turned Left to Failed until then.
    servers.pop().expect("a server").stop().await;
    let roster = sees(&servers[0], 2, Liveness::Failed).await;
    assert_eq!(liveness(&roster, 3), Some(Liveness::Left));
    stop(&servers).await;
}

#[tokio::test]
async fn what_a_server_announces_reaches_the_others_and_too_much_is_refused() {
    let (servers, seeds) = pool(3, &[1]).await;
    servers[1]
        .announce(|own| {
            own.tags.insert("zone".to_owned(), "b".to_owned());
            own.id = dkron_core::ids::NodeId(99);
        })
        .await
        .expect("announced");
    let has_tag = |roster: &std::sync::Arc<dkron_core::roster::Roster>| {
        let tags = roster.server(dkron_core::ids::NodeId(2)).map(|server| server.tags.clone());
        tags.is_some_and(|tags| tags.get("zone").is_some_and(|zone| zone == "b"))
    };
    until(&servers[2], "the tag", has_tag).await;
    assert_eq!(servers[2].roster().borrow().servers.len(), 3);

    let long = |own: &mut dkron_core::roster::Announcement| {
        own.tags.insert("long".to_owned(), "x".repeat(3_000));
    };
    let refusal = servers[1].announce(long).await.expect_err("too large").to_string();
    assert!(refusal.contains("shorten the tags"), "{refusal}");
    let mut too_much = options(9, &seeds, &[1]);
    long(&mut too_much.own);
    assert!(start(too_much).await.is_err());
    stop(&servers).await;
}

#[tokio::test]
async fn servers_that_only_know_names_find_one_another_when_the_names_are_published() {
    let seeds = Seeds::none();
    let (one, two) = (server(1, &seeds, &[]).await, server(2, &seeds, &[]).await);
    seeds.are(&[&one, &two]);
    sees_all_alive(&one, 2).await;
    sees_all_alive(&two, 2).await;
    stop(&[one, two]).await;
}
