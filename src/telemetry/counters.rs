//! What is counted, and how the counts are shown: `/metrics`, in the text format of Prometheus.
//!
//! Counted from the start of the process. One place names all, so that a name is never given twice.

use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};

/// A number that only grows.
#[derive(Debug)]
pub struct Counter {
    name: &'static str,
    help: &'static str,
    value: AtomicU64,
}

impl Counter {
    const fn new(name: &'static str, help: &'static str) -> Counter {
        Counter { name, help, value: AtomicU64::new(0) }
    }

    /// Adds to it.
    pub fn add(&self, count: u64) {
        self.value.fetch_add(count, Ordering::Relaxed);
    }

    /// What it has come to.
    pub fn value(&self) -> u64 {
        self.value.load(Ordering::Relaxed)
    }
}

/// Times that the log was forced to the disk.
pub static LOG_SYNCS: Counter =
    Counter::new("dkron_log_syncs_total", "Times that the log was forced to the disk.");
/// Bytes of log records, before the database that keeps them adds its own.
pub static LOG_BYTES: Counter = Counter::new("dkron_log_bytes_total", "Bytes of log records written.");
/// Times that the history was forced to the disk.
pub static HISTORY_SYNCS: Counter =
    Counter::new("dkron_history_syncs_total", "Times that rows of the history were forced to the disk.");
/// Bytes of the history's rows.
pub static HISTORY_BYTES: Counter =
    Counter::new("dkron_history_bytes_total", "Bytes of rows of the history written.");
/// Times that the agent's journal was forced to the disk.
pub static JOURNAL_SYNCS: Counter =
    Counter::new("dkron_journal_syncs_total", "Times that the agent's journal was forced to the disk.");
/// Bytes of the agent's journal.
pub static JOURNAL_BYTES: Counter =
    Counter::new("dkron_journal_bytes_total", "Bytes of the agent's journal written.");

/// Every counter there is.
static ALL: [&Counter; 6] =
    [&LOG_SYNCS, &LOG_BYTES, &HISTORY_SYNCS, &HISTORY_BYTES, &JOURNAL_SYNCS, &JOURNAL_BYTES];

/// All of them as text.
pub fn exposition() -> String {
    let mut text = String::new();
    for counter in ALL {
        let (Counter { name, help, .. }, value) = (counter, counter.value());
        // Writing to a text cannot fail.
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} counter\n{name} {value}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_name_is_there_once_and_well_formed() {
        let names: BTreeSet<&str> = ALL.iter().map(|counter| counter.name).collect();
        assert_eq!(names.len(), ALL.len());
        assert!(names.iter().all(|name| name.starts_with("dkron_") && name.ends_with("_total")));
    }

    #[test]
    fn a_count_is_shown_with_its_help_and_type() {
        LOG_BYTES.add(0);
        let text = exposition();
        assert!(text.contains("# TYPE dkron_log_bytes_total counter\ndkron_log_bytes_total "), "{text}");
        assert_eq!(text.lines().count(), 3 * ALL.len());
    }
}
