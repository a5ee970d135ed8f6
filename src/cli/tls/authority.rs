//! `dkron tls ca create`: the authority of a cluster, whose key signs and is needed for nothing else.

use super::files::{PUBLIC, SECRET, write};
use super::made;
use crate::cli::Failure;
use std::path::PathBuf;
use std::process::ExitCode;

/// The file names of an authority.
pub(super) const CERTIFICATE: &str = "dkron-ca.pem";
pub(super) const KEY: &str = "dkron-ca-key.pem";

#[derive(clap::Args)]
pub(super) struct Authority {
    #[command(subcommand)]
    command: Wish,
}

#[derive(clap::Subcommand)]
enum Wish {
    /// Make a new authority: dkron-ca.pem and dkron-ca-key.pem
    Create(Create),
}

#[derive(clap::Args)]
struct Create {
    /// Where to put the files
    #[arg(long, default_value = ".", value_name = "DIRECTORY")]
    directory: PathBuf,
    #[arg(long, help = "What the authority is called [default: dkron authority and a random number]")]
    name: Option<String>,
    /// How long it holds
    #[arg(long, default_value_t = 3_650, value_parser = clap::value_parser!(u32).range(1..=36_500))]
    days: u32,
}

impl Authority {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let Wish::Create(create) = self.command;
        // Two of one name could not be told apart in what is said of them.
        let name = create.name.map_or_else(fresh_name, Ok)?;
        let pair = made::authority(&name, create.days)?;
        let (certificate, key) = (create.directory.join(CERTIFICATE), create.directory.join(KEY));
        write(&[(&key, &pair.key, SECRET), (&certificate, &pair.certificate, PUBLIC)])?;
        println!("{}", certificate.display());
        println!("{}", key.display());
        eprintln!(
            "Give {CERTIFICATE} to every node (--tls-ca-file). Keep {KEY} off the nodes, best off line: who has it \
             can be any server. Next: dkron tls cert create --server"
        );
        Ok(ExitCode::SUCCESS)
    }
}

fn fresh_name() -> anyhow::Result<String> {
    let mut bytes = [0; 4];
    getrandom::fill(&mut bytes)
        .map_err(|error| anyhow::anyhow!("the system has no random bytes: {error}"))?;
    Ok(format!("dkron authority {:08x}", u32::from_be_bytes(bytes)))
}
