//! The ledger alone: random commands, sensible and not, never break it; and the sequences that once did.

mod backfill;
mod edits;
mod explain;
#[path = "../sim/indexes.rs"]
mod indexes;
mod nodes;
mod random;
mod rebuild;
mod tokens;
mod world;
mod zones;

use world::*;

#[test]
fn a_decision_still_fits_when_the_job_is_posted_again_unchanged() {
    let mut world = World::new();
    let tick = job("tick", "@every 10s", Concurrency::Allow);
    world.put(0, &tick);
    let plan = Planner::default().plan(&mut world.ledger, at(10), true);
    world.put(10, &tick);
    for proposal in plan.proposals {
        world.apply(at(10), proposal.action);
    }
    assert_eq!(world.turns(), vec![Turn::Open]);
}

#[test]
fn an_edit_keeps_the_ticks_that_a_hold_kept_from_being_decided() {
    let mut world = World::new();
    world.put(0, &job("tick", "@every 10s", Concurrency::Allow));
    let edited = Job { schedule: "@every 7s".to_owned(), ..job("tick", "", Concurrency::Allow) };
    let submission = Submission {
        job: Arc::new(edited),
        definition: Arc::from([1]),
        uid: JobUid(1),
        expected: None,
        counters: None,
    };
    let put = edit::put(&world.ledger.state, ZoneData::bundled(), submission, at(20)).expect("a valid job");
    assert!(!put.due.is_empty(), "what is due is decided with the edit");
    world.apply(at(20), Action::Hold(Scope::Cluster));
    let applied = world.apply(at(20), Action::Put(put));
    assert_eq!(skips(&applied), vec![(10, 20, 1, SkipReason::Edited)]);
}

#[test]
fn a_cancelled_head_of_the_queue_lets_the_next_one_have_its_turn() {
    let mut world = World::new();
    world.put(0, &job("one", "@manually", Concurrency::Queue));
    for second in 1..4 {
        world.run(second, "one");
    }
    world.plan(4);
    let first = world.open();
    world.apply(at(5), Action::Cordon { node: NodeSlot(0), work: Work::Cordoned });
    world.end(6, first, 1, Verdict::Succeeded);
    let head = world.ledger.state.occurrences().next().expect("the second run").0;
    world.apply(at(7), Action::Cancel { occurrence: head, ordinal: None });
    world.apply(at(8), Action::Cordon { node: NodeSlot(0), work: Work::Open });
    world.plan(9);
    assert_eq!(world.turns(), vec![Turn::Open]);
}

#[test]
fn replacing_what_only_waits_for_a_retry_starts_at_once() {
    let mut world = World::new();
    let mut definition = job("one", "@manually", Concurrency::Replace);
    definition.retries = 1;
    definition.backoff = Backoff { base: Span::from_seconds(100), max: Span::from_seconds(100) };
    world.put(0, &definition);
    world.run(1, "one");
    world.plan(1);
    let first = world.open();
    world.end(2, first, 1, Verdict::Failed);
    world.run(3, "one");
    world.plan(3);
    assert_eq!(world.turns(), vec![Turn::Open]);
    assert_ne!(world.open(), first);
}

#[test]
fn a_decision_on_a_node_that_was_given_up_meanwhile_waits_for_another() {
    let mut world = World::new();
    world.put(0, &job("one", "@manually", Concurrency::Forbid));
    world.run(1, "one");
    let plan = Planner::default().plan(&mut world.ledger, at(1), true);
    world.apply(at(1), Action::Mark { node: NodeSlot(0), liveness: Liveness::Failed });
    for proposal in plan.proposals {
        world.apply(at(1), proposal.action);
    }
    assert!(matches!(world.turns()[..], [Turn::Unplaced(_)]));
}

#[test]
fn a_new_journal_is_told_nothing_of_what_the_old_one_may_have_started() {
    let mut world = World::new();
    world.put(0, &job("one", "@manually", Concurrency::Forbid));
    world.run(1, "one");
    assert!(matches!(world.plan(1)[..], [Order::Launch(_)]));
    world.register(2, 2, 1);
    assert_eq!(world.plan(10), vec![]);
    world.register(11, 2, 1);
    assert_eq!(world.plan(20), vec![], "also after a second hello of the new journal");
    assert_eq!(world.turns(), vec![Turn::Open], "it may still run");
    let occurrence = world.open();
    let applied = world.apply(at(21), Action::Cancel { occurrence, ordinal: None });
    let ended = applied
        .rows
        .iter()
        .any(|row| matches!(row, HistoryRow::Finished(row) if row.outcome.verdict == Verdict::Lost));
    assert!(ended, "an operator ends the waiting");
    assert_eq!(world.turns(), vec![]);
}

