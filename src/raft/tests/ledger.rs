//! The room with the scheduler's own state.

use super::{options, start_with};
use crate::raft::{Machine, Priority, Raft};
use bytes::Bytes;
use dkron_core::apply::Ledger;
use dkron_core::command::{Action, Batch, Command, Reply};
use dkron_core::ids::RequestId;
use dkron_core::time::Time;
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

#[test]
fn a_state_of_many_records_is_read_back_and_a_record_that_is_none_is_told() {
    let mut ledger = Ledger::empty();
    let command = |request: u128| Command {
        request: Some(RequestId(request)),
        action: Action::Pause(request.is_multiple_of(2)),
    };
    ledger.apply(1, &Batch { time: Time::from_seconds(1), commands: (0..2_000).map(command).collect() });
    let saved: Vec<Bytes> = Ledger::save(&ledger.state).collect();
    let load = |records: Vec<Bytes>| {
        <Ledger as Machine>::load(1, Time::from_seconds(1), &mut records.into_iter())
            .map(|read| read.state.digest())
    };
    assert_eq!(load(saved.clone()), Ok(ledger.state.digest()));
    let mut damaged = saved;
    damaged[1_500] = Bytes::from_static(b"no record");
    assert!(load(damaged).is_err_and(|why| why.contains("record")));
}
