//! Locks on files, with one patience for all of them.
//!
//! A child that a process is just starting holds a copy of every open file until its own program is loaded. So a
//! lock that was let go a moment ago, also by a kill, may still be held for that long, by nobody who uses it.

use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

/// Tries for a lock, and the pause between two of them: two seconds in all.
const TRIES: usize = 400;
const PAUSE: Duration = Duration::from_millis(5);

/// Tries until somebody else has no lock any more, or keeps it; what the last try brought. Blocks.
pub fn patiently<T>(mut attempt: impl FnMut() -> T, is_held: impl Fn(&T) -> bool) -> T {
    for _ in 0..TRIES {
        let outcome = attempt();
        if !is_held(&outcome) {
            return outcome;
        }
        std::thread::sleep(PAUSE);
    }
    attempt()
}

/// Takes the lock for the life of the file; false if somebody else has it and keeps it. Blocks.
pub fn take(file: &File) -> io::Result<bool> {
    patiently(|| try_take(file), |taken| matches!(taken, Ok(false)))
}

/// Takes the lock for the life of the file; false if somebody else has it now.
pub fn try_take(file: &File) -> io::Result<bool> {
    match file.try_lock() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Waits until nobody has the lock of this file; false if somebody keeps it. Blocks.
///
/// It has the lock for a moment itself, which a child may take with it: no promise to who asks only once.
pub fn wait_until_free(path: &Path) -> io::Result<bool> {
    match File::open(path) {
        Ok(file) => take(&file),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(error) => Err(error),
    }
}

/// Who has the lock of this file, as people look for it: process id and command line. None if nobody has, or it
/// cannot be seen from here.
pub fn holder(path: &Path) -> Option<String> {
    let (file, path) = (fs::metadata(path).ok()?, fs::canonicalize(path).ok()?);
    let inode = format!(":{}", file.ino());
    let locks = fs::read_to_string("/proc/locks").ok()?;
    let processes = locks.lines().filter_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [_, "FLOCK", _, _, process, place, ..] = words[..] else { return None };
        place.ends_with(&inode).then(|| process.parse::<u32>().ok()).flatten()
    });
    processes.filter(|process| has_open(*process, &path)).map(describe).next()
}

/// The number of a lock's file may be that of a file on another disk.
fn has_open(process: u32, path: &Path) -> bool {
    let open = fs::read_dir(format!("/proc/{process}/fd")).into_iter().flatten().flatten();
    open.filter_map(|entry| fs::read_link(entry.path()).ok()).any(|link| link == path)
}

fn describe(process: u32) -> String {
    let words = fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
    let words = String::from_utf8_lossy(&words).trim_end_matches('\0').replace('\0', " ");
    format!("process {process} ({words})")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_a_lock_is_named() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("lock");
        let file = File::create(&path).expect("a file");
        assert_eq!(holder(&path), None);
        assert!(take(&file).expect("a lock"));
        let named = holder(&path).expect("somebody");
        assert!(named.starts_with(&format!("process {} (", std::process::id())), "{named}");
    }

    #[test]
    fn a_lock_that_is_let_go_in_time_is_had_and_one_that_is_kept_is_not() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("lock");
        assert!(wait_until_free(&path).expect("no file is free"));
        let first = File::create(&path).expect("a file");
        assert!(take(&first).expect("a lock"));
        assert!(!wait_until_free(&path).expect("it can be asked for"), "it is kept");
        let second = File::open(&path).expect("the file");
        let waiting = std::thread::spawn(move || take(&second));
        drop(first);
        assert!(waiting.join().expect("it only waits").expect("it can be asked for"), "it is let go");
    }
}
