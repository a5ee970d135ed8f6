//! Holds the schedule engine to 3,428 answers of the parser that Dkron uses.
//!
//! `data/schedule-golden.tsv` has a row for each: zone, from (Unix seconds), expression, the next six
//! fires or `ERR`, `none`, `HANG`, `PANIC`, and in a fifth column the right answer where Dkron's is
//! wrong. `data/schedule-exceptions.tsv` lists expressions that Dkron refuses and that are accepted here
//! on purpose, each with the form that is beyond Dkron. `data/schedule-corrections.tsv` replaces answers
//! that the table has wrong: it was made with older zone data, in which Morocco still changes its clocks
//! after 2026, and one row misses a fire. The oracle test checks each correction by trying every
//! minute. No other row may differ.

use std::collections::{BTreeMap, BTreeSet};

use dkron_core::schedule::{Dst, Timing, Zone, parse};
use dkron_core::time::Time;

const GOLDEN: &str = include_str!("data/schedule-golden.tsv");
const CORRECTIONS: &str = include_str!("data/schedule-corrections.tsv");
const EXCEPTIONS: &str = include_str!("data/schedule-exceptions.tsv");

/// What the engine says to a row, in the words of the table.
fn answer(zone: &str, from: i64, expression: &str) -> String {
    let Ok(parsed) = parse(expression, "job") else { return "ERR".to_owned() };
    let zone = parsed.zone.unwrap_or_else(|| Zone::lookup(zone).expect("a zone of the table"));
    let anchor = Time::from_seconds(from);
    let timing = Timing { schedule: &parsed.schedule, zone, dst: Dst::Dkron, anchor };
    let fires: Vec<String> = std::iter::successors(timing.next(anchor), |fire| timing.next(*fire))
        .take(6)
        .map(|fire| fire.seconds().to_string())
        .collect();
    if fires.is_empty() { "none".to_owned() } else { fires.join(",") }
}

/// Whether an expression is of the kind that an exception claims for it.
fn is_of_kind(kind: &str, expression: &str) -> bool {
    let fields: Vec<&str> = expression.split_whitespace().collect();
    let day_fields = fields.get(3).into_iter().chain(fields.get(5));
    match kind {
        "five fields" => fields.len() == 5,
        "L" | "W" | "#" => fields.len() == 6 && day_fields.into_iter().any(|field| field.contains(kind)),
        _ => false,
    }
}

/// The listed exceptions: zone, from and expression as they stand in the table.
fn exceptions() -> BTreeSet<&'static str> {
    let mut exceptions = BTreeSet::new();
    for line in EXCEPTIONS.lines() {
        let (row, kind) = line.rsplit_once('\t').expect("an exception ends with its kind");
        let expression = row.rsplit('\t').next().unwrap_or_default();
        assert!(is_of_kind(kind, expression), "no exception of kind {kind:?}: {expression:?}");
        assert!(exceptions.insert(row), "listed twice: {row}");
    }
    exceptions
}

/// The corrected answers by zone, from and expression.
fn corrections() -> BTreeMap<String, &'static str> {
    let mut corrections = BTreeMap::new();
    for line in CORRECTIONS.lines() {
        let columns: Vec<&str> = line.split('\t').collect();
        let [zone, from, expression, fires, reason] = columns[..] else { panic!("five columns: {line:?}") };
        let is_known = match reason {
            "zone data" => matches!(zone, "Africa/Casablanca" | "Africa/El_Aaiun"),
            reason => reason == "wrong",
        };
        assert!(is_known, "no reason for a correction: {line}");
        let row = format!("{zone}\t{from}\t{expression}");
        assert!(corrections.insert(row, fires).is_none(), "listed twice: {line}");
    }
    corrections
}

#[test]
fn every_golden_row_holds_or_is_a_listed_extension_or_correction() {
    let (mut exceptions, mut corrections) = (exceptions(), corrections());
    let mut failures = Vec::new();
    for line in GOLDEN.lines() {
        let columns: Vec<&str> = line.split('\t').collect();
        let [zone, from, expression, dkron, right] = columns[..] else { panic!("five columns: {line:?}") };
        let row = format!("{zone}\t{from}\t{expression}");
        let mut expected = match (dkron, right) {
            ("PANIC", "") => "ERR",
            (_, "") => dkron,
            _ => right,
        };
        if let Some(corrected) = corrections.remove(&row) {
            assert_ne!(corrected, expected, "a correction that changes nothing: {line}");
            expected = corrected;
        }
        let got = answer(zone, from.parse().expect("seconds"), &expression.replace("\\t", "\t"));
        let holds = match exceptions.remove(row.as_str()) {
            true => expected == "ERR" && got != "ERR",
            false => got == expected,
        };
        if !holds {
            failures.push(format!("{line}\n    gives {got}"));
        }
    }
    assert_eq!(GOLDEN.lines().count(), 3428);
    assert!(failures.is_empty(), "{} rows differ:\n{}", failures.len(), failures.join("\n"));
    assert!(exceptions.is_empty(), "exceptions that are not rows of the table: {exceptions:?}");
    assert!(corrections.is_empty(), "corrections that are not rows of the table: {corrections:?}");
}
