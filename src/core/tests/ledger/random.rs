//! Random commands, sensible and not: whatever comes, indexes and digest stay true to the records.

use crate::world::*;
use proptest::prelude::*;

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
    let liveness = prop::sample::select(Liveness::ALL.to_vec());
    let work = prop::sample::select(Work::ALL.to_vec());
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
        name().prop_map(|name| Action::CallOff { name }),
        (execution(), any::<bool>()).prop_map(|(name, one)| Action::Cancel {
            occurrence: name.occurrence,
            ordinal: one.then_some(name.ordinal),
        }),
        any::<bool>().prop_map(Action::Pause),
        prop_oneof![Just(Scope::Cluster), name().prop_map(|name| Scope::Jobs(vec![name]))]
            .prop_map(Action::Hold),
        prop_oneof![Just(Scope::Cluster), name().prop_map(|name| Scope::Jobs(vec![name]))]
            .prop_map(Action::Release),
        (small(), liveness).prop_map(|(node, liveness)| Action::Mark { node: NodeSlot(node), liveness }),
        (small(), work).prop_map(|(node, work)| Action::Cordon { node: NodeSlot(node), work }),
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
