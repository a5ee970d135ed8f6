//! What can go wrong in this room, as one enum: callers tell a full disk from damaged data by its variant.

use std::io;
use std::path::{Path, PathBuf};

/// Why the history could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The operating system refused a file operation.
    #[error("history: cannot {action} {}", path.display())]
    Io {
        /// What was tried, as a verb.
        action: &'static str,
        /// On which file or folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Bytes on disk are not what was written: a checksum or a structure is wrong.
    #[error("history: damaged data in {} at byte {offset}: {what}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where in it.
        offset: u64,
        /// What is wrong.
        what: &'static str,
    },
    /// Another process holds the folder.
    #[error("history: {} is in use by another process", path.display())]
    InUse {
        /// The folder.
        path: PathBuf,
    },
    /// An output above the bound of [`dkron_core::limits::OUTPUT_BYTES_MAX`].
    #[error("history: an output of {bytes} bytes is above the bound of {bound}")]
    OutputTooLarge {
        /// Its size.
        bytes: usize,
        /// The bound.
        bound: usize,
    },
    /// The disk refused an output; the log says why.
    #[error("history: an output could not be written")]
    OutputNotWritten,
    /// The room has stopped.
    #[error("history: stopped")]
    Stopped,
}

/// Shorthand of this room.
pub type Result<T> = std::result::Result<T, Error>;

/// Names the file and the action in an I/O error.
pub(super) trait Context<T> {
    fn at(self, action: &'static str, path: &Path) -> Result<T>;
}

impl<T> Context<T> for io::Result<T> {
    fn at(self, action: &'static str, path: &Path) -> Result<T> {
        self.map_err(|source| Error::Io { action, path: path.to_path_buf(), source })
    }
}

impl Error {
    pub(super) fn damaged(path: &Path, offset: u64, what: &'static str) -> Error {
        Error::Damaged { path: path.to_path_buf(), offset, what }
    }
}
