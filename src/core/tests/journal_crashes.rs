//! An agent's life of crashes, lost messages and doubled ones: whatever the order, nothing is started twice
//! and everything accepted has one outcome that never changes.

use dkron_core::command::Event;
use dkron_core::delivery::Launch;
use dkron_core::execution::{Outcome, Verdict};
use dkron_core::ids::{ExecutionId, ExecutionRef, JobUid, JournalId, OccurrenceRef, Origin};
use dkron_core::journal::{Action, Effects, Input, Journal, Record};
use dkron_core::time::Time;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

const OURS: JournalId = JournalId(7);
const SLOTS: u32 = 2;

#[derive(Clone, Debug)]
enum Operation {
    Launch(u8),
    Cancel(u8),
    /// The oldest step becomes durable and its actions are taken, but only this many of them before a crash.
    Carry(Option<u8>),
    /// The runner begins what it was told to.
    Begin(u8),
    End(u8),
    Settle(u8),
    Wait(u8),
    /// The agent dies; of the steps not carried out this many are on the disk all the same.
    Crash(u8),
    /// The runner dies with all that it knows.
    RunnerDies,
    Compact,
}

fn operations() -> impl Strategy<Value = Vec<Operation>> {
    let number = 0u8..6;
    let operation = prop_oneof![
        6 => number.clone().prop_map(Operation::Launch),
        2 => number.clone().prop_map(Operation::Cancel),
        8 => Just(Operation::Carry(None)),
        1 => (0u8..3).prop_map(|actions| Operation::Carry(Some(actions))),
        4 => number.clone().prop_map(Operation::Begin),
        4 => number.clone().prop_map(Operation::End),
        2 => number.prop_map(Operation::Settle),
        2 => (1u8..40).prop_map(Operation::Wait),
        1 => (0u8..4).prop_map(Operation::Crash),
        1 => Just(Operation::RunnerDies),
        1 => Just(Operation::Compact),
    ];
    proptest::collection::vec(operation, 1..120)
}

#[derive(Default)]
struct Runner {
    told: BTreeSet<u8>,
    running: BTreeSet<u8>,
    ended: BTreeSet<u8>,
}

struct World {
    now: i64,
    journal: Journal,
    disk: Vec<Record>,
    steps: VecDeque<Effects>,
    runner: Runner,
    spawned: BTreeMap<u8, u32>,
    outcomes: BTreeMap<u8, Outcome>,
    accepted: BTreeSet<u8>,
}

fn id(number: u8) -> ExecutionId {
    ExecutionId(u128::from(number) + 1)
}

fn number(id: ExecutionId) -> u8 {
    (id.0 - 1) as u8
}

fn reference(number: u8) -> ExecutionRef {
    ExecutionRef {
        occurrence: OccurrenceRef { index: u64::from(number), position: 0 },
        ordinal: 0,
        attempt: 1,
    }
}

fn launch(number: u8) -> Launch {
    let nominal = Time::from_seconds(10 * i64::from(number));
    Launch {
        execution: reference(number),
        id: id(number),
        job: JobUid(1),
        job_name: "tick".into(),
        origin: Origin::Schedule,
        nominal,
        decided_at: nominal,
        journal: OURS,
        start_before: Time::from_seconds(10 * i64::from(number) + 60),
        definition: Arc::default(),
    }
}

impl World {
    fn new() -> World {
        let mut world = World {
            now: 20,
            journal: Journal::replay(OURS, SLOTS, []),
            disk: Vec::new(),
            steps: VecDeque::new(),
            runner: Runner::default(),
            spawned: BTreeMap::new(),
            outcomes: BTreeMap::new(),
            accepted: BTreeSet::new(),
        };
        world.step(Input::Attached);
        world
    }

    fn step(&mut self, input: Input) {
        let effects = self.journal.step(Time::from_seconds(self.now), input);
        self.steps.push_back(effects);
        assert!(self.journal.busy() <= SLOTS);
    }

