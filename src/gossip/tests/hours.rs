//! An hour passes on the runtime's stopped clock, over a network that loses every tenth datagram.

use super::kit::{Seeds, options, sees, sees_all_alive, stop, until, virtual_server};
use super::network::Network;
use crate::clock;
use crate::gossip::Gossip;
use dkron_core::roster::Liveness;
use futures::future::select_all;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::time::timeout;

const HOUR: Duration = Duration::from_secs(3_600);
const LOST_IN_HUNDRED: u64 = 10;

/// Plain, because sealing millions of datagrams takes a debug build long.
async fn pool(network: &Network, seeds: &Seeds, size: u128) -> Vec<Gossip> {
    let mut servers = Vec::new();
    for id in 1..=size {
        let options = options(id, seeds, &[]);
        servers.push(virtual_server(network, address(id), options).await.expect("gossip starts"));
    }
    for server in &servers {
        sees_all_alive(server, size as usize).await;
        server.settled().await.expect("alone");
    }
    servers
}

fn address(id: u128) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, id as u8], 8_946))
}

#[tokio::test(start_paused = true)]
async fn nobody_is_taken_for_dead_in_an_hour_that_loses_every_tenth_datagram() {
    for size in [2, 3] {
        let network = Network::new(7, LOST_IN_HUNDRED);
        let mut servers = pool(&network, &Seeds::at(address(1)), size).await;
        let mut rosters: Vec<_> = servers.iter().map(Gossip::roster).collect();
        rosters.iter_mut().for_each(|roster| roster.mark_unchanged());
        let changes = rosters.iter_mut().map(|roster| Box::pin(roster.changed()));
        let changed = timeout(HOUR, select_all(changes)).await.map(|(_, at, _)| at);
        assert!(
            changed.is_err(),
            "a roster changed: {:#?}",
            servers.iter().map(Gossip::roster).collect::<Vec<_>>()
        );

        servers.pop().expect("a server").stop().await;
        let died = clock::runtime();
        for server in &servers {
            sees(server, size, Liveness::Failed).await;
        }
        let took = clock::runtime() - died;
        println!("{size} servers, losing datagrams: death seen by all after {took:?}");
        assert!(took < Duration::from_secs(5), "{took:?}");
        stop(&servers).await;
    }
}

#[tokio::test(start_paused = true)]
async fn servers_that_were_parted_for_long_find_one_another_without_seeds() {
    let network = Network::new(3, 0);
    let seeds = Seeds::at(address(1));
    let servers = pool(&network, &seeds, 3).await;
    seeds.are(&[]);
    network.lose(100);
    for server in &servers {
        until(server, "nobody else", |roster| roster.alive().count() == 1).await;
    }
    // Longer than the library remembers the dead.
    let alone = timeout(HOUR, until_changed(&servers[0])).await;
    assert!(alone.is_err(), "the dead stay failed until they are reaped");
    network.lose(0);
    for server in &servers {
        sees_all_alive(server, 3).await;
    }
    stop(&servers).await;
}

async fn until_changed(server: &Gossip) {
    let mut roster = server.roster();
    roster.mark_unchanged();
    roster.changed().await.expect("gossip runs");
}
