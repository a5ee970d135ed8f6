//! How many commands a second. Run it alone, optimised:
//! `cargo test --release -p dkron raft::tests::throughput -- --ignored --nocapture --test-threads 1`

use super::{command, start};
use crate::raft::Priority;
use std::time::{Duration, Instant};

async fn measure(proposers: u128, time: Duration) {
    let folder = tempfile::tempdir().expect("a folder");
    let raft = start(folder.path()).await.expect("started");
    let began = Instant::now();
    let first = raft.view().await.expect("a view").mark.index().expect("an index");
    let writers = (0..proposers).map(|writer| {
        let raft = raft.clone();
        tokio::spawn(async move {
            let (mut request, mut latencies) = (writer, Vec::new());
            while began.elapsed() < time {
                let proposed = Instant::now();
                raft.propose(Priority::Write, command(request)).await.expect("proposed");
                latencies.push(proposed.elapsed());
                request += proposers;
            }
            latencies
        })
    });
    let mut latencies = Vec::new();
    for writer in writers.collect::<Vec<_>>() {
        latencies.extend(writer.await.expect("written"));
    }
    let seconds = began.elapsed().as_secs_f64();
    latencies.sort();
    let entries = raft.view().await.expect("a view").mark.index().expect("an index") - first;
    println!(
        "{proposers:>5} proposers: {:>7.0} commands/s, {:>6.0} entries/s, p50 {:?}, p99 {:?}",
        latencies.len() as f64 / seconds,
        entries as f64 / seconds,
        latencies[latencies.len() / 2],
        latencies[latencies.len() * 99 / 100],
    );
    raft.shutdown().await.expect("stopped");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn throughput() {
    for proposers in [1, 8, 64, 1_024] {
        measure(proposers, Duration::from_secs(3)).await;
    }
}
