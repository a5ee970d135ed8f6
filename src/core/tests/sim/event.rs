//! What can happen, and what can be said.

use crate::mutants::Mutant;
use dkron_core::command::Report;
use dkron_core::delivery::Launch;
use dkron_core::ids::{ExecutionId, ExecutionRef, JournalId, RequestId};
use dkron_core::node::Registration;

/// Somebody with an address.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Peer {
    Server(usize),
    Agent(usize),
    Client,
}

/// Something sent over the network, which may be lost, doubled, late or out of order.
#[derive(Clone, Debug)]
pub(crate) enum Message {
    Hello {
        agent: usize,
        life: u64,
        registration: Registration,
    },
    Ping {
        agent: usize,
        journal: JournalId,
    },
    Reports {
        agent: usize,
        reports: Vec<(ExecutionId, Report)>,
    },
    Welcome {
        life: u64,
    },
    HelloAgain,
    Pong,
    Launch(Box<Launch>),
    /// Over the stream of this life of the agent: it does not say for which journal it is meant.
    Cancel {
        life: u64,
        execution: ExecutionRef,
        id: ExecutionId,
    },
    Settled(Vec<ExecutionId>),
    Ask(RequestId),
    Answer(RequestId),
}

/// Something that happens at an instant. What belongs to one life of a process (or one term of a leader)
/// names it, and is void in the next one.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    Deliver {
        to: Peer,
        from: Peer,
        message: Message,
    },
    /// The leader plans.
    Turn {
        server: usize,
        term: u64,
    },
    /// The leader looks who is silent.
    Watch {
        server: usize,
        term: u64,
    },
    /// The leader's proposer takes what is queued.
    Flush {
        server: usize,
        term: u64,
    },
    /// The proposer stops waiting for an answer.
    GiveUpWaiting {
        server: usize,
        term: u64,
        ticket: u64,
    },
    /// The proposal that stands first gets its quorum.
    Commit {
        term: u64,
    },
    Apply {
        server: usize,
        life: u64,
    },
    Elect {
        term: u64,
    },
    /// A deposed leader learns of it.
    Depose {
        server: usize,
        term: u64,
    },
    ServerStarts {
        server: usize,
    },
    TakeSnapshot,
    Synced {
        agent: usize,
        life: u64,
    },
    AgentWakes {
        agent: usize,
        life: u64,
    },
    AgentBeats {
        agent: usize,
        life: u64,
    },
    /// Its process is killed, with what is not yet durable.
    AgentDies {
        agent: usize,
        life: u64,
    },
    AgentStarts {
        agent: usize,
    },
    /// It reads the next of what an agent said to it.
    SupervisorReads {
        agent: usize,
        supervisor: u64,
    },
    Spawn {
        agent: usize,
        supervisor: u64,
        id: ExecutionId,
    },
    Exit {
        agent: usize,
        supervisor: u64,
        id: ExecutionId,
        killed: bool,
    },
    /// A client does something new.
    Wish,
    /// A client asks again until it has an answer.
    AskAgain(RequestId),
    Fault,
    Mend(Mending),
    /// The liveness phase begins.
    Calm,
    /// Ticks are held, to see everything come to rest.
    Rest,
}

/// Which fault ends.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Mending {
    Reconnect(Peer),
    ClockBack(Peer, i64),
}

/// What makes one run different from another.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    pub(crate) seed: u64,
    pub(crate) mutant: Option<Mutant>,
    pub(crate) print: bool,
}
