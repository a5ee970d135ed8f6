//! Torn ends and changed bytes.

use super::*;

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for item in std::fs::read_dir(from).expect("a list") {
        let path = item.expect("an item").path();
        if path.is_file() {
            std::fs::copy(&path, to.join(path.file_name().expect("a name"))).expect("a copy");
        }
    }
}

fn unbounded(folder: &Path) -> Settings {
    Settings { segment_bytes: 1 << 20, retention: Retention::default(), ..Settings::new(folder) }
}

#[test]
fn an_end_torn_at_any_byte_gives_a_whole_prefix_and_a_replay_the_rest() {
    let folder = tempfile::tempdir().expect("a folder");
    let bench = Bench::open(unbounded(folder.path()));
    for index in 1..=6 {
        bench.append(runs(index, &[1, 2]));
        bench.sync();
    }
    bench.close();
    let newest = files(folder.path(), "rows").pop().expect("a segment");
    let length = std::fs::metadata(&newest).expect("a length").len();
    for cut in (0..1_200).step_by(3).chain(1_200..1_203) {
        let torn = tempfile::tempdir().expect("a folder");
        copy(folder.path(), torn.path());
        let file = torn.path().join(newest.file_name().expect("a name"));
        let file = std::fs::OpenOptions::new().write(true).open(file).expect("it opens");
        file.set_len(length - cut).expect("it is cut");
        let bench = Bench::open(unbounded(torn.path()));
        let have = *bench.history.synced().borrow();
        assert_eq!(bench.indexes(1), (1..=have).rev().collect::<Vec<u64>>(), "{cut} bytes short");
        assert_eq!(bench.indexes(2), bench.indexes(1));
        (1..=6).for_each(|index| bench.append(runs(index, &[1, 2])));
        bench.sync();
        assert_eq!(bench.indexes(2), [6, 5, 4, 3, 2, 1], "{cut} bytes short");
        assert_eq!(bench.history.certain_after(), 0);
        bench.close();
    }
}

/// Changes one byte in the middle of the frame that has the row of `index`.
fn spoil(path: &Path, index: u64) {
    let mut bytes = std::fs::read(path).expect("it reads");
    let mark = [index as u8; 40];
    let at = bytes.windows(40).position(|window| window == mark).expect("the row's tail");
    bytes[at + 20] ^= 0xff;
    std::fs::write(path, bytes).expect("it is written");
}

#[test]
fn damage_in_the_middle_of_the_open_segment_costs_one_row_and_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let bench = Bench::open(unbounded(folder.path()));
    for index in 101..=112 {
        bench.append(runs(index, &[1]));
        bench.sync();
    }
    bench.close();
    spoil(&files(folder.path(), "rows")[0], 105);
    let bench = Bench::open(unbounded(folder.path()));
    assert_eq!(*bench.history.synced().borrow(), 112);
    assert_eq!(bench.indexes(1), [112, 111, 110, 109, 108, 107, 106, 104, 103, 102, 101]);
    assert!(bench.history.certain_after() >= 105, "{}", bench.history.certain_after());
    assert_eq!(files(&folder.path().join("damaged"), "rows").len(), 1);
    bench.append(runs(113, &[1]));
    bench.sync();
    assert_eq!(bench.indexes(1)[0], 113);
    bench.close();
    let bench = Bench::open(unbounded(folder.path()));
    assert!(bench.history.certain_after() >= 105, "it is remembered");
    assert_eq!(bench.indexes(1).len(), 12);
    bench.close();
}

#[test]
fn damage_in_the_last_batch_is_cut_off_because_the_log_has_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let bench = Bench::open(unbounded(folder.path()));
    for index in 101..=104 {
        bench.append(runs(index, &[1]));
        bench.sync();
    }
    bench.close();
    spoil(&files(folder.path(), "rows")[0], 104);
    let bench = Bench::open(unbounded(folder.path()));
    assert_eq!(*bench.history.synced().borrow(), 103);
    assert_eq!(bench.history.certain_after(), 0);
    bench.append(runs(104, &[1]));
    bench.sync();
    assert_eq!(bench.indexes(1), [104, 103, 102, 101]);
    bench.close();
}

#[test]
fn a_damaged_row_of_a_closed_segment_is_passed_over_and_the_segment_mended() {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = Settings { segment_bytes: 1_024, ..unbounded(folder.path()) };
    let bench = Bench::open(settings.clone());
    for index in 101..=130 {
        bench.append(runs(index, &[1]));
        bench.sync();
    }
    spoil(&files(folder.path(), "rows")[0], 102);
    let wanted: Vec<u64> = (101..=130).rev().filter(|&index| index != 102).collect();
    assert_eq!(bench.indexes(1), wanted);
    bench.tick_until(Time::EPOCH, || bench.history.certain_after() >= 102);
    assert_eq!(bench.indexes(1), wanted, "the chain goes on behind the lost row");
    assert_eq!(files(&folder.path().join("damaged"), "rows").len(), 1);
    bench.close();
    let bench = Bench::open(settings);
    assert_eq!(bench.indexes(1), wanted);
    bench.close();
}

#[test]
fn a_damaged_directory_is_made_anew_and_nothing_is_lost() {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = Settings { segment_bytes: 1_024, ..unbounded(folder.path()) };
    let bench = Bench::open(settings.clone());
    for index in 101..=130 {
        bench.append(runs(index, &[1]));
        bench.sync();
    }
    bench.close();
    for (number, back) in [300, 50].into_iter().enumerate() {
        let path = &files(folder.path(), "rows")[number];
        let mut bytes = std::fs::read(path).expect("it reads");
        let at = bytes.len() - back;
        bytes[at] ^= 1;
        std::fs::write(path, bytes).expect("it is written");
    }
    let bench = Bench::open(settings);
    assert_eq!(bench.indexes(1), (101..=130).rev().collect::<Vec<u64>>());
    assert_eq!(bench.history.certain_after(), 0);
    bench.close();
}

#[test]
fn what_is_cut_off_does_not_come_back_behind_a_shorter_batch() {
    let folder = tempfile::tempdir().expect("a folder");
    let bench = Bench::open(unbounded(folder.path()));
    bench.append(runs(101, &[1]));
    bench.sync();
    let applied =
        Applied { index: 102, rows: runs(102, &[2]).rows.into_iter().chain(runs(103, &[3]).rows).collect() };
    bench.append(applied);
    bench.sync();
    bench.close();
    spoil(&files(folder.path(), "rows")[0], 102);
    for _ in 0..2 {
        let bench = Bench::open(unbounded(folder.path()));
        bench.append(Applied { index: 102, rows: Vec::new() });
        bench.sync();
        assert_eq!(*bench.history.synced().borrow(), 102);
        assert!(bench.indexes(3).is_empty());
        bench.close();
    }
    assert!(!folder.path().join("damaged").exists());
}
