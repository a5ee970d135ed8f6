//! What servers and agents tell one another about executions, and the rules of telling it.
//!
//! Everything may be said twice and heard late: a launch is repeated until it is accepted, an outcome until
//! it is settled. The agent's journal and the log make the repetitions harmless.
//!
//! An agent keeps a stream to every server, and tells what happened to the one that leads with the highest
//! term. It takes orders and settlements from any: they are committed, whoever passes them on.

use crate::command::Report;
use crate::ids::{ExecutionId, ExecutionRef, JobUid, JournalId, NodeId, Origin, Stamp};
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

/// Where a server is.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct ServerAddress {
    /// Its id.
    pub id: NodeId,
    /// Where it takes calls from other nodes, `host:port`.
    pub address: Arc<str>,
}

/// From a server to an agent.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ToAgent {
    /// The answer to hello of any server, whether it leads or not.
    Welcome {
        /// The server that speaks.
        server: NodeId,
        /// Its cluster.
        stamp: Stamp,
    },
    /// This server leads, and has the agent's registration in the log: it is to be told everything.
    Leading {
        /// The term: of two servers that say so, the one with the higher term is right.
        term: u64,
    },
    /// This server does not lead, or no more: what it was told and did not settle is to be told to another.
    Following,
    /// All servers of the cluster.
    Servers(Arc<[ServerAddress]>),
    /// The answer to leaving: it is in the log.
    Left,
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
        /// The cluster that the agent belongs to, with the newest incarnation that it has seen; none before its
        /// first welcome.
        stamp: Option<Stamp>,
        /// The start of its process: random, so that two processes with one id (a copied disk) are told apart.
        process: u64,
        /// Who it is.
        registration: Registration,
    },
    /// The node goes, and wants no more work; what runs is told of when it is back. To be answered by `Left`.
    Leaving,
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
