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

/// Whether a node may be given work.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Mark {
    /// It may.
    #[default]
    Alive,
    /// The failure detector gave it up.
    Failed,
    /// It said that it leaves.
    Left,
    /// An operator keeps new work from it.
    Cordoned,
    /// An operator empties it.
    Draining,
}

impl Mark {
    /// All marks in the order of their stable numbers.
    pub const ALL: [Mark; 5] = [Mark::Alive, Mark::Failed, Mark::Left, Mark::Cordoned, Mark::Draining];

    /// Whether the node is given up: nothing is sent to it, and nobody waits for it for ever.
    pub fn is_gone(self) -> bool {
        matches!(self, Mark::Failed | Mark::Left)
    }

    /// The stable number of the wire and the disk.
    pub fn number(self) -> u8 {
        self as u8
    }

    /// The mark with this number.
    pub fn from_number(number: u8) -> Option<Mark> {
        Mark::ALL.get(usize::from(number)).copied()
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Mark::Alive => "alive",
            Mark::Failed => "failed",
            Mark::Left => "left",
            Mark::Cordoned => "cordoned",
            Mark::Draining => "draining",
        })
    }
}
