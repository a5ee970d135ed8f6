//! An agent's life of crashes, lost messages and doubled ones: whatever the order, nothing is started twice,
//! everything accepted has one outcome that never changes, and nothing is lost while its runner lives.
//!
//! The model has what lies between the two processes: orders that the agent has given and the runner has not
//! read, which outlive the agent. Each fault that is put in on purpose is found.

use dkron_core::command::Event;
use dkron_core::delivery::Launch;
use dkron_core::execution::{Outcome, Verdict};
use dkron_core::ids::{ExecutionId, ExecutionRef, JobUid, JournalId, OccurrenceRef, Origin, RunnerId};
use dkron_core::journal::{Action, Effects, Input, Journal, Place, Record};
use dkron_core::time::Time;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
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
    /// The runner reads an order.
    Hear,
    /// The runner begins what it was told to.
    Begin(u8),
    End(u8),
    Settle(u8),
    Wait(u8),
    /// The agent dies alone. Of the steps not carried out so many are on the disk all the same; so many of the
    /// orders not read were still in its own memory.
    Crash {
        durable: u8,
        unsent: u8,
    },
    /// The runner dies with all that it knows.
    RunnerDies,
    /// Both live, but not their connection.
    LinkBreaks,
    Compact,
}

fn operations() -> impl Strategy<Value = Vec<Operation>> {
    let number = 0u8..6;
    let operation = prop_oneof![
        6 => number.clone().prop_map(Operation::Launch),
        2 => number.clone().prop_map(Operation::Cancel),
        8 => Just(Operation::Carry(None)),
        1 => (0u8..3).prop_map(|actions| Operation::Carry(Some(actions))),
        6 => Just(Operation::Hear),
        4 => number.clone().prop_map(Operation::Begin),
        4 => number.clone().prop_map(Operation::End),
        2 => number.prop_map(Operation::Settle),
        2 => (1u8..40).prop_map(Operation::Wait),
        2 => (0u8..4, 0u8..3).prop_map(|(durable, unsent)| Operation::Crash { durable, unsent }),
        1 => Just(Operation::RunnerDies),
        1 => Just(Operation::LinkBreaks),
        1 => Just(Operation::Compact),
    ];
    proptest::collection::vec(operation, 1..120)
}

/// A fault around the rules, or in what they are told.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Fault {
    /// A runner tells what it knows before it has read what an earlier agent said.
    ListsBeforeHearing,
    /// A runner calls itself as the one before it.
    TakenForTheOneBefore,
    /// What the agent runs itself is accepted as the runner's.
    CallsAreTheRunners,
}

#[derive(Clone, Copy)]
enum Order {
    Start(u8),
    Stop(u8),
    Release(u8),
}

#[derive(Default)]
struct Runner {
    id: RunnerId,
    /// What was said to it and it has not read.
    unread: VecDeque<Order>,
    told: BTreeSet<u8>,
    running: BTreeSet<u8>,
    ended: BTreeMap<u8, Verdict>,
}

struct World {
    fault: Option<Fault>,
    now: i64,
    journal: Journal,
    disk: Vec<Record>,
    steps: VecDeque<Effects>,
    runner: Runner,
    /// Runs in the agent itself.
    calls: BTreeSet<u8>,
    /// Those that this runner may have been told to start.
    asked: BTreeSet<u8>,
    /// Those that a dead one may have been told to start, and what ran in the agent.
    unknowable: BTreeSet<u8>,
    /// How often each really ran.
    ran: BTreeMap<u8, u32>,
    outcomes: BTreeMap<u8, Outcome>,
    accepted: BTreeSet<u8>,
    /// The first thing that must not be.
    wrong: Option<String>,
}

fn id(number: u8) -> ExecutionId {
    ExecutionId(u128::from(number) + 1)
}

fn number(id: ExecutionId) -> u8 {
    (id.0 - 1) as u8
}

