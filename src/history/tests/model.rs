//! Random histories against a model that keeps everything in memory.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

#[derive(Clone, Debug)]
enum Step {
    Append(Vec<(u8, bool)>),
    Erase(u8),
    Empty(u8),
    Tick,
    Reopen,
    Tear(u16),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => prop::collection::vec((0u8..6, any::<bool>()), 1..12).prop_map(Step::Append),
        2 => (0u8..6).prop_map(Step::Erase),
        1 => (1u8..9).prop_map(Step::Empty),
        3 => Just(Step::Tick),
        1 => Just(Step::Reopen),
        1 => (0u16..600).prop_map(Step::Tear),
    ]
}

#[derive(Default)]
struct Model {
    log: Vec<Applied>,
    runs: BTreeMap<u128, Vec<Finished>>,
    skips: BTreeMap<u128, Vec<Skipped>>,
    index: u64,
}

impl Model {
    fn entry(&mut self, rows: Vec<HistoryRow>) -> Applied {
        self.index += 1;
        for row in &rows {
            match row {
                HistoryRow::Finished(run) => self.runs.entry(run.job.0).or_default().push(run.clone()),
                HistoryRow::Skipped(skip) => self.skips.entry(skip.job.0).or_default().push(skip.clone()),
                HistoryRow::Erased { job } => {
                    self.runs.remove(&job.0);
                    self.skips.remove(&job.0);
                }
            }
        }
        let applied = Applied { index: self.index, rows };
        self.log.push(applied.clone());
        applied
    }

    fn newest<T: Clone>(rows: Option<&Vec<T>>, bound: usize) -> Vec<T> {
        rows.map_or(Vec::new(), |rows| rows.iter().rev().take(bound).cloned().collect())
    }

    fn compare(&self, bench: &Bench) -> Result<(), TestCaseError> {
        let mut all = Vec::new();
        for job in 0..6 {
            let runs = Model::newest(self.runs.get(&job), 5);
            prop_assert_eq!(&bench.history.list(JobUid(job), &Page::newest(100)).rows, &runs);
            prop_assert_eq!(bench.history.count(JobUid(job)), runs.len());
            let up = Page { order: crate::history::Order::OldestFirst, ..Page::newest(100) };
            let mut rising = bench.history.list(JobUid(job), &up).rows;
            rising.reverse();
            prop_assert_eq!(&rising, &runs);
            let skips = Model::newest(self.skips.get(&job), 3);
            prop_assert_eq!(bench.history.skips(JobUid(job), &Page::newest(100)).rows, skips);
            all.extend(runs);
        }
        all.sort_by_key(|run| std::cmp::Reverse(run.execution));
        let filter = crate::history::Filter::default();
        prop_assert_eq!(bench.history.search(&filter, None, 1_000, 100_000).rows, all);
        prop_assert_eq!(bench.history.certain_after(), 0);
        Ok(())
    }
}

/// Cuts bytes off the newest segment, as a crash before their sync would.
fn tear(folder: &Path, bytes: u64) {
    let newest = files(folder, "rows").pop().expect("a segment");
    let file = std::fs::OpenOptions::new().write(true).open(&newest).expect("it opens");
    let length = file.metadata().expect("a length").len();
    file.set_len(length.saturating_sub(bytes)).expect("it is cut");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn the_store_shows_what_the_model_keeps(steps in prop::collection::vec(step(), 1..60)) {
        let folder = tempfile::tempdir().expect("a folder");
        let mut model = Model::default();
        let mut bench = Bench::open(small(folder.path()));
        for step in steps {
            match step {
                Step::Append(what) => {
                    let index = model.index + 1;
                    let row = |(place, (job, skipped)): (usize, (u8, bool))| match skipped {
                        true => HistoryRow::Skipped(skip(job.into(), index)),
                        false => HistoryRow::Finished(run(job.into(), index, place as u32)),
                    };
                    let rows = what.into_iter().enumerate().map(row).collect();
                    bench.append(model.entry(rows));
                }
                Step::Erase(job) => {
                    let rows = vec![HistoryRow::Erased { job: JobUid(job.into()) }];
                    bench.append(model.entry(rows));
                }
                Step::Empty(count) => (0..count).for_each(|_| bench.append(model.entry(Vec::new()))),
                Step::Tick => bench.tick(Time::EPOCH),
                Step::Reopen => {
                    bench.close();
                    bench = Bench::open(small(folder.path()));
                }
                Step::Tear(bytes) => {
                    bench.close();
                    tear(folder.path(), bytes.into());
                    bench = Bench::open(small(folder.path()));
                    prop_assert!(*bench.history.synced().borrow() <= model.index);
                    for applied in &model.log {
                        bench.append(applied.clone());
                    }
                }
            }
            bench.sync();
            prop_assert_eq!(*bench.history.synced().borrow(), model.index);
            model.compare(&bench)?;
        }
        bench.close();
    }
}
