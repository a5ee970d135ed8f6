//! The rules of an agent's journal: what may start, what is owed, what is remembered.
//!
//! Pure: an input and the time go in; records to make durable and actions to take come out. The state changes
//! only by applying a record, so that a replay after a crash is the same code that ran before it. The
//! contract with the caller: **an action is taken only when its step's records, and all earlier ones, are
//! durable.** With that, and whatever is lost, doubled or late around it:
//!
//! - an execution is started at most once per journal: `Starting` is durable before anybody is told to spawn, and
//!   what was starting starts again only if its runner itself has never heard of it;
//! - an accepted execution gets exactly one outcome, repeated until it is settled;
//! - nothing starts before its nominal time, after its `start_before`, or after a cancel was answered;
//! - no more than `slots` executions are under way, and no more are starting than a runner queues: a burst waits
//!   here, where waiting is durable.
//!
//! What was starting when the agent or its runner was interrupted may have been started or not. `Starting` names
//! the runner that was attached. If that very runner is attached again, has heard all that was ever said to it and
//! does not know the execution, then it was not started, will not be, and waits for its turn anew. Another runner
//! cannot know what the one before it did, and nobody knows what the agent itself did: then it is lost.

mod message;

pub use message::{Action, Effects, Input, Place, Process, Record, Remark};

use crate::command::{Event, Report};
use crate::delivery::Launch;
use crate::execution::{Outcome, Verdict};
use crate::ids::{ExecutionId, ExecutionRef, JournalId, RunnerId};
use crate::limits;
use crate::time::Time;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

/// The agent's memory of executions.
#[derive(Debug)]
pub struct Journal {
    id: JournalId,
    slots: u32,
    /// The runner that is attached.
    runner: Option<RunnerId>,
    entries: BTreeMap<ExecutionId, Entry>,
    /// Accepted, not started: by when they should start, then in order of arrival.
    queue: BTreeSet<(Time, u64, ExecutionId)>,
    /// The same ones, by when it is too late.
    deadlines: BTreeSet<(Time, ExecutionId)>,
    /// Settled ones, by when a repeated launch would be too late.
    settled: BTreeSet<(Time, ExecutionId)>,
    /// How many are starting or running.
    busy: u32,
    /// How many of these are starting.
    starting: u32,
    /// Counts arrivals and starts: two starts of one execution are never taken for each other.
    turns: u64,
}

#[derive(Debug)]
struct Entry {
    execution: ExecutionRef,
    start_before: Time,
    place: Place,
    /// Its place in the queue, among those that are due at the same time.
    arrival: u64,
    state: State,
    /// Whether the runner has told of it since it was attached.
    confirmed: bool,
    /// Whether it shall end.
    stop: bool,
}

#[derive(Debug)]
enum State {
    Waiting { launch: Arc<Launch> },
    Starting { launch: Arc<Launch>, runner: RunnerId, turn: u64 },
    Running { launch: Arc<Launch>, runner: RunnerId, at: Time, process: Option<Process> },
    Finished { outcome: Arc<Outcome> },
    Settled { outcome: Arc<Outcome>, at: Time },
}

impl Journal {
    /// The journal that these records tell of; detached, as after every start.
    pub fn replay(id: JournalId, slots: u32, records: impl IntoIterator<Item = Record>) -> Journal {
        let mut journal = Journal {
            id,
            slots,
            runner: None,
            entries: BTreeMap::new(),
            queue: BTreeSet::new(),
            deadlines: BTreeSet::new(),
            settled: BTreeSet::new(),
            busy: 0,
            starting: 0,
            turns: 0,
        };
        for record in records {
            journal.apply(&record);
        }
        journal
    }

