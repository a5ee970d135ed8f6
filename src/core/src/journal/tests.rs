//! What the journal must do, one rule a test; `tests/journal_crashes.rs` shakes them all together.

use super::*;
use crate::ids::{JobUid, OccurrenceRef, Origin};
use crate::time::Span;

const OURS: JournalId = JournalId(7);
const RUNNER: RunnerId = RunnerId(1);
const OTHER: RunnerId = RunnerId(2);

fn at(seconds: i64) -> Time {
    Time::from_seconds(seconds)
}

fn launch(number: u64) -> Launch {
    Launch {
        execution: reference(number),
        id: ExecutionId(u128::from(number)),
        job: JobUid(1),
        job_name: "tick".into(),
        origin: Origin::Schedule,
        nominal: at(100),
        decided_at: at(100),
        journal: OURS,
        start_before: at(160),
        definition: Arc::default(),
    }
}

fn reference(number: u64) -> ExecutionRef {
    ExecutionRef { occurrence: OccurrenceRef { index: number, position: 0 }, ordinal: 0, attempt: 1 }
}

fn success() -> Outcome {
    Outcome { tail: Arc::from(*b"done"), ..never_ran(Verdict::Succeeded, at(101), "") }
}

fn journal(slots: u32) -> Journal {
    let mut journal = Journal::replay(OURS, slots, []);
    journal.step(at(0), Input::Attached(RUNNER));
    journal
}

/// The actions of a step, one word each.
fn words(effects: &Effects) -> Vec<String> {
    let word = |action: &Action| match action {
        Action::Report { id, report } => match &report.event {
            Event::Accepted => format!("accepted {}", id.0),
            Event::Started { .. } => format!("started {}", id.0),
            Event::Finished(outcome) => format!("{} {}", outcome.verdict, id.0),
        },
        Action::Start { launch, .. } => format!("start {}", launch.id.0),
        Action::Stop { id } => format!("stop {}", id.0),
        Action::Release { id } => format!("release {}", id.0),
        Action::Remark(_) => "remark".to_owned(),
    };
    effects.actions.iter().map(word).collect()
}

fn step(journal: &mut Journal, seconds: i64, input: Input) -> Vec<String> {
    words(&journal.step(at(seconds), input))
}

fn id(number: u64) -> ExecutionId {
    ExecutionId(u128::from(number))
}

/// The turn in which a step starts something.
fn turn(effects: &Effects) -> u64 {
    let turn = |action: &Action| match action {
        Action::Start { turn, .. } => Some(*turn),
        _ => None,
    };
    effects.actions.iter().find_map(turn).expect("it starts something")
}

/// Work for the runner.
fn wanted(launch: Launch) -> Input {
    Input::Launch(launch, Place::Runner)
}

fn began(number: u64) -> Input {
    Input::Began { id: id(number), at: at(100), process: None }
}

fn ended(number: u64) -> Input {
    Input::Ended { id: id(number), outcome: success() }
}

fn cancel(number: u64) -> Input {
    Input::Cancel { execution: reference(number), id: id(number) }
}

#[test]
fn a_launch_is_accepted_started_finished_and_settled() {
    let mut journal = journal(1);
    let effects = journal.step(at(100), wanted(launch(1)));
    assert_eq!(words(&effects), ["accepted 1", "start 1"]);
    assert!(matches!(effects.records[..], [Record::Accepted(..), Record::Starting { .. }]));
    assert!(journal.may_start(id(1), turn(&effects)));
    assert_eq!(step(&mut journal, 100, began(1)), ["started 1"]);
    assert_eq!(step(&mut journal, 101, ended(1)), ["succeeded 1"]);
    assert_eq!(step(&mut journal, 102, Input::Settled(vec![id(1)])), ["release 1"]);
    assert_eq!(journal.unsettled(), 0);
}

#[test]
fn a_repeated_launch_is_answered_with_its_present_state() {
    let mut journal = journal(1);
    step(&mut journal, 100, wanted(launch(1)));
    assert_eq!(step(&mut journal, 100, wanted(launch(1))), ["accepted 1"]);
    step(&mut journal, 100, began(1));
    assert_eq!(step(&mut journal, 100, wanted(launch(1))), ["started 1"]);
    step(&mut journal, 100, ended(1));
    assert_eq!(step(&mut journal, 100, wanted(launch(1))), ["succeeded 1"]);
    step(&mut journal, 100, Input::Settled(vec![id(1)]));
    assert_eq!(step(&mut journal, 100, wanted(launch(1))), ["succeeded 1"]);
}

