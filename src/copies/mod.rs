//! What servers give one another of their histories.
//!
//! - Does: brings an output to a quorum's disks before its outcome counts; finds an output that is not here; pulls the
//!   rows that a server lacks which began with a snapshot.
//! - Owns: nothing but handles.
//! - Never: decides what is kept (each history does); gives anything of a server in quarantine.
//! - Fails: an output that does not reach a quorum in time stays with those who have it, and is shown as cut
//!   elsewhere; rows that nobody has are noted as lost.
//!
//! Reading order: `service` (what peers ask), `calls` (what is asked of them), `pull`.

mod calls;
mod pull;
mod service;

pub use pull::Part;
pub use service::CopiesService;

use crate::history::{self, History, Output};
use crate::net::{Channels, Dialer};
use crate::raft::Raft;
use dkron_core::apply::Ledger;
use dkron_core::ids::{ExecutionId, NodeId};
use dkron_core::roster::Roster;
use dkron_core::voters::{Membership, quorum};
use dkron_wire::copies as wire;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// How long an output may take to a quorum's disks; its outcome waits for it.
const KEEP_WAIT: Duration = Duration::from_secs(2);

/// The way to the other histories. Cheap to clone.
#[derive(Clone)]
pub struct Copies {
    raft: Raft<Ledger>,
    history: History,
    roster: watch::Receiver<Arc<Roster>>,
    channels: Channels,
}

impl Copies {
    /// Between this history and those of the members.
    pub fn new(
        raft: Raft<Ledger>,
        history: History,
        roster: watch::Receiver<Arc<Roster>>,
        dialer: Dialer,
    ) -> Copies {
        Copies { raft, history, roster, channels: Channels::new(dialer) }
    }

    /// Brings an output to this disk and to those of a quorum of the voters, the latter for a bounded time.
    ///
    /// # Errors
    /// If this server's own disk does not take it.
    pub async fn keep(&self, id: ExecutionId, bytes: Vec<u8>, cut: bool) -> history::Result<()> {
        let membership = self.raft.members().borrow().clone();
        let needed = quorum(membership.voters().len()).saturating_sub(1);
        let peers = self.peers(&membership).into_iter().filter(|peer| membership.members[peer].voter);
        let output = wire::Output { id, bytes: bytes.clone().into(), cut };
        let mut puts: FuturesUnordered<_> = peers.map(|peer| self.put(peer, &output)).collect();
        let elsewhere = async {
            let mut kept = 0;
            while kept < needed {
                match puts.next().await {
                    Some(true) => kept += 1,
                    Some(false) => {}
                    None => break,
                }
            }
            kept
        };
        let bounded = tokio::time::timeout(KEEP_WAIT, elsewhere);
        let (own, kept) = tokio::join!(self.history.put_output(id, bytes, cut), bounded);
        own?;
        if kept.is_err() || kept.is_ok_and(|kept| kept < needed) {
            tracing::warn!(execution = %id, "an output is not on the disks of a quorum: it may be cut if this server is lost");
        }
        Ok(())
    }

    /// An output, from here or from any member that has it; then it is here, too.
    ///
    /// # Errors
    /// If this disk cannot be read.
    pub async fn output(&self, id: ExecutionId) -> history::Result<Option<Output>> {
        let history = self.history.clone();
        let own = crate::task::blocking("history output", move || history.output(id)).await;
        if let Some(own) = own.map_err(|_| history::Error::Stopped)?? {
            return Ok(Some(own));
        }
        let membership = self.raft.members().borrow().clone();
        let asked = self.peers(&membership).into_iter().map(|peer| self.find(peer, id));
        let mut asked: FuturesUnordered<_> = asked.collect();
        while let Some(found) = asked.next().await {
            let Ok(Some(wire::Output { bytes, cut, .. })) = found else { continue };
            let bytes = bytes.to_vec();
            if let Err(error) = self.history.put_output(id, bytes.clone(), cut).await {
                tracing::warn!(execution = %id, %error, "an output from a peer is not kept here");
            }
            return Ok(Some(Output { bytes, cut }));
        }
        Ok(None)
    }

    /// The other members whose state is right, the leader first.
    fn peers(&self, membership: &Membership) -> Vec<NodeId> {
        let own = self.raft.identity().server;
        let differing = self.raft.differing().borrow().clone();
        let others = membership.members.keys().copied().filter(|id| *id != own && !differing.contains(id));
        let mut peers: Vec<NodeId> = others.collect();
        peers.sort_by_key(|id| *id != membership.leader);
        peers
    }
}
