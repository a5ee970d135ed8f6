//! How many commands a second one server and three servers agree on, how long each takes, and how long the
//! cluster is without a leader when it is killed: `cargo bench --bench raft [one|three|failover]`.
//!
//! The ledger is the real one; every command carries a request id, so that apply remembers it, as it does for
//! a client's. `TMPDIR` says on which disk.

#![allow(clippy::disallowed_methods, reason = "measures")]

mod server;

use dkron::raft::{Priority, Raft};
use dkron::telemetry::counters::LOG_SYNCS;
use dkron_core::apply::Ledger;
use dkron_core::command::{Action, Command};
use dkron_core::ids::RequestId;
use server::Cluster;
use std::time::{Duration, Instant};

const TIME: Duration = Duration::from_secs(4);
const KILLS: usize = 30;

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

/// Commands through the leader of so many servers.
fn measure(servers: usize, proposers: u128) {
    let cluster = Cluster::formed(servers);
    let raft = cluster.leader();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let index = || raft.advanced().borrow().index().unwrap_or(0);
    let (first, synced, began) = (index(), LOG_SYNCS.value(), Instant::now());
    let mut latencies: Vec<Duration> = runtime.block_on(async {
        let writers = (0..proposers)
            .map(|writer| tokio::spawn(write(raft.clone(), writer, proposers, began + TIME)))
            .collect::<Vec<_>>();
        let mut latencies = Vec::new();
        for writer in writers {
            latencies.extend(writer.await.expect("written"));
        }
        latencies
    });
    let seconds = began.elapsed().as_secs_f64();
    latencies.sort();
    println!(
        "{servers} servers, {proposers:>5} proposers: {:>7.0} commands/s, {:>5.0} entries/s, {:>5.0} fsyncs/s of all, p50 {:?}, p99 {:?}, max {:?}",
        latencies.len() as f64 / seconds,
        (index() - first) as f64 / seconds,
        (LOG_SYNCS.value() - synced) as f64 / seconds,
        latencies[latencies.len() / 2],
        latencies[latencies.len() * 99 / 100],
        latencies[latencies.len() - 1],
    );
}

/// From the death of a leader to the first command that the next one has committed.
fn failover() {
    let mut cluster = Cluster::formed(3);
    let mut times = Vec::new();
    for kill in 0..KILLS {
        let leader = cluster.leading();
        let killed = Instant::now();
        cluster.kill(leader);
        cluster.commit(kill as u128);
        times.push(killed.elapsed());
        cluster.start(leader);
        cluster.settle();
    }
    times.sort();
    println!("{KILLS} leaders killed: p50 {:?}, max {:?}", times[KILLS / 2], times[KILLS - 1]);
}

fn main() {
    let wanted = std::env::args().nth(1).filter(|word| !word.starts_with('-'));
    let wants = |word: &str| wanted.as_ref().is_none_or(|wanted| wanted == word);
    for (word, servers) in [("one", 1), ("three", 3)] {
        for proposers in [1, 64, 1_024].into_iter().filter(|_| wants(word)) {
            measure(servers, proposers);
        }
    }
    if wants("failover") {
        failover();
    }
}
