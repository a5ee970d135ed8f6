//! Whom this node trusts, and what it shows: certificates that name a region and a role, never an address.
//!
//! Between nodes both sides show one of the cluster's own authority (TLS 1.3 only); the side that is dialled must
//! be a server of the region. Sessions are never resumed: each connection is judged by the certificates and the
//! time of its own handshake.

mod certificate;
mod error;
mod files;
mod refusals;

pub use certificate::{Certificate, Role, node_uri};
pub use error::TrustError;
pub(crate) use error::{is_of_tls, reason};
pub use files::is_open_to_others;
pub use refusals::Refusals;

use crate::clock;
use crate::config::{HttpTls, Tls};
use crate::task::{self, CancellationToken};
use dkron_core::time::Span;
use files::{Content, Followed, Source};
use rustls::client::Resumption;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::ServerName;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::version::TLS13;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

/// How often the files are looked at.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// A certificate that ends sooner than this is told of.
pub const ENDS_SOON: Span = Span::from_seconds(30 * 86_400);

/// Trust between nodes. Cheap to clone; follows its files.
#[derive(Clone)]
pub struct Trust {
    inner: Arc<Inner>,
}

struct Inner {
    region: Arc<str>,
    dialled: ServerName<'static>,
    followed: Followed<Material>,
    refusals: Arc<Refusals>,
}

/// What holds for the next connection.
struct Material {
    accepts: Arc<ServerConfig>,
    dials: Arc<ClientConfig>,
    own: Certificate,
}

/// What the API shows, and whether it asks for a certificate. Cheap to clone; follows its files.
#[derive(Clone)]
pub struct ApiTrust {
    followed: Arc<Followed<(Arc<ServerConfig>, Certificate)>>,
}

impl Trust {
    /// Trust by these files, for a node of this region and role.
    ///
    /// # Errors
    /// [`TrustError`]: which file cannot be used, and why.
    pub fn load(files: &Tls, region: &str, role: Role) -> Result<Trust, TrustError> {
        let sources = vec![
            Source::new("tls-ca-file", &files.ca_file),
            Source::new("tls-cert-file", &files.cert_file),
            Source::new("tls-key-file", &files.key_file),
        ];
        let dialled = ServerName::try_from(Role::Server.name(region)).map_err(|_| TrustError {
            setting: "region",
            path: region.into(),
            problem: "cannot be part of a certificate's name, allowed with TLS are letters, digits and '-'"
                .into(),
        })?;
        let of: Arc<str> = region.into();
        let name = of.clone();
        let followed = Followed::open(sources, Box::new(move |contents| material(contents, &name, role)))?;
        let refusals = Arc::default();
        Ok(Trust { inner: Arc::new(Inner { region: of, dialled, followed, refusals }) })
    }

    /// This node's own certificate.
    pub fn own(&self) -> Certificate {
        self.inner.followed.current().own.clone()
    }

    /// The region of the nodes that are trusted.
    pub fn region(&self) -> &Arc<str> {
        &self.inner.region
    }

    pub(super) fn accepts(&self) -> Arc<ServerConfig> {
        self.inner.followed.current().accepts.clone()
    }

    pub(super) fn dials(&self) -> (Arc<ClientConfig>, ServerName<'static>) {
        (self.inner.followed.current().dials.clone(), self.inner.dialled.clone())
    }

    pub(super) fn refusals(&self) -> &Arc<Refusals> {
        &self.inner.refusals
    }

    /// Looks at the files again; whether something else holds from now on.
    pub fn refresh(&self) -> bool {
        let changed = self.inner.followed.refresh();
        if changed {
            tell("the certificates between nodes were read again", &self.own());
        }
        changed
    }
}

impl ApiTrust {
    /// TLS of the API by these files.
    ///
    /// # Errors
    /// [`TrustError`]: which file cannot be used, and why.
    pub fn load(files: &HttpTls) -> Result<ApiTrust, TrustError> {
        let mut sources = vec![
            Source::new("http-tls-cert-file", &files.cert_file),
            Source::new("http-tls-key-file", &files.key_file),
        ];
        sources
            .extend(files.client_ca_file.as_ref().map(|path| Source::new("http-tls-client-ca-file", path)));
        Ok(ApiTrust { followed: Arc::new(Followed::open(sources, Box::new(api_material))?) })
    }

    /// The certificate that clients see.
    pub fn own(&self) -> Certificate {
        self.followed.current().1.clone()
    }

    pub(super) fn accepts(&self) -> Arc<ServerConfig> {
        self.followed.current().0.clone()
    }

