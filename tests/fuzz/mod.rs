//! Fuzzing on stable Rust, from a kept corpus: what a client, a peer, a disk or an operator may hand in, damaged in
//! every way that chance finds, against what must hold for it.
//!
//! Each test takes every file of `tests/data/corpus/NAME` as it is, then what the mutations make of them. What comes
//! out in a way not seen before (another error, another kind of value, another answer) joins the inputs that are
//! mutated further: that guides the search where a compiler's counters would, and needs no tool.
//!
//! In CI the seed and the number of rounds are fixed, so that a run can be had again. To look for longer:
//!
//! ```sh
//! FUZZ_SECONDS=600 FUZZ_KEEP=1 cargo test --release --test integration fuzz -- --nocapture --test-threads 2
//! ```
//!
//! Then the seed comes from the clock and is printed, and with `FUZZ_KEEP` new finds are kept in the corpus.
//! `FUZZ_SEED` and `FUZZ_ROUNDS` set either by hand. An input that breaks a promise is cut down, written into the
//! corpus as `broken-HASH`, and stays there: from then on every run begins with it.

mod chance;
mod chunks;
mod configs;
mod engine;
mod entries;
mod jobs;
mod journals;
mod messages;
mod schedules;
mod snapshots;
mod world;

#[path = "../../src/core/tests/sim/indexes.rs"]
mod indexes;

#[test]
fn schedules_of_any_text_are_refused_or_go_forward() {
    engine::fuzz(&schedules::TARGET);
}

#[test]
fn jobs_of_any_json_are_refused_or_come_back_as_they_are() {
    engine::fuzz(&jobs::TARGET);
}

#[test]
fn log_entries_of_any_bytes_are_refused_or_applied_alike_everywhere() {
    engine::fuzz(&entries::TARGET);
}

#[test]
fn snapshots_of_any_bytes_are_refused_or_read_as_one_state() {
    engine::fuzz(&snapshots::TARGET);
}

#[test]
fn journals_of_any_bytes_are_refused_or_replayed_to_one_memory() {
    engine::fuzz(&journals::TARGET);
}

#[test]
fn messages_of_any_bytes_are_refused_or_say_the_same_again() {
    engine::fuzz(&messages::TARGET);
}

#[test]
fn settings_of_any_text_are_refused_by_name_or_mean_the_same_again() {
    engine::fuzz(&configs::TARGET);
}
