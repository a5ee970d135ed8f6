//! The scenarios, one file each. To add one: name it in [`Scenario`], run it in [`Scenario::run`].

mod burst;
mod failover;
mod http;
mod idle;
mod jobs;
mod lateness;
mod launches;
mod shell;

use super::Options;
use super::rates::Rates;
use super::report::{Goal, Section};
use super::target::Target;
use std::path::PathBuf;

/// What can be measured.
#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
pub(super) enum Scenario {
    /// An idle node: memory, and how soon it is ready
    Idle,
    /// Launches a second of jobs that do nothing
    Launches,
    /// Launches a second of http jobs, the server called being on this machine
    Http,
    /// Launches a second of shell jobs, as a part of the raw rate of spawns
    Shell,
    /// How late jobs start at 1,000 launches a second
    Lateness,
    /// Many jobs due at one instant
    Burst,
    /// Many jobs in one node: memory, restart, listing
    Jobs,
    /// How late jobs start when the leader of three servers is killed
    Failover,
}

/// What every scenario works with.
pub(super) struct Bench {
    pub(super) options: Options,
    pub(super) folder: PathBuf,
    pub(super) rates: Rates,
}

impl Bench {
    /// A cluster to measure: the one that was named, or a fresh one.
    pub(super) async fn target(&self) -> anyhow::Result<Target> {
        match self.options.url.as_slice() {
            [] => Target::start(&self.folder, self.servers()).await,
            urls => Target::at(urls).await,
        }
    }

    /// Of how many servers an own cluster is, if the scenario does not need several.
    fn servers(&self) -> usize {
        self.options.servers.map_or(1, usize::from)
    }

    /// A goal for one server, or the one for a cluster whose decisions cross the network.
    fn goal(&self, alone: f64, cluster: f64) -> Goal {
        Goal::AtMost(if self.servers() == 1 { alone } else { cluster })
    }

    fn rate(&self, default: usize) -> usize {
        self.options.rate.map_or(default, |rate| rate as usize)
    }
}

impl Scenario {
    /// All, or those that can be run on a cluster that lives on.
    pub(super) fn all(foreign: bool) -> Vec<Scenario> {
        let all = <Scenario as clap::ValueEnum>::value_variants();
        all.iter().copied().filter(|scenario| !foreign || !scenario.needs_own_node()).collect()
    }

    /// Whether it stops and starts nodes, or fills them.
    fn needs_own_node(self) -> bool {
        matches!(self, Scenario::Idle | Scenario::Jobs | Scenario::Failover)
    }

    /// Whether it can be run on what the options name.
    pub(super) fn is_possible(self, options: &Options) -> anyhow::Result<()> {
        anyhow::ensure!(
            options.url.is_empty() || !self.needs_own_node(),
            "{self:?} starts and stops nodes, and cannot be run with --url"
        );
        Ok(())
    }

    pub(super) async fn run(self, bench: &Bench) -> anyhow::Result<Section> {
        match self {
            Scenario::Idle => idle::run(bench).await,
            Scenario::Launches => launches::run(bench).await,
            Scenario::Http => http::run(bench).await,
            Scenario::Shell => shell::run(bench).await,
            Scenario::Lateness => lateness::run(bench).await,
            Scenario::Burst => burst::run(bench).await,
            Scenario::Jobs => jobs::run(bench).await,
            Scenario::Failover => failover::run(bench).await,
        }
    }
}
