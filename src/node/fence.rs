//! What a server must not outlive: a second process of its own id, the recovery of its cluster from another server's
//! disk, and a log format that it does not read.

use super::NodeError;
use crate::gossip::{self, Gossip, Standing};
use dkron_core::ids::Stamp;
use dkron_core::roster::{Announcement, Roster};
use dkron_core::voters::gap;
use std::sync::Arc;
use tokio::sync::watch;

/// Completes when another process of this server's id turns out to have come first.
pub(super) async fn doubled(gossip: &Gossip) -> NodeError {
    let mut standing = gossip.standing();
    let second = standing.wait_for(|standing| matches!(standing, Standing::Second(_))).await;
    match second.as_deref() {
        Ok(Standing::Second(other)) => gossip::Error::SecondOfOneId {
            id: other.id,
            name: other.name.clone(),
            address: other.gossip.clone(),
        }
        .into(),
        _ => NodeError::Broken("gossip"),
    }
}

/// Completes when a living server of a later incarnation of the own cluster is seen: this one's data are of before
/// the recovery, and nothing that is decided by them counts.
pub(super) async fn left_behind(mut roster: watch::Receiver<Arc<Roster>>, own: Option<Stamp>) -> NodeError {
    let Some(own) = own else { return std::future::pending().await };
    let seen = roster.wait_for(|roster| recovered(roster, own).is_some()).await;
    match seen.as_deref().ok().and_then(|roster| recovered(roster, own)) {
        Some(other) => NodeError::LeftBehind {
            own,
            incarnation: other.stamp.map_or(own.incarnation, |stamp| stamp.incarnation),
            name: other.name.clone(),
            address: other.gossip.clone(),
        },
        None => NodeError::Broken("gossip"),
    }
}

/// Completes when the cluster that this server belongs to, or is about to join, writes a newer log format than this
/// build reads. That never goes back, so waiting would be of no use.
pub(super) async fn outgrown(mut roster: watch::Receiver<Arc<Roster>>) -> NodeError {
    let is_final = |roster: &Arc<Roster>| gap(roster).is_some_and(|gap| gap.is_final());
    let seen = roster.wait_for(is_final).await;
    match seen.as_deref().ok().and_then(|roster| gap(roster)) {
        Some(gap) => NodeError::Outgrown(gap),
        None => NodeError::Broken("gossip"),
    }
}

/// Tells, as long as it is true, that the cluster writes an older log format than this build reads; it may be raised.
pub(super) async fn tell_gap(mut roster: watch::Receiver<Arc<Roster>>) {
    let mut told = None;
    loop {
        let found = gap(&roster.borrow_and_update()).filter(|gap| !gap.is_final());
        if let Some(gap) = found.as_ref().filter(|_| found != told) {
            tracing::warn!("this server cannot be taken in yet: {gap}");
        }
        told = found;
        if roster.changed().await.is_err() {
            return;
        }
    }
}

fn recovered(roster: &Roster, own: Stamp) -> Option<&Announcement> {
    let is_later = |stamp: Stamp| stamp.cluster == own.cluster && stamp.incarnation > own.incarnation;
    roster.alive().find(|server| server.stamp.is_some_and(is_later))
}

#[cfg(test)]
mod tests {
    use super::*;
    use dkron_core::ids::{ClusterId, Incarnation, NodeId};
    use dkron_core::node::Liveness;
    use dkron_core::roster::Sighting;

    fn stamp(cluster: u128, incarnation: u32) -> Stamp {
        Stamp { cluster: ClusterId(cluster), incarnation: Incarnation(incarnation) }
    }

    fn roster(stamp: Stamp, liveness: Liveness) -> Arc<Roster> {
        let server = Announcement { id: NodeId(2), stamp: Some(stamp), ..Announcement::default() };
        let servers = [(NodeId(2), Sighting { server: server.into(), liveness })];
        Arc::new(Roster { own: NodeId(1), servers: servers.into() })
    }

    #[test]
    fn only_a_living_server_of_a_later_life_of_the_same_cluster_leaves_one_behind() {
        let own = stamp(1, 3);
        let leaves_behind = |stamp, liveness| recovered(&roster(stamp, liveness), own).is_some();
        assert!(leaves_behind(stamp(1, 4), Liveness::Alive));
        assert!(!leaves_behind(stamp(1, 4), Liveness::Failed), "an old sighting");
        assert!(!leaves_behind(stamp(1, 3), Liveness::Alive), "a peer");
        assert!(!leaves_behind(stamp(1, 2), Liveness::Alive), "it is the one that is left behind");
        assert!(!leaves_behind(stamp(2, 9), Liveness::Alive), "another cluster");
    }
}
