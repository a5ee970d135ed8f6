//! What the settings, and the files that they name, leave open.

use super::{Finding, Level};
use crate::app::access::Keep;
use crate::clock;
use crate::config::{Config, is_secret};
use crate::net::trust::{ApiTrust, Certificate, ENDS_SOON, Role, Trust, is_open_to_others};
use dkron_core::time::Span;
use std::fs;
use std::net::IpAddr;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Everything that there is to say of these settings.
pub(super) fn look(config: &Config) -> Vec<Finding> {
    let mut findings = Vec::new();
    nodes(config, &mut findings);
    if config.server {
        api(config, &mut findings);
        addresses(config, &mut findings);
    }
    certificates(config, &mut findings);
    files(config, &mut findings);
    user(config, &mut findings);
    findings
}

/// What only this machine reaches is worth knowing, and no more.
fn level(ip: IpAddr) -> Level {
    if ip.is_loopback() { Level::Notice } else { Level::Open }
}

fn nodes(config: &Config, findings: &mut Vec<Finding>) {
    let level = level(config.bind.ip());
    if config.tls.is_none() {
        let what = match config.server {
            true => format!("calls between nodes at {}:{} have no TLS", config.bind.ip(), config.rpc_port),
            false => "this agent dials servers without TLS".to_owned(),
        };
        findings.push(Finding {
            level,
            id: "rpc-tls",
            what,
            why: "whoever is on the way reads jobs and output, and can pretend to be a server and run commands",
            mend: "dkron tls ca create, dkron tls cert create --server (and --agent), then --tls-ca-file, \
                   --tls-cert-file and --tls-key-file on every node"
                .to_owned(),
        });
    }
    let sealed = !config.gossip.keys.is_empty() || config.data_dir.join("keyring").exists();
    if config.server && !sealed {
        findings.push(Finding {
            level,
            id: "gossip-key",
            what: format!("gossip at {} has no key", config.bind),
            why: "whoever reaches the port can pretend that servers are there or gone",
            mend: "--encrypt=$(dkron keygen), the same key on every server".to_owned(),
        });
    }
}

fn api(config: &Config, findings: &mut Vec<Finding>) {
    let level = level(config.http.ip());
    if config.http_tls.is_none() {
        findings.push(Finding {
            level,
            id: "api-tls",
            what: format!("the API at {} has no TLS", config.http),
            why: "whoever is on the way reads tokens, jobs and output",
            mend: "dkron tls cert create --api --dns NAME, then --http-tls-cert-file and --http-tls-key-file; or \
                   a proxy with TLS on the same machine and --http-addr=127.0.0.1:8080"
                .to_owned(),
        });
    }
    if !Keep::new(config.data_dir.clone()).is_closed() {
        findings.push(Finding {
            level,
            id: "api-tokens",
            what: format!("the API at {} asks nobody for a token, as far as the disk knows", config.http),
            why: "whoever reaches it may run any command on all nodes",
            mend: "dkron token bootstrap".to_owned(),
        });
    }
}

fn addresses(config: &Config, findings: &mut Vec<Finding>) {
    let doors =
        [("the API", "--http-addr", config.http.ip()), ("the nodes' port", "--bind-addr", config.bind.ip())];
    for (door, flag, ip) in doors {
        let reach = match ip {
            ip if ip.is_unspecified() => "all addresses of this machine",
            ip if is_public(ip) => "a public address",
            _ => continue,
        };
        findings.push(Finding {
            level: Level::Notice,
            id: "public-address",
            what: format!("{door} listens on {reach}: {ip}"),
            why: "a firewall is all that keeps strangers from knocking",
            mend: format!("{flag}=ADDRESS with one of a private network"),
        });
    }
}

fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => !(ip.is_private() || ip.is_loopback() || ip.is_link_local() || ip.is_unspecified()),
        IpAddr::V6(ip) => {
            let first = ip.segments()[0];
            let local = first & 0xfe00 == 0xfc00 || first & 0xffc0 == 0xfe80;
            !(local || ip.is_loopback() || ip.is_unspecified())
        }
    }
}

