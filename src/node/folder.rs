//! The data directory: made for its owner only. What is in it (the log, outputs, keys of gossip) is nobody else's.

use super::NodeError;
use std::fs::{self, DirBuilder};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;

/// Makes the directory if it is not there. One that is there stays as it is, and others being let in is told: who made
/// it may have meant it so.
pub(super) fn prepare(data_dir: &Path) -> Result<(), NodeError> {
    match fs::metadata(data_dir) {
        Ok(found) => {
            let mode = found.permissions().mode() & 0o777;
            if mode & 0o077 != 0 {
                tracing::warn!(
                    path = %data_dir.display(),
                    mode = format!("{mode:o}"),
                    "others may look into the data directory: close it by `chmod 700`"
                );
            }
            Ok(())
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            make(data_dir).map_err(|source| NodeError::Folder { path: data_dir.to_path_buf(), source })
        }
        // Whoever opens it says what is wrong.
        Err(_) => Ok(()),
    }
}

/// Only the directory itself is closed: what lies above it is not this node's.
fn make(data_dir: &Path) -> std::io::Result<()> {
    if let Some(above) = data_dir.parent() {
        fs::create_dir_all(above)?;
    }
    DirBuilder::new().recursive(true).mode(0o700).create(data_dir)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::Permissions;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).expect("it is there").permissions().mode() & 0o777
    }

    #[test]
    fn a_new_directory_is_its_owners_and_one_that_is_there_stays_as_it_is() {
        let folder = tempfile::tempdir().expect("a folder");
        let data_dir = folder.path().join("var").join("data");
        prepare(&data_dir).expect("made");
        assert_eq!(mode(&data_dir), 0o700);
        assert_ne!(mode(&folder.path().join("var")), 0o700, "not this node's to close");
        fs::set_permissions(&data_dir, Permissions::from_mode(0o750)).expect("changed");
        prepare(&data_dir).expect("it is there");
        assert_eq!(mode(&data_dir), 0o750);
        fs::write(folder.path().join("file"), "").expect("a file");
        assert!(prepare(&folder.path().join("file/data")).is_ok(), "whoever opens it says what is wrong");
    }
}
