//! A disk without room. A server whose log cannot grow must not go on: it stops, so that others lead and nothing that
//! is on the disk comes to harm. Then it waits for room, and the process starts anew, in its own place: whoever
//! frees the disk need not think of it.

use super::{NodeError, Signals};
use rustix::fs::statvfs;
use std::path::Path;
use std::time::Duration;

/// With less than this no segment of the log can be begun: the disk counts as full.
const FULL_BELOW: u64 = 16 * 1024 * 1024;
/// With so much it is worth while to start.
const ENOUGH: u64 = 2 * FULL_BELOW;
/// How often the disk is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Whether the disk of this directory is full; one that cannot be asked is not.
fn is_missing(directory: &Path) -> bool {
    room(directory).is_some_and(|room| room < FULL_BELOW)
}

/// Why a part broke off just now: until the node has stopped, there may be room again.
pub(super) fn named(directory: &Path, error: NodeError) -> NodeError {
    match is_missing(directory) {
        true => NodeError::DiskFull(Box::new(error)),
        false => error,
    }
}

/// After a node has stopped for lack of room: waits for room, or for the signal to stop. Any other reason is given
/// back at once.
pub(super) async fn wait(directory: &Path, error: NodeError, signals: &mut Signals) -> Result<(), NodeError> {
    if !matches!(error, NodeError::DiskFull(_)) && !is_missing(directory) {
        return Err(error);
    }
    let at = directory.display();
    tracing::error!(
        error = &error as &dyn std::error::Error,
        "the disk of {at} is full: this node has stopped, and starts again when {} MiB are free",
        ENOUGH / 1024 / 1024
    );
    let freed = async {
        while room(directory).is_some_and(|room| room < ENOUGH) {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    tokio::select! {
        name = signals.stop() => {
            tracing::info!(signal = name, "stopping, the disk is still full");
            Err(error)
        }
        () = freed => {
            tracing::info!("there is room on the disk of {at} again");
            Err(NodeError::RoomAgain)
        }
    }
}

/// The bytes that may still be written.
fn room(directory: &Path) -> Option<u64> {
    let disk = statvfs(directory).ok()?;
    Some(disk.f_bavail.saturating_mul(disk.f_frsize))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_that_is_not_there_is_not_full() {
        assert!(!is_missing(Path::new("/nowhere/at/all")));
    }
}
