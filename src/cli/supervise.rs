//! `dkron supervise`: the process that spawns an agent's jobs. Started by the agent, not by people.

use super::Failure;
use std::process::ExitCode;

/// The supervisor's settings.
#[derive(clap::Args)]
pub(super) struct Supervise {}

impl Supervise {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        Err(Failure::misused(anyhow::anyhow!("this build has no supervisor to run")))
    }
}
