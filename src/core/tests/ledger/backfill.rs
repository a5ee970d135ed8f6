//! Backfills: which ticks, how many, and one after the other.

use crate::world::*;

#[test]
fn a_backfill_runs_the_ticks_of_the_past_one_after_the_other_and_takes_nobodys_place() {
    for concurrency in [Concurrency::Allow, Concurrency::Forbid, Concurrency::Queue, Concurrency::Replace] {
        let mut world = World::new();
        world.put(0, &job("tick", "@every 1000s", concurrency));
        world.run(9_000, "tick");
        world.plan(9_000);
        let open: Vec<_> = world.ledger.state.occurrences().map(|(name, _)| name).collect();
        open.into_iter().for_each(|name| drop(world.end(9_000, name, 1, Verdict::Succeeded)));
        let past = Past { name: "tick".into(), range: at(2_000)..at(5_000) };
        let command = backfill::command(&world.ledger.state, ZoneData::bundled(), &past, at(9_001));
        let command = Command { request: Some(RequestId(7)), action: command.expect("three ticks") };
        for _ in 0..2 {
            world.index += 1;
            world.ledger.apply(world.index, &Batch { time: at(9_001), commands: vec![command.clone()] });
        }
        if concurrency != Concurrency::Replace {
            world.run(9_001, "tick"); // it would end a backfilled run, as always
        }
        let mut ran = Vec::new();
        for second in 9_002..9_020 {
            world.plan(second);
            assert_eq!(world.check(), Ok(()));
            let open: Vec<_> =
                world.ledger.state.occurrences().filter(|(_, found)| found.turn == Turn::Open).collect();
            let backfilled = open.iter().filter(|(_, found)| matches!(found.origin, Origin::Backfill(_)));
            assert!(backfilled.count() <= 1 && (concurrency == Concurrency::Allow || open.len() <= 1));
            let open: Vec<_> =
                open.into_iter().map(|(name, found)| (name, found.origin, found.nominal)).collect();
            for (name, origin, nominal) in open {
                world.end(second, name, 1, Verdict::Succeeded);
                if matches!(origin, Origin::Backfill(_)) {
                    ran.push(nominal.seconds() - BEGINNING);
                }
            }
        }
        assert_eq!(ran, vec![2_000, 3_000, 4_000], "{concurrency}: each once, also when asked for twice");
        assert_eq!(world.turns(), vec![]);
    }
}

#[test]
fn a_backfill_is_bounded_and_only_of_the_past() {
    let mut world = World::new();
    world.put(0, &job("tick", "@every 1s", Concurrency::Allow));
    let ask = |from: i64, to: i64, now: i64| {
        let past = Past { name: "tick".into(), range: at(from)..at(to) };
        backfill::instants(&world.ledger.state, ZoneData::bundled(), &past, at(now))
    };
    assert_eq!(ask(10, 13, 20), Ok(vec![at(10), at(11), at(12)]));
    assert_eq!(ask(10, 1_010, 2_000).map(|found| found.len()), Ok(1_000));
    let too_many = ask(10, 1_011, 2_000).expect_err("one too many");
    assert_eq!(
        too_many.to_string(),
        "job 'tick' has 1001 ticks from 2023-11-14T22:13:30Z to 2023-11-14T22:30:11Z: at most 1000 are allowed in one request"
    );
    assert!(matches!(ask(10, 21, 20), Err(BackfillError::Future { .. })));
    assert!(matches!(ask(10, 10, 20), Err(BackfillError::Empty { .. })));
    let uid = world.ledger.state.job_named("tick").expect("it is stored").1.uid;
    let rows = |from: i64, count: i64| Backfill {
        name: "tick".into(),
        job: uid,
        nominals: (from..from + count).map(at).collect(),
    };
    for (request, from, count, fits) in [(1, 0, 600, true), (2, 600, 401, false), (3, 600, 400, true)] {
        let command =
            Command { request: Some(RequestId(request)), action: Action::Backfill(rows(from, count)) };
        world.index += 1;
        let applied = world.ledger.apply(world.index, &Batch { time: at(2_000), commands: vec![command] });
        assert_eq!(matches!(applied.replies[..], [Reply::Stored { .. }]), fits, "{:?}", applied.replies);
    }
    assert_eq!(world.check(), Ok(()));
}

