//! The ledger alone: random commands, sensible and not, never break it; and the sequences that once did.

#[path = "sim/indexes.rs"]
mod indexes;

use dkron_core::apply::{Applied, Ledger};
use dkron_core::command::{
    Action, Assignment, Backfill, Batch, Command, Decision, DecisionKind, Event, Founding, GiveUp, Refusal,
    Reply, Report, Scope, Stretch,
};
use dkron_core::execution::{HistoryRow, Outcome, SkipReason, Verdict};
use dkron_core::ids::{
    BootId, ClusterId, ExecutionRef, Incarnation, JobSlot, JobUid, JournalId, NodeId, NodeSlot,
    OccurrenceRef, Origin, RequestId,
};
use dkron_core::job::{Backoff, Concurrency, Job};
use dkron_core::node::{Mark, Registration};
use dkron_core::plan::backfill::{self, BackfillError, Past};
use dkron_core::plan::edit::{self, Submission};
use dkron_core::plan::{Order, Planner};
use dkron_core::schedule::ZoneData;
use dkron_core::state::State;
use dkron_core::state::record::Turn;
use dkron_core::time::{Span, Time};
use proptest::prelude::*;
use std::sync::Arc;

const BEGINNING: i64 = 1_700_000_000;

fn at(second: i64) -> Time {
    Time::from_seconds(BEGINNING + second)
}

/// A ledger, its log's length, and a source of names.
struct World {
    ledger: Ledger,
    index: u64,
    names: u128,
}

impl World {
    /// A founded cluster with one node.
    fn new() -> World {
        let mut world = World { ledger: Ledger::default(), index: 0, names: 1_000 };
        let founding = Founding {
            cluster: ClusterId(1),
            incarnation: Incarnation(1),
            default_zone: "UTC".into(),
            zone_data: ZoneData::bundled().version().into(),
        };
        world.apply(at(0), Action::Found(founding));
        world.register(0, 1, 1);
        world
    }

    fn apply(&mut self, time: Time, action: Action) -> Applied {
        self.names += 1;
        let request = Some(RequestId(self.names))
            .filter(|_| matches!(action, Action::Run { .. } | Action::Backfill(_)));
        self.index += 1;
        self.ledger.apply(self.index, &Batch { time, commands: vec![Command { request, action }] })
    }

    fn register(&mut self, second: i64, journal: u128, boot: u128) -> Applied {
        let registration = Registration {
            node: NodeId(1),
            name: "one".into(),
            life: journal as u64,
            journal: JournalId(journal),
            boot: BootId(boot),
            tags: [("dc".to_owned(), "a".to_owned())].into(),
            slots: 4,
            server: true,
            address: "127.0.0.1:8946".into(),
        };
        self.apply(at(second), Action::Register(registration))
    }

    fn put(&mut self, second: i64, job: &Job) -> Applied {
        self.names += 1;
        let definition = format!("{job:?}").into_bytes().into();
        let uid = JobUid(self.names);
        let submission =
            Submission { job: Arc::new(job.clone()), definition, uid, expected: None, counters: None };
        let put =
            edit::put(&self.ledger.state, ZoneData::bundled(), submission, at(second)).expect("a valid job");
        self.apply(at(second), Action::Put(put))
    }

    fn run(&mut self, second: i64, name: &str) {
        self.apply(at(second), Action::Run { name: name.into(), nominal: at(second) });
    }

    /// Plans and applies what is planned, until nothing more is.
    fn plan(&mut self, second: i64) -> Vec<Order> {
        self.plan_at(at(second))
    }

    fn plan_at(&mut self, now: Time) -> Vec<Order> {
        let mut planner = Planner::default();
        let mut orders = Vec::new();
        for _ in 0..10 {
            let plan = planner.plan(&mut self.ledger, now, true);
            orders.extend(plan.orders.into_iter().map(|(_, order)| order));
            for proposal in plan.proposals {
                let applied = self.apply(now, proposal.action);
                planner.answered(&mut self.ledger, proposal.token, applied.replies.first());
            }
        }
        planner.resign(&mut self.ledger);
        orders
    }

