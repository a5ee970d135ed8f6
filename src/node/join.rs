//! How long a node looks for somebody to join: for ever, unless `retry-max` says otherwise.

use super::NodeError;
use crate::config::Join;
use tokio::sync::watch;

/// Completes when `retry-join` was tried as often as it may be and `joined` was never true of what is seen; else
/// never.
pub(super) async fn given_up<T>(
    join: &Join,
    mut seen: watch::Receiver<T>,
    joined: impl FnMut(&T) -> bool,
) -> NodeError {
    let Join { retry, retry_max, retry_interval, .. } = join;
    let patience = retry_interval.saturating_mul(*retry_max);
    if *retry_max > 0
        && !retry.is_empty()
        && tokio::time::timeout(patience, seen.wait_for(joined)).await.is_err()
    {
        return NodeError::NobodyJoined { tries: *retry_max, interval: *retry_interval };
    }
    std::future::pending().await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{HostPort, JoinEntry};
    use std::time::Duration;

    fn join(retry_max: u32) -> Join {
        let nobody = HostPort { host: "192.0.2.1".to_owned(), port: 8946 };
        Join {
            once: Vec::new(),
            retry: vec![JoinEntry::Address(nobody)],
            retry_max,
            retry_interval: Duration::from_secs(30),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_within_the_tries_ends_the_node_and_somebody_does_not() {
        let (sender, seen) = watch::channel(1);
        let given_up = |join| {
            let seen = seen.clone();
            async move {
                let day = Duration::from_secs(24 * 3_600);
                tokio::time::timeout(day, given_up(&join, seen, |servers| *servers > 1)).await.is_ok()
            }
        };
        assert!(given_up(join(3)).await, "three tries");
        assert!(!given_up(join(0)).await, "for ever");
        sender.send_replace(2);
        assert!(!given_up(join(3)).await, "somebody is there");
    }
}
