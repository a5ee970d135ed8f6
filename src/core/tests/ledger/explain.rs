//! What people are told of a job: how it stands, why a tick ran or did not; and one execution ended among several.

use crate::world::*;
use dkron_core::explain::{Answer, Evidence, Explanation, Question, explain};
use dkron_core::open::{self, Standing};

/// What is told of the only job, now or at a second, with the rows that the history has by then.
fn told(world: &World, now: i64, about: Option<i64>, rows: &[HistoryRow]) -> Explanation {
    let (slot, _) = world.ledger.state.jobs_by_name(None).next().expect("a job");
    let mut evidence = Evidence::default();
    for row in rows {
        match row {
            HistoryRow::Finished(run) if Some(run.nominal) == about.map(at) => evidence.ran.push(run.clone()),
            HistoryRow::Skipped(skip)
                if about.is_some_and(|second| skip.from <= at(second) && at(second) <= skip.to) =>
            {
                evidence.skipped.push(skip.clone());
            }
            _ => {}
        }
    }
    let question = Question {
        state: &world.ledger.state,
        job: slot,
        data: ZoneData::bundled(),
        now: at(now),
        at: about.map(at),
    };
    explain(question, &evidence).expect("a job")
}

fn codes(explanation: &Explanation) -> Vec<&str> {
    explanation.reasons.iter().map(|reason| reason.code).collect()
}

#[test]
fn a_tick_is_planned_then_due_then_running_then_ran() {
    let mut world = World::new();
    world.put(0, &job("tick", "@every 10s", Concurrency::Forbid));
    let ahead = told(&world, 5, Some(10), &[]);
    assert_eq!((ahead.answer, codes(&ahead)), (Answer::Planned, vec!["to_come"]));
    let ticks = ahead.ticks.expect("ticks around it");
    assert_eq!((ticks.is_tick, ticks.before, ticks.after), (true, None, Some(at(20))));
    assert_eq!(told(&world, 5, None, &[]).next.map(|next| next.nominal), Some(at(10)));
    assert_eq!(told(&world, 5, Some(11), &[]).answer, Answer::NoTick);

    let due = told(&world, 10, Some(10), &[]);
    assert_eq!((due.answer, codes(&due)), (Answer::Undecided, vec!["late"]));
    world.plan(10);
    assert_eq!(told(&world, 10, Some(10), &[]).answer, Answer::Waiting);
    let occurrence = world.open();
    let check = world.ledger.state.occurrence(occurrence).expect("it").execution_id(0, 1).check();
    let execution = ExecutionRef { occurrence, ordinal: 0, attempt: 1 };
    let event = Event::Started { at: at(11) };
    world.apply(at(11), Action::Report(vec![Report { execution, check, event }]));
    let now = told(&world, 12, None, &[]);
    assert_eq!((now.answer, codes(&now)), (Answer::Running, vec!["running", "forbid", "next"]));
    let rows = world.end(13, occurrence, 1, Verdict::Failed).rows;
    let over = told(&world, 14, Some(10), &rows);
    assert_eq!((over.answer, codes(&over)), (Answer::Ran, vec!["ran"]));
    let gone = told(&world, 14, Some(10), &[]);
    assert_eq!((gone.answer, codes(&gone)), (Answer::NoRecord, vec!["no_record"]));
}

#[test]
fn what_stops_a_job_is_told_before_what_merely_delays_it() {
    let mut world = World::new();
    let tick = job("tick", "@every 10s", Concurrency::Allow);
    world.put(0, &tick);
    world.apply(at(1), Action::Hold(Scope::Jobs(vec!["tick".into()])));
    let held = told(&world, 5, None, &[]);
    assert_eq!((held.answer, codes(&held)[0]), (Answer::NotPlanned, "held"));
    assert_eq!(told(&world, 5, Some(20), &[]).answer, Answer::NotPlanned);
    assert_eq!(codes(&told(&world, 15, Some(10), &[])), ["held"]);
    world.apply(at(15), Action::Release(Scope::Jobs(vec!["tick".into()])));
    let index = world.index;
    world.plan(16);
    assert!(world.index > index);
    world.apply(at(17), Action::Cordon { node: NodeSlot(0), work: Work::Cordoned });
    let placeless = told(&world, 18, None, &[]);
    assert!(codes(&placeless).contains(&"no_node"), "{placeless:?}");
    world.put(19, &Job { disabled: true, ..tick });
    let off = told(&world, 21, None, &[]);
    assert_eq!((off.answer, codes(&off)[0], off.next), (Answer::NotPlanned, "disabled", None));
}

