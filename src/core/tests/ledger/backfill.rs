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
