//! Files that are made and never overwritten: a key that is lost under a new one is lost.

use anyhow::{Context, bail};
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Only its owner may read it.
pub(super) const SECRET: u32 = 0o600;
/// Everybody may read it.
pub(super) const PUBLIC: u32 = 0o644;

/// Writes all of these files, or none if one of them is there.
pub(super) fn write(files: &[(&Path, &str, u32)]) -> anyhow::Result<()> {
    if let Some((path, ..)) = files.iter().find(|(path, ..)| path.exists()) {
        bail!(
            "'{}' is there already and is not overwritten: move it away, or name another --directory",
            path.display()
        );
    }
    for (path, text, mode) in files {
        write_one(path, text, *mode).with_context(|| format!("'{}' cannot be written", path.display()))?;
    }
    Ok(())
}

fn write_one(path: &Path, text: &str, mode: u32) -> std::io::Result<()> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::create_dir_all(folder)?;
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}
