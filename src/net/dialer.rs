//! How this node dials other nodes' calls: in clear, or over TLS with a certificate on both sides.

use super::stream::{Peer, Stream};
use super::trust::{Certificate, Refusals, Role, Trust, is_of_tls, reason};
use super::{CONNECT_TIMEOUT, Error, KEEP_ALIVE, KEEP_ALIVE_TIMEOUT};
use futures::future::BoxFuture;
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
    refusals: Arc<Refusals>,
}

impl Dialer {
    /// Over TLS if there is trust, else in clear.
    pub fn new(trust: Option<Trust>) -> Dialer {
        Dialer { trust, refusals: Arc::default() }
    }

    /// Connects to another node's calls, `host:port`.
    ///
    /// # Errors
    /// [`Error::Dial`] with the reason.
    pub async fn dial(&self, address: &str) -> Result<Channel, Error> {
        let endpoint = endpoint(address)?;
        let connecting = endpoint.connect_with_connector(service_fn(self.connector(address)));
        connecting.await.map_err(dialling(address))
    }

    /// The same without waiting: it connects at the first call, and again after a failure, looking the name up
    /// anew each time. A call fails while nobody is there.
    ///
    /// # Errors
    /// [`Error::Dial`] if the address cannot be one.
    pub fn line(&self, address: &str) -> Result<Channel, Error> {
        Ok(endpoint(address)?.connect_with_connector_lazy(service_fn(self.connector(address))))
    }

    /// Makes the connections to an address.
    fn connector(&self, address: &str) -> impl Fn(Uri) -> Connecting + Send + 'static + use<> {
        let (dialer, address): (Dialer, Arc<str>) = (self.clone(), address.into());
        move |_| {
            let (dialer, address) = (dialer.clone(), address.clone());
            Box::pin(async move { dialer.connect(&address).await.map(TokioIo::new) })
        }
    }

    async fn connect(&self, address: &Arc<str>) -> io::Result<Stream> {
        match &self.trust {
            Some(trust) => connect(trust, address).await,
            None => {
                let tcp = dial(address).await?;
                let peer = tcp.peer_addr()?;
                Ok(Stream::plain(tcp, peer).telling(self.refusals.clone(), address.clone()))
            }
        }
    }
}

type Connecting = BoxFuture<'static, io::Result<TokioIo<Stream>>>;

/// The whole of connecting has the time limit of its caller.
async fn dial(address: &str) -> io::Result<TcpStream> {
    let tcp = TcpStream::connect(address).await?;
    // One that cannot be set so is slower, and works.
    drop(tcp.set_nodelay(true));
    Ok(tcp)
}

/// A connection to a server of the region.
pub(super) async fn connect(trust: &Trust, address: &Arc<str>) -> io::Result<Stream> {
    let tcp = dial(address).await?;
    let peer = tcp.peer_addr()?;
    let (config, name) = trust.dials();
    let stream = match TlsConnector::from(config).connect(name, tcp).await {
        Ok(stream) => stream,
        Err(error) if is_of_tls(&error) => return Err(refuse(trust, address, reason(&error))),
        Err(error) => return Err(error),
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
