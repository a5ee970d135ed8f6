//! The records that the state is made of, each a plain value: what a snapshot stores and a digest sums.

use crate::access::Token;
use crate::command::{Counters, PutJob, Reply, Version};
use crate::execution::Verdict;
use crate::ids::{
    ExecutionId, ExecutionRef, JobSlot, JobUid, NodeId, NodeSlot, OccurrenceId, OccurrenceRef, Origin,
    RequestId, TokenId,
};
use crate::node::{Liveness, Registration, Work};
use crate::rules::{self, Rules};
use crate::time::{Span, Time};
use crate::voters::Wished;
use std::sync::Arc;

/// A job as the state holds it: a hot part, and the definition as opaque bytes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct JobRecord {
    /// From creation to deletion.
    pub uid: JobUid,
    /// Unique among the living jobs.
    pub name: Arc<str>,
    /// Which user of its slot this is, from 1.
    pub generation: u32,
    /// Counts edits, from 1.
    pub revision: u32,
    /// The encoded definition.
    pub definition: Arc<[u8]>,
    /// What of the definition the rules look at; shared by equal jobs.
    pub rules: Arc<Rules>,
    /// Every tick up to here is decided (invariant 2: never moves back).
    pub cursor: Time,
    /// The next tick, without jitter; [`Time::NEVER`] for none.
    pub next_due: Time,
    /// The phase of `@every`: one delay before its first tick since the timing was last set.
    pub anchor: Time,
    /// Ticks up to here are passed over as held.
    pub floor: Time,
    /// Whether its ticks are held.
    pub held: bool,
    /// The job whose success starts it.
    pub parent: Option<JobSlot>,
    /// Counters and last outcomes.
    pub counters: Counters,
    /// Open occurrences.
    pub open: u32,
    /// Occurrences that wait their turn.
    pub queued: u32,
}

impl JobRecord {
    /// Which edit of which job this is.
    pub fn version(&self) -> Version {
        Version { job: self.uid, revision: self.revision }
    }

    /// When the next tick may start: its nominal time and jitter. [`Time::NEVER`] while held.
    pub fn wheel_key(&self) -> Time {
        match self.startable() {
            Time::NEVER => Time::NEVER,
            due => due + self.jitter(due),
        }
    }

    /// As [`JobRecord::wheel_key`], without jitter.
    pub fn startable(&self) -> Time {
        if self.held || self.needs_replan() { Time::NEVER } else { self.next_due }
    }

    /// Whether its next due time is not above its cursor, so that the leader must compute it anew.
    pub fn needs_replan(&self) -> bool {
        self.next_due <= self.cursor
    }

    /// The delay of one of its ticks.
    pub fn jitter(&self, nominal: Time) -> Span {
        rules::jitter_of(self.uid, nominal, self.rules.timing.jitter)
    }
}

/// An occurrence that is not over.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Occurrence {
    /// The job.
    pub job: JobSlot,
    /// Its long id.
    pub id: OccurrenceId,
    /// Why it is.
    pub origin: Origin,
    /// Its nominal time.
    pub nominal: Time,
    /// When it was decided.
    pub decided_at: Time,
    /// Whether it runs or waits.
    pub turn: Turn,
    /// When it could first have started: decided, or its turn came.
    pub startable_at: Time,
    /// When it is given up if it has no node by then.
    pub gives_up_at: Time,
    /// One for each chosen node; empty while it waits.
    pub executions: Vec<Execution>,
}

/// Whether an occurrence runs or waits.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Turn {
    /// It waits for the open one to end.
    Queued,
    /// Its turn has come, but it has no node; its place on the agenda.
    Unplaced(u64),
    /// It has executions.
    Open,
}

/// One execution of an open occurrence.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Execution {
    /// Which try, from 1.
    pub attempt: u16,
    /// Where.
    pub node: NodeSlot,
    /// How far it is.
    pub progress: Progress,
    /// When this attempt could first have started.
    pub startable_at: Time,
    /// Whether it shall end.
    pub cancel: bool,
    /// When it is given up, while its agent is silent.
    pub lost_at: Option<Time>,
    /// Its place on the agenda while something is to be sent; 0 for none.
    pub agenda: u64,
}

/// How far an execution is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Progress {
    /// Decided, not known to have reached its agent.
    Assigned,
    /// In the agent's journal.
    Accepted,
    /// Running, since this instant on the agent's clock.
    Started(Time),
    /// The attempt failed; the next is due at this instant.
    Retrying(Time),
    /// Over.
    Ended(Verdict),
}

impl Occurrence {
    /// Its executions with their small names.
    pub fn named_executions(
        &self,
        occurrence: OccurrenceRef,
    ) -> impl Iterator<Item = (ExecutionRef, &Execution)> {
        self.executions.iter().enumerate().map(move |(ordinal, execution)| {
            (ExecutionRef { occurrence, ordinal: ordinal as u16, attempt: execution.attempt }, execution)
        })
    }

