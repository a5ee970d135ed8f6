//! Nodes as the state knows them: who may be given work, as last agreed in the log.

use crate::ids::{BootId, JournalId, NodeId};
use crate::job::Words;
use std::fmt;
use std::sync::Arc;

/// What a node says of itself when it registers.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Registration {
    /// The node's own id, kept in its data directory.
    pub node: NodeId,
    /// Its label, unique among the living.
    pub name: Arc<str>,
    /// Counts the node's starts: what an earlier life said and comes late is refused.
    pub life: u64,
    /// The journal that it starts work under.
    pub journal: JournalId,
    /// The boot of its machine.
    pub boot: BootId,
    /// Tags for job targeting, Dkron's own (`role`, `dc`, `region`, `version`, ...) included.
    pub tags: Words,
    /// How many executions it runs at a time.
    pub slots: u32,
    /// Whether it is a server too.
    pub server: bool,
    /// The address that it advertises, `ip:port`.
    pub address: Arc<str>,
}

/// Whether a node lives, as last agreed.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Liveness {
    /// It is heard.
    #[default]
    Alive,
    /// It fell silent: the failure detector gave it up.
    Failed,
    /// It said that it goes.
    Left,
}

/// What an operator lets a node do. It outlives the node's failures, restarts and new journals.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Work {
    /// It is given work.
    #[default]
    Open,
    /// New work is kept from it.
    Cordoned,
    /// It is being emptied: no new work, and it is shown as drained once nothing of it is open.
    Draining,
}

/// A node as operators see it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct NodeView {
    /// Its id.
    pub id: NodeId,
    /// Its name.
    pub name: Arc<str>,
    /// The address that it advertises.
    pub address: Arc<str>,
    /// Whether it is a server too.
    pub server: bool,
    /// Whether it lives.
    pub liveness: Liveness,
    /// What it may do.
    pub work: Work,
    /// How many executions it runs at a time.
    pub slots: u32,
    /// How many it has.
    pub executions: u32,
}

impl Liveness {
    /// All in the order of their stable numbers.
    pub const ALL: [Liveness; 3] = [Liveness::Alive, Liveness::Failed, Liveness::Left];

    /// Whether the node is given up: nothing is sent to it, and nobody waits for it for ever.
    pub fn is_gone(self) -> bool {
        self != Liveness::Alive
    }

    /// The stable number of the wire and the disk.
    pub fn number(self) -> u8 {
        self as u8
    }

    /// The one with this number.
    pub fn from_number(number: u8) -> Option<Liveness> {
        Liveness::ALL.get(usize::from(number)).copied()
    }
}

impl Work {
    /// All in the order of their stable numbers.
    pub const ALL: [Work; 3] = [Work::Open, Work::Cordoned, Work::Draining];

    /// The stable number of the wire and the disk.
    pub fn number(self) -> u8 {
        self as u8
    }

    /// The one with this number.
    pub fn from_number(number: u8) -> Option<Work> {
        Work::ALL.get(usize::from(number)).copied()
    }
}

impl fmt::Display for Liveness {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Liveness::Alive => "alive",
            Liveness::Failed => "failed",
            Liveness::Left => "left",
        })
    }
}

impl fmt::Display for Work {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Work::Open => "open",
            Work::Cordoned => "cordoned",
            Work::Draining => "draining",
        })
    }
}
