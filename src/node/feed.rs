//! From apply to the history: what apply yields, in order, through a bounded queue.

use crate::{clock, history, raft};
use dkron_core::execution::HistoryRow;
use std::time::Duration;
use tokio::sync::mpsc;

/// Brings what apply yields to the history, and tells it the time, until consensus has ended.
pub(super) async fn feed(appender: history::Appender, mut turns: mpsc::Receiver<raft::Turn<HistoryRow>>) {
    let mut second = tokio::time::interval(Duration::from_secs(1));
    loop {
        let sent = tokio::select! {
            turn = turns.recv() => match turn {
                Some(turn) => append(&appender, turn).await,
                None => return,
            },
            _ = second.tick() => appender.tick(clock::wall()).await,
        };
        if let Err(error) = sent {
            tracing::error!(error = &error as &dyn std::error::Error, "the history takes no more rows");
            return;
        }
    }
}

async fn append(appender: &history::Appender, turn: raft::Turn<HistoryRow>) -> history::Result<()> {
    for raft::Applied { index, rows } in turn {
        appender.append(history::Applied { index, rows }).await?;
    }
    Ok(())
}
