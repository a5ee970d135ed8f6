//! The plan: what the leader has to say, computed from the state, the time and nothing else.
//!
//! A plan is incremental. It reads the due-time index, the agenda and the timers from where it last stood;
//! nothing in it looks at all jobs. What it proposes is remembered until it is answered, so that no turn
//! proposes twice; a new leader begins with an empty memory and finds everything undone in the state.

pub mod backfill;
mod due;
pub mod edit;
pub mod preview;
mod resend;
mod rezone;

use crate::apply::Ledger;
use crate::command::{Action, Assignment, Decision, GiveUp, Reply};
use crate::delivery::Launch;
use crate::ids::{ExecutionId, ExecutionRef, JobSlot, NodeSlot};
use crate::limits;
use crate::placement::{self, Pending};
use crate::schedule::ZoneData;
use crate::state::State;
use crate::state::record::{Item, Requested, Timer};
use crate::time::{Span, Time};
use due::Reach;
use resend::Resend;
use rezone::{Look, Walk};
use std::collections::{BTreeMap, BTreeSet};

/// What one turn wants.
#[derive(Debug, Default)]
pub struct Plan {
    /// To be proposed, in this order; each answered by [`Planner::answered`].
    pub proposals: Vec<Proposal>,
    /// To be sent to agents.
    pub orders: Vec<(NodeSlot, Order)>,
    /// When to plan again if nothing else happens.
    pub wake_at: Option<Time>,
    /// Whether more is due than one turn takes: plan again at once.
    pub more: bool,
}

/// A message for an agent.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Order {
    /// Run this.
    Launch(Launch),
    /// End this.
    Cancel(ExecutionRef, ExecutionId),
}

/// A proposal and what it stands for.
#[derive(Debug)]
pub struct Proposal {
    /// What to propose.
    pub action: Action,
    /// To be handed back with the answer.
    pub token: Token,
}

/// What a proposal stands for.
#[derive(Debug)]
pub struct Token(Vec<Subject>);

#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Subject {
    Tick(JobSlot),
    Agenda(u64),
    Timer(Timer),
    Replan(JobSlot),
    ZoneData,
    Rezone(JobSlot),
    ZonesFiled,
}

/// The leader's memory between turns. Volatile: losing it loses nothing.
#[derive(Debug)]
pub struct Planner {
    /// The zone data that this server computes by.
    data: ZoneData,
    /// Filing anew after a change of them, while it goes on.
    walk: Option<Walk>,
    /// Everything on the agenda up to here was looked at.
    agenda_read: u64,
    /// Proposed and not answered.
    proposed: BTreeSet<Subject>,
    /// Agenda items that are looked at again at an instant, unless they are gone by then.
    resend: Resend,
    /// Agenda items to be looked at again: their proposal was rejected or lost.
    again: BTreeSet<u64>,
    /// Whether a node came since the last turn: what waits for one need not wait longer.
    arrived: bool,
    /// The due timers, as far as they were looked at.
    timers: Timers,
    /// Late ticks started in the present second, by job.
    paced: BTreeMap<JobSlot, u32>,
    paced_second: i64,
    /// Jobs with late ticks that wait for the next second.
    resting: BTreeSet<JobSlot>,
}

/// How far due timers were looked at. Retries that find no node stay where they are, and however many they are, those
/// behind them are not kept waiting.
#[derive(Debug, Default)]
struct Timers {
    /// All up to here were looked at.
    read: Option<(Time, Timer)>,
    /// When they are looked at again: some found no node.
    again_at: Option<Time>,
}

/// Late ticks of one job that start within one second.
const LATE_STARTS_A_SECOND: u32 = 5;

impl Default for Planner {
    /// Computes by the zone data in this binary.
    fn default() -> Planner {
        Planner::with_zone_data(ZoneData::bundled())
    }
}

impl Planner {
    /// Computes by these zone data.
    pub fn with_zone_data(data: ZoneData) -> Planner {
        Planner {
            data,
            walk: None,
            agenda_read: 0,
            proposed: BTreeSet::new(),
            resend: Resend::default(),
            again: BTreeSet::new(),
            arrived: false,
            timers: Timers::default(),
            paced: BTreeMap::new(),
            paced_second: 0,
            resting: BTreeSet::new(),
        }
    }

