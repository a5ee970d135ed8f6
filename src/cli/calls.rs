//! How a command reaches a server's port for calls: where it is, and whom it trusts.

use super::Failure;
use crate::config::{Surroundings, Tls, call_address};
use crate::net::trust::{Role, Trust};
use crate::net::{self, Dialer};
use anyhow::anyhow;
use std::path::PathBuf;

/// Where a server takes calls and how to get in.
#[derive(clap::Args)]
pub(super) struct Calls {
    /// Where a server takes calls; an address without a port means 6868
    #[arg(long, global = true, default_value = "{{ GetPrivateIP }}:6868", value_name = "ADDRESS")]
    rpc_addr: String,
    /// The authority of the servers' certificates, PEM; calls go over TLS with it
    #[arg(long, global = true, env = "DKRON_TLS_CA_FILE", value_name = "FILE")]
    tls_ca_file: Option<PathBuf>,
    /// The certificate to show, of the role operator, PEM
    #[arg(long, global = true, env = "DKRON_TLS_CERT_FILE", value_name = "FILE")]
    tls_cert_file: Option<PathBuf>,
    /// Its private key, PEM
    #[arg(long, global = true, env = "DKRON_TLS_KEY_FILE", value_name = "FILE")]
    tls_key_file: Option<PathBuf>,
    /// The servers' region, which their certificates name
    #[arg(long, global = true, env = "DKRON_REGION", default_value = "global", value_name = "REGION")]
    region: String,
}

impl Calls {
    /// `host:port`.
    pub(super) fn address(&self) -> Result<String, Failure> {
        let address = call_address("--rpc-addr", &self.rpc_addr, &Surroundings::real());
        Ok(address.map_err(|problem| Failure::misused(anyhow!("{problem}")))?.to_string())
    }

    /// The way to dial it.
    pub(super) fn dialer(&self) -> Result<Dialer, Failure> {
        let files = match (&self.tls_ca_file, &self.tls_cert_file, &self.tls_key_file) {
            (None, None, None) => return Ok(Dialer::default()),
            (Some(ca_file), Some(cert_file), Some(key_file)) => {
                Tls { ca_file: ca_file.clone(), cert_file: cert_file.clone(), key_file: key_file.clone() }
            }
            _ => {
                let problem = "--tls-ca-file, --tls-cert-file and --tls-key-file: give all three or none";
                return Err(Failure::misused(anyhow!("{problem}")));
            }
        };
        let trust = Trust::load(&files, &self.region, Role::Operator).map_err(net::Error::from);
        Ok(Dialer::new(Some(trust.map_err(Failure::misused)?)))
    }
}
