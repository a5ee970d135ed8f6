//! What was told of refused connections, so that a peer that knocks ten times a second does not fill the log.

use crate::clock;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The same of the same peer is told again after this long.
const AGAIN: Duration = Duration::from_secs(60);
/// More than this many peers and reasons are not remembered: then all are told anew.
const REMEMBERED_MAX: usize = 1_024;

/// When what was told last.
#[derive(Debug, Default)]
pub struct Refusals {
    told: Mutex<BTreeMap<(String, String), Instant>>,
}

impl Refusals {
    /// Whether this is to be told now.
    pub fn is_news(&self, peer: &str, reason: &str) -> bool {
        let now = clock::monotonic();
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (peer.to_owned(), reason.to_owned());
        if told.get(&key).is_some_and(|before| now.duration_since(*before) < AGAIN) {
            return false;
        }
        if told.len() >= REMEMBERED_MAX {
            told.clear();
        }
        told.insert(key, now);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_is_told_once_and_another_reason_at_once() {
        let refusals = Refusals::default();
        assert!(refusals.is_news("10.0.0.1", "expired"));
        assert!(!refusals.is_news("10.0.0.1", "expired"));
        assert!(refusals.is_news("10.0.0.1", "no certificate"));
        assert!(refusals.is_news("10.0.0.2", "expired"));
    }
}
