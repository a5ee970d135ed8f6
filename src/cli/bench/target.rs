//! What is measured: nodes started for it, or a cluster that runs already.

use super::api::Api;
use super::node::{self, Node, Place, Setup};
use super::processes::{self, Usage};
use crate::clock;
use anyhow::Context;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;

/// Jobs in one restore: a body of some megabytes.
const JOBS_PER_RESTORE: usize = 20_000;

/// A cluster under measurement.
pub(super) struct Target {
    /// Its API.
    pub(super) api: Api,
    /// The servers, if they were started for this.
    own: Option<Own>,
}

/// A cluster that was started for a benchmark and ends with it.
pub(super) struct Own {
    /// Its servers.
    pub(super) servers: Vec<Node>,
    /// How they were started.
    pub(super) setups: Vec<Setup>,
    /// Where more nodes of this cluster may be.
    pub(super) place: Place,
    /// From the start of the first until all took writes.
    pub(super) ready: Duration,
    /// Ends with the servers, after them.
    _folder: TempDir,
}

impl Own {
    async fn start(folder: &Path, servers: usize) -> anyhow::Result<Own> {
        let folder = tempfile::Builder::new().prefix("dkron-bench-").tempdir_in(folder);
        let folder = folder.context("a folder for the nodes")?;
        let mut place = Place::new(folder.path())?;
        let setups = match servers {
            1 => vec![place.alone()?],
            _ => place.cluster(servers)?,
        };
        let start = clock::monotonic();
        let mut servers = setups.iter().cloned().map(Node::start).collect::<anyhow::Result<Vec<Node>>>()?;
        node::wait_until_ready(&mut servers).await?;
        Ok(Own { servers, setups, place, ready: start.elapsed(), _folder: folder })
    }

    /// All processes of the servers.
    pub(super) fn pids(&mut self) -> Vec<u32> {
        self.servers.iter_mut().flat_map(Node::pids).collect()
    }

    /// What the servers use in this time, in which nothing is asked of them, and the part of one core that each needs.
    pub(super) async fn rest(&mut self, time: Duration) -> (Usage, f64) {
        let (before, start) = (Usage::of(&self.pids()), clock::monotonic());
        tokio::time::sleep(time).await;
        let used = Usage::of(&self.pids()).since(&before);
        let cores = used.total().as_secs_f64() / start.elapsed().as_secs_f64();
        (used, cores / self.servers.len() as f64)
    }

    /// The resident memory of the largest daemon, in bytes.
    pub(super) fn memory(&mut self) -> u64 {
        let daemons = self.servers.iter_mut().filter_map(|server| server.pids().first().copied());
        daemons.map(|daemon| processes::memory(&[daemon]).0).max().unwrap_or(0)
    }
}

/// What was used up to a moment.
#[derive(Clone, Debug, Default)]
pub(super) struct Spent {
    /// By the processes of the nodes that we can see.
    pub(super) usage: Usage,
    /// As the node itself counts.
    pub(super) counters: BTreeMap<String, u64>,
    /// Entries of the log.
    pub(super) entries: u64,
}

impl Spent {
    /// What was used since an earlier moment.
    pub(super) fn since(&self, before: &Spent) -> Spent {
        let earlier = |name: &String| before.counters.get(name).copied().unwrap_or(0);
        let counters = self.counters.iter();
        Spent {
            usage: self.usage.since(&before.usage),
            counters: counters.map(|(name, count)| (name.clone(), count - earlier(name))).collect(),
            entries: self.entries - before.entries,
        }
    }

    /// A counter of the node, 0 if it has none of this name.
    pub(super) fn counter(&self, name: &str) -> f64 {
        self.counters.get(name).copied().unwrap_or(0) as f64
    }
}

impl Target {
    /// A fresh cluster of so many servers with their data in this folder.
    pub(super) async fn start(folder: &Path, servers: usize) -> anyhow::Result<Target> {
        let own = Own::start(folder, servers).await?;
        let api = Api::new(own.servers.iter().map(Node::url).collect())?;
        Ok(Target { api, own: Some(own) })
    }

    /// A cluster that runs already.
    pub(super) async fn at(urls: &[String]) -> anyhow::Result<Target> {
        let api = Api::new(urls.to_vec())?;
        anyhow::ensure!(api.is_ready().await, "--url {}: no node is ready there", urls.join(" --url "));
        Ok(Target { api, own: None })
    }

    /// The cluster that was started for this.
    ///
    /// # Errors
    /// If it is another's.
    pub(super) fn own(&mut self) -> anyhow::Result<&mut Own> {
        self.own.as_mut().context("these servers are another's")
    }

    /// Stores jobs, many in one request.
    pub(super) async fn store(&self, jobs: &[Value]) -> anyhow::Result<()> {
        for part in jobs.chunks(JOBS_PER_RESTORE) {
            self.api.restore(part).await?;
        }
        Ok(())
    }

    /// Takes its jobs away from a cluster that lives on.
    pub(super) async fn clean(&self, names: impl Iterator<Item = String>) -> anyhow::Result<()> {
        if self.own.is_none() {
            for name in names {
                self.api.delete(&name).await?;
            }
        }
        Ok(())
    }

    /// What was used so far.
    pub(super) async fn spent(&mut self) -> anyhow::Result<Spent> {
        let pids = self.own.as_mut().map(Own::pids).unwrap_or_default();
        Ok(Spent {
            usage: Usage::of(&pids),
            counters: self.api.counters().await?,
            entries: self.api.applied().await?,
        })
    }
}
