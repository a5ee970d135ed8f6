//! What is wrong with the files of TLS, and with what another node shows, in words for people.

use rustls::{AlertDescription, CertificateError};
use std::io;
use std::path::PathBuf;

/// A file of TLS that cannot be used.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{setting}: '{}': {problem}", path.display())]
pub struct TrustError {
    /// The setting that names the file.
    pub setting: &'static str,
    /// The file.
    pub path: PathBuf,
    /// What is wrong, and what is allowed.
    pub problem: String,
}

/// Whether it is about TLS, and not the network's.
pub(crate) fn is_of_tls(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<rustls::Error>())
}

/// Why there is no connection to somebody, told as a clause about them.
pub(crate) fn reason(error: &io::Error) -> String {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match inner {
        Some(rustls::Error::InvalidCertificate(problem)) => certificate(problem),
        Some(rustls::Error::NoCertificatesPresented) => "it shows no certificate".to_owned(),
        Some(rustls::Error::AlertReceived(alert)) => refused_us(*alert),
        Some(rustls::Error::InvalidMessage(_)) => "it does not speak TLS".to_owned(),
        Some(other) => other.to_string(),
        None if error.kind() == io::ErrorKind::UnexpectedEof => {
            "it hung up in the middle of a handshake".to_owned()
        }
        None => error.to_string(),
    }
}

fn certificate(problem: &CertificateError) -> String {
    match problem {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "its certificate has expired".to_owned()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "its certificate does not hold yet (is a clock wrong?)".to_owned()
        }
        CertificateError::UnknownIssuer => "its certificate is of another authority".to_owned(),
        CertificateError::NotValidForName => {
            "its certificate is not that of a server of this region".to_owned()
        }
        CertificateError::NotValidForNameContext { expected, presented } => format!(
            "its certificate does not name {}, but {}",
            expected.to_str(),
            if presented.is_empty() { "nothing".to_owned() } else { presented.join(", ") }
        ),
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "its certificate is not made for this side of a connection".to_owned()
        }
        CertificateError::BadSignature => {
            "its certificate is of another authority of the same name, or forged".to_owned()
        }
        other => format!("its certificate cannot be used: {other}"),
    }
}

/// What the other side said when it hung up: it is about this node's own certificate.
fn refused_us(alert: AlertDescription) -> String {
    match alert {
        AlertDescription::CertificateRequired => {
            "it asks for a certificate, and this node has none".to_owned()
        }
        AlertDescription::CertificateExpired => "it refuses this node's certificate: expired".to_owned(),
        AlertDescription::UnknownCA => "it refuses this node's certificate: of another authority".to_owned(),
        AlertDescription::DecryptError => {
            "it refuses this node's certificate: of another authority of the same name".to_owned()
        }
        AlertDescription::BadCertificate
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::CertificateUnknown
        | AlertDescription::CertificateRevoked
        | AlertDescription::AccessDenied => format!("it refuses this node's certificate: {alert:?}"),
        other => format!("it broke the handshake off: {other:?}"),
    }
}
