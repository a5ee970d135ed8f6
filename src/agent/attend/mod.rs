//! The streams to the servers: one to each of them, kept warm, for as long as the node lives.
//!
//! The server that leads with the highest term hears what the agent says; all may give it orders, which are
//! committed whoever passes them on. Losing a stream loses nothing: to each new leader everything unsettled is
//! offered anew.
//!
//! `hub` chooses the leader and passes words on, `line` keeps one stream, `seek` finds servers when there is no
//! stream to any.

mod hub;
mod line;
mod seek;

use super::AgentHandle;
use crate::task::CancellationToken;
use dkron_core::delivery::ServerAddress;
use dkron_core::ids::{NodeId, Stamp};
use futures::future::BoxFuture;
use hub::Hub;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tonic::transport::Channel;

/// How long a dial, and the welcome after it, may take; also the search for servers.
const DIAL_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a node that goes waits for the leader's answer.
const LEAVE_WAIT: Duration = Duration::from_secs(2);

/// Why there is no stream.
#[derive(Debug, thiserror::Error)]
pub enum AttendError {
    /// No connection.
    #[error("cannot connect")]
    Dial(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// No answer in time.
    #[error("no answer within {} s", DIAL_TIMEOUT.as_secs())]
    Timeout,
    /// The server refused or ended the call.
    #[error("the server ended the stream: {}", .0.message())]
    Status(tonic::Status),
    /// It says what this version does not understand.
    #[error("a message cannot be read")]
    Message(#[from] dkron_wire::WireError),
    /// Somebody else is at this address now.
    #[error("server {found} answers where server {wanted} was")]
    WrongServer {
        /// Who was expected.
        wanted: NodeId,
        /// Who is there.
        found: NodeId,
    },
    /// The server is not of the agent's cluster, or was left behind when the cluster was recovered.
    #[error("the server belongs to cluster {found}, the agent to cluster {own}")]
    WrongCluster {
        /// The agent's.
        own: Stamp,
        /// The server's.
        found: Stamp,
    },
    /// It speaks before its welcome.
    #[error("the server did not begin with a welcome")]
    NoWelcome,
    /// The stream ended without an error.
    #[error("the stream ended")]
    Ended,
    /// The agent has ended.
    #[error("the agent has stopped")]
    Stopped,
}

/// Makes a connection to an address, `host:port`; with what security is its own affair.
pub type Dial = Arc<dyn Fn(Arc<str>) -> BoxFuture<'static, Result<Channel, AttendError>> + Send + Sync>;

/// Asks the addresses to join for the servers.
pub type Discover =
    Arc<dyn Fn() -> BoxFuture<'static, Result<Vec<ServerAddress>, AttendError>> + Send + Sync>;

/// Where the list of servers comes from.
pub enum Servers {
    /// Somebody on this node knows them.
    Known(watch::Receiver<Arc<[ServerAddress]>>),
    /// They tell of one another; this is asked first, and again when all streams have been down for a while.
    Sought(Discover),
}

/// Keeps the streams for as long as it is polled. Once `leave` is cancelled it tells the leader that the node
/// goes, and is back when the leader has answered, or did not in time.
///
/// # Errors
/// [`AttendError::Stopped`] if the agent ends by itself.
pub async fn attend(
    agent: &mut AgentHandle,
    dial: Dial,
    servers: Servers,
    leave: CancellationToken,
) -> Result<(), AttendError> {
    Hub::new(agent, dial, servers).run(leave).await
}
