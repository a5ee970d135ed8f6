//! How a first cluster comes to be: what the servers of a first set promise to one another.

use crate::ids::{ClusterId, NodeId};
use std::collections::BTreeSet;

/// What a server has promised before a first cluster is formed. It is on its disk, so that it never serves
/// another set, whoever crashes.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Promise {
    /// The cluster to be.
    pub cluster: ClusterId,
    /// Who forms it.
    pub initialiser: NodeId,
    /// Exactly these form it.
    pub set: BTreeSet<NodeId>,
}