    fn carry(&mut self, only: Option<u8>) {
        let Some(effects) = self.steps.pop_front() else { return };
        self.disk.extend(effects.records);
        for action in effects.actions.into_iter().take(only.map_or(usize::MAX, usize::from)) {
            self.act(action);
        }
        if only.is_some() {
            self.restart(0);
        }
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Start(launch) if self.journal.may_start(launch.id) => {
                let number = number(launch.id);
                *self.spawned.entry(number).or_default() += 1;
                assert_eq!(self.spawned[&number], 1, "execution {number} is started twice");
                assert!(!self.outcomes.contains_key(&number), "execution {number} is started after its end");
                let owed = self.journal.under_way().any(|(id, ..)| id == launch.id);
                assert!(owed, "execution {number} is started after the journal gave it up");
                assert!(launch.nominal <= Time::from_seconds(self.now), "started before its time");
                self.runner.told.insert(number);
            }
            Action::Report { id, report } => match report.event {
                Event::Finished(outcome) => self.finish(number(id), outcome),
                Event::Accepted | Event::Started { .. } => drop(self.accepted.insert(number(id))),
            },
            Action::Stop { id } => self.end(number(id), Verdict::Cancelled),
            Action::Release { id } => drop(self.runner.ended.remove(&number(id))),
            Action::Start(_) | Action::Remark(_) => {}
        }
    }

    fn finish(&mut self, number: u8, outcome: Outcome) {
        self.accepted.insert(number);
        let outcome = Outcome { tail: Arc::default(), ..outcome };
        let first = self.outcomes.entry(number).or_insert_with(|| outcome.clone());
        assert_eq!(first, &outcome, "the outcome of execution {number} has changed");
    }

    fn begin(&mut self, number: u8) {
        if self.runner.told.remove(&number) {
            self.runner.running.insert(number);
            self.step(Input::Began { id: id(number), at: Time::from_seconds(self.now), process: None });
        }
    }

    fn end(&mut self, number: u8, verdict: Verdict) {
        if self.runner.running.remove(&number) | self.runner.told.remove(&number) {
            self.runner.ended.insert(number);
            self.tell_end(number, verdict);
        }
    }

    fn tell_end(&mut self, number: u8, verdict: Verdict) {
        let outcome = Outcome {
            verdict,
            started_at: Time::EPOCH,
            finished_at: Time::EPOCH,
            code: Some(0),
            error: Arc::default(),
            tail: Arc::from(*b"tail"),
            output_bytes: 4,
        };
        self.step(Input::Ended { id: id(number), outcome });
    }

    fn restart(&mut self, durable: u8) {
        for effects in self.steps.drain(..).take(usize::from(durable)) {
            self.disk.extend(effects.records);
        }
        self.journal = Journal::replay(OURS, SLOTS, self.disk.clone());
        self.attach();
    }

    fn attach(&mut self) {
        let alive: Vec<u8> = self.runner.running.union(&self.runner.told).copied().collect();
        for number in alive {
            self.step(Input::Began { id: id(number), at: Time::from_seconds(self.now), process: None });
        }
        for number in self.runner.ended.clone() {
            self.tell_end(number, Verdict::Succeeded);
        }
        self.step(Input::Attached);
    }

    fn compact(&mut self) {
        while !self.steps.is_empty() {
            self.carry(None);
        }
        self.disk = self.journal.snapshot();
    }

    fn run(&mut self, operation: Operation) {
        match operation {
            Operation::Launch(number) => self.step(Input::Launch(launch(number))),
            Operation::Cancel(number) => {
                self.step(Input::Cancel { execution: reference(number), id: id(number) });
            }
            Operation::Carry(only) => self.carry(only),
            Operation::Begin(number) => self.begin(number),
            Operation::End(number) => self.end(number, Verdict::Succeeded),
            Operation::Settle(number) if self.outcomes.contains_key(&number) => {
                self.step(Input::Settled(vec![id(number)]));
            }
            Operation::Settle(_) => {}
            Operation::Wait(seconds) => {
                self.now += i64::from(seconds);
                self.step(Input::Tick);
            }
            Operation::Crash(durable) => self.restart(durable),
            Operation::RunnerDies => {
                self.runner = Runner::default();
                self.step(Input::Detached);
                self.attach();
            }
            Operation::Compact => self.compact(),
        }
    }

    /// Everything goes well from here on: what is owed must be paid.
    fn heal(&mut self) {
        for _ in 0..100 {
            while !self.steps.is_empty() {
                self.carry(None);
            }
            for number in 0..6 {
                self.begin(number);
                self.end(number, Verdict::Succeeded);
            }
            self.now += 5;
            self.step(Input::Tick);
        }
        for (id, report) in self.journal.standing(None, usize::MAX) {
            self.act(Action::Report { id, report });
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn no_execution_starts_twice_and_every_accepted_one_has_one_outcome(operations in operations()) {
        let mut world = World::new();
        for operation in operations {
            world.run(operation);
        }
        world.heal();
        for number in &world.accepted {
            prop_assert!(world.outcomes.contains_key(number), "execution {number} has no outcome");
        }
    }
}
