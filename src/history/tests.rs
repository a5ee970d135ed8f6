//! Tests of the room through its door, and what they share: rows, a way to feed and compare, a way to damage
//! files.

mod damage;
mod kill;
mod model;
mod output;
mod retention;

use super::{Appender, Applied, History, Listing, Opened, Page, Retention, Settings, Threads};
use dkron_core::execution::{Finished, HistoryRow, Outcome, SkipReason, Skipped, Verdict};
use dkron_core::ids::{ExecutionId, ExecutionRef, JobUid, OccurrenceRef, Origin};
use dkron_core::time::Time;
use std::path::{Path, PathBuf};
use tokio::runtime::Runtime;

/// A run of `job`, made by the entry at `index`.
pub(super) fn run(job: u128, index: u64, place: u32) -> Finished {
    let seconds = 1_700_000_000 + index as i64;
    Finished {
        job: JobUid(job),
        job_name: format!("job-{job}").into(),
        id: id(index, place),
        execution: ExecutionRef {
            occurrence: OccurrenceRef { index, position: place },
            ordinal: 0,
            attempt: 1,
        },
        origin: Origin::Schedule,
        nominal: Time::from_seconds(seconds),
        decided_at: Time::from_seconds(seconds),
        node: format!("node-{}", index % 3).into(),
        outcome: Outcome {
            verdict: Verdict::ALL[(index % 2) as usize],
            started_at: Time::from_nanos(seconds * 1_000_000_000 + i64::from(place)),
            finished_at: Time::from_seconds(seconds + 1),
            code: Some(0),
            error: "".into(),
            tail: vec![index as u8; 40].into(),
            output_bytes: 40,
        },
    }
}

pub(super) fn id(index: u64, place: u32) -> ExecutionId {
    ExecutionId(u128::from(index) << 32 | u128::from(place) | 1 << 100)
}

/// A skip record of `job`.
pub(super) fn skip(job: u128, index: u64) -> Skipped {
    let at = Time::from_seconds(1_700_000_000 + index as i64);
    Skipped {
        job: JobUid(job),
        job_name: format!("job-{job}").into(),
        origin: Origin::Schedule,
        from: at,
        to: at,
        count: 1,
        reason: SkipReason::Overlap,
        blocked_by: None,
        decided_at: at,
    }
}

/// An entry with one run of each of these jobs.
pub(super) fn runs(index: u64, jobs: &[u128]) -> Applied {
    let rows =
        jobs.iter().enumerate().map(|(place, &job)| HistoryRow::Finished(run(job, index, place as u32)));
    Applied { index, rows: rows.collect() }
}

pub(super) fn erase(index: u64, job: u128) -> Applied {
    Applied { index, rows: vec![HistoryRow::Erased { job: JobUid(job) }] }
}

/// An open room in a test.
pub(super) struct Bench {
    pub(super) history: History,
    pub(super) appender: Appender,
    threads: Threads,
    runtime: Runtime,
}

pub(super) fn small(folder: &Path) -> Settings {
    Settings {
        segment_bytes: 2_048,
        retention: Retention { runs_per_job: 5, skips_per_job: 3, ..Retention::default() },
        ..Settings::new(folder)
    }
}

impl Bench {
    pub(super) fn open(settings: Settings) -> Bench {
        let Opened { history, appender, threads } = super::open(settings).expect("it opens");
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        Bench { history, appender, threads, runtime }
    }

    pub(super) fn append(&self, applied: Applied) {
        self.runtime.block_on(self.appender.append(applied)).expect("it is taken");
    }

    pub(super) fn sync(&self) {
        self.runtime.block_on(self.appender.sync()).expect("it is durable");
    }

    pub(super) fn tick(&self, now: Time) {
        self.runtime.block_on(self.appender.tick(now)).expect("it is taken");
        self.sync();
    }

