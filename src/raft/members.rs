//! Who belongs to the log's group, how well each follows, and the changes of it.
//!
//! What is published is a plain value of the core, which decides on it; the changes come from there, too.

use super::Consensus;
use super::error::Error;
use super::leadership::Leadership;
use super::machine::Machine;
use super::proposer::ANSWER_WAIT;
use super::type_config::{Membership as Group, Peer, Server, ServerId, StoredMembership, Types};
use crate::clock;
use crate::task::spawn;
use dkron_core::ids::NodeId;
use dkron_core::time::Span;
use dkron_core::voters::{Change, Member, Membership};
use openraft::async_runtime::WatchReceiver;
use openraft::error::{ClientWriteError, LinearizableReadError, RaftError};
use openraft::metrics::{RaftDataMetrics, RaftServerMetrics};
use openraft::raft::ClientWriteResponse;
use openraft::{ChangeMembers, EntryPayload, Instant as _, Precondition, ReadPolicy};
use std::collections::{BTreeMap, BTreeSet};
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
    match change {
        Change::AddLearner { id, name, address } => {
            commit(consensus, ChangeMembers::AddNodes([(ServerId(id), Peer { name, address })].into()), true)
                .await
        }
        Change::Promote(promoted) => step(consensus, |voters, _| voters.extend([ServerId(promoted)])).await,
        Change::Demote(demoted) => step(consensus, |voters, _| voters.retain(|id| id.0 != demoted)).await,
        Change::Remove(removed) => {
            let edit = |voters: &mut BTreeSet<ServerId>, nodes: &mut BTreeMap<ServerId, Peer>| {
                voters.retain(|id| id.0 != removed);
                nodes.retain(|id, _| id.0 != removed);
            };
            step(consensus, edit).await
        }
        Change::Replace { old, new } => {
            let id = |id: NodeId| BTreeSet::from([ServerId(id)]);
            let both = vec![ChangeMembers::AddVoterIds(id(new)), ChangeMembers::RemoveVoters(id(old))];
            commit(consensus, ChangeMembers::Batch(both), false).await
        }
        Change::UpdateAddress { id, address } => {
            let known = stored(consensus).membership().get_node(&ServerId(id)).cloned();
            let Some(known) = known else {
                return Err(Error::Membership(format!("server {id} is no member")));
            };
            let node = Peer { address, ..known };
            commit(consensus, ChangeMembers::SetNodes([(ServerId(id), node)].into()), true).await
        }
        // Of a change in two entries (old voters and new ones together, then the new ones alone) the second is
        // written by whoever wrote the first, if it still lives and leads then.
        Change::Finish => commit(consensus, ChangeMembers::AddVoterIds(BTreeSet::new()), true).await,
        Change::HandOver { to } => Err(Error::NoTransfer { to, why: "that is no change of the members" }),
    }
}

fn stored<M: Machine>(consensus: &Consensus<M>) -> Arc<StoredMembership> {
    let metrics = consensus.server_metrics();
    metrics.borrow_watched().membership_config.clone()
}

/// One voter more or less, in one entry: any two quorums before and after it have a server in common, so that no
/// stretch is needed in which both must agree. A server that fails in the midst of such a stretch would stop a
/// cluster that has a quorum without it.
async fn step<M: Machine>(
    consensus: &Consensus<M>,
    edit: impl FnOnce(&mut BTreeSet<ServerId>, &mut BTreeMap<ServerId, Peer>),
) -> Result<(), Error> {
    let wrong = |error: &dyn std::fmt::Display| Error::Membership(error.to_string());
    let known = stored(consensus);
    let [voters] = &known.membership().get_joint_config()[..] else {
        return Err(wrong(&"another change is not finished"));
    };
    let mut voters = voters.clone();
    let mut nodes = known.membership().nodes().map(|(id, peer)| (*id, peer.clone())).collect();
    edit(&mut voters, &mut nodes);
    let membership = Group::new(vec![voters], nodes).map_err(|error| wrong(&error))?;
    let seen = Precondition::LastMembershipLogId { last_membership_log_id: *known.log_id() };
    done(consensus.append_membership(membership, EntryPayload::Blank, [seen])).await
}

/// Makes exactly these, which are all members, the voters; the others stay as learners.
pub(crate) async fn change_voters<M: Machine>(
    consensus: &Consensus<M>,
    voters: BTreeSet<NodeId>,
) -> Result<(), Error> {
    let voters = voters.into_iter().map(ServerId).collect();
    commit(consensus, ChangeMembers::ReplaceAllVoters(voters), true).await
}

async fn commit<M: Machine>(
    consensus: &Consensus<M>,
    changes: ChangeMembers<ServerId, Peer>,
    retain: bool,
) -> Result<(), Error> {
    done(consensus.change_membership(changes, retain)).await
}

/// Waits until a change is committed, but not for ever.
async fn done(
    changing: impl Future<Output = Result<ClientWriteResponse<Types>, RaftError<Types, ClientWriteError<Types>>>>,
) -> Result<(), Error> {
    match tokio::time::timeout(ANSWER_WAIT, changing).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(RaftError::APIError(ClientWriteError::ForwardToLeader(to)))) => {
            Err(Error::NotLeader { leader: to.leader_id.zip(to.leader_node).map(server) })
        }
        Ok(Err(RaftError::APIError(ClientWriteError::ChangeMembershipError(error)))) => {
            Err(Error::Membership(error.to_string()))
        }
        Ok(Err(RaftError::APIError(ClientWriteError::PreconditionFailed(error)))) => {
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
