//! openraft's own suite for storages.

use super::{Tally, options};
use crate::raft::log::disk::Disk;
use crate::raft::log::store::LogStore;
use crate::raft::machine::Machine;
use crate::raft::snapshot::{Incoming, Shelf};
use crate::raft::state_machine::{Fold, ThreadHandle};
use crate::raft::state_thread::{Mark, StateThread};
use crate::raft::type_config::Types;
use crate::task::spawn;
use dkron_core::ids::Stamp;
use openraft::StorageError;
use openraft::testing::log::{StoreBuilder, Suite};
use std::sync::Arc;
use tempfile::TempDir;
use tokio::sync::{mpsc, watch};

struct Builder;

impl StoreBuilder<Types, LogStore, Fold<Tally>, TempDir> for Builder {
    async fn build(&self) -> Result<(TempDir, LogStore, Fold<Tally>), StorageError<Types>> {
        let folder = tempfile::tempdir().expect("a folder");
        let (options, history) = options::<Tally>();
        let (_synced, synced) = watch::channel(u64::MAX);
        history.keep_up();
        let (disk, _thread) = Disk::open(&folder.path().join("raft")).expect("a database");
        let store = LogStore::open(disk, Stamp::default()).expect("a log");
        let shelf = Shelf::open(folder.path().join("snapshots"), Stamp::default(), synced).expect("a shelf");
        let (marks_sender, marks) = watch::channel(Mark::default());
        let (works_sender, works) = mpsc::channel(16);
        let state = StateThread::new(Tally::empty(), Mark::default(), marks_sender, options.history);
        drop(spawn("state", state.run(works)));
        let incoming = Arc::new(Incoming::new(shelf.clone()));
        Ok((folder, store, Fold::new(ThreadHandle::new(works_sender, marks), shelf, incoming)))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_storage_passes_the_suite_of_openraft() {
    Suite::test_all(Builder).await.expect("the suite");
}
