//! What certificates are made of: names, uses, times, a key of their own.

use crate::clock;
use crate::net::trust::{Role, node_uri};
use anyhow::Context;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, SanType, date_time_ymd,
};
use std::net::IpAddr;
use std::time::Duration;

const DAY: Duration = Duration::from_secs(86_400);
/// So much before now a certificate begins to hold: clocks differ.
const BEFORE: Duration = Duration::from_secs(3_600);

/// A certificate and its private key, PEM.
pub(super) struct Pair {
    pub(super) certificate: String,
    pub(super) key: String,
}

/// What a certificate is to be for.
pub(super) struct Wish {
    /// The subject's common name.
    pub(super) subject: String,
    /// Its role in a region; none for a certificate that only the API shows.
    pub(super) role: Option<(Role, String)>,
    /// The nodes that it is bound to.
    pub(super) nodes: Vec<String>,
    pub(super) names: Vec<String>,
    pub(super) addresses: Vec<IpAddr>,
    pub(super) days: u32,
}

/// An authority of its own.
pub(super) fn authority(subject: &str, days: u32) -> anyhow::Result<Pair> {
    let key = KeyPair::generate().context("no key can be made")?;
    let mut params = params(subject, days);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let certificate = params.self_signed(&key).context("no certificate can be made")?;
    Ok(Pair { certificate: certificate.pem(), key: key.serialize_pem() })
}

/// A certificate signed by an authority, given by its certificate and key.
pub(super) fn signed(authority: &Pair, wish: &Wish) -> anyhow::Result<Pair> {
    let authority_key = KeyPair::from_pem(&authority.key).context("--ca-key-file: holds no private key")?;
    let issuer = Issuer::from_ca_cert_pem(&authority.certificate, authority_key);
    let issuer = issuer.context("--ca-file: is no authority's certificate")?;
    let key = KeyPair::generate().context("no key can be made")?;
    let mut params = params(&wish.subject, wish.days);
    params.use_authority_key_identifier_extension = true;
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = uses(wish.role.as_ref().map(|(role, _)| *role));
    params.subject_alt_names = alternatives(wish)?;
    let certificate = params.signed_by(&key, &issuer).context("no certificate can be made")?;
    Ok(Pair { certificate: certificate.pem(), key: key.serialize_pem() })
}

/// A server is dialled and dials; an agent only dials; what only the API shows is only dialled.
fn uses(role: Option<Role>) -> Vec<ExtendedKeyUsagePurpose> {
    use ExtendedKeyUsagePurpose::{ClientAuth, ServerAuth};
    match role {
        Some(Role::Server) => vec![ServerAuth, ClientAuth],
        Some(Role::Agent | Role::Client | Role::Operator) => vec![ClientAuth],
        None => vec![ServerAuth],
    }
}

fn alternatives(wish: &Wish) -> anyhow::Result<Vec<SanType>> {
    let role = wish.role.iter().map(|(role, region)| role.name(region));
    let mut alternatives = Vec::new();
    for name in role.chain(wish.names.iter().cloned()) {
        let text = name.as_str().try_into();
        alternatives.push(SanType::DnsName(text.with_context(|| format!("'{name}' cannot be a DNS name"))?));
    }
    for node in &wish.nodes {
        let uri = node_uri(node);
        alternatives.push(SanType::URI(uri.as_str().try_into().context("--node-name")?));
    }
    alternatives.extend(wish.addresses.iter().map(|address| SanType::IpAddress(*address)));
    Ok(alternatives)
}

fn params(subject: &str, days: u32) -> CertificateParams {
    let mut params = CertificateParams::default();
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, subject);
    params.distinguished_name = name;
    let now = Duration::from_nanos(u64::try_from(clock::wall().nanos()).unwrap_or(0));
    let epoch = date_time_ymd(1970, 1, 1);
    params.not_before = epoch + now.saturating_sub(BEFORE);
    params.not_after = epoch + now + DAY * days;
    params
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::trust::Certificate;
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject;

    #[test]
    fn a_certificate_says_what_it_was_made_for() {
        let authority = authority("test", 10).expect("an authority");
        let wish = Wish {
            subject: "agent.eu.dkron".to_owned(),
            role: Some((Role::Agent, "eu".to_owned())),
            nodes: vec!["agent 1".to_owned()],
            names: vec!["a.example".to_owned()],
            addresses: vec![IpAddr::from([10, 0, 0, 1])],
            days: 5,
        };
        let pair = signed(&authority, &wish).expect("a certificate");
        let der = CertificateDer::from_pem_slice(pair.certificate.as_bytes()).expect("PEM");
        let read = Certificate::read(&der).expect("a certificate");
        assert_eq!(read.names, ["agent.eu.dkron", "a.example"]);
        assert_eq!(read.nodes, ["agent 1"]);
        assert!(read.has_role(Role::Agent, "eu") && !read.has_role(Role::Server, "eu"));
        let length = read.not_after - read.not_before;
        assert_eq!(length.nanos() / 1_000_000_000, 5 * 86_400 + 3_600);
        assert!(pair.key.contains("BEGIN PRIVATE KEY") && !pair.certificate.contains("PRIVATE"));
    }
}