    /// Ticks until `done`; the keeper works on a thread of its own.
    pub(super) fn tick_until(&self, now: Time, done: impl Fn() -> bool) {
        for _ in 0..400 {
            if done() {
                return;
            }
            self.tick(now);
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        panic!("retention did not get there");
    }

    pub(super) fn put_output(&self, id: ExecutionId, bytes: Vec<u8>, cut: bool) -> super::Result<()> {
        self.runtime.block_on(self.history.put_output(id, bytes, cut))
    }

    pub(super) fn close(self) {
        drop((self.history, self.appender));
        self.threads.join();
    }

    /// The log indexes of a job's runs, newest first.
    pub(super) fn indexes(&self, job: u128) -> Vec<u64> {
        let Listing { rows, next } = self.history.list(JobUid(job), &Page::newest(usize::MAX));
        assert_eq!(next, None);
        rows.iter().map(|run| run.execution.occurrence.index).collect()
    }
}

/// The files with this extension, oldest first.
pub(super) fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    super::disk::catalogue::files(folder, extension).expect("a list")
}

#[test]
fn what_was_written_is_found_by_job_and_by_either_id() {
    let folder = tempfile::tempdir().expect("a folder");
    let bench = Bench::open(small(folder.path()));
    (1..=9).for_each(|index| bench.append(runs(index, &[1, 2])));
    bench.sync();
    assert_eq!(bench.indexes(1), [9, 8, 7, 6, 5]);
    assert_eq!(bench.history.count(JobUid(2)), 5);
    let wanted = run(2, 7, 1);
    let by_id = bench.history.get(JobUid(2), super::Name::Id(wanted.id));
    assert_eq!(by_id.as_ref(), Some(&wanted));
    let name = super::Name::Started { at: wanted.outcome.started_at, node: "node-1" };
    assert_eq!(bench.history.get(JobUid(2), name).as_ref(), Some(&wanted));
    assert_eq!(bench.history.get(JobUid(1), super::Name::Id(wanted.id)), None);
    bench.close();
}

#[test]
fn pages_meet_without_a_gap_in_either_order() {
    let folder = tempfile::tempdir().expect("a folder");
    let bench = Bench::open(small(folder.path()));
    (1..=20).for_each(|index| bench.append(runs(index, &[1])));
    bench.sync();
    for (order, wanted) in
        [(super::Order::NewestFirst, [20, 19, 18, 17, 16]), (super::Order::OldestFirst, [16, 17, 18, 19, 20])]
    {
        let (mut found, mut from) = (Vec::new(), None);
        loop {
            let page = Page { order, from, skip: 0, limit: 2 };
            let listing = bench.history.list(JobUid(1), &page);
            found.extend(listing.rows.iter().map(|run| run.execution.occurrence.index));
            from = listing.next;
            if from.is_none() {
                break;
            }
        }
        assert_eq!(found, wanted);
        let page = Page { order, from: None, skip: 3, limit: 9 };
        assert_eq!(bench.history.list(JobUid(1), &page).rows.len(), 2);
    }
    bench.close();
}

#[test]
fn an_erased_job_is_gone_at_once_and_its_later_rows_stay() {
    let folder = tempfile::tempdir().expect("a folder");
    let bench = Bench::open(small(folder.path()));
    (1..=3).for_each(|index| bench.append(runs(index, &[1, 11])));
    let skipped = Applied { index: 4, rows: vec![HistoryRow::Skipped(skip(1, 4))] };
    bench.append(skipped);
    bench.append(erase(5, 1));
    bench.append(runs(6, &[1]));
    bench.sync();
    assert_eq!(bench.indexes(1), [6]);
    assert_eq!(bench.history.skips(JobUid(1), &Page::newest(9)).rows, []);
    assert_eq!(bench.indexes(11), [3, 2, 1], "another job's rows stay");
    bench.close();
    let bench = Bench::open(small(folder.path()));
    assert_eq!(bench.indexes(1), [6]);
    bench.close();
}

