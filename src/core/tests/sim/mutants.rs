//! Faults put in on purpose at the simulation's seams, one at a time, to prove that the checks would see
//! them.
//!
//! Nothing here touches the code under test. A fault of apply is had by changing the state around it (through
//! its records, as a snapshot would) so that the check in question lets pass what it must not.

use crate::event::{Message, Peer};
use crate::log::{Entry, Snapshot};
use crate::world::World;
use dkron_core::apply::{Applied, Ledger};
use dkron_core::command::{Action, Assignment, Batch, Decision, DecisionKind, Event as Happened, Report};
use dkron_core::delivery::Launch;
use dkron_core::ids::{ExecutionId, ExecutionRef, OccurrenceId, OccurrenceRef, Origin};
use dkron_core::state::State;
use dkron_core::state::record::{Occurrence, Record, Turn};
use dkron_core::time::{Span, Time};
use std::sync::Arc;

/// One fault each.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Mutant {
    /// Apply takes a decision on a tick that is decided already.
    StaleDecisionIsTaken,
    /// The leader dispatches what it has only proposed.
    DispatchBeforeCommit,
    /// An agent forgets an outcome after telling it once.
    SpoolDropsAnEntry,
    /// A server acknowledges outcomes that are not in the log.
    AcknowledgeBeforeCommit,
    /// An agent acts before its journal is durable.
    SpawnBeforeSync,
    /// An agent runs a launch that comes twice, twice.
    DoubledLaunchRunsTwice,
    /// A deposed leader takes its own proposals for committed.
    DeposedLeaderActs,
    /// A server installs an older state under a newer index.
    OldStateIsInstalled,
    /// The leader takes a lost proposal for a committed one.
    LostProposalIsDone,
    /// Retries decided before a change of leaders are forgotten.
    RetriesAreForgotten,
    /// An edit forgets what was due.
    EditForgetsWhatIsDue,
    /// Apply takes the time from the server's clock instead of the entry.
    ApplyReadsTheClock,
    /// A hold does not stop a decision that comes after it.
    HoldDoesNotStop,
    /// A late outcome is taken for that of the present attempt.
    OutcomeOfAnotherAttempt,
    /// An agent does not wait for the nominal time.
    AgentIgnoresTheNominalTime,
    /// An agent takes work that is meant for an earlier journal.
    AgentTakesForeignJournals,
    /// A supervisor tells what it knows before it has read what an earlier agent said.
    SupervisorListsBeforeHearing,
    /// A supervisor calls itself as the one before it.
    SupervisorTakenForTheOneBefore,
    /// The leader says that all jobs are filed by its zone data, and files none.
    ZonesAreNotFiled,
    /// Ticks that new zone data have in the past are forgotten.
    RezonedTicksAreForgotten,
    /// A run that was asked for is lost while reports are applied.
    AskedRunsAreForgotten,
    /// An occurrence that waits its turn is lost while a job is edited.
    WaitingRunsAreForgotten,
    /// The leader raises the log format as soon as one server reads it.
    FormatIsRaisedForSome,
}

impl Mutant {
    pub(crate) const ALL: [Mutant; 23] = [
        Mutant::StaleDecisionIsTaken,
        Mutant::DispatchBeforeCommit,
        Mutant::SpoolDropsAnEntry,
        Mutant::AcknowledgeBeforeCommit,
        Mutant::SpawnBeforeSync,
        Mutant::DoubledLaunchRunsTwice,
        Mutant::DeposedLeaderActs,
        Mutant::OldStateIsInstalled,
        Mutant::LostProposalIsDone,
        Mutant::RetriesAreForgotten,
        Mutant::EditForgetsWhatIsDue,
        Mutant::ApplyReadsTheClock,
        Mutant::HoldDoesNotStop,
        Mutant::OutcomeOfAnotherAttempt,
        Mutant::AgentIgnoresTheNominalTime,
        Mutant::AgentTakesForeignJournals,
        Mutant::SupervisorListsBeforeHearing,
        Mutant::SupervisorTakenForTheOneBefore,
        Mutant::ZonesAreNotFiled,
        Mutant::RezonedTicksAreForgotten,
        Mutant::AskedRunsAreForgotten,
        Mutant::WaitingRunsAreForgotten,
        Mutant::FormatIsRaisedForSome,
    ];

