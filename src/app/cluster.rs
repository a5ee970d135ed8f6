//! The cluster: its nodes, its leader, whether it takes submissions and decides ticks.

use super::{App, Error};
use crate::raft::Leadership;
use dkron_core::command::Action;
use dkron_core::ids::NodeId;
use dkron_core::node::Liveness;
use dkron_core::state::record::NodeRecord;
use dkron_core::time::Time;

/// How a server is.
#[derive(Clone, Debug)]
pub struct Health {
    /// Whether it knows a leader.
    pub has_leader: bool,
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

impl App {
    /// The nodes that registered, by name. Of a name's former owners only the last is shown.
    pub async fn members(&self) -> Result<Vec<NodeRecord>, Error> {
        let view = self.view().await?;
        let state = &view.state;
        let current = |record: &NodeRecord| {
            let owner = state.node_named(&record.registration.name).and_then(|slot| state.node(slot));
            owner.is_some_and(|owner| owner.registration.node == record.registration.node)
        };
        let nodes = state.nodes().map(|(_, record)| NodeRecord::clone(record));
        let mut nodes: Vec<NodeRecord> = nodes.filter(current).collect();
        nodes.sort_by(|one, other| one.registration.name.cmp(&other.registration.name));
        Ok(nodes)
    }

    /// The leader's node, as far as this server knows and it has registered.
    pub async fn leader(&self) -> Result<Option<NodeRecord>, Error> {
        let Some(leader) = self.leadership().leader else { return Ok(None) };
        let members = self.members().await?;
        Ok(members.into_iter().find(|member| *member.registration.name == *leader.peer.name))
    }

    /// Whether this server leads.
    pub fn is_leader(&self) -> bool {
        self.leadership().leading.is_some()
    }

    /// This server's id.
    pub fn server(&self) -> NodeId {
        self.raft.identity().server
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
            has_leader: self.leadership().leader.is_some(),
            applied: state.applied(),
            jobs: state.job_count(),
            replanned: state.to_replan().count(),
            held_since: state.held_since(),
            digest: state.digest(),
        })
    }
}

/// How many of the members failed and how many left.
pub fn gone(members: &[NodeRecord]) -> (u64, u64) {
    let count = |liveness| members.iter().filter(|member| member.liveness == liveness).count() as u64;
    (count(Liveness::Failed), count(Liveness::Left))
}
