//! `dkron tls`: an authority of one's own, and certificates of it that name region and role.

mod authority;
mod certificate;
mod files;
mod made;

use super::Failure;
use clap::Subcommand;
use std::process::ExitCode;

/// The commands on certificates.
#[derive(clap::Args)]
pub(super) struct Tls {
    #[command(subcommand)]
    command: Subject,
}

#[derive(Subcommand)]
enum Subject {
    /// The authority that signs all certificates of a cluster
    Ca(authority::Authority),
    /// Certificates of nodes, of the API, of people and programs
    Cert(certificate::Certificates),
}

impl Tls {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        match self.command {
            Subject::Ca(command) => command.run(),
            Subject::Cert(command) => command.run(),
        }
    }
}
