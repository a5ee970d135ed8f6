//! Encryption: who has the key belongs to the pool, and keys are replaced without a gap.

use super::kit::{NEVER, Seeds, key, liveness, options, pool, sees, sees_all_alive, server, stop, until};
use crate::gossip::{Error, Gossip, Refusal, start};
use dkron_core::roster::{Liveness, Roster};
use futures::future::select_all;
use std::sync::Arc;
use tokio::net::UdpSocket;
use tokio::time::timeout;

/// Waits until this server has dropped a datagram for this reason.
async fn refuses(gossip: &Gossip, refusal: Refusal) {
    let counts = gossip.counts();
    let refused = timeout(NEVER, counts.until_refused(refusal, 1)).await;
    refused.unwrap_or_else(|_| panic!("never {refusal:?}"));
}

#[tokio::test]
async fn servers_of_another_key_and_plain_ones_never_meet_the_encrypted_pool() {
    let (servers, seeds) = pool(2, &[1]).await;
    let foreign = server(8, &seeds, &[2]).await;
    let plain = server(9, &seeds, &[]).await;
    refuses(&servers[0], Refusal::ForeignKey).await;
    refuses(&servers[0], Refusal::Plain).await;
    let calls_plain = Seeds::of(&[&plain]);
    let sealed = server(7, &calls_plain, &[1]).await;
    refuses(&plain, Refusal::Sealed).await;
    for (server, size) in [(&servers[0], 2), (&servers[1], 2), (&foreign, 1), (&plain, 1), (&sealed, 1)] {
        assert_eq!(server.roster().borrow().servers.len(), size);
    }
    stop(&[foreign, plain, sealed]).await;
    stop(&servers).await;
}

#[tokio::test]
async fn garbage_and_recorded_datagrams_are_dropped_and_counted() {
    let tap = UdpSocket::bind("127.0.0.1:0").await.expect("bound");
    let tapped = Seeds::at(tap.local_addr().expect("an address"));
    let speaker = server(1, &tapped, &[1]).await;
    let listener = server(2, &Seeds::none(), &[1]).await;
    let mut recorded = vec![0; 65_536];
    let length = timeout(NEVER, tap.recv(&mut recorded)).await.expect("in time").expect("a datagram");
    recorded.truncate(length);
    let mut damaged = recorded.clone();
    *damaged.last_mut().expect("bytes") ^= 1;
    for datagram in [&b"garbage"[..], &damaged, &recorded, &recorded] {
        tap.send_to(datagram, listener.address()).await.expect("sent");
    }
    for refusal in [Refusal::NotOurs, Refusal::Damaged, Refusal::Replayed] {
        refuses(&listener, refusal).await;
        assert_eq!(listener.counts().refused(refusal), 1, "{refusal:?}");
    }
    stop(&[speaker, listener]).await;
}

#[tokio::test]
async fn a_key_is_replaced_without_a_gap() {
    let (servers, seeds) = pool(3, &[1]).await;
    let losses = servers.iter().map(|server| {
        let mut roster = server.roster();
        Box::pin(async move {
            let lost = |roster: &Arc<Roster>| (1..=3).any(|id| liveness(roster, id) != Some(Liveness::Alive));
            roster.wait_for(lost).await.map(|roster| roster.clone())
        })
    });
    tokio::select! {
        (lost, ..) = select_all(losses) => panic!("somebody was lost: {lost:#?}"),
        () = replace_key(&servers, &seeds) => {}
    }
    stop(&servers).await;
}

async fn replace_key(servers: &[Gossip], seeds: &Seeds) {
    for server in servers {
        server.install_key(key(2)).await.expect("installed");
    }
    for server in servers {
        server.use_key(key(2).id()).await.expect("used");
        assert!(matches!(server.remove_key(key(2).id()).await, Err(Error::KeyInUse(_))));
    }
    for server in servers {
        server.remove_key(key(1).id()).await.expect("removed");
        assert_eq!(server.key_ids(), [key(2).id()]);
    }
    // A newcomer with the new key meets all of them; its death takes as long to see as any of theirs would.
    let newcomer = server(4, seeds, &[2]).await;
    for server in servers.iter().chain([&newcomer]) {
        sees_all_alive(server, 4).await;
    }
    newcomer.stop().await;
    for server in servers {
        sees(server, 4, Liveness::Failed).await;
    }
}

#[tokio::test]
async fn the_keyring_on_disk_wins_over_the_given_key() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("keyring.json");
    let with_file = |keys: &[u8]| {
        let mut options = options(1, &Seeds::none(), keys);
        options.keyring = Some(path.clone());
        options
    };
    let first = start(with_file(&[1])).await.expect("started");
    first.install_key(key(2)).await.expect("installed");
    first.use_key(key(2).id()).await.expect("used");
    first.stop().await;
    for keys in [&[1][..], &[], &[3]] {
        let again = start(with_file(keys)).await.expect("started");
        assert_eq!(again.key_ids(), [key(2).id(), key(1).id()]);
        again.stop().await;
    }
    std::fs::write(&path, "[]").expect("written");
    assert!(matches!(start(with_file(&[1])).await, Err(Error::KeyringFile { .. })));
}

#[tokio::test]
async fn a_plain_server_takes_no_keys() {
    let plain = server(1, &Seeds::none(), &[]).await;
    assert!(matches!(plain.install_key(key(1)).await, Err(Error::NotEncrypted)));
    assert_eq!(plain.key_ids(), []);
    until(&plain, "itself", |roster| roster.servers.len() == 1).await;
    plain.stop().await;
}