#[test]
fn a_retry_that_no_node_may_run_is_given_up_after_the_window() {
    let mut world = World::new();
    let mut definition = job("one", "@manually", Concurrency::Forbid);
    definition.retries = 1;
    definition.catchup_window = Some(Span::from_seconds(30));
    world.put(0, &definition);
    world.run(1, "one");
    world.plan(1);
    let first = world.open();
    world.apply(at(2), Action::Cordon { node: NodeSlot(0), work: Work::Cordoned });
    world.end(2, first, 1, Verdict::Failed);
    world.plan(20);
    assert_eq!(world.turns(), vec![Turn::Open]);
    world.plan(40);
    assert_eq!(world.turns(), vec![]);
}

#[test]
fn a_hello_of_an_earlier_life_that_comes_late_is_refused() {
    let mut world = World::new();
    world.put(0, &job("one", "@manually", Concurrency::Forbid));
    world.register(1, 2, 2);
    world.run(2, "one");
    world.plan(2);
    let late = world.register(3, 1, 1);
    let refused = Refusal::OlderLife { name: "one".into(), life: 1, known: 2 };
    assert_eq!(late.replies, vec![Reply::Refused(refused)]);
    assert_eq!(world.turns(), vec![Turn::Open], "what the present journal runs is not lost");
    let again = world.register(4, 2, 2);
    assert_eq!(again.replies, vec![Reply::Registered(NodeSlot(1))]);
}

#[test]
fn an_execution_is_not_lost_while_it_may_still_start() {
    let mut definition = job("one", "@manually", Concurrency::Allow);
    definition.lost_after = Some(Span::from_seconds(10));
    let error = definition.validate().expect_err("less than the default start_deadline");
    assert_eq!(
        error.to_string(),
        "lost_after: 10 s is less than start_deadline, 60 s: an execution may start until then, so at least that is allowed"
    );
    let mut world = World::new();
    world.put(0, &definition);
    world.run(1, "one");
    world.plan(1);
    world.apply(at(2), Action::Mark { node: NodeSlot(0), liveness: Liveness::Failed });
    world.plan(30);
    assert_eq!(world.turns(), vec![Turn::Open]);
    world.plan(63);
    assert_eq!(world.turns(), vec![]);
}

#[test]
fn a_queue_without_a_node_drains_within_one_window() {
    let mut world = World::new();
    let mut definition = job("one", "@manually", Concurrency::Queue);
    definition.catchup_window = Some(Span::from_seconds(100));
    world.put(0, &definition);
    for second in 1..=40 {
        world.run(second, "one");
    }
    world.plan(41);
    let first = world.open();
    world.apply(at(50), Action::Cordon { node: NodeSlot(0), work: Work::Cordoned });
    world.end(60, first, 1, Verdict::Succeeded);
    world.plan(150);
    assert_eq!(world.turns().len(), 39, "all wait for a node");
    for _ in 0..10 {
        world.plan(161);
    }
    assert_eq!(world.turns(), vec![], "nobody waits for longer than the window");
}

/// Whether one job of many or all of them, an entry costs what it changes.
#[test]
fn an_entry_among_twenty_thousand_jobs_touches_only_what_it_is_about() {
    let mut world = World::new();
    for number in 0..20_000 {
        world.put(0, &job(&format!("job-{number}"), "@every 100s", Concurrency::Queue));
    }
    world.put(0, &job("tick", "@every 10s", Concurrency::Queue));
    let steps: [fn(&mut World); 8] = [
        |world| drop(world.plan(10)),
        |world| world.run(11, "job-7"),
        |world| drop(world.plan(11)),
        |world| drop(world.put(12, &job("job-9", "@every 3s", Concurrency::Forbid))),
        |world| drop(world.apply(at(13), Action::Hold(Scope::Cluster))),
        |world| drop(world.apply(at(14), Action::Release(Scope::Cluster))),
        |world| drop(world.apply(at(15), Action::Delete { name: "job-11".into() })),
        |world| drop(world.register(16, 5, 5)),
    ];
    for (number, step) in steps.into_iter().enumerate() {
        let before = world.ledger.state.touched();
        step(&mut world);
        let touched = world.ledger.state.touched() - before;
        assert!(touched <= 100, "step {number} touches {touched} records");
    }
    assert_eq!(world.check(), Ok(()));
}

/// What one commit of a large import costs apply: `cargo test --release -p dkron-core --test ledger import --
/// --ignored --nocapture` prints it.
#[test]
#[ignore = "it measures"]
#[expect(clippy::disallowed_methods, reason = "it measures")]
fn an_import_of_a_hundred_thousand_jobs_is_measured() {
    let mut world = World::new();
    let import = RequestId(1);
    for part in 0..1_000 {
        let mut jobs = Vec::new();
        for number in 0..100 {
            let definition =
                job(&format!("job-{}", part * 100 + number), "0 */5 * * * *", Concurrency::Forbid);
            let submission = submission(&mut world, &definition);
            let put = edit::put(&world.ledger.state, ZoneData::bundled(), submission, at(1));
            jobs.push(put.expect("a valid job"));
        }
        world.apply(at(1), Action::Stage { import, jobs });
    }
    let began = std::time::Instant::now();
    world.apply(at(2), Action::Commit { import });
    println!("commit of 100,000 jobs: {:?}", began.elapsed());
    assert_eq!(world.ledger.state.job_count(), 100_000);
}
