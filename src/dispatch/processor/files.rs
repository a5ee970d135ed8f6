//! `files`: the output as a file of its own, `<log_dir>/<execution id>.log`.
//!
//! The path is the output's new text only if the file is there: Dkron says it even when the write failed, and the
//! output is gone.

use super::Piece;
use rustix::fs::OFlags;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Where files stand when the job does not say; only this folder is made if it is not there.
const FOLDER: &str = "/var/log/dkron";

pub(super) fn process(piece: &Piece<'_>, folder: Option<&str>) -> io::Result<String> {
    let own = folder.filter(|folder| !folder.is_empty());
    if own.is_none() {
        fs::create_dir_all(FOLDER)?;
    }
    let path = Path::new(own.unwrap_or(FOLDER)).join(format!("{}.log", piece.id));
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o644);
    // A link that somebody put there leads elsewhere.
    options.custom_flags(OFlags::NOFOLLOW.bits().cast_signed());
    let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
    options.open(&path).and_then(|mut file| file.write_all(piece.output)).map_err(named)?;
    Ok(path.display().to_string())
}