    /// Plans one turn. Due jobs are taken from the wheel and come back by apply or [`Planner::answered`].
    /// Without `deciding` (the clock is in doubt) no tick is decided; what is decided goes on.
    pub fn plan(&mut self, ledger: &mut Ledger, now: Time, deciding: bool) -> Plan {
        let mut plan = Plan::default();
        let mut pending = Pending::default();
        self.wake_resting(ledger, now);
        if self.arrived || self.timers.again_at.is_some_and(|at| at <= now) {
            self.timers = Timers::default();
        }
        let known = self.tell_zone_data(&ledger.state, &mut plan);
        let deciding = deciding && known;
        if deciding {
            self.plan_due(ledger, now, &mut plan, &mut pending);
        }
        self.plan_agenda(&ledger.state, now, &mut plan, &mut pending);
        self.plan_timers(&ledger.state, now, &mut plan, &mut pending);
        if known {
            self.plan_replans(&ledger.state, &mut plan);
        }
        if deciding {
            self.plan_rezoning(&ledger.state, now, &mut plan);
        }
        plan.wake_at = self.wake_at(ledger, now, deciding);
        plan
    }

    /// Takes the answer to a proposal; none if nobody knows whether it was or will be committed.
    pub fn answered(&mut self, ledger: &mut Ledger, token: Token, reply: Option<&Reply>) {
        let rejected: BTreeSet<u32> = match reply {
            Some(Reply::Rejected(positions)) => positions.iter().copied().collect(),
            Some(_) => BTreeSet::new(),
            None => (0..token.0.len() as u32).collect(),
        };
        for (position, subject) in token.0.into_iter().enumerate() {
            self.proposed.remove(&subject);
            match subject {
                // Apply files a job whose decision it takes; a rejected one is filed here.
                Subject::Tick(job) => ledger.refile(job),
                Subject::Rezone(job) => {
                    if let Some(walk) = self.walk.as_mut().filter(|_| rejected.contains(&(position as u32))) {
                        walk.leave_rejected(job);
                    }
                }
                Subject::Timer(_) if rejected.contains(&(position as u32)) => self.timers = Timers::default(),
                Subject::Agenda(place) if rejected.contains(&(position as u32)) => {
                    self.again.insert(place);
                }
                _ => {}
            }
        }
    }

    /// A node's stream is new: what it has not accepted is sent again at once, and what found no node is placed
    /// again.
    pub fn contact(&mut self, state: &State, node: NodeSlot) {
        self.arrived = true;
        let places = state.executions_on(node).filter_map(|name| {
            let found = state.occurrence(name.occurrence)?;
            found.executions.get(usize::from(name.ordinal)).map(|execution| execution.agenda)
        });
        self.again.extend(places.filter(|place| *place != 0));
    }

    /// Puts everything that was taken from the wheel back: this server leads no more.
    pub fn resign(self, ledger: &mut Ledger) {
        for subject in &self.proposed {
            if let Subject::Tick(job) = subject {
                ledger.refile(*job);
            }
        }
        for job in self.resting {
            ledger.refile(job);
        }
    }

    fn wake_resting(&mut self, ledger: &mut Ledger, now: Time) {
        if now.seconds() == self.paced_second {
            return;
        }
        self.paced_second = now.seconds();
        self.paced.clear();
        for job in std::mem::take(&mut self.resting) {
            ledger.refile(job);
        }
    }

    fn plan_due(&mut self, ledger: &mut Ledger, now: Time, plan: &mut Plan, pending: &mut Pending) {
        if ledger.state.held_since().is_some() || ledger.state.cluster().is_none() {
            return;
        }
        let taken = ledger.wheel.take_due(now, limits::DECISIONS_MAX);
        plan.more = taken.len() == limits::DECISIONS_MAX;
        let (mut on_time, mut late) = (Vec::new(), Vec::new());
        for job in taken {
            if self.proposed.contains(&Subject::Tick(job)) {
                continue; // an edit filed it meanwhile; the answer will file it again
            }
            let Some(record) = ledger.state.job(job) else { continue };
            let punctual = now - record.wheel_key() < Span::from_seconds(1);
            if punctual { on_time.push(job) } else { late.push(job) }
        }
        let mut batch = Batch::default();
        for job in on_time.into_iter().chain(late) {
            let used = self.paced.entry(job).or_default();
            let budget = LATE_STARTS_A_SECOND.saturating_sub(*used) as usize;
            let reach = Reach { data: self.data, now, budget, spread: true };
            let decisions = due::decide(&ledger.state, job, reach, pending);
            let starts = decisions.iter().filter(|decision| decision.is_start()).count() as u32;
            *used += starts;
            if decisions.is_empty() {
                self.resting.insert(job);
                continue;
            }
            self.proposed.insert(Subject::Tick(job));
            batch.push(decisions, Subject::Tick(job), &mut plan.proposals);
        }
        batch.finish(&mut plan.proposals);
    }

