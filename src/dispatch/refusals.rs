//! Agents that were turned away, so that each is heard of once for each cause: it will try for ever.

use dkron_core::ids::NodeId;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use tonic::Status;

/// Agents that are remembered; with more, all are forgotten.
const REMEMBERED_MAX: usize = 1_024;

/// The last refusal of each agent. Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct Refusals(Arc<Mutex<BTreeMap<Option<NodeId>, String>>>);

impl Refusals {
    /// Logs a refusal unless it is the agent's last one again; `node` is none if its hello could not be read.
    pub(super) fn note(&self, node: Option<NodeId>, name: &str, status: &Status) {
        let mut refusals = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if refusals.get(&node).is_some_and(|last| last == status.message()) {
            return;
        }
        if refusals.len() >= REMEMBERED_MAX {
            refusals.clear();
        }
        refusals.insert(node, status.message().to_owned());
        tracing::warn!(node = name, reason = status.message(), "an agent is refused");
    }

    /// The agent was taken: a later refusal is news.
    pub(super) fn forget(&self, node: NodeId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&Some(node));
    }
}
