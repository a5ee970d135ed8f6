//! Where a node that is no server finds servers: at the addresses to join, each of which knows them all.

use crate::net::{self, Channels};
use dkron_core::delivery::ServerAddress;
use dkron_wire::WireError;
use dkron_wire::formation::service::FormationClient;
use dkron_wire::formation::{question_to_wire, servers_from_wire};
use std::sync::Arc;
use std::time::Duration;

/// How long one address may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// Why an address names no servers.
#[derive(Debug, thiserror::Error)]
pub enum SeekError {
    /// It cannot be an address.
    #[error(transparent)]
    Net(#[from] net::Error),
    /// The node there refused, or cannot be reached.
    #[error("{0}")]
    Refused(String),
    /// It answers what this version does not understand.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// It did not answer in time.
    #[error("no answer within {} s", ANSWER_WITHIN.as_secs())]
    Timeout,
}

/// Asks one address, a server's gossip port or port for calls, for the servers of a region.
///
/// # Errors
/// [`SeekError`]: what came in their place.
pub async fn seek(
    channels: &Channels,
    address: &Arc<str>,
    region: &str,
) -> Result<Vec<ServerAddress>, SeekError> {
    let mut client = FormationClient::new(channels.get(address)?);
    let asking = client.servers(question_to_wire(None, region));
    let answer = tokio::time::timeout(ANSWER_WITHIN, asking).await.map_err(|_| SeekError::Timeout)?;
    let answer = answer.map_err(|status| SeekError::Refused(status.message().to_owned()))?;
    Ok(servers_from_wire(answer.into_inner())?.1)
}
