//! What servers and agents tell one another about executions, and the rules of telling it.
//!
//! Everything may be said twice and heard late: a launch is repeated until it is accepted, an outcome until
//! it is settled. The agent's journal and the log make the repetitions harmless.

use crate::command::Report;
use crate::ids::{ClusterId, ExecutionId, ExecutionRef, Incarnation, JobUid, JournalId, NodeId, Origin};
use crate::node::Registration;
use crate::time::Time;
use std::sync::Arc;

/// An execution handed to an agent.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Launch {
    /// Its small name, to be repeated in every report.
    pub execution: ExecutionRef,
    /// Its long id, by which the agent knows it for ever.
    pub id: ExecutionId,
    /// The job.
    pub job: JobUid,
    /// The job's name.
    pub job_name: Arc<str>,
    /// Why it runs.
    pub origin: Origin,
    /// The tick's nominal time; an execution never starts before it.
    pub nominal: Time,
    /// When the occurrence was decided: Dkron's `group`.
    pub decided_at: Time,
    /// The journal that this was decided for; an agent with another one refuses it.
    pub journal: JournalId,
    /// Too late after this instant: the agent answers `not_started`.
    pub start_before: Time,
    /// The encoded definition: executor, settings, processors.
    pub definition: Arc<[u8]>,
}

/// From a server to an agent.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ToAgent {
    /// The registration is in the log; what follows is meant for this agent.
    Welcome {
        /// The server that speaks.
        server: NodeId,
        /// Its cluster.
        cluster: ClusterId,
        /// The cluster's incarnation.
        incarnation: Incarnation,
    },
    /// Run this.
    Launch(Launch),
    /// End this. If it was never accepted, it must never begin.
    ///
    /// It names no journal and needs none: it is sent over the stream of the node's place in the state, which a
    /// new journal never inherits (it gets a place of its own), and a stream ends with the process that opened it,
    /// whose journal never changes. A launch names its journal because a mix-up of it would run something twice.
    Cancel {
        /// The small name, for the report.
        execution: ExecutionRef,
        /// The long id.
        id: ExecutionId,
    },
    /// The outcomes of these are committed: the agent may forget them.
    Settled(Vec<ExecutionId>),
}

/// A report with the execution's long id, by which the agent knows it and which settles it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Told {
    /// The long id.
    pub id: ExecutionId,
    /// What goes into the log.
    pub report: Report,
}

/// From an agent to a server.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum FromAgent {
    /// The first message of a stream.
    Hello {
        /// The cluster that the agent belongs to; none before its first welcome.
        cluster: Option<ClusterId>,
        /// Who it is.
        registration: Registration,
    },
    /// What happened, in order.
    Reports(Vec<Told>),
    /// A piece of an execution's output, as it comes.
    Output {
        /// The execution.
        id: ExecutionId,
        /// How many bytes of its output precede this piece.
        offset: u64,
        /// The piece.
        bytes: Arc<[u8]>,
    },
}
