//! What the log is folded into, as this room needs to see it.
//!
//! The deciding types live in the core; this trait is the seam, so that the storage can be tested with a
//! state of ten lines.

use super::type_config::Replies;
use bytes::Bytes;
use dkron_core::command::Batch;
use dkron_core::format::Formats;
use dkron_core::time::Time;
use std::sync::Arc;

/// What one entry did.
pub struct Effects<R> {
    /// One reply for each command, in order.
    pub replies: Replies,
    /// What the history shall keep.
    pub rows: Vec<R>,
}

/// The state, owned by one thread and changed only by entries, in order.
pub trait Machine: Sized + Send + 'static {
    /// An immutable view, made at the cost of a few pointers.
    type View: Send + Sync + 'static;
    /// A self-contained row for the history.
    type Row: Send + 'static;

    /// The state before the first entry.
    fn empty() -> Self;
    /// Applies one entry. Total and deterministic: there is no way to refuse.
    fn apply(&mut self, index: u64, batch: &Batch) -> Effects<Self::Row>;
    /// Takes note of an entry without commands.
    fn pass(&mut self, index: u64);
    /// The log format in force.
    fn format(&self) -> u8 {
        Formats::FIRST
    }
    /// The same in a view.
    fn view_format(_: &Self::View) -> u8 {
        Formats::FIRST
    }
    /// Whether the founding was applied.
    fn is_founded(view: &Self::View) -> bool;
    /// The state as of now.
    fn view(&self) -> Arc<Self::View>;
    /// The view's digest, equal on every server that has applied the same log.
    fn digest(view: &Self::View) -> Digest;
    /// The view's time.
    fn time(view: &Self::View) -> Time;
    /// The view as records, in an order of its choice, none larger than a log entry.
    fn save(view: &Self::View) -> impl Iterator<Item = Bytes>;
    /// The state from its records, as of this entry and this time; a sentence if they make none.
    fn load(applied: u64, time: Time, records: &mut dyn Iterator<Item = Bytes>) -> Result<Self, String>;
}

/// A digest of a state and the rule it was computed by.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Digest {
    /// The digest.
    pub value: u128,
    /// The rule's version.
    pub format: u32,
}

/// What one entry yields for the history. The index is that entry's own: after a restart the log comes in other
/// turns, and only an entry's own index tells which of its rows the history has.
#[derive(Debug)]
pub struct Applied<R> {
    /// The entry.
    pub index: u64,
    /// Its rows; none for the mark that closes a turn.
    pub rows: Vec<R>,
    /// The state came to be as of this entry by a snapshot: the rows of the entries before it do not come from here.
    pub jumped: bool,
}

/// What one turn of entries yields, in order; its last index is the last entry's.
pub type Turn<R> = Vec<Applied<R>>;