    fn turns(&self) -> Vec<Turn> {
        self.ledger.state.occurrences().map(|(_, found)| found.turn).collect()
    }

    fn open(&self) -> OccurrenceRef {
        let open = self.ledger.state.occurrences().find(|(_, found)| found.turn == Turn::Open);
        open.expect("something is open").0
    }

    /// The agent says how the first execution of an occurrence ended.
    fn end(&mut self, second: i64, occurrence: OccurrenceRef, attempt: u16, verdict: Verdict) -> Applied {
        let found = self.ledger.state.occurrence(occurrence).expect("it is not over");
        let check = found.execution_id(0, attempt).check();
        let execution = ExecutionRef { occurrence, ordinal: 0, attempt };
        let event = Event::Finished(outcome(verdict));
        self.apply(at(second), Action::Report(vec![Report { execution, check, event }]))
    }

    fn check(&self) -> Result<(), String> {
        indexes::check(&self.ledger)?;
        let state = &self.ledger.state;
        let rebuilt = State::rebuild(state.applied(), state.time(), state.records())
            .map_err(|error| error.to_string())?;
        if rebuilt.digest() != state.digest() {
            return Err("the digest of its records is another".to_owned());
        }
        indexes::check(&Ledger::over(rebuilt))
    }
}

fn outcome(verdict: Verdict) -> Outcome {
    Outcome {
        verdict,
        started_at: at(0),
        finished_at: at(1),
        code: None,
        error: Arc::default(),
        tail: Arc::default(),
        output_bytes: 0,
    }
}

fn job(name: &str, schedule: &str, concurrency: Concurrency) -> Job {
    Job {
        name: name.to_owned(),
        schedule: schedule.to_owned(),
        concurrency,
        tags: [("dc".to_owned(), "a:1".to_owned())].into(),
        ..Job::default()
    }
}

fn skips(applied: &Applied) -> Vec<(i64, i64, u64, SkipReason)> {
    let skip = |row: &HistoryRow| match row {
        HistoryRow::Skipped(skip) => {
            Some((skip.from.seconds() - BEGINNING, skip.to.seconds() - BEGINNING, skip.count, skip.reason))
        }
        _ => None,
    };
    applied.rows.iter().filter_map(skip).collect()
}

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
    world.apply(at(5), Action::Mark { node: NodeSlot(0), mark: Mark::Cordoned });
    world.end(6, first, 1, Verdict::Succeeded);
    let head = world.ledger.state.occurrences().next().expect("the second run").0;
    world.apply(at(7), Action::Cancel { occurrence: head });
    world.apply(at(8), Action::Mark { node: NodeSlot(0), mark: Mark::Alive });
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
    world.apply(at(1), Action::Mark { node: NodeSlot(0), mark: Mark::Failed });
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
    let applied = world.apply(at(21), Action::Cancel { occurrence });
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
    world.apply(at(2), Action::Mark { node: NodeSlot(0), mark: Mark::Cordoned });
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
    world.apply(at(2), Action::Mark { node: NodeSlot(0), mark: Mark::Failed });
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
    world.apply(at(50), Action::Mark { node: NodeSlot(0), mark: Mark::Cordoned });
    world.end(60, first, 1, Verdict::Succeeded);
    world.plan(150);
    assert_eq!(world.turns().len(), 39, "all wait for a node");
    for _ in 0..10 {
        world.plan(161);
    }
    assert_eq!(world.turns(), vec![], "nobody waits for longer than the window");
}

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

/// A definition as a client posts it, computed by what the proposer saw at a time.
fn submission(world: &mut World, definition: &Job) -> Submission {
    world.names += 1;
    Submission {
        job: Arc::new(definition.clone()),
        definition: format!("{definition:?}").into_bytes().into(),
        uid: JobUid(world.names),
        expected: None,
        counters: None,
    }
}

fn at_millis(millis: i64) -> Time {
    at(0) + Span::from_millis(millis)
}

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

/// Numbers that most often name something that is there.
fn small() -> impl Strategy<Value = u32> {
    prop_oneof![9 => 0u32..6, 1 => any::<u32>()]
}

fn name() -> impl Strategy<Value = Arc<str>> {
    (0u32..5).prop_map(|number| format!("job-{number}").into())
}

