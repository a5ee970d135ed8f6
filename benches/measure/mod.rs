//! What the benches share: how a number is measured and printed, and a fleet of jobs to measure with.
//!
//! Every bench prints what the machine itself does first: the numbers of two machines, or of one machine on a
//! busy and on a quiet day, are compared by their ratios to that.

#![allow(dead_code, unreachable_pub, reason = "each bench takes what it needs")]

pub mod fleet;

use dkron::clock::monotonic;
use std::collections::BTreeMap;
use std::fs;
use std::hint::black_box;
use std::time::Duration;

/// Runs it, and says how long it took.
pub fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let start = monotonic();
    let result = work();
    (result, start.elapsed())
}

/// Prints the machine: its cores, its load, and what one of its cores does.
pub fn print_machine() {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').take(3).collect::<Vec<_>>().join(" ");
    println!("{cores} cores, load average {load}");
    row("raw: inserts into a map of a million numbers", rate(1_000_000, raw_inserts()), "");
}

/// A million numbers in no order into a map: memory and branches, as most of what is measured here.
fn raw_inserts() -> Duration {
    let scattered = (0..1_000_000u64).map(|number| number.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    timed(|| black_box(scattered.map(|number| (number, number)).collect::<BTreeMap<u64, u64>>().len())).1
}

/// Prints one line of a bench's table.
pub fn row(what: &str, value: impl std::fmt::Display, goal: &str) {
    let goal = if goal.is_empty() { String::new() } else { format!("goal {goal}") };
    println!("{what:<62} {:>16}   {goal}", value.to_string());
}

/// How many a second.
pub fn rate(count: usize, time: Duration) -> String {
    let rate = count as f64 / time.as_secs_f64();
    match rate {
        _ if rate >= 1e6 => format!("{:.2} M/s", rate / 1e6),
        _ if rate >= 1e4 => format!("{:.0} k/s", rate / 1e3),
        _ => format!("{rate:.0} /s"),
    }
}

/// A time in milliseconds.
pub fn millis(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1e3)
}

/// A size in MiB.
pub fn mebibytes(bytes: u64) -> String {
    format!("{:.0} MiB", bytes as f64 / f64::from(1 << 20))
}

/// This process's memory, now.
pub fn resident_bytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kibibytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kibibytes.unwrap_or(0) * 1024
}
