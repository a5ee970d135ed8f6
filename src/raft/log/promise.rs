//! The promise that a server gave before its cluster was formed, as a record.
//!
//! None is written as an empty one, so that taking it back goes the way of every other write.

use super::disk::Disk;
use super::keys::Slot;
use super::record;
use crate::raft::error::Error;
use dkron_core::bootstrap::Promise;
use dkron_core::ids::{ClusterId, NodeId};

/// The only format so far.
const FORMAT: u8 = 1;

/// The record of a promise, or of none.
pub(crate) fn encode(promise: Option<&Promise>) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Some(promise) = promise {
        bytes.push(FORMAT);
        bytes.extend_from_slice(&promise.cluster.0.to_be_bytes());
        bytes.extend_from_slice(&promise.initialiser.0.to_be_bytes());
        promise.set.iter().for_each(|server| bytes.extend_from_slice(&server.0.to_be_bytes()));
    }
    record::frame(&bytes)
}

fn decode(bytes: &[u8]) -> Option<Promise> {
    let (ids, rest) = bytes.as_chunks::<16>();
    let mut ids = ids.iter().map(|id| u128::from_be_bytes(*id));
    let (cluster, initialiser) = (ClusterId(ids.next()?), NodeId(ids.next()?));
    rest.is_empty().then(|| Promise { cluster, initialiser, set: ids.map(NodeId).collect() })
}

/// Reads the promise, if there is one.
pub(crate) fn read(disk: &Disk) -> Result<Option<Promise>, Error> {
    let Some(body) = record::read(disk, Slot::Promise)? else { return Ok(None) };
    let path = disk.path().to_path_buf();
    match body.split_first() {
        None => Ok(None),
        Some((&found, _)) if found > FORMAT => Err(Error::NewerFormat { path, found, known: FORMAT }),
        Some((_, ids)) => {
            decode(ids).map(Some).ok_or(Error::DamagedRecord { path, what: Slot::Promise.name() })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_promise_is_read_as_it_was_written() {
        let set = [NodeId(1), NodeId(u128::MAX), NodeId(7)].into();
        let promise = Promise { cluster: ClusterId(9), initialiser: NodeId(1), set };
        let stored = encode(Some(&promise));
        let body = record::body(&stored).expect("a record");
        assert_eq!(decode(&body[1..]), Some(promise));
        assert_eq!(decode(&body[1..body.len() - 1]), None);
        assert_eq!(record::body(&encode(None)), Ok(&[][..]));
    }
}
