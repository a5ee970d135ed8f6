//! What can go wrong in this room, in words that say what was found and what is allowed.

use super::sealed::KeyId;
use dkron_core::ids::NodeId;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

/// Every failure of the gossip room.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address cannot be bound, or a name has no address.
    #[error(transparent)]
    Net(#[from] crate::net::Error),
    /// The address to advertise is none.
    #[error("the advertised gossip address '{address}' cannot be used: {problem}")]
    Advertise {
        /// The address.
        address: String,
        /// What is wrong.
        problem: &'static str,
    },
    /// What the server says of itself does not fit.
    #[error(
        "what this server tells the others (name, addresses, tags) takes {bytes} bytes, of which its tags are \
         {tags}; at most {limit} fit: shorten the tags"
    )]
    TooLarge {
        /// The size of all.
        bytes: usize,
        /// The share of the tags.
        tags: usize,
        /// The bound.
        limit: usize,
    },
    /// Not a key. The key itself is not named.
    #[error("an encryption key has {bytes} bytes; allowed are 16, 24 or 32, as base64")]
    KeyLength {
        /// Its length.
        bytes: usize,
    },
    /// Not base64. The text itself is not named.
    #[error("an encryption key is not base64; allowed are 16, 24 or 32 bytes as base64")]
    KeyText,
    /// There is no key of this id.
    #[error("no key {0} is in the keyring: install it first")]
    UnknownKey(KeyId),
    /// The key that encrypts stays.
    #[error("key {0} encrypts: use another one before it is removed")]
    KeyInUse(KeyId),
    /// The keyring is full.
    #[error("the keyring holds {limit} keys, which is the most that it may: remove one first")]
    KeyringFull {
        /// The bound.
        limit: usize,
    },
    /// The server was started without a key: a pool is encrypted as a whole or not at all.
    #[error("gossip is not encrypted here: start the servers with `encrypt` before keys are changed")]
    NotEncrypted,
    /// The keyring's file cannot be read or written.
    #[error("{path}: {problem}")]
    KeyringFile {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
        /// The system's word, if it is the system's.
        source: Option<io::Error>,
    },
    /// The kernel gives no random bytes.
    #[error("no random bytes from the system: {0}")]
    Random(String),
    /// The gossip library did not start.
    #[error("gossip did not start: {0}")]
    Library(String),
    /// Another living process has this server's id, and came first.
    #[error(
        "a server '{name}' at {address} is alive with the id {id} of this one: is this data directory a copy? \
         Start this server with an empty data directory, or stop the other"
    )]
    SecondOfOneId {
        /// The id of both.
        id: NodeId,
        /// The other's name.
        name: Arc<str>,
        /// The other's address.
        address: Arc<str>,
    },
    /// The room is closed.
    #[error("the gossip room is stopped")]
    Stopped,
}