#[test]
fn a_launch_for_another_journal_is_refused_without_a_report() {
    let mut journal = journal(1);
    let effects = journal.step(at(100), wanted(Launch { journal: JournalId(8), ..launch(1) }));
    assert_eq!(words(&effects), ["remark"]);
    assert!(effects.records.is_empty());
}

#[test]
fn what_comes_early_waits_for_its_nominal_time() {
    let mut journal = journal(1);
    assert_eq!(step(&mut journal, 90, wanted(launch(1))), ["accepted 1"]);
    assert_eq!(journal.wake_at(), Some(at(100)));
    assert!(step(&mut journal, 99, Input::Tick).is_empty());
    assert_eq!(step(&mut journal, 100, Input::Tick), ["start 1"]);
}

#[test]
fn what_comes_late_is_not_started() {
    let mut journal = journal(1);
    assert_eq!(step(&mut journal, 161, wanted(launch(1))), ["accepted 1", "not_started 1"]);
    assert_eq!(step(&mut journal, 162, wanted(launch(1))), ["not_started 1"]);
}

#[test]
fn what_waits_for_a_slot_too_long_is_not_started() {
    let mut journal = journal(1);
    step(&mut journal, 100, wanted(launch(1)));
    assert_eq!(step(&mut journal, 100, wanted(launch(2))), ["accepted 2"]);
    assert_eq!(journal.wake_at(), Some(Time::from_nanos(at(160).nanos() + 1)));
    assert!(step(&mut journal, 160, Input::Tick).is_empty());
    assert_eq!(step(&mut journal, 161, Input::Tick), ["not_started 2"]);
}

#[test]
fn a_free_slot_goes_to_the_one_that_was_due_first() {
    let mut journal = journal(1);
    step(&mut journal, 100, wanted(launch(1)));
    step(&mut journal, 100, wanted(Launch { decided_at: at(102), ..launch(2) }));
    step(&mut journal, 100, wanted(Launch { decided_at: at(101), ..launch(3) }));
    assert_eq!(step(&mut journal, 110, ended(1)), ["succeeded 1", "start 3"]);
    assert_eq!(journal.busy(), 1);
}

#[test]
fn a_burst_waits_for_its_turn_instead_of_flooding_the_runner() {
    let mut journal = journal(u32::MAX);
    let burst = u64::from(limits::STARTING_MAX) + 1;
    let starts = (1..=burst).flat_map(|number| step(&mut journal, 100, wanted(launch(number))));
    let starts = starts.filter(|word| word.starts_with("start "));
    assert_eq!(starts.count(), limits::STARTING_MAX as usize);
    assert_eq!(step(&mut journal, 101, began(1)), ["started 1".to_owned(), format!("start {burst}")]);
}

#[test]
fn a_cancel_before_the_launch_forbids_it() {
    let mut journal = journal(1);
    let effects = journal.step(at(100), cancel(1));
    assert_eq!(words(&effects), ["cancelled 1"]);
    assert!(matches!(effects.records[..], [Record::Forbidden { .. }]));
    assert_eq!(step(&mut journal, 100, wanted(launch(1))), ["cancelled 1"]);
}

#[test]
fn a_cancel_ends_what_waits_at_once_and_asks_what_runs_to_stop() {
    let mut journal = journal(1);
    step(&mut journal, 100, wanted(launch(1)));
    step(&mut journal, 100, wanted(launch(2)));
    assert_eq!(step(&mut journal, 100, cancel(2)), ["cancelled 2"]);
    assert_eq!(step(&mut journal, 100, cancel(1)), ["stop 1"]);
    assert_eq!(step(&mut journal, 101, ended(1)), ["succeeded 1"]);
}

