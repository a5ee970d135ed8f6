//! How well the servers are: what the API, the command line and an alert show.

use super::watch::{is_alive, is_heard, is_well};
use super::{Membership, Situation, Watch, Wish, quorum};
use crate::format::Formats;
use crate::ids::NodeId;
use crate::roster::Roster;
use crate::time::{Span, Time};
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The cluster.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Health {
    /// Whether all members are well.
    pub healthy: bool,
    /// How many voters decide.
    pub quorum_size: usize,
    /// How many of the well voters may be lost before nothing is decided any more.
    pub failure_tolerance: usize,
    /// The log format in force.
    pub format: u8,
    /// Each member, by id.
    pub servers: Vec<ServerHealth>,
}

/// One member.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Peer {
    /// Its id.
    pub id: NodeId,
    /// Its name.
    pub name: Arc<str>,
    /// Where it takes calls, `host:port`.
    pub address: Arc<str>,
    /// Whether it votes.
    pub voter: bool,
    /// Whether it leads.
    pub leader: bool,
    /// What a person wished of it.
    pub wish: Option<Wish>,
}

/// How one member does.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ServerHealth {
    /// Who.
    pub peer: Peer,
    /// Entries behind the leader.
    pub lag: Option<u64>,
    /// When it last answered the leader.
    pub heard: Option<Time>,
    /// Well without a break since.
    pub well_since: Option<Time>,
    /// How far its clock is ahead of the leader's, as last heard.
    pub clock_ahead: Option<Span>,
    /// The version of its program, empty if it was not seen yet.
    pub version: Arc<str>,
    /// The log formats that it reads and writes; none if it was not seen yet.
    pub formats: Option<Formats>,
    /// What is wrong with it; empty if it is well.
    pub complaints: Vec<Complaint>,
}

/// What may be wrong with a member.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Complaint {
    /// Gossip does not see it live.
    NotAlive,
    /// It did not answer the leader of late.
    Unheard,
    /// It lags too far behind.
    Lagging,
}

impl Health {
    /// As the leader sees it.
    pub fn of(situation: &Situation, watch: &Watch, now: Time) -> Health {
        let members = &situation.membership.members;
        let servers: Vec<ServerHealth> =
            members.keys().map(|id| server(situation, watch, *id, now)).collect();
        let well_voters =
            servers.iter().filter(|server| server.peer.voter && server.complaints.is_empty()).count();
        let quorum_size = quorum(servers.iter().filter(|server| server.peer.voter).count());
        Health {
            healthy: servers.iter().all(|server| server.complaints.is_empty()),
            quorum_size,
            failure_tolerance: well_voters.saturating_sub(quorum_size),
            format: situation.format,
            servers,
        }
    }

    /// The members that keep the format from being raised to what others read already.
    pub fn holding_back(&self) -> impl Iterator<Item = &ServerHealth> {
        let last = |server: &ServerHealth| server.formats.map_or(self.format, |formats| formats.last);
        let possible = self.servers.iter().map(last).max().unwrap_or(self.format);
        self.servers.iter().filter(move |server| last(server) < possible)
    }
}

/// The members, each with what is wished of it, as any of them knows them.
pub fn peers(membership: &Membership, roster: &Roster, wishes: &BTreeMap<NodeId, Wish>) -> Vec<Peer> {
    let peer = |id: &NodeId| peer(*id, membership, roster, wishes);
    membership.members.keys().map(peer).collect()
}

fn peer(id: NodeId, membership: &Membership, roster: &Roster, wishes: &BTreeMap<NodeId, Wish>) -> Peer {
    let member = membership.members.get(&id).cloned().unwrap_or_default();
    let (name, address) = match roster.server(id) {
        Some(server) => (server.name.clone(), server.calls.clone()),
        None => (member.name, member.address),
    };
    let leader = id == membership.leader;
    Peer { id, name, address, voter: member.voter, leader, wish: wishes.get(&id).copied() }
}

/// Whom a leader that goes hands over to: the voter that lags least, and of equal ones was heard last.
pub fn heir(membership: &Membership, wishes: &BTreeMap<NodeId, Wish>) -> Option<NodeId> {
    let stays = |id: &NodeId| !matches!(wishes.get(id), Some(Wish::Demote | Wish::Remove));
    let others = membership.members.iter().filter(|(id, member)| **id != membership.leader && member.voter);
    let heirs = others.filter(|(id, _)| stays(id));
    let heirs = heirs.filter_map(|(id, member)| Some((member.lag?, Reverse(member.heard?), *id)));
    heirs.min().map(|(_, _, id)| id)
}

fn server(situation: &Situation, watch: &Watch, id: NodeId, now: Time) -> ServerHealth {
    let member = situation.membership.members.get(&id);
    let seen = situation.roster.server(id);
    let mut complaints = Vec::new();
    if !is_alive(situation, id) {
        complaints.push(Complaint::NotAlive);
    }
    if !is_heard(situation, id, now) {
        complaints.push(Complaint::Unheard);
    }
    if complaints.is_empty() && !is_well(situation, id, now) {
        complaints.push(Complaint::Lagging);
    }
    ServerHealth {
        peer: peer(id, situation.membership, situation.roster, situation.wishes),
        lag: member.and_then(|member| member.lag),
        heard: member.and_then(|member| member.heard),
        well_since: watch.well_since(id),
        clock_ahead: None,
        version: seen.map(|server| server.version.clone()).unwrap_or_default(),
        formats: seen.map(|server| server.formats),
        complaints,
    }
}
