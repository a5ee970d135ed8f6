//! What is dropped, and that nothing else is.

use super::*;
use crate::history::Filter;
use dkron_core::time::Span;

fn with(folder: &Path, retention: Retention) -> Settings {
    Settings { segment_bytes: 2_048, retention, ..Settings::new(folder) }
}

fn rows(folder: &Path) -> u64 {
    files(folder, "rows").iter().map(|path| std::fs::metadata(path).map_or(0, |data| data.len())).sum()
}

#[test]
fn rows_beyond_the_age_are_gone_at_the_tick_and_their_bytes_soon() {
    let folder = tempfile::tempdir().expect("a folder");
    let retention = Retention { age: Some(Span::from_seconds(50)), ..Retention::default() };
    let bench = Bench::open(with(folder.path(), retention));
    for index in 1..=100 {
        bench.append(runs(index, &[1, 2]));
        bench.sync();
    }
    let before = rows(folder.path());
    // A row of index n ended at second n + 1.
    let now = Time::from_seconds(1_700_000_101);
    bench.tick(now);
    assert_eq!(bench.indexes(1), (50..=100).rev().collect::<Vec<u64>>());
    bench.tick_until(now, || rows(folder.path()) < before * 2 / 3);
    assert_eq!(bench.indexes(2), (50..=100).rev().collect::<Vec<u64>>());
    bench.tick_until(Time::from_seconds(1_800_000_000), || rows(folder.path()) < 3_000);
    assert!(bench.indexes(1).is_empty());
    bench.close();
}

#[test]
fn above_the_rows_in_all_the_oldest_segments_go() {
    let folder = tempfile::tempdir().expect("a folder");
    let retention = Retention { rows: Some(50), ..Retention::default() };
    let bench = Bench::open(with(folder.path(), retention));
    for index in 1..=200 {
        bench.append(runs(index, &[u128::from(index % 9)]));
        bench.sync();
    }
    let all = || bench.history.search(&Filter::default(), None, 1_000, 10_000).rows;
    bench.tick_until(Time::EPOCH, || all().len() < 80);
    let found: Vec<u64> = all().iter().map(|run| run.execution.occurrence.index).collect();
    assert!(found.len() >= 50);
    assert_eq!(found, (201 - found.len() as u64..=200).rev().collect::<Vec<u64>>());
    bench.close();
}

#[test]
fn a_job_is_bounded_in_bytes_with_the_outputs_that_came_before_their_rows() {
    let folder = tempfile::tempdir().expect("a folder");
    let retention = Retention { bytes_per_job: Some(10_000), ..Retention::default() };
    let bench = Bench::open(with(folder.path(), retention));
    for index in 1..=30 {
        bench.put_output(id(index, 0), vec![1; 2_000], false).expect("it is stored");
        bench.append(runs(index, &[1, 2]));
        bench.sync();
    }
    assert_eq!(bench.indexes(1), [30, 29, 28, 27, 26], "2.2 kB each, exact to one");
    assert_eq!(bench.indexes(2).len(), 30, "no output, no weight");
    bench.close();
}

#[test]
fn a_busy_job_does_not_push_out_a_quiet_one_and_the_disk_stays_bounded() {
    let folder = tempfile::tempdir().expect("a folder");
    let bench = Bench::open(small(folder.path()));
    bench.append(runs(1, &[7]));
    for index in 2..=2_000 {
        bench.append(runs(index, &[1]));
        if index % 20 == 0 {
            bench.tick(Time::EPOCH);
        }
    }
    bench.tick_until(Time::EPOCH, || rows(folder.path()) < 12_000);
    assert_eq!(bench.indexes(7), [1]);
    assert_eq!(bench.indexes(1), [2_000, 1_999, 1_998, 1_997, 1_996]);
    bench.close();
    let bench = Bench::open(small(folder.path()));
    assert_eq!(bench.indexes(7), [1]);
    assert_eq!(bench.indexes(1).len(), 5);
    bench.close();
}

#[test]
fn an_erased_job_stays_erased_after_its_tombstone_is_dropped() {
    let folder = tempfile::tempdir().expect("a folder");
    let bench = Bench::open(small(folder.path()));
    (1..=20).for_each(|index| bench.append(runs(index, &[1, 2, 3])));
    bench.append(erase(21, 1));
    (22..=60).for_each(|index| bench.append(runs(index, &[2])));
    bench.sync();
    for _ in 0..60 {
        bench.tick(Time::EPOCH);
    }
    bench.close();
    files(folder.path(), "heads").iter().for_each(|path| std::fs::remove_file(path).expect("it goes"));
    let bench = Bench::open(small(folder.path()));
    assert!(bench.indexes(1).is_empty());
    assert_eq!(bench.indexes(3), [20, 19, 18, 17, 16]);
    bench.close();
}

#[test]
fn a_tombstone_stays_while_an_older_segment_has_rows_that_it_erases() {
    let folder = tempfile::tempdir().expect("a folder");
    let bench = Bench::open(small(folder.path()));
    // The first segment stays as it is: nearly all of it lives.
    (1..=40).for_each(|index| {
        bench.append(runs(index, &[if index == 20 { 1 } else { 100 + u128::from(index) }]))
    });
    bench.sync();
    // The tombstone's segment is rewritten: nearly all of it is dead.
    bench.append(erase(41, 1));
    for index in 42..=200 {
        bench.append(runs(index, &[2]));
        bench.sync();
    }
    bench.tick_until(Time::EPOCH, || rows(folder.path()) < 25_000);
    bench.close();
    let first = std::fs::read(&files(folder.path(), "rows")[0]).expect("it reads");
    assert!(first.windows(40).any(|window| window == [20; 40]), "the erased row is still on disk");
    files(folder.path(), "heads").iter().for_each(|path| std::fs::remove_file(path).expect("it goes"));
    let bench = Bench::open(small(folder.path()));
    assert!(bench.indexes(1).is_empty());
    assert_eq!(bench.indexes(119), [19]);
    bench.close();
}
