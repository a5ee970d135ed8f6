//! `dkron tls cert`: certificates by role, made and looked at.

use super::authority::{CERTIFICATE, KEY};
use super::files::{PUBLIC, SECRET, write};
use super::made::{self, Pair, Wish};
use crate::cli::Failure;
use crate::net::trust::{Certificate, Role};
use anyhow::Context;
use clap::ArgGroup;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(clap::Args)]
pub(super) struct Certificates {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Make a certificate and its key, signed by the authority
    Create(Create),
    /// Say what a certificate is for and until when
    Show(Show),
}

#[derive(clap::Args)]
#[group(skip)]
#[command(group = ArgGroup::new("kind").required(true).args(["server", "agent", "client", "operator", "api"]))]
struct Create {
    /// For a server: it votes, stores, and may be dialled
    #[arg(long)]
    server: bool,
    /// For a node that only runs work
    #[arg(long)]
    agent: bool,
    /// For a person or a program that calls an API with --http-tls-client-ca-file
    #[arg(long)]
    client: bool,
    /// For a person or a program that operates the cluster by way of the nodes' own port
    #[arg(long)]
    operator: bool,
    /// For the API alone: names and addresses that clients dial
    #[arg(long)]
    api: bool,
    /// The region, as the nodes' --region
    #[arg(long, default_value = "global")]
    region: String,
    /// Bind it to the node of this name: it speaks as no other; may be given several times
    #[arg(long, value_name = "NAME")]
    node_name: Vec<String>,
    /// A DNS name that clients of the API dial [default for --api: localhost]
    #[arg(long, value_name = "NAME")]
    dns: Vec<String>,
    /// An address that clients of the API dial [default for --api: 127.0.0.1]
    #[arg(long, value_name = "ADDRESS")]
    ip: Vec<IpAddr>,
    /// How long it holds
    #[arg(long, default_value_t = 365, value_parser = clap::value_parser!(u32).range(1..=36_500))]
    days: u32,
    /// The authority's certificate
    #[arg(long, default_value = CERTIFICATE, value_name = "FILE")]
    ca_file: PathBuf,
    /// The authority's key
    #[arg(long, default_value = KEY, value_name = "FILE")]
    ca_key_file: PathBuf,
    /// Where to put the files
    #[arg(long, default_value = ".", value_name = "DIRECTORY")]
    directory: PathBuf,
    /// What the files are called, before .pem and -key.pem [default: role, region and node]
    #[arg(long, value_name = "NAME")]
    file_name: Option<String>,
}

#[derive(clap::Args)]
struct Show {
    /// The certificate, PEM
    file: PathBuf,
}

impl Certificates {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        match self.command {
            Command::Create(create) => create.run(),
            Command::Show(show) => show.run(),
        }
    }
}

impl Create {
    fn run(self) -> Result<ExitCode, Failure> {
        let role = self.role();
        let wish = self.wish(role);
        let read = |flag: &str, path: &Path| {
            fs::read_to_string(path).with_context(|| {
                format!(
                    "{flag}: '{}' cannot be read (`dkron tls ca create` makes an authority)",
                    path.display()
                )
            })
        };
        let authority = Pair {
            certificate: read("--ca-file", &self.ca_file)?,
            key: read("--ca-key-file", &self.ca_key_file)?,
        };
        let pair = made::signed(&authority, &wish)?;
        let stem = self.file_name.clone().unwrap_or_else(|| stem(&wish));
        let certificate = self.directory.join(format!("{stem}.pem"));
        let key = self.directory.join(format!("{stem}-key.pem"));
        write(&[(&key, &pair.key, SECRET), (&certificate, &pair.certificate, PUBLIC)])?;
        println!("{}", certificate.display());
        println!("{}", key.display());
        eprintln!("{}", advice(role, &self.ca_file, &certificate, &key));
        Ok(ExitCode::SUCCESS)
    }

    fn role(&self) -> Option<Role> {
        let kinds = [
            (self.server, Role::Server),
            (self.agent, Role::Agent),
            (self.client, Role::Client),
            (self.operator, Role::Operator),
        ];
        kinds.into_iter().find(|(asked, _)| *asked).map(|(_, role)| role)
    }

    fn wish(&self, role: Option<Role>) -> Wish {
        let named = !self.dns.is_empty() || !self.ip.is_empty() || role.is_some();
        let (names, addresses) = match named {
            true => (self.dns.clone(), self.ip.clone()),
            false => (vec!["localhost".to_owned()], vec![IpAddr::from([127, 0, 0, 1])]),
        };
        let role = role.map(|role| (role, self.region.clone()));
        let subject = match &role {
            Some((role, region)) => role.name(region),
            None => names.first().cloned().or(addresses.first().map(IpAddr::to_string)).unwrap_or_default(),
        };
        Wish { subject, role, nodes: self.node_name.clone(), names, addresses, days: self.days }
    }
}

/// `server.global.dkron`, `agent1.agent.global.dkron`, `api.localhost`.
fn stem(wish: &Wish) -> String {
    let base = if wish.role.is_some() { wish.subject.clone() } else { format!("api.{}", wish.subject) };
    let stem = wish.nodes.first().map_or(base.clone(), |node| format!("{node}.{base}"));
    stem.replace(['/', ' '], "-")
}

/// What to do with what was made.
fn advice(role: Option<Role>, authority: &Path, certificate: &Path, key: &Path) -> String {
    let (authority, certificate, key) = (authority.display(), certificate.display(), key.display());
    match role {
        Some(Role::Server) => format!(
            "Start every server with: --tls-ca-file={authority} --tls-cert-file={certificate} --tls-key-file={key} \
             and one --encrypt key for all (`dkron keygen`). All nodes need TLS, or none."
        ),
        Some(Role::Agent) => format!(
            "Start the agent with: --tls-ca-file={authority} --tls-cert-file={certificate} --tls-key-file={key}"
        ),
        Some(Role::Operator) => format!(
            "Operate with: dkron raft, node, members, leave, keyring and --tls-ca-file={authority} \
             --tls-cert-file={certificate} --tls-key-file={key}"
        ),
        Some(Role::Client) => {
            format!("Use it with: --ca-file {authority} --cert-file {certificate} --key-file {key}")
        }
        None => format!(
            "Start the server with: --http-tls-cert-file={certificate} --http-tls-key-file={key}; clients trust \
             {authority} (curl --cacert, dkron token --ca-file)"
        ),
    }
}

impl Show {
    fn run(self) -> Result<ExitCode, Failure> {
        let whose = || format!("'{}'", self.file.display());
        let pem = fs::read(&self.file).with_context(whose)?;
        let der = CertificateDer::from_pem_slice(&pem).with_context(whose)?;
        let read = Certificate::read(&der).map_err(anyhow::Error::msg).with_context(whose)?;
        let list =
            |words: &[String], none: &str| if words.is_empty() { none.to_owned() } else { words.join(", ") };
        println!("subject  {}", read.subject);
        println!("names    {}", list(&read.names, "none"));
        println!("nodes    {}", list(&read.nodes, "any of its role"));
        println!("from     {}", read.not_before);
        println!("until    {}", read.not_after);
        Ok(ExitCode::SUCCESS)
    }
}
