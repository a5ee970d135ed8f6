//! What was refused, how often, and a warning about it: named by sender, and never a flood.

use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// One warning of a kind in this time; the next says how many there were.
const QUIET: Duration = Duration::from_secs(10);
const KINDS: usize = 9;

/// Why a datagram was dropped.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Refusal {
    /// It is none of this program, or of an unknown version.
    NotOurs,
    /// It is not encrypted, and this server's gossip is.
    Plain,
    /// It is encrypted, and this server's gossip is not.
    Sealed,
    /// It is encrypted with a key that is not in the keyring.
    ForeignKey,
    /// Its seal is broken.
    Damaged,
    /// It came before.
    Replayed,
    /// It is sealed and makes no sense.
    Unreadable,
    /// It is of another cluster.
    ForeignCluster,
    /// It was too large to be sent.
    TooLarge,
}

impl Refusal {
    /// All of them.
    pub const ALL: [Refusal; KINDS] = [
        Refusal::NotOurs,
        Refusal::Plain,
        Refusal::Sealed,
        Refusal::ForeignKey,
        Refusal::Damaged,
        Refusal::Replayed,
        Refusal::Unreadable,
        Refusal::ForeignCluster,
        Refusal::TooLarge,
    ];

    /// The reason in words.
    pub fn reason(self) -> &'static str {
        match self {
            Refusal::NotOurs => "not gossip of this program and version",
            Refusal::Plain => "not encrypted, while this server's gossip is",
            Refusal::Sealed => "encrypted, while this server has no key: set `encrypt`",
            Refusal::ForeignKey => "encrypted with a key that this server does not have",
            Refusal::Damaged => "damaged or forged",
            Refusal::Replayed => "it came before",
            Refusal::Unreadable => "not readable",
            Refusal::ForeignCluster => "of another cluster of the same region",
            Refusal::TooLarge => "too large to be sent: too many servers, or their tags are too long",
        }
    }
}

/// The counters of a server's gossip.
#[derive(Debug, Default)]
pub struct Counts {
    taken: AtomicU64,
    refused: watch::Sender<[u64; KINDS]>,
    warned: Mutex<[Option<(Instant, u64)>; KINDS]>,
}

impl Counts {
    /// Datagrams that were taken in.
    pub fn taken(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }

    /// Datagrams that were dropped for this reason.
    pub fn refused(&self, refusal: Refusal) -> u64 {
        self.refused.borrow()[refusal as usize]
    }

    /// Waits until so many were dropped for this reason.
    pub async fn until_refused(&self, refusal: Refusal, count: u64) {
        // The sender is in `self`: it cannot end while somebody waits.
        let _ = self.refused.subscribe().wait_for(|refused| refused[refusal as usize] >= count).await;
    }

    pub(super) fn take(&self) {
        self.taken.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a dropped datagram, and warns if there was no such warning lately.
    pub(super) fn refuse(&self, refusal: Refusal, address: SocketAddr, now: Instant) {
        self.refused.send_modify(|refused| refused[refusal as usize] += 1);
        let total = self.refused(refusal);
        let Some(count) = self.is_due(refusal, total, now) else { return };
        let reason = refusal.reason();
        tracing::warn!(%address, reason, count, "gossip datagrams were dropped; this is the last one's address");
    }

    /// How many there were since the last warning, if it is time for another.
    fn is_due(&self, refusal: Refusal, total: u64, now: Instant) -> Option<u64> {
        let mut warned = self.warned.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let last = &mut warned[refusal as usize];
        let (due, before) = last.map_or((true, 0), |(at, before)| (now >= at + QUIET, before));
        due.then(|| {
            *last = Some((now, total));
            total - before.min(total)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_flood_is_counted_and_warned_of_once_in_a_while() {
        let (counts, from) = (Counts::default(), SocketAddr::from(([127, 0, 0, 1], 1)));
        let now = crate::clock::runtime();
        assert_eq!(counts.is_due(Refusal::Damaged, 1, now), Some(1));
        assert_eq!(counts.is_due(Refusal::Damaged, 2, now), None);
        assert_eq!(counts.is_due(Refusal::Plain, 1, now), Some(1));
        assert_eq!(counts.is_due(Refusal::Damaged, 900, now + QUIET), Some(899));
        for _ in 0..3 {
            counts.refuse(Refusal::Replayed, from, now);
        }
        assert_eq!((counts.refused(Refusal::Replayed), counts.refused(Refusal::Plain)), (3, 0));
    }

    #[test]
    fn every_refusal_has_its_own_counter_and_reason() {
        for (at, refusal) in Refusal::ALL.into_iter().enumerate() {
            assert_eq!(refusal as usize, at);
            assert!(!refusal.reason().is_empty());
        }
    }
}