fn certificates(config: &Config, findings: &mut Vec<Finding>) {
    let role = if config.server { Role::Server } else { Role::Agent };
    let between =
        config.tls.as_ref().map(|files| Trust::load(files, &config.region, role).map(|it| it.own()));
    let api = config.http_tls.as_ref().map(|files| ApiTrust::load(files).map(|it| it.own()));
    for (name, loaded) in [("tls-cert-file", between), ("http-tls-cert-file", api)] {
        match loaded {
            Some(Ok(own)) => findings.extend(end(name, &own)),
            Some(Err(error)) => findings.push(Finding {
                level: Level::Open,
                id: "certificate",
                what: error.to_string(),
                why: "the node does not start with it",
                mend: "dkron tls cert create makes one, dkron tls cert show FILE says what it is for"
                    .to_owned(),
            }),
            None => {}
        }
    }
}

fn end(name: &str, own: &Certificate) -> Option<Finding> {
    let left = own.not_after - clock::wall();
    if left >= ENDS_SOON {
        return None;
    }
    let (level, word) =
        if left <= Span::ZERO { (Level::Open, "has expired") } else { (Level::Notice, "ends soon") };
    Some(Finding {
        level,
        id: "certificate-end",
        what: format!("{name}: the certificate for {} {word}, at {}", own.shown(), own.not_after),
        why: "others refuse a node with an expired certificate",
        mend:
            "dkron tls cert create, and put the new files in the place of the old ones: they are read at once"
                .to_owned(),
    })
}

fn files(config: &Config, findings: &mut Vec<Finding>) {
    let keys = [
        config.tls.as_ref().map(|files| files.key_file.as_path()),
        config.http_tls.as_ref().map(|files| files.key_file.as_path()),
    ];
    let settings = config.file.as_deref().filter(|_| {
        let in_file = |origin: &str| {
            config.file.as_ref().is_some_and(|file| origin.starts_with(&*file.to_string_lossy()))
        };
        config
            .shown()
            .iter()
            .any(|shown| is_secret(shown.name) && !shown.value.is_empty() && in_file(&shown.origin))
    });
    for path in keys.into_iter().flatten().chain(settings) {
        if is_open_to_others(path) == Some(true) {
            findings.push(readable(path, "600"));
        }
    }
    let data = config.data_dir.as_path();
    if is_open_to_others(data) == Some(true) {
        findings.push(Finding { level: Level::Notice, ..readable(data, "700") });
    }
}

fn readable(path: &Path, mode: &str) -> Finding {
    Finding {
        level: Level::Open,
        id: "readable-file",
        what: format!("others on this machine may read '{}'", path.display()),
        why: "it holds keys, or what jobs and their output hold",
        mend: format!("chmod {mode} '{}'", path.display()),
    }
}

/// Jobs run as the node's user unless they say otherwise. Who that is the data directory says, once there is one.
fn user(config: &Config, findings: &mut Vec<Finding>) {
    let owner = fs::metadata(&config.data_dir).map(|found| found.uid());
    let user = owner.unwrap_or_else(|_| rustix::process::geteuid().as_raw());
    if user == 0 {
        findings.push(Finding {
            level: Level::Notice,
            id: "root",
            what: "the node runs as root".to_owned(),
            why: "whoever may store a job may do everything on this machine",
            mend: "run it as a user of its own (systemd: User=dkron); `su` in jobs needs root".to_owned(),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn public_addresses_are_told_from_private_ones() {
        for public in ["8.8.8.8", "2001:4860::1"] {
            assert!(is_public(public.parse().expect("an address")), "{public}");
        }
        for private in
            ["10.0.0.1", "192.168.1.1", "172.16.0.1", "127.0.0.1", "169.254.0.1", "fd00::1", "fe80::1", "::1"]
        {
            assert!(!is_public(private.parse().expect("an address")), "{private}");
        }
    }
}
