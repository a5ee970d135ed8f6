//! Servers for these tests, and waiting for what their rosters say.

use super::network::Network;
use crate::gossip::sealed::Link;
use crate::gossip::{Error, Gossip, Key, Options, Profile, REAP, start, start_on};
use crate::task::CancellationToken;
use dkron_core::ids::{ClusterId, Incarnation, NodeId, Stamp};
use dkron_core::roster::{Announcement, Liveness, Roster};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::timeout;

/// Nothing here takes this long unless it never comes.
pub(super) const NEVER: Duration = Duration::from_secs(30);

static PROCESSES: AtomicU64 = AtomicU64::new(1);

/// The addresses that a join loop would publish.
pub(super) struct Seeds(watch::Sender<Arc<[String]>>);

impl Seeds {
    pub(super) fn none() -> Seeds {
        Seeds(watch::channel([].into()).0)
    }

    pub(super) fn of(servers: &[&Gossip]) -> Seeds {
        let seeds = Seeds::none();
        seeds.are(servers);
        seeds
    }

    pub(super) fn are(&self, servers: &[&Gossip]) {
        self.0.send_replace(servers.iter().map(|server| server.address().to_string()).collect());
    }

    pub(super) fn at(address: SocketAddr) -> Seeds {
        Seeds(watch::channel([address.to_string()].into()).0)
    }
}

pub(super) fn key(byte: u8) -> Key {
    Key::new(&[byte; 16]).expect("a key")
}

pub(super) fn stamp(cluster: u128) -> Stamp {
    Stamp { cluster: ClusterId(cluster), incarnation: Incarnation(1) }
}

pub(super) fn options(id: u128, seeds: &Seeds, keys: &[u8]) -> Options {
    let process = PROCESSES.fetch_add(1, Ordering::Relaxed);
    let name = format!("server-{id}").into();
    let own =
        Announcement { id: NodeId(id), name, process, region: "global".into(), ..Announcement::default() };
    Options {
        own,
        bind: ([127, 0, 0, 1], 0).into(),
        advertise: String::new(),
        keys: keys.iter().map(|byte| key(*byte)).collect(),
        keyring: None,
        profile: Profile::Lan,
        reap: REAP,
        seeds: seeds.0.subscribe(),
        cancel: CancellationToken::new(),
    }
}

pub(super) async fn server(id: u128, seeds: &Seeds, keys: &[u8]) -> Gossip {
    start(options(id, seeds, keys)).await.expect("gossip starts")
}

/// A server on the network in memory.
pub(super) async fn virtual_server(
    network: &Network,
    address: SocketAddr,
    options: Options,
) -> Result<Gossip, Error> {
    start_on(Link::Memory(network.port(address)), address, options).await
}

/// A pool of servers 1 to `size` in which everybody sees everybody.
pub(super) async fn pool(size: u128, keys: &[u8]) -> (Vec<Gossip>, Seeds) {
    let first = server(1, &Seeds::none(), keys).await;
    let seeds = Seeds::of(&[&first]);
    let mut servers = vec![first];
    for id in 2..=size {
        servers.push(server(id, &seeds, keys).await);
    }
    for server in &servers {
        sees_all_alive(server, size as usize).await;
    }
    (servers, seeds)
}

pub(super) fn liveness(roster: &Roster, id: u128) -> Option<Liveness> {
    roster.servers.get(&NodeId(id)).map(|sighting| sighting.liveness)
}

/// Waits until the roster is as wanted.
pub(super) async fn until(
    gossip: &Gossip,
    what: &str,
    wanted: impl FnMut(&Arc<Roster>) -> bool,
) -> Arc<Roster> {
    let mut roster = gossip.roster();
    let waiting = timeout(NEVER, roster.wait_for(wanted)).await;
    match waiting {
        Ok(roster) => roster.expect("gossip runs").clone(),
        Err(_) => panic!("{what} never came: {:#?}", gossip.roster().borrow()),
    }
}

pub(super) async fn sees(gossip: &Gossip, id: u128, wanted: Liveness) -> Arc<Roster> {
    until(gossip, &format!("{id} {wanted:?}"), |roster| liveness(roster, id) == Some(wanted)).await
}

pub(super) async fn sees_all_alive(gossip: &Gossip, size: usize) {
    until(gossip, "everybody", |roster| roster.alive().count() == size).await;
}

pub(super) async fn stop(servers: &[Gossip]) {
    for server in servers {
        server.stop().await;
    }
}
