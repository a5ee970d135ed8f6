//! The promise that a server gave before its cluster was formed, as a record.
//!
//! None is written as an empty one, so that taking it back goes the way of every other write.

use super::disk::Disk;
use super::keys::Slot;
use super::record;
use crate::raft::error::Error;
use dkron_core::bootstrap::Promise;
use dkron_wire::formation::{decode_promise, encode_promise};

/// The only format so far.
const FORMAT: u8 = 1;

/// The record of a promise, or of none.
pub(crate) fn encode(promise: Option<&Promise>) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Some(promise) = promise {
        bytes.push(FORMAT);
        bytes.extend(encode_promise(promise));
    }
    record::frame(&bytes)
}

/// Reads the promise, if there is one.
pub(crate) fn read(disk: &Disk) -> Result<Option<Promise>, Error> {
    let Some(body) = record::read(disk, Slot::Promise)? else { return Ok(None) };
    let path = disk.path().to_path_buf();
    match body.split_first() {
        None => Ok(None),
        Some((&found, _)) if found > FORMAT => Err(Error::NewerFormat { path, found, known: FORMAT }),
        Some((_, promise)) => decode_promise(promise)
            .map(Some)
            .map_err(|_| Error::DamagedRecord { path, what: Slot::Promise.name() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dkron_core::bootstrap::Promise;
    use dkron_core::command::Founding;
    use dkron_core::ids::{ClusterId, Incarnation, NodeId};

    #[test]
    fn a_promise_is_read_as_it_was_written() {
        let founder = Founding {
            cluster: ClusterId(9),
            incarnation: Incarnation(1),
            default_zone: "Europe/Berlin".into(),
            zone_data: "2026a".into(),
        };
        let set = [NodeId(1), NodeId(u128::MAX), NodeId(7)].into();
        let promise =
            Promise { cluster: ClusterId(9), initialiser: NodeId(1), set, founder, withdrawn: true };
        let stored = encode(Some(&promise));
        let body = record::body(&stored).expect("a record");
        assert_eq!(decode_promise(&body[1..]), Ok(promise));
        assert!(decode_promise(&body[1..body.len() - 1]).is_err());
        assert_eq!(record::body(&encode(None)), Ok(&[][..]));
    }
}