fn instant() -> impl Strategy<Value = Time> {
    prop_oneof![
        9 => (-5i64..200).prop_map(at),
        1 => prop::sample::select(vec![Time::EPOCH, Time::NEVER, Time::from_nanos(i64::MIN)]),
    ]
}

fn execution() -> impl Strategy<Value = ExecutionRef> {
    (0u64..120, small(), 0u16..3, 0u16..4).prop_map(|(index, position, ordinal, attempt)| ExecutionRef {
        occurrence: OccurrenceRef { index, position },
        ordinal,
        attempt,
    })
}

fn nonsense_decision() -> impl Strategy<Value = Decision> {
    let kind = prop_oneof![
        (instant(), prop::collection::vec(small().prop_map(NodeSlot), 0..3)).prop_map(|(nominal, nodes)| {
            DecisionKind::Start { origin: Origin::Schedule, nominal, nodes }
        }),
        (instant(), instant(), any::<u64>()).prop_map(|(from, to, count)| DecisionKind::Skip {
            from,
            to,
            count,
            reason: SkipReason::Missed
        }),
        Just(DecisionKind::Refile { passed: None }),
        (instant(), instant())
            .prop_map(|(from, to)| DecisionKind::Refile { passed: Some(Stretch { from, to, count: 1 }) }),
    ];
    (small(), 0u32..3, 0u32..8, kind, prop::option::of(instant())).prop_map(
        |(job, generation, revision, kind, next_due)| Decision {
            job: JobSlot(job),
            generation,
            revision,
            kind,
            next_due,
        },
    )
}

fn action() -> impl Strategy<Value = Action> {
    let event = prop_oneof![
        Just(Event::Accepted),
        instant().prop_map(|at| Event::Started { at }),
        prop::sample::select(Verdict::ALL.to_vec()).prop_map(|verdict| Event::Finished(outcome(verdict))),
    ];
    let mark = prop::sample::select(Mark::ALL.to_vec());
    prop_oneof![
        prop::collection::vec(nonsense_decision(), 0..4).prop_map(Action::Decide),
        execution()
            .prop_map(|execution| Action::Assign(vec![Assignment::Retry { execution, node: NodeSlot(0) }])),
        (execution(), small()).prop_map(|(execution, node)| Action::Assign(vec![Assignment::Place {
            occurrence: execution.occurrence,
            nodes: vec![NodeSlot(node)]
        }])),
        (execution(), any::<u32>(), event)
            .prop_map(|(execution, check, event)| Action::Report(vec![Report { execution, check, event }])),
        execution().prop_map(|execution| Action::GiveUp(vec![
            GiveUp::Unplaced(execution.occurrence),
            GiveUp::Lost(execution)
        ])),
        name().prop_map(|name| Action::Delete { name }),
        name().prop_map(|name| Action::DeleteExecutions { name }),
        (name(), instant()).prop_map(|(name, nominal)| Action::Run { name, nominal }),
        (name(), 1_000u128..1_200, prop::collection::vec(instant(), 0..5)).prop_map(
            |(name, uid, nominals)| { Action::Backfill(Backfill { name, job: JobUid(uid), nominals }) }
        ),
        execution().prop_map(|execution| Action::Cancel { occurrence: execution.occurrence }),
        any::<bool>().prop_map(Action::Pause),
        prop_oneof![Just(Scope::Cluster), name().prop_map(|name| Scope::Jobs(vec![name]))]
            .prop_map(Action::Hold),
        prop_oneof![Just(Scope::Cluster), name().prop_map(|name| Scope::Jobs(vec![name]))]
            .prop_map(Action::Release),
        (small(), mark).prop_map(|(node, mark)| Action::Mark { node: NodeSlot(node), mark }),
        (0u128..3).prop_map(|import| Action::Stage { import: RequestId(import), jobs: Vec::new() }),
        (0u128..3).prop_map(|import| Action::Commit { import: RequestId(import) }),
        prop::sample::select(vec!["1999a", "2999a"])
            .prop_map(|version| Action::AdoptZoneData { version: version.into() }),
        prop::sample::select(vec!["UTC", "Asia/Kolkata", "Nowhere"])
            .prop_map(|zone| Action::SetDefaultZone { zone: zone.into() }),
        (0u32..4).prop_map(|epoch| Action::ZonesFiled { epoch }),
        (0u128..3).prop_map(|import| Action::Abandon { import: RequestId(import) }),
    ]
}

