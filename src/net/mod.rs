//! The only owner of listeners and dials.
//!
//! - Does: binds, connects, with the time limits that every outward call has.
//! - Owns: the settings of connections between nodes; `trust`, the certificates that they are secured by.
//! - Never: knows what is said on them.
//! - Fails: naming the address.

mod channels;
mod datagrams;
mod dialer;
mod incoming;
mod stream;
mod switch;
pub mod trust;

#[cfg(test)]
mod tests;

pub use channels::Channels;
pub use datagrams::{bind_datagrams, resolve};
pub use dialer::Dialer;
pub use incoming::{Door, Incoming};
pub use stream::{Peer, Stream};
pub use switch::switch;

use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpListener;
use tonic::transport::Server;

/// How long a connection may take to come up.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// Who dialled asks after this long of silence whether anybody is there ...
const KEEP_ALIVE: Duration = Duration::from_secs(2);
/// ... and gives the connection up when this long nobody answers.
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(2);
/// The same for who was dialled: it asks sooner, because a server that gives an agent up within 5 s still leaves
/// it time to come back; it waits as long, because a process that is busy answers late.
const SERVED_KEEP_ALIVE: Duration = Duration::from_secs(1);
const SERVED_KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(2);
/// A server knows of a dead connection within this.
pub const SILENCE_MAX: Duration = SERVED_KEEP_ALIVE.saturating_add(SERVED_KEEP_ALIVE_TIMEOUT);

/// What went wrong with an address.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nothing can listen there.
    #[error("cannot listen on {address} for {purpose}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What for.
        purpose: &'static str,
        /// Why not.
        source: io::Error,
    },
    /// The name has no address, or nobody says which.
    #[error("no address is known for '{address}'; expected host:port")]
    Resolve {
        /// The name and port.
        address: String,
        /// Why not.
        source: io::Error,
    },
    /// A file of TLS cannot be used.
    #[error(transparent)]
    Trust(#[from] trust::TrustError),
    /// The address cannot be dialled.
    #[error("cannot dial '{address}'")]
    Dial {
        /// The address.
        address: String,
        /// Why not.
        source: tonic::transport::Error,
    },
}

/// Listens; `purpose` is for the error.
pub async fn listen(address: SocketAddr, purpose: &'static str) -> Result<TcpListener, Error> {
    TcpListener::bind(address).await.map_err(|source| Error::Listen { address, purpose, source })
}

/// A server of calls between nodes, without services yet; it takes connections from [`Incoming`].
pub fn server() -> Server {
    Server::builder()
        .http2_keepalive_interval(Some(SERVED_KEEP_ALIVE))
        .http2_keepalive_timeout(Some(SERVED_KEEP_ALIVE_TIMEOUT))
}
