//! Snapshots: the state as files, from which every start begins.
//!
//! - Does: write an immutable view to a file, read it back, keep the newest two, take one from the leader.
//! - Owns: `<data>/snapshots`.
//! - Never: puts a file in place before it was read back from the disk and the history has synced its index;
//!   purges the log behind fewer than two of them; uses a record of a file that is not whole.
//! - Fails: a file that cannot be written is tried again later, and the log grows until then; a damaged one is
//!   renamed and the one before is used.

mod file;
mod incoming;
mod keeper;
mod shelf;

pub(crate) use file::SnapshotFile;
pub(crate) use incoming::{Incoming, Misplaced};
pub use keeper::SnapshotRule;
pub(crate) use keeper::{Keeper, Request};
pub(crate) use shelf::{Shelf, whole_files};
