//! Whose data directory this is, because a foreign disk in the right place looks like our own.

use super::disk::Disk;
use super::keys::Slot;
use super::record;
use crate::raft::error::Error;
use dkron_core::ids::Stamp;
use dkron_core::ids::{ClusterId, Incarnation, NodeId};
use std::path::Path;

/// The newest format of the directory as a whole.
const FORMAT: u8 = 1;
const BYTES: usize = 1 + 16 + 1 + 16 + 4;

/// What the directory says of itself.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Identity {
    /// The server.
    pub server: NodeId,
    /// Its cluster, once it has one.
    pub stamp: Option<Stamp>,
}

impl Identity {
    /// Its bytes in their frame.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(BYTES);
        bytes.push(FORMAT);
        bytes.extend_from_slice(&self.server.0.to_be_bytes());
        bytes.push(u8::from(self.stamp.is_some()));
        let stamp = self.stamp.unwrap_or(Stamp { cluster: ClusterId(0), incarnation: Incarnation(0) });
        bytes.extend_from_slice(&stamp.cluster.0.to_be_bytes());
        bytes.extend_from_slice(&stamp.incarnation.0.to_be_bytes());
        record::frame(&bytes)
    }

    fn decode(bytes: &[u8]) -> Option<Identity> {
        let bytes: &[u8; BYTES] = bytes.try_into().ok()?;
        let server = NodeId(u128::from_be_bytes(bytes[1..17].try_into().ok()?));
        let cluster = ClusterId(u128::from_be_bytes(bytes[18..34].try_into().ok()?));
        let incarnation = Incarnation(u32::from_be_bytes(bytes[34..].try_into().ok()?));
        Some(Identity { server, stamp: (bytes[17] == 1).then_some(Stamp { cluster, incarnation }) })
    }

    /// Reads the directory's identity; none if it is new.
    pub(crate) fn read(disk: &Disk) -> Result<Option<Identity>, Error> {
        let Some(body) = record::read(disk, Slot::Identity)? else { return Ok(None) };
        let path = disk.path().to_path_buf();
        match body.first() {
            Some(&found) if found > FORMAT => Err(Error::NewerFormat { path, found, known: FORMAT }),
            _ => Identity::decode(&body)
                .map(Some)
                .ok_or(Error::DamagedRecord { path, what: Slot::Identity.name() }),
        }
    }

    /// Whether the directory is the server that is meant, if one is.
    pub(crate) fn check_server(&self, path: &Path, server: Option<NodeId>) -> Result<(), Error> {
        match server {
            Some(wanted) if wanted != self.server => {
                Err(Error::ForeignServer { path: path.to_path_buf(), found: self.server, wanted })
            }
            _ => Ok(()),
        }
    }

    /// Whether the directory may be one of this cluster.
    pub(crate) fn check_stamp(&self, path: &Path, wanted: Stamp) -> Result<(), Error> {
        match self.stamp {
            Some(found) if found != wanted => Err(Error::ForeignCluster {
                path: path.to_path_buf(),
                found: found.cluster,
                found_incarnation: found.incarnation,
                wanted: wanted.cluster,
                wanted_incarnation: wanted.incarnation,
            }),
            _ => Ok(()),
        }
    }
}

/// Refuses a data directory in which Dkron keeps its own log. To be asked before anything in it is touched.
///
/// # Errors
/// [`Error::DkronDirectory`], or that nobody can look there.
pub fn refuse_dkron(data_dir: &Path) -> Result<(), Error> {
    let theirs = data_dir.join("raft").join("raft.db");
    match theirs.try_exists() {
        Ok(false) => Ok(()),
        Ok(true) => Err(Error::DkronDirectory(theirs)),
        Err(error) => Err(Error::file(theirs, "looking for it")(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_is_read_as_it_was_written() {
        let stamp = Stamp { cluster: ClusterId(7), incarnation: Incarnation(3) };
        for stamp in [None, Some(stamp)] {
            let identity = Identity { server: NodeId(u128::MAX - 1), stamp };
            let stored = identity.encode();
            assert_eq!(record::body(&stored).ok().and_then(Identity::decode), Some(identity));
        }
    }

    #[test]
    fn a_foreign_directory_is_refused_by_name() {
        let mine = Stamp { cluster: ClusterId(1), incarnation: Incarnation(1) };
        let restored = Stamp { incarnation: Incarnation(2), ..mine };
        let identity = Identity { server: NodeId(5), stamp: Some(mine) };
        let path = Path::new("/data/raft");
        assert!(identity.check_server(path, Some(NodeId(5))).is_ok());
        assert!(identity.check_stamp(path, mine).is_ok());
        assert!(matches!(identity.check_server(path, Some(NodeId(6))), Err(Error::ForeignServer { .. })));
        assert!(matches!(identity.check_stamp(path, restored), Err(Error::ForeignCluster { .. })));
    }
}
