//! The room with the scheduler's own state.

use super::{options, start_with};
use crate::raft::{Machine, Priority, Raft};
use dkron_core::apply::Ledger;
use dkron_core::command::{Action, Command, Reply};
use dkron_core::ids::RequestId;
use std::path::Path;

async fn start(path: &Path) -> Raft<Ledger> {
    let (options, history) = options();
    history.keep_up();
    start_with(path, options).await.expect("started")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_ledger_is_founded_once_and_survives_snapshot_and_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut seen = None;
    for round in 0..3 {
        let raft = start(folder.path()).await;
        let view = raft.view().await.expect("a view");
        let cluster = view.state.cluster().expect("founded").founding.cluster;
        assert_eq!(Some(cluster), raft.identity().stamp.map(|stamp| stamp.cluster));
        assert_eq!(seen.unwrap_or_else(|| Ledger::digest(&view.state)), Ledger::digest(&view.state));
        for request in 0..50 {
            let request = Some(RequestId(round * 100 + request));
            let command = Command { request, action: Action::Pause(true) };
            assert_eq!(raft.propose(Priority::Write, command).await.expect("proposed"), Reply::Done);
        }
        raft.snapshot().await.expect("a snapshot");
        let command = Command { request: Some(RequestId(round * 100 + 99)), action: Action::Pause(false) };
        assert_eq!(raft.propose(Priority::Write, command).await.expect("proposed"), Reply::Done);
        seen = Some(Ledger::digest(&raft.view().await.expect("a view").state));
        raft.shutdown().await.expect("stopped");
    }
}
