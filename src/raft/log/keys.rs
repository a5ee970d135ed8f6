//! Where things stand in the database: one tree, so that one batch may change all of them in one step.

/// Entries come after the single records.
const ENTRY: u8 = b'e';

/// The single records.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Slot {
    /// Who this server is.
    Identity,
    /// What it has promised before its cluster was formed.
    Promise,
    /// Which clusters it never serves.
    Forsworn,
    /// The last vote.
    Vote,
    /// The last committed log id known, possibly a little old.
    Committed,
    /// The last purged log id.
    Purged,
}

impl Slot {
    /// The record's key.
    pub(crate) fn key(self) -> &'static [u8] {
        match self {
            Slot::Identity => b"aidentity",
            Slot::Promise => b"apromise",
            Slot::Forsworn => b"aforsworn",
            Slot::Vote => b"avote",
            Slot::Committed => b"acommitted",
            Slot::Purged => b"apurged",
        }
    }

    /// What people call it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Slot::Identity => "identity record",
            Slot::Promise => "promise",
            Slot::Forsworn => "list of forsworn clusters",
            Slot::Vote => "vote",
            Slot::Committed => "commit mark",
            Slot::Purged => "purge mark",
        }
    }
}

/// An entry's key: big-endian, so that the order of keys is the order of the log.
pub(crate) fn entry(index: u64) -> [u8; 9] {
    let mut key = [ENTRY; 9];
    key[1..].copy_from_slice(&index.to_be_bytes());
    key
}

/// The index in an entry's key.
pub(crate) fn index(key: &[u8]) -> Option<u64> {
    let (first, rest) = key.split_first()?;
    let index = rest.try_into().ok().map(u64::from_be_bytes)?;
    (*first == ENTRY).then_some(index)
}