    fn plan_agenda(&mut self, state: &State, now: Time, plan: &mut Plan, pending: &mut Pending) {
        let places = self.places(state, now);
        plan.more |= places.len() >= limits::DECISIONS_MAX;
        let (mut decisions, mut assignments) = (Batch::default(), Batch::default());
        for place in places {
            match state.agenda_item(place) {
                Some(Item::Decide(requested)) => {
                    let decision = requested_start(state, requested, place, pending);
                    if let Some(decision) = decision.filter(|_| self.proposed.insert(Subject::Agenda(place)))
                    {
                        decisions.push(vec![decision], Subject::Agenda(place), &mut plan.proposals);
                    }
                }
                Some(Item::Place(reference)) => {
                    let nodes = self.nodes_for(state, reference, place, pending);
                    if nodes.is_empty() {
                        self.resend.set(place, now + limits::PLACE_AGAIN);
                    } else if self.proposed.insert(Subject::Agenda(place)) {
                        let assignment = Assignment::Place { occurrence: reference, nodes };
                        assignments.push(vec![assignment], Subject::Agenda(place), &mut plan.proposals);
                    }
                }
                Some(Item::Launch(name) | Item::Cancel(name)) => {
                    plan.orders.extend(order(state, place, name));
                    self.resend.set(place, now + limits::REDELIVER_AFTER);
                }
                None => {}
            }
        }
        decisions.finish(&mut plan.proposals);
        assignments.finish(&mut plan.proposals);
    }

    /// The places on the agenda to look at in this turn: those of before that are due again, then new ones.
    fn places(&mut self, state: &State, now: Time) -> Vec<u64> {
        if std::mem::take(&mut self.arrived) {
            let waits = |place: &u64| matches!(state.agenda_item(*place), Some(Item::Place(_)));
            self.again.extend(self.resend.places().filter(waits));
        }
        self.again.extend(self.resend.take_due(now, limits::DECISIONS_MAX));
        let mut places: Vec<u64> = self.again.iter().copied().take(limits::DECISIONS_MAX).collect();
        places.iter().for_each(|place| {
            self.again.remove(place);
        });
        let room = limits::DECISIONS_MAX - places.len();
        for (place, _) in state.agenda_after(self.agenda_read).take(room) {
            places.push(place);
            self.agenda_read = place;
        }
        places
    }

    fn nodes_for(
        &self,
        state: &State,
        reference: crate::ids::OccurrenceRef,
        lot: u64,
        pending: &mut Pending,
    ) -> Vec<NodeSlot> {
        let job = state.occurrence(reference).and_then(|found| state.job(found.job));
        job.map(|job| placement::choose(state, &job.rules.selector, lot, pending)).unwrap_or_default()
    }

    fn plan_timers(&mut self, state: &State, now: Time, plan: &mut Plan, pending: &mut Pending) {
        let due = state.timers_after(self.timers.read).take_while(|(due, _)| *due <= now);
        let due: Vec<(Time, Timer)> = due.take(limits::DECISIONS_MAX).collect();
        let full = due.len() == limits::DECISIONS_MAX;
        plan.more |= full;
        self.timers.read = due.last().copied().or(self.timers.read);
        let (mut assignments, mut give_ups) = (Batch::default(), Batch::default());
        for (due, timer) in due {
            let subject = Subject::Timer(timer);
            if self.proposed.contains(&subject) {
                continue;
            }
            match timer {
                Timer::Retry(name) => match retry_node(state, name, pending) {
                    Some(node) => {
                        let execution = ExecutionRef { attempt: name.attempt + 1, ..name };
                        let assignment = Assignment::Retry { execution, node };
                        assignments.push(vec![assignment], subject, &mut plan.proposals);
                    }
                    None if has_waited_for_a_node(state, name, due, now) => {
                        give_ups.push(vec![GiveUp::Lost(name)], subject, &mut plan.proposals);
                    }
                    None => {
                        self.timers.again_at.get_or_insert(now + limits::PLACE_AGAIN);
                        continue;
                    }
                },
                Timer::Unplaced(reference) => {
                    give_ups.push(vec![GiveUp::Unplaced(reference)], subject, &mut plan.proposals);
                }
                Timer::Lost(name) => give_ups.push(vec![GiveUp::Lost(name)], subject, &mut plan.proposals),
            }
            self.proposed.insert(subject);
        }
        assignments.finish(&mut plan.proposals);
        give_ups.finish(&mut plan.proposals);
        if !full && self.timers.again_at.is_none() {
            self.timers.read = None; // what comes to stand before here is found at once
        }
    }