#[test]
fn a_cancel_while_detached_is_passed_on_at_the_attachment() {
    let mut journal = journal(1);
    step(&mut journal, 100, wanted(launch(1)));
    step(&mut journal, 100, Input::Detached);
    assert!(step(&mut journal, 100, cancel(1)).is_empty());
    step(&mut journal, 100, began(1));
    assert_eq!(step(&mut journal, 100, Input::Attached(RUNNER)), ["stop 1"]);
}

#[test]
fn after_a_restart_at_another_runner_what_was_only_accepted_starts_and_what_was_starting_is_lost() {
    let mut before = journal(1);
    let mut records = before.step(at(100), wanted(launch(1))).records;
    records.extend(before.step(at(100), wanted(launch(2))).records);
    let mut after = Journal::replay(OURS, 1, records);
    assert!(step(&mut after, 101, Input::Tick).is_empty(), "nothing starts before the runner is attached");
    assert_eq!(step(&mut after, 101, Input::Attached(OTHER)), ["lost 1", "start 2"]);
    assert_eq!(step(&mut after, 102, ended(1)), Vec::<String>::new(), "the first outcome stands");
}

#[test]
fn after_a_restart_what_the_runner_still_has_goes_on() {
    let mut before = journal(2);
    let mut records = before.step(at(100), wanted(launch(1))).records;
    records.extend(before.step(at(100), wanted(launch(2))).records);
    let mut after = Journal::replay(OURS, 2, records);
    assert_eq!(step(&mut after, 101, began(1)), ["started 1"]);
    assert_eq!(step(&mut after, 101, ended(2)), ["succeeded 2"]);
    assert!(step(&mut after, 101, Input::Attached(RUNNER)).is_empty());
    assert_eq!(step(&mut after, 102, ended(1)), ["succeeded 1"]);
}

#[test]
fn what_the_runner_is_about_to_start_is_not_lost_and_not_started_yet() {
    let mut journal = journal(1);
    step(&mut journal, 100, wanted(launch(1)));
    step(&mut journal, 100, Input::Detached);
    let about = Input::Began { id: id(1), at: Time::EPOCH, process: None };
    assert_eq!(journal.unconfirmed().count(), 1);
    assert!(step(&mut journal, 100, about).is_empty());
    assert_eq!(journal.unconfirmed().count(), 0);
    assert!(step(&mut journal, 100, Input::Attached(RUNNER)).is_empty());
    assert_eq!(step(&mut journal, 100, began(1)), ["started 1"]);
}

#[test]
fn after_a_restart_what_the_same_runner_never_heard_of_starts() {
    let mut before = journal(1);
    let mut records = before.step(at(100), wanted(launch(1))).records;
    records.extend(before.step(at(100), wanted(launch(2))).records);
    let mut after = Journal::replay(OURS, 1, records.clone());
    let effects = after.step(at(101), Input::Attached(RUNNER));
    assert!(matches!(effects.records[0], Record::Unstarted { id: found } if found == id(1)));
    assert_eq!(words(&effects), ["start 1"], "it was due first");
    let mut late = Journal::replay(OURS, 1, records);
    assert_eq!(step(&mut late, 161, Input::Attached(RUNNER)), ["not_started 1", "not_started 2"]);
}

#[test]
fn what_waits_again_and_starts_at_another_runner_is_that_runners() {
    let mut journal = journal(1);
    let mut records = journal.step(at(100), wanted(launch(1))).records;
    for runner in [RUNNER, OTHER] {
        journal = Journal::replay(OURS, 0, records.clone());
        assert!(step(&mut journal, 100, Input::Attached(RUNNER)).is_empty(), "no slot is free");
        records = journal.snapshot();
        journal = Journal::replay(OURS, 1, records.clone());
        let effects = journal.step(at(100), Input::Attached(runner));
        assert_eq!(words(&effects), ["start 1"], "it was written down that {RUNNER} never heard of it");
        if runner == RUNNER {
            records.extend(effects.records);
        }
    }
    records.push(Record::Starting { id: id(1), runner: OTHER });
    assert_eq!(step(&mut Journal::replay(OURS, 1, records), 100, Input::Attached(RUNNER)), ["lost 1"]);
}

