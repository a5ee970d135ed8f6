//! What becomes of an execution: the outcome that an agent reports and the rows that the history keeps.

use crate::ids::{ExecutionId, ExecutionRef, JobUid, Origin};
use crate::time::Time;
use std::fmt;
use std::sync::Arc;

/// How an attempt ended, as its agent (or, for a lost one, the leader) saw it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Outcome {
    /// Why it ended.
    pub verdict: Verdict,
    /// When the process or request began, on the agent's clock; the epoch if it never did.
    pub started_at: Time,
    /// When it ended, on the agent's clock.
    pub finished_at: Time,
    /// The process's exit status or the response's status code, where there was one.
    pub code: Option<i32>,
    /// The error in one line, empty on success.
    pub error: Arc<str>,
    /// The last bytes of the output, at most [`crate::limits::OUTPUT_TAIL_BYTES`].
    pub tail: Arc<[u8]>,
    /// How many bytes the job wrote in all.
    pub output_bytes: u64,
}

/// Why an attempt ended.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Verdict {
    /// It did what was asked.
    Succeeded,
    /// It ran and failed.
    Failed,
    /// It was killed when its time was up.
    TimedOut,
    /// It was killed for using too much memory.
    OutOfMemory,
    /// It was killed because somebody asked for that, or a newer occurrence replaced it.
    Cancelled,
    /// The agent refused it: too late, no free slot, unknown executor, wrong journal.
    NotStarted,
    /// Nobody knows: the agent or its journal is gone.
    Lost,
}

impl Verdict {
    /// All verdicts in the order of their stable numbers.
    pub const ALL: [Verdict; 7] = [
        Verdict::Succeeded,
        Verdict::Failed,
        Verdict::TimedOut,
        Verdict::OutOfMemory,
        Verdict::Cancelled,
        Verdict::NotStarted,
        Verdict::Lost,
    ];

    /// The stable number of the wire and the disk.
    pub fn number(self) -> u8 {
        self as u8
    }

    /// The verdict with this number.
    pub fn from_number(number: u8) -> Option<Verdict> {
        Verdict::ALL.get(usize::from(number)).copied()
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Verdict::Succeeded => "succeeded",
            Verdict::Failed => "failed",
            Verdict::TimedOut => "timed_out",
            Verdict::OutOfMemory => "out_of_memory",
            Verdict::Cancelled => "cancelled",
            Verdict::NotStarted => "not_started",
            Verdict::Lost => "lost",
        })
    }
}

/// Why ticks were passed over.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum SkipReason {
    /// No leader decided them within the job's catch-up policy.
    Missed,
    /// `forbid`: an occurrence was open.
    Overlap,
    /// `queue`: as many as may wait were waiting.
    QueueFull,
    /// The job was disabled.
    Disabled,
    /// The job or the cluster was held.
    Held,
    /// An edit replaced the schedule under which they were due.
    Edited,
    /// No node took it within the window, and a newer tick took its place.
    Unplaced,
    /// The zone's rules changed.
    Rezoned,
    /// Somebody cancelled it while it waited.
    Cancelled,
}

impl SkipReason {
    /// All reasons in the order of their stable numbers.
    pub const ALL: [SkipReason; 9] = [
        SkipReason::Missed,
        SkipReason::Overlap,
        SkipReason::QueueFull,
        SkipReason::Disabled,
        SkipReason::Held,
        SkipReason::Edited,
        SkipReason::Unplaced,
        SkipReason::Rezoned,
        SkipReason::Cancelled,
    ];

    /// The stable number of the wire and the disk.
    pub fn number(self) -> u8 {
        self as u8
    }

    /// The reason with this number.
    pub fn from_number(number: u8) -> Option<SkipReason> {
        SkipReason::ALL.get(usize::from(number)).copied()
    }

    /// The word.
    pub fn word(self) -> &'static str {
        match self {
            SkipReason::Missed => "missed",
            SkipReason::Overlap => "overlap",
            SkipReason::QueueFull => "queue_full",
            SkipReason::Disabled => "disabled",
            SkipReason::Held => "held",
            SkipReason::Edited => "edited",
            SkipReason::Unplaced => "unplaced",
            SkipReason::Rezoned => "rezoned",
            SkipReason::Cancelled => "cancelled",
        }
    }
}

impl fmt::Display for SkipReason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.word())
    }
}

/// A row of the history. Rows are self-contained: the job may be gone when they are read.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum HistoryRow {
    /// An attempt that ended.
    Finished(Finished),
    /// Ticks that were passed over.
    Skipped(Skipped),
    /// All earlier rows of this job are deleted.
    Erased {
        /// The job.
        job: JobUid,
    },
}

/// An attempt that ended.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Finished {
    /// The job.
    pub job: JobUid,
    /// Its name at the time.
    pub job_name: Arc<str>,
    /// The attempt's long id.
    pub id: ExecutionId,
    /// The attempt's small name, which also orders it.
    pub execution: ExecutionRef,
    /// Why it ran.
    pub origin: Origin,
    /// The tick's nominal time.
    pub nominal: Time,
    /// When the occurrence was decided: Dkron's `group`, shared by its executions.
    pub decided_at: Time,
    /// The node's name.
    pub node: Arc<str>,
    /// How it ended.
    pub outcome: Outcome,
}

/// Ticks that were passed over, as one record however many they are.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Skipped {
    /// The job.
    pub job: JobUid,
    /// Its name at the time.
    pub job_name: Arc<str>,
    /// Why the occurrences would have run.
    pub origin: Origin,
    /// The first tick.
    pub from: Time,
    /// The last tick, or the edit that passed them over.
    pub to: Time,
    /// How many; at an edit as many as are known, 0 if nobody looked.
    pub count: u64,
    /// Why.
    pub reason: SkipReason,
    /// The open execution that stood in the way, where one did.
    pub blocked_by: Option<ExecutionId>,
    /// When it was decided.
    pub decided_at: Time,
}
