//! A node from its start to its end: builds the rooms in order, stops them in reverse.

use crate::config::Config;

/// Why a node did not start or had to stop.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// The rooms are not joined yet.
    #[error("this build has no node to run")]
    NotBuilt,
}

/// Runs a node until it is asked to stop (SIGINT or SIGTERM) or cannot go on.
///
/// # Errors
/// [`NodeError`] with the reason for which it did not start or stopped.
pub async fn run(_config: Config) -> Result<(), NodeError> {
    Err(NodeError::NotBuilt)
}