#[test]
fn a_retry_to_come_is_told_and_one_cancelled_ends() {
    let mut world = World::new();
    let mut definition = job("one", "@manually", Concurrency::Allow);
    definition.retries = 1;
    definition.backoff = Backoff { base: Span::from_seconds(100), max: Span::from_seconds(100) };
    world.put(0, &definition);
    world.run(1, "one");
    world.plan(1);
    let occurrence = world.open();
    world.end(2, occurrence, 1, Verdict::Failed);
    let waits = told(&world, 3, None, &[]);
    assert_eq!((waits.answer, codes(&waits)[0]), (Answer::Waiting, "retrying"));
    let next = waits.open[0];
    assert_eq!((next.name.attempt, next.standing), (2, Standing::Retrying(at(102))));
    let applied = world.apply(at(4), Action::Cancel { occurrence, ordinal: Some(0) });
    assert_eq!(applied.replies, vec![Reply::Done]);
    assert_eq!(open::all(&world.ledger.state).count(), 0);
    let again = world.apply(at(5), Action::Cancel { occurrence, ordinal: Some(0) });
    assert_eq!(again.replies, vec![Reply::Refused(Refusal::NotOpen)]);
}

#[test]
fn one_of_several_executions_is_cancelled_and_the_others_go_on() {
    let mut world = World::new();
    for number in 2..=3 {
        let registration = Registration {
            node: NodeId(number),
            name: format!("node-{number}").into(),
            life: 1,
            journal: JournalId(number),
            boot: BootId(number),
            tags: [("dc".to_owned(), "a".to_owned())].into(),
            slots: 4,
            server: false,
            address: "127.0.0.1:8946".into(),
        };
        world.apply(at(0), Action::Register(registration));
    }
    let tags = [("dc".to_owned(), "a".to_owned())].into();
    world.put(0, &Job { tags, ..job("all", "@manually", Concurrency::Allow) });
    world.run(1, "all");
    world.plan(1);
    let occurrence = world.open();
    world.apply(at(2), Action::Cancel { occurrence, ordinal: Some(1) });
    let ending: Vec<bool> = open::all(&world.ledger.state).map(|open| open.ending).collect();
    assert_eq!(ending, [false, true, false]);
    let unknown = world.apply(at(3), Action::Cancel { occurrence, ordinal: Some(3) });
    assert_eq!(unknown.replies, vec![Reply::Refused(Refusal::NotOpen)]);
    let orders = world.plan(3);
    let cancels = orders.iter().filter(|order| matches!(order, Order::Cancel(name, _) if name.ordinal == 1));
    assert_eq!(cancels.count(), 1, "{orders:?}");
    assert!(!orders.iter().any(|order| matches!(order, Order::Cancel(name, _) if name.ordinal != 1)));
}

#[test]
fn a_job_is_deleted_at_one_edit_of_it_only() {
    let mut world = World::new();
    world.put(0, &job("one", "@manually", Concurrency::Allow));
    let version = world.ledger.state.job_named("one").expect("the job").1.version();
    world.put(1, &job("one", "@every 5s", Concurrency::Allow));
    let stale = world.apply(at(2), Action::DeleteAt { name: "one".into(), version });
    assert_eq!(stale.replies, vec![Reply::Refused(Refusal::Changed(2))]);
    let version = world.ledger.state.job_named("one").expect("the job").1.version();
    let present = world.apply(at(3), Action::DeleteAt { name: "one".into(), version });
    assert_eq!(present.replies, vec![Reply::Done]);
    assert!(world.ledger.state.job_named("one").is_none());
}
