//! What may stand in the log. A command is complete: apply adds no time, no chance, no zone data to it.

use crate::access::Token;
use crate::execution::{Outcome, SkipReason};
use crate::ids::{
    ClusterId, ExecutionId, ExecutionRef, Incarnation, JobSlot, JobUid, NodeId, NodeSlot, OccurrenceRef,
    Origin, RequestId, TokenId,
};
use crate::job::Job;
use crate::jump::JUMP;
use crate::node::{Liveness, Registration, Work};
use crate::time::Time;
use crate::voters::Wish;
use std::sync::Arc;

/// One log entry: what was queued at the proposer at the time, under one stamp.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Batch {
    /// The leader's clock when it proposed the entry. Apply goes by it alone, never by an earlier entry's: a
    /// clock that was wrong for a while leaves no trace in what comes after.
    pub time: Time,
    /// In order.
    pub commands: Vec<Command>,
}

impl Batch {
    /// An entry proposed now: stamped with the clock, or with the latest time by which one of its commands was
    /// computed if the clock was set back a little in between. What was computed by a clock that is far ahead
    /// does not count: apply has that computed anew.
    pub fn stamped(clock: Time, commands: Vec<Command>) -> Batch {
        let computed = commands.iter().filter_map(Command::at).filter(|at| *at - clock <= JUMP);
        Batch { time: computed.max().map_or(clock, |at| at.max(clock)), commands }
    }
}

/// One change of the state.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Command {
    /// A client's request id: the same one within ten minutes is answered as before and changes nothing.
    pub request: Option<RequestId>,
    /// The change.
    pub action: Action,
}

impl Command {
    /// The time by which its proposer computed due times, if it did.
    pub fn at(&self) -> Option<Time> {
        match &self.action {
            Action::Put(put) => Some(put.at),
            _ => None,
        }
    }
}

/// The changes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Action {
    /// The first command of a cluster.
    Found(Founding),
    /// The leader's decisions on ticks and requested runs.
    Decide(Vec<Decision>),
    /// Nodes for occurrences whose turn has come and for retries.
    Assign(Vec<Assignment>),
    /// What agents said.
    Report(Vec<Report>),
    /// What waited too long.
    GiveUp(Vec<GiveUp>),
    /// A job created or replaced.
    Put(PutJob),
    /// A part of an import, not to be seen yet.
    Stage {
        /// The import.
        import: RequestId,
        /// Its next jobs.
        jobs: Vec<PutJob>,
    },
    /// Everything staged appears at once.
    Commit {
        /// The import.
        import: RequestId,
    },
    /// Everything staged is forgotten.
    Abandon {
        /// The import.
        import: RequestId,
    },
    /// A job deleted.
    Delete {
        /// Its name.
        name: Arc<str>,
    },
    /// A job deleted if it stands at this edit: a safe deletion.
    DeleteAt {
        /// Its name.
        name: Arc<str>,
        /// The edit.
        version: Version,
    },
    /// The executions of a job deleted and its counters set to zero.
    DeleteExecutions {
        /// The job's name.
        name: Arc<str>,
    },
    /// A run outside the schedule asked for; the command's request is its cause.
    Run {
        /// The job's name.
        name: Arc<str>,
        /// The nominal time of the run: when it was asked for.
        nominal: Time,
    },
    /// Runs for nominal times of the past asked for, decided one after the other; the command's request is their
    /// cause.
    Backfill(Backfill),
    /// The backfilled runs of a job that wait are forgotten, with a record; one that is on its way goes on.
    CallOff {
        /// The job's name.
        name: Arc<str>,
    },
    /// The open executions of an occurrence shall end, or one of them.
    Cancel {
        /// The occurrence.
        occurrence: OccurrenceRef,
        /// Which of its executions; none for all.
        ordinal: Option<u16>,
    },
    /// Job submissions are refused (true) or taken (false), as Dkron's pause.
    Pause(bool),
    /// Ticks stop.
    Hold(Scope),
    /// Ticks go on; those passed over become one skip record for each job.
    Release(Scope),
    /// A node said hello.
    Register(Registration),
    /// The failure detector, an operator or the node itself says whether it lives.
    Mark {
        /// The node.
        node: NodeSlot,
        /// Whether it does.
        liveness: Liveness,
    },
    /// An operator says what a node may do.
    Cordon {
        /// The node.
        node: NodeSlot,
        /// What.
        work: Work,
    },
    /// An operator wishes something of a server.
    Wish(Errand),
    /// A wish is over, if it is still this one.
    Forget(Errand),
    /// The leader computes by other zone data than the one before it.
    AdoptZoneData {
        /// Their version, as `2026a`.
        version: Arc<str>,
    },
    /// Another zone for the jobs that name none.
    SetDefaultZone {
        /// Its IANA name.
        zone: Arc<str>,
    },
    /// All jobs are filed by the present zone data and default zone.
    ZonesFiled {
        /// The state's [`Filing::epoch`](crate::state::record::Filing::epoch) that this is about.
        epoch: u32,
    },
    /// A token of the API made. Its time of creation is the entry's, whatever it says.
    CreateToken {
        /// Its id.
        id: TokenId,
        /// The token.
        token: Token,
        /// Whether it is the one that closes the API; only that one can be made while it is open.
        first: bool,
    },
    /// A token of the API revoked.
    RevokeToken {
        /// Its id.
        id: TokenId,
    },
    /// Every member reads this format: from now on it is written.
    RaiseFormat {
        /// The format.
        format: u8,
    },
}

