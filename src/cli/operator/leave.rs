//! `dkron leave`: a node leaves its cluster for good, and its process ends.
//!
//! A server is asked on its port for calls. An agent has no port: it is found by its data directory, on its own
//! machine, and asked with SIGTERM, by which it says farewell.

use super::raft::{peer_json, peers_table};
use super::{Door, Failure, NOT_FOUND, Output, UNFINISHED};
use crate::agent::{self, Daemon};
use crate::clock;
use anyhow::{Context, anyhow};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// How long an agent may take to say farewell and end.
const END_WAIT: Duration = Duration::from_secs(30);

/// How to leave.
#[derive(clap::Args)]
pub(in crate::cli) struct Leave {
    #[command(flatten)]
    door: Door,
    /// An agent's data directory, on this machine: agents have no port that could be asked
    #[arg(long, value_name = "DIRECTORY")]
    data_dir: Option<PathBuf>,
}

impl Leave {
    pub(in crate::cli) fn run(self) -> Result<ExitCode, Failure> {
        if let Some(data_dir) = &self.data_dir {
            return leave_agent(data_dir, self.door.output);
        }
        let left = self.door.ask(async |mut operator| Ok(operator.leave().await?)).map_err(explained)?;
        let table = || format!("Left the cluster successfully. The servers now:\n\n{}", peers_table(&left));
        Ok(self
            .door
            .print(table, || json!({"left": true, "peers": left.iter().map(peer_json).collect::<Vec<_>>()})))
    }
}

/// Where nothing listens there may be an agent.
fn explained(failure: Failure) -> Failure {
    let nobody = failure.error.downcast_ref::<crate::client::Error>();
    match nobody {
        Some(crate::client::Error::Unreached { .. }) => Failure {
            error: failure.error.context(
                "an agent takes no calls: have it leave with --data-dir on its own machine, or stop it with SIGTERM",
            ),
            code: failure.code,
        },
        _ => failure,
    }
}

fn leave_agent(data_dir: &Path, output: Output) -> Result<ExitCode, Failure> {
    let shown = data_dir.display();
    let found = agent::daemon(data_dir).with_context(|| format!("{shown} cannot be looked at"))?;
    let pid = match found {
        Some(Daemon { pid, server: false }) => pid,
        Some(Daemon { server: true, .. }) => {
            return Err(Failure::misused(anyhow!(
                "--data-dir: '{shown}' is a server's: servers are asked with --rpc-addr"
            )));
        }
        None => return Err(Failure { error: anyhow!("no agent runs in {shown}"), code: NOT_FOUND }),
    };
    let process = Pid::from_raw(pid).ok_or_else(|| anyhow!("{pid} is no process"))?;
    kill_process(process, Signal::TERM).with_context(|| format!("process {pid} cannot be told"))?;
    let deadline = clock::monotonic() + END_WAIT;
    while agent::daemon(data_dir).is_ok_and(|still| still.is_some_and(|still| still.pid == pid)) {
        if clock::monotonic() >= deadline {
            let error = anyhow!("process {pid} still runs after {} s", END_WAIT.as_secs());
            return Err(Failure { error, code: UNFINISHED });
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    match output {
        Output::Table => println!("Left the cluster successfully"),
        Output::Json => println!("{:#}", json!({"left": true})),
    }
    Ok(ExitCode::SUCCESS)
}
