//! When a snapshot is due, and when the log behind it may go.
//!
//! The file is written before openraft hears of it, because openraft stops on a snapshot that fails, and a
//! full disk shall not stop a server.

use super::shelf::Shelf;
use crate::raft::Consensus;
use crate::raft::error::Error;
use crate::raft::machine::Machine;
use crate::raft::state_machine::ThreadHandle;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, MissedTickBehavior};

/// How often it looks whether one is due.
const LOOK: Duration = Duration::from_secs(1);
/// How long it waits after one that failed.
const RETRY: Duration = Duration::from_secs(30);

/// When a snapshot is due: as soon as one of these is reached since the last one.
#[derive(Clone, Copy, Debug)]
pub struct SnapshotRule {
    /// Bytes of log: what a restart reads and applies again.
    pub bytes: u64,
    /// Entries of log: many small ones cost too.
    pub entries: u64,
    /// Time, if anything was written at all.
    pub every: Duration,
}

impl Default for SnapshotRule {
    fn default() -> SnapshotRule {
        SnapshotRule { bytes: 64 * 1024 * 1024, entries: 100_000, every: Duration::from_secs(600) }
    }
}

/// A snapshot wanted now; answered with its index.
pub(crate) type Request = oneshot::Sender<Result<Option<u64>, Error>>;

pub(crate) struct Keeper<M: Machine> {
    thread: ThreadHandle<M>,
    shelf: Shelf,
    consensus: Consensus<M>,
    rule: SnapshotRule,
    /// Bytes applied when the last one was taken.
    bytes: u64,
    /// The first look since the last one.
    since: Option<Instant>,
    not_before: Option<Instant>,
}

impl<M: Machine> Keeper<M> {
    pub(crate) fn new(
        thread: ThreadHandle<M>,
        shelf: Shelf,
        consensus: Consensus<M>,
        rule: SnapshotRule,
    ) -> Self {
        Keeper { thread, shelf, consensus, rule, bytes: 0, since: None, not_before: None }
    }

    /// Works until the requests are closed.
    pub(crate) async fn run(mut self, mut requests: mpsc::Receiver<Request>) {
        let mut looks = tokio::time::interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                request = requests.recv() => match request {
                    Some(request) => drop(request.send(self.take().await)),
                    None => return,
                },
                now = looks.tick() => if self.not_before <= Some(now) && self.is_due(now)
                    && let Err(error) = self.take().await
                {
                    tracing::warn!(%error, "no snapshot could be taken; the log is kept until one can");
                    self.not_before = Some(now + RETRY);
                },
            }
        }
    }

    fn is_due(&mut self, now: Instant) -> bool {
        let mark = self.thread.marks().borrow();
        let Some(applied) = mark.applied else { return false };
        let entries = applied.index - self.shelf.newest().and_then(|file| file.index()).unwrap_or(0);
        let bytes = mark.bytes - self.bytes;
        let waited = now.duration_since(*self.since.get_or_insert(now));
        entries > 0 && (bytes >= self.rule.bytes || entries >= self.rule.entries || waited >= self.rule.every)
    }

    async fn take(&mut self) -> Result<Option<u64>, Error> {
        let view = self.thread.view().await?;
        if view.mark.applied.is_none() {
            return Ok(None);
        }
        let bytes = view.mark.bytes;
        let file = self.shelf.write::<M>(view).await?;
        (self.bytes, self.since) = (bytes, None);
        tracing::info!(path = %file.path().display(), "snapshot taken");
        let stopped = |_| Error::Stopped;
        self.consensus.trigger().snapshot().await.map_err(stopped)?;
        if let Some(index) = self.shelf.safe_to_purge() {
            self.consensus.trigger().purge_log(index).await.map_err(stopped)?;
        }
        Ok(file.index())
    }
}
