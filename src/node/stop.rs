//! The signals, and an end that is bounded: what takes long is named, what takes too long is cut, and who asks a
//! second time waits for nothing.

use super::NodeError;
use std::future::Future;
use std::pin::pin;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// The signal by which a node may leave for good.
pub(super) const TERMINATE: &str = "SIGTERM";
/// What takes longer than this is told.
const TOLD_AFTER: Duration = Duration::from_millis(500);
/// A stop is over after this, whatever still runs: more than all of its parts may take.
const STOP_MAX: Duration = Duration::from_secs(25);

/// What somebody asks of the process.
pub(super) enum Asked {
    /// To end; by which signal.
    Stop(&'static str),
    /// To read its settings again.
    Reload,
}

/// The signals that a node hears.
pub(super) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
}

impl Signals {
    pub(super) fn new() -> Result<Signals, NodeError> {
        let handle =
            |kind| signal(kind).map_err(|source| NodeError::System { what: "cannot hear signals", source });
        Ok(Signals {
            interrupt: handle(SignalKind::interrupt())?,
            terminate: handle(SignalKind::terminate())?,
            hang_up: handle(SignalKind::hangup())?,
        })
    }

    pub(super) async fn next(&mut self) -> Asked {
        tokio::select! {
            _ = self.interrupt.recv() => Asked::Stop("SIGINT"),
            _ = self.terminate.recv() => Asked::Stop(TERMINATE),
            _ = self.hang_up.recv() => Asked::Reload,
        }
    }

    /// The next signal to stop; nothing else is listened to.
    pub(super) async fn stop(&mut self) -> &'static str {
        loop {
            if let Asked::Stop(name) = self.next().await {
                return name;
            }
        }
    }

    /// Waits for the end of a stop, but neither for ever nor for somebody who asks again.
    pub(super) async fn outwait(&mut self, stopping: impl Future<Output = ()>) {
        let again = async {
            loop {
                match self.next().await {
                    Asked::Stop(name) => return name,
                    Asked::Reload => tracing::info!("the node stops: its settings are not read again"),
                }
            }
        };
        let why = tokio::select! {
            () = stopping => return,
            name = again => format!("{name} came again"),
            () = tokio::time::sleep(STOP_MAX) => format!("it took more than {} s", STOP_MAX.as_secs()),
        };
        tracing::warn!("the stop is cut short, since {why}; what runs here runs on");
        // Threads that wait for a disk would hold up an orderly return.
        std::process::exit(1);
    }
}

/// A part of a stop that is cut after `limit`: then there is no output.
pub(super) async fn part<F: Future>(what: &'static str, limit: Duration, work: F) -> Option<F::Output> {
    let mut work = pin!(work);
    if let Ok(done) = tokio::time::timeout(TOLD_AFTER.min(limit), &mut work).await {
        return Some(done);
    }
    tracing::info!("the stop waits for {what}");
    let done = tokio::time::timeout(limit.saturating_sub(TOLD_AFTER), work).await.ok();
    if done.is_none() {
        tracing::warn!("the stop waits no more for {what}: it took more than {} s", limit.as_secs());
    }
    done
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_part_that_takes_too_long_is_cut_and_another_is_waited_for() {
        let limit = Duration::from_secs(3);
        assert_eq!(part("nothing", limit, async { 1 }).await, Some(1));
        let slow = async {
            tokio::time::sleep(Duration::from_secs(2)).await;
            2
        };
        assert_eq!(part("the slow one", limit, slow).await, Some(2));
        assert_eq!(part("the stuck one", limit, std::future::pending::<u8>()).await, None);
    }
}
