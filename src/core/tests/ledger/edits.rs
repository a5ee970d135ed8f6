//! Edits lose no tick: at whatever rate they come, and whatever clocks do in between.

use crate::world::*;

/// A client that posts the job with another timing each 100 ms. Each post is computed by what was there two
/// posts before, and takes 150 ms into the log.
fn post_often(mut definition: Job, seconds: i64) -> (World, Vec<Time>) {
    let mut world = World::new();
    world.put(0, &definition);
    let mut started = Vec::new();
    let mut under_way = std::collections::VecDeque::new();
    for step in 1..=seconds * 10 {
        let millis = step * 100;
        definition.expires_at = Some(at(100_000 + step % 2));
        let submission = submission(&mut world, &definition);
        let put = edit::put(&world.ledger.state, ZoneData::bundled(), submission, at_millis(millis))
            .expect("a valid job");
        under_way.push_back(put);
        if under_way.len() > 2 {
            let put = under_way.pop_front().expect("three are under way");
            let request = None;
            let commands = vec![Command { request, action: Action::Put(put) }];
            world.index += 1;
            world.ledger.apply(world.index, &Batch::stamped(at_millis(millis + 50), commands));
        }
        world.plan_at(at_millis(millis + 60));
        let open: Vec<_> =
            world.ledger.state.occurrences().map(|(name, found)| (name, found.nominal)).collect();
        for (name, nominal) in open {
            started.push(nominal);
            world.end(millis / 1_000, name, 1, Verdict::Succeeded);
        }
    }
    (world, started)
}

#[test]
fn edits_at_whatever_rate_take_no_tick_away() {
    for (jitter, schedule) in [(0, "@every 3s"), (0, "*/2 * * * * *"), (2, "*/5 * * * * *")] {
        let mut definition = job("tick", schedule, Concurrency::Allow);
        definition.jitter = Span::from_seconds(jitter);
        let every = if schedule.starts_with('@') { 3 } else { schedule[2..3].parse().expect("a digit") };
        let (_, started) = post_often(definition, 60);
        let seconds: Vec<i64> = started.iter().map(|time| time.seconds() - BEGINNING).collect();
        let expected: Vec<i64> = (1..60).filter(|second| (BEGINNING + second) % every == 0).collect();
        if schedule.starts_with('@') {
            assert!(
                seconds.len() >= 19 && seconds.windows(2).all(|pair| pair[1] - pair[0] == 3),
                "{seconds:?}"
            );
        } else {
            assert!(seconds.starts_with(&expected[..expected.len() - 1]), "{schedule}: {seconds:?}");
        }
    }
}

#[test]
fn a_clock_set_back_between_an_edit_and_its_entry_loses_no_tick() {
    let mut world = World::new();
    world.put(0, &job("tick", "@every 10s", Concurrency::Allow));
    let submission = submission(&mut world, &job("tick", "*/10 * * * * *", Concurrency::Allow));
    let put = edit::put(&world.ledger.state, ZoneData::bundled(), submission, at(35)).expect("a valid job");
    world.apply(at(22), Action::Put(put));
    let mut seconds = Vec::new();
    for second in 23..60 {
        world.plan(second);
        seconds
            .extend(world.ledger.state.occurrences().map(|(_, found)| found.nominal.seconds() - BEGINNING));
        let open: Vec<_> = world.ledger.state.occurrences().map(|(name, _)| name).collect();
        open.into_iter().for_each(|name| drop(world.end(second, name, 1, Verdict::Succeeded)));
    }
    assert_eq!(seconds, vec![10, 20, 30, 40, 50], "also those before the time that the edit was computed by");
}

#[test]
fn one_entry_far_ahead_of_its_time_holds_nothing_up() {
    let mut world = World::new();
    world.put(0, &job("before", "@every 10s", Concurrency::Allow));
    world.apply(at(3_600), Action::Pause(false));
    world.put(11, &job("after", "@every 10s", Concurrency::Allow));
    world.put(12, &job("before", "*/7 * * * * *", Concurrency::Allow));
    world.apply(at(13), Action::Hold(Scope::Cluster));
    world.apply(at(14), Action::Release(Scope::Cluster));
    for second in 15..40 {
        world.plan(second);
    }
    let mut nominal: Vec<i64> =
        world.ledger.state.occurrences().map(|(_, found)| found.nominal.seconds() - BEGINNING).collect();
    nominal.sort_unstable();
    assert_eq!(nominal, vec![10, 15, 21, 22, 29, 31, 36], "1700000000 is 5 mod 7");
}

#[test]
fn an_edit_of_a_deleted_job_is_no_edit_of_the_one_that_came_after_it() {
    let mut world = World::new();
    world.put(0, &job("one", "@every 10s", Concurrency::Allow));
    let seen = world.ledger.state.job_named("one").expect("it is stored").1.version();
    let submission = submission(&mut world, &job("one", "@every 7s", Concurrency::Allow));
    let strict = Submission { expected: Some(seen), ..submission };
    let put = edit::put(&world.ledger.state, ZoneData::bundled(), strict, at(25)).expect("a valid job");
    assert_eq!(put.due.len(), 2);
    world.apply(at(25), Action::Delete { name: "one".into() });
    world.put(25, &job("one", "@every 10s", Concurrency::Allow));
    let applied = world.apply(at(25), Action::Put(put));
    assert_eq!(applied.replies, vec![Reply::Refused(Refusal::Changed(1))]);
    assert_eq!(world.turns(), vec![]);
}

#[test]
fn what_an_import_counted_before_the_default_zone_changed_is_not_told_as_ticks_of_the_new_zone() {
    let mut world = World::new();
    let off = Job { disabled: true, ..job("off", "*/3 13,14 * * * *", Concurrency::Allow) };
    world.put(0, &off);
    let submission = submission(&mut world, &Job { schedule: "@every 1h".to_owned(), ..off });
    let put = edit::put(&world.ledger.state, ZoneData::bundled(), submission, at(30)).expect("a valid job");
    assert!(put.passed.is_some_and(|passed| passed.count > 5), "{:?}", put.passed);
    world.apply(at(31), Action::Stage { import: RequestId(1), jobs: vec![put] });
    world.apply(at(32), Action::SetDefaultZone { zone: "Asia/Kathmandu".into() });
    world.plan(33);
    let applied = world.apply(at(34), Action::Commit { import: RequestId(1) });
    assert_eq!(skips(&applied), [(1, 34, 0, SkipReason::Disabled)], "somewhere in it, nobody knows how many");
    assert_eq!(world.check(), Ok(()));
}