    /// The records that rebuild this journal, without what may be forgotten.
    pub fn snapshot(&self) -> Vec<Record> {
        let mut waiting: Vec<(u64, Record)> = Vec::new();
        let mut records = Vec::new();
        for (id, entry) in &self.entries {
            match &entry.state {
                State::Waiting { launch } => waiting.push((entry.arrival, entry.accepted(launch))),
                State::Starting { launch, runner, .. } => {
                    records.push(entry.accepted(launch));
                    records.push(Record::Starting { id: *id, runner: *runner });
                }
                State::Running { launch, runner, at, process } => {
                    records.push(entry.accepted(launch));
                    records.push(Record::Starting { id: *id, runner: *runner });
                    records.push(Record::Started { id: *id, at: *at, process: *process });
                }
                State::Finished { outcome } => records.push(entry.finished(*id, outcome)),
                State::Settled { outcome, at } => {
                    records.push(entry.finished(*id, outcome));
                    records.push(Record::Settled { id: *id, at: *at });
                }
            }
        }
        waiting.sort_unstable_by_key(|(arrival, _)| *arrival);
        records.extend(waiting.into_iter().map(|(_, accepted)| accepted));
        records
    }

    /// Takes one input.
    pub fn step(&mut self, now: Time, input: Input) -> Effects {
        let mut effects = Effects::default();
        match input {
            Input::Launch(launch, place) => self.launch(now, launch, place, &mut effects),
            Input::Cancel { execution, id } => self.cancel(now, execution, id, &mut effects),
            Input::Settled(ids) => self.settle(now, &ids, &mut effects),
            Input::Began { id, at, process } => self.began(id, at, process, &mut effects),
            Input::Ended { id, outcome } => self.ended(id, outcome, &mut effects),
            Input::Detached => self.detach(),
            Input::Attached(runner) => self.attach(now, runner, &mut effects),
            Input::Tick => self.forget(now),
        }
        self.refuse_late(now, &mut effects);
        self.start_ripe(now, &mut effects);
        debug_assert!(self.busy == self.count_busy());
        effects
    }

    /// When the next `Tick` has something to do.
    pub fn wake_at(&self) -> Option<Time> {
        let deadline = self.deadlines.first().map(|(start_before, _)| *start_before);
        let late = deadline.filter(|at| *at != Time::NEVER).map(|at| Time::from_nanos(at.nanos() + 1));
        let ripe = self.next_in_queue().filter(|_| self.may_take_more()).map(|launch| launch.nominal);
        late.into_iter().chain(ripe).min()
    }

    /// Whether the [`Action::Start`] of this turn still holds: between the decision and the durable record the
    /// runner may have been lost, and the execution with it, or another turn may have come.
    pub fn may_start(&self, id: ExecutionId, turn: u64) -> bool {
        let starting =
            |entry: &Entry| matches!(entry.state, State::Starting { turn: found, .. } if found == turn);
        self.runner.is_some() && self.entries.get(&id).is_some_and(starting)
    }

    /// What the servers should know of at most `limit` unsettled executions with ids above `after`.
    pub fn standing(&self, after: Option<ExecutionId>, limit: usize) -> Vec<(ExecutionId, Report)> {
        let lower = after.map_or(Bound::Unbounded, Bound::Excluded);
        let unsettled = self.entries.range((lower, Bound::Unbounded));
        let unsettled = unsettled.filter(|(_, entry)| !matches!(entry.state, State::Settled { .. }));
        unsettled.take(limit).map(|(id, entry)| (*id, entry.report(*id))).collect()
    }

