//! How many commands a second one server agrees on, and how long each takes: `cargo bench --bench raft`.
//!
//! The ledger is the real one; every command carries a request id, so that apply remembers it, as it does for
//! a client's. `TMPDIR` says on which disk.

#![allow(clippy::disallowed_methods, reason = "measures")]

use dkron::raft::{self, Blank, Founder, Options, Peer, Priority, Raft, SnapshotRule, Turn};
use dkron_core::apply::Ledger;
use dkron_core::command::{Action, Command};
use dkron_core::execution::HistoryRow;
use dkron_core::ids::RequestId;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, watch};

const TIME: Duration = Duration::from_secs(4);

async fn start(path: &Path) -> Raft<Ledger> {
    let (history, mut rows) = mpsc::channel::<Turn<HistoryRow>>(64);
    let (synced, history_synced) = watch::channel(0);
    tokio::spawn(async move {
        while let Some(turn) = rows.recv().await {
            synced.send_replace(turn.last().map_or(0, |applied| applied.index));
        }
    });
    let mut ground = raft::open(path, None).await.expect("opened");
    ground.adopt(ground.new_stamp().expect("random")).await.expect("adopted");
    let peer = Peer { name: "one".into(), address: "127.0.0.1:8946".into() };
    let (_, addresses) = watch::channel(Arc::default());
    let options = Options {
        blank: Blank::Found([(ground.identity().server, peer)].into()),
        founder: Founder { default_zone: "UTC".into(), zone_data: "2026a".into() },
        addresses,
        multiplier: 1,
        snapshots: SnapshotRule::default(),
        clock: Arc::new(dkron::clock::wall),
        history,
        history_synced,
    };
    Raft::start(ground, options).await.expect("started")
}

async fn write(raft: Raft<Ledger>, mut request: u128, step: u128, until: Instant) -> Vec<Duration> {
    let mut latencies = Vec::new();
    while Instant::now() < until {
        let proposed = Instant::now();
        let command = Command { request: Some(RequestId(request)), action: Action::Pause(true) };
        raft.propose(Priority::Write, command).await.expect("proposed");
        latencies.push(proposed.elapsed());
        request += step;
    }
    latencies
}

async fn measure(proposers: u128) {
    let folder = tempfile::tempdir().expect("a folder");
    let raft = start(folder.path()).await;
    let index = async || raft.view().await.expect("a view").mark.index().unwrap_or(0);
    let (first, began) = (index().await, Instant::now());
    let writers = (0..proposers)
        .map(|writer| tokio::spawn(write(raft.clone(), writer, proposers, began + TIME)))
        .collect::<Vec<_>>();
    let mut latencies = Vec::new();
    for writer in writers {
        latencies.extend(writer.await.expect("written"));
    }
    let seconds = began.elapsed().as_secs_f64();
    latencies.sort();
    println!(
        "{proposers:>5} proposers: {:>7.0} commands/s, {:>5.0} entries/s, p50 {:?}, p99 {:?}, max {:?}",
        latencies.len() as f64 / seconds,
        (index().await - first) as f64 / seconds,
        latencies[latencies.len() / 2],
        latencies[latencies.len() * 99 / 100],
        latencies[latencies.len() - 1],
    );
    raft.shutdown().await.expect("stopped");
}

fn main() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    for proposers in [1, 8, 64, 1_024] {
        runtime.block_on(measure(proposers));
    }
}
