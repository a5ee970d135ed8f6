//! The only owner of listeners and dials.
//!
//! - Does: binds, connects, with the time limits that every outward call has.
//! - Owns: the settings of connections between nodes.
//! - Never: knows what is said on them.
//! - Fails: naming the address.

mod channels;
mod datagrams;
mod switch;

pub use channels::Channels;
pub use datagrams::{bind_datagrams, resolve};
pub use switch::switch;

use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpListener;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Channel, Endpoint, Server};

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

/// The connections that a server of calls takes. What is said goes out at once: held back until the other side has
/// confirmed what came before, which it puts off, a launch would start up to 40 ms late. The server's own setting
/// does not reach connections that somebody else accepts.
pub fn incoming(listener: TcpListener) -> TcpIncoming {
    TcpIncoming::from(listener).with_nodelay(Some(true))
}

/// A server of calls between nodes, without services yet; it takes connections from [`incoming`].
pub fn server() -> Server {
    Server::builder()
        .http2_keepalive_interval(Some(SERVED_KEEP_ALIVE))
        .http2_keepalive_timeout(Some(SERVED_KEEP_ALIVE_TIMEOUT))
}

/// Connects to another node's calls, `host:port`.
pub async fn dial(address: &str) -> Result<Channel, Error> {
    endpoint(address)?.connect().await.map_err(dialling(address))
}

/// The same without waiting: it connects at the first call, and again after a failure, looking the name up anew
/// each time. A call fails while nobody is there.
pub fn line(address: &str) -> Result<Channel, Error> {
    Ok(endpoint(address)?.connect_lazy())
}

/// The settings of every connection between nodes.
fn endpoint(address: &str) -> Result<Endpoint, Error> {
    let endpoint = Endpoint::from_shared(format!("http://{address}")).map_err(dialling(address))?;
    Ok(endpoint
        .connect_timeout(CONNECT_TIMEOUT)
        .tcp_nodelay(true)
        .http2_keep_alive_interval(KEEP_ALIVE)
        .keep_alive_timeout(KEEP_ALIVE_TIMEOUT)
        .keep_alive_while_idle(true))
}

fn dialling(address: &str) -> impl Fn(tonic::transport::Error) -> Error {
    move |source| Error::Dial { address: address.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::StreamExt;
    use tokio::net::TcpStream;

    #[tokio::test]
    async fn what_is_said_on_an_accepted_connection_is_not_held_back() {
        let listener = listen(SocketAddr::from(([127, 0, 0, 1], 0)), "a test").await.expect("a listener");
        let address = listener.local_addr().expect("an address");
        let _dialled = TcpStream::connect(address).await.expect("connected");
        let accepted = incoming(listener).next().await.expect("a connection").expect("accepted");
        assert!(accepted.nodelay().expect("the setting"));
    }
}
