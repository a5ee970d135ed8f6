//! A connection, in clear or over TLS, and who is at its other end.

use super::trust::{Certificate, Refusals, Role, reason};
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsStream;
use tonic::transport::server::Connected;

/// Who is at the other end of an accepted connection: with every request that comes over it.
#[derive(Clone, Debug)]
pub struct Peer {
    address: SocketAddr,
    /// What it showed; none in clear, or where none is asked for.
    certificate: Option<Arc<Certificate>>,
    /// What it is by that, in this node's region.
    roles: Vec<Role>,
}

impl Peer {
    pub(super) fn new(address: SocketAddr, certificate: Option<Certificate>, region: &str) -> Peer {
        let has = |role: &Role| certificate.as_ref().is_some_and(|shown| shown.has_role(*role, region));
        let roles = Role::ALL.into_iter().filter(has).collect();
        Peer { address, certificate: certificate.map(Arc::new), roles }
    }

    /// Where it dialled from.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it showed.
    pub fn certificate(&self) -> Option<&Certificate> {
        self.certificate.as_deref()
    }

    /// Whether its certificate is for one of these roles in this node's region.
    pub fn is_one_of(&self, roles: &[Role]) -> bool {
        self.roles.iter().any(|role| roles.contains(role))
    }

    /// Whether it may speak as this node. In clear nothing is known, and anybody may.
    ///
    /// # Errors
    /// A sentence on what it is instead.
    pub fn speaks_as(&self, node: &str, server: bool) -> Result<(), String> {
        let Some(certificate) = self.certificate() else { return Ok(()) };
        if server && !self.is_one_of(&[Role::Server]) {
            let shown = certificate.shown();
            return Err(format!("'{node}' says that it is a server, its certificate is for {shown}"));
        }
        match certificate.is_bound_to_other_than(node) {
            true => {
                let bound = certificate.nodes.join(", ");
                Err(format!("'{node}' is not whom its certificate is bound to, which is {bound}"))
            }
            false => Ok(()),
        }
    }
}

/// A connection.
pub struct Stream {
    io: Io,
    peer: Peer,
    /// Where to tell that the other side hung up because of this node's certificate: that comes only after the
    /// handshake. Whom was dialled.
    telling: Option<(Arc<Refusals>, Arc<str>)>,
}

enum Io {
    Plain(TcpStream),
    Secure(Box<TlsStream<TcpStream>>),
}

impl Stream {
    pub(super) fn plain(io: TcpStream, address: SocketAddr) -> Stream {
        Stream { io: Io::Plain(io), peer: Peer::new(address, None, ""), telling: None }
    }

    pub(super) fn secure(io: TlsStream<TcpStream>, peer: Peer) -> Stream {
        Stream { io: Io::Secure(Box::new(io)), peer, telling: None }
    }

    pub(super) fn telling(self, refusals: Arc<Refusals>, dialled: Arc<str>) -> Stream {
        Stream { telling: Some((refusals, dialled)), ..self }
    }

    /// Who is at its other end.
    pub fn peer(&self) -> &Peer {
        &self.peer
    }

    #[cfg(test)]
    pub(super) fn tcp(&self) -> &TcpStream {
        match &self.io {
            Io::Plain(io) => io,
            Io::Secure(io) => io.get_ref().0,
        }
    }

    /// What comes first shows whether the other side speaks TLS where this one does not.
    fn look(&mut self, read: &[u8]) {
        const ALERT: [u8; 2] = [21, 3];
        if !matches!(self.io, Io::Plain(_)) || read.is_empty() {
            return;
        }
        let Some((refusals, address)) = self.telling.take().filter(|_| read.starts_with(&ALERT)) else {
            return;
        };
        let reason = "it speaks TLS, and this node is set to speak in clear";
        if refusals.is_news(&address, reason) {
            tracing::warn!(%address, reason, "a server refuses the connection");
        }
    }

    fn tell(&self, error: &io::Error) {
        let is_alert = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
        let (Some((refusals, address)), Some(rustls::Error::AlertReceived(_))) = (&self.telling, is_alert)
        else {
            return;
        };
        let reason = reason(error);
        if refusals.is_news(address, &reason) {
            tracing::warn!(%address, reason, "a server refuses the connection");
        }
    }
}

impl Connected for Stream {
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Peer {
        self.peer.clone()
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = match &mut self.io {
            Io::Plain(io) => Pin::new(io).poll_read(context, buffer),
            Io::Secure(io) => Pin::new(io).poll_read(context, buffer),
        };
        match &read {
            Poll::Ready(Err(error)) => self.tell(error),
            Poll::Ready(Ok(())) => self.look(buffer.filled()),
            Poll::Pending => {}
        }
        read
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.io {
            Io::Plain(io) => Pin::new(io).poll_write(context, bytes),
            Io::Secure(io) => Pin::new(io).poll_write(context, bytes),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.io {
            Io::Plain(io) => Pin::new(io).poll_write_vectored(context, slices),
            Io::Secure(io) => Pin::new(io).poll_write_vectored(context, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match &self.io {
            Io::Plain(io) => io.is_write_vectored(),
            Io::Secure(io) => io.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.io {
            Io::Plain(io) => Pin::new(io).poll_flush(context),
            Io::Secure(io) => Pin::new(io).poll_flush(context),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.io {
            Io::Plain(io) => Pin::new(io).poll_shutdown(context),
            Io::Secure(io) => Pin::new(io).poll_shutdown(context),
        }
    }
}
