//! What is open, as people look at it: each execution that runs, waits or will be tried again, in one word.

use crate::ids::{ExecutionId, ExecutionRef, JobSlot, NodeSlot, OccurrenceRef, Origin};
use crate::state::State;
use crate::state::record::{Occurrence, Progress, Turn};
use crate::time::Time;

/// How an execution stands that is not over.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Standing {
    /// It waits until another of its job has ended.
    Queued,
    /// It waits for a node until this instant.
    Unplaced {
        /// When it is given up.
        until: Time,
    },
    /// Its agent has it or will get it.
    Starting,
    /// It runs, since this instant on the agent's clock.
    Running(Time),
    /// The attempt before failed; this one is due at this instant.
    Retrying(Time),
}

/// An execution that is not over.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Open {
    /// The job.
    pub job: JobSlot,
    /// Its small name; of one that has no node yet that of its first attempt, of a retry that of the attempt to come.
    pub name: ExecutionRef,
    /// Its long id.
    pub id: ExecutionId,
    /// Why it is.
    pub origin: Origin,
    /// Its nominal time.
    pub nominal: Time,
    /// When its occurrence was decided.
    pub decided_at: Time,
    /// How it stands.
    pub standing: Standing,
    /// Its node; that of the attempt before for a retry, none for what waits.
    pub node: Option<NodeSlot>,
    /// Whether its end was asked for.
    pub ending: bool,
    /// When it is given up, while its agent is silent.
    pub lost_at: Option<Time>,
}

/// What is open of an occurrence, in order.
pub fn of(reference: OccurrenceRef, found: &Occurrence) -> Vec<Open> {
    let open = |ordinal: u16, attempt: u16, standing: Standing| Open {
        job: found.job,
        name: ExecutionRef { occurrence: reference, ordinal, attempt },
        id: found.execution_id(ordinal, attempt),
        origin: found.origin,
        nominal: found.nominal,
        decided_at: found.decided_at,
        standing,
        node: None,
        ending: false,
        lost_at: None,
    };
    match found.turn {
        Turn::Queued => return vec![open(0, 1, Standing::Queued)],
        Turn::Unplaced(_) => return vec![open(0, 1, Standing::Unplaced { until: found.gives_up_at })],
        Turn::Open => {}
    }
    let executions = found.named_executions(reference).filter_map(|(name, execution)| {
        let (attempt, standing) = match execution.progress {
            Progress::Assigned | Progress::Accepted => (name.attempt, Standing::Starting),
            Progress::Started(at) => (name.attempt, Standing::Running(at)),
            Progress::Retrying(due) => (name.attempt.saturating_add(1), Standing::Retrying(due)),
            Progress::Ended(_) => return None,
        };
        let found = open(name.ordinal, attempt, standing);
        let (node, ending, lost_at) = (Some(execution.node), execution.cancel, execution.lost_at);
        Some(Open { node, ending, lost_at, ..found })
    });
    executions.collect()
}

/// All that is open, the oldest decision first.
pub fn all(state: &State) -> impl Iterator<Item = Open> {
    state.occurrences().flat_map(|(reference, found)| of(reference, found))
}

/// What is open of one job, the oldest decision first.
pub fn of_job(state: &State, job: JobSlot) -> impl Iterator<Item = Open> {
    state.occurrences_of(job).flat_map(|(reference, found)| of(reference, found))
}
