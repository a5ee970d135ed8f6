//! What is not for this server is refused by name.

use super::{Cluster, STAMP};
use crate::net;
use crate::raft::tests::Tally;
use crate::raft::{Calls, Raft};
use crate::task::{CancellationToken, spawn};
use dkron_core::ids::{ClusterId, Incarnation, NodeId, Stamp};
use dkron_wire::consensus::service::ConsensusClient;
use dkron_wire::consensus::{
    Append, Ballot, Head, SnapshotName, SnapshotPart, Transfer, append_to_wire, ballot_to_wire,
    snapshot_name_to_wire, snapshot_part_to_wire, transfer_to_wire,
};
use dkron_wire::raft::{LeaderId, LogId, Vote};
use std::sync::{Arc, OnceLock};
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::Channel;
use tonic::{Code, Status};

/// What each call answers to a message with this head.
async fn answers(client: &mut ConsensusClient<Channel>, head: Head) -> Vec<Status> {
    let vote = Vote { leader: LeaderId { term: 1_000, node: NodeId(66) }, committed: true };
    let last = LogId { leader: vote.leader, index: 5 };
    let append = Append { vote, previous: None, committed: None, entries: Vec::new() };
    let ballot = Ballot { vote, last: Some(last), transfer: true };
    let name = SnapshotName { last, size: 1, sum: 0 };
    let part = SnapshotPart { name, vote, offset: 0, bytes: b"x"[..].into() };
    let transfer = Transfer { from: vote, to: head.target, last: None };
    let mut answers = vec![
        client.heartbeat(append_to_wire(&head, &append)).await.err(),
        client.vote(ballot_to_wire(&head, &ballot)).await.err(),
        client.pre_vote(ballot_to_wire(&head, &ballot)).await.err(),
        client.snapshot_offset(snapshot_name_to_wire(&head, &name)).await.err(),
        client.snapshot(tokio_stream::iter([snapshot_part_to_wire(&head, &part)])).await.err(),
        client.transfer_leader(transfer_to_wire(&head, &transfer)).await.err(),
    ];
    answers.push(match client.append(tokio_stream::iter([append_to_wire(&head, &append)])).await {
        Ok(stream) => stream.into_inner().message().await.err(),
        Err(status) => Some(status),
    });
    answers.into_iter().map(|status| status.expect("refused")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_for_another_server_cluster_or_incarnation_is_refused_by_name() {
    let cluster = Cluster::formed(1).await;
    let own = cluster.sites[0].id;
    let address = cluster.sites[0].running.as_ref().expect("it runs").address;
    let mut client =
        ConsensusClient::new(net::Dialer::default().line(&address.to_string()).expect("an address"));
    let right = Head { stamp: STAMP, sender: NodeId(66), target: own };
    let other_cluster = Stamp { cluster: ClusterId(0xbad), ..STAMP };
    let other_incarnation = Stamp { incarnation: Incarnation(9), ..STAMP };
    for (head, word) in [
        (Head { target: NodeId(0xdead), ..right }, format!("the message is for server {}", NodeId(0xdead))),
        (Head { stamp: other_cluster, ..right }, format!("the message of cluster {other_cluster}")),
        (Head { stamp: other_incarnation, ..right }, format!("the message of cluster {other_incarnation}")),
        (Head { sender: own, ..right }, "a second server with this one's id".to_owned()),
    ] {
        for status in answers(&mut client, head).await {
            assert_eq!(status.code(), Code::FailedPrecondition, "{status:?}");
            assert!(status.message().contains(&word), "{status:?}");
        }
    }
    let leading = cluster.raft(0).leader().borrow().leading;
    assert!(leading.is_some_and(|leading| leading.term < 1_000), "nothing of it was heard");
}

#[tokio::test(flavor = "multi_thread")]
async fn before_consensus_is_started_everything_is_answered_unavailable() {
    let cell: Arc<OnceLock<Raft<Tally>>> = Arc::default();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    let stop = CancellationToken::new();
    let serving = tonic::transport::Server::builder()
        .add_service(Calls::service(cell))
        .serve_with_incoming_shutdown(TcpListenerStream::new(listener), stop.clone().cancelled_owned());
    let serving = spawn("serving", serving);
    let mut client = ConsensusClient::new(net::Dialer::default().line(&address).expect("an address"));
    let head = Head { stamp: STAMP, sender: NodeId(1), target: NodeId(2) };
    for status in answers(&mut client, head).await {
        assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    }
    drop(client);
    stop.cancel();
    serving.await.expect("no panic").expect("served");
}
