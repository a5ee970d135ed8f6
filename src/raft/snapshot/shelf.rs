//! The folder of snapshots: which are there, which is the newest, what goes in and what goes out.

use super::file::SnapshotFile;
use crate::raft::codec::Own;
use crate::raft::error::Error;
use crate::raft::log::disk::sync_folder;
use crate::raft::machine::Machine;
use crate::raft::state_thread::View;
use crate::raft::type_config::LogId;
use crate::task;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// One to start from, and one in case it cannot be read.
const KEPT: usize = 2;
const ENDING: &str = "snapshot";
const UNFINISHED: &str = "tmp";

/// The snapshots of one server.
#[derive(Clone)]
pub(crate) struct Shelf {
    inner: Arc<Inner>,
}

struct Inner {
    folder: PathBuf,
    own: Own,
    /// Up to which index the history is on the disk.
    history: watch::Receiver<u64>,
    /// The newest first.
    files: Mutex<Vec<SnapshotFile>>,
}

impl Shelf {
    /// Opens the folder. Unfinished files go; damaged ones are renamed.
    pub(crate) fn open(
        folder: PathBuf,
        own: impl Into<Own>,
        history: watch::Receiver<u64>,
    ) -> Result<Shelf, Error> {
        let own = own.into();
        std::fs::create_dir_all(&folder).map_err(Error::file(&folder, "creating the folder"))?;
        let mut files = Vec::new();
        for item in std::fs::read_dir(&folder).map_err(Error::file(&folder, "reading the folder"))? {
            let path = item.map_err(Error::file(&folder, "reading the folder"))?.path();
            match path.extension().and_then(|ending| ending.to_str()) {
                Some(UNFINISHED) => {
                    std::fs::remove_file(&path)
                        .map_err(Error::file(&path, "removing the unfinished file"))?;
                }
                Some(ENDING) => match SnapshotFile::open(&path, own) {
                    Ok(file) => files.push(file),
                    Err(error @ Error::DamagedSnapshot { .. }) => set_aside(&path, &error)?,
                    Err(error) => return Err(error),
                },
                _ => {}
            }
        }
        files.sort_by_key(|file| std::cmp::Reverse(file.meta().last_log_id));
        Ok(Shelf { inner: Arc::new(Inner { folder, own, history, files: Mutex::new(files) }) })
    }

    fn lock(&self) -> MutexGuard<'_, Vec<SnapshotFile>> {
        self.inner.files.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The newest.
    pub(crate) fn newest(&self) -> Option<SnapshotFile> {
        self.lock().first().cloned()
    }

    /// The index up to which two whole files hold everything: the log behind it is not needed any more.
    pub(crate) fn safe_to_purge(&self) -> Option<u64> {
        self.lock().get(KEPT - 1).and_then(SnapshotFile::index)
    }