    /// What the report of a check that finds it begins with; anything else would be another fault.
    pub(crate) fn found_by(self) -> &'static [&'static str] {
        match self {
            Mutant::StaleDecisionIsTaken => &["invariant 1", "invariant 2", "invariant 3"],
            Mutant::DispatchBeforeCommit => &["invariant 6"],
            Mutant::SpoolDropsAnEntry => &["liveness", "invariant 5"],
            Mutant::AcknowledgeBeforeCommit => &["invariant 5"],
            Mutant::SpawnBeforeSync => &["liveness", "invariant 5"],
            Mutant::DoubledLaunchRunsTwice => &["invariant 5"],
            Mutant::DeposedLeaderActs => &["invariant 6", "invariant 7"],
            Mutant::OldStateIsInstalled | Mutant::ApplyReadsTheClock => &["invariant 7"],
            Mutant::FormatIsRaisedForSome => &["invariant 7"],
            Mutant::LostProposalIsDone => &["liveness"],
            Mutant::RetriesAreForgotten => &["liveness"],
            Mutant::EditForgetsWhatIsDue | Mutant::HoldDoesNotStop => &["invariant 3"],
            Mutant::ZonesAreNotFiled | Mutant::RezonedTicksAreForgotten => &["invariant 3"],
            Mutant::AskedRunsAreForgotten | Mutant::WaitingRunsAreForgotten => &["invariant 3"],
            Mutant::OutcomeOfAnotherAttempt => &["invariant 5"],
            Mutant::AgentIgnoresTheNominalTime => &["invariant 11"],
            Mutant::AgentTakesForeignJournals => &["invariant 4", "invariant 5", "invariant 6"],
            Mutant::SupervisorListsBeforeHearing => &["invariant 5", "invariant 6"],
            Mutant::SupervisorTakenForTheOneBefore => &["invariant 5"],
        }
    }

    /// Whether its fault is in what an agent tells its supervisor: only the processes' own record counts
    /// then.
    pub(crate) fn is_of_agent(self) -> bool {
        matches!(self, Mutant::SpawnBeforeSync | Mutant::DoubledLaunchRunsTwice)
    }
}

/// Apply, as every server and the witness do it, with the fault if it is one of apply.
pub(crate) fn apply(mutant: Option<Mutant>, ledger: &mut Ledger, index: u64, batch: &Batch) -> Applied {
    match mutant {
        Some(Mutant::StaleDecisionIsTaken) => make_stale_fit(ledger, batch),
        Some(Mutant::EditForgetsWhatIsDue) => forget_due(ledger, batch),
        Some(Mutant::HoldDoesNotStop) if ledger.state.held_since().is_some() && ticks(batch) => {
            if let Some(applied) = apply_as_if_not_held(ledger, index, batch) {
                return applied;
            }
        }
        Some(Mutant::AskedRunsAreForgotten) if has(batch, |action| matches!(action, Action::Report(_))) => {
            forget(ledger, |record| matches!(record, Record::Requested(..)));
        }
        Some(Mutant::WaitingRunsAreForgotten) if has(batch, |action| matches!(action, Action::Put(_))) => {
            let waits = |found: &Occurrence| found.turn == Turn::Queued;
            forget(ledger, |record| matches!(record, Record::Occurrence(_, found) if waits(found)));
        }
        _ => {}
    }
    ledger.apply(index, batch)
}

fn has(batch: &Batch, wanted: impl Fn(&Action) -> bool) -> bool {
    batch.commands.iter().any(|command| wanted(&command.action))
}