#[test]
fn what_the_agent_was_about_to_run_itself_is_lost_with_it() {
    let mut before = journal(1);
    let records = before.step(at(100), Input::Launch(launch(1), Place::Agent)).records;
    let mut after = Journal::replay(OURS, 1, records.clone());
    assert_eq!(step(&mut after, 101, Input::Attached(RUNNER)), ["lost 1"]);
    let compacted = Journal::replay(OURS, 1, records).snapshot();
    let mut after = Journal::replay(OURS, 1, compacted);
    assert_eq!(step(&mut after, 101, Input::Attached(RUNNER)), ["lost 1"]);
}

#[test]
fn what_has_run_and_is_not_told_of_is_lost_whoever_is_asked() {
    let mut journal = journal(1);
    step(&mut journal, 100, wanted(launch(1)));
    step(&mut journal, 100, began(1));
    step(&mut journal, 100, Input::Detached);
    assert_eq!(step(&mut journal, 100, Input::Attached(RUNNER)), ["lost 1"]);
}

#[test]
fn a_cancel_holds_for_what_the_runner_never_heard_of() {
    let mut journal = journal(1);
    step(&mut journal, 100, wanted(launch(1)));
    step(&mut journal, 100, cancel(1));
    step(&mut journal, 100, Input::Detached);
    assert_eq!(step(&mut journal, 100, Input::Attached(RUNNER)), ["cancelled 1"]);
}

#[test]
fn a_start_does_not_hold_once_the_runner_was_lost() {
    let mut journal = journal(1);
    let turn = turn(&journal.step(at(100), wanted(launch(1))));
    step(&mut journal, 100, Input::Detached);
    assert!(!journal.may_start(id(1), turn));
    assert_eq!(step(&mut journal, 100, Input::Attached(OTHER)), ["lost 1"]);
    assert!(!journal.may_start(id(1), turn));
}

#[test]
fn a_start_of_an_earlier_turn_does_not_hold_in_the_next_one() {
    let mut journal = journal(1);
    let first = turn(&journal.step(at(100), wanted(launch(1))));
    step(&mut journal, 100, Input::Detached);
    let second = turn(&journal.step(at(100), Input::Attached(RUNNER)));
    assert!(!journal.may_start(id(1), first), "its record is not the one that must be durable");
    assert!(journal.may_start(id(1), second));
}

#[test]
fn what_the_runner_keeps_of_strangers_is_released() {
    let mut journal = journal(1);
    assert_eq!(step(&mut journal, 100, ended(9)), ["release 9"]);
    assert!(step(&mut journal, 100, began(9)).is_empty());
}

#[test]
fn settled_executions_are_forgotten_when_they_are_old_and_could_not_start_any_more() {
    let mut journal = journal(1);
    step(&mut journal, 161, wanted(launch(1)));
    step(&mut journal, 161, Input::Settled(vec![id(1)]));
    step(&mut journal, 200, Input::Tick);
    assert_eq!(journal.len(), 1);
    journal.step(at(161) + limits::SETTLED_MEMORY + Span::from_seconds(1), Input::Tick);
    assert!(journal.is_empty());
}

#[test]
fn a_snapshot_replays_to_the_same_journal() {
    let mut journal = journal(2);
    for number in 1..=4 {
        step(&mut journal, 100, wanted(launch(number)));
    }
    step(&mut journal, 100, began(1));
    step(&mut journal, 100, ended(2));
    step(&mut journal, 100, Input::Settled(vec![id(2)]));
    step(&mut journal, 100, cancel(5));
    let replayed = Journal::replay(OURS, 2, journal.snapshot());
    assert_eq!(replayed.snapshot(), journal.snapshot());
    assert_eq!(replayed.standing(None, 100), journal.standing(None, 100));
    assert_eq!((replayed.busy(), replayed.unsettled()), (journal.busy(), journal.unsettled()));
}

#[test]
fn unsettled_executions_are_listed_in_pieces() {
    let mut journal = journal(8);
    for number in 1..=5 {
        step(&mut journal, 100, wanted(launch(number)));
    }
    let first = journal.standing(None, 3);
    let second = journal.standing(first.last().map(|(id, _)| *id), 3);
    let ids: Vec<u128> = first.iter().chain(&second).map(|(id, _)| id.0).collect();
    assert_eq!(ids, [1, 2, 3, 4, 5]);
}
