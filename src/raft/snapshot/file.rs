//! One snapshot file: written as a stream, synced, read back.

use crate::raft::codec::{self, Own};
use crate::raft::error::Error;
use crate::raft::machine::Machine;
use crate::raft::state_thread::{Mark, View};
use crate::raft::type_config::{SnapshotMeta, Types};
use dkron_core::ids::Stamp;
use dkron_wire::WireError;
use dkron_wire::entry::is_of_past;
use dkron_wire::snapshot::{Header, Reader, SnapshotError, Writer};
use openraft::alias::SnapshotOf;
use std::fs::File;
use std::io::{BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

const BUFFER_BYTES: usize = 256 * 1024;

/// A whole snapshot on the disk. Cheap to clone; the file stays readable for whoever has opened it.
#[derive(Clone, Debug)]
pub(crate) struct SnapshotFile(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    path: PathBuf,
    header: Header,
    meta: SnapshotMeta,
}

impl SnapshotFile {
    fn new(path: PathBuf, header: Header) -> Result<SnapshotFile, Error> {
        let damaged = |error: dkron_wire::WireError| damaged(&path, error);
        let last_membership =
            codec::stored_membership(header.membership_at, &header.membership).map_err(damaged)?;
        let meta = SnapshotMeta { last_log_id: header.applied.map(codec::log_id_from_wire), last_membership };
        Ok(SnapshotFile(Arc::new(Parts { path, header, meta })))
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.0.path
    }

    /// What it holds, as consensus sees it.
    pub(crate) fn meta(&self) -> &SnapshotMeta {
        &self.0.meta
    }

    /// The last entry in it.
    pub(crate) fn index(&self) -> Option<u64> {
        self.0.header.applied.map(|id| id.index)
    }

    pub(crate) fn into_snapshot(self) -> SnapshotOf<Types, SnapshotFile> {
        SnapshotOf::<Types, SnapshotFile> { meta: self.0.meta.clone(), snapshot: self }
    }

    /// How far its state is.
    pub(crate) fn mark(&self) -> Mark {
        let meta = self.meta();
        Mark { applied: meta.last_log_id, membership: meta.last_membership.clone().into(), ..Mark::default() }
    }

    /// The same file under another name.
    pub(crate) fn moved(&self, path: PathBuf) -> SnapshotFile {
        SnapshotFile(Arc::new(Parts { path, header: self.0.header.clone(), meta: self.0.meta.clone() }))
    }

    /// Reads only the header.
    pub(crate) fn open(path: &Path, own: impl Into<Own>) -> Result<SnapshotFile, Error> {
        let Own { stamp: own, formats: known } = own.into();
        let header = reader(path)?.header().clone();
        if !known.understand(header.format) {
            let found = header.format.into();
            return Err(Error::LogFormat { path: path.to_path_buf(), found, known });
        }
        is_of_past(header.stamp, own).map_err(|_| Error::ForeignCluster {
            path: path.to_path_buf(),
            found: header.stamp.cluster,
            found_incarnation: header.stamp.incarnation,
            wanted: own.cluster,
            wanted_incarnation: own.incarnation,
        })?;
        SnapshotFile::new(path.to_path_buf(), header)
    }

    /// Writes a view, and returns when its bytes are on the disk.
    pub(crate) fn write<M: Machine>(
        path: &Path,
        view: &View<M>,
        stamp: Stamp,
    ) -> Result<SnapshotFile, Error> {
        let failed =
            |source| Error::File { path: path.to_path_buf(), action: "writing the snapshot", source };
        let digest = M::digest(&view.state);
        let header = Header {
            format: M::view_format(&view.state),
            stamp,
            applied: view.mark.applied.map(codec::log_id_to_wire),
            membership: codec::membership_to_wire(view.mark.membership.membership()),
            membership_at: view.mark.membership.log_id().map(codec::log_id_to_wire),
            time: M::time(&view.state),
            digest: digest.value,
            digest_format: digest.format,
        };
        let buffer = BufWriter::with_capacity(BUFFER_BYTES, File::create(path).map_err(failed)?);
        let mut writer = Writer::new(buffer, &header).map_err(failed)?;
        for record in M::save(&view.state) {
            writer.push(record).map_err(failed)?;
        }
        let mut buffer = writer.finish().map_err(failed)?;
        buffer.flush().map_err(failed)?;
        buffer.get_ref().sync_all().map_err(failed)?;
        SnapshotFile::new(path.to_path_buf(), header)
    }

    /// Reads the whole file, from the disk and not from what memory still holds of it.
    pub(crate) fn verify(&self) -> Result<(), Error> {
        let path = self.path();
        forget_cached(path)?;
        let mut reader = reader(path)?;
        while reader.next_record().map_err(|error| damaged(path, error))?.is_some() {}
        match *reader.header() == self.0.header {
            true => Ok(()),
            false => Err(damaged(path, "its header is not the one that was written")),
        }
    }

    /// The state in it. The file is checked as a whole before a record is used, and the state by its digest.
    pub(crate) fn load<M: Machine>(&self) -> Result<M, Error> {
        self.verify()?;
        let path = self.path();
        let mut reader = reader(path)?;
        let mut failed = None;
        let mut records = std::iter::from_fn(|| {
            reader.next_record().unwrap_or_else(|error| {
                failed = Some(damaged(path, error));
                None
            })
        });
        let header = &self.0.header;
        let applied = header.applied.map_or(0, |id| id.index);
        let machine = M::load(applied, header.time, &mut records).map_err(|why| damaged(path, why))?;
        if let Some(error) = failed {
            return Err(error);
        }
        let digest = M::digest(&machine.view());
        if digest.format == header.digest_format && digest.value != header.digest {
            let what = format!("its state has digest {:032x}, not {:032x}", digest.value, header.digest);
            return Err(damaged(path, what));
        }
        Ok(machine)
    }
}

fn reader(path: &Path) -> Result<Reader<BufReader<File>>, Error> {
    let file = File::open(path).map_err(Error::file(path, "opening"))?;
    Reader::new(BufReader::with_capacity(BUFFER_BYTES, file)).map_err(|error| match error {
        SnapshotError::Wire(WireError::UnknownFormat { found, known, .. }) => {
            Error::LogFormat { path: path.to_path_buf(), found, known }
        }
        error => damaged(path, error),
    })
}

fn damaged(path: &Path, what: impl ToString) -> Error {
    Error::DamagedSnapshot { path: path.to_path_buf(), what: what.to_string() }
}

/// Drops the file's clean pages, so that the next read sees what the disk has.
fn forget_cached(path: &Path) -> Result<(), Error> {
    let file = File::open(path).map_err(Error::file(path, "opening"))?;
    if let Err(error) = rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed) {
        tracing::debug!(path = %path.display(), %error, "the file is read back from memory");
    }
    Ok(())
}