/// The first such record is gone, as if it had never been.
fn forget(ledger: &mut Ledger, which: impl Fn(&Record) -> bool) {
    let mut records: Vec<Record> = ledger.state.records().collect();
    let Some(place) = records.iter().position(which) else { return };
    if let Record::Occurrence(_, gone) = records.remove(place) {
        for record in &mut records {
            if let Record::Job(slot, job) = record
                && *slot == gone.job
            {
                job.queued -= 1;
            }
        }
    }
    if let Ok(state) = State::rebuild(ledger.state.applied(), ledger.state.time(), records) {
        *ledger = Ledger::over(state);
    }
}

/// Only if that makes a difference.
fn apply_as_if_not_held(ledger: &mut Ledger, index: u64, batch: &Batch) -> Option<Applied> {
    let held = ledger.state.held_since();
    let mut other = Ledger::over(ledger.state.clone());
    set_held(&mut other, None);
    let applied = other.apply(index, batch);
    set_held(&mut other, held);
    let ticked = other
        .state
        .occurrences()
        .any(|(reference, found)| reference.index == index && found.origin == Origin::Schedule);
    ticked.then(|| {
        *ledger = other;
        applied
    })
}

/// Changes records of a state, as if it had been so in a snapshot.
fn rewrite(ledger: &mut Ledger, mut change: impl FnMut(&mut Record)) {
    let records = ledger.state.records().map(|mut record| {
        change(&mut record);
        record
    });
    if let Ok(state) = State::rebuild(ledger.state.applied(), ledger.state.time(), records) {
        *ledger = Ledger::over(state);
    }
}

fn decisions(batch: &Batch) -> impl Iterator<Item = &Decision> {
    batch.commands.iter().flat_map(|command| match &command.action {
        Action::Decide(decisions) => decisions.as_slice(),
        _ => &[],
    })
}

fn make_stale_fit(ledger: &mut Ledger, batch: &Batch) {
    for decision in decisions(batch) {
        let DecisionKind::Start { nominal, origin: Origin::Schedule, .. } = decision.kind else {
            continue;
        };
        let stale = ledger
            .state
            .job(decision.job)
            .is_some_and(|job| job.generation == decision.generation && job.cursor >= nominal);
        if stale {
            rewrite(ledger, |record| {
                if let Record::Job(slot, job) = record
                    && *slot == decision.job
                {
                    (job.cursor, job.next_due) = (nominal - Span::from_nanos(1), nominal);
                    job.revision = decision.revision;
                }
            });
        }
    }
}

fn forget_due(ledger: &mut Ledger, batch: &Batch) {
    for command in &batch.commands {
        let Action::Put(put) = &command.action else { continue };
        let Some(slot) = ledger.state.slot_of(&put.job.name) else { continue };
        let due = ledger.state.job(slot).is_some_and(|job| job.next_due <= batch.time);
        if due && (!put.due.is_empty() || put.passed.is_some()) {
            rewrite(ledger, |record| {
                if let Record::Job(found, job) = record
                    && *found == slot
                {
                    job.next_due = Time::NEVER;
                }
            });
        }
    }
}

/// Whether a batch starts ticks of schedules and releases nothing.
fn ticks(batch: &Batch) -> bool {
    let is_tick =
        |decision: &Decision| matches!(decision.kind, DecisionKind::Start { origin: Origin::Schedule, .. });
    let releases = batch.commands.iter().any(|command| matches!(command.action, Action::Release(_)));
    decisions(batch).any(is_tick) && !releases
}

fn set_held(ledger: &mut Ledger, held: Option<Time>) {
    rewrite(ledger, |record| {
        if let Record::Cluster(cluster) = record {
            cluster.held_since = held;
        }
    });
}

