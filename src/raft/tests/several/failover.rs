//! A leader goes, another one comes; one that was away comes back and disturbs nobody.

use super::{CALM, Cluster, Error, Priority, command, until, within};
use crate::task::spawn;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Several election timeouts of a calm cluster.
const QUIET: Duration = Duration::from_secs(8);

#[tokio::test(flavor = "multi_thread")]
async fn a_new_leader_has_everything_that_the_old_one_acknowledged() {
    let mut cluster = Cluster::formed(3).await;
    let acknowledged = Arc::new(Mutex::new(BTreeSet::new()));
    for round in 0..3_u128 {
        let leader = cluster.leader().await;
        let done = Arc::new(AtomicBool::new(false));
        let writers = (0..8).map(|writer| {
            let (raft, acknowledged, done) =
                (cluster.raft(leader).clone(), acknowledged.clone(), done.clone());
            spawn("writer", async move {
                let mut request = (round << 64) + writer;
                while !done.load(Ordering::SeqCst) {
                    match raft.propose(Priority::Write, command(request)).await {
                        Ok(_) => acknowledged.lock().expect("no panic").insert(request),
                        Err(_) => return,
                    };
                    request += 8;
                }
            })
        });
        let writers: Vec<_> = writers.collect();
        let some = || acknowledged.lock().expect("no panic").range(round << 64..).count() >= 100;
        until("some writes", some).await;
        cluster.stop(leader).await;
        done.store(true, Ordering::SeqCst);
        for writer in writers {
            within("the writers", writer).await.expect("no panic");
        }
        let last = cluster.write((round << 64) + (1 << 32)..(round << 64) + (1 << 32) + 1).await;
        let view = cluster.view_at(cluster.leader().await, last).await;
        let lost = acknowledged
            .lock()
            .expect("no panic")
            .iter()
            .filter(|request| !view.state.has(**request))
            .count();
        assert_eq!(lost, 0, "round {round}");
        cluster.start(leader).await;
        cluster.agree(last).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_was_cut_off_comes_back_without_an_election() {
    let cluster = Cluster::formed_at(3, CALM).await;
    cluster.write(0..10).await;
    let leader = cluster.leader().await;
    let term = cluster.raft(leader).leader().borrow().leading.expect("it leads").term;
    let away = cluster.other(leader);
    cluster.cut(away, true);
    // Long enough for many elections, if it began any.
    let silence = || cluster.raft(away).silence();
    until("the silence", || silence().is_some_and(|silence| silence >= QUIET)).await;
    let last = cluster.write(10..20).await;
    cluster.cut(away, false);
    cluster.view_at(away, last).await;
    let shown = cluster.raft(leader).leader().borrow().clone();
    assert_eq!(shown.leading.expect("it still leads").term, term);
    assert!(cluster.raft(leader).silence().expect("it leads") < QUIET);
    until("a heartbeat", || silence().is_some_and(|silence| silence < QUIET)).await;
    cluster.agree(last).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_is_cut_off_confirms_nothing_and_the_others_go_on() {
    let cluster = Cluster::formed(3).await;
    cluster.write(0..10).await;
    let old = cluster.leader().await;
    assert!(cluster.raft(old).confirm().await.is_ok());
    cluster.cut(old, true);
    let refused = within("the refusal", cluster.raft(old).confirm()).await;
    assert!(matches!(refused, Err(Error::NoQuorum | Error::NotLeader { .. })), "{refused:?}");
    let others = [0, 1, 2].into_iter().filter(|number| *number != old);
    let leads = others.map(|number| {
        let mut leadership = cluster.raft(number).leader();
        Box::pin(async move { leadership.wait_for(|shown| shown.leading.is_some()).await.map(|_| number) })
    });
    let (new, _, _) = within("an election", futures::future::select_all(leads)).await;
    let new = new.expect("it runs");
    let committed = cluster.raft(new).commit(Priority::Write, command(77)).await.expect("committed");
    assert!(cluster.raft(new).confirm().await.expect("it leads") >= committed.index);
    cluster.cut(old, false);
    let view = cluster.view_at(old, committed.index).await;
    assert!(view.state.has(77));
    let confirmed = within("a confirmed view", cluster.raft(new).view_confirmed()).await;
    assert!(confirmed.expect("it leads").state.has(77));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_keeps_its_followers_while_their_disks_do_not_answer() {
    let cluster = Cluster::formed_at(3, CALM).await;
    cluster.write(0..10).await;
    let leader = cluster.leader().await;
    let term = cluster.raft(leader).leader().borrow().leading.expect("it leads").term;
    let followers = [0, 1, 2].into_iter().filter(|number| *number != leader);
    followers.clone().for_each(|number| cluster.sites[number].brake.set(true));
    let waiting = {
        let raft = cluster.raft(leader).clone();
        spawn("write", async move { raft.commit(Priority::Write, command(10)).await })
    };
    // Entries are on their way to disks that take none: heartbeats are answered all the same.
    let began = crate::clock::monotonic();
    while began.elapsed() < QUIET {
        within("a confirmation", cluster.raft(leader).confirm()).await.expect("it leads");
    }
    assert!(!waiting.is_finished(), "nothing is acknowledged that no quorum has on its disks");
    followers.for_each(|number| cluster.sites[number].brake.set(false));
    let last = within("the write", waiting).await.expect("no panic").expect("committed").index;
    assert_eq!(cluster.raft(leader).leader().borrow().leading.expect("it leads").term, term);
    cluster.agree(last).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_digest_after_an_entry_is_the_same_everywhere() {
    let cluster = Cluster::formed(3).await;
    let leader = cluster.leader().await;
    let mut request = 0;
    while cluster.raft(leader).advanced().borrow().last_digest().is_none_or(|(index, _)| index == 0) {
        cluster.write(request..request + 32).await;
        request += 32;
    }
    let (index, digest) = cluster.raft(leader).advanced().borrow().last_digest().expect("one is remembered");
    for number in 0..3 {
        let mark = cluster.view_at(number, index).await.mark;
        assert_eq!(mark.digest_at(index), Some(digest));
        assert_eq!(mark.digest_at(index + 1), None);
    }
}
