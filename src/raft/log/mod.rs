//! The durable log: entries, vote, marks and the identity of the data directory.
//!
//! - Does: keep what consensus acknowledges on the disk, and the newest entries in memory.
//! - Owns: the sled database in `<data>/raft`, its one writer thread, its format.
//! - Never: answers before the bytes are forced to the disk; repairs, or guesses at, a log that is not whole.
//! - Fails: a write that fails ends all writing, and consensus with it; at the start a gap or a checksum that
//!   does not match is a named error, and the owner sets the directory aside.

pub(crate) mod disk;
pub(crate) mod identity;
pub(crate) mod keys;
pub(crate) mod promise;
pub(crate) mod record;
pub(crate) mod store;
pub(crate) mod tail;
