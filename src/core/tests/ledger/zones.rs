//! New zone data and another default zone: what is due is decided first, the rest is filed anew.

use crate::world::*;

/// The hours of a schedule in Calcutta by two versions of the zone data.
const OLDER: ZoneData = ZoneData::differing("2000a", &[("Asia/Kolkata", "Asia/Kathmandu")]);

/// Plans and applies by these data until nothing more is planned.
fn plan_by(world: &mut World, data: ZoneData, second: i64) -> Vec<Applied> {
    let mut planner = Planner::with_zone_data(data);
    let mut applied = Vec::new();
    for _ in 0..10 {
        for proposal in planner.plan(&mut world.ledger, at(second), true).proposals {
            let one = world.apply(at(second), proposal.action);
            planner.answered(&mut world.ledger, proposal.token, one.replies.first());
            applied.push(one);
        }
    }
    planner.resign(&mut world.ledger);
    applied
}

fn next_due(world: &World, name: &str) -> i64 {
    world.ledger.state.job_named(name).expect("it is stored").1.next_due.seconds() - BEGINNING
}

/// 22:13:20 UTC is 03:43:20 in Calcutta; with the older data it would be 03:58:20.
#[test]
fn newer_zone_data_file_jobs_anew_and_older_ones_never_do() {
    let mut world = World::new();
    plan_by(&mut world, OLDER, 0);
    let mut hourly = job("hourly", "0 45 * * * *", Concurrency::Allow);
    hourly.timezone = "Asia/Kolkata".into();
    for number in 0..3_000 {
        let name = format!("job-{number}");
        let submission = submission(&mut world, &Job { name, ..hourly.clone() });
        let put = edit::put(&world.ledger.state, OLDER, submission, at(0)).expect("a valid job");
        world.apply(at(0), Action::Put(put));
    }
    let (older, newer) = (46 * 60 + 40, 60 + 40);
    assert_eq!(next_due(&world, "job-7"), older);
    plan_by(&mut world, ZoneData::bundled(), 10);
    assert!((0..3_000).all(|number| next_due(&world, &format!("job-{number}")) == newer));
    let filing = |world: &World| world.ledger.state.cluster().expect("founded").filing.clone();
    assert!(!filing(&world).pending);
    plan_by(&mut world, OLDER, 20);
    assert_eq!(next_due(&world, "job-7"), newer, "an older leader leaves it");
    assert!(filing(&world).pending, "what it will file is filed again");
    plan_by(&mut world, OLDER, newer);
    assert_eq!(
        next_due(&world, "job-7"),
        older,
        "a tick of the newer data was decided, the next is by the older"
    );
    plan_by(&mut world, ZoneData::bundled(), newer + 10);
    assert_eq!(next_due(&world, "job-7"), newer + 3_600);
    assert_eq!(world.check(), Ok(()));
}

#[test]
fn ticks_that_new_zone_data_have_before_now_are_one_record() {
    let mut world = World::new();
    plan_by(&mut world, OLDER, 0);
    let mut hourly = job("hourly", "0 45,46 * * * *", Concurrency::Allow);
    hourly.timezone = "Asia/Kolkata".into();
    let submission = submission(&mut world, &hourly);
    let put = edit::put(&world.ledger.state, OLDER, submission, at(0)).expect("a valid job");
    world.apply(at(0), Action::Put(put));
    let applied = plan_by(&mut world, ZoneData::bundled(), 600);
    let records: Vec<_> = applied.iter().flat_map(skips).collect();
    assert_eq!(records, vec![(100, 160, 2, SkipReason::Rezoned)]);
    assert_eq!(next_due(&world, "hourly"), 3_700);
    assert_eq!(world.turns(), vec![]);
}

#[test]
fn what_is_due_by_the_old_default_zone_is_decided_before_the_new_one_counts() {
    let mut world = World::new();
    let hourly = job("hourly", "0 15 * * * *", Concurrency::Allow);
    world.put(0, &hourly);
    let held = Job { name: "held".into(), ..hourly };
    world.put(0, &held);
    world.apply(at(1), Action::Hold(Scope::Jobs(vec!["held".into()])));
    assert_eq!(next_due(&world, "hourly"), 100);
    world.apply(at(101), Action::SetDefaultZone { zone: "Asia/Kolkata".into() });
    world.plan(101);
    assert_eq!(world.turns(), vec![Turn::Open], "it was due at 100");
    world.plan(103);
    assert_eq!((next_due(&world, "hourly"), next_due(&world, "held")), (1_900, 1_900));
    assert!(!world.ledger.state.cluster().expect("founded").filing.pending);
    assert_eq!(&*world.ledger.state.cluster().expect("founded").founding.default_zone, "Asia/Kolkata");
}
