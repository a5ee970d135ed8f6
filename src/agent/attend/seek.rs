//! The search for servers: at the start, and when all streams have been down for a while. So an agent finds its
//! cluster again even if all addresses have changed.

use super::line::{chain, jittered};
use super::{AttendError, DIAL_TIMEOUT, Discover};
use crate::clock;
use dkron_core::delivery::ServerAddress;
use futures::future::{self, BoxFuture};
use std::time::{Duration, Instant};

/// How long without any stream before others are asked.
const PATIENCE: Duration = Duration::from_secs(3);
/// The first and the longest wait before they are asked again.
const BACKOFF_MIN: Duration = Duration::from_millis(250);
const BACKOFF_MAX: Duration = Duration::from_secs(10);

type Found = Result<Vec<ServerAddress>, AttendError>;

/// The search.
pub(super) struct Seek {
    discover: Discover,
    at: Option<Instant>,
    asking: Option<BoxFuture<'static, Found>>,
    backoff: Duration,
    last: String,
}

impl Seek {
    /// Begins at once.
    pub(super) fn new(discover: Discover) -> Seek {
        let at = Some(clock::monotonic());
        Seek { discover, at, asking: None, backoff: BACKOFF_MIN, last: String::new() }
    }

    /// A stream is up: there is nothing to seek.
    pub(super) fn rest(&mut self) {
        (self.at, self.asking, self.backoff) = (None, None, BACKOFF_MIN);
        self.last.clear();
    }

    /// No stream is up.
    pub(super) fn wake(&mut self) {
        if self.at.is_none() && self.asking.is_none() {
            self.at = Some(clock::monotonic() + PATIENCE);
        }
    }

    /// The servers, when some are found. Loses nothing when it is dropped between.
    pub(super) async fn found(&mut self) -> Vec<ServerAddress> {
        loop {
            if let Some(asking) = &mut self.asking {
                let found = asking.await;
                self.asking = None;
                self.at = Some(clock::monotonic() + jittered(self.backoff));
                self.backoff = (self.backoff * 2).min(BACKOFF_MAX);
                match found {
                    Ok(servers) if !servers.is_empty() => return servers,
                    Ok(_) => self.note("those asked know of no servers".to_owned()),
                    Err(error) => self.note(chain(&error)),
                }
            }
            match self.at {
                Some(at) => tokio::time::sleep_until(at.into()).await,
                None => future::pending().await,
            }
            self.at = None;
            let asking = (self.discover)();
            self.asking = Some(Box::pin(async move {
                tokio::time::timeout(DIAL_TIMEOUT, asking).await.unwrap_or(Err(AttendError::Timeout))
            }));
        }
    }

    /// Said once for each cause.
    fn note(&mut self, reason: String) {
        if reason != self.last {
            tracing::warn!(reason, "no servers found yet; asking again");
            self.last = reason;
        }
    }
}