/// One step of a life.
#[derive(Clone, Debug)]
enum Step {
    Anything(Time, Action),
    Put { name: u32, schedule: &'static str, concurrency: Concurrency, parent: Option<u32>, disabled: bool },
    Plan,
    EndFirst(Verdict),
    Hello { journal: u128, boot: u128 },
    Wait(i64),
}

fn step() -> impl Strategy<Value = Step> {
    let concurrency = prop::sample::select(vec![
        Concurrency::Allow,
        Concurrency::Forbid,
        Concurrency::Queue,
        Concurrency::Replace,
    ]);
    let schedule = prop::sample::select(vec!["@every 1s", "@every 7s", "*/5 * * * * *", "@manually"]);
    let put = (0u32..5, schedule, concurrency, prop::option::weighted(0.2, 0u32..5), any::<bool>());
    prop_oneof![
        5 => (instant(), action()).prop_map(|(time, action)| Step::Anything(time, action)),
        3 => put.prop_map(|(name, schedule, concurrency, parent, disabled)| Step::Put {
            name, schedule, concurrency, parent, disabled
        }),
        4 => Just(Step::Plan),
        3 => prop::sample::select(Verdict::ALL.to_vec()).prop_map(Step::EndFirst),
        1 => (1u128..4, 1u128..3).prop_map(|(journal, boot)| Step::Hello { journal, boot }),
        3 => (1i64..20).prop_map(Step::Wait),
    ]
}

fn take(world: &mut World, second: &mut i64, step: Step) {
    match step {
        Step::Anything(time, action) => drop(world.apply(time, action)),
        Step::Put { name, schedule, concurrency, parent, disabled } => {
            let mut definition = job(&format!("job-{name}"), schedule, concurrency);
            definition.parent_job = parent.map(|parent| format!("job-{parent}")).unwrap_or_default();
            definition.retries = name % 3;
            definition.disabled = disabled && name % 2 == 0;
            world.put(*second, &definition);
        }
        Step::Plan => drop(world.plan(*second)),
        Step::EndFirst(verdict) => {
            let live = world.ledger.state.occurrences().find_map(|(reference, found)| {
                found
                    .executions
                    .first()
                    .filter(|first| first.is_live())
                    .map(|first| (reference, first.attempt))
            });
            if let Some((occurrence, attempt)) = live {
                world.end(*second, occurrence, attempt, verdict);
            }
        }
        Step::Hello { journal, boot } => drop(world.register(*second, journal, boot)),
        Step::Wait(seconds) => *second += seconds,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn no_sequence_of_commands_breaks_the_ledger(steps in prop::collection::vec(step(), 1..80)) {
        let (mut world, mut second) = (World::new(), 1);
        for step in steps {
            take(&mut world, &mut second, step);
        }
        prop_assert_eq!(world.check(), Ok(()));
    }

    #[test]
    fn a_ledger_read_from_its_records_goes_on_as_the_one_that_wrote_them(
        before in prop::collection::vec(step(), 1..40),
        after in prop::collection::vec((instant(), action()), 1..30),
    ) {
        let (mut world, mut second) = (World::new(), 1);
        for step in before {
            take(&mut world, &mut second, step);
        }
        let state = &world.ledger.state;
        let rebuilt = State::rebuild(state.applied(), state.time(), state.records());
        let mut other = World { ledger: Ledger::over(rebuilt.expect("its own records")), ..world };
        let mut world = World { ledger: Ledger::over(other.ledger.state.clone()), ..other };
        for (time, action) in after {
            let (one, two) = (world.apply(time, action.clone()), other.apply(time, action));
            prop_assert_eq!(one.replies, two.replies);
            prop_assert_eq!(one.rows, two.rows);
            prop_assert_eq!(world.ledger.state.digest(), other.ledger.state.digest());
        }
    }
}
