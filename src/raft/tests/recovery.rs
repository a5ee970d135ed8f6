//! One disk of three becomes the cluster, with all that is on it.

use super::{Tally, command, start, write};
use crate::raft::codec;
use crate::raft::log::disk::Write;
use crate::raft::log::record;
use crate::raft::type_config::{Entry, LeaderId, LogId, Membership, Payload, Peer, ServerId};
use crate::raft::{Ground, open};
use dkron_core::bootstrap::Promise;
use dkron_core::command::{Batch, Founding};
use dkron_core::ids::{ClusterId, Incarnation, NodeId};
use dkron_core::time::Time;
use dkron_wire::entry::encode_batch;
use openraft::EntryPayload;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What the leader of three, which is lost, still sent: two more voters, and a request that may be committed.
async fn receive_from_the_lost(ground: &Ground, last: u64) {
    let own = ServerId(ground.identity().server);
    let ids = BTreeSet::from([own, ServerId(NodeId(8)), ServerId(NodeId(9))]);
    let nodes: BTreeMap<_, _> = ids.iter().map(|id| (*id, Peer::default())).collect();
    let membership = Membership::new(vec![ids], nodes).expect("a membership");
    let batch = Batch { time: Time::from_seconds(1_800_000_100), commands: vec![command(77)] };
    let bytes = encode_batch(ground.identity().stamp.expect("a cluster"), &batch).into();
    let normal = EntryPayload::Normal(Payload { batch: Arc::new(batch), bytes });
    let leader = LeaderId { term: 40, node_id: ServerId(NodeId(9)) };
    let entries = (last + 1..).zip([EntryPayload::Membership(membership), normal]).map(|(index, payload)| {
        let entry = Entry { log_id: LogId::new(leader, index), payload };
        (index, record::frame(&codec::encode_entry(&entry)))
    });
    let records = entries.collect();
    ground.disk.write_through(|done| Write::Entries { records, done }).await.expect("written");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_three_goes_on_alone_with_all_that_is_on_its_disk() {
    let folder = tempfile::tempdir().expect("a folder");
    let raft = start(folder.path()).await.expect("started");
    write(&raft, 1..20).await;
    // So that the first of its data is a snapshot of the incarnation before.
    raft.snapshot().await.expect("a snapshot");
    write(&raft, 20..30).await;
    let last = raft.view().await.expect("a view").mark.index().expect("an index");
    raft.shutdown().await.expect("stopped");

    let ground = open(folder.path(), None).await.expect("opened");
    receive_from_the_lost(&ground, last).await;
    let survey = ground.survey::<Tally>().await.expect("a survey");
    assert_eq!((survey.last(), survey.voters.len()), (Some(last + 2), 3));
    assert!(survey.uncertain() >= 2, "{}", survey.uncertain());
    assert!(survey.view.state.has(29) && survey.view.state.has(77));
    let stamp = ground.recover(&survey, vec![command(78)], Time::EPOCH).await.expect("recovered");
    assert_eq!((stamp.cluster, stamp.incarnation), (survey.stamp.cluster, Incarnation(2)));
    ground.close().await.expect("closed");

    let raft = start(folder.path()).await.expect("it leads alone");
    assert_eq!(raft.identity().stamp, Some(stamp));
    let view = raft.view().await.expect("a view");
    let all = (1..30).chain([77, 78]);
    assert_eq!(all.filter(|request| !view.state.has(*request)).count(), 0);
    assert_eq!(raft.members().borrow().voters().len(), 1);
    write(&raft, 100..110).await;
    raft.snapshot().await.expect("a snapshot of its own");
    raft.shutdown().await.expect("stopped");
    let raft = start(folder.path()).await.expect("started again");
    assert!(raft.view().await.expect("a view").state.has(109));
    raft.shutdown().await.expect("stopped");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reset_takes_the_promise_back_and_forswears_its_cluster() {
    let folder = tempfile::tempdir().expect("a folder");
    let ground = open(folder.path(), None).await.expect("opened");
    let founder = Founding {
        cluster: ClusterId(7),
        incarnation: Incarnation(1),
        default_zone: "UTC".into(),
        zone_data: "2026a".into(),
    };
    let set = [NodeId(2), ground.identity().server].into();
    let promise = Promise { cluster: ClusterId(7), initialiser: NodeId(2), set, founder, withdrawn: true };
    assert_eq!(ground.reset_promise().await.expect("nothing to do"), None);
    ground.promises().set(Some(promise.clone())).await.expect("promised");
    ground.close().await.expect("closed");
    let ground = open(folder.path(), None).await.expect("opened again");
    assert_eq!(ground.reset_promise().await.expect("taken back"), Some(promise));
    ground.close().await.expect("closed");
    let ground = open(folder.path(), None).await.expect("opened again");
    assert_eq!((ground.promise(), ground.forsworn()), (None, &[ClusterId(7)].into()));
}
