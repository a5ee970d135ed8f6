//! A data directory that is opened but not yet part of a running consensus: whose it is, and what it promised.
//!
//! A server gossips, and may take part in forming a cluster, before it belongs to one; its id and its
//! promises must be on the disk by then.

use super::error::Error;
use super::log::disk::{Disk, DiskEnd, Force, Pen};
use super::log::identity::{Identity, refuse_dkron};
use super::log::keys::Slot;
use super::log::promise;
use crate::task::blocking;
use dkron_core::bootstrap::Promise;
use dkron_core::format::Formats;
use dkron_core::ids::{ClusterId, Incarnation, NodeId, Stamp};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::Mutex;

/// An open data directory. Only one process has it.
pub struct Ground {
    pub(super) data_dir: PathBuf,
    pub(super) disk: Disk,
    pub(super) end: DiskEnd,
    identity: Identity,
    promise: Option<Promise>,
    forsworn: BTreeSet<ClusterId>,
    /// What is read of it.
    pub(super) formats: Formats,
}

/// Opens a server's data directory; a new one gets its id. With `server`, a directory of another one is refused.
///
/// # Errors
/// [`Error`]: the directory is Dkron's, another server's, in use or damaged.
pub async fn open(data_dir: &Path, server: Option<NodeId>) -> Result<Ground, Error> {
    open_with(data_dir, server, |force| force).await
}

/// The same with something around the forcing of bytes to the disk: a test makes it slow.
pub(super) async fn open_with(
    data_dir: &Path,
    server: Option<NodeId>,
    around: impl FnOnce(Force) -> Force + Send + 'static,
) -> Result<Ground, Error> {
    refuse_dkron(data_dir)?;
    let path = data_dir.join("raft");
    let opening = blocking("raft open", move || Disk::open_with(&path, around));
    let (disk, thread) = opening.await.map_err(|_| Error::Stopped)??;
    let end = disk.end(thread);
    let (promise, forsworn) = (promise::read(&disk)?, promise::read_forsworn(&disk)?);
    let identity = match Identity::read(&disk)? {
        Some(stored) => {
            stored.check_server(disk.path(), server)?;
            stored
        }
        None => {
            let server = server.map_or_else(|| random(disk.path()).map(NodeId), Ok)?;
            let identity = Identity { server, stamp: None };
            write(&disk.pen(), vec![(Slot::Identity, identity.encode())], "writing the identity").await?;
            identity
        }
    };
    Ok(Ground {
        data_dir: data_dir.to_path_buf(),
        disk,
        end,
        identity,
        promise,
        forsworn,
        formats: Formats::OWN,
    })
}

impl Ground {
    /// From now on it reads and writes these log formats only, as another build does.
    pub fn know_only(&mut self, formats: Formats) {
        self.formats = formats;
    }

    /// Who this server is, and of which cluster, if of any yet.
    pub fn identity(&self) -> Identity {
        self.identity
    }

    /// What it had promised when the directory was opened.
    pub fn promise(&self) -> Option<&Promise> {
        self.promise.as_ref()
    }

    /// Which clusters it had forsworn when the directory was opened.
    pub fn forsworn(&self) -> &BTreeSet<ClusterId> {
        &self.forsworn
    }

    /// The way to change these, also while consensus runs; asked for once.
    pub fn promises(&self) -> Promises {
        let forsworn = Arc::new(Mutex::new(self.forsworn.clone()));
        Promises { pen: self.disk.pen(), forsworn }
    }

    /// Whether its log is empty and it never voted: then it has no part in anything that is decided.
    ///
    /// # Errors
    /// [`Error::Database`] if it cannot be read.
    pub fn is_blank(&self) -> Result<bool, Error> {
        let voted = self.disk.record(Slot::Vote)?.is_some();
        let purged = self.disk.record(Slot::Purged)?.is_some();
        Ok(!voted && !purged && self.disk.entries(0..=u64::MAX).next().transpose()?.is_none())
    }

    /// Makes it a server of this cluster for good. A promise stays until the cluster is founded: until then the
    /// other members may ask for it.
    ///
    /// # Errors
    /// [`Error::ForeignCluster`] if it belongs to another one, [`Error::Promised`] if it is promised to another
    /// one, or of the disk.
    pub async fn adopt(&mut self, stamp: Stamp) -> Result<(), Error> {
        self.identity.check_stamp(self.disk.path(), stamp)?;
        if let Some(promise) = promise::read(&self.disk)?
            && promise.cluster != stamp.cluster
        {
            let path = self.disk.path().to_path_buf();
            return Err(Error::Promised { path, promised: promise.cluster, wanted: stamp.cluster });
        }
        let identity = Identity { stamp: Some(stamp), ..self.identity };
        let record = vec![(Slot::Identity, identity.encode())];
        write(&self.disk.pen(), record, "writing the identity").await?;
        self.identity = identity;
        Ok(())
    }

    /// A stamp for a cluster that is not there yet, random.
    ///
    /// # Errors
    /// [`Error::File`] if the system gives no random bytes.
    pub fn new_stamp(&self) -> Result<Stamp, Error> {
        Ok(Stamp { cluster: ClusterId(random(self.disk.path())?), incarnation: Incarnation(1) })
    }

    /// Gives the directory back without a start.
    ///
    /// # Errors
    /// [`Error::Stopped`] if the closing broke off.
    pub async fn close(self) -> Result<(), Error> {
        let Ground { disk, end, .. } = self;
        drop(disk);
        blocking("raft close", move || end.close()).await.map_err(|_| Error::Stopped)
    }
}

/// Where a server's promise is kept. Cheap to clone.
#[derive(Clone)]
pub struct Promises {
    pen: Pen,
    /// Held while it is written, so that memory and disk change in one order.
    forsworn: Arc<Mutex<BTreeSet<ClusterId>>>,
}

impl Promises {
    /// Makes, replaces or takes back the promise; on the disk when it returns.
    ///
    /// # Errors
    /// [`Error`] of the disk.
    pub async fn set(&self, promise: Option<Promise>) -> Result<(), Error> {
        let record = promise::encode(promise.as_ref());
        write(&self.pen, vec![(Slot::Promise, record)], "writing the promise").await
    }

    /// Notes that this server never serves a cluster; on the disk when it returns.
    ///
    /// # Errors
    /// [`Error`] of the disk.
    pub async fn forswear(&self, cluster: ClusterId) -> Result<(), Error> {
        let mut forsworn = self.forsworn.lock().await;
        forsworn.insert(cluster);
        let record = promise::encode_forsworn(&forsworn);
        write(&self.pen, vec![(Slot::Forsworn, record)], "writing what is forsworn").await
    }
}

async fn write(pen: &Pen, records: Vec<(Slot, Vec<u8>)>, action: &'static str) -> Result<(), Error> {
    pen.write_records(records).await.map_err(Error::file(pen.path(), action))
}

fn random(path: &Path) -> Result<u128, Error> {
    let mut bytes = [0; 16];
    let failed =
        |error: getrandom::Error| Error::file(path, "making an id")(std::io::Error::other(error.to_string()));
    getrandom::fill(&mut bytes).map_err(failed)?;
    Ok(u128::from_be_bytes(bytes))
}
