//! How fast shell jobs are launched, beside the machine's own rate, and how large the supervisor is.
//!
//! `cargo test --release --test integration agent::rate -- --ignored --nocapture`

use super::{DataDir, Node};
use dkron_core::delivery::ToAgent;
use dkron_core::execution::Verdict;
use dkron_core::ids::ExecutionId;
use std::fs;
use std::process::{Command, Stdio};
use std::thread;

const JOBS: u64 = 4_000;
const SLOTS: u32 = 64;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn shell_launches_beside_the_raw_rate() {
    for round in 0..3 {
        let before = cpu(std::process::id());
        let raw = raw_rate();
        let after = cpu(std::process::id());
        let each = |part: usize| (after[part] - before[part]) * 10_000 * 2 / 3 / JOBS;
        println!("raw, a job in microseconds of CPU: parent {}, the job itself {}", each(0), each(1));
        let data = DataDir::new();
        let mut node = Node::start(&data, SLOTS).await;
        node.run(1_000_000, &[("command", "true")]).await;
        let supervisor = data.supervisor().expect("a supervisor");
        let idle = resident(supervisor);
        let before = (cpu(std::process::id()), cpu(supervisor));
        let ours = rate(&mut node, "shell").await;
        let after = (cpu(std::process::id()), cpu(supervisor));
        let each = |before: u64, after: u64| (after - before) * 10_000 / JOBS;
        println!(
            "a job in microseconds of CPU: agent {}, supervisor {}, the job itself {}",
            each(before.0[0], after.0[0]),
            each(before.1[0], after.1[0]),
            each(before.1[1], after.1[1]),
        );
        let after = resident(supervisor);
        println!("round {round}: raw {raw:.0}/s, agent {ours:.0}/s, ratio {:.2}", ours / raw);
        println!("supervisor: {idle} when idle, {after} after");
    }
    let data = DataDir::new();
    let mut node = Node::start(&data, SLOTS).await;
    println!("noop: {:.0}/s", rate(&mut node, "noop").await);
}

/// `sh -c true` on threads that do nothing else: the best of a few numbers of threads.
fn raw_rate() -> f64 {
    [2, 4, 16].map(raw_rate_with).into_iter().fold(0.0, f64::max)
}

fn raw_rate_with(threads: u64) -> f64 {
    let start = dkron::clock::monotonic();
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                for _ in 0..JOBS / 2 / threads {
                    let mut command = Command::new("/bin/sh");
                    command.args(["-c", "true"]).stdin(Stdio::null()).stdout(Stdio::null());
                    command.status().expect("a process runs");
                }
            });
        }
    });
    JOBS as f64 / 2.0 / start.elapsed().as_secs_f64()
}

async fn rate(node: &mut Node, executor: &str) -> f64 {
    let start = dkron::clock::monotonic();
    let (mut sent, mut ended) = (0, 0);
    while ended < JOBS {
        while sent < JOBS && sent < ended + 1_000 {
            sent += 1;
            node.launch(sent, executor, &[("command", "true"), ("shell", "true")]).await;
        }
        let (known, last) = (node.outcomes.len(), node.id(JOBS));
        node.until(|node| node.outcomes.len() > known).await;
        let done: Vec<ExecutionId> = node.outcomes.keys().filter(|found| **found <= last).copied().collect();
        assert!(node.outcomes.values().all(|outcome| outcome.verdict == Verdict::Succeeded));
        ended += done.len() as u64;
        done.iter().for_each(|id| drop(node.outcomes.remove(id)));
        node.say(ToAgent::Settled(done)).await;
    }
    JOBS as f64 / start.elapsed().as_secs_f64()
}

/// The time on the CPU of a process and of its children that were reaped, in hundredths of a second.
fn cpu(pid: u32) -> [u64; 2] {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("it lives");
    let fields: Vec<&str> = stat.rsplit_once(')').expect("a name").1.split_ascii_whitespace().collect();
    let sum = |range: std::ops::Range<usize>| {
        fields[range].iter().map(|ticks| ticks.parse::<u64>().expect("a number")).sum()
    };
    [sum(11..13), sum(13..15)]
}

fn resident(pid: u32) -> String {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let lines = status.lines().filter(|line| line.starts_with("VmRSS") || line.starts_with("RssAnon"));
    lines.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect::<Vec<_>>().join(", ")
}
