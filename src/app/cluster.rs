//! The cluster: its nodes, its leader, whether it takes submissions and decides ticks.

use super::{App, Error};
use crate::raft::{Leadership, Server};
use dkron_core::command::Action;
use dkron_core::format::Formats;
use dkron_core::ids::NodeId;
use dkron_core::job::Words;
use dkron_core::node::Liveness;
use dkron_core::roster::{Roster, Sighting};
use dkron_core::state::State;
use dkron_core::state::record::NodeRecord;
use dkron_core::time::Time;
use dkron_core::voters;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// How long nothing may be heard of a leader that is still named: as long as the slowest election.
const LEADER_SILENCE_MAX: Duration = Duration::from_secs(3);

/// How a server is.
#[derive(Clone, Debug)]
pub struct Health {
    /// The last entry that it applied.
    pub applied: u64,
    /// How many jobs there are.
    pub jobs: usize,
    /// How many ticks are due and not decided, by job.
    pub replanned: usize,
    /// Since when ticks are held.
    pub held_since: Option<Time>,
    /// The state's digest.
    pub digest: u128,
}

/// A node as clients see it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Member {
    /// Its id.
    pub id: NodeId,
    /// Its label.
    pub name: Arc<str>,
    /// What it advertises, `host:port`.
    pub address: Arc<str>,
    /// All its tags.
    pub tags: Words,
    /// Whether it lives: a server by gossip, an agent by its streams.
    pub liveness: Liveness,
    /// Of a server: the log formats that it reads and writes.
    pub formats: Option<Formats>,
}

impl Member {
    fn of_record(record: &NodeRecord) -> Member {
        let registration = &record.registration;
        Member {
            id: registration.node,
            name: registration.name.clone(),
            address: registration.address.clone(),
            tags: registration.tags.clone(),
            liveness: record.liveness,
            formats: None,
        }
    }

    fn of_server(sighting: &Sighting) -> Member {
        let server = &sighting.server;
        Member {
            id: server.id,
            name: server.name.clone(),
            address: server.gossip.clone(),
            tags: server.tags.clone(),
            liveness: sighting.liveness,
            formats: Some(server.formats),
        }
    }
}

/// Servers as gossip sees them, other nodes, and servers that became agents, as the state has them, by name. Of a name's owners the one that
/// lives is shown, else any.
pub fn members(roster: &Roster, state: &State) -> Vec<Member> {
    let servers = roster.servers.values().map(Member::of_server);
    let is_other = |record: &NodeRecord| {
        let seen = roster.servers.get(&record.registration.node);
        let is_agent_now = !record.registration.server && record.liveness == Liveness::Alive;
        seen.is_none_or(|sighting| is_agent_now && sighting.liveness != Liveness::Alive)
    };
    let others = state.nodes().filter(|(_, record)| is_other(record));
    let others = others.map(|(_, record)| Member::of_record(record));
    let mut shown: BTreeMap<Arc<str>, Member> = BTreeMap::new();
    for member in servers.chain(others) {
        let lives = member.liveness == Liveness::Alive;
        // Gossip knows sooner than the state: a server that lost its disk is not its own predecessor.
        let known = shown.get(&member.name).map(|known| known.liveness);
        if known.is_none() || (lives && known != Some(Liveness::Alive)) {
            shown.insert(member.name.clone(), member);
        }
    }
    shown.into_values().collect()
}

impl App {
    /// All nodes that are known, by name.
    pub async fn members(&self) -> Result<Vec<Member>, Error> {
        let view = self.view().await?;
        let roster = self.way.roster.borrow().clone();
        Ok(members(&roster, &view.state))
    }

    /// The leader, as far as this server knows it.
    pub async fn leader(&self) -> Result<Option<Member>, Error> {
        let Some(leader) = self.led_by() else { return Ok(None) };
        Ok(self.members().await?.into_iter().find(|member| member.id == leader.id))
    }

    /// Whether this server leads, and a quorum follows it.
    pub fn is_leader(&self) -> bool {
        self.leadership().leading.is_some() && self.led_by().is_some()
    }