/// What an operator wishes of a server.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Errand {
    /// Whom it is about.
    pub server: NodeId,
    /// What.
    pub wish: Wish,
    /// The server's process at the time, as gossip named it; 0 if nobody saw it.
    pub process: u64,
}

/// What is fixed when a cluster comes to be.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Founding {
    /// The cluster.
    pub cluster: ClusterId,
    /// 1 for a new one.
    pub incarnation: Incarnation,
    /// IANA name of the zone of jobs that name none.
    pub default_zone: Arc<str>,
    /// Version of the founder's zone data.
    pub zone_data: Arc<str>,
}

/// A decision on one job. Taken only if the job is still as the leader saw it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Decision {
    /// The job.
    pub job: JobSlot,
    /// The use of the slot that the leader saw.
    pub generation: u32,
    /// The revision that the leader saw.
    pub revision: u32,
    /// What is decided.
    pub kind: DecisionKind,
    /// The job's next due time after this decision; none if there is none. Ignored unless the decision is of
    /// origin `schedule`.
    pub next_due: Option<Time>,
}

/// What is decided.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum DecisionKind {
    /// One occurrence.
    Start {
        /// Why.
        origin: Origin,
        /// Its nominal time.
        nominal: Time,
        /// One execution on each; none if no node is eligible.
        nodes: Vec<NodeSlot>,
    },
    /// Ticks of the schedule passed over.
    Skip {
        /// The first: the job's stored next due time.
        from: Time,
        /// The last.
        to: Time,
        /// How many.
        count: u64,
        /// Why.
        reason: SkipReason,
    },
    /// Only the next due time, for a job whose stored one is not above its cursor or whose zone changed.
    Refile {
        /// The ticks before now that the zone's new rules have and the old ones had not: passed over.
        passed: Option<Stretch>,
    },
}

impl DecisionKind {
    /// The last nominal time that this decides; the epoch for none.
    pub fn last(&self) -> Time {
        match self {
            DecisionKind::Start { nominal, .. } => *nominal,
            DecisionKind::Skip { to, .. } => *to,
            DecisionKind::Refile { passed } => passed.map_or(Time::EPOCH, |passed| passed.to),
        }
    }
}

/// Nodes for something that waits for them.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Assignment {
    /// An occurrence whose turn has come.
    Place {
        /// The occurrence.
        occurrence: OccurrenceRef,
        /// One execution on each; never empty.
        nodes: Vec<NodeSlot>,
    },
    /// The next attempt of an execution.
    Retry {
        /// The new attempt.
        execution: ExecutionRef,
        /// Where.
        node: NodeSlot,
    },
}

