//! Who belongs to the log's group, how well each follows, and the changes of it.
//!
//! What is published is a plain value of the core, which decides on it; the changes come from there, too.

use super::Consensus;
use super::error::Error;
use super::leadership::Leadership;
use super::machine::Machine;
use super::proposer::ANSWER_WAIT;
use super::type_config::{Peer, Server, ServerId, Types};
use crate::clock;
use crate::task::spawn;
use dkron_core::ids::NodeId;
use dkron_core::time::Span;
use dkron_core::voters::{Change, Member, Membership};
use openraft::async_runtime::WatchReceiver;
use openraft::error::{ClientWriteError, LinearizableReadError, RaftError};
use openraft::metrics::{RaftDataMetrics, RaftServerMetrics};
use openraft::{ChangeMembers, Instant as _, ReadPolicy};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// How often a leader tells anew how its followers do.
const REFRESH: Duration = Duration::from_millis(500);
/// How long a transfer may take until the leader falls silent, so that somebody is elected after all.
const TRANSFER_WAIT: Duration = Duration::from_secs(2);
/// How long a server that is to vote may take to answer a heartbeat, and how often that is looked for.
const HEARTBEAT_WAIT: Duration = Duration::from_secs(1);
const HEARTBEAT_LOOK: Duration = Duration::from_millis(20);
/// A target that was not heard for so long is not trusted with the leadership.
const TARGET_SILENCE: Span = Span::from_seconds(1);

/// Publishes the members until nobody looks any more.
pub(crate) async fn watch_members<M: Machine>(
    consensus: Consensus<M>,
    clock: super::Clock,
    members: watch::Sender<Arc<Membership>>,
) {
    let mut servers = consensus.server_metrics();
    let data = consensus.data_metrics();
    let mut looks = tokio::time::interval(REFRESH);
    looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let now = {
            let (servers, data) = (servers.borrow_watched(), data.borrow_watched());
            read(&servers, &data, &clock)
        };
        members.send_if_modified(|shown| {
            let changed = **shown != now;
            if changed {
                *shown = Arc::new(now);
            }
            changed
        });
        tokio::select! {
            changed = servers.changed() => if changed.is_err() { return },
            _ = looks.tick() => {}
        }
    }
}

fn read(
    servers: &RaftServerMetrics<Types>,
    data: &RaftDataMetrics<Types>,
    clock: &super::Clock,
) -> Membership {
    let stored = &servers.membership_config;
    let voters: BTreeSet<ServerId> = stored.voter_ids().collect();
    let last = data.last_log.map_or(0, |id| id.index + 1);
    let now = clock();
    let member = |(id, peer): (&ServerId, &Peer)| {
        let matched = data.replication.as_ref().and_then(|all| all.get(id).copied());
        let acked = data.heartbeat.as_ref().and_then(|all| all.get(id).copied().flatten());
        let heard = acked
            .map(|at| now - Span::from_nanos(i64::try_from(at.elapsed().as_nanos()).unwrap_or(i64::MAX)));
        let member = Member {
            name: peer.name.clone(),
            address: peer.address.clone(),
            voter: voters.contains(id),
            lag: matched.flatten().map(|matched| last.saturating_sub(matched.index + 1)),
            heard,
        };
        (id.0, member)
    };
    let changing = stored.log_id() != servers.committed_membership_config.log_id();
    Membership {
        leader: servers.current_leader.map_or(NodeId(0), |id| id.0),
        changing,
        unfinished: !changing && stored.membership().get_joint_config().len() > 1,
        members: stored.membership().nodes().map(member).collect(),
    }
}

/// Whether a member answers now: what is heard from this moment on counts, not that it was well a second ago. A
/// lone leader that lets a dead server vote would decide nothing any more.
async fn answers<M: Machine>(consensus: &Consensus<M>, id: NodeId) -> bool {
    let asked = clock::monotonic();
    let data = consensus.data_metrics();
    let mut looks = tokio::time::interval(HEARTBEAT_LOOK);
    let heard = async {
        loop {
            looks.tick().await;
            let acked =
                data.borrow_watched().heartbeat.as_ref().and_then(|all| all.get(&ServerId(id)).copied());
            if acked.flatten().is_some_and(|at| at.elapsed() < asked.elapsed()) {
                return;
            }
        }
    };
    tokio::time::timeout(HEARTBEAT_WAIT, heard).await.is_ok()
}

/// Carries out one change and waits until it is committed.
pub(crate) async fn change<M: Machine>(consensus: &Consensus<M>, change: Change) -> Result<(), Error> {
    if let Change::Promote(new) | Change::Replace { new, .. } = &change
        && !answers(consensus, *new).await
    {
        return Err(Error::Membership(format!("server {new} does not answer")));
    }
    let id = |id: NodeId| BTreeSet::from([ServerId(id)]);
    let (changes, retain) = match change {
        Change::AddLearner { id, name, address } => {
            (ChangeMembers::AddNodes([(ServerId(id), Peer { name, address })].into()), true)
        }
        Change::Promote(promoted) => (ChangeMembers::AddVoterIds(id(promoted)), true),
        Change::Demote(demoted) => (ChangeMembers::RemoveVoters(id(demoted)), true),
        Change::Remove(removed) if is_voter(consensus, removed) => {
            (ChangeMembers::RemoveVoters(id(removed)), false)
        }
        Change::Remove(removed) => (ChangeMembers::RemoveNodes(id(removed)), false),
        Change::Replace { old, new } => {
            let both = vec![ChangeMembers::AddVoterIds(id(new)), ChangeMembers::RemoveVoters(id(old))];
            (ChangeMembers::Batch(both), false)
        }
        Change::UpdateAddress { id, address } => {
            let metrics = consensus.server_metrics();
            let known =
                metrics.borrow_watched().membership_config.membership().get_node(&ServerId(id)).cloned();
            let Some(known) = known else {
                return Err(Error::Membership(format!("server {id} is no member")));
            };
            (ChangeMembers::SetNodes([(ServerId(id), Peer { address, ..known })].into()), true)
        }
        // A change takes two entries: the old voters and the new ones together, then the new ones alone. The
        // second is written by whoever wrote the first, if it still lives and leads then.
        Change::Finish => (ChangeMembers::AddVoterIds(BTreeSet::new()), true),
        Change::HandOver { to } => {
            return Err(Error::NoTransfer { to, why: "that is no change of the members" });
        }
    };
    commit(consensus, changes, retain).await
}

