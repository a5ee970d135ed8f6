//! A cluster comes to be, takes writes, and comes back.

use super::{Cluster, Tally, within};
use crate::raft::machine::Machine;

#[tokio::test(flavor = "multi_thread")]
async fn three_servers_form_one_cluster_and_agree_on_what_is_written() {
    let cluster = Cluster::formed(3).await;
    let last = cluster.write(0..100).await;
    cluster.agree(last).await;
    let view = cluster.view_at(0, last).await;
    assert!(Tally::is_founded(&view.state));
    assert_eq!(view.state.len(), 100);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_that_was_away_gets_what_it_missed() {
    let mut cluster = Cluster::formed(3).await;
    cluster.write(0..10).await;
    let away = cluster.other(cluster.leader().await);
    cluster.stop(away).await;
    let last = cluster.write(10..200).await;
    cluster.start(away).await;
    cluster.agree(last).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_servers_come_back_at_other_addresses() {
    let mut cluster = Cluster::formed(3).await;
    let before = cluster.write(0..20).await;
    for number in 0..3 {
        cluster.stop(number).await;
    }
    cluster.build_gates().await;
    for number in 0..3 {
        cluster.start(number).await;
    }
    let after = cluster.write(20..40).await;
    assert!(after > before);
    cluster.agree(after).await;
    assert_eq!(cluster.view_at(1, after).await.state.len(), 40);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_of_three_form_the_cluster_and_the_third_comes_late() {
    let mut cluster = Cluster::new(3, 3).await;
    cluster.start(0).await;
    cluster.start(1).await;
    let last = cluster.write(0..10).await;
    cluster.start(2).await;
    within("the third one", cluster.agree(last)).await;
}
