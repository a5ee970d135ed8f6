//! Nodes that get work, and those that an operator keeps it from.

use super::{hint, read_id};
use crate::app::{App, Error, Kind, fresh_request};
use crate::raft::Priority;
use dkron_core::command::Action;
use dkron_core::ids::NodeSlot;
use dkron_core::intent::Intent;
use dkron_core::node::{NodeView, Work};
use dkron_core::state::State;

impl App {
    /// The nodes that registered for work, by name; of those that had a name one after the other the last.
    pub async fn nodes(&self) -> Result<Vec<NodeView>, Error> {
        Ok(nodes(&self.view().await?.state))
    }

    /// Lets a node, by its id or name, work, keeps new work from it, or empties it. Outlasts its failures and
    /// restarts.
    pub async fn set_work(&self, node: &str, work: Work) -> Result<NodeView, Error> {
        let slot = find(&self.view().await?.state, node)?;
        let cordon = Intent::Change(Action::Cordon { node: slot, work });
        self.act(Priority::Write, fresh_request()?, cordon).await?;
        let gone =
            || Error::new(Kind::Changed, format!("node {node:?} took a new place meanwhile: try again"));
        view(&self.view().await?.state, slot).ok_or_else(gone)
    }
}

fn nodes(state: &State) -> Vec<NodeView> {
    let mut nodes: Vec<NodeView> = slots(state).filter_map(|slot| view(state, slot)).collect();
    nodes.sort_by(|one, other| one.name.cmp(&other.name));
    nodes
}

/// Of each name the place that has it.
fn slots(state: &State) -> impl Iterator<Item = NodeSlot> + '_ {
    let has_name = |slot: NodeSlot, name: &str| state.node_named(name) == Some(slot);
    state.nodes().filter(move |(slot, node)| has_name(*slot, &node.registration.name)).map(|(slot, _)| slot)
}

fn view(state: &State, slot: NodeSlot) -> Option<NodeView> {
    let node = state.node(slot)?;
    let registration = &node.registration;
    Some(NodeView {
        id: registration.node,
        name: registration.name.clone(),
        address: registration.address.clone(),
        server: registration.server,
        liveness: node.liveness,
        work: node.work,
        slots: registration.slots,
        executions: state.load(slot),
    })
}

fn find(state: &State, wanted: &str) -> Result<NodeSlot, Error> {
    let by_id = || read_id(wanted).and_then(|id| state.node_slot(id));
    state.node_named(wanted).or_else(by_id).ok_or_else(|| {
        let names: Vec<String> = nodes(state).into_iter().map(|node| node.name.to_string()).collect();
        let hint = hint(wanted, names.iter().map(String::as_str));
        Error::new(Kind::NotFound, format!("node {wanted:?} not found{hint}"))
    })
}
