//! A million jobs in one server: memory, snapshot, the stalls that it causes, restart:
//! `cargo bench --bench state`. `DKRON_BENCH_JOBS` asks for another number, `TMPDIR` says on which disk.
//!
//! The jobs go in as the proposer writes them, through the real log; the numbers are of one process that
//! holds consensus, log and state, without history and API.

mod measure;

use dkron::clock::{monotonic, wall};
use dkron::raft::{self, Blank, Founder, Options, Peer, Priority, Raft, SnapshotRule, Turn};
use dkron::task;
use dkron_core::apply::Ledger;
use dkron_core::command::{Action, Command as Proposal};
use dkron_core::execution::HistoryRow;
use measure::{fleet, mebibytes, millis, print_machine, rate, resident_bytes, row, timed};
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// Writers at a time.
const WRITERS: usize = 1_024;
/// The word that asks this program for the second half alone.
const RESTART: &str = "restart";
/// For how long the undisturbed thread of the state is looked at.
const QUIET: Duration = Duration::from_secs(5);

/// Starts consensus in a folder; snapshots only when they are asked for.
async fn start(path: &Path) -> Raft<Ledger> {
    let (history, mut rows) = mpsc::channel::<Turn<HistoryRow>>(64);
    let (synced, history_synced) = watch::channel(0);
    drop(task::spawn("rows", async move {
        while let Some(turn) = rows.recv().await {
            synced.send_replace(turn.last().map_or(0, |applied| applied.index));
        }
    }));
    let never = SnapshotRule { bytes: u64::MAX, entries: u64::MAX, every: Duration::from_secs(1 << 20) };
    let mut ground = raft::open(path, None).await.expect("opened");
    if ground.identity().stamp.is_none() {
        ground.adopt(ground.new_stamp().expect("random")).await.expect("adopted");
    }
    let options = Options {
        blank: Blank::Found([(ground.identity().server, Peer::default())].into()),
        founder: Founder { default_zone: "UTC".into(), zone_data: "2026a".into(), format: 1 },
        addresses: watch::channel(Arc::default()).1,
        dialer: dkron::net::Dialer::default(),
        multiplier: 1,
        snapshots: never,
        clock: Arc::new(wall),
        history,
        history_synced,
    };
    Raft::start(ground, options).await.expect("started")
}

/// Stores jobs, every so many-th one from this number on.
async fn store(raft: Raft<Ledger>, numbers: impl Iterator<Item = usize>) {
    let view = raft.view().await.expect("a view");
    for number in numbers {
        let put = fleet::put(&view.state, fleet::job(number, None), wall());
        let command = Proposal { request: None, action: Action::Put(put) };
        raft.propose(Priority::Write, command).await.expect("stored");
    }
}

async fn store_all(raft: &Raft<Ledger>, count: usize) {
    let writers = (0..WRITERS.min(count))
        .map(|writer| task::spawn("writer", store(raft.clone(), (writer..count).step_by(WRITERS))));
    for writer in writers.collect::<Vec<_>>() {
        writer.await.expect("written");
    }
}

/// Looks at the thread of the state all the time; how long the longest look had to wait, which is how long the
/// longest thing on that thread took, and how many looks there were.
async fn watch_stalls(raft: Raft<Ledger>, over: Arc<AtomicBool>) -> (Duration, usize) {
    let (mut longest, mut looks) = (Duration::ZERO, 0);
    while !over.load(Ordering::Relaxed) {
        let start = monotonic();
        raft.look(|ledger, _| ledger.state.applied()).await.expect("a look");
        longest = longest.max(start.elapsed());
        looks += 1;
    }
    (longest, looks)
}

/// Edits jobs all the time, so that apply meets what a snapshot shares with it.
async fn edit(raft: Raft<Ledger>, count: usize, over: Arc<AtomicBool>) -> (Duration, usize) {
    let (mut longest, mut edits) = (Duration::ZERO, 0usize);
    while !over.load(Ordering::Relaxed) {
        let name = fleet::job(edits.wrapping_mul(7_919) % count, None).name;
        let scope = dkron_core::command::Scope::Jobs(vec![name.into()]);
        let action = if edits % 2 == 0 { Action::Hold(scope) } else { Action::Release(scope) };
        let start = monotonic();
        raft.propose(Priority::Write, Proposal { request: None, action }).await.expect("an edit");
        longest = longest.max(start.elapsed());
        edits += 1;
    }
    (longest, edits)
}