/// What becomes of an entry on its way into the log.
pub(crate) fn at_commit(world: &World, entry: Entry) -> Entry {
    let Some(batch) = &entry.batch else { return entry };
    let mut batch = Batch::clone(batch);
    match world.settings.mutant {
        Some(Mutant::OutcomeOfAnotherAttempt) => rename_reports(world, &mut batch),
        Some(Mutant::ZonesAreNotFiled) => edit_refilings(&mut batch, |decision| {
            let job = world.checks.witness.state.job(decision.job);
            decision.next_due = job.map(|job| job.next_due).filter(|due| *due != Time::NEVER);
            decision.kind = DecisionKind::Refile { passed: None };
        }),
        Some(Mutant::RezonedTicksAreForgotten) => edit_refilings(&mut batch, |decision| {
            decision.kind = DecisionKind::Refile { passed: None };
        }),
        _ => return entry,
    }
    Entry { batch: Some(Arc::new(batch)), ..entry }
}

fn edit_refilings(batch: &mut Batch, edit: impl Fn(&mut Decision)) {
    for command in &mut batch.commands {
        let Action::Decide(decisions) = &mut command.action else { continue };
        let refilings =
            decisions.iter_mut().filter(|decision| matches!(decision.kind, DecisionKind::Refile { .. }));
        refilings.for_each(&edit);
    }
}

fn rename_reports(world: &World, batch: &mut Batch) {
    for command in &mut batch.commands {
        if let Action::Report(reports) = &mut command.action {
            reports.iter_mut().for_each(|report| rename(&world.checks.witness.state, report));
        }
    }
}

fn rename(state: &State, report: &mut Report) {
    let Some(found) = state.occurrence(report.execution.occurrence) else { return };
    let Some(execution) = found.executions.get(usize::from(report.execution.ordinal)) else { return };
    let ended = matches!(report.event, Happened::Finished(_));
    if ended && execution.is_live() && execution.attempt > report.execution.attempt {
        report.execution.attempt = execution.attempt;
        report.check = found.execution_id(report.execution.ordinal, execution.attempt).check();
    }
}

/// Whether the leader fails to propose this.
pub(crate) fn drops_proposal(world: &World, action: &Action) -> bool {
    let Action::Assign(assignments) = action else { return false };
    let retries = assignments.iter().all(|assignment| matches!(assignment, Assignment::Retry { .. }));
    world.has(Mutant::RetriesAreForgotten) && world.log.term > 1 && retries
}

/// What the leader does with a proposal before anybody has agreed to it.
pub(crate) fn before_commit(world: &mut World, server: usize, action: &Action) {
    let Action::Decide(decisions) = action else { return };
    if !world.has(Mutant::DispatchBeforeCommit) {
        return;
    }
    let state = world.servers[server].ledger.state.clone();
    let index = world.log.last() + 1;
    for (position, decision) in decisions.iter().enumerate() {
        let DecisionKind::Start { origin, nominal, nodes } = &decision.kind else { continue };
        let Some(job) = state.job(decision.job) else { continue };
        let Some(node) = nodes.first().and_then(|node| state.node(*node)) else { continue };
        let occurrence = OccurrenceRef { index, position: position as u32 };
        let launch = Launch {
            execution: ExecutionRef { occurrence, ordinal: 0, attempt: 1 },
            id: ExecutionId::derive(OccurrenceId::derive(job.uid, *origin, *nominal), 0, 1),
            job: job.uid,
            job_name: job.name.clone(),
            origin: *origin,
            nominal: *nominal,
            decided_at: *nominal,
            journal: node.registration.journal,
            start_before: *nominal + job.rules.policy.start_deadline,
            definition: job.definition.clone(),
        };
        let agent = world.agents.iter().position(|agent| agent.node == node.registration.node);
        if let Some(agent) = agent {
            world.send(Peer::Server(server), Peer::Agent(agent), Message::Launch(Box::new(launch)));
        }
    }
}

/// What a server takes for the snapshot that it installs.
pub(crate) fn at_install(world: &World, snapshot: Snapshot) -> Snapshot {
    match world.log.snapshots.first() {
        Some(oldest) if world.has(Mutant::OldStateIsInstalled) => {
            Snapshot { records: oldest.records.clone(), ..snapshot }
        }
        _ => snapshot,
    }
}
