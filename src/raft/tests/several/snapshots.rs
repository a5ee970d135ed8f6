//! A server that lags behind the purged log gets a snapshot, whole or not at all.

use super::{Cluster, within};
use crate::raft::snapshot::{Incoming, Misplaced, Shelf};
use crate::raft::tests::Tally;
use crate::raft::{Machine, Raft};
use dkron_wire::consensus::SnapshotName;
use dkron_wire::raft::{LeaderId, LogId};
use openraft::async_runtime::WatchReceiver;
use std::path::{Path, PathBuf};
use tokio::sync::watch;

/// Writes and takes snapshots until nobody who runs has the log that a server which saw nothing would need.
async fn purge(cluster: &Cluster, first: u128, writes: u128) -> u64 {
    let half = writes / 2;
    let middle = cluster.write_many(first..first + half).await;
    for number in cluster.running() {
        cluster.view_at(number, middle).await;
        cluster.raft(number).snapshot().await.expect("a snapshot");
    }
    let last = cluster.write_many(first + half..first + writes).await;
    for number in cluster.running() {
        cluster.view_at(number, last).await;
        cluster.raft(number).snapshot().await.expect("a snapshot");
        within("the purge", until_purged(cluster.raft(number), Some(middle))).await;
    }
    last
}

async fn until_purged(raft: &Raft<Tally>, index: Option<u64>) {
    let mut metrics = raft.inner.consensus.metrics();
    while metrics.borrow_watched().purged.map(|id| id.index) < index {
        metrics.changed().await.expect("it runs");
    }
}

fn snapshots(folder: &Path) -> Vec<PathBuf> {
    let listing = std::fs::read_dir(folder.join("snapshots")).expect("the folder");
    listing.map(|item| item.expect("an item").path()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_behind_the_purged_log_gets_a_snapshot_and_the_log_after_it() {
    let mut cluster = Cluster::formed(3).await;
    cluster.write(0..10).await;
    let leader = cluster.leader().await;
    let away = cluster.other(leader);
    cluster.stop(away).await;
    purge(&cluster, 1_000, 2_000).await;
    let last = cluster.write(5_000..5_010).await;
    cluster.start(away).await;
    cluster.agree(last).await;
    assert_eq!(snapshots(cluster.sites[away].folder.path()).len(), 1);

    // And it starts from what it got.
    cluster.stop(away).await;
    cluster.start(away).await;
    let last = cluster.write(6_000..6_010).await;
    cluster.agree(last).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transfer_that_breaks_goes_on_where_it_was() {
    let mut cluster = Cluster::formed(3).await;
    cluster.write(0..10).await;
    let leader = cluster.leader().await;
    let away = cluster.other(leader);
    cluster.stop(away).await;
    let last = purge(&cluster, 1_000, 60_000).await;
    let newest = cluster.raft(leader).inner.consensus.get_snapshot().await.expect("it runs");
    let size = std::fs::metadata(newest.expect("a snapshot").snapshot.path()).expect("a file").len();
    assert!(size > 1_000_000, "{size}");
    // Whoever leads by then sends it.
    let senders: Vec<usize> = cluster.running().collect();
    let passed = |cluster: &Cluster| -> u64 {
        senders.iter().map(|number| cluster.gate(*number, away).passed()).sum()
    };
    let before = passed(&cluster);
    senders.iter().for_each(|number| cluster.gate(*number, away).break_after(size as i64 * 9 / 10));
    cluster.start(away).await;
    cluster.agree(last).await;
    let broke = |number: &usize| cluster.gate(*number, away).broke();
    assert!(senders.iter().any(broke), "the connection broke on the way");
    let passed = passed(&cluster) - before;
    // What was on its way when the connection broke passed for nothing: some buffers full, never all of it.
    assert!(passed < size * 7 / 4, "{passed} bytes for {size}: the transfer began anew");
    let left = snapshots(cluster.sites[away].folder.path());
    assert!(left.iter().all(|path| path.extension().is_some_and(|ending| ending == "snapshot")), "{left:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_snapshot_is_never_put_in_place_and_comes_again_from_its_start() {
    let cluster = Cluster::formed(1).await;
    cluster.write(0..2_000).await;
    cluster.raft(0).snapshot().await.expect("a snapshot").expect("an index");
    let sent = snapshots(cluster.sites[0].folder.path()).pop().expect("a file");
    let bytes = std::fs::read(&sent).expect("read");
    let folder = tempfile::tempdir().expect("a folder");
    let (_history, synced) = watch::channel(u64::MAX);
    let shelf = Shelf::open(folder.path().join("snapshots"), super::STAMP, synced).expect("a shelf");
    let incoming = Incoming::<Tally>::new(shelf.clone());
    let mark = cluster.raft(0).view().await.expect("a view").mark;
    let leader = LeaderId { term: mark.term(), node: cluster.sites[0].id };
    let last = LogId { leader, index: mark.index().expect("an index") };
    let name = SnapshotName { last, size: bytes.len() as u64, sum: 7 };

    for damage in [bytes.len() / 2, bytes.len() - 1, 3] {
        let mut damaged = bytes.clone();
        damaged[damage] ^= 1;
        incoming.write(&name, 0, &damaged).expect("taken");
        let refused = incoming.finish(&name).err();
        assert!(matches!(refused, Some(Misplaced::File(_))), "{refused:?}");
        assert_eq!((incoming.offset(&name), snapshots(folder.path()).len()), (0, 0));
    }
    let other = SnapshotName { last: LogId { index: last.index + 1, ..last }, ..name };
    incoming.write(&other, 0, &bytes).expect("taken");
    assert!(incoming.finish(&other).is_err(), "it is not the state that it is said to be");

    let (first, rest) = bytes.split_at(1_000);
    incoming.write(&name, 0, first).expect("taken");
    let gap = incoming.write(&name, 1_001, &rest[1..]).err();
    assert!(matches!(gap, Some(Misplaced::Offset { expected: 1_000, .. })), "{gap:?}");
    let early = incoming.finish(&name).err();
    assert!(matches!(early, Some(Misplaced::Offset { expected: 1_000, .. })), "{early:?}");
    incoming.write(&name, 1_000, rest).expect("taken");
    let long = incoming.write(&name, name.size, &[0]).err();
    assert!(matches!(long, Some(Misplaced::Offset { .. })), "{long:?}");
    let file = incoming.finish(&name).expect("whole");
    let machine = incoming.take(&file).expect("loaded");
    let view = cluster.raft(0).view().await.expect("a view");
    assert_eq!(Tally::digest(&machine.view()), Tally::digest(&view.state));
}