/// Runs something beside edits and looks, and tells how long those had to wait at most.
async fn disturbed<T>(raft: &Raft<Ledger>, jobs: usize, what: &str, work: impl Future<Output = T>) -> T {
    let over = Arc::new(AtomicBool::new(false));
    let looks = task::spawn("looks", watch_stalls(raft.clone(), over.clone()));
    let edits = task::spawn("edits", edit(raft.clone(), jobs, over.clone()));
    let result = work.await;
    over.store(true, Ordering::Relaxed);
    let ((stall, looks), (answer, edits)) = (looks.await.expect("looked"), edits.await.expect("edited"));
    row(&format!("{what}: longest stall of apply ({looks} looks)"), millis(stall), "10 ms");
    row(&format!("{what}: slowest edit of one client ({edits} edits)"), millis(answer), "");
    result
}

/// The disk's own rate for the bytes of a snapshot.
fn raw_write(folder: &Path, bytes: u64) -> Duration {
    let path = folder.join("raw");
    let block = vec![7; 1 << 20];
    let (_, time) = timed(|| {
        let mut file = fs::File::create(&path).expect("a file");
        (0..bytes.div_ceil(1 << 20)).for_each(|_| file.write_all(&block).expect("written"));
        file.sync_all().expect("synced");
    });
    fs::remove_file(path).expect("removed");
    time
}

fn newest_snapshot(folder: &Path) -> u64 {
    let files = fs::read_dir(folder.join("snapshots")).expect("snapshots").flatten();
    files.filter_map(|file| file.metadata().ok()).map(|meta| meta.len()).max().unwrap_or(0)
}

async fn measure(jobs: usize) {
    let folder = tempfile::tempdir().expect("a folder");
    let before = resident_bytes();
    let raft = start(folder.path()).await;
    let began = monotonic();
    store_all(&raft, jobs).await;
    row(&format!("{jobs} jobs stored by {WRITERS} clients"), rate(jobs, began.elapsed()), "");
    row("memory that they take, log's cache included", mebibytes(resident_bytes() - before), "1024 MiB");

    disturbed(&raft, jobs, "no snapshot", tokio::time::sleep(QUIET)).await;
    let began = monotonic();
    disturbed(&raft, jobs, "a snapshot", async { raft.snapshot().await.expect("a snapshot") }).await;
    let took = began.elapsed();
    let bytes = newest_snapshot(folder.path());
    row(&format!("a snapshot of {} beside those", mebibytes(bytes)), millis(took), "");
    let raw = raw_write(folder.path(), bytes);
    row("raw: as many bytes written and synced", millis(raw), "");
    row("memory after it", mebibytes(resident_bytes() - before), "");
    raft.shutdown().await.expect("stopped");
    restart(folder.path(), jobs);
}

/// Starts again in a process of its own, whose memory holds nothing from before.
fn restart(folder: &Path, jobs: usize) {
    let program = std::env::current_exe().expect("this program");
    let mut again = Command::new(program);
    again.arg(RESTART).arg(folder).arg(jobs.to_string());
    assert!(again.status().expect("it runs").success(), "the restart is measured");
}

async fn measure_restart(folder: &Path, jobs: usize) {
    let (before, began) = (resident_bytes(), monotonic());
    let raft = start(folder).await;
    let took = began.elapsed();
    row("restart: snapshot read twice, state built, leader again", millis(took), "10000 ms");
    let found = raft.view().await.expect("a view").state.job_count();
    assert_eq!(found, jobs, "all jobs are back");
    let taken = resident_bytes() - before;
    row("restart: memory that they take", mebibytes(taken), "1024 MiB, stretch 512 MiB");
    row("restart: that is, for each job", format!("{} bytes", taken / jobs as u64), "");
    raft.shutdown().await.expect("stopped");
}

fn main() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let words: Vec<String> = std::env::args().collect();
    if let [_, word, folder, jobs] = words.as_slice()
        && word == RESTART
    {
        return runtime.block_on(measure_restart(Path::new(folder), jobs.parse().expect("a number")));
    }
    print_machine();
    let jobs = std::env::var("DKRON_BENCH_JOBS").ok().and_then(|jobs| jobs.parse().ok()).unwrap_or(1_000_000);
    runtime.block_on(measure(jobs));
}
