//! Which daemon has a data directory: its lock says so, and names its process.

use super::folder::Folder;
use crate::lock;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

/// A daemon that runs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Daemon {
    /// Its process.
    pub pid: i32,
    /// Whether it is a server.
    pub server: bool,
}

/// The name of the lock's file in the agent's folder.
pub(super) const LOCK: &str = "lock";

/// Writes into the lock, which is held, whose it is.
pub(super) fn sign(mut held: &File, server: bool) -> io::Result<()> {
    let kind = if server { "server" } else { "agent" };
    held.set_len(0)?;
    held.write_all(format!("{} {kind}\n", std::process::id()).as_bytes())
}

/// The daemon that runs in a data directory; none if none does.
///
/// # Errors
/// If the directory is no node's, or the lock does not say whose it is.
pub fn daemon(data_dir: &Path) -> io::Result<Option<Daemon>> {
    let path = Folder::within(data_dir).join(LOCK);
    if lock::try_take(&File::open(&path)?)? {
        return Ok(None);
    }
    let text = fs::read_to_string(&path)?;
    let mut words = text.split_whitespace();
    let pid = words.next().and_then(|word| word.parse().ok()).filter(|pid| *pid > 0);
    let server = match words.next() {
        Some("server") => Some(true),
        Some("agent") => Some(false),
        _ => None,
    };
    let unsigned = || io::Error::other(format!("{} does not say which process has it", path.display()));
    pid.zip(server).map(|(pid, server)| Some(Daemon { pid, server })).ok_or_else(unsigned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_held_lock_names_its_process_and_a_free_one_nobody() {
        let data = tempfile::tempdir().expect("a folder");
        assert!(daemon(data.path()).is_err(), "no node's");
        let folder = Folder::open(data.path()).expect("the agent's folder");
        let held = folder.lock_file(LOCK).expect("a file");
        assert_eq!(daemon(data.path()).expect("free"), None);
        assert!(lock::take(&held).expect("a lock"));
        assert!(daemon(data.path()).is_err(), "not signed yet");
        sign(&held, false).expect("signed");
        let own = Daemon { pid: std::process::id() as i32, server: false };
        assert_eq!(daemon(data.path()).expect("held"), Some(own));
        drop(held);
        assert_eq!(daemon(data.path()).expect("free again"), None);
    }
}