    /// The executions that should be under way at the runner, with their processes.
    pub fn under_way(&self) -> impl Iterator<Item = (ExecutionId, Time, Option<Process>)> + '_ {
        self.entries.iter().filter_map(|(id, entry)| match &entry.state {
            State::Starting { .. } => Some((*id, Time::EPOCH, None)),
            State::Running { at, process, .. } => Some((*id, *at, *process)),
            _ => None,
        })
    }

    /// Those of them that the runner has not told of since it was attached.
    pub fn unconfirmed(&self) -> impl Iterator<Item = (ExecutionId, Time, Option<Process>)> + '_ {
        self.under_way().filter(|(id, ..)| self.entries.get(id).is_some_and(|entry| !entry.confirmed))
    }

    /// How many executions are not settled.
    pub fn unsettled(&self) -> usize {
        self.entries.len() - self.settled.len()
    }

    /// How many executions are starting or running.
    pub fn busy(&self) -> u32 {
        self.busy
    }

    /// How many executions it remembers.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether it remembers nothing.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn launch(&mut self, now: Time, launch: Launch, place: Place, effects: &mut Effects) {
        let id = launch.id;
        if launch.journal != self.id {
            return effects.remark(Remark::WrongJournal { id, journal: launch.journal });
        }
        if let Some(entry) = self.entries.get(&id) {
            return effects.report(id, entry.report(id));
        }
        self.forget(now);
        let unsettled = self.unsettled();
        if unsettled >= limits::UNSETTLED_MAX || self.entries.len() >= limits::JOURNAL_ENTRIES_MAX {
            return effects.remark(Remark::Full { id, unsettled });
        }
        self.write(Record::Accepted(Arc::new(launch), place), effects);
        if let Some(entry) = self.entries.get(&id) {
            effects.report(id, entry.report(id));
        }
    }

    fn cancel(&mut self, now: Time, execution: ExecutionRef, id: ExecutionId, effects: &mut Effects) {
        let Some(entry) = self.entries.get_mut(&id) else {
            self.write(Record::Forbidden { id, execution, at: now }, effects);
            return self.report(id, effects);
        };
        match entry.state {
            State::Waiting { .. } => {
                self.finish(id, never_ran(Verdict::Cancelled, now, "cancelled"), effects)
            }
            State::Starting { .. } | State::Running { .. } => {
                entry.stop = true;
                if self.runner.is_some() {
                    effects.actions.push(Action::Stop { id });
                }
            }
            State::Finished { .. } | State::Settled { .. } => self.report(id, effects),
        }
    }

    fn settle(&mut self, now: Time, ids: &[ExecutionId], effects: &mut Effects) {
        for id in ids {
            let known = self.entries.get(id).map(|entry| &entry.state);
            if let Some(State::Finished { .. }) = known {
                self.write(Record::Settled { id: *id, at: now }, effects);
                effects.actions.push(Action::Release { id: *id });
            }
        }
        self.forget(now);
    }

    fn began(&mut self, id: ExecutionId, at: Time, process: Option<Process>, effects: &mut Effects) {
        let Some(entry) = self.entries.get_mut(&id) else { return };
        entry.confirmed = true;
        if let State::Starting { .. } = entry.state
            && at != Time::EPOCH
        {
            self.write(Record::Started { id, at, process }, effects);
            self.report(id, effects);
        }
    }

    fn ended(&mut self, id: ExecutionId, outcome: Outcome, effects: &mut Effects) {
        match self.entries.get(&id).map(|entry| &entry.state) {
            None | Some(State::Settled { .. }) => effects.actions.push(Action::Release { id }),
            Some(State::Finished { .. } | State::Waiting { .. }) => {}
            Some(State::Starting { .. } | State::Running { .. }) => self.finish(id, outcome, effects),
        }
    }

    fn detach(&mut self) {
        self.runner = None;
        self.entries.values_mut().for_each(|entry| entry.confirmed = false);
    }

    /// What should run and is not told of was never started, if that can be known; else it is lost: it may have
    /// run, so it never runs again.
    fn attach(&mut self, now: Time, runner: RunnerId, effects: &mut Effects) {
        self.runner = Some(runner);
        let under_way: Vec<ExecutionId> = self.under_way().map(|(id, ..)| id).collect();
        for id in under_way {
            let Some(entry) = self.entries.get(&id) else { continue };
            let stop = entry.stop;
            if entry.confirmed {
                effects.actions.extend(stop.then_some(Action::Stop { id }));
            } else if !entry.is_unheard_of(runner) {
                let error = "unknown: the agent was interrupted and nothing tells how the execution ended";
                let outcome =
                    Outcome { started_at: entry.started_at(), ..never_ran(Verdict::Lost, now, error) };
                self.finish(id, outcome, effects);
            } else if stop {
                self.finish(id, never_ran(Verdict::Cancelled, now, "cancelled"), effects);
            } else {
                self.write(Record::Unstarted { id }, effects);
            }
        }
    }

    fn refuse_late(&mut self, now: Time, effects: &mut Effects) {
        while let Some((start_before, id)) = self.deadlines.first().copied() {
            if start_before >= now {
                return;
            }
            let error = format!("not started: it had to start before {start_before}");
            self.finish(id, never_ran(Verdict::NotStarted, now, &error), effects);
        }
    }

    fn start_ripe(&mut self, now: Time, effects: &mut Effects) {
        while let Some(runner) = self.runner.filter(|_| self.may_take_more()) {
            let Some(launch) = self.next_in_queue().filter(|launch| launch.nominal <= now).cloned() else {
                return;
            };
            let id = launch.id;
            self.write(Record::Starting { id, runner }, effects);
            let place = self.entries.get(&id).map_or(Place::Runner, |entry| entry.place);
            effects.actions.push(Action::Start { launch, place, turn: self.turns });
        }
    }

    fn may_take_more(&self) -> bool {
        self.runner.is_some() && self.busy < self.slots && self.starting < limits::STARTING_MAX
    }

    fn next_in_queue(&self) -> Option<&Arc<Launch>> {
        let (_, _, id) = self.queue.first()?;
        match &self.entries.get(id)?.state {
            State::Waiting { launch } => Some(launch),
            _ => None,
        }
    }

    /// Forgets settled executions that a repeated launch could not start any more: those that were settled
    /// long ago, and the oldest when there are too many.
    fn forget(&mut self, now: Time) {
        while let Some((start_before, id)) = self.settled.first().copied() {
            let Some(State::Settled { at, .. }) = self.entries.get(&id).map(|entry| &entry.state) else {
                return;
            };
            let aged = *at + limits::SETTLED_MEMORY <= now || self.settled.len() > limits::SETTLED_MAX;
            if start_before >= now || !aged {
                return;
            }
            self.settled.pop_first();
            self.entries.remove(&id);
        }
    }

    fn finish(&mut self, id: ExecutionId, outcome: Outcome, effects: &mut Effects) {
        let Some(entry) = self.entries.get(&id) else { return };
        let record = entry.finished(id, &Arc::new(outcome));
        self.write(record, effects);
        self.report(id, effects);
    }

    fn report(&self, id: ExecutionId, effects: &mut Effects) {
        if let Some(entry) = self.entries.get(&id) {
            effects.report(id, entry.report(id));
        }
    }

    fn write(&mut self, record: Record, effects: &mut Effects) {
        self.apply(&record);
        effects.records.push(record);
    }

    /// The one place where the memory changes. A record that does not fit the memory changes nothing.
    fn apply(&mut self, record: &Record) {
        match record {
            Record::Accepted(launch, place) => self.apply_accepted(launch, *place),
            Record::Starting { id, runner } => {
                let turn = self.next_turn();
                self.change(*id, |state| match state {
                    State::Waiting { launch } => State::Starting { launch, runner: *runner, turn },
                    other => other,
                });
            }
            Record::Unstarted { id } => self.change(*id, |state| match state {
                State::Starting { launch, .. } => State::Waiting { launch },
                other => other,
            }),
            Record::Started { id, at, process } => self.change(*id, |state| match state {
                State::Starting { launch, runner, .. } => {
                    State::Running { launch, runner, at: *at, process: *process }
                }
                other => other,
            }),
            Record::Finished { id, execution, start_before, outcome } => {
                self.insert_if_new(*id, *execution, *start_before, outcome);
                self.change(*id, |state| match state {
                    State::Finished { .. } | State::Settled { .. } => state,
                    _ => State::Finished { outcome: outcome.clone() },
                });
            }
            Record::Settled { id, at } => self.change(*id, |state| match state {
                State::Finished { outcome } => State::Settled { outcome: without_tail(&outcome), at: *at },
                other => other,
            }),
            Record::Forbidden { id, execution, at } => {
                let outcome = never_ran(Verdict::Cancelled, *at, "cancelled before it was launched");
                self.insert_if_new(*id, *execution, *at + limits::SETTLED_MEMORY, &Arc::new(outcome));
            }
        }
    }

    fn next_turn(&mut self) -> u64 {
        self.turns += 1;
        self.turns
    }

    fn apply_accepted(&mut self, launch: &Arc<Launch>, place: Place) {
        if self.entries.contains_key(&launch.id) {
            return;
        }
        let arrival = self.next_turn();
        let entry =
            Entry::new(launch.execution, launch.start_before, State::Waiting { launch: launch.clone() });
        self.insert(launch.id, Entry { place, arrival, ..entry });
    }

    fn insert_if_new(
        &mut self,
        id: ExecutionId,
        execution: ExecutionRef,
        start_before: Time,
        outcome: &Arc<Outcome>,
    ) {
        if !self.entries.contains_key(&id) {
            self.insert(
                id,
                Entry::new(execution, start_before, State::Finished { outcome: outcome.clone() }),
            );
        }
    }

    fn change(&mut self, id: ExecutionId, change: impl FnOnce(State) -> State) {
        if let Some(mut entry) = self.entries.remove(&id) {
            self.unindex(id, &entry);
            entry.state = change(entry.state);
            self.insert(id, entry);
        }
    }

    fn insert(&mut self, id: ExecutionId, entry: Entry) {
        match &entry.state {
            State::Waiting { launch } => {
                self.queue.insert((launch.nominal.max(launch.decided_at), entry.arrival, id));
                self.deadlines.insert((entry.start_before, id));
            }
            State::Starting { .. } => {
                self.busy += 1;
                self.starting += 1;
            }
            State::Running { .. } => self.busy += 1,
            State::Finished { .. } => {}
            State::Settled { .. } => drop(self.settled.insert((entry.start_before, id))),
        }
        self.entries.insert(id, entry);
    }

    fn unindex(&mut self, id: ExecutionId, entry: &Entry) {
        match &entry.state {
            State::Waiting { launch } => {
                self.queue.remove(&(launch.nominal.max(launch.decided_at), entry.arrival, id));
                self.deadlines.remove(&(entry.start_before, id));
            }
            State::Starting { .. } => {
                self.busy -= 1;
                self.starting -= 1;
            }
            State::Running { .. } => self.busy -= 1,
            State::Finished { .. } => {}
            State::Settled { .. } => drop(self.settled.remove(&(entry.start_before, id))),
        }
    }

    fn count_busy(&self) -> u32 {
        if self.entries.len() > 64 {
            return self.busy; // the check would cost more than it is worth
        }
        self.under_way().count() as u32
    }
}

