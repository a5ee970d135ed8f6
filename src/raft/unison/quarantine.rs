//! The mark that this server's state is not that of the others: kept on the disk, because a restart would read the
//! same wrong state from its snapshots.
//!
//! A server in quarantine decides nothing and shows nothing. It goes on taking the log and giving its vote: the
//! entries on its disk are those of the others, checked byte by byte, only what it made of them is not; without its
//! acknowledgement the others would be one failure nearer to standing still.

use crate::raft::error::Error;
use crate::raft::log::disk::sync_folder;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::watch;

const NAME: &str = "quarantine";

/// The mark. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Quarantine {
    path: Arc<Path>,
    reason: Arc<watch::Sender<Option<Arc<str>>>>,
}

impl Quarantine {
    /// The mark in this data directory, set or not.
    pub(crate) fn open(data_dir: &Path) -> Result<Quarantine, Error> {
        let path = data_dir.join(NAME);
        let reason = match std::fs::read_to_string(&path) {
            Ok(text) => Some(Arc::from(text.trim())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(Error::file(path, "reading")(error)),
        };
        if let Some(reason) = &reason {
            tracing::error!("{reason}");
        }
        Ok(Quarantine { path: path.into(), reason: Arc::new(watch::channel(reason).0) })
    }

    /// Why this server is in quarantine, if it is.
    pub(crate) fn watch(&self) -> watch::Receiver<Option<Arc<str>>> {
        self.reason.subscribe()
    }

    pub(crate) fn is_set(&self) -> bool {
        self.reason.borrow().is_some()
    }

    /// Sets the mark for good. It counts from now on even if the disk does not take it.
    pub(crate) fn set(&self, what: &str) {
        let directory = self.path.parent().unwrap_or(&self.path).display().to_string();
        let reason = format!(
            "this server is in quarantine: {what}. It shows no state, decides nothing and goes on keeping the log \
             for the others. The way out: stop it, remove {directory} and start it again (wipe and rejoin)"
        );
        tracing::error!("{reason}");
        self.reason.send_replace(Some(reason.as_str().into()));
        if let Err(error) = write(&self.path, &reason) {
            tracing::error!(error = &error as &dyn std::error::Error, "the mark is not on the disk");
        }
    }
}

fn write(path: &Path, text: &str) -> Result<(), Error> {
    let unfinished: PathBuf = path.with_extension("tmp");
    let mut file = File::create(&unfinished).map_err(Error::file(&unfinished, "creating"))?;
    file.write_all(text.as_bytes())
        .and_then(|()| file.write_all(b"\n"))
        .and_then(|()| file.sync_all())
        .map_err(Error::file(&unfinished, "writing"))?;
    std::fs::rename(&unfinished, path).map_err(Error::file(path, "putting in place"))?;
    path.parent().map_or(Ok(()), sync_folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mark_outlives_the_process_and_tells_the_way_out() {
        let folder = tempfile::tempdir().expect("a folder");
        let quarantine = Quarantine::open(folder.path()).expect("opened");
        assert!(!quarantine.is_set());
        quarantine.set("its digest is another one");
        let again = Quarantine::open(folder.path()).expect("opened");
        let reason = again.watch().borrow().clone().expect("a reason");
        assert!(
            reason.contains("its digest is another one") && reason.contains("wipe and rejoin"),
            "{reason}"
        );
        assert_eq!(Some(reason), quarantine.watch().borrow().clone());
    }
}
