//! Starting, stopping, starting again.

use super::{Tally, command, options, start, start_with, until_free, write};
use crate::raft::machine::Machine;
use crate::raft::{Error, Priority, Raft, open};
use crate::task::spawn;
use dkron_core::command::{Action, Command, Reply};
use dkron_core::ids::Stamp;
use dkron_core::ids::{ClusterId, Incarnation, NodeId};
use dkron_core::limits::ENTRY_BYTES_MAX;
use openraft::async_runtime::WatchReceiver;
use std::path::Path;
use std::time::Duration;

fn files(folder: &Path) -> Vec<String> {
    let listing = std::fs::read_dir(folder).expect("the folder");
    let mut names: Vec<String> =
        listing.map(|item| item.expect("an item").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn the_state_after_a_restart_is_the_state_before() {
    let folder = tempfile::tempdir().expect("a folder");
    let raft = start(folder.path()).await.expect("started");
    write(&raft, 1..500).await;
    let before = raft.view().await.expect("a view");
    let identity = raft.identity();
    raft.shutdown().await.expect("stopped");
    assert!(matches!(raft.propose(Priority::Write, command(1)).await, Err(Error::Stopped)));

    let raft = start(folder.path()).await.expect("started again");
    assert_eq!(raft.identity(), identity);
    let after = raft.view_at(before.mark.index().expect("an index")).await.expect("a view");
    assert_eq!(Tally::digest(&after.state), Tally::digest(&before.state));
    assert_eq!(after.state.len(), 499);
    assert!(raft.leader().borrow().leading.is_some());
    raft.shutdown().await.expect("stopped");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_from_a_snapshot_and_the_log_after_it_gives_the_same_state() {
    let folder = tempfile::tempdir().expect("a folder");
    let raft = start(folder.path()).await.expect("started");
    for round in 0..4 {
        write(&raft, round * 100..round * 100 + 100).await;
        assert!(raft.snapshot().await.expect("a snapshot").is_some());
    }
    let kept = files(&folder.path().join("snapshots"));
    assert_eq!(kept.len(), 2, "{kept:?}");
    write(&raft, 1_000..1_010).await;
    let before = raft.view().await.expect("a view");
    raft.shutdown().await.expect("stopped");

    let raft = start(folder.path()).await.expect("started again");
    let purged = raft.inner.consensus.metrics().borrow_watched().purged;
    assert!(purged.is_some(), "the log behind two snapshots is gone");
    let after = raft.view().await.expect("a view");
    assert_eq!(Tally::digest(&after.state), Tally::digest(&before.state));
    raft.shutdown().await.expect("stopped");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_is_put_in_place_only_when_the_history_has_its_rows() {
    let folder = tempfile::tempdir().expect("a folder");
    let (options, mut history) = options();
    let draining = spawn("test", async move {
        while history.rows.recv().await.is_some() {}
        history.synced
    });
    let raft: Raft<Tally> = start_with(folder.path(), options).await.expect("started");
    write(&raft, 0..10).await;
    let waiting = tokio::time::timeout(Duration::from_millis(300), raft.snapshot()).await;
    assert!(waiting.is_err(), "the history has synced nothing");
    assert!(files(&folder.path().join("snapshots")).iter().all(|name| name.ends_with(".tmp")));
    raft.shutdown().await.expect("stopped");
    drop(raft);
    draining.await.expect("drained");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_history_stops_apply_and_nothing_else() {
    let folder = tempfile::tempdir().expect("a folder");
    let (options, mut history) = options();
    let raft = start_with(folder.path(), options).await.expect("started");
    let writing = {
        let raft = raft.clone();
        spawn("test", async move {
            for request in 0..100 {
                write(&raft, request..request + 1).await;
            }
        })
    };
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(!writing.is_finished(), "the history takes nothing, so apply must wait");
    let seen = raft.view().await.expect("a view, all the same").state.len();
    assert!(seen < 100);
    assert_eq!(raft.look(|tally, _| tally.len()).await.expect("a look"), seen);
    drop(spawn("test", async move { while history.rows.recv().await.is_some() {} }));
    writing.await.expect("written");
    raft.shutdown().await.expect("stopped");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_directory_is_refused_and_a_dkron_one_left_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let raft = start(folder.path()).await.expect("started");
    raft.shutdown().await.expect("stopped");
    drop(raft);
    let stranger = until_free(|| open(folder.path(), Some(NodeId(1)))).await.err();
    assert!(matches!(stranger, Some(Error::ForeignServer { .. })), "{stranger:?}");
    let stamp = Stamp { cluster: ClusterId(1), incarnation: Incarnation(1) };
    let mut ground = until_free(|| open(folder.path(), None)).await.expect("opened");
    let other = ground.adopt(stamp).await.err();
    assert!(matches!(other, Some(Error::ForeignCluster { .. })), "{other:?}");

    let theirs = tempfile::tempdir().expect("a folder");
    std::fs::create_dir(theirs.path().join("raft")).expect("a folder");
    std::fs::write(theirs.path().join("raft/raft.db"), "theirs").expect("a file");
    let refused = start(theirs.path()).await.err();
    assert!(matches!(refused, Some(Error::DkronDirectory(_))), "{refused:?}");
    assert_eq!(files(&theirs.path().join("raft")), ["raft.db"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_largest_entries_never_leave_the_synced_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let raft = start(folder.path()).await.expect("started");
    let large = |bytes: usize| Command {
        action: Action::Delete { name: "x".repeat(bytes).as_str().into() },
        ..command(bytes as u128)
    };
    for round in 0..64 {
        let reply = raft.propose(Priority::Write, large(ENTRY_BYTES_MAX - 200 - round)).await;
        assert_eq!(reply.expect("proposed"), Reply::Done);
    }
    let refused = raft.propose(Priority::Write, large(ENTRY_BYTES_MAX)).await;
    assert!(matches!(refused, Err(Error::TooLarge { .. })), "{refused:?}");
    raft.shutdown().await.expect("stopped");
    assert_eq!(files(&folder.path().join("raft/blobs")), Vec::<String>::new());
}
