//! Servers join, get a vote, hand over, leave.

use super::{Cluster, Error, within};
use crate::raft::type_config::ServerId;
use crate::raft::{Peer, Server};
use dkron_core::voters::{Change, Membership};
use std::sync::Arc;
use tokio::sync::watch;

async fn wait_for(members: &mut watch::Receiver<Arc<Membership>>, seen: impl Fn(&Membership) -> bool) {
    within("the members", members.wait_for(|shown| seen(shown))).await.expect("it runs");
}

fn server(cluster: &Cluster, number: usize) -> Server {
    let name = format!("server-{number}").as_str().into();
    Server { id: cluster.sites[number].id, peer: Peer { name, address: "127.0.0.1:1".into() } }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_joins_is_promoted_and_removed() {
    let mut cluster = Cluster::new(4, 3).await;
    for number in 0..4 {
        cluster.start(number).await;
    }
    let last = cluster.write(0..50).await;
    let leader = cluster.leader().await;
    let (raft, new) = (cluster.raft(leader).clone(), cluster.sites[3].id);
    let mut members = raft.members();
    wait_for(&mut members, |shown| shown.members.len() == 3 && !shown.changing).await;

    raft.add_learner(server(&cluster, 3)).await.expect("added");
    let caught_up = |shown: &Membership| {
        let member = shown.members.get(&new);
        member.is_some_and(|member| member.lag == Some(0) && member.heard.is_some() && !member.voter)
    };
    wait_for(&mut members, caught_up).await;
    cluster.view_at(3, last).await;
    raft.change(Change::Promote(new)).await.expect("promoted");
    wait_for(&mut members, |shown| shown.voters().len() == 4 && !shown.changing).await;

    // With four voters, of which one is gone, three decide.
    let gone = cluster.other(leader);
    cluster.stop(gone).await;
    let last = cluster.write(50..60).await;
    raft.remove(cluster.sites[gone].id).await.expect("removed");
    wait_for(&mut members, |shown| shown.members.len() == 3 && !shown.changing).await;
    assert!(members.borrow().members.values().all(|member| member.voter));
    cluster.agree(last + 1).await;
    let refused = raft.change(Change::Promote(cluster.sites[gone].id)).await;
    assert!(matches!(refused, Err(Error::Membership(_))), "{refused:?}");
    let follower = cluster.other(leader);
    let refused = cluster.raft(follower).remove(new).await;
    assert!(matches!(refused, Err(Error::NotLeader { leader: Some(_) })), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_server_replaces_another_in_one_change_and_addresses_are_kept_true() {
    let mut cluster = Cluster::new(4, 3).await;
    for number in 0..4 {
        cluster.start(number).await;
    }
    let last = cluster.write(0..5).await;
    let leader = cluster.leader().await;
    let raft = cluster.raft(leader).clone();
    let (old, new) = (cluster.sites[cluster.other(leader)].id, cluster.sites[3].id);
    raft.add_learner(server(&cluster, 3)).await.expect("added");
    cluster.view_at(3, last).await;
    raft.change(Change::Replace { old, new }).await.expect("replaced");
    let address: Arc<str> = "10.0.0.9:6868".into();
    let moved = Change::UpdateAddress { id: new, address: address.clone() };
    raft.change(moved).await.expect("noted");
    let replaced = |shown: &Membership| {
        !shown.members.contains_key(&old)
            && shown.voters().contains(&new)
            && shown.members[&new].address == address
    };
    wait_for(&mut raft.members(), replaced).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_leadership_is_handed_over_and_never_to_one_that_is_not_there() {
    let mut cluster = Cluster::formed(3).await;
    cluster.write(0..10).await;
    let old = cluster.leader().await;
    let to = cluster.other(old);
    let raft = cluster.raft(old).clone();
    let heard = |shown: &Membership| shown.members.values().all(|member| member.heard.is_some());
    wait_for(&mut raft.members(), heard).await;
    within("the transfer", raft.transfer_leader(cluster.sites[to].id)).await.expect("handed over");
    assert_eq!(cluster.leader().await, to);
    let last = cluster.write(10..20).await;
    cluster.agree(last).await;

    let raft = cluster.raft(to).clone();
    cluster.stop(old).await;
    let silent = |shown: &Membership| {
        let heard = shown.members[&cluster.sites[old].id].heard;
        heard.is_none_or(|heard| heard + dkron_core::time::Span::from_seconds(1) < crate::clock::steady())
    };
    wait_for(&mut raft.members(), silent).await;
    let refused = raft.transfer_leader(cluster.sites[old].id).await;
    assert!(matches!(refused, Err(Error::NoTransfer { .. })), "{refused:?}");
    cluster.write(20..25).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_was_begun_and_left_is_finished_by_whoever_leads() {
    let mut cluster = Cluster::new(2, 1).await;
    cluster.start(0).await;
    cluster.start(1).await;
    let last = cluster.write(0..5).await;
    let (raft, new) = (cluster.raft(0).clone(), cluster.sites[1].id);
    raft.add_learner(server(&cluster, 1)).await.expect("added");
    cluster.view_at(1, last).await;
    let mut members = raft.members();
    wait_for(&mut members, |shown| !shown.changing && shown.members.len() == 2).await;

    // One that does not answer is not let vote: the lone leader would wait for it with all that it has to decide.
    cluster.cut(1, true);
    let silent = |shown: &Membership| {
        let heard = shown.members[&new].heard;
        heard.is_none_or(|heard| heard + dkron_core::time::Span::from_seconds(1) < crate::clock::steady())
    };
    wait_for(&mut members, silent).await;
    let refused = raft.change(Change::Promote(new)).await;
    assert!(matches!(refused, Err(Error::Membership(_))), "{refused:?}");
    cluster.write(5..10).await;

    // Who makes the change is gone before the other one has heard of it.
    let voters: openraft::ChangeMembers<ServerId, Peer> =
        openraft::ChangeMembers::AddVoterIds([ServerId(new)].into());
    let begun = raft.inner.consensus.change_membership(voters, true);
    let cut_short = tokio::time::timeout(std::time::Duration::from_millis(300), begun).await;
    assert!(cut_short.is_err(), "it needs the one that is cut off");
    wait_for(&mut members, |shown| shown.changing && !shown.unfinished).await;
    cluster.cut(1, false);
    wait_for(&mut members, |shown| shown.unfinished).await;
    raft.change(Change::Finish).await.expect("finished");
    wait_for(&mut members, |shown| !shown.changing && !shown.unfinished && shown.voters().len() == 2).await;
    let last = cluster.write(10..15).await;
    cluster.agree(last).await;
}
