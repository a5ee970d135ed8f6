//! What a server promised before its cluster was formed, and which clusters it never serves, as records.
//!
//! None is written as an empty one, so that taking it back goes the way of every other write.

use super::disk::Disk;
use super::keys::Slot;
use super::record;
use crate::raft::error::Error;
use dkron_core::bootstrap::Promise;
use dkron_core::ids::ClusterId;
use dkron_wire::formation::{decode_promise, encode_promise};
use std::collections::BTreeSet;

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
    let Some(promise) = body(disk, Slot::Promise)? else { return Ok(None) };
    let damaged = |_| damaged(disk, Slot::Promise);
    decode_promise(&promise).map(Some).map_err(damaged)
}

/// The record of the clusters that are never served: 16 bytes each.
pub(crate) fn encode_forsworn(clusters: &BTreeSet<ClusterId>) -> Vec<u8> {
    let mut bytes = vec![FORMAT];
    clusters.iter().for_each(|cluster| bytes.extend_from_slice(&cluster.0.to_be_bytes()));
    record::frame(&bytes)
}

/// Reads which clusters are never served.
pub(crate) fn read_forsworn(disk: &Disk) -> Result<BTreeSet<ClusterId>, Error> {
    let ids = body(disk, Slot::Forsworn)?.unwrap_or_default();
    match ids.as_chunks::<16>() {
        (ids, []) => Ok(ids.iter().map(|id| ClusterId(u128::from_be_bytes(*id))).collect()),
        _ => Err(damaged(disk, Slot::Forsworn)),
    }
}

/// What stands in a record after its format.
fn body(disk: &Disk, slot: Slot) -> Result<Option<Vec<u8>>, Error> {
    let Some(body) = record::read(disk, slot)? else { return Ok(None) };
    match body.split_first() {
        None => Ok(None),
        Some((&found, _)) if found > FORMAT => {
            Err(Error::NewerFormat { path: disk.path().to_path_buf(), found, known: FORMAT })
        }
        Some((_, rest)) => Ok(Some(rest.to_vec())),
    }
}

fn damaged(disk: &Disk, slot: Slot) -> Error {
    Error::DamagedRecord { path: disk.path().to_path_buf(), what: slot.name() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dkron_core::command::Founding;
    use dkron_core::ids::{Incarnation, NodeId};

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
