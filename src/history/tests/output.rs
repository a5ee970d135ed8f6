//! Outputs.

use super::*;
use dkron_core::limits::OUTPUT_BYTES_MAX;

#[test]
fn an_output_is_there_once_acknowledged_and_after_a_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    for round in 0u32..3 {
        let bench = Bench::open(Settings { segment_bytes: 20_000, ..Settings::new(folder.path()) });
        for number in 0..20 {
            let bytes = vec![number as u8; 1_000 * number as usize + 1];
            bench.put_output(id(round.into(), number), bytes, number % 2 == 0).expect("it is stored");
        }
        for (earlier, number) in (0..=round).flat_map(|earlier| (0..20).map(move |number| (earlier, number)))
        {
            let output =
                bench.history.output(id(earlier.into(), number)).expect("it reads").expect("it is there");
            assert_eq!(output.bytes, vec![number as u8; 1_000 * number as usize + 1]);
            assert_eq!(output.cut, number % 2 == 0);
        }
        bench.close();
    }
}

#[test]
fn an_output_above_the_bound_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let bench = Bench::open(Settings::new(folder.path()));
    let refused = bench.put_output(id(1, 1), vec![0; OUTPUT_BYTES_MAX + 1], false);
    assert!(matches!(refused, Err(crate::history::Error::OutputTooLarge { .. })));
    bench.put_output(id(1, 1), vec![0; OUTPUT_BYTES_MAX], true).expect("the largest is stored");
    bench.close();
}

#[test]
fn an_output_goes_with_its_row_and_its_bytes_are_given_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = Settings { segment_bytes: 8_192, ..small(folder.path()) };
    let bench = Bench::open(settings.clone());
    for index in 1..=100 {
        bench.put_output(id(index, 0), vec![index as u8; 1_000], false).expect("it is stored");
        bench.append(runs(index, &[1]));
    }
    bench.sync();
    let there = |bench: &Bench, index| bench.history.output(id(index, 0)).expect("it reads").is_some();
    bench.tick_until(Time::EPOCH, || (1..=40).all(|index| !there(&bench, index)));
    assert!((96..=100).all(|index| there(&bench, index)), "outputs of rows that are kept are kept");
    let size = || -> u64 {
        let paths = files(&folder.path().join("outputs"), "outputs");
        paths.iter().map(|path| std::fs::metadata(path).map_or(0, |data| data.len())).sum()
    };
    bench.tick_until(Time::EPOCH, || size() < 80_000);
    bench.close();
    let bench = Bench::open(settings);
    assert!((1..=40).all(|index| !there(&bench, index)), "what was forgotten stays so");
    assert!((96..=100).all(|index| there(&bench, index)));
    bench.close();
}

#[test]
fn above_the_bound_the_oldest_outputs_go_first() {
    let folder = tempfile::tempdir().expect("a folder");
    let retention = Retention { output_bytes: 50_000, ..Retention::default() };
    let bench = Bench::open(Settings { segment_bytes: 10_000, retention, ..Settings::new(folder.path()) });
    for index in 1..=200 {
        bench.put_output(id(index, 0), vec![1; 1_000], false).expect("it is stored");
    }
    let kept: Vec<u64> =
        (1..=200).filter(|&index| bench.history.output(id(index, 0)).expect("it reads").is_some()).collect();
    assert_eq!(kept, (201 - kept.len() as u64..=200).collect::<Vec<u64>>(), "only the newest");
    assert!((45..75).contains(&kept.len()), "{}", kept.len());
    bench.close();
}

impl Bench {
    fn forget(&self, numbers: std::ops::RangeInclusive<u64>) {
        let ids = numbers.map(|number| id(number, 0)).collect();
        let message = crate::history::outputs::OutputMessage::Forget(ids);
        self.history.outputs.blocking_send(message).expect("it is taken");
    }

    fn put_some(&self, numbers: std::ops::RangeInclusive<u64>) {
        numbers
            .for_each(|number| self.put_output(id(number, 0), vec![7; 1_000], false).expect("it is stored"));
    }

    fn has_output(&self, number: u64) -> bool {
        self.history.output(id(number, 0)).expect("it reads").is_some()
    }
}

#[test]
fn a_younger_file_never_goes_before_an_older_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let retention = Retention { output_bytes: 10_000, ..Retention::default() };
    let bench = Bench::open(Settings { segment_bytes: 10_000, retention, ..Settings::new(folder.path()) });
    bench.put_some(1..=10);
    bench.put_some(11..=17);
    bench.forget(11..=17);
    bench.put_some(18..=22);
    assert!(
        (18..=22).all(|number| bench.has_output(number)),
        "the small second file stays as long as the first"
    );
    bench.close();
}

#[test]
fn a_note_that_an_output_is_unwanted_outlives_the_rewriting_of_its_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = Settings { segment_bytes: 10_000, ..Settings::new(folder.path()) };
    let bench = Bench::open(settings.clone());
    bench.put_some(1..=10);
    bench.forget(1..=1);
    bench.put_some(11..=18);
    bench.forget(11..=17);
    bench.put_some(19..=30);
    let size =
        || std::fs::metadata(folder.path().join("outputs/00000002.outputs")).map_or(0, |data| data.len());
    for number in 31..=60 {
        bench.put_some(number..=number);
        bench.forget(number..=number);
    }
    assert!(size() < 5_000, "the second file is rewritten: {}", size());
    bench.close();
    let bench = Bench::open(settings);
    assert!(!bench.has_output(1));
    assert!((2..=10).all(|number| bench.has_output(number)));
    bench.close();
}
