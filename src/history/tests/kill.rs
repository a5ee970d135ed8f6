//! What was published as durable is there after a kill -9 of the process that wrote it.

use super::*;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

const FOLDER: &str = "DKRON_TEST_HISTORY_FOLDER";

/// The child: writes for ever and says what is synced. Does nothing when run as a test.
#[test]
fn a_child_that_writes_until_it_is_killed() {
    let Ok(folder) = std::env::var(FOLDER) else { return };
    let bench = Bench::open(Settings { segment_bytes: 64 << 10, ..Settings::new(folder) });
    let first = *bench.history.synced().borrow() + 1;
    let synced = bench.history.synced();
    let output = bench.history.clone();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        for number in first.. {
            let stored = output.put_output(id(number, 9), vec![number as u8; 5_000], false);
            if runtime.block_on(stored).is_ok() {
                println!("output {number}");
            }
        }
    });
    for index in first.. {
        bench.append(runs(index, &[1, 2, u128::from(index)]));
        if index % 50 == 0 {
            bench.appender.tick_now();
        }
        println!("synced {}", *synced.borrow());
    }
}

impl Appender {
    fn tick_now(&self) {
        self.queue.blocking_send(super::super::writer::Message::Tick(Time::EPOCH)).expect("it is taken");
    }
}

#[test]
fn what_was_published_survives_a_kill() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut last_output = 0;
    for round in 0..6 {
        let mut child = Command::new(std::env::current_exe().expect("this binary"))
            .args(["--exact", "history::tests::kill::a_child_that_writes_until_it_is_killed", "--nocapture"])
            .env(FOLDER, folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a child");
        let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
        let (mut synced, wanted) = (0, (round + 1) * 700);
        let mut take = |line: String| match line.split_once(' ') {
            Some(("synced", number)) => {
                synced = number.parse::<u64>().unwrap_or(synced).max(synced);
                Some(synced)
            }
            Some(("output", number)) => {
                last_output = number.parse::<u64>().unwrap_or(last_output);
                None
            }
            _ => None,
        };
        while let Some(Ok(line)) = lines.next() {
            if let Some(number) = take(line).filter(|&synced| synced >= wanted) {
                assert!(number >= wanted);
                break;
            }
        }
        child.kill().expect("it is killed");
        lines.map_while(Result::ok).for_each(|line| {
            take(line);
        });
        child.wait().expect("it ends");
        let bench = Bench::open(Settings { segment_bytes: 64 << 10, ..Settings::new(folder.path()) });
        let have = *bench.history.synced().borrow();
        assert!(have >= synced, "published {synced}, found {have}");
        assert_eq!(bench.indexes(1), (1..=have).rev().take(100).collect::<Vec<u64>>());
        assert_eq!(bench.indexes(u128::from(have)), [have]);
        assert_eq!(bench.history.certain_after(), 0);
        let output = bench.history.output(id(last_output, 9)).expect("it reads");
        assert_eq!(output.map(|output| output.bytes), Some(vec![last_output as u8; 5_000]));
        bench.close();
    }
}
