//! From apply to the history: what apply yields, in order, through a bounded queue.
//!
//! A server that began with a snapshot lacks the rows of the entries before it. They are pulled from a peer, in parts,
//! before the later ones, because rows lie in the order of the log; what apply yields meanwhile waits in memory, and
//! where that is full it is pulled as well. A restart goes on where the history ends.

use crate::copies::{Copies, Part};
use crate::history::{self, Appender, History};
use crate::raft::{Applied, Turn};
use crate::{clock, task};
use dkron_core::execution::HistoryRow;
use futures::future::BoxFuture;
use std::collections::VecDeque;
use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// Entries that wait in memory behind a gap, at most 64 KiB each.
const WAITING: usize = 512;

/// The way of rows into the history.
pub(super) struct Feed {
    pub(super) appender: Appender,
    pub(super) history: History,
    pub(super) turns: mpsc::Receiver<Turn<HistoryRow>>,
    /// Who pulls what is missing, once consensus runs.
    pub(super) copies: watch::Receiver<Option<Copies>>,
}

/// Rows that are missing.
struct Gap {
    /// Up to this entry.
    until: u64,
    /// The entries behind it.
    waiting: VecDeque<Applied<HistoryRow>>,
    pull: BoxFuture<'static, Part>,
}

impl Feed {
    /// Brings what apply yields to the history, and tells it the time, until consensus has ended.
    pub(super) async fn run(mut self) {
        let mut second = tokio::time::interval(Duration::from_secs(1));
        let mut reached = *self.appender.synced().borrow();
        let mut gap = None;
        loop {
            let sent = tokio::select! {
                turn = self.turns.recv() => match turn {
                    Some(turn) => self.take(turn, &mut gap, &mut reached).await,
                    None => return,
                },
                part = pulled(&mut gap) => self.fill(part, &mut gap, &mut reached).await,
                _ = second.tick() => self.appender.tick(clock::wall()).await,
            };
            if let Err(error) = sent {
                tracing::error!(error = &error as &dyn std::error::Error, "the history takes no more rows");
                return;
            }
        }
    }

    async fn take(
        &self,
        turn: Turn<HistoryRow>,
        gap: &mut Option<Gap>,
        reached: &mut u64,
    ) -> history::Result<()> {
        for applied in turn {
            match gap {
                Some(gap) => gap.hold(applied),
                None if applied.jumped && applied.index > *reached => {
                    tracing::info!(
                        from = *reached + 1,
                        to = applied.index,
                        "rows of the history are to be pulled"
                    );
                    let pull = self.pull(*reached);
                    *gap = Some(Gap { until: applied.index, waiting: VecDeque::new(), pull });
                }
                None => {
                    *reached = applied.index.max(*reached);
                    self.append(applied.index, applied.rows).await?;
                }
            }
        }
        // Before consensus runs nobody can pull what does not fit here.
        let too_much = gap.as_ref().is_some_and(|gap| gap.waiting.len() > WAITING);
        if too_much && self.copies.borrow().is_none() {
            return self.fill(Part::Lost, gap, reached).await;
        }
        gap.iter_mut().for_each(Gap::shorten);
        Ok(())
    }

    /// A part of what is missing is here, or nobody has it.
    async fn fill(&self, part: Part, gap: &mut Option<Gap>, reached: &mut u64) -> history::Result<()> {
        let Some(mut open) = gap.take() else { return Ok(()) };
        match part {
            Part::Rows(rows) => {
                for (index, rows) in rows.entries {
                    self.append(index, rows).await?;
                }
                *reached = rows.complete_to.max(*reached);
                self.append(*reached, Vec::new()).await?;
            }
            Part::Lost => {
                tracing::error!(
                    from = *reached + 1,
                    to = open.until,
                    "no server has these rows of the history"
                );
                self.lose(open.until).await;
                *reached = open.until.max(*reached);
                self.append(*reached, Vec::new()).await?;
            }
        }
        if *reached < open.until {
            open.pull = self.pull(*reached);
            *gap = Some(open);
            return Ok(());
        }
        tracing::info!(to = *reached, "the rows of the history are complete");
        for applied in open.waiting {
            *reached = applied.index.max(*reached);
            self.append(applied.index, applied.rows).await?;
        }
        Ok(())
    }

    async fn append(&self, index: u64, rows: Vec<HistoryRow>) -> history::Result<()> {
        self.appender.append(history::Applied { index, rows }).await
    }

    async fn lose(&self, up_to: u64) {
        let history = self.history.clone();
        if let Ok(Err(error)) = task::blocking("history lost", move || history.lose(up_to)).await {
            tracing::error!(%error, "it could not be noted that rows are lost");
        }
    }

    fn pull(&self, after: u64) -> BoxFuture<'static, Part> {
        let mut copies = self.copies.clone();
        Box::pin(async move {
            let ready = copies.wait_for(Option::is_some).await.ok().and_then(|copies| copies.clone());
            match ready {
                Some(copies) => copies.pull(after).await,
                // The node stops: nothing is noted.
                None => std::future::pending().await,
            }
        })
    }
}

impl Gap {
    fn hold(&mut self, applied: Applied<HistoryRow>) {
        if applied.jumped {
            self.until = applied.index.max(self.until);
            self.waiting.retain(|waiting| waiting.index > applied.index);
            return;
        }
        match self.waiting.back_mut() {
            Some(last) if last.rows.is_empty() => *last = applied,
            _ => self.waiting.push_back(applied),
        }
    }

    /// What does not fit is pulled as well.
    fn shorten(&mut self) {
        while self.waiting.len() > WAITING
            && let Some(first) = self.waiting.pop_front()
        {
            self.until = first.index.max(self.until);
        }
    }
}

/// The next part; never without a gap.
async fn pulled(gap: &mut Option<Gap>) -> Part {
    match gap {
        Some(gap) => (&mut gap.pull).await,
        None => std::future::pending().await,
    }
}
