//! Up to which entry rows are lost that no server had any more: one number in a file.

use super::disk::catalogue::sync_folder;
use super::error::{Context, Error, Result};
use super::store::Store;
use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::Path;
use std::sync::atomic::Ordering;

const NAME: &str = "lost";

/// What the file says; 0 if there is none.
pub(super) fn read(folder: &Path) -> Result<u64> {
    let path = folder.join(NAME);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(0),
        Err(source) => return Err(Error::Io { action: "read", path, source }),
    };
    text.trim().parse().map_err(|_| Error::damaged(&path, 0, "a number"))
}

/// Raises the number, durably.
pub(super) fn note(store: &Store, up_to: u64) -> Result<()> {
    if store.lost.fetch_max(up_to, Ordering::Relaxed) >= up_to {
        return Ok(());
    }
    let folder = &store.settings.folder;
    let (path, unfinished) = (folder.join(NAME), folder.join("lost.new"));
    let mut file = File::create(&unfinished).at("create", &unfinished)?;
    file.write_all(format!("{up_to}\n").as_bytes()).at("write", &unfinished)?;
    file.sync_all().at("sync", &unfinished)?;
    fs::rename(&unfinished, &path).at("rename", &path)?;
    sync_folder(folder)
}