    /// Forgets its agenda places, which are each server's own.
    pub(super) fn forget_places(&mut self) {
        if let Turn::Unplaced(place) = &mut self.turn {
            *place = 0;
        }
        for execution in &mut self.executions {
            execution.agenda = 0;
        }
    }

    /// The long id of one of its executions.
    pub fn execution_id(&self, ordinal: u16, attempt: u16) -> ExecutionId {
        ExecutionId::derive(self.id, ordinal, attempt)
    }
}

impl Execution {
    /// A first attempt, just decided.
    pub fn assigned(node: NodeSlot, attempt: u16, startable_at: Time) -> Execution {
        Execution {
            attempt,
            node,
            progress: Progress::Assigned,
            startable_at,
            cancel: false,
            lost_at: None,
            agenda: 0,
        }
    }

    /// Whether something of it is or may be on its node.
    pub fn is_live(&self) -> bool {
        matches!(self.progress, Progress::Assigned | Progress::Accepted | Progress::Started(_))
    }

    /// What the leader has to tell its node; nothing while the node is silent.
    pub fn item(&self, reference: ExecutionRef) -> Option<Item> {
        match self.progress {
            _ if self.lost_at.is_some() => None,
            _ if self.cancel && self.is_live() => Some(Item::Cancel(reference)),
            Progress::Assigned => Some(Item::Launch(reference)),
            _ => None,
        }
    }

    /// What happens to it at an instant.
    pub fn timer(&self, reference: ExecutionRef) -> Option<(Time, Timer)> {
        match self.progress {
            Progress::Retrying(due) => Some((due, Timer::Retry(reference))),
            _ if self.is_live() => self.lost_at.map(|at| (at, Timer::Lost(reference))),
            _ => None,
        }
    }
}

/// A node as the state holds it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NodeRecord {
    /// What it last said of itself.
    pub registration: Registration,
    /// Whether it lives.
    pub liveness: Liveness,
    /// When that was set.
    pub marked_at: Time,
    /// What an operator lets it do.
    pub work: Work,
}

/// A run outside the schedule that waits for its decision.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Requested {
    /// The job.
    pub job: JobSlot,
    /// Manual, backfill or dependent.
    pub origin: Origin,
    /// Its nominal time.
    pub nominal: Time,
}

/// Something for the leader to do, in the order in which it came up.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Item {
    /// Decide a requested run.
    Decide(Requested),
    /// Find nodes for an occurrence.
    Place(OccurrenceRef),
    /// Send an execution to its agent until it is accepted.
    Launch(ExecutionRef),
    /// Tell its agent to end an execution until it has ended.
    Cancel(ExecutionRef),
}

/// Something for the leader to do at an instant.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Timer {
    /// The next attempt is due.
    Retry(ExecutionRef),
    /// An unplaced occurrence has waited long enough.
    Unplaced(OccurrenceRef),
    /// A silent execution has been waited for long enough.
    Lost(ExecutionRef),
}

/// An import in the making.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Staged {
    /// When its last part came.
    pub touched_at: Time,
    /// Its jobs so far, in order.
    pub jobs: imbl::Vector<Arc<PutJob>>,
}

/// A client's request and its answer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Remembered {
    /// When it was answered.
    pub at: Time,
    /// The answer.
    pub reply: Reply,
}

/// What is true of the cluster as a whole.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Cluster {
    /// What was fixed at its founding, but with the newest version of the zone data and the default zone of now.
    pub founding: crate::command::Founding,
    /// Whether submissions are refused.
    pub paused: bool,
    /// Since when all ticks are held.
    pub held_since: Option<Time>,
    /// Ticks up to here are passed over as held.
    pub floor: Time,
    /// What next due times are computed by.
    pub filing: Filing,
    /// Whether the API asks everybody for a token.
    pub closed: bool,
    /// The log format in force.
    pub format: u8,
}

/// By which zone data, and for which default zone, next due times are computed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Filing {
    /// Version of the zone data that the present leader computes by; the newest that a leader ever had is in
    /// [`Cluster::founding`].
    pub by: Arc<str>,
    /// Counts the changes of `by` and of the default zone.
    pub epoch: u32,
    /// Whether jobs may be filed by what was before.
    pub pending: bool,
}

/// One record of a snapshot, in any order but free slots before jobs, and jobs before what names them.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Record {
    /// The cluster, once founded.
    Cluster(Cluster),
    /// A living job.
    Job(JobSlot, JobRecord),
    /// A free slot and the generation of its last user.
    Free(JobSlot, u32),
    /// An occurrence that is not over.
    Occurrence(OccurrenceRef, Occurrence),
    /// A requested run, with its place on the agenda.
    Requested(u64, Requested),
    /// A node.
    Node(NodeSlot, NodeRecord),
    /// What an operator wishes of a server.
    Wish(NodeId, Wished),
    /// A remembered request.
    Remembered(RequestId, Remembered),
    /// A part of an import: its jobs from this position on.
    Staged(RequestId, Time, PutJob),
    /// A token of the API.
    Token(TokenId, Token),
}
