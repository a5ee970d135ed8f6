//! What the threads of this room share: the segments, the heads, the time of the last tick.

use super::disk::catalogue::Catalogue;
use super::disk::entry::{Entry, Kind, Position};
use super::error::Error;
use super::head::{Bounds, Heads};
use super::outputs::Outputs;
use super::settings::Settings;
use dkron_core::time::Time;
use std::collections::BTreeSet;
use std::fs::File;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// The shared part.
pub(super) struct Store {
    pub(super) settings: Settings,
    pub(super) catalogue: Catalogue,
    pub(super) heads: Heads,
    pub(super) outputs: Outputs,
    /// Held for as long as the store is open, so that no second process opens it.
    pub(super) _lock: File,
    /// Numbers files, so that no name is used twice.
    pub(super) serial: AtomicU64,
    /// Bytes written since the start, to space the checkpoints.
    pub(super) appended: AtomicU64,
    /// The position up to which all is durable and in the heads.
    pub(super) published: AtomicU64,
    /// The position up to which all is durable; the heads may not all know it yet.
    pub(super) durable: AtomicU64,
    /// Of the entries up to this one rows are lost that nobody had.
    pub(super) lost: AtomicU64,
    /// The time of the last tick.
    pub(super) now: AtomicI64,
    /// First positions of the segments in which a reader met damage.
    pub(super) suspects: Mutex<BTreeSet<Position>>,
}

impl Store {
    /// The bounds at the time of the last tick: what was dead at a tick stays dead.
    pub(super) fn bounds(&self) -> Bounds {
        let now = Time::from_nanos(self.now.load(Ordering::Relaxed));
        Bounds::new(&self.settings.retention, now)
    }

    /// Time moves on, never back.
    pub(super) fn advance(&self, now: Time) {
        self.now.fetch_max(now.nanos(), Ordering::Relaxed);
    }

    pub(super) fn next_serial(&self) -> u64 {
        self.serial.fetch_add(1, Ordering::Relaxed)
    }

    /// Whether a row is to be shown and kept.
    pub(super) fn lives(&self, bounds: &Bounds, entry: &Entry) -> bool {
        entry.kind != Kind::Erased
            && self.heads.get(entry.kind, entry.job).is_some_and(|head| bounds.keep(&head, entry))
    }

    /// Remembers that a segment needs mending, and says so once.
    pub(super) fn suspect(&self, first: Position, error: &Error) {
        let mut suspects = self.suspects.lock().unwrap_or_else(PoisonError::into_inner);
        if suspects.insert(first) {
            tracing::error!(%error, "part of the history is damaged; the rest is served");
        }
    }
}
