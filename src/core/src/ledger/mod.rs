//! The ledger checker: holds what jobs wrote down themselves against what their definitions promise.
//!
//! It believes nobody but the jobs: not the history, not the counters. A ledger says when each execution
//! started and ended; the definitions say when each should have; the skip records say what the scheduler
//! admits to have passed over. What does not fit together is a [`Finding`].
//!
//! Owns: the format of the ledger's lines, the rules of the comparison. Never: reads files or clocks. Fails:
//! on a ledger or a definition that cannot be read; never on what they say.

mod check;
mod lines;
mod ticks;

#[cfg(test)]
mod tests;

pub use check::check;
pub use lines::{Lines, UnreadableLine, read_lines};

use crate::execution::SkipReason;
use crate::job::Job;
use crate::schedule::Zone;
use crate::time::{Span, Time};
use std::fmt;

/// One execution, as the job wrote it down.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Run {
    /// The job's name.
    pub job: String,
    /// The nominal time that it was told.
    pub scheduled_at: Time,
    /// The execution id that it was told.
    pub execution: String,
    /// The attempt that it was told, from 1.
    pub attempt: u16,
    /// Which ledger says so: one for each node.
    pub node: String,
    /// When it started, on its node's clock.
    pub started_at: Time,
    /// When it ended and with which exit status; none if it never said.
    pub ended: Option<(Time, i32)>,
}

/// A job and the windows in which it could run.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Watched {
    /// The definition. An edited job is several of these, each with its windows.
    pub job: Job,
    /// When it was there, enabled and not held.
    pub windows: Vec<Window>,
    /// What `@every` counts from, where known; else it is found from the first tick that ran.
    pub anchor: Option<Time>,
}

/// A stretch in which a job was live. Changes race with ticks: between asking for a change and the answer
/// nobody knows which side a tick falls on, so a window has outer bounds (a tick may run) and inner ones
/// (a tick must run). The start belongs to it, the end does not.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Window {
    /// The creation was asked for.
    pub may_from: Time,
    /// The creation was acknowledged.
    pub must_from: Time,
    /// The deletion was asked for.
    pub must_until: Time,
    /// The deletion was acknowledged.
    pub may_until: Time,
}

impl Window {
    /// A window with sharp ends.
    pub fn exact(from: Time, until: Time) -> Window {
        Window { may_from: from, must_from: from, must_until: until, may_until: until }
    }
}

/// Ticks that the scheduler says it passed over, first and last included.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Skip {
    /// The job's name.
    pub job: String,
    /// The first tick.
    pub from: Time,
    /// The last tick.
    pub to: Time,
    /// Why.
    pub reason: SkipReason,
}

/// What to hold against the ledger, and how strictly.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Promise {
    /// The jobs.
    pub jobs: Vec<Watched>,
    /// What was passed over; none if nobody asked the scheduler, so that no miss can be called silent.
    pub skips: Option<Vec<Skip>>,
    /// How much later than its nominal time (and the job's jitter) a first attempt may start.
    pub late: Span,
    /// How far the clocks of nodes may differ: neither early nor overlapping by so little is a finding.
    pub skew: Span,
    /// How many nodes there are, for jobs that run on all; none for as many as there are ledgers.
    pub nodes: Option<u32>,
    /// Whether runs outside the schedule (started by hand) are expected.
    pub unscheduled: bool,
    /// The zone of jobs without one.
    pub default_zone: Zone,
}

/// What is wrong.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Kind {
    /// A tick that had to run did not.
    Missed,
    /// A tick that had to run did not, and no skip record says why.
    Silent,
    /// An execution started twice, or a tick had more executions than nodes.
    Doubled,
    /// A start before the nominal time.
    Early,
    /// A first attempt that started later than allowed.
    Late,
    /// Two runs at a time of a job that must not overlap itself.
    Overlap,
    /// A run that no definition explains.
    Unexpected,
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Kind::Missed => "missed",
            Kind::Silent => "silent",
            Kind::Doubled => "doubled",
            Kind::Early => "early",
            Kind::Late => "late",
            Kind::Overlap => "overlap",
            Kind::Unexpected => "unexpected",
        })
    }
}

/// Something that does not fit. Neighbouring missing ticks are one finding.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Finding {
    /// What.
    pub kind: Kind,
    /// Whose.
    pub job: String,
    /// The nominal time, of the first tick.
    pub from: Time,
    /// The nominal time of the last tick.
    pub to: Time,
    /// How many ticks.
    pub count: u64,
    /// The execution, where one is meant.
    pub execution: Option<String>,
    /// The particulars, in words.
    pub detail: String,
}

/// What a check found, and how much it looked at: no findings among no ticks prove nothing.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Report {
    /// By job, then by time.
    pub findings: Vec<Finding>,
    /// Ticks that had to run.
    pub ticks: u64,
    /// Of these, those passed over by a policy of their job, with a skip record.
    pub skipped: u64,
    /// Executions in the ledger.
    pub runs: u64,
    /// Of these, those without an end: still running, or killed.
    pub unfinished: u64,
}
