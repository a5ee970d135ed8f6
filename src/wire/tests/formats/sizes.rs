//! The log grows by a few bytes for each launch: at 1,000 launches a second every byte is 86 MB a day.

use crate::values::{self, NOW};
use dkron_core::command::{Action, Batch, Command, Decision, DecisionKind, Event, Report};
use dkron_core::execution::{Outcome, Verdict};
use dkron_core::ids::Stamp;
use dkron_core::ids::{
    ClusterId, ExecutionId, ExecutionRef, Incarnation, JobSlot, NodeSlot, OccurrenceRef, Origin,
};
use dkron_core::time::{Span, Time};
use dkron_wire::entry::encode_batch;

/// A number that looks random and is always the same.
fn noise(seed: u64, below: u64) -> u64 {
    xorshift(seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15)) % below
}

fn xorshift(mut number: u64) -> u64 {
    for (left, right) in [(13, 7), (17, 5)] {
        number ^= number << left;
        number ^= number >> right;
    }
    number
}

/// Starts of a fleet of a million jobs on a thousand nodes, in no order of their slots.
fn starts(count: u64) -> Action {
    let start = |number: u64| {
        let every = [60, 60, 60, 300, 3_600][noise(number, 5) as usize];
        Decision {
            job: JobSlot(noise(number, 1_000_000) as u32),
            generation: 1,
            revision: 1 + u32::from(noise(number, 10) == 0),
            kind: DecisionKind::Start {
                origin: Origin::Schedule,
                nominal: NOW,
                nodes: vec![NodeSlot(noise(number + 7, 1_000) as u32)],
            },
            next_due: Some(NOW + Span::from_seconds(every)),
        }
    };
    Action::Decide((0..count).map(start).collect())
}

/// Reports of executions that were decided in the last 20 entries and ran for up to 100 ms.
fn reports(count: u64, event: impl Fn(u64) -> Event) -> Action {
    let report = |number: u64| Report {
        execution: ExecutionRef {
            occurrence: OccurrenceRef {
                index: 1_000_000_000 + noise(number, 20),
                position: noise(number + 3, 200) as u32,
            },
            ordinal: 0,
            attempt: 1,
        },
        check: ExecutionId(number.into()).check() ^ noise(number, u64::MAX) as u32,
        event: event(number),
    };
    Action::Report((0..count).map(report).collect())
}

fn finished(number: u64) -> Event {
    let finished_at = NOW + Span::from_nanos(noise(number, 50_000_000) as i64);
    Event::Finished(Outcome {
        verdict: Verdict::Succeeded,
        started_at: finished_at - Span::from_nanos(noise(number + 1, 100_000_000) as i64),
        finished_at,
        code: Some(0),
        error: "".into(),
        tail: [][..].into(),
        output_bytes: 0,
    })
}

fn entry_length(action: Action) -> f64 {
    let time = NOW + Span::from_nanos(60_123_456);
    let stamp = Stamp { cluster: ClusterId(u128::MAX / 3), incarnation: Incarnation(1) };
    let batch = Batch { time, commands: vec![Command { request: None, action }] };
    encode_batch(stamp, &batch).len() as f64
}

fn per_item(count: u64, action: Action) -> f64 {
    entry_length(action) / count as f64
}

#[test]
fn a_start_takes_at_most_10_bytes_of_a_full_entry() {
    let bytes = per_item(100, starts(100));
    println!("start: {bytes:.2} bytes in an entry of 100");
    assert!(bytes <= 10.0, "{bytes}");
}

#[test]
fn accepted_and_finished_take_at_most_26_bytes_of_full_entries() {
    let accepted = per_item(100, reports(100, |_| Event::Accepted));
    let finished = per_item(100, reports(100, finished));
    println!("accepted: {accepted:.2}, finished: {finished:.2} bytes in entries of 100");
    assert!(accepted + finished <= 26.0, "{accepted} + {finished}");
}

#[test]
fn a_launch_takes_at_most_40_bytes_of_log_in_entries_of_50() {
    for count in [5, 20, 50, 200] {
        let launch = per_item(count, starts(count))
            + per_item(count, reports(count, |_| Event::Accepted))
            + per_item(count, reports(count, finished));
        println!("launch: {launch:.2} bytes in entries of {count}");
        assert!(count < 50 || launch <= 40.0, "{launch} in entries of {count}");
    }
}

#[test]
fn the_fullest_decide_fits_in_an_entry() {
    let most = dkron_core::limits::DECISIONS_MAX as u64;
    let Action::Decide(mut decisions) = starts(most) else { panic!("starts are decided") };
    for (number, decision) in (0u32..).zip(&mut decisions) {
        // Everything differs from the row before.
        decision.generation = 1 + number % 200;
        decision.revision = 1 + number % 7_000;
        if let DecisionKind::Start { nominal, .. } = &mut decision.kind {
            *nominal = NOW - Span::from_seconds((number % 3_600).into());
        }
        decision.next_due = Some(NOW + Span::from_seconds((number * 37 % 86_400).into()));
    }
    let bytes = entry_length(Action::Decide(decisions));
    println!("fullest decide: {bytes} bytes");
    assert!(bytes <= dkron_core::limits::ENTRY_BYTES_MAX as f64, "{bytes}");
}

#[test]
fn times_in_rows_are_exact_to_the_nanosecond() {
    let batch = Batch {
        time: Time::from_nanos(1),
        commands: vec![Command { request: None, action: reports(50, finished) }],
    };
    let bytes = encode_batch(values::stamp(), &batch);
    assert_eq!(dkron_wire::entry::decode_batch(&bytes), Ok((values::stamp(), batch)));
}
