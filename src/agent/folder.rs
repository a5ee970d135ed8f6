//! The agent's folder, where everything that outlives the daemon stands.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// The folder `agent` in the data directory: for its owner only.
#[derive(Clone, Debug)]
pub(super) struct Folder(PathBuf);

impl Folder {
    /// Opens the folder, making it if need be.
    pub(super) fn open(data_dir: &Path) -> io::Result<Folder> {
        let path = Folder::within(data_dir);
        DirBuilder::new().recursive(true).mode(0o700).create(path.join("outputs"))?;
        fs::set_permissions(&path, Permissions::from_mode(0o700))?;
        File::open(data_dir)?.sync_all()?;
        Ok(Folder(path))
    }

    /// Where it is, or would be.
    pub(super) fn within(data_dir: &Path) -> PathBuf {
        data_dir.join("agent")
    }

    /// The path of a file in it.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Where the kept output of an execution stands.
    pub(super) fn output(&self, id: dkron_core::ids::ExecutionId) -> PathBuf {
        self.0.join("outputs").join(id.to_string())
    }

    /// Makes the folder's entries durable.
    pub(super) fn sync(&self) -> io::Result<()> {
        File::open(&self.0)?.sync_all()
    }

    /// Writes a file that is there whole or not at all.
    pub(super) fn write_durably(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let fresh = self.path(&format!("{name}.new"));
        let mut file = private().write(true).create(true).truncate(true).open(&fresh)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&fresh, self.path(name))?;
        self.sync()
    }

    /// The file of this name, to be locked.
    pub(super) fn lock_file(&self, name: &str) -> io::Result<File> {
        private().write(true).create(true).open(self.path(name))
    }

    /// A short path of the supervisor's socket: a socket's path may have 107 bytes, a data directory's more.
    /// It holds as long as the returned folder is open.
    pub(super) fn socket(&self) -> io::Result<(File, PathBuf)> {
        let folder = File::open(&self.0)?;
        let path = PathBuf::from(format!("/proc/self/fd/{}/supervisor.sock", folder.as_raw_fd()));
        Ok((folder, path))
    }
}

/// Files that only the owner reads.
pub(super) fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.mode(0o600);
    options
}
