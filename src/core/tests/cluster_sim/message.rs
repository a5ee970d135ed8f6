//! What servers say to one another, and what happens when.

use dkron_core::bootstrap::{Answer, Hello, Promise, Refusal};
use dkron_core::ids::{ClusterId, NodeId};

/// A process: the machine and which of its processes. An answer to an earlier one is lost with its connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Caller {
    pub(crate) machine: usize,
    pub(crate) epoch: u64,
}

/// A message on its way.
#[derive(Clone, Debug)]
pub(crate) enum Message {
    Hello { from: Caller, to: NodeId, hello: Hello },
    Answer { to: Caller, from: NodeId, hello: Hello, answer: Answer },
    Ask { from: Caller, to: NodeId, promise: Promise },
    Verdict { to: Caller, from: NodeId, cluster: ClusterId, verdict: Result<(), Refusal> },
    Abort { from: NodeId, to: NodeId, cluster: ClusterId },
}

/// What happens.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    Start(usize),
    Wake(Caller),
    Written(Caller),
    Deliver(Box<Message>),
    Gossip,
    Round,
    Fault,
    /// The machine dies at the worst moment, and stays away for long.
    Strike(usize),
    Heal,
    Judge,
}