    fn plan_replans(&mut self, state: &State, plan: &mut Plan) {
        let mut batch = Batch::default();
        for job in state.to_replan().take(limits::DECISIONS_MAX) {
            let subject = Subject::Replan(job);
            if self.proposed.contains(&subject) {
                continue;
            }
            if let Some(decision) = due::refile(state, job, self.data) {
                self.proposed.insert(subject);
                batch.push(vec![decision], subject, &mut plan.proposals);
            }
        }
        batch.finish(&mut plan.proposals);
    }

    /// Nothing is computed before the state knows by which zone data: whether it does.
    fn tell_zone_data(&mut self, state: &State, plan: &mut Plan) -> bool {
        let own = self.data.version();
        if state.cluster().is_none_or(|cluster| *cluster.filing.by == *own) {
            return true;
        }
        if self.proposed.insert(Subject::ZoneData) {
            let action = Action::AdoptZoneData { version: own.into() };
            plan.proposals.push(Proposal { action, token: Token(vec![Subject::ZoneData]) });
        }
        false
    }

    /// Goes on filing jobs by the present zone data, unless a server with newer ones must do that.
    fn plan_rezoning(&mut self, state: &State, now: Time, plan: &mut Plan) {
        let Some(cluster) = state.cluster() else { return };
        if !cluster.filing.pending || *cluster.founding.zone_data > *self.data.version() {
            self.walk = None;
            return;
        }
        let epoch = cluster.filing.epoch;
        let walk = self.walk.take().filter(|walk| walk.epoch == epoch);
        let mut walk = walk.unwrap_or_else(|| Walk::new(epoch, state.slots()));
        let zones = state.zones(self.data);
        let mut batch = Batch::default();
        for slot in walk.take(now) {
            let subject = Subject::Rezone(slot);
            let busy = [subject, Subject::Tick(slot), Subject::Replan(slot)];
            let look = match busy.iter().any(|subject| self.proposed.contains(subject)) {
                true => Look::Waits,
                false => rezone::look(state, slot, zones, now),
            };
            match look {
                Look::Stands => {}
                Look::Waits => walk.leave(slot, now),
                Look::Anew(decision) => {
                    self.proposed.insert(subject);
                    batch.push(vec![decision], subject, &mut plan.proposals);
                }
            }
        }
        batch.finish(&mut plan.proposals);
        plan.more |= walk.has_more();
        let every = Subject::Rezone(JobSlot(0))..=Subject::Rezone(JobSlot(u32::MAX));
        let answered = self.proposed.range(every).next().is_none();
        if answered && walk.is_over() && self.proposed.insert(Subject::ZonesFiled) {
            let action = Action::ZonesFiled { epoch };
            plan.proposals.push(Proposal { action, token: Token(vec![Subject::ZonesFiled]) });
        }
        self.walk = Some(walk);
    }

    fn wake_at(&self, ledger: &Ledger, now: Time, deciding: bool) -> Option<Time> {
        let held = ledger.state.held_since().is_some();
        let due = ledger.wheel.next_due().filter(|_| deciding && !held);
        let timer = ledger.state.timers().map(|(due, _)| due).find(|due| *due > now);
        let resend = self.resend.next_due();
        let stalled = self.timers.again_at;
        let rest = (!self.resting.is_empty()).then(|| now.floor_second() + Span::from_seconds(1));
        let walk = self.walk.as_ref().and_then(Walk::wake_at).filter(|_| deciding);
        [due, timer, resend, stalled, rest, walk].into_iter().flatten().min()
    }
}