/// What an agent says of an execution.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Report {
    /// The execution.
    pub execution: ExecutionRef,
    /// [`ExecutionId::check`] of its long id, so that an execution of another incarnation with an equal small
    /// name is not meant.
    pub check: u32,
    /// What happened.
    pub event: Event,
}

/// What happened to an execution on its agent.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Event {
    /// It is in the agent's journal.
    Accepted,
    /// It runs.
    Started {
        /// Since when, on the agent's clock.
        at: Time,
    },
    /// It ended, or will never begin.
    Finished(Outcome),
}

/// Something that waited longer than its job allows; apply checks that it did.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum GiveUp {
    /// An occurrence without a node for longer than the catch-up window.
    Unplaced(OccurrenceRef),
    /// An execution whose agent has been silent for longer than `lost_after`, or whose next attempt has found
    /// no node for longer than the catch-up window.
    Lost(ExecutionRef),
}

/// Ticks of the past, listed by the proposer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Backfill {
    /// The job's name.
    pub name: Arc<str>,
    /// The job whose schedule was looked at.
    pub job: JobUid,
    /// The nominal times, in order; at most [`limits::BACKFILL_MAX`](crate::limits::BACKFILL_MAX).
    pub nominals: Vec<Time>,
}

/// A job created or replaced.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PutJob {
    /// The definition, typed.
    pub job: Arc<Job>,
    /// The same definition, encoded: what the state keeps.
    pub definition: Arc<[u8]>,
    /// The job's uid if the name is new.
    pub uid: JobUid,
    /// When the proposer computed this, by its clock: the edit takes effect then. What the schedule asks for
    /// between this and the entry's time is due under the new definition, so that edits, however many, never
    /// take away a tick.
    pub at: Time,
    /// The state's [`Filing::epoch`](crate::state::record::Filing::epoch) that the due times hold for; none if they
    /// were computed by zone data that the state does not know of yet.
    pub epoch: Option<u32>,
    /// What the proposer saw under this name.
    pub seen: Version,
    /// Whether anything but `seen` refuses the write (a client's safe update).
    pub strict: bool,
    /// The first tick after `at` under this definition.
    pub next_due: Option<Time>,
    /// What was due under the old definition, in order; applied before the change.
    pub due: Vec<Decision>,
    /// The ticks of the old definition that the change passes over.
    pub passed: Option<Stretch>,
    /// Counters that come with a restored job.
    pub counters: Option<Counters>,
}

/// One edit of one job. A job that was deleted and created again is another, whatever its revision.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Version {
    /// The job; 0 for none.
    pub job: JobUid,
    /// Its revision; 0 for none.
    pub revision: u32,
}

/// Some ticks in a row.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Stretch {
    /// The first.
    pub from: Time,
    /// The last.
    pub to: Time,
    /// How many.
    pub count: u64,
}

/// A job's counters and last outcomes, as Dkron's clients see them.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Counters {
    /// Executions that succeeded.
    pub success_count: u64,
    /// Executions that failed.
    pub error_count: u64,
    /// When the last good one ended; the epoch for never.
    pub last_success: Time,
    /// When the last bad one ended; the epoch for never.
    pub last_error: Time,
    /// The last closed occurrence's status.
    pub status: Status,
}

/// What became of a job's last closed occurrence.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Status {
    /// None has closed yet.
    #[default]
    Untriggered,
    /// All its executions succeeded in the end.
    Success,
    /// All failed.
    Failed,
    /// Some failed.
    PartiallyFailed,
}

impl Status {
    /// All in the order of their stable numbers.
    pub const ALL: [Status; 4] =
        [Status::Untriggered, Status::Success, Status::Failed, Status::PartiallyFailed];

    /// The stable number of the wire and the disk.
    pub fn number(self) -> u8 {
        self as u8
    }

