//! Connections that are taken: TCP, and where it is asked for the handshake, each with a time limit, many at a
//! time, so that one that is slow or silent keeps nobody out.

use super::stream::{Peer, Stream};
use super::trust::{ApiTrust, Certificate, Refusals, Trust, reason};
use axum::serve::Listener;
use futures::future::BoxFuture;
use futures::stream::{self, BoxStream, FuturesUnordered, StreamExt};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// How long a handshake may take.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);
/// Handshakes at a time; beyond it new connections wait in the system's queue.
const HANDSHAKES_MAX: usize = 1_024;
/// The pause after the system refused to take a connection (it has no more descriptors).
const PAUSE: Duration = Duration::from_millis(100);

/// What is asked of who connects.
#[derive(Clone)]
pub enum Door {
    /// Nothing: everything is in clear.
    Open,
    /// A certificate of a node.
    Nodes(Trust),
    /// TLS of the API.
    Api(ApiTrust, Arc<Refusals>),
}

impl Door {
    /// The door for other nodes.
    pub fn nodes(trust: Option<Trust>) -> Door {
        trust.map_or(Door::Open, Door::Nodes)
    }

    /// The door for clients.
    pub fn api(trust: Option<ApiTrust>) -> Door {
        trust.map_or(Door::Open, |trust| Door::Api(trust, Arc::default()))
    }

    fn acceptor(&self) -> Option<(TlsAcceptor, Arc<Refusals>, Arc<str>)> {
        match self {
            Door::Open => None,
            Door::Nodes(trust) => {
                Some((trust.accepts().into(), trust.refusals().clone(), trust.region().clone()))
            }
            Door::Api(trust, refusals) => Some((trust.accepts().into(), refusals.clone(), Arc::default())),
        }
    }
}

/// A listener and the handshakes that are under way.
pub struct Incoming {
    listener: TcpListener,
    door: Door,
    handshakes: FuturesUnordered<BoxFuture<'static, Option<Stream>>>,
}

impl Incoming {
    /// The connections that come to a listener. What is said goes out at once: held back until the other side has
    /// confirmed what came before, which it puts off, a launch would start up to 40 ms late.
    pub fn new(listener: TcpListener, door: Door) -> Incoming {
        Incoming { listener, door, handshakes: FuturesUnordered::new() }
    }

    /// As a stream, for a server of calls.
    pub fn into_stream(self) -> BoxStream<'static, io::Result<Stream>> {
        stream::unfold(self, |mut own| async move { Some((Ok(own.next().await), own)) }).boxed()
    }

    async fn next(&mut self) -> Stream {
        loop {
            tokio::select! {
                accepted = self.listener.accept(), if self.handshakes.len() < HANDSHAKES_MAX => {
                    match accepted {
                        Ok((tcp, address)) => if let Some(stream) = self.take(tcp, address) {
                            return stream;
                        },
                        Err(error) => pause_after(&error).await,
                    }
                }
                Some(done) = self.handshakes.next() => if let Some(stream) = done {
                    return stream;
                },
            }
        }
    }

    /// A connection in clear is there at once, another one after its handshake.
    fn take(&mut self, tcp: TcpStream, address: SocketAddr) -> Option<Stream> {
        // One that cannot be set so is slower, and works.
        drop(tcp.set_nodelay(true));
        let Some((acceptor, refusals, region)) = self.door.acceptor() else {
            return Some(Stream::plain(tcp, address));
        };
        self.handshakes.push(Box::pin(async move {
            match tokio::time::timeout(HANDSHAKE_TIMEOUT, handshake(acceptor, tcp, &region)).await {
                Ok(Ok(stream)) => Some(stream),
                Ok(Err(error)) => refuse(&refusals, address, &reason(&error)),
                Err(_) => refuse(&refusals, address, "it did not end the handshake in time"),
            }
        }));
        None
    }
}

async fn handshake(acceptor: TlsAcceptor, tcp: TcpStream, region: &str) -> io::Result<Stream> {
    let address = tcp.peer_addr()?;
    let stream = acceptor.accept(tcp).await?;
    let shown = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
    let certificate = shown.map(|der| Certificate::read(der)).transpose().map_err(io::Error::other)?;
    Ok(Stream::secure(stream.into(), Peer::new(address, certificate, region)))
}

fn refuse(refusals: &Refusals, address: SocketAddr, reason: &str) -> Option<Stream> {
    // Each connection has a port of its own: the peer is the address.
    if refusals.is_news(&address.ip().to_string(), reason) {
        tracing::warn!(peer = %address, reason, "a connection is refused");
    }
    None
}

/// A connection that broke before it was taken is nothing; other errors would come at once again.
async fn pause_after(error: &io::Error) {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    if matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset) {
        return;
    }
    tracing::error!(%error, "no connection can be taken");
    tokio::time::sleep(PAUSE).await;
}

impl Listener for Incoming {
    type Io = Stream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Stream, SocketAddr) {
        let stream = self.next().await;
        let address = stream.peer().address();
        (stream, address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}
