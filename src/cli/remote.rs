//! How a command reaches a server's API: where it is, which token it sends, whom it trusts.

use super::Failure;
use crate::client::{Access, Api};
use anyhow::Context;
use std::fs;
use std::path::PathBuf;

/// Where the API is and how to get in.
#[derive(clap::Args)]
pub(super) struct Remote {
    /// The API of any server
    #[arg(long, env = "DKRON_API_URL", default_value = "http://localhost:8080", value_name = "URL")]
    pub(super) url: String,
    /// The token to send; on a command line others on this machine may see it
    #[arg(long, env = "DKRON_API_TOKEN", hide_env_values = true, value_name = "TOKEN")]
    token: Option<String>,
    /// A file with the token to send
    #[arg(long, value_name = "FILE", conflicts_with = "token")]
    token_file: Option<PathBuf>,
    /// The authority of the server's certificate, PEM [default: those of the system]
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// The certificate to show, PEM
    #[arg(long, value_name = "FILE", requires = "key_file")]
    cert_file: Option<PathBuf>,
    /// Its private key, PEM
    #[arg(long, value_name = "FILE", requires = "cert_file")]
    key_file: Option<PathBuf>,
}

impl Remote {
    /// The client.
    pub(super) fn api(&self) -> Result<Api, Failure> {
        let token = match (&self.token, &self.token_file) {
            (Some(token), _) => Some(token.clone()),
            (None, Some(path)) => {
                let text = fs::read_to_string(path);
                let text = text.with_context(|| format!("--token-file: '{}'", path.display()))?;
                Some(text.trim().to_owned())
            }
            (None, None) => None,
        };
        Ok(self.api_with(token.filter(|token| !token.is_empty()))?)
    }

    /// A client that sends this token, or none.
    pub(super) fn api_with(&self, token: Option<String>) -> anyhow::Result<Api> {
        Api::new(Access {
            url: self.url.clone(),
            token,
            ca_file: self.ca_file.clone(),
            identity: self.cert_file.clone().zip(self.key_file.clone()),
        })
    }
}
