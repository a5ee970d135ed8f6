//! The REST API, as a client sees it.

use anyhow::{Context, anyhow};
use reqwest::{Certificate, Client, Identity, Method, header};
use serde_json::Value;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

/// How long an answer may take: longer than a server looks for a leader.
const ANSWER_WAIT: Duration = Duration::from_secs(20);
/// How long a connection may take to come up.
const CONNECT_WAIT: Duration = Duration::from_secs(5);

/// How a server is reached.
#[derive(Clone, Default)]
pub struct Access {
    /// `http://host:port` or `https://host:port`.
    pub url: String,
    /// The token to send.
    pub token: Option<String>,
    /// The authority of the server's certificate; the system's own if none.
    pub ca_file: Option<PathBuf>,
    /// The certificate to show, and its key.
    pub identity: Option<(PathBuf, PathBuf)>,
}

/// A client of one server.
pub struct Api {
    client: Client,
    access: Access,
}

/// What came back.
pub struct Reply {
    /// The status.
    pub status: u16,
    /// The server's own time, if it said it.
    pub date: Option<String>,
    /// The body.
    pub body: String,
}

impl Api {
    /// A client.
    ///
    /// # Errors
    /// With the file that cannot be used.
    pub fn new(access: Access) -> anyhow::Result<Api> {
        // The one TLS provider of the process; an error means that it is set already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = Client::builder().no_proxy().timeout(ANSWER_WAIT).connect_timeout(CONNECT_WAIT);
        if let Some(path) = &access.ca_file {
            let pem = fs::read(path).with_context(|| format!("--ca-file: '{}'", path.display()))?;
            let roots = Certificate::from_pem_bundle(&pem);
            builder =
                builder.tls_certs_only(roots.with_context(|| format!("--ca-file: '{}'", path.display()))?);
        }
        if let Some((certificate, key)) = &access.identity {
            let mut pem =
                fs::read(certificate).with_context(|| format!("--cert-file: '{}'", certificate.display()))?;
            pem.push(b'\n');
            pem.extend(fs::read(key).with_context(|| format!("--key-file: '{}'", key.display()))?);
            builder = builder.identity(Identity::from_pem(&pem).context("--cert-file, --key-file")?);
        }
        let client = match builder.build() {
            Ok(client) => client,
            // A machine without certificates of its own can still speak plain HTTP.
            Err(_) if access.ca_file.is_none() && access.identity.is_none() => {
                let builder = Client::builder().no_proxy().timeout(ANSWER_WAIT).tls_certs_only([]);
                builder.build().context("the HTTP client does not start")?
            }
            Err(error) => return Err(error).context("the HTTP client does not start"),
        };
        let url = access.url.trim_end_matches('/').to_owned();
        Ok(Api { client, access: Access { url, ..access } })
    }

    /// Asks, with a JSON body and further headers.
    ///
    /// # Errors
    /// With the address if nothing answers there.
    pub async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        headers: &[(&'static str, &str)],
    ) -> anyhow::Result<Reply> {
        let url = format!("{}{path}", self.access.url);
        let mut request = self.client.request(method, &url);
        if let Some(token) = &self.access.token {
            request = request.bearer_auth(token);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.header(header::CONTENT_TYPE, "application/json").body(body.to_string());
        }
        let response = request
            .send()
            .await
            .map_err(|error| anyhow!(told(error)).context(format!("{url} does not answer")))?;
        let date =
            response.headers().get(header::DATE).and_then(|date| date.to_str().ok()).map(str::to_owned);
        let status = response.status().as_u16();
        let body = response.text().await.map_err(|error| anyhow!(told(error)))?;
        Ok(Reply { status, date, body })
    }

    /// The JSON of an answer with a good status.
    ///
    /// # Errors
    /// With the server's own words if it refuses.
    pub async fn json(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        headers: &[(&'static str, &str)],
    ) -> anyhow::Result<Value> {
        let reply = self.ask(method, path, body, headers).await?;
        match reply.status {
            200..=299 => serde_json::from_str(&reply.body)
                .with_context(|| format!("{} answers what is no JSON", self.access.url)),
            status => Err(anyhow!("{} answers {status}: {}", self.access.url, reply.body.trim())),
        }
    }
}

/// An error and its causes in one line.
fn told(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(found) = cause {
        text.push_str(": ");
        text.push_str(&found.to_string());
        cause = found.source();
    }
    text
}
