//! A machine: its disk outlives its processes, a write on its way may or may not, and a lost disk is a new id.

use crate::message::Caller;
use crate::process::Process;
use dkron_core::bootstrap::{Promise, Stage};
use dkron_core::ids::{ClusterId, NodeId, Stamp};
use std::collections::{BTreeSet, VecDeque};

/// The log, as far as it matters here.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Log {
    pub(crate) stamp: Stamp,
    /// Its last entry; 1 is the first membership.
    pub(crate) index: u64,
    /// Whether it holds the founding, committed.
    pub(crate) founded: bool,
}

/// What outlives a process.
#[derive(Clone, Debug, Default)]
pub(crate) struct Disk {
    pub(crate) id: NodeId,
    pub(crate) promise: Option<Promise>,
    pub(crate) forsworn: BTreeSet<ClusterId>,
    pub(crate) log: Option<Log>,
}

impl Disk {
    pub(crate) fn stage(&self) -> Stage {
        match self.log {
            None => Stage::Empty,
            Some(log) if log.founded => Stage::Founded(log.stamp),
            Some(log) => Stage::Initialised(log.stamp),
        }
    }

    pub(crate) fn is_of(&self, cluster: ClusterId) -> bool {
        self.log.is_some_and(|log| log.stamp.cluster == cluster)
    }
}

/// What is being written.
#[derive(Clone, Debug)]
pub(crate) enum Write {
    /// A promise or none; then perhaps this caller is told that it is given.
    Promise(Option<Promise>, Option<Caller>),
    /// A cluster that is never to be served.
    Forswear(ClusterId),
    /// The first membership.
    Initialise(Promise),
}

/// A place where a server runs.
#[derive(Debug, Default)]
pub(crate) struct Machine {
    pub(crate) name: String,
    pub(crate) address: String,
    pub(crate) disk: Disk,
    pub(crate) process: Option<Process>,
    /// Processes so far.
    pub(crate) epoch: u64,
    pub(crate) writes: VecDeque<Write>,
    /// What its settings say, and what they should.
    pub(crate) expect: u32,
    pub(crate) meant: u32,
    /// Whether it runs as an agent.
    pub(crate) agent: bool,
    /// Since when it is up, or down.
    pub(crate) since: i64,
}

impl Machine {
    pub(crate) fn is_up(&self) -> bool {
        self.process.is_some()
    }
}
