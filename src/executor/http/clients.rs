//! The clients, one for each set of TLS settings: a client owns a pool of warm connections.

use super::super::output::Output;
use super::settings::Tls;
use crate::task;
use reqwest::{Certificate, Client, Identity};
use std::fs;
use std::sync::Mutex;
use std::time::{Duration, SystemTime};

/// Most clients kept: as Dkron, a hundred; the longest unused gives way.
const CLIENTS_MAX: usize = 100;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);

/// The settings, and when their files were changed: a renewed certificate makes another client.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Key {
    tls: Tls,
    changed: [Option<SystemTime>; 3],
}

/// The clients in use, the latest used last.
#[derive(Default)]
pub(super) struct Clients(Mutex<Vec<(Key, Client)>>);

impl Clients {
    /// The client for these settings; what is wrong with their files is said in the output.
    pub(super) async fn get(&self, tls: &Tls, output: &mut Output) -> Result<Client, String> {
        if *tls == Tls::default()
            && let Some(client) = self.find(&Key { tls: Tls::default(), changed: [None; 3] })
        {
            return Ok(client);
        }
        let tls = tls.clone();
        let built = task::blocking("http client", move || (key(&tls), build(&tls))).await;
        let (key, (client, warnings)) = built.map_err(|error| error.to_string())?;
        warnings.iter().for_each(|warning| output.push_line(warning));
        match self.find(&key) {
            Some(client) => Ok(client),
            None => client.map(|client| self.keep(key, client)),
        }
    }

    fn find(&self, key: &Key) -> Option<Client> {
        let mut clients = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let position = clients.iter().position(|(found, _)| found == key)?;
        let found = clients.remove(position);
        let client = found.1.clone();
        clients.push(found);
        Some(client)
    }

    fn keep(&self, key: Key, client: Client) -> Client {
        let mut clients = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if clients.len() >= CLIENTS_MAX {
            clients.remove(0);
        }
        clients.push((key, client.clone()));
        client
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).len()
    }
}

fn key(tls: &Tls) -> Key {
    let changed = |path: &str| fs::metadata(path).and_then(|metadata| metadata.modified()).ok();
    let changed = [&tls.certificate, &tls.key, &tls.roots].map(|path| changed(path));
    Key { tls: tls.clone(), changed }
}

fn build(tls: &Tls) -> (Result<Client, String>, Vec<String>) {
    // The one TLS provider of the process; an error means that it is set already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut warnings = Vec::new();
    let identity = identity(tls).unwrap_or_else(|warning| note(&mut warnings, warning));
    let roots = roots(tls).unwrap_or_else(|warning| note(&mut warnings, warning));
    let client = || {
        let builder = Client::builder()
            .no_proxy()
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_idle_timeout(IDLE_TIMEOUT)
            .tls_danger_accept_invalid_certs(tls.no_verify);
        match &identity {
            Some(identity) => builder.identity(identity.clone()),
            None => builder,
        }
    };
    let built = match roots {
        Some(roots) => client().tls_certs_only(roots).build(),
        // A machine without certificates of its own can still speak plain HTTP.
        None => client().build().or_else(|_| client().tls_certs_only([]).build()),
    };
    (built.map_err(|error| super::chain(&error)), warnings)
}

fn note<T>(warnings: &mut Vec<String>, warning: String) -> Option<T> {
    warnings.push(format!("Warning: {warning}"));
    None
}

fn identity(tls: &Tls) -> Result<Option<Identity>, String> {
    if tls.certificate.is_empty() && tls.key.is_empty() {
        return Ok(None);
    }
    let mut pem = read(&tls.certificate)?;
    pem.push(b'\n');
    pem.extend(read(&tls.key)?);
    Identity::from_pem(&pem).map(Some).map_err(|error| super::chain(&error))
}

fn roots(tls: &Tls) -> Result<Option<Vec<Certificate>>, String> {
    if tls.roots.is_empty() {
        return Ok(None);
    }
    Certificate::from_pem_bundle(&read(&tls.roots)?).map(Some).map_err(|error| super::chain(&error))
}

fn read(path: &str) -> Result<Vec<u8>, String> {
    fs::read(path).map_err(|error| format!("{path}: {error}"))
}
