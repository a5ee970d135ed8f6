//! `dkron supervise`: the process that spawns an agent's jobs. Started by the agent, not by people.

use super::Failure;
use crate::agent::supervisor::{self, Options};
use std::path::PathBuf;
use std::process::ExitCode;

/// The supervisor's settings.
#[derive(clap::Args)]
pub(super) struct Supervise {
    /// The daemon's data directory
    #[arg(long, value_name = "DIRECTORY")]
    data_dir: PathBuf,
}

impl Supervise {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        supervisor::run(&Options::new(self.data_dir)).map_err(anyhow::Error::from)?;
        Ok(ExitCode::SUCCESS)
    }
}
