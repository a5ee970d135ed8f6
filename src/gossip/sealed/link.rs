//! What carries datagrams: UDP; in tests also a network in memory that loses as many as it is told to.

use std::io;
use std::net::SocketAddr;
use tokio::net::UdpSocket;

/// A way out and in.
pub(in crate::gossip) enum Link {
    /// The real one.
    Udp(UdpSocket),
    /// A lossy one without a clock of its own.
    #[cfg(test)]
    Memory(crate::gossip::tests::network::Port),
}

impl Link {
    pub(super) async fn send(&self, bytes: &[u8], to: SocketAddr) -> io::Result<()> {
        match self {
            Link::Udp(socket) => socket.send_to(bytes, to).await.map(|_| ()),
            #[cfg(test)]
            Link::Memory(port) => {
                port.send(bytes, to);
                Ok(())
            }
        }
    }

    /// The next datagram; nothing is lost if this is not waited for to the end.
    pub(super) async fn receive(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        match self {
            Link::Udp(socket) => socket.recv_from(buffer).await,
            #[cfg(test)]
            Link::Memory(port) => Ok(port.receive(buffer).await),
        }
    }
}
