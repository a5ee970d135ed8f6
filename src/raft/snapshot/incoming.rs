//! A snapshot on its way in: bytes in order into a file of its own, checked and loaded before anybody uses it.
//!
//! One file at a time; another one takes its place. A transfer that broke off goes on where it was, as long as
//! this process lives.

use super::file::SnapshotFile;
use super::shelf::Shelf;
use crate::raft::codec;
use crate::raft::error::Error;
use crate::raft::machine::Machine;
use dkron_wire::consensus::SnapshotName;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The snapshots that a server is sent. Its calls block.
pub(crate) struct Incoming<M> {
    shelf: Shelf,
    state: Mutex<State<M>>,
}

struct State<M> {
    receiving: Option<Receiving>,
    /// Whole, checked and loaded; waits for consensus to take it.
    ready: Option<(SnapshotFile, M)>,
    /// How many files were begun: each has its own name on the disk.
    begun: u64,
}

struct Receiving {
    name: SnapshotName,
    path: PathBuf,
    file: File,
    offset: u64,
}

/// Why bytes were not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Misplaced {
    /// They do not follow what is there.
    #[error("the bytes at {found} of {size} do not follow what is here, which ends at {expected}")]
    Offset {
        /// Where they belong.
        found: u64,
        /// Where the file here ends.
        expected: u64,
        /// The size of the whole.
        size: u64,
    },
    /// The file cannot be written, or is not what it should be.
    #[error(transparent)]
    File(#[from] Error),
}

impl<M: Machine> Incoming<M> {
    pub(crate) fn new(shelf: Shelf) -> Incoming<M> {
        Incoming { shelf, state: Mutex::new(State { receiving: None, ready: None, begun: 0 }) }
    }

    /// How many bytes of this file are here.
    pub(crate) fn offset(&self, name: &SnapshotName) -> u64 {
        let state = self.lock();
        state.receiving.as_ref().filter(|receiving| receiving.name == *name).map_or(0, |own| own.offset)
    }

    /// Takes the bytes that stand at `offset` of this file.
    pub(crate) fn write(&self, name: &SnapshotName, offset: u64, bytes: &[u8]) -> Result<(), Misplaced> {
        let mut state = self.lock();
        let expected =
            state.receiving.as_ref().filter(|receiving| receiving.name == *name).map_or(0, |own| own.offset);
        if offset != expected || offset + bytes.len() as u64 > name.size {
            return Err(Misplaced::Offset { found: offset, expected, size: name.size });
        }
        if state.receiving.as_ref().is_none_or(|receiving| receiving.name != *name) {
            remove(state.receiving.take().map(|receiving| receiving.path).as_deref());
            state.begun += 1;
            state.receiving = Some(self.begin(name, state.begun)?);
        }
        let Some(receiving) = state.receiving.as_mut() else { return Ok(()) };
        if let Err(error) = receiving.file.write_all(bytes) {
            let path = receiving.path.clone();
            // What is in it now is not known.
            state.receiving = None;
            remove(Some(&path));
            return Err(Misplaced::File(Error::file(path, "writing the snapshot")(error)));
        }
        receiving.offset += bytes.len() as u64;
        Ok(())
    }

    fn begin(&self, name: &SnapshotName, number: u64) -> Result<Receiving, Error> {
        let path = self.shelf.receiving(&format!("{}-{}.{number}", name.last.leader.term, name.last.index));
        let file = File::create(&path).map_err(Error::file(&path, "creating"))?;
        Ok(Receiving { name: *name, path, file, offset: 0 })
    }

    /// Reads the file back from the disk and loads its state. One that is not what it should be is deleted, and
    /// comes again from its start.
    pub(crate) fn finish(&self, name: &SnapshotName) -> Result<SnapshotFile, Misplaced> {
        let receiving = {
            let mut state = self.lock();
            let whole = |receiving: &Receiving| receiving.name == *name && receiving.offset == name.size;
            let expected = state.receiving.as_ref().map_or(0, |receiving| receiving.offset);
            state.receiving.take_if(|receiving| whole(receiving)).ok_or(Misplaced::Offset {
                found: name.size,
                expected,
                size: name.size,
            })?
        };
        match self.check(&receiving) {
            Ok((file, machine)) => {
                self.lock().ready = Some((file.clone(), machine));
                Ok(file)
            }
            Err(error) => {
                remove(Some(&receiving.path));
                Err(Misplaced::File(error))
            }
        }
    }

    fn check(&self, receiving: &Receiving) -> Result<(SnapshotFile, M), Error> {
        let path = &receiving.path;
        receiving.file.sync_all().map_err(Error::file(path, "syncing"))?;
        let file = SnapshotFile::open(path, self.shelf.own())?;
        let machine = file.load::<M>()?;
        match file.meta().last_log_id.map(codec::log_id_to_wire) {
            Some(last) if last == receiving.name.last => Ok((file, machine)),
            found => Err(Error::DamagedSnapshot {
                path: path.clone(),
                what: format!("it ends with entry {found:?}, not {:?}", receiving.name.last),
            }),
        }
    }

    /// The state in this file, if it is the one that waits.
    pub(crate) fn take(&self, file: &SnapshotFile) -> Option<M> {
        let ready = self.lock().ready.take_if(|(ready, _)| ready.path() == file.path());
        ready.map(|(_, machine)| machine)
    }

    /// Drops this file if consensus did not take it, as it does with one that it is already past.
    pub(crate) fn discard(&self, file: &SnapshotFile) {
        if self.take(file).is_some() {
            remove(Some(file.path()));
        }
    }

    /// Held while one part is written, by threads that may block.
    fn lock(&self) -> MutexGuard<'_, State<M>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn remove(path: Option<&Path>) {
    if let Some(path) = path
        && let Err(error) = std::fs::remove_file(path)
    {
        tracing::debug!(path = %path.display(), %error, "an unfinished snapshot stays until the next start");
    }
}