    /// The status with this number.
    pub fn from_number(number: u8) -> Option<Status> {
        Status::ALL.get(usize::from(number)).copied()
    }

    /// Dkron's word, empty for a job that has not run.
    pub fn word(self) -> &'static str {
        match self {
            Status::Untriggered => "",
            Status::Success => "success",
            Status::Failed => "failed",
            Status::PartiallyFailed => "partially_failed",
        }
    }
}

/// Whose ticks are held or released.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Scope {
    /// Everybody's.
    Cluster,
    /// These jobs'.
    Jobs(Vec<Arc<str>>),
}

/// What apply answers to one command.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Reply {
    /// It is done.
    Done,
    /// The job is stored.
    Stored {
        /// Where.
        job: JobSlot,
        /// Which edit of it that is.
        version: Version,
        /// Whether it is new.
        created: bool,
    },
    /// Of a list of items, these (by position) were rejected and changed nothing.
    Rejected(Vec<u32>),
    /// The node's place.
    Registered(NodeSlot),
    /// Nothing was changed.
    Refused(Refusal),
}

/// Why a command changed nothing.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// The cluster has not been founded, or is founded already.
    #[error("the cluster is already founded")]
    Founded,
    /// No job of this name.
    #[error("job '{0}' not found")]
    UnknownJob(Arc<str>),
    /// The parent is not there.
    #[error("specified parent job not found")]
    UnknownParent(Arc<str>),
    /// The parent chain comes back to the job.
    #[error("parent_job: '{0}' would make the job wait for itself")]
    ParentCycle(Arc<str>),
    /// A parent cannot be deleted before its children.
    #[error("job '{0}' has dependent jobs and cannot be deleted before them")]
    HasDependents(Arc<str>),
    /// A safe update found another revision.
    #[error("the job was changed in the meantime: its revision is {0}")]
    Changed(u32),
    /// Submissions are paused.
    #[error("New job submissions are currently paused")]
    Paused,
    /// `forbid`: an occurrence is open.
    #[error("job '{job}' is still running as {execution} and its concurrency is \"forbid\"")]
    Overlap {
        /// The job.
        job: Arc<str>,
        /// What stands in the way.
        execution: ExecutionId,
    },
    /// As many runs wait as may.
    #[error("job '{0}' has as many waiting runs as it may")]
    QueueFull(Arc<str>),
    /// A disabled job is not run by hand (as Dkron).
    #[error("job '{0}' is disabled")]
    Disabled(Arc<str>),
    /// More backfilled runs than may wait.
    #[error(
        "{wanted} runs of job '{job}' are asked for and {waiting} wait: at most {} may wait",
        crate::limits::BACKFILL_MAX
    )]
    BackfillTooLarge {
        /// The job.
        job: Arc<str>,
        /// How many wait already.
        waiting: u32,
        /// How many are asked for.
        wanted: u32,
    },
    /// No such import.
    #[error("import {0} is not staged")]
    UnknownImport(RequestId),
    /// No such occurrence is open.
    #[error("no such execution is open")]
    NotOpen,
    /// No such node.
    #[error("no such node")]
    UnknownNode,
    /// Another living node has the name.
    #[error("node name '{0}' is taken by another living node")]
    NameTaken(Arc<str>),
    /// A later start of the node has registered already, or another process under its id.
    #[error(
        "node '{name}' is registered in its life {known}, this hello is of its life {life}: only a later one, or the same journal again, is taken"
    )]
    OlderLife {
        /// The node's name.
        name: Arc<str>,
        /// Which life speaks.
        life: u64,
        /// Which life is registered.
        known: u64,
    },
    /// The definition cannot be used.
    #[error("{0}")]
    Invalid(Arc<str>),
    /// The API is closed already: the first token was made.
    #[error(
        "the first token was made already: ask who holds a token with manage-tokens, or recover on a server"
    )]
    TokensExist,
    /// No such token.
    #[error("no token has the id {0}")]
    UnknownToken(TokenId),
    /// A run without a request id has no cause.
    #[error("a run needs a request id")]
    NoRequest,
}
