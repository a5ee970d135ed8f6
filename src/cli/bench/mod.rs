//! `dkron bench`: what a whole node does, from outside, as ratios of what the machine itself does.
//!
//! - Does: measures the machine, then runs scenarios, each on a fresh node of this very binary, or on a
//!   cluster that runs already; prints figures with their goals.
//! - Owns: the nodes that it starts, their folders, and the jobs that it stores.
//! - Never: uses another door than the REST API; touches jobs that are not its own.
//! - Fails: where a node does not start or answer. A goal that is missed is no failure: it is printed.
//!
//! docs/benchmarks.md explains the figures. A scenario is a file in `scenario/`; `target` is what it measures,
//! `load` what most of them do to it.

mod api;
mod load;
mod node;
mod processes;
mod rates;
mod report;
mod scenario;
mod sink;
mod target;

use super::{Failure, Output};
use anyhow::Context;
use rates::Rates;
use report::Printer;
use scenario::{Bench, Scenario};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

/// What is to be measured, and how.
#[derive(clap::Args, Clone, Debug)]
#[command(
    after_help = "Each scenario runs on a fresh node of this binary (or on several: --servers), unless \
    --url names a cluster. \
    The jobs of `launches`, `lateness` and `burst` need the executor `noop`, which a node has only with \
    --enable-bench-executor. Figures are worth comparing only with the raw rates of the same run; the machine \
    should do nothing else meanwhile."
)]
pub(super) struct Options {
    /// What to measure, in this order [default: all that the target allows]
    #[arg(value_enum)]
    scenarios: Vec<Scenario>,
    /// A running cluster to measure instead of own nodes; may be given several times for its servers
    #[arg(long, value_name = "URL")]
    url: Vec<String>,
    /// Of how many servers the own clusters are [default: 1, and 3 for `failover`]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=7))]
    servers: Option<u8>,
    /// How often `failover` kills the leader
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    kills: u32,
    /// How many launches a second to ask for [default: 20000 launches, 5000 http, the raw rate of shell,
    /// 1000 lateness]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    rate: Option<u32>,
    /// For how many seconds
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=100))]
    seconds: u32,
    /// How many jobs `jobs` stores and `burst` has due at once [default: 1000000 and 10000]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    jobs: Option<u32>,
    /// Where own nodes keep their data, and where the disk is measured [default: the system's folder for
    /// temporary files]
    #[arg(long, value_name = "DIRECTORY")]
    folder: Option<PathBuf>,
    /// Where the server listens that http jobs call; agents must reach it
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// How to print the figures
    #[arg(long, default_value = "table", value_enum)]
    output: Output,
}

impl Options {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let runtime = tokio::runtime::Runtime::new().context("the asynchronous runtime does not start")?;
        runtime.block_on(self.measure())?;
        Ok(ExitCode::SUCCESS)
    }

    async fn measure(self) -> anyhow::Result<()> {
        let chosen = match self.scenarios.as_slice() {
            [] => Scenario::all(!self.url.is_empty()),
            some => some.to_vec(),
        };
        for scenario in &chosen {
            scenario.is_possible(&self)?;
        }
        let folder = self.folder.clone().unwrap_or_else(std::env::temp_dir);
        let rates = Rates::measure(&folder, self.listen).await?;
        let mut printer = Printer::new(self.output);
        if let Output::Table = self.output {
            printer.add(rates.section());
        }
        let bench = Bench { options: self, folder, rates };
        for scenario in chosen {
            let section = scenario.run(&bench).await;
            printer.add(section.with_context(|| format!("scenario {scenario:?}"))?);
        }
        printer.finish(&bench.rates);
        Ok(())
    }
}
