//! How this node dials other nodes' calls: in clear, or over TLS with a certificate on both sides.

use super::stream::{Peer, Stream};
use super::trust::{Certificate, Role, Trust, reason};
use super::{CONNECT_TIMEOUT, Error, KEEP_ALIVE, KEEP_ALIVE_TIMEOUT};
use hyper_util::rt::TokioIo;
use std::io;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tonic::transport::{Channel, Endpoint, Uri};
use tower::service_fn;

/// The way to dial. Cheap to clone; in clear by default.
#[derive(Clone, Default)]
pub struct Dialer {
    trust: Option<Trust>,
}

impl Dialer {
    /// Over TLS if there is trust, else in clear.
    pub fn new(trust: Option<Trust>) -> Dialer {
        Dialer { trust }
    }

    /// Connects to another node's calls, `host:port`.
    ///
    /// # Errors
    /// [`Error::Dial`] with the reason.
    pub async fn dial(&self, address: &str) -> Result<Channel, Error> {
        let endpoint = endpoint(address)?;
        let connecting = match self.connector(address) {
            Some(connector) => endpoint.connect_with_connector(service_fn(connector)).await,
            None => endpoint.connect().await,
        };
        connecting.map_err(dialling(address))
    }

    /// The same without waiting: it connects at the first call, and again after a failure, looking the name up
    /// anew each time. A call fails while nobody is there.
    ///
    /// # Errors
    /// [`Error::Dial`] if the address cannot be one.
    pub fn line(&self, address: &str) -> Result<Channel, Error> {
        let endpoint = endpoint(address)?;
        Ok(match self.connector(address) {
            Some(connector) => endpoint.connect_with_connector_lazy(service_fn(connector)),
            None => endpoint.connect_lazy(),
        })
    }

    /// Makes connections over TLS, if that is the way.
    fn connector(
        &self,
        address: &str,
    ) -> Option<
        impl Fn(Uri) -> futures::future::BoxFuture<'static, io::Result<TokioIo<Stream>>> + Send + 'static,
    > {
        let (trust, address): (Trust, Arc<str>) = (self.trust.clone()?, address.into());
        Some(move |_| -> futures::future::BoxFuture<'static, io::Result<TokioIo<Stream>>> {
            let (trust, address) = (trust.clone(), address.clone());
            Box::pin(async move { connect(&trust, &address).await.map(TokioIo::new) })
        })
    }
}

/// A connection to a server of the region. The whole has the time limit of its caller.
pub(super) async fn connect(trust: &Trust, address: &Arc<str>) -> io::Result<Stream> {
    let tcp = TcpStream::connect(&**address).await?;
    drop(tcp.set_nodelay(true));
    let peer = tcp.peer_addr()?;
    let (config, name) = trust.dials();
    let stream = match TlsConnector::from(config).connect(name, tcp).await {
        Ok(stream) => stream,
        Err(error) => return Err(refuse(trust, address, reason(&error))),
    };
    let shown = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
    let certificate = shown.map(|der| Certificate::read(der)).transpose().map_err(io::Error::other)?;
    // A wildcard would have passed so far.
    let peer = Peer::new(peer, certificate, trust.region());
    if !peer.is_one_of(&[Role::Server]) {
        let reason = "its certificate is not that of a server of this region".to_owned();
        return Err(refuse(trust, address, reason));
    }
    let stream = Stream::secure(stream.into(), peer);
    Ok(stream.telling(trust.refusals().clone(), address.clone()))
}

fn refuse(trust: &Trust, address: &str, reason: String) -> io::Error {
    if trust.refusals().is_news(address, &reason) {
        tracing::warn!(address, reason, "a node that was dialled is refused");
    }
    io::Error::new(io::ErrorKind::PermissionDenied, reason)
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