fn is_call(number: u8) -> bool {
    number == 5
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

/// An end that the runner saw has a code; one that the journal made up has none.
fn seen_end(verdict: Verdict) -> Outcome {
    Outcome {
        verdict,
        started_at: Time::EPOCH,
        finished_at: Time::EPOCH,
        code: Some(0),
        error: Arc::default(),
        tail: Arc::from(*b"tail"),
        output_bytes: 4,
    }
}

impl World {
    fn new(fault: Option<Fault>) -> World {
        let mut world = World {
            fault,
            now: 20,
            journal: Journal::replay(OURS, SLOTS, []),
            disk: Vec::new(),
            steps: VecDeque::new(),
            runner: Runner::default(),
            calls: BTreeSet::new(),
            asked: BTreeSet::new(),
            unknowable: (0..6).filter(|number| is_call(*number)).collect(),
            ran: BTreeMap::new(),
            outcomes: BTreeMap::new(),
            accepted: BTreeSet::new(),
            wrong: None,
        };
        world.attach();
        world
    }

    fn check(&mut self, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            self.wrong.get_or_insert_with(what);
        }
    }

    fn step(&mut self, input: Input) {
        let effects = self.journal.step(Time::from_seconds(self.now), input);
        for record in &effects.records {
            match record {
                Record::Starting { id, .. } => drop(self.asked.insert(number(*id))),
                // Only the death of who may have run it makes an execution unknown.
                Record::Finished { id, outcome, .. } if outcome.verdict == Verdict::Lost => {
                    let unknowable = self.unknowable.contains(&number(*id));
                    self.check(unknowable, || format!("{id} is lost, but its runner lives"));
                }
                _ => {}
            }
        }
        self.steps.push_back(effects);
        let busy = self.journal.busy();
        self.check(busy <= SLOTS, || format!("{busy} are under way"));
    }

    fn carry(&mut self, only: Option<u8>) {
        let Some(effects) = self.steps.pop_front() else { return };
        self.disk.extend(effects.records);
        for action in effects.actions.into_iter().take(only.map_or(usize::MAX, usize::from)) {
            self.act(action);
        }
        if only.is_some() {
            self.crash(0, 0);
        }
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Start { launch, turn, .. } => {
                let number = number(launch.id);
                if self.journal.may_start(launch.id, turn) {
                    let early = launch.nominal > Time::from_seconds(self.now);
                    self.check(!early, || format!("{number} is started before its time"));
                    self.start(number);
                }
            }
            Action::Report { id, report } => match report.event {
                Event::Finished(outcome) => self.finish(number(id), outcome),
                Event::Accepted | Event::Started { .. } => drop(self.accepted.insert(number(id))),
            },
            Action::Stop { id } if self.calls.remove(&number(id)) => {
                self.tell_end(number(id), Verdict::Cancelled)
            }
            Action::Stop { id } => self.runner.unread.push_back(Order::Stop(number(id))),
            Action::Release { id } => self.runner.unread.push_back(Order::Release(number(id))),
            Action::Remark(_) => {}
        }
    }

    fn start(&mut self, number: u8) {
        if is_call(number) {
            self.note_run(number);
            self.calls.insert(number);
            self.tell_begin(number);
        } else {
            self.runner.unread.push_back(Order::Start(number));
        }
    }

    fn note_run(&mut self, number: u8) {
        let runs = self.ran.entry(number).or_default();
        *runs += 1;
        let once = *runs == 1;
        self.check(once, || format!("{number} is started twice"));
        let open = !self.outcomes.contains_key(&number);
        self.check(open, || format!("{number} is started after its end"));
    }

    fn hear(&mut self) {
        match self.runner.unread.pop_front() {
            Some(Order::Start(number)) => {
                let Runner { told, running, ended, .. } = &mut self.runner;
                if !running.contains(&number) && !ended.contains_key(&number) {
                    told.insert(number);
                }
            }
            Some(Order::Stop(number)) => self.end(number, Verdict::Cancelled),
            Some(Order::Release(number)) => drop(self.runner.ended.remove(&number)),
            None => {}
        }
    }

    fn finish(&mut self, number: u8, outcome: Outcome) {
        self.accepted.insert(number);
        let never = match outcome.verdict {
            Verdict::NotStarted => true,
            Verdict::Cancelled => outcome.code.is_none(),
            _ => false,
        };
        let ran = self.ran.contains_key(&number);
        self.check(!(never && ran), || format!("{number} ran, and is told as never begun"));
        let outcome = Outcome { tail: Arc::default(), ..outcome };
        let same = *self.outcomes.entry(number).or_insert_with(|| outcome.clone()) == outcome;
        self.check(same, || format!("the outcome of {number} has changed"));
    }

    fn begin(&mut self, number: u8) {
        if self.runner.told.remove(&number) {
            self.note_run(number);
            self.runner.running.insert(number);
            self.tell_begin(number);
        }
    }

    fn end(&mut self, number: u8, verdict: Verdict) {
        let seen = self.runner.running.remove(&number) | self.runner.told.remove(&number);
        if seen {
            self.runner.ended.insert(number, verdict);
        }
        if seen | (verdict == Verdict::Succeeded && self.calls.remove(&number)) {
            self.tell_end(number, verdict);
        }
    }

    fn tell_begin(&mut self, number: u8) {
        self.step(Input::Began { id: id(number), at: Time::from_seconds(self.now), process: None });
    }

    fn tell_end(&mut self, number: u8, verdict: Verdict) {
        self.step(Input::Ended { id: id(number), outcome: seen_end(verdict) });
    }

    fn crash(&mut self, durable: u8, unsent: u8) {
        for effects in self.steps.drain(..).take(usize::from(durable)) {
            self.disk.extend(effects.records);
        }
        let sent = self.runner.unread.len().saturating_sub(usize::from(unsent));
        self.runner.unread.truncate(sent);
        self.calls.clear();
        self.journal = Journal::replay(OURS, SLOTS, self.disk.clone());
        self.attach();
    }

    /// The runner reads all that was said to it before, then tells what it knows.
    fn attach(&mut self) {
        while self.fault != Some(Fault::ListsBeforeHearing) && !self.runner.unread.is_empty() {
            self.hear();
        }
        let known = [&self.runner.running, &self.runner.told, &self.calls];
        let alive: Vec<u8> = known.into_iter().flatten().copied().collect();
        alive.into_iter().for_each(|number| self.tell_begin(number));
        for (number, verdict) in self.runner.ended.clone() {
            self.tell_end(number, verdict);
        }
        self.step(Input::Attached(self.runner.id));
    }

    fn runner_dies(&mut self) {
        let another = self.fault != Some(Fault::TakenForTheOneBefore);
        let id = RunnerId(self.runner.id.0 + u128::from(another));
        self.runner = Runner { id, ..Runner::default() };
        self.unknowable.append(&mut self.asked);
        self.step(Input::Detached);
        self.attach();
    }

    fn compact(&mut self) {
        while !self.steps.is_empty() {
            self.carry(None);
        }
        self.disk = self.journal.snapshot();
    }

    fn run(&mut self, operation: Operation) {
        match operation {
            Operation::Launch(number) => {
                let inside = is_call(number) && self.fault != Some(Fault::CallsAreTheRunners);
                let place = if inside { Place::Agent } else { Place::Runner };
                self.step(Input::Launch(launch(number), place));
            }
            Operation::Cancel(number) => {
                self.step(Input::Cancel { execution: reference(number), id: id(number) });
            }
            Operation::Carry(only) => self.carry(only),
            Operation::Hear => self.hear(),
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
            Operation::Crash { durable, unsent } => self.crash(durable, unsent),
            Operation::RunnerDies => self.runner_dies(),
            Operation::LinkBreaks => {
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
            while !self.runner.unread.is_empty() {
                self.hear();
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

/// Lives through it all.
fn live(fault: Option<Fault>, operations: Vec<Operation>) -> Result<(), TestCaseError> {
    let mut world = World::new(fault);
    for operation in operations {
        world.run(operation);
    }
    world.heal();
    let unpaid = world.accepted.iter().find(|number| !world.outcomes.contains_key(number));
    let wrong = world.wrong.or(unpaid.map(|number| format!("{number} has no outcome")));
    wrong.map_or(Ok(()), |wrong| Err(TestCaseError::fail(wrong)))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn no_execution_starts_twice_and_every_accepted_one_has_one_outcome(operations in operations()) {
        live(None, operations)?;
    }
}

#[test]
fn each_fault_that_is_put_in_is_found() {
    for (fault, what) in [
        (Fault::ListsBeforeHearing, ["never begun", "started twice", "after its end"].as_slice()),
        (Fault::TakenForTheOneBefore, &["started twice", "never begun"]),
        (Fault::CallsAreTheRunners, &["started twice", "never begun"]),
    ] {
        let mut config = ProptestConfig::with_cases(20_000);
        (config.failure_persistence, config.max_shrink_iters) = (None, 0);
        let found = TestRunner::new(config).run(&operations(), |operations| live(Some(fault), operations));
        let found = found.expect_err("it is found").to_string();
        assert!(what.iter().any(|what| found.contains(what)), "{fault:?}: {found}");
    }
}