impl Decision {
    fn is_start(&self) -> bool {
        matches!(self.kind, crate::command::DecisionKind::Start { .. })
    }
}

/// Gathers items of one kind into actions of bounded size.
struct Batch<T> {
    items: Vec<T>,
    subjects: Vec<Subject>,
}

impl<T> Default for Batch<T> {
    fn default() -> Batch<T> {
        Batch { items: Vec::new(), subjects: Vec::new() }
    }
}

/// Items that one action carries.
trait Carried: Sized {
    fn action(items: Vec<Self>) -> Action;
}

impl Carried for Decision {
    fn action(items: Vec<Decision>) -> Action {
        Action::Decide(items)
    }
}

impl Carried for Assignment {
    fn action(items: Vec<Assignment>) -> Action {
        Action::Assign(items)
    }
}

impl Carried for GiveUp {
    fn action(items: Vec<GiveUp>) -> Action {
        Action::GiveUp(items)
    }
}

/// Items in one action: an entry holds several actions, and other writes pass between two entries.
const ITEMS_MAX: usize = 500;

impl<T: Carried> Batch<T> {
    /// Adds the items of one subject, which stay together.
    fn push(&mut self, items: Vec<T>, subject: Subject, proposals: &mut Vec<Proposal>) {
        self.subjects.extend(std::iter::repeat_n(subject, items.len()));
        self.items.extend(items);
        if self.items.len() >= ITEMS_MAX {
            std::mem::take(self).finish(proposals);
        }
    }

    fn finish(self, proposals: &mut Vec<Proposal>) {
        if !self.items.is_empty() {
            proposals.push(Proposal { action: T::action(self.items), token: Token(self.subjects) });
        }
    }
}

fn requested_start(state: &State, requested: Requested, lot: u64, pending: &mut Pending) -> Option<Decision> {
    let job = state.job(requested.job)?;
    let nodes = placement::choose(state, &job.rules.selector, lot, pending);
    Some(Decision {
        job: requested.job,
        generation: job.generation,
        revision: job.revision,
        kind: crate::command::DecisionKind::Start {
            origin: requested.origin,
            nominal: requested.nominal,
            nodes,
        },
        next_due: None,
    })
}

/// The same node if it may be given work, else the least loaded other one.
fn retry_node(state: &State, name: ExecutionRef, pending: &mut Pending) -> Option<NodeSlot> {
    let found = state.occurrence(name.occurrence)?;
    let execution = found.executions.get(usize::from(name.ordinal))?;
    let selector = &state.job(found.job)?.rules.selector;
    let same = state.node(execution.node).filter(|node| placement::is_eligible(node, selector));
    match same {
        Some(_) => Some(execution.node),
        None => {
            let one = crate::rules::Selector { count: Some(1), ..selector.clone() };
            placement::choose(state, &one, name.occurrence.index, pending).first().copied()
        }
    }
}

/// A due retry waits for a node as long as an unplaced tick does.
fn has_waited_for_a_node(state: &State, name: ExecutionRef, due: Time, now: Time) -> bool {
    let job = state.occurrence(name.occurrence).and_then(|found| state.job(found.job));
    job.is_some_and(|job| due + job.rules.policy.catchup_window <= now)
}

/// What the agent of an execution is to be told, if this is still its place on the agenda.
fn order(state: &State, place: u64, name: ExecutionRef) -> Option<(NodeSlot, Order)> {
    let found = state.occurrence(name.occurrence)?;
    let execution = found.executions.get(usize::from(name.ordinal)).filter(|found| found.agenda == place)?;
    let id = found.execution_id(name.ordinal, name.attempt);
    if execution.cancel {
        return Some((execution.node, Order::Cancel(name, id)));
    }
    let job = state.job(found.job)?;
    let node = state.node(execution.node)?;
    let launch = Launch {
        execution: name,
        id,
        job: job.uid,
        job_name: job.name.clone(),
        origin: found.origin,
        nominal: found.nominal,
        decided_at: found.decided_at,
        journal: node.registration.journal,
        start_before: execution.startable_at + job.rules.policy.start_deadline,
        definition: job.definition.clone(),
    };
    Some((execution.node, Order::Launch(launch)))
}
