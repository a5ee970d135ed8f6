//! Datagrams and names: where gossip's packets come from and go to.

use super::Error;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::{UdpSocket, lookup_host};

/// A name server that is silent for this long has no answer.
const RESOLVE_TIMEOUT: Duration = Duration::from_secs(3);

/// Takes datagrams at this address; `purpose` is for the error.
pub async fn bind_datagrams(address: SocketAddr, purpose: &'static str) -> Result<UdpSocket, Error> {
    UdpSocket::bind(address).await.map_err(|source| Error::Listen { address, purpose, source })
}

/// The addresses of `host:port`, asked for anew each time. Never none.
pub async fn resolve(address: &str) -> Result<Vec<SocketAddr>, Error> {
    let failed = |source| Error::Resolve { address: address.to_owned(), source };
    let answer = tokio::time::timeout(RESOLVE_TIMEOUT, lookup_host(address)).await;
    let found: Vec<SocketAddr> =
        answer.map_err(|_| failed(io::ErrorKind::TimedOut.into()))?.map_err(failed)?.collect();
    if found.is_empty() {
        return Err(failed(io::Error::new(io::ErrorKind::NotFound, "the name has no address")));
    }
    Ok(found)
}
