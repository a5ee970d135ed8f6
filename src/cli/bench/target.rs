//! What is measured: nodes started for it, or a cluster that runs already.

use super::api::Api;
use super::node::Node;
use super::processes::Usage;
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
    /// The node, if it was started for this.
    own: Option<Own>,
}

struct Own {
    node: Node,
    ready: Duration,
    /// Ends with the node, after it.
    _folder: TempDir,
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
    /// A fresh node with its data in this folder.
    pub(super) async fn start(folder: &Path) -> anyhow::Result<Target> {
        let folder = tempfile::Builder::new().prefix("dkron-bench-").tempdir_in(folder);
        let folder = folder.context("a folder for the node")?;
        let (node, ready) = Node::start(folder.path()).await?;
        let api = Api::new(vec![node.url()])?;
        Ok(Target { api, own: Some(Own { node, ready, _folder: folder }) })
    }

    /// A cluster that runs already.
    pub(super) async fn at(urls: &[String]) -> anyhow::Result<Target> {
        let api = Api::new(urls.to_vec())?;
        anyhow::ensure!(api.is_ready().await, "--url {}: no node is ready there", urls.join(" --url "));
        Ok(Target { api, own: None })
    }

    /// The node that was started for this, and how long that took; none where it is another's.
    pub(super) fn own(&mut self) -> Option<(&mut Node, Duration)> {
        self.own.as_mut().map(|own| (&mut own.node, own.ready))
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
        let pids = self.own.as_mut().map(|own| own.node.pids()).unwrap_or_default();
        Ok(Spent {
            usage: Usage::of(&pids),
            counters: self.api.counters().await?,
            entries: self.api.applied().await?,
        })
    }
}
