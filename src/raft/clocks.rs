//! What the peers' clocks show, as heartbeats tell, and what to go by.
//!
//! Only a leader sends heartbeats, so only a leader knows; what it knew is good for a while after it lost the
//! leadership, because it is held against the boot clock.

use super::Raft;
use super::machine::Machine;
use crate::clock;
use dkron_core::clocks::{Clocks, Own, Standing};
use dkron_core::ids::NodeId;
use dkron_core::jump::{Reading, Verdict};
use dkron_core::time::{Span, Time};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The clocks of the peers, shared by all connections.
#[derive(Clone, Default)]
pub(crate) struct PeerClocks(Arc<Mutex<Clocks>>);

impl PeerClocks {
    /// Takes in what a peer's clock showed, between two readings of the own boot clock.
    pub(crate) fn heard(&self, peer: NodeId, shown: Time, between: (Span, Span)) {
        self.lock().heard(peer, shown, between);
    }

    fn lock(&self) -> MutexGuard<'_, Clocks> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<M: Machine> Raft<M> {
    /// The time to go by while this server leads, and whether to decide by it: held against the boot clock and
    /// against the clocks of the other voters. What is stamped from now on goes by the same.
    pub fn time(&self) -> Reading {
        let standing = self.clock_standing();
        clock::correct(match standing {
            Standing::Apart { time, .. } => Some(time),
            Standing::Unknown | Standing::InStep => None,
        });
        let reading = clock::guarded();
        match standing {
            Standing::Unknown if reading.verdict == Verdict::Steady => {
                Reading { verdict: Verdict::Unknown, ..reading }
            }
            _ => reading,
        }
    }

    /// How far the clock of each peer is ahead of this server's, as last heard; empty where this server never led.
    pub fn clock_offsets(&self) -> BTreeMap<NodeId, Span> {
        self.inner.clocks.lock().offsets(self.own_clock())
    }

    fn clock_standing(&self) -> Standing {
        let members = self.inner.members.borrow().clone();
        let voters: Vec<NodeId> =
            members.members.iter().filter(|(_, member)| member.voter).map(|(id, _)| *id).collect();
        self.inner.clocks.lock().standing(self.own_clock(), &voters)
    }

    fn own_clock(&self) -> Own {
        Own { id: self.identity().server, wall: clock::wall(), boot: clock::boot() }
    }
}