impl Entry {
    fn new(execution: ExecutionRef, start_before: Time, state: State) -> Entry {
        let (place, arrival) = (Place::Runner, 0);
        Entry { execution, start_before, place, arrival, state, confirmed: false, stop: false }
    }

    /// Whether this runner, which does not tell of it, is the one that would have started it.
    fn is_unheard_of(&self, runner: RunnerId) -> bool {
        self.place == Place::Runner
            && matches!(self.state, State::Starting { runner: asked, .. } if asked == runner)
    }

    fn accepted(&self, launch: &Arc<Launch>) -> Record {
        Record::Accepted(launch.clone(), self.place)
    }

    fn started_at(&self) -> Time {
        match self.state {
            State::Running { at, .. } => at,
            _ => Time::EPOCH,
        }
    }

    fn finished(&self, id: ExecutionId, outcome: &Arc<Outcome>) -> Record {
        let (execution, start_before) = (self.execution, self.start_before);
        Record::Finished { id, execution, start_before, outcome: outcome.clone() }
    }

    fn report(&self, id: ExecutionId) -> Report {
        let event = match &self.state {
            State::Waiting { .. } | State::Starting { .. } => Event::Accepted,
            State::Running { at, .. } => Event::Started { at: *at },
            State::Finished { outcome } | State::Settled { outcome, .. } => {
                Event::Finished(Outcome::clone(outcome))
            }
        };
        Report { execution: self.execution, check: id.check(), event }
    }
}

fn never_ran(verdict: Verdict, at: Time, error: &str) -> Outcome {
    Outcome {
        verdict,
        started_at: Time::EPOCH,
        finished_at: at,
        code: None,
        error: error.into(),
        tail: Arc::default(),
        output_bytes: 0,
    }
}

/// A settled outcome stays only to answer a repeated launch.
fn without_tail(outcome: &Arc<Outcome>) -> Arc<Outcome> {
    if outcome.tail.is_empty() {
        return outcome.clone();
    }
    Arc::new(Outcome { tail: Arc::default(), ..Outcome::clone(outcome) })
}

#[cfg(test)]
mod tests;
