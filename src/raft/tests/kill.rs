//! A process that is killed while it writes: what it acknowledged is there afterwards.

use super::{command, start};
use crate::raft::Priority;
use crate::task::spawn;
use std::collections::HashSet;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// Names the directory to the child, which is this test binary again.
const CHILD: &str = "DKRON_TEST_RAFT_CHILD";
const ROUNDS: u32 = 24;
const WRITERS: u128 = 16;
/// How long a child may take until its first write, on a busy machine.
const FIRST_WAIT: Duration = Duration::from_secs(30);

/// Not a test of its own: the child's life, until it is killed. It prints each request that was acknowledged.
#[test]
#[ignore = "the child of the test below"]
fn child() {
    let Some(folder) = std::env::var_os(CHILD) else { return };
    let first: u128 = std::env::var("DKRON_TEST_RAFT_FIRST").expect("a number").parse().expect("a number");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let raft = start(Path::new(&folder)).await.expect("started");
        let writers = (0..WRITERS).map(|writer| {
            let raft = raft.clone();
            spawn("writer", async move {
                let mut request = first + writer;
                loop {
                    raft.propose(Priority::Write, command(request)).await.expect("proposed");
                    let line = format!("acknowledged {request}\n");
                    std::io::stdout().lock().write_all(line.as_bytes()).expect("printed");
                    request += WRITERS;
                }
            })
        });
        futures::future::join_all(writers.collect::<Vec<_>>()).await;
    });
}

fn run_and_kill(folder: &Path, first: u128, after: Duration) -> Vec<u128> {
    let mut child = Command::new(std::env::current_exe().expect("this binary"))
        .args(["--exact", "raft::tests::kill::child", "--ignored", "--nocapture"])
        .env(CHILD, folder)
        .env("DKRON_TEST_RAFT_FIRST", first.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("a child");
    let output = BufReader::new(child.stdout.take().expect("its output"));
    let (first_seen, seen) = std::sync::mpsc::channel();
    let reader = std::thread::spawn(move || {
        let lines = output.lines().map_while(Result::ok);
        let requests = lines.filter_map(|line| line.strip_prefix("acknowledged ")?.parse().ok());
        requests.inspect(|_| first_seen.send(()).unwrap_or_default()).collect::<Vec<u128>>()
    });
    seen.recv_timeout(FIRST_WAIT).expect("the child writes");
    std::thread::sleep(after);
    child.kill().expect("killed");
    child.wait().expect("reaped");
    reader.join().expect("read")
}

#[test]
fn what_a_killed_process_acknowledged_is_there_afterwards() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut acknowledged = HashSet::new();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    for round in 0..ROUNDS {
        let after = Duration::from_millis(u64::from(round * 37 % 200));
        acknowledged.extend(run_and_kill(folder.path(), u128::from(round) << 64, after));
        runtime.block_on(async {
            let raft = start(folder.path()).await.expect("started after the kill");
            let view = raft.view().await.expect("a view");
            let lost: Vec<&u128> = acknowledged.iter().filter(|request| !view.state.has(**request)).collect();
            assert!(lost.is_empty(), "round {round} lost {} of {}: {lost:?}", lost.len(), acknowledged.len());
            if round % 5 == 4 {
                raft.snapshot().await.expect("a snapshot");
            }
            raft.shutdown().await.expect("stopped");
        });
    }
    println!("{ROUNDS} kills, {} acknowledged, none lost", acknowledged.len());
    assert!(acknowledged.len() > ROUNDS as usize);
}
