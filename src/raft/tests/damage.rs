//! Bytes that are not what was written.

use super::{Tally, start, write};
use crate::raft::Error;
use crate::raft::log::disk::{Disk, Write};
use crate::raft::log::keys;
use crate::raft::machine::Machine;
use crate::task::blocking;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// Stops a server with some entries in it; then does something to its log.
async fn log_after(meddle: impl FnOnce(&sled::Db)) -> Option<Error> {
    let folder = tempfile::tempdir().expect("a folder");
    let raft = start(folder.path()).await.expect("started");
    for request in 0..10 {
        write(&raft, request..request + 1).await;
    }
    raft.shutdown().await.expect("stopped");
    drop(raft);
    let config = sled::Config::default().path(folder.path().join("raft")).segment_size(8 * 1024 * 1024);
    let database = config.open().expect("the database");
    meddle(&database);
    database.flush().expect("flushed");
    drop(database);
    start(folder.path()).await.err()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_garbled_entry_is_found_at_the_start() {
    let error = log_after(|database| {
        let key = keys::entry(5);
        let mut record = database.get(key).expect("read").expect("an entry").to_vec();
        let last = record.len() - 1;
        record[last] ^= 1;
        database.insert(key, record).expect("written");
    });
    let error = error.await;
    assert!(matches!(error, Some(Error::DamagedLog { index: 5, .. })), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_entry_is_found_at_the_start() {
    let error = log_after(|database| drop(database.remove(keys::entry(5)).expect("removed"))).await;
    assert!(matches!(error, Some(Error::DamagedLog { index: 5, .. })), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_in_the_wrong_place_is_found_at_the_start() {
    let error = log_after(|database| {
        let other = database.get(keys::entry(4)).expect("read").expect("an entry");
        database.insert(keys::entry(5), other).expect("written");
    });
    let error = error.await;
    assert!(matches!(error, Some(Error::DamagedLog { index: 5, .. })), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_garbled_identity_is_found_at_the_start() {
    let error = log_after(|database| {
        let slot = keys::Slot::Identity.key();
        let mut record = database.get(slot).expect("read").expect("an identity").to_vec();
        record[9] ^= 1;
        database.insert(slot, record).expect("written");
    });
    let error = error.await;
    assert!(matches!(error, Some(Error::DamagedRecord { .. })), "{error:?}");
}

fn garble(path: &Path) {
    let mut bytes = std::fs::read(path).expect("the file");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(path, bytes).expect("written");
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_a_damaged_snapshot_the_older_one_and_the_log_give_the_same_state() {
    let folder = tempfile::tempdir().expect("a folder");
    let raft = start(folder.path()).await.expect("started");
    let mut taken = Vec::new();
    for round in 0..3 {
        write(&raft, round * 100..round * 100 + 100).await;
        taken.push(raft.snapshot().await.expect("a snapshot").expect("an index"));
    }
    let before = raft.view().await.expect("a view");
    raft.shutdown().await.expect("stopped");
    drop(raft);
    let file = |index: u64| {
        let listing = std::fs::read_dir(folder.path().join("snapshots")).expect("the folder");
        let mut paths = listing.map(|item| item.expect("an item").path());
        paths.find(|path| path.to_string_lossy().ends_with(&format!("-{index}.snapshot"))).expect("the file")
    };
    garble(&file(taken[2]));
    let raft = start(folder.path()).await.expect("started from the older one");
    let after = raft.view().await.expect("a view");
    assert_eq!(Tally::digest(&after.state), Tally::digest(&before.state));
    raft.shutdown().await.expect("stopped");
    drop(raft);

    garble(&file(taken[1]));
    let error = start(folder.path()).await.err();
    assert!(matches!(error, Some(Error::NoSnapshot { .. })), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_acknowledged_that_was_not_forced_to_the_disk_nor_anything_after_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let forced = Arc::new(AtomicU32::new(0));
    let counter = forced.clone();
    let opened = Disk::open_with(&folder.path().join("raft"), |mut force| {
        Box::new(move || match counter.fetch_add(1, Ordering::SeqCst) {
            0 => force(),
            _ => Err(std::io::Error::other("the disk is gone")),
        })
    });
    let (disk, _thread) = opened.expect("a database");
    let entry =
        |index| disk.write_through(move |done| Write::Entries { records: vec![(index, vec![0])], done });
    assert!(entry(0).await.is_ok());
    assert_eq!(forced.load(Ordering::SeqCst), 1, "one acknowledgement, one force");
    assert!(entry(1).await.is_err());
    assert!(entry(2).await.is_err(), "what is on the disk is not known any more");
    assert_eq!(forced.load(Ordering::SeqCst), 2, "and nothing is tried again");
}

#[tokio::test(flavor = "multi_thread")]
async fn purged_entries_are_deleted_in_time_and_hidden_at_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let (disk, thread) = Disk::open(&folder.path().join("raft")).expect("a database");
    let records = (0..2_000).map(|index| (index, vec![0; 100])).collect();
    disk.write_through(|done| Write::Entries { records, done }).await.expect("written");
    let purge = |done| Write::Purge { through: 1_899, marker: vec![1], done };
    disk.write_through(purge).await.expect("purged");
    let end = disk.end(thread);
    let closing = blocking("close", move || end.close());
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    assert_eq!(disk.entries(0..=u64::MAX).count(), 100);
    drop(disk);
    closing.await.expect("closed");
}
