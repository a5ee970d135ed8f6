//! What goes into the journal's rules and what comes out.

use crate::command::Report;
use crate::delivery::Launch;
use crate::execution::Outcome;
use crate::ids::{ExecutionId, ExecutionRef, JournalId, RunnerId};
use crate::time::Time;
use std::sync::Arc;

/// What the agent writes down, in order.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Record {
    /// A launch is taken: from here on an outcome is owed.
    Accepted(Arc<Launch>, Place),
    /// It is about to be started. After a crash: started or not.
    Starting {
        /// The execution.
        id: ExecutionId,
        /// The runner that is attached: the only one that can know.
        runner: RunnerId,
    },
    /// Its runner has never heard of it, and never will by what was said so far: it waits again.
    Unstarted {
        /// The execution.
        id: ExecutionId,
    },
    /// It runs.
    Started {
        /// The execution.
        id: ExecutionId,
        /// Since when.
        at: Time,
        /// Its process, where it has one.
        process: Option<Process>,
    },
    /// It ended, or will never begin.
    Finished {
        /// The execution.
        id: ExecutionId,
        /// Its small name, for the report.
        execution: ExecutionRef,
        /// When a repeated launch of it would be too late.
        start_before: Time,
        /// How it ended.
        outcome: Arc<Outcome>,
    },
    /// The servers have the outcome.
    Settled {
        /// The execution.
        id: ExecutionId,
        /// When we heard of it.
        at: Time,
    },
    /// A cancel came before the launch: it must never begin.
    Forbidden {
        /// The execution.
        id: ExecutionId,
        /// Its small name, for the report.
        execution: ExecutionRef,
        /// When.
        at: Time,
    },
}

/// Where an execution runs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Place {
    /// At the runner, which outlives the agent and remembers.
    Runner,
    /// In the agent, with which it ends.
    Agent,
}

/// A process beyond doubt: process numbers are used again, start times are not.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Process {
    /// Its number, which is its group's too.
    pub pid: u32,
    /// When it started, in the kernel's ticks since boot.
    pub start_ticks: u64,
}

/// What happens to an agent.
#[derive(Clone, Debug)]
pub enum Input {
    /// A server wants this run, here.
    Launch(Launch, Place),
    /// A server wants this ended, or never begun.
    Cancel {
        /// The small name, for the report.
        execution: ExecutionRef,
        /// The execution.
        id: ExecutionId,
    },
    /// The outcomes of these are committed.
    Settled(Vec<ExecutionId>),
    /// The runner says that this runs.
    Began {
        /// The execution.
        id: ExecutionId,
        /// Since when; the epoch if it is only about to.
        at: Time,
        /// Its process, where it has one.
        process: Option<Process>,
    },
    /// The runner says that this ended.
    Ended {
        /// The execution.
        id: ExecutionId,
        /// How.
        outcome: Outcome,
    },
    /// The runner is gone: nothing can be started, nothing is known of what runs.
    Detached,
    /// This runner is there. It has heard all that was said to it on earlier connections, as far as it will ever
    /// hear it, and then, since `Detached`, told of everything that it runs, or ran and was not released from.
    Attached(RunnerId),
    /// Time passed.
    Tick,
}

/// What a step asks for.
#[derive(Clone, Debug, Default)]
pub struct Effects {
    /// To be made durable first.
    pub records: Vec<Record>,
    /// To be done then, in order.
    pub actions: Vec<Action>,
}

/// What is to be done once the records are durable.
#[derive(Clone, Debug)]
pub enum Action {
    /// Tell the servers.
    Report {
        /// The execution.
        id: ExecutionId,
        /// What.
        report: Report,
    },
    /// Start it, if [`Journal::may_start`] still says so.
    Start {
        /// The execution.
        launch: Arc<Launch>,
        /// Where.
        place: Place,
        /// Which of its turns this is.
        turn: u64,
    },
    /// End it.
    Stop {
        /// The execution.
        id: ExecutionId,
    },
    /// Drop what the runner keeps of it: result and output.
    Release {
        /// The execution.
        id: ExecutionId,
    },
    /// Nothing is done or reported; the operator may want to know why.
    Remark(Remark),
}

/// Why a launch was passed over in silence.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Remark {
    /// It was meant for another journal, which may have started it.
    #[error("execution {id} is meant for journal {journal}, not for ours: refused")]
    WrongJournal {
        /// The execution.
        id: ExecutionId,
        /// The journal that it was decided for.
        journal: JournalId,
    },
    /// Too much is unsettled.
    #[error("execution {id} is not accepted: {unsettled} executions are unsettled already")]
    Full {
        /// The execution.
        id: ExecutionId,
        /// How many are.
        unsettled: usize,
    },
}

impl Effects {
    pub(super) fn report(&mut self, id: ExecutionId, report: Report) {
        self.actions.push(Action::Report { id, report });
    }

    pub(super) fn remark(&mut self, remark: Remark) {
        self.actions.push(Action::Remark(remark));
    }
}