/// Makes exactly these, which are all members, the voters; the others stay as learners.
pub(crate) async fn change_voters<M: Machine>(
    consensus: &Consensus<M>,
    voters: BTreeSet<NodeId>,
) -> Result<(), Error> {
    let voters = voters.into_iter().map(ServerId).collect();
    commit(consensus, ChangeMembers::ReplaceAllVoters(voters), true).await
}

fn is_voter<M: Machine>(consensus: &Consensus<M>, id: NodeId) -> bool {
    let metrics = consensus.server_metrics();
    metrics.borrow_watched().membership_config.voter_ids().any(|voter| voter.0 == id)
}

async fn commit<M: Machine>(
    consensus: &Consensus<M>,
    changes: ChangeMembers<ServerId, Peer>,
    retain: bool,
) -> Result<(), Error> {
    let changing = consensus.change_membership(changes, retain);
    match tokio::time::timeout(ANSWER_WAIT, changing).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(RaftError::APIError(ClientWriteError::ForwardToLeader(to)))) => {
            Err(Error::NotLeader { leader: to.leader_id.zip(to.leader_node).map(server) })
        }
        Ok(Err(RaftError::APIError(ClientWriteError::ChangeMembershipError(error)))) => {
            Err(Error::Membership(error.to_string()))
        }
        Ok(Err(RaftError::APIError(_))) | Err(_) => Err(Error::Unknown),
        Ok(Err(RaftError::Fatal(_))) => Err(Error::Stopped),
    }
}

fn server((id, peer): (ServerId, Peer)) -> Server {
    Server { id: id.0, peer }
}

/// The index up to which everything counts that was committed before this was asked: a quorum confirmed after
/// that, within `limit`, that this server leads.
pub(crate) async fn confirm<M: Machine>(consensus: &Consensus<M>, limit: Duration) -> Result<u64, Error> {
    let option = openraft::LinearizerOption::from(ReadPolicy::ReadIndex).with_wait_timeout(limit);
    match consensus.get_read_linearizer(option).await {
        Ok(linearizer) => Ok(linearizer.read_log_id().index()),
        Err(RaftError::APIError(LinearizableReadError::ForwardToLeader(to))) => {
            Err(Error::NotLeader { leader: to.leader_id.zip(to.leader_node).map(server) })
        }
        Err(RaftError::APIError(LinearizableReadError::QuorumNotEnough(_))) => Err(Error::NoQuorum),
        Err(RaftError::Fatal(_)) => Err(Error::Stopped),
    }
}

/// Hands the leadership over and waits until it is gone. A leader that began takes no commands any more, so a
/// transfer that fails must still end its leadership: it falls silent until somebody is elected.
pub(crate) async fn transfer<M: Machine>(
    consensus: Consensus<M>,
    members: Arc<Membership>,
    leadership: watch::Receiver<Leadership>,
    now: dkron_core::time::Time,
    to: NodeId,
) -> Result<(), Error> {
    let Some(leading) = leadership.borrow().leading else {
        return Err(Error::NotLeader { leader: leadership.borrow().leader.clone() });
    };
    let refused = |why| Err(Error::NoTransfer { to, why });
    match members.members.get(&to) {
        None => return refused("it is no member"),
        Some(member) if !member.voter => return refused("it does not vote"),
        Some(_) if to == members.leader => return refused("it leads already"),
        Some(member) if member.heard.is_none_or(|heard| now - heard > TARGET_SILENCE) => {
            return refused("it was not heard within the last second");
        }
        Some(_) => {}
    }
    // Goes on if the caller does not wait: half a transfer is the one thing that must not be.
    let transfer = spawn("raft transfer", async move {
        let mut leadership = leadership;
        let gone = move |shown: &Leadership| shown.leading != Some(leading);
        consensus.trigger().transfer_leader(ServerId(to)).await.map_err(|_| Error::Stopped)?;
        if tokio::time::timeout(TRANSFER_WAIT, leadership.wait_for(gone)).await.is_err() {
            tracing::warn!(%to, "the leadership was not taken over: falling silent until somebody is elected");
            consensus.runtime_config().heartbeat(false);
            drop(leadership.wait_for(gone).await);
            consensus.runtime_config().heartbeat(true);
        }
        let elected = |shown: &Leadership| shown.leader.is_some();
        let now = tokio::time::timeout(ANSWER_WAIT, leadership.wait_for(elected)).await;
        match now {
            Ok(Ok(shown)) if shown.leader.as_ref().is_some_and(|leader| leader.id == to) => Ok(()),
            Ok(Ok(_)) => Err(Error::NoTransfer { to, why: "another server was elected" }),
            Ok(Err(_)) => Err(Error::Stopped),
            Err(_) => Err(Error::NoTransfer { to, why: "nobody is elected yet" }),
        }
    });
    transfer.await.unwrap_or(Err(Error::Stopped))
}