    /// The newest state that can be read; a file that cannot is renamed and the one before is tried.
    pub(crate) fn load<M: Machine>(&self) -> Result<Option<(M, SnapshotFile)>, Error> {
        while let Some(file) = self.newest() {
            match file.load::<M>() {
                Ok(machine) => return Ok(Some((machine, file))),
                Err(error @ Error::DamagedSnapshot { .. }) => {
                    set_aside(file.path(), &error)?;
                    self.lock().remove(0);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    /// Writes a view, reads it back, waits for the history, puts it in place.
    pub(crate) async fn write<M: Machine>(&self, view: View<M>) -> Result<SnapshotFile, Error> {
        if let Some(newest) = self.newest()
            && newest.meta().last_log_id == view.mark.applied
        {
            return Ok(newest);
        }
        let (path, stamp) = (self.unfinished(view.mark.applied), self.inner.own.stamp);
        let index = view.mark.applied.map_or(0, |id| id.index);
        let written = blocking(move || {
            let file = SnapshotFile::write(&path, &view, stamp)?;
            // The view goes here: what is waited for next may take long, and it would pin an old state.
            drop(view);
            file.verify()?;
            Ok(file)
        });
        let file = written.await?;
        let mut history = self.inner.history.clone();
        if history.wait_for(|synced| *synced >= index).await.is_err() {
            return Err(Error::Stopped);
        }
        let shelf = self.clone();
        blocking(move || shelf.put(file)).await
    }

    /// Takes a file from elsewhere: copied, read back and loaded before it is put in place.
    pub(crate) async fn adopt<M: Machine>(&self, from: SnapshotFile) -> Result<(M, SnapshotFile), Error> {
        let shelf = self.clone();
        blocking(move || {
            if from.path().parent() == Some(&shelf.inner.folder) {
                return Ok((from.load::<M>()?, from));
            }
            let path = shelf.unfinished(from.meta().last_log_id);
            std::fs::copy(from.path(), &path).map_err(Error::file(&path, "copying the snapshot"))?;
            let copy = std::fs::File::open(&path).map_err(Error::file(&path, "opening"))?;
            copy.sync_all().map_err(Error::file(&path, "syncing"))?;
            let file = SnapshotFile::open(&path, shelf.inner.own)?;
            let machine = file.load::<M>()?;
            Ok((machine, shelf.put(file)?))
        })
        .await
    }

    /// Puts a file that was received, checked and loaded in place.
    pub(crate) async fn keep(&self, file: SnapshotFile) -> Result<SnapshotFile, Error> {
        let shelf = self.clone();
        blocking(move || shelf.put(file)).await
    }

    /// Where a file that is being received stands, and goes at the next start if it never was whole.
    pub(crate) fn receiving(&self, name: &str) -> PathBuf {
        self.inner.folder.join(format!("{name}.received.{UNFINISHED}"))
    }

    /// Whose the snapshots are, and what is read of them.
    pub(crate) fn own(&self) -> Own {
        self.inner.own
    }

    fn finished(&self, applied: Option<LogId>) -> PathBuf {
        let (term, index) = applied.map_or((0, 0), |id| (id.leader_id.term, id.index));
        self.inner.folder.join(format!("{term}-{index}.{ENDING}"))
    }

    fn unfinished(&self, applied: Option<LogId>) -> PathBuf {
        self.finished(applied).with_added_extension(UNFINISHED)
    }

    /// Renames the finished file, forces the name to the disk, and drops what is not needed any more.
    fn put(&self, file: SnapshotFile) -> Result<SnapshotFile, Error> {
        let path = self.finished(file.meta().last_log_id);
        std::fs::rename(file.path(), &path).map_err(Error::file(&path, "putting the snapshot in place"))?;
        sync_folder(&self.inner.folder)?;
        let file = file.moved(path);
        let surplus = {
            let mut files = self.lock();
            files.retain(|other| other.path() != file.path());
            files.insert(0, file.clone());
            files.sort_by_key(|file| std::cmp::Reverse(file.meta().last_log_id));
            let kept = files.len().min(KEPT);
            files.split_off(kept)
        };
        for old in surplus {
            std::fs::remove_file(old.path()).map_err(Error::file(old.path(), "removing the old snapshot"))?;
        }
        Ok(file)
    }
}

/// The files in a folder whose heads can be read, the newest first. All files stay where they are.
pub(crate) fn whole_files(folder: &Path, own: Own) -> Result<Vec<SnapshotFile>, Error> {
    let items = match std::fs::read_dir(folder) {
        Ok(items) => items,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Error::file(folder, "reading the folder")(error)),
    };
    let mut files = Vec::new();
    for item in items {
        let path = item.map_err(Error::file(folder, "reading the folder"))?.path();
        if path.extension().is_none_or(|ending| ending != ENDING) {
            continue;
        }
        match SnapshotFile::open(&path, own) {
            Ok(file) => files.push(file),
            Err(error @ Error::DamagedSnapshot { .. }) => tracing::warn!(%error, "a snapshot is passed over"),
            Err(error) => return Err(error),
        }
    }
    files.sort_by_key(|file| std::cmp::Reverse(file.meta().last_log_id));
    Ok(files)
}

fn set_aside(path: &Path, why: &Error) -> Result<(), Error> {
    let aside = path.with_extension("snapshot.damaged");
    tracing::error!(error = %why, aside = %aside.display(), "a snapshot cannot be used; the one before is tried");
    std::fs::rename(path, &aside).map_err(Error::file(path, "renaming"))
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    task::blocking("raft snapshot", work).await.unwrap_or(Err(Error::Stopped))
}