#[test]
fn a_replay_changes_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    for _ in 0..3 {
        let bench = Bench::open(small(folder.path()));
        (1..=4).for_each(|index| bench.append(runs(index, &[1])));
        bench.sync();
        assert_eq!(bench.indexes(1), [4, 3, 2, 1]);
        let all = bench.history.search(&super::Filter::default(), None, 100, 100);
        assert_eq!(all.rows.len(), 4, "no row is there twice");
        bench.close();
    }
}

#[test]
fn entries_without_rows_move_the_index_at_a_tick() {
    let folder = tempfile::tempdir().expect("a folder");
    let bench = Bench::open(small(folder.path()));
    bench.append(Applied { index: 7, rows: Vec::new() });
    assert!(*bench.history.synced().borrow() < 7 || bench.indexes(1).is_empty());
    bench.tick(Time::EPOCH);
    assert_eq!(*bench.history.synced().borrow(), 7);
    bench.close();
    let bench = Bench::open(small(folder.path()));
    assert_eq!(*bench.history.synced().borrow(), 7);
    bench.close();
}

#[test]
fn a_search_finds_across_jobs_by_verdict_node_and_time_and_goes_on_where_it_stopped() {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = Settings { retention: Retention::default(), ..small(folder.path()) };
    let bench = Bench::open(settings);
    (1..=60).for_each(|index| bench.append(runs(index, &[u128::from(index % 7)])));
    bench.sync();
    let filter = super::Filter {
        verdicts: vec![Verdict::Failed],
        node: Some("node-1".into()),
        from: Some(Time::from_seconds(1_700_000_011)),
        to: Some(Time::from_seconds(1_700_000_051)),
        ..super::Filter::default()
    };
    let wanted: Vec<u64> = (10..50).rev().filter(|index| index % 2 == 1 && index % 3 == 1).collect();
    for (limit, scan) in [(100, 1_000), (2, 1_000), (100, 7)] {
        let (mut found, mut from) = (Vec::new(), None);
        loop {
            let listing = bench.history.search(&filter, from, limit, scan);
            found.extend(listing.rows.iter().map(|run| run.execution.occurrence.index));
            from = listing.next;
            if from.is_none() {
                break;
            }
        }
        assert_eq!(found, wanted, "limit {limit}, scan {scan}");
    }
    let nobody = super::Filter { node: Some("nobody".into()), ..super::Filter::default() };
    let next = bench.history.search(&nobody, None, 100, 10).next;
    assert_eq!(next, Some(super::Cursor(50 << 20)), "ten are looked at, 60 to 51");
    let of_job = super::Filter { job: Some(JobUid(3)), ..super::Filter::default() };
    assert_eq!(bench.history.search(&of_job, None, 100, 1_000).rows.len(), 9);
    bench.close();
}

#[test]
fn a_second_process_is_kept_out() {
    let folder = tempfile::tempdir().expect("a folder");
    let bench = Bench::open(small(folder.path()));
    assert!(matches!(super::open(small(folder.path())), Err(super::Error::InUse { .. })));
    bench.close();
}

#[test]
fn another_server_gets_what_it_lacks_in_the_order_of_the_log() {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = Settings { retention: Retention::default(), ..small(folder.path()) };
    let bench = Bench::open(settings.clone());
    (1..=30).for_each(|index| bench.append(runs(index, &[1, 2])));
    bench.append(Applied { index: 33, rows: Vec::new() });
    bench.sync();
    let other = tempfile::tempdir().expect("a folder");
    let second = Bench::open(Settings { folder: other.path().into(), ..settings });
    let mut have = 4;
    while have < 33 {
        let (entries, up_to) = bench.history.after(have, 500).expect("an answer");
        assert!(up_to > have);
        entries.into_iter().for_each(|applied| second.append(applied));
        have = up_to;
    }
    second.sync();
    assert_eq!(second.indexes(2), (5..=30).rev().collect::<Vec<u64>>());
    second.close();
    bench.close();
}