#[test]
fn what_waits_of_a_backfill_is_called_off_with_a_record_and_what_runs_goes_on() {
    let mut world = World::new();
    world.put(0, &job("tick", "@every 1000s", Concurrency::Forbid));
    world.plan(9_000);
    let open: Vec<_> = world.ledger.state.occurrences().map(|(name, _)| name).collect();
    open.into_iter().for_each(|name| drop(world.end(9_000, name, 1, Verdict::Succeeded)));
    for (request, range) in [(7, at(2_000)..at(5_000)), (8, at(6_000)..at(8_000))] {
        let past = Past { name: "tick".into(), range };
        let action = backfill::command(&world.ledger.state, ZoneData::bundled(), &past, at(9_001));
        let action = action.expect("ticks");
        world.index += 1;
        let command = Command { request: Some(RequestId(request)), action };
        world.ledger.apply(world.index, &Batch { time: at(9_001), commands: vec![command] });
    }
    world.plan(9_002);
    let cursor = world.ledger.state.job_named("tick").expect("it is stored").1.cursor;
    world.index += 1;
    let action = Action::CallOff { name: "tick".into() };
    let batch = Batch { time: at(9_003), commands: vec![Command { request: None, action }] };
    let rows = world.ledger.apply(world.index, &batch).rows;
    assert_eq!(world.check(), Ok(()));
    let skips: Vec<_> = rows
        .iter()
        .map(|row| match row {
            HistoryRow::Skipped(skip) => (skip.origin, skip.from, skip.to, skip.count, skip.reason),
            other => panic!("{other:?}"),
        })
        .collect();
    let origin = |request| Origin::Backfill(RequestId(request));
    assert_eq!(
        skips,
        [
            (origin(7), at(3_000), at(4_000), 2, SkipReason::Cancelled),
            (origin(8), at(6_000), at(7_000), 2, SkipReason::Cancelled)
        ]
    );
    let running: Vec<_> =
        world.ledger.state.occurrences().map(|(name, found)| (name, found.nominal)).collect();
    assert_eq!(running.len(), 1);
    assert_eq!(running[0].1, at(2_000));
    world.end(9_004, running[0].0, 1, Verdict::Succeeded);
    world.plan(9_005);
    assert_eq!(world.ledger.state.occurrences().count(), 0, "nothing comes after it");
    assert_eq!(world.ledger.state.job_named("tick").expect("it is stored").1.cursor, cursor);
}

#[test]
fn a_dry_run_of_another_default_zone_names_the_jobs_that_change_their_time() {
    let mut world = World::new();
    for (name, schedule) in
        [("daily", "0 0 3 * * *"), ("named", "TZ=UTC 0 0 3 * * *"), ("every", "@every 1h")]
    {
        world.put(0, &job(name, schedule, Concurrency::Allow));
    }
    let state = &world.ledger.state;
    let ask = |zone: &str| {
        let zone = Zone::lookup(zone).expect("a zone");
        preview::default_zone(state, ZoneData::bundled(), zone, at(5), 10)
    };
    let moved = ask("Asia/Kathmandu");
    assert_eq!((moved.jobs, moved.changed), (1, 1));
    assert_eq!(&*moved.moved[0].job, "daily");
    assert_ne!(moved.moved[0].before, moved.moved[0].after);
    assert_eq!(moved.moved[0].before, Some(state.job_named("daily").expect("it is stored").1.next_due));
    let stays = ask(state.default_zone().name());
    assert_eq!((stays.jobs, stays.changed, stays.moved), (1, 0, vec![]));
}
