//! `dkron completion`: what a shell needs to complete this program's words.

use super::{Failure, Line};
use anyhow::Context;
use clap::CommandFactory;
use clap_complete::Shell;
use std::io::Write;
use std::process::ExitCode;

/// For which shell.
#[derive(clap::Args)]
pub(super) struct Completion {
    /// The shell, as in: source <(dkron completion bash)
    #[arg(value_enum)]
    shell: Shell,
}

impl Completion {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Line::command(), "dkron", &mut script);
        std::io::stdout().write_all(&script).context("the script cannot be written")?;
        Ok(ExitCode::SUCCESS)
    }
}