    /// This server's id.
    pub fn server(&self) -> NodeId {
        self.raft.identity().server
    }

    /// The leader, unless nothing was heard of it, or of its followers, for too long: a server without a quorum
    /// cannot elect another and would name the last one for ever.
    pub(super) fn led_by(&self) -> Option<Server> {
        let leader = self.leadership().leader?;
        self.raft.silence().is_some_and(|silence| silence < LEADER_SILENCE_MAX).then_some(leader)
    }

    pub(super) fn leadership(&self) -> Leadership {
        self.raft.leader().borrow().clone()
    }

    /// Whether job submissions are refused.
    pub async fn is_paused(&self) -> Result<bool, Error> {
        Ok(self.view().await?.state.is_paused())
    }

    /// Refuses or takes job submissions, on all servers.
    pub async fn pause(&self, paused: bool) -> Result<(), Error> {
        self.change(Action::Pause(paused)).await
    }

    /// How this server is.
    pub async fn health(&self) -> Result<Health, Error> {
        let view = self.view().await?;
        let state = &view.state;
        Ok(Health {
            applied: state.applied(),
            jobs: state.job_count(),
            replanned: state.to_replan().count(),
            held_since: state.held_since(),
            digest: state.digest(),
        })
    }

    /// Why this server is not ready: it takes no writes, shows nothing, or not what is true now.
    pub async fn obstacles(&self) -> Vec<String> {
        let mut obstacles = Vec::new();
        if let Some(reason) = &*self.raft.quarantine().borrow() {
            obstacles.push(reason.to_string());
        }
        obstacles.extend(voters::gap(&self.way.roster.borrow()).map(|gap| gap.to_string()));
        if self.led_by().is_none() {
            obstacles.push(format!("no leader is known, writes and ticks wait: {}", self.missing()));
        } else if self.basis().is_stale() {
            obstacles.push(self.behind());
        }
        if let Some(entries) = self.history_lag().await {
            obstacles.push(format!(
                "the history is {entries} entries behind: its disk takes no writes, or rows are pulled from a peer"
            ));
        }
        obstacles
    }

    /// What an operator should know of others, as this server sees it when it leads.
    pub fn remarks(&self) -> Vec<String> {
        let roster = self.way.roster.borrow().clone();
        let name =
            |id: &NodeId| roster.server(*id).map_or_else(|| id.to_string(), |seen| seen.name.to_string());
        let differing = self.raft.differing().borrow().clone();
        let remark = |id: &NodeId| {
            format!(
                "server {} is in quarantine, its state differs from that of most: wipe it and let it rejoin",
                name(id)
            )
        };
        differing.iter().map(remark).collect()
    }

    /// The log format in force, as far as this server knows.
    pub fn format(&self) -> u8 {
        self.raft.format()
    }
}

/// How many of the members failed, and how many left.
pub fn gone(members: &[Member]) -> (u64, u64) {
    let count = |liveness| members.iter().filter(|member| member.liveness == liveness).count() as u64;
    (count(Liveness::Failed), count(Liveness::Left))
}

#[cfg(test)]
mod tests {
    use super::*;
    use dkron_core::roster::Announcement;

    fn sighting(id: u128, name: &str, liveness: Liveness) -> (NodeId, Sighting) {
        let server = Announcement { id: NodeId(id), name: name.into(), ..Announcement::default() };
        (NodeId(id), Sighting { server: server.into(), liveness })
    }

    #[test]
    fn servers_are_shown_as_gossip_sees_them_and_each_name_once() {
        let servers = [
            sighting(1, "one", Liveness::Failed),
            sighting(2, "two", Liveness::Alive),
            sighting(3, "two", Liveness::Failed),
        ];
        let roster = Roster { own: NodeId(2), servers: servers.into() };
        let shown = members(&roster, &State::default());
        let shown: Vec<_> = shown.into_iter().map(|member| (member.id.0, member.liveness)).collect();
        assert_eq!(shown, [(1, Liveness::Failed), (2, Liveness::Alive)]);
    }
}
