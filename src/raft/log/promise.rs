//! The promise that a server gave before its cluster was formed, as a record.
//!
//! None is written as an empty one, so that taking it back goes the way of every other write.

use super::disk::Disk;
use super::keys::Slot;
use super::record;
use crate::raft::error::Error;
use dkron_core::bootstrap::Promise;
use dkron_core::command::Founding;
use dkron_core::ids::{ClusterId, Incarnation, NodeId};
use std::sync::Arc;

/// The only format so far.
const FORMAT: u8 = 1;

/// The record of a promise, or of none.
pub(crate) fn encode(promise: Option<&Promise>) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Some(promise) = promise {
        bytes.push(FORMAT);
        bytes.push(u8::from(promise.withdrawn));
        let founder = &promise.founder;
        for id in [promise.cluster.0, promise.initialiser.0, founder.cluster.0] {
            bytes.extend_from_slice(&id.to_be_bytes());
        }
        bytes.extend_from_slice(&founder.incarnation.0.to_be_bytes());
        for text in [&founder.default_zone, &founder.zone_data] {
            bytes.extend_from_slice(&(text.len() as u32).to_be_bytes());
            bytes.extend_from_slice(text.as_bytes());
        }
        promise.set.iter().for_each(|server| bytes.extend_from_slice(&server.0.to_be_bytes()));
    }
    record::frame(&bytes)
}

/// What is left of a record.
struct Rest<'a>(&'a [u8]);

impl Rest<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*taken)
    }

    fn id(&mut self) -> Option<u128> {
        self.take().map(u128::from_be_bytes)
    }

    fn text(&mut self) -> Option<Arc<str>> {
        let length = u32::from_be_bytes(self.take()?);
        let (text, rest) = self.0.split_at_checked(usize::try_from(length).ok()?)?;
        self.0 = rest;
        std::str::from_utf8(text).ok().map(Arc::from)
    }
}

/// The promise after its format.
fn decode(bytes: &[u8]) -> Option<Promise> {
    let mut rest = Rest(bytes);
    let [withdrawn] = rest.take()?;
    let (cluster, initialiser) = (ClusterId(rest.id()?), NodeId(rest.id()?));
    let founder = Founding {
        cluster: ClusterId(rest.id()?),
        incarnation: Incarnation(u32::from_be_bytes(rest.take()?)),
        default_zone: rest.text()?,
        zone_data: rest.text()?,
    };
    let (ids, torn) = rest.0.as_chunks::<16>();
    let set = ids.iter().map(|id| NodeId(u128::from_be_bytes(*id))).collect();
    torn.is_empty().then_some(Promise { cluster, initialiser, set, founder, withdrawn: withdrawn == 1 })
}

/// Reads the promise, if there is one.
pub(crate) fn read(disk: &Disk) -> Result<Option<Promise>, Error> {
    let Some(body) = record::read(disk, Slot::Promise)? else { return Ok(None) };
    let path = disk.path().to_path_buf();
    match body.split_first() {
        None => Ok(None),
        Some((&found, _)) if found > FORMAT => Err(Error::NewerFormat { path, found, known: FORMAT }),
        Some((_, rest)) => {
            decode(rest).map(Some).ok_or(Error::DamagedRecord { path, what: Slot::Promise.name() })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn a_promise_is_read_as_it_was_written() {
        let set: BTreeSet<NodeId> = [NodeId(1), NodeId(u128::MAX), NodeId(7)].into();
        let founder = Founding {
            cluster: ClusterId(9),
            incarnation: Incarnation(1),
            default_zone: "Europe/Zürich".into(),
            zone_data: "2026a".into(),
        };
        for withdrawn in [false, true] {
            let (set, founder) = (set.clone(), founder.clone());
            let promise = Promise { cluster: ClusterId(9), initialiser: NodeId(1), set, founder, withdrawn };
            let stored = encode(Some(&promise));
            let body = record::body(&stored).expect("a record");
            assert_eq!(decode(&body[1..]), Some(promise));
            assert_eq!(decode(&body[1..body.len() - 1]), None);
        }
        assert_eq!(record::body(&encode(None)), Ok(&[][..]));
        assert_eq!(decode(&[0; 20]), None);
    }
}