    /// Looks at the files again; whether something else holds from now on.
    pub fn refresh(&self) -> bool {
        let changed = self.followed.refresh();
        if changed {
            tell("the certificate of the API was read again", &self.own());
        }
        changed
    }
}

/// Follows the files until it is stopped: looks every second, and at once at SIGHUP.
pub async fn follow(between: Option<Trust>, api: Option<ApiTrust>, stop: CancellationToken) {
    if between.is_none() && api.is_none() {
        return stop.cancelled().await;
    }
    let mut hangup = match signal(SignalKind::hangup()) {
        Ok(hangup) => hangup,
        Err(error) => return tracing::error!(%error, "cannot hear SIGHUP: certificates are not read again"),
    };
    for own in between.iter().map(Trust::own).chain(api.iter().map(ApiTrust::own)) {
        tell("certificate", &own);
    }
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(LOOK_AGAIN) => {}
            Some(()) = hangup.recv() => {}
        }
        let (between, api) = (between.clone(), api.clone());
        let looking = task::blocking("certificates", move || {
            between.map(|trust| trust.refresh());
            api.map(|trust| trust.refresh());
        });
        if looking.await.is_err() {
            return;
        }
    }
}

/// Tells of a certificate and of its near end.
fn tell(what: &str, own: &Certificate) {
    let (names, ends) = (own.shown(), own.not_after.to_string());
    match own.not_after - clock::wall() {
        left if left <= Span::ZERO => {
            tracing::error!(names, ends, "{what}: it has expired, others refuse it")
        }
        left if left < ENDS_SOON => tracing::warn!(names, ends, "{what}: it ends soon"),
        _ => tracing::info!(names, ends, "{what}"),
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

fn material(contents: &[Content], region: &str, role: Role) -> Result<Material, TrustError> {
    let [authority, certificate, key] = contents else { return Err(incomplete("tls-ca-file")) };
    let roots = Arc::new(authority.roots()?);
    let chain = certificate.certificates()?;
    let own = Certificate::read(&chain[0]).map_err(|problem| certificate.source.wrong(problem))?;
    let may = own.has_role(role, region) || own.has_role(Role::Server, region);
    if !may {
        let wanted = role.name(region);
        let problem = format!("is for {}, a node of this kind and region needs {wanted}", own.shown());
        return Err(certificate.source.wrong(problem));
    }
    let wrong = |error: rustls::Error| key.source.wrong(format!("does not go with tls-cert-file: {error}"));
    let mut dials = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])
        .map_err(wrong)?
        .with_root_certificates(roots.clone())
        .with_client_auth_cert(chain.clone(), key.key()?)
        .map_err(wrong)?;
    let accepts = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])
        .map_err(wrong)?
        .with_client_cert_verifier(verifier(authority, roots)?)
        .with_single_cert(chain, key.key()?)
        .map_err(wrong)?;
    dials.alpn_protocols = vec![b"h2".to_vec()];
    dials.resumption = Resumption::disabled();
    Ok(Material { accepts: Arc::new(without_memory(accepts, b"h2")), dials: Arc::new(dials), own })
}

fn api_material(contents: &[Content]) -> Result<(Arc<ServerConfig>, Certificate), TrustError> {
    let [certificate, key, rest @ ..] = contents else { return Err(incomplete("http-tls-cert-file")) };
    let chain = certificate.certificates()?;
    let own = Certificate::read(&chain[0]).map_err(|problem| certificate.source.wrong(problem))?;
    let wrong =
        |error: rustls::Error| key.source.wrong(format!("does not go with http-tls-cert-file: {error}"));
    let config = ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
    let config = config.map_err(wrong)?;
    let config = match rest.first() {
        Some(authority) => {
            let roots = Arc::new(authority.roots()?);
            config.with_client_cert_verifier(verifier(authority, roots)?)
        }
        None => config.with_no_client_auth(),
    };
    let config = config.with_single_cert(chain, key.key()?).map_err(wrong)?;
    Ok((Arc::new(without_memory(config, b"http/1.1")), own))
}

/// Takes only who shows a certificate of these authorities.
fn verifier(
    authority: &Content,
    roots: Arc<RootCertStore>,
) -> Result<Arc<dyn ClientCertVerifier>, TrustError> {
    let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider()).build();
    verifier.map_err(|error| authority.source.wrong(format!("is no authority's certificate: {error}")))
}

/// No session is resumed: it would outlive the certificates that it was judged by.
fn without_memory(mut config: ServerConfig, protocol: &[u8]) -> ServerConfig {
    config.alpn_protocols = vec![protocol.to_vec()];
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config
}

fn incomplete(setting: &'static str) -> TrustError {
    Source::new(setting, Path::new("")).wrong("not all files of TLS are named")
}
