//! Rows that are missing here, part by part, each with its outputs.

use super::Copies;
use dkron_core::execution::HistoryRow;
use dkron_core::ids::{ExecutionId, NodeId};
use dkron_wire::copies::Rows;
use futures::stream::{self, StreamExt};
use std::time::Duration;

/// The pause before peers that had nothing, or did not answer, are asked again.
const PAUSE: Duration = Duration::from_secs(1);
/// How often all must have answered that they have nothing until it is lost.
const BARREN_MAX: u32 = 3;
/// Outputs that are fetched at a time.
const OUTPUTS: usize = 4;

/// What came of asking for rows.
#[derive(Debug)]
pub enum Part {
    /// Rows, and how far they are complete: beyond what was asked from.
    Rows(Rows),
    /// Every member answered, several times, and none has them.
    Lost,
}

/// Why no rows came.
enum Nothing {
    /// All answered, and none is further than this server.
    Anywhere,
    /// Somebody did not answer, or the members are not known yet.
    Yet,
}

impl Copies {
    /// The next rows after this entry, from the first member that lost none of them, else from the one that lost the
    /// fewest. Asks until it has some or they are lost.
    pub async fn pull(&self, after: u64) -> Part {
        let mut barren = 0;
        loop {
            match self.pull_once(after).await {
                Ok(rows) => return Part::Rows(rows),
                Err(Nothing::Anywhere) => barren += 1,
                Err(Nothing::Yet) => barren = 0,
            }
            if barren >= BARREN_MAX {
                return Part::Lost;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn pull_once(&self, after: u64) -> Result<Rows, Nothing> {
        let membership = self.raft.members().borrow().clone();
        if !membership.members.contains_key(&self.raft.identity().server) {
            return Err(Nothing::Yet);
        }
        let mut nothing = Nothing::Anywhere;
        let mut best: Option<(NodeId, Rows)> = None;
        for peer in self.peers(&membership) {
            match self.rows(peer, after).await {
                Ok(rows) if rows.complete_to <= after => {}
                Ok(rows) if best.as_ref().is_none_or(|(_, best)| rows.lost_up_to < best.lost_up_to) => {
                    let whole = rows.lost_up_to <= after;
                    best = Some((peer, rows));
                    if whole {
                        break;
                    }
                }
                Ok(_) => {}
                Err(status) => {
                    tracing::debug!(%peer, error = status.message(), "a server gave no rows");
                    nothing = Nothing::Yet;
                }
            }
        }
        let (peer, rows) = best.ok_or(nothing)?;
        self.fetch_outputs(&rows).await;
        if rows.lost_up_to > after {
            self.note_lost(rows.lost_up_to.min(rows.complete_to)).await;
        }
        tracing::debug!(%peer, after, complete_to = rows.complete_to, entries = rows.entries.len(), "rows pulled");
        Ok(rows)
    }

    /// Before their rows, as always: whoever sees a row finds its output.
    async fn fetch_outputs(&self, rows: &Rows) {
        let all = rows.entries.iter().flat_map(|(_, rows)| rows);
        let missing: Vec<ExecutionId> =
            all.filter_map(long).filter(|id| !self.history.has_output(*id)).collect();
        let fetched = stream::iter(missing).map(|id| async move {
            match self.output(id).await {
                Ok(Some(_)) => {}
                Ok(None) => tracing::debug!(execution = %id, "no server has its output"),
                Err(error) => tracing::warn!(execution = %id, %error, "an output is not fetched"),
            }
        });
        fetched.buffer_unordered(OUTPUTS).collect::<()>().await;
    }

    async fn note_lost(&self, up_to: u64) {
        let history = self.history.clone();
        let noted = crate::task::blocking("history lost", move || history.lose(up_to)).await;
        if let Ok(Err(error)) = noted {
            tracing::error!(%error, "it could not be noted that rows are lost");
        }
    }
}

/// The execution of a row whose output is longer than the tail.
fn long(row: &HistoryRow) -> Option<ExecutionId> {
    let HistoryRow::Finished(run) = row else { return None };
    (run.outcome.output_bytes > run.outcome.tail.len() as u64).then_some(run.id)
}
